"""A report compared with itself: what makes it doubtful, and what doesn't."""

import datetime as dt

import pytest

from funnel_assets.simulate.edtech import build_edtech
from funnel_assets.sources.zoom import ReportRefused, ZoomReport, read_report
from funnel_assets_tests.sources.zoom.files import (
    ASHA,
    BINA,
    CARL,
    HEADER,
    attendee_report,
    registration_report,
)


def read(text: str, file: str = "report.csv") -> ZoomReport:
    return read_report(text.encode(), file=file, timezone="Asia/Kolkata")


def codes(text: str) -> list[str]:
    return [doubt.code for doubt in read(text).doubts]


def visitor(number: int, *, email: str = "", phone: str = "", name: str = "") -> str:
    name = name or f"Guest{chr(97 + number // 26)}{chr(97 + number % 26)} Rao"
    email = email or f"guest{number}@example.com"
    return (
        f'Yes,{name},,,{email},{phone},"Mar 15, 2025 11:23:29",approved,'
        f'"Mar 22, 2025 19:05:00","Mar 22, 2025 20:{number % 60:02d}:00",{55 + number % 60},Yes,India'
    )


def facts(registered: int, viewers: int, users: int) -> str:
    return f'"Bonds",871 2345 6789,"Mar 22, 2025 7:00 PM",120,{registered},0,{viewers},{users}'


def test_a_good_report_raises_no_doubt() -> None:
    assert read(attendee_report()).doubts == ()
    many = [visitor(number) for number in range(60)]
    assert read(attendee_report(many, facts=facts(60, 60, 61))).doubts == ()


def test_a_file_that_lists_a_few_of_the_many_it_speaks_of_is_doubtful() -> None:
    [doubt] = read(attendee_report(facts=facts(1018, 2, 3))).doubts
    assert (doubt.code, doubt.counts) == ("totals_differ", {"registered_stated": 1018, "registered_read": 2})
    assert "registered: 1,018 stated, 2 read" in doubt.detail


@pytest.mark.parametrize(("stated", "found"), [(60, []), (57, []), (63, []), (66, ["totals_differ"])])
def test_totals_may_differ_by_a_twentieth(stated: int, found: list[str]) -> None:
    rows = [visitor(number) for number in range(60)]
    assert codes(attendee_report(rows, facts=facts(stated, 60, 61))) == found


def test_a_report_that_lost_most_of_its_rows_is_doubtful() -> None:
    broken = ASHA.replace(",55,", ",India,")
    others = [broken.replace("asha", name) for name in ("azha", "isha")]
    found = {one.code: one for one in read(attendee_report([CARL, broken, *others])).doubts}
    assert found["most_rows_set_aside"].counts == {"rows": 4, "set_aside": 4}
    assert "misaligned" in found["most_rows_set_aside"].detail


def test_many_people_under_one_phone_or_address_are_doubtful_and_one_who_rejoins_is_not() -> None:
    stated = facts(30, 30, 31)
    shared = [visitor(number, phone="9812345678") for number in range(30)]
    assert codes(attendee_report(shared, facts=stated)) == ["shared_key"]
    one_address = [visitor(number, email="all@example.com") for number in range(30)]
    assert "shared_key" in codes(attendee_report(one_address, facts=facts(1, 1, 2)))
    rejoins = [visitor(number, email="asha@example.com", name="Asha Rao") for number in range(30)]
    assert codes(attendee_report(rejoins, facts=facts(1, 1, 2))) == []
    nobody = [visitor(number, phone="9999999999") for number in range(30)]
    assert codes(attendee_report(nobody, facts=stated)) == []
    family = [visitor(number, phone="9812345678" if number < 4 else "") for number in range(30)]
    assert codes(attendee_report(family, facts=stated)) == []


def test_a_list_of_hosts_alone_is_doubtful() -> None:
    text = attendee_report([], facts=facts(0, 0, 1))
    [doubt] = read(text).doubts
    assert (doubt.code, doubt.counts["hosts_and_panelists"]) == ("no_person", 1)


def test_a_registration_list_without_its_end_is_doubtful() -> None:
    row = "Asha,Rao,asha@example.com,03/15/2025 11:23:29 AM,approved,Pune,9812300001,Ads"
    assert (
        codes(registration_report([row], facts='"Bonds",871 2345 6789,"03/22/2025 07:00:00 PM",90,1,0,1,0'))
        == []
    )
    assert codes(
        registration_report([row], facts='"Bonds",871 2345 6789,"03/22/2025 07:00:00 PM",90,9,0,9,0')
    ) == ["totals_differ"]


def test_doubts_name_nobody() -> None:
    rows = [visitor(number, phone="9812345678") for number in range(30)] + [BINA]
    for doubt in read(attendee_report(rows, facts=facts(500, 1, 1))).doubts:
        assert not any(secret in doubt.detail for secret in ("@", "98123", "Rao"))


LIST_ROWS = "".join(
    f"Bonds,87123456789,{'host@academy.example,' * has_host}Guest{chr(97 + i)} Rao,{f'g{i}@example.com' * (i % 2)},"
    f"03/22/2025 07:{i:02d}:00 PM,03/22/2025 08:30:00 PM,{90 - i}\n"
    for has_host in (False, True)
    for i in range(20)
).splitlines(keepends=True)


@pytest.mark.parametrize(
    "heading", ["Meeting ID", "Webinar ID", "ID", "Event ID", "Room identifier", "ConferenceId", "会议 ID"]
)
def test_the_number_of_an_event_is_nobodys_phone(heading: str) -> None:
    header = f"Topic,{heading},Name,Email,Join Time,Leave Time,Duration (Minutes)\n"
    report = read(header + "".join(LIST_ROWS[:20]))
    assert report.people["phone_raw"].isna().all()
    assert (report.topic, len(report.people), report.doubts) == ("Bonds", 20, ())
    if "ID" in heading:
        assert report.webinar_id == "87123456789"


def test_the_hosts_address_in_every_row_is_nobodys_email() -> None:
    header = "Topic,Meeting ID,User Email,Name,User Email,Join Time,Leave Time,Duration (Minutes)\n"
    report = read(header + "".join(LIST_ROWS[20:]))
    assert report.people["email"].dropna().tolist() == [f"g{i}@example.com" for i in range(1, 20, 2)]
    assert report.doubts == ()


@pytest.mark.parametrize("heading", ["Room", "Phone"])
def test_a_column_of_one_number_for_everybody_is_nobodys_phone(heading: str) -> None:
    header = f"Name,Email,Join Time,Leave Time,{heading}\n"
    rows = [
        f"Guest{chr(97 + i)} Rao,g{i}@example.com,03/22/2025 07:{i:02d}:00 PM,03/22/2025 08:30:00 PM,"
        for i in range(9)
    ]
    same = read(header + "".join(row + "9812345678\n" for row in rows))
    assert same.people["phone_raw"].isna().all()
    assert [doubt.code for doubt in same.doubts] == ["shared_key"] * (heading == "Phone")
    assert any("'Room'" in note for note in same.notes) == (heading == "Room")
    own = read(header + "".join(f"{row}981234567{i}\n" for i, row in enumerate(rows)))
    assert own.people["phone_raw"].notna().all()
    rejoins = read(header + (rows[0] + "9812345678\n") * 9)
    assert rejoins.people["phone_raw"].notna().all()


def test_a_list_of_several_meetings_is_refused() -> None:
    header = "Topic,Meeting ID,Name,Email,Join Time,Leave Time,Duration (Minutes)\n"
    other = LIST_ROWS[1].replace("87123456789", "87123456700")
    with pytest.raises(ReportRefused) as caught:
        read(header + LIST_ROWS[0] + other)
    assert caught.value.reason == "several_events"


def test_unknown_headings_are_told() -> None:
    header = HEADER.replace("Is Guest,", "What brings you?,Is Guest,")
    report = read(
        attendee_report([row.replace("Yes,India", "fun,Yes,India") for row in (ASHA,)], header=header)
    )
    assert report.notes == ("Nothing was read from columns of unknown headings: 'What brings you?'.",)


def test_a_column_of_numbers_is_the_phone_by_its_cells_and_that_is_told_unless_its_heading_counts_something() -> (
    None
):
    rows = [
        f"Guest{chr(97 + i)} Rao,03/22/2025 07:{i:02d}:00 PM,03/22/2025 08:30:00 PM,981234567{i}\n"
        for i in range(5)
    ]
    told = read("Name,Join Time,Leave Time,Reach you on\n" + "".join(rows))
    assert told.people["phone_raw"].notna().all()
    assert told.notes == ("The column 'Reach you on' was read as the phone by its cells alone.",)
    for heading, is_phone in (("Employee number", False), ("Order no.", False), ("Student's WhatsApp", True)):
        report = read(f"Name,Join Time,Leave Time,{heading}\n" + "".join(rows))
        assert report.people["phone_raw"].notna().all() == is_phone


def test_no_report_of_a_sample_company_is_doubtful() -> None:
    """Two days in one file with totals of their own, walk-ins among registrants, rejoins under bare names."""
    world = build_edtech(120, dt.date(2026, 11, 28), 0.03, 1, None)
    bodies = world.zoom_files()
    two_days = [name for name, body in bodies.items() if body.count(b"Attendee Details") == 2]
    reports = {
        name: read_report(bodies[name], file=name, timezone="Asia/Kolkata")
        for name in {*two_days, *list(bodies)[::4]}
    }
    assert {name: report.doubts for name, report in reports.items() if report.doubts} == {}
    assert two_days
