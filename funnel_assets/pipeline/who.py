"""Who is who and who shares what, worked out once for all datasets of a run: most ask it of the same records."""

import datetime as dt
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import narwhals as nw
import pyarrow as pa

from funnel_assets.config.tables import Tables
from funnel_assets.domain.identity import Decided, Links
from funnel_assets.domain.link_rows import link_rows
from funnel_assets.pipeline.people import LINKED, RECORDED, linked_pairs, recorded_on, with_linked
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.storage.engine import Engine
from funnel_assets.storage.lake import Lake

FEW_DAYS = 3
"""Up to so many days are computed for the people with a record on them, from all that is known of these."""


class KnownLinks:
    """The last answers, kept as Arrow tables, which every engine takes."""

    def __init__(self) -> None:
        self._of: Hashable = None
        self._tables: dict[str, pa.Table] = {}
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
        if of != self._of:
            self._tables, self._of = {}, None  # the old ones go before the new ones come
            frames = _frames(work_out())
            self._tables = {name: engine.collect(nw.to_native(frame)) for name, frame in frames.items()}
            self._of = of
        return _links({name: nw.from_native(engine.frame(table)) for name, table in self._tables.items()})

    def pairs(self, lake: Lake, contents: Contents) -> pa.Table:
        """Return every phone and e-mail that stand together; see `people.linked_pairs`."""
        of = tuple(contents.everything(name) for name in LINKED)
        if of != self._pairs_of:
            self._pairs, self._pairs_of = linked_pairs(lake), of
        return self._pairs

    def people_of(
        self, lake: Lake, contents: Contents, days: Sequence[dt.date], tables: Tables
    ) -> pa.Array | None:
        """Return the keys of everybody with a record on some days, and of all linked with them.

        None where telling them apart doesn't pay: of many days, or of most people.
        """
        if len(days) > FEW_DAYS:
            return None
        of = (*days, *(contents.everything(name) for name in RECORDED), tables.fingerprint("identity_links"))
        if of != self._people_of:
            rows = link_rows(tables.rows("identity_links"))
            found = recorded_on(lake, days)
            self._people, self._people_of = with_linked(found, self.pairs(lake, contents), rows), of
        return self._people


_ALWAYS = ("sightings", "strangers", "shared")


def _frames(links: Links) -> dict[str, Any]:
    decided = vars(links.decided) if links.decided is not None else {}
    return {name: getattr(links, name) for name in _ALWAYS} | decided


def _links(frames: dict[str, Any]) -> Links:
    always = {name: frames.pop(name) for name in _ALWAYS}
    return Links(**always, decided=Decided(**frames) if frames else None)
