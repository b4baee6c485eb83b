"""The ed-tech world: one deterministic story, its sources' exports at any moment, and the answer key.

Belongs here: the public face of the world. Does not belong here: the story (`edtech_story`), the exports
(`edtech_text`, `zoom_files`), the truth tables (`edtech_key`).

The company advertises programmes, collects leads in two sheets, runs webinars and bootcamps in Zoom, hands
people to sales through its CRM and sells with instalments (SPEC 4 to 6, seed 001).
"""

import dataclasses
import datetime as dt
import json
import os
import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.config.settings import START_DATE_FILE
from funnel_assets.errors import UsageError
from funnel_assets.simulate.edtech_catalogue import Calendar
from funnel_assets.simulate.edtech_config import config_files
from funnel_assets.simulate.edtech_key import AnswerKey
from funnel_assets.simulate.edtech_story import Story, tell
from funnel_assets.simulate.edtech_text import IST_SECONDS, Exports, sale_state
from funnel_assets.simulate.faults import Faults
from funnel_assets.simulate.zoom_files import ZoomShelf

IST = dt.timezone(dt.timedelta(hours=5, minutes=30), "Asia/Kolkata")
DEFAULT_DAYS = 120
DATASETS = ("leads", "landing_leads", "crm_assignments", "crm_sales", "spend", "engagement_events")
FILES = {
    "leads": "sheets/leads.csv",
    "landing_leads": "sheets/landing_leads.csv",
    "crm_assignments": "crm/assignments.csv",
    "crm_sales": "crm/sales.csv",
    "spend": "spend.csv",
    "engagement_events": "events.json",
}
_CLOSING_SECONDS = 12_600


def yesterday() -> dt.date:
    """Return yesterday's date in Asia/Kolkata."""
    return dt.datetime.now(IST).date() - dt.timedelta(days=1)


@dataclasses.dataclass
class World:
    """A built world. Exports are functions of the moment; nothing in it changes.

    Attributes:
        story: What truly happened.
        scale: 1.0 is about 400 submissions a day.
        faults: What was planted on request.
    """

    story: Story
    scale: float
    faults: Faults

    @property
    def start_date(self) -> dt.date:
        """First local day with data."""
        return self.story.calendar.start

    @property
    def end_date(self) -> dt.date:
        """Last local day with data."""
        return self.story.calendar.end

    @property
    def closing_at(self) -> dt.datetime:
        """The moment the written world stands for: 03:30 on the morning after its last day."""
        return dt.datetime.combine(self.end_date + dt.timedelta(days=1), dt.time(3, 30), IST)

    @property
    def _closing(self) -> int:
        return self.story.calendar.end_second + _CLOSING_SECONDS

    @cached_property
    def exports(self) -> Exports:
        """Exports of everything but Zoom."""
        return Exports(self.story, self.faults)

    @cached_property
    def shelf(self) -> ZoomShelf:
        """Zoom's files."""
        return ZoomShelf(self.story, self.exports.writers, self.faults)

    def dump(self, dataset: str, as_of: dt.datetime | None = None) -> bytes:
        """Return what a source would have exported at a moment.

        Args:
            dataset: One of `DATASETS`.
            as_of: A moment with time zone; the world's closing moment by default.

        Raises:
            UsageError: For an unknown dataset or a moment without time zone.
        """
        now = self.wall_clock(as_of)
        if dataset == "leads":
            return self.exports.leads(0, now)
        if dataset == "landing_leads":
            return self.exports.leads(1, now)
        if dataset == "crm_assignments":
            return self.exports.assignments(now)
        if dataset == "crm_sales":
            return self.exports.sales(now)
        if dataset == "spend":
            return self.exports.spend(now)
        if dataset == "engagement_events":
            return self.exports.activity(now)
        raise UsageError(f"the world has no dataset {dataset!r}", fix=f"use one of {', '.join(DATASETS)}")

    def wall_clock(self, as_of: dt.datetime | None) -> int:
        """Turn a moment into the wall-clock second the story uses."""
        if as_of is None:
            return self._closing
        if as_of.tzinfo is None:
            raise UsageError("the moment of an export needs a time zone", fix="pass an aware datetime")
        return int(as_of.timestamp()) + IST_SECONDS

    def zoom_files(self, as_of: dt.datetime | None = None) -> dict[str, bytes]:
        """Return the Zoom reports in the inbox at a moment, by file name, in the order they were dropped."""
        return {file.name: self.shelf.body(file) for file in self.shelf.at(self.wall_clock(as_of))}

    def zoom_drops(self) -> list[tuple[dt.datetime, str]]:
        """Return when each Zoom report is dropped, ever, in order."""
        base = dt.datetime(1970, 1, 1, tzinfo=IST)
        return [(base + dt.timedelta(seconds=f.dropped_at), f.name) for f in self.shelf.files]

    def zoom_file(self, name: str) -> bytes:
        """Return the bytes of one Zoom report by name."""
        for file in self.shelf.files:
            if file.name == name:
                return self.shelf.body(file)
        raise UsageError(f"the world has no Zoom report {name!r}", fix="list them with zoom_drops()")

    def config_files(self) -> dict[str, bytes]:
        """Return the config CSVs of this world by file name (SPEC 7)."""
        funnel = sale_state(self.story.sales, self._closing)["funnel"].to_numpy()
        return config_files(self.story, self.exports.sale_ids, funnel)

    def about(self) -> dict[str, Any]:
        """Return the arguments and dates of the world, as in ``answer_key/world.json``."""
        return {
            "world": "edtech",
            "start_date": self.start_date.isoformat(),
            "end_date": self.end_date.isoformat(),
            "days": self.story.calendar.days,
            "scale": self.scale,
            "seed": self.story.seed,
            "faults": dataclasses.asdict(self.faults),
            "closing_at": self.closing_at.isoformat(),
        }

    def answer_key(self) -> dict[str, pa.Table]:
        """Return the truth tables at the closing moment, by name."""
        return AnswerKey(self.story, self.exports, self.shelf, self._closing).tables()


def build_edtech(
    days: int = DEFAULT_DAYS,
    end_date: dt.date | None = None,
    scale: float = 1.0,
    seed: int = 1,
    faults: Faults | None = None,
) -> World:
    """Build the ed-tech world; the same arguments give the same bytes on any machine.

    Args:
        days: Number of days.
        end_date: Last day; yesterday in Asia/Kolkata by default.
        scale: 1.0 is about 400 submissions a day.
        seed: Names the world.
        faults: Faults to plant beyond the natural dirt.

    Raises:
        UsageError: When there is no day or nobody.
    """
    if days < 1 or scale <= 0 or seed < 0:
        raise UsageError(
            "a world needs at least one day, a scale above 0 and a seed of 0 or more", fix="see --help"
        )
    last = end_date or yesterday()
    calendar = Calendar(last - dt.timedelta(days=days - 1), days)
    planted = faults or Faults()
    return World(tell(calendar, scale, seed, planted), scale, planted)


def write_world(world: World, out: Path) -> list[Path]:
    """Write the world as files: sheets/, crm/, spend.csv, events.json, zoom/, config/ and answer_key/.

    The folder is a ``FUNNEL_HOME`` as it stands: config/sources.yaml reads the files beside it.
    Files that a former, other world left in those folders are removed, so that two worlds never mix.

    Returns:
        The written paths.
    """
    # One body at a time: at ten times the usual size, all of them together would take gigabytes.
    written = [_write(out / FILES[name], world.dump(name)) for name in DATASETS]
    now = world.wall_clock(None)
    for file in world.shelf.at(now):
        written.append(_write(out / "zoom" / file.name, world.shelf.body(file)))
        # As old as they are in the story: the inbox waits for files that were written a moment ago.
        dropped_at = file.dropped_at - IST_SECONDS
        os.utime(written[-1], (dropped_at, dropped_at))
    config = {**world.config_files(), "sources.yaml": sources_yaml(files=True).encode()}
    written += [_write(out / "config" / name, body) for name, body in config.items()]
    written.append(_write(out / START_DATE_FILE, f"{world.start_date}\n".encode()))
    for name, table in world.answer_key().items():
        path = out / "answer_key" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")
        written.append(path)
    about = json.dumps(world.about(), indent=2, sort_keys=True) + "\n"
    written.append(_write(out / "answer_key" / "world.json", about.encode()))
    _remove_strangers(out, written)
    return written


def _write(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(body)
    part.replace(path)
    return path


def _remove_strangers(out: Path, written: list[Path]) -> None:
    keep = set(written)
    for folder in ("zoom", "answer_key"):
        for path in (out / folder).glob("*"):
            if path.is_file() and path not in keep:
                path.unlink()


def sources_yaml(*, files: bool = False) -> str:
    """Return the ``sources.yaml`` that reads this world.

    Args:
        files: From its written files, where the folder itself is ``FUNNEL_HOME``; else from a running
            ``funnel serve-sources``.
    """
    template = resources.files("funnel_assets.simulate").joinpath("edtech_sources.yaml")
    text = template.read_text(encoding="utf-8")
    if not files:
        return text
    text = re.sub(r"url: \$\{FUNNEL_SOURCES_URL\}/(?:sheets/(?=spend))?", "path: ", text)
    text = re.sub(r" +auth: .*\n", "", text).replace("${FUNNEL_HOME}/inbox/zoom", "zoom")
    # A world of a few days has no sale yet.
    return re.sub(r"kind: http_(\w+)\n", r"kind: \1\n    allow_empty: true\n", text)
