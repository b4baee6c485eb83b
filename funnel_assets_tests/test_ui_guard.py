"""Which requests the guard lets through to the Dagster UI: an application that only says yes stands for it."""

import asyncio
from typing import Any

import pytest

from funnel_assets.ui_guard import UiGuard

HOST = "127.0.0.1:3000"
JSON = {"content-type": "application/json"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


async def _app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"yes"})


def asked(
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    kind: str = "http",
    extensions: tuple[str, ...] = (),
    port: int = 3000,
    headers: dict[str, str] | list[tuple[str, str]] = {},  # noqa: B006
) -> list[Any]:
    """What is sent back; ``Host`` is a good one unless the headers say otherwise."""
    pairs = headers if isinstance(headers, list) else list(({"host": HOST} | headers).items())
    scope = {
        "type": kind,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in pairs if value],
        "extensions": {name: {} for name in extensions},
    } | ({"method": method} if kind == "http" else {})
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(UiGuard(_app, port=port)(scope, receive, send))
    return sent


def status(*args: Any, **kwargs: Any) -> int:
    return asked(*args, **kwargs)[0]["status"]


@pytest.mark.parametrize("host", [HOST, "localhost:3000", "LOCALHOST:3000", "[::1]:3000"])
def test_the_pages_themselves_and_scripts_pass(host: str) -> None:
    own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    assert status(headers={"host": host}) == 200
    assert status(headers={"host": host, "sec-fetch-site": "none"}) == 200
    assert status("POST", "/graphql", headers={"host": host} | JSON) == 200
    assert (
        status("POST", "/graphql", headers=own | {"content-type": "Application/JSON; charset=utf-8"}) == 200
    )
    assert status("HEAD", headers=own) == 200
    assert asked(kind="websocket", path="/graphql", headers=own) == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:3000",
        "127.0.0.1",
        "127.0.0.1:3001",
        "127.0.0.1.evil.test:3000",
        "localhost.:3000",
        "0.0.0.0:3000",
        "evil.test:3000@127.0.0.1:3000",
        "127.0.0.1:3000, evil.test",
        "127.1:3000",
        "",
    ],
)
def test_only_names_of_this_machine_are_answered(host: str) -> None:
    headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"} | JSON
    assert status(headers=headers) == 403
    assert status("POST", "/graphql", headers=headers) == 403
    assert asked(kind="websocket", path="/graphql", headers=headers)[0]["type"] == "websocket.close"


def test_the_usual_port_may_be_left_out() -> None:
    assert status(headers={"host": "localhost"}, port=80) == 200
    assert status(headers={"host": "evil.test"}, port=80) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "null",
        "https://127.0.0.1:3000",
        "http://127.0.0.1:3001",
        "http://127.0.0.1",
        "http://localhost:3000",
        "http://127.0.0.1:3000.evil.test",
        "http://127.0.0.1:3000/",
        "file://",
    ],
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    assert status("POST", "/graphql", headers={"origin": origin} | JSON) == 403
    assert status(headers={"origin": origin}) == 403
    assert (
        asked(kind="websocket", path="/graphql", headers={"origin": origin})[0]["type"] == "websocket.close"
    )


@pytest.mark.parametrize("site", ["cross-site", "same-site", "something new"])
def test_what_the_browser_says_is_of_another_site_is_refused_but_for_links(site: str) -> None:
    assert status(headers={"sec-fetch-site": site}) == 403
    assert (
        status(headers={"sec-fetch-site": site, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"})
        == 403
    )
    assert status(headers=LINK | {"sec-fetch-site": site, "sec-fetch-dest": "iframe"}) == 403
    assert status("POST", headers=LINK | JSON | {"sec-fetch-site": site}) == 403
    assert status(headers=LINK | {"sec-fetch-site": site}) == 200
    assert status(path="/graphql", query="query=mutation{x}", headers=LINK | {"sec-fetch-site": site}) == 403


def test_nothing_is_asked_of_graphql_by_get_and_nothing_posted_but_json() -> None:
    for method in ("GET", "HEAD"):
        assert status(method, "/graphql", query="query=mutation{terminateRun(runId:1)}") == 403
    assert status("GET", "/graphql", headers={"accept": "text/html"}) == 200
    types = ["", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
    for media_type in [*types, "application/graphql", "text/plain; application/json", "application/jsonp"]:
        for path in ("/graphql", "/report_asset_materialization/raw_leads"):
            assert status("POST", path, headers={"content-type": media_type}) == 403, media_type
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"):
        assert status(method, headers=JSON) == 403


@pytest.mark.parametrize("name", ["host", "origin", "sec-fetch-site", "content-type"])
def test_a_header_that_decides_comes_once(name: str) -> None:
    good = {"host": HOST, "origin": f"http://{HOST}", "sec-fetch-site": "same-origin"} | JSON
    assert status("POST", "/graphql", headers=list(good.items())) == 200
    assert status("POST", "/graphql", headers=[*good.items(), (name.title(), good[name])]) == 403


def test_a_refusal_is_a_plain_sentence_and_answers_cannot_be_framed() -> None:
    start, body = asked(headers={"host": "evil.test:3000"})
    assert (b"content-type", b"text/plain; charset=utf-8") in start["headers"]
    assert body["body"].decode() == (
        "Refused: this isn't the address of the Dagster UI. Open http://127.0.0.1:3000 on the machine it runs on.\n"
    )
    told = ("websocket.http.response",)
    socket = asked(kind="websocket", path="/graphql", headers={"host": "evil.test"}, extensions=told)
    assert (socket[0]["type"], socket[0]["status"]) == ("websocket.http.response.start", 403)
    assert socket[1]["body"].startswith(b"Refused: ")
    assert (b"x-frame-options", b"SAMEORIGIN") in asked()[0]["headers"]


def test_what_is_no_request_passes() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["type"])

    asyncio.run(UiGuard(app, port=3000)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert reached == ["lifespan"]
