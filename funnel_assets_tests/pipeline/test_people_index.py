"""The index by person says what looking through all days would say, whatever happened to it and to the lake."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.keys import key_numbers
from funnel_assets.domain.link_rows import LinkRow
from funnel_assets.pipeline.people import NOBODY, with_linked
from funnel_assets.pipeline.people_index import PeopleIndex
from funnel_assets.pipeline.staleness import Contents
from funnel_assets.storage.lake import Lake
from funnel_assets_tests.pseudonyms import PSEUDONYMS

FIRST, SECOND, OTHER_MONTH = dt.date(2026, 3, 30), dt.date(2026, 3, 31), dt.date(2026, 4, 1)
ASHA, RAVI, MEENA = (
    PSEUDONYMS.phone_key(phone) for phone in ("919810000001", "919810000002", "919810000003")
)
ASHA_MAIL, SHARED_MAIL = PSEUDONYMS.email_key("asha@example.com"), PSEUDONYMS.email_key("both@example.com")


def lead(day: dt.date, number: int, phone: str | None, email: str | None) -> dict[str, object]:
    return {"date": day, "lead_id": f"{day}-{number}", "phone_key": phone, "email_key": email}


def write(lake: Lake, day: dt.date, *rows: tuple[str | None, str | None]) -> None:
    told = [lead(day, number, *keys) for number, keys in enumerate(rows)]
    lake.write("raw_leads", day, pa.Table.from_pylist(told, schema=arrow_schema(CONTRACTS["raw_leads"])))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    found = Lake(str(tmp_path / "lake"))
    write(found, FIRST, (ASHA, ASHA_MAIL), (None, None))
    write(found, SECOND, (RAVI, SHARED_MAIL), (None, ASHA_MAIL))
    write(found, OTHER_MONTH, (ASHA, SHARED_MAIL), (MEENA, None))
    return found


def days_of(index: PeopleIndex, lake: Lake, *keys: str) -> set[dt.date]:
    return index.days_of(lake, Contents(lake, dt.date.min), "raw_leads", pa.array(keys, pa.string()))


def pairs(lake: Lake, index: PeopleIndex | None = None) -> pa.Table:
    return (index or PeopleIndex()).pairs(lake, Contents(lake, dt.date.min))


def test_days_of_people(lake: Lake, tmp_path: Path) -> None:
    for index in (PeopleIndex(), PeopleIndex(tmp_path / "kept"), PeopleIndex(tmp_path / "kept")):
        assert days_of(index, lake, ASHA) == {FIRST, OTHER_MONTH}
        assert days_of(index, lake, ASHA_MAIL) == {SECOND}, "of a record with a phone the phone is the person"
        assert days_of(index, lake, NOBODY) == {FIRST}
        assert days_of(index, lake, MEENA, RAVI) == {SECOND, OTHER_MONTH}
        assert days_of(index, lake, PSEUDONYMS.phone_key("919899999999")) == set()


def test_only_days_of_another_content_are_read_again(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days_of(PeopleIndex(tmp_path / "kept"), lake, ASHA)
    read: list[dt.date] = []
    real = Lake.content_and_rows

    def noted(lake: Lake, dataset: str, day: dt.date, columns: list[str]) -> tuple[str, pa.Table]:
        read.append(day)
        return real(lake, dataset, day, columns)

    monkeypatch.setattr(Lake, "content_and_rows", noted)
    assert days_of(PeopleIndex(tmp_path / "kept"), lake, ASHA) == {FIRST, OTHER_MONTH}
    assert read == []
    write(lake, FIRST, (MEENA, None))
    lake.delete("raw_leads", OTHER_MONTH)
    index = PeopleIndex(tmp_path / "kept")
    assert days_of(index, lake, ASHA) == set()
    assert days_of(index, lake, MEENA) == {FIRST}
    assert read == [FIRST]


def test_a_day_replaced_while_it_is_read_is_read_again(lake: Lake, tmp_path: Path) -> None:
    before = Contents(lake, dt.date.min)
    before.of("raw_leads")
    old = lake.read("raw_leads", [FIRST])
    write(lake, FIRST, (MEENA, None))
    index = PeopleIndex(tmp_path / "kept")
    assert index.days_of(lake, before, "raw_leads", pa.array([ASHA])) == {OTHER_MONTH}
    lake.write("raw_leads", FIRST, old)
    for found in (index, PeopleIndex(tmp_path / "kept")):
        assert days_of(found, lake, ASHA) == {FIRST, OTHER_MONTH}


@pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0 and no more", b"\0" * 4096])
def test_a_damaged_file_costs_time_only(lake: Lake, tmp_path: Path, damage: bytes) -> None:
    days_of(PeopleIndex(tmp_path / "kept"), lake, ASHA)
    files = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert len(files) == 2
    for file in files:
        file.write_bytes(damage)
    assert days_of(PeopleIndex(tmp_path / "kept"), lake, ASHA) == {FIRST, OTHER_MONTH}
    assert days_of(PeopleIndex(tmp_path / "kept"), lake, RAVI) == {SECOND}


def linked(lake: Lake, *keys: str, rows: tuple[LinkRow, ...] = ()) -> set[str]:
    found = with_linked(set(keys), pairs(lake), rows)
    assert found is not None
    return set(found.to_pylist())


def test_linked_people_are_found_through_others(lake: Lake) -> None:
    assert pairs(lake).num_rows == 3
    assert linked(lake, RAVI) == {RAVI, SHARED_MAIL, ASHA, ASHA_MAIL}
    assert linked(lake, MEENA) == {MEENA}
    assert linked(lake, NOBODY) == {NOBODY}


def test_link_rows_join_what_no_record_does(lake: Lake) -> None:
    rows = (LinkRow("must_link", MEENA, ASHA_MAIL), LinkRow("must_link", "payal, not a phone", RAVI))
    everybody = {MEENA, ASHA_MAIL, ASHA, SHARED_MAIL, RAVI, "payal, not a phone"}
    assert linked(lake, MEENA, rows=rows) == everybody
    alone = (LinkRow("cannot_link", MEENA, "a2026-03-30-1"),)
    assert linked(lake, MEENA, rows=alone) == {MEENA, "a2026-03-30-1", NOBODY}


def test_most_people_are_everybody(lake: Lake) -> None:
    assert with_linked({PSEUDONYMS.phone_key(str(n)) for n in range(101)}, pairs(lake)) is None


def test_numbers_of_records_alone() -> None:
    assert key_numbers(pa.array([None, NOBODY, "a17-x", "a9", "p00000000000000ff"])).to_pylist() == [
        0, 0, 1, 1, 255,
    ]  # fmt: skip
