"""How long somebody was there: the union of their visits (SPEC 5)."""

import math

import numpy as np
import pandas as pd


def time_in_session(visits: pd.DataFrame) -> pd.DataFrame:
    """Whole minutes as the union of a person's visits, and how often they came back.

    A single visit keeps the minutes its report states (Zoom rounds up); a report that gives only totals is taken at
    its word.
    """
    timed = visits[visits["join_time"].notna() & visits["leave_time"].notna()]
    timed = timed.drop_duplicates(["who", "join_time", "leave_time"])
    spans = timed[~timed["is_span"].astype(bool)].sort_values(["who", "join_time", "leave_time"])
    minutes = (
        (union_seconds(spans["who"], spans["join_time"], spans["leave_time"]) / 60)
        .apply(math.ceil)
        .astype(float)
    )
    count = spans.groupby("who").size()
    stated = spans[spans["minutes"].notna()].groupby("who")["minutes"].first()
    single = count.index[count == 1].intersection(stated.index)
    minutes.loc[single] = stated.loc[single].round()
    totals = visits[visits["is_span"].astype(bool) | (visits["join_time"].isna() & visits["minutes"].notna())]
    totals = totals.drop_duplicates(["who", "join_time", "leave_time", "minutes", "line"])
    minutes = minutes.add(np.ceil(totals.groupby("who")["minutes"].sum()), fill_value=0).fillna(0)
    rejoins = (timed.groupby("who").size() - 1).reindex(minutes.index, fill_value=0)
    return pd.DataFrame({"minutes": minutes.clip(lower=0), "rejoins": rejoins})


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
