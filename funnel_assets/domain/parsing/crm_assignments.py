"""Assignments of leads to sales employees (SPEC 4.3; seed 001 Phase 1).

The dump repeats rows: identical ones are duplicates. The sheet sorts a phone's rows by time, and its SORT keeps the
dump's order among rows of one moment: their place among each other is kept (``dump_rank``), and no other row's. Part 2
knows people by phone alone, so a row whose phone can't be used is quarantined.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.domain.dates import local_day, parse_local
from funnel_assets.domain.keys import key_words
from funnel_assets.domain.parsing.base import (
    Cells,
    Cleaned,
    Findings,
    Parser,
    RowFacts,
    SourceContext,
    find_undated,
    finish,
    only_where,
    sheet_columns,
    tie_ranks,
)
from funnel_assets.domain.text import as_arrow, as_text, constant, pc

DATASET = "crm_assignments"
COLUMNS = sheet_columns(DATASET)
REQUIRED = (COLUMNS["assigned_at"], COLUMNS["phone"])
_WHY_UNUSABLE = {
    "missing": "is empty",
    "placeholder": "stands for no phone",
    "scientific": "was cut by a spreadsheet (9.19877E+11); format the column as text",
    "invalid": "is no phone number of {country} and states no other country",
}


def row_facts(table: pd.DataFrame, context: SourceContext) -> RowFacts:
    """Say of each row which day it belongs to; of identical rows one is kept."""
    cells = Cells(table, COLUMNS, REQUIRED)
    assigned = _assigned(cells, context)
    days = local_day(assigned, context.day_timezone)
    findings = Findings(cells.size)
    find_undated(findings, cells, "assigned_at", days, context)
    hashes = cells.hashes()
    keys = only_where(~findings.found, hashes)
    ties = only_where(~findings.found, _ties(cells.phones(context)["phone"], assigned))
    return RowFacts(days, hashes, findings, keys, ties=ties)


def clean_rows(table: pd.DataFrame, index: pd.DataFrame, context: SourceContext) -> Cleaned:
    """Read the cells of rows of an index."""
    cells = Cells(table, COLUMNS)
    findings = Findings(cells.size).carry(index)
    phones = cells.phones(context)
    loaded = (index["fate"] == "load").to_numpy()
    for status, reason in _WHY_UNUSABLE.items():
        why = reason.format(country=context.country)
        findings.add(
            loaded & (phones["phone_status"] == status).to_numpy(),
            "phone_unusable",
            f'The phone in the column "{COLUMNS["phone"]}" {why}. Correct it in the CRM.',
        )
    assigned = _assigned(cells, context)
    ties = only_where(loaded & ~findings.found, _ties(phones["phone"], assigned))
    ranks = tie_ranks(key_words(ties), index["line"].to_numpy(np.int64))
    fields = {
        "date": index["day"],
        "assignment_id": as_text(context.pseudonyms.record_ids(as_arrow(index["row_hash"])), cells.labels),
        "source_name": as_text(constant(context.name, cells.size), cells.labels),
        "assigned_at": assigned,
        "lead_source": cells.series("lead_source"),
        "phone": phones["phone"],
        "phone_key": context.pseudonyms.phone_keys(phones["phone"]),
        "employee": cells.series("employee"),
        "dump_rank": pd.Series(ranks, cells.labels, dtype="Int64"),
    }
    return finish(DATASET, table, index, fields, findings)


def _assigned(cells: Cells, context: SourceContext) -> pd.Series:
    formats = context.formats_of(cells.sheet["assigned_at"])
    return parse_local(cells.series("assigned_at"), formats=formats, timezone=context.timezone)


def _ties(phones: pd.Series, assigned: pd.Series) -> pa.Array:
    """Return what rows of one phone and one moment have in common; null where the phone can't be used."""
    moments = pa.array(assigned.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64))
    return pc.binary_join_element_wise(
        as_arrow(phones), moments.cast(pa.large_string()), pa.scalar("@", pa.large_string())
    )


PARSER = Parser(DATASET, COLUMNS, REQUIRED, row_facts, clean_rows)
