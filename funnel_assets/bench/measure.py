"""How a benchmark is measured: whole child processes, their time and peak memory, two sides taken in turns.

Belongs here: running and timing. Does not belong here: what is measured, and what counts as good.

Every measured piece of work is a process of its own, so that its peak memory is its own and imports are paid as a
user pays them (see also ``launcher``).
"""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

MEGABYTE = 1 << 20
# Linux tells a process's peak in kilobytes, macOS in bytes.
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1 << 10
_LAUNCHER = Path(__file__).with_name("launcher.py")


class BenchmarkCrashed(Exception):
    """A measured process failed, so there is nothing to compare."""


@dataclass(frozen=True)
class Spent:
    """What one process took.

    Attributes:
        seconds: From its start to its end.
        cpu_seconds: Of the process and the children it waited for, all cores together.
        peak_mb: Largest resident size of the process or one of the children it waited for.
        told: What it printed as its last line, where that is JSON; else nothing.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    told: Mapping[str, Any]


def run(arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> Spent:
    """Run ``python -m …`` to its end and measure it.

    Args:
        arguments: What stands after ``python -m``.
        environ: The process's whole environment.
        log: Where its output goes; its folder is the working directory, so that no ``.env`` of a project counts.

    Raises:
        BenchmarkCrashed: It ended with another exit code than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    launched = subprocess.run(
        [sys.executable, str(_LAUNCHER), str(log), sys.executable, "-m", *arguments],
        stdout=subprocess.PIPE,
        env=dict(environ),
        cwd=log.parent,
        check=True,
    )
    took = json.loads(launched.stdout)
    text = log.read_text(encoding="utf-8", errors="replace")
    if took["code"]:
        raise BenchmarkCrashed(
            f"`{' '.join(arguments)}` ended with {took['code']}; {log} ends with:\n{text[-1500:]}"
        )
    return Spent(
        seconds=took["seconds"],
        cpu_seconds=took["cpu_seconds"],
        peak_mb=took["peak"] * _PEAK_UNIT / MEGABYTE,
        told=_last_line(text),
    )


def _last_line(text: str) -> Mapping[str, Any]:
    lines = text.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    return json.loads(lines[-1])


def say(**facts: Any) -> None:
    """Print what a measured process tells the one that measures it."""
    sys.stdout.write(json.dumps(facts) + "\n")


def clean_environ(**added: str) -> dict[str, str]:
    """Return this process's environment without anything that would lead a child to another home or server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FUNNEL_", "DAGSTER_"))}
    project = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [project, kept.get("PYTHONPATH")]))
    return kept | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"} | added


def in_turns(
    ours: Callable[[int], Spent], theirs: Callable[[int], Spent], pairs: int
) -> tuple[list[Spent], list[Spent]]:
    """Measure two sides A B A B …, so that a noisy moment of the machine falls on both."""
    sides: tuple[list[Spent], list[Spent]] = ([], [])
    for number in range(pairs):
        sides[0].append(ours(number))
        sides[1].append(theirs(number))
    return sides


def median(values: Sequence[float]) -> float:
    """Return the median, as a plain number."""
    return float(statistics.median(values))


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the pairs' ratios."""
    return median([mine / other for mine, other in zip(ours, theirs, strict=True)])


def machine() -> str:
    """Say which machine this is, and how busy it was before."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{psutil.virtual_memory().total / (1 << 30):.0f} GB memory, Python {platform.python_version()}, "
        f"load average before (1, 5, 15 min): {load}"
    )
