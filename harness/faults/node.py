"""Faults of a whole node: power-off, hang, panic. All from outside the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError, Timeout
from fenceline.faults.base import OnNode, fault, is_event, observed
from fenceline.faults.claims import Claim, inside, power
from fenceline.faults.says import Says
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Node", "outside: the machine's driver", "the machine is resumed, or switched on")

_SILENCE = 1.0  # s without the agent's tick (4 a second) that proves that a guest is not scheduled


def no_ticks(cluster: Cluster, node: str, seconds: float = _SILENCE) -> None:
    """Returns when ``node``'s agent has been silent for ``seconds``.

    Raises:
        FaultError: it ticked on for three times as long.
    """
    for _ in range(3):
        try:
            cluster.log.wait_for(is_event("tick", node), seconds, f"a tick of {node}", cluster.clock.now_ns())
        except Timeout:
            return
    raise FaultError(f"not confirmed: {node}'s agent still runs")


def wait_tick(cluster: Cluster, node: str, within: float) -> float:
    """Waits until ``node``'s agent is heard again; returns the seconds waited.

    Raises:
        FaultError: it was not.
    """
    return observed(cluster, is_event("tick", node), within, f"a tick of {node}'s agent", cluster.clock.now_ns())


def wait_back(cluster: Cluster, node: str) -> float:
    """Waits until ``node``'s agent is heard and SSH answers; returns the seconds waited for the agent.

    Raises:
        FencelineError: either does not come.
    """
    waited = wait_tick(cluster, node, cluster.boot_deadline)
    cluster.session(node).wait(cluster.boot_deadline)
    return waited


def switch_on(cluster: Cluster, node: str) -> None:
    """Switches ``node`` on if it is off."""
    if cluster.machine(node).power() is Power.OFF:
        cluster.power_on(node)


def wait_running(cluster: Cluster, node: str) -> bool:
    """Whether ``node`` runs. One that does may be booting, after having been fenced: SSH is waited for.

    Raises:
        FencelineError: it does not boot in its time.
    """
    if not cluster.is_running(node):
        return False
    cluster.session(node).wait(cluster.boot_deadline)
    return True


def reach(cluster: Cluster, node: str, later: float = 0.0) -> bool:
    """Waits for SSH to ``node``, which may be booting, or let nobody in for ``later`` seconds; returns whether there is
    anything to undo there. One that is off, fenced because of what was done to it, is only switched on: it boots
    without that."""
    power = cluster.machine(node).power()
    if power is Power.OFF:
        cluster.power_on(node)
    elif power is Power.ON:
        cluster.session(node).wait(later + cluster.boot_deadline)
    return power is Power.ON


@dataclass(frozen=True)
class InGuest(OnNode):
    """Something that is made by a command in ``node``, and gone when that machine was rebooted; ``holds`` says what of
    it no other fault may touch meanwhile."""

    holds: ClassVar[str] = ""

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(self.holds or f"what {self.name} does", self.node)})

    def _run(self, cluster: Cluster, line: str, within: float = 20.0) -> str:
        return cluster.session(self.node).run(line, within=within).out

    def _undo(self, cluster: Cluster) -> str:
        """The command that undoes it, and that may be repeated."""
        raise NotImplementedError

    def heal(self, cluster: Cluster) -> None:
        if reach(cluster, self.node):
            self._run(cluster, self._undo(cluster), 30)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        waited = wait_back(cluster, self.node)
        return {"waited_s": round(waited, 3), **self._gone(cluster)}

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        """What shows that it is undone.

        Raises:
            FaultError: it is not.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class NodeFault(OnNode):
    """Something that becomes of the machine itself; healed when its agent is heard again."""

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({power(self.node)})

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"waited_s": round(wait_tick(cluster, self.node, cluster.boot_deadline), 3)}


#: What it costs is shown for a machine of each kind.
_ANY_MACHINE = tuple(f"node={{{role}}}" for role in (
    "active", "standby", "storage-host", "quorum-device", "real-server", "client"))


@fault
@dataclass(frozen=True)
class PowerOff(NodeFault):
    """The power of ``node`` is cut: nothing is flushed."""

    name: ClassVar[str] = "power-off"
    samples: ClassVar[tuple[str, ...]] = _ANY_MACHINE
    says: ClassVar[tuple[Says, ...]] = (Says("the power of <node> is cut"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> is switched on"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.machine_lost(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).power_off()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        observed(cluster, is_event("power.off", self.node), 5, f"the end of {self.node}'s power", since_ns)
        no_ticks(cluster, self.node)
        return {"agent": f"silent for {_SILENCE:g} s"}

    def heal(self, cluster: Cluster) -> None:
        switch_on(cluster, self.node)


@fault
@dataclass(frozen=True)
class Panic(PowerOff):
    """The kernel of ``node`` panics and stays dead."""

    name: ClassVar[str] = "panic"
    needs: ClassVar[tuple[str, ...]] = ("uml: program uml_mconsole",)
    says: ClassVar[tuple[Says, ...]] = (Says("<node> panics"),)

    def inject(self, cluster: Cluster) -> None:
        cluster.machine(self.node).panic()

    def heal(self, cluster: Cluster) -> None:
        cluster.machine(self.node).power_off()
        cluster.power_on(self.node)


@fault
@dataclass(frozen=True)
class Hang(NodeFault):
    """The CPUs of ``node`` stop; healing lets it wake up where it was."""

    name: ClassVar[str] = "hang"
    samples: ClassVar[tuple[str, ...]] = _ANY_MACHINE
    says: ClassVar[tuple[Says, ...]] = (Says("<node> hangs"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("<node> wakes up"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.machine_lost(topology, self.node)

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
