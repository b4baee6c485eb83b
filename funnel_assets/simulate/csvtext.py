"""Columns of text to CSV bytes, fast and the same everywhere.

Belongs here: quoting, joining, formatting of whole columns with Arrow. Does not belong here: which columns
there are.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

_CHUNK = 200_000
_NEEDS_QUOTES = '[",\\r\\n]'

Text: TypeAlias = pa.Array
# Arrow registers its functions when it is imported, so a type checker can't see them.
pc: Any = pyarrow.compute


def words(values: Sequence[str | None], index: npt.NDArray[np.int64]) -> Text:
    """Look a word up for each index; a negative index gives empty text."""
    table = pa.array([*values, ""], pa.string())
    return table.take(pa.array(np.where(index < 0, len(values), index)))


def numbers(values: npt.NDArray[np.int64]) -> Text:
    """Write integers as text."""
    return pc.cast(pa.array(values), pa.string())


def padded(values: npt.NDArray[np.int64], width: int) -> Text:
    """Write integers as text with leading zeros."""
    return pc.utf8_lpad(numbers(values), width, padding="0")


def stamps(seconds: npt.NDArray[np.int64], pattern: str) -> Text:
    """Write epoch seconds with a strftime pattern (no time-zone conversion)."""
    return pc.strftime(pa.array(seconds, pa.timestamp("s")), format=pattern)


def rupees(paise: npt.NDArray[np.int64]) -> Text:
    """Write integer paise as rupees with two decimals."""
    sign = pc.if_else(pa.array(paise < 0), "-", "")
    size = np.abs(paise)
    return glue(sign, numbers(size // 100), ".", padded(size % 100, 2))


def glue(*parts: "pa.Array | str") -> Text:
    """Join columns and constants into one column of text."""
    return pc.binary_join_element_wise(*parts, "")


def choose(index: npt.NDArray[np.int64], *variants: "pa.Array | str") -> Text:
    """Take each row from the variant its index names."""
    size = len(index)
    full = [pa.repeat(v, size).cast(pa.string()) if isinstance(v, str) else v for v in variants]
    return pc.choose(pa.array(index), *full)


def quoted(column: pa.Array) -> pa.Array:
    """Put double quotes around the cells that need them in a CSV."""
    needs = pc.match_substring_regex(column, _NEEDS_QUOTES)
    if not pc.any(needs, min_count=0).as_py():
        return column
    return pc.if_else(needs, glue('"', pc.replace_substring(column, '"', '""'), '"'), column)


def joined_lines(lines: pa.Array, end: str = "\n") -> bytes:
    """Join a column of lines, each ended by ``end``."""
    pieces = []
    for start in range(0, len(lines), _CHUNK):
        part = lines.slice(start, _CHUNK)
        whole = pa.ListArray.from_arrays(pa.array([0, len(part)], pa.int32()), part)
        pieces.append(pc.binary_join(whole, end)[0].as_py().encode() + end.encode())
    return b"".join(pieces)


def csv_bytes(header: Sequence[str], columns: Sequence[pa.Array], end: str = "\n") -> bytes:
    """Write a CSV: header, then one line a row; nulls become empty cells."""
    head = quoted(pa.array(list(header), pa.string()))
    body = [quoted(pc.fill_null(column, "")) for column in columns]
    first = ",".join(head.to_pylist()) + end
    if not len(body[0]):
        return first.encode()
    return first.encode() + joined_lines(pc.binary_join_element_wise(*body, ","), end)
