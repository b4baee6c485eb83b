"""One small world, made and published once, for the tests that only look at it or put back what they change."""

from collections.abc import Iterator

import pytest

from funnel_assets.pipeline.graph import in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.world import Place, place


@pytest.fixture(scope="package")
def made_place() -> Iterator[Place]:
    """Nine small days, with a few sales."""
    with place(days=9, scale=0.06) as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNNEL_CRM_TOKEN", made.environ["FUNNEL_CRM_TOKEN"])
        yield made


@pytest.fixture(scope="package")
def made(made_place: Place) -> Pipeline:
    """A pipeline whose days are made and published."""
    pipeline = Pipeline(made_place.settings)
    for name in in_order():
        outcome = pipeline.make(name, pipeline.all_days())
        assert not outcome.failed, outcome.error()
        assert pipeline.reconcile(outcome) == []
    pipeline.publish()
    return pipeline
