"""Small files written whole: a reader sees the old content or the new, never half."""

import uuid
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary name beside the file, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
