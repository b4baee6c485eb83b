"""Small worlds shared by the tests of the simulator."""

import datetime as dt
from pathlib import Path

import pytest

from funnel_assets.simulate.edtech import World, build_edtech, write_world
from funnel_assets.simulate.faults import Faults

END = dt.date(2026, 6, 28)


@pytest.fixture(scope="session")
def world() -> World:
    """Fifty days, some thirty leads a day, with a few of every fault."""
    return build_edtech(50, END, 0.08, 3, Faults.moderate())


@pytest.fixture(scope="session")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world above as files. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("edtech")
    write_world(world, folder)
    return folder
