"""The published views: small tables written out here, and the rows that must come of them."""

import datetime as dt
import itertools
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pyarrow as pa
import pytest

import funnel_assets.contracts  # noqa: F401  (registers the contracts)
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.storage.views import VIEW_NAMES, view_statements
from funnel_assets.storage.views.kept import HELPERS, concerned_statements, query, refresh_statements

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]

Row = dict[str, Any]

TYPES = {
    pa.string(): "text",
    pa.date32(): "date",
    pa.timestamp("us", tz="UTC"): "timestamptz",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
}
SIDE_TABLES = {
    "quarantine": "dataset text, source text, day text, file text, line bigint, reason text, detail text",
    "reconciliation": "date date, dataset text, step text, measure text,"
    " expected numeric, found numeric, difference numeric",
    "icp_tiers": "field text, value text, tier text",
    "_touch_before": "person_id text, date date, first_touch_at timestamptz, first_source text, first_medium text,"
    " first_campaign text, first_funnel text, identified_by text, city text, content text",
    "published_days": "dataset text, date date, content text, rows bigint, missing text, published_at timestamptz",
}


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def inr(text: str) -> Decimal:
    return Decimal(text)


class Database:
    """The published tables in an empty database, and the views on top of them."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg2://", "postgresql://")
        self.connection = psycopg2.connect(self.url)
        self.run("CREATE SCHEMA funnel")
        for contract in CONTRACTS.values():
            told = [
                f"{fact.name.removesuffix('_paise')}_inr numeric(18,2)"
                if fact.name.endswith("_paise")
                else f"{fact.name} {TYPES[fact.arrow_type]}"
                for fact in columns(contract)
            ]
            self.run(f"CREATE TABLE funnel.{contract.dataset} ({', '.join(told)})")
        for name, told in SIDE_TABLES.items():
            self.run(f"CREATE TABLE funnel.{name} ({told})")

    def run(self, *statements: str) -> None:
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def add(self, table: str, *rows: Row) -> None:
        """Insert rows; columns not named stay null."""
        with self.connection.cursor() as cursor:
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(
                    f"INSERT INTO funnel.{table} ({', '.join(row)}) VALUES ({marks})", list(row.values())
                )

    def publish_days(self, dataset: str, first: str, last: str, **facts: Any) -> None:
        for number in range((day(last) - day(first)).days + 1):
            date = day(first) + dt.timedelta(days=number)
            self.add("published_days", {"dataset": dataset, "date": date, "rows": 1, **facts})

    def replace(self, day: str, **rows: list[Row]) -> None:
        """Replace a day of some tables as a publish does; a table without days is replaced whole."""
        days = {name: [dt.date.fromisoformat(day)] if name in CONTRACTS else None for name in rows}
        noted = list(concerned_statements(days))
        self.run(*noted)
        for name, new in rows.items():
            where = f"date = '{day}'" if name in CONTRACTS else "true"
            self.run(f"DELETE FROM funnel.{name} WHERE {where}")
            self.add(name, *({"date": day, **row} if name in CONTRACTS else row for row in new))
        self.run(*noted, *refresh_statements())

    def helpers(self) -> dict[str, list[str]]:
        """Rows of each helper that its query doesn't give, and the other way round."""
        return {
            helper.name: [
                row["row"]
                for left, right in itertools.permutations((f"TABLE funnel.{helper.name}", query(helper)))
                for row in self.rows(f"SELECT l::text AS row FROM (({left}) EXCEPT ALL ({right})) AS l")
            ]
            for helper in HELPERS
        }

    def build(self) -> None:
        self.run(*view_statements())
        self.connection.commit()

    def rows(self, query: str) -> list[Row]:
        with self.connection.cursor() as cursor:
            cursor.execute(query)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def view(self, name: str, *wanted: str, where: str = "true") -> list[tuple]:
        """The view's rows as tuples of the columns wanted, sorted by them, nulls last."""
        order = ", ".join(str(place + 1) for place in range(len(wanted)))
        found = self.rows(f"SELECT {', '.join(wanted)} FROM funnel.{name} WHERE {where} ORDER BY {order}")
        return [tuple(row.values()) for row in found]


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.connection.close()


def scored(person: str, date: str, stage: str, before: str | None = None, score: int = 0, **more: Any) -> Row:
    return {
        "person_id": person,
        "date": date,
        "current_stage": stage,
        "previous_stage": before,
        "intent_score": score,
        **more,
    }


def lead(person: str, date: str, source: str | None = "fb", **more: Any) -> Row:
    return {
        "person_id": person,
        "date": date,
        "first_source": source,
        "first_medium": "paid",
        "first_campaign": "spring",
        **more,
    }


def sale(number: int, person: str, date: str, net: str = "1000", **more: Any) -> Row:
    return {
        "sale_id": f"s{number}",
        "person_id": person,
        "date": date,
        "is_paid": True,
        "net_amount_inr": net,
        "total_amount_inr": net,
        **more,
    }


def mart(date: str, funnel: str = "Webinar", **figures: Any) -> Row:
    parts = {"has_marketing": True, "has_sales": True, "has_spend": True}
    return {"date": date, "funnel": funnel, "source": "x", "medium": "x", "campaign": "x", **parts, **figures}


# --- shape ---


def test_views_answer_over_empty_tables(db: Database) -> None:
    db.build()
    for name in VIEW_NAMES:
        found = db.rows(f"SELECT * FROM funnel.{name}")
        assert len(found) == {"vw_freshness": 13, "vw_decisions": 14}.get(name, 0), name
    alerts = [subject for (subject,) in db.view("vw_decisions", "subject", where="is_triggered")]
    assert alerts == [f"{dataset}: missing days" for dataset in sorted(CONTRACTS)]


def test_every_view_and_column_is_explained_and_none_is_personal(db: Database) -> None:
    db.build()
    relations = db.rows(
        "SELECT relname, obj_description(oid) AS told FROM pg_class"
        " WHERE relnamespace = 'funnel'::regnamespace AND relname <> '_touch_before'"
        " AND (relkind IN ('v', 'm') OR relkind = 'r' AND relname ~ '^_')"
    )
    assert {row["relname"] for row in relations} == {*VIEW_NAMES, *(helper.name for helper in HELPERS)}
    assert [row["relname"] for row in relations if not row["told"]] == []
    found = db.rows(
        "SELECT relname, attname, col_description(attrelid, attnum) AS told FROM pg_attribute"
        " JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relnamespace = 'funnel'::regnamespace AND relkind = 'v' AND attnum > 0"
    )
    assert [(row["relname"], row["attname"]) for row in found if not row["told"]] == []
    personal = {fact.name for contract in CONTRACTS.values() for fact in columns(contract) if fact.personal}
    assert personal & {row["attname"] for row in found} == set()


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ("vw_funnel", ["current_stage", "users"]),
        ("vw_channel_effectiveness", ["first_touch_channel", "current_stage", "users"]),
        ("vw_intent_by_source", ["lead_source", "avg_intent"]),
    ],
)
def test_the_first_views_keep_their_columns(db: Database, view: str, names: list[str]) -> None:
    db.add("scored_contacts", scored("p1", "2026-01-01", "Lead"))
    db.build()
    assert list(db.rows(f"SELECT * FROM funnel.{view}")[0]) == names


def test_readers_keep_the_old_rows_and_do_not_wait_until_a_refresh_is_committed(db: Database) -> None:
    db.add("scored_contacts", scored("p1", "2026-01-01", "Lead"))
    db.build()
    db.replace("2026-01-02", scored_contacts=[scored("p1", "2026-01-02", "MQL", "Lead")])
    with psycopg2.connect(db.url) as reader, reader.cursor() as cursor:
        cursor.execute("SET statement_timeout = '5s'")
        cursor.execute("SELECT current_stage FROM funnel.crm_contacts")
        assert cursor.fetchall() == [("Lead",)]
    db.connection.commit()
    assert db.view("crm_contacts", "current_stage") == [("MQL",)]
    assert db.view("vw_funnel", "current_stage", "users") == [("MQL", 1)]
    assert db.view("vw_stage_transitions", "current_stage", "contacts") == [("Lead", 1), ("MQL", 1)]


def test_a_publish_brings_up_the_people_it_concerns_and_no_others(db: Database) -> None:
    """People who come, change, go from one table of several, and go altogether; each as if all were made anew."""
    db.add("scored_contacts", *(scored(f"p{number}", "2026-01-01", "Lead") for number in range(4)))
    db.add("dedup_leads", lead("p0", "2026-01-01"), lead("p2", "2026-01-02"), lead("p4", "2026-01-02"))
    db.add("sales_enriched", {"person_id": "p3", "date": "2026-01-02", "is_paid": True, "net_amount_inr": 5})
    db.build()
    kept = db.rows("SELECT ctid, person_id FROM funnel._contact_state WHERE person_id IN ('p0', 'p1')")
    bought = {"person_id": "p6", "is_paid": True, "net_amount_inr": 7}
    came = [scored("p2", "2026-01-02", "MQL", "Lead"), scored("p5", "2026-01-02", "Lead")]
    db.replace("2026-01-02", scored_contacts=came, dedup_leads=[], sales_enriched=[bought])
    assert not any(db.helpers().values())
    people = [("p0",), ("p1",), ("p2",), ("p3",), ("p5",), ("p6",)]
    assert db.view("_contact_state", "person_id") == people
    assert (
        db.rows("SELECT ctid, person_id FROM funnel._contact_state WHERE person_id IN ('p0', 'p1')") == kept
    )


def test_what_moves_to_another_key_leaves_the_old_one(db: Database) -> None:
    db.add("dedup_leads", lead("p1", "2026-01-01", "fb"), lead("p2", "2026-01-01", "google"))
    db.add("scored_contacts", scored("p1", "2026-01-01", "Lead"), scored("p1", "2026-01-05", "MQL", "Lead"))
    db.add(
        "sales_enriched", sale(1, "p1", "2026-02-01", "50", ever_touch_at="2026-01-01", days_to_revenue=31)
    )
    event = {"event_id": "e", "event_at": "2026-01-01", "email_key": "asha", "industry": "Banking"}
    db.add("engagement_events", {"date": "2026-01-01", **event})
    touch = {"email_key": "asha", "created_at": "2026-01-02"}
    db.add("raw_leads", {"lead_id": "1", "date": "2026-01-02", **touch, "phone_key": "p1"})
    db.add("icp_tiers", {"field": "industry", "value": "banking", "tier": "High"})
    db.build()
    assert db.view("_contact_state", "person_id", "icp_tier") == [("p1", "High"), ("p2", "Unknown")]
    # The phone behind an e-mail is another: the firm moves, and with it the tier of a sale.
    db.replace("2026-01-02", raw_leads=[{"lead_id": "1", **touch, "phone_key": "p2"}])
    assert db.view("_contact_state", "person_id", "icp_tier") == [("p1", "Unknown"), ("p2", "High")]
    assert db.view("_revenue_total", "ever_source", "icp_tier", "sales") == [("Unknown", "Unknown", 1)]
    # A tier is taken back.
    db.replace("2026-01-02", icp_tiers=[])
    assert db.view("_channel_total", "lead_source", "icp_tier", "people") == [
        ("fb", "Unknown", 1),
        ("google", "Unknown", 1),
    ]
    # The sale moves to the month before, the first stage goes, and the touch was another's.
    db.replace("2026-02-01", sales_enriched=[], scored_contacts=[])
    assert db.view("_revenue_total", "sales") == []
    assert db.view("vw_stage_transitions", "date", "median_days_in_previous_stage") == [
        (day("2026-01-01"), None),
        (day("2026-01-05"), 4),
    ]
    db.replace("2026-01-01", scored_contacts=[], dedup_leads=[lead("p3", "2026-01-01", "bing")])
    assert db.view("vw_stage_transitions", "date", "median_days_in_previous_stage") == [
        (day("2026-01-05"), None)
    ]
    assert db.view("_channel_total", "lead_source", "people") == [("Unknown", 1), ("bing", 1)]
    assert not any(db.helpers().values())


def test_helpers_are_what_their_queries_give_whatever_day_is_replaced(db: Database) -> None:
    """On rows of few people, days and words, so that everything happens to everyone."""
    draw = random.Random(5)
    days = ["2026-01-01", "2026-01-31", "2026-02-01", "2026-02-03", "2026-03-01"]
    person = [None, "p1", "p2", "p3", "p4"]
    email = [None, "e1", "e2", "e3"]
    words = [None, "", "FB ", "fb", "google"]
    funnels = ["ACCA", "Other Sources (Miscellaneous)"]
    stages = ["Lead", "MQL", "SQL"]

    def some(date: str, most: int, make: Callable[[], Row]) -> list[Row]:
        return [{"date": date, **make()} for _ in range(draw.randrange(most))]

    def of(date: str) -> dict[str, list[Row]]:
        pick = draw.choice

        def who() -> Row:
            return {"person_id": pick(["p1", "p2", "p3", "p4", "e1", "e2"])}

        def keys() -> Row:
            return {"phone_key": pick(person), "email_key": pick(email)}

        def touch(prefix: str) -> Row:
            names = ("source", "medium", "campaign", "funnel")
            told = {f"{prefix}_{name}": pick(funnels if name == "funnel" else words) for name in names}
            return told | {f"{prefix}_touch_at": pick([None, date])}

        def amounts(*names: str) -> Row:
            return {name: pick([None, 5, "7.25"]) for name in names}

        net = ("net_amount_inr", "total_amount_inr")
        credited = ("net_revenue_inr", "gross_revenue_inr")
        made: dict[str, Callable[[], Row]] = {
            "raw_leads": lambda: keys() | {"created_at": f"{date} 0{draw.randrange(9)}:00"},
            "zoom_attendance": lambda: keys() | {"touched_at": f"{date} 0{draw.randrange(9)}:00"},
            "engagement_events": lambda: (
                keys()
                | {"event_id": f"{date}-{draw.random()}", "event_at": f"{date} 0{draw.randrange(9)}:00"}
                | {"company": pick(words), "industry": pick([None, "banking", "farming"])}
                | {"external_key": pick(["p4", "e2"])}
            ),
            "scored_contacts": lambda: (
                who()
                | {"current_stage": pick(stages), "previous_stage": pick([None, *stages])}
                | {"intent_score": draw.randrange(9), "first_touch_channel": pick(words)}
            ),
            "dedup_leads": lambda: who() | touch("first") | {"city": pick(words)},
            "engagement_summary": lambda: (
                who() | {"registrations": draw.randrange(2), "attendances": draw.randrange(2)}
            ),
            "assigned_leads": lambda: who() | {"first_source": pick(words), "funnel": pick(funnels)},
            "sales_enriched": lambda: (
                who()
                | touch("origin")
                | touch("ever")
                | amounts(*net)
                | {
                    "created_at": date,
                    "is_paid": draw.random() < 0.8,
                    "days_to_revenue": pick([None, -2, 0, 3]),
                }
            ),
            "sale_credit": lambda: (
                {
                    "model": pick(["linear", "last_touch"]),
                    "touch_number": draw.randrange(2),
                    "source": pick(words),
                }
                | {"funnel": pick(funnels), "share": pick([0.333333, 1.0])}
                | amounts(*credited)
            ),
        }
        found = {name: some(date, 6, make) for name, make in made.items() if draw.random() < 0.6}
        # Grain of these: one row per person and day.
        for name in {"scored_contacts", "dedup_leads", "engagement_summary"} & set(found):
            found[name] = list({row["person_id"]: row for row in found[name]}.values())
        if draw.random() < 0.2:
            found["_touch_before"] = [
                {"person_id": person, "date": "2025-12-24", "content": "x"} | touch("first")
                for person in ("p1", "p3", "e1", "p9")
                if draw.random() < 0.5
            ]
        if draw.random() < 0.2:
            found["icp_tiers"] = [
                {
                    "field": draw.choice(["industry", "company", "city"]),
                    "value": value,
                    "tier": draw.choice(["High", "Low"]),
                }
                for value in ("banking", "fb", "google")
                if draw.random() < 0.5
            ]
        return found

    for date in days:
        for name, rows in of(date).items():
            if name == "_touch_before":
                db.run("DELETE FROM funnel._touch_before")
            db.add(name, *rows)
    db.build()
    filled = set()
    for turn in range(40):
        db.replace(date := draw.choice(days), **of(date))
        assert db.helpers() == {helper.name: [] for helper in HELPERS}, turn
        filled |= {helper.name for helper in HELPERS if db.rows(f"SELECT 1 AS row FROM funnel.{helper.name}")}
    assert filled == {helper.name for helper in HELPERS}


def test_the_time_zone_goes_into_the_clock_and_nothing_else() -> None:
    assert not any("Asia/Kolkata" in statement for statement in view_statements("Europe/Berlin"))
    assert sum("Europe/Berlin" in statement for statement in view_statements("Europe/Berlin")) == 1
    with pytest.raises(ValueError, match="not the name of a time zone"):
        view_statements("UTC'; DROP SCHEMA funnel")


# --- contacts ---


def test_a_contact_is_its_latest_state_with_its_first_touch(db: Database) -> None:
    db.add(
        "scored_contacts",
        scored("p1", "2026-01-01", "Lead", score=10, first_touch_channel="Email", engagement_health="Active"),
        scored(
            "p1", "2026-01-05", "MQL", "Lead", 30, first_touch_channel="Email", engagement_health="Active"
        ),
        scored("p1", "2026-01-20", "MQL", "MQL", 30, first_touch_channel="Email", engagement_health="Stale"),
        scored("p2", "2026-01-03", "Lead", score=5),
    )
    db.add(
        "dedup_leads",
        lead("p1", "2026-02-02", "Google"),
        lead("p1", "2026-01-01", " FB ", city="Pune"),
        lead("p3", "2026-01-04", None),
    )
    db.add(
        "engagement_summary", {"person_id": "p1", "date": "2026-01-01", "attendances": 0, "total_views": 1}
    )
    db.add(
        "engagement_summary", {"person_id": "p1", "date": "2026-01-05", "attendances": 1, "total_views": 4}
    )
    db.add("assigned_leads", {"person_id": "p1", "date": "2026-01-07", "phone_key": "p1"})
    db.add(
        "sales_enriched", sale(1, "p1", "2026-01-09", "700"), sale(2, "p1", "2026-01-08", "50", is_paid=False)
    )
    db.add("sales_enriched", sale(3, "p9", "2026-01-09"))
    db.build()
    state = ("current_stage", "stage_since_date", "state_date", "engagement_health", "intent_score")
    assert db.view("crm_contacts", "person_id", *state) == [
        ("p1", "MQL", day("2026-01-05"), day("2026-01-20"), "Stale", 30),
        ("p2", "Lead", day("2026-01-03"), day("2026-01-03"), None, 5),
    ]
    origin = ("lead_source", "first_touch_date", "city", "views")
    assert db.view("crm_contacts", "person_id", *origin) == [
        ("p1", "fb", day("2026-01-01"), "Pune", 4),
        ("p2", "Unknown", None, None, None),
    ]
    steps = ("first_attended_date", "first_assigned_date", "first_sale_date", "sales", "net_revenue_inr")
    assert db.view("crm_contacts", "person_id", *steps) == [
        ("p1", day("2026-01-05"), day("2026-01-07"), day("2026-01-09"), 1, 700),
        ("p2", None, None, None, 0, None),
    ]
    assert db.view("vw_funnel", "current_stage", "users") == [("Lead", 1), ("MQL", 1)]
    assert db.view("vw_channel_effectiveness", "first_touch_channel", "current_stage", "users") == [
        ("Email", "MQL", 1),
        (None, "Lead", 1),
    ]


def test_who_attended_both_days_of_bootcamps_is_both(db: Database) -> None:
    attended = {"p1": [(1, 0), (1, 1)], "p2": [(0, 1)], "p3": [(1, 0)], "p4": [(0, 0)]}
    for person, days in attended.items():
        db.add("scored_contacts", scored(person, "2026-01-01", "MQL"))
        for number, (first, second) in enumerate(days, start=1):
            totals = {"total_bootcamp_day_1": first, "total_bootcamp_day_2": second}
            db.add("engagement_summary", {"person_id": person, "date": f"2026-01-0{number}", **totals})
    db.build()
    assert dict(db.view("crm_contacts", "person_id", "bootcamp_day")) == {
        "p1": "Both",
        "p2": "Day 2",
        "p3": "Day 1",
        "p4": None,
    }


def test_average_intent_counts_zeros_and_joins_spellings_of_a_source(db: Database) -> None:
    db.add(
        "scored_contacts",
        *(
            scored(f"p{number}", "2026-01-01", "Lead", score=score)
            for number, score in enumerate((0, 10, 35, 8))
        ),
    )
    db.add(
        "dedup_leads",
        lead("p0", "2026-01-01", "FB"),
        lead("p1", "2026-01-01", "fb "),
        lead("p2", "2026-01-01", "fb"),
    )
    db.add("dedup_leads", lead("p3", "2026-01-01", " "))
    db.build()
    assert db.view("vw_intent_by_source", "lead_source", "avg_intent") == [("Unknown", 8), ("fb", 15)]


def test_the_best_tier_of_industry_company_and_city_counts(db: Database) -> None:
    people = ("pboth", "pcity", "plinked", "ealone", "pnone")
    db.add("scored_contacts", *(scored(person, "2026-01-01", "Lead") for person in people))
    db.add("dedup_leads", lead("pcity", "2026-01-01", city=" PUNE"), lead("pboth", "2026-01-01", city="Pune"))
    db.add(
        "engagement_events",
        {"event_id": "1", "event_at": "2026-01-01", "phone_key": "pboth", "industry": "Farming"},
        {"event_id": "2", "event_at": "2026-01-02", "phone_key": "pboth", "industry": " banking "},
        {"event_id": "3", "event_at": "2026-01-03", "phone_key": "pboth", "company": "Acme"},
        {"event_id": "4", "event_at": "2026-01-01", "email_key": "elinked", "industry": "Banking"},
        {"event_id": "5", "event_at": "2026-01-01", "email_key": "ealone", "company": "Acme"},
        {"event_id": "6", "event_at": "2026-01-01", "external_key": "xdeal", "industry": "Banking"},
        # The app knows the e-mail too; who bought is known to the shop by the id only.
        {
            "event_id": "7",
            "event_at": "2026-01-01",
            "external_key": "xbuyer",
            "email_key": "e7",
            "company": "Acme",
        },
    )
    db.add("sales_enriched", sale(1, "xdeal", "2026-01-09"), sale(2, "xbuyer", "2026-01-09"))
    db.add(
        "raw_leads", {"lead_id": "1", "email_key": "elinked", "phone_key": "pold", "created_at": "2026-01-01"}
    )
    db.add(
        "raw_leads",
        {"lead_id": "2", "email_key": "elinked", "phone_key": "plinked", "created_at": "2026-01-02"},
    )
    db.add(
        "icp_tiers",
        {"field": "Industry", "value": "Banking", "tier": "High"},
        {"field": "city", "value": "pune", "tier": "Low"},
        {"field": "company", "value": "ACME", "tier": "Mid"},
    )
    db.build()
    assert db.view("crm_contacts", "person_id", "icp_tier", "industry") == [
        ("ealone", "Mid", "Unknown"),
        ("pboth", "High", "banking"),
        ("pcity", "Low", "Unknown"),
        ("plinked", "High", "Banking"),
        ("pnone", "Unknown", "Unknown"),
    ]
    assert db.view("vw_revenue_efficiency", "icp_tier", "sales") == [("High", 1), ("Mid", 1)]


# --- the dashboard ---


def test_month_to_date_adds_up_and_divides_safely(db: Database) -> None:
    db.publish_days("funnel_marts", "2026-01-31", "2026-02-02")
    money = {"gross_revenue_inr": "118", "net_revenue_inr": "100", "spend_inr": "30.10"}
    full = {
        "leads": 3,
        "registrations": 2,
        "attended": 1,
        "handovers": 4,
        "handovers_attended": 1,
        "sales": 1,
    }
    nothing = dict.fromkeys([*full, *money], 0)
    db.add(
        "funnel_marts",
        mart("2026-01-31", **full, **money),
        mart("2026-02-01", **full, **money),
        mart("2026-02-02", **full, **money),
        mart("2026-02-02", **full, **money) | {"source": "y"},
        mart("2026-02-01", "Organic", **nothing),
    )
    db.build()
    figures = ("leads", "registered", "attended", "assigned_mtd", "assigned_attended", "sales")
    assert db.view("vw_funnel_mtd", "month", "funnel", "through_date", *figures) == [
        (day("2026-01-01"), "Webinar", day("2026-01-31"), 3, 2, 1, 4, 1, 1),
        (day("2026-02-01"), "Organic", day("2026-02-02"), 0, 0, 0, 0, 0, 0),
        (day("2026-02-01"), "Webinar", day("2026-02-02"), 9, 6, 3, 12, 3, 3),
    ]
    rates = ("gross_revenue_inr", "net_revenue_inr", "spend_inr", "cac_inr", "conversion_pct")
    assert db.view(
        "vw_funnel_mtd", "funnel", *rates, "is_complete", "missing_days", where="month = '2026-02-01'"
    ) == [
        ("Organic", 0, 0, 0, None, None, True, 0),
        ("Webinar", 354, 300, inr("90.30"), inr("30.10"), 25, True, 0),
    ]


def test_month_to_date_shows_what_is_unknown_as_unknown(db: Database) -> None:
    db.publish_days("funnel_marts", "2026-03-02", "2026-03-04")
    db.publish_days("funnel_marts", "2026-03-06", "2026-03-06", missing="crm_sales")
    db.add(
        "funnel_marts",
        mart("2026-03-02", sales=1, handovers=2, spend_inr=50),
        mart("2026-03-03", sales=3, handovers=2, has_spend=False),
        mart("2026-03-04", spend_inr=500, has_sales=False),
        mart("2026-03-02", "Referral", leads=1, has_sales=True) | {"has_marketing": True},
    )
    db.build()
    wanted = (
        "funnel",
        "leads",
        "sales",
        "spend_inr",
        "cac_inr",
        "conversion_pct",
        "is_complete",
        "missing_days",
    )
    assert db.view("vw_funnel_mtd", *wanted) == [
        ("Referral", 1, None, None, None, None, False, 4),
        # 50 spent on the one sale whose spend is known: neither 550 / 4 nor 550 / 1.
        ("Webinar", None, 4, 550, 50, 100, False, 4),
    ]
    assert db.view("vw_funnel_mtd", "missing_detail", "through_date", where="funnel = 'Webinar'") == [
        (
            "2026-03-03 (spend); 2026-03-04 (sales); 2026-03-05 (everything); 2026-03-06 (crm_sales)",
            day("2026-03-06"),
        )
    ]


# --- economics ---


def test_channel_economics(db: Database) -> None:
    db.add(
        "dedup_leads",
        *(lead(f"p{number}", "2026-01-01", "FB") for number in range(4)),
        lead("o1", "2026-01-01", "organic", first_campaign=None),
    )
    db.add(
        "sales_enriched",
        sale(1, "p0", "2026-01-31", "900"),
        sale(2, "p0", "2026-02-01", "300"),
        sale(3, "o1", "2026-01-11", "500"),
        sale(4, "stranger", "2026-01-11", "70"),
        sale(5, "p1", "2026-01-11", "999", is_paid=False),
    )
    db.add(
        "funnel_marts",
        mart("2026-01-01", spend_inr="240") | {"source": "Meta", "medium": "lead", "campaign": "SPRING"},
        mart("2026-01-01", spend_inr="60")
        | {"source": "Native", "medium": "CPM", "campaign": "brought nobody"},
    )
    db.build()
    counts = ("source", "medium", "leads", "customers", "sales", "net_revenue_inr", "spend_inr")
    assert db.view("vw_channel_economics", *counts) == [
        ("Unknown", "Unknown", 0, 1, 1, 70, 0),
        ("fb", "paid", 4, 1, 2, 1200, 240),
        ("native", "cpm", 0, 0, 0, 0, 60),
        ("organic", "paid", 1, 1, 1, 500, 0),
    ]
    conversion = ("conversion_pct", "conversion_low_pct", "conversion_high_pct")
    # 1 of 4 and 1 of 1 by Wilson's formula, as tables of it give them.
    assert db.view("vw_channel_economics", "source", *conversion) == [
        ("Unknown", None, None, None),
        ("fb", 25, inr("4.56"), inr("69.94")),
        ("native", None, None, None),
        ("organic", 100, inr("20.65"), 100),
    ]
    rates = ("cpl_inr", "cac_inr", "ltv_inr", "ltv_to_cac", "avg_days_to_sale", "payback_months")
    assert db.view("vw_channel_economics", "source", *rates) == [
        ("Unknown", None, 0, 70, None, None, None),
        # 30 days are 0.99 months, and 240 of 1200 are a fifth of 12 months.
        ("fb", 60, 240, 1200, 5, 30, inr("3.4")),
        ("native", None, None, None, None, None, None),
        ("organic", 0, 0, 500, None, 10, inr("0.3")),
    ]


def test_channel_economics_knows_what_was_never_published(db: Database) -> None:
    db.add("dedup_leads", lead("p1", "2026-01-01"))
    db.add("funnel_marts", mart("2026-01-01", leads=1, has_sales=False, has_spend=False))
    db.build()
    wanted = (
        "leads",
        "customers",
        "net_revenue_inr",
        "spend_inr",
        "cac_inr",
        "conversion_pct",
        "is_complete",
    )
    assert db.view("vw_channel_economics", *wanted) == [(1, None, None, None, None, None, False)]


def test_payback_is_empty_when_a_customer_never_pays_back(db: Database) -> None:
    db.add("dedup_leads", lead("p1", "2026-01-01"))
    db.add("sales_enriched", sale(1, "p1", "2026-01-02", "100"))
    db.add("funnel_marts", mart("2026-01-01", spend_inr="100.01") | {"campaign": "spring"})
    db.build()
    assert db.view("vw_channel_economics", "ltv_to_cac", "payback_months") == [(1, None)]


def test_cohorts_grow_by_the_month_and_immature_ones_are_marked(db: Database) -> None:
    db.add(
        "dedup_leads",
        lead("p1", "2025-12-30"),
        lead("p1", "2026-02-01"),
        lead("p2", "2025-12-31"),
        lead("p3", "2026-02-10"),
    )
    db.add("engagement_summary", {"person_id": "p1", "date": "2025-12-31", "attendances": 1})
    db.add(
        "assigned_leads", {"person_id": "p1", "date": "2026-01-02"}, {"person_id": "p3", "date": "2026-02-11"}
    )
    db.add("sales_enriched", sale(1, "p1", "2026-02-03"), sale(2, "p3", "2026-02-01"))
    for dataset in ("dedup_leads", "assigned_leads"):
        db.publish_days(dataset, "2025-12-30", "2026-02-28")
    db.publish_days("sales_enriched", "2025-12-30", "2026-02-27")
    db.build()
    counts = ("attended", "assigned", "customers", "new_attended", "new_assigned", "new_customers")
    assert db.view(
        "vw_cohort_conversion", "cohort_month", "months_since", "cohort_people", *counts, "is_mature"
    ) == [
        (day("2025-12-01"), 0, 2, 1, 0, 0, 1, 0, 0, True),
        (day("2025-12-01"), 1, 2, 1, 1, 0, 0, 1, 0, True),
        (day("2025-12-01"), 2, 2, 1, 1, 1, 0, 0, 1, False),
        # The sale before the first touch is not this touch's.
        (day("2026-02-01"), 0, 1, 0, 1, 0, 0, 1, 0, False),
    ]
    rates = ("attended_pct", "assigned_pct", "conversion_pct", "conversion_low_pct", "conversion_high_pct")
    assert db.view("vw_cohort_conversion", *rates, where="months_since = 2") == [
        (50, 50, 50, inr("9.45"), inr("90.55"))
    ]


def test_cohorts_without_a_published_sales_part_are_unknown(db: Database) -> None:
    db.add("dedup_leads", lead("p1", "2026-01-01"))
    db.publish_days("dedup_leads", "2026-01-01", "2026-01-31")
    db.build()
    wanted = ("attended", "assigned", "customers", "conversion_pct", "conversion_low_pct", "is_mature")
    assert db.view("vw_cohort_conversion", *wanted) == [(0, None, None, None, None, False)]


def test_steps_from_lead_to_sale_have_rates_and_times(db: Database) -> None:
    db.add("dedup_leads", *(lead(f"p{n}", "2026-01-01", first_funnel="ACCA") for n in range(4)))
    db.add("dedup_leads", lead("p9", "2026-02-01", first_funnel="CFA"))
    registered = [("p0", "2026-01-01"), ("p1", "2026-01-03"), ("p9", "2026-02-20")]
    db.add("engagement_summary", *({"person_id": p, "date": d, "registrations": 1} for p, d in registered))
    # Whoever attended before registering did not go on from the registration.
    attended = [("p0", "2026-01-05"), ("p1", "2026-01-02")]
    db.add("engagement_summary", *({"person_id": p, "date": d, "attendances": 1} for p, d in attended))
    db.add("assigned_leads", {"person_id": "p0", "date": "2026-01-05"})
    db.add("sales_enriched", sale(1, "p0", "2026-01-20"), sale(2, "p2", "2026-01-11"))
    for dataset in ("dedup_leads", "assigned_leads"):
        db.publish_days(dataset, "2026-01-01", "2026-03-10")
    db.build()
    facts = ("step_number", "people", "went_on", "rate_pct", "rate_low_pct", "rate_high_pct", "median_days")
    assert db.view("vw_funnel_steps", *facts, "is_mature", where="funnel = 'ACCA' AND step_number < 4") == [
        (1, 4, 2, 50, inr("15.00"), inr("85.00"), 1, True),
        (2, 2, 1, 50, inr("9.45"), inr("90.55"), 4, True),
        (3, 2, 1, 50, inr("9.45"), inr("90.55"), 0, True),
    ]
    # Without a published sales part nobody is known not to have bought.
    late = ("step_number", "people", "went_on", "rate_pct", "is_mature")
    assert db.view("vw_funnel_steps", *late, where="step_number >= 4 AND funnel = 'ACCA'") == [
        (4, 1, None, None, False),
        (5, 4, None, None, False),
    ]
    assert db.view("vw_funnel_steps", *late, where="funnel = 'CFA' AND step_number = 2") == [
        (2, 1, 0, 0, False)
    ]
    db.publish_days("sales_enriched", "2026-01-01", "2026-03-10")
    assert db.view("vw_funnel_steps", *late, "p90_days", where="step_number = 5 AND funnel = 'ACCA'") == [
        (5, 4, 2, 50, True, pytest.approx(18.1))
    ]


def test_credit_is_added_up_by_month_and_origin_and_spellings_are_joined(db: Database) -> None:
    def credit(sale_id: str, model: str, number: int, source: str | None, net: str, share: float) -> Row:
        told = {"sale_id": sale_id, "model": model, "touch_number": number, "source": source, "share": share}
        amounts = {"gross_revenue_inr": net, "net_revenue_inr": net, "currency": "INR"}
        return {"date": "2026-01-20", "funnel": "ACCA", **told, **amounts}

    db.add(
        "sale_credit",
        credit("s1", "linear", 1, " FB", "33.34", 1 / 3),
        credit("s1", "linear", 2, "fb", "33.33", 1 / 3),
        credit("s1", "linear", 3, None, "33.33", 1 / 3),
        credit("s1", "last_touch", 3, None, "100", 1),
        credit("s2", "linear", 0, None, "7.01", 1),
    )
    db.build()
    wanted = ("model", "source", "sales", "net_revenue_inr")
    assert db.view("vw_sale_credit", *wanted, where="month = '2026-01-01'") == [
        ("last_touch", "Unknown", 1, 100),
        ("linear", "Unknown", inr("1.3333"), inr("40.34")),
        ("linear", "fb", inr("0.6667"), inr("66.67")),
    ]


def test_stage_transitions(db: Database) -> None:
    db.add(
        "scored_contacts",
        *(scored(f"p{number}", f"2026-01-0{number}", "Lead") for number in (1, 2, 4)),
        scored("p1", "2026-01-05", "Lead", "Lead"),
        *(scored(f"p{number}", "2026-01-10", "MQL", "Lead") for number in (1, 2, 4)),
        scored("p1", "2026-01-12", "Lead", "MQL"),
        scored("p4", "2026-01-11", "Customer", "MQL"),
    )
    db.build()
    assert db.view(
        "vw_stage_transitions",
        *("date", "previous_stage", "current_stage", "contacts", "median_days_in_previous_stage"),
    ) == [
        (day("2026-01-01"), None, "Lead", 1, None),
        (day("2026-01-02"), None, "Lead", 1, None),
        (day("2026-01-04"), None, "Lead", 1, None),
        # A change of anything else on the 5th doesn't start the stage again: 9, 8 and 6 days.
        (day("2026-01-10"), "Lead", "MQL", 3, 8),
        (day("2026-01-11"), "MQL", "Customer", 1, 1),
        (day("2026-01-12"), "MQL", "Lead", 1, 2),
    ]


def test_revenue_efficiency(db: Database) -> None:
    db.add("scored_contacts", scored("p1", "2026-01-01", "Customer"))
    db.add("dedup_leads", lead("p1", "2026-01-01", city="Pune"))
    db.add("icp_tiers", {"field": "city", "value": "Pune", "tier": "High"})
    fb = {"ever_source": "FB", "ever_touch_at": "2026-01-01", "created_at": "2026-01-01 06:00"}
    db.add(
        "sales_enriched",
        sale(1, "p1", "2026-01-01", "300", days_to_revenue=0, **fb),
        sale(2, "p1", "2026-01-06", "300", days_to_revenue=5, **fb | {"ever_source": " fb"}),
        sale(3, "p2", "2026-01-25", "600", days_to_revenue=24, **fb),
        sale(4, "p3", "2026-01-25", "50"),
        sale(5, "p1", "2026-01-25", "999", is_paid=False, days_to_revenue=24, **fb),
    )
    db.build()
    wanted = ("ever_source", "icp_tier", "sales", "sales_with_touch", "net_revenue_inr")
    days = ("avg_days_to_revenue", "median_days_to_revenue", "velocity_inr_per_day", "efficiency_index")
    # All sales with a touch: 1200 in 1 + 5 + 24 days, 40 a day.
    assert db.view("vw_revenue_efficiency", *wanted, *days) == [
        ("Unknown", "Unknown", 1, 0, 50, None, None, None, None),
        ("fb", "High", 2, 2, 600, inr("2.5"), 2.5, 100, inr("2.50")),
        ("fb", "Unknown", 1, 1, 600, 24, 24, 25, inr("0.63")),
    ]
    elapsed = db.view("vw_revenue_efficiency", "ever_source", "avg_elapsed_days", where="icp_tier = 'High'")
    assert elapsed == [("fb", inr("0.3"))]


def test_a_sale_before_its_first_touch_counts_with_its_negative_days_and_is_told(db: Database) -> None:
    fb = {"ever_source": "FB", "ever_touch_at": "2026-01-05"}
    db.add(
        "sales_enriched",
        sale(1, "p1", "2026-01-03", created_at="2026-01-03", days_to_revenue=-2, **fb),
        sale(2, "p2", "2026-01-15", created_at="2026-01-15", days_to_revenue=10, **fb),
    )
    db.build()
    wanted = (
        "sales",
        "sales_before_touch",
        "avg_days_to_revenue",
        "avg_elapsed_days",
        "velocity_inr_per_day",
    )
    assert db.view("vw_revenue_efficiency", *wanted) == [(2, 1, 4, 4, inr("181.82"))]


def test_who_was_touched_before_the_first_day_is_known_by_that_and_is_nobodys_new_lead(db: Database) -> None:
    before = {
        "first_source": "Radio",
        "first_medium": " ",
        "first_campaign": "UNKNOWN",
        "first_funnel": "CFA",
    }
    db.add(
        "_touch_before",
        {"person_id": "p1", "date": "2025-11-20", "first_touch_at": "2025-11-20", "city": "Pune", **before},
        {"person_id": "p3", "date": "2025-11-20", "first_touch_at": "2025-11-20", **before},
        {"person_id": "gone", "date": "2025-11-20", "first_touch_at": "2025-11-20", **before},
    )
    db.add("dedup_leads", lead("p1", "2026-01-02"), lead("p2", "2026-01-02"))
    db.add("sales_enriched", sale(1, "p1", "2026-01-09"), sale(2, "p3", "2026-01-10"))
    db.add("funnel_marts", mart("2026-01-02"))
    db.build()
    who = ("person_id", "lead_source", "lead_medium", "lead_campaign", "lead_funnel", "first_touch_date")
    assert db.view("_contact_state", *who, "city") == [
        ("p1", "radio", "Unknown", "Unknown", "CFA", day("2025-11-20"), "Pune"),
        ("p2", "fb", "paid", "spring", None, day("2026-01-02"), None),
        ("p3", "radio", "Unknown", "Unknown", "CFA", day("2025-11-20"), None),
    ]
    assert db.view("vw_channel_economics", "source", "leads", "customers", "avg_days_to_sale") == [
        ("fb", 1, 0, None),
        ("radio", 0, 2, inr("50.5")),
    ]
    assert db.view("vw_cohort_conversion", "cohort_month", "cohort_people") == []


# --- trust ---


@pytest.mark.parametrize(
    ("days", "triggered"),
    [((46, 46, 46, 46, 46), True), ((45, 45, 45, 45, 45), False), ((90, 90, 90, 90), False)],
)
def test_slow_revenue_calls_for_a_decision_with_five_sales(
    db: Database, days: tuple[int, ...], triggered: bool
) -> None:
    db.publish_days("funnel_marts", "2026-05-01", "2026-05-01")
    told = [sale(n, f"p{n}", "2026-04-01", days_to_revenue=d, ever_source="FB") for n, d in enumerate(days)]
    old = sale(99, "p99", "2026-01-31", days_to_revenue=900, ever_source="FB")
    db.add("sales_enriched", *told, old)
    db.build()
    assert db.view(
        "vw_decisions",
        "date",
        "subject",
        "observed",
        "threshold",
        "is_triggered",
        where="trigger = 'velocity_drop'",
    ) == [(day("2026-05-01"), "fb", days[0], 45, triggered)]


@pytest.mark.parametrize(
    ("best_fits", "of_them_buy", "triggered"),
    [(100, 1, True), (100, 10, False), (3, 0, False), (0, 0, False)],
)
def test_a_best_fit_that_buys_too_seldom_calls_for_a_decision(
    db: Database, best_fits: int, of_them_buy: int, triggered: bool
) -> None:
    best = [lead(f"h{number}", "2026-01-01", city="Pune") for number in range(best_fits)]
    db.add("dedup_leads", *best, *(lead(f"p{number}", "2026-01-01") for number in range(100)))
    db.add("sales_enriched", *(sale(number, f"h{number}", "2026-01-02") for number in range(of_them_buy)))
    db.add("sales_enriched", *(sale(1000 + number, f"p{number}", "2026-01-02") for number in range(20)))
    db.add("icp_tiers", {"field": "city", "value": "Pune", "tier": "High"})
    db.build()
    observed = round(Decimal(100 * of_them_buy) / best_fits, 2) if best_fits else None
    threshold = round(Decimal(100 * (20 + of_them_buy)) / (100 + best_fits), 2)
    assert db.view(
        "vw_decisions", "observed", "threshold", "is_triggered", where="trigger = 'icp_mismatch'"
    ) == [(observed, threshold, triggered)]


def test_bad_data_calls_for_a_decision(db: Database) -> None:
    db.publish_days("raw_leads", "2026-05-01", "2026-05-01", rows=19)
    db.publish_days("spend", "2026-05-01", "2026-05-01", rows=18)
    bad = {"source": "s", "day": "2026-05-01", "reason": "phone_invalid"}
    db.add("quarantine", {"dataset": "raw_leads", **bad}, {"dataset": "spend", **bad})
    db.add("quarantine", {"dataset": "raw_leads", **bad, "day": "undated"})
    figures = {"date": "2026-05-01", "step": "dedup", "measure": "rows", "expected": 3}
    db.add(
        "reconciliation",
        {"dataset": "funnel_marts", **figures, "found": 3, "difference": 0},
        {"dataset": "spend", **figures, "found": 2, "difference": 1},
    )
    db.build()
    found = db.view(
        "vw_decisions",
        "subject",
        "observed",
        "is_triggered",
        where="subject NOT LIKE '%missing%' AND trigger LIKE 'q%'",
    )
    assert found == [
        ("funnel_marts: reconciliation", 0, False),
        ("raw_leads: quarantine", 5, False),
        ("spend: quarantine", inr("5.26"), True),
        ("spend: reconciliation", 1, True),
    ]
    assert db.view("vw_reconciliation", "dataset", "difference", "is_balanced") == [
        ("funnel_marts", 0, True),
        ("spend", 1, False),
    ]


def test_quarantine_is_counted_with_a_masked_example(db: Database) -> None:
    same = {"dataset": "raw_leads", "source": "leads", "reason": "phone_invalid"}
    db.add(
        "quarantine",
        {**same, "day": "2026-01-01", "file": "a.csv", "line": 9, "detail": "older"},
        {
            **same,
            "day": "2026-01-02",
            "file": "a.csv",
            "line": 7,
            "detail": "9876500001 of asha@example.com: mend it",
        },
        {**same, "day": "2026-01-02", "file": "b.csv", "line": 3, "detail": "another"},
        {
            "dataset": "zoom_attendance",
            "source": "inbox",
            "reason": "not_a_report",
            "day": "undated",
            "file": "c",
        },
    )
    db.build()
    wanted = (
        "dataset",
        "quarantined",
        "files",
        "first_day",
        "last_day",
        "undated",
        "example_detail",
        "example_line",
    )
    assert db.view("vw_quarantine", *wanted) == [
        ("raw_leads", 3, 2, day("2026-01-01"), day("2026-01-02"), 0, "*** of ***@***: mend it", 7),
        ("zoom_attendance", 1, 1, None, None, 1, None, None),
    ]


def test_freshness_lists_every_dataset_and_its_gaps(db: Database) -> None:
    due = db.rows("SELECT (now() AT TIME ZONE 'Asia/Kolkata')::date - 1 AS due")[0]["due"]
    ago = [due - dt.timedelta(days=number) for number in range(20)]
    for name, missing in (("raw_leads", ()), ("spend", (0, 2)), ("crm_sales", range(3))):
        db.add(
            "published_days",
            *({"dataset": name, "date": ago[n], "rows": 2} for n in range(18) if n not in missing),
        )
    db.build()
    wanted = ("dataset", "newest_day", "days_behind", "missing_recent_days", "days", "rows", "is_fresh")
    found = {row[0]: row[1:] for row in db.view("vw_freshness", *wanted)}
    assert set(found) == set(CONTRACTS)
    assert found["raw_leads"] == (due, 0, 0, 18, 36, True)
    assert found["spend"] == (ago[1], 1, 2, 16, 32, False)
    assert found["crm_sales"] == (ago[3], 3, 3, 15, 30, False)
    assert found["dedup_leads"] == (None, None, 14, 0, 0, False)
    gaps = db.view("vw_freshness", "missing_recent_list", where="dataset = 'spend'")
    assert gaps == [(f"{ago[2]}, {ago[0]}",)]
    late = db.view("vw_decisions", "observed", "is_triggered", where="subject = 'spend: missing days'")
    assert late == [(2, True)]
