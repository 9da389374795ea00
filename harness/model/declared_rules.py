"""What must hold of daemons that are declared and of what is passed through to the cluster software. Each problem
starts with the path to its field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fenceline.model.declared import AgentPart, filled

if TYPE_CHECKING:
    from fenceline.model.shape import Service, Shape

#: Cluster properties that a field of the topology says, which the promises are judged by.
_PROPERTIES = {
    "stonith-enabled": "fencing.method", "stonith-action": "fencing.action", "stonith-timeout": "fencing.timeout",
    "stonith-watchdog-timeout": "fencing.sbd.msgwait", "no-quorum-policy": "stack.quorum.without_quorum",
    "start-failure-is-fatal": "stack.start_failure_is_fatal", "dc-deadtime": "stack.dc_deadtime",
    "priority-fencing-delay": "fencing.priority_delay", "cluster-name": "name", "cluster-infrastructure": "stack.kind"}
#: Likewise parameters of a part's agent, by its kind.
_PARAMETERS = {
    "vip": {"ip": "address", "cidr_netmask": "the service network's subnet"},
    "filesystem": {"device": "lun, export or drbd", "directory": "mountpoint", "fstype": "its disk's filesystem",
                   "options": "options"}}
#: Parts of which a group may have several; all others are there once.
SEVERAL = ("vip", "filesystem", "resource")


def declared_problems(topology: Shape) -> list[str]:
    """Everything that is inconsistent, one line each; empty if nothing is."""
    found = []
    for name, service in topology.services.items():
        for index, part in enumerate(service.group):
            path = f"services.{name}.group.{index}"
            if isinstance(part, AgentPart):
                found += _agent(topology, path, service, part)
            found += _passed_through(topology, path, part)
        if service.meta and not topology.stack.manages_resources:
            found.append(f"services.{name}.meta: {topology.stack.kind} knows no meta attributes")
        found += _several(topology, name, service)
    if topology.stack.manages_resources:
        found += [f"stack.properties.{word}: is said by {field}" for word, field in _PROPERTIES.items()
                  if word in topology.stack.properties]
    return found


def _agent(topology: Shape, path: str, service: Service, part: AgentPart) -> list[str]:
    found = []
    if topology.stack.moves_addresses_only:
        found.append(f"{path}: {topology.stack.kind} moves addresses, no resource")
    if not topology.stack.manages_resources and part.prepare is not None:
        found.append(f"{path}.prepare: is for the stack pacemaker")
    if topology.stack.moves_by_preferred_node and (part.port is None or len(service.daemons) > 1):
        found.append(f"{path}.port: heartbeat is seen to run one daemon in a group, by its port")
    if part.ask and part.port is None:
        found.append(f"{path}.port: needed, as clients ask it")
    if part.ask and service.client is not None:
        found.append(f"{path}.ask: the clients of this service ask {service.client.node}")
    if part.parameters and not part.agent.startswith("ocf:"):
        found.append(f"{path}.parameters: only an OCF agent has some; {part.agent} reads its files")
    if part.unknown_markers:
        found.append(f"{path}: there is no @{part.unknown_markers[0]}@; there are @address@, @mountpoint@, @port@ and "
                     "@service@")
    for marker, has in (("mountpoint", service.filesystem), ("address", service.vip), ("port", part.port)):
        if has is None and _mentions(part, marker):
            found.append(f"{path}: speaks of @{marker}@, and there is none in the group")
    if service.filesystem is not None and _mentions(part, "mountpoint") and (
            service.group.index(part) < service.group.index(service.filesystem)):
        found.append(f"{path}: starts after the file system that it speaks of")
    return found


def _mentions(part: AgentPart, marker: str) -> bool:
    texts = [*part.parameters.values(), *part.files.values(), *part.setup]
    if part.prepare is not None:
        texts += [part.prepare.creates, part.prepare.run]
    return any(filled(text, {marker: ""}) != text for text in texts)


def _passed_through(topology: Shape, path: str, part: object) -> list[str]:
    extra = getattr(part, "extra", None)
    if extra is None or not (extra.parameters or extra.meta or extra.operations):
        return []
    if not topology.stack.manages_resources:
        return [f"{path}.extra: is in Pacemaker's language; the stack is {topology.stack.kind}"]
    agent = getattr(part, "agent", "ocf:")
    found = [f"{path}.extra.parameters.{word}: is said by {field}"
             for word, field in _PARAMETERS.get(part.kind, {}).items() if word in extra.parameters]
    if extra.parameters and not agent.startswith("ocf:"):
        found.append(f"{path}.extra.parameters: only an OCF agent has some, not {agent}")
    if "interval" in extra.operations.get("monitor", {}):
        found.append(f"{path}.extra.operations.monitor.interval: is said by monitor")
    return found


def _several(topology: Shape, name: str, service: Service) -> list[str]:
    path = f"services.{name}.group"
    found = []
    for kind in ("daemon", "export", "virtual-server"):
        if sum(part.kind == kind for part in service.group) > 1:
            found.append(f"{path}: more than one {kind}")
    for kind in SEVERAL:
        if sum(part.kind == kind for part in service.group) > 1 and not topology.stack.manages_resources:
            found.append(f"{path}: more than one {kind}: the stack pacemaker can, {topology.stack.kind} can't here")
    disks = [part for part in service.group if part.kind == "filesystem"]
    if len(disks) > 1 and any(part.lun is None for part in disks):
        found.append(f"{path}: more than one filesystem: all of them on LUNs, please")
    ports = [part.port for part in service.daemons]
    found += [f"{path}: port {port} is there twice" for port in sorted(set(ports)) if ports.count(port) > 1]
    return found
