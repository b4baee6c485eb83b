"""sale_credit: a paid sale's revenue divided over the touches that led to it (SPEC 6, beside first touch).

Belongs here: the models' weights, and dividing an amount so that nothing is lost. Does not belong here: what a touch
is, or whose. First touch stays the rule of every other dataset; this one shows what other models would say.

An amount is divided in whole paise by largest remainder: each touch gets the whole part of its share, and the paise
left over go, one each, to the largest fractions, on a tie to the earlier touch. All of it is integer arithmetic, so
every engine gives the same paise, and each model adds up to the sale exactly.
"""

import datetime as dt
from collections.abc import Mapping

import narwhals as nw

from funnel_assets.domain.attribution import all_touches
from funnel_assets.domain.frames import (
    LOOK_BACK_DAYS,
    Frame,
    Materialize,
    Native,
    between,
    day_number,
    look_back_start,
    numbered,
    pinned,
    shaped,
    shifted,
    unchanged,
)
from funnel_assets.domain.identity import opened
from funnel_assets.domain.mapping import mapped

HALF_LIFE_DAYS = 7
"""Time decay: a touch this many days before another counts half as much."""

DECAY_UNIT = 1_000_000
_DECAY = tuple(round(DECAY_UNIT * 2 ** (-days / HALF_LIFE_DAYS)) for days in range(LOOK_BACK_DAYS + 1))
"""Weight of a touch by its days before the sale's last touch. Whole millionths, because powers of two differ in their
last digit from engine to engine; from the last touch and not the sale, because only ratios count and the largest
weight is then always a full million."""

AMOUNTS = ("gross_revenue_paise", "net_revenue_paise")


def weights() -> Mapping[str, nw.Expr]:
    """Return each model's weight of a touch, from ``touch_number`` (1 is the earliest), ``touches`` and ``_age``.

    Only ratios within a sale count. Position-based gives the first and the last touch 40 % each and divides 20 %
    among those between; of two touches each gets half. ``_age`` is in days before the sale's last touch.
    """
    number, count, age = nw.col("touch_number"), nw.col("touches"), nw.col("_age")
    one = count * 0 + 1  # a bare literal has another type on some engines
    is_end = (number <= 1) | (number == count)
    return {
        "first_touch": (number <= 1).cast(nw.Int64),
        "last_touch": (number == count).cast(nw.Int64),
        "linear": one,
        "position_based": nw.when(is_end & (count > 2)).then((count - 2) * 2).otherwise(one),
        "time_decay": nw.coalesce(
            *(nw.when(age == days).then(nw.lit(weight)) for days, weight in enumerate(_DECAY))
        ).cast(nw.Int64),
    }


MODELS = ("first_touch", "last_touch", "linear", "position_based", "time_decay")


def sale_credit(
    sales_enriched: Native,
    raw_leads: Native,
    zoom_attendance: Native,
    links: Native,
    mapping: Native,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the credit that each touch of the look-back has in the paid sales of the days ``first`` to ``last``.

    Grain and columns: contract ``sale_credit``.

    Args:
        sales_enriched: Rows of the days wanted; only paid ones count.
        raw_leads: Rows of the days ``first`` - 90 to ``last``.
        zoom_attendance: Rows of the same days.
        links: :func:`~funnel_assets.domain.identity.identity_links` over all days up to ``last``.
        mapping: ``funnel_mapping.csv``; a touch's own day decides which row is valid.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.

    A sale without a known touch keeps its whole revenue in one row a model, with ``touch_number`` 0 and no source, so
    that each model adds up to all paid sales. A missing amount stays missing.
    """
    sold = pinned(_paid(between(nw.from_native(sales_enriched), first, last)), materialize)
    touched = all_touches(
        nw.from_native(raw_leads),
        nw.from_native(zoom_attendance),
        opened(links, materialize),
        first=look_back_start(first),
        last=last,
        materialize=materialize,
    ).join(sold.select("person_id").unique(), on="person_id", how="semi")
    led = pinned(_touches_of(sold, pinned(touched, materialize)), materialize)
    told = pinned(
        mapped(led, nw.from_native(mapping), source="source", day="date", into="funnel"), materialize
    )
    weighed = pinned(told.with_columns(**weights()).drop("_age"), materialize)
    credited = _divided(_by_model(weighed), materialize)
    share = nw.col("_weight").cast(nw.Float64) / nw.col("_total").cast(nw.Float64)
    named = credited.with_columns(share.alias("share")).rename({"date": "touch_date"})
    return shaped(named.rename({"sale_date": "date"}), "sale_credit")


_TOUCH = ("touch_id", "date", "touched_at", "source", "medium", "campaign")


def _paid(sales: Frame) -> Frame:
    """Return the sales that were paid, with the amounts to divide."""
    return sales.filter(nw.col("is_paid")).select(
        "sale_id",
        nw.col("date").alias("sale_date"),
        "person_id",
        "currency",
        nw.col("total_amount_paise").alias("gross_revenue_paise"),
        nw.col("net_amount_paise").alias("net_revenue_paise"),
    )


def _touches_of(sold: Frame, touched: Frame) -> Frame:
    """Return each sale with each touch of its look-back, numbered from the earliest; one row where there is none."""
    asked = sold.select("sale_id", "person_id", "sale_date")
    met = asked.join(touched.select("person_id", "nth", *_TOUCH), on="person_id", how="inner").filter(
        nw.col("date") >= shifted("sale_date", -LOOK_BACK_DAYS), nw.col("date") <= nw.col("sale_date")
    )
    ordered = numbered(met, "sale_id", ["nth"], "touch_number").select(
        "sale_id", *_TOUCH, nw.col("touch_number").cast(nw.Int64), day_number("date").alias("_day")
    )
    totals = ordered.group_by("sale_id").agg(
        nw.col("touch_number").max().alias("touches"), nw.col("_day").max().alias("_last_day")
    )
    led = sold.join(ordered, on="sale_id", how="left").join(totals, on="sale_id", how="left")
    return led.with_columns(
        nw.col("touch_number").fill_null(0),
        nw.col("touches").fill_null(0),
        (nw.col("_last_day") - nw.col("_day")).fill_null(0).alias("_age"),
    ).drop("_day", "_last_day")


def _by_model(weighed: Frame) -> Frame:
    """Return a row for each model that gives the touch any weight, with that weight."""
    return nw.concat(
        [
            weighed.filter(nw.col(model) > 0)
            .with_columns(nw.lit(model).alias("model"), nw.col(model).alias("_weight"))
            .drop(*MODELS)
            for model in MODELS
        ],
        how="vertical",
    )


def _divided(every: Frame, materialize: Materialize) -> Frame:
    """Replace each sale's amounts by the touch's part of them, within each sale and model.

    With a the amount, w the weight and W the sum of weights, a * w / W is (a // W) * w + (a % W) * w / W: products
    stay below W * w, far from the end of 64 bits, whatever the amount. Negative amounts are divided as positive ones.
    """
    group = ("sale_id", "model")
    weight, total = nw.col("_weight"), nw.col("_total")
    split = every.with_columns(weight.sum().over(*group).cast(nw.Int64).alias("_total"))
    split = split.with_columns(**{f"{name}_q": nw.col(name).abs() // total for name in AMOUNTS})
    # By subtraction: Arrow-backed pandas has no modulo.
    split = split.with_columns(
        **{f"{name}_r": (nw.col(name).abs() - nw.col(f"{name}_q") * total) * weight for name in AMOUNTS}
    )
    split = split.with_columns(**{f"{name}_m": nw.col(f"{name}_r") // total for name in AMOUNTS})
    split = split.with_columns(
        **{f"{name}_part": nw.col(f"{name}_q") * weight + nw.col(f"{name}_m") for name in AMOUNTS},
        **{f"{name}_order": nw.col(f"{name}_m") * total - nw.col(f"{name}_r") for name in AMOUNTS},
    )
    split = pinned(
        split.with_columns(
            **{
                f"{name}_left": nw.col(name).abs() - nw.col(f"{name}_part").sum().over(*group).cast(nw.Int64)
                for name in AMOUNTS
            }
        ),
        materialize,
    )
    for name in AMOUNTS:
        split = numbered(split, group, [f"{name}_order", "touch_number"], f"{name}_rank")
    return split.with_columns(**{name: _signed(name) for name in AMOUNTS})


def _signed(name: str) -> nw.Expr:
    """Return a touch's part: one paisa more for the touches with the largest fractions."""
    part = nw.col(f"{name}_part") + (nw.col(f"{name}_rank") <= nw.col(f"{name}_left")).cast(nw.Int64)
    return nw.when(nw.col(name) < 0).then(part * -1).otherwise(part)
