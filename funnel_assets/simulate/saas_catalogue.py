# ruff: noqa: E501 - a campaign, a form or an activity is one row of a table
"""What the invented SaaS company sells, advertises and does with a lead (seed 003, phases 1 to 9).

Belongs here: traffic sources, campaigns, forms, trial paths, products, activity templates, deal stages and the volumes of
a year. Does not belong here: users and what they do.

Seed 003 contradicts itself on volumes; the set chosen here, and why, is in ``docs/decisions.md``.
"""

import dataclasses

# A day at scale 1. Over 365 days: 27.4 M sessions, 18.3 M active user days, 2.9 M new users, 82 K forms.
SESSIONS_A_DAY = 75_000
ACTIVE_USERS_A_DAY = 50_000
NEW_USERS_A_DAY = 8_000
FORMS_A_YEAR = 82_000
PURCHASED_A_YEAR = 10_000
ANONYMOUS_A_YEAR = 1_000
USERS_BEFORE = 400_000
DAYS_A_YEAR = 365
OWNERS = 24
"""Salespeople, who each own leads and their deals."""


@dataclasses.dataclass(frozen=True)
class TrafficSource:
    """Where sessions come from; ``weight`` is its share in per cent."""

    source: str
    medium: str
    weight: int


SOURCES = (
    TrafficSource("google", "cpc", 24),
    TrafficSource("facebook", "cpc", 16),
    TrafficSource("google", "organic", 26),
    TrafficSource("(direct)", "(none)", 18),
    TrafficSource("newsletter", "email", 6),
    TrafficSource("linkedin", "social", 5),
    TrafficSource("partner", "referral", 5),
)
DIRECT = 3


@dataclasses.dataclass(frozen=True)
class SaasCampaign:
    """A paid campaign. ``targeting`` is ``new_users``, ``returning_users`` or ``all_users``."""

    id: int
    name: str
    source: int
    kind: str
    targeting: str
    weight: int


CAMPAIGNS = (
    SaasCampaign(1001, "acq-trial-signup", 0, "ACQUISITION", "new_users", 30),
    SaasCampaign(1002, "acq-demo-request", 0, "ACQUISITION", "new_users", 18),
    SaasCampaign(1003, "acq-competitor-search", 0, "ACQUISITION", "new_users", 14),
    SaasCampaign(1004, "brand-search", 0, "BRAND", "all_users", 16),
    SaasCampaign(1005, "content-whitepaper", 0, "CONTENT", "all_users", 8),
    SaasCampaign(1008, "reeng-lapsed-users", 0, "REENGAGEMENT", "returning_users", 14),
    SaasCampaign(1009, "reeng-trial-expired", 0, "REENGAGEMENT", "returning_users", 10),
    SaasCampaign(2001, "acq-lookalike-trial", 1, "ACQUISITION", "new_users", 34),
    SaasCampaign(2002, "acq-interest-founders", 1, "ACQUISITION", "new_users", 20),
    SaasCampaign(2003, "content-webinar", 1, "CONTENT", "all_users", 12),
    SaasCampaign(2004, "reeng-pricing-visitors", 1, "REENGAGEMENT", "returning_users", 22),
    SaasCampaign(2005, "reeng-cart-abandoners", 1, "REENGAGEMENT", "returning_users", 12),
)

COST_PER_CLICK = {"ACQUISITION": 90, "BRAND": 40, "CONTENT": 55, "REENGAGEMENT": 60}
"""Tenths of a cent that a click costs, by kind of campaign; ours, since seed 003 names no ad cost."""

EVENT_TYPES = (
    "page_view",
    "button_click",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "checkout_start",
    "purchase",
    "trial_started",
    "demo_requested",
    "contact_form_submit",
    "pricing_form_submit",
    "content_download",
    "newsletter_subscribe",
    "upgrade_button_clicked",
    "contact_sales_clicked",
    "trial_converted",
    "trial_expired",
    "login",
    "logout",
)
EVENT = {name: code for code, name in enumerate(EVENT_TYPES)}


@dataclasses.dataclass(frozen=True)
class Form:
    """A form: how often it is filled (per cent of forms) and what the CRM makes of it."""

    name: str
    event: str
    percent: int
    lead_source: str
    lifecycle_stage: str
    sales_priority: str


FORMS = (
    Form("trial_signup", "trial_started", 35, "Trial Signup Form", "trial", "medium"),
    Form("demo_request", "demo_requested", 25, "Demo Request Form", "sql", "high"),
    Form("pricing_inquiry", "pricing_form_submit", 15, "Pricing Inquiry Form", "sql", "high"),
    Form("contact_us", "contact_form_submit", 15, "Contact Us Form", "mql", "medium"),
    Form("whitepaper_download", "content_download", 7, "Content Download", "mql", "low"),
    Form("newsletter_signup", "newsletter_subscribe", 3, "Newsletter Signup", "subscriber", "low"),
    Form("purchased_lead", "", 0, "Purchased List", "lead", "low"),
)
FORM_EVENTS = tuple(form.event for form in FORMS if form.event)
TRIAL, DEMO, PRICING, CONTACT, WHITEPAPER, NEWSLETTER, PURCHASED = range(7)
PURCHASED_LISTS = ("BookYourData", "UpLead")

SELF_SERVICE, ASSISTED = 0, 1
PATHS = ("self_service", "sales_assisted")
SELF_SERVICE_PERCENT = 65
CONVERSION_PERCENT = (28, 45)
CONVERSION_DAY = (12, 14)
CONVERSION_HALF_WIDTH = 2
TRIAL_DAYS = 14
DEMO_HELD_PERCENT = 78
DEMO_WON_PERCENT = 8.3
PRICING_WON_PERCENT = 5.5
YEARLY_PERCENT = 15
MONTHLY_CHURN_PERCENT = 2.5


@dataclasses.dataclass(frozen=True)
class Product:
    """A product of the catalogue; prices in cents; ``shares`` are its per mille in each trial path."""

    id: str
    sku: str
    name: str
    monthly_cents: int
    shares: tuple[int, int]

    @property
    def yearly_cents(self) -> int:
        """Ten months for twelve."""
        return self.monthly_cents * 10


PRODUCTS = (
    Product("prod_starter", "STARTER", "Starter", 2_900, (500, 150)),
    Product("prod_professional", "PRO", "Professional", 5_900, (350, 400)),
    Product("prod_business", "BUSINESS", "Business", 12_900, (135, 300)),
    Product("prod_enterprise", "ENTERPRISE", "Enterprise", 54_900, (15, 150)),
)

STAGES = ("qualification", "needs_analysis", "proposal", "negotiation", "closed_won", "closed_lost")
WON, LOST = 4, 5
# Days after the deal's start at which it enters each open stage.
ASSISTED_STAGE_DAYS = (0, 5, 9, 12)
DEMO_STAGE_DAYS = (0, 4, 10, 16)
PRICING_STAGE_DAYS = (0, 2, 5, 8)


@dataclasses.dataclass(frozen=True)
class Template:
    """One planned activity: its type, subject and days after the lead came."""

    type: str
    subject: str
    day: int


ASSISTED_PLAN = (
    Template("email", "Welcome to your trial", 0),
    Template("call", "Introduction", 0),
    Template("task", "Check that data is connected", 1),
    Template("email", "First report, how to read it", 2),
    Template("call", "Needs", 4),
    Template("meeting", "Walk-through for the team", 5),
    Template("email", "Answers after the walk-through", 6),
    Template("call", "Mid-trial", 7),
    Template("email", "Proposal", 9),
    Template("call", "Proposal questions", 10),
    Template("meeting", "Terms", 12),
    Template("call", "Decision", 13),
)
DEMO_PLAN = (
    Template("email", "Confirm the demo", 0),
    Template("call", "Prepare the demo", 1),
    Template("task", "Set up a demo account", 2),
    Template("meeting", "Demo", 3),
    Template("email", "After the demo", 4),
    Template("call", "Questions after the demo", 6),
    Template("email", "Offer", 9),
    Template("call", "Decision", 14),
)
SHORT_PLAN = (Template("call", "Call back", 0), Template("email", "Send what was asked for", 1))
SELF_SERVICE_PLAN = (Template("task", "trial_started", 0),)
DOWNLOAD_PLAN = (Template("email", "More on the topic", 1),)
NEWSLETTER_PLAN = (Template("email", "Welcome", 0),)
COLD_PLAN = (Template("email", "First contact", 1), Template("call", "First contact", 4))
DEMO_HELD_AT = 3
