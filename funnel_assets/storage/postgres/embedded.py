"""The server that runs below ``FUNNEL_HOME``: its files, its start, its stop, and its recovery from a kill.

Belongs here: the cluster and its process. Does not belong here: what is inside its databases (`access`), how a program
is run (`programs`).
"""

import contextlib
import dataclasses
import hashlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
from filelock import FileLock, Timeout
from sqlalchemy.engine import URL

from funnel_assets.errors import FunnelError
from funnel_assets.storage.files import read_int, write_whole
from funnel_assets.storage.postgres.access import connect
from funnel_assets.storage.postgres.programs import (
    group_of,
    let_traverse,
    program_folder,
    run,
    tail,
    unprivileged_user,
)
from funnel_assets.storage.postgres.server import DRIVER, OWNER_ROLE, PostgresServer
from funnel_assets.storage.postgres.settings import HBA, HOST, SETTINGS, fsync_off

if TYPE_CHECKING:
    import psutil

log = logging.getLogger(__name__)

ANALYST_FILE = "analyst-password"
"""File of the read-only role's password."""

_FIRST_PORT, _PORTS = 15432, 1000
_START_TIMEOUT_SECONDS = 60
_WORTH_ANOTHER_START = ("could not bind", "Address already in use", "Permission denied")
_LOCK_TIMEOUT_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class ServerStatus:
    """What is known of the embedded server without starting it."""

    initialised: bool
    running: bool
    pid: int | None = None
    port: int | None = None


class Embedded:
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
        return read_int(self.root / "port")

    def read_password(self) -> str | None:
        return self._read_secret("password")

    def _read_secret(self, name: str) -> str | None:
        try:
            return (self.root / name).read_text(encoding="ascii").strip() or None
        except (FileNotFoundError, UnicodeDecodeError):
            return None  # a damaged one is made anew, and so is the role's password

    def base_url(self) -> URL:
        return URL.create(DRIVER, OWNER_ROLE, self.read_password(), HOST, self.read_port())

    def server(self, warehouse: str, dagster: str) -> PostgresServer:
        analyst = self._read_secret(ANALYST_FILE) or self._write_password(ANALYST_FILE)
        return PostgresServer(self.base_url(), True, warehouse, dagster, analyst)

    def connected(self, warehouse: str, dagster: str) -> PostgresServer | None:
        """The running server, when it lets us in and has both databases; the fast path of every process."""
        files = ("port", "password", ANALYST_FILE, "data/postmaster.pid")
        if not all((self.root / name).exists() for name in files) or self._read_secret(ANALYST_FILE) is None:
            return None
        server = self.server(warehouse, dagster)
        try:
            for name in dict.fromkeys((warehouse, dagster)):
                with connect(server.base.set(database=name)):
                    pass
        except psycopg2.OperationalError:
            return None
        return server

    def postmaster_pid(self) -> int | None:
        """Process id of the running server; None when there is none or the pid file is a dead server's."""
        import psutil

        pid = read_int(self.data / "postmaster.pid")
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
                with connect(self.base_url().set(database="postgres")):
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
                *(("--no-sync",) if fsync_off() else ()),
            )
            cluster.rename(self.data)
        except subprocess.CalledProcessError as error:
            raise FunnelError(
                f"PostgreSQL's database files couldn't be made: {tail(error.output)}",
                file=str(self.root),
                fix="check free disk space and that this folder may be written, then try again",
            ) from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _configure(self, user: str | None, port: int) -> None:
        """Write our settings anew at each start, so that a newer version's reach an older cluster."""
        settings = dict(SETTINGS, port=str(port))
        if fsync_off():
            # Not synchronous_commit: without it a killed server forgets transactions it had confirmed.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        ours = self.data / "funnel.conf"
        write_whole(ours, "".join(f"{name} = {value}\n" for name, value in settings.items()).encode())
        hba = self.data / "pg_hba.conf"
        write_whole(hba, HBA.encode())
        main = self.data / "postgresql.conf"
        kept = main.read_text()
        if "include 'funnel.conf'" not in kept:
            # Whole: half a line, written on a full disk, would keep the server down for ever.
            write_whole(main, f"{kept}\ninclude 'funnel.conf'\n".encode())
        # One start's log is enough, and an old one must not be mistaken for this start's failure.
        self.log_file.write_text("")
        self._give(user, ours, hba, main, self.log_file)
        write_whole(self.root / "port", f"{port}\n".encode(), mode=0o644)

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
            return tail(error.output)
        except subprocess.TimeoutExpired:
            return "it took too long"

    def _program(self, user: str | None, name: str, *arguments: str, text_input: str = "") -> None:
        """Run one of the wheel's programs on our folder, as ``user`` when we are root."""
        programs = program_folder(self.data if self.initialised() else None)
        for last in (False, False, True):
            let_traverse(user, self.root, programs)
            try:
                run(user, str(programs / name), *arguments, text_input=text_input)
                return
            except subprocess.CalledProcessError as error:
                # Someone may close a folder above ours again meanwhile: each start of pytest does so in /tmp.
                if last or user is None or "Permission denied" not in error.output:
                    raise

    def _log_tail(self) -> str:
        try:
            return tail(self.log_file.read_text(errors="replace"))
        except OSError:
            return ""

    def _write_password(self, name: str = "password") -> str:
        password = secrets.token_urlsafe(24)
        write_whole(self.root / name, f"{password}\n".encode(), mode=0o600)
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
        return unprivileged_user()

    def _give(self, user: str | None, *paths: Path) -> None:
        for path in paths:
            path.chmod(0o700 if path.is_dir() else 0o600)
            if user is not None:
                shutil.chown(path, user, group_of(user))


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
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
