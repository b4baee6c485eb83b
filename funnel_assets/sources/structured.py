"""Workbooks, JSON and Parquet as tables of text.

Belongs here: how a typed value of these formats is written as text without loss. Does not belong here: CSV
(``delimited``).
"""

import datetime as dt
import io
import json
import re
from collections.abc import Generator, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import python_calamine as calamine

from funnel_assets.arrow import pc
from funnel_assets.errors import SourceBroken
from funnel_assets.sources import sniff
from funnel_assets.sources.columns import column_key
from funnel_assets.sources.delimited import Rows, assemble, blank_to_null, header_position, matches
from funnel_assets.sources.encoding import to_utf8
from funnel_assets.sources.tabular import LINE, Dialect, RaggedRow, RawTable, row_text, unique_names

_TEXT = pa.large_string()
_OBJECTS_AT_ONCE = 1_000


# --- workbooks ------------------------------------------------------------------------------------


def read_workbook(data: bytes, *, sheet: str | None, file: str | None, hints: Sequence[str]) -> RawTable:
    """Read one sheet of an Excel or OpenDocument workbook; see `tabular.read_table`.

    Numbers are written in full (``919876543210``, never ``9.19877E+11``), dates as ``YYYY-MM-DD`` or
    ``YYYY-MM-DD HH:MM:SS``. What a cell's format made of the number on screen isn't in the file's values: leading
    zeros that only the format shows are not there.
    """
    book = _open_book(data, file)
    wanted = {column_key(hint) for hint in hints} - {""}
    name, rows = _choose_sheet(book, sheet, wanted, file)
    filled = [(number, cells) for number, cells in enumerate(rows, start=1) if any(cells)]
    if not filled:
        raise SourceBroken(
            f"The sheet {name!r} is empty.", file=file, fix="check which sheet holds the data."
        )
    position = header_position([cells for _, cells in filled], wanted)
    header = [cell.strip() for cell in filled[position][1]]
    body = filled[position + 1 :]
    columns = [
        pa.chunked_array([pa.array(cells, _TEXT)])
        for cells in (zip(*(cells for _, cells in body), strict=True) if body else [()] * len(header))
    ]
    lines = np.array([number for number, _ in body], dtype=np.int64)
    blank = len(rows) - filled[position][0] - len(body)
    dialect = Dialect("xlsx", header_line=filled[position][0], sheet=name)
    others = [other for other in book.sheet_names if other != name]
    notes = (f"sheets not read: {', '.join(others)}",) if others else ()
    return assemble(header, Rows(columns, lines, [], blank), dialect, notes)


def _open_book(data: bytes, file: str | None) -> calamine.CalamineWorkbook:
    if sniff.looks_like_html(data[: sniff.HEAD_BYTES]):
        page = sniff.describe_page(data)
        raise SourceBroken(f"This is {page}, not a workbook.", file=file, fix="check the link or the file.")
    locked = False
    try:
        return calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except calamine.PasswordError:
        locked = True
    except (calamine.CalamineError, OSError, ValueError):
        locked = False
    if locked:
        raise SourceBroken("The workbook has a password.", file=file, fix="save it without one.")
    raise SourceBroken(
        "The workbook can't be opened; it is damaged, cut off or no workbook.",
        file=file,
        fix="download or export it again, or set the right `kind:` in sources.yaml.",
    )


def _choose_sheet(
    book: calamine.CalamineWorkbook, sheet: str | None, wanted: set[str], file: str | None
) -> tuple[str, list[list[str]]]:
    if sheet is not None:
        same = [name for name in book.sheet_names if column_key(name) == column_key(sheet)]
        if not same:
            raise SourceBroken(
                f"The workbook has no sheet {sheet!r}; it has {', '.join(book.sheet_names)}.",
                file=file,
                fix="correct `sheet:` in sources.yaml.",
            )
        return same[0], _sheet_rows(book, same[0])
    visible = [
        meta.name
        for meta in book.sheets_metadata
        if meta.visible == calamine.SheetVisibleEnum.Visible and meta.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    best: tuple[int, str, list[list[str]]] | None = None
    for name in visible or book.sheet_names:
        rows = _sheet_rows(book, name)
        fit = max((matches(cells, wanted) for cells in rows[:60]), default=0)
        if best is None or fit > best[0] or (not any(map(any, best[2])) and any(map(any, rows))):
            best = fit, name, rows
    if best is None:
        raise SourceBroken("The workbook has no sheet.", file=file, fix="export it again.")
    return best[1], best[2]


def _sheet_rows(book: calamine.CalamineWorkbook, name: str) -> list[list[str]]:
    sheet = book.get_sheet_by_name(name)
    return [[_cell_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]


def _cell_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return "" if value is None else str(value)


def number_text(value: float) -> str:
    """Write a number in full and exactly: ``919876543210.0`` is ``919876543210``, ``0.1`` stays ``0.1``."""
    if value.is_integer() and abs(value) < 1e17:
        return str(int(value))
    text = repr(value)
    return np.format_float_positional(value, trim="-") if "e" in text and abs(value) < 1 else text


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
    return _object_table(found, ragged, dialect, whole=text.endswith("\n"), notes=decoded.notes)


def read_piece(text: str, dialect: Dialect, *, lines: bool, is_last: bool) -> RawTable | None:
    """Read some objects of a list (without its brackets), or some lines, counted from line 1.

    Returns:
        The rows; None when the text ends inside one, or isn't JSON.
    """
    ragged: list[RaggedRow] = []
    found = _line_objects(text, ragged, None) if lines else _all_objects(text, ragged)
    try:
        return _object_table(found, ragged, dialect)
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
    *,
    whole: bool = True,
    notes: tuple[str, ...] = (),
) -> RawTable:
    texts, numbers = _texts(found)
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


def _texts(found: Iterator[tuple[int, dict[str, Any]]]) -> tuple[dict[str, list[pa.Array]], list[int]]:
    """Return the values as text, in pieces by key, and the line or number of each object."""
    chunks: dict[str, list[pa.Array]] = {}
    numbers: list[int] = []
    while block := list(islice(found, _OBJECTS_AT_ONCE)):
        columns: dict[str, list[str | None]] = {}
        count = 0
        # Neighbours with the same keys go together: several times as fast as one by one.
        for keys, alike in groupby((item for _, item in block), key=tuple):
            rows = [item.values() for item in alike]
            for key, values in zip(keys, zip(*rows, strict=True), strict=True):
                column = columns.setdefault(key, [])
                column.extend([None] * (count - len(column)))
                plain = set(map(type, values)) <= {str, type(None)}
                column.extend(values if plain else map(json_text, values))
            count += len(rows)
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
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Typed):
        return value.typed
    if isinstance(value, dict | list):
        return _NESTED.encode(value)
    return str(value)


_NESTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True)


def decoder() -> json.JSONDecoder:
    """A decoder whose numbers remember how they were typed."""
    return json.JSONDecoder(parse_float=_Typed)


def _not_an_object(line: int, value: Any) -> RaggedRow:
    detail = "This is no JSON object with named fields: correct it at the origin."
    return RaggedRow(line, "not_an_object", detail, row_text([value]))


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
            ragged.append(RaggedRow(number, "bad_json", detail, row_text([piece])))
            continue
        if isinstance(item, dict):
            yield number, item
        else:
            ragged.append(_not_an_object(number, item))


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
            ragged.append(_not_an_object(number, item))


def _wrapped_list(text: str, file: str | None) -> int:
    """Find where the one list of objects inside a top-level object begins."""
    try:
        whole = json.loads(text)
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
    except (pa.ArrowException, OSError, ValueError):
        table = None
    if table is None:
        raise SourceBroken(
            "The Parquet file can't be opened; it is damaged, cut off or no Parquet.",
            file=file,
            fix="copy or export it again, or set the right `kind:` in sources.yaml.",
        )
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
