"""Text tables to rows of the contracts, one module a dataset.

Belongs here: which dataset is read by which module, and reading a whole table in one go.
"""

from dataclasses import dataclass

import pandas as pd

from funnel_assets.domain.parsing import crm_assignments, crm_sales, engagement_events, raw_leads, spend
from funnel_assets.domain.parsing.accounts import Counts, MoneyCounts, account
from funnel_assets.domain.parsing.base import Cleaned, Parser, SourceContext
from funnel_assets.domain.parsing.together import put_together

PARSERS: dict[str, Parser] = {
    module.PARSER.dataset: module.PARSER
    for module in (raw_leads, crm_assignments, crm_sales, spend, engagement_events)
}


@dataclass(frozen=True)
class Parsed:
    """A table, read: its rows, what is in quarantine, what became of everything, and the index behind it."""

    rows: pd.DataFrame
    quarantine: pd.DataFrame
    counts: Counts
    index: pd.DataFrame
    notes: dict[str, int]


def parse(table: pd.DataFrame, context: SourceContext) -> Parsed:
    """Read a whole table of a dataset's source.

    Args:
        table: Columns of text under the names of the contract's ``sheet`` facts, and ``line`` (physical line, int).
        context: What is known of the source.

    Raises:
        SourceBroken: If a column is missing without which nothing can be read.
        FunnelError: If rows or amounts don't add up.
    """
    parser = PARSERS[context.dataset]
    index = parser.index_rows(table, context)
    cleaned = parser.clean_rows(table, index, context)
    counts = account(table, index, cleaned, context, parser.money).check(context)
    return Parsed(cleaned.rows, cleaned.quarantine, counts, index, cleaned.notes)


__all__ = [
    "PARSERS",
    "Cleaned",
    "Counts",
    "MoneyCounts",
    "Parsed",
    "Parser",
    "SourceContext",
    "account",
    "parse",
    "put_together",
]
