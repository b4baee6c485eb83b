"""How the dates of a dump are written, judged by whole columns, and kept with what landed.

Belongs here: joining `domain.date_choice` with a dump and its landing record. Does not belong here: how formats are
judged or cells are read.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from funnel_assets.config.source_model import Source
from funnel_assets.domain.date_choice import Readings, Unclear, added, choose, read_by, rivals
from funnel_assets.domain.parsing.base import Parser, SourceContext
from funnel_assets.domain.text import tidy
from funnel_assets.errors import SourceBroken
from funnel_assets.storage.landing import Snapshot

DATE_FORMATS = "date_formats"
"""Where a landing record keeps column -> formats that its dates were read by."""


def readings(parser: Parser, table: pd.DataFrame, context: SourceContext) -> dict[str, list[Readings]]:
    """Count how each column of dates is read by each group of rivals among the source's formats."""
    groups = rivals(context.formats)
    if not groups:
        return {}
    return {
        column: [read_by(tidy(table[column]), group, context.first_day) for group in groups]
        for column in parser.date_columns
        if column in table.columns
    }


def added_readings(parts: Iterable[Mapping[str, Sequence[Readings]]]) -> dict[str, list[Readings]]:
    """Return what the pieces of a dump tell together."""
    told: dict[str, list[Sequence[Readings]]] = {}
    for part in parts:
        for column, found in part.items():
            told.setdefault(column, []).append(found)
    return {column: [added(group) for group in zip(*found, strict=True)] for column, found in told.items()}


def column_formats(
    counted: Mapping[str, Sequence[Readings]], source: Source, snapshot: Snapshot, context: SourceContext
) -> dict[str, tuple[str, ...]]:
    """Return the formats of each column in which those of the source contradict each other.

    A dump that was read before is read the same way, as long as its source still has that format and its cells don't
    speak against it: what was chosen for it is in its landing record.

    Raises:
        SourceBroken: A column can be read in two ways; says both, with a cell and how many rows move.
    """
    before = (snapshot.extra or {}).get(DATE_FORMATS, {})
    found: dict[str, tuple[str, ...]] = {}
    unclear: list[str] = []
    for column, told in counted.items():
        left_out: set[str] = set()
        for group, read in zip(rivals(context.formats), told, strict=True):
            chosen = choose(group, read)
            if isinstance(chosen, Unclear):
                once = [fmt for fmt in chosen.formats if fmt in before.get(column, chosen.formats)]
                if chosen.only or len(once) != 1:
                    unclear.append(_both_readings(column, chosen))
                    continue
                chosen = tuple(once)
            left_out |= set(group) - set(chosen)
        found[column] = tuple(fmt for fmt in context.formats if fmt not in left_out)
    if unclear:
        raise SourceBroken(
            " ".join(unclear),
            dataset=source.dataset,
            source=source.name,
            file=snapshot.origin,
            fix=f"in date_formats of {source.name} (sources.yaml, line {source.line}) keep the one that is right; "
            "cells that it can't read go to quarantine.",
        )
    return found


def _both_readings(column: str, unclear: Unclear) -> str:
    ways = " and ".join(
        f"{day.day} {day:%B %Y} as {fmt}" for fmt, day in zip(unclear.formats, unclear.days, strict=True)
    )
    count = "1 row" if unclear.rows == 1 else f"{unclear.rows} rows"
    told = (
        f"The dates in the column {column!r} can be read in {len(unclear.formats)} ways, and {count} would be on "
        f"another day: {unclear.example!r} is {ways}."
    )
    if unclear.only:
        some = ", ".join(
            f"{rows} only as {fmt} (such as {example!r})"
            for fmt, (rows, example) in unclear.only.items()
            if rows
        )
        told += f" No format reads them all: {some}."
    return told


def kept_formats(parser: Parser, columns: Iterable[str], context: SourceContext) -> dict[str, list[str]]:
    """Return what the landing record keeps of a dump's dates."""
    there = set(columns)
    return {column: list(context.formats_of(column)) for column in parser.date_columns if column in there}
