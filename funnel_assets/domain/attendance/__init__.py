"""Who registered for, attended, or walked into an event: one row per person per event day (SPEC 5).

Belongs here: which reports speak of the same event, which rows of the same person, how long somebody was there. Does
not belong here: how a report file is written (`sources.zoom`), what makes a phone valid (`domain.phone`).

Everything here is a pure function of the set of reports: the order in which files were dropped changes nothing.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import pandas as pd

from funnel_assets.domain.attendance.base import (
    ATTENDANCE_COLUMNS,
    SET_ASIDE,
    AttendanceResult,
    PhoneNormaliser,
    Report,
    Sitting,
)
from funnel_assets.domain.attendance.events import Events, Export, choose, export_of, instant, report_days
from funnel_assets.domain.attendance.minutes import union_seconds
from funnel_assets.domain.attendance.outcomes import (
    compare_totals,
    file_frame,
    idle_outcomes,
    join_outcomes,
    read_outcomes,
    unread_outcomes,
)
from funnel_assets.domain.attendance.people import account, input_rows, no_rows, read_phones, resolve
from funnel_assets.domain.countries import HOME

__all__ = [
    "ATTENDANCE_COLUMNS",
    "SET_ASIDE",
    "AttendanceResult",
    "Export",
    "Report",
    "Sitting",
    "attendance_days",
    "export_of",
    "report_days",
    "union_seconds",
]


def attendance_days(
    reports: Iterable[Report],
    *,
    categories: pd.DataFrame,
    conductors: pd.DataFrame,
    normalise_phones: PhoneNormaliser,
    countries: Mapping[str, str] = MappingProxyType({}),
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
        countries: Whose national phone numbers a report holds, by its sha256, where they aren't of `HOME`.
        timezone: Zone whose calendar decides an event's day.
    """
    ordered = sorted(reports, key=lambda report: (instant(report.landed_at), report.file, report.sha256))
    used, idle = choose(ordered, timezone)
    table = input_rows(used)
    outcomes = [idle_outcomes(report) for report, _ in idle] + [unread_outcomes(s.report) for s in used]
    events = Events(used, categories, conductors)
    if table.empty:
        rows, days = no_rows(), account(events, pd.DataFrame(), pd.DataFrame())
    else:
        of = [countries.get(source.report.sha256, HOME) for source in used]
        phones = read_phones(table, of, normalise_phones)
        table["phone"] = phones["phone"].astype("str")
        table["phone_status"] = phones["phone_status"].astype("str")
        rows, days = resolve(table, events)
        outcomes.append(read_outcomes(table))
    return AttendanceResult(
        rows=rows,
        outcomes=join_outcomes(outcomes),
        totals=compare_totals(used),
        events=events.frame(),
        files=file_frame(used, idle, events),
        days=days,
    )
