"""Recovery policies and what binds services, in Pacemaker's words; see Pacemaker Explained."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from fenceline.model.topology import Topology
from fenceline.stacks.pacemaker.elements import clone_of

#: How long a node that failed a service with the policy relocate is not considered again: rgmanager forgets at once,
#: Pacemaker would not before somebody cleans up.
FORGET = "60s"


def recovery_meta(recovery: str) -> dict[str, str]:
    """Meta attributes of a group with this policy: relocate is a threshold of one failure."""
    return {"migration-threshold": "1", "failure-timeout": FORGET} if recovery == "relocate" else {}


def on_fail(recovery: str, operation: str) -> dict[str, str]:
    """Attributes of an ``operation`` of a resource with this policy. ``stop``: stopped, and not started elsewhere."""
    stops = {"restart-disable": ("start",), "disable": ("start", "monitor")}.get(recovery, ())
    return {"on-fail": "stop"} if operation in stops else {}


def bonds(topology: Topology, name: str) -> Iterator[ET.Element]:
    """The constraints between the service ``name`` and others."""
    def resource(service: str) -> str:
        return clone_of(service) if topology.services[service].active == "all" else service

    service = topology.services[name]
    for first in service.after:
        yield ET.Element("rsc_order", {"id": f"{name}-after-{first}", "first": resource(first),
                                       "then": resource(name), "kind": "Mandatory"})
    for other, score, word in (*((other, "INFINITY", "with") for other in service.colocated_with),
                               *((other, "-INFINITY", "apart-from") for other in service.apart_from)):
        yield ET.Element("rsc_colocation", {"id": f"{name}-{word}-{other}", "rsc": resource(name),
                                            "with-rsc": resource(other), "score": score})
