"""Both sides of each comparison give the same answer: else their times say nothing about each other."""

import datetime as dt
import os
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from funnel_assets.bench import identity, zoom_report
from funnel_assets.bench.bare_pandas import DIMENSIONS, MEASURES, mart_of_day
from funnel_assets.bench.year_sql import marts_by_sql
from funnel_assets.config.settings import load_settings
from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.simulate.edtech import DATASETS, FILES
from funnel_assets.sources.zoom.reader import read_report
from funnel_assets_tests.world import Place, place

pytestmark = pytest.mark.long

DAYS = 14


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """A small world, made by the pipeline, and its dumps as files."""
    with place(days=DAYS, scale=0.1) as here, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNNEL_CRM_TOKEN", here.environ["FUNNEL_CRM_TOKEN"])
        pipeline = Pipeline(load_settings(here.environ, dotenv=False))
        for name in in_order():
            outcome = pipeline.make(name, pipeline.all_days())
            assert not outcome.failed, outcome.error()
        dumps = tmp_path_factory.mktemp("dumps")
        for dataset in DATASETS:
            path = dumps / FILES[dataset]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(here.world.dump(dataset))
        for report in (here.home / "inbox" / "zoom").iterdir():
            os.utime(report, (time.time() - 60,) * 2)
        yield here, pipeline, dumps


def inbox(here: Place) -> Path:
    return here.home / "inbox" / "zoom"


@pytest.mark.parametrize("days_ago", [0, 5])
def test_the_bare_script_makes_the_same_mart(made: tuple[Place, Pipeline, Path], days_ago: int) -> None:
    here, pipeline, dumps = made
    day = here.world.end_date - dt.timedelta(days=days_ago)
    bare = mart_of_day(dumps, here.home / "config", inbox(here), day)
    ours = pipeline.lake.read("funnel_marts", [day]).to_pandas()[[*DIMENSIONS, *MEASURES]]
    assert bare["leads"].sum() > 0
    pd.testing.assert_frame_equal(
        bare.sort_values(DIMENSIONS, ignore_index=True),
        ours.sort_values(DIMENSIONS, ignore_index=True).astype(dict.fromkeys(MEASURES, "int64")),
        check_dtype=False,
    )


def test_the_sql_script_makes_nearly_the_same_marts(
    made: tuple[Place, Pipeline, Path], tmp_path: Path
) -> None:
    here, pipeline, dumps = made
    out = tmp_path / "mart.parquet"
    days = pipeline.all_days()
    told = marts_by_sql(dumps, here.home / "config", inbox(here), days[0], days[-1], out)
    found, ours = pd.read_parquet(out), pipeline.lake.read("funnel_marts", days).to_pandas()
    assert told["rows"] == len(found)
    for name in MEASURES:
        assert found[name].sum() == pytest.approx(ours[name].sum(), rel=0.02), name
    for name in ("spend_paise", "impressions", "clicks", "sales", "net_revenue_paise"):
        assert found[name].sum() == ours[name].sum(), name


def test_identity_by_functions_and_by_hand_is_the_same(tmp_path: Path) -> None:
    identity.write(tmp_path, 3_000)
    ours, by_hand = identity.ours(tmp_path), identity.by_sql(tmp_path)
    assert ours.num_rows > 1_000
    assert set(ours["identified_by"].to_pylist()) == {"phone", "email_phone", "email", "alone"}
    assert identity.digest(ours) == identity.digest(by_hand)


def test_the_digest_sees_one_changed_cell_and_no_order() -> None:
    rows = pa.table({"person_id": ["a", "b"], "n": [1, None]})
    assert identity.digest(rows) == identity.digest(rows.take([1, 0]).select(["n", "person_id"]))
    assert identity.digest(rows) != identity.digest(pa.table({"person_id": ["a", "b"], "n": [1, 0]}))


def test_the_large_report_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "attendees.csv"
    zoom_report.write(path, 400)
    report = read_report(path.read_bytes(), file=path.name, timezone="Asia/Kolkata")
    assert (len(report.people), len(report.quarantined)) == (400, 0)
    assert (report.people["attended"] == "Y").sum() == 200
    assert report.people["phone_raw"].notna().all()
