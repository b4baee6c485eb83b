"""A home that lacks what its days stand on leaves them as they are and says what is missing (SPEC 3)."""

import contextlib
import datetime as dt
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from funnel_assets.errors import FunnelError, LandingLacks, MissingPartitions
from funnel_assets.pipeline import ingest, zoom
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.pipeline.standing import FILE
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import Place, place

Contents = dict[tuple[str, dt.date], str]


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    """Every day is made and published here once; who takes something away puts it back."""
    with place(days=4, scale=0.04) as made, harness.secrets_in_environment(made):
        opened = harness.open_pipeline(made)
        for name in in_order():
            outcome = opened.make(name, opened.all_days())
            assert not outcome.failed, outcome.error()
        opened.publish()
        yield made


@contextlib.contextmanager
def without(here: Place, *paths: str) -> Iterator[None]:
    """Take files and folders of the home away for a while; what came in their place goes."""
    aside = here.home / "aside"
    aside.mkdir()
    for number, path in enumerate(paths):
        shutil.move(here.home / path, aside / str(number))
    try:
        yield
    finally:
        for number, path in enumerate(paths):
            target = here.home / path
            if target.is_dir():
                shutil.rmtree(target)
            target.unlink(missing_ok=True)
            shutil.move(aside / str(number), target)
        aside.rmdir()


@contextlib.contextmanager
def sources_yaml(here: Place, change: Callable[[str], str]) -> Iterator[None]:
    path = here.settings.sources_file
    before = path.read_text()
    path.write_text(change(before))
    try:
        yield
    finally:
        path.write_text(before)


def contents(opened: Pipeline) -> Contents:
    return {
        (name, day): facts.content for name in NODES for day, facts in opened.lake.all_facts(name).items()
    }


def days_with_reports(opened: Pipeline) -> list[dt.date]:
    facts = opened.lake.all_facts("zoom_attendance")
    return [day for day, found in facts.items() if any(name.startswith(FILE) for name in found.inputs)]


LOST = ("landing/zoom_attendance", "staged/zoom_attendance", "inbox/zoom")


@pytest.mark.parametrize("lost", [LOST, LOST[::2]], ids=["new_machine", "cleaned_landing"])
def test_days_whose_reports_are_lost_are_left_as_they_are(
    here: Place, monkeypatch: pytest.MonkeyPatch, lost: tuple[str, ...]
) -> None:
    opened = harness.open_pipeline(here)
    before, days = contents(opened), days_with_reports(opened)
    with without(here, *lost):
        opened = harness.open_pipeline(here)
        monkeypatch.setattr(zoom, "RULES_VERSION", 999)
        for outcome in (
            opened.restate(opened.all_days())["zoom_attendance"],
            opened.make("zoom_attendance", days),
        ):
            assert sorted(outcome.failed) == days
            for day, error in outcome.failed.items():
                assert isinstance(error, LandingLacks)
                text = str(error.located(dataset="zoom_attendance"))
                assert f"day {day}" in text
                assert "sha256" in text
                assert "Next: drop these reports" in text
        assert contents(opened) == before
        # The sensor asks for them no more often than for any day that fails.
        assert set(opened.zoom.days_to_make()) <= set(days)
    monkeypatch.undo()
    assert not opened.stale_plan()


def test_a_second_home_on_the_lake_makes_no_day_with_less(here: Place, tmp_path: Path) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    shutil.copytree(here.home / "config", tmp_path / "config")
    (tmp_path / "config" / "categories.csv").write_text("token,category\nzzz,Other\n")
    second = harness.open_pipeline(here, FUNNEL_HOME=str(tmp_path), FUNNEL_LAKE=str(here.home / "lake"))
    outcomes = second.restate(second.all_days())
    assert sorted(outcomes["zoom_attendance"].failed) == days_with_reports(opened)
    assert contents(opened) == before


def test_reports_dropped_again_make_the_days_again(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    with without(here, *LOST[:2]):
        opened = harness.open_pipeline(here)
        monkeypatch.setattr(zoom, "RULES_VERSION", 999)
        outcome = opened.make("zoom_attendance", opened.all_days())
        assert not outcome.failed, outcome.error()
        assert contents(opened) == before
    monkeypatch.undo()
    opened.make("zoom_attendance", opened.all_days())


def test_a_source_that_a_person_takes_out_goes(here: Place) -> None:
    """Told apart by where its files are: they lie here, or a person says that they are to count no more."""
    opened = harness.open_pipeline(here)
    before, days = contents(opened), days_with_reports(opened)
    names = sorted(
        {
            name.removeprefix(FILE)
            for facts in opened.lake.all_facts("zoom_attendance").values()
            for name in facts.inputs
            if name.startswith(FILE)
        }
    )
    folder = re.compile(r"^zoom_attendance:\n(?:[ #-].*\n)+", re.MULTILINE)
    no_zoom = "zoom_attendance: []\n"

    def made() -> dict[dt.date, int]:
        outcome = harness.open_pipeline(here).make("zoom_attendance", days)
        return {day: outcome.done[day].rows if day in outcome.done else -1 for day in days}

    with sources_yaml(here, lambda text: folder.sub(no_zoom, text)):
        with without(here, *LOST):
            assert set(made().values()) == {-1}
        assert set(made().values()) == {0}
    assert min(made().values()) > 0
    taken_away = f"{no_zoom}taken_away: [{', '.join(names)}]\n"
    with without(here, *LOST), sources_yaml(here, lambda text: folder.sub(taken_away, text)):
        assert set(made().values()) == {0}
    assert min(made().values()) > 0
    assert contents(opened) == before


def test_rows_of_a_source_that_this_home_never_knew_stay(here: Place) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    days = [day for day, facts in opened.lake.all_facts("raw_leads").items() if facts.rows]
    other = ("name: leads_sheet", "name: another_sheet")
    with sources_yaml(here, lambda text: text.replace(*other)):
        with without(here, "landing/raw_leads", "staged/raw_leads"):
            outcome = harness.open_pipeline(here).make("raw_leads", days)
            assert sorted(outcome.failed) == days
            assert "leads_sheet" in str(outcome.failed[days[0]])
            assert contents(opened) == before
        # Its dumps lie here: a person gave it another name.
        outcome = harness.open_pipeline(here).make("raw_leads", days)
        assert sorted(outcome.done) == days
    opened.make("raw_leads", days)
    assert contents(opened) == before


@pytest.mark.parametrize("damage", ["folder_gone", "facts_cut", "facts_of_another_type", "rows_cut"])
def test_nothing_is_made_without_a_day_that_the_lake_lost(here: Place, damage: str) -> None:
    opened = harness.open_pipeline(here)
    before, day = contents(opened), opened.all_days()[1]
    lake = here.home / "lake" / "raw_leads"
    if damage == "folder_gone":
        shutil.rmtree(lake / f"date={day}")
    elif damage == "rows_cut":
        path = lake / f"date={day}" / "data.parquet"
        path.write_bytes(path.read_bytes()[:-9])
    else:
        content = b'{"content": ' if damage == "facts_cut" else b'{"content": [], "rows": {}, "bytes": 1}'
        (lake / "_facts" / f"{day}.json").write_bytes(content)
    opened = harness.open_pipeline(here)
    later = opened.all_days()[2:]
    outcome = opened.make("dedup_leads", later)
    assert sorted(outcome.failed) == later
    assert isinstance(outcome.failed[later[0]], MissingPartitions)
    assert f"raw_leads {day}" in str(outcome.failed[later[0]])
    with pytest.raises(FunnelError, match=rf"published day\(s\) aren't in the lake: {day}"):
        opened.publish()
    assert opened.stale_plan()["raw_leads"] == [day]
    for outcome in opened.restate(opened.all_days()).values():
        assert not outcome.failed, outcome.error()
    assert contents(opened) == before
    opened.publish()
    assert not opened.stale_plan()


def test_a_landing_that_is_behind_the_lake_is_brought_up_first(
    here: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    old = here.world.dump("leads", None).splitlines(keepends=True)
    with without(here, "landing/raw_leads", "staged/raw_leads"):
        opened = harness.open_pipeline(here)
        # A backup from before: half the rows.
        opened.landing.put(
            "raw_leads", "leads_sheet", b"".join(old[: len(old) // 2]), "x", dt.datetime.now(dt.UTC), "csv"
        )
        caplog.clear()
        assert opened.stale("raw_leads", opened.all_days()) == []
        assert "isn't in this home's landing" in caplog.text
        monkeypatch.setitem(ingest.NODES, "raw_leads", NODES["raw_leads"])
        outcome = opened.make("raw_leads", opened.all_days(), fetch=False)
        assert not outcome.failed, outcome.error()
        assert contents(opened) == before


def test_a_rolling_dump_that_is_lost_leaves_its_days_as_they_are(here: Place) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    days = [day for day, facts in opened.lake.all_facts("crm_assignments").items() if facts.rows]
    lines = here.world.dump("crm_assignments", None).splitlines(keepends=True)
    few = lines[0] + next(line for line in lines if str(days[-1]).encode() in line)
    here.server.misbehave("/crm/assignments.csv", body_override=few.decode())
    outcome = harness.open_pipeline(here).make("crm_assignments", days)
    assert not outcome.failed, outcome.error()
    assert contents(opened) == before, "older dumps hold these days"
    with without(here, "landing/crm_assignments", "staged/crm_assignments"):
        outcome = harness.open_pipeline(here).make("crm_assignments", days)
        assert outcome.failed
        assert "older dump" in str(next(iter(outcome.failed.values())))
        after = contents(opened)
        assert all(after["crm_assignments", day] == before["crm_assignments", day] for day in outcome.failed)
    here.server.behave()
    opened.make("crm_assignments", days)
    assert contents(opened) == before


@pytest.mark.parametrize("dataset", ["raw_leads", "zoom_attendance"])
def test_damaged_landed_bytes_are_had_again_and_never_read(
    here: Place, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    opened = harness.open_pipeline(here)
    before = contents(opened)
    blobs = {
        path: path.read_bytes()
        for path in (here.home / "landing" / dataset).glob("*/*")
        if path.is_file() and path.suffix
    }
    for path, data in blobs.items():
        path.write_bytes(data[:-1] + b"9")
    shutil.rmtree(here.home / "staged" / dataset)
    monkeypatch.setattr(zoom, "RULES_VERSION", 999)
    outcome = harness.open_pipeline(here).make(dataset, opened.all_days(), fetch=False)
    assert not outcome.failed, outcome.error()
    assert contents(opened) == before
    newest = opened.landing.newest(dataset, "leads_sheet" if dataset == "raw_leads" else "zoom_inbox")
    assert newest is not None
    opened.landing.path(newest, verify=True)
    monkeypatch.undo()
    opened.make(dataset, opened.all_days(), fetch=False)


def test_a_damaged_report_that_nobody_has_any_more_stops_its_day_only(
    here: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = harness.open_pipeline(here)
    before, days = contents(opened), days_with_reports(opened)
    path = next(path for path in (here.home / "landing" / "zoom_attendance").glob("*/*") if path.suffix)
    concerned = [
        day
        for day, facts in opened.lake.all_facts("zoom_attendance").items()
        if f"{FILE}{path.stem[:12]}" in facts.inputs
    ]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with without(here, "inbox/zoom"):
        monkeypatch.setattr(zoom, "RULES_VERSION", 999)
        outcome = harness.open_pipeline(here).make("zoom_attendance", days)
        assert sorted(outcome.failed) == concerned
        assert "damaged" in str(outcome.failed[concerned[0]])
        assert "drop the report into the inbox again" in str(outcome.failed[concerned[0]])
        assert contents(opened) == before
    path.write_bytes(data)
    monkeypatch.undo()
    opened.make("zoom_attendance", days)
