"""What a run over a range leaves behind, in the lake, in Postgres and in Dagster's own record."""

import contextlib
import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import narwhals as nw
import numpy as np
import pyarrow as pa
import pytest

from funnel_assets.assets.base import LANDED_TAG, RESTATE_TAG
from funnel_assets.contracts.base import Contract, Violation
from funnel_assets.pipeline import outcome as outcome_module
from funnel_assets.pipeline import pipeline as pipeline_module
from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.simulate.serve import PATHS
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import Place, place

DAYS = 5
NEED_LEADS = {"raw_leads", "dedup_leads", "engagement_summary", "scored_contacts"}


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=DAYS, scale=0.03) as made, harness.secrets_in_environment(made):
        harness.impatient(made)
        yield made


@pytest.fixture
def opened(here: Place, tmp_path: Path) -> Iterator[Pipeline]:
    """The place's pipeline with an empty lake; the sources and their landing are shared."""
    found = harness.open_pipeline(here, FUNNEL_LAKE=str(tmp_path / "lake"))
    with harness.nothing_published(found):
        yield found
    here.server.behave()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@dataclasses.dataclass(frozen=True)
class BadDay:
    """A run over every day, of which one broke a contract, and what stood right after it."""

    opened: Pipeline
    instance: dg.DagsterInstance
    day: dt.date
    run: dg.DagsterRun
    materialized: dict[str, set[str]]
    in_lake: dict[str, set[str]]
    marts: list[dict[str, Any]]
    leads: dict[dt.date, Any]


@pytest.fixture(scope="module")
def bad_day(here: Place) -> Iterator[BadDay]:
    with dg.DagsterInstance.ephemeral() as made:
        opened = harness.open_pipeline(here, FUNNEL_LAKE=str(here.home / "whole_lake"))
        days = opened.all_days()
        with pytest.MonkeyPatch.context() as patch:
            break_one_day(patch, "raw_leads", days[2])
            run = harness.run(made, opened, days[0], days[-1])
        yield BadDay(
            opened,
            made,
            days[2],
            run,
            {name: harness.materialized(made, name) for name in NODES},
            {name: {str(day) for day in opened.lake.days(name)} for name in NODES},
            opened.warehouse.fetch(
                "SELECT date, bool_and(has_marketing) AS there, sum(leads) AS leads, sum(spend_inr) AS spend "
                "FROM funnel_marts GROUP BY date ORDER BY date"
            ),
            opened.lake.all_facts("raw_leads"),
        )


@dataclasses.dataclass(frozen=True)
class Whole:
    """The run after it, that went well over every day, and what it left behind; later tests go on from there."""

    opened: Pipeline
    instance: dg.DagsterInstance
    run_id: str


@pytest.fixture(scope="module")
def whole(bad_day: BadDay) -> Whole:
    opened, instance = bad_day.opened, bad_day.instance
    days = opened.all_days()
    return Whole(opened, instance, harness.run_well(instance, opened, days[0], days[-1]).run_id)


def published(opened: Pipeline) -> dict[str, Any]:
    """Contents per published day, and the rows of the mart."""
    days = opened.warehouse.fetch("SELECT dataset, date, content FROM published_days ORDER BY 1, 2")
    rows = opened.warehouse.fetch(
        "SELECT * FROM funnel_marts ORDER BY date, funnel, source, medium, campaign"
    )
    return {"days": days, "rows": rows}


def break_one_day(monkeypatch: pytest.MonkeyPatch, dataset: str, bad: dt.date) -> None:
    """Let rows of one day break the contract."""
    real = outcome_module.violations

    def violations(table: pa.Table, contract: Contract) -> list[Violation]:
        found = list(real(table, contract))
        rows = np.flatnonzero(np.array(table["date"].to_pylist()) == bad)
        if contract.dataset == dataset and len(rows):
            found.append(dataclasses.replace(_VIOLATION, rows=tuple(int(row) for row in rows)))
        return found

    monkeypatch.setattr(outcome_module, "violations", violations)


_VIOLATION = Violation(column="created_at", rule="not_in_the_future", rows=())


def test_one_bad_day_fails_alone(bad_day: BadDay) -> None:
    run, bad, days = bad_day.run, bad_day.day, bad_day.opened.all_days()
    assert run.status == dg.DagsterRunStatus.FAILURE
    failed = harness.failures(bad_day.instance, run.run_id)
    assert list(failed) == ["raw_leads"], failed  # the cause is red, and only the cause
    assert str(bad) in failed["raw_leads"]
    assert not [day for day in days if day != bad and f"{day}:" in failed["raw_leads"]]
    assert "1 of 5 day(s) failed" in failed["raw_leads"]
    assert "Next: " in failed["raw_leads"]

    good = {str(day) for day in days if day != bad}
    for name in NODES:
        expected = good if name in NEED_LEADS else {str(day) for day in days}
        assert bad_day.materialized[name] == expected, name
        recorded = harness.recorded(bad_day.instance, run.run_id, name)
        assert sorted(recorded) == sorted(expected), "one event a day"
        assert bad_day.in_lake[name] == expected, name
    assert [row["there"] for row in bad_day.marts] == [day != bad for day in days]
    assert bad_day.marts[2]["leads"] is None, "missing is null, not 0"
    assert all(row["spend"] is not None for row in bad_day.marts)


def test_a_bad_day_turns_green_later_and_good_days_stay(bad_day: BadDay, whole: Whole) -> None:
    for name in NODES:
        found = harness.materialized(whole.instance, name)
        assert found == {str(day) for day in whole.opened.all_days()}, name
    after = whole.opened.lake.all_facts("raw_leads")
    assert {day: facts for day, facts in after.items() if day != bad_day.day} == bad_day.leads


def test_failed_source_leaves_the_other_part_alone(
    here: Place, opened: Pipeline, instance: dg.DagsterInstance
) -> None:
    days = opened.all_days()
    here.server.misbehave("/crm/sales.csv", status=500)
    run = harness.run(instance, opened, days[0], days[-1])
    assert run.status == dg.DagsterRunStatus.FAILURE
    failed = harness.failures(instance, run.run_id)
    assert list(failed) == ["crm_sales"]
    assert "500" in failed["crm_sales"]
    assert "source crm_sales" in failed["crm_sales"]
    for name in NODES:
        expected = (
            set() if name in ("crm_sales", "sales_enriched", "sale_credit") else {str(day) for day in days}
        )
        assert harness.materialized(instance, name) == expected, name


def test_both_parts_may_fail_and_nothing_is_published_as_zero(
    here: Place, opened: Pipeline, instance: dg.DagsterInstance
) -> None:
    (day,) = opened.all_days()[-1:]
    here.server.misbehave("*", status=503)
    run = harness.run(instance, opened, day, day)
    assert run.status == dg.DagsterRunStatus.FAILURE
    failed = harness.failures(instance, run.run_id)
    assert set(failed) == {"raw_leads", "engagement_events", "spend", "crm_assignments", "crm_sales"}, failed
    assert harness.materialized(instance, "zoom_attendance") == {str(day)}
    found = opened.warehouse.fetch("SELECT leads, spend_inr, sales FROM funnel_marts")
    assert all(value is None for row in found for value in row.values())


def test_a_sources_file_that_is_wrong_as_a_whole_is_one_message(
    here: Place, opened: Pipeline, instance: dg.DagsterInstance
) -> None:
    (day,) = opened.all_days()[-1:]
    good = here.settings.sources_file.read_text()
    here.settings.sources_file.write_text(good.replace("raw_leads:", "raw_lead:", 1))
    try:
        run = harness.run(instance, opened, day, day)
    finally:
        here.settings.sources_file.write_text(good)
    failed = harness.failures(instance, run.run_id)
    whole = [name for name, told in failed.items() if "did you mean raw_leads?" in told]
    assert len(whole) == 1
    assert {told for name, told in failed.items() if name not in whole} == {
        f"sources.yaml has a mistake: see the step {whole[0]}."
    }
    assert len(failed) == 6


def test_every_day_shows_rows_preview_and_sources(bad_day: BadDay, whole: Whole) -> None:
    found = harness.materializations(whole.instance, whole.run_id)
    keys = {(event.asset_key.to_user_string(), str(event.partition)) for event in found}
    assert keys == {(name, str(day)) for name in NODES for day in whole.opened.all_days()}
    # Made for the first time, sources' days show the same; what follows from them, not yet.
    first = harness.materializations(whole.instance, bad_day.run.run_id)
    first = [event for event in first if NODES[event.asset_key.to_user_string()].is_source]
    assert first
    for event in [*first, *found]:
        name = event.asset_key.to_user_string()
        facts = whole.opened.lake.facts(name, dt.date.fromisoformat(str(event.partition)))
        assert facts is not None
        assert event.metadata["dagster/partition_row_count"].value == facts.rows
        assert "preview" in event.metadata
        if NODES[name].is_source and name != "zoom_attendance":
            assert event.metadata["rows in"].value == facts.rows + event.metadata["quarantined"].value
            assert "sources" in event.metadata


def test_a_run_asks_each_source_once_though_it_fetches_ahead(
    here: Place, opened: Pipeline, instance: dg.DagsterInstance
) -> None:
    begun: list[str] = []
    start = opened.ingest._ahead.start

    def watched(run: Any, found: Any) -> None:
        begun.extend(f"{source.dataset}/{source.name}" for source in found)
        start(run, found)

    here.server.forget_requests()
    day = opened.all_days()[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opened.ingest._ahead, "start", watched)
        harness.run_well(instance, opened, day, day)

    assert set(begun) == {f"{source.dataset}/{source.name}" for source in opened.sources().sources} - {
        f"zoom_attendance/{source.name}" for source in opened.sources().of("zoom_attendance")
    }
    assert here.server.requests() == dict.fromkeys(PATHS, 1)


def test_restatement_records_only_days_that_changed(here: Place, whole: Whole) -> None:
    opened, instance = whole.opened, whole.instance
    days = opened.all_days()
    before = {name: dict(opened.lake.all_facts(name)) for name in NODES}
    here.server.forget_requests()
    tags = {RESTATE_TAG: "yes", LANDED_TAG: "yes"}
    with changed_mapping(here, "Another Funnel"):
        run = harness.run_well(instance, opened, days[0], days[-1], tags=tags)
        assert here.server.requests() == {}, "what has landed is enough"
        for name in NODES:
            changed = {
                str(day)
                for day, facts in opened.lake.all_facts(name).items()
                if facts.content != before[name][day].content
            }
            assert set(harness.recorded(instance, run.run_id, name)) == changed, name
        assert harness.recorded(instance, run.run_id, "dedup_leads")
        assert not harness.recorded(instance, run.run_id, "raw_leads")
        assert not harness.recorded(instance, run.run_id, "engagement_summary")
        again = harness.run_well(instance, opened, days[0], days[-1], tags=tags)
        assert not harness.materializations(instance, again.run_id)
    for name in NODES:
        assert harness.materialized(instance, name) == {str(day) for day in days}, name


@contextlib.contextmanager
def changed_mapping(here: Place, funnel: str) -> Iterator[None]:
    """Map every source to one funnel while inside."""
    path = here.home / "config" / "funnel_mapping.csv"
    before = path.read_text()
    head, *lines = before.splitlines()
    changed = [",".join([line.split(",")[0], funnel, *line.split(",")[2:]]) for line in lines]
    path.write_text("\n".join([head, *changed]) + "\n")
    yield
    path.write_text(before)


def test_figures_that_do_not_add_up_are_not_published(
    here: Place, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, instance = whole.opened, whole.instance
    days = opened.all_days()
    before = published(opened)
    real = pipeline_module.BUILDERS["funnel_marts"]
    monkeypatch.setitem(pipeline_module.BUILDERS, "funnel_marts", lambda frames: one_more(real(frames)))
    with changed_mapping(here, "A Third Funnel"):
        run = harness.run(instance, opened, days[0], days[-1])
        assert run.status == dg.DagsterRunStatus.FAILURE
        assert harness.checks(instance, run.run_id, "reconciliation") == {
            name: name != "funnel_marts" for name in NODES
        }
        failed = harness.failures(instance, run.run_id)
        assert list(failed) == ["funnel_marts"]
        assert "leads" in failed["funnel_marts"]
        assert "What was published before stays" in failed["funnel_marts"]
        assert published(opened) == before


def one_more(frame: Any) -> Any:
    """A mart in which every row has a lead too many."""
    rows = nw.from_native(frame)
    return rows.with_columns(leads=nw.col("leads") + 1).to_native()


def test_steps_over_days_without_inputs_say_what_to_make_first(
    opened: Pipeline, instance: dg.DagsterInstance
) -> None:
    days = opened.all_days()
    run = harness.run(instance, opened, days[0], days[1], datasets=["dedup_leads"])
    assert run.status == dg.DagsterRunStatus.FAILURE
    (message,) = harness.failures(instance, run.run_id).values()
    assert "needs raw_leads, zoom_attendance" in message
    assert f"funnel backfill --from {days[0]} --to {days[1]}" in message
    assert not harness.materialized(instance, "dedup_leads")
