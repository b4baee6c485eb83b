"""Every byte that came in, kept unchanged, with where from and when.

Belongs here: the content-addressed store of fetched and dropped files, and its records. Does not belong here:
fetching (``sources.http``) or reading (``sources.tabular``).

Layout, below one root (SPEC 3, Landing)::

    <dataset>/<source>/<sha256>.<ext>                          the bytes, once, however often they came
    <dataset>/<source>/fetches/n<number>-<UTC time>-<sha8>.json  one small record per fetch, in order of arrival
    <dataset>/<source>/tmp/                                    what is being written

A file is complete under its final name or isn't there: it is written under ``tmp`` and renamed. A process
killed in between leaves only a file in ``tmp``, which nobody reads and a later put sweeps.

Which fetch is the newest goes by the order of arrival, a number given when it is recorded: a clock may jump. Records of
earlier versions, without a number, come first and in the order of their times. A record that can't be read is set aside
as ``….json.damaged``.
"""

import contextlib
import datetime as dt
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from funnel_assets.errors import DamagedFile, FunnelError, LandedDamaged
from funnel_assets.storage.files import PRIVATE_FILE, make_folder, read_json, refusal, settle

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

log = logging.getLogger(__name__)

_STALE_AFTER_S = 3600.0
_CHUNK_BYTES = 1 << 20
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True)
class Snapshot:
    """One fetch and the bytes it brought.

    Attributes:
        dataset: Dataset name.
        source: Source name.
        origin: Redacted URL or file name that the bytes came from.
        fetched_at: UTC moment that the bytes are at least as new as.
        bytes: Size.
        sha256: Content address.
        path: Place of the bytes, relative to the landing's root.
        unchanged: True when the fetch before this one brought the same bytes.
        rows: Rows in it, once someone has read it.
        header: Column names as in the file, likewise.
        etag: For a conditional fetch.
        last_modified: Likewise.
        extra: Whatever else the reader wants to remember, JSON values only (a column profile, for instance).
        arrival: Its number in the order of arrival at this source, from 1; 0 for those of earlier versions.
        is_proven: Whether the transfer, or the format's own end, proved the bytes whole.
    """

    dataset: str
    source: str
    origin: str
    fetched_at: dt.datetime
    bytes: int
    sha256: str
    path: str
    unchanged: bool = False
    rows: int | None = None
    header: tuple[str, ...] | None = None
    etag: str | None = None
    last_modified: str | None = None
    extra: Mapping[str, Any] | None = None
    arrival: int = 0
    is_proven: bool = True

    @classmethod
    def read(cls, content: dict[str, Any]) -> "Snapshot":
        """Return what a record holds.

        Raises:
            KeyError, TypeError, ValueError: It is of another shape.
        """
        header = content["header"]
        found = cls(
            **{
                **content,
                "fetched_at": dt.datetime.fromisoformat(content["fetched_at"]),
                "header": None if header is None else tuple(header),
            }
        )
        texts = (found.dataset, found.source, found.origin, found.sha256, found.path)
        numbers = (found.bytes, found.arrival)
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(n, int) for n in numbers):
            raise TypeError("not the record of a fetch")
        if not isinstance(found.is_proven, bool):
            raise TypeError("not the record of a fetch")
        if found.fetched_at.tzinfo is None or not isinstance(found.extra, dict | None):
            raise ValueError("not the record of a fetch")
        return found


@dataclass(frozen=True)
class Pruned:
    """What a prune removed."""

    snapshots: int
    files: int
    bytes: int


class Landing:
    """The landing below one folder. Safe for several processes and threads at once."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    # --- places -------------------------------------------------------------------------------

    def _folder(self, dataset: str, source: str) -> Path:
        return self.root / safe_name(dataset) / safe_name(source)

    def _object(self, dataset: str, source: str, sha256: str, ext: str) -> Path:
        suffix = "." + safe_name(ext.lstrip(".").lower()) if ext.strip(".") else ""
        return self._folder(dataset, source) / f"{sha256}{suffix}"

    def _records(self, dataset: str, source: str) -> Path:
        return self._folder(dataset, source) / "fetches"

    def _record(self, snapshot: Snapshot) -> Path:
        stamp = snapshot.fetched_at.astimezone(dt.UTC).strftime(_STAMP)
        number = f"n{snapshot.arrival:09d}-" if snapshot.arrival else ""
        return (
            self._records(snapshot.dataset, snapshot.source) / f"{number}{stamp}-{snapshot.sha256[:8]}.json"
        )

    def temporary(self, dataset: str, source: str) -> Path:
        """Return a fresh name to write to, on the landing's own disk; hand it to `put` with ``move=True``."""
        folder = self._folder(dataset, source) / "tmp"
        make_folder(folder)
        handle, name = tempfile.mkstemp(dir=folder)
        os.close(handle)
        return Path(name)

    # --- writing ------------------------------------------------------------------------------

    def put(
        self,
        dataset: str,
        source: str,
        content: Path | str | bytes | BinaryIO,
        origin: str,
        fetched_at: dt.datetime,
        ext: str,
        *,
        rows: int | None = None,
        header: Sequence[str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        extra: Mapping[str, Any] | None = None,
        is_proven: bool = True,
        move: bool = False,
        sha256: str | None = None,
    ) -> Snapshot:
        """Keep the bytes and record the fetch.

        Idempotent: the same bytes are stored once, and the same fetch (time and bytes) recorded once.

        Args:
            dataset: Dataset name.
            source: Source name.
            content: A file, bytes, or a stream read to its end.
            origin: Redacted URL or file name; never a secret.
            fetched_at: Moment with time zone that the bytes are at least as new as.
            ext: File extension, such as ``csv``.
            rows: Rows in it, where known already.
            header: Column names, likewise.
            etag: ``ETag`` of the answer.
            last_modified: ``Last-Modified`` of the answer.
            extra: JSON values to keep in the record.
            is_proven: Whether the transfer, or the format's own end, proved the bytes whole.
            move: Take the file over instead of copying it; for names that `temporary` gave.
            sha256: Of its bytes, where whoever wrote them has hashed them on the way.

        Returns:
            The recorded snapshot; ``unchanged`` tells whether the fetch before it brought the same bytes.

        Raises:
            ValueError: `fetched_at` has no time zone.
            FunnelError: The disk refuses.
        """
        if fetched_at.tzinfo is None:
            raise ValueError("fetched_at needs a time zone")
        self.sweep(dataset, source)
        part = self.temporary(dataset, source)
        try:
            sha256, size = _take(content, part, sha256, move=move)
            fetched = Snapshot(
                dataset=dataset,
                source=source,
                origin=origin,
                fetched_at=fetched_at.astimezone(dt.UTC),
                bytes=size,
                sha256=sha256,
                path=self._object(dataset, source, sha256, ext).relative_to(self.root).as_posix(),
                rows=rows,
                header=None if header is None else tuple(header),
                etag=etag,
                last_modified=last_modified,
                extra=extra,
                is_proven=is_proven,
            )
            return self._keep(part, fetched)
        except OSError as problem:
            told = refusal(problem, self._folder(dataset, source), dataset=dataset, source=source)
            raise told or FunnelError(
                f"The landing can't keep this file ({problem.strerror or type(problem).__name__}).",
                dataset=dataset,
                source=source,
                fix="correct what the text names, then run again.",
            ) from problem
        finally:
            part.unlink(missing_ok=True)

    def _keep(self, part: Path, fetched: Snapshot) -> Snapshot:
        """Give the bytes their place, unless an earlier fetch did, and record the fetch.

        Where the same bytes are there, what their reader knew of them holds for this fetch too.
        """
        with self._locked(fetched.dataset, fetched.source):
            folder = self._records(fetched.dataset, fetched.source)
            names = self._record_names(folder)
            same = self._still_there(folder, names, fetched.sha256)
            if same is not None:
                fetched = replace(
                    fetched,
                    path=same.path,
                    rows=same.rows if fetched.rows is None else fetched.rows,
                    header=same.header if fetched.header is None else fetched.header,
                    extra=same.extra if fetched.extra is None else fetched.extra,
                )
            # Even where the same bytes are there: on the disk they may have been damaged since.
            _commit(part, self.root / fetched.path)
            earlier = self._newest(folder, names)
            known = self._recorded(folder, names, fetched)
            if known is not None:
                snapshot = replace(fetched, unchanged=known.unchanged, arrival=known.arrival)
            else:
                unchanged = earlier is not None and earlier.sha256 == fetched.sha256
                snapshot = replace(fetched, unchanged=unchanged, arrival=_next(names))
            self._write_record(snapshot)
        return snapshot

    def again(self, snapshot: Snapshot, fetched_at: dt.datetime) -> Snapshot:
        """Record that the source answered "not modified" at a later moment: the same bytes, fetched again."""
        with self._locked(snapshot.dataset, snapshot.source):
            self.path(snapshot)
            number = _next(self._record_names(self._records(snapshot.dataset, snapshot.source)))
            later = replace(
                snapshot, fetched_at=fetched_at.astimezone(dt.UTC), unchanged=True, arrival=number
            )
            self._write_record(later)
        return later

    def annotate(
        self,
        snapshot: Snapshot,
        *,
        rows: int | None = None,
        header: Sequence[str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Snapshot:
        """Add to a record what only a reader knows; what isn't given stays."""
        described = replace(
            snapshot,
            rows=snapshot.rows if rows is None else rows,
            header=snapshot.header if header is None else tuple(header),
            extra=snapshot.extra if extra is None else {**(snapshot.extra or {}), **extra},
        )
        with self._locked(snapshot.dataset, snapshot.source):
            self._write_record(described)
        return described

    def _write_record(self, snapshot: Snapshot) -> None:
        record = {**asdict(snapshot), "fetched_at": snapshot.fetched_at.isoformat()}
        part = self.temporary(snapshot.dataset, snapshot.source)
        try:
            part.write_text(
                json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8"
            )
            _commit(part, self._record(snapshot))
        finally:
            part.unlink(missing_ok=True)

    # --- reading ------------------------------------------------------------------------------

    def snapshots(self, dataset: str, source: str) -> list[Snapshot]:
        """List all recorded fetches of a source, in order of arrival."""
        found = (self._read_record(path) for path in self._record_files(dataset, source))
        return [snapshot for snapshot in found if snapshot is not None]

    def newest(self, dataset: str, source: str) -> Snapshot | None:
        """Return the fetch that arrived last, or None."""
        folder = self._records(dataset, source)
        return self._newest(folder, self._record_names(folder))

    def _newest(self, folder: Path, names: Sequence[str]) -> Snapshot | None:
        found = (self._read_record(folder / name) for name in reversed(names))
        return next((snapshot for snapshot in found if snapshot is not None), None)

    def holds(self, dataset: str, source: str, sha256: str) -> bool:
        """Whether a fetch of these bytes is recorded; none is read."""
        ending = f"-{sha256[:8]}.json"
        return any(name.endswith(ending) for name in self._record_names(self._records(dataset, source)))

    def unrecorded(self, dataset: str, source: str, sha256: str) -> Path | None:
        """Where bytes are of which the record is lost; None where they are lost too."""
        return next(self._folder(dataset, source).glob(f"{sha256}.*"), None)

    def sources_of(self, dataset: str) -> list[str]:
        """Names of the sources of a dataset that ever landed something, configured or not."""
        return [source for name, source in self.sources() if name == dataset]

    # A thousand Zoom reports are dropped at once: keeping one must not read the records of all the others.

    def _still_there(self, folder: Path, names: Sequence[str], sha256: str) -> Snapshot | None:
        """The latest fetch of these bytes whose file is still there."""
        ending = f"-{sha256[:8]}.json"
        for name in reversed(names):
            if name.endswith(ending):
                snapshot = self._read_record(folder / name)
                if snapshot and snapshot.sha256 == sha256 and (self.root / snapshot.path).exists():
                    return snapshot
        return None

    def _recorded(self, folder: Path, names: Sequence[str], fetched: Snapshot) -> Snapshot | None:
        """The record of this very fetch."""
        ending = self._record(fetched).name
        return next((self._read_record(folder / name) for name in names if name.endswith(ending)), None)

    def sources(self) -> list[tuple[str, str]]:
        """List every (dataset, source) that ever landed something, as they were named."""
        named = set()
        for records in sorted(self.root.glob("*/*/fetches")):
            for path in sorted(records.glob("*.json"), reverse=True):
                snapshot = self._read_record(path)
                if snapshot is not None:
                    named.add((snapshot.dataset, snapshot.source))
                    break
        return sorted(named)

    def path(self, snapshot: Snapshot, *, verify: bool = False) -> Path:
        """Return the place of a snapshot's bytes.

        Args:
            snapshot: Which.
            verify: Read the file and compare its sha256.

        Raises:
            LandedDamaged: The bytes are gone or no longer what they were.
        """
        place = self.root / snapshot.path
        problem = None
        if not place.exists():
            problem = "The landed file is gone"
        elif verify and _digest(place) != snapshot.sha256:
            problem = "The landed file is damaged: its bytes no longer match their sha256"
        if problem:
            raise LandedDamaged(
                f"{problem}.",
                dataset=snapshot.dataset,
                source=snapshot.source,
                file=snapshot.path,
                fix="restore it from a backup of the landing folder.",
            )
        return place

    def open(self, snapshot: Snapshot, *, verify: bool = False) -> BinaryIO:
        """Open a snapshot's bytes for reading; see `path`."""
        return self.path(snapshot, verify=verify).open("rb")

    def _record_files(self, dataset: str, source: str) -> list[Path]:
        folder = self._records(dataset, source)
        return [folder / name for name in self._record_names(folder)]

    def _record_names(self, folder: Path) -> list[str]:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            # Numbers and times are of one width, and "n" comes after any digit.
            return sorted(entry.name for entry in entries if entry.name.endswith(".json"))
        return []

    def _read_record(self, path: Path) -> Snapshot | None:
        try:
            return read_json(path, Snapshot.read, fix="nothing, what it recorded is looked for again.")
        except DamagedFile as error:
            log.warning("%s", error)
            with contextlib.suppress(OSError):
                path.rename(path.with_name(f"{path.name}.damaged"))
            return None

    # --- keeping it small ---------------------------------------------------------------------

    def prune(
        self,
        dataset: str,
        source: str,
        keep_days: int,
        keep_min: int,
        protected: Collection[str] = (),
        *,
        now: dt.datetime | None = None,
    ) -> Pruned:
        """Remove old snapshots.

        A snapshot stays when it is at most `keep_days` old, or its bytes are among the `keep_min` most recent
        different ones, or its sha256 is protected because a published day stands on it. The newest always
        stays.
        """
        limit = (now or dt.datetime.now(dt.UTC)) - dt.timedelta(days=keep_days)
        removed, files, freed = 0, 0, 0
        with self._locked(dataset, source):
            known = self.snapshots(dataset, source)
            recent = list(dict.fromkeys(one.sha256 for one in reversed(known)))[: max(keep_min, 1)]
            kept_shas = {*recent, *protected}
            old = [one for one in known if one.fetched_at < limit and one.sha256 not in kept_shas]
            used = {one.path for one in known if one not in old}
            for snapshot in old:
                self._record(snapshot).unlink(missing_ok=True)
                removed += 1
                if snapshot.path not in used:
                    with contextlib.suppress(FileNotFoundError):
                        (self.root / snapshot.path).unlink()
                        files += 1
                        freed += snapshot.bytes
        return Pruned(removed, files, freed)

    def sweep(self, dataset: str, source: str, *, now: float | None = None) -> int:
        """Delete what a killed process left in ``tmp`` more than an hour ago; returns how many."""
        limit = (time.time() if now is None else now) - _STALE_AFTER_S
        swept = 0
        for path in (self._folder(dataset, source) / "tmp").glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    path.unlink()
                    swept += 1
        return swept

    @contextlib.contextmanager
    def _locked(self, dataset: str, source: str) -> Iterator[None]:
        """Let one writer at a time decide; the lock dies with its process, so a killed one blocks nobody."""
        folder = self._folder(dataset, source)
        make_folder(folder)
        with open(folder / ".lock", "a+b", opener=_private) as handle:
            _lock(handle)
            try:
                yield
            finally:
                _unlock(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


if sys.platform == "win32":

    def _lock(handle: Any) -> None:
        handle.seek(0)
        while True:
            with contextlib.suppress(OSError):
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                return

    def _unlock(handle: Any) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _lock(handle: Any) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_EX)

    def _unlock(handle: Any) -> None:
        fcntl.flock(handle.fileno(), fcntl.LOCK_UN)


def safe_name(name: str) -> str:
    """Make any name one harmless part of a path, different names staying different."""
    quoted = quote(name, safe="").replace("~", "%7E")
    return quoted.replace(".", "%2E") if not quoted.strip(".") else quoted


def _take(
    content: Path | str | bytes | BinaryIO, part: Path, sha256: str | None, *, move: bool
) -> tuple[str, int]:
    """Bring the bytes under the temporary name, hashing them on the way."""
    if move and isinstance(content, str | Path):
        Path(content).replace(part)
        part.chmod(PRIVATE_FILE)
        return sha256 or _digest(part), part.stat().st_size
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(part.open("wb"))
        if isinstance(content, bytes):
            out.write(content)
        else:
            given = isinstance(content, str | Path)
            stream = stack.enter_context(Path(content).open("rb")) if given else content
            shutil.copyfileobj(stream, out, _CHUNK_BYTES)
    return _digest(part), part.stat().st_size


def _next(names: Sequence[str]) -> int:
    """Number of the next arrival."""
    last = names[-1] if names else ""
    return int(last[1:10]) + 1 if last.startswith("n") and last[1:10].isdigit() else 1


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _commit(part: Path, target: Path) -> None:
    make_folder(target.parent)
    settle(part, target)
