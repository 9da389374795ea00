"""A machine that stands still for a while and goes on: a snapshot, a live migration, a hypervisor that is too busy.
From outside the guest."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, MachineError
from fenceline.faults.background import start_worker, stop_worker
from fenceline.faults.base import EndsByItself, fault, is_event, observed
from fenceline.faults.node import NodeFault, no_ticks
from fenceline.faults.parameters import Seconds
from fenceline.faults.says import Says
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Node, standing still for a while", "outside: the machine's driver",
    "the machine is resumed; one that was fenced is switched on")

_TURN = 0.01  # s from one look to the next at whether it is time
_LONG = 1.5  # s; in a shorter one the agent's silence tells nothing while it lasts, but the gap in its ticks does after
_TICK = 0.25  # s from one tick of the agent to the next
_LATE = 1.0  # s that a tick may need from the guest to the log


@dataclass(frozen=True)
class _Still(NodeFault):
    """The CPUs of a node stop for ``seconds`` at a time. Not a fault of its own."""

    def _resume(self, cluster: Cluster) -> None:
        machine = cluster.machine(self.node)
        if machine.power() is Power.PAUSED:
            with contextlib.suppress(MachineError):  # fenced this very moment
                machine.resume()

    def _gap(self, cluster: Cluster, since_ns: int) -> float:
        """The longest time (s) since then, or since the node was paused, without a tick of its agent, that a later tick
        ended."""
        ticks = [event.t_ns for event in cluster.log.events() if event.kind in ("tick", "power.paused")
                 and event.node == self.node and event.t_ns >= since_ns]
        return max(((after - before) / 1e9 for before, after in zip(ticks, ticks[1:], strict=False)), default=0.0)

    def _was_still(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        """What shows that the guest did not run for ``seconds``, of which it has woken up.

        Raises:
            FaultError: its agent ticked in between.
        """
        observed(cluster, is_event("power.resumed", self.node), self.seconds + 5, f"{self.node} to go on", since_ns)
        wanted = self.seconds - _TICK / 2
        with contextlib.suppress(FaultError):
            cluster.poll(lambda: self._gap(cluster, since_ns) >= wanted, _LATE, "the gap in its ticks", FaultError)
        gap = self._gap(cluster, since_ns)
        if gap < wanted:
            raise FaultError(f"not confirmed: {self.node}'s agent was silent for {gap:.2f} s at most, not for "
                             f"{self.seconds:g} s")
        return {"agent": f"silent for {gap:.2f} s"}

    def heal(self, cluster: Cluster) -> None:
        try:
            stop_worker(cluster, self)
        finally:
            self._resume(cluster)
            if cluster.machine(self.node).power() is Power.OFF:
                cluster.power_on(self.node)  # it was fenced in its sleep

    def costs(self, topology: Topology) -> Cost:
        """While the node stands still it is out, which its machine tells; one that is not heard of for long may be
        fenced."""
        return damage.still(topology, self.node, self.seconds)


@fault
@dataclass(frozen=True)
class Stun(EndsByItself, _Still):
    """The CPUs of ``node`` stop for ``seconds`` and go on where they were, as in a snapshot or a live migration."""

    seconds: Annotated[float, Seconds(0.5, 600), "that it stands still"] = 5.0
    name: ClassVar[str] = "stun"
    samples: ClassVar[tuple[str, ...]] = ("node={active} seconds=700ms", "node={active} seconds=5s")
    says: ClassVar[tuple[Says, ...]] = (Says("<node> hangs for <seconds>"),)

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).pause()
        until = cluster.clock.now() + self.seconds

        def turn() -> bool:
            if cluster.clock.now() < until:
                return True
            self._resume(cluster)
            return False
        start_worker(cluster, self, turn, _TURN)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.paused", self.node), 5, f"{self.node} to be paused", since_ns)
        if self.seconds < _LONG:
            return self._was_still(cluster, since_ns)
        no_ticks(cluster, self.node, 0.6)
        return {"agent": "silent for 0.6 s"}


@fault
@dataclass(frozen=True)
class StunAgain(_Still):
    """The CPUs of ``node`` stop for ``seconds`` and run for ``up``, again and again: a backup that takes one snapshot
    after the other."""

    seconds: Annotated[float, Seconds(0.5, 60), "that it stands still each time"] = 0.7
    up: Annotated[float, Seconds(0.5, 600), "that it runs in between"] = 5.0
    name: ClassVar[str] = "stun-again"
    samples: ClassVar[tuple[str, ...]] = ("node={active} seconds=700ms",)
    says: ClassVar[tuple[Says, ...]] = (Says("<node> hangs for <seconds> and runs for <up>, again and again"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> hangs no more"),)

    def inject(self, cluster: Cluster) -> None:
        machine = cluster.machine(self.node)
        machine.pause()
        next_at = [cluster.clock.now() + self.seconds]

        def turn() -> None:
            if cluster.clock.now() < next_at[0]:
                return
            if machine.power() is Power.PAUSED:
                self._resume(cluster)
                next_at[0] = cluster.clock.now() + self.up
            elif machine.power() is Power.ON:
                with contextlib.suppress(MachineError):  # fenced this very moment
                    machine.pause()
                next_at[0] = cluster.clock.now() + self.seconds
            # one that is off is left alone until somebody has switched it on
        start_worker(cluster, self, turn, _TURN)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.paused", self.node), 5, f"{self.node} to be paused", since_ns)
        return self._was_still(cluster, since_ns)
