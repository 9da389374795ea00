"""The resources of a CIB and what binds them, as services.

Primitives that are colocated without a choice (score INFINITY) are one service, in the order that the constraints
give: this is what an ordered group is short for.
"""

from __future__ import annotations

from typing import Any

from fenceline.importers.cibvalues import INFINITY, Settings, duration, is_true, score, settings, shown
from fenceline.importers.constraints import ConstraintReader, Constraints
from fenceline.importers.draft import DAEMONS, Draft
from fenceline.importers.fencedevices import import_stonith
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

#: Meta attributes of DRBD's clone that say what is so here anyway.
_USUAL = {"master-max": "1", "promoted-max": "1", "master-node-max": "1", "promoted-node-max": "1", "clone-max": "2",
          "clone-node-max": "1", "notify": "true", "interleave": "true", "promotable": "true",
          "globally-unique": "false", "ordered": "false"}
_STARTED = ("started", "master", "promoted", "slave", "unpromoted", "#default")


class Resources:
    """The resources of ``configuration``."""

    def __init__(self, draft: Draft, source: Source, configuration: Element, defaults: Settings,
                 properties: Settings) -> None:
        self._draft, self._source = draft, source
        self._configuration, self._defaults, self._properties = configuration, defaults, properties
        #: {id of a primitive or group: its primitives}, and the elements themselves
        self._units: dict[str, list[Element]] = {}
        self._metas: dict[str, Element] = {}
        self._devices: list[Element] = []
        #: {id of a clone: the DRBD resource that it mirrors}
        self._mirrors: dict[str, str] = {}

    def services(self) -> None:
        """Adds every service, and the fencing devices.

        Raises:
            FencelineError: there is nothing that could be one.
        """
        draft = self._draft
        for block in self._configuration.all("resources"):
            for one in block.children:
                self._sort(one)
        if not self._units:
            raise draft.refused(f"{self._source.name} has no primitive and no group that could be a service")
        import_stonith(draft, self._source, self._devices, enabled=draft.raw["fencing"]["method"] != "none")
        constraints = ConstraintReader(draft, self._source, self._configuration, list(self._units),
                                       {one.get("id") for one in self._devices}, set(self._mirrors)).read()
        self._drbd(constraints)
        services: dict[str, str | None] = {}
        kinds = {name: _kinds(parts) for name, parts in self._units.items()}
        for members in constraints.merged(list(self._units), kinds):
            services |= dict.fromkeys(members, self._service(members, constraints))
        constraints.bind(draft, self._source.name, services)

    def _sort(self, one: Element) -> None:
        """What ``one`` of the resources is."""
        inner = list(one.all("primitive"))
        if one.tag == "primitive" and one.get("class") == "stonith":
            self._devices.append(one)
        elif one.tag in ("clone", "master") and any(part.get("class") == "stonith" for part in inner):
            self._devices += inner
        elif one.tag in ("clone", "master") and (mirrored := self._mirrored(one)):
            self._mirrors[one.get("id")] = mirrored
            self._clone(one)
        elif one.tag in ("primitive", "group"):
            self._units[one.get("id")] = [one] if one.tag == "primitive" else inner
            self._metas[one.get("id")] = one
        elif one.tag != "template":
            self._draft.note(self._source.at(one.line), f"<{one.tag}> {one.get('id')}: not expressed")

    def _mirrored(self, clone: Element) -> str:
        """The resource that a clone of ocf:linbit:drbd mirrors; empty for another clone."""
        for one in clone.all("primitive"):
            if (one.get("provider"), one.get("type")) == ("linbit", "drbd"):
                return self._settings(one).get("drbd_resource", ("", ""))[0]
        return ""

    def _clone(self, clone: Element) -> None:
        """What the clone of a DRBD resource says beside that; two masters are two primaries."""
        for one in (clone, *clone.all("primitive")):
            for name, (value, place) in settings(self._draft, self._source, one, "meta_attributes").items():
                word = name.replace("_", "-")
                if word in ("master-max", "promoted-max") and value not in ("0", "1"):
                    mirror = self._mirror(self._mirrors[clone.get("id")])
                    if not mirror.get("dual_primary"):
                        self._draft.note(place, f"{clone.get('id')}: {name}={value}: both nodes are primary, though a "
                                                "file system that is not a cluster's is mounted on one")
                    mirror["dual_primary"] = True
                elif value.lower() != _USUAL.get(word) and (word, value.lower()) not in {
                        ("target-role", started) for started in _STARTED}:
                    self._draft.note(place, f"{clone.get('id')}: {name}={value}: not expressed")
        for one in clone.all("primitive"):
            for op in (op for block in one.all("operations") for op in block.all("op")):
                self._operation(op)

    def _mirror(self, original: str) -> dict[str, Any]:
        name = self._draft.mirror(original, self._source.name)
        return next(one for one in self._draft.raw["storage"]["drbd"] if one["name"] == name)

    def _drbd(self, constraints: Constraints) -> None:
        """Which device is which mirror, and who is together because both are where one is promoted."""
        draft = self._draft
        unknown = {clone: draft.mirror(original, self._source.name) for clone, original in self._mirrors.items()
                   if f"drbddisk::{original}" not in draft.drbd_devices}
        for clone, name in list(unknown.items()):
            # the colocations say which, and where there are none, the orders
            near = constraints.promoted.get(clone) or constraints.promotion.get(clone, [])
            devices = self._strange_devices([one for unit in near for one in self._units[unit]])
            if len(devices) == 1:
                draft.drbd_devices[devices.pop()] = name
                del unknown[clone]
        devices = self._strange_devices([one for parts in self._units.values() for one in parts])
        if len(unknown) == len(devices) == 1:
            draft.drbd_devices[devices.pop()] = next(iter(unknown.values()))
        elif unknown and devices:
            draft.note(self._source.name, f"nothing says which of {', '.join(sorted(devices))} is the DRBD resource "
                                          f"{', '.join(unknown.values())}: give drbd.conf along")
        for clone, original in self._mirrors.items():
            self._bound(clone, draft.mirror(original, self._source.name), constraints)

    def _bound(self, clone: str, mirror: str, constraints: Constraints) -> None:
        """What is where ``mirror`` is promoted is with the file system on it, and starts after it."""
        mounted = [name for name, parts in self._units.items() if any(
            self._draft.drbd_devices.get(self._device(one)) == mirror for one in parts)]
        near = constraints.beside_promoted(clone)
        anchor = next(iter([*mounted, *near]), None)
        for unit in mounted:
            if unit not in near:
                self._draft.note(self._source.name, f"{unit} is on the DRBD resource {mirror}, and no colocation keeps "
                                                    f"it where {clone} is promoted: here it is there")
        for unit in dict.fromkeys((*mounted, *near)):
            if not constraints.waits_for(clone, unit):
                self._draft.note(self._source.name, f"{unit}: no order makes it wait until {clone} is promoted: here "
                                                    "it does")
            if unit != anchor:
                constraints.together.append((unit, anchor))
        for unit in constraints.promotion.get(clone, []):
            if unit not in near and unit not in mounted:
                self._draft.note(self._source.name, f"{unit} after the promotion of {clone}: not expressed, as it is "
                                                    "not where that is")

    def _device(self, primitive: Element) -> str:
        return self._settings(primitive).get("device", ("", ""))[0] if primitive.get("type") == "Filesystem" else ""

    def _strange_devices(self, primitives: list[Element]) -> set[str]:
        """The DRBD devices among them of which is not known yet which mirror they are."""
        found = {self._device(one) for one in primitives}
        return {one for one in found if one.startswith("/dev/drbd") and one not in self._draft.drbd_devices}

    def _settings(self, element: Element) -> Settings:
        return settings(self._draft, self._source, element, "instance_attributes")

    def _service(self, members: list[str], constraints: Constraints) -> str | None:
        group: list[dict[str, Any]] = []
        place = self._source.at(self._metas[members[0]].line)
        sticky = sum(self._stickiness(name) for name in members)
        opt_in = not is_true(self._properties, "symmetric-cluster", True)
        domain = constraints.domain(self._draft, members, min(sticky, INFINITY), opt_in)
        if domain is None:
            why = "it is banned from all of them"
            if opt_in:
                why = "symmetric-cluster is false, and no location lets it run"
            self._draft.note(place, f"{', '.join(members)}: no node may run it, as {why}; left out")
            return None
        for name in members:
            for primitive in self._units[name]:
                part = self._part(primitive, group)
                if part:
                    group.append(part)
        return self._draft.service(members[0], place, group, domain)

    def _stickiness(self, name: str) -> int:
        """What holds the unit ``name`` where it is: the sum over its parts. Its other meta attributes are notes."""
        outer = self._meta(self._metas[name])
        default = self._defaults.get("resource-stickiness", self._properties.get("default-resource-stickiness",
                                                                                ("0", "")))
        total = 0
        for primitive in self._units[name]:
            own = outer if primitive is self._metas[name] else {**outer, **self._meta(primitive)}
            value, place = own.get("resource-stickiness", default)
            total += score(self._draft, value, place or self._source.name)
        return total

    def _meta(self, element: Element) -> Settings:
        """The meta attributes of ``element``."""
        found = settings(self._draft, self._source, element, "meta_attributes")
        for word, (value, place) in found.items():
            if word == "target-role" and value.lower() == "stopped":
                self._draft.note(place, f"{element.get('id')} is stopped (target-role): here it starts")
            elif word != "resource-stickiness" and (word != "target-role" or value.lower() not in _STARTED):
                self._draft.note(place, f"{element.get('id')}: {word}={value}: not expressed")
        for one in element.all("utilization"):
            self._draft.note(self._source.at(one.line), f"{element.get('id')}: utilization: not expressed")
        return found

    def _part(self, primitive: Element, group: list[dict[str, Any]]) -> dict[str, Any] | None:
        draft, place, name = self._draft, self._source.at(primitive.line), primitive.get("id")
        found = self._settings(primitive)
        values = {key: value for key, (value, _) in found.items()}
        kind, agent = primitive.get("class"), primitive.get("type")
        if primitive.get("template"):
            draft.note(place, f"{name}: there is no resource template {primitive.get('template')}; left out")
            return None
        part: dict[str, Any] | None
        if agent in ("IPaddr", "IPaddr2", "IPv6addr"):
            part = draft.vip(values.pop("ip", "") or values.pop("ipv6addr", ""), place, group)
            known = {"cidr_netmask", "nic", "broadcast", "lvs_support"}
        elif agent == "Filesystem":
            part = draft.filesystem(values.pop("device", ""), values.pop("directory", ""), values.pop("fstype", ""),
                                    values.pop("options", ""), place, group)
            known = {"force_unmount", "fast_stop", "run_fsck"}
        elif agent == "exportfs":
            part = draft.export(values.pop("directory", ""), values.pop("fsid", ""), values.pop("options", ""), place,
                                group)
            known = set()
        else:
            part = draft.daemon(agent, place, group, f"{kind}:{agent}" if kind in ("lsb", "systemd") else None)
            known = set()
        for key, value in values.items():
            if part is not None and key not in known:
                draft.note(found[key][1], f"{name}: {shown(key, value)}: not expressed")
        if part is not None:
            self._operations(primitive, part)
        return part

    def _operations(self, primitive: Element, part: dict[str, Any]) -> None:
        draft, timeouts, seen = self._draft, False, set()
        for op in (op for block in primitive.all("operations") for op in block.all("op")):
            place = self._source.at(op.line)
            timeouts = timeouts or bool(op.get("timeout"))
            depth = settings(draft, self._source, op, "instance_attributes").get("OCF_CHECK_LEVEL", ("", ""))[0]
            depth = depth or op.get("OCF_CHECK_LEVEL")
            if op.get("name") == "monitor" and op.get("role").lower() in ("", "started"):
                interval = duration(draft, op.get("interval", "0"), place)
                if op.get("enabled").lower() in ("false", "no", "off", "0"):
                    interval = "0s"  # what else is wrong with it is said below
                if "monitor" not in seen:
                    part["monitor"] = interval
                    if part["kind"] == "filesystem":
                        part["monitor_depth"] = int(depth) if depth in ("10", "20") else 0
                elif op.get("interval") != part["monitor"]:
                    draft.note(place, f"{primitive.get('id')}: a second monitor, each {interval}"
                                      f"{f', OCF_CHECK_LEVEL {depth}' if depth else ''}: not expressed")
                seen.add("monitor")
            self._operation(op)
        if "monitor" not in seen:
            part["monitor"] = "0s"
            draft.note(self._source.at(primitive.line), f"{primitive.get('id')} has no monitor operation: its death is "
                                                        "not noticed, here neither")
        if timeouts:
            draft.note(self._source.at(primitive.line), f"{primitive.get('id')}: timeouts of operations are "
                                                        "Fenceline's own: 20 s for monitor, 40 s for start and stop")

    def _operation(self, op: Element) -> None:
        """Says what of an operation is nowhere in a topology."""
        for word in sorted(set(op.attributes) - {"id", "name", "interval", "timeout", "role", "start-delay",
                                                 "interval-origin", "OCF_CHECK_LEVEL"}):
            self._draft.note(self._source.at(op.line), f"{op.get('name')} {word}={op.get(word)}: not expressed")
        for name, (value, place) in settings(self._draft, self._source, op, "meta_attributes").items():
            self._draft.note(place, f"{op.get('name')} {name}={value}: not expressed")


def _kinds(primitives: list[Element]) -> list[str]:
    """What of these a service has only one: its address, its file system, its daemon."""
    found = ["vip" if one.get("type") in ("IPaddr", "IPaddr2") else
             "filesystem" if one.get("type") == "Filesystem" else "daemon" for one in primitives
             if one.get("type").lower() in ("ipaddr", "ipaddr2", "filesystem", *DAEMONS)]
    return list(dict.fromkeys(found))
