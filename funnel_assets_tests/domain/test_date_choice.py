"""A column's dates are read one way, chosen by all of its cells, whatever pieces they come in."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_assets.domain.date_choice import Unclear, added, choose, read_by, rivals

DM, MD, FIRST = "%d/%m/%Y", "%m/%d/%Y", dt.date(2000, 1, 1)


def judged(group: tuple[str, ...], *cells: str | None) -> tuple[str, ...] | Unclear:
    return choose(group, read_by(pa.array(cells, pa.large_string()), group, FIRST))


@pytest.mark.parametrize(
    ("formats", "expected"),
    [
        ((DM, MD), ((DM, MD),)),
        ((DM, "%Y-%m-%d %H:%M:%S"), ()),
        (("%Y-%m-%d", "%Y-%m-%d %H:%M"), ()),
        ((DM, "%Y-%m-%d", MD), ((DM, MD),)),
        (("%d/%m/%y", "%y/%m/%d"), (("%d/%m/%y", "%y/%m/%d"),)),
        (("%d%m%Y", "%Y%m%d"), ()),
        (("unix", "unix_ms"), (("unix", "unix_ms"),)),
        (("%d %b %Y", "%d-%b-%Y"), ()),
        ((DM,), ()),
    ],
)
def test_rivals_are_formats_that_read_a_cell_as_two_days(
    formats: tuple[str, ...], expected: tuple[tuple[str, ...], ...]
) -> None:
    assert rivals(formats) == expected


def test_one_cell_that_only_one_format_reads_decides_for_all() -> None:
    assert judged((MD, DM), "03/04/2026", "05/06/2026", "25/03/2026") == (DM,)
    assert judged((DM, MD), "03/04/2026", None, "soon", "03/25/2026") == (MD,)


def test_a_column_that_both_read_is_unclear_and_says_how() -> None:
    found = judged((DM, MD), "03/04/2026", "03/04/2026", "05/05/2026")
    assert found == Unclear(
        (DM, MD), "03/04/2026", (dt.date(2026, 4, 3), dt.date(2026, 3, 4)), rows=2, only={}
    )


def test_it_makes_no_difference_where_all_cells_mean_one_day() -> None:
    assert judged((DM, MD), "05/05/2026", "11/11/2026") == (DM, MD)
    assert judged((DM, MD)) == (DM, MD)
    assert judged((DM, MD), "25/03/2026", "03/25/2026") == (DM, MD), "no cell is two days"


def test_a_column_written_both_ways_is_unclear_where_a_cell_is_two_days() -> None:
    found = judged((DM, MD), "25/03/2026", "03/26/2026", "03/04/2026")
    assert isinstance(found, Unclear)
    assert found.rows == 1
    assert found.only == {DM: (1, "25/03/2026"), MD: (1, "03/26/2026")}


def test_a_number_is_what_gives_a_plausible_day() -> None:
    assert judged(("unix_ms", "unix"), "1767225600", "1767312000") == ("unix",)
    assert judged(("unix", "unix_ms"), "1767225600000") == ("unix_ms",)
    assert judged(("unix", "excel"), "46023") == ("excel",)


CELLS = st.lists(
    st.one_of(
        st.none(),
        st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)).map(lambda day: day.strftime(DM)),
        st.dates(dt.date(2025, 1, 1), dt.date(2026, 12, 31)).map(lambda day: day.strftime(MD)),
    ),
    max_size=12,
)


@given(CELLS, CELLS)
def test_pieces_tell_together_what_the_whole_tells(one: list[str | None], other: list[str | None]) -> None:
    parts = [read_by(pa.array(cells, pa.large_string()), (DM, MD), FIRST) for cells in (one, other)]
    assert choose((DM, MD), added(parts)) == judged((DM, MD), *one, *other)
