"""Part 1: from the ad click to the lead that sales may call."""

import dagster as dg

from funnel_assets.assets.base import dataset_asset


def build_assets(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of the marketing part."""
    return [
        dataset_asset(
            "raw_leads",
            days,
            kinds={"googlesheets", "parquet"},
            summary="Every form that a person filled in, as the lead sheets hold it, cleaned row by row.",
        ),
        dataset_asset(
            "zoom_attendance",
            days,
            kinds={"csv", "parquet"},
            summary="Who registered for and who came to the day's webinars and bootcamps, from the Zoom reports "
            "dropped in the inbox folder.",
        ),
        dataset_asset(
            "engagement_events",
            days,
            kinds={"json", "parquet"},
            summary="What people did: views, clicks, downloads, demos booked, follow-up calls.",
        ),
        dataset_asset(
            "spend",
            days,
            kinds={"googlesheets", "parquet"},
            summary="What the ads cost, per campaign and ad group, from the performance sheet.",
        ),
        dataset_asset(
            "dedup_leads",
            days,
            kinds={"duckdb", "parquet"},
            summary="The people behind the forms and registrations, each counted once a month, with the first "
            "touch that brought them.",
        ),
        dataset_asset(
            "engagement_summary",
            days,
            kinds={"duckdb", "parquet"},
            summary="What each person active on the day did, that day and so far.",
        ),
        dataset_asset(
            "scored_contacts",
            days,
            kinds={"duckdb", "parquet"},
            summary="Whose stage, score or health changed on the day, and why.",
        ),
    ]
