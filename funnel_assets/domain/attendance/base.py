"""What reports are to attendance, what comes of them, and the words of both.

Belongs here: the shapes and names that the steps share. Does not belong here: any step.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

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
    "time_in_session_seconds",
    "time_in_session_minutes",
    "rejoin_count",
    "country",
    "source_file",
    "touched_at",
)
LOADED, DUPLICATE, QUARANTINED = "loaded", "duplicate", "quarantined"
MINUTE_US = 60_000_000
STAFF = ("host", "panelist")
SET_ASIDE = {
    "host_or_panelist": "This person held the event and isn't counted as attending. Nothing to do.",
    "registration_cancelled": "The registration was cancelled and isn't counted. Nothing to do.",
    "registration_denied": "The registration was denied and isn't counted. Nothing to do.",
    "registration_pending": "The registration waits for approval. Approve it in Zoom, then export again.",
    "no_identity": "The row holds neither e-mail, phone nor name. Export the report again if it should count.",
}


class PhoneNormaliser(Protocol):
    """Reads phones as typed: columns ``phone`` (digits or missing) and ``phone_status``, on the index of the texts."""

    def __call__(self, values: pd.Series, *, country: str) -> pd.DataFrame: ...


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


class Total(Protocol):
    """A number that a report states of itself, and what was read."""

    @property
    def what(self) -> str: ...
    @property
    def stated(self) -> int: ...
    @property
    def read(self) -> int: ...
    @property
    def difference(self) -> int: ...


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
    def stated_totals(self) -> Sequence[Total]: ...
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
