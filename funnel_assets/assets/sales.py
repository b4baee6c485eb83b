"""Part 2: from the handed-over lead to the money."""

import dagster as dg

from funnel_assets.assets.base import dataset_asset


def build_assets(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Return the assets of the sales part."""
    return [
        dataset_asset(
            "crm_assignments",
            days,
            kinds={"csv", "parquet"},
            summary="Which lead went to which sales employee, from the CRM's full dump.",
        ),
        dataset_asset(
            "crm_sales",
            days,
            kinds={"csv", "parquet"},
            summary="Every sale with all its 44 columns, from the CRM's full dump.",
        ),
        dataset_asset(
            "assigned_leads",
            days,
            kinds={"duckdb", "parquet"},
            summary="The phones handed to sales, each counted once a month: first source, employee, and whether "
            "they attended.",
        ),
        dataset_asset(
            "sales_enriched",
            days,
            kinds={"duckdb", "parquet"},
            summary="Each sale with its final funnel, attendance and the touch that started it.",
        ),
        dataset_asset(
            "sale_credit",
            days,
            kinds={"duckdb", "parquet"},
            summary="Each paid sale's revenue divided over the touches before it, by five models side by side; each "
            "adds up to the sale.",
        ),
    ]
