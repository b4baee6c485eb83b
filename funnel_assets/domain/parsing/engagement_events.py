"""Product and marketing events (SPEC 4.6; seeds 000 and 003).

Of several rows with one ``event_id`` the first in the file wins. An event without an id is known by its content. One
without a usable e-mail or phone is loaded and stands alone.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.domain.dates import local_day, parse_local
from funnel_assets.domain.money import parse_integers
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
)
from funnel_assets.domain.text import Bools, as_arrow, as_bools, as_text, constant, pc

DATASET = "engagement_events"
COLUMNS = {
    "event_id": "event_id",
    "email": "email",
    "phone": "phone",
    "company": "company",
    "industry": "industry",
    "event_type": "event_type",
    "channel": "channel",
    "event_at": "event_time",
    "metadata": "metadata",
}
REQUIRED = (COLUMNS["event_at"], COLUMNS["event_type"])


def row_facts(table: pd.DataFrame, context: SourceContext) -> RowFacts:
    """Say of each row which day it belongs to, and by what one row of each event is chosen."""
    cells = Cells(table, COLUMNS, REQUIRED)
    happened = _happened(cells, context)
    days = local_day(happened, context.day_timezone)
    findings = Findings(cells.size)
    find_undated(findings, cells, "event_at", days, context)
    hashes = cells.hashes()
    untyped = cells.missing("event_type")
    keys = only_where(~findings.found & ~untyped, _ids(cells, hashes, context))
    return RowFacts(days, hashes, findings, keys)


def clean_rows(table: pd.DataFrame, index: pd.DataFrame, context: SourceContext) -> Cleaned:
    """Read the cells of rows of an index."""
    cells = Cells(table, COLUMNS)
    findings = Findings(cells.size).carry(index)
    findings.add(
        cells.missing("event_type") & (index["fate"] == "load").to_numpy(),
        "event_type_missing",
        f'The column "{COLUMNS["event_type"]}" is empty, so nothing can be counted. Fill it in at the source.',
    )
    times = _times(cells, findings)
    fields, notes = _read(cells, index, context)
    fields["times"] = times
    return finish(DATASET, table, index, fields, findings, notes)


def _read(
    cells: Cells, index: pd.DataFrame, context: SourceContext
) -> tuple[dict[str, pd.Series], dict[str, Bools]]:
    """Read every column, and where a phone or e-mail was lost."""
    phones = cells.phones(context)["phone"]
    emails = cells.emails(context)
    fields = {
        "date": index["day"],
        "event_id": as_text(_ids(cells, as_arrow(index["row_hash"]), context), cells.labels),
        "source_name": as_text(constant(context.name, cells.size), cells.labels),
        "event_at": _happened(cells, context),
        "email": emails,
        "phone": phones,
        "phone_key": context.pseudonyms.phone_keys(phones),
        "email_key": context.pseudonyms.email_keys(emails),
        "external_key": cells.external_keys(context),
        "event_type": as_text(_type_names(cells["event_type"]), cells.labels),
        **{name: cells.series(name) for name in ("company", "industry", "channel", "metadata")},
    }
    notes = {
        "phone_unusable": phones.isna().to_numpy() & ~cells.missing("phone"),
        "email_unusable": emails.isna().to_numpy() & ~cells.missing("email"),
        "nobody": phones.isna().to_numpy()
        & emails.isna().to_numpy()
        & fields["external_key"].isna().to_numpy(),
    }
    return fields, notes


def _happened(cells: Cells, context: SourceContext) -> pd.Series:
    formats = context.formats_of(cells.sheet["event_at"])
    return parse_local(cells.series("event_at"), formats=formats, timezone=context.timezone)


def _times(cells: Cells, findings: Findings) -> pd.Series:
    """Return how often each row's activity happened: once, unless its source says."""
    if cells.count is None:
        return pd.Series(np.ones(cells.size, np.int64), cells.labels, dtype="Int64")
    counts = parse_integers(as_text(cells.count, cells.labels))
    times = counts["number"]
    findings.add_cells(
        (times.isna() | (times < 1).fillna(False)).to_numpy(dtype=bool),
        "number_unreadable",
        cells.count,
        lambda text: (
            f'"{text}" in the column that `count` names is not a whole number of times. Correct the cell at the source.'
        ),
    )
    return times


def _ids(cells: Cells, hashes: pa.Array, context: SourceContext) -> pa.Array:
    """Return each event's own id, or one made of its content where it has none."""
    own = cells["event_id"]
    if not own.null_count:
        return own
    nameless = only_where(as_bools(own.is_null()), as_arrow(hashes))
    return pc.coalesce(own, context.pseudonyms.record_ids(nameless))


def _type_names(cells: pa.Array) -> pa.Array:
    """Write event types one way: ``Demo Booked`` and ``demo-booked`` are ``demo_booked``."""
    return pc.replace_substring_regex(pc.utf8_lower(cells), r"[\s-]+", "_")


PARSER = Parser(DATASET, COLUMNS, REQUIRED, row_facts, clean_rows, keyed=True)
