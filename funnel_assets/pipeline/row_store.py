"""What is known of the rows of each source's newest dump, piece by piece, so that tomorrow only new pieces are read.

Belongs here: keeping and finding it. Does not belong here: how it is found out (``pipeline.indexing``).

One Arrow file per source, named by the dump's sha256: a record batch per piece with a row per row of the dump, in its
order (``line`` counted from the piece's first, ``day``, ``high`` and ``low`` of its content's hash, the same of its
key, by what one of several rows of a key is chosen, what rows are tied by whose order counts), and the pieces in the
metadata. It is a cache: lost or of
other rules, the dump is read once more.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from funnel_assets.domain.date_choice import Readings
from funnel_assets.storage.arrow_files import replacing_arrow

_PIECES, _HOW, _COLUMNS = b"pieces", b"how", b"columns"


@dataclass(frozen=True)
class KnownPiece:
    """What is known of one piece besides its rows.

    Attributes:
        key: Hash of its bytes.
        size: Bytes of it.
        lines: Line ends in it.
        columns: Names of its columns.
        rows_in: Data rows in it, those set aside included.
        left_out: Rows that aren't of the dataset.
        numbers: Per column that should hold numbers, cells with a value and how many of those are no number.
        currencies: What its amounts are in, where the source tells.
        bad: Rows for quarantine: ``row`` (position among the piece's rows; None for one that doesn't fit the header),
            ``line`` (from the piece's first), ``reason``, ``detail``, ``raw``.
        dates: Per column of dates, how its cells are read by each group of rivals among the source's formats.
        paths: Paths of ``sources.yaml`` inside nested values at which some record of it has something.
        matched: Names of ``extract`` whose pattern took something out of some row of it.
        ahead_of: Last plausible day, where rows of later days were set aside: tomorrow they may be plausible.
    """

    key: str
    size: int
    lines: int
    columns: tuple[str, ...]
    rows_in: int
    left_out: int
    numbers: dict[str, tuple[int, int]] = field(default_factory=dict)
    currencies: tuple[str, ...] = ()
    bad: list[dict[str, Any]] = field(default_factory=list)
    dates: dict[str, list[Readings]] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    matched: tuple[str, ...] = ()
    ahead_of: str | None = None


Found = tuple[KnownPiece, pa.RecordBatch]
"""A piece and its rows."""

Known = dict[str, Found]
"""Pieces by their key."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a dump.

    Attributes:
        how: Fingerprint of how its pieces were read.
        columns: Fingerprint of its columns and of what they were taken for.
        pieces: Its pieces.
    """

    how: str = ""
    columns: str = ""
    pieces: Known = field(default_factory=dict)


class RowStore:
    """The files of one source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self) -> Kept:
        """Return what is kept; nothing where there is no file, or a damaged one."""
        for path in self._files():
            with contextlib.suppress(OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError):
                file = pa.ipc.open_file(pa.memory_map(str(path)))
                metadata = file.schema.metadata
                told = [_piece(**piece) for piece in json.loads(metadata[_PIECES])]
                batches = [file.get_batch(number) for number in range(file.num_record_batches)]
                pieces = {piece.key: (piece, batch) for piece, batch in zip(told, batches, strict=True)}
                return Kept(metadata[_HOW].decode(), metadata[_COLUMNS].decode(), pieces)
        return Kept()

    def save(self, sha256: str, how: str, columns: str, pieces: Sequence[Found]) -> None:
        """Keep the pieces of a dump, and forget those of the dumps before; see `Kept`."""
        # `asdict` would copy every value first.
        told = json.dumps([vars(piece) for piece, _ in pieces], ensure_ascii=False)
        schema = pieces[0][1].schema.with_metadata(
            {_PIECES: told.encode(), _HOW: how.encode(), _COLUMNS: columns.encode()}
        )
        target = self._folder / f"{sha256}.arrow"
        with replacing_arrow(target, schema) as writer:
            for _, batch in pieces:
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))
        for other in self._files():
            if other != target:
                with contextlib.suppress(
                    OSError
                ):  # another process may be reading it; the next save removes it
                    other.unlink()

    def _files(self) -> Iterator[Path]:
        """Newest first."""
        found = {}
        for path in self._folder.glob("*.arrow"):
            with contextlib.suppress(FileNotFoundError):
                found[path] = path.stat().st_mtime_ns
        yield from sorted(found, key=lambda path: found[path], reverse=True)


def _piece(
    columns: list[str], currencies: list[str], numbers: dict[str, list[int]], **rest: Any
) -> KnownPiece:
    counted = {name: (filled, others) for name, (filled, others) in numbers.items()}
    return KnownPiece(columns=tuple(columns), currencies=tuple(currencies), numbers=counted, **rest)
