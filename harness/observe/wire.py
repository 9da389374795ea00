"""The wire: who says on the service network that a floating address is his.

An ARP answer shows who sends it, and it is seen even when the cluster software believes otherwise: two owners
of one VIP are seen here and nowhere else. As an owner that nobody asks is silent, we ask.

It is seen twice: on the bridge, as everybody else hears it (``arp``), and announcements on the owner's own cable too,
before any rule of the switch (``arp.sent``): one that is lost on its way was sent nevertheless.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.model.addressing import harness_address, node_of_mac
from fenceline.model.topology import Topology
from fenceline.observe.log import EventLog
from fenceline.observe.loop import ObserverLoop
from fenceline.observe.timed import TimedObserver

ASK_EVERY = 0.200  # s between two who-has
REPEAT = 1.0  # s: an unchanged claim is logged again after so long
_LATE_NS = 1_000_000  # from the guest's card to the bridge, where the kernel stamps it
_ETH_P_ARP = 0x0806
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h, the form with 64-bit time on 64-bit machines
_PACKET_ADD_MEMBERSHIP, _PACKET_MR_PROMISC = 1, 1
_SOL_PACKET = 263
_SIOCGIFINDEX = 0x8933
_SO_ATTACH_FILTER = 26
_ETH_P_ALL = 0x0003
#: Classic BPF (code, jump if true, jump if false, value): ARP that comes from the machine, not what goes to it.
_ARP_FROM_MACHINE = ((0x20, 0, 0, 0xFFFFF004),  # load the packet's type
                     (0x15, 3, 0, 4),           # outgoing: drop
                     (0x28, 0, 0, 12),          # load the EtherType
                     (0x15, 0, 1, _ETH_P_ARP),  # another: drop
                     (0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0))
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
        self._sockets: list[tuple[socket.socket, str]] = []
        self._cables: list[socket.socket] = []

    def _open(self) -> bool:
        if not self._vips:
            return False
        for network in self._topology.networks_with("service"):
            with self._fabric.entered():
                # protocol 0 at first: nothing is queued from other interfaces before it is bound
                sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            # ETH_P_ARP, not ETH_P_ALL: leaves out what we send ourselves
            sock.bind((self._fabric.bridge(network), _ETH_P_ARP))
            # for the answers that one guest gives another
            join_promiscuously(sock, self._fabric.bridge(network))
            self._sockets.append((sock, str(harness_address(self._topology, network))))
            self._loop.add(sock, lambda sock=sock: self._read(sock, self._heard))
            for node in self._topology.service_nodes:
                if network in self._topology.networks_of(node):
                    self._watch_cable(node, network)
        return True

    def _watch_cable(self, node: str, network: str) -> None:
        with self._fabric.entered():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        only_arp_from_machine(sock)
        # all protocols: those of one are given a frame only after the bridge, which takes it away
        sock.bind((self._fabric.tap(node, network), _ETH_P_ALL))
        self._cables.append(sock)
        self._loop.add(sock, lambda: self._read(sock, lambda claim, t_ns: self._announced(node, claim, t_ns)))

    def _close(self) -> None:
        for sock in (*(sock for sock, _ in self._sockets), *self._cables):
            self._loop.remove(sock)
            sock.close()
        self._sockets.clear()
        self._cables.clear()

    def _turn(self) -> None:
        self._follow_segment()
        for sock, own_ip in self._sockets:
            own_mac = sock.getsockname()[4]  # asked each time: a bridge's changes when it gets its first port
            for vip in self._vips:
                try:
                    sock.send(who_has(vip, own_ip, own_mac))
                except OSError as error:
                    if error.errno not in (errno.ENETDOWN, errno.ENOBUFS, errno.EAGAIN):
                        raise

    def _follow_segment(self) -> None:
        if self._segment != self._log.segment:
            self._throttle, self._sent, self._segment = Throttle(), Throttle(), self._log.segment
            self._log.record("wire", None, "wire.watch", {"addresses": self._vips})

    def _read(self, sock: socket.socket, take: Callable[[Claim, int], None]) -> None:
        while True:
            try:
                frame, ancillary, _, _ = sock.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENETDOWN:  # told once when the bridge goes down; it may come back
                    return
                raise
            claim = dissect(frame)
            if claim is None or claim.ip not in self._vips:
                continue
            self._follow_segment()
            take(claim, stamp_of(ancillary, self._log.clock))

    def _heard(self, claim: Claim, t_ns: int) -> None:
        if self._throttle.is_news(claim, t_ns):
            self._log.record("wire", node_of_mac(self._topology, claim.mac), "arp",
                             {"ip": claim.ip, "mac": claim.mac, "how": claim.how}, t_ns, _LATE_NS)

    def _announced(self, node: str, claim: Claim, t_ns: int) -> None:
        if claim.how == "gratuitous" and self._sent.is_news(claim, t_ns):
            self._log.record("wire", node, "arp.sent", {"ip": claim.ip, "mac": claim.mac}, t_ns, _LATE_NS)


def only_arp_from_machine(sock: socket.socket) -> None:
    """Lets the packet socket ``sock`` on a machine's cable have the ARP frames that the machine sends, and nothing
    else: whatever else passes there costs us nothing."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in _ARP_FROM_MACHINE))
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER,
                    struct.pack("HP", len(_ARP_FROM_MACHINE), ctypes.addressof(program)))


def stamp_of(ancillary: list[tuple[int, int, bytes]], clock: Clock = HOST_CLOCK) -> int:
    """The kernel's stamp of a message, in ns of ``clock``, the host's; now, if it has none.

    The kernel stamps with CLOCK_REALTIME. The offset between the two clocks is sampled now, a moment after
    the stamp, so that a step of the host's wall clock harms no more than the messages of that moment.
    """
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= 16:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            age = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            return clock.now_ns() - min(max(age, 0), 5_000_000_000)
    return clock.now_ns()


def join_promiscuously(sock: socket.socket, name: str) -> None:
    """Lets the packet socket ``sock`` see on the bridge ``name`` also what one guest sends to another."""
    sock.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP,
                    struct.pack("iHH8s", _interface_index(sock, name), _PACKET_MR_PROMISC, 0, b""))


def _interface_index(sock: socket.socket, name: str) -> int:
    """The index of ``name`` in the namespace of ``sock`` (if_nametoindex would ask in the thread's)."""
    answer = fcntl.ioctl(sock, _SIOCGIFINDEX, struct.pack("16s16x", name.encode()))
    return int(struct.unpack_from("i", answer, 16)[0])
