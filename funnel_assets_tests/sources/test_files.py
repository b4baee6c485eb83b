"""A dropped file is taken whole, or not yet."""

import io
import os
from pathlib import Path

import pytest

from funnel_assets.errors import SourceBroken, SourceUnavailable
from funnel_assets.sources.files import find_files, is_settled, newest_file, take_file


def drop(folder: Path, name: str, changed: float, content: bytes = b"x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (changed, changed))
    return path


def test_locations_may_be_files_folders_and_patterns(tmp_path: Path) -> None:
    new, old = drop(tmp_path, "in/crm_1.csv", 20), drop(tmp_path, "in/crm_2.csv", 10)
    other = drop(tmp_path, "in/other.csv", 30)
    assert find_files("in", tmp_path) == [old, new, other]
    assert find_files("in/crm_*.csv", tmp_path) == [old, new]
    assert find_files(str(tmp_path / "in/*_1.csv"), Path("/nowhere")) == [new]
    assert newest_file("in/crm_*", tmp_path) == new


def test_unfinished_files_are_not_seen(tmp_path: Path) -> None:
    for name in (".hidden.csv", "~$open.xlsx", "a.csv.part", "b.crdownload", "c.TMP"):
        drop(tmp_path, name, 1)
    with pytest.raises(SourceUnavailable, match="no file"):
        newest_file(".", tmp_path)


def test_a_file_settles(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", 100)
    assert not is_settled(path, quiet_s=5, now=104)
    assert is_settled(path, quiet_s=5, now=105)
    assert not is_settled(tmp_path / "gone.csv")


def test_take_copies_and_dates(tmp_path: Path) -> None:
    sink = io.BytesIO()
    taken = take_file(drop(tmp_path, "a.csv", 100, b"1,2\n"), sink)
    assert (sink.getvalue(), taken.bytes, taken.modified_at.timestamp()) == (b"1,2\n", 4, 100)


def test_a_file_that_grows_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    path = drop(tmp_path, "a.csv", 100, b"1,2\n")

    class Growing(io.BytesIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            with path.open("ab") as more:
                more.write(b"3,4\n")
            return super().write(data)

    with pytest.raises(SourceUnavailable, match="still writing"):
        take_file(path, Growing())


def test_empty_and_missing_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match="empty"):
        take_file(drop(tmp_path, "a.csv", 1, b""), io.BytesIO())
    with pytest.raises(SourceBroken, match="can't be read"):
        take_file(tmp_path / "gone.csv", io.BytesIO())
