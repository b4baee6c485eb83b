"""Days that nobody made though they came and went: the machine was off, or their nightly run failed (SPEC 3).

History before the software's first start isn't owed: whoever wants it backfills it.
"""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

from funnel_assets.pipeline.graph import days_between
from funnel_assets.storage.files import write_whole


def owed_days(
    memory: Path, yesterday: dt.date, newest_made: dt.date | None, is_complete: Callable[[dt.date], bool]
) -> list[dt.date]:
    """Return the days still owed, newest first, and remember that it was asked.

    Args:
        memory: File that keeps the last day seen and the days owed.
        yesterday: Newest day that has ended.
        newest_made: Newest day in the lake; what lies behind it is owed when there is no memory yet.
        is_complete: Whether a day has every dataset.
    """
    known = json.loads(memory.read_text()) if memory.exists() else None
    owed: set[dt.date] = set()
    if known is not None:
        owed = {dt.date.fromisoformat(day) for day in known["owed"]}
        seen = dt.date.fromisoformat(known["seen_until"])
    else:
        seen = newest_made or yesterday
    if seen < yesterday:
        owed |= set(days_between(seen + dt.timedelta(days=1), yesterday))
    owed = {day for day in owed if not is_complete(day)}
    state = {"seen_until": str(max(seen, yesterday)), "owed": sorted(str(day) for day in owed)}
    if state != known:
        write_whole(memory, json.dumps(state).encode())
    return sorted(owed, reverse=True)
