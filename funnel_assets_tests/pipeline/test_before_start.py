"""What is dated before the first day: first touches ever, whatever FUNNEL_START_DATE says (SPEC 9; seed 004).

The sources are the shipped example's (data/examples/olist), over files of that shape with invented rows.
"""

import datetime as dt
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage.lake import BEFORE

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]

EXAMPLE = Path(__file__).parents[2] / "data" / "examples" / "olist"
LEADS = """mql_id,first_contact_date,landing_page_id,origin
old,2017-03-01,p1,social
old,2018-03-06,p2,email
known,2018-02-20,p1,
late,2018-03-08,p1,organic search
new,2018-03-06,p1,UNKNOWN
idle,2017-05-05,p1,social
"""
DEALS = """mql_id,seller_id,sdr_id,sr_id,won_date,business_segment,lead_type,declared_monthly_revenue
old,s1,d,r,2018-03-06 19:00:00,pet,online,100.0
known,s2,d,r,2018-03-06 20:00:00,home decor,online,200.0
late,s3,d,r,2018-03-06 21:00:00,,online,0.0
new,s4,d,r,2018-03-07 09:00:00,pet,online,50.0
nobody,s5,d,r,2018-03-07 10:00:00,pet,online,10.0
"""

Open = Callable[..., Pipeline]


@pytest.fixture
def open_pipeline(tmp_path: Path, database_url: str) -> Open:
    """Return a function that opens a home of some start date, over the invented files."""
    files = tmp_path / "files"
    files.mkdir()
    _write(files, LEADS)
    (files / "olist_closed_deals_dataset.csv").write_text(DEALS)

    def opened(start: str, home: str = "home", **environ: str) -> Pipeline:
        if not (tmp_path / home).exists():
            shutil.copytree(EXAMPLE / "config", tmp_path / home / "config")
        told = {
            "FUNNEL_HOME": str(tmp_path / home),
            "OLIST_DATA": str(files),
            "FUNNEL_TIMEZONE": "America/Sao_Paulo",
            "FUNNEL_CURRENCY": "BRL",
            "FUNNEL_START_DATE": start,
            "FUNNEL_TODAY": "2018-03-09",
            "FUNNEL_SECRET": "0f" * 32,
            "FUNNEL_POSTGRES_URL": database_url.replace("postgresql+psycopg2", "postgresql"),
            "FUNNEL_POSTGRES_DATABASE": database_url.rpartition("/")[2],
        }
        return Pipeline(load_settings(told | environ, dotenv=False))

    return opened


def _write(files: Path, leads: str) -> None:
    (files / "olist_marketing_qualified_leads_dataset.csv").write_text(leads)


SALES = ("raw_leads", "zoom_attendance", "engagement_events", "crm_sales", "dedup_leads", "sales_enriched")
"""Datasets that a sale's first touches take."""


def made(pipeline: Pipeline, datasets: Sequence[str] = SALES) -> Pipeline:
    for name in in_order(datasets):
        assert pipeline.make(name, pipeline.all_days()).error() is None
    return pipeline


def sales(pipeline: Pipeline) -> dict[str, dict[str, object]]:
    rows = pipeline.lake.read("sales_enriched", pipeline.lake.days("sales_enriched")).to_pylist()
    return {row["sale_id"]: row for row in rows if row["date"] >= dt.date(2018, 3, 6)}


COLUMNS = ("ever_source", "days_to_revenue", "is_sold_before_touch")


def test_the_first_touch_ever_is_the_same_whatever_the_start_date(open_pipeline: Open) -> None:
    late = made(open_pipeline("2018-03-05"))
    found = sales(late)
    assert {sale: tuple(row[name] for name in COLUMNS) for sale, row in found.items()} == {
        "s1": ("social", 370, False),
        "s2": (None, 14, False),
        "s3": ("organic search", -2, True),
        "s4": ("UNKNOWN", 1, False),
        "s5": (None, None, False),
    }
    # The three first touches side by side: of the month, of 90 days, ever.
    assert [found["s1"][f"{name}_source"] for name in ("first", "origin", "ever")] == [
        "email",
        "email",
        "social",
    ]
    # The look-back reaches over the first day as well.
    assert (found["s2"]["first_touch_at"], found["s2"]["origin_touch_at"]) == (
        None,
        found["s2"]["ever_touch_at"],
    )
    assert late.lake.days("raw_leads")[0] == dt.date(2018, 3, 5)
    early = made(open_pipeline("2018-02-15", "early"))
    assert sales(early) == found


@pytest.mark.long
def test_views_say_the_same_and_call_what_is_missing_unknown(open_pipeline: Open) -> None:
    pipeline = made(open_pipeline("2018-03-05"), list(NODES))
    pipeline.publish()
    fetch = pipeline.warehouse.fetch
    figures = "ever_source, sum(sales)::int AS sales, sum(sales_before_touch)::int AS negative"
    rows = fetch(f"SELECT {figures} FROM vw_revenue_efficiency GROUP BY 1 ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [
        ("Unknown", 3, 0),
        ("organic search", 1, 1),
        ("social", 1, 0),
    ]
    contacts = fetch("SELECT lead_source, icp_tier, industry FROM crm_contacts ORDER BY 1, 2, 3")
    assert [tuple(row.values()) for row in contacts] == [
        ("Unknown", "High", "home decor"),
        ("Unknown", "Mid", "pet"),
        ("Unknown", "Mid", "pet"),
        ("organic search", "Unknown", "Unknown"),
        ("social", "Mid", "pet"),
    ]


@pytest.mark.long
def test_an_old_row_that_changes_restates_whom_it_concerns_and_equals_a_rebuild(
    open_pipeline: Open, tmp_path: Path
) -> None:
    pipeline = made(open_pipeline("2018-03-05"))
    before = pipeline.lake.facts("sales_enriched", dt.date(2018, 3, 7))
    _write(tmp_path / "files", LEADS.replace("old,2017-03-01,p1,social", "old,2017-03-02,p1,referral"))
    assert pipeline.make("raw_leads", [dt.date(2018, 3, 8)]).error() is None
    stale = {name: pipeline.stale(name, pipeline.all_days()) for name in in_order(SALES)}
    assert {name for name, days in stale.items() if days} == {"dedup_leads", "sales_enriched"}
    for name in in_order(SALES):
        if days := pipeline.stale(name, pipeline.all_days()):
            assert pipeline.make(name, days, fetch=False).error() is None
    assert sales(pipeline)["s1"]["ever_source"] == "referral"
    after = pipeline.lake.facts("sales_enriched", dt.date(2018, 3, 7))
    assert before is not None
    assert after is not None
    assert before.content == after.content
    rebuilt = made(open_pipeline("2018-03-05", "rebuilt"))
    for name in in_order(SALES):
        for day in [BEFORE, *pipeline.all_days()]:
            restated, anew = (one.lake.facts(name, day) for one in (pipeline, rebuilt))
            assert (restated and restated.content) == (anew and anew.content)


def test_repeated_ids_and_deals_without_a_lead_are_named_and_can_hold_back_publishing(
    open_pipeline: Open,
) -> None:
    pipeline = made(open_pipeline("2018-03-05"))
    repeated, lonely = pipeline.id_problems()
    assert repeated.startswith("raw_leads, qualified_leads: 1 id(s) stand on 2 rows instead of one each")
    assert lonely.startswith("crm_sales, closed_deals: 1 sale(s) have an id that no lead has")
    strict = open_pipeline("2018-03-05", FUNNEL_ID_CHECK="block")
    with pytest.raises(FunnelError, match="FUNNEL_ID_CHECK=block"):
        strict.publish()
    assert pipeline.publish().rows > 0


@pytest.mark.long
def test_olists_own_figures_come_out(tmp_path: Path, open_pipeline: Open) -> None:
    folder = Path(os.environ.get("FUNNEL_TEST_DATA", "")) / "olist"
    if not (folder / "olist_closed_deals_dataset.csv").is_file():
        pytest.skip("FUNNEL_TEST_DATA names no folder with olist/olist_closed_deals_dataset.csv (Kaggle)")
    # From the day of the first deal: all leads before it are before the first day.
    environ = {"OLIST_DATA": str(folder.resolve()), "FUNNEL_TODAY": "2018-11-15"}
    pipeline = made(open_pipeline("2017-12-04", **environ))
    rows = pipeline.lake.read("sales_enriched", pipeline.lake.days("sales_enriched")).to_pandas()
    elapsed = (rows["created_at"] - rows["ever_touch_at"]).dt.total_seconds() / 86400
    told = rows.assign(elapsed=elapsed).groupby("ever_source")[["days_to_revenue", "elapsed"]].mean().round(1)
    assert told.loc["social"].tolist() == [61.0, 61.6]
    assert told.loc["organic search"].tolist() == [50.0, 50.7]
    assert told.loc["paid search"].tolist() == [56.6, 57.3]
    assert (rows["ever_source"] == "social").sum() == 75
    assert rows.loc[rows["is_sold_before_touch"], "days_to_revenue"].tolist() == [-2]
    assert len(rows) == 842
    assert rows["ever_touch_at"].notna().all()
    assert pipeline.id_problems() == []
    assert pipeline.lake.read("raw_leads", [BEFORE]).num_rows > 1000
