"""Columns and rows of a table that ``sources.yaml`` picks out: values inside nested ones, rows of one kind.

Belongs here: reaching into JSON cells, leaving rows out. Does not belong here: matching columns with a contract
(``columns``), reading files (``structured``).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.errors import SourceBroken
from funnel_assets.sources.columns import column_key, unknown_columns
from funnel_assets.sources.structured import decoder, json_text
from funnel_assets.sources.tabular import RawTable

_TEXT = pa.large_string()
_AT_ONCE = 1_000


def field(table: RawTable, path: str) -> pa.ChunkedArray | None:
    """Return a column by name (any spelling), or what stands at a path inside a column of JSON.

    Args:
        table: The table.
        path: A column's name, or one followed by names and positions: ``items.data.0.plan.amount``.

    Returns:
        The column; null where a cell has nothing there. None when there is no such column.
    """
    by_key = {column_key(name): name for name in table.columns}
    if column_key(path) in by_key:
        return table.table.column(by_key[column_key(path)])
    head, _, rest = path.partition(".")
    if not rest or column_key(head) not in by_key:
        return None
    cells = pc.dictionary_encode(table.table.column(by_key[column_key(head)])).combine_chunks()
    decode, steps = decoder().decode, rest.split(".")
    inner = pa.array([_inside(decode, cell, steps) for cell in cells.dictionary.to_pylist()], _TEXT)
    return pa.chunked_array([inner.take(cells.indices)])


_NOT_THERE = (ValueError, StopIteration, IndexError, TypeError, AttributeError)


def _inside(decode: Callable[[str], Any], cell: str | None, steps: Sequence[str]) -> str | None:
    try:
        return json_text(_reached(decode, cell, steps)) or None
    except _NOT_THERE:
        return None


def _reached(decode: Callable[[str], Any], cell: str | None, steps: Sequence[str]) -> Any:
    value = decode(cell or "")
    for step in steps:
        value = value[int(step)] if isinstance(value, list) else _named(value, step)
    return value


def leads_somewhere(table: RawTable, path: str) -> bool:
    """Whether any record has something at a path inside a column of JSON, be it null or empty."""
    head, _, rest = path.partition(".")
    by_key = {column_key(name): name for name in table.columns}
    if column_key(head) not in by_key:
        return False
    decode, steps = decoder().decode, rest.split(".")
    # Most paths are in the first record already.
    for batch in table.table.select([by_key[column_key(head)]]).to_batches(max_chunksize=_AT_ONCE):
        for cell in pc.unique(batch.column(0)).to_pylist():
            try:
                _reached(decode, cell, steps)
            except _NOT_THERE:
                continue
            return True
    return False


def _named(record: dict[str, Any], name: str) -> Any:
    """Return what a record has under a name, in any spelling, as columns are found."""
    if name in record:
        return record[name]
    return next(value for key, value in record.items() if column_key(key) == column_key(name))


def with_fields(table: RawTable, wanted: Mapping[str, str]) -> RawTable:
    """Return the table with more columns: their names, and the path each is found at.

    A path that leads to no column is left out.
    """
    for name, path in wanted.items():
        column = field(table, path)
        if column is not None:
            table = replace(
                table,
                table=table.table.append_column(name, column),
                header=(*table.header, name),
                columns=(*table.columns, name),
            )
    return table


_GROUP = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)|\(\?P?<([A-Za-z]\w*)>", re.DOTALL)


def _as_re2(pattern: str) -> tuple[str, str]:
    """Return a pattern as Arrow takes it, all of whose groups have names, and the name of the group wanted."""
    names = [found[1] for found in _GROUP.finditer(pattern) if found[1]]
    unnamed = 0

    def named(found: re.Match[str]) -> str:
        nonlocal unnamed
        if found[1]:
            return f"(?P<{found[1]}>"
        if found.group() != "(":
            return found.group()
        unnamed += 1
        return "(?:" if names or unnamed > 1 else "(?P<value>"

    return _GROUP.sub(named, pattern), names[0] if names else "value"


def pattern_problem(pattern: str) -> str | None:
    """Say why a pattern can't take a value out of a text; None when it can.

    RE2 has no backreferences and looks at nothing twice: no pattern takes for ever.
    """
    try:
        names = pc.extract_regex(pa.array([], _TEXT), _as_re2(pattern)[0]).type.names
    except (pa.ArrowInvalid, ValueError) as error:
        return f"isn't a regular expression (RE2): {str(error).partition(':')[2].strip() or error}"
    if not names:
        return "has no group; put the part that is the value in brackets, as in utm_source=([^&]+)"
    return None


def extracted(cells: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Return what a pattern's group takes out of each cell; null where it doesn't match, or takes nothing."""
    expression, name = _as_re2(pattern)
    found = pc.struct_field(pc.extract_regex(cells, expression), name)
    return pc.if_else(pc.greater(pc.binary_length(found), 0), found, pa.scalar(None, _TEXT))


def no_column(key: str, path: str, table: RawTable) -> SourceBroken:
    """Say that a column which a key of ``sources.yaml`` names isn't there, and which are."""
    problem = unknown_columns({key: path}, table.columns)
    return problem or SourceBroken(
        f"`{key}` names {path!r}, and there is nothing inside the column at that path.",
        fix=f"restore it at the source, or correct `{key}` in sources.yaml.",
    )


def counted_rows(table: RawTable, path: str) -> RawTable:
    """Return the rows in which something happened at all: the column at `path` is neither empty nor 0."""
    column = field(table, path)
    if column is None:
        raise no_column("count", path, table)
    cells = pc.utf8_trim_whitespace(column.cast(_TEXT))
    nothing = pc.match_substring_regex(cells, r"^(0+(\.0+)?)?$").fill_null(True)
    kept = table.table.filter(pc.invert(nothing))
    left_out = table.table.num_rows - kept.num_rows
    return replace(table, table=kept, rows_in=table.rows_in - left_out)


def only_rows(table: RawTable, only: Mapping[str, Sequence[str]], count: str | None = None) -> RawTable:
    """Return the rows that belong to the dataset, and say how many don't.

    Args:
        table: The table.
        only: Path of a column to the values wanted, compared trimmed and without case; none means any value at all.
        count: Path of a column that says how often the row's activity happened; never is no row.

    Raises:
        SourceBroken: A column isn't there.
    """
    before = table.table.num_rows
    for path, wanted in only.items():
        column = field(table, path)
        if column is None:
            raise no_column("only", path, table)
        cells = pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(_TEXT)))
        folded = pa.array([text.strip().lower() for text in wanted], _TEXT)
        keep = pc.is_in(cells, value_set=folded) if wanted else pc.greater(pc.binary_length(cells), 0)
        table = replace(table, table=table.table.filter(keep.fill_null(False)))
    left_out = before - table.table.num_rows
    table = replace(table, rows_in=table.rows_in - left_out)
    if count is not None and before:
        table = counted_rows(table, count)
        left_out = before - table.table.num_rows
    return replace(table, notes=(*table.notes, *left_out_note(left_out)))


def left_out_note(rows: int) -> tuple[str, ...]:
    """Say how many rows were left out."""
    return (f"{rows} rows are not of this dataset (`only` or `count` in sources.yaml)",) if rows else ()
