"""Faults of the networks, all made in the fabric: cables pulled, packets dropped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.core.wait import Deadline
from fenceline.faults.base import OnCluster, OnNode, fault
from fenceline.faults.bridge_rule import BridgeRule, table_of
from fenceline.faults.claims import Claim, cable
from fenceline.faults.parameters import Network, Networks, Nodes, Percent, Seconds
from fenceline.faults.says import Says, Stage, all_members
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network, cables and loss", "outside: rules on the switch's ports", "the rules are deleted")

_ENOUGH_PACKETS = 60
_SIGMAS = 4.0


def _all_networks(stage: Stage, words: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(stage.cluster.topology.networks_of(words["node"]))


@fault
@dataclass(frozen=True)
class NetworkCut(OnNode):
    """The cables of ``node`` in ``networks`` are pulled."""

    networks: Annotated[Networks, "that the node is plugged into"]
    name: ClassVar[str] = "network-cut"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} networks={heartbeat-net}",
        "node={active} networks={heartbeat-nets}",
        "node={standby} networks={heartbeat-nets}",
        "node={active} networks={service-net}",
        "node={active} networks={storage-net}",
        "node={active} networks={management-net}",
        "node={active} networks={heartbeat-nets},{service-net}",
        "node={active} networks={heartbeat-nets},{storage-net}",
        "node={storage-host} networks={storage-net}",
        "node={storage-host} networks={management-net}",
        "node={quorum-device} networks={management-net}",
        "node={real-server} networks={service-net}",
        "node={real-server-2} networks={management-net}",
        "node={client} networks={service-net}",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <networks> of <node> is cut"),
        Says("all networks of <node> are cut", networks=_all_networks),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the networks of <node> are mended"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.cables_cut(topology, self.node, self.networks)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(cable(self.node, network) for network in self.networks)

    def inject(self, cluster: Cluster) -> None:
        for network in self.known(cluster):
            cluster.machine(self.node).link(network).down()

    def known(self, cluster: Cluster) -> tuple[str, ...]:
        """The networks that are to be cut.

        Raises:
            FaultError: the node is not plugged into one of them.
        """
        cluster.machine(self.node)  # or its error, which names the nodes that there are
        plugged = cluster.topology.networks_of(self.node)
        for network in self.networks:
            if network not in plugged:
                raise FaultError(f"{self.node} is not plugged into {network!r}; it is into {', '.join(plugged)}")
        return self.networks

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        heard = [network for network in self.networks if cluster.fabric.answers_arp(self.node, network, 0.3)]
        if heard:
            raise FaultError(f"not confirmed: {self.node} still answers ARP on {', '.join(heard)}")
        return {"arp": "no answer for 300 ms"}

    def heal(self, cluster: Cluster) -> None:
        self.plug_in(cluster, self)

    def plug_in(self, cluster: Cluster, fault: Any) -> None:
        """Plugs in what ``fault``, which this is or is part of, has cut, but for what another fault wants out."""
        # those that there are: a name that there is not was refused, and nothing cut
        plugged = cluster.topology.networks_of(self.node) if self.node in cluster.topology.nodes else ()
        for network in self.networks:
            if network in plugged and not cluster.faults.keeps(fault, cable(self.node, network)):
                cluster.machine(self.node).link(network).up()

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self.is_plugged_in(cluster, self)

    def is_plugged_in(self, cluster: Cluster, fault: Any) -> dict[str, Any]:
        """What shows that all is plugged in that ``fault``, which this is or is part of, had cut, but for what another
        fault wants out.

        Raises:
            FaultError: it is not, or the node is not heard.
        """
        if self.node not in cluster.topology.nodes or not set(self.networks) <= set(
                cluster.topology.networks_of(self.node)):
            return {"links": "as they were: there are no such ones"}
        networks = [network for network in self.networks
                    if not cluster.faults.keeps(fault, cable(self.node, network))]
        down = [network for network in networks if not cluster.machine(self.node).link(network).is_up()]
        if down:
            raise FaultError(f"the cables of {self.node} in {', '.join(down)} are still out")
        if not cluster.is_running(self.node):
            return {"links": "up", "arp": f"{self.node} does not run"}
        # it may be booting, after having been fenced
        silent = [network for network in networks
                  if not cluster.fabric.answers_arp(self.node, network, cluster.boot_deadline)]
        if silent and cluster.is_running(self.node):
            raise FaultError(f"{self.node} does not answer ARP on {', '.join(silent)}")
        left = [network for network in self.networks if network not in networks]
        return {"links": "up", "arp": "answers", **({"left_out": left} if left else {})}


@fault
@dataclass(frozen=True)
class CutOneByOne:
    """The cables of ``nodes`` in ``networks`` are pulled one after the other, ``interval`` apart; they are plugged in
    in another order, the last one first."""

    nodes: Annotated[Nodes, "in the order in which they are cut"]
    networks: Annotated[Networks, "that the nodes are plugged into"]
    interval: Annotated[float, Seconds(0.1, 60), "from one cable to the next"] = 1.0
    name: ClassVar[str] = "cut-one-by-one"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <networks> of every node is cut, one by one, <interval> apart", nodes=all_members),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the cut cables are plugged in again, the last one first"),)

    @property
    def targets(self) -> tuple[str, ...]:
        return self.nodes

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(claim for cut in self._cuts() for claim in cut.claims(topology))

    def _cuts(self) -> list[NetworkCut]:
        return [NetworkCut(node, self.networks) for node in self.nodes]

    def costs(self, topology: Topology) -> Cost:
        return reduce(or_, (cut.costs(topology) for cut in self._cuts()))

    def inject(self, cluster: Cluster) -> None:
        for cut in self._cuts():
            cut.known(cluster)
        self._one_by_one(cluster, self._cuts(), lambda cut: cut.inject(cluster))

    def _one_by_one(self, cluster: Cluster, cuts: list[NetworkCut], action: Callable[[NetworkCut], None]) -> None:
        for number, cut in enumerate(cuts):
            if number:
                cluster.clock.sleep(self.interval)
            action(cut)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        order = [event.node for event in cluster.log.events() if event.t_ns >= since_ns and event.kind == "link.down"
                 and event.data["network"] == self.networks[0]]
        return {"order": order, **{cut.node: cut.confirm(cluster, since_ns)["arp"] for cut in self._cuts()}}

    def heal(self, cluster: Cluster) -> None:
        self._one_by_one(cluster, self._cuts()[::-1], lambda cut: cut.plug_in(cluster, self))

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {cut.node: cut.is_plugged_in(cluster, self)["arp"] for cut in self._cuts()}


@fault
@dataclass(frozen=True)
class PacketDrop(BridgeRule, OnCluster):
    """``percent`` of the packets that machines send into ``network`` are dropped at random."""

    network: Network
    percent: Annotated[float, Percent(), "of the packets"]
    name: ClassVar[str] = "packet-drop"
    samples: ClassVar[tuple[str, ...]] = (
        "network={heartbeat-net} percent=1",
        "network={heartbeat-net} percent=10",
        "network={heartbeat-net} percent=50",
        "network={service-net} percent=1",
        "network={service-net} percent=10",
        "network={service-net} percent=50",
        "network={storage-net} percent=1",
        "network={storage-net} percent=10",
        "network={storage-net} percent=50",
        "network={management-net} percent=1",
        "network={management-net} percent=10",
        "network={management-net} percent=50",
    )
    says: ClassVar[tuple[Says, ...]] = (Says("<percent> % of the packets on the <network> are dropped"),)

    @property
    def _table(self) -> str:
        return table_of(self, "drop")

    def _match(self, topology: Topology) -> str:
        """Which packets, in nft's words; all."""
        return ""

    def costs(self, topology: Topology) -> Cost:
        return damage.packets_lost(topology, self.network, self.percent)

    def inject(self, cluster: Cluster) -> None:
        topology, fabric = cluster.topology, cluster.fabric
        if self.network not in topology.networks:
            raise FaultError(f"no network {self.network!r}; there are {', '.join(topology.networks)}")
        taps = [fabric.tap(node, self.network) for node in topology.nodes if self.network in topology.networks_of(node)]
        threshold = round(self.percent * 100)
        # bridge family: seen once, when a packet enters the switch, whoever it is for
        fabric.run(["nft", "-f", "-"], self._rules(taps, threshold, self._match(topology)))

    def _rules(self, taps: list[str], threshold: int, match: str) -> str:
        # nft refuses a comparison that is always true
        chance = f"numgen random mod 10000 < {threshold} " if threshold < 10000 else ""
        return "\n".join([
            f"add table bridge {self._table}",
            f"add counter bridge {self._table} seen",
            f"add counter bridge {self._table} dropped",
            f"add chain bridge {self._table} loss {{ type filter hook prerouting priority 0; }}",
            f"add rule bridge {self._table} loss iifname {{ {', '.join(taps)} }} {match} counter name seen",
            f"add rule bridge {self._table} loss iifname {{ {', '.join(taps)} }} {match} "
            f"{chance}counter name dropped drop", ""])

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        deadline = Deadline(cluster.clock, 20)
        while True:
            total, dropped = self._counted(cluster)
            if self._is_enough(total):
                break
            if deadline.is_over:
                raise FaultError(f"not confirmed: only {total} packets on {self.network} in 20 s, {dropped} dropped")
            cluster.clock.sleep(0.1)  # a counter gives no event
        share = 100 * dropped / total
        sigma = 100 * (self.percent / 100 * (1 - self.percent / 100) / total) ** 0.5
        if abs(share - self.percent) > _SIGMAS * sigma + 0.5:
            raise FaultError(f"not confirmed: {share:.1f} % of {total} packets dropped, {self.percent:g} % wanted")
        return {"packets": total, "dropped": dropped, "percent": round(share, 2)}

    def _is_enough(self, total: int) -> bool:
        """Whether ``total`` packets are enough to tell the share, with enough drops to tell it from none."""
        return total * self.percent / 100 >= 5 and total >= _ENOUGH_PACKETS

    def _counted(self, cluster: Cluster) -> tuple[int, int]:
        listing = json.loads(cluster.fabric.run(["nft", "-j", "list", "counters", "table", "bridge", self._table]))
        counts = {item["counter"]["name"]: item["counter"]["packets"]
                  for item in listing["nftables"] if "counter" in item}
        return counts["seen"], counts["dropped"]

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError(f"the drop rule on {self.network} is still there")
        return {"rule": "gone"}
