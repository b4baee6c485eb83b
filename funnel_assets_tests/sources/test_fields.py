import json

import pyarrow as pa
import pytest

from funnel_assets.errors import SourceBroken
from funnel_assets.sources.fields import extracted, field, only_rows, pattern_problem, with_fields
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
    assert chosen.notes == ("2 rows are not of this dataset (`only` or `count` in sources.yaml)",)
    with pytest.raises(SourceBroken, match="`only` names 'gone'"):
        only_rows(TABLE, {"gone": ()})


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"utm_source=([^&]+)", ["fb", "g ads", None, None]),
        (r"(utm)_(source)=(?P<word>[^&]+)", ["fb", "g ads", None, None]),
        (r"[?(](utm_source)=", ["utm_source", None, "utm_source", None]),
        (r"\(x\)|utm_medium=(\w*)", [None, "cpc", None, None]),
    ],
)
def test_a_value_is_taken_out_of_a_text(pattern: str, expected: list[str | None]) -> None:
    cells = pa.array(["/a?utm_source=fb", "/b?x&utm_source=g ads&utm_medium=cpc", "/c?utm_source=", None])
    found = extracted(pa.chunked_array([cells.cast(pa.large_string())]), pattern)
    assert found.to_pylist() == expected
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "says"), [("utm=(", "isn't a regular"), ("utm", "no group"), (r"(a)\1", "RE2")]
)
def test_a_pattern_that_cannot_take_a_value_is_told(pattern: str, says: str) -> None:
    assert says in str(pattern_problem(pattern))
