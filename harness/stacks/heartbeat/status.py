"""What a member of a heartbeat cluster says about it: a command, and a pure parser, tested on recorded output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fenceline.core.errors import Unreadable
from fenceline.model.topology import Resource, Topology
from fenceline.stacks.heartbeat.config import preferred, resources
from fenceline.stacks.sections import ADDRESSES, SOCKETS, addresses, listening_ports, split
from fenceline.stacks.state import ClusterState, MemberState, ResourceState

#: cl_status knows nodes and who should have which resources; what there is of them, the kernel knows.
COMMAND = ("echo hb $(cl_status hbstatus 2>&1); for n in $(cl_status listnodes -n 2>/dev/null); do "
           "echo node $n $(cl_status nodestatus $n); done; echo rsc $(cl_status rscstatus 2>&1); "
           f"{ADDRESSES}; echo -- mounts; cat /proc/mounts; {SOCKETS}")


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one member told. ``nodes``: what it thinks of whom (active, up, dead, ...); ``holds``: all, local, foreign,
    none or transition."""

    node: str
    running: bool
    nodes: Mapping[str, str]
    holds: str
    addresses: frozenset[str]
    mounts: frozenset[str]
    ports: frozenset[int]


def parse(node: str, text: str) -> NodeStatus:
    """What ``COMMAND`` printed on ``node``.

    Raises:
        Unreadable: it isn't that.
    """
    words, sections = split(text)
    if not words or words[0][0] != "hb" or set(sections) != {"addresses", "mounts", "sockets"}:
        raise Unreadable(f"{node}: no status of heartbeat", text[:500])
    holds = next((line[1] for line in words if line[0] == "rsc" and len(line) == 2), "unknown")
    return NodeStatus(
        node, "running" in words[0] and "stopped" not in words[0],
        {line[1]: line[2] for line in words if line[0] == "node" and len(line) == 3}, holds,
        addresses(sections["addresses"]),
        frozenset(fields[1] for line in sections["mounts"] if len(fields := line.split()) > 1),
        listening_ports(sections["sockets"]))


def holds_service(status: NodeStatus, home: str) -> bool:
    """Whether the member says that the services whose preferred node is ``home`` are its own now."""
    return status.holds == "all" or status.holds == ("local" if status.node == home else "foreign")


def cluster_state(topology: Topology, told: Mapping[str, NodeStatus], seen_by: str,
                  on_standby: frozenset[str] = frozenset()) -> ClusterState:
    """The state as the member ``seen_by`` sees it, with what each member that ``told`` anything holds.

    ``on_standby`` are the nodes that were told to stand by: heartbeat itself makes no difference between one that
    stands by and one that came too late.
    """
    view = told[seen_by]
    members = tuple(
        MemberState(name, view.running and view.nodes.get(name) == "active",
                    pending=view.nodes.get(name) in ("up", "init"),
                    standby=name in on_standby and name in told and told[name].holds == "none")
        for name in topology.cluster_nodes)
    found = []
    for name, service in topology.services.items():
        for part, agent in zip(service.group, resources(topology, name, service), strict=True):
            where = tuple(node for node, status in told.items() if _has(status, part))
            found.append(ResourceState(
                f"{name}-{part.kind}", agent.split()[-1].partition("::")[0], "Started" if where else "Stopped", where,
                bool(where), False, view.running, name))
        home = preferred(topology, name)
        claims = tuple(node for node, status in told.items() if status.running and holds_service(status, home))
        # who says it has the service may be starting it still: a whole service is claimed and there
        found.append(ResourceState(f"{name}-rscstatus", "heartbeat", "Started" if claims else "Stopped", claims,
                                   bool(claims), False, True, name))
    return ClusterState(seen_by, view.running, None, members, tuple(found), versions={})


def _has(status: NodeStatus, part: Resource) -> bool:
    if part.kind == "vip":
        return str(part.address) in status.addresses
    if part.kind == "filesystem":
        return part.mountpoint in status.mounts
    return part.port in status.ports
