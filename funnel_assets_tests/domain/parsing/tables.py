"""Small text tables for the parsers' tests, and what every parser's result must satisfy."""

import datetime as dt
import json

import pandas as pd

from funnel_assets.contracts.base import CONTRACTS, conform, violations
from funnel_assets.domain.parsing import PARSERS, Parsed, SourceContext, parse
from funnel_assets_tests.pseudonyms import PSEUDONYMS

NOV_3, NOV_4 = dt.date(2025, 11, 3), dt.date(2025, 11, 4)


def table(rows: list[dict[str, str | None]]) -> pd.DataFrame:
    """Rows of text, numbered from line 2 as in a sheet with a header."""
    frame = pd.DataFrame(rows, dtype="str")
    frame["line"] = range(2, len(frame) + 2)
    return frame


def read(dataset: str, rows: list[dict[str, str | None]], **facts: object) -> Parsed:
    """Parse rows, and hold the result to the contract."""
    context = SourceContext(dataset, "source_one", **facts, pseudonyms=PSEUDONYMS)  # type: ignore[arg-type]
    parsed = parse(table(rows), context)
    check(parsed, dataset)
    return parsed


def check(parsed: Parsed, dataset: str) -> None:
    """Hold a result to its contract, its order, and the accounts."""
    contract = CONTRACTS[dataset]
    stored = conform(parsed.rows, contract)
    assert violations(stored, contract) == []
    names = [field.name for field in stored.schema]
    assert parsed.rows.columns.tolist() == [*names, "line"]
    key = parsed.rows[contract.key[0]]
    assert key.is_monotonic_increasing
    counts = parsed.counts
    assert counts.rows_in == counts.loaded + counts.duplicates + counts.quarantined
    assert all(money.missing == 0 for money in counts.money.values())
    for raw in parsed.quarantine["raw"]:
        json.loads(raw)


def quarantined(parsed: Parsed) -> dict[int, str]:
    """Reason per line."""
    return dict(zip(parsed.quarantine["line"], parsed.quarantine["reason"], strict=True))


def by_line(parsed: Parsed, column: str) -> dict[int, object]:
    """A column's values per line, missing as None."""
    values = parsed.rows[column].astype(object).where(parsed.rows[column].notna(), None)
    return dict(zip(parsed.rows["line"], values, strict=True))


def fates(parsed: Parsed) -> list[str]:
    """What the index says of each row, in the table's order."""
    return parsed.index["fate"].tolist()


def contents(parsed: Parsed, *without: str) -> list[tuple]:
    """Rows without their lines (and some columns), comparable."""
    rows = parsed.rows.drop(columns="line").drop(columns=list(without), errors="ignore").astype(object)
    return list(rows.where(rows.notna(), None).itertuples(index=False, name=None))


def day_by_day(rows: pd.DataFrame, context: SourceContext) -> pd.DataFrame:
    """Clean each day alone, from one index, as the pipeline does when few days changed."""
    parser = PARSERS[context.dataset]
    index = parser.index_rows(rows, context)
    parts = []
    for day in index["day"].dropna().unique():
        chosen = ((index["day"] == day) & (index["fate"] == "load")).to_numpy()
        parts.append(parser.clean_rows(rows[chosen], index[chosen], context).rows)
    return pd.concat(parts).sort_values(CONTRACTS[context.dataset].key[0], ignore_index=True)
