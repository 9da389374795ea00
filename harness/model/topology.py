"""A topology: one cluster, as a YAML file says it, consistent as a whole. What it consists of is in ``shape.py``."""

from __future__ import annotations

from pydantic import model_validator

from fenceline.model.consistency import problems
from fenceline.model.mistakes import unplanted
from fenceline.model.shape import Daemon, Filesystem, NfsExport, Resource, Service, Shape, Vip, VirtualServer

__all__ = ["Daemon", "Filesystem", "NfsExport", "Resource", "Service", "Topology", "Vip", "VirtualServer"]


class Topology(Shape):
    """A whole cluster."""

    @model_validator(mode="after")
    def _consistent(self) -> Topology:
        found = unplanted(problems(self), self.mistakes)
        if found:
            raise ValueError("\n".join(found))
        return self
