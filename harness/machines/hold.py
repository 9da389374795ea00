"""A machine's power-on takes its time, as that of a server does: minutes pass until anything of the guest executes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from fenceline.core.clock import Clock, Flag
from fenceline.core.errors import HostError, MachineError


class Hold:
    """Puts the starts of one machine off by ``seconds``, all but its first: a new cluster need not wait for it.

    For whoever asks, the machine is on meanwhile (a BMC says so at once), and whoever cuts its power ends the hold.
    ``lock`` is the machine's own, and held by whoever calls.
    """

    def __init__(self, seconds: float, lock: threading.RLock, name: str, clock: Clock) -> None:
        self._seconds = seconds
        self._lock = lock
        self._name = name
        self._clock = clock
        self._was_on = False
        self._ended: Flag | None = None

    @property
    def is_holding(self) -> bool:
        """Whether a start is put off now."""
        return self._ended is not None

    def puts_off(self, start: Callable[[], None]) -> bool:
        """Whether ``start`` is put off: then it is called later, unless ``end`` comes first."""
        first, self._was_on = not self._was_on, True
        if first or not self._seconds:
            return False
        ended = self._ended = Flag(self._clock)
        self._clock.thread(lambda: self._wait(ended, start), f"boot-{self._name}")
        return True

    def _wait(self, ended: Flag, start: Callable[[], None]) -> None:
        if ended.wait(self._seconds):
            return
        with self._lock:
            if self._ended is not ended:
                return
            self._ended = None
            with contextlib.suppress(HostError, MachineError):  # it stays off, which whoever waits for it tells
                start()

    def end(self) -> bool:
        """Ends the hold; returns whether there was one."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended.set()
        return ended is not None
