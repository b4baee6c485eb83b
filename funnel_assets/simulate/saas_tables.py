"""The SaaS world's CRM, billing and traffic as Arrow tables, with the field names of the products they stand for.

Belongs here: columns from the story, and the answer key's tables. Does not belong here: the story (`saas_story`), the
small exports (`saas_exports`), files (`saas`).

All times are UTC; money is integer cents of USD.
"""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import glue, numbers, padded, pc
from funnel_assets.simulate.rand import Draws, Ints
from funnel_assets.simulate.saas_story import DAY, FOREVER, SaasStory, amounts
from funnel_assets.simulate.saas_traffic import Traffic

SESSIONS_PER_DAY_SLOT = 10_000_000
FIRST_OWNER = 9_001
_LOST_REASONS = ("No budget", "Chose a competitor", "No answer", "Missing feature", "Not now")
_PROBABILITY = (20, 40, 60, 80, 100, 0)


def _time(seconds: Ints) -> pa.Array:
    never = (seconds < 0) | (seconds >= FOREVER)
    return pa.array(np.where(never, 0, seconds) * 1_000_000, pa.timestamp("us", "UTC"), mask=never)


def _coded(codes: Ints, names: tuple[str, ...]) -> pa.Array:
    """Store few different texts as codes; -1 is null.

    A text stands in the dictionary once: with repeats, Parquet files of the same table differ from run to run.
    """
    different = list(dict.fromkeys(names))
    place = np.array([different.index(name) for name in names], dtype=np.int8)
    index = pa.array(place[np.maximum(codes, 0)], mask=codes < 0)
    return pa.DictionaryArray.from_arrays(index, pa.array(different, pa.string()))


def _known(values: Ints) -> pa.Array:
    return pa.array(values, mask=values < 0)


def _id(prefix: str, values: Ints, width: int = 9) -> pa.Array:
    text = glue(prefix, padded(np.maximum(values, 0), width))
    return pc.if_else(pa.array(values < 0), pa.scalar(None, pa.string()), text)


def lead_ids(leads: Ints) -> pa.Array:
    """Write lead numbers as Pipedrive's UUIDs."""
    mixed = (leads.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    texts = [
        None
        if lead < 0
        else f"{value >> 32:08x}-{value >> 16 & 0xFFFF:04x}-4{value & 0xFFF:03x}-a000-{lead:012x}"
        for lead, value in zip(leads.tolist(), mixed.tolist(), strict=True)
    ]
    return pa.array(texts, pa.string())


def phones(leads: Ints) -> pa.Array:
    """Write the phone of each lead: numbers of New York, all different for the first eight million."""
    return glue("+1 212 ", numbers(2_000_000 + leads * 7_919 % 7_999_993))


def firm_of(number: int) -> dict[str, str]:
    """Return the company of that number and its industry."""
    name = words.COMPANIES[number % len(words.COMPANIES)]
    industry = words.INDUSTRIES[number % len(words.INDUSTRIES)]
    return {"company": f"{name} {number // len(words.COMPANIES) % 997 + 1}", "industry": industry}


class SaasTables:
    """The CRM and billing tables of a world, as they stand when it ends."""

    def __init__(self, story: SaasStory) -> None:
        self._story = story
        self._now = story.volume.end_second

    def _names(self) -> tuple[pa.Array, pa.Array, pa.Array]:
        leads = self._story.leads
        first = pa.array(words.FIRST_NAMES).take(pa.array(leads["first"].to_numpy() % len(words.FIRST_NAMES)))
        last = pa.array(words.LAST_NAMES).take(pa.array(leads["last"].to_numpy() % len(words.LAST_NAMES)))
        company = pa.array(words.COMPANIES).take(pa.array(leads["company"].to_numpy() % len(words.COMPANIES)))
        return (
            first,
            last,
            glue(company, " ", numbers(leads["company"].to_numpy() // len(words.COMPANIES) % 997 + 1)),
        )

    def emails(self, lead: Ints) -> pa.Array:
        """E-mail of each lead; -1 has none."""
        first, last, _ = self._names()
        typed = glue(
            pc.utf8_lower(first),
            ".",
            pc.utf8_lower(last),
            numbers(np.arange(len(first))),
            "@work.example.org",
        )
        return typed.take(pa.array(lead, mask=lead < 0))

    def firms(self, lead: Ints) -> list[dict[str, str]]:
        """Company and industry of each lead."""
        return [firm_of(number) for number in self._story.leads["company"].to_numpy()[lead].tolist()]

    def leads(self) -> pa.Table:
        """Pipedrive's leads. Grain: one form fill or purchased lead; custom fields as seed 003 names them."""
        leads = self._story.leads
        size, number = len(leads), np.arange(len(leads))
        form, path, at = (leads[name].to_numpy() for name in ("form", "path", "at"))
        first, last, company = self._names()
        expected = np.select(
            [
                path == 0,
                path == 1,
                form == c.DEMO,
                (form == c.PRICING) | (form == c.CONTACT),
                form == c.PURCHASED,
            ],
            [1, 12, 8, 2, 2],
            1,
        )
        source = pa.array([f.lead_source for f in c.FORMS]).take(pa.array(form))
        bought = pa.array(c.PURCHASED_LISTS).take(pa.array(leads["list"].to_numpy()))
        closed = np.minimum(leads["convert_at"].to_numpy(), at + 45 * DAY)
        value = amounts(leads["product"].to_numpy(), leads["yearly"].to_numpy())
        has_deal = leads["deal_at"].to_numpy() < self._now
        return pa.table(
            {
                "id": lead_ids(number),
                "title": glue(first, " ", last, " - ", company),
                "owner_id": pa.array(FIRST_OWNER + leads["owner"].to_numpy()),
                "creator_id": pa.array(np.full(size, FIRST_OWNER)),
                "person_id": pa.array(number + 1),
                "organization_id": pa.array(leads["company"].to_numpy() + 1),
                "person_name": glue(first, " ", last),
                "person_email": self.emails(number),
                "person_phone": phones(number),
                "organization_name": company,
                "source_name": pc.if_else(pa.array(form == c.PURCHASED), glue(source, " - ", bought), source),
                "origin": _coded((form == c.PURCHASED).astype(np.int64), ("WebForms", "Import")),
                "is_archived": pa.array(has_deal),
                "was_seen": pa.array(np.ones(size, dtype=bool)),
                "value_cents": pa.array(value),
                "currency": _coded(np.zeros(size, dtype=np.int64), ("USD",)),
                "expected_close_date": _time(at + 30 * DAY).cast(pa.date32()),
                "add_time": _time(at),
                "update_time": _time(np.minimum(closed, self._now - 1)),
                "visible_to": _coded(np.zeros(size, dtype=np.int64), ("3",)),
                "form_type": _coded(form, tuple(f.name for f in c.FORMS)),
                "lifecycle_stage": _coded(form, tuple(f.lifecycle_stage for f in c.FORMS)),
                "trial_path": _coded(path, c.PATHS),
                "trial_start_date": _time(np.where(form == c.TRIAL, at, -1)).cast(pa.date32()),
                "sales_priority": _coded(form, tuple(f.sales_priority for f in c.FORMS)),
                "expected_activities": pa.array(expected),
                "user_id": _id("u", leads["user"].to_numpy()),
            }
        )

    def activities(self) -> pa.Table:
        """Pipedrive's activities. Grain: one activity."""
        frame = self._story.activities
        plans = (
            c.SELF_SERVICE_PLAN,
            c.ASSISTED_PLAN,
            c.DEMO_PLAN,
            c.SHORT_PLAN,
            c.DOWNLOAD_PLAN,
            c.NEWSLETTER_PLAN,
            c.COLD_PLAN,
        )
        flat = [template for plan in plans for template in plan]
        first = np.cumsum([0] + [len(plan) for plan in plans])[:-1]
        place = first[frame["plan"].to_numpy()] + frame["step"].to_numpy()
        due, done = frame["due_at"].to_numpy(), frame["done"].to_numpy(dtype=bool)
        lead = frame["lead"].to_numpy()
        owner = self._story.leads["owner"].to_numpy()[lead]
        return pa.table(
            {
                "id": pa.array(np.arange(len(frame)) + 1),
                "type": pa.array([t.type for t in flat]).take(pa.array(place)).dictionary_encode(),
                "subject": pa.array([t.subject for t in flat]).take(pa.array(place)).dictionary_encode(),
                "done": pa.array(done),
                "due_date": _time(due).cast(pa.date32()),
                "due_time": pc.strftime(pa.array(due, pa.timestamp("s")), format="%H:%M"),
                "duration": _coded(np.where(place % 3 == 0, 1, 0), ("00:15", "00:30")),
                "add_time": _time(frame["at"].to_numpy()),
                "marked_as_done_time": _time(np.where(done, np.minimum(due + 900, self._now - 1), -1)),
                "lead_id": lead_ids(lead),
                "deal_id": _known(np.where(frame["deal"] >= 0, frame["deal"] + 1, -1)),
                "person_id": pa.array(lead + 1),
                "user_id": pa.array(FIRST_OWNER + owner),
            }
        )

    def deals(self) -> pa.Table:
        """Pipedrive's deals. Grain: one deal; the stage is that at the world's end."""
        deals, leads = self._story.deals, self._story.leads
        _, _, company = self._names()
        lead, product = deals["lead"].to_numpy(), deals["product"].to_numpy()
        closed = deals["close_at"].to_numpy() < self._now
        won, at, close = (
            deals["won"].to_numpy(dtype=bool),
            deals["at"].to_numpy(),
            deals["close_at"].to_numpy(),
        )
        stage = self._story.deal_stages.drop_duplicates("deal", keep="last")["stage"].to_numpy()
        status = np.where(~closed, 0, np.where(won, 1, 2))
        name = pa.array([p.name for p in c.PRODUCTS]).take(pa.array(product))
        form = leads["form"].to_numpy()[lead]
        return pa.table(
            {
                "id": pa.array(np.arange(len(deals)) + 1),
                "title": glue(company.take(pa.array(lead)), " - ", name, " Plan"),
                "value_cents": pa.array(deals["value_cents"].to_numpy()),
                "currency": _coded(np.zeros(len(deals), dtype=np.int64), ("USD",)),
                "stage_id": pa.array(stage + 1),
                "stage_name": _coded(stage, c.STAGES),
                "pipeline_id": pa.array(np.ones(len(deals), dtype=np.int64)),
                "status": _coded(status, ("open", "won", "lost")),
                "probability": pa.array(np.array(_PROBABILITY)[stage]),
                "add_time": _time(at),
                "update_time": _time(np.minimum(close, self._now - 1)),
                "won_time": _time(np.where(status == 1, close, -1)),
                "lost_time": _time(np.where(status == 2, close, -1)),
                "close_time": _time(np.where(closed, close, -1)),
                "lost_reason": _coded(np.where(status == 2, deals["reason"], -1), _LOST_REASONS),
                "expected_close_date": _time(at + 14 * DAY).cast(pa.date32()),
                "person_id": pa.array(lead + 1),
                "person_email": self.emails(lead),
                "org_id": pa.array(leads["company"].to_numpy()[lead] + 1),
                "user_id": pa.array(FIRST_OWNER + deals["owner"].to_numpy()),
                "lead_id": lead_ids(lead),
                "product_sku": _coded(product, tuple(p.sku for p in c.PRODUCTS)),
                "product_name": _coded(product, tuple(p.name for p in c.PRODUCTS)),
                "billing_interval": _coded(deals["yearly"].to_numpy().astype(np.int64), ("month", "year")),
                "trial_path": _coded(leads["path"].to_numpy()[lead], c.PATHS),
                "source_form_type": _coded(form, tuple(f.name for f in c.FORMS)),
            }
        )

    def deal_stages(self) -> pa.Table:
        """Grain: one deal entering one stage."""
        frame = self._story.deal_stages
        return pa.table(
            {
                "deal_id": pa.array(frame["deal"].to_numpy() + 1),
                "stage_id": pa.array(frame["stage"].to_numpy() + 1),
                "stage_name": _coded(frame["stage"].to_numpy(), c.STAGES),
                "entered_at": _time(frame["at"].to_numpy()),
            }
        )

    def products(self) -> pa.Table:
        """Stripe's products."""
        size = len(c.PRODUCTS)
        return pa.table(
            {
                "id": pa.array([p.id for p in c.PRODUCTS]),
                "object": pa.array(["product"] * size),
                "active": pa.array([True] * size),
                "name": pa.array([p.name for p in c.PRODUCTS]),
                "sku": pa.array([p.sku for p in c.PRODUCTS]),
                "created": _time(np.full(size, self._story.volume.first_second - 400 * DAY)),
            }
        )

    def plans(self) -> pa.Table:
        """Stripe's plans: each product monthly and yearly."""
        rows = [(p, interval) for p in c.PRODUCTS for interval in ("month", "year")]
        return pa.table(
            {
                "id": pa.array([plan_id(p, interval) for p, interval in rows]),
                "object": pa.array(["plan"] * len(rows)),
                "active": pa.array([True] * len(rows)),
                "amount": pa.array([p.monthly_cents if i == "month" else p.yearly_cents for p, i in rows]),
                "currency": pa.array(["usd"] * len(rows)),
                "interval": pa.array([interval for _, interval in rows]),
                "interval_count": pa.array([1] * len(rows)),
                "product": pa.array([p.id for p, _ in rows]),
                "nickname": pa.array([f"{p.name}, {i}ly" for p, i in rows]),
                "trial_period_days": pa.array([c.TRIAL_DAYS] * len(rows)),
            }
        )

    def subscriptions(self) -> pa.Table:
        """Stripe's subscriptions, the single item's plan as ``plan_*``. Grain: one subscription."""
        frame = self._story.subscriptions
        now, size = self._now, len(frame)
        paid, ended, trial = (frame[n].to_numpy() for n in ("paid_at", "ended_at", "trial_end"))
        is_paid, over = paid < now, ended < now
        status = np.where(over, 2, np.where(is_paid, 1, 0))
        yearly, product = frame["yearly"].to_numpy(dtype=bool), frame["product"].to_numpy()
        plan = np.where(yearly, product * 2 + 1, product * 2)
        plans = self.plans()
        period = np.where(yearly, 365, 30) * DAY
        until = np.minimum(now - 1, ended - 1)
        start = np.where(
            is_paid, paid + (np.maximum(until - paid, 0) // period) * period, frame["created_at"]
        )
        end = np.where(is_paid, start + period, trial)
        return pa.table(
            {
                "id": _id("sub_", np.arange(size)),
                "object": _coded(np.zeros(size, dtype=np.int64), ("subscription",)),
                "customer": _id("cus_", frame["user"].to_numpy()),
                "customer_email": self.emails(frame["lead"].to_numpy()),
                "status": _coded(status, ("trialing", "active", "canceled")),
                "created": _time(frame["created_at"].to_numpy()),
                "start_date": _time(frame["created_at"].to_numpy()),
                "trial_start": _time(np.where(trial >= 0, frame["created_at"], -1)),
                "trial_end": _time(trial),
                "current_period_start": _time(start),
                "current_period_end": _time(end),
                "canceled_at": _time(np.where(over, ended, -1)),
                "ended_at": _time(np.where(over, ended, -1)),
                "cancel_at_period_end": pa.array(np.zeros(size, dtype=bool)),
                "currency": _coded(np.zeros(size, dtype=np.int64), ("usd",)),
                "plan_id": plans["id"].combine_chunks().take(pa.array(plan)).dictionary_encode(),
                "plan_product": plans["product"].combine_chunks().take(pa.array(plan)).dictionary_encode(),
                "plan_amount": pa.array(frame["amount_cents"].to_numpy()),
                "plan_interval": _coded(yearly.astype(np.int64), ("month", "year")),
                "paid_at": _time(np.where(is_paid, paid, -1)),
                "product_sku": _coded(product, tuple(p.sku for p in c.PRODUCTS)),
                "trial_path": _coded(frame["path"].to_numpy(), c.PATHS),
                "lead_id": lead_ids(frame["lead"].to_numpy()),
                "user_id": _id("u", frame["user"].to_numpy()),
            }
        )

    def campaigns(self) -> pa.Table:
        """The advertising campaigns, with their targeting."""
        return pa.table(
            {
                "campaign_id": pa.array([x.id for x in c.CAMPAIGNS]),
                "campaign_name": pa.array([x.name for x in c.CAMPAIGNS]),
                "source": pa.array([c.SOURCES[x.source].source for x in c.CAMPAIGNS]),
                "medium": pa.array([c.SOURCES[x.source].medium for x in c.CAMPAIGNS]),
                "campaign_type": pa.array([x.kind for x in c.CAMPAIGNS]),
                "targeting": pa.array([x.targeting for x in c.CAMPAIGNS]),
            }
        )

    def outcomes(self) -> pa.Table:
        """The answer key of leads. Grain: one lead, with the outcome even where it lies after the world's end."""
        leads = self._story.leads
        number = np.arange(len(leads))
        paid = leads["convert_at"].to_numpy()
        return pa.table(
            {
                "lead": pa.array(number),
                "lead_id": lead_ids(number),
                "user": _known(leads["user"].to_numpy()),
                "form_type": _coded(leads["form"].to_numpy(), tuple(f.name for f in c.FORMS)),
                "trial_path": _coded(leads["path"].to_numpy(), c.PATHS),
                "submitted_at": _time(leads["at"].to_numpy()),
                "demo_held": pa.array(leads["demo_held"].to_numpy(dtype=bool)),
                "converts": pa.array(leads["converts"].to_numpy(dtype=bool)),
                "converts_at": _time(paid),
                "in_world": pa.array(paid < self._now),
                "deal_at": _time(leads["deal_at"].to_numpy()),
                "product_sku": _coded(leads["product"].to_numpy(), tuple(p.sku for p in c.PRODUCTS)),
                "yearly": pa.array(leads["yearly"].to_numpy(dtype=bool)),
            }
        )

    def sales(self) -> pa.Table:
        """The answer key of sales. Grain: one subscription that was ever paid; money in cents."""
        frame = self._story.subscriptions
        place = np.flatnonzero(frame["paid_at"].to_numpy() < self._now)
        lead = frame["lead"].to_numpy()[place]
        since = np.append(self._story.leads["at"].to_numpy(), -1)[lead]
        return pa.table(
            {
                "sale_id": _id("sub_", place),
                "lead": _known(lead),
                "paid_at": _time(frame["paid_at"].to_numpy()[place]),
                "amount_cents": pa.array(frame["amount_cents"].to_numpy()[place]),
                "submitted_at": _time(np.where(lead >= 0, since, -1)),
            }
        )

    def revenue(self) -> pa.Table:
        """The answer key of money. Grain: one UTC day, way of buying and product: customers won, first payments."""
        frame = self._story.subscriptions
        frame = frame[frame["paid_at"] < self._now]
        form = np.append(self._story.leads["form"].to_numpy(), -1)[frame["lead"].to_numpy()]
        way = np.where(frame["path"] >= 0, frame["path"], np.where(form >= 0, 2, 3))
        grouped = (
            pd.DataFrame(
                {
                    "day": frame["paid_at"] // DAY,
                    "way": way,
                    "product": frame["product"],
                    "amount": frame["amount_cents"],
                }
            )
            .groupby(["day", "way", "product"])["amount"]
            .agg(["size", "sum"])
            .reset_index()
        )
        return pa.table(
            {
                "date": pa.array(grouped["day"].to_numpy().astype(np.int32), pa.date32()),
                "way": _coded(grouped["way"].to_numpy(), (*c.PATHS, "other_form", "anonymous")),
                "product_sku": _coded(grouped["product"].to_numpy(), tuple(p.sku for p in c.PRODUCTS)),
                "customers": pa.array(grouped["size"].to_numpy()),
                "amount_cents": pa.array(grouped["sum"].to_numpy()),
            }
        )


def plan_id(product: c.Product, interval: str) -> str:
    """Return the id of a plan, as seed 003 forms it."""
    return f"plan_{product.sku.lower()}_{interval}ly"


def session_table(day: int, traffic: Traffic) -> pa.Table:
    """Grain: one session."""
    frame = traffic.sessions
    source, campaign = frame["source"].to_numpy(), frame["campaign"].to_numpy()
    return pa.table(
        {
            "session": pa.array(day * SESSIONS_PER_DAY_SLOT + np.arange(len(frame))),
            "user": pa.array(frame["user"].to_numpy()),
            "start_at": _time(frame["start_at"].to_numpy()),
            "utm_source": _coded(source, tuple(s.source for s in c.SOURCES)),
            "utm_medium": _coded(source, tuple(s.medium for s in c.SOURCES)),
            "utm_campaign": _coded(campaign, tuple(x.name for x in c.CAMPAIGNS)),
            "is_returning": pa.array(frame["is_returning"].to_numpy(dtype=bool)),
        }
    )


def event_table(story: SaasStory, day: int, traffic: Traffic) -> pa.Table:
    """Grain: one event; purchases carry product and amount, trial events the trial's path."""
    frame = traffic.events
    session, lead, subscription = (frame[name].to_numpy() for name in ("session", "lead", "subscription"))
    path = np.append(story.leads["path"].to_numpy(), -1)[lead]
    bought = np.append(story.subscriptions["product"].to_numpy(), -1)[subscription]
    amount = np.append(story.subscriptions["amount_cents"].to_numpy(), -1)[subscription]
    since = np.append(story.leads["at"].to_numpy(), 0)[lead]
    converted = frame["type"].to_numpy() == c.EVENT["trial_converted"]
    return pa.table(
        {
            "event_id": pa.array(day * SESSIONS_PER_DAY_SLOT * 10 + np.arange(len(frame))),
            "session": _known(np.where(session >= 0, day * SESSIONS_PER_DAY_SLOT + session, -1)),
            "user": pa.array(frame["user"].to_numpy()),
            "event_type": _coded(frame["type"].to_numpy(), c.EVENT_TYPES),
            "event_time": _time(frame["at"].to_numpy()),
            "lead": _known(lead),
            "subscription": _known(subscription),
            "trial_path": _coded(path, c.PATHS),
            "product_sku": _coded(bought, tuple(p.sku for p in c.PRODUCTS)),
            "amount_cents": _known(amount),
            "conversion_day": _known(np.where(converted, (frame["at"].to_numpy() - since) // DAY, -1)),
        }
    )


def ad_spend_table(date: dt.date, traffic: Traffic, seed: int) -> pa.Table:
    """Grain: one campaign on one UTC day: impressions, clicks (its sessions), cost in cents."""
    draw = Draws(seed, f"saas/spend/{date}")
    size = len(c.CAMPAIGNS)
    campaign = traffic.sessions["campaign"].to_numpy()
    clicks = np.bincount(campaign[campaign >= 0], minlength=size)
    price = np.array([c.COST_PER_CLICK[x.kind] for x in c.CAMPAIGNS])
    return pa.table(
        {
            "date": pa.array([date] * size),
            "campaign_id": pa.array([x.id for x in c.CAMPAIGNS]),
            "campaign_name": pa.array([x.name for x in c.CAMPAIGNS]),
            "source": pa.array([c.SOURCES[x.source].source for x in c.CAMPAIGNS]),
            "impressions": pa.array(clicks * draw.between(size, 25, 60)),
            "clicks": pa.array(clicks),
            "cost_cents": pa.array(clicks * price * draw.between(size, 90, 110) // 1000),
        }
    )
