"""Faults of the fencing devices themselves: what no other tool injects. All from outside the guests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, Timeout
from fenceline.faults.base import OnNode, fault, observed
from fenceline.faults.claims import Claim
from fenceline.faults.node import switch_on, wait_tick
from fenceline.faults.parameters import Node, Seconds
from fenceline.faults.says import Says
from fenceline.fencing.bmc import BmcMode
from fenceline.fencing.client import IpmiAnswer, ask_bmc
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.fencing import IPMI

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Fencing", "outside: in the virtual BMC", "the BMC behaves again; a node that was shot is switched on")

_LAMP = 1.0  # s within which the lamp lights up once the device has answered


@dataclass(frozen=True)
class _DeviceFault(OnNode):
    """A BMC that misbehaves until it is healed. One at a time: a device has one mode."""

    heal_says: ClassVar[tuple[Says, ...]] = (Says("the fencing device of <node> works again"),)

    needs: ClassVar[tuple[str, ...]] = ("BMC", "program ipmitool")

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({Claim(f"the fencing device of {self.node}")})

    @property
    def mode(self) -> BmcMode:
        """How the device behaves meanwhile."""
        raise NotImplementedError

    def inject(self, cluster: Cluster) -> None:
        now = cluster.bmcs.mode(self.node) if self.node in cluster.topology.service_nodes else None
        if now is None:
            raise FaultError(f"{self.node} has no fencing device; {', '.join(cluster.topology.service_nodes)} have")
        if now != BmcMode.NORMAL:
            raise FaultError(f"the fencing device of {self.node} has a fault already: {now.kind}; heal that first")
        cluster.bmcs.set_mode(self.node, self.mode)

    def heal(self, cluster: Cluster) -> None:
        # not another fault's mode: ours may have been refused because of it
        if cluster.bmcs.mode(self.node) == self.mode:
            cluster.bmcs.set_mode(self.node, BmcMode.NORMAL)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        answer, lit = _identify(cluster, self.node)
        if not answer.ok:
            raise FaultError(f"the BMC of {self.node} does not answer ipmitool: {answer.text}")
        if lit != self.node:
            raise FaultError(f"the BMC of {self.node} is not wired to it: it lights the lamp of {lit or 'nobody'}")
        return {"ipmitool": "answers", "lamp": lit, "answered_s": round(answer.seconds, 3)}


def _identify(cluster: Cluster, node: str, patience: float = 1.0) -> tuple[IpmiAnswer, str | None]:
    """Tells the BMC of ``node`` to light its machine's lamp; returns its answer, and whose lamp lit up."""
    since = cluster.clock.now_ns()
    answer = ask_bmc(cluster, node, "identify", patience=patience)
    if not answer.ok:
        return answer, None
    try:
        event, _ = cluster.log.wait_for(lambda event: event.kind == "bmc.lamp" and event.data["by"] == node, _LAMP,
                                        f"the lamp that the BMC of {node} lights", since)
    except Timeout:
        return answer, None
    return answer, event.node


@fault
@dataclass(frozen=True)
class FenceDeviceDead(_DeviceFault):
    """The BMC of ``node`` answers nothing."""

    name: ClassVar[str] = "fence-device-dead"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> stops answering",
             given="the fencing device of <node> does not answer"),
    )
    mode: ClassVar[BmcMode] = BmcMode.SILENT

    def costs(self, topology: Topology) -> Cost:
        return damage.device_out(topology, self.node, IPMI)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if ask_bmc(cluster, self.node, "power", "status").ok:
            raise FaultError(f"not confirmed: the BMC of {self.node} still answers ipmitool")
        return {"ipmitool": "no answer"}


@fault
@dataclass(frozen=True)
class FenceDeviceSlow(_DeviceFault):
    """The BMC of ``node`` does each command ``seconds`` late, and answers only then."""

    seconds: Annotated[float, Seconds(0.1, 120), "by which each command is late"] = 10.0
    name: ClassVar[str] = "fence-device-slow"
    samples: ClassVar[tuple[str, ...]] = ("node={active} seconds=2", "node={active} seconds=10")
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> becomes <seconds> slow",
             given="the fencing device of <node> is <seconds> slow"),
    )

    @property
    def mode(self) -> BmcMode:
        return BmcMode.SLOW(self.seconds)

    def costs(self, topology: Topology) -> Cost:
        return damage.device_late(topology, self.seconds)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        answer = ask_bmc(cluster, self.node, "power", "status", patience=self.seconds + 2)
        if not answer.ok or answer.seconds < self.seconds:
            raise FaultError(f"not confirmed: the BMC of {self.node} answered after {answer.seconds:.2f} s: "
                             f"{answer.text}")
        return {"ipmitool": "answers", "answered_s": round(answer.seconds, 3)}


@fault
@dataclass(frozen=True)
class FenceDevicePassword(_DeviceFault):
    """The BMC of ``node`` refuses the password that the cluster has for it."""

    name: ClassVar[str] = "fence-device-password"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> begins to refuse the password",
             given="the fencing device of <node> refuses the password"),
    )
    mode: ClassVar[BmcMode] = BmcMode.WRONG_PASSWORD

    def costs(self, topology: Topology) -> Cost:
        return damage.device_out(topology, self.node, IPMI)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        answer = ask_bmc(cluster, self.node, "power", "status")
        # a device that is silent refuses nobody: only a live one gets as far as RAKP 2
        if answer.ok or "HMAC" not in answer.text:
            raise FaultError(f"not confirmed: the BMC of {self.node} does not refuse the password: {answer.text}")
        return {"ipmitool": answer.text}


@fault
@dataclass(frozen=True)
class FenceDeviceLies(_DeviceFault):
    """The BMC of ``node`` says that it did what it was told, and that the power is as it was told; it does nothing."""

    name: ClassVar[str] = "fence-device-lies"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says('the fencing device of <node> begins to answer "off" without cutting power',
             given='the fencing device of <node> answers "off" without cutting power'),
    )
    mode: ClassVar[BmcMode] = BmcMode.LIES

    def costs(self, topology: Topology) -> Cost:
        # the cluster is told that all is well, and has no reason not to go on: what this takes away is safety
        return Cost()

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        # not by an "off": that would be a lie told to the cluster's judge by us
        answer, lit = _identify(cluster, self.node)
        if not answer.ok:
            raise FaultError(f"not confirmed: the BMC of {self.node} does not even answer: {answer.text}")
        if lit is not None:
            raise FaultError(f"not confirmed: the BMC of {self.node} did what it was told, on {lit}")
        return {"ipmitool": answer.text, "lamp": f"dark for {_LAMP:g} s"}


@fault
@dataclass(frozen=True)
class FenceDeviceEarly(_DeviceFault):
    """The BMC of ``node`` says at once that it did what it was told, and does it ``seconds`` later."""

    seconds: Annotated[float, Seconds(1, 120), "by which each answer comes before the deed"] = 10.0
    name: ClassVar[str] = "fence-device-early"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says('the fencing device of <node> begins to answer "off" <seconds> before it cuts the power',
             given='the fencing device of <node> answers "off" <seconds> before it cuts the power'),
    )

    @property
    def mode(self) -> BmcMode:
        return BmcMode.EARLY(self.seconds)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        begun = cluster.clock.now_ns()
        answer = ask_bmc(cluster, self.node, "identify")
        if not answer.ok:
            raise FaultError(f"not confirmed: the BMC of {self.node} does not even answer: {answer.text}")
        # the lamp is a deed as the power cut is, and harms nobody
        waited = observed(cluster, lambda event: event.kind == "bmc.lamp" and event.data["by"] == self.node,
                          self.seconds + _LAMP, f"the lamp that the BMC of {self.node} lights", begun)
        ahead = waited - answer.seconds
        if ahead < self.seconds / 2:
            raise FaultError(f"not confirmed: the BMC of {self.node} answered {max(ahead, 0.0):.2f} s before the deed, "
                             f"not {self.seconds:g} s")
        return {"ipmitool": answer.text, "answered_s": round(answer.seconds, 3), "lamp_after_s": round(waited, 3)}

    def costs(self, topology: Topology) -> Cost:
        """Nothing: what is taken over too early is the promise that it breaks."""
        return Cost()


@dataclass(frozen=True)
class _Behaves(_DeviceFault):
    """A BMC whose behaviour shows only when it is to cut the power; until then it tells which it is of."""

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        begun = cluster.clock.now_ns()
        answer, lit = _identify(cluster, self.node)
        if not answer.ok or lit != self.node:
            raise FaultError(f"not confirmed: the BMC of {self.node} does not do what it is told: {answer.text}")
        said = [event.data.get("mode", BmcMode.NORMAL.kind) for event in cluster.log.events()
                if event.kind == "bmc.done" and event.node == self.node and event.t_ns >= begun]
        if set(said) != {self.mode.kind}:
            raise FaultError(f"not confirmed: the BMC of {self.node} behaves as {', '.join(said) or 'nothing'}, not as "
                             f"{self.mode.kind}")
        return {"ipmitool": answer.text, "lamp": lit, "behaves": self.mode.kind}


@fault
@dataclass(frozen=True)
class FenceDeviceGentle(_Behaves):
    """The BMC of ``node`` presses the power button (ACPI) when it is to cut the power, and cuts it only if the node has
    not switched itself off ``seconds`` later."""

    seconds: Annotated[float, Seconds(1, 600), "that the node is given to shut itself down"] = 30.0
    name: ClassVar[str] = "fence-device-gentle"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> begins to shut it down gently, and to cut its power after <seconds>",
             given="the fencing device of <node> shuts it down gently, and cuts its power after <seconds>"),
    )

    @property
    def mode(self) -> BmcMode:
        return BmcMode.GENTLE(self.seconds)

    def costs(self, topology: Topology) -> Cost:
        """A failover takes so much longer."""
        return Cost(slower_s=self.seconds)


@fault
@dataclass(frozen=True)
class FenceDeviceOnNodeSupply(_Behaves):
    """The BMC of ``node`` hangs on the node's own power supply: when that fails, it answers nobody."""

    name: ClassVar[str] = "fence-device-on-node-supply"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> is plugged into the power supply of its node",
             given="the fencing device of <node> loses its power with its node"),
    )
    mode: ClassVar[BmcMode] = BmcMode.ON_NODE_SUPPLY

    def costs(self, topology: Topology) -> Cost:
        """Nothing: who builds it so must have a second way to fence, as the service is promised all the same."""
        return Cost()


@fault
@dataclass(frozen=True)
class FenceDeviceLeavesOff(_Behaves):
    """The BMC of ``node`` cuts the power and never gives it again, whatever it is told."""

    name: ClassVar[str] = "fence-device-leaves-off"
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> begins to leave it off",
             given="the fencing device of <node> leaves it off"),
    )
    mode: ClassVar[BmcMode] = BmcMode.LEAVES_OFF

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)
        switch_on(cluster, self.node)  # nobody else will

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if not cluster.is_running(self.node):
            raise FaultError(f"{self.node} is still off")
        waited = wait_tick(cluster, self.node, cluster.boot_deadline)
        return {**super().confirm_healed(cluster), "ran_after_s": round(waited, 3)}

    def costs(self, topology: Topology) -> Cost:
        """A fencing that reboots never counts: fence_ipmilan asks for the power to be on without end (watched: once in
        1.2 s, until Pacemaker gives it up). One that only switches off is as good as ever."""
        return damage.device_out(topology, self.node, IPMI) if topology.fencing.action == "reboot" else Cost()


@fault
@dataclass(frozen=True)
class FenceDeviceWrongNode(_DeviceFault):
    """The BMC of ``node`` is wired to the power of ``other``: whoever fences ``node`` switches that one off."""

    other: Annotated[Node, ", another one"]
    name: ClassVar[str] = "fence-device-wrong-node"
    drawn: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[tuple[Says, ...]] = (
        Says("the fencing device of <node> is rewired to the power of <other>",
             given="the fencing device of <node> is wired to the power of <other>"),
    )

    def __post_init__(self) -> None:
        if self.node == self.other:
            raise ValueError(f"other: {self.other} is the node itself")

    @property
    def targets(self) -> tuple[str, ...]:
        # both: the cluster may switch off the other one, and that is then this fault's doing
        return (self.node, self.other)

    @property
    def mode(self) -> BmcMode:
        return BmcMode.WRONG_NODE(self.other)

    def costs(self, topology: Topology) -> Cost:
        # for the cluster the node is fenced, and it goes on, with whoever is left
        return Cost(victims=frozenset({self.other}))

    def inject(self, cluster: Cluster) -> None:
        if self.other not in cluster.topology.cluster_nodes:
            raise FaultError(f"no node {self.other!r} with a fencing device; "
                             f"{', '.join(cluster.topology.cluster_nodes)} have one")
        super().inject(cluster)

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)
        switch_on(cluster, self.other)  # shot in the other's place

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        waited = wait_tick(cluster, self.other, cluster.boot_deadline) if cluster.is_running(self.other) else None
        return {**super().confirm_healed(cluster), "other_ran_after_s": waited and round(waited, 3)}

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        answer, lit = _identify(cluster, self.node)
        if lit != self.other:
            raise FaultError(f"not confirmed: the BMC of {self.node} lights the lamp of {lit or 'nobody'}, not that of "
                             f"{self.other}: {answer.text}")
        return {"ipmitool": answer.text, "lamp": lit}
