"""Bytes to records: encoding, delimiter, quoting, physical line numbers.

Belongs here: what a CSV file is, however it was saved. Does not belong here: what its cells mean.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.labels import Labels, key

DELIMITERS = (",", "\t", ";", "|")
_LOOK_AT_LINES = 60
# Letters from which memory counts more than the time it takes to spare it.
_LARGE = 40_000_000
_SHORT, _MOST_KNOWN = 16, 100_000
_BOM = "\ufeff"
# No report has a tenth of it, organisers' questions included; each column takes thought.
_MOST_COLUMNS = 2_000
# What the first byte of a letter in UTF-8 and the one after it look like in cp1252.
_MISREAD = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122\ufffd]"
)
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
_FORMULA = re.compile(r"^=\"([^\"]*)\"$")


@dataclass(frozen=True)
class Records:
    """A file as records.

    Attributes:
        rows: Cells of each record.
        lines: 1-based physical line on which each record starts.
        broken: (line, raw text) of physical lines whose quoting can't be trusted.
        ends_with_newline: Whether the last line is terminated.
    """

    rows: list[list[str]]
    lines: list[int]
    broken: list[tuple[int, str]]
    delimiter: str
    ends_with_newline: bool


def decode(data: bytes) -> str:
    """Decode a report: UTF-8 with any number of BOMs, UTF-16 with or without one, else cp1252.

    NUL bytes, which Zoom emits inside otherwise good lines, are dropped; line ends become ``\\n``.

    Raises:
        ReportRefused: ``truncated`` when a multi-byte character is cut at the end, ``encoding`` when
            unreadable.
    """
    if not data.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise ReportRefused("The file is empty.", reason="not_a_report")
    text = _decode_utf16(data) if _is_utf16(data) else _decode_bytes(data)
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii() and _is_encoded_twice(text):
        raise ReportRefused("The file's text was encoded twice (Ã¼ for ü).", reason="encoding")
    text = text.replace(_BOM, "") if _BOM in text[:8] else text
    if "\r" in text:
        # "\r\r\n" is what a Windows program makes of a file that had its line ends already.
        text = text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    return text


def _is_encoded_twice(text: str) -> bool:
    """Whether letters stand for the bytes of others: text of UTF-8 that a program took for cp1252 and saved again."""
    if not _MISREAD.search(text):
        return False
    odd = [run for run in _NOT_ASCII.findall(text) if run != _BOM]
    twice = sum(1 for run in odd if _MISREAD.match(run))
    return twice * 2 > len(odd)


def _is_utf16(data: bytes) -> bool:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    head = data[:2000]
    nuls = head.count(0)
    # Every second byte of Latin text is NUL in UTF-16; stray NULs are far rarer.
    return nuls > len(head) * 0.3 and (head[0::2].count(0) in (0, nuls))


def _decode_utf16(data: bytes) -> str:
    if data[:2] == b"\xff\xfe":
        codec = "utf-16-le"
    elif data[:2] == b"\xfe\xff":
        codec = "utf-16-be"
    else:
        codec = "utf-16-be" if data[0] == 0 else "utf-16-le"
    if len(data) % 2:
        raise ReportRefused("The file ends inside a character.", reason="truncated")
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise ReportRefused("The file's UTF-16 text is damaged.", reason="encoding") from error


def _decode_bytes(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end >= len(data) and error.reason == "unexpected end of data" and error.start > 0:
            head_is_utf8 = any(byte > 127 for byte in data[: error.start])
            if head_is_utf8 or len(data) - error.start > 1:
                raise ReportRefused("The file ends inside a character.", reason="truncated") from error
        if _looks_utf8(data):
            raise ReportRefused(
                "The file's UTF-8 text is damaged, or it was saved in another encoding.", reason="encoding"
            ) from error
    return data.decode("cp1252", errors="replace")


def _looks_utf8(data: bytes) -> bool:
    """Mostly valid multi-byte sequences: UTF-8 with damage, which cp1252 would turn into nonsense."""
    text = data.decode("utf-8", errors="replace")
    good = sum(1 for char in text if ord(char) > 127 and char != "\ufffd")
    # In cp1252 text two letters that happen to be UTF-8 are far rarer than letters that aren't.
    return data[:3] == b"\xef\xbb\xbf" or 8 * good > text.count("\ufffd")


def read_records(text: str, labels: Labels) -> Records:
    """Split text into records with the delimiter under which most known words appear.

    A stray quote that swallows following lines is undone: its line is set apart as broken and reading resumes
    on the next one.

    Raises:
        ReportRefused: ``truncated`` when the text ends inside a quoted cell.
    """
    try:
        records = _read_records(text, labels)
    except csv.Error:
        longest = csv.field_size_limit()
        raise ReportRefused(f"A cell of the file has more than {longest:,} letters.") from None
    if any(any(row[_MOST_COLUMNS:]) for row in records.rows):
        raise ReportRefused(f"The file has more than {_MOST_COLUMNS:,} columns.")
    _set_odd_quotes_apart(records, text)
    if '="' in text:
        # How some exporters keep a spreadsheet from changing a date: ="2024-04-18 14:58:10".
        records.rows[:] = [[_FORMULA.sub(r"\1", cell) for cell in row] for row in records.rows]
    return records


def _set_odd_quotes_apart(records: Records, text: str) -> None:
    """Take out lines with an odd number of quotation marks: no program writes one, so a mark is missing or too many."""
    if '"' not in text:
        return
    marked = {number: line for number, line in enumerate(_lines(text), 1) if line.count('"') % 2}
    if not marked:
        return
    # A record over several lines may well have an odd number in each of them.
    after = [*records.lines[1:], records.lines[-1] + 1 if records.lines else 0]
    broken = {line for line, _ in records.broken}
    odd = [
        index
        for index, (line, next_line) in enumerate(zip(records.lines, after, strict=True))
        if line in marked
        and broken.issuperset(range(line + 1, next_line))
        and "\n" not in "".join(records.rows[index])
    ]
    for index in reversed(odd):
        records.rows.pop(index)
        line = records.lines.pop(index)
        records.broken.append((line, marked[line].rstrip("\n")))


def _read_records(text: str, labels: Labels) -> Records:
    first_line = 1
    if text[:4].casefold() == "sep=":
        text, first_line = text.partition("\n")[2], 2
    delimiter = detect_delimiter(text, labels)
    ends = text.endswith("\n")
    line_count = text.count("\n") + (0 if ends else 1)
    if '"' not in text:
        rows = _rows(csv.reader(_lines(text), delimiter=delimiter, quoting=csv.QUOTE_NONE), text)
        return Records(rows, list(range(first_line, first_line + len(rows))), [], delimiter, ends)
    try:
        rows = _rows(csv.reader(_lines(text), delimiter=delimiter, strict=True), text)
    except csv.Error:
        rows = []
    if len(rows) == line_count:
        return Records(rows, list(range(first_line, first_line + len(rows))), [], delimiter, ends)
    del rows
    return _read_carefully(text, delimiter, first_line, ends)


def _lines(text: str) -> Iterator[str]:
    """The text's lines; a StringIO would hold four bytes for each letter."""
    return (line[0] for line in re.finditer(r"[^\n]*\n|[^\n]+", text))


def _rows(reader: Iterable[list[str]], text: str) -> list[list[str]]:
    """All records; in a large file each short text ("Yes", "India") is kept once, which halves the memory."""
    if len(text) < _LARGE:
        return list(reader)
    rows: list[list[str]] = []
    known: dict[str, str] = {}
    for row in reader:
        rows.append([known.setdefault(cell, cell) if len(cell) < _SHORT else cell for cell in row])
        if len(known) > _MOST_KNOWN:
            known.clear()
    return rows


def _read_carefully(text: str, delimiter: str, first_line: int, ends: bool) -> Records:
    lines = list(_lines(text))
    rows: list[list[str]] = []
    starts: list[int] = []
    broken: list[tuple[int, str]] = []
    position = 0
    width = 0
    while position < len(lines):
        for row, start, end, whole in _records_from(lines, position, delimiter):
            if not whole or _swallowed(lines, start, end, delimiter, width):
                if not whole and _is_cut(lines, start, delimiter, width, ends):
                    raise ReportRefused(
                        "The file stops inside a quoted cell.", reason="truncated", line=first_line + start
                    )
                broken.append((first_line + start, lines[start].rstrip("\n")))
                position = start + 1
                break
            rows.append(row)
            starts.append(first_line + start)
            width = max(width, len(row))
            position = end
        else:
            break
    return Records(rows, starts, broken, delimiter, ends)


def _records_from(
    lines: list[str], position: int, delimiter: str
) -> Iterator[tuple[list[str], int, int, bool]]:
    """Yield (cells, first line, line after, closed) from ``position``; an open quote is not closed."""
    reader = csv.reader((lines[i] for i in range(position, len(lines))), delimiter=delimiter, strict=True)
    start = position
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield [], start, min(position + reader.line_num, len(lines)), False
            return
        end = position + reader.line_num
        yield row, start, end, True
        start = end


def _swallowed(lines: list[str], start: int, end: int, delimiter: str, width: int) -> bool:
    """Whether a record over several lines holds what look like whole records of their own."""
    if end - start == 1:
        return False
    enough = max(3, width - 2)
    return any(line.count(delimiter) >= enough for line in lines[start + 1 : end - 1]) or (
        lines[end - 1].count(delimiter) >= enough and lines[start].count(delimiter) >= enough
    )


def _is_cut(lines: list[str], start: int, delimiter: str, width: int, ends: bool) -> bool:
    """An open quote means a cut file when nothing after it looks like a record of its own."""
    if start == len(lines) - 1:
        return not ends or lines[start].count(delimiter) < max(1, width - 2)
    enough = max(3, width - 2)
    return not any(line.count(delimiter) >= enough for line in lines[start + 1 :])


def detect_delimiter(text: str, labels: Labels) -> str:
    """The delimiter that makes the most known words appear as whole cells near the top of the file."""
    head = "\n".join(text[:200_000].split("\n")[:_LOOK_AT_LINES])
    best, best_score = ",", (-1, -1)
    for delimiter in DELIMITERS:
        try:
            cells = [cell for row in csv.reader(io.StringIO(head), delimiter=delimiter) for cell in row]
        except csv.Error:
            continue
        known = sum(1 for cell in cells if cell and len(cell) < 80 and key(cell) in labels.structure_keys)
        score = (known, -DELIMITERS.index(delimiter))
        if score > best_score:
            best, best_score = delimiter, score
    return best
