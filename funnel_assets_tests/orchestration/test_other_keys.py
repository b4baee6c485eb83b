"""The night after a new version or a new secret: the lake has other keys, and the day is made all the same."""

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from funnel_assets.pipeline.staleness import KEYED, KEYS_UNDER
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.pipeline.test_restatement import contents, make_all
from funnel_assets_tests.pseudonyms import SECRET
from funnel_assets_tests.world import Place, place

FORMER = "the-secret-before-0123456789abcdefghij"


@pytest.fixture
def here() -> Iterator[Place]:
    with place(days=2, scale=0.03) as made, harness.secrets_in_environment(made):
        yield made


def forget_secret(lake: Path) -> None:
    """Let datasets of leads look as the version left them that made keys without a secret."""
    for path in lake.glob("*leads/_facts/*.json"):
        facts = json.loads(path.read_bytes())
        facts["inputs"].pop(KEYS_UNDER, None)
        path.write_text(json.dumps(facts, sort_keys=True))


def test_a_night_over_a_lake_of_other_keys_makes_everything_again(here: Place) -> None:
    old = harness.open_pipeline(here, FUNNEL_SECRET=FORMER)
    days = old.all_days()
    make_all(old, days[:-1])
    keyed = {
        of: content
        for of, content in contents(old).items()
        if of[0] in KEYED and old.lake.read(of[0], [of[1]]).num_rows
    }
    forget_secret(here.home / "lake")
    opened = harness.open_pipeline(here, FUNNEL_SECRET=f"{SECRET} {FORMER}")
    with dg.DagsterInstance.ephemeral() as instance:
        run = harness.run_well(instance, opened, days[-1], days[-1])
        told = {name: harness.recorded(instance, run.run_id, name) for name in ("raw_leads", "dedup_leads")}
    assert all(sorted(of) == [str(day) for day in days] for of in told.values()), told
    now = contents(opened)
    assert keyed
    assert not [of for of in keyed if keyed[of] == now[of]]
    shown = opened.warehouse.fetch("SELECT DISTINCT date, person_id FROM dedup_leads")
    leads = opened.lake.read("dedup_leads", days, columns=["date", "person_id"]).to_pylist()
    assert {(row["date"], row["person_id"]) for row in shown} == {tuple(row.values()) for row in leads}
    assert len({row["date"] for row in shown}) == len(days)
