"""What the rest must know of machines in virtual time."""

from __future__ import annotations

from typing import Any

from fenceline.core.clock import Clock
from fenceline.core.errors import HostError
from fenceline.journal.journal import Journal
from fenceline.machines.drivers import DRIVERS
from fenceline.machines.image import GuestImage
from fenceline.machines.protocol import Driver, DriverContext
from fenceline.model.topology import Topology


class Virtual:
    """See ``DriverKind``. Only where it is named: its times are not a host's, and no figure is mixed with theirs."""

    name = "virtual"
    title = "machines in virtual time"
    has_bridges = False

    def preference(self, uri: str | None) -> int:
        return 0

    def kernel(self, image: GuestImage) -> str:
        from fenceline.machines.virtual.build import find_kernel
        found = find_kernel()
        return f"{found.source} {found.recipe}" if found else ""

    def clock(self, seed: int) -> Clock:
        from fenceline.machines.virtual.clock import VirtualClock
        from fenceline.machines.virtual.sockets import VirtualPoller
        return VirtualClock(seed, make_poller=VirtualPoller)

    def fabric(self, identity: str, topology: Topology, journal: Journal, clock: Clock) -> Any:
        from fenceline.machines.virtual.fabric import VirtualFabric
        return VirtualFabric(clock, topology, clock.seed)

    def make(self, context: DriverContext, uri: str | None) -> Driver:
        from fenceline.machines.virtual.build import find_kernel
        from fenceline.machines.virtual.driver import VirtualDriver
        kernel = find_kernel()
        if kernel is None:  # not built here: a run would seem to hang for half an hour
            raise HostError("the virtual machines' kernel is not built yet: fenceline kernel build (10 to 30 minutes, "
                            "once)")
        return VirtualDriver(context, kernel, context.clock.seed)


DRIVERS.register(Virtual.name, Virtual())
