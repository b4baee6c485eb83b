"""What became of a mutated report: the same rows, a refusal, rows set apart, numbers that contradict it, or silence.

Belongs here: comparing what was read with the unmutated truth, shrinking a silent case. Does not belong here: the
mutations.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from funnel_assets.sources.zoom import ReportRefused, ZoomReport
from funnel_assets_tests.corpus.layouts import layouts, read
from funnel_assets_tests.corpus.mutations import MUTATIONS, Case, Mutant, case

VERDICTS = ("same", "refused", "held", "set apart", "totals", "told", "unnoticeable", "silent")
_TEXTS = ("attended", "user_name", "first_name", "last_name", "email", "phone_raw", "approval", "country")
_TIMES = ("registration_time", "join_time", "leave_time")
_STAFF = ("host", "panelist")
Cells = tuple[Any, ...]


@dataclass(frozen=True)
class Reading:
    """What a file says: its people's cells (the same row twice is one visit), the event's facts, its own totals."""

    people: frozenset[Cells]
    event: Cells
    totals: tuple[tuple[str, int], ...]


def reading(report: ZoomReport) -> Reading:
    """Everything of a report that gets published."""
    names = ("section", *_TEXTS, *_TIMES, "minutes", "is_span", "is_timing_unusable")
    rows = report.table.select(list(names)).to_pylist()
    people = frozenset(_cells(row) for row in rows)
    sessions = tuple((session.start, session.duration_minutes) for session in report.sessions)
    totals = tuple((total.what, total.difference) for total in report.stated_totals)
    return Reading(people, (report.topic, report.webinar_id, sessions), totals)


def _cells(row: dict[str, Any]) -> Cells:
    """One person's row; minutes count only where there are no times to tell them."""
    timed = row["join_time"] is not None and row["leave_time"] is not None and not row["is_span"]
    minutes = None if timed or row["minutes"] != row["minutes"] else row["minutes"]
    return (row["section"] in _STAFF, *(row[name] for name in (*_TEXTS, *_TIMES)), minutes)


@cache
def truth(key: str) -> Reading:
    """The reading of an unmutated layout, whose rows `test_corpus` holds against those written by hand."""
    made = case(key)
    return reading(read(made.layout, made.data()))


def verdict(made: Case, mutant: Mutant, true: Reading) -> str:
    """One of ``VERDICTS``."""
    try:
        report = read(made.layout, mutant.data)
    except ReportRefused:
        return "refused"
    got = reading(report)
    if (got.people, got.event) == (true.people, true.event):
        return "same"
    if report.doubts:
        return "held"
    wrong, gone = got.people - true.people, true.people - got.people
    is_told = got.event == true.event and len(gone) - len(wrong) <= len(report.quarantined)
    if is_told and (not wrong or _is_lost_in(" ".join(report.quarantined["raw"]), wrong, gone)):
        return "set apart"
    if got.totals != true.totals and any(difference for _, difference in got.totals):
        return "totals"
    if mutant.unnoticeable:
        return "unnoticeable"
    if mutant.renamed and any(mutant.renamed in note for note in report.notes) and _only_lost(wrong, gone):
        return "told"
    return "silent"


def _is_lost_in(raw: str, wrong: frozenset[Cells], gone: frozenset[Cells]) -> bool:
    """Whether wrong rows are true ones but for texts that stand in quarantine with the row that told them."""
    lost = {
        cell
        for row in gone
        for cell in row[2:6]
        if isinstance(cell, str) and cell.casefold() in raw.casefold()
    }
    return bool(lost) and all(
        any(
            all(
                mine == theirs or (mine is None and theirs in lost)
                for mine, theirs in zip(row[:-1], true[:-1], strict=True)
            )
            for true in gone
        )
        for row in wrong
    )


def _only_lost(wrong: frozenset[Cells], gone: frozenset[Cells]) -> bool:
    """Whether every wrong row is a true one without some of its cells; minutes count where a time is gone."""
    return all(
        any(
            all(mine in (None, theirs) for mine, theirs in zip(row[:-1], true[:-1], strict=True))
            for true in gone
        )
        for row in wrong
    )


def run(name: str, files: int) -> tuple[Counter[str], list[str]]:
    """Mutate so many files in one way; how each ended, and the smallest of each silent kind."""
    keys = sorted(key for key, layout in layouts().items() if not layout.refused)
    found: Counter[str] = Counter()
    silent: list[tuple[int, str]] = []
    for seed in range(files):
        key = keys[seed % len(keys)]
        made = case(key)
        mutant = MUTATIONS[name](random.Random(f"{name} {seed}"), made)
        ended = verdict(made, mutant, truth(key))
        found[ended] += 1
        if ended == "silent":
            silent.append((len(made.rows), f"{name} seed {seed}, {key}: {mutant.what}"))
    return found, [told for _, told in sorted(silent)]


def shown(made: Case, mutant: Mutant) -> str:
    """Which cells a mutant reads otherwise, for a person who looks into a failure."""
    report = read(made.layout, mutant.data)
    got, true = reading(report), truth(made.layout.key)
    lines = [f"read {row}" for row in got.people - true.people]
    lines += [f"true {row}" for row in true.people - got.people]
    if got.event != true.event:
        lines += [f"read {got.event}", f"true {true.event}"]
    return "\n".join(lines)


def told(counts: Counter[str]) -> str:
    """Counts in one line."""
    return ", ".join(f"{counts[name]:,} {name}" for name in VERDICTS if counts[name])


def of_seed(name: str, seed: int) -> tuple[Case, Mutant]:
    """The case and mutant of a seed, to look into it by hand."""
    keys: Sequence[str] = sorted(key for key, layout in layouts().items() if not layout.refused)
    made = case(keys[seed % len(keys)])
    return made, MUTATIONS[name](random.Random(f"{name} {seed}"), made)
