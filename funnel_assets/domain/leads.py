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
from funnel_assets.domain.mapping import funnels_of, with_funnel


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
        ).drop("touch_id"),
        materialize,
    )
    told = pinned(_with_look_back(_month_heads(touched, first, last), touched), materialize)
    funnels = pinned(funnels_of(touched, nw.from_native(mapping), source="source", day="date"), materialize)
    leads = _with_texts(told, touched)
    leads = with_funnel(leads, funnels, source="first_source", day="date", into="first_funnel")
    leads = with_funnel(leads, funnels, source="origin_source", day="origin_date", into="origin_funnel")
    return shaped(_with_flags(leads, shared_people(known)), "dedup_leads")


def _month_heads(touched: Frame, first: dt.date, last: dt.date) -> Frame:
    """Return the first touch of each person and calendar month, where it lies in the days wanted."""
    of_months = between(touched, month_start(first), last).select(
        "person_id", "nth", "date", month_number("date").alias("month")
    )
    heads = of_months.group_by("person_id", "month").agg(nw.col("nth", "date").min())
    return between(heads, first, last).select("person_id", "date", "nth")


def _with_look_back(heads: Frame, touched: Frame) -> Frame:
    """Add to each head which touch of its look-back is the first, which is the first to know each fact, and a count."""
    numbers = touched.select(
        "person_id",
        nw.col("date").alias("seen_on"),
        nw.col("nth").alias("origin_nth"),
        *(nw.when(~nw.col(fact).is_null()).then(nw.col("nth")).alias(f"{fact}_nth") for fact in ABOUT),
    )
    seen = (
        heads.with_columns(shifted("date", -LOOK_BACK_DAYS).alias("since"))
        .join(numbers, on="person_id", how="inner")
        .filter(nw.col("seen_on") >= nw.col("since"), nw.col("seen_on") <= nw.col("date"))
        .with_columns((nw.col("seen_on") == nw.col("date")).cast(nw.Int64).alias("touches"))
    )
    return seen.group_by("person_id", "date").agg(
        nw.col("nth", "origin_nth", *(f"{fact}_nth" for fact in ABOUT)).min(), nw.col("touches").sum()
    )


def _with_texts(told: Frame, touched: Frame) -> Frame:
    """Replace the numbers of touches by what these touches say.

    Most facts are the origin's own: only for those that it lacks is the touch looked up that knows them.
    """
    firsts = touched.select("person_id", "nth", "identified_by", *_about("first"))
    origins = touched.select(
        "person_id",
        nw.col("nth").alias("origin_nth"),
        nw.col("date").alias("origin_date"),
        *_about("origin"),
        *ABOUT,
    )
    leads = told.join(firsts, on=["person_id", "nth"], how="inner").join(
        origins, on=["person_id", "origin_nth"], how="inner"
    )
    for fact in ABOUT:
        nth = f"{fact}_nth"
        facts = touched.select("person_id", nw.col("nth").alias(nth), nw.col(fact).alias("_later"))
        later = (
            told.filter(nw.col(nth) > nw.col("origin_nth"))
            .select("person_id", "date", nth)
            .join(facts, on=["person_id", nth], how="inner")
        )
        leads = leads.join(later.drop(nth), on=["person_id", "date"], how="left")
        leads = leads.with_columns(nw.coalesce(fact, "_later").alias(fact)).drop("_later", nth)
    return leads.drop("nth", "origin_nth")


def _about(prefix: str) -> list[nw.Expr]:
    """Return what a touch says of itself, under names of their own."""
    return [
        nw.col("touched_at").alias(f"{prefix}_touch_at"),
        *(nw.col(name).alias(f"{prefix}_{name}") for name in ("source", "medium", "campaign")),
    ]


def _with_flags(leads: Frame, sharers: Frame) -> Frame:
    """Add user_id, is_new_person and is_shared_phone."""
    is_shared = ~nw.col("shared_from").is_null() & (nw.col("shared_from") <= nw.col("date"))
    return leads.join(sharers, on="person_id", how="left").with_columns(
        nw.col("phone").alias("user_id"),
        (nw.col("origin_date") == nw.col("date")).alias("is_new_person"),
        is_shared.fill_null(False).alias("is_shared_phone"),
    )
