"""corosync.conf, which says what a CIB does not: timing, quorum, links; see corosync.conf(5), votequorum(5)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fenceline.importers.blocks import Directive
from fenceline.importers.draft import Draft
from fenceline.importers.kinds import FileKind, file_kind
from fenceline.importers.source import Source
from fenceline.model.units import format_duration

#: What has no bearing here: the fabric has its own addresses, and the rest is told by other means.
_SILENT = {"totem": {"version", "cluster_name", "interface", "ip_version", "secauth", "crypto_cipher", "crypto_hash",
                     "token", "consensus", "transport", "rrp_mode", "link_mode", "nodeid", "clear_node_high_bit"},
           "interface": {"ringnumber", "linknumber", "bindnetaddr", "mcastaddr", "mcastport", "broadcast", "ttl",
                         "member"},
           "node": {"name", "nodeid", "quorum_votes"},
           "quorum": {"provider", "two_node", "wait_for_all", "device", "expected_votes"},
           "device": {"model", "net"}, "net": {"host", "algorithm", "tls"}}
#: Sections that say nothing of what the cluster does when something fails.
_NO_BEARING = ("logging", "system", "aisexec", "amf", "uidgid", "compatibility:")
QUORUM_HOST = "quorum-host"


def import_corosync(draft: Draft, source: Source, root: Directive, ids: Mapping[str, str]) -> int:
    """Puts timing and quorum into the stack of ``draft``; returns the number of heartbeat networks. ``ids``: {nodeid:
    machine} as the CIB has them; those that are its nodes already are called what they are there.

    Raises:
        FencelineError: a value is none.
    """
    stack, links = draft.raw["stack"], 1
    nodes = [(source, node) for block in root.all("nodelist") for node in block.all("node")]
    _members(draft, nodes, ids)
    if nodes:
        links = max(len({one.name for one in node.body or () if _is_ring(one.name)}) for _, node in nodes)
    for block in root.body:
        if block.name == "totem":
            _totem(draft, source, block, stack)
            links = max(links, 1 if nodes else _rings(block))
        elif block.name == "quorum":
            _quorum(draft, source, block, stack)
        elif block.name == "service" and "pacemaker" in block.flat():
            draft.note(source.at(block.line), "pacemaker as corosync's plugin: here it is a daemon of its own")
        elif block.name not in ("nodelist", *_NO_BEARING):
            draft.note(source.at(block.line), f"{' '.join(block.words)}: not expressed")
    if not any(one.value for block in root.all("quorum") for one in block.all("provider", "provider:")):
        quorum = stack.setdefault("quorum", {})
        if "policy" not in quorum:
            quorum["policy"] = "two_node" if len(draft.cluster_nodes) == 2 else "majority"
            draft.note(source.name, f"there is no quorum provider: quorum {quorum['policy']}")
    if links > 8:
        draft.note(source.name, f"{links} links: 8 of them are here")
    return max(min(links, 8), 1)


def _is_ring(word: str) -> bool:
    return re.fullmatch(r"ring\d+_addr:?", word) is not None


def _rings(totem: Directive) -> int:
    """How many networks the interfaces of ``totem`` are on, where no nodelist says so."""
    if _value(totem, "rrp_mode") == "none":
        return 1
    return len({_value(one, "bindnetaddr") or _value(one, "ringnumber") or _value(one, "linknumber")
                for one in totem.all("interface")})


def _members(draft: Draft, nodes: Sequence[tuple[Source, Directive]], ids: Mapping[str, str]) -> None:
    """Finds for each node of the nodelist the machine that it is: by its name, its id, or as the one that is left."""
    left, unknown = list(draft.cluster_nodes), []
    for source, node in nodes:
        values, place = _values(node), source.at(node.line)
        names = [values[word].value for word in sorted(values) if word == "name" or _is_ring(word)]
        found = next((machine for name in names if (machine := draft.known_node(name))), None)
        found = found or ids.get(_value(node, "nodeid"))
        # without a nodeid corosync takes the address as a number
        found = found or next((ids[number] for name in names for number in _as_numbers(name) if number in ids), None)
        if found is None or found not in left:
            unknown.append((place, names))
        else:
            left.remove(found)
            for name in names:
                draft.alias(name, found)
        if _value(node, "quorum_votes") not in ("", "1"):
            draft.note(place, f"{found or ' '.join(names)} has {_value(node, 'quorum_votes')} votes: every node has "
                              "one here")
        for one in node.body or ():
            word = one.name.rstrip(":")
            if word not in _SILENT["node"] and not _is_ring(word):
                draft.note(source.at(one.line), f"node: {' '.join(one.words)}: not expressed")
    for place, names in unknown:
        if not ids and names:
            machine = draft.node(names[0], place)
            for name in names:
                draft.alias(name, machine)
        elif len(left) == len(unknown) == 1:
            for name in names:
                draft.alias(name, left[0])
        else:
            draft.note(place, f"{' '.join(names) or 'a node'} is no node of the CIB: left out")


def _as_numbers(address: str) -> tuple[str, ...]:
    """The node ids that corosync may have made of an IPv4 ``address``."""
    try:
        packed = ipaddress.IPv4Address(address).packed
    except ValueError:
        return ()
    return tuple(str(number) for order in ("big", "little") for whole in [int.from_bytes(packed, order)]
                 for number in (whole, whole & 0x7FFFFFFF))


def _values(block: Directive) -> dict[str, Directive]:
    return {one.name.rstrip(":"): one for one in block.body or ()}


def _value(block: Directive, word: str) -> str:
    one = _values(block).get(word)
    return one.value if one else ""


def _totem(draft: Draft, source: Source, block: Directive, stack: dict[str, Any]) -> None:
    values = _values(block)
    for word in ("token", "consensus"):
        if word in values:
            milliseconds = draft.number(values[word].value, source.at(values[word].line))
            stack[word] = format_duration(milliseconds / 1000)
    if "token" not in values and "token" not in stack:
        stack["token"] = "1s"
        draft.note(source.at(block.line), "totem has no token: 1s, corosync's own default before 3.1")
    if (_value(block, "crypto_cipher") or {"off": "none"}.get(_value(block, "secauth"))) == "none":
        stack["secauth"] = False
    for word, usual in (("transport", "knet"), ("rrp_mode", "passive"), ("link_mode", "passive")):
        if word in values and values[word].value not in (usual, "none"):
            draft.note(source.at(values[word].line), f"{word} {values[word].value}: {usual} in its place")
    for interface in block.all("interface"):
        _unread(draft, source, interface)
    _unread(draft, source, block)


def _quorum(draft: Draft, source: Source, block: Directive, stack: dict[str, Any]) -> None:
    values = _values(block)
    quorum = stack.setdefault("quorum", {})
    two_node = _value(block, "two_node") == "1"
    quorum["policy"] = "two_node" if two_node else "majority"
    # votequorum's default: only two_node brings it along
    quorum["wait_for_all"] = _value(block, "wait_for_all") == "1" if "wait_for_all" in values else two_node
    expected = values.get("expected_votes")
    if expected and draft.number(expected.value, source.at(expected.line)) != len(draft.cluster_nodes):
        draft.note(source.at(expected.line), f"expected_votes {expected.value} of {len(draft.cluster_nodes)} nodes: "
                                             "here each node has a vote")
    for device in block.all("device"):
        del quorum["wait_for_all"]
        if "wait_for_all" in values:
            draft.note(source.at(values["wait_for_all"].line), f"wait_for_all {values['wait_for_all'].value}: with a "
                                                               "quorum device it is the device's")
        _device(draft, source, device, quorum)
        break
    _unread(draft, source, block)


def _device(draft: Draft, source: Source, device: Directive, quorum: dict[str, Any]) -> None:
    quorum.update(policy="qdevice", device=draft.helper(QUORUM_HOST, "quorum-device"))
    votes = _values(device).get("votes")
    for net in device.all("net"):
        told = _values(net)
        if "algorithm" in told and told["algorithm"].value in ("ffsplit", "lms"):
            quorum["algorithm"] = told["algorithm"].value
        elif "algorithm" in told:
            draft.note(source.at(told["algorithm"].line), f"algorithm {told['algorithm'].value}: ffsplit in its place")
        if "host" in told:
            draft.note(source.at(told["host"].line), f"the quorum device {told['host'].value}: the machine "
                                                     f"{QUORUM_HOST}")
        _unread(draft, source, net)
    if votes and votes.value != "1":
        draft.note(source.at(votes.line), f"device: {' '.join(votes.words)}: not expressed: it has its algorithm's")
    for one in device.body or ():
        if one.name == "heuristics":
            for line in one.body or ():
                draft.note(source.at(line.line), f"heuristics: {' '.join(line.words)}: not expressed: the quorum "
                                                 "device decides by whom it hears")
        elif one.name.rstrip(":") not in ("votes", *_SILENT["device"]):
            draft.note(source.at(one.line), f"device: {' '.join(one.words)}: not expressed")
    model = _values(device).get("model")
    if model and model.value != "net":
        draft.note(source.at(model.line), f"quorum device of the model {model.value}: a qnetd in its place")


def _unread(draft: Draft, source: Source, block: Directive) -> None:
    for one in block.body or ():
        if one.name.rstrip(":") not in _SILENT[block.name]:
            draft.note(source.at(one.line), f"{block.name}: {' '.join(one.words)}: not expressed")


file_kind(FileKind(
    name="corosync.conf", order=90, together="a CIB (cibadmin --query)",
    words=re.compile(r"^\s*((totem|nodelist|quorum|logging|interface|aisexec|service|amf|uidgid|system|resources|"
                     r"nozzle|event)\s*\{|compatibility:)", re.MULTILINE)))
