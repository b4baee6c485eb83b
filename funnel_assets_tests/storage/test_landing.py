"""The landing keeps every byte once, whole, and never loses one that a published day stands on (SPEC 3)."""

import datetime as dt
import hashlib
import io
import json
import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from funnel_assets.errors import LandedDamaged, SourceBroken
from funnel_assets.storage.landing import Landing, Snapshot

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def at(days: float) -> dt.datetime:
    return NOON + dt.timedelta(days=days)


def put(landing: Landing, content: bytes, day: float = 0, **more: object) -> Snapshot:
    return landing.put("crm_sales", "crm", content, "https://crm.example.com/sales", at(day), "csv", **more)  # type: ignore[arg-type]


def test_bytes_come_back_and_the_record_says_all(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    sha = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    snapshot = put(landing, b"a,b\n1,2\n", rows=1, header=["a", "b"], etag='"v1"')
    assert snapshot.path == f"crm_sales/crm/{sha}.csv"
    with landing.open(snapshot, verify=True) as stream:
        assert stream.read() == b"a,b\n1,2\n"
    record = json.loads(
        (tmp_path / f"crm_sales/crm/fetches/n000000001-20260310T120000000000Z-{sha[:8]}.json").read_text()
    )
    assert record == {
        "dataset": "crm_sales",
        "source": "crm",
        "origin": "https://crm.example.com/sales",
        "fetched_at": "2026-03-10T12:00:00+00:00",
        "bytes": 8,
        "sha256": sha,
        "path": f"crm_sales/crm/{sha}.csv",
        "unchanged": False,
        "rows": 1,
        "header": ["a", "b"],
        "etag": '"v1"',
        "last_modified": None,
        "extra": None,
        "arrival": 1,
        "is_proven": True,
    }
    assert landing.snapshots("crm_sales", "crm") == [snapshot]
    assert landing.sources() == [("crm_sales", "crm")]


@pytest.mark.parametrize("kind", ["bytes", "stream", "path", "moved path"])
def test_every_kind_of_content_lands_alike(tmp_path: Path, kind: str) -> None:
    landing = Landing(tmp_path / "landing")
    file = landing.temporary("crm_sales", "crm")
    file.write_bytes(b"x")
    content = {"bytes": b"x", "stream": io.BytesIO(b"x"), "path": file, "moved path": file}[kind]
    snapshot = landing.put("crm_sales", "crm", content, "x.csv", NOON, "csv", move=kind == "moved path")
    assert landing.path(snapshot, verify=True).read_bytes() == b"x"
    assert file.exists() == (kind != "moved path")


def test_same_bytes_are_one_file_and_marked_unchanged(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    first, second, third, fourth = (
        put(landing, content, day, rows=rows)
        for day, (content, rows) in enumerate([(b"1", 7), (b"1", None), (b"2", None), (b"1", None)])
    )
    assert [s.unchanged for s in (first, second, third, fourth)] == [False, True, False, False]
    assert second.rows == 7
    assert len(list((tmp_path / "crm_sales/crm").glob("*.csv"))) == 2
    assert len(landing.snapshots("crm_sales", "crm")) == 4


def test_the_same_fetch_twice_is_one_record(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    assert put(landing, b"1") == put(landing, b"1")
    assert len(landing.snapshots("crm_sales", "crm")) == 1


def test_newest_goes_by_order_of_arrival_whatever_the_clock_says(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    shas = [
        put(landing, content, day).sha256 for content, day in ((b"1", 3), (b"2", 1), (b"3", 9), (b"4", 2))
    ]
    again = landing.again(landing.snapshots("crm_sales", "crm")[0], at(0))
    assert [one.sha256 for one in landing.snapshots("crm_sales", "crm")] == [*shas, shas[0]]
    assert landing.newest("crm_sales", "crm") == again
    assert landing.newest("crm_sales", "other") is None


def test_fetches_of_an_earlier_version_come_first(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    old = [put(landing, content, day) for content, day in ((b"1", 8), (b"2", 9))]
    for one in old:
        path = landing._record(one)
        content = json.loads(path.read_text())
        del content["arrival"]
        path.with_name(path.name.partition("-")[2]).write_text(json.dumps(content))
        path.unlink()
    new = put(landing, b"3", 1)
    found = landing.snapshots("crm_sales", "crm")
    assert [one.sha256 for one in found] == [one.sha256 for one in (*old, new)]
    assert [one.arrival for one in found] == [0, 0, 1]


def test_a_damaged_record_is_set_aside_and_a_damaged_file_takes_its_bytes_again(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    first, second = put(landing, b"1", 1), put(landing, b"2", 2)
    landing._record(second).write_bytes(b'{"header": ')
    assert landing.newest("crm_sales", "crm") == first
    assert not landing.holds("crm_sales", "crm", second.sha256)
    assert landing.holds("crm_sales", "crm", first.sha256)
    landing.path(first).write_bytes(b"!")
    with pytest.raises(LandedDamaged, match="no longer match"):
        landing.path(first, verify=True)
    put(landing, b"1", 3)
    assert landing.path(first, verify=True).read_bytes() == b"1"


def test_not_modified_answer_is_a_new_fetch_of_the_same_bytes(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    first = put(landing, b"1", etag='"v1"')
    again = landing.again(first, at(1))
    assert landing.newest("crm_sales", "crm") == again
    assert again.unchanged
    assert (again.etag, again.sha256) == (first.etag, first.sha256)


def test_annotate_adds_what_a_reader_learned(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    snapshot = put(landing, b"1", extra={"a": 1})
    landing.annotate(snapshot, rows=3, header=["x"], extra={"b": 2})
    found = landing.newest("crm_sales", "crm")
    assert found is not None
    assert (found.rows, found.header, found.extra) == (3, ("x",), {"a": 1, "b": 2})


def test_names_from_config_stay_inside_the_landing(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing")
    for name in ("..", "../../x", "a/b", "a%2Fb", ".", "sheet 1"):
        landing.put("raw_leads", name, name.encode(), "x", NOON, "csv")
    assert {path.name for path in tmp_path.iterdir()} == {"landing"}
    assert {source for _, source in landing.sources()} == {"..", "../../x", "a/b", "a%2Fb", ".", "sheet 1"}


def test_damage_and_loss_are_noticed(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    snapshot = put(landing, b"12345")
    place = landing.path(snapshot)
    place.write_bytes(b"54321")
    with pytest.raises(SourceBroken, match="damaged"):
        landing.path(snapshot, verify=True)
    place.unlink()
    with pytest.raises(SourceBroken, match="gone"):
        landing.open(snapshot)


def test_bytes_that_vanished_land_again(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    landing.path(put(landing, b"1")).unlink()
    again = put(landing, b"1", 1)
    assert landing.path(again, verify=True).read_bytes() == b"1"


@pytest.mark.parametrize(
    ("keep_days", "keep_min", "protected", "kept"),
    [
        pytest.param(3, 1, [], [b"8", b"9"], id="by age"),
        pytest.param(0, 4, [], [b"6", b"7", b"8", b"9"], id="by number"),
        pytest.param(0, 0, [], [b"9"], id="the newest always stays"),
        pytest.param(1, 1, [b"2", b"5"], [b"2", b"5", b"9"], id="a published day's stays"),
    ],
)
def test_prune(
    tmp_path: Path, keep_days: int, keep_min: int, protected: list[bytes], kept: list[bytes]
) -> None:
    landing = Landing(tmp_path)
    for day in range(10):
        put(landing, str(day).encode(), day)
    shas = {hashlib.sha256(content).hexdigest() for content in protected}
    pruned = landing.prune("crm_sales", "crm", keep_days, keep_min, shas, now=at(10.5))
    left = landing.snapshots("crm_sales", "crm")
    assert [landing.path(one, verify=True).read_bytes() for one in left] == kept
    assert (pruned.snapshots, pruned.files, pruned.bytes) == (10 - len(kept),) * 3
    assert len(list((tmp_path / "crm_sales/crm").glob("*.csv"))) == len(kept)


def test_prune_keeps_bytes_that_a_younger_fetch_shares(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    put(landing, b"1", 0)
    put(landing, b"2", 1)
    young = put(landing, b"1", 9)
    landing.prune("crm_sales", "crm", 2, 1, now=at(10))
    assert landing.path(young, verify=True).read_bytes() == b"1"


def test_leftovers_are_ignored_then_swept(tmp_path: Path) -> None:
    landing = Landing(tmp_path)
    left = landing.temporary("crm_sales", "crm")
    left.write_bytes(b"half")
    put(landing, b"1")
    assert left.exists()
    assert len(landing.snapshots("crm_sales", "crm")) == 1
    os.utime(left, (time.time() - 3700,) * 2)
    put(landing, b"2", 1)
    assert not left.exists()


def test_naive_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        Landing(tmp_path).put("d", "s", b"1", "x", dt.datetime(2026, 1, 1), "csv")


def test_many_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    landing = Landing(tmp_path)

    def work(number: int) -> None:
        put(landing, str(number % 5).encode(), number)
        landing.prune("crm_sales", "crm", 10_000, 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    left = landing.snapshots("crm_sales", "crm")
    assert len(left) == 40
    assert {landing.path(one, verify=True).read_bytes() for one in left} == {b"0", b"1", b"2", b"3", b"4"}
    assert list((tmp_path / "crm_sales/crm/tmp").iterdir()) == []


def _write_for_ever(root: Path) -> None:
    landing = Landing(root)
    for number in range(100_000):
        put(landing, str(number).encode() * 20_000, number / 1000)


def test_killed_writer_leaves_no_half_file_and_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    for _ in range(5):
        process = context.Process(target=_write_for_ever, args=(tmp_path,))
        process.start()
        time.sleep(0.12)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        process.join()
    landing = Landing(tmp_path)
    left = landing.snapshots("crm_sales", "crm")
    assert left
    assert all(landing.path(one, verify=True) for one in left)
    assert landing.path(put(landing, b"after", 500), verify=True).read_bytes() == b"after"
