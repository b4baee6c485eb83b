"""Dates of a whole file: one style a column, one day/month order a file.

Belongs here: recognising date styles, deciding the order of day and month from all of a file's dates
together, and turning cells into UTC instants. Does not belong here: what a zone's name means (`zones`). A single
cell never decides on its own: it either agrees with its column or is a misfit that the caller sets apart.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.labels import Labels, key
from funnel_assets.sources.zoom.zones import Zone, named_zone, only_offset, other_name, own_zone_names

ORDERS = ("month_first", "day_first")
_TIME = (
    r"(?:(?:AT|À)\s+)?(?:(?P<ap0>AM|PM)\s*)?(?P<h>\d{1,2})[:.時时](?P<mi>\d{2})分?(?:[:.]?(?P<s>\d{2})(?:\.\d+)?秒?)?"
    r"(?:\s*(?P<ap1>AM|PM))?"
    r"(?:\s*\(?(?P<z>Z|(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|[+-]\d{2}:?\d{2}|[A-Z]{2,5})\)?)?"
)
_WEEKDAY = r"^(?:(?P<wd>[^\s\d.,:/+()]+)(?:[.,]{1,2}\s*|\s+))?"
_FAMILIES = {
    "ymd": _WEEKDAY
    + r"(?P<y>\d{4})(?P<sep>[-/.年])\s?(?P<a>\d{1,2})[-/.月]\s?(?P<b>\d{1,2})日?[\sT,]*"
    + _TIME
    + "$",
    "numeric": _WEEKDAY
    + r"(?P<a>\d{1,2})(?P<sep>[-/.])\s?(?P<b>\d{1,2})[-/.]\s?(?P<y>\d{4}|\d{2}),?\s+"
    + _TIME
    + "$",
    "month_day": _WEEKDAY
    + r"(?P<a>[^\s\d.,:/+-]+)(?P<sep>\.?)\s+(?P<b>\d{1,2}),?\s+(?P<y>\d{4}),?\s+"
    + _TIME
    + "$",
    "day_month": _WEEKDAY
    + r"(?P<b>\d{1,2})(?P<sep>\.?)[\s-]+(?:DE\s+)?(?P<a>[^\s\d.,:/+-]+)\.?,?[\s-]+(?:DE\s+)?"
    + r"(?P<y>\d{4}),?\s+"
    + _TIME
    + "$",
}
_SEPARATORS = ("", "-", "/", ".", "年")
_FAMILY_NAMES = tuple(_FAMILIES)
_NAMED = ("month_day", "day_month")
_PARTS = ("first", "second", "year", "seconds", "weekday", "zone", "shape")
# "2025年3月5日(水) 19:01": the weekday stands between day and time.
_INNER_WEEKDAY = re.compile(r"^([^()]*\d[^()\d]?)\s*\(([^\s\d()]+)\)\s*(\d.*)$")
_SPACED_HALF = re.compile(r"\b([AP])\.?\s?M\b\.?")
_AMERICAN = re.compile(r"\d/\d+/\d{2,4}\D.*[ap]\.?m", re.IGNORECASE)
_NUMERIC = _FAMILY_NAMES.index("numeric")
# The share of a column that may be written in another style before the file counts as mixed.
_MINORITY = 0.02
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_YEARS = (2000, 2100)
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
# Days from 1970 to the first of each month, up to the one after the last month we read.
_MONTH_STARTS = (
    np.arange(12 * (_EPOCH_YEARS[1] - 1970) + 1)
    .astype("datetime64[M]")
    .astype("datetime64[D]")
    .astype(np.int64)
)
# Up to this many dates Python is quicker than starting Arrow's functions.
_FEW = 256
_NAT = np.iinfo(np.int64).min
_GROUPS = ("wd", "y", "sep", "a", "b", "ap0", "h", "mi", "s", "ap1", "z")


@dataclass(frozen=True)
class Cells:
    """One column's distinct dates taken apart.

    Arrays run over the distinct texts; ``codes`` maps rows to them (-1 for an empty cell). ``family`` is -1
    where nothing matched. ``weekday`` is 1 for Monday, 0 for none. ``zone`` is a place in ``zones``, 0 for none, and
    ``offset`` its seconds ahead of UTC. ``trouble`` says of distinct texts that a person can read, and that can mean
    several things or contradict themselves, which reason code and why. ``local`` remembers ``readings``.
    """

    codes: np.ndarray
    texts: list[str]
    family: np.ndarray
    first: np.ndarray
    second: np.ndarray
    year: np.ndarray
    seconds: np.ndarray
    weekday: np.ndarray
    zone: np.ndarray
    shape: np.ndarray
    offset: np.ndarray
    zones: list[Zone] = field(default_factory=list, init=False)
    trouble: dict[int, tuple[str, str]] = field(default_factory=dict, init=False)
    local: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def numeric(self) -> np.ndarray:
        """Which distinct texts are written with digits and a separator, so that order matters."""
        return self.family == _NUMERIC


def take_apart(
    column: pa.Array | pa.ChunkedArray, labels: Labels, timezone: str, header: Zone | None = None
) -> Cells:
    """Split a text column (nulls are empty cells) into date parts; the order of day and month stays open.

    Args:
        column: The texts.
        labels: Words for months, weekdays, zones and halves of the day.
        timezone: The account's own zone, whose names say nothing behind a time.
        header: Zone that the column's header gives its times in.
    """
    # Under a header of another zone even the account's own name is a contradiction.
    tail = _tail(timezone) if header is None else None
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if len(whole) <= _FEW:
        cells = _take_few_apart(whole.to_pylist(), labels, tail)
    else:
        cells = _take_many_apart(whole, labels, tail)
    _settle(cells, labels, timezone, header)
    return cells


@cache
def _tail(timezone: str) -> re.Pattern[str]:
    names = "|".join(map(re.escape, sorted(own_zone_names(timezone))))
    return re.compile(rf"\s*\(?\b(?:{names})\)?$")


def _take_many_apart(whole: pa.Array, labels: Labels, tail: re.Pattern[str] | None) -> Cells:
    dictionary = whole.dictionary_encode()
    texts = dictionary.dictionary
    codes = dictionary.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    size = len(texts)
    parts = {name: np.zeros(size, dtype=np.int64) for name in _PARTS}
    family = np.full(size, -1, dtype=np.int64)
    zones: dict[str, int] = {}
    if size:
        plain = _plain(texts, labels, tail)
        _match_families(plain, family, parts, labels, zones)
    return _cells(codes, texts.to_pylist(), family, parts, zones)


def _cells(
    codes: np.ndarray,
    texts: list[str],
    family: np.ndarray,
    parts: Mapping[str, np.ndarray],
    zones: Mapping[str, int],
) -> Cells:
    """Cells whose zones have their names only."""
    cells = Cells(codes, texts, family, **parts, offset=np.zeros(len(texts), dtype=np.int64))
    cells.zones.extend([Zone("", 0), *(Zone(name, None) for name in zones)])
    return cells


def _settle(cells: Cells, labels: Labels, timezone: str, header: Zone | None) -> None:
    """Give the zones their offsets, and name the texts that can't be read in one certain way."""
    cells.zones[1:] = [named_zone(zone.name, timezone, labels) for zone in cells.zones[1:]]
    found = cells.family >= 0
    if header is not None:
        cells.shape[found & (cells.zone == 0)] += 32
        cells.zones.append(header)
        cells.zone[found & (cells.zone == 0)] = len(cells.zones) - 1
    if not (cells.zone.any() or cells.weekday.any()):
        return
    cells.offset[:] = np.array([zone.offset or 0 for zone in cells.zones])[cells.zone]
    for at, zone in enumerate(cells.zones[1:], start=1):
        why = zone.why
        if header is not None and zone.offset not in (None, header.offset):
            why = f"The header says {header.name}, the cell {zone.name}."
        if why:
            rows = np.flatnonzero(found & (cells.zone == at)).tolist()
            cells.trouble.update(dict.fromkeys(rows, ("unknown_zone", why)))
    plain = _in_both_orders(cells, partial(_as_written, cells))
    checked = _in_both_orders(cells, lambda order: _checked(cells, plain[order]))
    possible = (plain[ORDERS[0]] != _NAT) | (plain[ORDERS[1]] != _NAT)
    nowhere = (checked[ORDERS[0]] == _NAT) & (checked[ORDERS[1]] == _NAT)
    for row in np.flatnonzero(found & possible & nowhere):
        cells.trouble.setdefault(int(row), _contradiction(cells, int(row), plain))
    if cells.trouble:
        cells.family[list(cells.trouble)] = -1
    else:
        cells.local.update(checked)


def _contradiction(cells: Cells, row: int, plain: Mapping[str, np.ndarray]) -> tuple[str, str]:
    """Reason and words for a date that isn't the weekday it says, or a zone whose clocks showed another name."""
    moments = {int(plain[order][row]) for order in ORDERS} - {_NAT}
    offset = int(cells.offset[row])
    dates = sorted(_EPOCH + dt.timedelta(microseconds=moment + offset * _SECOND_US) for moment in moments)
    if cells.weekday[row] and all(date.isoweekday() != cells.weekday[row] for date in dates):
        told = " or ".join(f"{date.day} {date:%B %Y} is a {date:%A}" for date in dates)
        written = _EPOCH + dt.timedelta(days=int(cells.weekday[row]) + 3)
        return "weekday_contradicts", f"{told}, not the {written:%A} it says."
    zone = cells.zones[int(cells.zone[row])]
    shown = " or ".join(sorted({other_name(zone, moment) for moment in moments}))
    return "unknown_zone", f"It says {zone.name}, and clocks showed {shown} on that day."


def _take_few_apart(column: list[str | None], labels: Labels, tail: re.Pattern[str] | None) -> Cells:
    """The same cell by cell for a short column, where Arrow's functions cost more to start than they save."""
    place: dict[str, int] = {}
    codes = [-1 if text is None else place.setdefault(text, len(place)) for text in column]
    zones: dict[str, int] = {}
    found = np.array([_one(text, labels, tail, zones) for text in place], dtype=np.int64).reshape(-1, 12)
    found = found.T.copy()
    matched = found[0]
    parts: dict[str, np.ndarray] = dict(zip(_PARTS, found[2:9], strict=True))
    widths, hours = found[9:12] % 100, found[11] // 100
    # A lone date has nothing to be padded unlike.
    for index in set(matched.tolist()) - {-1} if len(place) > 1 else ():
        of = np.flatnonzero(matched == index)
        values = {"a": parts["first"][of], "b": parts["second"][of], "h": hours[of]}
        odd = _odd_padding(
            dict(zip("abh", widths[:, of], strict=True)), values, _FAMILY_NAMES[index] in _NAMED
        )
        parts["shape"][of] += 4096 * odd
    family = np.where(found[1] == 1, matched, -1)
    return _cells(np.array(codes, dtype=np.int64), list(place), family, parts, zones)


def _one(text: str, labels: Labels, tail: re.Pattern[str] | None, zones: dict[str, int]) -> tuple[int, ...]:
    """Family, whether it holds, ``_PARTS``, widths of a and b, and 100 x hour + width of the hour."""
    plain = _plain_one(text, labels, tail)
    matches = ((index, _family(index).match(plain)) for index in range(len(_FAMILY_NAMES)))
    index, match = next(((index, match) for index, match in matches if match), (-1, None))
    if match is None:
        return (index,) + (0,) * 11
    got = match.groupdict("")
    first = _month(got["a"], labels) if _FAMILY_NAMES[index] in _NAMED else int(got["a"])
    year = int(got["y"]) + (2000 if len(got["y"]) == 2 else 0)
    hour, minute, second = int(got["h"]), int(got["mi"]), int(got["s"] or 0)
    half = got["ap0"] or got["ap1"]
    good = (bool(got["ap0"]) or hour >= 1) and hour <= 12 if half else hour <= 23
    good = good and minute < 60 and second < 60 and _EPOCH_YEARS[0] <= year < _EPOCH_YEARS[1]
    weekday = _weekday(got["wd"], labels)
    clock = hour % 12 + 12 * (half == "PM") if half else hour
    shape = index + 8 * bool(half) + 16 * bool(got["s"]) + 32 * bool(got["z"]) + 64 * (len(got["y"]) == 2)
    shape += 128 * _SEPARATORS.index(got["sep"]) + 8192 * bool(weekday)
    seconds = clock * 3600 + minute * 60 + second
    parts = (first, int(got["b"]), year, seconds, weekday, _zone(got["z"], zones), shape)
    return (
        index,
        int(good and weekday >= 0),
        *parts,
        len(got["a"]),
        len(got["b"]),
        100 * hour + len(got["h"]),
    )


def _plain_one(text: str, labels: Labels, tail: re.Pattern[str] | None) -> str:
    plain = text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
        for word, name in labels.by_kind["ampm"].items():
            plain = plain.replace(word, name.upper() + " ")
        plain = plain.replace("\u200e", "").replace("\u200f", "")
    plain = plain.upper().strip()
    if tail is not None:
        plain = tail.sub("", plain)
    if "(" in plain:
        plain = _INNER_WEEKDAY.sub(r"\2 \1 \3", plain)
    return _SPACED_HALF.sub(r"\1M", plain).strip()


def _plain(texts: pa.Array, labels: Labels, tail: re.Pattern[str] | None) -> pa.Array:
    plain = texts
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        plain = pc.utf8_normalize(plain, form="NFKC")
        for word, name in labels.by_kind["ampm"].items():
            plain = pc.replace_substring(plain, word, name.upper() + " ")
        plain = pc.replace_substring_regex(plain, "[\u200e\u200f]", "")
    plain = pc.utf8_trim_whitespace(pc.utf8_upper(plain))
    if tail is not None:
        plain = pc.replace_substring_regex(plain, tail.pattern, "")
    if pc.any(pc.match_substring(plain, "(")).as_py():
        plain = pc.replace_substring_regex(plain, _INNER_WEEKDAY.pattern, r"\2 \1 \3")
    if pc.any(pc.match_substring_regex(plain, r"[AP]\.\s?M|[AP]\sM")).as_py():
        plain = pc.replace_substring_regex(plain, _SPACED_HALF.pattern, r"\1M")
    return pc.utf8_trim_whitespace(plain)


def _match_families(
    plain: pa.Array,
    family: np.ndarray,
    parts: dict[str, np.ndarray],
    labels: Labels,
    zones: dict[str, int],
) -> None:
    todo = np.arange(len(plain))
    first = plain[0].as_py()
    order = sorted(range(len(_FAMILY_NAMES)), key=lambda i: _family(i).match(first) is None)
    for index in order:
        if not len(todo):
            return
        values = plain if len(todo) == len(plain) else plain.take(pa.array(todo))
        found, hit = _extract(values, index)
        if not hit.any():
            continue
        where = todo[hit]
        _fill(found, where, index, family, parts, labels, zones)
        todo = todo[~hit]


@cache
def _family(index: int) -> re.Pattern[str]:
    return re.compile(_FAMILIES[_FAMILY_NAMES[index]], re.ASCII)


def _extract(values: pa.Array, index: int) -> tuple[dict[str, pa.Array], np.ndarray]:
    """Named parts of the values that match one family, and which values those are."""
    found = pc.extract_regex(values, pattern=_FAMILIES[_FAMILY_NAMES[index]])
    hit = found.is_valid().to_numpy(zero_copy_only=False)
    found = found.filter(pa.array(hit))
    return {name: found.field(name) for name in _GROUPS}, hit


def _fill(
    found: dict[str, pa.Array],
    where: np.ndarray,
    index: int,
    family: np.ndarray,
    parts: dict[str, np.ndarray],
    labels: Labels,
    zones: dict[str, int],
) -> None:
    def text(name: str) -> pa.Array:
        return found[name]

    def number(name: str) -> np.ndarray:
        cell = text(name)
        return pc.cast(pc.if_else(pc.equal(cell, ""), "0", cell), pa.int64()).to_numpy(zero_copy_only=False)

    width = {
        name: pc.utf8_length(text(name)).to_numpy(zero_copy_only=False) for name in ("a", "b", "h", "s", "y")
    }
    named = _FAMILY_NAMES[index] in _NAMED
    first = _by_word(text("a"), lambda word: _month(word, labels)) if named else number("a")
    second, year, hour, minute, second_of = number("b"), number("y"), number("h"), number("mi"), number("s")
    year = np.where(width["y"] == 2, year + 2000, year)
    before = pc.not_equal(text("ap0"), "").to_numpy(zero_copy_only=False)
    half = pc.if_else(pc.equal(text("ap0"), ""), text("ap1"), text("ap0"))
    is_pm = pc.equal(half, "PM").to_numpy(zero_copy_only=False)
    is_am = pc.equal(half, "AM").to_numpy(zero_copy_only=False)
    twelve = is_pm | is_am
    # Japanese and Chinese clocks write midnight as 0 o'clock in the morning half.
    good = (
        np.where(twelve, ((hour >= 1) | before) & (hour <= 12), hour <= 23) & (minute < 60) & (second_of < 60)
    )
    clock = np.where(twelve, hour % 12 + np.where(is_pm, 12, 0), hour)
    parts["first"][where], parts["second"][where], parts["year"][where] = first, second, year
    parts["seconds"][where] = clock * 3600 + minute * 60 + second_of
    zone = _by_word(text("z"), lambda word: _zone(word, zones))
    weekday = _by_word(text("wd"), lambda word: _weekday(word, labels))
    parts["zone"][where], parts["weekday"][where] = zone, weekday
    sep = pc.fill_null(pc.index_in(text("sep"), value_set=pa.array(_SEPARATORS)), 0).to_numpy(
        zero_copy_only=False
    )
    shape = index + 8 * twelve + 16 * (width["s"] > 0) + 32 * (zone > 0) + 64 * (width["y"] == 2) + 128 * sep
    shape += 8192 * (weekday != 0)
    parts["shape"][where] = shape + 4096 * _odd_padding(width, {"a": first, "b": second, "h": hour}, named)
    good &= weekday >= 0
    family[where] = np.where(good & (year >= _EPOCH_YEARS[0]) & (year < _EPOCH_YEARS[1]), index, -1)


def _odd_padding(
    width: Mapping[str, np.ndarray], values: Mapping[str, np.ndarray], named: bool
) -> np.ndarray:
    """Mark cells that write a small number with (or without) a leading zero, against the rest of the column.

    A byte lost from a number ("12/2/2025" for "12/20/2025") shows only here.
    """
    odd = np.zeros(len(width["a"]), dtype=np.int64)
    for name in ("b", "h") if named else ("a", "b", "h"):
        short = width[name] == 1
        padded = (width[name] == 2) & (values[name] < 10)
        if short.any() and padded.any():
            odd |= (short if short.sum() <= padded.sum() else padded).astype(np.int64)
        elif short.any() and len(short) > 2 and short.sum() * 20 < len(short):
            odd |= short.astype(np.int64)
    return odd


def _by_word(words: pa.Array, number: Callable[[str], int]) -> np.ndarray:
    """A number for each word, worked out once per distinct word, in order of appearance."""
    encoded = words.dictionary_encode()
    numbers = [number(word) for word in encoded.dictionary.to_pylist()]
    return np.array(numbers, dtype=np.int64)[encoded.indices.to_numpy()]


def _month(word: str, labels: Labels) -> int:
    """1 to 12; 0 for a word that is no month."""
    return int(labels.by_kind["month"].get(key(word), "0"))


def _weekday(word: str, labels: Labels) -> int:
    """1 (Monday) to 7; 0 for none, -1 for a word that is no weekday."""
    return int(labels.by_kind["weekday"].get(key(word), "-1")) if word else 0


def _zone(name: str, zones: dict[str, int]) -> int:
    """Number of a zone's name, from 1 in order of appearance; 0 for none."""
    return zones.setdefault(name, len(zones) + 1) if name else 0


def without_time(cells: Cells, labels: Labels) -> np.ndarray:
    """Which distinct texts would be dates if they had a time; midnight would be a guess (``03/22/2025``)."""
    unread = zip(cells.texts, cells.family.tolist(), strict=True)
    found = [family < 0 and _one(f"{text} 00:00", labels, None, {})[1] == 1 for text, family in unread]
    return np.array(found, dtype=bool)


def readings(cells: Cells, order: str) -> np.ndarray:
    """Local microseconds since 1970 of the distinct texts under one order; int64 minimum where impossible."""
    if order not in cells.local:
        cells.local.update(_in_both_orders(cells, lambda one: _checked(cells, _as_written(cells, one))))
    return cells.local[order]


def _in_both_orders(cells: Cells, read: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
    """What each order gives; where nothing is written with digits alone they are one."""
    first = read(ORDERS[0])
    return {ORDERS[0]: first, ORDERS[1]: read(ORDERS[1]) if cells.numeric.any() else first}


def _as_written(cells: Cells, order: str) -> np.ndarray:
    """Do the work of `readings`, without holding weekday and zone against the date."""
    month, day = cells.first, cells.second
    if order == "day_first":
        month = np.where(cells.numeric, cells.second, cells.first)
        day = np.where(cells.numeric, cells.first, cells.second)
    good = (cells.family >= 0) & (month >= 1) & (month <= 12) & (day >= 1)
    months = np.where(good, (cells.year - 1970) * 12 + month - 1, 0)
    days = _MONTH_STARTS[months] + day - 1
    good &= days < _MONTH_STARTS[months + 1]
    return np.where(good, (days * 86_400 + cells.seconds - cells.offset) * _SECOND_US, _NAT)


def _checked(cells: Cells, local: np.ndarray) -> np.ndarray:
    """``local`` without the dates that aren't the weekday they say, or whose zone's clocks showed another name."""
    if not cells.weekday.any() and len(cells.zones) == 1:
        return local
    good = local != _NAT
    if cells.weekday.any():
        days = (local + cells.offset * _SECOND_US) // _DAY_US
        # 1 January 1970 was a Thursday.
        good &= (cells.weekday == 0) | ((days + 3) % 7 + 1 == cells.weekday)
    for at, zone in enumerate(cells.zones):
        if zone.clock is not None:
            of = good & (cells.zone == at)
            good[of] = zone.shown(local[of])
    return np.where(good, local, _NAT)


def check_styles(columns: Mapping[str, Cells]) -> dict[str, np.ndarray]:
    """Per column, which distinct texts follow the column's main style.

    Raises:
        ReportRefused: ``dates_mixed`` when a column holds two styles in earnest, as after a round trip
            through a spreadsheet, where half of the dates may have swapped day and month.
    """
    follows: dict[str, np.ndarray] = {}
    everywhere = np.concatenate(
        [cells.shape[cells.codes[cells.codes >= 0]] for cells in columns.values()] or [[]]
    )
    for name, cells in columns.items():
        good = cells.family >= 0
        if (cells.shape == cells.shape[:1]).all():
            follows[name] = good
            continue
        shapes, inverse = np.unique(cells.shape, return_inverse=True)
        counts = np.zeros(len(shapes), dtype=np.int64)
        used = cells.codes[cells.codes >= 0]
        np.add.at(counts, inverse[used][good[used]], 1)
        if not counts.sum():
            follows[name] = good
            continue
        # Of two styles equally frequent in a column, the one that the other columns use is the file's.
        main = max(
            range(len(shapes)), key=lambda i: (counts[i], np.count_nonzero(everywhere == shapes[i]), -i)
        )
        minority = int(counts.sum() - counts[main])
        if minority > max(1, counts.sum() * _MINORITY):
            example = sorted(
                {
                    str(cells.texts[np.flatnonzero(inverse == i)[0]])
                    for i in np.argsort(-counts, kind="stable")[:2]
                }
            )
            raise ReportRefused(
                f"Dates under {name!r} are written in two styles: {' and '.join(example)}.",
                reason="dates_mixed",
            )
        follows[name] = good & (inverse == main)
    return follows


def decide_order(
    columns: Mapping[str, Cells], tests: Sequence[Callable[[str], int]], hint: str | None = None
) -> str:
    """Which of day and month comes first in this file.

    Decided, in this order, by: a number above 12; both orders meaning the same; the first test against which exactly
    one order stands clean; ``hint`` from the source's configuration; slashes together with AM and PM, which is how
    Zoom writes for American settings (and for the Indian accounts whose files we have seen), month first.

    Args:
        columns: Every date column of the file and its meta block.
        tests: Each says how many impossible or absurd facts an order would imply.
        hint: ``month_first`` or ``day_first``, used only when the file itself doesn't tell.

    Raises:
        ReportRefused: ``dates_ambiguous`` with both readings, ``dates_mixed`` when neither order holds.
    """
    fails: dict[str, int] = dict.fromkeys(ORDERS, 0)
    total = 0
    differs: tuple[str, int, int] | None = None
    for cells in columns.values():
        numeric = cells.numeric
        if not numeric.any():
            continue
        values = {order: readings(cells, order) for order in ORDERS}
        weight = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.texts)) * numeric
        total += int(weight.sum())
        for order in ORDERS:
            fails[order] += int(weight[(values[order] == _NAT)].sum())
        apart = numeric & (values[ORDERS[0]] != values[ORDERS[1]]) & (values[ORDERS[0]] != _NAT)
        apart &= values[ORDERS[1]] != _NAT
        if differs is None and apart.any():
            at = int(np.flatnonzero(apart)[0])
            differs = (cells.texts[at], int(values[ORDERS[0]][at]), int(values[ORDERS[1]][at]))
    decided = _by_numbers(fails, total)
    if decided or differs is None:
        return decided or ORDERS[0]
    for test in tests:
        against = {order: test(order) for order in ORDERS}
        if min(against.values()) == 0 and max(against.values()) > 0:
            return min(ORDERS, key=lambda order: against[order])
    if hint in ORDERS:
        return str(hint)
    if _is_american(columns):
        return ORDERS[0]
    text, month_first, day_first = differs
    raise ReportRefused(
        f"{text} can be {_day(month_first)} (month first) or {_day(day_first)} (day first), "
        "and nothing else in the file tells which.",
        reason="dates_ambiguous",
    )


def _is_american(columns: Mapping[str, Cells]) -> bool:
    """Whether every numeric date is written with slashes and AM or PM."""
    texts = [
        text
        for cells in columns.values()
        for text, numeric in zip(cells.texts, cells.numeric, strict=True)
        if numeric
    ]
    return bool(texts) and all(_AMERICAN.search(text) for text in texts)


def same_day_of_every_month(columns: Mapping[str, Cells], order: str) -> int:
    """1 where an order puts the file's dates on one day of three months or more (4 March, 4 April, 4 May …).

    That is what the days of one month look like with day and month swapped; people don't register like that.
    """
    days: set[int] = set()
    for cells in columns.values():
        local = readings(cells, order)
        days |= set((local[cells.numeric & (local != _NAT)] // _DAY_US).tolist())
    dates = [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in days]
    return int(len({date.day for date in dates}) == 1 and len(dates) >= 3)


def _by_numbers(fails: Mapping[str, int], total: int) -> str | None:
    low, high = sorted(ORDERS, key=lambda order: fails[order])
    if fails[low] == fails[high] == 0:
        return None
    if fails[low] == fails[high] or fails[low] > max(1, total * _MINORITY):
        if fails[low] == fails[high] and fails[low] <= max(1, total * _MINORITY):
            return None
        raise ReportRefused(
            "Some dates can only be read month first, others only day first.", reason="dates_mixed"
        )
    # One number above 12 among dates that all disagree with it is damage, not evidence.
    return low if fails[high] > fails[low] else None


def _day(local_us: int) -> str:
    moment = _EPOCH + dt.timedelta(microseconds=local_us)
    return f"{moment.day} {moment:%B %Y}"


def to_utc(cells: Cells, order: str, timezone: str, follows: np.ndarray | None = None) -> np.ndarray:
    """Rows as UTC microseconds since 1970; int64 minimum where empty, impossible or against the column's style.

    A local time that the clock skipped or showed twice is impossible too: it has no single meaning.
    """
    local = readings(cells, order)
    if follows is not None:
        local = np.where(follows, local, _NAT)
    zoned = (cells.shape // 32) % 2 == 1
    utc = np.where(zoned, local, _localised(local, timezone))
    return np.append(utc, _NAT)[cells.codes]


def _localised(local: np.ndarray, timezone: str) -> np.ndarray:
    known = local[local != _NAT]
    if not len(known):
        return local
    offset = only_offset(timezone, int(known.min()) // _DAY_US, int(known.max()) // _DAY_US)
    if offset is not None:
        return np.where(local == _NAT, _NAT, local - offset)
    naive = pd.Series(pd.DatetimeIndex(local.view("datetime64[us]")))
    aware = naive.dt.tz_localize(ZoneInfo(timezone), ambiguous="NaT", nonexistent="NaT").dt.tz_convert("UTC")
    return aware.dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
