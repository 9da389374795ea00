"""A host of the world that is no machine: the harness's own end of a network, where clients ask from and BMCs answer.

As much of IPv4 as that needs: ARP, ICMP echo, UDP, and TCP as in ``tcp``. Nothing is routed, and nothing comes in
fragments. Its neighbour entries are as the fabric's are (see ``Fabric``): one that nobody confirmed for 2 s is asked
for, every 100 ms; one that is not answered is given up after three; an announcement is believed at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import inet_aton, inet_ntoa

from fenceline.machines.virtual.calendar import Calendar
from fenceline.machines.virtual.frames import Frame, checksum
from fenceline.machines.virtual.switch import Port, Switch

ICMP, TCP, UDP = 1, 6, 17
REACHABLE = 2_000_000_000  # ns that an entry is taken for good without a sign of life
ASK_AGAIN = 100_000_000  # ns between two questions for one neighbour
_ASK_TIMES = 3
_WAITING = 3  # packets that wait for a neighbour's address, as with Linux's unres_qlen of old
_BROADCAST = b"\xff" * 6
_ARP_REQUEST, _ARP_REPLY = 1, 2

#: Called with (source address, source port, data).
Datagram = Callable[[str, int, bytes], None]


@dataclass
class Neighbour:
    """What a host knows of an address of its network."""

    mac: bytes | None = None
    confirmed: int = 0  # ns: the last sign of life
    asked: int = 0  # times in a row, without an answer
    waiting: list[bytes] = field(default_factory=list)


class Host(Port):
    """A host with ``addresses`` at ``switch``. One that is ``sticky`` is the router of most clients: it asks for a
    neighbour once, and believes what it knows until somebody says otherwise."""

    def __init__(self, calendar: Calendar, switch: Switch, mac: str, addresses: list[str],
                 sticky: bool = False) -> None:
        super().__init__(f"host at {switch.name}")
        self.calendar, self.switch, self.sticky = calendar, switch, sticky
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.addresses = list(addresses)
        self.neighbours: dict[str, Neighbour] = {}
        self.segments: dict[tuple[str, int, str, int], Callable[[bytes], None]] = {}  # of TCP, by the connection
        self._datagrams: dict[tuple[str, int], Datagram] = {}
        self._identification = 0
        self._next_port = 32768
        switch.plug_in(self)

    def listen(self, address: str, port: int, heard: Datagram) -> None:
        """Takes UDP datagrams to ``port`` of ``address``."""
        self._datagrams[address, port] = heard

    def unlisten(self, address: str, port: int) -> None:
        """Takes no more of them. May be repeated."""
        self._datagrams.pop((address, port), None)

    def new_port(self) -> int:
        """A port for a connection of ours: one after the other, as chance would have to come from the seed."""
        self._next_port = 32768 + (self._next_port + 1 - 32768) % 28232
        return self._next_port

    def send_datagram(self, source: str, source_port: int, target: str, port: int, data: bytes) -> None:
        """Sends a UDP datagram."""
        body = struct.pack("!HHHH", source_port, port, 8 + len(data), 0) + data
        value = checksum(pseudo_header(source, target, UDP, len(body)) + body) or 0xFFFF
        self.send(source, target, UDP, body[:6] + value.to_bytes(2, "big") + body[8:])

    def send(self, source: str, target: str, protocol: int, body: bytes) -> None:
        """Sends an IPv4 packet; without knowing the neighbour it is asked for first."""
        self._identification = (self._identification + 1) & 0xFFFF
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), self._identification, 0x4000, 64, protocol, 0,
                           inet_aton(source), inet_aton(target))
        packet = head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + body
        neighbour = self.neighbours.setdefault(target, Neighbour())
        if neighbour.mac is None:
            if len(neighbour.waiting) < _WAITING:
                neighbour.waiting.append(packet)
            if not neighbour.asked:
                self._ask(target)
            return
        if not self.sticky and not neighbour.asked and self.calendar.now - neighbour.confirmed > REACHABLE:
            self._ask(target)
        self._emit(neighbour.mac, b"\x08\x00", packet)

    def forget(self) -> None:
        """Forgets all neighbours."""
        self.neighbours.clear()

    # neighbours

    def _ask(self, target: str) -> None:
        neighbour = self.neighbours.get(target)
        if neighbour is None:
            return
        neighbour.asked += 1
        if neighbour.asked > _ASK_TIMES:
            # given up, with what waits for it; the next packet asks anew
            self.neighbours[target] = Neighbour()
            return
        self._emit(_BROADCAST, b"\x08\x06", _arp(_ARP_REQUEST, self.mac, self.addresses[0], bytes(6), target))
        self.calendar.after(ASK_AGAIN, lambda: self._ask(target) if neighbour.asked
                            and self.neighbours.get(target) is neighbour else None)

    def _learn(self, address: str, mac: bytes) -> None:
        neighbour = self.neighbours.get(address)
        if neighbour is None:
            return
        neighbour.mac, neighbour.confirmed, neighbour.asked = mac, self.calendar.now, 0
        waiting, neighbour.waiting = neighbour.waiting, []
        for packet in waiting:
            self._emit(mac, b"\x08\x00", packet)

    def _emit(self, target: bytes, ethertype: bytes, packet: bytes) -> None:
        self.switch.send(self, Frame((target + self.mac + ethertype + packet).ljust(60, b"\0")))

    # what comes in

    def deliver(self, frame: Frame) -> None:
        if frame.ethertype == 0x0806 and len(frame.data) >= 42:
            self._take_arp(frame.data)
        elif frame.ethertype == 0x0800 and frame.target == self.mac and len(frame.data) >= 34:
            self._take_packet(frame.completed().data[14:], frame.source)

    def _take_arp(self, data: bytes) -> None:
        operation, mac, sender, _, target = struct.unpack("!H6s4s6s4s", data[20:42])
        sender_ip, target_ip = inet_ntoa(sender), inet_ntoa(target)
        if sender != bytes(4):
            if operation == _ARP_REQUEST and target_ip in self.addresses:
                self.neighbours.setdefault(sender_ip, Neighbour())
            self._learn(sender_ip, mac)
        if operation == _ARP_REQUEST and target_ip in self.addresses and sender_ip not in self.addresses:
            self._emit(mac, b"\x08\x06", _arp(_ARP_REPLY, self.mac, target_ip, mac, sender_ip))

    def _take_packet(self, packet: bytes, mac: bytes) -> None:
        begin, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        if packet[0] >> 4 != 4 or checksum(packet[:begin]):
            return
        source, target = inet_ntoa(packet[12:16]), inet_ntoa(packet[16:20])
        # a length of 0: a packet that its sender's card was to cut
        body = packet[begin:total] if total else packet[begin:]
        if target not in self.addresses:
            return
        neighbour = self.neighbours.get(source)
        if neighbour is not None and neighbour.mac == mac:
            neighbour.confirmed = self.calendar.now
        protocol = packet[9]
        if protocol == UDP and len(body) >= 8:
            self._take_datagram(source, target, body)
        elif protocol == TCP and len(body) >= 20:
            source_port, port = struct.unpack_from("!HH", body)
            if checksum(pseudo_header(source, target, TCP, len(body)) + body):
                return
            heard = self.segments.get((target, port, source, source_port))
            if heard is not None:
                heard(body)
        elif protocol == ICMP and body[:1] == b"\x08":
            answer = b"\0\0\0\0" + body[4:]
            self.send(target, source, ICMP, answer[:2] + checksum(answer).to_bytes(2, "big") + answer[4:])

    def _take_datagram(self, source: str, target: str, body: bytes) -> None:
        source_port, port, length, value = struct.unpack_from("!HHHH", body)
        if value and checksum(pseudo_header(source, target, UDP, len(body)) + body):
            return
        heard = self._datagrams.get((target, port))
        if heard is not None:
            heard(source, source_port, body[8:length])


def pseudo_header(source: str, target: str, protocol: int, length: int) -> bytes:
    """What the checksums of UDP and TCP include beside the packet."""
    return inet_aton(source) + inet_aton(target) + struct.pack("!BBH", 0, protocol, length)


def _arp(operation: int, mac: bytes, ip: str, target_mac: bytes, target: str) -> bytes:
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac, inet_aton(ip), target_mac,
                       inet_aton(target))
