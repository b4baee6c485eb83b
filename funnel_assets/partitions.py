"""The one partitions definition that every dataset shares: a local day (SPEC 3)."""

import dagster as dg

from funnel_assets.config.settings import Settings


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """Days from the start date to yesterday, in the time zone that decides what a day is."""
    return dg.DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.timezone
    )
