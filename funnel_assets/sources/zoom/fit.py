"""One block of people as columns, and whether every row's cells fit where the header puts them.

Belongs here: alignment of rows with their header, types of cells, which free column is the phone. A row whose
cells don't fit is set apart with the reason; nothing is shifted, nothing is guessed.
"""

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from funnel_assets.arrow import pc
from funnel_assets.masking import mask_text
from funnel_assets.sources.zoom.dates import Cells, take_apart
from funnel_assets.sources.zoom.doubts import Doubt, is_made_up
from funnel_assets.sources.zoom.labels import Labels
from funnel_assets.sources.zoom.layout import Block, zoned_name
from funnel_assets.sources.zoom.visits import add_days, prefer_words, split_spans
from funnel_assets.sources.zoom.zones import Zone, header_zone

TIME_COLUMNS = ("registration_time", "join_time", "leave_time")
TEXT_COLUMNS = (
    "user_name",
    "first_name",
    "last_name",
    "email",
    "phone_raw",
    "approval",
    "country",
    "registration_source",
)
_EMPTY = ("", "-", "--", "---", "—", "–", "N/A", "n/a")
# Up to this many rows Python is quicker than starting Arrow's functions.
_FEW = 256
_EMAIL = r"^[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s.,;<>\"]{2,}$"
_PHONE_LIKE = r"^[\s'’±+(]*[\d][\d\s().+\-/]{7,22}$"
# The share of a column's words that are known countries from which any other word is out of place.
_MOST_COUNTRIES = 0.8
# So many different people under one phone or e-mail, and most of all: that column is no key.
_MANY_PEOPLE = 4
_NAMES = ("user_name", "first_name", "last_name")
_REGISTERED = ("registration_time", "approval")
_OF_A_PERSON = (
    *_NAMES,
    *_REGISTERED,
    "email",
    "registration_email",
    "upn",
    "phone",
    "country",
    "country_question",
)
# What people answer who won't give theirs.
_NO_PHONE = r"^(?i:\W*(n\W?a|no|none|nil|null)\W*)$"
_DATE_LIKE = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}[ T,]+\d{1,2}:\d{2}"
# A date with a time, in any style.
_MOMENT_LIKE = r"(\d{4}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2}).*\d{1,2}[:.]\d{2}"
_MOST_MOMENTS = 0.8
_MOST_PHONES = 0.8
# A length of time in words, "1h 3m" or "46 minutes"; a bare number may count anything.
LENGTH_LIKE = r"^(?i:\d+ ?(h|m|s|hrs?|mins?|hours?|minutes?|secs?|seconds?)\.?(,? \d+ ?[a-z]+\.?){0,2})$"
# What only so few of a column's cells hold doesn't belong there.
_FEW_MOVED = 0.1
# Columns of what people are asked, and of nothing that is known.
_ANSWERS = (None, "other", "job_title")
# What is left of letters that an encoding lacks: "Y?ld?z", "?????".
LETTERS_LOST = "[A-Za-z\u00c0-\u024f]\\?[A-Za-z\u00c0-\u024f]|^\\?{3,}( |$)|\ufffd"
_STRICT = frozenset(
    {"registration_time", "join_time", "leave_time", "minutes", "total_minutes", "is_guest", "email"}
)


@dataclass
class People:
    """A block after alignment.

    Attributes:
        text: Canonical text columns, null where empty.
        times: Date columns taken apart, not yet read.
        clock: Minutes written like ``0:55``, once as hours and minutes, once as minutes and seconds; the times of the
            rows decide. ``minutes`` lacks them until then.
        why: Reason code of each row that doesn't fit, None otherwise; ``blame`` names the column.
        is_total: Rows whose minutes are a total over several visits between join and leave.
        clocks: Time columns that held times of day alone, without a date.
        said: What is wrong with a row in words of its own.
        notes: What a reader should know of the block.
        doubts: What makes the whole report doubtful.
    """

    block: Block
    text: dict[str, pa.Array]
    times: dict[str, Cells]
    minutes: np.ndarray
    why: np.ndarray
    blame: np.ndarray
    is_total: np.ndarray
    clocks: tuple[str, ...] = ()
    clock: tuple[np.ndarray, np.ndarray] | None = None
    said: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def refuse(self, mask: np.ndarray, reason: str, column: str) -> None:
        """Set rows apart, unless an earlier reason already did."""
        fresh = mask & (self.why == None)  # noqa: E711 - elementwise
        self.why[fresh] = reason
        self.blame[fresh] = column

    def raw(self, row: int) -> str:
        """JSON of one row as it stands in the file."""
        cells = self.block.rows[row]
        named: dict[str, object] = {}
        for i, (name, cell) in enumerate(zip(self.block.header, cells, strict=False)):
            # Two questions may be worded alike: neither answer is lost.
            named[f"{name} (column {i + 1})".strip() if not name or name in named else name] = cell
        extra = [cell for cell in cells[len(self.block.header) :] if cell.strip()]
        if extra:
            named["beyond the header"] = extra
        return json.dumps(named, ensure_ascii=False)


@dataclass
class Rows:
    """One block's rows as arrays: texts, UTC microseconds, and the marks that later steps add.

    Attributes:
        attended: 1 yes, 0 no, -1 not said.
        is_span: Rows whose times enclose several visits, so that ``minutes`` is the truth.
        is_timing_unusable: Rows whose times the report itself contradicts.
    """

    people: People
    attended: np.ndarray
    times: dict[str, np.ndarray]
    minutes: np.ndarray
    section: np.ndarray
    is_span: np.ndarray
    is_timing_unusable: np.ndarray


def fit(block: Block, labels: Labels, timezone: str, day: str = "") -> People:
    """Align a block's rows with its header and check every cell's type except dates' order.

    Args:
        block: The rows.
        labels: The table of words.
        timezone: The account's own zone.
        day: Date of the event as the report writes it, for clock times without one.
    """
    count = len(block.rows)
    columns, lengths = _align(block)
    prefer_words(block.names, _same_names(block, labels), columns)
    _unname_numbers(block, columns)
    _name_email_column(block, columns, labels)
    doubts = _check_keys(block, columns)
    people = People(
        block=block,
        text={},
        times={},
        minutes=np.full(count, np.nan),
        why=np.full(count, None, dtype=object),
        blame=np.full(count, "", dtype=object),
        is_total=np.zeros(count, dtype=bool),
        doubts=doubts,
    )
    for index, name in enumerate(block.names):
        if name in _OF_A_PERSON:
            columns[index] = _without_blanks(columns[index], labels, is_name=name in _NAMES)
    cells = {name: columns[i] for i, name in enumerate(block.names) if name and name != "other"}
    _check_texts(people, cells, labels)
    spans = split_spans(cells, labels)
    if spans is not None:
        people.is_total |= spans[0]
        people.refuse(spans[1], "misaligned", _shown_span(block))
    people.clocks = add_days(cells, day)
    _check_minutes(people, cells, labels)
    for name in ("registration_time", "join_time", "leave_time", "first_join", "last_leave"):
        if name in cells:
            title = block.header[block.names.index(name)] if name in block.names else ""
            zone = _zone_of(title, labels, timezone)
            people.times[_plain_name(name)] = take_apart(cells[name], labels, timezone, zone)
    people.is_total |= "total_minutes" in cells or ("first_join" in cells and "minutes" in cells)
    phone_columns = _add_phone(people, columns, labels)
    _check_alignment(people, columns, phone_columns, lengths, labels)
    _check_split_header(people, labels)
    _tell_unknown_columns(people, columns, phone_columns, labels)
    _check_moved_lengths(people, columns)
    return people


def _name_email_column(block: Block, columns: list[pa.Array], labels: Labels) -> None:
    """Addresses are known without a known header: a column of the organiser's own that holds them is the e-mail."""
    if {"email", "upn"} & set(block.names):
        return
    for index, (name, column) in enumerate(zip(block.names, columns, strict=True)):
        if name is not None or labels.is_named_otherwise(block.header[index]):
            continue
        found = np.count_nonzero(_like(column, _EMAIL))
        if found and found >= 0.8 * np.count_nonzero(_filled(column)) and found >= 0.5 * len(column):
            block.names[index] = "email"
            return


def _check_keys(block: Block, columns: list[pa.Array]) -> list[Doubt]:
    """Take the name of a phone's or e-mail's column away that holds one value for most people: it is nobody's."""
    doubts = []
    for index, name in enumerate(block.names):
        if name not in ("email", "phone"):
            continue
        shared = _people_under_one(block, columns, index)
        if shared is None:
            continue
        most, everybody = shared
        block.names[index] = "other"
        detail = (
            f"The column {mask_text(block.header[index])!r} holds one value for {most} of {everybody} people."
        )
        counts = {"people": everybody, "under_one_key": most}
        doubts.append(Doubt("shared_key", detail, counts))
    return doubts


def _people_under_one(block: Block, columns: list[pa.Array], index: int) -> tuple[int, int] | None:
    """How many different people a column gives one value, of how many; None where it isn't most of them."""
    column = columns[index]
    counts = pc.value_counts(column.drop_null())
    if not len(counts):
        return None
    value, times = max(counts.to_pylist(), key=lambda one: one["counts"]).values()
    # Where every row says which event it is of, it says who the host is too.
    many = 2 if block.event_columns else _MANY_PEOPLE
    if times < many or is_made_up(value):
        return None
    known = [i for name in ("email", "user_name", "first_name", "last_name") for i in _at(block, name, index)]

    def people(rows: np.ndarray) -> int:
        return len({*zip(*(columns[i].filter(pa.array(rows)).to_pylist() for i in known), strict=True)})

    under = people(_bool(pc.equal(column, value)))
    if under < many:
        return None
    everybody = people(np.ones(len(column), dtype=bool))
    return (under, everybody) if under > everybody / 2 else None


def _at(block: Block, name: str, but: int) -> list[int]:
    return [i for i, named in enumerate(block.names) if named == name and i != but]


def _check_moved_lengths(people: People, columns: list[pa.Array]) -> None:
    """Lengths of time in words among other answers, where the column of lengths holds bare numbers: they moved."""
    block = people.block
    own = next((name for name in ("minutes", "total_minutes") if name in block.names), None)
    if own is None:
        return
    lengths = columns[block.names.index(own)]
    worded = _like(lengths, LENGTH_LIKE)
    bare = _filled(lengths) & ~worded
    for column, title, name in zip(columns, block.header, block.names, strict=True):
        if name not in _ANSWERS:
            continue
        holds = _like(column, LENGTH_LIKE)
        if worded.any():
            people.refuse(bare & holds, "misaligned", own)
        elif bare.any() and np.count_nonzero(holds) >= _MOST_MOMENTS * max(
            1, np.count_nonzero(_filled(column))
        ):
            detail = f"The column {mask_text(title)!r} holds lengths of time, that of lengths bare numbers."
            people.doubts.append(Doubt("unknown_column", detail, {"filled": int(np.count_nonzero(holds))}))


def _tell_unknown_columns(
    people: People, columns: list[pa.Array], phone_columns: list[int], labels: Labels
) -> None:
    """Say which columns nothing was read from because no table knows their heading.

    A moment or a role is what attendance is made of, no question's answer: such a column makes the report doubtful.
    """
    titles = []
    for index, (title, name) in enumerate(zip(people.block.header, people.block.names, strict=True)):
        if name is not None or index in phone_columns:
            continue
        filled = np.count_nonzero(_filled(columns[index]))
        shown = repr(mask_text(title)) if title else f"number {index + 1}"
        if title or filled:
            titles.append(shown)
        holds = {
            "times": _like(columns[index], _MOMENT_LIKE),
            "roles": _filled(_mapped(columns[index], "role", labels)[0]),
        }
        if not {"registration_time", "approval", "first_name", "attended"} & set(people.block.names):
            # A list of visits has no questions of the organiser's: this may be the waiting room's column.
            holds["answers"] = _filled(_mapped(columns[index], "yes_no", labels)[0])
        for what, found in holds.items():
            if filled and np.count_nonzero(found) >= _MOST_MOMENTS * filled:
                detail = f"The column {shown} holds {what}, and its heading is unknown."
                people.doubts.append(Doubt("unknown_column", detail, {"filled": int(filled)}))
    _doubt_lost_roles(people, columns, labels)
    widths = [len(row) for row in people.block.rows]
    if len(widths) > 1 and max(widths) < len(people.block.header):
        detail = "Every row has fewer cells than its header: which heading is whose isn't sure."
        people.doubts.append(Doubt("unknown_column", detail, {"rows": len(widths)}))
    if titles:
        people.notes.append(f"Nothing was read from columns of unknown headings: {', '.join(titles)}.")


def _doubt_lost_roles(people: People, columns: list[pa.Array], labels: Labels) -> None:
    """The roles' column holds none, and another one that nobody reads holds nothing else: headings changed places."""
    names = people.block.names

    def roles(index: int) -> int:
        return int(np.count_nonzero(_filled(_mapped(columns[index], "role", labels)[0])))

    if "role" not in names or roles(names.index("role")):
        return
    for index, name in enumerate(names):
        filled = np.count_nonzero(_filled(columns[index]))
        if name == "other" and filled > 1 and roles(index) >= _MOST_MOMENTS * filled:
            shown = repr(mask_text(people.block.header[index]))
            detail = f"The column {shown} holds roles, and the one of roles holds none."
            people.doubts.append(Doubt("unknown_column", detail, {"filled": int(filled)}))


def _same_names(block: Block, labels: Labels) -> dict[int, int]:
    """Position of the column read as the shown name, and of the next one whose header means the same."""
    meant = [labels.name("header", title) == "user_name" for title in block.header]
    first = next((i for i, name in enumerate(block.names) if name == "user_name"), None)
    later = [i for i, name in enumerate(block.names) if meant[i] and name is None]
    return {} if first is None or not later else {first: later[0]}


def _unname_numbers(block: Block, columns: list[pa.Array]) -> None:
    """Nobody is called by the number of the row."""
    for index, name in enumerate(block.names):
        numbers = np.count_nonzero(_like(columns[index], r"^\d{1,6}$")) if name == "user_name" else 0
        if numbers > 1 and numbers * 2 > len(columns[index]):
            block.names[index] = "other"


def _shown_span(block: Block) -> str:
    return block.header[block.names.index("visit_span")]


def _zone_of(title: str, labels: Labels, timezone: str) -> Zone | None:
    zone = zoned_name("header", title, labels)[1]
    return header_zone(zone, timezone, labels) if zone else None


def _plain_name(name: str) -> str:
    return {"first_join": "join_time", "last_leave": "leave_time"}.get(name, name)


@dataclass(frozen=True)
class _Lengths:
    """Rows of another length than they should be: shorter than the header, with values beyond it, without the empty
    cell at their end that the others have, or with one that the others don't have."""

    short: np.ndarray
    extra: np.ndarray
    docked: np.ndarray
    longer: np.ndarray


def _align(block: Block) -> tuple[list[pa.Array], _Lengths]:
    """Columns of the header's width, and which rows were of another."""
    width, rows = len(block.header), block.rows
    count = len(rows)
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=count)
    short = lengths < width
    extra = np.zeros(count, dtype=bool)
    for i in np.flatnonzero(lengths > width):
        extra[i] = any(cell.strip() for cell in rows[i][width:])
    if count and (lengths == lengths[0]).all() and lengths[0] >= width:
        raw = list(zip(*rows, strict=True))[:width]
    else:
        padding = [""] * width
        raw = list(zip(*[(row + padding)[:width] for row in rows], strict=True)) or [()] * width
    docked = lengths == width
    if docked.sum() > min(np.count_nonzero(lengths > width), max(1, 0.25 * count)):
        docked = np.zeros(count, dtype=bool)
    longer = (lengths > width) & ~extra
    if longer.sum() > min(np.count_nonzero(lengths == width), max(1, 0.25 * count)):
        longer = np.zeros(count, dtype=bool)
    raw.reverse()
    # Each column goes as soon as it is clean: in a large file they weigh as much as the result.
    return [_clean(raw.pop()) for _ in range(len(raw))], _Lengths(short, extra, docked, longer)


def _clean(column: Sequence[str]) -> pa.Array:
    if len(column) <= _FEW:
        cells = (cell.strip() for cell in column)
        return pa.array([None if cell in _EMPTY else cell for cell in cells], pa.string())
    values = pc.utf8_trim_whitespace(pa.array(column, pa.string()))
    return pc.if_else(pc.is_in(values, value_set=pa.array(_EMPTY)), pa.scalar(None, pa.string()), values)


def _without_blanks(column: pa.Array, labels: Labels, *, is_name: bool = False) -> pa.Array:
    """A column without the words that people or programs put for nothing; somebody may be called ``Na``, or ``Nil``."""
    if len(column) <= _FEW:
        blank = _like(column, labels.blank_pattern(r"[\W_]"))
    else:
        # Few words are different, or most hold a digit or an at sign: the pattern is for the few that are left.
        encoded = column.dictionary_encode()
        words = encoded.dictionary
        is_blank = ~_bool(pc.match_substring_regex(words, "[0-9@]"))
        pattern = labels.blank_pattern(r"[^\pL\pN\pM]")
        is_blank[is_blank] = _bool(pc.match_substring_regex(words.filter(pa.array(is_blank)), pattern))
        blank = _bool(pa.array(is_blank).take(encoded.indices))
    if is_name and blank.any():
        blank &= ~among(column, ("Na", "Nil"))
    return pc.if_else(pa.array(blank), pa.scalar(None, pa.string()), column) if blank.any() else column


def _bool(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def _filled(column: pa.Array) -> np.ndarray:
    return column.is_valid().to_numpy(zero_copy_only=False)


def among(column: pa.Array, words: Collection[str]) -> np.ndarray:
    """Which cells are one of the words; empty ones aren't."""
    if len(column) <= _FEW:
        return np.array([cell in words for cell in column.to_pylist()], dtype=bool)
    return _bool(pc.is_in(column, value_set=pa.array(list(words), pa.string())))


def _words_of(column: pa.Array, rows: np.ndarray) -> set[str]:
    """Distinct words of some rows."""
    return set(pc.unique(column.filter(pa.array(rows))).drop_null().to_pylist())


def _like(column: pa.Array, pattern: str) -> np.ndarray:
    """Which cells hold something like ``pattern``; empty ones don't."""
    if len(column) <= _FEW:
        seek = re.compile(pattern).search
        return np.array(
            [cell is not None and seek(cell) is not None for cell in column.to_pylist()], dtype=bool
        )
    return _bool(pc.match_substring_regex(column, pattern))


def _mapped(column: pa.Array, kind: str, labels: Labels) -> tuple[pa.Array, np.ndarray]:
    """Words of a small vocabulary as canonical names, and which cells hold something else."""
    if len(column) <= _FEW:
        words = column.to_pylist()
        found = [labels.name(kind, word) if word else None for word in words]
        strange = [word is not None and name is None for word, name in zip(words, found, strict=True)]
        return pa.array(found, pa.string()), np.array(strange, dtype=bool)
    encoded = column.dictionary_encode()
    names = [labels.name(kind, word) for word in encoded.dictionary.to_pylist()]
    mapped = (
        pa.array(names, pa.string()).take(encoded.indices) if names else pa.nulls(len(column), pa.string())
    )
    return mapped, _bool(pc.and_(pc.is_null(mapped), pc.is_valid(column)))


def _check_texts(people: People, cells: dict[str, pa.Array], labels: Labels) -> None:
    for name in ("user_name", "first_name", "last_name", "registration_source", "country"):
        if name in cells:
            people.text[name] = cells[name]
    if "country" not in cells and "country_question" in cells:
        people.text["country"] = cells["country_question"]
        people.refuse(_like(cells["country_question"], r"^[\d\s.,]+$"), "misaligned", "country")
    for name, kind in (
        ("attended", "yes_no"),
        ("approval", "approval"),
        ("is_guest", "yes_no"),
        ("in_waiting_room", "yes_no"),
    ):
        if name in cells:
            mapped, strange = _mapped(cells[name], kind, labels)
            people.text[name] = mapped
            people.refuse(strange, "misaligned", name)
    if "role" in cells:
        roles, strange = _mapped(cells["role"], "role", labels)
        people.text["role"] = roles
        known = _filled(roles)
        if np.count_nonzero(known) > len(known) / 2:
            people.refuse(~known, "misaligned", "role")
        elif np.count_nonzero(strange) > len(known) / 2:
            title = mask_text(people.block.header[people.block.names.index("role")])
            detail = (
                f"The column {title!r} holds words that are no known role: who held the event isn't known."
            )
            people.doubts.append(Doubt("unknown_column", detail, {"rows": int(np.count_nonzero(strange))}))
    if "email" in cells:
        email = pc.utf8_lower(cells["email"])
        people.refuse(_filled(email) & ~_like(email, _EMAIL), "misaligned", "email")
        people.text["email"] = email
    if "upn" in cells:
        people.text["upn"] = cells["upn"]
    for name in ("registration_email", "upn"):
        if name not in cells:
            continue
        upn = pc.utf8_lower(cells[name])
        upn = pc.if_else(pa.array(_like(upn, _EMAIL)), upn, pa.scalar(None, pa.string()))
        people.text["email"] = pc.coalesce(people.text["email"], upn) if "email" in people.text else upn
    for name in ("user_name", "first_name", "last_name", "registration_source"):
        if name in cells:
            people.refuse(_like(cells[name], _DATE_LIKE), "misaligned", name)
            people.refuse(_like(cells[name], LETTERS_LOST), "letters_lost", name)
    if "in_waiting_room" in people.text:
        people.refuse(among(people.text["in_waiting_room"], ("yes",)), "in_waiting_room", "")
    if "country" in cells:
        strange = _like(cells["country"], r"[@\d\"]")
        words, _ = _mapped(cells["country"], "yes_no", labels)
        people.refuse(strange | _filled(words), "misaligned", "country")
        _check_countries(people, cells["country"], labels)


def _check_stray_email(people: People, columns: list[pa.Array]) -> None:
    """An address under another header while the e-mail is empty: cells changed places (a shown name may be one)."""
    if "email" not in people.text:
        return
    empty = ~_filled(people.text["email"])
    if not empty.any():
        return
    # The host's address, which stands in every row of some lists, is nobody's stray one.
    own = ("email", "user_name", "upn", "registration_email")
    for index, (name, title) in enumerate(zip(people.block.names, people.block.header, strict=True)):
        if name not in own and people.block.event_columns.get(index) != "host_email":
            people.refuse(empty & _like(columns[index], _EMAIL), "misaligned", title)


def _check_minutes(people: People, cells: dict[str, pa.Array], labels: Labels) -> None:
    name = "minutes" if "minutes" in cells else "total_minutes"
    if name not in cells:
        return
    column = cells[name]
    if (_like(column, r"^-?\d{1,5}(?:[.,]\d{1,3})?$") | ~_filled(column)).all():
        people.minutes = _numbers(column)
        return
    encoded = column.dictionary_encode()
    words = [minutes_of(text, labels) for text in encoded.dictionary.to_pylist()]
    values = np.array([np.nan if value is None else value for value in words] + [np.nan])
    at = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    people.minutes = values[at]
    pairs = [_two_numbers(text) for text in encoded.dictionary.to_pylist()]
    first, second = np.array([*pairs, (np.nan, np.nan)]).T[:, at]
    if not np.isnan(first).all():
        people.clock = (first * 60 + second, first + second / 60)
    people.refuse(np.isnan(people.minutes) & np.isnan(first) & _filled(column), "misaligned", name)


def _numbers(column: pa.Array) -> np.ndarray:
    """Texts like ``75`` and ``75,5`` as numbers; NaN for empty cells."""
    if len(column) <= _FEW:
        cells = column.to_pylist()
        return np.array([np.nan if cell is None else float(cell.replace(",", ".")) for cell in cells])
    plain = pc.replace_substring(column, ",", ".")
    return pc.cast(plain, pa.float64()).to_numpy(zero_copy_only=False).astype(float)


def _two_numbers(text: str) -> tuple[float, float]:
    """The numbers of ``0:55``, which can be hours and minutes or minutes and seconds; NaN for anything else."""
    found = re.fullmatch(r"(\d{1,4}):([0-5]\d)", text)
    return (float(found[1]), float(found[2])) if found else (np.nan, np.nan)


def minutes_of(text: str, labels: Labels) -> float | None:
    """Minutes of ``75``, ``1h 27m 51s``, ``59 Min. 0 Sek.`` or ``01:27:51``; None for anything else."""
    text = text.strip()
    if re.fullmatch(r"-?\d{1,5}(?:[.,]\d{1,3})?", text):
        return float(text.replace(",", "."))
    clock = re.fullmatch(r"(\d{1,3}):([0-5]\d):([0-5]\d)", text)
    if clock:
        hours, minutes, seconds = map(int, clock.groups())
        return hours * 60 + minutes + seconds / 60
    parts = re.findall(r"(\d+)\s*([^\W\d]+)\.?", text)
    if not parts or re.sub(r"(\d+)\s*([^\W\d]+)\.?|[\s,]", "", text):
        return None
    total = 0.0
    for number, unit in parts:
        name = labels.name("duration", unit)
        if name is None:
            return None
        total += int(number) * {"h": 60.0, "m": 1.0, "s": 1 / 60}[name]
    return total


def _add_phone(people: People, columns: list[pa.Array], labels: Labels) -> list[int]:
    """Fill ``phone_raw`` from the columns that hold the phone; returns their positions, best first.

    A column counts when its header speaks of a phone in any language, or when its filled cells look like
    phones (a question may be worded without the word). Within a row the first cell that looks like a phone is
    taken.
    """
    block = people.block
    found: list[tuple[int, float, int]] = []
    for index, (name, title) in enumerate(zip(block.names, block.header, strict=True)):
        if name not in (None, "other", "phone"):
            continue
        share = _phone_share(columns[index])
        named, excluded = labels.mentions("phone_word", title), labels.mentions("not_phone_word", title)
        excluded |= labels.is_named_otherwise(title)
        if name is None and share and not excluded and _people_under_one(block, columns, index):
            continue
        if name == "phone":
            found.append((0, -share, index))
        elif name is None and named and not excluded:
            found.append((1, -share, index))
        elif (
            name is None
            and share >= _MOST_PHONES
            and not excluded
            and not labels.mentions("other_number", title)
        ):
            found.append((2, -share, index))
            people.notes.append(f"The column {mask_text(title)!r} was read as the phone by its cells alone.")
    order = [index for _, _, index in sorted(found)]
    _doubt_moved_phones(people, columns)
    if not order:
        return order
    nothing = pa.nulls(len(block.rows), pa.string())
    likely = [pc.if_else(pa.array(_like(columns[i], _PHONE_LIKE)), columns[i], nothing) for i in order]
    named_columns = [columns[i] for rank, _, i in sorted(found) if rank < 2]
    typed = pc.coalesce(*likely, *named_columns) if named_columns else pc.coalesce(*likely)
    people.text["phone_raw"] = _without_blanks(typed, labels)
    return order


def _doubt_moved_phones(people: People, columns: list[pa.Array]) -> None:
    """Doubt a report whose column of phones holds none while another one does: the two changed places."""
    if "phone" not in people.block.names:
        return
    at = people.block.names.index("phone")
    typed = columns[at].filter(pa.array(_filled(columns[at]) & ~_like(columns[at], _NO_PHONE)))
    if not len(typed) or _like(typed, _PHONE_LIKE).any():
        return
    for index, name in enumerate(people.block.names):
        if name in (None, "other", "job_title", *_NAMES) and _phone_share(columns[index]) >= _MOST_PHONES:
            titles = " and ".join(repr(mask_text(people.block.header[i])) for i in (at, index))
            detail = f"No phone stands in the column of phones, but phones in another one: {titles}."
            people.doubts.append(Doubt("unknown_column", detail, {"filled": len(typed)}))


def _phone_share(column: pa.Array) -> float:
    filled = len(column) - column.null_count
    if not filled:
        return 0.0
    numbered = np.count_nonzero(_like(column, r"\d"))
    phones = float(np.count_nonzero(_like(column, r"^[\s'’±]*(\+|0|91|[6-9])[\d\s().\-]{8,18}$")))
    # "NA" and "no" are answers to a phone question too; a lone number among remarks doesn't make it one.
    return phones / numbered if phones >= filled / 2 else 0.0


def _check_alignment(
    people: People, columns: list[pa.Array], phones: list[int], lengths: _Lengths, labels: Labels
) -> None:
    """Set apart rows of another length than their header unless it is certain which cell is which."""
    short, extra, docked = lengths.short, lengths.extra, lengths.docked
    if extra.any():
        # Of so many, the header lost its end, or two of its names ran together: nothing is sure.
        sure = extra.mean() < 0.5
        # Any number may be minutes, any "Yes" a guest: such a last cell proves nothing.
        sure &= people.block.names[-1] not in ("minutes", "total_minutes", "is_guest")
        people.refuse(extra & ~(sure & _ends_well(people.block, columns, extra)), "too_many_fields", "")
    if lengths.longer.any():
        longer = lengths.longer
        people.refuse(longer & ~_ends_well(people.block, columns, longer), "too_many_fields", "")
    if docked.any():
        people.refuse(docked & ~_ends_well(people.block, columns, docked), "cell_lost", "")
    if short.any():
        _check_short(people, columns, phones, short)
    _check_stray_email(people, columns)
    _check_moved(people, columns, labels)
    _check_names(people, labels)
    if phones:
        _check_swapped_phone(people, columns, phones)
    if short.any():
        _check_broken_lines(people, short)
    _check_trust(people)


def _check_moved(people: People, columns: list[pa.Array], labels: Labels) -> None:
    """A moment or an approval among a person's answers while the row's own is empty: cells changed places."""
    block = people.block
    empty = {
        own: ~_filled(columns[block.names.index(own)])
        for own in ("registration_time", "join_time", "leave_time", "approval")
        if own in block.names
    }
    lost = {own: missing for own, missing in empty.items() if missing.any()}
    if not lost:
        return
    for column, name in zip(columns, block.names, strict=True):
        if name not in (*_ANSWERS, "phone"):
            continue
        few = max(1, _FEW_MOVED * np.count_nonzero(_filled(column)))
        moments = _like(column, _MOMENT_LIKE)
        words = _filled(_mapped(column, "approval", labels)[0]) if "approval" in lost else moments
        for own, missing in lost.items():
            holds = words if own == "approval" else moments
            if np.count_nonzero(holds) <= few:
                people.refuse(missing & holds, "misaligned", own)


def _check_names(people: People, labels: Labels) -> None:
    """Words under a name that belong elsewhere: a country where the country is none, an answer, the address itself."""
    country, guest, upn = (people.text.get(name) for name in ("country", "is_guest", "upn"))
    for name in ("user_name", "first_name", "last_name"):
        column = people.text.get(name)
        if column is None:
            continue
        filled = _filled(column)
        if _repeats_itself(column):
            answers, roles = (_words_of_kind(column, kind, labels, filled) for kind in ("yes_no", "role"))
            if answers.sum() > 1 and answers.sum() >= 0.5 * filled.sum():
                people.refuse(answers, "misaligned", name)
            if roles.sum() > 1 and roles.sum() >= 0.5 * filled.sum():
                people.refuse(np.ones(len(roles), dtype=bool), "misaligned", name)
        if guest is not None:
            unsaid = ~_filled(guest) & filled
            people.refuse(_words_of_kind(column, "yes_no", labels, unsaid), "misaligned", name)
        if country is not None:
            odd = _filled(country) & ~_filled(_mapped(country, "country", labels)[0])
            people.refuse(_words_of_kind(column, "country", labels, odd), "misaligned", name)
        if upn is not None and name == "user_name":
            people.refuse(_like(column, _EMAIL) & _filled(upn) & ~_like(upn, _EMAIL), "misaligned", name)


def _repeats_itself(column: pa.Array) -> bool:
    """Whether half of a column's cells can be a few words: names of a large report are all different."""
    return len(column) <= _FEW or len(pc.unique(column)) <= 0.75 * len(column)


def _words_of_kind(column: pa.Array, kind: str, labels: Labels, rows: np.ndarray) -> np.ndarray:
    """Which of some rows' cells are words of a kind."""
    found = np.zeros(len(column), dtype=bool)
    if rows.any():
        found[rows] = _filled(_mapped(column.filter(pa.array(rows)), kind, labels)[0])
    return found


def _ends_well(block: Block, columns: list[pa.Array], odd: np.ndarray) -> np.ndarray:
    """Whose last cell is certainly of its column, so that nothing before it moved."""
    last = block.names[-1]
    if last in _STRICT:
        return _filled(columns[-1])
    if last == "country":
        return among(columns[-1], _words_of(columns[-1], ~odd))
    return np.zeros(len(odd), dtype=bool)


def _check_split_header(people: People, labels: Labels) -> None:
    """Two cells that are one known name only together, "Time in Session" and "(minutes)": all after them has moved."""
    header, names = people.block.header, people.block.names
    for left, right, name, next_name in zip(header, header[1:], names, names[1:], strict=False):
        # "Email" and "Address" are two columns of a registration form.
        in_two = (name is None or right.startswith("(")) and next_name is None and left and right
        if in_two and labels.name("header", f"{left} {right}"):
            people.refuse(np.ones(len(people.why), dtype=bool), "misaligned", f"{left},{right}")


def _check_broken_lines(people: People, short: np.ndarray) -> None:
    """A short row right above a short one that doesn't fit: one line with a line end in it, without quotes."""
    rows, width = people.block.rows, len(people.block.header)
    for row in np.flatnonzero(short[:-1])[::-1]:
        is_whole = len(rows[row]) + len(rows[row + 1]) - 1 <= width + 1
        if is_whole and people.why[row] is None and people.why[row + 1] is not None:
            people.refuse(_only(len(short), int(row)), "broken_line", "")


def _check_countries(people: People, column: pa.Array, labels: Labels) -> None:
    """Set apart what is no country where the others are, and a word of unknown meaning that only an absent person has.

    Most reports leave the country of whoever stayed away empty; some don't.
    """
    filled = _filled(column)
    known = _filled(_mapped(column, "country", labels)[0])
    told = people.text.get("attended")
    if np.count_nonzero(known) >= _MOST_COUNTRIES * np.count_nonzero(filled):
        people.refuse(filled & ~known, "misaligned", "country")
    elif told is not None:
        came = among(told, ("yes",)) & (people.why == None)  # noqa: E711 - elementwise
        absent = among(told, ("no",)) & filled & ~known
        people.refuse(absent & ~among(column, _words_of(column, came)), "misaligned", "country")


def _check_trust(people: People) -> None:
    """Where most rows of people who came don't fit, the header is damaged: rows of those who didn't hold too little to
    show it, and are set apart with the others."""
    told = people.text.get("attended")
    if told is None:
        return
    misfits = np.isin(people.why, ("misaligned", "too_many_fields", "missing_field"))
    if not misfits.any():
        return
    came = among(told, ("yes",))
    if np.count_nonzero(misfits & came) > max(1, np.count_nonzero(came) / 2):
        people.refuse(np.ones(len(came), dtype=bool), "misaligned", "")


def _check_short(people: People, columns: list[pa.Array], phones: list[int], short: np.ndarray) -> None:
    block = people.block
    needed = {"join_time", "leave_time", "minutes", "total_minutes", "email", "registration_time", "approval"}
    # Who waited is known by this cell alone.
    needed |= {"in_waiting_room"}
    if "country" in people.text and short.mean() < 0.25:
        # Zoom fills the country of whoever attended; where it does, a line without one was cut.
        filled = _filled(people.text["country"])[~short]
        needed |= {"country"} if filled.any() and filled.mean() >= 0.5 else set()
    for row in np.flatnonzero(short):
        length = len(block.rows[row])
        lost = {name for name in block.names[length:] if name in needed}
        attended = people.text.get("attended")
        if lost and (attended is None or attended[int(row)].as_py() != "no"):
            people.refuse(_only(len(short), int(row)), "missing_field", sorted(lost)[0])
        for name in _REGISTERED:
            # Every whole row has it: this one lost it, and what stands there moved up.
            cells = people.text.get(name, columns[block.names.index(name)] if name in block.names else None)
            if (
                cells is not None
                and not short.all()
                and _filled(cells)[~short].all()
                and not _filled(cells)[row]
            ):
                people.refuse(_only(len(short), int(row)), "missing_field", name)
        free_before = phones and any(name in (None, "other") for name in block.names[: phones[0]])
        typed = columns[phones[0]][int(row)].as_py() if phones else None
        if (free_before or typed) and not re.search(_PHONE_LIKE, typed or ""):
            people.refuse(_only(len(short), int(row)), "missing_field", "phone")


def _check_swapped_phone(people: People, columns: list[pa.Array], phones: list[int]) -> None:
    """A word where the phone belongs and a phone among the other typed cells: cells changed places."""
    phone = people.text["phone_raw"]
    _check_swapped_headers(people, columns, phones)
    people.refuse(_like(phone, r"\""), "misaligned", "phone")
    _check_moved_phone(people, columns, phones)
    wordy = _filled(phone) & ~_like(phone, r"\d")
    if not wordy.any():
        return
    for name in ("first_name", "last_name"):
        if name in people.text:
            nameless = ~_filled(people.text[name])
            people.refuse(wordy & nameless & ~_like(phone, _NO_PHONE), "misaligned", "phone")
    if "user_name" in people.text:
        # Everybody has a shown name.
        nameless = ~_filled(people.text["user_name"])
        people.refuse(wordy & nameless & ~_like(phone, _NO_PHONE), "misaligned", "phone")
    for name in ("country", "is_guest"):
        column = people.text.get(name)
        if column is None:
            continue
        # Zoom fills both for whoever attended: a word here and nothing there have changed places.
        misses = ~_filled(column)
        if "attended" in people.text:
            misses &= among(people.text["attended"], ("yes",))
        people.refuse(wordy & misses, "misaligned", "phone")
        if name == "country":
            known = _words_of(column, _filled(column))
            people.refuse(wordy & among(phone, known), "misaligned", "phone")
    typed = (None, "other", "job_title", "user_name", "first_name", "last_name", "registration_source")
    free = [i for i, name in enumerate(people.block.names) if name in typed and i not in phones]
    for index in free:
        holds = _like(columns[index], _PHONE_LIKE)
        people.refuse(wordy & holds, "misaligned", "phone")


def _check_moved_phone(people: People, columns: list[pa.Array], phones: list[int]) -> None:
    """A phone among answers that are none, or a row's number as a phone, where the phone's own cell lacks one."""
    phone = people.text["phone_raw"]
    short = _like(phone, r"^\d{1,4}$")
    for index, name in enumerate(people.block.names):
        if name not in _ANSWERS or index in phones:
            continue
        holds, filled = _like(columns[index], _PHONE_LIKE), _filled(columns[index])
        if np.count_nonzero(holds) <= max(1, _FEW_MOVED * np.count_nonzero(filled)):
            people.refuse((short | ~_filled(phone)) & holds, "misaligned", "phone")
        if len(filled) > 2 and np.count_nonzero(filled) == len(filled) - 1:
            people.refuse(short & ~filled, "misaligned", "phone")


def _check_swapped_headers(people: People, columns: list[pa.Array], phones: list[int]) -> None:
    """No phone in the phones' column and some under another known header: the two headers changed places."""
    phone = people.text["phone_raw"]
    if _like(phone, _PHONE_LIKE).any():
        return
    known = [
        i for i, name in enumerate(people.block.names) if name not in (None, "other") and i not in phones
    ]
    if any(_like(columns[index], _PHONE_LIKE).any() for index in known):
        people.refuse(_filled(phone) & ~_like(phone, _NO_PHONE), "misaligned", "phone")


def _only(count: int, row: int) -> np.ndarray:
    mask = np.zeros(count, dtype=bool)
    mask[row] = True
    return mask
