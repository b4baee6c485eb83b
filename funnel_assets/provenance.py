"""Where a row of the lake stands in what landed: file and line.

Belongs here: finding rows again in the newest dump or in a Zoom report. Does not belong here: showing them.

The lake keeps no line numbers, because a dump that only moves rows about must not change a day. So a row is looked up
when somebody asks: the few rows of the dump that name the same phone, e-mail or id are parsed anew, and the one that
gets the same id is the row. What can't be found (the dump no longer holds it, it names nobody) has no line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from funnel_assets.config.source_model import Source
from funnel_assets.config.sources import load_sources
from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.domain.parsing import PARSERS
from funnel_assets.domain.parsing.base import Cells
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.dating import DATE_FORMATS
from funnel_assets.pipeline.landed import matched_columns, read_landed, source_context
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.sources.zoom.reader import read_report
from funnel_assets.storage.landing import Snapshot

LARGEST_DUMP_BYTES = 64 << 20
"""Larger dumps aren't read just to tell a line: it would take longer than a person waits."""

_PHONE_TAIL = 8
_MOST_REPORTS = 12

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a row came from: the source of sources.yaml, the file or URL, and the line, as far as they are known."""

    source: str | None
    file: str | None
    line: int | None = None


def places(pipeline: Pipeline, wanted: Mapping[str, Sequence[Row]]) -> dict[str, Place]:
    """Return where rows of the lake came from, by their id.

    Args:
        pipeline: Where sources and the landing are.
        wanted: Rows by source dataset, with the contract's key, source, phone and e-mail.
    """
    sources = configured_sources(pipeline)
    found: dict[str, Place] = {}
    for dataset, rows in wanted.items():
        ours = [source for source in sources if source.dataset == dataset]
        places_of = _report_places if dataset == "zoom_attendance" else _dump_places
        found |= places_of(pipeline, ours, dataset, rows)
    return found


def _dump_places(
    pipeline: Pipeline, sources: Sequence[Source], dataset: str, rows: Sequence[Row]
) -> dict[str, Place]:
    """Find rows in the newest dump of their source."""
    configured = {source.name: source for source in sources}
    key = CONTRACTS[dataset].key[0]
    found: dict[str, Place] = {}
    for name in {row["source_name"] for row in rows}:
        ours = [row for row in rows if row["source_name"] == name]
        snapshot = pipeline.landing.newest(dataset, name)
        lines: dict[str, int] = {}
        if snapshot is not None and name in configured and snapshot.bytes <= LARGEST_DUMP_BYTES:
            lines = _dump_lines(pipeline, configured[name], snapshot, ours)
        file = snapshot.origin if snapshot else None
        found |= {row[key]: Place(name, file, lines.get(row[key])) for row in ours}
    return found


class _AnyEnvironment(dict[str, str]):
    """The environment, with an address that leads nowhere for what isn't set: reading what landed needs none."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name) or self.__missing__(name)

    def __missing__(self, name: str) -> str:
        return "http://unset.invalid"


def configured_sources(pipeline: Pipeline) -> Sequence[Source]:
    """Return what sources.yaml lists; nothing where it has a mistake, which whoever needs it tells."""
    try:
        environ = _AnyEnvironment(pipeline.settings.environ)
        return load_sources(pipeline.settings.sources_file, environ, apart=True).sources
    except FunnelError:
        return ()


def _dump_lines(
    pipeline: Pipeline, source: Source, snapshot: Snapshot, rows: Sequence[Row]
) -> dict[str, int]:
    """Return the lines of those of the rows that a dump holds, by id."""
    dataset = source.dataset
    try:
        parser = PARSERS[dataset]
        raw = read_landed(source, pipeline.landing.path(snapshot), snapshot.origin, parser)
        table = matched_columns(source, raw, parser, None).table
        named = [parser.columns[field] for field in ("phone", "email") if field in parser.columns]
        context = source_context(
            source,
            snapshot.origin,
            pipeline.settings.timezone,
            pipeline.tables(),
            column_formats=(snapshot.extra or {}).get(DATE_FORMATS),
        )
        keys = {row["external_key"] for row in rows if row.get("external_key")}
        theirs = _names_one_of(table[[column for column in named if column in table]], rows)
        table = table[theirs | Cells(table, {}).external_keys(context).isin(keys)]
        cleaned = parser.clean_rows(table, parser.index_rows(table, context), context).rows
    except FunnelError:
        return {}  # what changed since the row was loaded is no reason to explain nothing
    return dict(zip(cleaned[CONTRACTS[dataset].key[0]], cleaned["line"].astype(int), strict=True))


def _names_one_of(cells: pd.DataFrame, rows: Iterable[Row]) -> pd.Series:
    """Find the rows in which a cell names a phone or an e-mail of the rows, however it is typed."""
    emails = {row["email"] for row in rows if row.get("email")}
    tails = {row["phone"][-_PHONE_TAIL:] for row in rows if row.get("phone")}
    wanted = "|".join(re.escape(text) for text in sorted(emails | tails)) or r"(?!)"
    found = pd.Series(False, index=cells.index)
    for column in cells:
        texts = cells[column].fillna("")
        for shape in (texts.str.lower(), texts.str.replace(r"\D", "", regex=True)):
            found |= shape.str.contains(wanted, regex=True)
    return found


def _report_places(
    pipeline: Pipeline, sources: Sequence[Source], dataset: str, rows: Sequence[Row]
) -> dict[str, Place]:
    """Find the first line of each Zoom record in its report."""
    found = {row["attendance_id"]: Place(None, row["source_file"]) for row in rows}
    newest: dict[str, tuple[Source, Snapshot]] = {}
    for source in sources:
        for snapshot in pipeline.landing.snapshots(dataset, source.name):
            newest[snapshot.origin] = (source, snapshot)
    for row in rows[-_MOST_REPORTS:]:
        if row["source_file"] not in newest:
            continue
        source, snapshot = newest[row["source_file"]]
        line = None
        if snapshot.bytes <= LARGEST_DUMP_BYTES:
            data = pipeline.landing.path(snapshot).read_bytes()
            line = _report_line(data, row, source.timezone)
        found[row["attendance_id"]] = Place(source.name, row["source_file"], line)
    return found


def _report_line(data: bytes, row: Row, timezone: str) -> int | None:
    try:
        people = read_report(data, file=row["source_file"], timezone=timezone).people
    except FunnelError:
        return None
    lines = people.loc[_names_one_of(people[["email", "phone_raw"]].astype("str"), [row]), "line"]
    return int(lines.min()) if len(lines) else None
