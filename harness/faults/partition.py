"""Faults of the network's shape: who hears whom. All made in the fabric, by rules between the switch's ports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.core.wait import Deadline
from fenceline.faults import shapes
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.bridge_rule import BridgeRule, table_of
from fenceline.faults.parameters import NODE, Groups, Networks, Node, Percent
from fenceline.faults.says import Says, Stage
from fenceline.machines.frames import Watch
from fenceline.model import damage
from fenceline.model.addressing import address
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Network, shape", "outside: rules between the switch's ports", "the rules are deleted")

_WINDOW = 0.6  # s for which frames are counted: a totem token comes every few ms
_ASKING = 2.5  # s for which they are counted where somebody was made to speak: Linux repeats an ARP question after 1 s
_SHARE_WITHIN = 30.0  # s for which frames are counted until a share can be told
_ENOUGH_SENT, _ENOUGH_LOST = 60, 5
_SIGMAS = 4.0


@dataclass(frozen=True)
class _LostLinks(BridgeRule, OnCluster):
    """Frames from some nodes to some others are dropped in ``networks``. Not a dataclass with fields of its own."""

    def costs(self, topology: Topology) -> Cost:
        try:
            links = self.links(topology)
        except FaultError:  # not in this cluster: it is refused when it is injected
            return Cost()
        return damage.links_lost(topology, frozenset((network, *link) for network in self.networks for link in links))

    def links(self, topology: Topology) -> shapes.Links:
        """Who is not heard by whom."""
        raise NotImplementedError

    @property
    def _table(self) -> str:
        return table_of(self, "shape")

    on_bridges: ClassVar[bool] = False  # a fabric of any driver can lose frames

    @property
    def _percent(self) -> float:
        """How many of the links' frames are lost; all."""
        return 100.0

    def _ports(self, cluster: Cluster) -> list[tuple[str, str, str]]:
        """(network, sender, receiver) of every lost link."""
        topology, found = cluster.topology, []
        for network in self.networks:
            if network not in topology.networks:
                raise FaultError(f"no network {network!r}; there are {', '.join(topology.networks)}")
            for sender, receiver in sorted(self.links(topology)):
                for node in (sender, receiver):
                    if node not in topology.nodes:
                        raise FaultError(f"no node {node!r}; there are {', '.join(topology.nodes)}")
                    if network not in topology.networks_of(node):
                        raise FaultError(f"{node} is not plugged into {network!r}")
                found.append((network, sender, receiver))
        return found

    def inject(self, cluster: Cluster) -> None:
        cluster.fabric.lose(self._table, self._ports(cluster), self._percent)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        ports = self._ports(cluster)
        sent, heard = self._count(cluster, ports, _WINDOW)
        if not all(sent):
            silent = {port[1:] for port, count in zip(ports, sent, strict=True) if not count}

            def provoke() -> None:
                for sender, receiver in silent:
                    self._call_out(cluster, sender, receiver)
            again = self._count(cluster, ports, _ASKING, provoke)
            sent, heard = ([a + b for a, b in zip(*pair, strict=True)]
                           for pair in ((sent, again[0]), (heard, again[1])))
        for (network, sender, receiver), said, got in zip(ports, sent, heard, strict=True):
            if got:
                raise FaultError(f"not confirmed: {receiver} still gets frames from {sender} on {network} ({got})")
            if not said:
                raise FaultError(f"not confirmed: {sender} sent {receiver} nothing on {network}: nothing to lose")
        return {"links": len(ports), "frames_sent": sum(sent), "frames_heard": sum(heard)}

    def _count(self, cluster: Cluster, ports: Sequence[tuple[str, str, str]], window: float,
               provoke: Callable[[], None] | None = None) -> tuple[list[int], list[int]]:
        """Frames that each sender sent to each receiver or to everybody within ``window`` s (a machine that it does not
        know yet it asks for by a broadcast), and those that came there."""
        fabric = cluster.fabric
        watches = [Watch(fabric.tap(sender, network), fabric.mac(sender, network), fabric.mac(receiver, network))
                   for network, sender, receiver in ports]
        watches += [Watch(fabric.tap(receiver, network), fabric.mac(sender, network)) for network, sender, receiver
                    in ports]
        counts = fabric.count_frames(watches, window, provoke)
        return counts[:len(ports)], counts[len(ports):]

    def _call_out(self, cluster: Cluster, sender: str, receiver: str) -> None:
        """Makes ``sender`` send something to ``receiver`` for the next 2 s: a network may be idle."""
        line = "".join(f"echo fenceline >/dev/udp/{address(cluster.topology, receiver, network)}/9; "
                       for network in self.networks)  # port 9: discard
        cluster.session(sender).run(
            ["bash", "-c", f"(for i in 1 2 3 4 5 6 7 8 9 10; do {line} sleep 0.2; done) </dev/null >/dev/null 2>&1 &"],
            within=10)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError("the rule that drops the frames is still there")
        # a node may be booting, after having been fenced: it is heard as soon as it has
        deadline = Deadline(cluster.clock, cluster.boot_deadline)
        while True:
            ports = [port for port in self._ports(cluster)
                     if all(cluster.is_running(node) for node in port[1:])]
            for sender, receiver in {(port[1], port[2]) for port in ports}:
                with contextlib.suppress(FencelineError):  # while it boots
                    self._call_out(cluster, sender, receiver)
            _, heard = self._count(cluster, ports, _WINDOW)
            silent = [port for port, count in zip(ports, heard, strict=True) if not count]
            if not silent:
                return {"rule": "gone", "links": len(ports), "frames_heard": sum(heard)}
            if deadline.is_over:
                raise FaultError(", ".join(f"{receiver} hears nothing from {sender} on {network}"
                                           for network, sender, receiver in silent))


def _one_and_the_others(stage: Stage, words: Mapping[str, Any]) -> shapes.Groups:
    return shapes.isolate(stage.cluster.topology.cluster_nodes, words["node"])


def _halves(stage: Stage, words: Mapping[str, Any]) -> shapes.Groups:
    return shapes.halves(stage.cluster.topology.cluster_nodes)


def _everybody_alone(stage: Stage, words: Mapping[str, Any]) -> shapes.Groups:
    return tuple((node,) for node in stage.cluster.topology.cluster_nodes)


def _two(stage: Stage, words: Mapping[str, Any]) -> shapes.Groups:
    return (words["node"],), (words["other"],)


#: What heals a network that is no longer whole, whatever its shape.
MENDED = (Says("the partition is mended"),)


@fault
@dataclass(frozen=True)
class Partition(_LostLinks):
    """The network falls into ``groups`` that don't hear each other in ``networks``."""

    groups: Annotated[tuple[tuple[str, ...], ...], Groups(NODE)]
    networks: Networks
    name: ClassVar[str] = "partition"
    samples: ClassVar[tuple[str, ...]] = (
        "groups={active}|{standby} networks={heartbeat-nets}",
        "groups={active}|{standby} networks={service-net}",
        "groups={active}|{standby},{third} networks={heartbeat-nets}",
        "groups={active}|{standby}|{third} networks={heartbeat-nets}",
        "groups={active}|{quorum-device} networks={management-net}",
        "groups={active}|{storage-host} networks={storage-net}",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <networks> splits into <node:node> and the others", groups=_one_and_the_others),
        Says("the <networks> splits into two halves", groups=_halves),
        Says("the <networks> falls apart, every node alone", groups=_everybody_alone),
        Says("<node:node> and <other:node> don't hear each other any more on the <networks>", groups=_two),
    )
    heal_says: ClassVar[tuple[Says, ...]] = MENDED

    def __post_init__(self) -> None:
        shapes.groups(self.groups)

    @property
    def targets(self) -> tuple[str, ...]:
        # all but the largest: those that can't be expected to go on
        kept = max(self.groups, key=len)
        return tuple(node for group in self.groups if group is not kept for node in group)

    def links(self, topology: Topology) -> shapes.Links:
        return shapes.groups(self.groups)


@fault
@dataclass(frozen=True)
class OneWay(_LostLinks):
    """What ``sender`` sends to ``receiver`` in ``networks`` is lost; the other way round it is not."""

    sender: Node
    receiver: Annotated[Node, ", another one"]
    networks: Networks
    name: ClassVar[str] = "one-way"
    samples: ClassVar[tuple[str, ...]] = (
        "sender={active} receiver={standby} networks={heartbeat-nets}",
        "sender={active} receiver={storage-host} networks={storage-net}",
        "sender={active} receiver={real-server} networks={service-net}",
    )
    says: ClassVar[tuple[Says, ...]] = (Says("<sender> is not heard by <receiver> any more on the <networks>"),)
    heal_says: ClassVar[tuple[Says, ...]] = MENDED

    def __post_init__(self) -> None:
        shapes.one_way(self.sender, self.receiver)

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.sender, self.receiver)

    def links(self, topology: Topology) -> shapes.Links:
        return shapes.one_way(self.sender, self.receiver)


@fault
@dataclass(frozen=True)
class LinkLoss(OneWay):
    """``percent`` of what ``sender`` sends to ``receiver`` in ``networks`` are lost at random; nothing else is."""

    percent: Annotated[float, Percent(), "of the frames"] = 50.0
    name: ClassVar[str] = "link-loss"
    samples: ClassVar[tuple[str, ...]] = (
        "sender={active} receiver={standby} networks={heartbeat-nets} percent=20",
        "sender={active} receiver={standby} networks={heartbeat-nets} percent=80",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("<percent> % of the packets from <sender> to <receiver> on the <networks> are lost"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = MENDED

    @property
    def _percent(self) -> float:
        return self.percent

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        ports, sent, heard = self._ports(cluster), 0, 0
        deadline = Deadline(cluster.clock, _SHARE_WITHIN)
        while sent * self.percent / 100 < _ENOUGH_LOST or sent < _ENOUGH_SENT:
            if deadline.is_over:
                raise FaultError(f"not confirmed: {self.sender} sent {self.receiver} only {sent} frames in "
                                 f"{_SHARE_WITHIN:g} s")
            counted = self._count(cluster, ports, _ASKING, lambda: self._call_out(cluster, self.sender, self.receiver))
            sent, heard = sent + sum(counted[0]), heard + sum(counted[1])
        lost = 100 * (1 - heard / sent)
        share = self.percent / 100
        sigma = 100 * (share * (1 - share) / sent) ** 0.5
        if abs(lost - self.percent) > _SIGMAS * sigma + 1:
            raise FaultError(f"not confirmed: {lost:.1f} % of {sent} frames from {self.sender} to {self.receiver} were "
                             f"lost, {self.percent:g} % wanted")
        return {"frames_sent": sent, "frames_heard": heard, "lost_percent": round(lost, 2)}

    def costs(self, topology: Topology) -> Cost:
        # what loses half is as good as cut; what loses less may cost a token now and then
        if self.percent >= damage.CUT_PERCENT:
            return super().costs(topology)
        links = frozenset((network, self.sender, self.receiver) for network in self.networks)
        return damage.unsteady(topology, links) if self.percent > damage.BORNE_PERCENT else Cost()


@fault
@dataclass(frozen=True)
class PartitionBridge(_LostLinks):
    """Two halves of the cluster don't hear each other in ``networks``, and ``node`` hears both."""

    node: Annotated[Node, ", the one in the middle of three or more"]
    networks: Networks
    name: ClassVar[str] = "partition-bridge"
    samples: ClassVar[tuple[str, ...]] = ("node={third} networks={heartbeat-nets}",)
    says: ClassVar[tuple[Says, ...]] = (Says("the <networks> splits into two halves that both hear <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = MENDED

    def links(self, topology: Topology) -> shapes.Links:
        return _possible(lambda: shapes.bridge(topology.cluster_nodes, self.node))


@fault
@dataclass(frozen=True)
class PartitionRing(_LostLinks):
    """Every node hears a majority of the cluster in ``networks``, and no two the same one; of four or more nodes."""

    networks: Networks
    name: ClassVar[str] = "partition-ring"
    samples: ClassVar[tuple[str, ...]] = ("networks={heartbeat-nets} ?four members",)
    says: ClassVar[tuple[Says, ...]] = (Says("every node hears a majority of its own on the <networks>"),)
    heal_says: ClassVar[tuple[Says, ...]] = MENDED

    def links(self, topology: Topology) -> shapes.Links:
        return _possible(lambda: shapes.ring(topology.cluster_nodes))


def _possible(shape: Any) -> shapes.Links:
    try:
        return shape()
    except ValueError as error:
        raise FaultError(f"not in this cluster: {error}") from error
