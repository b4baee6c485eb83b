"""A dump looked at piece by piece holds what it holds when it is read whole, and only new pieces are read."""

import datetime as dt
import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from funnel_assets.config.source_model import Source
from funnel_assets.config.sources import load_sources
from funnel_assets.domain.parsing import PARSERS
from funnel_assets.errors import SourceBroken
from funnel_assets.pipeline import indexing
from funnel_assets.pipeline.indexing import Indexed, Task, index_dump
from funnel_assets.pipeline.landed import source_context
from funnel_assets.pipeline.row_store import RowStore
from funnel_assets.sources import pieces
from funnel_assets.storage.landing import Snapshot
from funnel_assets_tests.pseudonyms import PSEUDONYMS

LAST = dt.date(2026, 3, 31)
HEADS = {
    "raw_leads": "Name,Email,Phone number,City,Question 1,utmSource,utmMedium,utmCamp,created date",
    "spend": "date_time,Category,campaign,cost,impressions,clicks",
    "crm_assignments": "leadMobile,assignOn,sources,employee",
}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("FROM_BYTES", 1), ("LEAST_BYTES", 2_000), ("_ROWS_PER_BORDER", 8)):
        monkeypatch.setattr(pieces, name, size)


@pytest.fixture(scope="module")
def dumps() -> dict[str, bytes]:
    """Dumps with repeated, undated, misshapen and odd rows."""
    dice = random.Random(11)

    def day() -> str:
        return str(LAST - dt.timedelta(days=dice.randrange(20)))

    def phone() -> str:
        return f"98{dice.randrange(10**8):08d}"

    leads = [
        f'"Asha, {n}","a{n}@x.example",{phone()},"two\nlines",{dice.choice(["", "job"])},fb,paid,c{n % 5},'
        f"{dice.choice([day() + ' 10:00:00', day() + ' 23:59:59', '', 'soon'])}"
        for n in range(600)
    ]
    leads += [leads[3], leads[3], "too,few", leads[5] + ",and,many,more", ",,,,,,,,"]
    assigned = [f"{phone()},{day()} 11:00:00,fb,Meera {n % 3}" for n in range(400)]
    dice.shuffle(assigned)
    spent = [f"{day()},Organic,c{n % 4},{n}.50,{n},{n // 7}" for n in range(400)]
    events = [
        {
            "event_id": f"e{n % 500}",
            "email": f"a{n}@x.example",
            "event_type": dice.choice(["view", "", "click"]),
        }
        | {"event_time": f"{day()}T10:{n % 60:02d}:00Z", "metadata": {"page": "},{", "n": [n]}}
        | ({"phone": phone()} if n % 3 else {})
        for n in range(700)
    ]
    return {
        "raw_leads": "\n".join([HEADS["raw_leads"], *leads]).encode(),
        "crm_assignments": "\n".join([HEADS["crm_assignments"], *assigned, *assigned[:40], ""]).encode(),
        "spend": "\n".join([HEADS["spend"], *spent, *spent[:9], ""]).encode(),
        "engagement_events": json.dumps([*events, "not an object"]).encode(),
    }


def source(dataset: str, tmp_path: Path, more: str = "") -> Source:
    kind = "json" if dataset == "engagement_events" else "csv"
    formats = '    date_formats: ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d"]\n' if kind == "csv" else ""
    # The rows that these tests make up repeat ids on purpose.
    more += "    most_superseded_pct: 100\n"
    listed = f"{dataset}:\n  - name: one\n    path: dump.{kind}\n    kind: {kind}\n{formats}{more}"
    others = "".join(f"{name}: []\n" for name in [*PARSERS, "zoom_attendance"] if name != dataset)
    (tmp_path / "sources.yaml").write_text(listed + others)
    return load_sources(tmp_path / "sources.yaml", {}).of(dataset)[0]


def task(of: Source, content: bytes, tmp_path: Path, before: Snapshot | None = None) -> Task:
    sha256 = hashlib.sha256(content).hexdigest()
    path = tmp_path / f"{sha256}.{of.format}"
    path.write_bytes(content)
    snapshot = Snapshot(of.dataset, of.name, "dump", dt.datetime.now(dt.UTC), len(content), sha256, path.name)
    context = replace(source_context_of(of), file="dump")
    store = RowStore(tmp_path / "rows")
    return Task(of, snapshot, path, PARSERS[of.dataset], context, "rules", before, store, keep=True)


def source_context_of(of: Source):
    class NoTables(dict):
        pseudonyms = PSEUDONYMS

        def __missing__(self, name: str) -> pd.DataFrame:
            return pd.DataFrame({"value": []})

    return source_context(of, "dump", "Asia/Kolkata", NoTables())  # type: ignore[arg-type]


def told(found: Indexed) -> dict[str, object]:
    bad = found.bad.sort_values(["line", "reason"], kind="stable").astype(object).to_dict("records")
    per_day = {}
    for day in found.index.days:
        table, index = found.rows.on([day])
        per_day[day] = (
            table.drop(columns="line").astype(object).where(table.notna(), None).to_dict("records"),
            index.astype(object).where(index.notna(), None).to_dict("records"),
        )
    return {"index": found.index, "profile": found.profile, "bad": bad, "rows": per_day}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Offsets of the pieces that were read."""
    offsets: list[int] = []
    real = pieces.Dump.read

    def watched(self: pieces.Dump, piece: pieces.Piece):
        offsets.append(piece.start)
        return real(self, piece)

    monkeypatch.setattr(pieces.Dump, "read", watched)
    return offsets


@pytest.mark.parametrize("dataset", ["raw_leads", "crm_assignments", "spend", "engagement_events"])
def test_pieces_hold_what_the_whole_holds(
    dumps: dict[str, bytes], dataset: str, tmp_path: Path, read: list[int]
) -> None:
    todo = task(source(dataset, tmp_path), dumps[dataset], tmp_path)
    expected = told(indexing._whole(todo))
    assert not read
    assert told(index_dump(todo)) == expected
    assert len(set(read)) > 5
    read.clear()
    assert told(index_dump(todo)) == expected, "from what was kept"


@pytest.mark.parametrize("dataset", ["raw_leads", "crm_assignments", "spend", "engagement_events"])
def test_an_edited_dump_costs_what_was_edited(
    dumps: dict[str, bytes], dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    real = indexing._as_batch
    monkeypatch.setattr(
        indexing, "_as_batch", lambda rows, facts: looked_at.append(len(rows)) or real(rows, facts)
    )
    of, before = source(dataset, tmp_path), dumps[dataset]
    index_dump(task(of, before, tmp_path))
    at_first = sum(looked_at)
    looked_at.clear()
    border = b"}, {" if dataset == "engagement_events" else b"\n"
    rows = before.split(border)
    after = border.join([*rows[:50], rows[60], *rows[50:200], *rows[201:]])
    todo = task(of, after, tmp_path)
    found = index_dump(todo)
    assert 0 < sum(looked_at) <= at_first / 2
    assert told(found) == told(indexing._whole(todo))


def test_one_day_reads_the_pieces_that_hold_it(tmp_path: Path, read: list[int]) -> None:
    days = [LAST - dt.timedelta(days=n // 40) for n in range(1200)]
    lines = [f"{day},Organic,c,{n}.50,1,1" for n, day in enumerate(days)]
    of, content = source("spend", tmp_path), "\n".join([HEADS["spend"], *lines]).encode()
    index_dump(task(of, content, tmp_path))
    found = index_dump(task(of, content, tmp_path))
    read.clear()
    table, _ = found.rows.on([LAST])
    assert table["line"].tolist() == list(range(2, 42))
    assert 0 < len(read) <= 3
    nothing, index = found.rows.on([LAST + dt.timedelta(days=1)])
    assert len(nothing) == len(index) == 0


def test_a_new_column_is_told_and_everything_read(
    dumps: dict[str, bytes], tmp_path: Path, read: list[int]
) -> None:
    of = source("spend", tmp_path)
    first = index_dump(todo := task(of, dumps["spend"], tmp_path))
    before = replace(todo.snapshot, extra={"profile": first.profile})
    head, _, body = dumps["spend"].partition(b"\n")
    wider = head + b",Mood\n" + body.replace(b"\n", b",Reach\n")
    found = index_dump(task(of, wider, tmp_path, before))
    assert found.index.drift == ["Column 'Mood' is new, with values such as Reach."]
    assert found.index.days == first.index.days


def test_a_renamed_column_over_the_same_rows_is_not_lost(dumps: dict[str, bytes], tmp_path: Path) -> None:
    of = source("spend", tmp_path)
    first = index_dump(todo := task(of, dumps["spend"], tmp_path))
    before = replace(todo.snapshot, extra={"profile": first.profile})
    content = dumps["spend"].replace(b"campaign", b"Campaign", 1)
    found = index_dump(todo := task(of, content, tmp_path, before))
    assert told(found) == told(indexing._whole(todo))
    assert found.index.days == first.index.days
    assert found.index.drift == ["Column 'campaign' is now called 'Campaign'."]


def test_texts_in_a_column_of_numbers_are_told(dumps: dict[str, bytes], tmp_path: Path) -> None:
    of = source("spend", tmp_path)
    first = index_dump(todo := task(of, dumps["spend"], tmp_path))
    before = replace(todo.snapshot, extra={"profile": first.profile})
    found = index_dump(task(of, dumps["spend"].replace(b".50,", b" rupees,"), tmp_path, before))
    assert "Column 'cost' was numbers and now has 409 texts" in found.index.drift[0]


def test_other_rules_or_damage_cost_a_reading(
    dumps: dict[str, bytes], tmp_path: Path, read: list[int]
) -> None:
    todo = task(source("spend", tmp_path), dumps["spend"], tmp_path)
    expected = told(index_dump(todo))
    for change in ("rules", "damage"):
        if change == "damage":
            for path in (tmp_path / "rows").glob("*.arrow"):
                path.write_bytes(path.read_bytes()[:300])
        read.clear()
        again = told(index_dump(replace(todo, rules=f"other {change}")))
        assert len(set(read)) > 5
        assert again["rows"] == expected["rows"]


def test_a_currency_nobody_asked_for_is_refused(dumps: dict[str, bytes], tmp_path: Path) -> None:
    of = source("spend", tmp_path, more="    currency: {column: money}\n")
    head, _, body = dumps["spend"].partition(b"\n")
    content = head + b",money\n" + body.replace(b"\n", b",USD\n")
    with pytest.raises(SourceBroken, match="Every row is in USD"):
        index_dump(task(of, content, tmp_path))
    mixed = index_dump(task(of, content.replace(b",USD\n", b",INR\n", 1), tmp_path))
    assert mixed.index.rows_in == 409
