"""Who plays which role in a scenario, in a sentence's words: "the active node", "the storage host"."""

from __future__ import annotations

from fenceline.model.topology import Topology

_ORDINALS = ("first", "second", "third", "fourth")


def roles(topology: Topology, service: str, active: str) -> dict[str, str]:
    """The node that each role means while ``active`` serves ``service``; nobody is the active one of a service that is
    active on all."""
    preferred = topology.preferred_nodes(service)
    if topology.services[service].active == "all":
        found = {f"the {ordinal} node": node for ordinal, node in zip(_ORDINALS, preferred, strict=False)}
    else:
        found = {"the active node": active, "the node that holds the VIP": active}
        others = [node for node in preferred if node != active]
        found |= zip(("the standby", "the second standby"), others, strict=False)
    for number, node in enumerate(topology.nodes_with("storage"), 1):
        found["the storage host" if number == 1 else f"the storage host {number}"] = node
    for ordinal, node in zip(_ORDINALS[:3], topology.nodes_with("real-server"), strict=False):
        found[f"the {ordinal} real server"] = node
    for role in ("client", "quorum-device"):
        for node in topology.nodes_with(role)[:1]:
            found[f"the {role.replace('-', ' ')}"] = node
    return found
