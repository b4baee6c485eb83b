"""Reports in every layout: the same people come out, or the reason why not."""

# ruff: noqa: E501 - lines as the reports have them

import csv
import datetime as dt
import io
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from funnel_assets.bench import zoom_report
from funnel_assets.sources.zoom import ReportRefused, ZoomReport, dates, fit, read_report
from funnel_assets_tests.sources.zoom.files import (
    ASHA,
    BINA,
    CARL,
    FACTS,
    HEADER,
    META,
    attendee_report,
    registration_report,
)
from funnel_assets_tests.sources.zoom.generator import (
    flip_bytes,
    insert_cell,
    lose_cell,
    make_case,
    swap_cells,
)


def read(text: str | bytes, **options: str) -> ZoomReport:
    data = text if isinstance(text, bytes) else text.encode()
    return read_report(data, file=options.pop("file", "report.csv"), timezone="Asia/Kolkata", **options)


def guests(report: ZoomReport) -> list[tuple[object, ...]]:
    """(attended, email, phone, join, leave, country) of everybody but hosts, as plain values, local times."""
    rows = []
    people = report.people[~report.people["section"].isin(["host", "panelist"])]
    for row in people.itertuples():
        times = [
            None if pd.isna(t) else f"{t.tz_convert('Asia/Kolkata'):%m-%d %H:%M}"
            for t in (row.join_time, row.leave_time)
        ]
        texts = [None if pd.isna(t) else t for t in (row.attended, row.email, row.phone_raw)]
        rows.append((*texts, *times, None if pd.isna(row.country) else row.country))
    return rows


POLLS = (
    "Poll Details\n#,User Name,User Email,Submitted Date/Time,Question,Answer\n"
    '1,Asha Rao,asha@example.com,"Mar 22, 2025 19:30:00",How?,"Good, thanks"\n\n'
)
SPOILT = [
    lambda _, case: case.data,
    swap_cells,
    lose_cell,
    insert_cell,
    lambda rng, case: flip_bytes(rng, case)[0],
]
EXPECTED = [
    ("Y", "asha@example.com", "+919812300001", "03-22 19:05", "03-22 20:00", "India"),
    ("N", "bina@example.com", "9812300002", None, None, None),
    ("Y", "carl@example.com", None, "03-22 19:10", "03-22 19:40", "Germany"),
]


def test_an_attendee_report_is_read_whole() -> None:
    report = read(attendee_report())
    assert (report.kind, report.topic, report.webinar_id) == ("attendee", "Bonds, explained", "87123456789")
    assert report.sessions[0].actual_start == dt.datetime(2025, 3, 22, 13, 30, tzinfo=dt.UTC)
    assert report.sessions[0].duration_minutes == 90
    assert report.generated_at == dt.datetime(2025, 3, 23, 12, 56, tzinfo=dt.UTC)
    assert report.totals == ({"registered": 3, "cancelled": 0, "unique_viewers": 2, "total_users": 3},)
    assert guests(report) == EXPECTED
    assert report.people["line"].tolist() == [7, 10, 11, 12]
    assert report.people["section"].tolist() == ["host", "attendee", "attendee", "attendee"]
    assert report.attendees["minutes"].fillna(-1).tolist() == [55, -1, 30]
    assert report.attendees["registration_time"].iloc[0] == pd.Timestamp("2025-03-15 05:53:29", tz="UTC")
    assert report.quarantined.empty
    assert str(report.people["join_time"].dtype) == "datetime64[us, UTC]"


def _padded(text: str) -> bytes:
    return "".join(f"{line},,,,\n" for line in text.splitlines()).encode()


def _trailing_comma(text: str) -> bytes:
    head, _, rows = text.partition(HEADER)
    return (
        head + HEADER + "".join(f"{line},\n" if line else "\n" for line in rows.split("\n")[:-1])
    ).encode()


def _other_delimiter(text: str, delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(csv.reader(io.StringIO(text)))
    return out.getvalue().encode()


LAYOUTS = {
    "padded_lines": _padded,
    "trailing_comma": _trailing_comma,
    "tabs": lambda text: _other_delimiter(text, "\t"),
    "semicolons": lambda text: _other_delimiter(text, ";"),
    "sep_line": lambda text: b"sep=;\n" + _other_delimiter(text, ";"),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "bom_twice": lambda text: b"\xef\xbb\xbf\xef\xbb\xbf" + text.encode(),
    "utf16_le": lambda text: text.encode("utf-16"),
    "utf16_be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf16_without_bom": lambda text: text.encode("utf-16-le"),
    "utf16_tabs": lambda text: _other_delimiter(text, "\t").decode().encode("utf-16"),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "old_mac_lines": lambda text: text.replace("\n", "\r").encode(),
    "nul_bytes": lambda text: text.replace("asha@", "as\0ha@").replace("Attended,", "Atten\0ded,").encode(),
    "blank_lines": lambda text: text.replace("\nAttendee Details", "\n\n\nAttendee Details").encode(),
    "blank_line_after_header": lambda text: text.replace(HEADER, HEADER + "\n").encode(),
    "no_final_newline": lambda text: text.removesuffix("\n").encode(),
    "colon_and_case": lambda text: text.replace("Attendee Details,", "ATTENDEE DETAILS:,").encode(),
    "spaces_in_headers": lambda text: text.replace("Leave Time", " Leave  Time ").encode(),
    "quoted_everything": lambda text: _quoted(text),
    "narrow_space_before_pm": lambda text: text.replace("7:00 PM", "7:00\u202fPM").encode(),
    "old_user_name_label": lambda text: text.replace("User Name (Original Name)", "User Name").encode(),
    "line_ends_doubled_by_windows": lambda text: text.replace("\n", "\r\r\n").encode(),
    "a_blank_line_after_every_line": lambda text: text.replace("\n", "\n\n").encode(),
    "zone_in_headers": lambda text: (
        text.replace("n Time", "n Time (GMT+5:30)").replace("Start Time", "Start Time (IST)").encode()
    ),
    "zone_in_values": lambda text: text.replace(' PM"', ' PM IST"').replace(':00"', ':00 GMT+5:30"').encode(),
    "polls_in_between": lambda text: text.replace("Attendee Details", POLLS + "Attendee Details").encode(),
    "polls_at_the_end": lambda text: (text + POLLS).encode(),
    "no_title": lambda text: text.partition("\n")[2].encode(),
}


def _quoted(text: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(csv.reader(io.StringIO(text)))
    return out.getvalue().encode()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_people(layout: str) -> None:
    report = read(LAYOUTS[layout](attendee_report()))
    assert guests(report) == EXPECTED
    assert report.quarantined.empty
    assert (report.kind, report.topic) == ("attendee", "Bonds, explained")


@pytest.mark.parametrize("seed", range(25))
def test_a_short_file_is_read_as_a_long_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case(seed)
    data = SPOILT[seed % len(SPOILT)](random.Random(seed), case)
    short = read_or_refusal(data)
    for module in (dates, fit):
        monkeypatch.setattr(module, "_FEW", 0)
    monkeypatch.setattr("funnel_assets.sources.zoom.text._LARGE", 0)
    long = read_or_refusal(data)
    if isinstance(short, str) or isinstance(long, str):
        assert short == long
        return
    pd.testing.assert_frame_equal(short.people, long.people)
    pd.testing.assert_frame_equal(short.quarantined, long.quarantined)
    assert (short.sessions, short.dates, short.totals) == (long.sessions, long.dates, long.totals)


def read_or_refusal(data: bytes) -> ZoomReport | str:
    try:
        return read(data)
    except ReportRefused as refusal:
        return str(refusal)


def test_a_large_report_takes_at_most_twenty_times_a_bare_pass_over_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    zoom_report.write(path, 10_000)
    data = path.read_bytes()

    def seconds(work: Callable[[], object]) -> float:
        times = []
        for _ in range(3):
            before = time.process_time()
            work()
            times.append(time.process_time() - before)
        return min(times)

    bare = seconds(lambda: list(csv.reader(io.StringIO(data.decode()))))
    assert seconds(lambda: read(data)) < 20 * bare
    assert len(read(data).people) == 10_000


def test_sections_come_in_any_order_and_may_be_empty() -> None:
    text = attendee_report()
    head, rest = text.split("Host Details,")
    host, attendees = rest.split("Attendee Details,")
    swapped = f"{head}Panelist Details,\nAttendee Details,{attendees}Other Attended,\nHost Details,{host}"
    report = read(swapped)
    assert guests(report) == EXPECTED
    assert report.hosts["email"].tolist() == ["hema@academy.example"]


def test_cp1252_names_survive() -> None:
    report = read(attendee_report([ASHA.replace("Asha Rao", "Zoë Müller")]).encode("cp1252"))
    assert report.attendees["user_name"].tolist() == ["Zoë Müller"]


def test_quoted_newlines_keep_physical_line_numbers() -> None:
    multi = ASHA.replace("Asha Rao", '"Asha\nRao"')
    report = read(attendee_report([multi, BINA]))
    assert report.attendees["line"].tolist() == [10, 12]
    assert report.attendees["email"].tolist() == ["asha@example.com", "bina@example.com"]


def test_doubled_quotes_and_commas_in_custom_questions() -> None:
    header = HEADER.replace("Is Guest,", 'Is Guest,"Job (if ""Student"", say so)",')
    row = ASHA.replace(",Yes,India", ',Yes,"Ads, ""big"" ones",India')
    assert guests(read(attendee_report([row], header=header))) == EXPECTED[:1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (ASHA.replace("Yes,Asha Rao,", "Yes,"), "misaligned"),
        (ASHA.replace("Yes,Asha Rao,", "Asha Rao,"), "misaligned"),
        (ASHA.replace("Asha,Rao,", "Asha,"), "misaligned"),
        (ASHA.replace("Asha,Rao,", "Asha,Rao,Junior,"), "misaligned"),
        (ASHA.replace(",approved,", ","), "misaligned"),
        (ASHA.replace('"Mar 22, 2025 19:05:00",', ""), "misaligned"),
        (ASHA.replace("asha@example.com,+919812300001", "+919812300001,asha@example.com"), "misaligned"),
        (
            ASHA.replace(
                '"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00"',
                '"Mar 22, 2025 20:00:00","Mar 22, 2025 19:05:00"',
            ),
            "times_contradict",
        ),
        (ASHA.replace("20:00:00", "2:00:00"), "times_contradict"),
        (ASHA.replace('"Mar 22, 2025 20:00:00"', "22.03.2025 20:00"), "date_style"),
        (ASHA.replace('"Mar 22, 2025 19:05:00"', "03/22/2025"), "no_time"),
        (ASHA.replace('"Mar 15, 2025 11:23:29"', '"Mar 15, 2025"'), "no_time"),
        (ASHA.removesuffix(",55,Yes,India"), "missing_field"),
        (ASHA.replace("Asha Rao", '"Asha" Rao'), "broken_quote"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "row",
)
def test_a_row_that_does_not_fit_is_set_apart_and_the_others_stay(row: str, reason: str) -> None:
    report = read(attendee_report([row, BINA, CARL]))
    assert guests(report) == EXPECTED[1:]
    assert report.quarantined[["line", "reason"]].to_numpy().tolist() == [[10, reason]]
    assert "asha@example.com" not in report.quarantined["detail"].iloc[0]
    assert "asha@example.com" in report.quarantined["raw"].iloc[0]


def test_a_row_without_its_last_free_field_still_fits() -> None:
    report = read(attendee_report([ASHA.removesuffix(",India"), BINA, CARL]))
    assert guests(report) == [(*EXPECTED[0][:-1], None), *EXPECTED[1:]]


def test_one_row_with_an_extra_value_is_set_apart_unless_its_end_is_sure() -> None:
    header = HEADER.replace("Country/Region Name", "Country/Region Name,Your goal")
    rows = [f"{ASHA},grow", f"{BINA},save", f"{CARL},earn, or save"]
    report = read(attendee_report(rows, header=header))
    assert report.quarantined["reason"].tolist() == ["too_many_fields"]
    sure = read(attendee_report([ASHA, f"{ASHA},surplus", BINA]))
    assert sure.quarantined.empty


def test_a_stray_quote_costs_one_line() -> None:
    report = read(attendee_report([ASHA.replace("Asha Rao", '"Asha Rao'), BINA, CARL]))
    assert guests(report) == EXPECTED[1:]
    assert report.quarantined[["line", "reason"]].to_numpy().tolist() == [[10, "broken_quote"]]


def test_zooms_own_backward_times_keep_the_person_without_times() -> None:
    row = ASHA.replace('"Mar 22, 2025 20:00:00",55', '"Mar 22, 2025 18:05:00",-60')
    report = read(attendee_report([row]))
    assert guests(report) == [("Y", "asha@example.com", "+919812300001", None, None, "India")]
    assert report.attendees["is_timing_unusable"].tolist() == [True]


@pytest.mark.parametrize(
    "question",
    [
        "Phone",
        "Phone Number (Enter with Country code ex., +91 9800000000)",
        "WhatsApp no.",
        "आपका मोबाइल नंबर",
        "電話番号",
        "How do we reach you?",
    ],
)
def test_the_phone_is_found_under_any_wording(question: str) -> None:
    header = HEADER.replace(",Phone,", f',"{question}",')
    rows = [
        ASHA,
        BINA.replace("9812300002", "'+91 98123 00002"),
        CARL.replace("example.com,,,,", "example.com,,,,"),
    ]
    report = read(attendee_report(rows, header=header))
    assert report.attendees["phone_raw"].fillna("").tolist() == ["+919812300001", "'+91 98123 00002", ""]


def test_numbers_that_are_no_phone_are_not_taken_for_one() -> None:
    header = HEADER.replace(",Phone,", ",Aadhaar number,")
    report = read(attendee_report([ASHA.replace("+919812300001", "981230000123"), BINA], header=header))
    assert report.attendees["phone_raw"].isna().all()


def test_zooms_country_wins_over_a_country_question() -> None:
    header = HEADER.replace("Is Guest,", "Is Guest,Country/Region,")
    rows = [
        ASHA.replace(",Yes,India", ",Yes,Nepal,India"),
        BINA.replace("--,--,--,--,", "--,--,--,--,Nepal,"),
    ]
    report = read(attendee_report(rows, header=header))
    assert report.attendees["country"].fillna("").tolist() == ["India", ""]


def test_a_registration_report_with_a_phone_question() -> None:
    report = read(
        registration_report(
            [
                'asha,rao,Asha@Example.com,"03/15/2025 11:23:29 AM",approved,Pune,\'+919812300001,#4',
                'Bina,,bina@example.com,"03/16/2025 12:00:01 AM",cancelled,,NA,',
            ]
        )
    )
    assert report.kind == "registration"
    assert report.sessions[0].scheduled_start == dt.datetime(2025, 3, 22, 13, 30, tzinfo=dt.UTC)
    people = report.people[["section", "email", "phone_raw", "approval", "registration_source"]]
    assert people.fillna("").to_numpy().tolist() == [
        ["registrant", "asha@example.com", "'+919812300001", "approved", "#4"],
        ["registrant", "bina@example.com", "", "cancelled", ""],
    ]
    assert report.people["registration_time"].iloc[1] == pd.Timestamp("2025-03-15 18:30:01", tz="UTC")


def test_a_registration_row_that_lost_a_free_cell_is_set_apart() -> None:
    row = 'asha,rao,asha@example.com,"03/15/2025 11:23:29 AM",approved,\'+919812300001,#4'
    report = read(registration_report([row, row.replace("approved,", "approved,Pune,")]))
    assert report.quarantined["reason"].tolist() == ["missing_field"]
    assert len(report.registrants) == 1


OLD_MEETING = """Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants,
871 2345 6789,Office hour,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,hema@academy.example,90,2,

Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest,Recording Consent
Asha (Asha Rao),asha@example.com,03/22/2025 07:05:00 PM,03/22/2025 08:00:00 PM,55,Yes,Y
Carl,,03/22/2025 07:10:00 PM,03/22/2025 07:40:00 PM,30,Yes,
"""
NEW_MEETING = OLD_MEETING.replace("Name (Original Name),User Email,", "Name (original name),Email,").replace(
    "Meeting ID,Topic,Start Time,End Time,User Email,", "ID,Topic,Start time,End time,Host,"
)


@pytest.mark.parametrize("text", [OLD_MEETING, NEW_MEETING], ids=["old_headers", "new_headers"])
def test_a_meetings_participant_list(text: str) -> None:
    report = read(text)
    assert (report.kind, report.topic, report.webinar_id) == ("participants", "Office hour", "87123456789")
    assert report.sessions[0].duration_minutes == 90
    assert guests(report) == [
        ("Y", "asha@example.com", None, "03-22 19:05", "03-22 20:00", None),
        ("Y", None, None, "03-22 19:10", "03-22 19:40", None),
    ]


RECENT_MEETING = """Topic,ID,Host,Duration (minutes),Start time,End time,Participants
Office hour,871 2345 6789,Hema Host (hema@academy.example),90,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,3

Name (original name),Email,Join time,Leave time,Duration (minutes),Guest,In waiting room
Hema Host,,03/22/2025 06:58:00 PM,03/22/2025 08:30:00 PM,92,No,No
Asha Rao,asha@example.com,03/22/2025 07:00:00 PM,03/22/2025 07:05:00 PM,5,Yes,Yes
Asha Rao,asha@example.com,03/22/2025 07:05:00 PM,03/22/2025 08:00:00 PM,55,Yes,No
"""


def test_a_meetings_host_is_known_by_name_and_waiting_is_no_attendance() -> None:
    report = read(RECENT_MEETING)
    assert report.hosts["user_name"].tolist() == ["Hema Host"]
    assert guests(report) == [("Y", "asha@example.com", None, "03-22 19:05", "03-22 20:00", None)]
    assert report.quarantined[["line", "reason"]].to_numpy().tolist() == [[6, "in_waiting_room"]]
    by_address = read(RECENT_MEETING.replace("Hema Host,,", "Hema,hema@academy.example,"))
    assert by_address.hosts["email"].tolist() == ["hema@academy.example"]


def test_a_header_in_another_zone_moves_its_times_and_an_unknown_zone_is_refused() -> None:
    row = CARL.replace("19:10", "13:40").replace("19:40", "14:10")
    header = HEADER.replace("Join Time", "Join Time (UTC)").replace("Leave Time", "Leave Time (GMT+0)")
    assert guests(read(attendee_report([row], header=header))) == EXPECTED[2:]
    with pytest.raises(ReportRefused) as caught:
        read(attendee_report(header=HEADER.replace("Join Time", "Join Time (Mars)")))
    assert caught.value.reason == "unknown_zone"


def test_a_start_that_is_no_time_is_told() -> None:
    report = read(attendee_report(facts=FACTS.replace("Mar 22, 2025 7:00 PM", "in the evening")))
    assert report.notes == ("What the report gives as actual start is no time and was left out.",)
    assert guests(report) == EXPECTED


def test_a_participant_list_without_meta_block_takes_number_and_day_from_its_name() -> None:
    text = (
        "Name (Original Name),User Email,Total Duration (Minutes),Guest\nAsha Rao,asha@example.com,55,Yes\n"
    )
    report = read(text, file="participants_87123456789_2025_03_22.csv")
    assert (report.webinar_id, report.file_day) == ("87123456789", dt.date(2025, 3, 22))
    assert report.people[["attended", "minutes", "is_span"]].to_numpy().tolist() == [["Y", 55.0, True]]
    with pytest.raises(ReportRefused) as caught:
        read(text, file="participants.csv")
    assert caught.value.reason == "no_event_date"


TEAMS = """1. Summary
Meeting title\tBonds, explained
Attended participants\t3
Start time\t3/22/25, 6:58:11 PM
End time\t3/22/25, 8:31:02 PM
Meeting duration\t1h 32m 51s

2. Participants
Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole
Hema Host\t3/22/25, 6:58:11 PM\t3/22/25, 8:31:02 PM\t1h 32m 51s\thema@academy.example\thema@academy.example\tOrganizer
Asha Rao\t3/22/25, 7:05:00 PM\t3/22/25, 8:00:00 PM\t40m 10s\tasha@example.com\tasha@example.com\tAttendee
Carl (Guest)\t3/22/25, 7:10:00 PM\t3/22/25, 7:40:00 PM\t30m\t\t\tAttendee
"""
TEAMS_ACTIVITY = """
3. In-Meeting Activities
Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole
Asha Rao\t3/22/25, 7:05:00 PM\t3/22/25, 7:30:00 PM\t25m\tasha@example.com\tAttendee
Asha Rao\t3/22/25, 7:44:50 PM\t3/22/25, 8:00:00 PM\t15m 10s\tasha@example.com\tAttendee
"""


def test_a_teams_export_is_another_table_of_words() -> None:
    report = read(TEAMS.encode("utf-16"))
    assert (report.kind, report.topic, report.webinar_id) == ("teams", "Bonds, explained", None)
    assert report.people["section"].tolist() == ["host", "attendee", "attendee"]
    assert report.people["is_span"].all()
    assert report.attendees["minutes"].round(2).tolist() == [40.17, 30.0]
    assert report.sessions[0].start == dt.datetime(2025, 3, 22, 13, 28, 11, tzinfo=dt.UTC)


def test_teams_activities_give_the_visits() -> None:
    report = read((TEAMS + TEAMS_ACTIVITY).encode("utf-16"))
    visits = report.attendees[report.attendees["join_time"].notna() & ~report.attendees["is_span"]]
    assert visits["minutes"].round(2).tolist() == [25.0, 15.17]
    rest = report.people[report.people["is_span"]]
    assert rest["user_name"].tolist() == ["Hema Host", "Carl (Guest)"], (
        "who has no visits keeps their own times"
    )


def test_a_teams_webinars_registrants_and_those_who_stayed_away() -> None:
    text = TEAMS[: TEAMS.index("Name\t")] + (
        "Name\tFirst join\tLast leave\tIn-meeting duration\tEmail\tRole\tRegistration first name\tRegistration last name"
        "\tRegistration email\tRegistration time\tRegistration status\n"
        "Asha Rao\t3/22/25, 7:05:00 PM\t3/22/25, 8:00:00 PM\t55m\tasha@example.com\tAttendee\tAsha\tRao\tasha@home.example"
        "\t3/15/25, 7:05:00 PM\tRegistered\n"
        "Bina\t\t\t\t\t\tBina\tDas\tbina@example.com\t3/15/25, 8:05:00 PM\tRegistered\n"
    )
    report = read(text.encode("utf-16"))
    assert report.quarantined.empty
    found = report.people[["attended", "email", "last_name", "approval"]].fillna("-").to_numpy().tolist()
    assert found[0] == ["Y", "asha@example.com", "Rao", "approved"]
    assert found[1][1:] == ["bina@example.com", "Das", "approved"]
    assert found[1][0] != "Y"


def test_an_old_teams_list_knows_its_organiser_by_role() -> None:
    text = TEAMS[TEAMS.index("Meeting title") :].replace("2. Participants\n", "Meeting Id\tabc-123\n\n")
    report = read(
        text.replace("First Join", "Join Time").replace("Last Leave", "Leave Time").encode("utf-16")
    )
    assert report.people["section"].tolist() == ["host", "attendee", "attendee"]
    assert report.webinar_id is None, "the number in abc-123 is no webinar's"


def test_a_teams_list_whose_duration_is_not_known_counts_from_join_to_leave() -> None:
    text = TEAMS.replace("In-Meeting Duration", "Presence").replace("Meeting title", "Titre de la réunion")
    report = read(text.replace("Name\t", "Nom\t").encode("utf-16"))
    assert report.attendees["user_name"].tolist() == ["Asha Rao", "Carl (Guest)"]
    assert not report.people["is_span"].any()


def test_a_german_teams_export() -> None:
    text = (
        "1. Zusammenfassung\nBesprechungstitel\tAnleihen\nStartzeit\t22.03.25, 18:58:11\n\n2. Teilnehmer\n"
        "Name\tErster Beitritt\tLetztes Verlassen\tDauer der Besprechung\tE-Mail\tTeilnehmer-ID (UPN)\tRolle\n"
        "Asha Rao\t22.03.25, 19:05:00\t22.03.25, 20:00:00\t55 Min. 0 Sek.\tasha@example.com\t\tTeilnehmer\n"
    )
    report = read(text.encode("utf-16"))
    assert guests(report) == [("Y", "asha@example.com", None, "03-22 19:05", "03-22 20:00", None)]
    assert report.attendees["minutes"].tolist() == [55.0]


LOCALISED = {
    "ja": (
        "出席者レポート\nレポート作成日時,2025/03/23 18:26\n"
        "トピック,ウェビナーID,実際の開始時刻,実際の期間（分）,登録者数\n債券入門,871 2345 6789,2025/03/22 19:00,90,2\n"
        "出席者の詳細\n出席,ユーザー名（元の名前）,名,姓,メール,電話番号,登録時刻,承認状況,参加時刻,退出時刻,セッション時間（分）,ゲスト,国/地域名\n"
        "はい,Asha Rao,Asha,Rao,asha@example.com,9812300001,2025/03/15 11:23:29,承認済み,2025/03/22 午後7:05:00,2025/03/22 午後8:00:00,55,はい,インド\n"
        "いいえ,Bina,Bina,Das,bina@example.com,,2025/03/16 09:00:01,承認済み,--,--,--,--,\n"
    ),
    "de": (
        "Teilnehmerbericht;\nBericht erstellt:;23.03.2025 18:26\n"
        "Thema;Webinar-ID;Tatsächliche Startzeit;Tatsächliche Dauer (Minuten)\nAnleihen;871 2345 6789;22.03.2025 19:00;90\n"
        "Teilnehmer-Details\nTeilgenommen;Benutzername (Originalname);Vorname;Nachname;E-Mail;Telefon;Registrierungszeit;"
        "Genehmigungsstatus;Beitrittszeit;Verlassenszeit;Zeit in Sitzung (Minuten);Ist Gast;Land/Region Name\n"
        "Ja;Asha Rao;Asha;Rao;asha@example.com;9812300001;15.03.2025 11:23:29;genehmigt;22.03.2025 19:05:00;22.03.2025 20:00:00;55;Ja;Indien\n"
        "Nein;Bina;Bina;Das;bina@example.com;;16.03.2025 09:00:01;genehmigt;--;--;--;--;\n"
    ),
    "es": (
        "Informe de asistentes\nInforme generado:,23/03/2025 18:26\n"
        "Tema,ID de webinar,Hora de inicio real,Duración real (minutos)\nBonos,871 2345 6789,22/03/2025 19:00,90\n"
        "Detalles del asistente\nAsistió,Nombre de usuario (nombre original),Nombre,Apellido,Correo electrónico,Teléfono,"
        "Hora de inscripción,Estado de aprobación,Hora de entrada,Hora de salida,Tiempo en la sesión (minutos),Es invitado,Nombre del país/región\n"
        "Sí,Asha Rao,Asha,Rao,asha@example.com,9812300001,15/03/2025 11:23:29,aprobado,22/03/2025 07:05:00 p. m.,22/03/2025 08:00:00 p. m.,55,Sí,India\n"
        "No,Bina,Bina,Das,bina@example.com,,16/03/2025 09:00:01,aprobado,--,--,--,--,\n"
    ),
    "fr": (
        "Rapport sur les participants\nRapport généré :,23/03/2025 18:26\n"
        "Sujet,ID du webinaire,Heure de début réelle,Durée réelle (minutes)\nObligations,871 2345 6789,22/03/2025 19:00,90\n"
        "Détails du participant\nPrésent,Nom d’utilisateur (nom d’origine),Prénom,Nom,Adresse e-mail,Téléphone,Heure d’inscription,"
        "Statut d’approbation,Heure d’arrivée,Heure de départ,Durée de la session (minutes),Est un invité,Nom du pays/de la région\n"
        "Oui,Asha Rao,Asha,Rao,asha@example.com,9812300001,15/03/2025 11:23:29,approuvé,22/03/2025 19:05:00,22/03/2025 20:00:00,55,Oui,Inde\n"
        "Non,Bina,Bina,Das,bina@example.com,,16/03/2025 09:00:01,approuvé,--,--,--,--,\n"
    ),
    "pt": (
        "Relatório de participantes\nRelatório gerado:,23/03/2025 18:26\n"
        "Tópico,ID do webinar,Hora de início real,Duração real (minutos)\nTítulos,871 2345 6789,22/03/2025 19:00,90\n"
        "Detalhes do participante\nParticipou,Nome de usuário (nome original),Nome,Sobrenome,E-mail,Telefone,Hora da inscrição,"
        "Status de aprovação,Hora de entrada,Hora de saída,Tempo na sessão (minutos),É convidado,Nome do país/região\n"
        "Sim,Asha Rao,Asha,Rao,asha@example.com,9812300001,15 de mar. de 2025 11:23:29,aprovado,22/03/2025 19:05:00,22/03/2025 20:00:00,55,Sim,Índia\n"
        "Não,Bina,Bina,Das,bina@example.com,,16 de mar. de 2025 09:00:01,aprovado,--,--,--,--,\n"
    ),
    "hi": (
        "उपस्थित रिपोर्ट\nरिपोर्ट जनरेट की गई:,23/03/2025 18:26\n"
        "विषय,वेबिनार आईडी,वास्तविक प्रारंभ समय,वास्तविक अवधि (मिनट)\nबॉन्ड,871 2345 6789,22/03/2025 19:00,90\n"
        "उपस्थित विवरण\nउपस्थित,उपयोगकर्ता नाम (मूल नाम),पहला नाम,अंतिम नाम,ईमेल,फ़ोन,पंजीकरण समय,अनुमोदन स्थिति,"
        "शामिल होने का समय,छोड़ने का समय,सत्र में समय (मिनट),अतिथि है,देश/क्षेत्र का नाम\n"
        "हाँ,Asha Rao,Asha,Rao,asha@example.com,9812300001,15 मार्च 2025 11:23:29,स्वीकृत,22/03/2025 19:05:00,22/03/2025 20:00:00,55,हाँ,भारत\n"
        "नहीं,Bina,Bina,Das,bina@example.com,,16 मार्च 2025 09:00:01,स्वीकृत,--,--,--,--,\n"
    ),
    "zh": (
        "参会者报告\n报告生成时间,2025年3月23日 18:26\n"
        "主题,网络研讨会 ID,实际开始时间,实际持续时间（分钟）\n债券,871 2345 6789,2025年3月22日 19:00,90\n"
        "参会者详细信息\n已参加,用户名（原始名称）,名字,姓氏,电子邮件,电话,注册时间,批准状态,加入时间,离开时间,会话时间（分钟）,是否为访客,国家/地区名称\n"
        "是,Asha Rao,Asha,Rao,asha@example.com,9812300001,2025年3月15日 11:23:29,已批准,2025年3月22日 19:05:00,2025年3月22日 20:00:00,55,是,印度\n"
        "否,Bina,Bina,Das,bina@example.com,,2025年3月16日 09:00:01,已批准,--,--,--,--,\n"
    ),
}


@pytest.mark.parametrize("language", LOCALISED)
def test_reports_of_accounts_in_other_languages(language: str) -> None:
    report = read(LOCALISED[language])
    assert [row[:5] for row in guests(report)] == [
        ("Y", "asha@example.com", "9812300001", "03-22 19:05", "03-22 20:00"),
        ("N", "bina@example.com", None, None, None),
    ]
    assert report.webinar_id == "87123456789"
    assert report.sessions[0].duration_minutes == 90
    assert report.attendees["approval"].tolist() == ["approved", "approved"]
    assert report.attendees["registration_time"].iloc[0] == pd.Timestamp("2025-03-15 05:53:29", tz="UTC")
    assert report.quarantined.empty


def test_an_unknown_heading_over_people_without_registration_is_no_attendance() -> None:
    text = attendee_report() + (
        "Stage crew\nAttended,User Name,Email,Join Time,Leave Time,Time in Session (minutes)\n"
        'Yes,Sam Sound,sam@academy.example,"Mar 22, 2025 18:55:00","Mar 22, 2025 20:30:00",95\n'
    )
    report = read(text)
    assert guests(report) == EXPECTED
    assert report.quarantined[["line", "reason"]].to_numpy().tolist() == [[15, "unknown_section"]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_a_report"),
        (b"\xef\xbb\xbf\n\n", "not_a_report"),
        (b"name,amount\nAsha,3\n", "not_a_report"),
        (b"<html><body>Sign in</body></html>", "not_a_report"),
        (b"%PDF-1.7 \x00\x01\x02\xff\xfe", "not_a_report"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256)) * 9, "not_a_report"),
        (b"\xff\xfea", "not_a_report"),
        (bytes(range(255, 0, -1)) * 3 + b'"', "not_a_report"),
        (b'{"name": "Asha", "note": "half a line', "not_a_report"),
        (b"Date,Campaign,Cost\n03/04/2025,Bonds,3\n2025-03-05,Bonds,4\n", "not_a_report"),
        (b"Name,Email,Phone number\nAsha,asha@example.com,9812300001\n", "not_a_report"),
        (
            b"Name,Email,Phone,City,Source,Registered On\nA,a@b.example,98,Pune,Ads,03/04/2025 10:00\n",
            "not_a_report",
        ),
        (b"Name,Email,Roll no,Attendance\nAsha,asha@example.com,7,Yes\n", "not_a_report"),
        (b"Email\nasha@example.com\n", "not_a_report"),
        (
            b'[{"name":"A","user_email":"a@b.example","join_time":"2025-03-22","leave_time":"x","duration":60}]',
            "not_a_report",
        ),
        (
            b"Name,Email,Join Time,Leave Time,Duration\nA,a@b.example,1742650200,1742653800,60\n",
            "no_row_fits",
        ),
        (
            attendee_report().split("Attendee Details")[0].partition("Host Details")[0].encode(),
            "not_a_report",
        ),
        (attendee_report()[:-40].encode(), "truncated"),
        (attendee_report()[: attendee_report().index("2025 20:00:00")].encode(), "truncated"),
        (attendee_report().encode("utf-16")[:-1], "truncated"),
        ((attendee_report() + attendee_report()).encode(), "several_events"),
    ],
    ids=[
        "empty",
        "only_bom",
        "other_csv",
        "html",
        "pdf",
        "xlsx",
        "odd_bytes",
        "random_bytes",
        "json",
        "spend",
        "leads",
        "dated_leads",
        "school_list",
        "one_column",
        "json_of_visits",
        "epochs",
        "no_people",
        "mid_row",
        "mid_quote",
        "mid_char",
        "two_reports",
    ],
)
def test_a_file_that_is_no_whole_report_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReportRefused) as caught:
        read(data)
    assert caught.value.reason == reason
    assert "report.csv" in str(caught.value)
    assert "Next:" in str(caught.value)


def test_several_sittings_in_one_topic_table() -> None:
    facts = FACTS + '\n"Bonds, explained",871 2345 6789,"Mar 23, 2025 7:00 PM",80,3,0,2,3'
    report = read(attendee_report(facts=facts))
    assert [session.duration_minutes for session in report.sessions] == [90, 80]


def test_two_webinar_ids_in_one_file_are_refused() -> None:
    facts = FACTS + '\n"Stocks",999 2345 6789,"Mar 23, 2025 7:00 PM",80,3,0,2,3'
    with pytest.raises(ReportRefused) as caught:
        read(attendee_report(facts=facts))
    assert caught.value.reason == "several_events"


def test_meta_constants_match_the_reports_read_above() -> None:
    assert META.count(",") == 7


def set_apart(report: ZoomReport) -> list[list[object]]:
    return report.quarantined[["line", "reason"]].to_numpy().tolist()


def test_a_line_broken_without_quotes_is_set_apart_whole() -> None:
    header = HEADER.replace("Is Guest,", "Is Guest,Your goal,")
    broken, whole = ASHA.replace("Yes,India", "Yes,rent\nfood,India"), CARL.replace("Yes,", "Yes,fun,", 2)
    report = read(
        attendee_report([broken, BINA + ",", whole.replace("Yes,fun,Carl", "Yes,Carl")], header=header)
    )
    assert set_apart(report) == [[10, "broken_line"], [11, "misaligned"]]


def test_a_header_that_lost_its_end_or_a_comma_gives_no_row() -> None:
    for header in (HEADER.rpartition(",Is Guest")[0], HEADER.replace("Status,Join", "Status Join")):
        report = read(attendee_report(header=header))
        assert guests(report) == []
        assert [line for line, _ in set_apart(report)] == [10, 11, 12]


@pytest.mark.parametrize("other", ["User Name (Original Name)", "Time in Session (minutes)"])
def test_headers_that_changed_places_with_the_phones_give_no_row(other: str) -> None:
    swapped = HEADER.replace("Phone", "!").replace(other, "Phone").replace("!", other)
    report = read(attendee_report([ASHA, CARL], header=swapped))
    assert guests(report) == []
    assert report.quarantined["reason"].tolist() == ["misaligned"] * 2
    unwilling = attendee_report(
        [ASHA.replace("+919812300001", "N/A."), CARL.replace("Carl Jung", "9812300001")]
    )
    assert len(guests(read(unwilling))) == 2, "a user name may be a phone"


@pytest.mark.parametrize("split", [("Session (min", "Session,(min"), ("First Name", "First,Name")])
def test_a_header_cell_split_in_two_gives_no_row(split: tuple[str, str]) -> None:
    report = read(attendee_report([f"{ASHA},", f"{CARL},"], header=HEADER.replace(*split)))
    assert guests(report) == []
    assert report.quarantined["reason"].tolist() == ["misaligned"] * 2
    two = HEADER.replace("Email,", "Email,Address,")
    assert len(guests(read(attendee_report([ASHA.replace(".com,", ".com,Pune,")], header=two)))) == 1


def test_who_stayed_away_has_a_country_or_none() -> None:
    moved = BINA.replace("--,--,--,--,", "--,--,-,,rent")
    assert set_apart(read(attendee_report([ASHA, moved, CARL]))) == [[11, "misaligned"]]
    for country in ("Nepal", "Hong Kong SAR", "NA", "-"):
        told = read(attendee_report([ASHA, f"{BINA}{country}", CARL]))
        assert told.quarantined.empty
        assert told.attendees["country"].fillna("").tolist()[1] == (country if len(country) > 2 else "")


def test_who_stayed_away_has_no_times() -> None:
    moved = BINA.replace('"Mar 16, 2025 09:00:01",approved,--,--', '--,approved,--,"Mar 16, 2025 09:00:01"')
    assert set_apart(read(attendee_report([ASHA, moved, CARL]))) == [[11, "times_contradict"]]


def test_a_name_where_the_phone_belongs_is_no_phone() -> None:
    moved = CARL.replace("Yes,Carl Jung,,,carl@example.com,,", "Yes,,,,carl@example.com,Carl Jung,")
    assert set_apart(read(attendee_report([ASHA, BINA, moved]))) == [[12, "misaligned"]]


def test_a_row_without_the_empty_cell_that_ends_the_others_lost_a_separator() -> None:
    header = HEADER.replace("Is Guest,", "Is Guest,Your goal,")
    rows = [row.replace("Yes,India", "Yes,rent,India") + "," for row in (ASHA, ASHA.replace("asha", "bela"))]
    glued = rows[0].replace("asha", "chen").replace("rent,India", "rent;India")
    assert set_apart(read(attendee_report([*rows, glued], header=header))) == [[12, "cell_lost"]]
    whole = rows[0].replace("asha", "chen").rstrip(",")
    assert read(attendee_report([*rows, whole], header=header)).quarantined.empty, "its country is sure"


def test_an_event_header_that_ran_into_the_guests_takes_nobody_for_facts() -> None:
    text = attendee_report()
    stage = text[text.index("Host Details") : text.index("Attendee Details")]
    report = read(text[: text.index("# Registered")] + text[text.index("Registration Time") :] + stage)
    assert guests(report) == []
    assert [reason for _, reason in set_apart(report)] == ["no_header"] * 4


def test_guests_under_the_hosts_heading_are_guests() -> None:
    text = attendee_report()
    report = read(text[: text.index("Attended,User Name (Original Name),Email")] + text[text.index(HEADER) :])
    assert guests(report) == EXPECTED


def test_a_column_of_addresses_is_the_email_under_any_header() -> None:
    assert guests(read(attendee_report(header=HEADER.replace("Email", "Sähköposti")))) == EXPECTED


def test_damaged_utf8_is_no_cp1252() -> None:
    data = attendee_report([ASHA.replace("Rao", "Müller"), BINA]).encode().replace(b"Das", b"D\xffs")
    with pytest.raises(ReportRefused) as caught:
        read(data)
    assert caught.value.reason == "encoding"


def test_quarantine_keeps_both_answers_to_questions_worded_alike() -> None:
    header = HEADER.replace("Is Guest,", "Is Guest,Your goal,Your goal,")
    row = ASHA.replace("asha@example.com", "asha").replace("Yes,India", "Yes,rent,food,India")
    raw = (
        read(attendee_report([row, BINA.replace("--,", "--,,,", 1)], header=header))
        .quarantined["raw"]
        .iloc[0]
    )
    assert '"Your goal": "rent"' in raw
    assert '"Your goal (column 14)": "food"' in raw


def test_words_for_nothing_are_nothing() -> None:
    rows = [
        ASHA.replace(",asha@example.com,", ",N/A,").replace("+919812300001", "na"),
        CARL.replace("Carl Jung", "Guest").replace("Germany", "unknown"),
        BINA.replace("Bina,Das", "-,Na").replace("9812300002", "n.a."),
    ]
    report = read(attendee_report(rows))
    columns = ["user_name", "first_name", "last_name", "email", "phone_raw", "country"]
    assert report.attendees[columns].fillna("").to_numpy().tolist() == [
        ["Asha Rao", "Asha", "Rao", "", "", "India"],
        ["", "", "", "carl@example.com", "", ""],
        ["Bina Das", "", "Na", "bina@example.com", "", ""],
    ]


def test_a_long_column_is_cleared_of_words_for_nothing_as_a_short_one() -> None:
    words = ["N/A", "n.a", "Guest", "李明", "—", "Müller", "Na", "अतिथि", "..", "Anna", "Guest 7", "none"]
    rows = [CARL.replace("Carl Jung", words[i % len(words)]).replace("carl@", f"c{i}@") for i in range(300)]
    names = read(attendee_report(rows)).attendees["user_name"]
    assert names.dropna().unique().tolist() == ["李明", "Müller", "Na", "Anna", "Guest 7"]
    few = read(attendee_report(rows[:24])).attendees["user_name"]
    assert few.fillna("").tolist() == names[:24].fillna("").tolist()


def test_registering_after_the_end_is_for_the_recording() -> None:
    late = ASHA.replace("Mar 15, 2025 11:23:29", "Mar 23, 2025 08:00:00")
    report = read(attendee_report([late, BINA, CARL]))
    assert guests(report) == EXPECTED
    assert report.attendees["registration_time"].iloc[0] == pd.Timestamp("2025-03-23 02:30:00", tz="UTC")


def swapped(row: str) -> str:
    """The row with its cells of registering and joining exchanged."""
    times = re.findall(r'"Mar \d+, 2025 [\d:]+"', row)
    return row.replace(times[0], "!").replace(times[1], times[0]).replace("!", times[1])


@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize(
    "registered", ["Mar 15, 2025 11:23:29", "Mar 22, 2025 18:04:00"], ids=["days", "an_hour"]
)
def test_registration_and_join_cells_that_changed_places_load_nobody(registered: str, count: int) -> None:
    rows = [
        ASHA.replace("Mar 15, 2025 11:23:29", registered)
        .replace("asha", f"asha{i}")
        .replace("19:05", f"19:{5 + i:02d}")
        for i in range(count)
    ]
    rows = [row.replace(",55,", f",{55 - i},") for i, row in enumerate(rows)]
    assert read(attendee_report(rows)).quarantined.empty
    report = read(attendee_report([swapped(row) for row in rows]))
    assert report.attendees.empty
    assert len(report.quarantined) == count


def test_a_join_before_the_day_of_the_event_is_set_apart_and_an_early_one_is_not() -> None:
    early = CARL.replace("Mar 22, 2025 19:10", "Mar 21, 2025 23:50").replace(",30,", ",1190,")
    assert set_apart(read(attendee_report([ASHA, early, BINA])))[0][0] == 11
    facts = FACTS.replace("Mar 22, 2025 7:00 PM", "Mar 22, 2025 12:10 AM")
    before = CARL.replace("Mar 22, 2025 19:10", "Mar 21, 2025 23:50").replace("19:40", "00:20")
    assert read(attendee_report([before], facts=facts)).quarantined.empty


def test_no_visit_outlasts_any_event() -> None:
    long = CARL.replace("Mar 22, 2025 19:40", "Mar 24, 2025 19:10").replace(",30,", ",2880,")
    assert set_apart(read(attendee_report([ASHA, long]))) == [[11, "times_contradict"]]


def test_minutes_that_total_all_visits_are_no_evidence_against_one_and_others_are() -> None:
    again = CARL.replace("19:10:00", "19:50:00").replace("19:40:00", "20:20:00")
    report = read(attendee_report([row.replace(",30,", ",60,") for row in (CARL, again)]))
    assert report.quarantined.empty
    assert "total over several visits" in report.notes[0]
    wrong = [CARL.replace("carl", f"carl{i}").replace(",30,", ",75,") for i in range(9)]
    assert len(read(attendee_report(wrong)).quarantined) == 9


@pytest.mark.parametrize(
    "facts", [FACTS, FACTS.replace("Mar 22, 2025 7:00 PM", "")], ids=["started", "unknown_start"]
)
def test_one_visit_on_another_day_makes_no_day_of_the_event(facts: str) -> None:
    rows = [CARL.replace("carl", f"carl{i}").replace("19:40:00", f"19:40:{i:02d}") for i in range(12)]
    moved = rows[3].replace("Mar 22", "Mar 26")
    report = read(attendee_report([*rows[:3], moved, *rows[4:]], facts=facts))
    assert set_apart(report) == [[13, "outside_event"]]
    both_days = [*rows[:8], *(row.replace("Mar 22", "Mar 23") for row in rows[8:])]
    assert read(attendee_report(both_days, facts=facts)).quarantined.empty


def test_visits_measured_in_seconds_are_told_by_their_times() -> None:
    text = (
        "name,user_email,join_time,leave_time,duration\n"
        "Asha Rao,asha@example.com,2025-03-22T13:30:00Z,2025-03-22T14:30:00Z,3600\n"
        "Carl Jung,carl@example.com,2025-03-22T13:30:00Z,2025-03-22T13:50:30Z,1230\n"
    )
    report = read(text)
    assert report.attendees["minutes"].tolist() == [60.0, 20.5]
    assert report.notes == ("The file gives the length of visits in seconds.",)
    assert len(set_apart(read(text.replace("1230", "20")))) > 0, "one in another unit is damage"
