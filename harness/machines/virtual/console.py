"""A virtio console (virtio specification 1.2, 5.3): a line into a guest, /dev/hvcN, exact in time both ways."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.vhost import Device

_RECEIVE, _SEND = 0, 1
_LATENCY = 10_000  # ns either way


class Console(Device):
    """Calls ``heard`` with what the guest writes, in the calendar's turn."""

    virtio_id: ClassVar[int] = 3
    rings_wanted: ClassVar[int] = 2

    def __init__(self, calendar: Calendar, name: str, path: Path, heard: Callable[[bytes], None]) -> None:
        self.heard = heard
        self._waiting = b""
        super().__init__(calendar, name, path)

    def write(self, data: bytes) -> None:
        """Sends ``data`` to the guest; what it has no room for yet waits. To a machine that is off it is lost."""
        if self.memory is None:
            return
        self._waiting += data
        self.calendar.after(_LATENCY, self._flush)

    def unplugged(self) -> None:
        self._waiting = b""

    def kicked(self, ring: int) -> None:
        if ring == _RECEIVE:
            if self._waiting:
                self.after(_LATENCY, self._flush)
            return
        sending, said = self.rings[_SEND], []
        while (taken := self.take(sending)) is not None:
            head, chain = taken
            said.append(self.gather(chain))
            self.give(sending, head, 0)
        self.after(_LATENCY, lambda: self._said(b"".join(said)))

    def _said(self, data: bytes) -> None:
        self.call(_SEND)
        if data:
            self.heard(data)

    def _flush(self) -> None:
        if not self.is_ready(_RECEIVE):
            return
        receiving, before = self.rings[_RECEIVE], len(self._waiting)
        while self._waiting and (taken := self.take(receiving)) is not None:
            head, chain = taken
            written = self.scatter(chain, self._waiting)
            self._waiting = self._waiting[written:]
            self.give(receiving, head, written)
        if len(self._waiting) < before:
            self.call(_RECEIVE)
