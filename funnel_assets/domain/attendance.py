"""Who registered for, attended, or walked into an event: one row per person per event day (SPEC 5).

Belongs here: which reports speak of the same event, which rows of the same person, how long somebody was there. Does
not belong here: how a report file is written (`sources.zoom`), what makes a phone valid (`domain.phone`).

Everything here is a pure function of the set of reports: the order in which files were dropped changes nothing.
"""

import datetime as dt
import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from funnel_assets.domain.webinars import (
    bootcamp_day,
    category,
    conductor,
    event_type,
    name_key,
    name_spellings,
)

ATTENDANCE_COLUMNS = (
    "date",
    "attendance_id",
    "webinar_date",
    "webinar_id",
    "webinar_name",
    "event_type",
    "bootcamp_day",
    "category",
    "conductor",
    "attended",
    "attendance_type",
    "user_name",
    "first_name",
    "last_name",
    "email",
    "phone",
    "phone_raw",
    "phone_status",
    "user_id",
    "registration_time",
    "registration_source",
    "join_time",
    "leave_time",
    "time_in_session_minutes",
    "rejoin_count",
    "country",
    "source_file",
    "touched_at",
)
LOADED, DUPLICATE, QUARANTINED = "loaded", "duplicate", "quarantined"
_MINUTE_US = 60_000_000
_EPOCH = dt.date(1970, 1, 1)
_EPOCH_MOMENT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NO_MOMENT = np.iinfo(np.int64).min
_SAME_START = pd.Timedelta(minutes=10)
_SAME_EVENT = pd.Timedelta(hours=12)
# Joins further apart than this, on different local days, belong to different sittings.
_NEW_SITTING_US = 6 * 60 * _MINUTE_US
_LONGEST_SITTING_MINUTES = 18 * 60
_EARLY_US = 120 * _MINUTE_US
_STAFF = ("host", "panelist")
_DAY_COUNTS = ("rows_in", "duplicates", "set_aside", "joined")
_CONTENT = [
    "section",
    "attended",
    "user_name",
    "first_name",
    "last_name",
    "email",
    "phone_raw",
    "approval",
    "registration_time",
    "join_time",
    "leave_time",
    "minutes",
    "country",
    "registration_source",
]
SET_ASIDE = {
    "host_or_panelist": "This person held the event and isn't counted as attending. Nothing to do.",
    "registration_cancelled": "The registration was cancelled and isn't counted. Nothing to do.",
    "registration_denied": "The registration was denied and isn't counted. Nothing to do.",
    "registration_pending": "The registration waits for approval. Approve it in Zoom, then export again.",
    "no_identity": "The row holds neither e-mail, phone nor name. Export the report again if it should count.",
}

PhoneNormaliser = Callable[[pd.Series], pd.DataFrame]
"""Texts in; columns ``phone`` (digits or missing) and ``phone_status`` out, on the same index."""


class Sitting(Protocol):
    """One sitting of an event as its report states it (UTC)."""

    @property
    def scheduled_start(self) -> dt.datetime | None: ...
    @property
    def actual_start(self) -> dt.datetime | None: ...
    @property
    def start(self) -> dt.datetime | None: ...
    @property
    def duration_minutes(self) -> float | None: ...
    @property
    def is_actual(self) -> bool: ...


class Report(Protocol):
    """What this module needs of a report; `sources.zoom.ZoomReport` is one."""

    @property
    def file(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def webinar_id(self) -> str | None: ...
    @property
    def sessions(self) -> Sequence[Sitting]: ...
    @property
    def generated_at(self) -> dt.datetime | None: ...
    @property
    def landed_at(self) -> dt.datetime | None: ...
    @property
    def file_day(self) -> dt.date | None: ...
    @property
    def totals(self) -> dict[str, int]: ...
    @property
    def people(self) -> pd.DataFrame: ...
    @property
    def visits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...
    @property
    def quarantined(self) -> pd.DataFrame: ...
    @property
    def has_registration(self) -> bool: ...


@dataclass(frozen=True)
class AttendanceResult:
    """Everything that came of a set of reports.

    Attributes:
        rows: One row per person per event day, columns ``ATTENDANCE_COLUMNS``.
        outcomes: One row per input row (hosts and panelists of their own sections are no input): file, line, outcome
            (loaded, duplicate, quarantined), reason, detail, raw, date (event day of loaded rows).
        totals: What reports state of themselves against what was read: file, what, stated, parsed, difference,
            likely_reason.
        events: One row per event day: date, webinar_id, webinar_name, has_attendance, has_registration, files.
        files: One row per file: file, sha256, state (used, superseded, same_bytes), dates.
        days: What became of the rows that the reports in use have for each event day, a row of several days on each:
            date, rows_in, duplicates, set_aside (rows in quarantine that the reader could read), joined (rows of
            somebody who has another one on the day). What is left of rows_in is one row of ``rows`` each.
    """

    rows: pd.DataFrame
    outcomes: pd.DataFrame
    totals: pd.DataFrame
    events: pd.DataFrame
    files: pd.DataFrame
    days: pd.DataFrame

    @property
    def quarantined(self) -> pd.DataFrame:
        """Input rows set apart: file, line, reason, detail, raw."""
        rows = self.outcomes[self.outcomes["outcome"] == QUARANTINED]
        return rows[["file", "line", "reason", "detail", "raw"]].reset_index(drop=True)

    def account(self, day: dt.date | None = None) -> pd.DataFrame:
        """Rows in, loaded, duplicate, other_day and quarantined of each file; the last four add up to the first.

        Args:
            day: Count loaded rows of other event days as ``other_day``; None counts every day as loaded.
        """
        outcome = self.outcomes["outcome"].astype(object)
        if day is not None:
            outcome = outcome.where((outcome != LOADED) | (self.outcomes["date"] == day), "other_day")
        counts = pd.crosstab(self.outcomes["file"], outcome)
        counts = counts.reindex(columns=[LOADED, DUPLICATE, "other_day", QUARANTINED], fill_value=0)
        counts = counts.reindex(sorted(self.files["file"].unique()), fill_value=0)
        counts.insert(0, "rows_in", counts.sum(axis=1))
        counts.columns.name = None
        return counts.rename_axis("file").reset_index()


@dataclass
class _Source:
    """A report in use, with the local days it speaks of and the day of each of its joins."""

    report: Report
    identity: str
    days: list[dt.date]
    row_days: pd.Series
    start: pd.Timestamp | None
    is_registration: bool
    order: tuple[float, float, str] = field(default=(0.0, 0.0, ""))


def report_days(report: Report, timezone: str) -> list[dt.date]:
    """Local days of the event that a report speaks of; cheap, for deciding what a new file concerns."""
    return _row_days(report, timezone)[0]


def attendance_days(
    reports: Iterable[Report],
    *,
    categories: pd.DataFrame,
    conductors: pd.DataFrame,
    normalise_phones: PhoneNormaliser,
    timezone: str = "Asia/Kolkata",
) -> AttendanceResult:
    """Join the reports of every event into one row per person per event day.

    Registration and attendance are joined by e-mail, then phone, then name where it is certain. A corrected re-export
    (same event, kind and start; generated later, else landed later) replaces the earlier one; the same bytes under
    another name do nothing.

    Args:
        reports: All reports that may concern the same events, in any order.
        categories: Columns token, category.
        conductors: Columns webinar_id, alias, conductor.
        normalise_phones: Reads phones as typed (see ``PhoneNormaliser``).
        timezone: Zone whose calendar decides an event's day.
    """
    ordered = sorted(reports, key=lambda report: (_instant(report.landed_at), report.file, report.sha256))
    used, idle = _choose(ordered, timezone)
    table = _input_rows(used)
    outcomes = [_idle_outcomes(report) for report, _ in idle] + [_unread_outcomes(s.report) for s in used]
    events = _Events(used, categories, conductors)
    if table.empty:
        rows, days = _no_rows(), _account(events, pd.DataFrame(), pd.DataFrame())
    else:
        phones = normalise_phones(table["phone_raw"])
        table["phone"] = phones["phone"].astype("str")
        table["phone_status"] = phones["phone_status"].astype("str")
        rows, days = _resolve(table, events)
        outcomes.append(_read_outcomes(table))
    return AttendanceResult(
        rows=rows,
        outcomes=_join_outcomes(outcomes),
        totals=_compare_totals(used),
        events=events.frame(),
        files=_file_frame(used, idle, events),
        days=days,
    )


def _instant(moment: dt.datetime | None) -> float:
    return moment.timestamp() if moment else -math.inf


def _identity(report: Report) -> str:
    """What tells one event series from another: its number, else its topic, else the file's name without counters."""
    if report.webinar_id:
        return report.webinar_id
    if name_key(report.topic):
        return f"topic {name_key(report.topic)}"
    return "file " + re.sub(r"\s*\(\d+\)$", "", report.file.rpartition(".")[0])


def _row_days(report: Report, timezone: str) -> tuple[list[dt.date], pd.Series]:
    """Event days of a report, and the event day of each row that tells one (missing: the row speaks of all days).

    Joins less than six hours apart, or within a stated sitting, are one sitting, and a sitting is of the day it
    started on: whoever rejoins at ten past midnight attended yesterday's event.
    """
    sections, joins, sittings = report.visits
    guests = (sections != _STAFF[0]) & (sections != _STAFF[1])
    rows = np.flatnonzero(guests & (joins != _NO_MOMENT))
    rows = rows[np.argsort(joins[rows], kind="stable")]
    known = joins[rows]
    begun = [session for session in report.sessions if session.start]
    starts = np.array([_microseconds(session.start) for session in begun if session.start], dtype=np.int64)
    local = _local_days(np.concatenate([known, starts]), timezone)
    local, start_days = local[: len(known)], local[len(known) :]
    row_days = np.full(len(joins), None, dtype=object)
    if len(known):
        days = _days_of_joins(known, local, begun, starts, start_days)
        dates = {day: _EPOCH + dt.timedelta(days=day) for day in set(days.tolist())}
        row_days[rows] = [dates[day] for day in days.tolist()]
        _days_of_absent(row_days, guests, sittings, report.sessions, timezone)
        found = sorted({day for day in row_days if day is not None})
    elif len(starts):
        found = [_EPOCH + dt.timedelta(days=day) for day in sorted(set(start_days.tolist()))]
    else:
        found = [report.file_day] if report.file_day else []
    return found, pd.Series(row_days, dtype=object)


def _days_of_joins(
    known: np.ndarray,
    local: np.ndarray,
    begun: Sequence[Sitting],
    starts: np.ndarray,
    start_days: np.ndarray,
) -> np.ndarray:
    """Day (since 1970) of each join, which come in their order with the local day each is on."""
    apart = np.diff(known, prepend=known[:1]) > _NEW_SITTING_US
    sitting = np.cumsum(apart & (np.diff(local, prepend=local[:1]) != 0))
    days = local[np.searchsorted(sitting, sitting)]
    lasted = [session.duration_minutes or 0.0 for session in begun]
    stated = [number for number, minutes in enumerate(lasted) if 0 < minutes <= _LONGEST_SITTING_MINUTES]
    for number in stated or range(len(begun)):
        start, minutes = starts[number], lasted[number] if stated else 0.0
        inside = (known >= start - _EARLY_US) & (known <= start + int(minutes * _MINUTE_US))
        after = np.isin(sitting, sitting[inside]) & (local >= start_days[number])
        days[inside | (after & (known - start <= _NEW_SITTING_US))] = start_days[number]
    return days


def _microseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH_MOMENT) // dt.timedelta(microseconds=1)


def _local_days(moments: np.ndarray, timezone: str) -> np.ndarray:
    """Days since 1970 on a zone's calendar of moments in microseconds since 1970."""
    local = pd.DatetimeIndex(moments.view("datetime64[us]"), tz="UTC").tz_convert(ZoneInfo(timezone))
    return local.tz_localize(None).to_numpy().view(np.int64) // (1440 * _MINUTE_US)


def _days_of_absent(
    row_days: np.ndarray,
    guests: np.ndarray,
    sittings: np.ndarray,
    sessions: Sequence[Sitting],
    timezone: str,
) -> None:
    """Where a file repeats its topic table for every sitting, an absence counts for the sitting it stands under."""
    for number in np.unique(sittings[sittings >= 0]).tolist():
        start = sessions[number].start if number < len(sessions) else None
        under = (sittings == number) & (row_days == None) & guests  # noqa: E711 - elementwise
        if start is not None:
            row_days[under] = start.astimezone(ZoneInfo(timezone)).date()


def _choose(reports: Sequence[Report], timezone: str) -> tuple[list[_Source], list[tuple[Report, str]]]:
    """Reports in use, and those that add nothing: the same bytes again, or replaced by a later export."""
    seen: set[str] = set()
    idle: list[tuple[Report, str]] = []
    sources: dict[tuple[str, str], list[_Source]] = {}
    for report in reports:
        if report.sha256 in seen:
            idle.append((report, "same_bytes"))
            continue
        seen.add(report.sha256)
        source = _source(report, timezone)
        sources.setdefault((report.kind, source.identity), []).append(source)
    used: list[_Source] = []
    for group in sources.values():
        group.sort(key=lambda s: (s.start is None, s.start or pd.Timestamp(0, tz="UTC"), s.report.sha256))
        cluster: list[_Source] = []
        for source in [*group, None]:
            same = bool(cluster) and source is not None and _same_start(cluster[-1], source)
            if cluster and not same:
                cluster.sort(key=lambda s: s.order)
                used.append(cluster[-1])
                idle += [(s.report, "superseded") for s in cluster[:-1]]
                cluster = []
            if source is not None:
                cluster.append(source)
    used.sort(key=lambda s: (s.identity, s.is_registration, s.report.sha256))
    return used, idle


def _source(report: Report, timezone: str) -> _Source:
    days, row_days = _row_days(report, timezone)
    starts = [pd.Timestamp(s.start) for s in report.sessions if s.start]
    joins = report.people["join_time"]
    start = min(starts) if starts else (joins.min() if joins.notna().any() else None)
    return _Source(
        report=report,
        identity=_identity(report),
        days=days,
        row_days=row_days,
        start=start,
        is_registration=report.kind == "registration",
        order=(_instant(report.generated_at), _instant(report.landed_at), report.sha256),
    )


def _same_start(one: _Source, other: _Source) -> bool:
    if one.start is None or other.start is None:
        return one.start is other.start and one.days == other.days
    return abs(other.start - one.start) <= _SAME_START


def _input_rows(used: list[_Source]) -> pd.DataFrame:
    """Rows of all reports in use except hosts' and panelists' own sections, ordered by content, not by file."""
    frames = []
    for number, source in enumerate(used):
        people = source.report.people
        keep = ~people["section"].isin(_STAFF)
        frame = people[keep].copy()
        frame["source"] = number
        frame["file"] = source.report.file
        frame["is_registration"] = source.is_registration
        frame["day"] = source.row_days[keep]
        frames.append(frame)
    if not frames:
        return pd.DataFrame()
    table = pd.concat(frames, ignore_index=True)
    table["outcome"] = pd.Series(LOADED, index=table.index, dtype=object)
    table["reason"] = pd.Series(None, index=table.index, dtype=object)
    table["is_twin"] = table.duplicated([*_CONTENT, "source"])
    table.loc[table["is_twin"], "outcome"] = DUPLICATE
    return table


class _Events:
    """Events as groups of reports: which days each has, which sittings, who was on stage."""

    def __init__(self, used: list[_Source], categories: pd.DataFrame, conductors: pd.DataFrame) -> None:
        self.used = used
        self.categories = categories
        self.conductors = conductors
        self.days = [self._days(source) for source in used]
        self.members: dict[tuple[str, dt.date], list[_Source]] = {}
        for source, days in zip(used, self.days, strict=True):
            for day in days:
                self.members.setdefault((source.identity, day), []).append(source)
        self.keys = sorted(self.members, key=lambda member: (member[1], member[0]))

    def _days(self, source: _Source) -> list[dt.date]:
        """A registration list stands for every day of its event's attendance reports that has no list of its own."""
        if not source.is_registration:
            return source.days
        days: set[dt.date] = set()
        taken = {
            day
            for other in self.used
            if other.is_registration and other.identity == source.identity and other is not source
            for day in other.days
        } - set(source.days)
        for other in self.used:
            if other.identity != source.identity or other.is_registration:
                continue
            near = source.start is not None and other.start is not None
            if set(other.days) & set(source.days) or (
                near and abs(other.start - source.start) <= _SAME_EVENT  # type: ignore[operator]
            ):
                days |= set(other.days)
        return sorted(days - taken) or source.days

    def facts(self, identity: str, day: dt.date) -> dict[str, object]:
        """The columns that all rows of one event day share."""
        members = sorted(self.members[identity, day], key=lambda s: (not s.is_registration, s.order))
        topics = [member.report.topic for member in members if member.report.topic]
        topic = topics[-1] if topics else None
        number = next((m.report.webinar_id for m in members if m.report.webinar_id), None)
        span = sorted({d for m in members if not m.is_registration for d in m.days if len(m.days) > 1})
        kind = event_type(topic, len(span) or 1)
        shown = topic or (f"Meeting {number}" if number else "Event without a topic")
        return {
            "webinar_id": number
            or "unknown-" + hashlib.sha256(f"{identity} {day}".encode()).hexdigest()[:10],
            "webinar_name": shown,
            "event_type": kind,
            "bootcamp_day": bootcamp_day(topic, day, span) if kind == "bootcamp" else pd.NA,
            "category": category(topic, self.categories),
            "conductor": conductor(
                number, self._names(members, "panelist"), self._names(members, "host"), self.conductors
            ),
            "starts_at": self._start(members, day),
            "lasted": self._lasted(members, day),
        }

    def _names(self, members: list[_Source], section: str) -> list[str]:
        names: list[str] = []
        for member in members:
            people = member.report.people
            names += people.loc[people["section"] == section, "user_name"].dropna().tolist()
        if section == "panelist" and not self._has_stage(members):
            names += self._known_speakers(members)
        return list(dict.fromkeys(names))

    def _has_stage(self, members: list[_Source]) -> bool:
        return any(member.report.people["section"].isin(_STAFF).any() for member in members)

    def _known_speakers(self, members: list[_Source]) -> list[str]:
        """Who of the listed people has an approved alias; asked only where no report has hosts or panelists."""
        aliases = {name_key(alias) for alias in self.conductors["alias"]} - {""}
        listed = pd.concat([_shown_names(member.report.people) for member in members]).dropna().unique()
        return sorted(name for name in listed if any(key in aliases for key in name_spellings(name)))

    def staff(self, identity: str, day: dt.date) -> tuple[set[str], set[str]]:
        """E-mails and full names (in lower case) of hosts and panelists.

        Where the reports list none (Zoom leaves empty sections out), approved speakers among the attendees are taken
        for what they are.
        """
        emails: set[str] = set()
        names: set[str] = set()
        for member in self.members[identity, day]:
            people = member.report.people
            people = people[people["section"].isin(_STAFF)]
            emails |= set(people["email"].dropna())
            names |= {key for name in people["user_name"] for key in name_spellings(name) if " " in key}
        members = self.members[identity, day]
        if not self._has_stage(members):
            speakers = {name for name in self._known_speakers(members) if " " in name_key(name)}
            for member in members:
                people = member.report.people
                emails |= set(people.loc[_shown_names(people).isin(speakers), "email"].dropna())
            names |= {key for name in speakers for key in name_spellings(name)}
        return emails, names

    def _start(self, members: list[_Source], day: dt.date) -> pd.Timestamp | None:
        starts = [m.start for m in members if m.start is not None and m.days and m.days[0] == day]
        joins = [
            m.report.people.loc[(m.row_days == day).to_numpy(), "join_time"].min()
            for m in members
            if len(m.row_days)
        ]
        known = (
            starts or [join for join in joins if not pd.isna(join)] or [m.start for m in members if m.start]
        )
        return min(known) if known else None

    def _lasted(self, members: list[_Source], day: dt.date) -> float:
        """Minutes the event lasted on a day; infinite where no report says so for that day alone."""
        total = 0.0
        for member in members:
            if member.is_registration:
                continue
            sessions = member.report.sessions
            minutes = [s.duration_minutes for s in sessions if s.is_actual and s.duration_minutes]
            if len(member.days) != 1 or len(minutes) != len(sessions):
                return math.inf
            total += sum(minutes)
        return total or math.inf

    def frame(self) -> pd.DataFrame:
        """One row per event day."""
        rows = []
        for (identity, day), members in sorted(
            self.members.items(), key=lambda item: (item[0][1], item[0][0])
        ):
            facts = self.facts(identity, day)
            rows.append(
                {
                    "date": day,
                    "webinar_id": facts["webinar_id"],
                    "webinar_name": facts["webinar_name"],
                    "has_attendance": any(not m.is_registration for m in members),
                    "has_registration": any(m.is_registration or m.report.has_registration for m in members),
                    "files": ", ".join(sorted(m.report.file for m in members)),
                }
            )
        columns = ["date", "webinar_id", "webinar_name", "has_attendance", "has_registration", "files"]
        return pd.DataFrame(rows, columns=columns)


def _shown_names(people: pd.DataFrame) -> pd.Series:
    """The shown name, else first and last name."""
    full = (people["first_name"].fillna("") + " " + people["last_name"].fillna("")).str.strip()
    return people["user_name"].fillna(full.where(full != ""))


def _resolve(table: pd.DataFrame, events: _Events) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to people: fills ``outcome``, ``reason`` and ``date`` of ``table``; returns the attendance rows, and what
    became of every row (``AttendanceResult.days``)."""
    _set_aside_unregistered(table)
    everyone = _by_event_day(table, events, {key: number for number, key in enumerate(events.keys)})
    long = everyone[everyone["outcome"] == LOADED] if len(everyone) else everyone
    if len(long):
        long = _without_staff(long, table, [events.staff(*key) for key in events.keys])
        long = _with_person(long, table)
    if len(everyone):
        everyone["outcome"] = table["outcome"].reindex(everyone["row"]).to_numpy()
    days = _account(events, everyone, long)
    if long.empty:
        return _no_rows(), days
    facts = [events.facts(*key) for key in events.keys]
    return _people_rows(long, facts, [day for _, day in events.keys]), days


def _account(events: _Events, everyone: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """Return ``AttendanceResult.days``: rows in are counted in the reports, the rest where it was decided."""
    counted: dict[str, Counter[dt.date]] = {name: Counter() for name in _DAY_COUNTS}
    for source, days in zip(events.used, events.days, strict=True):
        people = source.report.people
        guests = people[~people["section"].isin(_STAFF)]
        for day in days:
            counted["rows_in"][day] += int(_speaks(guests, source.row_days[guests.index], day, days).sum())
    if len(everyone):
        fates = {DUPLICATE: "duplicates", QUARANTINED: "set_aside"}
        kept = set(zip(long["row"], long["event"], strict=True)) if len(long) else set()
        for row, event, outcome in everyone[["row", "event", "outcome"]].itertuples(index=False, name=None):
            if outcome in fates and (row, event) not in kept:
                counted[fates[outcome]][events.keys[event][1]] += 1
    if len(long):
        for event in long.loc[long.duplicated(["event", "person"]), "event"].tolist():
            counted["joined"][events.keys[event][1]] += 1
    days = sorted({day for _, day in events.keys})
    found = {name: [counted[name][day] for day in days] for name in _DAY_COUNTS}
    return pd.DataFrame({"date": pd.Series(days, dtype=object), **found})


def _speaks(rows: pd.DataFrame, row_days: pd.Series, day: dt.date, days: Sequence[dt.date]) -> pd.Series:
    """Return which rows of a report speak of a day: a visit of its own day, an absence of each day of the event."""
    joined_elsewhere = row_days.notna() & (row_days != day)
    untimed_elsewhere = (rows["attended"] == "Y") & row_days.isna() & (day != days[0])
    return ~(joined_elsewhere | untimed_elsewhere)


def _by_event_day(
    table: pd.DataFrame, events: _Events, numbers: dict[tuple[str, dt.date], int]
) -> pd.DataFrame:
    """Rows once for every event day they speak of: a visit for its own day, an absence for each day of the event.

    Columns added: event (number of the event day), row (index in ``table``).
    """
    table["date"] = pd.Series(None, index=table.index, dtype=object)
    parts = []
    for number, (source, days) in enumerate(zip(events.used, events.days, strict=True)):
        rows = table[table["source"] == number]
        if not days or rows.empty:
            continue
        loaded = rows[rows["outcome"] == LOADED]
        table.loc[loaded.index, "date"] = loaded["day"].where(loaded["day"].notna(), days[0])
        for day in days:
            part = rows[_speaks(rows, rows["day"], day, days)]
            parts.append(part.assign(event=numbers[source.identity, day], row=part.index))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _set_aside_unregistered(table: pd.DataFrame) -> None:
    """A cancelled, denied or pending registrant isn't registered; whoever came all the same walked in."""
    came = table["attended"] == "Y"
    for status in ("cancelled", "denied", "pending"):
        _set_aside(table, table.index[(table["approval"] == status) & ~came], f"registration_{status}")


def _set_aside(table: pd.DataFrame, index: pd.Index, reason: str) -> None:
    fresh = index[(table.loc[index, "outcome"] == LOADED).to_numpy()]
    table.loc[fresh, "outcome"] = QUARANTINED
    table.loc[fresh, "reason"] = reason
    table.loc[fresh, "date"] = None


def _without_staff(
    long: pd.DataFrame, table: pd.DataFrame, staff: list[tuple[set[str], set[str]]]
) -> pd.DataFrame:
    """Leave out hosts and panelists who also stand among the attendees: by e-mail, else by full name."""
    emails = {(number, email) for number, (known, _) in enumerate(staff) for email in known}
    by_email = [pair in emails for pair in zip(long["event"], long["email"], strict=True)]
    held = np.array(by_email, dtype=bool)
    for row in np.flatnonzero((long["email"].isna() & long["user_name"].notna()).to_numpy()):
        names = staff[int(long.at[row, "event"])][1]  # pyright: ignore[reportArgumentType]
        held[row] = bool(names) and any(key in names for key in name_spellings(long.at[row, "user_name"]))
    _set_aside(table, pd.Index(long.loc[held, "row"]), "host_or_panelist")
    return long[~held]


def _with_person(long: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add ``person``: the phone where there is one, else the e-mail, else a name that can only be one person's.

    All rows of one e-mail share the phone that was given first.
    """
    order = [
        "registration_time",
        "join_time",
        "email",
        "phone",
        "user_name",
        "is_registration",
        "line",
        "file",
    ]
    long = long.sort_values(["event", *order], na_position="last", ignore_index=True)
    email, phone = long["email"].astype("str"), long["phone"].astype("str")
    address = (long["event"].astype(str) + " " + email).where(email.notna())
    own_phone = pd.DataFrame({"address": address, "phone": phone}).dropna().drop_duplicates("address")
    shared = address.map(own_phone.set_index("address")["phone"]).astype("str")
    own = ("p:" + phone).where(email.isna(), "e:" + email)
    long["person"] = ("p:" + shared).fillna(own)
    _match_names(long)
    nobody = long["person"].isna()
    _set_aside(table, pd.Index(long.loc[nobody, "row"]), "no_identity")
    return long[~nobody].reset_index(drop=True)


def _spellings(group: pd.DataFrame) -> pd.Series:
    """Every full spelling of a row's name: as shown, in brackets, and first with last name."""
    full = group["first_name"].fillna("") + " " + group["last_name"].fillna("")
    spellings = []
    for shown, joined in zip(group["user_name"], full, strict=True):
        keys = [*name_spellings(shown), name_key(joined)]
        spellings.append(tuple(dict.fromkeys(key for key in keys if key)))
    return pd.Series(spellings, index=group.index, dtype=object)


def _match_names(long: pd.DataFrame) -> None:
    """Give rows with neither e-mail nor phone to the one person with their full name, or to a person of their own.

    A name of one word ("Rahul", "iPhone") proves nothing: such rows unite only with each other, and only where their
    times don't overlap, as with someone who dropped out and came back. Two different e-mails are never united by a
    name: namesakes are common.
    """
    unknown = long["person"].isna()
    for _, group in long[long["event"].isin(long.loc[unknown, "event"].unique())].groupby("event"):
        nameless = group["person"].isna()
        spelled = dict(zip(group.index, _spellings(group), strict=True))
        owners: dict[str, set[str]] = {}
        for index, person in group.loc[~nameless, "person"].items():
            for name in spelled[index]:
                owners.setdefault(name, set()).add(person)
        overlapping = _overlapping_names(group[nameless], spelled)
        for index in group.index[nameless]:
            names = spelled[index]
            found = {p for name in names if " " in name for p in owners.get(name, ())}
            if len(found) == 1:
                long.at[index, "person"] = found.pop()
            elif names and (" " in names[0] or names[0] not in overlapping):
                long.at[index, "person"] = f"n:{names[0]}"
            elif names:
                visit = (
                    f"{long.at[index, 'join_time']} {long.at[index, 'leave_time']} {long.at[index, 'line']}"
                )
                long.at[index, "person"] = f"r:{names[0]}:{visit}"


def _overlapping_names(rows: pd.DataFrame, spelled: Mapping[Hashable, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    latest: dict[str, pd.Timestamp] = {}
    timed = rows[rows["join_time"].notna()].sort_values(["join_time", "leave_time"])
    for index, join, leave in zip(timed.index, timed["join_time"], timed["leave_time"], strict=True):
        if not spelled[index]:
            continue
        name = spelled[index][0]
        if name in latest and join < latest[name]:
            found.add(name)
        latest[name] = max(latest.get(name, leave), leave)
    return found


def _people_rows(long: pd.DataFrame, facts: list[dict[str, object]], days: list[dt.date]) -> pd.DataFrame:
    """Aggregate rows to one row per person per event day."""
    long = _with_flags(long)
    long["who"] = long.groupby(["event", "person"], sort=True).ngroup()
    by = long.groupby("who")
    texts = ["event", "person", "first_name", "last_name", "email", "phone_raw", "registration_source"]
    rows = by[texts].first()
    flags = by[["came", "is_registered", "is_other"]].agg(
        {"came": "any", "is_registered": "any", "is_other": "all"}
    )
    walked_in = flags["came"] & ~flags["is_registered"] & (by["has_evidence"].first() | flags["is_other"])
    visits = long[long["came"]].sort_values(["who", "join_time", "leave_time", "user_name", "line", "file"])
    seen = visits.groupby("who")
    full = (rows["first_name"].fillna("") + " " + rows["last_name"].fillna("")).str.strip()
    shown = seen["user_name"].first().reindex(rows.index).fillna(by["user_name"].first())
    rows["user_name"] = shown.fillna(full.where(full != ""))
    rows["attended"] = np.where(flags["came"], "Y", "N")
    rows["attendance_type"] = np.where(walked_in, "walk_in", np.where(flags["came"], "attended", "no_show"))
    rows["phone"] = rows["person"].str[2:].where(rows["person"].str.startswith("p:"))
    rows["phone_status"] = _phone_status(long)
    rows["registration_time"] = by["registration_time"].min()
    rows["country"] = seen["country"].first().reindex(rows.index).fillna(by["country"].first())
    rows["join_time"] = seen["join_time"].min().reindex(rows.index)
    rows["leave_time"] = seen["leave_time"].max().reindex(rows.index)
    limits = np.array([float(str(fact["lasted"])) for fact in facts])
    times = _time_in_session(visits).reindex(rows.index, fill_value=0)
    longest = np.ceil(limits[rows["event"].to_numpy(dtype=int)])
    rows["time_in_session_minutes"] = np.minimum(times["minutes"].to_numpy(dtype=float), longest)
    rows["rejoin_count"] = times["rejoins"]
    attendance_file = long[~long["is_registration"]].groupby("who")["file"].min()
    rows["source_file"] = attendance_file.reindex(rows.index).fillna(by["file"].min())
    return _finish(rows, facts, days)


def _with_flags(long: pd.DataFrame) -> pd.DataFrame:
    """Add came, is_other, is_registered and has_evidence (of the event: whether anything tells who registered).

    Registered is who a registration list, time or approval names. In an attendee report without any registration
    column, of an event without a registration report, everyone listed counts as registered: nothing tells walk-ins
    apart.
    """
    status = long["approval"]
    listed = long["registration_time"].notna() | (long["section"] == "registrant") | (status == "approved")
    listed &= status.isna() | (status == "approved")
    told = listed.groupby(long["event"]).transform("any")
    listed |= ~told & (long["section"] == "attendee") & status.isna()
    return long.assign(
        is_registered=listed,
        has_evidence=told,
        came=long["attended"] == "Y",
        is_other=long["section"] == "other",
    )


def _phone_status(long: pd.DataFrame) -> pd.Series:
    """Status of the phone that counts, else of the first one typed, else of the empty cell."""
    typed = long[long["phone_raw"].notna()]
    good = typed[typed["phone"].notna() & ("p:" + typed["phone"] == typed["person"])]
    status = long.groupby("who")["phone_status"].first()
    for rows in (typed, good):
        found = rows.groupby("who")["phone_status"].first()
        status = found.reindex(status.index).fillna(status)
    return status


def _time_in_session(visits: pd.DataFrame) -> pd.DataFrame:
    """Whole minutes as the union of a person's visits, and how often they came back.

    A single visit keeps the minutes its report states (Zoom rounds up); a report that gives only totals is taken at
    its word.
    """
    timed = visits[visits["join_time"].notna() & visits["leave_time"].notna()]
    timed = timed.drop_duplicates(["who", "join_time", "leave_time"])
    spans = timed[~timed["is_span"].astype(bool)].sort_values(["who", "join_time", "leave_time"])
    minutes = (
        (union_seconds(spans["who"], spans["join_time"], spans["leave_time"]) / 60)
        .apply(math.ceil)
        .astype(float)
    )
    count = spans.groupby("who").size()
    stated = spans[spans["minutes"].notna()].groupby("who")["minutes"].first()
    single = count.index[count == 1].intersection(stated.index)
    minutes.loc[single] = stated.loc[single].round()
    totals = visits[visits["is_span"].astype(bool) | (visits["join_time"].isna() & visits["minutes"].notna())]
    totals = totals.drop_duplicates(["who", "join_time", "leave_time", "minutes", "line"])
    minutes = minutes.add(np.ceil(totals.groupby("who")["minutes"].sum()), fill_value=0).fillna(0)
    rejoins = (timed.groupby("who").size() - 1).reindex(minutes.index, fill_value=0)
    return pd.DataFrame({"minutes": minutes.clip(lower=0), "rejoins": rejoins})


def union_seconds(key: pd.Series, start: pd.Series, end: pd.Series) -> pd.Series:
    """Seconds covered by each key's intervals, counting what overlaps once.

    Args:
        key: Whose interval; sorted, with ``start`` ascending within a key.
        start: When it begins.
        end: When it ends; earlier than its start counts as nothing.
    """
    begin = start.astype("datetime64[us, UTC]").astype("int64")
    finish = pd.Series(
        np.maximum(end.astype("datetime64[us, UTC]").astype("int64"), begin), index=start.index
    )
    reached = finish.groupby(key).cummax().groupby(key).shift()
    fresh_from = np.maximum(begin, reached.fillna(begin.min() if len(begin) else 0).astype("int64"))
    covered = pd.Series(finish - fresh_from, index=start.index).clip(lower=0)
    return covered.groupby(key).sum() / 1_000_000


def _finish(rows: pd.DataFrame, facts: list[dict[str, object]], days: list[dt.date]) -> pd.DataFrame:
    """Add what the whole event shares, the identity of each row, types and column order."""
    event = rows["event"].to_numpy(dtype=int)
    rows["date"] = np.array(days, dtype=object)[event]
    rows["webinar_date"] = rows["date"]
    for name in ("webinar_id", "webinar_name", "event_type", "category", "conductor", "bootcamp_day"):
        rows[name] = pd.Series([fact[name] for fact in facts], dtype=object).take(event).to_numpy()
    rows["attendance_id"] = [
        hashlib.sha256(f"{number}\x1f{day}\x1f{person}".encode()).hexdigest()[:32]
        for number, day, person in zip(rows["webinar_id"], rows["date"], rows["person"], strict=True)
    ]
    rows["user_id"] = rows["phone"]
    starts = pd.Series([fact["starts_at"] for fact in facts], dtype="datetime64[us, UTC]").take(event)
    starts.index = rows.index
    rows["touched_at"] = rows["registration_time"].fillna(rows["join_time"]).fillna(starts)
    return _typed(rows).sort_values(["date", "attendance_id"], ignore_index=True)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    times = ("registration_time", "join_time", "leave_time", "touched_at")
    dtypes = {name: "str" for name in ATTENDANCE_COLUMNS if name not in ("date", "webinar_date", *times)}
    dtypes |= dict.fromkeys(times, "datetime64[us, UTC]")
    dtypes |= dict.fromkeys(("bootcamp_day", "time_in_session_minutes", "rejoin_count"), "Int64")
    return rows[list(ATTENDANCE_COLUMNS)].astype(dtypes)


def _no_rows() -> pd.DataFrame:
    return _typed(pd.DataFrame({name: pd.Series(dtype=object) for name in ATTENDANCE_COLUMNS}))


_OUTCOME_COLUMNS = ["file", "line", "outcome", "reason", "detail", "raw", "date"]


def _idle_outcomes(report: Report) -> pd.DataFrame:
    """Rows of a report that another one replaces are duplicates, broken rows included."""
    people = report.people[~report.people["section"].isin(_STAFF)]
    lines = [*people["line"], *report.quarantined["line"]]
    return pd.DataFrame({"file": report.file, "line": lines, "outcome": DUPLICATE})


def _unread_outcomes(report: Report) -> pd.DataFrame:
    bad = report.quarantined
    return pd.DataFrame(
        {
            "file": report.file,
            "line": bad["line"],
            "outcome": QUARANTINED,
            "reason": bad["reason"],
            "detail": bad["detail"],
            "raw": bad["raw"],
        }
    )


def _read_outcomes(table: pd.DataFrame) -> pd.DataFrame:
    frame = table[["file", "line", "outcome", "reason", "date"]].copy()
    frame["detail"] = frame["reason"].map(SET_ASIDE)
    aside = table["outcome"] == QUARANTINED
    texts = table.loc[aside, ["user_name", "first_name", "last_name", "email", "phone_raw", "approval"]]
    frame["raw"] = pd.Series(None, index=frame.index, dtype=object)
    frame.loc[aside, "raw"] = [row.to_json(force_ascii=False) for _, row in texts.iterrows()]
    return frame


def _join_outcomes(parts: list[pd.DataFrame]) -> pd.DataFrame:
    parts = [part.reindex(columns=_OUTCOME_COLUMNS) for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=_OUTCOME_COLUMNS)
    frame = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    frame = frame.where(frame.notna(), None).astype({"line": "int64", "file": "str", "outcome": "str"})
    return frame.sort_values(["file", "line", "outcome"], ignore_index=True, kind="stable")


def _file_frame(used: list[_Source], idle: list[tuple[Report, str]], events: _Events) -> pd.DataFrame:
    rows = [
        {"file": s.report.file, "sha256": s.report.sha256, "state": "used", "dates": tuple(days)}
        for s, days in zip(used, events.days, strict=True)
    ]
    rows += [{"file": r.file, "sha256": r.sha256, "state": state, "dates": ()} for r, state in idle]
    frame = pd.DataFrame(rows, columns=["file", "sha256", "state", "dates"])
    return frame.sort_values(["file", "sha256"], ignore_index=True)


def _compare_totals(used: list[_Source]) -> pd.DataFrame:
    """Numbers reports state about themselves against what was read, with the likely reason of a difference."""
    rows = []
    for source in used:
        report = source.report
        parsed = _parsed_totals(report)
        for what, stated in report.totals.items():
            if what not in parsed:
                continue
            read = stated if stated in parsed[what] else parsed[what][0]
            rows.append(
                {
                    "file": report.file,
                    "what": what,
                    "stated": stated,
                    "parsed": read,
                    "difference": read - stated,
                    "likely_reason": _likely_reason(what, stated, read, len(report.quarantined)),
                }
            )
    columns = ["file", "what", "stated", "parsed", "difference", "likely_reason"]
    return pd.DataFrame(rows, columns=columns).sort_values(["file", "what"], ignore_index=True)


def _parsed_totals(report: Report) -> dict[str, list[int]]:
    """For each number, what it could count, likeliest first (Zoom never defined "Total Users" the same way twice)."""
    people = report.people
    who = people["email"].fillna(people["user_name"].map(name_key).astype("str"))
    guests = ~people["section"].isin(_STAFF)
    came = guests & (people["attended"] == "Y")
    staff = ~guests
    status = people["approval"]
    listed = guests & (status.isna() | (status == "approved"))
    if report.has_registration:
        listed &= people["registration_time"].notna() | (status == "approved")
    viewers, stage = who[came].nunique(), who[staff].nunique()
    counts = {
        "registered": [who[listed].nunique(), who[guests & status.notna()].nunique(), int(listed.sum())],
        "cancelled": [who[guests & (status == "cancelled")].nunique()],
        "approved": [who[guests & (status == "approved")].nunique()],
        "denied": [who[guests & (status == "denied")].nunique()],
        "unique_viewers": [viewers, who[came & (people["section"] != "other")].nunique()],
        "total_users": [viewers + stage, viewers, int(came.sum()), int(came.sum() + staff.sum())],
        "participants": [who[people["attended"] == "Y"].nunique(), int((people["attended"] == "Y").sum())],
    }
    if report.kind == "registration":
        return {name: counts[name] for name in ("registered", "cancelled", "approved", "denied")}
    return counts


def _likely_reason(what: str, stated: int, read: int, quarantined: int) -> str | None:
    missing = stated - read
    if missing == 0:
        return None
    if what in ("cancelled", "denied") and read == 0:
        return "This report counts such registrants without listing them."
    if missing > 0 and quarantined >= missing:
        return f"{quarantined} rows of the file are in quarantine."
    if missing > 0:
        return (
            "The file lists fewer people than the report counted: exported early, cut, or shortened by hand."
        )
    return "The file lists more people than the report counted: the same person under several addresses, or edited."
