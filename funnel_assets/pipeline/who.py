"""Who is who, who shares what, and these people's records, worked out once for all datasets of a run: most ask it of
the same."""

import datetime as dt
import hashlib
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa

from funnel_assets.config.tables import Tables
from funnel_assets.domain.identity import Decided, Links
from funnel_assets.pipeline.people import RECORDED, recorded_on, with_linked
from funnel_assets.pipeline.people_index import LINKED, PeopleIndex
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.storage.engine import Engine
from funnel_assets.storage.lake import Lake

_SMALL_ROWS, _SMALL_ANSWERS = 200_000, 3
_MOST_RECORDS_OF, _RECORDS_KEPT = 50_000, 10

FEW_DAYS = 10
"""Up to so many days are computed for the people with a record on them, from all that is known of these."""


class KnownPeople:
    """The last answers, kept as Arrow tables, which every engine takes.

    Args:
        folder: Where the index of people is kept for the next run; None keeps it in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._index = PeopleIndex(folder)
        self._links: dict[Hashable, dict[str, pa.Table]] = {}
        self._records: dict[Hashable, pa.Table] = {}
        self._pairs_of: Hashable = None
        self._pairs = pa.table({})
        self._people_of: Hashable = None
        self._people: pa.Array | None = None

    def get(self, of: Hashable, engine: Engine, work_out: Callable[[], Links]) -> Links:
        """Return the links as frames of the engine.

        Args:
            of: What they depend on.
            engine: The open engine.
            work_out: Works them out where they aren't known.
        """
        if of not in self._links:
            self._make_room()
            frames = _frames(work_out())
            self._links[of] = {name: engine.collect(nw.to_native(frame)) for name, frame in frames.items()}
        tables = self._links[of]
        return _links({name: nw.from_native(engine.frame(table)) for name, table in tables.items()})

    def _make_room(self) -> None:
        """Forget large answers, and the oldest of the small ones, before another one comes."""
        small = [of for of, tables in self._links.items() if tables["sightings"].num_rows <= _SMALL_ROWS]
        self._links = {of: self._links[of] for of in small[1 - _SMALL_ANSWERS :]}

    def records(
        self,
        lake: Lake,
        contents: Contents,
        dataset: str,
        people: pa.Array,
        columns: Sequence[str],
        read: Callable[[Sequence[dt.date]], pa.Table],
    ) -> pa.Table | None:
        """Return all there is of some people in a dataset, on every day; None where they are too many.

        Args:
            lake: Where the days are.
            contents: What is in it.
            dataset: The dataset.
            people: Their keys.
            columns: Columns that are needed; there may be more.
            read: Reads their rows of the days on which they have any.
        """
        if len(people) > _MOST_RECORDS_OF:
            return None
        of = (dataset, contents.everything(dataset), people_digest(people))
        known = self._records.get(of)
        if known is None or not set(columns) <= set(known.column_names):
            known = read(sorted(self._index.days_of(lake, contents, dataset, people)))
            others = [kept for kept in self._records.items() if kept[0] != of]
            self._records = dict([*others[1 - _RECORDS_KEPT :], (of, known)])
        return known

    def pairs(self, lake: Lake, contents: Contents) -> pa.Table:
        """Return the phone and the e-mail of every record that has both, as numbers; see `PeopleIndex.pairs`."""
        of = tuple(contents.everything(name) for name in LINKED)
        if of != self._pairs_of:
            self._pairs, self._pairs_of = self._index.pairs(lake, contents), of
        return self._pairs

    def people_of(
        self,
        lake: Lake,
        contents: Contents,
        days: Sequence[dt.date],
        tables: Tables,
        datasets: Sequence[str] = RECORDED,
    ) -> pa.Array | None:
        """Return the keys of everybody with a record in some datasets on some days, and of all linked with them.

        None where telling them apart doesn't pay: they are most people.
        """
        contained = {name: contents.everything(name) for name in (*LINKED, *datasets)}
        of = (*days, *datasets, *contained.values(), tables.fingerprint("identity_links"))
        if of != self._people_of:
            rows = tables.links()
            found = recorded_on(lake, days, datasets)
            self._people, self._people_of = with_linked(found, self.pairs(lake, contents), rows), of
        return self._people


def people_digest(keys: pa.Array) -> str:
    """Return a fingerprint of some keys of people, in their order."""
    return hashlib.sha256("\n".join(keys.to_pylist()).encode()).hexdigest()


_ALWAYS = ("sightings", "strangers", "shared")


def _frames(links: Links) -> dict[str, Any]:
    decided = vars(links.decided) if links.decided is not None else {}
    return {name: getattr(links, name) for name in _ALWAYS} | decided


def _links(frames: dict[str, Any]) -> Links:
    always = {name: frames.pop(name) for name in _ALWAYS}
    return Links(**always, decided=Decided(**frames) if frames else None)
