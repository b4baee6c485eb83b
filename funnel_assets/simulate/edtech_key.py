"""The answer key of the ed-tech world: what truly happened, row by row, as Parquet tables.

Belongs here: truth tables at the moment the world closes. Does not belong here: comparing a pipeline's
output with them.

``at`` columns are UTC timestamps; ``date`` is the local day in Asia/Kolkata; money is integer paise;
``line`` is the 1-based physical line in the export at closing time, empty where the row isn't in it.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import glue, numbers
from funnel_assets.simulate.edtech_catalogue import (
    CAMPAIGNS,
    CRM_SOURCES,
    FUNNELS,
    PROGRAMMES,
    campaign_funnel,
    crm_source_funnel,
)
from funnel_assets.simulate.edtech_config import final_funnels, manual_values, true_conductor
from funnel_assets.simulate.edtech_story import (
    ACTIVITY_TYPES,
    DAY,
    DEAL,
    DEMO,
    DOWNLOAD,
    FOLLOW_UP,
    FOREVER,
    Story,
    union_seconds,
)
from funnel_assets.simulate.edtech_text import IST_SECONDS, Exports, sale_state, spend_state
from funnel_assets.simulate.faults import fault_table
from funnel_assets.simulate.rand import Ints
from funnel_assets.simulate.writers import LOST_FROM, PHONE_ISSUES, PHONE_STYLES
from funnel_assets.simulate.zoom_files import ZoomShelf, dialled_in

_MISTYPED, _NO_MAIL = 5, 6
_RAW_LEAD = (
    "name",
    "email",
    "phone",
    "city",
    "question_1",
    "utm_source",
    "utm_medium",
    "utm_camp",
    "created",
)
KINDS = ("sheet", "zoom_only", "crm_only", "staff")


def utc(seconds: Ints) -> pa.Array:
    """Turn wall-clock seconds into UTC timestamps; never and unknown become null."""
    known = (seconds > 0) & (seconds < FOREVER)
    micros = np.where(known, seconds - IST_SECONDS, 0) * 1_000_000
    return pa.array(micros, pa.timestamp("us", "UTC"), mask=~known)


def local_date(seconds: Ints) -> pa.Array:
    """Turn wall-clock seconds into local days."""
    known = (seconds > 0) & (seconds < FOREVER)
    return pa.array(np.where(known, seconds // DAY, 0).astype(np.int32), pa.date32(), mask=~known)


def _pick(values: tuple[str, ...] | list[str], index: Ints) -> pa.Array:
    return pa.array(list(values), pa.string()).take(pa.array(index, mask=index < 0))


def _lines(size: int, *files: Ints, first: int = 2) -> pa.Array:
    """The line of each row in the file that holds it; a file's rows are given in its order."""
    line = np.zeros(size, dtype=np.int64)
    for rows in files:
        line[rows] = np.arange(first, first + len(rows))
    return pa.array(line, mask=line == 0)


class AnswerKey:
    """Builds every truth table of one world at its closing moment."""

    def __init__(self, story: Story, exports: Exports, shelf: ZoomShelf, now: int) -> None:
        self._story = story
        self._exports = exports
        self._shelf = shelf
        self._now = now

    def tables(self) -> dict[str, pa.Table]:
        """Return all tables by name."""
        return {
            "people": self.people(),
            "leads": self.leads(),
            "events": self.events(),
            "attendance": self.attendance(),
            "zoom_files": self.zoom_files(),
            "assignments": self.assignments(),
            "sales": self.sales(),
            "spend": self.spend(),
            "engagement": self.engagement(),
            "daily_funnel": self.daily_funnel(),
            "faults": self.faults(),
        }

    # --- one table each -------------------------------------------------------------------------------

    def leads(self) -> pa.Table:
        """Grain: one lead row ever sent, in either sheet.

        ``expected_fate`` is ``quarantine`` for rows whose day can't be known, ``loaded`` otherwise,
        ``absent`` for rows not in the sheet at closing time. ``has_phone`` and ``has_email`` say whether a
        usable one stands in the row.
        """
        leads, text = self._story.leads, self._exports.lead_text
        now, size = self._now, len(self._story.leads)
        fixed = leads["edited_at"].to_numpy() <= now
        person = leads["person"].to_numpy()
        style = np.where(fixed & (person >= 0), 0, text.phone_style)
        there = ((leads["visible_at"] <= now) & (leads["deleted_at"] > now)).to_numpy()
        undated = (leads["kind"] == "undated").to_numpy()
        foreign = self._foreign(person)
        at = leads["at"].to_numpy()
        raw = zip(_RAW_LEAD, self._exports.lead_cells(np.arange(size), now), strict=True)
        return pa.table(
            {
                "row": pa.array(np.arange(size)),
                "sheet": _pick(("leads", "landing_leads"), leads["sheet"].to_numpy()),
                "line": _lines(size, *(self._exports.lead_rows(sheet, now) for sheet in (0, 1))),
                "person": pa.array(person, mask=person < 0),
                "at": utc(np.where(undated, 0, at)),
                "date": local_date(np.where(undated, 0, at)),
                "kind": pa.array(leads["kind"].tolist(), pa.string()),
                "copy_of": pa.array(leads["copy_of"].to_numpy(), mask=leads["copy_of"].to_numpy() < 0),
                "campaign": pa.array(leads["campaign"].to_numpy()),
                "funnel": _pick(
                    FUNNELS, campaign_funnel(self._story.calendar, leads["campaign"].to_numpy(), at)
                ),
                "phone_style": _pick(PHONE_STYLES, style),
                "issue": _pick(PHONE_ISSUES, style),
                "has_phone": pa.array((style < LOST_FROM) & (person >= 0)),
                "has_email": pa.array(text.mail_style < _NO_MAIL),
                "email_mistyped": pa.array(text.mail_style == _MISTYPED),
                "foreign_phone": pa.array(foreign),
                "late_seconds": pa.array(leads["visible_at"].to_numpy() - at),
                "edited_at": utc(leads["edited_at"].to_numpy()),
                "deleted_at": utc(leads["deleted_at"].to_numpy()),
                "expected_fate": _pick(
                    ("absent", "quarantine", "loaded"), np.where(there, np.where(undated, 1, 2), 0)
                ),
                **{f"raw_{name}": column for name, column in raw},
            }
        )

    def _foreign(self, person: Ints) -> np.ndarray:
        _, foreign = self._exports.writers.numbers(person)
        return foreign

    def events(self) -> pa.Table:
        """Grain: one event day."""
        events, attendance = self._story.events, self._story.attendance
        guests = attendance[attendance["role"] == "attendee"]
        registered = guests[guests["registered"].astype(bool)].groupby("event").size()
        attended = guests[guests["attended"].astype(bool)].groupby("event").size()
        start, end = (
            np.array([getattr(e, name) for e in events], dtype=np.int64) for name in ("start", "end")
        )
        return pa.table(
            {
                "event": pa.array([e.number for e in events], pa.int64()),
                "event_type": pa.array([e.kind for e in events], pa.string()),
                "webinar_id": pa.array([str(e.webinar_id) for e in events], pa.string()),
                "topic": pa.array([e.topic for e in events], pa.string()),
                "category": pa.array([PROGRAMMES[e.programme] for e in events], pa.string()),
                "conductor": pa.array([true_conductor(self._story, e) for e in events], pa.string()),
                "start_at": utc(start),
                "end_at": utc(end),
                "date": local_date(start),
                "bootcamp_day": pa.array([e.bootcamp_day or None for e in events], pa.int64()),
                "duration_minutes": pa.array([e.minutes for e in events], pa.int64()),
                "layout": pa.array([e.layout for e in events], pa.int64()),
                "registered": pa.array([int(registered.get(e.number, 0)) for e in events], pa.int64()),
                "attended": pa.array([int(attended.get(e.number, 0)) for e in events], pa.int64()),
            }
        )

    def _event_column(self, name: str) -> Ints:
        return np.array([getattr(e, name) for e in self._story.events] or [0], dtype=np.int64)

    def attendance(self) -> pa.Table:
        """Grain: one person at one event day, staff included (``role``).

        ``reported`` says whether the final reports were dropped, whole, before closing time; ``dialled_in``
        people show a name only; ``has_phone`` says whether a registrant typed a usable one.
        """
        frame = self._story.attendance
        number = frame["event"].to_numpy(dtype=np.int64)
        seconds = union_seconds(frame)
        sessions = sum((frame[f"join_{k}"].to_numpy() >= 0).astype(np.int64) for k in (1, 2, 3))
        attended = frame["attended"].to_numpy(dtype=bool)
        registered = frame["registered"].to_numpy(dtype=bool)
        dialled = [
            dialled_in(self._story.events[event], reg_at, role, join)
            for event, reg_at, role, join in zip(
                number.tolist(),
                frame["reg_at"].tolist(),
                frame["role"].tolist(),
                frame["join_1"].tolist(),
                strict=True,
            )
        ]
        whole = self._reported_events("attendee", "participants")
        return pa.table(
            {
                "event": pa.array(number),
                "date": local_date(self._event_column("start")[number]),
                "webinar_id": numbers(self._event_column("webinar_id")[number]),
                "person": pa.array(frame["person"].to_numpy(dtype=np.int64)),
                "role": pa.array(frame["role"].tolist(), pa.string()),
                "registered": pa.array(registered),
                "registered_at": utc(frame["reg_at"].to_numpy()),
                "attended": pa.array(attended),
                "attendance_type": _pick(
                    ("no_show", "attended", "walk_in"), np.where(attended, np.where(registered, 1, 2), 0)
                ),
                "union_seconds": pa.array(seconds),
                "minutes": pa.array((seconds + 30) // 60),
                "rejoin_count": pa.array(np.maximum(sessions - 1, 0)),
                "dialled_in": pa.array(dialled, pa.bool_()),
                "has_phone": pa.array(registered & (self._shelf.phone_styles() < LOST_FROM)),
                "reported": pa.array(np.isin(number, sorted(whole))),
                "registration_reported": pa.array(
                    np.isin(number, sorted(self._reported_events("registration")))
                ),
            }
        )

    def _reported_events(self, *kinds: str) -> set[int]:
        found: set[int] = set()
        for file in self._shelf.at(self._now):
            final = file.export >= self._shelf.last_export(file.kind, file.events[0])
            if file.kind in kinds and final and not file.cut:
                found.update(file.events)
        return found

    def zoom_files(self) -> pa.Table:
        """Grain: one file ever dropped in the inbox."""
        files = self._shelf.files
        return pa.table(
            {
                "file": pa.array([f.name for f in files], pa.string()),
                "kind": pa.array([f.kind for f in files], pa.string()),
                "events": pa.array([list(f.events) for f in files], pa.list_(pa.int64())),
                "layout": pa.array([f.layout for f in files], pa.string()),
                "dropped_at": utc(np.array([f.dropped_at for f in files], dtype=np.int64)),
                "export": pa.array([f.export for f in files], pa.int64()),
                "is_final": pa.array(
                    [f.export >= self._shelf.last_export(f.kind, f.events[0]) for f in files], pa.bool_()
                ),
                "copy_of": pa.array([f.copy_of or None for f in files], pa.string()),
                "cut": pa.array([f.cut for f in files], pa.bool_()),
                "in_inbox": pa.array([f.dropped_at <= self._now for f in files], pa.bool_()),
            }
        )

    def assignments(self) -> pa.Table:
        """Grain: one assignment ever made."""
        frame, now = self._story.assignments, self._now
        at = frame["at"].to_numpy()
        edited = frame["edited_at"].to_numpy() <= now
        source = np.where(edited, frame["source_then"], frame["source"])
        style = self._exports.assignment_phone_style
        return pa.table(
            {
                "row": pa.array(np.arange(len(frame))),
                "line": _lines(len(frame), self._exports.assignment_rows(now)),
                "person": pa.array(frame["person"].to_numpy()),
                "at": utc(at),
                "date": local_date(at),
                "source": _pick(CRM_SOURCES, source),
                "funnel": _pick(FUNNELS, crm_source_funnel(self._story.calendar, source, at)),
                "employee": _pick(
                    words.EMPLOYEES, np.where(edited, frame["employee_then"], frame["employee"])
                ),
                "phone_style": _pick(PHONE_STYLES, style),
                "has_phone": pa.array(style < LOST_FROM),
                "late_seconds": pa.array(frame["visible_at"].to_numpy() - at),
                "edited_at": utc(frame["edited_at"].to_numpy()),
                "deleted_at": utc(frame["deleted_at"].to_numpy()),
            }
        )

    def sales(self) -> pa.Table:
        """Grain: one sale ever made, with its money at closing time."""
        frame, now = self._story.sales, self._now
        state = sale_state(frame, now)
        funnel = state["funnel"].to_numpy()
        values = manual_values(frame, funnel)
        style = self._exports.sale_phone_style
        at = frame["at"].to_numpy()
        return pa.table(
            {
                "row": pa.array(np.arange(len(frame))),
                "line": _lines(len(frame), self._exports.sale_rows(now)),
                "sale_id": pa.array(self._exports.sale_ids, pa.string()),
                "person": pa.array(frame["person"].to_numpy()),
                "at": utc(at),
                "date": local_date(at),
                "status": _pick(("Active", "Completed", "Refunded", "Cancelled"), state["status"].to_numpy()),
                "gross_paise": pa.array(frame["total_paise"].to_numpy()),
                "paid_paise": pa.array(state["paid_paise"].to_numpy()),
                "net_paise": pa.array(state["net_paise"].to_numpy()),
                "net_after_pdd_paise": pa.array(state["net_after_pdd_paise"].to_numpy()),
                "emis": pa.array(frame["emis"].to_numpy()),
                "paid_emis": pa.array(state["paid_count"].to_numpy()),
                "crm_funnel": _pick(FUNNELS, funnel),
                "manual_value": pa.array([value or None for value in values], pa.string()),
                "final_funnel": pa.array(final_funnels(funnel, values), pa.string()),
                "has_phone": pa.array(style < LOST_FROM),
                "assigned_at": utc(self._story.assignments["at"].to_numpy()[frame["assignment"].to_numpy()]),
                "late_seconds": pa.array(frame["visible_at"].to_numpy() - at),
                "edited_at": utc(frame["edited_at"].to_numpy()),
                "deleted_at": utc(frame["deleted_at"].to_numpy()),
            }
        )

    def spend(self) -> pa.Table:
        """Grain: one day, campaign and ad group; what the sheet shows at closing time and what it settles at."""
        frame, state = self._story.spend, spend_state(self._story.spend, self._now)
        return pa.table(
            {
                "date": local_date(frame["at"].to_numpy()),
                "campaign": _pick([c.name for c in CAMPAIGNS], frame["campaign"].to_numpy()),
                "ad_group": _pick(("broad", "lookalike, 1 %"), frame["group"].to_numpy()),
                "funnel": _pick(FUNNELS, frame["funnel"].to_numpy()),
                "leads": pa.array(frame["leads"].to_numpy()),
                "shown": pa.array(state["shown"].to_numpy()),
                "cost_paise": pa.array(state["cost_paise"].to_numpy()),
                "final_cost_paise": pa.array(frame["cost_paise"].to_numpy()),
                "clicks": pa.array(state["clicks"].to_numpy()),
                "impressions": pa.array(state["impressions"].to_numpy()),
            }
        )

    def engagement(self) -> pa.Table:
        """Grain: one event record ever sent, copies included; ``position`` counts from 1 in the file."""
        frame = self._story.activity
        everything = np.arange(len(frame))
        copy_of = frame["copy_of"].to_numpy()
        _, style = self._exports.activity_lines
        reach = frame["reach"].to_numpy()
        return pa.table(
            {
                "row": pa.array(everything),
                "position": _lines(len(frame), self._exports.activity_rows(self._now), first=1),
                "event_id": self._exports.event_ids(everything),
                "person": pa.array(frame["person"].to_numpy()),
                "event_type": _pick(ACTIVITY_TYPES, frame["type"].to_numpy()),
                "at": utc(frame["at"].to_numpy()),
                "date": local_date(frame["at"].to_numpy()),
                "copy_of": pa.array(copy_of, mask=copy_of < 0),
                "has_phone": pa.array((reach != 1) & (style < LOST_FROM)),
                "has_email": pa.array(reach != 2),
                "late_seconds": pa.array(frame["visible_at"].to_numpy() - frame["at"].to_numpy()),
            }
        )

    def people(self) -> pa.Table:
        """Grain: one true person, with true first touch and the moments each stage was reached.

        ``second_email`` and ``new_phone`` are what those with ``has_second_email`` and ``has_new_phone`` also give.
        """
        people, size = self._story.people, len(self._story.people)
        everyone = np.arange(size)
        number, foreign = self._exports.writers.numbers(everyone)
        moved, _ = self._exports.writers.numbers(everyone, everyone >= 0)
        writers = self._exports.writers
        touch = self._first_touches()
        stage = self._stages()
        return pa.table(
            {
                "person": pa.array(everyone),
                "kind": _pick(KINDS, people["kind"].to_numpy()),
                "name": glue(writers.first_names(everyone), " ", writers.last_names(everyone)),
                "phone": numbers(number),
                "is_foreign": pa.array(foreign),
                "shares_phone_with": pa.array(
                    people["kin"].to_numpy(), mask=people["kin"].to_numpy() == everyone
                ),
                "has_new_phone": pa.array(people["new_phone"].to_numpy(bool)),
                "new_phone": numbers(moved),
                "email": writers.emails(everyone),
                "has_second_email": pa.array(people["two_mails"].to_numpy(bool)),
                "second_email": writers.emails(everyone, everyone >= 0),
                "mistyped_email": writers.mistyped_emails(everyone),
                "programme": _pick(PROGRAMMES, people["programme"].to_numpy()),
                "first_touch_at": utc(touch["at"]),
                "first_touch_kind": _pick(("sheet", "zoom"), touch["kind"]),
                "first_source": _pick([c.source for c in CAMPAIGNS], touch["campaign"]),
                "first_medium": _pick([c.medium for c in CAMPAIGNS], touch["campaign"]),
                "first_campaign": _pick([c.name for c in CAMPAIGNS], touch["campaign"]),
                "first_funnel": _pick(FUNNELS, touch["funnel"]),
                **{name: utc(values) for name, values in stage.items()},
            }
        )

    def _first_touches(self) -> dict[str, Ints]:
        """Earliest of the sheet rows and the events (at their start) that can be seen at closing time."""
        leads, now, size = self._story.leads, self._now, len(self._story.people)
        seen = leads[(leads["visible_at"] <= now) & (leads["deleted_at"] > now) & (leads["person"] >= 0)]
        seen = seen[seen["kind"] != "undated"]
        campaign = seen["campaign"].to_numpy()
        sheet = pd.DataFrame({"person": seen["person"], "at": seen["at"], "kind": 0, "campaign": campaign})
        sheet["funnel"] = campaign_funnel(self._story.calendar, campaign, seen["at"].to_numpy())
        rows = self._story.attendance
        shown = self._reported_events("attendee", "participants", "registration")
        rows = rows[(rows["role"] == "attendee") & rows["event"].isin(shown)]
        number = rows["event"].to_numpy(dtype=np.int64)
        zoom = pd.DataFrame(
            {"person": rows["person"], "at": self._event_column("start")[number], "kind": 1, "campaign": -1}
        )
        zoom["funnel"] = np.array([e.funnel for e in self._story.events] or [0])[number]
        both = (
            pd.concat([sheet, zoom])
            .sort_values(["at", "kind", "person"], kind="stable")
            .drop_duplicates("person")
        )
        result = {}
        for name in ("at", "kind", "campaign", "funnel"):
            column = np.full(size, -1, dtype=np.int64)
            column[both["person"].to_numpy(dtype=np.int64)] = both[name].to_numpy(dtype=np.int64)
            result[name] = column
        return result

    def _stages(self) -> dict[str, Ints]:
        """First moment of each stage: MQL download or attendance, SQL demo, Opportunity both, Customer deal or sale."""
        size, now = len(self._story.people), self._now

        def first(person: pd.Series, at: Ints) -> Ints:
            result = np.full(size, FOREVER, dtype=np.int64)
            np.minimum.at(result, person.to_numpy(dtype=np.int64), at)
            return result

        activity = self._story.activity
        activity = activity[(activity["visible_at"] <= now) & (activity["copy_of"] < 0)]

        def event(code: int) -> Ints:
            rows = activity[activity["type"] == code]
            return first(rows["person"], rows["at"].to_numpy())

        rows = self._story.attendance
        rows = rows[(rows["role"] == "attendee") & rows["attended"].astype(bool)]
        attended = first(rows["person"], self._event_column("start")[rows["event"].to_numpy(dtype=np.int64)])
        sales = self._story.sales
        sales = sales[(sales["visible_at"] <= now) & (sales["deleted_at"] > now)]
        assignments = self._story.assignments
        assignments = assignments[(assignments["visible_at"] <= now) & (assignments["deleted_at"] > now)]
        demo = event(DEMO)
        return {
            "first_attended_at": attended,
            "mql_at": np.minimum(event(DOWNLOAD), attended),
            "sql_at": demo,
            "opportunity_at": np.maximum(demo, event(FOLLOW_UP)),
            "customer_at": np.minimum(event(DEAL), first(sales["person"], sales["at"].to_numpy())),
            "assigned_at": first(assignments["person"], assignments["at"].to_numpy()),
        }

    def daily_funnel(self) -> pa.Table:
        """Grain: one local day and funnel, at closing time.

        ``submissions`` counts dated sheet rows, copies included; ``registered`` and ``attended`` people at
        events of that day under the event's funnel; ``assignments`` rows in the dump; ``sales`` and money by
        final funnel.
        """
        parts: list[pd.DataFrame] = []

        def add(table: pa.Table, funnel: str, measures: dict[str, str | None]) -> None:
            frame = pd.DataFrame({"date": table["date"].to_pylist(), "funnel": table[funnel].to_pylist()})
            for name, column in measures.items():
                frame[name] = 1 if column is None else table[column].to_pylist()
            parts.append(frame.groupby(["date", "funnel"], as_index=False).sum())

        leads = self.leads().to_pandas()
        add(_rows(leads[leads["expected_fate"] == "loaded"]), "funnel", {"submissions": None})
        guests = self.attendance().to_pandas()
        guests = guests[guests["role"] == "attendee"]
        kinds = np.array([FUNNELS[e.funnel] for e in self._story.events] or [""])
        guests = guests.assign(funnel=kinds[guests["event"].to_numpy()])
        for flag in ("registered", "attended"):
            add(_rows(guests[guests[flag]]), "funnel", {flag: None})
        assignments = self.assignments().to_pandas()
        add(_rows(assignments[assignments["line"].notna()]), "funnel", {"assignments": None})
        sales = self.sales().to_pandas()
        money = {
            "sales": None,
            "gross_paise": "gross_paise",
            "paid_paise": "paid_paise",
            "net_paise": "net_paise",
        }
        add(_rows(sales[sales["line"].notna()]), "final_funnel", money)
        spend = self.spend().to_pandas()
        add(_rows(spend[spend["shown"]]), "funnel", {"spend_paise": "cost_paise"})
        measures = {name: 0 for part in parts for name in part.columns}
        whole = pd.concat([part for part in parts if len(part)]).reindex(columns=list(measures))
        whole = whole.groupby(["date", "funnel"], as_index=False).sum().fillna(0)
        for name in whole.columns[2:]:
            whole[name] = whole[name].astype("int64")
        return pa.Table.from_pandas(
            whole.sort_values(["date", "funnel"]), preserve_index=False
        ).replace_schema_metadata()

    def faults(self) -> pa.Table:
        """Grain: one planted fault."""
        planted = list(self._story.planted)
        planted += [
            ("cut_files", "zoom_attendance", i, f.name) for i, f in enumerate(self._shelf.files) if f.cut
        ]
        planted += self._exports.planted_headers()
        return fault_table(planted)


def _rows(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame, preserve_index=False)
