"""iSCSI as it passes on the wire: which initiator sends which write command. Pure: bytes in, commands out.

RFC 7143, 11: each PDU is a header of 48 bytes, additional headers, and data padded to four bytes; digests are off
(``harness.storage.iscsi`` negotiates none). A stream is followed from segment to segment, so that commands in the
middle of a segment are seen, and data that looks like a command is not taken for one.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

HEADER = 48  # bytes of a basic header segment
_SCSI_COMMAND = 0x01
#: What an initiator sends: NOP-Out, SCSI command, task management, login, text, data-out, logout, SNACK.
_INITIATOR_OPCODES = frozenset({0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10})
#: SCSI commands that change the medium: WRITE, WRITE AND VERIFY, WRITE SAME, UNMAP, COMPARE AND WRITE.
WRITES = frozenset({0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E, 0x41, 0x93, 0x42, 0x89})
_LARGEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment with payload."""

    source: str
    source_port: int
    sequence: int
    payload: bytes
    is_start: bool


def dissect(frame: bytes, port: int) -> Segment | None:
    """The TCP segment to ``port`` in an Ethernet ``frame``; None for anything else. One that starts a connection has
    no payload, but tells its sequence number."""
    if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != socket.IPPROTO_TCP:
        return None
    ip_length = (frame[14] & 15) * 4
    total, = struct.unpack_from("!H", frame, 16)
    tcp = 14 + ip_length
    if len(frame) < tcp + 20 or struct.unpack_from("!H", frame, 20)[0] & 0x1FFF:
        return None
    source_port, target_port, sequence = struct.unpack_from("!HHI", frame, tcp)
    if target_port != port:
        return None
    begin = tcp + (frame[tcp + 12] >> 4) * 4
    is_start = bool(frame[tcp + 13] & 0x02)
    return Segment(socket.inet_ntoa(frame[26:30]), source_port, sequence, frame[begin:14 + total], is_start)


@dataclass(frozen=True, slots=True)
class Command:
    """A SCSI command of an initiator: the LUN's number and the command's first byte."""

    lun: int
    operation: int

    @property
    def writes(self) -> bool:
        """Whether it changes the medium."""
        return self.operation in WRITES


class Stream:
    """One connection's direction to the target. Segments that were seen already are left out; after one that was
    not seen, it goes on with the next that begins with a header."""

    def __init__(self) -> None:
        self.gaps = 0  # times that bytes were missing
        self._next: int | None = None  # sequence number of the byte to come
        self._skip = 0  # bytes until the next header
        self._head = b""  # of a header that is cut by a segment's end

    def feed(self, segment: Segment) -> list[Command]:
        """The commands whose headers end in ``segment``."""
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
            if not _is_header(data):
                return []
            self._skip, self._head = 0, b""
        self._next = (segment.sequence + len(segment.payload)) & 0xFFFFFFFF
        return self._parse(data)

    def _parse(self, data: bytes) -> list[Command]:
        found = []
        while data:
            if self._skip:
                taken = min(self._skip, len(data))
                self._skip -= taken
                data = data[taken:]
                continue
            wanted = HEADER - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) < HEADER:
                break
            head, self._head = self._head, b""
            if not _is_header(head):  # we lost our way: the next segment that begins with one sets us right
                self.gaps += 1
                self._next = None
                break
            self._skip = head[4] * 4 + -(-int.from_bytes(head[5:8]) // 4) * 4
            if head[0] & 0x3F == _SCSI_COMMAND:
                found.append(Command((head[8] & 0x3F) << 8 | head[9], head[32]))
        return found


def _is_header(data: bytes) -> bool:
    """Whether ``data`` may begin a PDU of an initiator: known operation, sane length, the reserved bit clear."""
    return (len(data) >= 8 and not data[0] & 0x80 and data[0] & 0x3F in _INITIATOR_OPCODES
            and int.from_bytes(data[5:8]) < _LARGEST - 1 and data[4] < 64)
