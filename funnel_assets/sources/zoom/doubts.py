"""Why a report that could be read may still not be true: it is compared with itself, and held where it fails (SPEC 9).

Belongs here: a report's own totals, keys that many people share, rows set apart, a list without anybody. Does not
belong here: what becomes of a doubtful report (`pipeline`).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from funnel_assets.sources.zoom.labels import key

if TYPE_CHECKING:
    from funnel_assets.sources.zoom.report import ZoomReport

STAFF = ("host", "panelist")
CODES = {
    "no_person": "The file has rows, and nobody of them counts as a person who registered or came.",
    "most_rows_set_aside": "Most rows of the file are set apart.",
    "shared_key": "Many different people stand under one phone or e-mail.",
    "totals_differ": "The file's own totals differ from what it lists.",
    "facts_contradict": "What the file says of the event is nothing of the kind, or contradicts itself.",
    "unread_lines": "Lines outside any table couldn't be read.",
    "unknown_column": "A column that attendance is made of has an unknown heading.",
}
# Totals may differ by this share, or by this many where that is more: one person under two addresses, a late walk-in.
TOLERANCE, FEW = 0.05, 2
COMPARED = ("registered", "unique_viewers", "total_users", "participants")
# A family or an office may register with one phone; a column that is nobody's key gives it to many more.
_SHARE_OF_ROWS, _MOST_UNDER_ONE, _SHARE_UNDER_ONE = 0.5, 5, 0.1
# What Zoom says of a row that isn't meant to count, and isn't damage.
_HARMLESS = ("in_waiting_room", "said_twice", "unknown_action")
_RUNS = ("01234567890123456789", "98765432109876543210")
_IN_BRACKETS = re.compile(r"[(（\[].*")


@dataclass(frozen=True)
class Doubt:
    """A reason to hold a report until a person has looked at it.

    Attributes:
        code: One of ``CODES``.
        detail: What is doubtful, with its numbers and without personal data.
        counts: The numbers alone.
    """

    code: str
    detail: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedTotal:
    """A number that a report states of itself, and what was read.

    Attributes:
        what: ``registered``, ``cancelled``, ``approved``, ``denied``, ``unique_viewers``, ``total_users``,
            ``participants``.
        stated: As the report says.
        read: As counted; of several ways to count, the one that comes nearest.
    """

    what: str
    stated: int
    read: int

    @property
    def difference(self) -> int:
        """How many more were read than stated."""
        return self.read - self.stated

    def is_within(self, tolerance: float) -> bool:
        """Whether the difference is one that good reports have."""
        return abs(self.difference) <= max(FEW, math.ceil(tolerance * self.stated))


def stated_totals(report: "ZoomReport") -> tuple[StatedTotal, ...]:
    """Each number the report states of itself against what was read; of several sittings each for itself."""
    people = report.people
    # What stands once counts for all that is listed, wherever it stands.
    parts = [({what: n for sitting in reversed(report.totals) for what, n in sitting.items()}, people)]
    if (people["sitting"] >= 0).any():
        parts = [(stated, people[people["sitting"] == at]) for at, stated in enumerate(report.totals)]
    return tuple(
        StatedTotal(what, stated, min(ways[what], key=lambda read: abs(read - stated)))
        for totals, listed in parts
        for ways in [_counted(report, listed)]
        for what, stated in totals.items()
        if what in ways
    )


def doubts(report: "ZoomReport", tolerance: float = TOLERANCE) -> tuple[Doubt, ...]:
    """Everything that makes a report doubtful; nothing for a good one.

    Args:
        report: The report.
        tolerance: Share by which its own totals may differ from what it lists.
    """
    return tuple(
        doubt
        for found in (
            report.found_doubts,
            _nobody(report),
            _set_aside(report),
            _shared(report),
            _totals(report, tolerance),
        )
        for doubt in found
    )


def _nobody(report: "ZoomReport") -> Iterator[Doubt]:
    people = report.people
    guests = int((~people["section"].isin(STAFF)).sum())
    if guests or not report.rows_in:
        return
    counts = {
        "rows": report.rows_in,
        "hosts_and_panelists": len(people),
        "set_aside": len(report.quarantined),
    }
    detail = (
        f"Of {report.rows_in} row(s) nobody is left: {len(people)} are hosts or panelists, "
        f"{len(report.quarantined)} are set apart."
    )
    yield Doubt("no_person", detail, counts)


def _set_aside(report: "ZoomReport") -> Iterator[Doubt]:
    bad = report.quarantined[~report.quarantined["reason"].isin(_HARMLESS)]
    rows = int((~report.people["section"].isin(STAFF)).sum()) + len(bad)
    if len(bad) <= _SHARE_OF_ROWS * rows:
        return
    often = str(bad["reason"].value_counts().index[0])
    detail = f"{len(bad)} of {rows} rows are set apart, most as {often}."
    yield Doubt("most_rows_set_aside", detail, {"rows": rows, "set_aside": len(bad)})


def _shared(report: "ZoomReport") -> Iterator[Doubt]:
    people = report.people[~report.people["section"].isin(STAFF)]
    names = people["user_name"].fillna(
        (people["first_name"].fillna("") + " " + people["last_name"].fillna("")).str.strip()
    )
    names = names.map(lambda name: key(_IN_BRACKETS.sub("", name)) or None)
    digits = people["phone_raw"].str.replace(r"\D", "", regex=True).str[-10:]
    phones = digits.where(~digits.fillna("").map(is_made_up))
    everyone = people["email"].fillna(names).nunique()
    for what, keys, who in (
        ("phone", phones, people["email"].fillna(names)),
        ("e-mail", people["email"], names),
    ):
        under = pd.DataFrame({"key": keys, "who": who}).dropna().groupby("key")["who"].nunique()
        most = int(under.max()) if len(under) else 0
        if most > _MOST_UNDER_ONE and most > _SHARE_UNDER_ONE * everyone:
            detail = f"{most} of {everyone} different people stand under one {what}."
            yield Doubt("shared_key", detail, {"people": everyone, "under_one_key": most})


def is_made_up(phone: str) -> bool:
    """Whether digits are too few for a phone, or nobody's (9999999999, 1234567890); an address never is."""
    digits = re.sub(r"\D", "", phone)
    if "@" in phone:
        return False
    return len(digits) < 8 or len(set(digits)) <= 2 or any(digits[-10:] in run for run in _RUNS)


def _totals(report: "ZoomReport", tolerance: float) -> Iterator[Doubt]:
    apart = [
        total for total in report.stated_totals if total.what in COMPARED and not total.is_within(tolerance)
    ]
    if not apart:
        return
    told = [f"{one.what.replace('_', ' ')}: {one.stated:,} stated, {one.read:,} read" for one in apart]
    counts = {f"{one.what}_{side}": getattr(one, side) for one in apart for side in ("stated", "read")}
    yield Doubt(
        "totals_differ", f"The file's own totals differ from what it lists ({'; '.join(told)}).", counts
    )


def _counted(report: "ZoomReport", people: pd.DataFrame) -> dict[str, list[int]]:
    """For each number, what it could count, likeliest first (Zoom never defined "Total Users" the same way twice)."""
    who = people["email"].fillna(people["user_name"].map(key, na_action="ignore").astype("str"))
    guests = ~people["section"].isin(STAFF)
    came = guests & (people["attended"] == "Y")
    staff = ~guests
    status = people["approval"]
    listed = guests & (status.isna() | (status == "approved"))
    if report.has_registration:
        listed &= people["registration_time"].notna() | (status == "approved")
    viewers, stage = who[came].nunique(), who[staff].nunique()
    counts = {
        "registered": [who[listed].nunique(), who[guests & status.notna()].nunique(), int(listed.sum())],
        "cancelled": [who[guests & (status == "cancelled")].nunique()],
        "approved": [who[guests & (status == "approved")].nunique()],
        "denied": [who[guests & (status == "denied")].nunique()],
        "unique_viewers": [viewers, who[came & (people["section"] != "other")].nunique()],
        "total_users": [viewers + stage, viewers, int(came.sum()), int(came.sum() + staff.sum())],
        "participants": [who[people["attended"] == "Y"].nunique(), int((people["attended"] == "Y").sum())],
    }
    if not report.has_registration:
        # Walk-ins can't be told from registrants who came, and without registration Zoom states none.
        missed = who[guests & (people["attended"] == "N")].nunique()
        counts["registered"] += [0, *range(missed, who[guests].nunique() + 1)]
    if report.kind == "registration":
        return {name: counts[name] for name in ("registered", "cancelled", "approved", "denied")}
    return counts
