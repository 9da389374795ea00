"""Fencing devices of a CIB or a cluster.conf: here every node has a BMC, whatever it had there."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fenceline.importers.cibvalues import Settings, duration, settings, shown
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element
from fenceline.model.units import parse_duration

#: Agents that speak to a BMC, as ours does.
IPMI = ("fence_ipmilan", "external/ipmi", "fence_idrac", "fence_ilo3", "fence_ilo4", "fence_ilo5", "fence_imm")
#: Parameters that say how a BMC is reached: the virtual ones have their own.
REACHED_BY = frozenset({"hostname", "hostlist", "nodename", "ip", "ipaddr", "username", "login", "userid", "password",
                        "passwd", "lanplus", "interface", "power_wait", "auth", "cipher", "passwd_method", "ipport",
                        "port", "plug"})
_READ = REACHED_BY | {"pcmk_host_list", "pcmk_host_map", "pcmk_host_check", "pcmk_delay_base", "delay"}


def import_stonith(draft: Draft, source: Source, devices: Sequence[Element], enabled: bool) -> None:
    """The devices of a CIB: what they shoot with, and who has to wait."""
    if enabled and not devices:
        draft.note(source.name, "stonith-enabled without a device: Pacemaker starts nothing so; a virtual BMC per node")
    for device in devices:
        place, name = source.at(device.line), device.get("id")
        values = settings(draft, source, device, "instance_attributes")
        if device.get("type") not in IPMI:
            draft.note(place, f"{name}: {device.get('type')}: in its place a virtual BMC per node and fence_ipmilan")
        _delays(draft, name, values)
        for key, (value, where) in values.items():
            if key not in _READ:
                draft.note(where, f"{name}: {shown(key, value)}: not expressed")
        for key, (value, where) in settings(draft, source, device, "meta_attributes").items():
            if (key, value.lower()) != ("target-role", "started"):
                draft.note(where, f"{name}: {key}={value}: not expressed")
        if not enabled:
            draft.note(place, f"{name}: stonith-enabled is false: nobody is fenced")
    if not enabled:
        draft.raw["fencing"].pop("delay", None)


def _delays(draft: Draft, name: str, values: Settings) -> None:
    """Whose fencing the device ``name`` delays: that of its one node, or of each as it says."""
    text, place = values.get("pcmk_delay_base") or values.get("delay") or ("", "")
    if not text:
        return
    if "pcmk_delay_base" in values and "delay" in values:
        draft.note(values["delay"][1], f"{name}: delay={values['delay'][0]}: beside pcmk_delay_base: not expressed")
    if ":" in text:  # of each node its own (Pacemaker 2.1.2 and later)
        for one in re.split(r"[;,\s]+", text.strip()):
            host, _, wait = one.partition(":")
            if host:
                _delay(draft, name, host, duration(draft, wait, place), place)
        return
    hosts = _hosts(values)
    if len(hosts) == 1:
        _delay(draft, name, hosts[0], duration(draft, text, place), place)
    elif parse_duration(duration(draft, text, place)):
        draft.note(place, f"{name}: its delay is for {len(hosts)} nodes: not expressed" if hosts else
                   f"{name}: its delay {text} is for nodes that it does not name: not expressed")


def _hosts(values: Settings) -> list[str]:
    """The hosts that a device is for."""
    text = next((values[key][0] for key in ("pcmk_host_list", "hostlist", "hostname") if values.get(key, ("",))[0]), "")
    if text:
        return [host for host in re.split(r"[ ,;\s]+", text) if host]
    # "alpha:1;beta:2,3": the ports of a host are separated by commas
    pairs = re.split(r"[;\s]+", values.get("pcmk_host_map", ("", ""))[0])
    return list(dict.fromkeys(re.split(r"[:=]", pair)[0] for pair in pairs if pair))


def _delay(draft: Draft, device: str, host: str, wait: str, place: str) -> None:
    node = draft.known_node(host)
    if node is None:
        draft.note(place, f"{device}: {host} is no node: its delay {wait} is left out")
    elif parse_duration(wait):
        delays = draft.raw["fencing"].setdefault("delay", {})
        if delays.setdefault(node, wait) != wait:
            longer = max(delays[node], wait, key=parse_duration)
            draft.note(place, f"{device}: delay {wait} for {node}: another device has another; here it is {longer}")
            delays[node] = longer
