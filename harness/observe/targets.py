"""Where clients ask for a service: at its VIP; if it is active on all nodes, at each node's own address; or at the
machine that is its client."""

from __future__ import annotations

from dataclasses import dataclass

from fenceline.model.addressing import address
from fenceline.model.topology import Service, Topology


@dataclass(frozen=True, slots=True)
class Target:
    """One address that clients of ``service`` ask; ``node`` is whose own it is, None for a VIP."""

    service: str
    node: str | None
    address: str
    port: int

    @property
    def where(self) -> tuple[str, int]:
        """For a socket."""
        return self.address, self.port


def targets_of(topology: Topology, name: str, service: Service) -> list[Target]:
    """Where clients ask for ``service``; empty if there is nothing that could answer them."""
    if service.port is None:
        return []
    if service.active == "all":
        network = topology.networks_with("service")[0]
        return [Target(name, node, str(address(topology, node, network)), service.port)
                for node in topology.cluster_nodes]
    if service.vip is None:
        return []
    asked = service.vip.address
    if service.client is not None:  # nobody but a machine can be its client: that one is asked how it fares
        asked = address(topology, service.client.node, topology.networks_with("service")[0])
    return [Target(name, None, str(asked), service.port)]


def all_targets(topology: Topology) -> dict[str, list[Target]]:
    """Every service that clients can ask, with its targets."""
    found = {name: targets_of(topology, name, service) for name, service in topology.services.items()}
    return {name: targets for name, targets in found.items() if targets}


def told(target: Target) -> dict[str, str]:
    """What an event says of ``target`` beside its service: whom it asked, where that is not a VIP."""
    return {} if target.node is None else {"to": target.node}
