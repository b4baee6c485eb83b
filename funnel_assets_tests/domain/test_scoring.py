"""scored_contacts: states as rows of change."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from funnel_assets.config.tables import load_tables
from funnel_assets.domain.scoring import Rules, intent_index, scored_contacts
from funnel_assets.errors import ConfigError
from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, rows
from funnel_assets_tests.domain.pipeline import compute
from funnel_assets_tests.domain.rules import NURTURE_TRACKS, PLAYBOOKS, RULES, STAGES
from funnel_assets_tests.domain.worlds import OVERRIDES_SCHEMA, START, World, at, plain, table

DAY = dt.date(2026, 2, 10)
PAID_SCHEMA = pa.schema([("person_id", pa.string()), ("date", pa.date32())])


def later(days: int) -> dt.date:
    """Return the day some days after ``DAY``."""
    return DAY + dt.timedelta(days=days)


def active(day: dt.date, **totals: int) -> dict[str, Any]:
    """Return a summary row of person p1."""
    counts = dict.fromkeys((*oracle.COUNTS, "minutes"), 0)
    return {
        "date": day,
        "person_id": "p1",
        **counts,
        **{f"total_{name}": 0 for name in counts},
        **{f"total_{name}": count for name, count in totals.items()},
        "open_deals": totals.get("open_deals", 0),
        "first_engaged_at": at(day),
        "last_engaged_at": at(day),
        "channel": "LinkedIn",
    }


def states(
    summary: list[Any],
    *,
    paid: list[dt.date] | None = None,
    overrides: list[Any] | None = None,
    rules: Rules | None = None,
    first: dt.date = DAY,
    last: dt.date = DAY + dt.timedelta(days=100),
) -> list[dict[str, Any]]:
    """Return the changes of person p1 in order of days."""
    engine = PandasEngine()
    frames = engine.load(
        {
            "engagement_summary": table("engagement_summary", summary),
            "paid_sales": pa.Table.from_pylist(
                [{"person_id": "p1", "date": day} for day in paid or []], schema=PAID_SCHEMA
            ),
            "overrides": pa.Table.from_pylist(overrides or [], schema=OVERRIDES_SCHEMA),
        }
    )
    found = scored_contacts(**frames, rules=rules or RULES, first=first, last=last)
    return sorted(engine.table(found).to_pylist(), key=lambda row: row["date"])


def told(found: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Return the day and some fields of each change."""
    return [(row["date"], *(row[name] for name in names)) for row in found]


def test_health_turns_on_day_15_and_46_without_any_activity() -> None:
    assert told(states([active(DAY)]), "engagement_health", "next_playbook", "sales_priority") == [
        (DAY, "Active", "Education", "low"),
        (later(15), "Stale", "Reactivation", "medium"),
        (later(46), "Dormant", "Reactivation", "low"),
    ]


def test_activity_in_time_keeps_a_contact_active_and_makes_no_row() -> None:
    found = states([active(DAY), active(later(14)), active(later(29))], last=later(50))
    assert told(found, "engagement_health") == [(DAY, "Active"), (later(44), "Stale")]
    assert found[1]["last_engaged_at"] == at(later(29))


def test_activity_on_the_day_of_turning_makes_no_row_and_later_it_wakes_the_contact() -> None:
    assert told(states([active(DAY), active(later(15))], last=later(15)), "engagement_health") == [
        (DAY, "Active")
    ]
    assert told(states([active(DAY), active(later(16))], last=later(16)), "engagement_health") == [
        (DAY, "Active"),
        (later(15), "Stale"),
        (later(16), "Active"),
    ]


@pytest.mark.parametrize(
    ("totals", "paid", "stage", "reason", "owner"),
    [
        ({"views": 50}, False, "Lead", "Known to us", "Marketing"),
        ({"downloads": 1, "attendances": 1}, False, "MQL", "Downloaded something", "Marketing Ops"),
        ({"attendances": 1}, False, "MQL", "Attended a webinar", "Marketing Ops"),
        ({"follow_ups": 3}, False, "Lead", "Known to us", "Marketing"),
        ({"demos_booked": 1}, False, "SQL", "Booked a demo", "Sales"),
        (
            {"demos_booked": 1, "follow_ups": 1},
            False,
            "Opportunity",
            "Booked a demo and attended a follow-up",
            "Sales",
        ),
        (
            {"demos_booked": 1, "open_deals": 1},
            False,
            "Opportunity",
            "Booked a demo and has an open deal",
            "Sales",
        ),
        ({"open_deals": 1}, False, "Lead", "Known to us", "Marketing"),
        ({"deals_closed": 1}, False, "Customer", "Deal closed", "Customer Success"),
        ({"views": 1}, True, "Customer", "Paid sale", "Customer Success"),
    ],
)
def test_the_highest_stage_that_holds_wins_and_the_score_sets_none(
    totals: dict[str, int], paid: bool, stage: str, reason: str, owner: str
) -> None:
    [row] = states([active(DAY, **totals)], paid=[DAY] if paid else None, last=DAY)
    assert (row["current_stage"], row["stage_reason"], row["owner_department"]) == (stage, reason, owner)


def test_a_paid_sale_after_the_last_activity_makes_a_customer_on_its_day_for_ever() -> None:
    found = states([active(DAY, views=1)], paid=[later(3), later(60)])
    assert told(found, "current_stage", "previous_stage", "engagement_health") == [
        (DAY, "Lead", None, "Active"),
        (later(3), "Customer", "Lead", "Active"),
        (later(15), "Customer", "Customer", "Stale"),
        (later(46), "Customer", "Customer", "Dormant"),
    ]


def test_somebody_who_only_paid_is_a_contact_whose_health_counts_from_the_payment() -> None:
    found = states([active(later(50), views=1)], paid=[DAY, later(10)], last=later(50))
    assert told(found, "intent_score", "current_stage", "engagement_health", "last_engaged_at") == [
        (DAY, 0, "Customer", "Active", None),
        (later(25), 0, "Customer", "Stale", None),
        (later(50), 10, "Customer", "Active", at(later(50))),
    ]


def override(field: str, value: str, since: dt.date, until: dt.date | None = None) -> dict[str, Any]:
    """Return an override of person p1."""
    return {
        "person_id": "p1",
        "field": field,
        "value": value,
        "reason": "called",
        "author": "ops",
        "effective_on": since,
        "expires_on": until,
    }


def test_overrides_start_and_end_as_changes_and_the_latest_wins() -> None:
    overrides = [
        override("current_stage", "SQL", later(2), later(6)),
        override("current_stage", "Customer", later(4), later(5)),
        override("sales_priority", "high", later(2), later(6)),
    ]
    found = states([active(DAY)], overrides=overrides, last=later(10))
    assert told(found, "current_stage", "previous_stage", "sales_priority", "override_applied") == [
        (DAY, "Lead", None, "low", None),
        (later(2), "SQL", "Lead", "high", "current_stage,sales_priority"),
        (later(4), "Customer", "SQL", "high", "current_stage,sales_priority"),
        (later(5), "SQL", "Customer", "high", "current_stage,sales_priority"),
        (later(6), "Lead", "SQL", "low", None),
    ]


def test_an_overridden_stage_carries_its_reason_and_author_and_moves_all_that_follows_from_it() -> None:
    overrides = [
        override("current_stage", "SQL", later(2)),
        {**override("current_stage", "SQL", later(4)), "reason": "met at the fair", "author": "asha"},
        override("nurture_track", "Low", later(6)),
    ]
    found = states([active(DAY)], overrides=overrides, last=later(8))
    follow = ("stage_reason", "stage_author", "owner_department", "nurture_track", "track_frequency")
    assert told(found, *follow, "next_playbook") == [
        (DAY, "Known to us", None, "Marketing", "Low", "Every two weeks", "Education"),
        (later(2), "called", "ops", "Sales", "High", "Every 3 days", "Conversion"),
        (later(4), "met at the fair", "asha", "Sales", "High", "Every 3 days", "Conversion"),
        (later(6), "met at the fair", "asha", "Sales", "Low", "Every 3 days", "Conversion"),
    ]


def test_an_override_before_the_contact_is_known_holds_from_the_first_day() -> None:
    [row] = states([active(DAY)], overrides=[override("nurture_track", "High", later(-30))], last=DAY)
    assert (row["nurture_track"], row["override_applied"]) == ("High", "nurture_track")


def test_rules_are_data() -> None:
    stages = (
        *STAGES,
        {**STAGES[1], "activity": "view", "minimum": 3, "reason": "Viewed three times"},
    )
    rules = replace(RULES, stages=stages, scoring=({"activity": "view", "points": "7"},))
    found = states([active(DAY, views=2), active(later(1), views=3)], rules=rules, last=later(1))
    assert told(found, "intent_score", "current_stage", "stage_reason") == [
        (DAY, 14, "Lead", "Known to us"),
        (later(1), 21, "MQL", "Viewed three times"),
    ]


@pytest.mark.parametrize(
    ("change", "file", "line"),
    [
        ({"stages": [*STAGES, {**STAGES[1], "activity": "jump"}]}, "stages.csv", 2 + len(STAGES)),
        ({"stages": [{**STAGES[0], "stage": "Fan"}]}, "stages.csv", 2),
        (
            {"stages": [*STAGES[:1], {**STAGES[1], "requires_stage": "SQL"}]},
            "stages.csv",
            None,
        ),
        ({"stages": STAGES[1:]}, "stages.csv", None),
        ({"nurture_tracks": NURTURE_TRACKS[1:]}, "nurture_tracks.csv", None),
        ({"playbooks": PLAYBOOKS[:1]}, "playbooks.csv", None),
        ({"playbooks": [{**PLAYBOOKS[-1], "priority": "urgent"}]}, "playbooks.csv", 2),
    ],
    ids=[
        "unknown activity",
        "unknown stage",
        "requires a higher stage",
        "no stage for everybody",
        "stage without a track",
        "no playbook for everybody",
        "unknown priority",
    ],
)
def test_rules_that_cannot_work_are_named(change: dict[str, Any], file: str, line: int | None) -> None:
    with pytest.raises(ConfigError) as error:
        replace(RULES, **change)
    assert (error.value.file, error.value.line) == (file, line)
    assert error.value.fix


def test_other_event_types_give_the_points_that_their_day_says() -> None:
    rules = replace(
        RULES, scoring=[{"activity": "view", "points": 10}, {"activity": "poll_answered", "points": 7}]
    )
    assert rules.other_points == {"poll_answered": 7}
    days = [active(DAY, views=1, other_points=7), active(later(1), views=1, other_points=14)]
    assert told(states(days, rules=rules, last=later(1)), "intent_score") == [(DAY, 17), (later(1), 24)]


def test_a_record_that_stands_alone_is_nobodys_contact() -> None:
    alone = active(DAY, demos_booked=1) | {"person_id": "av1"}
    assert {row["person_id"] for row in states([alone, active(DAY, views=1)], last=DAY)} == {"p1"}


def test_the_default_stages_know_a_joined_webinar_and_an_inquiry() -> None:
    tables = load_tables(Path("nowhere"))
    names = ("scoring", "stages", "nurture_tracks", "playbooks")
    rules = Rules(**{name: tables.rows(name) for name in names})
    days = [active(DAY, webinar_joins=1), active(later(1), webinar_joins=1, direct_inquiries=1)]
    assert told(states(days, rules=rules, last=later(1)), "current_stage", "intent_score") == [
        (DAY, "MQL", 0),
        (later(1), "SQL", 0),
    ]


def test_a_band_gives_its_points_once_while_the_total_is_in_it() -> None:
    bands: list[dict[str, Any]] = [
        {"activity": "site_minute", "points": 5, "at_least": 10, "below": 30},
        {"activity": "site_minute", "points": 12, "at_least": 30, "below": None},
        {"activity": "view", "points": 10},
    ]
    rules = replace(RULES, scoring=bands)
    days = [active(later(n), site_minutes=minutes, views=1) for n, minutes in enumerate((9, 10, 29, 30, 90))]
    assert told(states(days, rules=rules, last=later(5)), "intent_score") == [
        (later(0), 10),
        (later(1), 15),
        (later(3), 22),
    ]


def test_the_index_grows_with_the_score_between_0_and_100() -> None:
    scores = [0, 10, 40, 400, 10**9]
    assert [intent_index(score) for score in scores] == [0, 20, 50, 90, 99]
    found = states([active(DAY, demos_booked=10)], last=DAY)
    assert found[0]["intent_index"] == intent_index(400)


@pytest.mark.parametrize("seed", range(2))
def test_random_worlds_equal_living_through_every_day(seed: int) -> None:
    engine = PandasEngine() if seed else DuckEngine()
    world = World(seed, days=80, people=6, rows=70)
    sales = world.tables["crm_sales"].filter(pc.is_valid(pc.field("phone_key")))
    tables = world.tables | {
        "links": compute(engine, world.tables, "links", START, world.last),
        "paid_sales": sales.select(["phone_key", "date"]).rename_columns(["person_id", "date"]),
    }
    tables["engagement_summary"] = compute(engine, tables, "engagement_summary", START, world.last)
    since = START + dt.timedelta(days=30)
    found = compute(engine, tables, "scored_contacts", since, world.last)
    expected = oracle.scored_contacts(
        tables["engagement_summary"].to_pylist(),
        tables["paid_sales"].to_pylist(),
        world.tables["overrides"].to_pylist(),
        since,
        world.last,
    )
    assert found.num_rows > 20
    assert rows(found) == plain(expected, found.schema.names)
