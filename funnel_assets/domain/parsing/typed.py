"""Fields read by the type their contract gives them: amounts, counts, days, moments, text.

Belongs here: what the two wide datasets (43 and 44 columns) have in common. Does not belong here: which field may be
empty, and what else a dataset does with its rows.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.dates import parse_day, parse_local
from funnel_assets.domain.money import parse_integers, parse_money
from funnel_assets.domain.parsing.base import (
    Cells,
    Findings,
    SourceContext,
    find_unreadable_date,
    find_unreadable_number,
)
from funnel_assets.domain.text import Bools, as_integers, as_text, nulls, without_missing_words


def read_fields(
    cells: Cells, names: Iterable[str], context: SourceContext, findings: Findings
) -> tuple[dict[str, pd.Series], Bools]:
    """Read fields by their type; whatever is in a cell and can't be read is a finding, never a null.

    Returns:
        The columns, and where an amount had more decimals than the currency has.
    """
    types = {facts.name: facts.arrow_type for facts in columns(CONTRACTS[context.dataset])}
    fields: dict[str, pd.Series] = {}
    rounded = np.zeros(cells.size, bool)
    for name in names:
        if cells.missing(name).all():
            fields[name] = _nothing(types[name], cells)
        elif name.endswith("_paise"):
            money = parse_money(
                cells.series(name), currency=context.currency, in_minor_units=context.in_minor_units
            )
            rounded |= money["is_rounded"].to_numpy()
            unreadable = (money["status"] == "unreadable").to_numpy()
            what = (
                f"an amount in {'whole minor units of ' if context.in_minor_units else ''}{context.currency}"
            )
            find_unreadable_number(findings, cells, name, unreadable, "money_unreadable", what)
            fields[name] = money["minor"]
        elif pa.types.is_int64(types[name]):
            counts = parse_integers(cells.series(name))
            unreadable = (counts["status"] == "unreadable").to_numpy()
            find_unreadable_number(findings, cells, name, unreadable, "number_unreadable", "a whole number")
            fields[name] = counts["number"]
        elif pa.types.is_date32(types[name]) or pa.types.is_timestamp(types[name]):
            fields[name] = _read_date(cells, name, context, findings, pa.types.is_date32(types[name]))
        else:
            fields[name] = cells.series(name)
    return fields, rounded


def _nothing(type_: pa.DataType, cells: Cells) -> pd.Series:
    """Return a column without values, of the type a read one would have; sources leave many columns empty."""
    if pa.types.is_int64(type_):
        return as_integers(pa.nulls(cells.size, pa.int64()), cells.labels)
    if pa.types.is_date32(type_):
        return pd.Series(np.full(cells.size, None, object), cells.labels, dtype=object)
    if pa.types.is_timestamp(type_):
        return pd.Series(pd.NaT, cells.labels, dtype="datetime64[us, UTC]")
    return as_text(nulls(cells.size), cells.labels)


def _read_date(
    cells: Cells, name: str, context: SourceContext, findings: Findings, is_day: bool
) -> pd.Series:
    texts = as_text(without_missing_words(cells[name]), cells.labels)
    formats = context.formats_of(cells.sheet[name])
    if is_day:
        read = parse_day(texts, formats=formats, timezone=context.timezone, day_timezone=context.day_timezone)
    else:
        read = parse_local(texts, formats=formats, timezone=context.timezone)
    find_unreadable_date(findings, cells, name, (read.notna() | texts.isna()).to_numpy(), context)
    return read
