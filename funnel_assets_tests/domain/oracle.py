"""Slow models of the domain rules: loops over rows, written from SPEC 6 and the sheet's formulas, sharing no code
with the set logic they judge."""

import datetime as dt
import math
import re
from collections import defaultdict
from typing import Any

import pyarrow as pa

Row = dict[str, Any]
MISC = "Other Sources (Miscellaneous)"
DAY = dt.timedelta(days=1)


class Seen(list[Row]):
    """Every record that shows an e-mail and a phone together, and what link rows say."""

    groups: dict[str, str]
    apart: set[tuple[str, str]]
    strangers: dict[tuple[str, str], dt.date]
    belongs: dict[str, tuple[dt.date, str]]
    there: dict[str, dict[str, dt.date]]


def sightings(tables: dict[str, pa.Table]) -> Seen:
    """Return every record that shows an e-mail and a phone together."""
    shown = {
        "raw_leads": ("created_at", "name"),
        "zoom_attendance": ("touched_at", "first_name"),
        "engagement_events": ("event_at", None),
    }
    seen = Seen(
        {**row, "seen_at": row[at], "called": (row[name] or "").lower() if name else ""}
        for dataset, (at, name) in shown.items()
        for row in tables[dataset].to_pylist()
        if row["email_key"] and row["phone_key"]
    )
    seen.groups = {row["key"]: row["person_id"] for row in tables["people"].to_pylist()}
    seen.apart = {(row["key"], row["other"]) for row in tables["apart"].to_pylist()}
    seen.strangers = strangers(seen)
    seen.belongs = claims(seen)
    seen.there = arrivals(seen)
    return seen


def strangers(seen: Seen) -> dict[tuple[str, str], dt.date]:
    """Return the day from which on an e-mail is a stranger to a phone, by the first names seen with it.

    Names are single words here; of one e-mail's names on one day the one that sorts first counts.
    """
    days: dict[str, dict[str, dict[dt.date, tuple[dt.datetime, list[str]]]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for row in seen:
        emails = days[row["phone_key"]][row["email_key"]]
        at, names = emails.get(row["date"], (row["seen_at"], []))
        emails[row["date"]] = (max(at, row["seen_at"]), [*names, row["called"]])
    found = {}
    for phone, emails in days.items():
        firsts = [
            min(
                (day, at, email, min(filter(None, names))) for day, (at, names) in shown.items() if any(names)
            )
            for email, shown in emails.items()
            if any(any(names) for _, names in shown.values())
        ]
        for day, _, email, name in firsts:
            holder, own = min(firsts)[3][:3], name[:3]
            if not (holder.startswith(own) or own.startswith(holder)):
                found[email, phone] = day
    return found


def strange(row: Row, seen: Seen) -> bool:
    """Return whether a record's e-mail is a stranger to its phone on its day."""
    return seen.strangers.get((row["email_key"], row["phone_key"]), dt.date.max) <= row["date"]


def by_rule(record: Row, record_id: str, seen: Seen) -> tuple[str, str]:
    """Return who a record belongs to and why, before any link row."""
    email = record.get("email_key")
    strangely = bool(email and record["phone_key"] and strange(record, seen))
    if record["phone_key"] and not strangely:
        return record["phone_key"], "phone"
    if email:
        known = [
            (s["date"], s["seen_at"], s["phone_key"])
            for s in seen
            if s["email_key"] == email and s["date"] <= record["date"] and not strange(s, seen)
        ]
        if known and email not in seen.groups:
            return max(known)[2], "email_phone"
        return email, "shared_phone" if strangely else "email"
    if record.get("external_key"):
        return record["external_key"], "external"
    return "a" + record[record_id], "alone"


def contact(record: Row, record_id: str, seen: Seen) -> str | None:
    """Return the phone of a record's person: its own unless it is somebody else's, else the one known."""
    who, why = by_rule(record, record_id, seen)
    if person(record, record_id, seen)[1] == "cannot_link":
        return None
    if why == "email_phone":
        return next(row["phone"] for row in seen if row["phone_key"] == who)
    return record["phone"] if why == "phone" else None


def claims(seen: Seen) -> dict[str, tuple[dt.date, str]]:
    """Return since when each key belongs to which group."""
    found = {key: (dt.date(1900, 1, 1), group) for key, group in seen.groups.items()}
    for row in seen:
        group = seen.groups.get(row["email_key"])
        if group and row["phone_key"] not in seen.groups and not strange(row, seen):
            found[row["phone_key"]] = min(
                (row["date"], group), found.get(row["phone_key"], (dt.date.max, ""))
            )
    return found


def arrivals(seen: Seen) -> dict[str, dict[str, dt.date]]:
    """Return for each person since when which of the keys that are to be kept apart has been there."""
    there: dict[str, dict[str, dt.date]] = defaultdict(dict)
    concerned = {key for key, _ in seen.apart}

    def comes(key: str, person_id: str, day: dt.date) -> None:
        if key in concerned:
            there[person_id][key] = min(day, there[person_id].get(key, dt.date.max))

    for key in concerned:
        comes(key, seen.groups.get(key, key), dt.date(1900, 1, 1))
    for key, (since, group) in seen.belongs.items():
        comes(key, group, since)
    for row in seen:
        if not strange(row, seen):
            comes(row["email_key"], row["phone_key"], row["date"])
            if row["phone_key"] in seen.belongs:
                since, group = seen.belongs[row["phone_key"]]
                comes(row["email_key"], group, max(since, row["date"]))
    return there


def group_of(key: str, seen: Seen) -> tuple[dt.date, str]:
    """Return since when a key belongs to which group; itself, where it belongs to none or mustn't."""
    since, group = seen.belongs.get(key, (dt.date.max, key))
    concerned = any(key == one for one, _ in seen.apart)
    if group != seen.groups.get(key, key) and concerned and not may_stay(key, seen.there[group], seen):
        return dt.date.max, key
    return since, group


def may_stay(key: str, there: dict[str, dt.date], seen: Seen) -> bool:
    """Return whether nobody whom a key must be kept apart from was at a person before it."""
    return key in there and not any(
        (key, other) in seen.apart and (day, other) < (there[key], key) for other, day in there.items()
    )


def person(record: Row, record_id: str, seen: Seen) -> tuple[str, str]:
    """Return who a record belongs to and why, by SPEC 6's order and the link rows."""
    who, why = by_rule(record, record_id, seen)
    if not seen.groups and not seen.apart:
        return who, why
    concerned = {key for key, _ in seen.apart}
    since, group = group_of(who, seen)
    place = group if since <= record["date"] else who
    email: str | None = record.get("email_key")
    if email and email in concerned and seen.groups.get(email, email) != place:
        there = seen.there[place]
        stays = may_stay(email, there, seen) and there[email] <= record["date"]
        if not stays:
            return seen.groups.get(email, email), "cannot_link"
    return place, why if place == who else "must_link"


def shared_from(seen: Seen) -> dict[str, dt.date]:
    """Return the day on which a phone was first known with three e-mails."""
    first_days: dict[str, dict[str, dt.date]] = defaultdict(dict)
    for sighting in seen:
        days = first_days[sighting["phone_key"]]
        days[sighting["email_key"]] = min(sighting["date"], days.get(sighting["email_key"], dt.date.max))
    return {phone: sorted(days.values())[2] for phone, days in first_days.items() if len(days) >= 3}


def funnel_of(source: str | None, day: dt.date, mapping: list[Row]) -> str:
    """Return the funnel of a source on a day, looked up as a spreadsheet does."""
    if source is None:
        return MISC
    valid = [
        row
        for row in mapping
        if row["source"].strip().lower() == source.strip().lower()
        and (row["valid_from"] is None or row["valid_from"] <= day)
        and (row["valid_to"] is None or row["valid_to"] >= day)
    ]
    return valid[0]["funnel"] if valid else MISC


def touches(tables: dict[str, pa.Table]) -> list[Row]:
    """Return all touches with their person, in touch order."""
    seen = sightings(tables)
    found = []
    for lead in tables["raw_leads"].to_pylist():
        who, why = person(lead, "lead_id", seen)
        found.append(
            {
                "order": (lead["date"], lead["created_at"], lead["source_order"], lead["lead_id"]),
                "person_id": who,
                "identified_by": why,
                "contact": contact(lead, "lead_id", seen),
                "source": lead["utm_source"],
                "medium": lead["utm_medium"],
                "campaign": lead["utm_campaign"],
                **{name: lead[name] for name in ("date", "phone", "phone_key", "email", "name", "city")},
            }
        )
    for zoom in tables["zoom_attendance"].to_pylist():
        who, why = person(zoom, "attendance_id", seen)
        names = [zoom["first_name"], zoom["last_name"]]
        full = " ".join(names) if all(names) else names[0] or names[1] or zoom["user_name"]
        given = zoom["registration_source"]
        found.append(
            {
                "order": (zoom["date"], zoom["touched_at"], 1_000_000, zoom["attendance_id"]),
                "person_id": who,
                "identified_by": why,
                "contact": contact(zoom, "attendance_id", seen),
                "source": given if given and given.strip(" #0123456789") else zoom["event_type"],
                "medium": "zoom",
                "campaign": zoom["webinar_name"],
                "name": full,
                "city": None,
                **{name: zoom[name] for name in ("date", "phone", "phone_key", "email")},
            }
        )
    return sorted(found, key=lambda touch: touch["order"])


def dedup_leads(tables: dict[str, pa.Table], first: dt.date, last: dt.date) -> list[Row]:
    """Return the month's unique leads of the days."""
    everything = touches(tables)
    seen = sightings(tables)
    shared = shared_from(seen)
    for phone, since in list(shared.items()):
        joined, group = group_of(phone, seen)
        if group != phone and joined < dt.date.max:
            shared[group] = min(max(joined, since), shared.get(group, dt.date.max))
    mapping = tables["mapping"].to_pylist()
    heads: dict[tuple[Any, ...], Row] = {}
    for touch in everything:
        heads.setdefault((touch["person_id"], touch["date"].year, touch["date"].month), touch)
    rows = []
    for head in heads.values():
        day, who = head["date"], head["person_id"]
        if not first <= day <= last:
            continue
        back = [t for t in everything if t["person_id"] == who and day - 90 * DAY <= t["date"] <= day]
        phone = next((t["contact"] for t in back if t["contact"]), None)
        row = {
            "date": day,
            "person_id": who,
            "identified_by": head["identified_by"],
            "user_id": phone,
            "phone": phone,
            **{fact: next((t[fact] for t in back if t[fact]), None) for fact in ("email", "name", "city")},
            "touches": sum(t["date"] == day for t in back),
            "is_new_person": back[0]["date"] == day,
            "is_shared_phone": who in shared and shared[who] <= day,
        }
        for prefix, touch in (("first", head), ("origin", back[0])):
            row |= {f"{prefix}_{name}": touch[name] for name in ("source", "medium", "campaign")}
            row[f"{prefix}_touch_at"] = touch["order"][1]
            row[f"{prefix}_funnel"] = funnel_of(touch["source"], touch["date"], mapping)
        rows.append(row)
    return rows


def zoom_lookup(phone: str | None, day: dt.date, zoom: list[Row]) -> tuple[str, dt.date | None]:
    """Return the sheet's Attended cell of a phone, and the first day attended up to a day."""
    rows = [
        row
        for row in zoom
        if phone is not None
        and row["phone_key"] == phone
        and row["date"] >= day - 90 * DAY
        and (row["date"].year, row["date"].month) <= (day.year, day.month)
    ]
    if not rows:
        return "0", None
    days = [row["date"] for row in rows if row["attended"] == "Y" and row["date"] <= day]
    return ("Yes" if any(row["attended"] == "Y" for row in rows) else "No"), min(days, default=None)


def assigned_leads(tables: dict[str, pa.Table], first: dt.date, last: dt.date) -> list[Row]:
    """Return M0: the month's list filtered by phone, sorted by assignOn, its first row; then the lookups."""
    rows = []
    all_leads = tables["crm_assignments"].to_pylist()
    zoom = tables["zoom_attendance"].to_pylist()
    mapping = tables["mapping"].to_pylist()
    seen = sightings(tables)
    day = first
    while day <= last:
        m0_leads = [row for row in all_leads if day.replace(day=1) <= row["date"] <= day]
        for phone in {row["phone_key"] for row in m0_leads}:
            own = [row for row in m0_leads if row["phone_key"] == phone]
            top = sorted(own, key=lambda row: (row["assigned_at"], row["dump_rank"], row["assignment_id"]))[0]
            if top["date"] != day:
                continue
            attended, attended_on = zoom_lookup(phone, day, zoom)
            rows.append(
                {
                    **{name: top[name] for name in ("date", "phone", "phone_key", "assigned_at", "employee")},
                    "person_id": person({**top, "email_key": None}, "assignment_id", seen)[0],
                    "first_source": top["lead_source"],
                    "funnel": funnel_of(top["lead_source"], day, mapping),
                    "attended": attended,
                    "assignments": sum(row["date"] == day for row in own),
                    "assigned_late_days": None if attended_on is None else (day - attended_on).days,
                }
            )
        day += DAY
    return rows


def sheet_trim(text: str | None) -> str:
    """Return what the spreadsheet's TRIM makes of a cell."""
    return re.sub(" +", " ", text or "").strip(" ")


def final_funnel(ar: str | None, as_: str | None, table: list[Row]) -> tuple[str, str]:
    """Return the FINAL FUNNEL cell and the branch taken, read off the sheet's formula."""
    if sheet_trim(ar).lower() == MISC.lower():
        for row in table:
            if sheet_trim(row["value"]).lower() == sheet_trim(as_).lower():
                return row["funnel"], "manual_lookup"
        return ar or "", "miscellaneous_kept"
    if len(as_ or ""):
        return as_ or "", "manual_value"
    return (ar, "crm_funnel") if ar else (MISC, "miscellaneous_kept")


def is_paid(status: str | None) -> bool:
    """Return whether a sale's status means that money came."""
    bad = ("fail", "cancel", "refund", "chargeback", "revers", "declin", "reject", "bounce", "void")
    return not any(word in (status or "").lower() for word in bad)


def sales_enriched(tables: dict[str, pa.Table], first: dt.date, last: dt.date) -> list[Row]:
    """Return the sales of the days with everything that is looked up for them."""
    seen, everything = sightings(tables), touches(tables)
    zoom, mapping = tables["zoom_attendance"].to_pylist(), tables["mapping"].to_pylist()
    manual = {row["sale_id"]: row["value"] for row in tables["manual_mapping"].to_pylist()}
    rows = []
    for sale in tables["crm_sales"].to_pylist():
        day = sale["date"]
        if not first <= day <= last:
            continue
        who, _ = person(sale, "sale_id", seen)
        typed = manual.get(sale["sale_id"])
        funnel, rule = final_funnel(sale["funnel"], typed, tables["manual_funnels"].to_pylist())
        row = {
            **sale,
            "person_id": who,
            "is_paid": is_paid(sale["status"]),
            "manual_mapping": typed,
            "final_funnel": funnel,
            "final_funnel_rule": rule,
            "attended": zoom_lookup(sale["phone_key"], day, zoom)[0],
            "days_to_revenue": None,
            "is_sold_before_touch": False,
        }
        spans = {"first": (day.replace(day=1), day), "origin": (day - 90 * DAY, day)}
        for prefix, (since, until) in (spans | {"ever": (dt.date.min, day + 31 * DAY)}).items():
            back = [t for t in everything if t["person_id"] == who and since <= t["date"] <= until]
            top = back[0] if back else None
            for name in ("source", "medium", "campaign"):
                row[f"{prefix}_{name}"] = top[name] if top else None
            row[f"{prefix}_touch_at"] = top["order"][1] if top else None
            row[f"{prefix}_funnel"] = funnel_of(top["source"], top["date"], mapping) if top else None
            if top and prefix == "ever":
                row["days_to_revenue"] = (day - top["date"]).days
                row["is_sold_before_touch"] = top["date"] > day
        rows.append(row)
    return rows


EVENTS = {
    "click": "clicks",
    "view": "views",
    "download": "downloads",
    "demo_booked": "demos_booked",
    "follow_up": "follow_ups",
    "form_submit": "form_submissions",
    "deal_closed": "deals_closed",
    "deal_opened": "deals_opened",
    "deal_lost": "deals_lost",
    "site_minute": "site_minutes",
    "webinar_join": "webinar_joins",
    "direct_inquiry": "direct_inquiries",
}
CAMPS = ("bootcamp_day_1", "bootcamp_day_2")
COUNTS = (
    *list(EVENTS.values())[:5],
    "registrations",
    "attendances",
    *CAMPS,
    "seconds",
    *list(EVENTS.values())[5:],
    "other_activities",
    "other_points",
)


def engagements(tables: dict[str, pa.Table]) -> dict[str, list[Row]]:
    """Return what each person did, in order."""
    seen = sightings(tables)
    found: dict[str, list[Row]] = defaultdict(list)
    for lead in tables["raw_leads"].to_pylist():
        order = (lead["date"], lead["created_at"], lead["lead_id"])
        what = {"order": order, "channel": lead["utm_source"], "form_submissions": 1}
        found[person(lead, "lead_id", seen)[0]].append(what)
    for zoom in tables["zoom_attendance"].to_pylist():
        there = zoom["attended"] == "Y"
        at = zoom["join_time"] if there and zoom["join_time"] else zoom["touched_at"]
        what = {
            "order": (zoom["date"], at, zoom["attendance_id"]),
            "channel": "zoom",
            "registrations": int(zoom["attendance_type"] != "walk_in"),
            "attendances": int(there),
            **{name: int(there and zoom["bootcamp_day"] == nth) for nth, name in enumerate(CAMPS, start=1)},
            "seconds": zoom["time_in_session_seconds"],
        }
        found[person(zoom, "attendance_id", seen)[0]].append(what)
    for event in tables["engagement_events"].to_pylist():
        order = (event["date"], event["event_at"], event["event_id"])
        what = {"order": order, "channel": event["channel"]}
        if event["event_type"].lower() in EVENTS:
            what[EVENTS[event["event_type"].lower()]] = event["times"]
        else:
            what["other_activities"] = event["times"]
        found[person(event, "event_id", seen)[0]].append(what)
    return {who: sorted(did, key=lambda what: what["order"]) for who, did in found.items()}


def half_up(seconds: int) -> int:
    """Return the nearest whole minutes; half a minute counts as one."""
    return math.floor(seconds / 60 + 0.5)


def engagement_summary(tables: dict[str, pa.Table], first: dt.date, last: dt.date) -> list[Row]:
    """Return each person's active days with the day's and the running counts."""
    rows = []
    for who, did in engagements(tables).items():
        for day in sorted({what["order"][0] for what in did}):
            if not first <= day <= last:
                continue
            today = [what for what in did if what["order"][0] == day]
            so_far = [what for what in did if what["order"][0] <= day]
            rows.append(
                {
                    "date": day,
                    "person_id": who,
                    **{name: sum(what.get(name, 0) for what in today) for name in COUNTS},
                    **{f"total_{name}": sum(what.get(name, 0) for what in so_far) for name in COUNTS},
                    "minutes": half_up(sum(what.get("seconds", 0) for what in today)),
                    "total_minutes": half_up(sum(what.get("seconds", 0) for what in so_far)),
                    "open_deals": max(
                        sum(
                            what.get("deals_opened", 0)
                            - what.get("deals_closed", 0)
                            - what.get("deals_lost", 0)
                            for what in so_far
                        ),
                        0,
                    ),
                    "first_engaged_at": min(what["order"][1] for what in so_far),
                    "last_engaged_at": max(what["order"][1] for what in so_far),
                    "channel": did[0]["channel"],
                }
            )
    return rows


POINTS = {"views": 10, "clicks": 5, "downloads": 20, "form_submissions": 10, "registrations": 10}
POINTS |= {"attendances": 20, "demos_booked": 40, "follow_ups": 30, "deals_closed": 50}
RANKS = {"Lead": 1, "MQL": 2, "SQL": 3, "Opportunity": 4, "Customer": 5}
OWNERS = {"Lead": "Marketing", "MQL": "Marketing Ops", "Customer": "Customer Success"}
TRACKS = {
    "Lead": ("Low", "Every two weeks", "Email, Newsletter"),
    "MQL": ("Mid", "Weekly", "Email, LinkedIn"),
    "SQL": ("High", "Every 3 days", "Email, WhatsApp, LinkedIn"),
    "Opportunity": ("High", "Every 3 days", "Email, WhatsApp, LinkedIn"),
    "Customer": ("Low", "Monthly", "Email"),
}


def _stage(row: Row, paid: bool) -> tuple[str, str]:
    if paid:
        return "Customer", "Paid sale"
    if row.get("total_deals_closed"):
        return "Customer", "Deal closed"
    if row.get("total_demos_booked"):
        if row.get("total_follow_ups"):
            return "Opportunity", "Booked a demo and attended a follow-up"
        if row.get("open_deals"):
            return "Opportunity", "Booked a demo and has an open deal"
        return "SQL", "Booked a demo"
    if row.get("total_downloads"):
        return "MQL", "Downloaded something"
    if row.get("total_attendances"):
        return "MQL", "Attended a webinar"
    return "Lead", "Known to us"


def _playbook(health: str, stage: str) -> tuple[str, str]:
    if health == "Stale":
        return "Reactivation", "high" if RANKS[stage] >= 3 else "medium"
    if health == "Dormant":
        return "Reactivation", "low"
    if RANKS[stage] >= 3:
        return "Conversion", "high"
    return "Education", "medium" if stage == "MQL" else "low"


def _state(
    who: str, day: dt.date, summary: list[Row], paid: list[dt.date], overrides: list[Row]
) -> Row | None:
    known = [row for row in summary if row["date"] <= day]
    paid = [sold for sold in paid if sold <= day]
    if not known and not paid:
        return None
    row = max(known, key=lambda known: known["date"]) if known else {}
    idle = (day - (row["date"] if known else max(paid))).days
    health = "Active" if idle <= 14 else "Stale" if idle <= 45 else "Dormant"
    stage, reason = _stage(row, bool(paid))
    author = None
    holding = [
        o
        for o in overrides
        if o["person_id"] == who
        and o["effective_on"] <= day
        and (o["expires_on"] is None or day < o["expires_on"])
    ]
    holding.sort(key=lambda o: (o["effective_on"], o["value"]))
    for override in holding:
        if override["field"] == "current_stage":
            stage, reason, author = override["value"], override["reason"], override["author"]
    track, frequency, channels = TRACKS[stage]
    playbook, priority = _playbook(health, stage)
    state = {
        "intent_score": sum(points * row.get(f"total_{name}", 0) for name, points in POINTS.items()),
        "current_stage": stage,
        "stage_reason": reason,
        "stage_author": author,
        "engagement_health": health,
        "nurture_track": track,
        "track_frequency": frequency,
        "track_channels": channels,
        "next_playbook": playbook,
        "sales_priority": priority,
        "owner_department": OWNERS.get(stage, "Sales"),
    }
    for override in holding:
        state[override["field"]] = override["value"]
    return state | {"override_applied": ",".join(sorted({o["field"] for o in holding})) or None}


def scored_contacts(
    summary: list[Row], sales: list[Row], overrides: list[Row], first: dt.date, last: dt.date
) -> list[Row]:
    """Return the changes of state, by living through every day for every contact.

    A change is one of what the rules say or of what overrides hold, even where an override covers the first. Records
    that stand alone are nobody's.
    """
    summary, sales = ([row for row in of if not row["person_id"].startswith("a")] for of in (summary, sales))
    rows = []
    begin = min([row["date"] for row in (*summary, *sales)], default=first)
    for who in {row["person_id"] for row in (*summary, *sales)}:
        own = [row for row in summary if row["person_id"] == who]
        paid = [row["date"] for row in sales if row["person_id"] == who]
        before: Row | None = None
        beneath: tuple[Row | None, dict[str, tuple[str, str | None]]] = (None, {})
        for number in range((last - begin).days + 1):
            day = begin + number * DAY
            state = _state(who, day, own, paid, overrides)
            ruled = _state(who, day, own, paid, [])
            forced = (
                {
                    name: (state[name], state["stage_reason"] if name == "current_stage" else None)
                    for name in (state["override_applied"] or "").split(",")
                    if name
                }
                if state
                else {}
            )
            changed, beneath = (ruled, forced) != beneath, (ruled, forced)
            if changed and state is not None and first <= day:
                seen = [row for row in own if row["date"] <= day]
                score = state["intent_score"]
                rows.append(
                    {
                        "date": day,
                        "person_id": who,
                        **state,
                        "intent_index": 100 * score // (score + 40),
                        "previous_stage": before["current_stage"] if before else None,
                        "first_touch_channel": seen[0]["channel"] if seen else None,
                        "last_engaged_at": max((row["last_engaged_at"] for row in seen), default=None),
                    }
                )
            before = state
    return rows


def same_cell(one: str | None, other: str | None) -> bool:
    """Return whether SUMIFS takes two cells for one funnel: without case, blanks around them aside."""
    return (one or "").strip().lower() == (other or "").strip().lower()


def sumifs(rows: list[Row], amount: str, funnel: str, day: dt.date) -> int:
    """Return =SUMIFS(amount; Funnel; funnel; date; day)."""
    return sum(row[amount] for row in rows if row["date"] == day and same_cell(row["funnel"], funnel))
