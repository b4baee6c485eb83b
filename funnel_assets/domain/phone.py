"""Phone numbers as people type them, to the digits that identify a person (SPEC 6 and 9, seed 001).

Belongs here: the one rule by which a cell becomes a phone. Does not belong here: whose phone it is (identity).

The rule, for a source whose national numbers are those of one country (``FUNNEL_COUNTRY``, or the source's own):

- An explicit foreign country code (a plus sign or 00 before it) is kept where libphonenumber calls the number valid.
- Everything else is a number of the source's country: what is left without trunk prefix and country codes, with the
  country's own code in front. For India that is 001's rule: the last ten digits behind 91.
- It has to be a number that the country's plan knows. An Indian mobile begins with 6 to 9; other Indian numbers are
  phones only where libphonenumber knows them as landlines, which the status tells apart.
- Numbers that stand for "none" are no phone, nor is what fits no plan: the record keeps its other columns.

Plain numbers are matched with Arrow against libphonenumber's own patterns; only odd cells reach its parser, which
reads 40,000 a second.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
import phonenumbers
import pyarrow as pa
from phonenumbers import PhoneMetadata

from funnel_assets.domain.countries import HOME
from funnel_assets.domain.text import (
    LONGEST_CELL,
    MISSING_WORDS,
    as_text,
    distinct,
    holds_byte,
    nulls,
    pc,
    tidy,
)

_SHORTEST_REPEAT, _LONGEST_NUMBER = 5, 15
BUILT_IN_PLACEHOLDERS = frozenset(
    {digit * length for digit in "0123456789" for length in range(_SHORTEST_REPEAT, _LONGEST_NUMBER + 1)}
    | {"1234567890", "0123456789", "0987654321"}
)
"""National numbers that nobody owns; libphonenumber calls several of them valid."""

_MOBILE_STARTS = {"IN": "6789"}
"""First digits of a country's mobiles, where new series come faster than libphonenumber's releases. All other numbers
of such a country must be landlines that libphonenumber knows."""

_SHORTEST_NUMBER = 7
_MOST_DIGITS = 60
_ABROAD = "00"
_FLOAT_TAIL = r"([0-9]{7})\.0+$"
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


@dataclass(frozen=True)
class _Plan:
    """The numbers of one country, as libphonenumber describes them.

    Attributes:
        code: Country code.
        trunk: Digits that people dial before a national number; "" where there are none.
        abroad: Digits that stand for the plus sign.
        mobile: Pattern of the numbers that a person carries; where a country doesn't tell them apart, of all.
        fixed: Pattern of landlines.
        carried: Pattern of mobiles as libphonenumber knows them; a landline is what only ``fixed`` matches.
        shape: Pattern of whatever else the country's numbers look like; None where these are no phones.
        lengths: How many digits such a number may have.
        least: Digits of the shortest number that counts: few have less than seven, and those can't be told from slips.
        enough: Digits from which a piece of a cell is a number of its own.
    """

    code: str
    trunk: str
    abroad: tuple[str, ...]
    mobile: str
    fixed: str
    carried: str
    shape: str | None
    lengths: frozenset[int]
    least: int
    enough: int

    def kind(self, national: str) -> str | None:
        """Return the status of a number that the plan knows: ok or landline; None for any other."""
        if len(national) < self.least:
            return None
        if _matches(self.fixed, national) and not _matches(self.carried, national):
            return "landline"
        return "ok" if _matches(self.mobile, national) else None

    def kinds(self, nationals: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Do the work of `kind` on a column: where a number is ok, and where it is a landline."""
        fixed = _match(self.fixed, nationals)
        # Few numbers look like a landline at all, so only these are compared with what a mobile looks like.
        fixed = pc.replace_with_mask(fixed, fixed, pc.invert(_match(self.carried, nationals.filter(fixed))))
        long = pc.greater_equal(pc.binary_length(nationals), self.least)
        mobile = pc.and_(_match(self.mobile, nationals), pc.invert(fixed))
        return pc.and_(mobile, long), pc.and_(fixed, long)

    def is_shaped(self, national: str) -> bool:
        """Whether a number that libphonenumber doesn't know could be one of the country's."""
        return self.shape is not None and len(national) in self.lengths and _matches(self.shape, national)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What may stand before a plain national number, in the order in which the rule takes it away."""
        marked = (f"{mark}{self.code}" for mark in ("+", "±", _ABROAD))
        return tuple(dict.fromkeys(("", self.trunk, self.code, "0", *marked)))

    @property
    def longest(self) -> int:
        """Digits of its longest national number."""
        return max(self.lengths)


@functools.cache
def _plan(country: str) -> _Plan:
    known = PhoneMetadata.metadata_for_region(country)
    if known is None:
        raise ValueError(f"{country} isn't a country that libphonenumber knows.")
    carried, mobile_lengths = _described(known.mobile)
    fixed, fixed_lengths = _described(known.fixed_line)
    shape, _ = _described(known.general_desc)
    lengths = mobile_lengths + fixed_lengths
    least = min(_SHORTEST_NUMBER, max(lengths))
    shortest = min(n for n in mobile_lengths or fixed_lengths if n >= least)
    starts = _MOBILE_STARTS.get(country)
    dialled = known.international_prefix or ""
    return _Plan(
        code=str(known.country_code),
        trunk=known.national_prefix or "",
        abroad=tuple(
            dict.fromkeys([dialled, _ABROAD] if dialled[:1] == "0" and dialled.isdecimal() else [_ABROAD])
        ),
        mobile=f"[{starts}][0-9]{{{shortest - 1}}}" if starts else carried,
        fixed=fixed,
        carried=carried,
        shape=None if starts else shape,
        lengths=frozenset(n for n in lengths if n >= least),
        least=least,
        enough=shortest,
    )


def _described(kind: phonenumbers.PhoneNumberDesc | None) -> tuple[str, list[int]]:
    """Return the pattern of a kind of number and its lengths; a country that hasn't got it has no number like it."""
    if kind is None or not kind.national_number_pattern:
        return "x", []
    return kind.national_number_pattern, [length for length in kind.possible_length if length > 0]


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


def _matches(pattern: str, digits: str) -> bool:
    return _compiled(pattern).fullmatch(digits) is not None


def _match(pattern: str, cells: pa.Array) -> pa.Array:
    return pc.match_substring_regex(cells, f"^(?:{pattern})$")


class _Rule(NamedTuple):
    """By what cells are read: the plan of national numbers, and the digits that stand for no phone."""

    plan: _Plan
    banned: frozenset[str]


def normalize_phones(
    values: pd.Series, *, placeholders: frozenset[str] = frozenset(), country: str = HOME
) -> pd.DataFrame:
    """Read a column of phones.

    Args:
        values: Cells as typed.
        placeholders: Further numbers that are no phone (placeholders.csv), in any spelling.
        country: Whose national numbers they are where they don't say (ISO 3166, two letters).

    Returns:
        Columns ``phone`` (digits with country code, else missing) and ``phone_status``, on the index of ``values``.
        Each cell's result depends on that cell alone.
    """
    texts, places = distinct(tidy(values))
    phones, statuses = _read_distinct(texts, _rule(placeholders, country))
    return pd.DataFrame(
        {
            "phone": as_text(phones.take(places), values.index),
            "phone_status": as_text(statuses.take(places).fill_null("missing"), values.index),
        }
    )


def normalize_phone(
    text: str | None, *, placeholders: frozenset[str] = frozenset(), country: str = HOME
) -> PhoneReading:
    """Read one phone by the same rule as `normalize_phones`."""
    return _read(text or "", _rule(placeholders, country))


def _rule(placeholders: frozenset[str], country: str) -> _Rule:
    given = {re.sub(r"\D", "", text) for text in placeholders if "@" not in text}
    return _Rule(_plan(country), BUILT_IN_PLACEHOLDERS | {digits[-10:] for digits in given} | given - {""})


def _read_distinct(texts: pa.Array, rule: _Rule) -> tuple[pa.Array, pa.Array]:
    """Read distinct cells: plain numbers of the country at once, the others one by one."""
    compact = _without_float_tail(texts)
    for character in _FILLING:
        if holds_byte(compact, ord(character)):
            compact = pc.replace_substring(compact, character, "")
    phones, statuses = _read_plain(compact, rule)
    odd = statuses.is_null()
    readings = [_read(text, rule) for text in texts.filter(odd).to_pylist()]
    return (
        pc.replace_with_mask(phones, odd, pa.array([r.phone for r in readings], pa.large_string())),
        pc.replace_with_mask(statuses, odd, pa.array([r.status for r in readings], pa.large_string())),
    )


def _read_plain(compact: pa.Array, rule: _Rule) -> tuple[pa.Array, pa.Array]:
    """Read the cells that hold a number of the country's plan, alone or behind a prefix that can only mean it."""
    banned = pa.array(sorted(rule.banned), pa.large_string())
    phones, statuses = nulls(len(compact)), nulls(len(compact))
    for prefix in rule.plan.prefixes:
        # A cell is read without a prefix first, so that 9198765432 is a number and not the end of one.
        among = pc.and_(statuses.is_null(), pc.starts_with(compact, prefix))
        nationals = pc.utf8_slice_codeunits(compact.filter(among), len(prefix))
        mobile, fixed = rule.plan.kinds(nationals)
        found = pc.binary_join_element_wise(_large(rule.plan.code), nationals, _large(""))
        none = pc.or_(pc.is_in(nationals, banned), pc.is_in(found, banned))
        told = pc.if_else(
            mobile, _large("ok"), pc.if_else(fixed, _large("landline"), pa.scalar(None, pa.large_string()))
        )
        told = pc.if_else(pc.and_(told.is_valid(), none), _large("placeholder"), told)
        usable = pc.and_(told.is_valid(), pc.invert(none))
        found = pc.if_else(usable, found, pa.scalar(None, pa.large_string()))
        phones = pc.replace_with_mask(phones, among, found)
        statuses = pc.replace_with_mask(statuses, among, told)
    return phones, statuses


def _without_float_tail(texts: pa.Array) -> pa.Array:
    """Cut the ``.0`` that a spreadsheet puts behind a phone it took for a number."""
    dotted = pc.ends_with(texts, ".0")
    if not pc.any(dotted, min_count=0).as_py():
        return texts
    cut = pc.replace_substring_regex(texts.filter(dotted), _FLOAT_TAIL, r"\1")
    return pc.replace_with_mask(texts, dotted, cut)


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _read(text: str, rule: _Rule) -> PhoneReading:
    if len(text) > LONGEST_CELL:
        return PhoneReading(None, "invalid")
    text = _plain_characters(text)
    if text.lower().strip(" .'") in MISSING_WORDS:
        return PhoneReading(None, "missing")
    if _SCIENTIFIC.fullmatch(text):
        return PhoneReading(None, "scientific")
    text = re.sub(_FLOAT_TAIL, r"\1", text)
    shorter = _EXTENSION.sub("", text)
    if _digit_count(shorter) >= rule.plan.enough:
        text = shorter
    readings = [_read_number(piece, rule) for piece in _pieces(text, rule.plan.enough)]
    return next((reading for reading in readings if reading.phone), readings[0])


def _plain_characters(text: str) -> str:
    """Fold wide and typographic characters and the digits of other scripts to ASCII."""
    if text.isascii():
        return text.strip()
    folded = unicodedata.normalize("NFKC", text).replace("±", "+")
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in folded).strip()


def _digit_count(text: str) -> int:
    return len(_NON_DIGITS.sub("", text))


def _pieces(text: str, enough: int) -> list[str]:
    """Split a cell that holds several numbers; a cell with one number stays whole, whatever separates its digits."""
    pieces = _long_enough(_BETWEEN_NUMBERS.split(text), enough) or [text]
    for separator in _BETWEEN_CROWDED_NUMBERS:
        pieces = [
            part
            for piece in pieces
            for part in (
                (_long_enough(separator.split(piece), enough) or [piece])
                if _digit_count(piece) > _LONGEST_NUMBER
                else [piece]
            )
        ]
    return pieces


def _long_enough(pieces: list[str], enough: int) -> list[str]:
    return [piece for piece in pieces if _digit_count(piece) >= enough]


def _read_number(piece: str, rule: _Rule) -> PhoneReading:
    digits = _NON_DIGITS.sub("", piece)
    if not digits:
        return PhoneReading(None, "invalid" if any(c.isalnum() for c in piece) else "missing")
    if len(digits) > _MOST_DIGITS:
        return PhoneReading(None, "invalid")
    mark = "+" if "+" in piece[: piece.index(digits[0])] else _dialled_abroad(digits, rule.plan)
    stated = digits.removeprefix(mark).lstrip("0")
    reading = _read_marked(stated, rule) if mark else _read_unmarked(digits, rule)
    if reading is None:
        return PhoneReading(None, "placeholder" if _stands_for_none(digits, rule) else "invalid")
    return PhoneReading(None, "placeholder") if _is_banned(reading, rule) else reading


def _dialled_abroad(digits: str, plan: _Plan) -> str:
    """Return the digits at the beginning that stand for a plus sign; "" where there are none."""
    return next((mark for mark in plan.abroad if digits.startswith(mark)), "")


def _is_banned(reading: PhoneReading, rule: _Rule) -> bool:
    assert reading.phone is not None
    national = reading.phone.removeprefix(rule.plan.code) if reading.status != "foreign" else reading.phone
    return reading.phone in rule.banned or national in rule.banned


def _read_marked(digits: str, rule: _Rule) -> PhoneReading | None:
    """Read a number that states its country: the source's own, another one, or one that was picked by mistake."""
    plan = rule.plan
    if digits.startswith(plan.code):
        return _national(digits.removeprefix(plan.code), plan) or _national(digits, plan)
    foreign = _valid_foreign(digits)
    if foreign:
        return PhoneReading(foreign, "foreign")
    # People type a national number behind the plus sign, or leave the form's country as it stood.
    for meant in (digits, *_behind_a_country_code(digits, (1, 2, 3))):
        reading = _national(meant, plan, mobile_only=True)
        if reading is not None:
            return reading
    return None


def _read_unmarked(digits: str, rule: _Rule) -> PhoneReading | None:
    """Read a number that states no country: the source's own, else the only one that it can be."""
    plan = rule.plan
    reading = _national(digits, plan)
    # One digit too many is a slip of the finger; it takes two to be another country's code.
    if reading is not None or len(digits.lstrip("0")) < plan.longest + 2:
        return reading
    for meant in _behind_a_country_code(digits.lstrip("0"), (2, 3)):
        reading = _national(meant, plan, mobile_only=True)
        if reading is not None:
            return reading
    foreign = _valid_foreign(digits)
    return PhoneReading(foreign, "foreign") if foreign else None


def _national(digits: str, plan: _Plan, *, mobile_only: bool = False) -> PhoneReading | None:
    """Read digits as a number of a country, with or without trunk prefix and country code before it."""
    meant = list(_without_prefixes(digits, plan))
    for number in meant:
        kind = plan.kind(number)
        if kind and (not mobile_only or _matches(plan.mobile, number)):
            return PhoneReading(plan.code + number, kind)
    shaped = () if mobile_only else filter(plan.is_shaped, meant)
    return next((PhoneReading(plan.code + number, "unlisted") for number in shaped), None)


def _without_prefixes(digits: str, plan: _Plan) -> Iterator[str]:
    yield digits
    for prefix in dict.fromkeys((plan.trunk, plan.code, "0")):
        if prefix and digits.startswith(prefix):
            yield from _without_prefixes(digits.removeprefix(prefix), plan)


def _behind_a_country_code(digits: str, lengths: tuple[int, ...]) -> Iterator[str]:
    for length in lengths:
        if digits[:length].isdecimal() and int(digits[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            yield digits[length:]


def _stands_for_none(digits: str, rule: _Rule) -> bool:
    """Whether digits that are no phone were typed for want of one: 99999 99999, 12345 67890."""
    behind = _behind_a_country_code(digits.lstrip("0"), (1, 2, 3))
    meant = {digits, *_without_prefixes(digits, rule.plan), *behind}
    return not meant.isdisjoint(rule.banned)


def _valid_foreign(digits: str) -> str | None:
    """Return the canonical digits of a number with its country code, or None if it isn't a valid one."""
    if not digits or len(digits) > _LONGEST_NUMBER + 2:
        return None
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return f"{number.country_code}{phonenumbers.national_significant_number(number)}"
