"""What becomes of a resource's agent on our machines: the agent itself, where its software is there or can be installed
and knows all that it needs, or a stand-in of the same id."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from fenceline.accept.cibview import Primitive
from fenceline.accept.original import Original


@dataclass(frozen=True, slots=True)
class Software:
    """A daemon that runs itself: where it is asked, how ``pgrep -x`` knows it, what Debian calls its ``packages``."""

    port: int
    process: str
    packages: tuple[str, ...] = ()
    ask: dict[str, str] = field(default_factory=lambda: {"http": "/"})


#: Daemons that need no more than their configuration files and a folder of pages.
REAL: dict[str, Software] = {
    **dict.fromkeys(("ocf:heartbeat:apache", "systemd:apache2", "lsb:apache2"), Software(80, "apache2", ("apache2",))),
    **dict.fromkeys(("systemd:nginx", "lsb:nginx", "ocf:heartbeat:nginx"), Software(80, "nginx")),
}
#: Agents that run as they are and are no daemon.
PLAIN = ("ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPaddr", "ocf:heartbeat:Filesystem", "ocf:linbit:drbd",
         "ocf:pacemaker:Dummy", "ocf:heartbeat:Dummy", "ocf:pacemaker:ping", "ocf:heartbeat:IPsrcaddr")
#: What listens where, of which only the name is known: a stand-in listens there.
_PORTS = {"mysql": 3306, "mariadb": 3306, "mysqld": 3306, "pgsql": 5432, "postgresql": 5432, "nfsserver": 2049,
          "redis": 6379, "tomcat": 8080, "haproxy": 80, "vsftpd": 21, "named": 53, "oracle": 1521, "db2": 50000,
          "apache": 80, "apache2": 80, "httpd": 80, "nginx": 80, "lighttpd": 80, "postfix": 25, "dovecot": 143}
#: What is no daemon, and is not there: it starts and stops, and listens nowhere.
_SILENT = ("LVM", "LVM-activate", "iscsi", "exportfs", "nfsnotify", "MailTo", "portblock", "SAPHanaTopology", "mdraid",
           "ZFS", "controld", "lvmlockd", "VirtualDomain", "IPv6addr", "Route", "ocf_heartbeat_symlink", "symlink",
           "libvirtd", "clvm", "o2cb", "rpcbind", "nfs-idmapd", "chronyd", "iSCSITarget", "iSCSILogicalUnit")
_FIRST_PORT = 7001


def _told_port(original: Original, word: str, otherwise: int) -> int:
    """The port that a daemon's own file says it listens on."""
    for one in original.own:
        if word in (one.on_node or one.name):
            match = re.search(r"^\s*listen\s+(?:[\d.*]+:)?(\d{2,5})\b", one.source.text, re.MULTILINE | re.IGNORECASE)
            if match:
                return int(match[1])
    return otherwise


def is_plain(one: Primitive) -> bool:
    """Whether the agent runs as it is, with a disk or an address of ours."""
    return one.agent in PLAIN


def software(original: Original, one: Primitive, stood_in: frozenset[str]) -> Software | None:
    """The daemon that ``one`` is itself, on the port that its own files say; None for a stand-in: those in ``stood_in``
    are by the user's wish."""
    known = None if one.id in stood_in else REAL.get(one.agent)
    return known and replace(known, port=_told_port(original, known.process.rstrip("2"), known.port))


def ports(original: Original) -> dict[str, int]:
    """Where each stand-in listens, by its resource: the port that its files or its name tell, or one of our own. 0 for
    what listens nowhere."""
    behind = [int(port) for one in original.own
              for port in re.findall(r"proxy_pass\s+https?://(?:127\.0\.0\.1|localhost):(\d{1,5})", one.source.text)]
    found: dict[str, int] = {}
    own = _FIRST_PORT
    for one in original.cib.resources if original.cib else ():
        if is_plain(one) or one.type in _SILENT:
            found[one.id] = 0
            continue
        port = REAL[one.agent].port if one.agent in REAL else _PORTS.get(one.type.lower().removesuffix("d"), 0)
        port = port or _PORTS.get(one.type.lower(), 0)
        instance = one.value("InstanceNumber")
        if not port and one.type.startswith("SAP") and re.fullmatch(r"\d{2}", instance):
            port = int(f"3{instance}15")
        if not port and behind:
            port = behind.pop(0)
        if not port or port in found.values():
            while own in found.values():
                own += 1
            port = own
        found[one.id] = port
    return found
