"""From a configured source to a text table with known column names: fetch, keep, read, match.

Belongs here: joining ``sources`` with the landing. Does not belong here: what rows mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.config.source_model import Source
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.parsing.base import CURRENCY, EXTERNAL_ID, Parser, SourceContext
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
)
from funnel_assets.sources.fields import field, only_rows, with_fields
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
        return landing.put(
            source.dataset,
            source.name,
            part,
            result.url,
            result.fetched_at,
            source.format,
            etag=result.etag,
            last_modified=result.last_modified,
            move=True,
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


def read_landed(source: Source, path: Path, origin: str, parser: Parser) -> RawTable:
    """Read landed bytes as text, with the fields and rows that the source picks out, located for messages."""
    try:
        raw = read_table(
            path,
            kind=source.format,  # pyright: ignore[reportArgumentType] - checked when sources.yaml was read
            encoding=source.encoding,
            delimiter=source.delimiter,
            sheet=source.sheet,
            file=origin,
            required_hint=[source.columns.get(name, name) for name in parser.required],
            allow_empty=source.allow_empty,
        )
        picked = _picked(source, raw, parser)
        paths = {name: path for name, (path, _) in picked.items()}
        chosen = with_fields(only_rows(raw, source.only), paths)
        return _with_currency(source, _with_ids(source, chosen))
    except SourceBroken as error:
        raise error.located(dataset=source.dataset, source=source.name) from None


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
    constants = _constants(source, parser)
    wanted = [
        ColumnSpec(sheet, aliases=(field,), required=sheet in parser.required and sheet not in constants)
        for field, sheet in parser.columns.items()
    ]
    sheets = _sheets(parser)
    picked = {name: sheet for name, (_, sheet) in _picked(source, raw, parser).items()}
    column_map = {
        file: sheets[name]
        for name, file in source.columns.items()
        if name in sheets and sheets[name] not in picked.values()
    }
    column_map |= picked
    where = {"file": source.shown_location, "source": source.name, "dataset": source.dataset}
    match = match_columns(raw.columns, wanted, column_map, **where)
    known = before.extra.get("profile") if before and before.extra else None
    previous = Profile.from_json(known) if known else None
    drift = detect_drift(raw, match, previous, wanted=wanted, column_map=column_map)
    kept = apply_policy(raw, drift, source.drift, **where)  # pyright: ignore[reportArgumentType] - checked before
    frame = contract_table(kept.table, match).to_pandas().rename(columns={LINE: "line"})
    if source.external_id:
        frame[EXTERNAL_ID] = as_text(as_arrow(kept.table.table.column(EXTERNAL_ID)))
    if source.currency_column:
        frame[CURRENCY] = as_text(as_arrow(kept.table.table.column(CURRENCY)))
    for sheet, value in constants.items():
        frame[sheet] = value
    for name, ours in source.values.items():
        if name in sheets:
            frame[sheets[name]] = _renamed(frame[sheets[name]], ours)
    told = drift.sentences() if previous else []
    return Matched(
        frame, kept.table.ragged, [*told, *raw.notes], profile(raw, _numbers(source, match)).to_json()
    )


def _picked(source: Source, raw: RawTable, parser: Parser) -> dict[str, tuple[str, str]]:
    """Columns of the map that the file hasn't by themselves: inside a nested value, or read a second time.

    Returns:
        Name of the column to add -> where it is found, and the parser's name for it.
    """
    sheets = _sheets(parser)
    there = {column_key(name) for name in raw.columns}
    taken: set[str] = set()
    picked = {}
    for name, file in source.columns.items():
        key = column_key(file)
        if name in sheets and (key in taken or (key not in there and "." in file)):
            picked[f"{file} ({name})"] = (file, sheets[name])
        taken.add(key)
    return picked


def _renamed(cells: pd.Series, ours: Mapping[str, str]) -> pd.Series:
    """Return cells with our words for theirs, compared trimmed and without case."""
    folded = {theirs.strip().lower(): word for theirs, word in ours.items()}
    found = cells.str.strip().str.lower().map(folded)
    return found.astype(cells.dtype).fillna(cells)


def _sheets(parser: Parser) -> dict[str, str]:
    """Column name in the source by contract field and by its own name: sources.yaml may use either."""
    return {**parser.columns, **{sheet: sheet for sheet in parser.columns.values()}}


def _with_ids(source: Source, table: RawTable) -> RawTable:
    """Add the source's own ids of people, as a column that no drift policy sees: often it is another one's copy."""
    return _with_column(table, source.external_id, "external_id", EXTERNAL_ID)


def _with_currency(source: Source, table: RawTable) -> RawTable:
    """Add the currency of each row; that none is in ours is a mistake of the settings or a change of the source."""
    table = _with_column(table, source.currency_column, "currency", CURRENCY)
    if source.currency_column is None or not table.table.num_rows:
        return table
    cells = pc.utf8_upper(pc.utf8_trim_whitespace(table.table.column(CURRENCY)))
    found = [code for code in pc.unique(cells).to_pylist() if code]
    if found and source.currency not in found:
        raise SourceBroken(
            f"Every row is in {', '.join(found[:3])}, while FUNNEL_CURRENCY is {source.currency}.",
            fix=f"set FUNNEL_CURRENCY={found[0]} if all sources are in it, else convert the amounts at the source.",
        )
    return table


def _with_column(table: RawTable, path: str | None, key: str, name: str) -> RawTable:
    if path is None:
        return table
    cells = field(table, path)
    if cells is None and not table.table.num_rows:
        cells = pa.nulls(0, pa.large_string())
    if cells is None:
        raise SourceBroken(
            f"The column {path!r}, which `{key}` names, isn't there.",
            fix=f"restore it at the source, or correct `{key}` in sources.yaml.",
        )
    return replace(table, table=table.table.append_column(name, cells.cast(pa.large_string())))


def source_context(source: Source, file: str, day_timezone: str, tables: Tables) -> SourceContext:
    """Return what a parser has to know of a source besides its rows."""
    return SourceContext(
        dataset=source.dataset,
        name=source.name,
        order=source.order,
        timezone=source.timezone,
        day_timezone=day_timezone,
        **({"date_formats": source.date_formats} if source.date_formats else {}),
        currency=source.currency,
        in_minor_units=source.amounts == "minor",
        file=file,
        placeholders=frozenset(str(value) for value in tables["placeholders"]["value"]),
        id_namespace=source.id_namespace,
    )


def _constants(source: Source, parser: Parser) -> dict[str, str]:
    sheets = _sheets(parser)
    return {sheets[name]: value for name, value in source.constants.items() if name in sheets}


def _numbers(source: Source, match: ColumnMatch) -> set[str]:
    """Columns of the file that hold numbers by contract: those in which a text would be news."""
    numeric = {
        facts.sheet
        for facts in columns(CONTRACTS[source.dataset])
        if facts.sheet and facts.arrow_type == pa.int64()
    }
    return {file for file, name in match.mapping.items() if name in numeric}
