"""What a topology must be like for keepalived. Each problem starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def problems(topology: Topology) -> list[str]:
    """Everything that keepalived could not do, one line each."""
    found = []
    if topology.fencing.method != "none":
        found.append("fencing.method: keepalived fences nobody: say none")
    if not topology.networks_with(topology.stack.adverts_on):
        found.append(f"stack.adverts_on: no network has the role {topology.stack.adverts_on}")
    found += _tracking(topology)
    if topology.stack.router_id_first + len(topology.services) > 255:
        found.append("stack.router_id_first: the ids of all services must be below 256")
    for name, service in topology.services.items():
        if service.vip is None:
            found.append(f"services.{name}.group: keepalived needs a vip")
        found += [f"services.{name}.group.{index}: keepalived moves addresses, no {part.kind}"
                  for index, part in enumerate(service.group) if part.kind == "filesystem"]
        if service.domain.restricted and len(service.domain.nodes) < len(topology.cluster_nodes):
            found.append(f"services.{name}.domain.restricted: every keepalived here is a candidate for every service")
    return found


def _tracking(topology: Topology) -> list[str]:
    stack = topology.stack
    found = [f"stack.track_scripts.{name}.services: there is no service {service!r}"
             for name, script in stack.track_scripts.items() for service in script.services
             if service not in topology.services]
    grouped: dict[str, str] = {}
    for name, members in stack.sync_groups.items():
        path = f"stack.sync_groups.{name}"
        if len(members) < 2:
            found.append(f"{path}: needs two services at least")
        for service in members:
            if service not in topology.services:
                found.append(f"{path}: there is no service {service!r}; there are {', '.join(topology.services)}")
            if service in grouped:
                found.append(f"{path}: {service} is in {grouped[service]} already")
            grouped[service] = name
        homes = {topology.services[service].domain for service in members if service in topology.services}
        if len(homes) > 1:
            found.append(f"{path}: what moves together has the same domain")
    return found
