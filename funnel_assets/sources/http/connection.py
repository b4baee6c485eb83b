"""The connection underneath: cut at the deadline, and watched for bytes after the announced end."""

import contextlib
import functools
import http.client
import socket
import threading
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection


class Guard:
    """Cuts the connection at the deadline, and notices bytes sent after the announced end.

    A read timeout only bounds silence: a server that sends one byte a minute, in its headers or in its body,
    would hold a run for days. Shutting the socket down from a timer ends any read, wherever it is.
    """

    def __init__(self) -> None:
        self.expired = False
        self.surplus = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def watch(self, sock: socket.socket) -> None:
        with self._lock:
            self._sockets.append(sock)
        if self.expired:
            self.expire()

    def expire(self) -> None:
        with self._lock:
            self.expired = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    # The plain socket's shutdown: an SSLSocket's own one is not safe from another thread.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            self._sockets.clear()

    def look_past_end(self, stream: Any) -> None:
        """Look for bytes after the announced length; we asked for one answer, so there should be none."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.settimeout(0.2)
            # Line ends after a body are an old servers' habit and cut nothing.
            self.surplus = bool(stream.peek(1).strip(b"\r\n"))


class _CountedResponse(http.client.HTTPResponse):
    """A response that looks past its announced end before it closes."""

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _close_conn(self) -> None:
        ended = self.status == 200 and self.length == 0 and not self.chunked
        if ended and self.fp is not None and self.headers.get("Content-Length", "0").strip() != "0":
            self._guard.look_past_end(self.fp)
        super()._close_conn()  # type: ignore[misc]


class GuardedAdapter(HTTPAdapter):
    """requests' adapter over connections that report to a `Guard`."""

    def __init__(self, guard: Guard) -> None:
        self._pools = _pools(guard)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> urllib3.ProxyManager:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(guard: Guard) -> dict[str, Any]:
    class PlainConnection(HTTPConnection):
        response_class = functools.partial(_CountedResponse, guard=guard)  # type: ignore[assignment]

        def connect(self) -> None:
            super().connect()
            guard.watch(self.sock)

    class TlsConnection(HTTPSConnection):
        response_class = functools.partial(_CountedResponse, guard=guard)  # type: ignore[assignment]

        def connect(self) -> None:
            super().connect()
            guard.watch(self.sock)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = PlainConnection  # type: ignore[assignment]

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = TlsConnection  # type: ignore[assignment]

    return {"http": PlainPool, "https": TlsPool}
