"""What ``fenceline status`` tells: a standing cluster as plain data."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.judge import build_history, certain, outages
from fenceline.lab.control import Standing
from fenceline.machines.protocol import Power
from fenceline.model.addressing import management_address
from fenceline.observe.log import EventLog
from fenceline.stacks.state import ClusterState


def cluster_status(cluster: Any, log: EventLog, entry: Standing) -> dict[str, Any]:
    """``cluster`` as it is now. What its software does not tell is None, and why is in ``problem``."""
    state: ClusterState | None = None
    problem = None
    try:
        state = _best_view(cluster)
    except FencelineError as error:
        problem = error.message
    found = certain(outages(build_history(log.events(), cluster.topology)))
    return {
        **asdict(entry),
        "quorate": state.quorate if state else None,
        "coordinator": state.coordinator if state else None,
        "seen_by": state.seen_by if state else None,
        "problem": problem,
        "failures": list(state.failures) if state else [],
        "nodes": [_node(cluster, node, state) for node in cluster.topology.nodes],
        "resources": [asdict(resource) for resource in state.resources] if state else [],
        "services": [_service(cluster, service, state) for service in cluster.topology.services],
        "faults": [fault_status(active, cluster.clock.now_ns()) for active in cluster.faults.active],
        "outages": len(found),
        "last_outage": asdict(found[-1]) if found else None,
        "events": len(log.events()),
    }


def _best_view(cluster: Any) -> ClusterState:
    """The view of a member with quorum, if there is one: who just booted, or was cut off, knows little."""
    first = cluster.state()
    if first.quorate:
        return first
    for node in cluster.topology.cluster_nodes:
        own = cluster.quorum_of(node)
        if node != first.seen_by and own and own["quorate"] and cluster.is_running(node):
            with contextlib.suppress(FencelineError):
                return cluster.stack.state(node)
    return first


def _node(cluster: Any, node: str, state: ClusterState | None) -> dict[str, Any]:
    member = next((m for m in state.members if m.name == node), None) if state else None
    words = ("online", "standby", "pending", "unclean", "maintenance")
    return {
        "name": node,
        "role": cluster.topology.nodes[node].role,
        "power": str(cluster.machines[node].power()),
        "address": str(management_address(cluster.topology, node)),
        "coordinator": bool(state and state.coordinator == node),
        # as the node itself last told; what a node that does not run said is no longer so
        "own_quorum": cluster.quorum_of(node) if cluster.is_running(node) else None,
        **{word: getattr(member, word) if member else None for word in words},
    }


def _service(cluster: Any, service: str, state: ClusterState | None) -> dict[str, Any]:
    settings = cluster.topology.services[service]
    vip = str(settings.vip.address) if settings.vip else None
    owner = state.owner(service) if state else None
    # what a machine that does not run said last is no longer so
    holders = [
        node
        for node in cluster.topology.cluster_nodes
        if vip
        and cluster.machines[node].power() is not Power.OFF
        and f"address {vip}" in cluster.holdings_of(node)
    ]
    return {
        "name": service,
        "owner": owner,
        "owners": list(state.owners(service)) if state and settings.active == "all" else [owner] if owner else [],
        "vip": vip,
        "vip_holders": holders,
        "port": settings.port,
        "answers": cluster.is_answering(service) if service in cluster.client.services else None,
    }


def fault_status(active: Any, now_ns: int) -> dict[str, Any]:
    """A fault in force, or just healed, ``now_ns`` by the cluster's clock. ``evidence`` None: it was not confirmed."""
    return {
        "id": active.id,
        "fault": active.fault.name,
        "targets": list(active.fault.targets),
        "parameters": asdict(active.fault),
        "evidence": active.evidence,
        "healed": active.healed,
        "age_s": round((now_ns - active.begun_ns) / 1e9, 3),
    }
