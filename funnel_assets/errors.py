"""Errors that people read.

Belongs here: the error types of the whole package and how one is worded. Does not belong here: deciding when
something is an error.

Every message names what is known of dataset, day, source, file and line, and ends with the next thing to do.
Types separate what a retry may mend from what it can't (SPEC 3, CONVENTIONS).
"""

import copy
import datetime as dt
from typing import Self

from funnel_assets.shown import shown


class FunnelError(Exception):
    """Something the software can explain.

    Args:
        message: What went wrong, in words an ops person knows; no secret and no personal data.
        dataset: Dataset name, e.g. ``crm_sales``.
        day: Local day concerned.
        source: Source name as in ``sources.yaml``.
        file: File name or URL without credentials.
        line: 1-based physical line in ``file``.
        fix: The next thing to do.
    """

    def __init__(
        self,
        message: str,
        *,
        dataset: str | None = None,
        day: dt.date | str | None = None,
        source: str | None = None,
        file: str | None = None,
        line: int | None = None,
        fix: str | None = None,
    ) -> None:
        self.message = shown(message)
        self.dataset = dataset
        self.day = None if day is None else str(day)
        self.source = source
        self.file = file
        self.line = line
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        where = [
            f"{name} {value}"
            for name, value in (
                ("dataset", self.dataset),
                ("day", self.day),
                ("source", self.source),
                ("file", self.file),
                ("line", self.line),
            )
            if value is not None
        ]
        text = f"[{', '.join(where)}] {self.message}" if where else self.message
        return shown(f"{text} Next: {self.fix}" if self.fix else text)

    def located(
        self,
        *,
        dataset: str | None = None,
        day: dt.date | str | None = None,
        source: str | None = None,
        file: str | None = None,
    ) -> Self:
        """Return the same error with places filled in that were not known where it was raised."""
        found = copy.copy(self)
        found.dataset = self.dataset or dataset
        found.day = self.day or (None if day is None else str(day))
        found.source = self.source or source
        found.file = self.file or file
        found.args = (found._text(),)
        return found


class SourceUnavailable(FunnelError):
    """A source didn't answer, or answered that it can't now; trying again may help."""


class SourceBroken(FunnelError):
    """A source answered with something that isn't the data; trying again can't help."""


class LandedDamaged(SourceBroken):
    """Bytes that landed are gone, or no longer what they were; they are never read."""


class DumpHeld(SourceBroken):
    """A fetched dump waits for the next fetch or a person's decision; nothing is made from it."""


class ConfigError(FunnelError):
    """A settings file or config CSV holds a mistake."""


class MissingPartitions(FunnelError):
    """Days that a computation needs aren't in the lake."""


class LandingLacks(FunnelError):
    """The landing doesn't hold what a day was made from; the day is left as it is, rather than made with less."""


class DamagedFile(FunnelError):
    """A file of ours can't be read, and nothing else tells what was in it."""


class DiskRefused(FunnelError):
    """The operating system refuses to write: full, read-only, over quota, out of file handles."""


class ContractViolation(FunnelError):
    """Rows that break a dataset's contract; nothing was written."""


class UsageError(FunnelError):
    """The command was called in a way it can't follow (exit code 2)."""
