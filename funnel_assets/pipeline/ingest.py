"""How source days are made: fetch, land, read as text, index every row, clean the rows of the days wanted.

A full dump holds all days. Indexing says for every row which day it belongs to and whether it is loaded, a duplicate
or quarantined; per day it gives a digest of the rows' contents. A day of the lake carries the digests it was made
from, so a dump that changes one old row makes exactly that day stale, and a dump that changes nothing costs nothing
more than its fetch. Only the rows of days that have to be made are cleaned.
"""

import contextlib
import datetime as dt
import json
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from funnel_assets.config.settings import Settings
from funnel_assets.config.source_model import Source
from funnel_assets.config.sources import SourcesConfig
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema, conform
from funnel_assets.domain.parsing import PARSERS, Cleaned, SourceContext, account, put_together
from funnel_assets.errors import (
    ConfigError,
    DumpHeld,
    FunnelError,
    LandedDamaged,
    SourceBroken,
    SourceUnavailable,
)
from funnel_assets.pipeline.ahead import FetchAhead
from funnel_assets.pipeline.dating import DATE_FORMATS
from funnel_assets.pipeline.graph import NODES, SOURCES, WITH_BEFORE, cut
from funnel_assets.pipeline.held import REASON, Held, quarantined
from funnel_assets.pipeline.indexing import BAD_COLUMNS, EMPTY, DumpRows, SourceIndex, Task, index_dump
from funnel_assets.pipeline.landed import land, source_context
from funnel_assets.pipeline.outcome import Outcome, write_before, write_days
from funnel_assets.pipeline.overlap import Keys, Taken, taken, taken_digest, together, without_taken
from funnel_assets.pipeline.row_store import RowStore
from funnel_assets.pipeline.short_dumps import Counted, counted
from funnel_assets.pipeline.staleness import KEYED, KEYS_UNDER
from funnel_assets.pipeline.standing import (
    CLOCKS_DIFFER,
    SOURCE,
    lost_dump_error,
    lost_sources,
    lost_sources_error,
)
from funnel_assets.storage.decisions import Decisions
from funnel_assets.storage.files import recall, write_whole
from funnel_assets.storage.lake import BEFORE, Lake, PartitionFacts, fingerprint
from funnel_assets.storage.landing import Landing, Snapshot
from funnel_assets.storage.quarantine import UNDATED, Quarantine

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 250_000
"""Rows cleaned at once."""

KEEP_DUMPS = 3
"""So many different dumps of a source are kept however old they are."""


NEWEST = "_newest"
"""Note in the lake of the newest dump that each source's days were made from."""


@dataclass
class _Read:
    """One dump of a source, indexed; its rows are read again when a day has to be cleaned."""

    source: Source
    snapshot: Snapshot
    index: SourceIndex
    undated: pd.DataFrame
    rows: DumpRows | None = None


@dataclass
class _Dumps:
    """The dumps of one source, newest first: older ones matter only where the newest keeps recent days."""

    newest: _Read
    older: Sequence[_Read] = ()

    @property
    def source(self) -> Source:
        """Their source."""
        return self.newest.source

    def of(self, day: dt.date) -> _Read:
        """Return the newest dump that holds all of a day."""
        return next(
            (read for read in (self.newest, *self.older) if read.index.covers(day)), self._partly(day)
        )

    def _partly(self, day: dt.date) -> _Read:
        reads = (self.newest, *self.older)
        return next((read for read in reads if day in read.index.days), self.newest)

    @staticmethod
    def _holds(read: _Read, day: dt.date, made_of: str | None) -> bool:
        return day in read.index.days if made_of is None else read.index.digest(day) == made_of

    def lacks(self, day: dt.date, made_of: str | None) -> bool:
        """Whether a day was made from a dump that isn't here any more, and none that is here holds all of it.

        Args:
            day: The day.
            made_of: Digest of the rows it was made from; None where it was made and from what isn't known.
        """
        reads = (self.newest, *self.older)
        return (
            self.source.rolling
            and made_of != EMPTY
            and not any(read.index.covers(day) or self._holds(read, day, made_of) for read in reads)
        )


@dataclass
class _CleanedDays:
    """Some days' rows, how many rows of each day met which fate, and the cells read with a loss, by kind."""

    rows: pa.Table
    counts: Mapping[dt.date, Counter[str]]
    notes: Counter[str]


class Ingest:
    """Makes the days of the tabular source datasets."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        landing: Landing,
        quarantine: Quarantine,
        sources: Callable[[], SourcesConfig],
        tables: Callable[[], Tables],
    ) -> None:
        self._settings = settings
        self._lake = lake
        self._landing = landing
        self._quarantine = quarantine
        self._sources = sources
        self._tables = tables
        self._taken: dict[str, tuple[Hashable, list[Taken]]] = {}
        self._ahead = FetchAhead(landing)
        self._decisions = Decisions(landing.root)

    def fetch_ahead(self, run: Hashable, datasets: Sequence[str]) -> None:
        """Begin to fetch all sources of some datasets side by side, for the `make_days` of this run."""
        sources = self._sources()
        self._ahead.start(run, [source for dataset in datasets for source in sources.of(dataset)])

    def make_days(self, dataset: str, days: Sequence[dt.date], *, fetch: bool) -> Outcome:
        """Make days of a source dataset.

        Args:
            dataset: Name of the dataset.
            days: Days to make; one whose rows haven't changed since it was made is left as it is.
            fetch: Fetch each source anew; else only where the newest landed dump is older than the days.
        """
        outcome = Outcome(dataset)
        try:
            tables = self._tables()
            reads = [self._dumps(source, tables, days, fetch) for source in self._configured(dataset)]
            overlap = self._overlap(reads)
            wanted = {day: _inputs(reads, overlap, day, tables) for day in days}
            self._make_before(dataset, reads, overlap, tables)
            known = self._lake.all_facts(dataset)
            unreadable = self._quarantine.damaged(dataset)
            outcome.done = {
                day: known[day]
                for day in days
                if day in known and known[day].inputs == wanted[day] and str(day) not in unreadable
            }
            todo = [day for day in days if day not in outcome.done]
            outcome.failed |= self._refused(dataset, reads, todo, known)
            outcome.failed |= self._unreadable(reads, [d for d in todo if d not in outcome.failed], tables)
            todo = [day for day in todo if day not in outcome.failed]
            if todo:
                self._write(outcome, reads, overlap, todo, wanted, tables)
            self._note_newest(dataset, reads)
        except FunnelError as error:
            outcome.done.clear()
            outcome.failed = dict.fromkeys(days, error.located(dataset=dataset))
            return outcome
        outcome.stale_elsewhere = {
            day
            for day, facts in known.items()
            if day not in wanted and facts.inputs != _inputs(reads, overlap, day, tables)
        }
        outcome.notes["sources"] = _sources_table(reads, outcome)
        drift = _drift_text(reads)
        if drift:
            outcome.notes["drift"] = drift
        return outcome

    def _make_before(
        self, dataset: str, dumps: Sequence[_Dumps], overlap: Sequence[Taken], tables: Tables
    ) -> None:
        """Bring the rows dated before the first day up to the dumps, as one partition."""
        if dataset not in WITH_BEFORE:
            return
        days = self._days_before(dumps)
        written = self._lake.facts(dataset, BEFORE)
        inputs = {"start": str(self._settings.start_date)} | {
            f"days.{name}": fingerprint(told)
            for name, told in _inputs_of_days(dumps, overlap, days, tables).items()
        }
        if (written is None and not days) or (written is not None and written.inputs == inputs):
            return
        rows = [arrow_schema(CONTRACTS[dataset]).empty_table()]
        sizes = Counter[dt.date]()
        for found in dumps:
            sizes.update({day: found.of(day).index.rows(day) for day in days})
        if written is not None and sizes.total() < written.rows and any(one.source.rolling for one in dumps):
            log.warning(
                "What %s holds before %s stays as it was: an earlier dump of a rolling source isn't in this home's "
                "landing any more.",
                dataset,
                self._settings.start_date,
            )
            return
        for some in cut(days, sizes, ROWS_AT_ONCE):
            rows.append(self._cleaned(dataset, dumps, overlap, some, tables).rows)
        write_before(self._lake, dataset, pa.concat_tables(rows), inputs)

    def _days_before(self, dumps: Sequence[_Dumps]) -> list[dt.date]:
        """Days before the first one that these dumps have rows of."""
        indexes = [read.index for found in dumps for read in (found.newest, *found.older)]
        start = self._settings.start_date
        return sorted({day for index in indexes for day in index.days if day < start})

    def stale_days(self, dataset: str, days: Sequence[dt.date]) -> list[dt.date]:
        """Days in the lake whose rows differ from those of the newest landed dumps.

        Days that no landed dump covers yet are left out: they are not stale but not known. The same goes for a
        dataset whose newest dump is broken, or whose lines in sources.yaml hold a mistake: its run has failed and
        said so, and the others are restated without it.
        """
        tables = self._tables()
        reads = []
        try:
            sources = self._configured(dataset)
        except ConfigError as error:
            log.warning("%s", error)
            return []
        for source in sources:
            snapshot = self._counted(source, tables).newest
            if snapshot is None:
                return []
            if self._is_behind(source):
                log.warning(
                    "%s: the newest dump that %s was made from isn't in this home's landing; the next run fetches it "
                    "anew, and nothing is restated before.",
                    source.name,
                    dataset,
                )
                return []
            if _is_ahead(snapshot):
                # Made when the clock was wrong: from now on, days are made again, and the source is fetched for them.
                return [
                    day for day in self._lake.all_facts(dataset, days) if day >= self._settings.yesterday()
                ]
            try:
                newest = self._indexed(source, snapshot, tables)
            except SourceBroken as error:
                log.warning("%s", error)
                return []
            reads.append(self._with_older(newest, tables))
        overlap = self._overlap(reads)
        covered = min((read.newest.snapshot.fetched_at for read in reads), default=None)
        facts = self._lake.all_facts(dataset, days)
        return [
            day
            for day, found in facts.items()
            if (covered is None or self._end_of(day) <= covered)
            and found.inputs != _inputs(reads, overlap, day, tables)
        ]

    def prune(self, days: Sequence[dt.date]) -> int:
        """Delete landed dumps that are old and that none of the days stands on; return how many.

        A source that can't be read now keeps everything.
        """
        tables = self._tables()
        removed = 0
        for dataset in (name for name in SOURCES if name not in ("zoom_attendance", *self._sources().wrong)):
            for source in self._configured(dataset):
                try:
                    newest = self._counted(source, tables).newest
                    if newest is None:
                        continue
                    dumps = self._with_older(self._indexed(source, newest, tables), tables)
                except SourceBroken:
                    continue
                theirs = (*days, *self._days_before([dumps]))
                needed = {newest.sha256, *(dumps.of(day).snapshot.sha256 for day in theirs)}
                kept_days = self._settings.keep_dumps_days
                removed += self._landing.prune(dataset, source.name, kept_days, KEEP_DUMPS, needed).snapshots
        return removed

    def _configured(self, dataset: str) -> Sequence[Source]:
        """Return a dataset's sources; none where the company has none.

        Raises:
            ConfigError: The dataset isn't listed any more: it would be emptied, all its days, for a lost line.
        """
        sources = self._sources()
        found = sources.of(dataset)
        if found or dataset in sources.without:
            return found
        landed = [source for one, source in self._landing.sources() if one == dataset]
        if landed:
            raise ConfigError(
                f"no source is listed for {dataset}, which had {', '.join(landed)} until now.",
                dataset=dataset,
                file=sources.file.name,
                fix=f"put its lines back, or write `{dataset}: []` if its days are to be emptied.",
            )
        return found

    def _end_of(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), self._settings.zone)

    def _rules(self, source: Source, tables: Tables) -> str:
        placeholders = tables.fingerprint("placeholders")
        version = NODES[source.dataset].rules_version
        # An event without an id is told from others by one made of its content, under the secret.
        secret = [tables.pseudonyms.fingerprint] if source.dataset == "engagement_events" else []
        return fingerprint([version, source.fingerprint(), placeholders, self._settings.timezone, *secret])[
            :12
        ]

    def _index_path(self, source: Source, sha256: str) -> Path:
        return self._settings.staged / source.dataset / source.name / f"{sha256}.json"

    def _keys_path(self, source: Source, sha256: str) -> Path:
        return self._index_path(source, sha256).with_suffix(".keys")

    def _has_overlap(self, dataset: str) -> bool:
        return PARSERS[dataset].keyed and len(self._sources().of(dataset)) > 1

    def _overlap(self, dumps: Sequence[_Dumps]) -> list[Taken]:
        """Return per source what an earlier one holds on another day."""
        if not dumps or not self._has_overlap(dumps[0].source.dataset):
            return [{} for _ in dumps]
        dataset = dumps[0].source.dataset
        reads = [read for found in dumps for read in (found.newest, *found.older)]
        of = tuple((read.source.name, read.snapshot.sha256, read.index.rules) for read in reads)
        known = self._taken.get(dataset)
        if known is None or known[0] != of:
            known = self._taken[dataset] = of, taken([self._keys(found) for found in dumps])
        return known[1]

    def _keys(self, dumps: _Dumps) -> Keys:
        """Return the keys of a source, each day's as the dump has them that the day is made from."""

        def of_its_days(read: _Read) -> Keys:
            keys = Keys.load(self._keys_path(read.source, read.snapshot.sha256)) or together(())
            return keys.on(lambda day: dumps.of(day) is read)

        return together(of_its_days(read) for read in (dumps.newest, *dumps.older))

    def _dumps(self, source: Source, tables: Tables, days: Sequence[dt.date], fetch: bool) -> _Dumps:
        if PARSERS[source.dataset].money and source.currency != self._settings.currency:
            raise ConfigError(
                f"its amounts are in {source.currency}, all else in {self._settings.currency}: they can't be added.",
                dataset=source.dataset,
                source=source.name,
                file=self._settings.sources_file.name,
                line=source.line,
                fix=f"set FUNNEL_CURRENCY={source.currency} if all sources are in it, else convert the amounts at the "
                f"source and say `currency: {self._settings.currency}`.",
            )
        snapshot = self._landing.newest(source.dataset, source.name)
        is_enough = snapshot is not None and snapshot.fetched_at >= self._end_of(max(days))
        if fetch or not is_enough or self._is_behind(source) or (snapshot and _is_ahead(snapshot)):
            under_way = self._ahead.take(source)
            snapshot = under_way.result() if under_way else land(source, self._landing, snapshot)
        assert snapshot is not None
        snapshot = self._that_counts(source, snapshot, tables, days, fetch)
        if snapshot.fetched_at < self._end_of(max(days)):
            raise SourceUnavailable(
                f"the newest dump was taken {snapshot.fetched_at:%Y-%m-%d %H:%M} UTC, before the day had ended.",
                dataset=source.dataset,
                source=source.name,
                day=max(days),
                fix="run the day again after it has ended.",
            )
        try:
            newest = self._indexed(source, snapshot, tables)
        except LandedDamaged as error:
            log.warning("%s It is fetched again.", error)
            again = land(source, self._landing, None)
            newest = self._indexed(source, self._that_counts(source, again, tables, days, True), tables)
        self._quarantine_undated(newest)
        return self._with_older(newest, tables)

    def _is_behind(self, source: Source) -> bool:
        """Whether the lake was made from a newer dump than this home's landing holds: another home's, or a lost one."""
        newest = (self._lake.noted(source.dataset, NEWEST, _texts) or {}).get(source.name)
        return newest is not None and not self._landing.holds(source.dataset, source.name, newest)

    def _note_newest(self, dataset: str, dumps: Sequence[_Dumps]) -> None:
        known = self._lake.noted(dataset, NEWEST, _texts)
        now = {found.source.name: found.newest.snapshot.sha256 for found in dumps}
        if now and known != now:
            self._lake.note(dataset, NEWEST, now)

    def _refused(
        self,
        dataset: str,
        dumps: Sequence[_Dumps],
        days: Sequence[dt.date],
        known: Mapping[dt.date, PartitionFacts],
    ) -> dict[dt.date, FunnelError]:
        """Days that would be made with less than they were, because this home lacks what they were made from."""
        taken_away, found = self._sources().taken_away, {}
        configured = [found.source.name for found in dumps]
        landed = self._landing.sources_of(dataset) if days else []
        lost = set(self._lake.lost(dataset)) if days else set()
        for day in days:
            inputs = known[day].inputs if day in known else {}
            for dump in dumps:
                name = dump.source.name
                made_of = (
                    inputs[f"{SOURCE}{name}"].rpartition(".")[2] if f"{SOURCE}{name}" in inputs else None
                )
                was_made = made_of is not None or day in lost
                if was_made and name not in taken_away and dump.lacks(day, made_of):
                    found[day] = lost_dump_error(name, day)
            if names := lost_sources(inputs, configured, landed, taken_away, EMPTY):
                found[day] = lost_sources_error(names, day)
        return found

    def _unreadable(
        self, dumps: Sequence[_Dumps], days: Sequence[dt.date], tables: Tables
    ) -> dict[dt.date, FunnelError]:
        """Read the dumps that days are made from; returns the days of those that are damaged and can't be had again."""
        found: dict[dt.date, FunnelError] = {}
        for dump in dumps:
            for read in dict.fromkeys(dump.of(day).snapshot.sha256 for day in days):
                of_it = [day for day in days if dump.of(day).snapshot.sha256 == read]
                try:
                    self._read_rows(dump.of(of_it[0]), tables)
                except LandedDamaged as error:
                    found |= dict.fromkeys(of_it, error)
        return found

    def _read_rows(self, read: _Read, tables: Tables) -> None:
        """Read a dump's rows, unless they are; a damaged dump is fetched again, and counts if it is the same still."""
        if read.rows is not None:
            return
        try:
            read.rows = self._index(read.source, read.snapshot, tables).rows
        except LandedDamaged as error:
            log.warning("%s It is fetched again.", error)
            again = land(read.source, self._landing, None)
            if again.sha256 != read.snapshot.sha256:
                raise error.located(day=None) from None
            read.rows = self._index(read.source, read.snapshot, tables).rows

    def _that_counts(
        self, source: Source, fetched: Snapshot, tables: Tables, days: Sequence[dt.date], fetch: bool
    ) -> Snapshot:
        """Return the newest dump that counts.

        Raises:
            DumpHeld: A newer one is held, and the days were to be made from it.
        """
        found = self._counted(source, tables)
        newest = found.newest or fetched
        if found.held is not None and (
            fetch or found.newest is None or newest.fetched_at < self._end_of(max(days))
        ):
            held = self._held(source, found)
            raise DumpHeld(
                f"the dump is held. {held.why} What was made before stays.",
                dataset=source.dataset,
                source=source.name,
                file=held.file,
                fix=held.fix,
            )
        return newest

    def _counted(self, source: Source, tables: Tables) -> Counted:
        """Which dumps of a source count; what is held is put into quarantine."""
        decisions = self._decisions.of(source.dataset, source.name)
        newest = self._landing.newest(source.dataset, source.name)
        if newest is None or (newest.is_proven and not decisions and not source.rolling):
            self._quarantine.replace(source.dataset, source.name, REASON, quarantined(()))
            return Counted(newest)

        def rows_of(snapshot: Snapshot) -> int | None:
            # A dump that can't be read fails whoever wants it, and no other.
            with contextlib.suppress(SourceBroken):
                return self._indexed(source, snapshot, tables).index.rows_in
            return snapshot.rows

        snapshots = self._landing.snapshots(source.dataset, source.name)
        found = counted(snapshots, rows_of, source.least_rows_pct / 100, decisions)
        held = () if found.held is None else (self._held(source, found),)
        self._quarantine.replace(source.dataset, source.name, REASON, quarantined(held))
        return found

    @staticmethod
    def _held(source: Source, found: Counted) -> Held:
        """A held dump in words."""
        assert found.held is not None
        why = (
            f"It has {found.rows:,} row(s), the last one {found.rows_before:,}, and nothing proves it whole: the "
            "server states no length, and a CSV has no end mark."
        )
        otherwise = "run again: it counts once another fetch brings about as many rows."
        return Held(
            source.dataset,
            source.name,
            found.held.origin,
            found.held.sha256,
            (),
            why,
            otherwise,
            is_file=False,
        )

    def held(self, dataset: str) -> list[Held]:
        """Dumps of a dataset that wait for the next fetch or a person's decision."""
        tables = self._tables()
        found = [(source, self._counted(source, tables)) for source in self._sources().of(dataset)]
        return [self._held(source, one) for source, one in found if one.held is not None]

    def decided(self, decision: str) -> list[Held]:
        """Dumps about which a person decided so: a decision may be changed."""
        return [
            Held(one.dataset, one.source, one.file, one.sha256, (), one.why_held, "", is_file=False)
            for dataset in SOURCES
            if dataset not in ("zoom_attendance", *self._sources().wrong)
            for source in self._sources().of(dataset)
            for one in self._decisions.of(dataset, source.name).values()
            if one.decision == decision
        ]

    def _with_older(self, newest: _Read, tables: Tables) -> _Dumps:
        """Add the dumps before, where the newest keeps recent days only; each content once, newest first."""
        if not newest.source.rolling:
            return _Dumps(newest)
        seen = {newest.snapshot.sha256, *self._counted(newest.source, tables).left_out}
        older = []
        for snapshot in reversed(self._landing.snapshots(newest.source.dataset, newest.source.name)):
            if snapshot.sha256 not in seen:
                seen.add(snapshot.sha256)
                # A broken dump failed its own run; it must not fail every later one.
                with contextlib.suppress(SourceBroken):
                    older.append(self._indexed(newest.source, snapshot, tables))
        return _Dumps(newest, older)

    def _indexed(self, source: Source, snapshot: Snapshot, tables: Tables) -> _Read:
        known = SourceIndex.load(self._index_path(source, snapshot.sha256))
        has_keys = not self._has_overlap(source.dataset) or self._keys_path(source, snapshot.sha256).exists()
        context = self._context(source, snapshot, tables)
        is_current = known is not None and known.rules == self._rules(source, tables)
        is_told = UNDATED not in self._quarantine.damaged(source.dataset, source.name)
        if known is not None and is_current and has_keys and is_told and known.holds_on(context.last_day):
            undated = recall(self._undated_path(source, snapshot.sha256), _as_undated)
            if undated is not None:
                return _Read(source, snapshot, known, undated)
        return self._index(source, snapshot, tables)

    def _index(self, source: Source, snapshot: Snapshot, tables: Tables) -> _Read:
        newest = self._landing.newest(source.dataset, source.name)
        task = Task(
            source=source,
            snapshot=snapshot,
            path=self._landing.path(snapshot, verify=True),
            parser=PARSERS[source.dataset],
            context=self._context(source, snapshot, tables),
            rules=self._rules(source, tables),
            before=self._before(source, snapshot),
            store=RowStore(self._settings.staged / source.dataset / source.name / "rows"),
            keep=newest is None or newest.sha256 == snapshot.sha256,
            keys=self._has_overlap(source.dataset),
        )
        found = index_dump(task)
        if found.keys is not None:
            self._keep_keys(source, snapshot, found.keys)
        _save_undated(self._undated_path(source, snapshot.sha256), found.bad)
        found.index.save(self._index_path(source, snapshot.sha256))
        header, extra = found.index.header, {"profile": found.profile, DATE_FORMATS: found.date_formats}
        snapshot = self._landing.annotate(snapshot, rows=found.index.rows_in, header=header, extra=extra)
        return _Read(source, snapshot, found.index, found.bad, found.rows)

    def _undated_path(self, source: Source, sha256: str) -> Path:
        return self._index_path(source, sha256).with_suffix(".undated")

    def _quarantine_undated(self, newest: _Read) -> None:
        """Make the undated rows of a source's newest dump those in quarantine.

        Not when a dump is indexed: that happens to older ones of a rolling source as well, and not again to a content
        that is back.
        """
        source, rows = newest.source, newest.undated.assign(file=newest.snapshot.origin)
        self._quarantine.replace(source.dataset, source.name, UNDATED, rows)

    def _keep_keys(self, source: Source, snapshot: Snapshot, keys: Keys) -> None:
        """Keep a dump's keys for the next run, and forget those of dumps that nothing is made from any more."""
        path = self._keys_path(source, snapshot.sha256)
        keys.save(path)
        landed = self._landing.snapshots(source.dataset, source.name)
        used = {one.sha256 for one in (landed if source.rolling else landed[-1:])} | {snapshot.sha256}
        for other in path.parent.glob("*.keys"):
            if other.stem not in used:
                other.unlink(missing_ok=True)

    def _before(self, source: Source, snapshot: Snapshot) -> Snapshot | None:
        """The dump before this one, for the drift report."""
        earlier = [
            one
            for one in self._landing.snapshots(source.dataset, source.name)
            if (one.arrival, one.fetched_at) < (snapshot.arrival, snapshot.fetched_at)
            and one.header is not None
        ]
        return earlier[-1] if earlier else None

    def _context(
        self, source: Source, snapshot: Snapshot, tables: Tables, index: SourceIndex | None = None
    ) -> SourceContext:
        return source_context(
            source,
            snapshot.origin,
            self._settings.timezone,
            tables,
            taken=snapshot.fetched_at.astimezone(self._settings.zone).date(),
            column_formats=index.dates if index else None,
        )

    def _write(
        self,
        outcome: Outcome,
        dumps: Sequence[_Dumps],
        overlap: Sequence[Taken],
        todo: Sequence[dt.date],
        wanted: Mapping[dt.date, Mapping[str, str]],
        config: Tables,
    ) -> None:
        """Clean and write days, so many at a time that their rows fit in memory."""
        rows = Counter[dt.date]()
        for found in dumps:
            days = found.newest.index.days
            rows.update({day: days[day].rows for day in todo if day in days})
        notes = Counter[str]()
        for some in cut(todo, rows, ROWS_AT_ONCE):
            notes += self._write_some(outcome, dumps, overlap, some, wanted, config)
        if notes:
            told = (f"- {name.replace('_', ' ')}: {count}" for name, count in sorted(notes.items()))
            outcome.notes["read with a loss"] = "\n".join(told)

    def _write_some(
        self,
        outcome: Outcome,
        dumps: Sequence[_Dumps],
        overlap: Sequence[Taken],
        todo: Sequence[dt.date],
        wanted: Mapping[dt.date, Mapping[str, str]],
        config: Tables,
    ) -> Counter[str]:
        """Clean and write days; return how many cells were read with a loss, by kind."""
        cleaned = self._cleaned(outcome.dataset, dumps, overlap, todo, config)
        write_days(self._lake, outcome, cleaned.rows, todo, inputs=wanted, counts=cleaned.counts)
        return cleaned.notes

    def _cleaned(
        self,
        dataset: str,
        dumps: Sequence[_Dumps],
        overlap: Sequence[Taken],
        todo: Sequence[dt.date],
        config: Tables,
    ) -> "_CleanedDays":
        """Clean days, each from the dump that it is made from, and quarantine their bad rows."""
        parser = PARSERS[dataset]
        counts = {day: Counter[str]() for day in todo}
        tables: list[pa.Table] = []
        notes: Counter[str] = Counter()
        before = Counter[dt.date]()
        for found, held in zip(dumps, overlap, strict=True):
            by_read: dict[str, tuple[_Read, list[dt.date]]] = {}
            for day in todo:
                read = found.of(day)
                by_read.setdefault(read.snapshot.sha256, (read, []))[1].append(day)
            for read, days in by_read.values():
                self._read_rows(read, config)
                assert read.rows is not None
                context = self._context(read.source, read.snapshot, config, read.index)
                table, index = read.rows.on(days)
                cleaned = parser.clean_rows(table, index, context)
                account(table, index, cleaned, context, parser.money).check(context)
                notes.update(cleaned.notes)
                rows = conform(cleaned.rows, CONTRACTS[dataset])
                before += _rows_per_day(rows)
                tables.append(without_taken(rows, dataset, held))
                self._count(read, cleaned, days, counts)
        # Two sources may hold the same sale or event: it counts once, and the repeat is a duplicate of its day.
        empty = conform(arrow_schema(CONTRACTS[dataset]).empty_table(), CONTRACTS[dataset])
        rows, _ = put_together(tables or [empty], dataset)
        after = _rows_per_day(rows)
        for day in todo:
            counts[day]["duplicates"] += before[day] - after[day]
        return _CleanedDays(rows, counts, notes)

    def _count(
        self, read: _Read, cleaned: Cleaned, todo: Sequence[dt.date], counts: Mapping[dt.date, Counter[str]]
    ) -> None:
        """Count a source's rows per day, and make its quarantined rows of these days the ones just found."""
        bad = dict(iter(cleaned.quarantine.groupby("day"))) if len(cleaned.quarantine) else {}
        none = cleaned.quarantine.iloc[:0]
        for day in todo:
            found = bad.get(day, none)
            counts[day]["rows_in"] += read.index.rows(day)
            counts[day]["quarantined"] += len(found)
            self._quarantine.replace(
                read.source.dataset, read.source.name, str(day), found.assign(file=read.snapshot.origin)
            )


def _is_ahead(snapshot: Snapshot) -> bool:
    """Whether a dump is from the future: the clock was wrong, then or now, and it isn't relied on. Told."""
    ahead = snapshot.fetched_at - dt.datetime.now(dt.UTC)
    if ahead <= CLOCKS_DIFFER:
        return False
    log.warning(
        "%s: the newest dump says it was taken at %s UTC, which is yet to come: this machine's clock was wrong then, "
        "or is now. It is fetched again. Next: check the clock.",
        snapshot.source,
        f"{snapshot.fetched_at:%Y-%m-%d %H:%M}",
    )
    return True


def _texts(content: dict[str, str]) -> dict[str, str]:
    if not all(isinstance(sha256, str) for sha256 in content.values()):
        raise TypeError("not the newest dumps")
    return content


def _save_undated(path: Path, rows: pd.DataFrame) -> None:
    records = rows[BAD_COLUMNS].astype(object).where(rows[BAD_COLUMNS].notna(), None).to_dict("records")
    write_whole(path, json.dumps(records, default=str).encode())


def _as_undated(records: list[dict[str, object]]) -> pd.DataFrame:
    return pd.DataFrame(
        [{name: record[name] for name in BAD_COLUMNS} for record in records], columns=BAD_COLUMNS
    )


def _inputs_of_days(
    dumps: Sequence[_Dumps], overlap: Sequence[Taken], days: Sequence[dt.date], tables: Tables
) -> dict[str, list[tuple[str, str]]]:
    """Return what several days are made from: day and fingerprint, by source."""
    found: dict[str, list[tuple[str, str]]] = {}
    for day in days:
        for name, told in _inputs(dumps, overlap, day, tables).items():
            found.setdefault(name, []).append((str(day), told))
    return found


def _inputs(
    dumps: Sequence[_Dumps], overlap: Sequence[Taken], day: dt.date, tables: Tables
) -> dict[str, str]:
    found = {}
    for dump, held in zip(dumps, overlap, strict=True):
        index = dump.of(day).index
        found[f"source.{dump.source.name}"] = f"{index.reading}.{index.digest(day)}"
        if day in held:
            found[f"taken.{dump.source.name}"] = taken_digest(held[day])
    if any(dump.source.dataset in KEYED for dump in dumps):
        found[KEYS_UNDER] = tables.pseudonyms.fingerprint
    return found


def _rows_per_day(rows: pa.Table) -> Counter[dt.date]:
    counted = rows["date"].value_counts()
    return Counter({pair["values"]: pair["counts"] for pair in counted.to_pylist()})


def _sources_table(dumps: Sequence[_Dumps], outcome: Outcome) -> str:
    """Every source's rows and what became of them, as a Markdown table: the fates add up to rows in."""
    if not dumps:
        return f"No source is listed for {outcome.dataset} in sources.yaml, so its days are empty."
    names = (
        "source",
        "taken (UTC)",
        "rows in",
        "on these days",
        "on other days",
        "duplicates",
        "quarantined",
    )
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    for dump in dumps:
        index = dump.newest.index
        here = sum(found.rows for day, found in index.days.items() if day in outcome.done)
        other = sum(found.rows for found in index.days.values()) - here
        taken = f"{dump.newest.snapshot.fetched_at:%Y-%m-%d %H:%M}"
        facts = (dump.source.name, taken, index.rows_in, here, other, index.duplicates, index.quarantined)
        lines.append(" | ".join(str(fact) for fact in facts))
    return "\n".join(f"| {line} |" for line in lines)


def _drift_text(dumps: Sequence[_Dumps]) -> str:
    return "\n".join(f"- {dump.source.name}: {told}" for dump in dumps for told in dump.newest.index.drift)
