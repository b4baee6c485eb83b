"""What each made dataset hands to its domain function: one short function a dataset.

Belongs here: which frames and which columns. Does not belong here: any rule.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

import narwhals as nw
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.config.tables import Tables
from funnel_assets.domain.attribution import touches
from funnel_assets.domain.credit import sale_credit
from funnel_assets.domain.engagement import engagement_summary
from funnel_assets.domain.frames import look_back_start, month_number, month_start
from funnel_assets.domain.identity import Links, identity_links, opened
from funnel_assets.domain.leads import dedup_leads
from funnel_assets.domain.link_rows import apart_table, groups, people_table
from funnel_assets.domain.marts import Parts, funnel_marts
from funnel_assets.domain.sales import FIRST_TOUCH, assigned_leads, sales_enriched
from funnel_assets.domain.scoring import ENGAGED, TURNS_AFTER, Rules, scored_contacts
from funnel_assets.pipeline.compute import Builder, Frames
from funnel_assets.pipeline.graph import days_between
from funnel_assets.pipeline.who import FEW_DAYS

_SIGHTED = {
    "raw_leads": ("created_at", "name"),
    "zoom_attendance": ("touched_at", "first_name"),
    "engagement_events": ("event_at",),
}
"""Where e-mails and phones are seen together, and the columns that tell when, and by which name."""


def _links(frames: Frames, reader: str) -> Links:
    """All that says who is who up to the range's last day."""
    return frames.links(tuple(_SIGHTED), lambda until: _worked_out(until, reader))


def _worked_out(frames: Frames, reader: str) -> Links:
    read = {
        name: nw.from_native(frames.read(name, reader, ["email_key", "phone_key", "phone", "date", *more]))
        .filter(nw.col("date") <= nw.lit(frames.last))
        .to_native()
        for name, more in _SIGHTED.items()
    }
    seen = frames.engine.materialize(
        identity_links(read["raw_leads"], read["zoom_attendance"], read["engagement_events"])
    )
    rows = frames.tables.links()
    if not rows:
        return opened(seen, frames.engine.materialize)
    return opened(
        seen,
        frames.engine.materialize,
        people=frames.engine.frame(people_table(rows)),
        apart=frames.engine.frame(apart_table(rows)),
    )


def _dedup_leads(frames: Frames) -> Any:
    return dedup_leads(
        frames.read("raw_leads", "dedup_leads", since=look_back_start(frames.first)),
        frames.read("zoom_attendance", "dedup_leads", since=look_back_start(frames.first)),
        _links(frames, "dedup_leads"),
        frames.config("funnel_mapping"),
        first=frames.first,
        last=frames.last,
        materialize=frames.engine.materialize,
    )


def first_touch_people(frames: Frames) -> Any:
    """Count people by the day of their first touch of the month: what ``dedup_leads`` must hold, without making it."""
    found = touches(
        frames.read("raw_leads", "dedup_leads", since=month_start(frames.first)),
        frames.read("zoom_attendance", "dedup_leads", since=month_start(frames.first)),
        _links(frames, "dedup_leads"),
        first=month_start(frames.first),
        last=frames.last,
        materialize=frames.engine.materialize,
    )
    heads = (
        nw.from_native(found)
        .with_columns(month_number("date").alias("month"))
        .group_by("person_id", "month")
        .agg(nw.col("date").min())
    )
    return heads.group_by("date").agg(nw.len().alias("people")).to_native()


def _engagement_summary(frames: Frames) -> Any:
    return engagement_summary(
        frames.read("raw_leads", "engagement_summary"),
        frames.read("zoom_attendance", "engagement_summary"),
        frames.read("engagement_events", "engagement_summary"),
        _links(frames, "engagement_summary"),
        points=rules_of(frames.tables).other_points,
        first=frames.first,
        last=frames.last,
        materialize=frames.engine.materialize,
    )


def _scored_contacts(frames: Frames) -> Any:
    overrides = overrides_of(frames.tables)
    if frames.people is None and (frames.last - frames.first).days < FEW_DAYS:
        frames = replace(frames, people=_may_change(frames, overrides))
    sales = nw.from_native(frames.read("sales_enriched", "scored_contacts", ["person_id", "date", "is_paid"]))
    return scored_contacts(
        frames.read("engagement_summary", "scored_contacts", ENGAGED),
        sales.filter(nw.col("is_paid")).select("person_id", "date").to_native(),
        rules_of(frames.tables),
        frames.engine.frame(overrides),
        first=frames.first,
        last=frames.last,
        materialize=frames.engine.materialize,
    )


def _may_change(frames: Frames, overrides: pa.Table) -> pa.Array:
    """Return everybody whose state can change on the days to make: the rows of others needn't be read."""
    days = [
        day - dt.timedelta(lag)
        for day in days_between(frames.first, frames.last)
        for lag in (0, *TURNS_AFTER)
    ]
    found = [
        frames.lake.read(dataset, days, columns=["person_id"], require=False)["person_id"]
        for dataset in ("engagement_summary", "sales_enriched")
    ]
    found.append(overrides["person_id"])
    return pc.unique(pa.chunked_array([chunk for ids in found for chunk in ids.chunks], pa.string())).sort()


def rules_of(tables: Tables) -> Rules:
    """Return the rule files as the domain takes them."""
    return Rules(
        scoring=tables.rows("scoring"),
        stages=tables.rows("stages"),
        nurture_tracks=tables.rows("nurture_tracks"),
        playbooks=tables.rows("playbooks"),
    )


def overrides_of(tables: Tables) -> pa.Table:
    """Return overrides.csv under person ids. A person is named there by phone, e-mail or person id."""
    joined = groups(tables.links())
    keys = ((row, tables.key(row["person"])) for row in tables.rows("overrides"))
    rows = [row | {"person_id": joined.get(key, key)} for row, key in keys]
    return pa.Table.from_pylist(rows, schema=_OVERRIDES)


_OVERRIDES = pa.schema(
    [
        ("person_id", pa.string()),
        ("field", pa.string()),
        ("value", pa.string()),
        ("reason", pa.string()),
        ("author", pa.string()),
        ("effective_on", pa.date32()),
        ("expires_on", pa.date32()),
    ]
)


def _assigned_leads(frames: Frames) -> Any:
    return assigned_leads(
        frames.read("crm_assignments", "assigned_leads"),
        frames.read("zoom_attendance", "assigned_leads", since=look_back_start(frames.first)),
        frames.config("funnel_mapping"),
        first=frames.first,
        last=frames.last,
        links=_links(frames, "assigned_leads") if frames.tables.rows("identity_links") else None,
        materialize=frames.engine.materialize,
    )


def _sales_enriched(frames: Frames) -> Any:
    return sales_enriched(
        frames.read("crm_sales", "sales_enriched"),
        frames.read("zoom_attendance", "sales_enriched", since=look_back_start(frames.first)),
        frames.read("raw_leads", "sales_enriched", since=look_back_start(frames.first)),
        _links(frames, "sales_enriched"),
        frames.read("dedup_leads", "sales_enriched", FIRST_TOUCH),
        frames.config("manual_mapping"),
        frames.config("manual_funnels"),
        frames.config("funnel_mapping"),
        first=frames.first,
        last=frames.last,
        materialize=frames.engine.materialize,
    )


def _sale_credit(frames: Frames) -> Any:
    return sale_credit(
        frames.read("sales_enriched", "sale_credit"),
        frames.read("raw_leads", "sale_credit", since=look_back_start(frames.first)),
        frames.read("zoom_attendance", "sale_credit", since=look_back_start(frames.first)),
        _links(frames, "sale_credit"),
        frames.config("funnel_mapping"),
        first=frames.first,
        last=frames.last,
        materialize=frames.engine.materialize,
    )


def _funnel_marts(frames: Frames) -> Any:
    return funnel_marts(
        Parts(
            dedup_leads=frames.read("dedup_leads", "funnel_marts"),
            zoom_attendance=frames.read("zoom_attendance", "funnel_marts", since=frames.first),
            links=_links(frames, "funnel_marts"),
            assigned_leads=frames.read("assigned_leads", "funnel_marts"),
            sales_enriched=frames.read("sales_enriched", "funnel_marts"),
            spend=frames.read("spend", "funnel_marts"),
            mapping=frames.config("funnel_mapping"),
            manual_funnels=frames.config("manual_funnels"),
            present=frames.engine.frame(present_parts(frames)),
        ),
        first=frames.first,
        last=frames.last,
        currency=frames.currency,
        materialize=frames.engine.materialize,
    )


PARTS = {
    "has_marketing": ("dedup_leads", "zoom_attendance"),
    "has_spend": ("spend",),
    "has_sales": ("assigned_leads", "sales_enriched"),
}
"""Parts of a day of the mart, by the flag that says whether it is there, and the datasets that it takes."""


def present_parts(frames: Frames) -> pa.Table:
    """Return which parts of each day are in the lake: date, has_marketing, has_spend, has_sales."""

    def there(day: dt.date, datasets: tuple[str, ...]) -> bool:
        return all(frames.lake.facts(name, day) is not None for name in datasets)

    days = days_between(frames.first, frames.last)
    flags = {flag: [there(day, datasets) for day in days] for flag, datasets in PARTS.items()}
    return pa.table({"date": pa.array(days, pa.date32()), **flags})


BUILDERS: dict[str, Builder] = {
    "dedup_leads": _dedup_leads,
    "engagement_summary": _engagement_summary,
    "scored_contacts": _scored_contacts,
    "assigned_leads": _assigned_leads,
    "sales_enriched": _sales_enriched,
    "sale_credit": _sale_credit,
    "funnel_marts": _funnel_marts,
}
