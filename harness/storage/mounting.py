"""What mount(8) is told about a service's file system, whatever it is on: one place for every stack."""

from __future__ import annotations

from fenceline.model.storage import Mount
from fenceline.model.topology import Filesystem, Topology


def mount_of(topology: Topology, part: Filesystem) -> Mount:
    """How ``part`` is mounted."""
    kind, disk = topology.disk_of(part)
    return kind.mount(topology, part, disk.name)
