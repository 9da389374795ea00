"""Every fault that Fenceline can inject; importing this package registers them all."""

from harness.faults import admin, fencing, flap, guest, network, node, partition, traffic
from harness.faults.base import FAULTS, ActiveFault, Fault, FaultControl, make_fault

__all__ = ["FAULTS", "ActiveFault", "Fault", "FaultControl", "admin", "fencing", "flap", "guest", "make_fault",
           "network", "node", "partition", "traffic"]
