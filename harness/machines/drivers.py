"""Which driver runs the machines."""

from __future__ import annotations

from fenceline.core.errors import HostError
from fenceline.machines.protocol import Driver, DriverContext

DRIVERS = ("auto", "uml", "libvirt")


def resolved_name(name: str, uri: str | None = None) -> str:
    """What "auto" means on this host: "libvirt" or "uml"."""
    if name != "auto":
        return name
    from fenceline.machines.image import find_image
    from fenceline.machines.kvm import kvm_usable
    image = find_image()
    return "libvirt" if uri or (image is not None and kvm_usable(image)[0]) else "uml"


def make_driver(name: str, context: DriverContext, uri: str | None = None) -> Driver:
    """The driver ``name``; "auto" is libvirt where KVM really runs a guest, else UML.

    Raises:
        HostError: no such driver, or the host can't run it.
    """
    if name not in DRIVERS:
        raise HostError(f"no driver {name!r}; there are {', '.join(DRIVERS)}")
    if resolved_name(name, uri) == "libvirt":
        from fenceline.machines.libvirt_driver import LibvirtDriver
        return LibvirtDriver(context, uri)
    from fenceline.machines.uml_driver import UmlDriver
    return UmlDriver(context)
