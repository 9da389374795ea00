"""NFS: what the rest must know of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fenceline.model.cost import Cost
from fenceline.model.damage import services_of, storage_out
from fenceline.model.storage import STORAGE, Disk, Mount, StorageKind, host_problems, twice
from fenceline.storage.nfs.model import Nfs

if TYPE_CHECKING:
    from fenceline.guest.seed import Seed
    from fenceline.model.topology import Filesystem, Topology


class NfsKind(StorageKind):
    """See ``StorageKind``."""

    name = "nfs"
    order = 20
    section = (Nfs | None, None)
    disk_word, disk_title, listed = "export", "an export", "storage.nfs.exports"
    host_field, host_title = "server", "the NFS server"
    packets = "nfs"

    def disks(self, topology: Topology) -> tuple[Disk, ...]:
        nfs = self.said(topology)
        return tuple(Disk(export.name, export.size, "ext4") for export in nfs.exports) if nfs else ()

    def fstype(self, disk: Disk) -> str | None:
        return "nfs"

    def problems(self, topology: Topology) -> list[str]:
        return (host_problems(topology, self)
                + twice(self.listed, [export.name for export in self.said(topology).exports]))

    def offers(self, topology: Topology) -> Iterable[str]:
        return {"nfs"}

    def packets_lost(self, topology: Topology) -> Cost:
        return storage_out(topology, services_of(topology, self.host(topology)))

    def device(self, topology: Topology, name: str) -> str:
        from fenceline.storage.nfs.server import device
        return device(topology, name)

    def make_disks(self, topology: Topology, node: str, folder: Path) -> tuple[Path, ...]:
        from fenceline.storage.nfs import server
        return server.make_disks(topology, folder) if node == self.host(topology) else ()

    def seed(self, topology: Topology, node: str, seed: Seed, secret: str) -> None:
        from fenceline.storage.nfs import server
        if node == self.host(topology):
            server.seed_server(topology, seed)
        elif node in topology.cluster_nodes:
            server.seed_client(seed)

    def mount(self, topology: Topology, part: Filesystem, name: str) -> Mount:
        from fenceline.storage.nfs.server import mount_options
        return Mount(self.device(topology, name), "nfs", mount_options(self.said(topology), part.options))


STORAGE.register(NfsKind.name, NfsKind())
