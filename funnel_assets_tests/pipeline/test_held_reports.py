"""A doubtful report is held: what was made before stays, until a person decides or a good export takes its place."""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from funnel_assets.errors import DamagedFile, FunnelError, UsageError
from funnel_assets.pipeline import zoom
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.orchestration.inbox import DAY, Inbox, report

DATASET = "zoom_attendance"
NAMES = ("Asha", "Bina", "Chen", "Devi", "Esha", "Farid")
WHY = "Zoom lost the rest"


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox.make(tmp_path / "home")


def excerpt(people: Sequence[str] = ("Asha",), stated: int = 1018, generated: str = "11:26 PM") -> bytes:
    """A report that lists fewer people than its own header counts."""
    whole = report(people=people)
    few = f",90,{len(people)},0,{len(people)},{len(people)}\n".encode()
    assert few in whole
    told = whole.replace(few, f",90,{stated},0,{stated},{stated}\n".encode())
    return told.replace(b"11:26 PM", generated.encode())


def make(opened: Pipeline, *days: dt.date) -> Outcome:
    outcome = opened.make(DATASET, list(days or (DAY,)))
    assert not outcome.failed, outcome.error()
    return outcome


def people(opened: Pipeline, day: dt.date = DAY) -> list[str]:
    return sorted(opened.lake.read(DATASET, [day])["first_name"].to_pylist())


def accept(opened: Pipeline, name: str, reason: str = WHY) -> None:
    opened.decide(name, "accept", reason, "asha")


def test_first_report_of_an_event_is_held_and_its_day_is_made_without_it(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    inbox.drop("other.csv", report(webinar="872 0000 0001", people=("Chen", "Devi")))
    opened = inbox.pipeline()
    arrivals = opened.zoom.take_in()
    assert arrivals.taken == ["other.csv"]
    assert "unique viewers: 1,018 stated, 1 read" in arrivals.held["excerpt.csv"]
    assert 'funnel inbox accept "excerpt.csv" --reason' in arrivals.held["excerpt.csv"]
    make(opened)
    assert people(opened) == ["Chen", "Devi"], "whatever else is of the day is made"
    (row,) = opened.quarantine.rows([DATASET]).to_dict("records")
    assert (row["file"], row["reason"]) == ("excerpt.csv", "held")
    assert "1,018 stated, 1 read" in row["detail"]
    again = opened.zoom.take_in()
    assert (again.held, again.still_held) == ({}, 1)
    assert opened.zoom.stale_days([DAY]) == []
    assert opened.zoom.days_to_make() == {}


def test_doubtful_reexport_leaves_the_good_one_in_use(inbox: Inbox) -> None:
    inbox.drop("good.csv", report(people=NAMES))
    opened = inbox.pipeline()
    make(opened)
    before = opened.lake.facts(DATASET, DAY)
    inbox.drop("excerpt.csv", excerpt(stated=6, generated="11:40 PM"))
    assert list(opened.zoom.take_in().held) == ["excerpt.csv"]
    assert opened.zoom.days_to_make() == {}
    make(opened)
    assert opened.lake.facts(DATASET, DAY) == before
    assert people(opened) == sorted(NAMES)


def test_accepted_report_counts_as_it_is_and_a_rebuild_is_the_same(inbox: Inbox, tmp_path: Path) -> None:
    inbox.drop("good.csv", report(people=NAMES))
    body = excerpt(stated=6, generated="11:40 PM")
    inbox.drop("excerpt.csv", body)
    opened = inbox.pipeline()
    make(opened)
    accept(opened, "excerpt.csv")
    assert opened.held() == []
    assert opened.quarantine.rows([DATASET]).empty
    assert list(opened.zoom.days_to_make()) == [DAY]
    outcome = make(opened)
    assert people(opened) == ["Asha"], "it is the later export of the event"
    assert f"excerpt.csv was accepted by asha on {dt.date.today().year}" in outcome.notes["accepted as it is"]
    assert WHY in outcome.notes["accepted as it is"]
    sha = hashlib.sha256(body).hexdigest()
    facts = opened.lake.facts(DATASET, DAY)
    assert facts is not None
    assert f"accepted.{sha[:12]}" in facts.inputs, "the day says that it was made with it"
    (decision,) = json.loads(
        (inbox.home / "landing" / DATASET / "zoom_inbox" / "decisions" / f"{sha}.json").read_text()
    )
    assert (decision["sha256"], decision["who"], decision["reason"]) == (sha, "asha", WHY)
    assert dt.datetime.fromisoformat(decision["decided_at"]).tzinfo

    other = Inbox.make(tmp_path / "rebuilt")
    shutil.copytree(inbox.home / "landing", other.home / "landing")
    rebuilt = other.pipeline()
    make(rebuilt)
    assert rebuilt.lake.facts(DATASET, DAY).content == facts.content  # type: ignore[union-attr]

    inbox.drop("excerpt again.csv", body)
    assert opened.zoom.take_in().known == 3
    assert opened.zoom.days_to_make() == {}, "the same bytes again do nothing"
    assert make(opened).changed == set()


def test_good_export_takes_the_place_of_a_held_one(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    opened = inbox.pipeline()
    make(opened)
    assert [one.file for one in opened.held()] == ["excerpt.csv"]
    inbox.drop("whole.csv", report(people=NAMES).replace(b"11:26 PM", b"11:40 PM"))
    opened.zoom.take_in()
    assert opened.held() == []
    assert opened.quarantine.rows([DATASET]).empty
    make(opened)
    assert people(opened) == sorted(NAMES)


def test_held_report_of_one_sitting_is_not_settled_by_a_good_one_of_another(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    inbox.drop("next.csv", report(DAY + dt.timedelta(days=7), people=NAMES))
    opened = inbox.pipeline()
    make(opened, DAY, DAY + dt.timedelta(days=7))
    assert [one.file for one in opened.held()] == ["excerpt.csv"]


def test_day_made_from_a_file_that_becomes_doubtful_stays_as_it_is(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = inbox.home / "config" / "sources.yaml"
    usual = sources.read_text().rstrip()
    sources.write_text(usual + "\n    totals_tolerance_pct: 100\n")
    inbox.drop("excerpt.csv", excerpt())
    opened = inbox.pipeline()
    make(opened)
    assert people(opened) == ["Asha"]
    sources.write_text(usual + "\n")
    assert [one.file for one in opened.held()] == ["excerpt.csv"]
    assert opened.zoom.stale_days([DAY]) == []
    assert opened.zoom.days_to_make() == {}
    monkeypatch.setattr(zoom, "RULES_VERSION", zoom.RULES_VERSION + 1)
    assert make(inbox.pipeline()).changed == set()
    assert people(opened) == ["Asha"], "the last good version, until a person says otherwise"
    opened.decide("excerpt.csv", "reject", "shortened by hand", "asha")
    assert list(opened.zoom.days_to_make()) == [DAY]
    make(opened)
    assert people(opened) == []
    accept(opened, "excerpt.csv", "no, it was whole")
    make(opened)
    assert people(opened) == ["Asha"], "a decision may be changed; the last one counts"


def test_tolerance_is_a_setting_and_another_one_makes_no_day_again(inbox: Inbox) -> None:
    sources = inbox.home / "config" / "sources.yaml"
    usual = sources.read_text().rstrip()
    inbox.drop("four of six.csv", excerpt(NAMES[:4], stated=6))
    inbox.drop("three of six.csv", excerpt(NAMES[:3], stated=6).replace(b"871 2345", b"871 0000"))
    opened = inbox.pipeline()
    make(opened)
    assert [one.file for one in opened.held()] == ["three of six.csv"], "two people may always differ"
    sources.write_text(usual + "\n    totals_tolerance_pct: 50 %\n")
    assert opened.held() == []
    sources.write_text(usual + "\n    totals_tolerance_pct: 1\n")
    assert opened.zoom.stale_days([DAY]) == []


def test_report_of_which_most_rows_are_set_aside_is_held(inbox: Inbox) -> None:
    body = report(people=NAMES).replace(b'20:00:00",55', b'18:00:00",55', 4)
    inbox.drop("shifted.csv", body)
    opened = inbox.pipeline()
    (why,) = opened.zoom.take_in().held.values()
    assert "4 of 6 rows are set apart, most as times_contradict" in why


def test_registration_report_that_states_more_than_it_lists_is_held(inbox: Inbox) -> None:
    from funnel_assets_tests.sources.zoom import files

    rows = [
        f'{name},Rao,{name.lower()}@example.com,"03/15/2025 10:00:00 AM",approved,Pune,98123000{number:02d},'
        for number, name in enumerate(NAMES)
    ]
    told = '"Bonds, explained",871 2345 6789,"03/22/2025 07:00:00 PM",90,{0},0,{0},0'
    inbox.drop("good.csv", files.registration_report(rows, facts=told.format(6)).encode())
    inbox.drop("short.csv", files.registration_report(rows[:2], facts=told.format(415)).encode())
    cancelled = [*rows, rows[0].replace("asha@", "gone@").replace("approved", "cancelled")]
    facts = '"Gold, explained",871 2345 0000,"03/22/2025 07:00:00 PM",90,7,1,6,0'
    inbox.drop("cancelled.csv", files.registration_report(cancelled, facts=facts).encode())
    arrivals = inbox.pipeline().zoom.take_in()
    assert sorted(arrivals.taken) == ["cancelled.csv", "good.csv"]
    assert "registered: 415 stated, 2 read" in arrivals.held["short.csv"]


def test_rejoins_hosts_and_walk_ins_make_no_report_doubtful(inbox: Inbox) -> None:
    body = report(people=NAMES).decode()
    asha = next(line for line in body.splitlines() if line.startswith("Yes,Asha"))
    again = [
        asha.replace("19:05:00", f"19:{minute}:00").replace(",55,", f",{60 - minute},")
        for minute in range(10, 40)
    ]
    inbox.drop("rejoins.csv", (body + "\n".join(again) + "\n").encode())
    opened = inbox.pipeline()
    arrivals = opened.zoom.take_in()
    assert (arrivals.taken, arrivals.held) == (["rejoins.csv"], {})


def test_accept_names_one_file_or_says_which_there_are(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    inbox.drop("two/excerpt.csv", excerpt(("Bina",)))
    opened = inbox.pipeline()
    opened.zoom.take_in()
    shas = sorted(one.sha256[:8] for one in opened.held())
    with pytest.raises(FunnelError, match=r"2 held files are called 'excerpt\.csv'") as caught:
        accept(opened, "excerpt.csv")
    assert all(sha in str(caught.value) for sha in shas)
    with pytest.raises(FunnelError, match=r"nothing is held under the name 'good\.csv'"):
        accept(opened, "good.csv")
    with pytest.raises(UsageError, match="needs a reason"):
        accept(opened, shas[0], "  ")
    assert len(opened.held()) == 2, "nothing was decided"
    accept(opened, shas[0])
    assert [one.sha256[:8] for one in opened.held()] == shas[1:]


def test_damaged_decision_is_an_error_that_names_it_and_no_day_is_made_without_it(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    opened = inbox.pipeline()
    opened.zoom.take_in()
    accept(opened, "excerpt.csv")
    make(opened)
    (record,) = (inbox.home / "landing" / DATASET / "zoom_inbox" / "decisions").glob("*.json")
    good = record.read_bytes()
    for damaged in (b"", b"[]", good[:40], b'[{"decision": "accept"}]'):
        record.write_bytes(damaged)
        outcome = opened.make(DATASET, [DAY])
        assert isinstance(outcome.failed[DAY], DamagedFile)
        assert record.name in str(outcome.failed[DAY])
        assert people(opened) == ["Asha"]
    record.write_bytes(good)
    assert make(opened).changed == set()


def test_personal_data_in_a_reason_is_masked(inbox: Inbox) -> None:
    inbox.drop("excerpt.csv", excerpt())
    opened = inbox.pipeline()
    opened.zoom.take_in()
    accept(opened, "excerpt.csv", "asha@example.com called from +91 98123 00001")
    outcome = make(opened)
    assert "asha@example.com" not in outcome.notes["accepted as it is"]
    assert "98123 00001" not in outcome.notes["accepted as it is"]
