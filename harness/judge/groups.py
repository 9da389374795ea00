"""A service is a group: its parts start in their order, stay together, and go back only where that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

from harness.judge.demand import cut_off, hits
from harness.judge.faultlog import FaultRecord, fault_records
from harness.judge.findings import TRUSTED_LATE_NS, Tally
from harness.judge.history import OFF, PAUSED, SECOND, Edge, Ended, History, Interval, Key, action, part_key
from harness.model.event import Event
from harness.model.topology import Service
from harness.model.verdict import Finding, Verdict

#: Parts of a group that are on two nodes for so long (ns) are not merely seen at different moments.
APART_NS = SECOND


def start_order(history: History) -> Finding:
    """On no node does a part of a group start before an earlier part of it that is started there afterwards.

    A part that is mended in place while later ones run was there when those started, and is no violation.
    """
    tally = Tally("start order")
    started = 0
    for name, keys in _groups(history):
        for index, key in enumerate(keys):
            for late in history.facts[key]:
                started += 1
                for earlier in keys[:index]:
                    _judge_order(history, tally, name, late, _of(history.facts[earlier], late.node))
    return tally.finding(f"{started} starts of parts, each after those before it in its group" if started
                         else "not judged: there is no group that the cluster starts in order")


def _judge_order(history: History, tally: Tally, service: str, late: Interval, needed: list[Interval]) -> None:
    begin = late.start
    there = [part for part in needed if part.start.earliest_ns <= begin.latest_ns
             and (part.end is None or part.end.latest_ns >= begin.earliest_ns)]
    if any(part.start.latest_ns <= begin.latest_ns
           or part.start.latest_ns - part.start.earliest_ns <= TRUSTED_LATE_NS for part in there):
        return
    after = next((part for part in needed if part.start.latest_ns > begin.latest_ns
                  and (late.end is None or part.start.latest_ns < late.end.latest_ns)), None)
    if after is None:
        return
    doubt = "; within the error bounds it may have been the other way round" if there else ""
    tally.add(Verdict.UNKNOWN if there else Verdict.FAIL, begin.latest_ns,
              f"{late.node} {action(late.key)} at {history.at(begin.latest_ns)} and {action(after.key)} only at "
              f"{history.at(after.start.latest_ns)}: in the group of {service} it is the other way round{doubt}",
              begin.event, after.start.event)


def group_together(history: History) -> Finding:
    """The parts of a group are on one node: never does one node have only the one, and another only the other."""
    tally = Tally("group together")
    judged = []
    for name, keys in _groups(history):
        if history.topology.services[name].active == "all":
            continue  # each node has a group of its own, which may be at another step
        judged.append(name)
        for one, other in combinations(keys, 2):
            _judge_apart(history, tally, name, one, other)
    return tally.finding(f"never on two nodes: the parts of {', '.join(judged)}" if judged
                         else "not judged: there is no group that the cluster keeps together")


def _judge_apart(history: History, tally: Tally, service: str, one: Key, other: Key) -> None:
    for first in history.facts[one]:
        for second in history.facts[other]:
            if first.node == second.node:
                continue
            begin_ns = max(first.start.latest_ns, second.start.latest_ns)
            end_ns = min((edge.earliest_ns for edge in (first.end, second.end) if edge is not None),
                         default=history.log_end_ns)
            apart = max(_without(begin_ns, end_ns, _both(history, one, other)),
                        key=lambda piece: piece[1] - piece[0], default=(0, 0))
            if apart[1] - apart[0] >= APART_NS:
                tally.add(Verdict.FAIL, apart[0], f"{service} was torn apart from {history.at(apart[0])} to "
                          f"{history.at(apart[1])}: {first.node} had what it had when it {action(one)}, and "
                          f"{second.node} when it {action(other)}", *first.events, *second.events)


def _both(history: History, one: Key, other: Key) -> list[tuple[int, int]]:
    """When some node may have had both, (from, to) in ns."""
    found = []
    for first in history.facts[one]:
        for second in _of(history.facts[other], first.node):
            begin_ns = max(first.start.earliest_ns, second.start.earliest_ns)
            end_ns = min((edge.latest_ns for edge in (first.end, second.end) if edge is not None),
                         default=history.log_end_ns)
            if begin_ns < end_ns:
                found.append((begin_ns, end_ns))
    return sorted(found)


def _without(begin_ns: int, end_ns: int, holes: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of [begin, end] outside of ``holes``, which are sorted."""
    for hole_begin, hole_end in holes:
        if hole_begin > begin_ns:
            yield begin_ns, min(hole_begin, end_ns)
        begin_ns = max(begin_ns, hole_end)
        if begin_ns >= end_ns:
            return
    if begin_ns < end_ns:
        yield begin_ns, end_ns


def no_unwanted_failback(history: History) -> Finding:
    """Where the failover domain says ``failback: false``, a service does not go back to a preferred node that
    returned, unless something happened to the node that it was on.
    """
    tally = Tally("no unwanted failback")
    judged = []
    faults = fault_records(history)
    for name, service in history.topology.services.items():
        if service.domain.failback or not service.domain.ordered or service.active == "all":
            continue
        judged.append(name)
        for key in _keys(service):
            for before, now in _moves(history, key):
                if not _is_better(history, name, now.node, before.node):
                    continue
                returned = _returned(history, now.node, before)
                if returned is None or _had_cause(history, name, before, faults):
                    continue
                tally.add(Verdict.FAIL, now.start.latest_ns, f"{name} went back: {now.node}, which had returned at "
                          f"{history.at(returned.t_ns)}, {action(key)} at {history.at(now.start.latest_ns)}; "
                          f"{before.node} had given it up at {history.at(before.end.latest_ns)} without a cause, and "
                          "its failover domain has no failback", returned, *before.events, now.start.event)
    return tally.finding(f"{', '.join(judged)} stayed where a failover had brought it" if judged
                         else "not judged: every failover domain wants failback, or prefers no node")


def _moves(history: History, key: Key) -> Iterator[tuple[Interval, Interval]]:
    """Each time that a node gave ``key`` up in order and another got it next, after the cluster was ready: the first
    one's whole time with it, restarts in place included, and the other's beginning."""
    ready_ns = history.ready_ns() or history.start_ns
    intervals = history.facts.get(key, ())
    for first, before, now in zip(_tenures(intervals), intervals, intervals[1:], strict=False):
        if (before.node != now.node and before.ended is Ended.RELEASED and before.end.latest_ns > ready_ns
                and now.start.latest_ns >= before.end.earliest_ns):
            yield replace(before, start=first), now


def _tenures(intervals: Iterable[Interval]) -> Iterator[Edge]:
    """For each interval, when its node got hold of the key without another having had it since."""
    node, start = None, None
    for interval in intervals:
        if interval.node != node:
            node, start = interval.node, interval.start
        yield start


def _is_better(history: History, service: str, node: str, than: str) -> bool:
    nodes = history.topology.services[service].domain.nodes
    return node in nodes and (than not in nodes or nodes.index(node) < nodes.index(than))


def _returned(history: History, node: str, tenure: Interval) -> Event | None:
    """What shows that ``node`` came back while another node had the service."""
    def within(event: Event) -> bool:
        return tenure.start.latest_ns < event.t_ns <= tenure.end.latest_ns

    found = [event for event in history.kinds("power.on", "power.resumed")
             if event.node == node and within(event) and not event.data.get("baseline")]
    healed = {record.id for record in fault_records(history) if node in record.targets}
    found += [event for event in history.kinds("fault.healed") if str(event.data.get("id")) in healed and within(event)]
    members: frozenset[str] | None = None
    for event in history.kinds("quorum"):
        if event.node != tenure.node:
            continue
        now = frozenset(event.data.get("members") or ())
        if members is not None and node in now - members and within(event):
            found.append(event)
        members = now
    return max(found, key=lambda event: event.t_ns, default=None)


def _had_cause(history: History, name: str, tenure: Interval, faults: Iterable[FaultRecord]) -> bool:
    """Whether anything happened to the node of ``tenure``, or to all, that may have driven the service away."""
    service = history.topology.services[name]
    node, begin_ns, end_ns = tenure.node, tenure.start.latest_ns, tenure.end.latest_ns
    for record in faults:
        cost, topology = record.cost, history.topology
        if record.begin.t_ns < end_ns and (record.healed_ns or end_ns) > begin_ns and hits(
                topology, name, node, cost, cut_off(topology, cost)):
            return True
    if any(interval.value in (OFF, PAUSED) and begin_ns < interval.start.latest_ns < end_ns
           for interval in history.power.get(node, ())):
        return True
    if any(not interval.value and begin_ns < interval.start.latest_ns < end_ns
           for interval in history.quorum.get(node, ())):
        return True
    # a part that was started anew in between: something was wrong there
    return any(part.ended is Ended.RELEASED and begin_ns < part.end.latest_ns and again.start.latest_ns < end_ns
               for key in _keys(service)
               for mine in [_of(history.facts.get(key, ()), node)]
               for part, again in zip(mine, mine[1:], strict=False))


def _groups(history: History) -> Iterator[tuple[str, list[Key]]]:
    """The services whose parts the cluster starts in order on one node, with their keys. What two services share
    (a port) tells of neither. keepalived moves addresses only."""
    topology = history.topology
    if topology.stack.kind == "keepalived":
        return
    uses = Counter(key for service in topology.services.values() for key in set(_keys(service)))
    for name, service in topology.services.items():
        keys = [key for key in _keys(service) if uses[key] == 1]
        if len(keys) > 1:
            yield name, keys


def _keys(service: Service) -> list[Key]:
    return [key for part in service.group if (key := part_key(part)) is not None]


def _of(intervals: Iterable[Interval], node: str) -> list[Interval]:
    return [interval for interval in intervals if interval.node == node]
