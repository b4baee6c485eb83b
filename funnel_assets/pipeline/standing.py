"""What days stand on that must be at hand before they are made again (SPEC 3): nothing is ever made with less.

Belongs here: what a home lacks, told apart from what a person took away, and how it is said. Does not belong here:
reading dumps and reports (``ingest``, ``zoom``), or which days are stale (``staleness``).

The facts of a day name its sources and Zoom reports. When one of them isn't among the inputs now, there are two cases:

* The landing holds it and ``sources.yaml`` names its source no longer: a person took the source away, here, where its
  bytes are. The day is made without it.
* The landing doesn't hold it: a new machine, a cleaned folder, an older backup, a second home on one lake. The day is
  left as it is, and the error says what is missing. Whoever means it writes it under ``taken_away`` in
  ``sources.yaml``, which is a person's word and stays there to be read.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from funnel_assets.errors import LandingLacks, MissingPartitions
from funnel_assets.storage.lake import name_days

CLOCKS_DIFFER = dt.timedelta(minutes=10)
"""A dump or report may be so much from the future: homes on one lake have clocks of their own."""

FILE, SOURCE = "file.", "source."

_SHORTEST = 8
"""Letters of a sha256 by which a report may be named."""

_RESTORE = "restore the landing folder of the home that made these days"


def lost_files(inputs: Mapping[str, str], landed: Collection[str], taken_away: Collection[str]) -> list[str]:
    """Return the Zoom reports that a day was made from and this home doesn't hold, by the beginning of their sha256.

    Args:
        inputs: What the day in the lake was made from.
        landed: sha256 of every report in the landing, of sources that are configured and that were.
        taken_away: What a person gave up.
    """
    here = {sha256[:12] for sha256 in landed}
    names = [name.removeprefix(FILE) for name in inputs if name.startswith(FILE)]
    return [name for name in names if name not in here and not name.startswith(given_up(taken_away))]


def given_up(taken_away: Collection[str]) -> tuple[str, ...]:
    """Return how the sha256 of reports begin that a person gave up."""
    return tuple(one.lower()[:12] for one in taken_away if len(one) >= _SHORTEST)


def lost_files_error(names: Sequence[str], day: dt.date) -> LandingLacks:
    """Say which reports of a day are gone."""
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return LandingLacks(
        f"the day was made from {len(names)} report(s) that this home doesn't hold: sha256 {some}. "
        "It is left as it is, not made with less.",
        day=day,
        fix=f"drop these reports into the inbox again, or {_RESTORE}. If they are to count no more, write "
        f"`taken_away: [{', '.join(names[:5])}]` into sources.yaml.",
    )


def lost_sources(
    inputs: Mapping[str, str],
    configured: Collection[str],
    landed: Collection[str],
    taken_away: Collection[str],
    empty: str,
) -> list[str]:
    """Return the sources that gave rows to a day, that this home neither has configured nor ever landed.

    Args:
        inputs: What the day in the lake was made from.
        configured: Names in ``sources.yaml``.
        landed: Names of sources of the dataset with a landed dump.
        taken_away: What a person gave up.
        empty: Digest of a day without rows.
    """
    return [
        name
        for key, made_of in inputs.items()
        if key.startswith(SOURCE)
        and (name := key.removeprefix(SOURCE)) not in {*configured, *landed, *taken_away}
        and not made_of.endswith(f".{empty}")
    ]


def lost_sources_error(names: Sequence[str], day: dt.date) -> LandingLacks:
    """Say which sources of a day this home doesn't know."""
    return LandingLacks(
        f"the day holds rows of {', '.join(names)}, which sources.yaml doesn't name and of which nothing has landed "
        "here. It is left as it is, not made with less.",
        day=day,
        source=names[0],
        fix=f"add the source to sources.yaml, or {_RESTORE}. If it is to count no more, write "
        f"`taken_away: [{', '.join(names)}]` into sources.yaml.",
    )


def lost_dump_error(source: str, day: dt.date) -> LandingLacks:
    """Say that a day was made from an older dump of a source that keeps recent days only, and that it is gone."""
    return LandingLacks(
        "the day was made from an older dump, which this home doesn't hold, and the dumps that it holds don't cover "
        "the day. It is left as it is, not made with less.",
        day=day,
        source=source,
        fix=f"{_RESTORE}. If the older dump is to count no more, write `taken_away: [{source}]` into sources.yaml.",
    )


def lost_error(lost: Mapping[str, Sequence[dt.date]]) -> MissingPartitions:
    """Say which days of its inputs a day would be made without, though they were in the lake once."""
    days = sorted({day for found in lost.values() for day in found})
    told = "; ".join(f"{name} {name_days(found)}" for name, found in lost.items())
    return MissingPartitions(
        f"days that it is made from were in the lake and are lost or damaged: {told}. It is left as it is, not made "
        "with less.",
        fix=f"run `funnel restate`, which makes them again from what has landed, or `funnel backfill --from {days[0]} "
        f"--to {days[-1]}`; the keeper does it by itself while `make ui` is up.",
    )
