"""The ledger as the service of a Pacemaker cluster: its daemon, and a resource agent small enough to be quick."""

from __future__ import annotations

from pathlib import Path

from fenceline.daemons.resource_agent import script
from fenceline.guest.seed import Seed
from fenceline.model.topology import Service

AGENT = "ocf:fenceline:ledger"
FILE = "ledger.txt"
PROGRAM = "/usr/lib/fenceline/ledger.py"
DAEMON = Path(__file__).parent.parent / "guest" / "ledger.py"
_START = f"""\
    rm -f $P
    setsid python3 -S {PROGRAM} "$OCF_RESKEY_file" "$OCF_RESKEY_port" $P "$OCF_RESKEY_sync" \\
        "${{OCF_RESKEY_shared:-0}}" </dev/null >>/var/log/fenceline-ledger.log 2>&1 &
    while ! [ -s $P ]; do [ -d /proc/$! ] || exit 1; sleep 0.05; done
    exit 0 ;;
"""
_SCRIPT = script("ledger", "Fenceline's ledger", _START,
                 {"file": "string", "port": "integer", "sync": "integer", "shared": "integer"},
                 settings="P=/run/fenceline-ledger.pid\n")


def seed_ledger(seed: Seed, service: Service) -> None:
    """Gives the node of ``seed`` the ledger, if that is the daemon of ``service``."""
    if service.daemon is not None and service.daemon.name == "ledger":
        seed.add(PROGRAM, DAEMON.read_text(), 0o755)
        seed.add("/usr/lib/ocf/resource.d/fenceline/ledger", _SCRIPT, 0o755)


def parameters(service: Service) -> dict[str, str]:
    """What the resource agent is told."""
    daemon = service.daemon
    root = daemon.document_root or service.filesystem.mountpoint
    shared = {"shared": "1"} if service.active == "all" else {}
    return {"file": f"{root}/{FILE}", "port": str(daemon.port), "sync": str(int(daemon.sync))} | shared
