"""funnel explain: one person's records, why they are one, what was chosen, and nothing personal unless asked for."""

import csv
import datetime as dt
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from funnel_assets.config.settings import load_settings
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.explanation import explain, funnel_rule, touch_marks
from funnel_assets.pipeline.graph import days_between, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.pseudonyms import PSEUDONYMS, SECRET
from funnel_assets_tests.sources.zoom.files import HEADER, META

FIRST, LAST = dt.date(2026, 1, 25), dt.date(2026, 3, 12)
PHONE, EMAIL = "9812300001", "asha.rao@example.com"
PERSON = PSEUDONYMS.phone_key(f"91{PHONE}")

SOURCES = """
raw_leads:
  - {name: forms, kind: csv, path: leads.csv, external_id: {column: Question 1, system: chat}}
zoom_attendance:
  - {name: reports, kind: zoom_folder, path: inbox/zoom}
engagement_events:
  - {name: product, kind: json, path: events.json}
crm_assignments:
  - {name: crm, kind: csv, path: assignments.csv}
crm_sales:
  - {name: sales, kind: csv, path: sales.csv}
spend:
  - {name: ads, kind: csv, path: spend.csv, allow_empty: true}
"""
LEADS = [
    # name, email, phone, city, utmSource, utmCamp, created date; the header is line 1
    ("Asha Rao", "Asha.Rao@example.com", "98123-00001", "Pune", "google_x", "spring", "2026-01-28 09:00:00"),
    ("Bina Das", "bina@example.com", "9812300002", "Pune", "fb", "spring", "2026-01-28 09:00:00"),
    ("A. Rao", EMAIL, "", "Pune", "ig", "by asha.rao@example.com", "2026-03-05 18:30:00"),
    ("Asha Rao", "", "+91 98123 00001", "", "Walk\nIn", "20918273645", "2026-03-10 23:59:00"),
    ("Early Bird", "carl@example.com", "NA", "", "fb", "", "2026-02-01 10:00:00"),
    ("Early Bird", "carl@example.com", "9812300003", "", "fb", "", "2026-02-02 10:00:00"),
    ("Dev Das", "dev@example.com", "9812300002", "", "fb", "", "2026-02-03 10:00:00"),
    ("", "", "", "", "fb", "", "2026-02-04 10:00:00"),
    ("Esha", "", "9999999999", "", "chat", "", "2026-02-05 10:00:00"),
]
VISITORS = {"2026-02-04 10:00:00": "Visitor-7", "2026-02-05 10:00:00": " Visitor-7"}
ZOOM = "\n".join(
    [
        "Attendee Report,",
        'Report Generated:,"Feb 23, 2026 6:26 PM"',
        META,
        '"Bonds, explained",871 2345 6789,"Feb 22, 2026 7:00 PM",90,2,0,1,2',
        "Attendee Details,",
        HEADER,
        'Yes,Bina Das,Bina,Das,bina@example.com,9812300002,"Feb 15, 2026 11:23:29",approved,"Feb 22, 2026 19:05:00",'
        '"Feb 22, 2026 20:00:00",55,Yes,India',
        'Yes,Asha Rao,Asha,Rao,asha.rao@example.com,,"Feb 15, 2026 11:23:29",approved,"Feb 22, 2026 19:05:00",'
        '"Feb 22, 2026 20:00:00",55,Yes,India',
    ]
)


def csv_text(header: list[str], rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def sale(**cells: str) -> tuple[str, ...]:
    named = {
        "status": "Active",
        "TotalAmount": "150000",
        "netAmount": "123456.50",
        "employeeName": "Gita Menon",
    }
    return tuple((named | cells).get(sheet, "") for sheet in sheets("crm_sales"))


def sheets(dataset: str) -> list[str]:
    return [facts.sheet for facts in columns(CONTRACTS[dataset]) if facts.sheet]


def write_world(home: Path) -> None:
    (home / "config").mkdir(parents=True)
    (home / "inbox" / "zoom").mkdir(parents=True)
    (home / "config" / "sources.yaml").write_text(SOURCES)
    (home / "config" / "manual_mapping.csv").write_text("sale_id,value\ns1,Referral\n")
    names = [
        "Name",
        "Email",
        "Phone number",
        "City",
        "utmSource",
        "utmCamp",
        "created date",
        "Question 1",
        "utmMedium",
    ]
    (home / "leads.csv").write_text(
        csv_text(names, [(*row, VISITORS.get(row[-1], ""), "cpc") for row in LEADS])
    )
    (home / "events.json").write_text(
        json.dumps(
            [
                {
                    "event_id": "v1",
                    "email": EMAIL,
                    "event_type": "download",
                    "event_time": "2026-02-03 10:00:00",
                }
            ]
        )
    )
    assigned = [
        ("Webinar_Attended", "2026-03-11 12:00:00", PHONE, "Gita Menon"),
        ("Callback", "2026-03-12 09:00:00", PHONE, "Hari Nair"),
    ]
    (home / "assignments.csv").write_text(
        csv_text(["sources", "assignOn", "leadMobile", "employee"], assigned)
    )
    sold = [
        sale(
            _id="s1",
            createdOn="2026-03-12 15:00:00",
            StudentContact=PHONE,
            StudentName="Asha Rao",
            Funnel="Webinar",
        ),
        sale(_id="s2", createdOn="2026-03-12 16:00:00", StudentEmail="only@example.com", Funnel="Bootcamp"),
    ]
    (home / "sales.csv").write_text(csv_text(sheets("crm_sales"), sold))
    (home / "spend.csv").write_text(csv_text(sheets("spend"), []))
    report = home / "inbox" / "zoom" / "attendee_87123456789.csv"
    report.write_text(ZOOM)
    os.utime(report, (time.time() - 600,) * 2)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    home = tmp_path_factory.mktemp("home")
    write_world(home)
    environ = {
        "FUNNEL_HOME": str(home),
        "FUNNEL_TODAY": "2026-03-13",
        "FUNNEL_START_DATE": str(FIRST),
        "FUNNEL_SECRET": SECRET,
    }
    made = Pipeline(load_settings(environ, dotenv=False))
    for dataset in in_order():
        if dataset != "funnel_marts":
            outcome = made.make(dataset, days_between(FIRST, LAST))
            assert not outcome.failed, outcome.failed
    return made


def told(
    pipeline: Pipeline, person: str, until: dt.date = LAST, *, show: bool = False, width: int = 200
) -> str | None:
    screen = Console(width=width, record=True, file=io.StringIO())
    return screen.export_text() if explain(pipeline, person, until, screen, show_personal=show) else None


def line_with(text: str | None, *parts: str) -> str:
    assert text is not None
    found = [line for line in text.splitlines() if all(part in line for part in parts)]
    assert found, f"no line with {parts} in:\n{text}"
    return found[0]


@pytest.mark.parametrize("person", [PHONE, "+91 98123 00001", f"  {EMAIL.upper()} ", PERSON])
def test_phone_email_and_id_lead_to_the_same_person(pipeline: Pipeline, person: str) -> None:
    assert told(pipeline, person) == told(pipeline, PERSON)
    assert line_with(told(pipeline, person), "Person", PERSON)


@pytest.mark.parametrize(
    "person", ["9812399999", "nobody@example.com", "9999999999", "p0123456789abcdef", "asha", ""]
)
def test_nobody_is_said_to_be_nobody(pipeline: Pipeline, person: str) -> None:
    assert told(pipeline, person) is None


def test_why_the_records_are_one_person(pipeline: Pipeline) -> None:
    text = told(pipeline, PHONE)
    assert line_with(text, "2 records with the phone **********01")
    assert line_with(
        text, "3 records without a phone, joined by e-mail", "seen together 2026-01-28 to 2026-01-28"
    )


def test_records_say_source_file_and_line(pipeline: Pipeline) -> None:
    text = told(pipeline, PHONE)
    assert line_with(text, "google_x / cpc / spring", "forms, leads.csv:2")
    assert line_with(text, "ig / cpc", "forms, leads.csv:4", "email_phone")
    assert line_with(text, "forms, leads.csv:5")
    assert line_with(text, "Bonds, explained", "attendee_87123456789.csv:8", "55 min")
    assert line_with(text, "download", "product, events.json")
    assert line_with(text, "Gita Menon", "crm, assignments.csv:2")
    assert line_with(text, "from sales, sales.csv:2")


def test_first_touch_of_each_month_and_origin_are_marked(pipeline: Pipeline) -> None:
    text = told(pipeline, PHONE)
    assert line_with(text, "2026-01-28 09:00", "first of Jan 2026")
    assert line_with(text, "2026-02-22", "webinar / zoom", "first of Feb 2026")
    assert line_with(text, "2026-03-05 18:30", "first of Mar 2026")
    assert "origin of Mar 2026" in str(text)
    assert "first of" not in line_with(text, "2026-03-10 23:59")


def test_assignments_sales_and_states_are_told(pipeline: Pipeline) -> None:
    text = told(pipeline, PHONE)
    assert line_with(text, "2026-03-11 12:00", "first of Mar 2026", "never seen by Zoom")
    assert "first of" not in line_with(text, "2026-03-12 09:00", "Hari Nair")
    assert line_with(text, "Sale 2026-03-12", "s1", "net ₹1,23,457 of ₹1,50,000")
    assert line_with(
        text, "Final funnel: Referral", "The CRM says 'Webinar'", "manual_mapping.csv says 'Referral'"
    )
    assert line_with(text, "of the 90 days google_x", "43 days before the sale")
    assert line_with(text, "2026-02-03", "MQL", "Downloaded a resource")
    assert line_with(text, "2026-03-12", "Customer")


def test_what_was_not_known_yet_is_not_told(pipeline: Pipeline) -> None:
    text = told(pipeline, PHONE, dt.date(2026, 3, 9))
    assert text is not None
    for later in ("2026-03-10", "2026-03-11", "2026-03-12", "Sale", "Customer"):
        assert later not in text
    assert line_with(text, "Handed over to sales", "never")
    assert told(pipeline, PHONE, dt.date(2026, 1, 27)) is None


def test_nothing_personal_is_shown_unless_asked_for(pipeline: Pipeline) -> None:
    masked, shown = str(told(pipeline, PHONE)), str(told(pipeline, PHONE, show=True))
    for personal in (PHONE, EMAIL, "Asha", "Rao"):
        assert personal.lower() not in masked.lower()
        assert personal in shown
    assert "a***@***.com" in masked
    assert "20918273645" in masked, "a campaign's id is no phone"


def test_earlier_records_under_another_id_are_pointed_to(pipeline: Pipeline) -> None:
    text = told(pipeline, "carl@example.com")
    assert line_with(text, "Person", PSEUDONYMS.phone_key("919812300003"))
    assert line_with(text, "1 record of the same e-mail under", PSEUDONYMS.email_key("carl@example.com"))
    assert line_with(
        told(pipeline, PSEUDONYMS.email_key("carl@example.com")),
        "Person",
        PSEUDONYMS.phone_key("919812300003"),
    )


def test_a_visitor_known_by_an_id_alone_is_told(pipeline: Pipeline) -> None:
    text = told(pipeline, "Visitor-7")
    person = PSEUDONYMS.external_keys(pd.Series(["Visitor-7"]), "system chat")[0]
    assert line_with(text, "Person", person)
    assert text == told(pipeline, person)
    assert line_with(text, "2 records with the same id in their source")
    assert line_with(text, "2026-02-04", "external", "forms, leads.csv:10", "first of Feb 2026")
    assert line_with(text, "2026-02-05", "external", "forms, leads.csv:11")
    assert told(pipeline, "visitor-7") is None


def test_another_first_name_and_email_with_the_same_phone_is_another_person(pipeline: Pipeline) -> None:
    text = told(pipeline, "dev@example.com")
    assert line_with(text, "Person", PSEUDONYMS.email_key("dev@example.com"))
    assert line_with(text, "1 record with this e-mail and a phone that was first seen with another")
    assert "******02" not in str(text)
    other = told(pipeline, "9812300002")
    assert line_with(
        other,
        "1 record of the same phone under",
        PSEUDONYMS.email_key("dev@example.com"),
        "another first name",
    )
    assert "2026-02-03" not in str(other)


LINKS = "action,person_a,person_b,reason,author\n"


@pytest.fixture
def decided(pipeline: Pipeline) -> Iterator[Callable[[str], object]]:
    """Let link rows say something for the length of a test."""
    file = pipeline.settings.config_dir / "identity_links.csv"
    yield lambda rows: file.write_text(LINKS + rows)
    file.unlink()


def test_a_row_that_joins_two_people_is_told(pipeline: Pipeline, decided: Callable[[str], object]) -> None:
    decided(
        "cannot_link,9812300003,dev@example.com,two people,gita\n"
        "must_link,98123 00001,bina@example.com,sisters use one account,gita@example.com\n"
    )
    text = told(pipeline, "9812300002")
    assert text == told(pipeline, PHONE)
    assert line_with(text, "Person", PERSON)
    assert line_with(text, "2 records because a must_link row of identity_links.csv joins them")
    row = "identity_links.csv, line 3: must_link *********01 and b***@***.com, by g***@***.com: sisters use one account"
    assert line_with(text, row)
    assert line_with(told(pipeline, PHONE, show=True), "must_link 98123 00001 and bina@example.com")
    assert line_with(text, "forms, leads.csv:2")
    assert line_with(text, "forms, leads.csv:3")


def test_a_row_that_parts_two_people_is_told(pipeline: Pipeline, decided: Callable[[str], object]) -> None:
    decided(f"cannot_link,98123 00001,{EMAIL},typed by the counsellor,gita\n")
    text = told(pipeline, EMAIL)
    assert line_with(text, "Person", PSEUDONYMS.email_key(EMAIL))
    assert line_with(text, "4 records because a cannot_link row of identity_links.csv parts them")
    assert line_with(text, "identity_links.csv, line 2: cannot_link *********01 and a***@***.com")
    kept = told(pipeline, PHONE)
    assert line_with(kept, "Person", PERSON)
    assert line_with(kept, "1 record with the phone **********01")
    assert line_with(kept, f"1 record of the same phone under {PSEUDONYMS.email_key(EMAIL)}")


def test_a_link_row_that_names_nobody_is_told(pipeline: Pipeline, decided: Callable[[str], object]) -> None:
    decided(
        "must_link,98123 00001,98123 99999,mistyped,gita\n"
        f"cannot_link,nobody@example.com,{PERSON},mistyped,gita\n"
        "must_link,only@example.com,98123-00001,the CRM alone knows her,gita\n"
    )
    told_of = [line.strip() for line in str(told(pipeline, PHONE)).splitlines() if "in no record" in line]
    assert sorted(told_of) == [
        "identity_links.csv, line 2: *********99 is in no record so far.",
        "identity_links.csv, line 3: n***@***.com is in no record so far.",
    ]
    outcome = pipeline.make("dedup_leads", [LAST])
    assert outcome.done
    assert outcome.notes["names nobody"] == (
        "- identity_links.csv, line 2: person_b is in no record so far\n"
        "- identity_links.csv, line 3: person_a is in no record so far"
    )


def test_a_buyer_whom_only_the_crm_knows_is_told(pipeline: Pipeline) -> None:
    text = told(pipeline, "only@example.com")
    assert line_with(text, "only the CRM knows this person")
    assert line_with(text, "No touch is known")
    assert line_with(text, "Final funnel: Bootcamp", "nobody set another")


def test_a_person_fits_a_page(pipeline: Pipeline) -> None:
    assert len(str(told(pipeline, PHONE, width=120)).splitlines()) < 60


def touch(name: str, day: str) -> dict[str, Any]:
    return {"touch_id": name, "date": dt.date.fromisoformat(day)}


def test_touches_older_than_the_look_back_are_no_origin() -> None:
    touched = [
        touch("a", "2025-11-01"),
        touch("b", "2025-11-20"),
        touch("c", "2026-01-31"),
        touch("d", "2026-02-10"),
    ]
    leads = [{"date": dt.date(2026, 2, 10), "first_funnel": "Webinar", "origin_funnel": "Organic"}]
    assert touch_marks(touched, leads) == {
        "a": ["first of Nov 2025", "origin of Nov 2025"],
        "b": ["origin of Jan 2026", "origin of Feb 2026: Organic"],
        "c": ["first of Jan 2026"],
        "d": ["first of Feb 2026: Webinar"],
    }


@pytest.mark.parametrize(
    ("rule", "manual", "words"),
    [
        ("manual_lookup", "Ref", "so 'Ref' of manual_mapping.csv was looked up in manual_funnels.csv"),
        ("miscellaneous_kept", "Ref", "manual_funnels.csv doesn't list 'Ref'"),
        ("miscellaneous_kept", None, "manual_mapping.csv has no value for this sale"),
        ("manual_value", "Ref", "manual_mapping.csv says 'Ref', and a value by hand wins"),
        ("crm_funnel", None, "nobody set another"),
    ],
)
def test_every_branch_of_the_final_funnel_has_its_words(rule: str, manual: str | None, words: str) -> None:
    assert words in funnel_rule({"funnel": "Webinar", "manual_mapping": manual, "final_funnel_rule": rule})
