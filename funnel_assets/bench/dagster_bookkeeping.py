"""What Dagster's own bookkeeping costs: empty assets, many days, one in-process run, a real PostgreSQL.

Run it by hand to compare the storages::

    python -m funnel_assets.bench.dagster_bookkeeping --partitions 30 --assets 13 --storage stock
    python -m funnel_assets.bench.dagster_bookkeeping --partitions 365 --assets 13 --profile
"""

import argparse
import contextlib
import cProfile
import json
import os
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    asset,
    define_asset_job,
    in_process_executor,
)
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from funnel_assets.storage.postgres import ensure_server, stop_server

STORAGES = ("stock", "stock batched", "funnel")
_FIRST_DAY = "2024-01-01"


def measure(
    partitions: int, assets: int, *, storage: str = "funnel", profile: bool = False
) -> dict[str, Any]:
    """Run ``assets`` empty assets over ``partitions`` days in one run, on a throw-away server.

    Args:
        partitions: Days in the range.
        assets: Assets in the chain; each depends on the one before.
        storage: ``stock`` (dagster-postgres as it is), ``stock batched`` (with Dagster's event batches on) or
            ``funnel``.
        profile: Print what the time went on.

    Returns:
        ``storage``, ``assets``, ``partitions``, ``seconds``, ``events`` stored and ``ms_per_event``.
    """
    days = DailyPartitionsDefinition(_FIRST_DAY)
    keys = days.get_partition_keys()[:partitions]
    definitions = _empty_assets(assets, days)
    tags = {ASSET_PARTITION_RANGE_START_TAG: keys[0], ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
    with _instance(storage) as instance:
        job = definitions.resolve_job_def("bookkeeping")
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        started = time.perf_counter()
        result = job.execute_in_process(instance=instance, tags=tags)
        seconds = time.perf_counter() - started
        profiler.disable()
        events = len(instance.all_logs(result.run_id))
        materialized = len(instance.get_materialized_partitions(_key(assets - 1)))
    if not result.success or materialized != partitions:
        raise RuntimeError(f"The measured run went wrong: {materialized} of {partitions} days")
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
    return {
        "storage": storage,
        "assets": assets,
        "partitions": partitions,
        "seconds": round(seconds, 2),
        "events": events,
        "ms_per_event": round(1000 * seconds / events, 3),
    }


def _key(number: int) -> AssetKey:
    return AssetKey(f"empty_{number:02d}")


def _empty_assets(count: int, days: DailyPartitionsDefinition) -> Definitions:
    def make(number: int) -> AssetsDefinition:
        @asset(key=_key(number), partitions_def=days, deps=[_key(number - 1)] if number else [])
        def empty(context: AssetExecutionContext) -> None:
            for day in context.partition_keys:
                context.add_asset_metadata({"rows_in": 1, "rows_out": 1, "quarantined": 0}, partition_key=day)

        return empty

    return Definitions(
        assets=[make(number) for number in range(count)],
        jobs=[define_asset_job("bookkeeping", "*", executor_def=in_process_executor)],
    )


@contextlib.contextmanager
def _instance(storage: str) -> Iterator[DagsterInstance]:
    before = os.environ.pop("DAGSTER_EVENT_BATCH_SIZE", None)
    with tempfile.TemporaryDirectory(prefix="funnel-bench-") as folder:
        home = Path(folder)
        server = ensure_server(home)
        try:
            if storage == "stock batched":
                os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"
            (home / "dagster.yaml").write_text(_storage_yaml(storage, server.dagster_url))
            with DagsterInstance.from_config(str(home)) as instance:
                yield instance
        finally:
            stop_server(home)
            os.environ.pop("DAGSTER_EVENT_BATCH_SIZE", None)
            if before is not None:
                os.environ["DAGSTER_EVENT_BATCH_SIZE"] = before


def _storage_yaml(storage: str, url: str) -> str:
    config = f"postgres_url: '{url}'"
    if storage == "funnel":
        where = "module: funnel_assets.storage.dagster_storage, class: FunnelDagsterStorage"
        return f"storage:\n  custom: {{{where}, config: {{{config}}}}}\ntelemetry: {{enabled: false}}\n"
    return f"storage:\n  postgres: {{{config}}}\ntelemetry: {{enabled: false}}\n"


def main() -> None:
    """Print one measurement as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--partitions", type=int, default=30)
    parser.add_argument("--assets", type=int, default=13)
    parser.add_argument("--storage", choices=STORAGES, default="funnel")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    found = measure(
        arguments.partitions, arguments.assets, storage=arguments.storage, profile=arguments.profile
    )
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
