"""Reports joined to one row per person per event day (SPEC 5)."""

import datetime as dt
import itertools
from collections.abc import Iterable

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.attendance import AttendanceResult, attendance_days, report_days, union_seconds
from funnel_assets.domain.attendance.people import read_phones
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.sources.zoom import ZoomReport, read_report
from funnel_assets_tests.sources.zoom.files import (
    ASHA,
    BINA,
    CARL,
    HEADER,
    attendee_report,
    registration_report,
)

CATEGORIES = pd.DataFrame({"token": ["bonds", "acca"], "category": ["Bonds", "ACCA"]})
CONDUCTORS = pd.DataFrame({"webinar_id": [None], "alias": ["Hema Host"], "conductor": ["Dr Hema"]})
SATURDAY = dt.date(2025, 3, 22)
SUNDAY = dt.date(2025, 3, 23)


def tiny_phones(values: pd.Series, *, country: str) -> pd.DataFrame:
    """Last ten digits with 91 in front; enough for these tests."""
    digits = values.astype("str").str.replace(r"\D", "", regex=True).str[-10:]
    good = digits.str.len() == 10
    phone = ("91" + digits).where(good)
    status = (
        pd.Series("missing", index=values.index)
        .mask(values.notna(), "invalid")
        .mask(good.fillna(False), "ok")
    )
    assert country == "IN"
    return pd.DataFrame({"phone": phone, "phone_status": status})


def read(text: str, file: str = "report.csv", landed: int = 1) -> ZoomReport:
    landed_at = dt.datetime(2025, 4, landed, tzinfo=dt.UTC)
    return read_report(text.encode(), file=file, timezone="Asia/Kolkata", landed_at=landed_at)


def resolve(reports: Iterable[ZoomReport]) -> AttendanceResult:
    result = attendance_days(
        reports,
        categories=CATEGORIES,
        conductors=CONDUCTORS,
        normalise_phones=tiny_phones,
        timezone="Asia/Kolkata",
    )
    days = result.days.set_index("date")
    fates = days["duplicates"] + days["set_aside"] + days["joined"]
    made = result.rows["date"].value_counts()
    assert set(made.index) <= set(days.index)
    assert (days["rows_in"] == fates + made.reindex(days.index, fill_value=0)).all(), days
    return result


def brief(result: AttendanceResult, *columns: str) -> list[list[object]]:
    """Rows by day and e-mail (or name), chosen columns, plain values."""
    rows = result.rows.assign(key=result.rows["email"].fillna(result.rows["user_name"]))
    rows = rows.sort_values(["date", "key"], na_position="last")[list(columns)].astype(object)
    return rows.where(rows.notna(), None).to_numpy().tolist()


def balanced(result: AttendanceResult) -> bool:
    parts = ["loaded", "duplicate", "other_day", "quarantined"]
    return all(
        (t["rows_in"] == t[parts].sum(axis=1)).all() for t in [result.account(), result.account(SATURDAY)]
    )


def visit(
    name: str, email: str, join: str, leave: str, minutes: int, *, day: int = 22, registered: bool = True
) -> str:
    when = '"Mar 10, 2025 10:00:00",approved' if registered else ","
    return (
        f'Yes,{name},,,{email},,{when},"Mar {day}, 2025 {join}","Mar {day}, 2025 {leave}",{minutes},Yes,India'
    )


def test_one_report_gives_attended_no_show_and_walk_in() -> None:
    result = resolve([read(attendee_report())])
    assert brief(
        result, "email", "attended", "attendance_type", "time_in_session_minutes", "phone", "user_id"
    ) == [
        ["asha@example.com", "Y", "attended", 55, "919812300001", "919812300001"],
        ["bina@example.com", "N", "no_show", 0, "919812300002", "919812300002"],
        ["carl@example.com", "Y", "walk_in", 30, None, None],
    ]
    asha = result.rows[result.rows["email"] == "asha@example.com"].iloc[0]
    assert asha["date"] == asha["webinar_date"] == SATURDAY
    assert (asha["webinar_id"], asha["webinar_name"]) == ("87123456789", "Bonds, explained")
    assert (asha["event_type"], asha["category"], asha["conductor"]) == ("webinar", "Bonds", "Dr Hema")
    assert pd.isna(asha["bootcamp_day"])
    assert asha["touched_at"] == asha["registration_time"] == pd.Timestamp("2025-03-15 05:53:29", tz="UTC")
    assert (asha["country"], asha["source_file"], asha["phone_raw"]) == (
        "India",
        "report.csv",
        "+919812300001",
    )
    assert result.account().to_dict("records") == [
        {"file": "report.csv", "rows_in": 3, "loaded": 3, "duplicate": 0, "other_day": 0, "quarantined": 0}
    ]


def test_hosts_and_panelists_never_attend() -> None:
    panelist = (
        "Panelist Details,\nAttended,User Name,Email,Join Time,Leave Time,Time in Session (minutes)\n"
        'Yes,Pia Panel,pia@example.com,"Mar 22, 2025 19:00:00","Mar 22, 2025 20:00:00",60\nAttendee Details,\n'
    )
    as_guest = visit("Hema", "hema@academy.example", "19:00:00", "19:30:00", 30)
    nameless = visit("Pia Panel", "", "19:00:00", "19:30:00", 30, registered=False)
    text = attendee_report([ASHA, as_guest, nameless]).replace("Attendee Details,\n", panelist)
    result = resolve([read(text)])
    assert brief(result, "email") == [["asha@example.com"]]
    assert result.quarantined["reason"].tolist() == ["host_or_panelist", "host_or_panelist"]
    assert balanced(result)


def test_rejoins_unite_as_intervals() -> None:
    rows = [
        visit("Asha Rao", "asha@example.com", "19:00:00", "19:40:00", 40),
        'Yes,Asha Rao,,,asha@example.com,,,,"Mar 22, 2025 19:30:00","Mar 22, 2025 20:00:00",30,Yes,India',
        'Yes,Asha Rao,,,,,,,"Mar 22, 2025 20:10:00","Mar 22, 2025 20:20:30",11,Yes,India',
    ]
    result = resolve([read(attendee_report(rows))])
    columns = ("email", "attendance_type", "time_in_session_minutes", "rejoin_count")
    assert brief(result, *columns) == [["asha@example.com", "attended", 71, 2]]
    assert result.rows["leave_time"].iloc[0] == pd.Timestamp("2025-03-22 14:50:30", tz="UTC")


def test_nobody_stays_longer_than_the_event_lasted() -> None:
    row = visit("Asha Rao", "asha@example.com", "18:00:00", "22:00:00", 240)
    assert brief(resolve([read(attendee_report([row]))]), "time_in_session_minutes") == [[90]]


def test_an_identical_line_is_a_duplicate() -> None:
    result = resolve([read(attendee_report([ASHA, ASHA]))])
    assert len(result.rows) == 1
    assert result.rows["rejoin_count"].tolist() == [0]
    assert result.account()[["rows_in", "loaded", "duplicate"]].to_numpy().tolist() == [[2, 1, 1]]


REGISTERED = registration_report(
    [
        'Asha,Rao,asha@example.com,"03/10/2025 10:00:00 AM",approved,Pune,\'+919812300001,#4',
        'Dev,Sen,dev@example.com,"03/11/2025 10:00:00 AM",approved,Pune,98123 00004,Web',
        'Eva,Roy,eva@example.com,"03/12/2025 10:00:00 AM",cancelled,Pune,9812300005,Web',
        'Fay,Lal,fay@example.com,"03/12/2025 10:00:00 AM",denied,Pune,9812300006,Web',
        'Gus,Pal,gus@example.com,"03/13/2025 10:00:00 AM",approved,Pune,9812300007,Web',
    ]
)


def test_registration_and_attendance_join_by_email_then_phone_then_name() -> None:
    header = HEADER.replace("Registration Time,Approval Status,", "")
    rows = [
        'Yes,A. Rao,,,asha@example.com,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India',
        'Yes,Devdas,,,,+91 98123-00004,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India',
        'Yes,Gus Pal,,,,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India',
        'Yes,Eva Roy,,,eva@example.com,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India',
        'Yes,iPhone,,,,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India',
        'Yes,iPhone,,,,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:01:00",56,Yes,India',
    ]
    result = resolve([read(attendee_report(rows, header=header), "a.csv"), read(REGISTERED, "r.csv")])
    columns = ("email", "user_name", "attendance_type", "phone", "registration_source", "source_file")
    assert brief(result, *columns) == [
        ["asha@example.com", "A. Rao", "attended", "919812300001", "#4", "a.csv"],
        ["dev@example.com", "Devdas", "attended", "919812300004", "Web", "a.csv"],
        ["eva@example.com", "Eva Roy", "walk_in", None, None, "a.csv"],
        ["gus@example.com", "Gus Pal", "attended", "919812300007", "Web", "a.csv"],
        [None, "iPhone", "walk_in", None, None, "a.csv"],
        [None, "iPhone", "walk_in", None, None, "a.csv"],
    ]
    assert result.quarantined["reason"].tolist() == ["registration_cancelled", "registration_denied"]
    assert balanced(result)


def test_a_namesake_under_another_address_stays_another_person() -> None:
    row = visit("Gus Pal", "gus.pal@other.example", "19:05:00", "20:00:00", 55, registered=False)
    result = resolve([read(attendee_report([row]), "a.csv"), read(REGISTERED, "r.csv")])
    types = result.rows.set_index("email")["attendance_type"]
    assert (types["gus@example.com"], types["gus.pal@other.example"]) == ("no_show", "walk_in")


def test_two_registrants_of_one_name_are_not_guessed_between() -> None:
    twins = REGISTERED + 'Gus,Pal,gus2@example.com,"03/14/2025 10:00:00 AM",approved,Pune,9812300008,Web\n'
    row = visit("Gus Pal", "", "19:05:00", "20:00:00", 55, registered=False)
    result = resolve([read(attendee_report([row]), "a.csv"), read(twins, "r.csv")])
    gus = result.rows[result.rows["user_name"] == "Gus Pal"].sort_values("email", na_position="first")
    assert gus["attendance_type"].tolist() == ["walk_in", "no_show", "no_show"]


@pytest.mark.parametrize(
    ("join", "minutes", "people"),
    [
        ("19:20:00", 40, [("attended", 25), ("walk_in", 40)]),
        ("19:40:00", 20, [("attended", 45)]),
    ],
)
def test_a_name_seen_while_its_owner_was_there_is_a_namesake_and_later_a_rejoin(
    join: str, minutes: int, people: list[tuple[str, int]]
) -> None:
    own = visit("Gus Pal", "gus@example.com", "19:05:00", "19:30:00", 25)
    other = visit("Gus Pal", "", join, "20:00:00", minutes, registered=False)
    result = resolve([read(attendee_report([own, other]), "a.csv"), read(REGISTERED, "r.csv")])
    gus = result.rows[result.rows["user_name"] == "Gus Pal"]
    found = zip(gus["attendance_type"], gus["time_in_session_minutes"].astype(int), strict=True)
    assert sorted(found) == people


def test_two_addresses_with_one_phone_are_one_person() -> None:
    twins = REGISTERED + 'Gus,Pal,gus2@example.com,"03/14/2025 10:00:00 AM",approved,Pune,9812300007,Web\n'
    result = resolve([read(twins, "r.csv")])
    assert brief(result, "email", "phone") == [
        ["asha@example.com", "919812300001"],
        ["dev@example.com", "919812300004"],
        ["gus@example.com", "919812300007"],
    ]


def test_a_registration_report_alone_gives_no_shows_until_the_attendance_arrives() -> None:
    alone = resolve([read(REGISTERED, "r.csv")])
    assert brief(alone, "email", "attended", "attendance_type") == [
        ["asha@example.com", "N", "no_show"],
        ["dev@example.com", "N", "no_show"],
        ["gus@example.com", "N", "no_show"],
    ]
    assert alone.events[["has_attendance", "has_registration"]].to_numpy().tolist() == [[False, True]]
    both = resolve([read(REGISTERED, "r.csv"), read(attendee_report(), "a.csv")])
    assert both.events[["has_attendance", "files"]].to_numpy().tolist() == [[True, "a.csv, r.csv"]]


def test_a_corrected_re_export_replaces_the_earlier_one() -> None:
    first = read(attendee_report([ASHA, BINA]), "first.csv", landed=1)
    corrected = read(
        attendee_report([ASHA, CARL], generated='"Mar 24, 2025 9:00 AM"'), "second.csv", landed=2
    )
    result = resolve([first, corrected])
    assert brief(result, "email", "source_file") == [
        ["asha@example.com", "second.csv"],
        ["carl@example.com", "second.csv"],
    ]
    assert result.files[["file", "state"]].to_numpy().tolist() == [
        ["first.csv", "superseded"],
        ["second.csv", "used"],
    ]
    assert result.account()[["file", "loaded", "duplicate"]].to_numpy().tolist() == [
        ["first.csv", 0, 2],
        ["second.csv", 2, 0],
    ]
    # An older export that lands later changes nothing: the generated time counts.
    again = read(attendee_report([ASHA, BINA]), "late.csv", landed=9)
    assert brief(resolve([corrected, again]), "email") == [["asha@example.com"], ["carl@example.com"]]


def test_the_later_landed_wins_where_no_generated_time_tells() -> None:
    def without_time(rows: list[str]) -> str:
        return "\n".join(line for line in attendee_report(rows).split("\n") if "Report Generated" not in line)

    first, second = (
        read(without_time([ASHA]), "1.csv", landed=1),
        read(without_time([BINA]), "2.csv", landed=2),
    )
    assert brief(resolve([second, first]), "email") == [["bina@example.com"]]


def test_the_same_bytes_do_nothing() -> None:
    one, copy = read(attendee_report(), "a.csv", landed=1), read(attendee_report(), "a (1).csv", landed=2)
    result = resolve([copy, one])
    pd.testing.assert_frame_equal(result.rows, resolve([one]).rows)
    assert result.files[["file", "state"]].to_numpy().tolist() == [
        ["a (1).csv", "same_bytes"],
        ["a.csv", "used"],
    ]
    assert balanced(result)


def test_quarantined_rows_vanish_with_the_corrected_file() -> None:
    broken = read(attendee_report([ASHA.replace("Asha,Rao,", "Asha,"), BINA]), "broken.csv")
    assert resolve([broken]).quarantined["reason"].tolist() == ["misaligned"]
    fixed = read(attendee_report([ASHA, BINA], generated='"Mar 24, 2025 9:00 AM"'), "fixed.csv", landed=2)
    result = resolve([broken, fixed])
    assert result.quarantined.empty
    pd.testing.assert_frame_equal(result.rows, resolve([fixed]).rows)
    assert balanced(result)


def test_the_order_of_files_changes_nothing() -> None:
    reports = [
        read(attendee_report(), "a.csv"),
        read(REGISTERED, "r.csv", landed=2),
        read(attendee_report([ASHA], generated='"Mar 24, 2025 9:00 AM"'), "a2.csv", landed=3),
        read(
            attendee_report([BINA], facts='"Other",99912345678,"Mar 23, 2025 7:00 PM",90,1,0,0,0'),
            "o.csv",
            landed=4,
        ),
    ]
    expected = resolve(reports)
    for shuffled in itertools.islice(itertools.permutations(reports), 3, 24, 5):
        result = resolve(shuffled)
        pd.testing.assert_frame_equal(result.rows, expected.rows)
        pd.testing.assert_frame_equal(result.outcomes, expected.outcomes)
        pd.testing.assert_frame_equal(result.files, expected.files)


TWO_DAYS = [
    visit("Asha Rao", "asha@example.com", "10:00:00", "12:00:00", 120),
    visit("Asha Rao", "asha@example.com", "10:00:00", "11:00:00", 60, day=23),
    visit("Dev Sen", "dev@example.com", "10:30:00", "11:30:00", 60, day=23),
    BINA,
    visit("Wim Walk", "wim@example.com", "10:00:00", "10:30:00", 30, registered=False),
]


def test_a_two_day_event_in_one_file() -> None:
    facts = '"Bonds bootcamp",871 2345 6789,"Mar 22, 2025 10:00 AM",1620,3,0,2,3'
    report = read(attendee_report(TWO_DAYS, facts=facts))
    result = resolve([report])
    assert report_days(report, "Asia/Kolkata") == [SATURDAY, SUNDAY]
    columns = ("date", "email", "bootcamp_day", "attendance_type", "time_in_session_minutes")
    assert brief(result, *columns) == [
        [SATURDAY, "asha@example.com", 1, "attended", 120],
        [SATURDAY, "bina@example.com", 1, "no_show", 0],
        [SATURDAY, "wim@example.com", 1, "walk_in", 30],
        [SUNDAY, "asha@example.com", 2, "attended", 60],
        [SUNDAY, "bina@example.com", 2, "no_show", 0],
        [SUNDAY, "dev@example.com", 2, "attended", 60],
    ]
    assert result.account(SUNDAY)[["rows_in", "loaded", "other_day"]].to_numpy().tolist() == [[5, 2, 3]]
    assert set(result.rows["event_type"]) == {"bootcamp"}
    assert balanced(result)


def test_a_registration_report_stands_for_both_days_of_its_event() -> None:
    facts = '"Bonds bootcamp",871 2345 6789,"Mar 22, 2025 10:00 AM",1620,3,0,2,3'
    registered = REGISTERED.replace("07:00:00 PM", "10:00:00 AM")
    result = resolve([read(attendee_report(TWO_DAYS, facts=facts), "a.csv"), read(registered, "r.csv")])
    gus = result.rows[result.rows["email"] == "gus@example.com"]
    assert gus["date"].tolist() == [SATURDAY, SUNDAY]
    assert result.files.set_index("file").loc["r.csv", "dates"] == (SATURDAY, SUNDAY)


@pytest.mark.parametrize(
    ("start", "join", "leave", "minutes", "day"),
    [
        ("Mar 22, 2025 11:30 PM", "Mar 22, 2025 23:59:00", "Mar 23, 2025 00:30:00", 31, SATURDAY),
        ("Mar 22, 2025 11:30 PM", "Mar 23, 2025 00:10:00", "Mar 23, 2025 00:30:00", 20, SATURDAY),
        ("Mar 23, 2025 12:00 AM", "Mar 22, 2025 23:58:00", "Mar 23, 2025 00:30:00", 32, SUNDAY),
        ("Mar 23, 2025 12:00 AM", "Mar 23, 2025 00:00:00", "Mar 23, 2025 00:30:00", 30, SUNDAY),
    ],
)
def test_midnight_belongs_to_the_day_the_event_started(
    start: str, join: str, leave: str, minutes: int, day: dt.date
) -> None:
    row = f'Yes,Asha Rao,,,asha@example.com,,"Mar 10, 2025 10:00:00",approved,"{join}","{leave}",{minutes},Yes,India'
    report = read(attendee_report([row], facts=f'"Bonds",871 2345 6789,"{start}",90,1,0,1,1'))
    assert report_days(report, "Asia/Kolkata") == [day]
    assert brief(resolve([report]), "date") == [[day]]


def test_a_restarted_webinar_on_one_day_counts_both_sittings() -> None:
    morning = attendee_report(
        [visit("Asha Rao", "asha@example.com", "11:00:00", "11:30:00", 30)],
        facts='"Bonds",871 2345 6789,"Mar 22, 2025 11:00 AM",60,1,0,1,1',
    )
    evening = attendee_report([visit("Asha Rao", "asha@example.com", "19:00:00", "19:45:00", 45)])
    result = resolve([read(morning, "m.csv"), read(evening, "e.csv")])
    assert brief(result, "email", "time_in_session_minutes", "rejoin_count") == [["asha@example.com", 75, 1]]


def test_a_meetings_list_without_registration_has_no_walk_ins() -> None:
    text = (
        "Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants\n"
        "87123456789,Office hour,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,hema@academy.example,90,2\n\n"
        "Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest\n"
        "Asha Rao,asha@example.com,03/22/2025 07:05:00 PM,03/22/2025 08:00:00 PM,55,Yes\n"
        "Carl Jung,,03/22/2025 07:10:00 PM,03/22/2025 07:20:00 PM,10,Yes\n"
        "Carl Jung,,03/22/2025 07:30:00 PM,03/22/2025 07:40:00 PM,10,Yes\n"
    )
    columns = ("user_name", "attendance_type", "time_in_session_minutes", "rejoin_count")
    assert brief(resolve([read(text)]), *columns) == [
        ["Carl Jung", "attended", 20, 1],
        ["Asha Rao", "attended", 55, 0],
    ]
    registered = resolve([read(text, "p.csv"), read(REGISTERED, "r.csv")])
    types = registered.rows.set_index("user_name")["attendance_type"]
    assert (types["Asha Rao"], types["Carl Jung"], types["Gus Pal"]) == ("attended", "walk_in", "no_show")


def test_totals_a_report_states_are_compared_with_what_was_read() -> None:
    facts = '"Bonds",871 2345 6789,"Mar 22, 2025 7:00 PM",90,40,2,2,3'
    totals = resolve([read(attendee_report(facts=facts))]).totals.set_index("what")
    assert totals["difference"].to_dict() == {
        "cancelled": -2,
        "registered": -38,
        "total_users": 0,
        "unique_viewers": 0,
    }
    assert "without listing" in totals.loc["cancelled", "likely_reason"]
    assert "fewer people" in totals.loc["registered", "likely_reason"]
    assert pd.isna(totals.loc["unique_viewers", "likely_reason"])


def test_a_row_without_any_identity_is_set_apart() -> None:
    row = 'Yes,,,,,,,,"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India'
    result = resolve([read(attendee_report([ASHA, row]))])
    assert result.quarantined["reason"].tolist() == ["no_identity"]
    assert len(result.rows) == 1


def test_no_reports_give_an_empty_typed_table() -> None:
    result = resolve([])
    assert result.rows.empty
    assert str(result.rows["join_time"].dtype) == "datetime64[us, UTC]"
    assert result.account().empty


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(-3, 30)), max_size=12))
def test_union_seconds_equals_counting_every_second(visits: list[tuple[int, int, int]]) -> None:
    visits.sort()
    frame = pd.DataFrame(visits, columns=["key", "start", "length"])
    start = pd.to_datetime(frame["start"].astype("int64"), unit="s", utc=True)
    end = pd.to_datetime((frame["start"] + frame["length"]).astype("int64"), unit="s", utc=True)
    found = union_seconds(frame["key"], start, end)
    for key in range(3):
        seconds = {s for k, a, n in visits if k == key for s in range(a, a + n)}
        assert found.get(key, 0) == len(seconds)


def test_who_holds_a_meeting_does_not_attend_it() -> None:
    text = (
        "Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants\n"
        "87123456789,Office hour,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,hema@academy.example,90,4\n\n"
        "Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest\n"
        "Hema Host,hema@academy.example,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,90,No\n"
        "Tom Aide,tom@academy.example,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,90,No\n"
        "Uma Talk (Co-host),,03/22/2025 07:00:00 PM,03/22/2025 08:30:00 PM,90,Yes\n"
        "Asha Rao,asha@example.com,03/22/2025 07:05:00 PM,03/22/2025 08:00:00 PM,55,Yes\n"
    )
    result = resolve([read(text)])
    assert brief(result, "email", "conductor") == [["asha@example.com", "Dr Hema"]]


def test_an_approved_speaker_in_a_report_without_stage_sections_does_not_attend() -> None:
    text = attendee_report([ASHA, visit("Hema Host", "hema@academy.example", "19:00:00", "20:30:00", 90)])
    head, _, rest = text.partition("Host Details,")
    result = resolve([read(head + "Attendee Details," + rest.partition("Attendee Details,")[2])])
    assert brief(result, "email", "conductor") == [["asha@example.com", "Dr Hema"]]
    assert result.quarantined["reason"].tolist() == ["host_or_panelist"]


@pytest.mark.parametrize(
    ("typed", "country", "expected"),
    [
        # From the United States this is no landline in Pune …
        ("202 555 0123", "United States", ("12025550123", "foreign")),
        ("202 555 0123", "India", ("912025550123", "landline")),
        ("202 555 0123", None, ("912025550123", "landline")),
        # … but people who live abroad keep their mobile.
        ("98123 45670", "United States", ("919812345670", "ok")),
        ("0501234567", "United Arab Emirates", ("971501234567", "foreign")),
        ("0501234567", "Atlantis", (None, "invalid")),
    ],
)
def test_a_row_that_states_its_country(
    typed: str, country: str | None, expected: tuple[str | None, str]
) -> None:
    rows = pd.DataFrame({"source": [0], "phone_raw": [typed], "country": [country]})
    found = read_phones(rows.astype({"phone_raw": "str"}), ["IN"], normalize_phones).iloc[0]
    assert (found["phone"] if isinstance(found["phone"], str) else None, found["phone_status"]) == expected


def test_each_reports_national_numbers_are_of_its_own_country() -> None:
    rows = pd.DataFrame(
        {"source": [0, 1, 0], "phone_raw": ["5046218927", "9812345670", None], "country": [None] * 3}
    )
    found = read_phones(rows.astype({"phone_raw": "str"}), ["US", "IN"], normalize_phones)
    assert found["phone"].fillna("").tolist() == ["15046218927", "919812345670", ""]
    assert found["phone_status"].tolist() == ["ok", "ok", "missing"]


def test_attendance_joins_one_mailbox() -> None:
    rows = [
        visit("Asha Rao", "asha.rao@gmail.com", "19:00:00", "19:30:00", 30),
        visit("Asha", "asharao+zoom@googlemail.com", "19:40:00", "19:50:00", 10, registered=False),
    ]
    result = resolve([read(attendee_report(rows))])
    assert result.rows["time_in_session_minutes"].tolist() == [40]


def test_seconds_are_kept_and_rounded_once() -> None:
    rows = [
        visit("Asha Rao", "asha@example.com", "19:05:00", "19:20:20", 16),
        visit("Asha Rao", "asha@example.com", "19:30:00", "19:31:10", 2),
        visit("Carl Jung", "carl@example.com", "19:05:00", "19:05:20", 1),
        visit("Bina Das", "bina@example.com", "19:05:00", "19:25:30", 21),
    ]
    columns = ("email", "time_in_session_seconds", "time_in_session_minutes")
    result = resolve([read(attendee_report(rows))])
    assert brief(result, *columns) == [
        ["asha@example.com", 990, 17],
        ["bina@example.com", 1230, 21],
        ["carl@example.com", 20, 0],
    ]
    capped = [visit("Asha Rao", "asha@example.com", "18:00:00", "21:00:00", 180)]
    facts = '"Bonds",871 2345 6789,"Mar 22, 2025 7:00 PM",90,1,0,1,2'
    assert brief(resolve([read(attendee_report(capped, facts=facts))]), *columns) == [
        ["asha@example.com", 5400, 90]
    ]
