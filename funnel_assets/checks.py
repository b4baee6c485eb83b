"""Checks that look at a dataset as a whole; those on the days just made are part of each asset (``assets.base``)."""

import dagster as dg

from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.graph import NODES
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.resources import PipelineResource
from funnel_assets.shown import shown
from funnel_assets.storage.lake import name_days

FRESHNESS = "freshness"
EXTERNAL_IDS = "external_ids"
HELD = "held"
RECENT_DAYS = 14
# Held things named in a check's one line; all of them are in its metadata.
MOST_TOLD = 3


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Return one freshness check per dataset, and the check of the ids by which sources know people."""
    return [*(_freshness(dataset) for dataset in NODES), _external_ids()]


def _external_ids() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="crm_sales",
        name=EXTERNAL_IDS,
        description="No source repeats an id of a person, and every sale's id has a lead. FUNNEL_ID_CHECK=block holds "
        "back publishing otherwise.",
    )
    def external_ids(pipeline: PipelineResource) -> dg.AssetCheckResult:
        opened = pipeline.get()
        found = opened.id_problems()
        is_blocking = opened.settings.id_check == "block"
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN,
            description="; ".join(found) or "Every id is there once, and every sale's has a lead.",
        )

    return external_ids


def held_spec(dataset: str) -> dg.AssetCheckSpec:
    """Return the check that is red while something of a source dataset waits for a person."""
    return dg.AssetCheckSpec(
        HELD,
        asset=dataset,
        description="No report or dump is held until a person accepts or rejects it (`funnel inbox`).",
    )


def held_result(pipeline: Pipeline, dataset: str) -> dg.AssetCheckResult:
    """Look whether something is held, and tell the webhook of it."""
    try:
        held = pipeline.held(dataset)
    except FunnelError as error:
        return dg.AssetCheckResult(check_name=HELD, asset_key=dataset, passed=False, description=str(error))
    for one in held:
        pipeline.alerts.tell(f"held {one.sha256} {one.why}", f"Funnel, held: {one.told()}")
    lines = [f"- {one.told()}" for one in held]
    return dg.AssetCheckResult(
        check_name=HELD,
        asset_key=dataset,
        passed=not held,
        severity=dg.AssetCheckSeverity.ERROR,
        description=" ".join(one.told() for one in held[:MOST_TOLD]) or "Nothing waits for a decision.",
        metadata={"held": len(held), "which": dg.MetadataValue.md(shown("\n".join(lines)) or "none")},
    )


def report_held(instance: dg.DagsterInstance, pipeline: Pipeline, dataset: str) -> None:
    """Show in Dagster what is held now, without a run: what is held makes no day."""
    result = held_result(pipeline, dataset)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(dataset),
            check_name=HELD,
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata=result.metadata,
        )
    )


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
