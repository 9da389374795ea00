"""Who executed, held what and was quorate, when: the event log as intervals.

All times are nanoseconds of the host's CLOCK_MONOTONIC. An observation arrives late: a change that was stamped
``t_ns`` happened within ``[t_ns - late_ns, t_ns]``. An ``Edge`` keeps both ends of that span, so that a judge can
tell "certainly overlapped" from "may have overlapped".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fenceline.model.event import Event
from fenceline.model.storage import kinds_in
from fenceline.model.topology import Resource, Topology

SECOND = 1_000_000_000
#: A guest agent says all that is current when it starts. What it repeats within this time (ns) went on
#: throughout; what it does not repeat had ended by then.
BASELINE_NS = 2 * SECOND

ON, PAUSED, OFF = "on", "paused", "off"
_POWER = {"power.on": ON, "power.resumed": ON, "power.paused": PAUSED, "power.off": OFF}

#: ("mount", mountpoint), ("address", ip), ("listen", port), ("primary", DRBD resource), ("quorum", ""), ("power", "")
Key = tuple[str, str | int]
QUORUM: Key = ("quorum", "")
POWER: Key = ("power", "")
_VERBS = {"mount": "mounted {}", "address": "took {}", "listen": "opened port {}", "primary": "promoted {}"}


class Ended(StrEnum):
    """Why an interval ended."""

    RELEASED = "released"  # the node itself was seen to give it up
    OFF = "off"            # the machine stopped executing
    VOID = "void"          # the agent started afresh and did not say it again
    OPEN = "open"          # it lasts to the end of the log


@dataclass(frozen=True, slots=True)
class Edge:
    """A change that happened within ``[earliest_ns, latest_ns]``; ``event`` is None at the log's start."""

    earliest_ns: int
    latest_ns: int
    event: Event | None = None

    @staticmethod
    def of(event: Event) -> Edge:
        """The change that ``event`` reports."""
        return Edge(event.t_ns - event.late_ns, event.t_ns, event)


@dataclass(frozen=True, slots=True)
class Interval:
    """``node`` held ``key`` (with ``value``) from ``start`` to ``end``; ``end`` is None where it never ended."""

    node: str
    key: Key
    start: Edge
    end: Edge | None = None
    ended: Ended = Ended.OPEN
    value: str | bool = True

    def covers(self, ns: int) -> bool:
        """Whether ``ns`` lies within, by the stamps."""
        return self.start.latest_ns <= ns and (self.end is None or ns < self.end.latest_ns)

    @property
    def events(self) -> tuple[Event, ...]:
        """What was seen of its two ends."""
        return tuple(edge.event for edge in (self.start, self.end) if edge is not None and edge.event is not None)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class History:
    """A log, sorted and taken apart. ``end_ns`` is where the scenario ended, ``log_end_ns`` the last stamp."""

    topology: Topology
    events: tuple[Event, ...]
    start_ns: int
    end_ns: int
    log_end_ns: int
    power: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    facts: dict[Key, tuple[Interval, ...]] = field(default_factory=dict)
    quorum: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    by_kind: dict[str, tuple[Event, ...]] = field(default_factory=dict)

    def kinds(self, *kinds: str) -> list[Event]:
        """All events of these kinds, by their stamps."""
        if len(kinds) == 1:
            return list(self.by_kind.get(kinds[0], ()))
        return sorted((event for kind in kinds for event in self.by_kind.get(kind, ())), key=lambda e: e.t_ns)

    def between(self, first_ns: int, last_ns: int) -> tuple[Event, ...]:
        """The events that were stamped within ``[first_ns, last_ns]``."""
        return self.events[bisect_left(self.events, first_ns, key=lambda e: e.t_ns):
                           bisect_right(self.events, last_ns, key=lambda e: e.t_ns)]

    def at(self, ns: int) -> str:
        """``ns`` in words: seconds since the log's start."""
        return f"{(ns - self.start_ns) / SECOND:.3f} s"

    def held(self, kind: str) -> Iterator[tuple[Key, tuple[Interval, ...]]]:
        """Every key of ``kind`` with its intervals, by start."""
        return ((key, intervals) for key, intervals in self.facts.items() if key[0] == kind)

    def holder(self, key: Key, ns: int) -> str | None:
        """The node that held ``key`` at ``ns``, the latest one to get it if there were two."""
        nodes = [interval.node for interval in self.facts.get(key, ()) if interval.covers(ns)]
        return nodes[-1] if nodes else None

    def power_at(self, node: str, ns: int) -> str:
        """on, paused or off; on where nothing is known."""
        return next((str(interval.value) for interval in self.power.get(node, ()) if interval.covers(ns)), ON)

    def executing(self, node: str) -> tuple[Interval, ...]:
        """When ``node``'s CPUs ran; the whole log for one of which no change of power was seen."""
        if node not in self.power:
            return (Interval(node, POWER, Edge(self.start_ns, self.start_ns), value=ON),)
        return tuple(interval for interval in self.power[node] if interval.value == ON)

    def first_fault_ns(self) -> int | None:
        """When the first fault of the log began."""
        return min((event.t_ns for event in self.kinds("fault.begin", "fault.injected")), default=None)

    def ready_ns(self) -> int | None:
        """When the cluster was first said to be ready."""
        ready = self.by_kind.get("ready")
        return ready[0].t_ns if ready else None


def action(key: Key) -> str:
    """What a node did that began to hold ``key``: "mounted /srv/www"."""
    return _VERBS[key[0]].format(key[1])


def service_parts(topology: Topology) -> frozenset[Key]:
    """All that the services of ``topology`` are made of, as keys; and what they are on, where the nodes hold that."""
    parts = {key for service in topology.services.values() for part in service.group
             if (key := part_key(part)) is not None}
    return frozenset(parts | {("primary", disk.name) for kind in kinds_in(topology) if kind.promotes
                              for disk in kind.disks(topology)})


def part_key(part: Resource) -> Key | None:
    """What a node holds on which ``part`` of a group runs; None for what shows on no node."""
    if part.kind == "filesystem":
        return ("mount", part.mountpoint)
    if part.kind == "vip":
        return ("address", str(part.address))
    if part.kind in ("daemon", "resource") and part.port is not None:
        return ("listen", part.port)
    return None


def build_history(events: Iterable[Event], topology: Topology) -> History:
    """The history that ``events`` tell; they may come in any order (equal stamps keep theirs)."""
    ordered = tuple(sorted(events, key=lambda event: event.t_ns))
    by_kind: dict[str, list[Event]] = defaultdict(list)
    for event in ordered:
        by_kind[event.kind].append(event)
    start_ns = ordered[0].t_ns if ordered else 0
    log_end_ns = ordered[-1].t_ns if ordered else 0
    end_ns = by_kind["scenario.end"][0].t_ns if by_kind.get("scenario.end") else log_end_ns
    parts = service_parts(topology)
    nodes = _fresh_nodes(ordered, start_ns)
    for event in ordered:
        if event.node is None:
            continue
        node = nodes[event.node]
        if event.kind in _POWER:
            node.change_power(event)
        elif event.kind == "agent.start":
            node.void(event)
        elif event.kind == "quorum":
            node.report(QUORUM, bool(event.data["quorate"]), event)
        else:
            reported = _fact(event)
            if reported is not None and reported[0] in parts:
                node.report(*reported, event)
        if event.source == "guest":
            node.heard_ns = event.t_ns
    facts: dict[Key, list[Interval]] = {key: [] for key in sorted(parts, key=str)}
    power, quorum = {}, {}
    for name in sorted(nodes):
        nodes[name].finish()
        by_key: dict[Key, list[Interval]] = defaultdict(list)
        for interval in sorted(nodes[name].closed, key=lambda i: i.start.latest_ns):
            by_key[interval.key].append(interval)
        power[name] = tuple(by_key.pop(POWER, ()))
        quorum[name] = tuple(by_key.pop(QUORUM, ()))
        for key, intervals in by_key.items():
            facts[key] += intervals
    return History(
        topology, ordered, start_ns, end_ns, log_end_ns, power,
        {key: tuple(sorted(held, key=lambda i: (i.start.latest_ns, i.node))) for key, held in facts.items()},
        quorum, {kind: tuple(found) for kind, found in by_kind.items()})


def _fact(event: Event) -> tuple[Key, bool | None] | None:
    """The key that ``event`` reports on, and True (it is there) or None (it is not)."""
    data = event.data
    if event.kind == "mount":
        return ("mount", data["mountpoint"]), bool(data["mounted"]) or None
    if event.kind == "address":
        return ("address", str(data["ip"]).split("/")[0]), bool(data["present"]) or None
    if event.kind == "drbd.role":
        return ("primary", str(data["resource"])), data["role"] == "Primary" or None
    if event.kind == "listen":
        return ("listen", int(data["port"])), bool(data["present"]) or None
    return None


def _fresh_nodes(ordered: tuple[Event, ...], start_ns: int) -> dict[str, _Node]:
    """Every node that the log names, as it was before the first event.

    A log may start with machines that run already. The first change of power tells what was before: power.on of
    a guest that has not spoken yet means off, power.resumed means paused, anything else means on.
    """
    initial: dict[str, str] = {}
    spoke: set[str] = set()
    for event in ordered:
        if event.node is None:
            continue
        initial.setdefault(event.node, "")
        if event.source == "guest":
            spoke.add(event.node)
        if event.kind in _POWER and not initial[event.node]:
            off = event.kind == "power.on" and event.node not in spoke
            initial[event.node] = OFF if off else PAUSED if event.kind == "power.resumed" else ON
    return {node: _Node(node, state or ON, start_ns) for node, state in initial.items()}


class _Node:
    """One node while the log is read: what it holds now, and all intervals that ended."""

    def __init__(self, name: str, state: str, start_ns: int) -> None:
        self.name = name
        self.heard_ns = start_ns
        self.closed: list[Interval] = []
        self._open: dict[Key, Interval] = {}
        self._limbo: dict[Key, tuple[Interval, Edge]] = {}
        self._begin(POWER, Edge(start_ns, start_ns), state)

    @property
    def _state(self) -> str:
        return str(self._open[POWER].value)

    def change_power(self, event: Event) -> None:
        """Takes a power event in; one that changes nothing (a baseline said again) is ignored."""
        state = _POWER[event.kind]
        if state == self._state or (self._state == OFF and event.kind != "power.on"):
            return
        edge = Edge.of(event)
        self._end(POWER, edge, Ended.RELEASED)
        if state == OFF:
            self._settle_limbo()
            for key in list(self._open):
                self._end(key, edge, Ended.OFF)
        self._begin(POWER, edge, state)

    def void(self, event: Event) -> None:
        """The agent started: what was known is in limbo until it is said again, or is not."""
        self._settle_limbo()
        # it may have ended at any time since the agent was last heard
        edge = Edge(min(self.heard_ns, event.t_ns - event.late_ns), event.t_ns, event)
        for key in [key for key in self._open if key != POWER]:
            self._limbo[key] = (self._open.pop(key), edge)

    def report(self, key: Key, value: bool | None, event: Event) -> None:
        """``key`` now has ``value``; None: it is gone."""
        if self._state == OFF:
            return  # drained from the pipe of a dead machine: whatever it was ended with the power
        if key in self._limbo:
            interval, edge = self._limbo[key]
            fresh = event.t_ns - edge.latest_ns <= BASELINE_NS
            if fresh and value is None:
                return  # a starting agent says "not there" of everything before it looks
            del self._limbo[key]
            if fresh and interval.value == value:
                self._open[key] = interval
                return
            self.closed.append(_closed(interval, edge, Ended.VOID))
        held = self._open.get(key)
        if held is not None and held.value == value:
            return
        edge = Edge.of(event)
        if held is not None:
            self._end(key, edge, Ended.RELEASED)
        if value is not None:
            self._begin(key, edge, value)

    def finish(self) -> None:
        """The log is over."""
        self._settle_limbo()
        self.closed += self._open.values()
        self._open = {}

    def _begin(self, key: Key, edge: Edge, value: str | bool) -> None:
        self._open[key] = Interval(self.name, key, edge, value=value)

    def _end(self, key: Key, edge: Edge, why: Ended) -> None:
        self.closed.append(_closed(self._open.pop(key), edge, why))

    def _settle_limbo(self) -> None:
        self.closed += [_closed(interval, edge, Ended.VOID) for interval, edge in self._limbo.values()]
        self._limbo = {}


def _closed(interval: Interval, edge: Edge, why: Ended) -> Interval:
    return Interval(interval.node, interval.key, interval.start, edge, why, interval.value)
