"""The fabric of a virtual world: its switches, and the harness's own hosts at them. No namespace, no root."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from fenceline.core.errors import HostError
from fenceline.machines.frames import Watch
from fenceline.machines.sockets import Wanted
from fenceline.machines.virtual.capture import PcapFile
from fenceline.machines.virtual.clock import VirtualClock
from fenceline.machines.virtual.frames import Frame
from fenceline.machines.virtual.host import Host
from fenceline.machines.virtual.nic import NetworkCard
from fenceline.machines.virtual.sockets import FrameSocket, TcpSocket, UdpSocket
from fenceline.machines.virtual.switch import Port, Rule, Switch
from fenceline.model.addressing import address, bmc_address, harness_address, mac, router_address
from fenceline.model.topology import Topology

_ASK_AGAIN = 0.1  # s between two ARP probes


class VirtualFabric:
    """The networks of ``topology``; see ``fenceline.machines.fabric.Fabric`` for what each method means."""

    def __init__(self, clock: VirtualClock, topology: Topology, seed: int = 0) -> None:
        self.clock, self.topology = clock, topology
        calendar = clock.calendar
        self.switches = {network: Switch(calendar, network, seed) for network in topology.networks}
        self.cards: dict[tuple[str, str], NetworkCard] = {}  # by node and network
        self.hosts: dict[str, Host] = {}
        self.routers: dict[str, Host] = {}
        for number, (network, settings) in enumerate(topology.networks.items()):
            addresses = []
            if settings.role in ("management", "service"):
                addresses.append(str(harness_address(topology, network)))
            if settings.role == "management":
                addresses += [str(bmc_address(topology, node)) for node in topology.service_nodes]
            self.hosts[network] = Host(calendar, self.switches[network], f"52:54:00:fe:00:{number:02x}", addresses)
            if settings.role == "service":
                self.routers[network] = Host(calendar, self.switches[network], f"52:54:00:fe:01:{number:02x}",
                                             [str(router_address(topology, network))], sticky=True)

    def create(self) -> None:
        """The world begins."""
        self.clock.stay()

    def close(self) -> None:
        """The world ends: it is the last of a cluster that is taken down. May be repeated."""
        self.clock.end()

    def mac(self, node: str, network: str) -> str:
        return mac(self.topology, node, network)

    # sockets

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """No thread needs to be anywhere to be in it."""
        return contextlib.nullcontext()

    def bridge(self, network: str) -> str:
        return network

    def tap(self, node: str, network: str) -> str:
        return f"{node}.{network}"

    def _host_of(self, hosts: dict[str, Host], wanted: str) -> Host:
        for network, settings in self.topology.networks.items():
            if network in hosts and hosts[network].addresses and IPv4Address(wanted) in settings.subnet:
                return hosts[network]
        raise KeyError(wanted)

    def tcp_socket(self) -> TcpSocket:
        return TcpSocket(self.clock, lambda wanted: self._host_of(self.hosts, wanted))

    def udp_socket(self, own: str, port: int) -> UdpSocket:
        try:
            host = self._host_of(self.hosts, own)
        except KeyError:
            raise HostError(f"no network of the virtual world has the address {own}") from None
        return UdpSocket(self.clock, host, own, port)

    def frames(self, network: str, wanted: Wanted, node: str | None = None) -> FrameSocket:
        return FrameSocket(self.clock, self.switches[network], self.hosts[network], wanted.matches,
                           lambda port: node is None or port is self.cards.get((node, network)))

    def capture(self, network: str, path: Path, snap: int, size: int) -> PcapFile:
        return PcapFile(self.clock.calendar, self.switches[network], path, snap, size)

    def router(self) -> VirtualRouter:
        return VirtualRouter(self)

    # cables

    def set_link(self, node: str, network: str, up: bool) -> None:
        self.cards[node, network].set_link(up)

    def link_is_up(self, node: str, network: str) -> bool:
        return self.cards[node, network].is_up

    def answers_arp(self, node: str, network: str, within: float) -> bool:
        own = address(self.topology, node, network)
        heard: list[bool] = []
        changed = threading.Condition()

        def answer(_: object, frame: Frame) -> None:
            data = frame.data
            if frame.ethertype == 0x0806 and data[21] == 2 and data[28:32] == own.packed:
                heard.append(True)
        switch, host = self.switches[network], self.hosts[network]
        # RFC 5227: a probe, from nobody
        probe = (b"\xff" * 6 + host.mac + bytes.fromhex("0806000108000604" "0001") + host.mac + bytes(10) + own.packed)
        switch.taps.append(answer)
        end = self.clock.now() + within
        try:
            while not heard and (left := end - self.clock.now()) > 0:
                switch.send(host, Frame(probe.ljust(60, b"\0")))
                with changed:
                    self.clock.wait(changed, min(_ASK_AGAIN, left))
        finally:
            switch.taps.remove(answer)
        return bool(heard)

    # rules

    def lose(self, name: str, links: Sequence[tuple[str, str, str]], percent: float = 100.0) -> None:
        by_sender: dict[tuple[str, str], set[str]] = {}
        for network, sender, receiver in links:
            by_sender.setdefault((network, sender), set()).add(receiver)
        for (network, sender), receivers in by_sender.items():
            self.switches[network].add(Rule(
                f"{name} {sender}", frozenset({self._mac_bytes(sender, network)}),
                frozenset(self._mac_bytes(receiver, network) for receiver in receivers), loss=percent / 100))

    def has_rules(self, name: str) -> bool:
        return any(rule.name.split()[0] == name for switch in self.switches.values() for rule in switch.rules)

    def remove_rules(self, name: str) -> None:
        for switch in self.switches.values():
            for rule in [rule for rule in switch.rules if rule.name.split()[0] == name]:
                switch.release(rule)
                switch.remove(rule.name)

    def _mac_bytes(self, node: str, network: str) -> bytes:
        return _bytes_of(self.mac(node, network))

    def count_frames(self, watches: Sequence[Watch], seconds: float,
                     provoke: Callable[[], None] | None = None) -> list[int]:
        counts = [0] * len(watches)
        cables = {self.tap(*key): card for key, card in self.cards.items()}
        wanted = [(cables[watch.tap], _bytes_of(watch.source), watch.target and _bytes_of(watch.target))
                  for watch in watches]

        def seen(port: Port, frame: Frame) -> None:
            for number, (card, source, target) in enumerate(wanted):
                if card is port and frame.source == source and (
                        target is None or frame.target == target or frame.is_to_group):
                    counts[number] += 1
        switches = list(self.switches.values())
        for switch in switches:
            switch.taps.append(seen)
            switch.arrivals.append(seen)
        try:
            if provoke is not None:
                provoke()
            self.clock.sleep(seconds)
        finally:
            for switch in switches:
                switch.taps.remove(seen)
                switch.arrivals.remove(seen)
        return counts


def _bytes_of(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


class VirtualRouter:
    """A host in the service networks that asks for a neighbour once; see ``fenceline.machines.sticky.StickyHost``."""

    def __init__(self, fabric: VirtualFabric) -> None:
        self._fabric = fabric

    def create(self) -> None:
        """It is there."""

    def tcp_socket(self) -> TcpSocket:
        fabric = self._fabric
        return TcpSocket(fabric.clock, lambda wanted: fabric._host_of(fabric.routers, wanted))

    def forget(self) -> None:
        for host in self._fabric.routers.values():
            host.forget()

    def close(self) -> None:
        """Nothing is left of it."""
