"""Which of a source's date formats a column is written in, judged by all of its cells (SPEC 9, never silently wrong).

Belongs here: finding formats that can read one cell as two days, counting how a column's cells are read by them, and
choosing. Does not belong here: reading the cells (`dates`).

``03/04/2026`` alone is two days. A column that holds ``25/03/2026`` too is written day first, in all of its cells. So
formats that can contradict each other, *rivals*, are judged by the whole column: one that reads every cell which any
of them reads is the column's. Where several do and give other days, or none does, nothing is chosen. What a part of a
column tells can be added to what the others tell, so that a large dump can be looked at piece by piece.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from funnel_assets.domain.dates import SERIAL_FORMATS, days_read
from funnel_assets.domain.text import pc

Readings = dict[str, tuple[int, str]]
"""How cells are read by some rivals: pattern -> number of cells, and one of them.

A pattern has a sign for each format: ``-`` where it doesn't read the cell, else the same letter for the same day.
"""

# No two parts of these are equal, and all could stand for another: a format that takes one part for another is found.
_PROBES = (
    dt.datetime(2003, 2, 1, 4, 5, 6, tzinfo=dt.UTC),
    dt.datetime(2012, 11, 10, 9, 8, 7, tzinfo=dt.UTC),
    dt.datetime(2010, 12, 11, 20, 13, 14, tzinfo=dt.UTC),
)
_SIGNS = "abcdefghijklmnopqrstuvwxyz"


@lru_cache(maxsize=256)
def rivals(formats: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return groups of formats of which one can read a cell as another day than another does; each in its order."""
    formats = tuple(dict.fromkeys(formats))
    probes = pa.array([_written(probe, fmt) for fmt in formats for probe in _PROBES], pa.large_string())
    days = [days_read(probes, fmt) for fmt in formats]
    groups: list[set[int]] = []
    for one in range(len(formats)):
        against = {
            other
            for other in range(len(formats))
            if ((days[one] != days[other]) & ~np.isnat(days[one]) & ~np.isnat(days[other])).any()
        }
        if against:
            touching = [group for group in groups if group & (against | {one})]
            groups = [group for group in groups if group not in touching]
            groups.append(set().union(against, {one}, *touching))
    return tuple(tuple(formats[at] for at in sorted(group)) for group in groups)


def _written(probe: dt.datetime, fmt: str) -> str:
    if fmt not in SERIAL_FORMATS:
        return probe.strftime(fmt)
    seconds = int(probe.timestamp())
    return str({"excel": seconds // 86_400 + 25_569, "unix": seconds, "unix_ms": seconds * 1000}[fmt])


def read_by(cells: pa.Array, group: Sequence[str], first: dt.date) -> Readings:
    """Count how a column's cells are read by rivals; a day before ``first`` is no reading."""
    counted = pc.value_counts(cells.drop_null())
    values = pc.struct_field(counted, "values")
    counts = pc.struct_field(counted, "counts").to_numpy(zero_copy_only=False)
    days = [days_read(values, fmt) for fmt in group]
    days = [np.where(read >= np.datetime64(first), read, np.datetime64("NaT")) for read in days]
    codes = np.zeros(len(values), np.int64)
    for at, read in enumerate(days):
        code = np.zeros(len(values), np.int64)
        for before in range(at, -1, -1):
            code[read == days[before]] = before + 1
        codes = codes * (len(group) + 1) + code
    found: Readings = {}
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        pattern = _pattern(int(code), len(group))
        # The least, so that it is the same however the column is cut.
        example = min(values.take(pa.array(rows)).to_pylist())
        found[pattern] = int(counts[rows].sum()), example if pattern.strip("-") else ""
    return found


def _pattern(code: int, size: int) -> str:
    signs = []
    for _ in range(size):
        code, sign = divmod(code, size + 1)
        signs.append(_SIGNS[sign - 1] if sign else "-")
    return "".join(reversed(signs))


def added(parts: Iterable[Mapping[str, Sequence]]) -> Readings:
    """Return what the parts of a column tell together."""
    total: Readings = {}
    for part in parts:
        for pattern, (rows, example) in part.items():
            before = total.get(pattern, (0, example))
            total[pattern] = before[0] + rows, min(before[1], example)
    return total


@dataclass(frozen=True)
class Unclear:
    """Formats between which a column doesn't decide.

    Attributes:
        formats: Those of them that could be the column's.
        example: A cell that they read as different days.
        days: The day as each of ``formats`` reads it.
        rows: Cells that would be on another day.
        only: Format -> number and example of the cells that it reads and another of them doesn't; empty where all
            of them read every cell.
    """

    formats: tuple[str, ...]
    example: str
    days: tuple[dt.date, ...]
    rows: int
    only: Mapping[str, tuple[int, str]]


def choose(group: Sequence[str], readings: Readings) -> tuple[str, ...] | Unclear:
    """Return the formats by which a column is to be read: one, or all of them where it makes no difference."""
    read = {pattern: told for pattern, told in readings.items() if pattern.strip("-")}
    fitting = [at for at in range(len(group)) if all(pattern[at] != "-" for pattern in read)]
    if not read or len(fitting) == len(group) == 1:
        return tuple(group)
    if len(fitting) == 1:
        return (group[fitting[0]],)
    among = fitting or [at for at in range(len(group)) if any(pattern[at] != "-" for pattern in read)]
    moved = {
        pattern: told for pattern, told in read.items() if len({pattern[at] for at in among} - {"-"}) > 1
    }
    if not moved:
        return tuple(group[at] for at in fitting) if fitting else tuple(group)
    pattern, (_, example) = max(moved.items(), key=lambda told: (told[1][0], told[0]))
    shown = [at for at in among if pattern[at] != "-"]
    cell = pa.array([example], pa.large_string())
    return Unclear(
        formats=tuple(group[at] for at in shown),
        example=example,
        days=tuple(days_read(cell, group[at])[0].astype(object) for at in shown),
        rows=sum(rows for rows, _ in moved.values()),
        only={} if fitting else {group[at]: _alone(read, at, shown) for at in shown},
    )


def _alone(read: Readings, at: int, others: Sequence[int]) -> tuple[int, str]:
    told = [
        found
        for pattern, found in read.items()
        if pattern[at] != "-" and any(pattern[other] == "-" for other in others)
    ]
    return sum(rows for rows, _ in told), min((example for _, example in told), default="")
