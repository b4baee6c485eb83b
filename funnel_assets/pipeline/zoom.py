"""How ``zoom_attendance`` is made: files from the inbox are kept, told apart by content, and read by event day.

What a day is made from is the set of kept files that concern it, so a file dropped twice changes nothing, a
corrected re-export makes its days stale, and a file deleted from the inbox after it was taken loses nothing.
A file that is no report goes to quarantine with the reason; the others go on. A doubtful report is held (`held.py`): no
day is made from it until a person accepts it, or a later export of the same event takes its place.
"""

import contextlib
import datetime as dt
import hashlib
import json
import logging
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from funnel_assets import outside
from funnel_assets.config.settings import Settings
from funnel_assets.config.source_model import Source
from funnel_assets.config.sources import SourcesConfig
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema, conform
from funnel_assets.domain.attendance import SET_ASIDE, AttendanceResult, Export, attendance_days, export_of
from funnel_assets.domain.email import normalize_emails
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.domain.text import as_arrow, as_text
from funnel_assets.errors import FunnelError, LandedDamaged
from funnel_assets.pipeline.graph import cut
from funnel_assets.pipeline.held import Held, accepted, quarantined
from funnel_assets.pipeline.outcome import Outcome, write_before, write_days
from funnel_assets.pipeline.staleness import KEYS_UNDER
from funnel_assets.pipeline.standing import CLOCKS_DIFFER, given_up, lost_files, lost_files_error
from funnel_assets.sources.zoom.doubts import doubts
from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.reader import read_report
from funnel_assets.sources.zoom.report import ZoomReport
from funnel_assets.storage.decisions import Decision, Decisions
from funnel_assets.storage.files import recall, write_whole
from funnel_assets.storage.lake import BEFORE, Lake, PartitionFacts, fingerprint
from funnel_assets.storage.landing import Landing, Snapshot
from funnel_assets.storage.quarantine import UNDATED, Quarantine

log = logging.getLogger(__name__)

DATASET = "zoom_attendance"
# Raise when reading or joining reports changes what rows come out.
RULES_VERSION = 10
# A file is taken when it has not grown for this long: browsers and network copies write in bursts.
SETTLE_SECONDS = 5.0
# A cut-off file is given this long to be completed before it counts as broken.
COMPLETE_SECONDS = 120.0
# 100,000 people are 17 MB and take 400 MB of memory to read; three times as many is no event of ours. Whoever has
# larger ones, and the memory, sets `max_megabytes` for the source.
MOST_MEGABYTES = 50.0
LOST = "lost"
"""Why a report can't be used whose bytes are gone, and with them of which days it is."""

LONGEST_ENDING = 9
_NOT_TAKEN = "not_taken"
_READER_FAILED = "The file could not be read: that is a fault of the software"
_READER_FIX = "tell whoever looks after it, and export the report again meanwhile."
# Quarantined files and kinds of rows listed in a note; all of them are in `funnel quarantine list`.
_MOST_LISTED = 20
_UNFINISHED_NAMES = (
    ".crdownload",
    ".part",
    ".partial",
    ".filepart",
    ".tmp",
    ".temp",
    ".swp",
    ".download",
    "~",
)


@dataclass(frozen=True)
class KeptFile:
    """A report file in the landing, and which event days it speaks of.

    Attributes:
        sha256: Of its bytes.
        file: Name under which it was first dropped.
        landed_at: When it was taken (UTC).
        days: Local event days.
        reason: Why it can't be used; None when it can.
        detail: The same in words, with what to do.
        rules: Version of the rules that said so.
        doubts: Why it has to be held, in words; none for a good one.
        kind, identity, start, generated_at: What tells whether it is another export of the same event (`Export`).
    """

    sha256: str
    file: str
    landed_at: str
    days: list[str]
    reason: str | None
    detail: str | None
    rules: str
    doubts: list[str] = field(default_factory=list)
    kind: str = ""
    identity: str = ""
    start: float | None = None
    generated_at: float | None = None

    @classmethod
    def read(cls, content: dict[str, Any]) -> "KeptFile":
        """Return what `asdict` wrote.

        Raises:
            TypeError, ValueError: It is of another shape.
        """
        kept = cls(**content)
        texts = (kept.sha256, kept.file, kept.landed_at, kept.rules, kept.kind, *kept.days, *kept.doubts)
        lists = (kept.days, kept.doubts)
        if not all(isinstance(text, str) for text in texts) or not all(
            isinstance(one, list) for one in lists
        ):
            raise TypeError("not what was kept of a file")
        for day in kept.days:
            dt.date.fromisoformat(day)
        return kept

    def concerns(self, day: dt.date) -> bool:
        """Whether the file speaks of a day."""
        return day.isoformat() in self.days

    @property
    def export(self) -> Export:
        """Of which event it is an export."""
        generated = -math.inf if self.generated_at is None else self.generated_at
        landed = dt.datetime.fromisoformat(self.landed_at).timestamp()
        order = (generated, landed, self.sha256)
        return Export(self.kind, self.identity, self.start, tuple(self.days), order)


@dataclass(frozen=True)
class Standing:
    """What may be done with the kept files of an inbox.

    Attributes:
        files: All of them, in the order in which they came.
        used: Those that days are made from.
        held: Those that wait for a person.
        decisions: What people decided, by content.
    """

    files: Sequence[KeptFile]
    used: Sequence[KeptFile]
    held: Sequence[KeptFile]
    decisions: Mapping[str, Decision]

    @classmethod
    def of(cls, files: Sequence[KeptFile], decisions: Mapping[str, Decision]) -> "Standing":
        """Sort files: a doubtful one counts once it is accepted, and is held no more once a later export counts."""
        readable = [one for one in files if one.reason is None]
        used = [
            one
            for one in readable
            if accepted(decisions.get(one.sha256)) or not (one.doubts or one.sha256 in decisions)
        ]
        held = [
            one
            for one in readable
            if one.doubts
            and one.sha256 not in decisions
            and not any(other.export.replaces(one.export) for other in used)
        ]
        return cls(files, used, held, decisions)

    def inputs(self, day: dt.date, rules: str) -> dict[str, str]:
        """What a day is made from: files, and the decisions without which some wouldn't count."""
        found: dict[str, str] = {}
        for file in self.used:
            if file.concerns(day):
                found[f"file.{file.sha256[:12]}"] = rules
                if file.sha256 in self.decisions:
                    found[f"accepted.{file.sha256[:12]}"] = self.decisions[file.sha256].fingerprint
        return found

    def keeps(self, made: PartitionFacts | None) -> bool:
        """Whether a day stays as it is: it was made from a file that has become doubtful since."""
        return made is not None and any(f"file.{one.sha256[:12]}" in made.inputs for one in self.held)


@dataclass
class Arrivals:
    """What became of the files in the inbox at one look.

    Attributes:
        taken: Files new since the last look; ``becomes`` says in words of which days they are.
        refused: Files that are no report, with the reason in words.
        held: Doubtful reports, which wait for a person's decision, with the reason in words.
        waiting: Files that are still being written.
        unreadable: Files that can't be opened or are too large, with the reason in words.
        known: Files taken before; ``known_bad`` of them are in quarantine.
        still_held: Reports taken before that wait for a decision, whether or not they still lie there.
        left: Files that there was no time to look at.
    """

    taken: list[str] = field(default_factory=list)
    becomes: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    known: int = 0
    known_bad: int = 0
    still_held: int = 0
    left: int = 0

    @property
    def told(self) -> list[str]:
        """What happened, one sentence a file."""
        return [
            *(f"Taken: {name}. {self.becomes[name]}" for name in self.taken),
            *(f"Held: {name}. {why}" for name, why in self.held.items()),
            *(f"Quarantined: {name}. {why}" for name, why in self.refused.items()),
            *(f"Not taken: {name}. {why}" for name, why in self.unreadable.items()),
        ]

    def summary(self) -> str:
        """One sentence about the whole inbox."""
        bad = f", {self.known_bad} of them in quarantine" if self.known_bad else ""
        parts = [f"{self.known} file(s) known{bad}"]
        counts = (
            (len(self.taken), "taken"),
            (len(self.held), "held"),
            (len(self.refused), "quarantined"),
            (len(self.unreadable), "can't be read"),
            (self.still_held, "held since earlier (`funnel inbox` shows them)"),
            (self.left, "left for the next look"),
        )
        for count, word in counts:
            if count:
                parts.append(f"{count} {word}")
        if self.waiting:
            parts.append(f"waiting for {', '.join(self.waiting[:3])} to be complete")
        return "; ".join(parts) + "."


class ZoomIngest:
    """Takes report files in and makes days of ``zoom_attendance``."""

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
        self._just_read: _JustRead | None = None
        self._decisions = Decisions(landing.root)

    # --- taking files in -----------------------------------------------------------------------------------

    def take_in(self, *, wait: bool = False, within_seconds: float = math.inf) -> Arrivals:
        """Look at every inbox and keep each new file that is whole.

        Args:
            wait: Look a second time at files that may still be growing, instead of leaving them to the next look.
            within_seconds: Leave to the next look what isn't reached within this time.
        """
        arrivals = Arrivals()
        deadline = time.monotonic() + within_seconds
        for source in self._sources().of(DATASET):
            before = set(arrivals.unreadable)
            kept, fresh = self._take_source(source, arrivals, wait, deadline)
            not_taken = {name: why for name, why in arrivals.unreadable.items() if name not in before}
            standing = Standing.of(kept, self._decisions.of(DATASET, source.name))
            for one in standing.held:
                if one.sha256 in fresh:
                    arrivals.taken.remove(one.file)
                    arrivals.held[one.file] = _held(source, one).detail
                else:
                    arrivals.still_held += 1
            self._write_refusals(source, standing, not_taken)
        return arrivals

    def _take_source(
        self, source: Source, arrivals: Arrivals, wait: bool, deadline: float
    ) -> tuple[list[KeptFile], set[str]]:
        """Keep what is new in an inbox; returns all that is kept then, and the contents that are new."""
        known = {kept.sha256: kept for kept in self._kept(source)}
        before = set(known)
        hashes = _Hashes(self._folder(source) / "hashes.json")
        growing, files = [], _files(Path(source.location))
        for path in files:
            if time.monotonic() > deadline:
                arrivals.left += 1
                continue
            with _going_on(path, arrivals):
                changed = outside.facts(path, follow_links=False).st_mtime
                if time.time() - changed < SETTLE_SECONDS and not self._seen_before(source, path):
                    growing.append(path)
                else:
                    self._take(source, path, hashes, known, arrivals)
        if growing and wait:
            time.sleep(1.0)
        for path in growing:
            with _going_on(path, arrivals):
                if wait and self._seen_before(source, path):
                    self._take(source, path, hashes, known, arrivals)
                else:
                    arrivals.waiting.append(outside.shown_name(path))
        hashes.keep(files)
        return sorted(known.values(), key=_arrival), set(known) - before

    def replay(self, names: Sequence[str]) -> list[KeptFile]:
        """Read files again under the config as it is now, or take corrected ones in.

        Args:
            names: Each the name of a kept file (every version of it is judged anew) or the path of a corrected one,
                which needn't lie in the inbox.

        Returns:
            What each file is now: its event days, or still the reason why it can't be used.

        Raises:
            FunnelError: Nothing of that name is kept or on disk; nothing was changed then.
        """
        sources = list(self._sources().of(DATASET))
        kept = {(source.name, one.sha256): one for source in sources for one in self._kept(source)}
        for name in names:
            if not _is_there(name) and not any(one.file == name for one in kept.values()):
                raise FunnelError(
                    f"no file called {name} was taken in, and there is none at that path.",
                    dataset=DATASET,
                    fix="see the names with `funnel quarantine list`, or give the path of the corrected file.",
                )
        found: list[KeptFile] = []
        for source in sources:
            snapshots = {one.sha256: one for one in self._landing.snapshots(DATASET, source.name)}
            for name in names:
                if _is_there(name) and source is sources[0]:
                    found.append(self._take_corrected(source, Path(name), kept))
                for one in kept.values():
                    if one.file == name and one.sha256 in snapshots:
                        snapshot = snapshots[one.sha256]
                        data = self._bytes(source, snapshot)
                        again = self._judge(source, data, one.file, one.sha256, snapshot.fetched_at)
                        self._save(source, again)
                        found.append(again)
            self._write_refusals(source, self._standing(source))
        return list({one.sha256: one for one in found}.values())

    def _take_corrected(
        self, source: Source, path: Path, kept: Mapping[tuple[str, str], KeptFile]
    ) -> KeptFile:
        too_large = _too_large(source, path)
        if too_large:
            message, _, fix = too_large.partition(" Next: ")
            raise FunnelError(message, dataset=DATASET, file=outside.shown_name(path), fix=fix)
        data = outside.content(path)
        sha256 = hashlib.sha256(data).hexdigest()
        if (source.name, sha256) in kept:
            return kept[source.name, sha256]
        now = _arrival_time(one for (name, _), one in kept.items() if name == source.name)
        judged = self._judge(source, data, outside.shown_name(path), sha256, now)
        self._keep(source, judged, data, path, now)
        return judged

    def _keep(self, source: Source, kept: KeptFile, data: bytes, path: Path, now: dt.datetime) -> None:
        name = Path(outside.shown_name(path))
        # A name's last part may be anything; only a short one is an ending.
        ending = name.suffix.lstrip(".").lower() if 1 < len(name.suffix) <= LONGEST_ENDING else "csv"
        self._landing.put(DATASET, source.name, data, name.name, now, ending)
        self._save(source, kept)

    def _seen_before(self, source: Source, path: Path) -> bool:
        """Whether the last look found the file at this very size; remembers what it finds now."""
        memory = self._folder(source) / "seen.json"
        seen = recall(memory, dict) or {}
        stat = outside.facts(path, follow_links=False)
        now = [stat.st_size, stat.st_mtime]
        before = seen.get(str(path))
        if before != now:
            seen = {name: facts for name, facts in seen.items() if Path(name).exists()} | {str(path): now}
            write_whole(memory, json.dumps(seen).encode())
        return before == now

    def _take(
        self, source: Source, path: Path, hashes: "_Hashes", known: dict[str, KeptFile], arrivals: Arrivals
    ) -> None:
        name = outside.shown_name(path)
        too_large = _too_large(source, path)
        if too_large:
            arrivals.unreadable[name] = too_large
            return
        before = known.get(hashes.of(path))
        if before is not None:
            arrivals.known += 1
            arrivals.known_bad += before.reason is not None
            return
        data = outside.content(path, follow_links=False)
        written_at = outside.facts(path, follow_links=False).st_mtime
        sha256 = hashlib.sha256(data).hexdigest()
        now = _arrival_time(known.values())
        kept = self._judge(source, data, name, sha256, now)
        if kept.reason == "truncated" and time.time() - written_at < COMPLETE_SECONDS:
            arrivals.waiting.append(name)
            return
        self._keep(source, kept, data, path, now)
        known[sha256] = kept
        if kept.reason is None:
            arrivals.taken.append(name)
            arrivals.becomes[name] = self._what_becomes_of(kept)
        else:
            arrivals.refused[name] = kept.detail or kept.reason

    def _what_becomes_of(self, kept: KeptFile) -> str:
        """Say of a good file of which days it is, and which of them aren't made at once, and why."""
        first, last = self._settings.start_date.isoformat(), self._settings.yesterday().isoformat()
        told = f"Event of {', '.join(kept.days)}."
        if any(day > last for day in kept.days):
            told += " A day is made when it is over: tomorrow at the earliest."
        if any(day < first for day in kept.days):
            told += (
                f" Days before {first} (FUNNEL_START_DATE) aren't made; they count for first touches only."
            )
        return told

    def _judge(self, source: Source, data: bytes, name: str, sha256: str, landed_at: dt.datetime) -> KeptFile:
        """Find which days a file speaks of, or why it can't be used."""
        rules, landed = self._judging_rules(source), landed_at.isoformat()

        def refused(reason: str, detail: str) -> KeptFile:
            return KeptFile(sha256, name, landed, [], reason, detail, rules)

        try:
            report = self._report(source, data, name, landed_at)
            export = export_of(report, self._settings.timezone)
            why = [doubt.detail for doubt in doubts(report, source.totals_tolerance_pct / 100)]
        except ReportRefused as refusal:
            return refused(refusal.reason, f"{refusal.message} Next: {refusal.fix}")
        except FunnelError as error:
            return refused("not_a_report", str(error))
        except (MemoryError, OSError):
            raise
        except Exception as error:
            # Whatever one file does to the reader, the others go on. Its text may be personal, its type never is.
            log.error("%s: the reader failed (%s).", name, type(error).__name__, exc_info=True)
            return refused("reader_failed", f"{_READER_FAILED} ({type(error).__name__}). Next: {_READER_FIX}")
        kept = KeptFile(
            sha256,
            name,
            landed,
            list(export.days),
            None,
            None,
            rules,
            why,
            export.kind,
            export.identity,
            export.start,
            None if math.isinf(export.order[0]) else export.order[0],
        )
        if self._just_read is not None:
            self._just_read.keep(kept, report)
        return kept

    def _report(self, source: Source, data: bytes, name: str, landed_at: dt.datetime) -> ZoomReport:
        return read_report(
            data, file=name, timezone=source.timezone, date_order=source.date_order, landed_at=landed_at
        )

    def _report_again(self, source: Source, kept: KeptFile, snapshot: Snapshot) -> ZoomReport:
        """Read a kept file, unless it was read a moment ago to judge it."""
        known = self._just_read.take(kept) if self._just_read else None
        if known is not None:
            return known
        landed_at = dt.datetime.fromisoformat(kept.landed_at)
        return self._report(source, self._bytes(source, snapshot), kept.file, landed_at)

    # --- what is kept --------------------------------------------------------------------------------------

    def _folder(self, source: Source) -> Path:
        return self._settings.staged / DATASET / source.name

    def _file_rules(self, source: Source) -> str:
        return fingerprint([RULES_VERSION, source.fingerprint(), self._settings.timezone])[:12]

    def _judging_rules(self, source: Source) -> str:
        """What a verdict on a file depends on: what its rows depend on, and when it is doubtful."""
        return fingerprint([self._file_rules(source), source.totals_tolerance_pct])[:12]

    def _save(self, source: Source, kept: KeptFile) -> None:
        write_whole(self._note_of(source, kept.sha256), json.dumps(asdict(kept)).encode())

    def _kept(self, source: Source) -> list[KeptFile]:
        """Every kept file; judged again when the rules changed, from the landing alone."""
        found: dict[str, KeptFile] = {}
        for snapshot in self._landing.snapshots(DATASET, source.name):
            if snapshot.sha256 not in found:
                known = recall(self._note_of(source, snapshot.sha256), KeptFile.read)
                found[snapshot.sha256] = self._kept_file(source, snapshot, known)
        for path in sorted((self._folder(source) / "files").glob("*.json")):
            if path.stem not in found and not path.stem.startswith(self._given_up()):
                known = recall(path, KeptFile.read)
                if known is not None and known.reason is None:
                    self._record_again(source, known)
                    found[path.stem] = replace(known, rules=self._judging_rules(source))
        return sorted(found.values(), key=_arrival)

    def _kept_file(self, source: Source, snapshot: Snapshot, known: KeptFile | None) -> KeptFile:
        """Return what is known of a landed report, judged anew where the rules changed."""
        rules = self._judging_rules(source)
        if known is not None and known.rules == rules:
            return known
        try:
            data = self._bytes(source, snapshot)
        except LandedDamaged as error:
            log.warning("%s", error)
            if known is not None:
                return replace(known, rules=rules)
            lost = (snapshot.sha256, snapshot.origin, snapshot.fetched_at.isoformat())
            return KeptFile(*lost, [], LOST, str(error), rules)
        kept = self._judge(source, data, snapshot.origin, snapshot.sha256, snapshot.fetched_at)
        self._save(source, kept)
        return kept

    def _record_again(self, source: Source, known: KeptFile) -> None:
        """Record a landed report again of which the record is lost, and only that."""
        place = self._landing.unrecorded(DATASET, source.name, known.sha256)
        if place is not None and hashlib.sha256(data := place.read_bytes()).hexdigest() == known.sha256:
            landed_at = dt.datetime.fromisoformat(known.landed_at)
            self._landing.put(DATASET, source.name, data, known.file, landed_at, place.suffix)

    def _note_of(self, source: Source, sha256: str) -> Path:
        return self._folder(source) / "files" / f"{sha256}.json"

    def _given_up(self) -> tuple[str, ...]:
        return given_up(self._sources().taken_away)

    def _bytes(self, source: Source, snapshot: Snapshot) -> bytes:
        """Return a landed report; a damaged one from the inbox again, where that still has it.

        Raises:
            LandedDamaged: It is gone or damaged.
        """
        try:
            return self._landing.path(snapshot, verify=True).read_bytes()
        except LandedDamaged as error:
            hashes = _Hashes(self._folder(source) / "hashes.json")
            for path in _files(Path(source.location)):
                with contextlib.suppress(OSError):
                    if hashes.of(path) != snapshot.sha256:
                        continue
                    data = outside.content(path, follow_links=False)
                    ending = Path(snapshot.path).suffix
                    self._landing.put(
                        DATASET, source.name, data, snapshot.origin, snapshot.fetched_at, ending
                    )
                    return data
            raise LandedDamaged(
                error.message,
                dataset=DATASET,
                source=source.name,
                file=f"{snapshot.origin} ({snapshot.path})",
                fix="drop the report into the inbox again, or restore the landing folder from a backup.",
            ) from None

    def _standing(self, source: Source) -> Standing:
        """What may be done with each kept file of a source."""
        return Standing.of(self._kept(source), self._decisions.of(DATASET, source.name))

    def _standings(self) -> dict[Source, Standing]:
        return {source: self._standing(source) for source in self._sources().of(DATASET)}

    def held(self) -> list[Held]:
        """Reports that wait for a person's decision."""
        return [_held(source, one) for source, standing in self._standings().items() for one in standing.held]

    def decided(self, decision: str) -> list[Held]:
        """Reports about which a person decided so: a decision may be changed."""
        return [
            _held(source, one)
            for source, standing in self._standings().items()
            for one in standing.files
            if one.sha256 in standing.decisions and standing.decisions[one.sha256].decision == decision
        ]

    def refresh_quarantine(self) -> None:
        """Bring the files in quarantine up to what people have decided."""
        for source, standing in self._standings().items():
            self._write_refusals(source, standing)

    def _write_refusals(
        self, source: Source, standing: Standing, not_taken: Mapping[str, str] | None = None
    ) -> None:
        """Put refused and held files into quarantine, and those not taken for as long as they lie there.

        A file that couldn't be taken is known by a look at the inbox only; without one, those of the last look stay.
        """
        refused = [(one.file, None, one.reason, one.detail, None) for one in standing.files if one.reason]
        rows = pd.DataFrame(refused, columns=["file", "line", "reason", "detail", "raw"])
        if not_taken is None:
            before = self._quarantine.rows([DATASET])
            of_source = (before["source"] == source.name) & (before["reason"] == _NOT_TAKEN)
            outside_now = before.loc[of_source, rows.columns]
        else:
            outside_now = pd.DataFrame(
                [(name, None, _NOT_TAKEN, why, None) for name, why in not_taken.items()], columns=rows.columns
            )
        held = quarantined(_held(source, one) for one in standing.held)
        parts = [part.astype(object) for part in (rows, held, outside_now) if len(part)]
        self._quarantine.replace(
            DATASET, source.name, UNDATED, pd.concat(parts, ignore_index=True) if parts else rows
        )

    # --- making days ---------------------------------------------------------------------------------------

    def make_days(self, days: Sequence[dt.date]) -> Outcome:
        """Make days from every kept file that concerns them; a day without events is an empty partition."""
        outcome = Outcome(DATASET)
        self._just_read = _JustRead()
        try:
            arrivals = self.take_in(wait=True)
            tables = self._tables()
            standings = self._standings()
            self._make_before(standings, tables)
            known = self._lake.all_facts(DATASET)
            wanted = self._wanted(standings, days, known)
            unreadable = self._quarantine.damaged(DATASET)
            outcome.done = {
                day: known[day]
                for day in days
                if day in known and known[day].inputs == wanted[day] and str(day) not in unreadable
            }
            todo = [day for day in days if day not in outcome.done]
            outcome.failed |= self._refused(standings, todo, known)
            todo = [day for day in todo if day not in outcome.failed]
            if todo:
                used = {source: standing.used for source, standing in standings.items()}
                self._write(outcome, used, todo, wanted, tables)
        except FunnelError as error:
            outcome.done.clear()
            outcome.failed = dict.fromkeys(days, error.located(dataset=DATASET))
            return outcome
        finally:
            self._just_read = None
        outcome.notes["inbox"] = "\n".join([arrivals.summary(), *(f"- {told}" for told in arrivals.told)])
        outcome.notes |= self._quarantine_note(days)
        outcome.notes |= _accepted_note(standings, days)
        return outcome

    def _refused(
        self,
        standings: Mapping[Source, Standing],
        days: Sequence[dt.date],
        known: Mapping[dt.date, PartitionFacts],
    ) -> dict[dt.date, FunnelError]:
        """Days that would be made with less than they were, or from reports that can't be read any more."""
        if not days:
            return {}
        taken_away, found = self._sources().taken_away, {}
        snapshots = {
            (name, one.sha256): one
            for name in {*self._landing.sources_of(DATASET), *(source.name for source in standings)}
            for one in self._landing.snapshots(DATASET, name)
        }
        lost = {one.sha256 for found in standings.values() for one in found.files if one.reason == LOST}
        landed = {sha256 for _, sha256 in snapshots} - lost
        for day in days:
            names = lost_files(known[day].inputs if day in known else {}, landed, taken_away)
            for source, standing in standings.items():
                for one in standing.used:
                    if not one.concerns(day):
                        continue
                    snapshot = snapshots.get((source.name, one.sha256))
                    try:
                        if snapshot is not None:
                            self._bytes(source, snapshot)
                        elif one.sha256[:12] not in names:
                            names.append(one.sha256[:12])
                    except LandedDamaged as error:
                        found[day] = error.located(day=day)
            if names:
                found[day] = lost_files_error(names, day)
        return found

    def _quarantine_note(self, days: Sequence[dt.date]) -> dict[str, str]:
        """Files that couldn't be used, and these days' rows by file and reason, in words."""
        rows = self._quarantine.rows([DATASET])
        rows = rows[rows["day"].isin([UNDATED, *map(str, days)])]
        if rows.empty:
            return {}
        told = []
        for (file, detail), of in rows.groupby(["file", "detail"], sort=True, dropna=False):
            lines = of["line"].dropna()
            where = f"{len(of)} row(s), the first in line {lines.min():.0f}. " if len(lines) else ""
            told.append(f"- {file}: {where}{detail}")
        if len(told) > _MOST_LISTED:
            told = [*told[:_MOST_LISTED], f"- {len(told) - _MOST_LISTED} more: `funnel quarantine list`"]
        return {"in quarantine": "\n".join(told)}

    def stale_days(self, days: Sequence[dt.date]) -> list[dt.date]:
        """Days in the lake that were made from other files than are kept now."""
        facts = self._lake.all_facts(DATASET, days)
        wanted = self._wanted(self._standings(), list(facts), facts)
        return [day for day, inputs in wanted.items() if facts[day].inputs != inputs]

    def days_to_make(self) -> dict[dt.date, str]:
        """Event days up to yesterday whose kept files aren't in the lake yet, with a digest of those files.

        A day that only its config makes stale isn't one of them: such days are restated together (``stale_days``).
        """
        last = self._settings.yesterday()
        standings = self._standings()
        named = {
            dt.date.fromisoformat(day)
            for standing in standings.values()
            for file in standing.files
            for day in file.days
        }
        days = [day for day in sorted(named) if self._settings.start_date <= day <= last]
        made = self._lake.all_facts(DATASET, days)
        wanted = self._wanted(standings, days, made)
        return {
            day: fingerprint(sorted(files))[:16]
            for day, inputs in wanted.items()
            if (files := _files_of(inputs)) != _files_of(made[day].inputs if day in made else {})
        }

    def _wanted(
        self,
        standings: Mapping[Source, Standing],
        days: Sequence[dt.date],
        made: Mapping[dt.date, PartitionFacts],
    ) -> dict[dt.date, dict[str, str]]:
        """What each day should be made from; what it was made from where it has to stay as it is."""
        tables = self._tables()
        config = {f"config.{name}": tables.fingerprint(name) for name in CONFIG}
        config[KEYS_UNDER] = tables.pseudonyms.fingerprint
        rules = {source: self._file_rules(source) for source in standings}
        wanted: dict[dt.date, dict[str, str]] = {}
        for day in days:
            before = made.get(day)
            if before is not None and any(standing.keeps(before) for standing in standings.values()):
                wanted[day] = dict(before.inputs)
                continue
            files: dict[str, str] = {}
            for source, standing in standings.items():
                files |= standing.inputs(day, rules[source])
            # An empty day stays made from nothing: editing categories.csv doesn't make a year of them again.
            wanted[day] = files | config if files else {}
        return wanted

    def _write(
        self,
        outcome: Outcome,
        kept: Mapping[Source, Sequence[KeptFile]],
        todo: Sequence[dt.date],
        wanted: dict[dt.date, dict[str, str]],
        tables: Tables,
    ) -> None:
        totals: list[pd.DataFrame] = []
        told: dict[str, None] = {}
        for days in self._pieces(kept, todo):
            result, reservations = self._join(kept, set(days), tables)
            told |= reservations
            counts = self._counted(result, days)
            for source in kept:
                for day, bad in self._bad_rows(result, kept[source], todo, days):
                    # Rows set aside by what they say count on each of their days already; a row nobody could read has
                    # none.
                    unread = int((~bad["reason"].isin(SET_ASIDE)).sum())
                    counts[day]["quarantined"] += unread
                    counts[day]["rows_in"] += unread
                    self._quarantine.replace(DATASET, source.name, str(day), bad)
            write_days(
                self._lake,
                outcome,
                conform(_keyed(result.rows, tables), CONTRACTS[DATASET]),
                days,
                inputs=wanted,
                counts=counts,
            )
            totals.append(result.totals)
        if told:
            outcome.notes["read with reservations"] = "\n".join(list(told)[:_MOST_LISTED])
        stated = pd.concat(totals).drop_duplicates()
        if len(stated):
            outcome.notes["totals the reports state"] = _markdown(stated[stated["difference"] != 0])

    def _make_before(self, standings: Mapping[Source, Standing], tables: Tables) -> None:
        """Bring the rows of events before the first day up to the files used, as one partition."""
        start = str(self._settings.start_date)
        used = {source: standing.used for source, standing in standings.items()}
        names = {day for found in used.values() for file in found for day in file.days if day < start}
        days = sorted(map(dt.date.fromisoformat, names))
        made_of: dict[str, str] = {"start": start}
        for of_day in self._wanted(standings, days, {}).values():
            made_of |= of_day
        written = self._lake.facts(DATASET, BEFORE)
        if (written is None and not days) or (written is not None and written.inputs == made_of):
            return
        if written is not None and (lost := self._refused(standings, [BEFORE], {BEFORE: written})):
            log.warning("What is dated before %s stays as it was: %s", start, lost[BEFORE])
            return
        rows = [arrow_schema(CONTRACTS[DATASET]).empty_table()]
        for some in self._pieces(used, days):
            result, _ = self._join(used, set(some), tables)
            rows.append(conform(_keyed(result.rows, tables), CONTRACTS[DATASET]))
            for source, found in used.items():
                # The bad rows of a file that has later days stand under one of those.
                over = [file for file in found if max(file.days, default="") < start]
                for day, bad in self._bad_rows(result, over, days, some):
                    self._quarantine.replace(DATASET, source.name, str(day), bad)
        write_before(self._lake, DATASET, pa.concat_tables(rows), made_of)

    def _pieces(
        self, kept: Mapping[Source, Sequence[KeptFile]], days: Sequence[dt.date]
    ) -> Iterator[list[dt.date]]:
        """Cut days into groups whose reports fit in memory together."""
        sizes: Counter[dt.date] = Counter()
        for source, found in kept.items():
            snapshots = {one.sha256: one for one in self._landing.snapshots(DATASET, source.name)}
            for file in found:
                size = snapshots[file.sha256].bytes if file.sha256 in snapshots else 0
                sizes.update(dict.fromkeys(map(dt.date.fromisoformat, file.days), size))
        return cut(sorted(days), sizes, BYTES_AT_ONCE)

    @staticmethod
    def _counted(result: AttendanceResult, todo: Sequence[dt.date]) -> dict[dt.date, dict[str, int]]:
        """What became of the rows that reports have for each day; a day without reports has none."""
        nothing: dict[str, int] = dict.fromkeys(("rows_in", "quarantined", "duplicates", "joined"), 0)
        found = result.days.rename(columns={"set_aside": "quarantined"}).to_dict("records")
        of_day = {row["date"]: {name: int(row[name]) for name in nothing} for row in found}
        return {day: of_day.get(day, dict(nothing)) for day in todo}

    def _bad_rows(
        self,
        result: AttendanceResult,
        kept: Sequence[KeptFile],
        todo: Sequence[dt.date],
        these: Sequence[dt.date],
    ) -> Iterator[tuple[dt.date, pd.DataFrame]]:
        """Quarantined rows of these days; a row stands under the first of its file's days that is made."""
        first = {file.file: next((day for day in sorted(todo) if file.concerns(day)), None) for file in kept}
        bad = result.quarantined
        days = bad["file"].map(first)
        for day in these:
            yield day, bad[days == day]

    def _join(
        self, kept: Mapping[Source, Sequence[KeptFile]], days: set[dt.date], tables: Tables
    ) -> tuple[AttendanceResult, dict[str, None]]:
        """The reports of some days joined, and what their reader has to say of them."""
        names = {day.isoformat() for day in days}
        reports = []
        countries = {file.sha256: source.country for source, found in kept.items() for file in found}
        for source, found in kept.items():
            snapshots = {one.sha256: one for one in self._landing.snapshots(DATASET, source.name)}
            for file in found:
                if names & set(file.days):
                    reports.append(self._report_again(source, file, snapshots[file.sha256]))
        placeholders = _placeholders(tables)
        told = {f"- {report.file}: {note}": None for report in reports for note in report.notes}
        result = attendance_days(
            reports,
            categories=tables["categories"],
            conductors=tables["conductors"],
            normalise_phones=partial(normalize_phones, placeholders=placeholders),
            countries=countries,
            timezone=self._settings.timezone,
        )
        return result, told


def _keyed(rows: pd.DataFrame, tables: Tables) -> pd.DataFrame:
    """Give records of attendance their ids and the keys of their people."""
    pseudonyms, emails = (
        tables.pseudonyms,
        normalize_emails(rows["email"], placeholders=_placeholders(tables)),
    )
    return rows.assign(
        attendance_id=as_text(pseudonyms.record_ids(as_arrow(rows["attendance_id"])), rows.index),
        phone_key=pseudonyms.phone_keys(rows["phone"]),
        email_key=pseudonyms.email_keys(emails),
    )


CONFIG = ("categories", "conductors", "placeholders")
BYTES_AT_ONCE = 8_000_000
"""Of reports whose days are made together: their rows take some fifty times as much memory."""


def _placeholders(tables: Tables) -> frozenset[str]:
    return frozenset(str(value) for value in tables["placeholders"]["value"])


class _JustRead:
    """Reports read to judge their files, kept until the days they speak of are made: half the work of a backfill.

    Not more than ``MOST_ROWS`` of them, so that a year's reports don't have to fit in memory beside their rows.
    """

    MOST_ROWS = 100_000

    def __init__(self) -> None:
        self._reports: dict[tuple[str, str, str, str], ZoomReport] = {}
        self._rows = 0

    def keep(self, kept: KeptFile, report: ZoomReport) -> None:
        """Remember a report, while there is room."""
        if self._rows + len(report.people) <= self.MOST_ROWS:
            self._reports[self._key(kept)] = report
            self._rows += len(report.people)

    def take(self, kept: KeptFile) -> ZoomReport | None:
        """Give a report up; None where it wasn't remembered."""
        return self._reports.pop(self._key(kept), None)

    @staticmethod
    def _key(kept: KeptFile) -> tuple[str, str, str, str]:
        return kept.sha256, kept.file, kept.landed_at, kept.rules


def _files_of(inputs: Mapping[str, str]) -> set[str]:
    return {name for name in inputs if name.startswith("file.")}


def _arrival_time(kept: Iterable[KeptFile]) -> dt.datetime:
    """Return a time for a file that arrives now: the clock's, but after all that arrived before, whatever it says."""
    now = dt.datetime.now(dt.UTC)
    last = max((dt.datetime.fromisoformat(one.landed_at) for one in kept), default=now)
    if last - now > CLOCKS_DIFFER:
        log.warning(
            "A report was taken at %s UTC, which is yet to come: this machine's clock was wrong then, or is now. "
            "Reports count in the order in which they came. Next: check the clock.",
            f"{last:%Y-%m-%d %H:%M}",
        )
    return max(now, last + dt.timedelta(microseconds=1))


def _arrival(kept: KeptFile) -> tuple[str, str]:
    return kept.landed_at, kept.file


class _Hashes:
    """Hashes of an inbox's files, kept from look to look: one reads only what is new or has changed."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] = recall(memory, _lists) or {}
        self._before = dict(self._known)

    def of(self, path: Path) -> str:
        """SHA-256 of a file."""
        stat = outside.facts(path, follow_links=False)
        # A copy may bring along the time of another file; that of its inode is its own.
        version = [stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._known.get(str(path))
        if known is None or known[:-1] != version:
            known = self._known[str(path)] = [*version, _sha256(path)]
        return str(known[-1])

    def keep(self, files: Sequence[Path]) -> None:
        """Remember what is known of these files for the next look, and nothing else."""
        still = {str(path) for path in files}
        kept = {name: known for name, known in self._known.items() if name in still}
        if kept != self._before:
            write_whole(self._memory, json.dumps(kept).encode())


def _lists(content: dict[str, list[object]]) -> dict[str, list[object]]:
    if not all(isinstance(known, list) and len(known) == 5 for known in content.values()):
        raise TypeError("not what was kept of an inbox")
    return content


def _too_large(source: Source, path: Path) -> str | None:
    """Why a file is too large to be a report, in words; it isn't even opened."""
    megabytes, most = outside.facts(path).st_size / 1e6, source.max_megabytes or MOST_MEGABYTES
    if megabytes <= most:
        return None
    return (
        f"It has {megabytes:,.0f} MB; reports of up to {most:,.0f} MB are read. "
        "Next: drop the right file; if it is, set max_megabytes for the source in sources.yaml."
    )


@contextlib.contextmanager
def _going_on(path: Path, arrivals: Arrivals) -> Iterator[None]:
    """Let the other files go on when one is gone by the time it is looked at, or may not be read."""
    try:
        yield
    except FileNotFoundError:
        log.info("%s was renamed or removed; the next look will see.", outside.shown_name(path))
    except OSError as error:
        arrivals.unreadable[outside.shown_name(path)] = _why_not_taken(path, error)


def _why_not_taken(path: Path, error: OSError) -> str:
    if path.is_dir() and not path.is_symlink():
        return "This folder may not be looked into. Next: let everyone read it, or drop copies of its files."
    if isinstance(error, PermissionError):
        return "It may not be read. Next: let everyone read it, or drop a copy."
    why = (error.strerror or type(error).__name__).removeprefix("it is ")
    return f"It can't be taken: {why}. Next: drop the file itself."


def _sha256(path: Path) -> str:
    with outside.opened(path, follow_links=False) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_there(name: str) -> bool:
    """Whether a name given to a command is the path of something that can be opened as a file."""
    try:
        outside.facts(Path(name))
    except (OSError, ValueError):
        return False
    return True


def _held(source: Source, one: KeptFile) -> Held:
    """A held report in words."""
    otherwise = "export the report again and drop it: a good one takes its place."
    return Held(DATASET, source.name, one.file, one.sha256, tuple(one.days), " ".join(one.doubts), otherwise)


def _accepted_note(standings: Mapping[Source, Standing], days: Sequence[dt.date]) -> dict[str, str]:
    """Reports that count on these days because a person said so."""
    names = set(map(str, days))
    told = [
        f"- {standing.decisions[one.sha256].told()}"
        for standing in standings.values()
        for one in standing.used
        if one.sha256 in standing.decisions and names & set(one.days)
    ]
    return {"accepted as it is": "\n".join(told)} if told else {}


def _files(folder: Path) -> list[Path]:
    """What a person may have dropped, oldest first; hidden and unfinished files left out.

    Whatever isn't a regular file (a link, a pipe, a folder that can't be looked into) is among them, to be told.

    A meeting's participant list doesn't say when it was made: of two dropped together, the later file is the corrected
    one, by its name a browser's second download: ``list (1).csv`` comes after ``list.csv``.
    """
    found: list[Path] = []

    def not_looked_into(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            found.append(Path(error.filename))

    for place, folders, files in os.walk(folder, onerror=not_looked_into):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        found += [
            Path(place) / name
            for name in (*files, *links)
            if not _is_hidden(name) and not name.lower().endswith(_UNFINISHED_NAMES)
        ]
    return sorted(found, key=_age)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "~$"))


def _age(path: Path) -> tuple[float, str, int, str]:
    """Order of files: last change, then name, a browser's numbered download after the one it repeats."""
    numbered = re.fullmatch(r"(.*) \((\d+)\)", path.stem)
    stem, number = (numbered[1], int(numbered[2])) if numbered else (path.stem, 0)
    try:
        changed = path.lstat().st_mtime
    except OSError:
        changed = 0.0
    return changed, stem, number, str(path)


def _markdown(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "Every report's own totals agree with what was read."
    lines = [" | ".join(map(str, frame.columns)), " | ".join("---" for _ in frame.columns)]
    lines += [
        " | ".join("" if pd.isna(cell) else str(cell) for cell in row)
        for row in frame.itertuples(index=False)
    ]
    return "\n".join(f"| {line} |" for line in lines)
