"""The funnel mapping in the users' hands: what a change would move, and the list of sources that lack a funnel."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from funnel_assets import tables, unmapped
from funnel_assets.cli import app
from funnel_assets.config.tables import load_tables
from funnel_assets.domain.mapping import MISCELLANEOUS
from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.pipeline.preview import Preview, preview_mapping
from funnel_assets_tests.world import Place

HEAD = "source,funnel,status,valid_from,valid_to\n"


@pytest.fixture
def here(made_place: Place) -> Place:
    return made_place


@pytest.fixture
def opened(made: Pipeline) -> Pipeline:
    return made


@pytest.fixture
def mapping(here: Place) -> Iterator[Path]:
    """The mapping in use, put back afterwards."""
    path = here.home / "config" / "funnel_mapping.csv"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def lake_state(here: Place) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in here.home.rglob("*") if "postgres" not in path.parts}


def figures(opened: Pipeline) -> dict[tuple[dt.date, str], dict[str, int]]:
    """Add the lake's figures up, row by row: the slow way, and none of the preview's."""
    found: dict[tuple[dt.date, str], dict[str, int]] = {}
    days = opened.lake.days("funnel_marts")
    for row in opened.lake.read("funnel_marts", days).to_pylist():
        cell = found.setdefault((row["date"].replace(day=1), row["funnel"]), {})
        for name, value in row.items():
            if isinstance(value, int) and not isinstance(value, bool):
                cell[name] = cell.get(name, 0) + value
    for row in opened.lake.read("sale_credit", days).to_pylist():
        cell = found.setdefault((row["date"].replace(day=1), row["funnel"]), {})
        name = f"credit_{row['model']}_paise"
        cell[name] = cell.get(name, 0) + (row["net_revenue_paise"] or 0)
    return found


def plain(side: dict[Any, dict[str, int | None]]) -> dict[Any, dict[str, int]]:
    return {cell: {name: value or 0 for name, value in told.items()} for cell, told in side.items()}


def on_screen(preview: Preview) -> str:
    screen = Console(width=160, record=True, file=io.StringIO())
    for shown in tables.mapping_preview(preview.before, preview.after, preview.moves):
        screen.print(shown)
    return screen.export_text()


def changed(mapping: Path, tmp_path: Path) -> Path:
    """Write a mapping in which the most used source counts to another funnel, and one holds for some days only."""
    rows = list(csv.DictReader(io.StringIO(mapping.read_text("utf-8-sig"))))
    for row in rows[::2]:
        row["funnel"] = "Another Funnel"
    rows[1]["valid_to"] = "2000-01-01"
    text = HEAD + "".join(
        ",".join(row[name] or "" for name in HEAD.strip().split(",")) + "\n" for row in rows
    )
    path = tmp_path / "new mapping.csv"
    path.write_text(text)
    return path


def test_preview_says_beforehand_what_restatement_then_gives(
    here: Place, opened: Pipeline, mapping: Path, tmp_path: Path
) -> None:
    new = changed(mapping, tmp_path)
    before, untouched = figures(opened), lake_state(here)
    preview = preview_mapping(opened, new)
    assert lake_state(here) == untouched
    assert plain(preview.before) == before
    moved = {
        name
        for cell in preview.moved()
        for name, told in preview.after.get(cell, {}).items()
        if told != preview.before.get(cell, {}).get(name)
    }
    assert {"leads", "handovers"} <= moved
    assert {move.after for move in preview.moves} == {"Another Funnel", MISCELLANEOUS}
    shown = on_screen(preview)
    assert "Another Funnel" in shown
    # Sales stand under the final funnel and spend under the ads' own: neither follows the mapping.
    assert "Unchanged everywhere: sales, revenue, spend" in shown
    leads = sum(move.counts.get("leads", 0) for move in preview.moves if move.after == "Another Funnel")
    mapping.write_bytes(new.read_bytes())
    opened.restate(opened.all_days())
    after = figures(opened)
    assert plain(preview.after) == after
    assert (
        leads == sum(told["leads"] for (_, funnel), told in after.items() if funnel == "Another Funnel") > 0
    )
    same = preview_mapping(opened, new)
    assert same == Preview(preview.after, preview.after)
    assert on_screen(same).strip() == "No figure would move."


def test_preview_of_a_wrong_file_names_its_line(opened: Pipeline, tmp_path: Path) -> None:
    wrong = tmp_path / "draft.csv"
    wrong.write_text(HEAD + "fb,ACCA,active,,\nfb,CFA,active,,\n")
    with pytest.raises(ConfigError, match=r"file draft.csv, line 3.*periods overlap"):
        preview_mapping(opened, wrong)


def listed(path: Path) -> dict[str, dict[str, str]]:
    return {row["source"]: row for row in csv.DictReader(io.StringIO(path.read_text("utf-8-sig")))}


def test_unmapped_sources_are_listed_filled_in_and_read_back(
    here: Place, opened: Pipeline, mapping: Path
) -> None:
    kept = [
        line
        for line in mapping.read_text("utf-8-sig").splitlines()
        if not line.lower().startswith("facebook")
    ]
    mapping.write_text("\n".join(kept) + "\n")
    opened.restate(opened.all_days())
    opened.publish()
    path = here.settings.exports / unmapped.FILE
    told = listed(path)
    leads = [
        row
        for row in opened.lake.read("dedup_leads", opened.all_days()).to_pylist()
        if row["first_funnel"] == MISCELLANEOUS and (row["first_source"] or "").strip()
    ]
    assert leads
    assert sum(int(row["leads"]) for row in told.values()) == len(leads)
    assert {row["funnel"] for row in told.values()} == {""}
    name = max(told, key=lambda source: int(told[source]["leads"]))
    of_it = [row for row in leads if row["first_source"].strip().lower() == name.lower()]
    assert int(told[name]["leads"]) == len(of_it)
    assert told[name]["first_seen"] <= str(min(row["date"] for row in of_it))

    lines = [
        ",".join([cells[0], "New Funnel", *cells[2:]]) if (cells := line.split(","))[0] == name else line
        for line in path.read_text("utf-8-sig").splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    # What is filled in survives a new export before it is applied.
    unmapped.write(opened.warehouse, opened.tables(), here.settings.exports)
    assert listed(path)[name]["funnel"] == "New Funnel"

    said = CliRunner().invoke(app, ["apply-mapping"], env=here.environ)
    assert said.exit_code == 0, said.output
    assert f"{name} now counts to New Funnel" in said.output
    assert unmapped.apply(here.settings.config_dir, path) == []
    opened.restate(opened.all_days())
    opened.publish()
    assert name not in listed(path)
    rows = opened.lake.read("dedup_leads", opened.all_days()).to_pylist()
    assert sum(row["first_funnel"] == "New Funnel" for row in rows) == len(of_it)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "funnel_mapping.csv").write_text("Source;Funnel;valid_to\r\nold one;ACCA;31/01/2026\r\n")
    return folder


LIST = "source,funnel,valid_from,valid_to,leads\n"


def test_filled_rows_are_added_and_blank_ones_ignored(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "filled.csv"
    file.write_text(LIST + "fb,acca,,,5\nnobody,,,,3\n'=odd,CFA,01-Feb-2026,,1\nold one,CFA,2026-02-01,,2\n")
    added = unmapped.apply(config, file)
    assert [(row["source"], row["funnel"]) for row in added] == [
        ("fb", "ACCA"),
        ("=odd", "CFA"),
        ("old one", "CFA"),
    ]
    assert (config / "funnel_mapping.csv").read_text("utf-8-sig").splitlines() == [
        "Source;Funnel;valid_to;status;valid_from",
        "old one;ACCA;31/01/2026;;",
        "fb;ACCA;;active;",
        "=odd;CFA;;active;2026-02-01",
        "old one;CFA;;active;2026-02-01",
    ]
    assert len(load_tables(config)["funnel_mapping"]) == 4
    assert unmapped.apply(config, file) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param(
            "old one,CFA,,,2\n", r"line 2.*'old one' is mapped to 'ACCA' already to 2026-01-31", id="clash"
        ),
        pytest.param("a,,,,1\nfb,CFA,soon,,2\n", r"line 3.*valid_from 'soon' isn't a date", id="no date"),
        pytest.param("fb,CFA,,,2\nFB,ACCA,,,2\n", r"line 3.*'FB' is on line 2 already", id="twice"),
        pytest.param('"fb,CFA,,,2\n', r"line 2.*quotation mark", id="quote"),
    ],
)
def test_a_mistake_in_the_list_names_file_and_line_and_changes_nothing(
    config: Path, tmp_path: Path, rows: str, told: str
) -> None:
    before = (config / "funnel_mapping.csv").read_bytes()
    file = tmp_path / "filled.csv"
    file.write_text(LIST + rows)
    with pytest.raises(ConfigError, match=told) as caught:
        unmapped.apply(config, file)
    assert "filled.csv" in str(caught.value)
    assert (config / "funnel_mapping.csv").read_bytes() == before


def test_a_list_that_is_not_there_says_how_to_get_one(config: Path) -> None:
    with pytest.raises(FunnelError, match="funnel export"):
        unmapped.apply(config, config / "none.csv")
