"""The datasets as partitioned assets: names, words and badges; the work is one call into the pipeline."""

import warnings

import dagster as dg

from funnel_assets.assets import marketing, marts, sales


def build_assets(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return every asset, partitioned by the days given."""
    with warnings.catch_warnings():
        # Owners, kinds and backfill policies are marked beta; the versions are pinned, and a test holds what we use.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [*marketing.build_assets(days), *sales.build_assets(days), *marts.build_assets(days)]
