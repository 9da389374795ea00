"""The file of an event log, which a thread of its own writes: whoever records an event is an observer on a clock, and a
slow disk must not make it late for the next one."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.core.errors import HostError
from fenceline.model.event import Event

_SPARE = 16 * 1024  # bytes that are kept free for the last line of a log whose disk is full
#: How long (s) lines are gathered, to be written together: a thousand answers a second need no thousand writes.
_GATHER_S = 0.02
#: How long (s) a disk may take for what is left at the end; then it has failed.
_DRAIN_S = 60.0


class LogFile:
    """Lines of events in the file ``path``, in the order of ``put``. Thread-safe.

    A file that can't be written ends with its last whole line; ``broken`` is then the event that says so, which is its
    last line if the space that was kept for it helps, and comes after the first ``broken_at`` events; ``failed`` is
    called then, once, by the writer's thread. ``clock`` stamps it; the disk itself is waited for by the host's.
    ``written`` counts the events that are in the file for certain, ``broken`` among them.

    Raises:
        HostError: the file can't be made.
    """

    def __init__(self, path: Path, failed: Callable[[LogFile], None], clock: Clock = HOST_CLOCK) -> None:
        self.broken: Event | None = None
        self.written = self.broken_at = 0
        self._path, self._failed, self._clock = path, failed, clock
        self._news = threading.Condition()
        self._pending: list[Event] = []
        self._is_writing = self._is_closed = False
        self._ends = threading.Event()  # nothing is gathered any more
        self._spare = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise HostError(f"{path}: can't make the event log: {error.strerror}") from error
        self._length = os.fstat(self._fd).st_size  # bytes that are in the file in whole lines
        with contextlib.suppress(OSError):  # not every file system has files without a name
            self._spare = os.open(path.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            os.write(self._spare, b"\0" * _SPARE)
        threading.Thread(target=self._write_on, name=f"writes {path.name}", daemon=True).start()

    def put(self, event: Event) -> None:
        """Adds a line for ``event``, soon; none where the file has ended."""
        with self._news:
            if not self._is_closed:
                self._pending.append(event)
                self._news.notify_all()

    def close(self) -> None:
        """Waits until all lines are in the file, and ends it."""
        with self._news:
            self._ends.set()
            self._news.notify_all()
            done = self._news.wait_for(lambda: self._is_closed or not (self._pending or self._is_writing), _DRAIN_S)
            if not done:
                self._give_up(f"its disk did not take the last lines within {_DRAIN_S:g} s")
            self._end()

    def _write_on(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._pending or self._ends.is_set())
            self._ends.wait(_GATHER_S)
            with self._news:
                batch, self._pending = self._pending, []
                if self._is_closed or not batch:
                    return
                self._is_writing = True
            error = self._write(batch)
            with self._news:
                self._is_writing = False
                if error is not None and not self._is_closed:
                    self._give_up(error)
                self._news.notify_all()
            if error is not None:
                self._failed(self)
                return

    def _write(self, events: list[Event]) -> str | None:
        """Writes the lines of ``events``, and counts those that are in the file whole; returns why it could not."""
        lines = [(event.to_json() + "\n").encode() for event in events]
        raw, done, error = b"".join(lines), 0, None
        try:
            while done < len(raw):
                done += os.write(self._fd, raw[done:])
        except OSError as failure:
            error = failure.strerror or repr(failure)
        for line in lines:
            if done < len(line):
                break
            done -= len(line)
            self.written += 1
            self._length += len(line)
        return error

    def _give_up(self, why: str) -> None:
        self.broken = Event(self._clock.now_ns(), "scenario", None, "broken", {
            "reason": f"{self._path}: can't write the event log: {why}"})
        self.broken_at = self.written
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._length)
            if self._spare >= 0:
                os.ftruncate(self._spare, 0)
            self._write([self.broken])
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, self._length)
        self._end()

    def _end(self) -> None:
        self._is_closed = True
        self._pending.clear()
        self._ends.set()
        self._news.notify_all()
        for fd in (self._fd, self._spare):
            if fd >= 0:
                with contextlib.suppress(OSError):  # a full disk may be told of only now; memory has the lines
                    os.close(fd)
        self._fd = self._spare = -1
