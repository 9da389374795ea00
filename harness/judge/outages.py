"""What the clients lost, and what the time went into. Inside, all times are ns; in the result, seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from fenceline.judge.exclusive import CUTTING
from fenceline.judge.history import SECOND, Edge, History, Key
from fenceline.judge.requests import LONG_GAP_NS, PROBE_NS, ROUTED, Gap, Request, lost_gaps, requests_of, served
from fenceline.model.event import Event, is_fencing
from fenceline.model.topology import Service
from fenceline.model.verdict import Outage, Phase

PHASES = ("detect", "quorum", "fence", "storage", "vip", "service", "first reply")
#: The last one of an outage that the log does not see the end of.
NO_REPLY = "no reply"
#: What is taken for a usual time to answer is the longest of this long (ns) before an outage: a guest with one CPU
#: stalls for some 20 ms about once in a second, and a shorter look would now and then miss that.
_USUAL_NS = 3 * SECOND


def certain(found: Iterable[Outage]) -> tuple[Outage, ...]:
    """Those of ``found`` that are outages for certain, or are open: what may be off by its whole length is none."""
    return tuple(outage for outage in found if outage.end_ns is None or outage.seconds > outage.plus_minus)


#: The outages of histories that are still looked at: several promises ask for them.
_KNOWN: WeakKeyDictionary[History, tuple[Outage, ...]] = WeakKeyDictionary()


def outages(history: History) -> tuple[Outage, ...]:
    """Every outage of every service that the clients met, by its start.

    ``start_ns`` is the stamp of the last good reply before, ``end_ns`` that of the first good reply after; what
    counts as an outage is in ``lost_gaps``. Outages that were over before the cluster was ready are left out.
    """
    if history not in _KNOWN:
        _KNOWN[history] = _outages(history, {name: served(history, name) for name in history.topology.services})
    return _KNOWN[history]


def routed_outages(history: History) -> tuple[Outage, ...]:
    """Likewise, every outage that the client behind a router met."""
    return _outages(history, {name: requests_of(history, name, ROUTED) for name in history.topology.services})


def _outages(history: History, asked: Mapping[str, list[Request]]) -> tuple[Outage, ...]:
    ready_ns = history.ready_ns() or history.start_ns
    membership = _Membership(history)
    found = []
    for name, requests in asked.items():
        sends = sorted(request.sent_ns for request in requests)
        before_send = dict(zip(sends[1:], sends, strict=False))
        for gap in lost_gaps(requests, history.end_ns):
            if gap.until is None or gap.until.t_ns > ready_ns:
                found.append(_outage(history, name, gap, requests, before_send, membership))
    return tuple(sorted(found, key=lambda outage: (outage.start_ns, outage.service)))


def _outage(history: History, name: str, gap: Gap, requests: list[Request], before_send: dict[int, int],
            membership: _Membership) -> Outage:
    start_ns = gap.before.t_ns if gap.before else requests[0].sent_ns
    end_ns = gap.until.t_ns if gap.until else max(history.end_ns, start_ns)
    # what each end may be off, so that the bound is true: between two questions nothing is known
    begin = Edge(start_ns - _begin_error(gap, requests, start_ns, end_ns), start_ns)
    end = Edge(end_ns - _end_error(gap, requests, before_send, start_ns, end_ns), end_ns)
    service = history.topology.services[name]
    owner_before = _owner(history, service, gap.before, start_ns)
    owner_after = _owner(history, service, gap.until, end_ns)
    # of a service that is active on all nodes none is taken over: its outage is about the node that was lost in it
    lost = membership.first_lost(begin, end) if service.active == "all" else None
    steps = _Steps(history, service, begin, end, lost or owner_before, owner_after, membership,
                   gap.until is None)
    healing_ns = next((event.t_ns for event in history.by_kind.get("healing", ())), None)
    return Outage(name, start_ns, gap.until.t_ns if gap.until else None, (end_ns - start_ns) / SECOND,
                  (_width(begin) + _width(end)) / SECOND, steps.phases(), owner_before, owner_after,
                  healing_ns is not None and start_ns >= healing_ns)


def _begin_error(gap: Gap, requests: list[Request], start_ns: int, end_ns: int) -> int:
    """How far (ns) the service may have been lost from the last good reply: as late as the first question that
    failed, which may itself have been under way for as long as the good ones took."""
    late_ns = gap.before.event.late_ns if gap.before else 0
    failed = min((request.sent_ns for request in requests if _lost(request)
                  and request.t_ns > start_ns and request.sent_ns <= end_ns), default=start_ns + PROBE_NS)
    under_way = max((request.t_ns - request.sent_ns for request in requests
                     if request.ok and not request.slow and start_ns - _USUAL_NS < request.t_ns <= start_ns), default=0)
    return late_ns + max(failed + under_way - start_ns, 0)


def _end_error(gap: Gap, requests: list[Request], before_send: dict[int, int], start_ns: int, end_ns: int) -> int:
    """How far (ns) the service may have been back before the first good reply: as early as the last question before
    it that failed."""
    if gap.until is None:
        return 0
    sent_ns = gap.until.sent_ns
    # a question whose packets were repeated was asked long before it could be answered: later ones tell more
    limit_ns = sent_ns if sent_ns > start_ns and end_ns - sent_ns < LONG_GAP_NS else end_ns
    failed = max((request.sent_ns for request in requests if _lost(request)
                  and start_ns <= request.sent_ns < limit_ns), default=before_send.get(sent_ns, sent_ns))
    return gap.until.event.late_ns + end_ns - max(min(failed, end_ns), start_ns)


def _lost(request: Request) -> bool:
    return not request.ok or request.slow


def _owner(history: History, service: Service, request: Request | None, ns: int) -> str | None:
    """Who answered ``request``, as the answer says; else who had the address then."""
    # a real server that answers says nothing of who has the address
    said = request.event.data.get("from") if request and not service.real_servers else None
    if said or service.vip is None:
        return said
    key = ("address", str(service.vip.address))
    # the node's own report may trail the answer that the address made possible
    return history.holder(key, ns) or history.holder(key, ns + SECOND)


def _width(edge: Edge) -> int:
    return edge.latest_ns - edge.earliest_ns


class _Membership:
    """Who saw whom leave. Built once: a drop is a node in one quorum event of an observer and not in the next."""

    def __init__(self, history: History) -> None:
        last: dict[str, frozenset[str]] = {}
        self._drops: dict[str, list[Event]] = defaultdict(list)
        self.events: dict[str, list[Event]] = defaultdict(list)
        for event in history.kinds("quorum"):
            members = frozenset(event.data.get("members") or ())
            for gone in sorted(last.get(event.node, frozenset()) - members):
                self._drops[gone].append(event)
            last[event.node] = members
            self.events[event.node].append(event)

    def drops_of(self, node: str, by: str | None) -> list[Event]:
        """The events in which ``by`` (None: any other node) saw ``node`` leave."""
        return [event for event in self._drops.get(node, ()) if event.node != node and by in (None, event.node)]

    def first_lost(self, begin: Edge, end: Edge) -> str | None:
        """Whom somebody saw leave first between ``begin`` and ``end``."""
        drops = [(event.t_ns, node) for node, events in self._drops.items() for event in events
                 if event.node != node and begin.earliest_ns <= event.t_ns <= end.latest_ns]
        return min(drops)[1] if drops else None

    def knows_without(self, node: str, by: str, ns: int) -> bool:
        """Whether ``by`` had ``node`` out of its membership at ``ns`` already."""
        known = [event for event in self.events.get(by, ()) if event.t_ns <= ns]
        return bool(known) and node not in (known[-1].data.get("members") or ())


@dataclass(frozen=True)
class _Steps:
    """The way from the last good reply to the first good one, on whichever node it led to."""

    history: History
    service: Service
    begin: Edge
    end: Edge
    old: str | None
    new: str | None
    membership: _Membership
    is_open: bool

    def phases(self) -> tuple[Phase, ...]:
        """The seven phases; they add up to the outage to the nanosecond.

        Each ends with an observed step; a step that was not seen, or came out of this order, takes no time of its
        own, and its time counts for the next one that was.
        """
        detect = self._detect()
        ends = (detect, self._quorum(detect), self._fence(), *(self._part(key) for key in self._keys()), self.end)
        found, last = [], self.begin
        for name, edge in zip((*PHASES[:-1], NO_REPLY if self.is_open else PHASES[-1]), ends, strict=True):
            if edge is None or edge.latest_ns <= last.latest_ns:
                found.append(Phase(name, 0.0, 0.0))
                continue
            edge = edge if edge.latest_ns <= self.end.latest_ns else self.end
            taken_ns = edge.latest_ns - last.latest_ns
            error_ns = _width(last) + _width(edge)
            found.append(Phase(name, taken_ns / SECOND, error_ns / SECOND if taken_ns else 0.0))
            last = edge
        return tuple(found)

    def _within(self, events: Iterable[Event]) -> list[Edge]:
        """Of ``events`` those that may have happened during the outage."""
        return [edge for edge in map(Edge.of, events)
                if edge.latest_ns >= self.begin.latest_ns and edge.earliest_ns <= self.end.latest_ns]

    def _detect(self) -> Edge | None:
        """A survivor dropped the old owner; else the first that the stack was seen to do about it."""
        if self.old is not None:
            by = self.new if self.new != self.old else None
            if by is not None and self.membership.knows_without(self.old, by, self.begin.latest_ns):
                return self.begin
            drops = self._within(self.membership.drops_of(self.old, by))
            if drops:
                return drops[0]
        # a guest's report may trail the reply that it made possible
        events = self.history.between(self.begin.latest_ns, self.end.latest_ns + SECOND)
        return next(iter(self._within(event for event in events if self._reaction(event))), None)

    def _reaction(self, event: Event) -> bool:
        if event.kind == "bmc.request":
            return event.data.get("action") in CUTTING
        if event.kind == "mount":
            return ("mount", event.data["mountpoint"]) in self._keys()
        if event.kind == "address":
            return ("address", event.data["ip"]) in self._keys()
        # a port that closes may be the fault itself
        return event.kind == "listen" and event.data["present"] and ("listen", event.data["port"]) in self._keys()

    def _quorum(self, detect: Edge | None) -> Edge | None:
        """The new owner was quorate without the old one."""
        if self.old is None or self.new in (None, self.old) or detect is None:
            return None
        return next(iter(self._within(
            event for event in self.membership.events.get(self.new, ())
            if event.data["quorate"] and self.old not in (event.data.get("members") or ())
            and event.t_ns >= detect.latest_ns)), None)

    def _fence(self) -> Edge | None:
        """The old owner's power was cut by fencing; of one that was off already, its fencing device said so."""
        if self.old is None:
            return None
        fenced = self._within(event for event in self.history.by_kind.get("power.off", ())
                              if event.node == self.old and is_fencing(event))
        said = self._within(event for event in self.history.by_kind.get("bmc.done", ())
                            if event.node == self.old and event.data.get("ok")
                            and event.data.get("action") in CUTTING)
        return next(iter(fenced or said), None)

    def _keys(self) -> tuple[Key | None, Key | None, Key | None]:
        """Mount, address and port of the service, in the order of the phases."""
        service = self.service
        return (("mount", service.filesystem.mountpoint) if service.filesystem else None,
                ("address", str(service.vip.address)) if service.vip else None,
                ("listen", service.daemon.port) if service.daemon else None)

    def _part(self, key: Key | None) -> Edge | None:
        """The last start of ``key`` on the new owner: an attempt that failed is not what brought it back."""
        if key is None:
            return None
        starts = [interval.start for interval in self.history.facts.get(key, ())
                  if self.new in (None, interval.node)
                  and interval.start.latest_ns >= self.begin.latest_ns
                  and interval.start.earliest_ns <= self.end.latest_ns]
        if starts or key[0] != "address":
            return starts[-1] if starts else None
        claims = self._within(event for event in self.history.by_kind.get("arp", ())
                              if event.data.get("ip") == key[1] and event.data.get("how") == "gratuitous"
                              and event.node is not None and self.new in (None, event.node))
        return claims[0] if claims else None
