"""What another funnel mapping would change, told before it is put in place (SPEC 7). Writes nothing.

Belongs here: making the days anew in memory with another mapping, and comparing. Does not belong here: any rule; the
same builders make the preview and, later, the days, so that the preview is what restatement gives.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.config.tables import load_tables
from funnel_assets.domain.marts import MEASURES
from funnel_assets.errors import FunnelError
from funnel_assets.pipeline.builders import BUILDERS
from funnel_assets.pipeline.compute import Frames
from funnel_assets.pipeline.graph import NODES, in_order
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.storage.engine import open_engine

TABLE = "funnel_mapping"

Cell = tuple[dt.date, str]
"""First day of a month, and a funnel."""
Figures = dict[Cell, dict[str, int | None]]


@dataclass(frozen=True)
class Move:
    """A source that goes to another funnel, and what goes with it.

    Attributes:
        source: Source, trimmed, in lower case.
        before: Its funnel now.
        after: Its funnel then.
        counts: leads, handovers, sales (paid, by the touch that started them) and net_revenue_paise.
    """

    source: str
    before: str
    after: str
    counts: Mapping[str, int]


@dataclass
class Preview:
    """Figures per month and funnel before and after, and the sources that move.

    Attributes:
        before: Measures of ``funnel_marts``, and ``credit_<model>_paise``: net revenue credited by ``sale_credit``.
        after: The same with the other mapping.
        moves: Sources that move, those with most leads first.
        waiting: Made datasets with days that wait to be made again for other reasons; figures of these days will
            move for those reasons too.
    """

    before: Figures = field(default_factory=dict)
    after: Figures = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    def moved(self) -> list[Cell]:
        """Months and funnels with a figure that moves, in order."""
        cells = sorted(self.before.keys() | self.after.keys())
        return [cell for cell in cells if self.before.get(cell) != self.after.get(cell)]


@dataclass
class _Anew(Frames):
    """Frames in which datasets made for the preview stand in for those of the lake."""

    made: dict[str, pa.Table] = field(default_factory=dict)

    def scan(self, dataset: str, days: Sequence[dt.date], columns: Sequence[str]) -> Any:
        if dataset not in self.made:
            return super().scan(dataset, days, columns)
        return self.engine.frame(self.made[dataset].select(columns))


def preview_mapping(pipeline: Pipeline, file: Path) -> Preview:
    """Compare the lake's figures with those that ``file`` in place of ``funnel_mapping.csv`` would give.

    Raises:
        ConfigError: If the file holds a mistake; names the file and the line.
        FunnelError: If nothing has been made yet.
    """
    tables = load_tables(pipeline.settings.config_dir, instead={TABLE: file}, names=pipeline.names())
    lake, start = pipeline.lake, pipeline.settings.start_date
    days = lake.days("funnel_marts")
    if not days:
        raise FunnelError("There is nothing to compare yet.", fix="run a day first: `funnel run`.")
    affected = [name for name in in_order(BUILDERS) if TABLE in NODES[name].config]
    before = {name: lake.read(name, days, require=False) for name in (*affected, "funnel_marts")}
    with open_engine(pipeline.settings.engine) as engine:
        frames = _Anew(engine, lake, tables, days[0], days[-1], start, currency=pipeline.settings.currency)
        for name in (*affected, "funnel_marts"):
            written = pa.array(lake.days(name), pa.date32())
            made = engine.collect(BUILDERS[name](frames))
            frames.made[name] = made.filter(pc.is_in(made["date"], value_set=written))
    after = {name: frames.made[name] for name in before}
    waiting = [name for name in (*affected, "funnel_marts") if pipeline.stale(name, days)]
    return Preview(_figures(before), _figures(after), _moves(before, after), waiting)


def _figures(tables: Mapping[str, pa.Table]) -> Figures:
    found: Figures = defaultdict(dict)
    for row in _summed(tables["funnel_marts"], ("funnel",), MEASURES):
        found[row["month"], row["funnel"]] |= {name: row[name] for name in MEASURES}
    for row in _summed(tables["sale_credit"], ("funnel", "model"), ("net_revenue_paise",)):
        found[row["month"], row["funnel"]][f"credit_{row['model']}_paise"] = row["net_revenue_paise"]
    return dict(found)


def _summed(table: pa.Table, by: Sequence[str], names: Sequence[str]) -> Iterable[dict[str, Any]]:
    month = pc.cast(pc.floor_temporal(table["date"], unit="month"), pa.date32())
    grouped = table.append_column("month", month).group_by(["month", *by])
    sums = grouped.aggregate([(name, "sum") for name in names])
    return sums.rename_columns(
        [column.removesuffix("_sum") if column.endswith("_sum") else column for column in sums.column_names]
    ).to_pylist()


_SOURCES = (
    ("dedup_leads", ("date", "person_id"), "first_source", "first_funnel", "leads"),
    ("assigned_leads", ("date", "phone_key"), "first_source", "funnel", "handovers"),
    ("sales_enriched", ("date", "sale_id"), "origin_source", "origin_funnel", "sales"),
)


def _moves(before: Mapping[str, pa.Table], after: Mapping[str, pa.Table]) -> list[Move]:
    found: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for dataset, key, source, funnel, count in _SOURCES:
        is_sale = dataset == "sales_enriched"
        names = [*key, source, funnel, *(("is_paid", "net_amount_paise") if is_sale else ())]
        then = after[dataset].select([*key, funnel]).rename_columns([*key, "_then"])
        both = before[dataset].select(names).join(then, list(key), join_type="inner")
        for row in both.filter(pc.fill_null(pc.not_equal(both[funnel], both["_then"]), False)).to_pylist():
            if is_sale and not row["is_paid"]:
                continue
            counts = found[(row[source] or "").strip().lower(), row[funnel], row["_then"]]
            counts[count] += 1
            if is_sale:
                counts["net_revenue_paise"] += row["net_amount_paise"] or 0
    moves = [Move(*names, dict(counts)) for names, counts in found.items()]
    return sorted(
        moves, key=lambda move: (-move.counts.get("leads", 0), move.source, move.before, move.after)
    )
