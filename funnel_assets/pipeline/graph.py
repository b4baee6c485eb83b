"""Which dataset is made from which, over which days, and with which config: the whole graph on one page.

Dagster's dependencies, the order of work, and what a change makes stale are all read from here.
"""

import calendar
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from funnel_assets.domain.frames import LATE_TOUCH_DAYS

Window = Callable[[dt.date], tuple[dt.date, dt.date]]


def same_day(day: dt.date) -> tuple[dt.date, dt.date]:
    """The day itself."""
    return day, day


def history(day: dt.date) -> tuple[dt.date, dt.date]:
    """Everything up to the day."""
    return dt.date.min, day


def month_to_date(day: dt.date) -> tuple[dt.date, dt.date]:
    """The day's calendar month up to the day."""
    return day.replace(day=1), day


def history_to_month_end(day: dt.date) -> tuple[dt.date, dt.date]:
    """Everything up to the end of the day's calendar month: the sheet looks the whole month's Zoom tab up."""
    return dt.date.min, month_end(day)


def history_and_late_touches(day: dt.date) -> tuple[dt.date, dt.date]:
    """Everything up to a month after the day: a first touch may be entered after the sale it led to."""
    return dt.date.min, day + dt.timedelta(days=LATE_TOUCH_DAYS)


def month_end(day: dt.date) -> dt.date:
    """Return the last day of a day's calendar month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


@dataclass(frozen=True)
class Input:
    """One dataset that another one reads.

    Attributes:
        dataset: Name of the dataset read.
        window: Which of its days a day of the reader needs.
        required: Whether the reader's own day can't be made without that same day of the input. Other days of
            the window are used as far as they exist; when a missing one arrives, the reader's day is made again.
    """

    dataset: str
    window: Window
    required: bool = False


@dataclass(frozen=True)
class Node:
    """A dataset's place in the graph.

    Attributes:
        dataset: Its name.
        inputs: What it reads; nothing for a source.
        config: The CSVs of SPEC 7 that its rows depend on.
        rules_version: Raised when its code gives other rows, or columns, from the same inputs; all its days are then
            stale, those of sources made again from what landed.
        of_the_day: Whether every row of a day is about somebody of whom a source has a record on that day.
        states_currency: Whether its rows say the currency by themselves (FUNNEL_CURRENCY), not by what they are of.
    """

    dataset: str
    inputs: tuple[Input, ...] = ()
    config: tuple[str, ...] = ()
    rules_version: int = 1
    of_the_day: bool = False
    states_currency: bool = False

    @property
    def is_source(self) -> bool:
        """Whether it is read from outside rather than made from other datasets."""
        return not self.inputs


NODES: dict[str, Node] = {
    node.dataset: node
    for node in (
        Node("raw_leads", config=("placeholders",), rules_version=3),
        Node("zoom_attendance", config=("placeholders", "categories", "conductors")),
        Node("engagement_events", config=("placeholders",), rules_version=4),
        Node("spend", rules_version=2),
        Node("crm_assignments", config=("placeholders",), rules_version=3),
        Node("crm_sales", config=("placeholders",), rules_version=3),
        Node(
            "dedup_leads",
            (
                Input("raw_leads", history, required=True),
                Input("zoom_attendance", history, required=True),
                Input("engagement_events", history),
            ),
            ("funnel_mapping", "identity_links"),
            rules_version=4,
            of_the_day=True,
        ),
        Node(
            "engagement_summary",
            (
                Input("raw_leads", history, required=True),
                Input("zoom_attendance", history, required=True),
                Input("engagement_events", history, required=True),
            ),
            ("identity_links", "scoring"),
            rules_version=6,
            of_the_day=True,
        ),
        Node(
            "scored_contacts",
            (Input("engagement_summary", history, required=True), Input("sales_enriched", history)),
            ("scoring", "stages", "nurture_tracks", "playbooks", "overrides", "identity_links"),
            rules_version=3,
        ),
        Node(
            "assigned_leads",
            (
                Input("crm_assignments", month_to_date, required=True),
                Input("zoom_attendance", history_to_month_end),
                Input("raw_leads", history),
                Input("engagement_events", history),
            ),
            ("funnel_mapping", "identity_links"),
            rules_version=3,
        ),
        Node(
            "sales_enriched",
            (
                Input("crm_sales", same_day, required=True),
                Input("raw_leads", history),
                Input("zoom_attendance", history_to_month_end),
                Input("engagement_events", history),
                Input("dedup_leads", history_and_late_touches),
            ),
            ("funnel_mapping", "manual_mapping", "manual_funnels", "identity_links"),
            rules_version=5,
            of_the_day=True,
        ),
        Node(
            "sale_credit",
            (
                Input("sales_enriched", same_day, required=True),
                Input("raw_leads", history),
                Input("zoom_attendance", history),
                Input("engagement_events", history),
            ),
            ("funnel_mapping", "identity_links"),
            rules_version=3,
            of_the_day=True,
        ),
        Node(
            "funnel_marts",
            (
                Input("dedup_leads", month_to_date),
                Input("zoom_attendance", history),
                Input("raw_leads", history),
                Input("engagement_events", history),
                Input("spend", same_day),
                Input("assigned_leads", same_day),
                Input("sales_enriched", same_day),
            ),
            ("funnel_mapping", "manual_funnels", "identity_links"),
            rules_version=7,
            states_currency=True,
        ),
    )
}

WITH_BEFORE = ("raw_leads", "zoom_attendance", "engagement_events", "dedup_leads")
"""Datasets that also hold what is dated before ``FUNNEL_START_DATE`` (``storage.lake.BEFORE``): all that says who
people are and when they were first touched. A window that begins before the first day reads it too."""

SOURCES = tuple(name for name, node in NODES.items() if node.is_source)


def in_order(datasets: Iterable[str] | None = None) -> list[str]:
    """Datasets in an order in which each comes after what it reads; the same order every time."""
    wanted = set(NODES if datasets is None else datasets)
    sorter = TopologicalSorter({name: [read.dataset for read in node.inputs] for name, node in NODES.items()})
    return [name for name in sorter.static_order() if name in wanted]


def readers(datasets: Iterable[str]) -> set[str]:
    """Every dataset that reads one of these, directly or through others."""
    found: set[str] = set()
    front = set(datasets)
    while front:
        front = {
            name
            for name, node in NODES.items()
            if name not in found and any(read.dataset in front for read in node.inputs)
        }
        found |= front
    return found


def ancestors(dataset: str) -> set[str]:
    """Every dataset that this one reads, directly or through others."""
    return {name for name in NODES if dataset in readers([name])}


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    """Every day from ``first`` to ``last``, both included."""
    return [first + dt.timedelta(days=offset) for offset in range((last - first).days + 1)]


def cut(days: Iterable[dt.date], weights: Mapping[dt.date, int], most: int) -> Iterator[list[dt.date]]:
    """Cut days into groups, in their order, each of which weighs no more than ``most`` or is one day."""
    piece: list[dt.date] = []
    held = 0
    for day in days:
        if piece and held + weights.get(day, 0) > most:
            yield piece
            piece, held = [], 0
        piece.append(day)
        held += weights.get(day, 0)
    if piece:
        yield piece
