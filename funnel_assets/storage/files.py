"""Small files: written whole, so that a reader sees the old content or the new, never half."""

import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write to a temporary name beside the file, then rename; ``mode`` is the new file's, less the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    temporary.touch(mode, exist_ok=False)
    temporary.write_bytes(content)
    temporary.replace(path)


def read_int(path: Path) -> int | None:
    """The integer on a file's first line; None when there is no file or no integer."""
    try:
        return int(path.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
