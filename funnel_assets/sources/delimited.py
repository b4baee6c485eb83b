"""CSV files, as people and programs really write them.

Belongs here: delimiter, header line, quotes, line numbers, cuts. Does not belong here: encodings (``encoding``) or
the meaning of columns.

Two readers give equal tables. Arrow's reads a clean file at disk speed; it is believed only when every row is
exactly one physical line, which also makes the line numbers right. Else Python's csv module reads row by row, knows
each row's line, and gets back in step after a stray quote.
"""

import contextlib
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv as arrow_csv

from funnel_assets.errors import SourceBroken
from funnel_assets.sources import sniff
from funnel_assets.sources.columns import column_key
from funnel_assets.sources.encoding import to_utf8
from funnel_assets.sources.tabular import (
    BAD_ROWS_LOOKED_AT,
    LINE,
    Dialect,
    RaggedRow,
    RawTable,
    check_fit,
    check_width,
    row_text,
    unique_names,
)

DELIMITERS = (",", ";", "\t", "|")
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_SAMPLE_BYTES = 1 << 18
_HEADER_WITHIN_ROWS = 60
_FAST_BLOCK_BYTES = 1 << 23
_SLOW_BLOCK_BYTES = 1 << 16
_TEXT = pa.large_string()
# The functions of this module are made at run time, where no type checker sees them.
pc: Any = pyarrow.compute


@dataclass(frozen=True)
class _Record:
    """One CSV record: its cells, the physical line it begins on and the line after it (1-based)."""

    cells: list[str]
    line: int
    next_line: int


@dataclass(frozen=True)
class Layout:
    """Where a file's header is and how wide its rows are.

    Attributes:
        delimiter: Between cells.
        header: Header cells, stripped.
        named: Width up to the last header cell that has a name: no row may be narrower.
        width: Width of the header with its empty cells: no row may have values beyond.
        row_width: Most common width of the rows below.
        header_line: 1-based.
        first_line: First line after the header.
    """

    delimiter: str
    header: tuple[str, ...]
    named: int
    width: int
    row_width: int
    header_line: int
    first_line: int


def read_csv(
    data: bytes, *, encoding: str | None, delimiter: str | None, file: str | None, hints: Sequence[str]
) -> RawTable:
    """Read delimited text; see `tabular.read_table`."""
    foreign = sniff.foreign_format(data[: sniff.HEAD_BYTES])
    if foreign:
        raise SourceBroken(
            f"This is {foreign}, not a CSV.",
            file=file,
            fix="check that the link or file is the CSV export itself, or set the right `kind:` in sources.yaml.",
        )
    decoded = to_utf8(data, encoding, file=file)
    layout = _find_layout(decoded.data, delimiter, hints, file)
    check_width(layout.width, file, rows=decoded.data.count(b"\n"), size=len(decoded.data))
    start = offset_of_line(decoded.data, layout.first_line)
    body = decoded.data[start:]
    rows = _read_fast(body, layout, layout.first_line) or _read_slow(body, layout, layout.first_line, file)
    notes = (*decoded.notes, *header_notes(layout))
    whole = decoded.data.endswith((b"\n", b"\r"))
    return assemble(layout.header, rows, dialect_of(layout, decoded.encoding), notes, whole=whole)


def plain_layout(head: bytes, delimiter: str | None, hints: Sequence[str]) -> Layout | None:
    """Return the layout of a file that begins so; None for one that needs the careful eye of `read_csv`."""
    try:
        layout = _find_layout(head, delimiter, hints, None)
    except SourceBroken:
        return None
    is_plain = all(layout.header) and sniff.foreign_format(head[: sniff.HEAD_BYTES]) is None
    return layout if is_plain and layout.width == layout.row_width else None


def read_piece(data: bytes, layout: Layout, dialect: Dialect, *, is_last: bool) -> RawTable | None:
    """Read some whole lines below the header, counted from line 1; None when they end inside a cell."""
    try:
        rows = _read_fast(data, layout, 1) or _read_slow(data, layout, 1, None, goes_on=not is_last)
    except _GoesOn:
        return None
    return assemble(layout.header, rows, dialect)


def dialect_of(layout: Layout, encoding: str) -> Dialect:
    """Return how a file of a layout is read."""
    return Dialect("csv", encoding, layout.delimiter, layout.header_line)


def header_notes(layout: Layout) -> tuple[str, ...]:
    """Say what was left out above the header."""
    if layout.header_line == 1:
        return ()
    return (f"the header is on line {layout.header_line}; the lines above it were left out",)


# --- layout ---------------------------------------------------------------------------------------


def _find_layout(data: bytes, delimiter: str | None, hints: Sequence[str], file: str | None) -> Layout:
    sample, stated, skip = _sample(data)
    wanted = {column_key(hint) for hint in hints} - {""}
    best: tuple[tuple[float, ...], Layout] | None = None
    for rank, candidate in enumerate([delimiter or stated] if delimiter or stated else DELIMITERS):
        records = [record for record in _records(sample, str(candidate), skip) if any(record.cells)]
        if not records:
            continue
        layout = _layout(records, str(candidate), wanted)
        widths = [len(record.cells) for record in records if record.line >= layout.first_line]
        fitting = sum(layout.named <= width <= layout.width for width in widths)
        score = (
            matches(layout.header, wanted),
            layout.named > 1,
            _is_wordy(layout.header),
            fitting / len(widths) if widths else 1.0,
            layout.named,
            -rank,
        )
        if best is None or score > best[0]:
            best = score, layout
        if len(wanted) > 1 and score[:4] == (len(wanted), True, True, 1.0):
            break  # every name that was looked for, and rows that fit them
    if best is None or not any(column_key(cell) for cell in best[1].header):
        raise SourceBroken("The file has no header line.", file=file, fix="export it again with its header.")
    return best[1]


def _sample(data: bytes) -> tuple[str, str | None, int]:
    """Return the first whole lines, and the delimiter and number of lines of Excel's ``sep=;`` opening."""
    head = data[:_SAMPLE_BYTES]
    if len(data) > len(head):
        end = max(head.rfind(b"\n"), head.rfind(b"\r"))
        head = head[: end + 1] if end > 0 else head
    text = head.decode("utf-8", errors="replace")
    first = text[:8].partition("\n")[0].strip().strip('"')
    if first.lower().startswith("sep=") and len(first) == 5:
        return text, first[4], 1
    return text, None, 0


def _records(text: str, delimiter: str, skip: int = 0) -> Iterator[_Record]:
    """Read a sample leniently; an unclosed quote ends it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    try:
        for cells in reader:
            if cells and line > skip:
                yield _Record([cell.strip() for cell in cells], line, reader.line_num + 1)
            line = reader.line_num + 1
    except csv.Error:
        return


def matches(cells: Sequence[str], wanted: set[str]) -> int:
    """Count how many wanted column keys a row of cells holds."""
    return len({column_key(cell) for cell in cells} & wanted)


def header_position(rows: Sequence[Sequence[str]], wanted: set[str]) -> int:
    """Find the header among a file's first rows (blank ones left out).

    It is the row with the most wanted names. Where none has any, it is the first row that is at least as wide as
    most and made of words, so that neither a title above the header nor a row of numbers is taken for it.
    """
    near = rows[:_HEADER_WITHIN_ROWS]
    counts = []
    for cells in near:
        counts.append(matches(cells, wanted))
        if wanted and counts[-1] == len(wanted):
            break
    if counts and max(counts) > 0:
        return counts.index(max(counts))
    widths = [_filled_width(cells) for cells in rows]
    common = Counter(widths).most_common(1)[0][0]
    wide = [position for position in range(len(near)) if widths[position] >= common]
    return next((position for position in wide if _is_wordy(near[position])), (wide or [0])[0])


def _filled_width(cells: Sequence[str]) -> int:
    return max((number for number, cell in enumerate(cells, start=1) if cell), default=0)


def _is_wordy(cells: Sequence[str]) -> bool:
    """Tell whether most filled cells begin as names do, not as numbers and dates do."""
    filled = [cell for cell in cells if cell]
    return sum(not re.match(r"[\W_]*\d", cell) for cell in filled) * 2 > len(filled)


def _layout(records: list[_Record], delimiter: str, wanted: set[str]) -> Layout:
    position = header_position([record.cells for record in records], wanted)
    found = records[position]
    header = tuple(cell.strip().lstrip("\ufeff") for cell in found.cells)
    named = _filled_width(header)
    widths = Counter(len(record.cells) for record in records[position + 1 :])
    row_width = widths.most_common(1)[0][0] if widths else len(header)
    return Layout(delimiter, header, named, len(header), row_width, found.line, found.next_line)


# --- the fast reader ------------------------------------------------------------------------------


@dataclass
class Rows:
    """Rows as Arrow columns and their lines, what was set aside, and how many lines were blank."""

    columns: list[pa.ChunkedArray]
    lines: np.ndarray
    ragged: list[RaggedRow]
    blank: int = 0


def _read_fast(data: bytes, layout: Layout, first_line: int) -> Rows | None:
    """Read whole lines below the header with Arrow; None when they need the careful reader."""
    quoted = b'"' in data
    if layout.row_width < layout.named or (layout.row_width == 1 and quoted):
        return None
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    table = _parse_fast(data, layout, quoted)
    if table is None:
        return None
    numbered = _lines_of_rows(data, first_line, table.num_rows)
    if numbered is None or _is_open(_last_line(data), layout.delimiter):
        return None
    if any(column.null_count < len(column) for column in map(blank_to_null, table.columns[layout.width :])):
        return None
    missing = pa.chunked_array([pa.nulls(table.num_rows, _TEXT)])
    lines, blank = numbered
    return Rows((table.columns + [missing] * layout.width)[: layout.width], lines, [], blank)


def _parse_fast(data: bytes, layout: Layout, quoted: bool) -> pa.Table | None:
    names = [f"f{number}" for number in range(layout.row_width)]
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(
                column_names=names, block_size=_FAST_BLOCK_BYTES, use_threads=len(data) > _FAST_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=layout.delimiter, newlines_in_values=quoted),
            convert_options=arrow_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, _TEXT),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None


def offset_of_line(data: bytes, line: int) -> int:
    if line <= 1:
        return 0
    ends = itertools.islice(re.finditer(rb"\r\n?|\n", data), line - 2, None)
    end = next(ends, None)
    return len(data) if end is None else end.end()


def _lines_of_rows(data: bytes, first_line: int, rows: int) -> tuple[np.ndarray, int] | None:
    """Return each row's line and the number of empty lines; None unless every row is exactly one line.

    Arrow leaves empty lines out. A row over several lines makes fewer rows than there are filled lines, and
    nothing makes more: equal numbers prove one line each.
    """
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if count == rows:
        return np.arange(first_line, first_line + rows, dtype=np.int64), 0
    body = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(body == 10)
    if len(ends) < count:
        ends = np.append(ends, len(body))
    begins = np.concatenate(([0], ends[:-1] + 1))
    length = ends - begins
    bare = (length == 0) | ((length == 1) & (body[np.minimum(begins, len(body) - 1)] == 13))
    filled = np.flatnonzero(~bare)
    return (filled.astype(np.int64) + first_line, count - rows) if len(filled) == rows else None


def _last_line(data: bytes) -> str:
    end = len(data.rstrip(b"\r\n"))
    return data[data.rfind(b"\n", 0, end) + 1 : end].decode("utf-8", errors="replace")


def blank_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Make cells that are empty or only white space null; all others stay as typed."""
    blank = pc.or_kleene(pc.equal(column, ""), pc.utf8_is_space(column))
    if not pc.any(blank).as_py():
        return column
    return pc.if_else(blank, pa.scalar(None, _TEXT), column)


# --- the careful reader ---------------------------------------------------------------------------


def _is_open(line: str, delimiter: str) -> bool:
    """Tell whether lines end inside a quote."""
    asked_for_more = False

    def lines() -> Iterator[str]:
        nonlocal asked_for_more
        yield from io.StringIO(line, newline="")
        # The csv module asks for a line after the last one only while a quote is open.
        asked_for_more = True

    with contextlib.suppress(csv.Error):
        next(csv.reader(lines(), delimiter=delimiter), None)
    return asked_for_more


class _GoesOn(Exception):
    """The lines end inside a quoted cell, and others follow."""


@dataclass
class _Reading:
    """The careful reader's state: what it has kept and what it has set aside."""

    layout: Layout
    file: str | None
    goes_on: bool = False
    rows: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    ragged: list[RaggedRow] = field(default_factory=list)
    parts: list[Rows] = field(default_factory=list)
    blank: int = 0

    def flush(self) -> None:
        if self.rows:
            columns = [pa.chunked_array([pa.array(cells, _TEXT)]) for cells in zip(*self.rows, strict=True)]
            self.parts.append(Rows(columns, np.array(self.numbers, dtype=np.int64), []))
            self.rows, self.numbers = [], []


def _read_slow(
    data: bytes, layout: Layout, first_line: int, file: str | None, *, goes_on: bool = False
) -> Rows:
    """Read with Python's csv module, block by block; a clean block still goes to Arrow.

    A row that is open at the end of a block waits there for the next block's lines.

    Raises:
        _GoesOn: A row is open at the end, and the file goes on.
    """
    state = _Reading(layout, file, goes_on)
    waiting: list[str] = []
    number, position = first_line, 0
    while position < len(data) or waiting:
        end = _end_of_block(data, position)
        block = data[position:end]
        clean = _read_fast(block, layout, number) if block and not waiting else None
        if clean is not None:
            state.parts.append(clean)
            number += len(clean.lines) + clean.blank
        else:
            lines = waiting + list(io.StringIO(block.decode(), newline=""))
            waiting = _read_odd(state, lines, number, final=not block)
            number += len(lines) - len(waiting)
            state.flush()
        position = end
    return Rows(
        [
            pa.chunked_array([chunk for part in state.parts for chunk in part.columns[at].chunks], _TEXT)
            for at in range(layout.width)
        ],
        np.concatenate([part.lines for part in state.parts] or [np.empty(0, np.int64)]),
        state.ragged,
        state.blank + sum(part.blank for part in state.parts),
    )


def _end_of_block(data: bytes, position: int) -> int:
    wanted = position + _SLOW_BLOCK_BYTES
    end = data.rfind(b"\n", position, wanted) if wanted < len(data) else len(data)
    end = data.find(b"\n", wanted) if end < 0 else end
    return len(data) if end < 0 else min(end + 1, len(data))


@dataclass(frozen=True)
class _Span:
    """One record as the csv module saw it.

    Attributes:
        lines: The block's lines.
        begin: Index of the record's first line.
        end: Index after its last line.
        line: Physical line of its beginning.
        cells: Its cells; None where the module gave up (a cell of more than 128 KB: a quote that never closes).
        is_open: True when the block ends inside a quote of it.
    """

    lines: list[str]
    begin: int
    end: int
    line: int
    cells: list[str] | None
    is_open: bool


def _read_odd(state: _Reading, lines: list[str], number: int, *, final: bool) -> list[str]:
    """Read a block row by row; returns the lines of a row that is still open at its end."""
    resume = 0
    while resume < len(lines):
        for span in _odd_spans(state, lines, resume, number):
            if span.is_open and not final:
                return lines[span.begin :]
            resume = _take(state, span)
            if resume != span.end:
                break
        else:
            return []
    return []


def _odd_spans(state: _Reading, lines: list[str], begin: int, number: int) -> Iterator[_Span]:
    """Keep the rows that fit the header, and yield the others in their turn."""
    width, delimiter, rows, numbers = (state.layout.width, state.layout.delimiter, state.rows, state.numbers)
    # By index: whatever skips to `begin` is paid again by each of a thousand rows with a stray quote.
    reader = csv.reader((lines[at] for at in range(begin, len(lines))), delimiter=delimiter)
    start = begin
    while start < len(lines):
        try:
            cells = next(reader)
        except csv.Error:
            yield _Span(lines, start, len(lines), number + start, None, False)
            return
        end = begin + reader.line_num
        if not cells:
            state.blank += 1
            start = end
            continue
        is_open = end == len(lines) and _is_open("".join(lines[start:end]), delimiter)
        if (
            len(cells) == width
            and not is_open
            and (end - start == 1 or _is_strict(lines[start:end], delimiter))
        ):
            rows.append(cells)
            numbers.append(number + start)
        else:
            yield _Span(lines, start, end, number + start, cells, is_open)
        start = end


def _is_strict(lines: list[str], delimiter: str) -> bool:
    """Tell whether a record of several lines has every quote where one may stand.

    A stray quote reaches to the next opening quote: the record then has a letter right after its closing one.
    """
    if len(lines) == 1:
        return True
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return True


def _take(state: _Reading, span: _Span) -> int:
    """Keep a record or set it aside; returns the index of the line to go on from."""
    layout, cells, last = state.layout, span.cells, span.lines[span.end - 1]
    if cells is None:
        return _set_aside(state, span, "unclosed_quote")
    if not span.is_open and not _is_strict(span.lines[span.begin : span.end], layout.delimiter):
        return _set_aside(state, span, "unclosed_quote")
    if span.is_open and state.goes_on:
        raise _GoesOn
    if span.is_open:
        if span.end - span.begin == 1 or not _fits_alone(state, last):
            raise _cut_off(state, span.line, "inside a quoted cell")
        return _set_aside(state, span, "unclosed_quote")
    if not any(cell.strip() for cell in cells):
        state.blank += 1
        return span.end
    if len(cells) < layout.named:
        if not last.endswith(("\n", "\r")):
            raise _cut_off(state, span.line, f"after {len(cells)} of {layout.named} cells")
        return _set_aside(state, span, "too_few_fields")
    if any(cell.strip() for cell in cells[layout.width :]):
        return _set_aside(state, span, "too_many_fields")
    state.rows.append((cells + [""] * layout.width)[: layout.width])
    state.numbers.append(span.line)
    return span.end


def _fits_alone(state: _Reading, line: str) -> bool:
    """Tell whether a physical line would be a whole row by itself."""
    if not line.endswith(("\n", "\r")):
        return False
    with contextlib.suppress(csv.Error):
        cells = next(csv.reader([line], delimiter=state.layout.delimiter), [])
        return len(cells) > 1 and state.layout.named <= len(cells) <= state.layout.width
    return False


def _cut_off(state: _Reading, line: int, where: str) -> SourceBroken:
    return SourceBroken(
        f"The file is cut off: its last row ends {where}.",
        file=state.file,
        line=line,
        fix="fetch or export it again; nothing was loaded from it.",
    )


def _set_aside(state: _Reading, span: _Span, reason: str) -> int:
    """Put a row into quarantine, and get back in step where it swallowed rows after it.

    A stray quote makes one cell of all lines up to the next quote. When any of those lines is a whole row by
    itself, only the first line is set aside and reading goes on with the second.
    """
    swallowed = (span.lines[at] for at in range(span.begin + 1, span.end))
    cells, end = span.cells or [], span.end
    if reason == "unclosed_quote" or any(_fits_alone(state, line) for line in swallowed):
        reason, end = "unclosed_quote", span.begin + 1
        cells = [span.lines[span.begin].rstrip("\r\n")]
    delimiter = _DELIMITER_NAMES.get(state.layout.delimiter, "delimiter")
    counts = f"The row has {len(cells)} cells and the header {state.layout.width}"
    detail = {
        "unclosed_quote": "A quote opens in this line and closes nowhere near: correct it at the origin.",
        "too_few_fields": f"{counts}: correct it at the origin.",
        "too_many_fields": f"{counts}: a cell with a {delimiter} in it needs quotes at the origin.",
    }[reason]
    state.ragged.append(RaggedRow(span.line, reason, detail, row_text(cells)))
    if len(state.ragged) % BAD_ROWS_LOOKED_AT == 0:
        good = len(state.rows) + sum(len(part.lines) for part in state.parts)
        check_fit(state.ragged, good, state.file)
    return end


# --- the table ------------------------------------------------------------------------------------


def assemble(
    header: Sequence[str], rows: Rows, dialect: Dialect, notes: Sequence[str] = (), *, whole: bool = True
) -> RawTable:
    """Make the table of a format that has a header row: blank rows and nameless blank columns left out."""
    columns, lines = [blank_to_null(column) for column in rows.columns], rows.lines
    empty = np.ones(len(lines), dtype=bool)
    for column in columns:
        if not empty.any():
            break
        empty &= column.is_null().to_numpy()
    if empty.any():
        keep = pa.array(~empty)
        columns, lines = [column.filter(keep) for column in columns], lines[~empty]
    kept = [
        (name, column)
        for name, column in zip(header, columns, strict=True)
        if name or column.null_count < len(column)
    ]
    names = unique_names([name for name, _ in kept])
    table = pa.table([*(column for _, column in kept), pa.array(lines, pa.int64())], names=[*names, LINE])
    return RawTable(
        table=table,
        header=tuple(name for name, _ in kept),
        columns=names,
        dialect=dialect,
        rows_in=len(lines) + len(rows.ragged),
        ragged=tuple(rows.ragged),
        blank_rows=rows.blank + int(empty.sum()),
        whole_line_at_end=whole,
        notes=tuple(notes),
    )
