"""DRBD's replicas: primary on one node at a time, of one history, no more behind than the protocol says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from fenceline.judge.exclusive import pairs
from fenceline.judge.findings import Tally, overlap
from fenceline.judge.history import OFF, SECOND, History
from fenceline.judge.promise import promise
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict

#: DRBD's kernel calls these when two replicas meet whose data went different ways.
SPLIT_BRAIN = frozenset({"initial-split-brain", "split-brain"})
#: Beyond DRBD's timeout, after which a primary knows that its peer is behind, stamps may differ by this (ns).
SLACK_NS = SECOND


def judge_primaries(history: History, tally: Tally) -> str:
    """Two primaries at once where there must be one: who is primary may write. Returns what was looked at, in words.

    A paused primary stays one: it will write on when it is resumed.
    """
    dual = {one.name for one in history.topology.storage.drbd if one.dual_primary}
    seen = []
    for key, intervals in history.held("primary"):
        if key[1] in dual:
            continue
        seen.append(f"{key[1]}: {', '.join(sorted({interval.node for interval in intervals})) or 'nobody'}")
        for one, other in pairs(intervals):
            verdict, at_ns = overlap(one, other)
            if verdict is not Verdict.PASS:
                was = "was" if verdict is Verdict.FAIL else "may have been"
                tally.add(verdict, at_ns, f"{key[1]} {was} primary on {one.node} and {other.node} at once, at "
                          f"{history.at(at_ns)}", *one.events, *other.events)
    return "; ".join(seen)


@promise("no split brain", order=30, safety=True, says="no replica had a history of its own", needs=("DRBD",),
         breaks="two replicas of a DRBD resource met with histories of their own: DRBD itself tells (its `split-"
                "brain` helpers)")
def no_split_brain(history: History) -> Finding:
    """No two replicas of a DRBD resource ever met with histories of their own: DRBD itself tells when they do.

    One that its after-split-brain policy mends is one too: somebody's writes are thrown away.
    """
    tally = Tally("no split brain")
    told: dict[str, list[Event]] = defaultdict(list)
    for event in history.kinds("drbd.helper"):
        if event.data.get("helper") in SPLIT_BRAIN:
            told[str(event.data.get("resource"))].append(event)
    for name, events in told.items():
        tally.add(Verdict.FAIL, events[0].t_ns, f"the replicas of {name} had two histories when they met at "
                  f"{history.at(events[0].t_ns)}, as DRBD on "
                  f"{' and '.join(sorted({str(event.node) for event in events}))} says", *events)
    names = ", ".join(one.name for one in history.topology.storage.drbd)
    return tally.finding(f"no split brain: {names}" if names else "not judged: no DRBD")


@dataclass(frozen=True, slots=True)
class Allowance:
    """Whether ``records`` that were acknowledged may be lost; ``why`` in words, either way."""

    allowed: bool
    why: str


def allowance(history: History, service: str, lost: list[Event], owed: list[Event]) -> Allowance | None:
    """Whether the protocol of the DRBD resource under ``service`` lets the acknowledged appends ``lost``, of all that
    are ``owed``, be lost; None where there is nothing to say.

    Protocol A may lose what a primary acknowledged just before its power was cut, protocol B if its peer lost power
    with it, protocol C nothing. Just before: DRBD's timeout at most, as a primary whose peer was gone for longer knew
    it. And only the last that it acknowledged, without a gap: a replica is behind, it has no holes.
    """
    part = history.topology.services[service].filesystem
    one = next((one for one in history.topology.storage.drbd if part and one.name == part.drbd), None)
    if one is None or not lost:
        return None
    if one.protocol == "C":
        return Allowance(False, "protocol C may lose none")
    by_node: dict[str, list[Event]] = defaultdict(list)
    for event in lost:
        by_node[str(event.data.get("from"))].append(event)
    said = []
    for node, events in by_node.items():
        found = _after_power_cut(history, one, node, events, owed)
        if not found.allowed:
            return found
        said.append(found.why)
    return Allowance(True, "; ".join(said))


def _after_power_cut(history: History, one: Any, node: str, lost: list[Event], owed: list[Event]) -> Allowance:
    last_ns = max(event.t_ns for event in lost)
    cuts = [interval.start for interval in history.power.get(node, ())
            if interval.value == OFF and interval.start.event is not None and interval.start.latest_ns >= last_ns]
    if not cuts:
        return Allowance(False, f"protocol {one.protocol} may lose none while {node} has power")
    cut_ns = cuts[0].latest_ns
    window_ns = round(one.timeout * SECOND) + SLACK_NS
    first_ns = min(event.t_ns for event in lost)
    if cut_ns - first_ns > window_ns:
        return Allowance(False, f"the first was acknowledged {(cut_ns - first_ns) / SECOND:.1f} s before the power of "
                                f"{node} was cut: for longer than DRBD's timeout its peer was not known to be behind")
    ids = {event.data["id"] for event in lost}
    kept = [event for event in owed if event.data.get("from") == node and event.data["id"] not in ids
            and first_ns < event.t_ns <= cut_ns]
    if kept:
        return Allowance(False, f"{len(kept)} younger ones that {node} acknowledged are there: a replica has no holes")
    if one.protocol == "B" and not _peer_lost_power(history, node, cut_ns, window_ns):
        return Allowance(False, "protocol B may lose none while the peer has power")
    return Allowance(True, f"protocol {one.protocol} may lose the last that {node} acknowledged before its power was "
                           f"cut at {history.at(cut_ns)}")


def _peer_lost_power(history: History, node: str, cut_ns: int, window_ns: int) -> bool:
    return any(abs(interval.start.latest_ns - cut_ns) <= window_ns for peer in history.topology.cluster_nodes
               if peer != node for interval in history.power.get(peer, ())
               if interval.value == OFF and interval.start.event is not None)
