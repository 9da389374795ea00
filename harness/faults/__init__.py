"""Every fault that Fenceline can inject; importing this package registers them all."""

from fenceline.faults import (
    address,
    admin,
    agents,
    clock,
    disk,
    drbd,
    fencing,
    flap,
    guest,
    interface,
    names,
    netem,
    network,
    nfs,
    node,
    partition,
    power,
    process,
    quorum,
    reservation,
    resources,
    software,
    storage,
    stun,
    traffic,
    watchdog,
)
from fenceline.faults.base import FAULTS, ActiveFault, Fault, FaultControl, lasts, make_fault

__all__ = ["FAULTS", "ActiveFault", "Fault", "FaultControl", "address", "admin", "agents", "clock", "disk", "drbd",
           "fencing", "flap", "guest", "interface", "lasts", "make_fault", "names", "netem", "network", "nfs", "node",
           "partition", "power", "process", "quorum", "reservation", "resources", "software", "storage", "stun",
           "traffic", "watchdog"]
