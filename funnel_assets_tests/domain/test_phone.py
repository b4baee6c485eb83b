"""Every spelling of a phone that SPEC 6 and the seeds name, and the rule's general properties."""

import pandas as pd
import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_assets.contracts.marketing import PHONE_STATUSES
from funnel_assets.domain.link_rows import Names
from funnel_assets.domain.phone import normalize_phone, normalize_phones
from funnel_assets_tests.pseudonyms import NAMES, PSEUDONYMS

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


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        # A code without a plus sign isn't explicit: ten digits that begin with 6 to 9 are Indian …
        ("449812345670", (INDIAN, "ok")),
        ("447911123456", ("917911123456", "landline")),
        # … any others can only be the other country's.
        ("971501234567", ("971501234567", "foreign")),
        # One digit too many is a slip of the finger, not Russia.
        ("79812345670", (None, "invalid")),
        ("98123456701", (None, "invalid")),
        ("+91 98123 456701", (None, "invalid")),
        ("18001234567", (None, "invalid")),
    ],
)
def test_digits_before_a_number_without_a_plus(text: str, reading: tuple[str | None, str]) -> None:
    assert normalize_phone(text) == reading


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("080 2345 6789", ("918023456789", "landline")),
        ("+91 22 2345 6789", ("912223456789", "landline")),
        ("(011) 2345-6789", ("911123456789", "landline")),
        # No Indian mobile begins with 0 to 5, and no landline looks like these.
        ("5012345678", (None, "invalid")),
        ("1012345678", (None, "invalid")),
        ("+91 01234 56780", (None, "invalid")),
        ("2345 6789", (None, "invalid")),
    ],
)
def test_an_indian_number_is_a_mobile_a_landline_or_none(text: str, reading: tuple[str | None, str]) -> None:
    assert normalize_phone(text) == reading


@pytest.mark.parametrize(
    ("country", "text", "reading"),
    [
        ("US", "(504) 621-8927", ("15046218927", "ok")),
        ("US", "504.621.8927 x123", ("15046218927", "ok")),
        ("US", "1-504-621-8927", ("15046218927", "ok")),
        ("US", "001 504 621 8927", ("15046218927", "ok")),
        ("US", "+1 416 555 0123", ("14165550123", "unlisted")),
        # An area code that nobody has yet has the shape of one; 1 and 0 can't begin one.
        ("US", "555-201-3344", ("15552013344", "unlisted")),
        ("US", "123-456-7899", (None, "invalid")),
        ("US", "5046218", (None, "invalid")),
        ("US", "50462189270", (None, "invalid")),
        ("US", "555 555 5555", (None, "placeholder")),
        ("US", "011 91 98123 45670", (INDIAN, "foreign")),
        ("US", "+91 98123 45670", (INDIAN, "foreign")),
        ("US", "919812345670", (INDIAN, "foreign")),
        ("US", "+44 504 621 8927", ("15046218927", "ok")),
        ("GB", "07400 123456", ("447400123456", "ok")),
        ("GB", "447400123456", ("447400123456", "ok")),
        ("GB", "+44 (0)20 7946 0018", ("442079460018", "landline")),
        ("GB", "12345", (None, "invalid")),
        ("AE", "050 123 4567", ("971501234567", "ok")),
        ("AE", "501234567.0", ("971501234567", "ok")),
        ("SG", "9123 4567", ("6591234567", "ok")),
        ("SG", "91234567 / 81234567", ("6591234567", "ok")),
        ("SG", "88888888", (None, "placeholder")),
        ("DE", "030/1234567", ("49301234567", "landline")),
        ("DE", "0151 23456789", ("4915123456789", "ok")),
        ("BR", "(11) 96123-4567", ("5511961234567", "ok")),
        ("IT", "02 1234 5678", ("390212345678", "landline")),
    ],
)
def test_a_national_number_is_of_the_country_of_its_source(
    country: str, text: str, reading: tuple[str | None, str]
) -> None:
    assert normalize_phone(text, country=country) == reading
    column = normalize_phones(pd.Series([text], dtype="str"), country=country)
    assert (column["phone"].fillna("").iloc[0] or None, column["phone_status"].iloc[0]) == reading


def test_people_are_named_by_the_rule_that_made_their_keys() -> None:
    """In identity_links.csv, overrides.csv and ``funnel explain``."""
    assert Names(PSEUDONYMS, "US").key("(504) 621-8927") == PSEUDONYMS.phone_key("15046218927")
    assert NAMES.key("+1 504 621 8927") == PSEUDONYMS.phone_key("15046218927")
    assert NAMES.key("98123 45670") == PSEUDONYMS.phone_key(INDIAN)
    assert NAMES.key("Asha.Rao+x@googlemail.com") == PSEUDONYMS.email_key("asharao@gmail.com")


def test_placeholders_of_one_country_in_another_ones_spelling() -> None:
    given_ones = frozenset({"+1 504 621 8927", "91234567"})
    for text in ("504-621-8927", "15046218927", "+15046218927"):
        assert normalize_phone(text, placeholders=given_ones, country="US") == (None, "placeholder")
    assert normalize_phone("+65 9123 4567", placeholders=given_ones, country="SG").status == "placeholder"


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


COUNTRIES = st.sampled_from(["US", "GB", "DE", "SG", "AE", "IT", "BR", "AR", "RU", "HU", "KZ", "AU", "TA"])


@settings(deadline=None)
@given(COUNTRIES, st.lists(st.from_regex(r"\A[+±]?(00|011|0|06|8)?(1|7|49|44|61)?[0-9]{6,12}\Z"), max_size=8))
def test_every_countrys_fast_path_equals_the_rule_cell_by_cell(country: str, texts: list[str]) -> None:
    whole = normalize_phones(pd.Series(texts, dtype="str"), country=country)
    for text, phone, status in zip(texts, whole["phone"], whole["phone_status"], strict=True):
        alone = normalize_phone(text, country=country)
        assert (alone.phone, alone.status) == (phone if isinstance(phone, str) else None, status)
        if alone.phone is not None:
            assert normalize_phone("+" + alone.phone, country=country).phone == alone.phone


def test_every_country_has_a_plan() -> None:
    cells = pd.Series(["0000000", "9812345670", "+1 504 621 8927"], dtype="str")
    for country in phonenumbers.SUPPORTED_REGIONS:
        assert normalize_phones(cells, country=country)["phone_status"].iloc[0] == "placeholder", country


@settings(deadline=None)
@given(TYPED)
def test_a_normalised_phone_reads_as_itself(text: str) -> None:
    phone, status = normalize_phone(text)
    assert (phone is None) == (status not in ("ok", "landline", "foreign"))
    if phone is not None:
        assert phone.isascii()
        assert phone.isdigit()
        assert normalize_phone("+" + phone).phone == phone
    if status in ("ok", "landline"):
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
