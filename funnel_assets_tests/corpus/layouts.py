"""The corpus: report layouts taken from the world, each with what must come of it.

Belongs here: reading the manifest, the files and what is expected of them, and running a report through reader and
attendance. Does not belong here: tests, mutations (`mutations`).
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import yaml

from funnel_assets.domain.attendance import AttendanceResult, attendance_days
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.sources.zoom import ZoomReport, read_report

FOLDER = Path(__file__).parent
NEWLINES = {"lf": "\n", "crlf": "\r\n"}
TIMES = ("registered", "join", "leave")
Row = dict[str, Any]
_NO_CATEGORIES = pd.DataFrame({"token": [], "category": []}, dtype=object)
_NO_CONDUCTORS = pd.DataFrame({"webinar_id": [], "alias": [], "conductor": []}, dtype=object)


@dataclass(frozen=True)
class Layout:
    """One line of the manifest with its file."""

    key: str
    exported_as: str
    source: str
    zone: str = "Asia/Kolkata"
    name: str = ""
    encoding: str = "utf-8"
    newline: str = "lf"
    topic: str | None = None
    id: str | None = None
    staff: int = 0
    set_aside: dict[str, int] = field(default_factory=dict)
    refused: str | None = None

    @property
    def text(self) -> str:
        """The report as text, lines ended by ``\\n``."""
        return (FOLDER / "reports" / f"{self.key}.csv").read_text(encoding="utf-8")

    @property
    def file(self) -> str:
        """The file's name as its exporter gives it."""
        return self.name or f"{self.key}.csv"

    def encode(self, text: str) -> bytes:
        """Text as the bytes of this layout."""
        return text.replace("\n", NEWLINES[self.newline]).encode(self.encoding)

    def expected(self) -> list[Row]:
        """Rows written by hand: date, name, email, phone, attended, type, registered, join, leave (local), seconds,
        rejoins, country; None for an empty cell."""
        path = FOLDER / "reports" / f"{self.key}.expected.csv"
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        rows = [{name: cell or None for name, cell in row.items()} for row in frame.to_dict("records")]
        for row in rows:
            row["seconds"], row["rejoins"] = int(row["seconds"]), int(row["rejoins"])
        return sorted(rows, key=row_order)


@cache
def layouts() -> dict[str, Layout]:
    """Every layout of the manifest by its key."""
    said = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))
    return {key: Layout(key=key, **facts) for key, facts in said.items()}


def row_order(row: Row) -> tuple[str, ...]:
    """Sorts rows the same way whoever made them."""
    return tuple(str(row[name]) for name in ("date", "email", "name", "join"))


def read(layout: Layout, data: bytes) -> ZoomReport:
    """Read bytes as if they were the layout's file."""
    return read_report(data, file=layout.file, timezone=layout.zone)


def attend(report: ZoomReport, zone: str) -> AttendanceResult:
    """Join one report to one row per person and event day."""
    return attendance_days(
        [report],
        categories=_NO_CATEGORIES,
        conductors=_NO_CONDUCTORS,
        normalise_phones=normalize_phones,
        timezone=zone,
    )


def published(result: AttendanceResult, zone: str) -> list[Row]:
    """Attendance rows in the words of the expected files."""
    rows = result.rows
    return sorted((_published(row, ZoneInfo(zone)) for row in rows.to_dict("records")), key=row_order)


def _published(row: Row, zone: ZoneInfo) -> Row:
    def text(name: str) -> str | None:
        return None if pd.isna(row[name]) else str(row[name])

    def local(name: str) -> str | None:
        moment = row[name]
        return None if pd.isna(moment) else f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"

    assert isinstance(row["date"], dt.date)
    return {
        "date": row["date"].isoformat(),
        "name": text("user_name"),
        "email": text("email"),
        "phone": text("phone"),
        "attended": text("attended"),
        "type": text("attendance_type"),
        "registered": local("registration_time"),
        "join": local("join_time"),
        "leave": local("leave_time"),
        "seconds": int(row["time_in_session_seconds"]),
        "rejoins": int(row["rejoin_count"]),
        "country": text("country"),
    }


def set_aside(result: AttendanceResult) -> dict[str, int]:
    """Rows in quarantine by reason."""
    return dict(Counter(result.quarantined["reason"]))
