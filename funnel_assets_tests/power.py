"""A disk that forgets what wasn't synced when the power goes (`funnel_assets.storage.files` writes to it)."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from funnel_assets.storage import files


class PowerCut(BaseException):
    """The power is gone: nobody catches this."""


@dataclass
class Disk:
    """Records what is written, and takes back at a power cut what isn't on the disk yet.

    Attributes:
        cut_at: Step at which the power goes; None: never.
        steps: Steps so far: a sync, or a new name.
    """

    cut_at: int | None = None
    steps: int = 0
    _synced: set[Path] = field(default_factory=set)
    _named: list[tuple[Path, bytes | None, bool]] = field(default_factory=list)

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.cut_at:
            raise PowerCut

    def sync_file(self, path: Path) -> None:
        """Its bytes are on the disk."""
        self._step()
        self._synced.add(path)

    def sync_folder(self, folder: Path) -> None:
        """The names in it are on the disk."""
        self._step()
        self._named = [named for named in self._named if named[0].parent != folder]

    def rename(self, part: Path, target: Path) -> None:
        """A file has another's name, which isn't on the disk yet."""
        self._step()
        before = target.read_bytes() if target.exists() else None
        part.replace(target)
        self._named.append((target, before, part in self._synced))

    def forget(self) -> None:
        """Take back what isn't on the disk: names, and bytes under names that are."""
        for target, before, is_synced in reversed(self._named):
            if before is not None:
                target.write_bytes(before)
            elif is_synced:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(b"")


@contextlib.contextmanager
def disk(cut_at: int | None = None) -> Iterator[Disk]:
    """Work on a disk that forgets; the power cut ends the block."""
    made = Disk(cut_at)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("sync_file", "sync_folder", "rename"):
            patch.setattr(files, name, getattr(made, name))
        try:
            yield made
        except PowerCut:
            made.forget()
