"""What is still owed while something is taken away: which part of the cluster should go on, and with which services.

Pure functions over a topology and the cost of all that is in force together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from itertools import combinations

from fenceline.model import damage
from fenceline.model.cost import Cost, Link
from fenceline.model.topology import Topology

Part = frozenset[str]


def survivable(topology: Topology, off: Collection[str] = (), cut: Collection[str] = (),
               paused: Collection[str] = ()) -> bool:
    """Whether every service of ``topology`` should go on without the nodes that are ``off``, ``cut`` or ``paused``."""
    cost = Cost()
    for node in {*off, *cut, *paused}:
        cost |= damage.machine_lost(topology, node)
    return all(obstacle(topology, name, cost) is None for name in topology.services)


def obstacle(topology: Topology, service: str, cost: Cost) -> str | None:
    """Why ``service`` can't be expected to run, in words; None if it must: then some part of the cluster should."""
    if service in cost.stopped:
        return "nothing can run it: its disk, its export or its address is gone"
    host = topology.storage_host(service)
    if host is not None and host in cost.lost | cost.left | cost.unfit:
        return f"the storage host {host} is out"
    behind = topology.services[service].real_servers
    if behind and all(node in cost.lost | cost.left | cost.unfit for node in behind):
        what = "client" if topology.services[service].client else "real server"
        return f"no {what} ({', '.join(behind)}) is left"
    found = [_obstacle_in(topology, service, cost, part) for part in parts(topology, cost)]
    if not found:
        return _no_quorum(topology, cost)
    return None if None in found else found[0]


def _no_quorum(topology: Topology, cost: Cost) -> str:
    """What is missed where no part has quorum: whoever is out, or else the members that are apart."""
    missed = set(topology.cluster_nodes) - _alive(topology, cost) or set(cut_off(topology, cost))
    device, alive = topology.stack.quorum.device, _alive(topology, cost)
    if device and alive and not any(_has_device(topology, cost, node) for node in alive):
        missed |= {device}
    words = [f"without {', '.join(sorted(missed))}"] if missed else []
    words += [f"where {cost.votes} votes are expected"] if cost.votes else []
    return f"no quorum {' '.join(words)}"


def _obstacle_in(topology: Topology, service: str, cost: Cost, part: Part) -> str | None:
    """Why ``part`` of the cluster, which has quorum, can't be expected to run ``service``."""
    stuck = _stuck(topology, cost, part)
    if stuck:
        return stuck
    serving = {*part, *topology.nodes_with("remote")} - cost.lost - cost.left - cost.unfit
    allowed = topology.preferred_nodes(service)
    if not any(node in serving and (service, node) not in cost.unfit_for for node in allowed):
        return f"no node of its failover domain ({', '.join(allowed)}) is fit to run it"
    settings = topology.services[service]
    for other in (*settings.after, *settings.colocated_with):
        why = obstacle(topology, other, cost)
        if why:
            return f"it needs {other}, and {why}"
    return None


def _stuck(topology: Topology, cost: Cost, part: Part) -> str | None:
    """Why ``part`` can't make the others safe."""
    if topology.fencing.method == "none":
        return None
    others = {node for node in topology.service_nodes if node in cost.lost} | (_alive(topology, cost) - part)
    unsafe = sorted((others | cost.victims) & unfenceable(topology, cost))
    if unsafe:
        return f"{', '.join(unsafe)} can't be fenced"
    if others and part <= cost.disarmed:
        return f"{', '.join(sorted(part))} can't fence {', '.join(sorted(others))}: no fencing device is reached"
    return None


def unfenceable(topology: Topology, cost: Cost) -> frozenset[str]:
    """Who can't be fenced: in each of its levels some device is out."""
    beyond = (node for node, _ in cost.devices_out if all(
        any((node, device) in cost.devices_out for device in level) for level in topology.fencing.levels_of(node)))
    return cost.unfenceable | frozenset(beyond)


# -- parts ---------------------------------------------------------------------------------------------------


def parts(topology: Topology, cost: Cost) -> tuple[Part, ...]:
    """The parts of the cluster of which one should go on: of those in which everybody hears everybody the largest that
    have quorum. More than one where they are equal; none where none has quorum."""
    whole = sorted(together(topology, cost), key=lambda part: (-len(part), sorted(part)))
    quorate = [part for part in whole if has_quorum(topology, cost, part)]
    return tuple(part for part in quorate if len(part) == len(quorate[0]))


def cut_off(topology: Topology, cost: Cost) -> frozenset[str]:
    """The members that are in no part that should go on, or of which another one could go on as well: whom a split
    makes a legitimate victim of fencing. Nobody where the cluster is in one piece."""
    pieces = together(topology, cost)
    alive = _alive(topology, cost)
    chosen = parts(topology, cost) or tuple(pieces)
    return frozenset(node for part in chosen for node in alive - part)


def shaky(topology: Topology, cost: Cost) -> frozenset[str]:
    """The members that hear another one so badly, whichever way, that one of the two may be taken for dead."""
    bad = cost.unheard | cost.unsteady
    return frozenset(node for part in together(topology, cost) for pair in combinations(sorted(part), 2)
                     if not _hear_each_other(bad, topology, *pair) for node in pair)


def legitimate_victims(topology: Topology, cost: Cost) -> frozenset[str]:
    """Who may rightly be fenced while all that costs ``cost`` is in force."""
    nodes = frozenset(topology.service_nodes)
    return cut_off(topology, cost) | shaky(topology, cost) | (nodes & (cost.lost | cost.victims))


def has_quorum(topology: Topology, cost: Cost, part: Part) -> bool:
    """Whether the members of ``part`` have quorum together."""
    quorum = topology.stack.quorum
    if not part:
        return False
    if quorum.without_quorum == "ignore":
        return True
    if quorum.policy == "two_node" and cost.votes in (0, topology.expected_votes):
        return True
    votes = topology.votes_of(part)
    if any(_has_device(topology, cost, node) for node in part):
        votes += topology.device_votes
    expected = cost.votes or topology.expected_votes
    # losses that last_man_standing survives one after the other it may not survive at once: they are not demanded
    return 2 * votes > expected or (2 * votes == expected and _tie_breaker(topology) in part)


def _tie_breaker(topology: Topology) -> str | None:
    """The member whose half goes on where there is no quorum device to ask; None where none does."""
    wanted, nodes = topology.stack.quorum.auto_tie_breaker, topology.cluster_nodes
    return {"lowest": nodes[0], "highest": nodes[-1]}.get(wanted, wanted)


def _has_device(topology: Topology, cost: Cost, node: str) -> bool:
    """Whether ``node`` hears the quorum device."""
    device = topology.stack.quorum.device
    return not cost.quorum_device and device not in cost.lost | cost.left and not any(
        (network, node, device) in cost.unheard or (network, device, node) in cost.unheard
        for network in topology.networks_with("management"))


def _alive(topology: Topology, cost: Cost) -> frozenset[str]:
    return frozenset(topology.cluster_nodes) - cost.lost - cost.left


def together(topology: Topology, cost: Cost) -> tuple[Part, ...]:
    """The sets of members in which everybody hears everybody, none of which is in another one."""
    alive = _alive(topology, cost)
    apart = frozenset(pair for pair in combinations(sorted(alive), 2)
                      if not _hear_each_other(cost.unheard, topology, *pair))
    return _cliques(alive, apart)


def _hear_each_other(unheard: Collection[Link], topology: Topology, one: str, other: str) -> bool:
    return any((network, one, other) not in unheard and (network, other, one) not in unheard
               for network in damage.heartbeats(topology)
               if network in topology.networks_of(one) and network in topology.networks_of(other))


@lru_cache(maxsize=256)
def _cliques(nodes: Part, apart: frozenset[tuple[str, str]]) -> tuple[Part, ...]:
    found = {nodes} if nodes else set()
    for one, other in sorted(apart):
        split = {part - {gone} if {one, other} <= part else part for part in found for gone in (one, other)}
        found = {part for part in split if not any(part < larger for larger in split)}
    return tuple(sorted(found, key=sorted))


# -- what may be interrupted -----------------------------------------------------------------------------------


def hits(topology: Topology, service: str, node: str, cost: Cost, victims: Collection[str] = ()) -> bool:
    """Whether ``cost`` gives reason to interrupt ``service``, or to move it, while it is on ``node``; ``victims`` are
    those whom it makes legitimate targets of fencing."""
    host = topology.storage_host(service)
    return (node in cost.lost | cost.left | cost.unfit | cost.victims | set(victims)
            or (service, node) in cost.unfit_for
            or (host is not None and host in cost.lost | cost.left | cost.unfit)
            or bool(bound(topology, service) & (cost.disturbed | cost.stopped)))


def bound(topology: Topology, service: str) -> frozenset[str]:
    """``service``, and those that stop or move with it: one that starts after it, one that is on the same node."""
    return _reached(service, {name: {*one.after, *one.colocated_with, *(
        other for other, its in topology.services.items() if name in its.colocated_with)}
        for name, one in topology.services.items()})


def _reached(start: str, ways: Mapping[str, Iterable[str]]) -> frozenset[str]:
    found, new = {start}, {start}
    while new:
        new = {other for name in new for other in ways.get(name, ())} - found
        found |= new
    return frozenset(found)

