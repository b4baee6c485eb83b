"""HTTP as it is: every wrong answer ends as an error that says what to do, never as data (SPEC 4)."""

import datetime as dt
import email.utils
import gzip
import io
import logging
import socket
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from funnel_assets.errors import ConfigError, FunnelError, SourceBroken, SourceUnavailable
from funnel_assets.sources.http import Auth, FetchResult, HttpPolicy, HttpRequest, fetch
from funnel_assets_tests.sources.loopback import Answer, Request, Server, certificate, in_turn, reply, serve

CSV = b"name,phone\r\nAsha,9812345670\r\nRavi,9812345671\r\n"
SECRET = "s3cr3t-t0ken-value"
QUICK = HttpPolicy(
    connect_timeout_s=1, read_timeout_s=0.3, deadline_s=5, attempts=3, backoff_s=0.01, retry_after_max_s=2
)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def get(
    url: str, policy: HttpPolicy = QUICK, auth: Auth | None = None, **more: str
) -> tuple[FetchResult, bytes]:
    sink = io.BytesIO()
    result = fetch(
        HttpRequest(url, auth=auth, source="crm", dataset="crm_sales", **more), sink, policy=policy
    )
    return result, sink.getvalue()


def cut_after(body: bytes, keep: int, *headers: str, length: int | None = -1) -> Answer:
    """Announce a whole body, send a part, close."""

    def answer(sock: socket.socket, request: Request) -> None:
        reply(200, body[:keep], *headers, length=len(body) if length == -1 else length)(sock, request)

    return answer


def chunked(*pieces: bytes, ended: bool = True) -> Answer:
    def answer(sock: socket.socket, request: Request) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            sock.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if ended:
            sock.sendall(b"0\r\n\r\n")

    return answer


def silent_after(sent: bytes, seconds: float) -> Answer:
    def answer(sock: socket.socket, request: Request) -> None:
        sock.sendall(sent)
        time.sleep(seconds)

    return answer


def dripping(head: bytes, drop: bytes) -> Answer:
    def answer(sock: socket.socket, request: Request) -> None:
        sock.sendall(head)
        for _ in range(200):
            sock.sendall(drop)
            time.sleep(0.02)

    return answer


def reset(sock: socket.socket, request: Request) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


# --- it works -------------------------------------------------------------------------------------


def test_plain_body_arrives_whole_with_its_facts(server: Server, tmp_path: Path) -> None:
    url = server.on("/export.csv", reply(200, CSV, 'ETag: "v1"', "Content-Type: text/csv"))
    before = dt.datetime.now(dt.UTC)
    result = fetch(HttpRequest(url + "?gid=7"), tmp_path / "out.csv", policy=QUICK)
    assert (tmp_path / "out.csv").read_bytes() == CSV
    assert (result.status, result.bytes, result.wire_bytes, result.attempts) == (200, len(CSV), len(CSV), 1)
    assert (result.etag, result.content_type, result.length_checked) == ('"v1"', "text/csv", True)
    assert result.url == result.final_url == url
    assert before <= result.fetched_at <= dt.datetime.now(dt.UTC)


def test_gzip_is_unpacked_and_its_wire_length_checked(server: Server) -> None:
    packed = gzip.compress(CSV) + gzip.compress(b"Mina,9812345672\r\n")
    url = server.on("/z", reply(200, packed, "Content-Encoding: gzip"))
    result, body = get(url)
    assert body == CSV + b"Mina,9812345672\r\n"
    assert (result.wire_bytes, result.bytes) == (len(packed), len(body))


def test_chunked_body(server: Server) -> None:
    result, body = get(server.on("/c", chunked(CSV[:9], CSV[9:])))
    assert body == CSV
    assert result.length_checked


def test_body_ended_by_the_connection_is_marked_unchecked(server: Server) -> None:
    result, body = get(server.on("/old", reply(200, CSV, length=None)))
    assert body == CSV
    assert not result.length_checked


def test_not_modified_writes_nothing(server: Server, tmp_path: Path) -> None:
    def answer(sock: socket.socket, request: Request) -> None:
        unchanged = request.headers.get("if-none-match") == '"v1"'
        (reply(304, b"", length=None) if unchanged else reply(200, CSV, 'ETag: "v1"'))(sock, request)

    url = server.on("/e", answer)
    out = tmp_path / "out.csv"
    first = fetch(HttpRequest(url), out, policy=QUICK)
    out.unlink()
    again = fetch(HttpRequest(url, etag=first.etag), out, policy=QUICK)
    assert again.not_modified
    assert again.etag == '"v1"'
    assert list(tmp_path.iterdir()) == []


def test_redirect_to_the_file_is_followed_without_the_token(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET)
    with serve() as elsewhere:
        target = elsewhere.on("/download", reply(200, CSV))
        url = server.on("/export", reply(302, b"", f"Location: {target}"))
        _, body = get(url, auth=Auth("header", "CRM_TOKEN", name="X-Api-Key"))
        assert body == CSV
        assert server.seen[0].headers["x-api-key"] == SECRET
        assert SECRET not in str(elsewhere.seen[0])


# --- retried where it can help --------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(reply(500, b"oops"), id="500"),
        pytest.param(reply(503), id="503"),
        pytest.param(reply(429, b"", "Retry-After: 0"), id="429"),
        pytest.param(cut_after(CSV, 20), id="body cut in half"),
        pytest.param(cut_after(CSV, 20, length=30), id="wrong length, more announced"),
        pytest.param(reply(200, CSV, length=20), id="wrong length, less announced"),
        pytest.param(chunked(CSV[:20], ended=False), id="chunks stop"),
        pytest.param(
            cut_after(gzip.compress(CSV), 30, "Content-Encoding: gzip", length=None), id="gzip stops"
        ),
        pytest.param(
            silent_after(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nname,", 1), id="time-out in body"
        ),
        pytest.param(silent_after(b"", 1), id="time-out before the answer"),
        pytest.param(reset, id="connection reset"),
        pytest.param(lambda sock, request: None, id="closed without an answer"),
    ],
)
def test_passing_trouble_is_tried_again_and_leaves_only_the_whole_body(server: Server, first: Answer) -> None:
    result, body = get(server.on("/f", in_turn(first, reply(200, CSV))))
    assert body == CSV
    assert result.attempts == 2
    assert server.hits("/f") == 2


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(reply(500), "HTTP 500", id="500"),
        pytest.param(reply(429), "ask too often", id="429"),
        pytest.param(cut_after(CSV, 20), "cut off", id="cut"),
        pytest.param(reply(200, CSV, length=20), "went on sending", id="less announced"),
        pytest.param(chunked(CSV, ended=False), "cut off", id="chunks stop"),
        pytest.param(
            silent_after(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nname,", 1), "silent", id="silence"
        ),
    ],
)
def test_lasting_trouble_is_unavailable_and_leaves_nothing(
    server: Server, tmp_path: Path, answer: Answer, says: str
) -> None:
    request = HttpRequest(server.on("/f", answer), source="crm", dataset="crm_sales")
    with pytest.raises(SourceUnavailable, match=says) as caught:
        fetch(request, tmp_path / "out.csv", policy=QUICK)
    assert "tried 3 times" in str(caught.value)
    assert "crm_sales" in str(caught.value)
    assert "Next:" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert server.hits("/f") == 3


@pytest.mark.parametrize("style", ["seconds", "date"])
def test_retry_after_is_obeyed(server: Server, style: str) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
    value = "1" if style == "seconds" else email.utils.format_datetime(later, usegmt=True)
    waits: list[float] = []
    url = server.on("/f", in_turn(reply(429, b"", f"Retry-After: {value}"), reply(200, CSV)))
    fetch(HttpRequest(url), io.BytesIO(), policy=QUICK, sleep=waits.append)
    assert len(waits) == 1
    assert 0.5 < waits[0] <= 2.1


def test_retry_after_beyond_patience_ends_at_once_and_says_when(server: Server) -> None:
    url = server.on("/f", reply(503, b"", "Retry-After: 3600"))
    with pytest.raises(SourceUnavailable, match="3600 s"):
        get(url)
    assert server.hits("/f") == 1


def test_nobody_listening() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="refuses connections"):
        get(f"http://127.0.0.1:{port}/x")


def test_deadline_bounds_all_attempts_together(server: Server) -> None:
    started = time.monotonic()
    policy = HttpPolicy(read_timeout_s=0.3, deadline_s=0.7, attempts=50, backoff_s=0.01)
    with pytest.raises(SourceUnavailable):
        get(server.on("/f", silent_after(b"", 2)), policy)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"x", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"y", id="headers"),
    ],
)
def test_slow_drip_ends_at_the_deadline(server: Server, head: bytes, drop: bytes) -> None:
    policy = HttpPolicy(read_timeout_s=1, deadline_s=0.4, attempts=3, backoff_s=0.01)
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"within 0\.4 s"):
        get(server.on("/drip", dripping(head, drop)), policy)
    assert time.monotonic() - started < 1.5


# --- not retried ----------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Something went wrong</body></html>"
LOGIN = b"\n<!-- v2 --><html><body><form>Sign in <input type='password'></form></body></html>"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(reply(401), "HTTP 401", id="401"),
        pytest.param(reply(403), "HTTP 403", id="403"),
        pytest.param(reply(404), "HTTP 404", id="404"),
        pytest.param(reply(204, b"", length=None), "HTTP 204", id="204"),
        pytest.param(reply(206, CSV), "HTTP 206", id="206"),
        pytest.param(
            reply(302, b"", "Location: /ServiceLogin?continue=x"), "login page", id="login redirect"
        ),
        pytest.param(
            reply(302, b"", "Location: https://accounts.example.com/v3"), "login page", id="login host"
        ),
        pytest.param(
            reply(302, b"", "Location: ftp://example.com/x"), "isn't a web address", id="odd redirect"
        ),
        pytest.param(reply(302, b"", "Location: /same"), "more than 10 times", id="redirect loop"),
        pytest.param(reply(200, PAGE, "Content-Type: text/csv"), "a web page", id="page that says it is csv"),
        pytest.param(reply(200, LOGIN), "a login page", id="login page as 200"),
        pytest.param(reply(200, b""), "empty", id="empty"),
        pytest.param(reply(200, b"\xef\xbb\xbf\r\n"), "empty", id="only a BOM"),
        pytest.param(reply(200, CSV, "Content-Encoding: br"), "did not ask for", id="unknown compression"),
    ],
)
def test_wrong_for_good_is_broken_at_once(server: Server, tmp_path: Path, answer: Answer, says: str) -> None:
    server.on("/same", answer)
    with pytest.raises(SourceBroken, match=says) as caught:
        fetch(HttpRequest(server.url("/same")), tmp_path / "out.csv", policy=QUICK)
    assert "Next:" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert all(request.attempt == 1 for request in server.seen if request.path != "/same")


def test_sign_in_trouble_names_the_variable(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET)
    with pytest.raises(SourceBroken, match="CRM_TOKEN"):
        get(server.on("/f", reply(401)), auth=Auth("bearer", "CRM_TOKEN"))


def endless(head: bytes, piece: bytes) -> Answer:
    def answer(sock: socket.socket, request: Request) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(piece)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(reply(200, CSV, length=1 << 30), id="announced"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536), id="endless"),
        pytest.param(reply(200, gzip.compress(b"0" * 30_000_000), "Content-Encoding: gzip"), id="small gzip"),
    ],
)
def test_size_limit(server: Server, tmp_path: Path, answer: Answer) -> None:
    policy = HttpPolicy(max_bytes=2_000_000, read_timeout_s=2, deadline_s=10)
    with pytest.raises(SourceBroken, match=r"limit of 2\.0 MB"):
        fetch(HttpRequest(server.on("/big", answer)), tmp_path / "out.csv", policy=policy)
    assert server.hits("/big") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("expired", "trusted", "says"),
    [
        pytest.param(True, True, "has expired", id="expired"),
        pytest.param(False, False, "signed by nobody", id="untrusted"),
        pytest.param(False, True, None, id="good"),
    ],
)
def test_certificates(tmp_path: Path, expired: bool, trusted: bool, says: str | None) -> None:
    try:
        signed, context = certificate(tmp_path, expired=expired)
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    policy = HttpPolicy(verify=str(signed) if trusted else True, read_timeout_s=2, attempts=3, backoff_s=0.01)
    with serve(context) as server:
        url = server.on("/f", reply(200, CSV))
        if says is None:
            assert get(url, policy)[1] == CSV
        else:
            with pytest.raises(SourceBroken, match=says):
                get(url, policy)
            assert server.seen == []


def test_cut_tls_body_is_an_error(tmp_path: Path) -> None:
    try:
        signed, context = certificate(tmp_path, expired=False)
    except FileNotFoundError:
        pytest.skip("needs the openssl program to make a certificate")
    with serve(context) as server, pytest.raises(SourceUnavailable, match="cut off"):
        get(server.on("/f", cut_after(CSV, 20)), HttpPolicy(verify=str(signed), attempts=1))


# --- secrets --------------------------------------------------------------------------------------

AUTHS = [
    pytest.param(Auth("bearer", "CRM_TOKEN"), id="bearer"),
    pytest.param(Auth("header", "CRM_TOKEN", name="X-Api-Key"), id="header"),
    pytest.param(Auth("query", "CRM_TOKEN", name="key"), id="query"),
    pytest.param(Auth("basic", "CRM_TOKEN", user="ops"), id="basic"),
]


@pytest.mark.parametrize("auth", AUTHS)
def test_token_is_sent_as_configured(server: Server, monkeypatch: pytest.MonkeyPatch, auth: Auth) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET + "\n")
    get(server.on("/f", reply(200, CSV)) + "?gid=7&key=old", auth=auth)
    request = server.seen[0]
    expected = {
        "bearer": request.headers.get("authorization") == f"Bearer {SECRET}",
        "header": request.headers.get("x-api-key") == SECRET,
        "query": request.path == f"/f?gid=7&key={SECRET}",
        "basic": request.headers.get("authorization") == "Basic b3BzOnMzY3IzdC10MGtlbi12YWx1ZQ==",
    }
    assert expected[auth.kind]


def test_missing_variable_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="CRM_TOKEN"):
        get("http://127.0.0.1:9/x", auth=Auth("bearer", "CRM_TOKEN"))


@pytest.mark.parametrize("value", ["s3cr3t\r\nX-Evil: 1", "s3cr3t\u20ac"])
def test_unsendable_token_is_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CRM_TOKEN", value)
    with pytest.raises(ConfigError) as caught:
        get("http://127.0.0.1:9/x", auth=Auth("bearer", "CRM_TOKEN"))
    assert "s3cr3t" not in str(caught.value)


def test_bad_address_is_a_config_error_without_the_address() -> None:
    with pytest.raises(ConfigError) as caught:
        get(f"sheet?token={SECRET}")
    assert SECRET not in str(caught.value)


LEAKS: list[tuple[str, Answer]] = [
    ("ok", reply(200, CSV)),
    ("500", reply(500, SECRET.encode())),
    ("401", reply(401, SECRET.encode())),
    ("cut", cut_after(CSV, 20)),
    ("silence", silent_after(b"", 0.5)),
    ("reset", reset),
    ("bad header", reply(200, CSV, "no colon here")),
    ("bad status", lambda sock, request: sock.sendall(b"NOT HTTP\r\n\r\n")),
    ("echoing redirect", reply(302, b"", f"Location: /login?key={SECRET}")),
    ("two lengths", reply(200, CSV, "Content-Length: 3")),
]


@pytest.mark.parametrize("auth", AUTHS)
@pytest.mark.parametrize("answer", [pytest.param(answer, id=name) for name, answer in LEAKS])
def test_no_secret_in_errors_logs_or_results(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    auth: Auth,
    answer: Answer,
) -> None:
    monkeypatch.setenv("CRM_TOKEN", SECRET)
    caplog.set_level(logging.DEBUG)
    policy = HttpPolicy(read_timeout_s=0.1, deadline_s=3, attempts=2, backoff_s=0.01)
    url = server.on("/f", answer).replace("://", f"://ops:{SECRET}@") + f"?sig={SECRET}#{SECRET}"
    request = HttpRequest(url, auth=auth)
    told = repr(request)
    try:
        told += repr(fetch(request, io.BytesIO(), policy=policy))
    except FunnelError as error:
        chained = repr((error.__cause__, error.__context__))
        told += "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__) + chained
    told += caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert server.seen
    assert SECRET not in told
    assert "b3BzOnMzY3" not in told
