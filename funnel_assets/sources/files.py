"""Files that people put into folders.

Belongs here: taking a file only when nobody is still writing it. Does not belong here: which files a source has
(``pipeline.zoom``), reading (``tabular``) or keeping (``storage.landing``).
"""

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from funnel_assets import outside
from funnel_assets.errors import SourceBroken, SourceUnavailable

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


def take_file(
    path: Path, sink: BinaryIO, *, source: str | None = None, dataset: str | None = None
) -> TakenFile:
    """Copy a file, and make sure that it did not change meanwhile.

    Raises:
        SourceUnavailable: It changed while it was copied.
        SourceBroken: It can't be read, is no regular file, or is empty.
    """
    taken_at = dt.datetime.now(dt.UTC)
    problem = None
    before = after = None
    try:
        with outside.opened(path) as stream:
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
