"""The SaaS world: traffic, forms, trials, CRM and subscriptions as one story (seed 003), at full volume as Parquet.

Belongs here: the public face of the world, its tables with the field names of the products they stand for, and how
they are written. Does not belong here: the story (`saas_story`), traffic (`saas_traffic`).

Folders written: ``parquet/`` (everything), ``exports/`` (a small, self-consistent part as JSON and CSV, shaped like
Amplitude's event export, Pipedrive's leads, activities and deals, and Stripe's products, plans and subscriptions) and
``answer_key/``. All times are UTC; money is integer cents of USD.
"""

import csv
import dataclasses
import datetime as dt
import io
import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.config.settings import START_DATE_FILE
from funnel_assets.errors import UsageError
from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import glue, numbers, padded, pc
from funnel_assets.simulate.rand import Bools, Draws, Ints
from funnel_assets.simulate.saas_story import DAY, FOREVER, SaasStory, amounts, plan_volume, tell_saas
from funnel_assets.simulate.saas_traffic import Traffic, TrafficMaker

DEFAULT_DAYS = 365
SESSIONS_PER_DAY_SLOT = 10_000_000
EXPORTED_LEADS = 800
EXPORTED_ANONYMOUS = 50
_OWNERS = 9_001
_LOST_REASONS = ("No budget", "Chose a competitor", "No answer", "Missing feature", "Not now")
_PROBABILITY = (20, 40, 60, 80, 100, 0)
_DEVICES = ("Windows", "Mac OS X", "iOS", "Android", "Linux")
_COUNTRIES = ("United States", "India", "United Kingdom", "Germany", "Canada", "Australia")

Progress = Callable[[int, int], None]


@dataclasses.dataclass
class SaasWorld:
    """A built SaaS world; traffic is made while it is written.

    Attributes:
        story: Leads and what became of them.
        traffic: Makes the sessions and events of any day.
    """

    story: SaasStory
    traffic: TrafficMaker

    @property
    def start_date(self) -> dt.date:
        """First UTC day."""
        return self.story.volume.start

    @property
    def end_date(self) -> dt.date:
        """Last UTC day."""
        return self.start_date + dt.timedelta(days=self.story.volume.days - 1)

    def about(self) -> dict[str, Any]:
        """Return the arguments and dates of the world, as in ``answer_key/world.json``."""
        volume = self.story.volume
        return {
            "world": "saas",
            "start_date": self.start_date.isoformat(),
            "end_date": self.end_date.isoformat(),
            "days": volume.days,
            "scale": volume.scale,
            "seed": self.story.seed,
        }


def build_saas(
    days: int = DEFAULT_DAYS, end_date: dt.date | None = None, scale: float = 1.0, seed: int = 1
) -> SaasWorld:
    """Build the SaaS world; the same arguments give the same bytes on any machine.

    Args:
        days: Number of days.
        end_date: Last day (UTC); yesterday by default.
        scale: 1.0 is the full volume of seed 003: 75,000 sessions a day.
        seed: Names the world.

    Raises:
        UsageError: When there is no day or nobody.
    """
    if days < 1 or scale <= 0 or seed < 0:
        raise UsageError(
            "a world needs at least one day, a scale above 0 and a seed of 0 or more", fix="see --help"
        )
    if scale > 100:
        raise UsageError("a day has room for 100 times the usual sessions", fix="use a scale of 100 or less")
    last = end_date or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    volume = plan_volume(last - dt.timedelta(days=days - 1), days, scale, seed)
    story = tell_saas(volume, seed)
    return SaasWorld(story, TrafficMaker(story))


# --- columns ---------------------------------------------------------------------------------------------


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
                "owner_id": pa.array(_OWNERS + leads["owner"].to_numpy()),
                "creator_id": pa.array(np.full(size, _OWNERS)),
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
                "user_id": pa.array(_OWNERS + owner),
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
                "user_id": pa.array(_OWNERS + deals["owner"].to_numpy()),
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

    def sales(self, which: Bools) -> pa.Table:
        """The answer key of the exports' sales. Grain: one subscription that was ever paid; money in cents."""
        frame = self._story.subscriptions
        place = np.flatnonzero(which & (frame["paid_at"].to_numpy() < self._now))
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


# --- writing ---------------------------------------------------------------------------------------------


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
        }
    )


def write_saas(world: SaasWorld, out: Path, progress: Progress | None = None) -> list[Path]:
    """Write the whole world.

    Args:
        world: A built world.
        out: Folder; ``parquet/``, ``exports/`` and ``answer_key/`` in it are replaced. It is a ``FUNNEL_HOME`` as it
            stands: config/sources.yaml reads the exports; its days are those of ``FUNNEL_TIMEZONE=UTC``.
        progress: Called after each day with days done and days in all.

    Returns:
        The written paths.
    """
    for folder in ("parquet", "exports", "answer_key"):
        shutil.rmtree(out / folder, ignore_errors=True)
        (out / folder).mkdir(parents=True)
    tables = SaasTables(world.story)
    named: dict[str, pa.Table] = {
        "parquet/leads": tables.leads(),
        "parquet/activities": tables.activities(),
        "parquet/deals": tables.deals(),
        "parquet/deal_stages": tables.deal_stages(),
        "parquet/products": tables.products(),
        "parquet/plans": tables.plans(),
        "parquet/subscriptions": tables.subscriptions(),
        "parquet/campaigns": tables.campaigns(),
        "answer_key/outcomes": tables.outcomes(),
        "answer_key/revenue": tables.revenue(),
    }
    sample = _Sample(world.story, tables)
    named["answer_key/exported_leads"] = named["answer_key/outcomes"].filter(pa.array(sample.leads))
    named["answer_key/exported_sales"] = tables.sales(sample.subscriptions)
    written = [_write_table(table, out / f"{name}.parquet") for name, table in named.items()]
    counts, traffic_paths, amplitude = _write_traffic(world, out, sample, progress)
    written += traffic_paths
    written.append(_write_table(counts, out / "answer_key" / "traffic.parquet"))
    written += _write_exports(named, sample, amplitude, out / "exports")
    sources = (
        resources.files("funnel_assets.simulate").joinpath("saas_sources.yaml").read_text(encoding="utf-8")
    )
    (out / "config").mkdir(exist_ok=True)
    written.append(_write_text(out / "config" / "sources.yaml", sources))
    written.append(_write_text(out / START_DATE_FILE, f"{world.start_date}\n"))
    about = out / "answer_key" / "world.json"
    about.write_text(json.dumps(world.about(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return [*written, about]


def _write_table(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path, compression="zstd")
    return path


class _Sample:
    """The leads, users and anonymous buyers that the small exports hold, with everything that belongs to them."""

    def __init__(self, story: SaasStory, tables: SaasTables) -> None:
        draw = Draws(story.seed, "saas/sample")
        self.leads: Bools = np.zeros(len(story.leads), dtype=bool)
        self.leads[draw.sample(len(story.leads), EXPORTED_LEADS)] = True
        anonymous = np.flatnonzero(story.subscriptions["lead"].to_numpy() < 0)
        chosen = anonymous[draw.sample(len(anonymous), EXPORTED_ANONYMOUS)]
        lead = story.subscriptions["lead"].to_numpy()
        self.subscriptions: Bools = np.where(lead >= 0, np.append(self.leads, False)[lead], False)
        self.subscriptions[chosen] = True
        volume = story.volume
        users = int(volume.first_user[-1] + volume.new_users[-1])
        self.users: Bools = np.zeros(users, dtype=bool)
        place = np.flatnonzero(self.leads)
        known = story.leads["user"].to_numpy()[place]
        self.emails = dict(zip(known.tolist(), tables.emails(place).to_pylist(), strict=True))
        self.users[known[known >= 0]] = True
        self.users[story.subscriptions["user"].to_numpy()[chosen]] = True
        self.activities: Bools = self.leads[story.activities["lead"].to_numpy()]
        self.deals: Bools = self.leads[story.deals["lead"].to_numpy()]


def _write_traffic(
    world: SaasWorld, out: Path, sample: _Sample, progress: Progress | None
) -> tuple[pa.Table, list[Path], list[dict[str, Any]]]:
    """Write sessions and events, one file a month and one row group a day."""
    paths: list[Path] = []
    counts: list[dict[str, Any]] = []
    amplitude: list[dict[str, Any]] = []
    writers: dict[str, pq.ParquetWriter] = {}
    month = ""
    days = world.story.volume.days
    for number in range(days):
        date = world.start_date + dt.timedelta(days=number)
        traffic = world.traffic.day(number)
        tables = {
            "sessions": session_table(number, traffic),
            "events": event_table(world.story, number, traffic),
        }
        if f"{date:%Y-%m}" != month:
            month = f"{date:%Y-%m}"
            for writer in writers.values():
                writer.close()
            for name, table in tables.items():
                path = out / "parquet" / name / f"{month}.parquet"
                path.parent.mkdir(exist_ok=True)
                paths.append(path)
                writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
        for name, table in tables.items():
            writers[name].write_table(table)
        counts.append(_counts(date, world.story.volume.new_users[number], traffic))
        amplitude += _amplitude(tables, sample)
        if progress is not None:
            progress(number + 1, days)
    for writer in writers.values():
        writer.close()
    return pa.Table.from_pylist(counts), paths, amplitude


def _counts(date: dt.date, new_users: int, traffic: Traffic) -> dict[str, Any]:
    kinds = np.bincount(traffic.events["type"].to_numpy(), minlength=len(c.EVENT_TYPES)).tolist()
    users = np.unique(traffic.sessions["user"].to_numpy())
    return {
        "date": date,
        "sessions": len(traffic.sessions),
        "active_users": len(users),
        "new_users": int(new_users),
        "events": len(traffic.events),
        **dict(zip(c.EVENT_TYPES, kinds, strict=True)),
    }


def _amplitude(tables: dict[str, pa.Table], sample: _Sample) -> list[dict[str, Any]]:
    """The sampled users' events of a day, with the fields of Amplitude's export."""
    mask = sample.users[tables["events"]["user"].to_numpy()]
    events = tables["events"].filter(pa.array(mask)).to_pylist()
    wanted = {event["session"] for event in events} - {None}
    place = np.array(sorted(wanted), dtype=np.int64) % SESSIONS_PER_DAY_SLOT
    sessions = {row["session"]: row for row in tables["sessions"].take(pa.array(place)).to_pylist()}
    return [_amplitude_event(event, sessions.get(event["session"]), sample.emails) for event in events]


def _amplitude_event(
    event: dict[str, Any], session: dict[str, Any] | None, emails: dict[int, str]
) -> dict[str, Any]:
    user, at = event["user"], event["event_time"]
    stamp = f"{at:%Y-%m-%d %H:%M:%S}.000000"
    identified = event["lead"] is not None or event["event_type"] in ("login", "logout", "trial_expired")
    properties: dict[str, Any] = {}
    for name in ("trial_path", "product_sku"):
        if event[name] is not None:
            properties[name] = event[name]
    if event["event_type"] == "purchase":
        product = next(p for p in c.PRODUCTS if p.sku == event["product_sku"])
        properties |= {
            "product_name": product.name,
            "amount": event["amount_cents"] // 100,
            "currency": "USD",
        }
    utm = {name: session[name] for name in ("utm_source", "utm_medium", "utm_campaign")} if session else {}
    if identified and user in emails:
        utm |= {"email": emails[user]}
    return {
        "$insert_id": f"ins-{event['event_id']:014d}",
        "amplitude_id": 10_000_000 + user,
        "app": 1,
        "client_event_time": stamp,
        "country": _COUNTRIES[user % len(_COUNTRIES)],
        "device_id": f"dev-{user:010d}",
        "device_type": _DEVICES[user % len(_DEVICES)],
        "event_id": event["event_id"],
        "event_properties": properties,
        "event_time": stamp,
        "event_type": event["event_type"],
        "language": "English",
        "os_name": _DEVICES[user % len(_DEVICES)],
        "platform": "Web",
        "server_upload_time": stamp,
        "session_id": int(session["start_at"].timestamp()) * 1000 if session else -1,
        "user_id": f"u{user:09d}" if identified else None,
        "user_properties": utm,
        "uuid": f"evt-{event['event_id']:014d}",
    }


def _write_exports(
    tables: dict[str, pa.Table], sample: _Sample, amplitude: list[dict[str, Any]], out: Path
) -> list[Path]:
    """Write the sampled part as the products' own exports would have it."""
    lines = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in amplitude)
    paths = [_write_text(out / "amplitude_events.jsonl", lines)]
    parts = {
        "pipedrive_leads": (tables["parquet/leads"].filter(pa.array(sample.leads)), _pipedrive_lead),
        "pipedrive_activities": (tables["parquet/activities"].filter(pa.array(sample.activities)), _plain),
        "pipedrive_deals": (tables["parquet/deals"].filter(pa.array(sample.deals)), _pipedrive_deal),
        "stripe_products": (tables["parquet/products"], _stripe_product),
        "stripe_plans": (tables["parquet/plans"], _plain),
        "stripe_subscriptions": (
            tables["parquet/subscriptions"].filter(pa.array(sample.subscriptions)),
            _stripe_subscription,
        ),
    }
    for name, (table, shape) in parts.items():
        rows = [shape(row) for row in table.to_pylist()]
        wrapped = (
            {"object": "list", "data": rows} if name.startswith("stripe") else {"success": True, "data": rows}
        )
        paths.append(
            _write_text(
                out / f"{name}.json", json.dumps(wrapped, default=_json, ensure_ascii=False, indent=1)
            )
        )
        paths.append(_write_text(out / f"{name}.csv", _csv([_flat(row) for row in rows])))
    return paths


def _write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def _json(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def _flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Write nested objects as ``a.b`` columns."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            result |= _flat({str(i): item for i, item in enumerate(value)}, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = _json(value) if isinstance(value, dt.date) else value
    return result


def _csv(rows: list[dict[str, Any]]) -> str:
    header = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return row


def _pipedrive_lead(row: dict[str, Any]) -> dict[str, Any]:
    cents, currency = row.pop("value_cents"), row.pop("currency")
    return {**row, "value": {"amount": cents // 100, "currency": currency}}


def _pipedrive_deal(row: dict[str, Any]) -> dict[str, Any]:
    cents = row.pop("value_cents")
    return {"id": row.pop("id"), "title": row.pop("title"), "value": cents // 100, **row}


def _seconds(value: dt.datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())


def _stripe_product(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "created": _seconds(row["created"]), "metadata": {"sku": row.pop("sku")}}


def _stripe_subscription(row: dict[str, Any]) -> dict[str, Any]:
    plan = {
        "id": row.pop("plan_id"),
        "object": "plan",
        "amount": row.pop("plan_amount"),
        "currency": "usd",
        "interval": row.pop("plan_interval"),
        "product": row.pop("plan_product"),
    }
    extra = {name: row.pop(name) for name in ("product_sku", "trial_path", "lead_id", "user_id")}
    times = {
        name: _seconds(value) if isinstance(value, dt.datetime) else value for name, value in row.items()
    }
    return {**times, "items": {"object": "list", "data": [{"plan": plan, "quantity": 1}]}, "metadata": extra}
