"""Who is concerned: keys of people, and of everybody who is or might be one with them.

Belongs here: from records to keys, from keys to all that are linked with them. Does not belong here: who is who
(``domain.identity``), and what is computed for whom (``pipeline.compute``, ``pipeline.restating``).

Nobody's rows depend on another person's: people are told apart by phones and e-mails, so whoever shares one with
nobody of a group, over all days and the rows of identity_links.csv, doesn't matter to that group.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.identity import KEYS
from funnel_assets.domain.link_rows import LinkRow
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import Lake

NOBODY = ""
"""Stands among people's keys for all records that have neither phone, e-mail nor an id of their source."""

MOST_PEOPLE = 0.3
"""Above this share of all people, computing everybody costs less than telling them apart."""

LINKED = ("raw_leads", "zoom_attendance", "engagement_events", "crm_sales")
"""Datasets whose records link an e-mail to a phone (``domain.identity``); a sale's own person may be either's."""

RECORDED = (*LINKED, "crm_assignments")
"""Datasets whose records are about people."""

_PERSON = ("person_id", *KEYS)


def key_columns(dataset: str) -> list[str]:
    """Return the columns of a dataset that name people."""
    return [name for name in _PERSON if name in arrow_schema(CONTRACTS[dataset]).names]


def keys_in(rows: pa.Table, names: Sequence[str]) -> set[str]:
    """Return the keys of everybody in some rows."""
    columns = [rows[name].combine_chunks() for name in names]
    found = {key for column in columns for key in pc.unique(column).to_pylist() if key is not None}
    keyless = pc.invert(pc.is_valid(columns[0]))
    for column in columns[1:]:
        keyless = pc.and_(keyless, pc.invert(pc.is_valid(column)))
    return found | ({NOBODY} if pc.any(keyless).as_py() else set())


def recorded_on(lake: Lake, days: Iterable[dt.date], datasets: Iterable[str] = RECORDED) -> set[str]:
    """Return the keys of everybody of whom datasets have a record on some days."""
    found: set[str] = set()
    for dataset in datasets:
        names = key_columns(dataset)
        found |= keys_in(lake.read(dataset, days, columns=names, require=False), names)
    return found


def linked_pairs(lake: Lake) -> pa.Table:
    """Return every phone and e-mail that stand together in a record, once: phone_key, email_key."""
    with DuckDBEngine() as engine:
        scans = [engine.scan(lake, name, lake.days(name), ["phone_key", "email_key"]) for name in LINKED]
        every = scans[0]
        for scan in scans[1:]:
            every = every.union(scan)
        both = every.filter("phone_key IS NOT NULL AND email_key IS NOT NULL")
        return engine.collect(both.distinct()).cast(_PAIRS)


_PAIRS = pa.schema([("phone_key", pa.string()), ("email_key", pa.string())])


def with_linked(found: set[str], pairs: pa.Table, rows_of_links: Sequence[LinkRow] = ()) -> pa.Array | None:
    """Return the keys with those of everybody who shares a phone, an e-mail or a link row, directly or through others.

    None when these are so many that all may as well be meant.
    """
    named = {(row.a, row.b) for row in rows_of_links}
    # A record with none of the keys is found among nobody's.
    named |= {(key, NOBODY) for pair in list(named) for key in pair if key.startswith("a")}
    if named:
        joined = [{"phone_key": a, "email_key": b} for a, b in sorted(named)]
        pairs = pa.concat_tables([pairs, pa.Table.from_pylist(joined, schema=pairs.schema)])
    most = MOST_PEOPLE * len(pairs) + 100
    keys = pa.array(sorted(found), pa.string())
    while len(keys) <= most:
        linked = pc.or_(
            pc.is_in(pairs["phone_key"], value_set=keys), pc.is_in(pairs["email_key"], value_set=keys)
        )
        theirs = pairs.filter(linked)
        more = pc.unique(pa.concat_arrays([keys, *theirs["phone_key"].chunks, *theirs["email_key"].chunks]))
        if len(more) == len(keys):
            return keys
        keys = more
    return None
