"""What became of a dataset's days, and the one way in which days are written.

A bad day fails alone: rows that break the contract fail the days they are on, and the other days land.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from funnel_assets.arrow import on_days
from funnel_assets.contracts.base import CONTRACTS, Violation, conform, violations
from funnel_assets.errors import ContractViolation, FunnelError
from funnel_assets.pipeline.journal import Journal
from funnel_assets.storage.lake import BEFORE, Lake, PartitionFacts, name_days


@dataclass
class Outcome:
    """What became of the days of one dataset in one run.

    Attributes:
        done: Days that are in the lake now, with their facts.
        failed: Days that aren't, with the reason.
        changed: Those of ``done`` whose rows differ from what was there before.
        missing_inputs: For failed days, the inputs whose partition of that day isn't there.
        stale_elsewhere: Days that weren't asked for, but whose rows the newest dump has changed.
        notes: Facts about the whole run for its metadata (sources, drift), without personal data.
    """

    dataset: str
    done: dict[dt.date, PartitionFacts] = field(default_factory=dict)
    failed: dict[dt.date, FunnelError] = field(default_factory=dict)
    changed: set[dt.date] = field(default_factory=set)
    missing_inputs: dict[dt.date, list[str]] = field(default_factory=dict)
    stale_elsewhere: set[dt.date] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)

    def error(self) -> FunnelError | None:
        """One error that names every failed day, grouped by reason; None when nothing failed."""
        if not self.failed:
            return None
        reasons: dict[str, list[dt.date]] = {}
        for day, problem in sorted(self.failed.items()):
            reasons.setdefault(problem.message, []).append(day)
        parts = [f"{name_days(days)}: {reason}" for reason, days in reasons.items()]
        first = next(iter(sorted(self.failed)))
        last = max(self.failed)
        head = f"{len(self.failed)} of {len(self.failed) + len(self.done)} day(s) failed"
        text = (
            f"{head}. " + " | ".join(parts[:5]) + (f" | and {len(parts) - 5} more" if len(parts) > 5 else "")
        )
        fix = self.failed[first].fix or "mend the cause."
        again = (
            f"Then run `funnel backfill --from {first} --to {last}`, or backfill the failed days in the UI."
        )
        return FunnelError(
            text,
            dataset=self.dataset,
            source=self.failed[first].source,
            file=self.failed[first].file,
            line=self.failed[first].line,
            fix=f"{fix} {again}",
        )


def write_days(
    lake: Lake,
    outcome: Outcome,
    rows: pa.Table,
    days: Sequence[dt.date],
    *,
    inputs: Mapping[dt.date, Mapping[str, str]],
    counts: Mapping[dt.date, Mapping[str, int]] | None = None,
    missing: Mapping[dt.date, Sequence[str]] | None = None,
) -> None:
    """Check rows against the contract and write each good day; bad days go to ``outcome.failed``.

    Args:
        lake: Where to.
        outcome: Filled in here.
        rows: Rows of all the days, columns as in the contract.
        days: Days to write; a day without rows is written empty.
        inputs: Per day, what its rows were computed from.
        counts: Per day, rows and money per fate.
        missing: Per day, inputs that weren't there.
    """
    contract = CONTRACTS[outcome.dataset]
    table = conform(rows, contract).sort_by([(name, "ascending") for name in ("date", *_rest(contract.key))])
    table = table.filter(on_days(table, days))
    dates = np.asarray(table["date"].to_numpy(), dtype="datetime64[D]")
    outcome.failed |= _bad_days(outcome.dataset, violations(table, contract), dates)
    with Journal(lake).recording(outcome.dataset) as recording:
        for day in sorted(days):
            if day in outcome.failed:
                continue
            start, end = np.searchsorted(dates, [np.datetime64(day), np.datetime64(day) + 1])
            before = lake.facts(outcome.dataset, day)
            rows = table.slice(start, end - start)
            facts = lake.write(
                outcome.dataset,
                day,
                rows,
                inputs=inputs[day],
                counts=(counts or {}).get(day),
                missing=(missing or {}).get(day, ()),
                replacing=lambda old, new=rows: recording.compare(old, new),
            )
            outcome.done[day] = facts
            if before is None or before.content != facts.content:
                outcome.changed.add(day)
                recording.wrote(day, before.content if before else None, facts.content)
    lake.remember(outcome.dataset)


def write_before(lake: Lake, dataset: str, rows: pa.Table, inputs: Mapping[str, str]) -> None:
    """Write the rows dated before the first day, as the one partition that they are (``storage.lake.BEFORE``).

    Raises:
        ContractViolation: They break the contract; what was there stays.
    """
    contract = CONTRACTS[dataset]
    table = conform(rows, contract).sort_by([(name, "ascending") for name in ("date", *_rest(contract.key))])
    for broken in violations(table, contract):
        raise ContractViolation(
            f"{len(broken.rows)} row(s) dated before the first day break the rule {broken.rule!r} on column "
            f"{broken.column}.",
            dataset=dataset,
            fix="mend these rows at the source.",
        )
    before = lake.facts(dataset, BEFORE)
    with Journal(lake).recording(dataset) as recording:
        facts = lake.write(
            dataset, BEFORE, table, inputs=inputs, replacing=lambda old: recording.compare(old, table)
        )
        if before is None or before.content != facts.content:
            recording.wrote(BEFORE, before.content if before else None, facts.content)


def _rest(key: Sequence[str]) -> list[str]:
    return [name for name in key if name != "date"]


def _bad_days(dataset: str, broken: Sequence[Violation], dates: np.ndarray) -> dict[dt.date, FunnelError]:
    found: dict[dt.date, FunnelError] = {}
    for violation in broken:
        if not violation.rows:
            raise ContractViolation(
                f"column {violation.column} breaks the rule {violation.rule!r}.",
                dataset=dataset,
                fix="this is a defect of the software; nothing was written.",
            )
        for day in np.unique(dates[list(violation.rows)]):
            local = day.astype(object)
            rows = int((dates[list(violation.rows)] == day).sum())
            found.setdefault(
                local,
                ContractViolation(
                    f"{rows} row(s) break the rule {violation.rule!r} on column {violation.column}; "
                    "nothing of the day was written.",
                    dataset=dataset,
                    day=local,
                    fix="mend these rows at the source.",
                ),
            )
    return found
