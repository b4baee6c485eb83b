"""One dataset as a Dagster asset: days in, one call into the pipeline, events and metadata out.

Belongs here: how an outcome is told to Dagster. Does not belong here: how rows are made (``pipeline``).

A range of days is one run. Days that fail must not take the others along, so (measured on 1.13.27, see
docs/decisions.md) good days are recorded one by one, Dagster's own event for the whole range is held back, the
output is still yielded so that later steps run on the good days, and the step then fails naming the bad ones.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from funnel_assets.checks import held_result, held_spec
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.jobs import EXECUTOR
from funnel_assets.pipeline.changes import differences
from funnel_assets.pipeline.graph import NODES, in_order, readers
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.resources import PipelineResource
from funnel_assets.shown import shown
from funnel_assets.storage.lake import PartitionFacts, name_days

# With this key on an output Dagster emits no materialization of its own. There is no public way to say "some of
# this range's partitions"; orchestration tests hold it to what we rely on.
_NO_EVENTS = {SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}

# Make only the days of the range that are stale by the time the step runs. Set by restatement.
RESTATE_TAG = "funnel/restate"
# Use what has landed already and fetch only what no landed dump covers. Set by restatement.
LANDED_TAG = "funnel/landed_only"

OWNERS = {"marketing": "team:marketing-ops", "sales": "team:sales-ops", "marts": "team:analytics"}
PREVIEW_DAYS = 7
RECONCILIATION = "reconciliation"
ROW_COUNT = "row_count"
ACTIVITIES = "activities"


_ACTIVITIES_CHECK = dg.AssetCheckSpec(
    ACTIVITIES,
    asset="engagement_events",
    description="Every event type has a count of its own or points in scoring.csv. A warning only.",
)


def dataset_asset(
    dataset: str, partitions_def: dg.PartitionsDefinition, *, kinds: set[str], summary: str
) -> dg.AssetsDefinition:
    """Return the asset of a dataset; its dependencies come from the graph, its columns from the contract.

    Args:
        dataset: Name of the dataset.
        partitions_def: Days.
        kinds: Dagster's kind badges.
        summary: What it is for, to someone who has never seen the code.
    """
    contract = CONTRACTS[dataset]

    @dg.asset(
        name=dataset,
        group_name=contract.group,
        description=f"{summary}\n\n{contract.description}\n\nGrain: {contract.grain}.",
        owners=[OWNERS[contract.group]],
        kinds=kinds,
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=upstream(dataset),
        # Rows are in the lake; nothing is handed from step to step.
        dagster_type=dg.Nothing,  # pyright: ignore[reportArgumentType] - documented, but typed otherwise
        metadata={"dagster/column_schema": column_schema(dataset)},
        check_specs=[
            dg.AssetCheckSpec(
                RECONCILIATION,
                asset=dataset,
                description="Rows in are all loaded, duplicates, on other days or quarantined; money likewise.",
            ),
            dg.AssetCheckSpec(
                ROW_COUNT,
                asset=dataset,
                description="The day's rows are as many as is usual for its weekday. A warning only.",
            ),
            *([held_spec(dataset)] if NODES[dataset].is_source else []),
            *([_ACTIVITIES_CHECK] if dataset == "engagement_events" else []),
        ],
    )
    def materialize(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> Iterator[object]:
        yield from _materialize(context, pipeline.get(), dataset)

    return materialize


def upstream(dataset: str) -> list[str]:
    """Datasets whose steps come before: those it reads, and before the mart, which publishes everything, all others.

    What another input brings along anyway is left out, so that the lineage can be read.
    """
    node = NODES[dataset]
    if dataset != "funnel_marts":
        return [read.dataset for read in node.inputs]
    of_the_day = {read.dataset for read in node.inputs if read.window(dt.date.max)[0] > dt.date.min}
    ends = {name for name in NODES if name != dataset and readers([name]) <= {dataset}}
    return sorted(of_the_day | ends)


def column_schema(dataset: str) -> dg.TableSchema:
    """Return a contract's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=facts.name,
                type=str(facts.arrow_type),
                description=facts.description + (" (personal data)" if facts.personal else ""),
                constraints=dg.TableColumnConstraints(nullable=facts.nullable),
            )
            for facts in columns(CONTRACTS[dataset])
        ]
    )


def _materialize(context: dg.AssetExecutionContext, pipeline: Pipeline, dataset: str) -> Iterator[object]:
    days = [dt.date.fromisoformat(key) for key in context.partition_keys]
    if NODES[dataset].is_source:
        _refuse_sources_file(context, pipeline, dataset)
    restating = RESTATE_TAG in context.run.tags
    problems: list[FunnelError | None] = []
    if restating:
        try:
            days = pipeline.stale(dataset, days)
        except FunnelError as error:
            days = []
            problems.append(error.located(dataset=dataset))
    else:
        for rekeyed in pipeline.rekey(dataset):
            _log_days(context, pipeline, rekeyed, sorted(rekeyed.changed))
            problems.append(rekeyed.error())
    started = dt.datetime.now(dt.UTC)
    fetch = LANDED_TAG not in context.run.tags
    # Elsewhere each step is a process, which would fetch everything for itself.
    if fetch and NODES[dataset].is_source and context.job_def.executor_def.name == EXECUTOR.name:
        pipeline.fetch_ahead(context.run.run_id, _selected_in_run(context))
    outcome = pipeline.make(dataset, days, fetch=fetch)
    # Before Dagster is told of the days: who sees one of the mart appear queries it at once.
    refused = _published(pipeline) if dataset == "funnel_marts" else None
    moved = _moved_figures(pipeline, outcome, started)
    blocked = _blocked_by_this_run(context, outcome)
    for day, problem in blocked.items():
        context.log.warning(f"{dataset} {day} was not made: {problem}")
    if not outcome.failed and not blocked and not restating:
        for day, facts in outcome.done.items():
            context.add_asset_metadata(
                _metadata(pipeline, outcome, day, facts) | moved.get(day, {}), partition_key=day.isoformat()
            )
        yield dg.Output(None, metadata=_notes(outcome))
    else:
        told = [day for day in outcome.done if not restating or day in outcome.changed]
        _log_days(context, pipeline, outcome, told, moved)
        yield dg.Output(None, metadata=_NO_EVENTS)
    yield from _checks(pipeline, outcome)
    problems += [outcome.error(), refused]
    messages = [str(problem) for problem in problems if problem is not None]
    if messages:
        raise dg.Failure(
            description="\n".join(messages),
            metadata={"failed_days": name_days(list(outcome.failed)), "good_days": len(outcome.done)},
            allow_retries=False,
        )


def _log_days(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    outcome: Outcome,
    days: Sequence[dt.date],
    moved: Mapping[dt.date, Mapping[str, dg.MetadataValue]] | None = None,
) -> None:
    """Record days of a dataset one by one."""
    for day in days:
        metadata = {
            **_metadata(pipeline, outcome, day, outcome.done[day]),
            **(moved or {}).get(day, {}),
            **_notes(outcome),
        }
        context.log_event(
            dg.AssetMaterialization(outcome.dataset, partition=day.isoformat(), metadata=metadata)
        )


def _refuse_sources_file(context: dg.AssetExecutionContext, pipeline: Pipeline, dataset: str) -> None:
    """Fail a source's step at once when ``sources.yaml`` is wrong as a whole.

    Every source step would say the same: the first one of the run says what is wrong, the others where that stands.
    """
    try:
        pipeline.sources()
    except ConfigError as error:
        first = next(name for name in in_order(_selected_in_run(context)) if NODES[name].is_source)
        told = str(error) if dataset == first else f"sources.yaml has a mistake: see the step {first}."
        raise dg.Failure(description=told, allow_retries=False) from None


def _published(pipeline: Pipeline) -> FunnelError | None:
    """Publish; return why it was refused, if it was."""
    try:
        pipeline.publish()
    except FunnelError as error:
        return error
    return None


def _blocked_by_this_run(context: dg.AssetExecutionContext, outcome: Outcome) -> dict[dt.date, str]:
    """Take out of the failures the days that only miss what an earlier step of this same run failed to make.

    The cause has its own red step; a second one here would only hide it.
    """
    selected = _selected_in_run(context)
    blocked = {
        day: problem.message
        for day, problem in outcome.failed.items()
        if outcome.missing_inputs.get(day) and set(outcome.missing_inputs[day]) & selected
    }
    for day in blocked:
        del outcome.failed[day]
    return blocked


def _selected_in_run(context: dg.AssetExecutionContext) -> set[str]:
    # The run's own selection is empty where a job is run as it is.
    return {key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys}


def _metadata(
    pipeline: Pipeline, outcome: Outcome, day: dt.date, facts: PartitionFacts
) -> dict[str, dg.MetadataValue | int]:
    found: dict[str, dg.MetadataValue | int] = {"dagster/partition_row_count": facts.rows}
    for name, count in facts.counts.items():
        found[name.replace("_", " ")] = count
    found["changed"] = dg.MetadataValue.bool(day in outcome.changed)
    if facts.missing:
        found["made without"] = dg.MetadataValue.text(", ".join(facts.missing))
    if day in sorted(outcome.done)[-PREVIEW_DAYS:]:
        found["preview"] = dg.MetadataValue.md(shown(pipeline.preview(outcome.dataset, day)))
    return found


def _moved_figures(
    pipeline: Pipeline, outcome: Outcome, started: dt.datetime
) -> dict[dt.date, dict[str, dg.MetadataValue]]:
    """Tell of each day of the mart that was there before which figures are others now."""
    if outcome.dataset != "funnel_marts" or not outcome.changed:
        return {}
    told: dict[dt.date, dict[str, dg.MetadataValue]] = {}
    found = differences(pipeline.lake, started)
    for day in outcome.changed:
        moved = found[found["date"] == day]
        if moved.empty:
            continue
        lines = ["| figure | before | after | difference |", "|---|--:|--:|--:|"]
        lines += [
            f"| {row['figure']} | {row['before']} | {row['after']} | {row['difference']:+d} |"
            for row in moved.to_dict("records")
        ]
        told[day] = {"what changed": dg.MetadataValue.md(shown("\n".join(lines)))}
    return told


def _notes(outcome: Outcome) -> dict[str, dg.MetadataValue]:
    return {name: dg.MetadataValue.md(shown(text)) for name, text in outcome.notes.items()}


def _checks(pipeline: Pipeline, outcome: Outcome) -> Iterator[dg.AssetCheckResult]:
    if NODES[outcome.dataset].is_source:
        yield held_result(pipeline, outcome.dataset)
    broken = pipeline.reconcile(outcome)
    yield dg.AssetCheckResult(
        check_name=RECONCILIATION,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(broken[:5]) or "Everything adds up.",
    )
    if outcome.dataset == "engagement_events":
        uncounted = pipeline.uncounted_activities(outcome)
        yield dg.AssetCheckResult(
            check_name=ACTIVITIES,
            passed=not uncounted,
            severity=dg.AssetCheckSeverity.WARN,
            description=uncounted or "Every event type counts.",
        )
    unusual = pipeline.unusual_row_counts(outcome)
    for told in unusual[-1:]:
        pipeline.alerts.tell(
            f"{outcome.dataset} {told}", f"Funnel, unusual count in {outcome.dataset}: {told}."
        )
    yield dg.AssetCheckResult(
        check_name=ROW_COUNT,
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(unusual[:5]) or "As many rows as usual.",
    )
