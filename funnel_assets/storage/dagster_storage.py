"""Dagster's instance on PostgreSQL, made fast enough for a year in one run.

Belongs here: the storage classes that ``dagster.yaml`` names, and nothing else that Dagster stores.

Why not ``dagster-postgres`` as it is (CONVENTIONS, Dagster trap 12;
``funnel_assets/bench/dagster_bookkeeping.py`` measures it): it opens a new connection for each write, and a
connection with password login costs more than the write; it stores the 'planned' events of a run one by
one, though Dagster hands them over as a batch; and it writes each event in up to three statements, a
``NOTIFY`` that nobody reads any more among them. Here each process keeps a few connections, and any batch
is one transaction of a few statements. What is stored, and every read, stays that of ``dagster-postgres``:
its tables can be opened by either.

The URL is never in ``dagster.yaml`` and never on a command line: Dagster passes that file's content to its
child processes as arguments. Each process finds the server by itself, from ``FUNNEL_DAGSTER_POSTGRES_URL``
or as ``funnel_assets.storage.postgres.server_from_env`` does.
"""

import contextlib
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from dagster import DagsterEventType, Field, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.schema import AssetEventTagsTable, SqlEventLogStorageTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClass, ConfigurableClassData
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage, PostgresScheduleStorage
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from funnel_assets.storage.postgres import server_from_env

log = logging.getLogger(__name__)

URL_VARIABLE = "FUNNEL_DAGSTER_POSTGRES_URL"
EVENT_BATCH_SIZE = "1000"
_CONNECTIONS_KEPT = 4
_LOST_CONNECTION_TRIES = 5
_EVENT_COLUMNS = ("run_id", "event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition")

_engines: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_T = TypeVar("_T")


class FunnelDagsterStorage(DagsterStorage, ConfigurableClass):
    """Runs, events, schedules and sensors in one PostgreSQL database, over one small pool a process.

    Named in ``dagster.yaml`` as ``storage: custom:``.

    Args:
        postgres_url: SQLAlchemy URL (``postgresql+psycopg2://…``); None finds the server as described above.
    """

    def __init__(
        self, postgres_url: str | None = None, inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._inst_data = inst_data
        url = postgres_url or os.environ.get(URL_VARIABLE) or server_from_env().dagster_url
        # Dagster reads this on each write and hands over single events without it. Set where every process
        # that opens the instance passes, so that no launcher can forget it.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)
        engine = pooled_engine(url)
        self._run_storage = PooledRunStorage(url, engine)
        self._event_log_storage = PooledEventLogStorage(url, engine)
        self._schedule_storage = PooledScheduleStorage(url, engine)
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What ``dagster.yaml`` says of this class."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """One optional field; leave it out, see the module's text."""
        return {"postgres_url": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "FunnelDagsterStorage":
        """Called by Dagster."""
        return cls(config_value.get("postgres_url"), inst_data)

    @property
    def run_storage(self) -> "PooledRunStorage":
        """Runs, their tags, snapshots and daemon heartbeats."""
        return self._run_storage

    @property
    def event_log_storage(self) -> "PooledEventLogStorage":
        """Events, assets and checks."""
        return self._event_log_storage

    @property
    def schedule_storage(self) -> "PooledScheduleStorage":
        """Schedules, sensors and their ticks."""
        return self._schedule_storage


def pooled_engine(url: str, *, statement_timeout_ms: int | None = None) -> Engine:
    """Connections that are kept between writes, in autocommit as Dagster's SQL expects.

    Safe over a server restart (each connection is tried before use), over threads (no limit, so that nobody
    waits for a connection held by itself; those beyond a few are closed after use) and over a fork (the
    child starts with an empty pool). Exceptions don't quote the values of a statement.
    """
    options = (
        {} if statement_timeout_ms is None else {"options": f"-c statement_timeout={statement_timeout_ms}"}
    )
    engine = sa.create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=_CONNECTIONS_KEPT,
        max_overflow=-1,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=options,
    )
    if not _engines and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_parents_connections)
    _engines.add(engine)
    return engine


def _forget_parents_connections() -> None:
    for engine in list(_engines):
        engine.dispose(close=False)


def again_when_connection_lost(work: Callable[[], _T]) -> _T:
    """Run ``work``; when the server went away under it, run it again, for about half a minute.

    ``dagster-postgres`` waits 6 s for a connection and not at all for a broken one; a server that recovers from
    a crash needs longer. ``work`` must be one transaction. Should the answer to its commit be what was lost, it
    is stored twice: for an event log a repeated event is harmless, a missing one isn't.
    """
    for attempt in range(1, _LOST_CONNECTION_TRIES):
        try:
            return work()
        except DagsterPostgresException:
            pass  # no connection, after some seconds of trying
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        log.warning(
            "Dagster's database went away; trying again (%s of %s)", attempt, _LOST_CONNECTION_TRIES - 1
        )
        time.sleep(0.1 * 2**attempt)
    return work()


class _Pooled:
    """What the three storages share: connections from one pool instead of a new one each time."""

    postgres_url: str
    _engine: Engine

    def __init__(self, postgres_url: str, engine: Engine) -> None:
        super().__init__(postgres_url)  # type: ignore[call-arg] - of the storage that this is mixed into
        self._engine = engine

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Bound how long a page's query may take; the pool is ours already."""
        self._engine = pooled_engine(self.postgres_url, statement_timeout_ms=statement_timeout)

    def dispose(self) -> None:
        """Stop watching and close the connections."""
        super().dispose()  # type: ignore[misc] - likewise
        self._engine.dispose()


class PooledRunStorage(_Pooled, PostgresRunStorage):
    """``dagster-postgres``'s run storage over a shared pool."""


class PooledScheduleStorage(_Pooled, PostgresScheduleStorage):
    """``dagster-postgres``'s schedule storage over a shared pool."""


class PooledEventLogStorage(_Pooled, PostgresEventLogStorage):
    """``dagster-postgres``'s event log over a shared pool; one event or a thousand is one transaction."""

    _tags_table_exists = False

    def has_table(self, table_name: str) -> bool:
        """As the parent; asked within each write, so a yes about the tags table is remembered."""
        if table_name == AssetEventTagsTable.name and self._tags_table_exists:
            return True
        found = super().has_table(table_name)
        if table_name == AssetEventTagsTable.name:
            self._tags_table_exists = found
        return found

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event of a run."""
        self._store([event])

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in their order; all of them or, on an error, none."""
        kept = [e for e in events if not e.get_dagster_event().is_asset_failed_to_materialize]
        if kept:
            self._store(kept)

    def _store(self, events: Sequence[EventLogEntry]) -> None:
        event_ids = again_when_connection_lost(lambda: self._store_in_one_transaction(events))
        for event, event_id in zip(events, event_ids, strict=True):
            if event.is_dagster_event and event.dagster_event_type in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, event_id)

    def _store_in_one_transaction(self, events: Sequence[EventLogEntry]) -> list[int]:
        about_assets = [
            e.is_dagster_event
            and e.dagster_event_type in ASSET_EVENTS
            and e.get_dagster_event().asset_key is not None
            for e in events
        ]
        with self._transaction() as connection:
            event_ids = self._insert(connection, events)
            chosen = [
                pair
                for pair, is_one in zip(zip(events, event_ids, strict=True), about_assets, strict=True)
                if is_one
            ]
            if chosen:
                self._store_asset_event_tags(connection, [e for e, _ in chosen], [i for _, i in chosen])
                for event, event_id in self._last_of_each_asset(chosen):
                    self._store_asset_event(connection, event, event_id)
        return event_ids

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._connect() as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            with connection.begin():
                yield connection

    def _insert(self, connection: Connection, events: Sequence[EventLogEntry]) -> list[int]:
        """Insert the rows in one statement; return their ids in the order of ``events``.

        The ids come from a sequence in the order of the VALUES list, so sorted they match it.
        """
        rows = [self._event_to_row(event) for event in events]
        columns = ", ".join(f'"{column}"' for column in _EVENT_COLUMNS)
        one_row = f"({', '.join(['%s'] * len(_EVENT_COLUMNS))})"
        # Written out, since SQLAlchemy spends longer on composing a statement of 7,000 values than the server
        # on storing it.
        result = connection.exec_driver_sql(
            f"INSERT INTO {SqlEventLogStorageTable.name} ({columns})"
            f" VALUES {', '.join([one_row] * len(rows))} RETURNING id",
            tuple(row[column] for row in rows for column in _EVENT_COLUMNS),
        )
        return sorted(event_id for (event_id,) in result)

    def _last_of_each_asset(
        self, stored: Sequence[tuple[EventLogEntry, int]]
    ) -> list[tuple[EventLogEntry, int]]:
        """The events that decide each asset's row in the asset table: the last of its kind.

        In the order of the asset keys, so that two runs never wait for each other's rows.
        """
        last: dict[tuple[str, DagsterEventType | None], tuple[EventLogEntry, int]] = {}
        for event, event_id in stored:
            asset_key = event.get_dagster_event().asset_key
            assert asset_key is not None
            last[asset_key.to_string(), event.dagster_event_type] = (event, event_id)
        return [last[key] for key in sorted(last, key=lambda key: (key[0], last[key][1]))]


class FunnelComputeLogs(LocalComputeLogManager):
    """What the steps print, in ``$FUNNEL_HOME/dagster/storage`` whether or not ``DAGSTER_HOME`` is set.

    Without this, ``dagster dev`` without ``DAGSTER_HOME`` keeps it in a folder that goes when it ends.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """One optional field, the folder."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "FunnelComputeLogs":
        """Called by Dagster."""
        return cls(config_value.get("base_dir") or str(_dagster_home() / "storage"), inst_data=inst_data)


class FunnelArtifacts(LocalArtifactStorage):
    """Dagster's own small files, in ``$FUNNEL_HOME/dagster`` for the same reason."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """One optional field, the folder."""
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "FunnelArtifacts":
        """Called by Dagster."""
        return cls(config_value.get("base_dir") or str(_dagster_home()), inst_data=inst_data)


def _dagster_home() -> Path:
    return Path(os.environ.get("FUNNEL_HOME") or "data").resolve() / "dagster"
