"""Ids that were shown once are understood after a rotation and after the version that had no secret, or told."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from funnel_assets.domain.keys import EMAIL_MARK, PHONE_MARK, Pseudonyms, unkeyed
from funnel_assets.domain.text import as_arrow, as_text
from funnel_assets.pipeline.naming import OLD_ID, names_nobody
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage.secret import NOTE
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.pseudonyms import SECRET
from funnel_assets_tests.world import Place, place

FORMER = "the-secret-before-0123456789abcdefghij"
NAMED = ("lead_id", "phone", "email", "phone_key", "email_key")


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    with place(days=2, scale=0.02) as made, harness.secrets_in_environment(made):
        yield made


def leads(opened: Pipeline) -> list[dict[str, str | None]]:
    """Rows of raw_leads as the pipeline makes them, in an order of their own."""
    days = opened.all_days()
    assert not opened.make("raw_leads", days).failed
    return opened.lake.read("raw_leads", days, columns=list(NAMED)).to_pylist()


def ids(rows: list[dict[str, str | None]], name: str) -> dict[str, str]:
    """Id per phone or e-mail."""
    return {str(row[name]): str(row[f"{name}_key"]) for row in rows if row[name]}


def test_ids_from_before_a_rotation(here: Place) -> None:
    before = leads(harness.open_pipeline(here, FUNNEL_SECRET=FORMER))
    opened = harness.open_pipeline(here, FUNNEL_SECRET=f"{SECRET} {FORMER}")
    now, names = leads(opened), opened.names()
    for name in ("phone", "email"):
        former, current = ids(before, name), ids(now, name)
        assert len(former) > 10
        assert not set(former.values()) & set(current.values())
        assert {names.key(key) for key in former.values()} == set(current.values())
        assert {key: names.key(key) for key in current.values()} == {key: key for key in current.values()}
    told_of(here, opened, str(before[0]["phone_key"] or before[0]["email_key"]))


def told_of(here: Place, opened: Pipeline, former: str) -> None:
    """A former id in overrides.csv names its person; one that can't be translated is told with its line."""
    lost = f"x{sha256(b'lost').hexdigest()[:16]}"
    rows = [f"{key},current_stage,SQL,why,me,2026-11-01," for key in (former, lost)]
    file = here.home / "config" / "overrides.csv"
    empty = opened.tables().fingerprint("overrides")
    file.write_text("\n".join(["person,field,value,reason,author,effective_on,expires_on", *rows, ""]))
    tables = opened.tables()
    (told,) = names_nobody(opened.lake, tables, "scored_contacts")
    assert told == f"overrides.csv, line 3: person is in no record so far ({OLD_ID})"
    other = harness.open_pipeline(here, FUNNEL_SECRET=SECRET).tables()
    assert len({empty, tables.fingerprint("overrides"), other.fingerprint("overrides")}) == 3
    file.unlink()


def test_ids_from_before_there_was_a_secret(here: Place, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pseudonyms, "record_ids", lambda self, hashes: hashes)
        for name, mark in (("phone_keys", PHONE_MARK), ("email_keys", EMAIL_MARK)):

            def keys(self, texts, mark=mark):
                filled = unkeyed(mark, as_arrow(texts.fillna("")))
                return as_text(filled, texts.index).where(texts.notna())

            patch.setattr(Pseudonyms, name, keys)
        before = leads(harness.open_pipeline(here, FUNNEL_LAKE=str(tmp_path), FUNNEL_SECRET=FORMER))
    (tmp_path / NOTE).unlink()
    opened = harness.open_pipeline(here, FUNNEL_LAKE=str(tmp_path), FUNNEL_SECRET=SECRET)
    now, names = leads(opened), opened.names()
    for name in ("phone", "email"):
        assert {names.key(key) for key in ids(before, name).values()} == set(ids(now, name).values())
    alone = {f"a{row['lead_id']}" for row in now}
    assert {names.key(f"a{row['lead_id']}") for row in before[:5]} <= alone
    assert not {f"a{row['lead_id']}" for row in before} & alone
