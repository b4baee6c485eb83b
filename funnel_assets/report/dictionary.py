"""The data dictionary: every published table, view and column with its meaning, as one HTML page and a CSV (SPEC 8).

Belongs here: putting contracts and the database's own comments together. Does not belong here: any meaning; a column's
text is in its contract, a view's in its SQL file.

What is published is asked of the database, so that the dictionary can't leave anything out.
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from funnel_assets import figures
from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.errors import FunnelError
from funnel_assets.exports import Published, harmless
from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.publish import published_name
from funnel_assets.shown import shown_in_page
from funnel_assets.storage.files import PUBLIC_FILE, write_whole
from funnel_assets.storage.views.kept import HELPERS

PAGE = "data_dictionary.html"
TABLE = "data_dictionary.csv"

_MONEY = re.compile(r"_inr(_per_day)?$")
_UNITS = (
    (re.compile(r"_pct$"), "percent"),
    (re.compile(r"minutes$"), "minutes"),
    (re.compile(r"seconds$"), "seconds"),
    (re.compile(r"(^|_)days(_|$)"), "days"),
    (re.compile(r"_months$"), "months"),
    (re.compile(r"^share$"), "part of 1"),
    (re.compile(r"^(intent_score|avg_intent|points)$"), "points"),
)
"""Units by name: every amount and rate says its own (docs/glossary.md)."""
_UNITS_OF_TYPES = {
    "date": "local day",
    "timestamp with time zone": "UTC",
    "boolean": "true or false",
    "bigint": "count",
    "integer": "count",
}
_RELATIONS = """
    SELECT relname AS name, relkind AS kind, coalesce(obj_description(oid, 'pg_class'), '') AS meaning
    FROM pg_class
    WHERE relnamespace = 'funnel'::regnamespace AND relkind IN ('r', 'v') AND relname NOT LIKE '\\_%%'
    ORDER BY relname
"""
_COLUMNS = """
    SELECT relname AS relation, attname AS name, format_type(atttypid, atttypmod) AS type,
        coalesce(col_description(attrelid, attnum), '') AS meaning
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'funnel'::regnamespace AND relkind IN ('r', 'v') AND relname NOT LIKE '\\_%%'
        AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum
"""
_READS = """
    SELECT DISTINCT reader.relname AS reader, read.relname AS read
    FROM pg_rewrite
    JOIN pg_depend ON pg_depend.objid = pg_rewrite.oid AND pg_depend.classid = 'pg_rewrite'::regclass
    JOIN pg_class AS reader ON reader.oid = pg_rewrite.ev_class
    JOIN pg_class AS read ON read.oid = pg_depend.refobjid AND pg_depend.refclassid = 'pg_class'::regclass
    WHERE reader.relnamespace = 'funnel'::regnamespace AND read.relnamespace = 'funnel'::regnamespace
        AND reader.oid <> read.oid
"""


@dataclass(frozen=True)
class Column:
    """A published column: its type in PostgreSQL, unit, meaning, and the source's own name for it."""

    name: str
    type: str
    unit: str
    meaning: str
    source: str
    is_personal: bool


@dataclass(frozen=True)
class Relation:
    """A published table or view: what it is, what one row is, and what it is made from."""

    name: str
    kind: str
    meaning: str
    grain: str
    sources: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def has_source_names(self) -> bool:
        """Whether any column has a name of its own in the source."""
        return any(column.source for column in self.columns)


def relations(warehouse: Published, currency: str = DEFAULT_CURRENCY) -> list[Relation]:
    """Return everything that is published, datasets first, then views, then the tables about the pipeline itself.

    Raises:
        FunnelError: If nothing is published.
    """
    if warehouse.fetch("SELECT to_regclass('published_days') AS found")[0]["found"] is None:
        raise FunnelError("Nothing is published yet.", fix="run a day first: `funnel run`.")
    reads = _reads(warehouse)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.fetch(_COLUMNS):
        found.setdefault(row["relation"], []).append(row)
    told = [_relation(row, found[row["name"]], reads, currency) for row in warehouse.fetch(_RELATIONS)]
    places = {name: place for place, name in enumerate(CONTRACTS)}
    kinds = ("dataset", "view", "about the pipeline")
    return sorted(told, key=lambda one: (kinds.index(one.kind), places.get(one.name, 0), one.name))


def _reads(warehouse: Published) -> dict[str, set[str]]:
    """Return the tables that each view reads in the end, through helpers and other views."""
    direct = {helper.name: set(helper.made_of) for helper in HELPERS}
    for row in warehouse.fetch(_READS):
        direct.setdefault(row["reader"], set()).add(row["read"])

    def ends(name: str) -> set[str]:
        return set().union(*(ends(read) for read in direct[name])) if name in direct else {name}

    return {name: ends(name) for name in direct}


def _relation(
    row: dict[str, Any], found: list[dict[str, Any]], reads: dict[str, set[str]], currency: str
) -> Relation:
    name, meaning = str(row["name"]), str(row["meaning"])
    contract = CONTRACTS.get(name)
    facts = {published_name(fact.name): fact for fact in columns(contract)} if contract else {}
    if contract:
        kind, grain = "dataset", contract.grain
        sources = tuple(read.dataset for read in NODES[name].inputs) or ("sources.yaml",)
        meaning = contract.description
    else:
        kind = "view" if row["kind"] == "v" else "about the pipeline"
        told = re.search(r"one row per [^.:;]+", meaning, re.IGNORECASE)
        grain = told[0][:1].lower() + told[0][1:] if told else f"one row per {found[0]['name']}"
        sources = tuple(sorted(reads.get(name, ())))
    personal = {
        published_name(fact.name) for each in CONTRACTS.values() for fact in columns(each) if fact.personal
    }
    return Relation(
        name,
        kind,
        meaning,
        grain,
        sources,
        tuple(
            Column(
                column["name"],
                column["type"],
                unit(column["name"], column["type"], currency),
                re.sub(r" \(column .* of the source\)$", "", column["meaning"]),
                (fact.sheet or "") if (fact := facts.get(column["name"])) else "",
                fact.personal if fact else column["name"] in personal,
            )
            for column in found
        ),
    )


def unit(name: str, kind: str, currency: str = DEFAULT_CURRENCY) -> str:
    """Return the unit of a column, empty for text."""
    units = ((_MONEY, figures.unit(currency)), *_UNITS)
    by_name = next((told for pattern, told in units if pattern.search(name)), None)
    if by_name and kind not in ("text", "boolean", "date", "timestamp with time zone"):
        return by_name
    return _UNITS_OF_TYPES.get(kind, "")


def write(warehouse: Published, folder: Path, currency: str = DEFAULT_CURRENCY) -> list[Path]:
    """Write ``data_dictionary.html`` and ``data_dictionary.csv`` into a folder, and return both."""
    told = relations(warehouse, currency)
    environment = Environment(
        loader=PackageLoader("funnel_assets.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown_in_page,
    )
    kinds = {"dataset": "Datasets", "view": "Views", "about the pipeline": "About the pipeline"}
    html = environment.get_template("dictionary.html").render(
        relations=told, kinds=kinds, unit=figures.unit(currency)
    )
    write_whole(folder / PAGE, html.encode(), mode=PUBLIC_FILE)
    write_whole(folder / TABLE, _csv(told), mode=PUBLIC_FILE)
    return [folder / PAGE, folder / TABLE]


def _csv(told: list[Relation]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        (
            "name",
            "kind",
            "grain",
            "made_from",
            "column",
            "type",
            "unit",
            "meaning",
            "source_column",
            "personal",
        )
    )
    for one in told:
        for column in one.columns:
            cells = (
                one.name,
                one.kind,
                one.grain,
                ", ".join(one.sources),
                column.name,
                column.type,
                column.unit,
            )
            personal = "yes" if column.is_personal else "no"
            writer.writerow([harmless(cell) for cell in (*cells, column.meaning, column.source, personal)])
    return b"\xef\xbb\xbf" + text.getvalue().encode()
