"""Read one report file: bytes in, `ZoomReport` out.

Belongs here: the order of the steps and the checks that need the whole file (which day comes first in its
dates, whether rows agree with themselves). Does not belong here: who counts as having attended; that is
`funnel_assets.domain.attendance`.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePath

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.masking import mask_text
from funnel_assets.sources.zoom.dates import Cells, check_styles, decide_order, readings, take_apart, to_utc
from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.fit import People, fit, minutes_of, text_series
from funnel_assets.sources.zoom.labels import Labels, load_labels
from funnel_assets.sources.zoom.layout import UNKNOWN_SECTION, Block, Layout, lay_out
from funnel_assets.sources.zoom.report import Kind, ZoomReport, ZoomSession
from funnel_assets.sources.zoom.text import Records, decode, read_records

TIME_FACTS = ("generated_at", "scheduled_start", "actual_start", "start", "end")
TOTALS = ("registered", "cancelled", "approved", "denied", "unique_viewers", "total_users", "participants")
# Zoom rounds minutes up; a wrong hour or day is off by far more than this.
_MINUTES_APART = 5.0
_NAT = np.iinfo(np.int64).min
_MINUTE_US = 60_000_000
_DAY_US = 1440 * _MINUTE_US
_DETAILS = {
    "misaligned": "The cell under {column} is not what belongs there. Correct it, drop the file again.",
    "missing_field": "The row is shorter than its header and {column} is missing. Export the report again.",
    "too_many_fields": "The row has more cells than its header: a comma without quotes? Correct it.",
    "times_contradict": "Join time, leave time and minutes contradict each other. Export the report again.",
    "date_style": "The date under {column} is written unlike the others of its column. Export again.",
    "broken_quote": "A quotation mark opens here and never closes. Correct the line, or export again.",
    "unknown_section": "The heading above this row is unknown. Add it to the labels table, then replay.",
    "no_header": "There is no header this row belongs to. Export the report again.",
    "row_cut_short": "The file ends in the middle of this row. Copy or download the file again.",
    "outside_event": "The join time is far from the event. Check the row against the report in Zoom.",
}


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
        file: Its name, for messages; its digits and date are used only when the file itself has none.
        timezone: IANA zone in which the account writes times.
        date_order: ``month_first`` or ``day_first``; used only where the file's own dates don't tell.
        landed_at: When the file was dropped, kept on the report.
        labels: Another table of words than the one that ships.

    Raises:
        ReportRefused: The file is no report, is cut off, or its dates can't be read in one certain way.
            ``reason`` holds the code.
    """
    labels = labels or load_labels()
    try:
        return _read(data, file, timezone, date_order, landed_at, labels)
    except ReportRefused as refusal:
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
    if not layout.blocks:
        raise ReportRefused(_no_people_message(layout), reason="not_a_report")
    _check_not_cut(records, layout)
    blocks = [fit(block, labels) for block in layout.blocks]
    kind = _kind(layout, blocks)
    facts = _facts(layout, blocks)
    fact_cells = _fact_cells(facts, labels)
    order = _order(blocks, fact_cells, facts, labels, date_order)
    people, refused = _people(blocks, order, timezone, labels, kind)
    sessions = _sessions(facts, fact_cells, order, timezone, labels)
    people, outside = _outside_event(people, blocks, sessions)
    quarantined = _quarantine([*refused, *outside], records, layout, blocks)
    name_id, file_day = _from_name(file)
    report = ZoomReport(
        file=file,
        sha256=hashlib.sha256(data).hexdigest(),
        kind=kind,
        topic=_first(facts, "topic"),
        webinar_id=_digits(_first(facts, "webinar_id")) or name_id,
        sessions=sessions,
        generated_at=_moment(fact_cells, "generated_at", 0, order, timezone),
        totals=_totals(facts),
        people=people,
        quarantined=quarantined,
        has_registration=any({"registration_time", "approval"} & set(block.block.names) for block in blocks),
        timezone=timezone,
        dates=order,
        landed_at=landed_at,
        file_day=file_day,
        notes=tuple(dict.fromkeys(note for block in blocks for note in block.notes)),
    )
    _check_has_day(report)
    return report


def _no_people_message(layout: Layout) -> str:
    if layout.title or layout.facts:
        return "The report holds no table of people."
    return "This is no Zoom or Teams report: it has no title, event or table of people that they have."


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
        "upn" in b.block.names for b in blocks
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


def _facts(layout: Layout, blocks: list[People]) -> list[dict[str, str]]:
    """Event facts, one mapping a sitting; single ``label, value`` lines count for the first."""
    facts = [dict(row) for row in layout.facts] or [{}]
    facts[0] = {**layout.single_facts, **facts[0]}
    ids = {_digits(row["webinar_id"]) for row in facts if row.get("webinar_id")}
    if len(ids) > 1:
        raise ReportRefused(f"The file covers {len(ids)} different webinar IDs.", reason="several_events")
    return facts


def _fact_cells(facts: list[dict[str, str]], labels: Labels) -> dict[str, Cells]:
    """Each time fact over the sittings as date cells; each fact keeps a style of its own."""
    return {
        name: take_apart(pa.array([row.get(name) or None for row in facts], pa.string()), labels)
        for name in TIME_FACTS
        if any(row.get(name) for row in facts)
    }


def _order(
    blocks: list[People],
    fact_cells: Mapping[str, Cells],
    facts: list[dict[str, str]],
    labels: Labels,
    hint: str | None,
) -> str:
    columns: dict[str, Cells] = dict(fact_cells)
    for number, people in enumerate(blocks):
        columns |= {f"{name} {number}": cells for name, cells in people.times.items()}
    durations = [minutes_of(_duration(row) or "", labels) for row in facts]

    def contradictions(order: str) -> int:
        return _contradictions(order, blocks, fact_cells, durations[0] or 0.0)

    return decide_order(columns, contradictions, hint)


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
            stated = both & ~np.isnan(people.minutes) & (not people.is_total)
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
                count += int(np.count_nonzero(known & (registration > leave)))
    return count


def _rows(cells: Cells, order: str) -> np.ndarray:
    return np.append(readings(cells, order), _NAT)[cells.codes]


def _people(
    blocks: list[People], order: str, timezone: str, labels: Labels, kind: Kind
) -> tuple[pd.DataFrame, list[tuple[People, np.ndarray]]]:
    """All rows that fit, as one frame, and per block the mask of those that don't."""
    follows = {
        id(people): check_styles({_shown(people.block, name): cells for name, cells in people.times.items()})
        for people in blocks
    }
    activity = any(people.block.section == "teams_activity" for people in blocks)
    frames, refused = [], []
    for people in blocks:
        frame = _block_frame(people, order, timezone, follows[id(people)])
        frame["section"] = _roles(people, frame, kind)
        people.refuse((frame["section"] == UNKNOWN_SECTION).to_numpy(), "unknown_section", "")
        if activity and people.block.section == "teams_people":
            frame[["join_time", "leave_time"]] = pd.NaT
            frame["minutes"], frame["is_span"] = np.nan, False
        bad = people.why != None  # noqa: E711 - elementwise
        refused.append((people, bad))
        frame["block"], frame["row"] = len(frames), np.arange(len(frame))
        frames.append(frame[~bad] if bad.any() else frame)
    frame = frames[0].reset_index(drop=True) if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    return frame, refused


def _shown(block: Block, name: str) -> str:
    known = {"join_time": ("join_time", "first_join"), "leave_time": ("leave_time", "last_leave")}.get(
        name, (name,)
    )
    for title, canonical in zip(block.header, block.names, strict=True):
        if canonical in known:
            return title
    return name


def _block_frame(
    people: People, order: str, timezone: str, follows: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    count = len(people.block.rows)
    frame = pd.DataFrame({"line": pd.array(people.block.lines, dtype="int64")})
    yes_no = {"yes": "Y", "no": "N"}
    attended = people.text.get("attended")
    frame["attended"] = text_series(attended, count).map(yes_no).astype("str")
    for name in ("user_name", "first_name", "last_name", "email", "phone_raw", "approval", "country"):
        frame[name] = text_series(people.text.get(name), count)
    frame["registration_source"] = text_series(people.text.get("registration_source"), count)
    frame["role"] = text_series(people.text.get("role"), count)
    for name in ("registration_time", "join_time", "leave_time"):
        cells = people.times.get(name)
        if cells is None:
            frame[name] = pd.Series(np.full(count, _NAT).view("datetime64[us]")).dt.tz_localize("UTC")
            continue
        shown = _shown(people.block, name)
        frame[name] = to_utc(cells, order, timezone, follows[shown])
        unread = (cells.codes >= 0) & frame[name].isna().to_numpy()
        matched = np.append(cells.family, 0)[cells.codes] >= 0
        people.refuse(unread & matched, "date_style", shown)
        people.refuse(unread, "misaligned", shown)
    frame["minutes"] = people.minutes
    frame["is_span"] = people.is_total
    frame["is_timing_unusable"] = False
    _check_times(people, frame)
    if attended is None:
        joined = frame["join_time"].notna() | frame["minutes"].notna()
        frame["attended"] = pd.Series(np.where(joined, "Y", None)).astype("str")
    else:
        blank = frame["attended"].isna() & frame["join_time"].notna()
        frame.loc[blank, "attended"] = "Y"
    if people.block.section == "teams_people":
        frame["attended"] = frame["attended"].fillna("Y")
    return frame


def _check_times(people: People, frame: pd.DataFrame) -> None:
    """Rows whose own numbers can't all be true.

    Zoom itself exports rows where leaving comes before joining and the minutes are negative: those people
    attended, their times are worth nothing. Where a large part of a file disagrees, its minutes mean
    something else (a total over rejoins) and are no evidence against the rows.
    """
    span = (frame["leave_time"] - frame["join_time"]).dt.total_seconds().to_numpy(dtype=float) / 60
    stated = frame["minutes"].to_numpy(dtype=float)
    with np.errstate(invalid="ignore"):
        backwards = span < 0
        zoom_says_so = backwards & (stated < 0) & (np.abs(span - stated) <= _MINUTES_APART)
        excess = stated - span if people.is_total else np.abs(span - stated)
        apart = excess > _MINUTES_APART
        half_known = frame["join_time"].isna().to_numpy() != frame["leave_time"].isna().to_numpy()
        late = (frame["registration_time"] > frame["leave_time"]).to_numpy() & ~zoom_says_so
    compared = ~np.isnan(span) & ~np.isnan(stated)
    often = apart.sum() >= 5 and apart.sum() > 0.2 * max(int(compared.sum()), 1)
    if often:
        people.notes.append(
            "The minutes of many rows differ from their join and leave times; the times were used."
        )
    else:
        people.refuse(apart & ~zoom_says_so, "times_contradict", "")
    people.refuse(backwards & ~zoom_says_so, "times_contradict", "")
    people.refuse(half_known & (frame["attended"] != "N").to_numpy(), "times_contradict", "")
    people.refuse(late, "times_contradict", "")
    said_no = (frame["attended"] == "N").to_numpy() & frame["join_time"].notna().to_numpy()
    people.refuse(said_no, "times_contradict", "")
    no_time = frame["join_time"].isna() & frame["minutes"].isna()
    if {"join_time", "leave_time"} <= set(people.times):
        people.refuse(((frame["attended"] == "Y") & no_time).to_numpy(), "times_contradict", "")
    if zoom_says_so.any():
        frame.loc[zoom_says_so, ["join_time", "leave_time"]] = pd.NaT
        frame.loc[zoom_says_so, "minutes"] = np.nan
        frame.loc[zoom_says_so, "is_timing_unusable"] = True


def _roles(people: People, frame: pd.DataFrame, kind: Kind) -> pd.Series:
    section = people.block.section
    if section in ("teams_people", "teams_activity"):
        return frame["role"].fillna("attendee")
    if section in ("host", "panelist", "other"):
        return pd.Series(section, index=frame.index, dtype="str")
    names = set(people.block.names)
    is_registered = bool(names & {"registration_time", "approval", "first_name"})
    if section == UNKNOWN_SECTION and not is_registered and kind in ("attendee", "registration"):
        return pd.Series(UNKNOWN_SECTION, index=frame.index, dtype="str")
    joins = names & {"attended", "join_time", "leave_time", "minutes", "total_minutes", "first_join"}
    return pd.Series("attendee" if joins else "registrant", index=frame.index, dtype="str")


def _outside_event(
    people: pd.DataFrame, blocks: list[People], sessions: tuple[ZoomSession, ...]
) -> tuple[pd.DataFrame, list[tuple[People, np.ndarray]]]:
    """Set apart joins long before the first sitting or months after it; drop the helper columns."""
    starts = [session.actual_start for session in sessions if session.actual_start]
    outside: list[tuple[People, np.ndarray]] = []
    if starts:
        join = people["join_time"]
        far = (
            (join < min(starts) - pd.Timedelta(days=2)) | (join > max(starts) + pd.Timedelta(days=45))
        ).to_numpy()
        if far.any():
            for number in sorted(set(people.loc[far, "block"])):
                rows = people.loc[far & (people["block"] == number).to_numpy(), "row"].to_numpy()
                mask = np.zeros(len(blocks[number].block.rows), dtype=bool)
                mask[rows] = True
                blocks[number].refuse(mask, "outside_event", "")
                outside.append((blocks[number], mask))
            people = people[~far].reset_index(drop=True)
    return people.drop(columns=["block", "row", "role"]), outside


def _quarantine(
    refused: list[tuple[People, np.ndarray]], records: Records, layout: Layout, blocks: list[People]
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for people, mask in refused:
        for row in np.flatnonzero(mask):
            reason = str(people.why[row])
            column = repr(str(people.blame[row])) if people.blame[row] else "a column"
            rows.append(_set_apart(people.block.lines[row], reason, column, people.raw(int(row))))
    for line, raw in records.broken:
        rows.append(_set_apart(line, "broken_quote", "", raw))
    for line, cells in layout.loose:
        if sum(1 for cell in cells if cell) > 2:
            rows.append(_set_apart(line, "no_header", "", " | ".join(cells)))
    frame = pd.DataFrame(rows, columns=["line", "reason", "detail", "raw"])
    frame = frame.astype({"line": "int64", "reason": "str", "detail": "str", "raw": "str"})
    return frame.sort_values("line", ignore_index=True)


def _set_apart(line: int, reason: str, column: str, raw: str) -> dict[str, object]:
    return {
        "line": line,
        "reason": reason,
        "detail": mask_text(_DETAILS[reason].format(column=column)),
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


def _moment(
    cells: Mapping[str, Cells], name: str, number: int, order: str, timezone: str
) -> dt.datetime | None:
    if name not in cells or number >= len(cells[name].codes):
        return None
    value = to_utc(cells[name], order, timezone).iloc[number]
    return None if pd.isna(value) else value.to_pydatetime()


def _first(facts: list[dict[str, str]], name: str) -> str | None:
    return next((row[name] for row in facts if row.get(name)), None)


def _digits(text: str | None) -> str | None:
    digits = re.sub(r"\D", "", text or "")
    return digits or None


def _totals(facts: list[dict[str, str]]) -> dict[str, int]:
    totals = {}
    for name in TOTALS:
        text = _first(facts, name)
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
    if report.people["join_time"].notna().any():
        return
    raise ReportRefused("Nothing in the file says on which day the event was.", reason="no_event_date")
