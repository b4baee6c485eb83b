"""Ways in which a report is damaged before anybody sees it, applied to the corpus's layouts.

Belongs here: taking a layout apart, the mutations, which of them nobody could notice. Does not belong here: reading
the result (`verdicts`). Every mutation is a function of a seeded `random.Random` and a case.
"""

import copy
import csv
import datetime as dt
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd

from funnel_assets.sources.zoom.labels import load_labels
from funnel_assets.sources.zoom.layout import Block, lay_out
from funnel_assets.sources.zoom.text import read_records
from funnel_assets_tests.corpus.layouts import Layout, layouts, read

# What people type of themselves: any text fits each of these columns.
FREE_TEXT = frozenset(
    {None, "other", "job_title", "user_name", "first_name", "last_name", "registration_source"}
)
# What an exporter leaves empty for somebody who gave none, or of whom it knows none.
OPTIONAL = FREE_TEXT | {
    "phone",
    "country",
    "country_question",
    "email",
    "upn",
    "registration_time",
    "approval",
}
TIMES = ("registration_time", "join_time", "leave_time")
_COLUMNS_OF_TIME = {"first_join": "join_time", "last_leave": "leave_time"}
STYLES: dict[str, Callable[[dt.datetime], str]] = {
    "named month": lambda t: f"{t:%b %d, %Y %H:%M:%S}",
    "month first": lambda t: f"{t:%m/%d/%Y %H:%M:%S}",
    "month first, AM and PM": lambda t: f"{t:%m/%d/%Y %I:%M:%S %p}",
    "day first": lambda t: f"{t:%d/%m/%Y %H:%M:%S}",
    "dots": lambda t: f"{t:%d.%m.%Y %H:%M:%S}",
    "ISO": lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
    "no time": lambda t: f"{t:%Y-%m-%d}",
}
CODECS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


@dataclass
class Case:
    """A layout taken apart.

    Attributes:
        rows: Cells of each record.
        blocks: Tables of people as the unmutated file has them: header's record, columns' names, people's records.
        facts: Records that hold facts about the event, under a header of their own.
        times: Local times of each record by column, for writing them in another style.
    """

    layout: Layout
    rows: list[list[str]]
    delimiter: str
    blocks: list["Table"]
    facts: list[int]
    times: dict[int, dict[str, dt.datetime]]

    def data(
        self, rows: Sequence[Sequence[str]] | None = None, delimiter: str = "", quoting: int = 0
    ) -> bytes:
        """The file's bytes, of these rows or its own."""
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=delimiter or self.delimiter,
            lineterminator="\n",
            quoting=quoting,  # type: ignore[arg-type]
        )
        writer.writerows(self.rows if rows is None else rows)
        return self.layout.encode(out.getvalue())


@dataclass(frozen=True)
class Table:
    """A table of people: its header's record, names of its columns, records of its people."""

    header: int
    names: list[str | None]
    people: list[int]
    is_staff: bool


@dataclass
class Mutant:
    """A mutated file.

    Attributes:
        rows: Its records, where it still has any; None where only its bytes changed.
        unnoticeable: Why nobody who sees the file alone could know; empty where somebody could.
        renamed: A heading that no table knows any more.
    """

    data: bytes
    what: str
    rows: list[list[str]] | None = None
    unnoticeable: str = ""
    renamed: str = ""


@cache
def case(key: str) -> Case:
    """Take a layout apart; the result is shared, mutations copy what they change."""
    layout = layouts()[key]
    records = read_records(layout.text, load_labels())
    taken = lay_out(records, load_labels())
    at = {line: record for record, line in enumerate(records.lines)}
    tables = [_table(block, at, records.rows) for block in taken.blocks if block.lines]
    people = {record for table in tables for record in table.people} | {table.header for table in tables}
    width = max(len(row) for row in records.rows)
    facts = [
        i for i, row in enumerate(records.rows) if i not in people and sum(map(bool, row)) > 2 and width > 2
    ]
    made = Case(layout, records.rows, records.delimiter, tables, facts, {})
    table = read(layout, made.data()).table.select(["line", *TIMES]).to_pandas()
    zone = ZoneInfo(layout.zone)
    for row in table.to_dict("records"):
        moments = {name: row[name].astimezone(zone) for name in TIMES if not pd.isna(row[name])}
        made.times[at[row["line"]]] = moments
    return made


def _table(block: Block, at: dict[int, int], rows: list[list[str]]) -> Table:
    people = [at[line] for line in block.lines]
    header = max(
        i for i in range(people[0]) if [c.strip() for c in rows[i]][: len(block.header)] == block.header
    )
    return Table(header, list(block.names), people, block.section in ("host", "panelist"))


def _pick(rng: random.Random, made: Case) -> tuple[Table, int]:
    """A person's row."""
    table = rng.choice(made.blocks)
    return table, rng.choice(table.people)


def _changed(made: Case) -> list[list[str]]:
    return copy.deepcopy(made.rows)


def _of(table: Table, column: int) -> str | None:
    return table.names[column] if column < len(table.names) else "other"


def _are_free(table: Table, *columns: int) -> bool:
    return all(_of(table, column) in FREE_TEXT for column in columns)


def shift_left(rng: random.Random, made: Case) -> Mutant:
    """A cell of a row is gone with its delimiter: those after it move up."""
    table, record = _pick(rng, made)
    rows = _changed(made)
    column = rng.randrange(len(rows[record]))
    rows[record].pop(column)
    last_free = _are_free(table, *range(column, len(rows[record]) + 1))
    why = "the last cells of the row are free text" if last_free else ""
    if not any(rows[record][column:]) and _of(table, column) == "country":
        why = "the last cell, a country, is gone: many exporters write no empty cells at the end"
    return Mutant(made.data(rows), f"record {record} lost cell {column}", rows, why)


def shift_right(rng: random.Random, made: Case) -> Mutant:
    """A cell too many in a row: those after it move down."""
    table, record = _pick(rng, made)
    rows = _changed(made)
    column = rng.randrange(len(rows[record]))
    rows[record].insert(column, rng.choice(["", "x", "1"]))
    last_free = _are_free(table, *range(column, len(rows[record])))
    why = "the last cells of the row are free text" if last_free else ""
    return Mutant(made.data(rows), f"record {record} has one more cell at {column}", rows, why)


def swap_in_row(rng: random.Random, made: Case) -> Mutant:
    """Two cells of a row change places."""
    table, record = _pick(rng, made)
    rows = _changed(made)
    row = rows[record]
    one, other = rng.randrange(len(row)), rng.randrange(len(row))
    row[one], row[other] = row[other], row[one]
    why = "two free texts of one person" if _are_free(table, one, other) else ""
    return Mutant(made.data(rows), f"record {record}: cells {one} and {other} swapped", rows, why)


def blank_cell(rng: random.Random, made: Case) -> Mutant:
    """A cell is emptied."""
    table, record = _pick(rng, made)
    rows = _changed(made)
    column = rng.randrange(len(rows[record]))
    rows[record][column] = ""
    why = "an optional cell left empty" if _of(table, column) in OPTIONAL else ""
    return Mutant(made.data(rows), f"record {record}: cell {column} emptied", rows, why)


def swap_columns(rng: random.Random, made: Case) -> Mutant:
    """Two columns of a table change places under an intact header."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    width = min(len(rows[record]) for record in table.people)
    one, other = rng.randrange(width), rng.randrange(width)
    for record in table.people:
        row = rows[record]
        row[one], row[other] = row[other], row[one]
    why = "two columns of free text" if _are_free(table, one, other) else ""
    return Mutant(
        made.data(rows), f"columns {one} and {other} swapped below record {table.header}", rows, why
    )


def cut_rows(rng: random.Random, made: Case) -> Mutant:
    """Some people's rows are gone."""
    table = rng.choice(made.blocks)
    gone = set(rng.sample(table.people, rng.randint(1, len(table.people))))
    rows = [row for record, row in enumerate(_changed(made)) if record not in gone]
    why = ""
    if not read(made.layout, made.data()).stated_totals:
        why = "rows cut, and the file states no totals"
    elif table.is_staff or all(_is_listed(made, table, record, gone) for record in gone):
        why = "rows cut that no total counts: of the stage, or a further visit of somebody still listed"
    return Mutant(made.data(rows), f"records {sorted(gone)} cut", rows, why)


def _is_listed(made: Case, table: Table, record: int, gone: set[int]) -> bool:
    """Whether somebody whose row is gone has another one."""
    at = table.names.index("email") if "email" in table.names else None
    left = [made.rows[other][at] for other in table.people if other not in gone] if at is not None else []
    return at is not None and bool(made.rows[record][at]) and made.rows[record][at] in left


def double_row(rng: random.Random, made: Case) -> Mutant:
    """A row stands twice."""
    _, record = _pick(rng, made)
    rows = _changed(made)
    rows.insert(record, list(rows[record]))
    return Mutant(made.data(rows), f"record {record} doubled", rows)


def rename_header(rng: random.Random, made: Case) -> Mutant:
    """A heading nobody knows."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    filled = [i for i, cell in enumerate(rows[table.header]) if cell.strip()]
    column = rng.choice(filled)
    rows[table.header][column] = "Qux Zonk"
    return Mutant(
        made.data(rows), f"heading {column} of record {table.header} renamed", rows, renamed="Qux Zonk"
    )


def blank_header(rng: random.Random, made: Case) -> Mutant:
    """A heading is empty."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    column = rng.choice([i for i, cell in enumerate(rows[table.header]) if cell.strip()])
    rows[table.header][column] = ""
    what = f"heading {column} of record {table.header} emptied"
    return Mutant(made.data(rows), what, rows, renamed=f"number {column + 1}")


def swap_headers(rng: random.Random, made: Case) -> Mutant:
    """Two headings change places over intact columns."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    head = rows[table.header]
    one, other = rng.randrange(len(table.names)), rng.randrange(len(table.names))
    head[one], head[other] = head[other], head[one]
    why = "two columns of free text" if _are_free(table, one, other) else ""
    return Mutant(made.data(rows), f"headings {one} and {other} swapped in record {table.header}", rows, why)


def shift_header(rng: random.Random, made: Case) -> Mutant:
    """A heading is gone with its delimiter, or there is one too many."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    column = rng.randrange(len(table.names))
    renamed = ""
    if rng.random() < 0.5:
        rows[table.header].pop(column)
    else:
        added = rng.choice(["", "Qux Zonk"])
        rows[table.header].insert(column, added)
        renamed = added or f"number {column + 1}"
    why = "the last columns are free text" if _are_free(table, *range(column, len(table.names))) else ""
    return Mutant(
        made.data(rows), f"heading {column} of record {table.header} lost or added", rows, why, renamed
    )


def restyle_header(rng: random.Random, made: Case) -> Mutant:
    """Headings in another case and spacing."""
    table = rng.choice(made.blocks)
    rows = _changed(made)
    change = rng.choice(
        [str.upper, str.lower, lambda text: f"  {text} ", lambda text: text.replace(" ", "  ")]
    )
    rows[table.header] = [change(cell) for cell in rows[table.header]]
    return Mutant(made.data(rows), f"headings of record {table.header} spelled otherwise", rows)


def drop_line(rng: random.Random, made: Case) -> Mutant:
    """A line that holds no person is gone: title, facts, heading or header."""
    people = {record for table in made.blocks for record in table.people}
    record = rng.choice([i for i, row in enumerate(made.rows) if i not in people and any(row)])
    rows = [row for i, row in enumerate(_changed(made)) if i != record]
    told = [cell for cell in made.rows[record] if cell and cell != "*"]
    labels = load_labels()
    is_fact = len(told) <= 2 and not (labels.name("section", told[0]) or labels.name("title", told[0]))
    why = "the one line that told a fact about the event is gone" if is_fact else ""
    return Mutant(made.data(rows), f"record {record} dropped", rows, why)


def swap_facts(rng: random.Random, made: Case) -> Mutant:
    """Two cells of a line about the event change places, or one is gone."""
    rows = _changed(made)
    if not made.facts:
        return Mutant(made.data(), "no line about the event")
    record = rng.choice(made.facts)
    row = rows[record]
    one, other = rng.randrange(len(row)), rng.randrange(len(row))
    if rng.random() < 0.5:
        row[one], row[other] = row[other], row[one]
        return Mutant(made.data(rows), f"record {record}: cells {one} and {other} swapped", rows)
    row.pop(one)
    return Mutant(made.data(rows), f"record {record} lost cell {one}", rows)


def other_delimiter(rng: random.Random, made: Case) -> Mutant:
    """The whole file with another delimiter."""
    delimiter = rng.choice([one for one in (",", ";", "\t", "|") if one != made.delimiter])
    return Mutant(made.data(delimiter=delimiter), f"delimiter {delimiter!r}")


def mixed_delimiter(rng: random.Random, made: Case) -> Mutant:
    """One line with another delimiter."""
    record = rng.randrange(len(made.rows))
    delimiter = rng.choice([one for one in (",", ";", "\t", "|") if one != made.delimiter])
    lines = made.data().decode(made.layout.encoding).splitlines()
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(made.rows[record])
    lines[record] = out.getvalue()
    return Mutant(
        made.layout.encode("\n".join(lines) + "\n"), f"record {record} with delimiter {delimiter!r}"
    )


def quotes(rng: random.Random, made: Case) -> Mutant:
    """Every cell quoted, no cell quoted, or a stray quotation mark."""
    way = rng.choice(["all", "none", "stray", "stray"])
    if way == "all":
        return Mutant(made.data(quoting=csv.QUOTE_ALL), "every cell quoted")
    if way == "none":
        text = "\n".join(made.delimiter.join(row) for row in made.rows) + "\n"
        return Mutant(made.layout.encode(text), "no cell quoted")
    lines = made.data().decode(made.layout.encoding).splitlines()
    record = rng.randrange(len(lines))
    at = rng.randint(0, len(lines[record]))
    lines[record] = lines[record][:at] + '"' + lines[record][at:]
    return Mutant(made.layout.encode("\n".join(lines) + "\n"), f"a stray quote in record {record} at {at}")


def encoding(rng: random.Random, made: Case) -> Mutant:
    """The text in another encoding, or encoded twice."""
    text = made.data().decode(made.layout.encoding)
    if rng.random() < 0.3:
        twice = text.encode("utf-8").decode("cp1252", errors="replace")
        return Mutant(twice.encode("utf-8"), "encoded twice")
    codec = rng.choice(CODECS)
    return Mutant(text.encode(codec, errors="replace"), codec)


def restyle_dates(rng: random.Random, made: Case) -> Mutant:
    """All times of the people, one column of them, or one cell, in another style."""
    style = rng.choice(list(STYLES))
    scope = rng.choice(["file", "column", "cell"])
    rows = _changed(made)
    places = [
        (record, column, name)
        for table in made.blocks
        for record in table.people
        for column, title in enumerate(table.names)
        if (name := _COLUMNS_OF_TIME.get(title or "", title)) in TIMES
        and name in made.times.get(record, {})
        and column < len(rows[record])
        and any(char.isdigit() for char in rows[record][column])
    ]
    if not places:
        return Mutant(made.data(), "no times to restyle")
    chosen = rng.choice(places)
    for record, column, name in places:
        if scope == "file" or (scope == "column" and column == chosen[1]) or (record, column, name) == chosen:
            moment = made.times[record][name]
            is_utc = "(UTC)" in rows[_header_of(made, record)][column]
            rows[record][column] = STYLES[style](moment.astimezone(dt.UTC) if is_utc else moment)
    return Mutant(made.data(rows), f"{scope} in style {style!r}", rows)


def _header_of(made: Case, record: int) -> int:
    """The header's record of a person's."""
    return next(table.header for table in made.blocks if record in table.people)


MUTATIONS: dict[str, Callable[[random.Random, Case], Mutant]] = {
    change.__name__: change
    for change in (
        shift_left,
        shift_right,
        swap_in_row,
        blank_cell,
        swap_columns,
        cut_rows,
        double_row,
        rename_header,
        blank_header,
        swap_headers,
        shift_header,
        restyle_header,
        drop_line,
        swap_facts,
        other_delimiter,
        mixed_delimiter,
        quotes,
        encoding,
        restyle_dates,
    )
}
