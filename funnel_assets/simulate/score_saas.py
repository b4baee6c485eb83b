"""The pipeline's lake of the SaaS world's exports against the answer key.

Belongs here: which truth stands against which output. Does not belong here: reading either side (`score`).

Every lead of this world has a phone and an address of their own, so nothing may be wrong.
"""

import pandas as pd

from funnel_assets.simulate.score import Sides


def score_saas(sides: Sides) -> None:
    """Run every comparison."""
    leads, sales = sides.key("exported_leads"), sides.key("exported_sales")
    _leads(sides, leads)
    _sales(sides, sales)
    _stages(sides, leads, sales)
    sides.checks.exact("quarantine: rows", 0, len(sides.quarantine.rows()))


def _leads(sides: Sides, leads: pd.DataFrame) -> None:
    """Compare leads, who they are, and who was handed over."""
    names = ["created_at", "utm_campaign"]
    truth = leads.rename(columns={"submitted_at": "created_at", "form_type": "utm_campaign"})[names]
    sides.equal("leads: when, which form", truth, sides.made("raw_leads")[names])
    first = sides.made("dedup_leads")
    sides.equal(
        "leads: each one person", truth[["created_at"]], first.loc[first["is_new_person"], ["first_touch_at"]]
    )
    sides.equal(
        "leads: each handed over", truth[["created_at"]], sides.made("assigned_leads")[["assigned_at"]]
    )


def _sales(sides: Sides, sales: pd.DataFrame) -> None:
    """Compare every subscription that was paid, and whose it is."""
    rows, marts = sides.made("sales_enriched"), sides.made("funnel_marts")
    truth = sales[["sale_id", "paid_at", "amount_cents"]]
    for money in ("total_amount_paise", "net_amount_paise"):
        sides.equal(f"revenue: each sale, {money}", truth, rows[["sale_id", "created_at", money]])
    sides.checks.exact("sales in all", len(sales), int(marts["sales"].sum()))
    for name in ("gross_revenue_paise", "net_revenue_paise"):
        sides.checks.exact(f"{name} in all", int(sales["amount_cents"].sum()), int(marts[name].sum()))
    recent = sales["paid_at"] - sales["submitted_at"] < pd.Timedelta(days=90)
    known = sales[recent][["sale_id", "submitted_at"]]
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
