"""What the rest must know of machines from User-Mode Linux."""

from __future__ import annotations

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.journal.journal import Journal
from fenceline.machines.drivers import DRIVERS
from fenceline.machines.fabric import Fabric
from fenceline.machines.image import GuestImage
from fenceline.machines.protocol import Driver, DriverContext
from fenceline.model.topology import Topology


class Uml:
    """See ``DriverKind``. It runs wherever Fenceline does, and faster than what is emulated."""

    name = "uml"
    title = "User-Mode Linux"
    has_bridges = True

    def preference(self, uri: str | None) -> int:
        return 1

    def kernel(self, image: GuestImage) -> str:
        return image.uml_kernel_version

    def clock(self, seed: int) -> Clock:
        return HOST_CLOCK

    def fabric(self, identity: str, topology: Topology, journal: Journal, clock: Clock) -> Fabric:
        return Fabric(identity, topology, journal)

    def make(self, context: DriverContext, uri: str | None) -> Driver:
        from fenceline.machines.uml.driver import UmlDriver
        return UmlDriver(context)


DRIVERS.register(Uml.name, Uml())
