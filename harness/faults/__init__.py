"""Every fault that Fenceline can inject: a class each, in the modules of this folder, which the registry finds."""

from fenceline.faults.base import FAULTS, ActiveFault, Fault, FaultControl, lasts, make_fault

__all__ = ["FAULTS", "ActiveFault", "Fault", "FaultControl", "lasts", "make_fault"]
