"""Fencing devices of a CIB: BMCs, outlets of power distribution units and SBD's pills, and the levels in which they are
tried. The device of a node's BMC is called ``fence-<node>``, that of an outlet ``fence-<node>-<unit>-<outlet>``."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from fenceline.model.addressing import bmc_address, pdu_address
from fenceline.model.fencing import IPMI, SBD
from fenceline.model.topology import Topology
from fenceline.model.units import format_duration
from fenceline.stacks.pacemaker import sbd
from fenceline.stacks.pacemaker.elements import attributes, location, operation

BMC_USER = "fenceline"
_PILL = "fence-sbd"
_LOOK = 60.0  # s that a look at a unit may take


def add_devices(resources: ET.Element, constraints: ET.Element, topology: Topology, password: str) -> None:
    """All devices that the levels use; one that fences a node never runs there."""
    fencing = topology.fencing
    for node in topology.service_nodes:
        for name, agent, parameters in _devices(topology, node, password):
            _device(resources, topology, name, agent, parameters)
            location(constraints, name, node, "-INFINITY")
    if SBD in fencing.devices and fencing.sbd.luns:
        parameters = {"sbd_device": sbd.devices(topology)}
        if fencing.delay and SBD in fencing.in_order[0]:
            parameters["pcmk_delay_base"] = sbd.delays(topology)
        _device(resources, topology, _PILL, "external/sbd", parameters | _later(topology, SBD))


def add_levels(configuration: ET.Element, topology: Topology) -> None:
    """The fencing topology, where the method is levels."""
    if topology.fencing.method != "levels":
        return
    levels = ET.SubElement(configuration, "fencing-topology")
    for node in topology.service_nodes:
        for place, level in enumerate(topology.fencing.levels_of(node), 1):
            names = [name for device in level for name in _names(topology, node, device)]
            ET.SubElement(levels, "fencing-level", {"id": f"fence-{node}-level-{place}", "target": node,
                                                    "index": str(place), "devices": ",".join(names)})


def _names(topology: Topology, node: str, device: str) -> Iterator[str]:
    if device == IPMI:
        yield f"fence-{node}"
    elif device == SBD:
        yield _PILL
    else:
        yield from (f"fence-{node}-{unit}-{outlet}" for unit, outlet in topology.fencing.outlets_of(node)
                    if unit == device)


def _devices(topology: Topology, node: str, password: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(id, agent, parameters) of the devices that fence ``node`` alone."""
    fencing = topology.fencing
    common = {"pcmk_host_list": node, "pcmk_host_check": "static-list", "power_wait": "0"}
    if IPMI in fencing.devices:
        yield f"fence-{node}", "fence_ipmilan", {
            "ip": str(bmc_address(topology, node)), "username": BMC_USER, "password": password, "lanplus": "1",
            **common, **_waits(topology, node, IPMI), **fencing.extra.get(IPMI, {})}
    for unit, outlet in fencing.outlets_of(node):
        if unit in fencing.devices:
            yield f"fence-{node}-{unit}-{outlet}", "fence_apc_snmp", {
                "ip": str(pdu_address(topology, unit)), "community": password, "port": str(outlet),
                "pcmk_monitor_timeout": f"{_LOOK:g}s",
                **common, **_waits(topology, node, unit), **fencing.extra.get(unit, {})}


def _waits(topology: Topology, node: str, device: str) -> dict[str, str]:
    """Who waits before it fences ``node``: only the first level's devices do."""
    fencing = topology.fencing
    base = {"pcmk_delay_base": format_duration(fencing.delay[node])} if node in fencing.delay else {}
    return (base if device in fencing.in_order[0] else {}) | _later(topology, device, extra=False)


def _later(topology: Topology, device: str, extra: bool = True) -> dict[str, str]:
    fencing = topology.fencing
    drawn = fencing.delay_max and device in fencing.in_order[0]
    found = {"pcmk_delay_max": format_duration(fencing.delay_max)} if drawn else {}
    return found | fencing.extra.get(device, {}) if extra else found


def _device(resources: ET.Element, topology: Topology, name: str, agent: str, parameters: dict[str, str]) -> None:
    primitive = ET.SubElement(resources, "primitive", {"id": name, "class": "stonith", "type": agent})
    attributes(primitive, "instance_attributes", f"{name}-parameters", parameters)
    operations = ET.SubElement(primitive, "operations")
    if agent == "fence_apc_snmp":
        # its look at the unit is a terminal and three programs: 2 s on an idle host, 20 on one that has too much to do
        operation(operations, name, "start", 0, _LOOK)
    if topology.fencing.watch:
        operation(operations, name, "monitor", topology.fencing.watch, 20)
