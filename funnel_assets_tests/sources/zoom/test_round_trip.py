"""Reports made from a known truth read back whole, over every layout switch."""

import pytest

from funnel_assets_tests.sources.zoom.fuzz import ROUND_TRIPS, found, read
from funnel_assets_tests.sources.zoom.generator import make_case

pytestmark = pytest.mark.long


@pytest.mark.parametrize("part", range(4))
def test_a_file_made_from_a_truth_reads_as_that_truth(part: int) -> None:
    for seed in range(part, ROUND_TRIPS, 4):
        case = make_case(seed)
        report = read(case.data)
        assert found(report) == case.truth(), f"seed {seed}"
        assert report.quarantined.empty, f"seed {seed}"
        assert (report.topic, report.webinar_id) == ("Bonds, explained", "87123456789"), f"seed {seed}"
