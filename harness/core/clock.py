"""The time that a cluster lives in. It is handed in: nobody asks the host what time it is, or sleeps, by himself.

Where machines run in real time the clock is the host's ``CLOCK_MONOTONIC``. A driver whose machines live in a time of
their own brings its own clock; waiting then means that the world goes on. So whatever waits, waits through the clock:
for a while (``sleep``), for somebody else (``wait``, or a ``Flag``), and in threads that it has started (``thread``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from fenceline.core.poller import HostPoller, Poller


class Clock(Protocol):
    """A clock of one world. Stamps of two clocks are never compared."""

    #: What figures are told with: "real" where it is the host's.
    name: str

    def now_ns(self) -> int:
        """Nanoseconds since some moment before everything in this world; never goes back."""

    def now(self) -> float:
        """The same in seconds."""

    def sleep(self, seconds: float) -> None:
        """Returns when ``seconds`` have passed; at once where that is not more than 0."""

    def wait(self, changed: threading.Condition, seconds: float | None) -> bool:
        """Gives up the lock of ``changed``, which the caller holds, until somebody notifies it or ``seconds`` have
        passed (None: for as long as it takes), and takes it again. False: they have passed. It may return early
        without a reason: whoever calls it looks again."""

    def poller(self) -> Poller:
        """A new one, whose waits are waits of this clock: for sockets of the networks that belong to it."""

    def thread(self, work: Callable[[], object], name: str) -> threading.Thread:
        """Starts a thread that does ``work``; its waits are waits of this clock. It does not keep the process."""


class HostClock:
    """The host's own time."""

    name = "real"

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, changed: threading.Condition, seconds: float | None) -> bool:
        return changed.wait(seconds)

    def poller(self) -> Poller:
        return HostPoller()

    def thread(self, work: Callable[[], object], name: str) -> threading.Thread:
        made = threading.Thread(target=work, name=name, daemon=True)
        made.start()
        return made


#: The one of this host: for what is about the host itself, as building an image; what belongs to a cluster takes the
#: cluster's.
HOST_CLOCK = HostClock()


class Flag:
    """Something that is set once, by whoever, and waited for by ``clock``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._is_set = False

    def set(self) -> None:
        """It is so from now on. May be repeated."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def is_set(self) -> bool:
        """Whether it is."""
        return self._is_set

    def wait(self, seconds: float | None = None) -> bool:
        """Returns True as soon as it is set, or False when ``seconds`` have passed without."""
        end = None if seconds is None else self._clock.now() + seconds
        with self._changed:
            while not self._is_set:
                left = None if end is None else end - self._clock.now()
                if left is not None and left <= 0:
                    return False
                self._clock.wait(self._changed, left)
            return True


class Task:
    """``work``, done in a thread of its own that begins now and waits by ``clock``; it can be waited for by it too."""

    def __init__(self, clock: Clock, work: Callable[[], object], name: str) -> None:
        self.name = name
        self._ended = Flag(clock)

        def run() -> None:
            try:
                work()
            finally:
                self._ended.set()
        clock.thread(run, name)

    @property
    def is_alive(self) -> bool:
        """Whether it has not come to its end yet."""
        return not self._ended.is_set()

    def join(self, seconds: float | None = None) -> bool:
        """Waits until it has ended, for at most ``seconds``; whether it has."""
        return self._ended.wait(seconds)
