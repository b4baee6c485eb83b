"""Small random worlds for the domain tests: few people, many ties, blanks, duplicates and changes of case."""

import datetime as dt
import random
from typing import Any

import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.link_rows import (
    CANNOT_LINK,
    MUST_LINK,
    LinkRow,
    apart_table,
    contradictions,
    people_table,
)

START = dt.date(2026, 1, 20)
IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
SOURCES = ("fb", "FB ", " google", "Google", "youtube", "unknown_src", None, "")
FUNNELS = ("ACCA", "CFA", "Other Sources (Miscellaneous)", " other sources (MISCELLANEOUS) ", None, "")

MAPPING_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("source", "funnel", "status")),
        *((name, pa.date32()) for name in ("valid_from", "valid_to")),
    ]
)
MANUAL_SCHEMA = pa.schema([("sale_id", pa.string()), ("value", pa.string())])
MANUAL_FUNNELS_SCHEMA = pa.schema([("value", pa.string()), ("funnel", pa.string())])
PRESENT_SCHEMA = pa.schema(
    [("date", pa.date32()), *((f"has_{part}", pa.bool_()) for part in ("marketing", "spend", "sales"))]
)
OVERRIDES_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("person_id", "field", "value", "reason", "author")]
    + [("effective_on", pa.date32()), ("expires_on", pa.date32())]
)


def table(dataset: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of a dataset's contract; columns not given are null, or 0 where null isn't allowed."""
    schema = arrow_schema(CONTRACTS[dataset])
    filled = [{**dict.fromkeys(schema.names), **row} for row in rows]
    return pa.Table.from_pylist(filled, schema=schema)


def at(day: dt.date, minutes: int = 600) -> dt.datetime:
    """Return the instant of a local (Asia/Kolkata) day and minute, in UTC.

    In UTC already, because importing pandera makes Arrow ignore the zone of Python's datetimes
    (PYARROW_IGNORE_TIMEZONE).
    """
    local = dt.datetime.combine(day, dt.time(), IST) + dt.timedelta(minutes=minutes)
    return local.astimezone(dt.UTC)


def phone(number: int) -> dict[str, str]:
    """Return the phone columns of an invented phone."""
    return {"phone": f"9198000000{number:02d}", "phone_key": f"p{number:02d}"}


def email(number: int) -> dict[str, str]:
    """Return the e-mail columns of an invented e-mail."""
    return {"email": f"u{number}@example.com", "email_key": f"e{number:02d}"}


def plain(found: list[dict[str, Any]], names: list[str]) -> list[tuple[Any, ...]]:
    """Return a slow model's rows as ``engines.rows`` returns a table's."""
    return sorted(
        (
            tuple(
                row[name].astimezone(dt.UTC) if isinstance(row[name], dt.datetime) else row[name]
                for name in names
            )
            for row in found
        ),
        key=repr,
    )


class World:
    """A random world of a few people over some days, as Arrow tables by dataset name."""

    def __init__(self, seed: int, *, days: int = 40, people: int = 8, rows: int = 60) -> None:
        self.random = random.Random(seed)
        self.ids = random.Random(seed)
        self.days = days
        self.people = people
        self.last = START + dt.timedelta(days=days - 1)
        self.tables: dict[str, pa.Table] = {
            "raw_leads": self._raw_leads(rows),
            "zoom_attendance": self._zoom(rows // 2),
            "engagement_events": self._events(rows),
            "crm_assignments": self._assignments(rows // 2),
            "crm_sales": self._sales(rows // 3),
            "spend": self._spend(rows // 3),
            "mapping": mapping_table(),
            "manual_mapping": self._manual_mapping(),
            "manual_funnels": manual_funnels_table(),
            "present": self._present(),
            "overrides": self._overrides(),
        }
        self.link(0)

    def _day(self) -> dt.date:
        return START + dt.timedelta(days=self.random.randrange(self.days))

    def _who(self, *, phones: float = 0.6, emails: float = 0.7) -> dict[str, Any]:
        number = self.random.randrange(self.people)
        mail = self.random.choice((number, number, self.random.randrange(self.people)))
        found: dict[str, Any] = {"phone": None, "phone_key": None, "email": None, "email_key": None}
        if self.random.random() < phones:
            found |= phone(number)
        if self.random.random() < emails:
            found |= email(mail)
        return found

    def _known(self, *, phones: float = 0.6, emails: float = 0.7) -> dict[str, Any]:
        """Return whom a source that also has an id of its own knows: any of phone, e-mail and id may be missing."""
        external = self.ids.choice((None, "x00", "x01", f"x{self.ids.randrange(self.people):02d}"))
        return {**self._who(phones=phones, emails=emails), "external_key": external}

    def _typed(self, funnel: str | None) -> str | None:
        """Return a funnel as people type it: in any case, with blanks around it."""
        how = self.ids.choice((str, str.lower, str.upper, str.title, " {} ".format))
        return None if funnel is None else how(funnel)

    def _instant(self, day: dt.date) -> dt.datetime:
        return at(day, self.random.choice((0, 600, 600, 601, 1439)))

    def _raw_leads(self, count: int) -> pa.Table:
        rows = []
        for number in range(count):
            day = self._day()
            rows.append(
                {
                    "date": day,
                    "lead_id": f"l{number * 7919 % 9973:04d}",
                    "source_name": "tofu",
                    "source_order": self.random.randrange(2),
                    "created_at": self._instant(day),
                    "name": self.random.choice((None, "Asha", "Ravi")),
                    "phone_status": "ok",
                    "city": self.random.choice((None, "Pune", "Delhi")),
                    "utm_source": self.random.choice(SOURCES),
                    "utm_medium": self.random.choice(("cpc", None)),
                    "utm_campaign": self.random.choice(("c1", "c2", None)),
                    **self._known(),
                }
            )
        return table("raw_leads", rows)

    def _zoom(self, count: int) -> pa.Table:
        rows = []
        for number in range(count):
            day = self._day()
            kind = self.random.choice(("attended", "no_show", "walk_in"))
            registered = self._instant(day - dt.timedelta(days=self.random.randrange(3)))
            joined = None if kind == "no_show" else at(day, 1140)
            rows.append(
                {
                    "date": day,
                    "attendance_id": f"z{number * 7919 % 9973:04d}",
                    "webinar_date": day,
                    "webinar_id": "81234567890",
                    "webinar_name": self.random.choice(("ACCA intro", "CFA intro")),
                    "event_type": self.random.choice(("webinar", "bootcamp")),
                    "attended": "N" if kind == "no_show" else "Y",
                    "attendance_type": kind,
                    "user_name": self.random.choice((None, "Asha K")),
                    "first_name": self.random.choice((None, "Asha")),
                    "last_name": self.random.choice((None, "K")),
                    "phone_status": "ok",
                    "registration_time": registered,
                    "registration_source": self.random.choice((*SOURCES, "#4")),
                    "join_time": joined,
                    "time_in_session_seconds": (
                        seconds := 0 if kind == "no_show" else self.random.randrange(5400)
                    ),
                    "time_in_session_minutes": (seconds + 30) // 60,
                    "rejoin_count": 0,
                    "source_file": "report.csv",
                    "touched_at": registered,
                    **self._who(),
                }
            )
        return table("zoom_attendance", rows)

    def _events(self, count: int) -> pa.Table:
        kinds = (
            "view",
            "View",
            "click",
            "download",
            "demo_booked",
            "follow_up",
            "deal_closed",
            "form_submit",
            "site_minute",
        )
        rows = []
        for number in range(count):
            day = self._day()
            rows.append(
                {
                    "date": day,
                    "event_id": f"v{number * 7919 % 9973:04d}",
                    "source_name": "events",
                    "event_at": self._instant(day),
                    "event_type": self.random.choice((*kinds, "something_new")),
                    "times": self.random.choice((1, 1, 3)),
                    "channel": self.random.choice(("LinkedIn", "Email", None)),
                    **self._known(phones=0.3, emails=0.9),
                }
            )
        return table("engagement_events", rows)

    def _assignments(self, count: int) -> pa.Table:
        rows = []
        for number in range(count):
            day = self._day()
            rows.append(
                {
                    "date": day,
                    "assignment_id": f"g{number * 7919 % 9973:04d}",
                    "source_name": "crm",
                    "assigned_at": self._instant(day),
                    "lead_source": self.random.choice(SOURCES),
                    "employee": self.random.choice(("Meera", "Dev", None)),
                    "dump_rank": self.random.randrange(3),
                    **phone(self.random.randrange(self.people + 2)),
                }
            )
        return table("crm_assignments", rows)

    def _sales(self, count: int) -> pa.Table:
        rows = []
        for number in range(count):
            day = self._day()
            amount = self.random.randrange(1, 10_000_000)
            rows.append(
                {
                    "date": day,
                    "sale_id": f"s{number * 7919 % 9973:04d}",
                    "source_name": "crm",
                    "currency": "INR",
                    "status": self.random.choice(
                        ("success", "Paid", None, "FAILED", "refunded", "Cancelled ")
                    ),
                    "created_at": self._instant(day),
                    "total_amount_paise": self.random.choice((amount, amount, None)),
                    "net_amount_paise": self.random.choice((amount * 82 // 100, None)),
                    "funnel": self._typed(self.random.choice(FUNNELS)),
                    **self._known(phones=0.8, emails=0.6),
                }
            )
        return table("crm_sales", rows)

    def _spend(self, count: int) -> pa.Table:
        rows = [
            {
                "date": self._day(),
                "spend_id": f"d{number * 7919 % 9973:04d}",
                "source_name": "ads",
                "currency": "INR",
                "campaign": self.random.choice(("c1", "c2", None)),
                "impressions": self.random.choice((None, self.random.randrange(10_000))),
                "clicks": self.random.choice((None, *[self.random.randrange(300)] * 3)),
                "cost_paise": self.random.randrange(5_000_000),
                "platform": self.random.choice(("fb", "google", None)),
                "campaign_type": self.random.choice(("cpc", None)),
                "funnel": self._typed(self.random.choice(("ACCA", "CFA", "New launch"))),
            }
            for number in range(count)
        ]
        return table("spend", rows)

    def _manual_mapping(self) -> pa.Table:
        values = ("acca push", "ACCA Push ", "nowhere", "  ", "CFA")
        rows = [
            {"sale_id": f"s{number * 7919 % 9973:04d}", "value": self.random.choice(values)}
            for number in range(120)
            if self.random.random() < 0.6
        ]
        return pa.Table.from_pylist(rows, schema=MANUAL_SCHEMA)

    def _present(self) -> pa.Table:
        """Return which parts of which day are there: now and then one is missing."""
        rows = [
            {
                "date": START + dt.timedelta(days=number),
                **{name: self.random.random() < 0.9 for name in PRESENT_SCHEMA.names[1:]},
            }
            for number in range(self.days)
        ]
        return pa.Table.from_pylist(rows, schema=PRESENT_SCHEMA)

    def link(self, rows: int) -> None:
        """Add link rows that don't contradict each other; a row that would is left out."""
        keys = [f"{mark}{number:02d}" for mark in "pex" for number in range(self.people)]
        self.link_rows: list[LinkRow] = []
        for _ in range(rows):
            action = self.random.choice((MUST_LINK, CANNOT_LINK, CANNOT_LINK))
            row = LinkRow(action, *self.random.sample(keys, 2))
            if not any(contradictions([*self.link_rows, row])):
                self.link_rows.append(row)
        self.tables |= {"people": people_table(self.link_rows), "apart": apart_table(self.link_rows)}

    def _overrides(self) -> pa.Table:
        fields = {"current_stage": ("SQL", "Lead"), "sales_priority": ("high", "low")}
        rows = []
        for _ in range(6):
            field = self.random.choice(sorted(fields))
            since = self._day()
            until = since + dt.timedelta(days=self.random.randrange(1, 15))
            rows.append(
                {
                    "person_id": f"p{self.random.randrange(self.people):02d}",
                    "field": field,
                    "value": self.random.choice(fields[field]),
                    "reason": f"spoke on the phone on {since}",
                    "author": "ops",
                    "effective_on": since,
                    "expires_on": self.random.choice((until, None)),
                }
            )
        return pa.Table.from_pylist(rows, schema=OVERRIDES_SCHEMA)


def mapping_table() -> pa.Table:
    """Return a funnel mapping with validity days, a deprecated source, and other case and blanks."""
    turn = START + dt.timedelta(days=15)
    rows = [
        ("FB", "ACCA", "active", None, turn),
        ("fb", "CFA", "active", turn + dt.timedelta(days=1), None),
        ("google ", "Google Ads", "deprecated", None, None),
        ("webinar", "Webinar", "active", None, None),
    ]
    return pa.Table.from_pylist(
        [dict(zip(MAPPING_SCHEMA.names, row, strict=True)) for row in rows], schema=MAPPING_SCHEMA
    )


def manual_funnels_table() -> pa.Table:
    """Return the values that people may type, with their funnel."""
    rows = [{"value": "ACCA push", "funnel": "ACCA"}, {"value": " cfa", "funnel": "CFA Direct"}]
    return pa.Table.from_pylist(rows, schema=MANUAL_FUNNELS_SCHEMA)
