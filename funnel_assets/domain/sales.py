"""assigned_leads and sales_enriched: the sheet's Phases 1 and 2 (SPEC 6; seed 001).

Belongs here: the sheet's formulas as set logic. Does not belong here: what a touch is, or who a person is.
"""

import datetime as dt

import narwhals as nw

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.attribution import all_touches, first_touches
from funnel_assets.domain.frames import (
    LATE_TOUCH_DAYS,
    LOOK_BACK_DAYS,
    Frame,
    Materialize,
    Native,
    between,
    day_number,
    first_by,
    look_back_start,
    month_number,
    month_start,
    pinned,
    shaped,
    shifted,
    unchanged,
)
from funnel_assets.domain.identity import Links, identified, opened
from funnel_assets.domain.mapping import MISCELLANEOUS, mapped

UNPAID_STATUS_PARTS = (
    "fail",
    "cancel",
    "refund",
    "chargeback",
    "revers",
    "declin",
    "reject",
    "bounce",
    "void",
)
"""A sale whose status holds one of these, in any case, brought no money: "Payment Failed", "refunded", "partially
refunded", "cancelled by user" … Anything else counts as paid, an empty status included: the CRM writes a sale when
money has moved, and a status nobody has met before must not make revenue disappear."""

OF_A_TOUCH = ("source", "medium", "campaign", "funnel")
FIRST_TOUCH = ("person_id", "date", "first_touch_at", *(f"first_{name}" for name in OF_A_TOUCH))
"""Columns of ``dedup_leads`` that are looked at."""

_ASSIGNMENT_ORDER = ("assigned_at", "dump_rank", "assignment_id")


def assigned_leads(
    crm_assignments: Native,
    zoom_attendance: Native,
    mapping: Native,
    *,
    first: dt.date,
    last: dt.date,
    links: Native | Links | None = None,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the phones whose first assignment of the calendar month lies on a day of ``first`` to ``last``.

    Grain and columns: contract ``assigned_leads``.

    Args:
        crm_assignments: Rows from the first day of ``first``'s month to ``last``.
        zoom_attendance: Rows from ``first`` - 90 days to the end of ``last``'s month, as far as there are any: the
            sheet looks a phone up in the whole month's Zoom tab, so later days of the month restate earlier ones.
        mapping: ``funnel_mapping.csv``.
        first: First day wanted.
        last: Last day wanted.
        links: What tells whose a phone is, where link rows name people; without it each phone is its own person.
        materialize: Keeps an intermediate result that is used more than once.

    The sheet sorts a phone's rows by time and takes the first funnel; among rows of one moment its SORT keeps the
    dump's order, and so does dump_rank (between two sources the assignment_id decides). The employee its XLOOKUP takes
    from the first row of the dump, here from the earliest assignment: the same in a dump that is in order of time.
    """
    of_months = between(nw.from_native(crm_assignments), month_start(first), last).with_columns(
        month_number("date").alias("month")
    )
    heads = between(first_by(of_months, ["phone_key", "month"], _ASSIGNMENT_ORDER), first, last)
    per_day = of_months.group_by("phone_key", "date").agg(nw.len().alias("assignments"))
    leads = pinned(
        heads.join(per_day, on=["phone_key", "date"], how="left").with_columns(
            nw.col("phone_key").alias("person_id"),
            nw.col("lead_source").alias("first_source"),
            nw.when(nw.col("phone_key").is_null()).then(nw.col("phone_key")).alias("email_key"),
        ),
        materialize,
    )
    if links is not None:
        who = opened(links, materialize)
        leads = pinned(identified(leads.drop("person_id"), who, "phone_key", materialize), materialize)
    seen = with_attendance(leads, nw.from_native(zoom_attendance), ("phone_key", "month"))
    told = mapped(seen, nw.from_native(mapping), source="first_source", day="date", into="funnel")
    late = day_number("date") - day_number("first_attended")
    return shaped(told.with_columns(late.alias("assigned_late_days")), "assigned_leads")


def with_attendance(records: Frame, zoom_attendance: Frame, key: tuple[str, ...]) -> Frame:
    """Add attended and first_attended to records with phone_key and date, by the sheet's lookup of the phone in Zoom.

    Zoom rows count from 90 days before the record's day to the end of its calendar month. ``attended`` is Yes if any
    of them attended, No if the phone was only seen, 0 where Zoom never saw it (the lookup's default).
    ``first_attended`` is the earliest day attended up to the record's day.
    """
    seen = zoom_attendance.filter(~nw.col("phone_key").is_null()).select(
        "phone_key", nw.col("date").alias("seen_on"), (nw.col("attended") == "Y").alias("was_there")
    )
    asked = records.select(*dict.fromkeys((*key, "phone_key", "date"))).filter(~nw.col("phone_key").is_null())
    met = asked.join(seen, on="phone_key", how="inner").filter(
        nw.col("seen_on") >= shifted("date", -LOOK_BACK_DAYS),
        month_number("seen_on") <= month_number("date"),
    )
    before = nw.col("was_there") & (nw.col("seen_on") <= nw.col("date"))
    answers = (
        met.with_columns(
            nw.when(before).then(nw.col("seen_on")).alias("first_attended"),
            nw.col("was_there").cast(nw.Int64).alias("_there"),
        )
        .group_by(*key)
        .agg(nw.col("_there").max(), nw.col("first_attended").min())
    )
    flag = (
        nw.when(nw.col("_there") == 1)
        .then(nw.lit("Yes"))
        .when(nw.col("_there") == 0)
        .then(nw.lit("No"))
        .otherwise(nw.lit("0"))
    )
    return records.join(answers, on=list(key), how="left").with_columns(flag.alias("attended")).drop("_there")


def sales_enriched(
    crm_sales: Native,
    zoom_attendance: Native,
    raw_leads: Native,
    links: Native,
    dedup_leads: Native,
    manual_mapping: Native,
    manual_funnels: Native,
    mapping: Native,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the sales of the days ``first`` to ``last`` with final funnel, attendance and first touch.

    Grain and columns: contract ``sales_enriched``.

    Args:
        crm_sales: Rows of the days wanted.
        zoom_attendance: Rows from ``first`` - 90 days to the end of ``last``'s month, as far as there are any.
        raw_leads: Rows of the days ``first`` - 90 to ``last``.
        links: :func:`~funnel_assets.domain.identity.identity_links` over all days up to ``last``.
        dedup_leads: person_id, date and ``first_*`` of all days up to ``last`` + 31, those before the first day
            included: a person's earliest row is the first touch ever.
        manual_mapping: ``manual_mapping.csv``: sale_id, value.
        manual_funnels: ``manual_funnels.csv``: value, funnel.
        mapping: ``funnel_mapping.csv``.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.

    The person is the phone, else the phone known for the e-mail on the sale's day, else the e-mail, else the CRM's own
    id of the person, else the sale alone. First touches are those of the sale's calendar month (``first_*``) and of the
    90-day look-back (``origin_*``), both up to the sale's day, and ever (``ever_*``), which may be entered up to
    LATE_TOUCH_DAYS after the sale: days_to_revenue is negative then. Without a touch they are null.
    """
    known = opened(links, materialize)
    zoom = nw.from_native(zoom_attendance)
    sales = between(nw.from_native(crm_sales), first, last)
    keys = sales.select("sale_id", "date", "phone_key", "email_key", "external_key", "funnel", "status")
    sold = pinned(identified(keys, known, "sale_id", materialize), materialize)
    touched = pinned(
        all_touches(
            nw.from_native(raw_leads),
            zoom,
            known,
            first=look_back_start(first),
            last=last,
            materialize=materialize,
        ).join(sold.select("person_id").unique(), on="person_id", how="semi"),
        materialize,
    )
    told = with_final_funnel(sold, nw.from_native(manual_mapping), nw.from_native(manual_funnels))
    told = with_attendance(pinned(told, materialize), zoom, ("sale_id",))
    for prefix, month_only in (("first", True), ("origin", False)):
        firsts = first_touches(
            sold, touched, key=("sale_id",), day="date", month_only=month_only, prefix=prefix
        )
        told = told.join(firsts, on="sale_id", how="left")
    told = told.join(_first_ever(sold, nw.from_native(dedup_leads), materialize), on="sale_id", how="left")
    added = pinned(_with_funnels(pinned(told, materialize), nw.from_native(mapping)), materialize)
    return shaped(sales.join(added.select("sale_id", *_ADDED), on="sale_id", how="left"), "sales_enriched")


_ADDED = tuple(
    name
    for name in arrow_schema(CONTRACTS["sales_enriched"]).names
    if name not in arrow_schema(CONTRACTS["crm_sales"]).names
)


def _first_ever(sold: Frame, dedup_leads: Frame, materialize: Materialize) -> Frame:
    """Return the first touch ever of each sale's person, as ``ever_*``.

    The earliest of the first touches of all months is that of all time.
    """
    heads = dedup_leads.select(
        "person_id",
        nw.col("date").alias("ever_date"),
        nw.col("first_touch_at").alias("ever_touch_at"),
        *(nw.col(f"first_{name}").alias(f"ever_{name}") for name in OF_A_TOUCH),
    )
    theirs = heads.join(sold.select("person_id").unique(), on="person_id", how="semi")
    firsts = pinned(first_by(theirs, ["person_id"], ["ever_date"]), materialize)
    return (
        sold.select("sale_id", "person_id", "date")
        .join(firsts, on="person_id", how="inner")
        .filter(nw.col("ever_date") <= shifted("date", LATE_TOUCH_DAYS))
        .drop("person_id", "date")
    )


def _with_funnels(sold: Frame, mapping: Frame) -> Frame:
    """Add the funnels of the month's and the look-back's first touch, days_to_revenue and its flag, and is_paid."""
    for prefix in ("first", "origin"):
        sold = mapped(
            sold,
            mapping,
            source=f"{prefix}_source",
            day=f"{prefix}_date",
            into=f"{prefix}_funnel",
            keep_missing=True,
        )
    days = day_number("date") - day_number("ever_date")
    return sold.with_columns(
        days.alias("days_to_revenue"),
        (days < 0).fill_null(False).alias("is_sold_before_touch"),
        is_paid().alias("is_paid"),
    )


def is_paid() -> nw.Expr:
    """Return whether a sale's status means that it counts (see ``UNPAID_STATUS_PARTS``)."""
    status = nw.col("status").fill_null("").str.to_lowercase()
    return ~nw.any_horizontal(
        *(status.str.contains(part, literal=True) for part in UNPAID_STATUS_PARTS), ignore_nulls=True
    )


def with_final_funnel(sales: Frame, manual_mapping: Frame, manual_funnels: Frame) -> Frame:
    """Add manual_mapping, final_funnel and final_funnel_rule: the sheet's FINAL FUNNEL formula (seed 001).

    With ``ar`` the CRM's funnel and ``as`` the manual value: if the trimmed ``ar`` is Miscellaneous, look the trimmed
    ``as`` up and keep ``ar`` where it isn't found; else ``as`` untrimmed, if it has any length, blanks included; else
    ``ar``. A spreadsheet compares without case, and its TRIM also makes one blank of several.

    Where the formula would leave the cell empty (no ``ar`` and no ``as``), the funnel is Miscellaneous, so that no
    sale falls out of the totals; ``funnel`` still shows the empty cell.
    """
    manual = manual_mapping.filter(~nw.col("sale_id").is_null()).select(
        "sale_id", nw.col("value").alias("manual_mapping")
    )
    values = manual_funnels.filter(~nw.col("value").is_null(), ~nw.col("funnel").is_null()).select(
        trimmed("value").str.to_lowercase().alias("_value"), nw.col("funnel").alias("_looked_up")
    )
    values = first_by(values, ["_value"], ["_looked_up"])
    misc = trimmed("funnel").str.to_lowercase() == MISCELLANEOUS.lower()
    typed = nw.col("manual_mapping").fill_null("").str.len_chars() > 0
    crm = nw.when(nw.col("funnel").fill_null("").str.len_chars() > 0).then(nw.col("funnel"))
    found = ~nw.col("_looked_up").is_null()
    branches = (
        sales.join(manual, on="sale_id", how="left")
        .with_columns(trimmed("manual_mapping").str.to_lowercase().alias("_value"))
        .join(values, on="_value", how="left")
        .with_columns(
            misc.fill_null(False).alias("_misc"),
            typed.alias("_typed"),
            found.alias("_found"),
            crm.alias("_crm"),
        )
    )
    looked_up, by_hand = nw.col("_misc") & nw.col("_found"), ~nw.col("_misc") & nw.col("_typed")
    from_crm = ~nw.col("_misc") & ~nw.col("_crm").is_null()
    return branches.with_columns(
        nw.when(looked_up)
        .then(nw.col("_looked_up"))
        .when(by_hand)
        .then(nw.col("manual_mapping"))
        .otherwise(nw.coalesce("_crm", nw.lit(MISCELLANEOUS)))
        .alias("final_funnel"),
        nw.when(looked_up)
        .then(nw.lit("manual_lookup"))
        .when(by_hand)
        .then(nw.lit("manual_value"))
        .when(from_crm)
        .then(nw.lit("crm_funnel"))
        .otherwise(nw.lit("miscellaneous_kept"))
        .alias("final_funnel_rule"),
    ).drop("_value", "_looked_up", "_misc", "_typed", "_found", "_crm")


def trimmed(text: str) -> nw.Expr:
    """Return a text as the spreadsheet's TRIM gives it: no blanks at the ends, one between words."""
    return nw.col(text).str.replace_all(" +", " ").str.strip_chars(" ")
