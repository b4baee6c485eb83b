"""Reports from a known truth read back whole, and damaged ones: right, set apart, or refused, never silently wrong."""

import os
import random
from functools import cache, partial

import pytest

from funnel_assets.sources.zoom import ReportRefused, ZoomReport, read_report
from funnel_assets_tests.sources.zoom.generator import FIELDS, NOISE, STRUCTURAL, Case, make_case

FILES = int(os.environ.get("FUNNEL_FUZZ_FILES", "1500"))
ROUND_TRIPS = max(FILES // 10, 50)
PER_DAMAGE = (FILES - ROUND_TRIPS) // (len(STRUCTURAL) + len(NOISE))
_TIMES = ("registration_time", "join_time", "leave_time")
# Two names swapped within a line, or an answer of the organiser's own, can't be told from the truth.
_CERTAIN = ("attended", "email", "phone_raw", *_TIMES)
Row = dict[str, object]


def read(data: bytes) -> ZoomReport:
    return read_report(data, file="report.csv", timezone="Asia/Kolkata")


def found(report: ZoomReport) -> list[Row]:
    people = report.people
    columns = [[None if value != value else value for value in people[name].tolist()] for name in FIELDS]
    return [
        dict(zip(FIELDS, values, strict=True))
        for section, *values in zip(people["section"].tolist(), *columns, strict=True)
        if section not in ("host", "panelist")
    ]


@pytest.mark.parametrize("part", range(4))
def test_a_file_made_from_a_truth_reads_as_that_truth(part: int) -> None:
    for seed in range(part, ROUND_TRIPS, 4):
        case = make_case(seed)
        report = read(case.data)
        assert found(report) == case.truth(), f"seed {seed}"
        assert report.quarantined.empty, f"seed {seed}"
        assert (report.topic, report.webinar_id) == ("Bonds, explained", "87123456789"), f"seed {seed}"


def read_or_none(data: bytes, label: str) -> ZoomReport | None:
    try:
        return read(data)
    except ReportRefused:
        return None
    except Exception as error:
        raise AssertionError(f"{label}: unhandled {type(error).__name__}: {error}") from error


def wrong_rows(case: Case, rows: list[Row]) -> list[Row]:
    """Loaded rows that are not a true row; a value that is merely missing is not wrong."""
    by_email = {row["email"]: row for row in case.truth()}
    return [
        row
        for row in rows
        if (true := by_email.get(row["email"])) is None
        or any(row[name] is not None and row[name] != true[name] for name in _CERTAIN)
    ]


@pytest.mark.parametrize("name", STRUCTURAL)
def test_damaged_structure_never_gives_a_wrong_row(name: str) -> None:
    for seed in range(PER_DAMAGE):
        case = small_case(seed % 97)
        report = read_or_none(STRUCTURAL[name](random.Random(seed), case), f"{name} seed {seed}")
        if report is not None:
            rows = found(report)
            wrong = wrong_rows(case, rows)
            assert not wrong, f"{name} seed {seed}: {wrong}"
            lost = len(case.guests) - len(rows) - len(report.quarantined)
            assert lost <= (1 if name == "drop_line" else 0) or name in (
                "drop_line",
                "cut_tail",
                "lose_cell",
            ), f"{name} seed {seed}: {lost} rows are gone without a word"


small_case = cache(partial(make_case, small=True))


def unexplained(case: Case, spans: list[tuple[int, int]], rows: list[Row]) -> list[Row]:
    """Loaded rows that no guest explains.

    A guest explains a row that differs from the truth in cells that were touched only, or that lacks what stands under
    a header that was touched.
    """
    lines = [case.header + 1 + number for number in range(len(case.guests))]
    heads = case.touched(spans, case.header) | ({0} if case.joined(spans, case.header) else set())
    renamed = {name for name, at in case.columns.items() if at in heads}
    guests = [(true, case.touched(spans, line)) for true, line in zip(case.truth(), lines, strict=True)]

    def explains(true: Row, touched: set[int], row: Row) -> bool:
        return all(
            row[name] == true[name]
            or case.columns[name] in touched
            or (row[name] is None and name in renamed)
            for name in FIELDS
        )

    return [row for row in rows if not any(explains(true, touched, row) for true, touched in guests)]


def unheard_of(case: Case, spans: list[tuple[int, int]], report: ZoomReport, rows: list[Row]) -> list[str]:
    """Guests on untouched lines that are neither loaded nor in quarantine."""
    told = " ".join(report.quarantined["raw"])
    loaded = {row["email"] for row in rows}
    return [
        guest.email
        for number, guest in enumerate(case.guests)
        if not case.touched(spans, case.header + 1 + number)
        and guest.email not in loaded
        and guest.email not in told
    ]


@pytest.mark.parametrize("name", NOISE)
def test_noise_gives_the_truth_but_for_the_cells_it_touched(name: str) -> None:
    for seed in range(PER_DAMAGE):
        case = small_case(seed % 97)
        data, spans = NOISE[name](random.Random(seed), case)
        report = read_or_none(data, f"{name} seed {seed}")
        if report is not None:
            rows = found(report)
            wrong = unexplained(case, spans, rows)
            assert not wrong, f"{name} seed {seed}: {wrong}"
            lost = unheard_of(case, spans, report, rows)
            assert not lost, f"{name} seed {seed}: {lost} are gone without a word"
