"""Runs on a real Dagster instance, over a real pipeline that a test may have tampered with.

``materialize()`` and ``execute_in_process()`` put an executor of their own in place of the job's, and with it lose
that later steps run on the good days of a step that failed. So runs here go the way the daemon's do: a job that is
rebuilt by name, under its configured executor.
"""

import contextlib
import datetime as dt
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import psycopg2
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob
from sqlalchemy.engine import make_url

from funnel_assets.config.settings import load_settings
from funnel_assets.definitions import build_defs
from funnel_assets.jobs import DAILY_JOB
from funnel_assets.launch import PARTITION, RANGE_END, RANGE_START
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.resources import PipelineResource
from funnel_assets_tests.world import Place

# One answer, no second try: what is tested is what follows from a failure, not how long it takes to be one.
IMPATIENT = "    http: {retries: 0, timeout_seconds: 5}\n"

_pipelines: list[Pipeline] = []


def impatient(here: Place) -> None:
    """Let every source over HTTP fail at its first failure."""
    path = here.settings.sources_file
    lines = path.read_text().replace("kind: http_csv\n", f"kind: http_csv\n{IMPATIENT}")
    path.write_text(lines.replace("kind: http_json\n", f"kind: http_json\n{IMPATIENT}"))


def open_pipeline(here: Place, **environ: str) -> Pipeline:
    """The pipeline of a place, with some of its environment otherwise."""
    return Pipeline(load_settings({**here.environ, **environ}, dotenv=False))


@contextlib.contextmanager
def secrets_in_environment(here: Place) -> Iterator[None]:
    """Put the place's secrets where what fetches looks for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNNEL_CRM_TOKEN", here.environ["FUNNEL_CRM_TOKEN"])
        yield


@contextlib.contextmanager
def nothing_published(opened: Pipeline) -> Iterator[None]:
    """Let the database be as empty as a new lake is, and put back what was published."""
    with contextlib.closing(
        psycopg2.connect(make_url(opened.warehouse._url).render_as_string(False))
    ) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'funnel'")
        was_there = cursor.fetchone() is not None
        if was_there:
            cursor.execute("ALTER SCHEMA funnel RENAME TO funnel_kept")
        yield
        cursor.execute("DROP SCHEMA IF EXISTS funnel CASCADE")
        if was_there:
            cursor.execute("ALTER SCHEMA funnel_kept RENAME TO funnel")


def daily_job(number: int) -> dg.JobDefinition:
    """The daily job over one of the pipelines in use; by name, so that a run can be rebuilt from it."""
    return _job(number)


@functools.cache  # Dagster asks several times a run
def _job(number: int) -> dg.JobDefinition:
    opened = _pipelines[number]
    return build_defs(opened.settings, PipelineResource.of(opened)).resolve_job_def(DAILY_JOB)


def rebuildable(opened: Pipeline) -> ReconstructableJob:
    """The daily job over a pipeline. Dagster keeps what it has built, by name and arguments: hence the number."""
    _pipelines.append(opened)
    return dg.build_reconstructable_job(
        __name__, "daily_job", reconstructable_kwargs={"number": len(_pipelines) - 1}
    )


def partition_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """Tags by which a run knows its days."""
    if first == last:
        return {PARTITION: str(first)}
    return {RANGE_START: str(first), RANGE_END: str(last)}


def run(
    instance: dg.DagsterInstance,
    opened: Pipeline,
    first: dt.date,
    last: dt.date,
    *,
    tags: Mapping[str, str] | None = None,
    datasets: Sequence[str] | None = None,
) -> dg.DagsterRun:
    """Run days under the daily job's own executor, and return the finished run."""
    result = dg.execute_job(
        rebuildable(opened),
        instance=instance,
        tags={**partition_tags(first, last), **(tags or {})},
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        asset_selection=None if datasets is None else [dg.AssetKey(name) for name in datasets],
        raise_on_error=False,
    )
    found = instance.get_run_by_id(result.run_id)
    assert found is not None
    return found


def run_well(
    instance: dg.DagsterInstance, opened: Pipeline, first: dt.date, last: dt.date, **how: Any
) -> dg.DagsterRun:
    """Run days, which has to succeed."""
    finished = run(instance, opened, first, last, **how)
    assert finished.status == dg.DagsterRunStatus.SUCCESS, failures(instance, finished.run_id)
    return finished


def materialized(instance: dg.DagsterInstance, dataset: str) -> set[str]:
    """Days of a dataset that Dagster shows as there."""
    return set(instance.get_materialized_partitions(dg.AssetKey(dataset)))


def recorded(instance: dg.DagsterInstance, run_id: str, dataset: str) -> list[str]:
    """Days of a dataset that a run said it made, as often as it said so."""
    return [
        str(event.partition)
        for event in materializations(instance, run_id)
        if event.asset_key == dg.AssetKey(dataset)
    ]


def materializations(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetMaterialization]:
    """Everything a run said it made."""
    found = []
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = record.dagster_event
        assert event is not None
        found.append(event.step_materialization_data.materialization)
    return found


def failures(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """What each failed step of a run said."""
    found = {}
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = record.dagster_event
        assert event is not None
        data = event.step_failure_data
        given = data.user_failure_data.description if data.user_failure_data else None
        found[str(event.step_key)] = given or str(data.error)
    return found


def checks(instance: dg.DagsterInstance, run_id: str, name: str) -> dict[str, bool]:
    """Whether each dataset passed a check in a run."""
    found = {}
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = record.dagster_event
        assert event is not None
        evaluation = event.asset_check_evaluation_data
        if evaluation.check_name == name:
            found[evaluation.asset_key.to_user_string()] = evaluation.passed
    return found


def environment(here: Place, **more: str) -> dict[str, str]:
    """Environment of a child process that works in a place."""
    return {**here.environ, "PYTHONWARNINGS": "ignore", "PATH": os.environ["PATH"], **more}
