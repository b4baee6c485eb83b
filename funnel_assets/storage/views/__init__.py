"""The views that people read (SPEC 6), as SQL files in this folder, run in the order of their numbers.

Belongs here: which views there are, in which order they are made and taken away, and what keeps them fast. Does not
belong here: the tables below them (``warehouse.py``), and running any of this.

A statement may hold several commands (a view and its comments); none holds a parameter. All of them run inside the
transaction that publishes the data.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from funnel_assets.config.settings import DEFAULT_CURRENCY

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
    "profile_facts",
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

CONTACT_STATE = "_contact_state"
"""What is known about each person, one row each: a table of which a publish brings up the people it concerns, because
finding everybody's latest state takes longer with every day there is."""

CONTACT_SOURCES = ("scored_contacts", "dedup_leads", "engagement_summary", "assigned_leads", "sales_enriched")
"""Tables that ``_contact_state`` is made of."""

INDEXES = (
    *(
        f"CREATE INDEX IF NOT EXISTS {name}_person ON funnel.{name} (person_id, date DESC)"
        for name in CONTACT_SOURCES
    ),
    "CREATE INDEX IF NOT EXISTS dedup_leads_unmapped ON funnel.dedup_leads (date)"
    " WHERE first_funnel = 'Other Sources (Miscellaneous)'",
)
"""Indexes on published tables that the views need to answer in time."""

DEFAULT_TIMEZONE = "Asia/Kolkata"


def view_statements(timezone: str = DEFAULT_TIMEZONE, currency: str = DEFAULT_CURRENCY) -> list[str]:
    """Return the statements that make all views anew: first what takes the old ones away, then one per file.

    Args:
        timezone: Decides when a day is over (``FUNNEL_TIMEZONE``); ``vw_freshness`` asks the clock.
        currency: Of all amounts (``FUNNEL_CURRENCY``), for the comments.

    A view that someone else built on top of ours makes the first statement fail, rather than be dropped with it.
    """
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+", timezone):
        raise ValueError(f"not the name of a time zone: {timezone!r}")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"not the code of a currency: {currency!r}")
    made = (
        re.sub(rf"\b{DEFAULT_CURRENCY}\b", currency, sql.replace(DEFAULT_TIMEZONE, timezone))
        for sql in _files()
    )
    return [*drop_statements(), *_make_contact_state(), *made]


def drop_statements() -> list[str]:
    """Return the statements that take the views away, those first that nothing of ours is built on."""
    return [
        *(f"DROP VIEW IF EXISTS funnel.{name}" for name in reversed(VIEW_NAMES)),
        *(f"DROP MATERIALIZED VIEW IF EXISTS funnel.{name}" for name in reversed(MATERIALIZED_NAMES)),
        f"DROP TABLE IF EXISTS funnel.{CONTACT_STATE}",
    ]


def people_statements(replace_days: Mapping[str, Sequence[dt.date]]) -> list[str]:
    """Return the statements that note whom a publish concerns; to be run before its rows go, and again when they came.

    Args:
        replace_days: Days that are replaced, by table.
    """
    statements = ["CREATE TEMPORARY TABLE IF NOT EXISTS _people (person_id text) ON COMMIT DROP"]
    for name in CONTACT_SOURCES:
        if days := ", ".join(f"'{day}'" for day in replace_days.get(name, ())):
            these = f"SELECT DISTINCT person_id FROM funnel.{name} WHERE date = ANY(ARRAY[{days}]::date[])"
            statements.append(f"INSERT INTO _people {these}")
    return statements


def refresh_statements() -> list[str]:
    """Return the statements that bring the helpers up to the tables; to be run last in every publish.

    Readers are not blocked, and see the old rows until the transaction ends.
    """
    concerned = "person_id IN (SELECT person_id FROM _people)"
    statements = [
        "SET LOCAL work_mem = '128MB'",
        "ANALYZE _people",
        f"DELETE FROM funnel.{CONTACT_STATE} WHERE {concerned}",
        f"INSERT INTO funnel.{CONTACT_STATE} {contact_state_query(concerned)}",
    ]
    for name in MATERIALIZED_NAMES:
        statements += [f"REFRESH MATERIALIZED VIEW CONCURRENTLY funnel.{name}", f"ANALYZE funnel.{name}"]
    return statements


def contact_state_query(whom: str = "TRUE") -> str:
    """Return the query that makes ``_contact_state``, of the people that a condition on person_id names."""
    return (files(__name__) / "contact_state.sql").read_text(encoding="utf-8").replace("{whom}", whom)


def _make_contact_state() -> list[str]:
    return [
        "SET LOCAL work_mem = '128MB'",
        f"CREATE TABLE funnel.{CONTACT_STATE} AS {contact_state_query()}",
        f"ALTER TABLE funnel.{CONTACT_STATE} ADD PRIMARY KEY (person_id)",
        f"ANALYZE funnel.{CONTACT_STATE}",
        f"COMMENT ON TABLE funnel.{CONTACT_STATE} IS 'One row per person: contacts, leads and buyers, with state, "
        "origin, engagement and purchases; read crm_contacts instead.'",
    ]


def _files() -> list[str]:
    folder = files(__name__)
    found = sorted(
        (file for file in folder.iterdir() if re.fullmatch(r"\d+_.*\.sql", file.name)),
        key=lambda file: file.name,
    )
    return [file.read_text(encoding="utf-8") for file in found]
