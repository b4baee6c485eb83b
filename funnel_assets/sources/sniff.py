"""What a run of bytes really is, whatever its name says.

Belongs here: recognising pages, archives and workbooks by their first bytes. Does not belong here: reading
them.
"""

import codecs
import re

HEAD_BYTES = 65_536

_MARKUP = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|script|meta|title)\b",
    re.I | re.S,
)
_LOGIN = re.compile(
    r"type\s*=\s*[\"']?password|\b(?:sign|log)\s*-?\s*in\b|\blogin\b|\bservicelogin\b|enter your password",
    re.I,
)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip file or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or password-protected Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"%PDF-", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3\x00", "a SQLite database"),
)


def head_text(head: bytes) -> str:
    """Decode the first bytes of a body leniently, for looking at only."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head.decode("utf-16", errors="replace")
    return head.decode("utf-8-sig", errors="replace")


def looks_like_html(head: bytes) -> bool:
    """Tell whether a body begins as a web page does."""
    return bool(_MARKUP.match(head_text(head[:HEAD_BYTES])))


def looks_like_login(head: bytes) -> bool:
    """Tell whether a web page asks someone to sign in."""
    return bool(_LOGIN.search(head_text(head[:HEAD_BYTES])))


def describe_page(head: bytes) -> str:
    """Name a web page in words: ``a login page`` or ``a web page``."""
    return "a login page" if looks_like_login(head) else "a web page"


def foreign_format(head: bytes) -> str | None:
    """Name the format of bytes that can't be delimited text; None if they may be text."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    text = head_text(head[:HEAD_BYTES]).lstrip()
    if looks_like_html(head):
        return describe_page(head)
    if text.startswith("<?xml") or re.match(r"<[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>", text):
        return "an XML document"
    if re.match(r"\{\s*(\"(?:[^\"\\]|\\.)*\"\s*:|\})", text) or re.match(r"\[\s*[\{\]]", text):
        return "JSON"
    return None
