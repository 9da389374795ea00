"""Faults of packets made in the fabric: too slow (tbf), one kind dropped. What netem does is in ``netem``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import OnCluster, OnNode, fault
from fenceline.faults.bridge_rule import BridgeRule
from fenceline.faults.claims import Claim
from fenceline.faults.network import PacketDrop
from fenceline.faults.parameters import Choice, Count, Network, Number, Percent
from fenceline.faults.says import Says
from fenceline.guest.ping import parse_ping, ping_command
from fenceline.machines.frames import flood
from fenceline.model import damage
from fenceline.model.addressing import address
from fenceline.model.cost import Cost
from fenceline.stacks.offers import lacking

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network, packets", "outside: in the fabric", "the queueing discipline or the rules are deleted")



@dataclass(frozen=True)
class NodeTraffic(OnNode):
    """A queueing discipline on ``node``'s card in ``network``."""

    network: Annotated[Network, "that the node is plugged into"]
    on_bridges: ClassVar[bool] = True

    def claims(self, topology: Topology) -> frozenset[Claim]:
        # a card and its port have one discipline each
        return frozenset({Claim(f"the queue of {self.node} in {self.network}")})

    def _check_plugged(self, cluster: Cluster) -> None:
        plugged = cluster.topology.networks_of(self.node) if self.node in cluster.topology.nodes else ()
        if self.network not in plugged:
            raise FaultError(f"{self.node} is not plugged into {self.network!r}; it is into {', '.join(plugged)}")

    def _on_tap(self, cluster: Cluster) -> str:
        """The disciplines on the switch's port."""
        return cluster.fabric.run(["tc", "qdisc", "show", "dev", cluster.fabric.tap(self.node, self.network)])

    def _free_tap(self, cluster: Cluster, kind: str) -> None:
        if f"qdisc {kind} " in self._on_tap(cluster):
            cluster.fabric.run(["tc", "qdisc", "del", "dev", cluster.fabric.tap(self.node, self.network), "root"])


@fault
@dataclass(frozen=True)
class RateLimit(NodeTraffic):
    """``node`` receives at most ``kbit`` kbit/s in ``network``; what is more waits, and is then dropped."""

    kbit: Annotated[float, Number(10, 20000, "kbit/s", above=True)] = 1000.0
    name: ClassVar[str] = "rate-limit"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} network={heartbeat-net} kbit=1000",
        "node={active} network={heartbeat-net} kbit=50",
        "node={active} network={storage-net} kbit=1000",
        "node={active} network={service-net} kbit=100",
    )
    needs: ClassVar[tuple[str, ...]] = ("program tc",)
    says: ClassVar[tuple[Says, ...]] = (Says("<node> receives at most <kbit> kbit/s on the <network>"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.rate_limited(topology, self.network, self.node, self.kbit)

    def inject(self, cluster: Cluster) -> None:
        self._check_plugged(cluster)
        cluster.fabric.run(["tc", "qdisc", "add", "dev", cluster.fabric.tap(self.node, self.network), "root", "tbf",
                            "rate", f"{self.kbit:g}kbit", "burst", "6000", "latency", "100ms"])

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        rate = self.kbit * 1000 / 8
        sent, passed = self._flood(cluster, rate)
        if sent < 1.5 * rate or passed > 1.2 * rate + 10_000 or not passed:
            raise FaultError(f"not confirmed: {passed} of {sent} bytes passed in 1 s, at most {rate:.0f} should")
        return {"sent_bytes_s": sent, "passed_bytes_s": passed}

    def _flood(self, cluster: Cluster, rate: float) -> tuple[int, int]:
        fabric = cluster.fabric
        return flood(fabric, self.network, fabric.mac(self.node, self.network), fabric.tap(self.node, self.network),
                     2 * rate + 10_000, 1.0, size=min(1000, int(rate / 4)))

    def heal(self, cluster: Cluster) -> None:
        self._free_tap(cluster, "tbf")

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        rate = self.kbit * 1000 / 8
        sent, passed = self._flood(cluster, rate)
        if passed < 0.9 * sent:
            raise FaultError(f"{self.node} still receives {passed} of {sent} bytes/s only on {self.network}")
        return {"sent_bytes_s": sent, "passed_bytes_s": passed}


#: Kinds of packets, as nft's bridge family matches them. Port numbers as registered with IANA or by default.
KINDS = {
    "totem": "udp dport { 5404, 5405, 5406, 5407, 5408 }",
    "arp": "ether type arp",
    "iscsi": "tcp dport 3260",
    "nfs": "tcp dport 2049",
    "ipmi": "udp dport 623",
    "http": "tcp dport 80",
    "drbd": "tcp dport 7788-7799",
    "vrrp": "ip protocol 112",
    "heartbeat": "udp dport {udpport}",
}


@fault
@dataclass(frozen=True)
class PacketKindDrop(PacketDrop):
    """``percent`` of the packets of one ``kind`` that machines send into ``network`` are dropped; no others."""

    percent: Annotated[float, Percent(), "of the packets"] = 100.0
    kind: Annotated[str, Choice(tuple(KINDS))] = "totem"
    name: ClassVar[str] = "packet-kind-drop"
    samples: ClassVar[tuple[str, ...]] = (
        "network={heartbeat-net} kind=totem percent=1",
        "network={heartbeat-net} kind=totem",
        "network={storage-net} kind=totem",
        "network={heartbeat-net} kind=heartbeat",
        "network={heartbeat-net} kind=vrrp",
        "network={service-net} kind=arp percent=10",
        "network={service-net} kind=arp",
        "network={storage-net} kind=iscsi",
        "network={storage-net} kind=nfs",
        "network={management-net} kind=ipmi",
        "network={management-net} kind=ipmi percent=10",
        "network={service-net} kind=http",
        "network={storage-net} kind=drbd",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <kind:totem|arp|iscsi|nfs|ipmi|http|drbd|vrrp|heartbeat> packets on the <network> are dropped"),
    )
    needs: ClassVar[tuple[str, ...]] = ("packets {kind}",)

    def costs(self, topology: Topology) -> Cost:
        return damage.kind_lost(topology, self.network, self.kind, self.percent)

    def _match(self, topology: Topology) -> str:
        return KINDS[self.kind].replace("{udpport}", str(getattr(topology.stack, "udpport", "")))

    def inject(self, cluster: Cluster) -> None:
        why = lacking(cluster.topology, [f"packets {self.kind}"])
        if why:
            raise FaultError(why)
        super().inject(cluster)

    def _is_enough(self, total: int) -> bool:
        # where all is dropped the senders soon fall silent
        return total >= 5 if self.percent == 100 else super()._is_enough(total)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if self.kind == "arp":
            self._provoke_arp(cluster)
        return super().confirm(cluster, since_ns)

    def _provoke_arp(self, cluster: Cluster) -> None:
        # neighbours that know each other ask seldom: asked by us, they answer
        for node in cluster.topology.nodes:
            if self.network in cluster.topology.networks_of(node):
                try:
                    heard = cluster.fabric.answers_arp(node, self.network, 0.5)
                except FencelineError as error:
                    raise FaultError(f"not confirmed: {error.message}") from error
                if heard and self.percent == 100:
                    raise FaultError(f"not confirmed: {node} still answers ARP on {self.network}")


@fault
@dataclass(frozen=True)
class PacketSizeDrop(BridgeRule, OnCluster):
    """Packets of more than ``size`` bytes that machines send into ``network`` are lost without a word, and smaller ones
    are not: a hole in the path's MTU."""

    network: Network
    size: Annotated[int, Count(600, 1400, "bytes"), "with the IP header (a path of Ethernet takes 1500)"] = 1000
    name: ClassVar[str] = "packet-size-drop"
    samples: ClassVar[tuple[str, ...]] = (
        "network={heartbeat-net} size=1000",
        "network={storage-net} size=1000",
        "network={service-net} size=1000",
    )
    says: ClassVar[tuple[Says, ...]] = (Says("packets of more than <size> bytes are lost on the <network>"),)

    @property
    def _table(self) -> str:
        return f"fl_size_{self.network.replace('-', '_')}"

    def inject(self, cluster: Cluster) -> None:
        if self.network not in cluster.topology.networks:
            raise FaultError(f"no network {self.network!r}; there are {', '.join(cluster.topology.networks)}")
        fabric = cluster.fabric
        taps = ", ".join(fabric.tap(node, self.network) for node in self._plugged(cluster))
        fabric.run(["nft", "-f", "-"], f"""
table bridge {self._table} {{
    chain big {{ type filter hook prerouting priority 0; iifname {{ {taps} }} meta length > {self.size} drop; }}
}}
""")

    def _plugged(self, cluster: Cluster) -> list[str]:
        return [node for node in cluster.topology.nodes if self.network in cluster.topology.networks_of(node)]

    def _pings(self, cluster: Cluster) -> tuple[str, int, int]:
        """Who was asked by whom, and how many small and big packets came back."""
        running = [node for node in self._plugged(cluster) if cluster.is_running(node)]
        if len(running) < 2:
            raise FaultError(f"not confirmed: nobody else runs on {self.network} that could be asked")
        asks, asked = running[:2]
        came = []
        # ICMP's and IP's headers are 28 bytes; not to be cut in pieces
        for size in (56, self.size - 28 + 72):
            command = [*ping_command(str(address(cluster.topology, asked, self.network)), 5, 0.2), "-M", "do", "-s",
                       str(size)]
            try:
                came.append(parse_ping(cluster.session(asks).run(command, within=30, check=False).out).received)
            except ValueError as error:
                raise FaultError(f"not confirmed: {error}") from error
        return f"{asks} pinged {asked}", *came

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        who, small, big = self._pings(cluster)
        if not small or big:
            raise FaultError(f"not confirmed: {who}: of 5 small packets {small} came back, of 5 big ones {big}")
        return {"pings": who, "small": f"{small} of 5", "big": f"{big} of 5"}

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError(f"the rule on {self.network} is still there")
        return {"rule": "gone"}

    def costs(self, topology: Topology) -> Cost:
        # Corosync's members whose big packets are lost form no membership, and nobody reads or writes a disk behind the
        # hole; the questions and answers of clients and fencing devices are small, and so is all that others say
        big = ("heartbeat", "storage") if topology.stack.on_corosync else ("storage",)
        if self.network not in topology.networks or topology.networks[self.network].role not in big:
            return Cost()
        return damage.links_lost(topology, damage.links_of(topology, self.network))
