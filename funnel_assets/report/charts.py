"""Pictures for the page: small inline SVG, coloured by the page's own classes.

Belongs here: turning numbers into shapes. Does not belong here: which numbers, and their words.

An unknown value is a pale column over the whole height, never a bar of height 0. Each bar has a ``<title>``, which
browsers show on hover. Words go through ``Markup.format``, which makes them harmless.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from markupsafe import Markup

Value = Decimal | int | float | None

_WIDTH, _HEIGHT = 480.0, 150.0
_TOP, _BOTTOM = 16.0, 18.0
_AVERAGE_DAYS = 7


@dataclass(frozen=True)
class Bar:
    """One day of a trend: its value, its words on hover, and whether it is of the month the page is about."""

    value: Value
    title: str
    is_current: bool


_STEP = Markup(
    '<svg class="step" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}'
    '<rect class="bar" x="{:.2f}" y="0" width="{:.2f}" height="6"/></svg>'
)
_FLOW = Markup('<path class="flow" d="M{:.2f} 6 L{:.2f} 6 L{:.2f} 10 L{:.2f} 10Z"/>')
_TREND = Markup(
    '<svg class="trend" viewBox="0 0 {0:g} {1:g}" role="img" aria-label="{2}">'
    '<line class="grid" x1="0" y1="{3:g}" x2="{0:g}" y2="{3:g}"/><text class="axis" x="0" y="{4:g}">{5}</text>{6}'
    '<polyline class="average" points="{7}"/><line class="floor" x1="0" y1="{8:g}" x2="{0:g}" y2="{8:g}"/>{9}</svg>'
)
_BAR = Markup(
    '<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}"><title>{}</title></rect>'
)
_TICK = Markup('<text class="axis" x="{:.2f}" y="{:g}">{}</text>')
_INTERVAL = Markup(
    '<svg class="interval" viewBox="0 0 100 16" aria-hidden="true">{}'
    '<line class="range" x1="{:.1f}" y1="8" x2="{:.1f}" y2="8"/><circle class="dot" cx="{:.1f}" cy="8" r="3.2"/></svg>'
)
_OVERALL = Markup('<line class="mark" x1="{0:.1f}" y1="1" x2="{0:.1f}" y2="15"/>')
# So that a step of a few people still shows.
_NARROWEST = 0.4


def funnel_step(width: float, following: float | None) -> Markup:
    """Draw one step of the funnel: a bar as wide as its count, narrowing to the next one.

    Args:
        width: Share of the widest step, 0 to 1.
        following: The same of the next step; None for the last.
    """
    half = max(50 * width, _NARROWEST)
    flow = Markup("")
    if following is not None:
        narrow = max(50 * following, _NARROWEST)
        flow = _FLOW.format(50 - half, 50 + half, 50 + narrow, 50 - narrow)
    return _STEP.format(flow, 50 - half, 2 * half)


def trend(bars: Sequence[Bar], *, label: str, top: str, ticks: Sequence[tuple[int, str]]) -> Markup:
    """Draw one value a day as bars, with the average of the seven days up to each as a line.

    Args:
        bars: The days, in order.
        label: What it shows, for readers who don't see it.
        top: Words for the largest value.
        ticks: Position among the bars, and words below it.
    """
    largest = max((float(bar.value) for bar in bars if bar.value is not None), default=0.0) or 1.0
    step = _WIDTH / max(len(bars), 1)
    floor = _HEIGHT - _BOTTOM
    scale = (floor - _TOP) / largest
    drawn = []
    for at, bar in enumerate(bars):
        height = floor - _TOP if bar.value is None else max(float(bar.value), 0.0) * scale
        look = "unknown" if bar.value is None else "now" if bar.is_current else "before"
        drawn.append(_BAR.format(look, (at + 0.12) * step, floor - height, step * 0.76, height, bar.title))
    points = [f"{(at + 0.5) * step:.2f},{floor - mean * scale:.2f}" for at, mean in _averages(bars)]
    below = [_TICK.format((at + 0.12) * step, _HEIGHT - 5, words) for at, words in ticks]
    return _TREND.format(
        _WIDTH,
        _HEIGHT,
        label,
        _TOP,
        _TOP - 5,
        top,
        Markup("").join(drawn),
        " ".join(points),
        floor,
        Markup("").join(below),
    )


def _averages(bars: Sequence[Bar]) -> list[tuple[int, float]]:
    """Average of the seven days up to each day; none before there are seven, nor where one of them is unknown."""
    found = []
    for at in range(_AVERAGE_DAYS - 1, len(bars)):
        window = [bar.value for bar in bars[at - _AVERAGE_DAYS + 1 : at + 1]]
        known = [float(value) for value in window if value is not None]
        if len(known) == _AVERAGE_DAYS:
            found.append((at, sum(known) / _AVERAGE_DAYS))
    return found


def interval(low: Value, value: Value, high: Value, *, largest: float, mark: Value) -> Markup:
    """Draw a rate with its 95 % interval on a scale from 0 to ``largest``, and a line at the rate of all (``mark``)."""
    if low is None or value is None or high is None or largest <= 0:
        return Markup("")

    def at(number: Value) -> float:
        return 2 + 96 * min(float(number or 0) / largest, 1.0)

    overall = Markup("") if mark is None else _OVERALL.format(at(mark))
    return _INTERVAL.format(overall, at(low), at(high), at(value))
