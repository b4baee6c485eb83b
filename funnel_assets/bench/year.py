"""A year of the ed-tech world at ten times its size: the backfill against one SQL script, restating, and the daily run.

Belongs here: what is measured on the large world. Does not belong here: the script on the other side (``year_sql``).

It takes an hour and 15 GB of disk, so it runs only when asked for (``--long``).
"""

import csv
import datetime as dt
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from funnel_assets.bench.measure import BenchmarkCrashed, Spent, median
from funnel_assets.bench.results import Result
from funnel_assets.bench.worlds import Home, WrittenWorld, new_home, written_world

NAMES = (
    "year_vs_sql",
    "year_bookkeeping",
    "year_restate_5_days",
    "year_daily_365_vs_30",
    "year_memory",
)
AIM, ACCEPT = 3.0, 6.0
MOST_OF_BACKFILL = 0.10
MOST_DAILY_GROWTH = 1.3
MOST_MB = 2048.0
DAILY_RUNS = 5
# The first runs after a backfill make the index of people, while the database settles: they are told, not compared.
WARM_UP = 2
RESTATED = 5
# SQL cleans phones roughly and knows no quarantine: its figures may be so far from ours.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Size:
    """Days of the world, the early day whose daily run is compared, and the scale."""

    days: int = 365
    early: int = 30
    scale: float = 10.0


QUICK = Size(days=60, early=30, scale=0.5)


@dataclass(frozen=True)
class Measured:
    """What the processes took."""

    backfill: Spent
    sql: Spent
    bookkeeping: Spent
    early: list[Spent]
    late: list[Spent]
    start_up: Spent
    restated: Spent


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    size = QUICK if quick else Size()
    ends = [end - DAILY_RUNS + number for end in (size.early, size.days) for number in range(DAILY_RUNS + 1)]
    world = written_world(folder / "world", size.days, size.scale, ends, folder / "year-world.log")
    first = _day(world, size.early - DAILY_RUNS)
    with (
        new_home(folder / "year-early", world, first) as young,
        new_home(folder / "year", world, first) as home,
    ):
        measured = _measure(young, home, size)
        shutil.rmtree(_edited_folder(home))
    return _results(measured, size)


def _day(world: WrittenWorld, number: int) -> dt.date:
    return world.start + dt.timedelta(days=number - 1)


def _backfill(home: Home, last: int) -> Spent:
    """Make everything as one backfill, but for the days before ``last`` that are made one by one later."""
    until = _day(home.world, last - DAILY_RUNS)
    home.morning_after(until)
    return home.funnel("backfill", "--from", str(home.world.start), "--to", str(until))


def _daily_runs(young: Home, home: Home, size: Size) -> tuple[list[Spent], list[Spent]]:
    """Make the last days of both homes one by one, in turn: what else the machine does, it does to both."""
    early, late = [], []
    for before in reversed(range(DAILY_RUNS)):
        for one, last, runs in ((young, size.early, early), (home, size.days, late)):
            day = _day(one.world, last - before)
            one.morning_after(day)
            runs.append(one.funnel("run", "--date", str(day)))
    return early, late


def _measure(young: Home, home: Home, size: Size) -> Measured:
    world, made = home.world, size.days - DAILY_RUNS
    sql = _sql(home, _day(world, made))
    backfill = _backfill(home, size.days)
    _backfill(young, size.early)
    for one in (young, home):
        one.vacuum()
    early, late = _daily_runs(young, home, size)
    _compare(home, _day(world, made))
    home.funnel("restate")
    start_up = home.funnel("restate")
    home.serve(_edited(home, size))
    home.funnel("run", "--date", str(_day(world, size.days)))
    restated = home.funnel("restate")
    bookkeeping = home.python("funnel_assets.bench.dagster_bookkeeping", "--partitions", str(made))
    return Measured(backfill, sql, bookkeeping, early, late, start_up, restated)


def _mart(home: Home) -> Path:
    return home.path.with_suffix(".parquet")


def _sql(home: Home, last: dt.date) -> Spent:
    home.morning_after(last)
    given = {
        "dumps": home.world.dumps(last),
        "config": home.world.root / "config",
        "inbox": home.path / "inbox" / "zoom",
        "out": _mart(home),
        "first": home.world.start,
        "last": last,
    }
    arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return home.python("funnel_assets.bench.year_sql", *arguments)


def _compare(home: Home, last: dt.date) -> None:
    """Hold the script's totals to the pipeline's."""
    import duckdb

    from funnel_assets.bench.year_sql import MEASURES

    sums = ", ".join(f"sum({name})::DOUBLE" for name in MEASURES)
    lake = home.path / "lake" / "funnel_marts" / "*" / "data.parquet"
    with duckdb.connect() as connection:
        ours, theirs = (
            connection.execute(
                f"SELECT {sums} FROM read_parquet('{path}', hive_partitioning = false) WHERE date <= DATE '{last}'"
            ).fetchone()
            or ()
            for path in (lake, _mart(home))
        )
    apart = [
        f"{name}: {mine:.0f} and {other:.0f}"
        for name, mine, other in zip(MEASURES, ours, theirs, strict=True)
        if abs(mine - other) > TOLERANCE * max(mine, other)
    ]
    if apart:
        raise BenchmarkCrashed(f"the pipeline and the SQL script differ: {'; '.join(apart)}")


def _edited_folder(home: Home) -> Path:
    return home.path.with_suffix(".edited")


def _edited(home: Home, size: Size) -> Path:
    """Copy the last dumps with one lead, one sale and one line of spend changed on each of five scattered days."""
    source = home.world.dumps(_day(home.world, size.days))
    folder = _edited_folder(home)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder, copy_function=os.link)
    days = {
        str(_day(home.world, size.days * (2 * number + 1) // (2 * RESTATED))) for number in range(RESTATED)
    }
    for file, day, column, value in (
        ("sheets/leads.csv", "created date", "City", "Nagpur, corrected"),
        ("crm/sales.csv", "createdOn", "employeeName", "Corrected Name"),
        ("spend.csv", "date_time", "cost", "1.00"),
    ):
        _edit(folder / file, day, days, column, value)
    return folder


def _edit(path: Path, day_column: str, days: set[str], column: str, value: str) -> None:
    waiting = set(days)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        names, edited = list(rows.fieldnames or ()), []
        for row in rows:
            if row[day_column][:10] in waiting:
                waiting.discard(row[day_column][:10])
                row[column] = value
            edited.append(row)
    path.unlink()  # a link to the world's own file: it must stay as it is
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(edited)


def _results(measured: Measured, size: Size) -> list[Result]:
    backfill, sql, days = measured.backfill, measured.sql, size.days - DAILY_RUNS
    early, late, early_cpu, late_cpu = (
        median([getattr(one, name) for one in runs[WARM_UP:]])
        for name in ("seconds", "cpu_seconds")
        for runs in (measured.early, measured.late)
    )
    pairs = list(zip(measured.early, measured.late, strict=True))[WARM_UP:]
    growth = median([old.seconds / young.seconds for young, old in pairs])
    allowed = measured.start_up.seconds + MOST_OF_BACKFILL * backfill.seconds
    booked = measured.bookkeeping.told
    peak = max(one.peak_mb for one in (backfill, measured.restated, *measured.late))
    return [
        Result(
            "year_vs_sql",
            backfill.seconds / sql.seconds,
            f"one hand-written DuckDB script, same {days} days at scale {size.scale:g}, totals within "
            f"{TOLERANCE:.0%}: {sql.seconds:.0f} s, of which {sql.told['zoom_seconds']:.0f} s for Zoom reports by our "
            f"reader ({backfill.cpu_seconds:.0f} and {sql.cpu_seconds:.0f} CPU s)",
            f"aim {AIM:.0f}, at most {ACCEPT:.0f}",
            backfill.seconds <= ACCEPT * sql.seconds,
            backfill.seconds,
            backfill.peak_mb,
            sql.told["rows"],
        ),
        Result(
            "year_bookkeeping",
            booked["seconds"] / backfill.seconds,
            f"the backfill; 13 empty assets over {days} days, {booked['events']} events, our storage",
            "none: says how much is Dagster's own",
            None,
            booked["seconds"],
            measured.bookkeeping.peak_mb,
            booked["events"],
        ),
        Result(
            "year_restate_5_days",
            measured.restated.seconds / allowed,
            f"one start-up ({measured.start_up.seconds:.1f} s: `funnel restate` with nothing stale) plus "
            f"{MOST_OF_BACKFILL:.0%} of the backfill: {allowed:.0f} s; a lead, a sale and a line of spend changed on "
            f"{RESTATED} scattered days",
            "at most 1",
            measured.restated.seconds <= allowed,
            measured.restated.seconds,
            measured.restated.peak_mb,
            None,
        ),
        Result(
            "year_daily_365_vs_30",
            growth,
            f"the daily run of day {size.early}: {early:.1f} s (medians of {len(pairs)} pairs; {late_cpu:.1f} and "
            f"{early_cpu:.1f} CPU s); those right after the backfill took "
            f"{' and '.join(f'{one.seconds:.0f}' for one in measured.late[:WARM_UP])} s",
            f"at most {MOST_DAILY_GROWTH}",
            growth <= MOST_DAILY_GROWTH,
            late,
            max(one.peak_mb for one in measured.late),
            None,
        ),
        Result(
            "year_memory",
            peak / MOST_MB,
            "2 GB; backfill, restatement and daily runs, database server not counted",
            "peak under 2 GB",
            peak < MOST_MB,
            backfill.seconds,
            peak,
            None,
        ),
    ]
