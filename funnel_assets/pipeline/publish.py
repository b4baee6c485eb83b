"""From the lake to Postgres: everything that changed, in one transaction, or nothing (SPEC 3).

What is published is compared with the lake by content, so a publish that was interrupted, or that another run's
failure kept back, is made good by the next one.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

import pandas as pd
import pyarrow as pa

from funnel_assets import figures
from funnel_assets.arrow import on_days, pc
from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, ColumnFacts, Contract, arrow_schema, columns
from funnel_assets.domain.sales import FIRST_TOUCH
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline import reconciliation
from funnel_assets.pipeline.staleness import refuse_other_keys, under_other_keys
from funnel_assets.pipeline.who import KnownPeople
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import BEFORE, Lake, PartitionFacts, name_days
from funnel_assets.storage.quarantine import COLUMNS, Quarantine
from funnel_assets.storage.views import view_statements
from funnel_assets.storage.views.kept import concerned_statements, refresh_statements
from funnel_assets.storage.warehouse import ColumnDdl, Rows, TableDdl, Warehouse

log = logging.getLogger(__name__)

_POSTGRES_TYPES = {
    pa.string(): "text",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamptz",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
}
_PUBLISHED_DAYS = pa.schema(
    [
        ("dataset", pa.string()),
        ("date", pa.date32()),
        ("content", pa.string()),
        ("rows", pa.int64()),
        ("missing", pa.string()),
        ("published_at", pa.timestamp("us", tz="UTC")),
    ]
)
_QUARANTINE = pa.schema(
    [(name, pa.int64() if name == "line" else pa.string()) for name in COLUMNS if name != "raw"]
)
_TOUCH_BEFORE = pa.schema(
    [
        *(
            arrow_schema(CONTRACTS["dedup_leads"]).field(name)
            for name in (*FIRST_TOUCH, "identified_by", "city")
        ),
        ("content", pa.string()),
    ]
)
_ICP_TIERS = pa.schema([("field", pa.string()), ("value", pa.string()), ("tier", pa.string())])

# Days whose reconciliation is shown; all days are checked when they are published.
RECONCILED_DAYS = 92
DAYS_AT_ONCE = 60
_CENT = Decimal("0.01")
MINOR_UNITS = "_paise"
MAJOR_UNITS = "_inr"


@dataclass(frozen=True)
class Published:
    """What a publish changed: days and rows per dataset; empty when nothing had to be."""

    days: Mapping[str, list[dt.date]]
    rows: int


def published_name(name: str) -> str:
    """Name of a contract column in Postgres: money is published in whole units, not hundredths."""
    return name.removesuffix(MINOR_UNITS) + MAJOR_UNITS if name.endswith(MINOR_UNITS) else name


def table_ddl(contract: Contract, currency: str = DEFAULT_CURRENCY) -> TableDdl:
    """Return the published table of a contract; its comments say what amounts are in."""
    return TableDdl(
        name=contract.dataset,
        columns=tuple(
            ColumnDdl(
                name=published_name(facts.name),
                pg_type="numeric(18,2)"
                if facts.name.endswith(MINOR_UNITS)
                else _POSTGRES_TYPES[facts.arrow_type],
                nullable=facts.nullable,
                comment=_comment(facts, figures.unit(currency)),
                personal=facts.personal,
            )
            for facts in columns(contract)
        ),
        # With the day: a row that a dump moves to another day stands on both until the old one is restated.
        primary_key=contract.key if "date" in contract.key else ("date", *contract.key),
        comment=f"{contract.description} Grain: {contract.grain}.",
    )


def _comment(facts: ColumnFacts, unit: str) -> str:
    text = facts.description.replace("in minor units", f"in {unit}").replace(", minor units", f", {unit}")
    return f"{text} (column {facts.sheet!r} of the source)" if facts.sheet else text


def _side_ddl(name: str, schema: pa.Schema, comment: str, date_column: str | None = None) -> TableDdl:
    kinds = {**_POSTGRES_TYPES, pa.decimal128(24, 2): "numeric(18,2)"}
    return TableDdl(
        name=name,
        columns=tuple(
            ColumnDdl(field.name, kinds[field.type], comment=_SIDE_MEANINGS.get(field.name, ""))
            for field in schema
        ),
        comment=comment,
        date_column=date_column,
    )


_SIDE_MEANINGS = {
    "dataset": "Dataset that the row is about",
    "date": "Local day",
    "content": "Hash of the day's rows: changes when, and only when, they do",
    "rows": "Rows of the day",
    "missing": "Inputs that the day was made without; empty when none",
    "published_at": "When it was last published (UTC)",
    "source": "Source in sources.yaml",
    "day": "Local day concerned, as text; empty or a word where it could not be told",
    "file": "File or address that it came from",
    "line": "Line in the file, counted from 1",
    "reason": "Reason code",
    "detail": "What is wrong and what to do, personal data masked",
    "field": "Fact about the contact: industry, company or city",
    "value": "Its value",
    "tier": "How well it fits: High, Mid or Low",
    "step": "Dataset that the figure comes from",
    "measure": "Figure that was added up",
    "expected": "Total in the dataset it comes from; amounts as in all tables",
    "found": "Total in the mart, in the same unit",
    "difference": "found minus expected: 0 when nothing was lost",
}

SIDE_TABLES = (
    _side_ddl("published_days", _PUBLISHED_DAYS, "Which day of which dataset is published, and its content."),
    _side_ddl(
        "quarantine", _QUARANTINE, "Rows and files that couldn't be used, with the reason and what to do."
    ),
    _side_ddl(
        "_touch_before",
        _TOUCH_BEFORE,
        "First touch ever of people touched before the first published day; read crm_contacts instead.",
    ),
    _side_ddl("icp_tiers", _ICP_TIERS, "Ideal customer profile tiers (icp_tiers.csv)."),
    _side_ddl("reconciliation", reconciliation.SCHEMA, "Totals of each step against the mart's, per day."),
)


def published_table(table: pa.Table) -> pa.Table:
    """Return a lake table as it is published: hundredths become units with two decimals, exactly."""
    arrays, names = [], []
    for name in table.column_names:
        values = table[name]
        if name.endswith(MINOR_UNITS):
            # Shifting the decimal point is exact; dividing would not have to be.
            whole = pc.cast(values, pa.decimal128(19, 0))
            values = pc.multiply(whole, pa.scalar(_CENT, pa.decimal128(3, 2)))
            values = pc.cast(values, pa.decimal128(24, 2))
        arrays.append(values)
        names.append(published_name(name))
    return pa.table(arrays, names=names)


def publish(
    lake: Lake,
    quarantine: Quarantine,
    warehouse: Warehouse,
    tables: Tables,
    timezone: str,
    currency: str,
    known: KnownPeople | None = None,
    balanced: reconciliation.Balanced | None = None,
) -> Published:
    """Bring Postgres up to the lake.

    Args:
        lake: What to publish.
        quarantine: What couldn't be used, published too.
        warehouse: Where to.
        tables: Config tables.
        timezone: Of local days and of the views' today.
        currency: Of all amounts.
        known: Where who is who is kept.
        balanced: Days that this process has found to add up.

    Raises:
        FunnelError: If rows or money don't add up between the steps of a day to publish; nothing is published.
    """
    facts = {name: lake.all_facts(name) for name in CONTRACTS}
    secret = tables.pseudonyms.fingerprint
    refuse_other_keys({name: under_other_keys(name, days, secret) for name, days in facts.items()})
    published = _published_contents(warehouse)
    _refuse_lost_days(facts, published)
    replace = {
        name: [
            day
            for day in sorted({*days, *published.get(name, {})})
            if _content(days, day) != published.get(name, {}).get(day)
        ]
        for name, days in facts.items()
    }
    steps = {name: days for name, days in replace.items() if name != "funnel_marts"}
    _refuse_broken_steps(reconciliation.broken_steps(lake, tables, steps, known, balanced))
    compared = _compared(lake, facts["funnel_marts"], replace["funnel_marts"])
    side = _side_tables(quarantine, facts) | {"reconciliation": compared} | _new_tiers(warehouse, tables)
    side |= _new_touches_before(lake, warehouse)
    changed = {name: days for name, days in replace.items() if days}
    rows: dict[str, Rows] = {name: partial(_day_batches, lake, name, days) for name, days in changed.items()}
    replace_days = changed | dict.fromkeys(side)
    warehouse.publish(
        rows | side,
        replace_days=replace_days,
        ddl=[*(table_ddl(contract, currency) for contract in CONTRACTS.values()), *SIDE_TABLES],
        after=view_statements(timezone, currency),
        around=list(concerned_statements(replace_days)),
        refresh=list(refresh_statements()),
    )
    all_days = sorted({day for days in changed.values() for day in days})
    if changed:
        log.info("published %d dataset(s): %s", len(changed), name_days(all_days))
    else:
        log.info("published: nothing had changed")
    total = sum(facts[name][day].rows for name, days in changed.items() for day in days if day in facts[name])
    return Published(changed, total)


def _refuse_lost_days(
    facts: Mapping[str, Mapping[dt.date, PartitionFacts]], published: Mapping[str, Mapping[dt.date, str]]
) -> None:
    """Refuse when days are published that the lake hasn't: it is another one or was lost; nobody means them gone."""
    for name, days in facts.items():
        if lost := sorted(set(published.get(name, {})) - set(days)):
            raise FunnelError(
                f"not published: {len(lost)} published day(s) aren't in the lake: {name_days(lost)}. What was "
                "published before stays.",
                dataset=name,
                fix="restore the lake from a backup, or make them again: run `funnel restate`, else "
                f"`funnel backfill --from {lost[0]} --to {lost[-1]}`. If they are to be gone, `DROP SCHEMA funnel "
                "CASCADE` in the database and run again: it is filled from the lake.",
            )


def _refuse_broken_steps(broken: Sequence[str]) -> None:
    if broken:
        raise FunnelError(
            f"not published: {'; '.join(broken[:5])}. What was published before stays.",
            dataset=broken[0].partition(" ")[0],
            fix="backfill these days; if it happens again, report it.",
        )


def _content(facts: Mapping[dt.date, PartitionFacts], day: dt.date) -> str | None:
    return facts[day].content if day in facts else None


def _published_contents(warehouse: Warehouse) -> dict[str, dict[dt.date, str]]:
    if not _is_there(warehouse, "published_days"):
        return {}
    found: dict[str, dict[dt.date, str]] = {}
    for row in warehouse.fetch("SELECT dataset, date, content FROM published_days"):
        found.setdefault(row["dataset"], {})[row["date"]] = row["content"]
    return found


def _is_there(warehouse: Warehouse, table: str) -> bool:
    return warehouse.fetch("SELECT to_regclass(%(table)s) AS found", {"table": table})[0]["found"] is not None


def _new_tiers(warehouse: Warehouse, tables: Tables) -> dict[str, Rows]:
    """The table of tiers where it changed: everybody's tier is worked out anew then, which takes its time."""
    name = "icp_tiers"
    table = pa.Table.from_pandas(tables[name], schema=_ICP_TIERS, preserve_index=False)
    if _is_there(warehouse, name):
        published = warehouse.fetch(f"SELECT {', '.join(_ICP_TIERS.names)} FROM {name}")
        if sorted(map(repr, published)) == sorted(map(repr, table.to_pylist())):
            return {}
    return {name: table}


def _new_touches_before(lake: Lake, warehouse: Warehouse) -> dict[str, Rows]:
    """The first touches before the first day where they changed: one row per person."""
    name = "_touch_before"
    facts = lake.facts("dedup_leads", BEFORE)
    content = facts.content if facts is not None and facts.rows else None
    if _is_there(warehouse, name):
        published = [row["content"] for row in warehouse.fetch(f"SELECT content FROM {name} LIMIT 1")]
        if published == ([] if content is None else [content]):
            return {}
    columns = [column for column in _TOUCH_BEFORE.names if column != "content"]
    rows = lake.read("dedup_leads", [BEFORE], columns=columns, require=False)
    in_order = rows.sort_by([("person_id", "ascending"), ("date", "ascending")])
    firsts = in_order.to_pandas(types_mapper=pd.ArrowDtype).drop_duplicates("person_id")
    told = pa.Table.from_pandas(firsts.assign(content=content), schema=_TOUCH_BEFORE, preserve_index=False)
    return {name: told}


def _compared(lake: Lake, marts: Mapping[dt.date, PartitionFacts], replace: Sequence[dt.date]) -> pa.Table:
    """Compare the mart with what it comes from, and return the days to show; days to publish must add up."""
    shown, new = sorted(marts)[-RECONCILED_DAYS:], set(replace)
    compared = reconciliation.marts_table(lake, sorted({*shown, *(new & set(marts))}))
    broken = reconciliation.broken_rows(compared.filter(on_days(compared, new)))
    if broken:
        raise FunnelError(
            f"not published: {'; '.join(broken[:5])}. What was published before stays.",
            dataset="funnel_marts",
            fix="backfill these days with everything they are made from; if it happens again, report it.",
        )
    return compared.filter(on_days(compared, shown))


def _day_batches(lake: Lake, dataset: str, days: Sequence[dt.date]) -> pa.RecordBatchReader:
    """Stream days, so that a year never has to fit in memory."""
    stored = arrow_schema(CONTRACTS[dataset])
    schema = published_table(stored.empty_table()).schema

    def batches() -> Iterator[pa.RecordBatch]:
        # DuckDB opens a day's file in a quarter of the time that pyarrow takes, and there are thousands of them. Some
        # days at a time, because those of a lake that is far away are read whole.
        for start in range(0, len(days), DAYS_AT_ONCE):
            with DuckDBEngine() as engine:
                some = engine.scan(lake, dataset, days[start : start + DAYS_AT_ONCE], stored.names)
                for batch in engine.batches(some):
                    yield from published_table(pa.Table.from_batches([batch]).cast(stored)).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _side_tables(
    quarantine: Quarantine, facts: Mapping[str, Mapping[dt.date, PartitionFacts]]
) -> dict[str, Rows]:
    now = dt.datetime.now(dt.UTC)
    days = [
        (name, day, found.content, found.rows, ", ".join(found.missing) or None, now)
        for name, written in facts.items()
        for day, found in written.items()
    ]
    quarantined = quarantine.rows().drop(columns="raw").astype({"line": "Int64"})
    return {
        "published_days": pa.Table.from_pydict(
            dict(
                zip(_PUBLISHED_DAYS.names, (list(values) for values in zip(*days, strict=True)), strict=False)
            )
            if days
            else {name: [] for name in _PUBLISHED_DAYS.names},
            schema=_PUBLISHED_DAYS,
        ),
        "quarantine": pa.Table.from_pandas(quarantined, schema=_QUARANTINE, preserve_index=False),
    }
