"""Days that nobody made though they came and went: the machine was off, or their nightly run failed (SPEC 3).

History before the software's first start isn't owed: whoever wants it backfills it.
"""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from funnel_assets.pipeline.graph import days_between
from funnel_assets.storage.files import recall, write_whole


def owed_days(
    memory: Path,
    yesterday: dt.date,
    newest_made: dt.date | None,
    is_complete: Callable[[dt.date], bool],
    *,
    oldest_made: dt.date | None = None,
) -> list[dt.date]:
    """Return the days still owed, newest first, and remember that it was asked.

    Args:
        memory: File that keeps the last day seen and the days owed.
        yesterday: Newest day that has ended.
        newest_made: Newest day in the lake; what lies behind it is owed when there is no memory yet.
        is_complete: Whether a day has every dataset.
        oldest_made: First day in the lake; what has been missing since is owed when the memory is damaged.
    """
    known = recall(memory, _read)
    owed: set[dt.date] = set()
    if known is not None:
        seen, owed = known
    elif memory.exists() and oldest_made is not None:
        # What was owed is forgotten: every gap since the first day that was made is taken for one.
        seen = oldest_made
    else:
        seen = newest_made or yesterday
    if seen < yesterday:
        owed |= set(days_between(seen + dt.timedelta(days=1), yesterday))
    owed = {day for day in owed if not is_complete(day)}
    if (max(seen, yesterday), owed) != known:
        state = {"seen_until": str(max(seen, yesterday)), "owed": sorted(str(day) for day in owed)}
        write_whole(memory, json.dumps(state).encode())
    return sorted(owed, reverse=True)


def _read(content: dict[str, Any]) -> tuple[dt.date, set[dt.date]]:
    owed = {dt.date.fromisoformat(day) for day in content["owed"]}
    return dt.date.fromisoformat(content["seen_until"]), owed
