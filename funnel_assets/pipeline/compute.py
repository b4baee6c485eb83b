"""How the made datasets are made: inputs from the lake, one call into the domain, days written.

A range is one computation, or a few where it holds many rows. Should one fail, it is halved until the days that can't
be made stand alone.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import narwhals as nw
import pyarrow as pa

from funnel_assets.arrow import on_days, pc
from funnel_assets.config.settings import DEFAULT_CURRENCY
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.identity import Links
from funnel_assets.errors import FunnelError, MissingPartitions
from funnel_assets.pipeline.graph import NODES, WITH_BEFORE, Input, Node, Window, cut, days_between, history
from funnel_assets.pipeline.outcome import Outcome, write_before, write_days
from funnel_assets.pipeline.people import NOBODY
from funnel_assets.pipeline.people_index import key_columns
from funnel_assets.pipeline.restating import restate_people
from funnel_assets.pipeline.staleness import Contents, refuse_other_keys
from funnel_assets.pipeline.standing import lost_error
from funnel_assets.pipeline.who import FEW_DAYS, KnownPeople, people_digest
from funnel_assets.storage.engine import Engine
from funnel_assets.storage.files import refusal
from funnel_assets.storage.lake import BEFORE, Lake

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 500_000
"""Rows of inputs whose own days are computed at once; look-back and identity come on top."""


@dataclass
class Frames:
    """Gives a builder its frames: lake days and config tables, on the engine in use.

    Attributes:
        engine: The open engine.
        lake: Where days are read from.
        tables: Config tables.
        first: First day to make.
        last: Last day to make.
        start: First day of every dataset.
        wanted: Days to make, where not all between first and last.
        people: Keys (of phone, e-mail, id or person, or NOBODY) of the people to make; None: everybody.
        who: Keys of the people of whom it matters who they are; None: ``people``.
        contents: What is in the lake, and
        known: where who is who is kept for the next dataset; both or none.
        currency: Of all amounts.
        links_until: Up to which day who is who is worked out, where that is later than ``last``: what is learnt later
            changes nothing earlier, so the pieces of a long range share one answer.
    """

    engine: Engine
    lake: Lake
    tables: Tables
    first: dt.date
    last: dt.date
    start: dt.date
    wanted: Sequence[dt.date] | None = None
    people: pa.Array | None = None
    who: pa.Array | None = None
    contents: Contents | None = None
    known: KnownPeople | None = None
    currency: str = DEFAULT_CURRENCY
    links_until: dt.date | None = None

    def _days(self, dataset: str, window: Window, since: dt.date) -> list[dt.date]:
        """Those days of the windows of all days to make that can exist, from ``since`` on."""
        spans = [(self.first, self.last)] if self.wanted is None else [(day, day) for day in self.wanted]
        windows = {(max(window(first)[0], since), window(last)[1]) for first, last in spans}
        days = {day for first, last in windows for day in days_between(max(first, self.start), last)}
        if dataset in WITH_BEFORE and any(first < self.start for first, _ in windows):
            days.add(BEFORE)
        return sorted(days)

    def read(
        self,
        dataset: str,
        reader: str,
        columns: Sequence[str] | None = None,
        *,
        since: dt.date = dt.date.min,
    ) -> Any:
        """Frame over the days that the range of ``reader`` needs of ``dataset``, from ``since`` on."""
        window = next(read.window for read in NODES[reader].inputs if read.dataset == dataset)
        names = columns or arrow_schema(CONTRACTS[dataset]).names
        days = self._days(dataset, window, since)
        if self.people is None:
            return self.scan(dataset, days, names)
        records = self._records(dataset, self.people, names)
        if records is None:
            return self._of_people(dataset, days, names)
        theirs = on_days(records, days)
        if BEFORE in days:
            theirs = pc.or_(theirs, pc.less(records["date"], pa.scalar(self.start, pa.date32())))
        return self.engine.frame(records.filter(theirs).select(names))

    def _records(self, dataset: str, people: pa.Array, names: Sequence[str]) -> pa.Table | None:
        """Return all rows of some people, kept for the other datasets of the run; None where that isn't done."""
        if self.known is None or self.contents is None:
            return None
        fields = arrow_schema(CONTRACTS[dataset])
        columns = list(dict.fromkeys(["date", *key_columns(dataset), *names]))

        def read(days: Sequence[dt.date]) -> pa.Table:
            theirs = self._of_people(dataset, days, columns)
            schema = pa.schema([fields.field(name) for name in columns])
            return self.engine.collect(theirs).select(columns).cast(schema)

        return self.known.records(self.lake, self.contents, dataset, people, names, read)

    def scan(self, dataset: str, days: Sequence[dt.date], columns: Sequence[str]) -> Any:
        """Frame over days of the lake; a preview puts its own rows in their place."""
        return self.engine.scan(self.lake, dataset, days, columns)

    def _of_people(self, dataset: str, days: Sequence[dt.date], names: Sequence[str]) -> Any:
        keys = key_columns(dataset)
        if not keys:
            return self.scan(dataset, days, names)
        theirs = self.engine.frame(pa.table({"_who": self.people}))
        return (
            nw.from_native(self.scan(dataset, days, list(dict.fromkeys([*keys, *names]))))
            .with_columns(nw.coalesce(*keys, nw.lit(NOBODY)).alias("_who"))
            .join(nw.from_native(theirs), on="_who", how="semi")
            .select(*names)
            .to_native()
        )

    def links(self, datasets: Sequence[str], work_out: Callable[["Frames"], Links]) -> Links:
        """Who is who, by all days of these datasets up to the last: worked out anew only when one changed."""
        who = self.people if self.who is None else self.who
        until = replace(self, last=self.links_until or self.last, people=who)
        if self.known is None or self.contents is None:
            return work_out(until)
        of = tuple(self.contents.fingerprint(Input(name, history), until.last) for name in datasets)
        key = (*of, self.tables.fingerprint("identity_links"), None if who is None else people_digest(who))
        return self.known.get(key, self.engine, lambda: work_out(until))

    def config(self, name: str) -> Any:
        """Frame over a config table."""
        return self.engine.frame(pa.Table.from_pandas(self.tables[name], preserve_index=False))


Builder = Callable[[Frames], Any]


def make_days(
    dataset: str,
    days: Sequence[dt.date],
    *,
    builder: Builder,
    engine: Callable[[], Engine],
    lake: Lake,
    tables: Tables,
    start: dt.date,
    contents: Contents,
    known: KnownPeople | None = None,
) -> Outcome:
    """Make days of a dataset from what is in the lake.

    Days whose own required inputs aren't there fail with the missing ones named; the rest is computed a
    consecutive range at a time.
    """
    node = NODES[dataset]
    outcome = Outcome(dataset)
    refuse_other_keys(contents.under_other_keys(node))
    config = {name: tables.fingerprint(name) for name in node.config}
    known = known or KnownPeople()
    if dataset in WITH_BEFORE:
        _make_before(node, config, builder, engine, lake, tables, start, contents, known)
    ready = _ready(node, days, outcome, contents)

    def compute(first: dt.date, last: dt.date, **narrowed: Any) -> pa.Table:
        if "wanted" in narrowed:
            # Days of the mart: of whom its other inputs are has been worked out in them.
            narrowed["who"] = known.people_of(lake, contents, narrowed["wanted"], tables, ["zoom_attendance"])
        with engine() as opened:
            kept = {"contents": contents, "known": known, "currency": contents.currency}
            frames = Frames(opened, lake, tables, first, last, start, **kept, **narrowed)
            return opened.collect(builder(frames))

    wanted = {day: contents.inputs(node, day, config) for day in ready}
    written = lake.all_facts(dataset, ready)
    outcome.done = {day: facts for day, facts in written.items() if facts.inputs == wanted[day]}
    stale = {day: facts for day, facts in written.items() if day not in outcome.done}
    rows = tables.links() if "identity_links" in node.config else ()
    pairs = partial(known.pairs, lake, contents)
    restate_people(lake, contents, node, stale, wanted, compute, outcome, pairs, rows)
    todo = [day for day in ready if day not in outcome.done]
    who = known.people_of(lake, contents, todo, tables) if 0 < len(todo) <= FEW_DAYS else None
    people = who if node.of_the_day else None
    for first, last in _pieces(node, todo, lake):
        some = partial(compute, links_until=todo[-1], who=who, people=people)
        for part_first, part_last, result in _halving(first, last, some):
            part = days_between(part_first, part_last)
            if isinstance(result, FunnelError):
                outcome.failed[part_first] = result.located(dataset=dataset, day=part_first)
                continue
            write_days(
                lake,
                outcome,
                result,
                part,
                inputs=wanted,
                missing={day: contents.missing(node, day) for day in part},
            )
    contents.forget(dataset)
    return outcome


def _make_before(
    node: Node,
    config: Mapping[str, str],
    builder: Builder,
    engine: Callable[[], Engine],
    lake: Lake,
    tables: Tables,
    start: dt.date,
    contents: Contents,
    known: KnownPeople,
) -> None:
    """Bring the partition of all days before the first up to its inputs: the rows that these days would have."""
    inputs = contents.inputs(node, BEFORE, config) | {"start": str(start)}
    written = lake.facts(node.dataset, BEFORE)
    has_rows = any(BEFORE in contents.of(read.dataset) for read in node.inputs)
    if (written is None and not has_rows) or (written is not None and written.inputs == inputs):
        return
    rows = arrow_schema(CONTRACTS[node.dataset]).empty_table()
    dates = [
        lake.read(read.dataset, [BEFORE], columns=["date"], require=False)["date"] for read in node.inputs
    ]
    first = pc.min(
        pa.chunked_array([chunk for found in dates for chunk in found.chunks], pa.date32())
    ).as_py()
    if first is not None:
        with engine() as opened:
            last = start - dt.timedelta(days=1)
            frames = Frames(
                opened,
                lake,
                tables,
                first,
                last,
                start,
                contents=contents,
                known=known,
                currency=contents.currency,
            )
            rows = opened.collect(builder(frames))
    write_before(lake, node.dataset, rows, inputs)
    contents.forget(node.dataset)


def _pieces(node: Node, days: Sequence[dt.date], lake: Lake) -> Iterator[tuple[dt.date, dt.date]]:
    """Cut days into consecutive ranges of so many rows that one fits in the engine's memory."""
    rows: Counter[dt.date] = Counter()
    for read in node.inputs:
        rows.update({day: facts.rows for day, facts in lake.all_facts(read.dataset, days).items()})
    for first, last in consecutive(days):
        for piece in cut(days_between(first, last), rows, ROWS_AT_ONCE):
            yield piece[0], piece[-1]


def _ready(node: Node, days: Sequence[dt.date], outcome: Outcome, contents: Contents) -> list[dt.date]:
    ready = []
    for day in sorted(days):
        missing = contents.missing(node, day)
        blocking = [read.dataset for read in node.inputs if read.required and read.dataset in missing]
        if not any(read.required for read in node.inputs) and len(missing) == len(node.inputs):
            blocking = missing
        if blocking:
            outcome.missing_inputs[day] = blocking
            outcome.failed[day] = MissingPartitions(
                f"needs {', '.join(blocking)} of the day, which is not in the lake.",
                dataset=node.dataset,
                day=day,
                fix=f"make {', '.join(blocking)} of the day first.",
            )
        elif lost := contents.lost(node, day):
            outcome.failed[day] = lost_error(lost).located(dataset=node.dataset, day=day)
        else:
            ready.append(day)
    return ready


def _halving(
    first: dt.date, last: dt.date, compute: Callable[[dt.date, dt.date], pa.Table]
) -> Iterator[tuple[dt.date, dt.date, pa.Table | FunnelError]]:
    """Compute a range; if it fails, its halves, until the days that can't be made stand alone.

    A fault that isn't any one day's (the first and the last day alone fail the same way) fails the range at once.
    """
    result = _tried(first, last, compute)
    if not isinstance(result, FunnelError) or first == last:
        yield first, last, result
        return
    ends = [_tried(day, day, compute) for day in (first, last)]
    if all(isinstance(end, FunnelError) and end.message == result.message for end in ends):
        for day in days_between(first, last):
            yield day, day, result
        return
    middle = first + (last - first) // 2
    yield from _halving(first, middle, compute)
    yield from _halving(middle + dt.timedelta(days=1), last, compute)


def _tried(
    first: dt.date, last: dt.date, compute: Callable[[dt.date, dt.date], pa.Table]
) -> pa.Table | FunnelError:
    try:
        return compute(first, last)
    except FunnelError as error:
        return error
    except Exception as error:  # whatever it is, only the days that can't be made may fail
        told = refusal(error)
        if told is not None:
            return told
        log.exception("Computing %s to %s failed.", first, last)
        return FunnelError(
            f"the computation failed: {type(error).__name__}.",
            fix="look at the run's log for the cause; this may be a defect of the software.",
        )


def consecutive(days: Sequence[dt.date]) -> list[tuple[dt.date, dt.date]]:
    """Group days into runs of consecutive ones, as (first, last)."""
    groups: list[tuple[dt.date, dt.date]] = []
    for day in sorted(set(days)):
        if groups and day - groups[-1][1] == dt.timedelta(days=1):
            groups[-1] = (groups[-1][0], day)
        else:
            groups.append((day, day))
    return groups
