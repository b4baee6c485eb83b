"""engagement_summary: what each person did, per active day and so far (SPEC 6; seed 000).

Belongs here: which records count as which activity. Does not belong here: what an activity is worth.
"""

import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType

import narwhals as nw

from funnel_assets.domain.attendance.minutes import whole_minutes
from funnel_assets.domain.frames import (
    Frame,
    Materialize,
    Native,
    between,
    first_by,
    pinned,
    shaped,
    unchanged,
)
from funnel_assets.domain.identity import known_phones, named, no_id, opened, with_own_phone

COUNTS = (
    "clicks",
    "views",
    "downloads",
    "demos_booked",
    "follow_ups",
    "registrations",
    "attendances",
    "bootcamp_day_1",
    "bootcamp_day_2",
    "seconds",
    "form_submissions",
    "deals_closed",
    "deals_opened",
    "deals_lost",
    "site_minutes",
    "webinar_joins",
    "direct_inquiries",
    "other_activities",
    "other_points",
)

EVENT_COUNTS = {
    "click": "clicks",
    "view": "views",
    "download": "downloads",
    "demo_booked": "demos_booked",
    "follow_up": "follow_ups",
    "form_submit": "form_submissions",
    "deal_closed": "deals_closed",
    "deal_opened": "deals_opened",
    "deal_lost": "deals_lost",
    "site_minute": "site_minutes",
    "webinar_join": "webinar_joins",
    "direct_inquiry": "direct_inquiries",
}
"""Event types that have a count of their own, in lower case. All others are ``other_activities``."""

_ENGAGEMENT_ORDER = ("date", "at", "record_id")


def engagement_summary(
    raw_leads: Native,
    zoom_attendance: Native,
    engagement_events: Native,
    links: Native,
    *,
    points: Mapping[str, int] = MappingProxyType({}),
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return one row per person active on a day of ``first`` to ``last``: the day's and the running counts.

    Grain and columns: contract ``engagement_summary``. All inputs are needed from the first day there is, because
    running counts start there; rows after ``last`` don't count.

    A form is a form submission; a Zoom record is a registration (unless a walk-in), an attendance (if attended; of a
    bootcamp also of its first or second day) and its seconds, on the event day. An attended event engages at the time
    of joining, any other Zoom record at its ``touched_at``. An event counts as often as it happened. The channel of a
    form is its source, of a Zoom record ``zoom``.

    Args:
        raw_leads: Forms.
        zoom_attendance: Registrations and attendances.
        engagement_events: Events.
        links: Who is who.
        points: What each event without a count of its own gives, by type: ``other_points`` is their sum.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.
    """
    records = nw.concat(
        [
            _forms(nw.from_native(raw_leads)),
            _zoom(nw.from_native(zoom_attendance)),
            _events(nw.from_native(engagement_events), points),
        ],
        how="vertical",
    ).filter(nw.col("date") <= nw.lit(last))
    who = opened(links, materialize)
    records = with_own_phone(records, who)
    known = pinned(known_phones(records, who), materialize)
    of_people = named(records, known, who, "record_id")
    today = named(between(records, first, last), known, who, "record_id")
    active = pinned(today.select("person_id").unique(), materialize)
    theirs = pinned(
        of_people.join(active, on="person_id", how="semi").select(
            "person_id", *_ENGAGEMENT_ORDER, "channel", *COUNTS
        ),
        materialize,
    )
    days = theirs.group_by("person_id", "date").agg(
        *(nw.col(name).sum().alias(name) for name in COUNTS),
        nw.col("at").min().alias("began_at"),
        nw.col("at").max().alias("ended_at"),
    )
    running = days.with_columns(
        *(_so_far(nw.col(name).cum_sum()).cast(nw.Int64).alias(f"total_{name}") for name in COUNTS),
        _so_far(nw.col("began_at").cum_min()).alias("first_engaged_at"),
        _so_far(nw.col("ended_at").cum_max()).alias("last_engaged_at"),
    )
    running = running.with_columns(
        _minutes("seconds").alias("minutes"), _minutes("total_seconds").alias("total_minutes")
    )
    ended = nw.col("total_deals_closed") + nw.col("total_deals_lost")
    running = running.with_columns(
        nw.when(nw.col("total_deals_opened") > ended)
        .then(nw.col("total_deals_opened") - ended)
        .otherwise(nw.col("total_deals_opened") * 0)
        .alias("open_deals")
    )
    channels = first_by(theirs, ["person_id"], _ENGAGEMENT_ORDER).select("person_id", "channel")
    told = between(running, first, last).join(channels, on="person_id", how="left")
    return shaped(told, "engagement_summary")


def _minutes(seconds: str) -> nw.Expr:
    return whole_minutes(nw.col(seconds)).cast(nw.Int64)


def _so_far(running: nw.Expr) -> nw.Expr:
    return running.over("person_id", order_by="date")


def _records(
    records: Frame, record_id: str, at: nw.Expr, channel: nw.Expr, counts: dict[str, nw.Expr]
) -> Frame:
    """Return records of one kind in the common shape; a count not named is 0."""
    nothing = (nw.col("date").dt.day() * 0).cast(nw.Int64)
    return records.select(
        nw.col(record_id).alias("record_id"),
        "date",
        at.alias("at"),
        channel.alias("channel"),
        "phone_key",
        "email_key",
        "external_key",
        *(counts.get(name, nothing).cast(nw.Int64).alias(name) for name in COUNTS),
    )


def _forms(raw_leads: Frame) -> Frame:
    one = ~nw.col("lead_id").is_null()
    return _records(
        raw_leads, "lead_id", nw.col("created_at"), nw.col("utm_source"), {"form_submissions": one}
    )


def _zoom(zoom_attendance: Frame) -> Frame:
    attended = nw.col("attended") == "Y"
    at = (
        nw.when(attended & ~nw.col("join_time").is_null())
        .then(nw.col("join_time"))
        .otherwise(nw.col("touched_at"))
    )
    channel = nw.when(~nw.col("event_type").is_null()).then(nw.lit("zoom"))
    counts = {
        "registrations": nw.col("attendance_type").is_in(["attended", "no_show"]),
        "attendances": attended,
        **{f"bootcamp_day_{nth}": attended & (nw.col("bootcamp_day").fill_null(0) == nth) for nth in (1, 2)},
        "seconds": nw.col("time_in_session_seconds"),
    }
    without = zoom_attendance.with_columns(no_id().alias("external_key"))
    return _records(without, "attendance_id", at, channel, counts)


def _events(engagement_events: Frame, points: Mapping[str, int]) -> Frame:
    kind = nw.col("event_type").str.strip_chars().str.to_lowercase()
    # Days of an older version don't say how often.
    times = nw.col("times").fill_null(1)
    counts = {
        count: nw.when(kind == event).then(times).otherwise(times * 0)
        for event, count in EVENT_COUNTS.items()
    }
    counts["other_activities"] = nw.when(kind.is_in(list(EVENT_COUNTS))).then(times * 0).otherwise(times)
    counts["other_points"] = times * 0
    for event, worth in points.items():
        given = nw.when(kind == event).then(times * worth).otherwise(times * 0)
        counts["other_points"] = counts["other_points"] + given
    return _records(engagement_events, "event_id", nw.col("event_at"), nw.col("channel"), counts)
