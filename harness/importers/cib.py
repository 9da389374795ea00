"""A CIB (cibadmin --query), with or without its corosync.conf, as a topology; see Pacemaker Explained."""

from __future__ import annotations

from fenceline.core.errors import FencelineError
from fenceline.importers.blocks import Directive, parse_blocks
from fenceline.importers.cibvalues import Settings, duration, is_true, resolve, settings
from fenceline.importers.corosync import import_corosync
from fenceline.importers.draft import Draft
from fenceline.importers.kinds import FileKind, Files, file_kind
from fenceline.importers.resources import Resources
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element, parse_xml

_SILENT = frozenset({"cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh",
                     "symmetric-cluster", "stonith-enabled", "default-resource-stickiness"})
_SECTIONS = ("crm_config", "nodes", "resources", "constraints", "rsc_defaults", "op_defaults")


def import_cib(draft: Draft, source: Source, root: Element,
               corosync: tuple[Source, Directive] | None = None) -> Draft:
    """Fills ``draft`` with what the CIB ``root`` of ``source`` describes.

    Raises:
        FencelineError: there are no nodes or no resources in it, or a value is none.
    """
    found = root if root.tag == "configuration" else root.first("configuration")
    if found is None:
        raise FencelineError(f"{source.name} has no <configuration>: it is no whole CIB")
    draft.raw["stack"] = {"kind": "pacemaker"}
    resolve(draft, source, found)
    ids = _nodes(draft, source, found)
    links = import_corosync(draft, *corosync, ids) if corosync else 1
    if not draft.cluster_nodes:
        raise FencelineError(f"{source.name} names no node: take it from a cluster that runs (cibadmin --query), or "
                             "give a corosync.conf with a nodelist along")
    properties = {_property(name): (value, place) for block in [_gathered(found, "crm_config")]
                  for name, (value, place) in settings(draft, source, block, "cluster_property_set").items()}
    defaults = {name.replace("_", "-"): told for name, told in settings(
        draft, source, _gathered(found, "rsc_defaults"), "meta_attributes").items()}
    _properties(draft, properties, defaults)
    if corosync is None:
        quorum = draft.raw["stack"].setdefault("quorum", {})
        quorum["policy"] = "two_node" if len(draft.cluster_nodes) == 2 else "majority"
        draft.note(source.name, f"a CIB says nothing of votes, timing and links: quorum {quorum['policy']}, token 1s, "
                                "one heartbeat network (give corosync.conf along)")
    Resources(draft, source, found, defaults, properties).services()
    if not draft.raw["services"]:
        raise draft.refused(f"{source.name}: nothing of its resources can be expressed")
    for section in found.children:
        if section.tag not in _SECTIONS:
            for one in section.children:
                draft.note(source.at(one.line), f"<{section.tag}>: {one.get('id') or one.tag}: not expressed")
    for name, (value, place) in settings(draft, source, _gathered(found, "op_defaults"), "meta_attributes").items():
        draft.note(place, f"op_defaults {name}={value}: not expressed: operations have Fenceline's own")
    return draft.finish(links)


def _gathered(configuration: Element, tag: str) -> Element:
    """All sections ``tag`` as one."""
    return Element(tag, {}, 1, [one for block in configuration.all(tag) for one in block.children])


def _nodes(draft: Draft, source: Source, configuration: Element) -> dict[str, str]:
    """Makes the members; {id of a node: its machine}."""
    ids = {}
    for node in (one for block in configuration.all("nodes") for one in block.all("node")):
        name = node.get("uname")
        if node.get("type") in ("remote", "ping"):
            draft.note(source.at(node.line), f"{name} is a {node.get('type')} node: not expressed")
        elif name:
            ids[node.get("id")] = draft.node(name, source.at(node.line))
            for word, (value, place) in settings(draft, source, node, "instance_attributes").items():
                means = _STATES.get(word) if value.lower() in ("on", "true", "yes", "1") else None
                draft.note(place, f"attribute {word}={value} of the node {name}: not expressed"
                                  f"{f': {means} there, here it is' if means else ''}")
            for one in node.all("utilization"):
                draft.note(source.at(one.line), f"utilization of the node {name}: not expressed")
    ids.pop("", None)
    return ids


_STATES = {"standby": "nothing is run", "maintenance": "nothing is looked after"}


def _property(name: str) -> str:
    """``name`` as it was called before Pacemaker 3, whatever version it is of."""
    word = name.replace("_", "-")
    return "stonith-" + word.removeprefix("fencing-") if word.startswith("fencing-") else word


def _properties(draft: Draft, properties: Settings, defaults: Settings) -> None:
    stack, fencing = draft.raw["stack"], draft.raw["fencing"]
    fencing["method"] = "ipmi" if is_true(properties, "stonith-enabled", True) else "none"
    for name, (value, place) in properties.items():
        if name == "no-quorum-policy":
            word = "suicide" if value == "fence" else value
            if word not in ("stop", "freeze", "ignore", "suicide"):
                draft.note(place, f"no-quorum-policy {value}: stop in its place")
            else:
                stack.setdefault("quorum", {})["without_quorum"] = word
        elif name == "stonith-action":
            fencing["action"] = "off" if value.lower() in ("off", "poweroff") else "reboot"
        elif name == "stonith-timeout":
            fencing["timeout"] = duration(draft, value, place)
        elif name == "dc-deadtime":
            stack["dc_deadtime"] = duration(draft, value, place)
        elif name == "start-failure-is-fatal":
            stack["start_failure_is_fatal"] = is_true(properties, name, True)
        elif name == "maintenance-mode":
            if is_true(properties, name, False):
                draft.note(place, "maintenance-mode: a cluster that comes up is not in it")
        elif name not in _SILENT:
            draft.note(place, f"{name}={value}: not expressed")
    for name, (value, place) in defaults.items():
        if name == "migration-threshold":
            stack["migration_threshold"] = 0 if value.upper().endswith("INFINITY") else max(
                draft.number(value, place), 0)
        elif name != "resource-stickiness":
            draft.note(place, f"rsc_defaults {name}={value}: not expressed")


def corosync_of(files: Files) -> tuple[Source, Directive] | None:
    """The corosync.conf among ``files``, read; None where there is none."""
    return next(((one, parse_blocks(one, "#", by_line=True)) for one in files.get("corosync.conf", ())), None)


#: What is read beside a configuration of Pacemaker, whichever way that is written.
BESIDE = frozenset({"corosync.conf", "drbd.conf"})


def _read(draft: Draft, files: Files) -> None:
    source, corosync = files["cib"][0], corosync_of(files)
    import_cib(draft, source, parse_xml(source), corosync)


file_kind(FileKind(name="cib", order=60, says="a CIB (cibadmin --query)", tags=("cib", "configuration"), read=_read,
                   beside=BESIDE))
