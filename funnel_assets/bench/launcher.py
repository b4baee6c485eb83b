"""Runs a command and says on its last line of output what it took: a small process between the one that measures and
the one that is measured.

On Linux a process's peak memory starts from that of the process it was forked from, even after exec. So what is
measured is started from here, where there is next to nothing, and this file imports nothing of ours.

    python launcher.py LOG COMMAND …
"""

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run the command with its output in the log; print seconds, CPU seconds, peak (as the system counts) and code."""
    log, *command = sys.argv[1:]
    with open(log, "wb") as sink:  # noqa: PTH123 - pathlib would be one import more
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    told = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss,
        "code": os.waitstatus_to_exitcode(status),
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
