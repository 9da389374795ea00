"""Faults of a whole node: power-off, hang, panic. All from outside the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError, Timeout
from harness.faults.base import OnNode, fault, is_event, observed
from harness.machines.protocol import Power
from harness.model.event import now_ns

if TYPE_CHECKING:
    from harness.cluster import Cluster

_SILENCE = 1.0  # s without the agent's tick (4 a second) that proves that a guest is not scheduled


def no_ticks(cluster: Cluster, node: str, seconds: float = _SILENCE) -> None:
    """Returns when ``node``'s agent has been silent for ``seconds``.

    Raises:
        FaultError: it ticked on for three times as long.
    """
    for _ in range(3):
        try:
            cluster.log.wait_for(is_event("tick", node), seconds, f"a tick of {node}", now_ns())
        except Timeout:
            return
    raise FaultError(f"not confirmed: {node}'s agent still runs")


def wait_tick(cluster: Cluster, node: str, within: float) -> float:
    """Waits until ``node``'s agent is heard again; returns the seconds waited.

    Raises:
        FaultError: it was not.
    """
    return observed(cluster, is_event("tick", node), within, f"a tick of {node}'s agent", now_ns())


@dataclass(frozen=True)
class _NodeFault(OnNode):

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"waited_s": round(wait_tick(cluster, self.node, cluster.boot_deadline), 3)}


@fault
@dataclass(frozen=True)
class PowerOff(_NodeFault):
    """The power of ``node`` is cut: nothing is flushed."""

    name: ClassVar[str] = "power-off"

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).power_off()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.off", self.node), 5, f"the end of {self.node}'s power", since_ns)
        no_ticks(cluster, self.node)
        return {"agent": f"silent for {_SILENCE:g} s"}

    def heal(self, cluster: Cluster) -> None:
        if cluster.machine(self.node).power() is Power.OFF:
            cluster.power_on(self.node)


@fault
@dataclass(frozen=True)
class Panic(PowerOff):
    """The kernel of ``node`` panics and stays dead."""

    name: ClassVar[str] = "panic"
    requires: ClassVar[tuple[str, ...]] = ("uml: program uml_mconsole",)

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).panic()

    def heal(self, cluster: Cluster) -> None:
        cluster.machine(self.node).power_off()
        cluster.power_on(self.node)


@fault
@dataclass(frozen=True)
class Hang(_NodeFault):
    """The CPUs of ``node`` stop; healing lets it wake up where it was."""

    name: ClassVar[str] = "hang"

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).pause()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.paused", self.node), 5, f"{self.node} to be paused", since_ns)
        no_ticks(cluster, self.node, 0.6)
        return {"agent": "silent for 0.6 s"}

    def heal(self, cluster: Cluster) -> None:
        machine = cluster.machine(self.node)
        if machine.power() is Power.PAUSED:
            machine.resume()
        elif machine.power() is Power.OFF:
            # it was fenced in its sleep: whole again means switched on again
            cluster.power_on(self.node)
