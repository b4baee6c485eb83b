import datetime as dt
import gzip
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from funnel_assets.errors import UsageError
from funnel_assets.simulate.edtech import IST, World
from funnel_assets.simulate.serve import SourcesServer, main, serve

TOKEN = "a-test-token"


@pytest.fixture
def server(world: World) -> Iterator[SourcesServer]:
    with serve(world, token=TOKEN) as running:
        yield running


def _ask(
    url: str, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        ("/sheets/leads.csv", "leads"),
        ("/sheets/landing_leads.csv", "landing_leads"),
        ("/sheets/spend.csv", "spend"),
        ("/events.json", "engagement_events"),
    ],
)
def test_open_paths_answer_with_the_dump(
    server: SourcesServer, world: World, path: str, dataset: str
) -> None:
    status, headers, body = _ask(server.url, path)

    assert (status, body) == (200, world.dump(dataset))
    assert int(headers["content-length"]) == len(body)


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic " + TOKEN, TOKEN])
def test_the_crm_wants_the_token(server: SourcesServer, header: str) -> None:
    status, _, body = _ask(server.url, "/crm/sales.csv", Authorization=header)

    assert status == 401
    assert TOKEN.encode() not in body


def test_the_crm_answers_with_the_token(server: SourcesServer, world: World) -> None:
    answers = [
        _ask(server.url, f"/crm/{n}.csv", Authorization=f"Bearer {TOKEN}")[2]
        for n in ("sales", "assignments")
    ]

    assert answers == [world.dump("crm_sales"), world.dump("crm_assignments")]


def test_unchanged_bodies_are_not_sent_again(server: SourcesServer) -> None:
    _, headers, _ = _ask(server.url, "/sheets/spend.csv")
    status, again, body = _ask(server.url, "/sheets/spend.csv", If_None_Match=headers["etag"])

    assert (status, body, again["etag"]) == (304, b"", headers["etag"])
    assert server.requests()["/sheets/spend.csv"] == 2
    # A body is counted once it is sent, which the reader may know before the server does.
    deadline = time.monotonic() + 10
    while server.served().get("/sheets/spend.csv") != 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.served()["/sheets/spend.csv"] == 1


def test_gzip_where_it_is_accepted(server: SourcesServer, world: World) -> None:
    _, headers, body = _ask(server.url, "/sheets/spend.csv", Accept_Encoding="gzip")

    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == world.dump("spend")


def test_zoom_files_are_listed_and_sent(server: SourcesServer, world: World) -> None:
    names = json.loads(_ask(server.url, "/zoom/")[2])

    assert names == list(world.zoom_files())
    name = names[0].replace(" ", "%20")
    assert _ask(server.url, f"/zoom/{name}")[2] == world.zoom_files()[names[0]]


@pytest.mark.parametrize(
    "path", ["/", "/zoom/../answer_key/people.parquet", "/zoom/%2e%2e/spend.csv", "/crm", "/etc/passwd"]
)
def test_nothing_else_is_sent(server: SourcesServer, written: Path, path: str) -> None:
    with serve(written, token=TOKEN) as folder_server:
        assert _ask(folder_server.url, path)[0] == 404
    assert _ask(server.url, path)[0] == 404


def test_health(server: SourcesServer) -> None:
    assert _ask(server.url, "/healthz")[0] == 200


def test_a_fault_lasts_as_often_as_said(server: SourcesServer) -> None:
    order = {"path": "/sheets/spend.csv", "status": 503, "times": 2, "headers": {"Retry-After": "1"}}
    assert _ask(server.url, "/_control", "POST", order)[0] == 200

    answers = [_ask(server.url, "/sheets/spend.csv") for _ in range(3)]

    assert [status for status, _, _ in answers] == [503, 503, 200]
    assert answers[0][1]["retry-after"] == "1"
    assert _ask(server.url, "/sheets/leads.csv")[0] == 200


def test_faults_last_until_cleared(server: SourcesServer) -> None:
    server.misbehave("*", status=500)
    assert [_ask(server.url, "/events.json")[0] for _ in range(3)] == [500, 500, 500]

    _ask(server.url, "/_control", "DELETE")

    assert _ask(server.url, "/events.json")[0] == 200


def test_a_sign_in_page_instead_of_data(server: SourcesServer) -> None:
    server.misbehave("/sheets/leads.csv", html=True)

    status, headers, body = _ask(server.url, "/sheets/leads.csv")

    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("keep", [1000, 0.5])
def test_a_body_cut_off(server: SourcesServer, keep: float) -> None:
    server.misbehave("/sheets/leads.csv", truncate=keep)

    with pytest.raises(http.client.IncompleteRead):
        _ask(server.url, "/sheets/leads.csv")


def test_a_redirect_and_another_body(server: SourcesServer) -> None:
    server.misbehave("/sheets/leads.csv", redirect="/sheets/spend.csv")
    server.misbehave("/events.json", body_override="")

    status, headers, _ = _ask(server.url, "/sheets/leads.csv")

    assert (status, headers["location"]) == (302, "/sheets/spend.csv")
    assert _ask(server.url, "/events.json")[::2] == (200, b"")


def test_a_slow_answer(server: SourcesServer) -> None:
    server.misbehave("/healthz-not-affected", delay=5)
    server.misbehave("/events.json", delay=0.3)
    began = time.monotonic()

    assert _ask(server.url, "/events.json")[0] == 200
    assert time.monotonic() - began >= 0.3


def test_a_slow_drip_arrives_whole(server: SourcesServer, world: World) -> None:
    server.misbehave("/sheets/spend.csv", drip=0.002)

    assert _ask(server.url, "/sheets/spend.csv")[2] == world.dump("spend")


@pytest.mark.parametrize(
    "order", [{"path": "/x", "explode": True}, [], {"as_of": "yesterday"}, {"as_of": "2026-06-01T00:00:00"}]
)
def test_a_wrong_order_is_refused(server: SourcesServer, order: object) -> None:
    assert _ask(server.url, "/_control", "POST", order)[0] == 400


def test_the_moment_can_be_moved(server: SourcesServer, world: World) -> None:
    moment = dt.datetime.combine(world.end_date - dt.timedelta(days=9), dt.time(3, 30), IST)
    _ask(server.url, "/_control", "POST", {"as_of": moment.isoformat()})

    assert _ask(server.url, "/sheets/leads.csv")[2] == world.dump("leads", moment)
    assert len(json.loads(_ask(server.url, "/zoom/")[2])) < len(world.zoom_files())


def test_requests_are_counted_for_tests_to_see(server: SourcesServer) -> None:
    for _ in range(3):
        _ask(server.url, "/sheets/leads.csv")
    report = json.loads(_ask(server.url, "/_requests")[2])

    assert report["requests"] == {"/sheets/leads.csv": 3}
    _ask(server.url, "/_requests", "DELETE")
    assert server.requests() == {}


def test_a_folder_shows_edits_at_once(written: Path, tmp_path: Path) -> None:
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "leads.csv").write_bytes(b"Name\nfirst\n")
    with serve(tmp_path, token=TOKEN) as running:
        first = _ask(running.url, "/sheets/leads.csv")[2]
        (tmp_path / "sheets" / "leads.csv").write_bytes(b"Name\nsecond\n")

        assert (first, _ask(running.url, "/sheets/leads.csv")[2]) == (b"Name\nfirst\n", b"Name\nsecond\n")
        assert _ask(running.url, "/events.json")[0] == 404
        with pytest.raises(UsageError, match="one moment"):
            running.set_as_of(None)


def test_the_log_never_shows_the_token(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    with serve(world, token=TOKEN, log=True) as running:
        _ask(running.url, f"/crm/sales.csv?token={TOKEN}", Authorization=f"Bearer {TOKEN}")
        _ask(running.url, "/crm/sales.csv", Authorization=f"Bearer wrong{TOKEN}")

    shown = "".join(capfd.readouterr())
    assert "GET /crm/sales.csv 200" in shown
    assert TOKEN not in shown


def test_no_world_and_a_taken_port_are_explained(tmp_path: Path, world: World) -> None:
    with pytest.raises(UsageError, match="holds no sample world"):
        serve(tmp_path)
    with serve(world) as running, pytest.raises(UsageError, match="can't listen"):
        serve(world, port=running.port)


def test_wrong_use_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--world", str(tmp_path)]) == 2
    assert "funnel simulate" in capsys.readouterr().err


def test_a_file_that_was_packed_beforehand_is_sent_as_it_is_until_it_is_edited(tmp_path: Path) -> None:
    file = tmp_path / "sheets" / "leads.csv"
    file.parent.mkdir()
    file.write_bytes(b"Name\nfirst\n")
    packed = gzip.compress(b"Name\npacked\n", mtime=0)
    file.with_name("leads.csv.gz").write_bytes(packed)
    with serve(tmp_path, token=TOKEN) as running:
        _, headers, body = _ask(running.url, "/sheets/leads.csv", Accept_Encoding="gzip")
        assert (headers["content-encoding"], body) == ("gzip", packed)
        assert _ask(running.url, "/sheets/leads.csv")[2] == b"Name\nfirst\n"
        again = _ask(running.url, "/sheets/leads.csv", Accept_Encoding="gzip", If_None_Match=headers["etag"])
        assert again[0] == 304

        file.write_bytes(b"Name\nsecond\n")
        later = file.with_name("leads.csv.gz").stat().st_mtime + 1
        os.utime(file, (later, later))
        assert _ask(running.url, "/sheets/leads.csv", Accept_Encoding="gzip")[2] == b"Name\nsecond\n"


def test_it_runs_in_the_background_and_stops(written: Path, tmp_path: Path) -> None:
    where = tmp_path / "url"
    command = [sys.executable, "-m", "funnel_assets.simulate.serve", "--world", str(written), "--port", "0"]
    environ = {**os.environ, "FUNNEL_CRM_TOKEN": TOKEN}
    process = subprocess.Popen(
        [*command, "--url-file", str(where)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 20
        while not where.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        url = where.read_text()
        assert _ask(url, "/crm/sales.csv", Authorization=f"Bearer {TOKEN}")[0] == 200
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)

    assert process.returncode == 0
    assert TOKEN.encode() not in out + err
