"""Tables for the screen: the month's funnel, and what is in quarantine.

Belongs here: which columns a person in a terminal needs, and their words. Does not belong here: getting the rows.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from funnel_assets import figures
from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.masking import mask_text, redact_url
from funnel_assets.pipeline.changes import Changes
from funnel_assets.pipeline.held import SHA_LETTERS, Held

MOST_FUNNELS = 15
"""Funnels shown one by one; the rest is one line, so that the table stays on one page."""

COUNTS = {
    "leads": "Leads",
    "registered": "Registered",
    "attended": "Attended",
    "assigned_mtd": "Handed over",
    "sales": "Sales",
}
AMOUNTS = {"net_revenue_inr": "Revenue ₹", "spend_inr": "Spend ₹", "cac_inr": "CAC ₹"}

FIGURES = {
    "leads": "Leads",
    "registrations": "Registered",
    "attended": "Attended",
    "handovers": "Handed over",
    "handovers_attended": "Handed over, had attended",
    "sales": "Sales",
    "gross_revenue_paise": "Gross revenue ₹",
    "net_revenue_paise": "Revenue ₹",
    "spend_paise": "Spend ₹",
    "impressions": "Impressions",
    "clicks": "Clicks",
    "spend_lines": "Lines of spend",
    "impressions_lines": "Lines of spend with impressions",
    "clicks_lines": "Lines of spend with clicks",
}
"""Figures of the mart in words."""

REASONS = {
    "bad_json": "Not readable as JSON",
    "after_report": "Later than its report",
    "cell_lost": "Row too short",
    "date_implausible": "Day that can't be",
    "date_missing": "No date",
    "date_unreadable": "Date can't be read",
    "dates_ambiguous": "Day or month first?",
    "dates_mixed": "Two ways of writing dates",
    "held": "Waits for a decision",
    "host_or_panelist": "Host or panelist",
    "letters_lost": "Letters lost when saved",
    "no_event_date": "No date of the event",
    "no_time": "Date without a time",
    "not_a_report": "Not a Zoom report",
    "not_an_object": "Not a record",
    "phone_unusable": "Phone can't be used",
    "sale_id_missing": "No sale id",
    "several_events": "Several events in one file",
    "too_few_fields": "Row too short",
    "too_many_fields": "Row too long",
    "truncated": "File is cut off",
    "unclosed_quote": "Stray quote mark",
}
"""Reason codes in words; a code that isn't here is shown with blanks for underscores."""

Row = Mapping[str, Any]


def funnel(rows: Sequence[Row], *, month: dt.date, until: dt.date, currency: str = DEFAULT_CURRENCY) -> Table:
    """Return the funnel of a month so far, one line a funnel category, with a total.

    Args:
        rows: Rows of ``vw_funnel_mtd`` of one month, in the order to show.
        month: First day of the month.
        until: Last local day that should be in it; a note says so when the data ends before.
        currency: Of all amounts.

    Unknown figures are a dash, none at all is a 0. CAC is spend per sale over the days on which both are known, so the
    total has one only where no day of the month lacks a part.
    """
    through = max((row["through_date"] for row in rows if row.get("through_date")), default=None)
    table = Table(
        title=f"Funnel, {figures.span(month, through or until)}",
        title_style="bold",
        title_justify="left",
        caption=_note(rows, through, until),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_footer=bool(rows),
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown, rest = list(rows[:MOST_FUNNELS]), list(rows[MOST_FUNNELS:])
    if rest:
        shown.append(_summed(rest, f"{len(rest)} more"))
    total = _summed(rows, "Total")
    table.add_column("Funnel", footer="Total", overflow="fold")
    for name, title in (COUNTS | AMOUNTS).items():
        told = figures.grouped(total[name], currency=currency)
        table.add_column(_titled_in(title, currency), footer=told, justify="right", no_wrap=True)
    for row in shown:
        cells = (figures.grouped(row.get(name), currency=currency) for name in COUNTS | AMOUNTS)
        table.add_row(Text(str(row["funnel"])), *cells)
    return table


def _titled_in(title: str, currency: str) -> str:
    return title.replace("₹", figures.sign(currency))


def _summed(rows: Sequence[Row], name: str) -> dict[str, Any]:
    sums: dict[str, Any] = {
        figure: figures.added([row.get(figure) for row in rows])
        for figure in COUNTS | AMOUNTS
        if figure != "cac_inr"
    }
    is_complete = all(row.get("is_complete", True) for row in rows)
    cac = figures.ratio(sums["spend_inr"], sums["sales"]) if is_complete else None
    return sums | {"funnel": name, "cac_inr": cac}


def _note(rows: Sequence[Row], through: dt.date | None, until: dt.date) -> str | None:
    if not rows:
        return f"Nothing is published for this month up to {figures.day(until)} yet."
    notes = []
    if through is not None and through < until:
        notes.append(f"Published to {figures.day(through)} only; {figures.day(until)} is due.")
    missing = next((row["missing_detail"] for row in rows if row.get("missing_detail")), None)
    if missing:
        notes.append(f"Not everything is there: {missing}. Figures of these days leave out what is missing.")
    if any(row.get(name) is None for row in rows for name in COUNTS | AMOUNTS):
        notes.append("- means unknown, or nothing to divide by; 0 means none.")
    return " ".join(notes) or None


_ON_THE_FIRST_PAGE = (
    "leads",
    "registrations",
    "attended",
    "handovers",
    "sales",
    "net_revenue_paise",
    "spend_paise",
)
_PREVIEWED = {name: FIGURES[name] for name in _ON_THE_FIRST_PAGE} | {
    "credit_first_touch_paise": "First-touch credit ₹",
    "credit_linear_paise": "Linear credit ₹",
}


def mapping_preview(
    before: Mapping[tuple[dt.date, str], Mapping[str, int | None]],
    after: Mapping[tuple[dt.date, str], Mapping[str, int | None]],
    moves: Sequence[Any],
    currency: str = DEFAULT_CURRENCY,
) -> list[Table | Text]:
    """Return what another mapping moves: sources, then each month's funnels with figures before and after.

    Args:
        before: Figures of ``Preview.before``.
        after: Figures of ``Preview.after``.
        moves: ``Preview.moves``.
        currency: Of all amounts.
    """
    number = partial(figures.grouped, currency=currency)
    cells = [cell for cell in sorted(before.keys() | after.keys()) if before.get(cell) != after.get(cell)]
    if not cells and not moves:
        return [Text("No figure would move.")]
    sources = _titled("Sources that move", "Source", "From", "To")
    for title in ("Leads", "Handed over", "Sales", "Revenue ₹"):
        sources.add_column(_titled_in(title, currency), justify="right", no_wrap=True)
    for move in moves:
        counts = [move.counts.get(name, 0) for name in ("leads", "handovers", "sales")]
        revenue = Decimal(move.counts.get("net_revenue_paise", 0)) / 100
        sources.add_row(
            Text(move.source), Text(move.before), Text(move.after), *map(number, [*counts, revenue])
        )
    moved = _titled("Figures that move, before and after", "Month", "Funnel", "Figure")
    moved.add_column("Before", justify="right", no_wrap=True)
    moved.add_column("After", justify="right", no_wrap=True)
    for month, funnel in cells:
        for name, title in _PREVIEWED.items():
            then, now = (side.get((month, funnel), {}).get(name) or 0 for side in (after, before))
            if then != now:
                unit = 100 if name.endswith("_paise") else 1
                shown = (number(Decimal(value) / unit) for value in (now, then))
                moved.add_row(f"{month:%Y-%m}", Text(funnel), _titled_in(title, currency), *shown)
    still = [
        title.removesuffix(" ₹").lower()
        for name, title in _PREVIEWED.items()
        if all((before.get(c, {}).get(name) or 0) == (after.get(c, {}).get(name) or 0) for c in cells)
    ]
    note = f"Unchanged everywhere: {', '.join(still)}." if still else ""
    return [sources, moved, Text(note)]


def _titled(title: str, *names: str, caption: str | None = None) -> Table:
    table = Table(
        title=title,
        title_style="bold",
        title_justify="left",
        caption=caption,
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def quarantine(rows: pd.DataFrame) -> Table:
    """Return rows in quarantine as a table that fits 100 columns: where, why, and what to do.

    Args:
        rows: dataset, source, day, file, line, reason, detail, as ``Quarantine.rows`` gives them.
    """
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Dataset, source, day", max_width=20, overflow="fold")
    table.add_column("File, line", max_width=24, overflow="fold")
    table.add_column("Why", overflow="fold", ratio=3)
    table.add_column("What to do", overflow="fold", ratio=2)
    for row in rows.to_dict("records"):
        title, why, fix = why_and_fix(str(row["reason"]), _text(row["detail"]))
        place = [_text(row["dataset"]), _text(row["source"]), _text(row["day"])]
        table.add_row(
            Text("\n".join(dict.fromkeys(place))),
            Text(_where(row)),
            Text.assemble((title, "bold"), "\n", why),
            Text(fix),
        )
    return table


def held(found: Sequence[Held]) -> Table:
    """Return what is held as a table that fits 100 columns: where, why, and what to do."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Dataset, source, days", max_width=20, overflow="fold")
    table.add_column("File, hash", max_width=24, overflow="fold")
    table.add_column("Why", overflow="fold", ratio=3)
    table.add_column("What to do", overflow="fold", ratio=2)
    for one in found:
        table.add_row(
            Text("\n".join((one.dataset, one.source, *one.days))),
            Text(f"{short_file(one.file)}\n{one.sha256[:SHA_LETTERS]}"),
            Text(one.why),
            Text(one.fix[:1].upper() + one.fix[1:]),
        )
    return table


def _where(row: Mapping[Any, Any]) -> str:
    shown = short_file(_text(row["file"]))
    # Of a JSON list the position is told: all of it often stands on one line.
    unit = "record" if shown.lower().endswith(".json") else "line"
    return shown if pd.isna(row["line"]) else f"{shown}\n{unit} {int(row['line'])}"


def short_file(file: str) -> str:
    """Name a file or URL in few letters: its own name, else its host and last part; the source's name says the rest."""
    if "://" not in file:
        return file
    host, _, path = redact_url(file).partition("://")[2].partition("/")
    last = path.rpartition("/")[2]
    return last if "." in last else f"{host}/…/{last}" if "/" in path else f"{host}/{path}"


def why_and_fix(reason: str, detail: str) -> tuple[str, str, str]:
    """Say a reason code in words, what is wrong, and what to do.

    The last is the part of the detail after "Next:", else its last sentence; nobody's phone or e-mail is in it.
    """
    detail = mask_text(detail)
    why, marked, fix = detail.partition(" Next: ")
    if not marked:
        sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", detail)
        why, fix = " ".join(sentences[:-1]) or detail, sentences[-1] if len(sentences) > 1 else ""
    title = REASONS.get(reason, reason.replace("_", " ").capitalize())
    return title, why, fix[:1].upper() + fix[1:] or "Correct it at the source."


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def changes(found: Changes, *, most: int = 20, currency: str = DEFAULT_CURRENCY) -> list[Table]:
    """Return what changed since a moment as three tables: in the sources, in the numbers, and by whose rows."""
    return [
        _changed_sources(found.sources, most, currency),
        _changed_figures(found.figures, most, currency),
        _changed_by(found.parts, most, currency),
    ]


def _changed_sources(sources: pd.DataFrame, most: int, currency: str) -> Table:
    table = _cut("What the sources changed", sources, most)
    for head in ("Dataset", "Day", "Added", "Removed", "Changed"):
        table.add_column(head, justify="left" if head in ("Dataset", "Day") else "right", no_wrap=True)
    per_day = sources.groupby(["dataset", "date"], as_index=False)[["added", "removed", "changed"]].sum()
    for row in per_day.head(most).to_dict("records"):
        counts = (figures.grouped(row[name], currency=currency) for name in ("added", "removed", "changed"))
        table.add_row(row["dataset"], str(row["date"]), *counts)
    return table


def _changed_figures(changed: pd.DataFrame, most: int, currency: str) -> Table:
    table = _cut("What that did to the numbers", changed, most)
    for head in ("Day", "Figure", "Before", "After", "Difference"):
        table.add_column(head, justify="left" if head in ("Day", "Figure") else "right", no_wrap=True)
    for row in changed.head(most).to_dict("records"):
        shown = (_amount(row["figure"], row[name], currency) for name in ("before", "after", "difference"))
        table.add_row(str(row["date"]), _titled_in(FIGURES[row["figure"]], currency), *shown)
    return table


def _changed_by(parts: pd.DataFrame, most: int, currency: str) -> Table:
    table = _cut("By whose rows", parts, most)
    for head in ("Day", "Figure", "Difference", "Person or campaign", "Changed rows"):
        table.add_column(head, justify="right" if head == "Difference" else "left", overflow="fold")
    for row in parts.head(most).to_dict("records"):
        told = _amount(row["figure"], row["difference"], currency)
        title = _titled_in(FIGURES[row["figure"]], currency)
        table.add_row(str(row["date"]), title, told, row["who"], row["rows"])
    return table


def _cut(title: str, rows: pd.DataFrame, most: int) -> Table:
    more = f"{len(rows) - most} more: write them all with --csv FOLDER" if len(rows) > most else None
    return _titled(title, caption=more)


def _amount(figure: str, value: int, currency: str) -> str:
    is_money = figure.endswith("_paise")
    return figures.grouped(value / 100 if is_money else value, 2 if is_money else 0, currency)
