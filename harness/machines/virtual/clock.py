"""The clock of a virtual world: whoever of the harness waits, lets the world go on.

Threads that the clock knows (the one that made it, and those that it started) run one at a time, each until it waits;
in the order in which they became ready. When none is ready, whoever waited last does what is due next in the calendar,
until one is. So the harness takes no virtual time for what it computes, and a run has one course, whatever the host
does meanwhile.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable

from fenceline.core.errors import MachineError
from fenceline.core.poller import Poller
from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.switch import LATENCY

#: The time of day at which a world begins, ns since 1970: the same in each, as guests see it. 2027-01-15 08:00 UTC.
EPOCH = 1_800_000_000_000_000_000


class _Turn:
    """A thread's place in the order. What a ``Condition`` calls when it is notified is ``release``."""

    def __init__(self, clock: VirtualClock, name: str) -> None:
        self.name = name
        self._clock = clock
        self.go = threading.Semaphore(0)
        self.wait_number = 0
        self.is_waiting = False
        self.was_notified = False

    def release(self) -> None:
        """Something that it waits for may be so."""
        self.was_notified = True
        self._clock.make_ready(self)


class _Thread(threading.Thread):
    """A thread of the clock's; to wait for its end is a wait of the clock's too."""

    def __init__(self, clock: VirtualClock, work: Callable[[], object], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._clock, self._work = clock, work
        self._turn = _Turn(clock, name)
        self._ended = threading.Condition()
        self._has_ended = False

    def run(self) -> None:
        self._turn.go.acquire()
        try:
            self._clock.enter(self._turn)
            self._work()
        except Ended:
            pass
        finally:
            with self._ended:
                self._has_ended = True
                self._ended.notify_all()
            self._clock.leave()

    def join(self, timeout: float | None = None) -> None:
        if not self._clock.is_known():
            super().join(timeout)
            return
        end = None if timeout is None else self._clock.now() + timeout
        with self._ended:
            while not self._has_ended:
                left = None if end is None else end - self._clock.now()
                if left is not None and left <= 0:
                    return
                self._clock.wait(self._ended, left)

    def is_alive(self) -> bool:
        return super().is_alive() and not self._has_ended


def _delay(seconds: float) -> int:
    """``seconds`` in ns, none of them left out: whoever waits for what is left of a nanosecond would wait for ever."""
    return max(0, math.ceil(seconds * 1e9))


class Ended(MachineError):
    """The world has ended while a thread waited in it."""


class VirtualClock:
    """The time of a ``calendar`` of its own, in a world whose chance is from ``seed``: ``fenceline.core.clock.Clock``,
    made in the harness's main thread.

    What a job of the calendar raises ends all machines and is raised in the main thread, at the end of what it waits
    for: then there is time, but nothing happens in it any more.
    """

    name = "virtual"

    def __init__(self, seed: int = 0, epoch: int = EPOCH,
                 make_poller: Callable[[VirtualClock], Poller] | None = None) -> None:
        self.seed = seed
        self._make_poller = make_poller
        self.calendar = Calendar(epoch=epoch)
        self.calendar.lookahead = LATENCY - 1
        self._seen_ns = 0
        self._over_ns: int | None = None  # when it was, when the calendar was closed
        self._ready: deque[_Turn] = deque()
        self._local = threading.local()
        self._main = _Turn(self, "main")
        self._failure: BaseException | None = None
        self._has_ended = False
        self._turns: list[_Turn] = [self._main]
        self._cpus: set[int] = set()
        self.enter(self._main)

    # the clock's own

    def now_ns(self) -> int:
        if self._over_ns is not None:
            return self._over_ns
        # with a look-ahead the calendar goes back from a machine that is ahead; whoever looks does not
        self._seen_ns = max(self._seen_ns, self.calendar.now)
        return self._seen_ns

    def now(self) -> float:
        return self.now_ns() / 1e9

    def sleep(self, seconds: float) -> None:
        if seconds > 0 and self._over_ns is None:
            self._wait(_delay(seconds))

    def wait(self, changed: threading.Condition, seconds: float | None) -> bool:
        turn: _Turn = self._local.turn
        turn.was_notified = False
        # notify() calls release() of what stands there, in the order of its coming
        changed._waiters.append(turn)
        changed.release()
        try:
            self._wait(None if seconds is None else _delay(seconds))
        finally:
            changed.acquire()
            if turn in changed._waiters:
                changed._waiters.remove(turn)
        return turn.was_notified

    def poller(self) -> Poller:
        return self._make_poller(self)

    def thread(self, work: Callable[[], object], name: str) -> threading.Thread:
        made = _Thread(self, work, name)
        self._turns.append(made._turn)
        made.start()
        made._turn.is_waiting = True
        self.make_ready(made._turn)
        return made

    def stay(self) -> None:
        """Until ``end`` the calling thread, and what it starts, stay on one CPU: one of us and of all machines runs
        at a time, and from one CPU to another the turn takes twice as long. From the main thread."""
        self._cpus = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {sorted(self._cpus)[os.getpid() % len(self._cpus)]})

    # turns

    def is_known(self) -> bool:
        """Whether the calling thread is one of the clock's."""
        return getattr(self._local, "turn", None) is not None

    def enter(self, turn: _Turn) -> None:
        """The calling thread is the one of ``turn`` from now on, and has it."""
        self._local.turn = turn
        turn.is_waiting = False
        if self._has_ended:
            raise Ended("the world has ended")

    def leave(self) -> None:
        """The calling thread ends: somebody else's turn."""
        self._turns.remove(self._local.turn)
        self._local.turn = None
        if not self._has_ended:
            self._next().go.release()

    def make_ready(self, turn: _Turn) -> None:
        """``turn`` may go on when those before it have waited."""
        if turn.is_waiting and turn not in self._ready:
            self._ready.append(turn)

    def end(self) -> None:
        """The world ends, and time with it: whoever waits in it goes on with ``Ended``. From the main thread; may be
        repeated."""
        if self._has_ended:
            return
        self._has_ended, self._over_ns = True, self.calendar.now
        if self._cpus:
            os.sched_setaffinity(0, self._cpus)
        self.calendar.close()
        for turn in self._turns:
            if turn is not self._main:
                turn.go.release()

    def _wait(self, delay: int | None) -> None:
        turn: _Turn | None = getattr(self._local, "turn", None)
        if turn is None:
            raise MachineError(f"the thread {threading.current_thread().name} waits in a world that does not know it")
        turn.is_waiting = True
        turn.wait_number += 1
        number = turn.wait_number
        if delay is not None:
            self.calendar.after(delay, lambda: self.make_ready(turn) if number == turn.wait_number else None)
        following = self._next()
        if following is not turn:
            following.go.release()
            self._until_it_is(turn)
        turn.is_waiting = False
        turn.wait_number += 1
        if self._has_ended:
            raise Ended("the world has ended")
        if turn is self._main and self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _until_it_is(self, turn: _Turn) -> None:
        try:
            turn.go.acquire()
        except BaseException:  # Ctrl-C, in the main thread: it goes on when whoever has the turn waits
            if turn not in self._ready:
                self._ready.append(turn)
            turn.go.acquire()
            turn.is_waiting = False
            raise

    def _next(self) -> _Turn:
        """Whose turn it is now; lets the world go on until it is somebody's."""
        while not self._ready:
            try:
                if not self.calendar.step():
                    raise MachineError("nothing is due any more in the virtual world, and everybody waits")
            except BaseException as error:
                self._fail(error)
        return self._ready.popleft()

    def _fail(self, error: BaseException) -> None:
        for machine in list(self.calendar.machines.values()):
            self.calendar.drop(machine)
        self._failure = error
        self._main.is_waiting = True
        self.make_ready(self._main)
