"""Numbers as people here read them: grouping, money in the currency's own way, and a dash for what isn't known.

Belongs here: turning one number or day into words. Does not belong here: where it is shown.

Unknown and zero are different things and never look alike: None is a dash, 0 is a 0.
"""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal

from funnel_assets.config.settings import DEFAULT_CURRENCY

UNKNOWN = "-"
LAKH, CRORE = Decimal(100_000), Decimal(10_000_000)
_LARGE = ((Decimal(1_000_000_000), "B"), (Decimal(1_000_000), "M"))
_SIGNS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£"}

Number = int | float | Decimal


def grouped(value: Number | None, decimals: int = 0, currency: str = DEFAULT_CURRENCY) -> str:
    """Group digits the way of the currency's country: ``1234567`` gives ``12,34,567`` for INR, else ``1,234,567``."""
    if value is None:
        return UNKNOWN
    whole, _, fraction = _rounded(abs(Decimal(str(value))), decimals).partition(".")
    head, tail, size = whole[:-3], whole[-3:], 2 if currency == DEFAULT_CURRENCY else 3
    groups = [head[max(end - size, 0) : end] for end in range(len(head), 0, -size)][::-1]
    text = ",".join([*groups, tail]) + (f".{fraction}" if fraction else "")
    is_negative = value < 0 and any(digit in "123456789" for digit in text)
    return f"-{text}" if is_negative else text


def sign(currency: str = DEFAULT_CURRENCY) -> str:
    """Return the currency's sign, its code where it has none of its own: ``₹``, ``$``, ``SEK``."""
    return _SIGNS.get(currency, currency)


def unit(currency: str = DEFAULT_CURRENCY) -> str:
    """Return what amounts are in, in words: ``rupees``, else the code."""
    return "rupees" if currency == DEFAULT_CURRENCY else currency


def money(value: Number | None, currency: str = DEFAULT_CURRENCY) -> str:
    """Whole rupees (or what the currency has), grouped, with the sign: ``₹12,34,567``."""
    text = grouped(value, currency=currency)
    return text if value is None else _signed(text.removeprefix("-"), text.startswith("-"), currency)


def short_money(value: Number | None, currency: str = DEFAULT_CURRENCY) -> str:
    """Money in the unit that fits: ``₹1.23 Cr``, ``₹4.56 L``, ``₹78,900``; ``$1.23 M``."""
    if value is None:
        return UNKNOWN
    amount = Decimal(str(value))
    for size, name in _LARGE if currency != DEFAULT_CURRENCY else ((CRORE, "Cr"), (LAKH, "L")):
        if abs(amount) >= size:
            return _signed(f"{_rounded(abs(amount) / size, 2)} {name}", amount < 0, currency)
    return money(value, currency)


def _signed(text: str, is_negative: bool, currency: str) -> str:
    mark = sign(currency)
    return f"{'-' if is_negative else ''}{mark}{' ' if mark.isalpha() else ''}{text}"


def percent(value: Number | None, decimals: int = 1) -> str:
    """A number that already is a percentage: ``12.3 %``."""
    return UNKNOWN if value is None else f"{_rounded(Decimal(str(value)), decimals)} %"


def share(part: Number | None, whole: Number | None) -> Decimal | None:
    """Percentage that a part is of a whole; None when either is unknown or the whole is 0."""
    if part is None or not whole:
        return None
    return Decimal(100) * Decimal(str(part)) / Decimal(str(whole))


def ratio(part: Number | None, whole: Number | None) -> Decimal | None:
    """One number divided by another; None when either is unknown or the divisor is 0."""
    if part is None or not whole:
        return None
    return Decimal(str(part)) / Decimal(str(whole))


def added(values: list[Number | None]) -> Decimal | None:
    """Sum of what is known; None when nothing is."""
    known = [Decimal(str(value)) for value in values if value is not None]
    return sum(known, Decimal(0)) if known else None


def day(value: dt.date | None) -> str:
    """A day as people write it: ``3 Nov 2026``."""
    return UNKNOWN if value is None else f"{value.day} {value:%b %Y}"


def span(first: dt.date, last: dt.date) -> str:
    """Two days as people write them, without saying the month or year twice: ``1 to 19 Nov 2026``."""
    if first == last:
        return day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day(last)}"
    return (
        f"{first.day} {first:%b} to {day(last)}"
        if first.year == last.year
        else f"{day(first)} to {day(last)}"
    )


def _rounded(value: Decimal, decimals: int) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
