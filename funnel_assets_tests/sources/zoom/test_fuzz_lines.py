"""Reports with damaged lines and bytes: right, set apart, or refused, never silently wrong."""

import pytest

from funnel_assets_tests.sources.zoom.fuzz import check_noise, check_structure
from funnel_assets_tests.sources.zoom.generator import LINES, NOISE

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", LINES)
def test_damaged_lines_never_give_a_wrong_row(name: str) -> None:
    check_structure(name, LINES[name])


@pytest.mark.parametrize("name", NOISE)
def test_noise_gives_the_truth_but_for_the_cells_it_touched(name: str) -> None:
    check_noise(name, NOISE[name])
