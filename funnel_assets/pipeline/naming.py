"""People whom config tables name, and whether the lake knows them: a mistyped phone would do nothing, in silence."""

import datetime as dt
from collections.abc import Collection, Iterator

import narwhals as nw

from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.identity import KEYS
from funnel_assets.domain.keys import ALONE_MARK, EXTERNAL_MARK
from funnel_assets.domain.link_rows import is_key
from funnel_assets.pipeline.former_ids import KNOWN_BY
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import BEFORE, Lake

LOST_MARKS = (ALONE_MARK, EXTERNAL_MARK)
OLD_ID = (
    "ids that begin with x or a aren't understood any more once the secret was changed: name the person by phone, "
    "e-mail or an id of today"
)
"""What to say where such an id names nobody."""

NAMED_IN: dict[str, tuple[str, ...]] = {
    "dedup_leads": ("identity_links", "person_a", "person_b"),
    "scored_contacts": ("overrides", "person"),
}
"""The dataset whose metadata tells of a table, the table, and its columns that name people."""


def unknown(lake: Lake, keys: Collection[str], until: dt.date = dt.date.max) -> set[str]:
    """Return those keys of people that no record, handover or sale has.

    Args:
        lake: Where to look.
        keys: Results of :func:`~funnel_assets.domain.link_rows.person_key`.
        until: Last local day that counts.
    """
    left = set(keys)
    with DuckDBEngine() as engine:
        for dataset in KNOWN_BY:
            if not left:
                break
            contract = CONTRACTS[dataset]
            names = [key for key in KEYS if key in arrow_schema(contract).names]
            days = [BEFORE, *(day for day in lake.days(dataset) if day <= until)]
            seen = nw.from_native(engine.scan(lake, dataset, days, [*names, contract.key[0]]))
            alone = nw.concat_str([nw.lit(ALONE_MARK), nw.col(contract.key[0])])
            told = seen.select(*names, alone.alias("alone"))
            is_asked = [nw.col(name).is_in(sorted(left)) for name in (*names, "alone")]
            found = engine.collect(told.filter(nw.any_horizontal(*is_asked, ignore_nulls=True)).to_native())
            left -= {key for column in found.columns for key in column.to_pylist()}
    return left


def names_nobody(lake: Lake, tables: Tables, dataset: str) -> Iterator[str]:
    """Say which rows of the table that a dataset tells of name somebody whom no record has, by file and line."""
    if dataset not in NAMED_IN:
        return
    table, *columns = NAMED_IN[dataset]
    rows = [{name: tables.key(row[name]) for name in columns} for row in tables.rows(table)]
    nobody = unknown(lake, {key for row in rows for key in row.values()})
    file = tables.files[table]
    for line, row in sorted(zip(tables.lines[table], rows, strict=True), key=lambda pair: pair[0]):
        for name in columns:
            if row[name] in nobody:
                told = f"{file.name if file else table}, line {line}: {name} is in no record so far"
                yield told + (f" ({OLD_ID})" if is_key(row[name]) and row[name][0] in LOST_MARKS else "")
