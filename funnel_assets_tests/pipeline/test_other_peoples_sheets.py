"""Sheets and dumps of other people, brought in by sources.yaml alone: a mistake is a message, never a number."""

import datetime as dt
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.errors import ConfigError
from funnel_assets.pipeline import landed
from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.sources import pieces
from funnel_assets_tests.pseudonyms import SECRET

DAYS = [dt.date(2026, 3, day) for day in range(1, 11)]


class Home:
    """A home whose sources are files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "config").mkdir(parents=True)

    def sources(self, text: str) -> None:
        """Write ``sources.yaml``."""
        (self.home / "config" / "sources.yaml").write_text(dedent(text))

    def source(self, dataset: str, keys: str, file: str = "dump.csv") -> None:
        """Write ``sources.yaml`` with one source; ``keys`` are what it says besides name, kind and path."""
        kind = file.rpartition(".")[2]
        lines = indent(dedent(keys).strip("\n"), "    ")
        (self.home / "config" / "sources.yaml").write_text(
            f"{dataset}:\n  - name: one\n    kind: {kind}\n    path: {file}\n{lines}\n"
        )

    def dump(self, header: str, rows: Iterable[str], file: str = "dump.csv") -> None:
        """Write a CSV file."""
        (self.home / file).write_text("\n".join([header, *rows, ""]))

    def open(self, lake: str = "lake") -> Pipeline:
        """Open the pipeline, with a lake of its own where asked."""
        environ = {
            "FUNNEL_HOME": str(self.home),
            "FUNNEL_SECRET": SECRET,
            "FUNNEL_LAKE": str(self.home / lake),
            "FUNNEL_START_DATE": str(DAYS[0]),
            "FUNNEL_TODAY": str(DAYS[-1] + dt.timedelta(days=1)),
        }
        return Pipeline(load_settings(environ, dotenv=False))

    def make(self, dataset: str, days: Sequence[dt.date] = DAYS, lake: str = "lake") -> Outcome:
        """Make days."""
        return self.open(lake).make(dataset, days)

    def rows(self, dataset: str, lake: str = "lake") -> list[dict[str, Any]]:
        """Make all days and return their rows."""
        opened = self.open(lake)
        outcome = opened.make(dataset, DAYS)
        assert not outcome.failed, outcome.error()
        assert opened.reconcile(outcome) == []
        return opened.lake.read(dataset, DAYS).to_pylist()

    def refused(self, dataset: str) -> str:
        """Make all days, which has to fail with one message for all; return it."""
        outcome = self.make(dataset)
        assert set(outcome.failed) == set(DAYS)
        assert len({str(problem) for problem in outcome.failed.values()}) == 1
        return str(outcome.error())

    def set_aside(self, dataset: str) -> list[tuple[str, int]]:
        """Reason and line of each row in quarantine."""
        found = self.open().quarantine.rows([dataset])
        return sorted(zip(found["reason"], found["line"], strict=True))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(params=["whole", "in pieces"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in pieces":
        for name, size in (("FROM_BYTES", 1), ("LEAST_BYTES", 500), ("_ROWS_PER_BORDER", 4)):
            monkeypatch.setattr(pieces, name, size)


# --- names ---------------------------------------------------------------------------------------------------


def leads(count: int = 120) -> list[str]:
    return [f"P {n},p{n}@x.example,98{n:08d},2026-03-{n % 9 + 1:02d} 10:00:00,google" for n in range(count)]


LEADS = "Name,Email,Phone number,created date,Lead Source"


@pytest.mark.usefixtures("reading")
def test_a_name_that_no_column_of_the_file_has_is_one_message_with_a_suggestion(home: Home) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", "columns: {utmSource: Lead Sorce, City: user.city}")
    told = home.refused("raw_leads")
    assert "`columns: utmSource` names 'Lead Sorce' (did you mean 'Lead Source'?)" in told
    assert "`columns: City` names 'user.city'" in told
    assert "The file has: 'Name', 'Email', 'Phone number', 'created date', 'Lead Source'" in told
    assert "source one" in told
    home.source("raw_leads", "columns: {utm_source: lead source}")
    assert {row["utm_source"] for row in home.rows("raw_leads")} == {"google"}


def events(count: int = 60) -> list[dict[str, Any]]:
    return [
        {
            "event_id": f"e{n}",
            "event_type": "view",
            "event_time": f"2026-03-0{n % 9 + 1} 10:00:00",
            "user": {"email": f"p{n}@x.example"},
            "page": f"https://x.example/?utm_source=s{n}",
        }
        for n in range(count)
    ]


def listed(records: list[dict[str, Any]]) -> str:
    return "\n".join(json.dumps(record) for record in records)


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ("columns: {email: user.mail}", "`columns: email` names 'user.mail'"),
        ("only: {user.kind: [lead]}", "`only: user.kind` names 'user.kind'"),
        ("columns: {email: user.email}\ncount: user.times", "`count` names 'user.times'"),
        (
            "extract: {channel: {from: user.page, pattern: 'utm=(.+)'}}",
            "`extract: channel` names 'user.page'",
        ),
    ],
    ids=["columns", "only", "count", "extract"],
)
def test_a_path_that_is_in_no_record_is_a_mistake(home: Home, keys: str, named: str) -> None:
    (home.home / "events.jsonl").write_text(listed(events()))
    home.source("engagement_events", keys, "events.jsonl")
    told = home.refused("engagement_events")
    assert named in told
    assert "no record of the file has" in told


@pytest.mark.usefixtures("reading")
def test_a_path_that_one_record_of_many_has_is_none_be_it_empty(home: Home) -> None:
    found = events()
    found[57]["user"] |= {"company": None}
    (home.home / "events.jsonl").write_text(listed(found))
    home.source("engagement_events", "columns: {email: user.email, company: user.company}", "events.jsonl")
    assert len(home.rows("engagement_events")) == len(found)


@pytest.mark.usefixtures("reading")
def test_a_pattern_that_matches_nowhere_is_told_and_one_that_matches_once_is_not(home: Home) -> None:
    found = events()
    found[57]["page"] += "&coupon=WELCOME"
    (home.home / "events.jsonl").write_text(listed(found))
    keys = "columns: {email: user.email}\nextract: {channel: {from: page, pattern: '%s=([^&]+)'}}"
    for parameter, is_told in (("utm_medium", True), ("coupon", False)):
        home.source("engagement_events", keys % parameter, "events.jsonl")
        outcome = home.make("engagement_events")
        assert not outcome.failed
        assert (
            "`extract: channel` of sources.yaml matches in no row" in outcome.notes.get("drift", "")
        ) is is_told


@pytest.mark.usefixtures("reading")
def test_an_id_that_other_rows_share_is_none(home: Home) -> None:
    lines = [f"L{n},O{n // 2},2026-03-0{n % 9 + 1} 10:00:00,98{n:08d},{100 + n}" for n in range(60)]
    home.dump("Row,Order,createdOn,phone,paidAmount", lines)
    home.source("crm_sales", "columns: {_id: Order}")
    told = home.refused("crm_sales")
    assert "30 of 60 rows (50%) have the 'Order' of another row and other content" in told
    assert "map _id in sources.yaml" in told
    home.source("crm_sales", "columns: {_id: Order}\nmost_superseded_pct: 50")
    assert len(home.rows("crm_sales")) == 30
    home.source("crm_sales", "columns: {_id: Row}")
    assert len(home.rows("crm_sales")) == 60
    home.dump("Row,Order,createdOn,phone,paidAmount", [*lines, *lines])
    assert len(home.rows("crm_sales")) == 60, "the same row again is no other row"


def test_a_name_that_is_none_of_ours_stops_its_dataset_alone(home: Home) -> None:
    home.dump(LEADS, leads())
    home.sources(
        """
        raw_leads:
          - {name: forms, kind: csv, path: dump.csv}
        spend:
          - {name: ads, kind: csv, path: ads.csv, columns: {cst: Amount}}
        """
    )
    assert "spend has no column 'cst' (did you mean cost?)" in home.refused("spend")
    assert len(home.rows("raw_leads")) == 120
    assert home.open().stale_plan() == {}


@pytest.mark.parametrize("key", ["only: {Lead Sorce: google}", "external_id: Lead Sorce"])
def test_every_key_that_names_a_column_suggests_one(home: Home, key: str) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", key)
    assert "did you mean 'Lead Source'?" in home.refused("raw_leads")


def test_a_dataset_that_the_company_lacks_is_empty_and_says_so(home: Home) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", "")
    outcome = home.make("spend")
    assert not outcome.failed
    assert {facts.rows for facts in outcome.done.values()} == {0}
    assert outcome.notes["sources"].startswith("No source is listed for spend")


def test_a_dataset_isnt_emptied_because_its_lines_were_lost(home: Home) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", "")
    home.rows("raw_leads")
    home.sources("spend: []")
    assert "had one until now" in home.refused("raw_leads")
    home.sources("raw_leads: []")
    assert home.rows("raw_leads") == []


def test_a_file_that_is_wrong_as_a_whole_is_told_before_anything_is_made(home: Home) -> None:
    home.sources("raw_lead: []")
    with pytest.raises(ConfigError, match=r"did you mean raw_leads\?"):
        home.open().sources()


# --- config tables -------------------------------------------------------------------------------------------


def test_a_bad_row_in_a_config_table_stops_the_datasets_that_read_it_alone(home: Home) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", "")
    (home.home / "config" / "manual_mapping.csv").write_text("sale_id,value\ns1,\n,Referral\n")
    opened = home.open()
    outcomes = {name: opened.make(name, DAYS) for name in in_order()}
    failed = {name for name, outcome in outcomes.items() if outcome.failed}
    assert failed == {"sales_enriched", "sale_credit"}
    assert "sale_id is empty" in str(outcomes["sales_enriched"].error())
    assert [
        outcome for outcome in outcomes.values() if not outcome.failed and opened.reconcile(outcome)
    ] == []
    (home.home / "config" / "manual_mapping.csv").write_text("sale_id,value\ns1,\ns2,Referral\n")
    assert not home.make("sales_enriched").failed, "a value that is still to come is no mistake"


# --- records of JSON -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("reading")
def test_a_record_of_a_json_list_on_one_line_is_told_by_its_position(home: Home) -> None:
    events = [
        {"event_type": "view", "event_time": f"2026-03-0{n % 9 + 1} 10:00:00", "email": f"p{n}@x.example"}
        for n in range(60)
    ]
    events[41]["event_time"] = "soon"
    listed = [json.dumps(event) for event in events]
    listed.insert(50, '"not an object"')
    (home.home / "events.json").write_text(f"[{', '.join(listed)}]")
    home.source("engagement_events", "", "events.json")
    assert len(home.rows("engagement_events")) == 59
    assert home.set_aside("engagement_events") == [("date_unreadable", 42), ("not_an_object", 51)]


# --- dates ---------------------------------------------------------------------------------------------------

BOTH = 'date_formats: ["%d/%m/%Y", "%m/%d/%Y"]'


def dated(*days: str) -> list[str]:
    return [f"P {n},p{n}@x.example,98{n:08d},{day},google" for n, day in enumerate(days)]


UNDECIDED = [f"0{n % 4 + 1}/03/2026" for n in range(80)]
"""Of March read day first, of January to April read month first; one in four is the 3rd of March either way."""


def on_days(rows: list[dict[str, Any]]) -> dict[dt.date, int]:
    return dict(Counter(row["date"] for row in rows))


@pytest.mark.usefixtures("reading")
def test_dates_are_read_by_the_whole_column_not_by_a_cell(home: Home) -> None:
    home.dump(LEADS, dated(*UNDECIDED, "25/03/2026"))
    home.source("raw_leads", 'date_formats: ["%m/%d/%Y", "%d/%m/%Y"]')
    assert on_days(home.rows("raw_leads")) == dict.fromkeys(DAYS[:4], 20)


@pytest.mark.usefixtures("reading")
def test_dates_that_can_be_read_in_two_ways_are_refused_until_one_is_chosen(home: Home) -> None:
    home.dump(LEADS, dated(*UNDECIDED))
    home.source("raw_leads", BOTH)
    told = home.refused("raw_leads")
    assert "'created date' can be read in 2 ways, and 60 rows would be on another day" in told
    assert "'01/03/2026' is 1 March 2026 as %d/%m/%Y and 3 January 2026 as %m/%d/%Y" in told
    assert "date_formats of one (sources.yaml, line 2)" in told
    home.source("raw_leads", 'date_formats: ["%d/%m/%Y"]')
    chosen = home.rows("raw_leads")
    assert on_days(chosen) == dict.fromkeys(DAYS[:4], 20)
    home.source("raw_leads", BOTH)
    assert home.rows("raw_leads") == chosen, "what was chosen is kept with the dump"
    shutil.rmtree(home.home / "staged")
    assert home.rows("raw_leads", "rebuilt") == chosen, "and a rebuild reads it the same way"


@pytest.mark.usefixtures("reading")
def test_a_column_written_in_two_ways_is_refused(home: Home) -> None:
    home.dump(LEADS, dated(*UNDECIDED, "25/03/2026", "03/26/2026"))
    home.source("raw_leads", BOTH)
    told = home.refused("raw_leads")
    assert "No format reads them all: 1 only as %d/%m/%Y (such as '25/03/2026'), 1 only as %m/%d/%Y" in told


@pytest.mark.usefixtures("reading")
def test_formats_of_other_shapes_may_stand_in_one_column(home: Home) -> None:
    home.dump(LEADS, dated(*UNDECIDED, "2026-03-05 10:00:00", "13/03/2026"))
    home.source("raw_leads", 'date_formats: ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S"]')
    assert on_days(home.rows("raw_leads")) == {**dict.fromkeys(DAYS[:4], 20), DAYS[4]: 1}


@pytest.mark.usefixtures("reading")
def test_another_dump_that_decides_otherwise_moves_the_rows(home: Home) -> None:
    home.source("raw_leads", BOTH)
    home.dump(LEADS, dated(*UNDECIDED, "25/03/2026"))
    assert len(home.rows("raw_leads")) == 80
    home.dump(LEADS, dated(*UNDECIDED, "03/25/2026"))
    assert on_days(home.rows("raw_leads")) == {DAYS[2]: 20}
    home.dump(LEADS, dated(*UNDECIDED, "25/03/2026"))
    assert len(home.rows("raw_leads")) == 80
    assert home.open().stale_plan() == {}


@pytest.mark.usefixtures("reading")
def test_days_that_cannot_be_are_set_aside(home: Home) -> None:
    tomorrow = dt.datetime.now(ZoneInfo("Asia/Kolkata")).date() + dt.timedelta(days=1)
    later = tomorrow + dt.timedelta(days=1)
    rows = [f"2026-03-0{n % 4 + 1}" for n in range(40)]
    home.dump(LEADS, dated(*rows, "1999-12-31", "2000-01-01", str(tomorrow), str(later), "2062-03-01"))
    home.source("raw_leads", "")
    assert len(home.rows("raw_leads")) == 40
    assert home.set_aside("raw_leads") == [("date_implausible", line) for line in (42, 45, 46)]
    home.source("raw_leads", "days: {from: 1990-01-01, to: 2070-12-31}")
    assert len(home.rows("raw_leads")) == 40
    assert home.set_aside("raw_leads") == []


@pytest.mark.usefixtures("reading")
def test_a_day_that_was_too_early_is_loaded_once_it_may_be(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"2026-03-0{n % 4 + 1}" for n in range(40)]
    home.dump(LEADS, dated(*rows, "2026-03-09", *rows))
    home.source("raw_leads", "")
    real = landed.take_file

    def taken(day: int) -> None:
        moment = dt.datetime(2026, 3, day, 12, tzinfo=dt.UTC)

        def take(*given: Any, **more: Any) -> Any:
            return replace(real(*given, **more), taken_at=moment)

        monkeypatch.setattr(landed, "take_file", take)

    taken(6)
    opened = home.open()
    assert not opened.make("raw_leads", DAYS[:4]).failed
    assert home.set_aside("raw_leads") == [("date_implausible", 42)]
    taken(12)
    assert on_days(home.rows("raw_leads"))[DAYS[8]] == 1
    assert home.set_aside("raw_leads") == []


# --- values, extract, count ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("reading")
def test_a_word_may_mean_none_and_a_value_may_stand_inside_a_text(home: Home) -> None:
    places = ["Select", "Pune", " select ", "Delhi"]
    rows = [
        f"P {n},{places[n % 4]},2026-03-0{n % 4 + 1},/go?utm_source=fb&utm_campaign=c{n % 2}"
        for n in range(60)
    ]
    home.dump("Name,City,created date,Landing Page", [*rows, "P,Pune,2026-03-05,/go"])
    home.source(
        "raw_leads",
        r"""
        values: {City: {Select: ""}}
        extract:
          utmSource: {from: landing page, pattern: 'utm_source=([^&]+)'}
          utm_campaign: {from: Landing Page, pattern: 'utm_(campaign|camp)=(?P<value>\w+)'}
        """,
    )
    found = home.rows("raw_leads")
    assert Counter(row["city"] for row in found) == {None: 30, "Pune": 16, "Delhi": 15}
    assert Counter((row["utm_source"], row["utm_campaign"]) for row in found) == {
        ("fb", "c0"): 30,
        ("fb", "c1"): 30,
        (None, None): 1,
    }


@pytest.mark.usefixtures("reading")
def test_a_row_may_tell_how_often_something_happened(home: Home) -> None:
    counts = ["5", "1", "0", "", "2"]
    rows = [f"p{n}@x.example,2026-03-0{n % 9 + 1},{counts[n % 5]}" for n in range(100)]
    home.dump("email,event_time,TotalVisits", [*rows, "x@x.example,2026-03-01,often"])
    home.source("engagement_events", "count: TotalVisits\nconstants: {event_type: view}")
    assert Counter(row["times"] for row in home.rows("engagement_events")) == {5: 20, 1: 20, 2: 20}
    assert home.set_aside("engagement_events") == [("number_unreadable", 102)]
    opened = home.open()
    for name in ("raw_leads", "zoom_attendance", "engagement_summary"):
        outcome = opened.make(name, DAYS)
        assert not outcome.failed, outcome.error()
        assert opened.reconcile(outcome) == []
    summed = opened.lake.read("engagement_summary", DAYS).to_pylist()
    assert sum(row["views"] for row in summed) == 5 * 20 + 20 + 2 * 20


def test_a_count_of_words_or_of_leads_is_a_mistake(home: Home) -> None:
    home.dump(LEADS, leads())
    home.source("raw_leads", "count: TotalVisits")
    assert "count means nothing for raw_leads; it is for engagement_events" in home.refused("raw_leads")
