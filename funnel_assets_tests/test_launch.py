"""What ``funnel ui`` starts ends with it, whoever of it listens."""

import os
import subprocess
import sys
import time

import pytest

from funnel_assets import launch

# Like a code server, the grandchildren ignore Ctrl-C; one of them ignores a polite request, too.
PARENT = """
import signal, subprocess, sys, time
deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); {}; print('up', flush=True); time.sleep(60)"
for more in ("pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"):
    child = subprocess.Popen([sys.executable, "-S", "-c", deaf.format(more)], stdout=subprocess.PIPE)
    child.stdout.readline()
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("listens", [True, False])
def test_everything_that_was_started_ends(listens: bool) -> None:
    code = PARENT if listens else f"import signal; signal.signal(2, signal.SIG_IGN){PARENT}"
    parent = subprocess.Popen(
        [sys.executable, "-S", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert parent.stdout
    parent.stdout.readline()
    assert len(launch._members(parent.pid)) == 3
    began = time.monotonic()
    launch.end(parent, patience_seconds=1.0)
    assert launch._members(parent.pid) == []
    assert parent.returncode is not None
    assert time.monotonic() - began < 10
    assert launch._members(os.getpgrp()), "and nothing else does"
