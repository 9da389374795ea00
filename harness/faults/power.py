"""Faults of a whole node that end by themselves: hard reset, slow boot, clean shutdown, clean reboot; and of several
nodes at once."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, MachineError
from fenceline.faults.background import start_worker, stop_worker
from fenceline.faults.base import fault, is_event, observed
from fenceline.faults.claims import Claim, power
from fenceline.faults.node import PowerOff, no_ticks, switch_on, wait_tick
from fenceline.faults.parameters import Nodes, Seconds
from fenceline.faults.says import Says, all_members
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.event import Event

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Node, stopped and started", "outside: the machine's driver; clean ones by the node's own command",
    "the machine is switched on")

_SHUTDOWN = 90.0  # s that a clean shutdown may take: the cluster moves what runs there first


@fault
@dataclass(frozen=True)
class Reset(PowerOff):
    """The reset button of ``node`` is pressed: it boots at once, without having flushed anything."""

    name: ClassVar[str] = "reset"
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is reset"),)

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).reset()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.off", self.node, why="reset"), 5, f"the reset of {self.node}", since_ns)
        booted = observed(cluster, is_event("agent.start", self.node), cluster.boot_deadline,
                          f"{self.node} to boot again", since_ns)
        return {"agent_started_after_s": round(booted, 3)}


@fault
@dataclass(frozen=True)
class SlowBoot(PowerOff):
    """``node`` is reset, and needs ``seconds`` longer than usual to boot, that time and every time: its firmware takes
    its time."""

    seconds: Annotated[float, Seconds(1, 600), "by which the boot takes longer"] = 30.0
    name: ClassVar[str] = "slow-boot"
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is reset, and takes <seconds> longer to boot"),)

    def inject(self, cluster: Cluster) -> None:
        machine = cluster.machine(self.node)
        switched_on = threading.Event()
        waits_until: list[float] = []

        def listen(event: Event) -> None:
            if event.kind == "power.on" and event.node == self.node:
                switched_on.set()

        def turn() -> None:
            if switched_on.is_set():
                switched_on.clear()
                with contextlib.suppress(MachineError):  # it is off again already
                    machine.pause()
                waits_until[:] = [cluster.clock.now() + self.seconds]
            elif waits_until and cluster.clock.now() >= waits_until[0]:
                waits_until.clear()
                with contextlib.suppress(MachineError):  # it was fenced while it waited
                    machine.resume()
        start_worker(cluster, self, turn, 0.02)
        cluster.log.listeners.append(listen)  # it says nothing any more once the worker has ended
        machine.reset()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.off", self.node, why="reset"), 5, f"the reset of {self.node}", since_ns)
        took = observed(cluster, is_event("agent.start", self.node), self.seconds + cluster.boot_deadline,
                        f"{self.node} to boot again", since_ns)
        if took < self.seconds - 1:
            raise FaultError(f"not confirmed: {self.node} booted within {took:.1f} s")
        return {"agent_started_after_s": round(took, 3)}

    def heal(self, cluster: Cluster) -> None:
        stop_worker(cluster, self)
        if cluster.machine(self.node).power() is Power.PAUSED:
            cluster.machine(self.node).resume()
        super().heal(cluster)


@fault
@dataclass(frozen=True)
class PowerOffSeveral:
    """The power of several ``nodes`` is cut: at once, or one by one, ``interval`` apart."""

    nodes: Nodes
    interval: Annotated[float, Seconds(0, 300), "from one to the next (0: at once)"] = 0.0
    name: ClassVar[str] = "power-off-several"
    samples: ClassVar[tuple[str, ...]] = (
        "nodes={active},{standby}",
        "nodes={real-server},{real-server-2}",
        "nodes={active},{storage-host}",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the power of all cluster nodes is cut at once", nodes=all_members),
        Says("the power of the cluster nodes is cut one by one, <interval> apart", nodes=all_members),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the cluster nodes are switched on"),)

    @property
    def targets(self) -> tuple[str, ...]:
        return self.nodes

    def costs(self, topology: Topology) -> Cost:
        return reduce(or_, (damage.machine_lost(topology, node) for node in self.nodes))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset(power(node) for node in self.nodes)

    def inject(self, cluster: Cluster) -> None:
        machines = [cluster.machine(node) for node in self.nodes]  # all are there, or none is cut
        for number, machine in enumerate(machines):
            if number:
                cluster.clock.sleep(self.interval)
            machine.power_off()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        for node in self.nodes:
            observed(cluster, is_event("power.off", node), 5, f"the end of {node}'s power", since_ns)
        # whoever was fenced for his silence and switched on again meanwhile speaks: that is no doubt of the cut
        silent = [node for node in self.nodes if cluster.machine(node).power() is Power.OFF]
        for node in silent:
            no_ticks(cluster, node)
        cut = [event.t_ns for event in cluster.log.events() if event.t_ns >= since_ns and event.node in self.nodes
               and is_event("power.off", why="power_off")(event)]
        return {"silent": silent, "from_first_to_last_s": round((max(cut) - min(cut)) / 1e9, 3) if cut else None}

    def heal(self, cluster: Cluster) -> None:
        for node in self.nodes:
            switch_on(cluster, node)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"waited_s": {node: round(wait_tick(cluster, node, cluster.boot_deadline), 3) for node in self.nodes}}


@fault
@dataclass(frozen=True)
class Shutdown(PowerOff):
    """``node`` is shut down cleanly: services stop in their order, then it switches itself off."""

    name: ClassVar[str] = "shutdown"
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is shut down"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.machine_left(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        # the node may hang up on us before it has answered
        with contextlib.suppress(MachineError):
            cluster.session(self.node).run("systemctl poweroff --no-block", within=20, check=False)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        took = observed(cluster, is_event("power.off", self.node), _SHUTDOWN, f"{self.node} to switch itself off",
                        since_ns)
        no_ticks(cluster, self.node)
        return {"off_after_s": round(took, 3)}


@fault
@dataclass(frozen=True)
class Reboot(Shutdown):
    """``node`` is rebooted cleanly: shut down, and switched on again at once."""

    name: ClassVar[str] = "reboot"
    says: ClassVar[tuple[Says, ...]] = (Says("<node> is rebooted"),)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        evidence = super().confirm(cluster, since_ns)
        cluster.power_on(self.node)
        booted = observed(cluster, is_event("agent.start", self.node), cluster.boot_deadline,
                          f"{self.node} to boot again", since_ns)
        return {**evidence, "agent_started_after_s": round(booted, 3)}
