"""Faults of processes that hang: stopped by SIGSTOP, and continued; or that die again and again. Made in the guest."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fenceline.core.errors import FaultError, MachineError
from fenceline.faults.base import OnNode, fault, is_event
from fenceline.faults.claims import Claim, inside
from fenceline.faults.node import InGuest, reach, wait_back
from fenceline.faults.parameters import Daemon, Service
from fenceline.faults.says import Says, who_serves
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Daemon, Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Process, hanging", "inside", "SIGCONT; a machine that was fenced is switched on")

_SERVICE_PROCESSES = Path(__file__).parent.parent / "guest" / "service_processes.py"
_HEALED = 15.0  # s until a continued process is seen to run
_RESPAWNED = 30.0  # s until what starts a dead daemon again has done so twice


@dataclass(frozen=True)
class _Stopped(OnNode):

    def _process(self, cluster: Cluster) -> str:
        """The process' name."""
        raise NotImplementedError

    def _signal(self, cluster: Cluster, name: str) -> None:
        """Sends the signal ``name`` to the processes.

        Raises:
            FaultError: there are none.
        """
        raise NotImplementedError

    def _states(self, cluster: Cluster) -> str:
        """The letters of /proc/PID/stat of every such process: "TT"."""
        raise NotImplementedError

    def inject(self, cluster: Cluster) -> None:
        self._signal(cluster, "SIGSTOP")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        states = self._states(cluster)
        if not states or set(states) != {"T"}:
            raise FaultError(f"not confirmed: the processes {self._process(cluster)} of {self.node} are in the states "
                             f"{states or 'none'}, not all stopped")
        return {"stopped_processes": len(states)}

    def heal(self, cluster: Cluster) -> None:
        if reach(cluster, self.node):
            with contextlib.suppress(FaultError):  # it ended meanwhile, as it hung
                self._signal(cluster, "SIGCONT")

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        if cluster.machine(self.node).power() is not Power.ON:
            raise FaultError(f"{self.node} does not run")
        wait_back(cluster, self.node)
        seen = []

        def goes_on() -> bool:
            with contextlib.suppress(MachineError):  # what went on may have reset the node at once, as it was told
                seen[:] = [self._states(cluster)]
            return bool(seen) and "T" not in seen[0]
        cluster.poll(goes_on, _HEALED, f"{self._process(cluster)} on {self.node} to go on", FaultError)
        return {"states": seen[0]}


def daemon_process(cluster: Cluster, daemon: str) -> str:
    """The process of the cluster software's ``daemon``, as pgrep -x takes it.

    Raises:
        FaultError: the stack has no such daemon.
    """
    process = cluster.stack.daemons.get(daemon)
    if process is None:
        raise FaultError(f"no daemon {daemon!r} in a {cluster.stack.name} cluster; "
                         f"there are {', '.join(cluster.stack.daemons)}")
    return process


def service_daemon(cluster: Cluster, service: str) -> Daemon:
    """The daemon of ``service``.

    Raises:
        FaultError: no such service, or one without a daemon.
    """
    settings = cluster.topology.services.get(service)
    if settings is None or settings.daemon is None:
        raise FaultError(f"no service {service!r} with a daemon in {cluster.topology.name}")
    return settings.daemon


def signal_service(cluster: Cluster, node: str, service: str, *signals: str) -> str:
    """Sends at most two ``signals``, one after the other, to the processes of ``service`` on ``node``, and to no others
    of their name; returns the letters of /proc/PID/stat of them all.

    Raises:
        FaultError: there are none.
    """
    daemon = service_daemon(cluster, service)
    done = cluster.session(node).run(["python3", "-S", "-", daemon.process_name, str(daemon.port), *signals], within=15,
                                     check=False, text=_SERVICE_PROCESSES.read_text())
    if done.status > 0:  # below 0 where the node was lost over it
        raise FaultError(f"{daemon.process_name} does not run on {node}, or not on port {daemon.port}"
                         f"{done.err and ': ' + done.err.strip()[-200:]}")
    return "".join(done.out.split())


@fault
@dataclass(frozen=True)
class DaemonStop(_Stopped):
    """A cluster daemon of ``node`` hangs: it is stopped with SIGSTOP, and answers nobody."""

    daemon: Daemon
    name: ClassVar[str] = "daemon-stop"
    samples: ClassVar[tuple[str, ...]] = ("node={standby} daemon=corosync", "node={active} daemon=keepalived")
    says: ClassVar[tuple[Says, ...]] = (Says("the daemon <daemon> hangs on <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the daemon <daemon> goes on on <node>"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.daemon_out(topology, self.node, self.daemon)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(f"the daemon {self.daemon}", self.node)})

    def _process(self, cluster: Cluster) -> str:
        return daemon_process(cluster, self.daemon)

    def _signal(self, cluster: Cluster, name: str) -> None:
        process = self._process(cluster)
        if not cluster.session(self.node).run(["pkill", f"-{name}", "-x", process], within=15, check=False).ok:
            raise FaultError(f"{process} does not run on {self.node}")

    def _states(self, cluster: Cluster) -> str:
        out = cluster.session(self.node).run(
            f"for p in $(pgrep -x {self._process(cluster)}); do sed 's/.*) \\(.\\).*/\\1/' /proc/$p/stat; done",
            within=15, check=False).out
        return "".join(out.split())


@fault
@dataclass(frozen=True)
class DaemonRespawnLoop(InGuest):
    """A cluster daemon of ``node`` dies (SIGKILL) as soon as it has been started again, again and again."""

    daemon: Daemon
    name: ClassVar[str] = "daemon-respawn-loop"
    samples: ClassVar[tuple[str, ...]] = ("node={active} daemon=pacemaker-controld",)
    says: ClassVar[tuple[Says, ...]] = (Says("the daemon <daemon> dies again and again on <node>"),)
    heal_says: ClassVar[tuple[Says, ...]] = (Says("the daemon <daemon> is left alone on <node>"),)
    needs: ClassVar[tuple[str, ...]] = ("daemon {daemon}",)

    @property
    def _pid_file(self) -> str:
        return f"/run/fenceline-respawn-{self.daemon}.pid"

    def costs(self, topology: Topology) -> Cost:
        return damage.daemon_out(topology, self.node, self.daemon)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(f"the daemon {self.daemon}", self.node)})

    def inject(self, cluster: Cluster) -> None:
        process = daemon_process(cluster, self.daemon)
        self._run(cluster, f"[ ! -e {self._pid_file} ] || exit 3; pgrep -x {process} >/dev/null || exit 4; "
                  f"setsid sh -c 'echo $$ > {self._pid_file}; while :; do pkill -KILL -x {process}; sleep 0.5; done' "
                  "</dev/null >/dev/null 2>&1 &")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        process, seen = daemon_process(cluster, self.daemon), set()

        def has_died_thrice() -> bool:
            if any(is_event("power.off", self.node)(event) and event.t_ns >= since_ns
                   for event in cluster.log.events()):
                return True
            with contextlib.suppress(MachineError):
                # the pids that ever were, from a look that is not the killer's
                look = f"for i in 1 2 3 4 5 6; do pgrep -x {process}; sleep 0.1; done"
                seen.update(cluster.session(self.node).run(look, within=15, check=False).out.split())
            return len(seen) >= 3
        cluster.poll(has_died_thrice, _RESPAWNED, f"{self.daemon} on {self.node} to die three times, or its node to be "
                     "fenced for it", FaultError)
        return {"pids_seen": len(seen), "node": "runs" if cluster.is_running(self.node) else "was fenced for it"}

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)
        if cluster.machine(self.node).power() is Power.ON:
            cluster.session(self.node).wait(cluster.boot_deadline)
            cluster.stack.start_daemon(self.node, self.daemon)  # not every one has somebody who does

    def _undo(self, cluster: Cluster) -> str:
        return (f"[ -e {self._pid_file} ] || exit 0; kill -KILL -- -$(cat {self._pid_file}) 2>/dev/null; "
                f"rm -f {self._pid_file}")

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        process, ages = daemon_process(cluster, self.daemon), []

        def stays() -> bool:
            out = cluster.session(self.node).run(f"ps -o etimes= -C {process}", within=15, check=False).out.split()
            ages[:] = [int(word) for word in out]
            return bool(ages) and min(ages) >= 2
        cluster.poll(stays, cluster.boot_deadline, f"{self.daemon} on {self.node} to stay", FaultError)
        return {"age_s": min(ages)}


@fault
@dataclass(frozen=True)
class ServiceStop(_Stopped):
    """The daemon of ``service`` hangs on ``node``, where it runs: its port accepts, and nothing answers."""

    service: Service
    name: ClassVar[str] = "service-stop"
    needs: ClassVar[tuple[str, ...]] = ("process {service}",)
    says: ClassVar[tuple[Says, ...]] = (Says("the process of <service> hangs", node=who_serves),)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside(f"the daemon of {self.service}", self.node)})

    def costs(self, topology: Topology) -> Cost:
        # a stop of what hangs may fail, and the node be fenced for that
        return damage.victim(topology, self.node) | Cost(disturbed=frozenset({self.service}))

    def _process(self, cluster: Cluster) -> str:
        daemon = service_daemon(cluster, self.service)
        if daemon.name == "nfs-server":
            raise FaultError(f"{self.service} is threads of the kernel, which no signal stops")
        return daemon.process_name

    def _signal(self, cluster: Cluster, name: str) -> None:
        self._process(cluster)
        signal_service(cluster, self.node, self.service, name)

    def _states(self, cluster: Cluster) -> str:
        with contextlib.suppress(FaultError):
            return signal_service(cluster, self.node, self.service)
        return ""
