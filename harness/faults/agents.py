"""Services that don't do what the cluster tells them: whose start or stop fails or takes its time, and whose mount is
kept busy by something that the cluster knows nothing of. Made in the guest."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import fault
from fenceline.faults.claims import Claim, inside
from fenceline.faults.node import InGuest
from fenceline.faults.parameters import Choice, Seconds, Service
from fenceline.faults.says import Says
from fenceline.model.cost import Cost
from fenceline.stacks.offers import agent_file
from fenceline.stacks.pacemaker.cib import ACTION_TIMEOUT

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Services that don't do what they are told", "inside",
    "the agent is its own again, what kept the mount busy is killed; a reboot does it too")

_ACTIONS = ("start", "stop")
_PROBED = 42  # what the agent in the other's place ends with when it is only asked whether it is there
_PATIENCE = 2  # s that a probe waits for an agent that takes its time
_KILLED = 5.0  # s that an agent needs to find and kill a process that keeps a mount busy


@dataclass(frozen=True)
class _Agent(InGuest):
    """Another program in the place of the agent of ``service``'s daemon, by a bind mount: a reboot takes it away. Not a
    fault of its own."""

    heal_says: ClassVar[tuple[Says, ...]] = (Says("<service> does what it is told again on <node>"),)

    service: Service
    action: Annotated[str, Choice(_ACTIONS)] = "stop"

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(f"the agent of {self.service}", self.node)})

    def _effect(self) -> str:
        """What becomes of the action, in shell; $r is what the program would end with."""
        raise NotImplementedError

    def _file(self, cluster: Cluster) -> str:
        settings = cluster.topology.services.get(self.service)
        has_agents = settings is not None and not cluster.topology.stack.runs_everywhere
        file = agent_file(settings) if has_agents else None
        if file is None:
            raise FaultError(f"no service {self.service!r} with an agent that starts and stops it in "
                             f"{cluster.topology.name}")
        return file

    @property
    def _folder(self) -> str:
        return f"/run/fenceline-agent-{self.service}"

    def _program(self, file: str, topology: Topology) -> str:
        # Pacemaker says which of the agent's resources it means; where nobody does, the agent has only one. What a
        # cluster's own configuration calls it is not known: all that have this agent fail
        which = "*" if topology.stack.runs_own_configuration else f"{self.service}-daemon*|{self.service}-resource*"
        return f"""#!/bin/sh
case ${{OCF_RESOURCE_INSTANCE:-{self.service}-daemon}} in
{which})
    case $1 in
    {self.action}) r=1; {self._effect()} ;;
    fenceline) r={_PROBED}; {self._effect()}; exit {_PROBED} ;;
    esac ;;
esac
exec {self._folder}/{file.rpartition("/")[2]} "$@"
"""

    def inject(self, cluster: Cluster) -> None:
        file, folder = self._file(cluster), self._folder
        program = shlex.quote(self._program(file, cluster.topology))
        done = cluster.session(self.node).run(
            f"! grep -q ' {file} ' /proc/mounts || exit 3; mkdir -p {folder} && cp -p {file} {folder}/ && "
            f"printf %s {program} > {folder}/program && chmod 755 {folder}/program && "
            f"mount --bind {folder}/program {file}", within=20, check=False)
        if not done.ok:
            raise FaultError(f"the agent of {self.service} on {self.node} has such a fault already" if done.status == 3
                             else f"the agent of {self.service} on {self.node} can't be replaced: {done.err.strip()}")

    def _probe(self, cluster: Cluster) -> tuple[int, float]:
        """How the agent ends, and after how long (s), when it is asked for what only ours knows."""
        asked = f"timeout {_PATIENCE} {self._file(cluster)} fenceline >/dev/null 2>&1"
        out = self._run(cluster, f"B=$(date +%s%N); {asked}; echo $? $(($(date +%s%N) - B))").split()
        return int(out[0]), int(out[1]) / 1e9

    def _undo(self, cluster: Cluster) -> str:
        file = self._file(cluster)
        return f"! grep -q ' {file} ' /proc/mounts || umount -l {file} || exit 1; rm -rf {self._folder}"

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)
        with contextlib.suppress(FencelineError):  # what the cluster has given up it takes up again when it is told to
            cluster.stack.cleanup()

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        status, seconds = self._probe(cluster)
        if status in (_PROBED, 124):
            raise FaultError(f"the agent of {self.service} on {self.node} is still not its own")
        return {"agent": "its own"}


@fault
@dataclass(frozen=True)
class AgentFails(_Agent):
    """The ``action`` of ``service``'s daemon fails on ``node``: its agent says so, and does nothing."""

    name: ClassVar[str] = "agent-fails"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} service={service} action=stop",
        "node={standby} service={service} action=start",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <action:start|stop> of <service> begins to fail on <node>",
             given="the <action:start|stop> of <service> fails on <node>"),
    )
    needs: ClassVar[tuple[str, ...]] = ("agent {service}",)

    def _effect(self) -> str:
        return "exit $r"

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        status, seconds = self._probe(cluster)
        if status != _PROBED:
            raise FaultError(f"not confirmed: the agent of {self.service} on {self.node} is its own (it ended with "
                             f"{status} after {seconds:.2f} s)")
        return {"agent": f"fails after {seconds:.2f} s"}

    def costs(self, topology: Topology) -> Cost:
        """Whoever can't stop is fenced for it; whoever can't start does not serve it."""
        if self.action == "start":
            return Cost(unfit_for=frozenset({(self.service, self.node)}))
        return Cost(victims=frozenset({self.node}), disturbed=frozenset({self.service}))


@fault
@dataclass(frozen=True)
class AgentSlow(_Agent):
    """The ``action`` of ``service``'s daemon takes ``seconds`` longer on ``node``."""

    seconds: Annotated[float, Seconds(0.5, 600), "by which it takes longer"] = 10.0
    name: ClassVar[str] = "agent-slow"
    samples: ClassVar[tuple[str, ...]] = (
        "node={standby} service={service} action=start seconds=10",
        "node={active} service={service} action=stop seconds=2min",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the <action:start|stop> of <service> begins to take <seconds> longer on <node>",
             given="the <action:start|stop> of <service> takes <seconds> longer on <node>"),
    )
    needs: ClassVar[tuple[str, ...]] = ("agent {service}",)

    def _effect(self) -> str:
        return f"sleep {self.seconds:g}"

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        status, seconds = self._probe(cluster)
        if status not in (_PROBED, 124) or seconds < min(self.seconds, _PATIENCE):
            raise FaultError(f"not confirmed: the agent of {self.service} on {self.node} ended with {status} after "
                             f"{seconds:.2f} s")
        return {"agent": "ends" if status == _PROBED else "still at it", "after_s": round(seconds, 2)}

    def costs(self, topology: Topology) -> Cost:
        """A failover takes so much longer. What takes longer than the cluster waits for has failed."""
        if self.seconds < ACTION_TIMEOUT:
            return Cost(slower_s=self.seconds)
        if self.action == "start":
            return Cost(unfit_for=frozenset({(self.service, self.node)}), slower_s=ACTION_TIMEOUT)
        return Cost(victims=frozenset({self.node}), disturbed=frozenset({self.service}), slower_s=ACTION_TIMEOUT)


# An open file in a message that nobody has received yet is nobody's: no look at /proc finds who has it, and the kernel
# keeps the mount all the same, as it does for an export, a loop device or a swap file.
_HIDDEN = """\
import os, socket, sys, time
mine, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
fd = os.open(sys.argv[1], os.O_RDONLY)
socket.send_fds(mine, [b"x"], [fd])
os.close(fd)
open(sys.argv[2], "w").write(str(os.getpid()))
while True:
    time.sleep(3600)
"""
# MNT_EXPIRE (umount2(2)): a mount that is in use gives EBUSY, another EAGAIN and stays where it is
_IS_BUSY = ("import ctypes, sys; c = ctypes.CDLL(None, use_errno=True); c.umount2(sys.argv[1].encode(), 4); "
            "print(ctypes.get_errno())")
_EBUSY = 16


@fault
@dataclass(frozen=True)
class MountBusy(InGuest):
    """Something outside of the cluster keeps the mount of ``service`` on ``node`` busy: a process, which the cluster's
    agent finds and kills, or the kernel itself, as for an export or a loop device, which it can't."""

    service: Annotated[Service, "with a file system"]
    by: Annotated[str, Choice(("process", "kernel"))] = "process"
    name: ClassVar[str] = "mount-busy"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} service={service} by=process",
        "node={active} service={service} by=kernel",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("a process keeps the mount of <service> busy on <node>"),
        Says("the kernel keeps the mount of <service> busy on <node>", by="kernel"),
    )
    heal_says: ClassVar[tuple[Says, ...]] = (Says("nothing keeps the mount of <service> busy on <node> any more"),)
    needs: ClassVar[tuple[str, ...]] = ("mount {service}",)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(f"the mount of {self.service}", self.node)})

    def _mountpoint(self, cluster: Cluster) -> str:
        settings = cluster.topology.services.get(self.service)
        if settings is None or settings.filesystem is None:
            raise FaultError(f"no service {self.service!r} with a file system in {cluster.topology.name}")
        return settings.filesystem.mountpoint

    @property
    def _pid_file(self) -> str:
        return f"/run/fenceline-busy-{self.service}.pid"

    def inject(self, cluster: Cluster) -> None:
        mountpoint, pid = self._mountpoint(cluster), self._pid_file
        program = (f"sh -c 'echo $$ > {pid}; cd {mountpoint} && exec sleep 1000000'" if self.by == "process" else
                   f"python3 -S -c {shlex.quote(_HIDDEN)} {mountpoint} {pid}")
        done = cluster.session(self.node).run(
            f"[ ! -e {pid} ] || exit 3; mountpoint -q {mountpoint} || exit 4; cd /; rm -f {pid}; "
            f"setsid {program} </dev/null >/dev/null 2>&1 & "
            f"for i in $(seq 100); do [ -s {pid} ] && exit 0; sleep 0.05; done; exit 5", within=20, check=False)
        if not done.ok:
            raise FaultError({3: f"something keeps {mountpoint} busy on {self.node} already",
                              4: f"{mountpoint} is not mounted on {self.node}"}.get(
                                  done.status, f"nothing could be started on {self.node}: {done.err.strip()}"))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        mountpoint = self._mountpoint(cluster)
        out = self._run(cluster, f"python3 -S -c {shlex.quote(_IS_BUSY)} {mountpoint}; fuser -m {mountpoint} "
                                 f"2>/dev/null; echo; cat {self._pid_file} 2>/dev/null").splitlines()
        number, users, pid = [*(line.strip() for line in out), "", "", ""][:3]
        is_seen = pid in users.split()
        if number != str(_EBUSY) or not pid or is_seen is not (self.by == "process"):
            raise FaultError(f"not confirmed: {mountpoint} on {self.node}: errno {number or 'none'}, used by "
                             f"{users or 'nobody'}, kept busy by {pid or 'nobody'}")
        return {"umount": "EBUSY", "fuser": "sees it" if is_seen else "does not see it"}

    def _undo(self, cluster: Cluster) -> str:
        return (f"[ ! -s {self._pid_file} ] || kill -KILL $(cat {self._pid_file}) 2>/dev/null; "
                f"rm -f {self._pid_file}")

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        if not cluster.session(self.node).run(f"[ ! -e {self._pid_file} ]", within=20, check=False).ok:
            raise FaultError(f"what keeps the mount of {self.service} busy on {self.node} is still there")
        return {"process": "gone"}

    def costs(self, topology: Topology) -> Cost:
        """A process is killed within seconds; against the kernel the stop runs into its timeout, and the node is fenced
        for it."""
        if self.by == "process":
            return Cost(slower_s=_KILLED)
        return Cost(victims=frozenset({self.node}), disturbed=frozenset({self.service}), slower_s=ACTION_TIMEOUT)
