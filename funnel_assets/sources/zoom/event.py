"""What a report says of its event, held against itself: facts of the wrong kind, lines nobody could read, lost columns.

Belongs here: doubts that only the file's layout shows. Does not belong here: the report's totals and keys (`doubts`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from funnel_assets.masking import mask_text
from funnel_assets.sources.zoom.dates import Cells
from funnel_assets.sources.zoom.doubts import Doubt
from funnel_assets.sources.zoom.fit import LETTERS_LOST, Rows, minutes_of
from funnel_assets.sources.zoom.labels import Labels
from funnel_assets.sources.zoom.layout import Layout

if TYPE_CHECKING:
    from funnel_assets.sources.zoom.report import ZoomSession

_NAT = np.iinfo(np.int64).min
_MINUTE_US = 60_000_000
_COUNTS = (
    "registered",
    "cancelled",
    "approved",
    "denied",
    "unique_viewers",
    "total_users",
    "participants",
)
_TEAMS_LISTS = ("teams_people", "teams_activity")
# No number or code of a meeting is made of words.
_WORDS = re.compile(r"[^\W\d_]{2,} [^\W\d_]")
_OF_EACH = ("topic", "webinar_id", "start", "actual_start", "end")
_DURATIONS = ("actual_duration", "duration")
_NUMBER = re.compile(r"\d{1,3}([,.\s]?\d{3})*|\d+")
_NOTHING = re.compile(r"\W*|n\W?a", re.IGNORECASE)
# A topic may be "Session 2" or "2025"; it is no moment, no address and no bare number of a webinar's length.
# Nobody calls an event by a small number; a count that stands there has changed places with the topic.
_COUNT = re.compile(r"\d{1,3}")
_NO_TOPIC = re.compile(
    r"\S+@\S+|[\d\s-]{9,}|.*\d{1,2}:\d{2}.*\d{4}.*|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*\d{1,2}:\d{2}.*"
)
# Stated length and the time between stated start and end: each may be rounded.
_APART_MINUTES = 3.0
_LONGER_MINUTES = 5.0


def event_doubts(
    layout: Layout,
    facts: Sequence[Mapping[str, str]],
    times: Mapping[str, Cells],
    labels: Labels,
    broken_lines: int,
) -> Iterator[Doubt]:
    """Doubts about the lines that speak of the event.

    Args:
        layout: The file's lines.
        facts: Facts of each sitting.
        times: The facts that are moments.
        labels: Words for lengths of time.
        broken_lines: Lines that were set apart because a quotation mark in them never closes.
    """
    unread = sum(1 for _, cells in layout.loose if sum(map(bool, cells)) > 2)
    if unread:
        yield Doubt(
            "unread_lines", f"{unread} line(s) outside any table couldn't be read.", {"lines": unread}
        )
    actions = sum(reason == "broken_action" for block in layout.blocks for _, reason, _ in block.set_aside)
    if any(block.is_log for block in layout.blocks):
        actions += broken_lines
    if actions:
        detail = f"{actions} line(s) of the log lack a name, an action or a time: visits may be wrong."
        yield Doubt("unread_lines", detail, {"lines": actions})
    if layout.broken_facts:
        detail = (
            f"{layout.broken_facts} line(s) about the event have another number of cells than their header."
        )
        yield Doubt("facts_contradict", detail, {"lines": layout.broken_facts})
    wrong = {name for name, cells in times.items() if (cells.family < 0).any()}
    for row in facts:
        wrong |= {name for name in _COUNTS if name in row and not _is(_NUMBER, row[name])}
        wrong |= {name for name in _DURATIONS if name in row and not _is_length(row[name], labels)}
        wrong |= {
            "webinar_id"
            for text in [row.get("webinar_id", "")]
            if (text and not re.search(r"\d{6}", re.sub(r"\W", "", text)) and len(text) < 9)
            or _WORDS.search(text)
        }
        wrong |= {"host_email" for text in [row.get("host_email", "")] if text and "@" not in text}
        wrong |= {
            "topic" for text in [row.get("topic", "")] if _NO_TOPIC.fullmatch(text) or _COUNT.fullmatch(text)
        }
        wrong |= {"topic" for text in [row.get("topic", "")] if re.search(LETTERS_LOST, text)}
    if len(facts) > 1:
        # A list over several sittings says the same things of each, and calls them all by one name.
        wrong |= {name for name in _OF_EACH if 0 < sum(name in row for row in facts) < len(facts)}
        wrong |= {"topic"} if len({row.get("topic") for row in facts}) > 1 else set()
    if wrong:
        told = ", ".join(sorted(name.replace("_", " ") for name in wrong))
        yield Doubt("facts_contradict", f"What the report gives as {told} is nothing of the kind.", {})


def moment_doubts(moments: Mapping[str, np.ndarray], sessions: Sequence["ZoomSession"]) -> Iterator[Doubt]:
    """Doubt a report whose event has a time that can't be, or sittings at the same time.

    Args:
        moments: Each time fact over the sittings, in microseconds since 1970; int64 minimum where it can't be read.
        sessions: The sittings.
    """
    unread = sorted(name.replace("_", " ") for name, values in moments.items() if (values == _NAT).all())
    if unread:
        detail = f"What the report gives as {', '.join(unread)} is no date in the style of the others."
        yield Doubt("facts_contradict", detail, {})
    spans = sorted((one.start, one.end) for one in sessions if one.start and one.end)
    if any(later < end for (_, end), (later, _) in pairwise(spans)):
        yield Doubt("facts_contradict", "Two sittings of the event are at the same time.", {})


def sitting_doubts(
    read: Sequence[Rows], sessions: Sequence["ZoomSession"], overtime: float
) -> Iterator[Doubt]:
    """Doubt a report with visits long after the last sitting it lists: a line about another sitting is missing.

    Args:
        read: The people.
        sessions: The sittings.
        overtime: Minutes by which an event may last longer than it is said to.
    """
    ends = [
        int(one.actual_start.timestamp() * 1_000_000) + int(one.duration_minutes + overtime) * _MINUTE_US
        for one in sessions
        if one.actual_start and one.is_actual and one.duration_minutes
    ]
    if len(ends) < len(sessions):
        return
    fits = [rows.times["join_time"][rows.people.why == None] for rows in read]  # noqa: E711 - elementwise
    late = sum(int(np.count_nonzero(joins > max(ends))) for joins in fits)
    if late > 1:
        detail = f"{late} visits begin long after the last sitting that the file lists."
        yield Doubt("facts_contradict", detail, {"visits": late})


def line_doubts(layout: Layout, broken: Sequence[int]) -> Iterator[Doubt]:
    """Doubt a report with a broken line ahead of its people, or a list of them under no heading beside Teams' two.

    Args:
        layout: The file's lines.
        broken: Lines whose quoting can't be trusted.
    """
    people = [line for block in layout.blocks for line in block.lines]
    ahead = sum(line < min(people, default=0) for line in broken)
    if ahead:
        yield Doubt("unread_lines", f"{ahead} line(s) about the event couldn't be read.", {"lines": ahead})
    named = [block.section in _TEAMS_LISTS for block in layout.blocks if block.rows]
    if any(named) and not all(named):
        detail = "A table of people stands under an unknown heading, or none: its rows may be those of another one."
        yield Doubt("unread_lines", detail, {"tables": named.count(False)})


def _is(pattern: re.Pattern[str], text: str) -> bool:
    return bool(pattern.fullmatch(text.strip()) or _NOTHING.fullmatch(text.strip()))


def _is_length(text: str, labels: Labels) -> bool:
    minutes = minutes_of(text, labels)
    return (minutes is not None and minutes > 0) or bool(_NOTHING.fullmatch(text.strip()))


def duration_doubts(
    read: Sequence[Rows], start: int, end: int, stated_minutes: float | None
) -> Iterator[Doubt]:
    """Doubt an event whose length its start and end, or most of its visits, contradict.

    Args:
        read: The people.
        start: When the event began, microseconds since 1970; int64 minimum for unknown.
        end: When it ended, likewise.
        stated_minutes: How long it lasted, as the report says.
    """
    if start != _NAT and end != _NAT:
        lasted = (end - start) / _MINUTE_US
        if lasted < 0:
            yield Doubt("facts_contradict", "The event ends before it starts.", {})
            return
        if stated_minutes is not None and abs(lasted - stated_minutes) > _APART_MINUTES:
            yield Doubt("facts_contradict", "Start, end and length of the event contradict each other.", {})
            return
    if not stated_minutes:
        return
    visits = np.concatenate([_visits(rows) for rows in read] or [np.zeros(0)])
    longer = int(np.count_nonzero(visits > stated_minutes + _LONGER_MINUTES))
    if longer > 1 and longer * 2 > len(visits):
        detail = f"{longer} of {len(visits)} visits are longer than the event is said to have lasted."
        yield Doubt("facts_contradict", detail, {"visits": len(visits), "longer": longer})


def _visits(rows: Rows) -> np.ndarray:
    join, leave = rows.times["join_time"], rows.times["leave_time"]
    known = (join != _NAT) & (leave != _NAT) & (rows.people.why == None)  # noqa: E711 - elementwise
    return ((leave - join) / _MINUTE_US)[known]


def unknown_column(title: str, number: int, kind: str) -> Doubt:
    """Doubt a report with a column that holds what attendance is made of, under a heading nobody knows."""
    shown = repr(mask_text(title)) if title else f"number {number}"
    return Doubt("unknown_column", f"The column {shown} holds {kind}, and its heading is unknown.", {})
