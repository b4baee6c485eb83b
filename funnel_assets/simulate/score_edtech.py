"""The pipeline's lake of the ed-tech world against the answer key.

Belongs here: which truth stands against which output, and how good is good enough. Does not belong here: reading
either side (`score`).

Who is who can't always be known: some share a phone, some change it, some give no phone and an address never seen
before. So people are scored twice: as they are (a share that must reach what the records tell), and where the records
tell (exactly).
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from funnel_assets.domain.identity import identify, identity_links
from funnel_assets.simulate.score import Sides
from funnel_assets.simulate.zoom_files import LAYOUTS
from funnel_assets.storage.engine import PandasEngine

_LEAD = ("created_at", "name", "city", "question_1", "utm_source", "utm_medium", "utm_campaign")
_RAW = ("at", "raw_name", "raw_city", "raw_question_1", "raw_utm_source", "raw_utm_medium", "raw_utm_camp")
_SHEETS = {"leads": "leads_sheet", "landing_leads": "landing_pages_sheet"}
WITHOUT_STAFF = {"blank_lines"}
UNPAID = ("Refunded", "Cancelled")
_STAGES = {
    "mql_at": ("MQL", "SQL", "Opportunity", "Customer"),
    "sql_at": ("SQL", "Opportunity", "Customer"),
    "opportunity_at": ("Opportunity", "Customer"),
    "customer_at": ("Customer",),
}


def score_edtech(sides: Sides) -> None:
    """Run every comparison."""
    people = sides.key("people")
    leads = _leads(sides, people)
    zoom = _attendance(sides, people)
    records = _records(sides, leads, zoom)
    one_phone = _identity(sides, records, people)
    _first_touch(sides, records, people, one_phone)
    _stages(sides, records, people, one_phone)
    _funnel(sides, people)
    _money(sides)
    _quarantine(sides)


# --- rows ------------------------------------------------------------------------------------------------------


def _leads(sides: Sides, people: pd.DataFrame) -> pd.DataFrame:
    """Check that every submission is there with its phone and address; return the rows with their true person."""
    key = sides.key("leads")
    key = key[key["expected_fate"] == "loaded"].reset_index(drop=True)
    rows = sides.made("raw_leads")
    truth = pd.DataFrame({"source_name": key["sheet"].map(_SHEETS)})
    for name, raw in zip(_LEAD, _RAW, strict=True):
        truth[name] = key[raw] if raw == "at" else key[raw].str.strip().replace("", None)
    by = ["source_name", *_LEAD]
    sides.equal("submissions, cell by cell", truth, rows[by])
    truth[["person", "has_phone"]] = key[["person", "has_phone"]]
    # Rows equal in all these cells are copies of one submission.
    known = truth.drop_duplicates(by)
    found = rows.merge(known, on=by, how="inner")
    _contacts(sides, "submissions", found, people)
    return found


def _contacts(sides: Sides, what: str, rows: pd.DataFrame, people: pd.DataFrame) -> None:
    """Phones and addresses must be one of those the person has, and there where a usable one was typed."""
    rows = rows[rows["person"].notna()]
    person = people.loc[rows["person"].astype(int)].reset_index(drop=True)
    phone, email = (rows[name].reset_index(drop=True) for name in ("phone", "email"))
    right = (phone == person["phone"]) | (person["has_new_phone"] & (phone == person["new_phone"]))
    has = rows["has_phone"].reset_index(drop=True).astype(bool)
    sides.checks.none(f"{what}: phones read wrong", int((phone.notna() & ~right).sum()))
    sides.checks.none(f"{what}: usable phones lost", int((has & phone.isna()).sum()))
    sides.checks.none(f"{what}: phones out of nothing", int((~has & phone.notna()).sum()))
    mine = email.isna()
    for name in ("email", "second_email", "mistyped_email"):
        mine |= email == person[name]
    sides.checks.none(f"{what}: addresses read wrong", int((~mine).sum()))


def _attendance(sides: Sides, people: pd.DataFrame) -> pd.DataFrame:
    """Check who attended what for how long; return the rows with their true person."""
    key = _guests(sides, people)
    key = key[(key["registered"] | key["reported"]) & ~key["is_shared"]]
    rows = sides.made("zoom_attendance")
    owner = pd.concat(
        [
            pd.Series(people["person"].to_numpy(), people[name])
            for name in ("email", "second_email", "mistyped_email")
        ]
    )
    rows["person"] = rows["email"].map(owner[~owner.index.duplicated()])
    shared = _guests(sides, people)[["webinar_id", "date", "person", "is_shared"]]
    rows = rows.merge(shared, on=["webinar_id", "date", "person"], how="left")
    rows = rows[rows["is_shared"].isna() | (rows["is_shared"] == False)]  # noqa: E712 - null is neither
    whole = key["reported"] & key["registration_reported"]
    events = set(zip(key.loc[whole, "webinar_id"], key.loc[whole, "date"], strict=True))
    of_whole = pd.Series(list(zip(rows["webinar_id"], rows["date"], strict=True)), rows.index).isin(events)
    names = ["webinar_id", "date", "person", "attendance_type", "union_seconds", "minutes", "rejoin_count"]
    found = rows.rename(
        columns={"time_in_session_seconds": "union_seconds", "time_in_session_minutes": "minutes"}
    )
    listed = whole & ~key["dialled_in"]
    sides.equal(
        "attendance: who, how, minutes, rejoins", key.loc[listed, names], _whole(found[of_whole], names)
    )
    dialled = whole & key["dialled_in"]
    names.remove("person")
    nameless = of_whole & found["person"].isna()
    sides.equal(
        "attendance: people known by a name only", key.loc[dialled, names], found.loc[nameless, names]
    )
    seconds = int(key.loc[whole, "union_seconds"].sum())
    sides.checks.exact(
        "attendance: seconds in all", seconds, int(rows.loc[of_whole, "time_in_session_seconds"].sum())
    )
    partly = ~key["reported"] & key["registration_reported"] & key["registered"]
    names = ["webinar_id", "date", "person"]
    registered = rows[~of_whole & (rows["attendance_type"] != "walk_in")]
    sides.equal("attendance: registrants of cut reports", key.loc[partly, names], _whole(registered, names))
    told = key[["webinar_id", "date", "person", "has_phone", "registration_reported"]]
    both = rows.merge(told, on=["webinar_id", "date", "person"])
    _contacts(sides, "attendance", both[both["registration_reported"]], people)
    return both


def _guests(sides: Sides, people: pd.DataFrame) -> pd.DataFrame:
    """Return who was or should have been at an event. Guests of one event with one phone count as one person there.

    ``guest`` names them together, ``is_shared`` says that it names several.
    """
    key = sides.key("attendance")
    # A report without sections of its staff lists them as attendees, and nothing tells them apart.
    untold = (key["role"] == "listed_panelist") & key["event"].isin(_webinars(sides, WITHOUT_STAFF))
    key = key[(key["role"] == "attendee") | untold].reset_index(drop=True)
    phone = people["phone"].loc[key["person"]].reset_index(drop=True)
    key["guest"] = phone.where(key["has_phone"], key["person"].astype(str))
    key["is_shared"] = key.duplicated(["event", "guest"], keep=False)
    return key


def _webinars(sides: Sides, layouts: Collection[str]) -> pd.Series:
    """Return the numbers of the events of which an Attendee Report of these layouts came whole."""
    files = sides.key("zoom_files")
    whole = files["in_inbox"] & ~files["cut"]
    return files.loc[
        whole & (files["kind"] == "attendee") & files["layout"].isin(layouts), "events"
    ].explode()


def _whole(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return rows.loc[rows["person"].notna(), list(names)].astype({"person": int})


# --- people ----------------------------------------------------------------------------------------------------


def _records(sides: Sides, leads: pd.DataFrame, zoom: pd.DataFrame) -> pd.DataFrame:
    """Grain: one record of a known person. Columns: person, record, pid, phone_key, email_key, date, at, kind."""
    engine = PandasEngine()
    days = sides.days
    lake = sides.lake
    parts = {
        "raw_leads": ("lead_id", "created_at"),
        "zoom_attendance": ("attendance_id", "touched_at"),
        "engagement_events": ("event_id", "event_at"),
    }
    names = ("email_key", "phone_key", "phone", "date")
    called = {"raw_leads": ("name",), "zoom_attendance": ("first_name",), "engagement_events": ()}
    frames = {
        name: engine.scan(lake, name, days, [*names, *called[name], *ids]) for name, ids in parts.items()
    }
    links = identity_links(*frames.values())
    events = sides.key("engagement")
    events = events[events["position"].notna() & events["copy_of"].isna()]
    owners = {
        "raw_leads": leads[["lead_id", "person"]],
        "zoom_attendance": zoom[["attendance_id", "person"]],
        "engagement_events": events[["event_id", "person"]],
    }
    sides.equal(
        "events: each once", events[["event_id"]], frames["engagement_events"][["event_id"]].astype(object)
    )
    found = []
    for name, (record, at) in parts.items():
        of_people = identify(frames[name], links, record)
        plain = of_people[[record, "person_id", "phone_key", "email_key", "date", at]].astype(object)
        plain = plain.merge(owners[name], on=record).rename(
            columns={record: "record", "person_id": "pid", at: "at"}
        )
        found.append(plain.assign(kind=name))
    sales = sides.made("sales_enriched").merge(sides.key("sales")[["sale_id", "person"]], on="sale_id")
    sales = sales.rename(columns={"sale_id": "record", "person_id": "pid", "created_at": "at"})
    found.append(sales[list(found[0].columns.drop("kind"))].assign(kind="crm_sales"))
    records = pd.concat(found, ignore_index=True)
    return records[records["person"].notna()].astype({"person": int})


def _pairs(*columns: pd.Series) -> int:
    """Number of pairs of records that agree in all columns."""
    sizes = pd.concat(columns, axis=1).value_counts().to_numpy()
    return int((sizes * (sizes - 1) // 2).sum())


def _identity(sides: Sides, records: pd.DataFrame, people: pd.DataFrame) -> "pd.Series[bool]":
    """Score who is who; return of each person whether they alone use their phone, and only that one."""
    person, pid = records["person"], records["pid"]
    together = _pairs(person, pid)
    sharers = person.map(people["phone"])
    told_apart = _pairs(person) / _pairs(sharers)
    phones = records[records["phone_key"].notna()]
    told_together = _pairs(phones["person"], phones["phone_key"]) / _pairs(person)
    # A phone that several share outweighs its people's shares: pairs grow with the square.
    sides.share("identity: precision", together, _pairs(pid), told_apart - 0.01)
    sides.share("identity: recall", together, _pairs(person), told_together)
    number = people["phone"].where(
        ~people["has_new_phone"], people["phone"] + "/" + people["person"].astype(str)
    )
    strangers = _pairs(pid) - _pairs(pid, sharers)
    sides.checks.none("identity: people of different phones taken for one", strangers)
    own = ~number.duplicated(keep=False) & ~people["has_new_phone"]
    known = records[own.loc[person].to_numpy()]
    by_phone = known[known["phone_key"].notna()]
    split = int((by_phone.groupby("person")["pid"].nunique() > 1).sum())
    sides.checks.none("identity: people of one phone taken for several", split)
    sides.checks.none("identity: records not under the phone of their address", _unlinked(known))
    return own


def _unlinked(records: pd.DataFrame) -> int:
    """Count records without a phone whose address had been seen with one by the end of their day."""
    seen = records[
        records["phone_key"].notna() & records["email_key"].notna() & (records["kind"] != "crm_sales")
    ]
    first = seen.groupby("email_key").agg(since=("date", "min"), known=("phone_key", "first"))
    asked = records[records["phone_key"].isna()].join(first, on="email_key", how="inner")
    asked = asked[asked["since"] <= asked["date"]]
    return int((asked["pid"] != asked["known"]).sum())


def _first_touch(
    sides: Sides, records: pd.DataFrame, people: pd.DataFrame, one_phone: "pd.Series[bool]"
) -> None:
    """Score each person's first touch: when (day for Zoom, second for forms), and where from."""
    leads = sides.made("dedup_leads").sort_values(["date", "person_id"], kind="stable")
    first = leads.drop_duplicates("person_id").set_index("person_id")
    touches = records[records["kind"].isin(["raw_leads", "zoom_attendance"])]
    begun = touches.sort_values(["date", "at"], kind="stable").drop_duplicates("person").set_index("person")
    truth = people[people["first_touch_at"].notna()].set_index("person")
    truth = truth[truth.index.isin(begun.index)]
    pid = begun.loc[truth.index, "pid"]
    sides.checks.none("first touch: people who are nobody's lead", int((~pid.isin(first.index)).sum()))
    found = first.reindex(pid).set_index(truth.index)
    by_form = truth["first_touch_kind"] == "sheet"
    day = truth["first_touch_at"].dt.tz_convert("Asia/Kolkata").dt.date
    same = found["date"] == day
    form = (found["first_touch_at"] == truth["first_touch_at"]) & (
        found["first_funnel"] == truth["first_funnel"]
    )
    for name in ("first_source", "first_medium", "first_campaign"):
        form &= found[name].fillna("").str.strip().str.lower() == truth[name].str.strip().str.lower()
    right = same & (form | ~by_form)
    clear = one_phone.loc[truth.index]
    sides.share("first touch: right", int(right.sum()), len(right), float(clear.mean()))
    sides.checks.none("first touch: wrong, of people with a phone of their own", int((~right & clear).sum()))


def _stages(sides: Sides, records: pd.DataFrame, people: pd.DataFrame, one_phone: "pd.Series[bool]") -> None:
    """Score the day each stage was reached, of people who stand under one id and whose events are all reported."""
    rows = sides.made("scored_contacts")
    attended = sides.key("attendance")
    hidden = attended.loc[attended["attended"] & (~attended["reported"] | attended["dialled_in"]), "person"]
    ids = records.groupby("person")["pid"].agg(["first", "nunique"])
    ids = ids[(ids["nunique"] == 1) & one_phone.loc[ids.index] & ~ids.index.isin(hidden)]["first"]
    moments = people.set_index("person").loc[ids.index, list(_STAGES)]
    # A sale that was taken back or deleted since makes nobody a customer; a deal that was told as closed does.
    sales, told = sides.key("sales"), sides.key("engagement")
    paid = sales[sales["line"].notna() & ~sales["status"].isin(UNPAID)].groupby("person")["at"].min()
    closed = (
        told[(told["event_type"] == "deal_closed") & told["position"].notna()].groupby("person")["at"].min()
    )
    moments["customer_at"] = pd.concat([paid, closed], axis=1).min(axis=1).reindex(ids.index)
    for place, stages in enumerate(_STAGES.values()):
        reached = rows[rows["current_stage"].isin(stages)].groupby("person_id")["date"].min()
        truth = moments.iloc[:, place:].min(axis=1).dt.tz_convert("Asia/Kolkata").dt.date
        found = ids.map(reached)
        asked = truth.notna() | found.notna()
        right = (truth == found)[asked]
        sides.share(f"stages: day of {stages[0]}", int(right.sum()), int(asked.sum()), 1.0)


# --- figures ---------------------------------------------------------------------------------------------------


def _funnel(sides: Sides, people: pd.DataFrame) -> None:
    """Compare counts per day, and who was handed over to sales."""
    marts = sides.made("funnel_marts").groupby("date")[["registrations", "attended"]].sum().astype(int)
    guests = _guests(sides, people)
    partly = set(guests.loc[~(guests["reported"] & guests["registration_reported"]), "date"])
    each = guests.groupby(["date", "event", "guest"])[["registered", "attended"]].any()
    per_day = each.groupby("date").sum().reset_index()
    per_day = per_day[~per_day["date"].isin(partly)]
    found = marts.reindex(per_day["date"]).fillna(0).astype(int).reset_index()
    found.columns = per_day.columns
    sides.equal("funnel: registered and attended a day", per_day, found)
    made = sides.key("assignments")
    made = made[made["line"].notna() & made["has_phone"]]
    made = made.assign(
        phone=people["phone"].loc[made["person"]].to_numpy(),
        month=made["at"].dt.tz_convert("Asia/Kolkata").dt.strftime("%Y-%m"),
    )
    firsts = made.sort_values("at", kind="stable").drop_duplicates(["phone", "month"])
    names = ["date", "phone", "assigned_at", "first_source", "funnel", "employee"]
    truth = firsts.rename(columns={"at": "assigned_at", "source": "first_source"})
    truth["first_source"] = truth["first_source"].replace("", None)
    sides.equal("funnel: handovers, first of each month", truth[names], sides.made("assigned_leads")[names])
    month = people["first_touch_at"].dt.tz_convert("Asia/Kolkata").dt.strftime("%Y-%m")
    new = sides.made("dedup_leads")
    new = new[new["is_new_person"]]
    counted = pd.to_datetime(new["date"]).dt.strftime("%Y-%m").value_counts()
    for name, size in month.value_counts().sort_index().items():
        off = 0.02 * size + 3 * np.sqrt(size * 0.01) + 1
        sides.checks.close(f"funnel: new people in {name}", size, int(counted.get(name, 0)), off)


def _money(sides: Sides) -> None:
    """Compare sales, revenue and spend per day and funnel, to the paisa."""
    key = sides.key("sales")
    key = key[key["line"].notna()]
    rows = sides.made("sales_enriched")
    names = ["sale_id", "date", "status", "total_amount_paise", "net_amount_paise", "paid_amount_paise"]
    truth = key.rename(
        columns={
            "gross_paise": "total_amount_paise",
            "net_paise": "net_amount_paise",
            "paid_paise": "paid_amount_paise",
        }
    )
    sides.equal("revenue: each sale, to the paisa", truth[names], rows[names])
    sides.equal(
        "revenue: final funnel of each sale",
        key[["sale_id", "final_funnel"]],
        rows[["sale_id", "final_funnel"]],
    )
    marts = sides.made("funnel_marts")
    paid = key[~key["status"].isin(UNPAID)]
    true_sales = paid.groupby(["date", "final_funnel"]).agg(
        sales=("sale_id", "size"), gross=("gross_paise", "sum"), net=("net_paise", "sum")
    )
    made = marts.groupby(["date", "funnel"])[["sales", "gross_revenue_paise", "net_revenue_paise"]].sum()
    sides.equal(
        "funnel: sales and revenue per day and funnel", true_sales.reset_index(), _nonzero(made, "sales")
    )
    spend = sides.key("spend")
    spend = spend[spend["shown"]]
    true_spend = spend.groupby(["date", "funnel"])[["cost_paise", "clicks", "impressions"]].sum()
    made = marts.groupby(["date", "funnel"])[["spend_paise", "clicks", "impressions"]].sum()
    sides.equal(
        "spend per day and funnel, to the paisa", true_spend.reset_index(), _nonzero(made, "spend_paise")
    )
    sides.checks.exact(
        "revenue in all, paise", int(paid["net_paise"].sum()), int(marts["net_revenue_paise"].sum())
    )
    sides.checks.exact("spend in all, paise", int(spend["cost_paise"].sum()), int(marts["spend_paise"].sum()))


def _nonzero(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return rows[rows[name] != 0].astype(int).reset_index()


def _quarantine(sides: Sides) -> None:
    """Quarantine must hold exactly what was planted as unusable."""
    rows = sides.quarantine.rows()
    leads, assigned, files = (sides.key(name) for name in ("leads", "assignments", "zoom_files"))
    attendance = sides.key("attendance")
    undated = leads[leads["expected_fate"] == "quarantine"]
    truth = [
        ("raw_leads", _SHEETS[sheet], int(line))
        for sheet, line in zip(undated["sheet"], undated["line"], strict=True)
    ]
    lost = assigned.loc[assigned["line"].notna() & ~assigned["has_phone"], "line"]
    truth += [("crm_assignments", "crm_assignments", int(line)) for line in lost]
    here = rows[rows["dataset"] != "zoom_attendance"].astype({"line": int})
    names = ["dataset", "source", "line"]
    sides.equal(
        "quarantine: exactly the planted rows",
        pd.DataFrame(truth, columns=names),
        here[names],
    )
    zoom = rows[rows["dataset"] == "zoom_attendance"]
    cut = files.loc[files["cut"] & files["in_inbox"], ["file"]]
    sides.equal("quarantine: exactly the cut reports", cut, zoom.loc[zoom["line"].isna(), ["file"]])
    # A meeting's participant list shows staff without a role, each once.
    told = _webinars(sides, set(LAYOUTS) - WITHOUT_STAFF)
    crew = attendance[(attendance["role"] == "listed_panelist") & attendance["event"].isin(told)]
    set_aside = zoom[zoom["line"].notna()]
    sides.checks.exact("quarantine: staff listed as attendees", len(crew), len(set_aside))
    other = set(set_aside["reason"]) - {"host_or_panelist"}
    sides.checks.exact("quarantine: other reasons for rows of reports", "", ", ".join(sorted(other)))
