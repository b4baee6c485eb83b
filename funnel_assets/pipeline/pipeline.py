"""The pipeline as one object: what the command line, tests and Dagster's assets all call."""

import datetime as dt
import logging
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from funnel_assets.alerts import Alerts
from funnel_assets.config.settings import Settings
from funnel_assets.config.sources import SourcesConfig, load_sources
from funnel_assets.config.tables import Tables, load_tables
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.anomaly import compared_days, usual_range
from funnel_assets.domain.engagement import EVENT_COUNTS
from funnel_assets.domain.link_rows import Names
from funnel_assets.domain.parsing import PARSERS
from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.masking import mask_email, mask_phone, mask_text
from funnel_assets.pipeline import reconciliation
from funnel_assets.pipeline.builders import BUILDERS, rules_of
from funnel_assets.pipeline.compute import make_days
from funnel_assets.pipeline.external_ids import id_problems
from funnel_assets.pipeline.former_ids import KNOWN_BY, FormerIds
from funnel_assets.pipeline.graph import NODES, ancestors, days_between, in_order
from funnel_assets.pipeline.held import Held, chosen, decide
from funnel_assets.pipeline.ingest import Ingest
from funnel_assets.pipeline.journal import KEEP_DAYS, Journal
from funnel_assets.pipeline.naming import names_nobody
from funnel_assets.pipeline.outcome import Outcome
from funnel_assets.pipeline.owed import owed_days
from funnel_assets.pipeline.publish import Published, publish
from funnel_assets.pipeline.room import refuse_too_little_room
from funnel_assets.pipeline.staleness import Contents, stale_days, under_other_keys
from funnel_assets.pipeline.who import KnownPeople
from funnel_assets.pipeline.zoom import ZoomIngest
from funnel_assets.shown import shown
from funnel_assets.storage.decisions import ACCEPT, REJECT, Decisions
from funnel_assets.storage.engine import open_engine
from funnel_assets.storage.files import keep_private, refusal, sweep, write_whole
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.landing import Landing
from funnel_assets.storage.postgres import PostgresServer, ensure_server
from funnel_assets.storage.quarantine import UNDATED, Quarantine
from funnel_assets.storage.secret import load_keyring
from funnel_assets.storage.warehouse import Warehouse

log = logging.getLogger(__name__)

PREVIEW_ROWS = 5


class Pipeline:
    """Makes days of datasets and publishes them, as the settings say. Nothing is opened before it is needed.

    Args:
        settings: Where things are.
        server: A running server; None finds or starts the one of the settings.
    """

    def __init__(self, settings: Settings, server: PostgresServer | None = None) -> None:
        self.settings = settings
        self._server = server
        self.lake = Lake(settings.lake)
        self.landing = Landing(settings.landing)
        self.quarantine = Quarantine(settings.quarantine)
        self._known = KnownPeople(settings.staged / "people")
        self._former: FormerIds | None = None
        self._balanced: reconciliation.Balanced = set()

    def keep_private(self) -> None:
        """See to it that nobody else may look into the folders that hold personal data."""
        settings = self.settings
        keep_private(settings.landing, settings.staged, settings.quarantine)
        if self.lake.is_local:
            keep_private(Path(self.lake.root))

    # --- what people edit: read anew at each use, so that a saved file counts without a restart -----------

    def tables(self) -> Tables:
        """Config tables as they are now; a wrong one fails who asks for it, and nobody else."""
        return load_tables(self.settings.config_dir, apart=True, names=self.names())

    def names(self) -> Names:
        """Tell whom people name by phone, e-mail or id; holds the secret as it is now."""
        keyring = load_keyring(self.settings, self.lake)
        days = {name: self.lake.days(name) for name in KNOWN_BY}
        if self._former is None or not self._former.is_of(keyring, days):
            self._former = FormerIds(self.lake, keyring, days)
        return Names(keyring.current, self.settings.country, self._former)

    def sources(self) -> SourcesConfig:
        """``sources.yaml`` as it is now; a mistake in a dataset's lines fails who asks for its sources."""
        return load_sources(
            self.settings.sources_file,
            {**self.settings.environ, **os.environ},
            known_columns={name: parser.names for name, parser in PARSERS.items()},
            apart=True,
        )

    @cached_property
    def ingest(self) -> Ingest:
        """Maker of the tabular source datasets."""
        return Ingest(self.settings, self.lake, self.landing, self.quarantine, self.sources, self.tables)

    @cached_property
    def zoom(self) -> ZoomIngest:
        """Maker of ``zoom_attendance``."""
        return ZoomIngest(self.settings, self.lake, self.landing, self.quarantine, self.sources, self.tables)

    def held(self, dataset: str | None = None) -> list[Held]:
        """Reports and dumps that wait for a person's decision, of one dataset or all."""
        wrong = (
            () if dataset else self.sources().wrong
        )  # mistakes in the lines of one dataset concern no other
        names = [
            name
            for name in in_order()
            if NODES[name].is_source and name not in wrong and dataset in (None, name)
        ]
        return [
            one
            for name in names
            for one in (self.zoom.held() if name == "zoom_attendance" else self.ingest.held(name))
        ]

    def decide(self, name: str, decision: str, reason: str, who: str) -> Held:
        """Accept or reject what is held under a name; what was decided otherwise before may be decided anew.

        Raises:
            FunnelError: Nothing, or more than one thing, is held under the name; nothing was changed.
        """
        other = {ACCEPT: REJECT, REJECT: ACCEPT}[decision]
        found = chosen(self.held(), self.zoom.decided(other) + self.ingest.decided(other), name)
        decide(Decisions(self.landing.root), found, decision, reason, who, self.settings.clock)
        self.zoom.refresh_quarantine()
        self.held(found.dataset)  # looking puts into quarantine what is held now, and nothing else
        return found

    @cached_property
    def warehouse(self) -> Warehouse:
        """The published database."""

        def server() -> PostgresServer:
            return ensure_server(self.settings.home, url=self.settings.postgres_url)

        return Warehouse((self._server or server()).warehouse_url, revive=server)

    @cached_property
    def alerts(self) -> Alerts:
        """Tells people."""
        return Alerts(self.settings)

    # --- making days ---------------------------------------------------------------------------------------

    def fetch_ahead(self, run: Hashable, datasets: Iterable[str]) -> None:
        """Begin to fetch what these datasets will be made from in a run, side by side; said once more, it does nothing.

        What can't be had is told by the dataset that wants it.
        """
        wanted = set(datasets) - {"zoom_attendance"}
        try:
            self.ingest.fetch_ahead(run, [name for name in in_order(wanted) if NODES[name].is_source])
        except ConfigError as error:
            log.warning("Sources aren't fetched ahead: %s", error)

    def make(self, dataset: str, days: Sequence[dt.date], *, fetch: bool = True) -> Outcome:
        """Make days of one dataset and write the good ones; the mart is also published, with all that changed.

        Args:
            dataset: Name of the dataset.
            days: Local days.
            fetch: Fetch sources anew; else use what has landed where it covers the days.
        """
        if not days:
            return Outcome(dataset)
        log.info("%s: making %d day(s), %s to %s", dataset, len(days), min(days), max(days))
        try:
            self.keep_private()
            refuse_too_little_room(self.settings, days, [dataset])
            outcome = self._made(dataset, days, fetch)
        except FunnelError as error:
            outcome = Outcome(dataset, failed=dict.fromkeys(days, error.located(dataset=dataset)))
        except Exception as error:
            told = refusal(error, dataset=dataset)
            if told is None:
                raise
            outcome = Outcome(dataset, failed=dict.fromkeys(days, told))
        log.info(
            "%s: %d day(s) in the lake, %d changed, %d failed",
            dataset,
            len(outcome.done),
            len(outcome.changed),
            len(outcome.failed),
        )
        return outcome

    def _made(self, dataset: str, days: Sequence[dt.date], fetch: bool) -> Outcome:
        if dataset == "zoom_attendance":
            return self.zoom.make_days(days)
        if NODES[dataset].is_source:
            return self.ingest.make_days(dataset, days, fetch=fetch)
        tables = self.tables()
        outcome = make_days(
            dataset,
            days,
            builder=BUILDERS[dataset],
            engine=lambda: open_engine(self.settings.engine),
            lake=self.lake,
            tables=tables,
            start=self.settings.start_date,
            contents=self._contents(),
            known=self._known,
        )
        nobody = [shown(line) for line in names_nobody(self.lake, tables, dataset)]
        if nobody:
            log.warning("%s: %s", dataset, "; ".join(nobody))
            outcome.notes["names nobody"] = "\n".join(f"- {line}" for line in nobody)
        return outcome

    def rekey(self, dataset: str) -> Iterator[Outcome]:
        """Make again what a dataset is made from, and its own days, where keys are of another secret, or of none.

        After a rotation, and after the version that made keys without a secret, nothing can be made from such days or
        published with them. From what has landed; for the mart, which publishes everything, of all datasets.
        """
        secret = self.names().pseudonyms.fingerprint
        for name in in_order(NODES if dataset == "funnel_marts" else {dataset, *ancestors(dataset)}):
            found = under_other_keys(name, self.lake.all_facts(name), secret)
            days = [day for day in found if day >= self.settings.start_date]
            if days:
                log.info(
                    "%s: %d day(s) have keys of an earlier version or secret; they are made again first",
                    name,
                    len(days),
                )
                yield self.make(name, days, fetch=False)

    def publish(self) -> Published:
        """Bring Postgres up to the lake in one transaction; refuses when rows or money don't add up.

        With ``FUNNEL_ID_CHECK=block`` also when an id of a person is repeated, or a sale has one that no lead has.
        """
        tables = self.tables()
        self._check_ids()
        timezone, currency = self.settings.timezone, self.settings.currency
        done = publish(
            self.lake,
            self.quarantine,
            self.warehouse,
            tables,
            timezone,
            currency,
            self._known,
            self._balanced,
        )
        if done.days:
            self._list_unmapped(tables)
        return done

    def id_problems(self) -> list[str]:
        """What is wrong with the ids by which sources know people, in words."""
        return id_problems(self.lake, self.sources())

    def _check_ids(self) -> None:
        try:
            found = [shown(line) for line in self.id_problems()]
        except ConfigError as error:  # what landed may be published all the same
            log.warning("Ids aren't checked: %s", error)
            return
        if found and self.settings.id_check == "block":
            raise FunnelError(
                f"not published (FUNNEL_ID_CHECK=block): {'; '.join(found)}. What was published before stays.",
                dataset=found[0].partition(",")[0],
                fix="mend these rows at the source, or set FUNNEL_ID_CHECK=warn.",
            )
        for line in found:
            log.warning("%s", line)

    def _list_unmapped(self, tables: Tables) -> None:
        """Bring the list of unmapped sources up to what is published; that it can't be written spoils no publish."""
        from funnel_assets import unmapped  # only now: what writes exports takes a while to import

        try:
            unmapped.write(self.warehouse, tables, self.settings.exports)
        except (FunnelError, OSError) as error:
            log.warning("The list of unmapped sources couldn't be written: %s", error)

    # --- what is stale or missing --------------------------------------------------------------------------

    def stale(self, dataset: str, days: Sequence[dt.date]) -> list[dt.date]:
        """Days in the lake that were made from something else than what is there now, and days that it lost."""
        unreadable = self.quarantine.damaged(dataset) - {UNDATED}
        lost = {*self.lake.lost(dataset), *map(dt.date.fromisoformat, unreadable)}
        return sorted({*self._stale(dataset, days), *(lost & set(days))})

    def _stale(self, dataset: str, days: Sequence[dt.date]) -> list[dt.date]:
        if dataset == "zoom_attendance":
            return self.zoom.stale_days(days)
        if NODES[dataset].is_source:
            return self.ingest.stale_days(dataset, days)
        tables = self.tables()
        config = {name: tables.fingerprint(name) for name in NODES[dataset].config}
        return stale_days(self.lake, self._contents(), dataset, days, config)

    def _contents(self) -> Contents:
        secret = self.names().pseudonyms.fingerprint
        return Contents(self.lake, self.settings.start_date, self.settings.currency, secret)

    def all_days(self) -> list[dt.date]:
        """Every day that a dataset can have, up to yesterday."""
        return days_between(self.settings.start_date, self.settings.yesterday())

    def stale_plan(self) -> dict[str, list[dt.date]]:
        """Stale days per dataset, as far as they can be told now; what follows from making them comes on top.

        Raises:
            ConfigError: For a mistake in a config file, once nothing is left to do without that file.
        """
        days = self.all_days()
        plan: dict[str, list[dt.date]] = {}
        wrong: ConfigError | None = None
        for name in in_order():
            try:
                stale = self.stale(name, days)
            except ConfigError as error:
                wrong = wrong or error
                continue
            if stale:
                plan[name] = stale
        if wrong is not None and not plan:
            raise wrong
        return plan

    def restate(self, days: Sequence[dt.date]) -> dict[str, Outcome]:
        """Make every stale one of these days, from what has landed; each dataset after what it reads.

        A dataset whose config is wrong keeps its days as they are.
        """
        outcomes: dict[str, Outcome] = {}
        for name in in_order():
            try:
                stale = self.stale(name, days)
            except ConfigError as error:
                log.warning("%s isn't restated: %s", name, error)
                continue
            if stale:
                outcomes[name] = self.make(name, stale, fetch=False)
        return outcomes

    def tidy(self) -> int:
        """Once a day: delete old dumps that no day stands on, old pages of the journal, and what killed runs left.

        Returns:
            How many files.
        """
        memory = self.settings.home / "tidied"
        today = str(self.settings.today())
        if memory.exists() and memory.read_bytes() == today.encode():
            return 0
        removed = self.ingest.prune(self.all_days())
        removed += Journal(self.lake).prune(dt.datetime.now(dt.UTC) - dt.timedelta(days=KEEP_DAYS))
        removed += self.lake.sweep() + sweep(self.settings.staged)
        write_whole(memory, today.encode())
        return removed

    def missing_on(self, day: dt.date) -> list[str]:
        """Datasets that have no partition for a day."""
        return [name for name in in_order() if self.lake.facts(name, day) is None]

    def missing_days(self) -> list[dt.date]:
        """Days of the whole span on which some dataset isn't there, oldest first."""
        written = {name: set(self.lake.days(name)) for name in NODES}
        return [day for day in self.all_days() if any(day not in days for days in written.values())]

    def owed_days(self) -> list[dt.date]:
        """Days that were missed since the software was first started, newest first."""
        made = sorted(day for name in NODES for day in self.lake.days(name))
        missing = set(self.missing_days())
        return owed_days(
            self.settings.home / "owed_days.json",
            self.settings.yesterday(),
            max(made, default=None),
            lambda day: day not in missing,
            oldest_made=min(made, default=None),
        )

    # --- what people look at -------------------------------------------------------------------------------

    def preview(self, dataset: str, day: dt.date) -> str:
        """First rows of a day as a Markdown table, personal data masked."""
        table = self.lake.read(dataset, [day]).slice(0, PREVIEW_ROWS)
        return masked_preview(dataset, table)

    def reconcile(self, outcome: Outcome) -> list[str]:
        """What doesn't add up in the days just made, in words; empty when all does."""
        return reconciliation.broken(self.lake, self.tables(), outcome, self._known, self._balanced)

    def uncounted_activities(self, outcome: Outcome) -> str:
        """Name the event types of the days just made that no rule knows, most frequent first; empty when all count."""
        points = rules_of(self.tables()).other_points
        times: Counter[str] = Counter()
        for day in outcome.done:
            events = self.lake.read("engagement_events", [day], columns=["event_type", "times"])
            counted = events.group_by("event_type").aggregate([("times", "sum")]).to_pylist()
            for row in counted:
                if row["event_type"] not in EVENT_COUNTS and row["event_type"] not in points:
                    times[row["event_type"]] += row["times_sum"] or 0
        named = [f"{often} `{mask_text(kind)}`" for kind, often in times.most_common(10)]
        return f"{', '.join(named)} count nowhere: add them to scoring.csv." if named else ""

    def unusual_row_counts(self, outcome: Outcome) -> list[str]:
        """Days just made whose row count is unusual for their weekday, in words."""
        if not outcome.done:
            return []
        asked = {day for made in outcome.done for day in (made, *compared_days(made))}
        rows = {day: facts.rows for day, facts in self.lake.all_facts(outcome.dataset, asked).items()}
        found = []
        for day in sorted(outcome.done):
            usual = usual_range(day, rows)
            if usual is not None and not usual[0] <= rows.get(day, 0) <= usual[1]:
                found.append(f"{day} ({day:%A}): {rows.get(day, 0)} rows, usual are {usual[0]} to {usual[1]}")
        return found


def masked_preview(dataset: str, table: pa.Table) -> str:
    """Return rows as a Markdown table with personal data masked."""
    facts = columns(CONTRACTS[dataset])
    lines = [" | ".join(fact.name for fact in facts), " | ".join("---" for _ in facts)]
    for row in table.to_pylist():
        lines.append(" | ".join(_shown(fact.name, fact.personal, row[fact.name]) for fact in facts))
    return "\n".join(f"| {line} |" for line in lines)


def _shown(name: str, personal: bool, value: object) -> str:
    if value is None:
        return ""
    text = str(value)
    if personal:
        if "phone" in name or name == "user_id":
            return mask_phone(text)
        return mask_email(text) if "@" in text else f"{text[:1]}***"
    return text.replace("|", "/").replace("\n", " ")[:60]
