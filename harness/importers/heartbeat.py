"""ha.cf and haresources as a topology. Pure functions: text in, raw topology and notes out.

What a topology can't say, or says with something of its own in the place of the original (a ping node, httpd), is a
note: an import that is silent would be taken for the whole truth.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from harness.errors import FencelineError
from harness.model.addressing import CLIENT_NAME, VIP_FIRST
from harness.model.units import format_duration, parse_duration

#: Directives that say nothing of what the cluster does when something fails.
_SILENT = frozenset({"logfile", "debugfile", "logfacility", "use_logd", "conn_logd_time", "debug", "coredumps",
                     "compression", "compression_threshold", "traditional_compression", "crm", "apiauth", "hopfudge",
                     "autojoin", "baud", "syslogmsgfmt"})
_TIMES = ("keepalive", "warntime", "deadtime", "initdead", "deadping")
_WEB = frozenset({"httpd", "apache", "apache2", "nginx", "lighttpd"})


@dataclass
class Imported:
    """A raw topology, and in words what of the original is not in it."""

    raw: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def import_heartbeat(ha_cf: str, haresources: str, name: str = "imported") -> Imported:
    """The topology that a pair of configuration files describes.

    Raises:
        FencelineError: there are no nodes or no services in them.
    """
    found = Imported({})
    settings = _directives(ha_cf)
    nodes = [node for line in settings.get("node", ()) for node in line.split()]
    lines = _resource_lines(haresources)
    if not nodes:
        raise FencelineError("ha.cf names no node: there must be `node` directives (autojoin can't be imported)")
    if not lines:
        raise FencelineError("haresources has no service")
    raw = found.raw
    raw.update(name=name, description="imported from ha.cf and haresources")
    raw["nodes"] = {node: {} for node in nodes}
    raw["networks"] = {"heartbeat": {"role": "heartbeat", "subnet": "10.90.1.0/24"},
                       "management": {"role": "management", "subnet": "10.90.4.0/24"}}
    raw["stack"] = _stack(settings, found)
    raw["fencing"] = _fencing(settings, found)
    failback = settings.get("auto_failback", ["legacy"])[-1] in ("on", "yes", "legacy", "true")
    raw["services"] = {}
    for home, words in lines:
        if home not in nodes:
            found.notes.append(f"haresources: {home} is no node of ha.cf: its line is left out")
            continue
        service = "service" if len(lines) == 1 else f"service-{len(raw['services']) + 1}"
        group = [part for word in words if (part := _part(word, found))]
        if group:
            order = [home, *(node for node in nodes if node != home)]
            raw["services"][service] = {"group": group, "domain": {"nodes": order, "failback": failback}}
    _complete(found)
    return found


def _directives(text: str) -> dict[str, list[str]]:
    """{directive: [its arguments, a line each]}."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition("#")[0].strip().partition(" ")
        if word:
            found.setdefault(word.lower(), []).append(" ".join(rest.split()))
    return found


def _resource_lines(text: str) -> list[tuple[str, list[str]]]:
    """[(preferred node, resources)], continued lines joined."""
    found = []
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = line.partition("#")[0].split()
        if words:
            found.append((words[0], words[1:]))
    return found


def _stack(settings: dict[str, list[str]], found: Imported) -> dict[str, Any]:
    stack: dict[str, Any] = {"kind": "heartbeat"}
    for key in _TIMES:
        if key in settings:
            stack[key] = format_duration(parse_duration(settings[key][-1]))
    _missing_times(stack, found)
    if "udpport" in settings:
        stack["udpport"] = int(settings["udpport"][-1])
    media = [word for word in ("ucast", "mcast", "bcast") if word in settings]
    if media:
        stack["media"] = media[0]
        if media[0] == "mcast":
            words = settings["mcast"][0].split()
            stack["mcast_group"] = words[1]
            if len(words) > 2:
                stack["udpport"] = int(words[2])
    found.notes += [f"ha.cf: {word}: a second medium is left out; there is {media[0]}" for word in media[1:]]
    if "serial" in settings:
        found.notes.append("ha.cf: serial: there are no serial lines between the machines")
    for address in (address for line in settings.get("ping", ()) for address in line.split()):
        stack["ping"] = [CLIENT_NAME]
        found.notes.append(f"ha.cf: ping {address}: in its place Fenceline's own address among the clients is pinged")
    for line in settings.get("ping_group", ()):
        group, *addresses = line.split()
        stack.setdefault("ping_group", {})[group] = [CLIENT_NAME]
        found.notes.append(f"ha.cf: ping_group {group} ({', '.join(addresses)}): Fenceline's own address "
                           "among the clients is pinged in their place")
    for line in settings.get("respawn", ()):
        if line.endswith("/ipfail"):
            stack["ipfail"] = True
        else:
            found.notes.append(f"ha.cf: respawn {line}: left out")
    if settings.get("crm", ["no"])[-1] not in ("no", "off", "false"):
        found.notes.append("ha.cf: crm: with a resource manager heartbeat has no haresources; imported without")
    known = {*_TIMES, *_SILENT, "node", "udpport", "ucast", "mcast", "bcast", "serial", "ping", "ping_group",
             "respawn", "auto_failback", "stonith", "stonith_host"}
    found.notes += [f"ha.cf: {word} {' / '.join(lines)}: not expressed".replace(" :", ":")
                    for word, lines in settings.items() if word not in known]
    return stack


def _missing_times(stack: dict[str, Any], found: Imported) -> None:
    """ha.cf may leave times out; heartbeat's own defaults (ha.cf(5)): keepalive 2 s, deadtime 30 s."""
    seconds = {key: parse_duration(stack[key]) for key in _TIMES if key in stack}
    keepalive = seconds.setdefault("keepalive", 2.0)
    deadtime = seconds.setdefault("deadtime", 30.0)
    seconds.setdefault("warntime", (keepalive + deadtime) / 2)
    seconds.setdefault("initdead", max(20.0, 2 * deadtime))
    for key, value in seconds.items():
        if key not in stack:
            stack[key] = format_duration(value)
            found.notes.append(f"ha.cf: {key} is not there: {stack[key]} is taken")


def _fencing(settings: dict[str, list[str]], found: Imported) -> dict[str, Any]:
    devices = settings.get("stonith_host", []) + settings.get("stonith", [])
    if not devices:
        return {"method": "none"}
    if not any("ipmi" in line for line in devices):
        found.notes.append(f"ha.cf: STONITH by {devices[0].split()[1]}: in its place a virtual BMC and external/ipmi")
    return {"method": "ipmi"}


def _part(word: str, found: Imported) -> dict[str, Any] | None:
    """One resource of haresources, or None with a note."""
    script, *arguments = word.split("::")
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(/.*)?", script):
        script, arguments = "IPaddr", [script]
    if script in ("IPaddr", "IPaddr2") and arguments:
        return _vip(arguments[0], found)
    if script == "Filesystem" and len(arguments) >= 2:
        return _filesystem(arguments, found)
    if script in _WEB:
        if script != "nginx":
            found.notes.append(f"haresources: {script}: in its place nginx")
        return {"kind": "daemon", "name": "nginx"}
    found.notes.append(f"haresources: {word}: not expressed")
    return None


def _vip(text: str, found: Imported) -> dict[str, Any]:
    address = ipaddress.IPv4Address(text.split("/")[0])
    subnet = ipaddress.IPv4Network(f"{address}/24", strict=False)
    networks = found.raw["networks"]
    if not subnet.is_private:
        found.notes.append(f"haresources: {address} is no private address: its last number is kept, in 192.168.99.0/24")
        address = ipaddress.IPv4Address("192.168.99.0") + int(address) % 256
        subnet = ipaddress.IPv4Network("192.168.99.0/24")
    first = networks.setdefault("service", {"role": "service", "subnet": str(subnet)})
    network = ipaddress.IPv4Network(first["subnet"])
    number = int(address) % 256
    if number < VIP_FIRST:
        number += VIP_FIRST
    if network.network_address + number != address:
        found.notes.append(f"haresources: {address} becomes {network.network_address + number}: floating addresses are "
                           f".{VIP_FIRST} and above, in one service network")
    return {"kind": "vip", "address": str(network.network_address + number)}


def _filesystem(arguments: list[str], found: Imported) -> dict[str, Any]:
    device, mountpoint, *rest = arguments
    fstype = rest[0] if rest else "auto"
    found.raw["networks"].setdefault("storage", {"role": "storage", "subnet": "10.90.3.0/24"})
    part: dict[str, Any] = {"kind": "filesystem", "mountpoint": mountpoint}
    if len(rest) > 1:
        part["options"] = rest[1]
    storage = found.raw.setdefault("storage", {})
    name = re.sub(r"[^A-Za-z0-9-]", "-", PurePosixPath(device.partition(":")[2] or mountpoint).name) or "disk"
    if ":" in device:
        server = "nfs-server"
        found.raw["nodes"].setdefault(server, {"role": "storage", "memory": "256M"})
        exports = storage.setdefault("nfs", {"server": server, "exports": []})["exports"]
        found.notes.append(f"haresources: {device}: an export {name} of the machine {server}")
        return _with(part, "export", name, exports, {"name": name})
    host = "storage-host"
    found.raw["nodes"].setdefault(host, {"role": "storage", "memory": "256M"})
    luns = storage.setdefault("iscsi", {"target": host, "luns": []})["luns"]
    if fstype not in ("ext3", "ext4"):
        found.notes.append(f"haresources: {fstype} on {device}: ext4 in its place")
        fstype = "ext4"
    found.notes.append(f"haresources: {device}: an iSCSI LUN {name} of the machine {host}")
    return _with(part, "lun", name, luns, {"name": name, "filesystem": fstype})


def _with(part: dict[str, Any], key: str, name: str, known: list[dict[str, Any]],
          new: dict[str, Any]) -> dict[str, Any]:
    if name not in [one["name"] for one in known]:
        known.append(new)
    return {**part, key: name}


def _complete(found: Imported) -> None:
    """What a topology needs and the original did not have."""
    for name, service in found.raw["services"].items():
        kinds = {part["kind"] for part in service["group"]}
        if "vip" not in kinds:
            found.notes.append(f"services.{name} has no address: no client can ask it")
        if "daemon" in kinds and "filesystem" not in kinds:
            for part in service["group"]:
                if part["kind"] == "daemon":
                    part["document_root"] = "/var/www/html"
    found.raw["networks"].setdefault("service", {"role": "service", "subnet": "192.168.99.0/24"})
