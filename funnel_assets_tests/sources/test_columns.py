"""Columns are found whatever they are called, and no change of them goes unsaid (SPEC 4)."""

import json

import pytest

from funnel_assets.errors import ConfigError, SourceBroken
from funnel_assets.sources.columns import (
    ColumnMatch,
    ColumnSpec,
    Drift,
    Profile,
    apply_policy,
    column_key,
    contract_table,
    detect_drift,
    match_columns,
    profile,
)
from funnel_assets.sources.tabular import LINE, RawTable, read_table

WANTED = [
    ColumnSpec("name"),
    ColumnSpec("phone", ("Phone number", "leadMobile")),
    ColumnSpec("city", required=False),
]


def read(text: str) -> RawTable:
    return read_table(text.encode(), kind="csv", required_hint=["name", "phone", "leadMobile"])


def drift_between(old: str, new: str) -> tuple[RawTable, Drift]:
    before, table = read(old), read(new)
    match = match_columns(table.columns, WANTED)
    return table, detect_drift(table, match, profile(before), wanted=WANTED)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Lead_Mobile", "leadMobile"),
        (" Phone  Number: ", "phone-number"),
        ("ＡＢ", "ab"),
        ("फ़ोन नंबर", "फ़ोन_नंबर"),
    ],
)
def test_spellings_of_one_name_meet(left: str, right: str) -> None:
    assert column_key(left) == column_key(right) != ""


def test_marks_of_other_alphabets_keep_names_apart() -> None:
    assert column_key("की") != column_key("का")


# --- matching -------------------------------------------------------------------------------------


def test_match_by_name_spelling_alias_and_map() -> None:
    match = match_columns(["CITY", "Extra", "Phone_Number", "Full name"], WANTED, {"full NAME": "name"})
    assert match == ColumnMatch(
        mapping={"CITY": "city", "Phone_Number": "phone", "Full name": "name"},
        added=("Extra",),
        renamed={"CITY": "city", "Phone_Number": "phone", "Full name": "name"},
        reordered=True,
    )


def test_optional_column_may_be_missing() -> None:
    assert match_columns(["name", "phone"], WANTED).missing == ("city",)


def test_required_column_gone_is_named_with_what_the_file_has() -> None:
    with pytest.raises(SourceBroken) as caught:
        match_columns(["name", "Phone numbr", "city"], WANTED, file="leads.csv", source="sheet")
    for word in ("'phone'", "closest: 'Phone numbr'", "'city'", "leads.csv", "sheet", "sources.yaml"):
        assert word in str(caught.value)


def test_the_stronger_claim_wins_and_the_other_is_reported() -> None:
    match = match_columns(["leadMobile", "Phone number", "name", "phone"], WANTED)
    assert match.mapping == {"phone": "phone", "name": "name"}
    assert match.duplicated == ("Phone number", "leadMobile")
    assert match.added == ("leadMobile", "Phone number")


def test_first_of_two_equal_columns_wins() -> None:
    table = read("name,phone,phone\nA,1,2\n")
    match = match_columns(table.columns, WANTED)
    assert match.mapping == {"name": "name", "phone": "phone"}
    assert match.duplicated == ("phone (2)",)
    assert table.table.column("phone (2)").to_pylist() == ["2"]


@pytest.mark.parametrize("column_map", [{"Mobile": "phnoe"}, {"phone": "Mobile"}])
def test_column_map_to_nowhere_is_a_config_error(column_map: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"sources\.yaml"):
        match_columns(["name", "phone"], WANTED, column_map)


def test_contract_table_loses_no_column() -> None:
    table = read("Phone number,name,phone,Extra\n1,A,2,x\n")
    match = match_columns(table.columns, WANTED, {"Phone number": "phone"})
    assert contract_table(table, match).to_pylist() == [
        {"phone": "1", "name": "A", "city": None, "phone (file)": "2", "Extra": "x", LINE: 2}
    ]


# --- drift ----------------------------------------------------------------------------------------


def test_no_drift_between_equal_shapes() -> None:
    _, drift = drift_between("name,phone\nA,1\n", "name,phone\nB,2\n")
    assert not drift
    assert drift.sentences() == []
    assert drift.against == "previous"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param("name,phone", "name,phone,utm", Drift(added={"utm": ("z",)}), id="added"),
        pytest.param("name,phone,utm", "name,phone", Drift(dropped=("utm",)), id="dropped"),
        pytest.param(
            "name,phone", "Name ,Phone", Drift(renamed={"name": "Name", "phone": "Phone"}), id="spelling"
        ),
        pytest.param(
            "name,Phone number", "name,leadMobile", Drift(renamed={"Phone number": "leadMobile"}), id="alias"
        ),
        pytest.param("name,phone", "phone,name", Drift(reordered=True), id="reordered"),
        pytest.param("name,phone", "name,phone,phone", Drift(duplicated=("phone (2)",)), id="duplicated"),
        pytest.param("name,phone", "Leads\n\nname,phone", Drift(header_moved=3), id="header moved"),
    ],
)
def test_each_change_is_reported_alone(old: str, new: str, expected: Drift) -> None:
    def row(header: str) -> str:
        return (
            header
            + "\n"
            + ",".join("x" if "n" in c.lower() else "z" for c in header.split("\n")[-1].split(","))
        )

    _, drift = drift_between(row(old) + "\n", row(new) + "\n")
    assert drift == Drift(**{**expected.__dict__, "against": "previous"})
    assert len(drift.sentences()) == max(len(expected.renamed), 1)
    json.dumps(drift.to_json())


def test_against_the_contract_when_nothing_came_before() -> None:
    table = read("phone,name,extra\n1,A,asha@example.com\n")
    drift = detect_drift(table, match_columns(table.columns, WANTED))
    assert drift == Drift(added={"extra": ("a***@***.com",)}, dropped=("city",), reordered=True)


OLD = "name,phone\n" + "A,12\n" * 50
TEXTS = "name,phone\n" + "A,12\n" * 47 + "B,call 9812345670\nC,n/a\nD,1e5\n"


def test_number_turned_text_shows_masked_samples_and_lines() -> None:
    _, drift = drift_between(OLD, TEXTS)
    (change,) = drift.retyped
    assert (change.column, change.values, change.lines) == ("phone", 2, (49, 50))
    assert change.samples == ("call ********70", "n/a")


def test_one_typing_mistake_is_no_change_of_type() -> None:
    _, drift = drift_between(OLD, "name,phone\n" + "A,12\n" * 199 + "B,twelve\n")
    assert drift.retyped == ()


def test_profile_survives_json() -> None:
    found = profile(read('name,phone,city\nA,"1,00,000.50",\nB,-2e3,\n'))
    assert [column.kind for column in found.columns] == ["text", "number", "empty"]
    assert Profile.from_json(json.loads(json.dumps(found.to_json()))) == found


# --- outcomes -------------------------------------------------------------------------------------

NEW = "phone,name,utm\n" + "12,A,\n" * 47 + "n/a,B,\n12,C,fb\n12,D,\n"


def outcome(policy: str) -> tuple[RawTable, RawTable, dict[str, int], int]:
    table, drift = drift_between(OLD, NEW)
    done = apply_policy(table, drift, policy)  # type: ignore[arg-type]
    assert done.drift is drift
    assert done.table.rows_in == table.rows_in == done.table.table.num_rows + len(done.table.ragged)
    assert len(done.table.header) == len(done.table.columns)
    assert [*done.table.columns, LINE] == done.table.table.column_names
    return table, done.table, done.discarded_values, done.discarded_rows


def test_evolve_keeps_everything() -> None:
    table, left, values, rows = outcome("evolve")
    assert left is table
    assert (values, rows) == ({}, 0)


def test_discard_row_sets_aside_exactly_the_rows_that_carry_it() -> None:
    _, left, _, rows = outcome("discard_row")
    assert rows == 2
    assert [(row.line, row.reason, json.loads(row.raw)) for row in left.ragged] == [
        (49, "drift", ["n/a", "B", None]),
        (50, "drift", ["12", "C", "fb"]),
    ]
    assert left.table.column(LINE).to_pylist() == [*range(2, 49), 51]


def test_discard_value_keeps_the_rows_and_counts_the_values() -> None:
    _, left, values, rows = outcome("discard_value")
    assert (values, rows) == ({"phone": 1, "utm": 1}, 0)
    assert left.columns == ("phone", "name")
    assert left.table.num_rows == 50
    assert left.table.column("phone").to_pylist()[47:] == [None, "12", "12"]


def test_freeze_refuses_and_says_what_changed() -> None:
    with pytest.raises(SourceBroken, match=r"'utm' is new.*'phone' was numbers"):
        outcome("freeze")


def test_freeze_lets_order_and_title_lines_pass() -> None:
    table, drift = drift_between("name,phone\nA,1\n", "Leads,\nphone,name\n1,A\n")
    assert drift
    assert apply_policy(table, drift, "freeze").table is table


def test_unknown_policy() -> None:
    table, drift = drift_between(OLD, NEW)
    with pytest.raises(ConfigError, match="discard_row"):
        apply_policy(table, drift, "ignore")  # type: ignore[arg-type]
