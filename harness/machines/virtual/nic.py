"""A virtio network card (virtio specification 1.2, 5.1), plugged into a switch of the world."""

from __future__ import annotations

import struct
from collections import deque
from pathlib import Path
from typing import ClassVar

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.frames import HEADER, Frame
from fenceline.machines.virtual.switch import Port, Switch
from fenceline.machines.virtual.vhost import Device

# VIRTIO_NET_F_: CSUM, GUEST_CSUM, MAC, GUEST_TSO4, HOST_TSO4, MRG_RXBUF, STATUS
_FEATURES = sum(1 << bit for bit in (0, 1, 5, 7, 11, 15, 16))
_RECEIVE, _SEND = 0, 1
_TOLD_AFTER = 1_000  # ns until the card looks at the room that it was given
_SENT_AFTER = 50_000  # ns until it tells that it has sent, once for all that it did in that time: an interrupt is dear
_WAITING = 1000  # frames that wait for the guest to make room; what comes then is lost


class NetworkCard(Device, Port):
    """A card with the address ``mac``. ``is_up`` is its cable: the guest sees it come and go."""

    virtio_id: ClassVar[int] = 1
    rings_wanted: ClassVar[int] = 2
    features = _FEATURES

    def __init__(self, calendar: Calendar, name: str, path: Path, switch: Switch, mac: str) -> None:
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.lost = 0
        self._waiting: deque[Frame] = deque()
        self._is_telling = False
        Port.__init__(self, name)
        Device.__init__(self, calendar, name, path)
        self.switch = switch
        switch.plug_in(self)

    def config(self) -> bytes:
        return self.mac + struct.pack("<H", self.is_up)

    def set_link(self, is_up: bool) -> None:
        """Plugs the cable in, or pulls it. Only in the calendar's turn."""
        if is_up != self.is_up:
            self.is_up = is_up
            self.config_changed()

    def unplugged(self) -> None:
        self._waiting.clear()
        self._is_telling = False

    def kicked(self, ring: int) -> None:
        if ring == _RECEIVE:  # there is room again
            if self._waiting:
                self.after(_TOLD_AFTER, self._flush)
            return
        sending = self.rings[_SEND]
        while (taken := self.take(sending)) is not None:
            head, chain = taken
            data = self.gather(chain)
            self.give(sending, head, 0)
            if len(data) > HEADER.size + 14:
                self.switch.send(self, Frame(data[HEADER.size:], data[:HEADER.size]))
        if not self._is_telling:
            self._is_telling = True
            self.after(_SENT_AFTER, self._tell_sent)

    def _tell_sent(self) -> None:
        self._is_telling = False
        self.call(_SEND)

    def deliver(self, frame: Frame) -> None:
        if not self.is_up or not self.is_ready(_RECEIVE):
            return
        if len(self._waiting) >= _WAITING:
            self.lost += 1
            return
        self._waiting.append(frame)
        self._flush()

    def _flush(self) -> None:
        if not self.is_ready(_RECEIVE):
            return
        delivered = False
        while self._waiting and self._put(self._waiting[0]):
            self._waiting.popleft()
            delivered = True
        if delivered:
            self.call(_RECEIVE)

    def _put(self, frame: Frame) -> bool:
        """Writes one frame into as many buffers as it needs; whether there were as many."""
        ring = self.rings[_RECEIVE]
        before, used = ring.taken, []
        rest = frame.header[:10] + b"\1\0" + frame.data
        while rest:
            taken = self.take(ring)
            if taken is None:
                ring.taken = before
                return False
            head, chain = taken
            written = self.scatter(chain, rest)
            rest = rest[written:]
            used.append((head, written, chain[0][0]))
        if len(used) > 1:  # num_buffers
            struct.pack_into("<H", self.memory, used[0][2] + 10, len(used))
        for head, written, _ in used:
            self.give(ring, head, written)
        return True
