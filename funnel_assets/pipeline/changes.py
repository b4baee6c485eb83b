"""What changed in numbers that were there already, and which rows did it (SPEC 3: ``funnel changes``).

Read from the journal: every difference of a figure is the sum of what the rows of its dataset that went and came took
and brought; both sides are counted apart and compared, so that a difference nobody can explain would show.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import narwhals as nw
import pandas as pd
import pyarrow as pa

from funnel_assets.arrow import on_days, pc
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.identity import KEYS
from funnel_assets.domain.marts import ADDS, MEASURES, added
from funnel_assets.pipeline.graph import SOURCES
from funnel_assets.pipeline.journal import ADDED, CHANGE, REMOVED, Journal, Rewrite
from funnel_assets.storage.lake import BEFORE, Lake

MART = "funnel_marts"
_WHO = {"zoom_attendance": ("phone_key", "email_key"), "spend": ("campaign",)}
_SIGNS = {ADDED: 1, REMOVED: -1}


@dataclass(frozen=True)
class Changes:
    """What changed since a moment in days that had been made before it. Amounts are in paise.

    Attributes:
        since: The moment, UTC.
        sources: One row per source dataset, day and rewrite: dataset, date, at, rows added, removed, changed (same key,
            other content).
        figures: One row per day and figure that differs: date, figure, before, after, difference, by_rows (what the
            rows of ``parts`` add up to).
        parts: One row per day, figure and person (of spend: campaign) whose rows made a difference: date, figure,
            dataset, who, difference, rows (changed source rows of that person, as dataset and day).
    """

    since: dt.datetime
    sources: pd.DataFrame
    figures: pd.DataFrame
    parts: pd.DataFrame

    @property
    def adds_up(self) -> bool:
        """Whether the parts explain every difference to the paisa."""
        return bool((self.figures["difference"] == self.figures["by_rows"]).all())


def changes_since(lake: Lake, since: dt.datetime) -> Changes:
    """Compare what is there with what was there at a moment; days that came later are new, not changed."""
    journal = Journal(lake)
    rewrites = {name: list(_since(journal, name, since)) for name in CONTRACTS}
    fresh = {name: _fresh(of_dataset) for name, of_dataset in rewrites.items()}
    sources = [
        row
        for name in SOURCES
        for rewrite in rewrites[name]
        for row in _counted(journal, rewrite, fresh[name])
    ]
    parts = _parts(lake, journal, rewrites, fresh)
    return Changes(
        since,
        pd.DataFrame(sources, columns=["dataset", "date", "at", "added", "removed", "changed"]),
        _figures(lake, journal, rewrites[MART], fresh[MART], parts),
        parts,
    )


def differences(lake: Lake, since: dt.datetime) -> pd.DataFrame:
    """Return ``Changes.figures`` alone: what differs in the mart since a moment; by_rows is left 0."""
    journal = Journal(lake)
    rewrites = list(_since(journal, MART, since))
    return _figures(
        lake, journal, rewrites, _fresh(rewrites), pd.DataFrame(columns=["date", "figure", "difference"])
    )


def _since(journal: Journal, dataset: str, since: dt.datetime) -> Iterator[Rewrite]:
    for rewrite in journal.newest_first(dataset):
        if rewrite.at < since:
            return
        if BEFORE not in rewrite.days:  # what is dated before the first day is in no figure of the mart
            yield rewrite


def _fresh(rewrites: list[Rewrite]) -> set[dt.date]:
    """Return the days that weren't there before one of these rewrites."""
    return {day for rewrite in rewrites for day, (old, _) in rewrite.days.items() if old is None}


def _counted(journal: Journal, rewrite: Rewrite, fresh: set[dt.date]) -> Iterator[dict[str, object]]:
    """Yield rows added, removed and changed per day of one rewrite of a source."""
    key = CONTRACTS[rewrite.dataset].key
    rows = journal.rows(rewrite, list(dict.fromkeys(["date", *key]))).to_pandas()
    for day, of_day in rows.groupby("date"):
        if day in fresh:
            continue
        sides = {
            side: set(of_day.loc[of_day[CHANGE] == side, list(key)].itertuples(index=False))
            for side in (ADDED, REMOVED)
        }
        both = sides[ADDED] & sides[REMOVED]
        yield {
            "dataset": rewrite.dataset,
            "date": day,
            "at": rewrite.at,
            "added": len(sides[ADDED] - both),
            "removed": len(sides[REMOVED] - both),
            "changed": len(both),
        }


def _parts(
    lake: Lake, journal: Journal, rewrites: dict[str, list[Rewrite]], fresh: dict[str, set[dt.date]]
) -> pd.DataFrame:
    found = []
    for dataset, figures in ADDS.items():
        who = _WHO.get(dataset, ("person_id",))
        names = arrow_schema(CONTRACTS[dataset]).names
        pieces = [journal.rows(rewrite) for rewrite in rewrites[dataset]]
        # A day that came after the mart's day brings all its rows, whatever became of them in between.
        arrived = lake.read(dataset, fresh[dataset], require=False)
        pieces = [_off(piece, fresh[dataset]) for piece in pieces]
        pieces.append(arrived.append_column(CHANGE, pa.repeat(pa.scalar(ADDED), len(arrived))))
        rows = _off(pa.concat_tables(piece.select([*names, CHANGE]) for piece in pieces), fresh[MART])
        if not len(rows):
            continue
        told = added(dataset, nw.from_native(rows), "date", *who, CHANGE).to_native().to_pandas()
        sign = told[CHANGE].map(_SIGNS)
        told["who"] = told[list(who)].bfill(axis=1).iloc[:, 0].fillna("(nobody)")
        long = told.assign(**{name: told[name] * sign for name in figures}).melt(
            ["date", "who"], list(figures), "figure", "difference"
        )
        net = long.groupby(["date", "figure", "who"], as_index=False)["difference"].sum()
        found.append(net[net["difference"] != 0].assign(dataset=dataset))
    columns = ["date", "figure", "dataset", "who", "difference"]
    parts = (
        pd.concat([pd.DataFrame(columns=columns), *found])[columns]
        if found
        else pd.DataFrame(columns=columns)
    )
    because = _changed_rows(journal, rewrites, fresh)
    parts["rows"] = [", ".join(because.get(who, ())) for who in parts["who"]]
    return parts.sort_values(["date", "figure", "who"], ignore_index=True)


def _off(rows: pa.Table, days: set[dt.date]) -> pa.Table:
    """Return the rows of other days."""
    return rows.filter(pc.invert(on_days(rows, days)))


def _changed_rows(
    journal: Journal, rewrites: dict[str, list[Rewrite]], fresh: dict[str, set[dt.date]]
) -> dict[str, list[str]]:
    """Return, per key of a person, the source rows of theirs that changed, as dataset and day."""
    found: dict[str, dict[str, None]] = {}
    for dataset in SOURCES:
        named = arrow_schema(CONTRACTS[dataset]).names
        keys = [name for name in _WHO.get(dataset, KEYS) if name in named]
        for rewrite in rewrites[dataset]:
            rows = _off(journal.rows(rewrite, ["date", *keys]), fresh[dataset])
            for name in keys:
                for day, key in zip(rows["date"].to_pylist(), rows[name].to_pylist(), strict=True):
                    if key is not None:
                        found.setdefault(key, {})[f"{dataset} {day}"] = None
    return {key: sorted(told) for key, told in found.items()}


def _figures(
    lake: Lake, journal: Journal, rewrites: list[Rewrite], fresh: set[dt.date], parts: pd.DataFrame
) -> pd.DataFrame:
    columns = ["date", *MEASURES]
    pieces = [_off(journal.rows(rewrite, columns), fresh).to_pandas() for rewrite in rewrites]
    net = pd.DataFrame(columns=["date", "figure", "difference"])
    if pieces:
        rows = pd.concat(pieces)
        sign = rows[CHANGE].map(_SIGNS)
        rows = rows.assign(**{name: rows[name].fillna(0).astype("int64") * sign for name in MEASURES})
        long = rows.melt("date", list(MEASURES), "figure", "difference")
        net = long.groupby(["date", "figure"], as_index=False)["difference"].sum()
    by_rows = (
        parts.assign(by_rows=parts["difference"])
        .groupby(["date", "figure"], as_index=False)[["by_rows"]]
        .sum()
    )
    both = net.merge(by_rows, on=["date", "figure"], how="outer")
    both[["difference", "by_rows"]] = both[["difference", "by_rows"]].fillna(0).astype("int64")
    both = both[(both["difference"] != 0) | (both["by_rows"] != 0)]
    now = lake.read(MART, set(both["date"]), columns=columns, require=False).to_pandas()
    totals = now.groupby("date")[list(MEASURES)].sum()
    after = [
        int(totals.loc[day, figure]) if day in totals.index else 0
        for day, figure in zip(both["date"], both["figure"], strict=True)
    ]
    both = both.assign(after=pd.Series(after, index=both.index, dtype="int64"))
    both = both.assign(before=both["after"] - both["difference"])
    return both[["date", "figure", "before", "after", "difference", "by_rows"]].sort_values(
        ["date", "figure"], ignore_index=True
    )
