"""Several sources of one dataset."""

import pytest

from funnel_assets.contracts.base import CONTRACTS, conform, violations
from funnel_assets.domain.parsing import PARSERS, SourceContext, parse, put_together
from funnel_assets_tests.domain.parsing.tables import table
from funnel_assets_tests.domain.parsing.test_crm_assignments import ROW
from funnel_assets_tests.domain.parsing.test_every_parser import POOLS
from funnel_assets_tests.domain.parsing.test_raw_leads import LEAD
from funnel_assets_tests.pseudonyms import PSEUDONYMS


def stored(dataset: str, name: str, rows: list):
    """Parse rows of a source into a lake table."""
    return conform(
        parse(table(rows), SourceContext(dataset, name, pseudonyms=PSEUDONYMS)).rows, CONTRACTS[dataset]
    )


def test_overlapping_dumps_hold_each_assignment_once() -> None:
    new = stored("crm_assignments", "this_quarter", [ROW, ROW | {"employee": "Mina"}])
    old = stored("crm_assignments", "last_quarter", [ROW | {"employee": "Mina"}, ROW | {"employee": "Tara"}])
    rows, repeated = put_together([new, old], "crm_assignments")
    assert repeated == [0, 1]
    assert dict(zip(rows["employee"].to_pylist(), rows["source_name"].to_pylist(), strict=True)) == {
        "Ravi": "this_quarter",
        "Mina": "this_quarter",
        "Tara": "last_quarter",
    }
    ids = rows["assignment_id"].to_pylist()
    assert ids == sorted(ids)


def test_submissions_of_two_sheets_are_all_kept() -> None:
    rows, repeated = put_together([stored("raw_leads", name, [LEAD, LEAD]) for name in "ab"], "raw_leads")
    assert (len(rows), repeated) == (4, [0, 0])


@pytest.mark.parametrize("dataset", PARSERS)
def test_contract_holds_for_the_same_dump_under_two_names(dataset: str) -> None:
    sample = [{name: pool[at % len(pool)] for name, pool in POOLS[dataset].items()} for at in range(14)]
    rows, repeated = put_together([stored(dataset, name, sample) for name in "ab"], dataset)
    assert violations(rows, CONTRACTS[dataset]) == []
    assert len(rows) + sum(repeated) == 2 * len(stored(dataset, "a", sample))
    assert put_together([rows], dataset)[0].equals(rows)
