"""Ethernet frames of a virtual world, and what virtio-net tells of them beside. Pure: bytes in, bytes out."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

#: struct virtio_net_hdr_v1: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers
HEADER = struct.Struct("<BBHHHHH")
_NEEDS_CHECKSUM, _CHECKSUM_IS_GOOD = 1, 2
NO_HEADER = bytes(HEADER.size)


def checksum(data: bytes) -> int:
    """The Internet checksum of ``data`` (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame on its way. ``header`` is virtio-net's: a guest may leave its checksum, and the cutting into packets of
    the network's size, to the card; from guest to guest nobody needs to do either."""

    data: bytes
    header: bytes = NO_HEADER

    @property
    def source(self) -> bytes:
        """The sender's MAC address."""
        return self.data[6:12]

    @property
    def target(self) -> bytes:
        """The receiver's MAC address."""
        return self.data[:6]

    @property
    def is_to_group(self) -> bool:
        """Whether everybody, or a group, is meant."""
        return bool(self.data[0] & 1)

    @property
    def ethertype(self) -> int:
        """What it carries: 0x0800 IPv4, 0x0806 ARP."""
        return int.from_bytes(self.data[12:14], "big")

    def completed(self) -> Frame:
        """The frame with the checksum that its sender left to the card."""
        flags, _, _, _, start, offset, _ = HEADER.unpack(self.header)
        if not flags & _NEEDS_CHECKSUM:
            return self
        at = start + offset
        # the sender has put the pseudo header's sum there
        value = checksum(self.data[start:]) or 0xFFFF
        return replace(self, data=self.data[:at] + value.to_bytes(2, "big") + self.data[at + 2:],
                       header=b"\0" + self.header[1:])

    def corrupted(self, bit: int) -> Frame:
        """The frame with one bit of what follows the Ethernet header turned over, counted modulo its length. The
        receiver's own checksum is to find that: it is told nothing of it."""
        data = bytearray(self.completed().data)
        if len(data) <= 14:
            return self
        at = 14 + bit // 8 % (len(data) - 14)
        data[at] ^= 1 << bit % 8
        return Frame(bytes(data), b"\0" + self.header[1:])


def udp_ports(frame: Frame) -> tuple[int, int] | None:
    """(source port, target port) of a UDP or TCP packet over IPv4; None for anything else, also for the later parts of
    a packet in fragments."""
    data = frame.data
    if len(data) < 38 or data[12:14] != b"\x08\x00" or data[23] not in (6, 17):
        return None
    if int.from_bytes(data[20:22], "big") & 0x1FFF:
        return None
    at = 14 + (data[14] & 15) * 4
    return struct.unpack_from("!HH", data, at)
