"""TCP as it passes on the wire: one direction of a connection, followed from segment to segment. Pure: bytes in, what
a protocol makes of them out."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment with payload to the server's ``port``."""

    source: str
    source_port: int
    sequence: int
    payload: bytes
    is_start: bool
    port: int


def dissect(frame: bytes, *ports: int) -> Segment | None:
    """The TCP segment to one of ``ports`` in an Ethernet ``frame``; None for anything else. One that starts a
    connection has no payload, but tells its sequence number."""
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != socket.IPPROTO_TCP:
        return None
    ip_length = (frame[14] & 15) * 4
    total, = struct.unpack_from("!H", frame, 16)
    tcp = 14 + ip_length
    if len(frame) < tcp + 20 or struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        return None
    source_port, target_port, sequence = struct.unpack_from("!HHI", frame, tcp)
    if target_port not in ports:
        return None
    begin = tcp + (frame[tcp + 12] >> 4) * 4
    is_start = bool(frame[tcp + 13] & 0x02)
    return Segment(socket.inet_ntoa(frame[26:30]), source_port, sequence, frame[begin:14 + total], is_start,
                   target_port)


class Followed:
    """One connection's direction to the server. Segments that were seen already are left out; after one that was not
    seen, it goes on with the next that begins a message."""

    def __init__(self) -> None:
        self.gaps = 0  # times that bytes were missing
        self._next: int | None = None  # sequence number of the byte to come
        self._skip = 0  # bytes until the next message
        self._head = b""  # of a message whose head is cut by a segment's end

    def feed(self, segment: Segment) -> list[Any]:
        """What is told by the heads of messages that end in ``segment``."""
        if segment.is_start:
            self._next, self._skip, self._head = (segment.sequence + 1) & 0xFFFFFFFF, 0, b""
            return []
        data = segment.payload
        if not data:
            return []
        if self._next is not None:
            ahead = (segment.sequence - self._next) & 0xFFFFFFFF
            if ahead >= 0x80000000:  # sent again, at least in part
                data = data[0x100000000 - ahead:]
                if not data:
                    return []
            elif ahead:
                self.gaps += 1
                self._next = None
        if self._next is None:
            if not self._begins(data):
                return []
            self._skip, self._head = 0, b""
        self._next = (segment.sequence + len(segment.payload)) & 0xFFFFFFFF
        return self._parse(data)

    def _parse(self, data: bytes) -> list[Any]:
        found = []
        while data:
            if self._skip:
                taken = min(self._skip, len(data))
                self._skip -= taken
                data = data[taken:]
                continue
            wanted = self._wanted(self._head) - len(self._head)
            if wanted > 0:
                self._head, data = self._head + data[:wanted], data[wanted:]
                if self._wanted(self._head) > len(self._head):
                    continue
            head, self._head = self._head, b""
            if not self._begins(head):  # we lost our way: the next segment that begins with one sets us right
                self.gaps += 1
                self._next = None
                break
            self._skip, told = self._take(head)
            found += told
        return found

    def _begins(self, data: bytes) -> bool:
        """Whether ``data`` may begin a message."""
        raise NotImplementedError

    def _wanted(self, head: bytes) -> int:
        """How many bytes of a message's head are needed, as far as the ``head`` so far tells."""
        raise NotImplementedError

    def _take(self, head: bytes) -> tuple[int, list[Any]]:
        """(bytes of the message after ``head``, what it tells)."""
        raise NotImplementedError
