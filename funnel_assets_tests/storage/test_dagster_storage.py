"""Dagster's instance on our storage: the same history as dagster-postgres keeps, sooner, and through failures."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._serdes import serialize_value
from sqlalchemy import event
from sqlalchemy.exc import DataError

from funnel_assets.storage.dagster_storage import FunnelDagsterStorage, PooledEventLogStorage
from funnel_assets.storage.postgres import ensure_server, server_status
from funnel_assets_tests.postgres_fixture import fresh_database, throw_away_home

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")
RANGE = {ASSET_PARTITION_RANGE_START_TAG: "2026-01-01", ASSET_PARTITION_RANGE_END_TAG: "2026-01-10"}
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage objects set the batch size for their process; a test must not leave it to the next."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


def instance_on(url: str, folder: Path, *, stock: bool = False) -> dg.DagsterInstance:
    ours = "module: funnel_assets.storage.dagster_storage, class: FunnelDagsterStorage"
    storage = (
        f"postgres: {{postgres_url: '{url}'}}"
        if stock
        else f"custom: {{{ours}, config: {{postgres_url: '{url}'}}}}"
    )
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(f"storage: {{{storage}}}\ntelemetry: {{enabled: false}}\n")
    return dg.DagsterInstance.from_config(str(folder))


@pytest.fixture(scope="module")
def instance_url(postgres_home: Path) -> Iterator[str]:
    """One instance for the module, since making its tables takes a second: each test has its own run ids."""
    with fresh_database(ensure_server(postgres_home)) as url:
        yield url


@pytest.fixture(scope="module")
def instance(instance_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with instance_on(instance_url, tmp_path_factory.mktemp("ours")) as found:
        yield found


@dg.asset(partitions_def=DAYS, code_version="1")
def leads(context: dg.AssetExecutionContext) -> None:
    for day in context.partition_keys:
        context.add_asset_metadata({"rows_out": 3}, partition_key=day)


@dg.asset(partitions_def=DAYS, deps=[leads])
def marts(context: dg.AssetExecutionContext) -> None:
    """Nine good days recorded one by one, then the run fails for the tenth."""
    for day in context.partition_keys[:-1]:
        context.log_event(dg.AssetMaterialization("marts", partition=day, metadata={"rows_out": 1}))
    raise dg.Failure("2026-01-10 has no CRM data")


@dg.asset_check(asset=leads)
def has_rows() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True, metadata={"rows": 30})


def run_range(instance: dg.DagsterInstance) -> str:
    definitions = dg.Definitions(
        assets=[leads, marts],
        asset_checks=[has_rows],
        jobs=[dg.define_asset_job("daily", "*", executor_def=dg.in_process_executor)],
    )
    job = definitions.resolve_job_def("daily")
    return job.execute_in_process(instance=instance, tags=RANGE, raise_on_error=False).run_id


def history(instance: dg.DagsterInstance, run_id: str) -> dict[str, object]:
    """What the UI shows of a run and its assets, without ids and times."""
    storage = instance.event_log_storage
    entries = instance.all_logs(run_id)
    keys = [leads.key, marts.key]
    latest = storage.get_latest_materialization_events(keys)
    checks = storage.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(leads.key, "has_rows")])
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return {
        "status": run.status,
        "events": Counter(
            (e.dagster_event.event_type_value, str(e.dagster_event.asset_key), e.dagster_event.partition)
            for e in entries
            if e.dagster_event and e.dagster_event.event_type_value != "ENGINE_EVENT"
        ),
        "order": [
            (str(e.dagster_event.asset_key), e.dagster_event.partition)
            for e in entries
            if e.dagster_event and e.dagster_event.is_step_materialization
        ],
        "days": {str(k): storage.get_materialized_partitions(k) for k in keys},
        "unfinished": {
            str(k): set(
                storage.get_latest_asset_partition_materialization_attempts_without_materializations(k)
            )
            for k in keys
        },
        "latest": {str(k): e and e.dagster_event and e.dagster_event.partition for k, e in latest.items()},
        "keys": set(storage.all_asset_keys()),
        "checks": {str(k): record.status for k, record in checks.items()},
        "tags": Counter(
            tuple(sorted(tags)) for tags in (dict(t) for t in storage.get_event_tags_for_asset(leads.key))
        ),
    }


def test_a_run_leaves_the_same_history_as_with_dagster_postgres(
    instance: dg.DagsterInstance, postgres_home: Path, tmp_path: Path
) -> None:
    ours = history(instance, run_range(instance))
    with (
        fresh_database(ensure_server(postgres_home)) as url,
        instance_on(url, tmp_path / "stock", stock=True) as stock,
    ):
        assert ours == history(stock, run_range(stock))
    assert ours["status"] == dg.DagsterRunStatus.FAILURE
    assert ours["unfinished"] == {str(leads.key): set(), str(marts.key): {"2026-01-10"}}


def statements(instance: dg.DagsterInstance) -> list[str]:
    seen: list[str] = []
    assert isinstance(instance.event_log_storage, PooledEventLogStorage)
    engine = instance.event_log_storage._engine

    @event.listens_for(engine, "before_cursor_execute")
    def remember(_connection, _cursor, statement: str, *_rest: object) -> None:
        seen.append(statement)

    return seen


def test_planned_events_and_automatic_materializations_are_one_statement_a_batch(
    instance: dg.DagsterInstance,
) -> None:
    seen = statements(instance)
    run_range(instance)
    inserts = [text.count("(%s") + text.count("(%(") for text in seen if "INTO event_logs" in text]
    assert inserts[0] == 21, "ten planned days of two assets and a planned check"
    assert inserts.count(10) == 1, "the ten days of leads"
    assert not [text for text in seen if "NOTIFY" in text]


def test_a_process_keeps_a_few_connections_however_much_it_writes(
    instance: dg.DagsterInstance, instance_url: str
) -> None:
    run_range(instance)
    with sa.create_engine(instance_url).connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        assert connection.execute(sa.text(query)).scalar_one() <= 4


def test_a_batch_is_stored_whole_or_not_at_all(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    whole = [materialized("whole", key) for key in "abc"]
    broken = materialized("x" * 300, "d")
    with pytest.raises(DataError) as caught:
        storage.store_event_batch([*whole, broken])
    assert "__class__" not in str(caught.value), "values of a statement don't belong into a log"
    assert instance.all_logs("whole") == []
    storage.store_event_batch(whole)
    assert len(instance.all_logs("whole")) == 3


def test_several_runs_at_once_wait_for_nobody(instance: dg.DagsterInstance) -> None:
    failures: list[BaseException] = []

    def write(run_id: str, reverse: bool) -> None:
        try:
            for _ in range(20):
                events = [materialized(run_id, key) for key in sorted("abcdef", reverse=reverse)]
                instance.event_log_storage.store_event_batch(events)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(f"run{n}", n % 2 == 0)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(instance.all_logs("run0")) == 120


def materialized(run_id: str, key: str):
    from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
    from dagster._core.events.log import EventLogEntry

    return EventLogEntry(
        error_info=None,
        level="debug",
        user_message="",
        run_id=run_id,
        timestamp=time.time(),
        dagster_event=DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value,
            "job",
            event_specific_data=StepMaterializationData(dg.AssetMaterialization(key, partition="2026-01-01")),
        ),
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is a POSIX notion")
def test_a_forked_child_does_not_use_its_parents_connections(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    assert isinstance(storage, PooledEventLogStorage)

    def session() -> int:
        with storage._engine.connect() as connection:
            return connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()

    storage.store_event(materialized("parent", "a"))
    parents = session()
    child = os.fork()
    if child == 0:
        try:
            storage.store_event(materialized("child", "a"))
            os._exit(0 if session() != parents else 2)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    storage.store_event(materialized("parent", "a"))
    assert (len(instance.all_logs("parent")), len(instance.all_logs("child"))) == (2, 1)


def test_a_server_killed_between_two_events_costs_neither(tmp_path: Path) -> None:
    with throw_away_home() as home, instance_on(ensure_server(home).dagster_url, tmp_path) as instance:
        instance.event_log_storage.store_event(materialized("run", "a"))
        pid = server_status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        starter = threading.Timer(0.5, ensure_server, [home])
        starter.start()
        instance.event_log_storage.store_event(materialized("run", "a"))
        starter.join()
        assert len(instance.all_logs("run")) == 2


def test_a_connection_lost_in_mid_transaction_is_tried_again(
    instance: dg.DagsterInstance, instance_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = instance.event_log_storage
    assert isinstance(storage, PooledEventLogStorage)
    original, lost = storage._store_asset_event, []

    def lose_once(connection, event, event_id: int) -> None:
        if not lost:
            lost.append(True)
            (pid,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
            with psycopg2.connect(instance_url.replace("+psycopg2", "")) as other:
                other.cursor().execute("SELECT pg_terminate_backend(%s)", (pid,))
        original(connection, event, event_id)

    monkeypatch.setattr(storage, "_store_asset_event", lose_once)
    storage.store_event(materialized("interrupted", "a"))
    assert lost
    assert len(instance.all_logs("interrupted")) == 1


def test_the_webserver_bounds_its_queries(instance_url: str, tmp_path: Path) -> None:
    instance = instance_on(instance_url, tmp_path)
    instance.optimize_for_webserver(statement_timeout=1500, pool_recycle=3600, max_overflow=20)
    for storage in (instance.event_log_storage, instance.run_storage, instance.schedule_storage):
        with storage._engine.connect() as connection:  # pyright: ignore
            assert connection.execute(sa.text("SHOW statement_timeout")).scalar_one() == "1500ms"
            isolation = connection.execute(sa.text("SHOW transaction_isolation")).scalar_one()
            assert isolation == "read committed"
    instance.dispose()


# --- dagster.yaml ---


@pytest.fixture
def deployed(
    instance_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """The repository's own file, in a DAGSTER_HOME as the launcher makes it."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(REPOSITORY / "dagster.yaml", home)
    monkeypatch.setenv("FUNNEL_HOME", str(tmp_path))
    monkeypatch.setenv("FUNNEL_DAGSTER_POSTGRES_URL", instance_url)
    monkeypatch.delenv("DAGSTER_EVENT_BATCH_SIZE")
    with dg.DagsterInstance.from_config(str(home)) as found:
        yield found


def test_the_deployed_instance_watches_runs_and_caps_them(deployed: dg.DagsterInstance) -> None:
    assert deployed.run_monitoring_enabled
    assert not deployed.run_retries_enabled
    assert not deployed.telemetry_enabled
    assert deployed.get_concurrency_config().run_queue_config.max_concurrent_runs == 2  # pyright: ignore
    assert os.environ["DAGSTER_EVENT_BATCH_SIZE"] == "1000"


def test_the_deployed_instance_keeps_its_files_in_the_funnel_home(
    deployed: dg.DagsterInstance, tmp_path: Path
) -> None:
    assert Path(deployed.storage_directory()) == tmp_path / "dagster" / "storage"
    manager = deployed.compute_log_manager
    assert manager._base_dir == str(tmp_path / "dagster" / "storage")  # pyright: ignore[reportAttributeAccessIssue]


def test_what_dagster_tells_its_child_processes_holds_no_password(
    deployed: dg.DagsterInstance, instance_url: str
) -> None:
    password = sa.make_url(instance_url).password
    assert password
    assert str(password) not in serialize_value(deployed.get_ref())


def test_without_any_setting_the_embedded_server_is_found(
    postgres_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FUNNEL_DAGSTER_POSTGRES_URL", raising=False)
    monkeypatch.delenv("FUNNEL_POSTGRES_URL", raising=False)
    monkeypatch.setenv("FUNNEL_HOME", str(postgres_home))
    storage = FunnelDagsterStorage()
    assert storage.run_storage.postgres_url == ensure_server(postgres_home).dagster_url
    storage.run_storage.dispose()
