"""A file is read as typed, each row with its line, or it is refused; nothing is shifted or lost (SPEC 4)."""

import csv
import datetime as dt
import decimal
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.errors import ConfigError, SourceBroken
from funnel_assets.sources import delimited
from funnel_assets.sources.tabular import LINE, RawTable, read_table
from funnel_assets_tests.sources.workbook import workbook


def read(data: str | bytes, kind: str = "csv", **more: object) -> RawTable:
    content = data.encode() if isinstance(data, str) else data
    return read_table(content, kind=kind, file="f", **more)  # type: ignore[arg-type]


def rows(table: RawTable) -> list[tuple[object, ...]]:
    """The table as tuples, the line last."""
    return [tuple(row.values()) for row in table.table.to_pylist()]


def put_aside(table: RawTable) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in table.ragged]


# --- as typed -------------------------------------------------------------------------------------


def test_every_cell_stays_as_typed_and_blank_is_missing() -> None:
    table = read('id,phone,note\n007,9.19877E+11," x "\n8,,\u00a0 \n9,NA,null\n')
    assert rows(table) == [("007", "9.19877E+11", " x ", 2), ("8", None, None, 3), ("9", "NA", "null", 4)]
    assert (table.rows_in, table.header, table.columns) == (
        3,
        ("id", "phone", "note"),
        ("id", "phone", "note"),
    )


def test_frame_is_pandas_text_with_missing_values() -> None:
    frame = read("a,b\nx,\n").frame
    assert list(frame.dtypes.astype(str)) == ["str", "str", "int64"]
    assert frame["b"].isna().all()
    assert list(frame.columns) == ["a", "b", LINE]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("final", [True, False], ids=["line end at end", "none at end"])
def test_line_ends(end: str, final: bool) -> None:
    table = read("a,b" + end + "1,2" + end + end + "3,4" + (end if final else ""))
    assert rows(table) == [("1", "2", 2), ("3", "4", 4)]
    assert (table.whole_line_at_end, table.blank_rows) == (final, 1)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_and_delimiters_are_found(encoding: str, delimiter: str) -> None:
    text = delimiter.join(["name", "amount", "city"]) + "\r\n"
    text += "".join(delimiter.join(["Renée “R” O’Neil", "1", "Köln"]) + "\r\n" for _ in range(9))
    table = read(text.encode(encoding))
    assert rows(table)[8] == ("Renée “R” O’Neil", "1", "Köln", 10)
    assert table.dialect.delimiter == delimiter
    assert table.header[0] == "name"


def test_stated_encoding_and_delimiter_win() -> None:
    table = read("a;b,c\nд;2,3\n".encode("cp1251"), encoding="cp1251", delimiter=";")
    assert rows(table) == [("д", "2,3", 2)]


def test_decimal_commas_do_not_make_columns() -> None:
    assert rows(read("spend;clicks\n1,5;2,5\n3,25;4,75\n")) == [("1,5", "2,5", 2), ("3,25", "4,75", 3)]


def test_hints_settle_an_unclear_delimiter() -> None:
    table = read("name;date, time\nA;1, 2\nB;3, 4\n", required_hint=["NAME", "date, time"])
    assert table.header == ("name", "date, time")


def test_excels_separator_line_is_obeyed() -> None:
    table = read("sep=;\nname;note\nA;1,2\n")
    assert (rows(table), table.dialect.header_line) == ([("A", "1,2", 3)], 2)


def test_utf8_with_a_few_pasted_bytes_keeps_its_good_letters() -> None:
    good = "नमस्ते,Zoë\n" * 5
    table = read(b"a,b\n" + good.encode() + b"caf\xe9,x\x92y\n")
    assert rows(table)[0][:2] == ("नमस्ते", "Zoë")
    assert rows(table)[5] == ("café", "x’y", 7)
    assert "2 bytes are not UTF-8" in table.notes[0]


def test_nul_bytes_are_taken_out_and_said() -> None:
    table = read(b"a,b\n1\x00,2\n")
    assert rows(table) == [("1", "2", 2)]
    assert "1 NUL" in table.notes[0]


# --- header ---------------------------------------------------------------------------------------


def test_header_below_title_lines() -> None:
    text = "Leads export\n\nGenerated, 2026-03-10\nName,Phone number,City\nA,1,x\n\nB,2,y\n"
    table = read(text, required_hint=["phone_number", "city"])
    assert rows(table) == [("A", "1", "x", 5), ("B", "2", "y", 7)]
    assert table.dialect.header_line == 4
    assert "line 4" in table.notes[0]


def test_header_below_a_padded_title_without_hints() -> None:
    table = read("Report,,,\n,,,\na,b,c,d\n1,2,3,4\n5,6,7,8\n")
    assert (table.header, rows(table)[0]) == (("a", "b", "c", "d"), ("1", "2", "3", "4", 4))


def test_header_names_are_stripped_and_repeated_ones_numbered() -> None:
    table = read(" Phone ,Name,Phone,Phone (2),_line\n1,A,2,3,4\n")
    assert table.header == ("Phone", "Name", "Phone", "Phone (2)", "_line")
    assert table.columns == ("Phone", "Name", "Phone (2)", "Phone (2) (2)", "_line (2)")
    assert rows(table) == [("1", "A", "2", "3", "4", 2)]


def test_header_over_two_lines() -> None:
    assert rows(read('a,"b\n(years)"\n1,2\n')) == [("1", "2", 3)]


def test_nameless_column_is_kept_when_it_holds_something() -> None:
    assert read("a,,b,\n1,,2,\n3,,4,\n").columns == ("a", "b")
    table = read("a,,b,\n1,x,2,\n3,,4,y\n")
    assert table.columns == ("a", "(column 2)", "b", "(column 4)")
    assert table.header == ("a", "", "b", "")


# --- rows that don't fit --------------------------------------------------------------------------


def test_trailing_commas_shift_nothing() -> None:
    assert rows(read("a,b\n1,2,\n3,4,\n")) == [("1", "2", 2), ("3", "4", 3)]
    assert rows(read("a,b,\n1,2\n3,4\n")) == [("1", "2", 2), ("3", "4", 3)]


def test_misfits_are_set_aside_with_their_line_and_the_rest_stays() -> None:
    table = read("a,b,c\n1,2,3\n4,5\n6,7,8,9\n,,\n10,11,12\n13,14,15,\n")
    assert rows(table) == [("1", "2", "3", 2), ("10", "11", "12", 6), ("13", "14", "15", 7)]
    assert put_aside(table) == [(3, "too_few_fields"), (4, "too_many_fields")]
    assert json.loads(table.ragged[1].raw) == ["6", "7", "8", "9"]
    assert (table.rows_in, table.blank_rows) == (5, 1)


def test_quoted_newlines_keep_lines_right() -> None:
    table = read('a,b\n1,"x\ny, ""z"""\n2,w\n')
    assert rows(table) == [("1", 'x\ny, "z"', 2), ("2", "w", 4)]


def test_stray_quote_costs_one_row() -> None:
    table = read('a,b,c\n1,"5 inch,x\n2,y,z\n3,y,z\n4,"q",z\n')
    assert put_aside(table) == [(2, "unclosed_quote")]
    assert rows(table) == [("2", "y", "z", 3), ("3", "y", "z", 4), ("4", "q", "z", 5)]


def test_quote_that_never_closes_costs_one_row() -> None:
    table = read('a,b\n1,"oops\n' + f"2,{'y' * 30}\n" * 6_000)
    assert put_aside(table) == [(2, "unclosed_quote")]
    assert (table.table.num_rows, rows(table)[-1]) == (6_000, ("2", "y" * 30, 6_002))


def test_quotes_inside_a_plain_cell_are_letters() -> None:
    assert rows(read('a,b\n5" pipe,"x"\n')) == [('5" pipe', "x", 2)]


def test_mostly_misfitting_file_is_refused() -> None:
    with pytest.raises(SourceBroken, match="2 of 3 rows"):
        read("a,b,c\n1,2,3\n1,2,3,4\n1,2,3,4\n", required_hint=["a", "b", "c"])


# --- refused --------------------------------------------------------------------------------------

WHOLE = "name,phone,note\n" + "".join(f'Person {n},98123{n:05d},"said, ok"\n' for n in range(300))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b"\xef\xbb\xbf \r\n\r\n", "empty", id="only blanks"),
        pytest.param(b"<!doctype html><html>x</html>", "a web page", id="page"),
        pytest.param(b"<html><input type=password></html>", "a login page", id="login page"),
        pytest.param(b'<?xml version="1.0"?><Error><Code>x</Code></Error>', "XML", id="xml"),
        pytest.param(b'{"error": "token expired"}', "JSON", id="json"),
        pytest.param(b"PK\x03\x04rest", "Excel", id="workbook"),
        pytest.param(b"a,b,c\n", "header and no rows", id="header only"),
        pytest.param(b"a,b,c\n,,\n,,\n", "header and no rows", id="blank rows only"),
        pytest.param(b",,\n,,\n", "no header", id="no header"),
        pytest.param(WHOLE[: WHOLE.index(",98", 5000) + 3].encode(), "cut off", id="cut in a row"),
        pytest.param((WHOLE + 'Last,1,"and so').encode(), "inside a quoted cell", id="cut in a quote"),
        pytest.param((WHOLE + 'Last,1,"and\nso').encode(), "inside a quoted cell", id="cut in a long quote"),
        pytest.param("a,b\nनम,x\nनम".encode()[:-1], "middle of a character", id="cut in a character"),
        pytest.param(
            "a,b\n1,2\n".encode("utf-16")[:-1], "middle of a character", id="cut in a UTF-16 character"
        ),
    ],
)
def test_what_is_no_whole_csv_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SourceBroken, match=says) as caught:
        read(data)
    assert "file f" in str(caught.value)
    assert "Next:" in str(caught.value)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, len(WHOLE) - 1))
def test_a_cut_file_never_gives_a_row_that_was_not_there(keep: int) -> None:
    whole = {row[:-1] for row in rows(read(WHOLE))}
    try:
        table = read(WHOLE[:keep])
    except SourceBroken:
        return
    # A cut within the last cell of a row, here right before its quote, can't be told from a shorter cell.
    found = [row[:-1] for row in rows(table)]
    assert set(found[:-1]) <= whole
    assert found[-1] in whole | {(*row[:-1], None) for row in whole}
    assert not table.ragged


def test_empty_sheet_is_allowed_when_the_caller_says_so() -> None:
    table = read("a,b\n", allow_empty=True)
    assert (table.rows_in, table.columns, len(table.frame)) == (0, ("a", "b"), 0)


def test_missing_file_and_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match="can't be opened"):
        read_table(tmp_path / "no.csv", kind="csv")
    with pytest.raises(ConfigError, match="parquet"):
        read(b"x", kind="pdf")


# --- the two readers agree ------------------------------------------------------------------------

CELLS = st.text(st.sampled_from('ab1 ,"\n;é\u00a0'), max_size=6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=30), st.sampled_from(["\n", "\r\n"]))
def test_what_csv_wrote_is_read_back_with_its_lines(written: list[tuple[str, str, str]], end: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(["alpha", "beta", "gamma"])
    expected = []
    for cells in written:
        line = out.getvalue().count("\n") + 1
        writer.writerow(cells)
        values = tuple(cell if cell.strip() else None for cell in cells)
        if any(values):
            expected.append((*values, line))
    table = read(out.getvalue(), allow_empty=True, delimiter=",", required_hint=["alpha", "beta", "gamma"])
    assert rows(table) == expected
    assert not table.ragged


LINES = st.lists(st.text(st.sampled_from('a1,"'), max_size=9), max_size=25)


@settings(max_examples=40, deadline=None)
@given(LINES, st.booleans(), st.integers(4, 40))
def test_fast_and_careful_reader_agree_on_anything(lines: list[str], final: bool, block: int) -> None:
    body = ("\n".join(lines) + ("\n" if final else "")).encode()
    layout = delimited.Layout(",", ("x", "y", "z"), 3, 3, 3, 1, 2)
    fast = delimited._read_fast(body, layout, 2) if body else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_SLOW_BLOCK_BYTES", block)
        patch.setattr(delimited, "_read_fast", lambda *_: None)
        try:
            slow = delimited._read_slow(body, layout, 2, None)
        except SourceBroken:
            assert fast is None
            return
    seen = sorted([*slow.lines.tolist(), *(row.line for row in slow.ragged)])
    assert seen == sorted(set(seen))
    assert all(lines[line - 2].strip(" ") for line in seen)
    if fast is not None:
        assert [column.to_pylist() for column in map(delimited.blank_to_null, fast.columns)] == [
            column.to_pylist() for column in map(delimited.blank_to_null, slow.columns)
        ]
        assert fast.lines.tolist() == slow.lines.tolist()
        assert not slow.ragged


def test_one_odd_row_in_a_long_file_leaves_all_lines_right() -> None:
    lines = [f"{n},name {n},x" for n in range(30_000)]
    lines[15_000] = '15000,"two\nlines",x'
    lines[20_000] = "20000,short"
    table = read("id,name,z\n" + "\n".join(lines) + "\n")
    frame = table.frame
    assert put_aside(table) == [(20_003, "too_few_fields")]
    lines_expected = frame["id"].astype(int) + 2 + (frame["id"].astype(int) > 15_000)
    assert (frame[LINE] == lines_expected).all()
    assert len(frame) == 29_999


# --- workbooks ------------------------------------------------------------------------------------


def test_workbook_numbers_and_dates_are_written_in_full() -> None:
    table = read(
        workbook(
            {"S": [["phone", "rate", "when", "ok", "id"], [919812345670.0, 0.1, "date:45000.5", True, "007"]]}
        ),
        kind="xlsx",
    )
    assert rows(table) == [("919812345670", "0.1", "2023-03-15 12:00:00", "TRUE", "007", 2)]
    assert table.dialect.sheet == "S"


def test_workbook_line_is_the_sheets_row() -> None:
    sheet = [["Leads", None], [None, None], ["name", "phone"], ["A", 1], [None, " "], ["B", None]]
    table = read(workbook({"S": sheet}, first_row=3), kind="xlsx", required_hint=["phone"])
    assert rows(table) == [("A", "1", 6), ("B", None, 8)]
    assert table.dialect.header_line == 5


def test_workbook_sheet_is_chosen_by_header_then_by_name() -> None:
    book = workbook(
        {"Notes": [["x", "y"], ["1", "2"]], "Leads": [["name"], ["A"]], "Old": [["name"], ["B"]]}, ["Old"]
    )
    assert read(book, kind="xlsx", required_hint=["name"]).dialect.sheet == "Leads"
    assert rows(read(book, kind="xlsx", sheet="old")) == [("B", 2)]
    with pytest.raises(SourceBroken, match="Notes, Leads, Old"):
        read(book, kind="xlsx", sheet="Sales")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(workbook({"S": [["a"], ["1"]]})[:300], "can't be opened", id="cut"),
        pytest.param(b"<html></html>", "a web page", id="page"),
        pytest.param(workbook({"S": []}), "is empty", id="no cells"),
        pytest.param(workbook({"S": [["a", "b"]]}), "no rows", id="header only"),
    ],
)
def test_what_is_no_whole_workbook_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(SourceBroken, match=says):
        read(data, kind="xlsx")


# --- JSON and Parquet -----------------------------------------------------------------------------

EVENTS = """[
 {"event_id": "e1", "amount": 1.10, "big": 12345678901234567890, "metadata": {"b": [1, 2.5], "a": "é"}},
 {"event_id": "e2", "ok": true,
  "amount": null},

 7, {"event_id": " "}
]"""


def test_json_objects_without_fields_and_late_fields_keep_their_rows() -> None:
    table = read("[" + "{},\n" * 2500 + '{"a": 1},\n{"b": "x"}]', kind="json")
    assert table.rows_in == table.table.num_rows == 2502
    assert table.header == ("a", "b")
    assert [row for row in table.table.select(["a", "b"]).to_pylist() if any(row.values())] == [
        {"a": "1", "b": None},
        {"a": None, "b": "x"},
    ]


def test_json_values_become_exact_text_with_the_number_of_their_record() -> None:
    table = read(EVENTS, kind="json")
    assert table.columns == ("event_id", "amount", "big", "metadata", "ok")
    assert rows(table) == [
        ("e1", "1.10", "12345678901234567890", '{"a": "é", "b": [1, 2.5]}', None, 1),
        ("e2", None, None, None, "true", 2),
        (None, None, None, None, None, 4),
    ]
    assert put_aside(table) == [(3, "not_an_object")]


def test_wrapped_list_and_lines_read_alike() -> None:
    wrapped = read('{"page": 1, "data": [{"a": 1}, {"a": 2}]}', kind="json")
    assert rows(wrapped) == [("1", 1), ("2", 2)]
    lines = read('{"a": 1}\n\nnot json\n{"a": 2}\n', kind="jsonl")
    assert rows(lines) == [("1", 1), ("2", 4)]
    assert put_aside(lines) == [(3, "bad_json")]


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        pytest.param(EVENTS[:150], "json", "cut off", id="cut list"),
        pytest.param(EVENTS[:-1], "json", "cut off", id="list never closed"),
        pytest.param('{"a": 1}\n{"a":', "jsonl", "cut off", id="cut line"),
        pytest.param('{"error": "no"}', "json", "fields error", id="error object"),
        pytest.param('"text"', "json", "no list", id="text"),
        pytest.param("<html></html>", "json", "a web page", id="page"),
        pytest.param("[]", "json", "no rows", id="empty list"),
        pytest.param(b"PAR1xxxx", "parquet", "can't be opened", id="cut parquet"),
    ],
)
def test_what_is_no_whole_data_is_refused(data: str | bytes, kind: str, says: str) -> None:
    with pytest.raises(SourceBroken, match=says):
        read(data, kind=kind)


def test_parquet_values_become_exact_text() -> None:
    arrow = pa.table(
        {
            "phone": pa.array([919812345670.0, None]),
            "n": pa.array([7, 2**62]),
            "paid": pa.array([decimal.Decimal("10.50"), None]),
            "at": pa.array([dt.datetime(2026, 3, 10, 1, tzinfo=dt.UTC), None]),
            "kind": pa.array(["x", " "]).dictionary_encode(),
            "more": pa.array([{"a": [1]}, None]),
        }
    )
    out = io.BytesIO()
    pq.write_table(arrow, out)
    table = read(out.getvalue(), kind="parquet")
    assert rows(table) == [
        ("919812345670", "7", "10.50", "2026-03-10 01:00:00.000000Z", "x", '{"a": [1]}', 1),
        (None, "4611686018427387904", None, None, None, None, 2),
    ]


def test_reading_changes_no_global_state(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    (tmp_path / "f.csv").write_text("a,b\n1,2\n")
    assert isinstance(read_table(tmp_path / "f.csv", kind="csv").frame, pd.DataFrame)
    assert csv.field_size_limit() == limit
