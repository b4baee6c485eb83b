"""The pipeline held to the truth: a small world with every fault, made by the real pipeline, against its answer key."""

import datetime as dt
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.config.tables import write_defaults
from funnel_assets.errors import MissingPartitions, UsageError
from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.simulate.edtech import build_edtech, write_world
from funnel_assets.simulate.faults import Faults
from funnel_assets.simulate.saas import build_saas, write_saas
from funnel_assets.simulate.score import Sides, score_world

pytestmark = pytest.mark.long

# Has a bootcamp, and a month's end in the middle.
START, DAYS = dt.date(2026, 5, 30), 16
END = dt.date(2026, 6, 30)
SEED = 9
# A few of each; more CRM rows taken out would leave no sale.
FAULTS = Faults(10, 6, 10, 6, 8, 8, 6, 2, 2, 1, 2)
SAAS_FAULTS = Faults(4, 3, 7, 3, 3, 4, 3, 3, 3, 1, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """A written world whose folder is the home, with every day of every dataset made."""
    home = tmp_path_factory.mktemp("scored")
    write_world(build_edtech(DAYS, START + dt.timedelta(days=DAYS - 1), 0.08, SEED, FAULTS), home)
    pipeline = Pipeline(load_settings({"FUNNEL_HOME": str(home)}, dotenv=False))
    days = [START + dt.timedelta(days=offset) for offset in range(DAYS)]
    for dataset in in_order():
        assert pipeline.make(dataset, days).error() is None
    return pipeline


@pytest.fixture(scope="module")
def made_saas(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """The other world, by its own sources.yaml alone: from its first dump, then cut files, then its last dump."""
    home = tmp_path_factory.mktemp("scored_saas")
    write_saas(build_saas(18, END, 0.03, 7, SAAS_FAULTS), home)
    write_defaults(home / "config")
    pipeline = Pipeline(load_settings({}, directory=home))
    days = pipeline.all_days()[:18]
    shutil.copytree(home / "exports", home / "whole")
    _put(home / "dumps" / "before", home)
    for dataset in ("raw_leads", "crm_assignments", "crm_sales"):
        assert pipeline.make(dataset, days).error() is None
    _put(home / "dumps" / "cut", home)
    for dataset in ("raw_leads", "crm_assignments", "crm_sales"):
        assert "cut off" in str(pipeline.make(dataset, days).error())
    _put(home / "whole", home)
    for dataset in in_order():
        assert pipeline.make(dataset, days).error() is None
    return pipeline


def _put(dump: Path, home: Path) -> None:
    shutil.copytree(dump, home / "exports", dirs_exist_ok=True)


def _scored(pipeline: Pipeline, folder: Path | None = None) -> Sides:
    return score_world(folder or pipeline.settings.home, pipeline.lake, pipeline.quarantine)


def rewrite(folder: Path, table: str, column: str, wrong: Callable[[Any], Any]) -> None:
    """Put other values into a column of the answer key."""
    path = folder / "answer_key" / f"{table}.parquet"
    key = pq.read_table(path)
    place = key.schema.get_field_index(column)
    values = pa.array([wrong(value) for value in key[column].to_pylist()], key.schema.field(column).type)
    pq.write_table(key.set_column(place, column, values), path)


def test_the_pipeline_finds_what_truly_happened(made: Pipeline) -> None:
    scored = _scored(made)

    assert [result for result in scored.checks.results if not result.passed] == []
    assert len(scored.checks.results) > 30


def test_the_saas_world_runs_through_the_same_pipeline(made_saas: Pipeline) -> None:
    scored = _scored(made_saas)

    assert [result for result in scored.checks.results if not result.passed] == []
    assert len(scored.key("exported_sales")) >= 4
    assert len(scored.key("exported_leads")) >= 80


def test_a_wrong_answer_of_the_saas_world_is_noticed(made_saas: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(made_saas.settings.home / "answer_key", tmp_path / "answer_key")
    rewrite(tmp_path, "exported_sales", "amount_cents", lambda cents: cents + 1)

    failed = [result.name for result in _scored(made_saas, tmp_path).checks.results if not result.passed]

    assert failed == [
        "revenue: each sale, total_amount_paise",
        "revenue: each sale, net_amount_paise",
        "gross_revenue_paise in all",
        "net_revenue_paise in all",
    ]


def test_faults_that_the_answer_key_does_not_know_are_noticed(made_saas: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(made_saas.settings.home / "answer_key", tmp_path / "answer_key")
    (tmp_path / "answer_key" / "faults.parquet").unlink()

    failed = [result.name for result in _scored(made_saas, tmp_path).checks.results if not result.passed]

    assert failed == [
        "leads: when, which form",
        "leads: phones that can't be used",
        "assignments: each once",
        "leads: each handed over",
        "stages: demo requests that are an SQL on their day",
        "stages: open deals that are an Opportunity on their day",
        "quarantine: exactly the planted rows",
    ]


def test_wrong_answers_are_noticed_each_where_it_belongs(made: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(made.settings.home / "answer_key", tmp_path / "answer_key")
    for table, column, wrong in (
        ("attendance", "union_seconds", lambda old: old + 1),
        ("sales", "net_paise", lambda old: old + 1),
        ("spend", "cost_paise", lambda old: old + 1),
        ("assignments", "employee", lambda old: "Nobody"),
        ("engagement", "event_id", lambda old: f"x{old}"),
        ("leads", "raw_name", lambda old: f"{old}x"),
        ("people", "first_touch_at", lambda old: old and old + dt.timedelta(days=1)),
        ("people", "mql_at", lambda old: None),
        ("zoom_files", "cut", lambda old: not old),
    ):
        rewrite(tmp_path, table, column, wrong)

    failed = {result.name for result in _scored(made, tmp_path).checks.results if not result.passed}

    assert failed >= {
        "submissions, cell by cell",
        "attendance: who, how, minutes, rejoins",
        "attendance: seconds in all",
        "events: each once",
        "stages: day of MQL",
        "revenue: each sale, to the paisa",
        "revenue in all, paise",
        "spend per day and funnel, to the paisa",
        "spend in all, paise",
        "funnel: sales and revenue per day and funnel",
        "funnel: handovers, first of each month",
        "quarantine: exactly the cut reports",
    }


def test_two_people_taken_for_one_and_one_for_two_are_noticed(made: Pipeline, tmp_path: Path) -> None:
    shutil.copytree(made.settings.home / "answer_key", tmp_path / "answer_key")
    # Every submission is somebody else's than it was: next to no two of a person stay together.
    row = itertools.count()
    rewrite(
        tmp_path,
        "leads",
        "person",
        lambda person: person if person is None else (person * 7 + next(row)) % 200,
    )

    failed = {result.name for result in _scored(made, tmp_path).checks.results if not result.passed}

    assert failed >= {
        "submissions: phones read wrong",
        "submissions: addresses read wrong",
        "identity: precision",
        "identity: people of different phones taken for one",
        "identity: people of one phone taken for several",
        "first touch: wrong, of people with a phone of their own",
    }


def test_a_folder_without_a_world_or_a_lake_without_its_days_is_told(made: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no simulated world"):
        _scored(made, tmp_path)
    empty = Pipeline(load_settings({"FUNNEL_HOME": str(tmp_path)}, dotenv=False))
    with pytest.raises(MissingPartitions, match="funnel backfill"):
        score_world(made.settings.home, empty.lake, empty.quarantine)
