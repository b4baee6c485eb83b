"""Columns and rows of a table that ``sources.yaml`` picks out: values inside nested ones, rows of one kind.

Belongs here: reaching into JSON cells, leaving rows out. Does not belong here: matching columns with a contract
(``columns``), reading files (``structured``).
"""

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


def _inside(decode: Callable[[str], Any], cell: str | None, steps: Sequence[str]) -> str | None:
    try:
        value = decode(cell or "")
        for step in steps:
            value = value[int(step)] if isinstance(value, list) else _named(value, step)
    except (ValueError, StopIteration, IndexError, TypeError, AttributeError):
        return None
    return json_text(value) or None


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


def no_column(key: str, path: str, table: RawTable) -> SourceBroken:
    """Say that a column which a key of ``sources.yaml`` names isn't there, and which are."""
    problem = unknown_columns({key: path}, table.columns)
    return problem or SourceBroken(
        f"`{key}` names {path!r}, and there is nothing inside the column at that path.",
        fix=f"restore it at the source, or correct `{key}` in sources.yaml.",
    )


def only_rows(table: RawTable, only: Mapping[str, Sequence[str]]) -> RawTable:
    """Return the rows that belong to the dataset, and say how many don't.

    Args:
        table: The table.
        only: Path of a column to the values wanted, compared trimmed and without case; none means any value at all.

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
    return replace(table, rows_in=table.rows_in - left_out, notes=(*table.notes, *left_out_note(left_out)))


def left_out_note(rows: int) -> tuple[str, ...]:
    """Say how many rows were left out."""
    return (f"{rows} rows are not of this dataset (`only` in sources.yaml)",) if rows else ()
