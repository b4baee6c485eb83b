"""Files that others made: opened only where they are regular files, and named so that a name harms nobody.

Belongs here: the one way in which a file from outside (a dropped report, a source's ``path``, a config table, a list
given to a command) is opened. Does not belong here: what is in it.

A pipe would wait for ever for a writer, a device may never end or do something when it is opened, and a link leads
where whoever made it chose. So what a name stands for is asked before it is opened, and asked again of what was opened.
"""

import contextlib
import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

_KINDS = (
    (stat.S_ISLNK, "a link to another file"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# A pipe that takes a file's place between the two questions must not block either.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# Characters that turn the text around them: a name could be shown as another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


class NotARegularFile(OSError):
    """What is there is no regular file; ``strerror`` says what it is instead."""


@contextlib.contextmanager
def opened(path: Path, *, follow_links: bool = True) -> Iterator[BufferedReader]:
    """Open a regular file for reading.

    Args:
        path: The file.
        follow_links: Whether a symbolic link is followed to the regular file it names; else it is none.

    Raises:
        NotARegularFile: It is a folder, pipe, socket, device, or a link that isn't followed.
        OSError: It isn't there or can't be read.
    """
    facts(path, follow_links=follow_links)
    handle = os.open(path, _FLAGS | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0)))
    try:
        _check(path, os.fstat(handle))
        stream = os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
    with stream:
        yield stream


def facts(path: Path, *, follow_links: bool = True) -> os.stat_result:
    """Return what the file system knows of a regular file; errors as of `opened`."""
    found = path.stat(follow_symlinks=follow_links)
    _check(path, found)
    return found


def content(path: Path, *, follow_links: bool = True) -> bytes:
    """Return a regular file's bytes; errors as of `opened`, each naming the file."""
    try:
        with opened(path, follow_links=follow_links) as stream:
            return stream.read()
    except OSError as error:
        # A disk that fails while it is read names no file.
        error.filename = error.filename or str(path)
        raise


def shown_name(path: Path) -> str:
    """Return a file's name as text that can be stored and shown anywhere.

    Bytes that are no UTF-8, control characters and such as turn the text around them become U+FFFD.
    """
    text = os.fsencode(path.name).decode("utf-8", "replace")
    return "".join("\ufffd" if _is_harmful(character) else character for character in text)


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _TURNING


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(found.st_mode)), "something else")
        raise NotARegularFile(errno.EINVAL, f"it is {kind}, not a regular file", str(path))
