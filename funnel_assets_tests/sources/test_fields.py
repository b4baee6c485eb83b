import json

import pytest

from funnel_assets.errors import SourceBroken
from funnel_assets.sources.fields import field, only_rows, with_fields
from funnel_assets.sources.tabular import LINE, read_table

ROWS = [
    {
        "id": 1,
        "Paid At": 1750000000,
        "items": {"data": [{"plan": {"amount": 2900, "rate": 0.10}}]},
        "kind": "A",
    },
    {"id": 2, "Paid At": None, "items": {"data": []}, "kind": " b "},
    {"id": 3, "Paid At": 1750000001, "items": "none", "kind": "c"},
]
TABLE = read_table(json.dumps(ROWS).encode(), kind="json")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("paid_at", ["1750000000", None, "1750000001"]),
        ("items.data.0.plan.amount", ["2900", None, None]),
        ("items.data.0.plan.rate", ["0.1", None, None]),
        ("items.data.0.plan", ['{"amount": 2900, "rate": 0.1}', None, None]),
        ("items.Data .0.plan.AMOUNT", ["2900", None, None]),
        ("items.data.x", [None, None, None]),
    ],
)
def test_values_are_found_inside_nested_ones(path: str, expected: list[str | None]) -> None:
    found = field(TABLE, path)

    assert found is not None
    assert found.to_pylist() == expected


def test_a_path_without_a_column_adds_none() -> None:
    assert field(TABLE, "nothing") is None
    assert with_fields(TABLE, {"new": "nothing.at.all"}) is TABLE
    assert with_fields(TABLE, {"new": "kind"}).columns[-1] == "new"


def test_only_the_rows_of_the_dataset_are_left_and_the_others_are_told() -> None:
    paid = only_rows(TABLE, {"paid_at": ()})
    chosen = only_rows(TABLE, {"kind": ("B", "c"), "id": ("2",)})

    assert (paid.table[LINE].to_pylist(), paid.rows_in) == ([1, 3], 2)
    assert chosen.table["id"].to_pylist() == ["2"]
    assert chosen.notes == ("2 rows are not of this dataset (`only` in sources.yaml)",)
    with pytest.raises(SourceBroken, match="`only` names 'gone'"):
        only_rows(TABLE, {"gone": ()})
