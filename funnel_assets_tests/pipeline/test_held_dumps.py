"""A fetched dump that nothing proves whole and that is much shorter than the last is held, like a doubtful report."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.config.tables import write_defaults
from funnel_assets.errors import DumpHeld
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.pipeline.short_dumps import Counted, counted
from funnel_assets.storage.decisions import Decision
from funnel_assets.storage.landing import Snapshot
from funnel_assets_tests.pseudonyms import SECRET
from funnel_assets_tests.sources.loopback import Server, reply, serve

DATASET, SOURCE = "raw_leads", "lead_forms"
FIRST = dt.date(2025, 3, 20)
DAYS = [FIRST + dt.timedelta(days=offset) for offset in range(10)]


def leads(count: int, *, first: int = 0) -> bytes:
    """A sheet of leads, ten a day."""
    head = "Name,Email,Phone number,City,Question 1,utmSource,utmMedium,utmCamp,created date\n"
    rows = (
        f"Lead {number},lead{number}@example.com,98123{number:05d},Pune,,google,cpc,bonds,"
        f"{DAYS[number // 10]} 10:{number % 60:02d}:00\n"
        for number in range(first, first + count)
    )
    return (head + "".join(rows)).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as made:
        yield made


class Home:
    """A home whose only source is a sheet on a server that says what a test wants."""

    def __init__(self, home: Path, server: Server, *, more: str = "") -> None:
        self.home, self.server = home, server
        (home / "config").mkdir(parents=True)
        write_defaults(home / "config")
        self.sources = home / "config" / "sources.yaml"
        self.url = server.url("/leads.csv")
        self.settings(more)

    def settings(self, more: str = "") -> None:
        """Write the source's lines."""
        self.sources.write_text(
            f"{DATASET}:\n  - name: {SOURCE}\n    kind: http_csv\n    url: {self.url}\n"
            f"    http: {{retries: 0, timeout_seconds: 5}}\n{more}"
        )

    def pipeline(self) -> Pipeline:
        given = {
            "FUNNEL_HOME": str(self.home),
            "FUNNEL_SECRET": SECRET,
            "FUNNEL_START_DATE": str(FIRST),
            "FUNNEL_TODAY": "2025-03-30",
        }
        return Pipeline(load_settings(given, dotenv=False))

    def fetch(self, body: bytes, *headers: str, proven: bool = False) -> tuple[Pipeline, Outcome]:
        """Make every day from what the server answers now."""
        self.server.on("/leads.csv", reply(200, body, *headers, length=-1 if proven else None))
        opened = self.pipeline()
        return opened, opened.make(DATASET, DAYS)


def rows(opened: Pipeline) -> int:
    return opened.lake.read(DATASET, DAYS, require=False).num_rows


def test_cut_dump_fails_its_days_and_what_was_made_stays(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server)
    opened, outcome = home.fetch(leads(100))
    assert (outcome.failed, rows(opened)) == ({}, 100), "the first dump has none to be compared with"
    before = opened.lake.all_facts(DATASET)
    opened, outcome = home.fetch(leads(40))
    assert set(outcome.failed) == set(DAYS)
    told = str(outcome.error())
    assert isinstance(outcome.failed[FIRST], DumpHeld)
    assert "It has 40 row(s), the last one 100, and nothing proves it whole" in told
    assert f'funnel inbox accept "{SOURCE}" --reason' in told
    assert opened.lake.all_facts(DATASET) == before
    assert opened.stale(DATASET, DAYS) == [], "the last good dump is what days are held to"
    assert not opened.make(DATASET, DAYS, fetch=False).failed
    (row,) = opened.quarantine.rows([DATASET]).to_dict("records")
    assert (row["source"], row["reason"], row["day"]) == (SOURCE, "held", "held")
    assert [one.name for one in opened.held()] == [SOURCE]


@pytest.mark.parametrize(
    ("answer", "proven"),
    [(leads(40), True), (leads(80), False), (leads(100)[:-1], False)],
    ids=["fewer rows, with a length", "four in five", "as many"],
)
def test_dump_that_is_proven_or_long_enough_counts(
    tmp_path: Path, server: Server, answer: bytes, proven: bool
) -> None:
    home = Home(tmp_path, server)
    home.fetch(leads(100))
    opened, outcome = home.fetch(answer, proven=proven)
    assert outcome.failed == {}
    assert rows(opened) == answer.strip().count(b"\n")
    assert opened.held() == []


@pytest.mark.parametrize(
    ("third", "agrees"),
    [(leads(40), True), (leads(44), True), (leads(50), True), (leads(70), False), (leads(39), False)],
    ids=["same content", "some rows more", "a quarter more", "cut elsewhere", "fewer"],
)
def test_next_fetch_settles_it(tmp_path: Path, server: Server, third: bytes, agrees: bool) -> None:
    home = Home(tmp_path, server)
    home.fetch(leads(100))
    home.fetch(leads(40))
    opened, outcome = home.fetch(third)
    assert bool(outcome.failed) is not agrees
    assert rows(opened) == (third.count(b"\n") - 1 if agrees else 100)
    assert bool(opened.held()) is not agrees
    if agrees:
        assert opened.quarantine.rows([DATASET]).empty
        _, again = home.fetch(leads(third.count(b"\n")))
        assert not again.failed, "it is the one that the next is compared with"


def test_whole_dump_after_a_cut_one_counts_at_once(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server)
    home.fetch(leads(90))
    home.fetch(leads(40))
    opened, outcome = home.fetch(leads(100))
    assert outcome.failed == {}
    assert rows(opened) == 100
    assert opened.held() == []


def test_accepted_dump_counts_and_a_rejected_one_never(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server)
    home.fetch(leads(100))
    opened, _ = home.fetch(leads(40))
    opened.decide(SOURCE, "reject", "the export broke off", "asha")
    assert opened.held() == []
    opened, outcome = home.fetch(leads(40))
    assert outcome.failed == {}, "the same bytes again are known to be wrong: the last good dump is used"
    assert rows(opened) == 100
    opened.decide(SOURCE, "accept", "no, the rest was deleted", "asha")
    assert opened.stale(DATASET, DAYS) == DAYS[4:], "the days whose rows are gone"
    outcome = opened.make(DATASET, DAYS, fetch=False)
    assert (outcome.failed, rows(opened)) == ({}, 40)


def test_share_is_a_setting_of_the_source(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server, more="    least_rows_pct: 30\n")
    home.fetch(leads(100))
    opened, outcome = home.fetch(leads(40))
    assert (outcome.failed, rows(opened)) == ({}, 40)
    home.settings("    least_rows_pct: 0\n")
    opened, outcome = home.fetch(leads(1))
    assert (outcome.failed, rows(opened)) == ({}, 1)


def test_etag_of_an_unproven_body_is_never_asked_about(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server)
    home.fetch(leads(100), 'ETag: "v1"', proven=True)
    home.fetch(leads(95), 'ETag: "v2"')
    assert server.seen[-1].headers["if-none-match"] == '"v1"'
    home.fetch(leads(100), 'ETag: "v2"')
    assert "if-none-match" not in server.seen[-1].headers, "the server would confirm what we hold a part of"


def test_cut_dump_of_a_rolling_source_serves_no_day(tmp_path: Path, server: Server) -> None:
    home = Home(tmp_path, server, more="    rolling: true\n")
    home.fetch(leads(100))
    opened, outcome = home.fetch(leads(20))
    assert set(outcome.failed) == set(DAYS)
    opened, outcome = home.fetch(leads(70, first=30))
    assert set(outcome.failed) == set(DAYS), "70 of 100 are too few"
    opened.decide(SOURCE, "accept", "the window is shorter now", "asha")
    opened, outcome = home.fetch(leads(70, first=30))
    assert outcome.failed == {}
    assert rows(opened) == 100, (
        "older days keep what the last good dump said of them, not what the cut one did"
    )


def test_undated_rows_of_the_good_dump_stay_in_quarantine_while_another_is_held(
    tmp_path: Path, server: Server
) -> None:
    home = Home(tmp_path, server)
    undated = b"Lead x,x@example.com,9812399999,Pune,,google,cpc,bonds,some day\n"
    home.fetch(leads(100) + undated)
    opened, _ = home.fetch(leads(40))
    found = opened.quarantine.rows([DATASET])
    assert sorted(found["day"]) == ["held", "undated"]


# --- which dumps count, as a rule ------------------------------------------------------------------------------


def snapshots(*facts: tuple[str, int, bool]) -> tuple[list[Snapshot], dict[str, int]]:
    start = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    made = [
        Snapshot(
            DATASET, SOURCE, "u", start + dt.timedelta(days=at), 1, sha, sha, rows=rows, is_proven=proven
        )
        for at, (sha, rows, proven) in enumerate(facts)
    ]
    return made, {sha: rows for sha, rows, _ in facts}


def judged(*facts: tuple[str, int, bool], share: float = 0.8, **decisions: Decision) -> Counted:
    made, known = snapshots(*facts)
    return counted(made, lambda one: known[one.sha256], share, decisions)


@pytest.mark.parametrize(
    ("facts", "newest", "held"),
    [
        ((("a", 100, False),), "a", None),
        ((("a", 100, False), ("b", 79, False)), "a", "b"),
        ((("a", 100, False), ("b", 80, False)), "b", None),
        ((("a", 100, True), ("b", 40, True)), "b", None),
        ((("a", 100, True), ("b", 0, False)), "a", "b"),
        ((("a", 100, True), ("b", 40, False), ("c", 60, False), ("d", 61, False)), "d", None),
        ((("a", 100, True), ("b", 70, False), ("c", 40, False), ("d", 70, False)), "a", "d"),
        ((("a", 100, True), ("b", 40, False), ("a", 100, True)), "a", None),
        ((("a", 100, True), ("b", 0, False), ("c", 0, False)), "c", None),
    ],
)
def test_which_dumps_count(facts: tuple[tuple[str, int, bool], ...], newest: str, held: str | None) -> None:
    found = judged(*facts)
    assert found.newest is not None
    assert found.newest.sha256 == newest
    assert (found.held.sha256 if found.held else None) == held
    assert held is None or held in found.left_out
    assert newest not in found.left_out


def test_dump_that_cannot_be_read_is_left_to_whoever_wants_it() -> None:
    made, _ = snapshots(("a", 100, True), ("b", 0, False))
    found = counted(made, lambda one: None, 0.8, {})
    assert found.newest is not None
    assert (found.newest.sha256, found.held) == ("b", None)
