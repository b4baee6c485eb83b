"""assigned_leads and sales_enriched against the sheet's formulas."""

import datetime as dt
from typing import Any

import narwhals as nw
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.leads import dedup_leads
from funnel_assets.domain.mapping import MISCELLANEOUS
from funnel_assets.domain.sales import assigned_leads, sales_enriched, with_final_funnel
from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, rows
from funnel_assets_tests.domain.pipeline import compute
from funnel_assets_tests.domain.test_attribution import frames, zoom
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import (
    MANUAL_FUNNELS_SCHEMA,
    MANUAL_SCHEMA,
    START,
    World,
    at,
    email,
    manual_funnels_table,
    mapping_table,
    phone,
    plain,
    table,
)

DAY = dt.date(2026, 2, 10)


def later(days: int) -> dt.date:
    """Return the day some days after ``DAY``."""
    return DAY + dt.timedelta(days=days)


def assignment(number: int, day: dt.date, minutes: int = 600, **more: Any) -> dict[str, Any]:
    """Return an assignment of the phone 1."""
    return {
        "date": day,
        "assignment_id": f"g{number}",
        "source_name": "crm",
        "assigned_at": at(day, minutes),
        "lead_source": "fb",
        "employee": "Meera",
        "dump_rank": 0,
        **phone(1),
        **more,
    }


def assigned(assignments: list[Any], meetings: list[Any], day: dt.date = DAY) -> list[dict[str, Any]]:
    """Return the assigned leads of a day."""
    engine = PandasEngine()
    loaded = engine.load(
        {
            "crm_assignments": table("crm_assignments", assignments),
            "zoom_attendance": table("zoom_attendance", meetings),
            "mapping": mapping_table(),
        }
    )
    return engine.table(assigned_leads(**loaded, first=day, last=day)).to_pylist()


def test_the_months_first_assignment_gives_source_funnel_and_employee() -> None:
    assignments = [
        assignment(3, DAY, 600, lead_source="google", employee="Dev"),
        assignment(1, DAY, 600, lead_source="FB ", employee="Meera"),
        assignment(2, DAY, 601, lead_source="youtube"),
        assignment(4, later(1), 10),
        assignment(5, dt.date(2026, 1, 31), 1439),
    ]
    [row] = assigned(assignments, [])
    assert (row["first_source"], row["funnel"], row["employee"]) == ("FB ", "CFA", "Meera")
    assert (row["assignments"], row["attended"], row["person_id"]) == (3, "0", "p01")
    assert assigned(assignments, [], later(1)) == []


@pytest.mark.parametrize(
    ("meetings", "expected"),
    [
        pytest.param([], ("0", None), id="never seen"),
        pytest.param([(0, "N")], ("No", None), id="registered only"),
        pytest.param([(-5, "Y"), (-2, "Y"), (0, "N")], ("Yes", 5), id="attended before"),
        pytest.param([(18, "Y")], ("Yes", None), id="attended later in the month"),
        pytest.param([(19, "Y")], ("0", None), id="attended in the next month"),
        pytest.param([(-90, "Y")], ("Yes", 90), id="ninety days before"),
        pytest.param([(-91, "Y")], ("0", None), id="ninety-one days before"),
    ],
)
def test_attendance_is_looked_up_by_phone(meetings: list[tuple[int, str]], expected: tuple[str, Any]) -> None:
    events = [
        zoom(n, later(days), at(DAY), attended=there, **phone(1)) for n, (days, there) in enumerate(meetings)
    ]
    [row] = assigned([assignment(1, DAY)], events)
    assert (row["attended"], row["assigned_late_days"]) == expected


@pytest.mark.parametrize("seed", range(2))
def test_m0_equals_the_sheet_on_random_worlds(seed: int) -> None:
    world = World(seed, days=110, people=8, rows=120)
    engine = PandasEngine() if seed else DuckEngine()
    since = START + dt.timedelta(days=60)
    found = compute(engine, world.tables, "assigned_leads", since, world.last)
    assert found.num_rows > 10
    assert rows(found) == plain(oracle.assigned_leads(world.tables, since, world.last), found.schema.names)


def enriched(
    sales: list[Any],
    leads: list[Any] | None = None,
    meetings: list[Any] | None = None,
    manual: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return the enriched sales of ``DAY``."""
    engine = PandasEngine()
    typed = [{"sale_id": sale, "value": value} for sale, value in (manual or {}).items()]
    loaded = engine.load(
        {
            "crm_sales": table("crm_sales", sales),
            "manual_mapping": pa.Table.from_pylist(typed, schema=MANUAL_SCHEMA),
            "manual_funnels": manual_funnels_table(),
            "mapping": mapping_table(),
        }
    )
    given = frames(leads or [], meetings or [])
    span: dict[str, dt.date] = {"first": later(-500), "last": later(60)}
    heads = dedup_leads(
        given["raw_leads"], given["zoom_attendance"], given["links"], loaded["mapping"], **span
    )
    found = sales_enriched(**given, dedup_leads=heads, **loaded, first=DAY, last=DAY)
    return sorted(engine.table(found).to_pylist(), key=lambda row: row["sale_id"])


def sale(number: int, **more: Any) -> dict[str, Any]:
    """Return a sale of ``DAY``."""
    return {
        "date": DAY,
        "sale_id": f"s{number}",
        "source_name": "crm",
        "currency": "INR",
        "created_at": at(DAY, 900),
        "status": "success",
        **more,
    }


@pytest.mark.parametrize(
    ("funnel", "manual", "expected"),
    [
        pytest.param(MISCELLANEOUS, "acca PUSH", ("ACCA", "manual_lookup"), id="looked up without case"),
        pytest.param(
            " other  sources (miscellaneous)", "  ACCA  push ", ("ACCA", "manual_lookup"), id="trimmed"
        ),
        pytest.param(MISCELLANEOUS, "unheard of", (MISCELLANEOUS, "miscellaneous_kept"), id="not found"),
        pytest.param(
            f" {MISCELLANEOUS}", None, (f" {MISCELLANEOUS}", "miscellaneous_kept"), id="kept untrimmed"
        ),
        pytest.param("CFA", "ACCA push", ("ACCA push", "manual_value"), id="the value itself, not looked up"),
        pytest.param("CFA", "  ", ("  ", "manual_value"), id="blanks have a length"),
        pytest.param("CFA", "", ("CFA", "crm_funnel"), id="an empty value has none"),
        pytest.param("CFA", None, ("CFA", "crm_funnel"), id="no value"),
        pytest.param(None, "ACCA push", ("ACCA push", "manual_value"), id="no funnel but a value"),
        pytest.param(
            None, None, (MISCELLANEOUS, "miscellaneous_kept"), id="neither: our own, not the sheet's"
        ),
    ],
)
def test_final_funnel_takes_the_formulas_branch(
    funnel: str | None, manual: str | None, expected: tuple[str, str]
) -> None:
    [row] = enriched([sale(1, funnel=funnel)], manual={} if manual is None else {"s1": manual})
    assert (row["final_funnel"], row["final_funnel_rule"]) == expected
    assert row["manual_mapping"] == manual


TYPED = st.one_of(st.none(), st.text(alphabet="aA bB", max_size=5))
AR = st.one_of(TYPED, st.sampled_from([MISCELLANEOUS, MISCELLANEOUS.upper(), f"  {MISCELLANEOUS} "]))


@settings(max_examples=8, deadline=None)
@given(
    cells=st.lists(st.tuples(AR, TYPED), min_size=1, max_size=20),
    values=st.lists(
        st.text(alphabet="aA bB", min_size=1, max_size=4), max_size=6, unique_by=oracle.sheet_trim
    ),
)
def test_final_funnel_equals_the_formula_on_random_cells(cells: list[Any], values: list[str]) -> None:
    keyed = {oracle.sheet_trim(value).lower(): value for value in values if value.strip()}
    rules = [{"value": value, "funnel": f"funnel of {key}"} for key, value in keyed.items()]
    typed = [
        {"sale_id": f"s{n:02d}", "value": value} for n, (_, value) in enumerate(cells) if value is not None
    ]
    sold = [sale(number, sale_id=f"s{number:02d}", funnel=ar) for number, (ar, _) in enumerate(cells)]
    loaded = PandasEngine().load(
        {
            "sales": table("crm_sales", sold).select(["sale_id", "funnel"]),
            "manual_mapping": pa.Table.from_pylist(typed, schema=MANUAL_SCHEMA),
            "manual_funnels": pa.Table.from_pylist(rules, schema=MANUAL_FUNNELS_SCHEMA),
        }
    )
    told = with_final_funnel(**{name: nw.from_native(frame) for name, frame in loaded.items()}).to_native()
    found = told.sort_values("sale_id")[["final_funnel", "final_funnel_rule"]]
    assert list(found.itertuples(index=False, name=None)) == [
        oracle.final_funnel(ar, typed, rules) for ar, typed in cells
    ]


@pytest.mark.parametrize(
    ("status", "paid"),
    [
        ("success", True),
        (None, True),
        ("Payment FAILED", False),
        ("partially refunded", False),
        ("Cancelled by user", False),
        ("charged", True),
    ],
)
def test_a_sale_counts_unless_its_status_says_the_money_is_gone(status: str | None, paid: bool) -> None:
    [row] = enriched([sale(1, status=status)])
    assert row["is_paid"] is paid


def test_a_sale_goes_back_to_its_first_touches_and_counts_days_in_local_days() -> None:
    leads = [
        {**lead(1, dt.date(2026, 1, 25), 1439, **email(1)), "utm_source": "google"},
        {**lead(2, dt.date(2026, 2, 2), 0, **phone(1), **email(1)), "utm_source": "fb"},
        {**lead(3, later(1), 600, **phone(1)), "utm_source": "too late"},
    ]
    [row] = enriched([sale(1, **phone(1))], leads)
    assert (row["first_source"], row["origin_source"], row["days_to_revenue"]) == ("fb", "fb", 8)
    [row] = enriched([sale(1, **email(1))], leads)
    assert (row["person_id"], row["origin_source"], row["attended"]) == ("p01", "fb", "0")


def test_a_sale_without_a_touch_has_no_first_touch_and_no_days() -> None:
    [row] = enriched([sale(1)])
    assert row["person_id"] == "as1"
    firsts = [row[name] for name in row if name.startswith(("first_", "origin_", "ever_", "days_"))]
    assert firsts == [None] * 16
    assert row["is_sold_before_touch"] is False


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        pytest.param([-400, -80, -3], ("n400", "n80", "n3", 400, False), id="older than the look-back"),
        pytest.param([2], ("", None, None, -2, True), id="entered after the sale"),
        pytest.param([-1, 2], ("n1", "n1", "n1", 1, False), id="a later touch doesn't matter"),
        pytest.param([31], ("", None, None, -31, True), id="a month after the sale"),
        pytest.param([32], (None, None, None, None, False), id="too late to have led to it"),
    ],
)
def test_days_to_revenue_go_by_the_first_touch_ever(touched: list[int], expected: tuple[Any, ...]) -> None:
    leads = [
        {**lead(n, later(days), 600, **phone(1)), "utm_source": f"n{-days}" if days < 0 else ""}
        for n, days in enumerate(touched)
    ]
    [row] = enriched([sale(1, **phone(1))], leads)
    names = ("ever_source", "origin_source", "first_source", "days_to_revenue", "is_sold_before_touch")
    assert tuple(row[name] for name in names) == expected


@pytest.mark.parametrize("seed", range(2))
def test_random_worlds_equal_the_slow_model(seed: int) -> None:
    world = World(seed, days=110, people=6, rows=110)
    engine = PandasEngine() if seed else DuckEngine()
    tables = world.tables | {"links": compute(engine, world.tables, "links", START, world.last)}
    tables["dedup_leads"] = compute(engine, tables, "dedup_leads", START, world.last)
    since = START + dt.timedelta(days=40)
    found = compute(engine, tables, "sales_enriched", since, world.last)
    assert found.num_rows > 10
    assert rows(found) == plain(oracle.sales_enriched(world.tables, since, world.last), found.schema.names)
