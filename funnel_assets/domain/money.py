"""Amounts and counts as sheets write them, to integers; no float anywhere (SPEC 1, 3).

Belongs here: reading numbers from text exactly. Does not belong here: which columns hold money.

Money is in integer minor units (paise for INR). Ad platforms divide micros and write more than two decimals
(``7307.374``). Refusing such rows would throw away most real spend, so the amount is rounded half to even, and it is
said: the cell is marked ``is_rounded``, and the day's notes count it. Anything that isn't plainly a
number is ``unreadable`` and never becomes zero or null.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.domain.text import (
    Bools,
    as_bools,
    as_integers,
    as_text,
    distinct,
    pc,
    tidy,
    without_missing_words,
)

_CURRENCY_MARKS = {"INR": r"(?:₹|rs\.?|inr\.?|rupees?)", "USD": r"(?:us\$|\$|usd)", "EUR": r"(?:€|eur)"}
_GROUPED = r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}"
_NUMBER = rf"^(?P<sign>-?)(?P<whole>{_GROUPED}|[0-9]*)(?:\.(?P<minor>[0-9]{{0,2}})(?P<half>[0-9]?)(?P<rest>[0-9]*))?$"
_LONGEST_WHOLE = 15
_MINUS_SIGNS = r"[−–—]"


def parse_money(values: pd.Series, *, currency: str = "INR", in_minor_units: bool = False) -> pd.DataFrame:
    """Read a column of amounts.

    Understands Indian and western grouping (``1,23,456.78``, ``123,456.78``), the currency's own sign or code before or
    behind, ``500/-``, and a minus sign or parentheses for negative amounts. Scientific notation, another currency's
    sign, a decimal comma and everything else is unreadable.

    Args:
        values: Cells as written.
        currency: Currency the source states; only its signs are accepted.
        in_minor_units: The source writes whole cents or paise, as Stripe does: ``2900`` is 29.00.

    Returns:
        On the index of ``values``: ``minor`` (Int64, missing unless ok), ``status`` (``ok``, ``missing`` or
        ``unreadable``), ``is_rounded`` (more than two decimals that weren't zero).
    """
    texts, places = distinct(without_missing_words(tidy(values)))
    minor, readable, rounded = _read_distinct(_bare_amounts(texts, currency))
    if in_minor_units:
        hundredths = minor.to_numpy(zero_copy_only=False)
        readable = readable & ~rounded & (hundredths % 100 == 0)
        minor = pa.array(hundredths // 100)
    return _spread(minor, readable, rounded, places, values.index)


def parse_integers(values: pd.Series) -> pd.DataFrame:
    """Read a column of whole numbers: ``1,204`` and ``12.00`` are; ``12.5`` and ``1e3`` aren't.

    Returns:
        On the index of ``values``: ``number`` (Int64, missing unless ok) and ``status`` (``ok``, ``missing`` or
        ``unreadable``).
    """
    texts, places = distinct(without_missing_words(tidy(values)))
    minor, readable, rounded = _read_distinct(pc.replace_substring_regex(texts, _MINUS_SIGNS, "-"))
    hundredths = minor.to_numpy(zero_copy_only=False)
    whole = readable & ~rounded & (hundredths % 100 == 0)
    frame = _spread(pa.array(hundredths // 100), whole, rounded, places, values.index)
    return frame.rename(columns={"minor": "number"})[["number", "status"]]


def _bare_amounts(texts: pa.Array, currency: str) -> pa.Array:
    """Strip what stands around an amount, leaving sign, digits, commas and point."""
    mark = _CURRENCY_MARKS.get(currency, currency.lower())
    texts = pc.utf8_lower(texts)
    texts = pc.replace_substring_regex(texts, _MINUS_SIGNS, "-")
    texts = pc.replace_substring_regex(texts, r"/-$", "")
    texts = pc.replace_substring_regex(texts, r"^\(\s*([^()-]+?)\s*\)$", r"-\1")
    texts = pc.replace_substring_regex(texts, rf"^([+-]?)\s*{mark}\s*", r"\1")
    texts = pc.replace_substring_regex(texts, rf"\s*{mark}$", "")
    return pc.replace_substring_regex(texts, r"^(?:\+|(-))\s*", r"\1")


def _read_distinct(texts: pa.Array) -> tuple[pa.Array, Bools, Bools]:
    """Return hundredths, where they could be read, and where reading them had to round."""
    found = pc.extract_regex(texts, _NUMBER)
    sign, whole, minor, half, rest = (
        pc.struct_field(found, name) for name in ("sign", "whole", "minor", "half", "rest")
    )
    whole = pc.replace_substring(whole, ",", "")
    readable = as_bools(found.is_valid())
    readable &= as_bools(
        pc.and_(
            pc.greater(pc.add(pc.binary_length(whole), pc.binary_length(minor)), 0),
            pc.less_equal(pc.binary_length(pc.utf8_ltrim(whole, "0")), _LONGEST_WHOLE),
        )
    )
    usable = pa.array(readable)
    hundredths = _digits(whole, usable) * 100 + _digits(pc.utf8_rpad(minor, 2, "0"), usable)
    digit = _digits(half, usable)
    beyond = as_bools(pc.match_substring_regex(rest, "[1-9]")) & readable
    up = (digit > 5) | ((digit == 5) & (beyond | (hundredths % 2 == 1)))
    hundredths = (hundredths + up) * np.where(as_bools(pc.equal(sign, "-")), -1, 1)
    return pa.array(hundredths), readable, (digit > 0) | beyond


def _digits(texts: pa.Array, usable: pa.Array) -> np.ndarray:
    """Read digits as integers; nothing and unusable cells give 0."""
    there = pc.and_(usable, pc.greater(pc.binary_length(texts), 0))
    return pc.if_else(there, texts, "0").cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)


def _spread(
    minor: pa.Array, readable: Bools, rounded: Bools, places: pa.Array, index: pd.Index
) -> pd.DataFrame:
    """Spread the results for distinct values over the column again."""
    known = pc.if_else(pa.array(readable), minor, pa.scalar(None, pa.int64()))
    statuses = pc.if_else(
        pa.array(readable), pa.scalar("ok", pa.large_string()), pa.scalar("unreadable", pa.large_string())
    )
    return pd.DataFrame(
        {
            "minor": as_integers(known.take(places), index),
            "status": as_text(statuses.take(places).fill_null("missing"), index),
            "is_rounded": as_bools(pa.array(readable & rounded).take(places)),
        },
        index=index,
    )
