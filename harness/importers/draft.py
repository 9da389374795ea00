"""A topology in the making, the same for every importer: what becomes of a node, an address, a file system, a daemon.

What a topology can't say, or says with something of its own in the place of the original (a ping node, httpd), is a
note with its place: an import that is silent would be taken for the whole truth.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fenceline.core.errors import FencelineError
from fenceline.model.addressing import CLIENT_NAME, VIP_FIRST
from fenceline.model.units import format_duration, parse_duration

if TYPE_CHECKING:
    from fenceline.importers.blocks import Directive
    from fenceline.importers.source import Source

#: Daemons that a topology has on nodes of its own, by the names that people's scripts have.
DAEMONS = {**dict.fromkeys(("httpd", "apache", "apache2", "nginx", "lighttpd"), "nginx"),
           **dict.fromkeys(("mysql", "mysqld", "mariadb", "mariadbd"), "mariadb"),
           **dict.fromkeys(("nfsserver", "nfs-server", "nfs-kernel-server", "nfs"), "nfs-server")}
#: Scripts and agents that start just what a topology's daemon is, by their own name.
_AGENTS = {"nginx": ("nginx",), "mariadb": ("mariadb",), "nfs-server": ("nfsserver",)}
#: The machine that mounts what an nfs-server exports: nobody else can be its client.
_NFS_CLIENT = "nfs-client"
_DATABASE_SIZE = "256M"
_PRIVATE = tuple(ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_ELSEWHERE = ipaddress.IPv4Network("192.168.99.0/24")
_MOUNTPOINT = re.compile(r"^/[A-Za-z0-9/_.-]+$")
_IPV4 = re.compile(r"^\d+\.\d+\.\d+\.\d+(/.*)?$")


class Draft:
    """``raw`` is the topology as YAML will have it; ``notes`` what of the original is not in it, or not the same."""

    def __init__(self, name: str, origin: str) -> None:
        self._notes: dict[tuple[str, int, str], None] = {}
        self.raw: dict[str, Any] = {"name": name, "description": f"imported from {origin}", "nodes": {},
                                    "networks": {}, "storage": {}, "stack": {}, "fencing": {"method": "none"},
                                    "services": {}}
        #: {device, or "drbddisk::" and the original name: the resource of storage.drbd}
        self.drbd_devices: dict[str, str] = {}
        self._nodes: dict[str, str] = {}
        self._service_net: ipaddress.IPv4Network | None = None
        self._vips: set[ipaddress.IPv4Address] = set()
        self._mountpoints: set[str] = set()
        self._volumes: dict[str, str] = {}

    def note(self, place: str, text: str) -> None:
        """Says something about ``place`` (a file's name, or ``name:line``), once."""
        name, _, line = place.rpartition(":")
        self._notes[(name, int(line), text) if name and line.isdigit() else (place, 0, text)] = None

    @property
    def notes(self) -> list[str]:
        """What was said, file by file, in the order of their lines."""
        files = list(dict.fromkeys(name for name, _, _ in self._notes))
        found = sorted(self._notes, key=lambda note: (files.index(note[0]), note[1]))
        return [f"{name}{f':{line}' if line else ''}: {text}" for name, line, text in found]

    def refused(self, text: str) -> FencelineError:
        """What to raise where nothing is left: ``text`` with the reason of everything that was left out."""
        return FencelineError("\n  - ".join((text, *self.notes)))

    def node(self, original: str, place: str) -> str:
        """The machine that the cluster's own name ``original`` becomes; made when it is new. A host's short name and
        its full one are the same."""
        known = self.known_node(original)
        if known is not None and (original.lower() in self._nodes or "." not in original
                                  or not self._nodes_named(original, full=True)):
            return known
        short = original if is_address(original) else original.split(".")[0]
        name = self._free(identifier(short, "node"), {*self.raw["nodes"], CLIENT_NAME})
        if name != original:
            self.note(place, f"the node {original} is called {name}")
        self._nodes[original.lower()] = name
        self.raw["nodes"][name] = {}
        return name

    def known_node(self, original: str) -> str | None:
        """The machine of the cluster's node ``original``, if it was named before; by its short name too, where only one
        has that."""
        if original.lower() in self._nodes:
            return self._nodes[original.lower()]
        found = set(self._nodes_named(original))
        return found.pop() if len(found) == 1 else None

    def _nodes_named(self, original: str, full: bool = False) -> list[str]:
        """The machines that have the short name of ``original``; of those that were named ``full`` only, if so."""
        short = original.lower().split(".")[0]
        return [name for other, name in self._nodes.items() if not is_address(original) and not is_address(other)
                and other.split(".")[0] == short and ("." in other or not full)]

    def alias(self, original: str, name: str) -> None:
        """The machine ``name`` is called ``original``, too: an address of it, or its name on another network."""
        self._nodes.setdefault(original.lower(), name)

    @property
    def cluster_nodes(self) -> list[str]:
        """The members so far."""
        return [name for name, node in self.raw["nodes"].items() if "role" not in node]

    def helper(self, name: str, role: str) -> str:
        """A machine that serves the cluster; made when it is new."""
        while name in self._nodes.values():
            name += "-x"  # a member has that name
        self.raw["nodes"].setdefault(name, {"role": role, "memory": "256M"})
        return name

    def service(self, original: str, place: str, group: list[dict[str, Any]], domain: dict[str, Any]) -> str | None:
        """Adds a service; None, with a note, where nothing of it could be said."""
        group = self._nfs(original, place, group)
        if not group:
            self.note(place, f"{original}: nothing of it can be expressed, it is left out")
            return None
        name = self._free(identifier(original, "service"), self.raw["services"])
        kinds = {part["kind"] for part in group}
        if "vip" not in kinds:
            self.note(place, f"{original} has no address: no client can ask it")
        for part in group:
            if part["kind"] == "daemon" and "real_servers" not in part:
                self._fit(part, place, name, "filesystem" in kinds)
        made = self.raw["services"][name] = {"group": group, "domain": domain}
        if "export" in kinds:
            made["client"] = {"node": self.helper(_NFS_CLIENT, "client")}
            self.note(place, f"{name}: its client is the machine {_NFS_CLIENT}, which mounts the export")
        return name

    def _nfs(self, original: str, place: str, group: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """``group`` without an nfs-server and its export where one of what they need is missing."""
        kinds = {part.get("name", part["kind"]) for part in group}
        missing = [what for kind, what in (("nfs-server", "nfsserver"), ("export", "exportfs"), ("vip", "address"))
                   if kind not in kinds]
        if not missing or not kinds & {"nfs-server", "export"}:
            return group
        self.note(place, f"{original}: an NFS server is a nfsserver, an exportfs and an address in one service: there "
                         f"is no {' and no '.join(missing)}; what there is of it is left out")
        return [part for part in group if part.get("name", part["kind"]) not in ("nfs-server", "export")]

    def export(self, directory: str, fsid: str, options: str, place: str,
               group: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The export of the group's file system; None, with a note, where there is none that it could be of."""
        disk = next((part for part in group if part["kind"] == "filesystem"), None)
        if any(part["kind"] == "export" for part in group):
            self.note(place, f"{directory}: a service has one export, and has it already; left out")
            return None
        if disk is None or not any(part.get("name") == "nfs-server" for part in group):
            self.note(place, f"{directory}: not expressed: an export needs a file system and an nfsserver that start "
                             "before it")
            return None
        if directory != disk["mountpoint"]:
            self.note(place, f"{directory}: the whole of {disk['mountpoint']} is exported")
        words = [word for word in re.split(r"[,\s]+", options) if word]
        for word in words:
            if word not in ("rw", "sync", "async", "no_root_squash"):
                self.note(place, f"export option {word}: not expressed")
        number = int(fsid) if re.fullmatch(r"[1-9]\d{0,8}", fsid) else 1
        if fsid not in ("", str(number)):
            self.note(place, f"fsid {fsid}: {number} in its place")
        return {"kind": "export", "fsid": number, **({"sync": False} if "async" in words else {})}

    def _fit(self, part: dict[str, Any], place: str, service: str, has_disk: bool) -> None:
        """Lets a daemon find its data, and room beside those of other services."""
        if part["name"] == "nginx" and not has_disk:
            part["document_root"] = "/var/www/html"
        others = [one for made in self.raw["services"].values() for one in made["group"] if one["kind"] == "daemon"]
        if part["name"] == "nginx":
            taken = {one.get("port", 80) for one in others}
            port = next(port for port in (80, *range(8080, 65536)) if port not in taken)
            if port != 80:
                part["port"] = port
                self.note(place, f"{service}: its clients ask port {port}: 80 is taken on a node where both may run")
        if "agent" in part and any(one["name"] == part["name"] and "agent" in one for one in others):
            del part["agent"]
            self.note(place, f"{service}: by an OCF agent: a node has one {part['name']} that a script or unit starts")

    def vip(self, text: str, place: str, group: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The floating address ``text`` (``address[/...]``); None, with a note, where it can't be had."""
        if any(part["kind"] == "vip" for part in group):
            self.note(place, f"{text}: a service has one address, and has it already; left out")
            return None
        if not _IPV4.match(text):
            self.note(place, f"{text} is no IPv4 address; left out")
            return None
        try:
            original = ipaddress.IPv4Address(text.split("/")[0])
        except ValueError as error:
            raise FencelineError(f"{place}: {text} is no address: {error}") from error
        network = ipaddress.IPv4Network(f"{original}/24", strict=False)
        if not any(original in private for private in _PRIVATE):
            network = _ELSEWHERE
        if self._service_net is None:
            self._service_net = network
        number = int(original) % 256
        if number < VIP_FIRST:
            number += VIP_FIRST
        number = min(number, 254)
        address = self._service_net.network_address + number
        while address in self._vips:
            number = number + 1 if number < 254 else VIP_FIRST
            address = self._service_net.network_address + number
        self._vips.add(address)
        if address != original:
            self.note(place, f"{original} becomes {address}: floating addresses are .{VIP_FIRST} and above, private, "
                             "in one service network")
        return {"kind": "vip", "address": str(address)}

    def filesystem(self, device: str, mountpoint: str, fstype: str, options: str, place: str,
                   group: list[dict[str, Any]]) -> dict[str, Any] | None:
        """A file system on what ``device`` becomes: an NFS export (``server:path``) or an iSCSI LUN; None, with a note,
        where it can't be had."""
        if any(part["kind"] == "filesystem" for part in group):
            self.note(place, f"{mountpoint} on {device}: a service has one file system, and has it already; left out")
            return None
        if not _MOUNTPOINT.match(mountpoint) or mountpoint in self._mountpoints:
            self.note(place, f"{mountpoint} {'is mounted twice' if mountpoint in self._mountpoints else 'is no path'}; "
                             "left out")
            return None
        if device in self._volumes:
            self.note(place, f"{device}: another service mounts it already; left out")
            return None
        self._mountpoints.add(mountpoint)
        part: dict[str, Any] = {"kind": "filesystem", "mountpoint": mountpoint}
        if options and options != "defaults":
            part["options"] = options
        if device in self.drbd_devices:
            name = self._volumes[device] = self.drbd_devices[device]
            return {**part, "drbd": self._formatted(name, fstype, place)}
        name = self._free(identifier(PurePosixPath(device.rpartition(":")[2] or mountpoint).name, "disk"),
                          self._volumes.values())
        self._volumes[device] = name
        if fstype.startswith("nfs") or ":/" in device:
            server = self.helper("nfs-server", "storage")
            self.raw["storage"].setdefault("nfs", {"server": server, "exports": []})["exports"].append({"name": name})
            self.note(place, f"{device}: an export {name} of the machine {server}")
            return {**part, "export": name}
        host = self.helper("storage-host", "storage")
        if fstype not in ("ext3", "ext4"):
            self.note(place, f"{fstype or 'a file system'} on {device}: ext4 in its place")
            fstype = "ext4"
        self.raw["storage"].setdefault("iscsi", {"target": host, "luns": []})["luns"].append(
            {"name": name, "filesystem": fstype})
        self.note(place, f"{device}: an iSCSI LUN {name} of the machine {host}")
        return {**part, "lun": name}

    def mirror(self, original: str, place: str) -> str:
        """The DRBD resource ``original`` of which no drbd.conf was given."""
        name = self.drbd_devices.get(f"drbddisk::{original}")
        if name is None:
            mirrors = self.raw["storage"].setdefault("drbd", [])
            name = self._free(identifier(original, "resource"), [one["name"] for one in mirrors])
            self.note(place, f"the DRBD resource {original} has DRBD's own defaults (give drbd.conf along)")
            mirrors.append({"name": name})
            self.drbd_devices |= dict.fromkeys((f"drbddisk::{original}", f"/dev/drbd/by-res/{original}",
                                                f"/dev/drbd/by-res/{original}/0"), name)
        return name

    def _formatted(self, resource: str, fstype: str, place: str) -> str:
        """The DRBD ``resource``, with the file system that is wanted, or another, with a note."""
        mirror = next(one for one in self.raw["storage"]["drbd"] if one["name"] == resource)
        if fstype not in ("ext3", "ext4"):
            self.note(place, f"{fstype or 'a file system'} on the DRBD resource {resource}: ext4 in its place")
            fstype = "ext4"
        mirror["filesystem"] = fstype
        return resource

    def daemon(self, original: str, place: str, group: list[dict[str, Any]],
               agent: str | None = None) -> dict[str, Any] | None:
        """What a script or agent called ``original`` becomes; None, with a note, where a topology has nothing like
        it."""
        name = DAEMONS.get(original.lower())
        if original.lower() == "haproxy":
            self.note(place, f"{original}: not expressed: a topology has it with keepalived only")
            return None
        if name is None:
            self.note(place, f"{original}: not expressed: a topology has no such daemon (there are "
                             f"{', '.join(sorted(set(DAEMONS.values())))})")
            return None
        if any(part["kind"] == "daemon" for part in group):
            self.note(place, f"{original}: a service has one daemon, and has it already; left out")
            return None
        if name == "mariadb":
            disk = next((part for part in group if part["kind"] == "filesystem"), None)
            before = [one for made in self.raw["services"].values() for one in made["group"]
                      if one.get("name") == "mariadb"]
            if disk is None or before:
                why = "there is one already" if before else "it needs a file system that starts before it"
                self.note(place, f"{original}: not expressed: {why}")
                return None
            self._enlarge(disk)
        if name == "nfs-server" and not any(part["kind"] == "filesystem" and "export" not in part for part in group):
            self.note(place, f"{original}: not expressed: an nfs-server needs a file system that starts before it, on "
                             "a disk")
            return None
        if original not in _AGENTS[name]:
            self.note(place, f"{original}: in its place {name}")
            agent = None
        return {"kind": "daemon", "name": name, **({"agent": agent} if agent else {})}

    def _enlarge(self, disk: dict[str, Any]) -> None:
        """Room for a database on what ``disk`` is on."""
        storage = self.raw["storage"]
        for one in (*storage.get("iscsi", {}).get("luns", ()), *storage.get("nfs", {}).get("exports", ()),
                    *storage.get("drbd", ())):
            if one["name"] in (disk.get("lun"), disk.get("export"), disk.get("drbd")):
                one["size"] = _DATABASE_SIZE

    def unread(self, source: Source, block: Directive, known: Collection[str]) -> None:
        """Says what stands in ``block`` and is none of ``known``."""
        for one in block.unread(known):
            self.note(source.at(one.line), f"{' '.join(one.words)}: not expressed")

    def seconds(self, text: str, place: str) -> float:
        """The time ``text``.

        Raises:
            FencelineError: it is none.
        """
        try:
            return parse_duration(text)
        except ValueError as error:
            raise FencelineError(f"{place}: {error}") from error

    def number(self, text: str, place: str) -> int:
        """The whole number ``text``.

        Raises:
            FencelineError: it is none.
        """
        if not re.fullmatch(r"-?\d{1,9}", text):
            raise FencelineError(f"{place}: {text!r} is no number")
        return int(text)

    def finish(self, heartbeat_networks: int = 1) -> Draft:
        """Adds what every topology has and no original says: the networks."""
        raw = self.raw
        # no original has a budget: what Fenceline's own tuning needs, and the time after which a node is dead
        stack = raw["stack"]
        dead = {"pacemaker": 2.2 * parse_duration(stack.get("token", 1.0)), "keepalived": 0.0}.get(
            stack["kind"], parse_duration(stack.get("deadtime", 0.0)))
        for one in raw["services"].values():
            one["failover_budget"] = format_duration(round(30 + dead))
        service = self._service_net or _ELSEWHERE
        base = next(number for number in range(90, 250)
                    if not ipaddress.IPv4Network(f"10.{number}.0.0/16").overlaps(service))
        if raw["storage"]:
            raw["networks"]["storage"] = {"role": "storage", "subnet": f"10.{base}.3.0/24"}
        else:
            del raw["storage"]
        raw["networks"]["service"] = {"role": "service", "subnet": str(service)}
        for index in range(heartbeat_networks):
            name = "heartbeat" if heartbeat_networks == 1 else f"heartbeat-{index + 1}"
            raw["networks"][name] = {"role": "heartbeat", "subnet": f"10.{base}.{10 + index}.0/24"}
        raw["networks"]["management"] = {"role": "management", "subnet": f"10.{base}.4.0/24"}
        return self

    @staticmethod
    def _free(name: str, taken: Any) -> str:
        found, number = name, 2
        while found in taken:
            found, number = f"{name[:27]}-{number}", number + 1
        return found


def is_address(text: str) -> bool:
    """Whether ``text`` is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def identifier(original: str, otherwise: str) -> str:
    """``original`` as a name that a topology takes, or ``otherwise`` where nothing is left of it."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", original).strip("-")[:31] or otherwise

