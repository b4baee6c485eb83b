"""Day and month order of a whole file; never from one cell."""

import pandas as pd
import pytest

from funnel_assets.sources.zoom import ReportRefused, ZoomReport, dates, read_report

HEADER = "Attended,User Name,Email,Registration Time,Approval Status,Join Time,Leave Time,Time in Session (minutes)"


def report(
    *rows: str,
    start: str = "04/03/2025 07:00:00 PM",
    generated: str = "04/03/2025 09:30:00 PM",
    **options: str,
) -> ZoomReport:
    text = (
        f"Attendee Report\nReport Generated:,{generated}\n"
        "Topic,Webinar ID,Actual Start Time,Actual Duration (minutes)\n"
        f"Bonds,87123456789,{start},90\nAttendee Details\n{HEADER}\n" + "\n".join(rows) + "\n"
    )
    timezone = options.pop("timezone", "Asia/Kolkata")
    return read_report(text.encode(), file="report.csv", timezone=timezone, **options)


def row(
    join: str = "--", leave: str = "--", minutes: str = "--", registered: str = "", who: str = "asha"
) -> str:
    attended = "No" if join == "--" else "Yes"
    return f"{attended},{who},{who}@example.com,{registered},approved,{join},{leave},{minutes}"


SAME_DAY = row("04/03/2025 07:05:00 PM", "04/03/2025 08:00:00 PM", "55")


def test_a_number_above_twelve_anywhere_in_the_file_decides() -> None:
    later = row(registered="03/21/2025 10:00:00 AM", who="bina")
    assert report(SAME_DAY, later).people["join_time"].iloc[0] == pd.Timestamp("2025-04-03 13:35", tz="UTC")
    later = row(registered="21/02/2025 10:00:00 AM", who="bina")
    assert report(SAME_DAY, later).people["join_time"].iloc[0] == pd.Timestamp("2025-03-04 13:35", tz="UTC")


def test_the_generated_time_decides_when_it_carries_a_number_above_twelve() -> None:
    found = report(SAME_DAY, generated="04/13/2025 09:30:00 PM")
    assert found.dates == "month_first"


def test_a_report_is_not_made_before_its_event() -> None:
    # 4 March to 5 February would put the report a month before the event; 3 April to 2 May would not.
    found = report(SAME_DAY, generated="05/02/2025 09:30:00 PM")
    assert found.dates == "month_first"
    assert found.sessions[0].start == pd.Timestamp("2025-04-03 13:30", tz="UTC")


def test_nobody_stays_a_month() -> None:
    found = report(
        row("04/03/2025 11:30:00 PM", "05/03/2025 12:10:00 AM", "40"),
        start="04/03/2025 10:30:00 PM",
        generated="05/03/2025 09:30:00 AM",
    )
    assert found.dates == "day_first"
    assert found.people["leave_time"].iloc[0] == pd.Timestamp("2025-03-04 18:40", tz="UTC")


def test_a_date_that_reads_the_same_both_ways_is_not_ambiguous() -> None:
    join, leave = "09/09/2026 19:02:00", "09/09/2026 20:31:00"
    found = report(row(join, leave, "89"), start="09/09/2026 19:00", generated="09/09/2026 05:29:06 AM")
    assert found.people["join_time"].iloc[0] == pd.Timestamp("2026-09-09 13:32", tz="UTC")


ON_A_24_HOUR_CLOCK = {"start": "04/03/2025 19:00", "generated": "04/03/2025 21:30:00"}
SAME_DAY_24 = row("04/03/2025 19:05:00", "04/03/2025 20:00:00", "55")


def test_an_ambiguous_file_is_refused_with_both_readings() -> None:
    with pytest.raises(ReportRefused) as caught:
        report(SAME_DAY_24, **ON_A_24_HOUR_CLOCK)
    assert caught.value.reason == "dates_ambiguous"
    assert "3 April 2025 (month first) or 4 March 2025 (day first)" in str(caught.value)
    assert "date_order" in str(caught.value)


def test_slashes_with_am_and_pm_are_read_month_first() -> None:
    found = report(SAME_DAY)
    assert found.dates == "month_first"
    assert found.people["join_time"].iloc[0] == pd.Timestamp("2025-04-03 13:35", tz="UTC")


def test_the_sources_own_order_settles_an_ambiguous_file_and_nothing_else() -> None:
    assert report(SAME_DAY, date_order="day_first").people["join_time"].iloc[0].month == 3
    later = row(registered="03/21/2025 10:00:00 AM", who="bina")
    assert report(SAME_DAY, later, date_order="day_first").people["join_time"].iloc[0].month == 4


def test_one_damaged_cell_does_not_turn_the_file() -> None:
    rows = [row(registered=f"03/{day}/2025 10:00:00 AM", who=f"p{day}") for day in range(13, 30)]
    rows.append(row(registered="21/03/2025 10:00:00 AM", who="odd"))
    found = report(*rows)
    assert found.dates == "month_first"
    assert found.quarantined["reason"].tolist() == ["misaligned"] or found.quarantined["reason"].tolist() == [
        "date_style"
    ]
    assert found.quarantined["line"].tolist() == [7 + 17]


def test_a_column_in_two_styles_after_a_spreadsheet_is_refused() -> None:
    rows = [row(registered=f"03/{day}/2025 10:00:00 AM", who=f"p{day}") for day in range(13, 20)]
    rows += [row(registered=f"0{day}-03-2025 10:00", who=f"q{day}") for day in range(1, 8)]
    with pytest.raises(ReportRefused) as caught:
        report(*rows)
    assert caught.value.reason == "dates_mixed"


def test_a_lost_digit_shows_against_the_column() -> None:
    rows = [row(registered=f"03/{day}/2025 10:00:00 AM", who=f"p{day}") for day in range(13, 20)]
    rows += [row(registered=f"03/0{day}/2025 09:00:00 AM", who=f"q{day}") for day in range(1, 9)]
    rows.append(row(registered="03/1/2025 10:00:00 AM", who="cut"))
    found = report(*rows)
    assert found.quarantined[["line", "reason"]].to_numpy().tolist() == [[22, "date_style"]]


@pytest.mark.parametrize(
    "text",
    [
        "Mar 22, 2025 19:05:00",
        "March 22, 2025 07:05:00 PM",
        "22 Mar 2025 19:05:00",
        "22-Mar-2025 19:05:00",
        "2025-03-22 19:05:00",
        "2025-03-22T19:05:00",
        "2025/03/22 19:05:00",
        "22.03.2025 19:05:00",
        "03/22/2025 07:05:00 PM",
        "03/22/2025, 7:05:00 pm",
        "3/22/25, 7:05:00 PM",
        "03/22/2025 07:05:00 p.m.",
        "22. März 2025 19:05:00",
        "22 août 2025 19:05:00",
        "2025-03-22 13:35:00Z",
        "2025-03-22 19:05:00+05:30",
        "2025-03-22 19:05:00 IST",
        "2025-03-22 09:35:00 -0400",
        "Mar 22, 2025 9:35 AM EDT",
        "22 Mar 2025 14:35 (CET)",
        "Sat, Mar 22, 2025 07:05 PM",
        "Saturday, March 22, 2025 at 7:05 PM",
        "Sat 03/22/2025 19:05",
        "Sa., 22. März 2025 19:05",
        "sábado, 22 de marzo de 2025 19:05",
        "2025年3月22日(土) 19:05",
    ],
)
@pytest.mark.parametrize("few", [dates._FEW, 0], ids=["short", "long"])
def test_styles(text: str, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dates, "_FEW", few)
    month = 8 if "août" in text else 3
    start = f"2025-0{month}-22 19:00"
    found = report(row(f'"{text}"', f'"{text}"', "0"), start=start, generated=f"2025-0{month}-22 21:30")
    assert found.people["join_time"].iloc[0] == pd.Timestamp(f"2025-0{month}-22 13:35", tz="UTC")


def test_a_local_time_the_clock_skipped_or_showed_twice_is_set_apart() -> None:
    rows = [
        row("2025-03-09 02:30:00", "2025-03-09 03:30:00", "0", who="skipped"),
        row("2025-03-09 01:30:00", "2025-03-09 03:30:00", "60", who="good"),
    ]
    found = report(
        *rows, start="2025-03-09 01:00:00", generated="2025-03-09 05:00:00", timezone="America/New_York"
    )
    assert found.people["email"].tolist() == ["good@example.com"]
    assert found.people["join_time"].iloc[0] == pd.Timestamp("2025-03-09 06:30", tz="UTC")
    assert found.quarantined["reason"].tolist() == ["date_style"]


EARLY = {"start": "2025-07-05 19:00", "generated": "2025-07-05 21:30"}


@pytest.mark.parametrize("few", [dates._FEW, 0], ids=["short", "long"])
@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        (
            "Thu, Jul 5, 2025 7:01 PM",
            "weekday_contradicts",
            "5 July 2025 is a Saturday, not the Thursday it says",
        ),
        ("2025-07-05 19:01 BST", "unknown_zone", "BST can be London (UTC+1:00) or Dhaka (UTC+6:00)"),
        ("2025-07-05 09:31 EST", "unknown_zone", "It says EST, and clocks showed EDT (UTC-4:00) on that day"),
        ("2025-07-05 19:01 XYZ", "unknown_zone", "The time zone XYZ isn't known"),
        ("2025-07-05 19:01 GMT+19:30", "unknown_zone", "No clock is GMT+19:30 from UTC"),
    ],
)
def test_a_date_that_contradicts_itself_is_set_apart_with_its_readings(
    text: str, reason: str, told: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dates, "_FEW", few)
    rows = [row(registered=f'"{text}"', who="odd"), row(registered='"2025-07-01 10:00"', who="good")]
    found = report(*rows, **EARLY)
    assert found.people["email"].tolist() == ["good@example.com"]
    assert found.quarantined["reason"].tolist() == [reason]
    assert told in found.quarantined["detail"].iloc[0]
    with pytest.raises(ReportRefused, match=r"7.* Next: ") as caught:
        report(rows[0], rows[0].replace("odd", "other"), **EARLY)
    assert caught.value.reason == reason
    with pytest.raises(ReportRefused) as caught:
        report(rows[1], start=f'"{text}"')
    assert caught.value.reason == reason, "the day of the event hangs on it"


def test_a_weekday_and_a_summer_clock_tell_the_day_from_the_month() -> None:
    for told, when in (("Tue 04/03/2025 19:05", "2025-03-04"), ("Thu 04/03/2025 19:05", "2025-04-03")):
        found = report(row(told, told, "0"), start=told, generated=told)
        assert str(found.people["join_time"].iloc[0].date()) == when
    for told, when in (("12/05/2025 19:05 EDT", "2025-05-12"), ("05/12/2025 19:05 EDT", "2025-05-12")):
        found = report(row(told, told, "0"), start=told, generated=told)
        assert str(found.people["join_time"].iloc[0].date()) == when


def test_a_zone_is_the_accounts_own_where_the_name_is_shared() -> None:
    there = row("2025-03-22 19:05 IST", "2025-03-22 20:05 IST", "60")
    found = report(there, start="2025-03-22 19:00", timezone="Asia/Jerusalem")
    assert found.people["join_time"].iloc[0] == pd.Timestamp("2025-03-22 17:05", tz="UTC")
    with pytest.raises(ReportRefused, match=r"Kolkata \(UTC\+5:30\) or Dublin \(UTC\+1:00\) or Jerusalem"):
        report(there, there, timezone="America/New_York")
    twice = row("2025-11-02 01:30 EST", "2025-11-02 02:00 EST", "30", who="after")
    once = row("2025-11-02 01:30 EDT", "2025-11-02 02:00 EST", "90", who="before")
    zone = "America/New_York"
    found = report(twice, once, start="2025-11-02 01:00 EDT", generated="2025-11-03 09:00", timezone=zone)
    assert found.people["join_time"].dt.hour.tolist() == [6, 5], "the hour the clock shows twice"


def test_a_header_and_a_cell_that_name_two_zones_contradict_each_other() -> None:
    header = HEADER.replace("Registration Time", "Registration Time (GMT+5:30)")
    rows = [row(registered=f"2025-07-01 10:00 {zone}", who=who) for zone, who in (("IST", "a"), ("UTC", "b"))]
    told = (
        "Attendee Report\nTopic,Webinar ID,Actual Start Time\nBonds,87123456789,2025-07-05 19:00\n"
        f"Attendee Details\n{header}\n" + "\n".join(rows) + "\n"
    )
    found = read_report(told.encode(), file="report.csv", timezone="Asia/Kolkata")
    assert found.people["email"].tolist() == ["a@example.com"]
    assert "The header says GMT+5:30, the cell UTC." in found.quarantined["detail"].iloc[0]


CLOCKS = ("0:55", "1:05", "0:01")


def clocked(minutes: tuple[str, ...], leaves: tuple[str, ...]) -> ZoomReport:
    joined = "2025-03-22 19:00:00"
    rows = [
        row(joined, leave, clock, who=f"p{n}")
        for n, (clock, leave) in enumerate(zip(minutes, leaves, strict=True))
    ]
    return report(*rows, start="2025-03-22 19:00", generated="2025-03-22 21:30")


@pytest.mark.parametrize(
    ("minutes", "leaves", "expected"),
    [
        (CLOCKS, ("2025-03-22 19:55:00", "2025-03-22 20:05:00", "2025-03-22 19:00:40"), [55, 65, 1]),
        (
            CLOCKS,
            ("2025-03-22 19:00:55", "2025-03-22 19:01:05", "2025-03-22 19:00:01"),
            [55 / 60, 65 / 60, 1 / 60],
        ),
        (("75:10", "0:50"), ("2025-03-22 20:15:10", "2025-03-22 19:00:50"), [75 + 1 / 6, 5 / 6]),
        (("1:05:00", "0:00:30"), ("2025-03-22 20:05:00", "2025-03-22 19:00:30"), [65, 0.5]),
    ],
    ids=["hours", "seconds", "many_minutes", "all_three"],
)
def test_minutes_on_a_clock_are_read_as_the_times_say(
    minutes: tuple[str, ...], leaves: tuple[str, ...], expected: list[float]
) -> None:
    found = clocked(minutes, leaves)
    assert found.people["minutes"].tolist() == pytest.approx(expected)
    assert found.quarantined.empty


def test_minutes_on_a_clock_that_nothing_decides_are_set_apart_with_both_readings() -> None:
    found = clocked(("0:01", "0:01"), ("2025-03-22 19:00:30", "2025-03-22 19:00:30"))
    assert found.people.empty
    assert found.quarantined["reason"].tolist() == ["minutes_unclear"] * 2
    assert "0:01 can be 0 h 1 min or 0 min 1 s" in found.quarantined["detail"].iloc[0]
