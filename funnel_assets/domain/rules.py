"""The rules that people edit in a spreadsheet, checked (SPEC 6, 7): points, stages, tracks and playbooks.

Belongs here: what these rules may say, and the errors when they can't work. Does not belong here: reading the files,
or applying the rules (:mod:`funnel_assets.domain.scoring`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from funnel_assets.contracts.marketing import HEALTH, STAGES
from funnel_assets.errors import ConfigError

ACTIVITIES = {
    "view": "total_views",
    "click": "total_clicks",
    "download": "total_downloads",
    "demo_booked": "total_demos_booked",
    "follow_up": "total_follow_ups",
    "form_submit": "total_form_submissions",
    "registration": "total_registrations",
    "attendance": "total_attendances",
    "minute": "total_minutes",
    "site_minute": "total_site_minutes",
    "deal_closed": "total_deals_closed",
    "webinar_join": "total_webinar_joins",
    "direct_inquiry": "total_direct_inquiries",
    "open_deal": "open_deals",
    "paid_sale": "paid_sales",
}
"""What stages.csv may name, and scoring.csv beside event types of one's own, and the running count it stands for."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rules:
    """The rows of the four rule files, as people wrote them.

    Attributes:
        scoring: activity, points, and at_least and below (first total of the band and the one after it) where the
            points are given once.
        stages: stage, rank, activity, minimum, requires_stage, owner_department, reason.
        nurture_tracks: stage, track, frequency, channels.
        playbooks: health, stage_at_least, playbook, priority; the first row that fits wins.
    """

    scoring: Sequence[Row]
    stages: Sequence[Row]
    nurture_tracks: Sequence[Row]
    playbooks: Sequence[Row]

    def __post_init__(self) -> None:
        for file, field, allowed, rows in (
            ("stages.csv", "activity", ["", *ACTIVITIES], self.stages),
            ("stages.csv", "stage", STAGES, self.stages),
            ("stages.csv", "requires_stage", ["", *STAGES], self.stages),
            ("nurture_tracks.csv", "stage", STAGES, self.nurture_tracks),
            ("playbooks.csv", "health", ["", *HEALTH], self.playbooks),
            ("playbooks.csv", "stage_at_least", ["", *STAGES], self.playbooks),
            ("playbooks.csv", "priority", ["high", "medium", "low"], self.playbooks),
        ):
            _check_allowed(file, field, list(allowed), rows)
        self._check_complete()

    def _check_complete(self) -> None:
        """Refuse rules that would leave a contact without a stage, a track or a playbook."""
        if not any(cell(row, "activity") == "" and cell(row, "requires_stage") == "" for row in self.stages):
            raise ConfigError(
                "No stage holds for a contact that did nothing yet",
                file="stages.csv",
                fix="add a row with an empty activity, for the lowest stage",
            )
        missing = {cell(row, "stage") for row in self.stages} - {
            cell(row, "stage") for row in self.nurture_tracks
        }
        if missing:
            raise ConfigError(
                f"No track for {', '.join(sorted(missing))}",
                file="nurture_tracks.csv",
                fix="add a row for each stage of stages.csv",
            )
        last = self.playbooks[-1] if self.playbooks else {"health": "none"}
        if cell(last, "health") or cell(last, "stage_at_least"):
            raise ConfigError(
                "The last playbook doesn't fit everybody",
                file="playbooks.csv",
                fix="end with a row whose health and stage_at_least are empty",
            )
        ranks = self.ranks
        for row in self.stages:
            needed = cell(row, "requires_stage")
            if needed and ranks.get(needed, int(row["rank"])) >= int(row["rank"]):
                raise ConfigError(
                    f"{cell(row, 'stage')} requires {needed}, which has no row that ranks below it",
                    file="stages.csv",
                    fix="let requires_stage name a stage with a lower rank",
                )

    @property
    def other_points(self) -> dict[str, int]:
        """Points of each event type that has no count of its own."""
        return {
            cell(row, "activity"): int(row["points"])
            for row in self.scoring
            if cell(row, "activity") not in ACTIVITIES
        }

    @property
    def ranks(self) -> dict[str, int]:
        """Rank of each stage."""
        return {cell(row, "stage"): int(row["rank"]) for row in self.stages}

    def stages_from(self, stage: str) -> list[str]:
        """Return a stage and those that rank above it."""
        ranks = self.ranks
        lowest = ranks.get(stage, STAGES.index(stage) + 1)
        return [name for name, rank in ranks.items() if rank >= lowest]


def cell(row: Row, name: str) -> str:
    """Return a cell's text, trimmed; an empty or missing one is the empty text."""
    value = row.get(name)
    return "" if value is None or value != value else str(value).strip()


def _check_allowed(file: str, field: str, allowed: Iterable[str], rows: Sequence[Row]) -> None:
    allowed = list(allowed)
    for number, row in enumerate(rows, start=2):
        if cell(row, field) not in allowed:
            raise ConfigError(
                f"{field} {cell(row, field)!r} is not known",
                file=file,
                line=number,
                fix=f"use one of: {', '.join(name or '(empty)' for name in allowed)}",
            )
