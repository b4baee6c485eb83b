"""Scores what the pipeline made of a written world against the world's answer key.

Belongs here: choosing the comparison, reading both sides. Does not belong here: what is compared (`score_edtech`,
`score_saas`), the world's own checks (`check`).
"""

import dataclasses
import datetime as dt
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from funnel_assets.simulate.check import read_about
from funnel_assets.simulate.checklist import Checklist
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.quarantine import Quarantine


@dataclasses.dataclass
class Sides:
    """A world's truth and a lake made from it.

    Attributes:
        folder: What ``funnel simulate --out`` wrote.
        lake: What the pipeline made of it.
        quarantine: What the pipeline couldn't use.
        checks: Results so far.
        figures: Scores as numbers, by name: shares of 1.
    """

    folder: Path
    lake: Lake
    quarantine: Quarantine
    checks: Checklist = dataclasses.field(default_factory=Checklist)
    figures: dict[str, float] = dataclasses.field(default_factory=dict)

    @cached_property
    def days(self) -> list[dt.date]:
        """Days of the world.

        Raises:
            MissingPartitions: When the lake lacks one of them.
        """
        about = read_about(self.folder)
        start = dt.date.fromisoformat(about["start_date"])
        return [start + dt.timedelta(days=offset) for offset in range(about["days"])]

    def key(self, table: str) -> pd.DataFrame:
        """A table of the answer key."""
        return pq.read_table(self.folder / "answer_key" / f"{table}.parquet").to_pandas()

    def made(self, dataset: str) -> pd.DataFrame:
        """A dataset as the pipeline made it, on the world's days."""
        return self.lake.read(dataset, self.days).to_pandas()

    def share(self, name: str, right: int, size: int, least: float) -> None:
        """Score a share: it must reach ``least``."""
        found = right / size if size else 1.0
        self.figures[name] = found
        text = f"{100 * found:.3f} % of {size:,}"
        self.checks.at_least(name, f"{100 * least:.2f} %", text, found >= least)

    def equal(self, name: str, expected: pd.DataFrame, found: pd.DataFrame) -> None:
        """Both must hold the same rows; order and index don't matter."""
        both = [_counted(side) for side in (expected, found)]
        lacking, more = (_only_in(both[i], both[1 - i]) for i in (0, 1))
        told = f"{len(found):,} rows, {lacking} lacking, {more} too many"
        self.checks.at_least(name, f"{len(expected):,} rows", told, lacking == more == 0)


def _counted(rows: pd.DataFrame) -> "pd.Series[int]":
    plain = rows.astype(object).where(rows.notna(), None)
    return pd.Series(list(plain.itertuples(index=False, name=None)), dtype=object).value_counts()


def _only_in(here: "pd.Series[int]", there: "pd.Series[int]") -> int:
    return int(here.sub(there.reindex(here.index, fill_value=0)).clip(lower=0).sum())


def score_world(folder: Path, lake: Lake, quarantine: Quarantine) -> Sides:
    """Compare a lake with the answer key of the world it was made from.

    Args:
        folder: What ``funnel simulate --out`` wrote.
        lake: What the pipeline made of it, on every day of the world.
        quarantine: Its quarantine.

    Returns:
        Results and figures.

    Raises:
        UsageError: When the folder holds no world.
        MissingPartitions: When the lake lacks a day of the world.
    """
    from funnel_assets.simulate.score_edtech import score_edtech
    from funnel_assets.simulate.score_saas import score_saas

    about = read_about(folder)
    scorers = {"edtech": score_edtech, "saas": score_saas}
    sides = Sides(folder, lake, quarantine)
    lake.require("funnel_marts", sides.days)
    scorers[about["world"]](sides)
    return sides
