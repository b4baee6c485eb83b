"""The process that ``funnel ui`` starts: Dagster's web pages behind the guard, with a code server and the daemon.

    python -m funnel_assets.ui_server --port 3000

``dagster dev`` starts the same three, but offers no place for a guard. Here the web pages are served by this process,
which starts the other two and ends with any of them. It listens on this machine only: Dagster's UI has no login, so
whoever reaches it can start runs and read everything.

The names from within Dagster are those of the one version that is pinned; `end_to_end/test_three_uses.py` breaks if a
newer one moves them.
"""

import argparse
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import uvicorn
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context
from dagster_webserver.version import __version__ as webserver_version

from funnel_assets.ui_guard import UiGuard

HOST = "127.0.0.1"
WORKSPACE = Path(__file__).resolve().parents[1] / "workspace.yaml"
_POLL_RATE_MS = 2000
_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW = 15_000, 3600, 20
"""What ``dagster-webserver`` sets unless told otherwise."""
_OPEN_PAGES_SECONDS = 3
"""How long a browser's open requests may delay the end."""
_DAEMON_ENDS_SECONDS = 10

log = logging.getLogger("dagster")


def main() -> None:
    """Serve until Ctrl-C (exit code 0), or until a part of it fails (1)."""
    parser = argparse.ArgumentParser(
        description="Dagster's web pages, code server and daemon, on this machine only."
    )
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    os.environ["DAGSTER_IS_DEV_CLI"] = (
        "1"  # as `dagster dev` does: a mistake in our code is shown without its stack
    )
    configure_loggers(formatter="colored", log_level="INFO")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _listening(port) as listener:
            _serve(listener, port)
    except KeyboardInterrupt:
        sys.exit(0)
    sys.exit(1)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[socket.socket]:
    """The socket, taken before anything is started, so that a port in use is told at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            log.error(
                "Port %d can't be used (%s). Choose another: funnel ui --port 3001", port, error.strerror
            )
            sys.exit(1)
        yield listener


def _serve(listener: socket.socket, port: int) -> None:
    """Start everything, serve pages, and end everything; returns only if the daemon or the pages end by themselves."""
    with dg.DagsterInstance.get() as instance, _code_server(instance) as workspace:
        instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW)
        target = WorkspaceFileTarget([workspace])
        with (
            _daemon(workspace) as daemon,
            WorkspaceProcessContext(
                instance, workspace_load_target=target, version=webserver_version
            ) as context,
        ):
            pages = create_app_from_workspace_process_context(context, live_data_poll_rate=_POLL_RATE_MS)
            server = uvicorn.Server(
                uvicorn.Config(
                    UiGuard(pages, port=port),
                    log_level="warning",
                    timeout_graceful_shutdown=_OPEN_PAGES_SECONDS,
                )
            )
            threading.Thread(target=_end_with, args=(daemon, server), daemon=True).start()
            log.info(
                "The Dagster UI answers on http://%s:%d, on this machine only: it has no login", HOST, port
            )
            server.run(sockets=[listener])


@contextlib.contextmanager
def _code_server(instance: dg.DagsterInstance) -> Iterator[str]:
    """One code server for pages and daemon; yields the workspace file that tells where it is."""
    with (
        ProxyServerManager(instance, WorkspaceFileTarget([str(WORKSPACE)]), "warning") as servers,
        tempfile.TemporaryDirectory() as folder,
    ):
        workspace = Path(folder) / "workspace.yaml"
        workspace.write_text(yaml.dump({"load_from": servers.get_code_server_specs()}))
        yield str(workspace)


@contextlib.contextmanager
def _daemon(workspace: str) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon, which runs schedules, sensors and queued runs."""
    daemon = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "--log-format", "colored", "-w", workspace]
    )
    try:
        yield daemon
    finally:
        daemon.terminate()
        try:
            daemon.wait(_DAEMON_ENDS_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _end_with(daemon: subprocess.Popen[bytes], server: uvicorn.Server) -> None:
    code = daemon.wait()
    if not server.should_exit:
        log.error("The Dagster daemon ended with code %d, so the UI ends as well", code)
        server.should_exit = True


if __name__ == "__main__":
    main()
