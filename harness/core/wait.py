"""Waiting with a deadline: for what no event announces, and with the time that it took."""

from __future__ import annotations

from collections.abc import Callable

from fenceline.core.clock import Clock
from fenceline.core.errors import Timeout

#: How long (s) after one look the next one is.
LOOK_AGAIN = 0.1


class Deadline:
    """``within`` seconds from now, by ``clock``."""

    def __init__(self, clock: Clock, within: float) -> None:
        self._clock = clock
        self.within = within
        self.begun_ns = clock.now_ns()

    @property
    def took(self) -> float:
        """The seconds since it began."""
        return (self._clock.now_ns() - self.begun_ns) / 1e9

    @property
    def left(self) -> float:
        """The seconds that are left; 0 when it is over."""
        return max(0.0, self.within - self.took)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.took > self.within


def timed_out(text: str, waited: float) -> Exception:
    """What ``until`` raises where nothing else is said."""
    return Timeout(text, waited)


def until(clock: Clock, is_so: Callable[[], object], within: float, what: str,
          error: Callable[[str, float], BaseException] = timed_out, again: float = LOOK_AGAIN) -> float:
    """Asks ``is_so`` at once and then every ``again`` seconds, until it says yes; returns the seconds that this took.

    It is asked at least once, and a last time after the deadline. A look that says yes counts, however long it took.

    Raises:
        Exception: what ``error`` makes of a text, which names ``what``, and of the seconds waited; a ``Timeout`` if
            nothing else is said. It was not so within ``within`` seconds.
    """
    deadline = Deadline(clock, within)
    while True:
        if is_so():
            return deadline.took
        if deadline.is_over:
            raise error(f"waited {within:g} s for {what}", deadline.took)
        clock.sleep(again)
