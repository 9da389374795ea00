"""Where a service of a CIB may run, and beside whom: what its constraints promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fenceline.accept.cibview import Cib, Primitive, points
from fenceline.accept.layout import Layout
from fenceline.accept.original import Original
from fenceline.importers.cibvalues import INFINITY
from fenceline.importers.xmltree import Element


def domain(original: Original, layout: Layout, unit: str, parts: list[Primitive]) -> dict[str, Any]:
    """Where ``unit`` may run, best first, whether it goes back there, by its locations and its stickiness."""
    scores: dict[str, int] = {}
    inside = {unit, *(one.id for one in parts)}
    for one in original.cib.constraints("rsc_location"):
        if one.get("rsc") not in inside or one.get("id").startswith("cli-"):
            continue
        for node, score in _where(original.cib, one):
            scores[node] = max(-INFINITY, min(INFINITY, scores.get(node, 0) + score))
    members = original.members
    opt_in = not original.cib.is_on("symmetric-cluster", True)
    allowed = [name for name in members if scores.get(name, 0) > -INFINITY and (not opt_in or name in scores)]
    order = sorted(allowed or members, key=lambda name: -scores.get(name, 0))
    sticky = sum(points(one.meta.get("resource-stickiness", ("0", ""))[0]) for one in parts)
    ranks = [scores.get(name, 0) for name in order]
    return {"nodes": [layout.names[name] for name in order], "ordered": len(set(ranks)) > 1,
            "restricted": len(allowed) < len(members), "failback": len(ranks) > 1 and ranks[0] - ranks[1] > sticky}


def _where(cib: Cib, constraint: Element) -> Iterator[tuple[str, int]]:
    """(member, score) of a location, of its rules too as far as they are about names and attributes."""
    if constraint.get("node"):
        yield constraint.get("node"), points(constraint.get("score", "INFINITY"))
    for rule in constraint.all("rule"):
        expressions = list(rule.walk())[1:]
        if any(one.tag not in ("expression",) for one in expressions) or len(expressions) != 1:
            continue
        told = expressions[0]
        for name, node in cib.nodes.items():
            has = {"#uname": name}.get(told.get("attribute")) or cib.settings(
                node, "instance_attributes").get(told.get("attribute"), ("", ""))[0]
            if (told.get("operation") == "eq" and has == told.get("value")) or (
                    told.get("operation") == "ne" and has != told.get("value")):
                yield name, points(rule.get("score"))


def bonds(cib: Cib, unit: str, own: dict[str, str]) -> dict[str, Any]:
    """What must run before ``unit``, with it, and apart from it, of the services ``own`` {unit: its name}."""
    found: dict[str, list[str]] = {}
    for one in cib.constraints("rsc_order", "rsc_colocation"):
        if one.tag == "rsc_order":
            mine, other = cib.unit_of(one.get("then")), cib.unit_of(one.get("first"))
            word = "after" if one.get("kind", "Mandatory").lower() == "mandatory" else ""
        else:
            mine, other = cib.unit_of(one.get("rsc")), cib.unit_of(one.get("with-rsc"))
            score = points(one.get("score", "INFINITY"))
            word = {INFINITY: "colocated_with", -INFINITY: "apart_from"}.get(score, "")
        if word and mine == unit and other in own and other != unit:
            told = found.setdefault(word, [])
            if own[other] not in told:
                told.append(own[other])
    return found
