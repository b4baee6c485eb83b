"""A dropped file is taken whole, or not yet."""

import io
import os
from pathlib import Path

import pytest

from funnel_assets.errors import SourceBroken, SourceUnavailable
from funnel_assets.sources.files import take_file


def drop(folder: Path, name: str, changed: float, content: bytes = b"x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (changed, changed))
    return path


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
