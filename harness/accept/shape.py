"""The topology of a cluster whose CIB was handed over: what is promised, and what its machines, networks and disks are.
The CIB itself is run as it is; here stands what the witnesses look at and the judge goes by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from fenceline.accept.advice import CLUSTER_FILESYSTEMS
from fenceline.accept.agents import is_plain, ports, software
from fenceline.accept.budget import Budget
from fenceline.accept.cibview import Cib, Primitive, seconds
from fenceline.accept.fate import Fates
from fenceline.accept.fencetimes import delays, is_sbd, msgwait
from fenceline.accept.layout import QUORUM_HOST, Layout
from fenceline.accept.mirrors import mirrors
from fenceline.accept.original import Original
from fenceline.accept.outlets import Outlets
from fenceline.accept.placing import bonds, domain
from fenceline.accept.standins import StandIn
from fenceline.core.errors import FencelineError
from fenceline.importers.draft import identifier
from fenceline.model.units import format_duration

STORAGE_HOST, NFS_HOST = "storage-host", "nfs-server"
_NFS = re.compile(r"^[\w.-]+:/|^\[?[0-9a-f:]+\]?:/")


class Shape:
    """``raw`` is the topology; ``standins`` what runs in the place of what; ``links`` {path in a guest: what it points
    to}; ``questions`` what was assumed."""

    def __init__(self, original: Original, name: str, budget: Budget, fates: Fates, stood_in: frozenset[str]) -> None:
        self.original, self.cib, self.fates = original, original.cib, fates
        self._stood_in = stood_in
        self.standins: dict[str, StandIn] = {}
        self.links: dict[str, str] = {}
        #: {id of a resource: {parameter: what takes its value's place}}; "@device PATH@", "@group PATH@" and
        #: "@volume PATH@" are those of what the topology mounts at PATH
        self.parameters: dict[str, dict[str, str]] = {}
        self._locks = any(one.type == "controld" for one in self.cib.resources)
        self.questions: list[tuple[str, str, str]] = []
        self.ids: dict[str, str] = {}
        self.layout = Layout(original, fates)
        self.outlets = Outlets(self.cib, self.layout)
        self._ports = ports(original)
        self._volumes: dict[str, str] = {}
        #: {path: the file system there}
        self.mounts: dict[str, dict[str, Any]] = {}
        self.raw: dict[str, Any] = {"name": identifier(name, "adopted"), "description": "adopted from "
                                    + ", ".join(one.name for one in original.files)[:200]}
        self._storage: dict[str, Any] = {}
        services = self._services(budget)
        if not services:
            raise FencelineError(f"{self.cib.source.name}: nothing that it runs can be watched: there is no group and "
                                 "no resource that runs on one node at a time, nor a clone with an address")
        fencing = self._fencing()
        self.raw["nodes"] = self._nodes()
        self.raw["networks"] = self.layout.networks(bool(self._storage))
        if self._storage:
            self.raw["storage"] = self._storage
        self.raw["stack"] = self._stack()
        self.raw["fencing"] = fencing
        self.raw["services"] = services

    def _ask(self, place: str, question: str, assumed: str) -> None:
        self.questions.append((place, question, assumed))

    # machines

    def _nodes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in self.original.members:
            own = self.layout.names[name]
            found[own] = {"addresses": told} if (told := self.layout.addresses(name)) else {}
        helpers = {STORAGE_HOST: ("storage", "iscsi" in self._storage or self._uses_sbd),
                   NFS_HOST: ("storage", "nfs" in self._storage),
                   QUORUM_HOST: ("quorum-device", self.original.has_device)}
        found |= {name: {"role": role, "memory": "256M"} for name, (role, there) in helpers.items() if there}
        return found

    @property
    def _uses_sbd(self) -> bool:
        return any(is_sbd(one) for one in self.cib.devices)

    # cluster software

    def _stack(self) -> dict[str, Any]:
        corosync = self.original.corosync
        quorum: dict[str, Any] = {"policy": "two_node" if self.original.is_two_node else "majority"}
        if self.original.has_device:
            told = corosync.last("quorum", "device", "net", "algorithm")
            quorum = {"policy": "qdevice", "device": QUORUM_HOST,
                      "algorithm": told.value if told and told.value in ("ffsplit", "lms") else "ffsplit"}
        elif corosync is not None:
            waits, two = corosync.last("quorum", "wait_for_all"), corosync.last("quorum", "two_node")
            quorum["wait_for_all"] = waits.value == "1" if waits else two is not None and two.value == "1"
        policy = self.original.option("no-quorum-policy")
        word = {"fence": "suicide", "demote": "stop"}.get(policy.value, policy.value) if policy else "stop"
        if word in ("stop", "freeze", "ignore", "suicide"):
            quorum["without_quorum"] = word
        found: dict[str, Any] = {"kind": "pacemaker", "config": "../adopted", **self.layout.timing(), "quorum": quorum}
        if self.ids:
            found["ids"] = self.ids
        return found

    def _fencing(self) -> dict[str, Any]:
        cib = self.cib
        if not cib.is_on("stonith-enabled", True) or not (cib.devices or cib.is_on("have-watchdog", False)):
            return {"method": "none"}
        timeout = self.original.option("stonith-timeout")
        found: dict[str, Any] = {"method": "ipmi", "timeout": format_duration((seconds(timeout.value) if timeout
                                                                               else None) or 60.0)}
        action = self.original.option("stonith-action")
        if action and action.value.lower() in ("off", "poweroff"):
            found["action"] = "off"
        told = {self.layout.names[name]: format_duration(wait) for name, wait in delays(self.original).items() if wait}
        if told and len(set(told.values())) + (len(told) < len(self.original.members)) > 1:
            found["delay"] = told
        found |= self.outlets.fencing()
        if self._uses_sbd:
            found |= {"method": "sbd", "sbd": self._sbd(), "action": "reboot"}
        return found

    def _sbd(self) -> dict[str, Any]:
        dump = self.original.sbd_dump
        settings = self.original.sbd_settings
        told = settings.all("sbd_device") if settings else []
        disks = [one for _, words in told for one in re.split(r"[;\s]+", " ".join(words)) if one] or [
            disk for disk, _ in dump] or ["/dev/fenceline/sbd"]
        watchdog = max((float(values["watchdog"].value) for _, values in dump if "watchdog" in values), default=5.0)
        luns = []
        for index, disk in enumerate(disks[:3], 1):
            name = f"sbd-{index}"
            luns.append(name)
            self.links[disk] = f"/dev/fenceline/{name}"
            self._luns().append({"name": name, "filesystem": None, "size": "16M"})
        return {"luns": luns, "watchdog_timeout": format_duration(min(60.0, watchdog)),
                "msgwait": format_duration(msgwait(self.original) or 2 * watchdog)}

    # services

    def _services(self, budget: Budget) -> dict[str, Any]:
        cib = self.cib
        found: dict[str, Any] = {}
        units: dict[str, list[Primitive]] = {}
        for one in cib.resources:
            units.setdefault(one.unit, []).append(one)
        for unit, parts in units.items():
            if unit in cib.clones:
                found |= self._clone(unit, parts, budget)
                continue
            name = identifier(unit, "service")
            while name in found:
                name = f"{name[:27]}-{len(found)}"
            group = [part for one in parts for part in self._part(one)]
            if not any(part["kind"] in ("vip", "filesystem", "resource") for part in group):
                continue
            self._asked(group)
            found[name] = {"group": group, "domain": domain(self.original, self.layout, unit, parts),
                           "failover_budget": format_duration(budget.total)}
            if name != unit:
                self.ids[name] = unit
        own = {self.ids.get(name, name): name for name, told in found.items() if told.get("active") != "all"}
        for unit, name in own.items():
            found[name] |= bonds(self.cib, unit, own)
        return found

    def _clone(self, unit: str, parts: list[Primitive], budget: Budget) -> dict[str, Any]:
        """What runs on every node: a service that is active on all, where it has a cluster file system or a daemon that
        clients ask; else it is run, and not watched."""
        group = []
        for one in parts:
            if one.type == "Filesystem" and one.value("fstype").lower() not in CLUSTER_FILESYSTEMS:
                if _NFS.match(one.value("device")):
                    list(self._filesystem(one))
                continue
            group += [part for part in self._part(one) if part["kind"] == "filesystem" or part.get("port")]
        inner = next((outer.get("id") for outer in parts[0].above if outer.tag == "group"), parts[0].id)
        name = identifier(inner, "service")
        if not group or self.cib.is_promotable(unit):
            self.fates.say(parts[0].place, "kept", f"{unit} runs on every node; no client of ours asks it")
            return {}
        if name != inner:
            self.ids[name] = inner
        return {name: {"group": group, "active": "all", "failover_budget": format_duration(budget.total)}}

    def _part(self, one: Primitive) -> Iterator[dict[str, Any]]:
        if one.type in ("IPaddr2", "IPaddr") and one.provider == "heartbeat":
            address = self.layout.vip(one)
            if address is not None:
                yield {"kind": "vip", "address": str(address), **_monitor(one)}
        elif one.type == "Filesystem" and one.provider == "heartbeat":
            yield from self._filesystem(one)
        elif self._is_plain(one):
            return
        elif (known := software(self.original, one, self._stood_in)) is not None:
            yield {"kind": "resource", "agent": one.agent, "port": known.port, "process": known.process,
                   "packages": list(known.packages), "ask": dict(known.ask), **_monitor(one)}
        else:
            yield self._stand_in(one, [other for other in self.cib.units.get(one.unit, ())])

    def _is_plain(self, one: Primitive) -> bool:
        """Whether ``one`` is run as it is and has nothing to be watched: lock managers and shared volumes, too."""
        if self._locks and (one.type in ("controld", "lvmlockd") or (
                one.type == "LVM-activate" and one.value("vg_access_mode") == "lvmlockd")):
            return True
        return is_plain(one)

    def _stand_in(self, one: Primitive, beside: list[Primitive]) -> dict[str, Any]:
        mounts = [other.value("directory") for other in beside if other.type == "Filesystem"
                  and other.value("directory") and beside.index(other) < beside.index(one)]
        port = self._ports.get(one.id, 0)
        stops = self._slow_stop(one)
        made = self.standins[one.id] = StandIn(one.id, port, 1.0 if port else 0.0, stops,
                                               mounts[-1] if mounts and port else "-")
        where = f"listens on {port}, " if port else ""
        writes = f"writes into {made.folder}, " if made.folder != "-" else ""
        self.fates.say(one.place, "stood in", f"{one.id} ({one.agent}): a stand-in of the same id, operations and meta "
                                              f"attributes; {where}{writes}starts in {made.starts:g} s, stops in "
                                              f"{made.stops:g} s")
        if port:
            self._ask(one.place, f"How long do the start and the stop of {one.id} take, and where does it listen?",
                      f"starts in {made.starts:g} s, stops in {made.stops:g} s, port {port}")
        part: dict[str, Any] = {"kind": "resource", "agent": _agent(one), **_monitor(one)}
        if port:
            part |= {"port": port, "process": made.process, "ask": {"http": "/"}}
        return part

    def _slow_stop(self, one: Primitive) -> float:
        """A database that is told to shut down slowly does."""
        for own in self.original.own:
            if one.type in ("mariadb", "mysql", "mysqld") and re.search(
                    r"^\s*innodb_fast_shutdown\s*=\s*0", own.source.text, re.MULTILINE):
                return 30.0
        return 0.0

    @staticmethod
    def _asked(group: list[dict[str, Any]]) -> None:
        """Clients ask what stands in front: the last that listens."""
        asked = [part for part in group if part.get("ask")]
        for part in asked[:-1]:
            del part["ask"]
        if not any(part["kind"] == "vip" for part in group):
            for part in asked:
                part.pop("ask", None)

    def _luns(self) -> list[dict[str, Any]]:
        return self._storage.setdefault("iscsi", {"target": STORAGE_HOST, "luns": []})["luns"]

    def _filesystem(self, one: Primitive) -> Iterator[dict[str, Any]]:
        device, where, fstype = one.value("device"), one.value("directory"), one.value("fstype").lower()
        if not re.fullmatch(r"/[A-Za-z0-9/_.-]+", where) or where in self.mounts:
            self.fates.say(one.place, "left out", f"{one.id}: {where or 'no directory'}: not watched; it is run")
            return
        part = {"kind": "filesystem", "mountpoint": where, "options": one.value("options") or "defaults",
                "monitor_depth": 0, **_monitor(one)}
        if _NFS.match(device) or fstype.startswith("nfs"):
            name = self._volume(device, PurePosixPath(device.rpartition(":")[2] or where).name)
            exports = self._storage.setdefault("nfs", {"server": NFS_HOST, "exports": []})["exports"]
            exports.append({"name": name})
            self.parameters[one.id] = {"device": f"@device {where}@"}
            self.fates.say(one.parameters.get("device", ("", one.place))[1], "stood in",
                           f"{device}: the export {name} of the machine {NFS_HOST}")
            self.mounts[where] = {**part, "export": name}
            yield self.mounts[where]
            return
        if device.startswith("/dev/drbd"):
            mirror = self._mirror(device)
            if mirror is not None:
                self.mounts[where] = {**part, "drbd": mirror}
                yield self.mounts[where]
                return
        if self._locks and fstype in CLUSTER_FILESYSTEMS:
            self.mounts[where] = {**part, "lun": self._shared(one, device, where, fstype)}
            yield self.mounts[where]
            return
        name = self._volume(device, PurePosixPath(device).name or where)
        lun: dict[str, Any] = {"name": name, "filesystem": fstype if fstype in ("ext3", "ext4") else "ext4"}
        files = dict(_pages(self.original, where))
        if files:
            lun["files"] = files
        self._luns().append(lun)
        self.links[device] = f"/dev/fenceline/{name}"
        other = "" if fstype in ("ext3", "ext4") else f", with ext4 in the place of {fstype or 'what is on it'}"
        place = one.parameters.get("device", ("", one.place))[1]
        if other:
            self.parameters[one.id] = {"fstype": "ext4"}
        self.mounts[where] = {**part, "lun": name}
        self.fates.say(place, "stood in", f"{device}: a LUN of the machine {STORAGE_HOST} under this name{other}")
        yield self.mounts[where]

    def _shared(self, one: Primitive, device: str, where: str, fstype: str) -> str:
        """A LUN with a cluster file system, on the volume group that all nodes share where the original is on one."""
        volume = next((other for other in self.cib.resources if other.type == "LVM-activate"
                       and other.value("vgname") and other.value("vgname") in device.split("/")), None)
        name = self._volume(device, PurePosixPath(device).name)
        lun: dict[str, Any] = {"name": name, "filesystem": fstype, "size": "256M"}
        if volume is not None:
            lun["clustered_lvm"] = True
            self.parameters[volume.id] = {"vgname": f"@group {where}@", "lvname": f"@volume {where}@"}
            self.fates.say(volume.place, "stood in", f"the volume group {volume.value('vgname')} has another name, "
                                                     f"on the LUN {name} of {STORAGE_HOST}")
        self.parameters[one.id] = {"device": f"@device {where}@"}
        self._luns().append(lun)
        self.fates.say(one.parameters.get("device", ("", one.place))[1], "stood in",
                       f"{device}: {fstype} on the LUN {name}")
        return name

    def _volume(self, device: str, wanted: str) -> str:
        if device not in self._volumes:
            name = identifier(wanted, "disk")
            while name in self._volumes.values():
                name = f"{name[:27]}-{len(self._volumes)}"
            self._volumes[device] = name
        return self._volumes[device]

    def _mirror(self, device: str) -> str | None:
        """The DRBD resource that ``device`` is, made when it is new."""
        made = self._storage.setdefault("drbd", [])
        if not made:
            made += mirrors(self.original, self.fates)
        index = int(device[9:]) if re.fullmatch(r"/dev/drbd\d{1,3}", device) else None
        named = re.match(r"/dev/drbd/by-res/([^/]+)", device)
        found = next((one for number, one in enumerate(made) if number == index
                      or (named and one["name"] == identifier(named[1], "r"))), made[0] if len(made) == 1 else None)
        if found is None:
            if not made:
                del self._storage["drbd"]
            return None
        if index != (number := made.index(found)):
            self.links[device] = f"/dev/drbd{number}"
        return found["name"]


def _monitor(one: Primitive) -> dict[str, str]:
    told = [op.interval for op in one.ops("monitor") if op.interval > 0]
    return {"monitor": format_duration(min(told) if told else 0.0)}


def _agent(one: Primitive) -> str:
    """The agent as a topology takes it."""
    kind = one.kind if one.kind in ("ocf", "systemd", "lsb") else "ocf"
    name = re.sub(r"[^A-Za-z0-9_.@-]", "-", one.type) or "unknown"
    return f"ocf:{one.provider or 'heartbeat'}:{name}" if kind == "ocf" else f"{kind}:{name}"


def _pages(original: Original, mountpoint: str) -> Iterator[tuple[str, str]]:
    """Files that a daemon's own configuration wants to find below ``mountpoint``: a page at its root, the folders of
    its logs."""
    for own in original.own:
        for word, path in re.findall(r"^\s*(\w+)\s+[\"']?(/[\w./-]+)", own.source.text, re.MULTILINE):
            inside = PurePosixPath(path)
            if not inside.is_relative_to(mountpoint) or str(inside) == mountpoint:
                continue
            relative = inside.relative_to(mountpoint)
            if word.lower() in ("documentroot", "root"):
                yield f"{relative}/index.html", "adopted\n"
            elif relative.suffix and str(relative.parent) != ".":
                yield f"{relative.parent}/keep", ""


def check(cib: Cib) -> None:
    """Raises:
        FencelineError: two resources have one id.
    """
    seen: set[str] = set()
    for one in cib.primitives:
        if one.id in seen or not one.id:
            raise FencelineError(f"{one.place}: {one.id + ' is there twice' if one.id else 'a resource without an id'}")
        seen.add(one.id)
