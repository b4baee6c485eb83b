"""Checks of a written SaaS world: the checklist of seed 003 and more.

Belongs here: what must hold in the SaaS world. Does not belong here: running and showing checks (`check`).

Traffic is too large for memory at full volume, so it is counted with DuckDB, out of core.
"""

import re
from pathlib import Path

import pandas as pd

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.check_saas_exports import check_event_export, check_exports, check_faults
from funnel_assets.simulate.checklist import Checklist
from funnel_assets.simulate.saas_folder import SaasFolder
from funnel_assets.simulate.saas_tables import SESSIONS_PER_DAY_SLOT, plan_id

_DAY = pd.Timedelta(days=1)


def _days(spans: pd.Series) -> pd.Series:
    """Turn spans of time into days and parts of a day."""
    return spans.dt.total_seconds() / 86_400


# Trials, demos and deals that began earlier than this before the end are decided.
_DECIDED = pd.Timedelta(days=41)


def check_saas(folder: Path, checks: Checklist) -> None:
    """Run every check of the SaaS world."""
    world = SaasFolder(folder)
    try:
        for name, group in (
            ("traffic volumes", _volumes),
            ("traffic sources", _sources),
            ("campaigns", _campaigns),
            ("sessions and events", _stream),
            ("form events", _form_events),
            ("conversion events", _conversion_events),
            ("leads", _leads),
            ("trials", _trials),
            ("tiers", _tiers),
            ("activities", _activities),
            ("deals", _deals),
            ("deal stages", _deal_stages),
            ("products and plans", _catalogue),
            ("subscriptions", _subscriptions),
            ("revenue", _revenue),
            ("exports", check_exports),
            ("event export", check_event_export),
            ("faults", check_faults),
        ):
            checks.run(f"{name} readable", lambda group=group: group(world, checks))
    finally:
        world.close()


def _beside(frame: pd.DataFrame, other: pd.DataFrame, on: str, suffix: str) -> pd.DataFrame:
    """Put the columns of another table beside a frame's, those of the same name with a suffix."""
    clash = {name: f"{name}{suffix}" for name in other.columns if name in frame.columns}
    return frame.join(other.rename(columns=clash), on=on)


def _near(checks: Checklist, name: str, expected: float, observed: float, percent: float) -> None:
    """Compare a volume: a few per cent, and chance where there are few."""
    checks.close(name, expected, observed, expected * percent / 100 + 4.5 * expected**0.5 + 2)


def _volumes(world: SaasFolder, checks: Checklist) -> None:
    key = world.table("answer_key/traffic")
    days = len(key)
    checks.exact("traffic: days", world.days, days)
    seen = world.sql(
        'SELECT CAST(start_at AS DATE) AS day, count(*) AS n, count(DISTINCT "user") AS u '
        "FROM sessions GROUP BY 1 ORDER BY 1"
    )
    checks.exact("traffic: sessions of each day", key["sessions"].tolist(), seen["n"].astype(int).tolist())
    checks.exact(
        "traffic: active users of each day", key["active_users"].tolist(), seen["u"].astype(int).tolist()
    )
    for column, daily in (
        ("sessions", c.SESSIONS_A_DAY),
        ("active_users", c.ACTIVE_USERS_A_DAY),
        ("new_users", c.NEW_USERS_A_DAY),
    ):
        _near(
            checks,
            f"traffic: {column} as planned",
            daily * world.scale * days,
            int(key[column].sum()),
            3 + 25 / days,
        )
    new = world.number('SELECT count(DISTINCT "user") FROM sessions WHERE NOT is_returning')
    checks.exact("traffic: new users", int(key["new_users"].sum()), new)
    by_type = world.sql("SELECT event_type::VARCHAR AS t, count(*) AS n FROM events GROUP BY 1").set_index(
        "t"
    )["n"]
    for kind in c.EVENT_TYPES:
        checks.exact(f"traffic: {kind} events", int(key[kind].sum()), int(by_type.get(kind, 0)))
    checks.exact("traffic: events in all", int(key["events"].sum()), int(by_type.sum()))
    checks.none("traffic: event types that aren't listed", len(set(by_type.index) - set(c.EVENT_TYPES)))
    large = world.scale * world.days > 30
    checks.none(
        "traffic: event types that never occur", len(set(c.EVENT_TYPES) - set(by_type.index)) if large else 0
    )


def _sources(world: SaasFolder, checks: Checklist) -> None:
    seen = world.sql(
        "SELECT utm_source::VARCHAR AS s, utm_medium::VARCHAR AS m, count(*) AS n FROM sessions GROUP BY ALL"
    )
    counts = dict(zip(zip(seen["s"], seen["m"], strict=True), seen["n"].astype(int).tolist(), strict=True))
    total = sum(counts.values())
    for source in c.SOURCES:
        hits = counts.get((source.source, source.medium), 0)
        checks.rate(f"sessions from {source.source} / {source.medium}", source.weight, hits, total, 0.4)
    known = {(source.source, source.medium) for source in c.SOURCES}
    checks.none("sessions from unknown sources", len(set(counts) - known))


def _campaigns(world: SaasFolder, checks: Checklist) -> None:
    campaigns = world.table("parquet/campaigns")
    friendly = [bool(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)) for name in campaigns["campaign_name"]]
    checks.none("campaigns: names that are no good in a URL", friendly.count(False))
    checks.none("campaigns: ids used twice", int(campaigns["campaign_id"].duplicated().sum()))
    again = campaigns["campaign_type"] == "REENGAGEMENT"
    checks.exact(
        "campaigns: re-engagement targets returning users",
        {"returning_users"},
        set(campaigns.loc[again, "targeting"]),
    )
    seen = world.sql(
        "SELECT utm_campaign::VARCHAR AS name, utm_source::VARCHAR AS source, utm_medium::VARCHAR AS medium, "
        "is_returning AS again, count(*) AS n FROM sessions GROUP BY ALL"
    )
    paid = seen["medium"] == "cpc"
    checks.none("campaigns: paid sessions without one", int(seen.loc[paid & seen["name"].isna(), "n"].sum()))
    checks.none("campaigns: unpaid sessions with one", int(seen.loc[~paid & seen["name"].notna(), "n"].sum()))
    joined = seen[seen["name"].notna()].merge(
        campaigns, left_on="name", right_on="campaign_name", how="left", suffixes=("", "_c")
    )
    checks.none("campaigns: sessions of unknown campaigns", int(joined["campaign_id"].isna().sum()))
    checks.none(
        "campaigns: sessions from another source", int((joined["source"] != joined["source_c"]).sum())
    )
    new = ~joined["again"].astype(bool)
    lapsed = joined["campaign_type"] == "REENGAGEMENT"
    checks.none("campaigns: re-engagement of new users", int(joined.loc[new & lapsed, "n"].sum()))
    checks.none(
        "campaigns: acquisition of returning users",
        int(joined.loc[~new & (joined["targeting"] == "new_users"), "n"].sum()),
    )
    checks.exact("campaigns: re-engagement happens", True, bool(joined.loc[~new & lapsed, "n"].sum() > 0))


def _stream(world: SaasFolder, checks: Checklist) -> None:
    slot = SESSIONS_PER_DAY_SLOT
    start = f"DATE '{world.about['start_date']}'"
    checks.none(
        "sessions: ids used twice", world.number("SELECT count(*) - count(DISTINCT session) FROM sessions")
    )
    wrong = world.number(
        f"SELECT count(*) FROM sessions WHERE session // {slot} <> CAST(start_at AS DATE) - {start}"
    )
    checks.none("sessions: on another day than their id says", wrong)
    twice = (
        'SELECT count(*) FROM (SELECT "user" FROM sessions WHERE NOT is_returning GROUP BY 1 '
        "HAVING count(DISTINCT CAST(start_at AS DATE)) > 1)"
    )
    checks.none("sessions: users who are new on two days", world.number(twice))
    checks.none(
        "events: ids used twice", world.number("SELECT count(*) - count(DISTINCT event_id) FROM events")
    )
    end = f"TIMESTAMPTZ '{world.end}'"
    outside = world.number(
        f"SELECT count(*) FROM events WHERE event_time >= {end} "
        f"OR event_time < TIMESTAMPTZ '{world.about['start_date']} 00:00:00+00'"
    )
    checks.none("events: outside the world", outside)
    months = sorted(path.name for path in (world.folder / "parquet" / "sessions").glob("*.parquet"))
    for month in dict.fromkeys((months[0], months[-1])):
        events, sessions = (
            str(world.folder / "parquet" / name / month).replace("'", "''") for name in ("events", "sessions")
        )
        joined = (
            f"FROM read_parquet('{events}') e LEFT JOIN read_parquet('{sessions}') s USING (session) "
            "WHERE e.session IS NOT NULL"
        )
        row = world.sql(
            'SELECT count(*) FILTER (s.start_at IS NULL) AS lost, count(*) FILTER (e."user" <> s."user") AS other, '
            "count(*) FILTER (e.event_time < s.start_at) AS early, "
            f"count(*) FILTER (e.event_time > s.start_at + INTERVAL 30 MINUTE) AS late {joined}"
        ).iloc[0]
        name = month.removesuffix(".parquet")
        for column, text in (
            ("lost", "without session"),
            ("other", "of another user"),
            ("early", "before their session"),
            ("late", "long after their session"),
        ):
            checks.none(f"events {name}: {text}", int(row[column]))
    alone = world.sql("SELECT DISTINCT event_type::VARCHAR AS t FROM events WHERE session IS NULL")[
        "t"
    ].tolist()
    checks.none(
        "events: without session though people did them",
        len(set(alone) - {"trial_expired", "contact_sales_clicked"}),
    )


def _form_events(world: SaasFolder, checks: Checklist) -> None:
    names = ", ".join(f"'{name}'" for name in c.FORM_EVENTS)
    events = world.sql(
        f"SELECT lead, event_type::VARCHAR AS t, event_time AS at FROM events WHERE event_type::VARCHAR IN ({names})"
    )
    leads = world.leads
    filled = leads[leads["form_type"] != "purchased_lead"]
    checks.exact("forms: every form fill is a lead", len(filled), len(events))
    checks.none("forms: leads with two form events", int(events["lead"].duplicated().sum()))
    joined = filled.join(events.set_index("lead"), how="left")
    by_form = {form.name: form.event for form in c.FORMS}
    checks.none("forms: leads without their event", int(joined["t"].isna().sum()))
    checks.none("forms: events of another form", int((joined["form_type"].map(by_form) != joined["t"]).sum()))
    checks.none(
        "forms: lead and event at another time",
        int((pd.to_datetime(joined["at"], utc=True) != joined["add_time"]).sum()),
    )
    new = world.number(
        "SELECT count(*) FROM events e JOIN sessions s USING (session) "
        f"WHERE e.event_type::VARCHAR IN ({names}) AND s.is_returning"
    )
    checks.none("forms: filled by users known before", new)


def _conversion_events(world: SaasFolder, checks: Checklist) -> None:
    subscriptions, leads = world.subscriptions, world.leads
    paid = subscriptions[subscriptions["paid_at"].notna()]
    events = world.sql(
        "SELECT event_type::VARCHAR AS t, subscription, lead, event_time AS at, "
        "product_sku::VARCHAR AS sku, amount_cents, trial_path::VARCHAR AS path "
        "FROM events WHERE event_type::VARCHAR IN "
        "('purchase', 'trial_converted', 'trial_expired', 'upgrade_button_clicked', 'contact_sales_clicked')"
    )
    events["at"] = pd.to_datetime(events["at"], utc=True)
    bought = events[events["t"] == "purchase"]
    checks.exact(
        "purchases: one for each paid subscription",
        sorted(paid.index),
        sorted(bought["subscription"].astype(int)),
    )
    joined = _beside(
        bought.assign(subscription=bought["subscription"].astype(int)), subscriptions, "subscription", "_s"
    )
    checks.none("purchases: without product", int(bought["sku"].isna().sum()))
    checks.none("purchases: of another product", int((joined["sku"] != joined["product_sku"]).sum()))
    checks.none("purchases: of another amount", int((joined["amount_cents"] != joined["plan_amount"]).sum()))
    checks.none("purchases: at another time", int((joined["at"] != joined["paid_at"]).sum()))
    converted = events[events["t"] == "trial_converted"]
    checks.exact(
        "conversions: one for each trial that pays", int(paid["trial_path"].notna().sum()), len(converted)
    )
    checks.none("conversions: of no trial", int(converted["path"].isna().sum()))
    clicks = events[events["t"] == "upgrade_button_clicked"]
    checks.exact(
        "upgrade clicks: one for each self-service conversion",
        int((paid["trial_path"] == "self_service").sum()),
        len(clicks),
    )
    checks.none("upgrade clicks: of assisted trials", int((clicks["path"] != "self_service").sum()))
    expired = events[events["t"] == "trial_expired"]
    trials = leads[leads["form_type"] == "trial_signup"]
    over = trials[~trials["converts"] & (trials["add_time"] + 14 * _DAY < world.end)]
    checks.exact("expired trials: all that don't convert", len(over), len(expired))
    asked = events[events["t"] == "contact_sales_clicked"]
    checks.none("sales clicks: of self-service trials", int((asked["path"] != "sales_assisted").sum()))
    both = set(expired["lead"]) & set(converted["lead"])
    checks.none("trials that convert and expire", len(both))


def _leads(world: SaasFolder, checks: Checklist) -> None:
    leads = world.leads
    forms = leads[leads["form_type"] != "purchased_lead"]
    year = world.scale * world.days / c.DAYS_A_YEAR
    _near(checks, "leads: form fills", c.FORMS_A_YEAR * year, len(forms), 3 + 25 / world.days)
    _near(checks, "leads: purchased", c.PURCHASED_A_YEAR * year, len(leads) - len(forms), 1)
    _near(
        checks, "leads: in all", (c.FORMS_A_YEAR + c.PURCHASED_A_YEAR) * year, len(leads), 3 + 25 / world.days
    )
    for form in c.FORMS[:-1]:
        checks.rate(
            f"leads: {form.name} of form fills",
            form.percent,
            int((forms["form_type"] == form.name).sum()),
            len(forms),
        )
    checks.none("leads: ids used twice", int(leads["id"].duplicated().sum()))
    checks.none("leads: ids that differ from the answer key", int((leads["id"] != leads["lead_id"]).sum()))
    source = {form.name: form.lead_source for form in c.FORMS}
    known = [
        text.startswith(source[form])
        for form, text in zip(leads["form_type"], leads["source_name"], strict=True)
    ]
    checks.none("leads: another lead source than their form's", known.count(False))
    for column in ("lifecycle_stage", "sales_priority"):
        expected = leads["form_type"].map({form.name: getattr(form, column) for form in c.FORMS})
        checks.none(f"leads: another {column} than their form's", int((expected != leads[column]).sum()))
    bought = leads["form_type"] == "purchased_lead"
    checks.none("leads: purchased with a user", int(leads.loc[bought, "user_id"].notna().sum()))
    checks.none("leads: form fills without a user", int(forms["user_id"].isna().sum()))
    checks.none("leads: users with two forms", int(forms["user_id"].duplicated().sum()))
    trial = leads["form_type"] == "trial_signup"
    checks.none(
        "leads: trial path without trial or the reverse", int((leads["trial_path"].notna() != trial).sum())
    )
    checks.none(
        "leads: trial start without trial or the reverse",
        int((leads["trial_start_date"].notna() != trial).sum()),
    )
    checks.none(
        "leads: titles without a company", int((~leads["title"].str.contains(" - ", regex=False)).sum())
    )
    checks.none("leads: updated before they came", int((leads["update_time"] < leads["add_time"]).sum()))
    inside = (leads["add_time"] >= pd.Timestamp(world.about["start_date"], tz="UTC")) & (
        leads["add_time"] < world.end
    )
    checks.none("leads: outside the world", int((~inside).sum()))


def _trials(world: SaasFolder, checks: Checklist) -> None:
    leads = world.leads
    trials = leads[leads["form_type"] == "trial_signup"]
    own = trials["trial_path"] == "self_service"
    checks.rate("trials: self-service", c.SELF_SERVICE_PERCENT, int(own.sum()), len(trials))
    for name, mask, code in (("self-service", own, 0), ("assisted", ~own, 1)):
        part = trials[mask]
        checks.rate(
            f"trials: {name} converts", c.CONVERSION_PERCENT[code], int(part["converts"].sum()), len(part)
        )
        days = _days((part["converts_at"] - part["add_time"])[part["converts"]])
        if len(days) >= 30:
            checks.close(
                f"trials: {name} converts on day",
                c.CONVERSION_DAY[code],
                float(days.mean()),
                0.25 + 3 / len(days) ** 0.5,
            )
        low, high = (c.CONVERSION_DAY[code] + k * c.CONVERSION_HALF_WIDTH for k in (-1, 1))
        checks.none(
            f"trials: {name} converts outside days {low} to {high}",
            int(((days < low) | (days >= high + 1)).sum()),
        )
    combined = (65 * 28 + 35 * 45) / 100
    checks.rate("trials: convert in all", combined, int(trials["converts"].sum()), len(trials), 0.3)
    others = leads[
        leads["form_type"].isin(["contact_us", "whitepaper_download", "newsletter_signup", "purchased_lead"])
    ]
    checks.none("leads that convert without trial, demo or price", int(others["converts"].sum()))
    demos = leads[leads["form_type"] == "demo_request"]
    checks.rate("demos: held", c.DEMO_HELD_PERCENT, int(demos["demo_held"].sum()), len(demos))
    held = demos[demos["demo_held"]]
    checks.rate("demos: won", c.DEMO_WON_PERCENT, int(held["converts"].sum()), len(held))
    checks.none("demos: won though never held", int(demos.loc[~demos["demo_held"], "converts"].sum()))
    asked = leads[leads["form_type"] == "pricing_inquiry"]
    checks.rate("pricing inquiries: won", c.PRICING_WON_PERCENT, int(asked["converts"].sum()), len(asked))


def _tiers(world: SaasFolder, checks: Checklist) -> None:
    subscriptions = world.subscriptions
    won = subscriptions[subscriptions["trial_path"].notna()]
    monthly = {product.sku: product.monthly_cents for product in c.PRODUCTS}
    means = []
    for code, path in enumerate(c.PATHS):
        part = won[won["trial_path"] == path]
        for product in c.PRODUCTS:
            hits = int((part["product_sku"] == product.sku).sum())
            checks.rate(f"tiers: {product.sku} of {path}", product.shares[code] / 10, hits, len(part))
        means.append(float(part["product_sku"].map(monthly).mean()) / 100 if len(part) else 0.0)
    if len(won) > 2000:
        checks.close("tiers: self-service dollars a month", 60.8, means[0], 5)
        checks.close("tiers: assisted dollars a month", 149, means[1], 12)
        checks.exact("tiers: assisted pays more", True, means[1] > means[0])
    checks.rate(
        "plans: yearly",
        c.YEARLY_PERCENT,
        int((subscriptions["plan_interval"] == "year").sum()),
        len(subscriptions),
    )


def _activities(world: SaasFolder, checks: Checklist) -> None:
    frame, leads = world.table("parquet/activities"), world.leads
    checks.none("activities: ids used twice", int(frame["id"].duplicated().sum()))
    checks.none("activities: of unknown leads", int((~frame["lead_id"].isin(leads["id"])).sum()))
    checks.none(
        "activities: of unknown deals",
        int((~frame["deal_id"].dropna().astype(int).isin(world.deals["id"])).sum()),
    )
    counts = leads["id"].map(frame["lead_id"].value_counts()).fillna(0).astype(int)
    ranges = {
        "purchased_lead": (1, 2),
        "newsletter_signup": (1, 1),
        "whitepaper_download": (1, 1),
        "demo_request": (8, 8),
        "pricing_inquiry": (1, 2),
        "contact_us": (1, 2),
    }
    for form, (low, high) in ranges.items():
        part = counts[leads["form_type"] == form]
        checks.none(
            f"activities: {form} leads without {low} to {high}", int((~part.between(low, high)).sum())
        )
    for path, (low, high) in (("self_service", (1, 1)), ("sales_assisted", (10, 12))):
        part = counts[leads["trial_path"] == path]
        checks.none(
            f"activities: {path} trials without {low} to {high}", int((~part.between(low, high)).sum())
        )
    year = world.scale * world.days / c.DAYS_A_YEAR
    _near(
        checks,
        "activities: in all",
        357_000 * year,
        len(frame),
        4 + 30 / world.days + 120 / len(leads) ** 0.5,
    )
    joined = _beside(frame, leads.set_index("id")[["add_time", "owner_id"]], "lead_id", "_lead")
    checks.none("activities: before their lead", int((joined["add_time"] < joined["add_time_lead"]).sum()))
    checks.none("activities: of another salesperson", int((joined["user_id"] != joined["owner_id"]).sum()))
    done = frame["done"].astype(bool)
    checks.none(
        "activities: done without a time or the reverse",
        int((frame["marked_as_done_time"].notna() != done).sum()),
    )
    checks.none("activities: done after the world", int((frame["marked_as_done_time"] >= world.end).sum()))
    due = pd.to_datetime(frame["due_date"], utc=True)
    checks.none("activities: due before their lead", int((due < joined["add_time_lead"].dt.floor("D")).sum()))


def _deals(world: SaasFolder, checks: Checklist) -> None:
    deals, leads = world.deals, world.leads
    checks.none("deals: ids used twice", int(deals["id"].duplicated().sum()))
    checks.none("deals: leads with two", int(deals["lead_id"].duplicated().sum()))
    checks.none("deals: of unknown leads", int((~deals["lead_id"].isin(leads["id"])).sum()))
    known = leads.set_index("id")[
        ["add_time", "form_type", "trial_path", "converts", "converts_at", "demo_held"]
    ]
    joined = _beside(deals, known, "lead_id", "_lead")
    day = _days(joined["add_time"] - joined["add_time_lead"])
    own = joined["trial_path"] == "self_service"
    checks.none(
        "deals: self-service before the conversion",
        int(
            (joined["add_time"] < joined["converts_at"])[own].sum()
            + (~joined["converts"][own].astype(bool)).sum()
        ),
    )
    checks.none("deals: self-service that aren't won", int((joined["status"][own] != "won").sum()))
    if int(own.sum()) >= 30:
        checks.close("deals: self-service opened on day", 12, float(day[own].mean()), 0.4)
    assisted = joined["trial_path"] == "sales_assisted"
    checks.none("deals: assisted not on day 0", int((day[assisted] != 0).sum()))
    all_assisted = int((leads["trial_path"] == "sales_assisted").sum())
    checks.exact("deals: one for each assisted trial", all_assisted, int(assisted.sum()))
    demo = joined["form_type"] == "demo_request"
    checks.none("deals: demo not on day 3 or 4", int((~day[demo].between(3, 4.1)).sum()))
    checks.none("deals: demo never held", int((~joined["demo_held"][demo].astype(bool)).sum()))
    old = joined["add_time"] < world.end - _DECIDED
    checks.none("deals: old and still open", int((joined["status"][old] == "open").sum()))
    closed = joined["status"] != "open"
    outcome = (joined["status"] == "won") != joined["converts"].astype(bool)
    checks.none("deals: won or lost against the outcome", int((outcome & closed).sum()))
    for status, column in (("won", "won_time"), ("lost", "lost_time"), ("lost", "lost_reason")):
        wrong = (joined["status"] == status) != joined[column].notna()
        checks.none(f"deals: {column} without {status} or the reverse", int(wrong.sum()))
    checks.none("deals: closed before opened", int((joined["close_time"] < joined["add_time"]).sum()))
    subscriptions = world.subscriptions
    amount = subscriptions.dropna(subset="lead_id").set_index("lead_id")[
        ["plan_amount", "product_sku", "plan_interval"]
    ]
    won = _beside(joined[joined["status"] == "won"], amount, "lead_id", "_s")
    checks.none("deals: won without a subscription", int(won["plan_amount"].isna().sum()))
    checks.none(
        "deals: value that isn't the subscription's amount",
        int((won["plan_amount"] != won["value_cents"]).sum()),
    )
    checks.none(
        "deals: product that isn't the subscription's",
        int((won["product_sku"] != won["product_sku_s"]).sum()),
    )
    checks.none(
        "deals: names without their product",
        int(sum(n not in t for n, t in zip(deals["product_name"], deals["title"], strict=True))),
    )


def _deal_stages(world: SaasFolder, checks: Checklist) -> None:
    stages, deals = world.table("parquet/deal_stages"), world.deals
    checks.none("stages: of unknown deals", int((~stages["deal_id"].isin(deals["id"])).sum()))
    checks.none("stages: deals without any", int((~deals["id"].isin(stages["deal_id"])).sum()))
    step = stages.groupby("deal_id")
    back = stages["stage_id"].diff().where(stages["deal_id"].eq(stages["deal_id"].shift()))
    checks.none("stages: that go back", int((back <= 0).sum()))
    earlier = stages["entered_at"].diff().where(stages["deal_id"].eq(stages["deal_id"].shift()))
    checks.none("stages: entered before the former", int((earlier < pd.Timedelta(0)).sum()))
    last = step["stage_id"].last().reindex(deals["id"])
    checks.none(
        "stages: last one differs from the deal's",
        int((last.to_numpy() != deals["stage_id"].to_numpy()).sum()),
    )
    first = step["stage_name"].first().reindex(deals["id"])
    own = (deals["trial_path"] == "self_service").to_numpy()
    checks.none("stages: self-service not won at once", int((first.to_numpy()[own] != "closed_won").sum()))
    checks.none(
        "stages: others don't begin with qualification",
        int((first.to_numpy()[~own] != "qualification").sum()),
    )
    assisted = stages.join(deals.set_index("id")[["trial_path", "add_time"]], on="deal_id")
    assisted = assisted[assisted["trial_path"] == "sales_assisted"]
    day = _days(assisted["entered_at"] - assisted["add_time"]).round().astype(int)
    for number, name in enumerate(c.STAGES[:4]):
        wrong = day[assisted["stage_name"] == name] != c.ASSISTED_STAGE_DAYS[number]
        checks.none(f"stages: assisted in {name} on another day", int(wrong.sum()))
    checks.none("stages: entered after the world", int((stages["entered_at"] >= world.end).sum()))


def _catalogue(world: SaasFolder, checks: Checklist) -> None:
    products, plans = world.table("parquet/products"), world.table("parquet/plans")
    checks.exact("products: the four tiers", [p.sku for p in c.PRODUCTS], products["sku"].tolist())
    checks.none("plans: of unknown products", int((~plans["product"].isin(products["id"])).sum()))
    expected = {
        plan_id(p, interval): amount
        for p in c.PRODUCTS
        for interval, amount in (("month", p.monthly_cents), ("year", p.yearly_cents))
    }
    checks.exact(
        "plans: amounts of the catalogue",
        expected,
        dict(zip(plans["id"], plans["amount"].astype(int), strict=True)),
    )
    checks.none("plans: without 14 days of trial", int((plans["trial_period_days"] != 14).sum()))


def _subscriptions(world: SaasFolder, checks: Checklist) -> None:
    frame = world.subscriptions
    checks.none("subscriptions: ids used twice", int(frame["id"].duplicated().sum()))
    _subscribed_plans(world, frame, checks)
    trial = frame["trial_path"].notna()
    _subscribed_trials(world.leads, frame, trial, checks)
    anonymous = int(frame["lead_id"].isna().sum())
    _near(
        checks,
        "subscriptions: anonymous",
        c.ANONYMOUS_A_YEAR * world.scale * world.days / c.DAYS_A_YEAR,
        anonymous,
        1,
    )
    paid = frame["paid_at"].notna()
    old = trial & (frame["created"] < world.end - 17 * _DAY)
    checks.rate("subscriptions: decided trials that pay", 33.95, int((old & paid).sum()), int(old.sum()), 0.3)
    _subscription_endings(world, frame, trial, paid, checks)
    checks.none(
        "subscriptions: period that ends before it starts",
        int((frame["current_period_end"] <= frame["current_period_start"]).sum()),
    )


def _subscribed_plans(world: SaasFolder, frame: pd.DataFrame, checks: Checklist) -> None:
    plans = world.table("parquet/plans")
    joined = _beside(frame, plans.set_index("id")[["amount", "product", "interval"]], "plan_id", "_p")
    checks.none("subscriptions: of unknown plans", int(joined["amount"].isna().sum()))
    checks.none(
        "subscriptions: another amount than the plan's",
        int((joined["amount"] != joined["plan_amount"]).sum()),
    )
    checks.none(
        "subscriptions: another product than the plan's",
        int((joined["product"] != joined["plan_product"]).sum()),
    )
    checks.none(
        "subscriptions: another interval than the plan's",
        int((joined["interval"] != joined["plan_interval"]).sum()),
    )


def _subscribed_trials(leads: pd.DataFrame, frame: pd.DataFrame, trial: pd.Series, checks: Checklist) -> None:
    length = frame["trial_end"] - frame["trial_start"]
    checks.none("subscriptions: trials that aren't 14 days", int((length[trial] != 14 * _DAY).sum()))
    checks.none(
        "subscriptions: trial dates without a trial", int(frame.loc[~trial, "trial_end"].notna().sum())
    )
    trials = leads[leads["form_type"] == "trial_signup"]
    checks.exact("subscriptions: every trial has one", len(trials), int(trial.sum()))
    checks.none("subscriptions: of unknown leads", int((~frame["lead_id"].dropna().isin(leads["id"])).sum()))
    own = leads.set_index("id")["add_time"]
    started = frame.loc[trial, "lead_id"].map(own)
    checks.none(
        "subscriptions: trial that starts at another time than the lead",
        int((started != frame.loc[trial, "created"]).sum()),
    )


def _subscription_endings(
    world: SaasFolder, frame: pd.DataFrame, trial: pd.Series, paid: pd.Series, checks: Checklist
) -> None:
    status = frame["status"]
    checks.none("subscriptions: active without paying", int((~paid & (status == "active")).sum()))
    checks.none("subscriptions: trialing after paying", int((paid & (status == "trialing")).sum()))
    ended = frame["canceled_at"].notna()
    checks.none(
        "subscriptions: canceled without a time or the reverse", int((ended != (status == "canceled")).sum())
    )
    checks.none("subscriptions: ended before they began", int((frame["ended_at"] < frame["created"]).sum()))
    unpaid = trial & ~paid & ended
    checks.none(
        "subscriptions: unpaid trials that end on another day",
        int((frame["ended_at"] != frame["trial_end"])[unpaid].sum()),
    )
    late = trial & ~paid & (frame["trial_end"] < world.end - 3 * _DAY)
    checks.none("subscriptions: trials that never end", int((status[late] == "trialing").sum()))


def _revenue(world: SaasFolder, checks: Checklist) -> None:
    revenue, frame = world.table("answer_key/revenue"), world.subscriptions
    paid = frame[frame["paid_at"].notna()]
    checks.exact("revenue: customers", len(paid), int(revenue["customers"].sum()))
    checks.exact(
        "revenue: first payments in cents", int(paid["plan_amount"].sum()), int(revenue["amount_cents"].sum())
    )
    by_sku = paid.groupby("product_sku")["plan_amount"].sum().astype(int).to_dict()
    checks.exact(
        "revenue: cents by product",
        by_sku,
        revenue.groupby("product_sku")["amount_cents"].sum().astype(int).to_dict(),
    )
    days = [
        day
        for day in revenue["date"]
        if not world.about["start_date"] <= day.isoformat() <= world.about["end_date"]
    ]
    checks.none("revenue: days outside the world", len(days))
    if world.days > 100:
        # The last two weeks' trials haven't paid yet.
        expected = 12_750 * (world.scale * (world.days - 14) / c.DAYS_A_YEAR)
        _near(checks, "revenue: customers in a year", expected, len(paid), 6)
    checks.within(
        "revenue: customers per lead, %",
        0,
        100 * len(paid) / max(len(world.leads), 1),
        22,
    )
