"""The ``funnel`` command as a person types it: exit codes, help, and the few commands that need no world."""

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import typer
from typer.testing import CliRunner

from funnel_assets.cli import app
from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.zoom import COMPLETE_SECONDS
from funnel_assets.sensors import zoom_selection
from funnel_assets_tests.command import funnel
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.orchestration.inbox import report
from funnel_assets_tests.postgres_fixture import throw_away_home
from funnel_assets_tests.world import INDIA, TOKEN, Place, place

SPEC_COMMANDS = {
    "run",
    "backfill",
    "explain",
    "report",
    "export",
    "quarantine",
    "simulate",
    "serve-sources",
    "db-url",
    "stop",
}


def commands(group: typer.Typer = app, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*prefix, command.name or command.callback.__name__.replace("_", "-"))
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, (*prefix, str(inner.name)))


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=3, scale=0.03) as made:
        harness.impatient(made)
        yield made


@pytest.fixture
def environ(here: Place) -> dict[str, str]:
    return harness.environment(here)


def test_every_command_of_the_specification_is_there() -> None:
    assert {command[0] for command in commands()} >= SPEC_COMMANDS
    assert {command for command in commands() if command[0] == "quarantine"} == {
        ("quarantine", "list"),
        ("quarantine", "replay"),
    }


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_help_says_what_it_does_with_an_example(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert f"funnel {' '.join(command)}" in re.split("Examples?:", shown.output)[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--date", "2999-01-01"],
        ["backfill", "--from", "2999-01-01", "--to", "2999-01-02"],
        ["run", "--date", "yesterday"],
        ["run", "--day", "2026-01-01"],
        ["backfill", "--from", "2026-01-01"],
        ["nonsense"],
        ["simulate", "--world", "moon", "--out", "/nowhere"],
    ],
    ids=["not over", "range", "no date", "no option", "half a range", "no command", "no world"],
)
def test_wrong_usage_is_2_and_says_what_is_allowed(environ: dict[str, str], arguments: list[str]) -> None:
    done = funnel(*arguments, environ=environ, process="--date" in arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_day_out_of_range_names_the_range_before_anything_is_started(
    here: Place, environ: dict[str, str]
) -> None:
    done = funnel("run", "--date", "1999-01-01", environ=environ)
    told = " ".join(done.stderr.split())
    assert f"1999-01-01 isn't between {here.settings.start_date} (FUNNEL_START_DATE)" in told
    assert f"{here.settings.yesterday()} (yesterday)" in told
    assert "Next: " in told


def test_days_swapped_are_wrong_usage(here: Place, environ: dict[str, str]) -> None:
    first, last = str(here.settings.start_date), str(here.settings.yesterday())
    done = funnel("backfill", "--from", last, "--to", first, environ=environ)
    assert done.returncode == 2, done.stderr
    assert "swap the two days" in done.stderr


def test_mistake_in_sources_is_1_with_file_and_line(here: Place, environ: dict[str, str]) -> None:
    path = here.settings.sources_file
    before = path.read_text()
    path.write_text(before.replace("kind: zoom_folder", "kind: zoom_fodler"))
    done = funnel("restate", environ=environ)
    path.write_text(before)
    assert done.returncode == 1
    number = before[: before.index("kind: zoom_folder")].count("\n") + 1
    assert f"Failed: [file sources.yaml, line {number}] " in done.stderr, "the place isn't taken for markup"
    assert "did you mean zoom_folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_mistake_in_the_environment_is_1_and_names_the_variable(environ: dict[str, str]) -> None:
    done = funnel("run", environ={**environ, "FUNNEL_TIMEZONE": "IST"})
    assert done.returncode == 1
    assert "FUNNEL_TIMEZONE" in done.stderr
    assert "Asia/Kolkata" in done.stderr


def test_run_backfill_explain_and_quarantine(here: Place, environ: dict[str, str]) -> None:
    first, last = str(here.settings.start_date), str(here.settings.yesterday())
    done = funnel("backfill", "--from", first, "--to", last, environ=environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"Done: {first} to {last}."
    here.server.misbehave("/crm/sales.csv", status=500)
    failed = funnel("run", environ=environ)
    here.server.behave()
    assert failed.returncode == 1
    told = " ".join(failed.stderr.split())
    for part in (
        "dataset crm_sales",
        "source crm_sales",
        last,
        "HTTP 500",
        "Next: ",
        f"--from {last} --to {last}",
    ):
        assert part in told
    assert TOKEN not in failed.stderr
    assert "Nothing that was there" in funnel("changes", environ=environ).stdout
    moment = dt.datetime.now(INDIA).strftime("%Y-%m-%dT%H:%M:%S")
    lines = here.world.dump("leads", None).decode("utf-8-sig").splitlines()
    here.server.misbehave("/sheets/leads.csv", body_override="\n".join(lines[:-1]) + "\n")
    again = funnel("run", "--date", last, environ=environ)
    assert again.returncode == 0, again.stderr
    here.server.behave()
    told = funnel("changes", "--since", moment, "--csv", str(here.home / "changes"), environ=environ)
    changed = told.stdout
    for part in ("raw_leads", last, "Leads", "The rows above account for every difference."):
        assert part in changed
    assert (here.home / "changes" / "parts.csv").read_text().count("\n") > 1
    nobody = funnel("explain", "nobody@example.com", environ=environ)
    assert nobody.returncode == 1
    listed = funnel("quarantine", "list", "--dataset", "zoom_attendance", environ=environ)
    assert listed.returncode == 0, listed.stderr


def test_replay_of_a_corrected_report_equals_the_run_that_never_broke(
    here: Place, environ: dict[str, str], tmp_path: Path
) -> None:
    day = here.settings.yesterday()
    whole = report(day, ("Zara", "Yusuf", "Xenia"))
    never_broken = tmp_path / "never broken"
    shutil.copytree(here.home, never_broken, ignore=shutil.ignore_patterns("postgres*", "dagster*"))

    here.drop("walk ins.csv", whole[: whole.rindex(b"Xenia")], age_seconds=COMPLETE_SECONDS + 10)
    environ = {**environ, "COLUMNS": "300"}
    assert list(harness.open_pipeline(here).zoom.take_in().refused) == ["walk ins.csv"], "as the sensor does"
    listed = funnel("quarantine", "list", "--dataset", "zoom_attendance", environ=environ).stdout
    for part in ("walk ins.csv", "The file stops in the middle of a row.", "copy or download it again"):
        assert part in listed
    still = funnel("quarantine", "replay", "walk ins.csv", environ=environ)
    assert still.returncode == 1
    corrected = tmp_path / "walk ins.csv"
    corrected.write_bytes(whole)
    replayed = funnel("quarantine", "replay", str(corrected), environ=environ)
    assert replayed.returncode == 0, replayed.stderr
    assert f"walk ins.csv: event of {day}." in replayed.stdout
    assert "zoom_attendance" in replayed.stdout.split("Made again: ")[1]

    (never_broken / "inbox" / "zoom" / "walk ins.csv").write_bytes(whole)
    opened = harness.open_pipeline(here, FUNNEL_HOME=str(never_broken))
    with harness.secrets_in_environment(here):
        for name in in_order(zoom_selection([])):
            assert not opened.make(name, [day]).failed
    ours = harness.open_pipeline(here).lake
    for name in in_order():
        assert ours.read(name, [day]).equals(opened.lake.read(name, [day])), name
    names = set(ours.read("zoom_attendance", [day])["first_name"].to_pylist())
    assert {"Zara", "Yusuf", "Xenia"} <= names
    url = funnel("db-url", environ=environ).stdout.strip()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        for name in in_order():
            cursor.execute(f"SELECT count(*) FROM {name} WHERE date = %s", (day,))
            assert cursor.fetchone() == (ours.read(name, [day]).num_rows,), name
        cursor.execute("SELECT first_name FROM zoom_attendance WHERE date = %s", (day,))
        assert {row[0] for row in cursor.fetchall()} == names
    connection.close()


def test_held_report_is_shown_accepted_with_a_reason_and_published(
    here: Place, environ: dict[str, str]
) -> None:
    environ = {**environ, "COLUMNS": "300"}
    day = here.settings.yesterday()
    body = report(day, ("Wanda", "Viola"), "872 1111 0001")
    here.drop("excerpt.csv", body.replace(b",90,2,0,2,2", b",90,1018,0,1018,1018"))
    shown = funnel("inbox", environ=environ)
    assert shown.returncode == 0, shown.stderr
    for part in ("excerpt.csv", str(day), "unique viewers: 1,018 stated, 2 read", "funnel inbox accept"):
        assert part in shown.stdout
    assert "excerpt.csv" in funnel("quarantine", "list", environ=environ).stdout
    no_reason = funnel("inbox", "accept", "excerpt.csv", "--reason", " ", environ=environ)
    assert (no_reason.returncode, "needs a reason" in no_reason.stderr) == (2, True)
    unknown = funnel("inbox", "accept", "nothing.csv", "--reason", "why", environ=environ)
    assert unknown.returncode == 1
    assert "held are: excerpt.csv" in unknown.stderr

    done = funnel(
        "inbox", "accept", "excerpt.csv", "--reason", "it is all there is", "--by", "Asha", environ=environ
    )
    assert done.returncode == 0, done.stderr
    assert "Accepted: excerpt.csv" in done.stdout
    assert "zoom_attendance" in done.stdout.split("Made again: ")[1]
    assert "Nothing is held." in funnel("inbox", environ=environ).stdout
    url = funnel("db-url", environ=environ).stdout.strip()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT first_name FROM zoom_attendance WHERE source_file = 'excerpt.csv'")
        assert {row[0] for row in cursor.fetchall()} == {"Wanda", "Viola"}
    connection.close()


def test_what_analyst_url_says_connects_and_shows_nobody(here: Place, environ: dict[str, str]) -> None:
    done = funnel("analyst-url", environ=environ)
    assert done.returncode == 0, done.stderr
    told = {line[:9].strip(): line[10:] for line in done.stdout.splitlines()}
    assert told["Host"] == "127.0.0.1"
    password = Path(told["Password"].removeprefix("the text in ")).read_text().strip()
    assert password not in done.stdout
    where = f"host={told['Host']} port={told['Port']} dbname={told['Database']} user={told['User']}"
    with psycopg2.connect(where, password=password) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT leads FROM vw_funnel_mtd")
        assert cursor.fetchall()
        for personal in ("phone", "email", "name"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"SELECT {personal} FROM dedup_leads")
            connection.rollback()
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(where, password="a guess")


def test_db_url_prints_a_url_that_connects_and_stop_stops(here: Place, environ: dict[str, str]) -> None:
    done = funnel("db-url", environ=environ, process=True)
    assert done.returncode == 0, done.stderr
    url = done.stdout.strip()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    connection.close()
    assert funnel("stop", environ=environ, process=True).stdout.strip() == "Stopped."
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url, connect_timeout=3)
    again = funnel("stop", environ=environ)
    assert (again.returncode, again.stdout.strip()) == (0, "It wasn't running.")
    assert funnel("db-url", environ=environ).stdout.strip() == url, "a saved connection goes on working"


def test_stop_in_a_home_that_was_never_used(environ: dict[str, str]) -> None:
    with throw_away_home() as home:
        done = funnel("stop", environ={**environ, "FUNNEL_HOME": str(home / "new")})
    assert (done.returncode, done.stdout.strip()) == (0, "It wasn't running.")
