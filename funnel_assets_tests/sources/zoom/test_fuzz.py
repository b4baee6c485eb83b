"""Reports from a known truth read back whole, and damaged ones: right, set apart, or refused, never silently wrong."""

import os
import random

import pandas as pd
import pytest

from funnel_assets.sources.zoom import ReportRefused, ZoomReport, read_report
from funnel_assets_tests.sources.zoom.generator import NOISE, STRUCTURAL, Case, make_case

# 10,000 in CI; enough here to notice a new hole.
FILES = int(os.environ.get("FUNNEL_FUZZ_FILES", "1600"))
ROUND_TRIPS = max(FILES // 10, 50)
_COLUMNS = ["attended", "email", "phone_raw", "registration_time", "join_time", "leave_time"]


def read(data: bytes) -> ZoomReport:
    return read_report(data, file="report.csv", timezone="Asia/Kolkata")


def found(report: ZoomReport) -> list[tuple[object, ...]]:
    people = report.people[~report.people["section"].isin(["host", "panelist"])]
    rows = []
    for values in people[_COLUMNS].itertuples(index=False):
        texts = [None if pd.isna(value) else value for value in values[:3]]
        times = [
            None if pd.isna(value) else value.tz_convert("Asia/Kolkata").tz_localize(None).to_pydatetime()
            for value in values[3:]
        ]
        rows.append((*texts, *times))
    return rows


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


def wrong_rows(case: Case, report: ZoomReport) -> list[tuple[object, ...]]:
    """Loaded rows that are not a true row; a value that is merely missing is not wrong."""
    by_email = {row[1]: row for row in case.truth()}
    wrong = []
    for row in found(report):
        true = by_email.get(row[1])
        if true is None or any(a is not None and a != b for a, b in zip(row, true, strict=True)):
            wrong.append(row)
    return wrong


@pytest.mark.parametrize("name", STRUCTURAL)
def test_damaged_structure_never_gives_a_wrong_row(name: str) -> None:
    for seed in range(FILES // 8):
        case = make_case(seed % 97, small=True)
        report = read_or_none(STRUCTURAL[name](random.Random(seed), case), f"{name} seed {seed}")
        if report is not None:
            wrong = wrong_rows(case, report)
            assert not wrong, f"{name} seed {seed}: {wrong}"
            lost = len(case.guests) - len(found(report)) - len(report.quarantined)
            assert lost <= (1 if name == "drop_line" else 0) or name in (
                "drop_line",
                "cut_tail",
                "lose_cell",
            ), f"{name} seed {seed}: {lost} rows are gone without a word"


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_never_an_unhandled_error(name: str) -> None:
    for seed in range(FILES // 8):
        case = make_case(seed % 97, small=True)
        read_or_none(NOISE[name](random.Random(seed), case), f"{name} seed {seed}")
