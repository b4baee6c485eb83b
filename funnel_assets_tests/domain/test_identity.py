"""Who a record belongs to: SPEC 6's order, day by day, whatever the row order."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.identity import LINK_COLUMNS, identify, identity_links, opened
from funnel_assets.domain.link_rows import CANNOT_LINK, MUST_LINK, LinkRow, apart_table, people_table
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
    leads: list[dict[str, Any]],
    *asked: tuple[dt.date, str | None, str | None],
    rows: Sequence[LinkRow] = (),
) -> list[tuple[str, str]]:
    """Return person and reason of each record asked about, given the leads seen and link rows."""
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
    decided = engine.load({"people": people_table(rows), "apart": apart_table(rows)}) if rows else {}
    found = identify(frames["records"], opened(links, **decided), "record_id").sort_values("record_id")
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
    found = opened(identity_links(**frames)).shared.to_native()
    assert found.values.tolist() == [["p01", NEXT + dt.timedelta(days=1)]]


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_random_worlds_equal_the_slow_model_in_any_row_order(seed: int) -> None:
    world = World(seed, days=12, people=4, rows=40)
    world.link(4)
    shuffled = {name: _shuffled(found, seed) for name, found in world.tables.items()}
    expected = sorted(
        (row["event_id"], *oracle.person(row, "event_id", oracle.sightings(world.tables)))
        for row in world.tables["engagement_events"].to_pylist()
    )
    for tables in (world.tables, shuffled):
        frames = PandasEngine().load(tables)
        links = identity_links(frames["raw_leads"], frames["zoom_attendance"], frames["engagement_events"])
        who = opened(links, people=frames["people"], apart=frames["apart"])
        found = identify(frames["engagement_events"], who, "event_id")
        assert sorted(found[["event_id", "person_id", "identified_by"]].itertuples(index=False)) == expected
        for row in world.link_rows:
            of_a, of_b = (
                set(found.loc[found[column] == key, "person_id"])
                for key in (row.a, row.b)
                for column in ("email_key" if key[0] == "e" else "own_phone_key",)
            )
            assert row.action == MUST_LINK or not of_a & of_b


@pytest.mark.parametrize("seed", [5, 6])
def test_learning_later_days_renames_nobody(seed: int) -> None:
    world = World(seed, days=20, people=5, rows=80)
    world.link(seed - 1)
    engine = DuckEngine()
    cut = world.last - dt.timedelta(days=8)
    frames = engine.load(world.tables)
    names = ("raw_leads", "zoom_attendance", "engagement_events")
    early = {name: frames[name].filter(f"date <= DATE '{cut}'") for name in names}

    def named(links: Any) -> list[tuple[Any, ...]]:
        who = opened(
            engine.materialize(links), engine.materialize, people=frames["people"], apart=frames["apart"]
        )
        found = identify(early["raw_leads"], who, "lead_id", materialize=engine.materialize)
        return rows(engine.table(found.select("lead_id, person_id, identified_by")))

    assert named(identity_links(*early.values())) == named(identity_links(*(frames[name] for name in names)))


def named_lead(number: int, day: dt.date, minutes: int, name: str | None, **who: Any) -> dict[str, Any]:
    """Return a raw lead with a name."""
    return {**lead(number, day, minutes, **who), "name": name}


@pytest.mark.parametrize(
    ("name", "is_stranger"),
    [
        ("Bina Rao", True),
        ("asha k.", False),
        (" ASHA", False),
        ("A. Rao", False),
        ("Dr. Asha Rao", False),
        ("Rao, Asha", False),
        ("Rao , Dr. Asha", False),
        ("Rao, Bina", True),
        ("Bina Rao, MBA", True),
        ("Asha Rao, MBA", False),
        ("Ash", False),
        ("Om", True),
        (None, False),
        ("आशा", False),
    ],
)
def test_another_email_with_another_first_name_is_a_stranger_to_the_phone(
    name: str | None, is_stranger: bool
) -> None:
    seen = [
        named_lead(1, DAY, 600, "Asha Rao", **phone(1), **email(1)),
        named_lead(2, NEXT, 600, name, **phone(1), **email(2)),
    ]
    later = NEXT + dt.timedelta(days=1)
    asked = [(NEXT, "p01", "e02"), (later, None, "e02"), (later, None, "e01"), (later, "p01", None)]
    theirs = ("e02", "shared_phone"), ("e02", "email")
    same = ("p01", "phone"), ("p01", "email_phone")
    expected = [*(theirs if is_stranger else same), ("p01", "email_phone"), ("p01", "phone")]
    assert people(seen, *asked) == expected


def test_a_counsellors_number_is_nobodys_but_its_first_holders() -> None:
    seen = [
        named_lead(n, DAY, 600 + n, name, **phone(9), **email(n))
        for n, name in enumerate(("Asha", "Bina", "Chetan", "Deepa"))
    ]
    asked = [(NEXT, "p09", f"e0{n}") for n in range(4)]
    assert [who for who, _ in people(seen, *asked)] == ["p09", "e01", "e02", "e03"]


def test_a_mistyped_email_of_the_same_name_stays_one_person() -> None:
    seen = [
        named_lead(1, DAY, 600, "Asha Rao", **phone(1), **email(1)),
        named_lead(2, DAY, 601, "asha rao", **phone(1), **email(2)),
    ]
    assert people(seen, (NEXT, None, "e02"), (NEXT, "p01", "e02")) == [
        ("p01", "email_phone"),
        ("p01", "phone"),
    ]


def must(a: str, b: str) -> LinkRow:
    return LinkRow(MUST_LINK, a, b)


def cannot(a: str, b: str) -> LinkRow:
    return LinkRow(CANNOT_LINK, a, b)


JOINED = [must("e01", "e02")]
TWO = [lead(1, DAY, 600, **phone(1), **email(1)), lead(2, NEXT, 600, **phone(2), **email(2))]
FAMILY = [lead(1, DAY, 600, **phone(1), **email(1)), lead(2, NEXT, 600, **phone(1), **email(2))]


@pytest.mark.parametrize(
    ("seen", "rows", "asked", "expected"),
    [
        pytest.param(
            TWO, JOINED, [(NEXT, "p01", None), (NEXT, "p02", None), (NEXT, None, "e02")],
            ["e01", "e01", "e01"], id="e-mails join the phones seen with them",
        ),
        pytest.param(
            TWO, JOINED, [(DAY, "p01", None), (DAY, "p02", None)],
            ["e01", "p02"], id="from the day on which they were seen",
        ),
        pytest.param(
            TWO, [must("p02", "p01")], [(DAY, "p01", None), (DAY, "p02", None), (NEXT, None, "e02")],
            ["p01", "p01", "p01"], id="phones join always",
        ),
        pytest.param(
            TWO, [must("e01", "p09"), must("p09", "p02")], [(NEXT, "p01", None), (NEXT, "p02", "e07")],
            ["p02", "p02"], id="through a third",
        ),
        pytest.param(
            FAMILY, [cannot("e02", "e01")], [(NEXT, "p01", "e01"), (NEXT, "p01", "e02"), (NEXT, None, "e02")],
            ["p01", "e02", "e02"], id="of two who share a phone the later stands alone",
        ),
        pytest.param(
            FAMILY, [cannot("p01", "e01")], [(NEXT, "p01", "e01"), (NEXT, None, "e01"), (NEXT, "p01", "e02")],
            ["e01", "e01", "p01"], id="a phone that isn't theirs",
        ),
        pytest.param(
            TWO, [*JOINED, cannot("p01", "p02")], [(NEXT, "p01", None), (NEXT, "p02", None), (NEXT, None, "e02")],
            ["e01", "p02", "e01"], id="parted although e-mails that are one were seen with them",
        ),
        pytest.param(
            TWO, [must("p01", "p02"), cannot("e01", "e02")], [(NEXT, "p01", "e01"), (NEXT, "p02", "e02")],
            ["p01", "e02"], id="parted although their phones are one",
        ),
        pytest.param(
            FAMILY, [cannot("e02", "e01"), must("e02", "p08")], [(NEXT, "p01", "e02"), (NEXT, "p08", None)],
            ["p08", "p08"], id="the later one belongs to their own group",
        ),
        pytest.param(
            FAMILY, [cannot("e02", "e01")], [(NEXT, "p01", "e05"), (NEXT, "p01", None)],
            ["p01", "p01"], id="others stay",
        ),
    ],
)  # fmt: skip
def test_link_rows_join_and_part(
    seen: list[dict[str, Any]], rows: list[LinkRow], asked: list[Any], expected: list[str]
) -> None:
    assert [who for who, _ in people(seen, *asked, rows=rows)] == expected
    backwards = [LinkRow(row.action, row.b, row.a) for row in rows[::-1]]
    assert [who for who, _ in people(seen[::-1], *asked, rows=backwards)] == expected


def test_records_that_a_row_put_where_they_are_say_so() -> None:
    asked = [(NEXT, "p01", "e01"), (NEXT, "p01", "e02"), (NEXT, "p02", None), (NEXT, None, "e02")]
    found = people(FAMILY, *asked, rows=[cannot("e01", "e02"), must("p02", "p01")])
    assert found == [("p01", "phone"), ("e02", "cannot_link"), ("p01", "must_link"), ("e02", "cannot_link")]


def _shuffled(found: pa.Table, seed: int) -> pa.Table:
    order = list(range(found.num_rows))
    World(seed, days=1, people=1, rows=0).random.shuffle(order)
    return found.take(pa.array(order, pa.int64()))
