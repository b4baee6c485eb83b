"""Every small file we write, damaged in turn: made again to the byte, or an error that names it."""

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.pipeline.test_power_cuts import make_all, state
from funnel_assets_tests.storage.test_files import DAMAGE
from funnel_assets_tests.world import Place, place

WRITTEN = ("lake", "staged", "landing", "quarantine", "owed_days.json", "tidied")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=2, scale=0.03) as made, harness.secrets_in_environment(made):
        opened = harness.open_pipeline(made)
        make_all(opened, opened.all_days())
        opened.owed_days()
        yield made


def kinds(home: Path) -> dict[str, Path]:
    """One file of each kind: names that differ in hashes, days and numbers alone are one."""
    found: dict[str, Path] = {}
    for top in WRITTEN:
        for path in sorted([home / top, *(home / top).rglob("*")]):
            name = re.sub(r"[0-9a-f]{32,}|\d[\d-]*\w*", "#", str(path.relative_to(home)))
            if path.is_file() and path.name != ".lock":
                found.setdefault(name, path)
    return found


def worked(here: Place, home: Path) -> str:
    """Look, restate and run; what was said when something failed."""
    try:
        return _worked(harness.open_pipeline(here, FUNNEL_HOME=str(home)))
    except FunnelError as error:
        return str(error)


def _worked(opened: Pipeline) -> str:
    days = opened.all_days()
    opened.owed_days()
    opened.quarantine.rows()
    outcomes = [*opened.restate(days).values(), *(opened.make(name, days) for name in in_order())]
    return " ".join(str(error) for outcome in outcomes for error in outcome.failed.values())


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_damaged_file_of_ours_is_made_again_or_named(here: Place, tmp_path: Path) -> None:
    wanted = state(harness.open_pipeline(here))
    damages = itertools.cycle(DAMAGE.values())
    home = tmp_path / "home"
    for kind, path in kinds(here.home).items():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(here.home, home, ignore=shutil.ignore_patterns("postgres"))
        victim = home / path.relative_to(here.home)
        whole = victim.read_bytes()
        victim.write_bytes(next(damages))
        told = worked(here, home)
        if told:
            assert victim.name in told or victim.stem[:12] in told, kind
            victim.write_bytes(whole)
            assert worked(here, home) == "", kind
        assert state(harness.open_pipeline(here, FUNNEL_HOME=str(home))) == wanted, kind
