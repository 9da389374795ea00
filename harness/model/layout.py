"""What a kind of cluster software, or of storage, may ask of the topology that it is in: no more than it needs, so that
a topology can be made of kinds, and a kind look at a topology. ``fenceline.model.shape`` says what each of these is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Layout(Protocol):
    """A topology, seen by one of its kinds."""

    name: str
    nodes: Mapping[str, Any]
    networks: Mapping[str, Any]
    services: Mapping[str, Any]
    storage: Any
    stack: Any
    fencing: Any

    @property
    def cluster_nodes(self) -> tuple[str, ...]: ...
    @property
    def service_nodes(self) -> tuple[str, ...]: ...
    def nodes_with(self, role: Any) -> tuple[str, ...]: ...
    def networks_with(self, role: Any) -> tuple[str, ...]: ...
    def networks_of(self, node: str) -> tuple[str, ...]: ...
    def preferred_nodes(self, service: str) -> tuple[str, ...]: ...


class MountedPart(Protocol):
    """A part of a service that is a file system."""

    mountpoint: str
    options: str
