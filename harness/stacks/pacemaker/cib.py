"""The CIB of a topology, as XML put in place before Pacemaker starts: one file instead of ten slow shell calls.

Names: a resource of a group is called ``<service>-<kind>``, the fencing device of a node ``fence-<node>``.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.daemons import declared, nfs_server
from fenceline.daemons.seeding import agent_parameters
from fenceline.model.declared import AgentPart
from fenceline.model.topology import Daemon, Filesystem, NfsExport, Resource, Service, Topology, Vip
from fenceline.model.units import format_duration
from fenceline.stacks.pacemaker import dlm
from fenceline.stacks.pacemaker.corosync import node_id
from fenceline.stacks.pacemaker.elements import (
    add_clone,
    attributes,
    clone_of,
    location,
    operation,
    pass_through,
)
from fenceline.stacks.pacemaker.fencing import add_devices, add_levels
from fenceline.stacks.pacemaker.ping import add_ping
from fenceline.stacks.pacemaker.placement import bonds, on_fail, recovery_meta
from fenceline.stacks.pacemaker.remote import add_connections
from fenceline.storage.drbd.model import Drbd
from fenceline.storage.drbd.resources import resource_of
from fenceline.storage.iscsi import clustered_lvm
from fenceline.storage.mounting import mount_of

FEATURE_SET = "3.16.1"  # Pacemaker 2.1.5; a newer one is refused in a loop of restarts
SCHEMA = "pacemaker-3.9"
ACTION_TIMEOUT = 40.0  # s that the start or the stop of a part may take
PREPARE_TIMEOUT = 120.0  # s that the making of a daemon's files on a new disk may take, once in its life
_PREFERENCE = 100  # points between one node of an ordered domain and the next
_STICKY = 100_000  # outweighs any preference of a domain of 16 nodes


def resource_name(service: str, part: Resource, group: tuple[Resource, ...] = ()) -> str:
    """The id of a part of ``group``: those of one kind after the first are numbered."""
    alike = [one for one in group if one.kind == part.kind]
    place = next((place for place, one in enumerate(alike, 1) if one is part), 1)
    return f"{service}-{part.kind}" + (f"-{place}" if place > 1 else "")


def cib_xml(topology: Topology, bmc_password: str) -> str:
    """The whole document."""
    cib = ET.Element("cib", {"crm_feature_set": FEATURE_SET, "validate-with": SCHEMA, "epoch": "1",
                             "num_updates": "0", "admin_epoch": "0", "have-quorum": "0"})
    configuration = ET.SubElement(cib, "configuration")
    config = ET.SubElement(configuration, "crm_config")
    attributes(config, "cluster_property_set", "cib-bootstrap-options", cluster_properties(topology))
    nodes = ET.SubElement(configuration, "nodes")
    for node in topology.cluster_nodes:
        ET.SubElement(nodes, "node", {"id": str(node_id(topology, node)), "uname": node})
    resources = ET.SubElement(configuration, "resources")
    constraints = ET.SubElement(configuration, "constraints")
    add_connections(resources, topology)
    add_devices(resources, constraints, topology, bmc_password)
    for one in topology.storage.drbd:
        _drbd(resources, one)
    if topology.cluster_mountpoints:
        dlm.add_lock_manager(resources, topology)
    for name, service in topology.services.items():
        if service.active == "all":
            _group(add_clone(resources, name), topology, name, service)
        else:
            _group(resources, topology, name, service)
            _domain(constraints, topology, name, service)
        _on_drbd(constraints, topology, name)
        if service.filesystem and service.filesystem.mountpoint in topology.cluster_mountpoints:
            dlm.add_constraints(constraints, clone_of(name) if service.active == "all" else name)
        constraints.extend(bonds(topology, name))
    add_ping(resources, constraints, topology)
    add_levels(configuration, topology)
    defaults = ET.SubElement(configuration, "rsc_defaults")
    meta = {"resource-stickiness": str(topology.stack.resource_stickiness)}
    if topology.stack.migration_threshold:
        meta["migration-threshold"] = str(topology.stack.migration_threshold)
    attributes(defaults, "meta_attributes", "rsc-options", meta | topology.stack.resource_defaults)
    if topology.stack.operation_defaults:
        attributes(ET.SubElement(configuration, "op_defaults"), "meta_attributes", "op-options",
                   topology.stack.operation_defaults)
    ET.SubElement(cib, "status")
    ET.indent(cib)
    return '<?xml version="1.0"?>\n' + ET.tostring(cib, encoding="unicode") + "\n"


def cluster_properties(topology: Topology) -> dict[str, str]:
    """The properties of the cluster as a whole."""
    stack, fencing = topology.stack, topology.fencing
    # without a disk a lost node is taken to be dead after so long: its watchdog fired, or nothing can
    watchdog = {"stonith-watchdog-timeout": format_duration(fencing.sbd.message_wait)} if (
        fencing.method == "sbd" and not fencing.sbd.luns) else {}
    priority = {"priority-fencing-delay": format_duration(fencing.priority_delay)} if fencing.priority_delay else {}
    return {
        **watchdog, **priority,
        "cluster-infrastructure": "corosync",
        "cluster-name": topology.name,
        "dc-deadtime": format_duration(stack.dc_deadtime),
        "stonith-enabled": "true" if fencing.method != "none" else "false",
        "stonith-action": fencing.action,
        "stonith-timeout": format_duration(fencing.timeout),
        "no-quorum-policy": stack.quorum.without_quorum,
        "start-failure-is-fatal": str(stack.start_failure_is_fatal).lower(),
        "transition-delay": "0s",
        "cluster-recheck-interval": "60s",
        **stack.properties,
    }


def _drbd(resources: ET.Element, one: Drbd) -> None:
    """A promotable clone: started on both nodes, promoted on one, or on both of a dual primary."""
    clone = ET.SubElement(resources, "clone", {"id": clone_name(one.name)})
    attributes(clone, "meta_attributes", f"{clone_name(one.name)}-meta", {
        "promotable": "true", "notify": "true", "interleave": "true", "clone-max": "2", "clone-node-max": "1",
        "promoted-max": "2" if one.dual_primary else "1", "promoted-node-max": "1"})
    identity = f"drbd-{one.name}"
    primitive = ET.SubElement(clone, "primitive", {"id": identity, "class": "ocf", "provider": "linbit",
                                                   "type": "drbd"})
    attributes(primitive, "instance_attributes", f"{identity}-parameters", {"drbd_resource": one.name})
    operations = ET.SubElement(primitive, "operations")
    if one.monitor:
        # two of one interval can't be told apart
        operation(operations, identity, "monitor", one.monitor, 20, role="Unpromoted")
        operation(operations, identity, "monitor", max(0.5, one.monitor - 1), 20, role="Promoted")
    for action, timeout in (("start", 60), ("promote", 60), ("demote", 60), ("stop", 60), ("notify", 60)):
        operation(operations, identity, action, 0, timeout)


def clone_name(drbd: str) -> str:
    """The id of the promotable clone of the DRBD resource ``drbd``."""
    return f"drbd-{drbd}-clone"


def _on_drbd(constraints: ET.Element, topology: Topology, service: str) -> None:
    """The group runs where what it is on has been promoted, and after that."""
    one = resource_of(topology, service)
    if one is None:
        return
    clone = clone_name(one.name)
    which = clone_of(service) if topology.services[service].active == "all" else service
    ET.SubElement(constraints, "rsc_colocation", {"id": f"{service}-with-{one.name}", "rsc": which,
                                                  "with-rsc": clone, "with-rsc-role": "Promoted", "score": "INFINITY"})
    ET.SubElement(constraints, "rsc_order", {"id": f"{service}-after-{one.name}", "first": clone, "then": which,
                                             "first-action": "promote", "then-action": "start", "kind": "Mandatory"})


def _group(resources: ET.Element, topology: Topology, name: str, service: Service) -> None:
    group = ET.SubElement(resources, "group", {"id": name})
    mistakes = service.mistakes
    meta = {"resource-stickiness": "0" if service.domain.failback or "not-sticky" in mistakes else str(_STICKY)}
    if "not-together" in mistakes:
        meta["collocated"] = "false"
    attributes(group, "meta_attributes", f"{name}-meta", meta | recovery_meta(service.recovery) | service.meta)
    for lun in clustered_lvm.luns(topology):
        if service.filesystem and service.filesystem.disks.get("lun") == lun.name:
            dlm.add_volume(group, name, lun)
    for part in sorted(service.group, key=lambda part: "vip-first" in mistakes and part.kind != "vip"):
        _primitive(group, topology, name, service, part)


def _primitive(group: ET.Element, topology: Topology, name: str, service: Service, part: Resource) -> None:
    identity = resource_name(name, part, service.group)
    if isinstance(part, AgentPart) and part.prepare is not None:
        told = declared.prepare_parameters(name, service, part)
        before = _add(group, f"{identity}-prepare", declared.PREPARE_AGENT, told, 10)
        pass_through(before, f"{identity}-prepare", {"start": {"timeout": f"{PREPARE_TIMEOUT:g}s"}})
    has_agent = isinstance(part, (Daemon, AgentPart))
    agent = part.agent if has_agent else _AGENT[type(part)]
    depth = part.monitor_depth if isinstance(part, Filesystem) else 0
    # an init script and a unit have no parameters
    told = _parameters(topology, name, part) if agent.startswith("ocf:") else {}
    operations = _add(group, identity, agent, told | part.extra.parameters, part.monitor, depth, part.extra.meta)
    # a cluster file system that a node lost can be neither unmounted nor mounted again without a reboot
    is_shared = isinstance(part, Filesystem) and part.mountpoint in topology.cluster_mountpoints
    for one in operations:
        one.attrib.update(on_fail(service.recovery, one.get("name")))
        if is_shared and one.get("name") == "monitor":
            one.set("on-fail", "fence")
    pass_through(operations, identity, part.extra.operations)


def _add(group: ET.Element, identity: str, agent: str, parameters: dict[str, str], monitor: float, depth: int = 0,
         meta: dict[str, str] | None = None) -> ET.Element:
    """A primitive; returns its operations."""
    agent_class, *rest = agent.split(":")
    described = {"id": identity, "class": agent_class, "type": rest[-1]}
    if agent_class == "ocf":
        described["provider"] = rest[0]
    primitive = ET.SubElement(group, "primitive", described)
    if parameters:
        attributes(primitive, "instance_attributes", f"{identity}-parameters", parameters)
    if meta:
        attributes(primitive, "meta_attributes", f"{identity}-meta", meta)
    operations = ET.SubElement(primitive, "operations")
    if monitor:
        operation(operations, identity, "monitor", monitor, 20, depth)
    operation(operations, identity, "start", 0, ACTION_TIMEOUT)
    operation(operations, identity, "stop", 0, ACTION_TIMEOUT)
    return operations


_AGENT = {Vip: "ocf:heartbeat:IPaddr2", Filesystem: "ocf:heartbeat:Filesystem", NfsExport: nfs_server.AGENT}


def _parameters(topology: Topology, name: str, part: Resource) -> dict[str, str]:
    if isinstance(part, Vip):
        subnet = topology.networks[topology.networks_with("service")[0]].subnet
        # IPaddr2 sends five announcements 200 ms apart in the background by default, which is what is wanted
        found = {"ip": str(part.address), "cidr_netmask": str(subnet.prefixlen)}
        # another announcer's option: send_arp, in the background, complains and ends (an arp_count of 0 is refused)
        mistaken = "not-announced" in topology.services[name].mistakes
        return found | {"send_arp_opts": "-U"} if mistaken else found
    if isinstance(part, Filesystem):
        mount = mount_of(topology, part)
        return {"device": mount.device, "directory": part.mountpoint, "fstype": mount.fstype,
                "options": mount.options, "force_unmount": "safe"}
    if isinstance(part, NfsExport):
        return nfs_server.export_parameters(topology, topology.services[name])
    if isinstance(part, AgentPart):
        return declared.parameters(name, topology.services[name], part)
    return agent_parameters(name, topology.services[name])


def _domain(constraints: ET.Element, topology: Topology, name: str, service: Service) -> None:
    domain = service.domain
    for index, node in enumerate(domain.nodes):
        score = _PREFERENCE * (len(domain.nodes) - index) if domain.ordered else _PREFERENCE
        location(constraints, name, node, str(score))
    if domain.restricted:
        for node in topology.service_nodes:
            if node not in domain.nodes:
                location(constraints, name, node, "-INFINITY")
