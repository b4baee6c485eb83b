"""Aware datetimes keep their moment on their way into Arrow, whatever a library we import thinks of it."""

import datetime as dt

import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS


def test_offsets_survive_arrow() -> None:
    assert CONTRACTS is not None  # pandera is imported
    india = dt.timezone(dt.timedelta(hours=5, minutes=30))
    midnight = dt.datetime(2026, 3, 22, tzinfo=india)
    found = pa.array([midnight], pa.timestamp("us", tz="UTC"))[0].as_py()
    assert found == midnight
    assert found.isoformat() == "2026-03-21T18:30:00+00:00"
