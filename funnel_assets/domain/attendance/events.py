"""Which reports are in use and of which event days they speak; what all rows of an event day share.

Belongs here: corrected re-exports, sittings, days, hosts and panelists. Does not belong here: who is who (`people`).
"""

import datetime as dt
import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from funnel_assets.domain.attendance.base import MINUTE_US, STAFF, Report, Sitting
from funnel_assets.domain.webinars import (
    bootcamp_day,
    category,
    conductor,
    event_type,
    name_key,
    name_spellings,
)

_EPOCH = dt.date(1970, 1, 1)
_EPOCH_MOMENT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NO_MOMENT = np.iinfo(np.int64).min
_SAME_START_SECONDS = 600.0
_SAME_EVENT = pd.Timedelta(hours=12)
# Joins further apart than this, on different local days, belong to different sittings.
_NEW_SITTING_US = 6 * 60 * MINUTE_US
_LONGEST_SITTING_MINUTES = 18 * 60
_EARLY_US = 120 * MINUTE_US


@dataclass
class Source:
    """A report in use, with the local days it speaks of and the day of each of its joins."""

    report: Report
    identity: str
    days: list[dt.date]
    row_days: pd.Series
    start: pd.Timestamp | None
    is_registration: bool
    order: tuple[float, float, str] = field(default=(0.0, 0.0, ""))

    @property
    def export(self) -> "Export":
        """Of which event it is an export."""
        start = None if self.start is None else self.start.timestamp()
        days = tuple(day.isoformat() for day in self.days)
        return Export(self.report.kind, self.identity, start, days, self.order)


@dataclass(frozen=True)
class Export:
    """What tells whether one report is another export of the same event, and which of the two is the later.

    Attributes:
        kind: Of the report; a registration list never replaces an attendee report.
        identity: The event series.
        start: When the event began (Unix time), where it is known.
        days: Local event days.
        order: Of exports: generated, landed, content.
    """

    kind: str
    identity: str
    start: float | None
    days: tuple[str, ...]
    order: tuple[float, float, str]

    def replaces(self, other: "Export") -> bool:
        """Whether this one is the later export of the same event."""
        same = (self.kind, self.identity) == (other.kind, other.identity)
        return same and self.starts_with(other) and self.order > other.order

    def starts_with(self, other: "Export") -> bool:
        """Whether both are of one sitting of the series."""
        if self.start is None or other.start is None:
            return self.start is other.start and self.days == other.days
        return abs(other.start - self.start) <= _SAME_START_SECONDS


def export_of(report: Report, timezone: str) -> Export:
    """Return of which event a report is an export."""
    return _source(report, timezone).export


def report_days(report: Report, timezone: str) -> list[dt.date]:
    """Local days of the event that a report speaks of; cheap, for deciding what a new file concerns."""
    return _row_days(report, timezone)[0]


def instant(moment: dt.datetime | None) -> float:
    """A moment as Unix time; before all others where there is none."""
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
    guests = (sections != STAFF[0]) & (sections != STAFF[1])
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
        inside = (known >= start - _EARLY_US) & (known <= start + int(minutes * MINUTE_US))
        after = np.isin(sitting, sitting[inside]) & (local >= start_days[number])
        days[inside | (after & (known - start <= _NEW_SITTING_US))] = start_days[number]
    return days


def _microseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH_MOMENT) // dt.timedelta(microseconds=1)


def _local_days(moments: np.ndarray, timezone: str) -> np.ndarray:
    """Days since 1970 on a zone's calendar of moments in microseconds since 1970."""
    local = pd.DatetimeIndex(moments.view("datetime64[us]"), tz="UTC").tz_convert(ZoneInfo(timezone))
    return local.tz_localize(None).to_numpy().view(np.int64) // (1440 * MINUTE_US)


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


def choose(reports: Sequence[Report], timezone: str) -> tuple[list[Source], list[tuple[Report, str]]]:
    """Reports in use, and those that add nothing: the same bytes again, or replaced by a later export."""
    seen: set[str] = set()
    idle: list[tuple[Report, str]] = []
    sources: dict[tuple[str, str], list[Source]] = {}
    for report in reports:
        if report.sha256 in seen:
            idle.append((report, "same_bytes"))
            continue
        seen.add(report.sha256)
        source = _source(report, timezone)
        sources.setdefault((report.kind, source.identity), []).append(source)
    used: list[Source] = []
    for group in sources.values():
        group.sort(key=lambda s: (s.start is None, s.start or pd.Timestamp(0, tz="UTC"), s.report.sha256))
        cluster: list[Source] = []
        for source in [*group, None]:
            same = bool(cluster) and source is not None and cluster[-1].export.starts_with(source.export)
            if cluster and not same:
                cluster.sort(key=lambda s: s.order)
                used.append(cluster[-1])
                idle += [(s.report, "superseded") for s in cluster[:-1]]
                cluster = []
            if source is not None:
                cluster.append(source)
    used.sort(key=lambda s: (s.identity, s.is_registration, s.report.sha256))
    return used, idle


def _source(report: Report, timezone: str) -> Source:
    days, row_days = _row_days(report, timezone)
    starts = [pd.Timestamp(s.start) for s in report.sessions if s.start]
    joins = report.people["join_time"]
    start = min(starts) if starts else (joins.min() if joins.notna().any() else None)
    return Source(
        report=report,
        identity=_identity(report),
        days=days,
        row_days=row_days,
        start=start,
        is_registration=report.kind == "registration",
        order=(instant(report.generated_at), instant(report.landed_at), report.sha256),
    )


class Events:
    """Events as groups of reports: which days each has, which sittings, who was on stage."""

    def __init__(self, used: list[Source], categories: pd.DataFrame, conductors: pd.DataFrame) -> None:
        self.used = used
        self.categories = categories
        self.conductors = conductors
        self.days = [self._days(source) for source in used]
        self.members: dict[tuple[str, dt.date], list[Source]] = {}
        for source, days in zip(used, self.days, strict=True):
            for day in days:
                self.members.setdefault((source.identity, day), []).append(source)
        self.keys = sorted(self.members, key=lambda member: (member[1], member[0]))

    def _days(self, source: Source) -> list[dt.date]:
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
            "lasted": self._lasted(members),
        }

    def _names(self, members: list[Source], section: str) -> list[str]:
        names: list[str] = []
        for member in members:
            people = member.report.people
            names += people.loc[people["section"] == section, "user_name"].dropna().tolist()
        if section == "panelist" and not self._has_stage(members):
            names += self._known_speakers(members)
        return list(dict.fromkeys(names))

    def _has_stage(self, members: list[Source]) -> bool:
        return any(member.report.people["section"].isin(STAFF).any() for member in members)

    def _known_speakers(self, members: list[Source]) -> list[str]:
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
            people = people[people["section"].isin(STAFF)]
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

    def _start(self, members: list[Source], day: dt.date) -> pd.Timestamp | None:
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

    def _lasted(self, members: list[Source]) -> float:
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
