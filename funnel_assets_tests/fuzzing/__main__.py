"""Run one target with atheris for some seconds; exit code 0 when nothing was found."""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

CORPUS = Path(__file__).parent / "corpus"
SECONDS, SECONDS_PER_MEGABYTE = 1.0, 1.0
LONGEST = 1 << 16


class TooSlow(Exception):
    """An input took more time than its size explains."""


def main() -> None:
    """Parse the command line and fuzz; atheris ends the process."""
    parser = argparse.ArgumentParser(prog="python -m funnel_assets_tests.fuzzing", description=__doc__)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--list", action="store_true", help="list the targets")
    given = parser.parse_args()
    with atheris.instrument_imports(include=["funnel_assets"]):  # pyright: ignore[reportAttributeAccessIssue]
        from funnel_assets_tests.fuzzing.targets import TARGETS, run
    if given.list or given.target is None:
        sys.stdout.write("\n".join(TARGETS) + "\n")
        return
    if given.target not in TARGETS:
        parser.error(f"there is no target {given.target!r}; there are {', '.join(TARGETS)}")

    def one(data: bytes) -> None:
        started = time.process_time()
        run(given.target, data)
        spent = time.process_time() - started
        if spent > SECONDS + SECONDS_PER_MEGABYTE * len(data) / 1e6:
            raise TooSlow(f"{spent:.2f} s for {len(data)} bytes")

    # What is reached newly goes into the first folder, so that the repository's corpus stays small.
    with TemporaryDirectory() as found:
        kept = CORPUS / given.target
        folders = [found, *([str(kept)] if kept.is_dir() else [])]
        limits = [
            f"-max_total_time={given.seconds}",
            f"-max_len={LONGEST}",
            "-rss_limit_mb=4096",
            "-timeout=30",
        ]
        atheris.Setup(
            [sys.argv[0], *folders, *limits, f"-artifact_prefix={given.target}-", "-print_final_stats=1"], one
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
