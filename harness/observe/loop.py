"""One thread for all observers: it waits for descriptors and timers, and says when it was late itself."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from fenceline.core.clock import Flag
from fenceline.core.errors import HostError
from fenceline.observe.log import EventLog

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
STALL = 0.5  # s: a timer that is later than this is worth an event: for so long, nobody looked
_PULSE = 0.1  # s between two checks of our own lateness
_IMMEDIATE = 200_000  # ns: a poll shorter than this may have found something that had been ready before it


class Timer:
    """What ``every`` and ``later`` return."""

    def __init__(self, due: float, period: float | None, callback: Callable[[], None]) -> None:
        self.due, self.period, self.callback = due, period, callback
        self.cancelled = False

    def cancel(self) -> None:
        """Not called again. From any thread; a call in progress ends."""
        self.cancelled = True


class ObserverLoop:
    """The thread; it runs as soon as this is made. With a ``fabric`` it lives inside of it: sockets that
    callbacks make are in the fabric then.

    Callbacks run in the thread, one after the other, and must not block. What one raises becomes a ``broken``
    event (once per message) and the loop goes on. A timer that is more than ``STALL`` late becomes one event
    ``observer.stall`` {seconds} of ``source``: in that time nothing was observed.

    Raises:
        HostError: the thread can't enter the fabric.
    """

    def __init__(self, log: EventLog, fabric: Any | None = None, source: str = "client") -> None:
        self.fabric = fabric
        self._log = log
        self.clock = log.clock
        self._source = source
        self._poller = self.clock.poller()
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._complaints: set[str] = set()
        #: Called by ``stop`` when the thread has ended: for what observers must close then.
        self.at_stop: list[Callable[[], None]] = []
        self._polled_ns = self._ready_ns = self.clock.now_ns()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._start()

    def _start(self) -> None:
        entered: deque[BaseException | None] = deque()
        ready = Flag(self.clock)
        self._thread = self.clock.thread(lambda: self._main(entered, ready), f"fenceline-{self._source}")
        ready.wait()
        if entered and entered[0] is not None:
            self._thread = None
            self.stop()
            raise HostError(f"the observers can't enter the fabric: {entered[0]}") from entered[0]

    def add(self, file: Any, callback: Callable[[], None], events: int = READ) -> None:
        """Calls ``callback`` whenever ``file`` (descriptor or socket) is ready; it replaces an earlier one."""
        self.call(lambda: self._add(file, callback, events))

    def remove(self, file: Any) -> None:
        """No more calls for ``file`` when this returns: it may be closed then. Unknown files are no error."""
        self.call(lambda: self._remove(file))

    def every(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls ``callback`` each ``seconds`` s from now on. Missed turns are left out, not caught up on."""
        return self._schedule(Timer(self.clock.now() + seconds, seconds, callback))

    def later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls ``callback`` once, in ``seconds`` s."""
        return self._schedule(Timer(self.clock.now() + seconds, None, callback))

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` in the thread, as soon as it can. From any thread."""
        self._soon.append(callback)
        self._poller.wake()

    def late_ns(self) -> int:
        """In a callback: how long (ns) ago at most the file that it is called for became ready."""
        return max(0, self.clock.now_ns() - self._ready_ns)

    def stop(self) -> None:
        """Ends the thread and closes what the loop made. May be repeated."""
        self._stopping = True
        self.call_soon(lambda: None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)
            if thread.is_alive():
                self._log.record("scenario", None, "broken",
                                 {"reason": f"the {self._source} observers' thread hangs in a callback"})
                return
        self._thread = None
        for close in self.at_stop:
            close()
        self.at_stop.clear()
        self._poller.close()

    def _schedule(self, timer: Timer) -> Timer:
        with self._lock:
            heapq.heappush(self._timers, (timer.due, next(self._count), timer))
        self.call_soon(lambda: None)
        return timer

    def call(self, action: Callable[[], None]) -> None:
        """Runs ``action`` in the loop's thread (here, when that has ended) and waits until it was done."""
        thread = self._thread
        if thread is None or thread is threading.current_thread() or not thread.is_alive():
            action()
            return
        done = Flag(self.clock)

        def run() -> None:
            try:
                action()
            finally:
                done.set()

        self.call_soon(run)
        while not done.wait(0.2) and thread.is_alive():
            pass  # it may end without having come to us

    def _add(self, file: Any, callback: Callable[[], None], events: int) -> None:
        self._poller.add(file, callback, events)

    def _remove(self, file: Any) -> None:
        self._poller.remove(file)

    def _main(self, entered: deque[BaseException | None], ready: Flag) -> None:
        try:
            self._hurry()
            with self.fabric.entered() if self.fabric is not None else contextlib.nullcontext():
                entered.append(None)
                ready.set()
                self.every(_PULSE, lambda: None)
                while not self._stopping:
                    self._turn()
        except Exception as error:
            if not entered:
                entered.append(error)
            else:
                self._complain(error)
        finally:
            ready.set()

    @staticmethod
    def _hurry() -> None:
        """This thread before the machines and the rest of the harness: its lateness is the error of every figure."""
        sys.setswitchinterval(0.001)  # s that another thread may keep the interpreter; 5 ms by default
        # not real time: a control group may throttle that for seconds
        with contextlib.suppress(PermissionError):  # not root
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)

    def _turn(self) -> None:
        with self._lock:
            due = self._timers[0][0] if self._timers else None
        wait = None if due is None else max(0.0, due - self.clock.now())
        begin, before = self.clock.now_ns(), self._polled_ns
        ready = self._poller.poll(0 if self._soon else wait)
        self._polled_ns = self.clock.now_ns()
        # what a poll finds at once may have been waiting ever since the one before it
        self._ready_ns = before if self._polled_ns - begin < _IMMEDIATE else self._polled_ns
        for file, callback in ready:
            if self._poller.has(file, callback):  # not removed by a callback before it
                self._call(callback)
        for _ in range(len(self._soon)):
            self._call(self._soon.popleft())
        self._run_timers()

    def _run_timers(self) -> None:
        now, worst = self.clock.now(), 0.0
        while True:
            with self._lock:
                if not self._timers or self._timers[0][0] > now:
                    break
                _, _, timer = heapq.heappop(self._timers)
            if timer.cancelled:
                continue
            worst = max(worst, now - timer.due)
            self._call(timer.callback)
            if timer.period is not None and not timer.cancelled:
                missed = max(0, int((now - timer.due) / timer.period))
                timer.due += timer.period * (missed + 1)
                with self._lock:
                    heapq.heappush(self._timers, (timer.due, next(self._count), timer))
        if worst > STALL:
            self._log.record(self._source, None, "observer.stall", {"seconds": round(worst, 3)},
                             late_ns=int(worst * 1e9))

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = f" ({where.tb_frame.f_code.co_filename}:{where.tb_lineno})" if where else ""
        reason = f"an observer of {self._source} failed: {error!r}{place}"
        if reason not in self._complaints:  # a callback that fails each 20 ms would drown the log
            self._complaints.add(reason)
            self._log.record("scenario", None, "broken", {"reason": reason})
