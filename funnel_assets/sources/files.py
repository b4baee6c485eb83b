"""Files that people put into folders.

Belongs here: finding the file of a source, and taking it only when nobody is still writing it. Does not belong
here: reading (``tabular``) or keeping (``storage.landing``).
"""

import datetime as dt
import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from funnel_assets.errors import SourceBroken, SourceUnavailable

# What browsers, office programs and copy tools call a file that isn't finished, or isn't one.
_UNFINISHED_SUFFIXES = frozenset(
    {".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".swp", ".filepart"}
)
_COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class TakenFile:
    """A file that was copied whole.

    Attributes:
        path: Where it was.
        bytes: Size.
        modified_at: UTC time of its last change.
        taken_at: UTC moment that the copy is at least as new as.
    """

    path: Path
    bytes: int
    modified_at: dt.datetime
    taken_at: dt.datetime


def is_unfinished(path: Path) -> bool:
    """Tell by its name whether a file is hidden, a lock file, or still being downloaded."""
    return path.name.startswith((".", "~")) or path.suffix.lower() in _UNFINISHED_SUFFIXES


def find_files(location: str, base: Path) -> list[Path]:
    """List the files of a location, oldest change first.

    Args:
        location: A path or a pattern such as ``exports/crm_*.csv``; relative ones start at `base`. A folder means
            the files in it.
        base: Folder that relative locations start at.
    """
    start = Path(location).expanduser()
    start = start if start.is_absolute() else base / start
    if start.is_dir():
        found = list(start.iterdir())
    elif start.exists():
        found = [start]
    else:
        found = [Path(name) for name in glob.glob(str(start), recursive=True)]  # noqa: PTH207 - absolute patterns
    files = [path for path in found if path.is_file() and not is_unfinished(path)]
    return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))


def newest_file(location: str, base: Path, *, source: str | None = None, dataset: str | None = None) -> Path:
    """Return the file of a location that changed last.

    Raises:
        SourceUnavailable: There is none (yet).
    """
    files = find_files(location, base)
    if not files:
        raise SourceUnavailable(
            f"There is no file at {location!r}.",
            dataset=dataset,
            source=source,
            fix="put the file there, or correct `path:` in sources.yaml.",
        )
    return files[-1]


def is_settled(path: Path, *, quiet_s: float = 5.0, now: float | None = None) -> bool:
    """Tell whether a file has not changed for some seconds, so that no copy into the folder is under way."""
    try:
        stat = path.stat()
    except OSError:
        return False
    return (time.time() if now is None else now) - stat.st_mtime >= quiet_s


def take_file(
    path: Path, sink: BinaryIO, *, source: str | None = None, dataset: str | None = None
) -> TakenFile:
    """Copy a file, and make sure that it did not change meanwhile.

    Raises:
        SourceUnavailable: It changed while it was copied.
        SourceBroken: It can't be read, or it is empty.
    """
    taken_at = dt.datetime.now(dt.UTC)
    problem = None
    before = after = None
    try:
        with path.open("rb") as stream:
            before = os.fstat(stream.fileno())
            left = before.st_size
            # Never past the size seen first: a file that grows faster than it is read would never end.
            while left and (piece := stream.read(min(left, _COPY_BYTES))):
                sink.write(piece)
                left -= len(piece)
        after = path.stat()
    except OSError as failed:
        problem = failed.strerror or type(failed).__name__
    if problem or before is None or after is None:
        raise SourceBroken(
            f"The file can't be read ({problem}).",
            dataset=dataset,
            source=source,
            file=path.name,
            fix="correct its permissions, or `path:` in sources.yaml.",
        )
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ):
        raise SourceUnavailable(
            "The file changed while it was read; someone is still writing it.",
            dataset=dataset,
            source=source,
            file=path.name,
            fix="wait until it is copied, then run again.",
        )
    if not after.st_size:
        raise SourceBroken(
            "The file is empty.",
            dataset=dataset,
            source=source,
            file=path.name,
            fix="export it again; if it is a copy, wait for it.",
        )
    modified_at = dt.datetime.fromtimestamp(after.st_mtime, dt.UTC)
    return TakenFile(path, after.st_size, modified_at, taken_at)
