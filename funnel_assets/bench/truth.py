"""The pipeline held to the truth on the default sample world with every fault planted: how much of it is right."""

import datetime as dt
import shutil
from pathlib import Path

from funnel_assets.bench.measure import clean_environ, run
from funnel_assets.bench.results import Result
from funnel_assets.bench.worlds import LAST_DAY, remove_home
from funnel_assets.simulate.score import score_world
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.quarantine import Quarantine

NAMES = ("truth_identity_precision", "truth_identity_recall", "truth_first_touch", "truth_exact")
DAYS, QUICK_DAYS = 120, 16
# What the records tell; the rest shares or changes a phone, or gives neither a phone nor a known address. Pairs of
# records count, so people with many weigh more.
LEAST = {"identity: precision": 0.995, "identity: recall": 0.97, "first touch: right": 0.99}


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    days = QUICK_DAYS if quick else DAYS
    home, log = folder / "truth", folder / "truth.log"
    remove_home(home)
    shutil.rmtree(home, ignore_errors=True)
    start = LAST_DAY - dt.timedelta(days=days - 1)
    world = ["--days", str(days), "--end-date", str(LAST_DAY), "--faults", "moderate", "--out", str(home)]
    run(["funnel_assets.cli", "simulate", *world], clean_environ(), log)
    environ = clean_environ(FUNNEL_HOME=str(home), FUNNEL_TODAY=str(LAST_DAY + dt.timedelta(days=1)))
    try:
        span = ["--from", str(start), "--to", str(LAST_DAY)]
        spent = run(["funnel_assets.cli", "backfill", *span], environ, log)
        scored = score_world(home, Lake(str(home / "lake")), Quarantine(home / "quarantine"))
        rows = len(scored.key("leads"))
    finally:
        remove_home(home)
    checks = scored.checks.results
    failed = [check.name for check in checks if not check.passed]
    shares = [
        Result(
            f"truth_{name}",
            scored.figures[figure],
            f"the answer key; {days} days, every fault planted",
            f"at least {100 * least:g} %",
            scored.figures[figure] >= least,
            spent.seconds,
            spent.peak_mb,
            rows,
        )
        for name, (figure, least) in zip(
            ("identity_precision", "identity_recall", "first_touch"), LEAST.items(), strict=True
        )
    ]
    exact = Result(
        "truth_exact",
        1 - len(failed) / len(checks),
        f"{len(checks)} comparisons with the answer key; wrong: {', '.join(failed) or 'none'}",
        "all",
        not failed,
        spent.seconds,
        spent.peak_mb,
        rows,
    )
    return [*shares, exact]
