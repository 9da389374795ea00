"""cluster.conf of cman and rgmanager as a topology on Corosync and Pacemaker with the same meaning; see
cluster.conf(5), rgmanager(8) and the tables of the Cluster Administration guide."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.corosync import QUORUM_HOST
from fenceline.importers.draft import Draft
from fenceline.importers.fencedevices import IPMI
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element, parse_xml
from fenceline.model.units import format_duration

#: The order in which rgmanager starts siblings of these types; others follow, as in the file.
_LEVELS = ("lvm", "fs", "clusterfs", "netfs", "nfsexport", "nfsclient", "ip", "smb", "script")
_KNOWN = frozenset({"cman", "clusternodes", "fencedevices", "fence_daemon", "totem", "quorumd", "rm", "logging",
                    "fence_xvmd"})
_SERVICE = frozenset({"name", "domain", "recovery", "autostart", "exclusive"})
_RECOVERY = ("restart", "relocate", "restart-disable", "disable")


def import_cluster_conf(draft: Draft, source: Source) -> Draft:
    """Fills ``draft`` with what the file describes.

    Raises:
        FencelineError: there are no nodes or no services in it, or a value is none.
    """
    root = parse_xml(source)
    stack: dict[str, Any] = {"kind": "pacemaker", "quorum": {}}
    draft.raw["stack"] = stack
    nodes = [node for block in root.all("clusternodes") for node in block.all("clusternode") if node.get("name")]
    for node in nodes:
        draft.node(node.get("name"), source.at(node.line))
        if node.get("votes", "1") != "1":
            draft.note(source.at(node.line), f"{node.get('name')} has {node.get('votes')} votes: every node has one")
    if not nodes:
        raise FencelineError(f"{source.name} names no clusternode")
    links = 2 if any(next(node.all("altname"), None) for node in nodes) else 1
    _membership(draft, source, root, stack)
    _fencing(draft, source, root, nodes)
    for section in root.children:
        if section.tag not in _KNOWN:
            draft.note(source.at(section.line), f"<{section.tag}>: not expressed")
    rm = root.first("rm")
    if rm is None or not any(rm.all("service", "vm")):
        raise FencelineError(f"{source.name} has no service in <rm>")
    domains = {one.get("name"): one for block in rm.all("failoverdomains") for one in block.all("failoverdomain")}
    resources = {_key(one): one for block in rm.all("resources") for one in block.children}
    for one in rm.children:
        if one.tag == "service":
            _service(draft, source, one, domains, resources)
        elif one.tag not in ("failoverdomains", "resources"):
            draft.note(source.at(one.line), f"<{one.tag}> {one.get('name')}: not expressed")
    if not draft.raw["services"]:
        raise FencelineError(f"{source.name}: nothing of its services can be expressed")
    return draft.finish(links)


def _membership(draft: Draft, source: Source, root: Element, stack: dict[str, Any]) -> None:
    cman = root.first("cman") or Element("cman", {}, 1)
    totem, quorumd = root.first("totem"), root.first("quorumd")
    token = totem.get("token") if totem else ""
    if token:
        stack["token"] = format_duration(draft.number(token, source.at(totem.line)) / 1000)
    else:
        stack["token"] = "10s"
        draft.note(source.name, "totem has no token: 10s, cman's own default")
    if totem and totem.get("consensus"):
        stack["consensus"] = format_duration(draft.number(totem.get("consensus"), source.at(totem.line)) / 1000)
    for word in sorted(set(totem.attributes if totem else ()) - {"token", "consensus"}):
        draft.note(source.at(totem.line), f"totem {word}={totem.get(word)}: not expressed")
    quorum = stack["quorum"]
    quorum["policy"] = "two_node" if cman.get("two_node") == "1" else "majority"
    # cman forms as soon as it has the votes; rgmanager stops what it has when quorum is lost
    quorum.update(wait_for_all=False, without_quorum="stop")
    if quorumd:
        place = source.at(quorumd.line)
        quorum.clear()
        quorum.update(policy="qdevice", device=draft.helper(QUORUM_HOST, "quorum-device"), without_quorum="stop")
        draft.note(place, f"quorumd (quorum disk {quorumd.get('label') or quorumd.get('device')}): in its place a "
                          f"quorum device on the machine {QUORUM_HOST}")
        for one in quorumd.all("heuristic"):
            draft.note(source.at(one.line), f"heuristic {one.get('program')}: not expressed: the quorum device decides "
                                            "by whom it hears")
    for word in sorted(set(cman.attributes) - {"two_node", "expected_votes", "quorum_dev_poll"}):
        draft.note(source.at(cman.line), f"cman {word}={cman.get(word)}: not expressed")
    for one in cman.children:
        draft.note(source.at(one.line), f"cman <{one.tag}>: heartbeats travel as knet has them")


def _fencing(draft: Draft, source: Source, root: Element, nodes: list[Element]) -> None:
    """The first method of each node; rgmanager's order of methods can't be said."""
    devices = {one.get("name"): one for block in root.all("fencedevices") for one in block.all("fencedevice")}
    fencing: dict[str, Any] = {"method": "ipmi" if devices else "none"}
    if not devices:
        draft.note(source.name, "there is no fencedevice: nobody is fenced")
    for node in nodes:
        methods = [method for block in node.all("fence") for method in block.all("method")]
        place, name = source.at(node.line), draft.known_node(node.get("name"))
        used = [one for method in methods[:1] for one in method.all("device")]
        if devices and not used:
            draft.note(place, f"{node.get('name')} has no fencing device: here it has a BMC as the others")
        for method in methods[1:]:
            draft.note(source.at(method.line), f"method {method.get('name')} of {node.get('name')}: a second way to "
                                               "fence is not expressed")
        for one in used:
            device = devices.get(one.get("name"))
            agent = device.get("agent") if device else ""
            if agent not in IPMI:
                draft.note(source.at(one.line), f"{one.get('name')} ({agent or 'no such fencedevice'}): in its place a "
                                                "virtual BMC and fence_ipmilan")
            delay = one.get("delay") or (device.get("delay") if device else "")
            if delay:
                fencing.setdefault("delay", {})[name] = format_duration(draft.seconds(delay, source.at(one.line)))
            if one.get("action", device.get("action") if device else "") in ("off", "poweroff"):
                fencing["action"] = "off"
    daemon = root.first("fence_daemon")
    for word in ("post_fail_delay", "post_join_delay"):
        if daemon and daemon.get(word, "0") not in ("0", "3"):
            draft.note(source.at(daemon.line), f"{word}={daemon.get(word)}: fencing starts at once")
    draft.raw["fencing"] = fencing


def _key(one: Element) -> tuple[str, str]:
    return one.tag, one.get("address") or one.get("name")


def _service(draft: Draft, source: Source, service: Element, domains: dict[str, Element],
             resources: dict[tuple[str, str], Element]) -> None:
    place, name = source.at(service.line), service.get("name") or "service"
    group: list[dict[str, Any]] = []
    for one in _in_order(service):
        shared = resources.get((one.tag, one.get("ref"))) if one.get("ref") else one
        if shared is None:
            draft.note(source.at(one.line), f"{name}: <{one.tag} ref={one.get('ref')!r}> is no resource; left out")
            continue
        part = _part(draft, source, shared, group)
        if part:
            group.append(part)
    if service.get("autostart", "1") in ("0", "no"):
        draft.note(place, f"{name}: autostart={service.get('autostart')}: it starts with the cluster")
    if service.get("exclusive", "0") not in ("0", "no"):
        draft.note(place, f"{name}: exclusive: not expressed: other services may run beside it")
    for word in sorted(set(service.attributes) - _SERVICE):
        draft.note(place, f"{name}: {word}={service.get(word)}: not expressed")
    made = draft.service(name, place, group, _domain(draft, source, service, domains))
    recovery = service.get("recovery", "restart")
    if recovery not in _RECOVERY:
        draft.note(place, f"{name}: recovery {recovery}: restart in its place")
    elif made and recovery != "restart":
        draft.raw["services"][made]["recovery"] = recovery


def _in_order(parent: Element) -> list[Element]:
    """The resources below ``parent`` as they start: siblings by the level of their type, children after their
    parent."""
    def level(one: Element) -> int:
        return _LEVELS.index(one.tag) if one.tag in _LEVELS else len(_LEVELS)
    found = []
    for one in sorted(parent.children, key=level):
        found += [one, *_in_order(one)]
    return found


def _part(draft: Draft, source: Source, one: Element, group: list[dict[str, Any]]) -> dict[str, Any] | None:
    place = source.at(one.line)
    if one.tag == "ip":
        return draft.vip(one.get("address"), place, group)
    if one.tag in ("fs", "clusterfs"):
        if one.tag == "clusterfs":
            draft.note(place, f"clusterfs {one.get('name')}: mounted where its service runs, not everywhere")
        part = draft.filesystem(one.get("device"), one.get("mountpoint"), one.get("fstype"), one.get("options"), place)
        if one.get("self_fence", "0") not in ("0", "no"):
            draft.note(place, f"{one.get('name')}: self_fence: a node that can't unmount is fenced by the others")
        return part
    if one.tag == "netfs":
        return draft.filesystem(f"{one.get('host')}:{one.get('export')}", one.get("mountpoint"),
                                one.get("fstype", "nfs"), one.get("options"), place)
    if one.tag == "script":
        return draft.daemon(PurePosixPath(one.get("file") or one.get("name")).name, place, group)
    if one.tag in ("apache", "mysql", "nginx"):
        return draft.daemon(one.tag, place, group)
    draft.note(place, f"<{one.tag}> {one.get('name') or one.get('ref')}: not expressed")
    return None


def _domain(draft: Draft, source: Source, service: Element, domains: dict[str, Element]) -> dict[str, Any]:
    """rgmanager's failover domain; fail-back is its default in an ordered one."""
    name = service.get("domain")
    domain = domains.get(name)
    if domain is None:
        if name:
            draft.note(source.at(service.line), f"the failover domain {name} does not exist: any node")
        return {"ordered": False}
    nodes: list[tuple[int, str]] = []
    for one in domain.all("failoverdomainnode"):
        node = draft.known_node(one.get("name"))
        if node is None:
            draft.note(source.at(one.line), f"{one.get('name')} of the failover domain {name} is no clusternode")
        elif node not in [other for _, other in nodes]:
            priority = one.get("priority", "0")
            nodes.append((int(priority) if re.fullmatch(r"\d{1,3}", priority) else 0, node))
    ordered = domain.get("ordered") in ("1", "yes")
    if ordered:
        nodes.sort(key=lambda pair: pair[0])
    return {"nodes": [node for _, node in nodes], "ordered": ordered,
            "restricted": domain.get("restricted") in ("1", "yes") and bool(nodes),
            "failback": ordered and domain.get("nofailback", "0") in ("0", "no")}
