"""Words that every engine understands: the few helpers the set logic is written with.

Belongs here: what turns a native frame (pandas, DuckDB relation, Spark) into Narwhals and back, and expressions that
an engine lacks. Does not belong here: any rule of the funnel.

What holds for all set logic in this package: a function takes and returns native frames of one engine, never looks
at the order of rows, and filters its inputs to the days it needs, so that handing it more days changes nothing.
Null keys are dropped before a join, because pandas matches null with null and SQL doesn't.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, columns

Native = Any
Frame = Any
Materialize = Callable[[Native], Native]

LOOK_BACK_DAYS = 90
"""Days before the day itself that a first touch may lie back: the look-back of day D is D-90 to D, both included."""

LATE_TOUCH_DAYS = 31
"""Days after a sale up to which the buyer's first touch still counts as the sale's: CRMs get leads entered late."""

_TYPES: dict[pa.DataType, Any] = {
    pa.string(): nw.String(),
    pa.date32(): nw.Date(),
    pa.timestamp("us", tz="UTC"): nw.Datetime("us", "UTC"),
    pa.int64(): nw.Int64(),
    pa.float64(): nw.Float64(),
    pa.bool_(): nw.Boolean(),
}


def unchanged(native: Native) -> Native:
    """Return the frame itself: the ``materialize`` hook of engines whose frames keep their result."""
    return native


def pinned(frame: Frame, materialize: Materialize) -> Frame:
    """Return a Narwhals frame whose result is kept, where it is used more than once."""
    return nw.from_native(materialize(frame.to_native()))


def between(frame: Frame, first: dt.date, last: dt.date, day: str = "date") -> Frame:
    """Keep the rows of the days ``first`` to ``last``, both included."""
    return frame.filter(nw.col(day) >= nw.lit(first), nw.col(day) <= nw.lit(last))


def look_back_start(day: dt.date) -> dt.date:
    """Return the first day of the look-back of a day."""
    return day - dt.timedelta(days=LOOK_BACK_DAYS)


def month_start(day: dt.date) -> dt.date:
    """Return the first day of a day's calendar month."""
    return day.replace(day=1)


def month_number(day: str) -> nw.Expr:
    """Return a number that is the same for the days of one calendar month and grows with time."""
    return nw.col(day).dt.year().cast(nw.Int64) * 12 + nw.col(day).dt.month().cast(nw.Int64)


def shifted(day: str, days: int) -> nw.Expr:
    """Return a day column moved by a number of days (SQL engines answer with a timestamp, hence the cast)."""
    return nw.col(day).dt.offset_by(f"{days}d").cast(nw.Date)


def day_number(day: str) -> nw.Expr:
    """Return a day as days since 1 March of year 0, from the calendar's own arithmetic.

    The difference of two dates has a type of its own on each engine; whole numbers are the same on all of them.
    Counting years from March puts the leap day last, which makes the month lengths a straight line.
    """
    month = nw.col(day).dt.month().cast(nw.Int64)
    early = (month <= 2).cast(nw.Int64)
    year = nw.col(day).dt.year().cast(nw.Int64) - early
    days_of_months = ((month + early * 12 - 3) * 153 + 2) // 5
    return (
        year * 365
        + year // 4
        - year // 100
        + year // 400
        + days_of_months
        + nw.col(day).dt.day().cast(nw.Int64)
    )


def first_by(frame: Frame, by: Sequence[str], order: Sequence[str]) -> Frame:
    """Keep one row of each group: the first in an order that must be total, so that row order never decides."""
    return frame.unique(subset=list(by), keep="first", order_by=list(order))


def last_by(frame: Frame, by: Sequence[str], order: Sequence[str]) -> Frame:
    """Keep one row of each group: the last in an order that must be total."""
    return frame.unique(subset=list(by), keep="last", order_by=list(order))


def distinct(frame: Frame, *names: str) -> Frame:
    """Return the distinct rows of some columns. (``unique`` numbers the rows of each group on SQL engines.)"""
    return frame.group_by(*names).agg(nw.len().alias("_rows")).select(*names)


def numbered(frame: Frame, by: str | Sequence[str], order: Sequence[str], into: str) -> Frame:
    """Add the position of each row in its group, from 1, in an order that must be total.

    The column counted must stand neither in the group nor in the order: on pandas Narwhals (2.28) replaces it with
    its not-null flag before sorting.
    """
    position = nw.col("_one").cum_count().over(by, order_by=list(order))
    return frame.with_columns(nw.lit(1).alias("_one")).with_columns(position.alias(into)).drop("_one")


def matched(text: str) -> nw.Expr:
    """Return a text as the spreadsheet's lookups compare it: trimmed, in lower case (SPEC 7)."""
    return nw.col(text).str.strip_chars().str.to_lowercase()


def given(text: str) -> nw.Expr:
    """Return whether a text cell holds something besides blanks."""
    return ~nw.col(text).is_null() & (nw.col(text).str.strip_chars() != "")


def shaped(frame: Frame, dataset: str) -> Native:
    """Return a native frame with exactly the columns, order and types of the dataset's contract.

    DuckDB sums are HUGEINT and counts of other engines 32-bit: both end as 64-bit here. Rows have no order.
    """
    return typed(frame, {fact.name: fact.arrow_type for fact in columns(CONTRACTS[dataset])})


def typed(frame: Frame, types: Mapping[str, pa.DataType]) -> Native:
    """Return a native frame with the given columns in the given Arrow types."""
    native = frame.select(
        *(nw.col(name).cast(_TYPES[kind]).alias(name) for name, kind in types.items())
    ).to_native()
    if not isinstance(native, pd.DataFrame):
        return native
    return native.astype({name: pd.ArrowDtype(kind) for name, kind in types.items()}).reset_index(drop=True)
