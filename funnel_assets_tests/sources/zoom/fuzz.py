"""Whether a damaged report was read right, set apart, or refused: what a fuzz holds every file against.

Belongs here: how many files, reading one, the oracles. Does not belong here: making and damaging files (`generator`).
"""

import os
import random
from collections.abc import Callable
from functools import cache, partial

from funnel_assets.sources.zoom import ReportRefused, ZoomReport, read_report
from funnel_assets_tests.sources.zoom.generator import FIELDS, NOISE, STRUCTURAL, Case, make_case

FILES = int(os.environ.get("FUNNEL_FUZZ_FILES", "10000"))
ROUND_TRIPS = max(FILES // 10, 50)
PER_DAMAGE = (FILES - ROUND_TRIPS) // (len(STRUCTURAL) + len(NOISE))
_CASES = 499
_TIMES = ("registration_time", "join_time", "leave_time")
# Two names swapped within a line, or an answer of the organiser's own, can't be told from the truth.
_CERTAIN = ("attended", "email", "phone_raw", *_TIMES)
Row = dict[str, object]

small_case = cache(partial(make_case, small=True))


def read(data: bytes) -> ZoomReport:
    return read_report(data, file="report.csv", timezone="Asia/Kolkata")


def found(report: ZoomReport) -> list[Row]:
    """Rows of those who aren't on stage, as ``FIELDS``."""
    rows = report.table.select(["section", *FIELDS]).to_pylist()
    return [
        {name: None if row[name] != row[name] else row[name] for name in FIELDS}
        for row in rows
        if row["section"] not in ("host", "panelist")
    ]


def check_structure(name: str, damage: Callable[[random.Random, Case], bytes]) -> None:
    """Lines and cells moved: no wrong row, and none is gone without a word."""
    for seed in range(PER_DAMAGE):
        case, label = small_case(seed % _CASES), f"{name} seed {seed}"
        report = _read_or_none(damage(random.Random(seed), case), label)
        if report is not None:
            rows = found(report)
            wrong = _wrong_rows(case, rows)
            assert not wrong, f"{label}: {wrong}"
            lost = len(case.guests) - len(rows) - len(report.quarantined)
            assert lost <= (1 if name == "drop_line" else 0) or name in (
                "drop_line",
                "cut_tail",
                "lose_cell",
            ), f"{label}: {lost} rows are gone without a word"


def check_noise(
    name: str, damage: Callable[[random.Random, Case], tuple[bytes, list[tuple[int, int]]]]
) -> None:
    """Bytes changed or gone: the truth but for the cells that were touched."""
    for seed in range(PER_DAMAGE):
        case, label = small_case(seed % _CASES), f"{name} seed {seed}"
        data, spans = damage(random.Random(seed), case)
        report = _read_or_none(data, label)
        if report is not None:
            rows = found(report)
            wrong = _unexplained(case, spans, rows)
            assert not wrong, f"{label}: {wrong}"
            lost = _unheard_of(case, spans, report, rows)
            assert not lost, f"{label}: {lost} are gone without a word"


def _read_or_none(data: bytes, label: str) -> ZoomReport | None:
    try:
        return read(data)
    except ReportRefused:
        return None
    except Exception as error:
        raise AssertionError(f"{label}: unhandled {type(error).__name__}: {error}") from error


def _wrong_rows(case: Case, rows: list[Row]) -> list[Row]:
    """Loaded rows that are not a true row; a value that is merely missing is not wrong."""
    by_email = {row["email"]: row for row in case.truth()}
    return [
        row
        for row in rows
        if (true := by_email.get(row["email"])) is None
        or any(row[name] is not None and row[name] != true[name] for name in _CERTAIN)
    ]


def _unexplained(case: Case, spans: list[tuple[int, int]], rows: list[Row]) -> list[Row]:
    """Loaded rows that no guest explains.

    A guest explains a row that differs from the truth in cells that were touched only, or that lacks what stands under
    a header that was touched; a join time tells by itself who attended.
    """
    lines = [case.header + 1 + number for number in range(len(case.guests))]
    heads = case.touched(spans, case.header) | ({0} if case.joined(spans, case.header) else set())
    renamed = {name for name, at in case.columns.items() if at in heads}
    guests = [(true, case.touched(spans, line)) for true, line in zip(case.truth(), lines, strict=True)]

    def lacks(row: Row, name: str) -> bool:
        return row[name] is None and name in renamed and (name != "attended" or row["join_time"] is None)

    def explains(true: Row, touched: set[int], row: Row) -> bool:
        return all(
            row[name] == true[name] or case.columns[name] in touched or lacks(row, name) for name in FIELDS
        )

    return [row for row in rows if not any(explains(true, touched, row) for true, touched in guests)]


def _unheard_of(case: Case, spans: list[tuple[int, int]], report: ZoomReport, rows: list[Row]) -> list[str]:
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
