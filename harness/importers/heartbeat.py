"""ha.cf, haresources and authkeys as a topology; see ha.cf(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.draft import Draft, identifier
from fenceline.importers.kinds import FileKind, Files, file_kind
from fenceline.importers.source import Source
from fenceline.model.addressing import CLIENT_NAME
from fenceline.model.units import format_duration

#: Directives that say nothing of what the cluster does when something fails.
_SILENT = frozenset({"logfile", "debugfile", "logfacility", "use_logd", "conn_logd_time", "debug", "coredumps",
                     "compression", "compression_threshold", "traditional_compression", "apiauth", "hopfudge",
                     "autojoin", "baud", "syslogmsgfmt"})
_TIMES = ("keepalive", "warntime", "deadtime", "initdead", "deadping")
_READ = frozenset({*_TIMES, "node", "udpport", "ucast", "mcast", "bcast", "serial", "ping", "ping_group", "respawn",
                   "auto_failback", "stonith", "stonith_host", "crm"})
_MEDIA = ("ucast", "mcast", "bcast")
_MOST_LINKS = 8
_ON = ("on", "yes", "true", "legacy")


@dataclass(frozen=True, slots=True)
class _Line:
    """The arguments of a directive, and where it stands."""

    text: str
    place: str


def import_heartbeat(draft: Draft, ha_cf: Source, haresources: Source, authkeys: Source | None = None) -> Draft:
    """Fills ``draft`` with what the files describe.

    Raises:
        FencelineError: there are no nodes or no services in them, or an argument is none.
    """
    settings = _directives(ha_cf)
    for line in settings.get("node", ()):
        for node in line.text.split():
            draft.node(node, line.place)
    lines = _resource_lines(haresources)
    if not draft.cluster_nodes:
        raise FencelineError(f"{ha_cf.name} names no node: there must be `node` directives (autojoin can't be "
                             "imported)")
    if not lines:
        raise FencelineError(f"{haresources.name} names no service")
    links = _links(draft, settings)
    draft.raw["stack"] = _stack(draft, ha_cf, settings)
    _authkeys(draft, authkeys)
    _fencing(draft, settings)
    failback = settings.get("auto_failback", [_Line("legacy", "")])[-1].text in _ON
    for place, home, words in lines:
        if draft.known_node(home) is None:
            draft.note(place, f"{home} is no node of {ha_cf.name}: its line is left out")
            continue
        name = "service" if len(lines) == 1 else f"service-{len(draft.raw['services']) + 1}"
        group: list[dict[str, Any]] = []
        mirror = None
        for word in words:
            script, *arguments = word.split("::")
            if script == "Filesystem" and mirror and arguments and arguments[0].startswith("/dev/drbd"):
                # no drbd.conf says so: the one that was promoted just before
                draft.drbd_devices.setdefault(arguments[0], mirror)
            part = _part(draft, word, place, group)
            mirror = draft.drbd_devices.get(word, mirror)
            if part:
                group.append(part)
        first = draft.known_node(home)
        order = [first, *(node for node in draft.cluster_nodes if node != first)]
        draft.service(name, place, group, {"nodes": order, "failback": failback})
    if not draft.raw["services"]:
        raise draft.refused(f"{haresources.name}: nothing of its services can be expressed")
    return draft.finish(links)


def _directives(source: Source) -> dict[str, list[_Line]]:
    """{directive: [its arguments, a line each]}."""
    found: dict[str, list[_Line]] = {}
    for number, line in enumerate(source.text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            found.setdefault(words[0].lower(), []).append(_Line(" ".join(words[1:]), source.at(number)))
    return found


def _resource_lines(source: Source) -> list[tuple[str, str, list[str]]]:
    """[(place, preferred node, resources)], continued lines joined."""
    found, words, begun = [], [], 0
    for number, line in enumerate([*source.text.splitlines(), ""], 1):
        text = line.partition("#")[0].rstrip()
        if not words:
            begun = number
        words += text.rstrip("\\").split()
        if words and not text.endswith("\\"):
            found.append((source.at(begun), words[0], words[1:]))
            words = []
    return found


def _links(draft: Draft, settings: dict[str, list[_Line]]) -> int:
    """The number of networks that carry heartbeats: a device each, whatever the medium on it."""
    devices: dict[str, str] = {}
    for word in _MEDIA:
        for line in settings.get(word, ()):
            words = line.text.split()
            # bcast takes several devices; of ucast each node has its line, and reads its own too
            for device in words if word == "bcast" else words[:1]:
                devices.setdefault(device, line.place)
    if len(devices) > _MOST_LINKS:
        draft.note(list(devices.values())[_MOST_LINKS], f"{len(devices)} links: {_MOST_LINKS} of them are here")
    return max(1, min(len(devices), _MOST_LINKS))


def _stack(draft: Draft, source: Source, settings: dict[str, list[_Line]]) -> dict[str, Any]:
    stack: dict[str, Any] = {"kind": "heartbeat"}
    for key in _TIMES:
        if key in settings:
            stack[key] = format_duration(draft.seconds(settings[key][-1].text, settings[key][-1].place))
    _missing_times(draft, source, stack)
    if "udpport" in settings:
        stack["udpport"] = draft.number(settings["udpport"][-1].text, settings["udpport"][-1].place)
    media = [word for word in settings if word in _MEDIA]
    if media:
        stack["media"] = media[0]
        if media[0] == "mcast":
            words = settings["mcast"][0].text.split()
            if len(words) < 2:
                raise FencelineError(f"{settings['mcast'][0].place}: mcast has no group: mcast DEVICE GROUP PORT TTL "
                                     "LOOP")
            stack["mcast_group"] = words[1]
            if len(words) > 2:
                stack["udpport"] = draft.number(words[2], settings["mcast"][0].place)
    for word in media[1:]:
        for line in settings[word]:
            draft.note(line.place, f"{word} {line.text}: heartbeats travel by {media[0]} there, as on the first link")
    for line in settings.get("serial", ()):
        draft.note(line.place, f"serial {line.text}: there are no serial lines between the machines")
    _pings(draft, settings, stack)
    for line in settings.get("respawn", ()):
        if line.text.endswith("/ipfail"):
            stack["ipfail"] = True
        else:
            draft.note(line.place, f"respawn {line.text}: left out")
    for line in settings.get("crm", ()):
        if line.text not in ("no", "off", "false"):
            draft.note(line.place, f"crm {line.text}: with a resource manager heartbeat has no haresources; imported "
                                   "without")
    for word, lines in settings.items():
        if word not in _READ and word not in _SILENT:
            for line in lines:
                draft.note(line.place, f"{word} {line.text}".rstrip() + ": not expressed")
    return stack


def _pings(draft: Draft, settings: dict[str, list[_Line]], stack: dict[str, Any]) -> None:
    for line in settings.get("ping", ()):
        stack["ping"] = [CLIENT_NAME]
        draft.note(line.place, f"ping {line.text}: in its place Fenceline's own address among the clients is pinged")
    for line in settings.get("ping_group", ()):
        group, _, addresses = line.text.partition(" ")
        stack.setdefault("ping_group", {})[identifier(group, "group")] = [CLIENT_NAME]
        draft.note(line.place, f"ping_group {group} ({addresses}): Fenceline's own address among the clients is "
                               "pinged in their place")


def _missing_times(draft: Draft, source: Source, stack: dict[str, Any]) -> None:
    """ha.cf may leave times out; heartbeat's own defaults (ha.cf(5)): keepalive 2 s, deadtime 30 s."""
    seconds = {key: draft.seconds(stack[key], source.name) for key in _TIMES if key in stack}
    keepalive = seconds.setdefault("keepalive", 2.0)
    deadtime = seconds.setdefault("deadtime", 30.0)
    seconds.setdefault("warntime", (keepalive + deadtime) / 2)
    seconds.setdefault("initdead", max(20.0, 2 * deadtime))
    for key, value in seconds.items():
        if key not in stack:
            stack[key] = format_duration(value)
            draft.note(source.name, f"{key} is not there: {stack[key]} is taken")


def _authkeys(draft: Draft, source: Source | None) -> None:
    """The method that ``auth N`` chooses; the secret is a new one for every cluster."""
    if source is None:
        return
    lines = _directives(source)
    chosen = lines["auth"][-1].text
    method = lines.get(chosen, [_Line("", source.name)])[-1]
    word = (method.text.split() or [""])[0]
    if word not in ("crc", "md5", "sha1"):
        raise FencelineError(f"{method.place}: auth {chosen} chooses {word or 'nothing'}: it must be crc, md5 or sha1")
    draft.raw["stack"]["auth"] = word


def _fencing(draft: Draft, settings: dict[str, list[_Line]]) -> None:
    devices = [("stonith_host", 1, line) for line in settings.get("stonith_host", ())]
    devices += [("stonith", 0, line) for line in settings.get("stonith", ())]
    for directive, place_of_type, line in devices:
        draft.raw["fencing"] = {"method": "ipmi"}
        words = line.text.split()
        kind = words[place_of_type] if len(words) > place_of_type else "nothing"
        if "ipmi" not in kind:
            draft.note(line.place, f"{directive}: STONITH by {kind}: in its place a virtual BMC and external/ipmi")


def _part(draft: Draft, word: str, place: str, group: list[dict[str, Any]]) -> dict[str, Any] | None:
    """One resource of haresources, or None with a note."""
    script, *arguments = word.split("::")
    if script == "drbddisk" and arguments:
        draft.mirror(arguments[0], place)
        return None  # promoted where its file system is mounted
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+(/.*)?", script):
        script, arguments = "IPaddr", [script]
    if script in ("IPaddr", "IPaddr2") and arguments:
        return draft.vip(arguments[0], place, group)
    if script == "Filesystem" and len(arguments) >= 2:
        return draft.filesystem(arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else "",
                                arguments[3] if len(arguments) > 3 else "", place, group)
    if script == "OCF" and arguments:
        script = arguments[0]
    elif script in ("Filesystem", "drbddisk", "LVM", "MailTo", "portblock"):
        draft.note(place, f"{word}: not expressed")
        return None
    return draft.daemon(script, place, group)


def _read(draft: Draft, files: Files) -> None:
    import_heartbeat(draft, files["ha.cf"][0], files["haresources"][0], next(iter(files.get("authkeys", ())), None))


_TOGETHER = "ha.cf and haresources"
file_kind(FileKind(
    name="ha.cf", order=10, read=_read, needs=frozenset({"haresources"}), together=_TOGETHER,
    beside=frozenset({"haresources", "authkeys", "drbd.conf"}),
    words=re.compile(r"^\s*(node|keepalive|deadtime|warntime|initdead|deadping|udpport|ucast|mcast|bcast|auto_failback|"
                     r"ping|ping_group|respawn|stonith|stonith_host|crm|use_logd|logfacility|debugfile|logfile|"
                     r"baud|serial|autojoin|watchdog)\b", re.MULTILINE)))
file_kind(FileKind(
    name="haresources", order=20, together=_TOGETHER, precedence=-1,  # the words of others look like it
    words=re.compile(r"^\s*[A-Za-z0-9][\w.-]*[ \t].*(::|\d+\.\d+\.\d+\.\d+)", re.MULTILINE)))
file_kind(FileKind(
    name="authkeys", order=30, together=_TOGETHER,
    words=re.compile(r"^\s*auth[ \t]+\d+[ \t]*(#.*)?$", re.MULTILINE)))
