"""Reading a very large attendee report, against a bare pass of ``csv.reader`` over the same bytes (issue: Zoom).

Belongs here: the report, the two passes. Does not belong here: the reader.
"""

import argparse
import csv
import datetime as dt
import io
import random
import time
from pathlib import Path

from funnel_assets.bench.measure import (
    BenchmarkCrashed,
    Spent,
    clean_environ,
    in_turns,
    median,
    median_ratio,
    run,
    say,
)
from funnel_assets.bench.results import Result

NAMES = ("zoom_100k",)
ROWS, QUICK_ROWS = 100_000, 10_000
AIM, ACCEPT = 10.0, 20.0
MOST_SECONDS, MOST_MB = 3.0, 500.0
PAIRS = 5
_START = dt.datetime(2026, 3, 22, 19, 0)  # noqa: DTZ001 - as Zoom writes it, in the account's own zone
_HEAD = (
    "Attendee Report,",
    'Report Generated:,"Mar 23, 2026 6:26 PM"',
    "Topic,Webinar ID,Actual Start Time,Actual Duration (minutes),# Registered,# Cancelled,Unique Viewers,Total Users",
    'Large class,810 2030 4050,"Mar 22, 2026 7:00 PM",282,{rows},0,{joined},{joined}',
    "Attendee Details,",
    "Attended,User Name (Original Name),First Name,Last Name,Email,Phone,Registration Time,Approval Status,Join Time,"
    'Leave Time,Time in Session (minutes),Is Guest,"Your profession (""Student"" if none)",Country/Region Name',
)


def benchmark(folder: Path, quick: bool) -> list[Result]:
    """Measure in ``folder``."""
    rows = QUICK_ROWS if quick else ROWS
    path = folder / "world" / f"attendees-{rows}.csv"
    log, module = folder / "zoom.log", "funnel_assets.bench.zoom_report"
    if not path.exists():
        run([module, "write", str(path), str(rows)], clean_environ(), log)

    def side(how: str) -> Spent:
        return run([module, how, str(path)], clean_environ(), log)

    ours, bare = in_turns(lambda _: side("read"), lambda _: side("bare"), PAIRS)
    if ours[0].told["rows"] != rows:
        raise BenchmarkCrashed(f"{ours[0].told['rows']} of {rows} rows were read")
    took, theirs = ([one.told["cpu_seconds"] for one in found] for found in (ours, bare))
    ratio, seconds, peak = median_ratio(took, theirs), median(took), max(one.peak_mb for one in ours)
    return [
        Result(
            "zoom_100k",
            ratio,
            f"a bare csv.reader pass over the same {path.stat().st_size / 1e6:.0f} MB: {median(theirs):.2f} s "
            f"(CPU seconds of one core, {PAIRS} pairs)",
            f"aim {AIM:.0f}, at most {ACCEPT:.0f}; under {MOST_SECONDS:.0f} s; under {MOST_MB:.0f} MB",
            ratio <= ACCEPT and seconds < MOST_SECONDS and peak < MOST_MB,
            seconds,
            peak,
            rows,
        )
    ]


def _written(moment: dt.datetime) -> str:
    return f'"{moment:%b %d, %Y %H:%M:%S}"'


def write(path: Path, rows: int) -> None:
    """Write a report of so many people, every other one of whom came."""
    chance = random.Random(1)  # noqa: S311 - invented people
    lines = [line.format(rows=rows, joined=rows // 2) for line in _HEAD]
    for number in range(rows):
        registered = _START - dt.timedelta(seconds=3600 + chance.randrange(9 * 86_400))
        visit = "--,--,--,--"
        if number % 2:
            joined = _START + dt.timedelta(seconds=chance.randrange(9_000))
            stayed = chance.randrange(60, 7_000)
            left = joined + dt.timedelta(seconds=stayed)
            visit = f"{_written(joined)},{_written(left)},{-(-stayed // 60)},Yes"
        lines.append(
            f"{'Yes' if number % 2 else 'No'},Person {number} Name,Person{number},Name,person{number}@example.com,"
            f"+9198{number:08d},{_written(registered)},approved,{visit},Student,India,"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read(path: Path) -> int:
    from funnel_assets.sources.zoom.reader import read_report

    return len(read_report(path.read_bytes(), file=path.name, timezone="Asia/Kolkata").people)


def _bare(path: Path) -> int:
    return sum(1 for _ in csv.reader(io.StringIO(path.read_bytes().decode())))


def main() -> None:
    """Write the report, or pass over it in one of the two ways and print what it took."""
    parser = argparse.ArgumentParser(description="Pass over a large attendee report.")
    parser.add_argument("how", choices=("write", "read", "bare"))
    parser.add_argument("path", type=Path)
    parser.add_argument("rows", type=int, nargs="?", default=ROWS)
    given = parser.parse_args()
    if given.how == "write":
        write(given.path, given.rows)
        return
    work = _read if given.how == "read" else _bare
    if given.how == "read":
        import funnel_assets.sources.zoom.reader  # noqa: F401 - importing is no part of the parse
    started, cpu = time.perf_counter(), time.process_time()
    rows = work(given.path)
    say(rows=rows, seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - cpu)


if __name__ == "__main__":
    main()
