"""A large text dump as pieces that are read one by one, cut where its bytes say.

Belongs here: where to cut, and which dumps can be cut. Does not belong here: how the rows of a piece are read
(``delimited``, ``structured``), and what is remembered of them.

A full dump of today is nearly yesterday's. A border stands after a row whose bytes hash to a certain remainder, so rows
that are added, changed or taken away move the borders next to them and no others: all other pieces are the same bytes
as yesterday, and what was found in them still holds. Whether a dump is read in pieces, and which, follows from its
bytes alone. One that isn't plain (another encoding, a column without a name, a broken row) is read whole, which finds
out what is wrong with it and where.
"""

import hashlib
import mmap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from funnel_assets.sources import delimited, sniff, structured
from funnel_assets.sources.tabular import Dialect, RawTable

FROM_BYTES = 8 << 20
"""Smaller dumps are read whole in a moment."""

LEAST_BYTES = 256 << 10
MOST_BYTES = 2 << 20
_ROWS_PER_BORDER = 512
_WINDOW_BYTES = 128 << 10
# A little more than what the layout of a CSV is told from: it wants to know that the file goes on.
_HEAD_BYTES = (1 << 18) + 16
_MERGED_AT_MOST = 8
_NEW_LINE, _SPACE, _COMMA, _OPENING, _CLOSING = b"\n ,{}"
_BOM = b"\xef\xbb\xbf"
# Any fixed random numbers do; other ones would move all borders once.
_OF_BYTE = np.random.default_rng(2024).integers(0, 1 << 32, 256, dtype=np.uint32)


class NotInPieces(Exception):
    """The dump can't be read in pieces."""


class Size(NamedTuple):
    """How large a piece is: its bytes, and the line ends in it."""

    bytes: int
    lines: int


@dataclass(frozen=True)
class Piece:
    """Some whole rows of a dump.

    Attributes:
        key: Hash of its bytes.
        start: Offset of its first byte.
        end: Offset after its last.
        lines: Line ends in it.
        is_last: Whether the dump ends here.
    """

    key: str
    start: int
    end: int
    lines: int
    is_last: bool

    @property
    def size(self) -> Size:
        """How large it is."""
        return Size(self.end - self.start, self.lines)


@dataclass(frozen=True)
class Dump:
    """A dump that can be read in pieces.

    Attributes:
        data: Its bytes.
        start: Offset of the first row.
        end: Offset after the last row.
        first_line: Line that the first row stands on; 1 for a JSON list, whose records are numbered.
        layout: Of a CSV.
        dialect: How it is read.
        notes: What was left out, in words.
    """

    data: mmap.mmap
    start: int
    end: int
    first_line: int
    layout: delimited.Layout | None
    dialect: Dialect
    notes: tuple[str, ...] = ()

    def pieces(self, before: Mapping[str, Size]) -> Iterator[tuple[Piece, RawTable | None]]:
        """Give the pieces in their order, those that aren't known with their rows, counted from line 1.

        Args:
            before: The known pieces, by their key, in the order in which they stood in the dump before: where one of
                them stands again, the next one is looked for right after it, which is cheaper than looking for a
                border.

        Raises:
            NotInPieces: A piece isn't plain.
        """
        following = dict(zip(["", *before], before, strict=False))
        start, last = self.start, ""
        while True:
            expected = following.get(last)
            piece = self._again(start, expected, before[expected]) if expected else None
            rows = None
            if piece is None:
                piece, rows = self._next(start, before)
            yield piece, rows
            self._let_go(start, piece.end)
            if piece.is_last:
                return
            start, last = piece.end, piece.key

    def _let_go(self, start: int, end: int) -> None:
        """Tell the system that these bytes needn't stay in our memory; it reads them again where they are asked for."""
        if hasattr(self.data, "madvise"):
            first = start - start % mmap.PAGESIZE
            self.data.madvise(mmap.MADV_DONTNEED, first, end - first)

    def _again(self, start: int, key: str, size: Size) -> Piece | None:
        """The piece of the dump before, if it stands here."""
        end = start + size.bytes
        # What ends the dump is another piece even if its bytes are the same.
        if self.end - end <= LEAST_BYTES or self._key(start, end, False) != key:
            return None
        return Piece(key, start, end, size.lines, False)

    def _next(self, start: int, known: Container[str]) -> tuple[Piece, RawTable | None]:
        end = start
        for _ in range(_MERGED_AT_MOST + 1):
            end = self._border_after(end) if self.end - end > LEAST_BYTES else self.end
            piece = self._piece(start, end, end == self.end)
            if piece.key in known:
                return piece, None
            rows = self.read(piece)
            if rows is not None:
                return piece, rows
            # A border inside a row: what looked like its end stands in a cell.
            if piece.is_last:
                break
        raise NotInPieces

    def read(self, piece: Piece) -> RawTable | None:
        """Return a piece's rows; None when it ends inside a row.

        Raises:
            NotInPieces: It isn't plain.
        """
        data = self.data[piece.start : piece.end]
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise NotInPieces from None
        if "\x00" in text or data.count(b"\r") != data.count(b"\r\n"):
            raise NotInPieces
        if self.layout is not None:
            return delimited.read_piece(data, self.layout, self.dialect, is_last=piece.is_last)
        is_lines = self.dialect.kind == "jsonl"
        found = structured.read_piece(text, self.dialect, lines=is_lines, is_last=piece.is_last)
        if found is not None and (not all(found.header) or found.header != found.columns):
            raise NotInPieces
        return found

    def _piece(self, start: int, end: int, is_last: bool) -> Piece:
        return Piece(self._key(start, end, is_last), start, end, self.data[start:end].count(b"\n"), is_last)

    def _key(self, start: int, end: int, is_last: bool) -> str:
        # Processors have instructions for SHA-256.
        found = hashlib.sha256(b"last" if is_last else b"")
        with memoryview(self.data) as data, data[start:end] as piece:
            found.update(piece)
        return found.hexdigest()[:32]

    def _border_after(self, start: int) -> int:
        """Offset after the next piece."""
        at, first = start + LEAST_BYTES, 0
        while at < self.end:
            window = np.frombuffer(self.data, np.uint8, min(_WINDOW_BYTES, self.end - at), at)
            ends = self._row_ends(window)
            if len(ends) > 1:
                first = first or at + int(ends[0])
                hashes = np.add.reduceat(_OF_BYTE[window[: ends[-1]]], ends[:-1])
                hits = np.flatnonzero(hashes % _ROWS_PER_BORDER == 0)
                if len(hits):
                    return at + int(ends[hits[0] + 1])
            if first and at - start > MOST_BYTES:
                return first
            at += max(int(ends[-1]), 1) if len(ends) > 1 else len(window)
        return self.end

    def _row_ends(self, window: np.ndarray) -> np.ndarray:
        """Positions after what looks like the end of a row, and another one follows."""
        if self.dialect.kind != "json":
            return np.flatnonzero(window == _NEW_LINE) + 1
        after = np.flatnonzero((window[:-1] == _CLOSING) & (window[1:] == _COMMA)) + 2
        printed = np.flatnonzero(window > _SPACE)
        following = np.searchsorted(printed, after)
        there = following < len(printed)
        return after[there][window[printed[following[there]]] == _OPENING]


def open_dump(
    path: Path, *, kind: str, encoding: str | None, delimiter: str | None, hints: Sequence[str]
) -> Dump | None:
    """Open a dump that can be read in pieces; None for one that is small or of another kind.

    Args:
        path: Where it is.
        kind: See `tabular.read_table`.
        encoding: Likewise.
        delimiter: Likewise.
        hints: Likewise.
    """
    if kind not in ("csv", "json", "jsonl") or path.stat().st_size < FROM_BYTES:
        return None
    if encoding is not None and encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "utf-8-sig"):
        return None
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    head = data[:_HEAD_BYTES]
    offset = len(_BOM) if head.startswith(_BOM) else 0
    if sniff.looks_like_html(head) or b"\x00" in head:
        return None
    if kind == "csv":
        return _open_csv(data, head[offset:], offset, delimiter, hints)
    dialect = Dialect(kind, "utf-8")
    if kind == "jsonl":
        return Dump(data, offset, len(data), 1, None, dialect)
    return _open_json(data, head, offset, dialect)


def _open_csv(
    data: mmap.mmap, head: bytes, offset: int, delimiter: str | None, hints: Sequence[str]
) -> Dump | None:
    if b"\r" in head and head.count(b"\r") != head.count(b"\r\n"):
        return None
    layout = delimited.plain_layout(head, delimiter, hints)
    if layout is None:
        return None
    start = offset + delimited.offset_of_line(head, layout.first_line)
    dialect = delimited.dialect_of(layout, "utf-8")
    return Dump(data, start, len(data), layout.first_line, layout, dialect, delimited.header_notes(layout))


def _open_json(data: mmap.mmap, head: bytes, offset: int, dialect: Dialect) -> Dump | None:
    """Find the list: the dump itself, or the one list in an object around it."""
    opening, closing = head.find(b"["), data.rfind(b"]")
    if opening < 0 or closing < opening:
        return None
    around = data[offset : opening + 1] + data[closing:]
    if len(around) > _HEAD_BYTES:
        return None
    try:
        found = structured.decoder().decode(around.decode())
    except ValueError:
        return None
    lists = (
        [value for value in found.values() if isinstance(value, list)] if isinstance(found, dict) else [found]
    )
    if len(lists) != 1 or lists[0]:
        return None
    return Dump(data, opening + 1, closing, 1, None, dialect)
