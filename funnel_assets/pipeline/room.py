"""Whether there is room on the disk for the days to be made, reckoned before a long backfill begins.

Belongs here: how much a day takes. Does not belong here: what happens when the disk is full after all
(``storage.files``).
"""

import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path

from funnel_assets.config.settings import Settings
from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.errors import DiskRefused
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.landing import Landing

LOOKED_AT = 30
"""Newest days by which a day is reckoned."""

PER_LAKE_BYTE = 10
"""Bytes a day takes on the disk in all for one of its Parquet files; PostgreSQL: 4.5, and as much in its log."""

PER_DUMP_BYTE = 3
"""Bytes that a fetched dump takes: itself, what is kept of its rows, and the lake's share of it."""

ALWAYS = 150_000_000
"""Bytes that any run may take: PostgreSQL's log and sorting, Dagster's records."""


LONG = 7
"""Days from which on it is reckoned; few days take less than any run may."""


def refuse_too_little_room(
    settings: Settings, days: Sequence[dt.date], datasets: Sequence[str] = tuple(CONTRACTS)
) -> None:
    """Refuse to begin with many days for which the disk has no room.

    Args:
        settings: Where the home and the lake are.
        days: Days to make; those that are there take no more room.
        datasets: Datasets to make.

    Raises:
        DiskRefused: With what is needed and what is free.
    """
    if len(days) < LONG:
        return
    lake = Lake(settings.lake)
    todo = [day for day in days if any(lake.facts(name, day) is None for name in datasets)]
    if not todo:
        return
    needed = ALWAYS + _a_day(lake, datasets) * PER_LAKE_BYTE * len(todo)
    needed += _dumps(settings, datasets) * PER_DUMP_BYTE
    free = shutil.disk_usage(settings.home).free
    if free < needed:
        raise DiskRefused(
            f"{len(todo)} day(s) take about {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free. Nothing was "
            "begun.",
            file=str(settings.home),
            fix="free space on this disk, or make fewer days at once.",
        )


def _a_day(lake: Lake, datasets: Sequence[str]) -> int:
    """Bytes of a day's Parquet files, by the newest days that are there."""
    total = 0
    for name in datasets:
        there = lake.days(name)[-LOOKED_AT:]
        sizes = [facts.bytes for facts in lake.all_facts(name, there).values()]
        total += sum(sizes) // max(len(sizes), 1)
    return total


def _dumps(settings: Settings, datasets: Sequence[str]) -> int:
    """Bytes of the newest dump of every source: a run fetches each once."""
    landing = Landing(Path(settings.landing))
    newest = (landing.newest(name, source) for name, source in landing.sources() if name in datasets)
    return sum(snapshot.bytes for snapshot in newest if snapshot is not None)
