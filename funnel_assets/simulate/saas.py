"""The SaaS world: traffic, forms, trials, CRM and subscriptions as one story (seed 003), at full volume as Parquet.

Belongs here: the public face of the world, and which files it is written as. Does not belong here: the story
(`saas_story`), traffic (`saas_traffic`), tables (`saas_tables`), exports (`saas_exports`), faults (`saas_faults`).

Folders written: ``parquet/`` (everything), ``exports/`` (what the company could export, as JSON and CSV: Amplitude's
events of known users, Pipedrive's leads, activities and deals, Stripe's products, plans, subscriptions and invoices,
daily reports of Google Ads and Facebook Ads) and ``answer_key/``; with some faults ``dumps/``. All times are UTC;
money is integer cents of USD.
"""

import dataclasses
import datetime as dt
import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from funnel_assets.config.settings import DOTENV, START_DATE_FILE
from funnel_assets.errors import UsageError
from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.faults import Faults
from funnel_assets.simulate.saas_exports import (
    KnownUsers,
    ad_reports,
    amplitude_events,
    csv_text,
    export_rows,
    json_lines,
    json_text,
)
from funnel_assets.simulate.saas_faults import SaasFaults
from funnel_assets.simulate.saas_story import SaasStory, plan_volume, tell_saas
from funnel_assets.simulate.saas_tables import SaasTables, ad_spend_table, event_table, session_table
from funnel_assets.simulate.saas_traffic import Traffic, TrafficMaker

DEFAULT_DAYS = 365
_SETTINGS = """\
# This folder is a home: in it, `funnel backfill` and all else run on this world.
FUNNEL_HOME=.
FUNNEL_TIMEZONE=UTC
FUNNEL_CURRENCY=USD
"""

Progress = Callable[[int, int], None]
AMPLITUDE_EXPORT = Path("exports") / "amplitude_events.jsonl"


@dataclasses.dataclass(frozen=True)
class WrittenTraffic:
    """What writing the traffic gave.

    Attributes:
        counts: Answer key. Grain: one UTC day.
        paths: Files written.
        spend: Ad spend. Grain: one campaign on one UTC day.
        exported: Events in Amplitude's export.
    """

    counts: pa.Table
    paths: list[Path]
    spend: pa.Table
    exported: int


@dataclasses.dataclass
class SaasWorld:
    """A built SaaS world; traffic is made while it is written.

    Attributes:
        story: Leads and what became of them.
        traffic: Makes the sessions and events of any day.
        faults: What is planted in the exports on request.
    """

    story: SaasStory
    traffic: TrafficMaker
    faults: Faults

    @property
    def start_date(self) -> dt.date:
        """First UTC day."""
        return self.story.volume.start

    @property
    def end_date(self) -> dt.date:
        """Last UTC day."""
        return self.start_date + dt.timedelta(days=self.story.volume.days - 1)

    def about(self) -> dict[str, Any]:
        """Return the arguments and dates of the world, as in ``answer_key/world.json``."""
        volume = self.story.volume
        return {
            "world": "saas",
            "start_date": self.start_date.isoformat(),
            "end_date": self.end_date.isoformat(),
            "days": volume.days,
            "scale": volume.scale,
            "seed": self.story.seed,
            **({"faults": dataclasses.asdict(self.faults)} if self.faults != Faults() else {}),
        }


def build_saas(
    days: int = DEFAULT_DAYS,
    end_date: dt.date | None = None,
    scale: float = 1.0,
    seed: int = 1,
    faults: Faults | None = None,
) -> SaasWorld:
    """Build the SaaS world; the same arguments give the same bytes on any machine.

    Args:
        days: Number of days.
        end_date: Last day (UTC); yesterday by default.
        scale: 1.0 is the full volume of seed 003: 75,000 sessions a day.
        seed: Names the world.
        faults: Faults to plant in the exports.

    Raises:
        UsageError: When there is no day or nobody.
    """
    if days < 1 or scale <= 0 or seed < 0:
        raise UsageError(
            "a world needs at least one day, a scale above 0 and a seed of 0 or more", fix="see --help"
        )
    if scale > 100:
        raise UsageError("a day has room for 100 times the usual sessions", fix="use a scale of 100 or less")
    last = end_date or dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    volume = plan_volume(last - dt.timedelta(days=days - 1), days, scale, seed)
    story = tell_saas(volume, seed)
    return SaasWorld(story, TrafficMaker(story), faults or Faults())


def write_saas(world: SaasWorld, out: Path, progress: Progress | None = None) -> list[Path]:
    """Write the whole world.

    Args:
        world: A built world.
        out: Folder; ``parquet/``, ``exports/``, ``dumps/`` and ``answer_key/`` in it are replaced. It is a
            ``FUNNEL_HOME`` as it stands: config/sources.yaml reads the exports, and its ``.env`` (left alone if there
            is one) says that its days are those of UTC and its amounts dollars.
        progress: Called after each day with days done and days in all.

    Returns:
        The written paths.

    Raises:
        UsageError: When more faults are asked for than the exports have room for; nothing is written then.
    """
    tables = SaasTables(world.story)
    named: dict[str, pa.Table] = {
        "parquet/leads": tables.leads(),
        "parquet/activities": tables.activities(),
        "parquet/deals": tables.deals(),
        "parquet/deal_stages": tables.deal_stages(),
        "parquet/products": tables.products(),
        "parquet/plans": tables.plans(),
        "parquet/subscriptions": tables.subscriptions(),
        "parquet/campaigns": tables.campaigns(),
        "answer_key/outcomes": tables.outcomes(),
        "answer_key/revenue": tables.revenue(),
    }
    planted = SaasFaults(
        world.faults,
        world.story.seed,
        named["parquet/leads"],
        named["parquet/subscriptions"],
        world.story.volume.end_second,
    )
    named["answer_key/exported_leads"] = planted.leads_key(named["answer_key/outcomes"])
    named["answer_key/exported_sales"] = planted.sales_key(tables.sales())
    for folder in ("parquet", "exports", "answer_key", "dumps"):
        shutil.rmtree(out / folder, ignore_errors=True)
    written = [_write_table(table, out / f"{name}.parquet") for name, table in named.items()]
    traffic = _write_traffic(world, out, KnownUsers(world.story, tables), progress)
    written += traffic.paths
    written.append(_write_table(traffic.counts, out / "answer_key" / "traffic.parquet"))
    written.append(_write_table(traffic.spend, out / "parquet" / "ad_spend.parquet"))
    written += _write_exports(out, named, planted, traffic)
    sources = (
        resources.files("funnel_assets.simulate").joinpath("saas_sources.yaml").read_text(encoding="utf-8")
    )
    written.append(_write_text(out / "config" / "sources.yaml", sources))
    written.append(_write_text(out / START_DATE_FILE, f"{world.start_date}\n"))
    if not (out / DOTENV).exists():  # one that is there may hold secrets
        written.append(_write_text(out / DOTENV, _SETTINGS))
    about = json.dumps(world.about(), indent=2, sort_keys=True) + "\n"
    return [*written, _write_text(out / "answer_key" / "world.json", about)]


def _write_exports(
    out: Path, tables: dict[str, pa.Table], planted: SaasFaults, traffic: WrittenTraffic
) -> list[Path]:
    """Write what the products' own exports would hold, with the faults and their answer key."""
    planted.sent_twice(out / AMPLITUDE_EXPORT, traffic.exported)
    written = []
    for name, records in export_rows(tables, planted.now):
        written.append(_write_text(out / "exports" / f"{name}.json", json_text(name, records)))
        written.append(_write_text(out / "exports" / f"{name}.csv", csv_text(records)))
    for name, text in ad_reports(traffic.spend).items():
        written.append(_write_text(out / "exports" / f"{name}.csv", text))
    if planted.before is not None:
        for name, records in export_rows(tables, planted.before):
            if name in ("pipedrive_leads", "stripe_subscriptions", "stripe_invoices"):
                path = out / "dumps" / "before" / f"{name}.json"
                written.append(_write_text(path, json_text(name, records)))
    for name, body in planted.cut(out / "exports").items():
        path = out / "dumps" / "cut" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        written.append(path)
    if planted.planted:
        written.append(_write_table(planted.key(), out / "answer_key" / "faults.parquet"))
    return written


def _write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def _write_table(table: pa.Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    return path


def _write_traffic(
    world: SaasWorld, out: Path, users: KnownUsers, progress: Progress | None
) -> WrittenTraffic:
    """Write sessions and events, one file a month and one row group a day, and Amplitude's export as they come."""
    paths = [out / AMPLITUDE_EXPORT]
    counts: list[dict[str, Any]] = []
    spend: list[pa.Table] = []
    exported = 0
    writers: dict[str, pq.ParquetWriter] = {}
    month = ""
    days = world.story.volume.days
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with paths[0].open("w", encoding="utf-8", newline="") as amplitude:
        for number in range(days):
            date = world.start_date + dt.timedelta(days=number)
            traffic = world.traffic.day(number)
            tables = {
                "sessions": session_table(number, traffic),
                "events": event_table(world.story, number, traffic),
            }
            if f"{date:%Y-%m}" != month:
                month = f"{date:%Y-%m}"
                for writer in writers.values():
                    writer.close()
                for name, table in tables.items():
                    path = out / "parquet" / name / f"{month}.parquet"
                    path.parent.mkdir(exist_ok=True)
                    paths.append(path)
                    writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd")
            for name, table in tables.items():
                writers[name].write_table(table)
            counts.append(_counts(date, world.story.volume.new_users[number], traffic))
            spend.append(ad_spend_table(date, traffic, world.story.seed))
            events = amplitude_events(tables, users)
            amplitude.write(json_lines(events))
            exported += len(events)
            if progress is not None:
                progress(number + 1, days)
    for writer in writers.values():
        writer.close()
    return WrittenTraffic(pa.Table.from_pylist(counts), paths, pa.concat_tables(spend), exported)


def _counts(date: dt.date, new_users: int, traffic: Traffic) -> dict[str, Any]:
    kinds = np.bincount(traffic.events["type"].to_numpy(), minlength=len(c.EVENT_TYPES)).tolist()
    users = np.unique(traffic.sessions["user"].to_numpy())
    return {
        "date": date,
        "sessions": len(traffic.sessions),
        "active_users": len(users),
        "new_users": int(new_users),
        "events": len(traffic.events),
        **dict(zip(c.EVENT_TYPES, kinds, strict=True)),
    }
