"""The CSVs that people edit in a spreadsheet, read as one (SPEC 7).

Belongs here: finding the files, turning checked rows into frames, fingerprints, writing the defaults. Does
not belong here: what a table may hold (`table_specs.py`).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from secrets import token_bytes
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa

from funnel_assets import outside
from funnel_assets.config.mistakes import Mistakes, suggestion
from funnel_assets.config.table_cells import ParsedTable, Row, Value, parse_table
from funnel_assets.config.table_rules import check_tables
from funnel_assets.config.table_specs import SPECS, TableSpec
from funnel_assets.domain.countries import HOME
from funnel_assets.domain.keys import Pseudonyms
from funnel_assets.domain.link_rows import LinkRow, Names, is_key, link_rows
from funnel_assets.errors import ConfigError

_ARROW_TYPES = {"text": pa.string(), "integer": pa.int64(), "date": pa.date32()}
_FIX = "correct it in the spreadsheet and save; until then the last good result stays published."
_EXAMPLE_SOURCES = "sources.example.yaml"
# The last files without a mistake, byte for byte, and what they hold: every dataset of a run asks again.
_known: dict[Any, "Tables"] = {}


@dataclass(frozen=True)
class Tables:
    """Every config table, checked.

    Attributes:
        frames: Name -> frame with the columns of its spec (string, int64, date32; Arrow-backed), trimmed,
            sorted by the spec's order and content, so that nothing can depend on the order of rows in the file.
        fingerprints: Name -> hash of the frame's content.
        files: Name -> the file it was read from; None for the packaged default.
        lines: Name -> the line of its file that each row of the frame starts on.
        wrong: Name -> what is wrong with it; such a table has neither frame nor fingerprint, and asking for one
            raises the error.
        names: Tells whom a row names; None where the tables were read to be checked only.
    """

    frames: Mapping[str, pd.DataFrame]
    fingerprints: Mapping[str, str]
    files: Mapping[str, Path | None]
    lines: Mapping[str, list[int]] = field(default_factory=dict)
    wrong: Mapping[str, ConfigError] = field(default_factory=dict)
    names: Names | None = None

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return one table."""
        self._refuse_wrong(name)
        return self.frames[name]

    def _refuse_wrong(self, *names: str) -> None:
        for name in names:
            if name in self.wrong:
                raise self.wrong[name].located()

    def rows(self, name: str) -> list[dict[str, Value]]:
        """Return one table as plain Python rows, None where a cell is empty."""
        return pa.Table.from_pandas(self[name], preserve_index=False).to_pylist()

    def known_names(self) -> Names:
        """Return what tells whom a row names.

        Raises:
            ValueError: If the tables were read to be checked only.
        """
        if self.names is None:
            raise ValueError("these tables were read to be checked: they don't know whom a row names")
        return self.names

    @property
    def pseudonyms(self) -> Pseudonyms:
        """Makes the keys of people and the ids of records."""
        return self.known_names().pseudonyms

    def key(self, named: object) -> str:
        """Return the key of a person whom a table names by phone, e-mail or person id."""
        return self.known_names().key(named)

    def links(self) -> list[LinkRow]:
        """Return the rows of identity_links.csv with the people's keys."""
        rows = self.rows("identity_links")
        return link_rows(rows, self.known_names()) if rows else []

    def fingerprint(self, *names: str) -> str:
        """Return a hash of the content of the named tables; order and format of the files don't matter."""
        self._refuse_wrong(*(names or self.wrong))
        if len(names) == 1:
            return self.fingerprints[names[0]]
        return _hash([[name, self.fingerprints[name]] for name in sorted(set(names) or self.fingerprints)])


def load_tables(
    config_dir: Path,
    *,
    apart: bool = False,
    instead: Mapping[str, Path] | None = None,
    names: Names | None = None,
    country: str = HOME,
) -> Tables:
    """Read and check every table; one that has no file in ``config_dir`` is the packaged default.

    Args:
        config_dir: Folder of the files.
        apart: Let a mistake concern its own table only, and those that refer to it: see ``Tables.wrong``. A wrong
            cell in the overrides must not keep tonight's leads and sales from being made.
        instead: Table -> a file to read in place of the one in the folder, to see what it would do.
        names: Tells whom a row names. Without it the tables are only checked, and an id and the phone that it stands
            for are taken for two people.
        country: Whose phone numbers the national ones in the tables are, where there are no ``names`` to tell.

    Raises:
        ConfigError: With file, line, what is wrong and what is allowed, for every mistake in all files.
    """
    mistakes = Mistakes()
    files = {**_find_files(config_dir, mistakes), **(instead or {})}
    contents = {name: _content(spec, files[name], mistakes) for name, spec in SPECS.items()}
    known = names or Names(Pseudonyms(token_bytes(32)), country)
    given = (tuple(files.items()), tuple(contents.items()), names, known.country)
    if not mistakes.found and given in _known:
        return _known[given]
    parsed = {name: _parse(spec, files[name], contents[name], mistakes) for name, spec in SPECS.items()}
    check_tables(parsed, mistakes, known)
    if not apart:
        renamed = {SPECS[name].file: path.name for name, path in (instead or {}).items()}
        mistakes.found = [(renamed.get(file, file), line, text) for file, line, text in mistakes.found]
        mistakes.raise_if_any(fix=_FIX)
    wrong = _wrong(mistakes)
    ranks = {row.text("stage"): _number(row.values["rank"]) for row in parsed["stages"].rows}
    rows = {name: _sorted_rows(table, ranks) for name, table in parsed.items() if name not in wrong}
    tables = Tables(
        frames=MappingProxyType({name: _frame(SPECS[name], found) for name, found in rows.items()}),
        fingerprints=MappingProxyType(
            {name: _fingerprint(SPECS[name], found, known) for name, found in rows.items()}
        ),
        files=MappingProxyType(files),
        lines=MappingProxyType({name: [row.line for row in found] for name, found in rows.items()}),
        wrong=MappingProxyType(wrong),
        names=names,
    )
    if not mistakes.found:
        _known.clear()
        _known[given] = tables
    return tables


def _wrong(mistakes: Mistakes) -> dict[str, ConfigError]:
    """Name -> what is wrong with the table, or with one that it refers to."""
    found: dict[str, ConfigError] = {}
    for file in sorted(mistakes.files):
        name = file.rpartition(".")[0].lower()
        # A file whose name is only nearly a table's may be meant for any: nothing is made before that is clear.
        concerned = mistakes.only_in(file) if name in SPECS else mistakes
        try:
            concerned.raise_if_any(fix=_FIX)
        except ConfigError as error:
            if name not in SPECS:
                raise
            found[name] = error
    for name, spec in SPECS.items():
        targets = [column.refers_to[0] for column in spec.columns if column.refers_to]
        for target in targets:
            if target in found:
                found.setdefault(name, found[target])
    return found


def write_defaults(config_dir: Path) -> list[Path]:
    """Write the packaged CSVs and ``sources.example.yaml`` that ``config_dir`` lacks; never overwrite.

    CSVs get a BOM: without it Excel reads UTF-8 names as cp1252.

    Returns:
        The files written.
    """
    config_dir.mkdir(parents=True, exist_ok=True)
    present = {path.name.lower() for path in config_dir.iterdir()}
    written = []
    for name in (*(spec.file for spec in SPECS.values()), _EXAMPLE_SOURCES):
        if name in present:
            continue
        bom = b"\xef\xbb\xbf" if name.endswith(".csv") else b""
        unfinished = config_dir / f".{name}.{os.getpid()}.tmp"
        unfinished.write_bytes(bom + default_file(name))
        unfinished.replace(config_dir / name)
        written.append(config_dir / name)
    return written


def default_file(name: str) -> bytes:
    """Return a packaged config file, e.g. ``scoring.csv`` or ``sources.example.yaml``."""
    return resources.files("funnel_assets.config.defaults").joinpath(name).read_bytes()


def _find_files(config_dir: Path, mistakes: Mistakes) -> dict[str, Path | None]:
    """Match files to tables without regard to case; note files that were meant to be read but aren't.

    A pipe, a folder or a broken link under a table's name counts as its file: reading it says what it is, where
    leaving it out would take the packaged default instead without a word.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(config_dir.iterdir()) if config_dir.is_dir() else ():
        if not path.name.startswith((".", "~")):
            found.setdefault(path.name.lower(), []).append(path)
    files: dict[str, Path | None] = {}
    for name, spec in SPECS.items():
        paths = found.get(spec.file, [])
        exact = [path for path in paths if path.name == spec.file]
        files[name] = (exact or paths or [None])[0]
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths)
            mistakes.add(spec.file, 1, f"there are both {names}; keep one")
    missing = {spec.file for name, spec in SPECS.items() if files[name] is None}
    for lower, paths in found.items():
        _note_misnamed(lower, paths[0], missing, mistakes)
    return files


def _note_misnamed(lower: str, path: Path, missing: set[str], mistakes: Mistakes) -> None:
    stem, _, ending = lower.rpartition(".")
    if ending in ("xlsx", "xls", "ods", "tsv", "txt") and f"{stem}.csv" in missing:
        mistakes.add(path.name, 1, f"this file isn't read; save it as {stem}.csv (CSV UTF-8)")
    elif ending == "csv" and stem not in SPECS:
        near = suggestion(lower, missing, cutoff=0.8)
        if near:
            mistakes.add(path.name, 1, f"this file isn't read{near}")


def _content(spec: TableSpec, path: Path | None, mistakes: Mistakes) -> bytes | None:
    if path is None:
        return default_file(spec.file)
    try:
        return outside.content(path)
    except outside.NotARegularFile as error:
        mistakes.add(spec.file, 1, f"{error.strerror}; put the CSV itself there")
        return None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and path.is_symlink():
            mistakes.add(spec.file, 1, "it is a link that leads nowhere; put the CSV itself there")
            return None
        mistakes.add(spec.file, 1, f"the file can't be read ({error.strerror}); is it open in a spreadsheet?")
        return None


def _parse(spec: TableSpec, path: Path | None, content: bytes | None, mistakes: Mistakes) -> ParsedTable:
    if content is None:
        return ParsedTable(spec, 1, [], is_default=False)
    return parse_table(content, spec, mistakes, is_default=path is None)


def _sorted_rows(table: ParsedTable, ranks: Mapping[str, int]) -> list[Row]:
    """Sort by the spec's order, then by content: the order in the file never counts."""
    spec = table.spec

    def place(row: Row) -> tuple[list[int], tuple[str, ...], list[str]]:
        ordered = [_place(row, spec, name, ranks) for name in spec.order]
        return ordered, row.key(spec.names), [row.text(name) for name in spec.names]

    return sorted(table.rows, key=place)


def _place(row: Row, spec: TableSpec, name: str, ranks: Mapping[str, int]) -> int:
    column = spec.column(name.removeprefix("-"))
    text = row.text(column.name)
    if column.allowed:
        place = column.allowed.index(text) if text else len(column.allowed)
    elif column.refers_to:
        place = ranks.get(text, 0)
    else:
        place = _number(row.values[column.name])
    return -place if name.startswith("-") else place


def _number(value: Value) -> int:
    return value if isinstance(value, int) else 0


def _frame(spec: TableSpec, rows: list[Row]) -> pd.DataFrame:
    arrays = {
        column.name: pa.array([row.values[column.name] for row in rows], _ARROW_TYPES[column.kind])
        for column in spec.columns
    }
    return pa.table(arrays).to_pandas(types_mapper=pd.ArrowDtype)


def _fingerprint(spec: TableSpec, rows: list[Row], names: Names) -> str:
    content = [list(spec.names), *([row.text(name) for name in spec.names] for row in rows)]
    people = [column.name for column in spec.columns if column.name.startswith("person")]
    # Only where it isn't the default, so that days of homes without the setting stay.
    if people and names.country != HOME:
        content.append([names.country])
    # Whom an id from before stands for is known once that person's records are: days are made again then.
    told = {text for row in rows for text in (row.text(name) for name in people) if is_key(text.lower())}
    content += [[text, key] for text in sorted(told) if (key := names.key(text)) not in (text, text.lower())]
    return _hash(content)


def _hash(content: list[list[str]]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
