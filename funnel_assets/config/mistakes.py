"""Mistakes that people make in config files, gathered and worded.

Belongs here: collecting what is wrong with its file and line, and the one error that lists it all. Does not
belong here: what counts as a mistake.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from funnel_assets.errors import ConfigError
from funnel_assets.masking import mask_text
from funnel_assets.shown import shown

SHOWN = 20
_VALUE_CHARACTERS, _MASKED_CHARACTERS = 60, 1000


@dataclass
class Mistakes:
    """What was found wrong so far; one error in the end, so that a person corrects everything in one go."""

    found: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, file: str, line: int, text: str) -> None:
        """Note a mistake at a 1-based physical line; ``text`` holds no secret and no personal data."""
        self.found.append((file, line, text))

    def in_file(self, file: str) -> bool:
        """Return whether something is wrong in this file."""
        return any(name == file for name, _, _ in self.found)

    @property
    def files(self) -> set[str]:
        """Files in which something is wrong."""
        return {name for name, _, _ in self.found}

    def only_in(self, file: str) -> "Mistakes":
        """Return the mistakes of one file."""
        return Mistakes([mistake for mistake in self.found if mistake[0] == file])

    def raise_if_any(self, *, fix: str) -> None:
        """Raise what was found.

        Raises:
            ConfigError: With the place and text of the one mistake, or a list of the first 20 of several;
                file and line are those of the first.
        """
        if not self.found:
            return
        found = sorted(set(self.found))
        file, line, text = found[0]
        if len(found) == 1:
            raise ConfigError(f"{text}.", file=file, line=line, fix=fix)
        shown = [f"  {name} line {number}: {words}" for name, number, words in found[:SHOWN]]
        if len(found) > SHOWN:
            shown.append(f"  and {len(found) - SHOWN} more")
        listed = "\n".join(shown)
        raise ConfigError(
            f"{len(found)} mistakes in the config files:\n{listed}\n", file=file, line=line, fix=fix
        )


def quoted(value: str) -> str:
    """Quote a value for a message: shortened, on one line, with phones and e-mails masked."""
    # Cut first: what no one is shown needn't be masked.
    text = shown(mask_text(" ".join(value[:_MASKED_CHARACTERS].split())))
    return f"'{text[:_VALUE_CHARACTERS]}…'" if len(text) > _VALUE_CHARACTERS else f"'{text}'"


def suggestion(word: str, allowed: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return `` (did you mean …?)`` when an allowed word is close, else nothing."""
    known = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(word.strip().lower(), known, n=1, cutoff=cutoff)
    return f" (did you mean {known[close[0]]}?)" if close else ""
