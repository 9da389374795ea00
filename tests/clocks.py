"""A clock that goes on only when somebody waits, and then at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fenceline.core.clock import HOST_CLOCK

#: What an event log stamps with by itself.
now_ns = HOST_CLOCK.now_ns


class FakeClock:
    """See ``fenceline.core.clock.Clock``. For tests of one thread: nobody can notify who waits."""

    name = "fake"

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def now(self) -> float:
        return self._now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        self._now_ns += max(0, round(seconds * 1e9))

    def wait(self, changed: threading.Condition, seconds: float | None) -> bool:
        assert seconds is not None, "nobody would ever wake it"
        self.sleep(seconds)
        return False

    def thread(self, work: Callable[[], object], name: str) -> threading.Thread:
        raise AssertionError(f"{name}: a fake clock has one thread")
