import csv
import io

import pytest

from funnel_assets.simulate.edtech import World, build_edtech
from funnel_assets.simulate.zoom_files import LAYOUTS, ZoomFile, clock, minutes
from funnel_assets.sources.zoom import ReportRefused, read_report


@pytest.fixture(scope="module")
def long_world(world: World) -> World:
    """A third bootcamp needs three months."""
    return build_edtech(100, world.end_date, 0.02, 9)


def _file(world: World, layout: str, kind: str) -> ZoomFile:
    return next(f for f in world.shelf.files if f.layout == layout and f.kind == kind and not f.cut)


def test_every_layout_occurs(long_world: World) -> None:
    assert {file.layout for file in long_world.shelf.files} == set(LAYOUTS)


def test_the_2025_layout_has_one_field_more_in_its_rows_than_in_its_header(long_world: World) -> None:
    file = _file(long_world, "trailing_comma", "attendee")
    rows = list(csv.reader(io.StringIO(long_world.shelf.body(file).decode(), newline="")))

    header = next(i for i, row in enumerate(rows) if row[:1] == ["Attendee Details"]) + 1

    assert len(rows[header + 1]) == len(rows[header]) + 1


def test_padded_lines_are_all_as_wide(long_world: World) -> None:
    body = long_world.shelf.body(_file(long_world, "padded_lines", "attendee")).decode()

    assert len({len(row) for row in csv.reader(io.StringIO(body, newline=""))}) == 1


def test_the_tab_layout_is_utf16(long_world: World) -> None:
    body = long_world.shelf.body(_file(long_world, "tabs_utf16", "attendee"))

    assert body.startswith(b"\xff\xfe")
    assert "Attendee Details\r\nAttended\t" in body.decode("utf-16")


def test_two_days_stand_in_one_file(long_world: World) -> None:
    file = _file(long_world, "two_days", "attendee")
    text = long_world.shelf.body(file).decode()

    assert len(file.events) == 2
    assert text.count("Topic,") == 2
    assert text.count("Attendee Details") == 2
    assert text.count("Report Generated") == 1


def test_a_second_download_has_the_same_bytes_and_a_corrected_one_more_rows(world: World) -> None:
    shelf = world.shelf
    by_name = {file.name: file for file in shelf.files}
    copies = [file for file in shelf.files if file.copy_of]
    corrected = [
        f for f in shelf.files if f.export == 2 and f.kind != "registration" and not f.copy_of and not f.cut
    ]

    assert copies
    assert corrected
    for file in copies:
        assert shelf.body(file) == shelf.body(by_name[file.copy_of])
    for file in corrected:
        first = by_name[file.name.replace(" (1)", "")]
        assert first.dropped_at < file.dropped_at
        if not first.cut:
            assert len(shelf.body(first).splitlines()) <= len(shelf.body(file).splitlines())


def test_cut_files_end_in_the_middle_of_a_line(world: World) -> None:
    cut = [file for file in world.shelf.files if file.cut]

    assert len(cut) == 2
    assert not any(world.shelf.body(file).endswith(b"\n") for file in cut)


def test_no_whole_report_is_doubtful_and_every_cut_one_is_refused_or_held(world: World) -> None:
    doubtful = set()
    for file in world.shelf.files:
        try:
            report = read_report(world.shelf.body(file), file=file.name, timezone="Asia/Kolkata")
        except ReportRefused:
            doubtful.add(file.name)
        else:
            doubtful |= {file.name} if report.doubts else set()
    assert doubtful == {file.name for file in world.shelf.files if file.cut}


def test_rejoin_rows_have_no_registration_fields(world: World) -> None:
    file = _file(world, "us_am_pm", "attendee")
    rows = list(csv.reader(io.StringIO(world.shelf.body(file).decode("utf-8-sig"), newline="")))
    header = next(
        row
        for row in rows
        if row[:2] == ["Attended", "User Name (Original Name)"] and "Registration Time" in row
    )
    place, seen, blank = header.index("Registration Time"), set(), 0
    for row in rows[rows.index(header) + 1 :]:
        blank += row[4] in seen and row[place] == ""
        seen.add(row[4])

    assert blank > 0


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("named", "Mar 22, 2025 00:05:09"),
        ("us_am_pm", "03/22/2025 12:05:09 AM"),
        ("us_24", "03/22/2025 00:05:09"),
        ("day_first", "22/03/2025 00:05:09"),
        ("iso", "2025-03-22 00:05:09"),
    ],
)
def test_clock_styles(style: str, expected: str) -> None:
    assert clock(1_742_601_909, style) == expected


def test_noon_is_pm() -> None:
    assert clock(12 * 3600, "us_am_pm") == "01/01/1970 12:00:00 PM"


def test_minutes_round_up() -> None:
    assert [minutes(s) for s in (0, 1, 60, 61)] == [0, 1, 1, 2]
