"""What a changed dump changes: exactly what a rebuild from scratch would give, and nothing else."""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.pipeline import compute, zoom
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import INDIA, LAST_DAY, Place, place

DAYS = 5


@pytest.fixture
def here() -> Iterator[Place]:
    with place(days=DAYS, scale=0.04) as made, harness.secrets_in_environment(made):
        yield made


@pytest.fixture(scope="module")
def made_here() -> Iterator[Place]:
    """Every day is made here once; who changes something puts it back."""
    with place(days=DAYS, scale=0.04) as made, harness.secrets_in_environment(made):
        make_all(pipeline(made), pipeline(made).all_days())
        yield made


def as_of(here: Place, days_ago: int) -> None:
    """Let the sources answer as they did some nights ago."""
    night = dt.datetime.combine(LAST_DAY - dt.timedelta(days=days_ago - 1), dt.time(1), INDIA)
    here.server.set_as_of(night)


def pipeline(here: Place, **environ: str) -> Pipeline:
    return Pipeline(load_settings({**here.environ, **environ}, dotenv=False))


def make_all(opened: Pipeline, days: list[dt.date]) -> None:
    for name in in_order():
        outcome = opened.make(name, days)
        assert not outcome.failed, outcome.error()


def contents(opened: Pipeline) -> dict[tuple[str, dt.date], str]:
    return {
        (name, day): facts.content for name in NODES for day, facts in opened.lake.all_facts(name).items()
    }


def rebuilt(
    here: Place, opened: Pipeline, days: list[dt.date], tmp_path: Path
) -> dict[tuple[str, dt.date], str]:
    """Contents of a lake made anew from the same landed files and config."""
    home = tmp_path / "again"
    for part in ("landing", "config"):
        shutil.copytree(here.home / part, home / part)
    (home / "inbox" / "zoom").mkdir(parents=True)
    again = pipeline(here, FUNNEL_HOME=str(home))
    for name in in_order():
        outcome = again.make(name, days, fetch=False)
        assert not outcome.failed, outcome.error()
    return contents(again)


@pytest.mark.long
def test_range_equals_day_by_day_in_any_order(tmp_path: Path) -> None:
    # On another engine, too: it must not matter either.
    with place(days=3, scale=0.06) as here, harness.secrets_in_environment(here):
        opened = pipeline(here, FUNNEL_ENGINE="duckdb")
        days = opened.all_days()
        make_all(opened, days)
        single = pipeline(here, FUNNEL_LAKE=str(tmp_path / "single"))
        for day in [days[2], days[0], days[1]]:
            make_all(single, [day])
        assert contents(single) != contents(opened), "there is something to restate"
        single.restate(days)
        assert contents(single) == contents(opened)


@pytest.mark.long
def test_a_day_alone_equals_the_same_day_of_a_long_range() -> None:
    """Few days are made from the records of the people who matter on them, whatever lies between."""
    with place(days=50, scale=0.03) as here, harness.secrets_in_environment(here):
        opened = pipeline(here)
        days = opened.all_days()
        make_all(opened, days)
        last = days[-1:]
        before = contents(opened)
        derived = [name for name in in_order() if not NODES[name].is_source]
        for name in derived:
            opened.lake.delete(name, last[0])
        for name in derived:
            outcome = opened.make(name, last, fetch=False)
            assert not outcome.failed, outcome.error()
        assert contents(opened) == before
        health = opened.lake.read("scored_contacts", last)["engagement_health"].to_pylist()
        assert {"Active", "Stale", "Dormant"} <= set(health)


@pytest.mark.long
def test_a_range_in_pieces_equals_the_range_at_once(
    made_here: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, in_pieces = pipeline(made_here), pipeline(made_here, FUNNEL_LAKE=str(tmp_path / "lake"))
    shutil.copytree(made_here.home / "lake", tmp_path / "lake")
    derived = ["zoom_attendance", *(name for name in in_order() if not NODES[name].is_source)]
    for name in derived:
        shutil.rmtree(tmp_path / "lake" / name)
    monkeypatch.setattr(compute, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(zoom, "BYTES_AT_ONCE", 1)
    set_aside = in_pieces.quarantine.rows(["zoom_attendance"])
    ranges: list[tuple[dt.date, dt.date]] = []
    tried = compute._tried
    monkeypatch.setattr(compute, "_tried", lambda *range_: ranges.append(range_[:2]) or tried(*range_))
    for name in derived:
        outcome = in_pieces.make(name, in_pieces.all_days(), fetch=False)
        assert not outcome.failed, outcome.error()
    assert {first for first, _ in ranges} >= set(in_pieces.all_days())
    assert contents(in_pieces) == contents(at_once)
    assert in_pieces.quarantine.rows(["zoom_attendance"]).equals(set_aside)


def test_same_dump_again_changes_no_byte(made_here: Place) -> None:
    opened = pipeline(made_here)
    lake = made_here.home / "lake"
    files = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lake.rglob("*.parquet")}
    make_all(opened, opened.all_days())
    assert not opened.stale_plan()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in lake.rglob("*.parquet")} == files


def write_link_rows(here: Place, opened: Pipeline) -> list[dict[str, Any]]:
    """Join the first two people with a phone to themselves and part the third from it; return a lead of each."""
    emails: dict[str, dict[str, dict[str, Any]]] = {}
    for row in opened.lake.read("raw_leads", opened.all_days()[:4]).to_pylist():
        if row["email"] and row["phone"]:
            emails.setdefault(row["phone"], {})[row["email"]] = row
    alone = [lead for leads in emails.values() for lead in leads.values() if len(leads) == 1]
    first, second, third = alone[:3]
    table = here.home / "config" / "identity_links.csv"
    table.write_text(
        "action,person_a,person_b,reason,author\n"
        f"must_link,{first['phone']},{second['email']},one person,ops\n"
        f"cannot_link,{third['phone']},{third['email']},a wrong number,ops\n"
    )
    return [first, second, third]


@pytest.mark.long
def test_late_edits_restate_exactly_what_a_rebuild_gives(here: Place, tmp_path: Path) -> None:
    opened = pipeline(here)
    days = opened.all_days()
    for night in (3, 1):
        as_of(here, night)
        known = days[: DAYS - night + 1]
        before = contents(opened)
        make_all(opened, [day for day in known if day not in opened.lake.days("funnel_marts")])
        if night == 1:
            first, _, third = write_link_rows(here, opened)
        opened.restate(known)
        assert not {name: found for name, found in opened.stale_plan().items() if found}
    after = contents(opened)
    edited = {name for (name, day), content in before.items() if after[name, day] != content}
    assert any(NODES[name].is_source for name in edited), "the sources changed what was made already"
    people = {row["person_id"] for row in opened.lake.read("dedup_leads", days).to_pylist()}
    assert {first["phone_key"], third["email_key"]} <= people
    assert contents(opened) == rebuilt(here, opened, days, tmp_path)


def test_a_changed_mapping_or_link_row_restates_and_taking_it_back_restores(made_here: Place) -> None:
    here = made_here
    opened = pipeline(here)
    days = opened.all_days()
    before = contents(opened)
    mapping = here.home / "config" / "funnel_mapping.csv"
    original = mapping.read_text()
    lines = original.splitlines()
    source, _, *rest = lines[1].split(",")
    mapping.write_text("\n".join([lines[0], ",".join([source, "Another Funnel", *rest]), *lines[2:]]) + "\n")
    assert set(opened.restate(days)) == {
        "dedup_leads",
        "assigned_leads",
        "sales_enriched",
        "sale_credit",
        "funnel_marts",
    }
    assert contents(opened) != before
    mapping.write_text(original)
    opened.restate(days)
    assert contents(opened) == before
    _link_rows_restate(here, opened, before)


def _link_rows_restate(here: Place, opened: Pipeline, before: dict[tuple[str, dt.date], str]) -> None:
    """Rows of identity_links.csv join and part people everywhere, and taking them back restores what was."""
    days = opened.all_days()
    first, second, third = write_link_rows(here, opened)
    table = here.home / "config" / "identity_links.csv"
    made = {name for name, node in NODES.items() if not node.is_source}
    assert set(opened.restate(days)) == made
    people = opened.lake.read("dedup_leads", days).to_pylist()
    assert {first["phone_key"], third["email_key"]} <= {row["person_id"] for row in people}
    assert second["phone_key"] not in {row["person_id"] for row in people if row["date"] >= second["date"]}
    after = contents(opened)
    changed = {name for name, day in after if after[name, day] != before[name, day]}
    assert {"dedup_leads", "engagement_summary", "scored_contacts"} <= changed <= made
    table.unlink()
    assert set(opened.restate(days)) == made
    assert contents(opened) == before
