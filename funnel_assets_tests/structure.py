"""The shape of the package, counted: rooms, import edges, circles, lines, and what a few things pass on their way.

    python -m funnel_assets_tests.structure           modules, levels, edges, circles, lines and statements
    python -m funnel_assets_tests.structure --walks   also the functions that four things pass, traced in a small world

Imports are read from the source; imports within functions count too. A walk counts distinct functions of the package
that are called.
"""

import argparse
import ast
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import FrameType

PACKAGE = Path(__file__).resolve().parents[1] / "funnel_assets"
NOT_PRODUCTION = ("simulate", "bench")


def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name."""
    return {_dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(known: dict[str, Path]) -> dict[str, set[str]]:
    """Return which modules of the package each module imports."""
    return {name: set(_imported(name, path, known)) - {name} for name, path in known.items()}


def _imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found = inner if inner in known else node.module
                if found in known:
                    yield found
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def outside_imports(path: Path) -> set[str]:
    """Return the top-level packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
    return found


def circle(edges: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle; none when there is none."""
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        return error.args[1]
    return []


def levels(edges: dict[str, set[str]]) -> int:
    """Return how many modules the longest chain of imports has; 0 where there are circles."""
    if circle(edges):
        return 0
    depth: dict[str, int] = {}
    for name in TopologicalSorter(edges).static_order():
        depth[name] = 1 + max((depth[below] for below in edges[name]), default=0)
    return max(depth.values())


def statements(path: Path) -> int:
    """Return how many statements a module has, docstrings left out."""
    nodes = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.stmt)
    ]
    return sum(not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)) for n in nodes)


def production(known: dict[str, Path]) -> dict[str, Path]:
    """Leave out what makes sample worlds and measures."""
    return {
        name: path
        for name, path in known.items()
        if name.split(".")[1:2] not in [[n] for n in NOT_PRODUCTION]
    }


def report() -> Iterator[str]:
    """Yield the counts, a line each."""
    known = production(modules())
    edges = imports(known)
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in known.values())
    root = [name for name, path in known.items() if path.parent == PACKAGE and path.stem != "__init__"]
    dagster = sorted(name for name, path in known.items() if "dagster" in outside_imports(path))
    yield f"modules                 {len(known)}"
    yield f"modules at the root     {len(root)}"
    yield f"import edges            {sum(map(len, edges.values()))}"
    yield f"levels                  {levels(edges) or 'none: circular'}"
    yield f"circle                  {' > '.join(circle(edges)) or 'none'}"
    yield f"modules with Dagster    {len(dagster)}, in {', '.join(sorted({_room(name) for name in dagster}))}"
    yield f"lines                   {lines}"
    yield f"statements              {sum(map(statements, known.values()))}"


def _room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 2 else parts[-1]


# --- walks ------------------------------------------------------------------------------------------------------------


@contextmanager
def _traced() -> Iterator[set[tuple[str, str]]]:
    """Collect the (module, function) pairs of the package that are called meanwhile, in all threads."""
    called: set[tuple[str, str]] = set()
    inside = str(PACKAGE)

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(inside) and "<" not in code.co_name:
            called.add((code.co_filename, code.co_qualname))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        yield called
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def walks() -> Iterator[str]:
    """Yield what a daily run, a CRM dump, a Zoom report and a changed dump pass, in a world of five days."""
    from funnel_assets_tests.orchestration.harness import secrets_in_environment
    from funnel_assets_tests.world import place

    with place(days=5, scale=0.04, drop=False) as here, secrets_in_environment(here):
        yield from _walked("a CRM dump, from HTTP to Parquet", lambda: _make(here, ["crm_sales"]))
        yield from _walked("a Zoom report", lambda: (here.drop_all(), _make(here, ["zoom_attendance"])))
        yield from _walked("a daily run, from the asset to PostgreSQL", lambda: _daily(here))
        yield from _walked("a changed dump, to its restated days", lambda: _restate(here))


def _walked(what: str, do: Callable[[], object]) -> Iterator[str]:
    with _traced() as called:
        do()
    yield f"{what:42} {len(called):4} functions in {len({file for file, _ in called}):3} modules"


def _make(here, datasets: Iterable[str]) -> None:  # type: ignore[no-untyped-def]
    from funnel_assets.pipeline.pipeline import Pipeline

    pipeline = Pipeline(here.settings)
    for dataset in datasets:
        outcome = pipeline.make(dataset, pipeline.all_days())
        assert not outcome.failed, outcome.error()


def _daily(here) -> None:  # type: ignore[no-untyped-def]
    import os

    from funnel_assets import launch

    os.environ.update(here.environ)
    launch.prepare(here.settings)
    assert launch.run_days(here.world.start_date, here.settings.yesterday())


def _restate(here) -> None:  # type: ignore[no-untyped-def]
    from funnel_assets import launch

    path = here.home / "config" / "placeholders.csv"
    path.write_text(path.read_text() + "9812345678,phone\n" if path.exists() else "value\n9812345678\n")
    launch.restate(here.settings)


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--walks", action="store_true", help="trace the four walks too (a minute)")
    given = parser.parse_args()
    for line in report():
        print(line)  # noqa: T201
    if given.walks:
        for line in walks():
            print(line)  # noqa: T201


if __name__ == "__main__":
    main()
