"""What people decided about doubtful reports and dumps, kept beside the bytes that it is about.

Belongs here: the records of decisions, one file for each content, below the landing. Does not belong here: what is
doubtful (``sources.zoom.doubts``, ``pipeline.ingest``) and what a decision changes.

They lie in the landing because days are made from the landing: whoever moves, backs up or restores it keeps them, and a
rebuild takes what was accepted. All decisions about a content are kept; the last one counts. Layout::

    <dataset>/<source>/decisions/<sha256>.json
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from funnel_assets.storage.files import read_json, write_whole
from funnel_assets.storage.lake import fingerprint
from funnel_assets.storage.landing import safe_name

ACCEPT, REJECT = "accept", "reject"


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a content.

    Attributes:
        dataset: Dataset name.
        source: Source name.
        sha256: Of the content.
        file: Under what name it came.
        decision: ``accept`` (it counts as it is) or ``reject`` (it never counts).
        reason: Why, in that person's words.
        who: Who decided.
        decided_at: When, UTC, ISO.
        why_held: What was doubtful about it.
    """

    dataset: str
    source: str
    sha256: str
    file: str
    decision: str
    reason: str
    who: str
    decided_at: str
    why_held: str

    @property
    def fingerprint(self) -> str:
        """Hash of the decision, by which days know that they were made with it."""
        return fingerprint([self.sha256, self.decision, self.reason, self.who, self.decided_at])[:12]

    def told(self) -> str:
        """The decision in a sentence."""
        word = {ACCEPT: "accepted", REJECT: "rejected"}[self.decision]
        moment = dt.datetime.fromisoformat(self.decided_at)
        return f"{self.file} was {word} by {self.who} on {moment:%Y-%m-%d %H:%M} UTC: {self.reason}"


class Decisions:
    """Decisions below a landing.

    Args:
        root: The landing's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, dataset: str, source: str) -> dict[str, Decision]:
        """Return the decision that counts for each content of a source, by sha256.

        Raises:
            DamagedFile: A record can't be read: a day would be made as if nobody had decided.
        """
        return {
            path.stem: self._read(path)[-1] for path in sorted(self._folder(dataset, source).glob("*.json"))
        }

    def record(self, decision: Decision) -> None:
        """Keep a decision; earlier ones about the same content stay on record."""
        path = self._folder(decision.dataset, decision.source) / f"{decision.sha256}.json"
        known = self._read(path) if path.exists() else []
        content = [asdict(one) for one in (*known, decision)]
        write_whole(path, json.dumps(content, ensure_ascii=False, indent=1).encode())

    def _folder(self, dataset: str, source: str) -> Path:
        return self._root / safe_name(dataset) / safe_name(source) / "decisions"

    @staticmethod
    def _read(path: Path) -> list[Decision]:
        fix = "restore it from a backup, or delete it and decide again with `funnel inbox`."
        return read_json(path, _decisions, fix=fix, dataset=path.parts[-4], source=path.parts[-3]) or []


def _decisions(content: list[dict[str, Any]]) -> list[Decision]:
    found = [Decision(**one) for one in content]
    if not found or any(one.decision not in (ACCEPT, REJECT) for one in found):
        raise ValueError("no decision")
    for one in found:
        dt.datetime.fromisoformat(one.decided_at)
    return found
