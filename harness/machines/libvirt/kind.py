"""What the rest must know of machines from libvirt."""

from __future__ import annotations

from fenceline.core.clock import HOST_CLOCK, Clock
from fenceline.journal.journal import Journal
from fenceline.machines.drivers import DRIVERS
from fenceline.machines.fabric import Fabric
from fenceline.machines.image import GuestImage, find_image
from fenceline.machines.protocol import Driver, DriverContext
from fenceline.model.topology import Topology

_KERNEL = "linux-image-"


class Libvirt:
    """See ``DriverKind``. Without KVM it only emulates: then it must be named, or a libvirt be given by its URI."""

    name = "libvirt"
    title = "libvirt machines"
    has_bridges = True

    def preference(self, uri: str | None) -> int:
        from fenceline.machines.libvirt.kvm import kvm_usable
        if uri:
            return 2
        image = find_image()
        return 2 if image is not None and kvm_usable(image)[0] else 0

    def kernel(self, image: GuestImage) -> str:
        names = [line.partition("=")[0] for line in image.packages.read_text().splitlines()]
        return next((name.removeprefix(_KERNEL) for name in names if name.startswith(_KERNEL)), "")

    def clock(self, seed: int) -> Clock:
        return HOST_CLOCK

    def fabric(self, identity: str, topology: Topology, journal: Journal, clock: Clock) -> Fabric:
        return Fabric(identity, topology, journal)

    def make(self, context: DriverContext, uri: str | None) -> Driver:
        from fenceline.machines.libvirt.driver import LibvirtDriver
        return LibvirtDriver(context, uri)


DRIVERS.register(Libvirt.name, Libvirt())
