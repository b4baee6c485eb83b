"""Leads: every dated submission is loaded, whatever its phone and e-mail look like."""

import pandas as pd
import pytest

from funnel_assets.domain.parsing import SourceContext, parse
from funnel_assets.errors import SourceBroken
from funnel_assets_tests.domain.parsing.tables import NOV_3, NOV_4, by_line, quarantined, read, table
from funnel_assets_tests.pseudonyms import PSEUDONYMS

LEAD = {
    "Name": " Asha Rao ",
    "Email": "Asha@Example.com",
    "Phone number": "+91 98123 45670",
    "City": "Pune",
    "Question 1": "Working",
    "utmSource": "fb",
    "utmMedium": "paid_social",
    "utmCamp": "webinar-01",
    "created date": "2025-11-03 23:59:59",
}


def test_one_lead_in_full() -> None:
    parsed = read("raw_leads", [LEAD], order=3)
    expected = pd.DataFrame(
        {
            "date": pd.Series([NOV_3], dtype=object),
            "source_name": pd.Series(["source_one"], dtype="str"),
            "source_order": pd.Series([3], dtype="Int64"),
            "created_at": pd.to_datetime(["2025-11-03T18:29:59Z"]).as_unit("us"),
            "name": pd.Series(["Asha Rao"], dtype="str"),
            "email": pd.Series(["asha@example.com"], dtype="str"),
            "phone": pd.Series(["919812345670"], dtype="str"),
            "phone_status": pd.Series(["ok"], dtype="str"),
            "phone_key": pd.Series([PSEUDONYMS.phone_key("919812345670")], dtype="str"),
            "email_key": pd.Series([PSEUDONYMS.email_key("asha@example.com")], dtype="str"),
            "external_key": pd.Series([None], dtype="str"),
            "city": pd.Series(["Pune"], dtype="str"),
            "question_1": pd.Series(["Working"], dtype="str"),
            "utm_source": pd.Series(["fb"], dtype="str"),
            "utm_medium": pd.Series(["paid_social"], dtype="str"),
            "utm_campaign": pd.Series(["webinar-01"], dtype="str"),
            "line": [2],
        }
    )
    assert parsed.rows["lead_id"].str.fullmatch(r"[0-9a-f]{32}-1").all()
    pd.testing.assert_frame_equal(parsed.rows.drop(columns="lead_id"), expected)
    assert parsed.notes == {}


def test_last_and_first_minute() -> None:
    parsed = read("raw_leads", [LEAD, LEAD | {"created date": "2025-11-04 00:00:00"}])
    assert by_line(parsed, "date") == {2: NOV_3, 3: NOV_4}


def test_identical_rows_are_separate_submissions() -> None:
    parsed = read("raw_leads", [LEAD, LEAD, LEAD | {"City": "Delhi"}])
    ids = by_line(parsed, "lead_id")
    assert len(set(ids.values())) == 3
    assert str(ids[2])[:32] == str(ids[3])[:32]
    assert parsed.counts.duplicates == 0


def test_bad_phone_or_email_does_not_cost_the_lead() -> None:
    bad = ["9.19877E+11", "9999999999", "12345", "NA", "+44 7911 123456"]
    parsed = read("raw_leads", [LEAD | {"Phone number": text, "Email": "asha at example"} for text in bad])
    assert parsed.quarantine.empty
    statuses = ("scientific", "placeholder", "invalid", "missing", "foreign")
    assert by_line(parsed, "phone_status") == dict(zip(range(2, 7), statuses, strict=True))
    assert by_line(parsed, "phone") == {2: None, 3: None, 4: None, 5: None, 6: "447911123456"}
    assert set(by_line(parsed, "email").values()) == {None}
    assert parsed.notes == {
        "email_unusable": 5,
        "phone_placeholder": 1,
        "phone_invalid": 1,
        "phone_scientific": 1,
    }


def test_placeholders_of_the_context() -> None:
    parsed = read("raw_leads", [LEAD], placeholders=frozenset({"9812345670", "asha@example.com"}))
    assert by_line(parsed, "phone_status") == {2: "placeholder"}
    assert by_line(parsed, "email") == {2: None}


def test_quarantine_says_why_and_what_to_do_without_personal_data() -> None:
    rows: list[dict[str, str | None]] = [
        LEAD | {"created date": "9812345670"},
        LEAD | {"created date": " "},
        dict.fromkeys(LEAD),
        LEAD,
    ]
    parsed = read("raw_leads", rows)
    assert quarantined(parsed) == {2: "date_unreadable", 3: "date_missing", 4: "empty_row"}
    assert parsed.quarantine["day"].isna().all()
    details = " ".join(parsed.quarantine["detail"])
    assert "9812345670" not in details
    assert "example.com" not in details
    assert "date_formats of source_one in sources.yaml" in details
    assert '"Phone number": "+91 98123 45670"' in parsed.quarantine["raw"].iloc[0]


def test_formats_and_time_zone_of_the_source() -> None:
    rows: list[dict[str, str | None]] = [LEAD | {"created date": "04/11/2025 03:29"}]
    parsed = read("raw_leads", rows, date_formats=("%d/%m/%Y %H:%M",), timezone="Asia/Tokyo")
    assert by_line(parsed, "date") == {2: NOV_3}


def test_absent_optional_columns_are_null() -> None:
    parsed = read("raw_leads", [{"created date": "2025-11-03 10:00:00", "Name": "Asha"}])
    assert by_line(parsed, "phone_status") == {2: "missing"}
    assert by_line(parsed, "utm_source") == {2: None}


def test_absent_date_column_breaks_the_source() -> None:
    with pytest.raises(SourceBroken, match="'created date' is missing"):
        parse(table([{"Name": "Asha"}]), SourceContext("raw_leads", "source_one", pseudonyms=PSEUDONYMS))


def test_empty_table() -> None:
    rows = table([LEAD]).iloc[:0]
    parsed = parse(rows, SourceContext("raw_leads", "source_one", pseudonyms=PSEUDONYMS))
    assert parsed.rows.empty
    assert parsed.counts.rows_in == 0


def test_two_sources_never_share_an_id() -> None:
    one, other = (
        parse(table([LEAD]), SourceContext("raw_leads", name, pseudonyms=PSEUDONYMS)) for name in ("a", "b")
    )
    assert one.rows["lead_id"].tolist() != other.rows["lead_id"].tolist()


def test_national_phones_are_of_the_sources_country_and_impossible_ones_are_counted() -> None:
    typed = ["(504) 621-8927", "+91 98123 45670", "123-456-7899", "+1 504 621 8927"]
    leads = [LEAD | {"Phone number": phone} for phone in typed]
    american = read("raw_leads", leads, country="US")
    phones = by_line(american, "phone")
    assert (phones[2], phones[3], phones[5]) == ("15046218927", "919812345670", "15046218927")
    assert pd.isna(phones[4])
    assert by_line(american, "phone_status") == {2: "ok", 3: "foreign", 4: "invalid", 5: "ok"}
    assert american.notes == {"phone_invalid": 1}
    indian = read("raw_leads", leads)
    assert by_line(indian, "phone_status") == {2: "invalid", 3: "ok", 4: "landline", 5: "foreign"}
    keys = [by_line(parsed, "phone_key")[3] for parsed in (american, indian)]
    assert keys == [PSEUDONYMS.phone_key("919812345670")] * 2


def test_one_mailbox_has_one_key_and_keeps_what_was_typed() -> None:
    typed = ["Asha.Rao@gmail.com", "asharao+webinar@googlemail.com"]
    parsed = read("raw_leads", [LEAD | {"Email": email} for email in typed])
    assert set(by_line(parsed, "email").values()) == {email.lower() for email in typed}
    assert set(by_line(parsed, "email_key").values()) == {PSEUDONYMS.email_key("asharao@gmail.com")}
