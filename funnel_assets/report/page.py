"""The funnel report: one HTML file for a founder (SPEC 8, seed 002).

Belongs here: what the page says and in which words. Does not belong here: how it looks (``page.html``), shapes
(``charts.py``), which days are compared (``month.py``), any rule of the funnel (the views).
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from funnel_assets import figures
from funnel_assets.config.settings import DEFAULT_CURRENCY, Settings
from funnel_assets.exports import Published, of_one_publish
from funnel_assets.report import charts
from funnel_assets.report.month import DAYS_QUERY, Change, Month, days_of
from funnel_assets.shown import shown_in_page
from funnel_assets.storage.files import PUBLIC_FILE, write_whole
from funnel_assets.tables import why_and_fix

FILE = "report.html"
MOST_CHANNELS = 14
MOST_QUARANTINED = 10

HEADLINES = {
    "leads": ("Leads", "new this month"),
    "attended": ("Attended", "at events"),
    "handed_over": ("Handed over", "to sales"),
    "sales": ("Sales", "paid"),
    "revenue": ("Revenue", "net"),
    "spend": ("Spend", "on ads"),
    "cac": ("CAC", "spend per sale"),
}
MONEY = ("revenue", "spend", "cac")
STEPS = {
    "leads": ("Leads", ()),
    "registered": ("Registered", ("leads",)),
    "attended": ("Attended", ("registered", "leads")),
    "handed_over": ("Handed over", ("leads",)),
    "sales": ("Sales", ("handed_over", "leads")),
}
"""Steps of the funnel, and which earlier ones each is a share of: most who are handed over never attended."""

TRENDS = {"leads": "Leads a day", "sales": "Sales a day", "revenue": "Revenue a day", "spend": "Spend a day"}
# Whether more of it is good news; spend is neither.
GOOD = {"cac": -1, "spend": 0}
TRIGGERS = {
    "velocity_drop": "Money comes slowly",
    "icp_mismatch": "The best fits buy too seldom",
    "quality_alert": "Data not to be trusted",
}

QUERIES = {
    "days": DAYS_QUERY,
    "funnels": "SELECT * FROM vw_funnel_mtd WHERE month = (SELECT max(month) FROM vw_funnel_mtd) "
    "ORDER BY net_revenue_inr DESC NULLS LAST, leads DESC NULLS LAST, funnel",
    "channels": "SELECT * FROM vw_channel_economics "
    "ORDER BY spend_inr DESC NULLS LAST, leads DESC NULLS LAST, source, medium",
    "decisions": "SELECT * FROM vw_decisions ORDER BY trigger DESC, subject",
    "freshness": "SELECT * FROM vw_freshness ORDER BY is_fresh, dataset",
    "quarantine": "SELECT * FROM vw_quarantine ORDER BY quarantined DESC, dataset, source, reason",
    "reconciliation": "SELECT count(*) AS compared, count(*) FILTER (WHERE NOT is_balanced) AS unbalanced "
    "FROM vw_reconciliation",
    "published": "SELECT max(published_at) AS at FROM published_days",
}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Tile:
    """A headline number in words: its change, and whether that is good news (1), bad (-1) or neither (0)."""

    title: str
    about: str
    value: str
    exact: str
    change: str
    before: str
    tone: int


def write(warehouse: Published, settings: Settings) -> Path:
    """Write the report to ``$FUNNEL_HOME/report.html``: whole, in place of the last one.

    Args:
        warehouse: Where the published numbers are.
        settings: Home and time zone.

    Raises:
        FunnelError: If nothing is published yet.
    """
    rows = of_one_publish(
        warehouse, lambda: {name: warehouse.fetch(query) for name, query in QUERIES.items()}
    )
    now = settings.clock().astimezone(settings.zone)
    html = render(rows, now=now, currency=settings.currency)
    path = settings.home / FILE
    write_whole(path, html.encode(), mode=PUBLIC_FILE)
    return path


def render(rows: dict[str, Rows], *, now: dt.datetime, currency: str = DEFAULT_CURRENCY) -> str:
    """Return the page as HTML.

    Args:
        rows: Answers to ``QUERIES``, by name.
        now: When the page is written, in the time zone to show.
        currency: Of all amounts.
    """
    loader = PackageLoader("funnel_assets.report", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=shown_in_page
    )
    environment.filters |= {
        "count": partial(figures.grouped, currency=currency),
        "money": partial(figures.money, currency=currency),
        "day": figures.day,
        "percent": figures.percent,
        "ratio": lambda value: figures.UNKNOWN if value is None else f"{value:.2f}×",
        "months": lambda value: figures.UNKNOWN if value is None else f"{value:.1f} mo",
    }
    return environment.get_template("page.html").render(content(rows, now, currency))


def content(rows: dict[str, Rows], now: dt.datetime, currency: str) -> dict[str, Any]:
    """Return everything the template shows."""
    month = Month(days_of(rows["days"]))
    return {
        "title": f"{month.last:%B %Y}",
        "span": figures.span(month.first, month.last),
        "before_span": figures.span(month.before_first, month.before_last),
        "tiles": [_tile(name, month.change(name), currency) for name in HEADLINES],
        "steps": _steps(month, currency),
        "currency": currency,
        "funnels": rows["funnels"],
        "total": _total(rows["funnels"], month),
        "trends": [(title, _trend(month, name, title, currency)) for name, title in TRENDS.items()],
        **_channels(rows["channels"]),
        "decisions": _decisions(rows["decisions"], currency),
        "checks": len(rows["decisions"]),
        "missing": [f"{figures.day(day)}: {lacks}" for day, lacks in month.missing()],
        "late": _late(rows["freshness"]),
        "datasets": len(rows["freshness"]),
        "due": next((row["due_day"] for row in rows["freshness"]), None),
        "reconciliation": rows["reconciliation"][0],
        **_quarantine(rows["quarantine"]),
        "complete_to": figures.day(month.complete_to()),
        "last": figures.day(month.last),
        "published_at": f"{rows['published'][0]['at'].astimezone(now.tzinfo):%-d %b %Y, %H:%M}",
        "written_at": f"{now:%-d %b %Y, %H:%M %Z}",
    }


def _decisions(rows: Rows, currency: str) -> Rows:
    """Return what is triggered, one entry for all subjects of which the same is to be done."""
    found: dict[tuple[str, str, Any], dict[str, Any]] = {}
    for row in rows:
        if row["is_triggered"]:
            key = (row["trigger"], row["action"], row["threshold"])
            words = TRIGGERS.get(row["trigger"], row["trigger"].replace("_", " "))
            measured = f"{row['observed_is']} (limit {_plain(row['threshold'], currency)})"
            new = {"words": words, "action": row["action"], "measured": measured, "subjects": []}
            # What is checked of a dataset stands behind its name, and in what was measured.
            subject = (
                row["subject"].partition(": ")[0] if row["trigger"] == "quality_alert" else row["subject"]
            )
            found.setdefault(key, new)["subjects"].append(f"{subject} {_plain(row['observed'], currency)}")
    return list(found.values())


def _late(rows: Rows) -> list[str]:
    """Say which datasets are behind, those that are so alike in one sentence."""
    alike: dict[str, list[str]] = {}
    for row in rows:
        if not row["is_fresh"]:
            newest = (
                f"newest day {figures.day(row['newest_day'])}" if row["newest_day"] else "nothing published"
            )
            days = row["missing_recent_days"]
            gaps = f", {days} of the last 14 days missing" if days else ""
            alike.setdefault(newest + gaps, []).append(row["dataset"])
    return [f"{', '.join(names)}: {state}." for state, names in alike.items()]


def _plain(value: Decimal | None, currency: str) -> str:
    """A measured value as short as it can be said: ``45``, ``2.5``."""
    decimals = 0 if value is None or value == value.to_integral_value() else 1
    return figures.grouped(value, decimals, currency)


def _tile(name: str, change: Change, currency: str) -> Tile:
    title, about = HEADLINES[name]
    short = partial(figures.short_money if name in MONEY else figures.grouped, currency=currency)
    exact = figures.money(change.now, currency) if name in MONEY and change.now is not None else ""
    value = short(change.now)
    if change.percent is None:
        moved, tone = figures.UNKNOWN, 0
    else:
        direction = 0 if abs(change.percent) < Decimal("0.05") else 1 if change.percent > 0 else -1
        moved = f"{('▼', '±', '▲')[direction + 1]} {figures.percent(abs(change.percent))}"
        tone = direction * GOOD.get(name, 1)
    before = f"was {short(change.before)}" if change.is_comparable else "a day is missing"
    return Tile(title, about, value, exact if exact != value else "", moved, before, tone)


def _steps(month: Month, currency: str) -> list[dict[str, Any]]:
    """Return the steps of the funnel with their picture and rates."""
    counts = {name: month.change(name).now for name in STEPS}
    largest = max((count for count in counts.values() if count is not None), default=None) or Decimal(1)
    widths: list[float | None] = [float((count or 0) / largest) for count in counts.values()]
    pictures = [
        charts.funnel_step(width or 0, then) for width, then in zip(widths, [*widths[1:], None], strict=True)
    ]
    steps = []
    for (name, (title, bases)), picture in zip(STEPS.items(), pictures, strict=True):
        rates = [
            (figures.percent(figures.share(counts[name], counts[base])), f"of {STEPS[base][0].lower()}")
            for base in bases
        ]
        steps.append(
            {
                "title": title,
                "count": figures.grouped(counts[name], currency=currency),
                "rates": rates,
                "picture": picture,
            }
        )
    return steps


def _total(funnels: Rows, month: Month) -> dict[str, Any]:
    names = ("leads", "registered", "attended", "assigned_mtd", "sales", "net_revenue_inr", "spend_inr")
    sums: dict[str, Any] = {name: figures.added([row[name] for row in funnels]) for name in names}
    return sums | {
        "cac_inr": month.change("cac").now,
        "conversion_pct": figures.share(sums["sales"], sums["assigned_mtd"]),
    }


def _trend(month: Month, name: str, title: str, currency: str) -> Markup:
    daily = month.daily(name)
    words = partial(figures.short_money if name in MONEY else figures.grouped, currency=currency)
    bars = [
        charts.Bar(
            value, f"{figures.day(day)}: {'unknown' if value is None else words(value)}", day >= month.first
        )
        for day, value in daily
    ]
    largest = max((value for _, value in daily if value is not None), default=None)
    ticks = [(at, f"{day.day} {day:%b}") for at, (day, _) in enumerate(daily) if day.day in (1, 15)]
    return charts.trend(
        bars, label=f"{title}, {figures.span(daily[0][0], daily[-1][0])}", top=words(largest), ticks=ticks
    )


def _channels(rows: Rows) -> dict[str, Any]:
    """Return the channels that cost or brought most, with their interval drawn; the rest is one line."""
    shown, rest = rows[:MOST_CHANNELS], rows[MOST_CHANNELS:]
    # Weighted by leads, not customers by leads: buyers without a touch are customers of no channel.
    rated = [row for row in rows if row["conversion_pct"] is not None]
    converted = figures.added([row["conversion_pct"] * row["leads"] for row in rated])
    overall = figures.ratio(converted, figures.added([row["leads"] for row in rated]))
    highs = sorted(
        float(row["conversion_high_pct"]) for row in shown if row["conversion_high_pct"] is not None
    )
    rates = [float(row["conversion_pct"]) for row in shown if row["conversion_pct"] is not None]
    # One tiny channel with an interval of half the page would flatten all others: its end runs out of the picture.
    largest = max(highs[int(len(highs) * 0.8)], 1.1 * max(rates)) if highs else 0.0
    for row in shown:
        ends = (row["conversion_low_pct"], row["conversion_pct"], row["conversion_high_pct"])
        row["picture"] = charts.interval(*ends, largest=largest, mark=overall)
    names = ("leads", "customers", "spend_inr", "net_revenue_inr")
    summed = {name: figures.added([row[name] for row in rest]) for name in names}
    return {
        "channels": shown,
        "other_channels": {"number": len(rest), **summed} if rest else None,
        "overall_conversion": overall,
        "channel_span": figures.span(rows[0]["first_day"], rows[0]["last_day"]) if rows else "",
    }


def _quarantine(rows: Rows) -> dict[str, Any]:
    told = []
    for row in rows[:MOST_QUARANTINED]:
        title, why, fix = why_and_fix(row["reason"] or "", row["example_detail"] or "")
        told.append(row | {"title": title, "why": why, "fix": fix})
    return {"quarantine": told, "quarantined": sum(row["quarantined"] for row in rows)}
