"""``make bench`` as a whole: a missed target is a figure, a crash is an exit code."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from funnel_assets.bench import __main__ as bench
from funnel_assets.bench.results import Result
from funnel_assets.errors import UsageError


def found(name: str, holds: bool) -> Result:
    return Result(name, 2.0, "something", "at most 1", holds, 1.0, 10.0, 1)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, list[dict[str, object]]]]:
    def broken(folder: Path, quick: bool) -> list[Result]:
        raise RuntimeError("out of [memory]")

    modules = {
        "slow": SimpleNamespace(NAMES=("slow",), benchmark=lambda folder, quick: [found("slow", False)]),
        "pair": SimpleNamespace(
            NAMES=("one", "two"), benchmark=lambda folder, quick: [found("one", True), found("two", quick)]
        ),
        "broken": SimpleNamespace(NAMES=("broken",), benchmark=broken),
        "long": SimpleNamespace(NAMES=("long",), benchmark=lambda folder, quick: [found("long", True)]),
    }
    monkeypatch.setattr(bench, "BENCHMARKS", ("slow", "pair", "broken"))
    monkeypatch.setattr(bench, "LONG", ("long",))
    monkeypatch.setattr(bench, "_module", modules.__getitem__)
    monkeypatch.setenv("FUNNEL_HOME", str(tmp_path))
    app = typer.Typer()
    app.command()(bench.main)

    def call(*arguments: str) -> tuple[int, list[dict[str, object]]]:
        result = CliRunner().invoke(app, arguments)
        if isinstance(result.exception, UsageError):
            raise result.exception
        return result.exit_code, json.loads((tmp_path / "bench" / "latest.json").read_text())

    return call


def test_a_missed_target_is_no_failure(run: Callable[..., tuple[int, list[dict[str, object]]]]) -> None:
    code, rows = run("--only", "slow")
    assert code == 0
    assert [(row["name"], row["holds"]) for row in rows] == [("slow", False)]


def test_a_crash_is_told_and_the_others_still_count(
    run: Callable[..., tuple[int, list[dict[str, object]]]],
) -> None:
    code, rows = run()
    assert code == 1
    assert [row["name"] for row in rows] == ["slow", "one", "two"]


def test_one_name_shows_that_one(run: Callable[..., tuple[int, list[dict[str, object]]]]) -> None:
    assert [row["name"] for row in run("--only", "two", "--quick")[1]] == ["two"]


def test_long_ones_only_when_asked_for(run: Callable[..., tuple[int, list[dict[str, object]]]]) -> None:
    assert "long" in [row["name"] for row in run("--long")[1]]
    assert [row["name"] for row in run("--only", "long")[1]] == ["long"]


def test_an_unknown_name_is_wrong_usage(run: Callable[..., tuple[int, list[dict[str, object]]]]) -> None:
    with pytest.raises(UsageError, match="no benchmark nothing"):
        run("--only", "nothing")
