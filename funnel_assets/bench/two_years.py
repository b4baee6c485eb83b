"""What a BI tool waits for: every view, asked of two years of the sample world as a backfill and a daily run left them.

Belongs here: how much there is. Does not belong here: asking the views (``history``).
"""

import datetime as dt
from pathlib import Path

from funnel_assets.bench.history import views_result
from funnel_assets.bench.results import Result
from funnel_assets.bench.worlds import LAST_DAY, new_home, written_world

NAMES = ("views_two_years",)
DAYS, QUICK_DAYS = 730, 60


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    days = QUICK_DAYS if quick else DAYS
    world = written_world(folder / "world", days, 1.0, [days - 1, days], folder / "world.log")
    before = LAST_DAY - dt.timedelta(days=1)
    with new_home(folder / "two-years", world, before) as home:
        home.funnel("backfill", "--from", str(world.start), "--to", str(before))
        home.morning_after(LAST_DAY)
        home.funnel("run", "--date", str(LAST_DAY))
        asked = home.python("funnel_assets.bench.history", "--as-published")
    return [views_result("views_two_years", asked.told)]
