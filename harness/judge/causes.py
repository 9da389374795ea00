"""Why a cluster may fence a node or interrupt a service: the faults in force, and what each of them costs.

A fault is a reason from its beginning until it is healed, and for as long afterwards as the cluster may take, by its
own timing, to notice and to answer (``answer_s``). Who lost its power is away until it is a quorate member again, and
for so long its fault goes on for it. All times are ns of the host's CLOCK_MONOTONIC.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_

from fenceline.judge.demand import cut_off, has_quorum, parts, together
from fenceline.judge.faultlog import FaultRecord, fault_records
from fenceline.judge.history import OFF, SECOND, History
from fenceline.model.cost import Cost
from fenceline.model.fencing import SBD
from fenceline.model.topology import Topology

#: What a cluster that has noticed needs to decide (s): an election, a look at the resources, on a busy guest.
_DECIDING = 10.0


def answer_s(topology: Topology) -> float:
    """How long (s) the cluster may take from the end of a fault until it has done the last thing that it began for it:
    to notice, to decide, to wait for the head start of the other one and for its fencing."""
    fencing = topology.fencing
    waits = fencing.waits_s
    if fencing.sbd is not None:
        waits += fencing.sbd.watchdog_timeout + fencing.sbd.message_wait
    return topology.stack.notice_s + waits + _DECIDING


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault of the log, as a reason: from ``begin_ns`` to ``until_ns``. One that strikes again and again is a new
    reason each time."""

    record: FaultRecord
    begin_ns: int
    until_ns: int
    strike: int = 0

    @property
    def id(self) -> str:
        """The fault's own, and which of its strikes it is."""
        return f"{self.record.id}.{self.strike}"

    @property
    def title(self) -> str:
        """The fault in words."""
        return self.record.title

    @property
    def cost(self) -> Cost:
        """What it takes away."""
        return self.record.cost

    @property
    def targeted(self) -> frozenset[str]:
        """The nodes that it may have fenced, each for itself."""
        return self.cost.lost | self.cost.victims

    def afflicts(self, service: str, node: str) -> bool:
        """Whether ``node`` is not where ``service`` should be while it is in force."""
        cost = self.cost
        return node in cost.lost | cost.left | cost.unfit | cost.victims or (service, node) in cost.unfit_for

    def covers(self, ns: int) -> bool:
        """Whether it is a reason at ``ns``."""
        return self.begin_ns <= ns <= self.until_ns


@dataclass(frozen=True, slots=True)
class Split:
    """Members that don't hear each other, from ``begin_ns`` to ``until_ns``. ``sides`` are the parts that may go on:
    of each alone, whoever is not in it is a legitimate victim. ``id`` is of the cut that made it what it is, at
    ``cut_ns``."""

    id: str
    title: str
    cut_ns: int
    begin_ns: int
    until_ns: int
    sides: tuple[frozenset[str], ...]
    members: frozenset[str]

    def covers(self, ns: int) -> bool:
        """Whether it is a reason at ``ns``."""
        return self.begin_ns <= ns <= self.until_ns

    def may_cost(self, node: str) -> bool:
        """Whether some side may go on without ``node``."""
        return node in self.members and any(node not in side for side in self.sides)


@dataclass(frozen=True)
class Causes:
    """All reasons of a log."""

    history: History

    @cached_property
    def faults(self) -> tuple[Cause, ...]:
        """Every fault, in the order in which they began; one that stops a machine again and again as one for each."""
        found = [Cause(record, begin_ns, self._answered_ns(record), number)
                 for record in fault_records(self.history) for number, begin_ns in enumerate(self._strikes(record))]
        return tuple(sorted(found, key=lambda cause: cause.begin_ns))

    def _strikes(self, record: FaultRecord) -> list[int]:
        begin_ns, end_ns = record.begin.t_ns, record.healed_ns or self.history.log_end_ns
        paused = [event.t_ns for event in self.history.by_kind.get("power.paused", ())
                  if event.node in record.cost.lost | record.cost.victims and begin_ns <= event.t_ns <= end_ns]
        return [begin_ns, *paused[1:]]

    @cached_property
    def answer_ns(self) -> int:
        """What the cluster may need to answer the end of a fault, on machines as slow as these."""
        slowdown = next((float(event.data.get("slowdown", 1)) for event in self.history.kinds("ready")), 1.0)
        return round(answer_s(self.history.topology) * slowdown * SECOND)

    def _answered_ns(self, record: FaultRecord) -> int:
        if record.healed_ns is None:
            return self.history.log_end_ns
        # a device that is slow has several commands to do, and is so for what was begun before it was mended
        slower = sum(other.cost.slower_s for other in fault_records(self.history)
                     if other.begin.t_ns <= record.healed_ns)
        return record.healed_ns + self.answer_ns + round(4 * slower * SECOND)

    @cached_property
    def away(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """When each node was off, or on again and not yet a quorate member (a machine that is none: not yet heard)."""
        found = {}
        for node, power in self.history.power.items():
            found[node] = tuple((interval.start.latest_ns, self._back_ns(node, interval.start.latest_ns))
                                for interval in power if interval.value == OFF)
        return found

    def _back_ns(self, node: str, off_ns: int) -> int:
        on_ns = next((event.t_ns for event in self.history.by_kind.get("power.on", ())
                      if event.node == node and event.t_ns > off_ns), None)
        if on_ns is None:
            return self.history.log_end_ns
        is_member = node in self.history.topology.cluster_nodes
        events = self.history.by_kind.get("quorum" if is_member else "agent.start", ())
        return next((event.t_ns for event in events if event.node == node and event.t_ns > on_ns
                     and (not is_member or event.data["quorate"])), self.history.log_end_ns)

    def lasts(self, cause: Cause | Split, node: str, ns: int) -> bool:
        """Whether ``cause`` is a reason at ``ns`` as far as ``node`` is concerned: one whose power went off meanwhile
        takes until it is back, and the cluster's answer to that."""
        if cause.covers(ns):
            return True
        return any(cause.covers(off_ns) and off_ns <= ns <= back_ns + self.answer_ns
                   for off_ns, back_ns in self.away.get(node, ()))

    def targeting(self, node: str, ns: int) -> list[Cause]:
        """The faults for which ``node`` may be fenced at ``ns``, each for itself; the latest first."""
        return [cause for cause in reversed(self.faults) if node in cause.targeted and self.lasts(cause, node, ns)]

    def splitting(self, node: str, ns: int) -> list[Split]:
        """The splits in which ``node`` may be on the side that loses; the latest first."""
        return [split for split in reversed(self.splits) if split.may_cost(node) and self.lasts(split, node, ns)]

    def in_force(self, ns: int) -> Iterator[Cause]:
        """The faults that are a reason at ``ns``; the latest first."""
        return (cause for cause in reversed(self.faults) if cause.covers(ns))

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """Every split, in order. It is a new one when a cable is cut again, or another fault begins that does such."""
        found: list[Split] = []
        cutting = [cause for cause in self.faults if cause.cost.unheard]
        if not cutting:
            return ()
        cuts = sorted({cause.begin_ns for cause in cutting} | {
            event.t_ns for event in self.history.by_kind.get("link.down", ()) if self._cuts(event.t_ns, cutting)})
        stamps = sorted({*cuts, *(cause.record.healed_ns for cause in cutting if cause.record.healed_ns is not None),
                         *(ns for spans in self.away.values() for span in spans for ns in span)})
        for begin_ns, end_ns in zip(stamps, [*stamps[1:], self.history.log_end_ns], strict=True):
            active = [cause for cause in self.faults if cause.begin_ns <= begin_ns
                      and (cause.record.healed_ns is None or cause.record.healed_ns > begin_ns)]
            cuts_now = [cause for cause in active if cause.cost.unheard]
            if not cuts_now:
                continue
            cost = reduce(or_, (cause.cost for cause in active))
            away = frozenset(node for node, spans in self.away.items() for off_ns, back_ns in spans
                             if off_ns <= begin_ns < back_ns)
            # who is away may be shot for the split that put it there: it hears nobody when it is back either
            sides = self._sides(cost | Cost(lost=away)) or self._sides(cost)
            number = bisect_right(cuts, begin_ns)
            found.append(Split(f"cut {number}", cuts_now[-1].title, cuts[number - 1], begin_ns,
                               end_ns + self.answer_ns, sides, frozenset(self.history.topology.cluster_nodes)))
        return tuple(found)

    def _cuts(self, ns: int, cutting: Iterable[Cause]) -> bool:
        # not the cables that the fault itself cuts, when it begins
        return any((cause.record.injected_ns or cause.begin_ns) < ns < (cause.record.healed_ns or ns + 1)
                   for cause in cutting)

    def _sides(self, cost: Cost) -> tuple[frozenset[str], ...]:
        """The parts of which one may go on; nothing where the members that are there hear each other."""
        topology = self.history.topology
        apart = cut_off(topology, cost)
        if not apart:
            return ()
        going = parts(topology, cost)
        if going:
            return going
        # nobody hears enough of those who hear each other; but where somebody hears enough at all, or who has no quorum
        # takes itself down, whoever misses one may be out
        pieces = together(topology, cost)
        around = [frozenset().union(*(piece for piece in pieces if node in piece)) for node in apart]
        if (any(has_quorum(topology, cost, part) for part in around) or SBD in topology.fencing.devices
                or topology.stack.quorum.without_quorum == "suicide"):
            return (frozenset().union(*pieces) - apart,)
        return ()
