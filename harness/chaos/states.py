"""What the cluster is doing, from its event log, event by event: the state in which a fault hits, and the course.

Pure: the same events give the same states, while they come and afterwards from the file. What it says is what the
witnesses outside saw; a moment that none of them can see (an election that takes 20 ms) is not in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

from fenceline.judge.exclusive import CUTTING
from fenceline.judge.history import part_key
from fenceline.model.event import Event, is_fencing
from fenceline.model.topology import Topology

SECOND = 1_000_000_000
#: For so long (ns) after its last change a membership is being formed.
_FORMING_NS = SECOND
#: A client's answer that is older than this (ns) tells of nothing.
_FRESH_NS = 1_500_000_000
#: Answers of clients are looked at no more often than this (ns).
_LOOK_NS = SECOND // 10
#: For so long (ns) a fencing that nobody finishes counts as going on.
_FENCING_NS = 60 * SECOND


class State(StrEnum):
    """What a cluster is doing. Where several are true, the first of them in this order is its state."""

    FENCING = "fencing"            # a fencing device was asked to cut somebody's power, and has not
    TAKING_OVER = "taking over"    # a service is on its way: part of it is somewhere, and nobody answers
    FAILING_BACK = "failing back"  # likewise, and it comes to the node that it is at home on
    NO_QUORUM = "without quorum"   # a member that runs has none
    DETECTING = "detecting"        # somebody is gone, and the others still count him in
    ELECTING = "electing"          # there is no coordinator
    FORMING = "forming"            # the membership has just changed
    RESYNCING = "resyncing"        # a replica is not what its peer is
    DEGRADED = "degraded"          # somebody is missing, and it goes on without him
    STEADY = "steady"              # all is well


class Course:
    """Follows a log of a cluster of ``topology``: feed every event to ``take``; ``state`` is then what it is doing, and
    ``doing`` adds which part of a group comes next."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._members = topology.cluster_nodes
        self._power: dict[str, str] = {}
        self._quorum: dict[str, tuple[bool, frozenset[str]]] = {}
        self._changed_ns = -_FRESH_NS
        self._shooting: dict[str, int] = {}
        self._held: dict[tuple[str, str | int], set[str]] = {}
        self._answers: dict[str, tuple[int, str | None]] = {}  # service: (last good answer, by whom)
        self._asked_ns: dict[str, int] = {}
        self._replicas: dict[tuple[str, str], bool] = {}
        self._coordinator: str | None = None
        self._has_coordinator = True
        self._now_ns = self._looked_ns = 0
        self._ready = False
        self.seen: list[str] = []

    def take(self, event: Event) -> None:
        """Takes the next event in."""
        self._now_ns = max(self._now_ns, event.t_ns)
        node, kind, data = event.node, event.kind, event.data
        if kind.startswith("power.") and node is not None:
            self._take_power(event, node)
        elif kind == "quorum" and node in self._members:
            now = bool(data.get("quorate")), frozenset(data.get("members") or ())
            if self._quorum.get(node) != now:
                self._quorum[node], self._changed_ns = now, event.t_ns
        elif kind == "bmc.request" and data.get("action") in CUTTING and node is not None:
            self._shooting[node] = event.t_ns
        elif kind == "agent.start" and node is not None:
            self._forget(node)
        elif kind in ("mount", "address", "listen", "drbd.role") and node is not None:
            self._take_part(event, node)
        elif kind == "drbd.disk" and node is not None:
            self._replicas[str(data.get("resource")), node] = data.get("disk") == "UpToDate"
        elif kind == "reply":
            self._asked_ns[data["service"]] = event.t_ns
            if data.get("ok"):
                self._answers[data["service"]] = event.t_ns, data.get("from")
            if event.t_ns - self._looked_ns < _LOOK_NS:
                return  # hundreds a second
        elif kind == "state":
            self._coordinator, self._has_coordinator = data.get("coordinator"), data.get("coordinator") is not None
        elif kind == "ready":
            self._ready = True
        if kind not in ("tick", "log", "host.waited"):
            self._remember()

    def _take_power(self, event: Event, node: str) -> None:
        self._power[node] = event.kind.removeprefix("power.")
        if event.kind == "power.off":
            self._shooting.pop(node, None)
            self._forget(node)
            self._quorum.pop(node, None)
        if is_fencing(event):
            self._changed_ns = event.t_ns

    def _forget(self, node: str) -> None:
        for holders in self._held.values():
            holders.discard(node)

    def _take_part(self, event: Event, node: str) -> None:
        data = event.data
        key = (("mount", data["mountpoint"]) if event.kind == "mount" else
               ("address", str(data["ip"]).split("/")[0]) if event.kind == "address" else
               ("listen", int(data["port"])) if event.kind == "listen" else ("primary", str(data["resource"])))
        there = bool(data.get("mounted") or data.get("present") or data.get("role") == "Primary")
        holders = self._held.setdefault(key, set())
        (holders.add if there else holders.discard)(node)

    # -- what it comes to ----------------------------------------------------------------------------------

    def _is_running(self, node: str) -> bool:
        return self._power.get(node, "on") in ("on", "resumed")

    @property
    def _missing(self) -> set[str]:
        """Members that do not run, or that another one that runs does not count in."""
        running = [node for node in self._members if self._is_running(node)]
        told = [self._quorum[node][1] for node in running if node in self._quorum]
        return {node for node in self._members
                if not self._is_running(node) or any(node not in members for members in told if members)}

    def _moving(self) -> tuple[str, str | None, str] | None:
        """(service, to whom, which part comes next) of a service that nobody answers for."""
        for name, service in self.topology.services.items():
            if name not in self._asked_ns or service.active == "all":
                continue
            last_ns, by = self._answers.get(name, (-10 * SECOND, None))
            if self._asked_ns[name] - last_ns < _FRESH_NS // 3:
                continue
            parts = [(part, key) for part in service.group if (key := part_key(part)) is not None]
            where = [self._held.get(key, set()) & {node for node in self._members if self._is_running(node)}
                     for _, key in parts]
            somewhere = [node for held in where for node in sorted(held)]
            to = somewhere[0] if somewhere else None
            nearest = next((part.kind for (part, _), held in zip(parts, where, strict=True) if to not in held),
                           parts[-1][0].kind if parts else "service")
            return name, to, nearest
        return None

    @property
    def state(self) -> State:
        """What the cluster is doing."""
        return self._look()[0]

    @property
    def doing(self) -> str:
        """The same, with the part of the group that is being started: "taking over: vip"."""
        state, detail = self._look()
        return f"{state}: {detail}" if detail else str(state)

    def _look(self) -> tuple[State, str]:
        if any(self._now_ns - since_ns < _FENCING_NS for since_ns in self._shooting.values()):
            return State.FENCING, ""
        moving, missing = self._moving(), self._missing
        if moving is not None and self._ready:
            name, to, part = moving
            if to is not None or missing:
                is_home = to is not None and to == self.topology.preferred_nodes(name)[0] and not missing
                return (State.FAILING_BACK if is_home else State.TAKING_OVER), part
        running = [node for node in self._members if self._is_running(node)]
        if any(not self._quorum[node][0] for node in running if node in self._quorum):
            return State.NO_QUORUM, ""
        gone = {node for node in self._members if not self._is_running(node)}
        if gone and any(node in self._quorum[other][1] for other in running if other in self._quorum for node in gone):
            return State.DETECTING, ""
        if not self._has_coordinator and self.topology.stack.has_coordinator:
            return State.ELECTING, ""
        if self._now_ns - self._changed_ns < _FORMING_NS:
            return State.FORMING, ""
        if not all(self._replicas.values()):
            return State.RESYNCING, ""
        return (State.DEGRADED, "") if missing else (State.STEADY, "")

    def _remember(self) -> None:
        if not self._ready:
            return
        self._looked_ns = self._now_ns
        now = self.doing
        if not self.seen or self.seen[-1] != now:
            self.seen.append(now)

    def serving(self, service: str) -> str | None:
        """Who answered for ``service`` last, if that was a moment ago."""
        last_ns, by = self._answers.get(service, (self._now_ns - 10 * SECOND, None))
        return by if self._now_ns - last_ns < _FRESH_NS else None

    # -- whom a fault hits ---------------------------------------------------------------------------------

    def role(self, node: str | None, fault: str = "") -> str:
        """What ``node`` is to the cluster now; None is the cluster itself."""
        if fault.startswith("fence-"):
            return "fencing device"
        if node is None:
            return "cluster"
        role = self.topology.nodes[node].role if node in self.topology.nodes else "client"
        if role not in ("cluster", "remote"):
            return role.replace("-", " ")
        if any(by == node for _, by in self._answers.values()):
            return "serves"
        return "coordinator" if node == self._coordinator else "stands by"


def followed(events: Iterable[Event], topology: Topology) -> Course:
    """The course that ``events`` tell, in the order of their stamps."""
    course = Course(topology)
    for event in sorted(events, key=lambda event: event.t_ns):
        course.take(event)
    return course


def course_key(seen: Sequence[str]) -> str:
    """Of a course: the same for two runs that went through the same states in the same order. States that only say how
    long a membership took to form are left out: they come and go by chance."""
    told = [state for state in seen if state not in (State.FORMING, State.ELECTING)]
    short = [state for number, state in enumerate(told) if not number or told[number - 1] != state]
    return hashlib.sha256(" > ".join(short).encode()).hexdigest()[:12]
