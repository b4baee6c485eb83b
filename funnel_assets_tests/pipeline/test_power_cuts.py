"""Power cuts and kills at any moment: no half day, and once it has been run again, all is as if nothing had been."""

import datetime as dt
import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from funnel_assets.config.tables import write_defaults
from funnel_assets.launch import keep_start_date
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage.postgres import stop_server
from funnel_assets_tests import command
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.power import disk
from funnel_assets_tests.world import Place, place

CUTS = int(os.environ.get("FUNNEL_KILLS", "1"))
DAYS = 3


def make_all(opened: Pipeline, days: list[dt.date]) -> None:
    for name in in_order():
        outcome = opened.make(name, days)
        assert not outcome.failed, outcome.error()


def state(opened: Pipeline) -> dict[str, Any]:
    """All that must be the same in the end: days, what was put aside, what landed."""
    for name in NODES:
        for day, facts in opened.lake.all_facts(name).items():
            data = Path(opened.lake.path(name, day)).read_bytes()
            assert hashlib.sha256(data).hexdigest() == facts.content, f"half a day: {name} {day}"
    landed = {
        (dataset, source): sorted({one.sha256 for one in opened.landing.snapshots(dataset, source)})
        for dataset, source in opened.landing.sources()
    }
    return {
        "lake": {
            (name, day): vars(found) for name in NODES for day, found in opened.lake.all_facts(name).items()
        },
        "quarantine": opened.quarantine.rows().to_dict("records"),
        "landed": landed,
    }


def backfill(here: Place) -> None:
    opened = harness.open_pipeline(here)
    make_all(opened, opened.all_days())


def daily_run(here: Place) -> None:
    opened = harness.open_pipeline(here)
    make_all(opened, opened.all_days()[-1:])


def restatement(here: Place) -> None:
    path = here.home / "config" / "categories.csv"
    text = path.read_text()
    if "zzz" not in text:
        path.write_text(text.rstrip("\n") + "\nzzz,Zzz\n")
    opened = harness.open_pipeline(here)
    opened.restate(opened.all_days())


def zoom_drop(here: Place) -> None:
    names = sorted(here.world.zoom_files())
    body = here.world.zoom_file(names[0]).replace(b"Yes", b"yes", 1)
    here.drop("again.csv", body + b"\n")
    opened = harness.open_pipeline(here)
    opened.zoom.take_in(wait=True)
    make_all(opened, sorted(opened.zoom.days_to_make()) or opened.all_days())
    opened.restate(opened.all_days())


def first_start(here: Place) -> None:
    settings = here.settings
    write_defaults(settings.config_dir)
    keep_start_date(settings)
    backfill(here)


SCENES = {
    "backfill": (lambda _: None, backfill),
    "daily_run": (
        lambda here: make_all(harness.open_pipeline(here), harness.open_pipeline(here).all_days()[:-1]),
        daily_run,
    ),
    "restatement": (backfill, restatement),
    "zoom_drop": (backfill, zoom_drop),
    "first_start": (lambda _: None, first_start),
}


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=DAYS, scale=0.03) as made, harness.secrets_in_environment(made):
        yield made


def copied(home: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("postgres"))


@pytest.mark.long
@pytest.mark.timeout(300 + 120 * CUTS)
@pytest.mark.parametrize("scene", SCENES)
def test_a_power_cut_at_any_moment_loses_nothing(here: Place, tmp_path: Path, scene: str) -> None:
    before, act = SCENES[scene]
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    start = tmp_path / "start"
    copied(here.home, start)

    def at(home: Path) -> Place:
        environ = {**here.environ, "FUNNEL_HOME": str(home)}
        return Place(home, here.world, here.server, environ)

    before(at(start))
    whole = tmp_path / "whole"
    copied(start, whole)
    with disk() as uncut:
        act(at(whole))
    wanted = state(harness.open_pipeline(at(whole)))
    assert uncut.steps > 5
    for _ in range(CUTS):
        home = tmp_path / "cut"
        copied(start, home)
        for _ in range(moments.choice((1, 1, 2))):
            moment = moments.randrange(1, uncut.steps + 1)
            with disk(moment):
                act(at(home))
            state(harness.open_pipeline(at(home)))
        act(at(home))
        assert state(harness.open_pipeline(at(home))) == wanted, f"seed {seed}"


# --- killed --------------------------------------------------------------------------------------------------


def funnel(here: Place, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command.COMMAND, *arguments],
        cwd=command.PROJECT,
        env=harness.environment(here),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def published(opened: Pipeline) -> list[Any]:
    return opened.warehouse.fetch("SELECT dataset, date, content FROM published_days ORDER BY 1, 2")


def changed_config(here: Place) -> None:
    path = here.home / "config" / "categories.csv"
    path.write_text(path.read_text().rstrip("\n") + "\nzzz,Zzz\n")


KILLED: dict[str, tuple[Callable[[Place], None], tuple[str, ...]]] = {
    "first_start": (lambda _: None, ("run",)),
    "backfill": (lambda _: None, ("backfill",)),
    "restatement": (changed_config, ("restate",)),
    "zoom_drop": (lambda here: here.drop_all(), ("restate",)),
    "publish": (lambda _: None, ("run",)),
}


@pytest.mark.long
@pytest.mark.timeout(300 + 120 * CUTS)
def test_a_kill_at_any_moment_of_any_command_loses_nothing() -> None:
    """One home goes through a first start, a backfill, a restatement, dropped reports and a run; each is killed."""
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    with place(days=DAYS, scale=0.03, seed=5) as here, harness.secrets_in_environment(here):
        opened = harness.open_pipeline(here)
        days = opened.all_days()
        span = ("--from", str(days[0]), "--to", str(days[-1]))
        for change, arguments in KILLED.values():
            change(here)
            full = (*arguments, *span) if arguments == ("backfill",) else arguments
            for _ in range(max(CUTS // len(KILLED), 1)):
                process = funnel(here, *full)
                time.sleep(moments.uniform(3.0, 14.0))
                process.send_signal(signal.SIGKILL)
                process.wait()
                state(harness.open_pipeline(here))
            done = command.funnel(*full, environ=harness.environment(here))
            assert done.returncode == 0, f"seed {seed}: {done.stdout} {done.stderr}"
        backfilled = command.funnel("backfill", *span, environ=harness.environment(here))
        assert backfilled.returncode == 0, backfilled.stderr
        assert command.funnel("restate", environ=harness.environment(here)).returncode == 0
        found = state(harness.open_pipeline(here))
        contents = {key: facts["content"] for key, facts in found["lake"].items()}
        assert {(row["dataset"], row["date"]): row["content"] for row in published(opened)} == contents
        stop_server(here.home)
        for name in ("lake", "staged", "landing", "quarantine"):
            shutil.rmtree(here.home / name)
        again = harness.open_pipeline(here)
        make_all(again, days)
        rebuilt = state(again)["lake"]
        assert {key: facts["content"] for key, facts in rebuilt.items()} == contents, f"seed {seed}"
