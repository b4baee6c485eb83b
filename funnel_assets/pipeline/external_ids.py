"""Ids by which sources know people, and what is wrong with them (seed 004: ``mql_id`` is unique, deals have a lead).

Belongs here: repeated ids, and sales whose id no lead has. Does not belong here: what follows (``FUNNEL_ID_CHECK``), or
who a person is (``domain.identity``).
"""

import datetime as dt

from funnel_assets.config.source_model import Source
from funnel_assets.config.sources import SourcesConfig
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import BEFORE, Lake

_ONCE = ("raw_leads", "crm_sales")
_MOST_NAMED = 3


def id_problems(lake: Lake, sources: SourcesConfig) -> list[str]:
    """Say which ids stand on several rows of a source, and which sales have an id that no lead has.

    Only sources that map an id (``external_id`` of sources.yaml) are looked at: over all days, those before the first
    one included. Ids are named by their keys, which ``funnel explain`` takes.
    """
    told = []
    with DuckDBEngine() as engine:
        for dataset in _ONCE:
            names = [source.name for source in sources.of(dataset) if source.external_id]
            if names:
                rows = engine.scan(lake, dataset, _all_days(lake, dataset), ["source_name", "external_key"])
                found = rows.filter("external_key IS NOT NULL").aggregate(
                    "source_name, external_key, count(*) AS n", "source_name, external_key"
                )
                told += _repeated(dataset, names, found.filter("n > 1").order("external_key").fetchall())
        with_id = [source for source in sources.of("crm_sales") if source.external_id]
        spaces = {source.id_namespace for source in sources.of("raw_leads") if source.external_id}
        asked = [source for source in with_id if source.id_namespace in spaces]
        if asked:
            leads = engine.scan(lake, "raw_leads", _all_days(lake, "raw_leads"), ["external_key"])
            sales = engine.scan(lake, "crm_sales", lake.days("crm_sales"), ["source_name", "external_key"])
            lonely = (
                sales.filter("external_key IS NOT NULL")
                .set_alias("sales")
                .join(leads.set_alias("leads"), "external_key", how="anti")
                .project("source_name, external_key")
                .order("external_key")
            )
            told += _without_lead(asked, lonely.fetchall())
    return told


def _all_days(lake: Lake, dataset: str) -> list[dt.date]:
    return [BEFORE, *lake.days(dataset)]


def _repeated(dataset: str, names: list[str], found: list[tuple[str, str, int]]) -> list[str]:
    told = []
    for name in names:
        of_source = [(key, rows) for source, key, rows in found if source == name]
        if of_source:
            rows = sum(rows for _, rows in of_source)
            keys = _named([key for key, _ in of_source])
            told.append(
                f"{dataset}, {name}: {len(of_source)} id(s) stand on {rows} rows instead of one each ({keys})"
            )
    return told


def _without_lead(asked: list[Source], lonely: list[tuple[str, str]]) -> list[str]:
    told = []
    for source in asked:
        keys = [key for name, key in lonely if name == source.name]
        if keys:
            told.append(
                f"crm_sales, {source.name}: {len(keys)} sale(s) have an id that no lead has ({_named(keys)})"
            )
    return told


def _named(keys: list[str]) -> str:
    rest = len(keys) - _MOST_NAMED
    return ", ".join(keys[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
