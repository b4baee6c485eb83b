"""What holds for every parser on any table: order, days and accounts."""

import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.parsing import PARSERS, MoneyCounts, Parsed, SourceContext, parse
from funnel_assets.domain.parsing.accounts import Counts
from funnel_assets.errors import FunnelError
from funnel_assets_tests.domain.parsing.tables import check, contents, day_by_day, table
from funnel_assets_tests.pseudonyms import PSEUDONYMS

DATES = ("2025-11-03", "2025-11-03 23:59:59", "2025-11-04 00:00:00", "2025-11-04 10:00:00", "x", "", None)
NUMBERS = ("5", "1,200.50", "7307.374", "(3)", "x", "", None)
PHONES = ("9812345670", "+91 98123 45671", "+44 7911 123456", "9.1E+11", "1", None)
TEXTS = ("a", "b ", "\u0915", None)
POOLS = {
    "raw_leads": {
        "created date": DATES,
        "Phone number": PHONES,
        "Email": ("a@example.com", "x", None),
        "City": TEXTS,
    },
    "crm_assignments": {"assignOn": DATES, "leadMobile": PHONES, "employee": TEXTS},
    "crm_sales": {
        "_id": ("s1", "s2", None),
        "createdOn": DATES,
        "TotalAmount": NUMBERS,
        "paidAmount": NUMBERS,
        "netAmount": NUMBERS,
        "Last_Paid_Date": DATES,
    },
    "spend": {"date_time": DATES, "cost": NUMBERS, "clicks": ("5", "x", None), "Funnel": TEXTS},
    "engagement_events": {
        "event_id": ("e1", "e2", None),
        "event_time": DATES,
        "event_type": ("view", "Click", None),
        "phone": PHONES,
    },
}


def tables(dataset: str) -> st.SearchStrategy[pd.DataFrame]:
    """Tables of a dataset with every kind of good and bad cell, and many equal rows."""
    row = st.fixed_dictionaries({name: st.sampled_from(pool) for name, pool in POOLS[dataset].items()})
    return st.lists(row, min_size=1, max_size=12).map(table)


def read(rows: pd.DataFrame, dataset: str) -> Parsed:
    """Parse rows as the source ``one``."""
    return parse(rows, SourceContext(dataset, "one", pseudonyms=PSEUDONYMS))


@pytest.mark.parametrize("dataset", PARSERS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_contract_accounts_and_days_hold(dataset: str, data: st.DataObject) -> None:
    """Rows without a day are those that the index quarantines; day by day gives the same as all at once."""
    rows = data.draw(tables(dataset))
    parsed = read(rows, dataset)
    check(parsed, dataset)
    index = parsed.index
    assert ((index["fate"] == "quarantine") == index["day"].isna()).all()
    assert (index["reason"].notna() == (index["fate"] != "load")).all()
    if index["day"].notna().any():
        alone = day_by_day(rows, SourceContext(dataset, "one", pseudonyms=PSEUDONYMS))
        pd.testing.assert_frame_equal(alone.drop(columns="line"), parsed.rows.drop(columns="line"))


@pytest.mark.parametrize("dataset", PARSERS)
@settings(max_examples=8, deadline=None)
@given(data=st.data(), seed=st.integers(0, 999))
def test_order_of_rows_changes_nothing(dataset: str, data: st.DataObject, seed: int) -> None:
    rows = data.draw(tables(dataset))
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    parsed, shuffled = read(rows, dataset), read(rows.iloc[order], dataset)
    check(parsed, dataset)
    pd.testing.assert_frame_equal(shuffled.index.sort_index(), parsed.index)
    assert contents(shuffled) == contents(parsed)
    renumbered = rows.iloc[order].reset_index(drop=True)
    renumbered["line"] = range(2, len(rows) + 2)
    resent = read(renumbered, dataset)
    # Among assignments of one phone and one moment the order counts (tested with the sheet's formulas), and of events
    # of one id the first in the file wins.
    if dataset != "engagement_events":
        assert contents(resent, "dump_rank") == contents(parsed, "dump_rank")
    assert sorted(resent.index["fate"]) == sorted(parsed.index["fate"])


@pytest.mark.parametrize("dataset", PARSERS)
def test_input_is_left_as_it_was(dataset: str) -> None:
    rows = table([{name: pool[0] for name, pool in POOLS[dataset].items()}])
    before = rows.copy(deep=True)
    read(rows, dataset)
    pd.testing.assert_frame_equal(rows, before)


@pytest.mark.parametrize("dataset", PARSERS)
def test_table_of_plain_objects_reads_the_same(dataset: str) -> None:
    rows = table([{name: pool[at % len(pool)] for name, pool in POOLS[dataset].items()} for at in range(14)])
    assert contents(read(rows.astype(object).astype({"line": int}), dataset)) == contents(read(rows, dataset))


def test_accounts_that_do_not_add_up_name_what_is_missing() -> None:
    context = SourceContext("spend", "one", file="spend.csv", pseudonyms=PSEUDONYMS)
    lost = Counts(5, 3, 0, 1, {"cost": MoneyCounts(100, 60, 0, 0)})
    with pytest.raises(FunnelError, match=r"1 rows and 40 minor units of cost .* Next:"):
        lost.check(context)
    assert Counts(4, 3, 0, 1).check(context).loaded == 3
