"""iSCSI: what the rest must know of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fenceline.model.cost import Cost
from fenceline.model.damage import pills_lost, services_of, storage_out
from fenceline.model.filesystems import CLUSTER_FILESYSTEMS, journal_problems
from fenceline.model.storage import STORAGE, Disk, Mount, StorageKind, host_problems, twice
from fenceline.storage.iscsi.model import Iscsi, Lun

if TYPE_CHECKING:
    from fenceline.guest.seed import Seed
    from fenceline.model.topology import Filesystem, Topology


class IscsiKind(StorageKind):
    """See ``StorageKind``."""

    name = "iscsi"
    order = 10
    section = (Iscsi | None, None)
    disk_word, disk_title, listed = "lun", "a LUN", "storage.iscsi.luns"
    host_field, host_title = "target", "the iSCSI target"
    packets = "iscsi"
    is_block = True
    carries_pills = True

    def disks(self, topology: Topology) -> tuple[Disk, ...]:
        iscsi = self.said(topology)
        return tuple(Disk(lun.name, lun.size, lun.filesystem) for lun in iscsi.luns) if iscsi else ()

    def lun(self, topology: Topology, name: str) -> Lun:
        """The LUN ``name``."""
        return next(lun for lun in self.said(topology).luns if lun.name == name)

    def problems(self, topology: Topology) -> list[str]:
        iscsi, members = self.said(topology), len(topology.cluster_nodes)
        found = host_problems(topology, self) + twice(self.listed, [lun.name for lun in iscsi.luns])
        for index, lun in enumerate(iscsi.luns):
            path = f"{self.listed}.{index}"
            if lun.filesystem in CLUSTER_FILESYSTEMS:
                journals = lun.journals or members
                if journals < members:
                    found.append(f"{path}.journals: {journals} for {members} cluster nodes: each needs its own")
                found += journal_problems(path, lun.size, journals)
                continue
            if lun.clustered_lvm:
                found.append(f"{path}.clustered_lvm: is for {' and '.join(sorted(CLUSTER_FILESYSTEMS))}")
            if lun.journals is not None:
                found.append(f"{path}.journals: only {' and '.join(sorted(CLUSTER_FILESYSTEMS))} have a number of them")
        return found

    def offers(self, topology: Topology) -> Iterable[str]:
        return {"iscsi"}

    def packets_lost(self, topology: Topology) -> Cost:
        return (storage_out(topology, services_of(topology, self.host(topology)))
                | pills_lost(topology, [disk.name for disk in self.disks(topology)]))

    def device(self, topology: Topology, name: str) -> str:
        from fenceline.storage.iscsi.target import disk_path
        return disk_path(topology, name)

    def backing(self, topology: Topology, name: str) -> str:
        from fenceline.storage.iscsi.mapped import device
        return device(name)

    def make_disks(self, topology: Topology, node: str, folder: Path) -> tuple[Path, ...]:
        from fenceline.storage.iscsi import target
        return target.make_disks(topology, folder) if node == self.host(topology) else ()

    def seed(self, topology: Topology, node: str, seed: Seed, secret: str) -> None:
        from fenceline.storage.iscsi import target
        if node == self.host(topology):
            target.seed_target(topology, seed)
        elif node in topology.cluster_nodes:
            target.seed_initiator(topology, node, seed)

    def mount(self, topology: Topology, part: Filesystem, name: str) -> Mount:
        from fenceline.storage.iscsi.clustered_lvm import volume_path
        lun = self.lun(topology, name)
        return Mount(volume_path(name) if lun.clustered_lvm else self.device(topology, name), lun.filesystem,
                     part.options)


STORAGE.register(IscsiKind.name, IscsiKind())
