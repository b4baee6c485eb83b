"""Engines hand frames out as they took them in, whatever an Arrow table is made of."""

import datetime as dt

import narwhals as nw
import pyarrow as pa
import pytest

from funnel_assets.domain.frames import shifted
from funnel_assets.storage.engine import open_engine


@pytest.mark.parametrize("engine", ["pandas", "duckdb"])
@pytest.mark.parametrize("days", [[], [dt.date(2026, 3, 1)]])
def test_days_are_moved_on_a_table_that_filtering_left(engine: str, days: list[dt.date]) -> None:
    table = pa.table({"day": pa.chunked_array([pa.array([day]) for day in days], pa.date32())})

    with open_engine(engine) as opened:
        moved = nw.from_native(opened.frame(table)).select(shifted("day", -90).alias("day"))
        found = opened.collect(moved.to_native())

    assert found["day"].to_pylist() == [day - dt.timedelta(90) for day in days]
