"""Numbers in words: Indian grouping, lakh and crore, and never a zero for the unknown."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_assets import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (99999, "99,999"),
        (123456, "1,23,456"),
        (12345678, "1,23,45,678"),
        (-123456, "-1,23,456"),
        (Decimal("0.5"), "1"),
        (Decimal("-0.4"), "0"),
        (None, "-"),
    ],
)
def test_grouped(value: int | Decimal | None, text: str) -> None:
    assert figures.grouped(value) == text


@given(st.integers(-(10**15), 10**15))
def test_grouping_loses_no_digit(value: int) -> None:
    text = figures.grouped(value)
    assert int(text.replace(",", "")) == value
    assert all(len(group) == 2 for group in text.lstrip("-").split(",")[1:-1])


def test_money() -> None:
    assert figures.money(Decimal("-1234567.4")) == "-₹12,34,567"
    assert figures.short_money(78900) == "₹78,900"
    assert figures.short_money(Decimal("456000")) == "₹4.56 L"
    assert figures.short_money(Decimal("-12300000")) == "-₹1.23 Cr"
    assert figures.short_money(None) == figures.money(None) == "-"


def test_money_of_another_currency() -> None:
    assert figures.grouped(Decimal("-12345678.5"), 2, "USD") == "-12,345,678.50"
    assert figures.money(Decimal("-1234567.4"), "USD") == "-$1,234,567"
    assert figures.money(1234567, "SEK") == "SEK 1,234,567"
    assert figures.short_money(456000, "USD") == "$456,000"
    assert figures.short_money(Decimal("-12300000"), "EUR") == "-€12.30 M"
    assert figures.short_money(2_500_000_000, "USD") == "$2.50 B"
    assert figures.short_money(None, "USD") == "-"


def test_shares_and_sums_of_the_unknown() -> None:
    assert figures.share(None, 5) is None
    assert figures.share(1, 0) is None
    assert figures.percent(figures.share(1, 3)) == "33.3 %"
    assert figures.added([None, None]) is None
    assert figures.added([None, 0]) == 0


def test_spans_of_days() -> None:
    assert figures.span(dt.date(2026, 3, 1), dt.date(2026, 3, 9)) == "1 to 9 Mar 2026"
    assert figures.span(dt.date(2026, 2, 27), dt.date(2026, 3, 9)) == "27 Feb to 9 Mar 2026"
    assert figures.span(dt.date(2025, 12, 31), dt.date(2026, 1, 1)) == "31 Dec 2025 to 1 Jan 2026"
    assert figures.span(dt.date(2026, 3, 1), dt.date(2026, 3, 1)) == "1 Mar 2026"
