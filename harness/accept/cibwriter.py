"""The CIB that Pacemaker runs: the one that was handed over, with what can't be the same here put in its place."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from fenceline.accept.advice import advised
from fenceline.accept.cibview import DEFAULT_TIMEOUT, Primitive, copied
from fenceline.accept.fate import Fates
from fenceline.accept.fencetimes import fencing_seconds, hosts, is_sbd
from fenceline.accept.outlets import AGENT
from fenceline.accept.shape import Shape
from fenceline.accept.standins import AGENT as STANDIN
from fenceline.accept.standins import PROGRAM, SERVER, TABLE, StandIn, fence_agent, unit
from fenceline.core.errors import FencelineError
from fenceline.importers.cibvalues import is_secret
from fenceline.importers.fencedevices import IPMI
from fenceline.importers.xmltree import Element
from fenceline.model.load import parse_topology
from fenceline.model.topology import Filesystem, Topology
from fenceline.storage.mounting import mount_of

#: The newest schema and feature set of the guest's Pacemaker, 2.1.5.
_SCHEMA, _FEATURES = (3, 9), "3.16.1"
_IPMI = (*IPMI, "fence_ilo5", "fence_idrac", "fence_imm", "external/ipmi", "fence_ilo_ssh")
_ADDRESS = ("ip", "ipaddr", "hostname")
_USER = ("username", "login", "userid")
_OF_A_CIB = ("crm_config", "nodes", "resources", "constraints", "tags", "acls", "fencing-topology", "rsc_defaults",
             "op_defaults", "alerts")
_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*")
#: Characters that no XML may have.
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAMED = {"uname", "node", "target", "value"}


class CibWriter:
    """``text`` is the document, ``files`` {path on a member: (text, mode)} what goes with it, ``setup`` shell lines."""

    def __init__(self, shape: Shape, fates: Fates) -> None:
        self._shape, self._cib, self._fates = shape, shape.cib, fates
        self.files: dict[str, tuple[str, int]] = {}
        self.setup: list[str] = []
        self._agents: dict[str, dict[str, str]] = {}
        self._waits: dict[str, float] = {}
        root = copied(self._cib.original)
        self._operations(root)
        self._devices(root)
        self._addresses(root)
        self._filesystems(root)
        self._rename(root)
        self._secrets(root)
        self._stand_ins()
        self.text = self._document(root)

    def _document(self, root: Element) -> str:
        sections = [one for tag in _OF_A_CIB for one in root.all(tag) if one.children or tag in _OF_A_CIB[:4]]
        for tag in _OF_A_CIB[:4]:
            if not any(one.tag == tag for one in sections):
                sections.append(Element(tag, {}, 1))
        sections.sort(key=lambda one: _OF_A_CIB.index(one.tag))
        for one in root.children:
            if one.tag not in _OF_A_CIB and one.children:
                self._fates.say(self._cib.at(one), "left out", f"<{one.tag}>: not of a configuration")
        merged: dict[str, Element] = {}
        for one in sections:
            if one.tag in merged:
                merged[one.tag].children += one.children
            else:
                merged[one.tag] = one
        self._number(merged)
        cib = ET.Element("cib", {"crm_feature_set": _FEATURES, "validate-with": self._schema(), "epoch": "1",
                                 "num_updates": "0", "admin_epoch": "0", "have-quorum": "0"})
        configuration = ET.SubElement(cib, "configuration")
        for one in merged.values():
            configuration.append(self._as_xml(one))
        ET.SubElement(cib, "status")
        ET.indent(cib)
        return '<?xml version="1.0"?>\n' + ET.tostring(cib, encoding="unicode") + "\n"

    def _as_xml(self, one: Element) -> ET.Element:
        """Raises:
            FencelineError: text of crm or pcs has in it what no attribute can be called, or say.
        """
        for name, value in one.attributes.items():
            if not _XML_NAME.fullmatch(name) or _NO_XML.search(value):
                raise FencelineError(f"{self._cib.at(one)}: {name!r} is no attribute that a CIB may have")
        made = ET.Element(one.tag, dict(one.attributes))
        made.extend([self._as_xml(child) for child in one.children])
        return made

    def _schema(self) -> str:
        """The schema that it was written for, or the newest that the guest has."""
        match = re.search(r'validate-with="pacemaker-(\d+)\.(\d+)"', self._cib.source.text)
        if match and (int(match[1]), int(match[2])) <= _SCHEMA:
            return f"pacemaker-{match[1]}.{match[2]}"
        if match:
            line = self._cib.source.text[:match.start()].count("\n") + 1
            self._fates.say(self._cib.source.at(line), "stood in", f"the schema {match[1]}.{match[2]} is of a newer "
                            f"Pacemaker than the guest's 2.1.5, which has {_SCHEMA[0]}.{_SCHEMA[1]}: read as that")
        return f"pacemaker-{_SCHEMA[0]}.{_SCHEMA[1]}"

    def _number(self, sections: dict[str, Element]) -> None:
        """An id for everything that has none: text of crm and pcs names the least."""
        taken = {one.get("id") for section in sections.values() for one in section.walk() if one.get("id")}
        without = {"cib", "configuration", *_OF_A_CIB, "operations", "resource_ref", "obj_ref", "select", "role"}

        def give(parent: Element, prefix: str) -> None:
            for one in parent.children:
                own = one.get("id")
                bad = own and not re.fullmatch(r"[A-Za-z_][\w.-]*", own) and one.tag not in ("node", "resource_ref",
                                                                                             "obj_ref", "role")
                if (bad or not own) and not one.get("id-ref") and one.tag not in without \
                        and not one.tag.startswith("select_"):
                    base = re.sub(r"[^A-Za-z0-9_.-]", "-", f"{prefix}-{one.get('name') or one.tag}").strip("-")
                    if one.tag == "cluster_property_set":
                        base = prefix
                    base = base if re.match(r"[A-Za-z_]", base) else f"id-{base}"
                    name, number = base, 1
                    while name in taken:
                        number += 1
                        name = f"{base}-{number}"
                    taken.add(name)
                    one.attributes = {"id": name, **{key: value for key, value in one.attributes.items()
                                                     if key != "id"}}
                give(one, one.get("id") or prefix)
        for tag, section in sections.items():
            give(section, {"crm_config": "cib-bootstrap-options"}.get(tag, tag))

    def _operations(self, root: Element) -> None:
        """Every operation has an interval, as the schema wants it; what pcs makes has its agent's own, too."""
        for one in self._cib.primitives:
            element = _find(root, one.id)
            block = next(element.all("operations"), None)
            if self._cib.by_pcs and one.kind != "stonith":
                if block is None:
                    block = Element("operations", {}, element.line)
                    element.children.append(block)
                for action, interval in (("start", "0s"), ("stop", "0s"), ("monitor", "10s")):
                    if not any(op.get("name") == action for op in block.children):
                        block.children.append(Element("op", {
                            "name": action, "interval": interval,
                            "timeout": f"{advised(one.agent, action) or DEFAULT_TIMEOUT:g}s"}, element.line))
            for op in (op for each in element.all("operations") for op in each.all("op")):
                op.attributes.setdefault("interval", "0s")

    # what is put in the place of what

    def _devices(self, root: Element) -> None:
        for device in self._cib.devices:
            element = _find(root, device.id)
            if is_sbd(device):
                self._fates.say(device.place, "kept", f"{device.id}: SBD, its disks are LUNs")
                continue
            told = hosts(device)
            machines = [self._shape.layout.machine(host) for host in told]
            if device.id in self._shape.outlets.units:
                self._plug(element, device)
            elif device.type in _IPMI and len(told) == 1 and machines[0]:
                self._reach(element, device, machines[0])
            else:
                self._stand_in_device(element, device, [(host, machine) for host, machine in
                                                        zip(told, machines, strict=True) if machine])

    def _reach(self, element: Element, device: Primitive, machine: str) -> None:
        for pair in (pair for block in element.all("instance_attributes") for pair in block.all("nvpair")):
            if pair.get("name") in _ADDRESS:
                pair.attributes["value"] = f"@bmc {machine}@"
            elif pair.get("name") in _USER:
                pair.attributes["value"] = "@bmc-user@"
        self._fates.say(device.place, "kept", f"{device.id}: {device.type} reaches the virtual BMC of {machine}; its "
                                              "address, user and password are the fabric's own")

    def _plug(self, element: Element, device: Primitive) -> None:
        """A unit's device: the same outlets of a unit of ours, asked by the one agent that it knows."""
        unit = self._shape.outlets.units[device.id]
        element.attributes["type"] = AGENT
        own = {"ip": f"@pdu {unit}@", "community": "@bmc-password@"}
        for block in element.all("instance_attributes"):
            block.children = [one for one in block.children if one.tag != "nvpair"
                              or one.get("name").startswith("pcmk_")
                              or one.get("name") in ("port", "plug", "power_wait", "delay")]
        blocks = list(element.all("instance_attributes"))
        if not blocks:
            element.children.insert(0, Element("instance_attributes", {}, element.line))
            blocks = element.children[:1]
        blocks[0].children += [Element("nvpair", {"name": name, "value": value}, element.line)
                               for name, value in own.items()]
        kept = device.type == AGENT
        self._fates.say(device.place, "kept" if kept else "stood in",
                        f"{device.id}: {'' if kept else f'{device.type} is {AGENT} here: '}the same outlets of "
                        f"the unit {unit} of ours; a node is off when all of its outlets are")

    def _stand_in_device(self, element: Element, device: Primitive, told: list[tuple[str, str]]) -> None:
        plugs = self._agents.setdefault(device.type, {})
        mapped = dict(re.split(r"[:=]", pair, maxsplit=1) for pair in re.split(r"[;\s]+", device.value("pcmk_host_map"))
                      if re.search(r"[:=]", pair))
        every = told or [(name, machine) for name, machine in self._shape.layout.names.items()]
        for host, machine in every:
            plugs[machine] = machine
            plugs[host] = machine
            for plug in mapped.get(host, "").split(","):
                if plug:
                    plugs[plug] = machine
        wait = fencing_seconds(self._shape.original, device)[0] / 2 - 1.0
        self._waits[device.type] = max(self._waits.get(device.type, 0.0), wait)
        self._fates.say(device.place, "stood in", f"{device.id}: {device.type} is an agent of ours under that name, "
                        "which reaches the virtual BMCs; id, host list, delays, levels and operations are the same, a "
                        f"reboot takes {2 * (wait + 1.0):g} s more than the switching")

    def _addresses(self, root: Element) -> None:
        layout = self._shape.layout
        for one in self._cib.resources:
            element = _find(root, one.id)
            for pair in (pair for block in element.all("instance_attributes") for pair in block.all("nvpair")):
                if pair.get("name") == "ip" and one.id in layout.moved:
                    pair.attributes["value"] = str(layout.moved[one.id])
            if one.id in layout.cards:
                card = layout.cards[one.id]
                if card:
                    self.setup.append(f"ip link add {card} type dummy 2>/dev/null; ip link set {card} up")
                else:
                    self._without(element, "nic")
                    if "nic" in one.parameters:
                        self._fates.say(one.parameters["nic"][1], "stood in", f"{one.id}: the card {one.value('nic')} "
                                        "is another one here: it is found by the address's network")

    def _filesystems(self, root: Element) -> None:
        shape = self._shape
        topology = None
        for name, told in shape.parameters.items():
            element = _find(root, name)
            for pair in (pair for block in element.all("instance_attributes") for pair in block.all("nvpair")):
                value = told.get(pair.get("name"))
                if value is not None and value.startswith("@"):
                    word, path = value.strip("@").split(" ")
                    topology = topology or parse_topology(shape.raw, "adopted")
                    device = _device(topology, shape.mounts[path])
                    value = {"device": device, "group": device.split("/")[-2], "volume": device.split("/")[-1]}[word]
                if value is not None:
                    pair.attributes["value"] = value
        for path, target in shape.links.items():
            if path != target:
                self.setup.append(f"mkdir -p {path.rpartition('/')[0]}; ln -sfn {target} {path}")
        for one in shape.cib.resources:
            if one.type == "Filesystem" and re.fullmatch(r"/[\w./-]+", one.value("directory")):
                self.setup.append(f"mkdir -p {one.value('directory')}")

    def _rename(self, root: Element) -> None:
        names = {name: own for name, own in self._shape.layout.names.items() if name != own}
        if not names:
            return
        pattern = re.compile(r"(?<![\w.-])(" + "|".join(sorted(map(re.escape, names), key=len, reverse=True))
                             + r")(?![\w.-])")
        for one in root.walk():
            for word, value in list(one.attributes.items()):
                if word in _NAMED and pattern.search(value):
                    one.attributes[word] = pattern.sub(lambda match: names[match[1]], value)

    def _secrets(self, root: Element) -> None:
        for one in root.walk():
            if one.tag == "nvpair" and is_secret(one.get("name")) and one.get("value"):
                one.attributes["value"] = "@bmc-password@"

    @staticmethod
    def _without(element: Element, name: str) -> None:
        for block in element.all("instance_attributes"):
            block.children = [one for one in block.children if one.get("name") != name]

    def _stand_ins(self) -> None:
        made = self._shape.standins
        if made:
            self.files[PROGRAM] = (SERVER, 0o755)
            self.files[TABLE] = ("\n".join(one.line for one in made.values()) + "\n", 0o644)
        for one in self._cib.resources:
            if one.id in made:
                self._stand_in(one, made[one.id])
        for name, plugs in self._agents.items():
            path = f"/usr/lib/stonith/plugins/{name}" if name.startswith("external/") else f"/usr/sbin/{name}"
            if name.startswith("external/"):
                self._fates.say(self._cib.source.name, "left out", f"{name}: plugins of cluster-glue that are no IPMI "
                                                                   "are not stood in for yet")
                continue
            self.files[path] = (fence_agent(name, plugs, self._waits[name]), 0o755)

    def _stand_in(self, one: Primitive, made: StandIn) -> None:
        if one.kind == "systemd":
            self.files[f"/etc/systemd/system/{one.type}.service"] = (unit(made), 0o644)
        elif one.kind in ("lsb", "service"):
            self.files[f"/etc/systemd/system/{one.type}.service"] = (unit(made), 0o644)
            self._fates.say(one.place, "stood in", f"{one.id}: as a unit")
        else:
            self.files[f"/usr/lib/ocf/resource.d/{one.provider or 'heartbeat'}/{one.type}"] = (STANDIN, 0o755)


def _find(root: Element, name: str) -> Element:
    return next(one for one in root.walk() if one.tag == "primitive" and one.get("id") == name)


def _device(topology: Topology, part: dict[str, Any]) -> str:
    """What ``topology`` mounts as ``part``."""
    return mount_of(topology, Filesystem.model_validate(part)).device
