"""Contracts of Part 1: from the ad click to the lead that sales may call (SPEC 4, 5, 6; seeds 000, 001, 002)."""

from pandera.typing import Series

from funnel_assets.contracts.base import Day, Flag, Integer, Model, Text, Timestamp, column, contract

STAGES = ("Lead", "MQL", "SQL", "Opportunity", "Customer")
HEALTH = ("Active", "Stale", "Dormant")
PHONE_STATUSES = ("ok", "landline", "unlisted", "foreign", "missing", "placeholder", "invalid", "scientific")


IDENTIFIED_BY = (
    "phone",
    "email_phone",
    "email",
    "external",
    "alone",
    "shared_phone",
    "must_link",
    "cannot_link",
)


@contract("raw_leads", group="marketing", grain="one row per form submission", key=("lead_id",))
class RawLeads(Model):
    """One row per form submission, on the local day it was made."""

    date: Series[Day] = column("Local day of the submission")
    lead_id: Series[Text] = column("Hash of the row's content and its ordinal among identical rows")
    source_name: Series[Text] = column("Name of the source in sources.yaml")
    source_order: Series[Integer] = column(
        "Position of the source in sources.yaml; breaks ties of first touch", ge=0
    )
    created_at: Series[Timestamp] = column("When the form was submitted (UTC)", sheet="created date")
    name: Series[Text] = column("Name as typed", nullable=True, personal=True, sheet="Name")
    email: Series[Text] = column(
        "E-mail in lower case; null when it isn't one", nullable=True, personal=True, sheet="Email"
    )
    phone: Series[Text] = column(
        "Phone in digits with country code, no plus sign; null when unusable",
        nullable=True,
        personal=True,
        sheet="Phone number",
    )
    phone_status: Series[Text] = column("How the phone was read", isin=PHONE_STATUSES)
    phone_key: Series[Text] = column("Pseudonym of the phone", nullable=True)
    email_key: Series[Text] = column("Pseudonym of the e-mail", nullable=True)
    external_key: Series[Text] = column("Pseudonym of the source's own id of the person", nullable=True)
    city: Series[Text] = column("City as typed", nullable=True, sheet="City")
    question_1: Series[Text] = column("Answer to the form's question", nullable=True, sheet="Question 1")
    utm_source: Series[Text] = column("UTM source as tagged", nullable=True, sheet="utmSource")
    utm_medium: Series[Text] = column("UTM medium as tagged", nullable=True, sheet="utmMedium")
    utm_campaign: Series[Text] = column("UTM campaign as tagged", nullable=True, sheet="utmCamp")


@contract(
    "zoom_attendance", group="marketing", grain="one row per person per event day", key=("attendance_id",)
)
class ZoomAttendance(Model):
    """One row per person and event day: registered, attended, or both (SPEC 5)."""

    date: Series[Day] = column("Local day of the event")
    attendance_id: Series[Text] = column("Hash of webinar, day and person")
    webinar_date: Series[Day] = column("Local day of the event")
    webinar_id: Series[Text] = column("Zoom's webinar or meeting number, digits only")
    webinar_name: Series[Text] = column("Topic as Zoom wrote it")
    event_type: Series[Text] = column("webinar or bootcamp", isin=("webinar", "bootcamp"))
    bootcamp_day: Series[Integer] = column("1 or 2 for a bootcamp, else null", nullable=True, isin=(1, 2))
    category: Series[Text] = column("Category by token match from categories.csv", nullable=True)
    conductor: Series[Text] = column("Who held the event", nullable=True)
    attended: Series[Text] = column("Y or N", isin=("Y", "N"))
    attendance_type: Series[Text] = column(
        "attended, no_show or walk_in", isin=("attended", "no_show", "walk_in")
    )
    user_name: Series[Text] = column("Name shown in the session", nullable=True, personal=True)
    first_name: Series[Text] = column("First name at registration", nullable=True, personal=True)
    last_name: Series[Text] = column("Last name at registration", nullable=True, personal=True)
    email: Series[Text] = column("E-mail in lower case", nullable=True, personal=True)
    phone: Series[Text] = column("Phone in digits with country code", nullable=True, personal=True)
    phone_status: Series[Text] = column("How the phone was read", isin=PHONE_STATUSES)
    phone_key: Series[Text] = column("Pseudonym of the phone", nullable=True)
    email_key: Series[Text] = column("Pseudonym of the e-mail", nullable=True)
    registration_time: Series[Timestamp] = column("When the person registered (UTC)", nullable=True)
    registration_source: Series[Text] = column("Source name in the registration report", nullable=True)
    join_time: Series[Timestamp] = column("First join (UTC)", nullable=True)
    leave_time: Series[Timestamp] = column("Last leave (UTC)", nullable=True)
    time_in_session_seconds: Series[Integer] = column(
        "Union of the join-leave intervals, whole seconds", ge=0
    )
    time_in_session_minutes: Series[Integer] = column(
        "The seconds as whole minutes; sums are of the seconds", ge=0
    )
    rejoin_count: Series[Integer] = column("Sessions after the first", ge=0)
    country: Series[Text] = column("Country as Zoom named it", nullable=True)
    source_file: Series[Text] = column("Name of the report file")
    touched_at: Series[Timestamp] = column(
        "When this record counts as a touch: registration, else join, else event start (UTC)"
    )


@contract("engagement_events", group="marketing", grain="one row per event_id", key=("event_id",))
class EngagementEvents(Model):
    """One row per product or marketing event (seed 000 raw_events)."""

    date: Series[Day] = column("Local day of the event")
    event_id: Series[Text] = column("Identity given by the source")
    source_name: Series[Text] = column("Name of the source in sources.yaml")
    event_at: Series[Timestamp] = column("When it happened (UTC)")
    email: Series[Text] = column("E-mail in lower case", nullable=True, personal=True)
    phone: Series[Text] = column("Phone in digits with country code", nullable=True, personal=True)
    phone_key: Series[Text] = column("Pseudonym of the phone", nullable=True)
    email_key: Series[Text] = column("Pseudonym of the e-mail", nullable=True)
    external_key: Series[Text] = column("Pseudonym of the source's own id of the person", nullable=True)
    company: Series[Text] = column("Company", nullable=True)
    industry: Series[Text] = column("Industry", nullable=True)
    event_type: Series[Text] = column(
        "view, click, download, demo_booked, follow_up, form_submit, deal_closed …"
    )
    times: Series[Integer] = column(
        "How often it happened: once, unless the source counts (`count` in sources.yaml)", ge=1
    )
    channel: Series[Text] = column("Channel it came through", nullable=True)
    metadata: Series[Text] = column("The event's other facts, JSON text", nullable=True, personal=True)


@contract("spend", group="marketing", grain="one row per line of the spend sheet", key=("spend_id",))
class Spend(Model):
    """One row per line of the spend sheet: campaign, ad group and day (seed 001 Phase 3; 43 columns)."""

    date: Series[Day] = column("Local day of the spend", sheet="date_time")
    spend_id: Series[Text] = column("Hash of the row's content and its ordinal among identical rows")
    source_name: Series[Text] = column("Name of the source in sources.yaml")
    currency: Series[Text] = column("Currency of every amount in the row")
    campaign: Series[Text] = column("Campaign", nullable=True, sheet="campaign")
    ad_group: Series[Text] = column("Ad group", nullable=True, sheet="ad_group")
    impressions: Series[Integer] = column(
        "Times shown; null where the sheet doesn't say", nullable=True, sheet="impressions", ge=0
    )
    clicks: Series[Integer] = column(
        "Clicks; null where the sheet doesn't say", nullable=True, sheet="clicks", ge=0
    )
    cost_paise: Series[Integer] = column("Cost in minor units", sheet="cost")
    account: Series[Text] = column("Ad account", nullable=True, sheet="account")
    video_views: Series[Integer] = column("Video views", nullable=True, sheet="video_views")
    platform: Series[Text] = column("Ad platform", nullable=True, sheet="platform")
    account_descriptive_name: Series[Text] = column(
        "Account's name", nullable=True, sheet="AccountDescriptiveName"
    )
    campaign_type: Series[Text] = column("Campaign type", nullable=True, sheet="CampaignType")
    objective: Series[Text] = column("Objective", nullable=True, sheet="Objective")
    category: Series[Text] = column("Category", nullable=True, sheet="Category")
    sub_category: Series[Text] = column("Sub-category", nullable=True, sheet="subCategory")
    goal_id: Series[Text] = column("Goal id", nullable=True, sheet="goalID")
    goal_name: Series[Text] = column("Goal name", nullable=True, sheet="goalName")
    region: Series[Text] = column("Region", nullable=True, sheet="region")
    installs: Series[Integer] = column("Installs the platform claims", nullable=True, sheet="Installs")
    sign_ups: Series[Integer] = column("Sign-ups the platform claims", nullable=True, sheet="SignUps")
    purchases: Series[Integer] = column("Purchases the platform claims", nullable=True, sheet="Purchases")
    revenue_paise: Series[Integer] = column("Revenue the platform claims", nullable=True, sheet="Revenue")
    web_purchases: Series[Integer] = column("Web purchases", nullable=True, sheet="Web Purchases")
    web_revenue_paise: Series[Integer] = column("Web revenue", nullable=True, sheet="Web Revenue")
    subscribers: Series[Integer] = column("Subscribers", nullable=True, sheet="Subscribers")
    super_leads: Series[Integer] = column("Super leads", nullable=True, sheet="Super Leads")
    skill_leads: Series[Integer] = column("Skill leads", nullable=True, sheet="Skill Leads")
    online_purchases: Series[Integer] = column("Online purchases", nullable=True, sheet="Online Purchases")
    online_revenue_paise: Series[Integer] = column("Online revenue", nullable=True, sheet="Online Revenue")
    lead_purchases: Series[Integer] = column("Lead purchases", nullable=True, sheet="Lead Purchases")
    lead_revenue_paise: Series[Integer] = column("Lead revenue", nullable=True, sheet="Lead Revenue")
    pass_purchases: Series[Integer] = column("Pass purchases", nullable=True, sheet="Pass Purchases")
    pass_revenue_paise: Series[Integer] = column("Pass revenue", nullable=True, sheet="Pass Revenue")
    pass_pro_purchases: Series[Integer] = column(
        "Pass Pro purchases", nullable=True, sheet="Pass Pro Purchases"
    )
    pass_pro_revenue_paise: Series[Integer] = column(
        "Pass Pro revenue", nullable=True, sheet="Pass Pro Revenue"
    )
    super_coaching_purchases: Series[Integer] = column(
        "SuperCoaching purchases", nullable=True, sheet="SuperCoaching Purchases"
    )
    super_coaching_revenue_paise: Series[Integer] = column(
        "SuperCoaching revenue", nullable=True, sheet="SuperCoaching Revenue"
    )
    skill_academy_purchases: Series[Integer] = column(
        "SkillAcademy purchases", nullable=True, sheet="SkillAcademy Purchases"
    )
    skill_academy_revenue_paise: Series[Integer] = column(
        "SkillAcademy revenue", nullable=True, sheet="SkillAcademy Revenue"
    )
    book_purchases: Series[Integer] = column("Book purchases", nullable=True, sheet="Book Purchases")
    book_revenue_paise: Series[Integer] = column("Book revenue", nullable=True, sheet="Book Revenue")
    total_purchases: Series[Integer] = column("All purchases", nullable=True, sheet="Total Purchases")
    total_revenue_paise: Series[Integer] = column("All revenue", nullable=True, sheet="Total Revenue")
    funnel: Series[Text] = column("Funnel category of the spend, as the sheet names it", sheet="Funnel")


@contract(
    "dedup_leads",
    group="marketing",
    grain="one row per person and calendar month, on the day of the month's first touch",
    key=("date", "person_id"),
)
class DedupLeads(Model):
    """One row per person whose first touch of the calendar month is on this day (SPEC 6).

    A month's unique leads are the disjoint union of its days.
    """

    date: Series[Day] = column("Local day of the month's first touch")
    person_id: Series[Text] = column("Stable pseudonym of the person")
    identified_by: Series[Text] = column(
        "What made the person: phone, email_phone (the phone known for the e-mail), email, external (the source's own "
        "id) or alone; shared_phone: the e-mail, because its phone was first seen with another name; must_link or "
        "cannot_link: a row of identity_links.csv",
        isin=IDENTIFIED_BY,
    )
    user_id: Series[Text] = column("91 and ten digits (or the foreign number)", nullable=True, personal=True)
    phone: Series[Text] = column("Phone in digits with country code", nullable=True, personal=True)
    email: Series[Text] = column("E-mail of the earliest record that has one", nullable=True, personal=True)
    name: Series[Text] = column("Name of the earliest record that has one", nullable=True, personal=True)
    city: Series[Text] = column("City of the earliest record that has one", nullable=True)
    first_touch_at: Series[Timestamp] = column("Earliest touch of the calendar month (UTC)")
    first_source: Series[Text] = column("Source of the month's first touch", nullable=True)
    first_medium: Series[Text] = column("Medium of the month's first touch", nullable=True)
    first_campaign: Series[Text] = column("Campaign of the month's first touch", nullable=True)
    first_funnel: Series[Text] = column("Funnel of the month's first touch")
    origin_touch_at: Series[Timestamp] = column("Earliest touch of the 90-day look-back (UTC)")
    origin_source: Series[Text] = column("Source of the look-back's first touch", nullable=True)
    origin_medium: Series[Text] = column("Medium of the look-back's first touch", nullable=True)
    origin_campaign: Series[Text] = column("Campaign of the look-back's first touch", nullable=True)
    origin_funnel: Series[Text] = column("Funnel of the look-back's first touch")
    touches: Series[Integer] = column("Touches of the person on this day", ge=1)
    is_new_person: Series[Flag] = column("Whether the 90-day look-back holds no earlier touch")
    is_shared_phone: Series[Flag] = column(
        "Whether the phone is used with so many e-mails that it may be several people's"
    )


@contract(
    "engagement_summary",
    group="marketing",
    grain="one row per person active on the day",
    key=("date", "person_id"),
)
class EngagementSummary(Model):
    """One row per person active on this day: the day's counts and the running counts (seed 000)."""

    date: Series[Day] = column("Local day")
    person_id: Series[Text] = column("Stable pseudonym of the person")
    clicks: Series[Integer] = column("Clicks on the day", ge=0)
    views: Series[Integer] = column("Views on the day", ge=0)
    downloads: Series[Integer] = column("Downloads on the day", ge=0)
    demos_booked: Series[Integer] = column("Demos booked on the day", ge=0)
    follow_ups: Series[Integer] = column("Follow-up calls attended on the day", ge=0)
    registrations: Series[Integer] = column("Event registrations counted on the event's day", ge=0)
    attendances: Series[Integer] = column("Events attended on the day", ge=0)
    bootcamp_day_1: Series[Integer] = column("Of these, first days of a bootcamp", ge=0)
    bootcamp_day_2: Series[Integer] = column("Of these, second days of a bootcamp", ge=0)
    seconds: Series[Integer] = column("Seconds in events on the day", ge=0)
    minutes: Series[Integer] = column("The day's seconds as whole minutes; sums are of the seconds", ge=0)
    form_submissions: Series[Integer] = column("Forms submitted on the day", ge=0)
    deals_closed: Series[Integer] = column("Deals closed on the day", ge=0)
    deals_opened: Series[Integer] = column("Deals opened on the day", ge=0)
    deals_lost: Series[Integer] = column("Deals lost on the day", ge=0)
    site_minutes: Series[Integer] = column("Minutes on the web site on the day", ge=0)
    webinar_joins: Series[Integer] = column("Webinars joined on the day, by events", ge=0)
    direct_inquiries: Series[Integer] = column("Inquiries made on the day", ge=0)
    other_activities: Series[Integer] = column("Events on the day of types that no other column counts", ge=0)
    other_points: Series[Integer] = column("Points that scoring.csv gives the day's other activities")
    total_clicks: Series[Integer] = column("Clicks so far", ge=0)
    total_views: Series[Integer] = column("Views so far", ge=0)
    total_downloads: Series[Integer] = column("Downloads so far", ge=0)
    total_demos_booked: Series[Integer] = column("Demos booked so far", ge=0)
    total_follow_ups: Series[Integer] = column("Follow-up calls attended so far", ge=0)
    total_registrations: Series[Integer] = column("Event registrations so far", ge=0)
    total_attendances: Series[Integer] = column("Events attended so far", ge=0)
    total_bootcamp_day_1: Series[Integer] = column("Of these, first days of a bootcamp", ge=0)
    total_bootcamp_day_2: Series[Integer] = column("Of these, second days of a bootcamp", ge=0)
    total_seconds: Series[Integer] = column("Seconds in events so far", ge=0)
    total_minutes: Series[Integer] = column("The seconds so far as whole minutes", ge=0)
    total_form_submissions: Series[Integer] = column("Forms submitted so far", ge=0)
    total_deals_closed: Series[Integer] = column("Deals closed so far", ge=0)
    total_deals_opened: Series[Integer] = column("Deals opened so far", ge=0)
    total_deals_lost: Series[Integer] = column("Deals lost so far", ge=0)
    total_site_minutes: Series[Integer] = column("Minutes on the web site so far", ge=0)
    total_webinar_joins: Series[Integer] = column("Webinars joined so far, by events", ge=0)
    total_direct_inquiries: Series[Integer] = column("Inquiries made so far", ge=0)
    total_other_activities: Series[Integer] = column(
        "Events so far of types that no other column counts", ge=0
    )
    total_other_points: Series[Integer] = column("Points that scoring.csv gives the other activities so far")
    open_deals: Series[Integer] = column("Deals opened and neither closed nor lost so far", ge=0)
    first_engaged_at: Series[Timestamp] = column("First engagement ever (UTC)")
    last_engaged_at: Series[Timestamp] = column("Last engagement up to the end of the day (UTC)")
    channel: Series[Text] = column("Channel of the first engagement ever", nullable=True)


@contract(
    "scored_contacts",
    group="marketing",
    grain="one row per contact whose state changed on the day",
    key=("date", "person_id"),
)
class ScoredContacts(Model):
    """One row per contact whose state changed on this day; a state lasts until its next row (SPEC 6)."""

    date: Series[Day] = column("Local day of the change")
    person_id: Series[Text] = column("Stable pseudonym of the person")
    intent_score: Series[Integer] = column("Sum of points per activity (scoring.csv)", ge=0)
    intent_index: Series[Integer] = column("Score on a scale of 0 to 100", ge=0, le=100)
    current_stage: Series[Text] = column("Funnel stage", isin=STAGES)
    previous_stage: Series[Text] = column(
        "Stage before this row; null on the first", nullable=True, isin=STAGES
    )
    stage_reason: Series[Text] = column(
        "Rule of stages.csv that decided; where overrides.csv sets the stage, the reason given there"
    )
    stage_author: Series[Text] = column(
        "Who set the stage in overrides.csv; null when a rule decided", nullable=True
    )
    engagement_health: Series[Text] = column(
        "Active to 14 days since the last engagement, Stale to 45, else Dormant", isin=HEALTH
    )
    nurture_track: Series[Text] = column("Low, Mid or High (nurture_tracks.csv)")
    track_frequency: Series[Text] = column("How often the track writes")
    track_channels: Series[Text] = column("Channels of the track")
    next_playbook: Series[Text] = column("Reactivation, Conversion or Education (playbooks.csv)")
    sales_priority: Series[Text] = column("high, medium or low", isin=("high", "medium", "low"))
    owner_department: Series[Text] = column("Department that owns the stage")
    override_applied: Series[Text] = column(
        "Fields set by overrides.csv, comma separated; null when none", nullable=True
    )
    first_touch_channel: Series[Text] = column("Channel of the first engagement", nullable=True)
    last_engaged_at: Series[Timestamp] = column("Last engagement up to the day (UTC)", nullable=True)
