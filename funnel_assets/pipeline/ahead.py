"""Sources fetched side by side, while the datasets before them are made.

A run makes one dataset after another; asked one by one, slow servers would add their times up.
"""

import queue
import threading
from collections.abc import Hashable, Iterable
from concurrent.futures import Future

from funnel_assets.config.source_model import Source
from funnel_assets.pipeline.landed import land
from funnel_assets.storage.landing import Landing, Snapshot

AT_ONCE = 4
"""So many sources are fetched at once: they are often on one server."""


class FetchAhead:
    """Fetches in the background; each fetch is handed out once.

    Args:
        landing: Where the bytes are kept.
    """

    def __init__(self, landing: Landing) -> None:
        self._landing = landing
        self._run: Hashable = None
        self._coming: dict[tuple[str, str], tuple[Source, Future[Snapshot]]] = {}

    def start(self, run: Hashable, sources: Iterable[Source]) -> None:
        """Begin to fetch sources, in their order, once in a run; what an earlier run didn't take is dropped."""
        if run == self._run:
            return
        for _, left in self._coming.values():
            left.cancel()
        self._run = run
        self._coming = {(source.dataset, source.name): (source, Future()) for source in sources}
        waiting: queue.SimpleQueue[tuple[Source, Future[Snapshot]]] = queue.SimpleQueue()
        for started in self._coming.values():
            waiting.put(started)
        for _ in range(min(AT_ONCE, waiting.qsize())):
            # A pool's threads would keep a cancelled run up until a slow server has answered.
            threading.Thread(target=self._fetch_all, args=(waiting,), name="fetch-ahead", daemon=True).start()

    def take(self, source: Source) -> Future[Snapshot] | None:
        """Return the fetch of a source, under way or done; None where the caller is to fetch it.

        That is one that was not begun, or with other settings: nobody waits for others' fetches.
        """
        started = self._coming.pop((source.dataset, source.name), None)
        if started is None or started[1].cancel() or started[0] != source:
            return None
        return started[1]

    def _fetch_all(self, waiting: "queue.SimpleQueue[tuple[Source, Future[Snapshot]]]") -> None:
        while True:
            try:
                source, future = waiting.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(
                    land(source, self._landing, self._landing.newest(source.dataset, source.name))
                )
            except BaseException as error:  # whoever takes it is told
                future.set_exception(error)
