"""Columns of text as Arrow arrays: the common ground of every rule that reads cells.

Belongs here: trimming, missing values, working on distinct values only, and the way between pandas and Arrow.
Does not belong here: what any one column means (phone, email, money, dates).

A column is a ``large_string`` array in which a missing cell is null; work is done on distinct values, since a
column of 1.5 million cells often holds far fewer.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute

# Arrow makes these functions when it is imported, so type checkers don't know them.
pc: Any = pyarrow.compute

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MISSING_WORDS = frozenset(
    {"", "-", "--", "na", "n/a", "n.a", "n.a.", "nan", "nil", "none", "null", "undefined", "not available"}
)
"""What people and programs write into a cell that has no value (compared in lower case)."""

LONGEST_CELL = 1000
"""Characters of a cell in which a rule looks for one value; a longer one is prose, or made to take time."""

_TEXT_DTYPE = pd.StringDtype("pyarrow", na_value=np.nan)
# The first bytes of these characters in UTF-8; the letters of Indian scripts start with another one.
_LEADING_BYTES = (0xC2, 0xE1, 0xE2, 0xE3, 0xEF)
_SPACES = r"[\x{00A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"
_INVISIBLE = r"[\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{FEFF}]"


def as_arrow(values: pd.Series | pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column of text as one ``large_string`` array; NaN and None become null."""
    if isinstance(values, pd.Series):
        values = pa.array(values, from_pandas=True)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if not pa.types.is_large_string(values.type):
        values = values.cast(pa.large_string())
    return values


def as_text(values: pa.Array, index: pd.Index | None = None) -> pd.Series:
    """Return an Arrow array as a pandas column of dtype ``str``."""
    chunked = pa.chunked_array([values.cast(pa.large_string())])
    array = pd.arrays.ArrowStringArray(chunked, dtype=_TEXT_DTYPE)  # pyright: ignore[reportCallIssue]
    return pd.Series(array, index=index)


def as_integers(values: pa.Array, index: pd.Index | None = None) -> pd.Series:
    """Return an Arrow array of whole numbers as a pandas column of dtype ``Int64``."""
    missing = as_bools(values.is_null())
    numbers = values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return pd.Series(pd.arrays.IntegerArray(numbers.copy(), missing), index=index)


def as_bools(values: pa.Array) -> Bools:
    """Return a boolean Arrow array as numpy; null counts as False."""
    return values.fill_null(False).to_numpy(zero_copy_only=False).astype(bool)


def nulls(size: int) -> pa.Array:
    """Return a column of text in which every cell is missing."""
    return pa.nulls(size, pa.large_string())


def constant(text: str, size: int) -> pa.Array:
    """Return a column that holds the same text in every cell."""
    return pa.repeat(pa.scalar(text, pa.large_string()), size)


def tidy(values: pd.Series | pa.Array) -> pa.Array:
    """Trim cells and make empty ones null.

    Also turns the typographic spaces of web forms into plain ones and drops characters nobody can see: byte-order
    marks, direction marks, and NUL, which PostgreSQL refuses. Joiners inside words (Indian scripts need them) stay.
    """
    cells = as_arrow(values)
    is_ascii = pc.all(pc.string_is_ascii(cells), min_count=0).as_py()
    if not is_ascii and holds_byte(cells, *_LEADING_BYTES):
        cells = pc.replace_substring_regex(cells, _SPACES, " ")
        cells = pc.replace_substring_regex(cells, _INVISIBLE, "")
    if holds_byte(cells, 0):
        cells = pc.replace_substring(cells, "\x00", "")
    cells = pc.ascii_trim_whitespace(cells) if is_ascii else pc.utf8_trim_whitespace(cells)
    empty = pc.equal(pc.binary_length(cells), 0)
    if not pc.any(empty, min_count=0).as_py():
        return cells
    return pc.if_else(empty, pa.scalar(None, pa.large_string()), cells)


def holds_byte(cells: pa.Array, *wanted: int) -> bool:
    """Return whether one of the given bytes may occur in a column: a cheap look before costlier work."""
    data = cells.buffers()[2]
    if data is None or not len(cells):
        return False
    ends = np.frombuffer(cells.buffers()[1], np.int64)
    used = np.frombuffer(data, np.uint8)[ends[cells.offset] : ends[cells.offset + len(cells)]]
    return any(bool((used == byte).any()) for byte in wanted)


def without_missing_words(values: pa.Array) -> pa.Array:
    """Make cells null that say they are empty: ``NA``, ``-``, ``null`` and the like."""
    said = pc.is_in(pc.utf8_lower(values), pa.array(sorted(MISSING_WORDS), pa.large_string()))
    return pc.if_else(said, pa.scalar(None, pa.large_string()), values)


def distinct(values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the distinct values of a column and, for each cell, the place of its value (null where missing).

    ``result.take(places)`` spreads a result for the distinct values over the column again.
    """
    encoded = pc.dictionary_encode(values)
    return encoded.dictionary, encoded.indices
