"""Every row of a dump is loaded, a duplicate, of another day, or quarantined, in whatever order dumps and days come."""

import csv
import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_assets.config.settings import load_settings
from funnel_assets.config.sources import load_sources
from funnel_assets.config.tables import load_tables
from funnel_assets.pipeline.ingest import Ingest
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.sources import pieces
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.landing import Landing
from funnel_assets.storage.quarantine import UNDATED, Quarantine
from funnel_assets_tests.pseudonyms import NAMES, SECRET

DATASET = "crm_assignments"
DAYS = [dt.date(2026, 3, day) for day in range(1, 6)]
HEADER = ["sources", "assignOn", "leadMobile", "employee"]
Row = tuple[int, int]
"""Day (an index; -1 is no date) and phone (0 is none)."""


@dataclass
class Here:
    """A home with one source, and what was dropped there."""

    home: Path
    rolling: bool
    dumps: list[list[Row]] = field(default_factory=list)

    def drop(self, dump: list[Row]) -> None:
        self.write([_cells(row) for row in dump])
        self.dumps.append(dump)

    def write(self, rows: list[list[str]]) -> None:
        with (self.home / "dump.csv").open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])

    def run(self, days: list[dt.date], *, fetch: bool) -> tuple[Outcome, Lake, Quarantine]:
        """Make days as a run does."""
        found = load_settings({"FUNNEL_HOME": str(self.home), "FUNNEL_SECRET": SECRET}, dotenv=False)
        lake, quarantine = Lake(found.lake), Quarantine(found.quarantine)
        ingest = Ingest(
            found,
            lake,
            Landing(found.landing),
            quarantine,
            lambda: load_sources(found.sources_file, found.environ),
            lambda: load_tables(found.config_dir, names=NAMES),
        )
        outcome = ingest.make_days(DATASET, days, fetch=fetch)
        assert not outcome.failed, outcome.failed
        return outcome, lake, quarantine

    def make(self, days: list[dt.date], *, fetch: bool) -> None:
        """Make days, and hold what comes out to what the dumps say."""
        outcome, lake, quarantine = self.run(days, fetch=fetch)
        newest = self.dumps[-1]
        rows_in, here, elsewhere, duplicates, quarantined = self._told(str(outcome.notes["sources"]))
        assert rows_in == here + elsewhere + duplicates + quarantined == len(newest)
        bad = quarantine.rows([DATASET])
        assert sorted(bad.loc[bad["day"] == UNDATED, "line"]) == _lines(newest, lambda row: row[0] < 0)
        for day in days:
            dump, index = self._dump_of(day), DAYS.index(day)
            kept = Counter(row for row in dump if row[0] == index)
            assert len(lake.read(DATASET, [day])) == sum(phone > 0 for _, phone in kept)
            held = bad[bad["day"] == str(day)]
            assert len(held) == sum(phone == 0 for _, phone in kept)
            counts = outcome.done[day].counts
            assert (counts["rows_in"], counts["quarantined"]) == (len(kept), len(held))

    @staticmethod
    def _told(table: str) -> list[int]:
        [*_, last] = table.splitlines()
        return [int(cell) for cell in last.strip("| ").split(" | ")[2:]]

    def _dump_of(self, day: dt.date) -> list[Row]:
        """The newest dump that is sure to hold all of a day, else that holds any of it, else the newest."""
        index, newest_first = DAYS.index(day), self.dumps[::-1]
        if not self.rolling:
            return newest_first[0]
        earliest = [min((d for d, _ in dump if d >= 0), default=len(DAYS)) for dump in newest_first]
        whole = [dump for dump, first in zip(newest_first, earliest, strict=True) if first < index]
        partly = [dump for dump in newest_first if any(d == index for d, _ in dump)]
        return [*whole, *partly, newest_first[0]][0]


def _cells(row: Row) -> list[str]:
    day, phone = row
    when = f"{DAYS[day]} 10:00:00" if day >= 0 else "soon"
    return ["Webinar", when, f"98123000{phone:02d}" if phone else "12", f"Employee {day}"]


def _lines(dump: list[Row], wanted) -> list[int]:
    return [line for line, row in enumerate(dump, start=2) if wanted(row)]


@contextmanager
def here(*, rolling: bool) -> Iterator[Here]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "config").mkdir()
        lines = [
            f"{DATASET}:",
            "  - name: crm",
            "    kind: csv",
            f"    path: {home / 'dump.csv'}",
            f"    rolling: {str(rolling).lower()}",
            "    allow_empty: true",
        ]
        (home / "config" / "sources.yaml").write_text("\n".join(lines))
        yield Here(home, rolling)


dumps = st.lists(st.tuples(st.integers(-1, len(DAYS) - 1), st.integers(0, 3)), min_size=1, max_size=8)
spans = st.tuples(st.integers(0, len(DAYS) - 1), st.integers(0, len(DAYS) - 1)).map(sorted)
steps = st.lists(st.tuples(st.none() | dumps | st.integers(0, 3), spans), min_size=1, max_size=5)


@pytest.mark.parametrize("rolling", [False, True])
@settings(deadline=None, max_examples=8)
@given(first=dumps, later=steps)
@example(first=[(0, 1), (1, 1), (-1, 1)], later=[([(3, 1), (4, 2)], [0, 4]), (0, [0, 4]), (None, [1, 2])])
@example(first=[(0, 1), (1, 1)], later=[([(2, 1), (3, 2), (-1, 2)], [0, 4]), (None, [0, 4])])
def test_every_row_has_one_fate(
    rolling: bool, first: list[Row], later: list[tuple[list[Row] | int | None, list[int]]]
) -> None:
    with here(rolling=rolling) as place:
        place.drop(first)
        place.make(DAYS, fetch=True)
        for change, (start, end) in later:
            if isinstance(change, int):
                place.drop(place.dumps[change % len(place.dumps)])  # a content that was there before
            elif change is not None:
                place.drop(change)
            place.make(DAYS[start : end + 1], fetch=change is not None)


def test_undated_rows_stay_when_an_older_dump_is_read_again() -> None:
    """An older dump is read again for a day that only it holds: the newest one's undated rows stay in quarantine."""
    with here(rolling=True) as place:
        place.drop([(0, 1), (1, 1), (1, 2)])
        place.make(DAYS[2:], fetch=True)
        place.drop([(3, 1), (4, 1), (-1, 2)])
        place.make(DAYS[3:], fetch=True)
        place.make(DAYS[:2], fetch=False)


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_reordered_dump_restates_the_days_whose_tied_rows_changed_places_and_no_other(
    in_pieces: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if in_pieces:
        for name, size in (("FROM_BYTES", 1), ("LEAST_BYTES", 100), ("_ROWS_PER_BORDER", 2)):
            monkeypatch.setattr(pieces, name, size)
    first, second = ["Reels", "Bootcamp"], ["Ravi", "Meera"]
    at_one_moment = [
        [source, f"{day} 10:00:00", "9812345670", name]
        for day in DAYS[:2]
        for source, name in zip(first, second, strict=True)
    ]
    other_phones = [["Reels", f"{DAYS[0]} 10:00:00", f"981234568{n}", "Dev"] for n in range(5)]
    with here(rolling=False) as place:
        place.write(at_one_moment + other_phones)
        place.run(DAYS, fetch=True)
        place.write(other_phones[::-1] + at_one_moment)
        assert place.run(DAYS, fetch=True)[0].changed == set()
        a, b, c, d = at_one_moment
        place.write([a, b, d, c, *other_phones])
        outcome, lake, _ = place.run(DAYS, fetch=True)
        assert outcome.changed == {DAYS[1]}
        ranks = lake.read(DATASET, DAYS[1:2]).select(["lead_source", "dump_rank"]).to_pylist()
        assert {row["lead_source"]: row["dump_rank"] for row in ranks} == {"Bootcamp": 0, "Reels": 1}
