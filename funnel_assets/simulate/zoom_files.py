"""Zoom's report files of the ed-tech world, in the layouts Zoom has had over the years.

Belongs here: which files exist, when they were downloaded, and their bytes. Does not belong here: who
attended (`edtech_story`), reading such files (``sources.zoom``).

Every event has a Registration Report and an Attendee Report (or a meeting's participant list). Some are
downloaded days late, some a second time with corrections, some twice with the same bytes.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import pc
from funnel_assets.simulate.csvtext import words as look_up
from funnel_assets.simulate.edtech_story import DAY, Story, ZoomEvent
from funnel_assets.simulate.faults import Faults, chosen, cut
from funnel_assets.simulate.rand import Draws, Ints, share
from funnel_assets.simulate.writers import ZOOM_STYLES, Writers, phone_styles, phones, two_addresses

LAYOUTS = (
    "trailing_comma",
    "padded_lines",
    "us_am_pm",
    "tabs_utf16",
    "old_labels",
    "blank_lines",
    "meeting",
    "day_first",
    "two_days",
)
PHONE_QUESTIONS = {
    0: "Phone Number (with country code, e.g. +91 9800000000)",
    2: "Your WhatsApp number",
    5: 'Mobile no. "10 digits", no spaces',
    8: "Contact Number",
}
_SOURCES = ("", "#1", "#2", "Web", "Instagram bio", "Newsletter")
_NO_SHOW = "--"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Row = list[str]


@dataclasses.dataclass(frozen=True)
class ZoomFile:
    """One downloaded report.

    Attributes:
        name: File name as the browser saved it.
        kind: ``registration``, ``attendee`` or ``participants``.
        events: Numbers of the events it covers.
        layout: Name of the layout.
        dropped_at: Wall-clock second at which it lies in the inbox.
        generated_at: When Zoom made it, as written in it; a copy has its original's.
        export: 1 for the first export, 2 for the corrected one.
        copy_of: Name of the file with the same bytes, if it is a second download.
        cut: Whether it ends in the middle of a line.
    """

    name: str
    kind: str
    events: tuple[int, ...]
    layout: str
    dropped_at: int
    generated_at: int
    export: int
    copy_of: str = ""
    cut: bool = False


@dataclasses.dataclass(frozen=True)
class _Guest:
    """One registrant or attendee as Zoom shows them."""

    name: str
    first: str
    last: str
    email: str
    phone: str
    city: str
    source: str
    reg_at: int
    sessions: tuple[tuple[int, int], ...]
    role: str
    missing_first: bool


def clock(seconds: int, style: str) -> str:
    """Write a wall-clock second in a style: ``named``, ``us_am_pm``, ``us_24``, ``day_first``, ``iso``."""
    day, second = divmod(int(seconds), DAY)
    hour, minute, second = second // 3600, second // 60 % 60, second % 60
    if style == "us_am_pm":
        half = "AM" if hour < 12 else "PM"
        return f"{_date(day, style)} {(hour - 1) % 12 + 1:02d}:{minute:02d}:{second:02d} {half}"
    return f"{_date(day, style)} {hour:02d}:{minute:02d}:{second:02d}"


@lru_cache(maxsize=4096)
def _date(day: int, style: str) -> str:
    when = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    if style == "named":
        return f"{_MONTHS[when.month - 1]} {when:%d, %Y}"
    return (
        f"{when:%m/%d/%Y}"
        if style.startswith("us")
        else f"{when:%d/%m/%Y}"
        if style == "day_first"
        else f"{when:%Y-%m-%d}"
    )


def minutes(seconds: int) -> int:
    """Round up to whole minutes, as Zoom does."""
    return -(-int(seconds) // 60)


class ZoomShelf:
    """All Zoom files of one story."""

    def __init__(self, story: Story, writers: Writers, faults: Faults) -> None:
        self._story = story
        self._writers = writers
        self._faults = faults
        self._recent: dict[int, list[_Guest]] = {}

    @cached_property
    def files(self) -> list[ZoomFile]:
        """Every file the world will ever have, by time of dropping."""
        found: list[ZoomFile] = []
        events = self._story.events
        for event in events:
            draw = Draws(self._story.seed, f"zoom/files/{event.number}")
            found += self._registration_files(draw, event)
            if event.layout == 8 and event.bootcamp_day == 1:
                continue
            found += self._attendee_files(draw, event)
        found = _with_copies(found, self._story.seed)
        found.sort(key=lambda f: (f.dropped_at, f.name))
        return self._cut(found)

    def _registration_files(self, draw: Draws, event: ZoomEvent) -> list[ZoomFile]:
        early, wait = draw.chance(1, share(22))[0], int(draw.between(1, 1200, 9000)[0])
        name = _file_name("registration", event)
        last = self._file(name, "registration", (event.number,), event, event.end + wait, 2 if early else 1)
        if not early:
            return [last]
        before = event.start - 3 * 3600
        first = dataclasses.replace(last, dropped_at=before, generated_at=before - 60, export=1)
        return [first, dataclasses.replace(last, name=_numbered(name))]

    def _file(
        self, name: str, kind: str, covered: tuple[int, ...], event: ZoomEvent, dropped_at: int, export: int
    ) -> ZoomFile:
        return ZoomFile(name, kind, covered, LAYOUTS[event.layout], dropped_at, dropped_at - 60, export)

    def _attendee_files(self, draw: Draws, event: ZoomEvent) -> list[ZoomFile]:
        kind = "participants" if event.layout == 6 else "attendee"
        late, corrected = draw.chance(1, share(16))[0], draw.chance(1, share(22))[0]
        wait = int(draw.between(1, DAY, 3 * DAY)[0] if late else draw.between(1, 1200, 9000)[0])
        covered = (event.number - 1, event.number) if event.layout == 8 else (event.number,)
        if event.layout == 8 and event.kind == "bootcamp":
            covered = (self._first_day(event).number, event.number)
        name = _file_name(kind, event)
        first = self._file(name, kind, covered, event, event.end + wait, 1)
        if not corrected:
            return [first]
        again = first.dropped_at + int(draw.between(1, DAY // 2, 3 * DAY)[0])
        return [
            first,
            dataclasses.replace(
                first, name=_numbered(name), dropped_at=again, generated_at=again - 60, export=2
            ),
        ]

    def _first_day(self, event: ZoomEvent) -> ZoomEvent:
        return next(e for e in self._story.events if e.webinar_id == event.webinar_id)

    def _cut(self, files: list[ZoomFile]) -> list[ZoomFile]:
        close = self._story.calendar.end_second
        twice = {f.copy_of for f in files}
        free = [
            i
            for i, f in enumerate(files)
            if f.kind == "attendee" and not f.copy_of and f.name not in twice and f.dropped_at < close
        ]
        rows = set(chosen(self._story.seed, "cut_files", np.array(free, np.int64), self._faults.cut_files))
        return [dataclasses.replace(f, cut=True) if i in rows else f for i, f in enumerate(files)]

    def at(self, now: int) -> list[ZoomFile]:
        """Files dropped by a moment."""
        return [f for f in self.files if f.dropped_at <= now]

    def last_export(self, kind: str, event: int) -> int:
        """Number of the final export of a report of an event."""
        return max((f.export for f in self.files if event in f.events and f.kind == kind), default=1)

    def body(self, file: ZoomFile) -> bytes:
        """The bytes of a file."""
        events = [self._story.events[number] for number in file.events]
        final = file.export >= self.last_export(file.kind, file.events[0])
        rows: list[Row] = []
        for position, event in enumerate(events):
            guests = self._guests(event)
            if file.kind == "registration":
                seen_at = event.end if final else event.start - 3 * 3600
                rows += _registration_report(
                    event, [g for g in guests if 0 <= g.reg_at <= seen_at], file.generated_at
                )
            else:
                shown = guests if final else [g for g in guests if not g.missing_first]
                write = _meeting_report if file.kind == "participants" else _attendee_report
                rows += write(event, shown, file.generated_at)[0 if position == 0 else 2 :]
        body = _encode(rows, events[0].layout, file.kind)
        return cut(body) if file.cut else body

    def _guests(self, event: ZoomEvent) -> list[_Guest]:
        """Everyone at an event; the last few are kept, since an event's files are asked for one after the other."""
        if event.number not in self._recent:
            self._recent[event.number] = self._typed_guests(event)
            while len(self._recent) > 6:
                self._recent.pop(next(iter(self._recent)), None)
        return self._recent[event.number]

    def _typed_guests(self, event: ZoomEvent) -> list[_Guest]:
        """Everyone at an event, with their data as they typed it on registering."""
        rows = self.attendance_of(event.number)
        person = rows["person"].to_numpy(dtype=np.int64)
        draw = Draws(self._story.seed, f"zoom/guests/{event.webinar_id}")
        typed, style = self._typing(event.number, len(rows))
        writers = self._writers
        number, foreign = writers.numbers(person)
        phone = phones(number, foreign, style)
        email, _ = writers.typed_emails(
            typed, person, two_addresses(typed, self._story.people, person), np.zeros(len(rows), dtype=bool)
        )
        email = _always_an_address(email, writers.emails(person))
        name = writers.typed_names(draw, person)
        source = look_up(_SOURCES, draw.pick(len(rows), [60, 10, 8, 12, 6, 4]))
        missing = draw.chance(len(rows), share(6)) & (rows["role"] == "attendee").to_numpy()
        sessions = _sessions(rows)
        columns: Iterable[Sequence[object]] = (
            name.to_pylist(),
            writers.first_names(person).to_pylist(),
            writers.last_names(person).to_pylist(),
            email.to_pylist(),
            phone.to_pylist(),
            writers.cities(person).to_pylist(),
            source.to_pylist(),
            rows["reg_at"].tolist(),
            sessions,
            rows["role"].tolist(),
            missing.tolist(),
        )
        return [_Guest(*values) for values in zip(*columns, strict=True)]  # type: ignore[arg-type]

    def _typing(self, number: int, guests: int) -> tuple[Draws, Ints]:
        """Return the draws of what an event's guests typed, and how they typed their phones."""
        typed = Draws(self._story.seed, f"zoom/typed/{number}")
        return typed, phone_styles(typed, guests, ZOOM_STYLES)

    def phone_styles(self) -> Ints:
        """How each row of the story's attendance typed its phone."""
        styles = [
            self._typing(event.number, len(self.attendance_of(event.number)))[1]
            for event in self._story.events
        ]
        return np.concatenate([np.empty(0, np.int64), *styles])

    @cached_property
    def _by_event(self) -> dict[int, pd.DataFrame]:
        frame = self._story.attendance
        number = frame["event"].to_numpy(dtype=np.int64)
        return {event.number: frame[number == event.number] for event in self._story.events}

    def attendance_of(self, number: int) -> pd.DataFrame:
        """Rows of the story's attendance of one event."""
        return self._by_event[number]


def _always_an_address(typed: pa.Array, true: pa.Array) -> pa.Array:
    """Zoom insists on an address: blank and impossible ones become the true one."""
    good = pc.match_substring(typed, "@")
    return pc.if_else(good, typed, true)


def _sessions(rows: pd.DataFrame) -> list[tuple[tuple[int, int], ...]]:
    joins = rows[["join_1", "join_2", "join_3"]].to_numpy().tolist()
    leaves = rows[["leave_1", "leave_2", "leave_3"]].to_numpy().tolist()
    return [
        tuple((j, v) for j, v in zip(js, vs, strict=True) if j >= 0)
        for js, vs in zip(joins, leaves, strict=True)
    ]


def _file_name(kind: str, event: ZoomEvent) -> str:
    day = dt.date(1970, 1, 1) + dt.timedelta(days=event.start // DAY)
    return f"{kind}_{event.webinar_id}_{day:%Y_%m_%d}.csv"


def _numbered(name: str, number: int = 1) -> str:
    return name.replace(".csv", f" ({number}).csv")


def _with_copies(files: list[ZoomFile], seed: int) -> list[ZoomFile]:
    """Download one file in twelve a second time."""
    draw = Draws(seed, "zoom/copies")
    again = draw.chance(len(files), share(8))
    wait = draw.between(len(files), 600, 2 * DAY)
    extra = [
        dataclasses.replace(
            f, name=_numbered(f.name, 2), copy_of=f.name, dropped_at=f.dropped_at + int(seconds)
        )
        for f, twice, seconds in zip(files, again, wait, strict=True)
        if twice
    ]
    return [*files, *extra]


# --- layouts -----------------------------------------------------------------------------------------


def _style(event: ZoomEvent) -> Callable[[int], str]:
    """Date style of a layout; day-first only where the day itself can't be taken for a month."""
    day = (dt.date(1970, 1, 1) + dt.timedelta(days=event.start // DAY)).day
    style = ("named", "named", "us_am_pm", "us_am_pm", "us_am_pm", "us_24", "us_am_pm", "day_first", "named")[
        event.layout
    ]
    if style == "day_first" and day <= 12:
        style = "iso"
    return lambda seconds: clock(seconds, style)


def _spaced_id(event: ZoomEvent) -> str:
    digits = str(event.webinar_id)
    return f"{digits[:3]} {digits[3:7]} {digits[7:]}"


def _topic_block(event: ZoomEvent, guests: list[_Guest]) -> list[Row]:
    at = _style(event)
    here = [g for g in guests if g.sessions and g.role == "attendee"]
    registered = sum(g.reg_at >= 0 for g in guests)
    if event.layout == 4:
        header = ["Topic", "ID", "Actual Start Time", "Actual Duration (minutes)", "# Registrants"]
        return [
            header,
            [event.topic, _spaced_id(event), at(event.start), str(event.minutes), str(registered)],
        ]
    if event.layout == 5:
        header = [
            "Topic",
            "Webinar ID",
            "Actual Start Time",
            "Actual Duration (minutes)",
            "# Registrants",
            "Unique Viewers",
        ]
        return [
            header,
            [
                event.topic,
                str(event.webinar_id),
                at(event.start),
                str(event.minutes),
                str(registered),
                str(len(here)),
            ],
        ]
    header = [
        "Topic",
        "Webinar ID",
        "Actual Start Time",
        "Actual Duration (minutes)",
        "# Registered",
        "# Cancelled",
        "Unique Viewers",
        "Total Users",
        "Max Concurrent Views",
        "Enable Registration",
    ]
    return [
        header,
        [
            event.topic,
            _spaced_id(event),
            at(event.start),
            str(event.minutes),
            str(registered),
            "0",
            str(len(here)),
            str(sum(len(g.sessions) for g in here)),
            str(len(here) * 7 // 10),
            "Yes",
        ],
    ]


def _session_cells(event: ZoomEvent, session: tuple[int, int] | None) -> Row:
    if session is None:
        return [_NO_SHOW, _NO_SHOW, _NO_SHOW]
    at = _style(event)
    return [at(session[0]), at(session[1]), str(minutes(session[1] - session[0]))]


def _crew_block(event: ZoomEvent, guests: list[_Guest], role: str) -> list[Row]:
    name_label = "User Name" if event.layout == 4 else "User Name (Original Name)"
    header = ["Attended", name_label, "Email", "Join Time", "Leave Time", "Time in Session (minutes)"]
    more = event.layout not in (4, 5)
    rows = [header + (["Is Guest", "Country/Region Name"] if more else [])]
    for guest in guests:
        if guest.role != role:
            continue
        name = crew_name(event, guest.first, guest.last, role)
        for session in guest.sessions:
            tail = ["No" if role == "host" else "Yes", "India"] if more else []
            rows.append(["Yes", name, guest.email, *_session_cells(event, session), *tail])
    return rows


def crew_name(event: ZoomEvent, first: str, last: str, role: str) -> str:
    """Name a host or panelist shows; every other time panelists put their title in front."""
    return f"CA {first} {last}" if role == "panelist" and event.number % 2 else f"{first} {last}"


def _attendee_header(event: ZoomEvent) -> Row:
    asked = PHONE_QUESTIONS.get(event.layout)
    if event.layout == 4:
        return [
            "Attended",
            "User Name",
            "Email",
            "Phone",
            "Join Time",
            "Leave Time",
            "Time in Session (minutes)",
        ]
    if event.layout == 5:
        names = ["Attended", "First Name", "Last Name", "Email", "Registration Time"]
        return [*names, "Join Time", "Leave Time", "Time in Session (minutes)", PHONE_QUESTIONS[5]]
    header = ["Attended", "User Name (Original Name)", "First Name", "Last Name", "Email"]
    header += [] if asked else ["Phone"]
    header += [
        "Registration Time",
        "Approval Status",
        "Join Time",
        "Leave Time",
        "Time in Session (minutes)",
        "Is Guest",
    ]
    if event.layout in (0, 8):
        header += [PHONE_QUESTIONS[event.layout]]
    if event.layout == 1:
        header += ['Profession (if "Student", which year, please)', "Country/Region"]
    return [*header, "Country/Region Name"]


def _attendee_cells(event: ZoomEvent, guest: _Guest, session: tuple[int, int] | None, again: bool) -> Row:
    """One row of Attendee Details; registration fields are blank on a rejoin and for walk-ins."""
    known = guest.reg_at >= 0 and not again
    attended = "Yes" if session else "No"
    times = _session_cells(event, session)
    phone = guest.phone if known else ""
    registered = _style(event)(guest.reg_at) if known else ""
    if event.layout == 4:
        return [attended, guest.name, guest.email, phone, *times]
    if event.layout == 5:
        return [attended, guest.first, guest.last, guest.email, registered, *times, phone]
    row = [attended, guest.name, guest.first if known else "", guest.last if known else "", guest.email]
    row += [] if event.layout in PHONE_QUESTIONS else [phone]
    row += [registered, "approved" if known else "", *times, "Yes" if session else ""]
    if event.layout in (0, 8):
        row += [phone]
    if event.layout == 1:
        row += ["Working, in finance" if known and len(guest.first) % 2 else "", "IN" if known else ""]
    row += ["India" if session else ""]
    return [*row, ""] if event.layout == 0 else row


def _attendee_block(event: ZoomEvent, guests: list[_Guest]) -> tuple[list[Row], list[Row]]:
    """Rows of Attendee Details and of Other Attended (people who dialled in with nothing but a name)."""
    listed: list[Row] = [_attendee_header(event)]
    others: list[Row] = [
        ["User Name", "Join Time", "Leave Time", "Time in Session (minutes)", "Country/Region Name"]
    ]
    for guest in guests:
        if guest.role in ("host", "panelist"):
            continue
        if dialled_in(event, guest.reg_at, guest.role, guest.sessions[0][0] if guest.sessions else 0):
            others += [[guest.name.strip(), *_session_cells(event, s), "India"] for s in guest.sessions]
        elif not guest.sessions:
            listed.append(_attendee_cells(event, guest, None, False))
        else:
            listed += [_attendee_cells(event, guest, s, n > 0) for n, s in enumerate(guest.sessions)]
    return listed, others


def dialled_in(event: ZoomEvent, reg_at: int, role: str, first_join: int) -> bool:
    """Say whether a walk-in is in the section Other Attended, without e-mail or phone."""
    return role == "attendee" and reg_at < 0 and event.layout in (0, 1) and first_join % 4 == 0


def _attendee_report(event: ZoomEvent, guests: list[_Guest], generated: int) -> list[Row]:
    at = _style(event)
    gap: list[Row] = [[]] if event.layout in (3, 5) else []
    label = "Report generated time" if event.layout in (3, 5, 7) else "Report Generated:"
    listed, others = _attendee_block(event, guests)
    rows: list[Row] = [["Attendee Report"], [label, at(generated)], *gap, *_topic_block(event, guests), *gap]
    if event.layout != 5:
        rows += [["Host Details"], *_crew_block(event, guests, "host")]
        rows += [["Panelist Details"], *_crew_block(event, guests, "panelist")]
    rows += [["Attendee Details"], *listed]
    if len(others) > 1:
        rows += [["Other Attended"], *others]
    return rows


def _meeting_report(event: ZoomEvent, guests: list[_Guest], generated: int) -> list[Row]:
    at = _style(event)
    here = [g for g in guests if g.sessions and g.role != "listed_panelist"]
    host = next(g for g in guests if g.role == "host")
    rows: list[Row] = [
        ["Meeting ID", "Topic", "Start Time", "End Time", "User Email", "Duration (Minutes)", "Participants"],
        [
            _spaced_id(event),
            event.topic,
            at(event.start),
            at(event.end),
            host.email,
            str(event.minutes),
            str(len(here)),
        ],
        [],
        [
            "Name (Original Name)",
            "User Email",
            "Join Time",
            "Leave Time",
            "Duration (Minutes)",
            "Guest",
            "In Waiting Room",
        ],
    ]
    for guest in here:
        crew = guest.role in ("host", "panelist")
        name = crew_name(event, guest.first, guest.last, guest.role) if crew else guest.name
        for session in guest.sessions:
            rows.append([name, guest.email, *_session_cells(event, session), "No" if crew else "Yes", "No"])
    return rows


def _registration_report(event: ZoomEvent, guests: list[_Guest], generated: int) -> list[Row]:
    at = _style(event)
    asked = PHONE_QUESTIONS.get(event.layout, "Phone")
    count = str(len(guests))
    scheduled = event.start // 900 * 900
    header = ["First Name", "Last Name", "Email", "Registration Time", "Approval Status", "City", asked]
    header += ["What best describes you?"] if event.layout in PHONE_QUESTIONS else []
    header += ["Country/Region"] if event.layout == 2 else []
    header += ["Source Name"]
    rows: list[Row] = [
        ["Registration Report"],
        ["Report generated time" if event.layout != 4 else "Report Generated:", at(generated)],
        [
            "Topic",
            "ID" if event.layout in (0, 2, 4) else "Webinar ID",
            "Scheduled Time",
            "Duration (minutes)",
            "# Registrants" if event.layout % 2 == 0 else "# Registered",
            "# Cancelled registrants",
            "# Approved registrants",
            "# Denied registrants",
        ],
        [event.topic, _spaced_id(event), at(scheduled), str(event.minutes), count, "0", count, "0"],
        ["Registrant Details" if event.layout in (4, 5) else "Attendee Details"],
        header,
    ]
    for number, guest in enumerate(guests):
        row = [guest.first, guest.last, guest.email, at(guest.reg_at), "approved", guest.city, guest.phone]
        row += [words.QUESTION_ANSWERS[number % 7]] if event.layout in PHONE_QUESTIONS else []
        row += ["IN"] if event.layout == 2 else []
        rows.append([*row, guest.source])
    return rows


def _encode(rows: list[Row], layout: int, kind: str) -> bytes:
    """Join rows as the layout has them: delimiter, padding, quoting, encoding, line ends."""
    delimiter = "\t" if layout == 3 else ","
    width = max(len(row) for row in rows) if layout == 1 else 0
    lines = []
    for row in rows:
        line = delimiter.join(row)
        if line.count(delimiter) != max(len(row) - 1, 0) or '"' in line or "\n" in line:
            line = delimiter.join([_cell(value, delimiter) for value in row])
        if width > len(row):
            line += delimiter * (width - max(len(row), 1))
        elif len(row) == 1 and layout == 4:
            line += delimiter
        lines.append(line)
    if layout == 3:
        return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode("utf-16-le")
    text = "\n".join(lines) + "\n"
    if layout == 4:
        return text.replace("\n", "\r\n").encode("cp1252")
    return (b"\xef\xbb\xbf" if layout in (2, 7) or kind == "participants" else b"") + text.encode()


def _cell(value: str, delimiter: str) -> str:
    if delimiter in value or '"' in value or "\n" in value or "\r" in value:
        return '"' + value.replace('"', '""') + '"'
    return value
