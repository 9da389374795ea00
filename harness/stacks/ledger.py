"""The ledger as the service of a Pacemaker cluster: its daemon, and a resource agent small enough to be quick."""

from __future__ import annotations

from pathlib import Path

from harness.guest.seed import Seed
from harness.model.topology import Service

AGENT = "ocf:fenceline:ledger"
FILE = "ledger.txt"
PROGRAM = "/usr/lib/fenceline/ledger.py"
DAEMON = Path(__file__).parent.parent / "guest" / "ledger.py"
# no ocf-shellfuncs: sourcing them costs more than all that is done here (a fork takes 15 ms in a UML guest)
_SCRIPT = """\
#!/bin/sh
P=/run/fenceline-ledger.pid
alive() { read -r pid 2>/dev/null <$P && [ -d /proc/$pid ]; }
case $1 in
start)
    alive && exit 0
    rm -f $P
    setsid python3 -S /usr/lib/fenceline/ledger.py "$OCF_RESKEY_file" "$OCF_RESKEY_port" $P "$OCF_RESKEY_sync" \\
        "${OCF_RESKEY_shared:-0}" </dev/null >>/var/log/fenceline-ledger.log 2>&1 &
    while ! [ -s $P ]; do [ -d /proc/$! ] || exit 1; sleep 0.05; done
    exit 0 ;;
stop)
    alive || exit 0
    kill $pid; n=0
    while [ -d /proc/$pid ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
    [ -d /proc/$pid ] && kill -9 $pid
    rm -f $P; exit 0 ;;
monitor|status) alive && exit 0; exit 7 ;;
meta-data)
    cat <<X
<?xml version="1.0"?>
<resource-agent name="ledger"><version>1.0</version>
<longdesc lang="en">Fenceline's ledger</longdesc><shortdesc lang="en">ledger</shortdesc>
<parameters>
<parameter name="file"><content type="string"/></parameter>
<parameter name="port"><content type="integer"/></parameter>
<parameter name="sync"><content type="integer"/></parameter>
<parameter name="shared"><content type="integer"/></parameter>
</parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="2s"/><action name="meta-data" timeout="5s"/></actions>
</resource-agent>
X
    exit 0 ;;
*) exit 3 ;;
esac
"""


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
