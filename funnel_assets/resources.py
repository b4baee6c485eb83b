"""What assets, checks, sensors and schedules are handed: the pipeline, opened once per process that needs it."""

import os

import dagster as dg
from pydantic import PrivateAttr

from funnel_assets.config.settings import load_settings
from funnel_assets.pipeline.pipeline import Pipeline


class PipelineResource(dg.ConfigurableResource):
    """Gives the pipeline that the environment describes (SPEC 2), or the one it was made with.

    Nothing is opened before ``get`` is called; tests hand their own pipeline to ``PipelineResource.of``.
    """

    _pipeline: Pipeline | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, pipeline: Pipeline) -> "PipelineResource":
        """Return a resource that always gives this pipeline."""

        # Dagster makes a new object of the resource's class for each run: what is to last belongs to the class.
        class Given(cls):
            def get(self) -> Pipeline:
                return pipeline

        return Given()

    def get(self) -> Pipeline:
        """Return the pipeline."""
        if self._pipeline is None:
            settings = load_settings()
            # A secret may stand in .env only; what fetches looks in the environment.
            for name, value in settings.passed_on().items():
                os.environ.setdefault(name, value)
            self._pipeline = Pipeline(settings)
        return self._pipeline
