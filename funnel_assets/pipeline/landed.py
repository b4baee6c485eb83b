"""From a configured source to a text table with known column names: fetch, keep, read, match.

Belongs here: joining ``sources`` with the landing. Does not belong here: what rows mean.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.config.source_model import Source
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.parsing.base import COUNT, CURRENCY, EXTERNAL_ID, FIRST_DAY, Parser, SourceContext
from funnel_assets.domain.text import as_arrow, as_text
from funnel_assets.errors import SourceBroken, SourceUnavailable
from funnel_assets.sources.columns import (
    ColumnMatch,
    ColumnSpec,
    Profile,
    apply_policy,
    column_key,
    contract_table,
    detect_drift,
    match_columns,
    profile,
    profile_of,
    unknown_columns,
)
from funnel_assets.sources.fields import extracted, field, leads_somewhere, no_column, only_rows, with_fields
from funnel_assets.sources.files import take_file
from funnel_assets.sources.http import Auth, HttpPolicy, HttpRequest, fetch
from funnel_assets.sources.tabular import LINE, RaggedRow, RawTable, read_table
from funnel_assets.storage.landing import Landing, Snapshot

MEGABYTE = 1 << 20


def land(source: Source, landing: Landing, before: Snapshot | None) -> Snapshot:
    """Fetch a source (or copy its file) into the landing.

    Args:
        source: What to fetch.
        landing: Where bytes are kept.
        before: The fetch before this one; the server is asked whether anything changed since.

    Raises:
        SourceUnavailable: The source can't be had now.
        SourceBroken: What came isn't the data.
    """
    if not source.is_http:
        return _land_file(source, landing)
    part = landing.temporary(source.dataset, source.name)
    try:
        result = fetch(_request(source, before), part, policy=_policy(source))
        if result.not_modified and before is not None:
            return landing.again(before, result.fetched_at)
        # JSON's list ends in its bracket, and is refused without; only of a CSV each line could be the last.
        is_proven = result.length_checked or source.format != "csv"
        return landing.put(
            source.dataset,
            source.name,
            part,
            result.url,
            result.fetched_at,
            source.format,
            # A server asked whether its file has changed would confirm the one of which we may hold a part.
            etag=result.etag if is_proven else None,
            last_modified=result.last_modified if is_proven else None,
            is_proven=is_proven,
            move=True,
            sha256=result.sha256,
        )
    finally:
        part.unlink(missing_ok=True)


def _land_file(source: Source, landing: Landing) -> Snapshot:
    path = Path(source.location)
    if not path.exists():
        raise SourceUnavailable(
            "the file isn't there.",
            dataset=source.dataset,
            source=source.name,
            file=path.name,
            fix="put it there, or correct the path in sources.yaml.",
        )
    part = landing.temporary(source.dataset, source.name)
    try:
        with part.open("wb") as sink:
            taken = take_file(path, sink, source=source.name, dataset=source.dataset)
        return landing.put(
            source.dataset,
            source.name,
            part,
            path.name,
            taken.taken_at,
            path.suffix.lstrip(".") or "bin",
            move=True,
        )
    finally:
        part.unlink(missing_ok=True)


def _request(source: Source, before: Snapshot | None) -> HttpRequest:
    auth = None
    if source.auth is not None:
        kind = source.auth.type
        auth = Auth(
            kind,  # pyright: ignore[reportArgumentType] - checked when sources.yaml was read
            source.auth.env,
            name=source.auth.name if kind != "basic" else None,
            user=source.auth.name if kind == "basic" else None,
        )
    return HttpRequest(
        source.location,
        auth=auth,
        etag=before.etag if before else None,
        last_modified=before.last_modified if before else None,
        source=source.name,
        dataset=source.dataset,
    )


def _policy(source: Source) -> HttpPolicy:
    given = {
        "read_timeout_s": source.http.timeout_seconds,
        "deadline_s": source.http.deadline_seconds,
        "max_bytes": None if source.http.max_megabytes is None else int(source.http.max_megabytes * MEGABYTE),
        "attempts": None if source.http.retries is None else source.http.retries + 1,
    }
    return HttpPolicy(**{name: value for name, value in given.items() if value is not None})


def read_landed(
    source: Source, path: Path, origin: str, parser: Parser, *, is_newest: bool = False
) -> RawTable:
    """Read landed bytes as text, with the fields and rows that the source picks out, located for messages.

    The newest dump has to have whatever ``sources.yaml`` names.
    """
    try:
        raw = read_table(
            path,
            kind=source.format,  # pyright: ignore[reportArgumentType] - checked when sources.yaml was read
            encoding=source.encoding,
            delimiter=source.delimiter,
            sheet=source.sheet,
            file=origin,
            required_hint=hints(source, parser),
            allow_empty=source.allow_empty,
            max_unpacked_megabytes=source.max_unpacked_megabytes,
        )
        if is_newest and len(raw.table):
            check_names(source, raw.columns)
            check_paths(source, raw.columns, paths_found(source, raw))
        picked = picked_rows(source, raw, parser)
        check_currencies(source, currencies(source, picked))
        notes = unmatched_notes(source, patterns_matched(source, picked)) if len(picked.table) else ()
        return replace(picked, notes=(*picked.notes, *notes))
    except SourceBroken as error:
        raise error.located(dataset=source.dataset, source=source.name) from None


def hints(source: Source, parser: Parser) -> list[str]:
    """Return the columns, as the source calls them, by which its header is known."""
    return [source.columns.get(name, name) for name in parser.required]


def picked_rows(source: Source, raw: RawTable, parser: Parser) -> RawTable:
    """Return the rows and fields of a file that ``sources.yaml`` picks out, with ids and currencies."""
    picked = _picked(source, raw.columns, parser)
    paths = {name: one.path for name, one in picked.items()}
    chosen = with_fields(only_rows(raw, source.only, source.count), paths)
    for name, one in picked.items():
        if one.pattern is not None and name in chosen.columns:
            at = chosen.table.column_names.index(name)
            cells = extracted(chosen.table.column(name), one.pattern)
            chosen = replace(chosen, table=chosen.table.set_column(at, name, cells))
    # Columns that no drift policy sees: often an id is another column's copy.
    chosen = _with_column(chosen, source.external_id, "external_id", EXTERNAL_ID)
    chosen = _with_column(chosen, source.count, "count", COUNT)
    return _with_column(chosen, source.currency_column, "currency", CURRENCY)


def currencies(source: Source, table: RawTable) -> list[str]:
    """Return the currencies that rows are in; none where the source doesn't tell."""
    if source.currency_column is None:
        return []
    cells = pc.utf8_upper(pc.utf8_trim_whitespace(table.table.column(CURRENCY)))
    return [code for code in pc.unique(cells).to_pylist() if code]


def check_currencies(source: Source, found: Sequence[str]) -> None:
    """Refuse a source that has no row in our currency: that is a mistake of the settings or a change of the source."""
    if found and source.currency not in found:
        raise SourceBroken(
            f"Every row is in {', '.join(found[:3])}, while FUNNEL_CURRENCY is {source.currency}.",
            fix=f"set FUNNEL_CURRENCY={found[0]} if all sources are in it, else convert the amounts at the source.",
        )


@dataclass(frozen=True)
class Matched:
    """A text table under the contract's column names.

    Attributes:
        table: Columns named as the parser wants them, columns nobody asked for under their own names, and ``line``.
        ragged: Rows set aside: they don't fit the header, or the source's drift policy says so.
        drift: What is different about the columns since the last dump, in words.
        profile: What the columns look like, for the next comparison.
    """

    table: pd.DataFrame
    ragged: tuple[RaggedRow, ...]
    drift: list[str]
    profile: dict[str, object]


def check_names(source: Source, columns: Sequence[str]) -> None:
    """Refuse a dump that lacks a column which ``columns`` of its source names.

    Not for older dumps of a rolling source: a column that is new today was in none of them.

    Raises:
        SourceBroken: Naming them all, and what the file has.
    """
    wanted = {f"columns: {name}": file for name, file in source.columns.items()}
    wanted |= {f"extract: {name}": one.column for name, one in source.extract.items()}
    if columns and (problem := unknown_columns(wanted, columns, **_where(source))):
        raise problem


def nested_paths(source: Source, columns: Sequence[str]) -> dict[str, str]:
    """Return what ``sources.yaml`` names that lies inside a column of a file: the key that names it, and its path."""
    there = {column_key(name) for name in columns}
    named = {f"columns: {name}": file for name, file in source.columns.items()}
    named |= {f"extract: {name}": one.column for name, one in source.extract.items()}
    named |= {f"only: {path}": path for path in source.only}
    one = {"count": source.count, "external_id": source.external_id, "currency": source.currency_column}
    named |= {key: path for key, path in one.items() if path is not None}
    return {key: path for key, path in named.items() if "." in path and column_key(path) not in there}


def paths_found(source: Source, raw: RawTable) -> set[str]:
    """Return the paths of `nested_paths` at which some record has something."""
    return {path for path in set(nested_paths(source, raw.columns).values()) if leads_somewhere(raw, path)}


def check_paths(source: Source, columns: Sequence[str], found: Collection[str]) -> None:
    """Refuse a dump in which no record has anything at a path that its source names; older dumps as of `check_names`.

    A path that some records lack is normal; one that all lack is a name that names nothing.

    Args:
        source: Where it came from.
        columns: Of the whole dump.
        found: What `paths_found` found in any part of it.

    Raises:
        SourceBroken: Naming them all.
    """
    lost = {key: path for key, path in nested_paths(source, columns).items() if path not in found}
    if not lost:
        return
    told = "; ".join(f"`{key}` names {path!r}" for key, path in lost.items())
    problem = SourceBroken(
        f"sources.yaml names what no record of the file has: {told}. The columns are there, but there is nothing "
        "inside them at these paths.",
        fix="correct the path in sources.yaml, take its line out, or restore the field at the source.",
    )
    raise problem.located(**_where(source))


def patterns_matched(source: Source, picked: RawTable) -> set[str]:
    """Return the names of ``extract`` whose pattern took something out of some row."""
    there = {name: picked.table.column(name) for name in picked.columns if name in picked.table.column_names}
    return {
        name
        for name, one in source.extract.items()
        if (cells := there.get(f"{one.column} ({name})")) is not None and cells.null_count < len(cells)
    }


def unmatched_notes(source: Source, matched: Collection[str]) -> tuple[str, ...]:
    """Say which patterns of ``extract`` took nothing out of any row.

    A note, no error: which campaigns were running is a fact about the rows, and a day without any is a good day.
    """
    return tuple(
        f"`extract: {name}` of sources.yaml matches in no row: {one.pattern!r} in {one.column!r}"
        for name, one in source.extract.items()
        if name not in matched
    )


def matched_columns(source: Source, raw: RawTable, parser: Parser, before: Snapshot | None) -> Matched:
    """Give a table the contract's column names, and do what the source's drift policy says.

    Args:
        source: Where it came from, with its column map.
        raw: The table.
        parser: What columns are wanted.
        before: The dump before this one.

    Raises:
        SourceBroken: A required column is gone, or the policy is ``freeze`` and the columns changed.
    """
    wanted, column_map = _wanted(source, raw.columns, parser)
    where = _where(source)
    match = match_columns(raw.columns, wanted, column_map, **where)
    previous = profile_before(before)
    drift = detect_drift(raw, match, previous, wanted=wanted, column_map=column_map)
    kept = apply_policy(raw, drift, source.drift, **where)  # pyright: ignore[reportArgumentType] - checked before
    told = drift.sentences() if previous else []
    return Matched(
        contract_rows(source, kept.table, match, parser),
        kept.table.ragged,
        [*told, *raw.notes],
        profile(raw, number_columns(source, match)).to_json(),
    )


def column_match(source: Source, columns: Sequence[str], parser: Parser) -> ColumnMatch:
    """Return which column of a file is which; see `match_columns`."""
    return match_columns(columns, *_wanted(source, columns, parser), **_where(source))


def _where(source: Source) -> dict[str, str]:
    return {"file": source.shown_location, "source": source.name, "dataset": source.dataset}


def drift_without_rows(
    source: Source,
    raw: RawTable,
    parser: Parser,
    match: ColumnMatch,
    previous: Profile | None,
    numbers: Mapping[str, tuple[int, int]],
) -> list[str] | None:
    """Say what is different about the columns of a file of which only the names are at hand.

    Args:
        source: Where it came from.
        raw: Its columns, with no rows.
        parser: What columns are wanted.
        match: Which column is which.
        previous: What the columns of the dump before looked like.
        numbers: What is known of columns of numbers; see `count_numbers`.

    Returns:
        The same words as `matched_columns`; None where it takes the rows to say, or to do what the policy wants.
    """
    if previous is None:
        return list(raw.notes) if source.drift == "evolve" else None
    now = profile_of(raw.columns, numbers, 1)
    if [column.name for column in previous.columns] != list(raw.columns) or any(
        (was.kind, is_now.kind) == ("number", "text")
        for was, is_now in zip(previous.columns, now.columns, strict=True)
    ):
        return None
    wanted, column_map = _wanted(source, raw.columns, parser)
    drift = detect_drift(raw, match, previous, wanted=wanted, column_map=column_map)
    if drift and source.drift != "evolve":
        return None
    return [*drift.sentences(), *raw.notes]


def profile_before(before: Snapshot | None) -> Profile | None:
    """Return what the columns of an earlier dump looked like, as far as it is known."""
    known = before.extra.get("profile") if before and before.extra else None
    return Profile.from_json(known) if known else None


def contract_rows(source: Source, raw: RawTable, match: ColumnMatch, parser: Parser) -> pd.DataFrame:
    """Return rows under the contract's column names, with the source's constants and in our words."""
    frame = contract_table(raw, match).to_pandas().rename(columns={LINE: "line"})
    if source.external_id:
        frame[EXTERNAL_ID] = as_text(as_arrow(raw.table.column(EXTERNAL_ID)))
    if source.currency_column:
        frame[CURRENCY] = as_text(as_arrow(raw.table.column(CURRENCY)))
    if source.count:
        frame[COUNT] = as_text(as_arrow(raw.table.column(COUNT)))
    for sheet, value in _constants(source, parser).items():
        frame[sheet] = value
    sheets = parser.names
    for name, ours in source.values.items():
        if name in sheets:
            frame[sheets[name]] = _renamed(frame[sheets[name]], ours)
    return frame


def _wanted(
    source: Source, columns: Sequence[str], parser: Parser
) -> tuple[list[ColumnSpec], dict[str, str]]:
    """Return the columns that a dataset wants, and what the source says is which."""
    constants = _constants(source, parser)
    wanted = [
        ColumnSpec(sheet, aliases=(field,), required=sheet in parser.required and sheet not in constants)
        for field, sheet in parser.columns.items()
    ]
    sheets = parser.names
    picked = {name: one.sheet for name, one in _picked(source, columns, parser).items()}
    column_map = {
        file: sheets[name]
        for name, file in source.columns.items()
        if name in sheets and sheets[name] not in picked.values()
    }
    return wanted, column_map | picked


class _Picked(NamedTuple):
    """A column to add: where it is found, what it is for the parser, and what takes its value out."""

    path: str
    sheet: str
    pattern: str | None = None


def _picked(source: Source, columns: Sequence[str], parser: Parser) -> dict[str, _Picked]:
    """Columns that the file hasn't by themselves, by name: inside a nested value or a text, or read a second time."""
    sheets = parser.names
    there = {column_key(name) for name in columns}
    taken: set[str] = set()
    picked = {
        f"{one.column} ({name})": _Picked(one.column, sheets[name], one.pattern)
        for name, one in source.extract.items()
        if name in sheets
    }
    for name, file in source.columns.items():
        key = column_key(file)
        if name in sheets and (key in taken or (key not in there and "." in file)):
            picked[f"{file} ({name})"] = _Picked(file, sheets[name])
        taken.add(key)
    return picked


def _renamed(cells: pd.Series, ours: Mapping[str, str]) -> pd.Series:
    """Return cells with our words for theirs, compared trimmed and without case; an empty word stands for none."""
    folded = {theirs.strip().lower(): word or None for theirs, word in ours.items()}
    theirs = cells.str.strip().str.lower()
    return cells.where(~theirs.isin(folded), theirs.map(folded).astype(cells.dtype))


def _with_column(table: RawTable, path: str | None, key: str, name: str) -> RawTable:
    if path is None:
        return table
    cells = field(table, path)
    if cells is None and not table.table.num_rows:
        cells = pa.nulls(0, pa.large_string())
    if cells is None:
        raise no_column(key, path, table)
    return replace(table, table=table.table.append_column(name, cells.cast(pa.large_string())))


def source_context(
    source: Source,
    file: str,
    day_timezone: str,
    tables: Tables,
    *,
    taken: dt.date | None = None,
    column_formats: Mapping[str, Sequence[str]] | None = None,
) -> SourceContext:
    """Return what a parser has to know of a source besides its rows.

    Args:
        source: Which.
        file: For messages.
        day_timezone: Time zone that decides what a day is.
        tables: Config tables.
        taken: Local day on which the dump was taken; rows may be of the day after.
        column_formats: What its dates were found to be written in.
    """
    tomorrow = None if taken is None else taken + dt.timedelta(days=1)
    return SourceContext(
        dataset=source.dataset,
        name=source.name,
        order=source.order,
        timezone=source.timezone,
        day_timezone=day_timezone,
        **({"date_formats": source.date_formats} if source.date_formats else {}),
        country=source.country,
        currency=source.currency,
        in_minor_units=source.amounts == "minor",
        file=file,
        placeholders=frozenset(str(value) for value in tables["placeholders"]["value"]),
        id_namespace=source.id_namespace,
        column_formats=column_formats or {},
        first_day=source.first_day or FIRST_DAY,
        last_day=source.last_day or tomorrow,
        pseudonyms=tables.pseudonyms,
    )


def _constants(source: Source, parser: Parser) -> dict[str, str]:
    sheets = parser.names
    return {sheets[name]: value for name, value in source.constants.items() if name in sheets}


def number_columns(source: Source, match: ColumnMatch) -> set[str]:
    """Columns of the file that hold numbers by contract: those in which a text would be news."""
    numeric = {
        facts.sheet
        for facts in columns(CONTRACTS[source.dataset])
        if facts.sheet and facts.arrow_type == pa.int64()
    }
    return {file for file, name in match.mapping.items() if name in numeric}
