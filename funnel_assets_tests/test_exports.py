"""Exports: every view, exact values, nothing personal, nothing a spreadsheet would run, never half a file."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from funnel_assets import exports
from funnel_assets.errors import FunnelError
from funnel_assets.storage.views import VIEW_NAMES
from funnel_assets.storage.warehouse import Warehouse
from funnel_assets_tests.published import mart_row, publish_rows

DAY = dt.date(2026, 3, 9)
NASTY = '=HYPERLINK("http://example.invalid","x")'


@pytest.fixture
def warehouse(database_url: str) -> Warehouse:
    return publish_rows(
        database_url,
        funnel_marts=[
            mart_row(DAY, "Webinar", leads=12, sales=2, net_revenue_inr=Decimal("123456.70"), source=NASTY),
            mart_row(DAY, "Ébauche ₹", campaign="-10+20", spend_inr=Decimal("-5.25")),
            mart_row(DAY, "Organic", has_spend=False, spend_inr=None, impressions=None, clicks=None),
        ],
        raw_leads=[
            {
                "date": DAY,
                "lead_id": "l1",
                "source_name": "sheet",
                "source_order": 0,
                "created_at": dt.datetime(2026, 3, 9, 4, tzinfo=dt.UTC),
                "name": "Asha Invented",
                "email": "asha@example.com",
                "phone": "919812345670",
                "phone_status": "ok",
                "phone_key": "p1",
                "email_key": "e1",
            }
        ],
        quarantine=[
            {
                "dataset": "raw_leads",
                "source": "@sheet",
                "day": str(DAY),
                "file": "leads.csv",
                "line": 7,
                "reason": "date_missing",
                "detail": "asha@example.com, 919812345670",
            }
        ],
    )


def test_every_view_and_the_mart_leave_as_csv_and_parquet_and_one_workbook(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    written = exports.write(warehouse, tmp_path / "out")
    expected = {f"{name}.{kind}" for name in (*VIEW_NAMES, "funnel_marts") for kind in ("csv", "parquet")}
    assert {path.name for path in written} == expected | {"funnel.xlsx"}
    assert sorted((tmp_path / "out").iterdir()) == sorted(written)


def test_parquet_keeps_types_and_exact_amounts(warehouse: Warehouse, tmp_path: Path) -> None:
    exports.write(warehouse, tmp_path)
    rows = {row["funnel"]: row for row in pq.read_table(tmp_path / "funnel_marts.parquet").to_pylist()}
    assert rows["Webinar"]["net_revenue_inr"] == Decimal("123456.70")
    assert rows["Webinar"]["date"] == DAY
    assert rows["Organic"]["spend_inr"] is None
    assert rows["Organic"]["has_spend"] is False
    assert rows["Webinar"]["source"] == NASTY


def test_csv_opens_in_excel_and_numbers_stay_numbers(warehouse: Warehouse, tmp_path: Path) -> None:
    exports.write(warehouse, tmp_path)
    content = (tmp_path / "funnel_marts.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    assert '"Ébauche ₹"' in text
    assert ",-5.25," in text
    assert ",123456.70," in text
    loaded = duckdb.read_csv(str(tmp_path / "funnel_marts.csv")).filter("funnel = 'Organic'").fetchdf()
    assert loaded["spend_inr"].isna().all()
    assert loaded["leads"].tolist() == [0]


def test_cells_that_a_spreadsheet_would_run_are_made_harmless(warehouse: Warehouse, tmp_path: Path) -> None:
    exports.write(warehouse, tmp_path)
    text = (tmp_path / "funnel_marts.csv").read_text("utf-8-sig")
    assert '"\'=HYPERLINK(""http://example.invalid"",""x"")"' in text
    assert '"\'-10+20"' in text
    cells = (
        CalamineWorkbook.from_path(str(tmp_path / "funnel.xlsx"))
        .get_sheet_by_name("funnel_marts")
        .to_python()
    )
    assert f"'{NASTY}" in {row[cells[0].index("source")] for row in cells}
    assert "'@sheet" in (tmp_path / "vw_quarantine.csv").read_text("utf-8-sig")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_harmless(start: str) -> None:
    assert exports.harmless(f"{start}1") == f"'{start}1".replace("\r", "\ufffd")
    assert exports.harmless(f"a{start}1") == f"a{start}1".replace("\r", "\ufffd")


def test_no_file_holds_personal_data(warehouse: Warehouse, tmp_path: Path) -> None:
    for path in exports.write(warehouse, tmp_path):
        if path.suffix == ".xlsx":
            book = CalamineWorkbook.from_path(str(path))
            content = str([book.get_sheet_by_name(name).to_python() for name in book.sheet_names])
        elif path.suffix == ".parquet":
            content = str(pq.read_table(path).to_pylist())
        else:
            content = path.read_text("utf-8-sig")
        assert "asha" not in content.lower(), path.name
        assert "9812345670" not in content, path.name


def test_the_workbook_explains_its_columns(warehouse: Warehouse, tmp_path: Path) -> None:
    exports.write(warehouse, tmp_path)
    book = CalamineWorkbook.from_path(str(tmp_path / "funnel.xlsx"))
    assert book.sheet_names == ["About", *exports.SHEETS]
    about = book.get_sheet_by_name("About").to_python()
    assert ["", "spend_inr", "Cost of ads, INR"] in about
    mart = book.get_sheet_by_name("funnel_marts").to_python()
    leads = mart[0].index("leads")
    assert sum(row[leads] for row in mart[1:]) == 12.0


def test_a_view_without_rows_has_its_header(warehouse: Warehouse, tmp_path: Path) -> None:
    exports.write(warehouse, tmp_path)
    assert (
        (tmp_path / "vw_stage_transitions.csv")
        .read_text("utf-8-sig")
        .startswith('"previous_stage","current_stage"')
    )


class _PublishedMeanwhile:
    """A warehouse into which somebody publishes between the first looks at it."""

    def __init__(self, warehouse: Warehouse, times: int) -> None:
        self.warehouse, self.times, self.asked = warehouse, times, 0

    def fetch(self, query: str, parameters=None):
        if "max(published_at)" in query:
            self.asked += 1
            return [{"at": min(self.asked, self.times)}]
        return self.warehouse.fetch(query, parameters)


def test_files_are_of_one_publish(warehouse: Warehouse, tmp_path: Path) -> None:
    moving = _PublishedMeanwhile(warehouse, times=3)
    exports.write(moving, tmp_path)
    assert moving.asked == 4
    for path in tmp_path.iterdir():
        path.write_text("of last time")
    with pytest.raises(FunnelError, match="published all the while"):
        exports.write(_PublishedMeanwhile(warehouse, times=99), tmp_path)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"of last time"}


def test_nothing_published_says_what_to_do(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match=r"Nothing is published yet.*funnel run"):
        exports.write(Warehouse(database_url), tmp_path)
    with pytest.raises(FunnelError, match=r"Nothing is published yet"):
        exports.write(publish_rows(database_url), tmp_path)
    assert not list(tmp_path.iterdir())
