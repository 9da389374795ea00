"""The kernel's NFS server as the service of a Pacemaker cluster, and the machine that is its client.

Version 4 only. What the server remembers of its clients (nfsdcld) is on the group's file system, so that they reclaim
what they had wherever the service comes up, and the grace period ends when the last one has.
"""

from __future__ import annotations

from fenceline.daemons.ledger import DAEMON, FILE, PROGRAM
from fenceline.guest.seed import Seed
from fenceline.model.topology import Service, Topology
from fenceline.storage.disks import EXPORTED

CONF = "/etc/nfs.conf"
AGENT = "ocf:heartbeat:exportfs"
MEMORY = "nfsinfo"  # the folder of the group's file system in which the server keeps what it remembers
_VERSION = "4.2"


def seed_nfs_server(seed: Seed, service: Service) -> None:
    """Gives the node of ``seed`` what an nfs-server needs, if that is the daemon of ``service``."""
    daemon = service.daemon
    if daemon is None or daemon.name != "nfs-server":
        return
    grace = round(daemon.grace)
    seed.add(CONF, "[general]\npipefs-directory=/run/rpc_pipefs\n[mountd]\nmanage-gids=n\n"
                   f"[nfsd]\nthreads=8\nport={daemon.port}\ngrace-time={grace}\nlease-time={grace}\nvers3=n\n")
    seed.setup += [
        "modprobe nfsd",
        # the agent prefers it to the units, and then neither waits for the threads' end nor stops nfsdcld
        "rm -f /etc/init.d/nfs-kernel-server",
        # of version 3; a unit that is wanted and not there costs seconds
        "for u in rpcbind.socket rpcbind.service rpc-statd.service rpc-statd-notify.service rpc-gssd.service "
        "rpc-svcgssd.service auth-rpcgss-module.service; do ln -sfn /dev/null /etc/systemd/system/$u; done"]


def parameters(name: str, service: Service) -> dict[str, str]:
    """What ocf:heartbeat:nfsserver is told. Without one scope for all nodes clients would not reclaim."""
    return {"nfs_shared_infodir": f"{service.filesystem.mountpoint}/{MEMORY}", "nfsv4_only": "1",
            "nfs_no_notify": "1", "nfs_server_scope": name}


def export_parameters(topology: Topology, service: Service) -> dict[str, str]:
    """What ocf:heartbeat:exportfs is told."""
    export = service.export
    return {"directory": exported(service), "fsid": str(export.fsid),
            "clientspec": str(topology.networks[topology.networks_with("service")[0]].subnet),
            "options": f"rw,{'sync' if export.sync else 'async'},no_root_squash,no_subtree_check",
            "wait_for_leasetime_on_stop": "0", "rmtab_backup": "none"}


def exported(service: Service) -> str:
    """The folder that is exported, on the node that exports it."""
    return f"{service.filesystem.mountpoint}/{EXPORTED}"


def seed_client(topology: Topology, node: str, seed: Seed) -> None:
    """Makes the node of ``seed`` the client of the services that name it: it mounts, and keeps a ledger there."""
    for name, service in topology.services.items():
        client = service.client
        if client is None or client.node != node:
            continue
        seed.add(PROGRAM, DAEMON.read_text(), 0o755)
        options = (f"vers={_VERSION},{'hard' if client.hard else 'soft'},timeo={round(client.timeo * 10)},"
                   f"retrans={client.retrans},noatime")
        source = f"{service.vip.address}:{exported(service)}"
        seed.setup += ["modprobe -a nfs nfsv4", f"mkdir -p {client.mountpoint}"]
        seed.late += [
            # the cluster forms meanwhile
            f"until mount -t nfs -o {options},retry=0 {source} {client.mountpoint}; do sleep 0.3; done",
            f"setsid python3 -S {PROGRAM} {client.mountpoint}/{FILE} {client.port} /run/ledger-{name}.pid "
            f"{int(client.sync)} 0 </dev/null >>/var/log/fenceline-ledger.log 2>&1 &"]
