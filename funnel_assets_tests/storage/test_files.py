"""Files that are written whole, and what is left of those that weren't."""

import contextlib
import errno
import os
import time
from pathlib import Path

import pytest

from funnel_assets.errors import DamagedFile, DiskRefused
from funnel_assets.storage import files
from funnel_assets.storage.files import read_json, recall, replacing, sweep, write_whole

DAMAGE = {
    "empty": b"",
    "cut": b'{"day": "2026-0',
    "random": bytes(range(256)) * 4,
    "another_type": b"[1, 2]",
    "deep": b"[" * 200_000,
    "surrogate": b'{"day": "\\ud800"}',
}


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "made" / "file.arrow"
    with replacing(target) as part:
        part.write_bytes(b"old")
        assert not target.exists()
    with contextlib.suppress(ZeroDivisionError), replacing(target) as part:
        part.write_bytes(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_only_old_leftovers_are_swept(tmp_path: Path) -> None:
    old, new, kept = (tmp_path / "deep" / name for name in ("a.1.tmp", "b.2.tmp", "c.arrow"))
    old.parent.mkdir()
    for path in (old, new, kept):
        path.write_bytes(b"x")
    for path in (old, kept):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert sweep(tmp_path) == 1
    assert {path.name for path in old.parent.iterdir()} == {"b.2.tmp", "c.arrow"}
    assert sweep(tmp_path / "nowhere") == 0


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_made_again_or_told(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "seen.json"

    def shape(content: dict[str, str]) -> str:
        return content["day"].encode().decode()

    assert recall(path, shape) is None
    assert read_json(path, shape, fix="x") is None
    path.write_bytes(DAMAGE[damage])
    assert recall(path, shape) is None
    with pytest.raises(
        DamagedFile, match=r"dataset spend, day 2026-11-01, file .*seen.json.* Next: restore it"
    ):
        read_json(path, shape, fix="restore it.", dataset="spend", day="2026-11-01")
    write_whole(path, b'{"day": "2026-11-01"}')
    assert recall(path, shape) == "2026-11-01"


def test_a_file_counts_once_bytes_and_name_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    rename = files.rename

    def renamed(part: Path, target: Path) -> None:
        told.append(f"rename {target.name}")
        rename(part, target)

    monkeypatch.setattr(files, "sync_file", lambda path: told.append(f"sync {path.name.partition('.')[0]}"))
    monkeypatch.setattr(files, "sync_folder", lambda path: told.append(f"sync {path.name}/"))
    monkeypatch.setattr(files, "rename", renamed)
    write_whole(tmp_path / "a" / "b" / "file", b"x")
    assert told == [f"sync {tmp_path.name}/", "sync a/", "sync file", "rename file", "sync b/"]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "share of the disk"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "may not write"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EFBIG, "ulimit -f"),
    ],
)
def test_a_disk_that_refuses_is_told_with_its_cure(tmp_path: Path, number: int, says: str) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def half() -> None:
        with replacing(target) as part:
            part.write_bytes(b"ne")
            raise OSError(number, os.strerror(number), str(part))

    with pytest.raises(DiskRefused, match=f"{says}.*same again"):
        half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_what_is_no_refusal_of_the_disk_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "file"):
        raise FileNotFoundError(errno.ENOENT, "no")
