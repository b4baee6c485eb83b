"""Tables on the screen: formatted numbers, unknown apart from zero, narrow enough for a terminal."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from funnel_assets import tables

MONTH, UNTIL = dt.date(2026, 3, 1), dt.date(2026, 3, 9)


def shown(table: Table, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text().splitlines()


def line(lines: list[str], start: str) -> list[str]:
    return next(text for text in lines if text.strip().startswith(start)).split()


def row(funnel: str, **figures: Any) -> dict[str, Any]:
    base = dict.fromkeys((*tables.COUNTS, *tables.AMOUNTS), 0)
    facts = {"month": MONTH, "through_date": UNTIL, "is_complete": True, "missing_detail": None}
    return {"funnel": funnel} | facts | base | figures


def test_numbers_are_grouped_as_in_india_and_added_up() -> None:
    lines = shown(
        tables.funnel(
            [
                row(
                    "Webinar",
                    leads=123456,
                    sales=3,
                    net_revenue_inr=Decimal("12345678.50"),
                    spend_inr=Decimal(900),
                ),
                row("Organic", leads=44, sales=1, net_revenue_inr=Decimal("1.00"), spend_inr=Decimal(100)),
            ],
            month=MONTH,
            until=UNTIL,
        )
    )
    assert lines[0].startswith("Funnel, 1 to 9 Mar 2026")
    assert line(lines, "Webinar") == ["Webinar", "1,23,456", "0", "0", "0", "3", "1,23,45,679", "900", "0"]
    assert line(lines, "Total") == ["Total", "1,23,500", "0", "0", "0", "4", "1,23,45,680", "1,000", "250"]


def test_dollars_are_grouped_as_in_the_west() -> None:
    rows = [row("Trials", leads=123456, net_revenue_inr=Decimal("12345678.50"))]
    lines = shown(tables.funnel(rows, month=MONTH, until=UNTIL, currency="USD"))
    assert line(lines, "Trials")[1] == "123,456"
    assert line(lines, "Trials")[6] == "12,345,679"
    assert "Revenue $" in " ".join(lines)
    assert "₹" not in " ".join(lines)


def test_unknown_is_a_dash_and_none_a_zero() -> None:
    lines = shown(
        tables.funnel([row("Webinar", leads=5, sales=None, cac_inr=None)], month=MONTH, until=UNTIL)
    )
    assert line(lines, "Webinar") == ["Webinar", "5", "0", "0", "0", "-", "0", "0", "-"]
    assert line(lines, "Total") == ["Total", "5", "0", "0", "0", "-", "0", "0", "-"]
    assert "- means unknown" in " ".join(lines)


def test_a_missing_part_is_named_and_takes_the_total_cac_away() -> None:
    facts = {"is_complete": False, "missing_detail": "2026-03-09 (sales)"}
    rows = [row("Webinar", sales=2, spend_inr=Decimal(100), cac_inr=Decimal(40), **facts)]
    lines = shown(tables.funnel(rows, month=MONTH, until=dt.date(2026, 3, 10)))
    assert line(lines, "Total")[-1] == "-"
    text = " ".join(" ".join(lines).split())
    assert "2026-03-09 (sales)" in text
    assert "Published to 9 Mar 2026 only; 10 Mar 2026 is due." in text


def test_many_funnels_stay_on_a_page_and_nothing_is_lost() -> None:
    rows = [row(f"Funnel {number}", leads=1, is_complete=True) for number in range(40)]
    lines = shown(tables.funnel(rows, month=MONTH, until=UNTIL))
    assert len(lines) < 30
    assert line(lines, "25 more")[:3] == ["25", "more", "25"]
    assert line(lines, "Total")[1] == "40"


def test_no_rows_say_so() -> None:
    assert "Nothing is published" in " ".join(shown(tables.funnel([], month=MONTH, until=UNTIL)))


def quarantined(**facts: Any) -> pd.DataFrame:
    base = {
        "dataset": "raw_leads",
        "source": "leads_sheet",
        "day": "2026-03-09",
        "file": "leads.csv",
        "line": 12,
        "reason": "date_missing",
        "detail": 'The column "created date" is empty. Fill it in at the source.',
    }
    return pd.DataFrame([base | facts])


def test_quarantine_names_place_reason_and_what_to_do() -> None:
    lines = shown(tables.quarantine(quarantined()))
    text = "\n".join(lines)
    assert max(map(len, lines)) <= 100
    for part in (
        "raw_leads",
        "leads_sheet",
        "2026-03-09",
        "leads.csv",
        "line 12",
        "No date",
        "Fill it in at",
    ):
        assert part in text


def test_quarantine_splits_at_next_and_knows_no_reason_by_heart() -> None:
    rows = quarantined(reason="odd_thing", detail="It is odd. Quite. Next: mend it. Then replay.", line=None)
    text = " ".join(" ".join(shown(tables.quarantine(rows), 160)).split())
    assert "Odd thing" in text
    assert "Mend it. Then replay." in text
    assert "line" not in text.replace("File, line", "")


def test_quarantine_hides_people_and_secrets() -> None:
    rows = quarantined(
        detail="asha@example.com wrote 98765 43210. Ask her.",
        file="https://u:pw@h.example.invalid/d/1/export?token=s3cret",
    )
    text = "".join(shown(tables.quarantine(rows), 160))
    for secret in ("asha@", "98765 43210", "s3cret", "pw"):
        assert secret not in text
    assert "h.example.invalid" in text


def test_brackets_in_data_are_no_markup() -> None:
    assert "[bold]x" in "".join(shown(tables.funnel([row("[bold]x")], month=MONTH, until=UNTIL)))
    assert "[red]" in "".join(shown(tables.quarantine(quarantined(detail="[red] is odd. Mend it."))))
