"""What ``crm_mon --output-as=xml`` says, as a ClusterState: a pure parser, tested on recorded output."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from fenceline.core.errors import ClusterError, Unreadable
from fenceline.stacks.state import ClusterState, MemberState, ResourceState

#: Roles of a resource to which something is being done; crm_mon calls it active, but a start may still fail.
ON_THE_WAY = frozenset({"Starting", "Stopping", "Promoting", "Demoting", "Migrating"})
COMMAND = ("crm_mon", "-1", "--output-as=xml", "--fence-history=2", "--inactive")


def parse(seen_by: str, xml: str) -> ClusterState:
    """The state that ``xml`` describes, as node ``seen_by`` told it.

    Raises:
        Unreadable: it is not crm_mon's XML.
        ClusterError: it says that crm_mon failed.
    """
    try:
        root = ET.fromstring(xml)
    except ET.ParseError as error:
        raise Unreadable(f"{seen_by}: crm_mon gave no XML: {error}", xml[:500]) from error
    status = root.find("status")
    if root.tag not in ("pacemaker-result", "crm_mon") or (status is not None and status.get("code") != "0"):
        message = status.get("message", "?") if status is not None else root.tag
        raise ClusterError(f"{seen_by}: crm_mon failed: {message}")
    dc = root.find("summary/current_dc")
    if dc is None:
        raise Unreadable(f"{seen_by}: crm_mon's XML has no summary of the DC")
    options = root.find("summary/cluster_options")
    members = tuple(
        MemberState(node.get("name", "?"), _yes(node, "online"), _yes(node, "standby"), _yes(node, "pending"),
                    _yes(node, "unclean"), _yes(node, "maintenance"))
        for node in root.findall("nodes/node"))
    resources = [_resource(r, None) for r in root.findall("resources/resource")]
    resources += [_resource(r, group.get("id")) for group in root.findall("resources/group")
                  for r in group.findall("resource")]
    # the instances of a clone have one name, and a role each
    resources += [_resource(r, None) for r in root.findall("resources/clone/resource")]
    # their groups are numbered: NAME:0, NAME:1
    resources += [_resource(r, group.get("id", "?").partition(":")[0])
                  for group in root.findall("resources/clone/group") for r in group.findall("resource")]
    return ClusterState(
        seen_by=seen_by,
        quorate=dc.get("with_quorum") == "true",
        coordinator=dc.get("name") if dc.get("present") == "true" else None,
        members=members,
        resources=tuple(resources),
        failures=tuple(f"{f.get('op_key', '?')} on {f.get('node', '?')}: {f.get('exitstatus', '?')}"
                       f"{': ' + f.get('exitreason') if f.get('exitreason') else ''}"
                       for f in root.findall("failures/failure")),
        fencing=tuple({key: event.get(key, "") for key in
                       ("action", "target", "client", "origin", "status", "delegate", "completed")}
                      for event in root.findall("fence_history/fence_event")),
        maintenance=options is not None and options.get("maintenance-mode") == "true",
        versions={"pacemaker": dc.get("version", "")} if dc.get("version") else {},
    )


def _resource(element: ET.Element, group: str | None) -> ResourceState:
    role = element.get("role", "?")
    return ResourceState(
        name=element.get("id", "?"), agent=element.get("resource_agent", "?"), role=role,
        nodes=tuple(node.get("name", "?") for node in element.findall("node")),
        active=_yes(element, "active") and role not in ON_THE_WAY,
        failed=_yes(element, "failed"), managed=_yes(element, "managed"), group=group)


def _yes(element: ET.Element, attribute: str) -> bool:
    return element.get(attribute) == "true"
