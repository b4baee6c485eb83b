"""Checks a written world against its own answer key and the rules it was made by.

Belongs here: choosing and showing the checks. Does not belong here: the checks (`check_edtech`, `check_saas`).
"""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from funnel_assets.errors import UsageError
from funnel_assets.simulate.check_edtech import check_edtech
from funnel_assets.simulate.check_saas import check_saas
from funnel_assets.simulate.checklist import Checklist, CheckResult

ABOUT = Path("answer_key", "world.json")
_CHECKS = {"edtech": check_edtech, "saas": check_saas}


def read_about(folder: Path) -> dict[str, Any]:
    """Return what a written world says of itself.

    Raises:
        UsageError: When the folder holds no world.
    """
    try:
        return json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{folder} holds no simulated world", fix="make one with `funnel simulate --out DIR`"
        ) from error


def check_world(folder: Path) -> list[CheckResult]:
    """Check a written world.

    Args:
        folder: What ``funnel simulate --out`` wrote.

    Returns:
        Every check in order; a file that can't be read is a failed check.

    Raises:
        UsageError: When the folder holds no world.
    """
    about = read_about(folder)
    checks = Checklist()
    if about.get("world") not in _CHECKS:
        raise UsageError(
            f"{folder} holds a world of unknown kind", fix="make it again with `funnel simulate --out DIR`"
        )
    checks.run("world readable", lambda: _CHECKS[about["world"]](folder, checks))
    return checks.results


def show_checks(
    results: list[CheckResult],
    console: Console | None = None,
    only_failed: bool = False,
    title: str = "Checks of the simulated world",
) -> None:
    """Print the checks as a table, failures last, and how many there are."""
    table = Table("", "check", "expected", "observed", "tolerance", title=title)
    for result in sorted(results, key=lambda r: not r.passed):
        if only_failed and result.passed:
            continue
        mark = "[green]pass[/]" if result.passed else "[bold red]FAIL[/]"
        table.add_row(mark, result.name, result.expected, result.observed, result.tolerance)
    screen = console or Console()
    screen.print(table)
    failed = sum(not result.passed for result in results)
    screen.print(f"{len(results)} checks, {failed} failed")
