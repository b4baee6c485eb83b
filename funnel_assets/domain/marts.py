"""funnel_marts: the additive figures of a day, and the proof that nothing was lost on the way (SPEC 6).

Belongs here: which row of which dataset counts where. Does not belong here: rates, month-to-date, any ratio: they
don't add up, and are views.
"""

import datetime as dt
from dataclasses import dataclass

import narwhals as nw
import pyarrow as pa

from funnel_assets.domain.frames import (
    Frame,
    Materialize,
    Native,
    between,
    given,
    matched,
    month_number,
    month_start,
    pinned,
    shaped,
    typed,
    unchanged,
)
from funnel_assets.domain.identity import identified, opened
from funnel_assets.domain.mapping import MISCELLANEOUS, spelled

NONE = "Unknown"
"""Source, medium or campaign where there is none; a source's own word for that is folded into it."""
DIMENSIONS = ("funnel", "source", "medium", "campaign")
PARTS: dict[str, tuple[str, ...]] = {
    "has_marketing": ("leads", "registrations", "attended"),
    "has_sales": ("handovers", "handovers_attended", "sales", "gross_revenue_paise", "net_revenue_paise"),
    "has_spend": (
        "spend_paise",
        "impressions",
        "clicks",
        "spend_lines",
        "impressions_lines",
        "clicks_lines",
    ),
}
"""The flag that says whether a part of the day is there, and the figures that come from that part."""

RECONCILIATION: dict[str, pa.DataType] = {
    "step": pa.string(),
    "day": pa.date32(),
    **dict.fromkeys(("expected", "found", "difference"), pa.int64()),
}
"""Columns of :func:`reconcile`."""

_STATED_IN = {"impressions": "impressions_lines", "clicks": "clicks_lines"}
"""Figures that a line of spend may leave empty, and the count of the lines that state them."""

MEASURES = tuple(measure for measures in PARTS.values() for measure in measures)


@dataclass(frozen=True)
class Parts:
    """The datasets that a mart is made of, as native frames of one engine; each may hold more days than wanted.

    Attributes:
        dedup_leads: Rows from the first day of the first day's month.
        zoom_attendance: Rows of the days wanted.
        links: :func:`~funnel_assets.domain.identity.identity_links`: tells whose a Zoom record is.
        assigned_leads: Rows of the days wanted.
        sales_enriched: Rows of the days wanted; only paid ones count.
        spend: Rows of the days wanted.
        mapping: ``funnel_mapping.csv``, and
        manual_funnels: ``manual_funnels.csv``: how funnels are spelled.
        present: date, has_marketing, has_spend, has_sales: which parts of which day are complete.
    """

    dedup_leads: Native
    zoom_attendance: Native
    links: Native
    assigned_leads: Native
    sales_enriched: Native
    spend: Native
    mapping: Native
    manual_funnels: Native
    present: Native


def funnel_marts(
    parts: Parts,
    *,
    first: dt.date,
    last: dt.date,
    currency: str = "INR",
    materialize: Materialize = unchanged,
) -> Native:
    """Return the figures of the days ``first`` to ``last`` by funnel, source, medium and campaign.

    Grain and columns: contract ``funnel_marts``. ``currency`` is that of all amounts: one mart has one.

    Leads, registrations and attendances stand under the person's first touch of the month. Handovers stand under
    their own first source; sales under their final funnel, with the origin's source, medium and campaign; spend under
    its own funnel, with the platform as source and the campaign type as medium. Registrations and attendances are
    Zoom records: somebody at two webinars on one day counts twice. A figure whose part is missing for the day is null,
    and rows of that part are left out. Impressions and clicks are null where no line of spend states them.
    """
    figures = nw.concat(
        [
            _with_measures(_standing(rows, *dimensions), part, measures)
            for rows, part, dimensions, measures in _sources(parts, first, last, materialize)
        ],
        how="vertical",
    )
    rules = nw.from_native(parts.mapping), nw.from_native(parts.manual_funnels)
    figures = spelled(figures, *rules, funnel="funnel")
    flags = nw.from_native(parts.present).select("date", *PARTS)
    complete = ((nw.col("part") == flag) & nw.col(flag) for flag in PARTS)
    totals = (
        figures.join(flags, on="date", how="inner")
        .filter(nw.any_horizontal(*complete, ignore_nulls=True))
        .group_by("date", *DIMENSIONS, *PARTS)
        .agg(*(nw.col(name).sum() for name in MEASURES))
    )
    known = (
        nw.when(nw.col(flag), *_is_stated(name)).then(nw.col(name).cast(nw.Int64)).alias(name)
        for flag, names in PARTS.items()
        for name in names
    )
    return shaped(totals.with_columns(*known, nw.lit(currency).alias("currency")), "funnel_marts")


def _is_stated(name: str) -> list[nw.Expr]:
    """Return when a sum is known: not where there are lines of spend and none states it."""
    lines = _STATED_IN.get(name)
    return [(nw.col(lines) > 0) | (nw.col("spend_lines") == 0)] if lines else []


_FIRST = ("first_funnel", "first_source", "first_medium", "first_campaign")
_ORIGIN = ("final_funnel", "origin_source", "origin_medium", "origin_campaign")
_HANDED_OVER = ("funnel", "first_source", None, None)
_SPENT = ("funnel", "platform", "campaign_type", "campaign")


def _sources(
    parts: Parts, first: dt.date, last: dt.date, materialize: Materialize
) -> list[tuple[Frame, str, tuple[str | None, ...], dict[str, nw.Expr]]]:
    """Return each dataset's rows, its part, its columns for the four dimensions, and what a row adds to the figures."""
    rows = _rows(parts, first, last)
    zoom = _with_first_touch(rows["zoom_attendance"], parts, first, last, materialize)
    return [
        (rows["dedup_leads"], "has_marketing", _FIRST, ADDS["dedup_leads"]),
        (zoom, "has_marketing", _FIRST, ADDS["zoom_attendance"]),
        (rows["assigned_leads"], "has_sales", _HANDED_OVER, ADDS["assigned_leads"]),
        (rows["sales_enriched"], "has_sales", _ORIGIN, ADDS["sales_enriched"]),
        (rows["spend"], "has_spend", _SPENT, ADDS["spend"]),
    ]


def _rows(parts: Parts, first: dt.date, last: dt.date) -> dict[str, Frame]:
    """Return the rows of each dataset that count on the days wanted."""
    return {name: counting(name, between(nw.from_native(getattr(parts, name)), first, last)) for name in ADDS}


def counting(dataset: str, rows: Frame) -> Frame:
    """Return those rows of a dataset that add to the figures: of sales, the paid ones."""
    return rows.filter(nw.col("is_paid")) if dataset == "sales_enriched" else rows


def added(dataset: str, rows: Frame, *keys: str) -> Frame:
    """Return what each row adds to its figures: the key columns and the figures of ``ADDS``."""
    return counting(dataset, rows).select(
        *keys, *(add.cast(nw.Int64).fill_null(0).alias(name) for name, add in ADDS[dataset].items())
    )


def _nothing() -> nw.Expr:
    """Return 0 for every row, from a column: a bare literal has another type on some engines."""
    return (nw.col("date").dt.day() * 0).cast(nw.Int64)


ADDS: dict[str, dict[str, nw.Expr]] = {
    "dedup_leads": {"leads": _nothing() + 1},
    "zoom_attendance": {
        "registrations": nw.col("attendance_type").is_in(["attended", "no_show"]),
        "attended": nw.col("attended") == "Y",
    },
    "assigned_leads": {"handovers": _nothing() + 1, "handovers_attended": nw.col("attended") == "Yes"},
    "sales_enriched": {
        "sales": _nothing() + 1,
        "gross_revenue_paise": nw.col("total_amount_paise"),
        "net_revenue_paise": nw.col("net_amount_paise"),
    },
    "spend": {
        "spend_paise": nw.col("cost_paise"),
        "impressions": nw.col("impressions"),
        "clicks": nw.col("clicks"),
        "spend_lines": _nothing() + 1,
        **{lines: ~nw.col(name).is_null() for name, lines in _STATED_IN.items()},
    },
}
"""What one row of a dataset adds to which figure; an amount that is missing adds nothing."""


def _with_first_touch(
    zoom: Frame, parts: Parts, first: dt.date, last: dt.date, materialize: Materialize
) -> Frame:
    """Return Zoom records with the first touch of the month of their person: there is one, the record is a touch."""
    people = identified(zoom, opened(parts.links, materialize), "attendance_id", materialize)
    heads = between(nw.from_native(parts.dedup_leads), month_start(first), last).select(
        "person_id", month_number("date").alias("month"), *_FIRST
    )
    return people.with_columns(month_number("date").alias("month")).join(
        heads, on=["person_id", "month"], how="left"
    )


def _standing(rows: Frame, *dimensions: str | None) -> Frame:
    """Add the mart's dimensions under names of their own, trimmed, blanks named."""
    blank = {"funnel": MISCELLANEOUS}
    return rows.with_columns(
        *(
            (
                nw.when(given(column) & ((matched(column) != NONE.lower()) | nw.lit(name in blank)))
                .then(nw.col(column).str.strip_chars())
                .otherwise(nw.lit(blank.get(name, NONE)))
                if column
                else nw.lit(NONE)
            ).alias(f"in_{name}")
            for name, column in zip(DIMENSIONS, dimensions, strict=True)
        )
    )


def _with_measures(rows: Frame, part: str, adds: dict[str, nw.Expr]) -> Frame:
    """Return day, dimensions, part and all measures of each row; those of other datasets are 0."""
    return rows.select(
        "date",
        *(nw.col(f"in_{name}").alias(name) for name in DIMENSIONS),
        nw.lit(part).alias("part"),
        *(adds.get(name, _nothing()).cast(nw.Int64).fill_null(0).alias(name) for name in MEASURES),
    )


def reconcile(
    marts: Native, parts: Parts, *, first: dt.date, last: dt.date, materialize: Materialize = unchanged
) -> Native:
    """Compare each figure of the mart with the dataset it comes from, day by day.

    Grain: one row per step and day that either side knows. Columns: step (the dataset and the figure), day, expected
    (the dataset's own total, counted without any join), found (the mart's), difference (found - expected). Parts that
    aren't present on a day are expected to be absent. All is well when every difference is 0.
    """
    flags = pinned(nw.from_native(parts.present).select("date", *PARTS), materialize)
    sums = (
        between(nw.from_native(marts), first, last)
        .group_by("date")
        .agg(*(nw.col(name).sum() for name in MEASURES))
    )
    sums = pinned(sums, materialize)
    compared: list[Frame] = []
    for dataset, rows in _rows(parts, first, last).items():
        flag = next(flag for flag, names in PARTS.items() if set(ADDS[dataset]) <= set(names))
        expected = (
            rows.join(flags.filter(nw.col(flag)).select("date"), on="date", how="inner")
            .select(
                "date", *(add.cast(nw.Int64).fill_null(0).alias(name) for name, add in ADDS[dataset].items())
            )
            .group_by("date")
            .agg(*(nw.col(name).sum() for name in ADDS[dataset]))
        )
        expected = pinned(expected, materialize)
        for name in ADDS[dataset]:
            compared.append(_side(expected, f"{dataset}: {name}", name, "expected"))
            compared.append(_side(sums, f"{dataset}: {name}", name, "found"))
    steps = (
        nw.concat(compared, how="vertical")
        .group_by("step", "day")
        .agg(nw.col("expected").sum(), nw.col("found").sum())
        .with_columns((nw.col("found") - nw.col("expected")).alias("difference"))
    )
    return typed(steps, RECONCILIATION)


def _side(sums: Frame, step: str, measure: str, side: str) -> Frame:
    """Return one side of the comparison of one figure, the other side 0."""
    value = nw.col(measure).cast(nw.Int64).fill_null(0)
    return sums.select(
        nw.lit(step).alias("step"),
        nw.col("date").alias("day"),
        *((value if name == side else _nothing()).alias(name) for name in ("expected", "found")),
    )
