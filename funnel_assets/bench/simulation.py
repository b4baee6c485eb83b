"""Writing the default sample world: everybody waits for it before their first funnel."""

import shutil
from pathlib import Path

from funnel_assets.bench.measure import clean_environ, median, run
from funnel_assets.bench.results import Result

NAMES = ("simulate_default",)
DAYS, QUICK_DAYS = 120, 20
MOST_SECONDS = 10.0
TIMES = 3


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    days = QUICK_DAYS if quick else DAYS
    out = folder / "simulated"
    arguments = ["simulate", "--world", "edtech", "--days", str(days), "--out", str(out)]
    spent = []
    for _ in range(TIMES):
        shutil.rmtree(out, ignore_errors=True)
        spent.append(run(["funnel_assets.cli", *arguments], clean_environ(), folder / "simulate.log"))
    rows = sum(_lines(path) for path in out.rglob("*.csv") if "config" not in path.parts)
    shutil.rmtree(out)
    seconds = median([one.seconds for one in spent])
    cpu = median([one.cpu_seconds for one in spent])
    return [
        Result(
            "simulate_default",
            seconds / MOST_SECONDS,
            f"{MOST_SECONDS:.0f} s; {days} days, whole process, answer key included ({cpu:.1f} CPU s)",
            f"under {MOST_SECONDS:.0f} s",
            seconds < MOST_SECONDS,
            seconds,
            max(one.peak_mb for one in spent),
            rows,
        )
    ]


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
