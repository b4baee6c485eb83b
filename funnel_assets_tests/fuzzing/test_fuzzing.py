"""Every input of the corpus is answered, and `make test-long` looks for more."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from funnel_assets_tests.fuzzing.targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
SECONDS = int(os.environ.get("FUNNEL_FUZZ_SECONDS", "120"))
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_replay(path: Path) -> None:
    data = path.read_bytes()
    started = time.process_time()
    run(path.parent.name, data)
    assert time.process_time() - started < 2 + len(data) / 1e6


def test_every_target_has_a_corpus() -> None:
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


@pytest.mark.long
@pytest.mark.skipif(not SECONDS, reason="FUNNEL_FUZZ_SECONDS is 0: the corpus is replayed, nothing more")
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris isn't built for this platform"
)
@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "funnel_assets_tests.fuzzing", target, "--seconds", str(SECONDS)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
