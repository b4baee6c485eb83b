"""scored_contacts: score, stage, health and what to do next, as rows of change (SPEC 6; seeds 000, 002).

Belongs here: how rules that people edit are applied to a contact's engagement. Does not belong here: the rules.

A contact's state can only change on a few days, its *moments*: when it is active, when a sale is first paid, when its
health turns, and when an override starts or ends. Between two active days a contact's counts stand still, so each
*span* from one active day to the next carries all that the moments within it need. What the rules say of a moment is
three small numbers (score, the row of stages.csv that decided, health); moments are kept where these or the overrides
differ from the moment before, and only those are put into words.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import narwhals as nw

from funnel_assets.contracts.marketing import HEALTH
from funnel_assets.domain.frames import (
    Frame,
    Materialize,
    Native,
    between,
    day_number,
    last_by,
    pinned,
    shaped,
    shifted,
    unchanged,
)
from funnel_assets.domain.keys import ALONE_MARK
from funnel_assets.domain.rules import ACTIVITIES, Row, Rules, cell

__all__ = [
    "ACTIVITIES",
    "ENGAGED",
    "OVERRIDE_FIELDS",
    "TURNS_AFTER",
    "Rules",
    "intent_index",
    "scored_contacts",
]

STALE_AFTER_DAYS = 14
DORMANT_AFTER_DAYS = 45
TURNS_AFTER = (STALE_AFTER_DAYS + 1, DORMANT_AFTER_DAYS + 1)
"""Days after somebody was last active on which health turns."""

HALF_INDEX_SCORE = 40
"""Score at which the intent index is 50: one booked demo, the threshold of an SQL in seed 000."""

OVERRIDE_FIELDS = (
    "current_stage",
    "engagement_health",
    "next_playbook",
    "nurture_track",
    "owner_department",
    "sales_priority",
    "track_channels",
    "track_frequency",
)
"""Fields that overrides.csv may set, in the order in which ``override_applied`` names them."""

_TOTALS = (*(name for name in ACTIVITIES.values() if name != "paid_sales"), "total_other_points")
_MOST_WAYS = 1000
_FACTS = ("last_engaged_at", "first_touch_channel")

ENGAGED = ("person_id", "date", *_TOTALS, "last_engaged_at", "channel")
"""Columns of ``engagement_summary`` that are looked at."""


def intent_index(score: int) -> int:
    """Return a score on a scale of 0 to 100: 100 * score / (score + 40), rounded down.

    It never reaches 100, grows with every point, and is 50 at the score of one demo, so that it compares contacts
    however long they have been known.
    """
    return 100 * score // (score + HALF_INDEX_SCORE)


def scored_contacts(
    engagement_summary: Native,
    paid_sales: Native,
    rules: Rules,
    overrides: Native | None = None,
    *,
    first: dt.date,
    last: dt.date,
    materialize: Materialize = unchanged,
) -> Native:
    """Return the contacts whose state changed on a day of ``first`` to ``last``, with the new state.

    Grain and columns: contract ``scored_contacts``.

    Args:
        engagement_summary: All rows from the first day there is to ``last``; columns :data:`ENGAGED`.
        paid_sales: person_id and date of every paid sale up to ``last``.
        rules: Scoring, stages, tracks and playbooks.
        overrides: person_id, field, value, reason, author, effective_on, expires_on: holds from effective_on to the
            day before expires_on (null: for ever). Of two on one field, the one that became effective last wins.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.

    A contact is somebody with a phone, an e-mail or a source's id; a record that stands alone is nobody's. Somebody who
    paid without ever engaging is a contact too, its health counted from the latest payment. An overridden
    stage carries the override's reason and author, and everything that follows from the stage (owner, track, playbook,
    priority) follows the new one; an override of one of these fields wins over that. A change of what an override
    covers is still a row.
    """
    engaged, sales = (
        nw.from_native(rows).filter(
            nw.col("date") <= nw.lit(last), ~nw.col("person_id").str.starts_with(ALONE_MARK)
        )
        for rows in (engagement_summary, paid_sales)
    )
    paid = sales.select("person_id", "date").unique()
    forced = None if overrides is None else _forced(nw.from_native(overrides), last)
    in_reach = pinned(_in_reach(engaged, paid, forced, first, last), materialize)
    theirs, sold = (
        dated.join(in_reach, on="person_id", how="semi") for dated in (engaged, pinned(paid, materialize))
    )
    spans = pinned(_spans(theirs, sold, rules), materialize)
    moments = pinned(_moments(spans, forced, last), materialize)
    held = None if forced is None else _held(moments, forced)
    changes = pinned(between(_changes(moments, held), first, last), materialize)
    return shaped(_in_words(changes, rules, with_overrides=held is not None), "scored_contacts")


def _forced(overrides: Frame, last: dt.date) -> Frame:
    """Return the overrides that may hold by the last day, on fields that may be set."""
    return overrides.filter(
        nw.col("effective_on") <= nw.lit(last), nw.col("field").is_in(list(OVERRIDE_FIELDS))
    ).select("person_id", "field", "value", "reason", "author", "effective_on", "expires_on")


def _turns(forced: Frame) -> Frame:
    """Return the days on which a contact's overrides start or end."""
    days = [forced.select("person_id", nw.col(name).alias("date")) for name in ("effective_on", "expires_on")]
    return nw.concat(days, how="vertical").filter(~nw.col("date").is_null()).unique()


def _in_reach(engaged: Frame, paid: Frame, forced: Frame | None, first: dt.date, last: dt.date) -> Frame:
    """Return the contacts whose state may change in the days wanted: no others need be looked at."""
    days = [
        between(dated.select("person_id", "date"), first - dt.timedelta(lag), last - dt.timedelta(lag))
        for dated in (engaged, paid)
        for lag in (0, *TURNS_AFTER)
    ]
    if forced is not None:
        days.append(between(_turns(forced), first, last))
    return nw.concat(days, how="vertical").select("person_id").unique()


def _spans(engaged: Frame, paid: Frame, rules: Rules) -> Frame:
    """Return for each contact the days from which its counts stand still, up to the next such day.

    Columns: person_id, since, until (null: still), score and way (see :func:`_judged`), the same once it has paid,
    last_engaged_at, first_touch_channel, paid_on (its first paid sale).
    """
    active = engaged.select(
        "person_id", "date", *_TOTALS, "last_engaged_at", nw.col("channel").alias("first_touch_channel")
    )
    began = active.group_by("person_id").agg(nw.col("date").min().alias("began_on"))
    only_paid = (
        paid.join(began, on="person_id", how="left")
        .filter(nw.col("began_on").is_null() | (nw.col("date") < nw.col("began_on")))
        .select("person_id", "date")
        .join(active, on=["person_id", "date"], how="left")
        .select("person_id", "date", *(nw.col(name).fill_null(0) for name in _TOTALS), *_FACTS)
    )
    first_paid = paid.group_by("person_id").agg(nw.col("date").min().alias("paid_on"))
    return (
        _judged(nw.concat([active, only_paid], how="vertical"), rules)
        .with_columns(nw.col("since").shift(-1).over("person_id", order_by="since").alias("until"))
        .join(first_paid, on="person_id", how="left")
    )


def _judged(counted: Frame, rules: Rules) -> Frame:
    """Return each span's score and way, before and after a first paid sale.

    A way is the number of a row in :func:`_ways`: the first that holds.
    """
    nothing = nw.col(_TOTALS[0]) * 0
    for paid, suffix in ((0, ""), (1, "_paid")):
        score: Any = nw.col("total_other_points")
        for row in rules.scoring:
            if cell(row, "activity") in ACTIVITIES:
                score = score + _points(row, nothing)
        way = _first_that_holds(list(zip(_conditions(rules), range(len(rules.stages)), strict=True)))
        counted = counted.with_columns((nothing + paid).alias("paid_sales")).with_columns(
            score.alias(f"score{suffix}"), way.cast(nw.Int64).alias(f"way{suffix}")
        )
    return counted.select(
        "person_id", nw.col("date").alias("since"), "score", "way", "score_paid", "way_paid", *_FACTS
    )


def _points(row: Row, nothing: Any) -> Any:
    """Return the points of a row of scoring.csv: for each time, or once while the total is in the row's band."""
    total, points = nw.col(ACTIVITIES[cell(row, "activity")]), int(row["points"])
    at_least, below = cell(row, "at_least"), cell(row, "below")
    if not at_least and not below:
        return total * points
    in_band = total >= int(at_least or 0)
    if below:
        in_band = in_band & (total < int(below))
    return nw.when(in_band).then(nothing + points).otherwise(nothing)


def _ways(rules: Rules) -> list[Row]:
    """Return the rows of stages.csv from the highest rank down, in the file's order within a rank."""
    return sorted(rules.stages, key=lambda row: -int(row["rank"]))


def _conditions(rules: Rules) -> list[Any]:
    """Return the condition of each of :func:`_ways`."""
    holds: dict[str, Any] = {}
    conditions: dict[int, Any] = {}
    for number, row in reversed(list(enumerate(_ways(rules)))):
        activity, needed, stage = (cell(row, name) for name in ("activity", "requires_stage", "stage"))
        enough = nw.col(ACTIVITIES[activity or "paid_sale"]) >= (int(row["minimum"]) if activity else 0)
        conditions[number] = enough & holds[needed] if needed else enough
        holds[stage] = holds[stage] | conditions[number] if stage in holds else conditions[number]
    return [conditions[number] for number in sorted(conditions)]


def _moments(spans: Frame, forced: Frame | None, last: dt.date) -> Frame:
    """Return the days on which a contact's state may change, each once, with what the rules say of it.

    Columns: person_id, date, score, way, health (0 Active, 1 Stale, 2 Dormant), last_engaged_at, first_touch_channel.
    """
    turning = [shifted("since", lag) for lag in TURNS_AFTER]
    marks = spans.with_columns(
        nw.col("since").alias("on_0"), *(day.alias(f"on_{n}") for n, day in enumerate(turning, 1))
    )
    days = [marks.with_columns(nw.col(f"on_{number}").alias("date")) for number in range(3)]
    usual = [nw.col("date") != nw.col(f"on_{number}") for number in range(3)]
    days.append(marks.with_columns(nw.col("paid_on").alias("date")).filter(*usual))
    if forced is not None:
        turned = marks.join(_turns(forced), on="person_id", how="inner").filter(
            *usual, nw.col("paid_on").is_null() | (nw.col("date") != nw.col("paid_on"))
        )
        days.append(turned.select(*days[0].collect_schema().names()))
    in_span = (
        nw.col("date") >= nw.col("since"),
        nw.col("until").is_null() | (nw.col("date") < nw.col("until")),
        nw.col("date") <= nw.lit(last),
    )
    has_paid = (~nw.col("paid_on").is_null() & (nw.col("paid_on") <= nw.col("date"))).fill_null(False)
    idle = day_number("date") - day_number("since")
    return (
        nw.concat([day.filter(*in_span) for day in days], how="vertical")
        .with_columns(has_paid.alias("has_paid"), idle.alias("idle"))
        .select(
            "person_id",
            "date",
            nw.when(nw.col("has_paid")).then(nw.col("score_paid")).otherwise(nw.col("score")).alias("score"),
            nw.when(nw.col("has_paid")).then(nw.col("way_paid")).otherwise(nw.col("way")).alias("way"),
            _first_that_holds(
                [
                    (nw.col("idle") <= STALE_AFTER_DAYS, 0),
                    (nw.col("idle") <= DORMANT_AFTER_DAYS, 1),
                    (None, 2),
                ]
            )
            .cast(nw.Int64)
            .alias("health"),
            *_FACTS,
        )
    )


def _held(moments: Frame, forced: Frame) -> Frame:
    """Return the values that overrides hold on a moment: one row per moment with any, a column ``forced_*`` a field.

    ``stage_reason`` and ``stage_author`` are those of the override of the stage.
    """
    holding = (
        moments.select("person_id", "date")
        .join(forced, on="person_id", how="inner")
        .filter(
            nw.col("effective_on") <= nw.col("date"),
            nw.col("expires_on").is_null() | (nw.col("date") < nw.col("expires_on")),
        )
    )
    chosen = last_by(holding, ["person_id", "date", "field"], ["effective_on", "value", "reason", "author"])
    told = {name: (name, "value") for name in OVERRIDE_FIELDS}
    told |= {f"stage_{name}": ("current_stage", name) for name in ("reason", "author")}
    by_field = chosen.with_columns(
        *(
            nw.when(nw.col("field") == field).then(nw.col(column)).alias(f"forced_{name}")
            for name, (field, column) in told.items()
        )
    )
    fields = [f"forced_{name}" for name in told]
    texts = [nw.coalesce(name, nw.lit("")) for name in fields]
    return (
        by_field.group_by("person_id", "date")
        .agg(*(nw.col(name).max() for name in fields))
        .with_columns(nw.concat_str(texts, separator="\x1f").alias("forced"))
    )


def _changes(moments: Frame, held: Frame | None) -> Frame:
    """Keep the moments that differ from the one before; add way_before and stage_forced_before.

    Score, way and health are one number, so that one comparison tells.
    """
    packed = (nw.col("score") * _MOST_WAYS + nw.col("way")) * len(HEALTH) + nw.col("health")
    moments = moments.with_columns(packed.alias("state"))
    before = {"state_before": "state"}
    if held is not None:
        moments = moments.join(held, on=["person_id", "date"], how="left")
        before |= {"forced_before": "forced", "stage_forced_before": "forced_current_stage"}
    compared = moments.with_columns(
        *(
            nw.col(name).shift(1).over("person_id", order_by="date").alias(into)
            for into, name in before.items()
        )
    )
    differs = nw.col("state_before").is_null() | (nw.col("state") != nw.col("state_before"))
    if held is not None:
        differs = differs | (nw.col("forced").fill_null("") != nw.col("forced_before").fill_null(""))
    score_and_way = nw.col("state_before") // len(HEALTH)
    way_before = score_and_way - score_and_way // _MOST_WAYS * _MOST_WAYS
    return compared.filter(differs).with_columns(way_before.alias("way_before"))


def _in_words(changes: Frame, rules: Rules, *, with_overrides: bool) -> Frame:
    """Put each change into words: what the rules say, and over it what overrides set.

    Every text is chosen by way and health alone, never by another text: an engine that folds expressions into one
    would write the rules of the stage out in each of the others.
    """
    score = nw.col("score")
    if with_overrides:
        changes = changes.with_columns(_forced_way(rules).alias("way"))
    told = changes.with_columns(
        score.alias("intent_score"),
        (score * 100 // (score + HALF_INDEX_SCORE)).alias("intent_index"),
        _of_way("way_before", [cell(row, "stage") for row in _ways(rules)]).alias("previous_stage"),
        **_texts(rules),
    )
    if not with_overrides:
        nothing = nw.when(nw.col("person_id").is_null()).then(nw.col("person_id"))
        return told.with_columns(nothing.alias("override_applied"), nothing.alias("stage_author"))
    named = [
        nw.when(~nw.col(f"forced_{name}").is_null()).then(nw.lit(f"{name},")).otherwise(nw.lit(""))
        for name in OVERRIDE_FIELDS
    ]
    applied = nw.when(~nw.col("forced").is_null()).then(nw.concat_str(named).str.strip_chars(","))
    return told.with_columns(
        *(nw.coalesce(f"forced_{name}", name).alias(name) for name in (*OVERRIDE_FIELDS, "stage_reason")),
        nw.col("forced_stage_author").alias("stage_author"),
        nw.coalesce("stage_forced_before", "previous_stage").alias("previous_stage"),
        applied.alias("override_applied"),
    )


def _forced_way(rules: Rules) -> Any:
    """Return the way of the stage that an override sets (the highest of its rows), else the contact's own."""
    chain: Any = nw
    for stage, number in {
        cell(row, "stage"): n for n, row in reversed(list(enumerate(_ways(rules))))
    }.items():
        chain = chain.when(nw.col("forced_current_stage") == stage).then(nw.lit(number))
    return chain.otherwise(nw.col("way")).cast(nw.Int64)


def _texts(rules: Rules) -> dict[str, Any]:
    """Return the texts that follow from way and health."""
    ways = _ways(rules)
    tracks = {cell(row, "stage"): row for row in rules.nurture_tracks}
    by_way = {
        "current_stage": [cell(row, "stage") for row in ways],
        "stage_reason": [cell(row, "reason") for row in ways],
        "owner_department": [cell(row, "owner_department") for row in ways],
        "nurture_track": [cell(tracks[cell(row, "stage")], "track") for row in ways],
        "track_frequency": [cell(tracks[cell(row, "stage")], "frequency") for row in ways],
        "track_channels": [cell(tracks[cell(row, "stage")], "channels") for row in ways],
    }
    healths: list[tuple[Any, str | int]] = [(nw.col("health") == n, name) for n, name in enumerate(HEALTH)]
    fits = [_fits(row, rules) for row in rules.playbooks]
    return {
        **{into: _of_way("way", texts) for into, texts in by_way.items()},
        "engagement_health": _first_that_holds(healths),
        "next_playbook": _first_that_holds(
            [(fit, cell(row, "playbook")) for fit, row in zip(fits, rules.playbooks, strict=True)]
        ),
        "sales_priority": _first_that_holds(
            [(fit, cell(row, "priority")) for fit, row in zip(fits, rules.playbooks, strict=True)]
        ),
    }


def _of_way(way: str, texts: Sequence[str]) -> Any:
    """Return the text of a way; null where there is none."""
    chain: Any = nw
    for number, text in enumerate(texts):
        chain = chain.when(nw.col(way) == number).then(nw.lit(text))
    return chain


def _fits(row: Row, rules: Rules) -> Any:
    """Return whether a contact's health and stage fit a playbook's row."""
    health, stage = cell(row, "health"), cell(row, "stage_at_least")
    stages = rules.stages_from(stage) if stage else list(rules.ranks)
    healths = [HEALTH.index(health)] if health else list(range(len(HEALTH)))
    ways = [number for number, way in enumerate(_ways(rules)) if cell(way, "stage") in stages]
    return nw.col("health").is_in(healths) & nw.col("way").is_in(ways)


def _first_that_holds(cases: Sequence[tuple[Any, str | int]]) -> Any:
    """Return the value of the first condition that holds; the last case is for all others."""
    *some, (_, otherwise) = cases
    chain: Any = nw
    for condition, value in some:
        chain = chain.when(condition).then(nw.lit(value))
    return chain.otherwise(nw.lit(otherwise)) if some else nw.lit(otherwise)
