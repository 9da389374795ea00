"""Draws schedules from a seed: the same seed, topology, profile and version give the same bytes on every machine."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from fenceline.chaos.chance import Chance
from fenceline.chaos.moments import DELAYS, Moment, moments
from fenceline.chaos.profile import Profile, family
from fenceline.chaos.schedule import SERVES_NOW, Action, Schedule, resolved, topology_key
from fenceline.chaos.sentence import Speaker
from fenceline.chaos.states import State
from fenceline.chaos.survive import Survival, Taken
from fenceline.core.errors import FaultError, FencelineError
from fenceline.faults import FAULTS, lasts, make_fault
from fenceline.faults.claims import claims_of
from fenceline.faults.parameters import NODE, Count, Number, Several, types_of
from fenceline.faults.samples import Cast, drawn, made
from fenceline.model import damage
from fenceline.model.topology import Topology
from fenceline.scenario.roles import roles

#: So often something else is drawn where what was drawn does not fit beside the rest.
_TRIES = 8
#: So many are drawn for one that is taken, where some are preferred.
_CHOICE = 12
#: So many of what may be taken then (share) are put where a fail-over goes on, and so many wait for a moment of it.
_INTO_FAILOVER, _AT_MOMENT = 0.35, 0.4
#: So long (s) a fencing, and a take-over, are taken to go on; only for the guess of what will be hit.
_FENCES_S, _TAKES_OVER_S = 1.5, 6.0
#: By how much a number is changed from what its sample says.
_FACTORS = (0.5, 1.0, 1.0, 2.0)


@dataclass(frozen=True)
class Hit:
    """Where an action is expected to hit: the state, the fault, the role of its target; and ``beside`` what else is in
    force then."""

    state: str
    fault: str
    role: str
    beside: tuple[str, ...] = ()


#: How much one hit is preferred to another; 1 where nothing speaks for it.
Prefer = Callable[[Hit], float]


@dataclass(frozen=True)
class _Draft:
    action: Action
    taken: Taken
    hit: Hit
    #: Whether it may cost the cluster a node, so that a service fails over.
    loses: bool = False


class Repertoire:
    """What may be drawn of ``profile`` for a cluster of ``topology`` while clients ask ``service`` (default: its
    first).

    Raises:
        FaultError: no fault of the profile fits the topology.
    """

    def __init__(self, topology: Topology, profile: Profile, service: str | None = None, title: str = "",
                 changes: dict[str, Any] | None = None) -> None:
        self.topology, self.profile = topology, profile
        self.service = service or next(iter(topology.services))
        self.title, self.changes = title, changes
        self._key, self._version = topology_key(topology), version("fenceline")
        self._survival = Survival(topology)
        self._speaker = Speaker(topology, self.service)
        self._patience_s = damage.patience_s(topology)
        self._moments: tuple[Moment, ...] = moments(topology, self.service)
        self._made: dict[tuple[str, str, tuple[str, ...]], Any] = {}
        self._takes: dict[str, tuple[tuple, frozenset]] = {}
        self._role_of: dict[str, str] = {}
        order = topology.preferred_nodes(self.service)
        weights = {name: weight for name, weight in profile.weights().items()
                   if any(self._make(name, sample, order) is not None for sample in drawn(FAULTS[name]))}
        if not weights:
            raise FaultError(f"nothing of the profile {title or 'given'} fits the topology {topology.name}")
        self.names, self._weights = list(weights), list(weights.values())

    def draw(self, seed: int, length: float, driver: str = "auto", prefer: Prefer | None = None) -> Schedule:
        """A schedule of ``length`` s from ``seed``; ``prefer`` weighs what else would be as likely."""
        chance = Chance(seed, self._key, self.profile.key, "schedule")
        return self._schedule(seed, length, driver, self._filled(chance, [], 0.0, length, prefer))

    def grow(self, base: Schedule, seed: int, prefer: Prefer | None = None) -> Schedule:
        """A schedule that begins as ``base`` does and goes on differently, from ``seed``."""
        chance = Chance(seed, base.key, "grow")
        kept = list(base.actions[:chance.below(len(base.actions)) + 1]) if base.actions else []
        drafts: list[_Draft] = []
        for action in kept:
            drafts.append(self._draft_of(action, base.length, drafts))
        begin = max((action.at for action in kept if action.at is not None), default=0.0)
        begin = round(begin + chance.between(*self.profile.rest), 1)
        found = self._filled(chance, drafts, begin, base.length, prefer)
        return self._schedule(seed, base.length, base.driver, found)

    def _schedule(self, seed: int, length: float, driver: str, drafts: Sequence[_Draft]) -> Schedule:
        return Schedule(fenceline=self._version, topology=self.topology.name, service=self.service,
                        changes=self.changes, topology_key=self._key, driver=driver, seed=seed,
                        profile=self.title or None, ground=self.profile.ground, length=length,
                        actions=_in_order([draft.action for draft in drafts]))

    # -- one after the other -------------------------------------------------------------------------------

    def _filled(self, chance: Chance, drafts: list[_Draft], begin: float, length: float,
                prefer: Prefer | None) -> list[_Draft]:
        found = list(drafts)
        now = begin or chance.between(*self.profile.rest)
        while now < length:
            draft = self._next(chance, found, now, length, prefer)
            if draft is not None:
                found.append(draft)
            now = round(now + chance.between(*self.profile.rest), 1)
        return found

    def _next(self, chance: Chance, found: Sequence[_Draft], now: float, length: float,
              prefer: Prefer | None) -> _Draft | None:
        fitting: list[_Draft] = []
        for _ in range(_TRIES if prefer is None else 2 * _CHOICE):
            draft = self._drafted(chance, found, now, length, prefer is not None)
            if draft is not None and self._fits(draft.taken, [other.taken for other in found]):
                fitting.append(draft)
                if prefer is None or len(fitting) == _CHOICE:
                    break
        if not fitting:
            return None
        if prefer is None:
            return fitting[0]
        return chance.weighed(fitting, [max(1e-9, prefer(draft.hit)) for draft in fitting])

    def _when(self, chance: Chance, found: Sequence[_Draft], now: float, length: float, guided: bool) -> dict[str, Any]:
        """When the next action is done: now, or at a moment; where rare states are looked for, also in the course of a
        fail-over that one of those ``found`` may begin."""
        begins = [draft.action.at for draft in found if draft.loses and draft.action.at is not None] if guided else []
        if begins and chance.is_so(_INTO_FAILOVER):
            # each part of it as likely as the others, however short it is
            edges = (0.1, self._patience_s, self._patience_s + _FENCES_S, self._patience_s + _FENCES_S + _TAKES_OVER_S)
            part = chance.below(len(edges) - 1)
            at = round(chance.one_of(begins) + edges[part] + chance.share() * (edges[part + 1] - edges[part]), 1)
            if at < length:
                return {"at": at}
        share = self.profile.anchored and (_AT_MOMENT if guided else self.profile.anchored)
        if found and self._moments and chance.is_so(share):
            return {"after": chance.one_of(self._moments).words, "delay": chance.one_of(DELAYS)}
        return {"at": now}

    def _drafted(self, chance: Chance, found: Sequence[_Draft], now: float, length: float,
                 guided: bool) -> _Draft | None:
        name = chance.weighed(self.names, self._weights)
        order = tuple(chance.ordered(self.topology.preferred_nodes(self.service)))
        sample = chance.one_of(drawn(FAULTS[name]))
        fault = self._make(name, sample, order)
        if fault is None:
            return None
        fault = self._varied(chance, fault)
        ends_by_itself = lasts(fault) is not None
        when = self._when(chance, found, now, length, guided)
        seconds = min(chance.between(*self.profile.lasts), round(max(1.0, length - when.get("at", now)), 1))
        if ends_by_itself:
            fault = _with(fault, "seconds", seconds) or fault
        parameters = self._parameters(fault)
        moving = self._moving(parameters, type(fault))
        # a sentence may know no other node than the one that serves
        if chance.is_so(self.profile.moving) or not self._is_said(name, parameters) and self._is_said(name, moving):
            parameters = moving
        try:
            action = Action.model_validate({"fault": name, "with": parameters, **when,
                                            **({} if ends_by_itself else {"for": seconds})})
            return self._draft_of(action, length, found)
        except FencelineError:
            return None  # the node that serves then may be one that the fault can't hit

    def _draft_of(self, action: Action, length: float, found: Sequence[_Draft]) -> _Draft:
        taken = self.taken(action, length)
        loses = any((cost.lost | self._survival.victims(cost)) & set(self.topology.service_nodes)
                    for cost in taken.costs)
        return _Draft(action, taken, self._hit(action, taken, found), loses)

    def _is_said(self, name: str, parameters: dict[str, Any]) -> bool:
        return self._speaker.says(Action.model_construct(fault=name, parameters=parameters)) is not None

    def _parameters(self, fault: Any) -> dict[str, Any]:
        """The parameters of ``fault`` as a file has them, nodes that come together in the topology's order; those that
        are as by default are left out."""
        found, nodes = {}, list(self.topology.nodes)
        for one in dataclasses.fields(fault):
            value = getattr(fault, one.name)
            kind = types_of(type(fault))[one.name]
            if isinstance(kind, Several) and kind.thing is NODE and set(value) <= set(nodes):
                value = tuple(sorted(value, key=nodes.index))
            if one.default is dataclasses.MISSING or value != one.default:
                found[one.name] = _plain(value)
        return found

    def _make(self, name: str, sample: str, order: tuple[str, ...]) -> Any:
        key = name, sample, order
        if key not in self._made:
            self._made[key] = made(Cast(self.topology, order, self.service), name, sample)
        return self._made[key]

    def _varied(self, chance: Chance, fault: Any) -> Any:
        """``fault`` with other numbers, of the same size."""
        said = {word for says in getattr(fault, "says", ()) for kind in says.texts for word, _ in says.words(kind)}
        for name, kind in types_of(type(fault)).items():
            if not isinstance(kind, Number) or isinstance(kind, Count) or name not in said:
                continue
            value = _rounded(getattr(fault, name) * chance.one_of(_FACTORS))
            fault = _with(fault, name, value) or fault
        return fault

    def _moving(self, parameters: dict[str, Any], cls: type) -> dict[str, Any]:
        """``parameters`` with the node that serves then in the place of one that could."""
        if self.topology.services[self.service].active == "all":
            return parameters
        nodes = self.topology.preferred_nodes(self.service)
        for name, kind in types_of(cls).items():
            if kind is NODE and parameters.get(name) in nodes:
                return parameters | {name: SERVES_NOW}
        return parameters

    # -- what it takes -------------------------------------------------------------------------------------

    def taken(self, action: Action, length: float) -> Taken:
        """What ``action`` takes away in a schedule of ``length`` s; one that waits for a moment, at any time of it.

        Raises:
            FaultError: it is no fault, or names what there is not.
        """
        costs, things = self._takes_of(action)
        is_admin = family(action.fault) == "administration"
        if action.at is None:
            return Taken(0.0, length, math.inf, costs, things, is_admin)
        seconds = action.lasts if action.lasts is not None else self._ends_after(action)
        end = action.at + seconds
        return Taken(action.at, end, self._survival.over(end, costs), costs, things, is_admin)

    def _faults(self, action: Action) -> list[Any]:
        known = roles(self.topology, self.service, self.topology.preferred_nodes(self.service)[0])

        def node_of(serving: str) -> Callable[[str], str]:
            def name(words: str) -> str:
                if words == SERVES_NOW:
                    return serving
                return known.get(words, words.removeprefix("node "))
            return name
        moves = SERVES_NOW in action.parameters.values()
        who = self.topology.preferred_nodes(self.service) if moves else ("",)
        return [make_fault(action.fault, **resolved(action.fault, action.parameters, node_of(node))) for node in who]

    def _ends_after(self, action: Action) -> float:
        return max((lasts(fault) or 0.0 for fault in self._faults(action)), default=0.0)

    def _takes_of(self, action: Action) -> tuple[tuple, frozenset]:
        key = f"{action.fault} {action.parameters}"
        if key not in self._takes:
            faults = self._faults(action)
            self._takes[key] = (
                tuple(dict.fromkeys(fault.costs(self.topology) for fault in faults)),
                frozenset((claim.thing, claim.shared) for fault in faults for claim in claims_of(fault, self.topology)))
        return self._takes[key]

    def _fits(self, taken: Taken, others: Sequence[Taken]) -> bool:
        """Whether one more may be taken beside ``others``."""
        beside = [other for other in others if other.overlaps(taken)]
        # what waits for a moment is in force for a while, nobody knows when: it is counted among its like
        alike = [other for other in others if math.isinf(other.over) is math.isinf(taken.over)]
        if sum(other.begin < taken.end and taken.begin < other.end for other in alike) >= self.profile.at_once:
            return False
        if any(taken.clashes(other) for other in others):
            return False
        if self.profile.ground == "survivable":
            return self._survival.bears([taken, *beside])
        if self.profile.ground == "maintenance":
            if taken.is_admin:
                return self._survival.bears([taken, *(other for other in beside if other.is_admin)])
            return all(other.is_admin for other in beside)
        return True

    def _hit(self, action: Action, taken: Taken, found: Sequence[_Draft]) -> Hit:
        """The guess of what ``action`` hits."""
        key = f"{action.fault} {action.parameters}"
        if key not in self._role_of:
            self._role_of[key] = self._role(action)
        beside = tuple(sorted({other.action.fault for other in found
                               if other.action.at is not None and action.at is not None
                               and other.taken.begin <= action.at < other.taken.end}))
        state = next((moment.state for moment in self._moments if moment.words == action.after), State.STEADY)
        if action.at is not None:
            state = self._state_at(action.at, found)
        return Hit(state, action.fault, self._role_of[key], beside)

    def _state_at(self, at: float, found: Sequence[_Draft]) -> State:
        begun = [draft for draft in found if draft.loses and draft.taken.begin <= at < draft.taken.over
                 and draft.action.at is not None]
        if not begun:
            return State.STEADY
        since = at - max(draft.taken.begin for draft in begun)
        if since < self._patience_s:
            return State.DETECTING
        since -= self._patience_s
        if since < _FENCES_S and self.topology.fencing.method != "none":
            return State.FENCING
        return State.TAKING_OVER if since < _FENCES_S + _TAKES_OVER_S else State.DEGRADED

    def _role(self, action: Action) -> str:
        """The role of the first target, as far as it is known before."""
        if action.fault.startswith("fence-"):
            return "fencing device"
        if SERVES_NOW in action.parameters.values():
            return "serves"
        targets = [node for fault in self._faults(action) for node in fault.targets]
        if not targets:
            return "cluster"
        role = self.topology.nodes[targets[0]].role if targets[0] in self.topology.nodes else "client"
        if role not in ("cluster", "remote"):
            return role.replace("-", " ")
        return "serves" if targets[0] == self.topology.preferred_nodes(self.service)[0] else "stands by"

    def felt_together(self, schedule: Schedule) -> Iterator[list[Taken]]:
        """For the moment at which each action of ``schedule`` begins, all that may be felt then."""
        taken = [self.taken(action, schedule.length) for action in schedule.actions]
        for one in taken:
            yield [other for other in taken if other.begin <= one.begin < other.over]


def _in_order(actions: Sequence[Action]) -> tuple[Action, ...]:
    """``actions`` by their times; what waits for a moment stays behind what it was drawn after."""
    keyed, at = [], 0.0
    for action in actions:
        at = action.at if action.at is not None else at
        keyed.append((at, action))
    return tuple(action for _, action in sorted(keyed, key=lambda pair: pair[0]))


def _rounded(value: float) -> float:
    """``value`` to three digits: as one would write it."""
    return float(f"{value:.3g}")


def _with(fault: Any, name: str, value: Any) -> Any | None:
    """``fault`` with another value for ``name``; None where it takes no such value."""
    try:
        read = types_of(type(fault))[name].read(value)
        return replace(fault, **{name: read})
    except (KeyError, ValueError, FencelineError):
        return None


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
