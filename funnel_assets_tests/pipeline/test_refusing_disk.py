"""A disk that refuses: said with its cure, nothing half-written, and mended by itself once it no longer does."""

import contextlib
import errno
import os
import resource
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from funnel_assets.errors import DiskRefused
from funnel_assets.pipeline import room
from funnel_assets.pipeline.graph import in_order
from funnel_assets.storage import files
from funnel_assets.storage import warehouse as warehouse_module
from funnel_assets.storage.postgres import ensure_server, stop_server
from funnel_assets_tests import command
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import Place, place

from .test_power_cuts import make_all, state


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=3, scale=0.03) as made, harness.secrets_in_environment(made):
        yield made


@contextlib.contextmanager
def limited(kind: int, most: int) -> Iterator[None]:
    before = resource.getrlimit(kind)
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own; skips, saying so, where this process may not mount one."""
    folder.mkdir(exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"no disk can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def made_after_all(here: Place, home: Path, wanted: dict[str, object]) -> None:
    environ = {**here.environ, "FUNNEL_HOME": str(home)}
    again = harness.open_pipeline(Place(home, here.world, here.server, environ))
    make_all(again, again.all_days())
    assert state(again) == wanted


@pytest.fixture(scope="module")
def wanted(here: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What a home holds on which nothing was refused."""
    home = tmp_path_factory.mktemp("wanted")
    shutil.copytree(here.home, home, dirs_exist_ok=True)
    opened = harness.open_pipeline(here, FUNNEL_HOME=str(home))
    make_all(opened, opened.all_days())
    return state(opened)


def test_a_disk_that_fills_up(here: Place, tmp_path: Path, wanted: dict[str, object]) -> None:
    with mounted(tmp_path / "small", "size=1m") as home:
        shutil.copytree(here.home, home, dirs_exist_ok=True)
        filler = home / "filler"
        free = shutil.disk_usage(home).free
        filler.write_bytes(bytes(max(free - 90_000, 0)))
        opened = harness.open_pipeline(here, FUNNEL_HOME=str(home))
        failed = [opened.make(name, opened.all_days()).failed for name in in_order()]
        told = [
            str(error) for errors in failed for error in errors.values() if isinstance(error, DiskRefused)
        ]
        assert told
        assert all("the disk is full" in text and "Next: free space" in text for text in told)
        state(opened)
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", str(home)], check=True)
        made_after_all(here, home, wanted)


def test_a_disk_without_inodes(here: Place, tmp_path: Path, wanted: dict[str, object]) -> None:
    with mounted(tmp_path / "few", "size=64m,nr_inodes=150") as home:
        shutil.copytree(here.home, home, dirs_exist_ok=True)
        opened = harness.open_pipeline(here, FUNNEL_HOME=str(home))
        failed = [opened.make(name, opened.all_days()).failed for name in in_order()]
        told = [
            str(error) for errors in failed for error in errors.values() if isinstance(error, DiskRefused)
        ]
        assert told
        assert all("no inodes" in text for text in told)
        state(opened)
        subprocess.run(["mount", "-o", "remount,nr_inodes=100000", str(home)], check=True)
        made_after_all(here, home, wanted)


def test_a_home_that_is_read_only(here: Place, tmp_path: Path) -> None:
    with mounted(tmp_path / "fixed", "size=16m") as home:
        shutil.copytree(here.home, home, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
        opened = harness.open_pipeline(here, FUNNEL_HOME=str(home))
        outcome = opened.make("raw_leads", opened.all_days())
        assert "read-only" in str(outcome.error())
        done = command.funnel("run", environ={**harness.environment(here), "FUNNEL_HOME": str(home)})
        assert done.returncode == 1
        assert "read-only" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("kind", "most", "says"),
    [(resource.RLIMIT_FSIZE, 2_000, "ulimit -f"), (resource.RLIMIT_NOFILE, 0, "ulimit -n")],
    ids=["file_size", "open_files"],
)
def test_limits_of_the_process(
    here: Place, tmp_path: Path, wanted: dict[str, object], kind: int, most: int, says: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(here.home, home)
    opened = harness.open_pipeline(here, FUNNEL_HOME=str(home))
    opened.sources(), opened.tables()
    with contextlib.ExitStack() as held, limited(kind, most or max(map(int, os.listdir("/proc/self/fd")))):
        with contextlib.suppress(OSError):
            while not most:
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        told = [opened.make(name, opened.all_days()).error() for name in ("spend", "zoom_attendance")]
    assert any(error is not None and says in str(error) for error in told), told
    state(opened)
    made_after_all(here, home, wanted)


def test_a_database_whose_disk_is_full_says_so(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = psycopg2.errors.DiskFull('could not extend file "base/1/2": No space left on device')
    told = warehouse_module._explained(refused)
    assert "No space left" in str(told)
    assert "Next: free space" in str(told)


def test_a_database_on_a_full_disk_starts_once_there_is_room(here: Place, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=200m") as home:
        ensure_server(home)
        stop_server(home)
        filler = home / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        with contextlib.suppress(OSError), filler.open("ab") as file:
            while True:
                file.write(bytes(512))
                file.flush()
        with pytest.raises(Exception, match="") as caught:
            ensure_server(home)
        told = str(files.refusal(caught.value) or caught.value)
        assert "Next: free" in told, told
        filler.unlink()
        ensure_server(home)
        stop_server(home)


def test_room_is_reckoned_before_a_long_backfill(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = harness.open_pipeline(here)
    days = opened.all_days()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(room, "LONG", 3)
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage(10**12, 0, 10**8))
    with pytest.raises(DiskRefused, match=r"3 day\(s\) take about .* GB are free. Nothing was begun"):
        room.refuse_too_little_room(opened.settings, days)
    outcome = opened.make("raw_leads", days)
    assert "Nothing was begun" in str(outcome.error())
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage(10**12, 0, 10**10))
    room.refuse_too_little_room(opened.settings, days)


def test_errors_that_quote_the_system_are_told_alike() -> None:
    for quoted in (errno.ENOSPC, errno.EMFILE, errno.EROFS):
        error = RuntimeError(f"IO Error: Could not write: {os.strerror(quoted)}")
        assert isinstance(files.refusal(error), DiskRefused)
    assert files.refusal(RuntimeError("Permission denied for table leads")) is None
