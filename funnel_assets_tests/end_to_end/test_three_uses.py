"""The three uses that the software is judged on, against a running UI and daemon, through the API of its pages."""

import datetime as dt
from collections.abc import Iterator

import pytest

from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.pipeline import Pipeline
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
