"""scored_contacts: score, stage, health and what to do next, as rows of change (SPEC 6; seeds 000, 002).

Belongs here: how rules that people edit are applied to a contact's engagement. Does not belong here: the rules.

A contact's state can only change on a few days: when it is active, when a sale is paid, when its health turns, and
when an override starts or ends. The state is worked out for those days alone, and a row is kept where it differs from
the state before. Between two active days a contact's counts stand still, so each *span* from one active day to the
next carries all that those days need.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from funnel_assets.contracts.marketing import HEALTH, STAGES
from funnel_assets.domain import defaults
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
from funnel_assets.errors import ConfigError

STALE_AFTER_DAYS = 14
DORMANT_AFTER_DAYS = 45
HALF_INDEX_SCORE = 40
"""Score at which the intent index is 50: one booked demo, the threshold of an SQL in seed 000."""

ACTIVITIES = {
    "view": "total_views",
    "click": "total_clicks",
    "download": "total_downloads",
    "demo_booked": "total_demos_booked",
    "follow_up": "total_follow_ups",
    "form_submit": "total_form_submissions",
    "registration": "total_registrations",
    "attendance": "total_attendances",
    "minute": "total_minutes",
    "deal_closed": "total_deals_closed",
    "paid_sale": "paid_sales",
}
"""What scoring.csv and stages.csv may name, and the running count it stands for."""

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

_STATE = (
    "intent_score",
    "current_stage",
    "stage_reason",
    "engagement_health",
    "nurture_track",
    "track_frequency",
    "track_channels",
    "next_playbook",
    "sales_priority",
    "owner_department",
    "override_applied",
)
_TOTALS = tuple(name for name in ACTIVITIES.values() if name != "paid_sales")
_MARK = "\x1f"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """The rows of the four rule files, as people wrote them.

    Attributes:
        scoring: activity, points.
        stages: stage, rank, activity, minimum, requires_stage, owner_department, reason.
        nurture_tracks: stage, track, frequency, channels.
        playbooks: health, stage_at_least, playbook, priority; the first row that fits wins.
    """

    scoring: Sequence[Row] = defaults.SCORING
    stages: Sequence[Row] = defaults.STAGES
    nurture_tracks: Sequence[Row] = defaults.NURTURE_TRACKS
    playbooks: Sequence[Row] = defaults.PLAYBOOKS

    def __post_init__(self) -> None:
        for file, field, allowed, rows in (
            ("scoring.csv", "activity", ACTIVITIES, self.scoring),
            ("stages.csv", "activity", ["", *ACTIVITIES], self.stages),
            ("stages.csv", "stage", STAGES, self.stages),
            ("stages.csv", "requires_stage", ["", *STAGES], self.stages),
            ("nurture_tracks.csv", "stage", STAGES, self.nurture_tracks),
            ("playbooks.csv", "health", ["", *HEALTH], self.playbooks),
            ("playbooks.csv", "stage_at_least", ["", *STAGES], self.playbooks),
            ("playbooks.csv", "priority", ["high", "medium", "low"], self.playbooks),
        ):
            _check_allowed(file, field, list(allowed), rows)
        self._check_complete()

    def _check_complete(self) -> None:
        """Refuse rules that would leave a contact without a stage, a track or a playbook."""
        if not any(
            _cell(row, "activity") == "" and _cell(row, "requires_stage") == "" for row in self.stages
        ):
            raise ConfigError(
                "No stage holds for a contact that did nothing yet",
                file="stages.csv",
                fix="add a row with an empty activity, for the lowest stage",
            )
        missing = {_cell(row, "stage") for row in self.stages} - {
            _cell(row, "stage") for row in self.nurture_tracks
        }
        if missing:
            raise ConfigError(
                f"No track for {', '.join(sorted(missing))}",
                file="nurture_tracks.csv",
                fix="add a row for each stage of stages.csv",
            )
        last = self.playbooks[-1] if self.playbooks else {"health": "none"}
        if _cell(last, "health") or _cell(last, "stage_at_least"):
            raise ConfigError(
                "The last playbook doesn't fit everybody",
                file="playbooks.csv",
                fix="end with a row whose health and stage_at_least are empty",
            )
        ranks = self.ranks
        for row in self.stages:
            needed = _cell(row, "requires_stage")
            if needed and ranks.get(needed, int(row["rank"])) >= int(row["rank"]):
                raise ConfigError(
                    f"{_cell(row, 'stage')} requires {needed}, which has no row that ranks below it",
                    file="stages.csv",
                    fix="let requires_stage name a stage with a lower rank",
                )

    @property
    def ranks(self) -> dict[str, int]:
        """Rank of each stage."""
        return {_cell(row, "stage"): int(row["rank"]) for row in self.stages}


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def _check_allowed(file: str, field: str, allowed: Iterable[str], rows: Sequence[Row]) -> None:
    allowed = list(allowed)
    for number, row in enumerate(rows, start=2):
        if _cell(row, field) not in allowed:
            raise ConfigError(
                f"{field} {_cell(row, field)!r} is not known",
                file=file,
                line=number,
                fix=f"use one of: {', '.join(name or '(empty)' for name in allowed)}",
            )


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
        engagement_summary: All rows from the first day there is to ``last``.
        paid_sales: person_id and date of every paid sale up to ``last``.
        rules: Scoring, stages, tracks and playbooks.
        overrides: person_id, field, value, effective_on, expires_on: holds from effective_on to the day before
            expires_on (null: for ever). Of two on one field, the one that became effective last wins.
        first: First day wanted.
        last: Last day wanted.
        materialize: Keeps an intermediate result that is used more than once.

    Somebody who paid without ever engaging is a contact too, its health counted from the latest payment. Overrides
    come last and change nothing but their own field.
    """
    engaged = nw.from_native(engagement_summary).filter(nw.col("date") <= nw.lit(last))
    paid = (
        nw.from_native(paid_sales).filter(nw.col("date") <= nw.lit(last)).select("person_id", "date").unique()
    )
    forced = (
        None
        if overrides is None
        else nw.from_native(overrides).filter(nw.col("effective_on") <= nw.lit(last))
    )
    spans = pinned(_spans(engaged, paid), materialize)
    moments = _moments(spans, paid, forced, last)
    in_reach = between(moments, first, last).select("person_id").unique()
    moments = pinned(moments.join(in_reach, on="person_id", how="semi"), materialize)
    staged = pinned(_staged(moments, rules), materialize)
    states = pinned(_with_next_steps(staged, rules), materialize)
    if forced is not None:
        states = pinned(_overridden(states, forced), materialize)
    else:
        states = states.with_columns(_no_text("person_id").alias("override_applied"))
    return shaped(between(_changes(states), first, last), "scored_contacts")


def _no_text(name: str) -> nw.Expr:
    """Return a null text for every row (a bare null literal has no type on some engines)."""
    return nw.when(nw.col(name).is_null()).then(nw.col(name))


def _spans(engaged: Frame, paid: Frame) -> Frame:
    """Return for each contact the days from which its counts stand still, up to the next such day.

    Columns: person_id, since, until (null: still), totals, last_engaged_at, first_touch_channel, paid_on (first paid
    sale of the contact).
    """
    active = engaged.select(
        "person_id", "date", *_TOTALS, "last_engaged_at", nw.col("channel").alias("first_touch_channel")
    )
    began = active.group_by("person_id").agg(nw.col("date").min().alias("began_on"))
    before = (
        paid.join(began, on="person_id", how="left")
        .filter(nw.col("began_on").is_null() | (nw.col("date") < nw.col("began_on")))
        .join(
            active.select("person_id", "date", *_TOTALS, "last_engaged_at", "first_touch_channel"),
            on=["person_id", "date"],
            how="left",
        )
        .select(
            "person_id",
            "date",
            *(nw.col(name).fill_null(0).alias(name) for name in _TOTALS),
            "last_engaged_at",
            "first_touch_channel",
        )
    )
    first_paid = paid.group_by("person_id").agg(nw.col("date").min().alias("paid_on"))
    return (
        nw.concat([active, before], how="vertical")
        .with_columns(nw.col("date").shift(-1).over("person_id", order_by="date").alias("until"))
        .rename({"date": "since"})
        .join(first_paid, on="person_id", how="left")
    )


def _moments(spans: Frame, paid: Frame, forced: Frame | None, last: dt.date) -> Frame:
    """Return the days on which a contact's state may change, each with the counts of its span."""
    days = [
        spans.with_columns(nw.col("since").alias("date")),
        spans.with_columns(shifted("since", STALE_AFTER_DAYS + 1).alias("date")),
        spans.with_columns(shifted("since", DORMANT_AFTER_DAYS + 1).alias("date")),
        spans.with_columns(nw.col("paid_on").alias("date")),
    ]
    if forced is not None:
        turns = nw.concat(
            [
                forced.select("person_id", nw.col(name).alias("date"))
                for name in ("effective_on", "expires_on")
            ],
            how="vertical",
        ).filter(~nw.col("date").is_null())
        turned = spans.join(turns.unique(), on="person_id", how="inner")
        days.append(turned.select(*days[0].collect_schema().names()))
    in_span = (
        (nw.col("date") >= nw.col("since"))
        & (nw.col("until").is_null() | (nw.col("date") < nw.col("until")))
        & (nw.col("date") <= nw.lit(last))
    )
    return nw.concat([day.filter(in_span) for day in days], how="vertical").unique(
        subset=["person_id", "date"], keep="any"
    )


def _staged(moments: Frame, rules: Rules) -> Frame:
    """Add the score, the stage with its reason and owner, and the health of each moment."""
    counted = moments.with_columns(
        (~nw.col("paid_on").is_null() & (nw.col("paid_on") <= nw.col("date")))
        .fill_null(False)
        .cast(nw.Int64)
        .alias("paid_sales"),
        (day_number("date") - day_number("since")).alias("_idle"),
    )
    score: Any = nw.col("paid_sales") * 0
    for row in rules.scoring:
        score = score + nw.col(ACTIVITIES[_cell(row, "activity")]) * int(row["points"])
    ways = _ways(rules)
    return counted.with_columns(
        score.alias("intent_score"),
        _first_that_holds([(holds, _cell(row, "stage")) for row, holds in ways]).alias("current_stage"),
        _first_that_holds([(holds, _cell(row, "reason")) for row, holds in ways]).alias("stage_reason"),
        _first_that_holds([(holds, _cell(row, "owner_department")) for row, holds in ways]).alias(
            "owner_department"
        ),
        _first_that_holds(
            [
                (nw.col("_idle") <= STALE_AFTER_DAYS, HEALTH[0]),
                (nw.col("_idle") <= DORMANT_AFTER_DAYS, HEALTH[1]),
            ],
            otherwise=HEALTH[2],
        ).alias("engagement_health"),
    )


def _with_next_steps(staged: Frame, rules: Rules) -> Frame:
    """Add track and playbook, which follow from stage and health.

    The stage is pinned before: an engine that folds expressions into one would write its rules out in each of these.
    """
    tracks = {
        into: _first_that_holds(
            [
                (nw.col("current_stage") == _cell(row, "stage"), _cell(row, name))
                for row in rules.nurture_tracks
            ],
            otherwise="",
        )
        for into, name in (
            ("nurture_track", "track"),
            ("track_frequency", "frequency"),
            ("track_channels", "channels"),
        )
    }
    fits = [(_fits(row, rules.ranks), row) for row in rules.playbooks[:-1]]
    for into, name in (("next_playbook", "playbook"), ("sales_priority", "priority")):
        tracks[into] = _first_that_holds(
            [(fit, _cell(row, name)) for fit, row in fits], otherwise=_cell(rules.playbooks[-1], name)
        )
    return staged.with_columns(**tracks)


def _fits(row: Row, ranks: Mapping[str, int]) -> nw.Expr:
    """Return whether a contact's health and stage fit a playbook's row."""
    health, stage = _cell(row, "health"), _cell(row, "stage_at_least")
    fit = nw.col("engagement_health").is_in([health] if health else list(HEALTH))
    if stage:
        lowest = ranks.get(stage, STAGES.index(stage) + 1)
        fit = fit & nw.col("current_stage").is_in([name for name, rank in ranks.items() if rank >= lowest])
    return fit


def _ways(rules: Rules) -> list[tuple[Row, nw.Expr]]:
    """Return the rows of stages.csv from the highest rank down, each with the condition under which it holds."""
    holds: dict[str, nw.Expr] = {}
    ways: list[tuple[int, int, Row, nw.Expr]] = []
    for position, row in sorted(enumerate(rules.stages), key=lambda numbered: int(numbered[1]["rank"])):
        activity, needed = _cell(row, "activity"), _cell(row, "requires_stage")
        count = nw.col(ACTIVITIES[activity]) >= int(row["minimum"]) if activity else nw.col("paid_sales") >= 0
        if needed:
            count = count & holds[needed]
        stage = _cell(row, "stage")
        holds[stage] = holds[stage] | count if stage in holds else count
        ways.append((-int(row["rank"]), position, row, count))
    return [(row, count) for _, _, row, count in sorted(ways, key=lambda way: way[:2])]


def _first_that_holds(cases: Sequence[tuple[Any, str]], otherwise: str | None = None) -> Any:
    """Return the text of the first condition that holds; the last case's text without ``otherwise``."""
    if otherwise is None:
        cases, otherwise = cases[:-1], cases[-1][1]
    if not cases:
        return nw.lit(otherwise)
    (condition, text), *rest = cases
    chain = nw.when(condition).then(nw.lit(text))
    for condition, text in rest:
        chain = chain.when(condition).then(nw.lit(text))
    return chain.otherwise(nw.lit(otherwise))


def _overridden(states: Frame, forced: Frame) -> Frame:
    """Set the fields that an override holds on the day, and say which."""
    moments = states.select("person_id", "date")
    holding = moments.join(
        forced.select("person_id", "field", "value", "effective_on", "expires_on").filter(
            nw.col("field").is_in(list(OVERRIDE_FIELDS))
        ),
        on="person_id",
        how="inner",
    ).filter(
        nw.col("effective_on") <= nw.col("date"),
        nw.col("expires_on").is_null() | (nw.col("date") < nw.col("expires_on")),
    )
    chosen = last_by(holding, ["person_id", "date", "field"], ["effective_on", "value"])
    by_moment = (
        chosen.with_columns(
            *(
                nw.when(nw.col("field") == name).then(nw.col("value")).alias(f"forced_{name}")
                for name in OVERRIDE_FIELDS
            )
        )
        .group_by("person_id", "date")
        .agg(*(nw.col(f"forced_{name}").max() for name in OVERRIDE_FIELDS))
    )
    joined = states.join(by_moment, on=["person_id", "date"], how="left")
    named = [
        nw.when(~nw.col(f"forced_{name}").is_null()).then(nw.lit(f"{name},")).otherwise(nw.lit(""))
        for name in OVERRIDE_FIELDS
    ]
    return joined.with_columns(
        *(nw.coalesce(f"forced_{name}", name).alias(name) for name in OVERRIDE_FIELDS),
        nw.concat_str(named).str.strip_chars(",").alias("override_applied"),
    ).with_columns(
        nw.when(nw.col("override_applied") != "").then(nw.col("override_applied")).alias("override_applied")
    )


def _changes(states: Frame) -> Frame:
    """Keep the moments whose state differs from the one before, and add previous_stage."""
    texts = [nw.col(name).cast(nw.String) for name in _STATE if name != "override_applied"]
    state = nw.concat_str([*texts, nw.col("override_applied").cast(nw.String).fill_null("")], separator=_MARK)
    before = states.with_columns(state.alias("_state")).with_columns(
        nw.col("_state").shift(1).over("person_id", order_by="date").alias("_before"),
        nw.col("current_stage").shift(1).over("person_id", order_by="date").alias("previous_stage"),
    )
    score = nw.col("intent_score")
    return before.filter(nw.col("_before").is_null() | (nw.col("_before") != nw.col("_state"))).with_columns(
        (score * 100 // (score + HALF_INDEX_SCORE)).alias("intent_index")
    )
