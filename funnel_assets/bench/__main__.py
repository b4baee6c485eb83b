"""``make bench``: every benchmark, a table on the screen, and ``$FUNNEL_HOME/bench/latest.json`` (SPEC 2).

Exit code 0 even where a target is missed, because a measurement is a measurement; 1 only where one crashed.
"""

import importlib
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from funnel_assets.bench import results
from funnel_assets.bench.measure import machine
from funnel_assets.bench.results import Result
from funnel_assets.config.settings import load_settings
from funnel_assets.errors import UsageError

# Short ones first, so that a first table is there early when somebody watches.
BENCHMARKS = ("zoom_report", "identity", "simulation", "truth", "history")
LONG = ("zoom_huge", "simulation_saas", "two_years", "year")


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a benchmark; may be given several times.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Smaller data; targets then say little.")] = False,
    long: Annotated[
        bool,
        typer.Option(
            "--long",
            help="Also a Zoom report of 200 MB, the SaaS world at full volume, the views on two years (minutes each), "
            "and the year at ten times the size (an hour).",
        ),
    ] = False,
) -> None:
    """Run the benchmarks. Example: `python -m funnel_assets.bench --only zoom_100k`"""
    screen = Console()
    folder = load_settings().bench
    folder.mkdir(parents=True, exist_ok=True)
    where = machine()
    screen.print(where)
    found, crashed = _run(_chosen(only or [], long), folder, quick, screen)
    if only:
        found = [one for one in found if one.name in only]
    results.write(found, folder / "latest.json")
    note = "Quick run on smaller data: its targets are those of the full size.\n" if quick else ""
    screen.print(results.table(found, f"{note}{where}"))
    screen.print(f"Written to {folder / 'latest.json'}", soft_wrap=True)
    raise typer.Exit(1 if crashed else 0)


def _chosen(only: list[str], long: bool) -> list[str]:
    names = {module: _module(module).NAMES for module in (*BENCHMARKS, *LONG)}
    if not only:
        return [*BENCHMARKS, *(LONG if long else ())]
    known = {name for of_module in names.values() for name in of_module}
    unknown = sorted(set(only) - known)
    if unknown:
        raise UsageError(
            f"there is no benchmark {', '.join(unknown)}.", fix=f"use one of {', '.join(sorted(known))}."
        )
    return [module for module, of_module in names.items() if set(of_module) & set(only)]


def _module(name: str):
    return importlib.import_module(f"funnel_assets.bench.{name}")


def _run(modules: list[str], folder: Path, quick: bool, screen: Console) -> tuple[list[Result], bool]:
    found: list[Result] = []
    crashed = False
    for name in modules:
        started = time.monotonic()
        screen.print(f"Measuring {', '.join(_module(name).NAMES)} …")
        try:
            found += _module(name).benchmark(folder, quick)
        except Exception as error:  # one that crashed must not take the others' figures along
            crashed = True
            screen.print(f"[bold red]Crashed:[/] {name}: {escape(str(error))}", highlight=False)
        screen.print(f"  {time.monotonic() - started:.0f} s")
    return found, crashed


if __name__ == "__main__":
    try:
        typer.run(main)
    except UsageError as error:
        Console(stderr=True).print(f"[bold red]Not possible:[/] {error}", highlight=False)
        raise SystemExit(2) from None
