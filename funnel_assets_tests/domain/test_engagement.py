"""engagement_summary: the day's and the running counts."""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from funnel_assets.domain.engagement import COUNTS, engagement_summary
from funnel_assets_tests.domain import oracle
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine, rows
from funnel_assets_tests.domain.pipeline import compute
from funnel_assets_tests.domain.test_attribution import frames, zoom
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import START, World, at, email, phone, plain, table

DAY = dt.date(2026, 2, 10)


def event(number: int, kind: str, day: dt.date = DAY, minutes: int = 600) -> dict[str, Any]:
    """Return an event of the person with phone 1."""
    return {
        "date": day,
        "event_id": f"v{number}",
        "source_name": "events",
        "event_at": at(day, minutes),
        "event_type": kind,
        "channel": "LinkedIn",
        **phone(1),
    }


def summary(
    events: list[Any],
    leads: list[Any],
    meetings: list[Any],
    day: dt.date = DAY,
    points: Mapping[str, int] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return the summary of one day."""
    engine = PandasEngine()
    happened = engine.load({"engagement_events": table("engagement_events", events)})
    found = engagement_summary(**frames(leads, meetings), **happened, points=points, first=day, last=day)
    return engine.table(found).to_pylist()


def counted(row: dict[str, Any], prefix: str = "") -> dict[str, int]:
    """Return the counts of a row that aren't 0."""
    return {name: row[f"{prefix}{name}"] for name in COUNTS if row[f"{prefix}{name}"]}


def test_days_of_a_bootcamp_attended() -> None:
    following = DAY + dt.timedelta(days=1)
    camp = {**phone(1), "event_type": "bootcamp"}
    meetings = [
        zoom(1, DAY, at(DAY), **camp, bootcamp_day=1),
        zoom(2, following, at(DAY), **camp, bootcamp_day=2),
        zoom(3, following, at(DAY), **phone(2), event_type="bootcamp", bootcamp_day=2, attended="N"),
    ]
    one, other = sorted(summary([], [], meetings, following), key=lambda row: row["person_id"])
    assert (one["bootcamp_day_1"], one["bootcamp_day_2"]) == (0, 1)
    assert (one["total_bootcamp_day_1"], one["total_bootcamp_day_2"]) == (1, 1)
    assert (other["total_bootcamp_day_1"], other["total_bootcamp_day_2"]) == (0, 0)


def test_each_kind_of_record_counts_as_its_activity() -> None:
    kinds = [
        "View",
        "click",
        " download ",
        "demo_booked",
        "FOLLOW_UP",
        "form_submit",
        "deal_closed",
        "scrolled",
    ]
    events = [event(number, kind) for number, kind in enumerate(kinds)]
    meetings = [
        zoom(1, DAY, at(DAY, 300), **phone(1), join_time=at(DAY, 1150)),
        zoom(
            2,
            DAY,
            at(DAY, 300),
            **phone(1),
            attended="N",
            attendance_type="no_show",
            time_in_session_seconds=0,
            time_in_session_minutes=0,
        ),
        zoom(3, DAY, at(DAY, 300), **phone(1), attendance_type="walk_in"),
    ]
    [row] = summary(events, [lead(1, DAY, 600, **phone(1))], meetings)
    assert counted(row) == {
        **dict.fromkeys(("views", "clicks", "downloads", "demos_booked", "follow_ups", "deals_closed"), 1),
        "form_submissions": 2,
        "registrations": 2,
        "attendances": 2,
        "seconds": 3580,
        "other_activities": 1,
    }
    assert (row["minutes"], row["total_minutes"]) == (60, 60)
    assert counted(row) == counted(row, "total_")
    assert (row["first_engaged_at"], row["last_engaged_at"]) == (at(DAY, 300), at(DAY, 1150))


def test_events_of_other_types_are_kept_counted_and_worth_what_the_rules_say() -> None:
    [row] = summary([event(1, "Scrolled"), event(2, "poll_answered")], [], [])
    assert (counted(row), row["channel"], row["person_id"]) == ({"other_activities": 2}, "LinkedIn", "p01")

    events = [event(1, "Poll_Answered", DAY - dt.timedelta(days=1)), event(2, "poll_answered"), event(3, "x")]
    [row] = summary(events, [], [], points={"poll_answered": 7})
    assert counted(row) == {"other_activities": 2, "other_points": 7}
    assert counted(row, "total_") == {"other_activities": 3, "other_points": 14}


def test_a_joined_webinar_and_an_inquiry_by_event_have_counts_of_their_own() -> None:
    [row] = summary([event(1, "webinar_join"), event(2, "direct_inquiry")], [], [])
    assert counted(row) == {"webinar_joins": 1, "direct_inquiries": 1}


def test_a_deal_is_open_until_it_is_won_or_lost() -> None:
    days = [DAY + dt.timedelta(days=number) for number in range(4)]
    kinds = ("deal_opened", "deal_opened", "deal_lost", "deal_closed")
    events = [event(number, kind, days[number]) for number, kind in enumerate(kinds)]
    found = [summary(events, [], [], day)[0]["open_deals"] for day in days]
    assert found == [1, 2, 1, 0]
    assert summary([event(1, "deal_closed")], [], [])[0]["open_deals"] == 0


def test_running_counts_reach_back_to_the_first_day_and_not_past_the_day() -> None:
    days = [DAY - dt.timedelta(days=200), DAY, DAY + dt.timedelta(days=1)]
    [row] = summary([event(number, "view", day) for number, day in enumerate(days)], [], [])
    assert (row["views"], row["total_views"]) == (1, 2)
    assert row["first_engaged_at"] == at(days[0])


def test_a_person_who_did_nothing_on_the_day_has_no_row() -> None:
    assert summary([event(1, "view", DAY - dt.timedelta(days=1))], [lead(1, DAY, 600, **email(4))], []) != []
    assert summary([event(1, "view", DAY - dt.timedelta(days=1))], [], []) == []


@pytest.mark.parametrize("seed", range(2))
def test_random_worlds_equal_the_slow_model(seed: int) -> None:
    world = World(seed)
    engine = PandasEngine() if seed else DuckEngine()
    since = START + dt.timedelta(days=20)
    tables = world.tables | {"links": compute(engine, world.tables, "links", START, world.last)}
    found = compute(engine, tables, "engagement_summary", since, world.last)
    assert found.num_rows > 20
    assert rows(found) == plain(
        oracle.engagement_summary(world.tables, since, world.last), found.schema.names
    )


def test_minutes_are_rounded_once_however_many_events_they_come_from() -> None:
    meetings = [
        zoom(number, DAY, at(DAY, 300), **phone(1), time_in_session_seconds=70, time_in_session_minutes=1)
        for number in range(6)
    ]
    [row] = summary([], [], meetings)
    assert (row["seconds"], row["minutes"], row["total_minutes"]) == (420, 7, 7)
