"""What is deployed, on one page."""

import dagster as dg

from funnel_assets.assets import build_assets
from funnel_assets.checks import build_checks
from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.jobs import EXECUTOR, build_jobs
from funnel_assets.partitions import daily_partitions
from funnel_assets.resources import PipelineResource
from funnel_assets.schedules import daily_schedule
from funnel_assets.sensors import build_sensors


def build_defs(settings: Settings, pipeline: PipelineResource | None = None) -> dg.Definitions:
    """Return the definitions for these settings; tests hand in a pipeline of their own."""
    days = daily_partitions(settings)
    jobs = build_jobs(days)
    return dg.Definitions(
        assets=build_assets(days),
        asset_checks=build_checks(),
        jobs=jobs,
        schedules=[daily_schedule(jobs[0], settings.daily_at)],
        sensors=build_sensors(jobs),
        resources={"pipeline": pipeline or PipelineResource()},
        executor=EXECUTOR,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return what the environment describes."""
    return build_defs(load_settings())
