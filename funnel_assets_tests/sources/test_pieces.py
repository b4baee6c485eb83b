"""A dump read in pieces is the dump; an edit changes the pieces around it and no others."""

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from funnel_assets.errors import SourceBroken
from funnel_assets.sources import pieces
from funnel_assets.sources.pieces import Dump, NotInPieces, open_dump
from funnel_assets.sources.tabular import LINE, RawTable, read_table

HEADER = ("id", "name", "note")
CELLS = st.sampled_from(
    [
        "",
        " ",
        "Asha",
        "Rao, Asha",
        'the "best"',
        "two\nlines",
        "a\r\nb",
        "},{",
        "[",
        "]",
        '"',
        "नमस्ते",
        "x" * 40,
    ]
)
ROWS = st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=30, max_size=120)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (
        ("FROM_BYTES", 1),
        ("LEAST_BYTES", 200),
        ("_ROWS_PER_BORDER", 4),
        ("_WINDOW_BYTES", 300),
    ):
        monkeypatch.setattr(pieces, name, size)


def opened(path: Path, content: bytes, kind: str) -> Dump | None:
    path.write_bytes(content)
    return open_dump(path, kind=kind, encoding=None, delimiter=None, hints=["id", "name"])


def in_pieces(dump: Dump) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    """Every row and every row set aside, with its line in the file."""
    rows, ragged, first = [], [], dump.first_line
    for piece, table in dump.pieces({}):
        assert table is not None
        rows += [row | {LINE: row[LINE] + first - 1} for row in table.table.to_pylist()]
        ragged += [(row.line + first - 1, row.reason) for row in table.ragged]
        first += table.rows_in if dump.dialect.kind == "json" else piece.lines
    return rows, ragged


def whole(content: bytes, kind: Any) -> tuple[list[dict[str, Any]], list[tuple[int, str]]]:
    table: RawTable = read_table(content, kind=kind, required_hint=["id", "name"], allow_empty=True)
    return table.table.to_pylist(), [(row.line, row.reason) for row in table.ragged]


def csv_bytes(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([HEADER, *rows])
    return text.getvalue().encode()


@given(ROWS)
def test_a_csv_in_pieces_is_the_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    content = csv_bytes([(f"{number}", *row[1:]) for number, row in enumerate(rows)])
    dump = opened(tmp_path_factory.mktemp("d") / "f.csv", content, "csv")
    assert dump is not None
    try:
        found = in_pieces(dump)
    except NotInPieces:
        return
    assert found == whole(content, "csv")


@given(ROWS, st.sampled_from(["json", "jsonl"]), st.sampled_from([None, 1]), st.booleans())
def test_a_json_in_pieces_is_the_json(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, ...]],
    kind: str,
    indent: int | None,
    around: bool,
) -> None:
    objects: list[Any] = [
        {"id": number, "name": {"text": row[1], "all": [row[1]]}, row[0] or "other": row[2]}
        for number, row in enumerate(rows)
    ]
    if kind == "jsonl":
        content = "".join(json.dumps(row) + "\n" for row in objects)
    else:
        content = json.dumps({"page": 1, "data": objects, "next": None} if around else objects, indent=indent)
    dump = opened(tmp_path_factory.mktemp("d") / "f.json", content.encode(), kind)
    assert dump is not None
    try:
        found = in_pieces(dump)
    except NotInPieces:
        return
    expected, ragged = whole(content.encode(), kind)
    assert [{k: v for k, v in row.items() if v is not None} for row in found[0]] == [
        {k: v for k, v in row.items() if v is not None} for row in expected
    ]
    assert found[1] == ragged


def many_rows() -> list[tuple[str, str, str]]:
    dice = random.Random(7)
    return [(f"{n}", f"name {dice.random()}", "two\nlines" if n % 9 == 0 else "one") for n in range(2000)]


def written(rows: list[tuple[str, str, str]], kind: str) -> bytes:
    objects = [dict(zip(HEADER, row, strict=True)) for row in rows]
    if kind == "csv":
        return csv_bytes(rows)
    if kind == "json":
        return json.dumps(objects).encode()
    return "".join(json.dumps(row) + "\n" for row in objects).encode()


def edited(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """One row added, one taken away, one changed, and one more at the end."""
    added, changed, last = ("new", "row", "here"), ("1500", "other", ""), ("last", "row", "of all")
    return [*rows[:50], added, *rows[50:900], *rows[901:1500], changed, *rows[1501:], last]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_an_edit_changes_the_pieces_around_it(tmp_path: Path, kind: str) -> None:
    def keys(rows: list[tuple[str, str, str]]) -> set[str]:
        dump = opened(tmp_path / "f", written(rows, kind), kind)
        assert dump is not None
        return {piece.key for piece, _ in dump.pieces({})}

    rows = many_rows()
    before = keys(rows)
    assert len(before) > 100
    assert len(keys(edited(rows)) - before) <= 12


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_borders_are_looked_for_around_edits_only(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = many_rows()
    dump = opened(tmp_path / "f", written(rows, kind), kind)
    assert dump is not None
    before = {piece.key: piece.size for piece, _ in dump.pieces({})}
    dump = opened(tmp_path / "f", written(edited(rows), kind), kind)
    assert dump is not None
    anew = [piece for piece, _ in dump.pieces({})]
    looked: list[int] = []
    real = Dump._border_after
    monkeypatch.setattr(Dump, "_border_after", lambda dump, at: looked.append(at) or real(dump, at))
    again = list(dump.pieces(before))
    assert [(piece, rows is None) for piece, rows in again] == [
        (piece, piece.key in before) for piece in anew
    ]
    assert len(again) > 100
    assert 0 < len(looked) < 40


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_a_dump_that_was_cut_is_read_as_if_nothing_were_known(tmp_path: Path, kind: str) -> None:
    content = written(many_rows(), kind)
    dump = opened(tmp_path / "f", content, kind)
    assert dump is not None
    before = {piece.key: piece.size for piece, _ in dump.pieces({})}
    for size in range(len(content) // 2, len(content) // 2 + 1000, 7):
        cut = content[:size] + (b"]" if kind == "json" else b"")
        dump = opened(tmp_path / "f", cut, kind)
        assert dump is not None

        def all_of(of: dict[str, pieces.Size], dump: Dump = dump) -> list[pieces.Piece] | None:
            try:
                return [piece for piece, _ in dump.pieces(of)]
            except (NotInPieces, SourceBroken):
                return None

        assert all_of(before) == all_of({})


def test_known_pieces_are_not_read(tmp_path: Path) -> None:
    dump = opened(tmp_path / "f.csv", csv_bytes(many_rows()), "csv")
    assert dump is not None
    known = {piece.key: piece.size for piece, _ in dump.pieces({})}
    again = list(dump.pieces(known))
    assert {piece.key: piece.size for piece, _ in again} == known
    assert all(rows is None for _, rows in again)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"id,name,\n" + b"1,Asha,x\n" * 50, "csv"),
        ("id,name\n" + "1,Asha é\n" * 50, "csv"),
        (b"id,name\n" + b"1,As\x00ha\n" * 50, "csv"),
        (b"id,name\r" + b"1,Asha\r" * 50, "csv"),
        (b"<html>" + b"1,Asha\n" * 50, "csv"),
        (b'{"a": [{"id": 1}], "b": [{"id": 2}]}', "json"),
        (b'[{"id": 1}, {"id": 2}, ' + b'{"id": 3}, ' * 50 + b'{"id": ]', "json"),
        (b'[{"id": 1}] ' + b'{"id": 3}, ' * 50 + b"]", "json"),
        (b"not json at all " * 20, "json"),
    ],
)
def test_what_is_not_plain_is_read_whole(tmp_path: Path, content: bytes | str, kind: str) -> None:
    data = content.encode("cp1252") if isinstance(content, str) else content
    dump = opened(tmp_path / "f", data, kind)
    if dump is not None:
        with pytest.raises(NotInPieces):
            list(dump.pieces({}))


def test_other_kinds_and_small_dumps_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = csv_bytes(many_rows())
    assert opened(tmp_path / "f.csv", content, "parquet") is None
    (tmp_path / "g.csv").write_bytes(content)
    assert open_dump(tmp_path / "g.csv", kind="csv", encoding="cp1252", delimiter=None, hints=()) is None
    monkeypatch.setattr(pieces, "FROM_BYTES", len(content) + 1)
    assert opened(tmp_path / "f.csv", content, "csv") is None


def test_a_piece_has_the_files_columns(tmp_path: Path) -> None:
    dump = opened(tmp_path / "f.csv", b"\xef\xbb\xbf" + csv_bytes(many_rows()), "csv")
    assert dump is not None
    for _, rows in dump.pieces({}):
        assert rows is not None
        assert rows.columns == HEADER
        assert rows.table.schema.field("name").type == pa.large_string()
