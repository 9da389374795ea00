"""The standby takes over: a service does not wait for the node that it was lost with."""

from __future__ import annotations

from collections.abc import Iterator

from fenceline.judge.causes import Causes
from fenceline.judge.demand import obstacle
from fenceline.judge.faultlog import Impairment, impairments
from fenceline.judge.findings import Tally
from fenceline.judge.history import OFF, History
from fenceline.judge.promise import promise
from fenceline.judge.stints import Interruption, Lost, interruptions, parts
from fenceline.model.event import Event
from fenceline.model.verdict import Finding, Verdict


@promise("standby takes over", order=180,
         breaks="a service whose machine went off came back only with it, though another node was fit to run it "
                "all the time, however short that was")
def standby_takes_over(history: History) -> Finding:
    """A service whose machine went off does not start there again before another node had it, where one was fit
    to run it throughout; however short that was: a real machine needs minutes to boot. UNKNOWN where the other one was
    starting it when its failover domain took it back: who gets there first is no promise.

    Fit is who may run it, executes, is a quorate member that no fault has lost or made unfit, and has noticed that the
    other one is gone. Who only paused is waited for where that took no longer than noticing and answering may.
    """
    tally = Tally("standby takes over")
    when, causes = impairments(history), Causes(history)
    expected = {str(event.data["outage"]) for event in history.kinds("expect") if "outage" in event.data}
    taken, notes = 0, []
    for name in history.topology.services:
        if name in expected:
            notes.append(f"the outage of {name} is expected")
            continue
        for one in interruptions(history, name):
            was_off = one.how is Lost.OFF or _was_off(history, one)
            if not was_off and one.how is not Lost.PAUSED:
                continue
            if one.new != one.old:
                taken += one.new is not None
                continue
            if not was_off and one.end_ns - one.begin_ns <= causes.answer_ns:
                continue
            fit = next(_fit(history, when, one), None)
            if fit is None:
                continue
            node, noticed = fit
            doubt = _drawn_back(history, one, node)
            also = f" and had noticed at {history.at(noticed.t_ns)}" if noticed else ""
            tally.add(Verdict.UNKNOWN if doubt else Verdict.FAIL, one.begin_ns, f"{name} was lost with {one.old} at "
                      f"{history.at(one.begin_ns)} and came back only with it, at {history.at(one.end_ns)}, though "
                      f"{node} was fit to run it all the time{also}{doubt}", *one.events, noticed)
    notes.append(f"{taken} takeovers" if taken else "nothing had to be taken over")
    return tally.finding("; ".join(notes))


def _was_off(history: History, one: Interruption) -> bool:
    return any(interval.value == OFF and one.begin_ns <= interval.start.latest_ns <= (one.end_ns or history.log_end_ns)
               for interval in history.power.get(one.old, ()))


def _drawn_back(history: History, one: Interruption, node: str) -> str:
    """Where ``node`` was at it when the old one, which the failover domain goes back to, was a member again, or began
    just then, as the cluster had told it to: words that say so. What had failed on ``node`` by then is given up."""
    domain = history.topology.services[one.service].domain
    if not (domain.failback and domain.prefers(one.old, node)):
        return ""
    boots = [event.t_ns for event in history.by_kind.get("power.on", ())
             if event.node == one.old and one.begin_ns < event.t_ns <= one.end_ns]
    back = next((event for event in history.by_kind.get("quorum", ()) if boots and event.node == node
                 and max(boots) < event.t_ns <= one.end_ns and one.old in (event.data.get("members") or ())), None)
    if back is None or not any(held.node == node and one.begin_ns < held.start.latest_ns < one.end_ns
                               and (held.end is None or held.end.latest_ns > back.t_ns)
                               for key in parts(history, one.service) for held in history.facts.get(key, ())):
        return ""
    return (f"; but {node} was at it when {one.old}, to which its failover domain goes back, was a member again "
            f"at {history.at(back.t_ns)}")


def _fit(history: History, when: list[tuple[int, Impairment]], one: Interruption) -> Iterator[tuple[str, Event | None]]:
    """Who could have run it from ``one.begin_ns`` to ``one.end_ns``, and what shows that it had noticed the loss."""
    topology = history.topology
    states = [impairment.cost for index, (at_ns, impairment) in enumerate(when) if at_ns <= one.end_ns
              and (when[index + 1][0] if index + 1 < len(when) else history.log_end_ns) >= one.begin_ns]
    if any(obstacle(topology, one.service, state) for state in states):
        return
    for node in topology.preferred_nodes(one.service):
        out = [state.lost | state.left | state.unfit for state in states]
        if node == one.old or any(node in nodes for nodes in out) or any(
                (one.service, node) in state.unfit_for for state in states):
            continue
        if not any(piece.start.latest_ns <= one.begin_ns and (piece.end is None or piece.end.earliest_ns >= one.end_ns)
                   for piece in history.executing(node)):
            continue
        if node not in topology.cluster_nodes:
            continue
        if not any(quorate.value and quorate.start.latest_ns <= one.begin_ns
                   and (quorate.end is None or quorate.end.earliest_ns >= one.end_ns)
                   for quorate in history.quorum.get(node, ())):
            continue
        if topology.stack.moves_addresses_only:
            yield node, None  # VRRP knows no members
            continue
        told = [event for event in history.by_kind.get("quorum", ())
                if event.node == node and event.t_ns < one.end_ns]
        known = [event for event in told if event.t_ns <= one.begin_ns][-1:]
        noticed = next((event for event in (*known, *(event for event in told if event.t_ns > one.begin_ns))
                        if one.old not in (event.data.get("members") or ())), None)
        if noticed is not None:
            yield node, noticed
