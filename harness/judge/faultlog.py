"""The faults of a log, and what they took out of play, when. Times in ns of the host's CLOCK_MONOTONIC.

No fault is known by its name here: each says itself what it costs, and the log carries that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from fenceline.judge.demand import cut_off, legitimate_victims
from fenceline.judge.history import SECOND, History
from fenceline.judge.oldlogs import old_cost
from fenceline.model import damage
from fenceline.model.cost import Cost
from fenceline.model.event import Event, is_fencing
from fenceline.model.topology import Service, Topology


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """One fault as the log tells it; stamps are None where it did not come to that."""

    id: str
    name: str
    targets: tuple[str, ...]
    params: dict[str, Any]
    begin: Event
    cost: Cost = Cost()
    injected_ns: int | None = None
    confirmed_ns: int | None = None
    healed_ns: int | None = None
    unconfirmed: str | None = None
    unhealed: str | None = None

    @property
    def title(self) -> str:
        """The fault in words: "hang on rs-01"."""
        return f"{self.name} on {', '.join(self.targets)}" if self.targets else self.name


def fault_records(history: History) -> tuple[FaultRecord, ...]:
    """Every fault of the log, in the order in which they began."""
    found: dict[str, FaultRecord] = {}
    for event in history.kinds("fault.begin"):
        name = str(event.data.get("id"))
        found[name] = FaultRecord(name, str(event.data.get("fault")), tuple(event.data.get("targets") or ()),
                                  dict(event.data.get("params") or {}), event, _cost(event, history.topology))
    for event in history.kinds("fault.injected", "fault.confirmed", "fault.unconfirmed", "fault.healed",
                               "fault.unhealed"):
        record = found.get(str(event.data.get("id")))
        if record is None:
            continue
        change: dict[str, Any] = {
            "fault.injected": {"injected_ns": event.t_ns},
            "fault.confirmed": {"confirmed_ns": event.t_ns},
            "fault.unconfirmed": {"unconfirmed": str(event.data.get("reason", ""))},
            "fault.healed": {"healed_ns": event.t_ns},
            "fault.unhealed": {"unhealed": str(event.data.get("reason", ""))},
        }[event.kind]
        found[record.id] = replace(record, **change)
    return tuple(found.values())


def _cost(begin: Event, topology: Topology) -> Cost:
    if "cost" in begin.data:
        return Cost.of(begin.data["cost"])
    return old_cost(topology, str(begin.data.get("fault")), begin.data.get("targets") or (),
                    begin.data.get("params") or {})


@dataclass(frozen=True, slots=True)
class Impairment:
    """What is out of play at one time: the ``cost`` of all ``faults`` in force (their titles), and of the machines that
    are off, together."""

    cost: Cost = Cost()
    #: Who may rightly be fenced now.
    victims: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
    #: Of the cost, what is not the doing of those who told the cluster to leave something alone.
    befell: Cost = Cost()


def fencing_within_s(topology: Topology) -> float:
    """How long (s) after its cause is gone a fencing may still come: it was noticed at the last moment, and a device
    may take its time."""
    quorum_s = 2 * damage.patience_s(topology)
    fencing = topology.fencing
    return quorum_s + fencing.timeout * max(1, len(fencing.in_order)) + fencing.waits_s


@dataclass(slots=True)
class _Play:
    """Who is out of play while the log is read."""

    topology: Topology
    active: dict[str, FaultRecord] = field(default_factory=dict)
    now: Impairment = Impairment()
    off: set[str] = field(default_factory=set)             # power cut, on again and not yet a quorate member too
    away: set[str] = field(default_factory=set)            # of those, the ones that are no mistake of the cluster's
    running: dict[str, int] = field(default_factory=dict)  # of those, when they were switched on again
    paused: dict[str, int] = field(default_factory=dict)   # since when
    brief: set[str] = field(default_factory=set)           # who was paused for so short that nobody missed him
    back: set[tuple[str, str]] = field(default_factory=set)  # (fault, node): it was rebooted since, and is well
    until: dict[str, int] = field(default_factory=dict)    # until when somebody was a legitimate victim
    split: frozenset[str] = frozenset()                    # whom a split makes one now
    apart: frozenset[str] = frozenset()                    # of those that were one, whom a split had made it
    decided: bool = False                                  # somebody was fenced just now

    def take(self, event: Event) -> bool:
        """Whether ``event`` may have changed the picture."""
        node = event.node
        if event.kind == "power.off":
            self._taken_off(event)
        elif event.kind == "power.on":
            self.running[node] = event.t_ns
            self.paused.pop(node, None)
        elif event.kind == "power.paused":
            self.paused[node] = event.t_ns
        elif event.kind == "power.resumed":
            since_ns = self.paused.pop(node, event.t_ns)
            if event.t_ns - since_ns < damage.NEARLY * damage.patience_s(self.topology) * SECOND:
                self.brief.add(node)
        elif self._is_back(event):
            self._returned(node)
        else:
            return False
        return True

    def _is_back(self, event: Event) -> bool:
        """Whether ``event`` shows that its node, which was off, does its work again."""
        if event.node not in self.off or event.node not in self.running:
            return False
        if event.node in self.topology.cluster_nodes:
            return event.kind == "quorum" and event.data["quorate"]
        return True  # its agent speaks: it has booted

    def _taken_off(self, event: Event) -> None:
        node = event.node
        # a node that the cluster fenced without reason is no excuse for the cluster
        if not is_fencing(event) or self._is_victim(node, event.t_ns):
            self.away.add(node)
        self.decided = is_fencing(event)
        self.off.add(node)
        self.paused.pop(node, None)
        self.running.pop(node, None)

    def _is_victim(self, node: str, at_ns: int) -> bool:
        if node in self.now.victims:
            return True
        return at_ns - self.until.get(node, -10**18) <= fencing_within_s(self.topology) * SECOND

    def _returned(self, node: str) -> None:
        since_ns = self.running.pop(node)
        self.off.discard(node)
        self.away.discard(node)
        # what had become of the machine itself is over with its boot
        self.back |= {(record.id, node) for record in self.active.values() if record.begin.t_ns <= since_ns}

    def look(self, at_ns: int) -> Impairment:
        """What is out of play from ``at_ns`` on."""
        cost = befell = Cost()
        for record in self.active.values():
            well = {node for fault, node in self.back if fault == record.id}
            own = replace(record.cost, lost=record.cost.lost - well, left=record.cost.left - well)
            cost |= own
            befell |= Cost() if own.unmanaged or own.unmanaged_on else own
        for node in sorted(self.away | set(self.paused)):
            cost |= damage.machine_lost(self.topology, node)
            befell |= damage.machine_lost(self.topology, node)
        split, victims = cut_off(self.topology, cost), legitimate_victims(self.topology, cost)
        self._remember(self.now.victims - victims, at_ns)
        self.split = split
        self.now = Impairment(cost, victims, tuple(record.title for record in self.active.values()), befell)
        return self.now


    def _remember(self, no_more: frozenset[str], at_ns: int) -> None:
        """``no_more`` are no victims any more, but may be fenced yet. When a split was decided by a fencing, whoever
        is left is no victim of it: two that shoot each other are none of a fault."""
        no_more -= self.brief
        self.brief.clear()
        if self.decided:
            for node in {*self.apart, *self.split}:
                self.until.pop(node, None)
            self.until |= dict.fromkeys(no_more - self.split, at_ns)
            self.apart, self.decided = frozenset(), False
        else:
            self.until |= dict.fromkeys(no_more, at_ns)
            self.apart |= no_more & self.split


def impairments(history: History) -> list[tuple[int, Impairment]]:
    """Who was out of play from which stamp on; the first entry is for the log's start."""
    play = _Play(history.topology)
    records = {record.id: record for record in fault_records(history)}
    found = [(history.start_ns, play.now)]
    for event in history.kinds("fault.begin", "fault.healed", "power.on", "power.off", "power.paused",
                               "power.resumed", "quorum", "agent.start"):
        if event.kind.startswith("fault."):
            name = str(event.data.get("id"))
            if event.kind == "fault.begin":
                play.active[name] = records[name]
            else:
                play.active.pop(name, None)
        elif event.node is None or not play.take(event):
            continue
        now = play.look(event.t_ns)
        if now != found[-1][1]:
            found.append((event.t_ns, now))
    return found


def serves_clients(service: Service) -> bool:
    """Whether the client observer can ask ``service``: it has an address and something that answers."""
    return (service.vip is not None or service.active == "all") and service.port is not None


def ends_ns(record: FaultRecord) -> int | None:
    """When (ns) a fault that ends by itself does; None of any other."""
    lasts_s = record.begin.data.get("lasts_s")
    if lasts_s is None or record.injected_ns is None:
        return None
    return record.injected_ns + round(float(lasts_s) * SECOND)


def was_off(history: History, record: FaultRecord) -> bool:
    """Whether every machine that the fault ``record`` hit has lost its power since, and the fault with it."""
    off = {event.node for event in history.by_kind.get("power.off", ()) if event.t_ns >= record.begin.t_ns}
    return bool(record.targets) and set(record.targets) <= off
