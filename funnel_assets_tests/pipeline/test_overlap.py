"""Two dumps that hold one sale on two days: it counts once, the same whichever days are made together."""

import csv
import datetime as dt
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.sources import pieces
from funnel_assets_tests.pseudonyms import SECRET

DAYS = [dt.date(2026, 3, day) for day in (1, 2, 3, 4)]
NEW, OLD = "this_quarter", "last_quarter"
SALE = {"status": "Completed", "product": "RiskPro", "TotalAmount": "1180", "netAmount": "1000"}


class Shop:
    """A home with two dumps of sales, as files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "config").mkdir(parents=True)
        rest = ("raw_leads", "zoom_attendance", "engagement_events", "crm_assignments", "spend")
        sales = "".join(f"  - {{name: {name}, kind: csv, path: {name}.csv}}\n" for name in (NEW, OLD))
        empty = "".join(f"{name}: []\n" for name in rest)
        (home / "config" / "sources.yaml").write_text(f"crm_sales:\n{sales}{empty}")

    def dumps(self, new: dict[str, dt.date], old: dict[str, dt.date]) -> None:
        """Write both dumps: sale to day."""
        for name, sales in ((NEW, new), (OLD, old)):
            with (self.home / f"{name}.csv").open("w") as file:
                out = csv.DictWriter(file, ["_id", "createdOn", "StudentContact", *SALE])
                out.writeheader()
                for number, (sale, day) in enumerate(sales.items()):
                    phone = f"98100{number:05d}"
                    out.writerow(
                        SALE | {"_id": sale, "createdOn": f"{day} 10:00:00", "StudentContact": phone}
                    )

    def open(self, lake: str = "lake") -> Pipeline:
        environ = {
            "FUNNEL_HOME": str(self.home),
            "FUNNEL_SECRET": SECRET,
            "FUNNEL_LAKE": str(self.home / lake),
            "FUNNEL_START_DATE": str(DAYS[0]),
            "FUNNEL_TODAY": str(DAYS[-1] + dt.timedelta(days=1)),
        }
        return Pipeline(load_settings(environ, dotenv=False))


def sold(opened: Pipeline) -> list[tuple[dt.date, str, str]]:
    rows = opened.lake.read("crm_sales", DAYS)
    return sorted((row["date"], row["sale_id"], row["source_name"]) for row in rows.to_pylist())


def facts(opened: Pipeline) -> dict[dt.date, Any]:
    return {day: (told.content, told.inputs) for day, told in opened.lake.all_facts("crm_sales").items()}


def make(opened: Pipeline, days: Sequence[dt.date]) -> None:
    outcome = opened.make("crm_sales", days)
    assert not outcome.failed, outcome.error()
    assert opened.reconcile(outcome) == []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture(params=["whole", "in pieces"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        monkeypatch.setattr(pieces, "FROM_BYTES", 1)


def filler(prefix: str) -> dict[str, dt.date]:
    return {f"{prefix}{n}": DAYS[n % 4] for n in range(400)}


@pytest.mark.usefixtures("reading")
def test_a_sale_on_two_days_counts_on_that_of_the_first_source(shop: Shop) -> None:
    shop.dumps(filler("n") | {"both": DAYS[2]}, filler("o") | {"both": DAYS[1], "old": DAYS[1]})
    at_once = shop.open()
    make(at_once, DAYS)
    assert [row for row in sold(at_once) if row[1] in ("both", "old")] == [
        (DAYS[1], "old", OLD),
        (DAYS[2], "both", NEW),
    ]
    counts = at_once.lake.facts("crm_sales", DAYS[1])
    assert counts is not None
    assert counts.counts["duplicates"] == 1
    for number, order in enumerate(itertools.islice(itertools.permutations(DAYS), 0, 24, 7)):
        alone = shop.open(f"lake{number}")
        for day in order:
            make(alone, [day])
        assert facts(alone) == facts(at_once)


@pytest.mark.usefixtures("reading")
def test_what_the_first_source_brings_takes_back_or_moves_restates_the_other_day(shop: Shop) -> None:
    old = filler("o") | {"sale": DAYS[1]}
    opened = shop.open()
    for new, expected in (
        ({}, [(DAYS[1], OLD)]),
        ({"sale": DAYS[2]}, [(DAYS[2], NEW)]),
        ({"sale": DAYS[0]}, [(DAYS[0], NEW)]),
        ({"sale": DAYS[1]}, [(DAYS[1], NEW)]),
        ({}, [(DAYS[1], OLD)]),
    ):
        shop.dumps(filler("n") | new, old)
        if not opened.lake.days("crm_sales"):
            make(opened, DAYS)
        make(opened, DAYS[-1:])
        opened.restate(DAYS)
        assert opened.stale("crm_sales", DAYS) == []
        assert [(day, source) for day, sale, source in sold(opened) if sale == "sale"] == expected


def test_a_sale_on_three_days_of_three_sources_counts_once(shop: Shop) -> None:
    third = "  - {name: archive, kind: csv, path: archive.csv}\n"
    file = shop.home / "config" / "sources.yaml"
    file.write_text(file.read_text().replace("raw_leads:", f"{third}raw_leads:"))
    shop.dumps({"sale": DAYS[0]}, {"sale": DAYS[1]})
    (shop.home / "archive.csv").write_bytes((shop.home / f"{OLD}.csv").read_bytes())
    opened = shop.open()
    for day in reversed(DAYS):
        make(opened, [day])
    assert sold(opened) == [(DAYS[0], "sale", NEW)]


def test_keys_are_kept_of_the_dumps_in_use_and_made_again_where_lost(shop: Shop) -> None:
    for number in range(3):
        shop.dumps({"both": DAYS[2], f"n{number}": DAYS[0]}, {"both": DAYS[1]})
        make(shop.open(), DAYS)
    kept = list((shop.home / "staged").rglob("*.keys"))
    assert len(kept) == 2
    before = facts(shop.open())
    for file in kept:
        file.unlink()
    assert shop.open().stale("crm_sales", DAYS) == []
    make(shop.open("anew"), DAYS)
    assert facts(shop.open("anew")) == before


def test_one_source_keeps_no_keys(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    file = tmp_path / "config" / "sources.yaml"
    file.write_text(file.read_text().replace(f"  - {{name: {OLD}, kind: csv, path: {OLD}.csv}}\n", ""))
    shop.dumps({"a": DAYS[0]}, {})
    opened = shop.open()
    make(opened, DAYS)
    assert list((tmp_path / "staged").rglob("*.keys")) == []
    told = json.dumps([sorted(inputs) for _, inputs in facts(opened).values()])
    assert "taken" not in told
