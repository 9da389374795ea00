"""What a topology must be like for its cluster software to run it. Each problem starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.model.fencing import SBD
from fenceline.model.stack import kinds_with

if TYPE_CHECKING:
    from fenceline.model.shape import Shape


def stack_problems(topology: Shape) -> list[str]:
    """Everything that the topology's stack could not do, one line each; empty if it can all be done."""
    planted = [f"services.{name}.mistakes: only the stack {kinds_with('manages_resources')} can be told of these"
               for name, service in topology.services.items()
               if service.mistakes and not topology.stack.manages_resources]
    return planted + _remote(topology) + topology.stack.problems(topology)


def _remote(topology: Shape) -> list[str]:
    found = []
    for node in topology.nodes_with("remote"):
        path = f"nodes.{node}.role"
        if not topology.stack.manages_resources:
            found.append(f"{path}: remote nodes are for the stack {kinds_with('manages_resources')}")
        if topology.has_storage:
            found.append(f"{path}: no disk is shared with a remote node: leave storage out")
        if SBD in topology.fencing.devices:
            found.append(f"{path}: a remote node has no SBD here: fence it by ipmi or not at all")
    return found
