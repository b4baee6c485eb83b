"""What must hold between the rows of config tables, and between tables.

Belongs here: unique keys, periods, references, spellings, and the rules of single tables. Does not belong
here: one cell (`table_cells.py`) and which columns there are (`table_specs.py`).
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from funnel_assets.config.mistakes import Mistakes, quoted, suggestion
from funnel_assets.config.table_cells import ParsedTable, Row
from funnel_assets.config.table_specs import ACTIVITIES, HEALTH, PRIORITIES
from funnel_assets.domain.link_rows import Names, contradictions, is_key, link_rows

Tables = Mapping[str, ParsedTable]
Problem = tuple[int, str]


def check_tables(tables: Tables, mistakes: Mistakes, names: Names) -> None:
    """Check everything that takes more than one row, and spell references as the table they refer to does.

    A table with a mistake already noted is left alone: what follows from the first mistake is no news.

    Args:
        tables: All tables.
        mistakes: Where mistakes are noted.
        names: Tells whom a row names.
    """
    sound = {name: table for name, table in tables.items() if not mistakes.in_file(table.spec.file)}
    for table in sound.values():
        for key in table.spec.keys:
            _note(table, _key_problems(table, key), mistakes)
        _note(table, _reference_problems(table, sound), mistakes)
    for file, line, text in _spelling_problems(sound):
        mistakes.add(file, line, text)
    rules = {**_RULES, "identity_links": partial(_link_problems, names=names)}
    for name, rule in rules.items():
        if name in sound and not mistakes.in_file(sound[name].spec.file):
            _note(sound[name], rule(sound), mistakes)


def _note(table: ParsedTable, problems: Iterator[Problem], mistakes: Mistakes) -> None:
    for line, text in problems:
        mistakes.add(table.spec.file, line, text)


def _key_problems(table: ParsedTable, key: tuple[str, ...]) -> Iterator[Problem]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    column, *others = key
    for row in table.rows:
        if others or row.text(column):
            groups[row.key(key)].append(row)
    for rows in groups.values():
        if table.spec.period:
            yield from _overlaps(rows, key, table.spec.period)
        else:
            for row in rows[1:]:
                yield row.line, f"{_named(row, key)} is on line {rows[0].line} already; it may appear once"


def _overlaps(rows: list[Row], key: tuple[str, ...], period: tuple[str, str]) -> Iterator[Problem]:
    ordered = sorted(rows, key=lambda row: (_bounds(row, period), row.line))
    longest = ordered[0]
    for row in ordered[1:]:
        if _bounds(row, period)[0] <= _bounds(longest, period)[1]:
            late, early = (row, longest) if row.line > longest.line else (longest, row)
            yield (
                late.line,
                f"{_named(late, key)} is on line {early.line} too, and the periods overlap; "
                f"set {period[0]} and {period[1]} so that one ends on the day before the other starts",
            )
        longest = max(longest, row, key=lambda row: _bounds(row, period)[1])


def _bounds(row: Row, period: tuple[str, str]) -> tuple[dt.date, dt.date]:
    first, last = (row.values[name] for name in period)
    return (
        first if isinstance(first, dt.date) else dt.date.min,
        last if isinstance(last, dt.date) else dt.date.max,
    )


def _named(row: Row, columns: tuple[str, ...]) -> str:
    return " and ".join(f"{column} {quoted(row.text(column))}" for column in columns)


def _reference_problems(table: ParsedTable, sound: Tables) -> Iterator[Problem]:
    for column in table.spec.columns:
        if column.refers_to is None or column.refers_to[0] not in sound:
            continue
        target, target_column = column.refers_to
        spelled = {row.text(target_column).lower(): row.text(target_column) for row in sound[target].rows}
        kept = []
        for row in table.rows:
            text = row.text(column.name)
            if not text or text.lower() in spelled:
                value = spelled.get(text.lower()) if text else None
                kept.append(replace(row, values=row.values | {column.name: value}))
            elif not table.is_default:
                near = suggestion(text, spelled.values())
                yield (
                    row.line,
                    f"{column.name} {quoted(text)} isn't a {target_column} of {target}.csv{near}; "
                    f"allowed: {', '.join(sorted(set(spelled.values())))}",
                )
            # A packaged row about something that the user's own table has dropped isn't the user's mistake.
        table.rows[:] = kept


def _spelling_problems(tables: Tables) -> Iterator[tuple[str, int, str]]:
    first: dict[tuple[str, str], tuple[str, str, int]] = {}
    for table in tables.values():
        for column in table.spec.columns:
            if column.vocabulary is None:
                continue
            for row in table.rows:
                text = row.text(column.name)
                known = first.setdefault((column.vocabulary, text.lower()), (text, table.spec.file, row.line))
                if known[0] != text:
                    yield (
                        table.spec.file,
                        row.line,
                        f"{column.name} {quoted(text)} is spelled {quoted(known[0])} on line {known[2]} of "
                        f"{known[1]}; use one spelling, or the figures fall apart in two",
                    )


def _stage_problems(tables: Tables) -> Iterator[Problem]:
    table = tables["stages"]
    ranks: dict[int, str] = {}
    firsts: dict[str, Row] = {}
    for row in table.rows:
        stage = row.text("stage")
        first = firsts.setdefault(stage, row)
        for column in ("rank", "owner_department"):
            if row.values[column] != first.values[column]:
                yield (
                    row.line,
                    f"{column} of {stage} is {row.text(column)} here "
                    f"and {first.text(column)} on line {first.line}",
                )
        other = ranks.setdefault(_rank(first), stage)
        if other != stage:
            yield row.line, f"{stage} and {other} have the same rank {_rank(first)}"
        if bool(row.text("activity")) != (row.values["minimum"] is not None):
            yield row.line, "minimum must be empty for always, and a number for every other activity"
    yield from _requirement_problems(table, firsts)
    lowest = min(firsts.values(), key=_rank)
    if not any(r.text("stage") == lowest.text("stage") and not r.text("activity") for r in table.rows):
        yield (
            lowest.line,
            f"the lowest stage, {lowest.text('stage')}, needs a row with activity always: "
            "everyone is in a stage",
        )


def _requirement_problems(table: ParsedTable, firsts: dict[str, Row]) -> Iterator[Problem]:
    for row in table.rows:
        required = firsts.get(row.text("requires_stage"))
        if required is not None and _rank(required) >= _rank(row):
            yield (
                row.line,
                f"requires_stage {required.text('stage')} must have a lower rank than {row.text('stage')}",
            )


def _rank(row: Row) -> int:
    rank = row.values["rank"]
    assert isinstance(rank, int)
    return rank


def _track_problems(tables: Tables) -> Iterator[Problem]:
    if "stages" not in tables:
        return
    table = tables["nurture_tracks"]
    covered = {row.text("stage") for row in table.rows}
    for stage in sorted({row.text("stage") for row in tables["stages"].rows} - covered):
        yield table.header_line, f"there is no row for stage {stage}; every stage of stages.csv needs one"


def _playbook_problems(tables: Tables) -> Iterator[Problem]:
    table = tables["playbooks"]
    if not any(not row.text("health") and not row.text("stage_at_least") for row in table.rows):
        yield (
            table.header_line,
            "there is no row with health and stage_at_least both empty: the playbook of everyone else",
        )


def _override_problems(tables: Tables) -> Iterator[Problem]:
    known = {"engagement_health": set(HEALTH), "sales_priority": set(PRIORITIES)}
    for field, name, column in (
        ("current_stage", "stages", "stage"),
        ("nurture_track", "nurture_tracks", "track"),
        ("next_playbook", "playbooks", "playbook"),
    ):
        if name in tables:
            known[field] = {row.text(column) for row in tables[name].rows}
    table = tables["overrides"]
    spelled = {field: {value.lower(): value for value in values} for field, values in known.items()}
    for place, row in enumerate(table.rows):
        allowed = spelled.get(row.text("field"))
        value = row.text("value")
        start, end = _bounds(row, ("effective_on", "expires_on"))
        if end <= start:
            yield row.line, f"expires_on {end} must be after effective_on {start}"
        if allowed is None:
            continue
        if value.lower() in allowed:
            table.rows[place] = replace(row, values=row.values | {"value": allowed[value.lower()]})
            continue
        near = suggestion(value, allowed.values())
        yield (
            row.line,
            f"value {quoted(value)} isn't allowed for {row.text('field')}{near}; "
            f"allowed: {', '.join(sorted(allowed.values()))}",
        )


def _link_problems(tables: Tables, names: Names) -> Iterator[Problem]:
    lines = [row.line for row in tables["identity_links"].rows]
    rows = link_rows([row.values for row in tables["identity_links"].rows], names)
    seen: dict[frozenset[str], int] = {}
    for line, row in zip(lines, rows, strict=True):
        for column, key in (("person_a", row.a), ("person_b", row.b)):
            if not is_key(key):
                yield line, f"{column} is no phone, e-mail or person id; take the id from `funnel explain`"
        if row.a == row.b:
            yield line, "person_a and person_b are the same"
        first = seen.setdefault(frozenset((row.action, row.a, row.b)), line)
        if first != line:
            yield line, f"the same two people are on line {first} already"
    for place, chain in contradictions(rows):
        joining = " and ".join(str(lines[other]) for other in sorted(chain))
        yield (
            lines[place],
            f"cannot_link parts two people whom must_link on line {joining} joins; take one of these rows out",
        )


def _scoring_problems(tables: Tables) -> Iterator[Problem]:
    for row in tables["scoring"].rows:
        first, end = row.values["at_least"], row.values["below"]
        if isinstance(first, int) and isinstance(end, int) and end <= first:
            yield row.line, f"below {end} must be more than at_least {first}"
        activity = row.text("activity")
        if activity not in ACTIVITIES and (first is not None or end is not None):
            yield (
                row.line,
                f"{quoted(activity)} has no total to give a band of; leave at_least and below empty",
            )


_RULES: dict[str, Callable[[Tables], Iterator[Problem]]] = {
    "scoring": _scoring_problems,
    "stages": _stage_problems,
    "nurture_tracks": _track_problems,
    "playbooks": _playbook_problems,
    "overrides": _override_problems,
}
