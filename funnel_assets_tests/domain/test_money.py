"""Amounts and counts from text, exactly."""

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.money import parse_integers, parse_money


def read(text: str | None, currency: str = "INR") -> tuple[int | None, str, bool]:
    row = parse_money(pd.Series([text], dtype="str"), currency=currency).iloc[0]
    return (None if pd.isna(row["minor"]) else int(row["minor"]), row["status"], bool(row["is_rounded"]))


@pytest.mark.parametrize(
    ("text", "cents", "status"),
    [
        ("2900", 2900, "ok"),
        ("$1,200", 1200, "ok"),
        ("-5", -5, "ok"),
        ("29.5", None, "unreadable"),
        ("", None, "missing"),
    ],
)
def test_whole_minor_units(text: str, cents: int | None, status: str) -> None:
    row = parse_money(pd.Series([text], dtype="str"), currency="USD", in_minor_units=True).iloc[0]

    assert (None if pd.isna(row["minor"]) else int(row["minor"]), row["status"]) == (cents, status)


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("1200", 1_200_00),
        ("1,23,456.78", 1_23_456_78),
        ("123,456.78", 1_23_456_78),
        ("12,34,567", 12_34_567_00),
        ("1,234,567.1", 12_34_567_10),
        ("₹ 1,200", 1_200_00),
        ("Rs.500/-", 500_00),
        ("Rs 500", 500_00),
        ("INR 500.5", 500_50),
        ("500 INR", 500_00),
        ("(500)", -500_00),
        ("(₹ 500.50)", -500_50),
        ("-500", -500_00),
        ("-₹500", -500_00),
        ("₹ -500", -500_00),
        ("−500", -500_00),
        ("+500", 500_00),
        (".5", 50),
        ("5.", 5_00),
        ("0.10", 10),
        ("0.29", 29),
        ("007", 7_00),
        ("0", 0),
        ("999999999999999.99", 99_999_999_999_999_999),
    ],
)
def test_amounts(text: str, paise: int) -> None:
    assert read(text) == (paise, "ok", False)


@pytest.mark.parametrize("text", [None, "", " ", "-", "--", "NA", "null"])
def test_no_amount(text: str | None) -> None:
    assert read(text) == (None, "missing", False)


@pytest.mark.parametrize(
    "text",
    [
        "7.3E+3",
        "1e5",
        "1,23",
        "1.234,56",
        "1,2345",
        ",500",
        "$ 5",
        "EUR 5",
        "5 0",
        "--5",
        "5-",
        "(-5)",
        "(5",
        "#N/A",
        "#REF!",
        ".",
        "₹",
        "abc",
        "1234567890123456",
        "9812345670 x",
    ],
)
def test_what_is_no_amount_is_never_null_or_zero(text: str) -> None:
    assert read(text) == (None, "unreadable", False)


@pytest.mark.parametrize(
    ("text", "paise"),
    [
        ("7307.374", 7307_37),
        ("7307.375", 7307_38),
        ("7307.365", 7307_36),
        ("7307.3650000001", 7307_37),
        ("7307.3700001", 7307_37),
        ("-7307.375", -7307_38),
        ("0.005", 0),
        ("0.999", 1_00),
    ],
)
def test_more_decimals_are_rounded_half_to_even_and_said(text: str, paise: int) -> None:
    assert read(text) == (paise, "ok", True)


def test_decimals_that_are_zero_are_not_rounding() -> None:
    assert read("7307.3700000") == (7307_37, "ok", False)


def test_another_currency_is_read_by_its_own_sign_only() -> None:
    assert read("$ 5", "USD") == (500, "ok", False)
    assert read("₹ 5", "USD")[1] == "unreadable"


def test_whole_numbers() -> None:
    cells = pd.Series(
        ["1,204", "12.00", "-3", "12.5", "1e3", "", None, "x", "0.001"], dtype="str", index=range(9, 0, -1)
    )
    expected = pd.DataFrame(
        {
            "number": pd.Series(
                [1204, 12, -3, None, None, None, None, None, None], index=cells.index, dtype="Int64"
            ),
            "status": pd.Series(
                [
                    "ok",
                    "ok",
                    "ok",
                    "unreadable",
                    "unreadable",
                    "missing",
                    "missing",
                    "unreadable",
                    "unreadable",
                ],
                index=cells.index,
                dtype="str",
            ),
        }
    )
    pd.testing.assert_frame_equal(parse_integers(cells), expected)


def indian(paise: int) -> str:
    """Write an amount as Indian sheets do: the last three digits, then pairs."""
    whole, rest = divmod(abs(paise), 100)
    head, tail = str(whole)[:-3], str(whole)[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)][::-1]
    return f"{'-' if paise < 0 else ''}₹{','.join([*pairs, tail])}.{rest:02d}"


@settings(deadline=None)
@given(st.lists(st.integers(-(10**16), 10**16), max_size=6))
def test_round_trip(amounts: list[int]) -> None:
    for written in (indian, lambda paise: str(Decimal(paise) / 100)):
        parsed = parse_money(pd.Series([written(paise) for paise in amounts], dtype="str"))
        assert parsed["minor"].tolist() == amounts
        assert not parsed["is_rounded"].any()


@settings(deadline=None)
@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_rounding_equals_decimal(amount: Decimal) -> None:
    expected = int((amount * 100).to_integral_value(rounding="ROUND_HALF_EVEN"))
    assert read(f"{amount:f}")[0] == expected
