"""Workbooks, JSON and Parquet as tables of text.

Belongs here: how a typed value of these formats is written as text without loss. Does not belong here: CSV
(``delimited``).
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.arrow import pc
from funnel_assets.errors import SourceBroken
from funnel_assets.sources import sniff, workbook
from funnel_assets.sources.columns import column_key
from funnel_assets.sources.delimited import Rows, assemble, blank_to_null, header_position, matches
from funnel_assets.sources.encoding import to_utf8
from funnel_assets.sources.sheets import number_text
from funnel_assets.sources.tabular import (
    BAD_ROWS_LOOKED_AT,
    LINE,
    Dialect,
    RaggedRow,
    RawTable,
    check_fit,
    check_width,
    row_text,
    storable,
    unique_names,
)

_TEXT = pa.large_string()
_OBJECTS_AT_ONCE = 1_000
_NAMES_SHOWN = 20
_DEEPEST = 64


# --- workbooks ------------------------------------------------------------------------------------


def read_workbook(
    data: bytes,
    *,
    sheet: str | None,
    file: str | None,
    hints: Sequence[str],
    most_megabytes: float | None = None,
) -> RawTable:
    """Read one sheet of an Excel or OpenDocument workbook; see `tabular.read_table`.

    Numbers are written in full (``919876543210``, never ``9.19877E+11``), dates as ``YYYY-MM-DD`` or
    ``YYYY-MM-DD HH:MM:SS``. What a cell's format made of the number on screen isn't in the file's values: leading
    zeros that only the format shows are not there.
    """
    if sniff.looks_like_html(data[: sniff.HEAD_BYTES]):
        page = sniff.describe_page(data)
        raise SourceBroken(f"This is {page}, not a workbook.", file=file, fix="check the link or the file.")
    wanted = {column_key(hint) for hint in hints} - {""}
    with workbook.opened(data, file=file, most_megabytes=most_megabytes) as book:
        name, filled, height = _choose_sheet(book, sheet, wanted, file)
        names = book.names
    if not filled:
        raise SourceBroken(
            f"The sheet {name!r} is empty.", file=file, fix="check which sheet holds the data."
        )
    position = header_position([cells for _, cells in filled], wanted)
    header = [cell.strip() for cell in filled[position][1]]
    check_width(len(header), file)
    body = filled[position + 1 :]
    columns = [
        pa.chunked_array([pa.array(map(storable, cells), _TEXT)])
        for cells in (zip(*(cells for _, cells in body), strict=True) if body else [()] * len(header))
    ]
    lines = np.array([number for number, _ in body], dtype=np.int64)
    blank = height - filled[position][0] - len(body)
    dialect = Dialect("xlsx", header_line=filled[position][0], sheet=name)
    others = [other for other in names if other != name]
    notes = (f"sheets not read: {_listed(others)}",) if others else ()
    return assemble(header, Rows(columns, lines, [], blank), dialect, notes)


def _choose_sheet(
    book: workbook.Workbook, sheet: str | None, wanted: set[str], file: str | None
) -> tuple[str, list[tuple[int, list[str]]], int]:
    if sheet is not None:
        same = [name for name in book.names if column_key(name) == column_key(sheet)]
        if not same:
            raise SourceBroken(
                f"The workbook has no sheet {sheet!r}; it has {_listed(book.names)}.",
                file=file,
                fix="correct `sheet:` in sources.yaml.",
            )
        return same[0], *book.rows(same[0])
    best: tuple[int, str, list[tuple[int, list[str]]], int] | None = None
    for name in book.visible or book.names:
        rows, height = book.rows(name)
        fit = max((matches(cells, wanted) for _, cells in rows[:60]), default=0)
        if best is None or fit > best[0] or (rows and not best[2]):
            best = fit, name, rows, height
    if best is None:
        raise SourceBroken("The workbook has no sheet.", file=file, fix="export it again.")
    return best[1:]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


# --- JSON -----------------------------------------------------------------------------------------


class _Typed(float):
    """A JSON number with a fraction, which remembers how it was typed."""

    typed: str

    def __new__(cls, text: str) -> "_Typed":
        made = super().__new__(cls, text)
        made.typed = text
        return made


def read_json(data: bytes, *, encoding: str | None, lines: bool, file: str | None) -> RawTable:
    """Read a list of objects, or one object a line; see `tabular.read_table`.

    An object that holds exactly one list of objects (``{"data": [...]}``) is read as that list. Nested values are
    kept as JSON text.
    """
    head = data[: sniff.HEAD_BYTES]
    if sniff.looks_like_html(head):
        raise SourceBroken(
            f"This is {sniff.describe_page(head)}, not JSON.", file=file, fix="check the link."
        )
    decoded = to_utf8(data, encoding, file=file)
    text = decoded.data.decode("utf-8")
    ragged: list[RaggedRow] = []
    found = _line_objects(text, ragged, file) if lines else _list_objects(text, ragged, file)
    dialect = Dialect("jsonl" if lines else "json", decoded.encoding)
    return _object_table(
        found, ragged, dialect, len(data), whole=text.endswith("\n"), notes=decoded.notes, file=file
    )


def read_piece(text: str, dialect: Dialect, *, lines: bool, is_last: bool) -> RawTable | None:
    """Read some objects of a list (without its brackets), or some lines, counted from line 1.

    Returns:
        The rows; None when the text ends inside one, or isn't JSON.
    """
    ragged: list[RaggedRow] = []
    found = _line_objects(text, ragged, None) if lines else _all_objects(text, ragged)
    try:
        return _object_table(found, ragged, dialect, len(text))
    except SourceBroken:
        return None


def _all_objects(text: str, ragged: list[RaggedRow]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the objects of a list without its brackets, which mustn't end before the text does."""
    end = yield from _list_objects(f"[{text}]", ragged, None)
    if end != len(text) + 1:
        raise _cut_json(None, 1)


def _object_table(
    found: Iterator[tuple[int, dict[str, Any]]],
    ragged: list[RaggedRow],
    dialect: Dialect,
    size: int,
    *,
    whole: bool = True,
    notes: tuple[str, ...] = (),
    file: str | None = None,
) -> RawTable:
    texts, numbers = _texts(found, size, file)
    header = tuple(key.strip() for key in texts)
    names = unique_names(header)
    arrays = [blank_to_null(pa.chunked_array(chunks)) for chunks in texts.values()]
    table = pa.table([*arrays, pa.array(numbers, pa.int64())], names=[*names, LINE])
    return RawTable(
        table=table,
        header=header,
        columns=names,
        dialect=dialect,
        rows_in=len(numbers) + len(ragged),
        ragged=tuple(ragged),
        whole_line_at_end=whole,
        notes=notes,
    )


def _texts(
    found: Iterator[tuple[int, dict[str, Any]]], size: int, file: str | None
) -> tuple[dict[str, list[pa.Array]], list[int]]:
    """Return the values as text, in pieces by key, and the line or number of each object."""
    chunks: dict[str, list[pa.Array]] = {}
    numbers: list[int] = []
    while block := list(islice(found, _OBJECTS_AT_ONCE)):
        columns: dict[str, list[str | None]] = {}
        count = 0
        # Neighbours with the same keys go together: several times as fast as one by one.
        for keys, alike in groupby((item for _, item in block), key=tuple):
            rows = [item.values() for item in alike]
            # Names that are one name once they can be stored are one, the last counts, as JSON's own repeated ones.
            for key, values in dict(zip(map(storable, keys), zip(*rows, strict=True), strict=True)).items():
                column = columns.setdefault(key, [])
                column.extend([None] * (count - len(column)))
                plain = set(map(type, values)) <= {str, type(None)}
                column.extend(map(_stored, values) if plain else map(json_text, values))
            count += len(rows)
            names = max(len(columns), len(chunks))
            check_width(names, file, rows=len(numbers) + count, size=size)
        for column in columns.values():
            column.extend([None] * (count - len(column)))
        for key in columns:
            chunks.setdefault(key, [pa.nulls(len(numbers), _TEXT)])
        for key, pieces in chunks.items():
            pieces.append(pa.array(columns[key], _TEXT) if key in columns else pa.nulls(count, _TEXT))
        numbers.extend(line for line, _ in block)
    return chunks, numbers


def json_text(value: Any) -> str | None:
    """Write a JSON value as text: numbers as typed, lists and objects as JSON."""
    if value is None or isinstance(value, str):
        return _stored(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Typed):
        return value.typed
    if isinstance(value, dict | list):
        return storable(_NESTED.encode(value))
    return str(value)


def _stored(value: str | None) -> str | None:
    return value if value is None or (value.isascii() and "\x00" not in value) else storable(value)


_NESTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


class _Decoder(json.JSONDecoder):
    """Reads what is nested at most `_DEEPEST` levels: what is deeper is no record, and ends Python's own stack."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        try:
            value, end = super().raw_decode(s, idx)
        except RecursionError:
            end = None
        else:
            opened = s.count("[", idx, end) + s.count("{", idx, end)
            if opened <= _DEEPEST or _depth(value) <= _DEEPEST:
                return value, end
        raise json.JSONDecodeError(f"Nested more than {_DEEPEST} levels deep", s, idx)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def decoder() -> json.JSONDecoder:
    """A decoder whose numbers remember how they were typed, and which refuses what is nested too deep."""
    return _Decoder(parse_float=_Typed)


def _not_an_object(line: int, value: Any) -> RaggedRow:
    detail = "This is no JSON object with named fields: correct it at the origin."
    return RaggedRow(line, "not_an_object", detail, row_text([value]))


def _set_aside(ragged: list[RaggedRow], row: RaggedRow, number: int, file: str | None) -> None:
    ragged.append(row)
    if len(ragged) % BAD_ROWS_LOOKED_AT == 0:
        check_fit(ragged, number - len(ragged), file)


def _line_objects(
    text: str, ragged: list[RaggedRow], file: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    decode = decoder().decode
    pieces = text.split("\n")
    for number, piece in enumerate(pieces, start=1):
        if not piece.strip():
            continue
        try:
            item = decode(piece)
        except ValueError:
            # The last piece has no line end after it: a broken one there is a file that stops in mid-row.
            if number == len(pieces):
                raise _cut_json(file, number) from None
            detail = "This line is not valid JSON: correct it at the origin."
            _set_aside(ragged, RaggedRow(number, "bad_json", detail, row_text([piece])), number, file)
            continue
        if isinstance(item, dict):
            yield number, item
        else:
            _set_aside(ragged, _not_an_object(number, item), number, file)


_SPACE = re.compile(r"[\s,]*")


def _list_objects(
    text: str, ragged: list[RaggedRow], file: str | None
) -> Generator[tuple[int, dict[str, Any]], None, int]:
    """Give the objects of a list, numbered from 1, and at last the position of the list's end.

    A list is often written on one line, so which record it is says where it stands, and its line doesn't.
    """
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] != "[":
        start = _wrapped_list(text, file)
    decode = decoder().raw_decode
    position, number = start + 1, 0
    while True:
        skipped = _SPACE.match(text, position)
        position = skipped.end() if skipped else position
        if text[position : position + 1] == "]":
            return position
        number += 1
        try:
            item, position = decode(text, position)
        except ValueError:
            raise _cut_json(file, 1 + text.count("\n", 0, position)) from None
        if isinstance(item, dict):
            yield number, item
        else:
            _set_aside(ragged, _not_an_object(number, item), number, file)


def _wrapped_list(text: str, file: str | None) -> int:
    """Find where the one list of objects inside a top-level object begins."""
    try:
        whole = decoder().decode(text)
    except ValueError as problem:
        raise _cut_json(file, getattr(problem, "lineno", 1)) from None
    if not isinstance(whole, dict):
        raise SourceBroken(
            "The JSON holds no list of records.", file=file, fix="check the link or the export."
        )
    lists = [key for key, value in whole.items() if isinstance(value, list)]
    if len(lists) != 1:
        keys = ", ".join(list(whole)[:8]) or "none"
        raise SourceBroken(
            f"The JSON is one object with the fields {keys}, not a list of records.",
            file=file,
            fix="check the link; if it is an error message, it says what the server wants.",
        )
    opening = re.compile(re.escape(json.dumps(lists[0], ensure_ascii=False)) + r"\s*:\s*\[")
    found = opening.search(text) or re.search(re.escape(json.dumps(lists[0])) + r"\s*:\s*\[", text)
    if found is None:
        raise SourceBroken(
            "The JSON's list of records can't be located.", file=file, fix="export a plain list."
        )
    return found.end() - 1


def _cut_json(file: str | None, line: int) -> SourceBroken:
    return SourceBroken(
        "The JSON is cut off or not valid here.",
        file=file,
        line=line,
        fix="fetch or export it again; nothing was loaded from it.",
    )


# --- Parquet --------------------------------------------------------------------------------------


def read_parquet(data: bytes, *, file: str | None) -> RawTable:
    """Read Parquet; numbers and times are written as text in full, nested values as JSON."""
    table = None
    try:
        table = pq.read_table(pa.BufferReader(data))
        # Whether text is UTF-8, too: a reader of it would stumble much later.
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        table = None
    if table is None:
        raise SourceBroken(
            "The Parquet file can't be opened; it is damaged, cut off or no Parquet.",
            file=file,
            fix="copy or export it again, or set the right `kind:` in sources.yaml.",
        )
    check_width(table.num_columns, file)
    header = tuple(name.strip() for name in table.column_names)
    names = unique_names(header)
    arrays = [blank_to_null(_column_text(column)) for column in table.columns]
    line = pa.array(np.arange(1, table.num_rows + 1, dtype=np.int64))
    return RawTable(
        table=pa.table([*arrays, line], names=[*names, LINE]),
        header=header,
        columns=names,
        dialect=Dialect("parquet"),
        rows_in=table.num_rows,
    )


def _column_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _column_text(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        texts = [None if value is None else number_text(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, _TEXT)])
    if pa.types.is_nested(kind):
        texts = [
            None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
            for value in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, _TEXT)])
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = [
            None if value is None else value.decode("utf-8", errors="replace") for value in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, _TEXT)])
    return pc.cast(column, _TEXT)
