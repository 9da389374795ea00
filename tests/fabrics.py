"""A real fabric in a test, and the machines' ends of its cables."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from fenceline.journal.journal import Journal
from fenceline.machines.fabric import Fabric
from fenceline.model.topology import Topology

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 2, 0x1000  # linux/if_tun.h


def skip_unless(*tools: str) -> None:
    """Skips the test that is not root's, or whose host has not all ``tools``."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@contextlib.contextmanager
def real_fabric(topology: Topology, folder: Path) -> Iterator[Fabric]:
    """The fabric of ``topology``, with its journal in ``folder``; gone afterwards."""
    journal = Journal(folder / "journal.jsonl")
    fabric = Fabric(f"t{secrets.token_hex(3)}", topology, journal)
    try:
        fabric.create()
        yield fabric
    finally:
        fabric.close()
        journal.close(remove=True)


def open_tap(fabric: Fabric, node: str, network: str) -> int:
    """The machine's end of its cable, as a descriptor for frames."""
    with fabric.entered():
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", fabric.tap(node, network).encode(), _IFF_TAP | _IFF_NO_PI))
    return fd


@contextlib.contextmanager
def plugged(fabric: Fabric, node: str, network: str) -> Iterator[int]:
    """``open_tap``, closed afterwards."""
    fd = open_tap(fabric, node, network)
    try:
        yield fd
    finally:
        os.close(fd)


def arp_answer(frame: bytes, own: bytes, ip: bytes) -> bytes | None:
    """What the card ``own`` with the address ``ip`` says to ``frame``, if that is an ARP request for it (RFC 826)."""
    if frame[12:14] != b"\x08\x06" or frame[20:22] != b"\x00\x01" or frame[38:42] != ip:
        return None
    return frame[6:12] + own + frame[12:20] + b"\x00\x02" + own + ip + frame[22:32] + bytes(18)


class Cable:
    """A cable of the fabric of ``cluster``, as UML's driver has it."""

    def __init__(self, cluster, node: str, network: str) -> None:
        self.cluster, self.node, self.network = cluster, node, network

    def _set(self, up: bool) -> None:
        self.cluster.fabric.set_link(self.node, self.network, up)
        self.cluster.log.record("fabric", self.node, f"link.{'up' if up else 'down'}", {"network": self.network})

    def down(self) -> None:
        self._set(False)

    def up(self) -> None:
        self._set(True)

    def is_up(self) -> bool:
        return self.cluster.fabric.link_is_up(self.node, self.network)
