"""The true story of the SaaS world after the click: leads, activities, deals, subscriptions.

Belongs here: who filled which form and what became of it, as columns. Does not belong here: sessions and the event
stream (`saas_traffic`), files (`saas`).

Moments are seconds since 1970 in UTC; ``FOREVER`` marks what never happens. Money is integer cents.
"""

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd

from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.rand import Bools, Draws, Ints, share

FOREVER = 1 << 40
DAY = 86_400


@dataclasses.dataclass(frozen=True)
class Volume:
    """How many users there are each day; everything else follows.

    Attributes:
        start: First day.
        days: Number of days.
        scale: 1.0 is the full volume of seed 003.
        new_users: New users of each day.
        first_user: Number of each day's first new user; lower numbers are returning users.
        forms: Forms filled each day.
    """

    start: dt.date
    days: int
    scale: float
    new_users: Ints
    first_user: Ints
    forms: Ints

    @property
    def first_second(self) -> int:
        """UTC second at which the world starts."""
        return (self.start - dt.date(1970, 1, 1)).days * DAY

    @property
    def end_second(self) -> int:
        """First UTC second after the world."""
        return self.first_second + self.days * DAY


@dataclasses.dataclass
class SaasStory:
    """Everything but traffic; a lead's position is its number."""

    volume: Volume
    seed: int
    leads: pd.DataFrame
    activities: pd.DataFrame
    deals: pd.DataFrame
    deal_stages: pd.DataFrame
    subscriptions: pd.DataFrame


def plan_volume(start: dt.date, days: int, scale: float, seed: int) -> Volume:
    """Spread the year's volumes over the days."""
    draw = Draws(seed, "saas/volume")
    weekday = (start.weekday() + np.arange(days)) % 7
    busy = np.array([1060, 1080, 1075, 1065, 1020, 850, 850])[weekday] * draw.bell(days, 1000, 60) // 1000
    new_users = np.maximum(round(c.NEW_USERS_A_DAY * scale * 1000) * busy // 1_000_000, 2)
    first = round(c.USERS_BEFORE * scale) + 100 + np.concatenate([[0], np.cumsum(new_users)[:-1]])
    wanted = round(c.FORMS_A_YEAR * scale * 1000 / c.DAYS_A_YEAR) * busy // 1000
    forms = np.diff(np.concatenate([[0], np.cumsum(wanted) // 1000]))
    return Volume(start, days, scale, new_users, first, np.minimum(forms, new_users))


def tell_saas(volume: Volume, seed: int) -> SaasStory:
    """Make up everything that follows from forms, lists and anonymous purchases."""
    leads = _leads(volume, seed)
    subscriptions = _subscriptions(volume, seed, leads)
    deals, stages = _deals(volume, seed, leads)
    activities = _activities(volume, seed, leads, deals)
    return SaasStory(volume, seed, leads, activities, deals, stages, subscriptions)


def _leads(volume: Volume, seed: int) -> pd.DataFrame:
    """Grain: one form fill or purchased lead, with its whole outcome (which may lie after the world's end)."""
    draw = Draws(seed, "saas/leads")
    day = np.repeat(np.arange(volume.days), volume.forms)
    users = [
        volume.first_user[d]
        + Draws(seed, f"saas/fillers/{d}").sample(int(volume.new_users[d]), int(volume.forms[d]))
        for d in range(volume.days)
    ]
    user = np.concatenate(users) if users else np.empty(0, np.int64)
    size = len(user)
    # Kept free of the last minutes of a day, so that form and session stay on one day.
    at = volume.first_second + day * DAY + 1200 + draw.below(size, DAY - 3600)
    bought = round(c.PURCHASED_A_YEAR * volume.scale * volume.days / c.DAYS_A_YEAR)
    frame = pd.DataFrame(
        {
            "user": np.concatenate([user, np.full(bought, -1)]),
            "at": np.concatenate([at, volume.first_second + draw.below(bought, volume.days * DAY)]),
            "form": np.concatenate(
                [draw.pick(size, [f.percent for f in c.FORMS]), np.full(bought, c.PURCHASED)]
            ),
        }
    )
    frame = frame.sort_values(["at", "user"], kind="stable", ignore_index=True)
    return _with_outcome(frame, Draws(seed, "saas/outcomes"))


def _with_outcome(frame: pd.DataFrame, draw: Draws) -> pd.DataFrame:
    """Decide trial path, conversion, product and plan of each lead."""
    size = len(frame)
    form, at = frame["form"].to_numpy(), frame["at"].to_numpy()
    trial = form == c.TRIAL
    assisted = ~draw.chance(size, share(c.SELF_SERVICE_PERCENT))
    path = np.where(trial, np.where(assisted, c.ASSISTED, c.SELF_SERVICE), -1)
    held = (form == c.DEMO) & draw.chance(size, share(c.DEMO_HELD_PERCENT))
    odds = np.select(
        [path == 0, path == 1, held, form == c.PRICING],
        [
            share(c.CONVERSION_PERCENT[0]),
            share(c.CONVERSION_PERCENT[1]),
            share(c.DEMO_WON_PERCENT),
            share(c.PRICING_WON_PERCENT),
        ],
        0,
    )
    converts = draw.chance(size, odds)
    trial_day = np.where(path == c.ASSISTED, c.CONVERSION_DAY[1], c.CONVERSION_DAY[0]) + draw.bell(
        size, 0, c.CONVERSION_HALF_WIDTH
    )
    other_day = np.where(form == c.DEMO, draw.between(size, 20, 28), draw.between(size, 10, 18))
    days = np.where(trial, trial_day, other_day)
    frame["path"] = path
    frame["demo_held"] = held
    frame["deal_at"] = _deal_days(form, path, converts, held, at, at + days * DAY, draw)
    frame["converts"] = converts
    frame["convert_at"] = np.where(converts, at + days * DAY + draw.below(size, 1900), FOREVER)
    frame["product"] = pick_products(
        draw, np.where(trial & (path == c.SELF_SERVICE), c.SELF_SERVICE, c.ASSISTED)
    )
    frame["yearly"] = draw.chance(size, share(c.YEARLY_PERCENT))
    frame["first"], frame["last"] = draw.below(size, 1 << 20), draw.below(size, 1 << 20)
    frame["company"] = draw.below(size, 1 << 20)
    frame["owner"] = draw.below(size, c.OWNERS)
    frame["list"] = draw.below(size, len(c.PURCHASED_LISTS))
    return frame


def _deal_days(
    form: Ints, path: Ints, converts: Bools, held: Bools, at: Ints, convert_at: Ints, draw: Draws
) -> Ints:
    """When a deal is opened: assisted trials at once, self-service once won, demos after the demo on day 3 or 4."""
    size = len(form)
    after_demo = at + draw.between(size, 3, 4) * DAY + 3600
    asked = draw.chance(size, share(20)) | converts
    return np.select(
        [
            (path == c.SELF_SERVICE) & converts,
            path == c.ASSISTED,
            held,
            (form == c.PRICING) & asked,
        ],
        [convert_at + 4000, at, after_demo, at + 2 * DAY],
        FOREVER,
    )


def pick_products(draw: Draws, path: Ints) -> Ints:
    """Draw a product for each trial path; shares are per mille."""
    size = len(path)
    roll = draw.below(size, 1000)
    result = np.zeros(size, dtype=np.int64)
    for code in (c.SELF_SERVICE, c.ASSISTED):
        edges = np.cumsum([p.shares[code] for p in c.PRODUCTS])
        result = np.where(path == code, np.searchsorted(edges, roll, side="right"), result)
    return result


def amounts(product: Ints, yearly: Ints) -> Ints:
    """Return what the catalogue charges per interval, in cents."""
    monthly = np.array([p.monthly_cents for p in c.PRODUCTS])[product]
    return np.where(yearly, np.array([p.yearly_cents for p in c.PRODUCTS])[product], monthly)


def _subscriptions(volume: Volume, seed: int, leads: pd.DataFrame) -> pd.DataFrame:
    """Grain: one subscription: every trial, every other lead that bought, every anonymous purchase."""
    draw = Draws(seed, "saas/subscriptions")
    trial = leads["form"] == c.TRIAL
    rows = leads[trial | leads["converts"]]
    born = np.where(trial[rows.index], rows["at"], rows["convert_at"])
    known = pd.DataFrame(
        {
            "lead": rows.index.to_numpy(),
            "user": rows["user"].to_numpy(),
            "created_at": born,
            "trial_end": np.where(trial[rows.index], rows["at"] + c.TRIAL_DAYS * DAY, -1),
            "path": rows["path"].to_numpy(),
            "paid_at": rows["convert_at"].to_numpy(),
            "product": rows["product"].to_numpy(),
            "yearly": rows["yearly"].to_numpy(),
        }
    )
    anonymous = round(c.ANONYMOUS_A_YEAR * volume.scale * volume.days / c.DAYS_A_YEAR)
    day = draw.below(anonymous, volume.days)
    at = volume.first_second + day * DAY + 600 + draw.below(anonymous, DAY - 1200)
    unknown = pd.DataFrame(
        {
            "lead": -1,
            "user": draw.scaled(volume.first_user[day]),
            "created_at": at,
            "trial_end": -1,
            "path": -1,
            "paid_at": at,
            "product": pick_products(draw, np.zeros(anonymous, dtype=np.int64)),
            "yearly": draw.chance(anonymous, share(c.YEARLY_PERCENT)),
        }
    )
    frame = pd.concat([known, unknown], ignore_index=True)
    frame = frame[frame["created_at"] < volume.end_second]
    frame = frame.sort_values(["created_at", "user"], kind="stable", ignore_index=True)
    frame["amount_cents"] = amounts(frame["product"].to_numpy(), frame["yearly"].to_numpy())
    months = _months_kept(draw, len(frame))
    paid = frame["paid_at"].to_numpy()
    stays = np.where(frame["yearly"], ((months - 1) // 12 + 1) * 365, months * 30) * DAY
    over = np.where(paid < FOREVER, paid + stays, frame["trial_end"])
    frame["ended_at"] = np.where(over > 0, over, FOREVER)
    return frame


def _months_kept(draw: Draws, size: int) -> Ints:
    """Number of months until a customer leaves; each month the same share does."""
    survive, left = [], 1_000_000
    for _ in range(240):
        left = left * round(1000 - 10 * c.MONTHLY_CHURN_PERCENT) // 1000
        survive.append(1_000_000 - left)
    return np.searchsorted(np.array(survive), draw.below(size, 1_000_000), side="right") + 1


def _deals(volume: Volume, seed: int, leads: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Grain: one deal, and one row for each stage a deal entered before the world's end."""
    draw = Draws(seed, "saas/deals")
    rows = leads[leads["deal_at"] < volume.end_second]
    rows = rows.sort_values("deal_at", kind="stable")
    size = len(rows)
    form, path = rows["form"].to_numpy(), rows["path"].to_numpy()
    start, won = rows["deal_at"].to_numpy(), rows["converts"].to_numpy()
    self_service = path == c.SELF_SERVICE
    lost_day = np.select(
        [path == c.ASSISTED, form == c.DEMO], [14, draw.between(size, 18, 40)], draw.between(size, 12, 25)
    )
    close = np.where(self_service, start, np.where(won, rows["convert_at"], start + lost_day * DAY + 7200))
    product = rows["product"].to_numpy()
    frame = pd.DataFrame(
        {
            "lead": rows.index.to_numpy(),
            "at": start,
            "close_at": close,
            "won": won,
            "product": product,
            "yearly": rows["yearly"].to_numpy(),
            "value_cents": amounts(product, rows["yearly"].to_numpy()),
            "owner": rows["owner"].to_numpy(),
            "reason": draw.below(size, 5),
        }
    )
    plans = np.array([c.ASSISTED_STAGE_DAYS, c.DEMO_STAGE_DAYS, c.PRICING_STAGE_DAYS])
    plan = plans[np.select([path == c.ASSISTED, form == c.DEMO], [0, 1], 2)]
    parts = [
        pd.DataFrame({"deal": np.arange(size), "stage": stage, "at": start + plan[:, stage] * DAY})[
            ~self_service & (start + plan[:, stage] * DAY < close)
        ]
        for stage in range(4)
    ]
    parts.append(pd.DataFrame({"deal": np.arange(size), "stage": np.where(won, c.WON, c.LOST), "at": close}))
    stages = pd.concat(parts, ignore_index=True)
    stages = stages[stages["at"] < volume.end_second]
    return frame, stages.sort_values(["deal", "at", "stage"], kind="stable", ignore_index=True)


def _activities(volume: Volume, seed: int, leads: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """Grain: one activity planned for a lead: 1 self-service, 10 to 12 assisted, 8 a demo, 1 or 2 others."""
    draw = Draws(seed, "saas/activities")
    form, path = leads["form"].to_numpy(), leads["path"].to_numpy()
    groups: list[tuple[np.ndarray, tuple[c.Template, ...], tuple[int, ...]]] = [
        (path == c.SELF_SERVICE, c.SELF_SERVICE_PLAN, (100,)),
        (path == c.ASSISTED, c.ASSISTED_PLAN, (0,) * 9 + (10, 25, 65)),
        (form == c.DEMO, c.DEMO_PLAN, (0,) * 7 + (100,)),
        ((form == c.PRICING) | (form == c.CONTACT), c.SHORT_PLAN, (50, 50)),
        (form == c.WHITEPAPER, c.DOWNLOAD_PLAN, (100,)),
        (form == c.NEWSLETTER, c.NEWSLETTER_PLAN, (100,)),
        (form == c.PURCHASED, c.COLD_PLAN, (50, 50)),
    ]
    parts = []
    for code, (mask, plan, weights) in enumerate(groups):
        lead = np.flatnonzero(mask)
        count = 1 + draw.pick(len(lead), weights)
        for step, template in enumerate(plan):
            some = lead[count > step]
            parts.append(pd.DataFrame({"lead": some, "plan": code, "step": step, "day": template.day}))
    frame = pd.concat(parts, ignore_index=True)
    base = leads["at"].to_numpy()[frame["lead"].to_numpy()]
    frame["due_at"] = (base + frame["day"].to_numpy() * DAY) // 1800 * 1800 + 1800 + 3600 * (frame["day"] > 0)
    frame["at"] = base + 60 + frame["step"]
    missed = (frame["plan"] == 2) & (frame["step"] == c.DEMO_HELD_AT)
    held = leads["demo_held"].to_numpy()[frame["lead"].to_numpy()]
    done = (frame["due_at"] < volume.end_second) & draw.chance(len(frame), share(94))
    frame["done"] = np.where(missed, held & (frame["due_at"] < volume.end_second), done)
    of_lead = np.full(len(leads), -1, dtype=np.int64)
    of_lead[deals["lead"].to_numpy()] = np.arange(len(deals))
    deal = of_lead[frame["lead"].to_numpy()]
    opened = np.where(deal >= 0, deals["at"].to_numpy()[deal] if len(deals) else 0, FOREVER)
    frame["deal"] = np.where(opened <= frame["due_at"], deal, -1)
    return frame.sort_values(["at", "lead", "step"], kind="stable", ignore_index=True)
