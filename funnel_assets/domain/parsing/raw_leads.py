"""Lead-form submissions (SPEC 4.1; seed 001, top of funnel).

One row per submission: identical rows are separate submissions, told apart by an ordinal. A phone or e-mail that can't
be used doesn't cost the lead; only a row without a readable date has no day to belong to.
"""

import numpy as np
import pandas as pd

from funnel_assets.domain.dates import local_day, parse_local
from funnel_assets.domain.keys import numbered
from funnel_assets.domain.parsing.base import (
    Cells,
    Cleaned,
    Findings,
    Parser,
    RowFacts,
    SourceContext,
    find_undated,
    finish,
    sheet_columns,
)
from funnel_assets.domain.text import Bools, as_arrow, as_text, constant

DATASET = "raw_leads"
COLUMNS = sheet_columns(DATASET)
REQUIRED = (COLUMNS["created_at"],)
_AS_TYPED = ("name", "city", "question_1", "utm_source", "utm_medium", "utm_campaign")


def row_facts(table: pd.DataFrame, context: SourceContext) -> RowFacts:
    """Say of each row which day it belongs to; every dated row is loaded."""
    cells = Cells(table, COLUMNS, REQUIRED)
    days = local_day(_created(cells, context), context.day_timezone)
    findings = Findings(cells.size)
    find_undated(findings, cells, "created_at", days, context)
    return RowFacts(days, cells.hashes(context.name), findings)


def clean_rows(table: pd.DataFrame, index: pd.DataFrame, context: SourceContext) -> Cleaned:
    """Read the cells of rows of an index."""
    findings = Findings(len(table)).carry(index)
    fields, notes = _read(Cells(table, COLUMNS), index, context)
    return finish(DATASET, table, index, fields, findings, notes)


def _read(
    cells: Cells, index: pd.DataFrame, context: SourceContext
) -> tuple[dict[str, pd.Series], dict[str, Bools]]:
    """Read every column, and where a phone or e-mail was lost."""
    phones = cells.phones(context)
    emails = cells.emails(context)
    ids = numbered(context.pseudonyms.record_ids(as_arrow(index["row_hash"])))
    fields = {
        "date": index["day"],
        "lead_id": as_text(ids, cells.labels),
        "source_name": as_text(constant(context.name, cells.size), cells.labels),
        "source_order": pd.Series(np.full(cells.size, context.order), cells.labels, dtype="Int64"),
        "created_at": _created(cells, context),
        "email": emails,
        "phone": phones["phone"],
        "phone_status": phones["phone_status"],
        "phone_key": context.pseudonyms.phone_keys(phones["phone"]),
        "email_key": context.pseudonyms.email_keys(emails),
        "external_key": cells.external_keys(context),
        **{name: cells.series(name) for name in _AS_TYPED},
    }
    notes = {"email_unusable": emails.isna().to_numpy() & ~cells.missing("email")}
    for status in ("placeholder", "invalid", "scientific"):
        notes[f"phone_{status}"] = (phones["phone_status"] == status).to_numpy()
    return fields, notes


def _created(cells: Cells, context: SourceContext) -> pd.Series:
    formats = context.formats_of(cells.sheet["created_at"])
    return parse_local(cells.series("created_at"), formats=formats, timezone=context.timezone)


PARSER = Parser(DATASET, COLUMNS, REQUIRED, row_facts, clean_rows)
