"""Alerts: once per cause, masked, and never the reason why a run fails."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from funnel_assets.alerts import QUIET, Alerts
from funnel_assets.config.settings import load_settings

NOW = dt.datetime(2026, 3, 22, 3, 0, tzinfo=dt.UTC)


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    received: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", received
    server.shutdown()
    server.server_close()


def alerts(home: Path, url: str | None, now: dt.datetime = NOW) -> Alerts:
    environ = {"FUNNEL_HOME": str(home), **({"FUNNEL_ALERT_WEBHOOK": url} if url else {})}
    return Alerts(replace(load_settings(environ, dotenv=False), clock=lambda: now))


def test_a_cause_is_told_once_until_it_is_old(
    tmp_path: Path, webhook: tuple[str, list[dict[str, str]]]
) -> None:
    url, received = webhook
    assert alerts(tmp_path, url).tell("crm 2026-03-21", "crm_sales 2026-03-21 failed. Next: look.")
    assert not alerts(tmp_path, url).tell("crm 2026-03-21", "crm_sales 2026-03-21 failed. Next: look.")
    assert alerts(tmp_path, url).tell("another", "spend 2026-03-21 failed.")
    assert alerts(tmp_path, url, NOW + QUIET).tell("crm 2026-03-21", "still")
    assert [message["text"] for message in received] == [
        "crm_sales 2026-03-21 failed. Next: look.",
        "spend 2026-03-21 failed.",
        "still",
    ]


def test_personal_data_never_leaves(tmp_path: Path, webhook: tuple[str, list[dict[str, str]]]) -> None:
    url, received = webhook
    alerts(tmp_path, url).tell("x", "row of asha@example.com, +91 98765 43210, on 2026-03-21")
    assert received[0]["text"] == "row of a***@***.com, **********10, on 2026-03-21"


def test_without_a_webhook_nothing_happens(tmp_path: Path) -> None:
    assert not alerts(tmp_path, None).tell("x", "text")
    assert not (tmp_path / "alerts.json").exists()


def test_a_dead_webhook_is_tried_again_and_fails_nothing(
    tmp_path: Path, webhook: tuple[str, list[dict[str, str]]], caplog: pytest.LogCaptureFixture
) -> None:
    assert not alerts(tmp_path, "http://127.0.0.1:9/secret-path?key=abc").tell("x", "text")
    assert "abc" not in caplog.text
    url, received = webhook
    assert alerts(tmp_path, url).tell("x", "text")
    assert len(received) == 1
