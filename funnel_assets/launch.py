"""Getting ready to work, and starting what has to run: used by the command line and by tests.

Belongs here: the home folder, the environment of child processes, Dagster runs in this process. Does not belong
here: what a run does.
"""

import contextlib
import datetime as dt
import functools
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import psutil

from funnel_assets.assets.base import LANDED_TAG, RESTATE_TAG
from funnel_assets.config.settings import START_DATE_FILE, Settings
from funnel_assets.config.tables import write_defaults
from funnel_assets.errors import FunnelError
from funnel_assets.jobs import DAILY_JOB
from funnel_assets.pipeline.held import Held
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage.files import write_whole
from funnel_assets.storage.postgres import PostgresServer, ensure_server

PROJECT = Path(__file__).resolve().parents[1]
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
PARTITION = "dagster/partition"
UI_PORT = 3000

log = logging.getLogger(__name__)


def prepare(settings: Settings) -> PostgresServer:
    """Make the home folder ready and the server answer; safe to call again.

    Puts what child processes and Dagster's instance need into this process's environment.
    """
    for folder in (settings.inbox_zoom, settings.config_dir, settings.exports, settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    write_defaults(settings.config_dir)
    keep_start_date(settings)
    server = ensure_server(settings.home, url=settings.postgres_url)
    dagster_home = settings.home / "dagster"
    dagster_home.mkdir(exist_ok=True)
    write_whole(dagster_home / "dagster.yaml", (PROJECT / "dagster.yaml").read_bytes())
    os.environ.update(child_environment(settings, server))
    return server


def child_environment(settings: Settings, server: PostgresServer) -> dict[str, str]:
    """Variables by which every process of ours finds the same home, start date and server."""
    return {
        **settings.passed_on(),
        "DAGSTER_HOME": str(settings.home / "dagster"),
        "FUNNEL_HOME": str(settings.home),
        "FUNNEL_START_DATE": settings.start_date.isoformat(),
        "FUNNEL_DAGSTER_POSTGRES_URL": server.dagster_url,
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }


def daily_job() -> dg.JobDefinition:
    """Return the daily job as the environment defines it; by name, so that a run can be rebuilt from it."""
    return _daily_job(frozenset(os.environ.items()))


@functools.lru_cache(maxsize=1)  # Dagster asks several times a run
def _daily_job(_environ: frozenset[tuple[str, str]]) -> dg.JobDefinition:
    from funnel_assets.config.settings import load_settings
    from funnel_assets.definitions import build_defs

    return build_defs(load_settings()).resolve_job_def(DAILY_JOB)


def run_days(
    first: dt.date,
    last: dt.date,
    *,
    datasets: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> bool:
    """Run the daily job in this process for one day or a range, recorded in Dagster's instance like any other run.

    Args:
        first: First local day.
        last: Last local day.
        datasets: Assets to make; None makes all.
        tags: Further run tags.

    Returns:
        Whether every day of every dataset was made.
    """
    partition = (
        {PARTITION: first.isoformat()}
        if first == last
        else {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}
    )
    with dg.DagsterInstance.get() as instance:
        result = dg.execute_job(
            dg.reconstructable(daily_job),
            instance=instance,
            tags={**partition, **(tags or {})},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            asset_selection=None if datasets is None else [dg.AssetKey(name) for name in datasets],
            raise_on_error=False,
        )
        if not result.success:
            _tell_failures(instance, result.run_id)
        return result.success


def _tell_failures(instance: dg.DagsterInstance, run_id: str) -> None:
    """Log what each failed step said: which days, why, and what to do."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = record.dagster_event
        assert event is not None
        failure = event.step_failure_data
        told = failure.user_failure_data.description if failure.user_failure_data else None
        cause = failure.error.cause or failure.error if failure.error else None
        log.error("%s", told or f"{event.step_key}: {cause.message.strip() if cause else 'failed'}")


def start_ui(*, port: int = UI_PORT) -> subprocess.Popen[bytes]:
    """Start Dagster's webserver behind our guard, and the daemon, as one child process group; ending it ends all."""
    return subprocess.Popen(
        [sys.executable, "-m", "funnel_assets.ui_server", "--port", str(port)],
        cwd=PROJECT,
        env=dict(os.environ),
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], *, patience_seconds: float = 20.0) -> None:
    """End a child that `start_ui` started, with everything it started; by force when it doesn't listen."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_seconds)
            break
    # Code servers ignore Ctrl-C, and would stay until they miss their parent's heartbeat.
    for ending in (signal.SIGTERM, signal.SIGKILL):
        for member in _members(process.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(ending)
        deadline = time.monotonic() + patience_seconds / 2
        while _members(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)


def _members(group: int) -> list[psutil.Process]:
    """Living processes of a group; one that has ended may stay listed where nobody asks how it ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def restate(settings: Settings, *, most_rounds: int = 5) -> dict[str, list[dt.date]]:
    """Make every stale day again, from what has landed; what follows from it too.

    Returns:
        What was stale at first.

    Raises:
        FunnelError: If a run failed, or days stay stale.
    """
    pipeline = Pipeline(settings)
    first_plan = plan = pipeline.stale_plan()
    for _ in range(most_rounds):
        if not plan:
            return first_plan
        since = min(min(days) for days in plan.values())
        if not run_days(since, settings.yesterday(), tags={RESTATE_TAG: "yes", LANDED_TAG: "yes"}):
            break
        plan = pipeline.stale_plan()
    raise FunnelError(
        f"not everything could be made again: {', '.join(sorted(plan))}.",
        fix="see the messages above, mend the cause, and run `funnel restate` again.",
    )


def make_zoom_days(settings: Settings, days: Sequence[dt.date]) -> dict[str, list[dt.date]]:
    """Make event days whose files aren't in the lake yet, as the sensor would, and all that follows from them.

    Returns:
        Datasets and days that were made.

    Raises:
        FunnelError: If a run failed.
    """
    from funnel_assets.sensors import zoom_selection

    pipeline = Pipeline(settings)
    wanted = sorted(set(days) & set(pipeline.zoom.days_to_make()))
    for day in wanted:
        if not run_days(day, day, datasets=zoom_selection(pipeline.missing_on(day))):
            raise FunnelError(
                f"{day} could not be made.", fix="see the messages above, mend the cause, then replay again."
            )
    return restate(settings) | ({"zoom_attendance": wanted} if wanted else {})


def make_decided(settings: Settings, held: Held) -> dict[str, list[dt.date]]:
    """Make what a decision changes, and show in Dagster what is still held.

    Returns:
        Datasets and days that were made.

    Raises:
        FunnelError: If a run failed.
    """
    from funnel_assets.checks import report_held

    days = [dt.date.fromisoformat(day) for day in held.days]
    plan = make_zoom_days(settings, days) if held.is_file else restate(settings)
    with dg.DagsterInstance.get() as instance:
        report_held(instance, Pipeline(settings), held.dataset)
    return plan


def keep_start_date(settings: Settings) -> None:
    """Write the start date down once, so that the days a dataset can have don't move with the calendar."""
    path = settings.home / START_DATE_FILE
    if not path.exists():
        write_whole(path, f"{settings.start_date.isoformat()}\n".encode())
