"""The program that opens a workbook: run by `workbook` as a process of its own, with limits of time and memory.

Belongs here: from bytes to rows of text. It imports nothing of the package, so that it starts in a moment. Does not
belong here: which sheet is meant and where its header is (`structured`).

Standard input holds a line of JSON (``size``, ``memory``, ``seconds``), the workbook's bytes, and then a line with a
sheet's name for each sheet that is asked for. Each answer is one line of JSON.
"""

import datetime as dt
import io
import json
import sys
from decimal import Decimal
from typing import Any, BinaryIO

import python_calamine as calamine

if sys.platform != "win32":
    import resource


def number_text(value: float) -> str:
    """Write a number in full and exactly: ``919876543210.0`` is ``919876543210``, ``0.1`` stays ``0.1``."""
    if value.is_integer() and abs(value) < 1e17:
        return str(int(value))
    text = repr(value)
    return format(Decimal(text), "f") if "e" in text and abs(value) < 1 else text


def cell_text(value: Any) -> str:
    """Write a cell as text without loss."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return "" if value is None else str(value)


def _open(data: bytes) -> tuple[calamine.CalamineWorkbook | None, dict[str, Any]]:
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except calamine.PasswordError:
        return None, {"problem": "password"}
    visible = [
        meta.name
        for meta in book.sheets_metadata
        if meta.visible == calamine.SheetVisibleEnum.Visible and meta.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    return book, {"names": book.sheet_names, "visible": visible}


def _rows(book: calamine.CalamineWorkbook, name: str) -> dict[str, Any]:
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    texts = ((number, [cell_text(value) for value in row]) for number, row in enumerate(rows, start=1))
    return {"height": len(rows), "rows": [(number, cells) for number, cells in texts if any(cells)]}


def _limit(memory: int, seconds: int) -> None:
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nothing more is asked."""

    def answer(told: dict[str, Any]) -> None:
        # ASCII: what a sheet holds can't break the line.
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()

    wanted = json.loads(asked.readline())
    _limit(wanted["memory"], wanted["seconds"])
    try:
        book, told = _open(asked.read(wanted["size"]))
        answer(told)
        while book is not None and (line := asked.readline()):
            answer(_rows(book, json.loads(line)))
    except MemoryError:
        answer({"problem": "limit"})
    # A panic of the native reader is no Exception.
    except BaseException:
        answer({"problem": "damaged"})


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
