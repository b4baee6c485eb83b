"""The embedded server: made once, kept safe, found again after every kind of end."""

import contextlib
import datetime as dt
import functools
import io
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import psycopg2.errors
import pyarrow as pa
import pytest

from funnel_assets.errors import ConfigError, FunnelError, SourceUnavailable
from funnel_assets.storage.postgres import (
    PostgresServer,
    ensure_server,
    server_from_env,
    server_status,
    stop_server,
)
from funnel_assets.storage.warehouse import ColumnDdl, TableDdl, Warehouse
from funnel_assets_tests.postgres_fixture import throw_away_home

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, for tests that stop, kill or damage the server."""
    with throw_away_home() as folder:
        yield folder


def rows(server: PostgresServer, query: str, database: str | None = None) -> list[tuple]:
    with psycopg2.connect(server.libpq_url(database)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def kill_everything(home: Path) -> int:
    """SIGKILL the postmaster, as the out-of-memory killer does; its children end by themselves."""
    pid = server_status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server_status(home).running:
        time.sleep(0.01)
    return pid


def test_both_databases_answer_and_a_second_call_finds_the_same_server(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    assert rows(server, "SELECT current_database()") == [("funnel",)]
    assert rows(server, "SELECT current_database()", "dagster") == [("dagster",)]
    assert ensure_server(postgres_home) == server


def test_only_loopback_listens_and_only_with_a_password(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    assert rows(server, "SHOW listen_addresses") == [("127.0.0.1",)]
    assert rows(server, "SHOW unix_socket_directories") == [("",)]
    assert {r[0] for r in rows(server, "SELECT auth_method FROM pg_hba_file_rules")} == {"scram-sha-256"}
    wrong = server.base.set(drivername="postgresql", password="wrong", database="funnel")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(wrong.render_as_string(hide_password=False))


def test_the_password_is_private_and_in_no_text(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    file = postgres_home / "postgres" / "password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = file.read_text().strip()
    assert len(password) >= 32
    assert password in server.libpq_url()
    assert password not in f"{server} {server!r}"
    assert str(server.analyst_password) not in f"{server} {server!r}"


def test_the_server_log_quotes_no_data(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    with pytest.raises(psycopg2.Error):
        rows(server, "SELECT 'asha@example.com'::int")
    assert "asha@example.com" not in (postgres_home / "postgres/data/server.log").read_text()


def test_stopping_keeps_the_data_and_the_port(home: Path) -> None:
    server = ensure_server(home)
    with psycopg2.connect(server.libpq_url()) as connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS one")
    assert stop_server(home) is True
    assert not server_status(home).running
    assert stop_server(home) is False
    again = ensure_server(home)
    assert again.base.port == server.base.port
    assert rows(again, "SELECT one FROM kept") == [(1,)]


def test_the_server_outlives_the_process_that_started_it(home: Path) -> None:
    code = (
        "import sys, pathlib; from funnel_assets.storage.postgres import ensure_server as e;"
        "e(pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(home)], check=True, timeout=60)
    assert server_status(home).running


def test_a_killed_server_starts_again_with_what_was_committed(home: Path) -> None:
    server = ensure_server(home)
    with psycopg2.connect(server.libpq_url()) as connection:
        connection.cursor().execute("CREATE TABLE kept AS SELECT 1 AS one")
    dead = kill_everything(home)
    again = ensure_server(home)
    assert server_status(home).pid != dead
    assert rows(again, "SELECT one FROM kept") == [(1,)]


def test_a_pid_file_whose_number_is_now_another_process_is_no_obstacle(home: Path) -> None:
    ensure_server(home)
    dead = kill_everything(home)
    pid_file = home / "postgres/data/postmaster.pid"
    # Of the same user: PostgreSQL itself takes another user's process for no server.
    owner = pid_file.owner() if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "60"], user=owner) as stranger:
        pid_file.write_text(pid_file.read_text().replace(str(dead), str(stranger.pid), 1))
        assert not server_status(home).running
        assert rows(ensure_server(home), "SELECT 1") == [(1,)]
        assert stranger.poll() is None
        stranger.kill()


def test_many_starters_at_once_get_one_server(home: Path) -> None:
    found: list[PostgresServer] = []
    threads = [threading.Thread(target=lambda: found.append(ensure_server(home))) for _ in range(6)]
    for thread in threads:
        thread.start()
    code = (
        "import sys, pathlib; from funnel_assets.storage.postgres import ensure_server as e;"
        "print(e(pathlib.Path(sys.argv[1])).url())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, str(home)], text=True, capture_output=True, timeout=60
    )
    for thread in threads:
        thread.join()
    assert {server.url() for server in found} == {other.stdout.strip()}
    assert len(found) == 6


def test_an_interrupted_initdb_counts_for_nothing(home: Path) -> None:
    half = home / "postgres" / ".init-dead" / "data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    assert rows(ensure_server(home), "SELECT 1") == [(1,)]
    assert list((home / "postgres").glob(".init-*")) == []


def test_a_folder_that_is_no_cluster_is_kept_aside(home: Path) -> None:
    broken = home / "postgres" / "data"
    broken.mkdir(parents=True)
    (broken / "PG_VERSION").write_text("18\n")
    assert rows(ensure_server(home), "SELECT 1") == [(1,)]
    assert [p.name for p in (home / "postgres").glob("data.unusable-*/*")] == ["PG_VERSION"]


def test_damaged_files_end_in_an_error_that_says_what_to_do(home: Path) -> None:
    ensure_server(home)
    stop_server(home)
    (home / "postgres/data/global/pg_control").write_bytes(b"\0" * 8192)
    with pytest.raises(FunnelError, match=r"didn't start.*Next: .*move .*data away"):
        ensure_server(home)


def test_a_taken_port_is_replaced_by_another(home: Path) -> None:
    port = ensure_server(home).base.port
    assert port is not None
    stop_server(home)
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))
        taker.listen()
        assert ensure_server(home).base.port != port


@pytest.mark.parametrize("running", [True, False], ids=["server up", "server down"])
def test_a_lost_password_is_made_anew(home: Path, running: bool) -> None:
    lost = ensure_server(home).base.password
    if not running:
        stop_server(home)
    (home / "postgres" / "password").unlink()
    again = ensure_server(home)
    assert again.base.password != lost
    assert rows(again, "SELECT 1") == [(1,)]


def test_the_analyst_logs_in_and_may_change_nothing(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    assert server.analyst_url is not None
    assert stat.S_IMODE((postgres_home / "postgres" / "analyst-password").stat().st_mode) == 0o600
    with psycopg2.connect(server.analyst_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('search_path')")
        assert cursor.fetchall() == [("analyst", "funnel, public")]
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("CREATE TEMPORARY TABLE t (n int); CREATE TABLE public.t (n int)")
    methods = rows(server, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert methods == [("scram-sha-256",)], "nobody is trusted"
    assert rows(server, "SHOW listen_addresses") == [("127.0.0.1",)]
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(server.analyst_url.rsplit("/", 1)[0] + "/dagster")


def test_the_analyst_cannot_hold_the_server_for_ever(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    with psycopg2.connect(server.analyst_url) as connection, connection.cursor() as cursor:
        limits = {"statement_timeout": "10min", "idle_in_transaction_session_timeout": "2min"}
        for name, limit in limits.items():
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (limit,), name
        cursor.execute(
            "SELECT rolconnlimit, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = user"
        )
        assert cursor.fetchone() == (20, False, False, False)


ATTACKS = """
CREATE TABLE public.t (n int)
CREATE TABLE funnel.t (n int)
CREATE SCHEMA theirs
CREATE TEMPORARY TABLE t (n int)
SELECT 1 INTO TEMPORARY t
SELECT lo_create(0)
SELECT lo_creat(-1)
SELECT lo_from_bytea(0, 'x')
SELECT lo_import('/etc/passwd')
COPY (SELECT 1) TO PROGRAM 'true'
COPY (SELECT 1) TO '/tmp/theirs'
COPY funnel.leads FROM '/etc/passwd'
SELECT pg_read_file('/etc/passwd')
SELECT pg_ls_dir('.')
SELECT pg_stat_file('/etc/passwd')
SET ROLE funnel
SET ROLE pg_read_all_data
SET SESSION AUTHORIZATION funnel
CREATE EXTENSION dblink
CREATE EXTENSION postgres_fdw
CREATE LANGUAGE plperlu
ALTER SYSTEM SET log_statement = 'all'
ALTER ROLE funnel PASSWORD 'theirs'
ALTER ROLE analyst SUPERUSER
CREATE ROLE theirs
CREATE DATABASE theirs
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'funnel'
SELECT pg_reload_conf()
SELECT * FROM pg_authid
SELECT * FROM pg_largeobject
SELECT * FROM pg_statistic
SELECT phone FROM funnel.leads
SELECT * FROM funnel.leads
SELECT l FROM funnel.leads l
SELECT to_jsonb(l) FROM funnel.leads l
SELECT phone FROM funnel.vw_phones
SELECT * FROM funnel._layout
SELECT * FROM funnel._turn
TABLE funnel._helper
COPY funnel._helper TO STDOUT
DELETE FROM funnel.leads
UPDATE funnel.leads SET city = 'theirs'
INSERT INTO funnel.vw_cities VALUES ('theirs', 1)
TRUNCATE funnel.leads
DROP VIEW funnel.vw_cities
CREATE OR REPLACE VIEW funnel.vw_cities AS SELECT 1 AS theirs
COMMENT ON TABLE funnel.leads IS 'theirs'
GRANT SELECT ON funnel._helper TO analyst
BEGIN; LOCK TABLE funnel.leads IN ACCESS EXCLUSIVE MODE
CREATE FUNCTION funnel.f() RETURNS int LANGUAGE sql AS 'SELECT 1'
DO $$ BEGIN EXECUTE 'CREATE TABLE public.t (n int)'; END $$
""".strip().splitlines()


@pytest.fixture(scope="module")
def published(postgres_home: Path) -> Iterator[PostgresServer]:
    """The session's server with a table, a helper of its views, and views, in the warehouse."""
    server = ensure_server(postgres_home)
    leads = TableDdl(
        "leads",
        (ColumnDdl("date", "date"), ColumnDdl("phone", "text", personal=True), ColumnDdl("city", "text")),
    )
    after = [
        "CREATE TABLE _helper AS SELECT city, count(*) AS leads FROM leads GROUP BY city",
        "CREATE VIEW vw_cities AS SELECT city, leads FROM _helper",
        "CREATE VIEW vw_phones AS SELECT phone, city FROM leads",
    ]
    day = dt.date(2026, 3, 1)
    rows_in = pa.table({"date": [day], "phone": ["919800000000"], "city": ["Pune"]})
    Warehouse(server.warehouse_url).publish(
        {"leads": rows_in}, replace_days={"leads": [day]}, ddl=[leads], after=after
    )
    with psycopg2.connect(server.libpq_url()) as connection, connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        connection.commit()
        yield server  # with a session of the owner's, which is not to be ended
        cursor.execute("DROP SCHEMA funnel CASCADE")


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_analyst_stays_read_only_whatever_it_sets(published: PostgresServer, attack: str) -> None:
    refused = [psycopg2.errors.InsufficientPrivilege]
    if attack.startswith(("CREATE EXTENSION", "CREATE LANGUAGE")):  # may not even be there to be refused
        refused += [
            psycopg2.errors.UndefinedFile,
            psycopg2.errors.FeatureNotSupported,
            psycopg2.errors.UndefinedObject,
        ]
    connection = psycopg2.connect(str(published.analyst_url))
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute("SET search_path = pg_catalog")
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone() == ("off",), "it may say so, and gains nothing"
        work = (
            functools.partial(cursor.copy_expert, file=io.StringIO())
            if "STDOUT" in attack
            else cursor.execute
        )
        with pytest.raises(tuple(refused)):
            work(attack)


def test_the_analyst_reads_views_but_not_what_they_are_made_of(published: PostgresServer) -> None:
    with psycopg2.connect(str(published.analyst_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT city, leads FROM vw_cities")
        assert cursor.fetchall() == [("Pune", 1)]
        cursor.execute("SELECT date, city FROM leads")
        assert cursor.fetchall() == [(dt.date(2026, 3, 1), "Pune")]
        cursor.execute("SELECT attname FROM pg_stats WHERE schemaname = 'funnel' AND attname = 'phone'")
        assert cursor.fetchall() == [], "the planner's samples hold phones, too"
        cursor.execute(
            "SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class c WHERE relname ~ '^_(h|l|t)'"
        )
        assert {may for (may,) in cursor.fetchall()} == {False}


def test_the_analyst_reaches_no_database_but_the_warehouse(published: PostgresServer) -> None:
    for database in (published.dagster_database, "postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(f"{str(published.analyst_url).rsplit('/', 1)[0]}/{database}")


def test_a_lost_analyst_password_is_made_anew(home: Path) -> None:
    ensure_server(home)
    (home / "postgres" / "analyst-password").unlink()
    url = ensure_server(home).analyst_url
    assert url is not None
    psycopg2.connect(url).close()


def test_an_external_server_gets_both_databases(postgres_home: Path, database_url: str) -> None:
    external = ensure_server(
        Path("unused"), url=database_url.replace("+psycopg2", ""), dagster_database="made_here"
    )
    assert not external.embedded
    assert external.warehouse_url == database_url
    assert rows(external, "SELECT current_database()", "made_here") == [("made_here",)]
    admin = psycopg2.connect(external.libpq_url("postgres"))
    admin.autocommit = True
    admin.cursor().execute("DROP DATABASE made_here")


def test_an_external_url_without_a_database_means_funnel(postgres_home: Path) -> None:
    base = ensure_server(postgres_home).base.render_as_string(hide_password=False)
    assert ensure_server(Path("unused"), url=base).warehouse_database == "funnel"


def test_a_user_who_may_not_create_databases_is_told_what_to_ask_for(postgres_home: Path) -> None:
    server = ensure_server(postgres_home)
    with psycopg2.connect(server.libpq_url()) as connection:
        connection.cursor().execute("CREATE ROLE limited LOGIN PASSWORD 'only-for-this-test'")
    url = server.base.set(username="limited", password="only-for-this-test", database="funnel")
    with pytest.raises(ConfigError, match="FUNNEL_DAGSTER_DATABASE") as caught:
        ensure_server(
            Path("unused"), url=url.render_as_string(hide_password=False), dagster_database="not_there"
        )
    assert "only-for-this-test" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("no url", ConfigError),
        ("mysql://u:hidden-secret@127.0.0.1/x", ConfigError),
        ("postgresql://u:hidden-secret@127.0.0.1:1/x", SourceUnavailable),
    ],
    ids=["not a url", "another database", "nobody listens"],
)
def test_a_wrong_url_is_an_error_without_the_secret(url: str, error: type[FunnelError]) -> None:
    with pytest.raises(error, match="Next: ") as caught:
        ensure_server(Path("unused"), url=url)
    assert "hidden-secret" not in str(caught.value)


def test_the_environment_decides_which_server(postgres_home: Path) -> None:
    assert server_from_env({"FUNNEL_HOME": str(postgres_home)}) == ensure_server(postgres_home)
    url = ensure_server(postgres_home).libpq_url()
    named = server_from_env({"FUNNEL_POSTGRES_URL": url, "FUNNEL_POSTGRES_DATABASE": "dagster"})
    assert (named.embedded, named.warehouse_database) == (False, "dagster")
