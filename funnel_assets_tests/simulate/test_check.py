import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from funnel_assets.errors import UsageError
from funnel_assets.simulate.check import check_world, show_checks
from funnel_assets.simulate.checklist import Checklist


def _failed(folder: Path) -> list[str]:
    return [result.name for result in check_world(folder) if not result.passed]


def test_a_written_world_passes_every_check(written: Path) -> None:
    results = check_world(written)

    assert [result for result in results if not result.passed] == []
    assert len(results) >= 100


def _edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / name
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert before != after
        path.write_text(after, encoding="utf-8")

    return do


def _drop_line(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:7] + lines[8:])


def _cell(column: int, value: Callable[[str], str], row: int = 5) -> Callable[[str], str]:
    def change(text: str) -> str:
        lines = text.split("\n")
        cells = lines[row].split(",")
        cells[column] = value(cells[column])
        lines[row] = ",".join(cells)
        return "\n".join(lines)

    return change


def _key(table: str, column: str, change: Callable[[list[object]], list[object]]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / "answer_key" / f"{table}.parquet"
        data = pq.read_table(path)
        place = data.schema.get_field_index(column)
        values = pa.array(change(data[column].to_pylist()), data.schema.field(column).type)
        pq.write_table(data.set_column(place, column, values), path)

    return do


def _swap(values: list[object]) -> list[object]:
    other = next(i for i, value in enumerate(values) if value != values[0])
    values[0], values[other] = values[other], values[0]
    return values


def _remove_zoom(folder: Path) -> None:
    sorted((folder / "zoom").glob("attendee_*"))[0].unlink()


def _shorten_registration(folder: Path) -> None:
    path = next(p for p in sorted((folder / "zoom").glob("registration_*).csv")))
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:-3]) + b"\n")


# Each batch damages one copy; within a batch every damage is to other files than the rest, and the check that must
# find it is named, so that one damage can't hide behind another.
Damage = tuple[Callable[[Path], None], str]
BATCHES: dict[str, dict[str, Damage]] = {
    "rows lost": {
        "lead": (_edit("sheets/leads.csv", _drop_line), "leads: rows as in the answer key"),
        "assignment": (_edit("crm/assignments.csv", _drop_line), "assignments: rows as in the answer key"),
        "sale": (_edit("crm/sales.csv", _drop_line), "sales: ids in order"),
        "spend": (_edit("spend.csv", _drop_line), "spend: rows as in the answer key"),
        "event": (_edit("events.json", _drop_line), "engagement: records as in the answer key"),
        "zoom": (_remove_zoom, "zoom: files in the inbox"),
        "mapping": (
            _edit("config/funnel_mapping.csv", lambda t: t.replace("fb_webinar,", "fb_webinars,", 1)),
            "config: lead sources that aren't mapped",
        ),
    },
    "cells changed": {
        "lead phone": (
            _edit("sheets/landing_leads.csv", _cell(2, lambda v: v + "1")),
            "landing_leads: cells that differ from the answer key",
        ),
        "lead header": (
            _edit("sheets/leads.csv", lambda t: t.replace("Question 1", "Question", 1)),
            "leads: header",
        ),
        "assignment": (
            _edit("crm/assignments.csv", _cell(3, lambda v: "Nobody")),
            "assignments: rows that differ from the answer key",
        ),
        "spend": (_edit("spend.csv", _cell(5, lambda v: "1" + v, row=1)), "spend: cost in paise"),
        "sale a paisa off": (
            _edit("crm/sales.csv", _cell(-3, lambda v: v[:-1] + str((int(v[-1]) + 1) % 10))),
            "sales: netAmountAfterPDD in paise",
        ),
        "event type": (
            _edit("events.json", lambda t: t.replace('"view"', '"click"', 1)),
            "engagement: types in order",
        ),
        "registrations": (_shorten_registration, "zoom: registration reports with other people"),
        "mapping": (
            _edit("config/funnel_mapping.csv", lambda t: t.replace(",Webinar,", ",Seminar,", 1)),
            "config: unknown funnels",
        ),
        "manual": (
            _edit("config/manual_mapping.csv", lambda t: t + "0123,Walk in\n"),
            "config: manual mapping of unknown sales",
        ),
    },
    "files broken": {
        "sale amount": (_edit("crm/sales.csv", lambda t: t.replace(".00", ".xx", 1)), "sales readable"),
        "json": (_edit("events.json", lambda t: t[:-20]), "engagement readable"),
        "spend funnel": (
            _edit("spend.csv", lambda t: t.replace(",Webinar\n", ",Bootcamp\n", 1)),
            "spend: paise by funnel",
        ),
        "key": (lambda folder: (folder / "answer_key" / "people.parquet").unlink(), "people readable"),
    },
    "truth changed": {
        "buyer": (_key("sales", "person", lambda v: [10**6, *v[1:]]), "sales of unknown people"),
        "minutes": (
            _key("attendance", "minutes", lambda v: [x + 1 for x in v]),  # type: ignore[operator]
            "minutes that aren't the union of the intervals",
        ),
        "first touch": (_key("people", "first_touch_at", _swap), "people: sheet first touches are lead rows"),
        "daily spend": (
            _key("daily_funnel", "spend_paise", lambda v: [v[0] + 1, *v[1:]]),  # type: ignore[operator]
            "daily: spend adds up",
        ),
        "duplicates": (
            _key("leads", "kind", lambda v: ["normal" if x == "duplicate" else x for x in v]),
            "copies not marked as duplicates or the reverse",
        ),
        "late": (
            _key("engagement", "late_seconds", lambda v: [10**6] * len(v)),
            "engagement: arrived days late",
        ),
        "event time": (
            _edit("events.json", lambda t: t.replace("T1", "T2", 1)),
            "engagement: times that differ",
        ),
    },
    "more truth changed": {
        "gross": (
            _key("sales", "gross_paise", lambda v: [x + 1 for x in v]),  # type: ignore[operator]
            "sales: TotalAmount in paise",
        ),
        "attended": (_key("attendance", "attended", _swap), "no-shows with minutes"),
        "phones": (
            _key("people", "phone", lambda v: [v[1], *v[1:]]),
            "people: same phone without being related",
        ),
        "assigned": (
            _key("assignments", "date", lambda v: [v[0].replace(year=2001), *v[1:]]),  # type: ignore[attr-defined]
            "assignment days outside the world",
        ),
    },
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
def test_each_damage_is_found(written: Path, tmp_path: Path, batch: dict[str, Damage]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    for damage, _ in batch.values():
        damage(copy)

    failed = _failed(copy)

    assert [name for name, (_, check) in batch.items() if check not in failed] == []


def test_no_world_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no simulated world"):
        check_world(tmp_path)


def test_failures_are_shown_last() -> None:
    checks = Checklist()
    checks.exact("same", 1, 1)
    checks.exact("different", 1, 2)
    console = Console(record=True, width=120, file=None, quiet=False)

    show_checks(checks.results, console)

    text = console.export_text()
    assert text.index("same") < text.index("different")
    assert "2 checks, 1 failed" in text


@pytest.mark.parametrize(
    ("hits", "size", "passed"), [(500, 1000, True), (430, 1000, True), (400, 1000, False), (0, 10, True)]
)
def test_rates_allow_for_chance_only(hits: int, size: int, passed: bool) -> None:
    checks = Checklist()

    checks.rate("half", 50, hits, size)

    assert checks.results[0].passed is passed
