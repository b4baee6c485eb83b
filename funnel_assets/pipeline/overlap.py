"""Records that two sources hold on two days (SPEC 3): each counts once, whichever days are made together.

Dumps overlap, and a sale's date may have been corrected in one of them, or be told in another zone. The record of the
source that comes first in sources.yaml stays, the other is a duplicate of its own day. That a record is taken is part
of what a day is made from, so a day is stale when the other source brings the record, or loses it. On one and the same
day ``domain.parsing.put_together`` does it.
"""

import contextlib
import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.domain.keys import key_words
from funnel_assets.domain.text import as_arrow
from funnel_assets.storage.arrow_files import replacing_arrow

_EPOCH = dt.date(1970, 1, 1)

Key = tuple[int, int]
"""A record's key as numbers (`domain.keys.key_words`)."""

Taken = Mapping[dt.date, frozenset[Key]]
"""Per day of a source, the keys that an earlier source holds on another day."""


@dataclass(frozen=True)
class Keys:
    """The keys of the rows that a dump gives to load.

    Attributes:
        days: Day of each, as days since 1970.
        words: Its key, as two numbers.
    """

    days: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, days: np.ndarray, words: np.ndarray, loaded: np.ndarray) -> "Keys":
        """Return those of the rows that are loaded and have a key."""
        chosen = loaded & words.any(axis=1)
        return cls(days[chosen].astype(np.int32), words[chosen])

    @classmethod
    def load(cls, path: Path) -> "Keys | None":
        """Read from a file; None when there is none, or a damaged one."""
        with contextlib.suppress(OSError, pa.ArrowInvalid, KeyError):
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            days, high, low = (table[name].to_numpy() for name in ("day", "high", "low"))
            return cls(days, np.column_stack([high, low]))
        return None

    def save(self, path: Path) -> None:
        """Write to a file, whole."""
        table = pa.table({"day": self.days, "high": self.words[:, 0].copy(), "low": self.words[:, 1].copy()})
        with replacing_arrow(path, table.schema) as writer:
            writer.write_table(table)

    def on(self, wanted: Callable[[dt.date], bool]) -> "Keys":
        """Return those of some days."""
        days = [day for day in np.unique(self.days).tolist() if wanted(_EPOCH + dt.timedelta(days=day))]
        chosen = np.isin(self.days, days)
        return Keys(self.days[chosen], self.words[chosen])


def together(several: Iterable[Keys]) -> Keys:
    """Join the keys of several dumps of one source."""
    some = [Keys(np.zeros(0, np.int32), np.zeros((0, 2), np.uint64)), *several]
    return Keys(np.concatenate([one.days for one in some]), np.concatenate([one.words for one in some]))


def taken(sources: Sequence[Keys]) -> list[Taken]:
    """Return for each source, in the order of sources.yaml, what earlier ones hold on another day."""
    return [_taken(keys, together(sources[:number])) for number, keys in enumerate(sources)]


def _taken(keys: Keys, earlier: Keys) -> Taken:
    # Compared by half of the key first: hardly any record is in two sources.
    ours = np.flatnonzero(np.isin(keys.words[:, 0], earlier.words[:, 0]))
    theirs = np.flatnonzero(np.isin(earlier.words[:, 0], keys.words[ours, 0]))
    held: dict[Key, set[int]] = defaultdict(set)
    for (high, low), day in zip(earlier.words[theirs].tolist(), earlier.days[theirs].tolist(), strict=True):
        held[high, low].add(day)
    found: dict[dt.date, set[Key]] = defaultdict(set)
    for (high, low), day in zip(keys.words[ours].tolist(), keys.days[ours].tolist(), strict=True):
        if held.get((high, low), set()) - {day}:
            found[_EPOCH + dt.timedelta(days=day)].add((high, low))
    return {day: frozenset(some) for day, some in found.items()}


def taken_digest(keys: frozenset[Key]) -> str:
    """Return a fingerprint of some keys."""
    return hashlib.sha256(repr(sorted(keys)).encode()).hexdigest()[:32]


def without_taken(rows: pa.Table, dataset: str, found: Taken) -> pa.Table:
    """Return the rows of a source without those that an earlier source holds on another day."""
    days = rows["date"].to_pylist() if found else []
    if found.keys().isdisjoint(days):
        return rows
    words = key_words(as_arrow(rows[CONTRACTS[dataset].key[0]])).tolist()
    nothing: frozenset[Key] = frozenset()
    stay = [(high, low) not in found.get(day, nothing) for day, (high, low) in zip(days, words, strict=True)]
    return rows.filter(pa.array(stay, pa.bool_()))
