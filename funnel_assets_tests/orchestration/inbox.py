"""A home with nothing but a Zoom inbox, and small reports to drop there: no server, no database."""

import datetime as dt
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from funnel_assets.config.settings import load_settings
from funnel_assets.config.tables import write_defaults
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.pseudonyms import SECRET
from funnel_assets_tests.sources.zoom import files

START = dt.date(2025, 1, 1)
TODAY = dt.date(2025, 4, 1)
DAY = dt.date(2025, 3, 22)

SOURCES = """\
zoom_attendance:
  - name: zoom_inbox
    kind: zoom_folder
    path: ${FUNNEL_HOME}/inbox/zoom
    timezone: Asia/Kolkata
"""
OTHER_SOURCES = "".join(
    f"{dataset}:\n  - name: {dataset}\n    kind: {kind}\n    path: ${{FUNNEL_HOME}}/sheets/{dataset}.{kind}\n"
    "    timezone: Asia/Kolkata\n"
    for dataset, kind in (
        ("raw_leads", "csv"),
        ("spend", "csv"),
        ("crm_assignments", "csv"),
        ("crm_sales", "csv"),
        ("engagement_events", "json"),
    )
)


def report(
    day: dt.date = DAY, people: Sequence[str] = ("Asha", "Bina"), webinar: str = "871 2345 6789"
) -> bytes:
    """An attendee report of an evening webinar, one attendee a name."""
    told = f"{day:%b %d, %Y}"
    facts = f'"Bonds, explained",{webinar},"{told} 7:00 PM",90,{len(people)},0,{len(people)},{len(people)}'
    rows = [
        f'Yes,{name} Rao,{name},Rao,{name.lower()}@example.com,98123{number:05d},"{told} 11:23:29",approved,'
        f'"{told} 19:05:00","{told} 20:00:00",55,Yes,India'
        for number, name in enumerate(people, start=1)
    ]
    host = files.HOST.replace("Mar 22, 2025", told)
    text = files.attendee_report(rows, facts=facts, generated=f'"{told} 11:26 PM"')
    return text.replace(files.HOST, host).encode()


@dataclass(frozen=True)
class Inbox:
    """A home whose only source is its inbox."""

    home: Path

    @classmethod
    def make(cls, home: Path, *, others: bool = False) -> "Inbox":
        """Make the home's config; ``others`` names files for the other datasets, which aren't there."""
        (home / "inbox" / "zoom").mkdir(parents=True)
        (home / "config").mkdir()
        write_defaults(home / "config")
        (home / "config" / "sources.yaml").write_text(SOURCES + (OTHER_SOURCES if others else ""))
        return cls(home)

    def pipeline(self, **environ: str) -> Pipeline:
        """Pipeline of this home, on a fixed day."""
        given = {
            "FUNNEL_HOME": str(self.home),
            "FUNNEL_SECRET": SECRET,
            "FUNNEL_START_DATE": str(START),
            "FUNNEL_TODAY": str(TODAY),
        }
        return Pipeline(load_settings({**given, **environ}, dotenv=False))

    def drop(self, name: str, body: bytes, *, age_seconds: float = 60.0) -> Path:
        """Put a file there as if it had been there for a while."""
        path = self.home / "inbox" / "zoom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        os.utime(path, (time.time() - age_seconds,) * 2)
        return path
