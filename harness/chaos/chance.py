"""Chance from a seed that is the same on every machine and under every Python: all of it is made of
``random.Random.random()``, the one stream that Python promises not to change."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """The stream of ``words``, of which the first is the seed; each further one makes another, unrelated stream."""

    def __init__(self, *words: object) -> None:
        self._rng = random.Random(" ".join(map(str, words)))

    def is_so(self, share: float) -> bool:
        """True in ``share`` (0 to 1) of the cases."""
        return self._rng.random() < share

    def share(self) -> float:
        """A number from 0 to 1, each as likely as the others."""
        return self._rng.random()

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1."""
        return min(int(self._rng.random() * count), count - 1)

    def one_of(self, things: Sequence[T]) -> T:
        """One of ``things``, each as likely as the others.

        Raises:
            ValueError: there are none.
        """
        if not things:
            raise ValueError("nothing to choose from")
        return things[self.below(len(things))]

    def weighed(self, things: Sequence[T], weights: Sequence[float]) -> T:
        """One of ``things``, as likely as its weight says.

        Raises:
            ValueError: there are none, or no weight is above 0.
        """
        total = math.fsum(weights)
        if not things or total <= 0:
            raise ValueError("nothing to choose from")
        at = self._rng.random() * total
        for thing, weight in zip(things, weights, strict=True):
            at -= weight
            if at < 0 < weight:
                return thing
        return next(thing for thing, weight in zip(reversed(things), reversed(weights), strict=True) if weight > 0)

    def between(self, low: float, high: float) -> float:
        """A number from ``low`` to ``high``, to a tenth; the small ones as likely as the large ones (its logarithm is
        even), as seconds matter differently: 1 and 2 more than 31 and 32."""
        if low <= 0:
            return round(low + self._rng.random() * (high - low), 1)
        return round(math.exp(math.log(low) + self._rng.random() * (math.log(high) - math.log(low))), 1)

    def ordered(self, things: Sequence[T]) -> list[T]:
        """``things`` in an order of chance."""
        left = list(things)
        return [left.pop(self.below(len(left))) for _ in range(len(left))]
