"""A source's own id of a person: whose it is, what is none, and that rows of sources without ids stay as they were."""

import pandas as pd
import pytest

from funnel_assets.domain.external_id import normalize_external_ids
from funnel_assets.domain.parsing import SourceContext, parse
from funnel_assets.domain.parsing.base import EXTERNAL_ID
from funnel_assets_tests.domain.parsing.tables import by_line, check, table
from funnel_assets_tests.domain.parsing.test_crm_sales import SALE
from funnel_assets_tests.domain.parsing.test_engagement_events import EVENT
from funnel_assets_tests.domain.parsing.test_raw_leads import LEAD
from funnel_assets_tests.pseudonyms import PSEUDONYMS

ROWS = {"raw_leads": LEAD, "engagement_events": EVENT, "crm_sales": SALE}


def keys(dataset: str, namespace: str, *ids: str | None) -> list[object]:
    rows = [ROWS[dataset] | {"_id": f"s{at}", "event_id": f"v{at}"} for at in range(len(ids))]
    cells = table(rows).assign(**{EXTERNAL_ID: pd.Series(ids, dtype="str")})
    parsed = parse(cells, SourceContext(dataset, "one", id_namespace=namespace, pseudonyms=PSEUDONYMS))
    check(parsed, dataset)
    found = by_line(parsed, "external_key")
    return [found[line] for line in sorted(found)]


@pytest.mark.parametrize("dataset", ROWS)
def test_equal_ids_are_one_person_within_what_they_are_unique_in(dataset: str) -> None:
    here = keys(dataset, "source a", "cus_1", " cus_1 ", "cus_2", "CUS_1", None)
    there = keys(dataset, "source b", "cus_1")
    assert here[0] == here[1]
    assert len({*here[:4], *there}) == 4
    assert here[4] is None
    assert all(isinstance(key, str) and len(key) == 17 and key[0] == "x" for key in (*here[:4], *there))
    assert keys("raw_leads", "system crm", "cus_1") == keys("crm_sales", "system crm", "cus_1")


@pytest.mark.parametrize("junk", ["", "  ", "-", "N/A", "null", "undefined", "0", "000", "#", "TEST-ID"])
def test_what_says_nothing_is_no_id(junk: str) -> None:
    found = normalize_external_ids(pd.Series([junk, "10"], dtype="str"), placeholders=frozenset({"test-id"}))
    assert found.isna().tolist() == [True, False]


@pytest.mark.parametrize("dataset", ROWS)
def test_rows_keep_their_identity_where_no_ids_are_mapped(dataset: str) -> None:
    cells, context = table([ROWS[dataset]]), SourceContext(dataset, "one", pseudonyms=PSEUDONYMS)
    before = parse(cells, context)
    hashes = [
        parse(cells.assign(**{EXTERNAL_ID: identity}), context).index["row_hash"].tolist()
        for identity in ("1", "2")
    ]
    assert before.rows["external_key"].isna().all()
    assert hashes[0] != hashes[1], "a dump that differs in the ids alone makes its days again"
    assert before.index["row_hash"].tolist() not in hashes
