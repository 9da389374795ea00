"""What a topology must be like for Heartbeat. Each problem starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.model.addressing import CLIENT_NAME, ping_address
from fenceline.model.mistakes import Mistake

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


#: Directives of ha.cf that a field says, or that Fenceline reads.
_SAID = {
    **{word: word for word in ("keepalive", "warntime", "deadtime", "initdead", "deadping", "udpport", "ping",
                               "ping_group")},
    **{word: "media" for word in ("bcast", "mcast", "ucast")}, "auto_failback": "services.*.domain.failback",
    "node": "nodes", "stonith": "fencing", "stonith_host": "fencing", "respawn": "ipfail", "crm": "no, always",
    "logfile": "Fenceline, which reads it", "debugfile": "Fenceline, which reads it", "logfacility": "none, always"}


def problems(topology: Topology) -> list[str]:
    """Everything that Heartbeat could not do, one line each."""
    stack = topology.stack
    found = []
    if len(topology.cluster_nodes) != 2:
        found.append(f"nodes: heartbeat's haresources are for two cluster nodes, there are "
                     f"{len(topology.cluster_nodes)}")
    for small, large in (("keepalive", "warntime"), ("warntime", "deadtime"), ("deadtime", "initdead")):
        if getattr(stack, small) >= getattr(stack, large):
            found.append(Mistake(f"{large}-below-{small}", f"stack.{large}: {getattr(stack, large):g} s is not longer "
                                                           f"than {small}, {getattr(stack, small):g} s"))
    found += [f"stack.extra.{word}: is said by {_SAID[word]}" for word in stack.extra if word in _SAID]
    if stack.media == "mcast" and not stack.mcast_group.is_multicast:
        found.append(f"stack.mcast_group: {stack.mcast_group} is no multicast address")
    if stack.ipfail and not stack.pinged:
        found.append("stack.ipfail: needs ping or ping_group")
    found += [f"stack.ping_group.{name}: has no machine" for name, group in stack.ping_group.items() if not group]
    for name in stack.pinged:
        if name != CLIENT_NAME and name not in topology.nodes:
            found.append(f"stack.ping: there is no node {name!r}; there are {CLIENT_NAME}, "
                         f"{', '.join(topology.nodes)}")
        elif name in topology.cluster_nodes:
            found.append(f"stack.ping: {name!r} is a member itself")
        elif ping_address(topology, name) is None:
            found.append(f"stack.ping: {name!r} is in no network that all cluster nodes are in")
    failback = {service.domain.failback for service in topology.services.values()}
    if len(failback) > 1:
        found.append("services: heartbeat has one auto_failback for all: let the failback of every domain be the same")
    for name, service in topology.services.items():
        path = f"services.{name}"
        if service.domain.restricted and len(service.domain.nodes) < len(topology.cluster_nodes):
            found.append(f"{path}.domain.restricted: haresources can't keep a service from a node")
        if not service.domain.ordered:
            found.append(f"{path}.domain.ordered: in haresources every service has its preferred node")
        for index, part in enumerate(service.group):
            if part.kind in ("daemon", "resource") and part.agent.startswith("systemd:"):
                found.append(f"{path}.group.{index}.agent: heartbeat has no class systemd; it has heartbeat, lsb, ocf")
    if topology.fencing.method != "none":
        if topology.fencing.action != "reboot":
            found.append("fencing.action: heartbeat's own STONITH resets, and nothing else")
        if topology.fencing.delay:
            found.append("fencing.delay: heartbeat's own STONITH has no delay")
        if topology.fencing.watch:
            found.append("fencing.watch: heartbeat asks its devices in an interval of its own")
    return found
