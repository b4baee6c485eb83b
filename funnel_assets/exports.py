"""The published numbers as files, for people without Postgres: CSV, Parquet and one workbook (SPEC 2, 6).

Belongs here: which relations leave the database, in which types, and cells that can't do harm. Does not belong here:
any figure; everything is what the views say.

CSV is for spreadsheets: it starts with a byte order mark, without which Excel shows ``₹`` and names as garbage.
Programs read the Parquet files, which also keep the types. All files of one export are of one publish.
"""

import codecs
import datetime as dt
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import xlsxwriter

from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.errors import FunnelError
from funnel_assets.shown import ARROW_PATTERN, REPLACEMENT, shown
from funnel_assets.storage.views import VIEW_NAMES

# pyarrow makes most of its functions when it is imported: a type checker can't see them.
pc: Any = pyarrow.compute

RELATIONS = (*VIEW_NAMES, "funnel_marts")
WORKBOOK = "funnel.xlsx"
SHEETS = (
    "vw_funnel_mtd",
    "vw_channel_economics",
    "vw_funnel_steps",
    "vw_sale_credit",
    "vw_cohort_conversion",
    "vw_revenue_efficiency",
    "vw_funnel",
    "vw_channel_effectiveness",
    "vw_intent_by_source",
    "vw_anonymous_events",
    "vw_stage_transitions",
    "vw_decisions",
    "vw_quarantine",
    "vw_freshness",
    "vw_unmapped_sources",
    "funnel_marts",
)
"""What people open in a spreadsheet; the rows of single contacts and of checks are in the other files."""

_PAGE_ROWS = 20_000
_SHEET_ROWS = 1_000_000
_TRIES = 5
_LEFT_BEHIND_S = 3600.0
_TEMPORARY = ".exporting-"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_ARROW = {
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    "smallint": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double precision": pa.float64(),
    "real": pa.float64(),
}


T = TypeVar("T")


class Published(Protocol):
    """What can be asked for rows: the warehouse."""

    def fetch(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Relation:
    """A view or table to export.

    Attributes:
        name: Its name.
        meaning: What one row is.
        schema: Columns to export with their Arrow types; columns that identify a person are left out.
        meanings: What each column means.
    """

    name: str
    meaning: str
    schema: pa.Schema
    meanings: tuple[str, ...]


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: an apostrophe goes before what could start one."""
    return shown(f"'{text}" if text.startswith(_DANGEROUS) else text)


def write(warehouse: Published, out: Path, currency: str = DEFAULT_CURRENCY) -> list[Path]:
    """Write every view and the mart as CSV and Parquet, and the main ones as sheets of one workbook.

    Each file is whole before it takes the place of the one of last time, and all are of the same publish.

    Args:
        warehouse: Where the rows are.
        out: Folder; made if it isn't there.
        currency: Of all amounts; the workbook groups digits its way.

    Returns:
        The files written.

    Raises:
        FunnelError: If nothing is published, the disk refuses, or publishes kept coming in between.
    """
    try:
        with _temporary_folder(out) as folder:
            of_one_publish(warehouse, lambda: _write_all(warehouse, folder, currency))
            return [part.replace(out / part.name) for part in sorted(folder.iterdir())]
    except OSError as problem:
        raise FunnelError(
            f"The export can't be written ({problem.strerror or type(problem).__name__}); what was there stays.",
            file=str(out),
            fix="free disk space, close the files in other programs, or choose another folder with --out.",
        ) from problem


def of_one_publish(warehouse: Published, read: Callable[[], T]) -> T:
    """Do what takes several queries, again if a publish came in between, so that all of it fits together.

    Raises:
        FunnelError: If nothing is published, or publishes kept coming.
    """
    for _ in range(_TRIES):
        before = _publish_time(warehouse)
        result = read()
        if _publish_time(warehouse) == before:
            return result
    raise FunnelError("New days were published all the while.", fix="try again when the runs are done.")


@contextmanager
def _temporary_folder(out: Path) -> Iterator[Path]:
    """Give a folder beside the result, and take away what a killed export left there."""
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{_TEMPORARY}*"):
        if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=out) as folder:
        yield Path(folder)


def _publish_time(warehouse: Published) -> dt.datetime:
    there = warehouse.fetch("SELECT to_regclass('published_days') IS NOT NULL AS there")[0]["there"]
    at = warehouse.fetch("SELECT max(published_at) AS at FROM published_days")[0]["at"] if there else None
    if at is None:
        raise FunnelError("Nothing is published yet.", fix="run a day first: `funnel run`.")
    return at


def _write_all(warehouse: Published, folder: Path, currency: str) -> None:
    relations = [_relation(warehouse, name) for name in RELATIONS]
    for relation in relations:
        _write_pair(warehouse, relation, folder)
    _write_workbook(relations, folder, currency)


# --- what there is ---------------------------------------------------------------------------------------------


def _relation(warehouse: Published, name: str) -> Relation:
    found = warehouse.fetch(
        "SELECT attname AS name, format_type(atttypid, atttypmod) AS type, "
        "coalesce(col_description(attrelid, attnum), '') AS meaning, "
        "coalesce(obj_description(attrelid, 'pg_class'), '') AS relation "
        "FROM pg_attribute WHERE attrelid = to_regclass(%(name)s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        {"name": name},
    )
    if not found:
        raise FunnelError(f"There is no {name} in the database.", fix="run a day first: `funnel run`.")
    kept = [column for column in found if column["name"] not in _personal_names()]
    return Relation(
        name,
        found[0]["relation"],
        pa.schema([(column["name"], _arrow_type(column["name"], column["type"])) for column in kept]),
        tuple(column["meaning"] for column in kept),
    )


def _personal_names() -> set[str]:
    return {facts.name for contract in CONTRACTS.values() for facts in columns(contract) if facts.personal}


def _arrow_type(name: str, kind: str) -> pa.DataType:
    """Return the Arrow type of a Postgres one: amounts stay exact, other fractions become floats."""
    if told := _NUMERIC.fullmatch(kind):
        return pa.decimal128(int(told[1]), int(told[2]))
    if kind == "numeric":
        return pa.decimal128(24, 2) if name.endswith("_inr") else pa.float64()
    return _ARROW.get(kind, pa.string())


def _pages(warehouse: Published, relation: Relation) -> Iterator[pa.Table]:
    """Give a relation's rows in an order of their own, a page at a time: large ones never are in memory whole."""
    names = ", ".join(f'"{name}"' for name in relation.schema.names)
    order = ", ".join(str(place) for place in range(1, len(relation.schema) + 1))
    query = f'SELECT {names} FROM "{relation.name}" ORDER BY {order} LIMIT {_PAGE_ROWS} OFFSET %(offset)s'
    offset = 0
    while True:
        rows = warehouse.fetch(query, {"offset": offset})
        cells = [_column([row[field.name] for row in rows], field.type) for field in relation.schema]
        yield pa.Table.from_arrays(cells, schema=relation.schema)
        offset += len(rows)
        if len(rows) < _PAGE_ROWS:
            return


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_decimal(kind):
        unit = Decimal(1).scaleb(-kind.scale)
        values = [None if value is None else value.quantize(unit) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    return pa.array(values, kind)


# --- files ---------------------------------------------------------------------------------------------------


def _write_pair(warehouse: Published, relation: Relation, folder: Path) -> None:
    """Write a relation's CSV and Parquet files in one pass."""
    times = {field.name for field in relation.schema if pa.types.is_timestamp(field.type)}
    written = pa.schema(
        [(field.name, pa.string() if field.name in times else field.type) for field in relation.schema]
    )
    with (
        (folder / f"{relation.name}.csv").open("wb") as file,
        pq.ParquetWriter(folder / f"{relation.name}.parquet", relation.schema, compression="zstd") as parquet,
    ):
        file.write(codecs.BOM_UTF8)
        with pa_csv.CSVWriter(file, written) as text:
            for page in _pages(warehouse, relation):
                parquet.write_table(page)
                text.write_table(pa.table([_written(page[name]) for name in written.names], schema=written))


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells as CSV holds them: numbers bare, days and times as ISO 8601 (UTC), true and false, text harmless."""
    if pa.types.is_timestamp(column.type):
        seconds = pc.cast(column, pa.timestamp("s", tz="UTC"), safe=False)
        return pc.strftime(seconds, format="%Y-%m-%d %H:%M:%S+00:00")
    if not pa.types.is_string(column.type):
        return column
    risky = pc.match_substring_regex(column, f"^[{''.join(_DANGEROUS)}]".replace("-", r"\-"))
    column = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
    return pc.replace_substring_regex(column, ARROW_PATTERN, REPLACEMENT)


def _write_workbook(relations: Sequence[Relation], folder: Path, currency: str) -> None:
    """Write the workbook from the Parquet files just written, so that both say the same."""
    chosen = {relation.name: relation for relation in relations}
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(folder / WORKBOOK, {**options, "remove_timezone": True}) as book:
        styles = _Styles(book, currency)
        about = book.add_worksheet("About")
        rows: dict[str, int] = {}
        for name in SHEETS:
            file = pq.ParquetFile(folder / f"{name}.parquet")
            rows[name] = file.metadata.num_rows
            if rows[name] <= _SHEET_ROWS:
                _write_sheet(book.add_worksheet(name), styles, file, chosen[name])
        _write_about(about, styles, [chosen[name] for name in SHEETS], rows)


class _Styles:
    """Formats of the workbook: how each type of cell looks."""

    def __init__(self, book: Any, currency: str) -> None:
        self.bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        # Lakh and crore grouping, which Excel knows by no name of its own.
        whole = "#,##0"
        if currency == DEFAULT_CURRENCY:
            whole = "[>=10000000]##\\,##\\,##\\,##0;[>=100000]##\\,##\\,##0;#,##0"
        self._money = book.add_format({"num_format": ";".join(f"{part}.00" for part in whole.split(";"))})
        self._count = book.add_format({"num_format": whole})

    def of(self, kind: pa.DataType) -> Any:
        """Format of a column of this type; None for the plain one."""
        if pa.types.is_timestamp(kind):
            return self._time
        if pa.types.is_date(kind):
            return self._day
        if pa.types.is_decimal(kind):
            return self._money
        return self._count if pa.types.is_integer(kind) else None


def _write_sheet(sheet: Any, styles: _Styles, file: pq.ParquetFile, relation: Relation) -> None:
    schema = relation.schema
    for at, field in enumerate(schema):
        sheet.set_column(at, at, min(max(len(field.name) + 2, 11), 34), styles.of(field.type))
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(file.metadata.num_rows, 1), len(schema) - 1)
    for at, name in enumerate(schema.names):
        sheet.write_string(0, at, harmless(name), styles.bold)
    line = 0
    for batch in file.iter_batches():
        for row in batch.to_pylist():
            line += 1
            for at, value in enumerate(row.values()):
                if isinstance(value, str):
                    sheet.write_string(line, at, harmless(value))
                elif value is not None:
                    sheet.write(line, at, value)


def _write_about(sheet: Any, styles: _Styles, relations: Sequence[Relation], rows: Mapping[str, int]) -> None:
    """Write what each sheet and column means, from the comments in the database."""
    sheet.set_column(0, 0, 28)
    sheet.set_column(1, 1, 30)
    sheet.set_column(2, 2, 110)
    line = 0
    for relation in relations:
        is_there = rows[relation.name] <= _SHEET_ROWS
        told = (
            f"{rows[relation.name]} rows"
            if is_there
            else "too long for a sheet: open the CSV or Parquet file"
        )
        for at, text in enumerate((relation.name, told, relation.meaning)):
            sheet.write_string(line, at, harmless(text), styles.bold)
        for name, meaning in zip(relation.schema.names, relation.meanings, strict=True):
            line += 1
            sheet.write_string(line, 1, harmless(name))
            sheet.write_string(line, 2, harmless(meaning), styles.wrapped)
        line += 2
