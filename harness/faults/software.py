"""What an administrator does to the cluster software itself: stops it, starts it, interrupts its start, loses its
configuration, spoils that of a service. Made in the guest."""

from __future__ import annotations

import contextlib
import random
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import ClusterError, FaultError, MachineError
from fenceline.daemons.nginx import configuration
from fenceline.faults.base import OnCluster, OnNode, fault, is_event
from fenceline.faults.claims import Claim, inside
from fenceline.faults.node import reach, switch_on
from fenceline.faults.parameters import Choice, Count, Nodes, Seconds, Service, Text
from fenceline.faults.says import Says, all_members, only_node
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.stacks.offers import components

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Administration, cluster software", "inside", "the software is started, the file put back")

_STOPPED = 90.0  # s until the software of a node has stopped: its services stop first
_CIB = "/var/lib/pacemaker/cib"
_GOOD = ".fenceline-good"


@dataclass(frozen=True)
class _Software:
    """The cluster software of some nodes does not run; healed by starting it."""

    @property
    def targets(self) -> tuple[str, ...]:
        raise NotImplementedError

    def costs(self, topology: Topology) -> Cost:
        return reduce(or_, (damage.machine_left(topology, node) for node in self.targets))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(inside("the cluster software", node) for node in self.targets or topology.cluster_nodes)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return {"stopped": list(wait_stopped(cluster, self.targets))}

    def heal(self, cluster: Cluster) -> None:
        start(cluster, self.targets)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"joined_after_s": wait_joined(cluster, self.targets)}


def _on_all(cluster: Cluster, nodes: Sequence[str], action: str) -> None:
    """Has systemd ``action`` the cluster software of ``nodes``, on all at once, without waiting for its end."""
    words = cluster.topology.stack.units(cluster.topology)
    for node in nodes:
        cluster.session(node).run(["systemctl", "--no-block", action, *(
            words if action == "start" else reversed(words))], within=20)


def start(cluster: Cluster, nodes: Sequence[str]) -> None:
    """Starts the cluster software of ``nodes`` at once; a node that is off is switched on."""
    for node in nodes:
        switch_on(cluster, node)
        cluster.session(node).wait(cluster.boot_deadline)
    _on_all(cluster, nodes, "start")


def wait_stopped(cluster: Cluster, nodes: Sequence[str]) -> tuple[str, ...]:
    """Waits until no daemon of the cluster software runs on ``nodes``.

    Raises:
        FaultError: one still does.
    """
    pattern = "|".join(cluster.stack.daemons.values())

    def running(node: str) -> bool:
        return cluster.session(node).run(["pgrep", "-x", pattern], within=20, check=False).ok
    for node in nodes:
        cluster.poll(lambda node=node: not running(node), _STOPPED, f"the cluster software of {node} to stop",
                     FaultError)
    return tuple(nodes)


def wait_joined(cluster: Cluster, nodes: Sequence[str]) -> float:
    """Waits until ``nodes`` are online members again; returns the seconds it took.

    Raises:
        FaultError: one isn't in time.
    """
    def joined() -> bool:
        try:
            return set(nodes) <= set(cluster.stack.state().online())
        except ClusterError:
            return False  # none of them tells anything while it starts
    return round(cluster.poll(joined, cluster.topology.form_deadline * cluster.driver.slowdown,
                              f"{', '.join(nodes)} to be online again", FaultError), 3)


@fault
@dataclass(frozen=True)
class SoftwareStop(_Software):
    """The cluster software of ``nodes`` is stopped cleanly, on all of them at once; healed, it is started so."""

    nodes: Annotated[Nodes, "that are members"]
    name: ClassVar[str] = "software-stop"
    samples: ClassVar[tuple[str, ...]] = ("nodes={active}", "nodes={active},{standby}")
    says: ClassVar[tuple[Says, ...]] = (
        Says("the cluster software of <node:node> is stopped", nodes=only_node),
        Says("the cluster software is stopped on all nodes at once", nodes=all_members),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (
        Says("the cluster software of <node:node> is started again", nodes=only_node),
        Says("the cluster software is started on all nodes at once", nodes=all_members),
    )

    @property
    def targets(self) -> tuple[str, ...]:
        return self.nodes

    def inject(self, cluster: Cluster) -> None:
        _on_all(cluster, self.nodes, "stop")


@fault
@dataclass(frozen=True)
class ComponentStop(OnNode, _Software):
    """One ``component`` of the cluster software of ``node`` is stopped, or killed with all its processes, and stays so;
    the others are left as they are."""

    component: Annotated[str, Text("a unit of the cluster software, where it has several")] = "pacemaker"
    how: Annotated[str, Choice(("stop", "kill"))] = "stop"
    name: ClassVar[str] = "component-stop"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} component=corosync how=kill ?daemon corosync",
        "node={active} component=pacemaker how=stop ?daemon pacemakerd",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("<component:corosync|pacemaker> alone is stopped on <node>"),
        Says("<component:corosync|pacemaker> alone is killed on <node>, with all its processes", how="kill"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<component:corosync|pacemaker> is started again on <node>"),)
    needs: ClassVar[tuple[str, ...]] = ("component {component}",)

    def _check(self, cluster: Cluster) -> None:
        there = components(cluster.topology)
        if self.component not in there:
            raise FaultError(f"no component {self.component!r} in a {cluster.stack.name} cluster; there "
                             f"{'are ' + ', '.join(there) if there else 'is only one'}")

    def _pattern(self, cluster: Cluster) -> str:
        """Its processes, as pgrep -x knows them."""
        return "|".join(process for daemon, process in cluster.stack.daemons.items()
                        if daemon.startswith(self.component) and daemon != "pacemaker-remoted") or self.component

    def inject(self, cluster: Cluster) -> None:
        self._check(cluster)
        unit = self.component
        if self.how == "kill":
            # or systemd would start it again at once
            line = (f"systemctl mask --runtime --quiet {unit}.service; "
                    f"systemctl kill --kill-who=all --signal=KILL {unit}")
        elif unit == cluster.topology.stack.units(cluster.topology)[-1]:
            line = f"systemctl --no-block stop {unit}"
        else:
            # systemd would stop what needs it first: told directly, it leaves in good order, and the others stay
            line = f"systemctl kill --kill-who=main --signal=TERM {unit}"
        with contextlib.suppress(MachineError):  # who is fenced for it hangs up on us before he has answered
            cluster.session(self.node).run(line, within=20)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        pattern = self._pattern(cluster)

        def is_gone() -> bool:
            if any(is_event("power.off", self.node)(event) for event in cluster.log.events() if event.t_ns >= since_ns):
                return True
            with contextlib.suppress(MachineError):
                return not cluster.session(self.node).run(["pgrep", "-x", pattern], within=15, check=False).ok
            return False
        cluster.poll(is_gone, _STOPPED, f"{self.component} of {self.node} to end, or its node to be fenced for it",
                     FaultError)
        if not cluster.is_running(self.node):
            return {"node": "was fenced for it"}
        return {"component": "gone"}

    def heal(self, cluster: Cluster) -> None:
        if reach(cluster, self.node):
            if self.how == "kill":
                cluster.session(self.node).run(f"systemctl unmask --runtime --quiet {self.component}.service; "
                                               f"systemctl reset-failed {self.component}.service || :", within=20)
            start(cluster, self.targets)

    def costs(self, topology: Topology) -> Cost:
        # with Pacemaker stopped in order, the node votes on and serves nothing; a node's own part of the quorum device
        # takes that from one node alone, which the others have still
        if self.component == "pacemaker" and self.how == "stop":
            return Cost(unfit=frozenset({self.node}))
        return Cost() if self.component == "corosync-qdevice" else damage.machine_lost(topology, self.node)


#: What heals a node whose cluster software does not run.
STARTED_AGAIN = (Says("the cluster software of <node> is started again"),)


@fault
@dataclass(frozen=True)
class StartInterrupted(OnNode, _Software):
    """The cluster software of ``node`` is restarted, and stopped again ``after`` its first daemon is there."""

    after: Annotated[float, Seconds(0, 60)] = 0.5
    name: ClassVar[str] = "start-interrupted"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the start of the cluster software of <node> is interrupted after <after>"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = STARTED_AGAIN

    def inject(self, cluster: Cluster) -> None:
        _on_all(cluster, self.targets, "stop")
        wait_stopped(cluster, self.targets)
        first_daemon = cluster.topology.stack.first_process
        cluster.session(self.node).run(
            f"systemctl --no-block start {' '.join(cluster.topology.stack.units(cluster.topology))}; "
            f"for i in $(seq 600); do pgrep -x {first_daemon} >/dev/null && break; sleep 0.05; done; "
            f"pgrep -x {first_daemon} >/dev/null || exit 9; sleep {self.after:g}", within=120)
        _on_all(cluster, self.targets, "stop")


@fault
@dataclass(frozen=True)
class ConfigurationLost(OnNode, _Software):
    """The cluster software of ``node`` is stopped and its copy of the configuration removed; healed, it starts
    without one and gets the others'."""

    name: ClassVar[str] = "configuration-lost"
    says: ClassVar[tuple[Says, ...]] = (Says("the cluster software of <node> is stopped and loses its configuration"),)
    heal_says: ClassVar[tuple[Says, ...]] = STARTED_AGAIN
    needs: ClassVar[tuple[str, ...]] = ("configuration",)

    def inject(self, cluster: Cluster) -> None:
        if "configuration" not in cluster.topology.stack.abilities:
            raise FaultError(f"a {cluster.stack.name} cluster has no configuration that its nodes share")
        _on_all(cluster, self.targets, "stop")
        wait_stopped(cluster, self.targets)
        cluster.session(self.node).run(f"rm -f {_CIB}/*", within=20)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        left = cluster.session(self.node).run(["ls", "-A", _CIB], within=20).out.split()
        if left:
            raise FaultError(f"not confirmed: {', '.join(left)} is left in {_CIB} of {self.node}")
        return {**super().confirm(cluster, since_ns), "files": 0}

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        found = super().confirm_healed(cluster)
        cluster.poll(lambda: len(set(configurations(cluster).values())) == 1, 30,
                     "all nodes to have the same configuration", FaultError)
        return {**found, "configurations": 1}


def configurations(cluster: Cluster) -> dict[str, str]:
    """{member: a digest of the configuration that it has itself}."""
    return {node: cluster.session(node).run(
        "cibadmin --query --local --scope configuration | sha256sum", within=30).out.split()[0]
        for node in cluster.topology.cluster_nodes}


@fault
@dataclass(frozen=True)
class NearQuorum(OnCluster, _Software):
    """The cluster software is stopped and started at random, ``rounds`` times, with the partition that is left always
    just above or just below the majority; what is chosen follows from ``seed``."""

    seed: Annotated[int, Count(), ": the same one, the same nodes"] = 1
    rounds: Annotated[int, Count(1, 50, "rounds")] = 4
    name: ClassVar[str] = "near-quorum"
    samples: ClassVar[tuple[str, ...]] = ("seed=1 ?three votes",)
    says: ClassVar[tuple[Says, ...]] = (
        Says("the cluster software is stopped and started at random near the quorum point, <rounds> times, "
             "seed <seed>"),
    )
    needs: ClassVar[tuple[str, ...]] = ("quorum",)

    def plan(self, nodes: Sequence[str]) -> list[tuple[str, ...]]:
        """Who runs in each round: one node less than a majority, or a majority, by turns. Somebody runs on from every
        round to the next: of a cluster that begins anew, each node that is not there would have to be fenced."""
        rng = random.Random(self.seed)
        majority = len(nodes) // 2 + 1
        found: list[tuple[str, ...]] = []
        up = list(nodes)
        for number in range(self.rounds):
            if number % 2 == 0:
                up = rng.sample(up, majority - 1)
            else:
                up = [*up, rng.choice([node for node in nodes if node not in up])]
            found.append(tuple(sorted(up)))
        return found

    def costs(self, topology: Topology) -> Cost:
        # whoever was stopped once; by design there is no quorum in between
        nodes = topology.cluster_nodes
        rounds = [set(chosen) for chosen in self.plan(nodes)] if len(nodes) > 2 else []
        return Cost(left=frozenset(nodes) - set.intersection(set(nodes), *rounds))

    def inject(self, cluster: Cluster) -> None:
        if cluster.topology.stack.quorum.without_quorum == "ignore" or len(cluster.topology.cluster_nodes) < 3:
            raise FaultError("near-quorum needs three nodes at least, and a cluster that has quorum")
        quorum = cluster.topology.stack.quorum
        if quorum.auto_tie_breaker or quorum.last_man_standing or any(
                cluster.topology.nodes[node].votes != 1 for node in cluster.topology.cluster_nodes):
            raise FaultError("near-quorum counts heads: it is for members with one vote each, without auto_tie_breaker "
                             "and last_man_standing")
        up = set(cluster.topology.cluster_nodes)
        for chosen in self.plan(cluster.topology.cluster_nodes):
            stopped, started = sorted(up - set(chosen)), sorted(set(chosen) - up)
            if stopped:
                _on_all(cluster, stopped, "stop")
            if started:
                start(cluster, started)
            wait_stopped(cluster, stopped)
            self._settle(cluster, chosen)
            up = set(chosen)

    def _settle(self, cluster: Cluster, chosen: Sequence[str]) -> None:
        """Waits until every node that runs sees just the others that do, and the quorum that follows from their
        number."""
        majority = len(cluster.topology.cluster_nodes) // 2 + 1

        def settled() -> bool:
            told = [cluster.quorum_of(node) for node in chosen]
            return all(one is not None and set(one["members"]) == set(chosen)
                       and one["quorate"] is (len(chosen) >= majority) for one in told)
        cluster.poll(settled, 60 * cluster.driver.slowdown,
                     f"{', '.join(chosen)} to see each other and {'' if len(chosen) >= majority else 'no '}quorum",
                     FaultError)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        return {"ran": [list(chosen) for chosen in self.plan(cluster.topology.cluster_nodes)]}

    def heal(self, cluster: Cluster) -> None:
        start(cluster, cluster.topology.cluster_nodes)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"joined_after_s": wait_joined(cluster, cluster.topology.cluster_nodes)}


@fault
@dataclass(frozen=True)
class ConfigurationSpoilt(OnNode):
    """Somebody edits the configuration of ``service``'s nginx on ``node`` and makes a mistake: what runs goes on, and
    can't be started again."""

    service: Annotated[Service, "with nginx"]
    name: ClassVar[str] = "configuration-spoilt"
    samples: ClassVar[tuple[str, ...]] = ("node={standby} service={service} ?nginx",)
    says: ClassVar[tuple[Says, ...]] = (Says("the configuration of <service> is spoilt on <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the configuration of <service> on <node> is put right"),)

    def costs(self, topology: Topology) -> Cost:
        return Cost(unfit_for=frozenset({(self.service, self.node)}))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the configuration of {self.service} on {self.node}")})

    def _file(self, cluster: Cluster) -> str:
        settings = cluster.topology.services.get(self.service)
        if settings is None or settings.daemon is None or settings.daemon.name != "nginx":
            raise FaultError(f"no service {self.service!r} with nginx in {cluster.topology.name}")
        return shlex.quote(configuration(self.service, settings.daemon))

    def inject(self, cluster: Cluster) -> None:
        file = self._file(cluster)
        cluster.session(self.node).run(f"[ -e {file}{_GOOD} ] || cp -p {file} {file}{_GOOD}; "
                                       f"echo 'sever {{ listen 80; }}' >> {file}", within=20)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        done = cluster.session(self.node).run(f"nginx -t -q -c {self._file(cluster)}", within=20, check=False)
        if done.ok:
            raise FaultError(f"not confirmed: nginx on {self.node} still takes its configuration")
        return {"nginx -t": done.err.strip()[:300]}

    def heal(self, cluster: Cluster) -> None:
        switch_on(cluster, self.node)
        cluster.session(self.node).wait(cluster.boot_deadline)
        file = self._file(cluster)
        # a node that booted since has got a good one from its seed
        cluster.session(self.node).run(f"[ ! -e {file}{_GOOD} ] || mv {file}{_GOOD} {file}", within=20)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        done = cluster.session(self.node).run(f"nginx -t -q -c {self._file(cluster)}", within=20, check=False)
        if not done.ok:
            raise FaultError(f"nginx on {self.node} does not take its configuration: {done.err.strip()[:300]}")
        return {"nginx -t": "ok"}
