"""Random draws that give the same bytes on every machine.

Belongs here: numbered random streams and the distributions made of them. Does not belong here: what the
numbers mean.

Only the raw 64-bit output of PCG64 is used, which numpy promises never to change, and only integer
arithmetic and exact float operations: ``exp`` and ``log`` may differ in the last bit between processors.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LOW32 = np.uint64(0xFFFFFFFF)
_SHIFT32 = np.uint64(32)


class Draws:
    """One named random stream of a world.

    Streams are independent of each other: drawing more from one never changes another.

    Args:
        seed: The world's seed.
        stream: Name of the part that draws, e.g. ``"leads/phones"``.
    """

    def __init__(self, seed: int, stream: str) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(stream.encode())]))

    def below(self, n: int, high: int) -> Ints:
        """Draw ``n`` integers in ``[0, high)``; ``high`` up to 2**32."""
        raw = self._bits.random_raw(n) if n else np.empty(0, np.uint64)
        return ((((raw >> _SHIFT32) & _LOW32) * np.uint64(high)) >> _SHIFT32).astype(np.int64)

    def between(self, n: int, low: int, high: int) -> Ints:
        """Draw ``n`` integers in ``[low, high]``."""
        return low + self.below(n, high - low + 1)

    def scaled(self, limits: Ints) -> Ints:
        """Draw one integer in ``[0, limit)`` for each limit; 0 where the limit is 0 or less."""
        raw = self.below(len(limits), 1 << 30)
        return (raw * np.maximum(limits, 0)) >> 30

    def chance(self, n: int, per_million: int | Ints) -> Bools:
        """Draw ``n`` booleans that are true with the given probability in millionths."""
        return self.below(n, 1_000_000) < per_million

    def pick(self, n: int, weights: Sequence[int]) -> Ints:
        """Draw ``n`` indexes into ``weights``, each as often as its integer weight says."""
        edges = np.cumsum(np.asarray(weights, dtype=np.int64))
        return np.searchsorted(edges, self.below(n, int(edges[-1])), side="right").astype(np.int64)

    def bell(self, n: int, mean: int, half_width: int) -> Ints:
        """Draw ``n`` integers from a bell around ``mean``, never further away than ``half_width``.

        The standard deviation is about 0.29 of ``half_width``.
        """
        step = 2 * half_width + 1
        total = self.below(n, step) + self.below(n, step) + self.below(n, step) + self.below(n, step)
        away = total - 4 * half_width
        # Rounding towards the middle on both sides keeps the mean exact.
        return mean + np.sign(away) * ((np.abs(away) + 2) // 4)

    def sample(self, size: int, k: int) -> Ints:
        """Draw ``k`` different positions out of ``size`` (all of them when there are fewer), in ascending order."""
        raw = self._bits.random_raw(size) if size else np.empty(0, np.uint64)
        return np.sort(np.argsort(raw, kind="stable")[: max(k, 0)]).astype(np.int64)


def share(percent: float) -> int:
    """Turn per cent into the millionths that `Draws.chance` takes."""
    return round(percent * 10_000)
