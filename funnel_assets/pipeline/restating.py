"""Making stale days again at the price of what changed in them (SPEC 3).

A changed dump changes the fingerprint of every later day, but the rows of a few people. Where the journal explains how
the inputs came from what the days were made of to what is there now, only the people concerned are computed again, and
their rows take the place of the old ones. What it doesn't explain is left to be computed whole.

It gives what computing everything gives, because nobody's rows depend on another person's (``pipeline.people``).
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from funnel_assets.arrow import on_days, pc
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.link_rows import LinkRow
from funnel_assets.pipeline.graph import Input, Node
from funnel_assets.pipeline.journal import Journal, Rewrite
from funnel_assets.pipeline.outcome import Outcome, write_days
from funnel_assets.pipeline.people import NOBODY, keys_in, with_linked
from funnel_assets.pipeline.people_index import key_columns
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.storage.lake import Lake, PartitionFacts

log = logging.getLogger(__name__)

DAYS_AT_ONCE = 60
"""Whole days held in memory while some people's rows are put in their places."""

MOST_REWRITES = 200
_NAMED_IN = {"funnel_marts": "zoom_attendance"}
"""Datasets that add people up: to them a person matters on days with records of theirs in this one."""

Compute = Callable[..., pa.Table]


@dataclass
class Since:
    """What happened to a dataset's inputs since some of its days were made.

    Attributes:
        days: The stale days that this explains.
        rewrites: Per input, its rewrites since the oldest of those days was made.
    """

    days: set[dt.date]
    rewrites: dict[str, list[Rewrite]]

    def rewritten(self, dataset: str) -> set[dt.date]:
        """Days of an input that were rewritten."""
        return {day for rewrite in self.rewrites.get(dataset, ()) for day in rewrite.days}


def restate_people(
    lake: Lake,
    contents: Contents,
    node: Node,
    stale: Mapping[dt.date, PartitionFacts],
    wanted: Mapping[dt.date, Mapping[str, str]],
    compute: Compute,
    outcome: Outcome,
    pairs: Callable[[], pa.Table],
    rows_of_links: Sequence[LinkRow] = (),
) -> None:
    """Make those stale days again that the journal explains; they are in ``outcome.done`` afterwards.

    Args:
        lake: Where the days are.
        contents: What is in the lake.
        node: The dataset.
        stale: Its stale days, with the facts they were written with.
        wanted: Per day, the fingerprints of its inputs now.
        compute: Computes rows of the days first to last, of some ``people`` or some ``wanted`` days only.
        outcome: Filled in here.
        pairs: Gives the phones and e-mails that stand together (`PeopleIndex.pairs`).
        rows_of_links: identity_links.csv.
    """
    journal = Journal(lake)
    since = explained(journal, contents, node, stale, wanted)
    if not since.days:
        return
    try:
        people = affected(lake, journal, node, since, pairs, rows_of_links)
    except (OSError, pa.ArrowException) as error:
        log.warning("%s: a change can't be read from the journal (%s).", node.dataset, type(error).__name__)
        return
    if people is None:
        return
    days = sorted(since.days)
    pieces: Iterable[tuple[pa.Table, set[dt.date]]] = ()
    try:
        if node.dataset in _NAMED_IN:
            if concerned := _days_concerned(lake, node, since, people):
                rows = compute(min(concerned), max(concerned), wanted=sorted(concerned))
                pieces = [(rows, concerned)]
        elif len(people):
            rows = compute(days[0], days[-1], people=people)
            pieces = _spliced(lake, node.dataset, rows, people, days)
    except Exception:  # computing the days whole tells which of them can't be made, and why
        log.exception("%s: the change could not be computed alone.", node.dataset)
        return
    found = set[dt.date]()
    for rows, on in pieces:
        missing = {day: contents.missing(node, day) for day in on}
        write_days(lake, outcome, rows, sorted(on), inputs=wanted, missing=missing)
        found |= on
    log.info(
        "%s: %d stale day(s), %d of them with a change in %d rewrite(s) of its inputs, %d key(s) of people",
        node.dataset,
        len(days),
        len(found),
        sum(map(len, since.rewrites.values())),
        len(people),
    )
    for day in days:
        if day not in found:
            facts = stale[day]
            outcome.done[day] = lake.confirm(
                node.dataset, day, facts, inputs=wanted[day], missing=contents.missing(node, day)
            )


def explained(
    journal: Journal,
    contents: Contents,
    node: Node,
    stale: Mapping[dt.date, PartitionFacts],
    wanted: Mapping[dt.date, Mapping[str, str]],
) -> Since:
    """Go back through the journal until every input is what the stale days were made of."""
    names = {read.dataset for read in node.inputs}
    days = {
        day
        for day, facts in stale.items()
        # Another rule or config table concerns everybody.
        if all(facts.inputs.get(name) == now for name, now in wanted[day].items() if name not in names)
    }
    rewrites: dict[str, list[Rewrite]] = {}
    for read in node.inputs:
        made_of = {day: stale[day].inputs.get(read.dataset, "") for day in days}
        rewrites[read.dataset], unexplained = _back_to(journal, contents, read, made_of)
        days -= unexplained
    return Since(days, rewrites)


def _back_to(
    journal: Journal, contents: Contents, read: Input, made_of: Mapping[dt.date, str]
) -> tuple[list[Rewrite], set[dt.date]]:
    """Return the rewrites since the days were made of an input, and the days for which it isn't known."""
    before = dict(contents.of(read.dataset))
    past, used = contents, []
    open_days = {day for day, made in made_of.items() if past.fingerprint(read, day) != made}
    rewrites = journal.newest_first(read.dataset)
    while open_days and len(used) < MOST_REWRITES:
        rewrite = next(rewrites, None)
        if rewrite is None:
            break
        used.append(rewrite)
        for day, (old, new) in rewrite.days.items():
            if before.get(day) != new:
                continue
            if old is None:
                del before[day]
            else:
                before[day] = old
        past = contents.with_contents(read.dataset, before)
        open_days = {day for day in open_days if past.fingerprint(read, day) != made_of[day]}
    return used, open_days


def affected(
    lake: Lake,
    journal: Journal,
    node: Node,
    since: Since,
    pairs: Callable[[], pa.Table],
    rows_of_links: Sequence[LinkRow] = (),
) -> pa.Array | None:
    """Return the keys of everybody whose rows may differ; None when these are so many that all may as well.

    Everybody who shares a phone, an e-mail or a link row with a changed row, as it was or is, directly or through
    others.
    """
    found: set[str] = set()
    for dataset, rewrites in since.rewrites.items():
        names = key_columns(dataset)
        if not names:
            continue
        for rewrite in rewrites:
            found |= keys_in(journal.rows(rewrite, names), names)
            arrived = [day for day, (before, _) in rewrite.days.items() if before is None]
            found |= keys_in(lake.read(dataset, arrived, columns=names, require=False), names)
    if any(read.dataset == "raw_leads" for read in node.inputs):
        return with_linked(found, pairs(), rows_of_links)
    return pa.array(sorted(found), pa.string())


def _days_concerned(lake: Lake, node: Node, since: Since, people: pa.Array) -> set[dt.date]:
    """Days of a dataset that adds people up on which something of the day changed, or a record's person may have."""
    found: set[dt.date] = set()
    for read in node.inputs:
        is_history = read.window(dt.date.max)[0] == dt.date.min
        if is_history and read.dataset != _NAMED_IN[node.dataset]:
            continue  # it says who people are, and ``people`` are those of whom that changed
        rewritten = since.rewritten(read.dataset)
        for day in since.days:
            first, last = (day, day) if is_history else read.window(day)
            if any(first <= changed <= last for changed in rewritten):
                found.add(day)
    records = lake.read(
        _NAMED_IN[node.dataset], sorted(since.days), columns=["date", "phone_key", "email_key"], require=False
    )
    theirs = records.filter(
        pc.is_in(pc.coalesce(records["phone_key"], records["email_key"]), value_set=people)
    )
    return found | (set(pc.unique(theirs["date"]).to_pylist()) & since.days)


def _spliced(
    lake: Lake, dataset: str, rows: pa.Table, people: pa.Array, days: Sequence[dt.date]
) -> Iterator[tuple[pa.Table, set[dt.date]]]:
    """Give whole days in which some people's rows are other ones now, with these days; some days at a time."""
    order = [(name, "ascending") for name in dict.fromkeys(("date", *CONTRACTS[dataset].key))]
    names = arrow_schema(CONTRACTS[dataset]).names
    theirs = _days_of(lake, dataset, people, days) | set(pc.unique(rows["date"]).to_pylist())
    concerned = [day for day in days if day in theirs]
    for start in range(0, len(concerned), DAYS_AT_ONCE):
        some = concerned[start : start + DAYS_AT_ONCE]
        before = lake.read(dataset, some, require=False).select(names)
        is_theirs = _of(before["person_id"], people)
        now = rows.filter(on_days(rows, some)).select(names).cast(before.schema)
        old = before.filter(is_theirs).sort_by(order)
        new = now.sort_by(order)
        changed = {
            day for day in some if not new.filter(on_days(new, [day])).equals(old.filter(on_days(old, [day])))
        }
        if changed:
            others = before.filter(pc.and_(on_days(before, changed), pc.invert(is_theirs)))
            yield pa.concat_tables([others, now.filter(on_days(now, changed))]), changed


def _days_of(lake: Lake, dataset: str, people: pa.Array, days: Sequence[dt.date]) -> set[dt.date]:
    """Return the days on which some people have rows."""
    found: set[dt.date] = set()
    for start in range(0, len(days), DAYS_AT_ONCE):
        named = lake.read(
            dataset, days[start : start + DAYS_AT_ONCE], columns=["date", "person_id"], require=False
        )
        found |= set(pc.unique(named.filter(_of(named["person_id"], people))["date"]).to_pylist())
    return found


def _of(person_ids: pa.ChunkedArray, people: pa.Array) -> pa.ChunkedArray:
    theirs = pc.is_in(person_ids, value_set=people)
    if pc.is_in(pa.scalar(NOBODY), value_set=people).as_py():
        theirs = pc.or_(theirs, pc.starts_with(person_ids, "a"))
    return theirs
