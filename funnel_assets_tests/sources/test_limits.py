"""Files made to take time or memory: each is read or refused in time and memory that follow from its size."""

import contextlib
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from funnel_assets.errors import FunnelError, SourceBroken
from funnel_assets.masking import mask_text, redact_url
from funnel_assets.sources.tabular import Kind, read_table, unique_names
from funnel_assets_tests.sources.workbook import workbook

MEGABYTE = 1_000_000
SECONDS_PER_MEGABYTE, SECONDS = 1.0, 1.5
HEADER = b"Name,Email,Phone number\n"
ROW = b"asha,asha@example.com,9876543210\n"

FILES: dict[str, tuple[Kind, bytes]] = {
    "nothing but quotes": ("csv", b'"' * MEGABYTE),
    "quotes below a header": ("csv", HEADER + b'"' * MEGABYTE),
    "a stray quote in each line": ("csv", HEADER + b'"a\n' * (MEGABYTE // 3)),
    "a quote that opens in each line": ("csv", HEADER + b'a,"b\n' * (MEGABYTE // 5)),
    "a quote that never closes": ("csv", HEADER + ROW * 5 + b'"' + ROW * 30_000),
    "a huge quoted cell": ("csv", HEADER + b'"' + b"x" * MEGABYTE + b'",a,b\n' + ROW),
    "a header of half a million columns": ("csv", b"a," * (MEGABYTE // 2) + b"\n" + ROW),
    "empty columns beside one": ("csv", b"a" + b"," * 16_000 + b"\n" + b"1\n" * 100_000),
    "one long line": ("csv", b"x" * MEGABYTE),
    "empty lines": ("csv", HEADER + b"\r" * MEGABYTE + ROW),
    "NUL characters": ("csv", b"\x00" * MEGABYTE + b"a,b\n1,2\n"),
    "opening tags": ("csv", b"<a " * (MEGABYTE // 3)),
    "lists in lists": ("json", b"[" * MEGABYTE),
    "lists in lists in a record": ("json", b'[{"a":' + b"[" * 5000 + b"]" * 5000 + b"}]"),
    "objects in objects": ("jsonl", b'{"a":1}\n' + b'{"a":' * (MEGABYTE // 5) + b"1\n"),
    "a number of a million digits": ("json", b'[{"a":' + b"1" * MEGABYTE + b"}]"),
    "another name in each object": ("jsonl", b"".join(b'{"k%d":1}\n' % at for at in range(60_000))),
    "a list of texts": ("json", b"[" + b'"",' * (MEGABYTE // 3) + b"{}]"),
    "backslashes": ("json", b'{"' + b"\\\\" * (MEGABYTE // 2) + b'":[{"a":1}]}'),
}


@pytest.mark.parametrize("name", FILES)
def test_time_follows_from_size(name: str) -> None:
    kind, data = FILES[name]
    started = time.process_time()
    with contextlib.suppress(FunnelError):
        read_table(data, kind=kind)
    assert time.process_time() - started < SECONDS + SECONDS_PER_MEGABYTE * len(data) / MEGABYTE


@pytest.mark.parametrize(
    "text",
    [
        "a" * MEGABYTE,
        '\\"' * (MEGABYTE // 2),
        "1 " * (MEGABYTE // 2),
        "a@" * (MEGABYTE // 2),
        "0" * MEGABYTE + "z",
    ],
)
def test_masking_takes_time_that_follows_from_the_length(text: str) -> None:
    started = time.process_time()
    mask_text(text)
    assert time.process_time() - started < SECONDS + SECONDS_PER_MEGABYTE


def test_an_address_that_cannot_be_read_is_not_shown() -> None:
    for address in ("http://[::1", "http://user:secret@host:99999999/"):
        assert "secret" not in redact_url(address)


def test_repeated_names_are_numbered_in_one_pass() -> None:
    started = time.process_time()
    names = unique_names(["a"] * 200_000 + ["a (3)"])
    assert names[:3] == ("a", "a (2)", "a (3)")
    assert len(set(names)) == len(names)
    assert time.process_time() - started < SECONDS


def test_text_that_no_store_takes_is_mended_in_its_cell() -> None:
    data = b'[{"name":"as\\ud800ha",'
    data += b'"b\\udc00":{"x":"\\udfff"},"pair":"\\ud83d\\ude00","nul":"a\\u0000b"}, "\\ud800", {"name":"b"}]'
    found = read_table(data, kind="json")
    assert found.table.to_pylist()[0] == {
        "name": "as\ufffdha",
        "b\ufffd": '{"x": "\ufffd"}',
        "pair": "\U0001f600",
        "nul": "ab",
        "_line": 1,
    }
    assert [row.raw for row in found.ragged] == ['["\ufffd"]']


def test_a_line_nested_too_deep_is_set_aside_and_the_others_are_read() -> None:
    deep = b'{"a":' + b"[" * 100 + b"]" * 100 + b"}\n"
    found = read_table(b'{"a":[[1]]}\n' + deep + b'{"a":2}\n', kind="jsonl")
    assert found.table.column("a").to_pylist() == ["[[1]]", "2"]
    assert [(row.line, row.reason) for row in found.ragged] == [(2, "bad_json")]


def test_parquet_whose_text_is_not_utf8_is_refused() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    )
    out = io.BytesIO()
    pq.write_table(pa.table({"name": broken}), out)
    with pytest.raises(SourceBroken, match="Parquet"):
        read_table(out.getvalue(), kind="parquet")


# --- workbooks ------------------------------------------------------------------------------------


def _changed(data: bytes, old: bytes, new: bytes) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as before,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for part in before.infolist():
            after.writestr(part.filename, before.read(part).replace(old, new))
    return out.getvalue()


GOOD = workbook({"Leads": [["name", "phone"], ["asha", "9876543210"]]})


def test_a_workbook_that_unpacks_to_more_than_it_may_is_refused_before_it_is_opened() -> None:
    bomb = _changed(GOOD, b"<sheetData>", b"<!--" + b" " * (60 * MEGABYTE) + b"--><sheetData>")
    assert len(bomb) < MEGABYTE
    with pytest.raises(SourceBroken, match=r"unpacks to 60 MB; up to 50 MB are read.*max_unpacked_megabytes"):
        read_table(bomb, kind="xlsx", max_unpacked_megabytes=50)
    assert read_table(bomb, kind="xlsx").rows_in == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_a_cell_at_the_end_of_the_grid_does_not_fill_the_memory() -> None:
    far = _changed(GOOD, b'r="B2"', b'r="XFD1048576"')
    with pytest.raises(SourceBroken, match=r"far more time or memory.*Next: copy the data") as told:
        read_table(far, kind="xlsx", file="leads.xlsx")
    assert told.value.file == "leads.xlsx"


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04", GOOD[:-30], GOOD[:200], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 100]
)
def test_a_damaged_workbook_is_one_message(data: bytes) -> None:
    with pytest.raises(SourceBroken, match="can't be opened"):
        read_table(data, kind="xlsx")


def test_a_workbook_of_many_sheets_names_a_few() -> None:
    many = workbook({f"S{number}": [["a"], ["1"]] for number in range(300)})
    assert len("".join(read_table(many, kind="xlsx").notes)) < 300


def test_the_program_that_opens_workbooks_is_of_this_package_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert subprocess.run([sys.executable, "-c", "import json"], check=False).returncode == 3
    assert read_table(GOOD, kind="xlsx").rows_in == 1
