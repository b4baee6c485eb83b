"""The files of a written SaaS world, for whoever checks them.

Belongs here: reading. Does not belong here: what must hold (`check_saas`, `check_saas_exports`).

Traffic is too large for memory at full volume, so it is asked with DuckDB, out of core.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq

_DAY = pd.Timedelta(days=1)


class SaasFolder:
    """The files of a written world."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads(
            (folder / "answer_key" / "world.json").read_text(encoding="utf-8")
        )
        self.days: int = self.about["days"]
        self.scale: float = self.about["scale"]
        self.end = pd.Timestamp(self.about["end_date"], tz="UTC") + _DAY
        self._database = duckdb.connect()
        for setting in ("memory_limit = '2GB'", "TimeZone = 'UTC'", "threads = 2"):
            self._database.execute(f"SET {setting}").fetchall()
        for name in ("sessions", "events"):
            files = str(folder / "parquet" / name / "*.parquet").replace("'", "''")
            self._database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}')").fetchall()

    def sql(self, query: str) -> pd.DataFrame:
        """Ask the traffic files."""
        return self._database.sql(query).to_arrow_table().to_pandas()

    def number(self, query: str) -> int:
        """Ask the traffic files for one number."""
        rows = self._database.sql(query).fetchall()
        return int(rows[0][0] or 0) if rows else 0

    def close(self) -> None:
        """Let go of the files."""
        self._database.close()

    def table(self, name: str) -> pd.DataFrame:
        """A table by path, e.g. ``parquet/leads``; coded columns as text."""
        frame = pq.read_table(self.folder / f"{name}.parquet").to_pandas()
        coded = [column for column in frame.columns if isinstance(frame[column].dtype, pd.CategoricalDtype)]
        return frame.astype(dict.fromkeys(coded, object))

    @cached_property
    def leads(self) -> pd.DataFrame:
        """Leads with their outcome."""
        leads, key = self.table("parquet/leads"), self.table("answer_key/outcomes")
        return leads.join(key[["converts", "converts_at", "demo_held", "deal_at", "lead_id", "in_world"]])

    @cached_property
    def subscriptions(self) -> pd.DataFrame:
        """Subscriptions."""
        return self.table("parquet/subscriptions")

    @cached_property
    def deals(self) -> pd.DataFrame:
        """Deals."""
        return self.table("parquet/deals")

    def export(self, name: str, folder: str = "exports") -> list[dict[str, Any]]:
        """Rows of a JSON export."""
        return json.loads((self.folder / folder / f"{name}.json").read_text(encoding="utf-8"))["data"]

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the events of Amplitude's export."""
        with (self.folder / "exports" / "amplitude_events.jsonl").open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    @cached_property
    def _faults(self) -> pd.DataFrame:
        if "faults" not in self.about:
            return pd.DataFrame(columns=["fault", "dataset", "row", "detail", "id", "was", "now", "other"])
        return self.table("answer_key/faults")

    def planted(self, *faults: str, dataset: str | None = None) -> pd.DataFrame:
        """Rows of the answer key of faults: of these faults (all, when none is named), of one dataset."""
        found = self._faults
        if faults:
            found = found[found["fault"].isin(faults)]
        return found if dataset is None else found[found["dataset"] == dataset]
