"""A fabric without machines: each tap is held by a thread that answers ARP and talks to the others, like a guest."""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import shutil
import struct
import threading
from types import SimpleNamespace

import pytest

from harness.journal import Journal
from harness.machines.fabric import Fabric
from harness.machines.protocol import Power
from harness.model.addressing import address
from harness.model.load import load_topology
from harness.observe.log import EventLog

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP_NO_PI = 0x1002


class TapGuest:
    """One card: says something to every other card of its network 50 times a second, and answers ARP."""

    def __init__(self, fabric: Fabric, node: str, network: str) -> None:
        self.own = bytes.fromhex(fabric.mac(node, network).replace(":", ""))
        self.ip = bytes(int(part) for part in str(address(fabric.topology, node, network)).split("."))
        self.others = [bytes.fromhex(fabric.mac(other, network).replace(":", "")) for other in fabric.topology.nodes
                       if other != node and network in fabric.topology.networks_of(other)]
        self.talks = True
        self._stop = threading.Event()
        with fabric.entered():
            self._fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._fd, _TUNSETIFF, struct.pack("16sH", fabric.tap(node, network).encode(), _IFF_TAP_NO_PI))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            if select.select([self._fd], [], [], 0.02)[0]:
                self._take(os.read(self._fd, 2048))
            elif self.talks:
                for other in self.others:
                    os.write(self._fd, other + self.own + b"\x88\xb6" + bytes(60))

    def _take(self, frame: bytes) -> None:
        # an ARP request (RFC 826) for our address
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01" and frame[38:42] == self.ip:
            os.write(self._fd, frame[6:12] + self.own + frame[12:20] + b"\x00\x02" + self.own + self.ip
                     + frame[22:32] + bytes(18))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(2)
        os.close(self._fd)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """``cluster`` with a real fabric of web-iscsi-3 and tap guests; ``guests`` by (node, network)."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make a network namespace")
    for tool in ("ip", "nft", "tc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    topology = load_topology("web-iscsi-3")
    journal = Journal(tmp_path_factory.mktemp("journal") / "j.jsonl")
    fabric = Fabric(secrets.token_hex(4), topology, journal)
    guests = {}
    try:
        fabric.create()
        guests = {(node, network): TapGuest(fabric, node, network) for node in topology.nodes
                  for network in topology.networks_of(node)}
        cluster = SimpleNamespace(
            topology=topology, fabric=fabric, log=EventLog(), boot_deadline=3.0, is_running=lambda node: True,
            session=lambda node: SimpleNamespace(run=lambda *a, **k: None), faults=_Faults(),
            machine=lambda node: SimpleNamespace(power=lambda: Power.ON,
                                                 link=lambda network: Cable(cluster, node, network)))
        yield SimpleNamespace(cluster=cluster, guests=guests)
    finally:
        for guest in guests.values():
            guest.close()
        fabric.close()
        journal.close(remove=True)


class _Faults:
    """Only to be referred to weakly."""


class Cable:
    """A cable of the fabric, as UML's driver has it."""

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
