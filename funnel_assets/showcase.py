"""``make run``: from an empty folder to the month's funnel on screen, on a sample world when there is no other.

Belongs here: what a newcomer sees first. Does not belong here: anything the real work needs.
"""

import datetime as dt
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from funnel_assets import launch
from funnel_assets.config.settings import START_DATE_FILE, Settings, load_settings
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.screen import SafeConsole
from funnel_assets.simulate.edtech import World, build_edtech, sources_yaml
from funnel_assets.simulate.serve import SAMPLE_TOKEN, TOKEN_ENV, serve

# Narrower than this, names and amounts are cut; a file or a pipe says it has 80 columns.
TABLE_WIDTH = 112
WORLD_FILE = "sample_world.json"
URL_ENV = "FUNNEL_SOURCES_URL"
# The world goes on after today, so that the sample has a new day each morning.
DAYS_AHEAD = 60
# Stages, tracks and playbooks are the software's own defaults; these are the sample company's.
CONFIG_FILES = (
    "funnel_mapping.csv",
    "manual_mapping.csv",
    "manual_funnels.csv",
    "categories.csv",
    "conductors.csv",
    "placeholders.csv",
    "scoring.csv",
)


def run(settings: Settings, screen: Console, days: int) -> None:
    """Make everything up to yesterday that isn't there yet, and print the month so far.

    Raises:
        FunnelError: If a day couldn't be made.
    """
    if not settings.sources_file.exists():
        settings = make_sample(settings, screen, days)
    server = launch.prepare(settings)
    with sample_sources(settings, screen):
        pipeline = Pipeline(settings, server)
        missing = pipeline.missing_days() or (
            [] if pipeline.lake.days("funnel_marts") else pipeline.all_days()
        )
        first = min(missing, default=settings.yesterday())
        last = settings.yesterday()
        screen.print(f"Making {(last - first).days + 1} day(s), {first} to {last} …")
        succeeded = launch.run_days(first, last)
        launch.restate(settings)
    _show(pipeline, settings, screen)
    if not succeeded:
        raise FunnelError(
            "some days could not be made; the messages above name them.",
            fix="mend the cause and run it again.",
        )


def make_sample(settings: Settings, screen: Console, days: int) -> Settings:
    """Write down a sample world that ended yesterday after so many days, its config and its sources.yaml."""
    start = settings.yesterday() - dt.timedelta(days=days - 1)
    screen.print(f"No sources.yaml yet: making a sample ed-tech world of {days} days, from {start}.")
    settings.config_dir.mkdir(parents=True, exist_ok=True)
    (settings.home / WORLD_FILE).write_text(
        json.dumps(
            {"start": str(start), "end": str(settings.yesterday() + dt.timedelta(days=DAYS_AHEAD)), "seed": 1}
        )
    )
    (settings.home / START_DATE_FILE).write_text(f"{start}\n")
    for name, body in _world(settings).config_files().items():
        if name in CONFIG_FILES and not (settings.config_dir / name).exists():
            (settings.config_dir / name).write_bytes(body)
    settings.sources_file.write_text(sources_yaml())
    return load_settings()


@contextmanager
def sample_sources(settings: Settings, screen: Console) -> Iterator[None]:
    """Serve the home's sample world while inside, and drop its due Zoom reports; nothing where it has none."""
    if not (settings.home / WORLD_FILE).exists() or URL_ENV in settings.environ:
        yield
        return
    world = _world(settings)
    now = dt.datetime.now(dt.UTC)
    os.environ.setdefault(TOKEN_ENV, SAMPLE_TOKEN)
    with serve(world, as_of=now) as server:
        os.environ[URL_ENV] = server.url
        dropped = _drop_zoom_reports(world, settings.inbox_zoom, now)
        screen.print(
            f"The sample's sheets and CRM answer at {server.url}; {dropped} new Zoom report(s) in the inbox."
        )
        try:
            yield
        finally:
            os.environ.pop(URL_ENV, None)


def _world(settings: Settings) -> World:
    facts = json.loads((settings.home / WORLD_FILE).read_text())
    start, end = dt.date.fromisoformat(facts["start"]), dt.date.fromisoformat(facts["end"])
    return build_edtech((end - start).days + 1, max(end, settings.yesterday()), 1.0, facts["seed"], None)


def _drop_zoom_reports(world: World, inbox: Path, now: dt.datetime) -> int:
    inbox.mkdir(parents=True, exist_ok=True)
    dropped = 0
    for name, body in world.zoom_files(now).items():
        if not (inbox / name).exists():
            part = inbox / f".{name}.part"
            part.write_bytes(body)
            moment = time.time() - 60
            os.utime(part, (moment, moment))
            part.replace(inbox / name)
            dropped += 1
    return dropped


def _show(pipeline: Pipeline, settings: Settings, screen: Console) -> None:
    # Drawing libraries load only when there is something to show.
    from funnel_assets import exports, tables
    from funnel_assets.report import page

    rows = pipeline.warehouse.fetch(
        "SELECT * FROM vw_funnel_mtd WHERE month = (SELECT max(month) FROM vw_funnel_mtd) "
        "ORDER BY leads DESC NULLS LAST"
    )
    month = rows[0]["month"] if rows else settings.yesterday().replace(day=1)
    table = tables.funnel(rows, month=month, until=settings.yesterday(), currency=settings.currency)
    SafeConsole(file=screen.file, width=max(screen.width, TABLE_WIDTH)).print(table)
    written = exports.write(pipeline.warehouse, settings.exports, settings.currency)
    screen.print(f"Report    {page.write(pipeline.warehouse, settings)}")
    screen.print(f"Exports   {settings.exports} ({len(written)} files)")
    screen.print('Database  psql "$(.venv/bin/funnel db-url)"')
    screen.print("Next      make ui, then open http://127.0.0.1:3000")
