"""Every fault that Fenceline can inject; importing this package registers them all."""

from harness.faults import admin, fencing, guest, network, node
from harness.faults.base import FAULTS, ActiveFault, Fault, FaultControl, make_fault

__all__ = ["FAULTS", "ActiveFault", "Fault", "FaultControl", "admin", "fencing", "guest", "make_fault",
           "network", "node"]
