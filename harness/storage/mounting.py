"""What mount(8) is told about a service's file system, whatever it is on: one place for every stack."""

from __future__ import annotations

from dataclasses import dataclass

from fenceline.model.topology import Filesystem, Topology
from fenceline.storage import clustered_lvm, drbd, iscsi, nfs


@dataclass(frozen=True, slots=True)
class Mount:
    """The words of a mount."""

    device: str
    fstype: str
    options: str


def mount_of(topology: Topology, part: Filesystem) -> Mount:
    """How ``part`` is mounted."""
    if part.export is not None:
        return Mount(nfs.device(topology, part.export), "nfs", nfs.mount_options(topology.storage.nfs, part.options))
    if part.drbd is not None:
        resource = drbd.resource(topology, part.drbd)
        return Mount(drbd.device(topology, part.drbd), resource.filesystem, part.options)
    lun = next(lun for lun in topology.storage.iscsi.luns if lun.name == part.lun)
    disk = clustered_lvm.volume_path(lun.name) if lun.clustered_lvm else iscsi.disk_path(topology, part.lun)
    return Mount(disk, lun.filesystem, part.options)
