"""The constraints of a CIB: who must be together, in which order, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

_INFINITY = 1_000_000


@dataclass
class Constraints:
    """``together`` (who depends comes first), ``apart`` and ``ordered`` are pairs of resource ids; ``scores``
    {resource: {node: score}}."""

    together: list[tuple[str, str]] = field(default_factory=list)
    apart: list[tuple[str, str]] = field(default_factory=list)
    ordered: list[tuple[str, str]] = field(default_factory=list)
    scores: dict[str, dict[str, int]] = field(default_factory=dict)

    def merged(self, units: Sequence[str], kinds: Mapping[str, Collection[str]]) -> list[list[str]]:
        """``units`` that must be together, each list in the order in which they start; not in one list those that
        have the same of ``kinds``, of which a service has one."""
        root = {name: name for name in units}

        def find(name: str) -> str:
            while root[name] != name:
                name = root[name]
            return name

        has = {name: list(kinds[name]) for name in units}
        for one, other in self.together:
            # the earlier in the file names the service
            first, second = sorted((find(one), find(other)), key=units.index)
            both = has[first] + has[second]
            if first != second and len(set(both)) == len(both):
                root[second], has[first] = first, both
        sets: dict[str, list[str]] = {}
        for name in units:
            sets.setdefault(find(name), []).append(name)
        return [self._sorted(members) for members in sets.values()]

    def bind(self, draft: Draft, place: str, services: Mapping[str, str | None]) -> None:
        """Says between services what could not be said within one; ``services`` are those of the resources."""
        pairs = [("colocated_with", one, other) for one, other in self.together]
        pairs += [("apart_from", one, other) for one, other in self.apart]
        pairs += [("after", then, first) for first, then in self.ordered]
        for bond, one, other in pairs:
            mine, theirs = services.get(one), services.get(other)
            if mine == theirs and mine is not None:
                continue
            if mine is None or theirs is None:
                draft.note(place, f"{one} {bond.replace('_', ' ')} {other}: not expressed: one of them is left out")
                continue
            bonds = draft.raw["services"][mine].setdefault(bond, [])
            if theirs not in bonds:
                bonds.append(theirs)

    def _sorted(self, members: list[str]) -> list[str]:
        """``members`` so that nobody comes before those that it follows; else as in the file."""
        left, found = list(members), []
        while left:
            ready = [name for name in left
                     if not any(then == name and first in left and first != name for first, then in self.ordered)]
            found.append((ready or left)[0])
            left.remove(found[-1])
        return found

    def domain(self, draft: Draft, members: Sequence[str], stickiness: int) -> dict[str, Any]:
        """Where the service may be and prefers to be."""
        total: dict[str, int] = {}
        for member in members:
            for node, points in self.scores.get(member, {}).items():
                total[node] = max(min(total.get(node, 0) + points, _INFINITY), -_INFINITY)
        banned = {node for node, points in total.items() if points <= -_INFINITY}
        nodes = [node for node in draft.cluster_nodes if node not in banned]
        nodes.sort(key=lambda node: -total.get(node, 0))
        best = max((total.get(node, 0) for node in nodes), default=0)
        worst = min((total.get(node, 0) for node in nodes), default=0)
        domain: dict[str, Any] = {"nodes": nodes, "ordered": best > worst, "failback": best > worst and
                                  stickiness < best - worst}
        if banned:
            domain["restricted"] = True
        return domain


def read_constraints(draft: Draft, source: Source, configuration: Element, units: Sequence[str],
                     devices: set[str], mirrors: set[str] = frozenset()) -> Constraints:
    """The constraints between ``units``; those of fencing ``devices`` say nothing of services, and that a file system
    is where its mirror (of ``mirrors``) was promoted, and after that, goes without saying."""
    from fenceline.importers.cib import score

    found = Constraints()
    inner = {primitive.get("id"): group.get("id") for block in configuration.all("resources")
             for group in block.all("group") for primitive in group.all("primitive")}

    def unit(name: str) -> str:
        return inner.get(name, name)

    for one in (one for block in configuration.all("constraints") for one in block.children):
        place = source.at(one.line)
        said = f"{one.tag} {one.get('id')}"
        ordering = one.tag == "rsc_order"
        names = [unit(one.get(word)) for word in (("first", "then") if ordering else ("rsc", "with-rsc", "ref"))
                 if one.get(word)]
        names += [unit(ref.get("id")) for block in one.all("resource_set") for ref in block.all("resource_ref")]
        if names and set(names) <= devices:
            continue
        if set(names) & mirrors and set(names) - mirrors and (_roles(one) or ordering):
            continue
        strangers = [name for name in names if name not in units]
        points = score(draft, one.get("score", "INFINITY"), place)
        if not names or strangers or one.get("rsc-pattern"):
            draft.note(place, f"{said}: not expressed" + (f": {strangers[0]} is no service" if strangers else ""))
        elif one.tag == "rsc_location":
            node = draft.known_node(one.get("node"))
            if node is None or one.children:
                draft.note(place, f"{said}: not expressed" + (": it has rules" if one.children else ""))
            else:
                _leftover(draft, place, one)
                for name in names:
                    scores = found.scores.setdefault(name, {})
                    scores[node] = scores.get(node, 0) + points
        elif one.tag == "rsc_colocation" and points >= _INFINITY and not _roles(one):
            found.together += pairwise(names)
        elif one.tag == "rsc_colocation" and points <= -_INFINITY and not _roles(one):
            found.apart += pairwise(names)
        elif ordering and one.get("kind", "Mandatory") == "Mandatory" and not _roles(one):
            found.ordered += pairwise(names)
        else:
            draft.note(place, f"{said} ({', '.join(names)}, {_how(one)}): not expressed")
    return found


def _leftover(draft: Draft, place: str, one: Element) -> None:
    if one.get("id").startswith(("cli-prefer", "cli-ban")):
        draft.note(place, f"{one.get('id')} is left of a move that nobody cleared; taken as a preference")


def _roles(one: Element) -> bool:
    """Whether it speaks of roles or actions other than started and start."""
    words = ("rsc-role", "with-rsc-role", "first-action", "then-action", "role", "action")
    return any(element.get(word).lower() not in ("", "started", "start")
               for element in (one, *one.all("resource_set")) for word in words)


def _how(one: Element) -> str:
    return ", ".join(f"{word} {one.get(word)}" for word in ("score", "kind", "rsc-role", "with-rsc-role",
                                                          "first-action", "then-action") if one.get(word))

