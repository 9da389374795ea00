"""Faults of the service's address: a stranger that answers for it, and announcements that nobody hears."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.background import start_worker, stop_worker, worker_of
from fenceline.faults.base import OnCluster, fault, observed
from fenceline.faults.bridge_rule import BridgeRule
from fenceline.faults.claims import Claim
from fenceline.faults.parameters import Service
from fenceline.faults.says import Says
from fenceline.machines.fabric import _ETH_P_ARP
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network service", "outside: in the fabric", "the stranger leaves, the rules are deleted")

#: Locally administered, and not one that the harness gives to a machine.
STRANGER_MAC = "02:fe:0b:ad:ca:fe"
_ANNOUNCE = 1.0  # s between two gratuitous ARPs of a stranger
_ASKED_AGAIN = 2.0  # s after which a client's host asks anew for the owner of an address (see machines/fabric.py)


@dataclass(frozen=True)
class _AddressFault(OnCluster):
    service: Annotated[Service, "that has an address"]

    def _vip(self, cluster: Cluster) -> tuple[str, str]:
        """The address, and its network."""
        settings = cluster.topology.services.get(self.service)
        if settings is None or settings.vip is None:
            raise FaultError(f"no service {self.service!r} with an address in {cluster.topology.name}")
        for network in cluster.topology.networks_with("service"):
            if settings.vip.address in cluster.topology.networks[network].subnet:
                return str(settings.vip.address), network
        raise FaultError(f"{settings.vip.address} is in no service network")


@fault
@dataclass(frozen=True)
class VipStranger(_AddressFault):
    """A stranger in the service network answers for the address of ``service``, and announces it every second."""

    on_bridges: ClassVar[bool] = True
    name: ClassVar[str] = "vip-stranger"
    drawn: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[str, ...]] = ("service={service} ?address",)
    says: ClassVar[tuple[Says, ...]] = (Says("a stranger answers for the VIP of <service>"),)

    def costs(self, topology: Topology) -> Cost:
        # clients ask whom they heard last: nothing that the cluster does helps them
        return Cost(stopped=frozenset({self.service}))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the stranger who wants the address of {self.service}")})

    def _cable(self, topology: Topology) -> tuple[str, str]:
        """Both ends of his cable: one stranger a service; at most 15 characters."""
        number = list(topology.services).index(self.service) if self.service in topology.services else ""
        return f"stranger{number}", f"stranger{number}p"

    def inject(self, cluster: Cluster) -> None:
        from scapy.layers.l2 import ARP, Ether  # 0.4 s to import: only when needed
        vip, network = self._vip(cluster)
        card, port = self._cable(cluster.topology)
        # a port of its own in the switch: what came from the switch itself would be taken for the harness's
        cluster.fabric.ip_batch([f"link add {card} type veth peer name {port}", f"link set {card} addrgenmode none",
                                 f"link set {port} addrgenmode none", f"link set {card} up",
                                 f"link set {port} master {cluster.fabric.bridge(network)} up"])
        with cluster.fabric.entered():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.bind((card, _ETH_P_ARP))
        sock.settimeout(0.1)
        gratuitous = bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=STRANGER_MAC) / ARP(
            op="is-at", hwsrc=STRANGER_MAC, psrc=vip, hwdst="ff:ff:ff:ff:ff:ff", pdst=vip))
        state = {"next": 0.0}

        def turn() -> None:
            # one socket for one fault: it is closed with its last reference, when the worker is dropped
            if cluster.clock.now() >= state["next"]:
                sock.send(gratuitous)
                state["next"] = cluster.clock.now() + _ANNOUNCE
            try:
                asked = Ether(sock.recv(2048))
            except TimeoutError:
                return
            if ARP in asked and asked[ARP].op == 1 and asked[ARP].pdst == vip and asked.src != STRANGER_MAC:
                sock.send(bytes(Ether(dst=asked.src, src=STRANGER_MAC) / ARP(
                    op="is-at", hwsrc=STRANGER_MAC, psrc=vip, hwdst=asked.src, pdst=asked[ARP].psrc)))

        start_worker(cluster, self, turn, 0.0)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        vip, _ = self._vip(cluster)

        def is_claim(event: Any) -> bool:
            return event.kind == "arp" and event.data.get("ip") == vip and event.data.get("mac") == STRANGER_MAC
        waited = observed(cluster, is_claim, 5, f"a stranger's claim to {vip} on the wire", since_ns)
        return {"mac": STRANGER_MAC, "claimed_after_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        try:
            stop_worker(cluster, self)
        finally:
            if self._is_plugged(cluster):
                cluster.fabric.ip_batch([f"link del {self._cable(cluster.topology)[0]}"])

    def _is_plugged(self, cluster: Cluster) -> bool:
        return f" {self._cable(cluster.topology)[0]}@" in cluster.fabric.run(["ip", "-o", "link", "show"])

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if worker_of(cluster, self) is not None or self._is_plugged(cluster):
            raise FaultError("the stranger is still there")
        return {"stranger": "gone"}


@fault
@dataclass(frozen=True)
class GratuitousArpDrop(BridgeRule, _AddressFault):
    """Nobody hears a machine announce that it has the address of ``service`` now; other ARP passes."""

    name: ClassVar[str] = "garp-drop"
    drawn: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[str, ...]] = ("service={service} ?address",)
    says: ClassVar[tuple[Says, ...]] = (Says("nobody hears who announces the VIP of <service>"),)

    @property
    def _table(self) -> str:
        return f"fl_garp_{self.service.replace('-', '_')}"

    def costs(self, topology: Topology) -> Cost:
        # clients find the new owner when they ask again, as they do for who does not answer
        return Cost(slower_s=_ASKED_AGAIN)

    def inject(self, cluster: Cluster) -> None:
        vip, network = self._vip(cluster)
        topology, fabric = cluster.topology, cluster.fabric
        taps = ", ".join(fabric.tap(node, network) for node in topology.nodes if network in topology.networks_of(node))
        fabric.run(["nft", "-f", "-"], f"""
table bridge {self._table} {{
    counter dropped {{ }}
    chain announced {{
        type filter hook prerouting priority 0;
        iifname {{ {taps} }} ether type arp arp saddr ip {vip} arp daddr ip {vip} counter name dropped drop
    }}
}}
""")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        import json

        from fenceline.machines.frames import Watch, count_frames
        from fenceline.model.addressing import device
        vip, network = self._vip(cluster)
        fabric, owner = cluster.fabric, cluster.owner(self.service)
        # its owner is made to announce it, as it does when it takes it over
        cluster.session(owner).run(f"arping -q -A -c 3 -w 2 -I {device(cluster.topology, owner, network)} {vip} "
                                   "</dev/null >/dev/null 2>&1 &", within=10)
        others = [node for node in cluster.topology.nodes
                  if node != owner and network in cluster.topology.networks_of(node)]
        watches = [Watch(fabric.tap(node, network), fabric.mac(owner, network), "ff:ff:ff:ff:ff:ff") for node in others]
        heard = sum(count_frames(fabric, watches, 2.5))
        listing = json.loads(fabric.run(["nft", "-j", "list", "counters", "table", "bridge", self._table]))
        dropped = next(item["counter"]["packets"] for item in listing["nftables"] if "counter" in item)
        if heard or not dropped:
            raise FaultError(f"not confirmed: {dropped} announcements of {vip} dropped, {heard} broadcasts heard")
        return {"dropped": dropped, "heard": heard}

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError("the rule that drops announcements is still there")
        return {"rule": "gone"}
