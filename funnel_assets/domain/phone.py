"""Phone numbers as people type them, to the digits that identify a person (SPEC 6, seed 001).

Belongs here: the one rule by which a cell becomes a phone. Does not belong here: whose phone it is (identity).

The rule: an explicit foreign country code (a plus sign or 00 before it) is kept where libphonenumber calls the number
valid; everything else is an Indian number, the last ten digits with 91 in front. Numbers that stand for "none" are no
phone. Plain Indian numbers are read with Arrow; only odd cells reach libphonenumber, which reads 40,000 a second.
"""

import re
import unicodedata
from typing import NamedTuple

import pandas as pd
import phonenumbers
import pyarrow as pa

from funnel_assets.domain.text import MISSING_WORDS, as_text, distinct, holds_byte, pc, tidy

INDIA = "91"
BUILT_IN_PLACEHOLDERS = frozenset(
    {digit * 10 for digit in "0123456789"} | {"1234567890", "0123456789", "0987654321"}
)
"""National numbers that nobody owns; libphonenumber calls several of them valid."""

_LONGEST_NUMBER = 15
_SHORTEST_REPEAT = 5
_PLAIN_PREFIXES = ("", "0", "91", "+91", "±91", "0091")
_FLOAT_TAIL = r"([0-9]{9})\.0+$"
_FILLING = (" ", "-", "'", "(", ")")
_NON_DIGITS = re.compile(r"\D")
_SCIENTIFIC = re.compile(r"['+\s]*\d+(?:[.,]\d+)?\s*[eE]\s*\+?\d{1,3}")
_EXTENSION = re.compile(r"(?i)\s*(?:extension|extn|ext|x)[.:\s]*\d{1,6}\s*$")
_BETWEEN_NUMBERS = re.compile(r"(?i)[/,;|&\n\r\t]|\b(?:or|and)\b")
_BETWEEN_CROWDED_NUMBERS = (re.compile(r"(?=\+)"), re.compile(r"\s+"))


class PhoneReading(NamedTuple):
    """A phone in digits with country code (None when unusable) and one of ``PHONE_STATUSES``."""

    phone: str | None
    status: str


def normalize_phones(values: pd.Series, *, placeholders: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Read a column of phones.

    Args:
        values: Cells as typed.
        placeholders: Further numbers that are no phone (placeholders.csv), in any spelling.

    Returns:
        Columns ``phone`` (digits with country code, else missing) and ``phone_status``, on the index of ``values``.
        Each cell's result depends on that cell alone.
    """
    texts, places = distinct(tidy(values))
    phones, statuses = _read_distinct(texts, _banned(placeholders))
    return pd.DataFrame(
        {
            "phone": as_text(phones.take(places), values.index),
            "phone_status": as_text(statuses.take(places).fill_null("missing"), values.index),
        }
    )


def normalize_phone(text: str | None, *, placeholders: frozenset[str] = frozenset()) -> PhoneReading:
    """Read one phone by the same rule as `normalize_phones`."""
    return _read(text or "", _banned(placeholders))


def _banned(placeholders: frozenset[str]) -> frozenset[str]:
    given = {re.sub(r"\D", "", text) for text in placeholders if "@" not in text}
    return BUILT_IN_PLACEHOLDERS | {digits[-10:] for digits in given} | given - {""}


def _read_distinct(texts: pa.Array, banned: frozenset[str]) -> tuple[pa.Array, pa.Array]:
    """Read distinct cells: plain Indian numbers at once, the others one by one."""
    compact = _without_float_tail(texts)
    for character in _FILLING:
        if holds_byte(compact, ord(character)):
            compact = pc.replace_substring(compact, character, "")
    national = pc.utf8_slice_codeunits(compact, -10)
    plain = _is_plain(compact, national)
    placeholder = pc.and_(plain, pc.is_in(national, pa.array(sorted(banned), pa.large_string())))
    phones = pc.if_else(
        pc.and_(plain, pc.invert(placeholder)),
        pc.binary_join_element_wise(_large(INDIA), national, _large("")),
        pa.scalar(None, pa.large_string()),
    )
    statuses = pc.if_else(placeholder, _large("placeholder"), _large("ok"))
    odd = pc.invert(plain)
    readings = [_read(text, banned) for text in texts.filter(odd).to_pylist()]
    return (
        pc.replace_with_mask(phones, odd, pa.array([r.phone for r in readings], pa.large_string())),
        pc.replace_with_mask(statuses, odd, pa.array([r.status for r in readings], pa.large_string())),
    )


def _without_float_tail(texts: pa.Array) -> pa.Array:
    """Cut the ``.0`` that a spreadsheet puts behind a phone it took for a number."""
    dotted = pc.ends_with(texts, ".0")
    if not pc.any(dotted, min_count=0).as_py():
        return texts
    cut = pc.replace_substring_regex(texts.filter(dotted), _FLOAT_TAIL, r"\1")
    return pc.replace_with_mask(texts, dotted, cut)


def _is_plain(compact: pa.Array, national: pa.Array) -> pa.Array:
    """Find ten digits that don't start with 0, alone or behind a prefix that can only mean India."""
    digits = pc.and_(pc.ascii_is_decimal(national), pc.equal(pc.binary_length(national), 10))
    digits = pc.and_(digits, pc.invert(pc.starts_with(national, "0")))
    prefix = pc.utf8_slice_codeunits(compact, 0, -10)
    return pc.and_(digits, pc.is_in(prefix, pa.array(_PLAIN_PREFIXES, pa.large_string())))


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _read(text: str, banned: frozenset[str]) -> PhoneReading:
    text = _plain_characters(text)
    if text.lower().strip(" .'") in MISSING_WORDS:
        return PhoneReading(None, "missing")
    if _SCIENTIFIC.fullmatch(text):
        return PhoneReading(None, "scientific")
    text = re.sub(_FLOAT_TAIL, r"\1", text)
    shorter = _EXTENSION.sub("", text)
    if _digit_count(shorter) >= 10:
        text = shorter
    readings = [_read_number(piece, banned) for piece in _pieces(text)]
    return next((reading for reading in readings if reading.phone), readings[0])


def _plain_characters(text: str) -> str:
    """Fold wide and typographic characters and the digits of other scripts to ASCII."""
    if text.isascii():
        return text.strip()
    folded = unicodedata.normalize("NFKC", text).replace("±", "+")
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in folded).strip()


def _digit_count(text: str) -> int:
    return len(_NON_DIGITS.sub("", text))


def _pieces(text: str) -> list[str]:
    """Split a cell that holds several numbers; a cell with one number stays whole, whatever separates its digits."""
    pieces = _long_enough(_BETWEEN_NUMBERS.split(text)) or [text]
    for separator in _BETWEEN_CROWDED_NUMBERS:
        pieces = [
            part
            for piece in pieces
            for part in (
                (_long_enough(separator.split(piece)) or [piece])
                if _digit_count(piece) > _LONGEST_NUMBER
                else [piece]
            )
        ]
    return pieces


def _long_enough(pieces: list[str]) -> list[str]:
    return [piece for piece in pieces if _digit_count(piece) >= 10]


def _read_number(piece: str, banned: frozenset[str]) -> PhoneReading:
    digits = _NON_DIGITS.sub("", piece)
    if not digits:
        return PhoneReading(None, "invalid" if any(c.isalnum() for c in piece) else "missing")
    before = piece[: piece.index(digits[0])]
    if "+" in before or digits.startswith("00"):
        foreign = _valid_foreign(digits.lstrip("0"))
        if foreign:
            return (
                PhoneReading(None, "placeholder") if foreign in banned else PhoneReading(foreign, "foreign")
            )
    national = digits[-10:]
    if national in banned or (len(national) >= _SHORTEST_REPEAT and len(set(national)) == 1):
        return PhoneReading(None, "placeholder")
    if len(digits) < 10:
        return PhoneReading(None, "invalid")
    return PhoneReading(INDIA + national, "ok")


def _valid_foreign(digits: str) -> str | None:
    """Return the canonical digits of a number with a foreign country code, or None if it isn't a valid one."""
    if not digits or digits.startswith(INDIA) or len(digits) > _LONGEST_NUMBER + 2:
        return None
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
