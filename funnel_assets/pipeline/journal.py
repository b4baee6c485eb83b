"""The journal of restatement (SPEC 3): which rows each rewrite of the lake took away and which it brought.

Belongs here: writing, reading and pruning it. Does not belong here: what follows from a change.

One Parquet file per dataset and write, ``_journal/<dataset>/<time>.parquet``: the dataset's columns and ``CHANGE``; its
metadata names the days with their content before and after. It lies beside the datasets, so that whoever reads
``lake/<dataset>/**/*.parquet`` reads that dataset's rows and nothing else. A journal can't be wrong without being found
out: who uses it goes back from today's contents and must meet the recorded fingerprints. What it can't explain (pruned,
or a process killed before it was written) is computed whole.
"""

import datetime as dt
import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.arrow import pc
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.keys import row_hashes
from funnel_assets.errors import DamagedFile
from funnel_assets.storage.files import decode_json, replacing
from funnel_assets.storage.lake import Lake, with_all_columns

log = logging.getLogger(__name__)

CHANGE, REMOVED, ADDED = "_change", "removed", "added"
KEEP_DAYS = 90
MOST_ROWS_AT_ONCE = 100_000
_STAMP = "%Y%m%dT%H%M%S.%f"
_DAYS = b"days"


@dataclass(frozen=True)
class Rewrite:
    """One write of some days of a dataset.

    Attributes:
        dataset: Its name.
        at: When, UTC.
        path: The journal file.
        days: Day to content hash (before, after); before is None for a day that wasn't there.
    """

    dataset: str
    at: dt.datetime
    path: str
    days: Mapping[dt.date, tuple[str | None, str]]


class Journal:
    """Journal of every dataset of a lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @contextmanager
    def recording(self, dataset: str) -> Iterator["Recording"]:
        """Collect one write's days and rows; written down at the end, however it ends."""
        recording = Recording(self, dataset)
        try:
            yield recording
        finally:
            recording.flush()

    def record(
        self, dataset: str, days: Mapping[dt.date, tuple[str | None, str]], changes: Sequence[pa.Table]
    ) -> None:
        """Write down one write of a dataset's days: contents before and after, and the rows (:func:`compared`)."""
        schema = _schema(dataset)
        told = {str(day): contents for day, contents in days.items()}
        table = pa.concat_tables([schema.empty_table(), *changes]).replace_schema_metadata(
            {_DAYS: json.dumps(told).encode()}
        )
        at = dt.datetime.now(dt.UTC).strftime(_STAMP)
        folder = self._folder(dataset)
        self._move_old(dataset)
        if self._lake.is_local:
            with replacing(Path(f"{folder}/{at}.parquet")) as part:
                pq.write_table(table, part, compression="zstd")
            return
        self._lake.filesystem.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/{uuid.uuid4().hex}.tmp"
        with self._lake.filesystem.open(temporary, "wb") as file:
            pq.write_table(table, file, compression="zstd")
        self._lake.filesystem.mv(temporary, f"{folder}/{at}.parquet")

    def newest_first(self, dataset: str) -> Iterator[Rewrite]:
        """Rewrites of a dataset, the latest first; each file is opened when it is reached."""
        for path in reversed(self._paths(dataset)):
            try:
                with self._open(dataset, path) as file:
                    metadata = pq.ParquetFile(file).schema_arrow.metadata
                days = decode_json(metadata[_DAYS], _days)
            except (OSError, pa.ArrowException, DamagedFile, KeyError, TypeError) as error:
                # As if it had been pruned: what it would explain is computed whole.
                log.warning("%s: the journal's %s can't be read (%s).", dataset, path, type(error).__name__)
                return
            yield Rewrite(dataset, _moment(path), path, days)

    def rows(self, rewrite: Rewrite, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows that a rewrite removed and added: the dataset's columns (or those named) and ``CHANGE``."""
        with self._open(rewrite.dataset, rewrite.path) as file:
            schema = _schema(rewrite.dataset)
            if columns is not None:
                schema = pa.schema([schema.field(name) for name in (*columns, CHANGE)])
            found = pq.ParquetFile(file).read(columns=schema.names, use_threads=False)
            return with_all_columns(found.replace_schema_metadata(None), schema)

    def prune(self, before: dt.datetime) -> int:
        """Delete what was written down before a moment; return how many files."""
        for name in CONTRACTS:
            self._move_old(name)
        old = [path for name in CONTRACTS for path in self._paths(name) if _moment(path) < before]
        for path in old:
            self._lake.filesystem.rm(path)
        return len(old)

    def _folder(self, dataset: str) -> str:
        return f"{self._lake.root}/_journal/{dataset}"

    def _old_folder(self, dataset: str) -> str:
        """Where an earlier version kept it: among the dataset's rows."""
        return f"{self._lake.root}/{dataset}/_changes"

    def _move_old(self, dataset: str) -> None:
        """Bring what an earlier version wrote to where it belongs."""
        old, folder = self._old_folder(dataset), self._folder(dataset)
        if not self._lake.filesystem.exists(old):
            return
        self._lake.filesystem.makedirs(folder, exist_ok=True)
        # Another process may be at it, too.
        for path in self._listed(old):
            with suppress(FileNotFoundError):
                self._lake.filesystem.mv(path, f"{folder}/{_name(path)}")
        with suppress(FileNotFoundError):
            self._lake.filesystem.rm(old, recursive=True)

    def _open(self, dataset: str, path: str) -> Any:
        try:
            return self._lake.filesystem.open(path)
        except FileNotFoundError:
            # A run that writes has moved it since it was listed.
            return self._lake.filesystem.open(f"{self._folder(dataset)}/{_name(path)}")

    def _paths(self, dataset: str) -> list[str]:
        """Return a dataset's files, the earliest first, wherever they lie: only a run that writes moves old ones."""
        paths = [*self._listed(self._folder(dataset)), *self._listed(self._old_folder(dataset))]
        return sorted(paths, key=_name)

    def _listed(self, folder: str) -> list[str]:
        if not self._lake.filesystem.exists(folder):
            return []
        listed = (str(entry) for entry in self._lake.filesystem.ls(folder, detail=False))
        return [path for path in listed if path.endswith(".parquet")]


class Recording:
    """Days and rows of a write that is going on; parts of it are written down before they take much memory."""

    def __init__(self, journal: Journal, dataset: str) -> None:
        self._journal = journal
        self._dataset = dataset
        self._days: dict[dt.date, tuple[str | None, str]] = {}
        self._changes: list[pa.Table] = []

    def compare(self, before: pa.Table, after: pa.Table) -> None:
        """Note the rows by which a day's old and new rows differ."""
        self._changes.append(compared(before, after))

    def wrote(self, day: dt.date, before: str | None, after: str) -> None:
        """Note that a day was written."""
        self._days[day] = (before, after)
        if sum(map(len, self._changes)) > MOST_ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write down what was noted."""
        if self._days:
            self._journal.record(self._dataset, self._days, self._changes)
        self._days, self._changes = {}, []


def _days(content: dict[str, list[str | None]]) -> dict[dt.date, tuple[str | None, str]]:
    return {dt.date.fromisoformat(day): (before, str(after)) for day, (before, after) in content.items()}


def _schema(dataset: str) -> pa.Schema:
    return arrow_schema(CONTRACTS[dataset]).append(pa.field(CHANGE, pa.string()))


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _moment(path: str) -> dt.datetime:
    return dt.datetime.strptime(_name(path).removesuffix(".parquet"), _STAMP).replace(tzinfo=dt.UTC)


def compared(before: pa.Table, after: pa.Table) -> pa.Table:
    """Return the rows of one day that are in one table only, with ``CHANGE`` saying which."""
    old, new = _hashes(before), _hashes(after)
    gone = before.filter(pc.invert(pc.is_in(old, value_set=new)))
    come = after.filter(pc.invert(pc.is_in(new, value_set=old)))
    return pa.concat_tables(
        table.select(before.column_names).append_column(
            CHANGE, pa.repeat(pa.scalar(what, pa.string()), len(table))
        )
        for table, what in ((gone, REMOVED), (come, ADDED))
    )


def _hashes(table: pa.Table) -> pa.Array:
    columns = [column.cast(pa.large_string()).combine_chunks() for column in table.columns]
    return row_hashes([c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns])
