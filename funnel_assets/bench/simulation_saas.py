"""Writing the SaaS world at full volume: twelve months, 27 million sessions."""

import shutil
from pathlib import Path

from funnel_assets.bench.measure import clean_environ, run
from funnel_assets.bench.results import Result

NAMES = ("simulate_saas",)
SCALE, QUICK_SCALE = 1.0, 0.01
MOST_SECONDS, MOST_MB = 600.0, 4096.0


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    out, scale = folder / "simulated_saas", QUICK_SCALE if quick else SCALE
    shutil.rmtree(out, ignore_errors=True)
    arguments = ["simulate", "--world", "saas", "--scale", str(scale), "--out", str(out)]
    spent = run(["funnel_assets.cli", *arguments], clean_environ(), folder / "simulate_saas.log")
    shutil.rmtree(out)
    return [
        Result(
            "simulate_saas",
            spent.seconds / MOST_SECONDS,
            f"{MOST_SECONDS / 60:.0f} min; 365 days at scale {scale:g} as Parquet, answer key included",
            f"under {MOST_SECONDS / 60:.0f} min and {MOST_MB / 1024:.0f} GB",
            spent.seconds < MOST_SECONDS and spent.peak_mb < MOST_MB,
            spent.seconds,
            spent.peak_mb,
            None,
        )
    ]
