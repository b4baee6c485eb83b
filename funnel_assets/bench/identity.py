"""Identity and first touch over a million touches, against one hand-written DuckDB query (``identity_sql``).

Belongs here: the touches, the two sides. Does not belong here: the rules, and the query.

Both sides read the same Parquet files of a lake and answer the same question: who is whose, and which touch was first
in each calendar month and over the look-back, for every day there is.
"""

import argparse
import datetime as dt
import time
from pathlib import Path
from typing import Any

from funnel_assets.bench.measure import (
    BenchmarkCrashed,
    Spent,
    clean_environ,
    in_turns,
    median,
    median_ratio,
    run,
    say,
)
from funnel_assets.bench.results import Result

NAMES = ("identity_1m",)
TOUCHES, QUICK_TOUCHES = 1_000_000, 100_000
MOST_SECONDS, MOST_MB = 5.0, 2048.0
PAIRS = 3
DAYS = 120
FIRST = dt.date(2026, 1, 1)
LAST = FIRST + dt.timedelta(days=DAYS - 1)
SOURCES = ("fb_ads", "google_search", "youtube", "newsletter", "referral", "walk_in", "linkedin", "partner")


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    touches = QUICK_TOUCHES if quick else TOUCHES
    lake, log, module = (
        folder / "world" / f"touches-{touches}",
        folder / "identity.log",
        "funnel_assets.bench.identity",
    )
    if not (lake / "done").exists():
        run([module, "write", str(lake), str(touches)], clean_environ(), log)

    def side(how: str) -> Spent:
        return run([module, how, str(lake)], clean_environ(), log)

    ours, sql = in_turns(lambda _: side("ours"), lambda _: side("sql"), PAIRS)
    rows = {one.told["rows"] for one in (*ours, *sql)}
    digests = {one.told["digest"] for one in (*ours, *sql)}
    if len(rows) != 1 or len(digests) != 1:
        raise BenchmarkCrashed(f"the two sides differ: {rows} rows")
    took, theirs = ([one.told["seconds"] for one in found] for found in (ours, sql))
    cpu = [median([one.told["cpu_seconds"] for one in found]) for found in (ours, sql)]
    seconds, peak = median(took), max(one.peak_mb for one in ours)
    return [
        Result(
            "identity_1m",
            median_ratio(took, theirs),
            f"one hand-written DuckDB query, same {rows.pop():,} rows out: {median(theirs):.2f} s "
            f"({cpu[0]:.1f} and {cpu[1]:.1f} CPU s; {PAIRS} pairs)",
            f"under {MOST_SECONDS:.0f} s; under 2 GB",
            seconds < MOST_SECONDS and peak < MOST_MB,
            seconds,
            peak,
            touches,
        )
    ]


def write(root: Path, touches: int, seed: int = 1) -> None:
    """Write a lake of form submissions and Zoom records, in the proportions of the sample world.

    Four in ten are Zoom's, one in four has no phone, and six in ten are the first of their person's month.
    """
    import numpy as np
    import pyarrow as pa

    from funnel_assets.contracts.base import CONTRACTS, arrow_schema
    from funnel_assets.storage.lake import Lake

    chance = np.random.default_rng(seed)
    lake = Lake(str(root))
    people = max(touches // 4, 1)
    for dataset, count in (("raw_leads", touches * 6 // 10), ("zoom_attendance", touches * 4 // 10)):
        schema = arrow_schema(CONTRACTS[dataset])
        seconds = np.sort(chance.integers(0, DAYS * 86_400, count))
        columns = _columns(dataset, count, people, seconds, chance)
        table = pa.table(
            [
                columns[field.name].cast(field.type) if field.name in columns else pa.nulls(count, field.type)
                for field in schema
            ],
            schema=schema,
        )
        ends = np.searchsorted(seconds, np.arange(DAYS + 1) * 86_400)
        for number in range(DAYS):
            part = table.slice(ends[number], ends[number + 1] - ends[number])
            lake.write(dataset, FIRST + dt.timedelta(days=number), part)
    (root / "done").touch()


def _columns(dataset: str, count: int, people: int, seconds: Any, chance: Any) -> dict[str, Any]:
    """Columns that the rules read; what they don't read stays empty."""
    import numpy as np
    import pyarrow as pa

    from funnel_assets.arrow import pc

    who = chance.integers(0, people, count)
    # Some people write from two addresses, and some addresses stand beside two phones.
    mail = np.where(chance.random(count) < 0.05, who + people, who)
    texts = {name: pa.array(values).cast(pa.string()) for name, values in (("who", who), ("mail", mail))}

    def named(prefix: str, name: str, missing: float) -> pa.Array:
        joined = pc.binary_join_element_wise(pa.scalar(prefix), texts[name], "")
        return pc.if_else(pa.array(chance.random(count) < missing), pa.scalar(None, pa.string()), joined)

    phone = named("9198", "who", 0.25)
    mails = named("u", "mail", 0.1)
    epoch = int(dt.datetime.combine(FIRST, dt.time(), dt.UTC).timestamp())
    at = pa.array((epoch + seconds) * 1_000_000).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    day = pa.array((epoch // 86_400 + seconds // 86_400).astype("int32")).cast(pa.date32())
    ids = pa.array(np.char.add(f"{dataset[0]}", np.arange(count).astype("U8")))
    sources = pa.array(SOURCES).take(pa.array(chance.integers(0, len(SOURCES), count)))
    shared = {
        "date": day,
        "phone": phone,
        "email": pc.binary_join_element_wise(mails, pa.scalar("example.com"), "@"),
        "phone_key": pc.binary_join_element_wise(pa.scalar("p"), phone, ""),
        "email_key": pc.binary_join_element_wise(pa.scalar("e"), mails, ""),
    }
    if dataset == "raw_leads":
        return shared | {
            "lead_id": ids,
            "source_order": pa.array(chance.integers(0, 2, count)),
            "created_at": at,
            "name": named("Person ", "who", 0.02),
            "city": pa.array(("Pune", "Delhi", "Kochi")).take(pa.array(chance.integers(0, 3, count))),
            "utm_source": sources,
            "utm_medium": pa.array(["cpc"] * count),
            "utm_campaign": sources,
        }
    return shared | {
        "attendance_id": ids,
        "touched_at": at,
        "event_type": pa.array(["webinar"] * count),
        "registration_source": sources,
        "webinar_name": pa.array(["Introduction"] * count),
        "user_name": named("Person ", "who", 0.02),
    }


def mapping() -> Any:
    """Return a funnel mapping for most of the sources, one of which changes its funnel half-way."""
    import pyarrow as pa

    turn = FIRST + dt.timedelta(days=60)
    rows = [(name, f"Funnel {number % 3}", None, None) for number, name in enumerate(SOURCES[1:-1])]
    rows += [
        ("FB_ads ", "Funnel 0", None, turn),
        ("fb_ads", "Funnel 1", turn + dt.timedelta(days=1), None),
    ]
    names = ("source", "funnel", "valid_from", "valid_to")
    schema = pa.schema(
        [(name, pa.string() if number < 2 else pa.date32()) for number, name in enumerate(names)]
    )
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def ours(root: Path) -> Any:
    """Answer with the domain's functions on the engine the pipeline uses; returns an Arrow table."""
    from funnel_assets.contracts.base import CONTRACTS, arrow_schema
    from funnel_assets.domain.identity import identity_links
    from funnel_assets.domain.leads import dedup_leads
    from funnel_assets.storage.engine import DuckDBEngine
    from funnel_assets.storage.lake import Lake

    lake = Lake(str(root))
    with DuckDBEngine() as engine:
        leads, zoom = (
            engine.scan(lake, name, lake.days(name), arrow_schema(CONTRACTS[name]).names)
            for name in ("raw_leads", "zoom_attendance")
        )
        links = engine.materialize(identity_links(leads, zoom))
        found = dedup_leads(
            leads,
            zoom,
            links,
            engine.frame(mapping()),
            first=FIRST,
            last=LAST,
            materialize=engine.materialize,
        )
        return engine.collect(found)


def by_sql(root: Path) -> Any:
    """Answer with the hand-written query, on a connection set up like the engine's; returns an Arrow table."""
    import duckdb

    from funnel_assets.bench.identity_sql import dedup_leads_sql
    from funnel_assets.storage.engine import MEMORY_LIMIT

    with duckdb.connect(config={"memory_limit": MEMORY_LIMIT}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.register("mapping", mapping())
        tables = {
            name: f"read_parquet('{root}/{name}/*/data.parquet', hive_partitioning = false)"
            for name in ("raw_leads", "zoom_attendance")
        }
        return dedup_leads_sql(connection, FIRST, LAST, mapping="mapping", **tables).to_arrow_table()


def digest(table: Any) -> str:
    """Return a hash of a table's rows that doesn't depend on their order, nor on how wide a type holds a value."""
    import duckdb

    texts = ", ".join(f"coalesce(CAST({name} AS VARCHAR), '-')" for name in sorted(table.column_names))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("answered", table)
        found = connection.execute(f"SELECT bit_xor(hash(concat_ws('|', {texts}))) FROM answered").fetchone()
    return str(found[0] if found else None)


def main() -> None:
    """Write the touches, or answer in one of the two ways and print what it took."""
    parser = argparse.ArgumentParser(description="Identity and first touch over many touches.")
    parser.add_argument("how", choices=("write", "ours", "sql"))
    parser.add_argument("path", type=Path)
    parser.add_argument("touches", type=int, nargs="?", default=TOUCHES)
    given = parser.parse_args()
    if given.how == "write":
        write(given.path, given.touches)
        return
    # Importing is no part of the answer.
    import duckdb  # noqa: F401

    import funnel_assets.domain.leads
    import funnel_assets.storage.engine  # noqa: F401

    work = ours if given.how == "ours" else by_sql
    started, cpu = time.perf_counter(), time.process_time()
    table = work(given.path)
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    say(rows=table.num_rows, digest=digest(table), seconds=seconds, cpu_seconds=cpu_seconds)


if __name__ == "__main__":
    main()
