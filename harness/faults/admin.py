"""What an administrator does: relocate a service, put a node into standby. Planned, but still a disturbance."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, OnNode, fault
from fenceline.faults.claims import Claim, Once
from fenceline.faults.parameters import SERVICE, Node, Service, Several, Text
from fenceline.faults.says import Says, Stage
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.stacks.pacemaker.cib import cluster_properties

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Administration", "inside: the cluster's own commands", "the opposite command")

_LEFT = 40.0  # s until a service has left a node that it may not run on
_SPREAD = 20.0  # s until every member has what was changed
_CONFIRMED_BY = "/run/fenceline-confirm.pid"
_IN_STANDBY = 40.0  # s; heartbeat says so when the peer has taken everything over, a database too


def property_cost(topology: Topology, key: str, value: str) -> Cost:
    """What setting a property of the cluster takes away: nothing, but for the two that switch something off."""
    if (key, value) == ("maintenance-mode", "true"):
        return Cost(unmanaged=frozenset(topology.services))
    if (key, value) == ("stonith-enabled", "false"):
        # Pacemaker then goes on as if everybody were safe; a lock manager still waits for the fencing that never comes
        return Cost(unfenceable=frozenset(topology.service_nodes if topology.cluster_mountpoints else ()))
    return Cost()


@fault
@dataclass(frozen=True)
class Move:
    """``service`` is relocated to ``node`` by the cluster's own command."""

    service: Service
    node: Node
    name: ClassVar[str] = "move"
    samples: ClassVar[tuple[str, ...]] = ("service={service} node={standby}",)
    needs: ClassVar[tuple[str, ...]] = ("move",)
    says: ClassVar[tuple[Says, ...]] = (Says("<service> is moved to <node>"),)

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)

    def costs(self, topology: Topology) -> Cost:
        return Cost(disturbed=frozenset({self.service}))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        # a further move takes the place of the one before, and the last one that is healed frees the service
        return frozenset({Claim(f"the constraints of {self.service}", shared=type(self) is Move)})

    def inject(self, cluster: Cluster) -> None:
        cluster.stack.move(self.service, self.node)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        # what the cluster has been told stands in its configuration, whatever comes of it
        # at once where it is a constraint; a stack without constraints first has to take the service over
        cluster.poll(lambda: cluster.stack.has_moves(self.service), 30,
                     f"the cluster to say that {self.service} was moved", FaultError)
        return {"constraint": f"{self.service} on {self.node}"}

    def heal(self, cluster: Cluster) -> None:
        cluster.stack.clear_moves(self.service)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if cluster.stack.has_moves(self.service):
            raise FaultError(f"the constraint from moving {self.service} is still there")
        return {"constraint": "gone"}


@fault
@dataclass(frozen=True)
class Ban(Move):
    """``service`` is forbidden to run on ``node`` by the cluster's own command."""

    name: ClassVar[str] = "ban"
    samples: ClassVar[tuple[str, ...]] = ("service={service} node={active}", "service={service} node={standby}")
    needs: ClassVar[tuple[str, ...]] = ("ban",)
    says: ClassVar[tuple[Says, ...]] = (Says("<service> is forbidden to run on <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<service> is allowed to run on <node> again"),)

    def costs(self, topology: Topology) -> Cost:
        return Cost(unfit_for=frozenset({(self.service, self.node)}), disturbed=frozenset({self.service}))

    def inject(self, cluster: Cluster) -> None:
        if not hasattr(cluster.stack, "ban"):
            raise FaultError(f"the stack {cluster.stack.name} can't ban a service from a node")
        cluster.stack.ban(self.service, self.node)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        evidence = super().confirm(cluster, since_ns)

        def is_elsewhere() -> bool:
            return cluster.stack.state().owner(self.service) != self.node
        cluster.poll(is_elsewhere, _LEFT, f"{self.service} to leave {self.node}", FaultError)
        return {"constraint": f"{evidence['constraint']}: never", "runs_there": False}


@fault
@dataclass(frozen=True)
class ConfigChange(OnCluster):
    """Somebody changes the cluster's configuration: the property ``key`` gets another ``value``, on all nodes."""

    key: Annotated[str, Text("a property of the cluster")] = "cluster-recheck-interval"
    value: Annotated[str, Text("its new value")] = "73s"
    name: ClassVar[str] = "config-change"
    drawn: ClassVar[tuple[str, ...]] = ("",)
    samples: ClassVar[tuple[str, ...]] = ("", "key=maintenance-mode value=true", "key=stonith-enabled value=false")
    needs: ClassVar[tuple[str, ...]] = ("configuration",)
    says: ClassVar[tuple[Says, ...]] = (Says("the property <key> of the cluster is changed to <value>"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the property {self.key}")})

    def costs(self, topology: Topology) -> Cost:
        return property_cost(topology, self.key, self.value)

    def inject(self, cluster: Cluster) -> None:
        if not hasattr(cluster.stack, "delete_property"):
            raise FaultError(f"the stack {cluster.stack.name} has no configuration that is changed while it runs")
        cluster.stack.set_property(self.key, self.value)

    def _on_members(self, cluster: Cluster, wanted: str | None) -> dict[str, Any]:
        seen: dict[str, str | None] = {}

        def is_so() -> bool:
            seen.clear()
            seen.update({node: cluster.stack.property(self.key, node) for node in cluster.stack.state().online()})
            return bool(seen) and set(seen.values()) == {wanted}
        try:
            cluster.poll(is_so, _SPREAD, f"{self.key} to be {wanted} in every member's own copy", FaultError)
        except FaultError as error:
            raise FaultError(f"{error.message}: {seen}") from error
        return {self.key: dict(seen)}

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return self._on_members(cluster, self.value)

    def _original(self, cluster: Cluster) -> str | None:
        return cluster_properties(cluster.topology).get(self.key)

    def heal(self, cluster: Cluster) -> None:
        original = self._original(cluster)
        if original is None:
            cluster.stack.delete_property(self.key)
        else:
            cluster.stack.set_property(self.key, original)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self._on_members(cluster, self._original(cluster))


@fault
@dataclass(frozen=True)
class Standby(OnNode):
    """``node`` is put into standby: it stays a member and runs nothing."""

    name: ClassVar[str] = "standby"
    samples: ClassVar[tuple[str, ...]] = ("node={active}", "node={standby}")
    needs: ClassVar[tuple[str, ...]] = ("standby",)
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is put into standby"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> is taken out of standby"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the standby of {self.node}")})

    def costs(self, topology: Topology) -> Cost:
        return Cost(unfit=frozenset({self.node}))

    def inject(self, cluster: Cluster) -> None:
        cluster.stack.standby(self.node, on=True)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return self._is(cluster, True)

    def heal(self, cluster: Cluster) -> None:
        cluster.stack.standby(self.node, on=False)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self._is(cluster, False)

    def _is(self, cluster: Cluster, wanted: bool) -> dict[str, Any]:
        def matches() -> bool:
            return any(m.name == self.node and m.standby is wanted for m in cluster.stack.state().members)
        cluster.poll(matches, _IN_STANDBY, f"{self.node} to be {'in' if wanted else 'out of'} standby", FaultError)
        return {"standby": wanted}


@dataclass(frozen=True)
class _ClusterProperty(OnCluster):
    """A property of the whole cluster is set, and taken back."""

    property_name: ClassVar[str]
    value: ClassVar[str]

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the property {self.property_name}")})

    def _query(self, cluster: Cluster) -> str:
        return cluster.stack.property(self.property_name) or ""

    def costs(self, topology: Topology) -> Cost:
        return property_cost(topology, self.property_name, self.value)

    def inject(self, cluster: Cluster) -> None:
        cluster.stack.set_property(self.property_name, self.value)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        found = self._query(cluster)
        if found != self.value:
            raise FaultError(f"not confirmed: {self.property_name} is {found or 'not set'}, not {self.value}")
        return {self.property_name: found}

    def heal(self, cluster: Cluster) -> None:
        cluster.stack.set_property(self.property_name, {"true": "false", "false": "true"}[self.value])

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        found = self._query(cluster)
        if found == self.value:
            raise FaultError(f"{self.property_name} is still {found}")
        return {self.property_name: found}


@fault
@dataclass(frozen=True)
class Maintenance(_ClusterProperty):
    """The cluster is put into maintenance mode: it leaves everything as it is, whatever happens."""

    name: ClassVar[str] = "maintenance"
    needs: ClassVar[tuple[str, ...]] = ("maintenance",)
    says: ClassVar[tuple[Says, ...]] = (Says("the cluster is put into maintenance mode"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the cluster is taken out of maintenance mode"),)
    property_name: ClassVar[str] = "maintenance-mode"
    value: ClassVar[str] = "true"


def _services_there(stage: Stage, words: Mapping[str, Any]) -> tuple[str, ...]:
    """What the cluster says that it runs on the sentence's ``node`` now."""
    state = stage.cluster.state()
    return tuple(service for service in stage.cluster.topology.services if words["node"] in state.owners(service))


@fault
@dataclass(frozen=True)
class NodeMaintenance(OnNode):
    """``node`` is put into maintenance: the cluster leaves alone what runs there, and the other nodes go on as ever."""

    services: Annotated[tuple[str, ...], Several(SERVICE, least=0), "that run there (*: that may)"] = ("*",)
    name: ClassVar[str] = "node-maintenance"
    samples: ClassVar[tuple[str, ...]] = ("node={active} services=*",)
    needs: ClassVar[tuple[str, ...]] = ("node maintenance",)
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is put into maintenance", services=_services_there),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> is taken out of maintenance"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the maintenance of {self.node}")})

    def inject(self, cluster: Cluster) -> None:
        if not hasattr(cluster.stack, "node_maintenance"):
            raise FaultError(f"the stack {cluster.stack.name} knows no maintenance of a node")
        unknown = sorted({*self.services} - {*cluster.topology.services, "*"})
        if unknown:
            raise FaultError(f"no service {', '.join(unknown)}; there are {', '.join(cluster.topology.services)}")
        cluster.stack.node_maintenance(self.node, on=True)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return self._is(cluster, True)

    def heal(self, cluster: Cluster) -> None:
        if hasattr(cluster.stack, "node_maintenance"):
            cluster.stack.node_maintenance(self.node, on=False)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return self._is(cluster, False)

    def _is(self, cluster: Cluster, wanted: bool) -> dict[str, Any]:
        def matches() -> bool:
            return any(m.name == self.node and m.maintenance is wanted for m in cluster.stack.state().members)
        cluster.poll(matches, _SPREAD, f"{self.node} to be {'in' if wanted else 'out of'} maintenance", FaultError)
        return {"maintenance": wanted}

    def costs(self, topology: Topology) -> Cost:
        """What runs there is left alone; nothing else is to be started there."""
        may = [name for name in topology.services if self.node in topology.preferred_nodes(name)]
        names = may if "*" in self.services else self.services
        return Cost(unfit=frozenset({self.node}), unmanaged_on=frozenset((name, self.node) for name in names))


@fault
@dataclass(frozen=True)
class FencingOff(_ClusterProperty):
    """Fencing is switched off in the cluster's configuration."""

    name: ClassVar[str] = "fencing-off"
    drawn: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ("fencing", "fencing switch")
    says: ClassVar[tuple[Says, ...]] = (Says("fencing is switched off in the cluster's configuration"),)
    property_name: ClassVar[str] = "stonith-enabled"
    value: ClassVar[str] = "false"


@fault
@dataclass(frozen=True)
class ManualFencing(Once, OnNode):
    """The operator tells ``by`` that ``node`` is off, which may be true: the cluster takes it for a fencing."""

    by: Annotated[Node, ", the member that is told"]
    name: ClassVar[str] = "manual-fencing"
    drawn: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ("fencing by hand",)
    says: ClassVar[tuple[Says, ...]] = (Says("the operator tells <by> by hand that <node> is off"),)

    def costs(self, topology: Topology) -> Cost:
        # one that is not off hears that it was fenced, and stops, or is reset
        return damage.victim(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        line = f"echo $$ > {_CONFIRMED_BY}; exec stonith_admin --confirm {shlex.quote(self.node)}"
        cluster.stack.command(["sh", "-c", line], self.by)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        # Pacemaker's history calls the device "a human", and the one who asked by program and process: an older
        # confirmation, which may be the same in all else, is not this one. Its times are the node's, in whole seconds
        client = f"stonith_admin.{cluster.session(self.by).run(['cat', _CONFIRMED_BY], within=20).out.strip()}"

        def told() -> bool:
            return any(event["target"] == self.node and event["delegate"] == "a human" and event["status"] == "success"
                       and event["client"] == client for event in cluster.stack.state(self.by).fencing)
        cluster.poll(told, 10, f"the fencing history of {self.by} to say that a human fenced {self.node}", FaultError)
        return {"history": f"{self.node} fenced by a human"}

    def heal(self, cluster: Cluster) -> None:
        """What was said can't be taken back."""

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {}
