"""A service is a group: its parts start in their order, and stay together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

from fenceline.judge.findings import TRUSTED_LATE_NS, Tally
from fenceline.judge.history import SECOND, History, Interval, Key, action, part_key
from fenceline.judge.promise import promise
from fenceline.model.topology import Service
from fenceline.model.verdict import Finding, Verdict

#: Parts of a group that are on two nodes for so long (ns) are not merely seen at different moments.
APART_NS = SECOND


@promise("start order", order=90,
         breaks="on one node a part of a group started before an earlier part that was started there afterwards")
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


@promise("group together", order=100,
         breaks="for a second or more one node had only one part of a group and another only another")
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


def _groups(history: History) -> Iterator[tuple[str, list[Key]]]:
    """The services whose parts the cluster starts in order on one node, with their keys. What two services share
    (a port) tells of neither. Where daemons run on every member, they are not started for it."""
    topology = history.topology
    if topology.stack.runs_everywhere:
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
