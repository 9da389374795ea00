"""The fabric: the one network namespace that a cluster lives in, with its bridges, taps and addresses.

Nothing here ever touches the host's own namespace except the call that creates ours, and the fabric has no way
out: no uplink, no default route, no forwarding.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from fenceline.core.clock import HOST_CLOCK
from fenceline.core.errors import HostError
from fenceline.core.wait import Deadline
from fenceline.journal.journal import Journal
from fenceline.machines.namespace import NETNS_DIR, entered_namespace, remove_namespace, run_command
from fenceline.machines.rules import BridgeRules
from fenceline.machines.sockets import HostSockets
from fenceline.machines.sticky import StickyHost
from fenceline.machines.tcpdump import Tcpdump
from fenceline.model.addressing import address, bmc_address, harness_address, mac, pdu_address
from fenceline.model.topology import Topology

_ETH_P_ARP = 0x0806  # linux/if_ether.h
# Cut cables are ports whose frames the switch drops, in both directions. Not a tap that is down: UML's network
# driver never recovers from one that it finds down when it boots.
_LINKS_TABLE = "fl_links"
_LINKS_RULES = f"""
table bridge {_LINKS_TABLE} {{
    set cut {{ type ifname; }}
    chain in {{ type filter hook prerouting priority -300; iifname @cut drop; }}
    chain out {{ type filter hook postrouting priority -300; oifname @cut drop; }}
}}
"""


class Fabric(HostSockets, BridgeRules):
    """The namespace ``fl-<id>`` for ``topology``. Not usable before ``create``.

    Raises:
        HostError: from every method, when the host refuses.
    """

    def __init__(self, identity: str, topology: Topology, journal: Journal) -> None:
        self.namespace = f"fl-{identity}"
        self.topology = topology
        self._journal = journal
        self._entry: int | None = None
        self._fd = -1

    def create(self) -> None:
        """Makes the namespace, a bridge per network, and a tap per network card of every machine."""
        if os.geteuid() != 0:
            raise HostError("creating the network namespace needs root: run as root (sudo); "
                            "`fenceline doctor` says what an unprivileged run would need")
        self._entry = self._journal.begin("netns", name=self.namespace)
        run_command(["ip", "netns", "add", self.namespace])
        self._fd = os.open(NETNS_DIR / self.namespace, os.O_RDONLY | os.O_CLOEXEC)
        lines = ["link set lo up"]
        topology = self.topology
        for network, settings in topology.networks.items():
            bridge = self.bridge(network)
            # forward_delay 0 and no STP: a port forwards at once; no snooping: totem's multicast passes
            lines += [f"link add {bridge} type bridge forward_delay 0 stp_state 0 mcast_snooping 0",
                      f"link set {bridge} addrgenmode none",
                      f"link set {bridge} up"]
            if settings.role in ("management", "service"):
                prefix = settings.subnet.prefixlen
                lines.append(f"addr add {harness_address(topology, network)}/{prefix} dev {bridge}")
                if settings.role == "management":
                    lines += [f"addr add {bmc_address(topology, node)}/{prefix} dev {bridge}"
                              for node in topology.service_nodes]
                    lines += [f"addr add {pdu_address(topology, pdu)}/{prefix} dev {bridge}"
                              for pdu in topology.fencing.pdus]
        for node in topology.nodes:
            for network in topology.networks_of(node):
                tap = self.tap(node, network)
                lines += [f"tuntap add dev {tap} mode tap",
                          f"link set {tap} addrgenmode none",
                          f"link set {tap} master {self.bridge(network)} up"]
        self.ip_batch(lines)
        self.run(["nft", "-f", "-"], _LINKS_RULES)
        self._sharpen()

    def _sharpen(self) -> None:
        """Makes the client's host notice a moved VIP as fast as a probe every 10 ms deserves: a lost neighbour is
        asked for every 100 ms rather than every second, so that the figure is the cluster's and not ours."""
        with self.entered():
            for network in (*self.topology.networks_with("service"), *self.topology.networks_with("management")):
                folder = Path(f"/proc/sys/net/ipv4/neigh/{self.bridge(network)}")
                (folder / "retrans_time_ms").write_text("100")
                (folder / "delay_first_probe_time").write_text("1")
                (folder / "base_reachable_time_ms").write_text("2000")

    def bridge(self, network: str) -> str:
        """The bridge of ``network``."""
        return f"br{list(self.topology.networks).index(network)}"

    def tap(self, node: str, network: str) -> str:
        """The tap of ``node``'s card in ``network``: at most 15 characters, so numbers."""
        return f"t{list(self.topology.nodes).index(node)}n{list(self.topology.networks).index(network)}"

    def ip_batch(self, lines: Sequence[str]) -> None:
        """Runs ``lines`` as one ``ip -batch`` inside the fabric."""
        run_command(["ip", "-n", self.namespace, "-batch", "-"], "\n".join(lines) + "\n")

    def command(self, arguments: Sequence[str]) -> list[str]:
        """``arguments`` so that they run inside the fabric, with the same pid (``ip netns exec`` execs)."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def run(self, arguments: Sequence[str], text: str | None = None) -> str:
        """Runs a command inside the fabric, with ``text`` as its input; returns its output."""
        return run_command(self.command(arguments), text)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling *thread* is inside the fabric: sockets made here stay in it for their life."""
        with entered_namespace(self._fd):
            yield

    def router(self) -> StickyHost:
        """The host behind which clients sit that do not ask again."""
        return StickyHost(self)

    def capture(self, network: str, path: Path, snap: int, size: int) -> Tcpdump | None:
        """Writes what passes ``network`` into the files ``path`` with 0 and 1 behind it, of ``size`` bytes, the first
        ``snap`` bytes of each packet. None: the host has not what that needs."""
        if not Tcpdump.is_there():
            return None
        return Tcpdump(self.command, self.bridge(network), path, snap, size)

    def set_link(self, node: str, network: str, up: bool) -> None:
        """Plugs the cable of ``node`` in ``network`` in or out, on the switch's side. May be repeated."""
        if up != self.link_is_up(node, network):
            verb = "delete" if up else "add"
            self.run(["nft", verb, "element", "bridge", _LINKS_TABLE, "cut", "{", self.tap(node, network), "}"])

    def link_is_up(self, node: str, network: str) -> bool:
        """Whether the cable of ``node`` in ``network`` is in, on the switch's side."""
        listing = json.loads(self.run(["nft", "-j", "list", "set", "bridge", _LINKS_TABLE, "cut"]))
        cut = next(item["set"].get("elem", []) for item in listing["nftables"] if "set" in item)
        return self.tap(node, network) not in cut

    def answers_arp(self, node: str, network: str, within: float) -> bool:
        """Whether ``node`` answers an ARP probe (RFC 5227, sender 0.0.0.0) on ``network`` within so many seconds:
        an observation of a cable that depends on nothing that cuts cables."""
        from scapy.layers.l2 import ARP, Ether  # 0.4 s to import: only when needed
        wanted = str(address(self.topology, node, network))
        with self.entered():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP))
        with sock:
            sock.bind((self.bridge(network), _ETH_P_ARP))
            own = ":".join(f"{byte:02x}" for byte in sock.getsockname()[4])
            probe = bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=own) / ARP(op="who-has", hwsrc=own, psrc="0.0.0.0",
                                                                       pdst=wanted))
            deadline = Deadline(HOST_CLOCK, within)
            while (left := deadline.left) > 0:
                sock.send(probe)
                again = Deadline(HOST_CLOCK, min(0.1, left))
                while (wait := again.left) > 0:
                    sock.settimeout(wait)
                    try:
                        packet = Ether(sock.recv(2048))
                    except TimeoutError:
                        break
                    if ARP in packet and packet[ARP].op == 2 and packet[ARP].psrc == wanted:
                        return True
        return False

    def mac(self, node: str, network: str) -> str:
        """The MAC address of ``node``'s card in ``network``."""
        return mac(self.topology, node, network)

    def close(self) -> None:
        """Removes the namespace and all that is in it. May be repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._entry is not None:
            remove_namespace(self.namespace)
            self._journal.done(self._entry)
            self._entry = None
