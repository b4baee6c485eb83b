"""Records to blocks: which lines are titles, facts about the event, headers, people.

Belongs here: the structure of a report, found by the words of ``labels.csv`` and never by line number. Does
not belong here: dates, fit of values, what attendance means.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.labels import Labels, key, load_labels
from funnel_assets.sources.zoom.text import Records

_TOP_LINES = 40
_IDENTITY = frozenset({"email", "user_name", "first_name", "upn"})
_SESSION = frozenset(
    {"join_time", "leave_time", "minutes", "total_minutes", "attended", "first_join", "last_leave", "action"}
)
# A table of people with one of these is about being there; registering alone is done for many things.
_PRESENCE = _SESSION - {"attended"}
_MARKUP = re.compile(r"\ufeff?\s*(?:[{<]|\[\s*\{)")
_LOOK_AT_BYTES, _ENOUGH_WORDS = 200_000, 4
_REGISTRATION = frozenset({"registration_time", "approval", "last_name", "role"})
_VISIT = frozenset({"registration_time", "join_time", "leave_time"})
# What some exporters put before each line about the event.
_MARK = "*"
UNKNOWN_SECTION = "unknown"
ASIDE = "aside"
_ZONE_ENDS = (")", "]", "）", ":")
_TIMES = frozenset(
    {"registration_time", "join_time", "leave_time", "first_join", "last_leave", "start", "end"}
) | {
    "generated_at",
    "scheduled_start",
    "actual_start",
}


@dataclass
class Block:
    """People under one header.

    Attributes:
        section: Canonical section name; ``unknown`` under a title no table knows; None with no title at all.
        header: The header's cells as written, without padding.
        names: Canonical name of each cell, None for a question of the organiser's own.
        rows: Data records, padding included.
        lines: Physical line of each record.
        sitting: Number of the topic table row that stands last above it; -1 above any.
        is_log: Whether its rows were made of a log with an action a row.
        open_visits: Rows of a log that say when somebody joined and not when they left.
        set_aside: (line, reason, raw) of rows that couldn't become part of a visit.
        event_columns: Position and fact of each column that says something of the event, the same in every row.
    """

    section: str | None
    header: list[str]
    names: list[str | None]
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    sitting: int = -1
    event_columns: dict[int, str] = field(default_factory=dict)
    is_log: bool = False
    open_visits: list[int] = field(default_factory=list)
    set_aside: list[tuple[int, str, str]] = field(default_factory=list)


@dataclass
class Layout:
    """A report taken apart.

    Attributes:
        title: ``attendee`` or ``registration`` where the file says so.
        facts: Event facts, one mapping a row of the topic table (a report over several sessions has several).
        single_facts: Facts written as ``label, value`` lines.
        blocks: People, in file order.
        loose: (line, cells) of lines that belong to nothing known.
        zones: Time zone that the header of an event fact names, as written.
        broken_facts: Lines about the event with fewer cells than their header, or headers without such a line.
        aside: Lines of sections that are about something else than attendance, such as polls.
    """

    title: str | None = None
    facts: list[dict[str, str]] = field(default_factory=list)
    single_facts: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    loose: list[tuple[int, list[str]]] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)
    aside: list[int] = field(default_factory=list)
    broken_facts: int = 0


def lay_out(records: Records, labels: Labels | None = None) -> Layout:
    """Find the blocks of a report."""
    return _Scanner(labels or load_labels()).scan(records)


class _Scanner:
    """Walks the records once; lines that look like plain data take the short way."""

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.layout = Layout()
        self.section: str | None = None
        self.block: Block | None = None
        self.fact_names: list[str | None] | None = None
        self.has_facts = False
        self.goes_on = False
        self.fact_width = 0
        self.unnamed: set[int] = set()
        self.records = Records([], [], [], ",", True)
        self.following = 0

    def scan(self, records: Records) -> Layout:
        self.records = records
        structure_texts = self.labels.structure_texts
        look_closer = True
        for index, row in enumerate(records.rows):
            if (
                look_closer
                or index < _TOP_LINES
                or not any(row[1:])
                or len(structure_texts.intersection(row)) > 1
            ):
                self.following = index + 1
                look_closer = self._structural(row, records.lines[index])
            elif self.block is not None:
                self.block.rows.append(row)
                self.block.lines.append(records.lines[index])
            else:
                self.following = index + 1
                look_closer = self._structural(row, records.lines[index])
        return self.layout

    def _header_follows(self) -> bool:
        for row in self.records.rows[self.following : self.following + 3]:
            cells = _trimmed(row)
            if cells:
                return self._is_header(cells)
        return False

    def _structural(self, row: Sequence[str], line: int) -> bool:
        """Take one line; True when the next one deserves a closer look as well."""
        cells = _trimmed(row)
        if len(cells) > 1 and cells[0] == _MARK:
            cells = cells[1:]
        if not cells:
            if self.has_facts:
                self.fact_names = None
            return True
        is_lone = bool(cells[0]) and sum(1 for cell in cells if cell) == 1
        if is_lone and (self._told_fact(cells[0]) or self._heading(cells[0])):
            return True
        if self.section == ASIDE:
            if not self._is_header(cells):
                self.layout.aside.append(line)
                return True
            self.section = UNKNOWN_SECTION
        if self._may_name_columns(cells) and (self._header(cells) or self._event_header(cells, len(row))):
            return True
        if self._single_fact(cells):
            return True
        if self.fact_names is not None and self._fact_row(cells):
            names = self.fact_names or []
            is_nameless = any(
                index in self.unnamed or index >= len(names) for index, cell in enumerate(cells) if cell
            )
            is_odd = len(row) < self.fact_width or len(cells) > max(len(names), self.fact_width)
            self.layout.broken_facts += is_odd or is_nameless
            return True
        if self.block is not None:
            self.block.rows.append(list(row))
            self.block.lines.append(line)
            return False
        self.layout.loose.append((line, cells))
        return True

    def _heading(self, text: str) -> bool:
        title = self.labels.name("title", text)
        if title:
            if self.layout.title and self.layout.blocks:
                raise ReportRefused("Two reports follow each other in this file.", reason="several_events")
            self.layout.title = self.layout.title or title
            self._close()
            return True
        section = self.labels.name("section", text)
        if section:
            self._close()
            self.section = section
            return True
        if self.labels.name("meta", text) == "generated_at":
            return True
        parts = re.split(r"[,;|\t]", text)
        if len(parts) > 1 and self.block is None and self.labels.name("meta", parts[0]):
            self.layout.broken_facts += 1
        # A heading in words no table knows: ahead of any header, or right above one. Elsewhere it is data.
        if "@" not in text and not text.isdigit() and (self.block is None or self._header_follows()):
            self._close()
            self.section = UNKNOWN_SECTION
            return True
        return False

    def _close(self) -> None:
        self.layout.broken_facts += self.fact_names is not None and not self.has_facts
        self.section = None
        self.block = None
        self.fact_names = None

    def _may_name_columns(self, cells: Sequence[str]) -> bool:
        """Whether two cells are known words, or may be with a zone behind; rules most lines of data out cheaply."""
        known = self.labels.column_keys
        return sum(1 for cell in cells if cell and (cell.endswith(_ZONE_ENDS) or key(cell) in known)) > 1

    def _is_header(self, cells: Sequence[str]) -> bool:
        """Whether these cells name the columns of a table of people."""
        known = {name for name in header_names(cells, self.labels) if name}
        if len(known) < 2 or not known & _IDENTITY or any("@" in cell for cell in cells):
            return False
        filled = sum(1 for cell in cells if cell)
        if len(known) < filled and (len(known) < 3 or not known & (_SESSION | _REGISTRATION)):
            return False
        is_about_event = any(self.labels.name("meta", cell) == "topic" for cell in cells)
        return not is_about_event or bool(
            known & {"join_time", "first_name", "attended", "first_join", "action"}
        )

    def _header(self, cells: Sequence[str]) -> bool:
        if not self._is_header(cells):
            return False
        self.layout.broken_facts += self.fact_names is not None and not self.has_facts
        self.fact_names = None
        if self.block is not None and self.block.header != list(cells):
            # Another table without a heading of its own: it isn't the section that came before.
            self.section = UNKNOWN_SECTION
        event_columns = event_facts(cells, self.labels)
        names = header_names(cells, self.labels, event_columns)
        if self.section in ("host", "panelist") and {"registration_time", "approval"} & set(names):
            # Nobody on stage registers: the heading of this table was lost.
            self.section = UNKNOWN_SECTION
        self.block = Block(
            section=self.section,
            header=list(cells),
            names=names,
            sitting=len(self.layout.facts) - 1,
            event_columns=event_columns,
        )
        self.layout.blocks.append(self.block)
        return True

    def _event_header(self, cells: Sequence[str], width: int) -> bool:
        names = [self.labels.name("meta", cell) or self._zoned(cell) for cell in cells]
        known = {name for name in names if name}
        self.goes_on = self._goes_on(known, names, cells)
        is_first = "topic" in known or ("webinar_id" in known and len(known) > 2)
        if len(known) < 2 or not (self.goes_on or is_first):
            return False
        if any("@" in cell for cell in cells) or self.section == "teams_summary":
            return False
        if _VISIT & {self.labels.name("header", cell) for cell in cells}:
            # The event's header ran into the one of its people: what follows would be taken for facts.
            return False
        self._close()
        self.fact_names, self.has_facts, self.fact_width = names, False, width
        self.unnamed = {index for index, cell in enumerate(cells) if not cell}
        return True

    def _goes_on(self, known: set[str], names: Sequence[str | None], cells: Sequence[str]) -> bool:
        """Whether a line of facts' names tells more of the event that the facts above are about."""
        told = self.layout.facts[-1] if self.layout.facts and self.block is None else {}
        return bool(told) and all(names) and not (known - {"other"}) & set(told) and len(cells) > 1

    def _told_fact(self, text: str) -> bool:
        """Take a cell that holds a fact's name and the fact: ``Created on 2026-08-31 20:12:56``."""
        if self.block is not None:
            return False
        quoted = re.fullmatch(r"([^\"]+?)\s+\"(.+)\"", text)
        if quoted and self.labels.name("topic_ahead", quoted[1]):
            self.layout.single_facts.setdefault("topic", quoted[2])
            return True
        found = re.match(r"([^\d:]+?)\s*:\s*(\S.*)|([^\d:]+?)\s+(\d.*)", text)
        label, told = (found[1] or found[3], found[2] or found[4]) if found else ("", "")
        name = self.labels.name("meta", label)
        if name is None:
            return False
        self.layout.single_facts.setdefault(name, told)
        return True

    def _zoned(self, cell: str) -> str | None:
        """Name of a fact whose header has a time zone behind it."""
        name, zone = zoned_name("meta", cell, self.labels)
        if name:
            self.layout.zones[name] = zone
        return name

    def _single_fact(self, cells: Sequence[str]) -> bool:
        if self.block is not None:
            return False
        name = self.labels.name("meta", cells[0])
        values = [cell for cell in cells[1:] if cell]
        if name is None or len(values) != 1 or (self.labels.name("meta", values[0]) and not self.section):
            return False
        self.layout.single_facts.setdefault(name, values[0])
        return True

    def _fact_row(self, cells: Sequence[str]) -> bool:
        named = list(zip(self.fact_names or [], cells, strict=False))
        if any(
            "@" in cell and name not in ("host_email", "host_name", "topic", None) for name, cell in named
        ):
            # What follows the names of facts is something else: the facts themselves are lost.
            self.layout.broken_facts += not self.has_facts
            self.fact_names = None
            return False
        facts: dict[str, str] = {}
        for name, cell in named:
            if name and cell:
                facts.setdefault(name, cell)
        if facts and self.goes_on and self.layout.facts:
            self.has_facts = True
            self.layout.facts[-1] = {**facts, **self.layout.facts[-1]}
        elif facts:
            self.has_facts = True
            self.layout.facts.append(facts)
        return True


def _trimmed(row: Sequence[str]) -> list[str]:
    """Cells without outer spaces and without the padding at the end of the line."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def header_names(
    cells: Sequence[str], labels: Labels, event_columns: Collection[int] = ()
) -> list[str | None]:
    """Canonical name of each header cell; a name counts once, later cells with it are free questions.

    Args:
        cells: The header.
        labels: The table of words.
        is_log: Whether its rows were made of a log with an action a row.
        open_visits: Rows of a log that say when somebody joined and not when they left.
        set_aside: (line, reason, raw) of rows that couldn't become part of a visit.
        event_columns: Positions of the columns that speak of the event; they are named ``other``.
    """
    names: list[str | None] = []
    seen: set[str] = set()
    is_dated = any(labels.name("header", cell) == "date" for cell in cells)
    alone = not ({"first_name", "last_name"} <= {labels.name("header", cell) for cell in cells})
    for index, cell in enumerate(cells):
        name = (is_dated and labels.name("dated", cell)) or (alone and labels.name("alone", cell))
        name = name or labels.name("header", cell)
        name = name or zoned_name("header", cell, labels)[0]
        if name is None and event_columns:
            name = labels.name("header", _numbered(cell))
        if index in event_columns:
            name = "other"
        if name in seen and name != "other":
            name = None
        if name:
            seen.add(name)
        names.append(name)
    return names


def event_facts(cells: Sequence[str], labels: Labels) -> dict[int, str]:
    """Columns of a table of people that say of every row which event it is of.

    Where there are any, a name that stands twice is the event's first (its host's address, its length), the person's
    last.
    """
    named = [labels.name("header", cell) or labels.name("header", _numbered(cell)) for cell in cells]
    facts = {i: fact for i, cell in enumerate(cells) if (fact := labels.name("meta", _numbered(cell)))}
    if not {"topic", "webinar_id"} & {fact for i, fact in facts.items() if named[i] in (None, "other")}:
        return {}
    return {
        index: facts.get(index, "other")
        for index, name in enumerate(named)
        if (index in facts and name in (None, "other"))
        or (name not in (None, "other") and name in named[index + 1 :])
    }


def _numbered(cell: str) -> str:
    """A heading without the number that tells it from another of its name: ``User_Email_2``."""
    return re.sub(r"(?<=\D)[\s_.]*\d$", "", cell)


def is_report(layout: Layout) -> bool:
    """Whether a file is about an event: a list of names and addresses, or of who registered for something, is not."""
    if layout.title or layout.facts or "topic" in layout.single_facts or "webinar_id" in layout.single_facts:
        return True
    return any(
        block.section not in (None, UNKNOWN_SECTION) or set(block.names) & _PRESENCE
        for block in layout.blocks
    )


def speaks_of_an_event(data: bytes, labels: Labels) -> bool:
    """Whether a file that can't be read holds words of a report all the same: a damaged one, not something else."""
    if _MARKUP.match(data[:200].decode("utf-8", errors="replace")):
        return False
    for encoding in ("utf-8", "utf-16"):
        cells = re.split(
            r'[,;\t|\n\r"]', data[:_LOOK_AT_BYTES].decode(encoding, errors="replace").replace("\x00", "")
        )
        kinds = ("title", "section", "meta", "header", "action")
        known = {name for cell in cells for kind in kinds if (name := labels.name(kind, cell.strip()))}
        if len(known) >= _ENOUGH_WORDS:
            return True
    return False


def take_event_columns(layout: Layout) -> None:
    """Read facts about the event from columns of the people's table; other facts of the file come first.

    A list over several sittings has them one after the other.
    """
    for block in layout.blocks:
        columns = {index: fact for index, fact in block.event_columns.items() if fact != "other"}
        found: dict[tuple[str, ...], None] = {}
        for row in block.rows:
            cells = tuple(row[index].strip() if index < len(row) else "" for index in columns)
            found.setdefault(cells)
        rows = [
            {fact: cell for fact, cell in zip(columns.values(), cells, strict=True) if cell}
            for cells in found
        ]
        if not layout.facts and columns:
            layout.facts = [facts for facts in rows if facts]


def zoned_name(kind: str, cell: str, labels: Labels) -> tuple[str | None, str]:
    """Name of a time under a header that also says its zone, and the zone: ``Join Time (GMT+5:30)``."""
    if not cell.endswith(_ZONE_ENDS):
        return None, ""
    found = re.fullmatch(r"(.+?)\s*[(\[（]([^()（）\[\]]+)[)\]）]:?", cell)
    name = labels.name(kind, found.group(1)) if found else None
    return (name, found.group(2)) if found and name in _TIMES else (None, "")
