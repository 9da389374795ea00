"""Faults of the shared storage beyond its cables: the target stopped, a node's session ended or reset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, fault, is_event, observed
from fenceline.faults.claims import Claim, Once
from fenceline.faults.node import InGuest, wait_running
from fenceline.faults.says import Says
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.storage import STORAGE
from fenceline.storage.iscsi.target import PORT, target_name

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Storage", "outside: on the storage host; a session inside", "the target is started, the node logs in")

_STATES = "cat /sys/class/iscsi_session/session*/state 2>/dev/null; true"
_NOTICED = 20.0  # s within which an initiator notices
_LOGGED_IN = 5.0  # s that it takes to log in again: iscsid's patience before it tries, and the exchange
_LOST = 5.0  # s within which the driver sees that a machine has ended
_BACK = 40.0  # s within which one is logged in again
_BEFORE = "/run/fenceline-iscsi-before"


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
class TargetStop(OnCluster):
    """The iSCSI target is stopped: every session ends, and nobody can log in."""

    name: ClassVar[str] = "target-stop"
    needs: ClassVar[tuple[str, ...]] = ("iscsi",)
    says: ClassVar[tuple[Says, ...]] = (Says("the iSCSI target stops"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the iSCSI target is started again"),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        iscsi = topology.storage.iscsi
        return frozenset({Claim("the iSCSI target", iscsi.target if iscsi else None)})

    def costs(self, topology: Topology) -> Cost:
        iscsi = topology.storage.iscsi
        if iscsi is None:
            return Cost()
        return (damage.storage_out(topology, damage.services_of(topology, iscsi.target))
                | damage.pills_lost(topology, [lun.name for lun in iscsi.luns]))

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
        if wait_running(cluster, cluster.topology.storage.iscsi.target):
            self._switch(cluster, True)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        for node in _initiators(cluster):
            wait_running(cluster, node)

        def is_back() -> bool:
            return all("LOGGED_IN" in session_states(cluster, node) for node in _initiators(cluster))
        waited = cluster.poll(is_back, _BACK, "every initiator to be logged in again", FaultError)
        return {"sessions": "logged in", "waited_s": round(waited, 3)}


@fault
@dataclass(frozen=True)
class SessionLogout(InGuest):
    """The iSCSI session of ``node`` is ended, under what is mounted."""

    name: ClassVar[str] = "session-logout"
    needs: ClassVar[tuple[str, ...]] = ("iscsi",)
    says: ClassVar[tuple[Says, ...]] = (Says("the iSCSI session of <node> is ended"),)
    holds: ClassVar[str] = "the iSCSI session"

    def costs(self, topology: Topology) -> Cost:
        # as with the cable to the storage host, but for what else it exports
        return damage.session_lost(topology, STORAGE["iscsi"], self.node)

    def _iscsiadm(self, cluster: Cluster, what: str) -> str:
        return f"iscsiadm -m node -T {_target(cluster)} {what}"

    def inject(self, cluster: Cluster) -> None:
        since_ns = cluster.clock.now_ns()
        done = cluster.session(self.node).run(self._iscsiadm(cluster, "--logout"), within=40, check=False)
        # a kernel may not survive the loss of its disk: GFS2 withdraws, and panics
        if not done.ok and not (done.status == -1 and self._went_down(cluster, since_ns)):
            raise FaultError(f"{self.node}: iscsiadm --logout gave {done.status}: "
                             f"{(done.err or done.out).strip()[-200:]}")

    def _went_down(self, cluster: Cluster, since_ns: int) -> bool:
        """Whether the machine was lost since then, or in these moments."""
        try:
            observed(cluster, is_event("power.off", self.node), _LOST, f"{self.node} to be lost", since_ns)
        except FaultError:
            return False
        return True

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        if any(is_event("power.off", self.node)(event) for event in cluster.log.events() if event.t_ns >= since_ns):
            return {"sessions": f"gone with {self.node}"}
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


# iscsid keeps the socket whose other end the kernel uses: borrowed by pidfd_getfd(2), number 438, and shut down. Prints
# how many there were
_SHUT_DOWN = """\
import ctypes, glob, os, socket, sys
port = "%04X" % int(sys.argv[1])
inodes = {line.split()[9] for line in open("/proc/net/tcp") if line.split()[2].endswith(":" + port)}
libc, found = ctypes.CDLL(None, use_errno=True), 0
for link in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        target = os.readlink(link)
    except OSError:
        continue
    if target[:8] == "socket:[" and target[8:-1] in inodes:
        fd = libc.syscall(438, os.pidfd_open(int(link.split("/")[2])), int(link.split("/")[4]), 0)
        if fd < 0:
            sys.exit(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
        socket.socket(fileno=fd).shutdown(socket.SHUT_RDWR)
        found += 1
print(found)
"""
_CONNECTIONS = f"ss -Htn state established 'dport = :{PORT}' | awk '{{print $3}}'"


@fault
@dataclass(frozen=True)
class SessionReset(Once, InGuest):
    """The TCP connection of the iSCSI session of ``node`` is reset, under what is mounted; it logs in again by
    itself."""

    name: ClassVar[str] = "session-reset"
    needs: ClassVar[tuple[str, ...]] = ("iscsi",)
    says: ClassVar[tuple[Says, ...]] = (Says("the iSCSI session of <node> breaks, and begins again"),)

    def costs(self, topology: Topology) -> Cost:
        # what is under way is sent again when it is logged in again
        iscsi = topology.storage.iscsi
        own = damage.services_of(topology, iscsi.target) if iscsi else frozenset()
        return Cost(disturbed=own, slower_s=_LOGGED_IN if own else 0.0)

    def _connections(self, cluster: Cluster) -> list[str]:
        """The node's own ends of its connections to the target."""
        return self._run(cluster, _CONNECTIONS).split()

    def inject(self, cluster: Cluster) -> None:
        _target(cluster)
        self._run(cluster, f"{_CONNECTIONS} > {_BEFORE}")
        done = cluster.session(self.node).run(["python3", "-S", "-", str(PORT)], within=20, text=_SHUT_DOWN)
        if done.out.strip() == "0":
            raise FaultError(f"{self.node} has no connection to the target")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        before = self._run(cluster, f"cat {_BEFORE}").split()
        now: list[str] = []

        def is_another() -> bool:
            now[:] = self._connections(cluster)
            return bool(now) and not set(now) & set(before)
        waited = cluster.poll(is_another, _BACK, f"{self.node} to have another connection than {', '.join(before)}",
                              FaultError)
        return {"connection_before": before, "connection_now": now, "waited_s": round(waited, 3)}

    def _undo(self, cluster: Cluster) -> str:
        return f"rm -f {_BEFORE}"

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        cluster.poll(lambda: "LOGGED_IN" in session_states(cluster, self.node), _BACK,
                     f"{self.node} to be logged in again", FaultError)
        return {"sessions": session_states(cluster, self.node)}
