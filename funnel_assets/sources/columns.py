"""Which column of a file is which, and what changed about a file's columns.

Belongs here: matching names, reporting drift between two versions of a source, and what each of the four outcomes
does about it. Does not belong here: reading files (``tabular``) or what a value means (contracts).

Drift is measured against the last good version of the same source where one is known, else against the contract.
The four outcomes are the ones that data loaders agree on (issue: schema drift): ``evolve`` takes the change,
``freeze`` refuses the file, ``discard_row`` sets aside the rows that carry it, ``discard_value`` blanks the values.
Whatever the outcome, the report names every column, so none is lost silently.
"""

import difflib
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute

from funnel_assets.errors import ConfigError, SourceBroken
from funnel_assets.masking import mask_text
from funnel_assets.sources.tabular import LINE, RaggedRow, RawTable, row_text

Policy = Literal["evolve", "freeze", "discard_row", "discard_value"]

# The functions of this module are made at run time, where no type checker sees them.
pc: Any = pyarrow.compute
_NUMBER = r"^\s*[+-]?(\d+|\d{1,3}(,\d{2,3})+)?(\.\d*)?([eE][+-]?\d+)?\s*$"
_SAMPLES = 3
_TEXT = pa.large_string()


def column_key(name: str) -> str:
    """Reduce a column name to what all its spellings share.

    Case, width, spacing, underscores and punctuation go: ``Lead_Mobile``, ``leadMobile`` and ``lead mobile`` meet.
    Letters of any alphabet stay, with their marks.
    """
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum() or unicodedata.category(char)[0] == "M")


# --- matching -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnSpec:
    """A column that a dataset wants.

    Attributes:
        name: The contract's name.
        aliases: Other names that files use; any spelling of each.
        required: Whether a file without it is broken.
    """

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class ColumnMatch:
    """Which file column is which contract column.

    Attributes:
        mapping: File column (as `RawTable.columns` names it) to contract name, in file order.
        missing: Wanted columns that are optional and not there.
        added: File columns that nobody wants; they stay in the table.
        renamed: File column to contract name, where the two are spelled differently.
        reordered: True when the matched columns stand in another order than wanted.
        duplicated: File columns that claim a contract column already taken; they stay in the table as added.
    """

    mapping: dict[str, str]
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    reordered: bool = False
    duplicated: tuple[str, ...] = ()

    def file_column(self, name: str) -> str | None:
        """Return the file's column of a contract column, or None."""
        return next((column for column, contract in self.mapping.items() if contract == name), None)


def match_columns(
    header: Sequence[str],
    wanted: Sequence[ColumnSpec],
    column_map: Mapping[str, str] | None = None,
    *,
    file: str | None = None,
    source: str | None = None,
    dataset: str | None = None,
) -> ColumnMatch:
    """Match a file's columns with the wanted ones.

    In turn: the source's own column map, the exact name, any spelling of the name, any spelling of an alias. The
    first file column that claims a wanted one has it.

    Args:
        header: `RawTable.columns`.
        wanted: The contract's columns, in its order.
        column_map: File column (any spelling) to contract name, from ``sources.yaml``.
        file: For messages.
        source: For messages.
        dataset: For messages.

    Raises:
        SourceBroken: A required column is not there; names it and what the file has instead.
        ConfigError: The column map names a contract column that doesn't exist.
    """
    column_map = column_map or {}
    _check_map(column_map, wanted, source, dataset)
    claims = _claims(header, wanted, column_map)
    mapping: dict[str, str] = {}
    taken: set[str] = set()
    for _, position, name in sorted(claims):
        if name not in taken and header[position] not in mapping:
            mapping[header[position]] = name
            taken.add(name)
    duplicated = tuple(
        dict.fromkeys(
            header[position] for _, position, _ in sorted(claims) if header[position] not in mapping
        )
    )
    lacking = [spec for spec in wanted if spec.name not in taken]
    gone = [spec for spec in lacking if spec.required]
    if gone:
        raise _missing(gone, header, mapping, file, source, dataset)
    mapping = {column: mapping[column] for column in header if column in mapping}
    order = [spec.name for spec in wanted if spec.name in taken]
    return ColumnMatch(
        mapping=mapping,
        missing=tuple(spec.name for spec in lacking),
        added=tuple(column for column in header if column not in mapping),
        renamed={column: name for column, name in mapping.items() if column != name},
        reordered=list(mapping.values()) != order,
        duplicated=duplicated,
    )


def _check_map(
    column_map: Mapping[str, str], wanted: Sequence[ColumnSpec], source: str | None, dataset: str | None
) -> None:
    names = {spec.name for spec in wanted}
    for column, name in column_map.items():
        if name in names:
            continue
        turned = " It may be written the wrong way round." if column in names else ""
        near = difflib.get_close_matches(name, sorted(names), 3, 0.6)
        hint = f"; did you mean {', '.join(near)}" if near else ""
        raise ConfigError(
            f"The column map sends {column!r} to {name!r}, which this dataset doesn't have{hint}.{turned}",
            dataset=dataset,
            source=source,
            fix="write `columns:` in sources.yaml as `our column: file column`.",
        )


def _claims(
    header: Sequence[str], wanted: Sequence[ColumnSpec], column_map: Mapping[str, str]
) -> list[tuple[tuple[int, int], int, str]]:
    """List (strength, position, contract name) of every file column that could be a wanted one."""
    mapped = {column_key(column): name for column, name in column_map.items()}
    exact = {spec.name: spec.name for spec in wanted}
    keys = {column_key(spec.name): spec.name for spec in reversed(wanted)}
    aliases: dict[str, tuple[int, str]] = {}
    for spec in wanted:
        for rank, alias in enumerate(spec.aliases):
            aliases.setdefault(column_key(alias), (rank, spec.name))
    claims: list[tuple[tuple[int, int], int, str]] = []
    for position, column in enumerate(header):
        # A repeated column carries its number, which its key must not.
        key = column_key(_unnumbered(column, header))
        if not key:
            continue
        if key in mapped:
            claims.append(((0, 0), position, mapped[key]))
        elif column in exact:
            claims.append(((1, 0), position, column))
        elif key in keys:
            claims.append(((2, 0), position, keys[key]))
        elif key in aliases:
            rank, name = aliases[key]
            claims.append(((3, rank), position, name))
    return claims


def unknown_columns(
    wanted: Mapping[str, str],
    header: Sequence[str],
    *,
    file: str | None = None,
    source: str | None = None,
    dataset: str | None = None,
) -> SourceBroken | None:
    """Say which columns that ``sources.yaml`` names a file doesn't have; None when it has all of them.

    Args:
        wanted: What names it in ``sources.yaml`` (``columns: utmSource``) -> the column's name, or a path that begins
            with one (``user.email``).
        header: `RawTable.columns`.
        file: For the message.
        source: For the message.
        dataset: For the message.
    """
    shown = {column_key(column): mask_text(column) for column in header}
    told = []
    for key, path in wanted.items():
        head = path.partition(".")[0]
        if {column_key(path), column_key(head)} & shown.keys():
            continue
        near = difflib.get_close_matches(column_key(path), list(shown), 1, 0.6)
        hint = f" (did you mean {shown[near[0]]!r}?)" if near else ""
        told.append(f"`{key}` names {path!r}{hint}")
    if not told:
        return None
    names = "a column" if len(told) == 1 else "columns"
    return SourceBroken(
        f"sources.yaml names {names} that the file doesn't have: {'; '.join(told)}. "
        f"The file has: {', '.join(map(repr, shown.values()))}.",
        dataset=dataset,
        source=source,
        file=file,
        fix="correct the name in sources.yaml, take its line out, or restore the column at the source.",
    )


def _unnumbered(column: str, header: Collection[str]) -> str:
    base, opening, rest = column.rpartition(" (")
    return base if opening and rest.endswith(")") and rest[:-1].isdigit() and base in header else column


def _missing(
    gone: Sequence[ColumnSpec],
    header: Sequence[str],
    mapping: Mapping[str, str],
    file: str | None,
    source: str | None,
    dataset: str | None,
) -> SourceBroken:
    # A file that lost its header line shows a person's row here: such cells are not names to be told.
    shown = [mask_text(column) for column in header] if mapping else []
    known = dict(zip(header, shown, strict=True)) if shown else {}
    keys = {column_key(name): name for column, name in known.items() if column not in mapping}
    parts = []
    for spec in gone:
        near: list[str] = []
        for name in (spec.name, *spec.aliases):
            near += difflib.get_close_matches(column_key(name), list(keys), 2, 0.6)
        guesses = list(dict.fromkeys(keys[key] for key in near))[:2]
        closest = f" (closest: {', '.join(map(repr, guesses))})" if guesses else ""
        known = f", in files also {', '.join(map(repr, spec.aliases[:3]))}" if spec.aliases else ""
        parts.append(f"{spec.name!r}{known}{closest}")
    plural = "columns are" if len(parts) > 1 else "column is"
    has = (
        f"The file has: {', '.join(map(repr, shown))}."
        if shown
        else f"None of the {len(header)} cells of its first line is a known column name: is the header line gone?"
    )
    return SourceBroken(
        f"Required {plural} gone: {'; '.join(parts)}. {has}",
        dataset=dataset,
        source=source,
        file=file,
        fix="put the column back, or add a line to `columns:` of this source in sources.yaml saying which it is.",
    )


def contract_table(table: RawTable, match: ColumnMatch) -> pa.Table:
    """Return a table's rows under the contract's names.

    Columns: the matched ones renamed, the missing optional ones all null, then the columns nobody asked for under
    their own names (with `` (file)`` where a contract column has that name), then `LINE`.
    """
    names, columns = list(match.mapping.values()), [table.table.column(name) for name in match.mapping]
    names += match.missing
    columns += [pa.chunked_array([pa.nulls(table.table.num_rows, _TEXT)])] * len(match.missing)
    for column in match.added:
        if column in table.columns:
            names.append(f"{column} (file)" if column in names else column)
            columns.append(table.table.column(column))
    return pa.table([*columns, table.table.column(LINE)], names=[*names, LINE])


# --- drift ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ColumnProfile:
    """What one column of one version of a source looked like.

    Attributes:
        name: As in the file.
        kind: ``number`` when at least 99 % of its values read as numbers, ``text`` else, ``empty`` without values.
        filled: Cells with a value.
    """

    name: str
    kind: str
    filled: int


@dataclass(frozen=True)
class Profile:
    """What the columns of one version of a source looked like; kept in the landing's record."""

    columns: tuple[ColumnProfile, ...]
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"rows": self.rows, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Profile":
        """Read what `to_json` wrote."""
        return cls(tuple(ColumnProfile(**column) for column in value["columns"]), value["rows"])


@dataclass(frozen=True)
class TypeChange:
    """A column that was numbers and now holds text.

    Attributes:
        column: As in the file.
        values: How many values are no numbers.
        samples: Some of them, masked.
        lines: Their lines.
    """

    column: str
    values: int
    samples: tuple[str, ...]
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Drift:
    """What changed about a source's columns. Names are the file's; samples are masked.

    Attributes:
        added: New columns, with masked samples of their values.
        dropped: Columns that are gone.
        renamed: Old spelling to new spelling of the same column.
        reordered: True when the common columns changed places.
        duplicated: Columns that appear more than once, or twice under two names.
        retyped: Columns that turned from number to text.
        header_moved: Line of the header when it isn't the first one, else None.
        against: ``previous`` version or ``contract``.
    """

    added: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    reordered: bool = False
    duplicated: tuple[str, ...] = ()
    retyped: tuple[TypeChange, ...] = ()
    header_moved: int | None = None
    against: Literal["previous", "contract"] = "contract"

    def __bool__(self) -> bool:
        return bool(
            self.added
            or self.dropped
            or self.renamed
            or self.reordered
            or self.duplicated
            or self.retyped
            or self.header_moved
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, for an asset's metadata."""
        return asdict(self)

    def sentences(self) -> list[str]:
        """Say it in words, one sentence a change."""
        told = [
            f"Column {name!r} is new" + (f", with values such as {', '.join(samples)}." if samples else ".")
            for name, samples in self.added.items()
        ]
        told += [f"Column {name!r} is gone." for name in self.dropped]
        told += [f"Column {old!r} is now called {new!r}." for old, new in self.renamed.items()]
        told += [
            f"Column {name!r} is there more than once; the first one is used." for name in self.duplicated
        ]
        told += [
            f"Column {change.column!r} was numbers and now has {change.values} texts, "
            f"such as {', '.join(change.samples)} (line {change.lines[0]})."
            for change in self.retyped
        ]
        if self.reordered:
            told.append("The columns changed places.")
        if self.header_moved:
            told.append(f"The header is on line {self.header_moved}.")
        return told


def profile(table: RawTable, columns: Collection[str] | None = None) -> Profile:
    """Describe a table's columns; only `columns` are looked into where given (the others count as empty)."""
    looked_into = [name for name in table.columns if columns is None or name in columns]
    every = (0, table.table.num_rows)
    counts = {name: count_numbers(table.table.column(name), every)[0] for name in looked_into}
    return profile_of(table.columns, counts, table.table.num_rows)


def count_numbers(values: pa.ChunkedArray, borders: Sequence[int] | np.ndarray) -> list[tuple[int, int]]:
    """Return for each stretch of a column how many cells have a value, and how many of those are no number.

    Args:
        values: The column.
        borders: Where the stretches begin, and the end of the last.
    """
    filled = _count_between(values.is_valid(), borders)
    return list(zip(filled, _count_between(_not_number(values), borders), strict=True))


def _count_between(marks: pa.ChunkedArray, borders: Sequence[int] | np.ndarray) -> list[int]:
    sums = np.concatenate([[0], np.cumsum(np.asarray(marks.fill_null(False)), dtype=np.int64)])
    return np.diff(sums[np.asarray(borders)]).tolist()


def profile_of(names: Sequence[str], counts: Mapping[str, tuple[int, int]], rows: int) -> Profile:
    """Describe columns by what :func:`count_numbers` gave for some of them; the others count as empty."""
    found = []
    for name in names:
        filled, others = counts.get(name, (0, 0))
        kind = "empty" if not filled else "text" if _are_many(others, filled) else "number"
        found.append(ColumnProfile(name, kind, filled))
    return Profile(tuple(found), rows)


def _are_many(others: int, filled: int) -> bool:
    """Whether texts among numbers are so many that the column no longer holds numbers."""
    # One typing mistake among thousands is a bad cell for the contract to judge, not a change of type.
    return others > 0.01 * filled


def _not_number(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Mark values that are no numbers; null where missing. Lone signs and points count as numbers, harmlessly."""
    return pc.invert(pc.match_substring_regex(values, _NUMBER))


def detect_drift(
    table: RawTable,
    match: ColumnMatch,
    previous: Profile | None = None,
    *,
    wanted: Sequence[ColumnSpec] = (),
    column_map: Mapping[str, str] | None = None,
) -> Drift:
    """Compare a file's columns with the previous version's, or with the contract where there is none.

    Args:
        table: The file.
        match: Its columns, from `match_columns`.
        previous: Of the last good version of the same source.
        wanted: As for `match_columns`; lets a change from one alias to another show as a rename.
        column_map: Likewise.
    """
    header_moved = table.dialect.header_line
    common = {
        "duplicated": tuple(dict.fromkeys((*match.duplicated, *_repeated(table)))),
        "header_moved": header_moved if header_moved and header_moved > 1 else None,
    }
    if previous is None:
        return Drift(
            added={name: _samples(table, name) for name in match.added if name not in match.duplicated},
            dropped=match.missing,
            reordered=match.reordered,
            **common,
        )
    before = [column.name for column in previous.columns]
    renamed = _renamed(before, table.columns, match, wanted, column_map or {})
    now = [name for name in table.columns if name not in before and name not in renamed.values()]
    shared_before = [renamed.get(name, name) for name in before if name in table.columns or name in renamed]
    shared_now = [name for name in table.columns if name in set(shared_before)]
    return Drift(
        added={name: _samples(table, name) for name in now if name not in match.duplicated},
        dropped=tuple(name for name in before if name not in table.columns and name not in renamed),
        renamed=renamed,
        reordered=shared_before != shared_now,
        retyped=_retyped(table, previous, renamed),
        against="previous",
        **common,
    )


def _repeated(table: RawTable) -> list[str]:
    keys = [column_key(name) for name in table.header]
    return [
        column
        for position, column in enumerate(table.columns)
        if keys[position] and keys[position] in keys[:position]
    ]


def _renamed(
    before: Sequence[str],
    now: Sequence[str],
    match: ColumnMatch,
    wanted: Sequence[ColumnSpec],
    column_map: Mapping[str, str],
) -> dict[str, str]:
    """Pair an old name with the new one: another spelling, or another alias of the same contract column."""
    gone = [name for name in before if name not in now]
    fresh = {column_key(name): name for name in reversed(now) if name not in before}
    pairs = {old: fresh[column_key(old)] for old in gone if column_key(old) in fresh}
    meant = {
        before[position]: name
        for _, position, name in sorted(_claims(before, wanted, column_map), reverse=True)
    }
    for old in gone:
        column = match.file_column(meant[old]) if old in meant else None
        if column in fresh.values() and column is not None and column not in pairs.values():
            pairs.setdefault(old, column)
    return pairs


def _retyped(table: RawTable, previous: Profile, renamed: Mapping[str, str]) -> tuple[TypeChange, ...]:
    changes = []
    for column in previous.columns:
        name = renamed.get(column.name, column.name)
        if column.kind != "number" or name not in table.columns:
            continue
        bad = _bad_rows(table, name)
        filled = len(bad) - table.table.column(name).null_count
        if not filled or not _are_many(bad.sum(), filled):
            continue
        rows = np.flatnonzero(bad)
        lines = table.table.column(LINE).take(pa.array(rows[:_SAMPLES])).to_pylist()
        samples = table.table.column(name).take(pa.array(rows[:_SAMPLES])).to_pylist()
        changes.append(
            TypeChange(name, int(bad.sum()), tuple(_masked(value) for value in samples), tuple(lines))
        )
    return tuple(changes)


def _bad_rows(table: RawTable, name: str) -> np.ndarray:
    marked = _not_number(table.table.column(name))
    return pc.fill_null(marked, False).to_numpy()


def _samples(table: RawTable, name: str) -> tuple[str, ...]:
    values = table.table.column(name).drop_null().slice(0, 1000).unique().slice(0, _SAMPLES).to_pylist()
    return tuple(_masked(value) for value in values)


def _masked(value: str) -> str:
    shown = mask_text(value)
    return shown if len(shown) <= 40 else shown[:39] + "…"


# --- outcomes -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DriftOutcome:
    """What a policy made of a table.

    Attributes:
        table: The table to go on with. Rows set aside moved to its `ragged`, so its `rows_in` is unchanged.
        discarded_values: Column to the number of its values that were left out.
        discarded_rows: Rows moved to `ragged`.
        drift: The report, whatever was done.
    """

    table: RawTable
    drift: Drift
    discarded_values: dict[str, int] = field(default_factory=dict)
    discarded_rows: int = 0


def apply_policy(
    table: RawTable,
    drift: Drift,
    policy: Policy,
    *,
    file: str | None = None,
    source: str | None = None,
    dataset: str | None = None,
) -> DriftOutcome:
    """Do what a source's config says about drift.

    ``evolve`` keeps everything, new columns included. ``freeze`` refuses a file whose columns were added, dropped,
    renamed, duplicated or retyped; another order or header line changes no meaning and passes. ``discard_row``
    sets aside the rows with a value in a new column or a text in a column of numbers. ``discard_value`` takes new
    columns out and blanks those texts; the rows stay.

    Raises:
        SourceBroken: `policy` is ``freeze`` and the columns changed.
        ConfigError: There is no such policy.
    """
    if policy not in get_args(Policy):
        allowed = ", ".join(get_args(Policy))
        raise ConfigError(
            f"There is no drift policy {policy!r}.", source=source, fix=f"use one of {allowed}."
        )
    if policy == "freeze":
        meaning = replace(drift, reordered=False, header_moved=None)
        if meaning:
            raise SourceBroken(
                f"The columns of this source changed, and it is frozen: {' '.join(meaning.sentences())}",
                dataset=dataset,
                source=source,
                file=file,
                fix="undo the change at the origin, or set `drift: evolve` for this source in sources.yaml.",
            )
    if policy == "discard_row":
        return _discard_rows(table, drift)
    if policy == "discard_value":
        return _discard_values(table, drift)
    return DriftOutcome(table, drift)


def _discard_rows(table: RawTable, drift: Drift) -> DriftOutcome:
    reasons: dict[int, str] = {}
    for change in drift.retyped:
        for row in np.flatnonzero(_bad_rows(table, change.column)):
            reasons.setdefault(int(row), f"Column {change.column!r} was numbers and holds a text here")
    for name in drift.added:
        for row in np.flatnonzero(table.table.column(name).is_valid().to_numpy()):
            reasons.setdefault(int(row), f"Column {name!r} is new and has a value here")
    if not reasons:
        return DriftOutcome(table, drift)
    rows = sorted(reasons)
    taken = table.table.take(pa.array(rows)).to_pylist()
    ragged = [
        RaggedRow(
            cells[LINE],
            "drift",
            f"{reasons[row]}: correct it at the origin, or set `drift: evolve` for this source.",
            row_text([cells[name] for name in table.columns]),
        )
        for row, cells in zip(rows, taken, strict=True)
    ]
    keep = np.ones(table.table.num_rows, dtype=bool)
    keep[rows] = False
    kept = replace(table, table=table.table.filter(pa.array(keep)), ragged=(*table.ragged, *ragged))
    return DriftOutcome(kept, drift, discarded_rows=len(ragged))


def _discard_values(table: RawTable, drift: Drift) -> DriftOutcome:
    discarded: dict[str, int] = {}
    arrow = table.table
    for change in drift.retyped:
        position = arrow.column_names.index(change.column)
        bad = pa.array(_bad_rows(table, change.column))
        blanked = pc.if_else(bad, pa.scalar(None, _TEXT), arrow.column(position))
        arrow = arrow.set_column(position, change.column, blanked)
        discarded[change.column] = change.values
    for name in drift.added:
        discarded[name] = len(arrow) - arrow.column(name).null_count
    arrow = arrow.drop_columns(list(drift.added))
    kept = [position for position, name in enumerate(table.columns) if name not in drift.added]
    left = replace(
        table,
        table=arrow,
        header=tuple(table.header[position] for position in kept),
        columns=tuple(table.columns[position] for position in kept),
    )
    return DriftOutcome(left, drift, discarded_values=discarded)
