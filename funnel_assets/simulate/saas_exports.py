"""The SaaS world's small exports: a self-consistent part of it as the products themselves would export it.

Belongs here: which part, and the shapes of Amplitude's event export, Pipedrive's leads, activities and deals, and
Stripe's products, plans and subscriptions. Does not belong here: what is wrong in them on request (`saas_faults`).
"""

import csv
import datetime as dt
import io
import json
from typing import Any

import numpy as np
import pyarrow as pa

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.rand import Bools, Draws
from funnel_assets.simulate.saas_faults import Dump
from funnel_assets.simulate.saas_story import SaasStory
from funnel_assets.simulate.saas_tables import SESSIONS_PER_DAY_SLOT, SaasTables, firm_of

EXPORTED_LEADS = 800
EXPORTED_ANONYMOUS = 50
_DEVICES = ("Windows", "Mac OS X", "iOS", "Android", "Linux")
_COUNTRIES = ("United States", "India", "United Kingdom", "Germany", "Canada", "Australia")


class Sample:
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
        self.firms = dict(zip(known.tolist(), tables.firms(place), strict=True))
        self.users[known[known >= 0]] = True
        self.users[story.subscriptions["user"].to_numpy()[chosen]] = True
        self.activities: Bools = self.leads[story.activities["lead"].to_numpy()]
        self.deals: Bools = self.leads[story.deals["lead"].to_numpy()]


def amplitude_events(tables: dict[str, pa.Table], sample: Sample) -> list[dict[str, Any]]:
    """The sampled users' events of a day, with the fields of Amplitude's export."""
    mask = sample.users[tables["events"]["user"].to_numpy()]
    events = tables["events"].filter(pa.array(mask)).to_pylist()
    wanted = {event["session"] for event in events} - {None}
    place = np.array(sorted(wanted), dtype=np.int64) % SESSIONS_PER_DAY_SLOT
    sessions = {row["session"]: row for row in tables["sessions"].take(pa.array(place)).to_pylist()}
    return [_amplitude_event(event, sessions.get(event["session"]), sample) for event in events]


def _amplitude_event(event: dict[str, Any], session: dict[str, Any] | None, sample: Sample) -> dict[str, Any]:
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
    if identified and user in sample.emails:
        utm |= {"email": sample.emails[user]}
    if identified:
        # Who bought without a form gave no e-mail, but names a firm when signing up.
        utm |= sample.firms.get(user) or firm_of(user)
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


def export_rows(sample: Sample, tables: dict[str, pa.Table], dump: Dump) -> dict[str, list[dict[str, Any]]]:
    """Return the records of each export but Amplitude's, by name, as the products have them.

    Args:
        sample: What the exports hold.
        tables: The world's tables by path.
        dump: Its leads and subscriptions.
    """
    parts = {
        "pipedrive_leads": (dump.leads, lead_record),
        "pipedrive_activities": (tables["parquet/activities"].filter(pa.array(sample.activities)), _plain),
        "pipedrive_deals": (tables["parquet/deals"].filter(pa.array(sample.deals)), _pipedrive_deal),
        "stripe_products": (tables["parquet/products"], _stripe_product),
        "stripe_plans": (tables["parquet/plans"], _plain),
        "stripe_subscriptions": (dump.subscriptions, subscription_record),
    }
    return {name: [shape(row) for row in table.to_pylist()] for name, (table, shape) in parts.items()}


def json_lines(events: list[dict[str, Any]]) -> str:
    """Write Amplitude's export: one event a line."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def json_text(name: str, rows: list[dict[str, Any]]) -> str:
    """Write the JSON export of this name."""
    wrapped = (
        {"object": "list", "data": rows} if name.startswith("stripe") else {"success": True, "data": rows}
    )
    return json.dumps(wrapped, default=_json, ensure_ascii=False, indent=1)


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Write a CSV export, nested objects as ``a.b`` columns."""
    return _csv([flat(row) for row in rows])


def _json(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value)


def flat(row: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a record as a CSV has it: nested objects as ``a.b`` columns, times as text."""
    result: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            result |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            result |= flat({str(i): item for i, item in enumerate(value)}, f"{prefix}{name}.")
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


def lead_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a lead as Pipedrive has it."""
    cents, currency = row.pop("value_cents"), row.pop("currency")
    return {**row, "value": {"amount": cents // 100, "currency": currency}}


def _pipedrive_deal(row: dict[str, Any]) -> dict[str, Any]:
    cents = row.pop("value_cents")
    return {"id": row.pop("id"), "title": row.pop("title"), "value": cents // 100, **row}


def _seconds(value: dt.datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())


def _stripe_product(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "created": _seconds(row["created"]), "metadata": {"sku": row.pop("sku")}}


def subscription_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription as Stripe has it."""
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
