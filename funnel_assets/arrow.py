"""What Arrow tables are worked with: pyarrow's compute functions, and the filter that is needed everywhere."""

import datetime as dt
from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute

# pyarrow makes its functions at import time, so type checkers don't know them.
pc: Any = pyarrow.compute


def on_days(table: pa.Table, days: Collection[dt.date]) -> pa.ChunkedArray:
    """Return which rows of a dated table lie on one of the days."""
    return pc.is_in(table["date"], value_set=pa.array(sorted(days), pa.date32()))
