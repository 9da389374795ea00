"""NFS: the kernel's server on the storage machine; the cluster mounts an export where its service runs."""

from __future__ import annotations

from pathlib import Path

from harness.guest.seed import Seed
from harness.model.addressing import address
from harness.model.topology import Export, Nfs, Topology
from harness.storage.disks import FIRST_DISK, content, make_disk

_ROOT = "/srv/export"


def server_address(topology: Topology) -> str:
    """Where the server is reached, in the storage network."""
    return str(address(topology, topology.storage.nfs.server, topology.networks_with("storage")[0]))


def device(topology: Topology, export: str) -> str:
    """``server:path`` of ``export``, as mount(8) wants it."""
    return f"{server_address(topology)}:{_ROOT}/{export}"


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
    seed.add("/etc/exports", "".join(_export_line(topology, export) for export in nfs.exports))
    for number, export in enumerate(nfs.exports):
        letter = chr(ord(FIRST_DISK) + number)
        seed.setup += [f"D=/dev/ubd{letter}; [ -b $D ] || D=/dev/vd{letter}",
                       f"mkdir -p {_ROOT}/{export.name}", f"mount -o noatime $D {_ROOT}/{export.name}"]
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
        f"rpc.nfsd {'-N 4' if is_old else '-N 3'} 8"]


def seed_client(seed: Seed) -> None:
    """Lets the node of ``seed`` mount exports; mount itself is the cluster's business."""
    seed.setup.append("modprobe -a nfs nfsv4 nfsv3")


def _export_line(topology: Topology, export: Export) -> str:
    subnet = topology.networks[topology.networks_with("storage")[0]].subnet
    options = f"rw,{'sync' if export.sync else 'async'},no_subtree_check,no_root_squash"
    return f"{_ROOT}/{export.name} {subnet}({options})\n"
