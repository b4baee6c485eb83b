"""What an event is: webinar or bootcamp, which day of it, its category, who held it (SPEC 5, seed 001).

Belongs here: rules that need only the topic, the date, the webinar ID, the names on stage and the two config tables.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterable, Sequence

import pandas as pd

_DAY = re.compile(r"Day[\s\-_]*([12])(?!\d)", re.IGNORECASE)
_DAY_WORD = re.compile(r"\bDay[\s\-_]*[12](?!\d)", re.IGNORECASE)
_BOOTCAMP = re.compile(r"boot[\s\-_]*camp", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"[(（\[]([^)）\]]*)[)）\]]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_SATURDAY, _SUNDAY = 5, 6


def event_type(topic: str | None, day_count: int = 1) -> str:
    """``bootcamp`` when the topic says so, names a Day 1 or Day 2, or one event runs over several days."""
    text = topic or ""
    return "bootcamp" if day_count > 1 or _BOOTCAMP.search(text) or _DAY_WORD.search(text) else "webinar"


def bootcamp_day(topic: str | None, day: dt.date, event_days: Sequence[dt.date] = ()) -> int:
    """Which day of a bootcamp: 1 or 2 (SPEC 5, seed 001).

    Days of one event that spans several are counted off, whatever its topic says, since one topic then names them all.
    Otherwise the number after "Day" in the topic, else Saturday 1 and Sunday 2, else 1.
    """
    if len(event_days) > 1:
        return min(sorted(event_days).index(day) + 1, 2)
    found = _DAY.search(topic or "")
    if found:
        return int(found.group(1))
    return {_SATURDAY: 1, _SUNDAY: 2}.get(day.weekday(), 1)


def category(topic: str | None, categories: pd.DataFrame) -> str | None:
    """Category whose token stands in the topic as words of its own; the longest token wins.

    Args:
        topic: Event topic.
        categories: Columns token, category (``categories.csv``).
    """
    text = f" {name_key(topic)} "
    best: tuple[int, str, str] | None = None
    for token, name in zip(categories["token"], categories["category"], strict=True):
        wanted = name_key(token)
        if wanted and f" {wanted} " in text:
            best = min(best or (-len(wanted), wanted, name), (-len(wanted), wanted, name))
    return best[2] if best else None


def conductor(
    webinar_id: str | None,
    panelists: Iterable[str | None],
    hosts: Iterable[str | None],
    conductors: pd.DataFrame,
) -> str | None:
    """Who held the event: by webinar ID, else by an approved alias among the panelists, else the host.

    A host's name is replaced by the approved name where it is an alias itself. Of several panelists with an alias the
    one whose alias comes first in the table wins.

    Args:
        webinar_id: Digits.
        panelists: Names on stage.
        hosts: Host names, first host first.
        conductors: Columns webinar_id, alias, conductor (``conductors.csv``).
    """
    rows = [
        (_digits(number), name_key(alias), name)
        for number, alias, name in zip(
            conductors["webinar_id"], conductors["alias"], conductors["conductor"], strict=True
        )
    ]
    for number, _, name in rows:
        if number and number == webinar_id:
            return name
    spoken = {spelling for person in panelists for spelling in name_spellings(person)}
    for _, alias, name in rows:
        if alias and alias in spoken:
            return name
    hosts = [host for host in hosts if isinstance(host, str) and host.strip()]
    approved = {alias: name for _, alias, name in reversed(rows) if alias}
    for host in hosts:
        for spelling in name_spellings(host):
            if spelling in approved:
                return approved[spelling]
    return " ".join(_IN_BRACKETS.sub(" ", hosts[0]).split()) or hosts[0].strip() if hosts else None


def name_key(text: object) -> str:
    """A name or topic reduced to what its spellings share: lower case, one space between words, no punctuation."""
    if not isinstance(text, str):
        return ""
    if text.isascii():
        return " ".join(_NOT_WORD.sub(" ", text.lower()).split())
    lowered = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in lowered)
    return " ".join(kept.split())


def name_spellings(text: object) -> list[str]:
    """Keys of a shown name and of the original name in brackets behind it."""
    if not isinstance(text, str):
        return []
    shown = name_key(_IN_BRACKETS.sub(" ", text))
    return list(dict.fromkeys(key for key in (shown, *map(name_key, _IN_BRACKETS.findall(text))) if key))


def _digits(value: object) -> str:
    return re.sub(r"\D", "", value) if isinstance(value, str) else ""
