"""For how long the cluster had no full standby: another loss in that time would have cost the service."""

from __future__ import annotations

from typing import Any

from fenceline.judge.demand import cut_off
from fenceline.judge.faultlog import fault_records
from fenceline.judge.history import SECOND, History
from fenceline.model.event import Event

_POWER = ("power.on", "power.off", "power.paused", "power.resumed")


def redundancy(history: History) -> dict[str, Any] | None:
    """{lost_s, restored_s, seconds, plus_minus, after_heal_s} of the longest time without: from the first sign of a
    loss (a machine that stopped, a member that was missed, a replica that fell behind, a fault that makes a node unfit)
    to the moment at which all members saw each other again, with every replica up to date.

    All in s, the first two from the log's start. ``after_heal_s`` is what of it came after the last fault was healed.
    ``restored_s`` is None where the log ends before. None where nothing was lost.
    """
    ready_ns = history.ready_ns()
    if ready_ns is None:
        return None
    state = _Standby(history)
    spans: list[tuple[Event, Event | None]] = []
    begun: Event | None = None
    for event in history.between(ready_ns + 1, history.end_ns):
        if not state.take(event):
            continue
        if begun is None and not state.is_full():
            begun = event
        elif begun is not None and state.is_full():
            spans.append((begun, event))
            begun = None
    if begun is not None:
        spans.append((begun, None))
    if not spans:
        return None
    first, last = max(spans, key=lambda span: (span[1].t_ns if span[1] else history.end_ns) - span[0].t_ns)
    end_ns = last.t_ns if last else history.end_ns
    healed_ns = max((record.healed_ns for record in fault_records(history)
                     if record.healed_ns is not None and first.t_ns <= record.healed_ns <= end_ns), default=None)
    return {"lost_s": (first.t_ns - history.start_ns) / SECOND,
            "restored_s": (last.t_ns - history.start_ns) / SECOND if last else None,
            "seconds": (end_ns - first.t_ns) / SECOND,
            "plus_minus": (first.late_ns + (last.late_ns if last else 0)) / SECOND,
            "after_heal_s": None if healed_ns is None else (end_ns - healed_ns) / SECOND}


class _Standby:
    """Who is there while the log is read, from the moment on at which the cluster was said to be ready: all were."""

    def __init__(self, history: History) -> None:
        topology = self._topology = history.topology
        self._members = frozenset(topology.cluster_nodes)
        self._nodes = frozenset(topology.service_nodes)
        # VRRP knows no members: each director sees only itself
        self._sees_all = not topology.stack.moves_addresses_only
        self._records = {record.id: record for record in fault_records(history)}
        self._away: set[str] = set()     # off, paused, or on again and not yet heard
        self._alone: set[str] = set()    # members that miss another one, or quorum
        self._behind: set[tuple[str, str, str]] = set()
        self._unfit: set[str] = set()    # faults in force that make a node unfit, or cut it off

    def is_full(self) -> bool:
        """Whether nothing is missing."""
        return not (self._away or self._alone or self._behind or self._unfit)

    def take(self, event: Event) -> bool:
        """Whether ``event`` may have changed the picture."""
        kind, node = event.kind, event.node
        if kind in ("fault.injected", "fault.healed"):
            return self._take_fault(event)
        if node not in self._nodes:
            return False
        if kind in _POWER:
            # one that is switched on is away until it is a member
            if kind in ("power.off", "power.paused"):
                self._away.add(node)
            elif kind == "power.resumed":
                self._away.discard(node)
            if kind == "power.off":
                self._alone.discard(node)
                self._behind = {one for one in self._behind if one[0] != node}
        elif kind == "quorum":
            whole = event.data["quorate"] and (not self._sees_all or self._members <= set(event.data["members"]))
            (self._alone.discard if whole else self._alone.add)(node)
            if whole:
                self._away.discard(node)
        elif kind == "agent.start" and node not in self._members:
            self._away.discard(node)  # a remote node has no quorum of its own
        elif kind in ("drbd.disk", "drbd.connection"):
            well = event.data.get("disk") == "UpToDate" or event.data.get("connection") == "Connected"
            key = (node, str(event.data["resource"]), kind)
            (self._behind.discard if well else self._behind.add)(key)
        else:
            return False
        return True

    def _take_fault(self, event: Event) -> bool:
        record = self._records.get(str(event.data.get("id")))
        if record is None:
            return False
        cost = record.cost
        if not (cost.lost | cost.left | cost.unfit | cut_off(self._topology, cost)) & self._nodes:
            return False
        (self._unfit.add if event.kind == "fault.injected" else self._unfit.discard)(record.id)
        return True
