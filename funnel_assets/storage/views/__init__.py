"""The views that people read (SPEC 6), as SQL files in this folder, run in the order of their numbers.

Belongs here: which views there are and in which order they are made. Does not belong here: the helper tables that keep
them fast (``kept.py``), the published tables below them (``warehouse.py``), and running any of this.

A statement may hold several commands (a view and its comments); none holds a parameter. All of them run inside the
transaction that publishes the data.
"""

import re
from importlib.resources import files

from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.storage.views.kept import make_statements, with_names

VIEW_NAMES = (
    "crm_contacts",
    "vw_funnel",
    "vw_channel_effectiveness",
    "vw_intent_by_source",
    "vw_anonymous_events",
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

DEFAULT_TIMEZONE = "Asia/Kolkata"


def view_statements(timezone: str = DEFAULT_TIMEZONE, currency: str = DEFAULT_CURRENCY) -> list[str]:
    """Return the statements that make all helpers and views, which must not be there: one or more per file.

    Args:
        timezone: Decides when a day is over (``FUNNEL_TIMEZONE``); ``vw_freshness`` asks the clock.
        currency: Of all amounts (``FUNNEL_CURRENCY``), for the comments.
    """
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+", timezone):
        raise ValueError(f"not the name of a time zone: {timezone!r}")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"not the code of a currency: {currency!r}")
    made = (
        re.sub(rf"\b{DEFAULT_CURRENCY}\b", currency, sql.replace(DEFAULT_TIMEZONE, timezone))
        for sql in _files()
    )
    return [*make_statements(), *made]


def _files() -> list[str]:
    folder = files(__name__)
    found = sorted(
        (file for file in folder.iterdir() if re.fullmatch(r"\d+_.*\.sql", file.name)),
        key=lambda file: file.name,
    )
    return [with_names(file.read_text(encoding="utf-8")) for file in found]
