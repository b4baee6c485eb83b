"""The lake: one Parquet file per dataset and day, and what is known of how it came to be.

Belongs here: paths, atomic writes, range-aware reads, the facts of a partition. Does not belong here: which days
are stale (``pipeline.staleness``) or what rows mean.

A file's bytes depend on its rows only, so "the same inputs give the same bytes" can be checked with a hash. What
the rows were computed *from* stands beside it, in ``_facts/<day>.json``: written after the data, so that a process
killed between the two leaves facts that don't match the file, and the day counts as not written.
"""

import contextlib
import datetime as dt
import functools
import hashlib
import io
import json
import logging
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.errors import DamagedFile, MissingPartitions
from funnel_assets.storage.files import decode_json, write_whole

log = logging.getLogger(__name__)

_T = TypeVar("_T")

# Up to so many days are looked for one by one; for more, listing the folder costs less.
FEW_DAYS = 10

BEFORE = dt.date.min
"""Stands for all days before the first one of the datasets (``FUNNEL_START_DATE``): their rows are one partition, which
sorts before every day, keeps each row's own date, and isn't one of :meth:`Lake.days`. Only datasets that say who people
are and when they were first touched have it (``pipeline.graph.WITH_BEFORE``)."""

_DAY_DIRECTORY = re.compile(r"date=(\d{4}-\d{2}-\d{2})$")


@functools.lru_cache(maxsize=100_000)
def _day_of(entry: str) -> dt.date | None:
    """Day of a partition's folder; a run lists the same ones again and again."""
    name = _DAY_DIRECTORY.search(entry.rstrip("/"))
    return dt.date.fromisoformat(name.group(1)) if name else None


@dataclass(frozen=True)
class PartitionFacts:
    """What is known of one written partition.

    Attributes:
        content: sha256 of the Parquet file: changes when, and only when, the rows change.
        rows: Rows in the file.
        bytes: Size of the file; a different size on disk means the write was cut.
        inputs: What the rows were computed from: input name to fingerprint.
        counts: Rows and money per fate (in, loaded, duplicates, quarantined, other days), for reconciliation.
        missing: Inputs that should have been there and weren't; recomputed when they arrive.
    """

    content: str
    rows: int
    bytes: int
    inputs: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, content: dict[str, Any]) -> "PartitionFacts":
        """Return what `asdict` wrote.

        Raises:
            TypeError: It is of another shape.
        """
        facts = cls(**content)
        shapes = {"content": str, "rows": int, "bytes": int, "inputs": dict, "counts": dict, "missing": list}
        if not all(isinstance(getattr(facts, name), shape) for name, shape in shapes.items()):
            raise TypeError("not the facts of a day")
        return facts


class Lake:
    """Reads and writes partitions under one root (a local path or any fsspec URL)."""

    def __init__(self, root: str) -> None:
        self.filesystem, self.root = fsspec.url_to_fs(root)
        self.is_local = "file" in self.filesystem.protocol
        self._even: dict[str, str] = {}
        self._known: dict[str, tuple[tuple[int, int, int], PartitionFacts]] = {}
        self._places: dict[tuple[str, dt.date], tuple[str, str]] = {}

    def path(self, dataset: str, day: dt.date) -> str:
        """Where a day's rows are, whether or not they exist yet."""
        if day == BEFORE:  # apart: whoever reads a dataset's folder gets the rows of its days
            return f"{self.root}/_before/{dataset}/data.parquet"
        return f"{self.root}/{dataset}/date={day.isoformat()}/data.parquet"

    def _facts_path(self, dataset: str, day: dt.date) -> str:
        if day == BEFORE:
            return f"{self.root}/_before/{dataset}/facts.json"
        return f"{self.root}/{dataset}/_facts/{day.isoformat()}.json"

    def write(
        self,
        dataset: str,
        day: dt.date,
        table: pa.Table,
        *,
        inputs: Mapping[str, str] | None = None,
        counts: Mapping[str, int] | None = None,
        missing: Sequence[str] = (),
        replacing: Callable[[pa.Table], None] | None = None,
    ) -> PartitionFacts:
        """Write one day whole: to a temporary name, then renamed. Unchanged rows leave the file alone.

        ``replacing`` is shown the rows that were there, before other ones take their place.
        """
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd", write_statistics=True, version="2.6")
        data = buffer.getvalue()
        facts = PartitionFacts(
            content=hashlib.sha256(data).hexdigest(),
            rows=table.num_rows,
            bytes=len(data),
            inputs=dict(inputs or {}),
            counts=dict(counts or {}),
            missing=list(missing),
        )
        known = self.facts(dataset, day)
        if known is None or known.content != facts.content:
            if known is not None and replacing is not None:
                replacing(self.read(dataset, [day]))
            self._replace(self.path(dataset, day), data)
        if known != facts:
            self._replace(self._facts_path(dataset, day), json.dumps(asdict(facts), sort_keys=True).encode())
        return facts

    def confirm(
        self,
        dataset: str,
        day: dt.date,
        facts: PartitionFacts,
        *,
        inputs: Mapping[str, str],
        missing: Sequence[str] = (),
    ) -> PartitionFacts:
        """Record that a day's rows, as they are, are also what other inputs give."""
        told = replace(facts, inputs=dict(inputs), missing=list(missing))
        if told != facts:
            self._replace(self._facts_path(dataset, day), json.dumps(asdict(told), sort_keys=True).encode())
        return told

    def _replace(self, path: str, data: bytes) -> None:
        if self.is_local:
            write_whole(Path(path), data)
            return
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        self.filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        with self.filesystem.open(temporary, "wb") as file:
            file.write(data)
        self.filesystem.mv(temporary, path)

    def sweep(self, older_than_seconds: float = 3600.0) -> int:
        """Delete what killed processes left half-written under temporary names; return how many files."""
        limit = dt.datetime.now(dt.UTC).timestamp() - older_than_seconds
        swept = 0
        for path in self.filesystem.glob(f"{self.root}/**/*.tmp"):
            # Another process may have renamed it by now; a store that keeps no times is left alone.
            with contextlib.suppress(FileNotFoundError, NotImplementedError):
                if self.filesystem.modified(path).timestamp() <= limit:
                    self.filesystem.rm(path)
                    swept += 1
        return swept

    def facts(self, dataset: str, day: dt.date) -> PartitionFacts | None:
        """Facts of a written day; None when there is none, or its write was interrupted."""
        # A run asks tens of thousands of times: paths are put together once, fsspec takes many times as long for a
        # small local file, and one that hasn't been replaced since isn't read again.
        places = self._places.get((dataset, day))
        if places is None:
            places = self._facts_path(dataset, day), self.path(dataset, day)
            self._places[dataset, day] = places
        facts_path, path = places
        try:
            if self.is_local:
                facts, written = self._local_facts(facts_path), os.stat(path).st_size  # noqa: PTH116
            else:
                facts = decode_json(self.filesystem.cat_file(facts_path), PartitionFacts.read)
                written = self.filesystem.size(path)
        except FileNotFoundError:
            return None
        except DamagedFile as error:
            # The day counts as lost: it is made again, and until then nothing is made without it.
            log.warning("%s", error.located(dataset=dataset, day=day, file=facts_path))
            return None
        return facts if written == facts.bytes else None

    def _local_facts(self, path: str) -> PartitionFacts:
        found = os.stat(path)  # noqa: PTH116 - a Path takes several times as long to make
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        known = self._known.get(path)
        if known is None or known[0] != version:
            facts = decode_json(Path(path).read_bytes(), PartitionFacts.read)
            known = self._known[path] = version, facts
        return known[1]

    def all_facts(self, dataset: str, days: Iterable[dt.date] | None = None) -> dict[dt.date, PartitionFacts]:
        """Facts of every written day of a dataset (or of the days asked for), in order of day."""
        wanted = set(self.days(dataset) if days is None else days)
        if len(wanted) > FEW_DAYS and days is not None:
            wanted &= set(self.days(dataset))
        found = {day: self.facts(dataset, day) for day in sorted(wanted)}
        return {day: facts for day, facts in found.items() if facts is not None}

    def days(self, dataset: str) -> list[dt.date]:
        """Days that have a partition, in order."""
        folder = f"{self.root}/{dataset}"
        if self.is_local:
            entries = os.listdir(folder) if os.path.isdir(folder) else []  # noqa: PTH112, PTH208 - as above
        elif self.filesystem.exists(folder):
            entries = self.filesystem.ls(folder, detail=False)
        else:
            entries = []
        return sorted(day for day in map(_day_of, entries) if day is not None)

    def files(self, dataset: str, days: Iterable[dt.date]) -> list[str]:
        """Paths of those of the days that exist."""
        wanted = sorted(set(days))
        if len(wanted) <= FEW_DAYS:
            return [
                path for path in (self.path(dataset, day) for day in wanted) if self.filesystem.exists(path)
            ]
        present = set(self.days(dataset))
        if wanted[0] == BEFORE and self.filesystem.exists(self.path(dataset, BEFORE)):
            present.add(BEFORE)
        return [self.path(dataset, day) for day in wanted if day in present]

    def read(
        self,
        dataset: str,
        days: Iterable[dt.date],
        *,
        columns: Sequence[str] | None = None,
        require: bool = True,
    ) -> pa.Table:
        """Read days as one Arrow table, in order of day.

        Raises:
            MissingPartitions: If ``require`` and a day isn't in the lake; names the days and the command to make them.
        """
        wanted = sorted(set(days))
        if require:
            self.require(dataset, wanted)
        schema = arrow_schema(CONTRACTS[dataset])
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        tables = [
            with_all_columns(
                pq.ParquetFile(self.filesystem.open(path)).read(columns=schema.names, use_threads=False),
                schema,
            )
            for path in self.files(dataset, wanted)
        ]
        return pa.concat_tables([schema.empty_table(), *tables])

    def content_and_rows(self, dataset: str, day: dt.date, columns: Sequence[str]) -> tuple[str, pa.Table]:
        """Read some columns of a day, and the content hash of the very file they are from, whoever replaces it."""
        data = self.filesystem.cat_file(self.path(dataset, day))
        fields = arrow_schema(CONTRACTS[dataset])
        schema = pa.schema([fields.field(name) for name in columns])
        rows = pq.ParquetFile(pa.BufferReader(data)).read(columns=list(columns), use_threads=False)
        return hashlib.sha256(data).hexdigest(), with_all_columns(rows, schema)

    def is_even(self, dataset: str) -> bool:
        """Whether every written day has all columns of the contract.

        False in a lake that an older version wrote, until all its days have been made again. Looked up in the files
        until it holds; then a note of the columns says so, since whatever is written later has them.
        """
        columns = fingerprint(arrow_schema(CONTRACTS[dataset]).names)
        note = f"{self.root}/{dataset}/_columns.txt"
        if self._even.get(dataset) == columns:
            return True
        if not self.filesystem.exists(note) or self.filesystem.cat_file(note) != columns.encode():
            wanted = set(arrow_schema(CONTRACTS[dataset]).names)
            for path in self.files(dataset, [BEFORE, *self.days(dataset)]):
                with self.filesystem.open(path) as file:
                    if not wanted <= set(pq.read_schema(file).names):
                        return False
            self._replace(note, columns.encode())
        self._even[dataset] = columns
        return True

    # --- what was there once ---

    def remember(self, dataset: str) -> None:
        """Note which days of a dataset are there, so that one that is lost later isn't taken for one never made."""
        known = self._noted_days(dataset) or set()
        there = set(self.days(dataset))
        if not there <= known:
            self.note(dataset, "_days", sorted(map(str, known | there)))

    def lost(self, dataset: str) -> list[dt.date]:
        """Days of a dataset that were written once and aren't there now, or whose facts can't be read."""
        noted = (self._noted_days(dataset) or set()) | set(self.days(dataset))
        return sorted(day for day in noted if self.facts(dataset, day) is None)

    def _noted_days(self, dataset: str) -> set[dt.date] | None:
        return self.noted(dataset, "_days", lambda content: {dt.date.fromisoformat(day) for day in content})

    def note(self, dataset: str, name: str, content: Any) -> None:
        """Keep a small note about a dataset beside its days."""
        self._replace(f"{self.root}/{dataset}/{name}.json", json.dumps(content, sort_keys=True).encode())

    def noted(self, dataset: str, name: str, shape: Callable[[Any], _T]) -> _T | None:
        """Return a note; None when there is none, or a damaged one, which the next run makes again."""
        path = f"{self.root}/{dataset}/{name}.json"
        try:
            return decode_json(self.filesystem.cat_file(path), shape)
        except FileNotFoundError:
            return None
        except DamagedFile as error:
            log.warning("%s", error.located(dataset=dataset, file=path))
            return None

    def read_note(self, name: str) -> bytes | None:
        """Return a small file of the lake's root; None when there is none."""
        path = f"{self.root}/{name}"
        return self.filesystem.cat_file(path) if self.filesystem.exists(path) else None

    def write_note(self, name: str, data: bytes) -> None:
        """Write a small file into the lake's root, whole."""
        self._replace(f"{self.root}/{name}", data)

    def require(self, dataset: str, days: Iterable[dt.date]) -> None:
        """Raise MissingPartitions unless every day is in the lake; there may be nothing before the first one."""
        missing = sorted(set(days) - {BEFORE} - set(self.days(dataset)))
        if missing:
            raise MissingPartitions(
                f"{len(missing)} day(s) are not in the lake: {name_days(missing)}.",
                dataset=dataset,
                fix=f"run `funnel backfill --from {missing[0]} --to {missing[-1]}`, or backfill these days of "
                f"{dataset} in the Dagster UI.",
            )

    def delete(self, dataset: str, day: dt.date) -> None:
        """Remove a day and its facts (facts first, so that a half-done removal reads as not written).

        What is removed on purpose isn't lost.
        """
        noted = self._noted_days(dataset) or set()
        if day in noted:
            self.note(dataset, "_days", sorted(str(other) for other in noted - {day}))
        for path in (self._facts_path(dataset, day), self.path(dataset, day)):
            if self.filesystem.exists(path):
                self.filesystem.rm(path)
        folder = self.path(dataset, day).rpartition("/")[0]
        if self.filesystem.exists(folder):
            self.filesystem.rm(folder, recursive=True)


def with_all_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows that an older version wrote with the columns added since, empty; others as they are."""
    if table.schema.names == schema.names:
        return table
    rows = table.num_rows
    return pa.table(
        [
            table[field.name] if field.name in table.column_names else pa.nulls(rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def name_days(days: Sequence[dt.date], most: int = 6) -> str:
    """Name days as people do: consecutive ones as a range, a long list cut with a count."""
    ranges: list[list[dt.date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][-1] == dt.timedelta(days=1):
            ranges[-1][1:] = [day]
        else:
            ranges.append([day])
    texts = [f"{found[0]} to {found[-1]}" if len(found) > 1 else f"{found[0]}" for found in ranges]
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")


def fingerprint(value: Any) -> str:
    """Short hash of any JSON-able value; equal values give equal hashes."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:32]
