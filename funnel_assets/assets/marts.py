"""The published figures."""

import dagster as dg

from funnel_assets.assets.base import dataset_asset


def build_assets(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the mart's asset. Making it publishes everything that changed, in one transaction."""
    return [
        dataset_asset(
            "funnel_marts",
            days,
            kinds={"duckdb", "postgres"},
            summary="The funnel per day, funnel, source, medium and campaign: leads, registrations, attended, "
            "handovers, sales, revenue and spend. Published to Postgres with the views that BI tools read.",
        ),
    ]
