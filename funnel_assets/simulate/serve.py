"""The sample world over HTTP: sheets as CSV exports, the CRM behind a token, events as JSON, Zoom reports as files.

Belongs here: a small server for demonstrations and tests, and ways to make it misbehave on purpose. Does not
belong
here: the client (``sources.http``), what the files hold (`edtech`).

    python -m funnel_assets.simulate.serve --world data/world --port 8765

Faults are set at ``POST /_control`` and cleared with ``DELETE /_control``; ``GET /_requests`` counts what
was asked for. Both answer only to this machine. Request logs hold method, path and status: no header, no
query.
"""

import argparse
import dataclasses
import datetime as dt
import gzip
import hashlib
import ipaddress
import json
import os
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from funnel_assets.errors import FunnelError, UsageError
from funnel_assets.simulate.edtech import FILES, World, build_edtech
from funnel_assets.simulate.faults import Faults

TOKEN_ENV = "FUNNEL_CRM_TOKEN"  # noqa: S105 - the name of a variable
SAMPLE_TOKEN = "sample-world-token"  # noqa: S105 - guards invented data only
DEFAULT_PORT = 8765
PATHS = {
    "/sheets/leads.csv": "leads",
    "/sheets/landing_leads.csv": "landing_leads",
    "/sheets/spend.csv": "spend",
    "/crm/assignments.csv": "crm_assignments",
    "/crm/sales.csv": "crm_sales",
    "/events.json": "engagement_events",
}
LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head>"
    b"<body><form>Sign in to continue</form></body></html>"
)
_TYPES = {".csv": "text/csv; charset=utf-8", ".json": "application/json", ".html": "text/html; charset=utf-8"}
_SMALLEST_GZIP = 512


class _Shelf(Protocol):
    """Where bodies come from."""

    def body(self, path: str) -> bytes | None: ...

    def packed(self, path: str) -> bytes | None: ...

    def zoom_names(self) -> list[str]: ...


class _FolderShelf:
    """A written world; files are read on each request, so edits show at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def body(self, path: str) -> bytes | None:
        file = self._file(path)
        return file.read_bytes() if file is not None and file.is_file() else None

    def packed(self, path: str) -> bytes | None:
        """The file as it was packed beforehand (``<file>.gz``), unless it was edited since."""
        file = self._file(path)
        ready = file.with_name(f"{file.name}.gz") if file is not None else None
        if file is None or ready is None or not (file.is_file() and ready.is_file()):
            return None
        return ready.read_bytes() if ready.stat().st_mtime_ns >= file.stat().st_mtime_ns else None

    def _file(self, path: str) -> Path | None:
        if path in PATHS:
            return self._folder / FILES[PATHS[path]]
        if path.startswith("/zoom/") and path.removeprefix("/zoom/") in self.zoom_names():
            return self._folder / "zoom" / path.removeprefix("/zoom/")
        return None

    def zoom_names(self) -> list[str]:
        return sorted(file.name for file in (self._folder / "zoom").glob("*") if file.is_file())


class _WorldShelf:
    """A world in memory, as of a moment that can be moved."""

    def __init__(self, world: World, as_of: dt.datetime | None) -> None:
        self._world = world
        self.as_of = as_of
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, dt.datetime | None], bytes] = {}

    def body(self, path: str) -> bytes | None:
        moment = self.as_of
        with self._lock:
            key = (path, moment)
            if key not in self._cache:
                if path in PATHS:
                    self._cache[key] = self._world.dump(PATHS[path], moment)
                elif path.startswith("/zoom/") and path.removeprefix("/zoom/") in self.zoom_names():
                    self._cache[key] = self._world.zoom_file(path.removeprefix("/zoom/"))
                else:
                    return None
            return self._cache[key]

    def packed(self, path: str) -> bytes | None:
        return None

    def zoom_names(self) -> list[str]:
        now = self._world.wall_clock(self.as_of)
        return [file.name for file in self._world.shelf.at(now)]


@dataclasses.dataclass
class Misbehaviour:
    """How one path misbehaves, and how often still.

    Attributes:
        status: Answer with this status instead of 200.
        html: Answer with a sign-in page, status 200 unless ``status`` is given.
        truncate: Send only this many bytes of the body (a fraction below 1 is a share of it), then hang up.
        delay: Seconds to wait before answering.
        drip: Seconds to wait between pieces of the body, which is sent in 64 pieces.
        body_override: Answer with this text.
        headers: Added to the answer, e.g. ``Retry-After``.
        redirect: Answer 302 to this place.
        times: How many requests still; negative means until cleared.
    """

    status: int | None = None
    html: bool = False
    truncate: float | None = None
    delay: float = 0.0
    drip: float = 0.0
    body_override: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    redirect: str | None = None
    times: int = -1


class SourcesServer:
    """A running server; a context manager that stops it.

    Attributes:
        url: Base address, without a slash at the end.
        token: What the CRM paths want as ``Authorization: Bearer``.
    """

    def __init__(
        self,
        shelf: _Shelf,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = SAMPLE_TOKEN,
        log: bool = False,
    ) -> None:
        self.token = token
        self._shelf = shelf
        self._log = log
        self._lock = threading.Lock()
        self._misbehaviour: dict[str, Misbehaviour] = {}
        self._counts: Counter[str] = Counter()
        self._served: Counter[str] = Counter()
        owner = self

        class Handler(_Handler):
            server_state = owner

        self._httpd = ThreadingHTTPServer((host, port), Handler)
        self._httpd.daemon_threads = True
        self.host, self.port = host, int(self._httpd.server_address[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(target=self._httpd.serve_forever, name="sources-server", daemon=True)
        self._thread.start()

    def __enter__(self) -> "SourcesServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join(timeout=5)

    def misbehave(self, path: str, **how: Any) -> None:
        """Make a path misbehave from now on; ``"*"`` means every path. See `Misbehaviour` for what can be set.

        Raises:
            UsageError: For a word that `Misbehaviour` doesn't have.
        """
        known = {field.name for field in dataclasses.fields(Misbehaviour)}
        unknown = sorted(set(how) - known)
        if unknown:
            raise UsageError(f"unknown fault {', '.join(unknown)}", fix=f"use {', '.join(sorted(known))}")
        with self._lock:
            self._misbehaviour[path] = Misbehaviour(**how)

    def behave(self) -> None:
        """Clear every fault."""
        with self._lock:
            self._misbehaviour.clear()

    def requests(self) -> dict[str, int]:
        """Return how often each path was asked for."""
        with self._lock:
            return dict(self._counts)

    def served(self) -> dict[str, int]:
        """Return how often each path was answered with a body (200, not 304)."""
        with self._lock:
            return dict(self._served)

    def forget_requests(self) -> None:
        """Start counting from zero."""
        with self._lock:
            self._counts.clear()
            self._served.clear()

    def set_as_of(self, as_of: dt.datetime | None) -> None:
        """Move the moment that exports stand for.

        Raises:
            UsageError: When the server serves a folder, which stands for one moment only.
        """
        if not isinstance(self._shelf, _WorldShelf):
            raise UsageError(
                "a written world stands for one moment", fix="serve a world built in memory (--days)"
            )
        if as_of is not None and as_of.tzinfo is None:
            raise UsageError("the moment needs a time zone", fix="write it like 2026-03-22T03:30:00+05:30")
        self._shelf.as_of = as_of

    # --- used by the handler --------------------------------------------------------------------------

    def _count(self, path: str, served: bool = False) -> None:
        with self._lock:
            (self._served if served else self._counts)[path] += 1

    def _take_misbehaviour(self, path: str) -> Misbehaviour | None:
        with self._lock:
            key = path if path in self._misbehaviour else "*"
            found = self._misbehaviour.get(key)
            if found is None or found.times == 0:
                return None
            if found.times > 0:
                found.times -= 1
            return found


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server_state: SourcesServer
    protocol_version = "HTTP/1.1"
    server_version = "sample-sources"
    sys_version = ""
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent; `_answer` logs what may be logged."""

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path == "/healthz":
            return self._answer(200, b"ok\n", "text/plain")
        if path == "/_requests":
            return self._local(self._report_requests)
        self.server_state._count(path)
        fault = self.server_state._take_misbehaviour(path)
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and self._broken(fault):
            return None
        if path.startswith("/crm/") and not self._has_token():
            return self._answer(
                401, b"token missing or wrong\n", "text/plain", {"WWW-Authenticate": "Bearer"}
            )
        takes_gzip = "gzip" in (self.headers.get("Accept-Encoding") or "")
        override = fault.body_override if fault is not None else None
        packed = self.server_state._shelf.packed(path) if takes_gzip and override is None else None
        body = self._body(path) if packed is None else packed
        if body is None:
            return self._answer(404, b"nothing here\n", "text/plain")
        if override is not None:
            body = override.encode()
        self._send(path, body, fault, takes_gzip, is_packed=packed is not None)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if path != "/_control":
            return self._answer(404, b"nothing here\n", "text/plain")
        self._local(lambda: self._control(body))

    def do_DELETE(self) -> None:
        path = urlsplit(self.path).path
        if path == "/_control":
            return self._local(lambda: self._done(self.server_state.behave))
        if path == "/_requests":
            return self._local(lambda: self._done(self.server_state.forget_requests))
        self._answer(404, b"nothing here\n", "text/plain")

    def _local(self, action: Any) -> None:
        if ipaddress.ip_address(self.client_address[0]).is_loopback:
            return action()
        self._answer(403, b"only from this machine\n", "text/plain")

    def _done(self, action: Any) -> None:
        action()
        self._answer(200, b"{}\n", "application/json")

    def _report_requests(self) -> None:
        report = {"requests": self.server_state.requests(), "served": self.server_state.served()}
        self._answer(200, json.dumps(report, sort_keys=True).encode(), "application/json")

    def _control(self, body: bytes) -> None:
        try:
            order = dict(json.loads(body).items())
            if "as_of" in order:
                moment = order.pop("as_of")
                self.server_state.set_as_of(dt.datetime.fromisoformat(moment) if moment else None)
            if "path" in order:
                self.server_state.misbehave(order.pop("path"), **order)
        except (ValueError, TypeError, AttributeError, FunnelError) as error:
            return self._answer(400, f"{error}\n".encode(), "text/plain")
        self._answer(200, b"{}\n", "application/json")

    def _has_token(self) -> bool:
        given = self.headers.get("Authorization") or ""
        return secrets.compare_digest(given.encode(), f"Bearer {self.server_state.token}".encode())

    def _body(self, path: str) -> bytes | None:
        shelf = self.server_state._shelf
        if path in ("/zoom", "/zoom/"):
            return json.dumps(shelf.zoom_names()).encode()
        return shelf.body(path)

    def _broken(self, fault: Misbehaviour) -> bool:
        """Answer as a fault says, unless it only touches the body."""
        if fault.redirect:
            self._answer(302, b"", "text/plain", {"Location": fault.redirect, **fault.headers})
        elif fault.html:
            self._answer(fault.status or 200, LOGIN_PAGE, _TYPES[".html"], fault.headers)
        elif fault.status and fault.status != 200:
            text = (fault.body_override or HTTPStatus(fault.status).phrase).encode()
            self._answer(fault.status, text, "text/plain", fault.headers)
        else:
            return False
        return True

    def _send(
        self, path: str, body: bytes, fault: Misbehaviour | None, takes_gzip: bool, *, is_packed: bool
    ) -> None:
        tag = hashlib.sha256(body).hexdigest()[:32]
        zipped = takes_gzip and (is_packed or len(body) >= _SMALLEST_GZIP)
        etag = f'"{tag}-gzip"' if zipped else f'"{tag}"'
        asked = {part.strip() for part in (self.headers.get("If-None-Match") or "").split(",")}
        if fault is None and asked & {f'"{tag}"', f'"{tag}-gzip"', "*"}:
            return self._answer(304, b"", "", {"ETag": etag})
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if zipped:
            body = body if is_packed else gzip.compress(body, compresslevel=1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        kind = (
            "application/json"
            if path.startswith("/zoom") and path.endswith("/")
            else _TYPES.get(Path(path).suffix, "")
        )
        self._answer(200, body, kind, {**headers, **(fault.headers if fault else {})}, fault)
        self.server_state._count(path, served=True)

    def _answer(
        self,
        status: int,
        body: bytes,
        kind: str,
        headers: Mapping[str, str] | None = None,
        fault: Misbehaviour | None = None,
    ) -> None:
        if self.server_state._log:
            sys.stderr.write(f"{self.command} {urlsplit(self.path).path} {status} {len(body)}\n")
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD" or status == 304:
            return
        if fault is not None and fault.truncate is not None:
            keep = int(fault.truncate if fault.truncate >= 1 else len(body) * fault.truncate)
            body, self.close_connection = body[:keep], True
        try:
            self._write(body, fault.drip if fault else 0.0)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _write(self, body: bytes, pause: float) -> None:
        if not pause:
            self.wfile.write(body)
            return
        step = max(len(body) // 64, 1)
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            time.sleep(pause)


def serve(
    world: World | Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    as_of: dt.datetime | None = None,
    log: bool = False,
) -> SourcesServer:
    """Start serving a world and return at once.

    Args:
        world: A built world, or the folder of a written one.
        host: Where to listen.
        port: 0 takes a free port; see ``SourcesServer.url``.
        token: What the CRM paths want; default the variable ``FUNNEL_CRM_TOKEN``, else the sample world's
            own.
        as_of: The moment that exports stand for (only for a built world).
        log: Write one line a request to standard error.

    Raises:
        UsageError: When the folder holds no world, or the port is taken.
    """
    secret = token or os.environ.get(TOKEN_ENV) or SAMPLE_TOKEN
    shelf: _Shelf
    if isinstance(world, World):
        shelf = _WorldShelf(world, as_of)
    else:
        folder = Path(world)
        if not (folder / FILES["leads"]).is_file():
            raise UsageError(
                f"{folder} holds no sample world", fix="make one with `funnel simulate --out DIR`"
            )
        shelf = _FolderShelf(folder)
    try:
        return SourcesServer(shelf, host, port, secret, log)
    except OSError as error:
        raise UsageError(
            f"can't listen on {host}:{port}: {error.strerror}", fix="choose another --port"
        ) from error


def serve_forever(server: SourcesServer, url_file: Path | None = None) -> None:
    """Say where the server is and keep it up until SIGINT or SIGTERM."""
    stop = threading.Event()
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), lambda *_: stop.set())
    if url_file is not None:
        part = url_file.with_name(f".{url_file.name}.part")
        part.write_text(server.url, encoding="utf-8")
        part.replace(url_file)
    sys.stdout.write(f"Serving the sample world at {server.url} (Ctrl-C stops it)\n")
    sys.stdout.flush()
    while not stop.wait(1.0):
        pass
    server.close()


def main(arguments: list[str] | None = None) -> int:
    """Serve a world from the command line; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="funnel serve-sources",
        description="Serve the sample world over HTTP.",
        epilog="Example: funnel serve-sources --world data/world --port 8765",
    )
    parser.add_argument(
        "--world", type=Path, help="folder of a written world; without it one is built in memory"
    )
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--end-date", type=dt.date.fromisoformat, help="last day; yesterday by default")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default="", help="e.g. moderate, or junk_phones=20,cut_files=1")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--url-file", type=Path, help="write the address here once the server answers")
    parser.add_argument("--quiet", action="store_true", help="no line for each request")
    options = parser.parse_args(arguments)
    try:
        world: World | Path = options.world or build_edtech(
            options.days, options.end_date, options.scale, options.seed, Faults.parse(options.faults)
        )
        server = serve(world, host=options.host, port=options.port, log=not options.quiet)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serve_forever(server, options.url_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
