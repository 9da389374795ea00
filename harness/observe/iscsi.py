"""iSCSI as it passes on the wire: which initiator sends which write command. Pure: bytes in, commands out.

RFC 7143, 11: each PDU is a header of 48 bytes, additional headers, and data padded to four bytes; digests are off
(our target negotiates none). A stream is followed from segment to segment, so that commands in the
middle of a segment are seen, and data that looks like a command is not taken for one.
"""

from __future__ import annotations

from dataclasses import dataclass

from fenceline.observe.tcp import Followed, Segment

HEADER = 48  # bytes of a basic header segment
_SCSI_COMMAND = 0x01
#: What an initiator sends: NOP-Out, SCSI command, task management, login, text, data-out, logout, SNACK.
_INITIATOR_OPCODES = frozenset({0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10})
#: SCSI commands that change the medium: WRITE, WRITE AND VERIFY, WRITE SAME, UNMAP, COMPARE AND WRITE.
WRITES = frozenset({0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E, 0x41, 0x93, 0x42, 0x89})
_LARGEST = 1 << 24


@dataclass(frozen=True, slots=True)
class Command:
    """A SCSI command of an initiator: the LUN's number and the command's first byte."""

    lun: int
    operation: int

    @property
    def writes(self) -> bool:
        """Whether it changes the medium."""
        return self.operation in WRITES


class Stream(Followed):
    """One connection of an initiator to the target."""

    def feed(self, segment: Segment) -> list[Command]:
        """The commands whose headers end in ``segment``."""
        return super().feed(segment)

    def _begins(self, data: bytes) -> bool:
        """A PDU of an initiator: known operation, sane length, the reserved bit clear."""
        return (len(data) >= 8 and not data[0] & 0x80 and data[0] & 0x3F in _INITIATOR_OPCODES
                and int.from_bytes(data[5:8]) < _LARGEST - 1 and data[4] < 64)

    def _wanted(self, head: bytes) -> int:
        return HEADER

    def _take(self, head: bytes) -> tuple[int, list[Command]]:
        skip = head[4] * 4 + -(-int.from_bytes(head[5:8]) // 4) * 4
        return skip, [Command((head[8] & 0x3F) << 8 | head[9], head[32])] if head[0] & 0x3F == _SCSI_COMMAND else []
