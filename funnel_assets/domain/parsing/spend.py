"""Lines of the advertising spend sheet (SPEC 4.5; seed 001 Phase 3, 43 columns).

Exports repeat lines that are truly spent twice, so identical rows are separate lines, told apart by an ordinal. A line
without a readable cost is quarantined; blank impressions or clicks are unknown, not 0. Amounts with more than two
decimals are rounded half to even, and counted in the notes (see ``domain.money``).
"""

import pandas as pd

from funnel_assets.domain.dates import parse_day
from funnel_assets.domain.keys import numbered
from funnel_assets.domain.mapping import MISCELLANEOUS
from funnel_assets.domain.parsing.base import (
    Cells,
    Cleaned,
    Findings,
    Parser,
    RowFacts,
    SourceContext,
    find_other_currency,
    find_undated,
    find_unreadable_number,
    finish,
    sheet_columns,
)
from funnel_assets.domain.parsing.typed import read_fields
from funnel_assets.domain.text import as_arrow, as_text, constant

DATASET = "spend"
COLUMNS = sheet_columns(DATASET)
REQUIRED = (COLUMNS["date"], COLUMNS["cost_paise"])
_COUNTED = ("impressions", "clicks")


def row_facts(table: pd.DataFrame, context: SourceContext) -> RowFacts:
    """Say of each row which day it belongs to; every dated row is loaded."""
    cells = Cells(table, COLUMNS, REQUIRED)
    days = parse_day(
        cells.series("date"),
        formats=context.formats_of(cells.sheet["date"]),
        timezone=context.timezone,
        day_timezone=context.day_timezone,
    )
    findings = Findings(cells.size)
    find_undated(findings, cells, "date", days, context)
    return RowFacts(days, cells.hashes(context.name), findings)


def clean_rows(table: pd.DataFrame, index: pd.DataFrame, context: SourceContext) -> Cleaned:
    """Read the cells of rows of an index."""
    cells = Cells(table, COLUMNS)
    findings = Findings(cells.size).carry(index)
    find_other_currency(findings, cells, context)
    read, rounded = read_fields(cells, [name for name in COLUMNS if name != "date"], context, findings)
    findings.add(
        read["cost_paise"].isna().to_numpy(),
        "money_missing",
        f'The column "{COLUMNS["cost_paise"]}" is empty. Fill it in at the source; write 0 if nothing was spent.',
    )
    for name in _COUNTED:
        negative = (read[name] < 0).fillna(False).to_numpy(dtype=bool)
        what = "a number of times (it is below zero)"
        find_unreadable_number(findings, cells, name, negative, "number_unreadable", what)
    fields = {
        **read,
        "date": index["day"],
        "spend_id": as_text(numbered(as_arrow(index["row_hash"])), cells.labels),
        "source_name": as_text(constant(context.name, cells.size), cells.labels),
        "currency": as_text(constant(context.currency, cells.size), cells.labels),
        "funnel": as_text(cells["funnel"].fill_null(MISCELLANEOUS), cells.labels),
    }
    notes = {"money_rounded": rounded, "funnel_blank": cells.missing("funnel")}
    return finish(DATASET, table, index, fields, findings, notes)


PARSER = Parser(DATASET, COLUMNS, REQUIRED, row_facts, clean_rows, {COLUMNS["cost_paise"]: "cost_paise"})
