"""Any server's databases and roles: whether they let us in, and making those that are missing.

Belongs here: what needs only a URL. Does not belong here: a server's process and files (`embedded`).
"""

import contextlib
from collections.abc import Iterator

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from funnel_assets.errors import ConfigError, SourceUnavailable
from funnel_assets.masking import redact_url
from funnel_assets.storage.postgres.server import (
    ANALYST_ROLE,
    DAGSTER_DATABASE,
    DRIVER,
    WAREHOUSE_DATABASE,
    PostgresServer,
)

_CHECK_ACCESS = "check that it is up and that host, port, user and password are right, then try again"

_ANALYST_LIMITS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "2min",
    "idle_session_timeout": "1d",
}
"""So that a forgotten query or session of a BI tool doesn't hold the server's resources for ever."""
_ANALYST_CONNECTIONS = 20
_NO_LIMIT = -1
_MAINTENANCE_DATABASES = ("postgres", "template1")
_FILL_THE_DISK = ("lo_creat(integer)", "lo_create(oid)", "lo_from_bytea(oid, bytea)")
"""Functions by which anybody may store large objects, in any database."""


def external_server(url: str, warehouse_database: str | None, dagster_database: str | None) -> PostgresServer:
    """The server that ``FUNNEL_POSTGRES_URL`` names, with both databases made."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "FUNNEL_POSTGRES_URL isn't a database URL.",
            fix="write it as postgresql://user:password@host:5432/database",
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ConfigError(
            f"FUNNEL_POSTGRES_URL names {parsed.get_backend_name()}; only PostgreSQL is supported.",
            fix="write it as postgresql://user:password@host:5432/database",
        )
    parsed = parsed.set(drivername=DRIVER)
    warehouse = warehouse_database or parsed.database or WAREHOUSE_DATABASE
    server = PostgresServer(parsed, False, warehouse, dagster_database or DAGSTER_DATABASE)
    ensure_databases(server)
    return server


def ensure_databases(server: PostgresServer) -> None:
    """Make the warehouse's and Dagster's database where they are missing."""
    _ensure_database(server.base, server.warehouse_database, "FUNNEL_POSTGRES_DATABASE")
    _ensure_database(server.base, server.dagster_database, "FUNNEL_DAGSTER_DATABASE")


def _ensure_database(base: URL, name: str, variable: str) -> None:
    """Connect to ``name``; make it when it isn't there. ``variable`` is the setting that names another."""
    refused = _refusal(base, name)
    if refused is None:
        return
    others = [
        other for other in dict.fromkeys([base.database, *_MAINTENANCE_DATABASES]) if other and other != name
    ]
    admin = next((other for other in others if _refusal(base, other) is None), None)
    if admin is None:
        raise SourceUnavailable(
            f"PostgreSQL at {redact_url(str(base))} doesn't let us into database {name}: {refused}",
            fix=_CHECK_ACCESS,
        )
    with connect(base.set(database=admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        try:
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
            if refused := _refusal(base, name):
                raise ConfigError(
                    f"Database {name} is there and doesn't let us in: {refused}",
                    fix=f"grant the user CONNECT on it, or set {variable} to another one",
                ) from None
        except psycopg2.errors.InsufficientPrivilege:
            raise ConfigError(
                f"Database {name} is missing and the user may not create it.",
                fix=f'have it created (CREATE DATABASE "{name}"), or set {variable} to one that exists',
            ) from None


def ensure_analyst(server: PostgresServer) -> None:
    """Make the read-only role, or give it the password of its file again. What it may read, the warehouse says.

    A role that may read can say `SET default_transaction_read_only = off`, so it is what it may not do that keeps it
    from writing: PostgreSQL lets everybody make temporary tables and large objects, and connect to every database.
    """
    role = sql.Identifier(ANALYST_ROLE)
    with (
        connect(server.base.set(database=server.warehouse_database)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ANALYST_ROLE,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            cursor.execute(sql.SQL("ALTER ROLE {} SET search_path = funnel, public").format(role))
        closed = {server.dagster_database, *_MAINTENANCE_DATABASES} - {server.warehouse_database}
        cursor.execute("SELECT datname FROM pg_database WHERE datname = ANY(%s)", (sorted(closed),))
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        warehouse = sql.Identifier(server.warehouse_database)
        cursor.execute(sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(warehouse))
        for function in _FILL_THE_DISK:
            cursor.execute(f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC")
        limit_role(cursor, ANALYST_ROLE)
        password = sql.Literal(server.analyst_password)
        cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, password))
        connection.commit()


def limit_role(cursor: psycopg2.extensions.cursor, name: str) -> list[str]:
    """Give a role the limits that nobody has given it yet; an administrator's own ones stay.

    Returns:
        Limits that the server doesn't let us set, or doesn't know.
    """
    cursor.execute("SELECT coalesce(rolconfig, '{}'), rolconnlimit FROM pg_roles WHERE rolname = %s", (name,))
    given, connections = cursor.fetchone() or ([], 0)
    known = {setting.partition("=")[0] for setting in given}
    wanted = {
        setting: sql.SQL("SET {} = {}").format(sql.Identifier(setting), sql.Literal(value))
        for setting, value in _ANALYST_LIMITS.items()
        if setting not in known
    }
    if connections == _NO_LIMIT:
        wanted["connection limit"] = sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(_ANALYST_CONNECTIONS))
    refused = []
    for limit, clause in wanted.items():
        cursor.execute("SAVEPOINT limited")
        try:
            cursor.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), clause))
        except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.UndefinedObject):
            cursor.execute("ROLLBACK TO SAVEPOINT limited")
            refused.append(limit)
    return refused


def _refusal(base: URL, name: str) -> str | None:
    """Why a connection to database ``name`` fails; None when it works."""
    try:
        with connect(base.set(database=name)):
            return None
    except psycopg2.OperationalError as error:
        return _first_line(error)


@contextlib.contextmanager
def connect(url: URL) -> Iterator[psycopg2.extensions.connection]:
    """A plain connection, for a moment; gives up after 10 s unless the URL says otherwise."""
    timed = url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": "10"})
    connection = psycopg2.connect(timed.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        connection.close()


def _first_line(error: BaseException) -> str:
    """The part of a driver's message that says what happened; psycopg2 never puts the password in it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
