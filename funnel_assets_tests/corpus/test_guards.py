"""One damaged file for each guard: what the guard does with it, and that the undamaged file is fine."""

# ruff: noqa: E501 - lines as the reports have them

import pytest

from funnel_assets.sources.zoom import ReportRefused, ZoomReport
from funnel_assets_tests.corpus.layouts import Layout, layouts, read
from funnel_assets_tests.corpus.mutations import case


def _damaged(key: str, *changes: tuple[str, str]) -> ZoomReport:
    layout = layouts()[key]
    text = layout.text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return read(layout, layout.encode(text))


def _doubts(report: ZoomReport) -> set[str]:
    return {doubt.code for doubt in report.doubts}


@pytest.mark.parametrize("key", [key for key, layout in layouts().items() if not layout.refused])
def test_an_undamaged_report_is_in_no_doubt(key: str) -> None:
    layout: Layout = layouts()[key]
    report = read(layout, layout.encode(layout.text))
    assert not report.doubts
    assert not [total for total in report.stated_totals if total.difference]


@pytest.mark.parametrize(
    ("key", "change", "code"),
    [
        ("zoom_attendee_2021_trailing_comma", ("964 1122 3344,", "125,"), "facts_contradict"),
        ("zoom_meeting_2024", ("Tina Teacher,tina@school.example", "tina@school.example,Tina Teacher"), "facts_contradict"),
        ("zoom_meeting_2020", ("teacher@school.example,65,5", "teacher@school.example,5,65"), "facts_contradict"),
        ("zoom_attendee_tab_utf16", ("7:00 PM\"\t60\t3\t0\t2\t3\t2", "7:00 PM\"\t2\t3\t0\t2\t3\t60"), "facts_contradict"),
        ("meet_attendance_with_meeting", ("Standup,2026-05-11,09:00,09:32", "Standup,2026-05-11,09:32"), "facts_contradict"),
        ("zoom_attendee_with_polls", ('Polls and people,845 1100 2200,"Nov 20, 2024 6:30 PM",45,3,0,2,2\n', ""), "facts_contradict"),
        ("gotomeeting_attendees", ("Meeting Subject,Meeting ID,Meeting Type,Organizer,Organizer Email,Start Time,End Time,Duration (minutes),# Attendees\n", ""), "unread_lines"),
        ("teams_joined_left", ("Sam Roe\tLeft\t13/09/2022, 17:45:00", "Sam Roe\t13/09/2022, 17:45:00"), "unread_lines"),
        ("teams_joined_left_portuguese", ("Inês Góis\tSaiu\t19/03/2021 09", 'Inês Góis\t"Saiu\t19/03/2021 09'), "unread_lines"),
        ("zoom_attendee_2026_ampm", ("Weekend workshop,", "4,"), "facts_contradict"),
        ("webex_meeting_formulas", ("\tRole\tAttendee Email\tJoin Time\tLeave Time\tAttendance Duration\tConnection Type\tSession Name", "\tSession Name\tAttendee Email\tJoin Time\tLeave Time\tAttendance Duration\tConnection Type\tRole"), "unknown_column"),
        ("zoom_meeting_2020", ("Join Time", "Qux Zonk"), "unknown_column"),
        ("teams_engagement", ("\tRole\t", "\tQux Zonk\t"), "unknown_column"),
        ("teams_german", ("Gerd (Gast)\t16.10.26, 18:05:00\t16.10.26, 18:20:00\t15 Min.\t\tTeilnehmer\n", ""), "totals_differ"),
        ("teams_german", ("Ada Blum\t16.10.26, 18:31:30\t16.10.26, 19:00:00\t28 Min. 30 Sek.\tada@example.de\tTeilnehmer\n", ""), "totals_differ"),
        ("zoom_meeting_2024", ("876 5432 1098,Tina Teacher", "Tina Teacher,876 5432 1098"), "facts_contradict"),
        ("zoom_meeting_2020", ("Duration (Minutes)", ""), "facts_contradict"),
        ("zoom_attendee_two_days", ('ACCA bootcamp,890 1234 5600,"Feb 23, 2025 11:00 AM",180,3,0,3,3\n', ""), "facts_contradict"),
        ("zoom_meeting_2020", ("912 3456 7890,Class 7,05/18/2020 08:58:01 AM,05/18/2020 10:02:44 AM,teacher", "912 3456 7890|Class 7|05/18/2020 08:58:01 AM|05/18/2020 10:02:44 AM|teacher"), "facts_contradict"),
        ("zoom_meeting_2020", ("teacher@school.example,65,5,\n", "teacher@school.example,,5,65\n"), "facts_contradict"),
        ("teams_2025_us", ("3. In-Meeting Activities\n", ""), "unread_lines"),
        ("teams_joined_left", ("Sam Roe\tLeft\t13/09/2022, 17:45:00", "Sam Roe\t\t13/09/2022, 17:45:00"), "unread_lines"),
        ("teams_joined_left", ("\"Dow, Jane\"\tLeft", "Left\t\"Dow, Jane\""), "unread_lines"),
        ("zoom_attendee_negative_minutes", ("Clock trouble,", "Clock tr\"ouble,"), "unread_lines"),
        ("zoom_attendee_spanish", ("Renta fija", "Renta f?ja"), "facts_contradict"),
        ("zoom_attendee_blank_lines", ("Career talk,812 3456 7800,09/19/2026", "Career talk,812 3456 7800,31/31/2026"), "facts_contradict"),
        ("webex_meeting_2022", ("15:45:31,2022-09-21 20:06:10,gal f,gal@example.com,2022-09-21 16:08:23", "16:08:23,2022-09-21 20:06:10,gal f,gal@example.com,2022-09-21 15:45:31"), "facts_contradict"),
        ("webex_event_clock_times", ('"Title","Phone Number"', '"Phone Number","Title"'), "unknown_column"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)  # fmt: skip
def test_a_report_that_contradicts_itself_is_doubtful(key: str, change: tuple[str, str], code: str) -> None:
    assert code in _doubts(_damaged(key, change))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("gotowebinar_registrants", ("Approved,,\n", "Approved,1,,\n")),
        ("meet_extension", ("6:01 PM,1 hr 3 min", "6:01 PM,1,1 hr 3 min")),
        ("zoom_attendee_tab_utf16", ("Yes\tYash, M", "Yes\tIndia")),
        ("zoom_attendee_no_show_country", ("nalini@", 'nal"ini@')),
        ("zoom_attendee_french", ("+33 6 12", '+33 "6 12')),
        ("meet_duration_only", ("pia@example.com,25 min", "pia@example.com,")),
        ("meet_extension", ("Kian Xu,6:01 PM", "Kian Xu,")),
        ("zoom_attendee_portuguese", ("16/07/2024 10:00:00,aprovado,--", "16/07/2024 10:00:00,--")),
        ("zoom_attendee_spanish", ("12/10/2023 13:00:00", "10/12/2023 13:00:00")),
        ("zoom_attendee_german", ("Cem Yıldız", "Cem Y?ld?z")),
        ("zoom_attendee_french", ("Zoé Petit,Zoé", 'Zo"é Petit,Zoé')),
        ("webex_event_clock_times", ('"College B","","9812300112"', '"College B","9812300112",""')),
        ("gotowebinar_registrants", ("Approved,,\n", ",,Approved\n")),
        ("zoom_registration_states", (',,"Apr 23, 2023 13:00:00"', ',"Apr 23, 2023 13:00:00",')),
        (
            "gotowebinar_attendee_span",
            ('"Mar 23, 2021 07:15 PM IST - Mar 23, 2021 08:01 PM IST (46 minutes)"', ""),
        ),
    ],
)
def test_a_row_whose_cells_are_out_of_place_is_set_apart(key: str, change: tuple[str, str]) -> None:
    changes = [change]
    if key == "zoom_attendee_tab_utf16":
        changes.append(("40\tYes\tIndia", "40\tYes\tYash, M"))
    assert len(_damaged(key, *changes).quarantined) == 1


@pytest.mark.parametrize(("heading", "told"), [("Qux Zonk", "'Qux Zonk'"), ("", "number 2")])
def test_a_heading_that_no_table_knows_is_told(heading: str, told: str) -> None:
    report = _damaged("meet_duration_only", ("Last name", heading))
    assert any(told in note for note in report.notes)


def test_a_log_of_three_columns_whose_dates_can_be_read_in_two_ways_is_called_ambiguous() -> None:
    with pytest.raises(ReportRefused) as refusal:
        _damaged("teams_joined_left_portuguese", *[("19/03/2021", "09/03/2021")] * 6)
    assert refusal.value.reason == "dates_ambiguous"


def test_words_in_the_column_of_roles_that_are_no_roles_make_a_report_doubtful() -> None:
    layout = layouts()["teams_2021_full_name"]
    text = layout.text.replace("\tOrganizer\t", "\tQux\t").replace("\tAttendee\t", "\tZonk\t")
    assert "unknown_column" in _doubts(read(layout, layout.encode(text)))


def test_a_row_that_lost_its_cell_of_waiting_counts_for_nobody() -> None:
    report = _damaged("zoom_meeting_2024", ("1,Yes,,Yes", "1,Yes,Yes"))
    assert report.quarantined["reason"].tolist() == ["missing_field"]


@pytest.mark.parametrize(
    ("key", "own", "other"), [("teams_engagement", 3, 10), ("gotowebinar_attendee_span", 7, 1)]
)
def test_lengths_of_time_in_another_column_make_a_report_doubtful(key: str, own: int, other: int) -> None:
    made = case(key)
    rows = [list(row) for row in made.rows]
    for record in made.blocks[0].people:
        rows[record][own], rows[record][other] = rows[record][other], rows[record][own]
    assert "unknown_column" in _doubts(read(made.layout, made.data(rows)))


def test_text_that_was_encoded_twice_is_refused() -> None:
    layout = layouts()["zoom_attendee_german"]
    twice = layout.text.encode("utf-8").decode("cp1252", errors="replace")
    with pytest.raises(ReportRefused) as refusal:
        read(layout, twice.encode("utf-8"))
    assert refusal.value.reason == "encoding"
