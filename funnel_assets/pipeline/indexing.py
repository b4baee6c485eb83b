"""What a dump holds, day by day: every row looked at, none of its cells cleaned.

Belongs here: the index of a dump and the way back from a day to its rows. Does not belong here: fetching dumps, or
deciding which days are made (``pipeline.ingest``).

A large dump is looked at piece by piece (``sources.pieces``), and pieces that were in the dump before are not looked at
again. Both ways give the same.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.config.source_model import Source
from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.domain.date_choice import Readings, rivals
from funnel_assets.domain.keys import hash_texts, hash_words, key_words
from funnel_assets.domain.parsing import Parser, SourceContext
from funnel_assets.domain.parsing.base import (
    DUPLICATE,
    LOAD,
    QUARANTINE,
    SUPERSEDED,
    RowFacts,
    build_index,
    repeated_words,
    tie_ranks,
)
from funnel_assets.domain.text import as_arrow, as_text, nulls
from funnel_assets.errors import FunnelError, SourceBroken
from funnel_assets.pipeline.dating import added_readings, column_formats, kept_formats, readings
from funnel_assets.pipeline.landed import (
    check_currencies,
    check_names,
    check_paths,
    column_match,
    contract_rows,
    currencies,
    drift_without_rows,
    hints,
    matched_columns,
    number_columns,
    paths_found,
    patterns_matched,
    picked_rows,
    profile_before,
    read_landed,
    unmatched_notes,
)
from funnel_assets.pipeline.overlap import Keys
from funnel_assets.pipeline.row_store import Found, Known, KnownPiece, RowStore
from funnel_assets.sources.columns import ColumnMatch, count_numbers, profile_of
from funnel_assets.sources.fields import left_out_note
from funnel_assets.sources.pieces import Dump, NotInPieces, Piece, Size, open_dump
from funnel_assets.sources.tabular import LINE, RawTable
from funnel_assets.storage.files import recall, write_whole
from funnel_assets.storage.lake import fingerprint
from funnel_assets.storage.landing import Snapshot

EMPTY = "empty"
BAD_COLUMNS = ["line", "reason", "detail", "raw"]

_ROWS_AT_ONCE = 200_000
_FEW_SUPERSEDED = 10
"""So many rows of shared ids are looked over: a handful in a small dump says nothing of its columns."""
_FORMAT = 6
"""Raised when what is kept of a piece changes."""
_PIECE_SHIFT = 40
_REL_LINE = (1 << _PIECE_SHIFT) - 1
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class SourceDay:
    """What one source's dump holds for one day: digest of its rows, and how many there are."""

    digest: str
    rows: int


@dataclass(frozen=True)
class SourceIndex:
    """What one dump of one source holds, day by day, without its rows.

    Attributes:
        sha256: Of the dump's bytes.
        rules: Fingerprint of everything besides the bytes that decides how they are read.
        header: Column names of the dump.
        rows_in: Rows in the dump.
        duplicates: Rows that are another row again.
        quarantined: Rows that couldn't be placed on a day.
        days: Per local day, its digest and rows.
        drift: What changed in the dump's columns since the one before, in words.
        dates: Column -> formats of its dates, where the source names several that contradict each other.
        ahead_of: Last plausible day, where rows of later days were set aside: they may be plausible tomorrow.
    """

    sha256: str
    rules: str
    header: list[str]
    rows_in: int
    duplicates: int
    quarantined: int
    days: dict[dt.date, SourceDay]
    drift: list[str] = field(default_factory=list)
    dates: dict[str, list[str]] = field(default_factory=dict)
    ahead_of: str | None = None

    @property
    def reading(self) -> str:
        """Fingerprint of how its rows are read: the rules, and what was found out about its dates."""
        return f"{self.rules}.{fingerprint(self.dates)[:12]}" if self.dates else self.rules

    def holds_on(self, last_day: dt.date | None) -> bool:
        """Whether the same rows would be set aside with another last plausible day."""
        return self.ahead_of is None or self.ahead_of == str(last_day)

    def covers(self, day: dt.date) -> bool:
        """Whether a rolling dump is sure to hold all of a day; its earliest day may have been cut."""
        return bool(self.days) and day > min(self.days)

    def rows(self, day: dt.date) -> int:
        """Rows of a day."""
        return self.days[day].rows if day in self.days else 0

    def digest(self, day: dt.date) -> str:
        """Digest of a day's rows; the same for every day without rows."""
        return self.days[day].digest if day in self.days else EMPTY

    def save(self, path: Path) -> None:
        """Write to a file, whole."""
        content = asdict(self)
        content["days"] = {str(day): [found.digest, found.rows] for day, found in self.days.items()}
        write_whole(path, json.dumps(content, sort_keys=True).encode())

    @classmethod
    def load(cls, path: Path) -> "SourceIndex | None":
        """Read from a file; None when there is none, or a damaged one."""
        return recall(path, cls._read)

    @classmethod
    def _read(cls, content: dict[str, Any]) -> "SourceIndex":
        days = {
            dt.date.fromisoformat(day): SourceDay(str(digest), int(rows))
            for day, (digest, rows) in content["days"].items()
        }
        found = cls(**{**content, "days": days})
        counts = (found.rows_in, found.duplicates, found.quarantined)
        if not all(isinstance(count, int) for count in counts) or not isinstance(found.rules, str):
            raise TypeError("not an index")
        return found


class DumpRows(Protocol):
    """The rows of an indexed dump."""

    def on(self, days: Collection[dt.date]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows to load of some days, under the contract's column names, and the same rows of the index."""
        ...


@dataclass(frozen=True)
class Indexed:
    """A dump that was looked at.

    Attributes:
        index: What it holds.
        bad: Rows for quarantine that belong to no day: ``line``, ``reason``, ``detail``, ``raw``.
        profile: What its columns look like, for the next comparison.
        rows: Its rows, read when asked for.
        keys: Keys of the rows to load, where the task asks for them.
        date_formats: What its dates were read by, for its landing record.
    """

    index: SourceIndex
    bad: pd.DataFrame
    profile: dict[str, object]
    date_formats: dict[str, list[str]]
    rows: DumpRows
    keys: Keys | None = None


@dataclass(frozen=True)
class Task:
    """A dump to look at.

    Attributes:
        source: Where it came from.
        snapshot: Which it is.
        path: Its bytes.
        parser: How its dataset is read.
        context: What else a parser has to know.
        rules: Fingerprint of everything besides the bytes that decides how they are read.
        before: The dump before it.
        store: Where pieces are kept.
        keep: Whether to keep those of this dump: the newest's are.
        keys: Whether to give the keys of its rows.
    """

    source: Source
    snapshot: Snapshot
    path: Path
    parser: Parser
    context: SourceContext
    rules: str
    before: Snapshot | None
    store: RowStore
    keep: bool
    keys: bool = False


def index_dump(task: Task) -> Indexed:
    """Look at every row of a dump.

    Raises:
        SourceBroken: It isn't the data.
    """
    source = task.source
    dump = open_dump(
        task.path,
        kind=source.format,
        encoding=source.encoding,
        delimiter=source.delimiter,
        hints=hints(source, task.parser),
    )
    if dump is not None:
        try:
            return _by_pieces(task, dump)
        except (NotInPieces, SourceBroken):
            pass  # reading it whole tells what is wrong, and where
    return _whole(task)


def _with_dates(task: Task, counted: Mapping[str, Sequence[Readings]]) -> Task:
    """Return the task with the formats that the whole dump's dates turned out to be written in."""
    found = column_formats(counted, task.source, task.snapshot, task.context)
    return replace(task, context=replace(task.context, column_formats=found))


def _day_digests(days: np.ndarray, words: np.ndarray) -> dict[dt.date, SourceDay]:
    """Return digest and row count per day; the order of rows doesn't matter.

    Args:
        days: Day of each row to load, as days since 1970.
        words: Hash of each row's content, as two numbers.

    A day's digest is the sum of its rows' hashes modulo 2^64, twice over: equal multisets of rows, equal digests.
    """
    found, codes = np.unique(days, return_inverse=True)
    sums = np.zeros((len(found), 2), np.uint64)
    np.add.at(sums, codes, words)
    counts = np.bincount(codes, minlength=len(found))
    return {
        _EPOCH + dt.timedelta(days=int(day)): SourceDay(f"{int(high):016x}{int(low):016x}", int(count))
        for day, (high, low), count in zip(found, sums, counts, strict=True)
    }


def _index(
    task: Task,
    header: Iterable[str],
    rows_in: int,
    quarantined: int,
    drift: Sequence[str],
    settled: "_Settled",
) -> SourceIndex:
    if task.keep:
        check_ids(task.source, task.parser, rows_in, settled.superseded)
    return SourceIndex(
        sha256=task.snapshot.sha256,
        rules=task.rules,
        header=list(header),
        rows_in=rows_in,
        duplicates=int(settled.repeated.sum()),
        quarantined=quarantined,
        days=_day_digests(settled.days[settled.loaded], settled.digested[settled.loaded]),
        drift=list(drift),
        dates={column: list(formats) for column, formats in task.context.column_formats.items()},
        ahead_of=str(task.context.last_day) if settled.has_ahead else None,
    )


def check_ids(source: Source, parser: Parser, rows: int, superseded: int) -> None:
    """Refuse a dump in which the column taken for the id is shared by rows that aren't one another's versions.

    Raises:
        SourceBroken: With the numbers.
    """
    if superseded < _FEW_SUPERSEDED or superseded * 100 <= source.most_superseded_pct * rows:
        return
    key = next(name for name in CONTRACTS[source.dataset].key if name in parser.columns)
    column = source.columns.get(key) or source.columns.get(parser.columns[key]) or parser.columns[key]
    raise SourceBroken(
        f"{superseded:,} of {rows:,} rows ({superseded / rows:.0%}) have the {column!r} of another row and other "
        f"content; of one {column!r} one row is kept, so they would be left out. It is no id if several rows share "
        "it, as the lines of an order do.",
        dataset=source.dataset,
        source=source.name,
        file=source.shown_location,
        fix=f"map {parser.columns[key]} in sources.yaml to a column that differs in every row; if rows of one id "
        "really are its later versions, set most_superseded_pct: 100 for the source.",
    )


# --- whole ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Settled:
    """Every row's day (since 1970; 0 where none) and hash, what becomes of it, and its rank among tied rows.

    Of the repeated rows, ``superseded`` ones have other content than the row that is kept.
    """

    days: np.ndarray
    words: np.ndarray
    loaded: np.ndarray
    repeated: np.ndarray
    has_ahead: bool
    superseded: int
    ranks: np.ndarray | None = None

    @property
    def digested(self) -> np.ndarray:
        """Hashes by which a day is compared: those of rows whose place among tied rows counts depend on it."""
        return (
            self.words if self.ranks is None else self.words * (2 * self.ranks + 1).astype(np.uint64)[:, None]
        )


@dataclass(frozen=True)
class _WholeRows:
    """Rows of a dump that was read whole."""

    table: pd.DataFrame
    index: pd.DataFrame

    def on(self, days: Collection[dt.date]) -> tuple[pd.DataFrame, pd.DataFrame]:
        chosen = ((self.index["fate"] == LOAD) & self.index["day"].isin(set(days))).to_numpy()
        return self.table[chosen], self.index[chosen]


def _whole(task: Task) -> Indexed:
    raw = read_landed(task.source, task.path, task.snapshot.origin, task.parser, is_newest=task.keep)
    matched = matched_columns(task.source, raw, task.parser, task.before)
    table = matched.table
    task = _with_dates(task, readings(task.parser, table, task.context))
    facts = task.parser.row_facts(table, task.context)
    index = build_index(table, facts)
    is_bad = (index["fate"] == QUARANTINE).to_numpy()
    undated = index[is_bad]
    bad = pd.DataFrame(
        {name: undated[name] for name in ("line", "reason", "detail")} | {"raw": raw_json(table[is_bad])}
    )
    ragged = pd.DataFrame(
        [(row.line, row.reason, row.detail, row.raw) for row in matched.ragged], columns=BAD_COLUMNS
    )
    bad = pd.concat([bad, ragged])
    days = _as_numbers(index["day"])
    settled = _Settled(
        days,
        hash_words(as_arrow(index["row_hash"])),
        (index["fate"] == LOAD).to_numpy(),
        (index["fate"] == DUPLICATE).to_numpy(),
        has_ahead=_has_ahead(days, task.context),
        superseded=int((index["reason"] == SUPERSEDED).sum()),
        ranks=None if facts.ties is None else _ranks(key_words(facts.ties), index),
    )
    found = _index(task, raw.header, raw.rows_in, len(bad), matched.drift, settled)
    words = key_words(facts.keys) if task.keys and facts.keys is not None else None
    keys = None if words is None else Keys.of(settled.days, words, settled.loaded)
    dates = kept_formats(task.parser, table.columns, task.context)
    return Indexed(found, bad, matched.profile, dates, _WholeRows(table, index), keys)


def _ranks(ties: np.ndarray, index: pd.DataFrame) -> np.ndarray:
    """Return the ranks of rows to load among those they are tied with."""
    return _ranked(ties, index["line"].to_numpy(np.int64), (index["fate"] == LOAD).to_numpy())


def _ranked(ties: np.ndarray, lines: np.ndarray, loaded: np.ndarray) -> np.ndarray:
    return tie_ranks(np.where(loaded[:, None], ties, np.uint64(0)), lines)


def _has_ahead(days: np.ndarray, context: SourceContext) -> bool:
    """Whether rows are of days that aren't plausible yet; days since 1970."""
    return context.last_day is not None and bool((days > (context.last_day - _EPOCH).days).any())


def _as_numbers(days: pd.Series) -> np.ndarray:
    """Return days since 1970; 0 where there is none."""
    return pa.array(days, pa.date32(), from_pandas=True).cast(pa.int32()).fill_null(0).to_numpy()


def raw_json(rows: pd.DataFrame) -> list[str]:
    """Write rows as JSON, for the quarantine."""
    return [
        json.dumps(row, ensure_ascii=False, default=str)
        for row in rows.drop(columns="line").to_dict("records")
    ]


# --- by pieces ------------------------------------------------------------------------------------


def _by_pieces(task: Task, dump: Dump) -> Indexed:
    how = fingerprint([_FORMAT, task.rules, str(dump.layout), str(dump.dialect)])
    kept = task.store.load()
    # Of another layout even the names of a piece's columns are other ones, though its bytes are the same.
    last_day = str(task.context.last_day)
    known = {
        key: found
        for key, found in (kept.pieces.items() if kept.how == how else ())
        if found[0].ahead_of in (None, last_day)
    }
    before = {key: Size(piece.size, piece.lines) for key, (piece, _) in known.items()}
    parts = list(dump.pieces(before))
    columns = _columns(known[piece.key][0].columns if rows is None else rows.columns for piece, rows in parts)
    # What is picked out and matched follows from the names of the columns, so no rows are needed.
    nothing = RawTable(_aligned(None, columns), columns, columns, dump.dialect, 0, notes=dump.notes)
    picked = picked_rows(task.source, nothing, task.parser)
    if task.keep:
        check_names(task.source, columns)
    match = column_match(task.source, picked.columns, task.parser)
    reading = _Reading(task, dump, columns, match)
    if not kept.columns.startswith(reading.shape) and any(rows is None for _, rows in parts):
        parts = list(dump.pieces({}))
    dates = _dates(reading, parts, known)
    task = _with_dates(task, added_readings(dates))
    reading = replace(reading, task=task)
    if kept.columns != reading.rules and any(rows is None for _, rows in parts):
        parts = list(dump.pieces({}))
        dates = _dates(reading, parts, known)
    found = [
        (replace(piece, dates=told), batch)
        for (piece, batch), told in zip(_facts(reading, parts, known), dates, strict=True)
    ]
    pieces = [piece for piece, _ in found]
    rows_in = sum(piece.rows_in - piece.left_out for piece in pieces)
    ragged = sum(row["row"] is None for piece in pieces for row in piece.bad)
    if not rows_in or 2 * ragged > rows_in:
        raise NotInPieces
    if task.keep:
        check_paths(task.source, columns, {path for piece in pieces for path in piece.paths})
    check_currencies(task.source, list(dict.fromkeys(code for piece in pieces for code in piece.currencies)))
    numbers = _added(piece.numbers for piece in pieces)
    drift = drift_without_rows(task.source, picked, task.parser, match, profile_before(task.before), numbers)
    if drift is None:
        raise NotInPieces
    drift += left_out_note(sum(piece.left_out for piece in pieces))
    drift += unmatched_notes(task.source, {name for piece in pieces for name in piece.matched})
    # Of a JSON list the records are counted, of everything else the lines.
    ends = [piece.rows_in if dump.dialect.kind == "json" else piece.lines for piece in pieces]
    lines = dump.first_line + np.cumsum([0, *ends])[:-1]
    rows = _PieceRows(reading, parts, found, lines)
    bad = [
        (int(first) + row["line"], row["reason"], row["detail"], row["raw"])
        for first, piece in zip(lines, pieces, strict=True)
        for row in piece.bad
    ]
    index = _index(task, picked.header, rows_in, len(bad), drift, rows.settled)
    if task.keep and any(rows is not None for _, rows in parts):
        task.store.save(task.snapshot.sha256, how, reading.rules, found)
    profile = profile_of(picked.columns, numbers, sum(batch.num_rows for _, batch in found)).to_json()
    keys = rows.keys() if task.keys else None
    formats = kept_formats(task.parser, match.mapping.values(), task.context)
    return Indexed(index, pd.DataFrame(bad, columns=BAD_COLUMNS), profile, formats, rows, keys)


@dataclass(frozen=True)
class _Reading:
    """How the pieces of one dump are read: all alike."""

    task: Task
    dump: Dump
    columns: tuple[str, ...]
    match: ColumnMatch

    @property
    def shape(self) -> str:
        """Fingerprint of which columns the dump has, and what they are."""
        return fingerprint([self.columns, self.match.mapping])

    @property
    def rules(self) -> str:
        """Fingerprint of what else decides what is found in a piece: the shape, and how dates are read."""
        return f"{self.shape}.{fingerprint(dict(self.task.context.column_formats))}"

    def rows(self, parts: Sequence[tuple[int, RawTable]]) -> tuple[RawTable, pd.DataFrame, np.ndarray]:
        """Return rows of some pieces as the source gives them and under the contract's names, and whose each is.

        Args:
            parts: Number and rows of each piece; the numbers are given back.
        """
        tables = []
        for number, raw in parts:
            table = _aligned(raw.table, self.columns)
            # A row's piece goes along in the high bits of its line: rows that aren't of the dataset are left out below.
            line = np.asarray(table.column(LINE)) - 1 + (number << _PIECE_SHIFT)
            tables.append(table.set_column(len(self.columns), LINE, pa.array(line)))
        raw = RawTable(
            pa.concat_tables(tables), self.columns, self.columns, self.dump.dialect, sum(map(len, tables))
        )
        picked = picked_rows(self.task.source, raw, self.task.parser)
        frame = contract_rows(self.task.source, picked, self.match, self.task.parser)
        line = frame["line"].to_numpy(dtype=np.int64)
        return picked, frame.assign(line=line & _REL_LINE), line >> _PIECE_SHIFT


def _columns(shapes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all columns, in the order of their first appearance."""
    return tuple(dict.fromkeys(name for shape in dict.fromkeys(shapes) for name in shape))


def _aligned(table: pa.Table | None, columns: Sequence[str]) -> pa.Table:
    """Return a table with all columns, those that it lacks being empty."""
    size = 0 if table is None else table.num_rows
    there = set() if table is None else set(table.column_names)
    empty = pa.chunked_array([pa.nulls(size, pa.large_string())])
    arrays = [table.column(name) if table is not None and name in there else empty for name in columns]
    lines = pa.chunked_array([pa.array([], pa.int64())]) if table is None else table.column(LINE)
    return pa.table([*arrays, lines], names=[*columns, LINE])


def _added(counts: Iterable[Mapping[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    total: dict[str, tuple[int, int]] = {}
    for count in counts:
        for name, (filled, others) in count.items():
            before = total.get(name, (0, 0))
            total[name] = (before[0] + filled, before[1] + others)
    return total


def _dates(
    reading: _Reading, parts: Sequence[tuple[Piece, RawTable | None]], known: Known
) -> list[dict[str, list[Readings]]]:
    """Return how the cells of each piece's columns of dates are read; nothing where no formats contradict."""
    if not rivals(reading.task.context.formats):
        return [{}] * len(parts)
    return [
        known[piece.key][0].dates
        if rows is None
        else readings(reading.task.parser, reading.rows([(number, rows)])[1], reading.task.context)
        for number, (piece, rows) in enumerate(parts)
    ]


def _facts(
    reading: _Reading,
    parts: Sequence[tuple[Piece, RawTable | None]],
    known: Known,
) -> list[Found]:
    """Return what is known of each piece, found out where it wasn't; many pieces at once."""
    found: dict[int, Found] = {}
    waiting: list[tuple[int, RawTable]] = []
    for number, (piece, rows) in enumerate(parts):
        if rows is None:
            found[number] = known[piece.key]
            continue
        waiting.append((number, rows))
        if sum(raw.table.num_rows for _, raw in waiting) >= _ROWS_AT_ONCE:
            found.update(_found_out(reading, parts, waiting))
            waiting = []
    found.update(_found_out(reading, parts, waiting))
    return [found[number] for number in range(len(parts))]


def _found_out(
    reading: _Reading, parts: Sequence[tuple[Piece, RawTable | None]], some: Sequence[tuple[int, RawTable]]
) -> Iterator[tuple[int, Found]]:
    if not some:
        return
    task = reading.task
    picked, frame, numbers = reading.rows(some)
    facts = task.parser.row_facts(frame, task.context)
    batch = _as_batch(frame, facts)
    borders = np.searchsorted(numbers, [*(number for number, _ in some), some[-1][0] + 1])
    counted = {
        name: count_numbers(picked.table.column(name), borders)
        for name in number_columns(task.source, reading.match)
    }
    is_bad = np.flatnonzero(facts.findings.found)
    raw_of = dict(zip(is_bad, raw_json(frame.iloc[is_bad]), strict=True))
    lines, days = frame["line"].to_numpy(), batch["day"].to_numpy()
    for at_piece, (number, raw) in enumerate(some):
        first, last = (int(at) for at in borders[at_piece : at_piece + 2])
        table = replace(picked, table=picked.table.slice(first, last - first))
        undated = [
            {
                "row": int(at) - first,
                "line": int(lines[at]),
                "reason": facts.findings.reason[at],
                "detail": facts.findings.detail[at],
                "raw": raw_of[at],
            }
            for at in is_bad[slice(*np.searchsorted(is_bad, [first, last]))]
        ]
        ragged = [
            {"row": None, "line": row.line - 1, "reason": row.reason, "detail": row.detail, "raw": row.raw}
            for row in raw.ragged
        ]
        told = KnownPiece(
            key=parts[number][0].key,
            size=parts[number][0].size.bytes,
            lines=parts[number][0].lines,
            columns=raw.columns,
            rows_in=raw.rows_in,
            left_out=raw.table.num_rows - table.table.num_rows,
            numbers={name: counts[at_piece] for name, counts in counted.items()},
            currencies=tuple(currencies(task.source, table)),
            paths=tuple(sorted(paths_found(task.source, raw))),
            matched=tuple(sorted(patterns_matched(task.source, table))),
            bad=[*undated, *ragged],
            ahead_of=str(task.context.last_day) if _has_ahead(days[first:last], task.context) else None,
        )
        yield number, (told, batch.slice(first, last - first))


def _as_batch(frame: pd.DataFrame, facts: RowFacts) -> pa.RecordBatch:
    words = hash_words(facts.hashes)
    columns = {
        "line": pa.array(frame["line"].to_numpy(dtype=np.int64)),
        "day": pa.array(_as_numbers(facts.days)),
        "high": pa.array(np.ascontiguousarray(words[:, 0])),
        "low": pa.array(np.ascontiguousarray(words[:, 1])),
    }
    if facts.keys is not None:
        keys = key_words(facts.keys)
        columns |= {"key_high": pa.array(keys[:, 0].copy()), "key_low": pa.array(keys[:, 1].copy())}
    if facts.ties is not None:
        ties = key_words(facts.ties)
        columns |= {"tie_high": pa.array(ties[:, 0].copy()), "tie_low": pa.array(ties[:, 1].copy())}
    columns |= {f"rank_{number}": pa.array(rank) for number, rank in enumerate(facts.ranks)}
    return pa.RecordBatch.from_pydict(columns)


def _words_of(facts: pa.Table, high: str, low: str) -> np.ndarray | None:
    if high not in facts.column_names:
        return None
    return np.column_stack([facts[high].to_numpy(), facts[low].to_numpy()])


class _PieceRows:
    """Rows of a dump that is read by pieces; those of a day are read when they are asked for."""

    def __init__(
        self,
        reading: _Reading,
        parts: Sequence[tuple[Piece, RawTable | None]],
        found: Sequence[Found],
        first_lines: np.ndarray,
    ) -> None:
        self._reading, self._parts, self._first_lines = reading, parts, first_lines
        sizes = [batch.num_rows for _, batch in found]
        self._starts = np.cumsum([0, *sizes])
        self._piece_of = np.repeat(np.arange(len(sizes)), sizes)
        facts = pa.Table.from_batches([batch for _, batch in found])
        self._lines = facts["line"].to_numpy() + self._first_lines[self._piece_of]
        self._keys = _words_of(facts, "key_high", "key_low")
        ranks = [facts[name].to_numpy() for name in facts.column_names if name.startswith("rank_")]
        kept = repeated_words(self._keys, [*ranks, self._lines])
        repeated = kept >= 0
        bad = np.zeros(len(facts), bool)
        for start, (piece, _) in zip(self._starts, found, strict=False):
            bad[[start + row["row"] for row in piece.bad if row["row"] is not None]] = True
        words, ties = _words_of(facts, "high", "low"), _words_of(facts, "tie_high", "tie_low")
        assert words is not None
        loaded = ~repeated & ~bad
        again = np.flatnonzero(repeated & ~bad)
        superseded = int((words[again] != words[kept[again]]).any(axis=1).sum())
        placed = None if ties is None else _ranked(ties, self._lines, loaded)
        has_ahead = any(piece.ahead_of for piece, _ in found)
        self.settled = _Settled(
            facts["day"].to_numpy(), words, loaded, repeated, has_ahead, superseded, placed
        )

    def keys(self) -> Keys | None:
        """Return the keys of the rows to load; None where they have none."""
        return None if self._keys is None else Keys.of(self.settled.days, self._keys, self.settled.loaded)

    def on(self, days: Collection[dt.date]) -> tuple[pd.DataFrame, pd.DataFrame]:
        wanted = np.array([(day - _EPOCH).days for day in days])
        chosen = np.flatnonzero(self.settled.loaded & np.isin(self.settled.days, wanted))
        pieces = np.unique(self._piece_of[chosen])
        if not len(pieces):
            table = self._reading.rows([(0, _no_rows(self._reading.columns, self._reading.dump))])[1]
        else:
            table = self._reading.rows([(int(number), self._read(int(number))) for number in pieces])[1]
        sizes = (self._starts[1:] - self._starts[:-1])[pieces]
        if len(table) != sizes.sum():
            raise self._changed()
        shift = np.repeat(self._starts[pieces] - np.cumsum([0, *sizes])[:-1], sizes)
        at = np.flatnonzero(np.isin(np.arange(len(table)) + shift, chosen))
        table = table.iloc[at].assign(line=self._lines[chosen])
        size = len(chosen)
        index = pd.DataFrame(
            {
                "line": self._lines[chosen],
                "day": pa.array(self.settled.days[chosen], pa.int32())
                .cast(pa.date32())
                .to_pandas()
                .to_numpy(),
                "row_hash": as_text(hash_texts(self.settled.words[chosen]), table.index),
                "fate": as_text(pa.repeat(pa.scalar(LOAD, pa.large_string()), size), table.index),
                "reason": as_text(nulls(size), table.index),
                "detail": as_text(nulls(size), table.index),
            },
            index=table.index,
        )
        return table, index

    def _read(self, number: int) -> RawTable:
        piece, rows = self._parts[number]
        try:
            rows = rows if rows is not None else self._reading.dump.read(piece)
        except NotInPieces:
            rows = None
        if rows is None:
            raise self._changed()
        return rows

    def _changed(self) -> FunnelError:
        source = self._reading.task.source
        return FunnelError(
            "The landed dump changed while it was being read.",
            dataset=source.dataset,
            source=source.name,
            fix="run the day again; what lands is never to be edited.",
        )


def _no_rows(columns: tuple[str, ...], dump: Dump) -> RawTable:
    return RawTable(_aligned(None, columns), columns, columns, dump.dialect, 0)
