"""Everything about one person on one page of terminal (``funnel explain``).

Belongs here: finding a person's rows in the lake and telling their story in words. Does not belong here: any rule;
identity and touches are worked out by the same functions that make the datasets, over the few rows concerned.

What is shown is what was known at the end of a day. Phones, e-mails and names are masked unless asked for.
"""

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals as nw
import pyarrow as pa
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from funnel_assets import figures
from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.attribution import touches
from funnel_assets.domain.email import normalize_email
from funnel_assets.domain.frames import LOOK_BACK_DAYS, month_start
from funnel_assets.domain.identity import identify, identity_links, shared_phones
from funnel_assets.domain.keys import email_key
from funnel_assets.masking import mask_email, mask_phone, mask_text
from funnel_assets.pipeline.builders import person_id_of
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.provenance import Place, places
from funnel_assets.storage.engine import DuckDBEngine, PandasEngine
from funnel_assets.tables import short_file

RECORDS = ("raw_leads", "zoom_attendance", "engagement_events")
MADE = ("dedup_leads", "assigned_leads", "sales_enriched", "scored_contacts")
MOST_ROWS = 10
"""Rows of a kind on the page; of more, the newest and those that decided something are shown."""

_ID = {name: CONTRACTS[name].key[0] for name in (*RECORDS, "crm_assignments", "crm_sales")}

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
        links: Sightings of their e-mails and phones in one record.
        shared_from: Day since which the phone is flagged as shared; None when it isn't.
        others: Ids under which other records of the same phone or e-mails stand, with how many.
        places: Where each record came from, by record id.
    """

    person_id: str
    until: dt.date
    records: dict[str, list[Row]]
    touches: list[Row]
    made: dict[str, list[Row]]
    links: list[Row]
    shared_from: dt.date | None
    others: dict[str, int]
    places: dict[str, Place] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether there is anything at all."""
        return any(self.records.values()) or any(self.made.values())

    def values(self, name: str) -> list[str]:
        """Distinct values of a fact about the person, the most frequent first."""
        rows = [row for found in (*self.records.values(), *self.made.values()) for row in found]
        counted = Counter(row[name] for row in rows if row.get(name))
        return [value for value, _ in counted.most_common()]


def explain(pipeline: Pipeline, person: str, until: dt.date, screen: Console, *, show_personal: bool) -> bool:
    """Print everything known about one person at the end of a day.

    Args:
        pipeline: Where the lake and the landing are.
        person: Phone, e-mail or person id, as people type them.
        until: Last local day that counts.
        screen: Where to print.
        show_personal: Show phones, e-mails and names in full.

    Returns:
        Whether there is such a person.
    """
    story = tell(pipeline, _named(person.strip()), until)
    if not story.is_known:
        return False
    _Page(story, pipeline, screen, show_personal).print()
    return True


def _named(person: str) -> str:
    email = normalize_email(person) if "@" in person else None
    return email_key(email) if email else person_id_of(person)


# --- finding ---------------------------------------------------------------------------------------------------


def tell(pipeline: Pipeline, named: str, until: dt.date) -> Story:
    """Gather a person's story. An e-mail leads to the person whom its newest record belongs to."""
    with DuckDBEngine() as engine:
        scan = _Scan(pipeline, engine, until)
        records, links = _related(scan, named)
        owners = {name: _owned(name, table, links) for name, table in records.items()}
        person_id = _person(named, owners)
        if person_id != named:
            records, links = _related(scan, person_id)
            owners = {name: _owned(name, table, links) for name, table in records.items()}
        made = {name: scan.rows(name, nw.col("person_id") == person_id) for name in MADE}
        made["crm_assignments"] = scan.rows("crm_assignments", nw.col("phone_key") == person_id)
    shared = nw.from_native(shared_phones(links), eager_only=True).rows(named=True)
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
    mine = {name: [row for row in rows if row["person_id"] == person_id] for name, rows in owners.items()}
    others = Counter(
        row["person_id"] for rows in owners.values() for row in rows if row["person_id"] != person_id
    )
    story = Story(
        person_id=person_id,
        until=until,
        records=mine,
        touches=_plain(touched.filter(nw.col("person_id") == person_id).sort("nth").rows(named=True)),
        made=made,
        links=_plain(nw.from_native(links, eager_only=True).sort("date", "email_key").rows(named=True)),
        shared_from=next((row["shared_from"] for row in shared if row["phone_key"] == person_id), None),
        others=dict(others),
    )
    sources = mine | {"crm_assignments": made["crm_assignments"], "crm_sales": made["sales_enriched"]}
    story.places = places(pipeline, {name: rows for name, rows in sources.items() if rows})
    return story


class _Scan:
    """Reads rows of the lake up to a day."""

    def __init__(self, pipeline: Pipeline, engine: DuckDBEngine, until: dt.date) -> None:
        self._lake, self._engine, self._until = pipeline.lake, engine, until

    def table(self, dataset: str, which: nw.Expr) -> pa.Table:
        days = [day for day in self._lake.days(dataset) if day <= self._until]
        names = arrow_schema(CONTRACTS[dataset]).names
        frame = nw.from_native(self._engine.scan(self._lake, dataset, days, names)).filter(which)
        return self._engine.collect(frame.to_native())

    def rows(self, dataset: str, which: nw.Expr) -> list[Row]:
        return self.table(dataset, which).sort_by("date").to_pylist()


def _related(scan: _Scan, person_id: str) -> tuple[dict[str, pa.Table], Any]:
    """Return every record that could be the person's, and all sightings that decide whether it is.

    Those are the records with the phone, and all records with an e-mail that was ever seen with it.
    """
    key = "email_key" if person_id.startswith("e") else "phone_key"
    if person_id.startswith("a"):
        alone = {name: scan.table(name, nw.col(_ID[name]) == person_id[1:]) for name in RECORDS}
        return alone, _links(alone)
    seen = {name: scan.table(name, nw.col(key) == person_id) for name in RECORDS}
    emails = {email for table in seen.values() for email in table["email_key"].to_pylist() if email}
    if key == "email_key" or not emails:
        return seen, _links(seen)
    wanted = (nw.col("phone_key") == person_id) | nw.col("email_key").is_in(sorted(emails))
    related = {name: scan.table(name, wanted) for name in RECORDS}
    return related, _links(related)


def _frame(table: pa.Table) -> Any:
    return PandasEngine().frame(table)


def _links(records: Mapping[str, pa.Table]) -> Any:
    return identity_links(*(_frame(records[name]) for name in RECORDS))


def _owned(dataset: str, table: pa.Table, links: Any) -> list[Row]:
    """Return records with their person, in order of time."""
    frame = nw.from_native(identify(_frame(table), links, _ID[dataset]), eager_only=True)
    return _plain(frame.sort("date", _ID[dataset]).rows(named=True))


def _person(named: str, owners: Mapping[str, Sequence[Row]]) -> str:
    if not named.startswith("e"):
        return named
    newest = max((row for rows in owners.values() for row in rows), key=lambda row: row["date"], default=None)
    return newest["person_id"] if newest else named


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

    def _name(self, name: str) -> str:
        return name if self.shown else f"{name[:1]}***"

    def _free(self, value: object) -> str:
        """A text as somebody typed it, which may hold a phone or an e-mail."""
        text = "" if value is None else str(value)
        return text if self.shown else mask_text(text)

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
        if how["alone"]:
            self._say("The record has no usable phone and no e-mail, so it stands alone.")
        if not how:
            self._say("No form, Zoom record or event: only the CRM knows this person, by phone or e-mail.")
        if story.shared_from:
            self._say(
                f"The phone is used with {len(story.values('email'))} e-mails (flagged since {story.shared_from}): it "
                "may be several people's. Nothing further is merged through it."
            )
        for other, count in sorted(story.others.items()):
            self._say(
                f"{_records(count)} of the same e-mail under {other}: another phone, or none known yet, on that day."
            )

    def _last_seen(self) -> str:
        seen = [link["date"] for link in self.story.links if link["phone_key"] == self.story.person_id]
        return f" (seen together {min(seen)} to {max(seen)})" if seen else ""

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
                self._free(
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
                self._free(row["webinar_name"]),
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
            self.story.made["crm_assignments"], key=lambda row: (row["assigned_at"], row["assignment_id"])
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
                    self._free(row["lead_source"]),
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
                f"{row['sale_id']}, {counts}: net {_rupees(row['net_amount_paise'])} of "
                f"{_rupees(row['total_amount_paise'])}",
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
                row["stage_reason"],
                f"{row['intent_score']} ({row['intent_index']})",
                row["engagement_health"],
                f"{row['next_playbook']}, {row['sales_priority']}",
                f"set by hand: {row['override_applied']}" if row["override_applied"] else "",
            )
            for row in shown
        ]
        titles = ("day", "stage", "because", "score (of 100)", "health", "playbook, priority", "")
        self._table(titles, told, left_out=len(rows) - len(shown))


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


def _brought_by(touch: Row) -> str:
    """Source, medium and campaign; of a Zoom record without the campaign, which is the event's name, told elsewhere."""
    names = ("source", "medium") if touch["medium"] == "zoom" else ("source", "medium", "campaign")
    return " / ".join(str(touch[name]) for name in names if touch[name])


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
    if sale["origin_touch_at"] is None:
        return f"No touch in the {LOOK_BACK_DAYS} days before."
    first = (
        f"first of the month {sale['first_source'] or '(none)'}"
        if sale["first_touch_at"]
        else "none in its month"
    )
    return (
        f"Touches: {first}; origin of the {LOOK_BACK_DAYS} days {sale['origin_source'] or '(none)'} "
        f"({sale['origin_funnel']}), {_days(sale['days_to_revenue'])} before the sale."
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


def _rupees(paise: int | None) -> str:
    return figures.rupees(None if paise is None else figures.ratio(paise, 100))


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
