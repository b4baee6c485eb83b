"""No secret and nobody's phone or e-mail in anything that is shown, logged or recorded, however badly a run went."""

import csv
import io
import re
from collections.abc import Iterator

import psycopg2
import pytest

from funnel_assets.pipeline.graph import in_order
from funnel_assets.storage.postgres import ensure_server
from funnel_assets_tests import command
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.orchestration.test_sensors import tick
from funnel_assets_tests.world import TOKEN, Place, place

pytestmark = pytest.mark.long

WRONG_TOKEN = "wrong-but-still-a-secret"
OVERRIDDEN = ("919812355501", "overridden@example.com")
EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\.\w+")
DIGITS = re.compile(r"\d{10,}")
# Personal data belongs into these: the data itself, what people dropped and typed, and the published tables.
HOLD_DATA = ("lake", "landing", "quarantine", "inbox", "config", "postgres")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=5, scale=0.03) as made, harness.secrets_in_environment(made):
        harness.impatient(made)
        yield made


@pytest.fixture(scope="module")
def people(here: Place) -> set[str]:
    """Every phone (its last ten digits) and e-mail address of the world."""
    bodies = [
        here.world.dump(name, None) for name in ("leads", "landing_leads", "crm_assignments", "crm_sales")
    ]
    bodies += [here.world.dump("engagement_events", None), *here.world.zoom_files().values()]
    found = {value for body in bodies for value in personal(body.decode("utf-8-sig", "replace"))}
    assert len(found) > 100
    return found | personal(" ".join(OVERRIDDEN))


def personal(text: str) -> set[str]:
    """E-mail addresses and ten-digit ends of numbers in a text."""
    emails = {found.lower() for found in EMAIL.findall(text)}
    phones = {found[-10:] for found in DIGITS.findall(text)} | {found[:10] for found in DIGITS.findall(text)}
    return emails | phones


@pytest.fixture(scope="module")
def said(here: Place) -> str:
    """Everything that two bad runs and one good one wrote to the screen."""
    first, last = str(here.settings.start_date), str(here.settings.yesterday())
    said = [funnel(here, "backfill", "--from", first, "--to", last)]

    rows = list(csv.reader(io.StringIO(here.world.dump("leads", None).decode("utf-8-sig"))))
    here.server.misbehave("/sheets/leads.csv", body_override=as_csv(rows[1:]))  # the header is gone
    here.server.misbehave("/crm/sales.csv", status=500, body_override=f"no access for {TOKEN} {rows[1]}")
    here.server.misbehave("/events.json", truncate=0.7)
    here.drop("a list.csv", as_csv(rows[:5]).encode())
    (here.home / "config" / "overrides.csv").write_text(
        "person,field,value,reason,author,effective_on,expires_on\n"
        f"{OVERRIDDEN[0]},current_stage,Customer,said so,ops,{first},\n"
        f"{OVERRIDDEN[0]},current_stage,Customer,said so,ops,{first},\n"
        f"{OVERRIDDEN[1]},shoe_size,44,said so,ops,{first},\n"
        f"{OVERRIDDEN[1]},current_stage,{OVERRIDDEN[0]},said so,{OVERRIDDEN[1]},{OVERRIDDEN[0]},\n"
    )
    said.append(funnel(here, "run", FUNNEL_CRM_TOKEN=WRONG_TOKEN))

    (here.home / "config" / "overrides.csv").unlink()
    here.server.behave()
    more = [[*row, "WhatsApp" if number == 0 else row[2]] for number, row in enumerate(rows)]
    more.append([*rows[1][:2], "98x 12345 678901", *rows[1][3:-1], "soon", rows[1][1]])
    here.server.misbehave("/sheets/leads.csv", body_override=as_csv(more))
    said.append(funnel(here, "run"))
    said.append(funnel(here, "quarantine", "list"))
    said.append(funnel(here, "export"))
    here.server.behave()
    return "\n".join(said)


def as_csv(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def funnel(here: Place, *arguments: str, **environ: str) -> str:
    done = command.funnel(*arguments, environ=harness.environment(here, COLUMNS="400", **environ))
    return done.stdout + done.stderr


def database(url: str) -> dict[str, str]:
    """Every row of every table outside the published schema, as text."""
    found = {}
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'funnel')"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            found[table] = "\n".join(row[0] for row in cursor.fetchall())
    connection.close()
    return found


def leaks(text: str, people: set[str], secrets: list[str]) -> list[str]:
    """What must not be in a text and is; a little around it, to see where it comes from."""
    found = [f"secret {secret[:4]}…" for secret in secrets if secret in text]
    for value in sorted(personal(text) & people):
        at = text.lower().index(value)
        found.append(text[max(at - 200, 0) : at + 40])
    return found


@pytest.fixture(scope="module")
def secrets(here: Place, said: str) -> list[str]:
    passwords = [path.read_text().strip() for path in (here.home / "postgres").glob("*password")]
    assert passwords
    return [TOKEN, WRONG_TOKEN, *passwords]


def test_runs_went_as_badly_as_meant(said: str) -> None:
    for part in ("crm_sales", "raw_leads", "engagement_events", "overrides.csv", "HTTP 500"):
        assert part in said, said


def test_screen(said: str, people: set[str], secrets: list[str]) -> None:
    assert leaks(said, people, secrets) == []


def test_record_of_runs_and_events(here: Place, said: str, people: set[str], secrets: list[str]) -> None:
    tables = database(ensure_server(here.home).dagster_url.replace("+psycopg2", ""))
    assert {"public.event_logs", "public.runs", "public.job_ticks", "public.run_tags"} <= set(tables)
    assert "STEP_FAILURE" in tables["public.event_logs"]
    assert {
        name: leaks(text, people, secrets) for name, text in tables.items() if leaks(text, people, secrets)
    } == {}


def test_files_of_the_home(here: Place, said: str, people: set[str], secrets: list[str]) -> None:
    # Rows without a day stand below `staged` as they do in the quarantine, for the owner alone.
    files = [
        path
        for path in here.home.rglob("*")
        if path.is_file()
        and path.relative_to(here.home).parts[0] not in HOLD_DATA
        and path.suffix != ".undated"
    ]
    assert not [path for path in here.home.rglob("*.undated") if path.stat().st_mode & 0o077]
    assert {path.relative_to(here.home).parts[0] for path in files} >= {"dagster", "staged", "exports"}
    found = {
        str(path): leaks(path.read_bytes().decode("utf-8", "replace"), people, secrets) for path in files
    }
    assert {path: what for path, what in found.items() if what} == {}


def test_secrets_are_not_in_the_data_either(here: Place, said: str, secrets: list[str]) -> None:
    held = [path for name in HOLD_DATA[:-1] for path in (here.home / name).rglob("*") if path.is_file()]
    for secret in secrets:
        assert not [path for path in held if secret.encode() in path.read_bytes()]


def test_published_quarantine_is_masked(here: Place, said: str, people: set[str], secrets: list[str]) -> None:
    opened = harness.open_pipeline(here)
    rows = opened.warehouse.fetch("SELECT t::text AS row FROM quarantine t")
    assert rows, "something was quarantined"
    assert [leak for row in rows for leak in leaks(row["row"], people, secrets)] == []


def test_ticks(here: Place, said: str, people: set[str], secrets: list[str]) -> None:
    import dagster as dg

    opened = harness.open_pipeline(here)
    here.drop("another list.csv", here.world.dump("landing_leads", None))
    with dg.DagsterInstance.ephemeral() as instance:
        ticks = [tick(opened, instance, name) for name in ("zoom_inbox", "keeper")]
    assert [leak for found in ticks for leak in leaks(repr(found), people, secrets)] == []


def test_previews_show_no_person(here: Place, said: str, people: set[str]) -> None:
    opened = harness.open_pipeline(here)
    for name in in_order():
        for day in opened.lake.days(name):
            assert leaks(opened.preview(name, day), people, []) == []
