"""One body for every engine: pandas, DuckDB and Spark answer alike, in any row order, day by day or as a range."""

import datetime as dt
import random
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from funnel_assets.bench.identity_sql import dedup_leads_sql
from funnel_assets.contracts.base import CONTRACTS, arrow_schema, conform, violations
from funnel_assets.domain.frames import LATE_TOUCH_DAYS, LOOK_BACK_DAYS
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, SparkEngine, rows
from funnel_assets_tests.domain.pipeline import DERIVED, build, compute
from funnel_assets_tests.domain.worlds import START, World

WORLD = World(7, days=130, people=7, rows=140)
WORLD.link(6)
FIRST, LAST = dt.date(2026, 4, 30), dt.date(2026, 5, 2)
"""Three days across the end of a month, with more than the whole look-back before them."""

HAS_SPARK = find_spec("pyspark") is not None and shutil.which("java") is not None
SPARK = pytest.mark.skipif(not HAS_SPARK, reason="needs Java and the spark extra")
DATED = tuple(name for name in DERIVED if name in CONTRACTS)


@pytest.fixture(
    scope="module",
    params=["duckdb", pytest.param("spark", marks=[SPARK, pytest.mark.spark, pytest.mark.long])],
)
def engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return an engine that must answer as pandas does."""
    if request.param == "duckdb":
        yield DuckEngine()
        return
    spark = SparkEngine()
    yield spark
    spark.session.stop()


@pytest.fixture(scope="module")
def world() -> dict[str, pa.Table]:
    """Return the world with everything computed on pandas."""
    return build(PandasEngine(), WORLD.tables, FIRST, LAST)


@pytest.mark.parametrize("dataset", DERIVED)
def test_an_engine_answers_as_pandas_does(engine: Any, world: dict[str, pa.Table], dataset: str) -> None:
    since = FIRST if dataset in ("funnel_marts", "reconciliation") else START
    found = compute(engine, world, dataset, since, LAST)
    assert found.num_rows > 0
    assert found.schema.names == world[dataset].schema.names
    assert found.schema.types == world[dataset].schema.types
    assert rows(found) == rows(world[dataset])


@pytest.mark.parametrize("dataset", DATED)
def test_a_result_keeps_its_contract(world: dict[str, pa.Table], dataset: str) -> None:
    found = world[dataset]
    contract = CONTRACTS[dataset]
    assert found.schema.names == arrow_schema(contract).names
    assert found.schema.types == arrow_schema(contract).types
    assert violations(conform(found, contract), contract) == []


@pytest.mark.parametrize("dataset", DATED)
def test_a_range_equals_its_days_one_by_one(world: dict[str, pa.Table], dataset: str) -> None:
    days = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    alone = [compute(PandasEngine(), world, dataset, day, day) for day in days]
    assert rows(in_days(world[dataset], FIRST, LAST)) == rows(pa.concat_tables(alone))


BACK = FIRST - dt.timedelta(days=LOOK_BACK_DAYS)
MONTH = FIRST.replace(day=1)
MONTH_END = dt.date(2026, 5, 31)
WINDOWS: dict[str, dict[str, tuple[dt.date, dt.date]]] = {
    "dedup_leads": {"raw_leads": (BACK, LAST), "zoom_attendance": (BACK, LAST), "links": (START, LAST)},
    "engagement_summary": {
        **dict.fromkeys(("raw_leads", "zoom_attendance", "engagement_events", "links"), (START, LAST))
    },
    "assigned_leads": {"crm_assignments": (MONTH, LAST), "zoom_attendance": (BACK, MONTH_END)},
    "sales_enriched": {
        "crm_sales": (FIRST, LAST),
        "zoom_attendance": (BACK, MONTH_END),
        "raw_leads": (BACK, LAST),
        "links": (START, LAST),
        "dedup_leads": (START, LAST + dt.timedelta(days=LATE_TOUCH_DAYS)),
    },
    "sale_credit": {
        "sales_enriched": (FIRST, LAST),
        "raw_leads": (BACK, LAST),
        "zoom_attendance": (BACK, LAST),
        "links": (START, LAST),
    },
    "scored_contacts": {"engagement_summary": (START, LAST), "paid_sales": (START, LAST)},
    "funnel_marts": {
        "dedup_leads": (MONTH, LAST),
        "links": (START, LAST),
        **dict.fromkeys(
            ("zoom_attendance", "assigned_leads", "sales_enriched", "spend", "present"), (FIRST, LAST)
        ),
    },
}


@pytest.mark.parametrize("dataset", DATED)
def test_the_days_a_function_asks_for_are_enough_in_any_row_order(
    world: dict[str, pa.Table], dataset: str
) -> None:
    clipped = {name: in_days(world[name], *days) for name, days in WINDOWS[dataset].items()}
    shuffled = {name: in_another_order(table) for name, table in (world | clipped).items()}
    found = compute(PandasEngine(), shuffled, dataset, FIRST, LAST)
    assert rows(found) == rows(in_days(world[dataset], FIRST, LAST))


@pytest.mark.parametrize("dataset", DATED)
def test_no_rows_in_give_no_rows_out(world: dict[str, pa.Table], dataset: str) -> None:
    engine = PandasEngine()
    nothing = {name: table.slice(0, 0) for name, table in world.items()}
    found = compute(engine, nothing, dataset, FIRST, LAST)
    assert found.num_rows == 0
    assert found.schema.types == arrow_schema(CONTRACTS[dataset]).types


def test_the_hand_written_query_finds_the_same_leads() -> None:
    engine = DuckEngine()
    world = World(7, days=130, people=7, rows=140)
    names = ("raw_leads", "zoom_attendance", "mapping")
    tables = {name: world.tables[name] for name in names}
    for name, frame in engine.load(tables).items():
        frame.to_table(f"given_{name}")
    by_hand = dedup_leads_sql(engine.connection, FIRST, LAST, **{name: f"given_{name}" for name in names})
    nobody = world.tables["engagement_events"].slice(0, 0)
    links = compute(engine, {**tables, "engagement_events": nobody}, "links", START, LAST)
    found = compute(engine, {**tables, "links": links}, "dedup_leads", FIRST, LAST)
    assert rows(engine.table(by_hand)) == rows(found)


def in_days(table: pa.Table, first: dt.date, last: dt.date) -> pa.Table:
    """Return the rows of some days."""
    return table.filter((pc.field("date") >= first) & (pc.field("date") <= last))


def in_another_order(table: pa.Table) -> pa.Table:
    """Return the same rows in another order."""
    order = list(range(table.num_rows))
    random.Random(1).shuffle(order)
    return table.take(pa.array(order, pa.int64()))
