"""What people read: the published tables and views in PostgreSQL, schema ``funnel``.

Belongs here: making tables from a description, replacing days in them, running view SQL, and who may read
what. Does not belong here: which datasets there are and what their columns mean (``contracts/``), and the
server itself (``postgres.py``).

A run publishes in one transaction (SPEC 3): readers see all its old days or all its new ones, never half.
The same transaction adapts the tables when a contract changed, and the views when their text did. One
publisher works at a time; a second waits for it. Publishing the same days again is harmless, and so is
trying again when the connection was lost, even when what was lost is the answer to the commit.
"""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import pyarrow as pa
import pyarrow.csv as pa_csv
from psycopg2 import sql
from sqlalchemy.engine import make_url

from funnel_assets.errors import ContractViolation, FunnelError, SourceUnavailable
from funnel_assets.masking import mask_text, redact_url
from funnel_assets.storage.files import refusal
from funnel_assets.storage.postgres import ANALYST_ROLE
from funnel_assets.storage.postgres.access import limit_role

log = logging.getLogger(__name__)

SCHEMA = "funnel"
Rows = pa.Table | Callable[[], pa.RecordBatchReader]
"""What to publish: a table, or a function that opens a stream (called again on a retry)."""

_LAYOUT_VERSION = 2
"""Raised when the code that makes tables, grants or views changes, so that existing warehouses are adapted."""
_TURN = "_turn"
"""Table that a publisher locks. An advisory lock is anyone's to take; this one only the owner's."""
_PUBLISH_WAIT_SECONDS = 1800
_TABLE_LOCK_SECONDS = 10
_TRIES = 5
_ROWS_PER_PIECE = 32_768
_ANALYZE_FROM_SHARE = 0.1

_CONNECT_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "application_name": "funnel publish",
}
_LOST = (
    psycopg2.InterfaceError,
    psycopg2.errors.AdminShutdown,
    psycopg2.errors.CrashShutdown,
    psycopg2.errors.CannotConnectNow,
)
_WORTH_A_RETRY = (
    psycopg2.errors.LockNotAvailable,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.SerializationFailure,
)

_MADE_MEANWHILE = (
    psycopg2.errors.UniqueViolation,
    psycopg2.errors.DuplicateTable,
    psycopg2.errors.DuplicateSchema,
)
"""What two first publishers may meet, when both make the schema."""

_T = TypeVar("_T")
Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor


@dataclasses.dataclass(frozen=True)
class ColumnDdl:
    """A column: its PostgreSQL type, whether it may be empty, its meaning, and whether it identifies a person."""

    name: str
    pg_type: str
    nullable: bool = True
    comment: str = ""
    personal: bool = False


@dataclasses.dataclass(frozen=True)
class TableDdl:
    """A table. ``date_column`` is the one that days are replaced by; None for a table always replaced whole."""

    name: str
    columns: tuple[ColumnDdl, ...]
    primary_key: tuple[str, ...] = ()
    comment: str = ""
    date_column: str | None = "date"


@dataclasses.dataclass(frozen=True)
class Published:
    """What a publish did: rows written a table, CSV bytes sent, seconds in the transaction that counted."""

    rows: Mapping[str, int]
    bytes_sent: int
    seconds: float


class Warehouse:
    """The published schema of one database.

    Args:
        url: SQLAlchemy or libpq URL of the database.
        revive: Called before a lost connection is tried again; for the embedded server, what starts it.
        schema: Schema of all tables and views.
        analyst_role: Role that gets to read everything but personal columns. Made, without a login, when it isn't there
            and the user may make roles.
    """

    def __init__(
        self,
        url: str,
        *,
        revive: Callable[[], object] | None = None,
        schema: str = SCHEMA,
        analyst_role: str = ANALYST_ROLE,
    ) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._revive = revive
        self._schema = schema
        self._analyst = analyst_role

    def __repr__(self) -> str:
        return f"Warehouse({redact_url(self._url)}, schema {self._schema})"

    def publish(
        self,
        tables: Mapping[str, Rows],
        *,
        replace_days: Mapping[str, Sequence[dt.date] | None],
        ddl: Sequence[TableDdl],
        after: Sequence[str] = (),
        around: Sequence[str] = (),
        refresh: Sequence[str] = (),
    ) -> Published:
        """Replace days in any number of tables, all of them or none, in one transaction.

        Args:
            tables: The new rows by table. Columns as in ``ddl``, in any order; others are left out.
            replace_days: For each table of ``tables`` the days to replace: rows of these days that aren't in
                ``tables`` any more go. None replaces the whole table.
            ddl: Every table of the schema, those not in ``tables`` included: missing ones are made, columns are
                added, changed and dropped to match.
            after: Statements that make views and helper tables, in the order of their dependence. They run only when
                their text or a table's shape changed, after what they made before has been dropped.
            around: Statements that run before the rows go, and again when the new ones have come.
            refresh: Statements that then bring helper tables up to the tables. These and ``around`` run where
                ``after`` doesn't.

        Raises:
            ContractViolation: Rows that don't fit their table, or lie outside the replaced days.
            SourceUnavailable: The database stayed away. What was published before is untouched.
            FunnelError: Anything else the database refused. What was published before is untouched.
        """
        by_name = {table.name: table for table in ddl}
        unknown = set(tables) - set(by_name) | set(tables) - set(replace_days)
        if unknown:
            raise ValueError(f"Tables without a description or without days to replace: {sorted(unknown)}")

        def work(connection: Connection) -> Published:
            started = time.perf_counter()
            with connection.cursor() as cursor:
                self._wait_for_turn(cursor)
                layout = _Layout(cursor, self._schema, self._analyst)
                made = layout.prepare(ddl, after)
                if layout.unchanged:
                    layout.run_all(around)
                loads = [
                    self._load(cursor, by_name[name], rows, replace_days[name], new=name in made)
                    for name, rows in sorted(tables.items())
                ]
                self._analyze(cursor, {n: c for n, (c, _) in zip(sorted(tables), loads, strict=True)})
                if not layout.finish(ddl, after, made):
                    layout.run_all([*around, *refresh])
            rows_written = {name: rows for name, (rows, _) in zip(sorted(tables), loads, strict=True)}
            seconds = time.perf_counter() - started
            return Published(rows_written, sum(sent for _, sent in loads), seconds)

        return self._in_transaction(work)

    def fetch(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one query; rows as dictionaries. ``search_path`` holds the schema."""

        def work(connection: Connection) -> list[dict[str, Any]]:
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                path = sql.SQL("SET LOCAL search_path = {}, public")
                cursor.execute(path.format(sql.Identifier(self._schema)))
                cursor.execute(query, parameters)
                return [dict(row) for row in cursor.fetchall()]

        return self._in_transaction(work)

    def published_days(self, table: TableDdl) -> list[dt.date]:
        """The days that have rows in a table, oldest first; none when the table isn't there."""
        if table.date_column is None:
            raise ValueError(f"{table.name} has no days")
        there = self.fetch("SELECT to_regclass(%(name)s) IS NOT NULL AS there", {"name": f'"{table.name}"'})
        if not there[0]["there"]:
            return []
        column = table.date_column
        found = self.fetch(f'SELECT DISTINCT "{column}" AS day FROM "{table.name}" ORDER BY 1')
        return [row["day"] for row in found]

    # --- one transaction ---

    def _in_transaction(self, work: Callable[[Connection], _T]) -> _T:
        """Run ``work`` and commit; again when the connection was lost or a table stayed locked."""
        for attempt in range(1, _TRIES + 1):
            connection = None
            try:
                connection = psycopg2.connect(self._url, **_CONNECT_OPTIONS)
                with connection:
                    return work(connection)
            except psycopg2.Error as error:
                error_of_try = error
                lost = connection is None or bool(connection.closed) or isinstance(error, _LOST)
                if not lost and not isinstance(error, _WORTH_A_RETRY):
                    raise _explained(error) from None
                if attempt == _TRIES:
                    raise self._gave_up(error, lost) from None
            finally:
                if connection is not None:
                    connection.close()
            log.warning("Publishing was interrupted (%s); trying again", "connection" if lost else "lock")
            if isinstance(error_of_try, psycopg2.errors.LockNotAvailable):
                self._end_readers()
            time.sleep(0.25 * 2**attempt)
            if lost and self._revive is not None:
                self._try_to_revive()
        raise AssertionError("unreachable")

    def _end_readers(self) -> None:
        """End the analyst's sessions that hold our tables: a publish waits for them once, and not again."""
        ending = """
            SELECT count(pg_terminate_backend(held.pid)) FROM (
                SELECT DISTINCT l.pid FROM pg_locks l
                JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.granted AND n.nspname = %s AND a.usename = %s AND a.datname = current_database()
            ) AS held"""
        try:
            connection = psycopg2.connect(self._url, **_CONNECT_OPTIONS)
            with contextlib.closing(connection), connection, connection.cursor() as cursor:
                cursor.execute(ending, (self._schema, self._analyst))
                (ended,) = cursor.fetchone() or (0,)
        except psycopg2.Error as error:  # on another's server we may not be allowed to
            log.warning("Readers of locked tables couldn't be ended: %s", _safe_text(error))
            return
        if ended:
            log.warning(
                "%d session(s) of %s held tables that have to change, and were ended", ended, self._analyst
            )

    def _try_to_revive(self) -> None:
        assert self._revive is not None
        try:
            self._revive()
        except FunnelError as error:
            log.warning("%s", error)

    def _gave_up(self, error: psycopg2.Error, lost: bool) -> FunnelError:
        refused = refusal(error)
        if lost:
            return SourceUnavailable(
                f"PostgreSQL at {redact_url(self._url)} went away or doesn't let us in: {_safe_text(error)}. "
                "Nothing of this run was published; what was published before stays.",
                fix=(refused and refused.fix)
                or "start it (`funnel db-url` starts the embedded one), then run the same days again",
            )
        return FunnelError(
            f"A table stayed locked: {_safe_text(error)}. Nothing of this run was published; what was published "
            "before stays.",
            fix="end long-running queries of BI tools on it, then run the same days again",
        )

    def _wait_for_turn(self, cursor: Cursor) -> None:
        cursor.execute(f"SET LOCAL lock_timeout = '{_PUBLISH_WAIT_SECONDS}s'")
        turn = sql.Identifier(self._schema, _TURN)
        cursor.execute("SAVEPOINT turn")
        try:
            cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self._schema)))
            cursor.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} ()").format(turn))
        except _MADE_MEANWHILE:
            cursor.execute("ROLLBACK TO SAVEPOINT turn")
        try:
            cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(turn))
        except psycopg2.errors.LockNotAvailable:
            raise FunnelError(
                f"Another run has been publishing for more than {_PUBLISH_WAIT_SECONDS // 60} minutes.",
                fix="look at the runs in progress in the Dagster UI and end the one that hangs",
            ) from None
        # A table that has to change waits for its readers, and new readers wait behind it: not for long.
        cursor.execute(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_SECONDS}s'")
        cursor.execute(sql.SQL("SET LOCAL search_path = {}, public").format(sql.Identifier(self._schema)))
        cursor.execute("SET LOCAL timezone = 'UTC'")

    def _load(
        self, cursor: Cursor, table: TableDdl, rows: Rows, days: Sequence[dt.date] | None, *, new: bool
    ) -> tuple[int, int]:
        """Delete the days, copy the rows; returns rows and bytes sent."""
        target = sql.Identifier(self._schema, table.name)
        if days is not None and table.date_column is None:
            raise ValueError(f"{table.name} has no days to replace; pass None")
        # Frozen rows need no clean-up later; allowed only in a table that nobody else has seen.
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv{})").format(
            target,
            sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
            sql.SQL(", FREEZE" if new else ""),
        )
        with _CsvStream(table, rows, None if days is None else frozenset(days)) as stream:
            try:
                if not new:
                    self._delete(cursor, target, table, days)
                cursor.copy_expert(statement, stream, size=1 << 20)
            except psycopg2.Error as error:
                if stream.failure is not None:
                    raise stream.failure from None
                if cursor.connection.closed or isinstance(error, psycopg2.OperationalError):
                    raise
                raise _explained(error, dataset=table.name) from None
            return stream.rows_sent, stream.bytes_sent

    @staticmethod
    def _delete(
        cursor: Cursor, target: sql.Identifier, table: TableDdl, days: Sequence[dt.date] | None
    ) -> None:
        if days is None:
            cursor.execute(sql.SQL("DELETE FROM {}").format(target))
        elif days:
            cursor.execute(
                sql.SQL("DELETE FROM {} WHERE {} = ANY(%s::date[])").format(
                    target, sql.Identifier(table.date_column or "")
                ),
                (list(days),),
            )

    def _analyze(self, cursor: Cursor, rows: Mapping[str, int]) -> None:
        """Tell the planner about large changes before it makes the helpers of them, which else may take hours."""
        cursor.execute(
            "SELECT relname, reltuples FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE nspname = %s AND relkind = 'r'",
            (self._schema,),
        )
        known = dict(cursor.fetchall())
        for name, count in rows.items():
            if count > max(known.get(name, 0), 0) * _ANALYZE_FROM_SHARE:
                cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(self._schema, name)))


class _CsvStream(io.RawIOBase):
    """Rows as CSV that PostgreSQL's COPY reads piece by piece: memory stays small, however many rows there are.

    The next piece is written in a thread while the server takes in the last one. pyarrow leaves a null empty
    and quotes every text, an empty one too; COPY reads just that as null and ``''``.
    """

    def __init__(self, table: TableDdl, rows: Rows, days: frozenset[dt.date] | None) -> None:
        self.rows_sent = 0
        self.bytes_sent = 0
        self.failure: Exception | None = None
        self._table = table
        self._days = days
        batches = rows.to_reader(_ROWS_PER_PIECE) if isinstance(rows, pa.Table) else rows()
        self._pieces = self._encoded(batches)
        self._rest = memoryview(b"")
        self._writer = ThreadPoolExecutor(max_workers=1)
        self._next = self._writer.submit(next, self._pieces, b"")

    def close(self) -> None:
        """Wait for the piece being written, and end the thread."""
        self._writer.shutdown(cancel_futures=True)
        super().close()

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``; none at the end. Called by psycopg2, which hides our exceptions."""
        if not self._rest:
            try:
                self._rest = memoryview(self._next.result())
                self._next = self._writer.submit(next, self._pieces, b"")
            except Exception as error:
                self.failure = error
                raise
        end = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:end], self._rest[end:]
        self.bytes_sent += len(piece)
        return bytes(piece)

    def _encoded(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        names = [column.name for column in self._table.columns]
        options = pa_csv.WriteOptions(include_header=False)
        for batch in batches:
            if missing := [name for name in names if name not in batch.schema.names]:
                raise ContractViolation(
                    f"Columns to publish are missing: {', '.join(missing)}.",
                    dataset=self._table.name,
                    fix="make the dataset's days again, so that they have the columns of its contract",
                )
            self._check_days(batch)
            if batch.num_rows:
                buffer = io.BytesIO()
                pa_csv.write_csv(batch.select(names), buffer, options)
                self.rows_sent += batch.num_rows
                yield buffer.getvalue()

    def _check_days(self, batch: pa.RecordBatch) -> None:
        """Rows of a day that isn't replaced would be there twice after the next publish."""
        if self._days is None:
            return
        found = set(batch.column(self._table.date_column).unique().to_pylist())
        if strangers := sorted(str(day) for day in found - self._days):
            raise ContractViolation(
                f"Rows of days that aren't being published: {', '.join(strangers[:5])}.",
                dataset=self._table.name,
                fix="publish those days too, or leave their rows out",
            )


class _Layout:
    """Brings schema, tables, views and grants to what is described; does nothing when they already are."""

    def __init__(self, cursor: Cursor, schema: str, analyst: str) -> None:
        self._cursor = cursor
        self._schema = schema
        self._analyst = analyst
        self.unchanged = False
        self._our_views: list[str] = []

    def prepare(self, ddl: Sequence[TableDdl], after: Sequence[str]) -> frozenset[str]:
        """Before the rows: make missing tables (bare) and change old ones. Returns the tables made."""
        self._run("CREATE SCHEMA IF NOT EXISTS {}", sql.Identifier(self._schema))
        self._run(
            "CREATE TABLE IF NOT EXISTS {} (signature text NOT NULL, views text[] NOT NULL)",
            self._name("_layout"),
        )
        self._cursor.execute(sql.SQL("SELECT signature, views FROM {}").format(self._name("_layout")))
        signature, self._our_views = self._cursor.fetchone() or (None, [])
        present = self._relations("rvm")
        needed = {table.name for table in ddl} | set(_views_in(after))
        self.unchanged = signature == self._signature(ddl, after) and needed <= present
        if self.unchanged:
            return frozenset()
        made = [table for table in ddl if table.name not in present]
        for table in made:
            self._make(table)
        for table in ddl:
            if table.name in present:
                self._adapt(table)
        return frozenset(table.name for table in made)

    def finish(self, ddl: Sequence[TableDdl], after: Sequence[str], made: frozenset[str]) -> bool:
        """After the rows: keys and indexes (faster to build then), comments, views, grants. False: nothing to do."""
        if self.unchanged:
            return False
        for table in ddl:
            self._keys(table, new=table.name in made)
            self._comments(table)
        views = self._make_views(after)
        self._grant(ddl)
        self._run("DELETE FROM {}", self._name("_layout"))
        self._cursor.execute(
            sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(self._name("_layout")),
            (self._signature(ddl, after), views),
        )
        return True

    # --- tables ---

    def _make(self, table: TableDdl) -> None:
        columns = [self._column(column) for column in table.columns]
        self._run("CREATE TABLE {} ({})", self._name(table.name), sql.SQL(", ").join(columns))

    @staticmethod
    def _column(column: ColumnDdl, *, nullable: bool | None = None) -> sql.Composed:
        may_be_null = column.nullable if nullable is None else nullable
        return sql.SQL("{} {}{}").format(
            sql.Identifier(column.name),
            sql.SQL(column.pg_type),
            sql.SQL("" if may_be_null else " NOT NULL"),
        )

    def _adapt(self, table: TableDdl) -> None:
        """Add, change and drop columns until the table has those of its description."""
        found = self._columns(self._schema, table.name)
        wanted = self._wanted_types(table)
        changed = [n for n, (pg_type, _) in found.items() if n in wanted and wanted[n] != pg_type]
        dropped = [name for name in found if name not in wanted]
        if changed or dropped:
            self._drop_views()
        name = self._name(table.name)
        for column in table.columns:
            if column.name not in found:
                self._run("ALTER TABLE {} ADD COLUMN {}", name, self._column(column, nullable=True))
            elif column.nullable and found[column.name][1] and column.name not in table.primary_key:
                self._run("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", name, sql.Identifier(column.name))
        for column_name in dropped:
            log.warning("Published table %s loses column %s: it left the contract", table.name, column_name)
            self._run("ALTER TABLE {} DROP COLUMN {}", name, sql.Identifier(column_name))
        for column_name in changed:
            self._change_type(table, column_name, wanted[column_name])

    def _change_type(self, table: TableDdl, column: str, pg_type: str) -> None:
        name, identifier, target = self._name(table.name), sql.Identifier(column), sql.SQL(pg_type)
        try:
            self._run(
                "ALTER TABLE {} ALTER COLUMN {} TYPE {} USING {}::{}",
                name,
                identifier,
                target,
                identifier,
                target,
            )
        except (psycopg2.DataError, psycopg2.ProgrammingError) as error:
            raise FunnelError(
                f"Column {column} can't become {pg_type}: {_safe_text(error)}.",
                dataset=table.name,
                fix=f"drop the published table (DROP TABLE {self._schema}.{table.name}) and publish all its days "
                "again from the lake with `funnel backfill`",
            ) from None

    def _wanted_types(self, table: TableDdl) -> dict[str, str]:
        """The description's types as PostgreSQL spells them, asked of PostgreSQL itself."""
        columns = [self._column(column) for column in table.columns]
        self._run("CREATE TEMPORARY TABLE _wanted ({}) ON COMMIT DROP", sql.SQL(", ").join(columns))
        self._cursor.execute("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()")
        (temporary,) = self._cursor.fetchone() or ("",)
        types = {name: pg_type for name, (pg_type, _) in self._columns(temporary, "_wanted").items()}
        self._cursor.execute("DROP TABLE _wanted")
        return types

    def _columns(self, schema: str, table: str) -> dict[str, tuple[str, bool]]:
        """Type and whether it refuses null, by column."""
        self._cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE nspname = %s AND relname = %s AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (schema, table),
        )
        return {name: (pg_type, refuses_null) for name, pg_type, refuses_null in self._cursor.fetchall()}

    def _keys(self, table: TableDdl, *, new: bool) -> None:
        name = self._name(table.name)
        self._cursor.execute(
            "SELECT conname, (SELECT array_agg(attname::text ORDER BY place) FROM pg_attribute"
            " JOIN unnest(conkey) WITH ORDINALITY AS k(number, place) ON number = attnum AND attrelid = conrelid)"
            " FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'",
            (f'"{self._schema}"."{table.name}"',),
        )
        key_name, key_columns = self._cursor.fetchone() or (None, [])
        if list(key_columns) != list(table.primary_key):
            if key_name:
                self._run("ALTER TABLE {} DROP CONSTRAINT {}", name, sql.Identifier(key_name))
            if table.primary_key:
                columns = sql.SQL(", ").join(map(sql.Identifier, table.primary_key))
                self._run("ALTER TABLE {} ADD PRIMARY KEY ({})", name, columns)
        if table.date_column and table.primary_key[:1] != (table.date_column,):
            index = sql.Identifier(f"{table.name}_{table.date_column}")
            day = sql.Identifier(table.date_column)
            self._run("CREATE INDEX IF NOT EXISTS {} ON {} ({})", index, name, day)
        if not new:
            self._refuse_nulls(table)

    def _refuse_nulls(self, table: TableDdl) -> None:
        """A column added to older days stays open to null until all of them have it."""
        found = self._columns(self._schema, table.name)
        for column in table.columns:
            if column.nullable or found[column.name][1]:
                continue
            identifier = sql.Identifier(column.name)
            self._run("SELECT 1 FROM {} WHERE {} IS NULL LIMIT 1", self._name(table.name), identifier)
            if self._cursor.fetchone() is None:
                self._run("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", self._name(table.name), identifier)

    def _comments(self, table: TableDdl) -> None:
        self._run("COMMENT ON TABLE {} IS {}", self._name(table.name), sql.Literal(table.comment or None))
        for column in table.columns:
            target = sql.Identifier(self._schema, table.name, column.name)
            self._run("COMMENT ON COLUMN {} IS {}", target, sql.Literal(column.comment or None))

    # --- views ---

    def _make_views(self, after: Sequence[str]) -> list[str]:
        """Make all anew: what they are built on may be another. Readers wait for us, they don't fail."""
        self._drop_views()
        self.run_all(after)
        return _views_in(after)

    def run_all(self, statements: Sequence[str]) -> None:
        for statement in statements:
            try:
                self._cursor.execute(statement)
            except psycopg2.OperationalError:
                raise
            except psycopg2.Error as error:
                view = (_views_in([statement]) or ["SQL"])[0]
                raise _explained(error, dataset=view) from None

    def _drop_views(self) -> None:
        """Drop what an earlier publish noted as made by ``after``; never what someone else built on it."""
        try:
            for kind, what in (("v", "VIEW"), ("m", "MATERIALIZED VIEW"), ("r", "TABLE")):
                present = sorted(self._relations(kind).intersection(self._our_views))
                if present:
                    names = sql.SQL(", ").join(self._name(view) for view in present)
                    self._run(f"DROP {what} {{}}", names)
        except psycopg2.errors.DependentObjectsStillExist as error:
            raise self._built_upon(error) from None

    def _built_upon(self, error: psycopg2.Error) -> FunnelError:
        return FunnelError(
            f"Views have to be made anew, and something else is built on them: {_safe_text(error)}.",
            fix=f"drop what was added by hand on top of schema {self._schema}, run again, add it again.",
        )

    # --- who may read ---

    def _grant(self, ddl: Sequence[TableDdl]) -> None:
        """The analyst reads every column but the personal ones; in views these are known by their names."""
        if not self._analyst_exists():
            return
        if refused := limit_role(self._cursor, self._analyst):
            log.warning("Limits of %s that couldn't be set here: %s", self._analyst, ", ".join(refused))
        role = sql.Identifier(self._analyst)
        tables = {table.name: {c.name for c in table.columns if c.personal} for table in ddl}
        personal_anywhere = set().union(*tables.values()) if tables else set()
        self._run("GRANT USAGE ON SCHEMA {} TO {}", sql.Identifier(self._schema), role)
        self._run("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}", sql.Identifier(self._schema), role)
        for relation in sorted(name for name in self._relations() if not name.startswith("_")):
            columns = list(self._columns(self._schema, relation))
            hidden = tables.get(relation, personal_anywhere)
            shown = [sql.Identifier(column) for column in columns if column not in hidden]
            if len(shown) == len(columns):
                self._run("GRANT SELECT ON {} TO {}", self._name(relation), role)
            elif shown:
                self._run(
                    "GRANT SELECT ({}) ON {} TO {}", sql.SQL(", ").join(shown), self._name(relation), role
                )

    def _analyst_exists(self) -> bool:
        self._cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (self._analyst,))
        if self._cursor.fetchone():
            return True
        self._cursor.execute("SAVEPOINT analyst")
        try:
            self._run("CREATE ROLE {} NOLOGIN", sql.Identifier(self._analyst))
        except psycopg2.errors.InsufficientPrivilege:
            self._cursor.execute("ROLLBACK TO SAVEPOINT analyst")
            log.warning("There is no role %s, and this user may not make it", self._analyst)
            return False
        return True

    # --- small things ---

    def _signature(self, ddl: Sequence[TableDdl], after: Sequence[str]) -> str:
        tables = [dataclasses.asdict(table) for table in ddl]
        described = json.dumps([_LAYOUT_VERSION, self._analyst, tables, list(after)], default=str)
        return hashlib.sha256(described.encode()).hexdigest()

    def _relations(self, kinds: str = "rv") -> set[str]:
        """Names of the schema's tables (r), views (v) and materialized views (m)."""
        self._cursor.execute(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE nspname = %s AND relkind = ANY(%s)",
            (self._schema, list(kinds)),
        )
        return {name for (name,) in self._cursor.fetchall()}

    def _name(self, relation: str) -> sql.Identifier:
        return sql.Identifier(self._schema, relation)

    def _run(self, statement: str, *parts: sql.Composable) -> None:
        self._cursor.execute(sql.SQL(statement).format(*parts))  # pyright: ignore[reportArgumentType]


def _views_in(statements: Sequence[str]) -> list[str]:
    """Names of the views (and tables) that the statements make, without schema and quotes."""
    pattern = r'\bCREATE\s+(?:OR\s+REPLACE\s+|MATERIALIZED\s+)?(?:VIEW|TABLE)\s+(?:"?\w+"?\.)?"?(\w+)"?'
    return [name for statement in statements for name in re.findall(pattern, statement, re.IGNORECASE)]


def _explained(error: psycopg2.Error, *, dataset: str | None = None) -> FunnelError:
    """What the database refused, in words, without the row that it quotes."""
    where = ", ".join(
        f"{label} {value}"
        for label, value in (
            ("table", error.diag.table_name),
            ("column", error.diag.column_name),
            ("constraint", error.diag.constraint_name),
        )
        if value
    )
    text = (
        f"PostgreSQL refused what was to be published: {_safe_text(error)}{f' ({where})' if where else ''}."
    )
    refused = refusal(error)
    about_rows = isinstance(error, (psycopg2.IntegrityError, psycopg2.DataError))
    kind = ContractViolation if about_rows else FunnelError
    return kind(
        f"{text} Nothing of this run was published; what was published before stays.",
        dataset=dataset or error.diag.table_name,
        fix=(refused and refused.fix) or "put right what the text names, then run the same days again",
    )


def _safe_text(error: psycopg2.Error) -> str:
    """The first line of the message: detail and context quote rows, and what is left is masked."""
    first = error.diag.message_primary or (str(error).strip().splitlines() or [type(error).__name__])[0]
    return mask_text(first.strip()).rstrip(".")
