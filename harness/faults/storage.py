"""Faults of the shared storage beyond its cables: the target stopped, a node's session ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import FaultError
from harness.faults.base import fault
from harness.faults.resources import _InGuest
from harness.machines.protocol import Power
from harness.storage.iscsi import target_name

if TYPE_CHECKING:
    from harness.cluster import Cluster

_STATES = "cat /sys/class/iscsi_session/session*/state 2>/dev/null; true"
_NOTICED = 20.0  # s within which an initiator notices
_BACK = 40.0  # s within which one is logged in again


def session_states(cluster: Cluster, node: str) -> list[str]:
    """The states of the iSCSI sessions of ``node``, as its kernel has them: LOGGED_IN, FAILED, FREE."""
    return cluster.session(node).run(_STATES, within=20).out.split()


def _initiators(cluster: Cluster) -> list[str]:
    return [node for node in cluster.topology.cluster_nodes if cluster.is_running(node)]


def _target(cluster: Cluster) -> str:
    if cluster.topology.storage.iscsi is None:
        raise FaultError(f"{cluster.topology.name} has no iSCSI storage")
    return target_name(cluster.topology)


@fault
@dataclass(frozen=True)
class TargetStop:
    """The iSCSI target is stopped: every session ends, and nobody can log in."""

    name: ClassVar[str] = "target-stop"

    @property
    def targets(self) -> tuple[str, ...]:
        return ()

    def _switch(self, cluster: Cluster, on: bool) -> None:
        name = _target(cluster)
        cluster.session(cluster.topology.storage.iscsi.target).run(
            f"echo {int(on)} > /sys/kernel/config/target/iscsi/{name}/tpgt_1/enable", within=30)

    def inject(self, cluster: Cluster) -> None:
        self._switch(cluster, False)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        # by what the initiators see
        seen: dict[str, list[str]] = {}

        def is_gone() -> bool:
            seen.update({node: session_states(cluster, node) for node in _initiators(cluster)})
            return all(state != "LOGGED_IN" for states in seen.values() for state in states)
        waited = cluster.poll(is_gone, _NOTICED, "the initiators to lose their sessions", FaultError)
        return {"sessions": seen, "waited_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        host = cluster.topology.storage.iscsi.target
        if cluster.machine(host).power() is Power.ON:
            self._switch(cluster, True)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        def is_back() -> bool:
            return all("LOGGED_IN" in session_states(cluster, node) for node in _initiators(cluster))
        waited = cluster.poll(is_back, _BACK, "every initiator to be logged in again", FaultError)
        return {"sessions": "logged in", "waited_s": round(waited, 3)}


@fault
@dataclass(frozen=True)
class SessionLogout(_InGuest):
    """The iSCSI session of ``node`` is ended, under what is mounted."""

    name: ClassVar[str] = "session-logout"

    def _iscsiadm(self, cluster: Cluster, what: str) -> str:
        return f"iscsiadm -m node -T {_target(cluster)} {what}"

    def inject(self, cluster: Cluster) -> None:
        cluster.session(self.node).run(self._iscsiadm(cluster, "--logout"), within=40)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        states = session_states(cluster, self.node)
        if "LOGGED_IN" in states:
            raise FaultError(f"not confirmed: {self.node} still has a session: {', '.join(states)}")
        return {"sessions": states}

    def _undo(self, cluster: Cluster) -> str:
        # the disk may come back by another name: the link that the cluster mounts must follow it
        links = " ".join(f"for d in /sys/class/scsi_device/*:{number}/device/block/*; do "
                         f"ln -sfn /dev/${{d##*/}} /dev/fenceline/{lun.name}; done;"
                         for number, lun in enumerate(cluster.topology.storage.iscsi.luns))
        return f"[ -e /sys/class/iscsi_session/session* ] || {self._iscsiadm(cluster, '--login')}; sleep 0.5; {links}"

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        cluster.poll(lambda: "LOGGED_IN" in session_states(cluster, self.node), _BACK,
                     f"{self.node} to be logged in again", FaultError)
        return {"sessions": session_states(cluster, self.node)}
