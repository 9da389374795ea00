"""Faults of DRBD: the replication link cut, a split brain forced, a disk that fails, a replica to be filled anew.

What DRBD itself tells (its event stream in the guest) confirms each, not the command that made it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, OnNode, fault, observed
from fenceline.faults.bridge_rule import BridgeRule
from fenceline.faults.claims import Claim, Once, inside
from fenceline.faults.parameters import DrbdResource
from fenceline.faults.says import Says
from fenceline.judge.replicas import SPLIT_BRAIN
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.storage.drbd import resources as drbd
from fenceline.storage.drbd.kind import DrbdKind
from fenceline.storage.drbd.model import Drbd

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "DRBD", "inside: by DRBD's own commands and its fault injection; the link outside, in the fabric",
    "the rule is deleted, the disk attached again, a split brain repaired; DRBD then copies what differs")

_NOTICED = 10.0  # s beyond DRBD's own times within which it says what has become of it
_SYNCED = 120.0  # s for a whole disk
#: Data and metadata, written and read, and resync: bits of enable_faults, see drbd_int.h.
_ALL_IO = 0b111111
_FAULTS = "/sys/module/drbd/parameters"


def settings(cluster: Cluster, resource: str) -> Drbd:
    """The DRBD resource ``resource``.

    Raises:
        FaultError: there is none.
    """
    names = [one.name for one in cluster.topology.storage.drbd]
    if resource not in names:
        raise FaultError(f"no DRBD resource {resource!r} in {cluster.topology.name}; there are "
                         f"{', '.join(names) or 'none'}")
    return drbd.resource(cluster.topology, resource)


def holders(cluster: Cluster, resource: str) -> list[str]:
    """The nodes that run and have the resource configured."""
    return [node for node in cluster.topology.cluster_nodes if cluster.is_running(node)
            and cluster.drbd_of(node, resource).get("role", "Unconfigured") != "Unconfigured"]


def is_in_sync(cluster: Cluster, resource: str) -> bool:
    """Whether both nodes say that they are connected, and both disks the same and up to date."""
    states = [cluster.drbd_of(node, resource) for node in cluster.topology.cluster_nodes if cluster.is_running(node)]
    return len(states) == 2 and all(
        state.get("connection") == "Connected" and state.get("disk") == state.get("peer_disk") == "UpToDate"
        and state.get("kib") == 0 for state in states)


def repair_split_brain(cluster: Cluster, resource: str, victim: str) -> None:
    """The procedure of drbd.conf's own documentation, by hand: the victim's changes since the split are thrown away.

    Raises:
        FaultError: the victim is primary: what uses its disk must be stopped first.
    """
    role = cluster.drbd_of(victim, resource).get("role")
    if role == "Primary":
        raise FaultError(f"{victim} is primary of {resource}: its changes can't be thrown away under what uses it")
    survivor = next(node for node in cluster.topology.cluster_nodes if node != victim)
    cluster.session(victim).run(
        f"drbdadm disconnect {resource}; drbdadm secondary {resource} && "
        f"drbdadm connect --discard-my-data {resource}", within=30)
    # one that waits for a connection needs no telling, and says so
    cluster.session(survivor).run(
        f"case $(drbdadm cstate {resource}) in StandAlone) drbdadm connect {resource};; esac", within=30)


@fault
@dataclass(frozen=True)
class DrbdLinkCut(BridgeRule, OnCluster):
    """The replication link of a DRBD ``resource`` is cut; all else on that network passes."""

    resource: DrbdResource
    name: ClassVar[str] = "drbd-link-cut"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the replication link of <resource> is cut",
             given="the replication link of <resource> is cut"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the replication link of <resource> is mended"),)

    @property
    def _table(self) -> str:
        return f"fl_drbd_{self.resource.replace('-', '_')}"

    def costs(self, topology: Topology) -> Cost:
        return DrbdKind().replication_lost(topology, self.resource)

    def inject(self, cluster: Cluster) -> None:
        settings(cluster, self.resource)
        topology, fabric = cluster.topology, cluster.fabric
        network, port = drbd.network(topology, self.resource), drbd.port(topology, self.resource)
        taps = ", ".join(fabric.tap(node, network) for node in topology.cluster_nodes)
        fabric.run(["nft", "-f", "-"], f"""
table bridge {self._table} {{
    chain link {{
        type filter hook prerouting priority 0;
        iifname {{ {taps} }} tcp dport {port} drop;
        iifname {{ {taps} }} tcp sport {port} drop;
    }}
}}
""")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        one = settings(cluster, self.resource)
        nodes = holders(cluster, self.resource)

        def is_cut() -> bool:
            return all(cluster.drbd_of(node, self.resource).get("connection") != "Connected" for node in nodes)
        waited = cluster.poll(is_cut, one.ping_int + one.timeout + _NOTICED,
                              f"DRBD on {', '.join(nodes)} to miss its peer", FaultError)
        return {"connections": {node: cluster.drbd_of(node, self.resource).get("connection") for node in nodes},
                "waited_s": round(waited, 3)}

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if self._is_there(cluster):
            raise FaultError(f"the rule that cuts the link of {self.resource} is still there")
        one = settings(cluster, self.resource)

        def connections() -> list[str]:
            return [cluster.drbd_of(node, self.resource).get("connection") for node in holders(cluster, self.resource)]

        def has_met() -> bool:
            # with histories of their own they meet, and part again for good: the link is not at fault for that
            now = connections()
            return len(now) < 2 or "StandAlone" in now or all(one == "Connected" for one in now)
        waited = cluster.poll(has_met, 2 * one.connect_int + one.timeout + _NOTICED,
                              f"the replicas of {self.resource} to meet again", FaultError)
        return {"connections": connections(), "waited_s": round(waited, 3)}


def _without_replica(topology: Topology, node: str, resource: str) -> Cost:
    return Cost(unfit_for=frozenset((service, node) for service in damage.services_on(topology, resource)))


@dataclass(frozen=True)
class _OneReplica(OnNode):
    resource: DrbdResource

    def _run(self, cluster: Cluster, line: str) -> None:
        cluster.session(self.node).run(line, within=30)

    def _wait_disk(self, cluster: Cluster, states: tuple[str, ...], since_ns: int, within: float) -> float:
        return observed(cluster, lambda event: (
            event.kind == "drbd.disk" and event.node == self.node and event.data["resource"] == self.resource
            and event.data["disk"] in states), within, f"{self.node}'s disk of {self.resource} to be "
            f"{' or '.join(states)}", since_ns)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        waited = cluster.poll(lambda: is_in_sync(cluster, self.resource), _SYNCED,
                              f"both replicas of {self.resource} to be the same", FaultError)
        return {"disks": "UpToDate", "waited_s": round(waited, 3)}


@fault
@dataclass(frozen=True)
class DrbdSplitBrain(_OneReplica):
    """A split brain of a DRBD ``resource`` is forced: ``node``, secondary, is cut off, primary for a moment, and comes
    back with a history of its own.

    The other must be primary and be written to meanwhile. Healed by throwing away what ``node`` has.
    """

    name: ClassVar[str] = "drbd-split-brain"
    drawn: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[str, ...]] = ("node={standby} resource={drbd}",)
    says: ClassVar[tuple[Says, ...]] = (Says("a split brain of <resource> is forced on <node>"),)

    def costs(self, topology: Topology) -> Cost:
        # the one that is primary goes on; its peer, which stays alone, has a disk that can be promoted
        return Cost()

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the histories of {self.resource}")})

    def inject(self, cluster: Cluster) -> None:
        settings(cluster, self.resource)
        if cluster.drbd_of(self.node, self.resource).get("role") != "Secondary":
            raise FaultError(f"{self.node} is not secondary of {self.resource}")
        other = next(node for node in cluster.topology.cluster_nodes if node != self.node)
        self._run(cluster, f"drbdadm disconnect {self.resource} && drbdadm primary {self.resource}")
        try:
            # with its next write the other begins a generation of its own
            cluster.poll(lambda: cluster.drbd_of(other, self.resource).get("kib", 0) > 0, 20,
                         f"{other} to write to {self.resource} without its peer", FaultError)
        finally:
            self._run(cluster, f"drbdadm secondary {self.resource}; drbdadm connect {self.resource}")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        one = settings(cluster, self.resource)
        waited = observed(cluster, lambda event: (
            event.kind == "drbd.helper" and event.data["resource"] == self.resource
            and event.data["helper"] in SPLIT_BRAIN), 2 * one.connect_int + _NOTICED,
            f"DRBD to tell of a split brain of {self.resource}", since_ns)
        return {"told": "split brain", "waited_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        if cluster.is_running(self.node) and not is_in_sync(cluster, self.resource):
            repair_split_brain(cluster, self.resource, self.node)


@fault
@dataclass(frozen=True)
class DrbdDiskFailure(_OneReplica):
    """The disk of ``node`` behind a DRBD ``resource`` fails: every read and write of it is an error."""

    name: ClassVar[str] = "drbd-disk-failure"
    samples: ClassVar[tuple[str, ...]] = ("node={standby} resource={drbd}",)
    says: ClassVar[tuple[Says, ...]] = (Says("the disk of <resource> on <node> fails"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the disk of <resource> on <node> is replaced"),)

    def costs(self, topology: Topology) -> Cost:
        # a primary goes on by its peer's disk: what is lost is the node that could take over
        return _without_replica(topology, self.node, self.resource)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside("the disks of DRBD", self.node)})

    def inject(self, cluster: Cluster) -> None:
        settings(cluster, self.resource)
        minor = drbd.minor(cluster.topology, self.resource)
        self._run(cluster, f"cd {_FAULTS} && echo 100 > fault_rate && echo {1 << minor} > fault_devs && "
                           f"echo {_ALL_IO} > enable_faults")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        waited = self._wait_disk(cluster, ("Failed", "Diskless"), since_ns, 20)
        return {"disk": cluster.drbd_of(self.node, self.resource).get("disk"), "waited_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        if cluster.is_running(self.node):
            cluster.session(self.node).wait(cluster.boot_deadline)
            self._run(cluster, f"echo 0 > {_FAULTS}/enable_faults; case $(drbdadm dstate {self.resource}) in "
                               f"Diskless/*) drbdadm attach {self.resource};; esac")


@fault
@dataclass(frozen=True)
class DrbdResync(Once, _OneReplica):
    """The replica of a DRBD ``resource`` on ``node`` is invalidated: all of it is copied anew, under whatever load."""

    name: ClassVar[str] = "drbd-resync"
    samples: ClassVar[tuple[str, ...]] = ("node={standby} resource={drbd}",)
    says: ClassVar[tuple[Says, ...]] = (Says("the replica of <resource> on <node> is invalidated"),)

    def costs(self, topology: Topology) -> Cost:
        return _without_replica(topology, self.node, self.resource)

    def inject(self, cluster: Cluster) -> None:
        settings(cluster, self.resource)
        if cluster.drbd_of(self.node, self.resource).get("role") == "Primary":
            raise FaultError(f"{self.node} is primary of {self.resource}: the other one's replica can be invalidated")
        self._run(cluster, f"drbdadm invalidate {self.resource}")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        waited = self._wait_disk(cluster, ("Inconsistent",), since_ns, 20)
        return {"disk": "Inconsistent", "kib": cluster.drbd_of(self.node, self.resource).get("kib"),
                "waited_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        """DRBD heals it."""
