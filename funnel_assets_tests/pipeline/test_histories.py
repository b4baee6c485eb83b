"""Equality: whatever happens to the sources, restating what changed gives what a rebuild from scratch gives.

A history is some nights in each of which rows are edited, deleted, copied with other contacts, brought back, Zoom
reports arrive late, the mapping changes. ``FUNNEL_HISTORIES=200`` runs as many as the software is held to.
"""

import contextlib
import csv
import datetime as dt
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from funnel_assets.config.settings import load_settings
from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.pipeline import restating
from funnel_assets.pipeline.changes import changes_since
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.sources import pieces
from funnel_assets.storage.postgres import ensure_server
from funnel_assets.storage.views import VIEW_NAMES
from funnel_assets.storage.views.kept import HELPERS
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import LAST_DAY, Place, place

pytestmark = pytest.mark.long

HISTORIES = int(os.environ.get("FUNNEL_HISTORIES", "1"))
DAYS = 5
PATHS = {
    "leads": "/sheets/leads.csv",
    "landing_leads": "/sheets/landing_leads.csv",
    "spend": "/sheets/spend.csv",
    "crm_assignments": "/crm/assignments.csv",
    "crm_sales": "/crm/sales.csv",
    "engagement_events": "/events.json",
}
EDITED = {
    "leads": ("Email", "Phone number", "utmSource", "created date"),
    "landing_leads": ("Email", "Phone number", "utm_source", "Submitted at"),
    "spend": ("cost", "Category", "campaign", "date_time"),
    "crm_assignments": ("sources", "assignOn", "leadMobile"),
    "crm_sales": ("StudentContact", "StudentEmail", "status", "TotalAmount", "createdOn", "netAmount"),
    "engagement_events": ("email", "phone", "event_type", "event_time"),
}

CONTACTS = ("Email", "Phone number", "StudentEmail", "StudentContact", "email", "phone")
IDS = {
    "leads": ("leads_sheet", "{column: City, system: crm}", "City"),
    "landing_leads": ("landing_pages_sheet", "City", "City"),
    "crm_sales": ("crm_sales", "{column: sid, system: CRM}", "sid"),
    "engagement_events": ("events", "{column: company, system: crm}", "company"),
}
"""Source, what sources.yaml says of its ids, and the column they are in."""

UNKNOWN = [("nobody", name, 5, 0, 12) for name in IDS]
"""Of each source the last rows lose phone and e-mail; all but one of them keep an id."""

KEPT = ("lake", "landing", "config", "inbox")

number = st.integers(0, 10_000)
edit = st.tuples(
    st.sampled_from(["edit", "edit", "delete", "copy"]), st.sampled_from(list(PATHS)), number, number, number
)
other = st.tuples(
    st.sampled_from(["revert", "zoom", "mapping", "nobody", "nobody"]),
    st.sampled_from(list(PATHS)),
    number,
    number,
    number,
)
history = st.lists(st.lists(st.one_of(edit, edit, other), min_size=1, max_size=10), min_size=2, max_size=3)


@dataclass(repr=False)
class Stage:
    """A made and published lake that each history starts from."""

    here: Place
    home: Path
    rows: dict[str, list[dict[str, str]]]
    late: dict[str, bytes]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("stage")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with place(days=35, scale=0.03, drop=False) as here, harness.secrets_in_environment(here):
        sources = here.home / "config" / "sources.yaml"
        for source, ids, _ in IDS.values():
            name = f"  - name: {source}\n"
            assert name in sources.read_text()
            sources.write_text(sources.read_text().replace(name, f"{name}    external_id: {ids}\n"))
        here.environ["FUNNEL_START_DATE"] = str(LAST_DAY - dt.timedelta(days=DAYS - 1))
        recent = {
            name: body
            for name, body in here.world.zoom_files().items()
            if _day_of(name) >= here.settings.start_date
        }
        late = dict(sorted(recent.items())[::2])
        for name, body in recent.items():
            if name not in late:
                here.drop(name, body)
        opened = harness.open_pipeline(here)
        make_all(opened)
        opened.publish()
        with tempfile.TemporaryDirectory() as kept:
            for part in KEPT:
                shutil.copytree(here.home / part, Path(kept) / part)
            yield Stage(here, Path(kept), {name: parsed(here, name) for name in PATHS}, late)


def _day_of(name: str) -> dt.date:
    found = re.search(r"(\d{4})_(\d{2})_(\d{2})", name)
    assert found, name
    return dt.date(*map(int, found.groups()))


def parsed(here: Place, name: str) -> list[dict[str, Any]]:
    body = here.world.dump(name, None).decode("utf-8-sig")
    return json.loads(body) if name == "engagement_events" else list(csv.DictReader(io.StringIO(body)))


def written(name: str, rows: list[dict[str, Any]], columns: list[str]) -> str:
    if name == "engagement_events":
        return json.dumps(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def make_all(opened: Pipeline, *, fetch: bool = True) -> None:
    for name in in_order():
        outcome = opened.make(name, opened.all_days(), fetch=fetch)
        assert not outcome.failed, outcome.error()


def lake(opened: Pipeline) -> dict[tuple[str, str], str]:
    return {
        (name, str(day)): facts.content
        for name in NODES
        for day, facts in opened.lake.all_facts(name).items()
    }


@contextlib.contextmanager
def fresh(stage: Stage) -> Iterator[Pipeline]:
    """The stage as it was made; its database follows the lake by what differs."""
    for part in (*KEPT, "quarantine"):
        shutil.rmtree(stage.here.home / part, ignore_errors=True)
        if part in KEPT:
            shutil.copytree(stage.home / part, stage.here.home / part)
    stage.here.server.behave()
    yield harness.open_pipeline(stage.here)


@contextlib.contextmanager
def in_small_pieces() -> Iterator[None]:
    """Let these small dumps be read as large ones are."""
    sizes = {"FROM_BYTES": 1, "LEAST_BYTES": 2_000, "_ROWS_PER_BORDER": 8}
    with pytest.MonkeyPatch.context() as patched:
        for name, size in sizes.items():
            patched.setattr(pieces, name, size)
        yield


def happen(
    stage: Stage, rows: dict[str, list[dict[str, Any]]], event: tuple[str, str, int, int, int]
) -> None:
    what, name, at, which, value = event
    there, columns = rows[name], EDITED[name]
    if what == "zoom":
        file = sorted(stage.late)[at % len(stage.late)] if stage.late else None
        if file:
            stage.here.drop(file, stage.late[file])
    elif what == "mapping":
        path = stage.here.home / "config" / "funnel_mapping.csv"
        header, *lines = (line.split(",") for line in path.read_text().splitlines())
        source = lines[at % len(lines)][0]
        for cells in lines:
            if cells[0] == source:
                cells[1] = f"Funnel {value % 3}"
        path.write_text("\n".join(map(",".join, [header, *lines])) + "\n")
    elif what == "revert":
        rows[name] = [dict(row) for row in stage.rows[name]]
        shutil.copy(
            stage.home / "config" / "funnel_mapping.csv", stage.here.home / "config" / "funnel_mapping.csv"
        )
    elif what == "nobody":
        for row in there[-1 - at % 40 :] if name in IDS else ():
            row |= {column: "" for column in CONTACTS if column in row}
            row[IDS[name][2]] = ("id 1", "id 2", "")[(value + which) % 3]
            value //= 3
    elif there and what == "delete":
        del there[-1 - at % min(len(there), 40)]
    elif there:
        # The latest rows are those of the days that are made.
        row = there[-1 - at % min(len(there), 40)]
        if what == "copy":
            row = dict(row)
            there.append(row)
            if "_id" in row:
                row["_id"] = f"copy-{at}-{which}-{value}"
            if "event_id" in row:
                row["event_id"] = f"copy-{at}-{which}-{value}"
        column = columns[which % len(columns)]
        row[column] = there[-1 - value % min(len(there), 40)][column] if value % 9 else ""


@pytest.mark.timeout(300 + 120 * HISTORIES)
@settings(
    max_examples=HISTORIES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize="FUNNEL_HISTORIES" not in os.environ,
    database=None,
)
@example(nights=[[("nobody", "crm_sales", 0, 0, 0)], [("edit", "leads", 0, 0, 0)]])
@given(nights=history)
def test_restating_equals_a_rebuild(stage: Stage, nights: list[list[tuple[str, str, int, int, int]]]) -> None:
    rows = {name: [dict(row) for row in found] for name, found in stage.rows.items()}
    columns = {name: list(found[0]) for name, found in stage.rows.items() if found}
    # Dumps are read in pieces here, and whole where all is made anew: both ways must give the same.
    with in_small_pieces(), fresh(stage) as opened:
        for events in [*nights[:-1], [*nights[-1], *UNKNOWN]]:
            began = dt.datetime.now(dt.UTC)
            for event in events:
                happen(stage, rows, event)
            for name, path in PATHS.items():
                stage.here.server.misbehave(path, body_override=written(name, rows[name], columns[name]))
            for name in NODES:
                if NODES[name].is_source and name != "zoom_attendance":
                    # What can't be dated fails its own day; the dump has landed, and that is what is restated.
                    opened.make(name, opened.all_days()[-1:])
            opened.zoom.take_in()
            opened.restate(opened.all_days())
            assert not opened.stale_plan()
            told = changes_since(opened.lake, began)
            assert told.adds_up, told.figures
            opened.publish()
    leads = opened.lake.read("dedup_leads", opened.all_days(), columns=["identified_by"])
    assert "external" in leads["identified_by"].to_pylist()
    restated = lake(opened)
    in_database = published(opened)
    again = rebuilt(stage)
    assert restated == lake(again)
    nothing_published(stage)
    again.warehouse = opened.warehouse
    again.publish()
    made_anew = published(again)
    for name, found in in_database.items():
        assert found == made_anew[name], name


OF_THE_ROWS = (
    *CONTRACTS,
    *(helper.name for helper in HELPERS),
    *(name for name in VIEW_NAMES if name not in ("vw_freshness", "vw_quarantine", "vw_decisions")),
)
"""Tables and views that follow from the lake alone. A publish only brings up what its days concern."""


def nothing_published(stage: Stage) -> None:
    url = ensure_server(stage.here.home).warehouse_url.replace("+psycopg2", "")
    with contextlib.closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA funnel CASCADE")


def published(opened: Pipeline) -> dict[str, list[str]]:
    return {
        name: [
            row["row"] for row in opened.warehouse.fetch(f'SELECT t::text AS row FROM "{name}" t ORDER BY 1')
        ]
        for name in OF_THE_ROWS
    }


def rebuilt(stage: Stage) -> Pipeline:
    """A lake made anew from the same landed files and config."""
    home = stage.here.home / "again"
    shutil.rmtree(home, ignore_errors=True)
    for part in ("landing", "config", "inbox"):
        shutil.copytree(stage.here.home / part, home / part)
    again = Pipeline(load_settings({**stage.here.environ, "FUNNEL_HOME": str(home)}, dotenv=False))
    make_all(again, fetch=False)
    return again


def test_an_edit_costs_the_people_concerned(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """On DuckDB, as by default."""
    computed: list[tuple[str, int]] = []
    real = restating.affected

    def watched(*args: Any) -> pa.Array | None:
        found = real(*args)
        computed.append((args[2].dataset, -1 if found is None else len(found)))
        return found

    monkeypatch.setattr(restating, "affected", watched)
    with fresh(stage):
        opened = harness.open_pipeline(stage.here, FUNNEL_ENGINE="duckdb")
        rows = [dict(row) for row in stage.rows["leads"]]
        rows[-1]["utmSource"] = "another_source"
        stage.here.server.misbehave(PATHS["leads"], body_override=written("leads", rows, list(rows[0])))
        opened.make("raw_leads", opened.all_days()[-1:])
        opened.restate(opened.all_days())
        assert {name for name, _ in computed} >= {"dedup_leads", "engagement_summary", "funnel_marts"}
        assert all(0 < people <= 4 for _, people in computed), computed
        assert lake(opened) == lake(rebuilt(stage))


def test_a_pruned_journal_costs_time_and_nothing_else(stage: Stage) -> None:
    with fresh(stage) as opened:
        rows = [dict(row) for row in stage.rows["leads"]]
        del rows[-3:]
        stage.here.server.misbehave(PATHS["leads"], body_override=written("leads", rows, list(rows[0])))
        opened.make("raw_leads", opened.all_days()[-1:])
        assert restating.Journal(opened.lake).prune(dt.datetime.now(dt.UTC)) > 0
        opened.restate(opened.all_days())
        assert lake(opened) == lake(rebuilt(stage))


def test_old_dumps_go_unless_a_day_stands_on_them(stage: Stage) -> None:
    with fresh(stage):
        opened = harness.open_pipeline(stage.here, FUNNEL_KEEP_DUMPS_DAYS="0")
        first, last = opened.all_days()[0], opened.all_days()[-1:]
        rows = [dict(row) for row in stage.rows["leads"]]
        for number in range(5):
            rows[-1]["Name"] = f"Person {number}"
            stage.here.server.misbehave(PATHS["leads"], body_override=written("leads", rows, list(rows[0])))
            opened.make("raw_leads", last)
        # The CRM's dump rolls on: its first day is only in the dump before.
        crm = [
            row
            for row in stage.rows["crm_assignments"]
            if row["assignOn"] >= str(first + dt.timedelta(days=2))
        ]
        for number in range(5):
            crm[-1]["employee"] = f"Person {number}"
            body = written("crm_assignments", crm, list(crm[0]))
            stage.here.server.misbehave(PATHS["crm_assignments"], body_override=body)
            opened.make("crm_assignments", last)
        opened.restate(opened.all_days())
        before = lake(opened)
        stood_on = opened.landing.snapshots("crm_assignments", "crm_assignments")[0]
        assert opened.tidy() > 0
        assert opened.tidy() == 0, "once a day"
        assert len(opened.landing.snapshots("raw_leads", "leads_sheet")) == 3
        left = opened.landing.snapshots("crm_assignments", "crm_assignments")
        assert len(left) == 4
        assert left[0].sha256 == stood_on.sha256
        assert not opened.stale_plan()
        assert lake(rebuilt(stage)) == before


def test_a_day_alone_equals_the_range(stage: Stage) -> None:
    """A few days are computed from what is known of the people with a record on them."""
    with fresh(stage) as opened:
        leads = opened.lake.read("raw_leads", opened.all_days(), columns=["phone", "email"]).to_pylist()
        phones = list(dict.fromkeys(row["phone"] for row in leads if row["phone"]))
        parted = next(row for row in leads if row["phone"] and row["email"])
        rows = [
            f"must_link,{phones[0]},{phones[-1]},seen,tests",
            f"cannot_link,{parted['phone']},{parted['email']},seen,tests",
        ]
        header = "action,person_a,person_b,reason,author"
        (stage.here.home / "config" / "identity_links.csv").write_text("\n".join([header, *rows]) + "\n")
        opened.restate(opened.all_days())
        at_once = lake(opened)
        made = [name for name in in_order() if not NODES[name].is_source]
        days = opened.all_days()[-2:]
        for name in made:
            for day in days:
                opened.lake.delete(name, day)
        for name in made:
            for day in reversed(days):
                outcome = opened.make(name, [day], fetch=False)
                assert not outcome.failed, outcome.error()
        assert lake(opened) == at_once
