"""Power distribution units among the fencing devices of a CIB: which unit a device is of, who is plugged in where, and
the levels in which devices are tried."""

from __future__ import annotations

import re
from typing import Any

from fenceline.accept.cibview import Cib, Primitive
from fenceline.accept.fencetimes import hosts, is_sbd
from fenceline.accept.layout import Layout
from fenceline.importers.draft import identifier
from fenceline.model.fencing import IPMI, SBD

#: Agents of units whose outlets ours can be: asked as ``AGENT`` asks.
PDUS = ("fence_apc_snmp", "fence_apc", "fence_eaton_snmp", "fence_ipdu", "fence_wti", "fence_raritan",
        "fence_emerson", "fence_tripplite_snmp")
AGENT = "fence_apc_snmp"


class Outlets:
    """``units`` {id of a device: the unit that it switches}; ``raw`` {unit: {outlet: machine}}."""

    def __init__(self, cib: Cib, layout: Layout) -> None:
        self._cib = cib
        self.units: dict[str, str] = {}
        self.raw: dict[str, dict[int, str]] = {}
        by_address: dict[str, str] = {}
        for device in cib.devices:
            if device.type not in PDUS:
                continue
            plugged = {outlet: machine for host, outlet in _plugs(device) if (machine := layout.machine(host))}
            if not plugged:
                continue
            address = device.value("ip") or device.value("ipaddr") or device.id
            unit = by_address.setdefault(address, identifier(device.id, "pdu"))
            self.units[device.id] = unit
            self.raw.setdefault(unit, {}).update(plugged)

    def levels(self) -> list[list[str]]:
        """What is tried, one level after the other, as the fencing topology says, or BMCs first."""
        told: dict[int, list[str]] = {}
        known = {device.id: device for device in self._cib.devices}
        for one in (one for block in self._cib.root.all("fencing-topology") for one in block.all("fencing-level")):
            for name in re.split(r"[,\s]+", one.get("devices")):
                if name in known and one.get("index").isdigit():
                    told.setdefault(int(one.get("index")), []).append(self._kind(known[name]))
        found = [list(dict.fromkeys(told[index])) for index in sorted(told)]
        if found:
            return found[:9]
        others = [self._kind(device) for device in self._cib.devices if device.id not in self.units]
        return [*([list(dict.fromkeys(others))] if others else []), sorted(self.raw)]

    def _kind(self, device: Primitive) -> str:
        return self.units.get(device.id) or (SBD if is_sbd(device) else IPMI)

    def fencing(self) -> dict[str, Any]:
        """The fields of the topology; none where there is no unit."""
        if not self.raw:
            return {}
        return {"method": "levels", "levels": self.levels(),
                "pdus": {unit: {"outlets": plugged} for unit, plugged in self.raw.items()}}


def _plugs(device: Primitive) -> list[tuple[str, int]]:
    """[(node, outlet)] of a device."""
    found = []
    for pair in re.split(r"[;\s]+", device.value("pcmk_host_map")):
        host, _, outlets = pair.replace("=", ":").partition(":")
        found += [(host, int(outlet)) for outlet in outlets.split(",") if re.fullmatch(r"[1-9]\d?", outlet)]
    own = device.value("port") or device.value("plug")
    if not found and re.fullmatch(r"[1-9]\d?", own):
        found = [(host, int(own)) for host in hosts(device)]
    return [(host, outlet) for host, outlet in found if outlet <= 48]
