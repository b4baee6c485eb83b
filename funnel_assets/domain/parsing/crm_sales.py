"""Sales of the CRM dump, all 44 columns (SPEC 4.4; seed 001 Phase 2).

A sale has one row. Where the dump holds several of one ``_id``, the one with the latest payment is kept, then the one
with the most paid, then the one with the greatest content hash, so that the order of rows never decides. A row with a
cell that can't be read doesn't take part in that choice and is quarantined: money is never silently null.
"""

import datetime as dt

import numpy as np
import pandas as pd

from funnel_assets.domain.dates import local_day
from funnel_assets.domain.parsing.base import (
    Cells,
    Cleaned,
    Findings,
    Parser,
    RowFacts,
    SourceContext,
    as_ranks,
    find_other_currency,
    find_undated,
    finish,
    only_where,
    sheet_columns,
)
from funnel_assets.domain.parsing.typed import read_fields
from funnel_assets.domain.text import as_text, constant

DATASET = "crm_sales"
COLUMNS = sheet_columns(DATASET)
REQUIRED = (COLUMNS["sale_id"], COLUMNS["created_at"])


def row_facts(table: pd.DataFrame, context: SourceContext) -> RowFacts:
    """Say of each row which day it belongs to, and by what one row of each sale is chosen."""
    cells = Cells(table, COLUMNS, REQUIRED)
    findings = Findings(cells.size)
    read, _ = _read(cells, context, unusable := Findings(cells.size))
    days = local_day(read["created_at"], context.day_timezone)
    find_undated(findings, cells, "created_at", days, context)
    hashes = cells.hashes()
    last_paid = read["last_paid_date"].map(dt.date.toordinal, na_action="ignore").fillna(0).to_numpy(np.int64)
    paid = read["paid_amount_paise"].fillna(np.iinfo(np.int64).min + 1).to_numpy(np.int64)
    keys = only_where(~findings.found & ~unusable.found, cells["sale_id"])
    ranks = (-last_paid, -paid, -as_ranks(hashes))
    return RowFacts(days, hashes, findings, keys, ranks)


def clean_rows(table: pd.DataFrame, index: pd.DataFrame, context: SourceContext) -> Cleaned:
    """Read the cells of rows of an index."""
    cells = Cells(table, COLUMNS)
    findings = Findings(cells.size).carry(index)
    read, rounded = _read(cells, context, unusable := Findings(cells.size))
    loaded = (index["fate"] == "load").to_numpy()
    new = loaded & unusable.found & ~findings.found
    findings.reason[new], findings.detail[new] = unusable.reason[new], unusable.detail[new]
    phones = cells.phones(context)["phone"]
    emails = cells.emails(context)
    fields = {
        **read,
        "date": index["day"],
        "source_name": as_text(constant(context.name, cells.size), cells.labels),
        "currency": as_text(constant(context.currency, cells.size), cells.labels),
        "phone": phones,
        "phone_key": context.pseudonyms.phone_keys(phones),
        "email": emails,
        "email_key": context.pseudonyms.email_keys(emails),
        "external_key": cells.external_keys(context),
    }
    notes = {
        "money_rounded": rounded,
        "phone_unusable": phones.isna().to_numpy() & ~cells.missing("phone"),
        "email_unusable": emails.isna().to_numpy() & ~cells.missing("email"),
    }
    return finish(DATASET, table, index, fields, findings, notes)


def _read(
    cells: Cells, context: SourceContext, unusable: Findings
) -> tuple[dict[str, pd.Series], np.ndarray]:
    """Read every column, and find the rows that can't be used whatever their day."""
    unusable.add(
        cells.missing("sale_id"),
        "sale_id_missing",
        f"The column \"{COLUMNS['sale_id']}\" is empty, so the sale can't be told from others. Ask the CRM's owner.",
    )
    find_other_currency(unusable, cells, context)
    return read_fields(cells, COLUMNS, context, unusable)


PARSER = Parser(
    DATASET,
    COLUMNS,
    REQUIRED,
    row_facts,
    clean_rows,
    {
        COLUMNS["total_amount_paise"]: "total_amount_paise",
        COLUMNS["net_amount_paise"]: "net_amount_paise",
    },
    keyed=True,
)
