"""Reports and dumps that are held until a person has decided, and the deciding.

Belongs here: what is held, in words, and what ``funnel inbox`` does about it; the same for a dropped report and a
fetched dump. Does not belong here: what makes one doubtful (``sources.zoom.doubts``, ``pipeline.ingest``).

While something is held nothing is made from it, and what was made before it came stays published.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from funnel_assets.errors import FunnelError, UsageError
from funnel_assets.masking import mask_text
from funnel_assets.storage.decisions import ACCEPT, Decision, Decisions

REASON = "held"
"""Reason code in quarantine."""

SHA_LETTERS = 8
"""So many first letters of a content's hash tell it from others of the same name."""


@dataclass(frozen=True)
class Held:
    """Something that waits for a person's decision.

    Attributes:
        dataset: Dataset name.
        source: Source name.
        file: Name of the file, or redacted URL of the dump.
        sha256: Of its content.
        days: Event days that a report speaks of; none for a dump, which speaks of all.
        why: What is doubtful about it, with its numbers.
        otherwise: What makes a decision needless.
        is_file: Whether a person dropped it; else it was fetched.
    """

    dataset: str
    source: str
    file: str
    sha256: str
    days: tuple[str, ...]
    why: str
    otherwise: str
    is_file: bool = True

    @property
    def name(self) -> str:
        """What ``funnel inbox accept`` calls it by: a report's file, a dump's source."""
        return self.file if self.is_file else self.source

    @property
    def fix(self) -> str:
        """What to do."""
        return (
            f'{self.otherwise} If it is right as it is: `funnel inbox accept "{self.name}" --reason "…"`; '
            f'if it is wrong: `funnel inbox reject "{self.name}" --reason "…"`.'
        )

    @property
    def detail(self) -> str:
        """Why, and what to do."""
        return f"{self.why} Next: {self.fix}"

    def told(self) -> str:
        """One message about it."""
        of = f", event of {', '.join(self.days)}" if self.days else ""
        return f"{self.dataset}: {self.file}{of}, is held. {self.detail}"

    def called(self, name: str) -> bool:
        """Whether a person means this one by a name: of the file, the source, or the first letters of the hash."""
        short = name.strip().lower()
        is_hash = len(short) >= SHA_LETTERS and self.sha256.startswith(short)
        return is_hash or name in (self.file, self.name)


def quarantined(held: Iterable[Held]) -> pd.DataFrame:
    """Return held files as rows of quarantine."""
    rows = [(one.file, None, REASON, one.detail, None) for one in held]
    return pd.DataFrame(rows, columns=["file", "line", "reason", "detail", "raw"])


def chosen(held: Sequence[Held], decided: Sequence[Held], name: str) -> Held:
    """Return the one that is held under a name; else the one that was, and about which a decision is to be changed.

    Raises:
        FunnelError: None is, or several are.
    """
    known = {one.sha256: one for one in held if one.called(name)} or {
        one.sha256: one for one in decided if one.called(name)
    }
    found = list(known.values())
    if len(found) == 1:
        return found[0]
    if found:
        hashes = ", ".join(one.sha256[:SHA_LETTERS] for one in found)
        raise FunnelError(
            f"{len(found)} held files are called {name!r}.", fix=f"name one by its hash instead: {hashes}."
        )
    names = ", ".join(dict.fromkeys(one.name for one in held))
    raise FunnelError(
        f"nothing is held under the name {name!r}.",
        fix=f"held are: {names}." if names else "nothing is held; `funnel inbox` shows what is.",
    )


def decide(
    decisions: Decisions, held: Held, decision: str, reason: str, who: str, now: Callable[[], dt.datetime]
) -> Decision:
    """Put on record what a person decided about something held.

    Raises:
        UsageError: No reason is given.
    """
    if not reason.strip():
        raise UsageError(
            "a decision needs a reason.", fix='say why: --reason "Asha checked it against Zoom\'s own page".'
        )
    made = Decision(
        held.dataset,
        held.source,
        held.sha256,
        held.file,
        decision,
        # It is shown in logs and metadata.
        mask_text(" ".join(reason.split())),
        who,
        now().astimezone(dt.UTC).isoformat(timespec="seconds"),
        held.why,
    )
    decisions.record(made)
    return made


def accepted(decision: Decision | None) -> bool:
    """Whether a decision lets a doubtful content count."""
    return decision is not None and decision.decision == ACCEPT
