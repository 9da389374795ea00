"""What a topology must be like for Patroni. Each problem starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.model.mistakes import Mistake

if TYPE_CHECKING:
    from fenceline.model.topology import Topology


def problems(topology: Topology) -> list[str]:
    """Everything that Patroni could not do, one line each."""
    stack, found = topology.stack, []
    if topology.fencing.method != "none":
        found.append("fencing.method: Patroni's fencing is its watchdog: say none")
    if len(topology.cluster_nodes) < 3:
        found.append(f"nodes: etcd needs three members to lose one, there are {len(topology.cluster_nodes)}")
    if len(topology.services) != 1:
        found.append(f"services: one Patroni has one leader and one address, there are {len(topology.services)} of "
                     "them")
    for name, service in topology.services.items():
        if [part.kind for part in service.group] != ["vip", "resource"]:
            found.append(f"services.{name}.group: say a vip and {{kind: resource, daemon: patroni-postgresql}}")
        if service.domain.nodes:
            found.append(f"services.{name}.domain: Patroni prefers nobody")
    if stack.loop_wait + 2 * stack.retry_timeout > stack.ttl:
        least = stack.loop_wait + 2 * stack.retry_timeout
        found.append(Mistake("lease-too-short", f"stack.ttl: {stack.ttl:g} s is less than loop_wait + 2 x "
                                                f"retry_timeout, {least:g} s: a leader that retries loses its lease"))
    if stack.watchdog == "off":
        found.append(Mistake("no-watchdog", "stack.watchdog: off: a leader that hangs goes on with its address when "
                                            "its lease is another's: say required"))
    if stack.safety_margin >= stack.ttl:
        found.append(f"stack.safety_margin: {stack.safety_margin:g} s leaves nothing of the lease, {stack.ttl:g} s")
    return found
