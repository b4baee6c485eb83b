"""Touches, and which of them is first (SPEC 6; seed 001, first-touch model).

Belongs here: what counts as a touch, and the order of touches. Does not belong here: which dataset shows them.

A touch is a submitted form (at its ``created_at``) or a Zoom record. A Zoom record counts on its **event** day,
however early the person registered; within the day it stands at its ``touched_at``. Touches are ordered by local day,
then time, then order of the source in ``sources.yaml`` (Zoom after every form source), then record id: a total order.
``nth`` counts a person's touches in that order: one number to compare and join by instead of four columns.

The look-back of day D is the ``LOOK_BACK_DAYS`` days before D and D itself.
"""

import datetime as dt

import narwhals as nw

from funnel_assets.domain.frames import (
    LOOK_BACK_DAYS,
    Frame,
    Materialize,
    Native,
    between,
    given,
    numbered,
    shifted,
    unchanged,
)
from funnel_assets.domain.identity import Links, identified, no_id, opened

__all__ = ["ABOUT", "LOOK_BACK_DAYS", "TOUCH_ORDER", "ZOOM_SOURCE_ORDER", "first_touches", "touches"]

TOUCH_ORDER = ("date", "touched_at", "source_order", "touch_id")

ZOOM_SOURCE_ORDER = 1_000_000
"""Zoom stands after every form source on a tie: the form is what brought the person to the event."""

_NAMES_SOMETHING = r"[^#0-9 .:()/_-]"
"""A Source Name like ``#4`` numbers one webinar's links and is another channel at the next: it names no source."""

ABOUT = ("phone", "email", "name", "city")
"""What a touch tells about its person."""

_THEIR_PHONE = nw.coalesce(
    nw.when(~nw.col("own_phone_key").is_null()).then(nw.col("phone")), nw.col("linked_phone")
)
"""The record's own phone, unless it is somebody else's; else the one its e-mail is known with."""


def touches(
    raw_leads: Native,
    zoom_attendance: Native,
    links: Native,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the touches of the days ``first`` to ``last``, each with its person.

    Grain: one row per raw lead or Zoom record. Columns: touch_id, date, touched_at (UTC), source, medium, campaign,
    phone (of the record unless it is
    somebody else's, else the one its e-mail is known with), email, name, city, person_id, identified_by, nth.
    """
    return all_touches(
        nw.from_native(raw_leads),
        nw.from_native(zoom_attendance),
        opened(links, materialize),
        first=first,
        last=last,
        materialize=materialize,
    ).to_native()


def all_touches(
    raw_leads: Frame,
    zoom_attendance: Frame,
    links: Links,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Frame:
    """Do the work of :func:`touches` on Narwhals frames."""
    forms = _form_touches(between(raw_leads, first, last))
    events = _zoom_touches(between(zoom_attendance, first, last))
    people = identified(nw.concat([forms, events], how="vertical"), links, "touch_id", materialize)
    told = people.select(
        *TOUCH_ORDER,
        "source",
        "medium",
        "campaign",
        _THEIR_PHONE.alias("phone"),
        "email",
        "name",
        "city",
        "person_id",
        "identified_by",
    )
    return numbered(told, "person_id", TOUCH_ORDER, "nth").drop("source_order")


def _form_touches(raw_leads: Frame) -> Frame:
    return raw_leads.select(
        nw.col("lead_id").alias("touch_id"),
        "date",
        nw.col("created_at").alias("touched_at"),
        "source_order",
        nw.col("utm_source").alias("source"),
        nw.col("utm_medium").alias("medium"),
        nw.col("utm_campaign").alias("campaign"),
        *ABOUT,
        "phone_key",
        "email_key",
        "external_key",
    )


def _zoom_touches(zoom_attendance: Frame) -> Frame:
    full_name = nw.concat_str(["first_name", "last_name"], separator=" ")
    return zoom_attendance.select(
        nw.col("attendance_id").alias("touch_id"),
        "date",
        "touched_at",
        nw.lit(ZOOM_SOURCE_ORDER).cast(nw.Int64).alias("source_order"),
        nw.when(given("registration_source") & nw.col("registration_source").str.contains(_NAMES_SOMETHING))
        .then(nw.col("registration_source"))
        .otherwise(nw.col("event_type"))
        .alias("source"),
        nw.lit("zoom").alias("medium"),
        nw.col("webinar_name").alias("campaign"),
        "phone",
        "email",
        nw.coalesce(full_name, "first_name", "last_name", "user_name").alias("name"),
        nw.when(nw.col("event_type").is_null()).then(nw.col("event_type")).alias("city"),
        "phone_key",
        "email_key",
        no_id().alias("external_key"),
    )


def first_touches(
    people: Frame, touched: Frame, *, key: tuple[str, ...], day: str, month_only: bool, prefix: str
) -> Frame:
    """Return the first touch of each person up to a day: over the look-back, or within the day's calendar month.

    Args:
        people: Narwhals frame with person_id, the day column and the key columns.
        touched: Narwhals frame of touches.
        key: Columns that name a row of ``people``.
        day: Name of the day column; touches of that day itself count.
        month_only: Stay within the day's calendar month.
        prefix: Of the columns returned: touch_at, source, medium, campaign, date.
    """
    start = nw.col(day).dt.truncate("1mo").cast(nw.Date) if month_only else shifted(day, -LOOK_BACK_DAYS)
    asked = people.select(*key, "person_id", nw.col(day).alias("_until"), start.alias("_since"))
    earliest = (
        asked.join(touched.select("person_id", "date", "nth"), on="person_id", how="inner")
        .filter(nw.col("date") >= nw.col("_since"), nw.col("date") <= nw.col("_until"))
        .group_by(*dict.fromkeys((*key, "person_id")))
        .agg(nw.col("nth").min())
    )
    return earliest.join(touched, on=["person_id", "nth"], how="inner").select(
        *key,
        nw.col("touched_at").alias(f"{prefix}_touch_at"),
        nw.col("source").alias(f"{prefix}_source"),
        nw.col("medium").alias(f"{prefix}_medium"),
        nw.col("campaign").alias(f"{prefix}_campaign"),
        nw.col("date").alias(f"{prefix}_date"),
    )
