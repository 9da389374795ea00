"""Faults of processes that hang: stopped by SIGSTOP, and continued. Made in the guest."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError, MachineError
from harness.faults.base import fault
from harness.faults.node import wait_tick
from harness.faults.parameters import parameter
from harness.machines.protocol import Power

if TYPE_CHECKING:
    from harness.cluster import Cluster

_HEALED = 15.0  # s until a continued process is seen to run


@dataclass(frozen=True)
class _Stopped:
    node: str

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.node,)

    def process(self, cluster: Cluster) -> str:
        """The process' name, as pgrep -x takes it."""
        raise NotImplementedError

    def inject(self, cluster: Cluster) -> None:
        process = self.process(cluster)
        done = cluster.session(self.node).run(["pkill", "-STOP", "-x", process], within=15, check=False)
        if not done.ok:
            raise FaultError(f"{process} does not run on {self.node}")

    def _states(self, cluster: Cluster, within: float = 15.0) -> str:
        """The letters of /proc/PID/stat of every such process: "TT"."""
        out = cluster.session(self.node).run(
            f"for p in $(pgrep -x {self.process(cluster)}); do sed 's/.*) \\(.\\).*/\\1/' /proc/$p/stat; done",
            within=within, check=False).out
        return "".join(out.split())

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        states = self._states(cluster)
        if not states or set(states) != {"T"}:
            raise FaultError(f"not confirmed: the processes {self.process(cluster)} of {self.node} are in the states "
                             f"{states or 'none'}, not all stopped")
        return {"stopped_processes": len(states)}

    def heal(self, cluster: Cluster) -> None:
        if cluster.machine(self.node).power() is Power.OFF:
            cluster.power_on(self.node)
        elif cluster.machine(self.node).power() is Power.ON:
            # it may be booting, after having been fenced: then there is nothing to continue
            wait_tick(cluster, self.node, cluster.boot_deadline)
            cluster.session(self.node).wait(cluster.boot_deadline)
            cluster.session(self.node).run(["pkill", "-CONT", "-x", self.process(cluster)], within=15, check=False)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if cluster.machine(self.node).power() is not Power.ON:
            raise FaultError(f"{self.node} does not run")
        wait_tick(cluster, self.node, cluster.boot_deadline)
        cluster.session(self.node).wait(cluster.boot_deadline)
        seen = []

        def goes_on() -> bool:
            with contextlib.suppress(MachineError):  # what went on may have reset the node at once, as it was told
                seen[:] = [self._states(cluster)]
            return bool(seen) and "T" not in seen[0]
        cluster.poll(goes_on, _HEALED, f"{self.process(cluster)} on {self.node} to go on", FaultError)
        return {"states": seen[0]}


@fault
@dataclass(frozen=True)
class DaemonStop(_Stopped):
    """A cluster daemon of ``node`` hangs: it is stopped with SIGSTOP, and answers nobody."""

    daemon: str
    name: ClassVar[str] = "daemon-stop"

    def process(self, cluster: Cluster) -> str:
        process = cluster.stack.daemons.get(self.daemon)
        if process is None:
            raise FaultError(f"no daemon {self.daemon!r} in a {cluster.stack.name} cluster; "
                             f"there are {', '.join(cluster.stack.daemons)}")
        return process


@fault
@dataclass(frozen=True)
class ServiceStop(_Stopped):
    """The daemon of ``service`` hangs on ``node``, where it runs: its port accepts, and nothing answers."""

    service: str = parameter("a service of the topology")
    name: ClassVar[str] = "service-stop"

    def process(self, cluster: Cluster) -> str:
        settings = cluster.topology.services.get(self.service)
        if settings is None or settings.daemon is None:
            raise FaultError(f"no service {self.service!r} with a daemon in {cluster.topology.name}")
        if settings.daemon.name == "nfs-server":
            raise FaultError(f"{self.service} is threads of the kernel, which no signal stops")
        return settings.daemon.process
