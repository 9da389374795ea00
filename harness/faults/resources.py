"""Faults of a node's resources: memory, disk space, processes, file descriptors, disk load. Made in the guest."""

from __future__ import annotations

import contextlib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults.base import EndsByItself, fault
from fenceline.faults.claims import Claim
from fenceline.faults.node import InGuest, reach, wait_tick
from fenceline.faults.parameters import Choice, Count, Percent, Seconds
from fenceline.faults.says import Says
from fenceline.model import damage
from fenceline.model.cost import Cost

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = ("Resources", "inside", "load is ended, files are removed, limits put back; a reboot does it too")

_LASTING, _ENDS = Seconds(1, 600), "after which it ends by itself"
_FILLER = ".fenceline-full"
_LOGS = "/var/log"
_FITS = 50.0  # % of its memory that a machine with a service and its cluster software can spare


@dataclass(frozen=True)
class _Load(InGuest):
    """stress-ng in a group of its own, whose number is in a file in /run: a reboot ends both."""

    holds: ClassVar[str] = "the load"

    @property
    def _pid_file(self) -> str:
        return f"/run/fenceline-{self.name}.pid"

    def _start(self, cluster: Cluster, arguments: str) -> None:
        self._run(cluster, f"[ ! -e {self._pid_file} ] || exit 3; "
                  f"setsid sh -c 'echo $$ > {self._pid_file}; exec stress-ng --quiet {arguments}' "
                  "</dev/null >/dev/null 2>&1 &")

    def _undo(self, cluster: Cluster) -> str:
        return (f"[ -e {self._pid_file} ] || exit 0; g=$(cat {self._pid_file}); kill -KILL -- -$g 2>/dev/null; "
                f"for i in 1 2 3 4 5 6 7 8 9; do pgrep -g $g >/dev/null || break; sleep 0.2; done; "
                f"rm -f {self._pid_file}")

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        out = cluster.session(self.node).run(["pgrep", "-c", "stress-ng"], within=20, check=False).out.strip()
        if out != "0":
            raise FaultError(f"{out} processes of stress-ng are left on {self.node}")
        return {"stress-ng": "gone"}


@fault
@dataclass(frozen=True)
class MemoryPressure(EndsByItself, _Load):
    """``percent`` of the memory of ``node`` is taken, and touched again and again; too much calls the OOM killer."""

    percent: Annotated[float, Percent(), "of the machine's memory"] = 80.0
    seconds: Annotated[float, _LASTING, _ENDS] = 60.0
    name: ClassVar[str] = "memory-pressure"
    samples: ClassVar[tuple[str, ...]] = ("node={active} percent=30", "node={active} percent=80")
    says: ClassVar[tuple[Says, ...]] = (Says("<percent> % of the memory of <node> is taken for <seconds>"),)

    def costs(self, topology: Topology) -> Cost:
        # with what the machine itself needs the rest does not go in
        return damage.victim(topology, self.node) if self.percent > _FITS else Cost()

    def inject(self, cluster: Cluster) -> None:
        total = int(self._run(cluster, "awk '$1 == \"oom_kill\" {print $2}' /proc/vmstat > /run/fenceline-oom; "
                              "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))
        self._start(cluster, f"--vm 1 --vm-keep --vm-bytes {total * self.percent / 100:.0f}k "
                    f"--timeout {self.seconds:.0f}s")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        seen = {}

        def is_taken() -> bool:
            out = self._run(cluster, "sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; "
                            "awk -v o=$(cat /run/fenceline-oom) '$1 == \"oom_kill\" {print $2 - o}' /proc/vmstat; "
                            "for p in $(pgrep stress-ng); do sed -n 's/^RssAnon:[^0-9]*\\([0-9]*\\) kB/\\1/p; "
                            "s/^RssShmem:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$p/status; done")
            total, killed, *taken = (int(word) for word in out.split())
            seen.update(total_kib=total, taken_kib=sum(taken), oom_kills=killed)
            # more than there is ends in the kernel killing somebody: also an effect
            return killed > 0 or sum(taken) >= 0.9 * total * self.percent / 100
        try:
            cluster.poll(is_taken, min(20.0, self.seconds), "memory to be taken", FaultError)
        except FencelineError as error:
            raise FaultError(f"not confirmed: {self.percent:g} % of the memory of {self.node} is not taken: {seen}; "
                             f"{error.message}") from error
        return seen


@fault
@dataclass(frozen=True)
class IoLoad(EndsByItself, _Load):
    """``workers`` processes write to the disk of ``node`` and flush all the time."""

    workers: Annotated[int, Count(1, 32, "processes")] = 2
    seconds: Annotated[float, _LASTING, _ENDS] = 60.0
    name: ClassVar[str] = "io-load"
    says: ClassVar[tuple[Says, ...]] = (Says("the disk of <node> is kept busy for <seconds>"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.victim(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        self._start(cluster, f"--hdd {self.workers} --hdd-bytes 64m --hdd-opts fsync --temp-path /var/tmp "
                    f"--timeout {self.seconds:.0f}s")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        # sectors written (field 10 of /proc/diskstats) of the root disk, twice, 1 s apart
        out = self._run(cluster, "r='$2 ~ /^[0-9]+$/ && ($3 == \"ubda\" || $3 == \"vda\") {print $10}'; "
                        "awk \"$r\" /proc/diskstats; sleep 1; awk \"$r\" /proc/diskstats")
        before, after = (int(word) for word in out.split())
        if (after - before) * 512 < 2**20:
            raise FaultError(f"not confirmed: {self.node} wrote {(after - before) * 512} bytes in 1 s only")
        return {"written_bytes_s": (after - before) * 512}


@fault
@dataclass(frozen=True)
class DiskFull(InGuest):
    """The disk of ``node`` that holds its logs, or the service's file system, is full to the last block."""

    disk: Annotated[str, Choice(("logs", "service"))] = "logs"
    name: ClassVar[str] = "disk-full"
    samples: ClassVar[tuple[str, ...]] = ("node={standby} disk=logs", "node={active} disk=service ?filesystem")
    says: ClassVar[tuple[Says, ...]] = (Says("the <disk:log=logs|service> disk of <node> is full"),)

    def costs(self, topology: Topology) -> Cost:
        if self.disk == "logs":
            return damage.victim(topology, self.node)  # nothing of a service is there; a stop may trip over it
        return Cost(stopped=frozenset(name for name, service in topology.services.items() if service.filesystem))

    def claims(self, topology: Topology) -> frozenset[Claim]:
        # what fills it outlives the machine's power; the service's file system moves about with it
        return frozenset({Claim(f"the disk of the logs of {self.node}" if self.disk == "logs"
                                else "the file systems of the services")})

    def _folders(self, cluster: Cluster) -> list[str]:
        if self.disk == "logs":
            return [_LOGS]
        found = [service.filesystem.mountpoint for service in cluster.topology.services.values() if service.filesystem]
        if not found:
            raise FaultError(f"no service with a file system in {cluster.topology.name}")
        return found

    def inject(self, cluster: Cluster) -> None:
        for folder in self._folders(cluster):
            # a mountpoint without its file system is the root disk
            check = "" if self.disk == "logs" else f"mountpoint -q {shlex.quote(folder)} || exit 9; "
            done = cluster.session(self.node).run(
                f"{check}cd {shlex.quote(folder)} || exit 9; f={_FILLER}; n=$(df --output=avail -B1 . | tail -1); "
                "fallocate -l $n $f; cat /dev/zero >> $f 2>/dev/null; sync -f .; exit 0", within=60, check=False)
            if not done.ok:
                raise FaultError(f"{folder} is not mounted on {self.node}")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        for folder in self._folders(cluster):
            probe = f"{folder}/{_FILLER}-probe"
            done = cluster.session(self.node).run(
                f"head -c 65536 /dev/zero > {probe}; s=$?; rm -f {probe}; exit $s", within=20, check=False)
            if done.ok or "No space left" not in done.err:
                raise FaultError(f"not confirmed: {self.node} still writes to {folder}: {done.err.strip()}")
        return {"write": "no space left on device"}

    def heal(self, cluster: Cluster) -> None:
        super().heal(cluster)
        # the service's file system may have moved on, with its filler
        for node in cluster.topology.cluster_nodes:
            if node != self.node and self.disk == "service" and cluster.is_running(node):
                with contextlib.suppress(FencelineError):  # confirm_healed has the last word
                    cluster.session(node).run(self._undo(cluster), within=20)

    def _undo(self, cluster: Cluster) -> str:
        return "rm -f " + " ".join(shlex.quote(f"{folder}/{_FILLER}") for folder in self._folders(cluster))

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        nodes = [self.node] if self.disk == "logs" else cluster.topology.cluster_nodes
        for node in nodes:
            if cluster.is_running(node):
                cluster.session(node).wait(cluster.boot_deadline)
                files = " -o ".join(f"-e {folder}/{_FILLER}" for folder in self._folders(cluster))
                if cluster.session(node).run(f"[ {files} ]", within=20, check=False).ok:
                    raise FaultError(f"what filled the disk is still there, on {node}")
        return {"filler": "gone"}


@fault
@dataclass(frozen=True)
class ProcessExhaustion(EndsByItself, InGuest):
    """No process or thread can be started on ``node`` for ``seconds``: not by root either."""

    seconds: Annotated[float, _LASTING, _ENDS] = 20.0
    name: ClassVar[str] = "process-exhaustion"
    says: ClassVar[tuple[Says, ...]] = (Says("no process can be started on <node> for <seconds>"),)
    holds: ClassVar[str] = "the table of processes"

    def costs(self, topology: Topology) -> Cost:
        return damage.victim(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        # what ends it is started before it begins: afterwards nothing can be. 20 is the least the kernel takes
        self._run(cluster, "f=/proc/sys/kernel/threads-max; cat $f > /run/fenceline-threads; "
                  f"setsid bash -c 'read old < /run/fenceline-threads; exec 3<> <(:); read -t 0.5 -u 3; "
                  f"echo 20 > /proc/sys/kernel/threads-max; read -t {self.seconds:g} -u 3; "
                  "echo $old > /proc/sys/kernel/threads-max' </dev/null >/dev/null 2>&1 &")

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        def is_refused() -> bool:
            try:
                return not cluster.session(self.node).run("/bin/true", within=3, check=False).ok
            except FencelineError:
                return True
        cluster.poll(is_refused, 5, f"{self.node} to refuse a new process", FaultError)
        waited = wait_tick(cluster, self.node, 2)  # it runs, all the same
        return {"ssh": "no new process", "tick_after_s": round(waited, 3)}

    def heal(self, cluster: Cluster) -> None:
        reach(cluster, self.node, self.seconds)  # nothing can get in before it ends by itself

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        limit = int(self._run(cluster, "cat /proc/sys/kernel/threads-max"))
        if limit <= 20:
            raise FaultError(f"{self.node} may still have {limit} threads only")
        return {"threads_max": limit}


@fault
@dataclass(frozen=True)
class FileExhaustion(InGuest):
    """No file can be opened on ``node`` by anybody but root: the system's table of them is full."""

    name: ClassVar[str] = "file-exhaustion"
    says: ClassVar[tuple[Says, ...]] = (Says("no file can be opened on <node>"),)
    holds: ClassVar[str] = "the table of open files"

    def costs(self, topology: Topology) -> Cost:
        return damage.victim(topology, self.node)

    def inject(self, cluster: Cluster) -> None:
        self._run(cluster, "f=/proc/sys/fs/file-max; [ -e /run/fenceline-files ] || cat $f > /run/fenceline-files; "
                  "echo 1 > $f")

    #: ENFILE in words, and as the dynamic loader has it.
    _FULL: ClassVar[tuple[str, ...]] = ("Too many open files", "Error 23")
    _PROBE: ClassVar[str] = "setpriv --reuid=65534 --clear-groups sh -c 'exec < /etc/hostname'"

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        done = cluster.session(self.node).run(self._PROBE, within=20, check=False)
        if done.ok or not any(words in done.err + done.out for words in self._FULL):
            raise FaultError(f"not confirmed: nobody's open of a file on {self.node} gave {done.status}: "
                             f"{done.err.strip()}")
        return {"open": "too many open files in system"}

    def _undo(self, cluster: Cluster) -> str:
        return "[ ! -e /run/fenceline-files ] || cat /run/fenceline-files > /proc/sys/fs/file-max"

    def _gone(self, cluster: Cluster) -> dict[str, Any]:
        done = cluster.session(self.node).run(self._PROBE, within=20, check=False)
        if not done.ok:
            raise FaultError(f"nobody can open a file on {self.node}: {done.err.strip()}")
        return {"open": "works"}
