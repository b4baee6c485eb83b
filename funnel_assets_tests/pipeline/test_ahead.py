"""Sources fetched side by side, over a real server."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from funnel_assets.config.source_model import HttpOverrides, Source
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline import ahead
from funnel_assets.pipeline.ahead import FetchAhead
from funnel_assets.storage.landing import Landing
from funnel_assets_tests.sources import loopback
from funnel_assets_tests.sources.loopback import Answer, Request, Server, reply

BODY = b"date,cost\n2026-11-01,1\n"
WAIT_SECONDS = 20.0


@pytest.fixture
def server() -> Iterator[Server]:
    with loopback.serve() as running:
        yield running


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "landing")


def sources(server: Server, count: int, answer: Answer) -> list[Source]:
    """So many sources of one dataset, each with an address of its own."""
    return [
        Source(
            dataset="spend",
            name=f"sheet_{number}",
            order=number,
            kind="http_csv",
            location=server.on(f"/{number}.csv", answer),
            line=1,
            timezone="Asia/Kolkata",
            http=HttpOverrides(retries=0, timeout_seconds=WAIT_SECONDS),
        )
        for number in range(count)
    ]


def taken(fetches: FetchAhead, source: Source) -> bytes:
    under_way = fetches.take(source)
    assert under_way is not None
    return (fetches._landing.path(under_way.result(WAIT_SECONDS))).read_bytes()


def test_sources_are_fetched_side_by_side(server: Server, landing: Landing) -> None:
    together = threading.Barrier(ahead.AT_ONCE)

    def answer(sock: socket.socket, request: Request) -> None:
        together.wait(WAIT_SECONDS)  # raises, and so answers nothing, when it waits alone
        reply(200, BODY)(sock, request)

    found = sources(server, ahead.AT_ONCE, answer)
    fetches = FetchAhead(landing)
    fetches.start("run", found)

    assert [taken(fetches, source) for source in found] == [BODY] * len(found)


def test_nobody_waits_for_a_fetch_that_was_not_begun(server: Server, landing: Landing) -> None:
    asked, go_on = threading.Semaphore(0), threading.Event()

    def answer(sock: socket.socket, request: Request) -> None:
        asked.release()
        assert go_on.wait(WAIT_SECONDS)
        reply(200, BODY)(sock, request)

    found = sources(server, ahead.AT_ONCE + 1, answer)
    fetches = FetchAhead(landing)
    fetches.start("run", found)
    for _ in range(ahead.AT_ONCE):
        assert asked.acquire(timeout=WAIT_SECONDS)

    assert fetches.take(found[-1]) is None
    go_on.set()
    for source in found[:-1]:
        assert taken(fetches, source) == BODY
    assert server.hits(f"/{len(found) - 1}.csv") == 0, "the caller fetches it, and nobody else"


def test_a_run_fetches_once_and_the_next_one_anew(server: Server, landing: Landing) -> None:
    [source] = sources(server, 1, reply(200, BODY))
    fetches = FetchAhead(landing)
    fetches.start("run", [source])
    assert taken(fetches, source) == BODY
    fetches.start("run", [source])
    assert fetches.take(source) is None
    fetches.start("the next one", [source])
    assert taken(fetches, source) == BODY

    assert server.hits("/0.csv") == 2


def test_whoever_takes_a_failed_fetch_is_told(server: Server, landing: Landing) -> None:
    [source] = sources(server, 1, reply(404))
    fetches = FetchAhead(landing)
    fetches.start("run", [source])
    under_way = fetches.take(source)

    assert under_way is not None
    with pytest.raises(FunnelError, match="nothing at this address"):
        under_way.result(WAIT_SECONDS)


def test_a_source_whose_settings_changed_is_fetched_as_they_are_now(server: Server, landing: Landing) -> None:
    before, now = sources(server, 2, reply(200, BODY))
    fetches = FetchAhead(landing)
    fetches.start("run", [before])
    edited = Source(**{**vars(now), "name": before.name})

    assert fetches.take(edited) is None
