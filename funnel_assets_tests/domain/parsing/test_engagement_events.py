"""Events: the first of an id in the file wins."""

import pandas as pd
import pytest

from funnel_assets_tests.domain.parsing.tables import NOV_3, NOV_4, by_line, fates, quarantined, read

EVENT = {
    "event_id": "e1",
    "email": "Asha@Example.com",
    "phone": "9812345670",
    "company": "Acme",
    "industry": "Finance",
    "event_type": "Demo Booked",
    "channel": "email",
    "event_time": "2025-11-03T18:29:59Z",
    "metadata": '{"page": "/pricing"}',
}


def test_one_event_in_full() -> None:
    parsed = read("engagement_events", [EVENT])
    row = parsed.rows.iloc[0]
    assert row.drop(["phone_key", "email_key", "external_key"]).to_dict() == {
        "date": NOV_3,
        "event_id": "e1",
        "source_name": "source_one",
        "event_at": pd.Timestamp("2025-11-03T18:29:59Z"),
        "email": "asha@example.com",
        "phone": "919812345670",
        "company": "Acme",
        "industry": "Finance",
        "event_type": "demo_booked",
        "times": 1,
        "channel": "email",
        "metadata": '{"page": "/pricing"}',
        "line": 2,
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_first_of_an_id_in_the_file_wins_whatever_its_time(order: tuple[int, ...]) -> None:
    rows = [
        EVENT | {"event_time": "2025-11-04 00:00:00", "channel": "late"},
        EVENT | {"channel": "early", "event_time": "2025-11-03 08:00:00"},
        EVENT | {"channel": "middle"},
    ]
    parsed = read("engagement_events", [rows[at] for at in order])
    assert list(by_line(parsed, "channel").values()) == [rows[order[0]]["channel"]]
    assert parsed.counts.duplicates == 2


def test_event_without_id_is_known_by_its_content() -> None:
    nameless = EVENT | {"event_id": None}
    parsed = read("engagement_events", [nameless, nameless, nameless | {"channel": "ads"}])
    assert fates(parsed) == ["load", "duplicate", "load"]
    assert parsed.rows["event_id"].str.fullmatch("[0-9a-f]{32}").all()


def test_event_of_nobody_stands_alone() -> None:
    parsed = read("engagement_events", [EVENT | {"email": "x", "phone": "NA"}])
    assert by_line(parsed, "email_key") == {2: None}
    assert parsed.notes == {"phone_unusable": 1, "email_unusable": 1, "nobody": 1}


def test_last_and_first_minute() -> None:
    parsed = read(
        "engagement_events", [EVENT, EVENT | {"event_id": "e2", "event_time": "2025-11-03T18:30:00Z"}]
    )
    assert by_line(parsed, "date") == {2: NOV_3, 3: NOV_4}


def test_quarantine() -> None:
    rows = [
        EVENT | {"event_time": "then"},
        EVENT | {"event_time": None},
        EVENT | {"event_type": " "},
        EVENT,
        dict.fromkeys(EVENT),
    ]
    parsed = read("engagement_events", rows)
    assert quarantined(parsed) == {
        2: "date_unreadable",
        3: "date_missing",
        4: "event_type_missing",
        6: "empty_row",
    }
    assert by_line(parsed, "event_id") == {5: "e1"}
