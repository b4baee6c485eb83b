"""The report: its numbers, its honesty about what is missing, and that it needs nothing from outside."""

import datetime as dt
import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.errors import FunnelError
from funnel_assets.report import charts, dictionary, page
from funnel_assets.report.month import PARTS, Day, Month, span
from funnel_assets.storage.warehouse import Warehouse
from funnel_assets_tests.published import mart_row, publish_rows

FEBRUARY, MARCH = dt.date(2026, 2, 1), dt.date(2026, 3, 1)
LAST = dt.date(2026, 3, 9)
NOW = dt.datetime(2026, 3, 10, 2, 30, tzinfo=dt.UTC)
SCRIPT = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Collects the words of a page, the tags that fetch or run something, and checks that tags close."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def settings(home: Path) -> Settings:
    return load_settings({"FUNNEL_HOME": str(home)}, dotenv=False, clock=lambda: NOW)


def every_day(first: dt.date, last: dt.date, **figures: Any) -> list[dict[str, Any]]:
    return [mart_row(day, "Webinar", **figures) for day in span(first, last)]


@pytest.fixture
def written(database_url: str, tmp_path: Path) -> str:
    """The page of nine days of March, each twice the days of February."""
    rows = every_day(FEBRUARY, dt.date(2026, 2, 28), leads=100, sales=1, spend_inr=Decimal(1000))
    rows += every_day(MARCH, LAST, leads=200, registrations=50, attended=20, handovers=40, sales=2)
    rows.append(
        mart_row(LAST, SCRIPT, leads=1, net_revenue_inr=Decimal("12345678"), spend_inr=Decimal("99000.40"))
    )
    quarantine = {
        "dataset": "raw_leads",
        "source": "forms",
        "day": str(LAST),
        "file": "leads.csv",
        "line": 3,
        "reason": "date_missing",
        "detail": "Row of asha@example.com, 98123 45670. Fill it in at the source.",
    }
    warehouse = publish_rows(database_url, funnel_marts=rows, quarantine=[quarantine])
    path = page.write(warehouse, settings(tmp_path))
    assert path == tmp_path / "report.html"
    assert list(tmp_path.iterdir()) == [path]
    return path.read_text(encoding="utf-8")


def test_headlines_compare_with_the_same_days_of_the_month_before(written: str) -> None:
    text = Reader(written).text
    assert "Funnel, March 2026 1 to 9 Mar 2026, compared with 1 to 9 Feb 2026" in text
    assert "Leads new this month 1,801 ▲ 100.1 % was 900" in text
    assert "Sales paid 18 ▲ 100.0 % was 9" in text
    assert "Revenue net ₹1.23 Cr - was ₹0" in text
    assert "Spend on ads ₹99,000 ▲ 1000.0 % was ₹9,000" in text
    assert "CAC spend per sale ₹5,500 ▲ 450.0 % was ₹1,000" in text


def test_dollars_are_called_dollars_everywhere(database_url: str, tmp_path: Path) -> None:
    rows = [mart_row(MARCH, "Trials", leads=123456, sales=2, net_revenue_inr=Decimal("12345678"))]
    warehouse = publish_rows(database_url, "USD", funnel_marts=[row | {"currency": "USD"} for row in rows])
    told = load_settings(
        {"FUNNEL_HOME": str(tmp_path), "FUNNEL_CURRENCY": "USD"}, dotenv=False, clock=lambda: NOW
    )
    text = Reader(page.write(warehouse, told).read_text(encoding="utf-8")).text
    assert "Leads new this month 123,456" in text
    assert "Revenue net $12.35 M" in text
    assert "$12,345,678" in text
    assert "Amounts in USD." in text
    assert "₹" not in text
    columns = {one.name: one.columns for one in dictionary.relations(warehouse, told.currency)}
    money = [column for found in columns.values() for column in found if column.name.endswith("_inr")]
    assert {column.unit for column in money} == {"USD"}
    meant = " ".join(column.meaning for found in columns.values() for column in found)
    assert "Cost of ads, USD" in meant
    assert not re.search(r"\bINR\b|[Rr]upees", meant)


def test_more_cost_per_sale_is_bad_news_and_more_leads_good(written: str) -> None:
    tones = re.findall(r'<p class="move (\w*)">([^<]*)</p>', written)
    assert tones[0] == ("up", "▲ 100.1 %")
    assert tones[5] == ("", "▲ 1000.0 %")
    assert tones[6] == ("down", "▲ 450.0 %")


def test_the_funnel_tells_counts_and_rates(written: str) -> None:
    text = Reader(written).text
    assert "Registered 450 25.0 % of leads" in text
    assert "Attended 180 40.0 % of registered 10.0 % of leads" in text
    assert "Sales 18 5.0 % of handed over 1.0 % of leads" in text


def test_the_table_has_every_funnel_and_a_total(written: str) -> None:
    text = Reader(written).text
    assert "Webinar 1,800 450 180 360 18 5.0 % ₹0 ₹0 ₹0" in text
    assert f"{SCRIPT} 1 0 0 0 0 - ₹1,23,45,678 ₹99,000 -" in text
    assert "Total 1,801 450 180 360 18 5.0 % ₹1,23,45,678 ₹99,000 ₹5,500" in text


def test_it_says_to_when_it_is_complete_and_what_could_not_be_read(written: str) -> None:
    text = Reader(written).text
    assert (
        "Data complete to 9 Mar 2026 , published 10 Mar 2026, 07:00. Page written 10 Mar 2026, 08:00 IST."
        in text
    )
    assert "Every part of every day of the month is there." in text
    assert "1 row or file couldn't be used" in text
    assert "No date raw_leads, forms" in text
    assert "Fill it in at the source." in text


def test_nothing_is_fetched_or_run_and_nobody_named(written: str) -> None:
    reader = Reader(written)
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "img", "iframe", "object", "form"}
    assert not [value for _, facts in reader.tags for name, value in facts.items() if name in ("src", "href")]
    assert "http://" not in written
    assert "https://" not in written
    assert "url(" not in written
    assert SCRIPT not in written
    for personal in ("asha@", "98123 45670"):
        assert personal not in written


def test_a_missing_part_is_unknown_and_named(database_url: str, tmp_path: Path) -> None:
    rows = every_day(FEBRUARY, dt.date(2026, 3, 8), leads=10, sales=1, spend_inr=Decimal(100))
    gone = dict.fromkeys(("handovers", "handovers_attended", "sales", "gross_revenue_inr", "net_revenue_inr"))
    rows.append(mart_row(LAST, "Webinar", leads=10, spend_inr=Decimal(900), has_sales=False, **gone))
    written = page.write(publish_rows(database_url, funnel_marts=rows), settings(tmp_path)).read_text()
    text = Reader(written).text
    assert "Not everything is there. Figures leave out what is missing: 9 Mar 2026: sales." in text
    assert "Sales paid 8 - a day is missing" in text
    assert "Leads new this month 90 ± 0.0 % was 90" in text
    assert "CAC spend per sale ₹100" in text
    assert "9 Mar 2026: unknown" in text
    assert "Data complete to 8 Mar 2026 (with gaps to 9 Mar 2026)" in text
    assert written.count('class="unknown"') == 2


def test_what_is_triggered_calls_for_a_decision(database_url: str, tmp_path: Path) -> None:
    unbalanced = {
        "date": LAST,
        "dataset": "funnel_marts",
        "step": "spend",
        "measure": "spend",
        "expected": Decimal(5),
        "found": Decimal(4),
        "difference": Decimal(-1),
    }
    warehouse = publish_rows(database_url, funnel_marts=every_day(MARCH, LAST), reconciliation=[unbalanced])
    text = Reader(page.write(warehouse, settings(tmp_path)).read_text()).text
    assert "Data not to be trusted. Stop reporting from this dataset" in text
    assert "Totals that do not add up (limit 0): funnel_marts 1." in text
    assert "1 of 1 totals of rows and money compared from step to step differ." in text


def test_nothing_published_says_what_to_do_and_leaves_the_last_page(
    database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "report.html").write_text("of yesterday")
    with pytest.raises(FunnelError, match=r"Nothing is published yet.*funnel run"):
        page.write(Warehouse(database_url), settings(tmp_path))
    assert (tmp_path / "report.html").read_text() == "of yesterday"


# --- which days are compared -----------------------------------------------------------------------------------


def days(first: dt.date, last: dt.date, value: int | None = 1) -> list[Day]:
    known = None if value is None else Decimal(value)
    return [Day(day, dict.fromkeys(PARTS, known)) for day in span(first, last)]


def test_a_long_month_is_compared_with_the_whole_short_one_before() -> None:
    month = Month(days(FEBRUARY, dt.date(2026, 3, 31)))
    assert (month.before_first, month.before_last) == (FEBRUARY, dt.date(2026, 2, 28))
    assert month.change("leads").percent == Decimal(100) * 3 / 28


def test_january_is_compared_with_december() -> None:
    month = Month(days(dt.date(2025, 12, 1), dt.date(2026, 1, 5)))
    assert (month.before_first, month.before_last) == (dt.date(2025, 12, 1), dt.date(2025, 12, 5))


def test_half_a_month_before_is_not_compared() -> None:
    change = Month(days(dt.date(2026, 2, 5), LAST)).change("leads")
    assert (change.now, change.percent, change.is_comparable) == (9, None, False)


def test_an_unpublished_day_is_missing_altogether() -> None:
    month = Month([*days(FEBRUARY, dt.date(2026, 3, 4)), *days(dt.date(2026, 3, 6), LAST)])
    assert month.missing() == [(dt.date(2026, 3, 5), "everything")]
    assert month.complete_to() == dt.date(2026, 3, 4)
    assert dict(month.daily("sales"))[dt.date(2026, 3, 5)] is None


def test_unknown_everywhere_is_unknown_not_zero() -> None:
    change = Month(days(FEBRUARY, LAST, None)).change("cac")
    assert (change.now, change.before, change.percent) == (None, None, None)


# --- pictures --------------------------------------------------------------------------------------------------


def test_bars_stand_in_proportion_and_the_unknown_apart() -> None:
    bars = [charts.Bar(2, "two", True), charts.Bar(None, "unknown <b>", True), charts.Bar(4, "four", False)]
    drawn = ElementTree.fromstring(charts.trend(bars, label="x", top="4", ticks=[(0, "1 Mar")]))
    heights = {rect.attrib["class"]: float(rect.attrib["height"]) for rect in drawn.iter("rect")}
    assert heights["before"] == pytest.approx(2 * heights["now"], abs=0.02)
    assert heights["unknown"] == heights["before"]
    assert [title.text for title in drawn.iter("title")] == ["two", "unknown <b>", "four"]


def test_the_average_needs_seven_known_days() -> None:
    bars = [charts.Bar(value, "", True) for value in (7, 7, 7, 7, 7, 7, 7, None, 7)]
    drawn = ElementTree.fromstring(charts.trend(bars, label="", top="", ticks=[]))
    line = drawn.find("polyline")
    assert line is not None
    assert len(line.attrib["points"].split()) == 1


def test_an_interval_that_is_too_wide_ends_at_the_edge() -> None:
    drawn = ElementTree.fromstring(charts.interval(1, 2, 50, largest=4.0, mark=None))
    line = drawn.find("line")
    assert line is not None
    assert (line.attrib["x1"], line.attrib["x2"]) == ("26.0", "98.0")
    assert charts.interval(None, None, None, largest=4.0, mark=1) == ""
