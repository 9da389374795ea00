"""A CIB (cibadmin --query), with or without its corosync.conf, as a topology; see Pacemaker Explained.

Primitives that are colocated without a choice (score INFINITY) are one service, in the order that the constraints
give: this is what an ordered group is short for.
"""

from __future__ import annotations

import re
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.constraints import Constraints, read_constraints
from fenceline.importers.corosync import import_corosync
from fenceline.importers.draft import DAEMONS, Draft
from fenceline.importers.fencedevices import import_stonith
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element, parse_xml
from fenceline.model.units import format_duration

_UNITS = {"ms": 0.001, "msec": 0.001, "s": 1, "sec": 1, "": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_SILENT = frozenset({"cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh",
                     "symmetric-cluster", "stonith-enabled", "stonith-action", "stonith-timeout", "no-quorum-policy",
                     "dc-deadtime", "start-failure-is-fatal", "maintenance-mode", "cluster-recheck-interval",
                     "transition-delay"})
_SECTIONS = ("crm_config", "nodes", "resources", "constraints", "rsc_defaults", "op_defaults")


def import_cib(draft: Draft, source: Source, corosync: Source | None = None) -> Draft:
    """Fills ``draft`` with what the CIB describes.

    Raises:
        FencelineError: there are no nodes or no resources in it, or a value is none.
    """
    root = parse_xml(source)
    found = root if root.tag == "configuration" else root.first("configuration")
    if found is None:
        raise FencelineError(f"{source.name} has no <configuration>: it is no whole CIB")
    draft.raw["stack"] = {"kind": "pacemaker"}
    links = import_corosync(draft, corosync) if corosync else 1
    for node in (one for block in found.all("nodes") for one in block.all("node")):
        if node.get("type") in ("remote", "ping"):
            draft.note(source.at(node.line), f"{node.get('uname')} is a {node.get('type')} node: not expressed")
        elif node.get("uname"):
            draft.node(node.get("uname"), source.at(node.line))
            for name, place in _settings(source, node, "instance_attributes").items():
                draft.note(place[1], f"attribute {name} of the node {node.get('uname')}: not expressed")
    if not draft.cluster_nodes:
        raise FencelineError(f"{source.name} names no node: take it from a cluster that runs (cibadmin --query)")
    properties = {name: value for block in found.all("crm_config")
                  for name, value in _settings(source, block, "cluster_property_set").items()}
    defaults = {name: value for block in found.all("rsc_defaults")
                for name, value in _settings(source, block, "meta_attributes").items()}
    _properties(draft, properties, defaults)
    _quorum(draft, source, corosync)
    _Resources(draft, source, found, defaults, properties).services()
    if not draft.raw["services"]:
        raise FencelineError(f"{source.name}: nothing of its resources can be expressed")
    for section in found.children:
        if section.tag not in _SECTIONS and section.children:
            draft.note(source.at(section.line), f"<{section.tag}>: not expressed")
        elif section.tag == "op_defaults" and section.children:
            draft.note(source.at(section.line), "op_defaults: operations have Fenceline's own timeouts")
    return draft.finish(links)


def _settings(source: Source, element: Element, tag: str) -> dict[str, tuple[str, str]]:
    """{name: (value, place)} of all sets called ``tag`` in ``element``."""
    return {pair.get("name"): (pair.get("value"), source.at(pair.line))
            for block in element.all(tag) for pair in block.all("nvpair")}


def _properties(draft: Draft, properties: dict[str, tuple[str, str]], defaults: dict[str, tuple[str, str]]) -> None:
    stack, fencing = draft.raw["stack"], draft.raw["fencing"]
    fencing["method"] = "ipmi" if _is_true(properties, "stonith-enabled", True) else "none"
    for name, (value, place) in properties.items():
        if name == "no-quorum-policy":
            word = "suicide" if value == "fence" else value
            if word not in ("stop", "freeze", "ignore", "suicide"):
                draft.note(place, f"no-quorum-policy {value}: stop in its place")
            else:
                stack.setdefault("quorum", {})["without_quorum"] = word
        elif name == "stonith-action":
            fencing["action"] = "off" if value in ("off", "poweroff") else "reboot"
        elif name == "stonith-timeout":
            fencing["timeout"] = duration(draft, value, place)
        elif name == "dc-deadtime":
            stack["dc_deadtime"] = duration(draft, value, place)
        elif name == "start-failure-is-fatal":
            stack["start_failure_is_fatal"] = value != "false"
        elif name == "maintenance-mode" and value == "true":
            draft.note(place, "maintenance-mode: a cluster that comes up is not in it")
        elif name not in _SILENT:
            draft.note(place, f"{name}={value}: not expressed")
    for name, (value, place) in defaults.items():
        if name == "migration-threshold":
            stack["migration_threshold"] = 0 if value.endswith("INFINITY") else draft.number(value, place)
        elif name != "resource-stickiness":
            draft.note(place, f"rsc_defaults {name}={value}: not expressed")


def _quorum(draft: Draft, source: Source, corosync: Source | None) -> None:
    """What corosync.conf did not say."""
    quorum = draft.raw["stack"].setdefault("quorum", {})
    if corosync is None:
        policy = "two_node" if len(draft.cluster_nodes) == 2 else "majority"
        quorum["policy"] = policy
        draft.note(source.name, f"a CIB says nothing of votes, timing and links: quorum {policy}, token 1s, one "
                                "heartbeat network (give corosync.conf along)")


def _is_true(settings: dict[str, tuple[str, str]], name: str, otherwise: bool) -> bool:
    return settings[name][0] in ("true", "1", "yes", "on") if name in settings else otherwise


def duration(draft: Draft, text: str, place: str) -> str:
    """A time as a CIB has it ("20", "20s", "1min") as a topology has it."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in _UNITS:
        draft.note(place, f"{text!r} is no time that can be imported: 20s in its place")
        return "20s"
    return format_duration(float(match[1]) * _UNITS[match[2]])


class _Resources:
    """The resources and what binds them."""

    def __init__(self, draft: Draft, source: Source, configuration: Element, defaults: dict[str, tuple[str, str]],
                 properties: dict[str, tuple[str, str]]) -> None:
        self._draft, self._source = draft, source
        self._configuration, self._defaults, self._properties = configuration, defaults, properties

    def services(self) -> None:
        """Adds every service, and the fencing devices."""
        units: dict[str, list[Element]] = {}
        metas: dict[str, Element] = {}
        devices: list[Element] = []
        mirrors: dict[str, str] = {}
        for block in self._configuration.all("resources"):
            for one in block.children:
                if one.tag == "primitive" and one.get("class") == "stonith":
                    devices.append(one)
                elif one.tag in ("clone", "master") and any(
                        p.get("class") == "stonith" for p in one.all("primitive")):
                    devices += one.all("primitive")
                elif one.tag in ("clone", "master") and (mirrored := _drbd_resource(self._source, one)):
                    mirrors[one.get("id")] = mirrored
                elif one.tag in ("primitive", "group"):
                    units[one.get("id")] = [one] if one.tag == "primitive" else list(one.all("primitive"))
                    metas[one.get("id")] = one
                else:
                    self._draft.note(self._source.at(one.line), f"<{one.tag}> {one.get('id')}: not expressed")
        if not units:
            raise FencelineError(f"{self._source.name} has no primitive and no group that could be a service")
        import_stonith(self._draft, self._source, devices, {
            one.get("id"): {name: value for name, (value, _) in self._settings(one).items()} for one in devices},
            enabled=self._draft.raw["fencing"]["method"] != "none")
        self._mirrors(mirrors, [one for parts in units.values() for one in parts])
        constraints = read_constraints(self._draft, self._source, self._configuration, list(units),
                                       {one.get("id") for one in devices}, set(mirrors))
        services: dict[str, str | None] = {}
        for members in constraints.merged(list(units), {name: _kinds(units[name]) for name in units}):
            services |= dict.fromkeys(members, self._service(members, units, metas, constraints))
        constraints.bind(self._draft, self._source.name, services)

    def _mirrors(self, mirrors: dict[str, str], primitives: list[Element]) -> None:
        """DRBD of which no drbd.conf was given: as it is by default, under the one device that nobody else has."""
        draft = self._draft
        unknown = [name for name in mirrors.values() if f"drbddisk::{name}" not in draft.drbd_devices]
        devices = {self._settings(one).get("device", ("", ""))[0] for one in primitives}
        devices = {one for one in devices if one.startswith("/dev/drbd") and one not in draft.drbd_devices}
        names = [draft.mirror(original, self._source.name) for original in unknown]
        if len(names) == 1 and len(devices) == 1:
            draft.drbd_devices[devices.pop()] = names[0]

    def _settings(self, element: Element) -> dict[str, tuple[str, str]]:
        return _settings(self._source, element, "instance_attributes")

    def _service(self, members: list[str], units: dict[str, list[Element]], metas: dict[str, Element],
                 constraints: Constraints) -> str | None:
        group: list[dict[str, Any]] = []
        place = self._source.at(metas[members[0]].line)
        for name in members:
            for primitive in units[name]:
                part = self._part(primitive, group)
                if part:
                    group.append(part)
        sticky = self._stickiness(members, units, metas)
        domain = constraints.domain(self._draft, members, sticky)
        return self._draft.service(members[0], place, group, domain)

    def _stickiness(self, members: list[str], units: dict[str, list[Element]], metas: dict[str, Element]) -> int:
        """What holds the service where it is: the sum over its parts."""
        total = 0
        default = self._defaults.get("resource-stickiness", self._properties.get("default-resource-stickiness",
                                                                                ("0", "")))
        for name in members:
            own = _settings(self._source, metas[name], "meta_attributes")
            for word, (value, place) in own.items():
                if word == "target-role" and value.lower() == "stopped":
                    self._draft.note(place, f"{name} is stopped (target-role): here it starts")
                elif word not in ("resource-stickiness", "target-role"):
                    self._draft.note(place, f"{name}: {word}={value}: not expressed")
            for primitive in units[name]:
                parts = {**own, **_settings(self._source, primitive, "meta_attributes")}
                value, place = parts.get("resource-stickiness", default)
                total += score(self._draft, value, place or self._source.name)
        return total

    def _part(self, primitive: Element, group: list[dict[str, Any]]) -> dict[str, Any] | None:
        draft, place, name = self._draft, self._source.at(primitive.line), primitive.get("id")
        values = {key: value for key, (value, _) in self._settings(primitive).items()}
        kind, agent = primitive.get("class"), primitive.get("type")
        if primitive.get("template"):
            draft.note(place, f"{name}: a resource template: not expressed")
            return None
        part: dict[str, Any] | None
        if kind == "ocf" and agent in ("IPaddr", "IPaddr2"):
            part = draft.vip(values.pop("ip", ""), place, group)
            known = {"cidr_netmask", "nic", "broadcast", "lvs_support"}
        elif kind == "ocf" and agent == "Filesystem":
            part = draft.filesystem(values.pop("device", ""), values.pop("directory", ""), values.pop("fstype", ""),
                                    values.pop("options", ""), place)
            known = {"force_unmount", "fast_stop", "run_fsck"}
        else:
            part = draft.daemon(agent, place, group, f"{kind}:{agent}" if kind in ("lsb", "systemd") else None)
            known = set()
        for key in values:
            if part is not None and key not in known:
                draft.note(place, f"{name}: {key}={values[key]}: not expressed")
        if part is not None:
            self._operations(primitive, part)
        return part

    def _operations(self, primitive: Element, part: dict[str, Any]) -> None:
        draft, timeouts, watched = self._draft, False, False
        for block in primitive.all("operations"):
            for op in block.all("op"):
                place = self._source.at(op.line)
                timeouts = timeouts or bool(op.get("timeout"))
                depth = _settings(self._source, op, "instance_attributes").get("OCF_CHECK_LEVEL")
                if op.get("name") == "monitor" and op.get("role") in ("", "Started"):
                    part["monitor"], watched = duration(draft, op.get("interval", "0"), place), True
                    if part["kind"] == "filesystem":
                        part["monitor_depth"] = int(depth[0]) if depth and depth[0] in ("10", "20") else 0
                for word in set(op.attributes) - {"id", "name", "interval", "timeout", "role", "start-delay",
                                                  "interval-origin"}:
                    draft.note(place, f"{op.get('name')} {word}={op.get(word)}: not expressed")
        if not watched:
            part["monitor"] = "0s"
            draft.note(self._source.at(primitive.line), f"{primitive.get('id')} has no monitor operation: its death is "
                                                        "not noticed, here neither")
        if timeouts:
            draft.note(self._source.at(primitive.line), f"{primitive.get('id')}: timeouts of operations are "
                                                        "Fenceline's own: 20 s for monitor, 40 s for start and stop")


def _drbd_resource(source: Source, clone: Element) -> str:
    """The resource that a clone of ocf:linbit:drbd mirrors; empty for another clone."""
    for one in clone.all("primitive"):
        if (one.get("provider"), one.get("type")) == ("linbit", "drbd"):
            return _settings(source, one, "instance_attributes").get("drbd_resource", ("", ""))[0]
    return ""


def _kinds(primitives: list[Element]) -> list[str]:
    """What of these a service has only one: its address, its daemon."""
    found = ["vip" for one in primitives if one.get("type") in ("IPaddr", "IPaddr2")]
    return found[:1] + ["daemon" for one in primitives if one.get("type").lower() in DAEMONS][:1]


def score(draft: Draft, text: str, place: str) -> int:
    """A score as Pacemaker counts: INFINITY is a million."""
    if text.endswith("INFINITY") or text.upper().lstrip("+-") == "INF":
        return -1_000_000 if text.startswith("-") else 1_000_000
    return draft.number(text.lstrip("+") or "0", place)
