"""What a member says of its cluster: a command, and a pure parser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fenceline.core.errors import Unreadable
from fenceline.model.topology import Topology
from fenceline.stacks.sections import ADDRESSES, addresses
from fenceline.stacks.state import ClusterState, MemberState, ResourceState
from fenceline_patroni.config import API, CLIENTS
from fenceline_patroni.membership import RUNNING

COMMAND = (f"curl -sm 3 http://127.0.0.1:{API}/cluster; echo; echo -- health; "
           f"curl -sm 3 http://127.0.0.1:{CLIENTS}/health; echo; {ADDRESSES}")


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What one member told. ``states``: of each member, as Patroni calls it; ``paused``: it was told to do nothing."""

    running: bool
    quorate: bool
    leader: str | None
    states: Mapping[str, str]
    paused: bool
    addresses: frozenset[str]


def parse(node: str, text: str) -> MemberStatus:
    """What ``COMMAND`` printed on ``node``.

    Raises:
        Unreadable: it isn't that.
    """
    told, *rest = text.split("\n-- ")
    sections = {name: body for name, _, body in (part.partition("\n") for part in rest)}
    if set(sections) != {"health", "addresses"}:
        raise Unreadable(f"{node}: no status of Patroni", text[:500])
    try:
        cluster = json.loads(told) if told.strip().startswith("{") else {}
    except ValueError as error:
        raise Unreadable(f"{node}: Patroni's answer is no JSON: {error}", told[:500]) from error
    members = cluster.get("members", [])
    return MemberStatus("members" in cluster, '"true"' in sections["health"],
                        next((one["name"] for one in members if one.get("role") in ("leader", "standby_leader")), None),
                        {one["name"]: one.get("state", "unknown") for one in members}, bool(cluster.get("pause")),
                        addresses(sections["addresses"].splitlines()))


def cluster_state(topology: Topology, told: Mapping[str, MemberStatus], seen_by: str) -> ClusterState:
    """The cluster as ``seen_by`` sees it, with who has the address of those that ``told`` anything."""
    view = told[seen_by]
    online = {name for name, state in view.states.items() if state in RUNNING}
    (name, service), = topology.services.items()
    holders = tuple(node for node, one in told.items() if str(service.vip.address) in one.addresses)
    leaders = (view.leader,) if view.leader in online else ()
    return ClusterState(
        seen_by, view.quorate, view.leader, tuple(MemberState(node, node in online) for node in topology.cluster_nodes),
        tuple(ResourceState(f"{name}-{what}", agent, "Started" if nodes else "Stopped", nodes, bool(nodes), False,
                            not view.paused, name)
              for what, agent, nodes in (("vip", "address", holders), ("leader", "patroni", leaders))),
        maintenance=view.paused)
