"""Files that are written whole, and what is left of those that weren't."""

import contextlib
import os
import time
from pathlib import Path

from funnel_assets.storage.files import replacing, sweep


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
        os.utime(path, (time.time() - 7200,) * 2)
    assert sweep(tmp_path) == 1
    assert {path.name for path in old.parent.iterdir()} == {"b.2.tmp", "c.arrow"}
    assert sweep(tmp_path / "nowhere") == 0
