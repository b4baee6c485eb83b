"""When the day is made: every night, for the day that has just ended."""

import datetime as dt

import dagster as dg
from dagster._core.definitions.partitions.partitioned_schedule import (
    UnresolvedPartitionedAssetScheduleDefinition,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition


def daily_schedule(
    job: UnresolvedAssetJobDefinition, at: dt.time
) -> dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition:
    """Run the job for D-1 at a time of day in the partitions' time zone; on from the start."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="every_night",
        description=f"Makes yesterday, all datasets, at {at:%H:%M}.",
        hour_of_day=at.hour,
        minute_of_hour=at.minute,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
