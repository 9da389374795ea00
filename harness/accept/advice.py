"""What the agents themselves advise, and how long their work usually takes: resource-agents 4.12, as in Debian 12."""

from __future__ import annotations

#: The least times (s) that the metadata of an agent advises: by action.
ADVISED: dict[str, dict[str, float]] = {
    "ocf:heartbeat:IPaddr2": {"start": 20, "stop": 20, "monitor": 20},
    "ocf:heartbeat:IPaddr": {"start": 20, "stop": 20, "monitor": 20},
    "ocf:heartbeat:IPsrcaddr": {"start": 20, "stop": 20, "monitor": 20},
    "ocf:heartbeat:Filesystem": {"start": 60, "stop": 60, "monitor": 40},
    "ocf:heartbeat:LVM": {"start": 30, "stop": 30, "monitor": 30},
    "ocf:heartbeat:LVM-activate": {"start": 90, "stop": 90, "monitor": 90},
    "ocf:heartbeat:lvmlockd": {"start": 90, "stop": 90, "monitor": 90},
    "ocf:heartbeat:iscsi": {"start": 120, "stop": 120, "monitor": 30},
    "ocf:heartbeat:iSCSITarget": {"start": 30, "stop": 30, "monitor": 30},
    "ocf:heartbeat:iSCSILogicalUnit": {"start": 10, "stop": 10, "monitor": 10},
    "ocf:heartbeat:apache": {"start": 40, "stop": 60, "monitor": 20},
    "ocf:heartbeat:nginx": {"start": 60, "stop": 60, "monitor": 30},
    "ocf:heartbeat:haproxy": {"start": 20, "stop": 20, "monitor": 20},
    "ocf:heartbeat:mysql": {"start": 120, "stop": 120, "monitor": 30, "promote": 120, "demote": 120},
    "ocf:heartbeat:mariadb": {"start": 120, "stop": 120, "monitor": 30, "promote": 120, "demote": 120},
    "ocf:heartbeat:pgsql": {"start": 120, "stop": 120, "monitor": 30, "promote": 30, "demote": 120},
    "ocf:heartbeat:redis": {"start": 120, "stop": 120, "monitor": 60, "promote": 120, "demote": 120},
    "ocf:heartbeat:oracle": {"start": 120, "stop": 120, "monitor": 30},
    "ocf:heartbeat:tomcat": {"start": 60, "stop": 120, "monitor": 30},
    "ocf:heartbeat:named": {"start": 60, "stop": 60, "monitor": 30},
    "ocf:heartbeat:postfix": {"start": 20, "stop": 20, "monitor": 20},
    "ocf:heartbeat:nfsserver": {"start": 40, "stop": 20, "monitor": 20},
    "ocf:heartbeat:nfsnotify": {"start": 90, "stop": 90, "monitor": 90},
    "ocf:heartbeat:exportfs": {"start": 40, "stop": 120, "monitor": 20},
    "ocf:heartbeat:VirtualDomain": {"start": 90, "stop": 90, "monitor": 30, "migrate_to": 60, "migrate_from": 60},
    "ocf:heartbeat:docker": {"start": 90, "stop": 90, "monitor": 30},
    "ocf:heartbeat:podman": {"start": 90, "stop": 90, "monitor": 30},
    "ocf:linbit:drbd": {"start": 240, "stop": 100, "promote": 90, "demote": 90, "monitor": 20},
    "ocf:pacemaker:controld": {"start": 90, "stop": 100, "monitor": 20},
    "systemd": {"start": 100, "stop": 100, "monitor": 100},
}
#: How often (s) the metadata of an agent advises to look, where that is seldom.
SELDOM: dict[str, float] = {"ocf:heartbeat:LVM-activate": 30, "ocf:heartbeat:lvmlockd": 30,
                            "ocf:heartbeat:nfsnotify": 30, "ocf:heartbeat:iscsi": 120}
#: What a start usually takes (s), for the failover budget: assumed where nobody says it; see adoption.md.
STARTS: dict[str, float] = {
    "ocf:heartbeat:IPaddr2": 1, "ocf:heartbeat:IPaddr": 1, "ocf:heartbeat:Filesystem": 3,
    "ocf:heartbeat:LVM-activate": 2, "ocf:heartbeat:LVM": 2, "ocf:heartbeat:iscsi": 3, "ocf:heartbeat:apache": 2,
    "ocf:heartbeat:nginx": 1, "ocf:heartbeat:mysql": 15, "ocf:heartbeat:mariadb": 15, "systemd:mariadb": 15,
    "systemd:mysql": 15, "ocf:heartbeat:pgsql": 15, "systemd:postgresql": 15, "ocf:heartbeat:nfsserver": 5,
    "ocf:heartbeat:exportfs": 1, "ocf:heartbeat:nfsnotify": 1, "ocf:heartbeat:VirtualDomain": 40,
    "ocf:linbit:drbd": 3,
    "ocf:suse:SAPHana": 20, "ocf:heartbeat:SAPHana": 20, "systemd:nginx": 1, "systemd:apache2": 2,
    "systemd:httpd": 2, "systemd:haproxy": 1,
}
#: Of anything else (s).
START_OTHERWISE = 8.0
#: Agents whose work is on the node itself, so that what needs it must be on the same node, after it.
STORAGE = ("Filesystem", "LVM", "LVM-activate", "iscsi", "drbd", "ZFS", "mdraid", "controld", "lvmlockd", "clvm",
           "o2cb", "dlm")
LOCKS = ("controld", "o2cb", "lvmlockd", "clvm")
CLUSTER_FILESYSTEMS = ("gfs2", "ocfs2")
#: Agents that switch nothing: for trying a configuration out.
TOYS = ("fence_dummy", "null", "external/ssh", "ssh", "meatware", "fence_manual", "suicide", "external/nothing")


def advised(agent: str, action: str) -> float | None:
    """The least time (s) for ``action`` of ``agent``; None where nothing is known."""
    return ADVISED.get("systemd" if agent.startswith("systemd:") else agent, {}).get(action)


def usual_start(agent: str) -> float:
    """How long a start of ``agent`` usually takes (s)."""
    return STARTS.get(agent, START_OTHERWISE)
