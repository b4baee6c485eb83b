"""Who a record belongs to: SPEC 6's order, day by day, whatever the row order."""

import datetime as dt
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.identity import LINK_COLUMNS, identify, identity_links, shared_phones
from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, rows
from funnel_assets_tests.domain.worlds import World, at, email, phone, table

DAY = dt.date(2026, 3, 10)
NEXT = DAY + dt.timedelta(days=1)
RECORD_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("date", pa.date32()),
        ("phone_key", pa.string()),
        ("email_key", pa.string()),
    ]
)


def lead(number: int, day: dt.date, minutes: int, **who: Any) -> dict[str, Any]:
    """Return a raw lead of a local day and minute."""
    return {
        "date": day,
        "lead_id": f"l{number}",
        "source_name": "tofu",
        "source_order": 0,
        "created_at": at(day, minutes),
        "phone_status": "ok",
        **who,
    }


def people(
    leads: list[dict[str, Any]], *asked: tuple[dt.date, str | None, str | None]
) -> list[tuple[str, str]]:
    """Return person and reason of each record asked about, given the leads seen."""
    engine = PandasEngine()
    frames = engine.load(
        {
            "raw_leads": table("raw_leads", leads),
            "zoom_attendance": table("zoom_attendance", []),
            "records": pa.Table.from_pylist(
                [
                    {"record_id": f"r{number}", "date": day, "phone_key": phone_key, "email_key": email_key}
                    for number, (day, phone_key, email_key) in enumerate(asked)
                ],
                schema=RECORD_SCHEMA,
            ),
        }
    )
    links = identity_links(frames["raw_leads"], frames["zoom_attendance"])
    found = identify(frames["records"], links, "record_id").sort_values("record_id")
    return list(zip(found["person_id"], found["identified_by"], strict=True))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param((DAY, "p09", "e01"), ("p09", "phone"), id="own phone before the e-mail's"),
        pytest.param((DAY, None, "e01"), ("p01", "email_phone"), id="phone known for the e-mail"),
        pytest.param((DAY, None, "e07"), ("e07", "email"), id="e-mail never seen with a phone"),
        pytest.param((DAY, None, None), ("ar0", "alone"), id="nothing to go by"),
    ],
)
def test_a_person_is_named_by_the_first_thing_a_record_has(asked: Any, expected: tuple[str, str]) -> None:
    assert people([lead(1, DAY, 600, **phone(1), **email(1))], asked) == [expected]


def test_a_link_counts_from_its_local_day_on_even_for_records_earlier_that_day() -> None:
    seen = [lead(1, DAY, 1439, **phone(1), **email(1))]
    before = (DAY - dt.timedelta(days=1), None, "e01")
    assert people(seen, before, (DAY, None, "e01"), (NEXT, None, "e01")) == [
        ("e01", "email"),
        ("p01", "email_phone"),
        ("p01", "email_phone"),
    ]


def test_midnight_parts_two_links() -> None:
    seen = [lead(1, DAY, 1439, **phone(1), **email(1)), lead(2, NEXT, 0, **phone(2), **email(1))]
    assert people(seen, (DAY, None, "e01"), (NEXT, None, "e01")) == [
        ("p01", "email_phone"),
        ("p02", "email_phone"),
    ]


def test_the_latest_sighting_of_the_day_wins_and_a_tie_goes_to_the_key_that_sorts_last() -> None:
    seen = [
        lead(1, DAY, 600, **phone(3), **email(1)),
        lead(2, DAY, 700, **phone(1), **email(1)),
        lead(3, DAY, 700, **phone(2), **email(1)),
    ]
    assert people(seen, (DAY, None, "e01")) == [("p02", "email_phone")]
    assert people(seen[::-1], (DAY, None, "e01")) == [("p02", "email_phone")]


def test_the_sources_own_id_comes_after_the_email_and_before_standing_alone() -> None:
    schema = RECORD_SCHEMA.append(pa.field("external_key", pa.string()))
    records = [
        {"record_id": "r0", "date": DAY, "email_key": "e05", "external_key": "x1"},
        {"record_id": "r1", "date": DAY, "external_key": "x1"},
        {"record_id": "r2", "date": DAY},
    ]
    frame = pa.Table.from_pylist(records, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)
    links = pa.table({name: pa.array([], t) for name, t in _link_types()}).to_pandas(
        types_mapper=pd.ArrowDtype
    )
    found = identify(frame, links, "record_id").sort_values("record_id")
    assert list(found["person_id"]) == ["e05", "x1", "ar2"]
    assert list(found["identified_by"]) == ["email", "external", "alone"]


def _link_types() -> list[tuple[str, pa.DataType]]:
    kinds = {"date": pa.date32(), "seen_at": pa.timestamp("us", tz="UTC")}
    return [(name, kinds.get(name, pa.string())) for name in LINK_COLUMNS]


def test_a_phone_with_three_emails_is_shared_from_the_third_one_on() -> None:
    seen = [
        lead(1, DAY, 600, **phone(1), **email(1)),
        lead(2, DAY, 601, **phone(1), **email(2)),
        lead(3, NEXT, 600, **phone(1), **email(1)),
        lead(4, NEXT + dt.timedelta(days=1), 600, **phone(1), **email(3)),
        lead(5, DAY, 600, **phone(2), **email(1)),
        lead(6, DAY, 600, **phone(2), **email(2)),
    ]
    frames = PandasEngine().load(
        {"raw_leads": table("raw_leads", seen), "zoom_attendance": table("zoom_attendance", [])}
    )
    found = shared_phones(identity_links(**frames))
    assert found.values.tolist() == [["p01", NEXT + dt.timedelta(days=1)]]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_random_worlds_equal_the_slow_model_in_any_row_order(seed: int) -> None:
    world = World(seed, days=12, people=4, rows=40)
    shuffled = {name: _shuffled(found, seed) for name, found in world.tables.items()}
    expected = sorted(
        (row["event_id"], *oracle.person(row, "event_id", oracle.sightings(world.tables)))
        for row in world.tables["engagement_events"].to_pylist()
    )
    for tables in (world.tables, shuffled):
        frames = PandasEngine().load(tables)
        links = identity_links(frames["raw_leads"], frames["zoom_attendance"], frames["engagement_events"])
        found = identify(frames["engagement_events"], links, "event_id")
        assert sorted(found[["event_id", "person_id", "identified_by"]].itertuples(index=False)) == expected


def test_learning_later_days_renames_nobody() -> None:
    world = World(5, days=20, people=5, rows=80)
    engine = DuckEngine()
    cut = world.last - dt.timedelta(days=8)
    frames = engine.load(world.tables)
    names = ("raw_leads", "zoom_attendance", "engagement_events")
    early = {name: frames[name].filter(f"date <= DATE '{cut}'") for name in names}

    def named(links: Any) -> list[tuple[Any, ...]]:
        found = identify(early["raw_leads"], links, "lead_id")
        return rows(engine.table(found.select("lead_id, person_id, identified_by")))

    assert named(identity_links(*early.values())) == named(identity_links(*(frames[name] for name in names)))


def _shuffled(found: pa.Table, seed: int) -> pa.Table:
    order = list(range(found.num_rows))
    World(seed, days=1, people=1, rows=0).random.shuffle(order)
    return found.take(pa.array(order, pa.int64()))
