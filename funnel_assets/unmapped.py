"""The list of sources that nobody has mapped: written ready to fill in, and read back into the mapping (SPEC 7).

Belongs here: the list's file, and adding its filled rows to ``funnel_mapping.csv``. Does not belong here: which funnel
a source has (``domain.mapping``), and making days again.
"""

import csv
import datetime as dt
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from funnel_assets import outside
from funnel_assets.config.mistakes import Mistakes, quoted
from funnel_assets.config.spreadsheet import normalised_name, read_sheet
from funnel_assets.config.table_cells import Row, parse_table
from funnel_assets.config.table_specs import SPECS, Column, TableSpec
from funnel_assets.config.tables import Tables, default_file, load_tables
from funnel_assets.domain.countries import HOME
from funnel_assets.errors import ConfigError, FunnelError
from funnel_assets.exports import Published, harmless
from funnel_assets.shown import shown
from funnel_assets.storage.files import PUBLIC_FILE, write_whole

log = logging.getLogger(__name__)

FILE = "unmapped_sources.csv"
_FIX = "correct it in the spreadsheet, save, and run `funnel apply-mapping` again; nothing was changed."
_MAPPING = "funnel_mapping"
_BOM = b"\xef\xbb\xbf"
_FACTS = {
    "leads": "People whose first touch of a month came from it",
    "handovers": "Phones handed over to sales under it",
    "sales": "Paid sales that it started",
    "net_revenue_inr": "Net amount of these sales",
    "first_seen": "First day",
    "last_seen": "Last day",
}
_LIST = TableSpec(
    FILE.removesuffix(".csv"),
    "Sources without a funnel; rows whose funnel is left empty are ignored.",
    (
        Column("source", "Source as the sheet, Zoom or the CRM names it"),
        Column("funnel", "Fill in: the funnel it counts to", required=False, vocabulary="funnel"),
        Column("valid_from", "First day on which this holds; empty: always", kind="date", required=False),
        Column("valid_to", "Last day on which this holds; empty: until now", kind="date", required=False),
        *(Column(name, description, required=False) for name, description in _FACTS.items()),
    ),
    keys=(("source",),),
    period=("valid_from", "valid_to"),
)
_QUERY = """
    SELECT min(source) AS source, sum(leads) AS leads, sum(handovers) AS handovers, sum(sales) AS sales,
        sum(net_revenue_inr) AS net_revenue_inr, min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM vw_unmapped_sources
    GROUP BY lower(source)
    ORDER BY sum(net_revenue_inr) DESC, sum(leads) DESC, min(source)
"""

Mapped = Mapping[str, Any]


def write(warehouse: Published, tables: Tables, folder: Path) -> Path | None:
    """Write ``unmapped_sources.csv``: one row per source that still has no funnel, most revenue at stake first.

    What somebody has filled in already, and not yet applied, stays filled in. A file that can't be read is left alone.

    Returns:
        The file; None if it was left alone.
    """
    path = folder / FILE
    try:
        filled = {row.text("source").lower(): row for row in _read(path) if row.text("funnel")}
    except ConfigError as error:
        log.warning("%s isn't written anew: %s", path.name, error)
        return None
    told = [row for row in (_told(found, tables) for found in warehouse.fetch(_QUERY)) if row is not None]
    for row in told:
        known = filled.get(harmless(row["source"]).lower())
        if known is not None:
            row |= {name: known.text(name) for name in ("funnel", "valid_from", "valid_to")}
    rows = [[harmless(str(row.get(name, ""))) for name in _LIST.names] for row in told]
    content = _BOM + _csv([_LIST.names, *rows], ",")
    if not path.exists() or path.read_bytes() != content:
        write_whole(path, content, mode=PUBLIC_FILE)
    return path


def _told(found: Mapped, tables: Tables) -> dict[str, Any] | None:
    """Return a source's row; None if the mapping has it by now. One mapped for a while begins the day after that."""
    ends: list[dt.date] = []
    for rule in _rules(tables, str(found["source"])):
        if _holds(rule, found["last_seen"]):
            return None
        if rule["valid_to"] is not None and rule["valid_to"] < found["last_seen"]:
            ends.append(rule["valid_to"])
    return dict(found) | {"valid_from": max(ends) + dt.timedelta(days=1) if ends else ""}


def _rules(tables: Tables, source: str) -> list[dict[str, Any]]:
    wanted = source.strip().lower()
    return [rule for rule in tables.rows(_MAPPING) if str(rule["source"]).strip().lower() == wanted]


def _holds(rule: Mapped, day: dt.date) -> bool:
    return (rule["valid_from"] or dt.date.min) <= day <= (rule["valid_to"] or dt.date.max)


def apply(config_dir: Path, file: Path, country: str = HOME) -> list[Mapped]:
    """Add the filled rows of a list to ``funnel_mapping.csv``; rows without a funnel are ignored.

    A funnel that is known in another case gets the known spelling. What the mapping says already is not added again.

    Returns:
        The rows added: source, funnel, valid_from, valid_to.

    Raises:
        ConfigError: With file and line, if a row contradicts the mapping or can't be read. Nothing is changed.
    """
    tables = load_tables(config_dir, country=country)
    mistakes = Mistakes()
    spelled = {
        str(rule["funnel"]).lower(): str(rule["funnel"])
        for name in (_MAPPING, "manual_funnels")
        for rule in tables.rows(name)
    }
    added: list[Mapped] = []
    for row in _read(file, must_exist=True):
        if not row.text("funnel"):
            continue
        new = {name: row.values[name] for name in ("source", "funnel", "valid_from", "valid_to")}
        new["source"] = _plain(row.text("source"))
        new["funnel"] = spelled.setdefault(row.text("funnel").lower(), row.text("funnel"))
        rules = _rules(tables, str(new["source"]))
        if any(all(rule[name] == value for name, value in list(new.items())[1:]) for rule in rules):
            continue
        if clash := next((rule for rule in rules if _overlap(rule, new)), None):
            mistakes.add(
                file.name,
                row.line,
                f"source {quoted(str(new['source']))} is mapped to {quoted(str(clash['funnel']))} already "
                f"{_span(clash)}; give valid_from and valid_to outside of that, or edit funnel_mapping.csv",
            )
        added.append(new)
    mistakes.raise_if_any(fix=_FIX)
    if added:
        _append(config_dir, tables, added)
    return added


def _overlap(one: Mapped, other: Mapped) -> bool:
    first = max(rule["valid_from"] or dt.date.min for rule in (one, other))
    return first <= min(rule["valid_to"] or dt.date.max for rule in (one, other))


def _span(rule: Mapped) -> str:
    parts = [f"{word} {day}" for word, day in (("from", rule["valid_from"]), ("to", rule["valid_to"])) if day]
    return " ".join(parts) or "for all days"


def _plain(source: str) -> str:
    """Take away the apostrophe that keeps a spreadsheet from running a cell as a formula."""
    rest = source.removeprefix("'")
    return rest if harmless(rest) == source else source


def _read(path: Path, *, must_exist: bool = False) -> list[Row]:
    if not path.exists():
        if must_exist:
            raise FunnelError(
                "There is no list to read.",
                file=str(path),
                fix="write one with `funnel export`, and fill it in.",
            )
        return []
    mistakes = Mistakes()
    rows = parse_table(_content(path), _LIST, mistakes, is_default=False).rows
    mistakes.found = [(path.name, line, text) for _, line, text in mistakes.found]
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        if row.text("funnel") and (line := seen.setdefault(row.key(("source",)), row.line)) != row.line:
            mistakes.add(
                path.name, row.line, f"source {quoted(row.text('source'))} is on line {line} already"
            )
    mistakes.raise_if_any(fix=_FIX)
    return rows


def _content(path: Path) -> bytes:
    try:
        return outside.content(path)
    except OSError as error:
        raise FunnelError(
            f"The list can't be read ({error.strerror}).",
            file=str(path),
            fix="give the path of the filled list.",
        ) from None


def _append(config_dir: Path, tables: Tables, added: Sequence[Mapped]) -> None:
    """Write the mapping with more rows: the rows there are, in their order and with the file's own separator, first."""
    spec = SPECS[_MAPPING]
    path = tables.files[_MAPPING] or config_dir / spec.file
    content = path.read_bytes() if path.exists() else default_file(spec.file)
    sheet = read_sheet(content, spec.names)
    header = [*sheet.header]
    known = [normalised_name(title) for title in header]
    for name in spec.names:
        if name not in known:
            header.append(name)
            known.append(name)
    rows = [[*cells, *[""] * (len(header) - len(cells))] for _, cells in sheet.rows]
    for new in added:
        values = {"status": "active", **{name: "" if value is None else value for name, value in new.items()}}
        rows.append([str(values.get(name, "")) for name in known])
    write_whole(path, _BOM + _csv([header, *rows], sheet.separator), mode=PUBLIC_FILE)


def _csv(rows: Iterable[Sequence[Any]], separator: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\r\n")
    writer.writerows([shown(str(cell)) for cell in row] for row in rows)
    return text.getvalue().encode()
