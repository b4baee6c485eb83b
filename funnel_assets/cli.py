"""The ``funnel`` command: what a person types (SPEC 2).

Belongs here: options, words and tables on the screen, exit codes. Does not belong here: work.
"""

import datetime as dt
import gc
import getpass
import logging
import signal
import sys
import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.logging import RichHandler
from rich.markup import escape

from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.errors import FunnelError, UsageError
from funnel_assets.screen import SafeConsole
from funnel_assets.shown import shown
from funnel_assets.storage.files import refusal

if TYPE_CHECKING:
    from funnel_assets.pipeline.pipeline import Pipeline

EXIT_FAILED, EXIT_USAGE = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    help="The daily funnel: sheets, Zoom reports and CRM dumps in, trusted numbers out.",
)
quarantine_app = typer.Typer(
    no_args_is_help=True, help="Rows and files that couldn't be used, and reading them again."
)
app.add_typer(quarantine_app, name="quarantine")
inbox_app = typer.Typer(
    help="Reports and dumps that are held until you accept or reject them; without a command, shows what is held."
)
app.add_typer(inbox_app, name="inbox")

screen = SafeConsole()
errors = SafeConsole(stderr=True)

Day = Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Local day, YYYY-MM-DD.")]


def main() -> None:
    """Run the command; an expected error is one message and an exit code, never a traceback."""
    # Imports make a million objects that stay; looking through them again and again for garbage takes a sixth of them.
    gc.set_threshold(50_000, 20, 50)
    try:
        app()
    except UsageError as error:
        _say("Not possible:", str(error))
        sys.exit(EXIT_USAGE)
    except FunnelError as error:
        _say("Failed:", str(error))
        sys.exit(EXIT_FAILED)
    except Exception as error:
        told = refusal(error)
        if told is None:
            raise
        _say("Failed:", str(told))
        sys.exit(EXIT_FAILED)


def _say(head: str, text: str) -> None:
    # Escaped, because "[dataset …]" is no markup; in one line, so that a command in it can be copied.
    errors.print(f"[bold red]{head}[/] {escape(text)}", highlight=False, soft_wrap=True)


def _settings() -> Settings:
    logging.basicConfig(
        level=logging.WARNING, format="%(message)s", handlers=[RichHandler(console=errors, show_path=False)]
    )
    logging.getLogger("funnel_assets").setLevel(logging.INFO)
    return load_settings()


def _checked(settings: Settings, day: dt.datetime) -> dt.date:
    local = day.date()
    if not settings.start_date <= local <= settings.yesterday():
        raise UsageError(
            f"{local} isn't between {settings.start_date} (FUNNEL_START_DATE) and {settings.yesterday()} (yesterday).",
            fix="choose a day in between; earlier ones need an earlier FUNNEL_START_DATE.",
        )
    return local


@app.command()
def run(
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Local day; yesterday unless given.")
    ] = None,
) -> None:
    """Make one day of every dataset and publish it.

    Example: `funnel run --date 2026-03-22`
    """
    settings = _settings()
    day = settings.yesterday() if date is None else _checked(settings, date)
    # Only now: Dagster takes seconds to import, and a wrong day is told at once.
    from funnel_assets import launch

    launch.prepare(settings)
    _check_sources(settings)
    _finish(launch.run_days(day, day), f"{day}")


@app.command()
def backfill(
    since: Annotated[dt.datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First local day.")],
    until: Annotated[dt.datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last local day.")],
) -> None:
    """Make every day of a span, all datasets, as one run: each source is read once.

    Example: `funnel backfill --from 2026-03-01 --to 2026-03-31`
    """
    settings = _settings()
    first, last = _checked(settings, since), _checked(settings, until)
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}.", fix="swap the two days.")
    from funnel_assets import launch
    from funnel_assets.pipeline.graph import days_between
    from funnel_assets.pipeline.room import refuse_too_little_room

    launch.prepare(settings)
    _check_sources(settings)
    refuse_too_little_room(settings, days_between(first, last))
    _finish(launch.run_days(first, last), f"{first} to {last}")


def _check_sources(settings: Settings) -> None:
    """Refuse a `sources.yaml` that can't be read as a whole, once: every source dataset would say the same."""
    from funnel_assets.pipeline.pipeline import Pipeline

    Pipeline(settings).sources()


def _finish(succeeded: bool, what: str) -> None:
    if not succeeded:
        told = (
            f"{what}: not every day was made; the messages above name which and why. What was made is kept."
        )
        _say("Failed:", told)
        raise typer.Exit(EXIT_FAILED)
    screen.print(f"Done: {what}.")


@app.command()
def restate() -> None:
    """Make again every day whose sources, Zoom files or config changed, from what has landed.

    The keeper sensor does the same by itself while `make ui` is up. Example: `funnel restate`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    launch.prepare(settings)
    plan = launch.restate(settings)
    screen.print("Nothing is stale." if not plan else f"Restated: {', '.join(sorted(plan))}.")
    for mistake in Pipeline(settings).sources().wrong.values():
        raise mistake  # of a dataset that was left as it is


@app.command("rotate-secret")
def rotate_secret(
    lost: Annotated[
        bool,
        typer.Option("--lost", help="The secret is gone: ids shown so far won't be understood any more."),
    ] = False,
) -> None:
    """Give everybody new keys, made with a new secret, and make every day again with them.

    For after a leak of the secret. Ids of phones and e-mails (p…, e…) shown before are still understood; those that
    begin with x or a are not. Example: `funnel rotate-secret`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline
    from funnel_assets.report import page
    from funnel_assets.storage.lake import Lake
    from funnel_assets.storage.secret import rotate, secret_file

    settings = _settings()
    server = launch.prepare(settings)
    rotate(settings, Lake(settings.lake), lost=lost)
    screen.print(
        f"The new secret is in {secret_file(settings)}. Keep a copy of this file apart from the lake's backups, and "
        "bring it to every home that works on this lake. All days are made again now.",
        soft_wrap=True,
    )
    launch.restate(settings)
    opened = Pipeline(settings, server)
    if settings.exports.is_dir() and any(settings.exports.glob("*.csv")):
        _write_exports(opened, settings.exports)
    if (settings.home / page.FILE).exists():
        page.write(opened.warehouse, settings)
    screen.print("Done. Exports and report hold the new keys; copies made of them before hold the old ones.")


@app.command()
def changes(
    since: Annotated[
        dt.datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Local day or moment; 24 hours ago unless given.",
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write everything to, as CSV.")] = None,
) -> None:
    """Which rows of the sources changed numbers that were there already, which days', and by how much.

    Example: `funnel changes --since 2026-03-22`
    """
    from funnel_assets import tables
    from funnel_assets.exports import harmless
    from funnel_assets.pipeline.changes import changes_since
    from funnel_assets.storage.lake import Lake

    settings = _settings()
    zone = zoneinfo.ZoneInfo(settings.timezone)
    moment = dt.datetime.now(zone) - dt.timedelta(days=1) if since is None else since.replace(tzinfo=zone)
    found = changes_since(Lake(settings.lake), moment)
    if csv is not None:
        csv.mkdir(parents=True, exist_ok=True)
        for name in ("sources", "figures", "parts"):
            told = getattr(found, name).map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
            told.to_csv(csv / f"{name}.csv", index=False)
    if found.sources.empty and found.figures.empty:
        screen.print(f"Nothing that was there before {moment:%Y-%m-%d %H:%M} has changed since.")
        return
    for table in tables.changes(found, currency=settings.currency):
        screen.print(table)
    told = (
        "The rows above account for every difference."
        if found.adds_up
        else "Some differences aren't accounted for by the rows: days may still wait for `funnel restate`."
    )
    screen.print(told)


@app.command()
def demo(
    days: Annotated[int, typer.Option(help="Days of the sample world, where one has to be made.")] = 120,
) -> None:
    """From nothing to the funnel on screen: what `make run` does.

    Makes a sample world if there is no `sources.yaml`, runs the history and yesterday, and prints the month so far.
    Example: `funnel demo`
    """
    from funnel_assets import showcase

    showcase.run(_settings(), screen, days)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port of the Dagster UI, on this machine only.")] = 3000,
) -> None:
    """Start the Dagster UI and daemon; Ctrl-C stops all that was started.

    Example: `funnel ui --port 3001`
    """
    from funnel_assets import launch, showcase

    settings = _settings()
    launch.prepare(settings)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    # Set before the child starts: a shell that starts us in the background has SIGINT ignored, and it inherits that.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, stop)
    with showcase.sample_sources(settings, screen):
        process = launch.start_ui(port=port)
        screen.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C stops it)")
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = 0
        finally:
            launch.end(process)
    raise typer.Exit(EXIT_FAILED if code else 0)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="Folder; `$FUNNEL_HOME/exports` unless given.")] = None,
) -> None:
    """Write the published tables and views as CSV, Parquet and XLSX, without personal data.

    Example: `funnel export --out /tmp/numbers`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    server = launch.prepare(settings)
    folder = out or settings.exports
    screen.print(f"{_write_exports(Pipeline(settings, server), folder)} files in {folder}")


def _write_exports(opened: "Pipeline", folder: Path) -> int:
    from funnel_assets import exports, unmapped
    from funnel_assets.report import dictionary

    written = exports.write(opened.warehouse, folder, opened.settings.currency)
    listed = unmapped.write(opened.warehouse, opened.tables(), folder)
    told = dictionary.write(opened.warehouse, folder, opened.settings.currency)
    return len(written) + len(told) + (listed is not None)


@app.command("dictionary")
def data_dictionary(
    out: Annotated[Path | None, typer.Option(help="Folder; `$FUNNEL_HOME/exports` unless given.")] = None,
) -> None:
    """Write what every published table, view and column means, as one HTML page and a CSV.

    Example: `funnel dictionary`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline
    from funnel_assets.report import dictionary

    settings = _settings()
    server = launch.prepare(settings)
    opened = Pipeline(settings, server)
    for path in dictionary.write(opened.warehouse, out or settings.exports, settings.currency):
        screen.print(str(path), soft_wrap=True)


@app.command("preview-mapping")
def preview_mapping(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A changed funnel_mapping.csv.")],
) -> None:
    """Say which figures would move if a file took the place of `funnel_mapping.csv`. Changes nothing.

    Example: `funnel preview-mapping new_mapping.csv`
    """
    from funnel_assets import tables
    from funnel_assets.pipeline import preview
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    found = preview.preview_mapping(Pipeline(settings), file)
    for table in tables.mapping_preview(found.before, found.after, found.moves, settings.currency):
        screen.print(table)
    if found.waiting:
        screen.print(
            f"Days of {', '.join(found.waiting)} wait to be made again for other reasons, and their figures move for "
            "those too. Run `funnel restate` first for a clean comparison."
        )


@app.command("apply-mapping")
def apply_mapping(
    file: Annotated[
        Path | None, typer.Argument(help="The filled list; that of the exports folder unless given.")
    ] = None,
) -> None:
    """Add the filled rows of `unmapped_sources.csv` to `funnel_mapping.csv`; rows without a funnel are ignored.

    Example: `funnel apply-mapping data/exports/unmapped_sources.csv`
    """
    from funnel_assets import unmapped

    settings = _settings()
    added = unmapped.apply(settings.config_dir, file or settings.exports / unmapped.FILE, settings.country)
    for row in added:
        screen.print(f"{row['source']} now counts to {row['funnel']}", markup=False, highlight=False)
    screen.print(
        "The days this concerns are made again by themselves while `make ui` is up, or with `funnel restate`."
        if added
        else "No row has a funnel that isn't in the mapping already; nothing was changed."
    )


@app.command("analyst-url")
def analyst_url() -> None:
    """Say how a BI tool connects as the read-only analyst, who sees no phone, e-mail or name.

    Starts the server if need be. Example: `funnel analyst-url`
    """
    from sqlalchemy.engine import make_url

    from funnel_assets.storage.postgres import ANALYST_FILE, ANALYST_ROLE, ensure_server
    from funnel_assets.storage.warehouse import SCHEMA

    settings = _settings()
    server = ensure_server(settings.home, url=settings.postgres_url)
    if server.analyst_url is None:
        raise FunnelError(
            f"The server of FUNNEL_POSTGRES_URL is not ours, so the {ANALYST_ROLE} role has no password of ours.",
            fix=f"let its administrator give the role {ANALYST_ROLE} a login; what it may read is set already.",
        )
    url = make_url(server.analyst_url)
    told = {
        "Host": url.host,
        "Port": url.port,
        "Database": url.database,
        "Schema": SCHEMA,
        "User": url.username,
        "Password": f"the text in {settings.home / 'postgres' / ANALYST_FILE}",
    }
    for name, value in told.items():
        typer.echo(shown(f"{name:<9} {value}"))


@app.command()
def explain(
    person: Annotated[str, typer.Argument(help="Phone, e-mail, person id or a source's own id.")],
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="As known at the end of this day.")
    ] = None,
    show_personal: Annotated[
        bool, typer.Option("--show-personal", help="Show phones, e-mails and names.")
    ] = False,
) -> None:
    """Everything known about one person: records, touches, assignments, sales and state by day.

    Example: `funnel explain 9876543210`
    """
    from funnel_assets import explanation
    from funnel_assets.pipeline.naming import OLD_ID
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    until = date.date() if date else settings.yesterday()
    found = explanation.explain(Pipeline(settings), person, until, screen, show_personal=show_personal)
    if not found:
        errors.print(f"Nobody of that phone, e-mail or id is in the lake ({OLD_ID}).", soft_wrap=True)
        raise typer.Exit(EXIT_FAILED)


@app.command()
def report() -> None:
    """Write the funnel as one HTML page to open in a browser.

    Example: `funnel report`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline
    from funnel_assets.report import page

    settings = _settings()
    server = launch.prepare(settings)
    screen.print(f"Report: {page.write(Pipeline(settings, server).warehouse, settings)}")


@quarantine_app.command("list")
def quarantine_list(
    dataset: Annotated[str | None, typer.Option(help="Only this dataset.")] = None,
    limit: Annotated[int, typer.Option(help="Most rows to show.")] = 50,
) -> None:
    """Show what couldn't be used: file, line, why, and what to do.

    Example: `funnel quarantine list --dataset zoom_attendance`
    """
    from funnel_assets import tables
    from funnel_assets.pipeline.pipeline import Pipeline

    rows = Pipeline(_settings()).quarantine.rows(None if dataset is None else [dataset])
    if rows.empty:
        screen.print("Nothing is in quarantine.")
        return
    screen.print(tables.quarantine(rows.head(limit)))
    if len(rows) > limit:
        screen.print(f"{len(rows) - limit} more; see them all with --limit {len(rows)}.")


@quarantine_app.command("replay")
def quarantine_replay(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Zoom reports as `quarantine list` names them, or paths of corrected ones."),
    ] = None,
) -> None:
    """Read what landed again, after a mended file or config; rows go to the days they belong to.

    Examples: `funnel quarantine replay`, then `funnel quarantine replay "attendees corrected.csv"`
    """
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    kept = Pipeline(settings).zoom.replay(files) if files else []
    refused = [one for one in kept if one.reason]
    for one in kept:
        if one.reason:
            _say("Still in quarantine:", f"{one.file}. {one.detail}")
        else:
            screen.print(escape(f"{one.file}: event of {', '.join(one.days)}."))
    if kept and len(refused) == len(kept):
        raise typer.Exit(EXIT_FAILED)
    launch.prepare(settings)
    days = [dt.date.fromisoformat(day) for one in kept if not one.reason for day in one.days]
    plan = launch.make_zoom_days(settings, days)
    screen.print("Nothing changed." if not plan else f"Made again: {', '.join(sorted(plan))}.")
    if refused:
        raise typer.Exit(EXIT_FAILED)


@inbox_app.callback(invoke_without_command=True)
def inbox(context: typer.Context) -> None:
    """Show what is held: why, and how to accept or reject it.

    Example: `funnel inbox`
    """
    if context.invoked_subcommand is not None:
        return
    from funnel_assets import tables
    from funnel_assets.pipeline.pipeline import Pipeline

    opened = Pipeline(_settings())
    opened.zoom.take_in()
    held = opened.held()
    if not held:
        screen.print("Nothing is held.")
        return
    screen.print(tables.held(held))


HeldName = Annotated[
    str,
    typer.Argument(help="Report or source as `funnel inbox` names it, or the first 8 letters of its hash."),
]
Reason = Annotated[str, typer.Option(help="Why, in your words; kept with your name and the time.")]


@inbox_app.command("accept")
def inbox_accept(
    name: HeldName,
    reason: Reason,
    by: Annotated[str | None, typer.Option(help="Who decides; this login unless given.")] = None,
) -> None:
    """Take a held report or dump as it is, and make its days.

    Example: `funnel inbox accept "attendees excerpt.csv" --reason "Zoom lost the rest, Asha asked them"`
    """
    _decide(name, "accept", reason, by)


@inbox_app.command("reject")
def inbox_reject(
    name: HeldName,
    reason: Reason,
    by: Annotated[str | None, typer.Option(help="Who decides; this login unless given.")] = None,
) -> None:
    """Set a held report or dump aside for good: nothing is made from it.

    Example: `funnel inbox reject "attendees excerpt.csv" --reason "shortened by hand"`
    """
    _decide(name, "reject", reason, by)


def _decide(name: str, decision: str, reason: str, by: str | None) -> None:
    from funnel_assets import launch
    from funnel_assets.pipeline.pipeline import Pipeline

    settings = _settings()
    opened = Pipeline(settings)
    opened.zoom.take_in(wait=True)
    found = opened.decide(name, decision, reason, by or _login())
    word = {"accept": "Accepted", "reject": "Rejected"}[decision]
    screen.print(escape(f"{word}: {found.name} ({found.why})"), soft_wrap=True, highlight=False)
    launch.prepare(settings)
    plan = launch.make_decided(settings, found)
    screen.print("No day changes." if not plan else f"Made again: {', '.join(sorted(plan))}.")
    if not found.is_file and decision == "accept":
        screen.print(
            "Days that failed meanwhile are made by themselves while `make ui` is up, or with `funnel backfill`."
        )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@app.command()
def simulate(
    out: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None,
    world: Annotated[str, typer.Option(help="edtech or saas.")] = "edtech",
    days: Annotated[int | None, typer.Option(help="Days of the world; 120 for edtech, 365 for saas.")] = None,
    end_date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day; yesterday unless given.")
    ] = None,
    scale: Annotated[float, typer.Option(help="1 is the world's usual size.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    faults: Annotated[str, typer.Option(help="moderate, or counts like junk_phones=20,cut_files=1.")] = "",
    check: Annotated[Path | None, typer.Option(help="Check a written world instead of writing one.")] = None,
    score: Annotated[
        Path | None, typer.Option(help="Hold what FUNNEL_HOME made of a written world to its answer key.")
    ] = None,
) -> None:
    """Write a synthetic world with its answer key: the same arguments give the same bytes.

    The folder is a home as it stands: run the pipeline on it with `FUNNEL_HOME`, then score what it made.

    Examples: `funnel simulate --days 30 --end-date 2026-03-31 --out /tmp/world`, `funnel simulate --check /tmp/world`,
    `FUNNEL_HOME=/tmp/world funnel backfill --from 2026-03-02 --to 2026-03-31`,
    `FUNNEL_HOME=/tmp/world funnel simulate --score /tmp/world`
    """
    from funnel_assets.simulate import cli as worlds

    settings = _settings()
    if check is not None:
        if not worlds.check(check, screen):
            raise typer.Exit(EXIT_FAILED)
        return
    if score is not None:
        if not worlds.score(score, settings, screen):
            raise typer.Exit(EXIT_FAILED)
        return
    if out is None:
        raise UsageError("there is no folder to write to.", fix="give one with --out.")
    last = end_date.date() if end_date else settings.yesterday()
    worlds.simulate(world, days, last, scale, seed, out, faults, screen)


@app.command("serve-sources")
def serve_sources(
    world: Annotated[Path | None, typer.Option(help="Folder of a written world; else one is made.")] = None,
    days: Annotated[int, typer.Option(help="Days of the world that is made.")] = 120,
    end_date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Its last day; yesterday unless given.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8765,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    scale: Annotated[float, typer.Option(help="1 is the world's usual size.")] = 1.0,
    faults: Annotated[str, typer.Option(help="moderate, or counts like junk_phones=20,cut_files=1.")] = "",
    host: Annotated[str, typer.Option(help="Where to listen; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
) -> None:
    """Serve the sample world over HTTP: sheets, CRM (behind a token), spend, events and Zoom files.

    Example: `funnel serve-sources --port 8765 --faults moderate`
    """
    from funnel_assets.simulate.edtech import build_edtech
    from funnel_assets.simulate.faults import Faults
    from funnel_assets.simulate.serve import serve, serve_forever

    settings = _settings()
    last = end_date.date() if end_date else settings.yesterday()
    made = world if world is not None else build_edtech(days, last, scale, seed, Faults.parse(faults))
    serve_forever(serve(made, host=host, port=port))


@app.command("db-url")
def db_url() -> None:
    """Print the URL of the warehouse, password included, for psql or a BI tool; starts the server if need be.

    Example: `psql "$(funnel db-url)"`
    """
    from funnel_assets.storage.postgres import ensure_server

    settings = _settings()
    typer.echo(ensure_server(settings.home, url=settings.postgres_url).libpq_url())


@app.command()
def stop() -> None:
    """Stop the embedded database server. Example: `funnel stop`"""
    from funnel_assets.storage.postgres import stop_server

    settings = _settings()
    screen.print("Stopped." if stop_server(settings.home) else "It wasn't running.")


if __name__ == "__main__":
    main()
