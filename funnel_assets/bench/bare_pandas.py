"""One day's mart from the sources' files, in plain pandas: what the daily run is measured against.

No Dagster, no lake, no PostgreSQL, no contract, nothing kept: whoever writes this keeps no history either, and reads
every file again each day. Cells and reports are read by the project's own parsers; everything after is a second
telling of SPEC 6 for a single day, so the benchmark also compares its rows with the pipeline's.

    python -m funnel_assets.bench.bare_pandas --dumps DIR --config DIR --inbox DIR --date 2026-03-22 --out mart.parquet
"""

import argparse
import datetime as dt
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from funnel_assets.domain.attendance import attendance_days
from funnel_assets.domain.keys import Pseudonyms
from funnel_assets.domain.parsing import SourceContext, parse
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.errors import FunnelError
from funnel_assets.sources.zoom.reader import read_report

TIMEZONE = "Asia/Kolkata"
PSEUDONYMS = Pseudonyms(b"any secret: marts hold no keys")
MISCELLANEOUS = "Other Sources (Miscellaneous)"
NONE = "Unknown"
UNPAID = "fail|cancel|refund|chargeback|revers|declin|reject|bounce|void"
LOOK_BACK = dt.timedelta(days=90)
DIMENSIONS = ["funnel", "source", "medium", "campaign"]
MEASURES = [
    "leads",
    "registrations",
    "attended",
    "handovers",
    "handovers_attended",
    "sales",
    "gross_revenue_paise",
    "net_revenue_paise",
    "spend_paise",
    "impressions",
    "clicks",
]
_STAMP = ("%Y-%m-%d %H:%M:%S",)
_LANDING = {
    "Full Name": "Name",
    "utm_source": "utmSource",
    "utm_medium": "utmMedium",
    "utm_campaign": "utmCamp",
    "Submitted at": "created date",
}
_EVENT_TEXTS = [
    "event_id",
    "email",
    "phone",
    "company",
    "industry",
    "event_type",
    "channel",
    "event_time",
]


@dataclass(frozen=True)
class Read:
    """Everything read from the files: rows of each source dataset, and the config tables."""

    leads: pd.DataFrame
    zoom: pd.DataFrame
    events: pd.DataFrame
    assignments: pd.DataFrame
    sales: pd.DataFrame
    spend: pd.DataFrame
    config: dict[str, pd.DataFrame]


def mart_of_day(dumps: Path, config: Path, inbox: Path, day: dt.date) -> pd.DataFrame:
    """Return the mart's rows of one day: the dimensions and the figures of contract ``funnel_marts``."""
    read = _read(dumps, config, inbox, day)
    links = _links(read)
    touches = _touches(read, links, day)
    heads = _firsts(touches[touches["date"] >= day.replace(day=1)])
    parts = [
        _leads(read, heads, day),
        _attendance(read, links, heads, day),
        _handovers(read, day),
        _sales(read, links, touches, day),
        _spend(read, day),
    ]
    rows = pd.concat(parts, ignore_index=True)
    for name in DIMENSIONS:
        blank = MISCELLANEOUS if name == "funnel" else NONE
        text = rows[name].astype("str").str.strip()
        rows[name] = text.where(text.notna() & (text != ""), blank)
    rows = rows.reindex(columns=[*DIMENSIONS, *MEASURES])
    rows[MEASURES] = rows[MEASURES].fillna(0).astype("int64")
    return rows.groupby(DIMENSIONS, as_index=False)[MEASURES].sum()


# --- reading -----------------------------------------------------------------------------------------------


def _read(dumps: Path, config: Path, inbox: Path, day: dt.date) -> Read:
    names = ("funnel_mapping", "manual_mapping", "manual_funnels", "categories", "conductors", "placeholders")
    tables = {name: _texts(config / f"{name}.csv") for name in names}
    banned = frozenset(tables["placeholders"]["value"])

    def rows(dataset: str, name: str, table: pd.DataFrame, order: int = 0, **how: object) -> pd.DataFrame:
        context = SourceContext(dataset, name, order, placeholders=banned, pseudonyms=PSEUDONYMS, **how)  # type: ignore[arg-type]
        found = parse(table.assign(line=range(2, len(table) + 2)), context).rows
        return found[found["date"] <= day]

    landing = _texts(dumps / "sheets/landing_leads.csv").rename(columns=_LANDING)
    leads = [
        rows("raw_leads", "leads_sheet", _texts(dumps / "sheets/leads.csv"), 0, date_formats=_STAMP),
        rows("raw_leads", "landing_pages_sheet", landing, 1, date_formats=("%d/%m/%Y %H:%M",)),
    ]
    events = pd.DataFrame(json.loads((dumps / "events.json").read_text()), columns=_EVENT_TEXTS, dtype="str")
    sales = _texts(dumps / "crm/sales.csv")
    assignments = _texts(dumps / "crm/assignments.csv")
    spend = _texts(dumps / "spend.csv")
    return Read(
        leads=pd.concat(leads, ignore_index=True),
        zoom=_zoom(inbox, tables, banned, day),
        events=rows("engagement_events", "events", events),
        assignments=rows("crm_assignments", "crm_assignments", assignments, date_formats=_STAMP),
        sales=rows("crm_sales", "crm_sales", sales, timezone="UTC", date_formats=(*_STAMP, "%Y-%m-%d")),
        spend=rows("spend", "spend_sheet", spend, date_formats=_STAMP),
        config=tables,
    )


def _texts(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""])


def _zoom(inbox: Path, tables: dict[str, pd.DataFrame], banned: frozenset[str], day: dt.date) -> pd.DataFrame:
    reports = []
    for path in sorted(inbox.iterdir()):
        landed = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        try:
            reports.append(
                read_report(path.read_bytes(), file=path.name, timezone=TIMEZONE, landed_at=landed)
            )
        except FunnelError:
            continue  # no report: the pipeline has a quarantine for it, a bare script doesn't
    rows = attendance_days(
        reports,
        categories=tables["categories"],
        conductors=tables["conductors"],
        normalise_phones=partial(normalize_phones, placeholders=banned),
        timezone=TIMEZONE,
    ).rows
    rows = rows.assign(
        phone_key=PSEUDONYMS.phone_keys(rows["phone"]), email_key=PSEUDONYMS.email_keys(rows["email"])
    )
    return rows[rows["date"] <= day]


# --- people ------------------------------------------------------------------------------------------------


def _links(read: Read) -> pd.DataFrame:
    sighted = [
        frame[["email_key", "phone_key", "date"]].assign(
            seen_at=frame[at], first_name=_first_letters(frame[name]) if name else None
        )
        for frame, at, name in (
            (read.leads, "created_at", "name"),
            (read.zoom, "touched_at", "first_name"),
            (read.events, "event_at", None),
        )
    ]
    return pd.concat(sighted, ignore_index=True).dropna(subset=["email_key", "phone_key"])


def _first_letters(names: pd.Series) -> pd.Series:
    plain = names.astype("str").str.lower().str.replace("^[^a-z]+", "", regex=True).where(names.notna(), "")
    plain = plain.str.replace("^[^ ,]+ *, *", "", regex=True)
    plain = plain.str.replace(r"^(?:mr|mrs|ms|miss|dr|prof|shri|smt)[. ]+", "", regex=True)
    letters = plain.str.replace("[^a-z].*$", "", regex=True).str[:3]
    return letters.where(letters != "")


def _strangers(links: pd.DataFrame) -> pd.DataFrame:
    """E-mails that came to a phone with another first name than its first one, and since when."""
    named = links.dropna(subset=["first_name"]).sort_values(["date", "seen_at", "email_key"])
    pairs = named.drop_duplicates(["phone_key", "email_key"])
    holders = pairs.drop_duplicates("phone_key")[["phone_key", "first_name"]]
    pairs = pairs.merge(holders, on="phone_key", suffixes=("", "_holder"))
    same = [
        one.startswith(other) or other.startswith(one)
        for one, other in zip(pairs["first_name"], pairs["first_name_holder"], strict=True)
    ]
    return pairs.loc[[not one for one in same], ["email_key", "phone_key", "date"]].rename(
        columns={"date": "since"}
    )


def _own(records: pd.DataFrame, strangers: pd.DataFrame) -> pd.Series:
    found = records[["email_key", "phone_key", "date"]].merge(
        strangers, how="left", on=["email_key", "phone_key"]
    )
    strange = (found["since"].notna() & (found["since"] <= found["date"])).to_numpy()
    return records["phone_key"].where(~strange)


def _persons(records: pd.DataFrame, links: pd.DataFrame, record_id: str) -> pd.Series:
    """The phone, else the phone last known for the e-mail up to the record's day, else the e-mail, else alone."""
    strangers = _strangers(links)
    records = records.assign(phone_key=_own(records, strangers))
    links = links.assign(phone_key=_own(links, strangers)).dropna(subset=["phone_key"])
    need = records[records["phone_key"].isna() & records["email_key"].notna()]
    need = need[["email_key", "date"]].drop_duplicates()
    met = need.merge(links, on="email_key", suffixes=("", "_seen"))
    met = met[met["date_seen"] <= met["date"]].sort_values(["date_seen", "seen_at", "phone_key"])
    known = met.groupby(["email_key", "date"])["phone_key"].last().rename("known")
    found = records.merge(known, how="left", left_on=["email_key", "date"], right_index=True)
    person = found["phone_key"].fillna(found["known"]).fillna(found["email_key"])
    return person.fillna("a" + found[record_id].astype("str"))


def _touches(read: Read, links: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    leads, zoom = read.leads, read.zoom
    registered = zoom["registration_source"].astype("str")
    given = registered.str.contains("[^#0-9 .:()/_-]", na=False)
    form = leads.rename(
        columns={
            "lead_id": "touch_id",
            "created_at": "touched_at",
            "utm_source": "source",
            "utm_medium": "medium",
            "utm_campaign": "campaign",
        }
    )
    event = zoom.rename(columns={"attendance_id": "touch_id", "webinar_name": "campaign"}).assign(
        source=registered.where(given, zoom["event_type"]), medium="zoom", source_order=1_000_000
    )
    names = ["touch_id", "touched_at", "source", "medium", "campaign", "source_order", "date"]
    names += ["phone_key", "email_key"]
    touches = pd.concat([form[names], event[names]], ignore_index=True)
    touches = touches[touches["date"] >= day - LOOK_BACK]
    touches = touches.assign(person_id=_persons(touches, links, "touch_id"))
    return touches.sort_values(["date", "touched_at", "source_order", "touch_id"])


def _firsts(touches: pd.DataFrame) -> pd.DataFrame:
    return touches.drop_duplicates("person_id")[["person_id", "date", "source", "medium", "campaign"]]


# --- the five parts of the mart ----------------------------------------------------------------------------


def _funnels(read: Read, source: pd.Series, day: pd.Series) -> pd.Series:
    rules = read.config["funnel_mapping"]
    rules = rules.dropna(subset=["source", "funnel"]).assign(key=rules["source"].str.strip().str.lower())
    for name, ends in (("valid_from", "0001-01-01"), ("valid_to", "9999-12-31")):
        rules[name] = rules[name].fillna(ends)
    asked = pd.DataFrame(
        {"key": source.astype("str").str.strip().str.lower(), "day": day.astype(str)}, index=source.index
    )
    met = asked.reset_index(names="row").merge(rules, on="key")
    met = met[(met["valid_from"] <= met["day"]) & (met["day"] <= met["valid_to"])]
    best = met.sort_values(["valid_from", "funnel"]).groupby("row")["funnel"].last()
    return best.reindex(source.index).fillna(MISCELLANEOUS)


def _leads(read: Read, heads: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    of_day = heads[heads["date"] == day]
    return of_day.assign(leads=1, funnel=_funnels(read, of_day["source"], of_day["date"]))


def _attendance(read: Read, links: pd.DataFrame, heads: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    of_day = read.zoom[read.zoom["date"] == day]
    counted = pd.DataFrame(
        {
            "person_id": _persons(of_day, links, "attendance_id"),
            "registrations": of_day["attendance_type"].isin(["attended", "no_show"]).astype(int),
            "attended": (of_day["attended"] == "Y").astype(int),
        }
    ).merge(heads, on="person_id", how="left")
    return counted.assign(funnel=_funnels(read, counted["source"], counted["date"]))


def _handovers(read: Read, day: dt.date) -> pd.DataFrame:
    month = read.assignments[read.assignments["date"] >= day.replace(day=1)]
    heads = month.sort_values(["assigned_at", "dump_rank", "assignment_id"]).drop_duplicates("phone_key")
    heads = heads[heads["date"] == day]
    seen = read.zoom[(read.zoom["attended"] == "Y") & (read.zoom["date"] >= day - LOOK_BACK)]
    return pd.DataFrame(
        {
            "funnel": _funnels(read, heads["lead_source"], heads["date"]),
            "source": heads["lead_source"],
            "medium": None,
            "campaign": None,
            "handovers": 1,
            "handovers_attended": heads["phone_key"].isin(seen["phone_key"].dropna()).astype(int),
        }
    )


def _sales(read: Read, links: pd.DataFrame, touches: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    sold = read.sales[read.sales["date"] == day]
    sold = sold[~sold["status"].fillna("").str.lower().str.contains(UNPAID)]
    sold = sold.assign(person_id=_persons(sold, links, "sale_id"), final=_final_funnel(read, sold))
    told = sold.drop(columns=["source", "date"], errors="ignore").merge(
        _firsts(touches), on="person_id", how="left"
    )
    return pd.DataFrame(
        {
            "funnel": told["final"],
            "source": told["source"],
            "medium": told["medium"],
            "campaign": told["campaign"],
            "sales": 1,
            "gross_revenue_paise": told["total_amount_paise"],
            "net_revenue_paise": told["net_amount_paise"],
        }
    )


def _final_funnel(read: Read, sold: pd.DataFrame) -> pd.Series:
    manual = read.config["manual_mapping"].set_index("sale_id")["value"]
    values = read.config["manual_funnels"]
    looked_up = dict(zip(values["value"].map(_trimmed).str.lower(), values["funnel"], strict=True))
    found = []
    for sale, funnel in zip(sold["sale_id"], sold["funnel"], strict=True):
        crm = funnel if isinstance(funnel, str) and funnel else None
        value = manual.get(sale)
        typed = value if isinstance(value, str) else ""
        if crm is not None and _trimmed(crm).lower() == MISCELLANEOUS.lower():
            found.append(looked_up.get(_trimmed(typed).lower(), crm))
        else:
            found.append(typed or crm or MISCELLANEOUS)
    return pd.Series(found, index=sold.index, dtype="str")


def _trimmed(text: str) -> str:
    return " ".join(filter(None, text.split(" ")))


def _spend(read: Read, day: dt.date) -> pd.DataFrame:
    of_day = read.spend[read.spend["date"] == day]
    return pd.DataFrame(
        {
            "funnel": of_day["funnel"],
            "source": of_day["platform"],
            "medium": of_day["campaign_type"],
            "campaign": of_day["campaign"],
            "spend_paise": of_day["cost_paise"],
            "impressions": of_day["impressions"],
            "clicks": of_day["clicks"],
        }
    )


def main() -> None:
    """Write one day's mart as Parquet."""
    parser = argparse.ArgumentParser(description="One day's mart in plain pandas.")
    for name in ("dumps", "config", "inbox", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--date", type=dt.date.fromisoformat, required=True)
    given = parser.parse_args()
    mart_of_day(given.dumps, given.config, given.inbox, given.date).to_parquet(given.out)


if __name__ == "__main__":
    main()
