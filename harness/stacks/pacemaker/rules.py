"""What a topology must be like for Pacemaker. Each problem starts with the path to its field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fenceline.model.addressing import CLIENT_NAME, ping_address
from fenceline.model.mistakes import Mistake

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def problems(topology: Topology) -> list[str]:
    """Everything that Pacemaker could not do, one line each."""
    quorum = topology.stack.quorum
    found = [*_own(topology), *_votes(topology), *_ping(topology)]
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


def _votes(topology: Topology) -> Iterable[str]:
    """What corosync would refuse at its start, or make something else of; see votequorum(5), corosync-qdevice(8)."""
    quorum, path, nodes = topology.stack.quorum, "stack.quorum", topology.cluster_nodes
    uneven = [node for node in nodes if topology.nodes[node].votes != 1]
    for field in ("tie_breaker", "auto_tie_breaker"):
        wanted = getattr(quorum, field)
        if wanted not in (None, "lowest", "highest", *nodes):
            yield f"{path}.{field}: there is no cluster node {wanted!r}; there are lowest, highest, {', '.join(nodes)}"
    if quorum.policy == "qdevice":
        yield from (f"{path}.{field}: a quorum device excludes it"
                    for field in ("auto_tie_breaker", "last_man_standing") if getattr(quorum, field))
        if uneven:
            yield f"nodes.{uneven[0]}.votes: with a quorum device every node has one vote"
        return
    yield from (f"{path}.{field}: has no meaning without a quorum device (policy: qdevice)"
                for field in ("tie_breaker", "device_timeout", "sync_timeout", "connect_timeout", "heuristics")
                if getattr(quorum, field) != type(quorum).model_fields[field].default)
    if quorum.policy == "two_node":
        if quorum.auto_tie_breaker:
            yield (f"{path}.auto_tie_breaker: with two_node both go on, and fencing decides: say policy: majority for "
                   "a tie-breaker")
        if uneven:
            yield f"nodes.{uneven[0]}.votes: with two_node each node has one vote"
    if quorum.last_man_standing and not quorum.wait_for_all:
        yield Mistake("last-man-without-wait-for-all", f"{path}.last_man_standing: without wait_for_all a part that "
                      "has just booted counts itself as the last: say wait_for_all: true")
    votes = topology.votes_of(nodes)
    if not votes:
        yield "nodes: no cluster node has a vote"
    elif len(nodes) > 1 and any(2 * topology.nodes[node].votes > votes for node in nodes):
        most = max(nodes, key=lambda node: topology.nodes[node].votes)
        yield Mistake("one-node-is-quorum", f"nodes.{most}.votes: {topology.nodes[most].votes} of {votes}: nobody has "
                      f"quorum without {most}")


def _ping(topology: Topology) -> Iterable[str]:
    ping, path = topology.stack.ping, "stack.ping"
    if ping is None:
        return
    for name in ping.hosts:
        if name != CLIENT_NAME and name not in topology.nodes:
            yield f"{path}.hosts: there is no node {name!r}; there are {CLIENT_NAME}, {', '.join(topology.nodes)}"
        elif name in topology.cluster_nodes:
            yield f"{path}.hosts: {name!r} is a member itself"
        elif ping_address(topology, name) is None:
            yield f"{path}.hosts: {name!r} is in no network that all cluster nodes are in"
    yield from (f"{path}.services: there is no service {name!r}; there are {', '.join(topology.services)}"
                for name in ping.services if name not in topology.services)
    if ping.least > len(set(ping.hosts)):
        yield f"{path}.least: {ping.least}, and only {len(set(ping.hosts))} are pinged"
    if ping.timeout % 1:
        yield f"{path}.timeout: whole seconds, please"


def _own(topology: Topology) -> list[str]:
    """What is wrong with the names of the cluster's own configuration. Whether its folder is there is no matter of the
    topology: a saved run is judged without it."""
    stack = topology.stack
    if stack.config is None:
        return ["stack.ids: have no meaning without stack.config"] if stack.ids else []
    return [f"stack.ids.{name}: there is no service {name!r}" for name in stack.ids if name not in topology.services]
