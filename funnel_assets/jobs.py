"""What can be run: the whole day, or one of its two parts (SPEC 3).

Part 1 (marketing) and Part 2 (sales) run and fail independently: each job leaves the other part's days alone, and
in the daily job a part that fails doesn't stop the other one (see ``EXECUTOR``).
"""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from funnel_assets.contracts.base import CONTRACTS

# One process for all steps: the multiprocess executor pays a process and its imports per dataset (41-48 s against
# 1-2 s for eight trivial assets). Steps start as soon as what they read was yielded, even if the step that made it
# then failed for some of its days; each step sees for itself in the lake what is there.
EXECUTOR = dg.in_process_executor.configured(
    {"step_dependency_config": {"require_upstream_step_success": False}}, name="in_process"
)

DAILY_JOB = "daily_funnel"
MARKETING_JOB = "marketing_part"
SALES_JOB = "sales_part"


def datasets_of(*groups: str) -> list[str]:
    """Names of the datasets in these groups."""
    return [name for name, contract in CONTRACTS.items() if contract.group in groups]


def build_jobs(partitions_def: dg.PartitionsDefinition) -> list[UnresolvedAssetJobDefinition]:
    """Return the jobs: the daily one, and one per part, each with the marts."""
    return [
        dg.define_asset_job(
            DAILY_JOB,
            dg.AssetSelection.assets(*datasets_of("marketing", "sales", "marts")),
            partitions_def=partitions_def,
            description="Everything for one day: what the schedule runs each night for yesterday.",
        ),
        dg.define_asset_job(
            MARKETING_JOB,
            dg.AssetSelection.assets(*datasets_of("marketing", "marts")),
            partitions_def=partitions_def,
            description="Part 1 for one day: leads, Zoom, spend, engagement, and the marts.",
        ),
        dg.define_asset_job(
            SALES_JOB,
            dg.AssetSelection.assets(*datasets_of("sales", "marts")),
            partitions_def=partitions_def,
            description="Part 2 for one day: CRM assignments and sales, and the marts.",
        ),
    ]
