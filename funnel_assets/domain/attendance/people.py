"""Rows of reports to one row per person per event day.

Belongs here: who counts, which rows are one person, walk-ins and no-shows. Does not belong here: which reports count
(`events`), how long a visit was (`minutes`).
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd

from funnel_assets.domain.attendance.base import (
    ATTENDANCE_COLUMNS,
    DUPLICATE,
    LOADED,
    QUARANTINED,
    STAFF,
    PhoneNormaliser,
)
from funnel_assets.domain.attendance.events import Events, Source
from funnel_assets.domain.attendance.minutes import time_in_session, whole_minutes
from funnel_assets.domain.countries import country_code
from funnel_assets.domain.email import mailbox, mailboxes
from funnel_assets.domain.webinars import name_key, name_spellings

_DAY_COUNTS = ("rows_in", "duplicates", "set_aside", "joined")
_CONTENT = [
    "section",
    "attended",
    "user_name",
    "first_name",
    "last_name",
    "email",
    "phone_raw",
    "approval",
    "registration_time",
    "join_time",
    "leave_time",
    "minutes",
    "country",
    "registration_source",
]


def input_rows(used: list[Source]) -> pd.DataFrame:
    """Rows of all reports in use except hosts' and panelists' own sections, ordered by content, not by file."""
    frames = []
    for number, source in enumerate(used):
        people = source.report.people
        keep = ~people["section"].isin(STAFF)
        frame = people[keep].copy()
        frame["source"] = number
        frame["file"] = source.report.file
        frame["is_registration"] = source.is_registration
        frame["day"] = source.row_days[keep]
        frames.append(frame)
    if not frames:
        return pd.DataFrame()
    table = pd.concat(frames, ignore_index=True)
    table["outcome"] = pd.Series(LOADED, index=table.index, dtype=object)
    table["reason"] = pd.Series(None, index=table.index, dtype=object)
    table["is_twin"] = table.duplicated([*_CONTENT, "source"])
    table.loc[table["is_twin"], "outcome"] = DUPLICATE
    return table


def read_phones(table: pd.DataFrame, countries: Sequence[str], normalise: PhoneNormaliser) -> pd.DataFrame:
    """Read the phones of rows of reports, given whose national numbers each report holds.

    Where the row states another country, a number that is no mobile of the report's country, but a number of that
    country, is that country's: 202 555 0123 from the United States is no landline in Pune. A mobile stays one: people
    who live abroad keep their number, and the report's country says where somebody sat, not whose number it is.
    """
    home = table["source"].map(dict(enumerate(countries)))
    phones = _read_by_country(table["phone_raw"], home, normalise)
    open_rows = phones["phone_status"].isin(("invalid", "landline", "unlisted"))
    stated = table.loc[open_rows, "country"].dropna().astype("object").map(country_code).dropna()
    stated = stated[stated != home[stated.index]]
    if len(stated):
        theirs = _read_by_country(table.loc[stated.index, "phone_raw"], stated, normalise)
        theirs = theirs[theirs["phone_status"].isin(("ok", "landline"))].assign(phone_status="foreign")
        phones.loc[theirs.index] = theirs
    return phones


def _read_by_country(texts: pd.Series, countries: pd.Series, normalise: PhoneNormaliser) -> pd.DataFrame:
    read = [normalise(of, country=str(country)) for country, of in texts.groupby(countries)]
    return pd.concat(read).astype("str").reindex(texts.index)


def resolve(table: pd.DataFrame, events: Events) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to people: fills ``outcome``, ``reason`` and ``date`` of ``table``; returns the attendance rows, and what
    became of every row (``AttendanceResult.days``)."""
    _set_aside_unregistered(table)
    _share_registration(table, events)
    everyone = _by_event_day(table, events, {key: number for number, key in enumerate(events.keys)})
    long = everyone[everyone["outcome"] == LOADED] if len(everyone) else everyone
    if len(long):
        long = _without_staff(long, table, [events.staff(*key) for key in events.keys])
        long = _with_person(long, table)
    if len(everyone):
        everyone["outcome"] = table["outcome"].reindex(everyone["row"]).to_numpy()
    days = account(events, everyone, long)
    if long.empty:
        return no_rows(), days
    facts = [events.facts(*key) for key in events.keys]
    return _people_rows(long, facts, [day for _, day in events.keys]), days


def _share_registration(table: pd.DataFrame, events: Events) -> None:
    """Give all rows of an address what its registration says, in a report over several days.

    The report has it on the first visit only, and who comes on the second day alone is no walk-in.
    """
    several = [number for number, days in enumerate(events.days) if len(days) > 1]
    rows = table["source"].isin(several) & table["email"].notna()
    if not rows.any():
        return
    of = table[rows].groupby(["source", "email"], sort=False)
    for name in (
        "registration_time",
        "approval",
        "registration_source",
        "phone",
        "phone_raw",
        "phone_status",
    ):
        table.loc[rows, name] = table.loc[rows, name].fillna(of[name].transform("first"))


def account(events: Events, everyone: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """Return ``AttendanceResult.days``: rows in are counted in the reports, the rest where it was decided."""
    counted: dict[str, Counter[dt.date]] = {name: Counter() for name in _DAY_COUNTS}
    for source, days in zip(events.used, events.days, strict=True):
        people = source.report.people
        guests = people[~people["section"].isin(STAFF)]
        for day in days:
            counted["rows_in"][day] += int(_speaks(guests, source.row_days[guests.index], day, days).sum())
    if len(everyone):
        fates = {DUPLICATE: "duplicates", QUARANTINED: "set_aside"}
        kept = set(zip(long["row"], long["event"], strict=True)) if len(long) else set()
        for row, event, outcome in everyone[["row", "event", "outcome"]].itertuples(index=False, name=None):
            if outcome in fates and (row, event) not in kept:
                counted[fates[outcome]][events.keys[event][1]] += 1
    if len(long):
        for event in long.loc[long.duplicated(["event", "person"]), "event"].tolist():
            counted["joined"][events.keys[event][1]] += 1
    days = sorted({day for _, day in events.keys})
    found = {name: [counted[name][day] for day in days] for name in _DAY_COUNTS}
    return pd.DataFrame({"date": pd.Series(days, dtype=object), **found})


def _speaks(rows: pd.DataFrame, row_days: pd.Series, day: dt.date, days: Sequence[dt.date]) -> pd.Series:
    """Return which rows of a report speak of a day: a visit of its own day, an absence of each day of the event."""
    joined_elsewhere = row_days.notna() & (row_days != day)
    untimed_elsewhere = (rows["attended"] == "Y") & row_days.isna() & (day != days[0])
    return ~(joined_elsewhere | untimed_elsewhere)


def _by_event_day(
    table: pd.DataFrame, events: Events, numbers: dict[tuple[str, dt.date], int]
) -> pd.DataFrame:
    """Rows once for every event day they speak of: a visit for its own day, an absence for each day of the event.

    Columns added: event (number of the event day), row (index in ``table``).
    """
    table["date"] = pd.Series(None, index=table.index, dtype=object)
    parts = []
    for number, (source, days) in enumerate(zip(events.used, events.days, strict=True)):
        rows = table[table["source"] == number]
        if not days or rows.empty:
            continue
        loaded = rows[rows["outcome"] == LOADED]
        table.loc[loaded.index, "date"] = loaded["day"].where(loaded["day"].notna(), days[0])
        for day in days:
            part = rows[_speaks(rows, rows["day"], day, days)]
            parts.append(part.assign(event=numbers[source.identity, day], row=part.index))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _set_aside_unregistered(table: pd.DataFrame) -> None:
    """A cancelled, denied or pending registrant isn't registered; whoever came all the same walked in."""
    came = table["attended"] == "Y"
    for status in ("cancelled", "denied", "pending"):
        _set_aside(table, table.index[(table["approval"] == status) & ~came], f"registration_{status}")


def _set_aside(table: pd.DataFrame, index: pd.Index, reason: str) -> None:
    fresh = index[(table.loc[index, "outcome"] == LOADED).to_numpy()]
    table.loc[fresh, "outcome"] = QUARANTINED
    table.loc[fresh, "reason"] = reason
    table.loc[fresh, "date"] = None


def _without_staff(
    long: pd.DataFrame, table: pd.DataFrame, staff: list[tuple[set[str], set[str]]]
) -> pd.DataFrame:
    """Leave out hosts and panelists who also stand among the attendees: by e-mail, else by full name."""
    emails = {(number, mailbox(email)) for number, (known, _) in enumerate(staff) for email in known}
    addresses = mailboxes(long["email"].astype("str"))
    by_email = [pair in emails for pair in zip(long["event"], addresses, strict=True)]
    held = np.array(by_email, dtype=bool)
    for row in np.flatnonzero((long["email"].isna() & long["user_name"].notna()).to_numpy()):
        names = staff[int(long.at[row, "event"])][1]  # pyright: ignore[reportArgumentType]
        held[row] = bool(names) and any(key in names for key in name_spellings(long.at[row, "user_name"]))
    _set_aside(table, pd.Index(long.loc[held, "row"]), "host_or_panelist")
    return long[~held]


def _with_person(long: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add ``person``: the phone where there is one, else the e-mail, else a name that can only be one person's.

    All rows of one e-mail share the phone that was given first.
    """
    order = [
        "registration_time",
        "join_time",
        "email",
        "phone",
        "user_name",
        "is_registration",
        "line",
        "file",
    ]
    long = long.sort_values(["event", *order], na_position="last", ignore_index=True)
    email, phone = mailboxes(long["email"].astype("str")), long["phone"].astype("str")
    address = (long["event"].astype(str) + " " + email).where(email.notna())
    own_phone = pd.DataFrame({"address": address, "phone": phone}).dropna().drop_duplicates("address")
    shared = address.map(own_phone.set_index("address")["phone"]).astype("str")
    own = ("p:" + phone).where(email.isna(), "e:" + email)
    long["person"] = ("p:" + shared).fillna(own)
    _match_names(long)
    nobody = long["person"].isna()
    _set_aside(table, pd.Index(long.loc[nobody, "row"]), "no_identity")
    return long[~nobody].reset_index(drop=True)


def _spellings(group: pd.DataFrame) -> pd.Series:
    """Every full spelling of a row's name: as shown, in brackets, and first with last name."""
    full = group["first_name"].fillna("") + " " + group["last_name"].fillna("")
    spellings = []
    for shown, joined in zip(group["user_name"], full, strict=True):
        keys = [*name_spellings(shown), name_key(joined)]
        spellings.append(tuple(dict.fromkeys(key for key in keys if key)))
    return pd.Series(spellings, index=group.index, dtype=object)


def _match_names(long: pd.DataFrame) -> None:
    """Give rows with neither e-mail nor phone to the one person with their full name, or to a person of their own.

    Who was there under an e-mail or phone at that very time is a namesake: nobody is in two places. A name of one
    word ("Rahul", "iPhone") proves nothing: such rows unite only with each other, and only where their times don't
    overlap, as with someone who dropped out and came back. Two different e-mails are never united by a name:
    namesakes are common.
    """
    unknown = long["person"].isna()
    for _, group in long[long["event"].isin(long.loc[unknown, "event"].unique())].groupby("event"):
        nameless = group["person"].isna()
        spelled = dict(zip(group.index, _spellings(group), strict=True))
        owners: dict[str, set[str]] = {}
        for index, person in group.loc[~nameless, "person"].items():
            for name in spelled[index]:
                owners.setdefault(name, set()).add(person)
        overlapping = _overlapping_names(group[nameless], spelled)
        for index in group.index[nameless]:
            names = spelled[index]
            found = {p for name in names if " " in name for p in owners.get(name, ())}
            owner = found.pop() if len(found) == 1 else None
            if owner is not None and not _beside(group.loc[index], group[group["person"] == owner]):
                long.at[index, "person"] = owner
            elif names and (" " in names[0] or names[0] not in overlapping):
                long.at[index, "person"] = f"n:{names[0]}"
            elif names:
                visit = (
                    f"{long.at[index, 'join_time']} {long.at[index, 'leave_time']} {long.at[index, 'line']}"
                )
                long.at[index, "person"] = f"r:{names[0]}:{visit}"


def _beside(row: pd.Series, others: pd.DataFrame) -> bool:
    """Return whether a row's visit was at the same time as one of somebody's visits; a missing time proves nothing."""
    at_once = (others["join_time"] < row["leave_time"]) & (others["leave_time"] > row["join_time"])
    return bool(at_once.any())


def _overlapping_names(rows: pd.DataFrame, spelled: Mapping[Hashable, tuple[str, ...]]) -> set[str]:
    found: set[str] = set()
    latest: dict[str, pd.Timestamp] = {}
    timed = rows[rows["join_time"].notna()].sort_values(["join_time", "leave_time"])
    for index, join, leave in zip(timed.index, timed["join_time"], timed["leave_time"], strict=True):
        if not spelled[index]:
            continue
        name = spelled[index][0]
        if name in latest and join < latest[name]:
            found.add(name)
        latest[name] = max(latest.get(name, leave), leave)
    return found


def _people_rows(long: pd.DataFrame, facts: list[dict[str, object]], days: list[dt.date]) -> pd.DataFrame:
    """Aggregate rows to one row per person per event day."""
    long = _with_flags(long)
    long["who"] = long.groupby(["event", "person"], sort=True).ngroup()
    by = long.groupby("who")
    texts = ["event", "person", "first_name", "last_name", "email", "phone_raw", "registration_source"]
    rows = by[texts].first()
    flags = by[["came", "is_registered", "is_other"]].agg(
        {"came": "any", "is_registered": "any", "is_other": "all"}
    )
    walked_in = flags["came"] & ~flags["is_registered"] & (by["has_evidence"].first() | flags["is_other"])
    visits = long[long["came"]].sort_values(["who", "join_time", "leave_time", "user_name", "line", "file"])
    seen = visits.groupby("who")
    full = (rows["first_name"].fillna("") + " " + rows["last_name"].fillna("")).str.strip()
    shown = seen["user_name"].first().reindex(rows.index).fillna(by["user_name"].first())
    rows["user_name"] = shown.fillna(full.where(full != ""))
    rows["attended"] = np.where(flags["came"], "Y", "N")
    rows["attendance_type"] = np.where(walked_in, "walk_in", np.where(flags["came"], "attended", "no_show"))
    rows["phone"] = rows["person"].str[2:].where(rows["person"].str.startswith("p:"))
    rows["phone_status"] = _phone_status(long)
    rows["registration_time"] = by["registration_time"].min()
    rows["country"] = seen["country"].first().reindex(rows.index).fillna(by["country"].first())
    rows["join_time"] = seen["join_time"].min().reindex(rows.index)
    rows["leave_time"] = seen["leave_time"].max().reindex(rows.index)
    limits = np.array([float(str(fact["lasted"])) for fact in facts])
    times = time_in_session(visits).reindex(rows.index, fill_value=0)
    longest = np.ceil(limits[rows["event"].to_numpy(dtype=int)] * 60)
    rows["time_in_session_seconds"] = np.minimum(times["seconds"].to_numpy(dtype=float), longest)
    rows["time_in_session_minutes"] = whole_minutes(rows["time_in_session_seconds"])
    rows["rejoin_count"] = times["rejoins"]
    attendance_file = long[~long["is_registration"]].groupby("who")["file"].min()
    rows["source_file"] = attendance_file.reindex(rows.index).fillna(by["file"].min())
    return _finish(rows, facts, days)


def _with_flags(long: pd.DataFrame) -> pd.DataFrame:
    """Add came, is_other, is_registered and has_evidence (of the event: whether anything tells who registered).

    Registered is who a registration list, time or approval names. In an attendee report without any registration
    column, of an event without a registration report, everyone listed counts as registered: nothing tells walk-ins
    apart.
    """
    status = long["approval"]
    listed = long["registration_time"].notna() | (long["section"] == "registrant") | (status == "approved")
    listed &= status.isna() | (status == "approved")
    told = listed.groupby(long["event"]).transform("any")
    listed |= ~told & (long["section"] == "attendee") & status.isna()
    return long.assign(
        is_registered=listed,
        has_evidence=told,
        came=long["attended"] == "Y",
        is_other=long["section"] == "other",
    )


def _phone_status(long: pd.DataFrame) -> pd.Series:
    """Status of the phone that counts, else of the first one typed, else of the empty cell."""
    typed = long[long["phone_raw"].notna()]
    good = typed[typed["phone"].notna() & ("p:" + typed["phone"] == typed["person"])]
    status = long.groupby("who")["phone_status"].first()
    for rows in (typed, good):
        found = rows.groupby("who")["phone_status"].first()
        status = found.reindex(status.index).fillna(status)
    return status


def _finish(rows: pd.DataFrame, facts: list[dict[str, object]], days: list[dt.date]) -> pd.DataFrame:
    """Add what the whole event shares, the identity of each row, types and column order."""
    event = rows["event"].to_numpy(dtype=int)
    rows["date"] = np.array(days, dtype=object)[event]
    rows["webinar_date"] = rows["date"]
    for name in ("webinar_id", "webinar_name", "event_type", "category", "conductor", "bootcamp_day"):
        rows[name] = pd.Series([fact[name] for fact in facts], dtype=object).take(event).to_numpy()
    rows["attendance_id"] = [
        hashlib.sha256(f"{number}\x1f{day}\x1f{person}".encode()).hexdigest()[:32]
        for number, day, person in zip(rows["webinar_id"], rows["date"], rows["person"], strict=True)
    ]
    rows["user_id"] = rows["phone"]
    starts = pd.Series([fact["starts_at"] for fact in facts], dtype="datetime64[us, UTC]").take(event)
    starts.index = rows.index
    rows["touched_at"] = rows["registration_time"].fillna(rows["join_time"]).fillna(starts)
    return _typed(rows).sort_values(["date", "attendance_id"], ignore_index=True)


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    times = ("registration_time", "join_time", "leave_time", "touched_at")
    dtypes = {name: "str" for name in ATTENDANCE_COLUMNS if name not in ("date", "webinar_date", *times)}
    dtypes |= dict.fromkeys(times, "datetime64[us, UTC]")
    dtypes |= dict.fromkeys(
        ("bootcamp_day", "time_in_session_seconds", "time_in_session_minutes", "rejoin_count"), "Int64"
    )
    return rows[list(ATTENDANCE_COLUMNS)].astype(dtypes)


def no_rows() -> pd.DataFrame:
    """``AttendanceResult.rows`` without a row."""
    return _typed(pd.DataFrame({name: pd.Series(dtype=object) for name in ATTENDANCE_COLUMNS}))
