"""The true story of the ed-tech world: who did what, when; before any system wrote it down badly.

Belongs here: people, submissions, events and attendance, assignments, engagement, sales, spend, as integer
columns. Does not belong here: how a phone is typed or how a file looks (`edtech_text`, `zoom_files`).

Moments are wall-clock seconds in Asia/Kolkata. ``FOREVER`` marks what never happens.
"""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd

from funnel_assets.simulate import words
from funnel_assets.simulate.edtech_catalogue import (
    ATTENDED_SOURCES,
    BOOTCAMP,
    CAMPAIGNS,
    INFLUENCER,
    PRICES_PAISE,
    PROGRAMMES,
    WALK_IN_SOURCES,
    WEBINAR,
    Calendar,
    campaign_funnel,
    crm_source_funnel,
)
from funnel_assets.simulate.faults import Faults, Planted, chosen
from funnel_assets.simulate.rand import Bools, Draws, Ints, share

FOREVER = 1 << 40
DAY = 86_400
LEADS_A_DAY = 400
_WEEKDAY_PERCENT = np.array([98, 101, 103, 102, 100, 108, 88])
_HOUR_WEIGHTS = (6, 3, 2, 1, 1, 2, 5, 12, 22, 34, 42, 45, 44, 42, 40, 39, 40, 43, 48, 55, 62, 58, 40, 20)

SHEET, ZOOM_ONLY, CRM_ONLY, STAFF = range(4)

WEBINAR_TOPICS = (
    "{p} Level 1: How to Begin, and How Long It Takes",
    "{p} career map, live with {c}",
    "Clear {p} in your first attempt",
    "{p} after B.Com? Ask me anything",
    "Salary, scope & syllabus of {p}",
)
BOOTCAMP_TOPICS = ("{p} Weekend Bootcamp - Day {d}", "{p} Bootcamp Day-{d}", "{p} Weekend Bootcamp")

ACTIVITY_TYPES = ("view", "click", "download", "demo_booked", "follow_up", "form_submit", "deal_closed")
VIEW, CLICK, DOWNLOAD, DEMO, FOLLOW_UP, FORM, DEAL = range(7)
CHANNELS = ("Email", "WhatsApp", "LinkedIn", "Website", "Facebook", "Call")


@dataclasses.dataclass(frozen=True)
class ZoomEvent:
    """One session on one day.

    Attributes:
        number: Position in the world's list of events.
        kind: ``webinar`` or ``bootcamp``.
        webinar_id: Eleven digits; both days of a bootcamp share it.
        topic: As shown in Zoom.
        programme: Index into ``PROGRAMMES``.
        conductor: Index into ``words.CONDUCTORS``.
        start: When it really started.
        end: When it really ended.
        bootcamp_day: 1 or 2; 0 for a webinar.
        layout: Which of Zoom's layouts its reports have (see ``zoom_files``).
    """

    number: int
    kind: str
    webinar_id: int
    topic: str
    programme: int
    conductor: int
    start: int
    end: int
    bootcamp_day: int
    layout: int

    @property
    def funnel(self) -> int:
        """Funnel that a person who only knows this event belongs to."""
        return BOOTCAMP if self.kind == "bootcamp" else WEBINAR

    @property
    def minutes(self) -> int:
        """Length in started minutes."""
        return -(-(self.end - self.start) // 60)


@dataclasses.dataclass
class Story:
    """Everything that truly happened, one frame a kind; positions are the row ids used throughout the world."""

    calendar: Calendar
    seed: int
    people: pd.DataFrame
    leads: pd.DataFrame
    events: list[ZoomEvent]
    attendance: pd.DataFrame
    assignments: pd.DataFrame
    activity: pd.DataFrame
    sales: pd.DataFrame
    spend: pd.DataFrame
    planted: list[Planted] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class _Cast:
    """People as they are added, each with what later steps need to know."""

    kind: list[Ints] = dataclasses.field(default_factory=list)
    programme: list[Ints] = dataclasses.field(default_factory=list)
    size: int = 0

    def add(self, kind: int, programme: Ints) -> Ints:
        """Add people and return their numbers."""
        numbers = np.arange(self.size, self.size + len(programme), dtype=np.int64)
        self.kind.append(np.full(len(programme), kind, dtype=np.int64))
        self.programme.append(programme)
        self.size += len(programme)
        return numbers

    def programmes(self) -> Ints:
        """Return the programme of everyone so far."""
        return np.concatenate(self.programme)


def tell(calendar: Calendar, scale: float, seed: int, faults: Faults) -> Story:
    """Make up the whole story.

    Args:
        calendar: Which days.
        scale: 1.0 is about 400 submissions a day.
        seed: Names the world.
        faults: What to plant beyond the natural dirt.
    """
    cast = _Cast()
    leads = _submissions(calendar, scale, seed, cast)
    events = _events(calendar, seed)
    attendance = _attendance(calendar, seed, cast, leads, events)
    assignments = _assignments(calendar, seed, cast, leads, events, attendance)
    sales = _sales(calendar, seed, cast, assignments, attendance)
    activity = _activity(calendar, seed, leads, assignments, sales)
    people = _people(seed, cast)
    spend = _spend(calendar, seed, leads)
    story = Story(calendar, seed, people, leads, events, attendance, assignments, activity, sales, spend)
    _plant(story, faults)
    return story


# --- submissions -------------------------------------------------------------------------------------


def _submissions(calendar: Calendar, scale: float, seed: int, cast: _Cast) -> pd.DataFrame:
    """Grain: one form submission. New people come first on their day, returning ones come back within 45 days."""
    draw = Draws(seed, "submissions")
    days = np.arange(calendar.days)
    weekday = (calendar.start.weekday() + days) % 7
    target = round(LEADS_A_DAY * scale * 1_000) * _WEEKDAY_PERCENT[weekday] // 100
    total = np.maximum(target * draw.bell(calendar.days, 1000, 160) // 1_000_000, 1)
    returning = total * 14 // 100
    fresh = total - returning
    first_day = np.repeat(days, fresh)
    starts = np.concatenate([[0], np.cumsum(fresh)])

    back_day = np.repeat(days, returning)
    low, high = starts[np.maximum(back_day - 45, 0)], starts[back_day]
    back_person = low + draw.scaled(high - low)
    keep = high > low
    person = np.concatenate([np.arange(starts[-1]), back_person[keep]])
    day = np.concatenate([first_day, back_day[keep]])
    size = len(person)
    campaign = draw.pick(size, [c.weight for c in CAMPAIGNS])
    retired = calendar.second_of(calendar.retire_day) + DAY
    at = calendar.first_second + day * DAY + _time_of_day(draw, size)
    campaign = np.where((campaign == INFLUENCER) & (at >= retired), 0, campaign)
    sheet = np.array([c.sheet for c in CAMPAIGNS])[campaign]
    at = np.where(sheet == 1, at // 60 * 60, at)
    programme = np.array([c.programme for c in CAMPAIGNS])[campaign]
    cast.add(SHEET, programme[: starts[-1]])
    frame = pd.DataFrame({"person": person, "at": at, "campaign": campaign, "sheet": sheet})
    frame["kind"] = "normal"
    frame["copy_of"] = -1
    frame = frame.sort_values(["at", "person"], kind="stable", ignore_index=True)
    return _with_life(_with_repeats(frame, seed), seed)


def _time_of_day(draw: Draws, size: int) -> Ints:
    """Seconds after midnight; a few exactly at either edge of the day, where time zones go wrong."""
    second = draw.pick(size, _HOUR_WEIGHTS) * 3600 + draw.below(size, 3600)
    edge = draw.below(size, 10_000)
    return np.where(edge < 8, 0, np.where(edge < 16, DAY - 1, second))


def _with_repeats(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add double clicks (equal in every cell), second tries minutes later, and rows ops typed to test the form."""
    draw = Draws(seed, "submissions/repeats")
    size = len(frame)
    doubled = frame[draw.chance(size, share(1.2))].assign(kind="duplicate")
    doubled["copy_of"] = doubled.index
    again = frame[draw.chance(size, share(0.8))].assign(kind="resubmitted")
    late_evening = (again["at"] % DAY) >= DAY - 600
    again["at"] = np.where(late_evening, again["at"], again["at"] + 60 * draw.between(len(again), 1, 5))
    tests = frame[draw.chance(size, share(0.15))].assign(kind="test", person=-1)
    undated = frame[draw.chance(size, share(0.1))].assign(kind="undated")
    return pd.concat([frame, doubled, again, tests, undated], ignore_index=True)


def _with_life(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Say when each row reached the sheet, was corrected by hand, or was taken out of it."""
    draw = Draws(seed, "submissions/life")
    size = len(frame)
    wait = np.where(draw.chance(size, share(0.6)), draw.between(size, DAY, 3 * DAY), draw.below(size, 90))
    frame["visible_at"] = frame["at"] + wait
    tests = (frame["kind"] == "test").to_numpy()
    gone = tests & draw.chance(size, share(60))
    frame["deleted_at"] = np.where(gone, frame["visible_at"] + draw.between(size, 3600, 4 * DAY), FOREVER)
    fixed = draw.chance(size, share(0.3)) & ~tests
    frame["edited_at"] = np.where(fixed, frame["visible_at"] + draw.between(size, DAY, 9 * DAY), FOREVER)
    return frame


# --- webinars and bootcamps --------------------------------------------------------------------------


def _events(calendar: Calendar, seed: int) -> list[ZoomEvent]:
    """Two webinars a week (Wednesday evening, Saturday), a two-day bootcamp on each month's second weekend."""
    draw = Draws(seed, "events")
    planned: list[tuple[int, str, int]] = []
    for offset in range(calendar.days):
        day = calendar.start + dt.timedelta(days=offset)
        base = calendar.second_of(day)
        second_weekend = day.weekday() == 5 and 8 <= day.day <= 14
        if day.weekday() == 2:
            planned.append((base + 19 * 3600, "webinar", 0))
        if day.weekday() == 5:
            planned.append((base + (67_800 if second_weekend else 11 * 3600), "webinar", 0))
        if second_weekend and offset + 1 < calendar.days:
            planned.append((base + 10 * 3600, "bootcamp", 1))
            planned.append((base + DAY + 10 * 3600, "bootcamp", 2))
    planned.sort()
    events: list[ZoomEvent] = []
    webinars = bootcamps = 0
    for number, (base, kind, bootcamp_day) in enumerate(planned):
        late, length, low = draw.below(3, 1 << 30)
        start = base + int(late % 420)
        if kind == "webinar":
            conductor, programme = webinars % 4, (webinars * 3) % 4
            topic = WEBINAR_TOPICS[webinars % 5].format(
                p=PROGRAMMES[programme], c=words.CONDUCTORS[conductor]
            )
            webinar_id = 81_000_000_000 + (webinars * 7_919 + int(low)) % 1_000_000_000
            end, layout = start + 3600 + int(length % 3000), webinars % 8
            webinars += 1
        elif bootcamp_day == 1:
            conductor, programme = bootcamps % 4, bootcamps % 4
            topic = BOOTCAMP_TOPICS[bootcamps % 3].format(p=PROGRAMMES[programme], d=1)
            webinar_id = 87_000_000_000 + (bootcamps * 104_729 + int(low)) % 1_000_000_000
            end, layout = start + 5 * 3600 + int(length % 3600), 8 if bootcamps % 3 == 2 else bootcamps % 3
        else:
            first = events[-1] if events[-1].bootcamp_day == 1 else events[-2]
            conductor, programme, webinar_id, layout = (
                first.conductor,
                first.programme,
                first.webinar_id,
                first.layout,
            )
            topic = BOOTCAMP_TOPICS[bootcamps % 3].format(p=PROGRAMMES[programme], d=2)
            end = start + 5 * 3600 + int(length % 3600)
            bootcamps += 1
        events.append(
            ZoomEvent(number, kind, webinar_id, topic, programme, conductor, start, end, bootcamp_day, layout)
        )
    return events


def _attendance(
    calendar: Calendar, seed: int, cast: _Cast, leads: pd.DataFrame, events: list[ZoomEvent]
) -> pd.DataFrame:
    """Grain: one person at one event day, registered or not, with up to three join-leave intervals."""
    normal = leads[leads["kind"] == "normal"]
    person, at = normal["person"].to_numpy(), normal["at"].to_numpy()
    funnel = campaign_funnel(calendar, normal["campaign"].to_numpy(), at)
    staff = cast.add(STAFF, np.zeros(8, dtype=np.int64))
    frames: list[pd.DataFrame] = []
    first_day: pd.DataFrame | None = None
    for event in events:
        draw = Draws(seed, f"attendance/{event.number}")
        if event.bootcamp_day == 2 and first_day is not None:
            rows = first_day[first_day["registered"]][["person", "registered", "reg_at"]].copy()
            came = first_day.loc[first_day["registered"], "attended"].to_numpy()
            rows["attended"] = np.where(
                came, draw.chance(len(rows), share(70)), draw.chance(len(rows), share(12))
            )
        else:
            rows = _registrants(draw, cast, event, person, at, funnel)
            rows["attended"] = draw.chance(len(rows), share(50 if event.bootcamp_day else 41))
        rows = pd.concat([rows, _walk_ins(draw, cast, event, rows, person, at)], ignore_index=True)
        rows["role"] = "attendee"
        rows = pd.concat([rows, _crew(event, staff)], ignore_index=True)
        rows["event"] = event.number
        frames.append(_with_sessions(draw, event, rows))
        if event.bootcamp_day == 1:
            first_day = frames[-1][frames[-1]["role"] == "attendee"]
    if not frames:
        return _with_sessions(
            Draws(seed, "attendance/none"), None, _crew(None, staff).assign(event=0).iloc[:0]
        )
    return pd.concat(frames, ignore_index=True)


def _registrants(
    draw: Draws, cast: _Cast, event: ZoomEvent, person: Ints, at: Ints, funnel: Ints
) -> pd.DataFrame:
    """People whose form brought them, and people who found the registration page by themselves."""
    window = 24 * DAY if event.bootcamp_day else 7 * DAY
    low, high = np.searchsorted(at, [event.start - window, event.start - 1200])
    recent = slice(int(low), int(high))
    fits = funnel[recent] == event.funnel
    chance = np.where(fits, share(66), share(4))
    chosen = draw.chance(len(fits), chance)
    found = pd.DataFrame({"person": person[recent][chosen], "form_at": at[recent][chosen]})
    found = found.drop_duplicates("person", ignore_index=True)
    reg_at = np.minimum(found["form_at"].to_numpy() + draw.between(len(found), 40, 2400), event.start - 60)
    new = cast.add(ZOOM_ONLY, np.full(max(len(found) // 10, 2), event.programme, dtype=np.int64))
    own_at = event.start - 900 - draw.below(len(new), 6 * DAY)
    return pd.DataFrame(
        {
            "person": np.concatenate([found["person"].to_numpy(), new]),
            "reg_at": np.concatenate([reg_at, own_at]),
            "registered": True,
        }
    )


def _walk_ins(
    draw: Draws, cast: _Cast, event: ZoomEvent, rows: pd.DataFrame, person: Ints, at: Ints
) -> pd.DataFrame:
    """People who attended without registering: half known from a form, half never seen before."""
    count = max(len(rows) // 60, 1)
    known_until = int(np.searchsorted(at, event.start - 1200))
    known = person[draw.below(count, max(known_until, 1))] if known_until else np.empty(0, np.int64)
    known = np.setdiff1d(known, rows["person"].to_numpy())
    new = cast.add(ZOOM_ONLY, np.full(count, event.programme, dtype=np.int64))
    both = np.concatenate([known, new])
    return pd.DataFrame({"person": both, "reg_at": -1, "registered": False, "attended": True})


def _crew(event: ZoomEvent | None, staff: Ints) -> pd.DataFrame:
    """Host and panelists: staff, who never count as attendees, though one is also listed among them."""
    conductor = event.conductor if event else 0
    number = event.number if event else 0
    people = [staff[4 + number % 2], staff[conductor], staff[6 + number % 2]]
    roles = ["host", "panelist", "panelist"]
    if number % 3 == 0:
        people, roles = [*people, staff[6 + number % 2]], [*roles, "listed_panelist"]
    return pd.DataFrame(
        {
            "person": np.array(people, dtype=np.int64),
            "reg_at": -1,
            "registered": False,
            "attended": True,
            "role": roles,
        }
    )


def _with_sessions(draw: Draws, event: ZoomEvent | None, rows: pd.DataFrame) -> pd.DataFrame:
    """Give everyone who came their join-leave intervals, some after a gap, some overlapping on a second device."""
    size = len(rows)
    came = rows["attended"].to_numpy(dtype=bool)
    start, end = (event.start, event.end) if event else (0, 0)
    length = end - start
    crew = (rows["role"] != "attendee").to_numpy()
    join = np.where(crew, start, start + draw.scaled(np.full(size, length * 4 // 10)))
    leave = np.where(crew, end, join + 30 + draw.scaled(np.maximum(end - join - 30, 1) + (end - join) // 2))
    leave = np.minimum(leave, end)
    columns = {"join_1": join, "leave_1": leave}
    previous = leave
    wants = draw.chance(size, share(24))
    for number in (2, 3):
        overlap = draw.chance(size, share(12))
        gap = np.where(
            overlap,
            -draw.scaled(np.maximum(previous - columns[f"join_{number - 1}"], 0)),
            draw.between(size, 20, 600),
        )
        begin = np.maximum(previous + gap, columns[f"join_{number - 1}"] + 5)
        stop = np.minimum(begin + 30 + draw.scaled(np.maximum(end - begin, 1)), end)
        ok = wants & (begin < end - 40) & came
        columns[f"join_{number}"] = np.where(ok, begin, -1)
        columns[f"leave_{number}"] = np.where(ok, stop, -1)
        wants = ok & draw.chance(size, share(20))
        previous = np.where(ok, stop, previous)
    for name, values in columns.items():
        rows[name] = np.where(came, values, -1)
    return rows


def union_seconds(frame: pd.DataFrame) -> Ints:
    """Return the length of the union of the join-leave intervals of each row, in seconds."""
    joins = np.stack([frame[f"join_{k}"].to_numpy() for k in (1, 2, 3)])
    leaves = np.stack([frame[f"leave_{k}"].to_numpy() for k in (1, 2, 3)])
    order = np.argsort(np.where(joins < 0, FOREVER, joins), axis=0, kind="stable")
    joins, leaves = np.take_along_axis(joins, order, 0), np.take_along_axis(leaves, order, 0)
    total = np.zeros(joins.shape[1], dtype=np.int64)
    reached = np.zeros(joins.shape[1], dtype=np.int64)
    for join, leave in zip(joins, leaves, strict=True):
        total += np.where(join >= 0, np.maximum(leave - np.maximum(join, reached), 0), 0)
        reached = np.where(join >= 0, np.maximum(reached, leave), reached)
    return total


# --- the CRM -----------------------------------------------------------------------------------------


def _assignments(
    calendar: Calendar,
    seed: int,
    cast: _Cast,
    leads: pd.DataFrame,
    events: list[ZoomEvent],
    attendance: pd.DataFrame,
) -> pd.DataFrame:
    """Grain: one assignment of one person to one employee; a person can be assigned up to three times."""
    draw = Draws(seed, "assignments")
    first = _first_reasons(leads, events, attendance)
    known = first[first["came"] | True]
    odds = np.where(known["came"], share(86), share(37))
    chosen = known[draw.chance(len(known), odds)].reset_index(drop=True)
    strangers = cast.add(CRM_ONLY, draw.below(max(len(chosen) // 28, 1), 4))
    base = calendar.first_second + draw.below(len(strangers), calendar.days * DAY)
    walk_in = len(CAMPAIGNS) + len(ATTENDED_SOURCES) + draw.below(len(strangers), len(WALK_IN_SOURCES))
    extra = pd.DataFrame({"person": strangers, "since": base, "source": walk_in, "came": False})
    rows = pd.concat([chosen, extra], ignore_index=True)
    rows["at"] = _office_hours(draw, rows["since"].to_numpy() + draw.scaled(np.full(len(rows), 4 * DAY)))
    rows["employee"] = draw.below(len(rows), len(words.EMPLOYEES))
    rows["round"] = 1
    rounds = [rows]
    for number, odds_next in ((2, 22), (3, 25)):
        last = rounds[-1]
        again = last[draw.chance(len(last), share(odds_next))].copy()
        again["at"] = _office_hours(draw, again["at"].to_numpy() + draw.between(len(again), 1, 25 * DAY))
        again["employee"] = (again["employee"] + draw.between(len(again), 1, 9)) % len(words.EMPLOYEES)
        other = draw.chance(len(again), share(40))
        again["source"] = np.where(other, draw.below(len(again), len(CAMPAIGNS) - 4), again["source"])
        again["round"] = number
        rounds.append(again)
    frame = pd.concat(rounds, ignore_index=True)
    frame = frame[frame["at"] < calendar.end_second]
    frame = frame.sort_values(["at", "person", "round"], kind="stable", ignore_index=True)
    return _with_crm_life(frame[["person", "at", "source", "employee", "round"]], seed)


def _first_reasons(leads: pd.DataFrame, events: list[ZoomEvent], attendance: pd.DataFrame) -> pd.DataFrame:
    """Grain: one person; why and since when sales should call: the first event attended, else the first form."""
    normal = leads[leads["kind"] == "normal"].drop_duplicates("person")
    forms = pd.DataFrame(
        {"person": normal["person"], "since": normal["at"], "source": normal["campaign"], "came": False}
    )
    ends = np.array([e.end for e in events] or [0])
    codes = np.array(
        [len(CAMPAIGNS) + e.programme + (4 if e.kind == "bootcamp" else 0) for e in events] or [0]
    )
    seen = attendance[attendance["attended"].astype(bool) & (attendance["role"] == "attendee")]
    number = seen["event"].to_numpy(dtype=np.int64)
    visits = pd.DataFrame(
        {"person": seen["person"], "since": ends[number], "source": codes[number], "came": True}
    )
    both = pd.concat([visits.drop_duplicates("person"), forms], ignore_index=True)
    return both.drop_duplicates("person").sort_values("person", kind="stable", ignore_index=True)


def _office_hours(draw: Draws, at: Ints) -> Ints:
    """Move moments outside 10:00 to 20:00 into the next working stretch."""
    hour = at % DAY // 3600
    inside = (hour >= 10) & (hour < 20)
    moved = at // DAY * DAY + np.where(hour >= 20, DAY, 0) + 10 * 3600 + draw.below(len(at), 8 * 3600)
    return np.where(inside, at, moved)


def _with_crm_life(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Say when each assignment reached the dump, was changed (to what) or deleted."""
    draw = Draws(seed, "assignments/life")
    size = len(frame)
    late = draw.chance(size, share(1))
    frame["visible_at"] = frame["at"] + np.where(
        late, draw.between(size, DAY, 3 * DAY), draw.below(size, 300)
    )
    edited = draw.chance(size, share(2))
    frame["edited_at"] = np.where(edited, frame["visible_at"] + draw.between(size, DAY, 10 * DAY), FOREVER)
    swap_source = draw.chance(size, share(50))
    frame["source_then"] = np.where(swap_source, draw.below(size, len(CAMPAIGNS) - 1), frame["source"])
    frame["employee_then"] = np.where(
        swap_source, frame["employee"], (frame["employee"] + 5) % len(words.EMPLOYEES)
    )
    gone = draw.chance(size, share(0.6))
    frame["deleted_at"] = np.where(gone, frame["visible_at"] + draw.between(size, DAY, 20 * DAY), FOREVER)
    return frame


def _sales(
    calendar: Calendar, seed: int, cast: _Cast, assignments: pd.DataFrame, attendance: pd.DataFrame
) -> pd.DataFrame:
    """Grain: one sale; at most one a person. Money in paise; instalments fall due every 30 days."""
    draw = Draws(seed, "sales")
    rows, at = _buyers(calendar, draw, assignments, attendance)
    programme = cast.programmes()[rows["person"].to_numpy()]
    size = len(rows)
    terms = _terms(draw, programme)
    refund = draw.chance(size, share(5))
    cancel = draw.chance(size, share(3)) & ~refund
    stop_after = np.where(draw.chance(size, share(9)), draw.below(size, 5), 99)
    frame = pd.DataFrame(
        {
            "person": rows["person"].to_numpy(),
            "assignment": rows["index"].to_numpy(),
            "at": at,
            "programme": programme,
            **terms,
            "stop_after": stop_after,
            "refund_at": np.where(refund, at + draw.between(size, 2 * DAY, 25 * DAY), FOREVER),
            "cancel_at": np.where(cancel, at + draw.between(size, 3600, 6 * DAY), FOREVER),
            "source": rows["source"].to_numpy(),
            "employee": rows["employee"].to_numpy(),
            "gateway": draw.below(size, 4),
            "partner": draw.chance(size, share(7)),
            "manual": draw.below(size, 100),
        }
    )
    assigned_at = rows["at"].to_numpy()
    frame["funnel"] = crm_source_funnel(calendar, frame["source"].to_numpy(), assigned_at)
    late = draw.chance(size, share(1))
    frame["visible_at"] = at + np.where(late, draw.between(size, DAY, 3 * DAY), draw.below(size, 600))
    edited = draw.chance(size, share(3))
    frame["edited_at"] = np.where(edited, frame["visible_at"] + draw.between(size, DAY, 12 * DAY), FOREVER)
    frame["source_then"] = draw.below(size, len(CAMPAIGNS) - 1)
    frame["funnel_then"] = crm_source_funnel(calendar, frame["source_then"].to_numpy(), assigned_at)
    gone = draw.chance(size, share(0.4))
    frame["deleted_at"] = np.where(gone, frame["visible_at"] + draw.between(size, DAY, 20 * DAY), FOREVER)
    return frame.reset_index(drop=True)


def _buyers(
    calendar: Calendar, draw: Draws, assignments: pd.DataFrame, attendance: pd.DataFrame
) -> tuple[pd.DataFrame, Ints]:
    """The first assignment of everyone who buys, and when they do; who came to an event buys far more often."""
    first = assignments.drop_duplicates("person").reset_index()
    came = attendance.loc[
        attendance["attended"].astype(bool) & (attendance["role"] == "attendee"), "person"
    ].unique()
    odds = np.where(np.isin(first["person"].to_numpy(), came), share(9.5), share(1.9))
    rows = first[draw.chance(len(first), odds)]
    at = (
        rows["at"].to_numpy()
        + draw.between(len(rows), 3600, 3 * DAY)
        + draw.scaled(draw.scaled(np.full(len(rows), 34 * DAY)))
    )
    inside = at < calendar.end_second
    rows, at = rows[inside], at[inside]
    order = np.argsort(at, kind="stable")
    return rows.iloc[order], at[order]


def _terms(draw: Draws, programme: Ints) -> dict[str, Ints]:
    """What is bought and how it is to be paid, in paise."""
    size = len(programme)
    course = np.array(PRICES_PAISE)[programme] * draw.between(size, 70, 100) // 100 // 100 * 100
    ebook = np.where(draw.chance(size, share(18)), 99_900, 0)
    book = np.where(draw.chance(size, share(30)), 249_900, 0)
    total = course + ebook + book
    emis = np.array([0, 3, 6, 9, 12])[draw.pick(size, [46, 14, 20, 8, 12])]
    token = np.where(draw.chance(size, share(55)), draw.between(size, 1, 10) * 50_000, 0)
    emi = np.where(emis > 0, total * 70 // 100 // np.maximum(emis, 1) // 100 * 100, 0)
    down = total - emi * emis
    return {
        "course_paise": course,
        "ebook_paise": ebook,
        "book_paise": book,
        "total_paise": total,
        "emis": emis,
        "emi_paise": emi,
        "down_paise": down,
        "token_paise": np.minimum(token, down),
    }


# --- engagement --------------------------------------------------------------------------------------


def _activity(
    calendar: Calendar, seed: int, leads: pd.DataFrame, assignments: pd.DataFrame, sales: pd.DataFrame
) -> pd.DataFrame:
    """Grain: one engagement event; copies of an event id arrive again later with the same content."""
    draw = Draws(seed, "activity")
    normal = leads[leads["kind"] == "normal"].drop_duplicates("person")
    active = normal[draw.chance(len(normal), share(26))]
    count = 1 + draw.pick(len(active), [40, 28, 18, 12, 9, 7, 5, 4, 3, 2, 1, 1])
    person, since = np.repeat(active["person"].to_numpy(), count), np.repeat(active["at"].to_numpy(), count)
    size = len(person)
    general = pd.DataFrame(
        {
            "person": person,
            "at": since + 60 + draw.scaled(draw.scaled(np.full(size, 45 * DAY))),
            "type": draw.pick(size, [46, 30, 14, 5, 0, 5, 0]),
        }
    )
    forms = normal[draw.chance(len(normal), share(4))]
    form_rows = pd.DataFrame({"person": forms["person"], "at": forms["at"], "type": FORM})
    called = assignments[draw.chance(len(assignments), share(17))]
    calls = pd.DataFrame(
        {
            "person": called["person"],
            "at": called["at"] + draw.between(len(called), 900, 5 * DAY),
            "type": FOLLOW_UP,
        }
    )
    closed = sales[draw.chance(len(sales), share(80))]
    deals = pd.DataFrame({"person": closed["person"], "at": closed["at"] + 30, "type": DEAL})
    frame = pd.concat([general, form_rows, calls, deals], ignore_index=True)
    frame = frame[frame["at"] < calendar.end_second].sort_values(
        ["at", "person", "type"], kind="stable", ignore_index=True
    )
    size = len(frame)
    by_type = np.array([3, 0, 0, 3, 5, 3, 5])
    free = draw.pick(size, [42, 18, 8, 20, 12])
    frame["channel"] = np.where(frame["type"] <= DOWNLOAD, free, by_type[frame["type"].to_numpy()])
    frame["reach"] = draw.pick(size, [62, 27, 11])  # both, e-mail only, phone only
    late = draw.chance(size, share(2))
    frame["visible_at"] = frame["at"] + np.where(late, draw.between(size, DAY, 4 * DAY), draw.below(size, 60))
    frame["copy_of"] = -1
    again = frame[draw.chance(size, share(1.5))].copy()
    again["copy_of"] = again.index
    again["visible_at"] += draw.between(len(again), 5, 2 * DAY)
    return pd.concat([frame, again], ignore_index=True)


# --- people and spend --------------------------------------------------------------------------------


def _people(seed: int, cast: _Cast) -> pd.DataFrame:
    """Grain: one true person. ``kin`` is the person whose phone they give (their own number mostly)."""
    draw = Draws(seed, "people")
    size = cast.size
    kind = np.concatenate(cast.kind)
    number = np.arange(size)
    frame = pd.DataFrame(
        {
            "kind": kind,
            "programme": cast.programmes(),
            "first": draw.below(size, len(words.FIRST_NAMES)),
            "last": draw.below(size, len(words.LAST_NAMES)),
            "city": draw.below(size, len(words.CITIES)),
            "domain": draw.below(size, len(words.MAIL_DOMAINS)),
            "company": draw.below(size, len(words.COMPANIES)),
            "foreign": draw.chance(size, share(0.9)) & (kind != STAFF),
            "two_mails": draw.chance(size, share(2.5)),
            "new_phone": draw.chance(size, share(0.8)),
        }
    )
    shares = draw.chance(size, share(0.5)) & (kind == SHEET) & (number > 0)
    frame["kin"] = np.where(shares, number - 1, number)
    frame.loc[shares, "foreign"] = False
    relative = frame["kin"].to_numpy()
    frame["last"] = frame["last"].to_numpy()[relative]
    frame["foreign"] = frame["foreign"].to_numpy()[relative]
    return frame


def phone_of(seed: int, number: Ints, foreign: Bools) -> Ints:
    """Return the true phone of each phone number slot: country code and number as one integer, all different.

    Indian numbers start with 6 to 9 as mobile numbers do; foreign ones are Emirati mobiles.
    """
    mixed = (number * 2_654_435_761 + 97_531 * (seed % 10_007)) % 3_500_000_000
    indian = 910_000_000_000 + 6_400_000_000 + mixed
    abroad = 971_500_000_000 + (number * 7_654_321 + seed % 10_007) % 10_000_000
    return np.where(foreign, abroad, indian)


def _spend(calendar: Calendar, seed: int, leads: pd.DataFrame) -> pd.DataFrame:
    """Grain: one day, campaign and ad group. Money in paise, final; ``settle_*`` say what earlier exports showed."""
    draw = Draws(seed, "spend")
    paid = [i for i, c in enumerate(CAMPAIGNS) if c.platform]
    normal = leads[leads["kind"] == "normal"]
    day_of = (normal["at"].to_numpy() - calendar.first_second) // DAY
    won = np.zeros((calendar.days, len(CAMPAIGNS)), dtype=np.int64)
    np.add.at(won, (day_of, normal["campaign"].to_numpy()), 1)
    day, campaign, group = (
        a.ravel() for a in np.meshgrid(np.arange(calendar.days), paid, [0, 1], indexing="ij")
    )
    at = calendar.first_second + day * DAY
    on = ~((campaign == INFLUENCER) & (at > calendar.second_of(calendar.retire_day)))
    day, campaign, group, at = day[on], campaign[on], group[on], at[on]
    size = len(day)
    split = draw.between(size, 40, 60)
    here = won[day, campaign]
    first = here * np.repeat(split[::2], 2) // 100
    got = np.where(group == 0, first, here - first)
    price = np.array([c.cost_per_lead_paise for c in CAMPAIGNS])[campaign]
    cost = got * price * draw.bell(size, 1000, 350) // 1000 + price * draw.between(size, 5, 40) // 100
    clicks = got * draw.between(size, 6, 14) + draw.between(size, 2, 30)
    funnel = campaign_funnel(calendar, campaign, at)
    return pd.DataFrame(
        {
            "at": at,
            "campaign": campaign,
            "group": group,
            "leads": got,
            "cost_paise": cost,
            "clicks": clicks,
            "impressions": clicks * draw.between(size, 38, 120),
            "views": clicks * draw.between(size, 0, 20),
            "purchases": np.where(draw.chance(size, share(6)), 1, 0),
            "funnel": funnel,
            "settle_1": draw.between(size, 850, 930),
            "settle_2": draw.between(size, 940, 970),
            "settle_3": draw.between(size, 975, 995),
            "style": draw.below(size, 100),
        }
    )


# --- planted faults ----------------------------------------------------------------------------------


def _plant(story: Story, faults: Faults) -> None:
    """Plant the faults that change the story; those of typing and of files are planted where text is made."""
    leads = story.leads
    leads["phone_fault"] = 0
    leads["mail_fault"] = 0
    ok = np.flatnonzero((leads["kind"] == "normal") & (leads["edited_at"] == FOREVER))
    for name, column, code, count in (
        ("junk_phones", "phone_fault", 1, faults.junk_phones),
        ("scientific_phones", "phone_fault", 2, faults.scientific_phones),
        ("typo_emails", "mail_fault", 1, faults.typo_emails),
    ):
        rows = chosen(story.seed, name, ok, count)
        _set(leads, rows, column, code)
        story.planted += [(name, "raw_leads", int(row), column) for row in rows]
        ok = np.setdiff1d(ok, rows)
    _plant_late_and_doubled(story, faults, ok)
    _plant_family(story, faults)
    _plant_crm(story, faults)


def _set(frame: pd.DataFrame, rows: Ints, column: str, values: Ints | int) -> None:
    """Change cells of a column by position."""
    cells = frame[column].to_numpy().copy()
    cells[rows] = values
    frame[column] = cells


def _plant_late_and_doubled(story: Story, faults: Faults, ok: Ints) -> None:
    leads = story.leads
    draw = Draws(story.seed, "fault/late_rows")
    rows = ok[draw.sample(len(ok), faults.late_rows)]
    wait = draw.between(len(rows), DAY, 5 * DAY)
    _set(leads, rows, "visible_at", leads["at"].to_numpy()[rows] + wait)
    story.planted += [
        ("late_rows", "raw_leads", int(row), f"{seconds} seconds")
        for row, seconds in zip(rows, wait, strict=True)
    ]
    ok = np.setdiff1d(ok, rows)
    rows = chosen(story.seed, "duplicate_rows", ok, faults.duplicate_rows)
    copies = leads.iloc[rows].assign(kind="duplicate", copy_of=rows)
    copies["visible_at"] += 45
    first = len(leads)
    story.leads = pd.concat([leads, copies], ignore_index=True)
    story.planted += [
        ("duplicate_rows", "raw_leads", first + i, f"copy of {row}") for i, row in enumerate(rows)
    ]


def _plant_family(story: Story, faults: Faults) -> None:
    people = story.people
    free = np.flatnonzero(
        (people["kind"] == SHEET) & (people["kin"] == people.index) & (people.index > 1) & ~people["foreign"]
    )
    rows = chosen(story.seed, "family_phones", free, faults.family_phones)
    kin = people["kin"].to_numpy().copy()
    giver = kin[rows - 1]
    usable = ~people["foreign"].to_numpy()[giver]
    kin[rows[usable]] = giver[usable]
    people["kin"] = kin
    story.planted += [
        ("family_phones", "people", int(row), f"phone of person {kin[row]}") for row in rows[usable]
    ]


def _plant_crm(story: Story, faults: Faults) -> None:
    """Half of the edits and deletions fall on assignments, half on sales."""
    for fault, column, count in (
        ("edited_crm_rows", "edited_at", faults.edited_crm_rows),
        ("deleted_crm_rows", "deleted_at", faults.deleted_crm_rows),
    ):
        for dataset, frame, part in (
            ("crm_assignments", story.assignments, count - count // 2),
            ("crm_sales", story.sales, count // 2),
        ):
            draw = Draws(story.seed, f"fault/{fault}/{dataset}")
            room = (frame[column] == FOREVER) & (frame["visible_at"] < story.calendar.end_second - DAY)
            free = np.flatnonzero(room)
            rows = free[draw.sample(len(free), part)]
            when = frame["visible_at"].to_numpy()[rows] + draw.between(len(rows), 3600, DAY)
            _set(frame, rows, column, when)
            story.planted += [(fault, dataset, int(row), column) for row in rows]
