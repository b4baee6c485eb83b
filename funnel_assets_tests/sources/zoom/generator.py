"""Reports made from a known truth, over every layout switch, and ways to damage them.

Belongs here: truth, layouts, mutations. Seeded by `random.Random`: a failure names the seed that repeats it.
"""

import bisect
import csv
import dataclasses
import datetime as dt
import io
import math
import random
from collections.abc import Callable
from zoneinfo import ZoneInfo

FIELDS = (
    "attended",
    "user_name",
    "first_name",
    "last_name",
    "email",
    "phone_raw",
    "registration_time",
    "approval",
    "join_time",
    "leave_time",
    "minutes",
    "country",
)
Written = tuple[Callable[[dt.datetime], str], Callable[[int], str]]
INDIA = ZoneInfo("Asia/Kolkata")
_BOM = b"\xef\xbb\xbf"
_FIRST = ("Asha", "Bina", "Chen", "Dev", "Eva", "Farah", "Gus", "Hana", "Ilya", "Jaya", "Kofi", "Lena")
_LAST = ("Rao", "Das", "O'Neil", "Sen", "Roy", "Khan", "Pal", "Ito", "Novak", "Lal", "Mensah", "Müller")
_COUNTRIES = ("India", "Nepal", "Japan", "United Arab Emirates")
_ANSWERS = ("Ads", 'the "big" plan', "rent, food", "two\nlines", "", "Investor")
_QUESTIONS = ("Phone", "Phone Number (with country code, +91 …)", "WhatsApp", "Your mobile, please")
STYLES: dict[str, Callable[[dt.datetime], str]] = {
    "zoom": lambda t: f"{t:%b %d, %Y %H:%M:%S}",
    "us_ampm": lambda t: f"{t:%m/%d/%Y %I:%M:%S %p}",
    "us_24h": lambda t: f"{t:%m/%d/%Y %H:%M:%S}",
    "day_first": lambda t: f"{t:%d/%m/%Y %H:%M:%S}",
    "dotted": lambda t: f"{t:%d.%m.%Y %H:%M:%S}",
    "iso": lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
    "weekday": lambda t: f"{t:%a, %b %d, %Y %I:%M:%S %p}",
    "long_weekday": lambda t: f"{t:%A, %B %d, %Y %H:%M:%S}",
    "numbers_with_weekday": lambda t: f"{t:%a %d/%m/%Y %H:%M:%S}",
}
# Where the account's times are written: in its own zone, or in another whose name stands behind each.
ZONES: dict[str, Callable[[dt.datetime], str]] = {
    "own": lambda t: "",
    "own_name": lambda t: " IST",
    "own_offset": lambda t: " +05:30",
    "utc": lambda t: " UTC",
    "new_york": lambda t: f" {t.tzname()}",
    "offset": lambda t: f" (GMT{t:%z})",
}
_PLACES = {"utc": "UTC", "new_york": "America/New_York", "offset": "Europe/Berlin"}
MINUTES: dict[str, Callable[[int], str]] = {
    "whole": str,
    "clock": lambda m: f"{m // 60}:{m % 60:02d}:00",
    "hours": lambda m: f"{m // 60}:{m % 60:02d}",
    "seconds": lambda m: f"{m}:00",
    "words": lambda m: f"{m // 60}h {m % 60}m 0s",
}
_WORDS = {
    "en": {
        "title": "Attendee Report",
        "generated": "Report Generated:",
        "meta": [
            "Topic",
            "Webinar ID",
            "Actual Start Time",
            "Actual Duration (minutes)",
            "# Registered",
            "Unique Viewers",
        ],
        "host": "Host Details",
        "attendees": "Attendee Details",
        "header": [
            "Attended",
            "User Name (Original Name)",
            "First Name",
            "Last Name",
            "Email",
            "Registration Time",
            "Approval Status",
            "Join Time",
            "Leave Time",
            "Time in Session (minutes)",
            "Is Guest",
            "Country/Region Name",
        ],
        "yes": "Yes",
        "no": "No",
        "approved": "approved",
    },
    "ja": {
        "title": "出席者レポート",
        "generated": "レポート作成日時",
        "meta": [
            "トピック",
            "ウェビナーID",
            "実際の開始時刻",
            "実際の期間（分）",
            "登録者数",
            "ユニーク視聴者数",
        ],
        "host": "ホストの詳細",
        "attendees": "出席者の詳細",
        "header": [
            "出席",
            "ユーザー名（元の名前）",
            "名",
            "姓",
            "メール",
            "登録時刻",
            "承認状況",
            "参加時刻",
            "退出時刻",
            "セッション時間（分）",
            "ゲスト",
            "国/地域名",
        ],
        "yes": "はい",
        "no": "いいえ",
        "approved": "承認済み",
    },
}


@dataclasses.dataclass(frozen=True)
class Guest:
    """One attendee line as it is in truth (local times)."""

    name: str
    first: str
    last: str
    email: str
    phone: str
    registered: dt.datetime | None
    join: dt.datetime | None
    leave: dt.datetime | None
    country: str
    answer: str

    @property
    def minutes(self) -> int | None:
        """Whole minutes, rounded up as Zoom does."""
        if self.join is None or self.leave is None:
            return None
        return math.ceil((self.leave - self.join).total_seconds() / 60)


@dataclasses.dataclass(frozen=True)
class Case:
    """A truth and the file that tells it.

    Attributes:
        records: First byte of each cell of each record, and the byte after the record; a cell has the delimiter or
            line end behind it.
        columns: Where the guests' header has each of ``FIELDS`` that stands in the file.
        header: Number of the guests' header record; the guests follow.
        newline: Bytes of the character that ends a line.
    """

    seed: int
    guests: tuple[Guest, ...]
    data: bytes
    style: str
    zone: str
    records: tuple[tuple[int, ...], ...]
    columns: dict[str, int]
    header: int
    newline: int

    def truth(self) -> list[dict[str, object]]:
        """What a reader must find of each guest, in file order, as ``FIELDS``."""
        return [
            {
                "attended": "N" if g.join is None else "Y",
                "user_name": g.name,
                "first_name": g.first or None,
                "last_name": g.last or None,
                "email": g.email,
                "phone_raw": g.phone or None,
                "registration_time": _utc(g.registered),
                "approval": "approved" if g.registered else None,
                "join_time": _utc(g.join),
                "leave_time": _utc(g.leave),
                "minutes": g.minutes,
                "country": g.country or None,
            }
            for g in self.guests
        ]

    def touched(self, spans: list[tuple[int, int]], record: int) -> set[int]:
        """Cells of a record that lost or changed bytes, or whose neighbour's delimiter did."""
        cells = self.records[record]
        found: set[int] = set()
        for start, end in spans:
            first, last = bisect.bisect_right(cells, start) - 1, bisect.bisect_left(cells, end) - 1
            if end > cells[0] and start < cells[-1]:
                # A delimiter or quote stands between two cells: what happens to one may happen to the other.
                found |= set(range(max(first - 1, 0), min(last + 2, len(cells) - 1)))
        return found

    def joined(self, spans: list[tuple[int, int]], record: int) -> bool:
        """Whether the newline ahead of a record changed: its first cell may begin with what stood above."""
        start = self.records[record][0]
        return any(end > start - self.newline and first < start for first, end in spans)


def _utc(local: dt.datetime | None) -> dt.datetime | None:
    """A time in India, in UTC."""
    return local and local.replace(tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))).astimezone(dt.UTC)


def make_case(seed: int, *, small: bool = False) -> Case:
    """Invent an event, its guests and a layout."""
    rng = random.Random(seed)
    # Days above 12 keep the order of day and month in no doubt.
    start = dt.datetime(
        2025, rng.randint(1, 12), rng.randint(20, 28), rng.randint(8, 21), rng.choice([0, 30])
    )
    guests = tuple(_guest(rng, number, start) for number in range(rng.randint(2, 4 if small else 12)))
    language, style = rng.choice(["en", "en", "ja"]), rng.choice(list(STYLES))
    zone = rng.choice(["own", *ZONES]) if rng.random() < 0.5 else "own"
    minutes = rng.choice(list(MINUTES)) if rng.random() < 0.5 else "whole"
    # Zoom leaves empty sections out, and a file without a host is read in two thirds of the time.
    is_hosted = not small or rng.random() < 0.4
    written = (_shown_in(style, zone), MINUTES[minutes])
    rows = _rows(rng, guests, start, _WORDS[language], written, is_hosted=is_hosted)
    data, records, newline = _encode(rng, rows)
    header = next(i for i, row in enumerate(rows) if _WORDS[language]["header"][2] in row)
    columns = _columns(rows[header], _WORDS[language]["header"])
    return Case(seed, guests, data, style, zone, records, columns, header, newline)


def _shown_in(style: str, zone: str) -> Callable[[dt.datetime], str]:
    """Write a local time of India in a style, on the clocks of a zone and with its name."""

    def show(local: dt.datetime) -> str:
        moment = local.replace(tzinfo=INDIA).astimezone(ZoneInfo(_PLACES.get(zone, INDIA.key)))
        return STYLES[style](moment) + ZONES[zone](moment)

    return show


def _columns(header: list[str], known: list[str]) -> dict[str, int]:
    names = [name for name in FIELDS if name != "phone_raw"]
    # The header has the guests' flag between minutes and country.
    found = {name: header.index(title) for name, title in zip(names, [*known[:10], known[11]], strict=True)}
    return found | {"phone_raw": next(i for i, title in enumerate(header) if title in _QUESTIONS)}


def _guest(rng: random.Random, number: int, start: dt.datetime) -> Guest:
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    walked_in, came = rng.random() < 0.15, rng.random() < 0.6
    registered = start - dt.timedelta(seconds=rng.randint(3600, 7 * 86_400))
    join = start + dt.timedelta(seconds=rng.randint(-300, 3000))
    came = came or walked_in
    return Guest(
        name=f"{first} {last}",
        first="" if walked_in else first,
        last="" if walked_in else last,
        email=f"{first.lower()}{number}@example.com",
        phone=""
        if walked_in
        else rng.choice(["+91", "'+91", "", "0", "91"]) + f"98{rng.randint(10**7, 10**8 - 1)}",
        registered=None if walked_in else registered,
        join=join if came else None,
        leave=join + dt.timedelta(seconds=rng.randint(400, 4000)) if came else None,
        country=rng.choice(_COUNTRIES) if came else "",
        answer=rng.choice(_ANSWERS),
    )


def _rows(
    rng: random.Random,
    guests: tuple[Guest, ...],
    start: dt.datetime,
    words: dict,
    written: Written,
    *,
    is_hosted: bool,
) -> list[list[str]]:
    show, minutes = written
    header = list(words["header"])
    phone_at = rng.choice([5, len(header) - 1])
    header.insert(phone_at, rng.choice(_QUESTIONS))
    question = rng.random() < 0.5
    if question:
        header.insert(len(header) - 1, "What brings you here?")
    made = start + dt.timedelta(hours=rng.randint(3, 30))
    stated = [
        str(sum(g.registered is not None for g in guests)),
        str(sum(g.join is not None for g in guests)),
    ]
    facts = ["Bonds, explained", "871 2345 6789", show(start), "120", *stated]
    top = [[words["title"]], [words["generated"], show(made)], list(words["meta"]), facts]
    people = [header, *[_cells(g, words, written, phone_at, question) for g in guests]]
    host = [
        [words["host"]],
        [words["header"][i] for i in (0, 1, 4, 7, 8, 9)],
        [
            words["yes"],
            "Hema Host",
            "hema@academy.example",
            show(start),
            show(start + dt.timedelta(hours=2)),
            minutes(120),
        ],
    ]
    sections = [[[words["attendees"]], *people], *([host] if is_hosted else [])]
    if rng.random() < 0.5:
        sections.reverse()
    if rng.random() < 0.3:
        sections.insert(rng.randint(0, len(sections)), [["Panelist Details"]])
    blank = [[]] if rng.random() < 0.3 else []
    rows = list(top)
    for section in sections:
        rows += blank + section
    if rng.random() < 0.3:
        # The trailing comma that shifts a naive reader.
        rows = [[*row, ""] if row and row[0] in (words["yes"], words["no"]) else row for row in rows]
    if rng.random() < 0.3:
        width = max(map(len, rows))
        rows = [row + [""] * (width - len(row)) for row in rows]
    return rows


def _cells(guest: Guest, words: dict, written: Written, phone_at: int, question: bool) -> list[str]:
    show, minutes = written
    timed = guest.join is not None and guest.leave is not None
    cells = [
        words["yes"] if timed else words["no"],
        guest.name,
        guest.first,
        guest.last,
        guest.email,
        show(guest.registered) if guest.registered else "",
        words["approved"] if guest.registered else "",
        show(guest.join) if guest.join else "--",
        show(guest.leave) if guest.leave else "--",
        "--" if guest.minutes is None else minutes(guest.minutes),
        words["yes"] if timed else "--",
        guest.country,
    ]
    cells.insert(phone_at, guest.phone)
    if question:
        cells.insert(len(cells) - 1, guest.answer)
    return cells


def _encode(rng: random.Random, rows: list[list[str]]) -> tuple[bytes, tuple[tuple[int, ...], ...], int]:
    """The file, where each cell of each record begins in it, and the bytes of a newline."""
    always = rng.random() < 0.3
    delimiter, line_end = rng.choice(",,,;\t"), rng.choice(["\n", "\r\n"])
    codec, mark = rng.choice(
        [("utf-8", b""), ("utf-8", b""), ("utf-8", _BOM), ("utf-8", _BOM * 2), ("utf-16-le", b"\xff\xfe")]
    )
    spoil = codec == "utf-8" and rng.random() < 0.15
    data, records = bytearray(mark), []
    for row in rows:
        starts = []
        for number, cell in enumerate(row):
            starts.append(len(data))
            text = cell.replace("Rao", "Ra\0o") if spoil else cell
            if always or any(char in text for char in f'{delimiter}"\r\n'):
                text = '"' + text.replace('"', '""') + '"'
            data += (text + (delimiter if number < len(row) - 1 else line_end)).encode(codec)
        if not row:
            starts.append(len(data))
            data += line_end.encode(codec)
        records.append((*starts, len(data)))
    return bytes(data), tuple(records), len("\n".encode(codec))


def cut_tail(rng: random.Random, case: Case) -> bytes:
    """A file that is only half copied."""
    return case.data[: rng.randint(1, len(case.data) - 1)]


def double_line(rng: random.Random, case: Case) -> bytes:
    """A line that stands twice."""
    lines = case.data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join([*lines[: at + 1], *lines[at:]])


def drop_line(rng: random.Random, case: Case) -> bytes:
    """A line that is gone."""
    lines = case.data.split(b"\n")
    at = rng.randrange(len(lines))
    return b"\n".join(lines[:at] + lines[at + 1 :])


def swap_cells(rng: random.Random, case: Case) -> bytes:
    """Two cells of one line change places."""
    return _edit(rng, case, _swap)


def lose_cell(rng: random.Random, case: Case) -> bytes:
    """A cell of one line is gone, and the rest moves up."""
    return _edit(rng, case, lambda r, row: row.pop(r.randrange(len(row))))


def insert_cell(rng: random.Random, case: Case) -> bytes:
    """A cell too many."""
    return _edit(rng, case, lambda r, row: row.insert(r.randrange(len(row)), r.choice(["", "x", "1"])))


def flip_bytes(rng: random.Random, case: Case) -> tuple[bytes, list[tuple[int, int]]]:
    """A few bytes of noise, and where."""
    data, spans = bytearray(case.data), []
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data))
        data[at] = rng.choice([0, 10, 34, 44, 255, rng.randrange(256)])
        spans.append((at, at + 1))
    return bytes(data), spans


def cut_middle(rng: random.Random, case: Case) -> tuple[bytes, list[tuple[int, int]]]:
    """A stretch in the middle is missing, and which."""
    start = rng.randrange(len(case.data))
    end = min(start + rng.randint(1, 200), len(case.data))
    return case.data[:start] + case.data[end:], [(start, end)]


def _swap(rng: random.Random, row: list[str]) -> None:
    one, other = rng.randrange(len(row)), rng.randrange(len(row))
    row[one], row[other] = row[other], row[one]


def _edit(rng: random.Random, case: Case, change: Callable[[random.Random, list[str]], object]) -> bytes:
    is_wide = case.data[:2] == b"\xff\xfe"
    text = case.data.decode("utf-16" if is_wide else "utf-8-sig").replace("\ufeff", "").replace("\0", "")
    delimiter = max(",;\t", key=text.split("\n")[2].count)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    row = rng.choice([row for row in rows if row])
    change(rng, row)
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-16" if is_wide else "utf-8")


LINES = {f.__name__: f for f in (cut_tail, double_line, drop_line)}
CELLS = {f.__name__: f for f in (swap_cells, lose_cell, insert_cell)}
STRUCTURAL = LINES | CELLS
NOISE = {f.__name__: f for f in (flip_bytes, cut_middle)}
