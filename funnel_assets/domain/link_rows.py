"""must_link and cannot_link: what people decided about who is who (SPEC 6; config table ``identity_links.csv``).

Belongs here: reading the rows as one set of decisions, and finding those that contradict each other. Does not belong
here: what they do to a record (:mod:`funnel_assets.domain.identity`).

A row names two people by phone, e-mail or person id. People joined by must_link, directly or through others, are one
group with one id: of what its rows name, the phone that sorts first, else the e-mail that sorts first, else the id
that does, a source's own before that of a record that stands alone.
The id depends on the rows alone, so no day of data can rename a group. cannot_link holds between whole groups.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pyarrow as pa

from funnel_assets.domain.countries import HOME
from funnel_assets.domain.email import normalize_email
from funnel_assets.domain.keys import ALONE_MARK, EMAIL_MARK, EXTERNAL_MARK, PHONE_MARK, Pseudonyms
from funnel_assets.domain.phone import normalize_phone

MUST_LINK, CANNOT_LINK = "must_link", "cannot_link"

_PERSON_ID = re.compile(r"[pex][0-9a-f]{16}|a(?=.*[0-9]).+")
_PEOPLE = pa.schema([("key", pa.string()), ("person_id", pa.string())])
_APART = pa.schema([("key", pa.string()), ("other", pa.string()), ("own", pa.string())])


class LinkRow(NamedTuple):
    """One row: ``must_link`` or ``cannot_link``, and the keys of the two people."""

    action: str
    a: str
    b: str


@dataclass(frozen=True)
class Names:
    """Tells whom people name by phone, e-mail or person id.

    Attributes:
        pseudonyms: Makes keys of phones and e-mails.
        country: Whose phone number a national one is (FUNNEL_COUNTRY).
        translate: Gives the key that a person id stands for today; an id may be from before the secret was changed.
    """

    pseudonyms: Pseudonyms
    country: str = HOME
    translate: Callable[[str], str] = str

    def key(self, named: object) -> str:
        """Return the key of a person as people write them; a text that names nobody is returned as it is."""
        text = str(named).strip()
        if "@" in text:
            return self.pseudonyms.email_key(normalize_email(text) or text.lower())
        if is_key(text.lower()):
            return self.translate(text if text.startswith(ALONE_MARK) else text.lower())
        phone = normalize_phone(text, country=self.country).phone
        return self.pseudonyms.phone_key(phone) if phone else text


def is_key(key: str) -> bool:
    """Return whether a key names a phone, an e-mail or a person, rather than being a text that couldn't be read."""
    return _PERSON_ID.fullmatch(key) is not None


def link_rows(rows: Iterable[Mapping[str, object]], names: Names) -> list[LinkRow]:
    """Return the rows of identity_links.csv with the people's keys."""
    return [
        LinkRow(str(row["action"]), names.key(row["person_a"]), names.key(row["person_b"])) for row in rows
    ]


def groups(rows: Iterable[LinkRow]) -> dict[str, str]:
    """Return the group's id for each key that a must_link row names."""
    members: dict[str, set[str]] = {}
    for row in rows:
        if row.action == MUST_LINK:
            joined = members.get(row.a, {row.a}) | members.get(row.b, {row.b})
            members |= dict.fromkeys(joined, joined)
    return {key: min(joined, key=_precedence) for key, joined in members.items()}


def _precedence(key: str) -> tuple[int, str]:
    # Not found is -1, which comes last: a record that stands alone.
    marks = PHONE_MARK + EMAIL_MARK + EXTERNAL_MARK
    return marks.find(key[:1]) % 4, key


def contradictions(rows: Sequence[LinkRow]) -> Iterator[tuple[int, list[int]]]:
    """Return each cannot_link row that parts people whom must_link rows join: its place, and theirs."""
    for place, row in enumerate(rows):
        if row.action == CANNOT_LINK:
            chain = _chain(rows, row.a, row.b)
            if chain:
                yield place, chain


def _chain(rows: Sequence[LinkRow], start: str, end: str) -> list[int]:
    """Return the places of the fewest must_link rows that lead from one key to another."""
    reached: dict[str, list[int]] = {start: []}
    front = [start]
    while front and end not in reached:
        following = []
        for place, row in enumerate(rows):
            for here, there in ((row.a, row.b), (row.b, row.a)):
                if row.action == MUST_LINK and here in front and there not in reached:
                    reached[there] = [*reached[here], place]
                    following.append(there)
        front = following
    return reached.get(end, [])


def people_table(rows: Sequence[LinkRow]) -> pa.Table:
    """Return the groups. Grain: one key that a must_link row names. Columns: key, person_id (the group's id)."""
    found = [{"key": key, "person_id": person} for key, person in sorted(groups(rows).items())]
    return pa.Table.from_pylist(found, schema=_PEOPLE)


def apart_table(rows: Sequence[LinkRow]) -> pa.Table:
    """Return who is kept apart from whom.

    Grain: one key and one key that it must not share a person with, in both directions, groups written out. Columns:
    key, other, own (the id of the key's own group, else the key).
    """
    named = groups(rows)
    members: dict[str, set[str]] = {}
    for key, person in named.items():
        members.setdefault(person, set()).add(key)
    pairs = set()
    for row in rows:
        if row.action == CANNOT_LINK:
            sides = [members.get(named.get(key, key), {key}) for key in (row.a, row.b)]
            pairs |= {(a, b) for a in sides[0] for b in sides[1]} | {
                (b, a) for a in sides[0] for b in sides[1]
            }
    found = [{"key": key, "other": other, "own": named.get(key, key)} for key, other in sorted(pairs)]
    return pa.Table.from_pylist(found, schema=_APART)
