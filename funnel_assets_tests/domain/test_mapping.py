"""The funnel mapping, as a spreadsheet's VLOOKUP with validity days."""

import datetime as dt
from typing import Any

import narwhals as nw
import pyarrow as pa
import pytest

from funnel_assets.domain.mapping import MISCELLANEOUS, mapped, spelled
from funnel_assets_tests.domain.engines import DuckEngine, PandasEngine
from funnel_assets_tests.domain.worlds import MAPPING_SCHEMA, manual_funnels_table, mapping_table

DAY = dt.date(2026, 3, 10)
RECORD_SCHEMA = pa.schema([("number", pa.int64()), ("source", pa.string()), ("date", pa.date32())])
RULES = [
    ("Facebook", "Paid", "active", None, DAY),
    ("facebook ", "Social", "active", DAY + dt.timedelta(days=1), None),
    ("ACCA_Influencer", "ACCA", "deprecated", None, None),
]


def funnels(
    engine: Any, asked: list[tuple[str | None, dt.date | None]], rules: list[Any], **options: Any
) -> Any:
    """Return the funnel of each source and day."""
    frames = engine.load(
        {
            "records": pa.Table.from_pylist(
                [{"number": n, "source": source, "date": day} for n, (source, day) in enumerate(asked)],
                schema=RECORD_SCHEMA,
            ),
            "mapping": pa.Table.from_pylist(
                [dict(zip(MAPPING_SCHEMA.names, rule, strict=True)) for rule in rules], schema=MAPPING_SCHEMA
            ),
        }
    )
    records, mapping = (nw.from_native(frames[name]) for name in ("records", "mapping"))
    found = mapped(records, mapping, source="source", day="date", into="funnel", **options).to_native()
    return engine.table(found).sort_by("number")["funnel"].to_pylist()


@pytest.mark.parametrize(
    ("source", "day", "expected"),
    [
        pytest.param("Facebook", DAY, "Paid", id="as written"),
        pytest.param("  FACEBOOK ", DAY, "Paid", id="blanks and case don't matter"),
        pytest.param("facebook", DAY + dt.timedelta(days=1), "Social", id="valid from its first day"),
        pytest.param("acca_influencer", DAY, "ACCA", id="a deprecated source keeps its funnel"),
        pytest.param("tiktok", DAY, MISCELLANEOUS, id="unknown"),
        pytest.param(None, DAY, MISCELLANEOUS, id="missing"),
        pytest.param("", DAY, MISCELLANEOUS, id="empty"),
    ],
)
def test_a_source_maps_by_its_day(source: str | None, day: dt.date, expected: str) -> None:
    assert funnels(PandasEngine(), [(source, day)], RULES) == [expected]


@pytest.mark.parametrize("engine", [PandasEngine, DuckEngine], ids=lambda engine: engine.name)
def test_overlapping_rules_choose_the_later_one_in_any_order(engine: Any) -> None:
    rules = [
        ("x", "Old", "active", None, None),
        ("x", "New", "active", DAY, None),
        ("X ", "Newer", "active", DAY, None),
    ]
    asked = [("x", DAY - dt.timedelta(days=1)), ("x", DAY)]
    assert funnels(engine(), asked, rules) == ["Old", "Newer"]
    assert funnels(engine(), asked, rules[::-1]) == ["Old", "Newer"]


def test_no_day_means_no_touch_and_no_funnel_where_that_is_asked_for() -> None:
    assert funnels(PandasEngine(), [("Facebook", None)], RULES, keep_missing=True) == [None]


def test_no_rules_at_all_make_everything_miscellaneous() -> None:
    assert funnels(PandasEngine(), [("Facebook", DAY)], []) == [MISCELLANEOUS]


SPELLED = {
    "ACCA": "ACCA",
    " acca ": "ACCA",
    "cfa DIRECT": "CFA Direct",
    "google ads": "Google Ads",
    " Google \t ads": "Google Ads",
    "other sources (MISCELLANEOUS)": MISCELLANEOUS,
    "New launch": "New launch",
    "NEW  LAUNCH ": "New launch",
    "wealthPro": "Wealthpro",
}


@pytest.mark.parametrize("engine", [PandasEngine, DuckEngine], ids=lambda engine: engine.name)
def test_a_funnel_has_the_configs_spelling_else_one_of_its_own_whatever_else_is_there(engine: Any) -> None:
    opened = engine()
    config = opened.load({"mapping": mapping_table(), "manual_funnels": manual_funnels_table()})
    rules = nw.from_native(config["mapping"]), nw.from_native(config["manual_funnels"])

    def written(typed: list[str]) -> dict[str, str]:
        frames = opened.load({"records": pa.table({"typed": typed, "funnel": typed})})
        found = opened.table(spelled(nw.from_native(frames["records"]), *rules, funnel="funnel").to_native())
        return dict(zip(found["typed"].to_pylist(), found["funnel"].to_pylist(), strict=True))

    assert written(list(SPELLED)) == SPELLED
    assert {name: written([name])[name] for name in ("NEW  LAUNCH ", "cfa DIRECT")} == {
        name: SPELLED[name] for name in ("NEW  LAUNCH ", "cfa DIRECT")
    }
