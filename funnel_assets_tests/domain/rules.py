"""The rules of the tests' worlds; what the software starts with stands in the packaged CSVs of ``config/defaults``."""

from funnel_assets.domain.rules import Rules

SCORING: tuple[dict[str, str | int], ...] = (
    {"activity": "view", "points": 10},
    {"activity": "click", "points": 5},
    {"activity": "download", "points": 20},
    {"activity": "form_submit", "points": 10},
    {"activity": "registration", "points": 10},
    {"activity": "attendance", "points": 20},
    {"activity": "minute", "points": 0},
    {"activity": "demo_booked", "points": 40},
    {"activity": "follow_up", "points": 30},
    {"activity": "deal_closed", "points": 50},
)
"""Points per activity. View, download and demo are seed 000's; a form or a registration is worth a view, attending a
webinar a download, and what comes after a demo lies near it."""

STAGES: tuple[dict[str, str | int], ...] = (
    {
        "stage": "Lead",
        "rank": 1,
        "activity": "",
        "minimum": 0,
        "requires_stage": "",
        "owner_department": "Marketing",
        "reason": "Known to us",
    },
    {
        "stage": "MQL",
        "rank": 2,
        "activity": "download",
        "minimum": 1,
        "requires_stage": "",
        "owner_department": "Marketing Ops",
        "reason": "Downloaded something",
    },
    {
        "stage": "MQL",
        "rank": 2,
        "activity": "attendance",
        "minimum": 1,
        "requires_stage": "",
        "owner_department": "Marketing Ops",
        "reason": "Attended a webinar",
    },
    {
        "stage": "SQL",
        "rank": 3,
        "activity": "demo_booked",
        "minimum": 1,
        "requires_stage": "",
        "owner_department": "Sales",
        "reason": "Booked a demo",
    },
    {
        "stage": "Opportunity",
        "rank": 4,
        "activity": "follow_up",
        "minimum": 1,
        "requires_stage": "SQL",
        "owner_department": "Sales",
        "reason": "Booked a demo and attended a follow-up",
    },
    {
        "stage": "Opportunity",
        "rank": 4,
        "activity": "open_deal",
        "minimum": 1,
        "requires_stage": "SQL",
        "owner_department": "Sales",
        "reason": "Booked a demo and has an open deal",
    },
    {
        "stage": "Customer",
        "rank": 5,
        "activity": "paid_sale",
        "minimum": 1,
        "requires_stage": "",
        "owner_department": "Customer Success",
        "reason": "Paid sale",
    },
    {
        "stage": "Customer",
        "rank": 5,
        "activity": "deal_closed",
        "minimum": 1,
        "requires_stage": "",
        "owner_department": "Customer Success",
        "reason": "Deal closed",
    },
)
"""One row per way into a stage. The highest rank that holds wins; within a rank the first row that holds gives the
reason. An empty activity always holds; ``requires_stage`` names a lower stage whose own conditions must hold too."""

NURTURE_TRACKS: tuple[dict[str, str], ...] = (
    {"stage": "Lead", "track": "Low", "frequency": "Every two weeks", "channels": "Email, Newsletter"},
    {"stage": "MQL", "track": "Mid", "frequency": "Weekly", "channels": "Email, LinkedIn"},
    {"stage": "SQL", "track": "High", "frequency": "Every 3 days", "channels": "Email, WhatsApp, LinkedIn"},
    {
        "stage": "Opportunity",
        "track": "High",
        "frequency": "Every 3 days",
        "channels": "Email, WhatsApp, LinkedIn",
    },
    {"stage": "Customer", "track": "Low", "frequency": "Monthly", "channels": "Email"},
)
"""Track of each stage (seed 000); customers are only kept in touch with."""

PLAYBOOKS: tuple[dict[str, str], ...] = (
    {"health": "Stale", "stage_at_least": "SQL", "playbook": "Reactivation", "priority": "high"},
    {"health": "Stale", "stage_at_least": "", "playbook": "Reactivation", "priority": "medium"},
    {"health": "Dormant", "stage_at_least": "", "playbook": "Reactivation", "priority": "low"},
    {"health": "Active", "stage_at_least": "SQL", "playbook": "Conversion", "priority": "high"},
    {"health": "Active", "stage_at_least": "MQL", "playbook": "Education", "priority": "medium"},
    {"health": "", "stage_at_least": "", "playbook": "Education", "priority": "low"},
)
"""Next playbook (seed 002): the first row that fits wins; an empty cell fits all."""

RULES = Rules(SCORING, STAGES, NURTURE_TRACKS, PLAYBOOKS)
