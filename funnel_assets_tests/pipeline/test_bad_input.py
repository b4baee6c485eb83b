"""Bad input of every kind: what is said, what stays as it was, and that the same days can be made afterwards."""

import contextlib
import csv
import datetime as dt
import hashlib
import io
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from funnel_assets.contracts.base import CONTRACTS
from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.pipeline import publish as publish_module
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage import warehouse as warehouse_module
from funnel_assets.storage.postgres import ensure_server
from funnel_assets_tests import command
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import TOKEN, Place, place

DAYS = 6
KILLS = int(os.environ.get("FUNNEL_KILLS", "1"))
LEADS, SPEND, ASSIGNMENTS = "/sheets/leads.csv", "/sheets/spend.csv", "/crm/assignments.csv"
PERSONAL = re.compile(r"\d{10,}|[\w.+-]+@[\w-]+\.\w+")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=DAYS, scale=0.03) as made, harness.secrets_in_environment(made):
        harness.impatient(made)
        # A week of so small a world may have no sale at all; an empty sheet of leads or spend is a mistake.
        sources = made.settings.sources_file.read_text().replace("    allow_empty: true\n", "")
        for name in ("assignments", "sales"):
            url = f"/crm/{name}.csv\n"
            sources = sources.replace(url, f"{url}    allow_empty: true\n")
        made.settings.sources_file.write_text(sources)
        yield made


@pytest.fixture(scope="module")
def opened(here: Place) -> Pipeline:
    """The place's pipeline, with every day made and published."""
    found = harness.open_pipeline(here)
    for name in in_order():
        outcome = found.make(name, found.all_days())
        assert not outcome.failed, outcome.error()
    found.publish()
    return found


@pytest.fixture(autouse=True)
def behaving(here: Place) -> Iterator[None]:
    yield
    here.server.behave()


def lake(opened: Pipeline) -> dict[tuple[str, dt.date], str]:
    return {
        (name, day): facts.content for name in NODES for day, facts in opened.lake.all_facts(name).items()
    }


def published(opened: Pipeline) -> dict[str, Any]:
    """Every published row, as text, per dataset; and what Postgres says it holds."""
    rows = {
        name: [
            row["row"] for row in opened.warehouse.fetch(f'SELECT t::text AS row FROM "{name}" t ORDER BY 1')
        ]
        for name in CONTRACTS
    }
    days = opened.warehouse.fetch("SELECT dataset, date, content FROM published_days ORDER BY 1, 2")
    return {**rows, "published_days": days}


# --- sources -------------------------------------------------------------------------------------------------


def dump(here: Place, name: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(here.world.dump(name, None).decode("utf-8-sig"))))


def text(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def without_column(here: Place, name: str, column: str) -> str:
    rows = dump(here, name)
    at = rows[0].index(column)
    return text([row[:at] + row[at + 1 :] for row in rows])


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with a source.

    Attributes:
        dataset: Whose source.
        source: Its name, which has to be in the message.
        path: Where it answers.
        how: How it misbehaves.
        says: Words of the message.
    """

    dataset: str
    source: str
    path: str
    how: Callable[[Place], dict[str, Any]]
    says: str


FAULTS = {
    "500": Fault("raw_leads", "leads_sheet", LEADS, lambda _: {"status": 500}, "500"),
    "html": Fault("raw_leads", "leads_sheet", LEADS, lambda _: {"html": True}, "page"),
    "login": Fault("spend", "spend_sheet", SPEND, lambda _: {"redirect": "/accounts/login"}, "login"),
    "cut_in_half": Fault("raw_leads", "leads_sheet", LEADS, lambda _: {"truncate": 0.5}, "cut"),
    "missing_column": Fault(
        "raw_leads",
        "leads_sheet",
        LEADS,
        lambda here: {"body_override": without_column(here, "leads", "created date")},
        "created date",
    ),
    "missing_column_of_a_rolling_dump": Fault(
        "crm_assignments",
        "crm_assignments",
        ASSIGNMENTS,
        lambda here: {"body_override": without_column(here, "crm_assignments", "assignOn")},
        "assignOn",
    ),
    "missing_money": Fault(
        "spend",
        "spend_sheet",
        SPEND,
        lambda here: {"body_override": without_column(here, "spend", "cost")},
        "cost",
    ),
    "empty": Fault("spend", "spend_sheet", SPEND, lambda _: {"body_override": ""}, "empty"),
    "header_only": Fault(
        "spend",
        "spend_sheet",
        SPEND,
        lambda here: {"body_override": text(dump(here, "spend")[:1])},
        "no rows",
    ),
    "gone": Fault("engagement_events", "events", "/events.json", lambda _: {"status": 404}, "404"),
    "json_cut": Fault(
        "engagement_events", "events", "/events.json", lambda _: {"body_override": '[{"a": 1'}, "JSON"
    ),
    "refused": Fault("crm_assignments", "crm_assignments", ASSIGNMENTS, lambda _: {"status": 403}, "403"),
}


def fails_alone(here: Place, opened: Pipeline, dataset: str, caplog: pytest.LogCaptureFixture) -> str:
    """Make yesterday, which has to fail, with everything as it was before; return what was said."""
    day = opened.all_days()[-1]
    in_lake, in_postgres = lake(opened), published(opened)
    with caplog.at_level(logging.INFO):
        outcome = opened.make(dataset, [day])
        opened.publish()
    assert set(outcome.failed) == {day}
    assert lake(opened) == in_lake
    assert published(opened) == in_postgres
    error = outcome.error()
    assert error is not None
    told = str(error)
    assert f"dataset {dataset}" in told
    assert str(day) in told
    assert "Next: " in told
    assert f"funnel backfill --from {day} --to {day}" in told
    for shown in (told, caplog.text):
        assert TOKEN not in shown
        assert not PERSONAL.findall(shown)
    return told


def is_made_again(opened: Pipeline, dataset: str) -> None:
    before = lake(opened)
    outcome = opened.make(dataset, opened.all_days()[-1:])
    assert not outcome.failed, outcome.error()
    assert lake(opened) == before, "the same dump gives the same days"


def test_amounts_of_another_currency_are_never_added(
    here: Place, opened: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    file, rows = here.settings.sources_file, dump(here, "spend")
    sources, day = file.read_text(), opened.all_days()[-1]
    name = "- name: spend_sheet\n"
    was = opened.lake.read("spend", [day]).num_rows
    try:
        file.write_text(sources.replace(name, f"{name}    currency: USD\n"))
        told = fails_alone(here, opened, "spend", caplog)
        assert re.search(r"source spend_sheet, file sources.yaml, line \d+.*in USD, all else in INR", told), (
            told
        )
        assert "set FUNNEL_CURRENCY=USD" in told
        file.write_text(sources.replace(name, f"{name}    currency: {{column: Currency}}\n"))
        codes = ["Currency", *("EUR" for _ in rows[1:])]
        here.server.misbehave(SPEND, body_override=_beside(rows, codes))
        told = fails_alone(here, opened, "spend", caplog)
        assert "Every row is in EUR, while FUNNEL_CURRENCY is INR" in told
        of_day = [at for at, row in enumerate(rows) if row[0].startswith(str(day))]
        codes = ["Currency", *("EUR" if at == of_day[0] else "inr" for at in range(1, len(rows)))]
        here.server.misbehave(SPEND, body_override=_beside(rows, codes))
        assert not opened.make("spend", [day]).failed
        assert opened.lake.read("spend", [day]).num_rows == was - 1
        set_aside = opened.quarantine.rows(["spend"])
        assert set_aside["reason"].tolist() == ["currency_other"]
    finally:
        file.write_text(sources)
        here.server.behave()
    assert not opened.make("spend", [day]).failed
    assert opened.lake.read("spend", [day]).num_rows == was


def _beside(rows: list[list[str]], cells: list[str]) -> str:
    return text([[*row, cell] for row, cell in zip(rows, cells, strict=True)])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_broken_source_is_named_and_changes_nothing(
    here: Place, opened: Pipeline, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    here.server.misbehave(fault.path, **fault.how(here))
    told = fails_alone(here, opened, fault.dataset, caplog)
    assert f"source {fault.source}" in told
    assert fault.says.lower() in told.lower()
    here.server.behave()
    is_made_again(opened, fault.dataset)


def test_broken_dump_that_landed_holds_nothing_else_up(here: Place, opened: Pipeline) -> None:
    here.server.misbehave(LEADS, body_override=without_column(here, "leads", "created date"))
    assert opened.make("raw_leads", opened.all_days()[-1:]).failed
    assert opened.stale_plan() == {}, "what is not known is not stale"
    before = lake(opened)
    with another_mapping(here, opened):
        changed = {name for (name, day), content in lake(opened).items() if before[name, day] != content}
        assert "dedup_leads" in changed, "it is made again from the dump before"
    assert lake(opened) == before
    here.server.behave()
    is_made_again(opened, "raw_leads")


def test_silent_server_is_given_up(here: Place, opened: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    sources = here.settings.sources_file
    before = sources.read_text()
    sources.write_text(before.replace("timeout_seconds: 5", "timeout_seconds: 1"))
    here.server.misbehave(SPEND, delay=3)
    started = time.monotonic()
    told = fails_alone(here, opened, "spend", caplog)
    assert time.monotonic() - started < 30
    assert "source spend_sheet" in told
    assert "1 s" in told
    here.server.behave()
    sources.write_text(before)
    is_made_again(opened, "spend")


@pytest.mark.parametrize("token", ["another-token", ""], ids=["wrong", "not_set"])
def test_wrong_token_is_named_by_its_variable(
    here: Place,
    opened: Pipeline,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("FUNNEL_CRM_TOKEN", token)
        told = fails_alone(here, opened, "crm_assignments", caplog)
        assert "source crm_assignments" in told
        assert "FUNNEL_CRM_TOKEN" in told
        assert "another-token" not in told + caplog.text
    is_made_again(opened, "crm_assignments")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t"], ids=["semicolons", "tabs"])
def test_sheet_saved_by_another_program_gives_the_same_rows(
    here: Place, opened: Pipeline, tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(text(dump(here, "leads"), delimiter).encode(encoding))
    sources = tmp_path / "config" / "sources.yaml"
    sources.parent.mkdir()
    lines = here.settings.sources_file.read_text().splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if LEADS in line)
    start = max(number for number in range(at) if "- name:" in lines[number])
    end = next(number for number in range(at, len(lines)) if "timezone:" in lines[number])
    lines[start + 1 : end] = ["    kind: csv\n", f"    path: {path}\n"]
    sources.write_text("".join(lines))
    other = harness.open_pipeline(here, FUNNEL_HOME=str(tmp_path))
    placeholders = (here.home / "config" / "placeholders.csv").read_bytes()
    (tmp_path / "config" / "placeholders.csv").write_bytes(placeholders)
    days = opened.all_days()
    outcome = other.make("raw_leads", days)
    assert not outcome.failed, outcome.error()
    assert other.lake.read("raw_leads", days).equals(opened.lake.read("raw_leads", days))


# --- files people drop and edit ------------------------------------------------------------------------------


def test_file_that_is_no_report_stands_in_quarantine_and_stops_nothing(here: Place, opened: Pipeline) -> None:
    before = lake(opened)
    here.drop("my notes.csv", b"call Asha back\nbuy milk\n")
    outcome = opened.make("zoom_attendance", opened.all_days())
    assert not outcome.failed, outcome.error()
    assert lake(opened) == before
    opened.publish()
    (row,) = opened.warehouse.fetch("SELECT * FROM quarantine WHERE file = 'my notes.csv'")
    assert row["dataset"] == "zoom_attendance"
    assert row["source"] == "zoom_inbox"
    assert row["reason"]
    assert "Next: " in row["detail"]
    assert "Asha" not in row["detail"]


@pytest.mark.parametrize(
    ("table", "dataset", "line", "says"),
    [
        ("funnel_mapping.csv", "dedup_leads", "Some Source,Some Funnel,actve,,", "did you mean active"),
        ("funnel_mapping.csv", "sales_enriched", "Some Source,Some Funnel,active,soon,", "date"),
        ("categories.csv", "zoom_attendance", "cfa", "category is empty"),
    ],
    ids=["status", "date", "too_short"],
)
def test_wrong_cell_in_a_table_is_named_with_file_and_line(
    here: Place,
    opened: Pipeline,
    caplog: pytest.LogCaptureFixture,
    table: str,
    dataset: str,
    line: str,
    says: str,
) -> None:
    path = here.home / "config" / table
    before = path.read_text()
    path.write_text(before.rstrip("\n") + f"\n{line}\n")
    number = len(path.read_text().splitlines())
    # A day without a webinar is made from nothing, and reads no table.
    filled = [found for found in opened.all_days() if opened.lake.read(dataset, [found]).num_rows]
    day = max(filled, default=opened.all_days()[-1])
    in_lake, in_postgres = lake(opened), published(opened)
    outcome = opened.make(dataset, [day])
    told = str(outcome.error())
    assert set(outcome.failed) == {day}
    assert f"file {table}, line {number}" in told
    assert says in told
    assert "Next: " in told
    assert lake(opened) == in_lake
    opened.publish()
    assert published(opened) == in_postgres, "the last good result stays published"
    with pytest.raises(ConfigError, match=f"file {table}, line {number}"):
        opened.stale_plan()
    path.write_text(before)
    is_made_again(opened, dataset)
    opened.publish()
    assert published(opened) == in_postgres


def test_wrong_cell_stops_only_what_reads_the_table(here: Place, opened: Pipeline) -> None:
    path = here.home / "config" / "stages.csv"
    day = opened.all_days()[-1:]
    before = lake(opened)
    path.write_text("stage,rank\nLead,first\n")
    # Scoring and overrides refer to stages by name.
    for name in in_order():
        failed = opened.make(name, day).failed
        assert bool(failed) == (name == "scored_contacts"), failed
    assert "file stages.csv, line" in str(opened.make("scored_contacts", day).error())
    assert lake(opened) == before
    with something_to_publish(here, opened):
        pass  # what doesn't read it is restated as ever
    path.unlink()
    is_made_again(opened, "scored_contacts")


# --- Postgres gone -------------------------------------------------------------------------------------------


def kill_postgres(home: Path) -> None:
    pid = int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def killed_while_publishing(here: Place, times: int = 1) -> Iterator[list[str]]:
    """Kill the server when half of the datasets have been sent."""
    killed: list[str] = []
    real = publish_module._day_batches

    def day_batches(lake: Any, dataset: str, days: Any) -> Any:
        if dataset == "funnel_marts" and len(killed) < times:
            killed.append(dataset)
            kill_postgres(here.home)
        return real(lake, dataset, days)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish_module, "_day_batches", day_batches)
        yield killed


@contextlib.contextmanager
def another_mapping(here: Place, opened: Pipeline) -> Iterator[None]:
    """Another mapping while inside, and everything restated by it."""
    path = here.home / "config" / "funnel_mapping.csv"
    before = path.read_text()
    head, *lines = before.splitlines()
    changed = [",".join([line.split(",")[0], "Another Funnel", *line.split(",")[2:]]) for line in lines]
    path.write_text("\n".join([head, *changed]) + "\n")
    opened.restate(opened.all_days())
    yield
    path.write_text(before)
    opened.restate(opened.all_days())


@contextlib.contextmanager
def something_to_publish(here: Place, opened: Pipeline) -> Iterator[None]:
    """Other costs while inside, so that days of two datasets have to be published: what is spent, then the marts."""
    rows = dump(here, "spend")
    at = rows[0].index("cost")
    dearer = [[*row[:at], f"{number}.50", *row[at + 1 :]] for number, row in enumerate(rows[1:], 1)]
    here.server.misbehave(SPEND, body_override=text([rows[0], *dearer]))
    before = lake(opened)
    remade(opened)
    assert {name for (name, day), now in lake(opened).items() if now != before[name, day]} == {
        "spend",
        "funnel_marts",
    }
    yield
    here.server.behave()
    remade(opened)
    assert lake(opened) == before
    opened.publish()


def remade(opened: Pipeline) -> None:
    """Read spend again, and restate what follows."""
    outcome = opened.make("spend", opened.all_days())
    assert not outcome.failed, outcome.error()
    opened.restate(opened.all_days())


def test_embedded_server_killed_while_publishing_is_started_again(here: Place, opened: Pipeline) -> None:
    with something_to_publish(here, opened):
        with killed_while_publishing(here) as killed:
            opened.publish()
        assert killed, "it was killed"
        found = {(row["dataset"], row["date"]): row["content"] for row in published(opened)["published_days"]}
        assert found == lake(opened)


def test_server_of_others_killed_while_publishing_is_an_error_and_a_rerun_completes(
    here: Place, opened: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_module, "_TRIES", 2)
    url = ensure_server(here.home).warehouse_url
    other = harness.open_pipeline(here, FUNNEL_POSTGRES_URL=url)
    before = published(opened)
    with something_to_publish(here, opened):
        with killed_while_publishing(here) as killed, pytest.raises(FunnelError) as caught:
            other.publish()
        assert killed
        told = str(caught.value)
        assert "what was published before stays" in told
        assert "Next: " in told
        password = (here.home / "postgres" / "password").read_text().strip()
        assert password not in told
        ensure_server(here.home)
        assert published(opened) == before, "nothing of it was published"
        other.publish()
        found = {(row["dataset"], row["date"]): row["content"] for row in published(opened)["published_days"]}
        assert found == lake(opened)


# --- killed --------------------------------------------------------------------------------------------------


def started(here: Place, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*command.COMMAND, *arguments],
        cwd=command.PROJECT,
        env=harness.environment(here, **environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def partitions(root: Path) -> int:
    return len(list(root.glob("*/date=*/data.parquet")))


def check_whole(opened: Pipeline) -> int:
    """Every day that is there is whole: its bytes are those it says it has. Returns how many are there."""
    found = 0
    for name in NODES:
        for day, facts in opened.lake.all_facts(name).items():
            data = Path(opened.lake.path(name, day)).read_bytes()
            assert hashlib.sha256(data).hexdigest() == facts.content, (name, day)
            assert opened.lake.read(name, [day]).num_rows == facts.rows
            found += 1
    return found


@pytest.mark.long
@pytest.mark.timeout(300 + 60 * KILLS)
def test_process_killed_at_random_moments_leaves_no_half_day_and_a_rerun_equals(
    here: Place, opened: Pipeline, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    moments = random.Random(seed)
    root = tmp_path / "lake"
    killed = harness.open_pipeline(here, FUNNEL_LAKE=str(root))
    days = opened.all_days()
    span = ("backfill", "--from", str(days[0]), "--to", str(days[-1]))
    total = len(NODES) * DAYS
    for _ in range(KILLS):
        if partitions(root) > 0.9 * total:
            shutil.rmtree(root)
        process = started(here, *span, FUNNEL_LAKE=str(root))
        wanted = min(partitions(root) + moments.randrange(1, total // 2), total - 1)
        while partitions(root) <= wanted and process.poll() is None:
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.wait()
        assert process.returncode in (0, -signal.SIGKILL), f"seed {seed}"
        assert check_whole(killed) > 0, f"seed {seed}"
    done = command.funnel(*span, environ=harness.environment(here, FUNNEL_LAKE=str(root)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert check_whole(killed) == total
    assert lake(killed) == lake(opened), f"seed {seed}: a run that was never interrupted"
    found = {(row["dataset"], row["date"]): row["content"] for row in published(killed)["published_days"]}
    assert found == lake(killed)
    killed.lake.sweep(older_than_seconds=0)
    assert not list(root.rglob("*.tmp*")), "what a killed process left behind is cleared away"


# --- from the command line -----------------------------------------------------------------------------------


def test_failed_run_on_the_command_line_says_what_where_and_what_next(here: Place, opened: Pipeline) -> None:
    day = str(opened.all_days()[-1])
    before = published(opened)
    here.server.misbehave("/crm/sales.csv", status=500)
    done = command.funnel("run", "--date", day, environ=harness.environment(here))
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    told = " ".join(output.split())
    for part in ("crm_sales", day, "500", "Next: ", f"funnel backfill --from {day} --to {day}"):
        assert part in told, output
    assert TOKEN not in output
    assert "Traceback" not in output
    assert published(opened) == before


def test_database_is_reachable_after_all_that(here: Place) -> None:
    with contextlib.closing(psycopg2.connect(ensure_server(here.home).libpq_url())) as connection:
        assert connection.closed == 0
