"""Rows of several sources of one dataset, put together.

Belongs here: what happens when two sources hold the same row. Does not belong here: reading any of them.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.domain.text import pc


def put_together(tables: Sequence[pa.Table], dataset: str) -> tuple[pa.Table, list[int]]:
    """Join the rows that several sources gave for the same days, each key once.

    Dumps overlap: last quarter's export beside this quarter's holds the same assignments, sales and events. Where two
    sources have one key, the row of the source that comes first in sources.yaml stays. Submissions and spend lines
    never share a key, since their ids carry the source's name. One that stands on two days is for ``pipeline.overlap``.

    Args:
        tables: Rows of each source, in the order of sources.yaml, with the contract's columns.
        dataset: Their dataset.

    Returns:
        The rows, sorted by the contract's key, and for each source how many of its rows another one had already.
    """
    key = CONTRACTS[dataset].key[0]
    rows = pa.concat_tables(tables)
    source = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    codes = pc.dictionary_encode(rows[key].combine_chunks()).indices.to_numpy()
    first = np.zeros(len(rows), bool)
    first[np.unique(codes, return_index=True)[1]] = True
    repeated = np.bincount(source[~first], minlength=len(tables))
    kept = rows.filter(pa.array(first))
    return kept.take(pc.sort_indices(kept[key])), [int(count) for count in repeated]
