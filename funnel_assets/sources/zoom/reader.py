"""Read one report file: bytes in, `ZoomReport` out.

Belongs here: the order of the steps and the checks that need the whole file (which day comes first in its
dates, whether rows agree with themselves). Does not belong here: who counts as having attended; that is
`funnel_assets.domain.attendance`.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.masking import mask_text
from funnel_assets.sources.zoom.actions import visits_of
from funnel_assets.sources.zoom.dates import (
    Cells,
    check_styles,
    decide_order,
    readings,
    same_day_of_every_month,
    take_apart,
    to_utc,
    without_time,
)
from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.event import (
    duration_doubts,
    event_doubts,
    line_doubts,
    moment_doubts,
    sitting_doubts,
)
from funnel_assets.sources.zoom.fit import (
    TEXT_COLUMNS,
    TIME_COLUMNS,
    People,
    Rows,
    among,
    fit,
    minutes_of,
)
from funnel_assets.sources.zoom.labels import Labels, key, load_labels
from funnel_assets.sources.zoom.layout import (
    UNKNOWN_SECTION,
    Block,
    Layout,
    is_report,
    lay_out,
    speaks_of_an_event,
    take_event_columns,
)
from funnel_assets.sources.zoom.report import Kind, ZoomReport, ZoomSession
from funnel_assets.sources.zoom.teams import join_activities, mark_presenters
from funnel_assets.sources.zoom.text import Records, decode, read_records
from funnel_assets.sources.zoom.visits import day_of, is_clock
from funnel_assets.sources.zoom.zones import header_zone

TIME_FACTS = ("generated_at", "scheduled_start", "actual_start", "start", "end")
NO_REPORT = "This is no report of an event: it has no title, event or table of visits that they have."
TOTALS = ("registered", "cancelled", "approved", "denied", "unique_viewers", "total_users", "participants")
# Zoom rounds minutes up; a wrong hour or day is off by far more than this.
_MINUTES_APART = 5.0
# How far minutes may be from join to leave where they decide what "0:55" means.
_ROUNDED = 1.0
_DAY_MINUTES = 1440
_MINORITY = 0.02
# Of those who came, how many may have registered after it was over.
_FEW_LATE = 0.2
# A visit longer than this belongs to no event; where the event says how long it was, longer by `_OVERTIME_MINUTES`.
_LONGEST_MINUTES = 18 * 60
_OVERTIME_MINUTES = 6 * 60
# Of so many joins, as few as this share on another day than the event's don't make a day of it.
_ENOUGH_JOINS, _FEW_APART = 10, 0.05
# Who joins so shortly before the start isn't early, even where midnight lies between.
_EARLY_US = 120 * 60_000_000
_NAT = np.iinfo(np.int64).min
_EPOCH_DAY = dt.date(1970, 1, 1)
_MINUTE_US = 60_000_000
_DAY_US = 1440 * _MINUTE_US
_YES_NO = np.array(["N", "Y", None], dtype=object)
_QUARANTINED = pa.schema(
    [("line", pa.int64()), *((name, pa.string()) for name in ("reason", "detail", "raw"))]
)
_DETAILS = {
    "misaligned": "The cell under {column} is not what belongs there. Correct it, drop the file again.",
    "missing_field": "The row is shorter than its header and {column} is missing. Export the report again.",
    "letters_lost": "Letters of {column} became question marks when the file was saved. Export it again.",
    "cell_lost": "The row has a cell fewer than the others: a separator is gone. Export the report again.",
    "too_many_fields": "The row has more cells than its header: a comma without quotes? Correct it.",
    "times_contradict": "Join time, leave time and minutes contradict each other. Export the report again.",
    "unknown_zone": "{said} Write the zone as an offset, like +05:30, drop the file again.",
    "weekday_contradicts": "{said} Correct the date under {column}, drop the file again.",
    "minutes_unclear": "{said} Write plain minutes, drop the file again.",
    "date_style": "The date under {column} is written unlike the others of its column. Export again.",
    "no_time": "The date under {column} has no time: did a spreadsheet cut it off? Export again, drop it unopened.",
    "broken_quote": "A quotation mark opens here and never closes. Correct the line, or export again.",
    "broken_line": "The row ends too early and the next line looks like its rest. Join the two, drop the file again.",
    "unknown_section": "The heading above this row is unknown. Add it to the labels table, then replay.",
    "no_header": "There is no header this row belongs to. Export the report again.",
    "row_cut_short": "The file ends in the middle of this row. Copy or download the file again.",
    "broken_action": "The line lacks its name, action or time: visits of this person may be wrong. Export it again.",
    "in_waiting_room": "This is time spent in the waiting room and isn't counted. Nothing to do.",
    "left_lost": "Somebody joined twice before leaving once: which visit ended isn't known. Download the log again.",
    "left_only": "The row says that somebody left whose joining isn't in the log. Download the log again.",
    "said_twice": "The row says the same as another one. Nothing to do.",
    "unknown_action": "The row names nobody, or an action that is neither joining nor leaving. Nothing to do.",
    "ambiguous_name": "Several people have this name and the visit can be any of theirs; their times come from the "
    "list of participants. Nothing to do.",
    "after_report": "A time of the row is later than the report was made. Export the report again.",
    "outside_event": "The join time is far from the event. Check the row against the report in Zoom.",
}


@dataclass(frozen=True)
class _Clues:
    """What is known of a file from outside: the day in its name, when it was dropped, what the source's owner says."""

    file_day: dt.date | None
    landed_at: dt.datetime | None
    date_order: str | None


def read_report(
    data: bytes,
    *,
    file: str,
    timezone: str,
    date_order: str | None = None,
    landed_at: dt.datetime | None = None,
    labels: Labels | None = None,
) -> ZoomReport:
    """Read an attendee, registration or participant report of Zoom, or a Teams attendance export.

    Args:
        data: The file's bytes, unchanged.
        file: Its name, for messages; its digits and date are used only where the file itself doesn't tell.
        timezone: IANA zone in which the account writes times.
        date_order: ``month_first`` or ``day_first``; used only where the file's own dates don't tell.
        landed_at: When the file was dropped, kept on the report; no report is made after it landed.
        labels: Another table of words than the one that ships.

    Raises:
        ReportRefused: The file is no report, is cut off, or its dates can't be read in one certain way.
            ``reason`` holds the code.
    """
    labels = labels or load_labels()
    try:
        return _read(data, file, timezone, date_order, landed_at, labels)
    except ReportRefused as refusal:
        if refusal.reason != "not_a_report" and not speaks_of_an_event(data, labels):
            refusal = ReportRefused(NO_REPORT)
        raise refusal.located(file=file) from refusal.__cause__


def _read(
    data: bytes,
    file: str,
    timezone: str,
    date_order: str | None,
    landed_at: dt.datetime | None,
    labels: Labels,
) -> ZoomReport:
    records = read_records(decode(data), labels)
    layout = lay_out(records, labels)
    take_event_columns(layout)
    if not is_report(layout):
        raise ReportRefused(NO_REPORT)
    if not layout.blocks:
        raise ReportRefused("The report holds no table of people.")
    _check_not_cut(records, layout)
    layout.blocks = [visits_of(block, labels) for block in layout.blocks]
    facts = _facts(layout)
    name_id, file_day = _from_name(file)
    day = _event_day(facts, file_day)
    blocks = [fit(block, labels, timezone, day) for block in layout.blocks]
    kind = _kind(layout, blocks)
    fact_cells = _fact_cells(facts, layout.zones, labels, timezone)
    minutes = minutes_of(_duration(facts[0]) or "", labels)
    order = _order(blocks, fact_cells, minutes, _Clues(file_day, landed_at, date_order))
    read = _read_blocks(blocks, order, timezone, kind, labels)
    if kind == "participants":
        _mark_meeting_staff(read, _first(facts, "host_email"), _first(facts, "host_name"), labels)
    sessions = _sessions(facts, fact_cells, order, timezone, labels)
    found = [*(doubt for block in blocks for doubt in block.doubts)]
    found += event_doubts(layout, facts, fact_cells, labels, len(records.broken))
    found += moment_doubts(
        {name: to_utc(cells, order, timezone) for name, cells in fact_cells.items()}, sessions
    )
    found += line_doubts(layout, [line for line, _ in records.broken])
    if len(facts) == 1:
        moments = [_microseconds(sessions[0].actual_start), _microseconds(sessions[0].end)]
        found += duration_doubts(read, moments[0], moments[1], minutes)
    _check_near_event(read, sessions, timezone)
    found += sitting_doubts(read, sessions, _OVERTIME_MINUTES)
    _check_not_later(read, _microseconds(_moment(fact_cells, "generated_at", 0, order, timezone)))
    report = ZoomReport(
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=kind,
        topic=_first(facts, "topic"),
        webinar_id=_number(_first(facts, "webinar_id")) or name_id,
        sessions=sessions,
        generated_at=_moment(fact_cells, "generated_at", 0, order, timezone),
        totals=tuple(_totals(sitting) for sitting in facts),
        table=_table(read),
        quarantined=_quarantine(blocks, records, layout),
        has_registration=any({"registration_time", "approval"} & set(block.block.names) for block in blocks),
        timezone=timezone,
        dates=order,
        landed_at=landed_at,
        file_day=file_day,
        notes=tuple(
            dict.fromkeys([*_notes(layout, fact_cells), *(note for block in blocks for note in block.notes)])
        ),
        found_doubts=tuple(found),
    )
    _check_has_day(report)
    return report


def _notes(layout: Layout, fact_cells: Mapping[str, Cells]) -> list[str]:
    notes = []
    if layout.aside:
        notes.append(
            f"{len(layout.aside)} lines of polls, questions or the like are no attendance and were left out."
        )
    for name, cells in fact_cells.items():
        if (cells.family < 0).any():
            notes.append(f"What the report gives as {name.replace('_', ' ')} is no time and was left out.")
    return notes


def _check_not_cut(records: Records, layout: Layout) -> None:
    """A last line without its end and with fewer cells than its table is the mark of a half-copied file."""
    if records.ends_with_newline or not records.rows:
        return
    block, last = layout.blocks[-1], records.lines[-1]
    if block.lines and block.lines[-1] == last and len(block.rows[-1]) < len(block.header):
        usual = len(block.rows) == 1 or len(block.rows[-2]) >= len(block.header)
        if usual:
            raise ReportRefused("The file stops in the middle of a row.", reason="truncated", line=last)


def _kind(layout: Layout, blocks: list[People]) -> Kind:
    sections = {people.block.section or "" for people in blocks}
    if any(section.startswith("teams_") for section in sections) or any(
        "upn" in b.block.names or b.block.is_log for b in blocks
    ):
        return "teams"
    main = [
        people for people in blocks if people.block.section not in ("host", "panelist", "other")
    ] or blocks
    session = {"join_time", "leave_time", "minutes", "total_minutes"}
    if not any(session & set(people.block.names) for people in main):
        has_attendance = any("attended" in people.block.names for people in main)
        if layout.title == "registration" or not has_attendance:
            return "registration"
    if layout.title == "attendee" or sections - {"", UNKNOWN_SECTION}:
        return "attendee"
    return "attendee" if any("attended" in people.block.names for people in main) else "participants"


def _facts(layout: Layout) -> list[dict[str, str]]:
    """Event facts, one mapping a sitting; single ``label, value`` lines count for the first."""
    facts = [dict(row) for row in layout.facts] or [{}]
    facts[0] = {**layout.single_facts, **facts[0]}
    topics = {row["topic"] for row in layout.facts if row.get("topic")}
    if len(topics) > 1 and not any(row.get("webinar_id") for row in facts):
        raise ReportRefused(f"The file covers {len(topics)} different topics.", reason="several_events")
    ids = {_number(row["webinar_id"]) for row in facts if row.get("webinar_id")}
    if len(ids) > 1:
        raise ReportRefused(f"The file covers {len(ids)} different webinar IDs.", reason="several_events")
    return facts


def _event_day(facts: list[dict[str, str]], file_day: dt.date | None) -> str:
    """Date of the event as the report writes it, and put before those of its facts that are times of day alone."""
    for row in facts:
        for name in ("start", "end"):
            if row.get("date") and name in row and is_clock(pa.array([row[name]])):
                row[name] = f"{row['date']} {row[name]}"
    told = facts[0]
    moment = told.get("actual_start") or told.get("start") or told.get("scheduled_start") or ""
    return told.get("date") or day_of(moment) or (file_day.isoformat() if file_day else "")


def _fact_cells(
    facts: list[dict[str, str]], zones: Mapping[str, str], labels: Labels, timezone: str
) -> dict[str, Cells]:
    """Each time fact over the sittings as date cells; each fact keeps a style of its own."""
    cells: dict[str, Cells] = {}
    for name in TIME_FACTS:
        zone = header_zone(zones[name], timezone, labels) if name in zones else None
        texts = [row.get(name) or None for row in facts]
        if any(texts):
            cells[name] = take_apart(pa.array(texts, pa.string()), labels, timezone, zone)
            for row, (reason, why) in cells[name].trouble.items():
                raise ReportRefused(
                    f"The report gives {cells[name].texts[row]!r} as {name}. {why}", reason=reason
                )
    return cells


def _order(
    blocks: list[People],
    fact_cells: Mapping[str, Cells],
    minutes: float | None,
    clues: "_Clues",
) -> str:
    columns: dict[str, Cells] = dict(fact_cells)
    for number, people in enumerate(blocks):
        columns |= {f"{name} {number}": cells for name, cells in people.times.items()}

    def fact(name: str, order: str) -> int:
        return int(readings(fact_cells[name], order)[0]) if name in fact_cells else _NAT

    def contradictions(order: str) -> int:
        return _contradictions(order, blocks, fact_cells, minutes or 0.0)

    def absurd(order: str) -> int:
        return same_day_of_every_month(columns, order)

    def not_the_day_in_the_name(order: str) -> int:
        moments = [fact(name, order) for name in TIME_FACTS] + [_first_join(blocks, order)]
        days = {_EPOCH_DAY + dt.timedelta(days=value // _DAY_US) for value in moments if value != _NAT}
        return int(clues.file_day is not None and clues.file_day not in days)

    def made_after_it_landed(order: str) -> int:
        made = fact("generated_at", order)
        if clues.landed_at is None or made == _NAT:
            return 0
        return int(made > int(clues.landed_at.timestamp() * 1_000_000) + _DAY_US)

    return decide_order(
        columns, [contradictions, absurd, not_the_day_in_the_name, made_after_it_landed], clues.date_order
    )


def _first_join(blocks: list[People], order: str) -> int:
    joins = [_rows(people.times["join_time"], order) for people in blocks if "join_time" in people.times]
    known = [int(join[join != _NAT].min()) for join in joins if (join != _NAT).any()]
    return min(known, default=_NAT)


def _contradictions(
    order: str, blocks: list[People], fact_cells: Mapping[str, Cells], duration_minutes: float
) -> int:
    """Count facts that can't be under one order: a day's slack is left for clocks in other time zones."""
    count = 0

    def fact(name: str) -> int:
        return int(readings(fact_cells[name], order)[0]) if name in fact_cells else _NAT

    starts = [value for name in ("actual_start", "start", "scheduled_start") if (value := fact(name)) != _NAT]
    start, generated = (starts[0] if starts else _NAT), fact("generated_at")
    has_actual = "actual_start" in fact_cells
    if start != _NAT and generated != _NAT and has_actual:
        count += int(generated < start - _DAY_US)
    for people in blocks:
        times = {name: _rows(cells, order) for name, cells in people.times.items()}
        join, leave = times.get("join_time"), times.get("leave_time")
        if join is not None and generated != _NAT:
            count += int(np.count_nonzero((join != _NAT) & (join > generated + _DAY_US)))
        if join is not None and leave is not None:
            both = (join != _NAT) & (leave != _NAT)
            span = np.where(both, (leave - join) / _MINUTE_US, 0)
            count += int(np.count_nonzero(both & (span < 0) & ~(people.minutes < 0)))
            stated = both & ~np.isnan(people.minutes) & ~people.is_total
            count += int(np.count_nonzero(stated & (np.abs(span - people.minutes) > _MINUTES_APART)))
        if join is not None and start != _NAT and has_actual:
            known = join != _NAT
            count += int(np.count_nonzero(known & (join < start - _DAY_US)))
            if duration_minutes:
                late = start + duration_minutes * _MINUTE_US + _DAY_US
                count += int(np.count_nonzero(known & (join > late)))
        registration = times.get("registration_time")
        if registration is not None:
            end = generated if generated != _NAT else _NAT
            if end != _NAT:
                count += int(np.count_nonzero((registration != _NAT) & (registration > end + _DAY_US)))
            if leave is not None:
                known = (registration != _NAT) & (leave != _NAT)
                # A few register once it is over, for the recording.
                late = int(np.count_nonzero(known & (registration > leave)))
                count += late if late > _FEW_LATE * np.count_nonzero(known) else 0
    return count


def _rows(cells: Cells, order: str) -> np.ndarray:
    return np.append(readings(cells, order), _NAT)[cells.codes]


def _read_blocks(blocks: list[People], order: str, timezone: str, kind: Kind, labels: Labels) -> list[Rows]:
    """Dates read and every row compared with itself; rows that don't fit are marked on their block."""
    for people in blocks:
        if people.block.section is None and kind == "attendee" and len(blocks) > 1:
            people.block.section = UNKNOWN_SECTION
    read = [_read_block(people, order, timezone, kind, labels) for people in blocks]
    join_activities(read)
    if kind == "teams":
        mark_presenters(read)
    return read


def _table(read: list[Rows]) -> pa.Table:
    """The rows that fit, in file order."""
    columns: dict[str, list[Any]] = {}
    several = len({rows.people.block.sitting for rows in read}) > 1
    for rows in read:
        fits = rows.people.why == None  # noqa: E711 - elementwise
        count, all_fit = len(fits), fits.all()
        block = rows.people.block
        arrays: dict[str, np.ndarray | pa.Array] = {
            "line": np.array(block.lines, dtype=np.int64),
            "sitting": np.full(count, block.sitting if several else -1, dtype=np.int64),
            "section": pa.array(rows.section, pa.string()),
            "attended": pa.array(_YES_NO[rows.attended], pa.string()),
        }
        for name in TEXT_COLUMNS:
            arrays[name] = rows.people.text.get(name, pa.nulls(count, pa.string()))
        arrays |= rows.times
        arrays["minutes"] = rows.minutes
        arrays["is_span"] = rows.is_span & ~np.isnan(rows.minutes)
        arrays["is_timing_unusable"] = rows.is_timing_unusable
        for name, array in arrays.items():
            if not all_fit:
                array = array[fits] if isinstance(array, np.ndarray) else array.filter(pa.array(fits))
            columns.setdefault(name, []).append(array)
    return pa.table({name: _column(name, parts) for name, parts in columns.items()})


def _column(name: str, parts: list[Any]) -> pa.Array | pa.ChunkedArray:
    if isinstance(parts[0], pa.Array):
        return pa.chunked_array(parts)
    values = np.concatenate(parts)
    if name in TIME_COLUMNS:
        return pa.array(values, pa.timestamp("us", "UTC"), mask=values == _NAT)
    return pa.array(values)


def _shown(block: Block, name: str) -> str:
    known = {"join_time": ("join_time", "first_join"), "leave_time": ("leave_time", "last_leave")}.get(
        name, (name,)
    )
    for title, canonical in zip(block.header, block.names, strict=True):
        if canonical in known:
            return title
    return name


def _read_block(people: People, order: str, timezone: str, kind: Kind, labels: Labels) -> Rows:
    count = len(people.block.rows)
    shown = {name: _shown(people.block, name) for name in people.times}
    follows = check_styles({shown[name]: cells for name, cells in people.times.items()})
    times = {name: np.full(count, _NAT) for name in TIME_COLUMNS}
    for name, cells in people.times.items():
        _refuse_unclear_dates(people, cells, shown[name])
        times[name] = to_utc(cells, order, timezone, follows[shown[name]])
        unread = (cells.codes >= 0) & (times[name] == _NAT)
        if unread.any():
            matched = np.append(cells.family, 0)[cells.codes] >= 0
            people.refuse(unread & matched, "date_style", shown[name])
            people.refuse(
                unread & np.append(without_time(cells, labels), False)[cells.codes], "no_time", shown[name]
            )
            people.refuse(unread, "misaligned", shown[name])
    _end_open_visits(people, times)
    if people.clocks:
        _carry_past_midnight(times)
    if people.clock is not None:
        _decide_clock(people, people.clock, times)
    rows = Rows(
        people=people,
        attended=_attended(people, times["join_time"]),
        times=times,
        minutes=people.minutes,
        section=_roles(people, kind),
        is_span=people.is_total | ((times["join_time"] != _NAT) & (times["leave_time"] == _NAT)),
        is_timing_unusable=np.zeros(count, dtype=bool),
    )
    people.refuse(rows.section == UNKNOWN_SECTION, "unknown_section", "")
    _check_times(rows)
    return rows


def _end_open_visits(people: People, times: Mapping[str, np.ndarray]) -> None:
    """Whoever joined and isn't said to have left was there until the log's last action at least."""
    if not people.block.is_log:
        return
    still_there = np.zeros(len(people.why), dtype=bool)
    still_there[people.block.open_visits] = True
    last = max(int(times["join_time"].max(initial=_NAT)), int(times["leave_time"].max(initial=_NAT)))
    times["leave_time"][still_there & (times["join_time"] != _NAT)] = last
    if still_there.any():
        people.notes.append(
            f"{int(still_there.sum())} of {len(people.why)} visits have no end in the log: "
            "they count up to its last action."
        )
    if "role" not in people.block.names:
        people.notes.append("The log doesn't say who held the event: everybody in it counts as attending.")


def _carry_past_midnight(times: dict[str, np.ndarray]) -> None:
    """A time of day before the join time is the next day's."""
    join, leave = times["join_time"], times["leave_time"]
    early = (join != _NAT) & (leave != _NAT) & (leave < join)
    times["leave_time"] = np.where(early, leave + _DAY_US, leave)


def _refuse_unclear_dates(people: People, cells: Cells, shown: str) -> None:
    """Set apart rows whose date can be read in several ways or contradicts itself; many of them, and the file is."""
    if not cells.trouble:
        return
    unclear = np.isin(cells.codes, list(cells.trouble))
    if np.count_nonzero(unclear) > max(1, _MINORITY * np.count_nonzero(cells.codes >= 0)):
        first = min(cells.trouble)
        reason, why = cells.trouble[first]
        raise ReportRefused(f"{shown!r} holds {cells.texts[first]!r}. {why}", reason=reason)
    for row in np.flatnonzero(unclear).tolist():
        reason, why = cells.trouble[int(cells.codes[row])]
        people.said.setdefault(row, f"{cells.texts[cells.codes[row]]}: {why}")
        people.refuse(_only(len(unclear), row), reason, shown)


def _decide_clock(
    people: People, clock: tuple[np.ndarray, np.ndarray], times: Mapping[str, np.ndarray]
) -> None:
    """Read ``0:55`` as hours and minutes, or minutes and seconds: whichever the rows' own times agree with."""
    join, leave = times["join_time"], times["leave_time"]
    span = np.where((join != _NAT) & (leave != _NAT), (leave - join) / _MINUTE_US, np.nan)
    with np.errstate(invalid="ignore"):
        agrees = [np.abs(span - minutes) <= _ROUNDED for minutes in clock]
        agrees[1] |= clock[0] > _DAY_MINUTES
    told = [int(np.count_nonzero(one & ~other)) for one, other in (agrees, agrees[::-1])]
    compared = np.count_nonzero(
        ~np.isnan(clock[0]) & (~np.isnan(span) | agrees[1]) & ~(agrees[0] & agrees[1])
    )
    ours = int(told[1] > told[0])
    if (
        told[ours] * 2 > compared
        and told[1 - ours] <= max(1, _MINORITY * compared)
        and told[ours] > 2 * told[1 - ours]
    ):
        people.minutes = np.where(np.isnan(clock[ours]), people.minutes, clock[ours])
        return
    for row in np.flatnonzero(~np.isnan(clock[0])).tolist():
        hours, minutes = divmod(round(clock[0][row]), 60)
        readings = f"{hours} h {minutes} min or {hours} min {minutes} s"
        people.said.setdefault(
            row, f"{hours}:{minutes:02d} can be {readings}, and the times don't tell which."
        )
        people.refuse(_only(len(span), row), "minutes_unclear", "")


def _only(count: int, row: int) -> np.ndarray:
    mask = np.zeros(count, dtype=bool)
    mask[row] = True
    return mask


def _attended(people: People, join: np.ndarray) -> np.ndarray:
    """1 yes, 0 no, -1 not said; whoever has a join time attended, and a list of participants lists who did."""
    joined = join != _NAT
    told = people.text.get("attended")
    if told is None:
        came = joined | ~np.isnan(people.minutes)
        if people.block.section == "teams_people" and "join_time" not in people.times:
            came[:] = True
        return np.where(came, 1, -1)
    said_no = among(told, ("no",))
    return np.where(among(told, ("yes",)) | (joined & ~said_no), 1, np.where(said_no, 0, -1))


def _check_times(rows: Rows) -> None:
    """Set apart rows whose own numbers can't all be true.

    Zoom itself exports rows where leaving comes before joining and the minutes are negative: those people
    attended, their times are worth nothing. A registration after the end is somebody who watches the recording.
    """
    _scale_seconds(rows)
    people, stated = rows.people, rows.minutes
    join, leave, registered = (rows.times[name] for name in ("join_time", "leave_time", "registration_time"))
    both = (join != _NAT) & (leave != _NAT)
    span = np.where(both, (leave - join) / _MINUTE_US, np.nan)
    with np.errstate(invalid="ignore"):
        backwards = span < 0
        unusable = backwards & (stated < 0) & (np.abs(span - stated) <= _MINUTES_APART)
        apart = np.where(rows.is_span, stated - span, np.abs(span - stated)) > _MINUTES_APART
    totals = apart & _are_totals(people, span, stated)
    if totals.any():
        people.notes.append(
            "The minutes of many rows are a person's total over several visits; the times were used."
        )
        apart &= ~totals
    came = rows.attended != 0
    timeless = (join == _NAT) & np.isnan(stated) & (rows.attended == 1)
    timed_columns = {"join_time", "leave_time"} <= set(people.times)
    wrong = (apart | backwards) & ~unusable
    wrong |= came & ((join == _NAT) != (leave == _NAT)) & timed_columns
    with np.errstate(invalid="ignore"):
        wrong |= ~came & ((join != _NAT) | (leave != _NAT) | (stated > 0))
    wrong |= timeless & timed_columns
    # Whoever has both times has minutes, unless the whole column is left empty.
    blank = both & np.isnan(stated) & bool({"minutes", "total_minutes"} & set(people.block.names))
    wrong |= blank & (blank.sum() < max(3, both.sum()))
    # A list of who was there gives everybody a length, unless it has both times.
    unsaid = np.isnan(stated) & (leave == _NAT) & (rows.section == "attendee")
    if "attended" not in people.text and people.block.section != "teams_people":
        wrong |= unsaid & (unsaid.sum() < np.count_nonzero(~np.isnan(stated)))
        never = (join == _NAT) & (rows.section == "attendee") & ("join_time" in people.times)
        wrong |= never & (never.sum() < np.count_nonzero(join != _NAT))
    elif timed_columns:
        # Most who came have a visit: whoever has a length alone lost theirs.
        never = (join == _NAT) & (rows.attended == 1)
        wrong |= never & (never.sum() < np.count_nonzero(join != _NAT))
    people.refuse(wrong, "times_contradict", "")
    known = (registered != _NAT) & (join != _NAT)
    if np.count_nonzero(known & (registered > join)) > max(1, np.count_nonzero(known) / 2):
        # Nobody registers for what they are in already: the two columns, or their headers, changed places.
        people.refuse(
            np.ones(len(known), dtype=bool), "misaligned", _shown(people.block, "registration_time")
        )
    if "attended" in people.text:
        people.refuse(rows.attended == -1, "misaligned", "attended")
    if unusable.any():
        rows.times["join_time"] = np.where(unusable, _NAT, join)
        rows.times["leave_time"] = np.where(unusable, _NAT, leave)
        rows.minutes = np.where(unusable, np.nan, stated)
        rows.is_timing_unusable = unusable


def _scale_seconds(rows: Rows) -> None:
    """Where every length is sixty times that between joining and leaving, the column counts seconds."""
    join, leave, stated = rows.times["join_time"], rows.times["leave_time"], rows.minutes
    span = np.where((join != _NAT) & (leave != _NAT), (leave - join) / _MINUTE_US, np.nan)
    known = ~np.isnan(span) & ~np.isnan(stated) & (span >= 1)
    stated_known, span_known = stated[known], span[known]
    agrees = np.abs(stated_known / 60 - span_known) <= _ROUNDED
    if known.any() and (agrees & (np.abs(stated_known - span_known) > _MINUTES_APART)).all():
        rows.minutes = stated / 60
        rows.people.notes.append("The file gives the length of visits in seconds.")


def _are_totals(people: People, span: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Rows whose minutes are the sum of all visits of their person, so that they are no evidence against one visit."""
    names = people.text.get("email", people.text.get("user_name"))
    if names is None:
        return np.zeros(len(span), dtype=bool)
    frame = pd.DataFrame({"who": names.to_pandas(), "span": span})
    by = frame.groupby("who")["span"]
    total, visits = by.transform("sum").to_numpy(), by.transform("count").to_numpy()
    with np.errstate(invalid="ignore"):
        return (visits > 1) & (np.abs(total - stated) <= _MINUTES_APART + visits)


def _roles(people: People, kind: Kind) -> np.ndarray:
    section, count = people.block.section, len(people.block.rows)
    if section in ("teams_people", "teams_activity") or (
        kind in ("teams", "participants") and "role" in people.text
    ):
        roles = people.text.get("role", pa.nulls(count, pa.string()))
        return pc.fill_null(roles, "attendee").to_numpy(zero_copy_only=False)
    names = set(people.block.names)
    joins = names & {"attended", "join_time", "leave_time", "minutes", "total_minutes", "first_join"}
    role = "attendee" if joins else "registrant"
    if section in ("host", "panelist", "other"):
        role = section
    elif section == UNKNOWN_SECTION and kind in ("attendee", "registration"):
        is_registered = bool(names & {"registration_time", "approval", "first_name"})
        role = role if is_registered else UNKNOWN_SECTION
    return np.full(count, role, dtype=object)


def _mark_meeting_staff(
    read: list[Rows], host_email: str | None, host_name: str | None, labels: Labels
) -> None:
    """A meeting's list has no section for its host: know them by address, name, or a mark behind the name.

    Colleagues of the host (no guests of the account, at the host's own mail domain) hold the meeting too.
    """
    address = re.search(r"[^\s()<>（）]+@[^\s()<>（）]+", host_name or "")
    host = (host_email or (address.group() if address else "")).strip().lower()
    called = key(re.sub(r"[(<（].*", "", host_name or ""))
    domain = host.rpartition("@")[2]
    if labels.name("public_domain", domain):
        domain = ""
    for rows in read:
        names, emails, guests = (
            (rows.people.text.get(name) or pa.nulls(len(rows.section), pa.string())).to_pylist()
            for name in ("user_name", "email", "is_guest")
        )
        for row, (name, email, guest) in enumerate(zip(names, emails, guests, strict=True)):
            marks = re.findall(r"[(（]([^()（）]*)[)）]", name or "")
            roles = {role for mark in marks if (role := labels.name("role", mark)) in ("host", "panelist")}
            is_colleague = bool(domain and email and guest == "no" and email.endswith("@" + domain))
            is_called = bool(called) and guest != "yes" and key(name or "") == called
            if (email and email == host) or is_called or "host" in roles:
                rows.section[row] = "host"
            elif roles or is_colleague:
                rows.section[row] = "panelist"


def _check_near_event(read: list[Rows], sessions: tuple[ZoomSession, ...], timezone: str) -> None:
    """Set apart joins before the day of the first sitting or months after the last, and visits no event lasts for."""
    starts = [int(s.actual_start.timestamp() * 1_000_000) for s in sessions if s.actual_start]
    lasted = [s.duration_minutes for s in sessions if s.is_actual and s.duration_minutes]
    longest = max(lasted) + _OVERTIME_MINUTES if len(lasted) == len(sessions) else _LONGEST_MINUTES
    for rows in read:
        join, leave = rows.times["join_time"], rows.times["leave_time"]
        both = (join != _NAT) & (leave != _NAT)
        rows.people.refuse(both & (leave - join > longest * _MINUTE_US), "times_contradict", "")
        if starts:
            far = (join < _earliest(min(starts), timezone)) | (join > max(starts) + 45 * _DAY_US)
            rows.people.refuse(far & (join != _NAT), "outside_event", "")
    _check_lonely_days(read, starts, longest, timezone)


def _check_not_later(read: list[Rows], generated: int) -> None:
    """Set apart rows that speak of something after the report was made; a day's slack is left for other zones."""
    if generated == _NAT:
        return
    for rows in read:
        late = np.any([moments > generated + _DAY_US for moments in rows.times.values()], axis=0)
        rows.people.refuse(late, "after_report", "")


def _check_lonely_days(read: list[Rows], starts: list[int], longest: float, timezone: str) -> None:
    """Set apart the few joins far from all others: a date that was damaged would publish a day without an event."""
    fitting = [rows.times["join_time"][rows.people.why == None] for rows in read]  # noqa: E711 - elementwise
    joins = np.concatenate([*fitting, np.zeros(0, dtype=np.int64)])
    joins = joins[joins != _NAT]
    if len(joins) < _ENOUGH_JOINS:
        return
    first = [_earliest(start, timezone) for start in starts or [int(np.median(joins))]]
    until = [start + int(longest) * _MINUTE_US for start in starts or [int(np.median(joins))]]

    def is_apart(moments: np.ndarray) -> np.ndarray:
        near = [(moments >= low) & (moments <= high) for low, high in zip(first, until, strict=True)]
        return ~np.any(near, axis=0) & (moments != _NAT)

    if np.count_nonzero(is_apart(joins)) <= max(1, _FEW_APART * len(joins)):
        for rows in read:
            rows.people.refuse(is_apart(rows.times["join_time"]), "outside_event", "")


def _earliest(start: int, timezone: str) -> int:
    """From when on somebody can have joined an event: the day it is on, or shortly before where that is earlier."""
    local = dt.datetime.fromtimestamp(start / 1_000_000, dt.UTC).astimezone(ZoneInfo(timezone))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(int(midnight.timestamp() * 1_000_000), start - _EARLY_US)


def _quarantine(blocks: list[People], records: Records, layout: Layout) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for people in blocks:
        for row in np.flatnonzero(people.why != None):  # noqa: E711 - elementwise
            reason = str(people.why[row])
            column = repr(str(people.blame[row])) if people.blame[row] else "a column"
            said = people.said.get(int(row), "")
            rows.append(_set_apart(people.block.lines[row], reason, column, people.raw(int(row)), said))
        for line, reason, raw in people.block.set_aside:
            rows.append(_set_apart(line, reason, "", raw))
    for line, raw in records.broken:
        rows.append(_set_apart(line, "broken_quote", "", raw))
    for line, cells in layout.loose:
        if sum(1 for cell in cells if cell) > 2:
            rows.append(_set_apart(line, "no_header", "", " | ".join(cells)))
    if not rows:
        return _nothing_quarantined().copy(deep=False)
    rows.sort(key=lambda row: row["line"])
    return pa.Table.from_pylist(rows, _QUARANTINED).to_pandas()


@cache
def _nothing_quarantined() -> pd.DataFrame:
    return _QUARANTINED.empty_table().to_pandas()


def _set_apart(line: int, reason: str, column: str, raw: str, said: str = "") -> dict[str, Any]:
    return {
        "line": line,
        "reason": reason,
        "detail": mask_text(_DETAILS[reason].format(column=column, said=said)),
        "raw": raw,
    }


def _duration(row: Mapping[str, str]) -> str | None:
    return row.get("actual_duration") or row.get("duration")


def _sessions(
    facts: list[dict[str, str]], cells: Mapping[str, Cells], order: str, timezone: str, labels: Labels
) -> tuple[ZoomSession, ...]:
    sessions = []
    for number, row in enumerate(facts):
        scheduled = _moment(cells, "scheduled_start", number, order, timezone)
        actual = _moment(cells, "actual_start", number, order, timezone)
        actual = actual or _moment(cells, "start", number, order, timezone)
        end = _moment(cells, "end", number, order, timezone)
        minutes = minutes_of(_duration(row) or "", labels)
        if minutes is None and actual and end and end > actual:
            minutes = (end - actual).total_seconds() / 60
        sessions.append(
            ZoomSession(
                scheduled_start=scheduled,
                actual_start=actual,
                end=end,
                duration_minutes=minutes if minutes and minutes > 0 else None,
                is_actual="actual_duration" in row or actual is not None,
            )
        )
    return tuple(sessions)


def _microseconds(moment: dt.datetime | None) -> int:
    return int(moment.timestamp() * 1_000_000) if moment else _NAT


def _moment(
    cells: Mapping[str, Cells], name: str, number: int, order: str, timezone: str
) -> dt.datetime | None:
    if name not in cells or number >= len(cells[name].codes):
        return None
    value = int(to_utc(cells[name], order, timezone)[number])
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return None if value == _NAT else epoch + dt.timedelta(microseconds=value)


def _first(facts: list[dict[str, str]], name: str) -> str | None:
    return next((row[name] for row in facts if row.get(name)), None)


def _number(text: str | None) -> str | None:
    """Digits of a webinar's number; None for a number with letters in it, which isn't Zoom's."""
    plain = re.sub(r"[\s\-–]", "", text or "")
    return plain if plain.isdecimal() else None


def _totals(sitting: Mapping[str, str]) -> dict[str, int]:
    totals = {}
    for name in TOTALS:
        text = sitting.get(name)
        if text and re.fullmatch(r"\d{1,3}([,.\s]?\d{3})*|\d+", text):
            totals[name] = int(re.sub(r"\D", "", text))
    return totals


def _from_name(file: str) -> tuple[str | None, dt.date | None]:
    """Webinar ID and day out of a file name such as ``participants_84759841045_2025_03_22.csv``."""
    stem = PurePath(file.replace("\\", "/")).stem
    digits = re.search(r"(?<!\d)(\d{9,11})(?!\d)", stem)
    day = re.search(r"(?<!\d)(20\d{2})[_-](\d{2})[_-](\d{2})(?!\d)", stem)
    try:
        date = dt.date(*map(int, day.groups())) if day else None
    except ValueError:
        date = None
    return (digits.group(1) if digits else None), date


def _check_has_day(report: ZoomReport) -> None:
    if any(session.start for session in report.sessions) or report.file_day:
        return
    if report.table["join_time"].null_count < len(report.table):
        return
    if not len(report.table) and len(report.quarantined):
        often = report.quarantined["reason"].value_counts()
        raise ReportRefused(
            f"None of {report.rows_in} rows can be read; {often.iloc[0]} are {often.index[0]}, "
            f"the first in line {report.quarantined['line'].iloc[0]}.",
            reason="no_row_fits",
        )
    raise ReportRefused("Nothing in the file says on which day the event was.", reason="no_event_date")
