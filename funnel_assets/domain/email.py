"""E-mail addresses as people type them, and the mailboxes that they mean (SPEC 4, 6, 9).

Belongs here: the one rule by which a cell becomes an address, and which addresses are one mailbox. Does not belong
here: whose mailbox it is.

An address is kept as it was typed, in lower case. People compare by the mailbox: ``asha.rao+leads@googlemail.com`` and
``asharao@gmail.com`` reach one person. Only the form is judged, never whether mail would arrive: nothing here asks the
network. Ordinary addresses are read with one pattern; only odd ones reach email-validator.
"""

import re
from collections.abc import Iterable

import pandas as pd
import pyarrow as pa
from email_validator import EmailNotValidError, validate_email

from funnel_assets.domain.text import LONGEST_CELL, as_arrow, as_text, distinct, holds_byte, pc, tidy

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The first character is a letter or digit: a leading apostrophe is a spreadsheet's mark for "text".
_ORDINARY = rf"^[a-z0-9_]{_ATOM[:-1]}*(?:\.{_ATOM})*@(?:{_LABEL}\.)+[a-z]{{2,24}}$"
# A label such as "ab--cd" is an encoded international name: email-validator judges those.
_ENCODED_LABEL = r"[@.][a-z0-9]{2}--"
_LONGEST, _LONGEST_LOCAL = 254, 64
_ENCLOSED = re.compile(r"<([^<>@\s]+@[^<>\s]+)>")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)+"@[^\s@<>()",;]+')
_AROUND = " \t\r\n<>()[]\"'`“”‘’,;:"


def normalize_emails(values: pd.Series, *, placeholders: frozenset[str] = frozenset()) -> pd.Series:
    """Read a column of e-mail addresses.

    Lower case, without ``mailto:``, brackets, quotes and punctuation around; the first where a cell holds several.

    Args:
        values: Cells as typed.
        placeholders: Addresses that stand for none (placeholders.csv); entries without an at sign are ignored.

    Returns:
        Column of dtype ``str`` on the index of ``values``; missing where the cell holds no e-mail address.
    """
    texts, places = distinct(tidy(values))
    banned = pa.array(sorted(p.strip().lower() for p in placeholders if "@" in p), pa.large_string())
    lowered = pc.utf8_lower(texts)
    plain = _is_ordinary(lowered)
    emails = pc.if_else(plain, lowered, pa.scalar(None, pa.large_string()))
    odd = pc.invert(plain)
    read = [_read(text) for text in texts.filter(odd).to_pylist()]
    emails = pc.replace_with_mask(emails, odd, pa.array(read, pa.large_string()))
    is_banned = pc.is_in(_folded(emails), _folded(banned))
    emails = pc.if_else(is_banned, pa.scalar(None, pa.large_string()), emails)
    return as_text(emails.take(places), values.index)


def normalize_email(text: str | None) -> str | None:
    """Read one address by the same rule as `normalize_emails`."""
    found = normalize_emails(pd.Series([text], dtype="str"))
    return None if found.isna().all() else str(found.iloc[0])


GMAIL, _GMAIL_TOO = "gmail.com", "googlemail.com"
PLUS_TAG_DOMAINS = frozenset(
    {GMAIL, "outlook.com", "hotmail.com", "live.com", "msn.com", "icloud.com", "me.com", "mac.com"}
    | {"fastmail.com", "proton.me", "protonmail.com", "pm.me"}
)
"""Providers that deliver ``asha+anything`` to ``asha``. Elsewhere a plus sign may be part of somebody's name."""


def mailboxes(emails: pd.Series) -> pd.Series:
    """Return the mailbox that each address means, by which people are told apart; missing stays missing.

    Gmail ignores dots, and googlemail.com is gmail.com; `PLUS_TAG_DOMAINS` ignore what follows a plus sign. A quoted
    local part is taken as it is.

    Args:
        emails: Addresses as `normalize_emails` gives them.
    """
    texts, places = distinct(as_arrow(emails))
    return as_text(_folded(texts).take(places), emails.index)


def mailbox(email: str) -> str:
    """Return the mailbox that one address means; see `mailboxes`."""
    return str(_folded(pa.array([email], pa.large_string()))[0].as_py())


def _folded(emails: pa.Array) -> pa.Array:
    emails = pc.replace_substring_regex(emails, f"@{re.escape(_GMAIL_TOO)}$", f"@{GMAIL}")
    if holds_byte(emails, ord("+")):
        tagged = pc.match_substring_regex(
            emails, rf"^[^\"+@][^\"+@]*\+[^@]*@(?:{_any_of(PLUS_TAG_DOMAINS)})$"
        )
        emails = pc.if_else(tagged, pc.replace_substring_regex(emails, r"\+[^@]*@", "@"), emails)
    of_gmail = pc.and_(pc.ends_with(emails, f"@{GMAIL}"), pc.invert(pc.starts_with(emails, '"'))).fill_null(
        False
    )
    local = pc.utf8_slice_codeunits(emails.filter(of_gmail), 0, -len(f"@{GMAIL}"))
    ends = (pa.scalar(end, pa.large_string()) for end in (f"@{GMAIL}", ""))
    whole = pc.binary_join_element_wise(pc.replace_substring(local, ".", ""), *ends)
    return pc.replace_with_mask(emails, of_gmail, whole)


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words))


def _is_ordinary(lowered: pa.Array) -> pa.Array:
    local_length = pc.find_substring(lowered, "@")
    fits = pc.and_(
        pc.less_equal(pc.binary_length(lowered), _LONGEST), pc.less_equal(local_length, _LONGEST_LOCAL)
    )
    shaped = pc.match_substring_regex(lowered, _ORDINARY)
    encoded = pc.match_substring_regex(lowered, _ENCODED_LABEL)
    return pc.and_(pc.and_(fits, shaped), pc.invert(encoded))


def _read(text: str) -> str | None:
    if len(text) > LONGEST_CELL:
        return None
    quoted = _QUOTED.search(text)
    if quoted:
        return _validated(quoted.group())
    enclosed = _ENCLOSED.search(text)
    text = (enclosed.group(1) if enclosed else text).strip(_AROUND)
    text = re.sub(r"(?i)^mailto:\s*", "", text)
    if text.count("@") > 1:
        parts = [part.strip(_AROUND) for part in re.split(r"[,;/|\s]+", text)]
        text = next((part for part in parts if part.count("@") == 1), text)
    text = text.split("?")[0] if "?subject=" in text.lower() else text
    text = text.strip(_AROUND).rstrip(".").strip(_AROUND).lower()
    if re.fullmatch(_ORDINARY, text) and not re.search(_ENCODED_LABEL, text):
        ordinary = len(text) <= _LONGEST and text.index("@") <= _LONGEST_LOCAL
        return text if ordinary else None
    return _validated(text)


def _validated(text: str) -> str | None:
    try:
        return validate_email(text, check_deliverability=False, allow_quoted_local=True).normalized.lower()
    except EmailNotValidError:
        return None
