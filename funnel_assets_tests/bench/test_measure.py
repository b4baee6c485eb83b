"""Processes are measured whole, and a failed one is never a figure."""

import json
import time
from pathlib import Path

import pytest

from funnel_assets.bench.measure import (
    BenchmarkCrashed,
    Spent,
    clean_environ,
    in_turns,
    median_ratio,
    run,
)
from funnel_assets.bench.results import Result, table, write


def module(folder: Path, body: str) -> dict[str, str]:
    (folder / "measured_work.py").write_text(body)
    environ = clean_environ()
    return environ | {"PYTHONPATH": f"{folder}:{environ['PYTHONPATH']}"}


def test_a_process_is_measured_with_its_children(tmp_path: Path) -> None:
    environ = module(
        tmp_path,
        "import subprocess, sys\n"
        "grown = 'x = bytearray(160 << 20); x[::4096] = b\"1\" * len(x[::4096])'\n"
        "subprocess.run([sys.executable, '-c', grown], check=True)\n"
        "print('{\"rows\": 7}')\n",
    )
    started = time.perf_counter()
    spent = run(["measured_work"], environ, tmp_path / "work.log")
    assert spent.told == {"rows": 7}
    assert spent.peak_mb > 150
    assert spent.cpu_seconds > 0
    assert 0 < spent.seconds <= time.perf_counter() - started


def test_a_failed_process_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    environ = module(tmp_path, "import sys\nprint('the disk is full')\nsys.exit(3)\n")
    with pytest.raises(BenchmarkCrashed, match=r"(?s)ended with 3.*the disk is full"):
        run(["measured_work"], environ, tmp_path / "work.log")


def test_children_find_no_home_and_no_server_of_their_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUNNEL_HOME", "/somewhere")
    monkeypatch.setenv("DAGSTER_HOME", "/somewhere")
    environ = clean_environ(FUNNEL_TODAY="2026-04-01")
    assert {name for name in environ if name.startswith(("FUNNEL_", "DAGSTER_"))} == {"FUNNEL_TODAY"}


def test_sides_take_turns() -> None:
    order: list[str] = []

    def side(name: str):
        def work(number: int) -> Spent:
            order.append(f"{name}{number}")
            return Spent(1.0, 1.0, 1.0, {})

        return work

    ours, theirs = in_turns(side("a"), side("b"), 3)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert (len(ours), len(theirs)) == (3, 3)


def test_the_ratio_is_the_median_of_the_pairs() -> None:
    # One noisy pair must not decide: means would give 4.3 here.
    assert median_ratio([2.0, 20.0, 3.0], [1.0, 2.0, 3.0]) == 2.0


def test_results_are_written_as_promised(tmp_path: Path) -> None:
    one = Result("a", 1.23456, "b", "at most 2", True, 0.123456, 12.6, 5)
    open_end = Result("c", None, "d", "none", None, 1.0, None, None)
    write([one, open_end], tmp_path / "latest.json")
    found = json.loads((tmp_path / "latest.json").read_text())
    keys = ["name", "ratio", "against", "target", "holds", "seconds", "peak_mb", "rows"]
    assert [list(row) for row in found] == [keys, keys]
    assert list(found[0].values()) == ["a", 1.235, "b", "at most 2", True, 0.123, 13.0, 5]
    assert found[1]["ratio"] is None
    assert table([one, open_end], "machine").row_count == 2


def test_memory_is_the_childs_own(tmp_path: Path) -> None:
    environ = module(tmp_path, "pass\n")
    ballast = bytearray(200 << 20)
    ballast[::4096] = b"1" * len(ballast[::4096])
    assert run(["measured_work"], environ, tmp_path / "work.log").peak_mb < 100
