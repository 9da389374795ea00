"""Faults of the disk behind a LUN, made on the storage machine under what it exports: no initiator can tell them from
those of a real array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from fenceline.core.errors import FaultError
from fenceline.faults.base import OnCluster, fault
from fenceline.faults.claims import Claim
from fenceline.faults.parameters import Choice, Lun, Seconds
from fenceline.faults.says import Says
from fenceline.machines.protocol import Power
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.storage.iscsi.mapped import DMSETUP, device, find_disk, mapping

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster
    from fenceline.guest.ssh import Result
    from fenceline.model.topology import Topology

#: The module's part of the reference page: its title, where its faults are made, and what undoes them.
FAMILY = (
    "Storage, the disk behind a LUN", "outside: on the storage host, under what it exports",
    "the disk is what it was; what a cache held is written back")

_WRITTEN = 30.0  # s within which something is written to a LUN that is in use
_ERRORS = {"all": "", "reads": " 1 error_reads", "writes": " 1 error_writes"}


def lun_number(cluster: Cluster, lun: str) -> int:
    """Which of the LUNs of storage.iscsi ``lun`` is, from 0.

    Raises:
        FaultError: none of them.
    """
    iscsi = cluster.topology.storage.iscsi
    names = [one.name for one in iscsi.luns] if iscsi else []
    if lun not in names:
        raise FaultError(f"no LUN {lun!r} in {cluster.topology.name}; there are {', '.join(names) or 'none'}")
    return names.index(lun)


@dataclass(frozen=True)
class _Disk(OnCluster):
    """Another table under the device that the target exports."""

    heal_says: ClassVar[tuple[Says, ...]] = (Says("the disk behind the LUN <lun> works again"),)

    lun: Lun

    def claims(self, topology: Topology) -> frozenset[Claim]:
        # its storage machine boots with a disk that is all right
        iscsi = topology.storage.iscsi
        return frozenset({Claim(f"the disk behind {self.lun}", iscsi.target if iscsi else None)})

    def _run(self, cluster: Cluster, script: str, check: bool = True) -> Result:
        """Runs ``script`` on the storage machine; in it $D is the disk, $M the device over it and $N its sectors."""
        number = lun_number(cluster, self.lun)
        return cluster.session(cluster.topology.storage.iscsi.target).run(
            f"{find_disk(number)}; M={device(self.lun)}; N=$(blockdev --getsz $D)\n{script}", within=60, check=check)

    def _reload(self, table: str) -> str:
        """Shell that swaps the table: what is under way ends first, what comes meanwhile waits."""
        name = mapping(self.lun)
        return (f'{DMSETUP} load {name} --table "{table}" && {DMSETUP} suspend {name}; '
                f"{DMSETUP} resume {name}")

    def _check_is_free(self, cluster: Cluster) -> None:
        told = self._run(cluster, f"{DMSETUP} table {mapping(self.lun)}; cat /sys/block/${{D##*/}}/dev").out
        table, own = told.splitlines()
        if table.split()[2:4] != ["linear", own]:
            raise FaultError(f"the disk behind {self.lun} has a fault already ({table}): heal that first")

    def heal(self, cluster: Cluster) -> None:
        host = cluster.topology.storage.iscsi.target
        if cluster.machine(host).power() is not Power.ON:
            return  # it boots with a disk that is all right
        cluster.session(host).wait(cluster.boot_deadline)
        self._run(cluster, self._undo())

    def _undo(self) -> str:
        return self._reload("0 $N linear $D 0")

    def _read(self, cluster: Cluster) -> tuple[bool, float]:
        """Whether a block can be read past every cache, and how long that took (s)."""
        done = self._run(cluster, "B=$(date +%s%N); dd if=$M of=/dev/null bs=4096 count=1 iflag=direct status=none "
                         "2>/dev/null; echo $? $(($(date +%s%N) - B))")
        status, took = done.out.split()
        return status == "0", int(took) / 1e9

    def _rewrite(self, cluster: Cluster) -> bool:
        """Whether the first sector can be written, with what the disk below holds there: no file system uses it."""
        done = self._run(cluster, "dd if=$D bs=512 count=1 iflag=direct status=none | "
                         "dd of=$M bs=512 count=1 oflag=direct conv=notrunc iflag=fullblock status=none 2>/dev/null; "
                         "echo $?")
        return done.out.strip() == "0"

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        cluster.session(cluster.topology.storage.iscsi.target).wait(cluster.boot_deadline)
        readable, took = self._read(cluster)
        writable = self._rewrite(cluster)
        if not readable or not writable:
            raise FaultError(f"the disk behind {self.lun} still can't be {'written' if readable else 'read'}")
        if took > 1.0:
            raise FaultError(f"the disk behind {self.lun} still takes {took:.2f} s to read a block")
        return {"read": "ok", "write": "ok", "read_s": round(took, 4)}


@fault
@dataclass(frozen=True)
class DiskErrors(_Disk):
    """Every read, every write, or both of the disk behind ``lun`` fail with an I/O error."""

    what: Annotated[str, Choice(tuple(_ERRORS))] = "all"
    name: ClassVar[str] = "disk-errors"
    samples: ClassVar[tuple[str, ...]] = ("lun={lun}", "lun={pills}")
    needs: ClassVar[tuple[str, ...]] = ("guest module dm-flakey",)
    says: ClassVar[tuple[Says, ...]] = (
        Says("the disk behind the LUN <lun> fails"),
        Says("all <what:reads|writes> of the disk behind the LUN <lun> fail"),
    )

    def costs(self, topology: Topology) -> Cost:
        return (damage.storage_out(topology, damage.services_on(topology, self.lun))
                | damage.pills_lost(topology, [self.lun]))

    def inject(self, cluster: Cluster) -> None:
        self._check_is_free(cluster)
        # flakey: 0 s of every second it is up; without a feature everything fails
        self._run(cluster, "modprobe dm-flakey && " + self._reload(f"0 $N flakey $D 0 0 1{_ERRORS[self.what]}"))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        seen = {"reads": self._read(cluster)[0], "writes": self._rewrite(cluster)}
        wanted = {"reads": self.what == "writes", "writes": self.what == "reads"}
        if seen != wanted:
            raise FaultError(f"not confirmed: of the disk behind {self.lun} " + ", ".join(
                f"{what} {'pass' if passes else 'fail'}" for what, passes in seen.items()))
        return {what: "pass" if passes else "I/O error" for what, passes in seen.items()}


@fault
@dataclass(frozen=True)
class DiskDelay(_Disk):
    """The disk behind ``lun`` needs ``delay`` more for every read and write."""

    delay: Annotated[float, Seconds(0.01, 30)] = 0.2
    name: ClassVar[str] = "disk-delay"
    samples: ClassVar[tuple[str, ...]] = ("lun={lun} delay=50ms", "lun={lun} delay=2s")
    needs: ClassVar[tuple[str, ...]] = ("guest module dm-delay",)
    says: ClassVar[tuple[Says, ...]] = (Says("the disk behind the LUN <lun> is <delay:ms> late"),)

    def costs(self, topology: Topology) -> Cost:
        return damage.disk_late(topology, damage.services_on(topology, self.lun), self.delay)

    def inject(self, cluster: Cluster) -> None:
        self._check_is_free(cluster)
        self._run(cluster, "modprobe dm-delay && " + self._reload(f"0 $N delay $D 0 {self.delay * 1000:.0f}"))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        readable, took = self._read(cluster)
        if not readable or took < self.delay:
            raise FaultError(f"not confirmed: a block of the disk behind {self.lun} was read in {took:.3f} s"
                             + ("" if readable else ", and not well"))
        return {"read_s": round(took, 3)}


@fault
@dataclass(frozen=True)
class WriteCacheLies(_Disk):
    """The disk behind ``lun`` answers every write and flush from a cache in memory: the storage machine's power-off
    loses all that was written since, also what was synced.

    A snapshot in the storage machine's memory takes the writes; the disk keeps what it had. Healing writes it back.
    """

    name: ClassVar[str] = "write-cache-lies"
    drawn: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ("guest module dm-snapshot", "guest module brd")
    says: ClassVar[tuple[Says, ...]] = (
        Says("the disk behind the LUN <lun> begins to answer from a write cache that lies",
             given="the disk behind the LUN <lun> has a write cache that lies"),
    )

    @property
    def _cache(self) -> str:
        return f"{mapping(self.lun)}-cache"

    def costs(self, topology: Topology) -> Cost:
        # only the storage machine's power-off tells
        return Cost()

    def claims(self, topology: Topology) -> frozenset[Claim]:
        # one module makes the memory disks of all caches, and is unloaded with the last of them
        iscsi = topology.storage.iscsi
        return super().claims(topology) | {Claim("the memory disks of the target", iscsi.target if iscsi else None)}

    def inject(self, cluster: Cluster) -> None:
        self._check_is_free(cluster)
        number = lun_number(cluster, self.lun)
        largest = max(lun.size for lun in cluster.topology.storage.iscsi.luns) // 1024
        # the snapshot's own notes need a little room beside the data; memory is taken only as it is written
        size = largest + largest // 32 + 1024
        free = int(self._run(cluster, "sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo").out)
        if size > free * 0.8:
            raise FaultError(f"{cluster.topology.storage.iscsi.target} has {free // 1024} MiB of memory left, and the "
                             f"cache needs {size // 1024}: give it more, or let the LUN be smaller")
        self._run(cluster, f"modprobe -a dm-snapshot && modprobe brd rd_size={size} && "
                  f'{DMSETUP} create {self._cache} --table "0 $N snapshot $D /dev/ram{number} P 8" && '
                  + self._reload(f"0 $N linear /dev/mapper/{self._cache} 0"))

    def confirm(self, cluster: Cluster, since_ns: int) -> dict[str, Any]:
        before = self._written(cluster)
        now = dict(before)

        def has_taken() -> bool:
            now.update(self._written(cluster))
            return now["device"] > before["device"]
        cluster.poll(has_taken, _WRITTEN, f"something to be written to {self.lun}", FaultError)
        if now["disk"] != before["disk"]:
            raise FaultError(f"not confirmed: {now['disk'] - before['disk']} writes reached the disk behind {self.lun}")
        return {"writes_taken": now["device"] - before["device"], "writes_on_disk": 0}

    def _written(self, cluster: Cluster) -> dict[str, int]:
        """How many writes ended at the device and at the disk below it, as their drivers count them."""
        counters = ("for d in $M $D; do awk '{print $5}' "
                    "/sys/dev/block/$(printf %d:%d 0x$(stat -c %t $d) 0x$(stat -c %T $d))/stat; done")
        device_count, disk_count = (int(word) for word in self._run(cluster, counters).out.split())
        return {"device": device_count, "disk": disk_count}

    def _undo(self) -> str:
        # nobody writes while the device is suspended. After a reboot of the storage machine there is no cache to write
        # back: it is lost, which is the point
        return (f"[ -e /dev/mapper/{self._cache} ] || exit 0; {DMSETUP} suspend {mapping(self.lun)} && "
                f"dd if=/dev/mapper/{self._cache} of=$D bs=1M iflag=direct oflag=direct conv=notrunc status=none && "
                f'{DMSETUP} load {mapping(self.lun)} --table "0 $N linear $D 0"; S=$?; '
                f"{DMSETUP} resume {mapping(self.lun)}; [ $S = 0 ] && "
                f"{DMSETUP} remove {self._cache} && modprobe -r brd")

    def confirm_healed(self, cluster: Cluster) -> dict[str, Any]:
        evidence = super().confirm_healed(cluster)
        before = self._written(cluster)["disk"]
        if not self._rewrite(cluster) or self._written(cluster)["disk"] <= before:
            raise FaultError(f"what is written to {self.lun} still does not reach the disk behind it")
        return {**evidence, "writes": "reach the disk"}
