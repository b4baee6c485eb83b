"""What every tabular source dataset shares on its way from text to rows.

Belongs here: the shape of a parser's input and results, cells made tidy, reasons for quarantine, the choice among rows
of one key, and the accounts that must add up. Does not belong here: the rules of any one dataset (one module each).

Parsing has three steps. ``row_facts`` looks at every row of a dump, cheaply and each for itself: which local day it
belongs to, a hash of its content, and of which key only one row may be kept; so facts of a part of a dump can be kept
and put together with those of other parts. ``chosen`` finds the rows that are another row again. ``clean_rows`` reads
the cells of some rows; its result for a day depends on that day's rows alone. When a dump changes, only its changed
parts are looked at and only days whose hashes changed are cleaned again.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.countries import HOME
from funnel_assets.domain.dates import ISO_FORMATS
from funnel_assets.domain.email import normalize_emails
from funnel_assets.domain.external_id import normalize_external_ids
from funnel_assets.domain.keys import Pseudonyms, row_hashes
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.domain.text import Bools, Ints, as_arrow, as_bools, as_text, distinct, nulls, pc, tidy
from funnel_assets.errors import SourceBroken
from funnel_assets.masking import mask_text

EXTERNAL_ID = "the source's own id"
"""Column of a table under which stands what ``external_id`` of sources.yaml names; absent where it names nothing."""

CURRENCY = "the row's currency"
"""Column of a table under which stands what ``currency: {column: …}`` of sources.yaml names; absent without it."""

FIRST_DAY = dt.date(2000, 1, 1)
"""Days before it are slips of the keyboard, unless the source says otherwise (``days`` of sources.yaml)."""

COUNT = "how often it happened"
"""Column of a table under which stands what ``count`` of sources.yaml names; absent where it names nothing."""

LOAD, DUPLICATE, QUARANTINE = "load", "duplicate", "quarantine"
IDENTICAL, SUPERSEDED = "identical_row", "superseded_row"


@dataclass(frozen=True)
class SourceContext:
    """What is known of a source besides its rows.

    Attributes:
        dataset: Dataset the source feeds.
        name: Name in sources.yaml.
        order: Position in sources.yaml; breaks ties of first touch.
        timezone: Time zone of the source's cells.
        day_timezone: Time zone that decides what a day is (FUNNEL_TIMEZONE).
        date_formats: Formats of the source, tried in order.
        country: Whose phone numbers its national ones are.
        currency: Currency of its amounts.
        in_minor_units: Whether its amounts are whole cents or paise.
        file: File or URL the rows came from, for messages.
        placeholders: Phones, e-mail addresses and ids that stand for none (placeholders.csv).
        id_namespace: What the values of `EXTERNAL_ID` are unique in.
        column_formats: Column name in the source -> the formats that its cells were found to be written in, of those
            of the source; see `date_choice`.
        first_day: Earliest day that is plausible.
        last_day: Latest one; None where any is.
        pseudonyms: Makes the keys of people and the ids of records.
    """

    dataset: str
    name: str
    order: int = 0
    timezone: str = "Asia/Kolkata"
    day_timezone: str = "Asia/Kolkata"
    date_formats: tuple[str, ...] = ISO_FORMATS
    country: str = HOME
    currency: str = "INR"
    in_minor_units: bool = False
    file: str = ""
    placeholders: frozenset[str] = frozenset()
    id_namespace: str = ""
    column_formats: Mapping[str, Sequence[str]] = field(default_factory=dict)
    first_day: dt.date = FIRST_DAY
    last_day: dt.date | None = None
    pseudonyms: Pseudonyms = field(kw_only=True)

    @property
    def formats(self) -> tuple[str, ...]:
        """The source's date formats, or ISO 8601 where it declares none."""
        return tuple(self.date_formats) or ISO_FORMATS

    def formats_of(self, column: str) -> tuple[str, ...]:
        """The date formats of one column of the source."""
        return tuple(self.column_formats.get(column, self.formats))


@dataclass(frozen=True)
class Cleaned:
    """Rows read from text.

    Attributes:
        rows: Exactly the contract's columns and ``line``, sorted by the contract's key.
        quarantine: ``line``, ``reason``, ``detail`` (masked, what to do), ``raw`` (JSON text of the row), ``day`` (None
            where unknown), on the labels of the table.
        notes: How many cells of loaded rows were read with a loss or a change worth knowing, by kind.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame
    notes: dict[str, int] = field(default_factory=dict)


RowFactsOf = Callable[[pd.DataFrame, SourceContext], "RowFacts"]
CleanRows = Callable[[pd.DataFrame, pd.DataFrame, SourceContext], Cleaned]


@dataclass(frozen=True)
class Parser:
    """How one dataset is read.

    Attributes:
        dataset: Its name.
        columns: Field of the contract to column name in the source.
        required: Column names without which the source is broken as a whole.
        row_facts: ``(table, context)`` to `RowFacts`.
        clean_rows: ``(rows of the table, the same rows of the index, context)`` to `Cleaned`.
        money: Columns whose sums must reconcile: name in the source to field of the contract.
        keyed: Whether a record has an id that says nothing of its day, so that two sources may hold it on two days.
    """

    dataset: str
    columns: Mapping[str, str]
    required: tuple[str, ...]
    row_facts: RowFactsOf
    clean_rows: CleanRows
    money: Mapping[str, str] = field(default_factory=dict)
    keyed: bool = False

    @property
    def names(self) -> dict[str, str]:
        """Column of the source by every name that sources.yaml may call it: the contract's field, and its own."""
        return {**self.columns, **{sheet: sheet for sheet in self.columns.values()}}

    @property
    def date_columns(self) -> list[str]:
        """Columns of the source that hold days or moments."""
        types = {facts.name: facts.arrow_type for facts in columns(CONTRACTS[self.dataset])}
        return [
            sheet
            for name, sheet in self.columns.items()
            if pa.types.is_date32(types[name]) or pa.types.is_timestamp(types[name])
        ]

    def index_rows(self, table: pd.DataFrame, context: SourceContext) -> pd.DataFrame:
        """Return an index of a whole dump, on the table's labels.

        Columns: ``line``, ``day`` (local date or None), ``row_hash`` (32 hex digits), ``fate``, ``reason``, ``detail``.
        ``quarantine`` here means that no day is known; rows with a day that turn out unusable are quarantined by
        ``clean_rows``. Doesn't depend on the order of rows.
        """
        return build_index(table, self.row_facts(table, context))


def sheet_columns(dataset: str) -> dict[str, str]:
    """Return field to source column for every field of a contract that names one."""
    return {facts.name: facts.sheet for facts in columns(CONTRACTS[dataset]) if facts.sheet}


class Cells:
    """A table's cells by contract field, trimmed, with empty ones null; a column the source lacks is all null."""

    def __init__(self, table: pd.DataFrame, fields: Mapping[str, str], required: Sequence[str] = ()) -> None:
        missing = [name for name in required if name not in table.columns]
        if missing:
            raise SourceBroken(
                f"the column {', '.join(repr(name) for name in missing)} is missing.",
                fix="restore it at the source, or map its new name under columns in sources.yaml",
            )
        self.size = len(table)
        self.labels = table.index
        self.sheet = dict(fields)
        self._cells = {
            name: tidy(table[sheet]) if sheet in table.columns else nulls(self.size)
            for name, sheet in fields.items()
        }
        self._external = table.get(EXTERNAL_ID)
        self.currency = tidy(table[CURRENCY]) if CURRENCY in table.columns else None
        self.count = tidy(table[COUNT]) if COUNT in table.columns else None

    def __getitem__(self, name: str) -> pa.Array:
        return self._cells[name]

    def series(self, name: str) -> pd.Series:
        """Return a field's cells as a pandas column of text."""
        return as_text(self._cells[name], self.labels)

    def phones(self, context: "SourceContext") -> pd.DataFrame:
        """Return the field ``phone`` as read: phone, phone_status."""
        cells = self.series("phone")
        return normalize_phones(cells, placeholders=context.placeholders, country=context.country)

    def emails(self, context: "SourceContext") -> pd.Series:
        """Return the field ``email`` as read."""
        return normalize_emails(self.series("email"), placeholders=context.placeholders)

    def missing(self, name: str) -> Bools:
        """Return where a field's cell is empty."""
        return as_bools(self._cells[name].is_null())

    def empty(self) -> Bools:
        """Return where every cell of the row is empty."""
        found = np.ones(self.size, bool)
        for cells in self._cells.values():
            found &= as_bools(cells.is_null())
        return found

    def hashes(self, salt: str = "") -> pa.Array:
        """Return the hash of each row's content; ids, currencies and counts are part of it where a source has them."""
        more = [] if self._external is None else [tidy(self._external)]
        more += [found for found in (self.currency, self.count) if found is not None]
        return row_hashes([*self._cells.values(), *more], salt)

    def external_keys(self, context: "SourceContext") -> pd.Series:
        """Return the pseudonym of the source's own id of each row's person; missing where there is none."""
        if self._external is None:
            return as_text(nulls(self.size), self.labels)
        ids = normalize_external_ids(self._external, placeholders=context.placeholders)
        return context.pseudonyms.external_keys(ids, context.id_namespace)


class Findings:
    """What is wrong with which rows; the first reason found for a row stands."""

    def __init__(self, size: int) -> None:
        self.reason = np.full(size, None, object)
        self.detail = np.full(size, None, object)

    @property
    def found(self) -> Bools:
        """Where something is wrong."""
        return self.reason != None  # noqa: E711 - element by element

    def add(self, where: Bools, reason: str, detail: str) -> None:
        """Give rows a reason with one text for all."""
        rows = where & ~self.found
        self.reason[rows] = reason
        self.detail[rows] = detail

    def add_cells(self, where: Bools, reason: str, cells: pa.Array, describe: Callable[[str], str]) -> None:
        """Give rows a reason with a text made from the cell; the cell is masked first."""
        rows = np.flatnonzero(where & ~self.found)
        if not len(rows):
            return
        texts, places = distinct(cells.take(pa.array(rows)))
        described = np.array([describe(shown(text)) for text in texts.to_pylist()], object)
        self.reason[rows] = reason
        self.detail[rows] = described[places.to_numpy()]

    def carry(self, index: pd.DataFrame) -> "Findings":
        """Take over what the index found."""
        rows = (index["fate"] == QUARANTINE).to_numpy()
        self.reason[rows] = index["reason"].to_numpy(dtype=object)[rows]
        self.detail[rows] = index["detail"].to_numpy(dtype=object)[rows]
        return self


def shown(text: str) -> str:
    """Return a cell as it may be shown to people: masked, and not endless."""
    masked = mask_text(text)
    return masked if len(masked) <= 60 else masked[:57] + "..."


def find_other_currency(findings: Findings, cells: Cells, context: SourceContext) -> None:
    """Find rows whose amounts are in another currency than all others: they can't be added to them (SPEC 1)."""
    if cells.currency is None:
        return
    findings.add(
        as_bools(cells.currency.is_null()),
        "currency_missing",
        f"The row doesn't say its currency, so its amounts can't be told from others. It should be "
        f"{context.currency}: fill it in at the source.",
    )
    same = pc.equal(pc.utf8_upper(cells.currency), context.currency).fill_null(True)
    findings.add_cells(
        ~as_bools(same),
        "currency_other",
        cells.currency,
        lambda text: (
            f'The row is in "{text}", all else in {context.currency} (FUNNEL_CURRENCY): amounts of two '
            "currencies can't be added. Convert it at the source."
        ),
    )


def find_undated(
    findings: Findings,
    cells: Cells,
    name: str,
    days: pd.Series,
    context: SourceContext,
    empty_rows: bool = True,
) -> None:
    """Find rows that belong to no day: they are empty, or their date is missing, unreadable or a slip.

    Args:
        findings: Filled in here.
        cells: The rows.
        name: Field of the contract that says the day.
        days: Local day of each row (``datetime.date`` or None).
        context: What is known of the source.
        empty_rows: Whether to tell rows without any cell apart.
    """
    sheet, known = cells.sheet[name], days.notna().to_numpy()
    if empty_rows:
        findings.add(cells.empty() & ~known, "empty_row", "The row is empty. Delete it at the source.")
    findings.add(
        cells.missing(name) & ~known,
        "date_missing",
        f'The column "{sheet}" is empty, so the row belongs to no day. Fill it in at the source.',
    )
    find_unreadable_date(findings, cells, name, known, context)
    _find_implausible(findings, cells, name, days, context)


def _find_implausible(
    findings: Findings, cells: Cells, name: str, days: pd.Series, context: SourceContext
) -> None:
    """Find rows of a day that can't be: in ``0203`` or ``2062`` they would be loaded and never seen."""
    sheet, local = cells.sheet[name], pa.array(days, pa.date32(), from_pandas=True)
    # The last day isn't named: what was said of a row stays true when the dump is taken again tomorrow.
    for where, when in (
        (pc.less(local, context.first_day), f"before {context.first_day}"),
        (
            pc.greater(local, context.last_day or dt.date.max),
            "after the last day that the source may have (tomorrow, unless it says otherwise)",
        ),
    ):
        findings.add_cells(
            as_bools(where.fill_null(False)),
            "date_implausible",
            cells[name],
            lambda text, when=when: (
                f'"{text}" in the column "{sheet}" is a day {when}. Correct the cell at the source, or say which days '
                f"it may have: `days: {{from: 2015-04-01, to: 2031-03-31}}` of {context.name} in sources.yaml."
            ),
        )


def find_unreadable_date(
    findings: Findings, cells: Cells, name: str, known: Bools, context: SourceContext
) -> None:
    """Find rows with something in a date column that none of the source's formats reads."""
    sheet, sample = cells.sheet[name], dt.datetime(2025, 3, 22, 19, 13, 27, tzinfo=dt.UTC)
    written = " or ".join(
        dict.fromkeys(fmt if "%" not in fmt else sample.strftime(fmt) for fmt in context.formats_of(sheet))
    )
    findings.add_cells(
        ~cells.missing(name) & ~known,
        "date_unreadable",
        cells[name],
        lambda text: (
            f'"{text}" in the column "{sheet}" can\'t be read as a date: this source writes {written}. Correct '
            f"the cell, or add its format to date_formats of {context.name} in sources.yaml."
        ),
    )


def find_unreadable_number(
    findings: Findings, cells: Cells, name: str, unreadable: Bools, reason: str, what: str
) -> None:
    """Find rows with something in a number column that is none."""
    sheet = cells.sheet[name]
    findings.add_cells(
        unreadable,
        reason,
        cells[name],
        lambda text: f'"{text}" in the column "{sheet}" is not {what}. Correct the cell at the source.',
    )


@dataclass(frozen=True)
class RowFacts:
    """What is known of each row of a table by itself.

    Attributes:
        days: Local day of each row (``datetime.date`` or None).
        hashes: Hash of each row's content, 32 hex digits.
        findings: Rows that belong to no day.
        keys: Of rows of one key only one is kept; null where a row doesn't compete. None: every row is kept.
        ranks: Columns to choose it by, the most important first; the smallest wins, on a tie the first line. To be free
            of the order of rows they must tell all rows of a key apart that differ.
        ties: Of rows of one tie the order in the dump counts (:func:`tie_ranks`), and a dump that changes it changes
            their day; null where a row's place doesn't matter. None: no row's does.
    """

    days: pd.Series
    hashes: pa.Array
    findings: Findings
    keys: pa.Array | None = None
    ranks: Sequence[np.ndarray] = ()
    ties: pa.Array | None = None


def build_index(table: pd.DataFrame, facts: RowFacts) -> pd.DataFrame:
    """Return the index of a table's rows; see `Parser.index_rows`."""
    findings, hashes, lines = facts.findings, facts.hashes, _lines(table)
    kept = repeats(facts.keys, [*facts.ranks, lines])
    repeated = kept >= 0
    fate = np.where(findings.found, 2, np.where(repeated, 1, 0)).astype(np.int8)
    if repeated.any():
        codes = pc.dictionary_encode(hashes).indices.to_numpy()
        rows = np.flatnonzero(repeated)
        same = codes[rows] == codes[kept[rows]]
        findings.reason[rows] = np.where(same, IDENTICAL, SUPERSEDED)
        findings.detail[rows] = np.where(
            same, "The same row stands elsewhere in the source.", "Another row of the same key is kept."
        )
    return pd.DataFrame(
        {
            "line": lines,
            "day": facts.days.to_numpy(),
            "row_hash": as_text(hashes, table.index),
            "fate": as_text(
                pa.array([LOAD, DUPLICATE, QUARANTINE], pa.large_string()).take(fate), table.index
            ),
            "reason": _sparse_text(findings.reason, table.index),
            "detail": _sparse_text(findings.detail, table.index),
        },
        index=table.index,
    )


def _lines(table: pd.DataFrame) -> Ints:
    if "line" in table.columns:
        return table["line"].to_numpy(dtype=np.int64)
    return np.arange(1, len(table) + 1)


def _sparse_text(values: np.ndarray, index: pd.Index) -> pd.Series:
    if not (values != None).any():  # noqa: E711 - element by element
        return as_text(nulls(len(values)), index)
    return as_text(pa.array(values, pa.large_string()), index)


def repeats(keys: pa.Array | None, ranks: Sequence[np.ndarray]) -> Ints:
    """Choose one row among those of each key; see `RowFacts`.

    Returns:
        For each row that isn't chosen, the position of the one that is; -1 for every other row.
    """
    if keys is None:
        return _unchosen(len(ranks[-1]))
    places = pc.dictionary_encode(keys).indices
    rows = np.flatnonzero(as_bools(places.is_valid()))
    codes = places.fill_null(0).to_numpy()[rows]
    often = np.bincount(codes, minlength=1)[codes] > 1
    return _chosen(rows[often], codes[often], ranks)


def repeated_words(keys: np.ndarray | None, ranks: Sequence[np.ndarray]) -> Ints:
    """Do the work of `repeats` on keys that have been made numbers (`key_words`)."""
    if keys is None:
        return _unchosen(len(ranks[-1]))
    # Hardly any key repeats: those that do are found by half of their hash, and only they are compared whole.
    halves = keys[:, 0]
    often = pd.Series(halves).duplicated(keep=False).to_numpy() & (halves != 0)
    rows = np.flatnonzero(often)
    _, codes, counts = np.unique(keys[often], axis=0, return_inverse=True, return_counts=True)
    again = counts[codes] > 1 if len(codes) else np.zeros(0, bool)
    return _chosen(rows[again], codes[again], ranks)


def tie_ranks(ties: np.ndarray, lines: Ints) -> Ints:
    """Number the rows of each tie 0, 1, 2 … in the order of their lines; 0 for a row that is tied with none.

    Args:
        ties: What each row is tied by, as :func:`~funnel_assets.domain.keys.key_words` gives it.
        lines: Where each row stands.
    """
    ranks = np.zeros(len(ties), np.int64)
    halves = ties[:, 0]
    rows = np.flatnonzero(pd.Series(halves).duplicated(keep=False).to_numpy() & (halves != 0))
    if len(rows):
        _, codes = np.unique(ties[rows], axis=0, return_inverse=True)
        ordered = np.lexsort([lines[rows], codes])
        codes = codes[ordered]
        begins = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
        sizes = np.diff(np.r_[begins, len(codes)])
        ranks[rows[ordered]] = np.arange(len(codes)) - np.repeat(begins, sizes)
    return ranks


def _unchosen(size: int) -> Ints:
    return np.full(size, -1, np.int64)


def _chosen(rows: Ints, codes: Ints, ranks: Sequence[np.ndarray]) -> Ints:
    """Choose among rows whose keys, as ``codes``, all occur several times."""
    kept = _unchosen(len(ranks[-1]))
    if not len(rows):
        return kept
    ordered = np.lexsort([*(rank[rows] for rank in reversed(ranks)), codes])
    rows, codes = rows[ordered], codes[ordered]
    first = np.r_[True, codes[1:] != codes[:-1]]
    chosen = rows[first][np.cumsum(first) - 1]
    kept[rows[~first]] = chosen[~first]
    return kept


def only_where(wanted: Bools, values: pa.Array) -> pa.Array:
    """Return the values with all others null."""
    return pc.if_else(pa.array(wanted), values, pa.scalar(None, values.type))


def as_ranks(hashes: pa.Array) -> np.ndarray:
    """Return hashes as numbers in the same order (their first 60 bits), to rank by."""
    prefixes = pc.utf8_slice_codeunits(hashes, 0, 15)
    padded = pc.binary_join_element_wise(
        pa.scalar("0x", pa.large_string()), prefixes, pa.scalar("", pa.large_string())
    )
    return padded.cast(pa.int64()).to_numpy(zero_copy_only=False)


def finish(
    dataset: str,
    table: pd.DataFrame,
    index: pd.DataFrame,
    fields: dict[str, pd.Series],
    findings: Findings,
    notes: Mapping[str, Bools] | None = None,
) -> Cleaned:
    """Split cleaned rows into those to load, sorted by the contract's key, and those in quarantine.

    Takes the fields out of ``fields`` one by one, so that a large dump isn't held twice.
    """
    contract = CONTRACTS[dataset]
    bad = findings.found
    keep = (index["fate"] == LOAD).to_numpy() & ~bad
    names = [facts.name for facts in columns(contract)]
    kept = np.flatnonzero(keep)
    keys = as_arrow(fields[contract.key[0]]).take(pa.array(kept))
    order = kept[pc.sort_indices(keys).to_numpy()]
    arrays = {name: fields.pop(name).array.take(order) for name in names}
    rows = pd.DataFrame(arrays | {"line": index["line"].to_numpy()[order]}, copy=False)
    counted = {name: int((found & keep).sum()) for name, found in (notes or {}).items()}
    return Cleaned(
        rows, _quarantined(table[bad], index[bad], findings), {k: n for k, n in counted.items() if n}
    )


def _quarantined(table: pd.DataFrame, index: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    bad = findings.found
    frame = pd.DataFrame(
        {
            "line": index["line"].to_numpy(dtype=np.int64),
            "reason": as_text(pa.array(findings.reason[bad], pa.large_string()), table.index),
            "detail": as_text(pa.array(findings.detail[bad], pa.large_string()), table.index),
            "raw": as_text(pa.array(_raw_rows(table), pa.large_string()), table.index),
            "day": index["day"].to_numpy(),
        },
        index=table.index,
    )
    return frame.sort_values("line", kind="stable")


def _raw_rows(table: pd.DataFrame) -> list[str]:
    names = [str(name) for name in table.columns if name != "line"]
    cells = [as_arrow(table[name]).to_pylist() for name in names]
    return [
        json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in zip(*cells, strict=True)
    ]
