"""All datasets of a world on one engine, in the order of the asset graph, for the domain tests."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from funnel_assets.domain.credit import sale_credit
from funnel_assets.domain.engagement import engagement_summary
from funnel_assets.domain.identity import identity_links, opened
from funnel_assets.domain.leads import dedup_leads
from funnel_assets.domain.marts import Parts, funnel_marts, reconcile
from funnel_assets.domain.sales import assigned_leads, sales_enriched
from funnel_assets.domain.scoring import scored_contacts
from funnel_assets_tests.domain.rules import RULES
from funnel_assets_tests.domain.worlds import START

DERIVED = (
    "links",
    "dedup_leads",
    "engagement_summary",
    "assigned_leads",
    "sales_enriched",
    "sale_credit",
    "scored_contacts",
    "funnel_marts",
    "reconciliation",
)


def compute(
    engine: Any, tables: dict[str, pa.Table], dataset: str, first: dt.date, last: dt.date
) -> pa.Table:
    """Compute one dataset of the days on an engine; what it needs of other datasets is taken from ``tables``."""
    frames = engine.load({name: table for name, table in tables.items() if name in _NEEDS[dataset]})
    if "links" in frames and "people" in tables:
        rows = engine.load({name: tables[name] for name in ("people", "apart")})
        frames["links"] = opened(frames["links"], engine.materialize, **rows)
    return engine.table(_call(dataset, frames, first=first, last=last, materialize=engine.materialize))


def build(engine: Any, tables: dict[str, pa.Table], first: dt.date, last: dt.date) -> dict[str, pa.Table]:
    """Return the tables with every derived dataset added: history from ``START``, marts from ``first``."""
    built = dict(tables)
    for dataset in DERIVED:
        since = first if dataset in ("funnel_marts", "reconciliation") else START
        built[dataset] = compute(engine, built, dataset, since, last)
        if dataset == "sales_enriched":
            sales = built[dataset]
            built["paid_sales"] = sales.filter(pc.field("is_paid")).select(["person_id", "date"])
    return built


_NEEDS: dict[str, tuple[str, ...]] = {
    "links": ("raw_leads", "zoom_attendance", "engagement_events"),
    "dedup_leads": ("raw_leads", "zoom_attendance", "links", "mapping"),
    "engagement_summary": ("raw_leads", "zoom_attendance", "engagement_events", "links"),
    "assigned_leads": ("crm_assignments", "zoom_attendance", "mapping", "links"),
    "sales_enriched": (
        "crm_sales",
        "zoom_attendance",
        "raw_leads",
        "links",
        "dedup_leads",
        "manual_mapping",
        "manual_funnels",
        "mapping",
    ),
    "sale_credit": ("sales_enriched", "raw_leads", "zoom_attendance", "links", "mapping"),
    "scored_contacts": ("engagement_summary", "paid_sales", "overrides"),
    "funnel_marts": (
        "dedup_leads",
        "zoom_attendance",
        "links",
        "assigned_leads",
        "sales_enriched",
        "spend",
        "mapping",
        "manual_funnels",
        "present",
    ),
}
_NEEDS["reconciliation"] = (*_NEEDS["funnel_marts"], "funnel_marts")


def _call(dataset: str, frames: dict[str, Any], **options: Any) -> Any:
    if dataset == "links":
        return identity_links(**frames)
    if dataset == "scored_contacts":
        return scored_contacts(rules=RULES, **frames, **options)
    if dataset == "funnel_marts":
        return funnel_marts(Parts(**frames), **options)
    if dataset == "reconciliation":
        marts = frames.pop("funnel_marts")
        return reconcile(marts, Parts(**frames), **options)
    function = {
        "dedup_leads": dedup_leads,
        "engagement_summary": engagement_summary,
        "assigned_leads": assigned_leads,
        "sales_enriched": sales_enriched,
        "sale_credit": sale_credit,
    }[dataset]
    return function(**frames, **options)
