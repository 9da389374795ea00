"""Small OCF resource agents for a daemon that one process is: all that they have in common.

No ocf-shellfuncs: sourcing them costs more than all that is done here (a fork takes 15 ms in a UML guest).
"""

from __future__ import annotations

from collections.abc import Mapping


def script(name: str, text: str, start: str, parameters: Mapping[str, str], settings: str, functions: str = "") -> str:
    """The agent ``name``, which ``text`` describes, with ``parameters`` ({name: type}).

    ``settings`` is shell that sets P, the file with the pid of the first process; ``functions`` may say what else
    ``start`` uses; ``start`` starts what does not run yet, waits until it serves, and exits.
    """
    described = "\n".join(f'<parameter name="{key}"><content type="{kind}"/></parameter>'
                          for key, kind in parameters.items())
    return f"""\
#!/bin/sh
{settings}\
alive() {{ read -r pid 2>/dev/null <$P && [ -d /proc/$pid ]; }}
{functions}\
case $1 in
start)
    alive && exit 0
{start}\
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
<resource-agent name="{name}"><version>1.0</version>
<longdesc lang="en">{text}</longdesc><shortdesc lang="en">{name}</shortdesc>
<parameters>
{described}
</parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="2s"/><action name="meta-data" timeout="5s"/></actions>
</resource-agent>
X
    exit 0 ;;
*) exit 3 ;;
esac
"""


def once() -> str:
    """An agent that runs the shell line ``run`` unless there is the path ``creates``: what it made is not undone."""
    return """\
#!/bin/sh
S=$OCF_RESKEY_state
case $1 in
start)
    [ -e "$OCF_RESKEY_creates" ] ||
        sh -c "$OCF_RESKEY_run" </dev/null >>/var/log/fenceline-prepare.log 2>&1 || exit 1
    : >"$S"; exit 0 ;;
stop) rm -f "$S"; exit 0 ;;
monitor|status) [ -e "$S" ] && exit 0; exit 7 ;;
meta-data)
    cat <<X
<?xml version="1.0"?>
<resource-agent name="prepare"><version>1.0</version>
<longdesc lang="en">What is done once on a disk</longdesc><shortdesc lang="en">prepare</shortdesc>
<parameters>
<parameter name="creates"><content type="string"/></parameter>
<parameter name="run"><content type="string"/></parameter>
<parameter name="state"><content type="string"/></parameter>
</parameters>
<actions><action name="start" timeout="120s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s" interval="10s"/><action name="meta-data" timeout="5s"/></actions>
</resource-agent>
X
    exit 0 ;;
*) exit 3 ;;
esac
"""
