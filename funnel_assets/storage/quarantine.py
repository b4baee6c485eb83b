"""Rows and files that couldn't be used, kept with the reason until a corrected source replaces them (SPEC 3).

One JSON-lines file per dataset, source and day (or ``undated``). The row itself is kept here, as it came, for the
person who mends it; what is published leaves it out, because it may hold personal data.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from funnel_assets.storage.files import write_whole

UNDATED = "undated"
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
            return
        records = rows.reindex(columns=["file", "line", "reason", "detail", "raw"])
        lines = (
            json.dumps({"dataset": dataset, "source": source, "day": part, **record}, default=str)
            for record in records.astype(object).where(records.notna(), None).to_dict("records")
        )
        write_whole(path, ("\n".join(lines) + "\n").encode())

    def rows(self, datasets: Iterable[str] | None = None) -> pd.DataFrame:
        """Return every quarantined row (of these datasets), in a stable order."""
        records = []
        for path in sorted(self.root.glob("*/*/*.jsonl")):
            if datasets is None or path.parts[-3] in set(datasets):
                records += [
                    json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line
                ]
        frame = pd.DataFrame(records, columns=list(COLUMNS))
        return frame.sort_values(
            ["dataset", "source", "day", "file", "line"], na_position="first", kind="stable"
        )
