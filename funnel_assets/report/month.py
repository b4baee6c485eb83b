"""The month so far against the same days of the month before, from the mart's days.

Belongs here: which days count, and what can be compared. Does not belong here: words and pictures.

A figure is compared only where its part is there on every day of both spans: half a month against a whole one would
be a change that never happened.
"""

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from funnel_assets import figures

PARTS = {
    "leads": "has_marketing",
    "registered": "has_marketing",
    "attended": "has_marketing",
    "handed_over": "has_sales",
    "sales": "has_sales",
    "revenue": "has_sales",
    "spend": "has_spend",
}
"""Each figure, and the flag that says whether the part it comes from is there."""

DAYS_QUERY = """
SELECT
    published.date, nullif(published.missing, '') AS missing,
    sum(leads)::bigint AS leads, sum(registrations)::bigint AS registered, sum(attended)::bigint AS attended,
    sum(handovers)::bigint AS handed_over, sum(sales)::bigint AS sales, sum(net_revenue_inr) AS revenue,
    sum(spend_inr) AS spend,
    coalesce(bool_and(has_marketing), published.missing IS NULL) AS has_marketing,
    coalesce(bool_and(has_sales), published.missing IS NULL) AS has_sales,
    coalesce(bool_and(has_spend), published.missing IS NULL) AS has_spend
FROM published_days AS published
LEFT JOIN funnel_marts AS mart ON mart.date = published.date
WHERE published.dataset = 'funnel_marts'
GROUP BY published.date, published.missing
ORDER BY published.date
"""


@dataclass(frozen=True)
class Day:
    """One published day: every figure, None where its part is missing."""

    date: dt.date
    figures: Mapping[str, Decimal | None]

    @property
    def lacks(self) -> list[str]:
        """Parts that are missing, in words."""
        flags = {PARTS[name] for name, value in self.figures.items() if value is None}
        return sorted(flag.removeprefix("has_") for flag in flags)


@dataclass(frozen=True)
class Change:
    """A figure of the month so far, and of the same days of the month before.

    Attributes:
        now: Sum over the days on which it is known; None when it is on none.
        before: The same of the month before.
        percent: Change in percent; None where the two can't be compared or there was nothing before.
        is_comparable: Whether it is known on every day of both.
    """

    now: Decimal | None
    before: Decimal | None
    percent: Decimal | None
    is_comparable: bool


def days_of(rows: Iterable[Mapping[str, Any]]) -> list[Day]:
    """Return the days of the mart; a figure without a row is 0 where its part is there."""
    return [
        Day(
            row["date"],
            {name: Decimal(row[name] or 0) if row[flag] else None for name, flag in PARTS.items()},
        )
        for row in rows
    ]


class Month:
    """The calendar month of the newest published day, up to that day."""

    def __init__(self, days: Sequence[Day]) -> None:
        self._days = {day.date: day for day in days}
        self.last = max(self._days)
        self.first = self.last.replace(day=1)
        self.before_first = (self.first - dt.timedelta(days=1)).replace(day=1)
        length = calendar.monthrange(self.before_first.year, self.before_first.month)[1]
        self.before_last = self.before_first.replace(day=min(self.last.day, length))

    def change(self, name: str) -> Change:
        """Compare a figure, or ``cac``: spend per sale over the days on which both are known."""
        names = ("spend", "sales") if name == "cac" else (name,)
        now, whole = self._sum(names, self.first, self.last)
        before, before_whole = self._sum(names, self.before_first, self.before_last)
        comparable = whole and before_whole
        moved = None if now is None or before is None else now - before
        return Change(now, before, figures.share(moved, before) if comparable else None, comparable)

    def _sum(self, names: Sequence[str], first: dt.date, last: dt.date) -> tuple[Decimal | None, bool]:
        """Sum a figure (or divide two sums), and say whether every day knows it."""
        wanted = [self._days.get(day) for day in span(first, last)]
        known = [day for day in wanted if day and all(day.figures[name] is not None for name in names)]
        sums = [figures.added([day.figures[name] for day in known]) for name in names]
        return (sums[0] if len(sums) == 1 else figures.ratio(sums[0], sums[1])), len(known) == len(wanted)

    def missing(self) -> list[tuple[dt.date, str]]:
        """Days of the month so far that lack something, and what."""
        lacking = [(day, self._days.get(day)) for day in span(self.first, self.last)]
        found = [(day, ", ".join(known.lacks) if known else "everything") for day, known in lacking]
        return [(day, lacks) for day, lacks in found if lacks]

    def complete_to(self) -> dt.date:
        """The last day before anything of the month is missing."""
        missing = self.missing()
        return missing[0][0] - dt.timedelta(days=1) if missing else self.last

    def daily(self, name: str) -> list[tuple[dt.date, Decimal | None]]:
        """A figure a day, from the first day of the month before (or the first there is)."""
        first = max(self.before_first, min(self._days))
        return [
            (day, self._days[day].figures[name] if day in self._days else None)
            for day in span(first, self.last)
        ]


def span(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from the first to the last, both included."""
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
