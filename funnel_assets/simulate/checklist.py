"""A list of checks with what was expected, what was seen and how far apart the two may be.

Belongs here: the record of a check and the ways to compare. Does not belong here: what is checked.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

# A rate of a correct world is further off than this by chance once in some hundred thousand checks.
_DEVIATIONS = 4.5
_FEWEST = 30


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """One check of a written world.

    Attributes:
        name: What was checked, in words.
        expected: What a correct world has.
        observed: What this one has.
        tolerance: How far apart the two may be; empty for exact checks.
        passed: Whether they are that close.
    """

    name: str
    expected: str
    observed: str
    tolerance: str
    passed: bool


class Checklist:
    """Collects results; a check that can't even be computed is a failed check, not a crash."""

    def __init__(self) -> None:
        self.results: list[CheckResult] = []

    def run(self, name: str, check: Callable[[], None]) -> None:
        """Run a group of checks; when it breaks off, record that as a failure under ``name``."""
        try:
            check()
        except Exception as error:
            text = " ".join(str(error).split())[:120]
            self.results.append(CheckResult(name, "readable", f"{type(error).__name__}: {text}", "", False))

    def exact(self, name: str, expected: object, observed: object) -> None:
        """Both must be equal."""
        self.results.append(CheckResult(name, _short(expected), _short(observed), "", expected == observed))

    def none(self, name: str, count: int | bool | np.integer | np.bool_) -> None:
        """Nothing may break the rule."""
        self.exact(name, 0, int(count))

    def at_least(self, name: str, expected: str, observed: str, passed: bool) -> None:
        """Something measured elsewhere, with its verdict."""
        self.results.append(CheckResult(name, expected, observed, "", passed))

    def within(self, name: str, low: float, observed: float, high: float) -> None:
        """The value must lie between two bounds, both included."""
        passed = bool(low <= observed <= high)
        text = f"{low:,.4g} to {high:,.4g}"
        self.results.append(CheckResult(name, text, f"{observed:,.4g}", "", passed))

    def close(self, name: str, expected: float, observed: float, tolerance: float) -> None:
        """The value may be off by ``tolerance`` at most."""
        passed = bool(abs(observed - expected) <= tolerance)
        self.results.append(
            CheckResult(name, f"{expected:,.4g}", f"{observed:,.4g}", f"\u00b1{tolerance:,.3g}", passed)
        )

    def rate(self, name: str, percent: float, hits: int, size: int, slack: float = 0.0) -> None:
        """A share must be what the world was made with, give or take chance.

        Args:
            name: What was checked.
            percent: The share it was made with, in per cent.
            hits: How many have the property.
            size: Out of how many.
            slack: Percentage points to allow beyond chance, where the share is a consequence rather than an input.
        """
        if size < _FEWEST:
            self.results.append(
                CheckResult(name, f"{percent:.2f} %", f"{hits:,} of {size:,}", "too few to tell", True)
            )
            return
        chance = percent / 100
        spread = _DEVIATIONS * 100 * math.sqrt(chance * (1 - chance) / max(size, 1))
        observed = 100 * hits / max(size, 1)
        tolerance = spread + slack + 100 / max(size, 1)
        passed = bool(abs(observed - percent) <= tolerance)
        self.results.append(
            CheckResult(
                name, f"{percent:.2f} %", f"{observed:.2f} % of {size:,}", f"\u00b1{tolerance:.2f}", passed
            )
        )

    def share_within(self, name: str, low: float, hits: int, size: int, high: float) -> None:
        """A share in per cent must lie between two bounds, give or take chance."""
        middle, half = (low + high) / 2, (high - low) / 2
        self.rate(name, middle, hits, size, slack=half)


def _short(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def ints(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Return an Arrow column as integers; nulls become -1, timestamps microseconds, dates days."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        column = column.cast(pa.int64())
    elif pa.types.is_date32(kind):
        column = column.cast(pa.int32()).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        column = column.cast(pa.int64())
    return column.fill_null(-1).to_numpy()


def paise(cells: Iterable[str]) -> np.ndarray:
    """Read amounts like ``1,234.50`` as integer hundredths."""
    return np.array([_hundredths(cell) for cell in cells], dtype=np.int64)


def _hundredths(cell: str) -> int:
    whole, _, part = cell.replace(",", "").partition(".")
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 100 + sign * int((part + "00")[:2])
