"""keepalived.conf, one file or one of each director, as a topology; see keepalived.conf(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import Directive, parse_blocks
from fenceline.importers.draft import Draft, identifier
from fenceline.importers.kinds import FileKind, file_kind
from fenceline.importers.lvs import import_virtual_server
from fenceline.importers.source import Source
from fenceline.model.units import format_duration

#: Global definitions that say nothing of who is master.
_SILENT = frozenset({"notification_email", "notification_email_from", "smtp_server", "smtp_connect_timeout",
                     "smtp_alert", "router_id", "lvs_id", "enable_script_security", "script_user",
                     "vrrp_skip_check_adv_addr", "vrrp_version"})
_READ = frozenset({"state", "interface", "virtual_router_id", "priority", "advert_int", "nopreempt", "preempt",
                   "virtual_ipaddress", "unicast_peer", "unicast_src_ip", "mcast_src_ip", "track_script",
                   "authentication", "track_interface", "preempt_delay"})
#: What each director has of its own: a difference in these is read, or has no bearing.
_OWN = frozenset({"state", "priority", "nopreempt", "interface", "unicast_src_ip", "unicast_peer", "mcast_src_ip",
                  "authentication", "global_defs", "preempt_delay"})
_PROXIES = ("www1", "www2")


@dataclass(frozen=True, slots=True)
class _Director:
    """One file: the director ``name`` with its instances."""

    name: str
    source: Source
    root: Directive

    def instances(self) -> Iterator[Directive]:
        """Its vrrp_instances."""
        return (one for one in self.root.all("vrrp_instance") if one.body is not None and len(one.words) > 1)


def import_keepalived(draft: Draft, sources: Sequence[Source]) -> Draft:
    """Fills ``draft`` with what the files of the directors describe.

    Raises:
        FencelineError: there is no VRRP instance with an address in them, or an argument is none.
    """
    parsed = [(source, parse_blocks(source, "#!", by_line=True)) for source in sources]
    directors = _directors(draft, parsed)
    first = directors[0]
    names = dict.fromkeys(one.words[1] for director in directors for one in director.instances())
    if not names:
        raise FencelineError(f"{first.source.name} has no vrrp_instance: there is no address that could move")
    draft.raw["stack"] = {"kind": "keepalived"}
    services = {name: _instance(draft, directors, name, number) for number, name in enumerate(names)}
    if not draft.raw["services"]:
        raise draft.refused(f"{first.source.name}: no vrrp_instance has a virtual_ipaddress that can be expressed")
    _sync_groups(draft, first, services)
    for director in directors:
        _rest(draft, director)
    for other in directors[1:]:
        if other.source is not first.source:
            _differences(draft, first, other)
    return draft.finish()


def _directors(draft: Draft, parsed: list[tuple[Source, Directive]]) -> list[_Director]:
    """The directors; of a single file, those that it speaks of, with priorities below its own."""
    ids = []
    for _source, root in parsed:
        found = [one.value for block in root.all("global_defs") for one in block.all("router_id", "lvs_id")]
        # a name may be a full one; an address is none
        short = found[-1].split(".")[0] if found else ""
        ids.append("" if short.isdigit() else identifier(short, ""))
    distinct = len(parsed) > 1 and all(ids) and len(set(ids)) == len(ids)
    directors = []
    for index, (source, root) in enumerate(parsed):
        name = draft.node(ids[index] if distinct else f"lb{index + 1}", source.at(1))
        directors.append(_Director(name, source, root))
    if len(parsed) == 1:
        source, root = parsed[0]
        peers = max((len(block.body or ()) for one in root.all("vrrp_instance") for block in one.all("unicast_peer")),
                    default=0)
        others = [draft.node(f"lb{number}", source.at(1)) for number in range(2, 2 + max(peers, 1))]
        draft.note(source.at(1), f"one director's file: {', '.join(others)} {'is' if len(others) == 1 else 'are'} "
                                 "taken to be the same, with a lower priority (or, where it says BACKUP, a higher one)")
    return directors


def _instance(draft: Draft, directors: list[_Director], name: str, number: int) -> str | None:
    """One VRRP instance, as all directors together have it; returns the service that it became."""
    told = [(director, one) for director in directors for one in director.instances() if one.words[1] == name]
    director, instance = told[0]
    place = director.source.at(instance.line)
    group: list[dict[str, Any]] = []
    addresses = [one for block in instance.all("virtual_ipaddress") for one in block.body or ()]
    servers: dict[str, list[Directive]] = {}
    for one in director.root.all("virtual_server"):
        if len(one.words) > 2:
            servers.setdefault(one.words[1], []).append(one)
    proxy = _proxy(draft, director, instance)
    # an address that is balanced comes before those that only move along
    addresses.sort(key=lambda one: one.name.split("/")[0] not in servers)
    for one in addresses:
        part = draft.vip(one.name, director.source.at(one.line), group)
        if part:
            group.append(part)
            balanced = servers.get(one.name.split("/")[0])
            answers = _balanced(draft, director.source, balanced) if balanced else proxy
            group += [answers] if answers else []
    if group and len(group) == 1:
        draft.note(place, f"{name}: nothing that a topology has answers on its address")
    order, failback = _order(draft, told, [one.name for one in directors])
    service = draft.service(name, place, group, {"nodes": order, "failback": failback})
    if service:
        _stack(draft, director, instance, number)
    for each, one in told:
        draft.unread(each.source, one, _READ)
        for block in one.all("authentication"):
            draft.note(each.source.at(block.line), "authentication: VRRP version 3 has none")
    return service


def _balanced(draft: Draft, source: Source, servers: list[Directive]) -> dict[str, Any] | None:
    """The first of the virtual servers on one address that can be had; an address has one here."""
    answers: dict[str, Any] | None = None
    for one in servers:
        if answers:
            protocol = one.last("protocol")
            draft.note(source.at(one.line), f"{' '.join(one.words)}{f' ({protocol.value})' if protocol else ''}: left "
                                            f"out: an address has one virtual server here, that on {answers['port']}")
        else:
            answers = import_virtual_server(draft, source, one)
    return answers


def _sync_groups(draft: Draft, director: _Director, services: dict[str, str | None]) -> None:
    """What moves together, of what became a service."""
    raw = draft.raw["services"]
    for group in director.root.all("vrrp_sync_group"):
        place = director.source.at(group.line)
        members = [services[name] for name in _members(group) if services.get(name)]
        if len(members) < 2:
            draft.note(place, f"vrrp_sync_group {group.value}: fewer than two of its services are left")
        elif any(raw[one]["domain"] != raw[members[0]]["domain"] for one in members):
            draft.note(place, f"vrrp_sync_group {group.value}: left out, as its instances prefer different directors")
        else:
            name = identifier(group.value, "front")
            draft.raw["stack"].setdefault("sync_groups", {})[name] = members
        draft.unread(director.source, group, frozenset({"group"}))


def _members(group: Directive) -> list[str]:
    return [one.name for block in group.all("group") for one in block.body or ()]


def _order(draft: Draft, told: list[tuple[_Director, Directive]], names: list[str]) -> tuple[list[str], bool]:
    """([directors, best first], whether the best takes the address back)."""
    ranks: dict[str, int] = {}
    for director, instance in told:
        one = instance.last("priority")
        ranks[director.name] = draft.number(one.value, director.source.at(one.line)) if one else 100
    order = sorted(ranks, key=lambda name: -ranks[name])
    equal = [name for name in order[1:] if ranks[name] == ranks[order[0]]]
    if equal:
        other, its = next((director, one) for director, one in told if director.name == equal[0])
        line = its.last("priority") or its
        draft.note(other.source.at(line.line), f"{' and '.join([order[0], *equal])} have the same priority "
                                               f"{ranks[order[0]]}: the higher address wins there, and neither "
                                               f"preempts the other; here {order[0]} is the first, without fail-back")
    others = [name for name in draft.cluster_nodes if name not in ranks]
    best, instance = next((director, one) for director, one in told if director.name == order[0])
    state = instance.last("state")
    is_backup = state is None or state.value != "MASTER"  # keepalived's default
    if len(names) == 1 and state is not None and is_backup and instance.last("nopreempt") is None:
        order = [*others, *order]
    else:
        order += others
    without = instance.last("nopreempt")
    if without is not None and not is_backup:
        draft.note(best.source.at(without.line), "nopreempt has no effect with the state MASTER: it preempts")
    for director, one in told:
        idle = one.last("nopreempt")
        if idle is not None and director is not best and without is None:
            draft.note(director.source.at(idle.line), f"nopreempt of {director.name}: without effect, as {best.name} "
                                                      "is preferred and has none: that preempts")
    return order, (without is None or not is_backup) and not equal


def _stack(draft: Draft, director: _Director, instance: Directive, number: int) -> None:
    """The stack's timing is one for all: the first instance's."""
    stack, source = draft.raw["stack"], director.source
    wait = instance.last("preempt_delay")
    if wait:
        seconds = min(draft.seconds(wait.value, source.at(wait.line)), 1000.0)
        if stack.setdefault("preempt_delay", format_duration(seconds)) != format_duration(seconds):
            draft.note(source.at(wait.line), f"preempt_delay {wait.value}: it is {stack['preempt_delay']} for all "
                                             "instances")
    advert = instance.last("advert_int")
    interval = draft.seconds(advert.value, source.at(advert.line)) if advert else 1.0
    interface = instance.last("interface")
    devices = {one.words[one.words.index("dev") + 1] for block in instance.all("virtual_ipaddress")
               for one in block.body or () if "dev" in one.words[:-1]}
    own = interface.value if interface else ""
    told = {"advert_interval": format_duration(interval),
            "transport": "unicast" if instance.last("unicast_peer") else "multicast",
            "adverts_on": "heartbeat" if devices and own not in devices else "service"}
    for key, value in told.items():
        if stack.setdefault(key, value) != value:
            draft.note(source.at(instance.line), f"{key} {value}: it is {stack[key]} for all instances")
    identity = instance.last("virtual_router_id")
    if identity is None:
        return
    router_id = draft.number(identity.value, source.at(identity.line))
    if not number and 1 <= router_id <= 200:
        stack["router_id_first"] = router_id
    elif stack.get("router_id_first", 51) + number != router_id:
        draft.note(source.at(identity.line), f"virtual_router_id {router_id}: ids are counted from "
                                             f"{stack.get('router_id_first', 51)}")


def _proxy(draft: Draft, director: _Director, instance: Directive) -> dict[str, Any] | None:
    """HAProxy, if a script of the instance looks after it; every other thing that it tracks is a note."""
    source, found = director.source, None
    scripts = {one.words[1]: one for one in director.root.all("vrrp_script") if len(one.words) > 1}
    for one in (one for block in instance.all("track_interface") for one in block.body or ()):
        draft.note(source.at(one.line), f"track_interface {' '.join(one.words)}: not expressed: the director gives its "
                                        f"addresses away when {one.name} goes down")
    for tracked in (one for block in instance.all("track_script") for one in block.body or ()):
        script = scripts.get(tracked.name)
        place = source.at((script or tracked).line)
        command = script.last("script") if script else None
        if command is None:
            draft.note(place, f"track_script {tracked.name}: no such vrrp_script with a script")
        elif not re.search(r"haproxy", command.value):
            told = "".join(f", {one.name} {one.value}" for word in ("interval", "fall", "rise", "weight")
                           if (one := script.last(word)))
            draft.note(place, f"vrrp_script {tracked.name} ({command.value}{told}): not expressed: the director does "
                              "not give its addresses away by it")
        elif found is not None:
            draft.note(place, f"vrrp_script {tracked.name} ({command.value}): not expressed: the proxy has a "
                              "check already")
        else:
            found = _checked_proxy(draft, source, script, tracked)
    return found


def _checked_proxy(draft: Draft, source: Source, script: Directive, tracked: Directive) -> dict[str, Any]:
    """The HAProxy that ``script`` looks after."""
    interval = script.last("interval")
    if interval:
        seconds = max(draft.seconds(interval.value, source.at(interval.line)), 1.0)
        draft.raw["stack"]["check_interval"] = format_duration(seconds)
    weight = script.last("weight")
    if (weight and weight.value != "0") or "weight" in tracked.words:
        draft.note(source.at((weight or tracked).line), "weight: the instance gives its address away when the check "
                                                        "fails")
    for one in script.all("fall", "rise"):
        if one.value != "1":
            draft.note(source.at(one.line), f"{one.name} {one.value}: once counts here")
    draft.unread(source, script, frozenset({"script", "interval", "weight", "fall", "rise", "user", "timeout"}))
    servers = [draft.helper(name, "real-server") for name in _PROXIES]
    draft.note(source.at(script.line), f"haproxy.cfg is not read: the proxy hands requests to {' and '.join(servers)}, "
                                       "port 80")
    return {"kind": "daemon", "name": "haproxy", "real_servers": servers}


def _differences(draft: Draft, first: _Director, other: _Director) -> None:
    """What ``other`` has that ``first``, after which all is made, has not, and the other way round."""
    for mine, theirs in ((first, other), (other, first)):
        known = {path for path, _ in _lines_of(theirs.root, ())}
        for path, one in _lines_of(mine.root, ()):
            if path not in known:
                draft.note(mine.source.at(one.line), f"{' '.join(one.words)}: only {mine.name} has it; here it is as "
                                                     f"{first.name} has it")


def _lines_of(block: Directive, above: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Directive]]:
    """Every directive below ``block`` that is not a director's own, with the names of those that it is in."""
    for one in block.body or ():
        if one.name not in _OWN:
            path = (*above, one.words)
            yield path, one
            yield from _lines_of(one, path)


def _rest(draft: Draft, director: _Director) -> None:
    """What else is in the file."""
    source = director.source
    balanced = {one.name.split("/")[0] for instance in director.instances()
                for block in instance.all("virtual_ipaddress") for one in block.body or ()}
    tracked = {one.name for block in director.root.body for inner in block.all("track_script")
               for one in inner.body or ()}
    for one in director.root.body:
        place = source.at(one.line)
        if one.name == "vrrp_script" and one.value not in tracked:
            draft.note(place, f"vrrp_script {one.value}: no instance tracks it")
        if one.name in ("vrrp_instance", "vrrp_script", "vrrp_sync_group"):
            continue
        if one.name == "virtual_server":
            if len(one.words) < 3 or one.words[1] not in balanced:
                draft.note(place, f"{' '.join(one.words)}: its address is no instance's; left out")
        elif one.name == "global_defs":
            draft.unread(source, one, _SILENT)
        elif one.name == "include":
            draft.note(place, f"include {one.value}: not read")
        else:
            draft.note(place, f"{' '.join(one.words)}: not expressed")


file_kind(FileKind(
    name="keepalived.conf", order=40, several=True,
    read=lambda draft, files: import_keepalived(draft, files["keepalived.conf"]),
    words=re.compile(r"^\s*(global_defs|vrrp_\w+|virtual_server|virtual_server_group|static_\w+)\b", re.MULTILINE)))
