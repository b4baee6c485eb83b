"""docs/sources.md says what the code says: its tables are the parsers' columns, its examples load."""

import datetime as dt
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from funnel_assets.config.settings import load_settings
from funnel_assets.config.tables import default_file
from funnel_assets.contracts.base import CONTRACTS, columns
from funnel_assets.domain.parsing import PARSERS
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets_tests.pseudonyms import SECRET

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "docs" / "sources.md").read_text()
DAY = dt.date(2026, 3, 31)


class Example(NamedTuple):
    """An export as it begins, and its lines in sources.yaml."""

    export: str
    lines: str


EXAMPLES = [
    Example(*found) for found in re.findall(r"```csv\n(.*?)```\n\n```yaml\n(.*?)```", TEXT, re.DOTALL)
]


def table(dataset: str) -> str:
    """The table of a dataset's columns as the code declares them."""
    parser, facts = PARSERS[dataset], {one.name: one for one in columns(CONTRACTS[dataset])}
    lines = ["| name | also | required | holds |", "|---|---|---|---|"]
    for name, sheet in parser.columns.items():
        also, required = "" if name == sheet else f"`{name}`", "yes" if sheet in parser.required else ""
        lines.append(f"| `{sheet}` | {also} | {required} | {facts[name].description} |")
    return "\n".join(lines)


@pytest.mark.parametrize("dataset", PARSERS)
def test_every_column_is_told_as_the_code_declares_it(dataset: str) -> None:
    section = re.search(rf"^## {dataset}\n(.*?)^## ", TEXT, re.DOTALL | re.MULTILINE)
    assert section is not None
    assert re.findall(r"^\|.*$", section[1], re.MULTILINE) == table(dataset).splitlines()


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=[re.findall("name: (.*)", one.lines)[0] for one in EXAMPLES]
)
def test_an_example_loads_every_row_of_the_export(example: Example, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sources.yaml").write_text(example.lines)
    listed = yaml.safe_load(example.lines)
    for sources in listed.values():
        (tmp_path / sources[0]["path"]).write_text(example.export)
    environ = {
        "FUNNEL_HOME": str(tmp_path),
        "FUNNEL_SECRET": SECRET,
        "FUNNEL_START_DATE": str(DAY),
        "FUNNEL_TODAY": "2026-04-01",
    }
    opened = Pipeline(load_settings(environ, dotenv=False))
    for dataset, sources in listed.items():
        outcome = opened.make(dataset, [DAY])
        assert not outcome.failed, outcome.error()
        (row,) = opened.lake.read(dataset, [DAY]).to_pylist()
        ours = {PARSERS[dataset].names[name] for name in sources[0].get("columns", {})}
        # Whatever the example maps is there, but for what it maps to blank.
        blank = {PARSERS[dataset].names[name] for name in sources[0].get("values", {})}
        empty = {sheet for name, sheet in PARSERS[dataset].columns.items() if row[name] is None}
        assert not (ours - blank) & empty
        assert opened.quarantine.rows([dataset]).empty


def test_there_is_an_example_of_each_common_export() -> None:
    titles = re.findall("^### (.*)$", TEXT, re.MULTILINE)
    assert titles == ["A Google sheet", "Meta Ads", "Google Ads", "HubSpot", "LeadSquared", "Zoho CRM"]
    assert len(EXAMPLES) == 7


def test_the_example_in_the_repository_is_the_one_that_a_new_home_gets() -> None:
    shipped = PROJECT / "data" / "config" / "sources.example.yaml"
    assert shipped.read_bytes() == default_file("sources.example.yaml")
