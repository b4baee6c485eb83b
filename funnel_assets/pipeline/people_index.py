"""An index of the lake by person: who has records on which days, and which phone stood with which e-mail.

Belongs here: finding a person's days without looking through all days there are. Does not belong here: who is who
(``domain.identity``), and who is concerned by what (``pipeline.people``).

Kept by dataset and month, as numbers, in files that are mapped into memory rather than read. A month's file names the
content of each of its days; a day whose content is another is read again, and only that one. The index is derived
from the lake: to delete it costs time, never an answer.
"""

import contextlib
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from funnel_assets.arrow import on_days, pc
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.identity import KEYS
from funnel_assets.domain.keys import key_numbers
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.storage.arrow_files import replacing_arrow
from funnel_assets.storage.lake import Lake

LINKED = ("raw_leads", "zoom_attendance", "engagement_events", "crm_sales")
"""Datasets whose records link an e-mail to a phone (``domain.identity``); a sale's own person may be either's."""

_SCHEMA = pa.schema(
    [
        ("date", pa.date32()),
        ("who", pa.uint64()),
        ("phone", pa.uint64()),
        ("email", pa.uint64()),
    ]
)
_NONE = pa.scalar(0, pa.uint64())
_DAYS = b"days"


def key_columns(dataset: str) -> list[str]:
    """Return the columns of a dataset that name people; a record belongs to the first of them that it has."""
    names = arrow_schema(CONTRACTS[dataset]).names
    return [name for name in ("person_id", *KEYS) if name in names]


class PeopleIndex:
    """The index of one lake.

    Args:
        folder: Where months are kept for the next run; None keeps them in this object only.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._months: dict[tuple[str, str], tuple[Mapping[str, str], pa.Table]] = {}

    def rows(self, lake: Lake, contents: Contents, dataset: str) -> pa.Table:
        """Return the keys of every record of a dataset as numbers: date, who, phone, email (0: none)."""
        months: dict[str, dict[dt.date, str]] = defaultdict(dict)
        for day, content in contents.of(dataset).items():
            months[f"{day:%Y-%m}"][day] = content
        found = [self._month(lake, dataset, month, days) for month, days in months.items()]
        return pa.concat_tables([_SCHEMA.empty_table(), *found])

    def pairs(self, lake: Lake, contents: Contents) -> pa.Table:
        """Return the phone and the e-mail of every record that has both."""
        every = pa.concat_tables(
            [self.rows(lake, contents, dataset).select(["phone", "email"]) for dataset in LINKED]
        )
        return every.filter(pc.and_(pc.not_equal(every["phone"], _NONE), pc.not_equal(every["email"], _NONE)))

    def days_of(self, lake: Lake, contents: Contents, dataset: str, people: pa.Array) -> set[dt.date]:
        """Return the days on which some people, named by their keys, have records."""
        rows = self.rows(lake, contents, dataset)
        theirs = pc.is_in(rows["who"], value_set=key_numbers(people))
        return set(pc.unique(rows["date"].filter(theirs)).to_pylist())

    def _month(self, lake: Lake, dataset: str, month: str, days: Mapping[dt.date, str]) -> pa.Table:
        told, rows = self._months.get((dataset, month)) or self._load(dataset, month)
        if told != {str(day): content for day, content in days.items()}:
            stand = [day for day, content in days.items() if told.get(str(day)) == content]
            fresh = {day: _indexed(lake, dataset, day) for day in days if day not in stand}
            rows = pa.concat_tables(
                [rows.filter(on_days(rows, stand)), *(made for _, made in fresh.values())]
            )
            told = {str(day): days[day] for day in stand} | {
                str(d): content for d, (content, _) in fresh.items()
            }
            rows = self._save(dataset, month, told, rows)
        self._months[dataset, month] = told, rows
        return rows

    def _load(self, dataset: str, month: str) -> tuple[Mapping[str, str], pa.Table]:
        """Return what is kept of a month; nothing where there is no file, or a damaged one."""
        if self._folder is not None:
            with contextlib.suppress(OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError):
                kept = pa.ipc.open_file(pa.memory_map(str(self._folder / dataset / f"{month}.arrow")))
                if kept.schema.equals(_SCHEMA):
                    return json.loads(kept.schema.metadata[_DAYS]), kept.read_all().replace_schema_metadata()
        return {}, _SCHEMA.empty_table()

    def _save(self, dataset: str, month: str, told: Mapping[str, str], rows: pa.Table) -> pa.Table:
        """Keep a month; returns its rows."""
        if self._folder is None:
            return rows
        schema = _SCHEMA.with_metadata({_DAYS: json.dumps(told).encode()})
        with replacing_arrow(self._folder / dataset / f"{month}.arrow", schema) as writer:
            writer.write_table(rows.combine_chunks())
        return rows


def _indexed(lake: Lake, dataset: str, day: dt.date) -> tuple[str, pa.Table]:
    """Read a day's keys; returns the content that they are of, too."""
    names = key_columns(dataset)
    content, keys = lake.content_and_rows(dataset, day, names)
    nothing = pa.repeat(_NONE, len(keys))
    phones, emails = (
        key_numbers(keys[name]) if name in names else nothing for name in ("phone_key", "email_key")
    )
    who = key_numbers(pc.coalesce(*(keys[name] for name in names)))
    dates = pa.repeat(pa.scalar(day, pa.date32()), len(keys))  # of the partition: that of BEFORE holds many
    return content, pa.Table.from_arrays([dates, who, phones, emails], schema=_SCHEMA)
