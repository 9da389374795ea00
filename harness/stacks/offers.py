"""What a topology's stack can do and what can be done to it.

Known from the topology alone, so that a scenario that asks for more is refused when it is collected, not when a
cluster stands.

Words: ``move``, ``standby``, ``quorum``, ``restart`` (a service that dies is restarted in place), ``configuration``
(one that the nodes share), ``maintenance`` (the cluster can be told to leave everything alone), ``fencing``, ``fencing
switch`` (the cluster can be told not to fence), ``fencing by hand``, ``BMC`` (a fencing device of its own for each
node), ``PDU``, ``watchdog`` (one that SBD feeds on each node), ``nfs`` and ``iscsi`` (what its storage is), ``quorum
device``,
``client`` (a machine is a service's client), ``failover SERVICE`` (it runs on one node, and there is another),
``process SERVICE`` (it is a daemon), ``agent SERVICE`` (an agent of its own starts and stops that), ``mount SERVICE``
(it has a file system), ``component NAME`` for each part of the cluster software that may be stopped alone, ``daemon
NAME`` for each daemon that may be killed, ``packets KIND`` for each kind of packets that there are, ``DRBD`` and ``DRBD
resource NAME`` for each of storage.drbd, and ``DRBD fencing`` where one of them calls the cluster when it loses its
peer.
"""

from __future__ import annotations

from collections.abc import Iterable

from fenceline.model.fencing import IPMI, SBD
from fenceline.model.storage import kinds_in
from fenceline.model.topology import Service, Topology


def daemons(topology: Topology) -> dict[str, str]:
    """The daemons of the stack that run on every member."""
    return topology.stack.daemons(topology) | ({"sbd": "sbd"} if SBD in topology.fencing.devices else {})


def agent_file(service: Service) -> str | None:
    """The file of the agent that starts and stops ``service``'s daemon; None where there is none, or it is a unit."""
    if service.daemon is None:
        return None
    kind, *words = service.daemon.agent.split(":")
    return {"ocf": "/usr/lib/ocf/resource.d/" + "/".join(words), "lsb": f"/etc/init.d/{words[-1]}"}.get(kind)


def components(topology: Topology) -> tuple[str, ...]:
    """The units of the cluster software that may be stopped alone; none where all is one."""
    found = topology.stack.own_units
    return found if len(found) > 1 else ()


def packets(topology: Topology) -> frozenset[str]:
    """The kinds of packets (``fenceline.faults.traffic``) that machines of ``topology`` send each other."""
    found = {"arp", "http", topology.stack.packets}
    if IPMI in topology.fencing.devices:
        found.add("ipmi")
    found |= {kind.packets for kind in kinds_in(topology) if kind.packets}
    return frozenset(found)


def offers(topology: Topology) -> frozenset[str]:
    """What the stack of ``topology`` offers."""
    found = set(topology.stack.abilities)
    if any(service.daemon and service.daemon.agent == "lsb:mariadb" for service in topology.services.values()):
        found.add("restart")  # its init script starts mysqld_safe, which does that
    if topology.fencing.method != "none":
        found.add("fencing")
    if IPMI in topology.fencing.devices:
        found.add("BMC")
    if topology.fencing.pdus:
        found.add("PDU")
    if SBD in topology.fencing.devices:
        found.add("watchdog")
    for kind in kinds_in(topology):
        found |= set(kind.offers(topology))
    if topology.stack.quorum.policy == "qdevice":
        found.add("quorum device")
    if any(service.client for service in topology.services.values()):
        found.add("client")
    for name, service in topology.services.items():
        if service.active == "one" and len(topology.preferred_nodes(name)) > 1:
            found.add(f"failover {name}")
        if service.daemon is not None:
            found.add(f"process {name}")
        if agent_file(service) and not topology.stack.runs_everywhere:
            found.add(f"agent {name}")
        if service.filesystem is not None:
            found.add(f"mount {name}")
    return frozenset(found | {f"daemon {name}" for name in daemons(topology)}
                     | {f"component {name}" for name in components(topology)}
                     | {f"packets {kind}" for kind in packets(topology)})


def lacking(topology: Topology, needed: Iterable[str]) -> str | None:
    """Why ``needed`` can't be had of ``topology``, naming the stack; None if it can."""
    there = offers(topology)
    missing = sorted(set(needed) - there)
    if not missing:
        return None
    return (f"the {topology.stack.kind} stack of the topology {topology.name!r} offers no {', no '.join(missing)}; "
            f"it offers {', '.join(sorted(there))}")
