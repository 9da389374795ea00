"""Figures about samples, small and with ties as failover times are. Pure; nothing here draws chance but by seed."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

EXACT_UP_TO = 400  # product of the samples' sizes up to which the rank test is exact


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lies, interpolated between neighbours.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def bootstrap(values: Sequence[float], figure: Callable[[Sequence[float]], float] = statistics.median,
              seed: int = 1, rounds: int = 2000, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of ``figure``; the same for the same ``seed``.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    chance = random.Random(seed)
    found = [figure(chance.choices(values, k=len(values))) for _ in range(rounds)]
    rest = (1 - confidence) / 2
    return percentile(found, rest), percentile(found, 1 - rest)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A sample in figures, in the sample's unit; ``low`` and ``high`` bound the median with 95 % confidence."""

    n: int
    median: float
    p95: float
    least: float
    most: float
    low: float
    high: float


def distribution(values: Sequence[float], seed: int = 1) -> Distribution:
    """The distribution of ``values``.

    Raises:
        ValueError: there are none.
    """
    low, high = bootstrap(values, seed=seed)
    return Distribution(len(values), statistics.median(values), percentile(values, 0.95), min(values), max(values),
                        low, high)


def cliffs_delta(before: Sequence[float], after: Sequence[float]) -> float:
    """How much larger ``after`` is: the share of pairs in which it is, less the share in which it is smaller; -1 to 1.

    Raises:
        ValueError: one of them is empty.
    """
    if not before or not after:
        raise ValueError("no values")
    return sum((b > a) - (b < a) for a in before for b in after) / (len(before) * len(after))


def rank_test(before: Sequence[float], after: Sequence[float]) -> float:
    """The one-sided p of Mann and Whitney's test: how likely ranks as high as those of ``after`` are by chance. Exact
    for small samples without ties, else by the normal approximation with the correction for ties.

    Raises:
        ValueError: one of them is empty.
    """
    if not before or not after:
        raise ValueError("no values")
    m, n = len(before), len(after)
    u = sum((b > a) + 0.5 * (b == a) for a in before for b in after)
    ties = [count for count in Counter([*before, *after]).values() if count > 1]
    if not ties and m * n <= EXACT_UP_TO:
        return sum(_ways(m, n, k) for k in range(int(u), m * n + 1)) / math.comb(m + n, m)
    size = m + n
    spread = m * n / 12 * (size + 1 - sum(t**3 - t for t in ties) / (size * (size - 1)))
    if spread <= 0:
        return 1.0
    return 0.5 * math.erfc((u - m * n / 2 - 0.5) / math.sqrt(2 * spread))


@cache
def _ways(m: int, n: int, u: int) -> int:
    """In how many orders of m and n values U is ``u``."""
    if u < 0 or u > m * n:
        return 0
    if m == 0 or n == 0:
        return int(u == 0)
    return _ways(m, n - 1, u - m) + _ways(m - 1, n, u)


def share_interval(count: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, ``count`` of ``of``: with 95 % confidence by default. All of it for none of none.

    Raises:
        ValueError: more than all, or fewer than none.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no share")
    if not of:
        return 0.0, 1.0
    share, square = count / of, z * z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def lower_by_chance(count: int, of: int, before: int, before_of: int) -> float:
    """Fisher's exact p, one-sided: how likely it is by chance that of so many so few, ``count`` of ``of``, are hits,
    where ``before`` of ``before_of`` were and the rate is the same."""
    hits, total = count + before, of + before_of
    return sum(math.comb(hits, k) * math.comb(total - hits, of - k) for k in range(count + 1)
               if k <= hits and 0 <= of - k <= total - hits) / math.comb(total, of)
