"""What starts a run besides the clock: a dropped Zoom report, changed data, a missed day.

All three compare what is there with what should be, so a tick that was missed, or made twice, changes nothing.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from funnel_assets.assets.base import LANDED_TAG, RESTATE_TAG
from funnel_assets.checks import report_held
from funnel_assets.jobs import DAILY_JOB
from funnel_assets.pipeline.graph import NODES, readers
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.resources import PipelineResource
from funnel_assets.storage.lake import name_days

ZOOM_SECONDS = 20
KEEPER_SECONDS = 60
FAILURE_SECONDS = 30
# A tick is ended by Dagster after 60 s; a thousand reports dropped at once take longer to read on a small machine.
TAKE_SECONDS = 30.0
MOST_RUNS_PER_TICK = 20
# Files named on a tick itself; all of them are in its log.
MOST_TOLD = 10
MOST_ATTEMPTS = 3
# A failed run is tried again by itself after these pauses; by then a person has seen the alert.
PAUSES = (dt.timedelta(minutes=15), dt.timedelta(hours=2))

CAUSE_TAG = "funnel/cause"
ATTEMPT_TAG = "funnel/attempt"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"

_UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def build_sensors(jobs: Sequence[UnresolvedAssetJobDefinition]) -> list[dg.SensorDefinition]:
    """Return the sensors; all are on from the start."""
    daily = next(job for job in jobs if job.name == DAILY_JOB)
    return [_zoom_inbox(daily), _keeper(daily), _failure_alert()]


def _zoom_inbox(job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="zoom_inbox",
        job=job,
        minimum_interval_seconds=ZOOM_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes Zoom reports from the inbox folder and makes their event's day and what depends on it.",
    )
    def zoom_inbox(
        context: dg.SensorEvaluationContext, pipeline: PipelineResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        opened = pipeline.get()
        arrivals = opened.zoom.take_in(within_seconds=TAKE_SECONDS)
        for sentence in arrivals.told:
            context.log.info(sentence)
        _tell_held(context, opened)
        told = " ".join([arrivals.summary(), *arrivals.told[:MOST_TOLD]])
        if arrivals.left:
            # Their days may be the same as those of files just taken: each day is made once, from all of them.
            yield dg.SkipReason(told)
            return
        requested = 0
        for day, digest in opened.zoom.days_to_make().items():
            attempt = _next_attempt(context.instance, f"zoom {day} {digest}")
            if attempt is None or requested >= MOST_RUNS_PER_TICK:
                continue
            requested += 1
            yield dg.RunRequest(
                run_key=f"zoom-{day}-{digest}-{attempt}",
                partition_key=day.isoformat(),
                asset_selection=[dg.AssetKey(name) for name in zoom_selection(opened.missing_on(day))],
                tags={CAUSE_TAG: f"zoom {day} {digest}", ATTEMPT_TAG: str(attempt)},
            )
        if not requested:
            yield dg.SkipReason(told)

    return zoom_inbox


def _tell_held(context: dg.SensorEvaluationContext, opened: Pipeline) -> None:
    """Turn the dataset's check red as soon as a report is held, and green once none is any more."""
    held = ",".join(sorted(one.sha256[:12] for one in opened.held("zoom_attendance")))
    if held != (context.cursor or ""):
        report_held(context.instance, opened, "zoom_attendance")
        context.update_cursor(held)


def zoom_selection(missing: Sequence[str]) -> list[str]:
    """What depends on Zoom, and whatever of the day was never made and is needed for it."""
    wanted = (
        {"zoom_attendance"}
        | readers(["zoom_attendance"])
        | {name for name in missing if NODES[name].is_source}
    )
    return sorted(wanted | (readers(missing) if missing else set()))


def _keeper(job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="keeper",
        job=job,
        minimum_interval_seconds=KEEPER_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes days again whose sources or settings changed, and days that were missed, newest first.",
    )
    def keeper(
        context: dg.SensorEvaluationContext, pipeline: PipelineResource
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if context.instance.get_runs_count(dg.RunsFilter(statuses=list(_UNFINISHED))):
            yield dg.SkipReason("Waiting: a run is under way.")
            return
        opened = pipeline.get()
        missing = opened.owed_days()
        if missing:
            request = _missed(context.instance, missing)
            if request is not None:
                yield request
                return
        plan = opened.stale_plan()
        if plan:
            request = _restate(context.instance, opened, plan)
            if request is not None:
                yield request
                return
        if missing:
            opened.alerts.tell(
                f"missing {missing}",
                f"Funnel: {len(missing)} day(s) are missing: {name_days(missing)}. See the red days in the Dagster UI.",
            )
        if not plan:
            opened.tidy()
        left = sorted({*missing, *(day for days in plan.values() for day in days)})
        yield dg.SkipReason(
            f"Waiting to try again, or given up after {MOST_ATTEMPTS} tries (see the failed runs): {name_days(left)}."
            if left
            else "Everything is there and up to date."
        )

    return keeper


def _failure_alert() -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="failure_alert",
        minimum_interval_seconds=FAILURE_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells FUNNEL_ALERT_WEBHOOK what failed and what to do, once per cause.",
    )
    def failure_alert(context: dg.RunFailureSensorContext, pipeline: PipelineResource) -> None:
        told = [_failure_text(event) for event in context.get_step_failure_events()]
        text = (
            "\n".join(dict.fromkeys(told))
            or context.failure_event.message
            or "The run was ended from outside."
        )
        days = context.dagster_run.tags.get(PARTITION) or "–".join(
            context.dagster_run.tags.get(name, "") for name in (RANGE_START, RANGE_END)
        )
        pipeline.get().alerts.tell(f"{days} {text}", f"Funnel {days}: {text}")

    return failure_alert


def _failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step says: our own words where it has them, else the last line of its error."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return failure.user_failure_data.description
    return f"{event.step_key}: {failure.error.message.strip() if failure.error else 'failed'}"


def _missed(instance: dg.DagsterInstance, missing: Sequence[dt.date]) -> dg.RunRequest | None:
    """Ask for the newest missed day; when it has been tried, for the next, the rest as ranges."""
    newest, *rest = missing
    attempt = _next_attempt(instance, f"missed {newest}")
    if attempt is not None:
        return dg.RunRequest(
            run_key=f"missed-{newest}-{attempt}",
            partition_key=newest.isoformat(),
            tags={CAUSE_TAG: f"missed {newest}", ATTEMPT_TAG: str(attempt)},
        )
    if not rest:
        return None
    last = rest[0]
    first = last
    for day in rest[1:]:
        if first - day != dt.timedelta(days=1):
            break
        first = day
    cause = f"missed {first} to {last}"
    attempt = _next_attempt(instance, cause)
    if attempt is None:
        return None
    return dg.RunRequest(
        run_key=f"{cause}-{attempt}",
        tags={
            RANGE_START: first.isoformat(),
            RANGE_END: last.isoformat(),
            CAUSE_TAG: cause,
            ATTEMPT_TAG: str(attempt),
        },
    )


def _restate(
    instance: dg.DagsterInstance, opened: Pipeline, plan: dict[str, list[dt.date]]
) -> dg.RunRequest | None:
    """Ask for one run over the whole span; in it each dataset makes just the days that are stale by then."""
    first = min(min(days) for days in plan.values())
    # What the days are now is part of the cause: a second edit of the same table makes the same days stale.
    facts = [(name, sorted(opened.lake.all_facts(name, days).items())) for name, days in sorted(plan.items())]
    state = [(name, str(day), found.content, found.inputs) for name, days in facts for day, found in days]
    digest = hashlib.sha256(repr([sorted(plan.items()), state]).encode()).hexdigest()[:16]
    cause = f"restate {first} {digest}"
    since = _last_success(instance, cause)
    attempt = _next_attempt(instance, cause, since)
    if attempt is None:
        return None
    return dg.RunRequest(
        # A run key counts once and for ever, and the same state can come back: a change taken back and made again.
        run_key=f"{cause}-{since * 1000:.0f}-{attempt}",
        tags={
            RANGE_START: first.isoformat(),
            RANGE_END: opened.settings.yesterday().isoformat(),
            CAUSE_TAG: cause,
            ATTEMPT_TAG: str(attempt),
            RESTATE_TAG: "yes",
            LANDED_TAG: "yes",
        },
    )


def _last_success(instance: dg.DagsterInstance, cause: str) -> float:
    """When the last restatement of another cause ended well (Unix time); 0 when none did."""
    wanted = dg.RunsFilter(tags={RESTATE_TAG: "yes"}, statuses=[dg.DagsterRunStatus.SUCCESS])
    return next(
        (
            record.end_time or 0.0
            for record in instance.get_run_records(wanted, limit=MOST_ATTEMPTS + 1)
            if record.dagster_run.tags.get(CAUSE_TAG) != cause
        ),
        0.0,
    )


def _next_attempt(instance: dg.DagsterInstance, cause: str, since: float = 0.0) -> int | None:
    """Which attempt at a cause is due now; None while one is under way, too early, or after the last.

    Args:
        instance: Where runs are recorded.
        cause: What the run is for.
        since: Runs that ended before (Unix time) were about something that has passed.
    """
    records = [
        record
        for record in instance.get_run_records(
            dg.RunsFilter(tags={CAUSE_TAG: cause}), limit=MOST_ATTEMPTS + 1
        )
        if record.end_time is None or record.end_time > since
    ]
    if any(record.dagster_run.status in _UNFINISHED for record in records):
        return None
    if len(records) >= MOST_ATTEMPTS:
        return None
    if records:
        ended = max(record.end_time or 0.0 for record in records)
        passed = dt.datetime.now(dt.UTC) - dt.datetime.fromtimestamp(ended, dt.UTC)
        if passed < PAUSES[len(records) - 1]:
            return None
    return len(records) + 1
