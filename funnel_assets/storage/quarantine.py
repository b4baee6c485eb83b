"""Rows and files that couldn't be used, kept with the reason until a corrected source replaces them (SPEC 3).

One JSON-lines file per dataset, source and day (or ``undated``). One that can't be read is set aside as
``….jsonl.damaged`` and told as a row of its own, until its day has been made again. The row
itself is kept here, as it came, for the
person who mends it; what is published leaves it out, because it may hold personal data.
"""

import contextlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from funnel_assets.errors import DamagedFile
from funnel_assets.storage.files import decode_json, write_whole

log = logging.getLogger(__name__)

UNDATED = "undated"
_DAMAGED = ".damaged"
_DETAIL = "the list of these quarantined rows is damaged. Next: nothing, the keeper or `funnel restate` makes it again."
COLUMNS = ("dataset", "source", "day", "file", "line", "reason", "detail", "raw")


class Quarantine:
    """Keeps quarantined rows under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, dataset: str, source: str, part: str) -> Path:
        return self.root / dataset / source / f"{part}.jsonl"

    def replace(self, dataset: str, source: str, part: str, rows: pd.DataFrame) -> None:
        """Make these rows the quarantine of a part (a day, or ``undated``) of a source; none removes it.

        Args:
            dataset: Name of the dataset.
            source: Name of the source.
            part: ISO day, or ``undated``.
            rows: file, line, reason, detail, raw.
        """
        path = self._path(dataset, source, part)
        if rows.empty:
            path.unlink(missing_ok=True)
            _aside(path).unlink(missing_ok=True)
            return
        records = rows.reindex(columns=["file", "line", "reason", "detail", "raw"])
        lines = (
            json.dumps({"dataset": dataset, "source": source, "day": part, **record}, default=str)
            for record in records.astype(object).where(records.notna(), None).to_dict("records")
        )
        write_whole(path, ("\n".join(lines) + "\n").encode())
        _aside(path).unlink(missing_ok=True)

    def damaged(self, dataset: str, source: str = "*") -> set[str]:
        """Parts (ISO days or ``undated``) of which the rows can't be read any more: they are to be made again."""
        found = (self.root / dataset).glob(f"{source}/*.jsonl.damaged")
        return {path.name.partition(".")[0] for path in found}

    def rows(self, datasets: Iterable[str] | None = None) -> pd.DataFrame:
        """Return every quarantined row (of these datasets), in a stable order."""
        records = []
        for path in sorted([*self.root.glob("*/*/*.jsonl"), *self.root.glob("*/*/*.jsonl.damaged")]):
            if datasets is None or path.parts[-3] in set(datasets):
                records += _read(path)
        frame = pd.DataFrame(records, columns=list(COLUMNS))
        return frame.sort_values(
            ["dataset", "source", "day", "file", "line"], na_position="first", kind="stable"
        )


def _read(path: Path) -> list[dict[str, Any]]:
    dataset, source, name = path.parts[-3:]
    if not name.endswith(_DAMAGED):
        try:
            lines = [line for line in path.read_bytes().split(b"\n") if line]
            found = [decode_json(line, _record) for line in lines]
            if found:
                return found
        except (DamagedFile, OSError):
            pass
        log.warning("%s: the quarantined rows of %s can't be read; they are made again.", dataset, name)
        with contextlib.suppress(OSError):
            path.rename(_aside(path))
    told = (
        dataset,
        source,
        name.partition(".")[0],
        name.removesuffix(_DAMAGED),
        None,
        "list_damaged",
        _DETAIL,
        None,
    )
    return [dict(zip(COLUMNS, told, strict=True))]


def _record(content: dict[str, Any]) -> dict[str, Any]:
    if set(content) != set(COLUMNS) or not all(isinstance(content[name], str) for name in ("dataset", "day")):
        raise TypeError("not a quarantined row")
    return content


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}{_DAMAGED}")
