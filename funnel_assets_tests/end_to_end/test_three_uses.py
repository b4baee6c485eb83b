"""The three uses that the software is judged on, against a running UI and daemon, through the API of its pages."""

import datetime as dt
import http.client
import json
import urllib.parse
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.end_to_end import hostile
from funnel_assets_tests.end_to_end.ui import Ui, running_ui
from funnel_assets_tests.world import INDIA, Place, place, yesterday

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(900)]

ALL = sorted(NODES)
MARKETING = [
    "raw_leads",
    "zoom_attendance",
    "engagement_events",
    "spend",
    "dedup_leads",
    "engagement_summary",
]


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=10, drop=False, engine="duckdb", last=yesterday()) as made:
        del made.environ["FUNNEL_TODAY"]  # the schedule goes by the clock
        yield made


@pytest.fixture(scope="module")
def ui(here: Place) -> Iterator[Ui]:
    soon = dt.datetime.now(INDIA) + dt.timedelta(seconds=100)
    with running_ui(here, FUNNEL_DAILY_AT=f"{soon:%H:%M}") as running:
        yield running


def made(ui: Ui, day: dt.date, *datasets: str) -> bool:
    return all(str(day) in states["MATERIALIZED"] for states in ui.all_partitions(list(datasets)).values())


def test_schedule_materializes_yesterday_in_both_parts(ui: Ui, here: Place) -> None:
    day = yesterday()
    ui.wait("The schedule's tick", lambda: any(t["runIds"] for t in ui.ticks("every_night")), seconds=240)
    ui.wait("Yesterday", lambda: made(ui, day, *ALL) and not ui.in_progress())
    for name, states in ui.all_partitions(ALL).items():
        assert states["MATERIALIZED"] == {str(day)}, name
    published = Pipeline(here.settings).warehouse.fetch("SELECT DISTINCT dataset, date FROM published_days")
    assert {(row["dataset"], row["date"]) for row in published} == {(name, day) for name in ALL}


def test_failed_day_is_backfilled_and_turns_green(ui: Ui, here: Place) -> None:
    day = yesterday() - dt.timedelta(days=2)
    ui.wait("Quiet", lambda: not ui.in_progress())
    here.server.misbehave("/crm/sales.csv", status=500, times=100)
    ui.launch_backfill(ALL, [str(day)])
    ui.wait("The failure", lambda: str(day) in ui.partitions("crm_sales")["FAILED"])
    ui.wait("Part 1", lambda: made(ui, day, *MARKETING))
    ui.wait("The marts of the part that is there", lambda: made(ui, day, "funnel_marts"))
    assert not made(ui, day, "sales_enriched")
    rows = Pipeline(here.settings).warehouse.fetch(
        "SELECT bool_or(has_sales) AS has_sales, sum(sales) AS sales, sum(leads) AS leads FROM funnel_marts "
        "WHERE date = %(day)s",
        {"day": day},
    )
    assert rows[0]["has_sales"] is False
    assert rows[0]["sales"] is None
    assert rows[0]["leads"] > 0

    here.server.behave()
    backfill = ui.launch_backfill(ALL, [str(day)])
    ui.wait("The backfill", lambda: ui.backfill_status(backfill) == "COMPLETED_SUCCESS")
    # Yesterday looks back on that day, so the sensor restates it at any moment: it shows as being made meanwhile.
    green = {"MATERIALIZED": {str(day), str(yesterday())}, "FAILED": set(), "MATERIALIZING": set()}
    ui.wait("Both days green", lambda: all(states == green for states in ui.all_partitions(ALL).values()))


def test_dropped_zoom_report_makes_its_day_once(ui: Ui, here: Place) -> None:
    name = next(
        file
        for moment, file in here.world.zoom_drops()
        if "attendee" in file and moment.astimezone(INDIA).date() <= yesterday()
    )
    ui.wait("Quiet", lambda: not ui.in_progress())
    here.drop(name, age_seconds=0)
    here.drop("a photo.jpg", b"\xff\xd8\xff" + bytes(300), age_seconds=0)
    fates = (f"Taken: {name}. Event of ", "Quarantined: a photo.jpg. This is no report of an event")
    ui.wait("What became of both", lambda: all(fate in ui.told("zoom_inbox") for fate in fates), seconds=60)
    runs = ui.wait("The sensor's run", lambda: zoom_runs(ui))
    day = dt.date.fromisoformat(next(t["value"] for t in runs[0]["tags"] if t["key"] == "dagster/partition"))
    ui.wait("The run's end", lambda: zoom_runs(ui)[0]["status"] in ("SUCCESS", "FAILURE"))
    assert zoom_runs(ui)[0]["status"] == "SUCCESS"
    assert made(ui, day, "zoom_attendance")
    assert made(ui, day, "funnel_marts")
    assert "a photo.jpg: This is no report of an event" in ui.notes("zoom_attendance", day)
    rows = Pipeline(here.settings).warehouse.fetch(
        "SELECT count(*) AS people, count(*) FILTER (WHERE attended = 'Y') AS attended FROM zoom_attendance "
        "WHERE date = %(day)s",
        {"day": day},
    )
    assert rows[0]["people"] > 0
    assert rows[0]["attended"] > 0
    ticks = len([t for t in ui.ticks("zoom_inbox") if t["status"] == "SKIPPED"])
    ui.wait(
        "Two more looks",
        lambda: len([t for t in ui.ticks("zoom_inbox") if t["status"] == "SKIPPED"]) >= ticks + 2,
    )
    assert len(zoom_runs(ui)) == 1


def zoom_runs(ui: Ui) -> list[dict[str, object]]:
    return [
        run
        for run in ui.runs()
        if any(t["key"] == "funnel/cause" and t["value"].startswith("zoom ") for t in run["tags"])
    ]


# --- what other sites' pages may do with it: nothing ---


def attacks(ui: Ui) -> list[dict[str, object]]:
    """Backfills that the hostile mutation launched."""
    found = ui.ask(
        "{ partitionBackfillsOrError { ... on PartitionBackfills { results { id tags { key } } } } }"
    )["partitionBackfillsOrError"]["results"]
    return [one for one in found if any(tag["key"] == "hostile" for tag in one["tags"])]


def sent(ui: Ui, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
    """Status and body of the answer to a request as written here; a ``_`` in a header's name is a ``-``."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(ui.url).netloc, timeout=60)
    try:
        connection.request(
            method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, "" if answer.status == 101 else answer.read().decode(errors="replace")
    finally:
        connection.close()


@pytest.mark.browser
def test_hostile_page_and_rebound_name_reach_nothing_in_a_browser(ui: Ui) -> None:
    program = hostile.chromium()
    port = urllib.parse.urlsplit(ui.url).port
    with (
        hostile.serving(ui.url, hostile.BACKFILL % yesterday()) as page_port,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=hostile.CHROMIUM_FLAGS) as browser,
    ):
        for site in ("evil.test", "127.0.0.1"):  # another site, and another port of this machine
            page = browser.new_page()
            answered: list[tuple[str, int]] = []
            page.on("response", lambda answer, to=answered: to.append((answer.url, answer.status)))
            page.goto(f"http://{site}:{page_port}/")
            found = page.evaluate("attack()")
            assert found["socket"] == "refused"
            assert found["json"] == found["read"] == "refused", "nothing can be read"
            reached = [status for url, status in answered if url.startswith(ui.url)]
            assert len(reached) >= 4, answered
            assert set(reached) == {403}, answered
            page.close()
        page = browser.new_page()
        answer = page.goto(f"http://evil.test:{port}/")
        assert answer is not None
        assert answer.status == 403
        assert "Refused: this isn't the address of the Dagster UI" in page.inner_text("body")
        page.goto(f"http://evil.test:{page_port}/")
        page.click("#link")  # a link is the person's own doing, and the pages work
        page.goto(f"{ui.url}/assets")
        page.wait_for_selector("text=marketing", timeout=60_000)
    assert attacks(ui) == []


def test_requests_that_other_pages_could_send_are_refused(ui: Ui) -> None:
    mutation = hostile.BACKFILL % yesterday()
    get = f"/graphql?query={urllib.parse.quote(mutation)}"
    body = json.dumps({"query": mutation})
    as_json = {"Content_Type": "application/json"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    upgrade |= {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Protocol": "graphql-ws"}
    rebound = {"Host": f"evil.test:{urllib.parse.urlsplit(ui.url).port}"}
    foreign = {"Origin": "http://evil.test"}
    requests = [
        sent(ui, "GET", get),
        sent(ui, "GET", "/", **rebound),
        sent(ui, "POST", "/graphql", body, **as_json, **rebound),
        sent(ui, "POST", "/graphql", body, **as_json, **foreign),
        sent(ui, "POST", "/graphql", body, Content_Type="text/plain; application/json"),
        sent(ui, "POST", get, "a=b", Content_Type="application/x-www-form-urlencoded"),
        sent(ui, "POST", "/report_asset_materialization/raw_leads?partition=x", "a=b"),
        sent(ui, "GET", "/graphql", **upgrade, **foreign),
        sent(ui, "GET", "/graphql", **upgrade, **rebound),
    ]
    for status, said in requests:
        assert status == 403
        assert said.startswith("Refused: ")
    assert attacks(ui) == []
    assert sent(ui, "GET", "/graphql", **upgrade, Origin=ui.url)[0] == 101, "the UI's own pages are let in"
    assert sent(ui, "GET", "/", Accept="text/html")[0] == 200
    ui.ask(mutation)
    assert len(attacks(ui)) == 1, "what was refused would have worked"
