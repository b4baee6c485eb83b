"""Settings from the environment: where things are, and what a day is (SPEC 2).

Belongs here: every ``FUNNEL_*`` variable that more than one module needs, its default and its check. Does not
belong here: sources (`sources.py`) and the tables people edit (`tables.py`).

Nothing happens on import and the process's environment is never changed: what a ``.env`` adds is in
`Settings.environ`, which also is where secrets are looked up.
"""

import datetime as dt
import difflib
import functools
import io
import os
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from dotenv.parser import parse_stream

from funnel_assets import outside
from funnel_assets.config.mistakes import quoted, suggestion
from funnel_assets.domain.countries import HOME, country_advice, is_country
from funnel_assets.errors import ConfigError

ENGINES = ("duckdb", "spark", "pandas")
DEFAULT_TIMEZONE = "Asia/Kolkata"
DEFAULT_CURRENCY = "INR"
DEFAULT_MONTHS = 4
DEFAULT_KEEP_DUMPS_DAYS = 30
DEFAULT_DAILY_AT = dt.time(2, 30)
DOTENV = ".env"
_FOR_PROGRAMS = re.compile(r"(LD|DYLD|DAGSTER|BASH)_.*|PYTHON.*|PATH", re.IGNORECASE)
"""Variables that decide which code a program loads or runs: never taken from a file of the working directory."""
_MENTIONED = re.compile(r"""\$\{(\w+)\}|\benv["']?\s*:\s*["']?(\w+)""")
"""Where ``sources.yaml`` names a variable: in a location, or in ``auth``."""
ID_CHECKS = ("warn", "block")
START_DATE_FILE = "start_date"


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked.

    Attributes:
        home: ``FUNNEL_HOME``, absolute; default ``data`` in the working directory.
        timezone: ``FUNNEL_TIMEZONE``, an IANA name: decides what a day is; default ``Asia/Kolkata``.
        currency: ``FUNNEL_CURRENCY``, three letters: of every amount there is; default ``INR``.
        country: ``FUNNEL_COUNTRY``, two letters: whose national phone numbers they are where a source doesn't say
            otherwise; default ``IN``.
        start_date: ``FUNNEL_START_DATE``, the first local day of every dataset. Default: the day kept in the file
            ``start_date`` in home, written by the first run; before that the first of the month four months back.
        daily_at: ``FUNNEL_DAILY_AT``, local time of the daily run, ``HH:MM``; default ``02:30``: sheets and CRM are
            complete soon after midnight, ad platforms take a little longer.
        engine: ``FUNNEL_ENGINE``: ``duckdb`` (default), ``spark`` or ``pandas``.
        lake: ``FUNNEL_LAKE``, a folder or any fsspec path; default ``lake`` in home.
        postgres_url: ``FUNNEL_POSTGRES_URL``; None means the embedded server.
        alert_webhook: ``FUNNEL_ALERT_WEBHOOK``; None means no alerts.
        keep_dumps_days: ``FUNNEL_KEEP_DUMPS_DAYS``, how long landed dumps that no day stands on are kept; default 30.
        id_check: ``FUNNEL_ID_CHECK``: what repeated ids of people and sales without a lead do: ``warn`` (default), or
            ``block`` publishing.
        environ: The environment plus what ``.env`` adds, with ``FUNNEL_HOME``, ``FUNNEL_TIMEZONE``,
            ``FUNNEL_CURRENCY`` and ``FUNNEL_COUNTRY`` as resolved here. Holds secrets: never print it.
        from_dotenv: Names that are in ``environ`` by ``.env`` alone.
        fixed_today: ``FUNNEL_TODAY`` for tests and demonstrations; None means the clock.
        clock: Gives now, with a time zone.
    """

    home: Path
    timezone: str
    currency: str
    country: str
    start_date: dt.date
    daily_at: dt.time
    engine: str
    lake: str
    postgres_url: str | None = field(repr=False)
    alert_webhook: str | None = field(repr=False)
    keep_dumps_days: int
    id_check: str
    environ: Mapping[str, str] = field(repr=False, compare=False)
    from_dotenv: frozenset[str] = frozenset()
    fixed_today: dt.date | None = None
    clock: Callable[[], dt.datetime] = field(default=_utc_now, repr=False, compare=False)

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone that decides what a day is."""
        return zoneinfo.ZoneInfo(self.timezone)

    @property
    def config_dir(self) -> Path:
        """Folder of ``sources.yaml`` and the CSVs that people edit."""
        return self.home / "config"

    @property
    def sources_file(self) -> Path:
        """``sources.yaml``."""
        return self.config_dir / "sources.yaml"

    @property
    def inbox_zoom(self) -> Path:
        """Drop folder for Zoom reports."""
        return self.home / "inbox" / "zoom"

    @property
    def landing(self) -> Path:
        """Every byte fetched or dropped, unchanged."""
        return self.home / "landing"

    @property
    def quarantine(self) -> Path:
        """Rows and files that couldn't be used."""
        return self.home / "quarantine"

    @property
    def staged(self) -> Path:
        """Parsed sources, a cache that may be deleted."""
        return self.home / "staged"

    @property
    def exports(self) -> Path:
        """CSV, Parquet and XLSX for people without Postgres."""
        return self.home / "exports"

    @property
    def bench(self) -> Path:
        """Results of ``make bench``."""
        return self.home / "bench"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.home / "logs"

    def passed_on(self) -> dict[str, str]:
        """Return what of ``environ`` this process and its children get: of ``.env`` only what is ours.

        That is ``FUNNEL_*``, and what ``sources.yaml`` names. Whoever puts a file into a folder where somebody works
        mustn't decide how the programs that are started there behave.
        """
        try:
            text = outside.content(self.sources_file).decode("utf-8", "replace")
        except OSError:  # told by those who need it
            text = ""
        ours = {one or other for one, other in _MENTIONED.findall(text)}
        strange = {name for name in self.from_dotenv - ours if not name.startswith("FUNNEL_")}
        return {name: value for name, value in self.environ.items() if name not in strange}

    def today(self) -> dt.date:
        """Return the local day it is now (or ``FUNNEL_TODAY``)."""
        return self.fixed_today or self.clock().astimezone(self.zone).date()

    def yesterday(self) -> dt.date:
        """Return D-1: the newest local day that has ended."""
        return self.today() - dt.timedelta(days=1)


def load_settings(
    environ: Mapping[str, str] | None = None,
    dotenv: bool = True,
    *,
    directory: Path | None = None,
    clock: Callable[[], dt.datetime] = _utc_now,
) -> Settings:
    """Read the settings.

    Args:
        environ: The environment; default the process's own.
        dotenv: Whether a ``.env`` file is read as well; a variable of the environment wins over it.
        directory: Where ``.env`` is looked for and relative paths start; default the working directory.
        clock: Gives now, with a time zone.

    Raises:
        ConfigError: For a value that can't be used; names the variable, and the line if it is from ``.env``.
    """
    base = (directory or Path.cwd()).resolve()
    given = dict(os.environ if environ is None else environ)
    lines: dict[str, int] = {}
    if dotenv:
        for name, (value, line) in _read_dotenv(base / DOTENV).items():
            if _FOR_PROGRAMS.fullmatch(name):
                raise ConfigError(
                    f"{name} decides how programs run, and isn't taken from here.",
                    file=DOTENV,
                    line=line,
                    fix=f"take the line out; if {name} is needed, set it in the environment.",
                )
            if name not in given:
                given[name] = value
                lines[name] = line
    values = _Values(given, lines)
    timezone = values.timezone("FUNNEL_TIMEZONE", DEFAULT_TIMEZONE)
    currency, country = values.currency("FUNNEL_CURRENCY"), values.country("FUNNEL_COUNTRY")
    home = (base / Path(values.text("FUNNEL_HOME") or "data").expanduser()).resolve()
    fixed_today = values.date("FUNNEL_TODAY")
    today = fixed_today or clock().astimezone(zoneinfo.ZoneInfo(timezone)).date()
    return Settings(
        home=home,
        timezone=timezone,
        currency=currency,
        country=country,
        start_date=_start_date(values, home, today),
        daily_at=values.time("FUNNEL_DAILY_AT", DEFAULT_DAILY_AT),
        engine=values.choice("FUNNEL_ENGINE", ENGINES),
        lake=_lake_path(values.text("FUNNEL_LAKE"), home, base),
        postgres_url=values.text("FUNNEL_POSTGRES_URL"),
        alert_webhook=values.webhook("FUNNEL_ALERT_WEBHOOK"),
        keep_dumps_days=values.days("FUNNEL_KEEP_DUMPS_DAYS", DEFAULT_KEEP_DUMPS_DAYS),
        id_check=values.choice("FUNNEL_ID_CHECK", ID_CHECKS),
        environ=MappingProxyType(
            given
            | {"FUNNEL_HOME": str(home), "FUNNEL_TIMEZONE": timezone}
            | {"FUNNEL_CURRENCY": currency, "FUNNEL_COUNTRY": country}
        ),
        from_dotenv=frozenset(lines),
        fixed_today=fixed_today,
        clock=clock,
    )


def _start_date(values: "_Values", home: Path, today: dt.date) -> dt.date:
    start = values.date("FUNNEL_START_DATE")
    kept = home / START_DATE_FILE
    if start is None and kept.is_file():
        try:
            start = dt.date.fromisoformat(kept.read_text(encoding="utf-8").strip())
        except ValueError:
            raise ConfigError(
                "doesn't hold a day as YYYY-MM-DD.",
                file=str(kept),
                fix="correct it, or set FUNNEL_START_DATE.",
            ) from None
    if start is None:
        months = today.year * 12 + today.month - 1 - DEFAULT_MONTHS
        return dt.date(months // 12, months % 12 + 1, 1)
    if start >= today:
        raise values.error("FUNNEL_START_DATE", f"is {start}, but no day has ended since (today is {today})")
    return start


def _lake_path(given: str | None, home: Path, base: Path) -> str:
    if given is None:
        return str(home / "lake")
    return given if "://" in given else str((base / Path(given).expanduser()).resolve())


class _Values:
    """Checked look-ups in the environment; an empty value counts as not set."""

    def __init__(self, environ: Mapping[str, str], lines: Mapping[str, int]) -> None:
        self._environ = environ
        self._lines = lines

    def error(self, name: str, problem: str, fix: str | None = None) -> ConfigError:
        line = self._lines.get(name)
        return ConfigError(
            f"{name} {problem}.",
            file=DOTENV if line else None,
            line=line,
            fix=fix or f"correct {name}, or take it out to use the default.",
        )

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def date(self, name: str) -> dt.date | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise self.error(name, f"is {quoted(text)}, which isn't a date written like 2026-03-01") from None

    def time(self, name: str, default: dt.time) -> dt.time:
        given = self.text(name)
        if given is None:
            return default
        try:
            return dt.time.fromisoformat(given)
        except ValueError:
            raise self.error(name, f"is {quoted(given)}", "write a time of day like 02:30.") from None

    def days(self, name: str, default: int) -> int:
        given = self.text(name)
        if given is None:
            return default
        if not given.isdecimal():
            raise self.error(name, f"is {quoted(given)}", "write a number of days like 30.")
        return int(given)

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        text = (self.text(name) or allowed[0]).lower()
        if text not in allowed:
            near = suggestion(text, allowed)
            raise self.error(name, f"is {quoted(text)}{near}; allowed: {', '.join(allowed)}")
        return text

    def timezone(self, name: str, default: str) -> str:
        text = self.text(name) or default
        if not is_timezone(text):
            raise self.error(name, f"is {quoted(text)}, which isn't a time zone{timezone_advice(text)}")
        return text

    def currency(self, name: str) -> str:
        text = (self.text(name) or DEFAULT_CURRENCY).upper()
        if not is_currency(text):
            raise self.error(name, f"is {quoted(text)}", "write a code of three letters, like INR or USD.")
        return text

    def country(self, name: str) -> str:
        given = self.text(name) or HOME
        if not is_country(given.upper()):
            problem = f"is {quoted(given)}, which isn't a country's code{country_advice(given)}"
            raise self.error(name, problem)
        return given.upper()

    def webhook(self, name: str) -> str | None:
        text = self.text(name)
        if text is not None and not text.startswith(("https://", "http://")):
            raise self.error(name, "isn't a web address that starts with https://")
        return text


def is_currency(code: str) -> bool:
    """Return whether this is written like a currency's code: three capitals."""
    return re.fullmatch(r"[A-Z]{3}", code) is not None


def is_timezone(name: str) -> bool:
    """Return whether an IANA time zone has this name."""
    return name in _timezones()


@functools.cache
def _timezones() -> frozenset[str]:
    # Listing them walks a folder of 600 files.
    return frozenset(zoneinfo.available_timezones())


def timezone_advice(name: str) -> str:
    """Return what to write instead of a wrong time-zone name."""
    if name.upper() == "IST":
        return " (three letters mean several zones; for India write Asia/Kolkata)"
    close = difflib.get_close_matches(name, _timezones(), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else " (names are like Asia/Kolkata, Europe/London or UTC)"


def _read_dotenv(path: Path) -> dict[str, tuple[str, int]]:
    """Return name -> (value, line). Values are taken as written: a ``$`` in a password stays."""
    try:
        content = outside.content(path).decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"The file can't be read ({type(error).__name__}).",
            file=DOTENV,
            fix="save it as UTF-8 text that this user may read.",
        ) from None
    found = {}
    for binding in parse_stream(io.StringIO(content)):
        written = binding.original.string
        line = binding.original.line + len(written) - len(written.lstrip("\n"))
        if binding.error or (binding.key and binding.value is None):
            raise ConfigError(
                "This line isn't NAME=value.",
                file=DOTENV,
                line=line,
                fix="write one NAME=value a line; lines that start with # are comments.",
            )
        if binding.key and binding.value is not None:
            found[binding.key] = (binding.value, line)
    return found
