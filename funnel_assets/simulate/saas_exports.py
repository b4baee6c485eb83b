"""The SaaS world's exports, as the products themselves would export them.

Belongs here: whose events, and the shapes of Amplitude's event export, Pipedrive's leads, activities and deals,
Stripe's products, plans, subscriptions and invoices, and the ad platforms' daily reports. Does not belong here: what is
wrong in them on request (`saas_faults`).
"""

import csv
import datetime as dt
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.rand import Bools
from funnel_assets.simulate.saas_faults import Dump
from funnel_assets.simulate.saas_story import SaasStory
from funnel_assets.simulate.saas_tables import SESSIONS_PER_DAY_SLOT, SaasTables, firm_of

_DEVICES = ("Windows", "Mac OS X", "iOS", "Android", "Linux")
_COUNTRIES = ("United States", "India", "United Kingdom", "Germany", "Canada", "Australia")
_CUSTOM_LEAD_FIELDS = (
    "person_name",
    "person_email",
    "person_phone",
    "organization_name",
    "form_type",
    "lifecycle_stage",
    "trial_path",
    "trial_start_date",
    "sales_priority",
    "expected_activities",
    "user_id",
)
_CUSTOM_DEAL_FIELDS = (
    "stage_name",
    "person_email",
    "lead_id",
    "product_sku",
    "product_name",
    "billing_interval",
    "trial_path",
    "source_form_type",
)


class KnownUsers:
    """The users whose events are exported: everybody who filled a form or bought, no visitor who did neither.

    Attributes:
        exported: Whether each user's events are, by user number.
        emails: E-mail of those who gave one.
        firms: Company and industry of those who filled a form.
    """

    def __init__(self, story: SaasStory, tables: SaasTables) -> None:
        volume, leads = story.volume, story.leads["user"].to_numpy()
        place = np.flatnonzero(leads >= 0)
        known = leads[place].tolist()
        self.emails = dict(zip(known, tables.emails(place).to_pylist(), strict=True))
        self.firms = dict(zip(known, tables.firms(place), strict=True))
        self.exported: Bools = np.zeros(int(volume.first_user[-1] + volume.new_users[-1]), dtype=bool)
        self.exported[known] = True
        buyers = story.subscriptions["user"].to_numpy()
        self.exported[buyers[buyers >= 0]] = True


def amplitude_events(tables: dict[str, pa.Table], users: KnownUsers) -> list[dict[str, Any]]:
    """Return the known users' events of a day, with the fields of Amplitude's export."""
    mask = users.exported[tables["events"]["user"].to_numpy()]
    events = tables["events"].filter(pa.array(mask)).to_pylist()
    wanted = {event["session"] for event in events} - {None}
    place = np.array(sorted(wanted), dtype=np.int64) % SESSIONS_PER_DAY_SLOT
    sessions = {row["session"]: row for row in tables["sessions"].take(pa.array(place)).to_pylist()}
    return [_amplitude_event(event, sessions.get(event["session"]), users) for event in events]


def _amplitude_event(
    event: dict[str, Any], session: dict[str, Any] | None, users: KnownUsers
) -> dict[str, Any]:
    user, at, number = event["user"], event["event_time"], event["event_id"]
    stamp = f"{at:%Y-%m-%d %H:%M:%S}.000000"
    identified = event["lead"] is not None or event["event_type"] in ("login", "logout", "trial_expired")
    properties: dict[str, Any] = {
        name: event[name]
        for name in ("trial_path", "product_sku", "conversion_day")
        if event[name] is not None
    }
    if event["event_type"] == "purchase":
        product = next(p for p in c.PRODUCTS if p.sku == event["product_sku"])
        properties |= {
            "product_name": product.name,
            "amount": event["amount_cents"] // 100,
            "currency": "USD",
        }
    about = {name: session[name] for name in ("utm_source", "utm_medium", "utm_campaign")} if session else {}
    if identified and user in users.emails:
        about |= {"email": users.emails[user]}
    if identified:
        # Who bought without a form gave no e-mail, but names a firm when signing up.
        about |= users.firms.get(user) or firm_of(user)
    return {
        "$insert_id": f"ins-{number:014d}",
        "amplitude_id": 10_000_000 + user,
        "app": 1,
        "client_event_time": stamp,
        "country": _COUNTRIES[user % len(_COUNTRIES)],
        "device_id": f"dev-{user:010d}",
        "device_type": _DEVICES[user % len(_DEVICES)],
        "event_id": number,
        "event_properties": properties,
        "event_time": stamp,
        "event_type": event["event_type"],
        "language": "English",
        "os_name": _DEVICES[user % len(_DEVICES)],
        "platform": "Web",
        "server_upload_time": stamp,
        "session_id": int(session["start_at"].timestamp()) * 1000 if session else -1,
        "user_id": f"u{user:09d}" if identified else None,
        "user_properties": about,
        "uuid": f"{number >> 32:08x}-{number >> 16 & 0xFFFF:04x}-4{number & 0xFFF:03x}-a000-{number:012x}",
    }


def export_rows(tables: dict[str, pa.Table], dump: Dump) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the records of each export but Amplitude's, by name, as the products have them.

    Args:
        tables: The world's tables by path.
        dump: Its leads and subscriptions.
    """
    paid = dump.subscriptions.filter(dump.subscriptions["paid_at"].is_valid())
    for name, table, shape in (
        ("pipedrive_leads", dump.leads, lead_record),
        ("pipedrive_activities", tables["parquet/activities"], _plain),
        ("pipedrive_deals", tables["parquet/deals"], deal_record),
        ("stripe_products", tables["parquet/products"], _stripe_product),
        ("stripe_plans", tables["parquet/plans"], _plain),
        ("stripe_subscriptions", dump.subscriptions, subscription_record),
        ("stripe_invoices", paid, invoice_record),
    ):
        yield name, [shape(row) for row in table.to_pylist()]


def ad_reports(spend: pa.Table) -> dict[str, str]:
    """Return the platforms' daily campaign reports as CSV, by name. ``spend``: the world's ``ad_spend``."""
    rows = {
        source: [r for r in spend.to_pylist() if r["source"] == source] for source in ("google", "facebook")
    }
    return {
        "google_ads_campaigns": _csv([_google_ads_row(row) for row in rows["google"]]),
        "facebook_ads_campaigns": _csv([_facebook_ads_row(row) for row in rows["facebook"]]),
    }


def _google_ads_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "Day": row["date"],
        "Campaign ID": row["campaign_id"],
        "Campaign": row["campaign_name"],
        "Currency code": "USD",
        "Impr.": row["impressions"],
        "Clicks": row["clicks"],
        "Cost": f"{row['cost_cents'] / 100:.2f}",
    }


def _facebook_ads_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "Reporting starts": row["date"],
        "Reporting ends": row["date"],
        "Campaign ID": row["campaign_id"],
        "Campaign name": row["campaign_name"],
        "Currency": "USD",
        "Impressions": row["impressions"],
        "Link clicks": row["clicks"],
        "Amount spent (USD)": f"{row['cost_cents'] / 100:.2f}",
    }


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


def _with_custom_fields(row: dict[str, Any], custom: Sequence[str]) -> dict[str, Any]:
    """Put what Pipedrive has no field for below ``custom_fields``: by the fields' names, where Pipedrive has hashes.

    A custom field that a fault renamed is still one.
    """
    own = {name: row.pop(name) for name in list(row) if name.lower().replace(" ", "_") in custom}
    return {**row, "custom_fields": own}


def lead_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a lead as Pipedrive has it."""
    cents, currency = row.pop("value_cents"), row.pop("currency")
    return _with_custom_fields(
        row | {"value": {"amount": cents // 100, "currency": currency}}, _CUSTOM_LEAD_FIELDS
    )


def deal_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a deal as Pipedrive has it."""
    cents = row.pop("value_cents")
    first = {"id": row.pop("id"), "title": row.pop("title"), "value": cents // 100}
    return _with_custom_fields(first | row, _CUSTOM_DEAL_FIELDS)


def _seconds(value: dt.datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())


def _stripe_product(row: dict[str, Any]) -> dict[str, Any]:
    sku = row.pop("sku")
    return {**row, "created": _seconds(row["created"]), "metadata": {"sku": sku}}


def _plan(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row.pop("plan_id"),
        "object": "plan",
        "amount": row.pop("plan_amount"),
        "currency": "usd",
        "interval": row.pop("plan_interval"),
        "product": row.pop("plan_product"),
    }


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.pop(name) for name in ("product_sku", "trial_path", "lead_id", "user_id")}


def invoice_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription's first paid invoice as Stripe has it, in the API's versions before 2025-03-31."""
    plan, paid_at, about = _plan(row), _seconds(row["paid_at"]), _metadata(row)
    line = {"object": "line_item", "amount": plan["amount"], "currency": "usd", "plan": plan, "quantity": 1}
    return {
        "id": row["id"].replace("sub_", "in_"),
        "object": "invoice",
        "amount_due": plan["amount"],
        "amount_paid": plan["amount"],
        "billing_reason": "subscription_create" if row["trial_end"] is None else "subscription_cycle",
        "created": paid_at,
        "currency": "usd",
        "customer": row["customer"],
        "customer_email": row["customer_email"],
        "lines": {"object": "list", "data": [line]},
        "status": "paid",
        "status_transitions": {"finalized_at": paid_at, "paid_at": paid_at},
        "subscription": row["id"],
        "subscription_details": {"metadata": about},
    }


def subscription_record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription as Stripe has it; who pays and when stands on its invoices."""
    plan, extra = _plan(row), _metadata(row)
    del row["customer_email"], row["paid_at"]
    times = {
        name: _seconds(value) if isinstance(value, dt.datetime) else value for name, value in row.items()
    }
    return {**times, "items": {"object": "list", "data": [{"plan": plan, "quantity": 1}]}, "metadata": extra}
