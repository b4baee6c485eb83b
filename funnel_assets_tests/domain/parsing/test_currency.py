"""Amounts of two currencies are never added: a row that says another one than all else is set aside."""

import pytest

from funnel_assets.domain.parsing import PARSERS, SourceContext
from funnel_assets.domain.parsing.base import CURRENCY
from funnel_assets_tests.domain.parsing.tables import by_line, quarantined, read, table
from funnel_assets_tests.pseudonyms import PSEUDONYMS

LINES = {
    "spend": {"date_time": "2025-11-03", "cost": "12.50", "Funnel": "Webinar"},
    "crm_sales": {
        "_id": "s1",
        "createdOn": "2025-11-03 10:00:00",
        "TotalAmount": "12.50",
        "netAmount": "12.50",
    },
}
MONEY = {"spend": "cost_paise", "crm_sales": "net_amount_paise"}


@pytest.mark.parametrize("dataset", LINES)
def test_rows_in_another_currency_are_set_aside(dataset: str) -> None:
    said = ["usd", " USD ", "EUR", "", None]
    rows: list[dict[str, str | None]] = [
        LINES[dataset] | {"_id": f"s{at}", CURRENCY: code} for at, code in enumerate(said)
    ]

    parsed = read(dataset, rows, currency="USD")

    assert quarantined(parsed) == {4: "currency_other", 5: "currency_missing", 6: "currency_missing"}
    assert by_line(parsed, MONEY[dataset]) == {2: 12_50, 3: 12_50}
    assert set(by_line(parsed, "currency").values()) == {"USD"}
    assert '"EUR", all else in USD (FUNNEL_CURRENCY)' in parsed.quarantine["detail"].iloc[0]


def test_a_sale_again_in_another_currency_takes_no_ones_place() -> None:
    later = LINES["crm_sales"] | {"Last_Paid_Date": "2025-12-01", "paidAmount": "99", CURRENCY: "EUR"}

    parsed = read("crm_sales", [LINES["crm_sales"] | {CURRENCY: "INR"}, later])

    assert quarantined(parsed) == {3: "currency_other"}
    assert by_line(parsed, "net_amount_paise") == {2: 12_50}


@pytest.mark.parametrize("dataset", LINES)
def test_another_currency_makes_another_row(dataset: str) -> None:
    """A dump that corrects nothing but the currency makes its day stale."""
    context = SourceContext(dataset, "source_one", pseudonyms=PSEUDONYMS)
    hashes = [
        PARSERS[dataset].index_rows(table([LINES[dataset] | more]), context)["row_hash"].iloc[0]
        for more in ({}, {CURRENCY: "INR"}, {CURRENCY: "EUR"})
    ]

    assert len(set(hashes)) == 3
