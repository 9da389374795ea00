"""Fencing of a CIB: whether there is any, who survives a split, and whether a device gets its time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fenceline.accept.advice import TOYS
from fenceline.accept.cibview import Cib, Primitive, points, seconds
from fenceline.accept.fencetimes import delays, fencing_seconds, hosts
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import Original

_SPLIT = "all heartbeat links are cut"
_LOST = "the active node loses its power, or hangs"


@rule("fencing-off", "Pacemaker Explained, Fencing: a cluster without fencing is not supported", _SPLIT)
def fencing_off(original: Original, _budget: float) -> Iterator[Finding]:
    """stonith-enabled is false, or there is no device."""
    if original.cib is None:
        return
    if not original.cib.is_on("stonith-enabled", True):
        place = original.option("stonith-enabled").place
        yield at(place, text="stonith-enabled is false: a lost node is taken for dead without being made so; in a "
                             "split both sides run the services")
    elif not original.cib.devices and not original.cib.is_on("have-watchdog", False):
        yield at(original.cib.source.at(1), text="fencing is on and there is no device: Pacemaker starts nothing so, "
                                                 "and recovers nothing")


@rule("toy-fencing", "the agent's own metadata: for tests only", _LOST)
def toy_fencing(original: Original, _budget: float) -> Iterator[Finding]:
    """An agent that switches nothing."""
    for device in original.cib.devices if original.cib else ():
        if device.type in TOYS:
            yield at(device.place, text=f"{device.id}: {device.type} makes no node safe: it is for trying out")


@rule("no-fencing-delay", "Pacemaker Explained, Fencing: pcmk_delay_base, priority-fencing-delay", _SPLIT)
def no_delay(original: Original, _budget: float) -> Iterator[Finding]:
    """Two nodes, and nobody who waits: they shoot each other."""
    cib = original.cib
    if cib is None or not original.is_two_node or not _fences(cib):
        return
    if points(_property(original, "priority-fencing-delay")) or seconds(_property(original, "priority-fencing-delay")):
        if not any(points(one.meta.get("priority", ("0", ""))[0]) for one in cib.resources):
            yield at(original.option("priority-fencing-delay").place,
                     text="priority-fencing-delay and no resource with a priority: it delays nothing")
        return
    told = delays(original)
    if not any(told.values()) and not any(seconds(one.value("pcmk_delay_max", "0")) for one in cib.devices):
        yield at(*(one.place for one in cib.devices),
                 text="neither device has a delay, and there is no priority-fencing-delay: when the two nodes lose "
                      "each other, both are shot")
    elif len(told) == 2 and len(set(told.values())) == 1 and not any(
            seconds(one.value("pcmk_delay_max", "0")) for one in cib.devices):
        yield at(*(one.place for one in cib.devices),
                 text=f"both nodes have the same delay of {next(iter(told.values())):g} s: they shoot each other all "
                      "the same, that much later")


@rule("delay-wrong-way", "Pacemaker Explained, Fencing: pcmk_delay_base delays the fencing of the device's own node",
      _SPLIT)
def delay_wrong_way(original: Original, _budget: float) -> Iterator[Finding]:
    """The node that the services prefer is the one that is shot at once."""
    cib = original.cib
    if cib is None or not original.is_two_node or not _fences(cib):
        return
    told = delays(original)
    preferred = {one.get("node") for one in cib.constraints("rsc_location")
                 if points(one.get("score")) > 0 and cib.units.get(one.get("rsc"))
                 and not one.get("id").startswith("cli-")}
    if len(told) != 2 or len(preferred) != 1:
        return
    home = next(iter(preferred))
    other = next((name for name in told if name != home), None)
    if home in told and other is not None and told[other] > told[home]:
        place = next((one.place for one in cib.devices if other in hosts(one)), cib.source.at(1))
        yield at(place, text=f"the delay protects {other}, while the services prefer {home}: in a split the node that "
                             "serves is shot")


@rule("device-on-its-own-node", "Red Hat, Configuring and managing high availability clusters: a device that fences "
                                "one node is kept off it", _LOST)
def on_its_own_node(original: Original, _budget: float) -> Iterator[Finding]:
    """A device for one node that may run there."""
    cib = original.cib
    if cib is None or not _fences(cib):
        return
    for device in cib.devices:
        told = hosts(device)
        if len(told) == 1 and told[0] in original.members and told[0] in _allowed(original, device):
            yield at(device.place, text=f"{device.id} fences {told[0]} and may run there: while it does, its monitor "
                                        "tells nothing of whether the others reach it")


@rule("device-nowhere", "Pacemaker Explained, Fencing: a device is used by a node on which it is not banned", _LOST)
def nowhere(original: Original, _budget: float) -> Iterator[Finding]:
    """A device that no node may use, a node that no device fences."""
    cib = original.cib
    if cib is None or not _fences(cib):
        return
    for device in cib.devices:
        bans = [one for one in cib.constraints("rsc_location") if one.get("rsc") == device.id
                and points(one.get("score")) <= -1_000_000 and one.get("node")]
        if bans and not _allowed(original, device):
            own = hosts(device)
            others = [one for one in bans if one.get("node") not in own] or bans
            places = [cib.at(one) for one in (*others, *(one for one in bans if one not in others))]
            yield at(*places, text=f"{device.id} is banned from every node, so that nobody can use it: "
                                   f"{', '.join(own) or 'what it fences'} can't be fenced")


@rule("nobody-fences", "Pacemaker Explained, Fencing: pcmk_host_list, pcmk_host_map", _LOST)
def nobody(original: Original, _budget: float) -> Iterator[Finding]:
    """A member that is in no device's list, and a list that names nobody."""
    cib = original.cib
    if cib is None or not _fences(cib) or not cib.devices:
        return
    told = {device.id: hosts(device) for device in cib.devices}
    short = {name.split(".")[0] for name in original.members}
    strange = {host for names in told.values() for host in names if host.split(".")[0] not in short}
    if all(told.values()) and not strange:
        known = {host.split(".")[0] for names in told.values() for host in names}
        missing = [name for name in original.members if name.split(".")[0] not in known]
        if missing:
            yield at(*(one.place for one in cib.devices), text=f"no device fences {' and '.join(missing)}")
    for device in cib.devices:
        strangers = [host for host in told[device.id] if host in strange]
        if strangers:
            place = next((place for name, (_, place) in device.parameters.items() if name.startswith("pcmk_host_")),
                         device.place)
            yield at(place, text=f"{device.id}: {', '.join(strangers)} is no node of the cluster: it fences "
                                 "nobody")


@rule("stonith-timeout", "Pacemaker Explained, Fencing: stonith-timeout; the agent's power_wait", _LOST)
def too_short(original: Original, _budget: float) -> Iterator[Finding]:
    """The fencing is given up before the agent can be done."""
    cib = original.cib
    if cib is None or not _fences(cib):
        return
    told = original.option("stonith-timeout")
    given = (seconds(told.value) if told else None) or 60.0
    for device in cib.devices:
        own = next((name for name in ("pcmk_reboot_timeout", "pcmk_off_timeout") if name in device.parameters), None)
        time = (seconds(device.value(own)) or given) if own else given
        needs, sum_ = fencing_seconds(original, device)
        if time < needs:
            place = device.parameters[own][1] if own else told.place if told else device.place
            beside = [device.parameters[name][1] for name in ("power_wait",) if name in device.parameters]
            yield at(place, *beside, text=f"{own or 'stonith-timeout'} is {time:g} s, and {device.id} "
                                          f"({device.type}) needs {needs:g} s: {sum_}: its fencing always fails")


@rule("level-unknown", "Pacemaker Explained, Fencing topology", _LOST)
def levels(original: Original, _budget: float) -> Iterator[Finding]:
    """A level of the fencing topology with a device that there is not."""
    cib = original.cib
    if cib is None:
        return
    known = {device.id for device in cib.devices}
    for one in (one for block in cib.root.all("fencing-topology") for one in block.all("fencing-level")):
        missing = [name for name in re.split(r"[,\s]+", one.get("devices")) if name and name not in known]
        if missing:
            yield at(cib.at(one), text=f"the level {one.get('index')} of {one.get('target')} names "
                                       f"{', '.join(missing)}, which is no device")


def _fences(cib: Cib) -> bool:
    return cib.is_on("stonith-enabled", True) and bool(cib.devices)


def _property(original: Original, name: str) -> str:
    told = original.option(name)
    return told.value if told else ""


def _allowed(original: Original, device: Primitive) -> list[str]:
    """The members that may run ``device``."""
    cib = original.cib
    told = [one for one in cib.constraints("rsc_location") if one.get("rsc") == device.id and one.get("node")]
    banned = {one.get("node") for one in told if points(one.get("score")) <= -1_000_000}
    banned |= {name for one in cib.constraints("rsc_location") if one.get("rsc") == device.id
               for name in _by_rule(original, one)}
    if not cib.is_on("symmetric-cluster", True):
        return [name for name in original.members if name not in banned
                and any(one.get("node") == name and points(one.get("score")) >= 0 for one in told)]
    return [name for name in original.members if name not in banned]


def _by_rule(original: Original, constraint: object) -> Iterator[str]:
    """The members that a rule of -INFINITY with ``#uname`` bans."""
    for block in constraint.all("rule"):
        if points(block.get("score")) > -1_000_000:
            continue
        for one in block.all("expression"):
            if one.get("attribute") == "#uname":
                for name in original.members:
                    if (one.get("operation") == "eq") == (name == one.get("value")):
                        yield name
