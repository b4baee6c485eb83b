"""Every step before the mart loses a row on purpose: publishing is refused, and the step is named."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline import ingest, reconciliation, zoom
from funnel_assets.pipeline.builders import BUILDERS
from funnel_assets.pipeline.graph import SOURCES, in_order
from funnel_assets.pipeline.outcome import write_days
from funnel_assets.pipeline.pipeline import Pipeline


@pytest.fixture(scope="module")
def opened(made: Pipeline) -> Pipeline:
    """The made world, brought up to its settings: other tests may have changed them and put them back."""
    made.restate(made.all_days())
    made.publish()
    return made


def busiest(opened: Pipeline, dataset: str) -> dt.date:
    """The day with most rows: there is something to lose."""
    facts = opened.lake.all_facts(dataset)
    return max(facts, key=lambda day: facts[day].rows)


def published(opened: Pipeline) -> list[dict[str, Any]]:
    return opened.warehouse.fetch("SELECT dataset, date, content FROM published_days ORDER BY 1, 2")


def lossy_write(lake: Any, outcome: Any, rows: pa.Table, *rest: Any, **more: Any) -> None:
    """Write a day without its last row."""
    write_days(lake, outcome, rows.slice(0, rows.num_rows - 1), *rest, **more)


def without_one(real: Callable[[Any], Any], dataset: str) -> Callable[[Any], Any]:
    """Return a builder that loses its last row: a contact's first state, and somebody who came to no webinar."""
    last = {"scored_contacts": "previous_stage", "engagement_summary": "registrations"}

    def build(frames: Any) -> Any:
        made = frames.engine.collect(real(frames))
        order = [(name, "ascending") for name in CONTRACTS[dataset].key]
        made = made.sort_by([(last[dataset], "descending"), *order] if dataset in last else order)
        return frames.engine.frame(made.slice(0, made.num_rows - 1))

    return build


STEPS = [name for name in in_order() if name != "funnel_marts"]


@pytest.mark.parametrize("dataset", STEPS)
def test_a_step_that_loses_a_row_is_named_and_blocks_publishing(
    opened: Pipeline, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    day, before = busiest(opened, dataset), published(opened)
    opened.lake.delete(dataset, day)
    with monkeypatch.context() as patch:
        if dataset in SOURCES:
            patch.setattr(zoom if dataset == "zoom_attendance" else ingest, "write_days", lossy_write)
        else:
            patch.setitem(BUILDERS, dataset, without_one(BUILDERS[dataset], dataset))
        outcome = opened.make(dataset, [day], fetch=False)
        assert outcome.changed == {day}, outcome.failed
    assert opened.reconcile(outcome)
    with pytest.raises(
        FunnelError, match=rf"not published: {dataset} {day}: .*What was published before stays"
    ):
        opened.publish()
    assert published(opened) == before
    opened.lake.delete(dataset, day)
    assert opened.reconcile(opened.make(dataset, [day], fetch=False)) == []
    assert not opened.publish().days


def test_a_day_that_adds_up_is_counted_once(opened: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    days_of = {"sales_enriched": [busiest(opened, "sales_enriched")], "spend": [busiest(opened, "spend")]}
    balanced: reconciliation.Balanced = set()
    assert reconciliation.broken_steps(opened.lake, opened.tables(), days_of, balanced=balanced) == []
    assert {key[:2] for key in balanced} == {("sales_enriched", *days_of["sales_enriched"])}
    monkeypatch.setattr(reconciliation, "_by_day", None)
    assert reconciliation.broken_steps(opened.lake, opened.tables(), days_of, balanced=balanced) == []
