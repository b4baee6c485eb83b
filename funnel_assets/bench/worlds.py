"""The sample world as benchmarks need it: its sources as they answered on several mornings, and homes to work in.

Belongs here: writing and serving a world, making and ending a home. Does not belong here: what is measured.

A day's run reads dumps that hold that day and none after it, as it would in real life: so every run that is measured
has a morning of its own. The world ends on a fixed day, which makes its files the same for everyone; homes are told
with ``FUNNEL_TODAY`` that it is the morning after.
"""

import argparse
import contextlib
import datetime as dt
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from funnel_assets.bench.measure import BenchmarkCrashed, Spent, clean_environ, run
from funnel_assets.config.settings import START_DATE_FILE
from funnel_assets.storage.postgres import ensure_server, stop_server

LAST_DAY = dt.date(2026, 3, 31)
TOKEN = "a-token-for-benchmarks"  # noqa: S105 - guards invented data only
# Raise when what is written for a world changes.
FORMAT = 2
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class WrittenWorld:
    """A world on disk.

    Attributes:
        root: Folder with ``config``, ``zoom`` and one folder of dumps per morning.
        start: Its first day.
    """

    root: Path
    start: dt.date

    def dumps(self, day: dt.date) -> Path:
        """Folder of the dumps as they were on the morning after a day."""
        return self.root / "mornings" / str(day)

    def reports(self, day: dt.date) -> list[Path]:
        """Zoom reports that lay in the inbox on the morning after a day."""
        names = json.loads((self.dumps(day) / "zoom.json").read_text())
        return [self.root / "zoom" / name for name in names]


def written_world(folder: Path, days: int, scale: float, runs: Sequence[int], log: Path) -> WrittenWorld:
    """Return the world of so many days up to ``LAST_DAY``, written in a process of its own unless it is there.

    Args:
        folder: Where worlds are kept.
        days: Its days.
        scale: 1 is about 400 leads a day.
        runs: Days (counted from 1) on whose next morning the sources are asked.
        log: Where the process writes.
    """
    start = LAST_DAY - dt.timedelta(days=days - 1)
    mornings = [str(start + dt.timedelta(days=number - 1)) for number in runs]
    name = f"v{FORMAT}-{days}-days-{scale:g}"
    root = folder / name
    done = root / "mornings.json"
    if not done.exists() or not set(mornings) <= set(json.loads(done.read_text())):
        shutil.rmtree(root, ignore_errors=True)
        arguments = ["--out", str(root), "--days", str(days), "--scale", str(scale), *mornings]
        run(["funnel_assets.bench.worlds", *arguments], clean_environ(), log)
    return WrittenWorld(root, start)


def _write(out: Path, days: int, scale: float, mornings: Sequence[dt.date]) -> None:
    from funnel_assets.simulate.edtech import DATASETS, FILES, build_edtech, sources_yaml

    world = build_edtech(days, LAST_DAY, scale, 1, None)
    (out / "config").mkdir(parents=True)
    (out / "zoom").mkdir()
    for name, body in world.config_files().items():
        (out / "config" / name).write_bytes(body)
    (out / "config" / "sources.yaml").write_text(sources_yaml())
    for _, name in world.zoom_drops():
        (out / "zoom" / name).write_bytes(world.zoom_file(name))
    for day in mornings:
        at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(3, 30), world.closing_at.tzinfo)
        folder = out / "mornings" / str(day)
        for dataset in DATASETS:
            path = folder / FILES[dataset]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(world.dump(dataset, at))
            # What the sources' own servers do with a file isn't to be measured: they have it packed.
            packed = gzip.compress(path.read_bytes(), compresslevel=1, mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)
        names = [name for dropped_at, name in world.zoom_drops() if dropped_at <= at]
        (folder / "zoom.json").write_text(json.dumps(names))
    (out / "mornings.json").write_text(json.dumps([str(day) for day in mornings]))


@dataclass
class Home:
    """A home folder of its own with the world's sources behind it, on the morning that was last chosen.

    Attributes:
        path: The folder (``FUNNEL_HOME``).
        world: The world.
        url: Where its sources answer.
    """

    path: Path
    world: WrittenWorld
    url: str
    today: dt.date = LAST_DAY + dt.timedelta(days=1)

    def morning_after(self, day: dt.date) -> None:
        """Let sources, inbox and clock be those of the morning after a day."""
        self.serve(self.world.dumps(day))
        inbox = self.path / "inbox" / "zoom"
        inbox.mkdir(parents=True, exist_ok=True)
        for report in self.world.reports(day):
            if not (inbox / report.name).exists():
                shutil.copyfile(report, inbox / report.name)
                long_ago = time.time() - 3600
                os.utime(inbox / report.name, (long_ago, long_ago))
        self.today = day + dt.timedelta(days=1)

    def serve(self, dumps: Path) -> None:
        """Let the sources answer with the dumps of a folder."""
        link = self.path.with_suffix(".sources")
        part = link.with_suffix(".part")
        part.unlink(missing_ok=True)
        part.symlink_to(dumps, target_is_directory=True)
        part.replace(link)

    def environ(self, **added: str) -> dict[str, str]:
        """Environment of a process that works here."""
        return clean_environ(
            FUNNEL_HOME=str(self.path),
            FUNNEL_START_DATE=str(self.world.start),
            FUNNEL_TODAY=str(self.today),
            FUNNEL_SOURCES_URL=self.url,
            FUNNEL_CRM_TOKEN=TOKEN,
            **added,
        )

    def funnel(self, *arguments: str) -> Spent:
        """Run the ``funnel`` command here and measure it."""
        return run(["funnel_assets.cli", *arguments], self.environ(), self.path.with_suffix(".log"))

    def vacuum(self) -> None:
        """Do now what the server would do by itself in the minutes after a load, beside whatever is measured then."""
        import psycopg2

        with contextlib.closing(psycopg2.connect(ensure_server(self.path).libpq_url())) as connection:
            connection.autocommit = True
            connection.cursor().execute("VACUUM (ANALYZE)")

    def python(self, module: str, *arguments: str, **added: str) -> Spent:
        """Run one of our modules here and measure it."""
        return run([module, *arguments], self.environ(**added), self.path.with_suffix(".log"))


@contextlib.contextmanager
def new_home(path: Path, world: WrittenWorld, first_morning: dt.date) -> Iterator[Home]:
    """Make a home on a world; its servers are ended and the folder removed when it is left."""
    remove_home(path)
    shutil.copytree(world.root / "config", path / "config")
    (path / START_DATE_FILE).write_text(f"{world.start}\n")
    home = Home(path, world, "")
    home.morning_after(first_morning)
    try:
        with _sources(path.with_suffix(".sources")) as home.url:
            yield home
    finally:
        remove_home(path)


def remove_home(path: Path) -> None:
    """End a home's database server, should one be up, and remove everything of the home but its log."""
    if path.exists():
        stop_server(path)
        shutil.rmtree(path)
    path.with_suffix(".sources").unlink(missing_ok=True)


@contextlib.contextmanager
def _sources(link: Path) -> Iterator[str]:
    """Serve the folder behind a link from a process of its own; gives the address."""
    told = link.with_suffix(".url")
    told.unlink(missing_ok=True)
    arguments = ["--world", str(link), "--port", "0", "--url-file", str(told), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "-m", "funnel_assets.simulate.serve", *arguments],
        env=clean_environ(FUNNEL_CRM_TOKEN=TOKEN),
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not told.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkCrashed("the sample sources didn't start")
            time.sleep(0.1)
        yield told.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_WAIT_SECONDS)
        told.unlink(missing_ok=True)


def main() -> None:
    """Write a world; what :func:`written_world` runs."""
    parser = argparse.ArgumentParser(description="Write the sample world as it was on several mornings.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--days", type=int, required=True)
    parser.add_argument("--scale", type=float, required=True)
    parser.add_argument("mornings", type=dt.date.fromisoformat, nargs="+")
    given = parser.parse_args()
    _write(given.out, given.days, given.scale, given.mornings)


if __name__ == "__main__":
    main()
