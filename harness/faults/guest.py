"""Faults that have to be made inside the guest: load, killed processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import EndsByItself, OnNode, fault, is_event, observed
from fenceline.faults.claims import Claim, Once, inside
from fenceline.faults.node import NodeFault, no_ticks, reach, wait_back, wait_tick
from fenceline.faults.parameters import Choice, Daemon, Seconds, Service
from fenceline.faults.process import daemon_process, service_daemon, signal_service
from fenceline.faults.says import Says, who_serves
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Process and CPU", "inside", "it ends by itself, or the cluster mends it")

# The kernel's reserve for tasks that are not real-time, 5 % by default; not there, or not to be set, in every kernel.
_RT_LIMIT = "/proc/sys/kernel/sched_rt_runtime_us"
_TIDY_UP = 3.0  # s that children of a killed process take to follow it


@fault
@dataclass(frozen=True)
class CpuOverload(EndsByItself, NodeFault):
    """Real-time load on ``node`` that starves everything else, heartbeats included, for ``seconds``.

    SCHED_FIFO 99 is not preempted by corosync's SCHED_RR 99, and the kernel's 5 % for others is switched off. The
    load ends by itself: nothing could reach the node to end it.
    """

    seconds: Annotated[float, Seconds(1, 600), "after which it ends by itself"] = 20.0
    name: ClassVar[str] = "cpu-overload"
    samples: ClassVar[tuple[str, ...]] = ("node={active}", "node={storage-host}")
    says: ClassVar[tuple[Says, ...]] = (Says("the CPU of <node> is overloaded for <seconds>"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.starved(topology, self.node)

    def claims(self, topology: Topology) -> frozenset[Claim]:
        return frozenset({inside("the load", self.node)})

    def inject(self, cluster: Cluster) -> None:
        # the start is put off a little, so that the answer to this very command still gets out
        cluster.session(self.node).run(
            f"[ ! -w {_RT_LIMIT} ] || echo -1 > {_RT_LIMIT}; "
            f"(sleep 0.3; exec chrt -f 99 stress-ng --cpu $(nproc) --cpu-method loop --timeout {self.seconds:.0f}s "
            "--quiet) </dev/null >/dev/null 2>&1 &", within=10)

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        no_ticks(cluster, self.node, 0.8)
        if cluster.machine(self.node).power() is Power.PAUSED:
            raise FaultError(f"not confirmed: {self.node} is paused, not overloaded")
        return {"agent": "not scheduled for 0.8 s"}

    def heal(self, cluster: Cluster) -> None:
        if cluster.machine(self.node).power() is Power.OFF:
            cluster.power_on(self.node)
        else:
            wait_tick(cluster, self.node, self.seconds + 30)
            cluster.session(self.node).run(
                f"[ \"$(cat {_RT_LIMIT} 2>/dev/null)\" != -1 ] || echo 950000 > {_RT_LIMIT}", within=30)


@fault
@dataclass(frozen=True)
class DaemonKill(Once, OnNode):
    """A cluster daemon of ``node`` is killed with SIGKILL: its main process, or all of them at once.

    Children of a main process may see its end and tidy up: keepalived's take the address away. Killed with it, they
    can't.
    """

    daemon: Daemon
    processes: Annotated[str, Choice(("main", "all"))] = "main"
    name: ClassVar[str] = "daemon-kill"
    samples: ClassVar[tuple[str, ...]] = (
        "node={active} daemon=corosync",
        "node={active} daemon=pacemakerd",
        "node={active} daemon=heartbeat",
        "node={active} daemon=keepalived processes=all",
        "node={active} daemon=haproxy",
        "node={active} daemon=ipfail",
        "node={active} daemon=sbd",
    )
    says: ClassVar[tuple[Says, ...]] = (
        Says("the daemon <daemon> is killed on <node>"),
        Says("all processes of the daemon <daemon> are killed on <node>", processes="all"),
    )
    needs: ClassVar[tuple[str, ...]] = ("daemon {daemon}",)

    def costs(self, topology: Topology) -> Cost:
        return damage.daemon_out(topology, self.node, self.daemon)

    def inject(self, cluster: Cluster) -> None:
        process = daemon_process(cluster, self.daemon)
        which = "-o " if self.processes == "main" else ""  # the oldest has forked the others
        # stopped first: none is to see the other's end and still have time for what it does then. From the youngest to
        # the oldest: when a service's main process ends, systemd sends the others SIGTERM and wakes them up for it
        # the new pid, if it was respawned, can't be the old one within this one command
        out = cluster.session(self.node).run(
            f"p=$(pgrep {which}-x {process} | sort -rn) && [ -n \"$p\" ] || exit 3; kill -STOP $p; "
            "kill -KILL $p || exit 4; "
            "for i in 1 2 3 4 5 6 7 8 9; do for q in $p; do [ ! -d /proc/$q ] || { sleep 0.05; continue 2; }; done; "
            "echo gone $p; exit 0; done; exit 5",
            within=15, check=False)
        if not out.out.startswith("gone") and out.status != -1:
            raise FaultError({3: f"{self.daemon} does not run on {self.node}"}.get(
                out.status, f"{self.daemon} on {self.node} survives SIGKILL ({out.status})"))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        process = daemon_process(cluster, self.daemon)
        ages: list[int] = []

        def is_gone() -> bool:
            done = cluster.session(self.node).run(f"ps -o etimes= -C {process}", within=15, check=False)
            ages[:] = [int(age) for age in done.out.split()]
            return not any(age > (cluster.clock.now_ns() - since_ns) / 1e9 + 1 for age in ages)
        try:
            cluster.poll(is_gone, _TIDY_UP, f"every {self.daemon} on {self.node} that is older than the fault to end",
                         FaultError)
        except FaultError as error:
            raise FaultError(f"not confirmed: {error.message}") from error
        except FencelineError:
            # fenced for it meanwhile, or not to be asked: then it is not known
            if not any(is_event("power.off", self.node)(event) for event in cluster.log.events()
                       if event.t_ns >= since_ns):
                raise
            return {"process": f"gone with {self.node}"}
        return {"process": "respawned" if ages else "gone"}

    def heal(self, cluster: Cluster) -> None:
        if reach(cluster, self.node):
            cluster.stack.start_daemon(self.node, self.daemon)

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        waited = wait_back(cluster, self.node)
        process = daemon_process(cluster, self.daemon)
        waited += cluster.poll(lambda: cluster.session(self.node).run(["pgrep", "-x", process], within=15,
                                                                      check=False).ok,
                               cluster.boot_deadline, f"{self.daemon} to run on {self.node}", FaultError)
        return {"waited_s": round(waited, 3)}


@fault
@dataclass(frozen=True)
class ServiceKill(Once, OnNode):
    """The daemon of ``service`` is killed with SIGKILL on ``node``, where it runs; of an NFS server the threads are
    ended."""

    service: Service
    name: ClassVar[str] = "service-kill"
    needs: ClassVar[tuple[str, ...]] = ("process {service}",)
    says: ClassVar[tuple[Says, ...]] = (Says("the process of <service> is killed", node=who_serves),)

    def costs(self, topology: Topology) -> Cost:
        return Cost(disturbed=frozenset({self.service}))

    def inject(self, cluster: Cluster) -> None:
        if service_daemon(cluster, self.service).name != "nfs-server":
            signal_service(cluster, self.node, self.service, "SIGSTOP", "SIGKILL")
        elif not cluster.session(self.node).run(  # threads of the kernel, which no signal reaches
                "[ $(cat /proc/fs/nfsd/threads) -gt 0 ] && echo 0 > /proc/fs/nfsd/threads", within=15,
                check=False).ok:
            raise FaultError(f"no NFS server runs on {self.node}")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        port = cluster.topology.services[self.service].daemon.port
        try:
            waited = observed(cluster, is_event("listen", self.node, port=port, present=False), 3,
                              f"port {port} of {self.node} to close", since_ns)
        except FaultError as error:
            raise FaultError(f"{error.message} (restarted faster than it can be seen?)") from error
        return {"port": port, "closed_after_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        """The cluster heals it."""

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        return {"healed_by": "the cluster"}


