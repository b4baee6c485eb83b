"""A workbook, opened in a process of its own.

Belongs here: how much time and memory a workbook may take, and what is said of one that takes more. Does not belong
here: opening it (`sheets`), and what its rows mean (`structured`).

A workbook of a few megabytes can say that it holds gigabytes: packed blanks, one long text in a million cells, a grid
whose last cell is in row 1,048,576. The library that reads it makes all of that at once, in native code, where nothing
can stop it. So a process reads it that the system stops, and this one goes on.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from funnel_assets.errors import SourceBroken
from funnel_assets.sources import sheets

MOST_UNPACKED_MEGABYTES = 500.0
"""Size that a workbook may unpack to, unless ``max_unpacked_megabytes`` of its source says otherwise."""

_MEGABYTE = 1_000_000
# A cell takes 22 bytes in the file, and about 150 as a Python text with its place in a list.
_MEMORY_PER_BYTE, _MEMORY_AT_LEAST = 20, 600 * _MEGABYTE
# A quiet core reads 10 MB a second.
_SECONDS_PER_MEGABYTE, _SECONDS_AT_LEAST = 1, 20
_SHARE_OF_MACHINE = 0.5


class Workbook:
    """An open workbook: `names` of its sheets, and those `visible` that hold cells."""

    def __init__(self, process: subprocess.Popen[bytes], file: str | None) -> None:
        self._process, self._file = process, file
        told = self._answer()
        self.names: list[str] = told["names"]
        self.visible: list[str] = told["visible"]

    def rows(self, name: str) -> tuple[list[tuple[int, list[str]]], int]:
        """Return a sheet's filled rows as text with their numbers, from 1, and how many rows it has in all."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(name).encode() + b"\n")
            self._process.stdin.flush()
        told = self._answer()
        return [(number, cells) for number, cells in told["rows"]], told["height"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        told = json.loads(line) if line.endswith(b"\n") else {"problem": "limit"}
        problem = told.get("problem")
        if problem == "password":
            raise SourceBroken("The workbook has a password.", file=self._file, fix="save it without one.")
        if problem == "limit":
            raise SourceBroken(
                "The workbook asks for far more time or memory than a file of its size holds cells for: it has "
                "formatted cells far below or beside the data, or is damaged.",
                file=self._file,
                fix="copy the data into a new workbook, or export it as CSV.",
            )
        if problem:
            raise SourceBroken(
                "The workbook can't be opened; it is damaged, cut off or no workbook.",
                file=self._file,
                fix="download or export it again, or set the right `kind:` in sources.yaml.",
            )
        return told


@contextlib.contextmanager
def opened(data: bytes, *, file: str | None, most_megabytes: float | None = None) -> Iterator[Workbook]:
    """Open a workbook of any kind: xlsx, xls, xlsb or ods.

    Args:
        data: Its bytes.
        file: Name for messages.
        most_megabytes: What it may unpack to.

    Raises:
        SourceBroken: It is none, has a password, or asks for more than it may; also when a sheet is read.
    """
    most = MOST_UNPACKED_MEGABYTES if most_megabytes is None else most_megabytes
    unpacked = _unpacked_bytes(data)
    if unpacked > most * _MEGABYTE:
        raise SourceBroken(
            f"The workbook unpacks to {unpacked / _MEGABYTE:,.0f} MB; up to {most:,.0f} MB are read.",
            file=file,
            fix="export it as CSV, or raise `max_unpacked_megabytes` of this source in sources.yaml.",
        )
    asked = {
        "size": len(data),
        "memory": _memory(unpacked + len(data)),
        "seconds": int(_SECONDS_AT_LEAST + _SECONDS_PER_MEGABYTE * unpacked / _MEGABYTE),
    }
    # Isolated: neither the working folder nor PYTHONPATH says what is imported.
    program = [sys.executable, "-I", str(Path(sheets.__file__))]
    process = subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdin is not None
        # A reader that has given up closes the pipe; what it said is read below.
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps(asked).encode() + b"\n" + data)
            process.stdin.flush()
        yield Workbook(process, file)
    finally:
        process.kill()
        with contextlib.suppress(OSError):
            process.communicate()


def _unpacked_bytes(data: bytes) -> int:
    """Return what the parts of a workbook are said to unpack to; its own size where it isn't packed.

    A file that lies about it meets the limit of memory, which follows from this number.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            return sum(part.file_size for part in parts.infolist())
    # zipfile raises whatever a damaged directory makes it stumble over.
    except (
        zipfile.BadZipFile,
        OSError,
        ValueError,
        NotImplementedError,
        EOFError,
        IndexError,
        OverflowError,
    ):
        return len(data)


def _memory(size: int) -> int:
    wanted = _MEMORY_AT_LEAST + _MEMORY_PER_BYTE * size
    if not hasattr(os, "sysconf"):
        return wanted
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(min(wanted, int(machine * _SHARE_OF_MACHINE)), _MEMORY_AT_LEAST)
