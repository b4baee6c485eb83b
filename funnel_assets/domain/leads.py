"""dedup_leads: the month's unique leads and where they came from (SPEC 6; seed 001 Phase 1).

Belongs here: who is a lead of which day. Does not belong here: what a touch is, or who a person is.
"""

import datetime as dt

import narwhals as nw

from funnel_assets.domain.attribution import TOUCH_ORDER, all_touches
from funnel_assets.domain.frames import (
    LOOK_BACK_DAYS,
    Frame,
    Materialize,
    Native,
    between,
    first_by,
    look_back_start,
    month_number,
    month_start,
    pinned,
    shaped,
    shifted,
    unchanged,
)
from funnel_assets.domain.identity import shared
from funnel_assets.domain.mapping import mapped

_ABOUT = ("phone", "email", "name", "city")


def dedup_leads(
    raw_leads: Native,
    zoom_attendance: Native,
    links: Native,
    mapping: Native,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the people whose first touch of the calendar month lies on a day of ``first`` to ``last``.

    Grain and columns: contract ``dedup_leads``. A month's unique leads are the disjoint union of its days.

    Args:
        raw_leads: Rows of the days ``first`` - 90 to ``last`` (more does no harm).
        zoom_attendance: Rows of the same days.
        links: :func:`~funnel_assets.domain.identity.identity_links` over all days up to ``last``.
        mapping: ``funnel_mapping.csv``; a touch's own day decides which row is valid.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.

    Phone, e-mail, name and city come from the earliest record of the look-back that has one.
    """
    known = nw.from_native(links)
    touched = pinned(
        all_touches(
            nw.from_native(raw_leads),
            nw.from_native(zoom_attendance),
            known,
            first=look_back_start(first),
            last=last,
            materialize=materialize,
        ),
        materialize,
    )
    heads = _month_heads(touched, first, last)
    told = pinned(_with_origin(heads, touched), materialize)
    rules = nw.from_native(mapping)
    funnels = mapped(told, rules, source="first_source", day="date", into="first_funnel")
    funnels = mapped(funnels, rules, source="origin_source", day="origin_date", into="origin_funnel")
    return shaped(_with_flags(funnels, shared(known)), "dedup_leads")


def _month_heads(touched: Frame, first: dt.date, last: dt.date) -> Frame:
    """Return the first touch of each person and calendar month, where it lies in the days wanted."""
    of_months = between(touched, month_start(first), last).with_columns(month_number("date").alias("month"))
    heads = first_by(of_months, ["person_id", "month"], TOUCH_ORDER)
    return between(heads, first, last).select(
        "person_id",
        "identified_by",
        nw.col("date").alias("head_date"),
        shifted("date", -LOOK_BACK_DAYS).alias("since"),
        nw.col("touched_at").alias("first_touch_at"),
        nw.col("source").alias("first_source"),
        nw.col("medium").alias("first_medium"),
        nw.col("campaign").alias("first_campaign"),
    )


def _with_origin(heads: Frame, touched: Frame) -> Frame:
    """Add to each head the first touch of its look-back, and the first of each fact about the person.

    Filling each fact backwards in touch order puts the earliest known one on the earliest touch: one ordered pass
    instead of one per fact.
    """
    lead = ["person_id", "head_date"]
    about = touched.select(
        "person_id",
        nw.coalesce("phone", "linked_phone").alias("phone"),
        "email",
        "name",
        "city",
        "source",
        "medium",
        "campaign",
        *TOUCH_ORDER,
    )
    seen = heads.join(about, on="person_id", how="inner").filter(
        nw.col("date") >= nw.col("since"), nw.col("date") <= nw.col("head_date")
    )
    on_day = (nw.col("date") == nw.col("head_date")).cast(nw.Int64)
    filled = seen.with_columns(
        *(
            nw.col(fact).fill_null(strategy="backward").over(*lead, order_by=TOUCH_ORDER).alias(fact)
            for fact in _ABOUT
        ),
        on_day.sum().over(*lead).alias("touches"),
    )
    return (
        first_by(filled, lead, TOUCH_ORDER)
        .with_columns(
            nw.col("date").alias("origin_date"),
            nw.col("touched_at").alias("origin_touch_at"),
            nw.col("source").alias("origin_source"),
            nw.col("medium").alias("origin_medium"),
            nw.col("campaign").alias("origin_campaign"),
        )
        .drop("date", "source_order", "touch_id", "touched_at", "source", "medium", "campaign", "since")
        .rename({"head_date": "date"})
    )


def _with_flags(leads: Frame, shared_phones: Frame) -> Frame:
    """Add user_id, is_new_person and is_shared_phone."""
    by_person = shared_phones.select(nw.col("phone_key").alias("person_id"), "shared_from")
    is_shared = ~nw.col("shared_from").is_null() & (nw.col("shared_from") <= nw.col("date"))
    return leads.join(by_person, on="person_id", how="left").with_columns(
        nw.col("phone").alias("user_id"),
        (nw.col("origin_date") == nw.col("date")).alias("is_new_person"),
        is_shared.fill_null(False).alias("is_shared_phone"),
    )
