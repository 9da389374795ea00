"""cluster.conf of cman and rgmanager as a topology on Corosync and Pacemaker with the same meaning; see
cluster.conf(5), rgmanager(8) and the tables of the Cluster Administration guide."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from fenceline.core.errors import FencelineError
from fenceline.importers.cibvalues import shown
from fenceline.importers.corosync import QUORUM_HOST
from fenceline.importers.draft import Draft
from fenceline.importers.fencedevices import IPMI, REACHED_BY
from fenceline.importers.kinds import FileKind, file_kind
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element, parse_xml
from fenceline.model.units import format_duration

#: The order in which rgmanager starts siblings of these types; others follow, as in the file.
_LEVELS = ("lvm", "fs", "clusterfs", "netfs", "nfsexport", "nfsclient", "ip", "smb", "script")
_KNOWN = frozenset({"cman", "clusternodes", "fencedevices", "fence_daemon", "totem", "quorumd", "rm", "logging",
                    "fence_xvmd"})
_SERVICE = frozenset({"name", "domain", "recovery", "autostart", "exclusive"})
#: What is read of a resource, or has no bearing: names, and how a file system is found and unmounted.
_READ = {"ip": {"address", "ref"},
         "fs": {"name", "ref", "device", "mountpoint", "fstype", "options", "fsid", "self_fence", "force_unmount",
                "force_fsck"},
         "netfs": {"name", "ref", "host", "export", "mountpoint", "fstype", "options", "force_unmount"},
         "script": {"name", "ref", "file"}}
_READ["clusterfs"] = _READ["fs"]
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
        _rest(draft, source, node, {"name", "nodeid", "votes"}, node.get("name"))
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
    if rm is not None:
        _rest(draft, source, rm, {"log_level", "log_facility"}, "rm")
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
        raise draft.refused(f"{source.name}: nothing of its services can be expressed")
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
        _quorum_disk(draft, source, quorumd)
        for one in quorumd.all("heuristic"):
            draft.note(source.at(one.line), f"heuristic {one.get('program')}: not expressed: the quorum device decides "
                                            "by whom it hears")
    votes = sum(int(one.get("votes", "1")) if re.fullmatch(r"\d{1,4}", one.get("votes", "1")) else 1
                for block in root.all("clusternodes") for one in block.all("clusternode"))
    expected = cman.get("expected_votes")
    if expected and not quorumd and quorum["policy"] != "two_node" and expected != str(votes):
        draft.note(source.at(cman.line), f"cman expected_votes={expected}, and the nodes have {votes}: here each node "
                                         "has a vote, and all are expected")
    for word in sorted(set(cman.attributes) - {"two_node", "expected_votes", "quorum_dev_poll"}):
        draft.note(source.at(cman.line), f"cman {word}={cman.get(word)}: not expressed")
    for one in cman.children:
        draft.note(source.at(one.line), f"cman <{one.tag}>: heartbeats travel as knet has them")


def _quorum_disk(draft: Draft, source: Source, quorumd: Element) -> None:
    """What else the quorum disk says; above all after how long it takes a node for dead."""
    place = source.at(quorumd.line)
    interval, tko = quorumd.get("interval", "1"), quorumd.get("tko", "10")
    if "interval" in quorumd.attributes or "tko" in quorumd.attributes:
        dead = draft.number(interval, place) * draft.number(tko, place)
        draft.note(place, f"quorumd interval={interval} tko={tko}: a node counts as dead after {dead} s: not "
                          "expressed: here the token alone says so")
    _rest(draft, source, quorumd, {"label", "device", "interval", "tko"}, "quorumd")


def _rest(draft: Draft, source: Source, element: Element, known: Collection[str], name: str) -> None:
    """Says which attributes of ``element`` are none of ``known``."""
    for word in sorted(set(element.attributes) - set(known)):
        draft.note(source.at(element.line), f"{name}: {shown(word, element.get(word))}: not expressed")


def _action(used: Sequence[Element], devices: Mapping[str, Element]) -> str:
    """What the devices of a method, one after the other, do in the end: a node that is switched off by two power
    supplies and then on again is rebooted. ``option`` is what ``action`` was called before RHEL 6."""
    words = [word.lower() for one in used for device in [devices.get(one.get("name"), Element("", {}, 1))]
             if (word := one.get("action") or one.get("option") or device.get("action") or device.get("option"))]
    off = [index for index, word in enumerate(words) if word in ("off", "poweroff", "powerdown")]
    return "off" if off and not any(word in ("on", "reboot", "cycle") for word in words[off[0]:]) else "reboot"


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
            _rest(draft, source, one, {"name", "delay", "action", "option"} | REACHED_BY, f"device {one.get('name')}")
        if used and (action := _action(used, devices)) != fencing.setdefault("action", action):
            draft.note(place, f"{node.get('name')} is fenced by {action}, another node by {fencing['action']}: here "
                              f"all by {fencing['action']}")
    if fencing.get("action") == "reboot":
        del fencing["action"]  # the default
    for device in devices.values():
        _rest(draft, source, device, {"name", "agent", "delay", "action", "option"} | REACHED_BY,
              f"fencedevice {device.get('name')}")
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
        if one.tag == "action":
            continue  # said with its resource
        shared = resources.get((one.tag, one.get("ref"))) if one.get("ref") else one
        if shared is not one and shared is not None:
            _rest(draft, source, one, {"ref"}, f"{name}: <{one.tag} ref={one.get('ref')}>")
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
    if one.tag in _READ:
        _rest(draft, source, one, _READ[one.tag], one.get("name") or one.get("address") or one.tag)
    for action in one.all("action"):
        told = " ".join(f"{word}={action.get(word)}" for word in sorted(action.attributes))
        draft.note(source.at(action.line), f"{one.get('name') or one.get('address')}: action {told}: not expressed")
    if one.tag == "ip":
        return draft.vip(one.get("address"), place, group)
    if one.tag in ("fs", "clusterfs"):
        if one.tag == "clusterfs":
            draft.note(place, f"clusterfs {one.get('name')}: mounted where its service runs, not everywhere")
        part = draft.filesystem(one.get("device"), one.get("mountpoint"), one.get("fstype"), one.get("options"), place,
                                group)
        if one.get("self_fence", "0") not in ("0", "no"):
            draft.note(place, f"{one.get('name')}: self_fence: a node that can't unmount is fenced by the others")
        return part
    if one.tag == "netfs":
        return draft.filesystem(f"{one.get('host')}:{one.get('export')}", one.get("mountpoint"),
                                one.get("fstype", "nfs"), one.get("options"), place, group)
    if one.tag == "script":
        return draft.daemon(PurePosixPath(one.get("file") or one.get("name")).name, place, group)
    if one.tag in ("apache", "mysql", "nginx"):
        return draft.daemon(one.tag, place, group)
    draft.note(place, f"<{one.tag}> {one.get('name') or one.get('ref')}: not expressed")
    return None


def _domain(draft: Draft, source: Source, service: Element, domains: dict[str, Element]) -> dict[str, Any]:
    """rgmanager's failover domain. Fail-back is its default: to an earlier node of an ordered one, and into one that is
    not restricted from a node outside of it."""
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
    restricted = domain.get("restricted") in ("1", "yes") and bool(nodes)
    leads_back = ordered or (not restricted and 0 < len(nodes) < len(draft.cluster_nodes))
    return {"nodes": [node for _, node in nodes], "ordered": ordered, "restricted": restricted,
            "failback": leads_back and domain.get("nofailback", "0") in ("0", "no")}


file_kind(FileKind(name="cluster.conf", order=100, tags=("cluster",), beside=frozenset({"drbd.conf"}),
                   read=lambda draft, files: import_cluster_conf(draft, files["cluster.conf"][0])))
