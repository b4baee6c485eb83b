"""Sessions and the event stream of the SaaS world, a day at a time.

Belongs here: traffic by source and campaign, and every event, so that forms, conversions and purchases of the story
happen in sessions. Does not belong here: the story (`saas_story`), files (`saas`).

A day depends on nothing but the story and its own random stream: days can be made in any order.
"""

import dataclasses

import numpy as np
import pandas as pd

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.rand import Bools, Draws, Ints, share
from funnel_assets.simulate.saas_story import DAY, FOREVER, SaasStory

_FORM_EVENT = np.array([c.EVENT[f.event] if f.event else -1 for f in c.FORMS])


@dataclasses.dataclass(frozen=True)
class Traffic:
    """One day of traffic.

    Attributes:
        sessions: Grain: one session: ``user``, ``start_at``, ``source``, ``campaign`` (-1: none), ``is_returning``.
        events: Grain: one event: ``session`` (position on this day; -1: sent by the server), ``user``, ``type``,
            ``at``, ``lead``, ``subscription`` (-1: none).
    """

    sessions: pd.DataFrame
    events: pd.DataFrame


class TrafficMaker:
    """Makes the traffic of any day of a story."""

    def __init__(self, story: SaasStory) -> None:
        self._story = story
        leads, subscriptions = story.leads, story.subscriptions
        self._base = story.volume.first_second
        self._forms = self._by_day(leads["at"].to_numpy(), leads["user"].to_numpy() >= 0)
        trial = (leads["form"] == c.TRIAL).to_numpy()
        asks = (leads["path"] == c.ASSISTED).to_numpy()
        self._asks_at = leads["at"].to_numpy() + (1 + np.arange(len(leads)) % 3) * DAY
        self._asks = self._by_day(self._asks_at, asks)
        self._expired_at = leads["at"].to_numpy() + c.TRIAL_DAYS * DAY
        self._expired = self._by_day(self._expired_at, trial & ~leads["converts"].to_numpy())
        paid = subscriptions["paid_at"].to_numpy()
        self._purchases = self._by_day(paid, paid < FOREVER)

    def _by_day(self, at: Ints, mask: Bools) -> dict[int, Ints]:
        rows = np.flatnonzero(mask)
        day = (at[rows] - self._base) // DAY
        order = np.argsort(day, kind="stable")
        rows, day = rows[order], day[order]
        cuts = np.flatnonzero(np.diff(day)) + 1
        return {
            int(d[0]): r for d, r in zip(np.split(day, cuts), np.split(rows, cuts), strict=True) if len(d)
        }

    def day(self, number: int) -> Traffic:
        """Make one day; ``number`` counts from 0."""
        draw = Draws(self._story.seed, f"saas/traffic/{number}")
        users, starts, pinned = self._visits(draw, number)
        volume = self._story.volume
        first_new = int(volume.first_user[number])
        returning = users < first_new
        size = len(users)
        source = draw.pick(size, [s.weight for s in c.SOURCES])
        source[pinned["bought"]] = c.DIRECT
        campaign = _campaigns(draw, source, returning)
        order = np.argsort(starts, kind="stable")
        place = np.empty(size, dtype=np.int64)
        place[order] = np.arange(size)
        sessions = pd.DataFrame(
            {
                "user": users[order],
                "start_at": starts[order],
                "source": source[order],
                "campaign": campaign[order],
                "is_returning": returning[order],
            }
        )
        events = _browsing(draw, sessions)
        events.append(self._form_events(number, place[pinned["forms"]]))
        events.append(self._purchase_events(number, place[pinned["bought"]]))
        events.append(self._server_events(number))
        frame = pd.concat(events, ignore_index=True)
        return Traffic(
            sessions, frame.sort_values(["at", "session", "type"], kind="stable", ignore_index=True)
        )

    def _visits(self, draw: Draws, number: int) -> tuple[Ints, Ints, dict[str, Ints]]:
        """Users and starts of the day's sessions, and which of them forms and purchases happen in."""
        volume, story = self._story.volume, self._story
        new = volume.first_user[number] + np.arange(volume.new_users[number])
        busy = volume.new_users[number] / (c.NEW_USERS_A_DAY * volume.scale)
        back = _returning(
            draw,
            volume.first_user,
            number,
            round((c.ACTIVE_USERS_A_DAY - c.NEW_USERS_A_DAY) * volume.scale * busy),
        )
        active = np.concatenate([new, back])
        buying = self._purchases.get(number, np.empty(0, np.int64))
        buyers = story.subscriptions["user"].to_numpy()[buying]
        total = max(round(c.SESSIONS_A_DAY * volume.scale * busy), len(active) + len(buying))
        more = active[draw.below(total - len(active) - len(buying), len(active))]
        users = np.concatenate([active, more, buyers])
        day_start = self._base + number * DAY
        starts = day_start + draw.below(len(users), DAY - 900)
        filling = self._forms.get(number, np.empty(0, np.int64))
        form_place = story.leads["user"].to_numpy()[filling] - int(volume.first_user[number])
        starts[form_place] = story.leads["at"].to_numpy()[filling] - 300
        bought_place = len(active) + len(more) + np.arange(len(buying))
        starts[bought_place] = story.subscriptions["paid_at"].to_numpy()[buying] - 120
        return users, starts, {"forms": form_place, "bought": bought_place}

    def _form_events(self, number: int, session: Ints) -> pd.DataFrame:
        rows = self._forms.get(number, np.empty(0, np.int64))
        leads = self._story.leads
        return _events(
            session,
            leads["user"].to_numpy()[rows],
            _FORM_EVENT[leads["form"].to_numpy()[rows]],
            leads["at"].to_numpy()[rows],
            rows,
        )

    def _purchase_events(self, number: int, session: Ints) -> pd.DataFrame:
        """Checkout and purchase; a converting trial also has its conversion, a self-service one its upgrade click."""
        rows = self._purchases.get(number, np.empty(0, np.int64))
        subscriptions = self._story.subscriptions
        user, lead = subscriptions["user"].to_numpy()[rows], subscriptions["lead"].to_numpy()[rows]
        path, at = subscriptions["path"].to_numpy()[rows], subscriptions["paid_at"].to_numpy()[rows]
        parts = []
        for event, shift, mask in (
            ("upgrade_button_clicked", -100, path == c.SELF_SERVICE),
            ("checkout_start", -60, path != c.ASSISTED),
            ("purchase", 0, np.ones(len(rows), dtype=bool)),
            ("trial_converted", 1, path >= 0),
        ):
            code = np.full(int(mask.sum()), c.EVENT[event])
            parts.append(_events(session[mask], user[mask], code, at[mask] + shift, lead[mask], rows[mask]))
        return pd.concat(parts, ignore_index=True)

    def _server_events(self, number: int) -> pd.DataFrame:
        """Trials that ran out, and assisted trials asking for sales from inside the product."""
        leads = self._story.leads
        parts = []
        for event, rows, moments in (
            ("trial_expired", self._expired.get(number), self._expired_at),
            ("contact_sales_clicked", self._asks.get(number), self._asks_at),
        ):
            rows = np.empty(0, np.int64) if rows is None else rows
            code = np.full(len(rows), c.EVENT[event])
            parts.append(
                _events(np.full(len(rows), -1), leads["user"].to_numpy()[rows], code, moments[rows], rows)
            )
        return pd.concat(parts, ignore_index=True)


def _returning(draw: Draws, first_user: Ints, number: int, wanted: int) -> Ints:
    """Pick distinct users known before today, the last month's more often."""
    known = int(first_user[number])
    recent = int(first_user[max(number - 30, 0)])
    size = wanted + wanted // 8 + 10
    late = recent + draw.scaled(np.full(size, max(known - recent, 1)))
    ever = draw.scaled(np.full(size, known))
    chosen = np.where(draw.chance(size, share(45)) & (known > recent), late, ever)
    return np.unique(chosen)[draw.sample(len(np.unique(chosen)), wanted)]


def _campaigns(draw: Draws, source: Ints, returning: Bools) -> Ints:
    """Give paid sessions a campaign that targets them: re-engagement never reaches new users."""
    campaign = np.full(len(source), -1, dtype=np.int64)
    for paid in sorted({x.source for x in c.CAMPAIGNS}):
        for again in (False, True):
            barred = "new_users" if again else "returning_users"
            fits = [i for i, x in enumerate(c.CAMPAIGNS) if x.source == paid and x.targeting != barred]
            rows = np.flatnonzero((source == paid) & (returning == again))
            picked = draw.pick(len(rows), [c.CAMPAIGNS[i].weight for i in fits])
            campaign[rows] = np.array(fits)[picked]
    return campaign


def _events(
    session: Ints,
    user: Ints,
    kind: Ints,
    at: Ints,
    lead: Ints | None = None,
    subscription: Ints | None = None,
) -> pd.DataFrame:
    size = len(session)
    none = np.full(size, -1, dtype=np.int64)
    return pd.DataFrame(
        {
            "session": session,
            "user": user,
            "type": kind,
            "at": at,
            "lead": none if lead is None else lead,
            "subscription": none if subscription is None else subscription,
        }
    )


def _browsing(draw: Draws, sessions: pd.DataFrame) -> list[pd.DataFrame]:
    """Page views and everything else a visit is made of."""
    size = len(sessions)
    everyone = np.arange(size)
    user, start = sessions["user"].to_numpy(), sessions["start_at"].to_numpy()
    returning = sessions["is_returning"].to_numpy()
    views = 1 + draw.pick(size, [50, 25, 15, 10])
    carted = draw.chance(size, share(1.0))
    signed_in = returning & draw.chance(size, share(20))
    chosen: list[tuple[str, Ints]] = [
        ("page_view", np.repeat(everyone, views)),
        ("button_click", everyone[draw.chance(size, share(22))]),
        ("search", everyone[draw.chance(size, share(6))]),
        ("add_to_cart", everyone[carted]),
        ("remove_from_cart", everyone[carted & draw.chance(size, share(20))]),
        ("checkout_start", everyone[carted & draw.chance(size, share(30))]),
        ("login", everyone[signed_in]),
        ("logout", everyone[signed_in & draw.chance(size, share(40))]),
    ]
    lowest = {
        "page_view": 0,
        "login": 5,
        "button_click": 10,
        "search": 15,
        "add_to_cart": 200,
        "remove_from_cart": 400,
    }
    result = []
    for name, rows in chosen:
        shift = lowest.get(name, 600) + draw.below(len(rows), 190)
        if name == "page_view":
            first = np.concatenate([[True], rows[1:] != rows[:-1]]) if len(rows) else np.empty(0, bool)
            shift = np.where(first, 0, shift)
        result.append(_events(rows, user[rows], np.full(len(rows), c.EVENT[name]), start[rows] + shift))
    return result
