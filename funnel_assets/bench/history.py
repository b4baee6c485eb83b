"""The daily run, the backfill, the publish and the views, all on one home with four months of the sample world.

Belongs here: which of our commands are measured, and against what. Does not belong here: how (``measure``), and the
bare script on the other side (``bare_pandas``).

The home is first filled to day 30; then 90 days are made as one backfill, each as of the morning after its last day;
then the days that follow one by one, each on its own morning, in turns with the bare script.
"""

import argparse
import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from funnel_assets.bench.measure import (
    BenchmarkCrashed,
    Spent,
    in_turns,
    median,
    median_ratio,
    say,
)
from funnel_assets.bench.results import Result
from funnel_assets.bench.worlds import Home, WrittenWorld, new_home, written_world

NAMES = (
    "daily_vs_bare_pandas",
    "backfill_vs_single",
    "backfill_memory",
    "backfill_bookkeeping",
    "publish",
    "views",
)
MOST_EXTRA_SECONDS = 15.0
LEAST_TIMES_FASTER = 20.0
MOST_BACKFILL_MB = 1536.0
MOST_PUBLISH_SECONDS = 30.0
MOST_VIEW_SECONDS = 0.2


@dataclass(frozen=True)
class Size:
    """How much is measured: days before the backfill, of the backfill, and run one by one; scale of the world."""

    before: int = 30
    backfill: int = 90
    single: int = 6
    scale: float = 1.0

    @property
    def days(self) -> int:
        """All days of the world."""
        return self.before + self.backfill + self.single


# The CRM has no sale in the first days, and an empty dump is an error.
QUICK = Size(before=14, backfill=20, single=3, scale=0.25)


@dataclass(frozen=True)
class Measured:
    """What the processes took."""

    backfill: Spent
    daily: list[Spent]
    bare: list[Spent]
    bookkeeping: Spent
    published: Spent


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure everything of this module in ``folder``."""
    size = QUICK if quick else Size()
    ends = [size.before, size.before + size.backfill]
    ends += [ends[-1] + number for number in range(1, size.single + 1)]
    world = written_world(folder / "world", size.days, size.scale, ends, folder / "world.log")
    with new_home(folder / "home", world, _day(world, size.before)) as home:
        measured = _measure(home, size)
    return [*_runs(measured, size), *_readers(measured.published)]


def _day(world: WrittenWorld, number: int) -> dt.date:
    return world.start + dt.timedelta(days=number - 1)


def _measure(home: Home, size: Size) -> Measured:
    world, made = home.world, size.before + size.backfill
    home.funnel("backfill", "--from", str(world.start), "--to", str(_day(world, size.before)))
    first, last = _day(world, size.before + 1), _day(world, made)
    home.morning_after(last)
    backfill = home.funnel("backfill", "--from", str(first), "--to", str(last))

    def ours(number: int) -> Spent:
        home.morning_after(_day(world, made + number + 1))
        return home.funnel("run", "--date", str(_day(world, made + number + 1)))

    def theirs(number: int) -> Spent:
        return _bare(home, _day(world, made + number + 1))

    daily, bare = in_turns(ours, theirs, size.single)
    home.funnel("restate")
    _compare(home, _day(world, size.days))
    return Measured(
        backfill=backfill,
        daily=daily,
        bare=bare,
        bookkeeping=home.python(
            "funnel_assets.bench.dagster_bookkeeping", "--partitions", str(size.backfill)
        ),
        published=home.python("funnel_assets.bench.history"),
    )


def _bare_mart(home: Home) -> Path:
    return home.path.with_suffix(".parquet")


def _bare(home: Home, day: dt.date) -> Spent:
    arguments = {
        "dumps": home.world.dumps(day),
        "config": home.world.root / "config",
        "inbox": home.path / "inbox" / "zoom",
        "date": day,
        "out": _bare_mart(home),
    }
    given = [text for name, value in arguments.items() for text in (f"--{name}", str(value))]
    return home.python("funnel_assets.bench.bare_pandas", *given)


def _compare(home: Home, day: dt.date) -> None:
    """Hold the bare script's mart of a day to the pipeline's: a benchmark of two different things says nothing."""
    import pandas as pd

    from funnel_assets.bench.bare_pandas import DIMENSIONS, MEASURES

    names = [*DIMENSIONS, *MEASURES]
    path = home.path / "lake" / "funnel_marts" / f"date={day}" / "data.parquet"
    ours, bare = (
        pd.read_parquet(found)[names].sort_values(DIMENSIONS, ignore_index=True)
        for found in (path, _bare_mart(home))
    )
    if ours.values.tolist() != bare.values.tolist():
        raise BenchmarkCrashed(
            f"the bare script's mart of {day} differs from the pipeline's:\n"
            f"{ours[MEASURES].sum().compare(bare[MEASURES].sum())}"
        )


def _runs(measured: Measured, size: Size) -> list[Result]:
    daily, bare = ([one.seconds for one in side] for side in (measured.daily, measured.bare))
    cpu = [median([one.cpu_seconds for one in side]) for side in (measured.daily, measured.bare)]
    extra = median([mine - other for mine, other in zip(daily, bare, strict=True)])
    backfill = measured.backfill
    faster = size.backfill * median(daily) / backfill.seconds
    told = measured.bookkeeping.told
    return [
        Result(
            "daily_vs_bare_pandas",
            median_ratio(daily, bare),
            f"a bare pandas script, whole process, same rows: {median(bare):.1f} s; ours {extra:+.1f} s "
            f"({cpu[0]:.1f} and {cpu[1]:.1f} CPU s; {size.single} pairs, {size.days} days of history)",
            f"at most {MOST_EXTRA_SECONDS:.0f} s more",
            extra <= MOST_EXTRA_SECONDS,
            median(daily),
            max(one.peak_mb for one in measured.daily),
            None,
        ),
        Result(
            "backfill_vs_single",
            faster,
            f"{size.backfill} single-day runs, {size.backfill} times the median of {size.single}: "
            f"{size.backfill * median(daily):.0f} s (CPU: {size.backfill * cpu[0] / backfill.cpu_seconds:.1f} times)",
            f"at least {LEAST_TIMES_FASTER:.0f} times faster",
            faster >= LEAST_TIMES_FASTER,
            backfill.seconds,
            backfill.peak_mb,
            None,
        ),
        Result(
            "backfill_memory",
            backfill.peak_mb / MOST_BACKFILL_MB,
            f"1.5 GB; {size.backfill} days as one run, database server not counted",
            "peak under 1.5 GB",
            backfill.peak_mb < MOST_BACKFILL_MB,
            backfill.seconds,
            backfill.peak_mb,
            None,
        ),
        Result(
            "backfill_bookkeeping",
            told["seconds"] / backfill.seconds,
            f"the backfill; 13 empty assets over {size.backfill} days, {told['events']} events, our storage",
            "none: says how much is Dagster's own",
            None,
            told["seconds"],
            measured.bookkeeping.peak_mb,
            told["events"],
        ),
    ]


def _readers(published: Spent) -> list[Result]:
    told = published.told
    return [
        Result(
            "publish",
            None,
            f"nothing; {told['days']} days of every dataset into an empty schema, views included",
            f"under {MOST_PUBLISH_SECONDS:.0f} s",
            told["publish_seconds"] < MOST_PUBLISH_SECONDS,
            told["publish_seconds"],
            published.peak_mb,
            told["publish_rows"],
        ),
        views_result("views", told),
    ]


def views_result(name: str, told: Mapping[str, Any]) -> Result:
    """Say how long the slowest view took, of what :func:`main` told."""
    return Result(
        name,
        told["slowest_seconds"] / MOST_VIEW_SECONDS,
        f"200 ms; {told['days']} days; the slowest of {told['views']} is {told['slowest']}, median of 5 after a "
        "warm-up, all rows",
        "every vw_ view under 200 ms",
        told["slowest_seconds"] < MOST_VIEW_SECONDS,
        told["slowest_seconds"],
        None,
        told["view_rows"],
    )


def main() -> None:
    """Publish a home's whole lake into an empty schema, ask every view, and print what it took."""
    parser = argparse.ArgumentParser(description="Measure publish and views of the home in FUNNEL_HOME.")
    parser.add_argument("--as-published", action="store_true", help="ask the views without publishing anew")
    as_published = parser.parse_args().as_published
    import psycopg2

    from funnel_assets.config.settings import load_settings
    from funnel_assets.pipeline.pipeline import Pipeline
    from funnel_assets.storage.postgres import ensure_server
    from funnel_assets.storage.views import VIEW_NAMES

    settings = load_settings()
    server = ensure_server(settings.home, url=settings.postgres_url)
    connection = psycopg2.connect(server.libpq_url())
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT date) FROM funnel.published_days")
        days = (cursor.fetchone() or (0,))[0]
        if not as_published:
            cursor.execute("DROP SCHEMA funnel CASCADE")
    pipeline = Pipeline(settings, server)
    started = time.perf_counter()
    published_rows = 0 if as_published else pipeline.publish().rows
    publish_seconds = time.perf_counter() - started
    took: dict[str, float] = {}
    rows = 0
    for view in (name for name in VIEW_NAMES if name.startswith("vw_")):
        times = []
        for _ in range(6):
            with connection, connection.cursor() as cursor:
                started = time.perf_counter()
                cursor.execute(f"SELECT * FROM funnel.{view}")
                found = len(cursor.fetchall())
                times.append(time.perf_counter() - started)
        took[view] = median(times[1:])
        rows += found
    connection.close()
    slowest = max(took, key=lambda name: took[name])
    say(
        publish_seconds=publish_seconds,
        publish_rows=published_rows,
        days=days,
        views=len(took),
        view_rows=rows,
        slowest=slowest,
        slowest_seconds=took[slowest],
        milliseconds={name: round(1000 * seconds, 1) for name, seconds in took.items()},
    )


if __name__ == "__main__":
    main()
