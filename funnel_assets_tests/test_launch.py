"""What ``funnel ui`` starts ends with it, whoever of it listens."""

import os
import subprocess
import sys
import time

import pytest

from funnel_assets import launch, ui_server

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


def test_the_ui_listens_on_this_machine_only_and_tells_of_a_port_in_use(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ui_server._listening(0) as first:
        host, port = first.getsockname()
        assert host == "127.0.0.1"
        first.listen()
        with pytest.raises(SystemExit) as ended, ui_server._listening(port):
            pass
        assert ended.value.code == 1
        assert f"Port {port} can't be used (Address already in use)" in caplog.text
