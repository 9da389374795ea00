"""What observers that do something at an interval share: begun once, ended once, closed in the loop's own thread."""

from __future__ import annotations

from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop, Timer


class TimedObserver:
    """Calls ``_turn`` each ``interval`` s in the thread of ``loop``, from ``start`` to ``stop``.

    A subclass says with ``_open`` what it needs for that and with ``_close`` how to give it back.
    """

    interval: float  # s

    def __init__(self, log: EventLog, loop: ObserverLoop) -> None:
        self._log, self._loop = log, loop
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begins to observe. May be repeated."""
        if self._timer is None and self._open():
            self._timer = self._loop.every(self.interval, self._turn)

    def stop(self) -> None:
        """Stops observing; what is in progress gets no event. May be repeated."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.call(self._close)

    def _open(self) -> bool:
        """Whether there is anything to observe; opens what that needs."""
        return True

    def _turn(self) -> None:
        raise NotImplementedError

    def _close(self) -> None:
        """In the loop's thread: closes everything. May be repeated."""
