"""When the day is made: every night, for the day that has just ended."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition

# Sheets and CRM are complete soon after midnight; ad platforms take a little longer.
HOUR, MINUTE = 2, 30


def daily_schedule(
    job: UnresolvedAssetJobDefinition,
) -> dg.ScheduleDefinition | UnresolvedPartitionedAssetScheduleDefinition:
    """Run the job for D-1 at 02:30 in the partitions' time zone; on from the start."""
    return dg.build_schedule_from_partitioned_job(
        job,
        name="every_night",
        description="Makes yesterday, all datasets, at 02:30.",
        hour_of_day=HOUR,
        minute_of_hour=MINUTE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
