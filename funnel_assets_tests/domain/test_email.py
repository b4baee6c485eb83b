"""E-mail addresses as people type them."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.email import mailbox, mailboxes, normalize_email, normalize_emails
from funnel_assets.masking import mask_text
from funnel_assets_tests.pseudonyms import PSEUDONYMS


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("asha@example.com", "asha@example.com"),
        ("  Asha.Rao@Example.COM ", "asha.rao@example.com"),
        ("mailto:asha@example.com", "asha@example.com"),
        ("MAILTO: asha@example.com?subject=Hi", "asha@example.com"),
        ("asha@example.com.", "asha@example.com"),
        ("asha@example.com,", "asha@example.com"),
        ("<asha@example.com>", "asha@example.com"),
        ("Asha Rao <asha@example.com>", "asha@example.com"),
        ("'asha@example.com", "asha@example.com"),
        ('"asha@example.com"', "asha@example.com"),
        ("asha@example.com, rao@example.com", "asha@example.com"),
        ("asha@example.com/rao@example.com", "asha@example.com"),
        ("asha+leads@mail.example.co.in", "asha+leads@mail.example.co.in"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("\u00a0asha@example.com\u200b", "asha@example.com"),
        ('"asha rao"@example.com', '"asha rao"@example.com'),
        ('Asha <"Asha, Rao"@Example.com>', '"asha, rao"@example.com'),
        ('"asha.rao"@example.com', "asha.rao@example.com"),
        ('"asha@home"@example.com', '"asha@home"@example.com'),
        ('"asha@example.com", "rao@example.com"', "asha@example.com"),
        ('"asha@example.com', "asha@example.com"),
        ('""@example.com', None),
        ("asha@bücher.example", "asha@bücher.example"),
        ("asha@mail.invalid", "asha@mail.invalid"),
        (None, None),
        ("", None),
        ("NA", None),
        ("asha", None),
        ("asha@", None),
        ("@example.com", None),
        ("asha@example", None),
        ("asha@example,com", None),
        ("asha rao@example.com", None),
        ("asha..rao@example.com", None),
        (".asha@example.com", None),
        ("asha.@example.com", None),
        ("asha@-example.com", None),
        ("asha@exa_mple.com", None),
        ("asha@ab--cd.com", None),
        ("a" * 65 + "@example.com", None),
        ("9812345670", None),
    ],
)
def test_spellings(text: str | None, email: str | None) -> None:
    assert normalize_email(text) == email


@pytest.mark.parametrize(
    ("email", "meant"),
    [
        ("asha.rao@gmail.com", "asharao@gmail.com"),
        ("a.s.h.a.rao+leads@gmail.com", "asharao@gmail.com"),
        ("asharao+a+b@googlemail.com", "asharao@gmail.com"),
        ("asha.rao+leads@outlook.com", "asha.rao@outlook.com"),
        ("asha.rao@example.com", "asha.rao@example.com"),
        ("asha+rao@example.com", "asha+rao@example.com"),
        ("asha.rao@mail.gmail.com", "asha.rao@mail.gmail.com"),
        ("asha.rao@notgmail.com", "asha.rao@notgmail.com"),
        ("+asha@gmail.com", "+asha@gmail.com"),
        ('"asha rao"@gmail.com', '"asha rao"@gmail.com'),
    ],
)
def test_addresses_that_reach_one_mailbox(email: str, meant: str) -> None:
    assert mailbox(email) == meant
    assert mailbox(meant) == meant
    column = pd.Series([email, None], index=[4, 2], dtype="str")
    assert mailboxes(column).fillna("").to_dict() == {4: meant, 2: ""}
    assert PSEUDONYMS.email_key(email) == PSEUDONYMS.email_key(meant) == PSEUDONYMS.email_keys(column).iloc[0]


def test_a_placeholder_stands_for_its_whole_mailbox() -> None:
    cells = pd.Series(["T.est+1@gmail.com", "tester@gmail.com"], dtype="str")
    read = normalize_emails(cells, placeholders=frozenset({"test@googlemail.com"}))
    assert read.fillna("").tolist() == ["", "tester@gmail.com"]


def test_a_quoted_address_is_masked() -> None:
    assert "asha" not in mask_text('mail "asha rao"@example.com please')


def test_column_keeps_its_index_and_placeholders_are_no_address() -> None:
    cells = pd.Series(["A@example.com", None, "test@Example.com"], index=[5, 1, 3], dtype="str")
    read = normalize_emails(cells, placeholders=frozenset({"TEST@example.com", "9999999999"}))
    pd.testing.assert_series_equal(
        read, pd.Series(["a@example.com", None, None], index=[5, 1, 3], dtype="str")
    )


@settings(deadline=None)
@given(st.lists(st.one_of(st.emails(), st.text(alphabet="ab.@-_ <>,'+1", max_size=14)), max_size=6))
def test_a_normalised_address_reads_as_itself_and_order_does_not_matter(texts: list[str]) -> None:
    read = normalize_emails(pd.Series(texts, dtype="str"))
    again = normalize_emails(read)
    pd.testing.assert_series_equal(read, again)
    backwards = normalize_emails(pd.Series(texts[::-1], dtype="str"))
    assert backwards.fillna("").tolist() == read.fillna("").tolist()[::-1]
