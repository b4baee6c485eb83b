"""Reports whose cells changed places, went missing or are too many: right, set apart, or refused, never silently wrong.

In a module of its own, so that another worker can take it.
"""

import pytest

from funnel_assets_tests.sources.zoom.fuzz import check_structure
from funnel_assets_tests.sources.zoom.generator import CELLS

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", CELLS)
def test_damaged_cells_never_give_a_wrong_row(name: str) -> None:
    check_structure(name, CELLS[name])
