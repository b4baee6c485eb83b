"""Rows and money that must add up (SPEC 3: nothing is lost silently).

Belongs here: counting what became of a source's rows and amounts, from both ends. Does not belong here: deciding it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from funnel_assets.domain.money import parse_money
from funnel_assets.domain.parsing.base import DUPLICATE, Cleaned, SourceContext
from funnel_assets.errors import FunnelError


@dataclass(frozen=True)
class MoneyCounts:
    """What became of the readable amounts of one column, in minor units, and how many cells weren't readable."""

    rows_in: int
    loaded: int
    duplicates: int
    quarantined: int
    unreadable_cells: int = 0

    @property
    def missing(self) -> int:
        """Amount that is in none of the three; must be 0."""
        return self.rows_in - self.loaded - self.duplicates - self.quarantined


@dataclass(frozen=True)
class Counts:
    """What became of the rows given to a parser."""

    rows_in: int
    loaded: int
    duplicates: int
    quarantined: int
    money: dict[str, MoneyCounts] = field(default_factory=dict)

    def check(self, context: SourceContext) -> "Counts":
        """Return the counts themselves if they add up.

        Raises:
            FunnelError: If a row or an amount is unaccounted for, naming which.
        """
        missing = self.rows_in - self.loaded - self.duplicates - self.quarantined
        wrong = [f"{missing} rows"] if missing else []
        wrong += [f"{m.missing} minor units of {name}" for name, m in self.money.items() if m.missing]
        if wrong:
            raise FunnelError(
                f"{' and '.join(wrong)} are neither loaded, duplicate nor quarantined.",
                dataset=context.dataset,
                source=context.name,
                file=context.file or None,
                fix="nothing was written; report this, it is a defect of the software.",
            )
        return self


def account(
    table: pd.DataFrame,
    index: pd.DataFrame,
    cleaned: Cleaned,
    context: SourceContext,
    money: Mapping[str, str],
) -> Counts:
    """Count what became of rows, whole dump or some days of it.

    Amounts going in are read from the source's text, amounts loaded from the cleaned rows.

    Args:
        table: The rows as text.
        index: The same rows of the index.
        cleaned: What ``clean_rows`` made of exactly these rows.
        context: Their source.
        money: Columns to reconcile: name in the source to field of the contract.
    """
    duplicate = (index["fate"] == DUPLICATE).to_numpy()
    quarantined = table.index.isin(cleaned.quarantine.index)
    sums: dict[str, MoneyCounts] = {}
    for sheet, name in money.items():
        if sheet not in table.columns:
            continue
        read = parse_money(table[sheet], currency=context.currency, in_minor_units=context.in_minor_units)
        minor = read["minor"].fillna(0)
        sums[sheet] = MoneyCounts(
            rows_in=int(minor.sum()),
            loaded=int(cleaned.rows[name].fillna(0).sum()),
            duplicates=int(minor[duplicate].sum()),
            quarantined=int(minor[quarantined].sum()),
            unreadable_cells=int((read["status"] == "unreadable").sum()),
        )
    return Counts(len(table), len(cleaned.rows), int(duplicate.sum()), len(cleaned.quarantine), sums)
