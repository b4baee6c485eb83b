"""Rows and money that must add up from step to step (SPEC 3): what doesn't is named, and blocks publishing."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.credit import MODELS
from funnel_assets.domain.engagement import COUNTS, EVENT_COUNTS
from funnel_assets.domain.keys import ALONE_MARK
from funnel_assets.pipeline.builders import PARTS, first_touch_people
from funnel_assets.pipeline.compute import Frames, consecutive
from funnel_assets.pipeline.graph import NODES, days_between
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.pipeline.who import FEW_DAYS, KnownPeople
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import Lake, PartitionFacts

Totals = dict[dt.date, dict[str, int]]
"""Totals of some measures by day."""

SCHEMA = pa.schema(
    [
        ("date", pa.date32()),
        ("dataset", pa.string()),
        ("step", pa.string()),
        ("measure", pa.string()),
        ("expected", pa.decimal128(24, 2)),
        ("found", pa.decimal128(24, 2)),
        ("difference", pa.decimal128(24, 2)),
    ]
)

# Measure of the mart: the dataset it counts, how, and the flag that says whether that part of the day is there.
_MEASURES = {
    "leads": ("dedup_leads", "count(*)", "has_marketing"),
    "registrations": ("zoom_attendance", "count(*) FILTER (attendance_type <> 'walk_in')", "has_marketing"),
    "attended": ("zoom_attendance", "count(*) FILTER (attended = 'Y')", "has_marketing"),
    "handovers": ("assigned_leads", "count(*)", "has_sales"),
    "sales": ("sales_enriched", "count(*) FILTER (is_paid)", "has_sales"),
    "gross_revenue_paise": ("sales_enriched", "sum(total_amount_paise) FILTER (is_paid)", "has_sales"),
    "net_revenue_paise": ("sales_enriched", "sum(net_amount_paise) FILTER (is_paid)", "has_sales"),
    "spend_paise": ("spend", "sum(cost_paise)", "has_spend"),
    "impressions": ("spend", "sum(impressions)", "has_spend"),
    "clicks": ("spend", "sum(clicks)", "has_spend"),
    "spend_lines": ("spend", "count(*)", "has_spend"),
    "impressions_lines": ("spend", "count(impressions)", "has_spend"),
    "clicks_lines": ("spend", "count(clicks)", "has_spend"),
}


Balanced = set[tuple[str, dt.date, str, frozenset[tuple[str, str]]]]
"""Days that add up: dataset, day, its content and its inputs. While these are the same, so is the answer."""


def broken(
    lake: Lake,
    tables: Tables,
    outcome: Outcome,
    known: KnownPeople | None = None,
    balanced: Balanced | None = None,
) -> list[str]:
    """What doesn't add up in the days just made of a dataset, in words."""
    # Of many days that were stale, those that came out as they were have been counted when they were written.
    days = sorted(outcome.done if len(outcome.done) <= FEW_DAYS else outcome.changed)
    if outcome.dataset == "funnel_marts":
        return broken_rows(marts_table(lake, days))
    return broken_steps(lake, tables, {outcome.dataset: days}, known, balanced)


def broken_steps(
    lake: Lake,
    tables: Tables,
    days_of: Mapping[str, Sequence[dt.date]],
    known: KnownPeople | None = None,
    balanced: Balanced | None = None,
) -> list[str]:
    """What the steps before the mart lost or doubled on these days, in words that name the step.

    Each dataset is counted against what it is made from, another way than it is made. A day whose inputs changed since
    it was made isn't compared: it is to be made again anyway. Nor is one that is among the ``balanced``, to which those
    that add up are added.
    """
    told = []
    balanced = set() if balanced is None else balanced
    contents = Contents(lake, dt.date.min)
    with DuckDBEngine() as engine:
        for dataset, days in days_of.items():
            facts = lake.all_facts(dataset, days)
            if dataset == "zoom_attendance":
                # Days of an older version don't say how many rows were joined to another of the same person.
                facts = {day: found for day, found in facts.items() if "joined" in found.counts}
            told += [f"{dataset} {line}" for line in _lost_rows(facts)]
            expected = _STEPS.get(dataset)
            node = replace(NODES[dataset], config=())
            keys = {
                day: (dataset, day, found.content, frozenset(found.inputs.items()))
                for day, found in facts.items()
                if contents.inputs(node, day, {}).items() <= found.inputs.items()
            }
            fresh = [day for day, key in keys.items() if key not in balanced]
            if expected is None or not fresh:
                continue
            wanted = expected.counted(_Step(engine, lake, tables, fresh, contents, known))
            found = _by_day(engine, lake, dataset, fresh, expected.found)
            for day in fresh:
                wrong = []
                for name in expected.found:
                    before, after = (side.get(day, {}).get(name) or 0 for side in (wanted, found))
                    if before != after:
                        wrong.append(f"{dataset} {day}: {name} is {after}, and {before} in {expected.source}")
                told += wrong
                if not wrong:
                    balanced.add(keys[day])
    return told


def _lost_rows(facts: Mapping[dt.date, PartitionFacts]) -> list[str]:
    """Source days on which rows in aren't rows loaded, quarantined, duplicate, and joined (Zoom: one row a person)."""
    told = []
    for day, found in facts.items():
        fates = {"loaded": found.rows} | {
            name: found.counts.get(name, 0) for name in ("quarantined", "duplicates", "joined")
        }
        if "rows_in" in found.counts and found.counts["rows_in"] != sum(fates.values()):
            parts = ", ".join(f"{count} {name}" for name, count in fates.items() if count or name != "joined")
            told.append(f"{day}: {found.counts['rows_in']} rows in, but {parts}")
    return told


@dataclass(frozen=True)
class _Step:
    """Where a step's expected totals are counted: the days are in order, and may have gaps."""

    engine: DuckDBEngine
    lake: Lake
    tables: Tables
    days: Sequence[dt.date]
    contents: Contents
    known: KnownPeople | None

    def totals(self, dataset: str, measures: Mapping[str, str]) -> Totals:
        """Totals of the same days of another dataset."""
        return _by_day(self.engine, self.lake, dataset, self.days, dict(measures))

    def heads(self) -> Totals:
        """Phones by the day of their month's first assignment."""
        since = self.days[0].replace(day=1)
        months = self.engine.scan(
            self.lake, "crm_assignments", days_between(since, self.days[-1]), ["phone_key", "date"]
        )
        heads = months.aggregate("phone_key, min(date) AS date", "phone_key, date_trunc('month', date)")
        return {day: {"rows": count} for day, count in heads.aggregate("date, count(*)", "date").fetchall()}

    def people(self) -> Totals:
        """People by the day of their month's first touch."""
        start = min(self.lake.days("raw_leads"), default=self.days[0])
        known = self.known or KnownPeople()
        spans, people = [(self.days[0], self.days[-1])], None
        if len(self.days) <= FEW_DAYS:
            spans = consecutive(self.days)
            people = known.people_of(self.lake, self.contents, self.days, self.tables)
        rows = []
        for first, last in spans:
            frames = Frames(
                self.engine,
                self.lake,
                self.tables,
                first,
                last,
                start,
                people=people,
                contents=self.contents,
                known=known,
                links_until=self.days[-1],
            )
            rows += self.engine.collect(first_touch_people(frames)).to_pylist()
        return {row["date"]: {"rows": row["people"]} for row in rows}

    def newcomers(self) -> Totals:
        """People who can be known, by the first day on which they were active or paid."""
        since = min(self.lake.days("engagement_summary"), default=self.days[0])

        def seen(days: Sequence[dt.date]) -> Any:
            active = self.engine.scan(self.lake, "engagement_summary", days, ["person_id", "date"])
            sales = self.engine.scan(self.lake, "sales_enriched", days, ["person_id", "date", "is_paid"])
            people = active.union(sales.filter("is_paid").select("person_id, date"))
            # A record that stands alone is nobody's contact.
            return people.filter(f"NOT starts_with(person_id, '{ALONE_MARK}')")

        # Only those of these days are looked for in the days before: to group everybody would take longer.
        history = seen(days_between(since, self.days[-1])).set_alias("history")
        theirs = history.join(seen(self.days).set_alias("theirs"), "person_id", how="semi")
        first = theirs.aggregate("person_id, min(date) AS date", "person_id")
        return {day: {"rows": count} for day, count in first.aggregate("date, count(*)", "date").fetchall()}

    def activity(self) -> Totals:
        """What was done, by the records that say so."""
        forms = self.totals("raw_leads", {"form_submissions": "count(*)"})
        webinars = self.totals("zoom_attendance", _WEBINARS)
        events = self.totals("engagement_events", _EVENTS)
        return {
            day: {
                name: sum(kind.get(day, {}).get(name) or 0 for kind in (forms, webinars, events))
                for name in _DONE
            }
            for day in self.days
        }

    def credit(self) -> Totals:
        """What each model has to divide: the paid sales."""
        paid = self.totals("sales_enriched", _PAID)
        return {
            day: {f"{name} by {model}": totals[name] for model in MODELS for name in _PAID}
            for day, totals in paid.items()
        }


@dataclass(frozen=True)
class _Counted:
    """A step's measures, counted in the dataset itself, and how else they are counted, and where."""

    found: dict[str, str]
    source: str
    counted: Callable[[_Step], Totals]


_AMOUNTS = {"rows": "count(*)", "net": "sum(net_amount_paise)", "gross": "sum(total_amount_paise)"}
_PAID = {
    "sales": "count(*) FILTER (is_paid)",
    "net": "sum(net_amount_paise) FILTER (is_paid)",
    "gross": "sum(total_amount_paise) FILTER (is_paid)",
}
_CREDITED = {
    "sales": "count(DISTINCT sale_id)",
    "net": "sum(net_revenue_paise)",
    "gross": "sum(gross_revenue_paise)",
}
_WEBINARS = {
    "registrations": "count(*) FILTER (attendance_type <> 'walk_in')",
    "attendances": "count(*) FILTER (attended = 'Y')",
    "bootcamp_day_1": "count(*) FILTER (attended = 'Y' AND bootcamp_day = 1)",
    "bootcamp_day_2": "count(*) FILTER (attended = 'Y' AND bootcamp_day = 2)",
    "seconds": "sum(time_in_session_seconds)",
}
_EVENTS = {
    name: f"sum(times) FILTER (lower(trim(event_type)) = '{kind}')" for kind, name in EVENT_COUNTS.items()
}
_OTHER = ", ".join(f"'{kind}'" for kind in EVENT_COUNTS)
_EVENTS["other_activities"] = f"sum(times) FILTER (lower(trim(event_type)) NOT IN ({_OTHER}))"
# Not points: reconciliation knows no rules.
_DONE = [name for name in COUNTS if name != "other_points"]
_STEPS = {
    "dedup_leads": _Counted({"rows": "count(*)"}, "the people of its touches", _Step.people),
    "engagement_summary": _Counted(
        {name: f"sum({name})" for name in _DONE},
        "raw_leads, zoom_attendance and engagement_events",
        _Step.activity,
    ),
    "assigned_leads": _Counted({"rows": "count(*)"}, "the phones of crm_assignments", _Step.heads),
    "sales_enriched": _Counted(_AMOUNTS, "crm_sales", lambda step: step.totals("crm_sales", _AMOUNTS)),
    "sale_credit": _Counted(
        {
            f"{name} by {model}": f"{how} FILTER (model = '{model}')"
            for model in MODELS
            for name, how in _CREDITED.items()
        },
        "sales_enriched",
        _Step.credit,
    ),
    "scored_contacts": _Counted(
        {"rows": "count(*) FILTER (previous_stage IS NULL)"},
        "the people seen for the first time",
        _Step.newcomers,
    ),
}


def broken_rows(compared: pa.Table) -> list[str]:
    """Figures of the mart that differ from the dataset they come from (:func:`marts_table`), in words."""
    return [
        f"{row['date']}: {row['measure']} is {row['found']} in the mart and {row['expected']} in {row['step']}"
        for row in compared.to_pylist()
        if row["difference"] != 0
    ]


def marts_table(lake: Lake, days: Sequence[dt.date]) -> pa.Table:
    """Compare every figure of the mart with the dataset it comes from, counted there directly.

    Grain: one row per day and measure whose part is there. Money in rupees, with two decimals.
    """
    facts = lake.all_facts("funnel_marts", days)
    days = sorted(facts)
    if not days:
        return SCHEMA.empty_table()
    sources: dict[str, dict[dt.date, dict[str, int]]] = {}
    with DuckDBEngine() as engine:
        sums = {name: f"sum({name})" for name in _MEASURES}
        found = _by_day(engine, lake, "funnel_marts", days, sums)
        for dataset in {source for source, _, _ in _MEASURES.values()}:
            wanted = {name: how for name, (source, how, _) in _MEASURES.items() if source == dataset}
            sources[dataset] = _by_day(engine, lake, dataset, days, wanted)
    rows = []
    for day in days:
        mart = found.get(day, {})
        for name, (dataset, _, flag) in _MEASURES.items():
            # Told by what the day was made without: a day of which no part is there has no row that could tell.
            if not set(PARTS[flag]).isdisjoint(facts[day].missing):
                continue
            expected = sources[dataset].get(day, {}).get(name) or 0
            rows.append(_row(day, dataset, name, expected, mart.get(name) or 0))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _by_day(
    engine: DuckDBEngine, lake: Lake, dataset: str, days: Sequence[dt.date], measures: dict[str, str]
) -> dict[dt.date, dict[str, int]]:
    names = arrow_schema(CONTRACTS[dataset]).names
    selected = ", ".join(f'{how} AS "{name}"' for name, how in measures.items())
    totals = engine.scan(lake, dataset, days, names).aggregate(f"date, {selected}", "date")
    return {row[0]: dict(zip(measures, row[1:], strict=True)) for row in totals.fetchall()}


def _row(day: dt.date, dataset: str, name: str, expected: int, found: int) -> dict[str, object]:
    unit = Decimal(100) if name.endswith("_paise") else Decimal(1)
    return {
        "date": day,
        "dataset": "funnel_marts",
        "step": dataset,
        "measure": name.removesuffix("_paise"),
        "expected": Decimal(int(expected)) / unit,
        "found": Decimal(int(found)) / unit,
        "difference": Decimal(int(found) - int(expected)) / unit,
    }
