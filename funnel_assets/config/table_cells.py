"""One config table read into typed rows, cell by cell.

Belongs here: header names, text, whole numbers, dates, allowed values. Does not belong here: rules over
several rows (`table_rules.py`).
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from funnel_assets.config.mistakes import Mistakes, quoted, suggestion
from funnel_assets.config.spreadsheet import Sheet, UnreadableSheet, normalised_name, read_sheet
from funnel_assets.config.table_specs import Column, TableSpec

Value = str | int | dt.date | None

_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_NAMED_MONTH = re.compile(r"(\d{1,2})[-/. ]*([a-z]{3,9})[-/., ]*(\d{4}|\d{2})", re.IGNORECASE)
_MIDNIGHT = re.compile(r"[ T]00?:00(:00(\.0+)?)?$")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,18}(?:\.0+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.0+)?")
_FIRST_YEAR = 1990


class BadCell(Exception):
    """A cell can't be read; the text says why, without the column's name."""


@dataclass(frozen=True)
class Row:
    """One row: the physical line it starts on, and its values by column."""

    line: int
    values: dict[str, Value]

    def text(self, column: str) -> str:
        """Return a value as text, empty when there is none."""
        value = self.values[column]
        return "" if value is None else str(value)

    def key(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is compared when rows are matched: text without regard to case."""
        return tuple(self.text(column).lower() for column in columns)


@dataclass
class ParsedTable:
    """A table's rows as far as they could be read.

    Attributes:
        spec: What the table may hold.
        header_line: Line of the header.
        rows: In the file's order.
        is_default: Whether it is the packaged file because the config folder has none.
    """

    spec: TableSpec
    header_line: int
    rows: list[Row]
    is_default: bool


def parse_table(content: bytes, spec: TableSpec, mistakes: Mistakes, *, is_default: bool) -> ParsedTable:
    """Read a table's file; what can't be read is noted in ``mistakes`` and left out."""
    names = {alias: column for column in spec.columns for alias in (column.name, *column.aliases)}
    parsed = ParsedTable(spec, 1, [], is_default)
    try:
        sheet = read_sheet(content, names)
    except UnreadableSheet as error:
        mistakes.add(spec.file, error.line, error.text)
        return parsed
    parsed.header_line = sheet.header_line
    places = _places(sheet, spec, names, mistakes)
    if places is None:
        return parsed
    for line, cells in sheet.rows:
        row = _row(line, cells, spec, places, mistakes)
        if row is not None:
            parsed.rows.append(row)
    if not sheet.rows and not spec.may_be_empty:
        mistakes.add(spec.file, sheet.header_line, "the table needs at least one row below its header")
    return parsed


def _places(
    sheet: Sheet, spec: TableSpec, names: dict[str, Column], mistakes: Mistakes
) -> dict[str, int] | None:
    """Return where each column is, or None when the header holds a mistake."""
    allowed = f"allowed: {', '.join(spec.names)}"
    places: dict[str, int] = {}
    problems = []
    for place, title in enumerate(sheet.header):
        column = names.get(normalised_name(title))
        if column is None:
            near = suggestion(normalised_name(title), names)
            problems.append(f"column {quoted(title)} isn't known{near}; {allowed}")
        elif column.name in places:
            problems.append(f"column {column.name} is there twice")
        else:
            places[column.name] = place
    problems += [
        f"column {column.name} is missing; {allowed}"
        for column in spec.columns
        if column.name not in places and not column.may_be_absent
    ]
    for problem in problems:
        mistakes.add(spec.file, sheet.header_line, problem)
    return None if problems else places


def _row(
    line: int, cells: list[str], spec: TableSpec, places: dict[str, int], mistakes: Mistakes
) -> Row | None:
    values: dict[str, Value] = {}
    problems = []
    for column in spec.columns:
        place = places.get(column.name)
        cell = cells[place] if place is not None else ""
        try:
            values[column.name] = parse_cell(cell, column)
        except BadCell as error:
            problems.append(f"{column.name} {error}")
    row = Row(line, values)
    if not problems:
        problems += _row_problems(row, spec)
    for problem in problems:
        mistakes.add(spec.file, line, problem)
    return None if problems else row


def _row_problems(row: Row, spec: TableSpec) -> Iterator[str]:
    if spec.one_of and not any(row.text(name) for name in spec.one_of):
        yield f"one of {', '.join(spec.one_of)} needs a value"
    if spec.period:
        first, last = (row.values[name] for name in spec.period)
        if isinstance(first, dt.date) and isinstance(last, dt.date) and last < first:
            yield f"{spec.period[1]} {last} is before {spec.period[0]} {first}"


def parse_cell(cell: str, column: Column) -> Value:
    """Return a cell's value as the column's type; None when it is empty.

    Raises:
        BadCell: With what is wrong and what is allowed.
    """
    text = cell or column.default or ""
    text = dict(column.value_aliases).get(text.lower(), text)
    if not text:
        if column.required:
            allowed = f"; allowed: {', '.join(column.allowed)}" if column.allowed else ""
            raise BadCell(f"is empty{allowed}")
        return None
    if column.kind == "integer":
        return _integer(text, column)
    if column.kind == "date":
        return parse_date(text)
    return _text(text, column)


def _text(text: str, column: Column) -> str:
    if column.allowed:
        spelled = {value.lower(): value for value in column.allowed}
        if text.lower() not in spelled:
            own = re.sub(r"[\s-]+", "_", text.lower())
            near = suggestion(
                own if column.others else text, column.allowed, cutoff=0.8 if column.others else 0.6
            )
            if column.others and not near:
                return own
            raise BadCell(f"{quoted(text)} isn't allowed{near}; allowed: {', '.join(column.allowed)}")
        return spelled[text.lower()]
    if column.vocabulary:
        return " ".join(text.split())
    if not column.identifier:
        return text
    text = text.removeprefix("'")
    if _SCIENTIFIC.fullmatch(text):
        raise BadCell(
            f"{quoted(text)} was turned into a number by the spreadsheet and lost digits; "
            "format the column as text and enter it again"
        )
    if column.digits:
        text = re.sub(r"[\s-]", "", text)
        if not re.fullmatch(r"[0-9]+", text):
            raise BadCell("holds something else than digits; write it like 812 3456 7890")
    return text


def _integer(text: str, column: Column) -> int:
    if not (_WHOLE.fullmatch(text) or _THOUSANDS.fullmatch(text)):
        raise BadCell(f"{quoted(text)} isn't a whole number")
    number = int(text.replace(",", "").partition(".")[0])
    if column.minimum is not None and number < column.minimum:
        raise BadCell(f"is {number}, but {column.minimum} is the smallest allowed")
    return number


def parse_date(text: str) -> dt.date:
    """Read a date as people in India and their spreadsheets write it: 2026-03-01, 01/03/2026, 1-Mar-2026.

    Numbers only means day first. A two-digit year is of this century (Excel shows 1-Mar-26 by default).

    Raises:
        BadCell: If it is no date, or a date that day-first reading doesn't allow.
    """
    plain = _MIDNIGHT.sub("", text.strip())
    if found := _YEAR_FIRST.fullmatch(plain):
        year, month, day = map(int, found.groups())
    elif found := _DAY_FIRST.fullmatch(plain):
        day, month, year = map(int, found.groups())
    elif found := _NAMED_MONTH.fullmatch(plain):
        day, year = int(found[1]), int(found[3])
        year += 2000 if len(found[3]) == 2 else 0
        month = _month(found[2].lower())
    else:
        day = month = year = 0
    try:
        date = dt.date(year, month, day)
    except ValueError:
        date = dt.date.min
    if date.year < _FIRST_YEAR:
        raise BadCell(f"{quoted(text)} isn't a date; write 2026-03-31, 31/03/2026 (day first) or 31-Mar-2026")
    return date


def _month(name: str) -> int:
    fitting = [place for place, month in enumerate(_MONTHS, 1) if month.startswith(name)]
    if name == "sept":
        return 9
    return fitting[0] if len(fitting) == 1 else 0
