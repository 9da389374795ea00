"""Stand-ins: agents and units that start, listen, write and stop as fast as told, in the place of software that is not
there; and fencing agents that reach the virtual BMCs under the name of those that can't run here."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PROGRAM = "/usr/lib/fenceline/standin.py"
TABLE = "/etc/fenceline/standins"


@dataclass(frozen=True, slots=True)
class StandIn:
    """For the resource ``id``: listens on ``port`` (0: nowhere), starts in ``starts`` and stops in ``stops`` s, writes
    into the folder ``folder`` ("-": nowhere)."""

    id: str
    port: int
    starts: float = 0.0
    stops: float = 0.0
    folder: str = "-"

    @property
    def process(self) -> str:
        """How pgrep -x knows it."""
        return f"standin-{self.id}"[:15].replace("/", "-")

    @property
    def line(self) -> str:
        """In the table."""
        return f"{self.id} {self.port} {self.starts:g} {self.stops:g} {self.folder} {self.process}"


SERVER = '''\
"""Stands in for a daemon: python3 -S standin.py PROCESS PORT SECONDS FOLDER. Listens after SECONDS; says who answers; \
writes into FOLDER each second, and ends when it can't."""
import os, select, socket, sys, time
process, port, seconds, folder = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
open("/proc/self/comm", "w").write(process)
def write():
    if folder != "-":
        file = os.open(folder + "/." + process, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, b"%f %s\\n" % (time.time(), socket.gethostname().encode()))
        os.fsync(file)
        os.close(file)
write()
time.sleep(seconds)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", port))
server.listen(64)
body = process.encode() + b"\\n"
answer = b"HTTP/1.1 200 OK\\r\\nX-Node: %s\\r\\nContent-Type: text/plain\\r\\nContent-Length: %d\\r\\n" \\
    b"Connection: close\\r\\n\\r\\n%s" % (socket.gethostname().encode(), len(body), body)
due = time.monotonic()
while True:
    if select.select([server], [], [], 1.0)[0]:
        client, _ = server.accept()
        client.settimeout(1.0)
        try:
            if client.recv(4096):
                client.sendall(answer)
        except OSError:
            pass
        client.close()
    if time.monotonic() >= due:
        due = time.monotonic() + 1.0
        write()
'''

AGENT = f"""\
#!/bin/sh
# Fenceline's stand-in: see {TABLE}
I=${{OCF_RESOURCE_INSTANCE%%:*}}
S=/run/fenceline-standin-$I
while read -r id port starts stops folder process; do [ "$id" = "$I" ] && break; done <{TABLE}
[ "$id" = "$I" ] || port=0 starts=0 stops=0 folder=- process=none
alive() {{
    [ -e "$S" ] || return 1
    [ "$port" = 0 ] && return 0
    read -r pid 2>/dev/null <"$S" && [ -d "/proc/$pid" ]
}}
score() {{ crm_master -Q -l reboot -v "$1" 2>/dev/null; }}
begin() {{
    alive && return 0
    if [ "$port" = 0 ]; then sleep "$starts"; : >"$S"; return 0; fi
    setsid python3 -S {PROGRAM} "$process" "$port" "$starts" "$folder" </dev/null \\
        >>/var/log/fenceline-standin.log 2>&1 &
    p=$!
    until grep -qi ":$(printf %04X "$port") 00000000:0000 0A" /proc/net/tcp; do
        [ -d "/proc/$p" ] || return 1
        sleep 0.1
    done
    echo "$p" >"$S"
}}
end() {{
    rm -f "$S.promoted"
    alive || {{ rm -f "$S"; return 0; }}
    sleep "$stops"
    if [ "$port" != 0 ]; then
        kill "$pid"; n=0
        while [ -d "/proc/$pid" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done
        [ -d "/proc/$pid" ] && kill -9 "$pid"
    fi
    rm -f "$S"
}}
case $1 in
start)
    begin || exit 1
    [ -n "$OCF_RESKEY_CRM_meta_promoted_max$OCF_RESKEY_CRM_meta_master_max" ] && score 100
    exit 0 ;;
stop) end; exit 0 ;;
promote) alive || exit 7; sleep "$starts"; : >"$S.promoted"; score 150; exit 0 ;;
demote) rm -f "$S.promoted"; alive || exit 7; score 100; exit 0 ;;
monitor|status) alive || exit 7; [ -e "$S.promoted" ] && exit 8; exit 0 ;;
migrate_to) end; exit 0 ;;
migrate_from) begin || exit 1; exit 0 ;;
notify|reload|reload-agent|validate-all) exit 0 ;;
meta-data)
    cat <<X
<?xml version="1.0"?>
<resource-agent name="standin"><version>1.0</version>
<longdesc lang="en">Fenceline's stand-in</longdesc><shortdesc lang="en">stand-in</shortdesc>
<parameters/>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="promote" timeout="20s"/><action name="demote" timeout="20s"/><action name="notify" timeout="20s"/>
<action name="migrate_to" timeout="60s"/><action name="migrate_from" timeout="60s"/>
<action name="monitor" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/></actions>
</resource-agent>
X
    exit 0 ;;
*) exit 3 ;;
esac
"""


def unit(one: StandIn) -> str:
    """The systemd unit in the place of a service's own."""
    stops = f"ExecStop=/bin/sleep {one.stops:g}\n" if one.stops else ""
    command = (f"/usr/bin/python3 -S {PROGRAM} {shlex.quote(one.process)} {one.port} {one.starts:g} "
               f"{shlex.quote(one.folder)}" if one.port else "/bin/sleep infinity")
    return f"""\
[Unit]
Description=Fenceline's stand-in for {one.id}
DefaultDependencies=no

[Service]
Type=exec
ExecStart={command}
{stops}TimeoutStopSec=90
"""


def fence_agent(name: str, plugs: dict[str, str], wait: float) -> str:
    """A fencing agent ``name`` that switches the virtual BMCs: ``plugs`` are the nodes by what the cluster calls their
    plugs, ``wait`` (s) passes after off and after on, as power_wait and the logins of the original do."""
    cases = "\n".join(f"{shlex.quote(plug)}) H='@bmc {node}@' ;;" for plug, node in plugs.items())
    return f"""\
#!/bin/sh
# Fenceline's stand-in for {name}: the same device, with the virtual BMCs behind it
action=reboot plug=
if [ $# -gt 0 ]; then
    while [ $# -gt 1 ]; do
        case $1 in -o|--action) action=$2 ;; -n|--plug) plug=$2 ;; esac
        shift
    done
else
    while IFS='=' read -r key value; do
        case $key in
        action|option) action=$value ;;
        port|plug) plug=$value ;;
        nodename) [ -n "$plug" ] || plug=$value ;;
        esac
    done
fi
H=
case $plug in
{cases}
esac
ipmi() {{ ipmitool -I lanplus -H "$1" -U '@bmc-user@' -P '@bmc-password@' -N 2 -R 2 chassis power "$2"; }}
case $action in
metadata|meta-data)
    cat <<X
<?xml version="1.0"?>
<resource-agent name="{name}" shortdesc="Fenceline's stand-in for {name}">
<longdesc>The virtual BMCs under the name of {name}</longdesc>
<parameters>
<parameter name="action" unique="0" required="1"><content type="string" default="reboot"/></parameter>
<parameter name="plug" unique="0" required="1" obsoletes="port"><content type="string"/></parameter>
<parameter name="port" unique="0" required="0" deprecated="1"><content type="string"/></parameter>
</parameters>
<actions><action name="on" automatic="0"/><action name="off"/><action name="reboot"/><action name="status"/>
<action name="list"/><action name="monitor"/><action name="metadata"/></actions>
</resource-agent>
X
    exit 0 ;;
monitor) for h in {" ".join(f"'@bmc {node}@'" for node in dict.fromkeys(plugs.values()))}; do
        ipmi "$h" status >/dev/null || exit 1; done; exit 0 ;;
list) printf '%s\\n' {" ".join(shlex.quote(f"{plug},") for plug in plugs)}; exit 0 ;;
esac
[ -n "$H" ] || exit 1
case $action in
status) case $(ipmi "$H" status) in *on) exit 0 ;; *off) exit 2 ;; *) exit 1 ;; esac ;;
on) ipmi "$H" on || exit 1; sleep {wait:g}; exit 0 ;;
off) ipmi "$H" off || exit 1; sleep {wait:g}; exit 0 ;;
reboot) ipmi "$H" off || exit 1; sleep {wait:g}; ipmi "$H" on || exit 1; sleep {wait:g}; exit 0 ;;
*) exit 1 ;;
esac
"""
