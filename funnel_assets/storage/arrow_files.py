"""Arrow files, written whole; apart from ``files`` because commands that need no rows start without pyarrow."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from funnel_assets.storage.files import replacing


@contextlib.contextmanager
def replacing_arrow(path: Path, schema: pa.Schema) -> Iterator[pa.ipc.RecordBatchFileWriter]:
    """Give a writer of an Arrow file; what it wrote takes the file's place at the end, or goes."""
    with replacing(path) as part, pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        yield writer
