"""The ping resource on every member, and the rule that keeps services from where too little is reached."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.model.addressing import ping_address
from fenceline.model.topology import Topology
from fenceline.model.units import format_duration
from fenceline.stacks.pacemaker.elements import add_clone, attributes, clone_of, operation

NAME = "ping"
_ATTRIBUTE = "pingd"  # the agent's default


def add_ping(resources: ET.Element, constraints: ET.Element, topology: Topology) -> None:
    """The clone, and a rule for each service that looks at it; nothing where nobody is pinged."""
    ping = topology.stack.ping
    if ping is None:
        return
    primitive = ET.SubElement(add_clone(resources, NAME), "primitive", {
        "id": NAME, "class": "ocf", "provider": "pacemaker", "type": "ping"})
    attributes(primitive, "instance_attributes", f"{NAME}-parameters", {
        "host_list": " ".join(str(ping_address(topology, host)) for host in ping.hosts),
        "dampen": format_duration(ping.dampen), "multiplier": str(ping.multiplier), "attempts": str(ping.attempts),
        "timeout": f"{ping.timeout:.0f}", "use_fping": "0"})
    operations = ET.SubElement(primitive, "operations")
    worst = ping.timeout * ping.attempts * len(ping.hosts) + 20
    operation(operations, NAME, "monitor", ping.monitor, worst)
    operation(operations, NAME, "start", 0, worst)
    for service in ping.services or topology.services:
        active_on_all = topology.services[service].active == "all"
        _rule(constraints, service, clone_of(service) if active_on_all else service, topology)


def _rule(constraints: ET.Element, service: str, resource: str, topology: Topology) -> None:
    ping, identity = topology.stack.ping, f"{service}-by-{NAME}"
    place = ET.SubElement(constraints, "rsc_location", {"id": identity, "rsc": resource})
    if ping.rule == "prefer":
        rule = ET.SubElement(place, "rule", {"id": f"{identity}-rule", "score-attribute": _ATTRIBUTE})
        ET.SubElement(rule, "expression", {"id": f"{identity}-known", "attribute": _ATTRIBUTE, "operation": "defined"})
        return
    rule = ET.SubElement(place, "rule", {"id": f"{identity}-rule", "score": "-INFINITY", "boolean-op": "or"})
    ET.SubElement(rule, "expression", {"id": f"{identity}-unknown", "attribute": _ATTRIBUTE,
                                       "operation": "not_defined"})
    ET.SubElement(rule, "expression", {"id": f"{identity}-few", "attribute": _ATTRIBUTE, "operation": "lt",
                                       "value": str(ping.least * ping.multiplier), "type": "number"})
