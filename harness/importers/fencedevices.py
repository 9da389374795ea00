"""Fencing devices of a CIB or a cluster.conf: here every node has a BMC, whatever it had there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

#: Agents that speak to a BMC, as ours does.
IPMI = ("fence_ipmilan", "external/ipmi", "fence_idrac", "fence_ilo3", "fence_ilo4", "fence_ilo5", "fence_imm")
_READ = frozenset({"pcmk_host_list", "pcmk_host_map", "pcmk_host_check", "pcmk_delay_base", "hostname", "hostlist",
                   "nodename", "ip", "ipaddr", "username", "login", "userid", "password", "passwd", "lanplus",
                   "interface", "power_wait", "delay", "auth", "cipher", "passwd_method", "ipport"})


def import_stonith(draft: Draft, source: Source, devices: Sequence[Element],
                   parameters: Mapping[str, Mapping[str, str]], enabled: bool) -> None:
    """The devices of a CIB: what they shoot with, and who has to wait."""
    from fenceline.importers.cib import duration

    if enabled and not devices:
        draft.note(source.name, "stonith-enabled without a device: Pacemaker starts nothing so; a virtual BMC per node")
    fencing = draft.raw["fencing"]
    for device in devices:
        place, values = source.at(device.line), parameters[device.get("id")]
        if device.get("type") not in IPMI:
            draft.note(place, f"{device.get('id')}: {device.get('type')}: in its place a virtual BMC per node and "
                              "fence_ipmilan")
        hosts = values.get("pcmk_host_list") or values.get("hostlist") or values.get("hostname") or ""
        hosts = hosts or values.get("pcmk_host_map", "").partition(":")[0]
        nodes = [node for host in re.split(r"[ ,;]+", hosts) if host and (node := draft.known_node(host))]
        delay = values.get("pcmk_delay_base") or values.get("delay")
        if delay and len(nodes) == 1:
            fencing.setdefault("delay", {})[nodes[0]] = duration(draft, delay, place)
        elif delay:
            draft.note(place, f"{device.get('id')}: its delay is for {len(nodes)} nodes: not expressed")
        for name in values:
            if name not in _READ:
                draft.note(place, f"{device.get('id')}: {name}={values[name]}: not expressed")
    if not enabled:
        for device in devices:
            draft.note(source.at(device.line), f"{device.get('id')}: stonith-enabled is false: nobody is fenced")
        fencing.pop("delay", None)
