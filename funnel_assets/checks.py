"""Checks that look at a dataset as a whole; those on the days just made are part of each asset (``assets.base``)."""

import dagster as dg

from funnel_assets.pipeline.graph import NODES
from funnel_assets.resources import PipelineResource
from funnel_assets.storage.lake import name_days

FRESHNESS = "freshness"
RECENT_DAYS = 14


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return one freshness check per dataset."""
    return [_freshness(dataset) for dataset in NODES]


def _freshness(dataset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dataset,
        name=FRESHNESS,
        description=f"Yesterday is there, and none of the last {RECENT_DAYS} days since the first one made is missing.",
    )
    def freshness(context: dg.AssetCheckExecutionContext, pipeline: PipelineResource) -> dg.AssetCheckResult:
        opened = pipeline.get()
        written = opened.lake.days(dataset)
        recent = opened.all_days()[-RECENT_DAYS:]
        missing = [day for day in recent if written and day >= written[0] and day not in set(written)]
        return dg.AssetCheckResult(
            passed=not missing,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Missing: {name_days(missing)}. Backfill these days."
            if missing
            else f"Complete to {written[-1]}."
            if written
            else "Nothing has been made yet.",
            metadata={"newest day": str(written[-1]) if written else "none", "missing days": len(missing)},
        )

    return freshness
