"""dedup_leads: the month's unique leads and where they came from (SPEC 6; seed 001 Phase 1).

Belongs here: who is a lead of which day. Does not belong here: what a touch is, or who a person is.
"""

import datetime as dt

import narwhals as nw

from funnel_assets.domain.attribution import ABOUT, all_touches
from funnel_assets.domain.frames import (
    LOOK_BACK_DAYS,
    Frame,
    Materialize,
    Native,
    between,
    look_back_start,
    month_number,
    month_start,
    pinned,
    shaped,
    shifted,
    unchanged,
)
from funnel_assets.domain.identity import opened, shared_people
from funnel_assets.domain.mapping import mapped


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
    known = opened(links, materialize)
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
    heads = pinned(_month_heads(touched, first, last), materialize)
    told = pinned(_with_look_back(heads, touched), materialize)
    rules = nw.from_native(mapping)
    funnels = mapped(told, rules, source="first_source", day="date", into="first_funnel")
    funnels = mapped(funnels, rules, source="origin_source", day="origin_date", into="origin_funnel")
    return shaped(_with_flags(funnels, shared_people(known)), "dedup_leads")


def _month_heads(touched: Frame, first: dt.date, last: dt.date) -> Frame:
    """Return the first touch of each person and calendar month, where it lies in the days wanted."""
    numbered = between(touched, month_start(first), last).select(
        "person_id", "nth", month_number("date").alias("month")
    )
    heads = numbered.group_by("person_id", "month").agg(nw.col("nth").min())
    told = between(touched, first, last).select(
        "person_id",
        "nth",
        "date",
        "identified_by",
        nw.col("touched_at").alias("first_touch_at"),
        nw.col("source").alias("first_source"),
        nw.col("medium").alias("first_medium"),
        nw.col("campaign").alias("first_campaign"),
    )
    return heads.select("person_id", "nth").join(told, on=["person_id", "nth"], how="inner").drop("nth")


def _with_look_back(heads: Frame, touched: Frame) -> Frame:
    """Add to each head the first touch of its look-back, the first of each fact about the person, and a count.

    All are found as the least ``nth`` in one pass over numbers, and their texts are fetched afterwards.
    """
    lead = ("person_id", "date")
    numbered = touched.select(
        "person_id",
        nw.col("date").alias("seen_on"),
        nw.col("nth").alias("origin_nth"),
        *(nw.when(~nw.col(fact).is_null()).then(nw.col("nth")).alias(f"{fact}_nth") for fact in ABOUT),
    )
    seen = (
        heads.select(*lead, shifted("date", -LOOK_BACK_DAYS).alias("since"))
        .join(numbered, on="person_id", how="inner")
        .filter(nw.col("seen_on") >= nw.col("since"), nw.col("seen_on") <= nw.col("date"))
        .with_columns((nw.col("seen_on") == nw.col("date")).cast(nw.Int64).alias("touches"))
    )
    told = seen.group_by(*lead).agg(
        nw.col("origin_nth").min(), *(nw.col(f"{fact}_nth").min() for fact in ABOUT), nw.col("touches").sum()
    )
    origins = touched.select(
        "person_id",
        nw.col("nth").alias("origin_nth"),
        nw.col("date").alias("origin_date"),
        nw.col("touched_at").alias("origin_touch_at"),
        nw.col("source").alias("origin_source"),
        nw.col("medium").alias("origin_medium"),
        nw.col("campaign").alias("origin_campaign"),
    )
    told = told.join(origins, on=["person_id", "origin_nth"], how="inner")
    for fact in ABOUT:
        facts = touched.select("person_id", nw.col("nth").alias(f"{fact}_nth"), fact)
        told = told.join(facts, on=["person_id", f"{fact}_nth"], how="left")
    return heads.join(told, on=list(lead), how="inner")


def _with_flags(leads: Frame, sharers: Frame) -> Frame:
    """Add user_id, is_new_person and is_shared_phone."""
    is_shared = ~nw.col("shared_from").is_null() & (nw.col("shared_from") <= nw.col("date"))
    return leads.join(sharers, on="person_id", how="left").with_columns(
        nw.col("phone").alias("user_id"),
        (nw.col("origin_date") == nw.col("date")).alias("is_new_person"),
        is_shared.fill_null(False).alias("is_shared_phone"),
    )
