"""Small files: written whole, so that a reader sees the old content or the new, never half."""

import contextlib
import time
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a file: what is written there takes the file's place at the end, or goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path, older_than_seconds: float = 3600.0) -> int:
    """Delete what killed processes left under temporary names below a folder; return how many files."""
    swept = 0
    for part in folder.rglob("*.tmp"):
        # Another process may have renamed it by now.
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_mtime <= time.time() - older_than_seconds:
                part.unlink()
                swept += 1
    return swept


def write_whole(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write to a temporary name beside the file, then rename; ``mode`` is the new file's, less the umask."""
    with replacing(path) as part:
        part.touch(mode, exist_ok=False)
        part.write_bytes(content)


def read_int(path: Path) -> int | None:
    """The integer on a file's first line; None when there is no file or no integer."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
