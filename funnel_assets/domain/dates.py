"""Dates and times as sources write them, to UTC moments and local days (SPEC 3, 4).

Belongs here: reading a cell by the formats its source declares, and the local day of a moment. Does not belong here:
which formats a source has (sources.yaml).

Cells are read by the formats given, in their order. Which formats a column is written in, where the source names
several that contradict each other, is judged before, by all of its cells (`date_choice`). Nothing is guessed:
`03/04/2025` is the third of April only if the source says day first.
"""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.domain.text import Bools, Ints, as_bools, distinct, pc, tidy
from funnel_assets.errors import ConfigError

ISO_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
"""What a source that declares no formats may write."""

OFFSET_FORMATS = tuple(f"%Y-%m-%d{gap}%H:%M{seconds}%z" for gap in "T " for seconds in (":%S", ":%S.%f", ""))
"""ISO 8601 with an offset names its moment by itself; every source may write it."""

SERIAL_FORMATS = ("excel", "unix", "unix_ms")
"""Names, in place of a format, for cells that hold a number: days of Excel's 1900 calendar, or epoch seconds."""

FIRST_YEAR, LAST_YEAR = 1900, 2199
"""A year outside these is a slip of the keyboard (``0025``, ``20225``), not a date."""

_DAY_US = 86_400_000_000
_NO_MOMENT = np.iinfo(np.int64).min
_EXCEL_EPOCH_DAYS = (dt.date(1899, 12, 30) - dt.date(1970, 1, 1)).days
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_WIDTHS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2}
_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "y": r"(?P<y>[0-9]{2})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "H": r"(?P<H>[0-9]{1,2})",
    "I": r"(?P<I>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{1,2})",
    "S": r"(?P<S>[0-9]{1,2})",
    "f": r"(?P<f>[0-9]{1,9})",
    "p": r"(?P<p>[AaPp]\.?[Mm]\.?)",
    "b": r"(?P<b>[A-Za-z]{3,9})\.?",
    "B": r"(?P<b>[A-Za-z]{3,9})\.?",
    "a": r"[A-Za-z]{2,9}\.?",
    "A": r"[A-Za-z]{2,9}\.?",
    "z": r"(?P<z>[Zz]|[+-][0-9]{2}:?[0-9]{2})",
}


@dataclass(frozen=True)
class _Scan:
    """What a format found: wall-clock microseconds since 1970, and which cells it read."""

    wall_us: Ints
    read: Bools
    is_utc: bool

    def place(self, rows: Ints, wall_us: Ints, read: Bools) -> None:
        """Fill in the result of some of the cells."""
        self.wall_us[rows] = wall_us
        self.read[rows] = read


def parse_local(series: pd.Series, *, formats: Sequence[str], timezone: str) -> pd.Series:
    """Read a column of moments.

    Args:
        series: Cells as the source wrote them.
        formats: strftime-style formats of the source, tried in order for each cell; a format without a time part reads
            a bare date as that day's local midnight. ``excel``, ``unix`` and ``unix_ms`` read numbers. ISO 8601 with an
            offset is always read.
        timezone: Time zone of cells without an offset. An hour that occurs twice is taken as its first occurrence; a
            time the clock skipped becomes the first moment after the gap.

    Returns:
        Column of dtype ``datetime64[us, UTC]``, missing where no format reads the cell.

    Raises:
        ConfigError: If a format or the time zone isn't understood.
    """
    wall, read, in_utc, _ = _scan_all(tidy(series), formats)
    moments = _to_utc(wall, read & ~in_utc, timezone)
    moments[in_utc] = wall[in_utc]
    stamps = np.where(read, moments, _NO_MOMENT).view("datetime64[us]")
    return pd.Series(pd.DatetimeIndex(stamps).tz_localize("UTC"), index=series.index)


def parse_day(series: pd.Series, *, formats: Sequence[str], timezone: str, day_timezone: str) -> pd.Series:
    """Read a column of days.

    A bare date is that day, whatever the time zones; a moment is its local day in ``day_timezone``.

    Returns:
        Column of ``datetime.date`` (dtype object), None where no format reads the cell.
    """
    wall, read, in_utc, bare = _scan_all(tidy(series), formats)
    timed = read & ~bare
    moments = _to_utc(wall, timed & ~in_utc, timezone)
    moments[in_utc] = wall[in_utc]
    wall[timed] = _local_wall(moments[timed], day_timezone)
    return _as_dates(np.floor_divide(wall, _DAY_US), read, series.index)


def local_day(moments: pd.Series, timezone: str) -> pd.Series:
    """Return the local day of each UTC moment as ``datetime.date`` (dtype object), None where missing."""
    missing = moments.isna().to_numpy()
    micros = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    days = np.floor_divide(_local_wall(np.where(missing, 0, micros), timezone), _DAY_US)
    return _as_dates(days, ~missing, moments.index)


def days_read(texts: pa.Array, fmt: str) -> np.ndarray:
    """Return the day that one format reads in each cell as it is written (datetime64[D]), NaT where it reads none."""
    scan = _scan(texts, fmt)
    days = np.floor_divide(scan.wall_us, _DAY_US).astype("datetime64[D]")
    return np.where(scan.read, days, np.datetime64("NaT"))


def _scan_all(texts: pa.Array, formats: Sequence[str]) -> tuple[Ints, Bools, Bools, Bools]:
    """Try the formats in order.

    Returns:
        Wall-clock microseconds, which cells were read, which of them are UTC already, which are bare dates.
    """
    size = len(texts)
    wall, read = np.zeros(size, np.int64), np.zeros(size, bool)
    in_utc, bare = np.zeros(size, bool), np.zeros(size, bool)
    there = as_bools(texts.is_valid())
    for fmt in (*formats, *OFFSET_FORMATS):
        left = np.flatnonzero(there & ~read)
        if not len(left):
            break
        scan = _scan(texts if len(left) == size else texts.take(pa.array(left)), fmt)
        hits = left[scan.read]
        wall[hits] = scan.wall_us[scan.read]
        read[hits] = True
        in_utc[hits] = scan.is_utc
        bare[hits] = _is_bare(fmt)
    return wall, read, in_utc, bare


def _is_bare(fmt: str) -> bool:
    return fmt not in SERIAL_FORMATS and not re.search(r"%[HIMSfp]", fmt)


def _scan(texts: pa.Array, fmt: str) -> _Scan:
    """Read what one format reads: cells of its usual width by their bytes, the others by a pattern."""
    if fmt in SERIAL_FORMATS:
        return _scan_serial(texts, fmt)
    pattern, names = _pattern(fmt)
    result = _Scan(np.zeros(len(texts), np.int64), np.zeros(len(texts), bool), "z" in names)
    layout = _layout(fmt)
    other = np.ones(len(texts), bool)
    if layout is not None:
        usual = as_bools(pc.equal(pc.binary_length(texts), layout.width))
        parts, shaped = _parts_by_position(texts.filter(pa.array(usual)), layout)
        result.place(np.flatnonzero(usual), *_wall_clock(parts, shaped))
        other = ~usual
    if other.any():
        values, places = distinct(texts.filter(pa.array(other)))
        found = pc.extract_regex(values, pattern)
        parts = {name: _PART_READERS.get(name, _number)(pc.struct_field(found, name)) for name in names}
        wall, real = _wall_clock(parts, as_bools(found.is_valid()))
        result.place(np.flatnonzero(other), wall[places.to_numpy()], real[places.to_numpy()])
    return result


def _wall_clock(parts: dict[str, Ints], shaped: Bools) -> tuple[Ints, Bools]:
    """Return wall-clock microseconds (UTC where there is an offset), and where the parts name a real moment."""
    zero = np.zeros(len(shaped), np.int64)
    year = parts["Y"] if "Y" in parts else _two_digit_year(parts["y"])
    month = parts["b"] if "b" in parts else parts["m"]
    day, hour = parts["d"], parts.get("H", zero)
    minute, second = parts.get("M", zero), parts.get("S", zero)
    real = shaped & (month >= 1) & (month <= 12) & (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    month = np.clip(month, 1, 12)
    real &= (day >= 1) & (day <= _days_in_month(year, month))
    if "I" in parts:
        real &= (parts["I"] >= 1) & (parts["I"] <= 12)
        hour = parts["I"] % 12
    if "p" in parts:
        hour = np.where((parts["p"] == 1) & (hour < 12), hour + 12, hour)
    real &= (hour <= 23) & (minute <= 59) & (second <= 59)
    seconds = _days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
    return (seconds - parts.get("z", zero)) * 1_000_000 + parts.get("f", zero), real


@dataclass(frozen=True)
class _Layout:
    """Where a format's digits and fixed characters stand when every part is written in full width."""

    width: int
    digits: dict[str, tuple[int, int]]
    literals: dict[int, int]


@lru_cache(maxsize=256)
def _layout(fmt: str) -> _Layout | None:
    """Return the layout of a format made of numbers and single ASCII characters, None for any other."""
    digits: dict[str, tuple[int, int]] = {}
    literals: dict[int, int] = {}
    at = 0
    for token in re.findall(r"%.|.", fmt):
        if token.startswith("%") and token[1:] in _WIDTHS:
            digits[token[1:]] = (at, at + _WIDTHS[token[1:]])
            at += _WIDTHS[token[1:]]
        elif len(token) == 1 and token.isascii():
            literals[at] = ord(token)
            at += 1
        else:
            return None
    return _Layout(at, digits, literals)


def _parts_by_position(texts: pa.Array, layout: _Layout) -> tuple[dict[str, Ints], Bools]:
    """Read the parts of cells that all have the layout's width, and where the cell has its shape."""
    if not len(texts):
        return {name: np.zeros(0, np.int64) for name in layout.digits}, np.zeros(0, bool)
    start = int(np.frombuffer(texts.buffers()[1], np.int64)[texts.offset])
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    cells = data[start : start + len(texts) * layout.width].reshape(len(texts), layout.width)
    shaped = np.ones(len(texts), bool)
    for at, character in layout.literals.items():
        shaped &= cells[:, at] == character
    parts = {}
    for name, (start, end) in layout.digits.items():
        number = np.zeros(len(texts), np.int64)
        for at in range(start, end):
            digit = cells[:, at] - np.uint8(48)
            shaped &= digit <= 9
            number = number * 10 + digit
        parts[name] = number
    return parts, shaped


@lru_cache(maxsize=256)
def _pattern(fmt: str) -> tuple[str, tuple[str, ...]]:
    """Translate a format into a pattern whose groups are named by directive."""
    pieces: list[str] = []
    names: list[str] = []
    for piece in re.findall(r"%.|\s+|[^%\s]+|%$", fmt):
        if piece == "%%":
            pieces.append("%")
        elif piece.startswith("%"):
            group = _DIRECTIVES.get(piece[1:])
            if group is None:
                raise _bad_format(fmt, f"{piece} isn't known")
            pieces.append(group)
            names += re.findall(r"\(\?P<(\w)>", group)
        else:
            pieces.append(r"\s+" if piece.isspace() else _escaped(piece))
    if not {"d"} <= set(names) or not set(names) & {"Y", "y"} or not set(names) & {"m", "b"}:
        raise _bad_format(fmt, "it needs a year, a month and a day")
    if len(names) != len(set(names)):
        raise _bad_format(fmt, "it names one part twice")
    # A 12-hour clock may stand right beside its AM or PM, or with a space of any kind between.
    return "^" + "".join(pieces).replace(r"\s+(?P<p>", r"\s*(?P<p>") + "$", tuple(names)


def _escaped(literal: str) -> str:
    return re.sub(r"([^A-Za-z0-9_])", r"\\\1", literal)


def _bad_format(fmt: str, why: str) -> ConfigError:
    return ConfigError(
        f"the date format {fmt!r} can't be used: {why}.",
        fix="write it as in %d/%m/%Y %H:%M, or one of excel, unix, unix_ms, in date_formats of sources.yaml",
    )


def _number(part: pa.Array) -> Ints:
    """Read digits as integers, 0 where there are none."""
    missing = pc.equal(pc.binary_length(part), 0)
    return pc.if_else(missing, None, part).cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)


def _two_digit_year(year: Ints) -> Ints:
    return np.where(year >= 69, year + 1900, year + 2000)


def _month(part: pa.Array) -> Ints:
    """Read an English month name, whole or cut to three letters; 0 when it is none."""
    lowered = pc.utf8_lower(part)
    number = pc.index_in(pc.utf8_slice_codeunits(lowered, 0, 3), pa.array(_MONTHS, pa.large_string()))
    whole = pa.array([dt.date(2000, m, 1).strftime("%B").lower() for m in range(1, 13)], pa.large_string())
    named = pc.or_(
        pc.or_(pc.is_in(lowered, pa.array([*_MONTHS, "sept"], pa.large_string())), pc.is_in(lowered, whole)),
        False,
    )
    return (
        pc.if_else(named, pc.add(number, 1), 0).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    )


def _offset_seconds(part: pa.Array) -> Ints:
    digits = pc.replace_substring_regex(part, "[^0-9]", "")
    hours = _number(pc.utf8_slice_codeunits(digits, 0, 2))
    minutes = _number(pc.utf8_slice_codeunits(digits, 2, 4))
    sign = np.where(as_bools(pc.starts_with(part, "-")), -1, 1)
    return sign * (hours * 3600 + minutes * 60)


def _afternoon(part: pa.Array) -> Ints:
    return as_bools(pc.starts_with(pc.utf8_lower(part), "p")).astype(np.int64)


def _microseconds(part: pa.Array) -> Ints:
    return _number(pc.utf8_slice_codeunits(pc.utf8_rpad(part, 6, "0"), 0, 6))


def _scan_serial(texts: pa.Array, name: str) -> _Scan:
    """Read numbers that count days or seconds, without a float: Excel's fraction of a day is rounded to the second."""
    found = pc.extract_regex(texts, r"^(?P<whole>[0-9]{1,13})(?:\.(?P<part>[0-9]+))?$")
    read = as_bools(found.is_valid())
    whole = _number(pc.struct_field(found, "whole"))
    part = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.struct_field(found, "part"), 9, "0"), 0, 9)
    billionths = _number(part)
    if name == "excel":
        seconds = (billionths * 86_400 + 500_000_000) // 1_000_000_000
        read &= (whole >= 1) & (whole <= 109_574)
        return _Scan(((whole + _EXCEL_EPOCH_DAYS) * 86_400 + seconds) * 1_000_000, read, False)
    if name == "unix":
        read &= whole < 7_258_118_400
        return _Scan(whole * 1_000_000 + billionths // 1_000, read, True)
    read &= whole < 7_258_118_400_000
    return _Scan(whole * 1_000, read, True)


def _days_in_month(year: Ints, month: Ints) -> Ints:
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    return _MONTH_DAYS[month - 1] + ((month == 2) & leap)


def _days_since_1970(year: Ints, month: Ints, day: Ints) -> Ints:
    """Count days of the Gregorian calendar, in years that start in March so that the leap day comes last."""
    year = np.where(month <= 2, year - 1, year)
    since_march = (month + 9) % 12
    era_year = year * 365 + year // 4 - year // 100 + year // 400
    return era_year + (since_march * 306 + 5) // 10 + day - 1 - 719_468


def _zone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"the time zone {timezone!r} isn't known.", fix="write it as in Asia/Kolkata"
        ) from error
    return timezone


def _to_utc(wall_us: Ints, chosen: Bools, timezone: str) -> Ints:
    """Return the UTC microseconds of the chosen local wall-clock ones."""
    _zone(timezone)
    result = np.full(len(wall_us), _NO_MOMENT)
    local = pd.DatetimeIndex(wall_us[chosen].view("datetime64[us]"))
    first_of_two = np.ones(len(local), bool)
    moments = local.tz_localize(timezone, ambiguous=first_of_two, nonexistent="shift_forward")
    result[chosen] = moments.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    return result


def _local_wall(moments_us: Ints, timezone: str) -> Ints:
    """Return the wall-clock microseconds of UTC ones."""
    index = pd.DatetimeIndex(moments_us.view("datetime64[us]"), tz="UTC").tz_convert(_zone(timezone))
    return index.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)


def _as_dates(days: Ints, known: Bools, index: pd.Index) -> pd.Series:
    """Return day numbers as dates: one ``datetime.date`` object per distinct day."""
    dates = np.full(len(days), None, object)
    if known.any():
        first = int(days[known].min())
        codes, numbers = pd.factorize(days[known] - first)
        names = np.array([dt.date(1970, 1, 1) + dt.timedelta(days=first + int(n)) for n in numbers], object)
        dates[known] = names[codes]
    return pd.Series(dates, index=index, dtype=object)


_PART_READERS = {"b": _month, "p": _afternoon, "z": _offset_seconds, "f": _microseconds}
