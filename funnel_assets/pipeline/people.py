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
from funnel_assets.domain.keys import ALONE_MARK, EMAIL_MARK, PHONE_MARK, key_numbers, key_texts
from funnel_assets.domain.link_rows import LinkRow, is_key
from funnel_assets.pipeline.people_index import LINKED, key_columns
from funnel_assets.storage.lake import Lake

NOBODY = ""
"""Stands among people's keys for all records that have neither phone, e-mail nor an id of their source."""

MOST_PEOPLE = 0.1
"""Above this share of all records with a phone and an e-mail, computing everybody costs less than telling people
apart: a person has about three such records."""

RECORDED = (*LINKED, "crm_assignments")
"""Datasets whose records are about people."""


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


def with_linked(found: set[str], pairs: pa.Table, rows_of_links: Sequence[LinkRow] = ()) -> pa.Array | None:
    """Return the keys with those of everybody who shares a phone, an e-mail or a link row, directly or through others.

    ``pairs`` are the phones and e-mails of records (:meth:`PeopleIndex.pairs`). None when the keys are so many that
    all may as well be meant.
    """
    joined = {(row.a, row.b) for row in rows_of_links}
    # A record with none of the keys is found among nobody's.
    joined |= {(key, NOBODY) for pair in list(joined) for key in pair if key.startswith(ALONE_MARK)}
    most = MOST_PEOPLE * len(pairs) + 100
    keys = front = set(found)
    while len(keys) <= most:
        theirs = pairs.filter(
            pc.or_(
                pc.is_in(pairs["phone"], value_set=_numbers(front, PHONE_MARK)),
                pc.is_in(pairs["email"], value_set=_numbers(front, EMAIL_MARK)),
            )
        )
        reached = set().union(
            key_texts(pc.unique(theirs["phone"]), PHONE_MARK),
            key_texts(pc.unique(theirs["email"]), EMAIL_MARK),
            *(pair for pair in joined if not front.isdisjoint(pair)),
        )
        front = reached - keys
        if not front:
            return pa.array(sorted(keys), pa.string())
        keys = keys | front
    return None


def _numbers(keys: set[str], mark: str) -> pa.Array:
    return key_numbers(pa.array([key for key in keys if key.startswith(mark) and is_key(key)], pa.string()))
