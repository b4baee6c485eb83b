"""What a report file says, as plain data."""

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.sources.zoom.doubts import Doubt, StatedTotal, doubts, stated_totals

Kind = Literal["registration", "attendee", "participants", "teams"]


@dataclass(frozen=True)
class ZoomSession:
    """One row of a report's topic table: one sitting of the event.

    Times are UTC. ``duration_minutes`` is how long it lasted when ``is_actual``, else how long it was
    planned.
    """

    scheduled_start: dt.datetime | None
    actual_start: dt.datetime | None
    end: dt.datetime | None
    duration_minutes: float | None
    is_actual: bool

    @property
    def start(self) -> dt.datetime | None:
        """Actual start where known, else the scheduled one."""
        return self.actual_start or self.scheduled_start


@dataclass(frozen=True)
class ZoomReport:
    """One file, read.

    Attributes:
        kind: ``registration``, ``attendee``, ``participants`` (a meeting's list) or ``teams``.
        webinar_id: Digits only; None where neither the file nor its name holds one.
        sessions: Sittings as the topic table lists them; at least one.
        generated_at: When the report was made, UTC; None where the file doesn't say.
        totals: Numbers the report states about itself: registered, cancelled, approved, denied,
            unique_viewers, total_users, participants.
        table: One row per data row that fits: line, section (host, panelist, attendee, registrant, other),
            attended (Y/N/None), user_name, first_name, last_name, email, phone_raw, approval (approved,
            cancelled, denied, pending), registration_time, join_time, leave_time (``datetime64[us, UTC]``),
            minutes (as the report states them), is_span (the times enclose several visits and ``minutes`` is
            the truth), is_timing_unusable (the report itself contradicts its times), country,
            registration_source, sitting
            (number of the session a row stands under, where the file repeats its topic table; else -1).
        quarantined: One row per data row that doesn't fit: line, reason, detail, raw.
        has_registration: Whether the file holds registration columns at all.
        dates: How its dates were read, for people: ``month_first`` or ``day_first``.
        notes: What a reader should know of the file, in words.
        found_doubts: Doubts that only its cells show; ``doubts`` has all.
    """

    file: str
    sha256: str
    kind: Kind
    topic: str | None
    webinar_id: str | None
    sessions: tuple[ZoomSession, ...]
    generated_at: dt.datetime | None
    totals: tuple[dict[str, int], ...]
    table: pa.Table
    quarantined: pd.DataFrame
    has_registration: bool
    timezone: str
    dates: str
    landed_at: dt.datetime | None = None
    file_day: dt.date | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)
    found_doubts: tuple[Doubt, ...] = field(default_factory=tuple)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return self.table.to_pandas()

    @property
    def people(self) -> pd.DataFrame:
        """``table`` as a frame, made when it is first asked for."""
        return self._frame

    @property
    def visits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Section, join time (microseconds since 1970, int64 minimum for none) and sitting of each row, at a tenth of
        the frame's price."""
        joins = self.table["join_time"].cast(pa.int64()).fill_null(np.iinfo(np.int64).min)
        return self.table["section"].to_numpy(), joins.to_numpy(), self.table["sitting"].to_numpy()

    @cached_property
    def _stated_totals(self) -> tuple[StatedTotal, ...]:
        return stated_totals(self)

    @property
    def stated_totals(self) -> tuple[StatedTotal, ...]:
        """Numbers the report states about itself against what was read."""
        return self._stated_totals

    @cached_property
    def doubts(self) -> tuple[Doubt, ...]:
        """Why the report should be held until a person has looked at it; empty for a good one."""
        return doubts(self)

    @property
    def rows_in(self) -> int:
        """Data rows of the file, hosts and panelists included."""
        return len(self.table) + len(self.quarantined)

    @property
    def hosts(self) -> pd.DataFrame:
        """Rows of hosts."""
        return self._of("host")

    @property
    def panelists(self) -> pd.DataFrame:
        """Rows of panelists."""
        return self._of("panelist")

    @property
    def attendees(self) -> pd.DataFrame:
        """Rows of people who attended or were expected to."""
        return self._of("attendee")

    @property
    def registrants(self) -> pd.DataFrame:
        """Rows of a registration list."""
        return self._of("registrant")

    @property
    def others(self) -> pd.DataFrame:
        """Rows of people who joined by other ways, such as a phone call."""
        return self._of("other")

    def _of(self, section: str) -> pd.DataFrame:
        return self.people[self.people["section"] == section].reset_index(drop=True)
