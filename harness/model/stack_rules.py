"""What a topology must be like for its cluster software to run it. Each problem starts with the path to its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fenceline.model.addressing import CLIENT_NAME, ping_address

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def stack_problems(topology: Topology) -> list[str]:
    """Everything that the topology's stack could not do, one line each; empty if it can all be done."""
    rules: dict[str, Callable[[Topology], list[str]]] = {
        "pacemaker": _pacemaker, "heartbeat": _heartbeat, "keepalived": _keepalived}
    planted = [f"services.{name}.mistakes: only a pacemaker stack can be told of these"
               for name, service in topology.services.items()
               if service.mistakes and topology.stack.kind != "pacemaker"]
    return planted + _remote(topology) + rules[topology.stack.kind](topology)


def _remote(topology: Topology) -> list[str]:
    found = []
    for node in topology.nodes_with("remote"):
        path = f"nodes.{node}.role"
        if topology.stack.kind != "pacemaker":
            found.append(f"{path}: remote nodes are for the stack pacemaker")
        if topology.storage.iscsi or topology.storage.nfs or topology.storage.drbd:
            found.append(f"{path}: no disk is shared with a remote node: leave storage out")
        if topology.fencing.method == "sbd":
            found.append(f"{path}: a remote node has no SBD here: say fencing.method ipmi or none")
    return found


def _pacemaker(topology: Topology) -> list[str]:
    quorum = topology.stack.quorum
    found = []
    for name, service in topology.services.items():
        if "vip-first" in service.mistakes and (service.vip is None or service.vip is service.group[0]):
            found.append(f"services.{name}.mistakes: vip-first needs a vip that is not the first of its group")
        if "not-announced" in service.mistakes and service.vip is None:
            found.append(f"services.{name}.mistakes: not-announced needs a vip")
    if quorum.policy == "two_node" and len(topology.cluster_nodes) != 2:
        found.append(f"stack.quorum.policy: two_node needs two cluster nodes, there are {len(topology.cluster_nodes)}")
    if quorum.policy == "qdevice":
        if quorum.device is None:
            found.append("stack.quorum.device: the policy qdevice needs a machine with the role quorum-device")
        elif quorum.device not in topology.nodes:
            found.append(f"stack.quorum.device: there is no node {quorum.device!r}")
        elif topology.nodes[quorum.device].role != "quorum-device":
            found.append(f"stack.quorum.device: {quorum.device!r} has the role "
                         f"{topology.nodes[quorum.device].role}, not quorum-device")
    elif quorum.device is not None:
        found.append(f"stack.quorum.device: has no meaning with the policy {quorum.policy}")
    return found


def _heartbeat(topology: Topology) -> list[str]:
    stack = topology.stack
    found = []
    if len(topology.cluster_nodes) != 2:
        found.append(f"nodes: heartbeat's haresources are for two cluster nodes, there are "
                     f"{len(topology.cluster_nodes)}")
    for small, large in (("keepalive", "warntime"), ("warntime", "deadtime"), ("deadtime", "initdead")):
        if getattr(stack, small) >= getattr(stack, large):
            found.append(f"stack.{large}: {getattr(stack, large):g} s is not longer than {small}, "
                         f"{getattr(stack, small):g} s")
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


def _keepalived(topology: Topology) -> list[str]:
    found = []
    if topology.fencing.method != "none":
        found.append("fencing.method: keepalived fences nobody: say none")
    if not topology.networks_with(topology.stack.adverts_on):
        found.append(f"stack.adverts_on: no network has the role {topology.stack.adverts_on}")
    found += _tracking(topology)
    if topology.stack.router_id_first + len(topology.services) > 255:
        found.append("stack.router_id_first: the ids of all services must be below 256")
    for name, service in topology.services.items():
        if service.vip is None:
            found.append(f"services.{name}.group: keepalived needs a vip")
        found += [f"services.{name}.group.{index}: keepalived moves addresses, no {part.kind}"
                  for index, part in enumerate(service.group) if part.kind == "filesystem"]
        if service.domain.restricted and len(service.domain.nodes) < len(topology.cluster_nodes):
            found.append(f"services.{name}.domain.restricted: every keepalived here is a candidate for every service")
    return found


def _tracking(topology: Topology) -> list[str]:
    stack = topology.stack
    found = [f"stack.track_scripts.{name}.services: there is no service {service!r}"
             for name, script in stack.track_scripts.items() for service in script.services
             if service not in topology.services]
    grouped: dict[str, str] = {}
    for name, members in stack.sync_groups.items():
        path = f"stack.sync_groups.{name}"
        if len(members) < 2:
            found.append(f"{path}: needs two services at least")
        for service in members:
            if service not in topology.services:
                found.append(f"{path}: there is no service {service!r}; there are {', '.join(topology.services)}")
            if service in grouped:
                found.append(f"{path}: {service} is in {grouped[service]} already")
            grouped[service] = name
        homes = {topology.services[service].domain for service in members if service in topology.services}
        if len(homes) > 1:
            found.append(f"{path}: what moves together has the same domain")
    return found
