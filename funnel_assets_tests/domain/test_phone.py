"""Every spelling of a phone that SPEC 6 and the seeds name, and the rule's general properties."""

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_assets.contracts.marketing import PHONE_STATUSES
from funnel_assets.domain.phone import normalize_phone, normalize_phones

INDIAN = "919812345670"


@pytest.mark.parametrize(
    "text",
    [
        "9812345670",
        " 98123 45670 ",
        "98123-45670",
        "(981) 234-5670",
        "+919812345670",
        "+91 98123 45670",
        "'+919812345670",
        "’+91 98123 45670",
        "±919812345670",
        "919812345670",
        "91-9812345670",
        "09812345670",
        "0 98123 45670",
        "00919812345670",
        "0091 98123-45670",
        "+0919812345670",
        "9812345670.0",
        "919812345670.00",
        "p:+919812345670",
        "Mob. 9812345670",
        "9812345670 (WhatsApp)",
        "98123,45670",
        "९८१२३४५६७०",
        "９８１２３４５６７０",
        "\u00a098123\u00a045670",
        "\u200e+919812345670",
        "\ufeff9812345670",
        "9812345670\x00",
        "9812345670 ext. 12",
        "+91 0 98123 45670",
    ],
)
def test_spellings_of_one_indian_number(text: str) -> None:
    assert normalize_phone(text) == (INDIAN, "ok")


@pytest.mark.parametrize(
    "text",
    ["+44 91 98123 45670", "+1 9812345670", "+65 9812345670", "+9812345670"],
)
def test_wrong_country_picked_for_an_indian_number(text: str) -> None:
    assert normalize_phone(text) == (INDIAN, "ok")


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("+44 7911 123456", "447911123456"),
        ("0044 7911 123456", "447911123456"),
        ("+44 (0)7911 123456", "447911123456"),
        ("'+971 50 123 4567", "971501234567"),
        ("+65 9123 4567", "6591234567"),
        ("+1 202 555 0123", "12025550123"),
        ("006591234567", "6591234567"),
        ("0029022158", "29022158"),
        ("±44 7911 123456", "447911123456"),
        # The rule is the letter of SPEC 6: an explicit code stays wherever libphonenumber calls the number valid.
        ("+44 9823456789", "449823456789"),
    ],
)
def test_explicit_foreign_code_stays_where_the_number_is_valid(text: str, phone: str) -> None:
    assert normalize_phone(text) == (phone, "foreign")


def test_foreign_code_without_a_plus_is_not_explicit() -> None:
    assert normalize_phone("447911123456") == ("917911123456", "ok")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (None, "missing"),
        ("", "missing"),
        ("  ", "missing"),
        ("NA", "missing"),
        ("n/a", "missing"),
        ("--", "missing"),
        ("null", "missing"),
        ("None", "missing"),
        ("9999999999", "placeholder"),
        ("+91 99999 99999", "placeholder"),
        ("09999999999", "placeholder"),
        ("1234567890", "placeholder"),
        ("0123456789", "placeholder"),
        ("0000000000", "placeholder"),
        ("99999999999", "placeholder"),
        ("00000", "placeholder"),
        ("9.19877E+11", "scientific"),
        ("9.19877e11", "scientific"),
        ("'9.1987E+11", "scientific"),
        ("9,19877E+11", "scientific"),
        ("12345", "invalid"),
        ("981234567", "invalid"),
        ("call me", "invalid"),
        ("+44 12345", "invalid"),
    ],
)
def test_no_usable_phone(text: str | None, status: str) -> None:
    assert normalize_phone(text) == (None, status)


def test_placeholders_from_config_in_any_spelling() -> None:
    given_ones = frozenset({"+91 98123 45670", "test@example.com"})
    assert normalize_phone("09812345670", placeholders=given_ones) == (None, "placeholder")
    assert normalize_phone("9812345671", placeholders=given_ones) == ("919812345671", "ok")
    assert (
        normalize_phone("+44 7911 123456", placeholders=frozenset({"+447911123456"})).status == "placeholder"
    )


@pytest.mark.parametrize(
    "text",
    [
        "9812345670 / 9812345671",
        "9812345670,9812345671",
        "9812345670 or 9812345671",
        "9812345670\n9812345671",
        "9812345670 9812345671",
        "+91 98123 45670 +91 98123 45671",
        "9999999999/9812345670",
        "12345 / 9812345670",
    ],
)
def test_first_usable_of_two_numbers_in_a_cell(text: str) -> None:
    assert normalize_phone(text) == (INDIAN, "ok")


def test_column_keeps_its_index_and_missing_cells() -> None:
    cells = pd.Series(["98123 45670", None, "9.1E+11", "98123 45670"], index=[7, 3, 5, 1], dtype="str")
    expected = pd.DataFrame(
        {
            "phone": pd.Series([INDIAN, None, None, INDIAN], index=[7, 3, 5, 1], dtype="str"),
            "phone_status": pd.Series(["ok", "missing", "scientific", "ok"], index=[7, 3, 5, 1], dtype="str"),
        }
    )
    pd.testing.assert_frame_equal(normalize_phones(cells), expected)


def test_empty_column() -> None:
    assert normalize_phones(pd.Series([], dtype="str")).shape == (0, 2)


TYPED = st.one_of(
    st.text(alphabet="0123456789+ -()./±'Ee", max_size=22),
    st.text(max_size=20),
    st.from_regex(r"\A[+±']{0,2}(91|0|0091|44 )?[ -]?[0-9]{8,12}(\.0)?\Z"),
)


@settings(deadline=None)
@given(st.lists(TYPED, max_size=8))
@example(["+44 7911 123456", "9812345670.0", "00 9812345670", "0091 0123456789"])
@example(["006591234567", "0029022158", "910029022158"])
def test_fast_path_equals_the_rule_cell_by_cell_in_any_order(texts: list[str]) -> None:
    whole = normalize_phones(pd.Series(texts, dtype="str"))
    assert set(whole["phone_status"]) <= set(PHONE_STATUSES)
    for text, phone, status in zip(texts, whole["phone"], whole["phone_status"], strict=True):
        alone = normalize_phone(text.replace("\x00", ""))
        assert (alone.phone, alone.status) == (phone if isinstance(phone, str) else None, status)
    backwards = normalize_phones(pd.Series(texts[::-1], dtype="str"))
    assert backwards["phone"].fillna("").tolist() == whole["phone"].fillna("").tolist()[::-1]


@settings(deadline=None)
@given(TYPED)
def test_a_normalised_phone_reads_as_itself(text: str) -> None:
    phone, status = normalize_phone(text)
    assert (phone is None) == (status not in ("ok", "foreign"))
    if phone is not None:
        assert phone.isascii()
        assert phone.isdigit()
        assert normalize_phone("+" + phone).phone == phone
    if status == "ok":
        assert phone is not None
        assert len(phone) == 12
        assert phone.startswith("91")


@settings(deadline=None)
@given(
    st.integers(6_000_000_000, 9_999_999_998),
    st.sampled_from(["", "0", "91", "+91", "+91 ", "0091", "±91", "'+91"]),
)
def test_every_prefix_gives_the_same_person(number: int, prefix: str) -> None:
    text = str(number)
    expected = normalize_phone(text)
    assert normalize_phone(prefix + text) == expected
    assert normalize_phone(f"{prefix}{text[:5]} {text[5:]}") == expected
