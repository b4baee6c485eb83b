"""Bytes of any encoding turned into UTF-8.

Belongs here: finding out how a text file is encoded. Does not belong here: delimiters and columns
(``delimited``).
"""

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

from funnel_assets.errors import SourceBroken

# Exactly what UTF-8 allows: no half of a surrogate pair, nothing longer than need be.
_MULTIBYTE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PIECE_BYTES = 1 << 22


@dataclass(frozen=True)
class Decoded:
    """Text as UTF-8 bytes without a byte order mark.

    Attributes:
        data: The text, NUL characters removed (no database stores them).
        encoding: What the file was encoded in.
        notes: What had to be mended, in words.
    """

    data: bytes
    encoding: str
    notes: tuple[str, ...] = ()


def to_utf8(data: bytes, encoding: str | None = None, *, file: str | None = None) -> Decoded:
    """Turn a text file's bytes into UTF-8.

    A byte order mark decides; then NUL patterns (UTF-16 without a mark); then whether all of it is valid UTF-8. A
    UTF-8 file with a few foreign bytes, as when cells were pasted from elsewhere, keeps its good characters, and
    the foreign ones are read as cp1252. All else is cp1252, or what charset-normalizer makes of it.

    Args:
        data: The file.
        encoding: Stated by config; the file must then decode with it.
        file: File name for messages.

    Raises:
        SourceBroken: It ends inside a character, or no encoding fits.
    """
    if encoding is not None and codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
        return _stated(data, encoding, file)
    for mark, name in _BOMS:
        if data.startswith(mark):
            if name == "utf-8-sig":
                data = data[len(mark) :]
                break
            return _stated(data, name, file)
    silent = _utf16_without_mark(data)
    if silent:
        return _stated(data, silent, file)
    fault = _utf8_fault(data)
    if fault is None:
        return _without_nul(data, "utf-8")
    if fault == "truncated":
        raise _truncated(file)
    if encoding is not None:
        raise _unreadable(file, encoding)
    return _not_utf8(data, file)


def _stated(data: bytes, encoding: str, file: str | None) -> Decoded:
    text = None
    cut = False
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        cut = problem.reason in ("truncated data", "unexpected end of data")
    if text is None:
        raise _truncated(file) if cut else _unreadable(file, encoding)
    return _without_nul(text.removeprefix("\ufeff").encode("utf-8", errors="replace"), encoding)


def _utf16_without_mark(data: bytes) -> str | None:
    head = data[:4096]
    half = len(head) // 2
    if half < 4 or b"\x00" not in head:
        return None
    if head[1::2].count(0) > 0.6 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.6 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _utf8_fault(data: bytes) -> str | None:
    """Check that all of it is UTF-8, piece by piece: decoding 150 MB at once would triple the memory."""
    if data.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            decoder.decode(data[start : start + _PIECE_BYTES])
    except UnicodeDecodeError:
        return "foreign"
    pending, _ = decoder.getstate()
    if not pending:
        return None
    # A lone high byte at the very end of a file without any other is a cp1252 letter, not a cut character.
    return "truncated" if _MULTIBYTE.search(data) else "foreign"


def _not_utf8(data: bytes, file: str | None) -> Decoded:
    high = sum(data.count(bytes([byte])) for byte in range(0x80, 0x100))
    valid = sum(len(found) for found in _MULTIBYTE.findall(data))
    if valid > 2 * (high - valid):
        text = "".join(
            piece.decode("utf-8") if number % 2 else _as_cp1252(piece)
            for number, piece in enumerate(re.split(rb"((?:%s)+)" % _MULTIBYTE.pattern, data))
        )
        note = f"{high - valid} bytes are not UTF-8; they were read as cp1252"
        return _without_nul(text.encode(), "utf-8", note)
    try:
        return _without_nul(data.decode("cp1252").encode(), "cp1252")
    except UnicodeDecodeError:
        best = from_bytes(data[:200_000]).best()
    if best is not None:
        try:
            return _without_nul(data.decode(best.encoding).encode(), best.encoding)
        except UnicodeDecodeError:
            best = None
    raise _unreadable(file, None)


def _as_cp1252(piece: bytes) -> str:
    return piece.decode("ascii") if piece.isascii() else piece.decode("cp1252", errors="replace")


def _without_nul(data: bytes, encoding: str, *notes: str) -> Decoded:
    count = data.count(b"\x00")
    if not count:
        return Decoded(data, encoding, notes)
    return Decoded(data.replace(b"\x00", b""), encoding, (*notes, f"{count} NUL characters were removed"))


def _truncated(file: str | None) -> SourceBroken:
    return SourceBroken(
        "The file ends in the middle of a character: it is cut off.",
        file=file,
        fix="download or export it again.",
    )


def _unreadable(file: str | None, encoding: str | None) -> SourceBroken:
    what = f"can't be read as {encoding}" if encoding else "is in no text encoding we can recognise"
    return SourceBroken(
        f"The file {what}.",
        file=file,
        fix="export it as CSV UTF-8, or set `encoding:` for this source in sources.yaml.",
    )
