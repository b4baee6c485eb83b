"""Who is who, worked out once for all datasets of a run: most of them ask it of the same records."""

from collections.abc import Callable, Hashable
from typing import Any

import narwhals as nw
import pyarrow as pa

from funnel_assets.domain.identity import Decided, Links
from funnel_assets.storage.engine import Engine


class KnownLinks:
    """The last answer to who is who, kept as Arrow tables, which every engine takes."""

    def __init__(self) -> None:
        self._of: Hashable = None
        self._tables: dict[str, pa.Table] = {}

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


_ALWAYS = ("sightings", "strangers", "shared")


def _frames(links: Links) -> dict[str, Any]:
    decided = vars(links.decided) if links.decided is not None else {}
    return {name: getattr(links, name) for name in _ALWAYS} | decided


def _links(frames: dict[str, Any]) -> Links:
    always = {name: frames.pop(name) for name in _ALWAYS}
    return Links(**always, decided=Decided(**frames) if frames else None)
