"""What counts as a touch, and which is first."""

import datetime as dt
from typing import Any

from funnel_assets.domain.attribution import TOUCH_ORDER, touches
from funnel_assets.domain.identity import identity_links
from funnel_assets.domain.leads import dedup_leads
from funnel_assets_tests.domain.engines import PandasEngine
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import at, mapping_table, phone, table

DAY = dt.date(2026, 5, 20)


def zoom(number: int, day: dt.date, touched_at: dt.datetime, **more: Any) -> dict[str, Any]:
    """Return a Zoom record."""
    return {
        "date": day,
        "attendance_id": f"z{number}",
        "webinar_date": day,
        "webinar_id": "81",
        "webinar_name": "ACCA intro",
        "event_type": "webinar",
        "attended": "Y",
        "attendance_type": "attended",
        "phone_status": "ok",
        "time_in_session_seconds": 1790,
        "time_in_session_minutes": 30,
        "rejoin_count": 0,
        "source_file": "r.csv",
        "touched_at": touched_at,
        **more,
    }


def frames(leads: list[Any], events: list[Any]) -> dict[str, Any]:
    """Return the inputs of touches and first touches as pandas frames."""
    loaded = PandasEngine().load(
        {"raw_leads": table("raw_leads", leads), "zoom_attendance": table("zoom_attendance", events)}
    )
    return {**loaded, "links": identity_links(**loaded)}


def first(leads: list[Any], events: list[Any], day: dt.date) -> list[dict[str, Any]]:
    """Return the leads of a day."""
    mapping = PandasEngine().load({"mapping": mapping_table()})
    found = dedup_leads(**frames(leads, events), **mapping, first=day, last=day)
    return PandasEngine().table(found).to_pylist()


def test_a_zoom_record_counts_on_its_event_day_however_early_the_person_registered() -> None:
    event = zoom(1, DAY, at(DAY - dt.timedelta(days=3)), **phone(1))
    found = touches(**frames([], [event]), first=DAY, last=DAY)
    assert found["date"].tolist() == [DAY]
    form = lead(1, DAY - dt.timedelta(days=1), 600, **phone(1))
    [row] = first([form], [event], form["date"])
    assert (row["first_medium"], row["touches"]) == (None, 1)
    assert first([form], [event], DAY) == []


def test_a_zoom_record_names_its_registration_source_else_its_kind_of_event() -> None:
    events = [
        zoom(1, DAY, at(DAY), registration_source="LinkedIn"),
        zoom(2, DAY, at(DAY), registration_source=" "),
        zoom(3, DAY, at(DAY), event_type="bootcamp"),
        zoom(4, DAY, at(DAY), registration_source="#4"),
        zoom(5, DAY, at(DAY), registration_source="Link 4"),
    ]
    found = touches(**frames([], events), first=DAY, last=DAY).sort_values("touch_id")
    assert found["source"].tolist() == ["LinkedIn", "webinar", "bootcamp", "webinar", "Link 4"]
    assert found["medium"].tolist() == ["zoom"] * 5
    assert found["campaign"].tolist() == ["ACCA intro"] * 5


def test_ties_go_by_source_order_then_id_and_a_form_comes_before_zoom() -> None:
    leads = [
        {**lead(3, DAY, 600, **phone(1)), "source_order": 1, "utm_source": "third"},
        {**lead(2, DAY, 600, **phone(1)), "utm_source": "second"},
        {**lead(1, DAY, 600, **phone(1)), "utm_source": "first"},
    ]
    event = zoom(0, DAY, at(DAY, 600), **phone(1))
    assert TOUCH_ORDER == ("date", "touched_at", "source_order", "touch_id")
    for left, expected in ((leads, "first"), (leads[:1], "third"), ([], "webinar")):
        [row] = first(left, [event], DAY)
        assert row["first_source"] == expected


def test_the_look_back_reaches_ninety_days_before_the_day_and_no_further() -> None:
    edge, beyond = DAY - dt.timedelta(days=90), DAY - dt.timedelta(days=91)
    today = {**lead(1, DAY, 600, **phone(1)), "utm_source": "today"}
    [row] = first([today, {**lead(2, edge, 0, **phone(1)), "utm_source": "edge"}], [], DAY)
    assert (row["origin_source"], row["is_new_person"], row["first_source"]) == ("edge", False, "today")
    [row] = first([today, {**lead(2, beyond, 1439, **phone(1)), "utm_source": "beyond"}], [], DAY)
    assert (row["origin_source"], row["is_new_person"]) == ("today", True)


def test_one_minute_before_midnight_and_midnight_lie_in_two_months() -> None:
    end, start = dt.date(2026, 5, 31), dt.date(2026, 6, 1)
    leads = [lead(1, end, 1439, **phone(1)), lead(2, start, 0, **phone(1))]
    assert [row["touches"] for row in first(leads, [], end)] == [1]
    [row] = first(leads, [], start)
    assert (row["first_touch_at"], row["origin_touch_at"]) == (at(start, 0), at(end, 1439))
