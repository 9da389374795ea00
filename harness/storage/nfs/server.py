"""NFS: the kernel's server on the storage machine; the cluster mounts an export where its service runs."""

from __future__ import annotations

from pathlib import Path

from fenceline.guest.seed import Seed
from fenceline.model.addressing import address
from fenceline.model.topology import Topology
from fenceline.storage.disks import FIRST_DISK, content, make_disk
from fenceline.storage.nfs.model import Nfs

PORT = 2049  # RFC 8881, 2.9.3
_ROOT = "/srv/export"


def server_address(topology: Topology) -> str:
    """Where the server is reached, in the storage network."""
    return str(address(topology, topology.storage.nfs.server, topology.networks_with("storage")[0]))


def device(topology: Topology, export: str) -> str:
    """``server:path`` of ``export``, as mount(8) wants it."""
    return f"{server_address(topology)}:{path(export)}"


def fsids(nfs: Nfs) -> dict[int, str]:
    """{number that the export's file handles begin with: its name}: on the wire it tells which export is meant."""
    return {number: export.name for number, export in enumerate(nfs.exports, 1)}


def mount_options(nfs: Nfs, options: str) -> str:
    """The options of nfs(5) that say how a client bears with a server that is away, after the file system's own."""
    found = [options] if options else []
    found += [f"vers={nfs.version}", "hard" if nfs.hard else "soft", f"timeo={round(nfs.timeo * 10)}",
              f"retrans={nfs.retrans}"]
    if nfs.version == "3":
        found.append("nolock")  # no statd runs on the nodes
    return ",".join(found)


def make_disks(topology: Topology, folder: Path) -> tuple[Path, ...]:
    """The raw images behind the exports, sparse, each with ext4 and an index.html that names it.

    Raises:
        HostError: mkfs failed; the message has its words.
    """
    return tuple(make_disk(folder / f"export-{export.name}.raw", export.size, "ext4", export.name,
                           content(topology, export.name, folder))
                 for export in topology.storage.nfs.exports)


def seed_server(topology: Topology, seed: Seed) -> None:
    """Makes the node of ``seed`` the server."""
    nfs = topology.storage.nfs
    seed.add("/etc/exports", "".join(
        f"{path(name)} {export_options(topology, name, number)}\n" for number, name in fsids(nfs).items()))
    for number, export in enumerate(nfs.exports):
        letter = chr(ord(FIRST_DISK) + number)
        seed.setup += [f"D=/dev/ubd{letter}; [ -b $D ] || D=/dev/vd{letter}",
                       f"mkdir -p {path(export.name)}", f"mount -o noatime $D {path(export.name)}"]
    grace = round(nfs.grace)
    seed.setup += ["modprobe nfsd", "mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd",
                   f"echo {grace} > /proc/fs/nfsd/nfsv4gracetime", f"echo {grace} > /proc/fs/nfsd/nfsv4leasetime"]
    is_old = nfs.version == "3"
    seed.late += [
        *(["rpcbind -w", "rpc.statd"] if is_old else []),
        # remembers its clients across a restart; without it every start has a whole grace period
        "modprobe sunrpc; mkdir -p /run/rpc_pipefs; mount -t rpc_pipefs sunrpc /run/rpc_pipefs; "
        "mkdir -p /var/lib/nfs/nfsdcld; nfsdcld",
        "exportfs -ra",
        f"rpc.mountd {'' if is_old else '-N 2 -N 3'}",
        start_command(nfs)]


def start_command(nfs: Nfs) -> str:
    """What starts the server's threads; the daemons beside it run already."""
    return f"rpc.nfsd {'-N 4' if nfs.version == '3' else '-N 3'} 8"


def seed_client(seed: Seed) -> None:
    """Lets the node of ``seed`` mount exports; mount itself is the cluster's business."""
    seed.setup.append("modprobe -a nfs nfsv4 nfsv3")


def path(export: str) -> str:
    """Where ``export`` is on the server."""
    return f"{_ROOT}/{export}"


def export_options(topology: Topology, name: str, fsid: int) -> str:
    """Who may mount the export ``name``, and how, as exports(5) wants it; ``fsid`` marks its file handles."""
    subnet = topology.networks[topology.networks_with("storage")[0]].subnet
    export = next(export for export in topology.storage.nfs.exports if export.name == name)
    return f"{subnet}(rw,{'sync' if export.sync else 'async'},no_subtree_check,no_root_squash,fsid={fsid})"
