"""funnel_marts: additive figures, and a reconciliation that finds what is lost."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from funnel_assets.domain.mapping import MISCELLANEOUS
from funnel_assets.domain.marts import MEASURES, NONE, PARTS
from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import PandasEngine, rows
from funnel_assets_tests.domain.pipeline import build, compute
from funnel_assets_tests.domain.worlds import PRESENT_SCHEMA, START, World

FIRST = START + dt.timedelta(days=8)
SOURCES = ("dedup_leads", "zoom_attendance", "assigned_leads", "sales_enriched", "spend")


@pytest.fixture(scope="module")
def world() -> dict[str, pa.Table]:
    """Return a random world with everything computed."""
    random_world = World(3, rows=120)
    return build(PandasEngine(), random_world.tables, FIRST, random_world.last)


@pytest.fixture(scope="module")
def last() -> dt.date:
    """Return the world's last day."""
    return World(3, rows=0).last


def present(world: dict[str, pa.Table]) -> dict[str, set[dt.date]]:
    """Return the days on which each part is there."""
    days = world["present"].to_pylist()
    return {flag: {row["date"] for row in days if row[flag]} for flag in PARTS}


def spelling(world: dict[str, pa.Table], typed: str) -> str:
    """Return the config's spelling of a funnel, else the mart's own: one capital, then small letters."""
    known = [row["funnel"] for name in ("mapping", "manual_funnels") for row in world[name].to_pylist()]
    return next(
        (name for name in (MISCELLANEOUS, *known) if oracle.same_cell(name, typed)), typed.capitalize()
    )


def in_days(world: dict[str, pa.Table], dataset: str, flag: str) -> list[dict[str, Any]]:
    """Return a dataset's rows of the days computed on which its part is there."""
    days = present(world)[flag]
    return [row for row in world[dataset].to_pylist() if row["date"] >= FIRST and row["date"] in days]


def test_figures_stand_where_the_rules_say(world: dict[str, pa.Table]) -> None:
    expected: Counter[tuple[Any, ...]] = Counter()

    def add(row: dict[str, Any], measure: str, amount: int | None, *dimensions: str | None) -> None:
        funnel, *others = (text.strip() if text and text.strip() else None for text in dimensions)
        place = (spelling(world, funnel or MISCELLANEOUS), *(text or NONE for text in others))
        expected[(row["date"], *place, measure)] += amount or 0

    first = ("first_funnel", "first_source", "first_medium", "first_campaign")
    for row in in_days(world, "dedup_leads", "has_marketing"):
        add(row, "leads", 1, *(row[name] for name in first))
    for row in in_days(world, "assigned_leads", "has_sales"):
        add(row, "handovers", 1, row["funnel"], row["first_source"], None, None)
        add(
            row,
            "handovers_attended",
            int(row["attended"] == "Yes"),
            row["funnel"],
            row["first_source"],
            None,
            None,
        )
    for row in in_days(world, "sales_enriched", "has_sales"):
        place = (row["final_funnel"], row["origin_source"], row["origin_medium"], row["origin_campaign"])
        if row["is_paid"]:
            add(row, "sales", 1, *place)
            add(row, "gross_revenue_paise", row["total_amount_paise"], *place)
            add(row, "net_revenue_paise", row["net_amount_paise"], *place)
    for row in in_days(world, "spend", "has_spend"):
        place = (row["funnel"], row["platform"], row["campaign_type"], row["campaign"])
        for measure, name in (
            ("spend_paise", "cost_paise"),
            ("impressions", "impressions"),
            ("clicks", "clicks"),
        ):
            add(row, measure, row[name], *place)
        add(row, "spend_lines", 1, *place)
        add(row, "impressions_lines", int(row["impressions"] is not None), *place)
        add(row, "clicks_lines", int(row["clicks"] is not None), *place)
    dimensions = ("date", "funnel", "source", "medium", "campaign")
    found = {
        (*(row[name] for name in dimensions), measure): row[measure]
        for row in world["funnel_marts"].to_pylist()
        for measure in MEASURES
        if row[measure] and measure not in ("registrations", "attended")
    }
    assert found == {place: amount for place, amount in expected.items() if amount}


def test_spend_by_funnel_is_the_sheets_sumifs_however_people_type_the_funnel(
    world: dict[str, pa.Table],
) -> None:
    marts, spent = world["funnel_marts"].to_pylist(), in_days(world, "spend", "has_spend")
    typed = {row["funnel"] for row in spent}
    funnels = {row["funnel"] for row in marts}
    assert len(typed) > len({text.strip().lower() for text in typed}) > 1
    assert len(funnels) == len({name.strip().lower() for name in funnels}), "one spelling of each"
    for day in {row["date"] for row in spent}:
        for funnel in typed:
            found = [row for row in marts if row["date"] == day and oracle.same_cell(row["funnel"], funnel)]
            total = sum(row["spend_paise"] or 0 for row in found)
            assert total == oracle.sumifs(spent, "cost_paise", funnel, day)
    assert {"ACCA", "New launch"} <= funnels


def test_registrations_and_attendances_stand_under_the_persons_first_touch_of_the_month(
    world: dict[str, pa.Table],
) -> None:
    heads = {
        (row["person_id"], row["date"].month): tuple(
            (row[name] or "").strip() or NONE
            for name in ("first_funnel", "first_source", "first_medium", "first_campaign")
        )
        for row in world["dedup_leads"].to_pylist()
    }
    seen = oracle.sightings(world)
    expected: Counter[tuple[Any, ...]] = Counter()
    for row in in_days(world, "zoom_attendance", "has_marketing"):
        person, _ = oracle.person(row, "attendance_id", seen)
        place = (row["date"], *heads[person, row["date"].month])
        expected[(*place, "registrations")] += row["attendance_type"] != "walk_in"
        expected[(*place, "attended")] += row["attended"] == "Y"
    dimensions = ("date", "funnel", "source", "medium", "campaign")
    found = {
        (*(row[name] for name in dimensions), measure): row[measure]
        for row in world["funnel_marts"].to_pylist()
        for measure in ("registrations", "attended")
        if row[measure]
    }
    assert expected.total() > 10
    assert found == {place: count for place, count in expected.items() if count}


def test_a_missing_part_is_null_and_flagged_while_the_others_are_told(
    world: dict[str, pa.Table], last: dt.date
) -> None:
    days = [{"date": FIRST, "has_marketing": True, "has_spend": False, "has_sales": False}]
    tables = {**world, "present": pa.Table.from_pylist(days, schema=PRESENT_SCHEMA)}
    found = compute(PandasEngine(), tables, "funnel_marts", FIRST, last)
    assert set(found["date"].to_pylist()) == {FIRST}
    for flag, measures in PARTS.items():
        is_there = flag == "has_marketing"
        assert set(found[flag].to_pylist()) == {is_there}
        for measure in measures:
            assert (found[measure].null_count == 0) is is_there
    assert pc.sum(found["leads"]).as_py() > 0
    assert not any(row["difference"] for row in reconciled(tables, found, last))


def test_a_sum_of_clicks_is_known_where_a_line_states_it_and_says_how_many_do(
    world: dict[str, pa.Table], last: dt.date
) -> None:
    def line(number: int, campaign: str, clicks: int | None) -> dict[str, Any]:
        row = {"date": FIRST, "spend_id": str(number), "campaign": campaign, "clicks": clicks}
        return row | {"source_name": "ads", "currency": "INR", "cost_paise": 100, "funnel": "ACCA"}

    lines = [("none", None), ("some", 5), ("some", None), ("all", 0), ("all", 7)]
    spent = [line(number, *told) for number, told in enumerate(lines)]
    days = [{"date": FIRST, **dict.fromkeys(PARTS, True)}]
    tables = {
        **world,
        "spend": pa.Table.from_pylist(spent, schema=world["spend"].schema),
        "present": pa.Table.from_pylist(days, schema=PRESENT_SCHEMA),
    }
    marts = compute(PandasEngine(), tables, "funnel_marts", FIRST, last)
    found = marts.to_pylist()
    told = {row["campaign"]: row for row in found if row["spend_lines"]}
    assert {
        name: (row["clicks"], row["clicks_lines"], row["spend_lines"], row["impressions"])
        for name, row in told.items()
    } == {"none": (None, 0, 1, None), "some": (5, 1, 2, None), "all": (7, 2, 2, None)}
    assert {row["clicks"] for row in found if not row["spend_lines"]} == {0}
    assert not any(row["difference"] for row in reconciled(tables, marts, last))


def reconciled(tables: dict[str, pa.Table], marts: pa.Table, last: dt.date) -> list[dict[str, Any]]:
    """Return the reconciliation of a mart."""
    return compute(
        PandasEngine(), {**tables, "funnel_marts": marts}, "reconciliation", FIRST, last
    ).to_pylist()


def test_every_figure_reconciles_with_its_source(world: dict[str, pa.Table]) -> None:
    found = world["reconciliation"].to_pylist()
    assert {row["step"].split(": ")[1] for row in found} == set(MEASURES)
    assert [row for row in found if row["difference"]] == []
    assert sum(row["expected"] for row in found) > 0


def without_a_row(marts: pa.Table, measure: str) -> pa.Table:
    """Lose a row of the mart that carries a figure."""
    position = next(n for n, value in enumerate(marts[measure].to_pylist()) if value)
    return pa.concat_tables([marts.slice(0, position), marts.slice(position + 1)])


def doubled(marts: pa.Table, measure: str) -> pa.Table:
    """Count a figure twice, as a join that fans out would."""
    at = marts.schema.get_field_index(measure)
    return marts.set_column(at, measure, pc.multiply(marts[measure], 2))


def nulled(marts: pa.Table, measure: str) -> pa.Table:
    """Lose a figure altogether."""
    at = marts.schema.get_field_index(measure)
    return marts.set_column(at, measure, pa.nulls(marts.num_rows, pa.int64()))


BREAKAGES = (without_a_row, doubled, nulled)


@pytest.mark.parametrize(
    ("measure", "broken"),
    [(measure, BREAKAGES[number % 3]) for number, measure in enumerate(MEASURES)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_each_step_that_loses_or_doubles_something_is_named(
    world: dict[str, pa.Table], last: dt.date, measure: str, broken: Callable[[pa.Table, str], pa.Table]
) -> None:
    marts = world["funnel_marts"]
    found = reconciled(world, broken(marts, measure), last)
    named = {row["step"] for row in found if row["difference"]}
    assert any(step.endswith(f": {measure}") for step in named)
    if broken is not without_a_row:
        assert len(named) == 1


def test_a_day_that_the_mart_lost_whole_is_named(world: dict[str, pa.Table], last: dt.date) -> None:
    marts = world["funnel_marts"]
    day = marts["date"][0].as_py()
    found = reconciled(world, marts.filter(pc.field("date") != day), last)
    assert {row["day"] for row in found if row["difference"]} == {day}


def test_campaigns_add_up_to_funnels_and_days_to_months(world: dict[str, pa.Table], last: dt.date) -> None:
    halfway = FIRST + dt.timedelta(days=13)
    parts = [
        compute(PandasEngine(), world, "funnel_marts", first, until)
        for first, until in ((FIRST, halfway), (halfway + dt.timedelta(days=1), last))
    ]
    assert rows(pa.concat_tables(parts)) == rows(world["funnel_marts"])
    assert len(
        set(map(repr, rows(world["funnel_marts"].select(["date", "funnel", "source", "medium", "campaign"]))))
    ) == (world["funnel_marts"].num_rows)
