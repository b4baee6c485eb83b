"""The views that people read (SPEC 6), as SQL files in this folder, run in the order of their numbers.

Belongs here: which views there are, in which order they are made and taken away, and what keeps them fast. Does not
belong here: the tables below them (``warehouse.py``), and running any of this.

A statement may hold several commands (a view and its comments); none holds a parameter. All of them run inside the
transaction that publishes the data.
"""

import re
from importlib.resources import files

VIEW_NAMES = (
    "crm_contacts",
    "vw_funnel",
    "vw_channel_effectiveness",
    "vw_intent_by_source",
    "vw_funnel_mtd",
    "vw_channel_economics",
    "vw_cohort_conversion",
    "vw_sale_credit",
    "vw_funnel_steps",
    "vw_stage_transitions",
    "vw_revenue_efficiency",
    "vw_reconciliation",
    "vw_quarantine",
    "vw_freshness",
    "vw_unmapped_sources",
    "vw_decisions",
)
"""What people read, each after those it reads."""

MATERIALIZED_NAMES = (
    "contact_facts",
    "channel_facts",
    "cohort_facts",
    "stage_facts",
    "state_facts",
    "revenue_facts",
    "step_facts",
    "credit_facts",
)
"""Helpers that hold rows of their own, so they have to be refreshed with every publish; each after those it reads, and
before all views."""

INDEXES = (
    "CREATE INDEX IF NOT EXISTS scored_contacts_person ON funnel.scored_contacts (person_id, date DESC)",
    "CREATE INDEX IF NOT EXISTS dedup_leads_unmapped ON funnel.dedup_leads (date)"
    " WHERE first_funnel = 'Other Sources (Miscellaneous)'",
)
"""Indexes on published tables that the views need to answer in time."""

DEFAULT_TIMEZONE = "Asia/Kolkata"


def view_statements(timezone: str = DEFAULT_TIMEZONE) -> list[str]:
    """Return the statements that make all views anew: first what takes the old ones away, then one per file.

    Args:
        timezone: Decides when a day is over (``FUNNEL_TIMEZONE``); ``vw_freshness`` asks the clock.

    A view that someone else built on top of ours makes the first statement fail, rather than be dropped with it.
    """
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+", timezone):
        raise ValueError(f"not the name of a time zone: {timezone!r}")
    return [*drop_statements(), *(sql.replace(DEFAULT_TIMEZONE, timezone) for sql in _files())]


def drop_statements() -> list[str]:
    """Return the statements that take the views away, those first that nothing of ours is built on."""
    return [
        *(f"DROP VIEW IF EXISTS funnel.{name}" for name in reversed(VIEW_NAMES)),
        *(f"DROP MATERIALIZED VIEW IF EXISTS funnel.{name}" for name in reversed(MATERIALIZED_NAMES)),
    ]


def refresh_statements() -> list[str]:
    """Return the statements that bring the helpers up to the tables; to be run last in every publish.

    Readers are not blocked, and see the old rows until the transaction ends.
    """
    statements = ["SET LOCAL work_mem = '128MB'"]
    for name in MATERIALIZED_NAMES:
        statements += [f"REFRESH MATERIALIZED VIEW CONCURRENTLY funnel.{name}", f"ANALYZE funnel.{name}"]
    return statements


def _files() -> list[str]:
    folder = files(__name__)
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [file.read_text(encoding="utf-8") for file in found]
