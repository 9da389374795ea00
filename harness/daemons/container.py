"""A container as a cluster resource: a root, processes, names and mounts of its own, and the node's network.

What runs in it is the ledger. Its root is a folder on a file system that every node has mounted, so that any node can
start it; the programs are the node's own /usr, read-only. No container engine is in the guests: unshare(1) is enough.
"""

from __future__ import annotations

from fenceline.daemons.ledger import DAEMON, FILE, PROGRAM
from fenceline.daemons.resource_agent import script
from fenceline.guest.seed import Seed
from fenceline.model.topology import Service

AGENT = "ocf:fenceline:container"
_INSIDE = f"""\
#!/bin/sh -e
R=$1
mount --make-rprivate /
mount --bind /usr $R/usr
mount -o remount,bind,ro $R/usr
mount -t tmpfs run $R/run
mount -t proc proc $R/proc
mount --bind /dev $R/dev
exec chroot $R python3 -S {PROGRAM} /data/{FILE} "$2" /run/ledger.pid "$3" 0
"""
_SETTINGS = """\
P=/run/fenceline-container-${OCF_RESOURCE_INSTANCE:-x}.pid
R=$OCF_RESKEY_root
"""
_START = """\
    mkdir -p $R/usr $R/proc $R/dev $R/run $R/data || exit 1
    for d in bin sbin lib lib64; do [ -e $R/$d ] || ln -s usr/$d $R/$d; done
    # whoever kills the first process kills all: it is their init
    setsid unshare --mount --pid --uts --ipc --fork --kill-child=KILL sh /usr/lib/fenceline/container.sh \\
        $R "$OCF_RESKEY_port" "$OCF_RESKEY_sync" </dev/null >>/var/log/fenceline-container.log 2>&1 &
    echo $! >$P; n=0
    while [ -d /proc/$! ] && [ $n -lt 300 ]; do
        for c in $(cat /proc/$!/task/$!/children 2>/dev/null); do ready $c && exit 0; done
        sleep 0.05; n=$((n+1))
    done
    exit 1 ;;
"""
_SCRIPT = script("container", "A container with Fenceline's ledger", _START,
                 {"root": "string", "port": "integer", "sync": "integer"}, _SETTINGS,
                 "ready() { [ -s /proc/$1/root/run/ledger.pid ] 2>/dev/null; }\n")


def is_container(service: Service) -> bool:
    """Whether the daemon of ``service`` runs in one."""
    return service.daemon is not None and service.daemon.agent == AGENT


def seed_container(seed: Seed, service: Service) -> None:
    """Gives the node of ``seed`` what it needs to run ``service``'s container, if it has one."""
    if is_container(service):
        seed.add(PROGRAM, DAEMON.read_text(), 0o755)
        seed.add("/usr/lib/fenceline/container.sh", _INSIDE, 0o755)
        seed.add("/usr/lib/ocf/resource.d/fenceline/container", _SCRIPT, 0o755)


def parameters(service: Service) -> dict[str, str]:
    """What the resource agent is told."""
    daemon = service.daemon
    return {"root": daemon.document_root or service.filesystem.mountpoint, "port": str(daemon.port),
            "sync": str(int(daemon.sync))}
