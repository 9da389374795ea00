"""Faults of a whole node that end by themselves: hard reset, clean shutdown, clean reboot."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import MachineError
from harness.faults.base import fault, is_event, observed
from harness.faults.node import PowerOff, no_ticks

if TYPE_CHECKING:
    from harness.cluster import Cluster

_SHUTDOWN = 90.0  # s that a clean shutdown may take: the cluster moves what runs there first


@fault
@dataclass(frozen=True)
class Reset(PowerOff):
    """The reset button of ``node`` is pressed: it boots at once, without having flushed anything."""

    name: ClassVar[str] = "reset"

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).reset()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.off", self.node, why="reset"), 5, f"the reset of {self.node}", since_ns)
        booted = observed(cluster, is_event("agent.start", self.node), cluster.boot_deadline,
                          f"{self.node} to boot again", since_ns)
        return {"agent_started_after_s": round(booted, 3)}


@fault
@dataclass(frozen=True)
class Shutdown(PowerOff):
    """``node`` is shut down cleanly: services stop in their order, then it switches itself off."""

    name: ClassVar[str] = "shutdown"

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

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        evidence = super().confirm(cluster, since_ns)
        cluster.power_on(self.node)
        booted = observed(cluster, is_event("agent.start", self.node), cluster.boot_deadline,
                          f"{self.node} to boot again", since_ns)
        return {**evidence, "agent_started_after_s": round(booted, 3)}
