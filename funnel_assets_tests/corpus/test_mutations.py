"""Damaged reports are read right, refused, held, set apart or told: nothing that differs from the truth is silent."""

import os
from collections.abc import Callable

import pytest

from funnel_assets_tests.corpus.mutations import MUTATIONS
from funnel_assets_tests.corpus.verdicts import of_seed, run, shown, told

pytestmark = pytest.mark.long

FILES = int(os.environ.get("FUNNEL_MUTATIONS", "20000"))


@pytest.mark.parametrize("name", MUTATIONS)
def test_no_mutation_gives_a_wrong_row_in_silence(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    counts, silent = run(name, -(-FILES // len(MUTATIONS)))
    record_property("mutations", f"{name:16} {told(counts)}, {counts['silent']} silent in all")
    if silent:
        smallest = silent[0]
        seed = int(smallest.split("seed ")[1].split(",")[0])
        pytest.fail(f"{len(silent)} silent; the smallest: {smallest}\n{shown(*of_seed(name, seed))}")
