"""When a day's row count is unusual enough to tell someone (SPEC 3, row-count trend).

Belongs here: the rule. Does not belong here: where counts come from, or who is told.
"""

import datetime as dt
import statistics
from collections.abc import Mapping

# A week has a shape (webinars on weekends), so a day is compared with the same weekday before it.
WEEKS = 8
FEWEST = 4
# Robust z-score by median and MAD; 3.5 is the usual cut (Iglewicz and Hoaglin 1993).
CUT = 3.5
# Counts below this jump around by nature.
SMALL = 20


def compared_days(day: dt.date) -> list[dt.date]:
    """Return the days that a day is compared with: the same weekday of the weeks before."""
    return [day - dt.timedelta(weeks=week) for week in range(1, WEEKS + 1)]


def usual_range(day: dt.date, rows: Mapping[dt.date, int]) -> tuple[int, int] | None:
    """Return the least and most rows that are usual for a day, from the same weekday of the weeks before.

    Args:
        day: The day asked about.
        rows: Rows per day, as far as known.

    Returns:
        Bounds (both usual), or None where fewer than four earlier weeks are known.
    """
    before = [rows[other] for other in compared_days(day) if other in rows]
    if len(before) < FEWEST:
        return None
    middle = statistics.median(before)
    spread = statistics.median(abs(count - middle) for count in before)
    # 1.4826 makes the MAD an estimate of a standard deviation; a quarter of the median is never unusual.
    reach = max(CUT * 1.4826 * spread, middle / 4, SMALL)
    return max(0, int(middle - reach)), int(middle + reach)
