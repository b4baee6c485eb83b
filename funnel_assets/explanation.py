"""Everything about one person on one page of terminal (``funnel explain``).

Belongs here: finding a person's rows in the lake and telling their story in words. Does not belong here: any rule;
identity and touches are worked out by the same functions that make the datasets, over the few rows concerned.

What is shown is what was known at the end of a day. Phones, e-mails and names are masked unless asked for.
"""

import calendar
import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from funnel_assets import figures
from funnel_assets.config.tables import Tables
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.attribution import touches
from funnel_assets.domain.external_id import normalize_external_ids
from funnel_assets.domain.frames import LOOK_BACK_DAYS, month_start
from funnel_assets.domain.identity import KEYS, Links, identify, identity_links, opened, shared_people
from funnel_assets.domain.keys import ALONE_MARK
from funnel_assets.domain.link_rows import LinkRow, apart_table, groups, is_key, link_rows, people_table
from funnel_assets.masking import mask_email, mask_phone, mask_text
from funnel_assets.pipeline.naming import unknown
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.provenance import Place, configured_sources, places
from funnel_assets.storage.engine import DuckDBEngine, PandasEngine
from funnel_assets.storage.lake import BEFORE
from funnel_assets.tables import short_file

RECORDS = ("raw_leads", "zoom_attendance", "engagement_events")
MADE = ("dedup_leads", "assigned_leads", "sales_enriched", "scored_contacts")
MOST_ROWS = 10
"""Rows of a kind on the page; of more, the newest and those that decided something are shown."""

_ID = {name: CONTRACTS[name].key[0] for name in (*RECORDS, "crm_assignments", "crm_sales")}

_KEYS = {name: [key for key in KEYS if key in arrow_schema(CONTRACTS[name]).names] for name in RECORDS}

_TAIL = 10
"""Digits of a phone without its country code."""

Row = dict[str, Any]


@dataclass
class Story:
    """What the lake knows of one person up to a day.

    Attributes:
        person_id: Whose story it is.
        until: Last local day that counts.
        records: Rows of the three record datasets that are this person's, with identified_by.
        touches: Their touches, in order.
        made: Rows of the made datasets and of crm_assignments.
        together: Days on which one of their phones and one of their e-mails stood in one record, in order.
        shared_from: Day since which the phone is flagged as shared; None when it isn't.
        others: Ids under which other records of the same phone, e-mails or ids stand and which of these they share,
            with how many.
        decided: Rows of identity_links.csv that name them, with the file and the line they stand on.
        nobody: Keys of these rows that no record has.
        places: Where each record came from, by record id.
    """

    person_id: str
    until: dt.date
    records: dict[str, list[Row]]
    touches: list[Row]
    made: dict[str, list[Row]]
    together: list[dt.date]
    shared_from: dt.date | None
    others: Mapping[tuple[str, str], int]
    decided: list[Row]
    nobody: set[str]
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether there is anything at all."""
        return any(self.records.values()) or any(self.made.values())

    def values(self, name: str) -> list[str]:
        """Distinct values of a fact about the person, the most frequent first."""
        rows = [row for found in (*self.records.values(), *self.made.values()) for row in found]
        counted = Counter(row[name] for row in rows if row.get(name) and not _is_not_theirs(row, name))
        return [value for value, _ in counted.most_common()]


def _is_not_theirs(row: Row, name: str) -> bool:
    """Whether a fact of a record is another person's: the phone that somebody typed for them."""
    return name == "phone" and row.get("own_phone_key", "") is None


def explain(pipeline: Pipeline, person: str, until: dt.date, screen: Console, *, show_personal: bool) -> bool:
    """Print everything known about one person at the end of a day.

    Args:
        pipeline: Where the lake and the landing are.
        person: Phone, e-mail, person id or a source's own id, as people type them.
        until: Last local day that counts.
        screen: Where to print.
        show_personal: Show phones, e-mails and names in full.

    Returns:
        Whether there is such a person.
    """
    for key in (pipeline.names().key(person), *_as_ids(pipeline, person)):
        story = tell(pipeline, key, until)
        if story.is_known:
            _Page(story, pipeline, screen, show_personal).print()
            return True
    return False


# --- finding ---------------------------------------------------------------------------------------------------


def tell(pipeline: Pipeline, named: str, until: dt.date) -> Story:
    """Gather a person's story. A phone or an e-mail leads to the person whom its newest record belongs to."""
    decided = _link_rows(pipeline.tables())
    rows = link_rows(decided, pipeline.names())
    with DuckDBEngine() as engine:
        scan = _Scan(pipeline, engine, until)
        records, links, owners = _related(scan, named, rows)
        person_id = _person(named, owners, rows)
        if person_id != named:
            records, links, owners = _related(scan, person_id, rows)
        mine = {
            name: [row for row in found if row["person_id"] == person_id] for name, found in owners.items()
        }
        made = {name: scan.rows(name, nw.col("person_id") == person_id) for name in MADE}
        phones = {person_id} | _values(mine, "own_phone_key") | _values(made, "phone_key")
        made["crm_assignments"] = scan.rows("crm_assignments", nw.col("phone_key").is_in(sorted(phones)))
    touched = nw.from_native(
        touches(
            _frame(records["raw_leads"]),
            _frame(records["zoom_attendance"]),
            links,
            first=dt.date.min,
            last=until,
        ),
        eager_only=True,
    )
    keys = phones | _values(mine, "email_key") | _values(mine, "external_key")
    joined = groups(rows)
    concerned = [
        (row, {a, b})
        for row, (_, a, b) in zip(decided, rows, strict=True)
        if keys & {a, b, joined.get(a, a), joined.get(b, b)}
    ]
    story = Story(
        person_id=person_id,
        until=until,
        records=mine,
        touches=_plain(touched.filter(nw.col("person_id") == person_id).sort("nth").rows(named=True)),
        made=made,
        together=sorted(
            row["date"]
            for row in links.sightings.rows(named=True)
            if row["phone_key"] in phones and row["email_key"] in keys
        ),
        shared_from=next(
            (
                row["shared_from"]
                for row in shared_people(links).rows(named=True)
                if row["person_id"] == person_id
            ),
            None,
        ),
        others=_others(owners, person_id, keys),
        decided=[row for row, _ in concerned],
        nobody=unknown(pipeline.lake, set().union(*(pair for _, pair in concerned)), until),
    )
    sources = mine | {"crm_assignments": made["crm_assignments"], "crm_sales": made["sales_enriched"]}
    story.places = places(pipeline, {name: found for name, found in sources.items() if found})
    return story


def _link_rows(tables: Tables) -> list[Row]:
    """Return the rows of identity_links.csv with the file and the line they stand on."""
    file = tables.files["identity_links"]
    name = file.name if file else "identity_links.csv"
    rows = zip(tables.rows("identity_links"), tables.lines["identity_links"], strict=True)
    return [{**row, "file": name, "line": line} for row, line in rows]


def _as_ids(pipeline: Pipeline, text: str) -> list[str]:
    """Return the keys that a text has as an id of the sources that know people by one."""
    spaces = dict.fromkeys(one.id_namespace for one in configured_sources(pipeline) if one.external_id)
    ids = normalize_external_ids(pd.Series([text], dtype="str")).dropna()
    return [key for space in spaces for key in pipeline.names().pseudonyms.external_keys(ids, space)]


def _values(rows: Mapping[str, Iterable[Row]], column: str) -> set[str]:
    return {row[column] for found in rows.values() for row in found if row.get(column)}


def _others(owners: Mapping[str, Sequence[Row]], person_id: str, keys: set[str]) -> Counter[tuple[str, str]]:
    """Count other people's records with a key of this person's, by whose they are and which of the two it is."""
    found: Counter[tuple[str, str]] = Counter()
    for row in (row for rows in owners.values() for row in rows if row["person_id"] != person_id):
        if row["email_key"] in keys:
            found[row["person_id"], "e-mail"] += 1
        elif row["phone_key"] in keys:
            found[row["person_id"], "phone"] += 1
        elif row.get("external_key") in keys:
            found[row["person_id"], "id in its source"] += 1
    return found


_SEEN_AT = {"raw_leads": "created_at", "zoom_attendance": "touched_at", "engagement_events": "event_at"}
_NAME = {"raw_leads": "name", "zoom_attendance": "first_name"}


class _Scan:
    """Reads rows of the lake up to a day."""

    def __init__(self, pipeline: Pipeline, engine: DuckDBEngine, until: dt.date) -> None:
        self._lake, self._engine, self._until = pipeline.lake, engine, until
        self._kept: dict[str, Any] = {}

    def table(self, dataset: str, which: nw.Expr) -> pa.Table:
        """Whole rows."""
        found = self._frame(dataset, arrow_schema(CONTRACTS[dataset]).names).filter(which)
        return self._engine.collect(found.to_native())

    def seen(self, dataset: str, which: nw.Expr) -> pa.Table:
        """What tells who is who; the lake is read once, however often this is asked."""
        if dataset not in self._kept:
            names = [_ID[dataset], *_KEYS[dataset], "phone", "date", _SEEN_AT[dataset]]
            names += [_NAME[dataset]] if dataset in _NAME else []
            self._kept[dataset] = self._engine.materialize(self._frame(dataset, names).to_native())
        return self._engine.collect(nw.from_native(self._kept[dataset]).filter(which).to_native())

    def rows(self, dataset: str, which: nw.Expr) -> list[Row]:
        return self.table(dataset, which).sort_by("date").to_pylist()

    def _frame(self, dataset: str, names: Sequence[str]) -> Any:
        days = [BEFORE, *(day for day in self._lake.days(dataset) if day <= self._until)]
        return nw.from_native(self._engine.scan(self._lake, dataset, days, names))


def _related(
    scan: _Scan, named: str, rows: Sequence[LinkRow]
) -> tuple[dict[str, pa.Table], Links, dict[str, list[Row]]]:
    """Return every record that could be the person's, all that decides whether it is, and whose each is.

    Records that share a phone, an e-mail or a link row with the person's are theirs or not by what was seen with
    those phones and e-mails in turn.
    """
    keys = _with_groups({named}, rows)
    keys = _with_groups(keys | _keys(_with_any(scan.seen, keys)), rows)
    related = _with_any(scan.table, keys)
    around = _with_any(scan.seen, _with_groups(keys | _keys(related), rows))
    seen = identity_links(*(_frame(around[name]) for name in RECORDS))
    decided = {"people": _frame(people_table(rows)), "apart": _frame(apart_table(rows))} if rows else {}
    links = opened(seen, **decided)
    return related, links, {name: _owned(name, table, links) for name, table in related.items()}


def _with_any(read: Callable[[str, nw.Expr], pa.Table], keys: set[str]) -> dict[str, pa.Table]:
    alone = [key[len(ALONE_MARK) :] for key in keys if key.startswith(ALONE_MARK)]
    wanted = sorted(keys)
    return {
        name: read(
            name,
            nw.any_horizontal(
                *(nw.col(key).is_in(wanted) for key in _KEYS[name]),
                nw.col(_ID[name]).is_in(alone),
                ignore_nulls=True,
            ),
        )
        for name in RECORDS
    }


def _keys(records: Mapping[str, pa.Table]) -> set[str]:
    columns = [table[name] for dataset, table in records.items() for name in _KEYS[dataset]]
    return {key for column in columns for key in column.to_pylist() if key}


def _with_groups(keys: set[str], rows: Sequence[LinkRow]) -> set[str]:
    """Add everyone whom link rows name together with one of them."""
    joined = groups(rows)
    wanted = {joined.get(key, key) for key in keys}
    sides = {key for _, *pair in rows if keys & set(pair) for key in pair}
    return keys | sides | {key for key, group in joined.items() if group in wanted}


def _frame(table: pa.Table) -> Any:
    return PandasEngine().frame(table)


def _owned(dataset: str, table: pa.Table, links: Links) -> list[Row]:
    """Return records with their person, in order of time."""
    frame = nw.from_native(identify(_frame(table), links, _ID[dataset]), eager_only=True)
    return _plain(frame.sort("date", _ID[dataset]).rows(named=True))


def _person(named: str, owners: Mapping[str, Sequence[Row]], rows: Sequence[LinkRow]) -> str:
    owned = [row for found in owners.values() for row in found]
    of_key = [
        row for row in owned if named in (row["own_phone_key"], row["email_key"], row.get("external_key"))
    ]
    newest = max(of_key, key=lambda row: row["date"], default=None)
    return newest["person_id"] if newest else groups(rows).get(named, named)


def _plain(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return rows with None for every kind of missing."""
    return [
        {name: None if value is None or value != value else value for name, value in row.items()}
        for row in rows
    ]


# --- telling ---------------------------------------------------------------------------------------------------


class _Page:
    """Prints a story, section by section; a section without rows is one line or none."""

    def __init__(self, story: Story, pipeline: Pipeline, screen: Console, show_personal: bool) -> None:
        self.story, self.screen, self.shown = story, screen, show_personal
        self.zone = pipeline.settings.zone
        self.names = pipeline.names()

    def print(self) -> None:
        """Print all sections."""
        for section in (
            self._who,
            self._why_one,
            self._touches,
            self._attendance,
            self._events,
            self._assignments,
            self._sales,
            self._states,
        ):
            section()

    # --- words ---

    def _phone(self, phone: str | None) -> str:
        return (phone or "") if self.shown else mask_phone(phone)

    def _email(self, email: str | None) -> str:
        return (email or "") if self.shown else mask_email(email)

    def _key(self, named: object) -> str:
        """A person as a config file names them."""
        text = str(named)
        if "@" in text:
            return self._email(text)
        # A phone may be typed in many ways, but never with letters; an id has some.
        return text if is_key(text) or any(map(str.isalpha, text)) else self._phone(text)

    def _name(self, name: str) -> str:
        return name if self.shown else f"{name[:1]}***"

    def _free(self, value: object) -> str:
        """A text as somebody typed it, which may hold a phone or an e-mail."""
        text = "" if value is None else str(value)
        return text if self.shown else mask_text(text)

    def _label(self, value: object) -> str:
        """The name of a campaign, a source or an event: no phone is expected there, and ids look like one.

        Hidden all the same are e-mails, and numbers that end as a phone of this person does.
        """
        text = "" if value is None else str(value)
        if self.shown or "@" in text:
            return self._free(text)
        tails = {phone[-_TAIL:] for phone in self.story.values("phone")}
        return self._free(text) if any(tail in re.sub(r"\D", "", text) for tail in tails) else text

    def _time(self, at: dt.datetime | None) -> str:
        return "" if at is None else f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def _from(self, record_id: str, *, source: bool = True, file: bool = True) -> str:
        place = self.story.places.get(record_id)
        if place is None:
            return ""
        name = (short_file(place.file) if place.file else "") if file else ""
        told = ", ".join(filter(None, ((place.source or "") if source else "", name)))
        return f"{told}:{place.line}" if file and place.line is not None else told

    def _heading(self, title: str, note: str = "") -> None:
        self.screen.print(Text.assemble("\n", (title, "bold"), f"  {note}" if note else ""), highlight=False)

    def _say(self, text: str) -> None:
        self.screen.print(Padding(Text(text), (0, 0, 0, 2)), highlight=False)

    def _table(self, titles: Sequence[str], rows: Sequence[Sequence[object]], *, left_out: int = 0) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for title in titles:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*(Text("" if value is None else str(value)) for value in row))
        self.screen.print(Padding(table, (0, 0, 0, 2)), highlight=False)
        if left_out:
            self._say(f"… and {left_out} earlier")

    # --- sections ---

    def _who(self) -> None:
        story = self.story
        known = [self._phone(phone) for phone in story.values("phone")]
        known += [self._email(email) for email in story.values("email")]
        names = [
            *story.values("name"),
            *story.values("user_name"),
            *story.values("first_name"),
            *story.values("student_name"),
        ]
        known += [self._name(name) for name in names[:1]] + [
            self._free(city) for city in story.values("city")[:1]
        ]
        self.screen.print(
            Text.assemble(("Person ", "bold"), (story.person_id, "bold"), f"  as known on {story.until}"),
            highlight=False,
        )
        self._say(" · ".join(dict.fromkeys(known)) or "No phone, e-mail or name is known.")

    def _why_one(self) -> None:
        story = self.story
        how = Counter(row["identified_by"] for rows in story.records.values() for row in rows)
        self._heading("Why one person")
        if how["phone"]:
            self._say(
                f"{_records(how['phone'])} with the phone {self._phone(next(iter(story.values('phone')), None))}."
            )
        if how["email_phone"]:
            self._say(
                f"{_records(how['email_phone'])} without a phone, joined by e-mail: the phone last seen with it up to "
                f"the record's day is this person's{self._last_seen()}."
            )
        if how["email"]:
            self._say(
                f"{_records(how['email'])} with the same e-mail, with which no phone had been seen by then."
            )
        if how["external"]:
            self._say(f"{_records(how['external'])} with the same id in their source.")
        if how["shared_phone"]:
            self._say(
                f"{_records(how['shared_phone'])} with this e-mail and a phone that was first seen with another e-mail "
                "and another first name: the phone is somebody else's."
            )
        if how["must_link"]:
            self._say(
                f"{_records(how['must_link'])} because a must_link row of identity_links.csv joins them."
            )
        if how["cannot_link"]:
            self._say(
                f"{_records(how['cannot_link'])} because a cannot_link row of identity_links.csv parts them from the "
                "person they would belong to."
            )
        for row in story.decided:
            pair = f"{self._key(row['person_a'])} and {self._key(row['person_b'])}"
            self._say(
                f"{row['file']}, line {row['line']}: {row['action']} {pair}, "
                f"by {self._free(row['author'])}: {self._free(row['reason'])}"
            )
            for side in ("person_a", "person_b"):
                if self.names.key(row[side]) in story.nobody:
                    self._say(
                        f"{row['file']}, line {row['line']}: {self._key(row[side])} is in no record so far."
                    )
        if how["alone"]:
            self._say(
                "The record has no usable phone, no e-mail and no id in its source, so it stands alone."
            )
        if not how:
            self._say("No form, Zoom record or event: only the CRM knows this person.")
        if story.shared_from:
            self._say(
                f"The phone is used with {len(story.values('email'))} e-mails (flagged since {story.shared_from}): it "
                "may be several people's. Nothing further is merged through it."
            )
        for (other, shared), count in sorted(story.others.items()):
            why = {
                "e-mail": "another phone, or none known yet, on that day",
                "phone": "another e-mail with another first name, or a row of identity_links.csv",
            }.get(shared, "an id joins only records with neither phone nor e-mail")
            self._say(f"{_records(count)} of the same {shared} under {other}: {why}.")

    def _last_seen(self) -> str:
        seen = self.story.together
        return f" (seen together {seen[0]} to {seen[-1]})" if seen else ""

    def _touches(self) -> None:
        touched = self.story.touches
        note = "in order; a Zoom record counts on its event's day, however early the person registered"
        self._heading("Touches", note if touched else "none: no form and no Zoom record")
        marks = touch_marks(touched, self.story.made["dedup_leads"])
        shown = _newest(touched, lambda row: row["touch_id"] in marks)
        rows = [
            (
                row["date"],
                self._time(row["touched_at"]),
                self._label(
                    " / ".join(str(row[name]) for name in ("source", "medium", "campaign") if row[name])
                ),
                row["identified_by"],
                self._from(row["touch_id"], file=row["medium"] != "zoom"),
                "\n".join(marks.get(row["touch_id"], ())),
            )
            for row in shown
        ]
        if rows:
            titles = ("day", "at", "source / medium / campaign", "known by", "from", "chosen as")
            self._table(titles, rows, left_out=len(touched) - len(rows))

    def _attendance(self) -> None:
        rows = self.story.records["zoom_attendance"]
        if not rows:
            return
        self._heading("Events", f"{sum(row['attended'] == 'Y' for row in rows)} attended of {len(rows)}")
        shown = [
            (
                row["date"],
                self._label(row["webinar_name"]),
                row["event_type"] + (f" day {row['bootcamp_day']}" if row["bootcamp_day"] else ""),
                row["attendance_type"].replace("_", " "),
                f"{row['time_in_session_minutes']} min" if row["attended"] == "Y" else "",
                self._from(row["attendance_id"], source=False),
            )
            for row in rows[-MOST_ROWS:]
        ]
        self._table(("day", "event", "type", "", "", "from"), shown, left_out=len(rows) - len(shown))

    def _events(self) -> None:
        rows = self.story.records["engagement_events"]
        if not rows:
            return
        rows = sorted(rows, key=lambda row: (row["event_at"], row["event_id"]))
        counted = Counter(row["event_type"] for row in rows).most_common()
        self._heading("Activity", ", ".join(f"{count} {kind}" for kind, count in counted))
        shown = [
            (
                self._time(row["event_at"]),
                row["event_type"],
                row["channel"],
                row["identified_by"],
                self._from(row["event_id"]),
            )
            for row in rows[-MOST_ROWS // 2 :]
        ]
        self._table(("when", "what", "channel", "known by", "from"), shown, left_out=len(rows) - len(shown))

    def _assignments(self) -> None:
        rows = sorted(
            self.story.made["crm_assignments"],
            key=lambda row: (row["assigned_at"], row["dump_rank"] or 0, row["assignment_id"]),
        )
        firsts = {row["assigned_at"]: row for row in self.story.made["assigned_leads"]}
        if not rows and not firsts:
            self._heading("Handed over to sales", "never")
            return
        self._heading("Handed over to sales")
        shown = _newest(rows, lambda row: row["assigned_at"] in firsts)
        self._table(
            ("when", "source", "employee", "from", ""),
            [
                (
                    self._time(row["assigned_at"]),
                    self._label(row["lead_source"]),
                    row["employee"],
                    self._from(row["assignment_id"]),
                    _first_assignment(firsts.pop(row["assigned_at"], None)),
                )
                for row in shown
            ],
            left_out=len(rows) - len(shown),
        )

    def _sales(self) -> None:
        for row in sorted(
            self.story.made["sales_enriched"], key=lambda row: (row["created_at"], row["sale_id"])
        ):
            counts = (
                f"{'paid' if row['is_paid'] else 'not counted as paid'} (status {row['status'] or 'empty'})"
            )
            self._heading(
                f"Sale {row['date']}",
                f"{row['sale_id']}, {counts}: net {_money(row, 'net_amount_paise')} of "
                f"{_money(row, 'total_amount_paise')}",
            )
            self._say(f"Final funnel: {row['final_funnel']}. {funnel_rule(row)}")
            self._say(_sale_origin(row))
            told = [
                f"sold by {row['employee_name']}" if row["employee_name"] else "",
                _attended(row["attended"]),
            ]
            self._say("; ".join([*filter(None, told), f"from {self._from(row['sale_id'])}"]))

    def _states(self) -> None:
        rows = self.story.made["scored_contacts"]
        if not rows:
            return
        self._heading("State by day", "each holds until the next")
        before = [None, *rows[:-1]]
        turns = {
            row["date"]
            for row, last in zip(rows, before, strict=True)
            if last is None or any(row[name] != last[name] for name in _TURNS)
        }
        shown = _newest(rows, lambda row: row["date"] in turns)
        told = [
            (
                row["date"],
                row["current_stage"],
                _stage_reason(row),
                f"{row['intent_score']} ({row['intent_index']})",
                row["engagement_health"],
                f"{row['next_playbook']}, {row['sales_priority']}",
                f"set by hand: {row['override_applied']}" if row["override_applied"] else "",
            )
            for row in shown
        ]
        titles = ("day", "stage", "because", "score (of 100)", "health", "playbook, priority", "")
        self._table(titles, told, left_out=len(rows) - len(shown))


def _stage_reason(row: Row) -> str:
    return (
        f"{row['stage_reason']} (set by {row['stage_author']})"
        if row["stage_author"]
        else row["stage_reason"]
    )


_TURNS = ("current_stage", "engagement_health", "next_playbook", "override_applied")
"""What has to change for a day to be shown before days on which only the score grew."""


def touch_marks(touched: Sequence[Row], leads: Sequence[Row] = ()) -> dict[str, list[str]]:
    """Say of each touch for which month it is the first, and for which it is the look-back's origin.

    Args:
        touched: One person's touches, in order.
        leads: The person's rows of dedup_leads, which know the funnels; a month without one is named without.
    """
    funnels = {month_start(row["date"]): row for row in leads}
    heads = {month_start(row["date"]): row for row in reversed(touched)}
    marks: dict[str, list[str]] = {}
    for month, head in sorted(heads.items()):
        since = head["date"] - dt.timedelta(days=LOOK_BACK_DAYS)
        origin = next(row for row in touched if row["date"] >= since)
        for row, role, column in ((head, "first", "first_funnel"), (origin, "origin", "origin_funnel")):
            funnel = f": {funnels[month][column]}" if month in funnels else ""
            marks.setdefault(row["touch_id"], []).append(f"{role} of {_month(month)}{funnel}")
    return marks


def _month(day: dt.date) -> str:
    return f"{calendar.month_abbr[day.month]} {day.year}"


def funnel_rule(sale: Row) -> str:
    """Say in words which branch of the FINAL FUNNEL formula decided (SPEC 6, sales_enriched)."""
    crm = f"The CRM says {sale['funnel']!r}" if sale["funnel"] else "The CRM names no funnel"
    value = repr(sale["manual_mapping"])
    unlisted = (
        f"manual_funnels.csv doesn't list {value} of manual_mapping.csv"
        if sale["manual_mapping"]
        else "manual_mapping.csv has no value for this sale"
    )
    return {
        "manual_lookup": f"{crm}, so {value} of manual_mapping.csv was looked up in manual_funnels.csv.",
        "miscellaneous_kept": f"{crm}, and {unlisted}, so Miscellaneous stays.",
        "manual_value": f"{crm}, but manual_mapping.csv says {value}, and a value by hand wins.",
        "crm_funnel": f"{crm}, and nobody set another in manual_mapping.csv.",
    }[sale["final_funnel_rule"]]


def _sale_origin(sale: Row) -> str:
    if sale["ever_touch_at"] is None:
        return "No touch is known."
    days = sale["days_to_revenue"]
    when = f"{_days(days)} before the sale" if days >= 0 else f"{_days(-days)} after the sale"

    def source(prefix: str) -> str:
        known = sale[f"{prefix}_source"] or "Unknown"
        return f"{known} ({sale[f'{prefix}_funnel']})" if sale[f"{prefix}_touch_at"] else "none"

    return (
        f"First touches: of the month {source('first')}; "
        f"of the {LOOK_BACK_DAYS} days {source('origin')}; ever {source('ever')}, {when}."
    )


def _first_assignment(row: Row | None) -> str:
    if row is None:
        return ""
    late = (
        ""
        if row["assigned_late_days"] is None
        else f", {_days(row['assigned_late_days'])} after first attending"
    )
    return f"first of {_month(row['date'])}: {row['funnel']}; {_attended(row['attended'])}{late}"


def _attended(flag: str) -> str:
    return {"Yes": "attended", "No": "seen by Zoom, didn't attend", "0": "never seen by Zoom"}[flag]


def _money(row: Row, name: str) -> str:
    return figures.money(figures.ratio(row[name], 100), row["currency"])


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"


def _newest(rows: Sequence[Row], decided: Callable[[Row], bool]) -> list[Row]:
    """Keep the newest rows and those that decided something, in order."""
    spare = max(MOST_ROWS - sum(map(decided, rows)), 0)
    free = [at for at, row in enumerate(rows) if not decided(row)]
    dropped = set(free[: max(len(free) - spare, 0)])
    return [row for at, row in enumerate(rows) if at not in dropped]
