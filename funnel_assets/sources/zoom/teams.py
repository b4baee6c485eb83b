"""What Teams says twice: who was there in "2. Participants", each visit in "3. In-Meeting Activities".

Belongs here: which visits are whose, and who of a Teams meeting held it. Does not belong here: any other vendor's
staff.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from funnel_assets.sources.zoom.doubts import Doubt
from funnel_assets.sources.zoom.fit import Rows
from funnel_assets.sources.zoom.labels import key

# Each length is cut to its second, or its minute.
_APART_MINUTES = 1.0
_NAT = np.iinfo(np.int64).min
_Place = tuple[Rows, int]


def join_activities(read: Sequence[Rows]) -> None:
    """Give each visit of the activities the e-mail and role of its person, whose own times then say nothing more.

    A person without visits keeps the times of "2. Participants". A visit under a name that several people have can be
    anybody's: it is set apart, and those people keep their times too.
    """
    people = [rows for rows in read if rows.people.block.section == "teams_people"]
    activities = [rows for rows in read if rows.people.block.section == "teams_activity"]
    if not people or not activities:
        return
    by_email, by_name = _index(people, "email"), _index(people, "user_name")
    visited: list[_Place] = []
    for rows in activities:
        visited += _owners(rows, by_email, by_name)
    _compare(people, activities, visited)
    for rows, row in visited:
        rows.times["join_time"][row] = rows.times["leave_time"][row] = _NAT
        rows.minutes[row] = np.nan


def _compare(people: Sequence[Rows], activities: Sequence[Rows], visited: Sequence[_Place]) -> None:
    """Doubt a report whose two lists aren't of the same people, or whose visits don't add up to a person's time."""
    listed = sum(int((rows.people.why == None).sum()) for rows in people)  # noqa: E711 - elementwise
    with_visits = {(id(rows), row) for rows, row in visited}
    visits = sum(int((rows.people.why == None).sum()) for rows in activities)  # noqa: E711 - elementwise
    if listed > len(with_visits) or visits > len(visited):
        detail = (
            f"{listed - len(with_visits)} of {listed} people have no visit among the activities, and "
            f"{visits - len(visited)} of {visits} visits are of nobody listed."
        )
        counts = {"people": listed, "visits": visits}
        people[0].people.doubts.append(Doubt("totals_differ", detail, counts))
        return
    stated = sum(float(np.nansum(rows.minutes)) for rows in people)
    lasted = sum(float(np.nansum(rows.minutes)) for rows in activities)
    if stated - lasted > _APART_MINUTES * listed:
        detail = f"The people's times add up to {stated:.0f} minutes, their visits to {lasted:.0f}."
        people[0].people.doubts.append(Doubt("totals_differ", detail, {"people": listed, "visits": visits}))


def _index(people: Sequence[Rows], name: str) -> dict[str, list[_Place]]:
    found: dict[str, list[_Place]] = {}
    for rows in people:
        for row, text in enumerate(_texts(rows, name)):
            if text and rows.people.why[row] is None:
                found.setdefault(key(text), []).append((rows, row))
    return found


def _texts(rows: Rows, name: str) -> list[str | None]:
    column = rows.people.text.get(name)
    return column.to_pylist() if column is not None else [None] * len(rows.minutes)


def _owners(rows: Rows, by_email: dict[str, list[_Place]], by_name: dict[str, list[_Place]]) -> list[_Place]:
    """People of these visits; fills the visits' e-mails and sections."""
    emails, names, owners = _texts(rows, "email"), _texts(rows, "user_name"), []
    several = np.zeros(len(rows.minutes), dtype=bool)
    for row, (email, name) in enumerate(zip(emails, names, strict=True)):
        of = by_email.get(key(email), []) if email else by_name.get(key(name or ""), [])
        known = {_texts_at(place, "email") or str(place[1]) for place in of}
        several[row] = len(known) > 1
        if not of or len(known) > 1 or rows.people.why[row] is not None:
            continue
        owners += of
        emails[row] = email or _texts_at(of[0], "email")
        rows.section[row] = of[0][0].section[of[0][1]]
    rows.people.text["email"] = pa.array(emails, pa.string())
    rows.people.refuse(several, "ambiguous_name", "")
    return owners


def _texts_at(place: _Place, name: str) -> str | None:
    column = place[0].people.text.get(name)
    return column[place[1]].as_py() if column is not None else None


def mark_presenters(read: Sequence[Rows]) -> None:
    """Whoever presents holds the event, unless most do: Teams makes presenters of all colleagues by default."""
    roles: dict[str, set[str]] = {}
    for rows in read:
        for row, (email, name) in enumerate(
            zip(_texts(rows, "email"), _texts(rows, "user_name"), strict=True)
        ):
            if rows.people.why[row] is None:
                roles.setdefault(key(email or name or str(row)), set()).add(str(rows.section[row]))
    presenting = sum("panelist" in found for found in roles.values())
    attending = sum(found == {"attendee"} for found in roles.values())
    if presenting <= attending:
        return
    for rows in read:
        rows.section[rows.section == "panelist"] = "attendee"
    read[0].people.notes.append(
        f"{presenting} of {len(roles)} people are presenters, so presenting says nothing here: they count as attending."
    )
