"""Visits that aren't written as a join and a leave time with their date: a clock time alone, several in one cell.

Belongs here: turning such cells into the texts that the other columns hold. Does not belong here: reading dates.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from funnel_assets.sources.zoom.labels import Labels

TIMES = ("join_time", "leave_time", "first_join", "last_leave")
_CLOCK = re.compile(r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s*[ap]\.?\s?m\.?)?", re.IGNORECASE)
_DATE_AHEAD = re.compile(r"^(.*?\d.*?)[,\sT]+\d{1,2}[:.]\d{2}")
_SPAN = re.compile(r"(?P<join>\S.+?)\s+[-–]\s+(?P<leave>\S.+?)\s*\((?P<lasted>[^()]+)\)")
_BETWEEN_SPANS = re.compile(r"(?<=\))\s*[;,\n|]?\s*(?=\S)")


def day_of(text: str) -> str:
    """The date in front of a moment's clock time, as it is written; the whole where it has none."""
    found = _DATE_AHEAD.match(text)
    return found.group(1) if found else text


def is_clock(column: pa.Array) -> bool:
    """Whether a column holds times of day and nothing else."""
    cells = column.drop_null().to_pylist()
    return bool(cells) and all(_CLOCK.fullmatch(cell) for cell in cells)


def add_days(cells: dict[str, pa.Array], day: str) -> tuple[str, ...]:
    """Put the date before clock times: the row's own where there is a column of dates, else the event's.

    Returns:
        The columns that were clock times.
    """
    clocks = tuple(name for name in TIMES if name in cells and is_clock(cells[name]))
    own = cells.get("date")
    if own is None and not day:
        return ()
    for name in clocks:
        dates = own.to_pylist() if own is not None else [day] * len(cells[name])
        pairs = zip(dates, cells[name].to_pylist(), strict=True)
        cells[name] = pa.array([clock and f"{date or day} {clock}" for date, clock in pairs], pa.string())
    return clocks


def split_spans(cells: dict[str, pa.Array], labels: Labels) -> tuple[np.ndarray, np.ndarray] | None:
    """Read a column of ``join - leave (60 minutes)``; a cell with several gives the first join and the last leave.

    Adds ``join_time``, ``leave_time`` and ``minutes`` (the sum, unless the report has minutes of its own).

    Returns:
        Which rows hold several visits, and which can't be read; None where there is no such column.
    """
    column = cells.pop("visit_span", None)
    if column is None:
        return None
    found = [_visits(cell) for cell in column.to_pylist()]
    parts = [visits or [("", "", "")] for visits in found]
    cells["join_time"] = _texts([visits[0][0] for visits in parts])
    cells["leave_time"] = _texts([visits[-1][1] for visits in parts])
    if "minutes" not in cells:
        cells["minutes"] = _texts([_together([lasted for _, _, lasted in visits]) for visits in parts])
    several = np.array([len(visits) > 1 for visits in parts], dtype=bool)
    return several, np.array([visits is None for visits in found], dtype=bool)


def _visits(cell: str | None) -> list[tuple[str, str, str]] | None:
    """Join, leave and length of each visit in a cell; None for a cell that holds something else as well."""
    visits = []
    for part in _BETWEEN_SPANS.split(cell) if cell else ():
        found = _SPAN.fullmatch(part.strip())
        if found is None:
            return None
        visits.append((found["join"], found["leave"], found["lasted"]))
    return visits


def _together(lengths: Sequence[str]) -> str:
    """Lengths in one text that reads as their sum: ``20 minutes 15 minutes``."""
    return " ".join(lengths)


def _texts(cells: Sequence[str]) -> pa.Array:
    return pa.array([cell or None for cell in cells], pa.string())


def prefer_words(names: list[str | None], same: Mapping[int, int], columns: Sequence[pa.Array]) -> None:
    """Where two headers mean the shown name and the first holds row numbers, the second is the name."""
    for first, second in same.items():
        numbers = columns[first].drop_null().to_pylist()
        if sum(cell.isdecimal() for cell in numbers) * 2 > len(numbers):
            names[first], names[second] = "other", names[first]
