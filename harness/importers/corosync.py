"""corosync.conf, which says what a CIB does not: timing, quorum, links; see corosync.conf(5), votequorum(5)."""

from __future__ import annotations

from typing import Any

from fenceline.importers.blocks import Directive, parse_blocks
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.model.units import format_duration

_SILENT = {"totem": {"version", "cluster_name", "transport", "interface", "ip_version", "link_mode", "rrp_mode",
                     "secauth", "crypto_cipher", "crypto_hash", "token", "consensus"},
           "quorum": {"provider", "two_node", "wait_for_all", "device", "expected_votes"}}
QUORUM_HOST = "quorum-host"


def import_corosync(draft: Draft, source: Source) -> int:
    """Puts timing and quorum into the stack of ``draft``; returns the number of heartbeat networks.

    Raises:
        FencelineError: it is broken, or a value is none.
    """
    root = parse_blocks(source, "#", by_line=True)
    stack, links = draft.raw["stack"], 1
    for block in root.body:
        if block.name == "totem":
            _totem(draft, source, block, stack)
        elif block.name == "quorum":
            _quorum(draft, source, block, stack)
        elif block.name == "nodelist":
            for node in block.all("node"):
                values = _values(node)
                for word in ("name", "ring0_addr"):
                    if word in values:
                        draft.node(values[word].value, source.at(node.line))
                        break
                links = max(links, sum(word.startswith("ring") for word in values))
        elif block.name not in ("logging", "system"):
            draft.note(source.at(block.line), f"{' '.join(block.words)}: not expressed")
    return min(links, 8)


def _values(block: Directive) -> dict[str, Directive]:
    return {one.name.rstrip(":"): one for one in block.body or ()}


def _totem(draft: Draft, source: Source, block: Directive, stack: dict[str, Any]) -> None:
    values = _values(block)
    for word in ("token", "consensus"):
        if word in values:
            milliseconds = draft.number(values[word].value, source.at(values[word].line))
            stack[word] = format_duration(milliseconds / 1000)
    if "token" not in values:
        stack["token"] = "1s"
        draft.note(source.at(block.line), "totem has no token: 1s, corosync's own default before 3.1")
    if values.get("crypto_cipher") and values["crypto_cipher"].value == "none":
        stack["secauth"] = False
    _unread(draft, source, block)


def _quorum(draft: Draft, source: Source, block: Directive, stack: dict[str, Any]) -> None:
    values = _values(block)
    quorum = stack.setdefault("quorum", {})
    if "two_node" in values and values["two_node"].value == "1":
        quorum["policy"] = "two_node"
    if "wait_for_all" in values:
        quorum["wait_for_all"] = values["wait_for_all"].value == "1"
    for device in block.all("device"):
        quorum.pop("wait_for_all", None)
        quorum.update(policy="qdevice", device=draft.helper(QUORUM_HOST, "quorum-device"))
        for net in device.all("net"):
            told = _values(net)
            if "algorithm" in told and told["algorithm"].value in ("ffsplit", "lms"):
                quorum["algorithm"] = told["algorithm"].value
            if "host" in told:
                draft.note(source.at(told["host"].line), f"the quorum device {told['host'].value}: the machine "
                                                         f"{QUORUM_HOST}")
        model = _values(device).get("model")
        if model and model.value != "net":
            draft.note(source.at(model.line), f"quorum device of the model {model.value}: a qnetd in its place")
    _unread(draft, source, block)


def _unread(draft: Draft, source: Source, block: Directive) -> None:
    for one in block.body or ():
        if one.name.rstrip(":") not in _SILENT[block.name]:
            draft.note(source.at(one.line), f"{block.name}: {' '.join(one.words)}: not expressed")
