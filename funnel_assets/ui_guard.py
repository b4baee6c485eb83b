"""Keeps other web pages away from the Dagster UI, which has no login of its own.

A browser sends requests to this machine on behalf of any page that is open in it, and shows that page the answers
if its host name was made to mean this machine (DNS rebinding). So a request must say that it is for this machine,
and must come from a page of the UI itself, or from no page at all (a script, a typed address).

Belongs here: which requests pass, as ASGI middleware. Does not belong here: what serves the UI (`ui_server`).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HTTP_PORT = 80  # browsers leave it out
_GRAPHQL = "/graphql"
_OWN_PAGES = (None, "same-origin", "none")
"""``Sec-Fetch-Site`` of our own pages, of a typed address, and of what isn't a browser."""
_DECIDES = ("host", "origin", "sec-fetch-site", "content-type")
"""Headers that decide, so none of them may come twice."""


class UiGuard:
    """ASGI middleware that refuses, with 403 and a sentence, what another site's page could have sent.

    Args:
        app: What is guarded.
        port: Port at which the UI listens.
    """

    def __init__(self, app: App, *, port: int) -> None:
        self._app = app
        names = [f"{name}:{port}" for name in _LOOPBACK]
        self._hosts = frozenset([*names, *(_LOOPBACK if port == _HTTP_PORT else ())])
        self._address = f"http://{names[0]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif problem := self._problem(scope):
            await _refuse(scope, receive, send, f"Refused: {problem}\n")
        else:
            await self._app(scope, receive, _unframed(send) if scope["type"] == "http" else send)

    def _problem(self, scope: Scope) -> str | None:
        """What is wrong with a request, as a sentence; None for a good one."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name = raw_name.decode("latin-1").lower()
            if name in headers and name in _DECIDES:
                return f"it has more than one {name} header."
            headers[name] = raw_value.decode("latin-1").strip()
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return (
                f"this isn't the address of the Dagster UI. Open {self._address} on the machine it runs on."
            )
        if headers.get("origin", f"http://{host}").lower() != f"http://{host}":
            return f"it comes from a page of another site. Open {self._address} instead."
        if headers.get("sec-fetch-site") not in _OWN_PAGES and not _is_link(scope, headers):
            return f"it comes from a page of another site. Open {self._address} instead."
        return _method_problem(scope, headers) if scope["type"] == "http" else None


def _is_link(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a person follows a link to one of our pages, which shows it in a tab of its own."""
    return (
        scope.get("method") == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
    )


def _method_problem(scope: Scope, headers: dict[str, str]) -> str | None:
    """What another site's page can send without asking us (GET, and forms) must change nothing."""
    if scope["method"] == "POST":
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        return None if media_type == "application/json" else "a POST must be of type application/json."
    if scope["method"] not in ("GET", "HEAD"):
        return f"{scope['method']} isn't a method of the UI."
    if scope["path"] == _GRAPHQL and scope["query_string"]:
        return "GraphQL is answered by POST, as application/json, only: a GET could run a mutation."
    return None


def _unframed(send: Send) -> Send:
    """Answers that no other site may show in a frame, to have its visitors click in it."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return sending


async def _refuse(scope: Scope, receive: Receive, send: Send, text: str) -> None:
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # the request to open it
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008})  # which the server turns into 403
            return
        kind = "websocket.http"
    body = text.encode("ascii", "replace")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": f"{kind}.response.start", "status": 403, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
