"""The event log: every observation of a scenario, in memory and, a line each, in a file.

A *segment* is what one scenario saw. A cluster that is used again for the next scenario switches its log to a
new segment, so that no verdict leans on another scenario's events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.core.errors import Timeout
from fenceline.core.wait import Deadline
from fenceline.model.event import Event
from fenceline.observe.log_file import LogFile

Predicate = Callable[[Event], bool]
Listener = Callable[[Event], None]


class EventLog:
    """An append-only log. Thread-safe. Without a ``path`` it is in memory only.

    Its ``clock`` is that of the cluster which it is about: it stamps what is recorded, and measures what is waited for.
    A log that goes on to another cluster is given another clock, before the segment begins.

    Each of ``listeners`` is called with every event, in the thread that recorded it, without any lock held.
    One that raises makes the run ``broken``; it doesn't stop the observer that recorded the event.

    Raises:
        HostError: the file can't be made (also from ``switch``).
    """

    def __init__(self, path: Path | None = None, clock: Clock = HOST_CLOCK) -> None:
        self.clock = clock
        self.listeners: list[Listener] = []
        self.path: Path | None = None
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._segment = 0
        self._file: LogFile | None = None  # None: in memory only, or from now on
        self._open(path)

    def record(self, source: str, node: str | None, kind: str, data: dict[str, Any] | None = None,
               t_ns: int | None = None, late_ns: int = 0) -> Event:
        """Adds an event that is stamped ``t_ns`` (ns of ``clock``), or now; returns it."""
        event = Event(self.clock.now_ns() if t_ns is None else t_ns, source, node, kind, data or {}, late_ns)
        self.emit(event)
        return event

    def emit(self, event: Event) -> None:
        """Adds ``event``. Never raises: a file that can't be written makes the run broken, once; it then ends there,
        and what comes later is kept in memory only."""
        with self._changed:
            for one in self._kept(event):
                self._append(one)
            self._changed.notify_all()
        for listener in list(self.listeners):
            try:
                listener(event)
            except Exception as error:  # its author's fault, and not the recording observer's
                self._broken(f"a listener of the event log failed at {event.kind}: {error!r}")

    def _kept(self, event: Event) -> Iterable[Event]:
        """What goes into the log now that ``event`` came: that one."""
        return (event,)

    def events(self) -> list[Event]:
        """The current segment's events by their arrival; their stamps may be slightly out of order."""
        with self._changed:
            return list(self._events)

    def switch(self, path: Path | None) -> None:
        """Closes the current segment and starts an empty one in ``path``. Waits in progress see new events
        only."""
        with self._changed:
            self._close_file()
            self._events = []
            self._segment += 1
            self._open(path)
            self._changed.notify_all()

    def close(self) -> None:
        """Closes the file; what comes later is kept in memory only."""
        with self._changed:
            self._close_file()

    def seal(self) -> list[Event]:
        """Closes the file and returns exactly what is in it: what comes later is kept in memory only, so that a verdict
        on these events is the verdict on the file, also where its disk was full. Without a file: all events."""
        with self._changed:
            self._close_file()
            return list(self._events if self._in_file is None else self._events[:self._in_file])

    @property
    def segment(self) -> int:
        """The number of the current segment: observers that leave out repetitions begin anew with it."""
        return self._segment

    def wait_for(self, predicate: Predicate, within: float, what: str,
                 since_ns: int = 0) -> tuple[Event, float]:
        """Waits for an event, stamped ``since_ns`` or later, that satisfies ``predicate``: one that is in the
        segment already, or one to come. ``predicate`` runs in the caller's thread.

        Args:
            within: the deadline, in s from now.
            what: what is waited for, for the message: "rs-01 to be fenced".

        Returns:
            The event, and the time waited in s.

        Raises:
            Timeout: no such event came in time.
        """
        deadline = Deadline(self.clock, within)
        seen, segment = 0, self._segment
        while True:
            with self._changed:
                if segment != self._segment:
                    seen, segment = 0, self._segment
                while len(self._events) == seen and segment == self._segment:
                    left = deadline.left
                    if left <= 0:
                        waited = deadline.took
                        raise Timeout(f"waited {waited:.1f} s for {what}; it did not happen", waited)
                    self.clock.wait(self._changed, left)
                fresh = self._events[seen:] if segment == self._segment else []
                seen += len(fresh)
            for event in fresh:
                if event.t_ns >= since_ns and predicate(event):
                    return event, deadline.took

    def _append(self, event: Event) -> None:
        self._events.append(event)
        if self._file is not None:
            self._file.put(event)

    def _broken(self, reason: str) -> None:
        with self._changed:
            self._append(Event(self.clock.now_ns(), "scenario", None, "broken", {"reason": reason}))
            self._changed.notify_all()

    def _open(self, path: Path | None) -> None:
        self.path = path
        self._file = None if path is None else LogFile(path, self._failed, self.clock)
        self._in_file: int | None = None  # events of the segment that are in its file, once that has ended

    def _failed(self, file: LogFile) -> None:
        """``file`` has ended before its time, its writer says: why stands before what is not in it."""
        with self._changed:
            if file is self._file:
                self._end_file(file)
                self._changed.notify_all()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._end_file(self._file)

    def _end_file(self, file: LogFile) -> None:
        self._file, self._in_file = None, file.written
        if file.broken is not None:
            self._events.insert(file.broken_at, file.broken)
