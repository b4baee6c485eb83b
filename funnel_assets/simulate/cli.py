"""What ``funnel simulate`` does, as plain functions.

Belongs here: the commands on simulated worlds. Does not belong here: parsing of options (the package CLI),
the worlds.
"""

import datetime as dt
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from funnel_assets.config.settings import Settings
from funnel_assets.errors import UsageError
from funnel_assets.simulate.check import check_world, show_checks
from funnel_assets.simulate.edtech import DEFAULT_DAYS, build_edtech, write_world
from funnel_assets.simulate.faults import Faults
from funnel_assets.simulate.saas import DEFAULT_DAYS as SAAS_DAYS
from funnel_assets.simulate.saas import build_saas, write_saas
from funnel_assets.simulate.score import score_world
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.quarantine import Quarantine

WORLDS = ("edtech", "saas")


def simulate(
    world: str = "edtech",
    days: int | None = None,
    end_date: dt.date | None = None,
    scale: float = 1.0,
    seed: int = 1,
    out: Path = Path("data/world"),
    faults: str = "",
    console: Console | None = None,
) -> list[Path]:
    """Make a world and write it as files.

    Args:
        world: One of `WORLDS`.
        days: Number of days; each world has its own default.
        end_date: Last day; yesterday in Asia/Kolkata by default.
        scale: 1.0 is the world's usual volume.
        seed: Names the world; the same arguments give the same bytes on any machine.
        out: Folder to write to.
        faults: ``moderate``, or ``junk_phones=20,cut_files=1``; see `Faults`.
        console: Where to say what was written.

    Raises:
        UsageError: For an unknown world or fault, or a world without days.
    """
    screen = console or Console()
    if world not in WORLDS:
        raise UsageError(f"there is no world {world!r}", fix=f"use --world {' or '.join(WORLDS)}")
    planted = Faults.parse(faults)
    if world == "saas":
        return _simulate_saas(days or SAAS_DAYS, end_date, scale, seed, out, planted, screen)
    built = build_edtech(days or DEFAULT_DAYS, end_date, scale, seed, planted)
    written = write_world(built, out)
    screen.print(
        f"{len(written)} files of the ed-tech world, {built.start_date} to {built.end_date}, are in {out}"
    )
    return written


def _simulate_saas(
    days: int,
    end_date: dt.date | None,
    scale: float,
    seed: int,
    out: Path,
    faults: Faults,
    screen: Console,
) -> list[Path]:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} days")
    with Progress(*columns, TimeRemainingColumn(), console=screen) as bar:
        task = bar.add_task("Making the SaaS world", total=days)
        built = build_saas(days, end_date, scale, seed, faults)
        written = write_saas(built, out, lambda done, total: bar.update(task, completed=done, total=total))
    screen.print(
        f"{len(written)} files of the SaaS world, {built.start_date} to {built.end_date}, are in {out}; "
        "its settings are in .env there (FUNNEL_TIMEZONE=UTC, FUNNEL_CURRENCY=USD)"
    )
    return written


def score(folder: Path, settings: Settings, console: Console | None = None) -> bool:
    """Compare what the pipeline made of a written world with its answer key, and show the result.

    Returns:
        Whether all of it is right.

    Raises:
        UsageError: When the folder holds no world.
        MissingPartitions: When the home's lake lacks a day of the world.
    """
    scored = score_world(folder, Lake(settings.lake), Quarantine(settings.quarantine))
    results = scored.checks.results
    show_checks(results, console, title="The pipeline against the answer key")
    return all(result.passed for result in results)


def check(folder: Path, console: Console | None = None, only_failed: bool = False) -> bool:
    """Check a written world and show the result.

    Returns:
        Whether every check passed.

    Raises:
        UsageError: When the folder holds no world.
    """
    results = check_world(folder)
    show_checks(results, console, only_failed)
    return all(result.passed for result in results)
