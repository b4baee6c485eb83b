"""Event types that no rule knows are named, most frequent first."""

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from funnel_assets.config.tables import Tables, load_tables
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline

DAYS = [dt.date(2026, 3, 1), dt.date(2026, 3, 2)]
EVENTS = pa.table(
    {"event_type": ["view", "poll_answered", "poll_answered", "scrolled"], "times": [1, 5, 1, 2]},
    schema=pa.schema([("event_type", pa.string()), ("times", pa.int64())]),
)


def told(tables: Tables) -> str:
    outcome = Outcome("engagement_events")
    outcome.done = dict.fromkeys(DAYS)  # type: ignore[arg-type]
    opened: Any = SimpleNamespace(
        tables=lambda: tables, lake=SimpleNamespace(read=lambda dataset, days, columns: EVENTS)
    )
    return Pipeline.uncounted_activities(opened, outcome)


def test_types_without_a_rule_are_named_with_how_often_they_happened() -> None:
    assert told(load_tables(Path("nowhere"))) == (
        "12 `poll_answered`, 4 `scrolled` count nowhere: add them to scoring.csv."
    )


@pytest.mark.parametrize(("more", "left"), [("", "4 `scrolled` count"), ("scrolled,0\n", "")])
def test_a_row_of_scoring_is_a_rule(tmp_path: Path, more: str, left: str) -> None:
    (tmp_path / "scoring.csv").write_text("activity,points\nview,10\npoll_answered,7\n" + more)
    found = told(load_tables(tmp_path))
    assert found.startswith(left)
    assert bool(found) == bool(left)
