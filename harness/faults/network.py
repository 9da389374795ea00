"""Faults of the networks, all made in the fabric: cables pulled, packets dropped."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError
from harness.faults.base import fault

if TYPE_CHECKING:
    from harness.cluster import Cluster
    from harness.model.topology import Topology

_ENOUGH_PACKETS = 60
_SIGMAS = 4.0


@fault
@dataclass(frozen=True)
class NetworkCut:
    """The cables of ``node`` in ``networks`` are pulled."""

    node: str
    networks: tuple[str, ...]
    name: ClassVar[str] = "network-cut"

    def __post_init__(self) -> None:
        object.__setattr__(self, "networks", tuple(
            self.networks.split(",") if isinstance(self.networks, str) else self.networks))
        if not self.networks:
            raise ValueError("networks: name at least one")

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)

    def inject(self, cluster: Cluster) -> None:
        for network in self._known(cluster):
            cluster.machine(self.node).link(network).down()

    def _known(self, cluster: Cluster) -> tuple[str, ...]:
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
        for network in self.networks:
            cluster.machine(self.node).link(network).up()

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        down = [network for network in self.networks if not cluster.machine(self.node).link(network).is_up()]
        if down:
            raise FaultError(f"the cables of {self.node} in {', '.join(down)} are still out")
        if not cluster.is_running(self.node):
            return {"links": "up", "arp": f"{self.node} does not run"}
        # it may be booting, after having been fenced
        silent = [network for network in self.networks
                  if not cluster.fabric.answers_arp(self.node, network, cluster.boot_deadline)]
        if silent and cluster.is_running(self.node):
            raise FaultError(f"{self.node} does not answer ARP on {', '.join(silent)}")
        return {"links": "up", "arp": "answers"}


@fault
@dataclass(frozen=True)
class PacketDrop:
    """``percent`` of the packets that machines send into ``network`` are dropped at random."""

    network: str
    percent: float
    name: ClassVar[str] = "packet-drop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "percent", float(self.percent))
        if not 0 < self.percent <= 100:
            raise ValueError(f"percent: {self.percent:g} is not above 0 and at most 100")

    @property
    def targets(self) -> tuple[str, ...]:
        return ()

    @property
    def _table(self) -> str:
        return f"fl_drop_{self.network.replace('-', '_')}"

    def _match(self, topology: Topology) -> str:
        """Which packets, in nft's words; all."""
        return ""

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
        deadline = time.monotonic() + 20
        while True:
            total, dropped = self._counted(cluster)
            if self._is_enough(total):
                break
            if time.monotonic() > deadline:
                raise FaultError(f"not confirmed: only {total} packets on {self.network} in 20 s, {dropped} dropped")
            time.sleep(0.1)  # a counter gives no event
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

    def heal(self, cluster: Cluster) -> None:
        if self._is_there(cluster):
            cluster.fabric.run(["nft", "delete", "table", "bridge", self._table])

    def _is_there(self, cluster: Cluster) -> bool:
        return self._table in cluster.fabric.run(["nft", "list", "tables", "bridge"])

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError(f"the drop rule on {self.network} is still there")
        return {"rule": "gone"}
