"""Reading an attendee report of 200 MB, four times what a source takes unless ``max_megabytes`` says otherwise.

Belongs here: how much time and memory it may take. Does not belong here: the report (`zoom_report`), the reader.
"""

from pathlib import Path

from funnel_assets.bench.measure import BenchmarkCrashed, clean_environ, run
from funnel_assets.bench.results import Result

NAMES = ("zoom_200mb",)
ROWS, QUICK_ROWS = 1_245_000, 124_500
MOST_SECONDS, MOST_MB = 60.0, 2_000.0


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    rows = QUICK_ROWS if quick else ROWS
    path = folder / "world" / f"attendees-{rows}.csv"
    log, module = folder / "zoom.log", "funnel_assets.bench.zoom_report"
    try:
        run([module, "write", str(path), str(rows)], clean_environ(), log)
        spent = run([module, "read", str(path)], clean_environ(), log)
        megabytes = path.stat().st_size / 1e6
    finally:
        path.unlink(missing_ok=True)
    if spent.told["rows"] != rows:
        raise BenchmarkCrashed(f"{spent.told['rows']} of {rows} rows were read")
    seconds = spent.told["cpu_seconds"]
    return [
        Result(
            "zoom_200mb",
            None,
            f"one read of {megabytes:.0f} MB",
            f"under {MOST_SECONDS:.0f} s of one core; under {MOST_MB:,.0f} MB",
            seconds < MOST_SECONDS and spent.peak_mb < MOST_MB,
            seconds,
            spent.peak_mb,
            rows,
        )
    ]
