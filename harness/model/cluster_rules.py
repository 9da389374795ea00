"""What must hold where a service runs on all nodes at once, and where they share a file system. Each problem starts
with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.model.filesystems import CLUSTER_FILESYSTEMS
from fenceline.model.stack import kinds_with

if TYPE_CHECKING:
    from fenceline.model.shape import Service, Shape


def cluster_problems(topology: Shape) -> list[str]:
    """Everything that is inconsistent, one line each; empty if nothing is."""
    found = []
    for name, service in topology.services.items():
        found += _service(topology, f"services.{name}", service)
        found += [f"services.{name}.apart_from: {other!r} is on every node" for other in service.apart_from
                  if other in topology.services and topology.services[other].active == "all"]
    if topology.cluster_mountpoints:
        found += _lock_manager(topology)
    return found


def _service(topology: Shape, path: str, service: Service) -> list[str]:
    found = []
    for index, part in enumerate(service.group):
        where = f"{path}.group.{index}"
        if part.kind == "filesystem":
            fstype = topology.filesystem_type(part)
            if fstype in CLUSTER_FILESYSTEMS and part.monitor_depth:
                found.append(f"{where}.monitor_depth: say 0: a check that reads or writes would take a file "
                             "system that is frozen for a failed one")
            if service.active == "all" and fstype not in {None, *CLUSTER_FILESYSTEMS}:
                found.append(f"{where}: {fstype} on all nodes at once would be destroyed; it takes "
                             f"{' or '.join(sorted(CLUSTER_FILESYSTEMS))}")
            if service.active == "all" and service.is_ledger and "localflocks" in part.options.split(","):
                found.append(f"{where}.options: localflocks: the ledger's locks would hold on one node only")
        if part.kind == "vip" and service.active == "all":
            found.append(f"{where}: a service that is active on all nodes has no VIP: each node answers on its own "
                         "address")
    if service.active == "all":
        if not topology.stack.manages_resources:
            found.append(f"{path}.active: all is for the stack {kinds_with('manages_resources')}, not "
                         f"{topology.stack.kind}")
        if service.after or service.colocated_with or service.apart_from:
            found.append(f"{path}: others may be bound to a service that is active on all nodes, it is bound to none")
        if service.domain.restricted or service.domain.failback:
            found.append(f"{path}.domain: nothing to restrict or to fail back where the service is active on all nodes")
    return found


def _lock_manager(topology: Shape) -> list[str]:
    stack = topology.stack
    if not stack.on_corosync:
        return [f"stack.kind: a cluster file system takes its locks by Corosync's membership, not by {stack.kind}'s"]
    found = []
    if stack.runs_own_configuration:
        return found
    if stack.quorum.without_quorum != "freeze":
        found.append(f"stack.quorum.without_quorum: say freeze, not {stack.quorum.without_quorum}: a cluster file "
                     "system can't be stopped without the quorum that its locks wait for")
    if len(topology.networks_with("heartbeat")) > 1:
        found.append("networks: the lock manager speaks over one heartbeat network (its SCTP is not set up)")
    return found
