"""A network interface that is taken down in the guest: by a mistake, by a script, by an update. The cable stays in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import fault
from fenceline.faults.claims import Claim, inside
from fenceline.faults.network import NetworkCut
from fenceline.faults.node import reach
from fenceline.faults.parameters import Choice
from fenceline.faults.says import Says
from fenceline.model.addressing import address, device

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Network, interfaces", "inside: by the node's own command",
    "the interface is up again with its address; one that was fenced for it boots so")


@fault
@dataclass(frozen=True)
class InterfaceDown(NetworkCut):
    """The interfaces of ``node`` in ``networks`` are taken down in the guest; as ``ifdown`` does it, ``addresses``
    "gone", those go with it."""

    addresses: Annotated[str, Choice(("kept", "gone"))] = "kept"
    name: ClassVar[str] = "interface-down"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} networks={heartbeat-nets}",
        "node={active} networks={service-net}",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the interface of <node> in the <networks> is taken down"),
        Says("the interface of <node> in the <networks> is taken down, and its addresses with it", addresses="gone"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the interface of <node> in the <networks> is brought up again"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(inside(f"the interface in {network}", self.node) for network in self.networks)

    def inject(self, cluster: Cluster) -> None:
        networks = self.known(cluster)
        barred = [one for one in networks if cluster.topology.networks[one].role == "management"]
        if barred:
            raise FaultError(f"without its interface in {', '.join(barred)} {self.node} could not be told to heal")
        for network in networks:
            card = device(cluster.topology, self.node, network)
            flush = f"; ip addr flush dev {card}" if self.addresses == "gone" else ""
            cluster.session(self.node).run(f"ip link set dev {card} down{flush}", within=20)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        out = [network for network in self.networks if not cluster.machine(self.node).link(network).is_up()]
        if out:
            raise FaultError(f"not confirmed: it is the cable of {self.node} in {', '.join(out)} that is out")
        return {"cable": "in", **super().confirm(cluster, since_ns)}

    def heal(self, cluster: Cluster) -> None:
        if self.node not in cluster.topology.nodes or not reach(cluster, self.node):
            return  # one that was fenced for it boots with its interfaces up
        plugged = cluster.topology.networks_of(self.node)
        for network in self.networks:
            if network in plugged:
                card = device(cluster.topology, self.node, network)
                own = f"{address(cluster.topology, self.node, network)}/" \
                      f"{cluster.topology.networks[network].subnet.prefixlen}"
                cluster.session(self.node).run(f"ip link set dev {card} up; ip addr replace {own} dev {card}",
                                               within=cluster.boot_deadline)
