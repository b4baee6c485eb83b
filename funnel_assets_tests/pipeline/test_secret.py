"""Another secret: everybody gets new keys, as in a lake made anew, and nobody is two people meanwhile."""

from collections.abc import Iterator

import pytest

from funnel_assets.config.settings import load_settings
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.pipeline.staleness import KEYED
from funnel_assets.storage.secret import rotate, secret_file
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.pipeline.test_restatement import contents, make_all, rebuilt
from funnel_assets_tests.world import Place, place


@pytest.fixture
def here() -> Iterator[Place]:
    """A place whose secret is its own."""
    with place(days=3, scale=0.04) as made, harness.secrets_in_environment(made):
        del made.environ["FUNNEL_SECRET"]
        yield made


def test_a_rotated_lake_is_one_made_anew(here: Place, tmp_path) -> None:
    opened = Pipeline(load_settings(here.environ, dotenv=False))
    days = opened.all_days()
    make_all(opened, days)
    opened.publish()
    before, figures = contents(opened), opened.warehouse.fetch("SELECT * FROM vw_funnel_mtd ORDER BY 1, 2")
    rotate(opened.settings, opened.lake)
    assert set(KEYED) <= set(opened.stale_plan())
    with pytest.raises(FunnelError, match=r"keys of an earlier secret.*funnel restate"):
        opened.publish()
    opened.make("raw_leads", days, fetch=False)
    refused = opened.make("dedup_leads", days[-1:], fetch=False)
    assert "keys of an earlier secret" in str(refused.error())
    while opened.stale_plan():
        assert not any(outcome.failed for outcome in opened.restate(days).values())
    after = contents(opened)
    keyed = {(name, day) for name, day in after if name in KEYED and opened.lake.facts(name, day).rows}
    assert {name for name, _ in keyed} >= {"raw_leads", "zoom_attendance", "engagement_events"}
    assert not [of for of in keyed if before[of] == after[of]], "a day kept its old keys"
    here.environ["FUNNEL_SECRET_FILE"] = str(secret_file(opened.settings))
    assert after == rebuilt(here, opened, days, tmp_path)
    opened.publish()
    assert opened.warehouse.fetch("SELECT * FROM vw_funnel_mtd ORDER BY 1, 2") == figures
