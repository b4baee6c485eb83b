"""Rows and money that must add up from step to step (SPEC 3): what doesn't is named, and blocks publishing."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import Lake

SCHEMA = pa.schema(
    [
        ("date", pa.date32()),
        ("dataset", pa.string()),
        ("step", pa.string()),
        ("measure", pa.string()),
        ("expected", pa.decimal128(24, 2)),
        ("found", pa.decimal128(24, 2)),
        ("difference", pa.decimal128(24, 2)),
    ]
)

# Measure of the mart: the dataset it counts, how, and the flag that says whether that part of the day is there.
_MEASURES = {
    "leads": ("dedup_leads", "count(*)", "has_marketing"),
    "registrations": ("zoom_attendance", "count(*) FILTER (attendance_type <> 'walk_in')", "has_marketing"),
    "attended": ("zoom_attendance", "count(*) FILTER (attended = 'Y')", "has_marketing"),
    "handovers": ("assigned_leads", "count(*)", "has_sales"),
    "sales": ("sales_enriched", "count(*) FILTER (is_paid)", "has_sales"),
    "gross_revenue_paise": ("sales_enriched", "sum(total_amount_paise) FILTER (is_paid)", "has_sales"),
    "net_revenue_paise": ("sales_enriched", "sum(net_amount_paise) FILTER (is_paid)", "has_sales"),
    "spend_paise": ("spend", "sum(cost_paise)", "has_spend"),
    "impressions": ("spend", "sum(impressions)", "has_spend"),
    "clicks": ("spend", "sum(clicks)", "has_spend"),
}


def broken(lake: Lake, outcome: Outcome) -> list[str]:
    """What doesn't add up in the days just made of a dataset, in words."""
    days = sorted(outcome.done)
    if outcome.dataset == "funnel_marts":
        return broken_rows(marts_table(lake, days))
    if outcome.dataset == "sales_enriched":
        return _broken_sales(lake, days)
    if not NODES[outcome.dataset].is_source or outcome.dataset == "zoom_attendance":
        return []
    return [
        f"{day}: {facts.counts['rows_in']} rows in, {facts.rows} loaded, {facts.counts['quarantined']} quarantined and "
        f"{facts.counts.get('duplicates', 0)} duplicates"
        for day, facts in sorted(outcome.done.items())
        if facts.counts
        and facts.counts["rows_in"]
        != facts.rows + facts.counts["quarantined"] + facts.counts.get("duplicates", 0)
    ]


def broken_rows(compared: pa.Table) -> list[str]:
    """Figures of the mart that differ from the dataset they come from (:func:`marts_table`), in words."""
    return [
        f"{row['date']}: {row['measure']} is {row['found']} in the mart and {row['expected']} in {row['step']}"
        for row in compared.to_pylist()
        if row["difference"] != 0
    ]


def marts_table(lake: Lake, days: Sequence[dt.date]) -> pa.Table:
    """Compare every figure of the mart with the dataset it comes from, counted there directly.

    Grain: one row per day and measure whose part is there. Money in rupees, with two decimals.
    """
    days = [day for day in days if lake.facts("funnel_marts", day) is not None]
    if not days:
        return SCHEMA.empty_table()
    sources: dict[str, dict[dt.date, dict[str, int]]] = {}
    with DuckDBEngine() as engine:
        sums = {name: f"sum({name})" for name in _MEASURES}
        found = _by_day(engine, lake, "funnel_marts", days, sums | _FLAGS)
        for dataset in {source for source, _, _ in _MEASURES.values()}:
            wanted = {name: how for name, (source, how, _) in _MEASURES.items() if source == dataset}
            sources[dataset] = _by_day(engine, lake, dataset, days, wanted)
    rows = []
    for day in days:
        mart = found.get(day, {})
        for name, (dataset, _, flag) in _MEASURES.items():
            if mart and not mart[flag]:
                continue
            expected = sources[dataset].get(day, {}).get(name) or 0
            rows.append(_row(day, dataset, name, expected, mart.get(name) or 0))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


_FLAGS = {flag: f"bool_or({flag})" for flag in ("has_marketing", "has_spend", "has_sales")}


def _broken_sales(lake: Lake, days: Sequence[dt.date]) -> list[str]:
    measures = {"rows": "count(*)", "net": "sum(net_amount_paise)", "gross": "sum(total_amount_paise)"}
    with DuckDBEngine() as engine:
        before, after = (
            _by_day(engine, lake, name, days, measures) for name in ("crm_sales", "sales_enriched")
        )
    return [
        f"{day}: {name} is {after.get(day, {}).get(name)} after enrichment and {before[day][name]} before"
        for day in sorted(before)
        for name in measures
        if after.get(day, {}).get(name) != before[day][name]
    ]


def _by_day(
    engine: DuckDBEngine, lake: Lake, dataset: str, days: Sequence[dt.date], measures: dict[str, str]
) -> dict[dt.date, dict[str, int]]:
    names = arrow_schema(CONTRACTS[dataset]).names
    selected = ", ".join(f"{how} AS {name}" for name, how in measures.items())
    totals = engine.scan(lake, dataset, days, names).aggregate(f"date, {selected}", "date")
    return {row[0]: dict(zip(measures, row[1:], strict=True)) for row in totals.fetchall()}


def _row(day: dt.date, dataset: str, name: str, expected: int, found: int) -> dict[str, object]:
    unit = Decimal(100) if name.endswith("_paise") else Decimal(1)
    return {
        "date": day,
        "dataset": "funnel_marts",
        "step": dataset,
        "measure": name.removesuffix("_paise"),
        "expected": Decimal(int(expected)) / unit,
        "found": Decimal(int(found)) / unit,
        "difference": Decimal(int(found) - int(expected)) / unit,
    }
