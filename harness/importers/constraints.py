"""The constraints of a CIB: who must be together, in which order, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise, product
from typing import Any

from fenceline.importers.cibvalues import INFINITY, score
from fenceline.importers.draft import Draft
from fenceline.importers.source import Source
from fenceline.importers.xmltree import Element

_NO = ("false", "no", "off", "n", "0")
_ENDS = {"rsc_colocation": ("rsc", "with-rsc"), "rsc_order": ("first", "then")}
_PROMOTED = ("master", "promoted")


@dataclass
class Constraints:
    """``together`` (who depends comes first), ``apart`` and ``ordered`` are pairs of resource ids; ``scores``
    {resource: {node: score}}; ``promoted`` {mirror: those that are where it is promoted}; ``promotion`` {mirror: those
    that wait for that}."""

    together: list[tuple[str, str]] = field(default_factory=list)
    apart: list[tuple[str, str]] = field(default_factory=list)
    ordered: list[tuple[str, str]] = field(default_factory=list)
    scores: dict[str, dict[str, int]] = field(default_factory=dict)
    promoted: dict[str, list[str]] = field(default_factory=dict)
    promotion: dict[str, list[str]] = field(default_factory=dict)

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
                if bond == "apart_from":
                    draft.note(place, f"{one} apart from {other}: not expressed: they are together in {mine}")
                continue
            if mine is None or theirs is None:
                draft.note(place, f"{one} {bond.replace('_', ' ')} {other}: not expressed: one of them is left out")
                continue
            if bond == "colocated_with" and mine in _leads_to(draft.raw["services"], theirs):
                continue  # they are together already, the other way round
            bonds = draft.raw["services"][mine].setdefault(bond, [])
            if theirs not in bonds:
                bonds.append(theirs)

    def beside_promoted(self, mirror: str) -> list[str]:
        """What is where ``mirror`` is promoted, be it by what it is together with; who says so itself comes first."""
        found = list(dict.fromkeys(self.promoted.get(mirror, ())))
        for name in found:  # grows as it goes
            found += [one for pair in self.together if name in pair for one in pair if one not in found]
        return found

    def waits_for(self, mirror: str, unit: str) -> bool:
        """Whether ``unit`` starts after the promotion of ``mirror``, be it by what comes between."""
        waiting, before = set(self.promotion.get(mirror, ())), set()
        while waiting != before:
            before = set(waiting)
            waiting |= {then for first, then in self.ordered if first in waiting}
        return unit in waiting

    def _sorted(self, members: list[str]) -> list[str]:
        """``members`` so that nobody comes before those that it follows; else as in the file."""
        left, found = list(members), []
        while left:
            ready = [name for name in left
                     if not any(then == name and first in left and first != name for first, then in self.ordered)]
            found.append((ready or left)[0])
            left.remove(found[-1])
        return found

    def domain(self, draft: Draft, members: Sequence[str], stickiness: int, opt_in: bool) -> dict[str, Any] | None:
        """Where the service may be and prefers to be; None where no node may run it. ``opt_in``: only where a location
        says so (symmetric-cluster=false)."""
        total: dict[str, int] = {}
        for member in members:
            for node, points in self.scores.get(member, {}).items():
                # -INFINITY wins whatever is added
                ends = total.get(node, 0) <= -INFINITY or points <= -INFINITY
                total[node] = -INFINITY if ends else min(total.get(node, 0) + points, INFINITY)
        banned = {node for node, points in total.items() if points <= -INFINITY}
        if opt_in:
            banned |= {node for node in draft.cluster_nodes
                       if not all(node in self.scores.get(member, {}) for member in members)}
        nodes = [node for node in draft.cluster_nodes if node not in banned]
        if not nodes:
            return None
        nodes.sort(key=lambda node: -total.get(node, 0))
        best = max(total.get(node, 0) for node in nodes)
        worst = min(total.get(node, 0) for node in nodes)
        domain: dict[str, Any] = {"nodes": nodes, "ordered": best > worst, "failback": best > worst and
                                  stickiness < best - worst}
        if banned:
            domain["restricted"] = True
        return domain


class ConstraintReader:
    """Reads the constraints between ``units``, groups' members taken for their groups; ``devices`` are fencing devices,
    ``mirrors`` DRBD."""

    def __init__(self, draft: Draft, source: Source, configuration: Element, units: Sequence[str],
                 devices: Collection[str], mirrors: Collection[str]) -> None:
        self._draft, self._source, self._configuration = draft, source, configuration
        self._units, self._devices, self._mirrors = units, devices, mirrors
        self._inner = {primitive.get("id"): outer.get("id") for block in configuration.all("resources")
                       for outer in block.all("group", "master", "clone") for primitive in outer.all("primitive")}
        self._found = Constraints()

    def read(self) -> Constraints:
        """All of them; what can't be said is a note."""
        for one in (one for block in self._configuration.all("constraints") for one in block.children):
            place, said = self._source.at(one.line), f"{one.tag} {one.get('id')}"
            names = [self._unit(one.get(word)) for word in ("rsc", "with-rsc", "first", "then") if one.get(word)]
            names += [name for block in one.all("resource_set") for name, _ in self._members(block, "role")]
            halves = {bool(one.get(word)) for word in _ENDS.get(one.tag, ())}
            strangers = [name for name in names if name not in (*self._units, *self._mirrors)]
            if names and set(names) <= set(self._devices):
                self._draft.note(place, f"{said}: where fencing devices run is not expressed: any node may use them")
            elif not names or len(halves) > 1 or strangers or one.get("rsc-pattern"):
                self._draft.note(place, f"{said}: not expressed" + (f": {strangers[0]} is no service" if strangers else
                                                                    ""))
            elif one.tag == "rsc_location":
                self._location(one, names, place, said)
            elif one.tag == "rsc_colocation":
                self._colocation(one, place, said)
            elif one.tag == "rsc_order":
                self._order(one, place, said)
            else:
                self._draft.note(place, f"{said} ({', '.join(names)}): not expressed")
        return self._found

    def _unit(self, name: str) -> str:
        return self._inner.get(name, name)

    def _location(self, one: Element, names: Sequence[str], place: str, said: str) -> None:
        draft = self._draft
        mirror = next((name for name in names if name in self._mirrors), None)
        points = score(draft, one.get("score", "INFINITY"), place)
        nodes = {node} if (node := draft.known_node(one.get("node"))) else set()
        role, rules = one.get("role").lower(), list(one.all("rule"))
        if len(rules) == 1 and not one.get("node"):
            rule = rules[0]
            found = _matching(draft, rule)
            if found is not None and rule.get("score") and not rule.get("score-attribute"):
                nodes, points = found, score(draft, rule.get("score"), self._source.at(rule.line))
                role = role or rule.get("role").lower()
                rules = []
        if mirror or rules or not nodes or role not in ("", "started"):
            why = (f"it is about {mirror}" if mirror else "it has rules" if rules else
                   f"it is for the role {role}" if nodes else f"{one.get('node') or 'what it names'} is no node")
            draft.note(place, f"{said} ({', '.join(names)}): not expressed: {why}")
            return
        if one.get("id").startswith(("cli-prefer", "cli-ban", "cli-standby")):
            draft.note(place, f"{one.get('id')} is left of a move that nobody cleared; taken as a preference")
        if one.get("resource-discovery", "always") != "always":
            draft.note(place, f"{said}: resource-discovery {one.get('resource-discovery')}: not expressed")
        for name, node in product(names, sorted(nodes)):
            scores = self._found.scores.setdefault(name, {})
            banned = scores.get(node, 0) <= -INFINITY or points <= -INFINITY
            scores[node] = -INFINITY if banned else scores.get(node, 0) + points

    def _colocation(self, one: Element, place: str, said: str) -> None:
        """Pairs of who depends and on whom; in a set each depends on the one before."""
        points = score(self._draft, one.get("score", "INFINITY"), place)
        if one.get("node-attribute", "#uname") != "#uname":
            self._draft.note(place, f"{said}: node-attribute {one.get('node-attribute')}: the same value of it is "
                                    "enough, not the same node: not expressed")
            return
        pairs = [((self._unit(one.get("rsc")), one.get("rsc-role")),
                  (self._unit(one.get("with-rsc")), one.get("with-rsc-role")))] if one.get("rsc") else []
        sets = list(one.all("resource_set"))
        for block in sets:
            members = self._members(block, "role")
            own = score(self._draft, block.get("score", one.get("score", "INFINITY")), place)
            if own != points:
                self._draft.note(self._source.at(block.line), f"{said}: a set with the score {block.get('score')}: "
                                                              "not expressed")
            elif points < 0:
                pairs += combinations(members, 2)
            elif _sequential(block):
                pairs += [(later, earlier) for earlier, later in pairwise(members)]
        for block, other in pairwise(sets):
            mine, theirs = self._members(block, "role"), self._members(other, "role")
            pairs += product(mine[:1] if _sequential(block) else mine, theirs[-1:] if _sequential(other) else theirs)
        for (name, role), (other, with_role) in pairs:
            self._together(place, f"{said} ({name}, {other}, score {one.get('score') or 'INFINITY'})", points,
                           (name, role.lower()), (other, with_role.lower()))

    def _together(self, place: str, said: str, points: int, mine: tuple[str, str], theirs: tuple[str, str]) -> None:
        (name, role), (other, with_role) = mine, theirs
        mirrored = [(one, its) for one, its in (mine, theirs) if one in self._mirrors]
        if mirrored:
            mirror, its = mirrored[0]
            unit, others = theirs if mine == mirrored[0] else mine
            if len(mirrored) == 2 or points < INFINITY or others not in ("", "started"):
                self._draft.note(place, f"{said}: not expressed")
            elif its not in _PROMOTED:
                self._draft.note(place, f"{said}: not expressed: it is with any replica of {mirror}, promoted or not")
            else:
                self._found.promoted.setdefault(mirror, []).append(unit)
        elif role not in ("", "started") or with_role not in ("", "started") or abs(points) < INFINITY:
            self._draft.note(place, f"{said}: not expressed")
        else:
            (self._found.together if points > 0 else self._found.apart).append((name, other))

    def _order(self, one: Element, place: str, said: str) -> None:
        draft = self._draft
        kind = one.get("kind").lower()
        if not kind:  # as it was said before there were kinds, and as crmsh still writes it
            kind = "optional" if one.get("score") and score(draft, one.get("score"), place) == 0 else "mandatory"
        if kind != "mandatory":
            draft.note(place, f"{said}: {kind}: not expressed")
            return
        pairs = [((self._unit(one.get("first")), one.get("first-action")),
                  (self._unit(one.get("then")), one.get("then-action") or one.get("first-action")))
                 ] if one.get("first") else []
        sets = list(one.all("resource_set"))
        for block in sets:
            if block.get("require-all").lower() in _NO:
                draft.note(self._source.at(block.line), f"{said}: require-all=false: one of them is enough: not "
                                                        "expressed, all must run")
            pairs += pairwise(self._members(block, "action")) if _sequential(block) else []
        for block, other in pairwise(sets):
            firsts, thens = self._members(block, "action"), self._members(other, "action")
            pairs += product(firsts[-1:] if _sequential(block) else firsts, thens[:1] if _sequential(other) else thens)
        for (first, action), (then, then_action) in pairs:
            how = f"{said} ({first} {action}, {then} {then_action})".replace(" ,", ",").replace(" )", ")")
            starts = then_action.lower() in ("", "start") or (then_action == action and then not in self._mirrors)
            if first in self._mirrors and action.lower() == "promote" and then in self._units and starts:
                self._found.promotion.setdefault(first, []).append(then)
            elif first in self._units and then in self._units and action.lower() in ("", "start") and starts:
                self._found.ordered.append((first, then))
            else:
                draft.note(place, f"{how}: not expressed")
                continue
            if one.get("symmetrical").lower() in _NO:
                draft.note(place, f"{how}: symmetrical={one.get('symmetrical')}: nothing is said about stopping; here "
                                  f"{then} stops first")

    def _members(self, block: Element, word: str) -> list[tuple[str, str]]:
        return [(self._unit(ref.get("id")), block.get(word)) for ref in block.all("resource_ref")]


def _leads_to(services: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """The services that ``name`` must be with, and those that these must be with."""
    found = [name]
    for one in found:  # grows as it goes
        found += [other for other in services[one].get("colocated_with", ()) if other not in found]
    return found


def _sequential(block: Element) -> bool:
    return block.get("sequential").lower() not in _NO


def _matching(draft: Draft, rule: Element) -> set[str] | None:
    """The nodes that ``rule`` holds for, if it speaks of nothing but their names."""
    every, found = set(draft.cluster_nodes), []
    for one in rule.children:
        node = draft.known_node(one.get("value"))
        if one.tag == "rule":
            part = _matching(draft, one)
            if part is None:
                return None
            found.append(part)
        elif one.tag != "expression" or one.get("attribute") != "#uname" or node is None:
            return None
        elif one.get("operation") in ("eq", "ne"):
            found.append({node} if one.get("operation") == "eq" else every - {node})
        else:
            return None
    if not found:
        return None
    return set.union(*found) if rule.get("boolean-op").lower() == "or" else set.intersection(*found)
