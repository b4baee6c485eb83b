"""How long somebody was there: the union of their visits (SPEC 5)."""

from typing import Any

import numpy as np
import pandas as pd


def whole_minutes(seconds: Any) -> Any:
    """Seconds as whole minutes, half a minute up; of a number, an array or an expression.

    Sums are of seconds: whoever adds rounded minutes up is half a minute off for each person.
    """
    return (seconds + 30) // 60


def time_in_session(visits: pd.DataFrame) -> pd.DataFrame:
    """Whole seconds as the union of a person's visits, and how often they came back.

    A report that gives only totals is taken at its word; where a visit has times they count, not the minutes beside
    them, which Zoom rounds up.
    """
    timed = visits[visits["join_time"].notna() & visits["leave_time"].notna()]
    timed = timed.drop_duplicates(["who", "join_time", "leave_time"])
    spans = timed[~timed["is_span"].astype(bool)].sort_values(["who", "join_time", "leave_time"])
    seconds = union_seconds(spans["who"], spans["join_time"], spans["leave_time"]).astype(float)
    totals = visits[visits["is_span"].astype(bool) | (visits["join_time"].isna() & visits["minutes"].notna())]
    totals = totals.drop_duplicates(["who", "join_time", "leave_time", "minutes", "line"])
    seconds = seconds.add(totals.groupby("who")["minutes"].sum() * 60, fill_value=0).fillna(0)
    rejoins = (timed.groupby("who").size() - 1).reindex(seconds.index, fill_value=0)
    return pd.DataFrame({"seconds": seconds.clip(lower=0).round(), "rejoins": rejoins})


def union_seconds(key: pd.Series, start: pd.Series, end: pd.Series) -> pd.Series:
    """Seconds covered by each key's intervals, counting what overlaps once.

    Args:
        key: Whose interval; sorted, with ``start`` ascending within a key.
        start: When it begins.
        end: When it ends; earlier than its start counts as nothing.
    """
    begin = start.astype("datetime64[us, UTC]").astype("int64")
    finish = pd.Series(
        np.maximum(end.astype("datetime64[us, UTC]").astype("int64"), begin), index=start.index
    )
    reached = finish.groupby(key).cummax().groupby(key).shift()
    fresh_from = np.maximum(begin, reached.fillna(begin.min() if len(begin) else 0).astype("int64"))
    covered = pd.Series(finish - fresh_from, index=start.index).clip(lower=0)
    return covered.groupby(key).sum() / 1_000_000
