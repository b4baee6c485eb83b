"""A file read as a table of text, with the line each row stands on.

Belongs here: reading CSV, workbooks, JSON and Parquet into one shape. Does not belong here: what a column means
(``columns`` and the contracts), nor parsing a value.

Every column is text, exactly as typed: that keeps leading zeros and ``9.19877E+11`` visible (SPEC 4). Only an empty
cell, or one with nothing but white space, is missing. A row that doesn't fit the header is set aside with its line,
never shifted into place.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import pyarrow as pa

from funnel_assets import outside
from funnel_assets.errors import ConfigError, SourceBroken

Kind = Literal["csv", "xlsx", "json", "jsonl", "parquet"]
LINE = "_line"


@dataclass(frozen=True)
class Dialect:
    """How a file was read.

    Attributes:
        kind: One of `Kind`.
        encoding: Of a text file, else None.
        delimiter: Of a CSV, else None.
        header_line: 1-based line of the header; None where a format has no header line.
        sheet: Sheet name of a workbook, else None.
    """

    kind: str
    encoding: str | None = None
    delimiter: str | None = None
    header_line: int | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class RaggedRow:
    """A row set aside for quarantine.

    Attributes:
        line: 1-based physical line where it begins.
        reason: ``too_many_fields``, ``too_few_fields``, ``unclosed_quote``, ``bad_json`` or ``not_an_object``.
        detail: What is wrong and what to do, without personal data.
        raw: The row as JSON text.
    """

    line: int
    reason: str
    detail: str
    raw: str


@dataclass(frozen=True)
class RawTable:
    """A file as text.

    Attributes:
        table: Arrow table: one ``large_string`` column per file column (missing = null), in file order, and
            `LINE` (int64), the 1-based physical line where the row begins. For a workbook that is the row number
            on the sheet, for a JSON list and for Parquet the number of the record, from 1.
        header: The file's column names, stripped, as they stand there: repeated and empty ones included.
        columns: The names that `table` uses: a repeated ``Phone`` is ``Phone (2)``, an empty one ``(column 5)``.
        dialect: How it was read.
        rows_in: Data rows in the file: rows of `table` plus `ragged`.
        ragged: Rows set aside.
        blank_rows: Lines without any value; they are no rows.
        whole_line_at_end: False when the file's last line has no line end. Many exporters leave it out; together
            with other signs it hints at a cut.
        notes: What had to be mended or left out, in words.
    """

    table: pa.Table
    header: tuple[str, ...]
    columns: tuple[str, ...]
    dialect: Dialect
    rows_in: int
    ragged: tuple[RaggedRow, ...] = ()
    blank_rows: int = 0
    whole_line_at_end: bool = True
    notes: tuple[str, ...] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The table in pandas: pyarrow-backed ``str`` columns sharing the table's memory, and `LINE` as int64."""
        return self.table.to_pandas()


def read_table(
    source: Path | str | bytes,
    *,
    kind: Kind,
    encoding: str | None = None,
    delimiter: str | None = None,
    sheet: str | None = None,
    file: str | None = None,
    required_hint: Collection[str] = (),
    allow_empty: bool = False,
    max_unpacked_megabytes: float | None = None,
) -> RawTable:
    """Read a file as text.

    Args:
        source: A path, or the bytes themselves.
        kind: Format. ``csv`` covers ``,``, ``;``, tab and ``|``; ``xlsx`` covers xls, xlsb and ods too.
        encoding: Stated encoding; found out when None.
        delimiter: Stated delimiter; found out when None.
        sheet: Sheet name of a workbook; when None, the visible sheet whose header fits best.
        file: Name for messages; the path's own name when None.
        required_hint: Column names (any spelling) that the file should have. They find the header below title
            lines, and settle the delimiter and the sheet.
        allow_empty: Accept a header without rows, giving a table of none.
        max_unpacked_megabytes: What a workbook may unpack to; None: `workbook.MOST_UNPACKED_MEGABYTES`.

    Returns:
        The table; see `RawTable`.

    Raises:
        SourceBroken: It isn't the format it should be, it is cut off, or it has no rows.
        ConfigError: The kind or the encoding doesn't exist.
    """
    if kind not in get_args(Kind):
        raise ConfigError(f"There is no file kind {kind!r}.", fix=f"use one of {', '.join(get_args(Kind))}.")
    path = None if isinstance(source, bytes) else Path(source)
    name = file or (path.name if path else None)
    data = _bytes_of(source, name)
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise SourceBroken(
            "The file is empty.", file=name, fix="export it again; if it is a copy, wait for it."
        )
    hints = tuple(required_hint)
    if kind == "xlsx":
        # Imported here because these modules build on the shapes above.
        from funnel_assets.sources import structured

        table = structured.read_workbook(
            data, sheet=sheet, file=name, hints=hints, most_megabytes=max_unpacked_megabytes
        )
    else:
        table = _read(data, kind, encoding, delimiter, name, hints)
    if not table.rows_in and not allow_empty:
        raise SourceBroken(
            "The sheet is empty: it has a header and no rows.",
            file=name,
            fix="check the export at its origin; if it may be empty, set `allow_empty: true` for this source.",
        )
    if len(table.ragged) * 2 > table.rows_in:
        raise SourceBroken(
            f"{len(table.ragged)} of {table.rows_in} rows don't fit the header.",
            file=name,
            line=table.ragged[0].line,
            fix="check the delimiter and the header line of the export, or set `delimiter:` in sources.yaml.",
        )
    return table


def _bytes_of(source: Path | str | bytes, file: str | None) -> bytes:
    if isinstance(source, bytes):
        return source
    problem = None
    try:
        return outside.content(Path(source))
    except OSError as failed:
        problem = failed.strerror or type(failed).__name__
    raise SourceBroken(
        f"The file can't be opened ({problem}).", file=file, fix="correct the path in sources.yaml."
    )


def _read(
    data: bytes,
    kind: Kind,
    encoding: str | None,
    delimiter: str | None,
    file: str | None,
    hints: Sequence[str],
) -> RawTable:
    from funnel_assets.sources import delimited, structured

    if kind == "csv":
        return delimited.read_csv(data, encoding=encoding, delimiter=delimiter, file=file, hints=hints)
    if kind == "parquet":
        return structured.read_parquet(data, file=file)
    return structured.read_json(data, encoding=encoding, lines=kind == "jsonl", file=file)


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """Give every column a name of its own: repeated ones are numbered, empty ones named by position."""
    taken = {LINE}
    names: list[str] = []
    numbers: dict[str, int] = {}
    for position, cell in enumerate(header, start=1):
        base = cell or f"(column {position})"
        name, number = base, numbers.get(base, 1)
        while name in taken:
            number += 1
            name = f"{base} ({number})"
        numbers[base] = number
        taken.add(name)
        names.append(name)
    return tuple(names)


BAD_ROWS_LOOKED_AT = 20_000


def check_fit(ragged: Sequence[RaggedRow], good: int, file: str | None) -> None:
    """Give a file up that is no table of this header: setting a row aside costs many times what reading one does.

    Args:
        ragged: Rows set aside so far.
        good: Rows that fitted so far.
        file: For the message.

    Raises:
        SourceBroken: Nine of ten rows don't fit.
    """
    if good * 9 < len(ragged):
        raise SourceBroken(
            f"{len(ragged)} of the first {good + len(ragged)} rows don't fit the header.",
            file=file,
            line=ragged[0].line,
            fix="check the delimiter and the header line of the export, or set `delimiter:` in sources.yaml.",
        )


MOST_COLUMNS = 16_384
"""What a spreadsheet can have; a table with more has lost its line ends or has its values for names."""


_EMPTY_CELLS_PER_BYTE, _EMPTY_CELLS_AT_LEAST = 8, 2_000_000


def check_width(columns: int, file: str | None, *, rows: int = 0, size: int = 0) -> None:
    """Refuse a table that is wider than any spreadsheet, or whose cells are nearly all ones that the file doesn't hold.

    Args:
        columns: How many there are.
        file: For the message.
        rows: How many rows there will be.
        size: Bytes that they come from.

    Raises:
        SourceBroken: It is; a few such bytes would become gigabytes.
    """
    if columns * rows > _EMPTY_CELLS_PER_BYTE * size + _EMPTY_CELLS_AT_LEAST:
        raise SourceBroken(
            f"The table would have {rows:,} rows of {columns:,} columns, nearly all of them empty.",
            file=file,
            fix="check what the export takes for names of columns, and take empty columns out of it.",
        )
    if columns > MOST_COLUMNS:
        raise SourceBroken(
            f"The table has more than {MOST_COLUMNS:,} columns; no spreadsheet has as many.",
            file=file,
            fix="check the delimiter, the line ends and the export itself.",
        )


def storable(text: str) -> str:
    """Return text as every store takes it: half of a surrogate pair becomes U+FFFD, NUL characters go."""
    if text.isascii():
        return text.replace("\x00", "")
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")


def row_text(cells: Sequence[object]) -> str:
    """Write a row's cells as JSON for the quarantine."""
    return storable(json.dumps(list(cells), ensure_ascii=False, default=str))
