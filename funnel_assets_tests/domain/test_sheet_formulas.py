"""Phase 1 from the CRM's dump to M0, against a slow model of the sheet's own formulas (seed 001).

The model knows nothing of the pipeline: it takes the dump's rows as they stand, filters by phone, sorts stably by time
and takes the first row, as ``INDEX(SORT(FILTER(…), 2, TRUE), 1)`` does.
"""

import datetime as dt
import random
import re
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_assets.contracts.base import CONTRACTS, conform
from funnel_assets.domain.parsing import SourceContext, parse
from funnel_assets.domain.sales import assigned_leads
from funnel_assets_tests.domain.engines import PandasEngine
from funnel_assets_tests.domain.parsing.tables import table as cells
from funnel_assets_tests.domain.worlds import MAPPING_SCHEMA, table
from funnel_assets_tests.pseudonyms import PSEUDONYMS

DAYS = [dt.date(2026, 3, day) for day in (1, 2, 3)]
MISC = "Other Sources (Miscellaneous)"
FUNNELS = {"we webinar": "WE Webinar", "bootcamp": "Bootcamp"}
SOURCES = (
    "WE Webinar",
    "we webinar",
    " WE WEBINAR ",
    "WE  Webinar",
    "Bootcamp",
    "BOOTCAMP",
    "Reels",
    "",
    " ",
)
TIMES = ("10:00:00", "10:00:00", "10:00:01", "23:59:59")
PHONES = (
    "98123 45670",
    "9812345670",
    "+91 98123-45670",
    "09812345671",
    "9812345671.0",
    "9812345672",
    "",
    "12",
)
EMPLOYEES = ("Ravi", "ravi ", "Meera", "")

Row = tuple[str, str, str, str]
row = st.tuples(
    st.sampled_from(SOURCES),
    st.tuples(st.sampled_from(DAYS), st.sampled_from(TIMES)).map(lambda moment: f"{moment[0]} {moment[1]}"),
    st.sampled_from(PHONES),
    st.sampled_from(EMPLOYEES),
)
dumps = st.lists(row, max_size=12)


def phone_of(cell: str) -> str | None:
    digits = re.sub(r"\D", "", cell.removesuffix(".0"))[-10:]
    return f"91{digits}" if len(digits) == 10 else None


def m0(dump: list[Row]) -> dict[str, tuple[str, str | None, str | None]]:
    """Phone to moment, funnel and employee, by the sheet's formulas over the tab as it stands."""
    leads = [(source, when, phone_of(phone), employee) for source, when, phone, employee in dump]
    found = {}
    for phone in {lead[2] for lead in leads} - {None}:
        mine = [lead for lead in leads if lead[2] == phone]  # FILTER
        source, when, _, employee = sorted(mine, key=lambda lead: lead[1])[0]  # SORT is stable; INDEX
        found[str(phone)] = when, FUNNELS.get(source.strip().lower(), MISC), employee.strip() or None
    return found


def parsed(dump: list[Row]) -> pd.DataFrame:
    rows = [dict(zip(("sources", "assignOn", "leadMobile", "employee"), row, strict=True)) for row in dump]
    blank: dict[str, str | None] = dict.fromkeys(("sources", "assignOn", "leadMobile", "employee"))
    # A dump without rows has its columns all the same.
    read = cells(rows or [blank])
    return parse(
        read if rows else read.iloc[:0], SourceContext("crm_assignments", "crm", pseudonyms=PSEUDONYMS)
    ).rows


def made(dump: list[Row]) -> dict[str, tuple[str, str | None, str | None]]:
    mapping = [
        {**dict.fromkeys(MAPPING_SCHEMA.names), "source": source, "funnel": funnel, "status": "active"}
        for source, funnel in FUNNELS.items()
    ]
    engine = PandasEngine()
    loaded = engine.load(
        {
            "crm_assignments": conform(parsed(dump), CONTRACTS["crm_assignments"]),
            "zoom_attendance": table("zoom_attendance", []),
            "mapping": pa.Table.from_pylist(mapping, schema=MAPPING_SCHEMA),
        }
    )
    rows = engine.table(assigned_leads(**loaded, first=DAYS[0], last=DAYS[-1])).to_pylist()
    return {row["phone"]: (_local(row["assigned_at"]), row["funnel"], row["employee"]) for row in rows}


def _local(moment: Any) -> str:
    return (moment + dt.timedelta(hours=5, minutes=30)).strftime("%Y-%m-%d %H:%M:%S")


@settings(deadline=None, max_examples=15)
@given(dumps)
@example(
    [
        ("Reels", f"{DAYS[0]} 10:00:00", "9812345670", "Ravi"),
        ("Bootcamp", f"{DAYS[0]} 10:00:00", "9812345670", ""),
    ]
)
def test_m0_from_the_dump_is_what_the_sheet_shows(dump: list[Row]) -> None:
    assert made(dump) == m0(dump)


@settings(deadline=None, max_examples=15)
@given(dumps, st.randoms(use_true_random=False))
def test_a_shuffled_dump_changes_nothing_but_ranks_among_tied_rows(
    dump: list[Row], chance: random.Random
) -> None:
    """Rows that are tied with none may stand anywhere; those that are keep their ids and change their ranks alone."""
    shuffled = list(dump)
    chance.shuffle(shuffled)
    before, after = (
        parsed(rows).drop(columns="line").set_index("assignment_id").sort_index() for rows in (dump, shuffled)
    )
    pd.testing.assert_frame_equal(before.drop(columns="dump_rank"), after.drop(columns="dump_rank"))
    tied = before.duplicated(["phone", "assigned_at"], keep=False)
    assert (before.loc[~tied, "dump_rank"] == 0).all()
    assert (after.loc[~tied, "dump_rank"] == 0).all()
    for ranked in (before, after):
        for _, tie in ranked[tied].groupby(["phone", "assigned_at"]):
            assert sorted(tie["dump_rank"]) == list(range(len(tie)))
