"""The ``funnel`` command as a person types it: in this process, or in one of its own where the process is the point."""

import contextlib
import gc
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob
from rich.console import Console

from funnel_assets import cli

PROJECT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "funnel_assets.cli"]


def funnel(
    *arguments: str, environ: Mapping[str, str], process: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment and nothing else of ours.

    Most of a short command's time is spent on imports, so by default it is run here, from ``main()`` on, with its own
    environment, arguments, output and log.
    """
    if process:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=240
        )
    out, err = io.StringIO(), io.StringIO()
    # Dagster keeps a job that it has rebuilt, with the environment it was built in.
    ReconstructableJob.get_repository_definition.cache_clear()
    ReconstructableJob.get_definition.cache_clear()
    with (
        _as_if_new(arguments, environ),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return subprocess.CompletedProcess([*COMMAND, *arguments], code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_if_new(arguments: tuple[str, ...], environ: Mapping[str, str]) -> Iterator[None]:
    """Let this process look as if it had just been started, and put everything back."""
    before, threshold = dict(os.environ), gc.get_threshold()
    root, ours = logging.getLogger(), logging.getLogger("funnel_assets")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PROJECT)
        patch.setattr(sys, "argv", ["funnel", *arguments])
        try:
            os.environ.clear()
            os.environ.update(environ)
            root.handlers[:] = []
            # A console keeps the width that it was made with.
            patch.setattr(cli, "screen", Console())
            patch.setattr(cli, "errors", Console(stderr=True))
            yield
        finally:
            root.handlers[:] = handlers
            root.setLevel(levels[0])
            ours.setLevel(levels[1])
            os.environ.clear()
            os.environ.update(before)
            gc.set_threshold(*threshold)
