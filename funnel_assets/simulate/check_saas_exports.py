"""Checks of a written SaaS world's exports: the part of the world they hold, and the faults planted in them.

Belongs here: exports against the world's tables and the answer key. Does not belong here: the tables (`check_saas`).
"""

import csv
import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate import words
from funnel_assets.simulate.checklist import Checklist
from funnel_assets.simulate.csvtext import pc
from funnel_assets.simulate.edtech_catalogue import PLACEHOLDERS
from funnel_assets.simulate.saas_exports import (
    flat,
    lead_record,
    subscription_record,
)
from funnel_assets.simulate.saas_faults import TAKES_TIME
from funnel_assets.simulate.saas_folder import SaasFolder
from funnel_assets.simulate.saas_tables import plan_id

Records = list[dict[str, Any]]
Shape = Callable[[dict[str, Any]], dict[str, Any]]

AMPLITUDE_FIELDS = {
    "event_type",
    "event_time",
    "event_id",
    "user_id",
    "device_id",
    "amplitude_id",
    "session_id",
    "event_properties",
    "user_properties",
    "$insert_id",
}
_CELL_FAULTS = ("junk_phones", "scientific_phones", "typo_emails", "family_phones", "edited_crm_rows")


def check_exports(world: SaasFolder, checks: Checklist) -> None:
    """Check that the exports are a part of the world, but for what was planted."""
    leads, deals = world.export("pipedrive_leads"), world.export("pipedrive_deals")
    activities, subscriptions = world.export("pipedrive_activities"), world.export("stripe_subscriptions")
    copies, gone = (
        world.planted(fault, dataset="raw_leads")["id"].tolist()
        for fault in ("duplicate_rows", "deleted_crm_rows")
    )
    ids = {lead["id"] for lead in leads} | set(gone)
    checks.exact("exports: leads", len(world.leads) + len(copies) - len(gone), len(leads))
    checks.none("exports: leads the CRM doesn't have", len(ids - set(world.leads["id"])))
    checks.none(
        "exports: deals of leads left out", sum(deal["custom_fields"]["lead_id"] not in ids for deal in deals)
    )
    checks.exact("exports: all deals of the leads", len(world.deals), len(deals))
    checks.none("exports: activities of leads left out", sum(a["lead_id"] not in ids for a in activities))
    value = dict(zip(world.deals["id"], world.deals["value_cents"], strict=True))
    checks.none(
        "exports: deal values that differ", sum(deal["value"] * 100 != value[deal["id"]] for deal in deals)
    )
    _cells(world, checks, leads, subscriptions)
    _key(world, checks, leads)
    _spend(world, checks)
    plans = {plan["id"] for plan in world.export("stripe_plans")}
    checks.none(
        "exports: subscriptions of unknown plans",
        sum(s["items"]["data"][0]["plan"]["id"] not in plans for s in subscriptions),
    )
    for name in (
        "pipedrive_leads",
        "pipedrive_deals",
        "pipedrive_activities",
        "stripe_products",
        "stripe_plans",
        "stripe_subscriptions",
        "stripe_invoices",
    ):
        with (world.folder / "exports" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        checks.exact(
            f"exports: {name} CSV has the JSON's rows",
            [str(r["id"]) for r in world.export(name)],
            [r["id"] for r in rows],
        )


def _cells(world: SaasFolder, checks: Checklist, leads: Records, subscriptions: Records) -> None:
    """Every cell of leads and subscriptions must be the world's, but for the planted ones."""
    planted = world.planted(*_CELL_FAULTS, dataset="raw_leads")
    wanted = {(id_, name, now) for id_, name, now in planted[["id", "detail", "now"]].to_numpy().tolist()}
    true = _true_cells(world, "parquet/leads", lead_record, leads)
    found = _differing(true, _as_first(world, leads))
    checks.exact(
        "exports: lead cells that differ from the CRM's",
        wanted,
        {(id_, name.removeprefix("custom_fields."), now) for id_, name, now in found},
    )
    plans = {plan_id(p, interval): p for p in c.PRODUCTS for interval in ("month", "year")}
    moved = world.planted("edited_crm_rows", dataset="crm_sales")
    wanted = set()
    for id_, plan in moved[["id", "now"]].to_numpy().tolist():
        product = plans[plan]
        amount = product.yearly_cents if plan.endswith("_yearly") else product.monthly_cents
        after = {
            "id": plan,
            "amount": amount,
            "product": product.id,
        }
        wanted |= {(id_, f"items.data.0.plan.{name}", str(cell)) for name, cell in after.items()}
        wanted.add((id_, "metadata.product_sku", product.sku))
    true = _true_cells(world, "parquet/subscriptions", subscription_record, subscriptions)
    checks.exact(
        "exports: subscription cells that differ from the billing's", wanted, _differing(true, subscriptions)
    )


def _true_cells(world: SaasFolder, table: str, shape: Shape, records: Records) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(world.folder / f"{table}.parquet")
    ids = pa.array({record["id"] for record in records}, pa.string())
    rows = rows.filter(pc.is_in(rows["id"], value_set=ids))
    return {record["id"]: flat(record) for record in map(shape, rows.to_pylist())}


def _differing(true: dict[str, dict[str, Any]], records: Records) -> set[tuple[str, str, str]]:
    found = set()
    for record in records:
        cells, expected = flat(record), true.get(record["id"], {})
        names = {name for name in {*cells, *expected} if cells.get(name) != expected.get(name)}
        found |= {(record["id"], name, str(cells.get(name))) for name in names}
    return found


def _as_first(world: SaasFolder, leads: Records) -> Records:
    """Return leads without planted changes of columns."""
    names = world.planted("renamed_columns")
    first = dict(zip(names["now"], names["was"], strict=True))
    added = set(world.planted("added_columns")["now"])

    def named(record: dict[str, Any]) -> dict[str, Any]:
        return {
            first.get(name, name): named(cell) if name == "custom_fields" else cell
            for name, cell in record.items()
            if name not in added
        }

    return [named(lead) for lead in leads]


def _spend(world: SaasFolder, checks: Checklist) -> None:
    """The ad platforms' reports must add up to the world's spend; its clicks are the campaigns' sessions."""
    spend = world.table("parquet/ad_spend")
    for source, cost, clicks in (
        ("google", "Cost", "Clicks"),
        ("facebook", "Amount spent (USD)", "Link clicks"),
    ):
        true = spend[spend["source"] == source]
        with (world.folder / "exports" / f"{source}_ads_campaigns.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        told = sum(round(float(row[cost]) * 100) for row in rows)
        checks.exact(f"exports: {source} spend in cents", int(true["cost_cents"].sum()), told)
        checks.exact(
            f"exports: {source} clicks", int(true["clicks"].sum()), sum(int(row[clicks]) for row in rows)
        )
    sessions = world.number("SELECT count(*) FROM sessions WHERE utm_campaign IS NOT NULL")
    checks.exact("ad spend: clicks are sessions of campaigns", sessions, int(spend["clicks"].sum()))


def _key(world: SaasFolder, checks: Checklist, leads: Records) -> None:
    """The answer key of the exports must hold what they hold, each once."""
    key = world.table("answer_key/exported_leads")
    checks.exact(
        "exports: leads of the answer key", sorted({lead["id"] for lead in leads}), sorted(key["lead_id"])
    )
    sales = world.table("answer_key/exported_sales")
    paid = {invoice["subscription"]: invoice["amount_paid"] for invoice in world.export("stripe_invoices")}
    checks.exact(
        "exports: sales of the answer key, in cents",
        paid,
        dict(zip(sales["sale_id"], sales["amount_cents"].astype(int), strict=True)),
    )


def check_event_export(world: SaasFolder, checks: Checklist) -> None:
    """Check Amplitude's events, one at a time: at full volume they are millions."""
    price = {p.sku: {p.monthly_cents, p.yearly_cents} for p in c.PRODUCTS}
    wrong: Counter[str] = Counter()
    used: Counter[str] = Counter()
    different: set[bytes] = set()
    forms: set[str] = set()
    last = dt.date.min
    for event in world.events():
        properties, kind = event.get("event_properties", {}), event.get("event_type")
        wrong["records without a field"] += not set(event) >= AMPLITUDE_FIELDS
        used[event["$insert_id"]] += 1
        different.add(hashlib.blake2b(json.dumps(event).encode(), digest_size=16).digest())
        if kind == "purchase":
            sku = properties.get("product_sku")
            wrong["purchases without product_sku"] += sku is None
            wrong["purchases off the catalogue"] += properties["amount"] * 100 not in price.get(sku, ())
        elif kind == "trial_converted":
            soonest = min(c.CONVERSION_DAY) - c.CONVERSION_HALF_WIDTH
            latest = max(c.CONVERSION_DAY) + c.CONVERSION_HALF_WIDTH
            converted = properties.get("conversion_day", -1)
            wrong["conversion_day out of range"] += not soonest <= converted <= latest
        elif kind in c.FORM_EVENTS:
            forms.add(event["user_id"])
        day = dt.datetime.strptime(event["event_time"], "%Y-%m-%d %H:%M:%S.%f").date()  # noqa: DTZ007 - UTC
        wrong["not in order of days"] += day < last
        last = day
    for what in (
        "records without a field",
        "purchases without product_sku",
        "purchases off the catalogue",
        "conversion_day out of range",
        "not in order of days",
    ):
        checks.none(f"event export: {what}", wrong[what])
    copies = world.planted("duplicate_rows", dataset="engagement_events")["id"]
    checks.exact("event export: ids used twice", sorted(copies), _twice(used))
    checks.exact("event export: copies that differ", len(used), len(different))
    users = {lead["custom_fields"]["user_id"] for lead in world.export("pipedrive_leads")} - {None}
    checks.none("event export: leads without their form event", len(users - forms))


def check_faults(world: SaasFolder, checks: Checklist) -> None:
    """Check that the exports have the faults that were asked for, so many, and no others."""
    asked = {name: count for name, count in world.about.get("faults", {}).items() if count}
    checks.exact("faults: as many as asked for", asked, dict(Counter(world.planted()["fault"])))
    if not asked:
        return
    leads, subscriptions = world.export("pipedrive_leads"), world.export("stripe_subscriptions")
    for fault, pattern in (
        ("junk_phones", "|".join([*PLACEHOLDERS, "NA", ""])),
        ("scientific_phones", r"\d\.\d{5}E\+10"),
        ("typo_emails", f"[^@]+@({'|'.join(map(re.escape, words.MISTYPED_DOMAINS))})"),
    ):
        cells = world.planted(fault)["now"]
        checks.none(f"fault {fault}: cells that aren't", sum(not re.fullmatch(pattern, x) for x in cells))
    typed = [flat(lead) for lead in _as_first(world, leads)]
    called = {(lead["custom_fields.person_phone"], lead["custom_fields.person_name"]) for lead in typed}
    for phone in world.planted("family_phones")["now"]:
        sharers = {name for number, name in called if number == phone}
        checks.exact(f"fault family_phones: people of {phone[:6]}…{phone[-2:]}", 2, len(sharers))
    for dataset, records in (("raw_leads", leads), ("crm_sales", subscriptions)):
        ids = Counter(record["id"] for record in records)
        copies = world.planted("duplicate_rows", dataset=dataset)["id"]
        checks.exact(f"fault duplicate_rows: {dataset} sent twice", sorted(copies), _twice(ids))
        gone = world.planted("deleted_crm_rows", dataset=dataset)["id"]
        checks.none(f"fault deleted_crm_rows: {dataset} still there", sum(ids[id_] for id_ in gone))
    there = {name.removeprefix("custom_fields.") for name in flat(leads[0])} if leads else set()
    names = set(world.planted("renamed_columns", "added_columns")["now"])
    checks.none("faults: planted columns that aren't there", len(names - there))
    if (world.folder / "dumps" / "before").is_dir() or set(asked) & TAKES_TIME:
        _before(world, checks, leads, subscriptions)
    _cut(world, checks)


def _before(world: SaasFolder, checks: Checklist, leads: Records, subscriptions: Records) -> None:
    """The dump before must be the one in the end but for what happened in between."""
    late = world.planted("late_rows")
    wait = late["now"].astype(int)
    checks.none("fault late_rows: not one to five days", int((~wait.between(86_400, 5 * 86_400)).sum()))
    now = _as_first(world, leads)
    for dataset, name, records, unseen in (
        ("raw_leads", "pipedrive_leads", now, set(late["id"])),
        ("crm_sales", "stripe_subscriptions", subscriptions, set()),
    ):
        before = world.export(name, "dumps/before")
        gone = set(world.planted("deleted_crm_rows", dataset=dataset)["id"])
        edited = world.planted("edited_crm_rows", dataset=dataset)
        expected = Counter(record["id"] for record in records if record["id"] not in unseen)
        checks.exact(
            f"dump before: rows of {name}",
            expected + Counter(gone),
            Counter(record["id"] for record in before),
        )
        end = {record["id"]: flat(record) for record in records}
        changed = {id_ for id_, _, _ in _differing(end, [r for r in before if r["id"] in end])}
        checks.exact(f"dump before: rows of {name} that were edited since", set(edited["id"]), changed)
        was = {record["id"]: flat(record) for record in before}
        column = {"raw_leads": "owner_id", "crm_sales": "items.data.0.plan.id"}[dataset]
        found = [str(was[id_][column]) for id_ in edited["id"]]
        checks.exact(f"dump before: {column} of {name} before the edit", edited["was"].tolist(), found)


def _cut(world: SaasFolder, checks: Checklist) -> None:
    for path in world.planted("cut_files")["detail"]:
        body = (world.folder / path).read_bytes()
        name = path.rpartition("/")[2]
        whole = (world.folder / "exports" / name).read_bytes()
        checks.exact(
            f"fault cut_files: {name} is the beginning of the export",
            True,
            whole.startswith(body) and body != whole,
        )
        last = body.decode(errors="ignore").splitlines()[-1] if name.endswith("jsonl") else body
        checks.exact(f"fault cut_files: {name} can be read", False, _is_json(last))


def _is_json(text: str | bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _twice(used: Counter[str]) -> list[str]:
    """Return what is there more than once, as often as it is too often."""
    return sorted((used - Counter(dict.fromkeys(used, 1))).elements())
