"""The pipeline's lake of the SaaS world's exports against the answer key.

Belongs here: which truth stands against which output. Does not belong here: reading either side (`score`).

Every lead of this world has a phone and an address of their own, so nothing may be wrong but what faults make
unknowable: who mistyped their address is nobody that the other products know.
"""

import json

import pandas as pd

from funnel_assets.simulate.score import Sides


def score_saas(sides: Sides) -> None:
    """Run every comparison."""
    leads, sales = sides.key("exported_leads"), sides.key("exported_sales")
    told = leads[~leads["lead_id"].isin(_planted(sides, "typo_emails")["id"])]
    _leads(sides, leads)
    _handed_over(sides, leads)
    _sales(sides, told, sales)
    _stages(sides, told, sales)
    _contacts(sides)
    _once(sides)
    _quarantine(sides)


def _planted(sides: Sides, *faults: str, dataset: str = "raw_leads") -> pd.DataFrame:
    """Rows of the answer key of faults; none where none were planted."""
    if not (sides.folder / "answer_key" / "faults.parquet").is_file():
        return pd.DataFrame(columns=["fault", "dataset", "row", "detail", "id", "was", "now", "other"])
    found = sides.key("faults")
    return found[found["fault"].isin(faults) & (found["dataset"] == dataset)]


def _leads(sides: Sides, leads: pd.DataFrame) -> None:
    """Compare submissions, those sent twice included, and who they are."""
    copies = leads[leads["lead_id"].isin(_planted(sides, "duplicate_rows")["id"])]
    names = ["created_at", "utm_campaign"]
    truth = pd.concat([leads, copies]).rename(
        columns={"submitted_at": "created_at", "form_type": "utm_campaign"}
    )
    rows, first = sides.made("raw_leads"), sides.made("dedup_leads")
    sides.equal("leads: when, which form", truth[names], rows[names])
    lost = truth["lead_id"].isin(_planted(sides, *_LOST_PHONES)["id"])
    sides.equal(
        "leads: phones that can't be used",
        truth.loc[lost, ["created_at"]],
        rows.loc[rows["phone"].isna(), ["created_at"]],
    )
    sides.equal(
        "leads: each one person",
        leads[["submitted_at"]],
        first.loc[first["is_new_person"], ["first_touch_at"]],
    )


_LOST_PHONES = ("junk_phones", "scientific_phones")


def _handed_over(sides: Sides, leads: pd.DataFrame) -> None:
    """Compare assignments: Part 2 knows people by phone, so two of one phone are one there."""
    rows = leads[~leads["lead_id"].isin(_planted(sides, *_LOST_PHONES)["id"])]
    assigned = sides.made("crm_assignments")
    sides.equal("assignments: each once", rows[["submitted_at"]], assigned[["assigned_at"]])
    shared = _planted(sides, "family_phones").set_index("id")["other"]
    whose = rows["lead_id"].map(shared).fillna(rows["lead_id"])
    month = rows["submitted_at"].dt.strftime("%Y-%m")
    first = rows.groupby([whose, month])[["submitted_at"]].min()
    sides.equal("leads: each handed over", first, sides.made("assigned_leads")[["assigned_at"]])
    edited = _planted(sides, "edited_crm_rows").set_index("id")["now"]
    mine = rows[rows["lead_id"].isin(edited.index)]
    truth = mine[["submitted_at"]].assign(employee=mine["lead_id"].map(edited))
    moved = assigned["assigned_at"].isin(mine["submitted_at"])
    sides.equal("assignments: edited owners", truth, assigned.loc[moved, ["assigned_at", "employee"]])


def _sales(sides: Sides, leads: pd.DataFrame, sales: pd.DataFrame) -> None:
    """Compare every subscription that was paid, and whose it is; ``leads`` are those that other products know."""
    rows, marts = sides.made("sales_enriched"), sides.made("funnel_marts")
    truth = sales[["sale_id", "paid_at", "amount_cents"]]
    for money in ("total_amount_paise", "net_amount_paise"):
        sides.equal(f"revenue: each sale, {money}", truth, rows[["sale_id", "created_at", money]])
    sides.checks.exact("sales in all", len(sales), int(marts["sales"].sum()))
    for name in ("gross_revenue_paise", "net_revenue_paise"):
        sides.checks.exact(f"{name} in all", int(sales["amount_cents"].sum()), int(marts[name].sum()))
    unnamed = rows[rows["email_key"].isna()]
    sides.checks.exact("sales without e-mail", int(sales["lead"].isna().sum()), len(unnamed))
    sides.checks.none("sales that stand alone", int(unnamed["external_key"].isna().sum()))
    for name, made in (("sales", rows), ("mart", marts)):
        sides.checks.exact(f"currency of the {name}", {"USD"}, set(made["currency"]))
    recent = sales["paid_at"] - sales["submitted_at"] < pd.Timedelta(days=90)
    known = sales[recent & sales["lead"].isin(leads["lead"])][["sale_id", "submitted_at"]]
    found = rows.loc[rows["origin_touch_at"].notna(), ["sale_id", "origin_touch_at"]]
    sides.equal("first touch of each sale", known, found)


def _stages(sides: Sides, leads: pd.DataFrame, sales: pd.DataFrame) -> None:
    """A demo request makes an SQL, a paid subscription a customer, at the moment it happened."""
    rows = sides.made("scored_contacts")
    people = (
        sides.made("dedup_leads").drop_duplicates("first_touch_at").set_index("first_touch_at")["person_id"]
    )
    demos = leads[leads["form_type"] == "demo_request"]
    end = pd.Timestamp(sides.days[-1], tz="UTC") + pd.Timedelta(days=1)
    held = demos[demos["deal_at"] < end]
    for what, asked, at, stages in (
        ("demo requests that are an SQL", demos, "submitted_at", ["SQL", "Opportunity", "Customer"]),
        ("open deals that are an Opportunity", held, "deal_at", ["Opportunity", "Customer"]),
    ):
        first = rows[rows["current_stage"].isin(stages)].groupby("person_id")["date"].min()
        reached = pd.to_datetime(asked["submitted_at"].map(people).map(first)).dt.date
        right = (reached == asked[at].dt.tz_convert("UTC").dt.date).sum()
        sides.share(f"stages: {what} on their day", int(right), len(asked), 1.0)
    customers = set(rows.loc[rows["current_stage"] == "Customer", "person_id"])
    owners = sides.made("sales_enriched").set_index("sale_id")["person_id"]
    right = sales["sale_id"].map(owners).isin(customers).sum()
    sides.share("stages: sales whose person is a customer", int(right), len(sales), 1.0)


def _contacts(sides: Sides) -> None:
    """Visits of nobody known count as visits, and are nobody's contact."""
    events, contacts = sides.made("engagement_events"), sides.made("scored_contacts")
    keys = ["phone_key", "email_key", "external_key"]
    anonymous = "a" + events.loc[events[keys].isna().all(axis=1), "event_id"]
    sides.checks.none("contacts: anonymous visits", int(contacts["person_id"].isin(anonymous).sum()))
    active = sides.made("engagement_summary")["person_id"]
    sides.checks.exact(
        "visits: each anonymous one counted", len(anonymous), int(active.isin(anonymous).sum())
    )


def _once(sides: Sides) -> None:
    """What was sent twice counts once."""
    for dataset, name in (("engagement_events", "event_id"), ("crm_sales", "sale_id")):
        copies = _planted(sides, "duplicate_rows", dataset=dataset)[["id"]]
        rows = sides.made(dataset)
        found = rows.loc[rows[name].isin(copies["id"]), [name]].astype(object)
        sides.equal(f"{dataset}: sent twice, counted once", copies, found)


def _quarantine(sides: Sides) -> None:
    """Quarantine must hold exactly the assignments whose phone was made unusable."""
    lost = _planted(sides, *_LOST_PHONES)
    truth = pd.DataFrame({"source": "pipedrive_owners", "id": lost["id"]})
    rows = sides.quarantine.rows()
    ids = [json.loads(str(raw)).get("id") for raw in rows["raw"]]
    sides.equal("quarantine: exactly the planted rows", truth, rows[["source"]].assign(id=ids))
