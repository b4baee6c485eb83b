"""What an event is: type, day, category, conductor."""

import datetime as dt

import pandas as pd
import pytest

from funnel_assets.domain.webinars import bootcamp_day, category, conductor, event_type

SATURDAY, SUNDAY, MONDAY = dt.date(2025, 3, 22), dt.date(2025, 3, 23), dt.date(2025, 3, 24)


@pytest.mark.parametrize(
    ("topic", "day", "expected"),
    [
        ("ACCA Bootcamp Day 2", SATURDAY, 2),
        ("ACCA Bootcamp day-1", SUNDAY, 1),
        ("ACCA Bootcamp DAY_2", MONDAY, 2),
        ("BootcampDay2", SATURDAY, 2),
        ("ACCA Bootcamp", SATURDAY, 1),
        ("ACCA Bootcamp", SUNDAY, 2),
        ("ACCA Bootcamp", MONDAY, 1),
        ("Bootcamp, 10 of Day 12", SUNDAY, 2),
        (None, SUNDAY, 2),
    ],
)
def test_bootcamp_day(topic: str | None, day: dt.date, expected: int) -> None:
    assert bootcamp_day(topic, day) == expected


def test_days_of_one_file_are_counted_off() -> None:
    assert [bootcamp_day("Bootcamp Day 1 and 2", day, [SUNDAY, MONDAY]) for day in (SUNDAY, MONDAY)] == [1, 2]


@pytest.mark.parametrize(
    ("topic", "days", "expected"),
    [
        ("CFA boot camp", 1, "bootcamp"),
        ("CFA BootCamp", 1, "bootcamp"),
        ("Masterclass Day 2", 1, "bootcamp"),
        ("Masterclass", 2, "bootcamp"),
        ("Holiday special", 1, "webinar"),
        (None, 1, "webinar"),
    ],
)
def test_event_type(topic: str | None, days: int, expected: str) -> None:
    assert event_type(topic, days) == expected


CATEGORIES = pd.DataFrame({"token": ["acca", "CA", "ca final"], "category": ["ACCA", "CA", "CA Final"]})


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("How to pass ACCA?", "ACCA"),
        ("CA-Final revision", "CA Final"),
        ("The CA route", "CA"),
        ("Vocabulary", None),
        (None, None),
    ],
)
def test_category_matches_whole_words_and_the_longest_wins(topic: str | None, expected: str | None) -> None:
    assert category(topic, CATEGORIES) == expected
    assert category(topic, CATEGORIES[::-1]) == expected


CONDUCTORS = pd.DataFrame(
    {
        "webinar_id": ["871 2345 6789", None, None],
        "alias": [None, "Asha R", "bina"],
        "conductor": ["Dr Chen", "Asha Rao", "Bina Das"],
    }
)


@pytest.mark.parametrize(
    ("number", "panelists", "hosts", "expected"),
    [
        ("87123456789", ["bina"], ["Host"], "Dr Chen"),
        ("1", ["Someone", "BINA", "asha  r."], ["Host"], "Asha Rao"),
        ("1", ["Zed (Bina)"], ["Host"], "Bina Das"),
        ("1", ["Someone"], ["Asha R"], "Asha Rao"),
        (None, [], ["Hema Host (Hema)"], "Hema Host"),
        (None, [], [], None),
    ],
)
def test_conductor(number: str | None, panelists: list[str], hosts: list[str], expected: str | None) -> None:
    assert conductor(number, panelists, hosts, CONDUCTORS) == expected
