"""Which dumps of a source count: one that nothing proves whole and that is much shorter than the last is held.

A server that states no length, sends no chunks and doesn't compress leaves a body that was cut at a line's end looking
whole. Such a dump counts when it is about as long as the last one, when the next fetch agrees with it, or when a person
accepts it. All is worked out anew from the landing's records and decisions, so that it is the same on every look.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from funnel_assets.pipeline.held import accepted
from funnel_assets.storage.decisions import REJECT, Decision
from funnel_assets.storage.landing import Snapshot


@dataclass(frozen=True)
class Counted:
    """What counts of a source's dumps.

    Attributes:
        newest: The newest that counts; None where none does.
        held: A newer one that waits: for the next fetch or a person.
        rows: Rows of the one that is held.
        rows_before: Rows of the one it is compared with.
        left_out: Contents that don't count.
    """

    newest: Snapshot | None
    held: Snapshot | None = None
    rows: int = 0
    rows_before: int = 0
    left_out: frozenset[str] = frozenset()


def counted(
    snapshots: Iterable[Snapshot],
    rows_of: Callable[[Snapshot], int | None],
    least_share: float,
    decisions: Mapping[str, Decision],
) -> Counted:
    """Say which dumps count.

    Two fetches agree when the later one has the same content, or as many rows as the earlier or more, but not so many
    that the earlier one would be too short beside it: two cuts at different places don't agree.

    Args:
        snapshots: All fetches of the source, oldest first.
        rows_of: Rows of a fetch; None where it can't be read.
        least_share: Of the last dump's rows that one has to have which nothing proves whole.
        decisions: What people decided, by content.
    """
    newest: Snapshot | None = None
    waiting: tuple[Snapshot, int] | None = None
    rows_before = 0
    good: set[str] = set()
    bad: set[str] = set()
    for snapshot in snapshots:
        decision = decisions.get(snapshot.sha256)
        if decision is not None and decision.decision == REJECT:
            bad.add(snapshot.sha256)
            continue
        rows = snapshot.rows if snapshot.is_proven else rows_of(snapshot)
        is_short = not snapshot.is_proven and rows is not None and rows < least_share * rows_before
        if is_short and not accepted(decision) and not _agrees(snapshot, rows or 0, waiting, least_share):
            waiting = snapshot, rows or 0
            bad.add(snapshot.sha256)
            continue
        newest, waiting = snapshot, None
        good.add(snapshot.sha256)
        rows_before = rows_before if rows is None else rows
    held, rows = waiting or (None, 0)
    return Counted(newest, held, rows, rows_before, frozenset(bad - good))


def _agrees(snapshot: Snapshot, rows: int, waiting: tuple[Snapshot, int] | None, least_share: float) -> bool:
    if waiting is None:
        return False
    earlier, rows_earlier = waiting
    return snapshot.sha256 == earlier.sha256 or rows >= rows_earlier >= least_share * rows
