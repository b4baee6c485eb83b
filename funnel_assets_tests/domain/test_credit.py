"""sale_credit against a slow model in fractions: each model adds up to the sale, to the paisa."""

import datetime as dt
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from funnel_assets.domain.credit import DECAY_UNIT, HALF_LIFE_DAYS, MODELS, sale_credit
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine
from funnel_assets_tests.domain.pipeline import compute
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import START, World, mapping_table, phone, table

DAY = dt.date(2026, 4, 10)
AMOUNTS = ("gross_revenue_paise", "net_revenue_paise")
LINKS = pa.schema(
    [(name, pa.string()) for name in ("email_key", "phone_key", "phone")]
    + [("date", pa.date32()), ("name", pa.string()), ("seen_at", pa.timestamp("us", tz="UTC"))]
)


Case = tuple[list[int], dict[str, Any]]


def credited(engine: Any, *cases: Case) -> list[dict[str, Any]]:
    """Return the credit of sales on ``DAY``, each to a person of its own who left a form so many days before."""
    forms = [
        lead(100 * who + n, DAY - dt.timedelta(days=age), minutes=n, **phone(who))
        for who, (ages, _) in enumerate(cases)
        for n, age in enumerate(ages)
    ]
    common = {"date": DAY, "is_paid": True, "currency": "INR", "total_amount_paise": 100}
    sold = [
        {**common, "sale_id": f"s{who:02d}", "person_id": f"p{who:02d}", **sale}
        for who, (_, sale) in enumerate(cases)
    ]
    loaded = engine.load(
        {
            "sales_enriched": table("sales_enriched", sold),
            "raw_leads": table("raw_leads", forms),
            "zoom_attendance": table("zoom_attendance", []),
            "links": LINKS.empty_table(),
            "mapping": mapping_table(),
        }
    )
    found = engine.table(sale_credit(**loaded, first=DAY, last=DAY, materialize=engine.materialize))
    return sorted(
        found.to_pylist(), key=lambda row: (row["sale_id"], MODELS.index(row["model"]), row["touch_number"])
    )


def weight(model: str, number: int, ages: list[int]) -> int:
    """Say a model's weight of the n-th of the touches so many days ago, oldest first."""
    count = len(ages)
    if model in ("first_touch", "last_touch"):
        return int(number == (0 if model == "first_touch" else count - 1))
    if model == "position_based" and count > 2:
        return 2 * (count - 2) if number in (0, count - 1) else 1
    if model == "time_decay":
        return round(DECAY_UNIT * 0.5 ** ((ages[number] - ages[-1]) / HALF_LIFE_DAYS))
    return 1


def divided(amount: int, weights: list[int]) -> list[int]:
    """Divide by largest remainder, ties to the earlier, in fractions."""
    sign, size = (-1 if amount < 0 else 1), abs(amount)
    exact = [Fraction(size * each, sum(weights)) for each in weights]
    parts = [int(each) for each in exact]
    first = sorted(range(len(parts)), key=lambda n: (parts[n] - exact[n], n))
    for number in first[: size - sum(parts)]:
        parts[number] += 1
    return [sign * part for part in parts]


AGES = st.lists(st.integers(0, 90), max_size=9).map(lambda ages: sorted(ages, reverse=True))
AMOUNT = st.none() | st.integers(-(10**6), 10**6) | st.integers(0, 10**15)


@pytest.mark.parametrize("engine", [PandasEngine(), DuckEngine()], ids=lambda engine: engine.name)
@settings(max_examples=1, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(cases=st.lists(st.tuples(AGES, AMOUNT), min_size=20, max_size=40))
@example(cases=[([3, 2, 1], amount) for amount in range(12)])
def test_every_model_divides_every_amount_exactly(
    engine: Any, cases: list[tuple[list[int], int | None]]
) -> None:
    sales = [(ages, {"total_amount_paise": amount, "net_amount_paise": 100}) for ages, amount in cases]
    rows = credited(engine, *sales)
    for number, (ages, amount) in enumerate(cases):
        for model in MODELS:
            of = [row for row in rows if row["sale_id"] == f"s{number:02d}" and row["model"] == model]
            every = [weight(model, n, ages) for n in range(len(ages))] or [1]
            kept = [n for n, each in enumerate(every) if each]
            parts = [None] * len(every) if amount is None else divided(amount, every)
            assert [row["gross_revenue_paise"] for row in of] == [parts[n] for n in kept]
            assert sum(row["net_revenue_paise"] for row in of) == 100
            assert [row["touch_number"] for row in of] == ([n + 1 for n in kept] if ages else [0])
            assert sum(row["share"] for row in of) == pytest.approx(1)


def test_the_models_say_what_they_are_known_for() -> None:
    rows = credited(PandasEngine(), ([14, 7, 3, 0], {"total_amount_paise": 100_00}), ([5, 4, 3], {}))
    found = {model: [r["gross_revenue_paise"] for r in rows if r["model"] == model] for model in MODELS}
    decay = found.pop("time_decay")
    assert found == {
        "first_touch": [100_00, 100],
        "last_touch": [100_00, 100],
        # The paisa that is left over goes to the earlier touch.
        "linear": [25_00, 25_00, 25_00, 25_00, 34, 33, 33],
        "position_based": [40_00, 10_00, 10_00, 40_00, 40, 20, 40],
    }
    assert decay[1] == pytest.approx(2 * decay[0], abs=2)
    assert decay[3] == pytest.approx(4 * decay[0], abs=4)


def test_a_touch_outside_the_look_back_or_after_the_sale_has_no_credit() -> None:
    rows = credited(PandasEngine(), ([91, 90, 0, -1], {}))
    assert {row["touches"] for row in rows} == {2}
    assert {row["touch_date"] for row in rows} == {DAY - dt.timedelta(days=90), DAY}


def test_an_unpaid_sale_has_none_and_a_sale_without_touch_keeps_its_revenue() -> None:
    rows = credited(PandasEngine(), ([1], {"is_paid": False}), ([], {}))
    assert [row["model"] for row in rows] == list(MODELS)
    told = {(row["sale_id"], row["touch_number"], row["source"], row["gross_revenue_paise"]) for row in rows}
    assert told == {("s01", 0, None, 100)}
    assert {row["funnel"] for row in rows} == {"Other Sources (Miscellaneous)"}


def test_credit_adds_up_over_a_world_and_first_touch_is_the_origin() -> None:
    world = World(1, days=100, people=6, rows=150)
    built = dict(world.tables)
    for dataset in ("links", "dedup_leads", "sales_enriched", "sale_credit"):
        built[dataset] = compute(DuckEngine(), built, dataset, START, world.last)
    sales = {row["sale_id"]: row for row in built["sales_enriched"].to_pylist() if row["is_paid"]}
    sums: dict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(AMOUNTS, 0))
    for row in built["sale_credit"].to_pylist():
        sale = sales[row["sale_id"]]
        assert (row["date"], row["person_id"]) == (sale["date"], sale["person_id"])
        for amount in AMOUNTS:
            sums[row["sale_id"], row["model"]][amount] += row[amount] or 0
        if row["model"] == "first_touch":
            assert row["touched_at"] == sale["origin_touch_at"]
            assert (row["source"], row["medium"]) == (sale["origin_source"], sale["origin_medium"])
            if row["touch_number"]:
                assert row["funnel"] == sale["origin_funnel"]
    assert sums == {
        (sale_id, model): {
            "gross_revenue_paise": sale["total_amount_paise"] or 0,
            "net_revenue_paise": sale["net_amount_paise"] or 0,
        }
        for sale_id, sale in sales.items()
        for model in MODELS
    }
