"""What a day was made from, as fingerprints; a day whose fingerprints no longer hold is stale.

This is the whole of restatement (SPEC 3): a partition is a pure function of its inputs, so it has to be made again
exactly when one of them changed. Source days carry the digest of the dump's rows for that day; made days carry the
contents of the partitions and config tables that they read.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence

from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.graph import NODES, WITH_BEFORE, Input, Node, days_between
from funnel_assets.storage.lake import BEFORE, Lake, PartitionFacts, name_days

MISSING = "missing"

KEYS_UNDER = "keys under"
"""Under this name a day's inputs hold the fingerprint of the secret that its keys were made with."""

KEYED = ("raw_leads", "zoom_attendance", "engagement_events", "crm_assignments", "crm_sales")
"""Source datasets that hold keys of people or ids of records: a new secret makes their days stale, and by their new
contents all that is made from them."""


class Contents:
    """Content hashes of every partition of the lake, read once; tells what a day's inputs are.

    Args:
        lake: The lake.
        start: First day of every dataset.
        currency: Of all amounts.
        secret: Fingerprint of the secret that keys are made with; empty where no days are made.
    """

    def __init__(
        self, lake: Lake, start: dt.date, currency: str = DEFAULT_CURRENCY, secret: str = ""
    ) -> None:
        self._lake = lake
        self._start = start
        self.currency = currency
        self.secret = secret
        self._contents: dict[str, dict[dt.date, str]] = {}
        self._single: dict[str, dict[dt.date, str | None]] = {}
        self._chains: dict[str, list[tuple[dt.date, str]]] = {}
        self._lost: dict[str, list[dt.date]] = {}

    def of(self, dataset: str) -> Mapping[dt.date, str]:
        """Content hash per written day of a dataset, in order of day; BEFORE comes first."""
        if dataset not in self._contents:
            facts = self._lake.all_facts(dataset)
            before = self._lake.facts(dataset, BEFORE) if dataset in WITH_BEFORE else None
            # One without rows is as good as none.
            earliest = {BEFORE: before.content} if before is not None and before.rows else {}
            self._contents[dataset] = earliest | {
                day: found.content for day, found in facts.items() if day >= self._start
            }
        return self._contents[dataset]

    def on(self, dataset: str, days: Sequence[dt.date]) -> Mapping[dt.date, str]:
        """Content hash of those of the days that are written; the others of the dataset needn't be looked up."""
        if dataset in self._contents:
            return _there(self._contents[dataset], days)
        known = self._single.setdefault(dataset, {})
        unknown = [day for day in days if day not in known and day >= self._start]
        if unknown:
            facts = self._lake.all_facts(dataset, unknown)
            known.update((day, facts[day].content if day in facts else None) for day in unknown)
        return _there(known, days)

    def forget(self, dataset: str) -> None:
        """Read a dataset's contents anew next time: it was written to."""
        for found in (self._contents, self._single, self._chains, self._lost):
            found.pop(dataset, None)

    def inputs(self, node: Node, day: dt.date, config: Mapping[str, str]) -> dict[str, str]:
        """Fingerprints of everything that a day of a made dataset is computed from.

        Args:
            node: The dataset.
            day: The day.
            config: Fingerprint per config table.
        """
        found = {"rules": str(node.rules_version)} | {f"config.{name}": config[name] for name in node.config}
        # Only where it isn't the default, so that days of lakes without the setting stay.
        if node.states_currency and self.currency != DEFAULT_CURRENCY:
            found["currency"] = self.currency
        if self.secret:
            found[KEYS_UNDER] = self.secret
        return found | {read.dataset: self.fingerprint(read, day) for read in node.inputs}

    def under_other_keys(self, node: Node) -> dict[str, list[dt.date]]:
        """Days of a dataset's inputs whose keys were made with another secret: nobody is known again across them."""
        found = {
            read.dataset: under_other_keys(read.dataset, self._lake.all_facts(read.dataset), self.secret)
            for read in node.inputs
        }
        started = {name: [day for day in days if day >= self._start] for name, days in found.items()}
        return {name: days for name, days in started.items() if days and self.secret}

    def fingerprint(self, read: Input, day: dt.date) -> str:
        """Fingerprint of all that a day reads of one input."""
        first, last = read.window(day)
        if first == dt.date.min:
            return self._chained(read.dataset, last)
        days = days_between(first, last)
        if first < self._start and read.dataset in WITH_BEFORE:
            days = [BEFORE, *days]
            self.of(read.dataset)
        window = [(str(d), c) for d, c in self.on(read.dataset, days).items()]
        return hashlib.sha256(repr(window).encode()).hexdigest()[:32]

    def everything(self, dataset: str) -> str:
        """Fingerprint of all days of a dataset."""
        return self._chained(dataset, dt.date.max)

    def with_contents(self, dataset: str, contents: Mapping[dt.date, str]) -> "Contents":
        """Return what one dataset's fingerprints were when it had these contents."""
        past = Contents(self._lake, self._start, self.currency, self.secret)
        past._contents[dataset] = dict(sorted(contents.items()))
        return past

    def missing(self, node: Node, day: dt.date) -> list[str]:
        """Inputs whose partition of that same day isn't in the lake."""
        return [read.dataset for read in node.inputs if not self.on(read.dataset, [day])]

    def lost(self, node: Node, day: dt.date) -> dict[str, list[dt.date]]:
        """Days that a day is to be made from, and that were in the lake once and no longer are, per input."""
        found = {}
        for read in node.inputs:
            if read.dataset not in self._lost:
                self._lost[read.dataset] = [d for d in self._lake.lost(read.dataset) if d >= self._start]
            first, last = read.window(day)
            if days := [d for d in self._lost[read.dataset] if first <= d <= last]:
                found[read.dataset] = days
        return found

    def _chained(self, dataset: str, day: dt.date) -> str:
        # A prefix hash per day: whole histories are compared at the price of one day's.
        if dataset not in self._chains:
            chain, running = [], ""
            for written, content in self.of(dataset).items():
                running = hashlib.sha256(f"{running}{written}{content}".encode()).hexdigest()[:32]
                chain.append((written, running))
            self._chains[dataset] = chain
        chain = self._chains[dataset]
        low, high = 0, len(chain)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if chain[middle][0] <= day else (low, middle)
        return chain[low - 1][1] if low else MISSING


def under_other_keys(dataset: str, facts: Mapping[dt.date, PartitionFacts], secret: str) -> list[dt.date]:
    """Return the days of a dataset whose keys were made with another secret, or before there was one."""
    if NODES[dataset].is_source and dataset not in KEYED:
        return []
    return [
        day
        for day, found in facts.items()
        if found.rows and found.inputs and found.inputs.get(KEYS_UNDER) != secret
    ]


def refuse_other_keys(days: Mapping[str, Sequence[dt.date]]) -> None:
    """Raise where days of some datasets have keys of another secret: people would be counted twice."""
    for dataset, some in days.items():
        if some:
            raise FunnelError(
                f"{name_days(some)} still has keys of an earlier secret: people would be counted twice.",
                dataset=dataset,
                fix="run `funnel restate`; days before FUNNEL_START_DATE need an earlier one for that.",
            )


def _there(contents: Mapping[dt.date, str | None], days: Sequence[dt.date]) -> dict[dt.date, str]:
    return {day: content for day in days if (content := contents.get(day)) is not None}


def stale_days(
    lake: Lake,
    contents: Contents,
    dataset: str,
    days: Sequence[dt.date],
    config: Mapping[str, str],
) -> list[dt.date]:
    """Those of the days of a made dataset that were made from something else than what is there now.

    A day that was never made isn't stale but missing, and not named here.
    """
    node = NODES[dataset]
    facts = lake.all_facts(dataset, days)
    return [day for day, found in facts.items() if found.inputs != contents.inputs(node, day, config)]
