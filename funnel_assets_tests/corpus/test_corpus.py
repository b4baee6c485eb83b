"""Every layout of the corpus gives the rows that were written by hand, and nothing else."""

import pytest

from funnel_assets.sources.zoom import ReportRefused
from funnel_assets_tests.corpus.layouts import FOLDER, Layout, attend, layouts, published, read, set_aside

READ = [layout for layout in layouts().values() if not layout.refused]
REFUSED = [layout for layout in layouts().values() if layout.refused]


def _ids(layout: Layout) -> str:
    return layout.key


@pytest.mark.parametrize("layout", READ, ids=_ids)
def test_a_layout_gives_the_rows_written_by_hand(layout: Layout) -> None:
    report = read(layout, layout.encode(layout.text))
    result = attend(report, layout.zone)
    assert published(result, layout.zone) == layout.expected()
    assert set_aside(result) == layout.set_aside
    assert (report.topic, report.webinar_id) == (layout.topic, layout.id)
    assert len(report.hosts) + len(report.panelists) == layout.staff


@pytest.mark.parametrize("layout", REFUSED, ids=_ids)
def test_what_is_no_report_of_attendance_is_refused(layout: Layout) -> None:
    with pytest.raises(ReportRefused) as refusal:
        read(layout, layout.encode(layout.text))
    assert refusal.value.reason == layout.refused


def test_the_manifest_and_the_folder_list_the_same_layouts() -> None:
    names = {path.name for path in (FOLDER / "reports").iterdir()}
    wanted = {f"{key}.csv" for key in layouts()} | {f"{layout.key}.expected.csv" for layout in READ}
    assert names == wanted
    assert len(layouts()) >= 40
    assert all(layout.source and layout.exported_as for layout in layouts().values())
