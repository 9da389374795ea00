"""The small parts that every resource of a CIB is written with."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

from fenceline.model.units import format_duration


def attributes(parent: ET.Element, tag: str, identity: str, pairs: dict[str, str]) -> None:
    """A block of name-value pairs."""
    block = ET.SubElement(parent, tag, {"id": identity})
    for name, value in pairs.items():
        ET.SubElement(block, "nvpair", {"id": f"{identity}-{name}", "name": name, "value": value})


def operation(operations: ET.Element, resource: str, name: str, interval: float, timeout: float, depth: int = 0,
              role: str | None = None, on_fail: str | None = None) -> None:
    """One operation of ``resource``; ``interval`` and ``timeout`` in s, ``depth`` is OCF_CHECK_LEVEL."""
    identity = f"{resource}-{name}-{format_duration(interval)}"
    settings = {"id": identity, "name": name, "interval": format_duration(interval), "timeout": f"{timeout:g}s",
                "role": role, "on-fail": on_fail}
    settings = {key: value for key, value in settings.items() if value is not None}
    element = ET.SubElement(operations, "op", settings)
    if depth:
        attributes(element, "instance_attributes", f"{identity}-depth", {"OCF_CHECK_LEVEL": str(depth)})


def pass_through(operations: ET.Element, resource: str, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Gives the operations of ``resource`` the attributes that are ``wanted`` ({operation: {attribute: value}}); one
    that is not there yet is made."""
    for name, settings in wanted.items():
        there = [one for one in operations if one.get("name") == name]
        if not there:
            there = [ET.SubElement(operations, "op", {"id": f"{resource}-{name}", "name": name, "interval": "0s"})]
        for one in there:
            one.attrib.update(settings)


def location(constraints: ET.Element, resource: str, node: str, score: str) -> None:
    """How much (``score``) ``resource`` wants to be on ``node``."""
    ET.SubElement(constraints, "rsc_location",
                  {"id": f"{resource}-on-{node}", "rsc": resource, "node": node, "score": score})


def clone_of(resource: str) -> str:
    """The id of the clone of ``resource``: what constraints are about."""
    return f"{resource}-clone"


def add_clone(resources: ET.Element, resource: str) -> ET.Element:
    """A clone that runs on every node, for ``resource`` to be put into; a node that comes or goes leaves the others'
    instances alone."""
    clone = ET.SubElement(resources, "clone", {"id": clone_of(resource)})
    attributes(clone, "meta_attributes", f"{clone_of(resource)}-meta", {"interleave": "true"})
    return clone
