"""Partitions that an older version wrote are read with the columns added since, and replaced without a fault."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.pipeline.journal import CHANGE, Journal
from funnel_assets.pipeline.outcome import Outcome, write_days
from funnel_assets.storage.engine import DuckDBEngine, Engine, PandasEngine
from funnel_assets.storage.lake import Lake
from funnel_assets_tests.domain.test_identity import lead
from funnel_assets_tests.domain.worlds import email, phone, table

DAYS = [dt.date(2026, 3, day) for day in (1, 2, 3)]
NEW = "external_key"
COLUMNS = ["lead_id", NEW, "date"]


def leads(number: int, **more: str) -> pa.Table:
    return table("raw_leads", [lead(number, DAYS[number], 600, **phone(number), **email(number), **more)])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two days of an older version, and one of this."""
    found = Lake(str(tmp_path))
    for number in (0, 1):
        found.write("raw_leads", DAYS[number], leads(number).drop_columns(NEW))
    found.write("raw_leads", DAYS[2], leads(2, external_key="x2"))
    return found


@pytest.mark.parametrize("engine", [DuckDBEngine, PandasEngine])
def test_days_of_an_older_version_are_read_with_the_new_column_empty(
    lake: Lake, engine: type[Engine]
) -> None:
    expected = [("l0", None), ("l1", None), ("l2", "x2")]
    for days in (DAYS, DAYS[:2]):
        with engine() as opened:
            found = opened.collect(opened.scan(lake, "raw_leads", days, COLUMNS)).sort_by("lead_id")
        assert found.column_names == COLUMNS
        assert found.schema.field(NEW).type == pa.string()
        assert [(row["lead_id"], row[NEW]) for row in found.to_pylist()] == expected[: len(days)]
    assert lake.read("raw_leads", DAYS).schema == arrow_schema(CONTRACTS["raw_leads"])


def test_once_all_days_are_made_again_the_lake_says_so(lake: Lake) -> None:
    assert not lake.is_even("raw_leads")
    outcome = Outcome("raw_leads")
    write_days(
        lake, outcome, pa.concat_tables([leads(0), leads(1, external_key="x1")]), DAYS[:2],
        inputs={day: {} for day in DAYS},
    )  # fmt: skip
    assert outcome.changed == set(DAYS[:2])
    assert lake.is_even("raw_leads")
    assert lake.is_even("engagement_events"), "a dataset without days lacks nothing"
    journal = Journal(lake)
    [rewrite] = journal.newest_first("raw_leads")
    assert [(row[CHANGE], row[NEW]) for row in journal.rows(rewrite, [NEW]).to_pylist()] == [
        ("removed", None),
        ("added", "x1"),
    ]


def test_below_a_dataset_lie_its_rows_only(lake: Lake) -> None:
    """Also in a lake whose journal an older version kept among the rows; nothing of it is lost."""
    journal, root = Journal(lake), Path(lake.root)
    journal.record("raw_leads", {DAYS[0]: (None, "one")}, [])
    old = root / "raw_leads" / "_changes"
    (root / "_journal" / "raw_leads").rename(old)
    [before] = journal.newest_first("raw_leads")
    journal.record("raw_leads", {DAYS[1]: (None, "two")}, [])
    assert not old.exists()
    found = list(journal.newest_first("raw_leads"))
    assert [list(rewrite.days) for rewrite in found] == [[DAYS[1]], [DAYS[0]]]
    # Whoever listed it before it was moved still reads it.
    assert journal.rows(before).num_rows == 0
    files = sorted((root / "raw_leads").rglob("*.parquet"))
    assert len(files) == len(DAYS)
    assert sum(pq.read_metadata(file).num_rows for file in files) == len(DAYS)
    assert journal.prune(dt.datetime.now(dt.UTC)) == 2


def test_a_journal_of_an_older_version_is_read_too(lake: Lake) -> None:
    journal = Journal(lake)
    journal.record("raw_leads", {DAYS[0]: (None, "new")}, [])
    [rewrite] = journal.newest_first("raw_leads")
    old = leads(0).drop_columns(NEW).append_column(CHANGE, pa.array(["removed"]))
    pq.write_table(old.replace_schema_metadata(pq.read_schema(rewrite.path).metadata), rewrite.path)
    for columns in (None, [NEW, "lead_id"]):
        [row] = journal.rows(rewrite, columns).to_pylist()
        assert (row["lead_id"], row[NEW], row[CHANGE]) == ("l0", None, "removed")
