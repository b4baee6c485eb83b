"""What becomes of files in the Zoom inbox: each is taken once and whole, none is missed, none stops the others."""

import contextlib
import datetime as dt
import os
import socket
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import Any

import pytest

from funnel_assets import outside
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.pipeline.zoom import COMPLETE_SECONDS
from funnel_assets_tests.orchestration.inbox import DAY, Inbox, report

DATASET = "zoom_attendance"
NEXT = DAY + dt.timedelta(days=1)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox.make(tmp_path / "home")


def make(opened: Pipeline, *days: dt.date) -> Outcome:
    outcome = opened.make(DATASET, list(days or (DAY,)))
    assert not outcome.failed, outcome.error()
    return outcome


def people(opened: Pipeline, day: dt.date = DAY) -> list[str]:
    return sorted(opened.lake.read(DATASET, [day])["first_name"].to_pylist())


def test_file_is_taken_once(inbox: Inbox) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    first, second = opened.zoom.take_in(), opened.zoom.take_in()
    assert (first.taken, first.known) == (["attendees.csv"], 0)
    assert (second.taken, second.known) == ([], 1)
    assert list(opened.zoom.days_to_make()) == [DAY]
    assert make(opened).changed == {DAY}
    assert people(opened) == ["Asha", "Bina"]
    assert opened.zoom.days_to_make() == {}
    assert make(opened).changed == set()


def test_what_the_reader_leaves_open_is_told(inbox: Inbox) -> None:
    lines = report().decode().splitlines()
    header = next(number for number, line in enumerate(lines) if "First Name" in line)
    wider = [
        f"{line},{'Your goal' if number == header else 'rent'}"
        for number, line in enumerate(lines)
        if number >= header
    ]
    inbox.drop("attendees.csv", "\n".join([*lines[:header], *wider, ""]).encode())
    note = make(inbox.pipeline()).notes["read with reservations"]
    assert note == "- attendees.csv: Nothing was read from columns of unknown headings: 'Your goal'."


def test_a_look_reads_what_is_new_or_changed_and_nothing_else(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("attendees.csv", report())
    changed = inbox.drop("second.csv", report(NEXT))
    inbox.pipeline().zoom.take_in()
    times = changed.stat()
    changed.write_bytes(report(NEXT, ("Asha", "Chen")))  # as long as before, and as old
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns))
    inbox.drop("third.csv", report(NEXT + dt.timedelta(days=1)))
    read: list[str] = []
    real = outside.opened

    def opened(path: Path, **how: bool) -> AbstractContextManager[BufferedReader]:
        read.append(path.name)
        return real(path, **how)

    monkeypatch.setattr(outside, "opened", opened)
    assert inbox.pipeline().zoom.take_in().taken == ["second.csv", "third.csv"]
    assert {"second.csv", "third.csv"} <= set(read)
    assert "attendees.csv" not in read
    (inbox.home / "staged" / DATASET / "zoom_inbox" / "hashes.json").write_text("{")
    assert inbox.pipeline().zoom.take_in().known == 3


def test_same_bytes_under_another_name_do_nothing(inbox: Inbox) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    make(opened)
    inbox.drop("attendees (1).csv", report())
    inbox.drop("march/attendees.csv", report())
    arrivals = opened.zoom.take_in()
    assert (arrivals.taken, arrivals.known) == ([], 3)
    assert opened.zoom.days_to_make() == {}
    assert make(opened).changed == set()


def test_corrected_report_replaces_the_earlier_one(inbox: Inbox) -> None:
    inbox.drop("attendees.csv", report(people=("Asha", "Bina")))
    opened = inbox.pipeline()
    make(opened)
    inbox.drop("attendees corrected.csv", report(people=("Asha", "Chen")).replace(b"11:26 PM", b"11:40 PM"))
    opened.zoom.take_in()
    assert list(opened.zoom.days_to_make()) == [DAY]
    assert make(opened).changed == {DAY}
    assert people(opened) == ["Asha", "Chen"]


def test_of_two_dropped_together_the_second_download_is_the_correction(inbox: Inbox) -> None:
    for name, people_there in (("list (1).csv", ("Asha",)), ("list.csv", ("Asha", "Bina"))):
        path = inbox.drop(name, report(people=people_there))
        os.utime(path, (1_700_000_000, 1_700_000_000))
    opened = inbox.pipeline()
    make(opened)
    assert people(opened) == ["Asha"]


def test_file_with_an_older_time_is_found(inbox: Inbox) -> None:
    inbox.drop("new.csv", report())
    opened = inbox.pipeline()
    make(opened)
    years = 3 * 365 * 86400.0
    inbox.drop("old.csv", report(NEXT, webinar="872 0000 0001"), age_seconds=years)
    assert opened.zoom.take_in().taken == ["old.csv"]
    assert list(opened.zoom.days_to_make()) == [NEXT]


@pytest.mark.parametrize(
    "name",
    [
        "attendee report (1) final FINAL.csv",
        "उपस्थिति रिपोर्ट 22-मार्च.csv",
        "ズーム参加者.CSV",
        "no extension",
        'it\'s 100% "quoted" & [odd]#.csv',
        "sub folder/deeper/attendees.csv",
        "café\u0301.csv",
        f"{'long' * 55}.csv",
    ],
)
def test_names_people_give_files(inbox: Inbox, name: str) -> None:
    inbox.drop(name, report())
    opened = inbox.pipeline()
    make(opened)
    assert people(opened) == ["Asha", "Bina"]
    assert set(opened.lake.read(DATASET, [DAY])["source_file"].to_pylist()) == {Path(name).name}


@pytest.mark.parametrize(
    "name",
    [
        "attendees.csv.crdownload",
        ".attendees.csv",
        "~$attendees.csv",
        "attendees.csv.part",
        "attendees.csv.filepart",
    ],
)
def test_unfinished_downloads_are_left_alone(inbox: Inbox, name: str) -> None:
    inbox.drop(name, report())
    arrivals = inbox.pipeline().zoom.take_in()
    assert (arrivals.taken, arrivals.refused, arrivals.waiting) == ([], {}, [])


def test_file_that_is_still_being_written_waits_for_the_next_look(inbox: Inbox) -> None:
    body = report(people=("Asha", "Bina", "Chen"))
    opened = inbox.pipeline()
    inbox.drop("attendees.csv", body[: len(body) // 2], age_seconds=0)
    assert opened.zoom.take_in().waiting == ["attendees.csv"]
    inbox.drop("attendees.csv", body[: len(body) - 30], age_seconds=0)
    assert opened.zoom.take_in().waiting == ["attendees.csv"]
    inbox.drop("attendees.csv", body, age_seconds=0)
    assert opened.zoom.take_in().waiting == ["attendees.csv"]
    assert opened.zoom.take_in().taken == ["attendees.csv"], "unchanged since the last look"
    make(opened)
    assert people(opened) == ["Asha", "Bina", "Chen"]


def test_cut_off_file_is_given_time_then_named_then_taken_when_whole(inbox: Inbox) -> None:
    body = report(people=("Asha", "Bina", "Chen"))
    cut = body[: body.rindex(b"Chen")]
    opened = inbox.pipeline()
    inbox.drop("attendees.csv", cut, age_seconds=30)
    assert opened.zoom.take_in().waiting == ["attendees.csv"]
    assert opened.quarantine.rows([DATASET]).empty
    inbox.drop("attendees.csv", cut, age_seconds=COMPLETE_SECONDS + 10)
    assert list(opened.zoom.take_in().refused) == ["attendees.csv"]
    (row,) = opened.quarantine.rows([DATASET]).to_dict("records")
    assert (row["file"], row["reason"]) == ("attendees.csv", "truncated")
    assert "Next: " in row["detail"]
    assert opened.zoom.days_to_make() == {}
    inbox.drop("attendees.csv", body)
    assert opened.zoom.take_in().taken == ["attendees.csv"]
    make(opened)
    assert people(opened) == ["Asha", "Bina", "Chen"]


def test_no_report_goes_to_quarantine_and_the_others_go_on(inbox: Inbox) -> None:
    inbox.drop("a holiday.jpg", b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20)
    inbox.drop("b empty.csv", b"")
    inbox.drop("c leads.csv", b"Name,Email,Phone\nAsha,asha@example.com,9812300001\n")
    inbox.drop("d login.csv", b"<!DOCTYPE html><html><title>Sign in</title></html>")
    inbox.drop("e attendees.csv", report())
    opened = inbox.pipeline()
    arrivals = opened.zoom.take_in()
    assert arrivals.taken == ["e attendees.csv"]
    assert sorted(arrivals.refused) == ["a holiday.jpg", "b empty.csv", "c leads.csv", "d login.csv"]
    rows = opened.quarantine.rows([DATASET])
    assert sorted(rows["file"]) == sorted(arrivals.refused)
    assert rows["reason"].notna().all()
    assert rows["detail"].str.contains("Next: ").all(), "each says what to do"
    make(opened)
    assert people(opened) == ["Asha", "Bina"]
    assert opened.zoom.take_in().known == 5, "refused files aren't read again and again"


def test_file_deleted_from_the_inbox_is_not_lost(inbox: Inbox) -> None:
    path = inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    opened.zoom.take_in()
    path.unlink()
    assert list(opened.zoom.days_to_make()) == [DAY]
    make(opened)
    assert people(opened) == ["Asha", "Bina"]
    assert opened.zoom.stale_days([DAY]) == []


def test_size_limit_is_the_sources_own(inbox: Inbox) -> None:
    sources = inbox.home / "config" / "sources.yaml"
    usual = sources.read_text().rstrip()
    inbox.drop("attendees.csv", report())
    sources.write_text(usual + "\n    max_megabytes: 0.0001\n")
    (why,) = inbox.pipeline().zoom.take_in().unreadable.values()
    assert "Next: drop the right file; if it is, set max_megabytes for the source in sources.yaml." in why
    sources.write_text(usual + "\n    max_megabytes: 300\n")
    assert inbox.pipeline().zoom.take_in().taken == ["attendees.csv"]


def test_file_that_vanishes_while_looking_is_no_error(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.drop("a gone.csv", report(NEXT))
    inbox.drop("b.csv", report())
    opened = inbox.pipeline()
    real = outside.opened

    def opened_late(path: Path, **how: bool) -> AbstractContextManager[BufferedReader]:
        if path.name == "a gone.csv":
            path.unlink()
        return real(path, **how)

    monkeypatch.setattr(outside, "opened", opened_late)
    assert opened.zoom.take_in().taken == ["b.csv"]


def test_file_removed_between_listing_and_looking_is_no_error(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funnel_assets.pipeline import zoom

    inbox.drop("b.csv", report())
    real = zoom._files
    monkeypatch.setattr(zoom, "_files", lambda folder: [folder / "a gone.csv", *real(folder)])
    assert inbox.pipeline().zoom.take_in().taken == ["b.csv"]


def test_file_nobody_may_read_is_named_and_the_others_go_on(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.drop("a locked.csv", report(NEXT))
    inbox.drop("b.csv", report())
    real = outside.opened

    def refused(path: Path, **how: bool) -> AbstractContextManager[BufferedReader]:
        if path.name == "a locked.csv":
            raise PermissionError(13, "Permission denied")
        return real(path, **how)

    with monkeypatch.context() as patch:
        patch.setattr(outside, "opened", refused)
        opened = inbox.pipeline()
        arrivals = opened.zoom.take_in()
        assert arrivals.taken == ["b.csv"]
        assert "Not taken: a locked.csv. It may not be read. Next: " in " ".join(arrivals.told)
        assert "1 can't be read" in arrivals.summary()
    assert opened.zoom.take_in().taken == ["a locked.csv"]


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9 \xff\xfe.csv",
        b"l" * 236 + b".csv",
        b"l" * 255,
        b"x." + b"e" * 240,
        "\u0909".encode() * 84,
        b"a\nb\x1b[31m.csv",
    ],
    ids=[
        "not UTF-8",
        "240 letters",
        "255 letters",
        "long ending",
        "252 bytes of Hindi",
        "control characters",
    ],
)
def test_any_name_the_disk_takes_is_taken_and_can_be_shown(inbox: Inbox, name: bytes) -> None:
    inbox.drop("z.csv", report(NEXT))
    inbox.drop(os.fsdecode(name), report())
    opened = inbox.pipeline()
    assert len(opened.zoom.take_in().taken) == 2
    assert opened.zoom.take_in().known == 2
    make(opened)
    assert people(opened) == ["Asha", "Bina"]
    (shown,) = set(opened.lake.read(DATASET, [DAY])["source_file"].to_pylist())
    assert shown.encode().decode() == shown
    assert shown.isprintable()
    (inbox.home / "inbox" / "zoom" / os.fsdecode(name)).write_bytes(b"no report")
    arrivals = opened.zoom.take_in(wait=True)
    assert "".join(arrivals.told).isprintable()
    assert shown in set(opened.quarantine.rows([DATASET])["file"])


def strange_entries(folder: Path) -> dict[str, str]:
    """Put what is no regular file beside the reports; returns the words by which each should be told."""
    (folder.parent / "secret.csv").write_bytes(report(NEXT))
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "inside.csv").write_bytes(report(NEXT))
    (folder / "a link.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "a broken link.csv").symlink_to(folder / "nowhere.csv")
    (folder / "a loop.csv").symlink_to(folder / "a loop.csv")
    (folder / "a linked folder").symlink_to(folder.parent / "elsewhere")
    os.mkfifo(folder / "a pipe.csv")
    with contextlib.chdir(folder), contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind("a socket.csv")
    (folder / "a folder.csv").mkdir()
    return {
        "a link.csv": "a link to another file",
        "a broken link.csv": "a link to another file",
        "a loop.csv": "a link to another file",
        "a linked folder": "a link to another file",
        "a pipe.csv": "a pipe",
        "a socket.csv": "a socket",
    }


@pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes and sockets in folders")
@pytest.mark.timeout(60)
def test_what_is_no_regular_file_is_told_and_never_opened_and_the_others_go_on(inbox: Inbox) -> None:
    wanted = strange_entries(inbox.home / "inbox" / "zoom")
    inbox.drop("b.csv", report())
    opened = inbox.pipeline()
    arrivals = opened.zoom.take_in(wait=True)
    assert arrivals.taken == ["b.csv"]
    assert arrivals.unreadable == {
        name: f"It can't be taken: {what}, not a regular file. Next: drop the file itself."
        for name, what in wanted.items()
    }
    rows = opened.quarantine.rows([DATASET])
    assert set(zip(rows["file"], rows["reason"], strict=True)) == {(name, "not_taken") for name in wanted}
    make(opened)
    assert people(opened) == ["Asha", "Bina"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may look into every folder")
def test_folder_nobody_may_look_into_is_told(inbox: Inbox) -> None:
    inbox.drop("closed/a.csv", report(NEXT)).parent.chmod(0)
    inbox.drop("b.csv", report())
    arrivals = inbox.pipeline().zoom.take_in()
    assert (arrivals.taken, list(arrivals.unreadable)) == (["b.csv"], ["closed"])


def test_folder_that_cannot_be_listed_is_told(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = inbox.drop("closed/a.csv", report(NEXT)).parent
    inbox.drop("b.csv", report())
    real = os.scandir

    def scandir(place: str | Path) -> Any:
        if Path(place) == closed:
            raise PermissionError(13, "Permission denied", str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
    arrivals = inbox.pipeline().zoom.take_in()
    assert arrivals.taken == ["b.csv"]
    assert arrivals.unreadable["closed"].startswith("This folder may not be looked into. Next: ")


def test_file_that_fails_the_reader_is_set_aside_and_the_others_go_on(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from funnel_assets.pipeline import zoom

    inbox.drop("a bad.csv", report(NEXT))
    inbox.drop("b.csv", report())
    real = zoom.read_report

    def read_report(data: bytes, *, file: str, **how: Any) -> Any:
        if file == "a bad.csv":
            raise RecursionError("asha@example.com")
        return real(data, file=file, **how)

    monkeypatch.setattr(zoom, "read_report", read_report)
    opened = inbox.pipeline()
    arrivals = opened.zoom.take_in()
    assert arrivals.taken == ["b.csv"]
    assert "a fault of the software (RecursionError). Next: " in arrivals.refused["a bad.csv"]
    assert "asha@" not in "".join(arrivals.told)
    make(opened)
    assert people(opened) == ["Asha", "Bina"]


def test_pipe_that_takes_a_files_place_does_not_block(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    path = inbox.drop("a.csv", report(NEXT))
    inbox.drop("b.csv", report())
    real = outside.facts

    def facts(asked: Path, **how: bool) -> os.stat_result:
        found = real(asked, **how)
        if asked == path:
            path.unlink()
            os.mkfifo(path)
        return found

    monkeypatch.setattr(outside, "facts", facts)
    assert inbox.pipeline().zoom.take_in().taken == ["b.csv"]


def test_one_file_may_cover_several_days(inbox: Inbox) -> None:
    first, second = report(), report(NEXT, ("Chen",))
    rows = [line for line in second.decode().splitlines() if "Chen" in line]
    inbox.drop("weekend.csv", first + "\n".join(rows).encode() + b"\n")
    opened = inbox.pipeline()
    opened.zoom.take_in()
    assert list(opened.zoom.days_to_make()) == [DAY, NEXT]
    make(opened, DAY, NEXT)
    assert people(opened) == ["Asha", "Bina"]
    assert people(opened, NEXT) == ["Chen"]


def test_event_of_a_day_that_has_not_ended_waits(inbox: Inbox) -> None:
    inbox.drop("attendees.csv", report())
    opened = inbox.pipeline(FUNNEL_TODAY=str(DAY))
    opened.zoom.take_in()
    assert opened.zoom.days_to_make() == {}
    assert list(inbox.pipeline(FUNNEL_TODAY=str(NEXT)).zoom.days_to_make()) == [DAY]


def test_order_of_arrival_does_not_matter(tmp_path: Path) -> None:
    contents = []
    bodies = [
        report(people=("Asha",)),
        report(people=("Asha", "Bina"), webinar="872 0000 0001"),
        report(NEXT),
    ]
    for number, order in enumerate(([0, 1, 2], [2, 1, 0], [1, 2, 0])):
        inbox = Inbox.make(tmp_path / str(number))
        opened = inbox.pipeline()
        for at in order:
            inbox.drop(f"{at}.csv", bodies[at])
            opened.zoom.take_in()
        make(opened, DAY, NEXT)
        contents.append(
            [(tmp_path / f"{number}/lake/{DATASET}/date={d}/data.parquet").read_bytes() for d in (DAY, NEXT)]
        )
    assert contents[0] == contents[1] == contents[2]


def test_what_was_kept_is_judged_again_when_the_time_zone_is_corrected(inbox: Inbox) -> None:
    path = inbox.drop("attendees.csv", report())
    opened = inbox.pipeline()
    make(opened)
    path.unlink()
    sources = inbox.home / "config" / "sources.yaml"
    # 7 p.m. in New York is the next morning in India.
    sources.write_text(sources.read_text().replace("Asia/Kolkata", "America/New_York"))
    assert list(opened.zoom.days_to_make()) == [NEXT]
    assert opened.zoom.stale_days([DAY]) == [DAY]
    make(opened, DAY, NEXT)
    assert people(opened) == []
    assert people(opened, NEXT) == ["Asha", "Bina"]


AMBIGUOUS = (
    b"Attendee Report\nReport Generated:,04/03/2025 21:30\n"
    b"Topic,Webinar ID,Actual Start Time,Actual Duration (minutes)\nBonds,87123456789,04/03/2025 19:00,90\n"
    b"Attendee Details\nAttended,User Name,Email,Join Time,Leave Time,Time in Session (minutes)\n"
    b"Yes,Asha Rao,asha@example.com,04/03/2025 19:05,04/03/2025 20:00,55\n"
)


def test_replay_after_a_config_fix_equals_the_run_that_never_broke(tmp_path: Path) -> None:
    day = dt.date(2025, 3, 4)
    broken, whole = Inbox.make(tmp_path / "broken"), Inbox.make(tmp_path / "whole")
    sources = [inbox.home / "config" / "sources.yaml" for inbox in (broken, whole)]
    fixed = sources[0].read_text().rstrip() + "\n    date_order: day_first\n"
    broken.drop("attendees.csv", AMBIGUOUS).with_name("other.csv").write_bytes(report())
    opened = broken.pipeline()
    make(opened, day, DAY)
    assert opened.quarantine.rows([DATASET])["reason"].tolist() == ["dates_ambiguous"]
    (still,) = opened.zoom.replay(["attendees.csv"])
    assert (still.reason, still.days) == ("dates_ambiguous", []), "nothing was mended yet"

    sources[0].write_text(fixed)
    (mended,) = broken.pipeline().zoom.replay(["attendees.csv"])
    assert (mended.reason, mended.days) == (None, [str(day)])
    sources[1].write_text(fixed)
    whole.drop("attendees.csv", AMBIGUOUS).with_name("other.csv").write_bytes(report())
    for inbox in (broken, whole):
        make(inbox.pipeline(), day, DAY)
        assert inbox.pipeline().quarantine.rows([DATASET]).empty
    files = [inbox.home / "lake" / DATASET / f"date={day}" / "data.parquet" for inbox in (broken, whole)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_replay_takes_a_corrected_file_from_anywhere_and_refuses_a_name_it_does_not_know(
    inbox: Inbox, tmp_path: Path
) -> None:
    body = report()
    inbox.drop("attendees.csv", body[: body.rindex(b"Bina")], age_seconds=COMPLETE_SECONDS + 10)
    opened = inbox.pipeline()
    opened.zoom.take_in()
    corrected = tmp_path / "attendees corrected.csv"
    corrected.write_bytes(body)
    (kept,) = opened.zoom.replay([str(corrected)])
    assert (kept.reason, kept.days) == (None, [str(DAY)])
    assert list(opened.zoom.days_to_make()) == [DAY]
    make(opened)
    assert people(opened) == ["Asha", "Bina"]
    with pytest.raises(FunnelError, match="no file called nothing") as caught:
        opened.zoom.replay(["nothing.csv"])
    assert "funnel quarantine list" in str(caught.value)
