"""Logs of joining and leaving, an action a row, as visits.

Belongs here: which action ends which visit. Does not belong here: reading their times; the rows of a person stand in
the order in which they happened, so that no time has to be known to pair them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from funnel_assets.sources.zoom.labels import Labels, key
from funnel_assets.sources.zoom.layout import Block

_KEYS = ("session_id", "upn", "email", "user_name")
_TIMES = {
    "action_time": ("Join Time", "Leave Time"),
    "action_time_utc": ("Join Time (UTC)", "Leave Time (UTC)"),
}


@dataclass(frozen=True)
class _Action:
    line: int
    cells: list[str]
    who: str
    said: str
    name: str | None
    time: str


def visits_of(block: Block, labels: Labels) -> Block:
    """Turn a log into a table of visits; any other block is returned as it is.

    Somebody who joined and never left stays until the log's last action (``Block.open_visits``). What can't be paired
    is kept in ``Block.set_aside``.
    """
    time = next((name for name in _TIMES if name in block.names), None)
    if time is None or "action" not in block.names:
        return block
    actions = _in_order(_actions(block, time, labels))
    gone = {block.names.index("action"), block.names.index(time)}
    kept = [index for index in range(len(block.header)) if index not in gone]
    found = Block(
        section=block.section,
        header=[*(block.header[index] for index in kept), *_TIMES[time]],
        names=[*(block.names[index] for index in kept), "join_time", "leave_time"],
        sitting=block.sitting,
        is_log=True,
    )
    for action, left in _paired(actions, found):
        found.rows.append([*(action.cells[index] for index in kept), action.time, left.time if left else ""])
        found.lines.append(action.line)
        if left is None:
            found.open_visits.append(len(found.rows) - 1)
    return found


def _actions(block: Block, time: str, labels: Labels) -> list[_Action]:
    at_action, at_time = block.names.index("action"), block.names.index(time)
    keys = [block.names.index(name) for name in _KEYS if name in block.names]
    actions = []
    for line, row in zip(block.lines, block.rows, strict=True):
        cells = [cell.strip() for cell in row] + [""] * (len(block.header) - len(row))
        if any(cells[len(block.header) :]):
            # A cell too many: which is whose isn't sure.
            cells[at_time] = ""
        who = next((cells[index] for index in keys if cells[index]), "")
        said = cells[at_action]
        if labels.name("action", said) is None and any(labels.name("action", cell) for cell in cells):
            # The action stands where the name belongs.
            said = ""
        actions.append(_Action(line, cells, key(who), said, labels.name("action", said), cells[at_time]))
    return actions


def _in_order(actions: Sequence[_Action]) -> Sequence[_Action]:
    """The log from its beginning: where people leave first and join last it has been written newest first."""
    ends: dict[str, tuple[str | None, str | None]] = {}
    for action in actions:
        ends[action.who] = (ends.get(action.who, (action.name,))[0], action.name)
    ways = list(ends.values())
    return actions[::-1] if ways.count(("left", "joined")) > ways.count(("joined", "left")) else actions


def _paired(actions: Iterable[_Action], block: Block) -> list[tuple[_Action, _Action | None]]:
    """Each joining with the leaving that ends it, in file order; of two at once the earlier one ends first."""
    said: set[tuple[str, str | None, str]] = set()
    here: dict[str, list[_Action]] = {}
    since_left: dict[str, int] = {}
    pairs: dict[int, tuple[_Action, _Action | None]] = {}
    for action in actions:
        same = (action.who, action.name, action.time)
        reason = None
        if not (action.said and action.who and any(char.isdigit() for char in action.time)):
            reason = "broken_action"
        elif action.name is None:
            reason = "unknown_action"
        elif same in said:
            reason = "said_twice"
        elif action.name == "joined":
            here.setdefault(action.who, []).append(action)
            since_left[action.who] = since_left.get(action.who, 0) + 1
            pairs[action.line] = (action, None)
        elif here.get(action.who):
            joined = here[action.who].pop(0)
            pairs[joined.line] = (joined, action)
            since_left[action.who] = 0
        else:
            reason = "left_only"
        said.add(same)
        if reason:
            block.set_aside.append((action.line, reason, " | ".join(action.cells)))
    # Of two who joined and one who left nobody knows which; only what comes last can be going on still.
    unclear = {who for who, still in here.items() if len(still) > since_left[who]}
    for action in (action for pair in pairs.values() for action in pair if action and action.who in unclear):
        block.set_aside.append((action.line, "left_lost", " | ".join(action.cells)))
    return [pairs[line] for line in sorted(pairs) if pairs[line][0].who not in unclear]
