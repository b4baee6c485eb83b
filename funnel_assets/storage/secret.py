"""The company's secret: what keys of people are made with (SPEC 9, Keys), and the secrets that came before it.

Belongs here: where the secret is, making it once, holding it to the one that the lake was made with. Does not belong
here: making keys (``domain.keys``).

The secret is one of the company's, not of a machine's: every home that works on a lake needs the same one. The lake
keeps its fingerprint, so that a home with another secret refuses to work on it instead of splitting everybody in two.
It never lies in the lake, the exports or the database: whoever is given a copy of these must not get the key to them.
"""

import contextlib
import json
import os
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from funnel_assets.config.settings import Settings
from funnel_assets.domain.keys import Pseudonyms
from funnel_assets.errors import ConfigError, DamagedFile
from funnel_assets.storage.files import decode_json, sync_folder, write_whole
from funnel_assets.storage.lake import Lake

SECRET, SECRET_FILE = "FUNNEL_SECRET", "FUNNEL_SECRET_FILE"
"""Variables that give the secrets themselves, or the file that holds them."""

LEAST_LETTERS = 32
NOTE = "_secret.json"
"""Name of the lake's note of the fingerprint."""

_HEAD = (
    "# The secret that keys of people are made with. The first line counts; those below it were used before, and let\n"
    "# ids of phones and e-mails that were shown under them still be understood. Keep a copy apart from the lake and\n"
    "# from its backups: with this file and an export anybody can tell people's phones; without it the lake can't be\n"
    "# added to.\n"
)


@dataclass(frozen=True)
class Keyring:
    """The secret in use and those before it, newest first."""

    current: Pseudonyms
    older: tuple[Pseudonyms, ...] = ()


def secret_file(settings: Settings) -> Path:
    """Where the secrets are, unless ``FUNNEL_SECRET`` gives them: ``FUNNEL_SECRET_FILE``, else in the home."""
    given = settings.environ.get(SECRET_FILE, "").strip()
    return Path(given).expanduser() if given else settings.home / "secret" / "key"


def load_keyring(settings: Settings, lake: Lake) -> Keyring:
    """Read the secrets; make one where neither this home nor the lake has any yet.

    Raises:
        ConfigError: If there is none though the lake was made with one, if it isn't the lake's, or can't be read.
    """
    made_with = _made_with(lake)
    texts = _given(settings)
    if texts is None:
        if made_with is not None:
            raise ConfigError(
                "The lake's keys were made with a secret that this home doesn't have.",
                file=str(secret_file(settings)),
                fix=f"copy the file from a home that works on this lake, or from a backup, or set {SECRET_FILE} to it. "
                "If it is lost for good: `funnel rotate-secret --lost`.",
            )
        _create(secret_file(settings), [secrets.token_hex(32)])
        texts = _given(settings)
        assert texts is not None
    found = [pseudonyms_of(text) for text in texts]
    keyring = Keyring(found[0], tuple(found[1:]))
    _hold_to_lake(keyring, made_with, lake, settings)
    return keyring


def rotate(settings: Settings, lake: Lake, *, lost: bool = False) -> Keyring:
    """Put a new secret before those there are; all days with keys are stale then.

    Args:
        settings: Where the secrets are.
        lake: The lake, whose note of the fingerprint is brought up to date.
        lost: Whether there is no secret to keep: ids shown so far can't be understood any more. Those of phones and
            e-mails are otherwise (``pipeline.former_ids``).

    Raises:
        ConfigError: If ``FUNNEL_SECRET`` gives the secrets: this program can't change that.
    """
    if settings.environ.get(SECRET, "").strip():
        raise ConfigError(
            f"{SECRET} gives the secret, which only you can change.",
            fix=f"write a new one before the old one (`{SECRET}='new old'`) everywhere, then run `funnel restate`.",
        )
    path = secret_file(settings)
    older = [] if lost and not path.exists() else _given(settings) or []
    if not lost:
        load_keyring(settings, lake)  # refuses where this home's secret isn't the lake's
        older = _given(settings) or []
    _write(path, [secrets.token_hex(32), *older])
    keyring = Keyring(*_split(_given(settings) or []))
    _note(lake, keyring.current)
    return keyring


def _made_with(lake: Lake) -> str | None:
    """Fingerprint of the secret that the lake was made with; None for one without keys so far."""
    noted = lake.read_note(NOTE)
    if noted is None:
        return None
    try:
        return decode_json(
            noted,
            lambda content: str(content["fingerprint"]),
            fix="delete it if you are sure that this home's secret is the lake's: it is written again.",
        )
    except DamagedFile as error:
        raise error.located(file=f"{lake.root}/{NOTE}") from None


def _split(texts: Sequence[str]) -> tuple[Pseudonyms, tuple[Pseudonyms, ...]]:
    first, *others = (pseudonyms_of(text) for text in texts)
    return first, tuple(others)


def _given(settings: Settings) -> list[str] | None:
    """The secrets as written, newest first; None when there are none."""
    written, path = settings.environ.get(SECRET, ""), None
    if not written.strip():
        path = secret_file(settings)
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"The secret can't be read ({type(error).__name__}).",
                file=str(path),
                fix="let this user read it, or put back the copy of your backup.",
            ) from None
        written = " ".join(line for line in lines if not line.lstrip().startswith("#"))
    texts = written.replace(",", " ").split()
    where = SECRET if path is None else "The file"
    if not texts or any(len(text) < LEAST_LETTERS for text in texts):
        problem = "holds no secret" if not texts else f"holds a secret of fewer than {LEAST_LETTERS} letters"
        raise ConfigError(
            f"{where} {problem}.",
            file=None if path is None else str(path),
            fix="put back the copy of your backup; a new one is made with `openssl rand -hex 32`.",
        )
    return texts


def pseudonyms_of(text: str) -> Pseudonyms:
    """Return what makes keys under a secret, however it is written."""
    return Pseudonyms(blake2b(text.encode(), digest_size=32, person=b"funnel secret").digest())


def _hold_to_lake(keyring: Keyring, made_with: str | None, lake: Lake, settings: Settings) -> None:
    if made_with == keyring.current.fingerprint:
        return
    if made_with is None or made_with in {one.fingerprint for one in keyring.older}:
        _note(lake, keyring.current)
        return
    where = SECRET if settings.environ.get(SECRET, "").strip() else str(secret_file(settings))
    raise ConfigError(
        f"The secret of {where} isn't the one that the lake's keys were made with: everybody would be two people.",
        fix="use the secret of the home that the lake was made with. If it was changed there (`funnel rotate-secret`), "
        "copy its file here.",
    )


def _note(lake: Lake, current: Pseudonyms) -> None:
    lake.write_note(NOTE, json.dumps({"fingerprint": current.fingerprint}).encode())


def _create(path: Path, texts: Sequence[str]) -> None:
    """Write the file unless another process has in the meantime: then that one's counts."""
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    _write(part, texts)
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
    sync_folder(path.parent)


def _write(path: Path, texts: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, (_HEAD + "".join(f"{text}\n" for text in texts)).encode(), mode=0o600)
