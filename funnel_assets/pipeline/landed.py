"""From a configured source to a text table with known column names: fetch, keep, read, match.

Belongs here: joining ``sources`` with the landing. Does not belong here: what rows mean.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from funnel_assets.config.source_model import Source
from funnel_assets.domain.parsing.base import Parser
from funnel_assets.errors import SourceBroken, SourceUnavailable
from funnel_assets.sources.columns import column_key
from funnel_assets.sources.http import Auth, HttpPolicy, HttpRequest, fetch
from funnel_assets.sources.tabular import LINE, RawTable, read_table
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
    return landing.put(
        source.dataset,
        source.name,
        path,
        path.name,
        dt.datetime.now(dt.UTC),
        path.suffix.lstrip(".") or "bin",
    )


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
    """Read landed bytes as text, located for messages."""
    try:
        return read_table(
            path,
            kind=source.format,  # pyright: ignore[reportArgumentType] - checked when sources.yaml was read
            encoding=source.encoding,
            delimiter=source.delimiter,
            sheet=source.sheet,
            file=origin,
            required_hint=[source.columns.get(name, name) for name in parser.required],
            allow_empty=source.allow_empty,
        )
    except SourceBroken as error:
        raise error.located(dataset=source.dataset, source=source.name) from None


@dataclass(frozen=True)
class Matched:
    """A text table under the contract's column names.

    Attributes:
        table: Columns named as the parser wants them, and ``line``.
        quarantine: Rows that the source's drift policy sets aside: line, reason, detail, raw.
        drift: What is different about the columns, in words.
    """

    table: pd.DataFrame
    quarantine: pd.DataFrame
    drift: list[str]


def matched_columns(source: Source, raw: RawTable, parser: Parser, before: Sequence[str]) -> Matched:
    """Give a table the contract's column names.

    Raises:
        SourceBroken: A required column is gone.
    """
    by_key = {column_key(name): name for name in reversed(raw.columns)}
    chosen: dict[str, str] = {}
    for field, sheet in parser.columns.items():
        given = source.columns.get(sheet) or source.columns.get(field) or sheet
        found = (
            by_key.get(column_key(given)) or by_key.get(column_key(sheet)) or by_key.get(column_key(field))
        )
        if found is not None:
            chosen[sheet] = found
    constants = {
        sheet: value
        for field, sheet in parser.columns.items()
        for value in (source.constants.get(sheet) or source.constants.get(field),)
        if value is not None
    }
    missing = [name for name in parser.required if name not in chosen and name not in constants]
    if missing:
        raise SourceBroken(
            f"the column(s) {', '.join(missing)} are missing; the file has {', '.join(raw.columns)}.",
            dataset=source.dataset,
            source=source.name,
            file=source.shown_location,
            fix="restore them at the source, or map their new names under columns in sources.yaml.",
        )
    frame = raw.frame
    table = frame[list(chosen.values())].set_axis(list(chosen), axis=1)
    for name, value in constants.items():
        table = table.assign(**{name: value})
    return Matched(
        table.assign(line=frame[LINE].to_numpy()),
        pd.DataFrame(columns=["line", "reason", "detail", "raw"]),
        [f"column added: {name}" for name in raw.columns if before and name not in before],
    )
