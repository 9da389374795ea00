"""What must be together and in which order, said in one direction only."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.accept.advice import STORAGE
from fenceline.accept.cibview import Cib, points
from fenceline.accept.finding import Finding, at, rule
from fenceline.accept.original import Original
from fenceline.importers.xmltree import Element

_MOVED = "a clean move, and the active node loses its power"


def _pairs(cib: Cib, constraint: Element, first: str, second: str) -> set[frozenset[str]]:
    """The units that ``constraint`` binds, two and two."""
    sets = list(constraint.all("resource_set"))
    if not sets:
        pair = frozenset((cib.unit_of(constraint.get(first)), cib.unit_of(constraint.get(second))))
        return {pair} if len(pair) == 2 else set()
    names = [cib.unit_of(ref.get("id")) for block in sets for ref in block.all("resource_ref")]
    return {frozenset((one, other)) for one in names for other in names if one != other}


def _is_local(cib: Cib, unit: str) -> bool:
    """Whether all of ``unit`` is work on a node itself, of use to nobody who is not there."""
    inside = cib.units.get(unit, ())
    return bool(inside) and all(one.type in STORAGE or one.type in ("IPaddr2", "IPaddr", "exportfs") for one in inside)


def _is_storage(cib: Cib, unit: str) -> bool:
    inside = cib.units.get(unit, ())
    return bool(inside) and all(one.type in STORAGE for one in inside)


@rule("order-without-colocation", "Pacemaker Explained, constraints: an order says nothing of where", _MOVED)
def order_alone(original: Original, _budget: float) -> Iterator[Finding]:
    """What needs another is after it, and may be on another node."""
    cib = original.cib
    if cib is None:
        return
    together = {pair for one in cib.constraints("rsc_colocation") for pair in _pairs(cib, one, "rsc", "with-rsc")}
    for one in cib.constraints("rsc_order"):
        if one.get("kind", "Mandatory").lower() != "mandatory" or one.get("score", "INFINITY") == "0":
            continue
        alone = [pair for pair in _pairs(cib, one, "first", "then") if pair not in together]
        first = cib.unit_of(one.get("first"))
        if one.get("first") and alone and _is_local(cib, first) and not _everywhere(cib, first):
            yield at(cib.at(one), text=f"{one.get('then')} starts after {one.get('first')}, and no colocation keeps it "
                                       "on that node")


@rule("colocation-without-order", "Pacemaker Explained, constraints: a colocation says nothing of when", _MOVED)
def colocation_alone(original: Original, _budget: float) -> Iterator[Finding]:
    """What needs another is where that is, and may start before it."""
    cib = original.cib
    if cib is None:
        return
    ordered = {pair for one in cib.constraints("rsc_order") for pair in _pairs(cib, one, "first", "then")}
    for one in cib.constraints("rsc_colocation"):
        other = cib.unit_of(one.get("with-rsc"))
        alone = [pair for pair in _pairs(cib, one, "rsc", "with-rsc") if pair not in ordered]
        if one.get("with-rsc") and alone and points(one.get("score", "INFINITY")) > 0 and _is_storage(cib, other):
            yield at(cib.at(one), text=f"{one.get('rsc')} is where {one.get('with-rsc')} is, and no order makes it "
                                       "wait for that")


@rule("colocation-without-role", "Pacemaker Explained, colocation: with-rsc-role", _MOVED)
def without_role(original: Original, _budget: float) -> Iterator[Finding]:
    """With any instance of a promotable clone, where it is the promoted one that is needed."""
    cib = original.cib
    if cib is None:
        return
    after = {(cib.unit_of(one.get("first")), cib.unit_of(one.get("then"))) for one in cib.constraints("rsc_order")
             if one.get("first-action").lower() == "promote"}
    for one in cib.constraints("rsc_colocation"):
        clone, unit = cib.unit_of(one.get("with-rsc")), cib.unit_of(one.get("rsc"))
        needs = (clone, unit) in after or any(part.type == "drbd" for part in cib.units.get(clone, ()))
        if (cib.is_promotable(clone) and needs and points(one.get("score", "INFINITY")) > 0
                and one.get("with-rsc-role").lower() not in ("master", "promoted")):
            yield at(cib.at(one), text=f"{one.get('rsc')} is with any instance of {one.get('with-rsc')}, not with the "
                                       "promoted one: it may be put where its storage is not promoted; the order does "
                                       "not help")


@rule("promoted-without-order", "Pacemaker Explained, order: first-action=promote", _MOVED)
def before_promotion(original: Original, _budget: float) -> Iterator[Finding]:
    """It waits for the start of what must be promoted first."""
    cib = original.cib
    for one in cib.constraints("rsc_order") if cib else ():
        clone = cib.unit_of(one.get("first"))
        if (cib.is_promotable(clone) and any(part.type == "drbd" for part in cib.units.get(clone, ()))
                and one.get("kind", "Mandatory").lower() == "mandatory"
                and one.get("first-action", "start").lower() == "start"
                and any(part.type == "Filesystem" for part in cib.units.get(cib.unit_of(one.get("then")), ()))):
            yield at(cib.at(one), text=f"{one.get('then')} waits for the start of {one.get('first')}, not for its "
                                       "promotion: its first mount fails")


@rule("group-out-of-order", "Pacemaker Explained, groups: started in the order in which they stand", _MOVED)
def out_of_order(original: Original, _budget: float) -> Iterator[Finding]:
    """A file system before the volume, the disk or the target that it is on."""
    cib = original.cib
    if cib is None:
        return
    groups = {outer.get("id"): outer for one in cib.resources for outer in one.above if outer.tag == "group"}
    for name in groups:
        members = cib.units[name]
        for index, one in enumerate(members):
            later = [other for other in members[index + 1:] if other.type in ("LVM", "LVM-activate", "iscsi")]
            device = one.value("device")
            for other in later:
                needs = other.type == "iscsi" or other.value("vgname", other.value("volgrpname")) in device.split("/")
                if one.type == "Filesystem" and device.startswith("/dev/") and needs:
                    yield at(one.place, other.place, text=f"{one.id} is mounted before {other.id}, which it is on")


def _everywhere(cib: Cib, unit: str) -> bool:
    return unit in cib.clones and not cib.is_promotable(unit)
