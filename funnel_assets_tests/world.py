"""A small ed-tech world and a home of its own, for tests that need the whole thing."""

import contextlib
import datetime as dt
import os
import shutil
import socket
import tempfile
import time
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.showcase import CONFIG_FILES
from funnel_assets.simulate.edtech import World, build_edtech, sources_yaml
from funnel_assets.simulate.serve import SourcesServer, serve
from funnel_assets.storage.postgres import stop_server
from funnel_assets_tests.pseudonyms import SECRET

TOKEN = "a-token-for-tests"
INDIA = zoneinfo.ZoneInfo("Asia/Kolkata")


LAST_DAY = dt.date(2026, 11, 28)
"""Of the sample worlds, so that a test has the same one whenever it runs. There are webinars and sales on it."""


def yesterday() -> dt.date:
    """Yesterday where the funnel is."""
    return dt.datetime.now(INDIA).date() - dt.timedelta(days=1)


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Place:
    """A home with config, an inbox and sources that answer.

    Attributes:
        home: ``FUNNEL_HOME``.
        world: The world behind the sources.
        server: The sources.
        environ: Environment for processes that work here.
    """

    home: Path
    world: World
    server: SourcesServer
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Settings of this place."""
        return load_settings(self.environ, dotenv=False)

    def drop(self, name: str, body: bytes | None = None, *, age_seconds: float = 60.0) -> Path:
        """Put a Zoom report into the inbox, as if it had been there for a while."""
        path = self.home / "inbox" / "zoom" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.world.zoom_file(name) if body is None else body)
        moment = time.time() - age_seconds
        os.utime(path, (moment, moment))
        return path

    def drop_all(self) -> None:
        """Put every report of the world into the inbox."""
        for name, body in self.world.zoom_files().items():
            self.drop(name, body)


@contextlib.contextmanager
def place(
    *,
    days: int = 12,
    scale: float = 0.05,
    seed: int = 3,
    drop: bool = True,
    engine: str = "pandas",
    last: dt.date = LAST_DAY,
) -> Iterator[Place]:
    """Make a place; its server and database are ended when it is left.

    Planning a query costs DuckDB more than pandas takes for a few hundred rows, so small worlds run on pandas; the
    parity tests hold the engines to each other. Processes that work here take the day after ``last`` for today.
    """
    world = build_edtech(days, last, scale, seed, None)
    home = Path(tempfile.mkdtemp(prefix="funnel-"))
    with serve(world, token=TOKEN) as server:
        made = Place(home, world, server)
        made.environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("FUNNEL_", "DAGSTER_"))
            },
            "FUNNEL_HOME": str(home),
            "FUNNEL_START_DATE": str(world.start_date),
            "FUNNEL_SOURCES_URL": server.url,
            "FUNNEL_CRM_TOKEN": TOKEN,
            "FUNNEL_SECRET": SECRET,
            "FUNNEL_POSTGRES_FSYNC": "off",
            "FUNNEL_ENGINE": engine,
            "FUNNEL_TODAY": str(last + dt.timedelta(days=1)),
        }
        (home / "config").mkdir()
        for name, body in world.config_files().items():
            if name in CONFIG_FILES:
                (home / "config" / name).write_bytes(body)
        yaml = sources_yaml().replace("    kind: http_csv\n", "    kind: http_csv\n    allow_empty: true\n")
        (home / "config" / "sources.yaml").write_text(yaml)
        if drop:
            made.drop_all()
        try:
            yield made
        finally:
            stop_server(home)
            shutil.rmtree(home, ignore_errors=True)
