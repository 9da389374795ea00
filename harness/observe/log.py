"""The event log: every observation of a scenario, in memory and, a line each, in a file.

A *segment* is what one scenario saw. A cluster that is used again for the next scenario switches its log to a
new segment, so that no verdict leans on another scenario's events.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fenceline.core.errors import HostError, Timeout
from fenceline.model.event import Event, now_ns

_SPARE = 16 * 1024  # bytes that are kept free for the last line of a log whose disk is full

Predicate = Callable[[Event], bool]
Listener = Callable[[Event], None]


class EventLog:
    """An append-only log. Thread-safe. Without a ``path`` it is in memory only.

    Each of ``listeners`` is called with every event, in the thread that recorded it, without any lock held.
    One that raises makes the run ``broken``; it doesn't stop the observer that recorded the event.

    Raises:
        HostError: the file can't be made (also from ``switch``).
    """

    def __init__(self, path: Path | None = None) -> None:
        self.listeners: list[Listener] = []
        self.path: Path | None = None
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._segment = 0
        self._fd = self._spare = -1
        self._in_file = 0  # events of the segment, and bytes, that are in its file for certain
        self._length = 0
        self._open(path)

    def record(self, source: str, node: str | None, kind: str, data: dict[str, Any] | None = None,
               t_ns: int | None = None, late_ns: int = 0) -> Event:
        """Adds an event that is stamped ``t_ns`` (ns of CLOCK_MONOTONIC), or now; returns it."""
        event = Event(now_ns() if t_ns is None else t_ns, source, node, kind, data or {}, late_ns)
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
            return list(self._events if self.path is None else self._events[:self._in_file])

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
        begin = time.monotonic()
        seen, segment = 0, self._segment
        while True:
            with self._changed:
                if segment != self._segment:
                    seen, segment = 0, self._segment
                while len(self._events) == seen and segment == self._segment:
                    left = begin + within - time.monotonic()
                    if left <= 0:
                        waited = time.monotonic() - begin
                        raise Timeout(f"waited {waited:.1f} s for {what}; it did not happen", waited)
                    self._changed.wait(left)
                fresh = self._events[seen:] if segment == self._segment else []
                seen += len(fresh)
            for event in fresh:
                if event.t_ns >= since_ns and predicate(event):
                    return event, time.monotonic() - begin

    def _append(self, event: Event) -> None:
        if self._fd < 0:
            self._events.append(event)
            return
        try:
            self._write(event)
            self._events.append(event)
        except OSError as error:
            broken = Event(now_ns(), "scenario", None, "broken", {
                "reason": f"{self.path}: can't write the event log: {error.strerror}"})
            self._events.append(broken)  # before what is not in the file
            self._give_up(broken)
            self._events.append(event)

    def _write(self, event: Event) -> None:
        line = (event.to_json() + "\n").encode()
        written = 0
        while written < len(line):
            written += os.write(self._fd, line[written:])
        self._in_file += 1
        self._length += written

    def _give_up(self, broken: Event) -> None:
        """Ends the file with its last whole line, and the reason ``broken`` if the space that was kept for it helps."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._length)
            if self._spare >= 0:
                os.ftruncate(self._spare, 0)
            self._write(broken)
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._length)
        self._close_file()

    def _broken(self, reason: str) -> None:
        with self._changed:
            self._append(Event(now_ns(), "scenario", None, "broken", {"reason": reason}))
            self._changed.notify_all()

    def _open(self, path: Path | None) -> None:
        self.path = path
        self._in_file = self._length = 0
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise HostError(f"{path}: can't make the event log: {error.strerror}") from error
        self._length = os.fstat(self._fd).st_size
        with contextlib.suppress(OSError):  # not every file system has files without a name
            self._spare = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            os.write(self._spare, b"\0" * _SPARE)

    def _close_file(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):  # a full disk may be told of only now; memory has the lines
                os.close(self._fd)
            self._fd = -1
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
