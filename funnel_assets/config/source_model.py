"""What one source of a dataset is (SPEC 4).

Belongs here: the words ``sources.yaml`` may use and the checked result. Does not belong here: reading the
file (`sources.py`), fetching or parsing what a source holds.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from funnel_assets.config.mistakes import quoted, suggestion
from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.domain.countries import HOME
from funnel_assets.errors import ConfigError
from funnel_assets.masking import redact_url

DATASETS = ("raw_leads", "zoom_attendance", "engagement_events", "spend", "crm_assignments", "crm_sales")
KINDS = ("http_csv", "http_json", "csv", "xlsx", "json", "jsonl", "parquet", "zoom_folder")
DRIFT = ("evolve", "freeze", "discard_row", "discard_value")
AMOUNTS = ("major", "minor")
DATE_ORDERS = ("month_first", "day_first")
AUTH_TYPES = ("bearer", "header", "query", "basic")
NUMBER_FORMATS = ("excel", "unix", "unix_ms")

INBOX = "zoom_attendance"
"""Dataset whose source is there without being listed: the folder ``inbox/zoom`` that reports are dropped in."""

WITH_EXTERNAL_ID = ("raw_leads", "engagement_events", "crm_sales")
"""Datasets whose rows may have neither phone nor e-mail, so that a source's own id of the person can name them."""

WITH_PHONES = tuple(name for name in DATASETS if name != "spend")

COUNTED = ("engagement_events",)
"""Datasets of activities, of which a row may tell several."""

DEFAULT_TOTALS_TOLERANCE_PCT = 5.0
DEFAULT_LEAST_ROWS_PCT = 80.0
DEFAULT_MOST_SUPERSEDED_PCT = 10.0

HTTP_KINDS = frozenset({"http_csv", "http_json"})


@dataclass(frozen=True)
class Auth:
    """How a source is signed in to; holds the names of things, never the secret.

    Attributes:
        type: ``bearer``, ``header``, ``query`` or ``basic``.
        env: Environment variable that holds the secret; for ``basic`` the password, or ``user:password`` when
            there is no name.
        name: Header, query parameter, or for ``basic`` the user.
    """

    type: str
    env: str
    name: str | None = None


@dataclass(frozen=True)
class Extract:
    """A value that stands inside a column.

    Attributes:
        column: Name in the file, as in ``columns``.
        pattern: Regular expression (RE2); the value is its named group, else its first one.
    """

    column: str
    pattern: str


@dataclass(frozen=True)
class HttpOverrides:
    """What a source wants otherwise than the HTTP defaults; None keeps the default."""

    timeout_seconds: float | None = None
    deadline_seconds: float | None = None
    max_megabytes: float | None = None
    retries: int | None = None


@dataclass(frozen=True)
class Source:
    """One source of a dataset.

    Attributes:
        dataset: The dataset its rows are of.
        name: Unique in the file.
        order: Position among the dataset's sources, from 0; breaks ties of first touch (SPEC 6).
        kind: One of `KINDS`.
        location: URL, or absolute path (or fsspec path), with variables filled in.
        line: Line in ``sources.yaml``.
        timezone: Of the times in the file that state none.
        auth: How to sign in; None for an open source.
        columns: Contract or sheet name -> name in the file.
        constants: Contract or sheet name -> value for a column the file lacks.
        values: Contract or sheet name -> value in the file -> our value, empty for none; others stay as they are.
        extract: Contract or sheet name -> where its value stands inside a column.
        count: Name in the file of the column that says how often the row's activity happened; only `COUNTED` have
            one. Rows in which it is empty or 0 are not of the dataset.
        only: Name in the file -> values of the rows that belong to the dataset; none of them means any value at all.
        date_formats: strftime-style formats or `NUMBER_FORMATS`, tried in order; empty means ISO dates.
        first_day: Earliest plausible day of a row; None keeps the default.
        last_day: Latest one; None: the day after the dump was taken.
        date_order: ``month_first`` or ``day_first``: how a report's dates are read where they don't tell themselves.
        max_megabytes: Size over which a dropped report isn't opened; None keeps the default.
        max_unpacked_megabytes: Size that a workbook may unpack to; None keeps the default.
        country: Whose phone numbers the national ones are, two letters; a number with a country code states its own.
        totals_tolerance_pct: By how much what was read of a dropped report may differ from the totals it states,
            before it is held until a person accepts it.
        least_rows_pct: Share of the last dump's rows that a fetched one has to have, where nothing proves it whole;
            one with fewer is held until the next fetch agrees or a person accepts it. 0 holds none.
        most_superseded_pct: Share of a dump's rows that may have the id of another row and other content; with more
            of them the column is no id, and the dump is refused. 100 refuses none.
        currency: Of all amounts, three letters.
        currency_column: Name in the file of the column that says which currency a row is in; a row in another one
            is quarantined. None: all rows are in ``currency``.
        amounts: ``major`` (29.00) or ``minor`` (2900): the unit amounts are written in.
        encoding: None means it is found out.
        delimiter: None means it is found out.
        sheet: Worksheet of an xlsx; None means the first.
        drift: What to do when columns change: ``evolve`` loads on and reports it; ``freeze`` fails;
            ``discard_row`` and ``discard_value`` quarantine the rows or the values that don't fit.
        rolling: Whether the dump keeps recent days only: days before its earliest row are then unknown to it, not
            empty, and keep what an older dump said of them.
        allow_empty: Whether a file without rows is data; else it is an error.
        external_id: Column with the source's own id of a person (SPEC 6, identity); only `WITH_EXTERNAL_ID` have one.
        system: System that gave these ids; sources of one system mean one person by one id. None: the source itself.
        http: Overrides of the HTTP defaults.
    """

    dataset: str
    name: str
    order: int
    kind: str
    location: str = field(repr=False)
    line: int
    timezone: str
    auth: Auth | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    constants: Mapping[str, str] = field(default_factory=dict, hash=False)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    extract: Mapping[str, Extract] = field(default_factory=dict, hash=False)
    count: str | None = None
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    date_formats: tuple[str, ...] = ()
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    date_order: str | None = None
    max_megabytes: float | None = None
    max_unpacked_megabytes: float | None = None
    country: str = HOME
    totals_tolerance_pct: float = DEFAULT_TOTALS_TOLERANCE_PCT
    least_rows_pct: float = DEFAULT_LEAST_ROWS_PCT
    most_superseded_pct: float = DEFAULT_MOST_SUPERSEDED_PCT
    currency: str = DEFAULT_CURRENCY
    currency_column: str | None = None
    amounts: str = "major"
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    drift: str = "evolve"
    rolling: bool = False
    allow_empty: bool = False
    external_id: str | None = None
    system: str | None = None
    http: HttpOverrides = HttpOverrides()

    @property
    def is_http(self) -> bool:
        """Whether the source is fetched over HTTP."""
        return self.kind in HTTP_KINDS

    @property
    def format(self) -> str:
        """How the bytes are read, however they arrive: csv, xlsx, json, jsonl, parquet or zoom_folder."""
        return self.kind.removeprefix("http_")

    @property
    def shown_location(self) -> str:
        """The location as people and logs may see it."""
        return redact_url(self.location) if self.is_http else self.location

    @property
    def id_namespace(self) -> str:
        """What the values of ``external_id`` are unique in."""
        return f"system {self.system.lower()}" if self.system else f"source {self.name}"

    def fingerprint(self) -> str:
        """Hash of everything here that changes what comes out of the same bytes; so not where they are."""
        content = {
            "dataset": self.dataset,
            "name": self.name,
            "order": self.order,
            "format": self.format,
            "timezone": self.timezone,
            "columns": sorted(self.columns.items()),
            "constants": sorted(self.constants.items()),
            "date_formats": self.date_formats,
            "date_order": self.date_order,
            "currency": self.currency,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "sheet": self.sheet,
            "drift": self.drift,
            "rolling": self.rolling,
            "external_id": self.external_id,
        }
        # Only where they are used, so that sources without them keep their days.
        used = {
            "values": {name: dict(found) for name, found in self.values.items()},
            "only": dict(self.only),
            "extract": {name: [found.column, found.pattern] for name, found in self.extract.items()},
            "count": self.count,
            "system": self.system,
            "country": self.country if self.country != HOME else None,
            "currency_column": self.currency_column,
            "days": [str(self.first_day), str(self.last_day)] if self.first_day or self.last_day else None,
            "amounts": self.amounts if self.amounts != "major" else None,
        }
        content |= {name: value for name, value in used.items() if value}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class SourcesConfig:
    """All sources, in the file's order.

    Attributes:
        file: The file.
        sources: What it lists.
        without: Datasets listed with none (``spend: []``).
        wrong: Dataset -> the mistakes in its lines; asking for its sources raises them.
        taken_away: What a person says days need no longer stand on though it is lost: names of sources, and Zoom
            reports by the beginning of their sha256 (`pipeline.standing`).
    """

    file: Path
    sources: tuple[Source, ...]
    without: frozenset[str] = frozenset()
    wrong: Mapping[str, ConfigError] = field(default_factory=dict)
    taken_away: frozenset[str] = frozenset()

    def of(self, dataset: str) -> tuple[Source, ...]:
        """Return a dataset's sources in order; none when the file has none.

        Raises:
            ConfigError: If its lines hold a mistake.
        """
        if dataset in self.wrong:
            raise self.wrong[dataset].located()
        return tuple(source for source in self.sources if source.dataset == dataset)

    def get(self, name: str) -> Source:
        """Return a source by name.

        Raises:
            ConfigError: If there is none of this name.
        """
        for source in self.sources:
            if source.name == name:
                return source
        names = [source.name for source in self.sources]
        raise ConfigError(
            f"There is no source {quoted(name)}{suggestion(name, names)}; there are: {', '.join(names)}.",
            file=self.file.name,
        )
