"""The data dictionary says what every published column means, and needs nothing from outside."""

import csv
import io
from pathlib import Path

import pytest

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.errors import FunnelError
from funnel_assets.report import dictionary
from funnel_assets.storage.views import VIEW_NAMES
from funnel_assets.storage.warehouse import Warehouse
from funnel_assets_tests.published import publish_rows
from funnel_assets_tests.report.test_page import Reader


def test_every_published_column_is_in_it_with_a_text(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(FunnelError, match="funnel run"):
        dictionary.write(Warehouse(database_url), tmp_path)
    warehouse = publish_rows(database_url)
    page, table = dictionary.write(warehouse, tmp_path)
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8-sig"))))
    published = warehouse.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'funnel' AND table_name NOT LIKE '\\_%'"
    )
    names = {(row["table_name"], row["column_name"]) for row in published}
    assert {(row["name"], row["column"]) for row in rows} == names
    assert {row["name"] for row in rows} > {*CONTRACTS, *VIEW_NAMES}
    for row in rows:
        for what in ("grain", "type", "meaning"):
            assert row[what].strip(), (row["name"], row["column"], what)
        assert row["made_from"] or row["kind"] == "about the pipeline", row["name"]
    units = {row["unit"] for row in rows if row["column"].endswith(("_inr", "_pct", "_minutes"))}
    assert units == {"rupees", "percent", "minutes"}
    html = page.read_text()
    shown = Reader(html)
    assert not [tag for tag, _ in shown.tags if tag in ("script", "link", "img", "iframe")]
    words = " ".join(shown.words)
    assert all(f'id="{name}"' in html for name, _ in names)
    assert all(" ".join(row["meaning"].split())[:40] in words for row in rows)


def test_units_sources_and_personal_columns_are_told(database_url: str) -> None:
    told = {one.name: one for one in dictionary.relations(publish_rows(database_url))}
    sales = {column.name: column for column in told["crm_sales"].columns}
    assert (sales["net_amount_inr"].unit, sales["net_amount_inr"].source) == ("rupees", "netAmount")
    assert sales["phone"].is_personal
    assert not sales["sale_id"].is_personal
    assert told["vw_cohort_conversion"].grain == "one row per cohort and month since"
    # Helpers that nobody reads are seen through.
    assert "_contact_state" not in told
    assert {"dedup_leads", "sales_enriched", "assigned_leads"} <= set(told["vw_cohort_conversion"].sources)
    assert told["dedup_leads"].sources == ("raw_leads", "zoom_attendance", "engagement_events")
