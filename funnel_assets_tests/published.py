"""A small published warehouse, for tests of what is made from it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.pipeline.publish import SIDE_TABLES, published_name, published_table, table_ddl
from funnel_assets.storage.views import view_statements
from funnel_assets.storage.warehouse import TableDdl, Warehouse

Rows = Sequence[Mapping[str, Any]]
PUBLISHED_AT = dt.datetime(2026, 3, 10, 1, 30, tzinfo=dt.UTC)

_MART = {
    "source": "google",
    "medium": "cpc",
    "campaign": "spring",
    "has_marketing": True,
    "has_sales": True,
    "has_spend": True,
    "currency": "INR",
}
_TYPES = {
    "text": pa.string(),
    "date": pa.date32(),
    "bigint": pa.int64(),
    "numeric(18,2)": pa.decimal128(18, 2),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}


def mart_row(day: dt.date, funnel: str, **figures: Any) -> dict[str, Any]:
    """A row of ``funnel_marts`` as it is published; figures that aren't named are 0."""
    measures = {
        published_name(name): 0
        for name in arrow_schema(CONTRACTS["funnel_marts"]).names
        if name not in ("date", "funnel", *_MART)
    }
    return {"date": day, "funnel": funnel} | _MART | measures | figures


def publish_rows(url: str, currency: str = "INR", **tables: Rows) -> Warehouse:
    """Publish rows of any tables, all others empty, with every day of the mart recorded as published."""
    warehouse = Warehouse(url)
    contracts = [table_ddl(contract, currency) for contract in CONTRACTS.values()]
    schemas = {
        name: published_table(arrow_schema(contract).empty_table()).schema
        for name, contract in CONTRACTS.items()
    } | {table.name: _side_schema(table) for table in SIDE_TABLES}
    days = sorted({row["date"] for row in tables.get("funnel_marts", ())})
    recorded = [
        {
            "dataset": name,
            "date": day,
            "content": "c",
            "rows": 1,
            "missing": None,
            "published_at": PUBLISHED_AT,
        }
        for name in CONTRACTS
        for day in days
    ]
    given: dict[str, Rows] = {"published_days": recorded} | tables
    warehouse.publish(
        {
            name: pa.Table.from_pylist([dict(row) for row in given.get(name, ())], schema)
            for name, schema in schemas.items()
        },
        replace_days=dict.fromkeys(schemas),
        ddl=[*contracts, *SIDE_TABLES],
        after=view_statements(currency=currency),
    )
    return warehouse


def _side_schema(table: TableDdl) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[column.pg_type]) for column in table.columns])
