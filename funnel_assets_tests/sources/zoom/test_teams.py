"""Teams beyond its plain report: roles that say nothing, visits by name, logs of joining and leaving."""

import pandas as pd
import pytest

from funnel_assets.sources.zoom import ZoomReport, read_report
from funnel_assets_tests.sources.zoom.test_reader import TEAMS, TEAMS_ACTIVITY, guests, set_apart

ALL_PRESENT = TEAMS.replace("\tAttendee", "\tPresenter")
NAMELESS = TEAMS_ACTIVITY.replace("asha@example.com", "")
NAMESAKE = "Asha Rao\t3/22/25, 7:15:00 PM\t3/22/25, 8:01:00 PM\t20m\tasha2@example.com\tasha2@example.com\tAttendee\n"


def read(text: str, encoding: str = "utf-16", file: str = "meetingAttendanceList.csv") -> ZoomReport:
    return read_report(text.encode(encoding), file=file, timezone="Asia/Kolkata")


def visits(report: ZoomReport) -> list[list[object]]:
    people = report.people
    shown = people[["section", "user_name", "email"]].astype(object)
    for name in ("join_time", "leave_time"):
        shown[name] = people[name].dt.tz_convert("Asia/Kolkata").dt.strftime("%H:%M:%S").astype(object)
    return shown.where(shown.notna(), None).to_numpy().tolist()


def test_presenters_attend_where_everybody_presents() -> None:
    report = read(ALL_PRESENT)
    assert report.people["section"].tolist() == ["host", "attendee", "attendee"]
    assert "2 of 3 people are presenters" in report.notes[0]
    few = read(
        TEAMS.replace(
            "Carl (Guest)", "Pia Panel\t3/22/25, 7:00:00 PM\t3/22/25, 8:00:00 PM\t1h\t\t\tPresenter\nCarl"
        )
    )
    assert few.people["section"].tolist() == ["host", "attendee", "panelist", "attendee"]


@pytest.mark.parametrize("activity", [TEAMS_ACTIVITY, NAMELESS], ids=["by_email", "by_name"])
def test_visits_of_the_activities_are_their_persons(activity: str) -> None:
    report = read(TEAMS + activity)
    of_asha = report.people[report.people["email"] == "asha@example.com"]
    assert of_asha["minutes"].round(2).fillna(-1).tolist() == [-1, 25.0, 15.17]
    carl = report.people[report.people["user_name"] == "Carl (Guest)"]
    assert carl["minutes"].tolist() == [30.0], "who has no visits keeps their own times"


def test_a_visit_that_can_be_anybodys_of_two_namesakes_is_set_apart() -> None:
    report = read(TEAMS + NAMESAKE + NAMELESS)
    assert [reason for _, reason in set_apart(report)] == ["ambiguous_name"] * 2
    found = report.people.set_index("email")["minutes"].round(2)
    assert (found["asha@example.com"], found["asha2@example.com"]) == (40.17, 20.0)


JOINED_LEFT = (
    "Full Name\tUser Action\tTimestamp\n"
    "Hema Host\tJoined before\t3/22/2025, 6:59:00 PM\n"
    "Asha Rao\tJoined\t3/22/2025, 7:00:52 PM\n"
    "Asha Rao\tLeft\t3/22/2025, 7:30:00 PM\n"
    "Asha Rao\tJoined\t3/22/2025, 7:40:00 PM\n"
    "Asha Rao\tLeft\t3/22/2025, 8:10:00 PM\n"
    "Bina Das\tJoined\t3/22/2025, 7:05:00 PM\n"
    "Carl\tLeft\t3/22/2025, 7:20:00 PM\n"
)
OF_JOINED_LEFT = [
    ["attendee", "Hema Host", None, "18:59:00", "20:10:00"],
    ["attendee", "Asha Rao", None, "19:00:52", "19:30:00"],
    ["attendee", "Asha Rao", None, "19:40:00", "20:10:00"],
    ["attendee", "Bina Das", None, "19:05:00", "20:10:00"],
]


def test_the_joined_and_left_list_is_visits() -> None:
    report = read(JOINED_LEFT)
    assert (report.kind, visits(report)) == ("teams", OF_JOINED_LEFT)
    assert set_apart(report) == [[8, "left_only"]]
    assert "2 of 4 visits have no end in the log" in report.notes[0]
    assert "everybody in it counts as attending" in report.notes[1]


def test_a_list_written_newest_first_says_the_same() -> None:
    header, *lines = JOINED_LEFT.splitlines()
    report = read("\n".join([header, *lines[::-1]]) + "\n")
    assert sorted(visits(report), key=str) == sorted(OF_JOINED_LEFT, key=str)


@pytest.mark.parametrize(
    ("header", "joined", "left"),
    [
        ("Vollständiger Name\tBenutzeraktion\tZeitstempel", "Beigetreten", "Verlassen"),
        ("Nombre completo\tAcción del usuario\tMarca de tiempo", "Se unió", "Salió"),
        ("Nom complet\tAction de l’utilisateur\tHorodatage", "A rejoint", "A quitté"),
        ("Nome completo\tAção do usuário\tCarimbo de data/hora", "Ingressou", "Saiu"),
        ("Imię i nazwisko\tAkcja użytkownika\tZnacznik czasu", "Dołączono", "Opuszczono"),
    ],
    ids=["de", "es", "fr", "pt", "pl"],
)
def test_the_list_in_other_languages(header: str, joined: str, left: str) -> None:
    lines = JOINED_LEFT.replace("Joined before", "Joined").splitlines()[1:]
    text = (
        "\n".join([header, *lines]).replace("\tJoined\t", f"\t{joined}\t").replace("\tLeft\t", f"\t{left}\t")
    )
    assert visits(read(text + "\n")) == OF_JOINED_LEFT


LIVE_EVENT = """Session Id,Participant Id,Full Name,UserAgent,UTC Event Timestamp,Action,Role
518ca2fd-01,asha@example.com,Asha Rao,"Mozilla/5.0 (X11, Linux)",3/22/2025 1:35:00 PM,Joined,Attendee
39f73ed2-02,asha@example.com,Asha Rao,SignalR,3/22/2025 1:40:00 PM,Joined,Attendee
518ca2fd-01,asha@example.com,Asha Rao,"Mozilla/5.0 (X11, Linux)",3/22/2025 2:30:00 PM,Left,Attendee
518ca2fd-01,asha@example.com,Asha Rao,"Mozilla/5.0 (X11, Linux)",3/22/2025 2:30:00 PM,Left,Attendee
39f73ed2-02,asha@example.com,Asha Rao,SignalR,3/22/2025 1:50:00 PM,Left,Attendee
77777777-03,pia@academy.example,Pia Panel,SignalR,3/22/2025 1:20:00 PM,Joined,Producer
77777777-03,pia@academy.example,Pia Panel,SignalR,3/22/2025 2:40:00 PM,Left,Producer
99999999-04,,Carl,SignalR,3/22/2025 1:45:00 PM,Joined,Attendee
99999999-04,,Carl,SignalR,3/22/2025 1:46:00 PM,Waved,Attendee
"""


@pytest.mark.parametrize(
    "text",
    [LIVE_EVENT, LIVE_EVENT.replace(" Id,", "Id,").replace("UTC Event Timestamp", "UtcEventTimestamp")],
)
def test_a_live_events_log_is_visits_in_utc(text: str) -> None:
    report = read(text, "utf-8", "AttendeeReport.csv")
    assert visits(report) == [
        ["attendee", "Asha Rao", "asha@example.com", "19:05:00", "20:00:00"],
        ["attendee", "Asha Rao", "asha@example.com", "19:10:00", "19:20:00"],
        ["panelist", "Pia Panel", "pia@academy.example", "18:50:00", "20:10:00"],
        ["attendee", "Carl", None, "19:15:00", "20:10:00"],
    ]
    assert set_apart(report) == [[5, "said_twice"], [10, "unknown_action"]]
    assert report.people["join_time"].iloc[0] == pd.Timestamp("2025-03-22 13:35:00", tz="UTC")


def test_rows_and_nobody_is_doubtful() -> None:
    only_host = TEAMS[: TEAMS.index("Asha Rao")]
    assert [doubt.code for doubt in read(only_host).doubts] == ["no_person"]
    assert guests(read(ALL_PRESENT)), "three real meetings loaded nobody"


@pytest.mark.parametrize("lost", [3, 4, 5, 6])
def test_a_line_lost_from_a_log_adds_no_minute(lost: int) -> None:
    lines = JOINED_LEFT.splitlines(keepends=True)[:-2]
    assert len(visits(read("".join(lines)))) == 3
    report = read("".join(line for number, line in enumerate(lines, start=1) if number != lost))
    ended = {"19:00:52": "19:30:00", "19:40:00": "20:10:00"}
    found = [visit for visit in visits(report) if visit[1] == "Asha Rao"]
    assert all(str(left) <= ended[str(joined)] for *_, joined, left in found)
    assert len(found) == 2 or not report.quarantined.empty
