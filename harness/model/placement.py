"""What binds services to each other, and what could come in each other's way on one node."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, product
from typing import TYPE_CHECKING

from fenceline.model.stack import kinds_with

if TYPE_CHECKING:
    from fenceline.model.declared import AgentPart
    from fenceline.model.shape import Daemon, Shape

_BONDS = ("after", "colocated_with", "apart_from")


def placement_problems(topology: Shape) -> list[str]:
    """Everything about it that can't be, one line each, with the path to its field."""
    found = []
    services = topology.services
    for name, service in services.items():
        path = f"services.{name}"
        for bond in _BONDS:
            for other in getattr(service, bond):
                if other not in services:
                    found.append(f"{path}.{bond}: there is no service {other!r}; there are {', '.join(services)}")
                elif other == name:
                    found.append(f"{path}.{bond}: that is the service itself")
            if getattr(service, bond) and not topology.stack.manages_resources:
                found.append(f"{path}.{bond}: services that depend on each other are for the stack "
                             f"{kinds_with('manages_resources')}")
        found += [f"{path}.apart_from: {other!r} must be on the same node, says colocated_with"
                  for other in service.apart_from if other in service.colocated_with]
        if service.recovery != "restart" and not topology.stack.manages_resources:
            found.append(f"{path}.recovery: {service.recovery} is for the stack {kinds_with('manages_resources')}")
    for bond in ("after", "colocated_with"):
        circle = _circle({name: getattr(service, bond) for name, service in services.items()})
        if circle:
            found.append(f"services.{circle[0]}.{bond}: goes in a circle: {' - '.join(circle)}")
    return found + _in_the_way(topology)


def _circle(bonds: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names that lead back to the first of them; empty where there are none."""
    def walk(path: list[str]) -> list[str]:
        for other in bonds.get(path[-1], ()):
            if other == path[0]:
                return [*path, other]
            if other not in path:
                circle = walk([*path, other])
                if circle:
                    return circle
        return []
    return next((circle for name in bonds if (circle := walk([name])) and len(circle) > 2), [])


def _in_the_way(topology: Shape) -> list[str]:
    """Daemons that two services can't both have on one node, where the two may meet."""
    found = []
    for (one, first), (other, second) in combinations(topology.services.items(), 2):
        if _may_meet(topology, one, other):
            for mine, theirs in product(first.daemons, second.daemons):
                found += _clash(f"services.{other}.group.{second.group.index(theirs)}", one, mine, theirs)
    return found


def _clash(path: str, one: str, mine: Daemon | AgentPart, theirs: Daemon | AgentPart) -> list[str]:
    if "haproxy" in (mine.name, theirs.name):
        return []
    found = []
    if mine.port == theirs.port:
        found.append(f"{path}.port: {theirs.port} is {one}'s already, and both may run on one node")
    if mine.name == theirs.name and not (mine.agent.startswith("ocf:") or theirs.agent.startswith("ocf:")):
        # an init script and a unit have one configuration and one process
        found.append(f"{path}.agent: {theirs.agent} and {one}'s {mine.agent} are one {mine.name} on a node where "
                     "both may run")
    return found


def _may_meet(topology: Shape, one: str, other: str) -> bool:
    """Whether two services may run on one node."""
    if one in topology.services[other].apart_from or other in topology.services[one].apart_from:
        return False
    return bool(set(topology.preferred_nodes(one)) & set(topology.preferred_nodes(other)))
