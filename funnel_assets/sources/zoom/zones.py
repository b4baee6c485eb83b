"""What the name of a time zone behind a time, or in a header, means.

Belongs here: names of zones and the offsets they stand for. A name that can mean several offsets, none of them the
account's own, is never guessed: its times are set apart with every reading shown. The names are in ``labels.csv``.
"""

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.labels import Labels, key

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?([0-5]\d)?")
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_MOST_SECONDS = 14 * 3600


@dataclass(frozen=True)
class Zone:
    """What a zone's name stands for.

    Attributes:
        name: As written, in capitals.
        offset: Seconds ahead of UTC; None where nothing says which, and ``why`` does.
        clock: IANA zone whose clocks must have shown this name at that moment (no EST in a July of New York).
        why: What the name can mean, in words.
    """

    name: str
    offset: int | None
    clock: str | None = None
    why: str = ""

    def shown(self, utc_us: np.ndarray) -> np.ndarray:
        """At which of these moments (UTC microseconds) the zone's clocks showed this name."""
        if self.clock is None or self.offset is None:
            return np.ones(len(utc_us), dtype=bool)
        if not len(utc_us):
            return np.ones(0, dtype=bool)
        one = only_offset(self.clock, int(utc_us.min()) // _DAY_US, int(utc_us.max()) // _DAY_US)
        if one is not None:
            return np.full(len(utc_us), one == self.offset * _SECOND_US)
        moments = pd.DatetimeIndex(utc_us.view("datetime64[us]"), tz="UTC").tz_convert(ZoneInfo(self.clock))
        local = moments.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
        return local - utc_us == self.offset * _SECOND_US


@cache
def own_zone_names(timezone: str) -> frozenset[str]:
    """How the account's zone may be called: ``ASIA/KOLKATA``, and ``IST`` where one abbreviation serves all year."""
    names = {name for name, _ in _names(timezone)}
    return frozenset({timezone.upper(), *(name for name in names if len(names) == 1 and name.isalpha())})


def named_zone(name: str, timezone: str, labels: Labels) -> Zone:
    """Read a zone's name: ``GMT+5:30``, ``+0530``, ``Z``, or one of the table's, such as ``EST``.

    Args:
        name: As written.
        timezone: The account's own zone; of several that share a name it is the one that is meant.
        labels: The table of names.
    """
    plain = name.upper().replace(" ", "")
    if plain in ("Z", "UTC", "GMT"):
        return Zone(plain, 0)
    offset = _OFFSET.fullmatch(plain)
    if offset:
        size = int(offset[2]) * 3600 + int(offset[3] or 0) * 60
        if size <= _MOST_SECONDS:
            return Zone(plain, -size if offset[1] == "-" else size)
        return Zone(plain, None, why=f"No clock is {plain} from UTC.")
    places = [place for place in labels.by_kind["zone"].get(key(plain), "").split("|") if place]
    places = [timezone] if plain in {called for called, _ in _names(timezone)} else places
    meant = {place: _offset_called(plain, place) for place in places}
    if not meant:
        return Zone(plain, None, why=f"The time zone {plain} isn't known.")
    if len(set(meant.values())) > 1:
        readings = " or ".join(f"{_city(place)} ({_written(seconds)})" for place, seconds in meant.items())
        return Zone(plain, None, why=f"The time zone {plain} can be {readings}.")
    place, seconds = next(iter(meant.items()))
    return Zone(plain, seconds, place if len(_names(place)) > 1 else None)


def header_zone(name: str, timezone: str, labels: Labels) -> Zone | None:
    """Zone that a header names for its whole column; None for the account's own.

    Raises:
        ReportRefused: ``unknown_zone`` for a zone that isn't known; its times would be hours off.
    """
    plain = name.upper().replace(" ", "")
    if plain in own_zone_names(timezone):
        return None
    zone = named_zone(plain, timezone, labels)
    if zone.offset is None:
        raise ReportRefused(
            f"A header gives times in the time zone {name!r}. {zone.why}", reason="unknown_zone"
        )
    return zone


def other_name(zone: Zone, utc_us: int) -> str:
    """What the zone's clocks really showed at a moment, with its offset: ``EDT (UTC-4:00)``."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=utc_us)
    local = moment.astimezone(ZoneInfo(zone.clock or "UTC"))
    return f"{local.tzname()} ({_written(_seconds(local))})"


@cache
def _names(timezone: str) -> tuple[tuple[str, int], ...]:
    """Names that a zone's clocks show over a year, each with its offset."""
    zone = ZoneInfo(timezone)
    moments = [dt.datetime(2025, month, 1, tzinfo=zone) for month in (1, 7)]
    return tuple(dict.fromkeys((moment.tzname() or "", _seconds(moment)) for moment in moments))


def _offset_called(name: str, place: str) -> int:
    """Offset of a zone under a name; a zone whose names are numbers has one offset only."""
    return dict(_names(place)).get(name, _names(place)[0][1])


def _seconds(moment: dt.datetime) -> int:
    offset = moment.utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _city(place: str) -> str:
    return place.rpartition("/")[2].replace("_", " ")


def _written(seconds: int) -> str:
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"UTC{'-' if seconds < 0 else '+'}{hours}:{minutes:02d}"


@lru_cache(maxsize=512)
def only_offset(timezone: str, first_day: int, last_day: int) -> int | None:
    """Offset in microseconds where the zone keeps one clock over these days since 1970; else None."""
    if last_day - first_day > 5000:
        return None
    zone = ZoneInfo(timezone)
    epoch = dt.datetime(1970, 1, 1, tzinfo=zone)
    offsets = {(epoch + dt.timedelta(days=day)).utcoffset() for day in range(first_day - 2, last_day + 3)}
    offset = offsets.pop()
    return None if offsets or offset is None else int(offset.total_seconds()) * _SECOND_US
