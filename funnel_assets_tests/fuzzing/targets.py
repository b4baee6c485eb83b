"""The readers as functions of bytes, each of which may raise the package's own errors and nothing else.

Belongs here: how bytes become a reader's input. Does not belong here: making the bytes (atheris), limits (`replay`).
"""

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from funnel_assets.config.mistakes import Mistakes
from funnel_assets.config.sources import load_sources
from funnel_assets.config.table_cells import parse_table
from funnel_assets.config.table_specs import SPECS
from funnel_assets.domain.dates import ISO_FORMATS, parse_day, parse_local
from funnel_assets.domain.email import mailboxes, normalize_emails
from funnel_assets.domain.money import parse_integers, parse_money
from funnel_assets.domain.phone import normalize_phones
from funnel_assets.errors import FunnelError
from funnel_assets.masking import mask_text, redact_url
from funnel_assets.shown import shown
from funnel_assets.sources.fields import field
from funnel_assets.sources.tabular import Kind, RawTable, read_table
from funnel_assets.sources.zoom import read_report

_HINTS = ("Name", "Email", "Phone number", "created date")
_FORMATS = ("%d/%m/%Y %H:%M", "%d %b %Y", "%m/%d/%y %I:%M:%S %p", "excel", "unix", "unix_ms", *ISO_FORMATS)
_KNOWN_SPECS = tuple(SPECS)


def table(kind: Kind, data: bytes) -> None:
    """Read a table, and what is made of any table: its rows as Python values, a field inside, text to show."""
    found = read_table(data, kind=kind, required_hint=_HINTS, allow_empty=True)
    _use(found)


def _use(found: RawTable) -> None:
    rows = found.table.to_pylist()
    assert found.rows_in == len(rows) + len(found.ragged)
    for name in found.columns[:20]:
        field(found, f"{name}.a.0.b")
    for row in found.ragged[:20]:
        row.raw.encode()


def zoom(data: bytes) -> None:
    """Read a webinar vendor's report."""
    report = read_report(data, file="report 2025_03_22.csv", timezone="Asia/Kolkata")
    report.table.to_pylist()
    report.quarantined.to_dict("records")


def _cells(data: bytes) -> pd.Series:
    """Lines of text as cells; the text is what a reader would make of these bytes."""
    text = data.decode("utf-8", "replace").replace("\x00", "")
    return pd.Series(text.split("\n"), dtype="str")


def dates(data: bytes) -> None:
    """Read moments and days."""
    cells = _cells(data)
    parse_local(cells, formats=_FORMATS, timezone="America/New_York")
    parse_day(cells, formats=_FORMATS, timezone="Asia/Kolkata", day_timezone="America/New_York")


def phones(data: bytes) -> None:
    """Read phones of four countries' plans."""
    for country in ("IN", "US", "RU", "MX"):
        read = normalize_phones(_cells(data), country=country)
        kept = read["phone"].dropna()
        assert kept.str.fullmatch("[0-9]{7,17}").all(), kept.tolist()


def emails(data: bytes) -> None:
    """Read addresses; an address that was read is read again as itself."""
    read = normalize_emails(_cells(data)).dropna()
    assert read.str.count("@").ge(1).all()
    mailboxes(read)


def money(data: bytes) -> None:
    """Read amounts and counts."""
    parse_money(_cells(data))
    parse_money(_cells(data), currency="USD", in_minor_units=True)
    parse_integers(_cells(data))


def config_table(data: bytes) -> None:
    """Read a config table; the first byte says which."""
    spec = SPECS[_KNOWN_SPECS[data[0] % len(_KNOWN_SPECS)]] if data else SPECS[_KNOWN_SPECS[0]]
    mistakes = Mistakes()
    parse_table(data[1:], spec, mistakes, is_default=False)
    mistakes.raise_if_any(fix="correct it.")


def sources_yaml(data: bytes) -> None:
    """Read ``sources.yaml``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sources.yaml")
        file.write_bytes(data)
        config = load_sources(file, {"FUNNEL_HOME": folder}, apart=True)
        for source in config.sources:
            _ = source.fingerprint(), source.shown_location


def text(data: bytes) -> None:
    """Mask and show a text."""
    words = data.decode("utf-8", "surrogatepass" if data[:1] == b"\xed" else "replace")
    shown(mask_text(words)).encode()
    redact_url(words)


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {
        "csv": partial(table, "csv"),
        "json": partial(table, "json"),
        "jsonl": partial(table, "jsonl"),
        "xlsx": partial(table, "xlsx"),
        "parquet": partial(table, "parquet"),
        "zoom": zoom,
        "dates": dates,
        "phones": phones,
        "emails": emails,
        "money": money,
        "config": config_table,
        "sources": sources_yaml,
        "text": text,
    }
)


def run(name: str, data: bytes) -> None:
    """Give bytes to a target; the package's own errors are answers, anything else is a find."""
    with contextlib.suppress(FunnelError):
        TARGETS[name](data)
