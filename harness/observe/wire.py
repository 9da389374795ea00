"""The wire: who says on the service network that a floating address is his.

An ARP answer shows who sends it, and it is seen even when the cluster software believes otherwise: two owners
of one VIP are seen here and nowhere else. As an owner that nobody asks is silent, we ask.

It is seen twice: on the bridge, as everybody else hears it (``arp``), and announcements on the owner's own cable too,
before any rule of the switch (``arp.sent``): one that is lost on its way was sent nevertheless.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fenceline.machines.sockets import ArpFrames
from fenceline.model.addressing import harness_address, node_of_mac
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.timed import TimedObserver

ASK_EVERY = 0.200  # s between two who-has
REPEAT = 1.0  # s: an unchanged claim is logged again after so long
_LATE_NS = 1_000_000  # from the guest's card to the bridge, where the kernel stamps it
_ETH_P_ARP = 0x0806
_REQUEST, _REPLY = 1, 2
_BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Claim:
    """An ARP frame in which ``mac`` says that it has ``ip``."""

    ip: str
    mac: str
    how: str  # gratuitous or reply


def dissect(frame: bytes) -> Claim | None:
    """The claim in an Ethernet ``frame``; None for other frames, for questions and for address probes (from
    0.0.0.0: those ask whether an address is free, they don't claim it)."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x06":
        return None
    hardware, protocol, hlen, plen, operation = struct.unpack("!HHBBH", frame[14:22])
    if (hardware, protocol, hlen, plen) != (1, 0x0800, 6, 4) or operation not in (_REQUEST, _REPLY):
        return None
    sender_mac, sender, target = frame[22:28], frame[28:32], frame[38:42]
    if sender == bytes(4):
        return None
    if sender == target or (operation == _REPLY and frame[:6] == _BROADCAST):
        how = "gratuitous"
    elif operation == _REPLY:
        how = "reply"
    else:
        return None
    return Claim(socket.inet_ntoa(sender), sender_mac.hex(":"), how)


def who_has(ip: str, own_ip: str, own_mac: bytes) -> bytes:
    """The broadcast frame that asks for ``ip``."""
    header = struct.pack("!HHHBBH", _ETH_P_ARP, 1, 0x0800, 6, 4, _REQUEST)
    return b"".join((_BROADCAST, own_mac, header,
                     own_mac, socket.inet_aton(own_ip), bytes(6), socket.inet_aton(ip)))


class Throttle:
    """Which claims are news: a new owner, or one not logged for ``REPEAT`` s. A pure state machine."""

    def __init__(self) -> None:
        self._owner: dict[str, str] = {}
        self._logged: dict[Claim, int] = {}

    def is_news(self, claim: Claim, t_ns: int) -> bool:
        """Whether ``claim``, seen at ``t_ns`` (ns), is to be logged."""
        changed = self._owner.get(claim.ip) != claim.mac
        self._owner[claim.ip] = claim.mac
        last = self._logged.get(claim)
        if not changed and last is not None and t_ns - last < REPEAT * 1e9:
            return False
        self._logged[claim] = t_ns
        return True


class WireObserver(TimedObserver):
    """Watches the service bridges for claims to the topology's VIPs; each that is news is an event ``arp``. What a
    member announces on its own cable is an event ``arp.sent``, whether or not the switch passes it on.

    Stamps are the kernel's, from when the frame passed the bridge or came to the cable. In a new segment of the log
    every owner is news again, and ``wire.watch`` says that cables are watched from then on.

    Raises:
        OSError: from ``start``, without the right to open packet sockets in the fabric.
    """

    interval = ASK_EVERY

    def __init__(self, fabric: Any, topology: Topology, log: EventLog, loop: ObserverLoop) -> None:
        super().__init__(log, loop)
        self._fabric, self._topology = fabric, topology
        self._vips = [str(part.address) for service in topology.services.values() for part in service.vips]
        self._throttle, self._sent, self._segment = Throttle(), Throttle(), -1
        self._bridges: list[tuple[Any, str]] = []
        self._cables: list[Any] = []

    def _open(self) -> bool:
        if not self._vips:
            return False
        for network in self._topology.networks_with("service"):
            source = self._fabric.frames(network, ArpFrames())
            self._bridges.append((source, str(harness_address(self._topology, network))))
            self._loop.add(source, lambda source=source: self._read(source, self._heard))
            for node in self._topology.service_nodes:
                if network in self._topology.networks_of(node):
                    self._watch_cable(node, network)
        return True

    def _watch_cable(self, node: str, network: str) -> None:
        source = self._fabric.frames(network, ArpFrames(), node)
        self._cables.append(source)
        self._loop.add(source, lambda: self._read(source, lambda claim, t_ns: self._announced(node, claim, t_ns)))

    def _close(self) -> None:
        for source in (*(source for source, _ in self._bridges), *self._cables):
            self._loop.remove(source)
            source.close()
        self._bridges.clear()
        self._cables.clear()

    def _turn(self) -> None:
        self._follow_segment()
        for source, own_ip in self._bridges:
            own_mac = source.mac
            for vip in self._vips:
                source.send(who_has(vip, own_ip, own_mac))

    def _follow_segment(self) -> None:
        if self._segment != self._log.segment:
            self._throttle, self._sent, self._segment = Throttle(), Throttle(), self._log.segment
            self._log.record("wire", None, "wire.watch", {"addresses": self._vips})

    def _read(self, source: Any, take: Callable[[Claim, int], None]) -> None:
        while (found := source.read()) is not None:
            frame, t_ns = found
            claim = dissect(frame)
            if claim is None or claim.ip not in self._vips:
                continue
            self._follow_segment()
            take(claim, t_ns)

    def _heard(self, claim: Claim, t_ns: int) -> None:
        if self._throttle.is_news(claim, t_ns):
            self._log.record("wire", node_of_mac(self._topology, claim.mac), "arp",
                             {"ip": claim.ip, "mac": claim.mac, "how": claim.how}, t_ns, _LATE_NS)

    def _announced(self, node: str, claim: Claim, t_ns: int) -> None:
        if claim.how == "gratuitous" and self._sent.is_news(claim, t_ns):
            self._log.record("wire", node, "arp.sent", {"ip": claim.ip, "mac": claim.mac}, t_ns, _LATE_NS)
