"""Spend: every line of the sheet counts, to the paisa."""

import pytest

from funnel_assets.domain.parsing import PARSERS, MoneyCounts
from funnel_assets_tests.domain.parsing.tables import NOV_3, NOV_4, by_line, quarantined, read

LINE = {
    "date_time": "2025-11-03",
    "campaign": "webinar-01",
    "impressions": "12,345",
    "clicks": "67",
    "cost": "1,204.50",
    "platform": "Meta",
    "Purchases": "3.0",
    "Total Revenue": "₹ 5,000",
    "Funnel": "Webinar",
}


def test_all_43_columns_are_read() -> None:
    assert len(PARSERS["spend"].columns) == 43
    parsed = read("spend", [dict.fromkeys(PARSERS["spend"].columns.values()) | LINE])
    row = dict(parsed.rows.iloc[0].dropna().items())
    assert row == {
        "date": NOV_3,
        "spend_id": row["spend_id"],
        "source_name": "source_one",
        "currency": "INR",
        "campaign": "webinar-01",
        "impressions": 12345,
        "clicks": 67,
        "cost_paise": 1_204_50,
        "platform": "Meta",
        "purchases": 3,
        "total_revenue_paise": 5_000_00,
        "funnel": "Webinar",
        "line": 2,
    }


def test_repeated_lines_are_separate_lines() -> None:
    parsed = read("spend", [LINE, LINE])
    assert parsed.rows["spend_id"].str[-2:].tolist() == ["-1", "-2"]
    assert parsed.counts.money["cost"] == MoneyCounts(2 * 1_204_50, 2 * 1_204_50, 0, 0)


def test_blank_funnel_is_miscellaneous() -> None:
    assert by_line(read("spend", [LINE | {"Funnel": " "}]), "funnel") == {2: "Other Sources (Miscellaneous)"}


def test_bare_date_is_its_day_in_any_account_time_zone() -> None:
    assert by_line(read("spend", [LINE], timezone="Asia/Tokyo"), "date") == {2: NOV_3}
    late: list[dict[str, str | None]] = [LINE | {"date_time": "2025-11-03 23:00:00"}]
    assert by_line(read("spend", late, timezone="America/New_York"), "date") == {2: NOV_4}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cost": "1.2E+4"}, "money_unreadable"),
        ({"cost": "$ 12"}, "money_unreadable"),
        ({"cost": ""}, "money_missing"),
        ({"impressions": "12.5"}, "number_unreadable"),
        ({"impressions": "-3"}, "number_unreadable"),
        ({"clicks": "many"}, "number_unreadable"),
        ({"Total Revenue": "x"}, "money_unreadable"),
        ({"date_time": "yesterday"}, "date_unreadable"),
        ({"date_time": ""}, "date_missing"),
    ],
)
def test_bad_cells_quarantine_the_line(change: dict, reason: str) -> None:
    parsed = read("spend", [LINE | change, LINE])
    assert quarantined(parsed) == {2: reason}
    assert f'"{next(iter(change))}"' in parsed.quarantine["detail"].iloc[0]


def test_blank_counts_are_unknown_not_zero() -> None:
    parsed = read("spend", [LINE | {"impressions": "", "clicks": "-"}])
    assert by_line(parsed, "impressions") == {2: None}
    assert by_line(parsed, "clicks") == {2: None}


def test_fractions_of_a_paisa_are_rounded_and_counted() -> None:
    parsed = read("spend", [LINE | {"cost": "7307.374"}, LINE | {"cost": "7307.365"}, LINE])
    assert by_line(parsed, "cost_paise") == {2: 7307_37, 3: 7307_36, 4: 1_204_50}
    assert parsed.notes == {"money_rounded": 2}


def test_money_reconciles_to_the_paisa() -> None:
    rows = [
        LINE,
        LINE | {"cost": "10.01", "clicks": "x"},
        LINE | {"cost": "x"},
        LINE | {"cost": "3", "date_time": "x"},
    ]
    assert read("spend", rows).counts.money["cost"] == MoneyCounts(
        rows_in=1_204_50 + 10_01 + 3_00, loaded=1_204_50, duplicates=0, quarantined=13_01, unreadable_cells=1
    )
