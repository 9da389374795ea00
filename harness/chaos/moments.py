"""The moments that a drawn action may wait for, and in what state a cluster of this topology is then."""

from __future__ import annotations

from dataclasses import dataclass

from fenceline.chaos.states import State
from fenceline.model.topology import Topology
from fenceline.stacks.offers import lacking

#: So long (s) after its moment an action is done: at once, in the middle of what begins there, or just after it.
DELAYS = (0.0, 0.05, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Moment:
    """``words`` of ``fenceline.scenario.anchors``, and the ``state`` in which one hits by it."""

    words: str
    state: State


def moments(topology: Topology, service: str) -> tuple[Moment, ...]:
    """What may come to pass in a cluster of ``topology`` whose ``service`` fails over."""
    found: list[Moment] = []
    nodes = topology.preferred_nodes(service)
    if topology.fencing.method != "none":
        found.append(Moment("fencing starts", State.FENCING))
        found += [Moment(f"node {node} has been fenced", State.TAKING_OVER) for node in nodes]
    settings = topology.services[service]
    if settings.active != "all":
        others = nodes[1:]
        if settings.filesystem is not None:
            found += [Moment(f"node {node} starts to mount", State.TAKING_OVER) for node in others
                      if topology.storage.iscsi is not None]
            found += [Moment(f"node {node} has mounted", State.TAKING_OVER) for node in others]
        if settings.vip is not None:
            found += [Moment(f"node {node} has the VIP", State.TAKING_OVER) for node in others]
    if lacking(topology, ["quorum"]) is None and len(topology.cluster_nodes) > 2:
        found += [Moment(f"node {node} loses quorum", State.NO_QUORUM) for node in topology.cluster_nodes]
    found += [Moment(f"node {node} boots", State.FORMING) for node in topology.cluster_nodes]
    if topology.storage.drbd:
        found += [Moment(f"node {node} is promoted", State.TAKING_OVER) for node in nodes[1:2]]
        found += [Moment(f"the replica is {blocks} blocks behind", State.RESYNCING) for blocks in (1, 50)]
    return tuple(found)
