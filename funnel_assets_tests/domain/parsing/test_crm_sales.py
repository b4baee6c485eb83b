"""Sales: one row a sale, typed, and no money lost on the way."""

import datetime as dt

import pytest

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.domain.parsing import PARSERS, MoneyCounts
from funnel_assets_tests.domain.parsing.tables import NOV_3, NOV_4, by_line, fates, quarantined, read

SALE = {
    "_id": "s1",
    "status": "success",
    "createdOn": "2025-11-03 12:00:00",
    "TotalAmount": "1,20,000",
    "netAmount": "1,01,694.92",
    "paidAmount": "60,000",
    "Last_Paid_Date": "2025-11-03",
    "StudentContact": "+91 98123 45670",
    "StudentEmail": "Asha@Example.com",
    "StudentSignupDate": "2025-10-01 08:00:00",
    "lastEmiDate": "2026-04-03",
    "Total_emi": "6",
    "Funnel": "Webinar",
}


def test_all_44_columns_are_read() -> None:
    assert len(PARSERS["crm_sales"].columns) == 44
    parsed = read("crm_sales", [dict.fromkeys(PARSERS["crm_sales"].columns.values()) | SALE])
    row = dict(parsed.rows.iloc[0].dropna().items())
    assert row == {
        "date": NOV_3,
        "sale_id": "s1",
        "source_name": "source_one",
        "currency": "INR",
        "status": "success",
        "created_at": dt.datetime(2025, 11, 3, 6, 30, tzinfo=dt.UTC),
        "total_amount_paise": 1_20_000_00,
        "net_amount_paise": 1_01_694_92,
        "paid_amount_paise": 60_000_00,
        "last_paid_date": NOV_3,
        "phone": "919812345670",
        "phone_key": row["phone_key"],
        "email": "asha@example.com",
        "email_key": row["email_key"],
        "student_signup_at": dt.datetime(2025, 10, 1, 2, 30, tzinfo=dt.UTC),
        "last_emi_date": dt.date(2026, 4, 3),
        "total_emi": 6,
        "funnel": "Webinar",
        "line": 2,
    }


def test_identical_rows_are_duplicates() -> None:
    parsed = read("crm_sales", [SALE, SALE])
    assert fates(parsed) == ["load", "duplicate"]
    assert parsed.index["reason"].tolist()[1] == "identical_row"


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"Last_Paid_Date": "2025-11-05"}, {"paidAmount": "90,000"}),
        ({"paidAmount": "60,001"}, {"status": "zzz"}),
        ({"Last_Paid_Date": "2025-11-03"}, {"Last_Paid_Date": "", "paidAmount": "1,00,000"}),
    ],
)
@pytest.mark.parametrize("newer_first", [True, False])
def test_latest_payment_wins_then_most_paid(change: dict, other: dict, newer_first: bool) -> None:
    newer, older = SALE | change, SALE | other
    parsed = read("crm_sales", [newer, older] if newer_first else [older, newer])
    assert by_line(parsed, "sale_id") == {2 if newer_first else 3: "s1"}
    assert set(parsed.index["reason"].dropna()) == {"superseded_row"}


def test_full_tie_is_broken_by_content_not_by_order() -> None:
    one, other = SALE | {"product": "A"}, SALE | {"product": "B"}
    kept = {by_line(read("crm_sales", rows), "product").popitem()[1] for rows in ([one, other], [other, one])}
    assert len(kept) == 1


def test_kept_row_decides_the_day_of_a_sale() -> None:
    moved = SALE | {"createdOn": "2025-11-04 00:00:00", "Last_Paid_Date": "2025-11-09"}
    assert by_line(read("crm_sales", [SALE, moved]), "date") == {3: NOV_4}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TotalAmount": "1.2E+5"}, "money_unreadable"),
        ({"netAmount": "ask Ravi"}, "money_unreadable"),
        ({"paidAmount": "#REF!"}, "money_unreadable"),
        ({"tokenAmount": "1,2"}, "money_unreadable"),
        ({"Total_emi": "6.5"}, "number_unreadable"),
        ({"lastEmiDate": "31/31/2025"}, "date_unreadable"),
        ({"Last_Paid_Date": "Invalid date"}, "date_unreadable"),
        ({"_id": " "}, "sale_id_missing"),
    ],
)
def test_unreadable_cells_are_never_silently_null(change: dict, reason: str) -> None:
    parsed = read("crm_sales", [SALE | change])
    assert quarantined(parsed) == {2: reason}
    assert parsed.quarantine["day"].tolist() == [NOV_3]
    assert next(iter(change)) in parsed.quarantine["detail"].iloc[0]


def test_unreadable_row_does_not_push_out_a_good_one() -> None:
    parsed = read("crm_sales", [SALE | {"Last_Paid_Date": "2025-12-01", "TotalAmount": "x"}, SALE])
    assert by_line(parsed, "sale_id") == {3: "s1"}
    assert quarantined(parsed) == {2: "money_unreadable"}


def test_no_value_in_optional_cells_is_null() -> None:
    empty = {
        "TotalAmount": "-",
        "Last_Paid_Date": "NA",
        "Total_emi": "",
        "lastEmiDate": "null",
        "StudentContact": "1",
    }
    parsed = read("crm_sales", [SALE | empty])
    for name in ("total_amount_paise", "last_paid_date", "total_emi", "last_emi_date", "phone"):
        assert by_line(parsed, name) == {2: None}
    assert parsed.notes == {"phone_unusable": 1}


def test_money_reconciles_to_the_paisa() -> None:
    rows = [
        SALE,
        SALE,
        SALE | {"paidAmount": "1", "TotalAmount": "500.05"},
        SALE | {"_id": "s2", "TotalAmount": "7.01", "netAmount": "x"},
        SALE | {"_id": "s3", "createdOn": "", "TotalAmount": "9.09"},
    ]
    money = read("crm_sales", rows).counts.money
    assert money["TotalAmount"] == MoneyCounts(
        rows_in=2 * 1_20_000_00 + 500_05 + 7_01 + 9_09,
        loaded=1_20_000_00,
        duplicates=1_20_000_00 + 500_05,
        quarantined=7_01 + 9_09,
    )
    assert money["netAmount"].unreadable_cells == 1


def test_every_field_of_the_contract_comes_from_a_column_or_a_rule() -> None:
    made = {"date", "source_name", "currency", "phone_key", "email_key", "external_key"}
    assert set(PARSERS["crm_sales"].columns) | made == set(CONTRACTS["crm_sales"].model.to_schema().columns)
