# ruff: noqa: E501 - a campaign is one row of a table
"""What the invented ed-tech company sells, advertises and calls things.

Belongs here: programmes, funnels, campaigns, CRM source names and the config CSVs that map them. Does not
belong here: people and what they do.
"""

import dataclasses
import datetime as dt

import numpy as np

from funnel_assets.simulate.rand import Ints

MISC = "Other Sources (Miscellaneous)"
PROGRAMMES = ("FinCert", "RiskPro", "AuditPro", "WealthPro")
PRICES_PAISE = (11_999_900, 14_999_900, 8_999_900, 6_499_900)
FUNNELS = ("Webinar", "Bootcamp", "FinCert", "RiskPro", "AuditPro", "WealthPro", "Organic", "Referral", MISC)
MISC_CODE = FUNNELS.index(MISC)
WEBINAR, BOOTCAMP = 0, 1

# The masterclass campaign moves from one funnel to another here, and the influencer source is retired here:
# shares of the world's length, in tenths.
REMAP_TENTHS = 6
RETIRE_TENTHS = 3


@dataclasses.dataclass(frozen=True)
class Campaign:
    """One campaign: where its leads come from and where they count.

    Attributes:
        source: utmSource as configured in the ad.
        medium: utmMedium.
        name: utmCamp.
        funnel: Index into `FUNNELS`.
        programme: Index into `PROGRAMMES`.
        weight: How often a submission comes from it.
        sheet: 0 for the lead-form sheet, 1 for the landing-page sheet.
        platform: Advertising platform; empty where nothing is paid.
        cost_per_lead_paise: What a lead costs on average.
        crm_source: What the CRM calls leads from it.
    """

    source: str
    medium: str
    name: str
    funnel: int
    programme: int
    weight: int
    sheet: int
    platform: str
    cost_per_lead_paise: int
    crm_source: str


CAMPAIGNS = (
    Campaign("fb_webinar", "paid_social", "fincert-webinar-lead-01", 0, 0, 95, 0, "Meta", 18_000, "FinCert_Webinar_FB"),
    Campaign("fb_webinar", "paid_social", "riskpro-webinar-lead-01", 0, 1, 60, 0, "Meta", 21_000, "RiskPro_Webinar_FB"),
    Campaign("ig_webinar", "paid_social", "auditpro-webinar-lead-01", 0, 2, 60, 0, "Meta", 17_000, "AuditPro_Webinar_IG"),
    Campaign("ig_webinar", "paid_social", "wealthpro-webinar-lead-01", 0, 3, 45, 0, "Meta", 16_000, "WealthPro_Webinar_IG"),
    Campaign("google_webinar", "cpc", "fincert-webinar-search-01", 0, 0, 60, 1, "Google", 32_000, "FinCert_Webinar_Google"),
    Campaign("fb_bootcamp", "paid_social", "fincert-bootcamp-lead-01", 1, 0, 60, 0, "Meta", 26_000, "FinCert_Bootcamp_FB"),
    Campaign("ig_bootcamp", "paid_social", "riskpro-bootcamp-lead-01", 1, 1, 32, 0, "Meta", 28_000, "RiskPro_Bootcamp_IG"),
    Campaign("google_bootcamp", "cpc", "auditpro-bootcamp-search-01", 1, 2, 30, 1, "Google", 35_000, "AuditPro_Bootcamp_Google"),
    Campaign("google_fincert", "cpc", "fincert-brand-search", 2, 0, 62, 1, "Google", 41_000, "FinCert_LandingPage"),
    Campaign("google_riskpro", "cpc", "riskpro-generic-search", 3, 1, 42, 1, "Google", 47_000, "RiskPro_LandingPage"),
    Campaign("google_auditpro", "cpc", "auditpro-generic-search", 4, 2, 38, 1, "Google", 39_000, "AuditPro_LandingPage"),
    Campaign("google_wealthpro", "cpc", "wealthpro-generic-search", 5, 3, 34, 1, "Google", 33_000, "WealthPro_LandingPage"),
    Campaign("fb_fincert", "paid_social", "fincert-scholarship-form", 2, 0, 52, 0, "Meta", 23_000, "FinCert_Scholarship"),
    Campaign("linkedin_riskpro", "paid_social", "riskpro-professionals-01", 3, 1, 30, 0, "LinkedIn", 62_000, "RiskPro_LinkedIn"),
    Campaign("linkedin_wealthpro", "paid_social", "wealthpro-advisers-01", 5, 3, 22, 0, "LinkedIn", 58_000, "WealthPro_LinkedIn"),
    Campaign("youtube_fincert", "video", "fincert-explainer-video", 2, 0, 32, 1, "YouTube", 24_000, "FinCert_YouTube"),
    Campaign("ig_masterclass", "paid_social", "masterclass-lead-01", 0, 3, 44, 0, "Meta", 19_000, "Masterclass_IG"),
    Campaign("fincert_influencer", "influencer", "fincert-creator-01", 2, 0, 26, 1, "Creators", 30_000, "FinCert_Influencer"),
    Campaign("seo_organic", "organic", "(not set)", 6, 0, 64, 1, "", 0, "Organic_Website"),
    Campaign("app_referral", "referral", "refer-a-friend", 7, 2, 34, 1, "", 0, "Referral_App"),
    Campaign("whatsapp_nurture", "whatsapp", "nurture-wa-02", 6, 1, 20, 0, "", 0, "Organic_WhatsApp"),
    Campaign("email_nurture", "email", "nurture-mail-07", 6, 3, 20, 1, "", 0, "Organic_Email"),
    Campaign("quora_answers", "social", "q-and-a", MISC_CODE, 0, 12, 1, "", 0, "quora"),
    Campaign("native_test", "native", "native-test-02", MISC_CODE, 1, 11, 1, "Native", 15_000, "native lp 2"),
    Campaign("college_fest", "affiliate", "campus-stall", MISC_CODE, 2, 9, 0, "", 0, "College Fest 2"),
    Campaign("", "", "", MISC_CODE, 0, 12, 1, "", 0, ""),
)  # fmt: skip
MASTERCLASS = next(i for i, c in enumerate(CAMPAIGNS) if c.source == "ig_masterclass")
INFLUENCER = next(i for i, c in enumerate(CAMPAIGNS) if c.source == "fincert_influencer")

ATTENDED_SOURCES = tuple(f"{p}_{kind}_Attended" for kind in ("Webinar", "Bootcamp") for p in PROGRAMMES)
WALK_IN_SOURCES = ("Branch Walk-in", "Bulk_Import_2", "Old data", "IVR")
CRM_SOURCES = (*(c.crm_source for c in CAMPAIGNS), *ATTENDED_SOURCES, *WALK_IN_SOURCES)

MANUAL_VALUES = {
    "Walk in": "Referral",
    "College": "Organic",
    "Webinar call": "Webinar",
    "FinCert direct": "FinCert",
}
UNLISTED_MANUAL_VALUE = "ask Bharat"

POINTS = {
    "view": 10,
    "click": 5,
    "download": 20,
    "demo_booked": 40,
    "follow_up": 15,
    "registration": 10,
    "attendance": 20,
    "form_submit": 5,
}
"""Of this company's intent score (scoring.csv)."""

PLACEHOLDERS = (
    "9999999999",
    "1234567890",
    "0000000000",
    "9876543210",
    "1111111111",
    "8888888888",
    "0123456789",
)


@dataclasses.dataclass(frozen=True)
class Calendar:
    """First and last day of a world; moments are seconds since 1970 on the wall clock in Asia/Kolkata."""

    start: dt.date
    days: int

    @property
    def end(self) -> dt.date:
        """Last day with data."""
        return self.start + dt.timedelta(days=self.days - 1)

    @property
    def first_second(self) -> int:
        """Wall-clock second at which the world starts."""
        return (self.start - dt.date(1970, 1, 1)).days * 86_400

    @property
    def end_second(self) -> int:
        """First wall-clock second after the world's last day."""
        return self.first_second + self.days * 86_400

    @property
    def remap_day(self) -> dt.date:
        """First day on which the masterclass counts as Bootcamp."""
        return self.start + dt.timedelta(days=self.days * REMAP_TENTHS // 10)

    @property
    def retire_day(self) -> dt.date:
        """Last day of the influencer source."""
        return self.start + dt.timedelta(days=self.days * RETIRE_TENTHS // 10)

    def second_of(self, day: dt.date) -> int:
        """Wall-clock second at which ``day`` starts."""
        return (day - dt.date(1970, 1, 1)).days * 86_400


def campaign_funnel(calendar: Calendar, campaign: Ints, at: Ints) -> Ints:
    """Return the funnel code of each campaign at each moment; -1 campaigns are Miscellaneous."""
    codes = np.array([*(c.funnel for c in CAMPAIGNS), MISC_CODE], dtype=np.int64)[campaign]
    moved = (campaign == MASTERCLASS) & (at >= calendar.second_of(calendar.remap_day))
    return np.where(moved, BOOTCAMP, codes)


def crm_source_funnel(calendar: Calendar, source: Ints, at: Ints) -> Ints:
    """Return the funnel code of each CRM source (index into `CRM_SOURCES`) at each moment."""
    size = len(CAMPAIGNS)
    codes = np.full(len(CRM_SOURCES), MISC_CODE, dtype=np.int64)
    codes[:size] = [c.funnel for c in CAMPAIGNS]
    codes[size : size + 4] = WEBINAR
    codes[size + 4 : size + 8] = BOOTCAMP
    moved = (source == MASTERCLASS) & (at >= calendar.second_of(calendar.remap_day))
    retired = (source == INFLUENCER) & (at >= calendar.second_of(calendar.retire_day) + 86_400)
    return np.select([moved, retired], [BOOTCAMP, MISC_CODE], codes[source])


def funnel_mapping_rows(calendar: Calendar) -> list[tuple[str, str, str, str, str]]:
    """Return funnel_mapping.csv: source, funnel, status, valid_from, valid_to (SPEC 7)."""
    rows: dict[tuple[str, str], tuple[str, str, str, str, str]] = {}
    before = (calendar.remap_day - dt.timedelta(days=1)).isoformat()
    for index, campaign in enumerate(CAMPAIGNS):
        if campaign.funnel == MISC_CODE:
            continue
        funnel = FUNNELS[campaign.funnel]
        for source in (campaign.source, campaign.crm_source):
            if index == MASTERCLASS:
                rows[source.casefold(), "1"] = (source, funnel, "active", "", before)
                rows[source.casefold(), "2"] = (
                    source,
                    "Bootcamp",
                    "active",
                    calendar.remap_day.isoformat(),
                    "",
                )
            elif index == INFLUENCER:
                rows[source.casefold(), "1"] = (
                    source,
                    funnel,
                    "deprecated",
                    "",
                    calendar.retire_day.isoformat(),
                )
            else:
                rows[source.casefold(), "1"] = (source, funnel, "active", "", "")
    for source in ATTENDED_SOURCES:
        rows[source.casefold(), "1"] = (
            source,
            "Bootcamp" if "Bootcamp" in source else "Webinar",
            "active",
            "",
            "",
        )
    for source, funnel in (
        ("zoom_webinar", "Webinar"),
        ("zoom_bootcamp", "Bootcamp"),
        ("webinar", "Webinar"),
        ("bootcamp", "Bootcamp"),
    ):
        rows[source.casefold(), "1"] = (source, funnel, "active", "", "")
    return list(rows.values())
