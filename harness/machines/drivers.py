"""Which kinds of machines there are, and which of them runs a cluster's.

A driver is a module that registers one ``DriverKind``; it is found through the entry points ``fenceline.drivers``.
"""

from __future__ import annotations

from typing import Any, Protocol

from fenceline.core.clock import Clock
from fenceline.core.errors import HostError
from fenceline.core.registry import Registry
from fenceline.journal.journal import Journal
from fenceline.machines.image import GuestImage
from fenceline.machines.protocol import Driver, DriverContext
from fenceline.model.topology import Topology

#: The word for whichever driver suits this host best.
AUTO = "auto"


class DriverKind(Protocol):
    """One kind of machines. What it needs is imported when it is made, not before: it may not be installed.

    ``title`` says whose machines they are, as in "runs on ... only"; ``has_bridges`` whether their networks are
    bridges of this host.
    """

    name: str
    title: str
    has_bridges: bool

    def preference(self, uri: str | None) -> int:
        """How well it suits this host: of several the highest is taken by itself; 0: only where it is named."""

    def kernel(self, image: GuestImage) -> str:
        """The version of the kernel in ``image`` that its machines boot; "" where that is not known."""

    def clock(self, seed: int) -> Clock:
        """The clock of one cluster that is about to be made: the host's, or one of its own, which begins anew, and
        in whose world all chance is from ``seed``."""

    def fabric(self, identity: str, topology: Topology, journal: Journal, clock: Clock) -> Any:
        """The networks of one cluster, not made yet: ``fenceline.machines.fabric.Fabric``, or what does the same."""

    def make(self, context: DriverContext, uri: str | None) -> Driver:
        """The driver of one cluster; ``context.clock`` is one that ``clock`` gave.

        Raises:
            HostError: the host can't run it.
        """


DRIVERS: Registry[DriverKind] = Registry("driver")


def names() -> tuple[str, ...]:
    """What may be said for a driver."""
    return (AUTO, *DRIVERS)


def resolved_name(name: str, uri: str | None = None) -> str:
    """What ``name`` means on this host, where it is "auto".

    Raises:
        HostError: no driver suits this host by itself.
    """
    if name != AUTO:
        return name
    preferences = {one: kind.preference(uri) for one, kind in DRIVERS.items()}
    best = max(preferences, key=preferences.__getitem__, default="")
    if preferences.get(best, 0) <= 0:
        raise HostError("no driver of machines suits this host by itself",
                        f"name one of {', '.join(DRIVERS) or 'none'}")
    return best


def make_driver(name: str, context: DriverContext, uri: str | None = None) -> Driver:
    """The driver ``name``, or for "auto" the one that suits this host best.

    Raises:
        HostError: no such driver, or the host can't run it.
    """
    return _kind(name, uri).make(context, uri)


def make_clock(name: str, uri: str | None = None, seed: int = 0) -> Clock:
    """The clock of one cluster whose machines the driver ``name`` is to run; see ``DriverKind.clock``.

    Raises:
        HostError: see ``make_driver``.
    """
    return _kind(name, uri).clock(seed)


def make_fabric(name: str, uri: str | None, identity: str, topology: Topology, journal: Journal, clock: Clock) -> Any:
    """The networks for machines of the driver ``name``; see ``DriverKind.fabric``.

    Raises:
        HostError: see ``make_driver``.
    """
    return _kind(name, uri).fabric(identity, topology, journal, clock)


def _kind(name: str, uri: str | None) -> DriverKind:
    try:
        return DRIVERS.find(resolved_name(name, uri))
    except KeyError as unknown:
        raise HostError(unknown.args[0]) from None
