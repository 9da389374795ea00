"""What must hold of the fencing of a topology. Each problem starts with the path to its field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fenceline.model.addressing import MAX_HELPERS
from fenceline.model.fencing import IPMI, SBD
from fenceline.model.mistakes import Mistake
from fenceline.model.stack import kinds_with
from fenceline.model.storage import pill_carrier, twice

if TYPE_CHECKING:
    from fenceline.model.shape import Shape


def fencing_problems(topology: Shape) -> list[str]:
    """Everything that is inconsistent, one line each; empty if nothing is."""
    fencing = topology.fencing
    found = [f"fencing.delay.{name}: there is no cluster node {name!r}" for name in fencing.delay
             if name not in topology.service_nodes]
    found += [f"fencing.extra.{name}: no such device is used; there are {', '.join(sorted(fencing.devices)) or 'none'}"
              for name in fencing.extra if name not in fencing.devices]
    if fencing.priority_delay and not any("priority" in service.meta for service in topology.services.values()):
        found.append("fencing.priority_delay: delays nothing without a priority: say services.NAME.meta: "
                     "{priority: 10}")
    found += [*_levels(topology), *_units(topology), *_supply(topology), *_sbd(topology)]
    return found


def _levels(topology: Shape) -> Iterable[str]:
    fencing = topology.fencing
    if fencing.method != "levels":
        if fencing.levels:
            yield f"fencing.levels: has no meaning with the method {fencing.method}: say levels"
        return
    if not fencing.levels or not all(fencing.levels):
        yield "fencing.levels: needs one level at least, and each a device: [[ipmi], [pdu-a]]"
        return
    if not topology.stack.manages_resources:
        yield f"fencing.method: levels are for the stack {kinds_with('manages_resources')}, not {topology.stack.kind}"
    if len(fencing.levels) > 9:
        yield f"fencing.levels: {len(fencing.levels)} levels; Pacemaker takes nine"
    for place, level in enumerate(fencing.levels):
        path = f"fencing.levels.{place}"
        yield from (f"{path}: {device!r} is there twice" for device in sorted({one for one in level
                                                                               if level.count(one) > 1}))
        yield from (f"{path}: there is no device {device!r}; there are {', '.join((IPMI, SBD, *fencing.pdus))}"
                    for device in level if device not in (IPMI, SBD, *fencing.pdus))
        feeding = {node: {unit for unit, _ in fencing.outlets_of(node)} for node in topology.service_nodes}
        yield from (f"{path}: no device of it fences {node}" for node, units in feeding.items()
                    if not set(level) & {IPMI, SBD, *units})
        # a unit beside a device that does it alone is no harm
        left = {node: units - set(level) for node, units in feeding.items()
                if units & set(level) and not set(level) & {IPMI, SBD} and units - set(level)}
        if left:
            rest = ", ".join(f"{node} has power from {' and '.join(sorted(units))}" for node, units in left.items())
            yield Mistake("one-outlet-of-two", f"{path}: when this level is done, {rest}: name all units that feed it")


def _units(topology: Shape) -> Iterable[str]:
    fencing = topology.fencing
    if len(fencing.pdus) > MAX_HELPERS:
        yield f"fencing.pdus: {len(fencing.pdus)} units, at most {MAX_HELPERS} are supported"
    for name, pdu in fencing.pdus.items():
        if name in (IPMI, SBD):
            yield f"fencing.pdus.{name}: the name means another device: take another one"
        elif name not in fencing.devices:
            yield f"fencing.pdus.{name}: no level uses it: say method: levels, and name it in levels"
        yield from (f"fencing.pdus.{name}.outlets.{outlet}: there is no cluster node {node!r}"
                    for outlet, node in pdu.outlets.items() if node not in topology.service_nodes)


def _supply(topology: Shape) -> Iterable[str]:
    fencing = topology.fencing
    if fencing.bmc_supply == "own":
        return
    if IPMI not in fencing.devices:
        yield f"fencing.bmc_supply: no BMC is used with the method {fencing.method}"
    elif fencing.is_in_every_level(IPMI):
        yield Mistake("bmc-on-node-supply", "fencing.bmc_supply: a node that lost its power can't be fenced, and "
                                            "nothing is taken over from it: give it a level without ipmi")


def _sbd(topology: Shape) -> list[str]:
    fencing, sbd = topology.fencing, topology.fencing.sbd
    if SBD not in fencing.devices:
        return [f"fencing.sbd: has no meaning with the method {fencing.method}"] if sbd is not None else []
    if sbd is None:
        return ["fencing.sbd: the method sbd needs its luns, or {} for a watchdog alone"]
    found: list[str] = []
    if not topology.stack.on_corosync:
        found.append(f"fencing.method: sbd is for the stack {kinds_with('on_corosync')}, not {topology.stack.kind}")
    if fencing.action != "reboot":
        found.append("fencing.action: a watchdog can't leave a node off: say reboot")
    carrier = pill_carrier()
    disks = {disk.name: disk for disk in carrier.disks(topology)}
    for name in sbd.luns:
        if name not in disks:
            found.append(f"fencing.sbd.luns: there is no {carrier.disk_noun} {name!r} in {carrier.listed}")
        elif disks[name].filesystem is not None:
            found.append(f"fencing.sbd.luns: the {carrier.disk_noun} {name!r} has a file system: give it "
                         "`filesystem: null`")
    found += twice("fencing.sbd.luns", list(sbd.luns))
    if len(sbd.luns) not in (0, 1, 3):
        found.append(f"fencing.sbd.luns: take one or three, or none: {len(sbd.luns)} have no majority when one is "
                     "lost")
    if not sbd.luns:
        found += _watchdog_alone(topology)
    return found + _sbd_times(topology)


def _watchdog_alone(topology: Shape) -> Iterable[str]:
    if topology.fencing.method == "levels":
        yield "fencing.sbd.luns: needed: as one level of several, sbd is its pills"
    if topology.stack.quorum.policy == "two_node":
        yield ("fencing.sbd: without luns a node must know by quorum that it lost: two_node can't tell it; take a "
               "qdevice")
    if topology.fencing.delay:
        yield "fencing.delay: nobody shoots where there are no luns"


def _sbd_times(topology: Shape) -> list[str]:
    fencing, sbd, stack = topology.fencing, topology.fencing.sbd, topology.stack
    found: list[str] = []
    if stack.quorum.policy == "qdevice" and sbd.watchdog_timeout < stack.quorum_device_s:
        found.append(Mistake("watchdog-below-quorum-device",
                             f"fencing.sbd.watchdog_timeout: {sbd.watchdog_timeout:g} s is less than the quorum device "
                             f"may take to decide, {stack.quorum_device_s:g} s: sbd would not trust it"))
    for field in ("watchdog_timeout", "message_wait"):
        if getattr(sbd, field) % 1:
            found.append(f"fencing.sbd.{field.replace('message_wait', 'msgwait')}: whole seconds, please")
    if sbd.message_wait <= sbd.watchdog_timeout:
        found.append(Mistake("msgwait-below-watchdog",
                             f"fencing.sbd.msgwait: {sbd.message_wait:g} s is not longer than watchdog_timeout, "
                             f"{sbd.watchdog_timeout:g} s: the pill would be taken for swallowed before the watchdog "
                             "fired"))
    if fencing.timeout < 1.2 * sbd.message_wait:
        found.append(Mistake("stonith-timeout-below-msgwait",
                             f"fencing.timeout: {fencing.timeout:g} s is less than 1.2 x msgwait, "
                             f"{1.2 * sbd.message_wait:g} s"))
    return found
