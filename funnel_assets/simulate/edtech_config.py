"""The config CSVs of the ed-tech world (SPEC 7).

Belongs here: the files that map this world's sources, sales, topics and conductors, and its points. Does not belong
here: stage rules, which are the product's defaults.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import csv_bytes
from funnel_assets.simulate.edtech_catalogue import (
    FUNNELS,
    MANUAL_VALUES,
    MISC_CODE,
    PLACEHOLDERS,
    POINTS,
    PROGRAMMES,
    UNLISTED_MANUAL_VALUE,
    funnel_mapping_rows,
)
from funnel_assets.simulate.edtech_story import Story, ZoomEvent
from funnel_assets.simulate.rand import Ints
from funnel_assets.simulate.zoom_files import crew_name

# The fourth conductor has no approved alias: their events go to the host, as when ops forgot a row.
_LISTED_CONDUCTORS = 3


def manual_values(sales: pd.DataFrame, funnel: Ints) -> list[str]:
    """Return what ops wrote into manual_mapping.csv for each sale; empty where they wrote nothing."""
    listed = list(MANUAL_VALUES)
    values = []
    for code, roll in zip(funnel.tolist(), sales["manual"].tolist(), strict=True):
        if code == MISC_CODE:
            values.append(
                listed[roll % len(listed)] if roll < 56 else UNLISTED_MANUAL_VALUE if roll < 62 else ""
            )
        else:
            values.append("Referral" if roll < 2 else "")
    return values


def final_funnels(funnel: Ints, values: list[str]) -> list[str]:
    """Apply the FINAL FUNNEL formula (SPEC 6, sales_enriched) to true funnels."""
    result = []
    for code, value in zip(funnel.tolist(), values, strict=True):
        name = FUNNELS[code]
        if code == MISC_CODE:
            result.append(MANUAL_VALUES.get(value, name))
        else:
            result.append(value or name)
    return result


def conductor_ids(story: Story) -> dict[int, str]:
    """Return the webinar ids whose conductor ops set by hand: every ninth event."""
    return {e.webinar_id: words.CONDUCTORS[(e.conductor + 1) % 4] for e in story.events if e.number % 9 == 4}


def true_conductor(story: Story, event: ZoomEvent) -> str:
    """Return who conducted by the rule: the webinar id, else an approved alias among panelists, else the host."""
    by_id = conductor_ids(story).get(event.webinar_id)
    if by_id:
        return by_id
    if event.conductor < _LISTED_CONDUCTORS:
        return words.CONDUCTORS[event.conductor]
    return words.STAFF[4 + event.number % 2]


def _conductor_rows(story: Story) -> list[tuple[str, str, str]]:
    rows = [(str(webinar_id), "", name) for webinar_id, name in conductor_ids(story).items()]
    for name in words.CONDUCTORS[:_LISTED_CONDUCTORS]:
        first, last = name.split()
        shown = {crew_name(event, first, last, "panelist") for event in story.events} | {name}
        rows += [("", alias, name) for alias in sorted(shown)]
    return rows


def config_files(story: Story, sale_ids: list[str], funnel: Ints) -> dict[str, bytes]:
    """Return every config CSV by file name.

    Args:
        story: The world's story.
        sale_ids: CRM id of each sale.
        funnel: Funnel code of each sale as the CRM shows it when ops fill in the manual mapping.
    """
    values = manual_values(story.sales, funnel)
    mapped = np.array([bool(value) for value in values])
    tables: dict[str, tuple[list[str], list[tuple[str, ...]]]] = {
        "funnel_mapping.csv": (
            ["source", "funnel", "status", "valid_from", "valid_to"],
            [tuple(row) for row in funnel_mapping_rows(story.calendar)],
        ),
        "manual_mapping.csv": (
            ["sale_id", "value"],
            [(sale_ids[i], values[i]) for i in np.flatnonzero(mapped).tolist()],
        ),
        "manual_funnels.csv": (["value", "funnel"], list(MANUAL_VALUES.items())),
        "categories.csv": (["token", "category"], [(name.lower(), name) for name in PROGRAMMES]),
        "conductors.csv": (["webinar_id", "alias", "conductor"], list(_conductor_rows(story))),
        "placeholders.csv": (["value"], [(value,) for value in PLACEHOLDERS]),
        "scoring.csv": (["activity", "points"], [(name, str(points)) for name, points in POINTS.items()]),
    }
    return {name: _table(header, rows) for name, (header, rows) in tables.items()}


def _table(header: list[str], rows: list[tuple[str, ...]]) -> bytes:
    columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(len(header))]
    return csv_bytes(header, columns)
