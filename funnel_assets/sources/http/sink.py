"""The file that a body is written to: whole, or left as it was."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from funnel_assets.errors import FunnelError
from funnel_assets.sources.http.failure import Failed, Failure


class Sink:
    """A stream that can be emptied, back to where it stood, for the next attempt."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.start = stream.tell()
        self.kept = False

    def rewind(self) -> None:
        self.stream.seek(self.start)
        self.stream.truncate()

    def write(self, piece: bytes, *, flush: bool = False) -> None:
        """Write a piece; a full disk or a closed folder is a `Failed` like any other."""
        problem = None
        try:
            self.stream.write(piece)
            if flush:
                self.stream.flush()
        except OSError as failed:
            problem = failed.strerror or type(failed).__name__
        if problem:
            raise Failed(
                Failure(
                    f"The body can't be written to disk ({problem})",
                    "free disk space or correct the folder's permissions, then run again.",
                    retry=False,
                    kind=FunnelError,
                )
            )

    def keep(self, kept: bool) -> None:
        self.kept = kept


@contextlib.contextmanager
def opened(sink: BinaryIO | Path) -> Iterator[Sink]:
    """Open the place a caller named; what isn't kept in the end is taken back."""
    if not isinstance(sink, Path):
        out = Sink(sink)
        try:
            yield out
        finally:
            if not out.kept:
                out.rewind()
        return
    handle, name = tempfile.mkstemp(prefix=f".{sink.name}.", suffix=".part", dir=sink.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "w+b") as stream:
            out = Sink(stream)
            yield out
        if out.kept:
            part.replace(sink)
    finally:
        part.unlink(missing_ok=True)
