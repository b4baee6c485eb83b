"""A CSV that went through someone's spreadsheet, read as rows of text with their line numbers.

Belongs here: encodings, separators, quotes, empty rows and columns. Does not belong here: what a column means
(`table_specs.py`).
"""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, replace

SEPARATORS = (",", ";", "\t", "|")
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200e\u200f\u2060"), "") | {0xA0: " ", 0x202F: " "}


class UnreadableSheet(Exception):
    """The file isn't a readable CSV.

    Args:
        line: 1-based physical line.
        text: What is wrong and what to do, in words.
    """

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


@dataclass(frozen=True)
class Sheet:
    """Header and rows as trimmed text; ``rows`` holds the physical line each row starts on, and its cells.

    ``separator`` is the one the file was written with.
    """

    header: list[str]
    header_line: int
    rows: list[tuple[int, list[str]]]
    separator: str = ","


def read_sheet(content: bytes, known: Collection[str]) -> Sheet:
    """Read a CSV as spreadsheets write it.

    Accepted: UTF-8 with or without BOM, UTF-16, cp1252; commas, semicolons, tabs or bars; any line ending; a
    ``sep=`` line; empty rows, empty trailing columns, rows cut short.

    Args:
        content: The file's bytes.
        known: Normalised column names; the separator is the one that makes most of them appear in the header.

    Raises:
        UnreadableSheet: With the line and what to do.
    """
    text = _decode(content)
    separator = None
    skipped = 0
    if text[:4].lower() == "sep=" and text[4:5] in SEPARATORS:
        separator = text[4]
        _, _, text = text.partition("\n")
        skipped = 1
    if not text.strip(" \r\n" + "".join(SEPARATORS)):
        raise UnreadableSheet(1, "the file is empty, its header too")
    separator = separator or _separator(text, known)
    rows = _rows(text, separator, skipped)
    if not rows:
        raise UnreadableSheet(1, "the file holds nothing that can be seen")
    (header_line, header), *body = rows
    return replace(_without_empty_columns(header, header_line, body), separator=separator)


def clean(cell: str) -> str:
    """Trim a cell and drop what can't be seen: BOM, zero-width marks, no-break spaces, line breaks."""
    if cell.isascii() and cell.isprintable():
        return cell.strip()
    return " ".join(cell.translate(_INVISIBLE).splitlines()).strip()


def normalised_name(name: str) -> str:
    """Return a column name as specs write it: ``Valid From`` and ``valid-from`` give ``valid_from``."""
    words = clean(name).lower().replace("-", " ").replace("_", " ").split()
    return "_".join(words)


def _decode(content: bytes) -> str:
    if content.startswith(b"PK\x03\x04") or content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableSheet(
            1, "this is an Excel workbook with the name of a CSV; in Excel use Save As, CSV UTF-8"
        )
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ("utf-16",)
    elif content[1:2] == b"\x00":
        encodings = ("utf-16-le",)
    elif content[:1] == b"\x00":
        encodings = ("utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableSheet(1, "the file's encoding isn't known; in the spreadsheet use Save As, CSV UTF-8")


def _separator(text: str, known: Collection[str]) -> str:
    first = next((line for line in text.splitlines() if line.strip(" ,;\t|")), "")

    def recognised(separator: str) -> tuple[int, int]:
        cells = [normalised_name(cell.strip().strip('"')) for cell in first.split(separator)]
        return sum(cell in known for cell in cells), len(cells)

    return max(SEPARATORS, key=recognised)


def _rows(text: str, separator: str, skipped: int) -> list[tuple[int, list[str]]]:
    """Return the rows that hold anything. Strict: an open quote would otherwise swallow the rows after it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    start = 1
    while True:
        try:
            cells = [clean(cell) for cell in next(reader)]
        except StopIteration:
            return rows
        except csv.Error:
            raise UnreadableSheet(
                start + skipped, "a quotation mark on this line is opened or closed in the wrong place"
            ) from None
        if any(cells):
            rows.append((start + skipped, cells))
        start = reader.line_num + 1


def _without_empty_columns(header: list[str], header_line: int, body: list[tuple[int, list[str]]]) -> Sheet:
    kept = [place for place, name in enumerate(header) if name]
    rows = []
    for line, cells in body:
        padded = cells + [""] * (len(header) - len(cells))
        nameless = [
            place for place, cell in enumerate(padded) if cell and (place >= len(header) or not header[place])
        ]
        if nameless:
            raise UnreadableSheet(
                line,
                f"column {nameless[0] + 1} has a value but the header has no name for it; a comma inside a "
                "value needs quotation marks around the value",
            )
        rows.append((line, [padded[place] for place in kept]))
    return Sheet([header[place] for place in kept], header_line, rows)
