"""Whether a cluster is whole: formed, healthy, answering. The precondition of every scenario, and of reuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.core.errors import FencelineError
from fenceline.judge.faultlog import serves_clients
from fenceline.machines.protocol import Power
from fenceline.model.storage import kinds_in
from fenceline.stacks.state import ClusterState

if TYPE_CHECKING:
    from fenceline.faults.site import Cluster

#: How a problem begins that is a failure which the cluster remembers.
FAILED_ACTION = "failed action: "


def problems_of(cluster: Cluster) -> list[str]:
    """What is wrong with ``cluster``, in words, the cause before its effects; empty if it is whole."""
    found = [f"{node} is {machine.power()}" for node, machine in cluster.machines.items()
             if machine.power() is not Power.ON]
    found += [f"the fault {active.fault.name} is still in force" for active in (
        cluster.faults.active if cluster.faults else ())]
    if found:
        return found
    found += [f"{node} has not joined: its agent reports no quorum" for node in cluster.topology.cluster_nodes
              if not is_quorate_and_complete(cluster, node)]
    if found:
        return found
    try:
        found += state_problems(cluster, cluster.state())
    except FencelineError as error:
        return [error.message]
    found += [problem for kind in kinds_in(cluster.topology) for problem in kind.unwell(cluster)]
    # one without an address, or with nothing behind it, is asked by nobody
    found += [f"{name} does not answer on {'every node' if service.active == 'all' else 'its VIP'}"
              for name, service in cluster.topology.services.items()
              if serves_clients(service) and not cluster.is_answering(name)]
    return found


def is_quorate_and_complete(cluster: Cluster, node: str) -> bool:
    """Whether ``node`` itself sees every member and quorum."""
    quorum = cluster.quorum_of(node)
    return quorum is not None and quorum["quorate"] and set(quorum["members"]) == cluster.stack.members_seen_by(node)


def state_problems(cluster: Cluster, state: ClusterState) -> list[str]:
    """What the cluster's own view says is wrong."""
    topology = cluster.topology
    found = []
    if not state.quorate:
        found.append("the partition of the DC has no quorum")
    if state.coordinator is None and topology.stack.has_coordinator:
        found.append("no DC has been elected")
    found += [f"{node} is not online" for node in topology.service_nodes if node not in state.online()]
    found += [f"{member.name} is {word}" for member in state.members
              for word in ("standby", "pending", "unclean", "maintenance") if getattr(member, word)]
    found += [f"{resource.name} is {resource.role}{' (failed)' if resource.failed else ''}"
              for resource in state.resources if not resource.active or resource.failed]
    found += [f"{resource.name} is active on {len(resource.nodes)} nodes" for resource in state.resources
              if len(resource.nodes) > 1]
    for service in topology.services:
        owner = state.owner(service)
        if owner is not None and owner not in topology.preferred_nodes(service):
            found.append(f"{service} runs on {owner}, outside of its failover domain")
    found += [f"{FAILED_ACTION}{failure}" for failure in state.failures]
    return found
