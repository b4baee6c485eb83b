"""What is deployed, name by name: a change here is one that ops see in the UI, or that somebody's script calls."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from funnel_assets.assets.base import OWNERS
from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.definitions import build_defs
from funnel_assets.pipeline.graph import NODES
from funnel_assets_tests.postgres_fixture import throw_away_home

PROJECT = Path(__file__).resolve().parents[2]

GROUPS = {
    "marketing": {
        "raw_leads",
        "zoom_attendance",
        "spend",
        "engagement_events",
        "dedup_leads",
        "engagement_summary",
        "scored_contacts",
    },
    "sales": {"crm_assignments", "crm_sales", "assigned_leads", "sales_enriched", "sale_credit"},
    "marts": {"funnel_marts"},
}
ALL = set().union(*GROUPS.values())
READS = {
    "raw_leads": set(),
    "zoom_attendance": set(),
    "spend": set(),
    "engagement_events": set(),
    "crm_assignments": set(),
    "crm_sales": set(),
    "dedup_leads": {"raw_leads", "zoom_attendance", "engagement_events"},
    "engagement_summary": {"raw_leads", "zoom_attendance", "engagement_events"},
    "scored_contacts": {"engagement_summary", "sales_enriched"},
    "assigned_leads": {"crm_assignments", "zoom_attendance", "raw_leads", "engagement_events"},
    "sales_enriched": {"dedup_leads", "crm_sales", "raw_leads", "zoom_attendance", "engagement_events"},
    "sale_credit": {"sales_enriched", "raw_leads", "zoom_attendance", "engagement_events"},
    "funnel_marts": {
        "dedup_leads",
        "assigned_leads",
        "sales_enriched",
        "sale_credit",
        "scored_contacts",
        "spend",
    },
}
CHECKS = {"reconciliation", "row_count", "freshness"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return load_settings({"FUNNEL_HOME": str(home), "FUNNEL_START_DATE": "2026-03-01"}, dotenv=False)


@pytest.fixture(scope="module")
def defs(settings: Settings) -> dg.Definitions:
    return build_defs(settings)


@pytest.fixture(scope="module")
def repository(defs: dg.Definitions) -> dg.RepositoryDefinition:
    return defs.get_repository_def()


@pytest.fixture(scope="module")
def assets(repository: dg.RepositoryDefinition) -> dict[str, dg.AssetSpec]:
    return {
        spec.key.to_user_string(): spec
        for asset in repository.assets_defs_by_key.values()
        for spec in asset.specs
    }


def test_building_needs_no_folder_and_no_server(settings: Settings) -> None:
    build_defs(settings).get_repository_def()
    assert list(settings.home.iterdir()) == []


def test_assets_groups_and_owners(assets: dict[str, dg.AssetSpec]) -> None:
    assert set(assets) == ALL == set(NODES)
    for group, names in GROUPS.items():
        assert {name for name, spec in assets.items() if spec.group_name == group} == names
        assert {tuple(assets[name].owners) for name in names} == {(OWNERS[group],)}
    assert OWNERS == {"marketing": "team:marketing-ops", "sales": "team:sales-ops", "marts": "team:analytics"}


def test_dependencies(assets: dict[str, dg.AssetSpec]) -> None:
    found = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in assets.items()}
    assert found == READS
    # The mart's step publishes every dataset, so it comes after all of them.
    before, front = set(), {"funnel_marts"}
    while front:
        front = {name for found_name in front for name in READS[found_name]} - before
        before |= front
    assert before == ALL - {"funnel_marts"}


def test_one_partitions_definition_for_all(repository: dg.RepositoryDefinition) -> None:
    partitions = {asset.partitions_def for asset in repository.assets_defs_by_key.values()}
    partitions |= {
        repository.get_job(name).partitions_def for name in ("daily_funnel", "marketing_part", "sales_part")
    }
    assert len(partitions) == 1
    (days,) = partitions
    assert isinstance(days, dg.DailyPartitionsDefinition)
    assert days.timezone == "Asia/Kolkata"
    # 23:59 and 00:00 in India are two days, and a day is there as soon as it has ended there.
    ended = dt.datetime(2026, 3, 3, 0, 0, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    assert days.get_partition_keys(current_time=ended) == ["2026-03-01", "2026-03-02"]
    assert days.get_partition_keys(current_time=ended - dt.timedelta(minutes=1)) == ["2026-03-01"]


def test_a_range_is_one_run(repository: dg.RepositoryDefinition) -> None:
    policies = {asset.backfill_policy for asset in repository.assets_defs_by_key.values()}
    assert policies == {dg.BackfillPolicy.single_run()}


def test_checks_of_every_asset(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    keys = {(key.asset_key.to_user_string(), key.name) for key in graph.asset_check_keys}
    sources = {name for name in ALL if NODES[name].is_source}
    everywhere = {(name, check) for name in ALL for check in CHECKS}
    some = {("engagement_events", "activities"), ("crm_sales", "external_ids")}
    assert keys == everywhere | {(name, "held") for name in sources} | some
    # A blocking check runs after the write and would only stop what comes later: rows are validated before it.
    assert not any(graph.get_check_spec(key).blocking for key in graph.asset_check_keys)


@pytest.mark.parametrize("dataset", sorted(ALL))
def test_asset_says_what_it_is(assets: dict[str, dg.AssetSpec], dataset: str) -> None:
    spec = assets[dataset]
    assert spec.description is not None
    assert CONTRACTS[dataset].description in spec.description
    assert "Grain: " in spec.description
    schema = spec.metadata["dagster/column_schema"]
    schema = getattr(schema, "schema", None) or getattr(schema, "value", schema)
    assert [(column.name, column.type) for column in schema.columns] == [
        (facts.name, str(facts.arrow_type)) for facts in columns(CONTRACTS[dataset])
    ]
    assert all(column.description for column in schema.columns)


@pytest.mark.parametrize(
    ("job", "groups"),
    [
        ("daily_funnel", ("marketing", "sales", "marts")),
        ("marketing_part", ("marketing", "marts")),
        ("sales_part", ("sales", "marts")),
    ],
)
def test_jobs_and_what_they_make(
    repository: dg.RepositoryDefinition, job: str, groups: tuple[str, ...]
) -> None:
    found = repository.get_job(job).asset_layer.executable_asset_keys
    assert {key.to_user_string() for key in found} == set().union(*(GROUPS[group] for group in groups))


def test_there_are_no_other_jobs(repository: dg.RepositoryDefinition) -> None:
    names = {name for name in repository.job_names if not name.startswith("__")}
    assert names == {"daily_funnel", "marketing_part", "sales_part"}


def test_steps_run_in_process_and_go_on_when_days_failed(repository: dg.RepositoryDefinition) -> None:
    for name in ("daily_funnel", "marketing_part", "sales_part", "__ASSET_JOB"):
        executor = repository.get_job(name).executor_def
        assert executor.name == "in_process"
        config = executor.config_schema.resolve_config({}).value["config"]
        assert config["step_dependency_config"] == {"require_upstream_step_success": False}


def test_schedule_makes_yesterday_every_night(repository: dg.RepositoryDefinition) -> None:
    (schedule,) = repository.schedule_defs
    assert schedule.name == "every_night"
    assert schedule.job_name == "daily_funnel"
    assert schedule.cron_schedule == "30 2 * * *"
    assert schedule.execution_timezone == "Asia/Kolkata"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    night = dt.datetime(2026, 3, 12, 2, 30, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=night, repository_def=repository
        )
        (request,) = schedule.evaluate_tick(context).run_requests
    assert request.partition_key == "2026-03-11"
    assert request.asset_selection is None or {k.to_user_string() for k in request.asset_selection} == ALL


def test_sensors_are_on(repository: dg.RepositoryDefinition) -> None:
    sensors = {sensor.name: sensor for sensor in repository.sensor_defs}
    assert {"zoom_inbox", "keeper"} <= set(sensors)
    assert {sensor.default_status for sensor in sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    assert {sensors[name].job_name for name in ("zoom_inbox", "keeper")} == {"daily_funnel"}
    assert sensors["zoom_inbox"].minimum_interval_seconds == 20
    assert sensors["keeper"].minimum_interval_seconds == 60


def test_definitions_validate_as_people_who_know_dagster_type_it() -> None:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("FUNNEL_", "DAGSTER_"))}
    program = Path(sys.executable).with_name("dagster")
    with throw_away_home() as home:
        done = subprocess.run(
            [str(program), "definitions", "validate"],
            cwd=PROJECT,
            env={**kept, "FUNNEL_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "All code locations passed validation" in done.stdout + done.stderr
