"""The faults of a log, and what they took out of play, when. Times in ns of the host's CLOCK_MONOTONIC."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from harness.judge.history import History
from harness.model.event import Event, is_fencing
from harness.model.topology import Service, Topology

#: Faults that leave their node able to vote and to serve; a cache that lies does so until the power goes.
_HARMLESS = frozenset({"lun-reserved", "reservation-lost", "move", "service-kill", "write-cache-lies"})
#: Faults after which the node votes but may not serve.
_UNFIT = frozenset({"ban", "configuration-spoilt", "standby"})
#: What the faults of fencing devices are called: their node can't be counted on to be fenced.
_UNFENCEABLE = "fence-"
#: The network without which a machine that is no member is out.
_NEEDED = {"storage": "storage", "real-server": "service", "client": "service"}
#: A network that loses this share of its packets (%) is as good as cut.
_LOSSY = 50.0


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """One fault as the log tells it; stamps are None where it did not come to that."""

    id: str
    name: str
    targets: tuple[str, ...]
    params: dict[str, Any]
    begin: Event
    injected_ns: int | None = None
    confirmed_ns: int | None = None
    healed_ns: int | None = None
    unconfirmed: str | None = None
    unhealed: str | None = None

    @property
    def title(self) -> str:
        """The fault in words: "hang on rs-01"."""
        return f"{self.name} on {', '.join(self.targets)}" if self.targets else self.name


def fault_records(history: History) -> tuple[FaultRecord, ...]:
    """Every fault of the log, in the order in which they began."""
    found: dict[str, FaultRecord] = {}
    for event in history.kinds("fault.begin"):
        name = str(event.data.get("id"))
        found[name] = FaultRecord(name, str(event.data.get("fault")), tuple(event.data.get("targets") or ()),
                                  dict(event.data.get("params") or {}), event)
    for event in history.kinds("fault.injected", "fault.confirmed", "fault.unconfirmed", "fault.healed",
                               "fault.unhealed"):
        record = found.get(str(event.data.get("id")))
        if record is None:
            continue
        change: dict[str, Any] = {
            "fault.injected": {"injected_ns": event.t_ns},
            "fault.confirmed": {"confirmed_ns": event.t_ns},
            "fault.unconfirmed": {"unconfirmed": str(event.data.get("reason", ""))},
            "fault.healed": {"healed_ns": event.t_ns},
            "fault.unhealed": {"unhealed": str(event.data.get("reason", ""))},
        }[event.kind]
        found[record.id] = replace(record, **change)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Impairment:
    """What is out of play: ``lost`` nodes neither vote nor serve, ``unfit`` ones vote but can't serve,
    ``unfenceable`` ones can't be made safe."""

    lost: frozenset[str] = frozenset()
    unfit: frozenset[str] = frozenset()
    unfenceable: frozenset[str] = frozenset()


def survivable(topology: Topology, off: Collection[str] = (), cut: Collection[str] = (),
               paused: Collection[str] = ()) -> bool:
    """Whether every service of ``topology`` should go on without the nodes that are ``off``, ``cut`` or ``paused``."""
    impairment = Impairment(frozenset({*off, *cut, *paused}))
    return all(obstacle(topology, name, impairment) is None for name in topology.services)


def obstacle(topology: Topology, service: str, impairment: Impairment) -> str | None:
    """Why ``service`` can't be expected to run, in words; None if it must."""
    settings = topology.services[service]
    lost = impairment.lost
    stuck = sorted(lost & impairment.unfenceable) if topology.fencing.method != "none" else []
    if stuck:
        return f"{', '.join(stuck)} can't be fenced"
    if not _has_quorum(topology, lost):
        return f"no quorum without {', '.join(sorted(lost))}"
    allowed = topology.preferred_nodes(service)
    if all(node in lost or node in impairment.unfit for node in allowed):
        return f"no node of its failover domain ({', '.join(allowed)}) is fit to run it"
    behind = settings.real_servers
    if behind and all(node in lost or node in impairment.unfit for node in behind):
        return f"no {'client' if settings.client else 'real server'} ({', '.join(behind)}) is left"
    host = topology.storage_host(service)
    if host is not None and host in lost | impairment.unfit:
        return f"the storage host {host} is out"
    return None


def _has_quorum(topology: Topology, lost: frozenset[str]) -> bool:
    quorum = topology.stack.quorum
    nodes = len(topology.cluster_nodes)
    alive = sum(node not in lost for node in topology.cluster_nodes)
    if alive == 0:
        return False
    if quorum.policy == "two_node" or quorum.without_quorum == "ignore":
        return True
    device = 0
    if quorum.policy == "qdevice":
        device = nodes - 1 if quorum.algorithm == "lms" else 1
    votes = alive + (device if quorum.device not in lost else 0)
    return 2 * votes > nodes + device


@dataclass(slots=True)
class _Play:
    """Who is out of play while the log is read."""

    topology: Topology
    active: dict[str, FaultRecord] = field(default_factory=dict)
    victims: set[str] = field(default_factory=set)    # whom a fault so far made a legitimate target of fencing
    away: set[str] = field(default_factory=set)       # off, or on again and not yet a quorate member
    running: set[str] = field(default_factory=set)    # of those, the ones that are on again
    paused: set[str] = field(default_factory=set)

    def take(self, event: Event) -> bool:
        """Whether ``event`` may have changed the picture."""
        node = event.node
        if event.kind == "power.off":
            # a node that the cluster fenced without reason is no excuse for the cluster
            if not is_fencing(event) or node in self.victims:
                self.away.add(node)
            self.paused.discard(node)
            self.running.discard(node)
        elif event.kind == "power.on":
            self.running.add(node)
            self.paused.discard(node)
        elif event.kind == "power.paused":
            self.paused.add(node)
        elif event.kind == "power.resumed":
            self.paused.discard(node)
        elif node not in self.away or node not in self.running:
            return False
        elif node in self.topology.cluster_nodes:
            if event.kind != "quorum" or not event.data["quorate"]:
                return False
            self.away.discard(node)
        else:
            self.away.discard(node)  # its agent speaks: it has booted
        return True

    def impairment(self) -> Impairment:
        lost, unfit, unfenceable = set(self.away | self.paused), set(), set()
        cut: dict[str, set[str]] = {}
        for record in self.active.values():
            if record.name in _HARMLESS:
                continue
            if record.name in _UNFIT:
                unfit |= set(record.targets)
            elif record.name.startswith(_UNFENCEABLE):
                unfenceable |= set(record.targets)
            elif record.name == "network-cut":
                cut.setdefault(str(record.params.get("node")), set()).update(record.params.get("networks") or ())
            elif record.name == "packet-drop":
                lost |= self._drowned(record)
            else:
                lost |= self._lost(record)
        for node, networks in cut.items():
            self._cut(node, networks, lost, unfit)
        self.victims |= lost
        return Impairment(frozenset(lost), frozenset(unfit), frozenset(unfenceable))

    def _lost(self, record: FaultRecord) -> set[str]:
        nfs = self.topology.storage.nfs
        if record.name.startswith("nfs-") and nfs is not None:
            return {nfs.server}
        groups = record.params.get("groups")
        if groups:
            # a partition: the largest part should go on; of equal ones, some part
            kept = max(groups, key=len)
            return {node for group in groups for node in group if node not in kept}
        return set(record.targets or self.topology.cluster_nodes)

    def _drowned(self, record: FaultRecord) -> set[str]:
        network = self.topology.networks.get(str(record.params.get("network")))
        clients = network is not None and network.role == "service"
        if float(record.params.get("percent", 100)) >= _LOSSY or clients:
            return set(self.topology.cluster_nodes)
        return set()

    def _cut(self, node: str, networks: set[str], lost: set[str], unfit: set[str]) -> None:
        topology = self.topology
        if node in topology.cluster_nodes:
            if set(topology.networks_with("heartbeat")) <= networks:
                lost.add(node)
            if networks & {*topology.networks_with("service"), *topology.networks_with("storage")}:
                unfit.add(node)
        elif networks & set(topology.networks_with(_NEEDED.get(topology.nodes[node].role, "management"))):
            lost.add(node)


def impairments(history: History) -> list[tuple[int, Impairment]]:
    """Who was out of play from which stamp on; the first entry is for the log's start."""
    play = _Play(history.topology)
    records = {record.id: record for record in fault_records(history)}
    found = [(history.start_ns, Impairment())]
    for event in history.kinds("fault.begin", "fault.healed", "power.on", "power.off", "power.paused",
                               "power.resumed", "quorum", "agent.start"):
        if event.kind.startswith("fault."):
            name = str(event.data.get("id"))
            if event.kind == "fault.begin":
                play.active[name] = records[name]
            else:
                play.active.pop(name, None)
        elif event.node is None or not play.take(event):
            continue
        now = play.impairment()
        if now != found[-1][1]:
            found.append((event.t_ns, now))
    return found


def serves_clients(service: Service) -> bool:
    """Whether the client observer can ask ``service``: it has an address and something that answers."""
    return (service.vip is not None or service.active == "all") and service.port is not None
