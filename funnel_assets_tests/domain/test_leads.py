"""dedup_leads: the month's unique leads."""

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, rows
from funnel_assets_tests.domain.pipeline import compute
from funnel_assets_tests.domain.test_attribution import first, zoom
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import START, World, at, email, phone, plain

DAY = dt.date(2026, 2, 10)


def test_a_lead_is_told_from_its_earliest_records() -> None:
    leads = [
        {**lead(1, DAY - dt.timedelta(days=20), 600, **email(1)), "utm_source": "fb", "name": "Asha"},
        {**lead(2, DAY, 600, **phone(1), **email(1)), "utm_source": " Google", "city": "Pune"},
        {**lead(3, DAY, 601, **phone(1), **email(2)), "utm_source": "fb", "name": "A.", "city": "Delhi"},
    ]
    events = [zoom(1, DAY, at(DAY, 1200), **email(1))]
    assert first(leads, events, DAY) == [
        {
            "date": DAY,
            "person_id": "p01",
            "identified_by": "phone",
            "user_id": "919800000001",
            "phone": "919800000001",
            "email": "u1@example.com",
            "name": "A.",
            "city": "Pune",
            "first_touch_at": at(DAY, 600),
            "first_source": " Google",
            "first_medium": None,
            "first_campaign": None,
            "first_funnel": "Google Ads",
            "origin_touch_at": at(DAY, 600),
            "origin_source": " Google",
            "origin_medium": None,
            "origin_campaign": None,
            "origin_funnel": "Google Ads",
            "touches": 3,
            "is_new_person": True,
            "is_shared_phone": False,
        }
    ]


@pytest.mark.parametrize("seed", range(2))
def test_random_worlds_equal_the_slow_model(seed: int) -> None:
    world = World(seed, days=130, people=6, rows=200)
    world.link(5)
    engine = PandasEngine() if seed else DuckEngine()
    since = START + dt.timedelta(days=95)
    tables = world.tables | {"links": compute(engine, world.tables, "links", START, world.last)}
    found = compute(engine, tables, "dedup_leads", since, world.last)
    expected = oracle.dedup_leads(world.tables, since, world.last)
    assert found.num_rows > 8
    assert rows(found) == plain(expected, found.schema.names)


def test_a_months_unique_leads_are_the_disjoint_union_of_its_days() -> None:
    world = World(11, rows=200)
    tables = world.tables | {"links": compute(PandasEngine(), world.tables, "links", START, world.last)}
    found = compute(PandasEngine(), tables, "dedup_leads", START, world.last)
    months = pa.table({"person": found["person_id"], "month": pc.strftime(found["date"], "%Y-%m")})
    people = {(t["person_id"], t["date"].strftime("%Y-%m")) for t in oracle.touches(world.tables)}
    assert months.group_by(["person", "month"]).aggregate([]).num_rows == found.num_rows == len(people)
