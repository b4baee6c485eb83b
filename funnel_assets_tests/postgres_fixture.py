"""A real PostgreSQL for tests: one server a test session, one database a test.

Name it as a plugin, in a test module or the top ``conftest.py``; the server is shared by all who do::

    pytest_plugins = ["funnel_assets_tests.postgres_fixture"]
"""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from funnel_assets.storage.postgres import PostgresServer, ensure_server, stop_server

_numbers = itertools.count(1)


@contextlib.contextmanager
def throw_away_home() -> Iterator[Path]:
    """A ``FUNNEL_HOME`` whose server, if one gets started, is stopped at the end, and the folder removed.

    Not in pytest's own temporary folder: each start of pytest closes that again to other users, and as root the
    server runs as one. Durability is off: a test machine may lose power, and a killed server still keeps every
    finished transaction.
    """
    home = Path(tempfile.mkdtemp(prefix="funnel-pg-"))
    before = os.environ.get("FUNNEL_POSTGRES_FSYNC")
    os.environ["FUNNEL_POSTGRES_FSYNC"] = "off"
    try:
        yield home
    finally:
        stop_server(home)
        shutil.rmtree(home, ignore_errors=True)
        os.environ.pop("FUNNEL_POSTGRES_FSYNC", None)
        if before is not None:
            os.environ["FUNNEL_POSTGRES_FSYNC"] = before


@contextlib.contextmanager
def embedded_postgres() -> Iterator[Path]:
    """A throw-away home with its server up."""
    with throw_away_home() as home:
        ensure_server(home)
        yield home


@contextlib.contextmanager
def fresh_database(server: PostgresServer) -> Iterator[str]:
    """Make an empty database, yield its SQLAlchemy URL, drop it with whoever is still connected."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = sa.create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f'CREATE DATABASE "{name}" TEMPLATE template0'))
    try:
        yield server.url(name)
    finally:
        with engine.connect() as connection:
            connection.execute(sa.text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    """``FUNNEL_HOME`` of the session's server."""
    with embedded_postgres() as home:
        yield home


@pytest.fixture
def database_url(postgres_home: Path) -> Iterator[str]:
    """SQLAlchemy URL of an empty database of the session's server."""
    with fresh_database(ensure_server(postgres_home)) as url:
        yield url
