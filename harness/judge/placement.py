"""Services that depend on each other: one starts after the other, must be beside it, or must not."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.judge.findings import Tally, after, overlap
from fenceline.judge.history import BASELINE_NS, SECOND, Ended, History, Interval, Key, part_key
from fenceline.judge.promise import promise
from fenceline.model.topology import Service
from fenceline.model.verdict import Finding, Verdict

#: Two services that must be on one node and are on two for so long (ns) do not merely move at different moments.
APART_NS = 5 * SECOND


@promise("placement", order=110, says="every service was where it belongs",
         breaks="a service started while one that it comes `after` did not run, or that one stopped first; two "
                "that are `apart_from` each other were on one node; two that are `colocated_with` were on two for"
                " 5 s")
def placement(history: History) -> Finding:
    """What the topology says of services: ``after`` (it starts only while the other runs, which stops only after it),
    ``apart_from`` (no node ever has both), ``colocated_with`` (not for 5 s on a node of its own while the other runs
    elsewhere). A service is where its first part that shows is; it has started when its last one is there.
    """
    tally = Tally("placement")
    judged = []
    for name, service in history.topology.services.items():
        for bond, judge in (("after", _judge_order), ("apart_from", _judge_apart), ("colocated_with", _judge_beside)):
            for other in getattr(service, bond):
                judged.append(f"{name} {bond.replace('_', ' ')} {other}")
                judge(history, tally, name, other)
    return tally.finding("; ".join(judged) if judged else "not judged: no service depends on another")


def _keys(service: Service) -> list[Key]:
    return [key for part in service.group if (key := part_key(part)) is not None]


def _held(history: History, name: str, last: bool = False) -> tuple[Interval, ...]:
    keys = _keys(history.topology.services[name])
    return history.facts.get(keys[-1 if last else 0], ()) if keys else ()


def _is_new(history: History, interval: Interval) -> bool:
    """Whether it was seen to begin: not there already when the log began."""
    return interval.start.event is not None and interval.start.latest_ns > history.start_ns + BASELINE_NS


def _judge_order(history: History, tally: Tally, name: str, other: str) -> None:
    started = _held(history, other, last=True)
    for mine in (one for one in _held(history, name) if _is_new(history, one)):
        told = [_during(one, mine) for one in started]
        if True in told:
            continue
        verdict = Verdict.UNKNOWN if None in told else Verdict.FAIL
        tally.add(verdict, mine.start.latest_ns, f"{name} started on {mine.node} at "
                  f"{history.at(mine.start.latest_ns)}, while {other} did not run", mine.start.event)
    for theirs in _held(history, other):
        if theirs.end is None or theirs.ended is not Ended.RELEASED:
            continue
        for mine in _held(history, name):
            if theirs.node != mine.node and history.topology.services[other].active == "all":
                continue  # it still has its own
            begun = after(mine.start, theirs.end)
            over = mine.end is not None and (mine.ended is Ended.OFF or after(mine.end, theirs.end) is not False)
            if begun and not over:
                tally.add(Verdict.FAIL, theirs.end.latest_ns, f"{other} stopped on {theirs.node} at "
                          f"{history.at(theirs.end.latest_ns)}, before {name}, which still ran on {mine.node}",
                          theirs.end.event, *mine.events)


def _during(one: Interval, mine: Interval) -> bool | None:
    """Whether ``mine`` began while ``one`` lasted; None where the error bounds leave it open."""
    begun = after(one.start, mine.start)
    ended = False if one.end is None else after(one.end, mine.start)
    if begun and ended is False:
        return True
    return False if begun is False or ended else None


def _judge_apart(history: History, tally: Tally, name: str, other: str) -> None:
    for mine in _held(history, name):
        for theirs in _held(history, other):
            if mine.node != theirs.node:
                continue
            verdict, at_ns = overlap(mine, theirs)
            if verdict is not Verdict.PASS:
                tally.add(verdict, at_ns, f"{name} and {other} were both on {mine.node} at {history.at(at_ns)}",
                          *mine.events, *theirs.events)


def _judge_beside(history: History, tally: Tally, name: str, other: str) -> None:
    beside = _held(history, other)
    for mine in _held(history, name):
        for theirs in beside:
            if theirs.node == mine.node:
                continue
            for begin_ns, end_ns in _alone(history, mine, theirs, [one for one in beside if one.node == mine.node]):
                if end_ns - begin_ns >= APART_NS:
                    tally.add(Verdict.FAIL, begin_ns, f"from {history.at(begin_ns)} to {history.at(end_ns)} {name} was "
                              f"on {mine.node} and {other} on {theirs.node}", *mine.events, *theirs.events)


def _alone(history: History, mine: Interval, theirs: Interval, beside: list[Interval]) -> Iterator[tuple[int, int]]:
    """When both lasted for certain, without the times of ``beside`` (from, to in ns)."""
    begin_ns = max(mine.start.latest_ns, theirs.start.latest_ns)
    end_ns = min((edge.earliest_ns for edge in (mine.end, theirs.end) if edge is not None),
                 default=history.log_end_ns)
    for one in sorted(beside, key=lambda interval: interval.start.earliest_ns):
        if one.start.earliest_ns > begin_ns:
            yield begin_ns, min(one.start.earliest_ns, end_ns)
        begin_ns = max(begin_ns, one.end.latest_ns if one.end is not None else end_ns)
    yield begin_ns, end_ns
