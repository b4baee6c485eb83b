"""A body as it streams in: unpacked, within its limit, proven whole, and the data rather than a page.

Does not belong here: what the data means (``sources.tabular``).
"""

import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from funnel_assets.sources import sniff
from funnel_assets.sources.http.connection import Guard
from funnel_assets.sources.http.failure import FIX_EXPORT, FIX_LINK, Failed, Failure, cut
from funnel_assets.sources.http.request import HttpPolicy
from funnel_assets.sources.http.sink import Sink

# Pieces that fit in the processor's cache: larger ones take a third longer (unpacked, hashed, written).
_CHUNK_BYTES = 1 << 18
_PIECE_BYTES = 1 << 21


@dataclass(frozen=True)
class Body:
    """What was received: sizes, digest, and whether the protocol itself proved it whole."""

    bytes: int
    wire_bytes: int
    sha256: str
    length_checked: bool


def receive(response: requests.Response, policy: HttpPolicy, out: Sink, guard: Guard) -> Body:
    """Stream the body into the sink, unpacking it, and prove it whole as far as the protocol allows."""
    stated = _stated_length(response)
    if stated is not None and stated > policy.max_bytes:
        raise _too_large(policy)
    unpack = _unpacker(response)
    digest, head, wire, size = hashlib.sha256(), b"", 0, 0
    while raw := response.raw.read(_CHUNK_BYTES, decode_content=False):
        wire += len(raw)
        # At most one byte over the limit is ever unpacked: a small gzip can hold a huge body.
        for piece in unpack.feed(raw, policy.max_bytes - size + 1):
            size += len(piece)
            if size > policy.max_bytes:
                raise _too_large(policy)
            if len(head) < sniff.HEAD_BYTES:
                head += piece[: sniff.HEAD_BYTES - len(head)]
            digest.update(piece)
            out.write(piece)
    _check_whole(wire, stated, unpack, guard)
    _check_content(head, size)
    out.write(b"", flush=True)
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return Body(size, wire, digest.hexdigest(), stated is not None or chunked or unpack.packed)


def _stated_length(response: requests.Response) -> int | None:
    value = response.headers.get("Content-Length", "")
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value.strip()) else None


def _too_large(policy: HttpPolicy) -> Failed:
    return Failed(
        Failure(
            f"The body is larger than the limit of {policy.max_bytes / 1e6:,.1f} MB",
            "check that the link is the right one; if it is, raise `http: max_megabytes` of this source.",
            retry=False,
        )
    )


def _check_whole(wire: int, stated: int | None, unpack: "_Unpacker", guard: Guard) -> None:
    if stated is not None and wire != stated:
        raise cut(f"{wire} of {stated} bytes came")
    if guard.surplus:
        raise cut(f"the server announced {stated} bytes and went on sending after them")
    if not unpack.whole:
        raise cut("the compressed data stops in the middle")


def _check_content(head: bytes, size: int) -> None:
    if size == 0 or not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Failed(Failure("The body is empty", FIX_EXPORT, retry=False))
    if sniff.looks_like_html(head):
        page = sniff.describe_page(head)
        fix = (
            "share the sheet with anyone who has the link, or check the token of this source, then run again."
            if page == "a login page"
            else FIX_LINK
        )
        message = f"The server answered with {page} (HTML) instead of the data"
        raise Failed(Failure(message, fix, retry=False))


class _Unpacker:
    """Undoes Content-Encoding gzip or deflate piece by piece, several gzip members included."""

    def __init__(self, encoding: str) -> None:
        self.packed = encoding in ("gzip", "x-gzip", "deflate")
        self._gzip = encoding != "deflate"
        self._engine = self._new() if self.packed else None
        self._fed = False

    def _new(self) -> Any:
        return zlib.decompressobj(zlib.MAX_WBITS | (16 if self._gzip else 0))

    @property
    def whole(self) -> bool:
        return self._engine is None or self._engine.eof or not self._fed

    def feed(self, raw: bytes, limit: int) -> Iterator[bytes]:
        """Yield unpacked pieces, `limit` bytes at most in all."""
        if self._engine is None:
            yield raw
            return
        broken = False
        while raw and limit > 0 and not broken:
            if self._engine.eof:
                # Zero padding after the last member is allowed by gzip's own tool.
                if not raw.strip(b"\x00"):
                    return
                self._engine = self._new()
            self._fed = True
            try:
                piece = self._engine.decompress(raw, min(limit, _PIECE_BYTES))
            except zlib.error:
                broken = True
                continue
            limit -= len(piece)
            raw = self._engine.unconsumed_tail or self._engine.unused_data
            if piece:
                yield piece
        if broken:
            raise cut("its compression can't be undone")


def _unpacker(response: requests.Response) -> _Unpacker:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity", "gzip", "x-gzip", "deflate"):
        return _Unpacker(encoding)
    raise Failed(
        Failure(
            f"The server compressed the body in a way we did not ask for ({encoding[:20]!r})",
            "tell whoever runs that server to send gzip or plain text.",
            retry=False,
        )
    )
