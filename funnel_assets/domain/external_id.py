"""A source's own id of a person, as cells hold it (SPEC 6: ``external_id`` of sources.yaml).

Belongs here: which cells hold no id. Does not belong here: whose id it is, and its pseudonym.
"""

import pandas as pd
import pyarrow as pa

from funnel_assets.domain.text import as_text, pc, tidy, without_missing_words

_NOTHING = r"^[\p{P}\p{S}\s0]*$"


def normalize_external_ids(values: pd.Series, *, placeholders: frozenset[str] = frozenset()) -> pd.Series:
    """Read a column of ids: trimmed, capitals kept, because ``cus_a1`` and ``cus_A1`` are two customers of Stripe.

    Args:
        values: Cells as the source has them.
        placeholders: Values that stand for none (placeholders.csv).

    Returns:
        Column of dtype ``str`` on the index of ``values``; missing where a cell says nothing (``NA``, ``-``), holds
        zeros or punctuation only, or a placeholder.
    """
    ids = without_missing_words(tidy(values))
    banned = pa.array(sorted(text.strip().lower() for text in placeholders), pa.large_string())
    junk = pc.or_(pc.is_in(pc.utf8_lower(ids), banned), pc.match_substring_regex(ids, _NOTHING))
    return as_text(pc.if_else(junk, pa.scalar(None, pa.large_string()), ids), values.index)
