"""The sensors, tick by tick: a tick, what became of its runs, the next tick."""

import datetime as dt
import os
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.test_utils import create_run_for_test

from funnel_assets import sensors
from funnel_assets.assets.base import LANDED_TAG, RESTATE_TAG
from funnel_assets.config.settings import Settings
from funnel_assets.definitions import build_defs
from funnel_assets.errors import ConfigError
from funnel_assets.jobs import DAILY_JOB
from funnel_assets.launch import PARTITION, RANGE_END, RANGE_START
from funnel_assets.pipeline import zoom
from funnel_assets.pipeline.graph import NODES, days_between, in_order, readers
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.resources import PipelineResource
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.orchestration.inbox import DAY, START, TODAY, Inbox, report
from funnel_assets_tests.world import place

DATASET = "zoom_attendance"
NEXT = DAY + dt.timedelta(days=1)
YESTERDAY = TODAY - dt.timedelta(days=1)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox.make(tmp_path / "home", others=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(
    opened: Pipeline, instance: dg.DagsterInstance, name: str, *, cursor: str | None = None
) -> SensorExecutionData:
    """Evaluate a sensor as the daemon does."""
    given = PipelineResource.of(opened)
    repository = build_defs(opened.settings, given).get_repository_def()
    with dg.build_sensor_context(
        instance, repository_def=repository, sensor_name=name, resources={"pipeline": given}, cursor=cursor
    ) as context:
        return repository.get_sensor_def(name).evaluate_tick(context)


def requests(found: SensorExecutionData) -> list[dg.RunRequest]:
    return list(found.run_requests or [])


def days_asked_for(found: SensorExecutionData) -> list[str]:
    return [str(request.partition_key) for request in requests(found)]


def start(instance: dg.DagsterInstance, request: dg.RunRequest) -> dg.DagsterRun:
    """Start what was asked for, as the daemon does; a run key is taken once and for ever."""
    tags = {**request.tags, "dagster/run_key": str(request.run_key)}
    assert not instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": str(request.run_key)}))
    if request.partition_key:
        tags[PARTITION] = request.partition_key
    return create_run_for_test(instance, DAILY_JOB, tags=tags, status=dg.DagsterRunStatus.STARTED)


def fail(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_failed(run)


def succeed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.handle_new_event(
        dg.EventLogEntry(
            error_info=None,
            level=20,
            user_message="",
            run_id=run.run_id,
            timestamp=dt.datetime.now(dt.UTC).timestamp(),
            job_name=run.job_name,
            dagster_event=dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name=run.job_name
            ),
        )
    )


def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the time to wait had passed."""
    monkeypatch.setattr(sensors, "PAUSES", (dt.timedelta(0),) * len(sensors.PAUSES))


# --- zoom_inbox ----------------------------------------------------------------------------------------------


def test_dropped_file_asks_for_its_day_once(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    opened = inbox.pipeline()
    assert tick(opened, instance, "zoom_inbox").skip_message == "0 file(s) known."
    inbox.drop("attendees.csv", report())
    (request,) = requests(tick(opened, instance, "zoom_inbox"))
    assert request.partition_key == str(DAY)
    run = start(instance, request)
    assert requests(tick(opened, instance, "zoom_inbox")) == [], "its run is under way"
    opened.make(DATASET, [DAY])
    assert requests(tick(opened, instance, "zoom_inbox")) == []
    succeed(instance, run)
    last = tick(opened, instance, "zoom_inbox")
    assert requests(last) == []
    assert last.skip_message == "1 file(s) known."
    inbox.drop("the same again.csv", report())
    assert requests(tick(opened, instance, "zoom_inbox")) == []


def test_run_makes_what_depends_on_zoom_and_what_the_day_lacks(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    inbox.drop("attendees.csv", report())
    inbox.drop("next.csv", report(NEXT))
    opened = inbox.pipeline()
    for name in NODES:
        opened.lake.write(name, DAY, opened.lake.read(name, [], require=False), inputs={})
    first, second = requests(tick(opened, instance, "zoom_inbox"))
    assert (first.partition_key, second.partition_key) == (str(DAY), str(NEXT))
    assert selected(first) == {DATASET} | readers([DATASET])
    assert selected(second) == set(NODES), "of a day that was never made, everything"


def selected(request: dg.RunRequest) -> set[str]:
    assert request.asset_selection is not None
    return {key.to_user_string() for key in request.asset_selection}


def test_corrected_file_asks_for_its_day_again(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    opened = inbox.pipeline()
    inbox.drop("attendees.csv", report())
    (first,) = requests(tick(opened, instance, "zoom_inbox"))
    opened.make(DATASET, [DAY])
    succeed(instance, start(instance, first))
    inbox.drop("attendees corrected.csv", report(people=("Asha",)).replace(b"11:26 PM", b"11:40 PM"))
    (second,) = requests(tick(opened, instance, "zoom_inbox"))
    assert second.partition_key == first.partition_key
    assert second.run_key != first.run_key


def test_failed_run_is_tried_again_after_a_pause_and_not_for_ever(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    (request,) = requests(tick(opened, instance, "zoom_inbox"))
    fail(instance, start(instance, request))
    assert requests(tick(opened, instance, "zoom_inbox")) == [], "too early"
    no_pauses(monkeypatch)
    keys = [request.run_key]
    for _ in range(sensors.MOST_ATTEMPTS - 1):
        (request,) = requests(tick(opened, instance, "zoom_inbox"))
        keys.append(request.run_key)
        fail(instance, start(instance, request))
    assert len(set(keys)) == sensors.MOST_ATTEMPTS == 3
    assert requests(tick(opened, instance, "zoom_inbox")) == []


def test_pause_grows_with_each_attempt(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    monkeypatch.setattr(sensors, "PAUSES", (dt.timedelta(0), dt.timedelta(hours=2)))
    for attempt in (1, 2):
        (request,) = requests(tick(opened, instance, "zoom_inbox"))
        assert request.tags[sensors.ATTEMPT_TAG] == str(attempt)
        fail(instance, start(instance, request))
    assert requests(tick(opened, instance, "zoom_inbox")) == []


def test_half_copied_file_waits(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    body = report()
    opened = inbox.pipeline()
    inbox.drop("attendees.csv", body[:-40], age_seconds=30)
    waiting = tick(opened, instance, "zoom_inbox")
    assert requests(waiting) == []
    assert waiting.skip_message == "0 file(s) known; waiting for attendees.csv to be complete."
    inbox.drop("attendees.csv", body, age_seconds=30)
    assert days_asked_for(tick(opened, instance, "zoom_inbox")) == [str(DAY)]


def test_no_report_is_quarantined_and_the_others_go_on(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    inbox.drop("a photo.jpg", b"\xff\xd8\xff" + bytes(300))
    inbox.drop("b.csv", report())
    inbox.drop("c leads.csv", b"Name,Phone\nAsha,9812300001\n")
    inbox.drop("d.csv", report(NEXT))
    opened = inbox.pipeline()
    assert days_asked_for(tick(opened, instance, "zoom_inbox")) == [str(DAY), str(NEXT)]
    assert sorted(opened.quarantine.rows([DATASET])["file"]) == ["a photo.jpg", "c leads.csv"]
    outcome = opened.make(DATASET, [DAY])
    assert "- a photo.jpg: This is no report of an event" in outcome.notes["in quarantine"], "on the asset"
    assert "4 file(s) known, 2 of them in quarantine." in outcome.notes["inbox"]


def test_tick_says_in_words_what_became_of_each_file(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    inbox.drop("a photo.jpg", b"\xff\xd8\xff" + bytes(300))
    inbox.drop("b today.csv", report(TODAY))
    inbox.drop("c long ago.csv", report(START - dt.timedelta(days=1)))
    opened = inbox.pipeline()
    told = str(tick(opened, instance, "zoom_inbox").skip_message)
    assert "Quarantined: a photo.jpg. This is no report of an event" in told
    assert (
        f"Taken: b today.csv. Event of {TODAY}. A day is made when it is over: tomorrow at the earliest."
        in told
    )
    assert (
        f"Taken: c long ago.csv. Event of 2024-12-31. Days before {START} (FUNNEL_START_DATE) aren't made; "
        "they count for first touches only." in told
    )
    assert tick(opened, instance, "zoom_inbox").skip_message == "3 file(s) known, 1 of them in quarantine."
    assert sensors.ZOOM_SECONDS + zoom.SETTLE_SECONDS < 60, "within a minute"


def held_check(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation | None:
    """The check on held reports as Dagster shows it."""
    key = dg.AssetCheckKey(dg.AssetKey(DATASET), "held")
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    if record is None or record.event is None or record.event.dagster_event is None:
        return None
    return record.event.dagster_event.asset_check_evaluation_data


def test_held_report_turns_the_check_red_and_tells_the_webhook_without_a_run(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    opened = inbox.pipeline(FUNNEL_ALERT_WEBHOOK="https://hooks.example.com/x")
    posted: list[str] = []
    opened.alerts._post = lambda url, body: posted.append(body["text"])
    tick(opened, instance, "zoom_inbox")
    assert held_check(instance) is None, "nothing to say of a dataset of which nothing is held"
    inbox.drop("excerpt.csv", report().replace(b",90,2,0,2,2", b",90,1018,0,1018,1018"))
    first = tick(opened, instance, "zoom_inbox")
    assert requests(first) == []
    assert "Held: excerpt.csv. " in str(first.skip_message)
    red = held_check(instance)
    assert red is not None
    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "unique viewers: 1,018 stated, 2 read" in str(red.description)
    (message,) = posted
    assert message.startswith("Funnel, held: zoom_attendance: excerpt.csv, event of 2025-03-22, is held.")
    assert "1,018 stated, 2 read" in message
    second = tick(opened, instance, "zoom_inbox", cursor=first.cursor)
    assert "1 held since earlier (`funnel inbox` shows them)" in str(second.skip_message)
    assert len(posted) == 1
    opened.decide("excerpt.csv", "accept", "it is what there is", "asha")
    third = tick(opened, instance, "zoom_inbox", cursor=second.cursor)
    assert days_asked_for(third) == [str(DAY)]
    green = held_check(instance)
    assert green is not None
    assert green.passed


def test_run_of_a_day_says_on_the_asset_what_is_held(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    inbox.drop("excerpt.csv", report().replace(b",90,2,0,2,2", b",90,1018,0,1018,1018"))
    inbox.drop("other.csv", report(people=("Chen",), webinar="872 0000 0001"))
    opened = inbox.pipeline()
    run = harness.run_well(instance, opened, DAY, DAY, datasets=[DATASET])
    assert run.status == dg.DagsterRunStatus.SUCCESS, "the rest of the day is made"
    red = held_check(instance)
    assert red is not None
    assert not red.passed
    assert "1,018 stated, 2 read" in str(red.description)
    assert opened.lake.read(DATASET, [DAY]).num_rows == 1
    opened.decide("excerpt.csv", "accept", "it is what there is", "asha")
    harness.run_well(instance, opened, DAY, DAY, datasets=[DATASET])
    green = held_check(instance)
    assert green is not None
    assert green.passed
    assert opened.lake.read(DATASET, [DAY]).num_rows == 3


def test_renamed_file_does_nothing_and_any_name_will_do(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    opened = inbox.pipeline()
    path = inbox.drop("रिपोर्ट 22 मार्च (final).csv", report())
    (request,) = requests(tick(opened, instance, "zoom_inbox"))
    opened.make(DATASET, [DAY])
    succeed(instance, start(instance, request))
    path.rename(path.with_name("March 22.csv"))
    renamed = tick(opened, instance, "zoom_inbox")
    assert requests(renamed) == []
    assert renamed.skip_message == "1 file(s) known."


def test_huge_file_is_told_without_being_opened_and_the_others_go_on(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    huge = inbox.drop("a recording.csv", b"Attendee Report\n")
    os.truncate(huge, 200_000_000)
    os.utime(huge, (time.time() - 60,) * 2)
    inbox.drop("b.csv", report())
    opened = inbox.pipeline()
    tracemalloc.start()
    assert days_asked_for(tick(opened, instance, "zoom_inbox")) == [str(DAY)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000_000, "it isn't read to be refused"
    (row,) = opened.quarantine.rows([DATASET]).to_dict("records")
    assert (row["file"], row["reason"]) == ("a recording.csv", "not_taken")
    assert "It has 200 MB; reports of up to 50 MB" in row["detail"]
    assert "max_megabytes" in row["detail"]
    huge.unlink()
    tick(opened, instance, "zoom_inbox")
    assert opened.quarantine.rows([DATASET]).empty, "gone with the file"


def test_older_file_and_deleted_file_are_not_missed(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    opened = inbox.pipeline()
    newer = inbox.drop("newer.csv", report(NEXT))
    (request,) = requests(tick(opened, instance, "zoom_inbox"))
    fail(instance, start(instance, request))
    newer.unlink()
    inbox.drop("older.csv", report(), age_seconds=400 * 86400.0)
    (second,) = requests(tick(opened, instance, "zoom_inbox"))
    assert second.partition_key == str(DAY)
    start(instance, second)
    assert list(opened.zoom.days_to_make()) == [DAY, NEXT], "the deleted one is kept and still due"
    assert not opened.make(DATASET, [NEXT]).failed
    assert opened.lake.read(DATASET, [NEXT]).num_rows == 2


@pytest.mark.long
def test_a_thousand_files_at_once_are_all_taken_some_runs_a_tick(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = days_between(START, YESTERDAY)[-50:]
    for number in range(1000):
        inbox.drop(f"{number}.csv", report(days[number % len(days)], webinar=str(87_100_000_000 + number)))
    opened = inbox.pipeline()
    monkeypatch.setattr(sensors, "TAKE_SECONDS", 0.5)
    interrupted = tick(opened, instance, "zoom_inbox")
    assert requests(interrupted) == [], "a day is made from all its files, not from those taken so far"
    assert "left for the next look" in str(interrupted.skip_message)
    monkeypatch.setattr(sensors, "TAKE_SECONDS", 600.0)
    asked: list[str] = []
    for _ in range(4):
        found = requests(tick(opened, instance, "zoom_inbox"))
        assert len(found) <= sensors.MOST_RUNS_PER_TICK
        asked += [str(request.partition_key) for request in found]
        for request in found:
            start(instance, request)
    assert sorted(asked) == [str(day) for day in days], "each day once"
    assert opened.zoom.take_in().known == 1000


def test_edited_categories_are_left_to_restatement(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    (request,) = requests(tick(opened, instance, "zoom_inbox"))
    opened.make(DATASET, [DAY])
    succeed(instance, start(instance, request))
    with (inbox.home / "config" / "categories.csv").open("a") as table:
        table.write("bonds,Bonds\n")
    assert opened.zoom.stale_days([DAY]) == [DAY]
    assert requests(tick(opened, instance, "zoom_inbox")) == [], "a year of events would be as many runs"


def test_spoilt_config_fails_the_tick_and_the_next_one_goes_on(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    path = inbox.home / "config" / "sources.yaml"
    good = path.read_text()
    path.write_text(good.replace("kind: zoom_folder", "kind: zoom_fodler"))
    with pytest.raises(ConfigError, match=r"sources\.yaml, line 3.*did you mean zoom_folder\?.*Next: "):
        tick(opened, instance, "zoom_inbox")
    path.write_text(good)
    assert days_asked_for(tick(opened, instance, "zoom_inbox")) == [str(DAY)]


# --- keeper --------------------------------------------------------------------------------------------------


class Told(Pipeline):
    """A pipeline that is told what it owes and what is stale."""

    def __init__(
        self, settings: Settings, owed: Sequence[dt.date] = (), plan: dict[str, list[dt.date]] | None = None
    ) -> None:
        super().__init__(settings)
        self.owed, self.plan = list(owed), plan or {}

    def owed_days(self) -> list[dt.date]:
        return self.owed

    def stale_plan(self) -> dict[str, list[dt.date]]:
        return self.plan


def test_nothing_to_keep(inbox: Inbox, instance: dg.DagsterInstance) -> None:
    found = tick(Told(inbox.pipeline().settings), instance, "keeper")
    assert requests(found) == []
    assert found.skip_message == "Everything is there and up to date."


def test_machine_off_for_ten_days_newest_day_first_then_the_rest_as_one_range(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    before = inbox.pipeline(FUNNEL_TODAY=str(TODAY - dt.timedelta(days=10)))
    fill(before, before.settings.yesterday())
    assert before.owed_days() == []

    opened = inbox.pipeline()
    (first,) = requests(tick(opened, instance, "keeper"))
    assert first.partition_key == str(YESTERDAY)
    run = start(instance, first)
    waiting = tick(opened, instance, "keeper")
    assert requests(waiting) == []
    assert waiting.skip_message == "Waiting: a run is under way."
    fill(opened, YESTERDAY)
    succeed(instance, run)

    (second,) = requests(tick(opened, instance, "keeper"))
    assert second.partition_key == str(YESTERDAY - dt.timedelta(days=1))
    fail(instance, start(instance, second))
    (third,) = requests(tick(opened, instance, "keeper"))
    assert third.partition_key is None
    span = (third.tags[RANGE_START], third.tags[RANGE_END])
    assert span == (str(TODAY - dt.timedelta(days=10)), str(YESTERDAY - dt.timedelta(days=2)))
    run = start(instance, third)
    for day in days_between(*(dt.date.fromisoformat(end) for end in span)):
        fill(opened, day)
    succeed(instance, run)
    assert opened.owed_days() == [YESTERDAY - dt.timedelta(days=1)]


def fill(opened: Pipeline, day: dt.date) -> None:
    """Put an empty partition of every dataset into the lake."""
    for name in NODES:
        opened.lake.write(name, day, opened.lake.read(name, [], require=False), inputs={})


def test_failing_day_is_tried_a_few_times_and_then_left_to_people(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    opened = Told(inbox.pipeline().settings, owed=[YESTERDAY])
    keys = []
    for _ in range(sensors.MOST_ATTEMPTS):
        (request,) = requests(tick(opened, instance, "keeper"))
        keys.append(request.run_key)
        fail(instance, start(instance, request))
    assert len(set(keys)) == 3
    last = tick(opened, instance, "keeper")
    assert requests(last) == []
    assert str(YESTERDAY) in str(last.skip_message)


def test_day_given_up_does_not_hold_restatement_back(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    opened = Told(inbox.pipeline().settings, [YESTERDAY], {"dedup_leads": [DAY]})
    for _ in range(sensors.MOST_ATTEMPTS):
        (request,) = requests(tick(opened, instance, "keeper"))
        assert request.tags[sensors.CAUSE_TAG] == f"missed {YESTERDAY}"
        fail(instance, start(instance, request))
    (request,) = requests(tick(opened, instance, "keeper"))
    assert RESTATE_TAG in request.tags


def test_restatement_that_fails_is_bounded_and_another_change_starts_anew(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    opened = Told(inbox.pipeline().settings, plan={"dedup_leads": [DAY], "spend": [NEXT]})
    for _ in range(sensors.MOST_ATTEMPTS):
        (request,) = requests(tick(opened, instance, "keeper"))
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == (str(DAY), str(YESTERDAY))
        fail(instance, start(instance, request))
    assert requests(tick(opened, instance, "keeper")) == []
    opened.plan["spend"].append(NEXT + dt.timedelta(days=1))
    (request,) = requests(tick(opened, instance, "keeper"))
    assert request.tags[sensors.ATTEMPT_TAG] == "1"


def test_same_days_stale_for_another_reason_are_restated_at_once(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    # Somebody edits the mapping, then edits it again: the same days, each time from another state.
    opened = Told(inbox.pipeline().settings, plan={"spend": [DAY]})
    for edit in range(sensors.MOST_ATTEMPTS + 2):
        empty = opened.lake.read("spend", [], require=False)
        opened.lake.write("spend", DAY, empty, inputs={"edit": str(edit)})
        (request,) = requests(tick(opened, instance, "keeper"))
        succeed(instance, start(instance, request))


def test_change_taken_back_and_made_again_is_restated_each_time(
    inbox: Inbox, instance: dg.DagsterInstance
) -> None:
    opened = Told(inbox.pipeline().settings, plan={"spend": [DAY]})
    for edit in range(2 * sensors.MOST_ATTEMPTS + 2):
        empty = opened.lake.read("spend", [], require=False)
        opened.lake.write("spend", DAY, empty, inputs={"edit": str(edit % 2)})
        (request,) = requests(tick(opened, instance, "keeper"))
        succeed(instance, start(instance, request))


def test_restatement_that_changes_nothing_does_not_go_on_for_ever(
    inbox: Inbox, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Told(inbox.pipeline().settings, plan={"spend": [DAY]})
    (request,) = requests(tick(opened, instance, "keeper"))
    succeed(instance, start(instance, request))
    assert requests(tick(opened, instance, "keeper")) == [], "waits before it tries again"
    no_pauses(monkeypatch)
    for _ in range(sensors.MOST_ATTEMPTS - 1):
        (request,) = requests(tick(opened, instance, "keeper"))
        succeed(instance, start(instance, request))
    last = tick(opened, instance, "keeper")
    assert requests(last) == []
    assert f"given up after 3 tries (see the failed runs): {DAY}" in str(last.skip_message)


def test_changed_mapping_asks_for_one_restatement_and_then_for_nothing(instance: dg.DagsterInstance) -> None:
    with place(days=4, scale=0.02) as here, harness.secrets_in_environment(here):
        opened = harness.open_pipeline(here)
        days = opened.all_days()
        for name in in_order():
            assert not opened.make(name, days).failed
        assert requests(tick(opened, instance, "keeper")) == []
        mapping = here.home / "config" / "funnel_mapping.csv"
        head, first, *rest = mapping.read_text().splitlines()
        changed = ",".join([first.split(",")[0], "Another Funnel", *first.split(",")[2:]])
        mapping.write_text("\n".join([head, changed, *rest]) + "\n")
        (request,) = requests(tick(opened, instance, "keeper"))
        assert request.asset_selection is None
        assert {RESTATE_TAG, LANDED_TAG} <= set(request.tags)
        assert request.tags[RANGE_START] >= str(days[0])
        assert request.tags[RANGE_END] == str(days[-1])
        run = start(instance, request)
        assert requests(tick(opened, instance, "keeper")) == []
        opened.restate(days)
        succeed(instance, run)
        assert requests(tick(opened, instance, "keeper")) == []
