"""Invented worlds with an answer key, their sources over HTTP, and the checks that hold them to it.

- `edtech`: the ed-tech company of SPEC (ads, sheets, Zoom, CRM, sales); every export at any moment.
- `saas`: the SaaS company of seed 003 (traffic, trials, Pipedrive, Stripe), at full volume as Parquet.
- `serve`: the ed-tech sources over HTTP, and ways to make them misbehave.
- `check`: a written world against its answer key.
- `cli`: the functions behind ``funnel simulate``.

Nothing here knows the pipeline, and nothing in the pipeline imports from here but commands, demonstrations
and tests.
"""
