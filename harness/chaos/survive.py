"""How much may be taken away at once: by the faults' own costs, over the topology, and nothing else.

A fault takes longer than it is in force: a machine that it lost, or had fenced, has to boot and join again. And what
waits for a moment may be in force at any time.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fenceline.judge.demand import legitimate_victims, obstacle
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.topology import Topology

#: So long (s), and what the topology says of its hardware, a machine that was lost may need to boot and join again.
REJOINS_S = 25.0
#: So long (s) what costs no machine may linger: the healing, a new membership.
LINGERS_S = 3.0


@dataclass(frozen=True)
class Taken:
    """What one action takes away while it is in force, from ``begin`` to ``end`` (s), and until it is no longer felt,
    at ``over``: one of ``costs``, as whom it hits may not be known before. ``things`` are its claims: (thing, whether
    it may be shared)."""

    begin: float
    end: float
    over: float
    costs: tuple[Cost, ...]
    things: frozenset[tuple[str, bool]] = frozenset()
    is_admin: bool = False

    def overlaps(self, other: Taken) -> bool:
        """Whether both may be felt at one time."""
        return self.begin < other.over and other.begin < self.over

    def clashes(self, other: Taken) -> bool:
        """Whether both want the same thing for themselves at one time."""
        if not (self.begin < other.end + LINGERS_S and other.begin < self.end + LINGERS_S):
            return False
        shared = dict(other.things)
        return any(thing in shared and not (is_shared and shared[thing]) for thing, is_shared in self.things)


class Survival:
    """Whether a cluster of ``topology`` must go on with all its services."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._outcomes: dict[Cost, tuple[Cost, ...]] = {}
        self._goes_on: dict[Cost, bool] = {}
        self._may_be_fenced: dict[Cost, frozenset[str]] = {}
        self._bears: dict[frozenset[tuple[tuple[Cost, ...], int]], bool] = {}

    def over(self, end: float, costs: Iterable[Cost]) -> float:
        """When (s) what took ``costs`` away until ``end`` is no longer felt."""
        is_heavy = any(cost.lost or cost.left or cost.unfit or self.victims(cost) for cost in costs)
        return end + (self.topology.boot_time + REJOINS_S if is_heavy else LINGERS_S)

    def outcomes(self, cost: Cost) -> tuple[Cost, ...]:
        """What may come of ``cost``: itself, or that one of those who may rightly be fenced for it is."""
        if cost not in self._outcomes:
            victims = () if self.topology.fencing.method == "none" else sorted(self.victims(cost))
            self._outcomes[cost] = (cost, *(cost | damage.machine_lost(self.topology, node) for node in victims))
        return self._outcomes[cost]

    def victims(self, cost: Cost) -> frozenset[str]:
        """Who may rightly be fenced for ``cost``."""
        if cost not in self._may_be_fenced:
            self._may_be_fenced[cost] = legitimate_victims(self.topology, cost)
        return self._may_be_fenced[cost]

    def goes_on(self, cost: Cost) -> bool:
        """Whether every service is owed while ``cost`` is taken away."""
        if cost not in self._goes_on:
            self._goes_on[cost] = all(obstacle(self.topology, name, cost) is None for name in self.topology.services)
        return self._goes_on[cost]

    def bears(self, taken: Sequence[Taken]) -> bool:
        """Whether every service is owed whatever comes of all ``taken``, felt at one time."""
        key = frozenset(Counter(action.costs for action in taken).items())
        if key not in self._bears:
            self._bears[key] = self._find(taken)
        return self._bears[key]

    def _find(self, taken: Sequence[Taken]) -> bool:
        each = [tuple(dict.fromkeys(one for cost in action.costs for one in self.outcomes(cost))) for action in taken]
        if math.prod(map(len, each)) > 512:
            return False  # more than anybody would look through, and a lot to take away
        return all(self.goes_on(_joined(costs)) for costs in itertools.product(*each))


def _joined(costs: Iterable[Cost]) -> Cost:
    found = Cost()
    for cost in costs:
        found |= cost
    return found
