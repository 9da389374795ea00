"""The membership settles and the cluster answers: red, green, and what excuses what."""

from __future__ import annotations

import pytest

from fenceline.judge.settled import silent_for
from fenceline.model.event import Event
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.judge import logs
from tests.judge.logs import A, B, C, Log, green, ns

SETTLES, ANSWERS = "membership settles", "cluster answers"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
CUT = {"cost": {"unheard": [["heartbeat", A, B], ["heartbeat", B, A]]}}


def trio() -> Log:
    return Log(logs.topology(3)).baseline().ready(2)


def fault(log: Log, t: float, healed: float | None = None, id: int = 1, **begin) -> Log:
    log.add(t, "fault", None, "fault.begin", id=id, fault="move", targets=[], params={}, **begin)
    log.add(t + 0.02, "fault", None, "fault.injected", id=id).add(t + 0.4, "fault", None, "fault.confirmed", id=id,
                                                                  evidence={})
    return log if healed is None else log.add(healed, "fault", None, "fault.healed", id=id)


def flap(log: Log, begin: float, end: float, node: str = C, every: float = 2.8) -> Log:
    """``node`` forms a membership with A, then one with B, and so on."""
    t, with_a = begin, True
    while t < end:
        log.quorum(t, node, True, *((A, node) if with_a else (B, node)))
        t, with_a = t + every, not with_a
    return log


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing moved", lambda log: log, PASS),
    ("one is lost", lambda log: fault(log, 10, **CUT).quorum(12, B, True, B, C).quorum(12, C, True, B, C), PASS),
    ("without end", lambda log: flap(fault(log, 10, **CUT), 12, 60), FAIL),
    ("for as long as it may", lambda log: flap(fault(log, 10, **CUT), 12, 21), PASS),
    ("a fault that does not say what it costs", lambda log: flap(fault(log, 10), 12, 60), UNKNOWN),
    ("before any fault", lambda log: flap(log, 20, 60), FAIL),
    ("while links lose a part", lambda log: flap(fault(log, 10, cost={"restless": True}), 12, 60), PASS),
    ("while links are unsteady", lambda log: flap(fault(log, 10, cost={"unsteady": [["heartbeat", A, B]]}), 12, 60),
     PASS),
    ("after they were healed", lambda log: flap(fault(log, 10, 20, cost={"restless": True}), 12, 60), FAIL),
    ("a fault that makes it slower gives it that and no more",
     lambda log: flap(fault(log, 10, cost={"slower_s": 10}), 12, 60), FAIL),
    ("slower by enough", lambda log: flap(fault(log, 10, cost={"slower_s": 40}), 12, 60), PASS),
    ("a cable comes and goes", lambda log: [flap(log, 20, 60)] + [
        log.add(t, "fabric", C, "link.down" if t % 4 else "link.up", network="heartbeat") for t in range(20, 60, 2)]
        and log, PASS),
    ("machines come and go", lambda log: [flap(log, 20, 60)] + [
        log.off(t, A).power(t + 1, A, "on") for t in range(20, 60, 8)] and log, PASS),
    ("two hiccups", lambda log: flap(log, 30, 34), PASS),
    ("three, far apart", lambda log: flap(log, 20, 59, every=15), PASS),
    ("the same members, formed anew", lambda log: [log.add(t, "guest", C, "quorum", 0.02, quorate=True,
        members=[A, B, C], ring=t) for t in range(20, 60, 3)] and log, FAIL),
    ("the same said again", lambda log: [log.add(t, "guest", C, "quorum", 0.02, quorate=True,
        members=[A, B, C], ring=4) for t in range(20, 60, 3)] and log, PASS),
    ("only quorum comes and goes", lambda log: [log.add(t, "guest", C, "quorum", 0.02, quorate=t % 2 == 0,
        members=[A, B, C], ring=4) for t in range(20, 60, 3)] and log, PASS),
    ("its cluster software starts and ends", lambda log: [log.quorum(t, C, False, *([C] if t % 2 else []))
        for t in range(20, 60, 3)] and log, PASS),
])
def test_the_membership(what, build, verdict):
    finding = build(trio()).end(60).finding(SETTLES)
    assert finding.verdict is verdict, finding.reason


def test_the_reason_says_who_how_often_and_how_long_it_may_take():
    reason = flap(fault(trio(), 10, **CUT), 12, 60).end(60).finding(SETTLES).reason
    assert C in reason and "one every 2.8 s" in reason and "within 11 s" in reason


def test_what_it_may_take_follows_the_stack():
    assert logs.topology().stack.forming_s == pytest.approx(2.2)
    assert load_topology("mysql-drbd-heartbeat").stack.forming_s == pytest.approx(3.5)
    assert load_topology("lvs-keepalived").stack.forming_s is None
    slow = flap(fault(Log(logs.topology(3)).baseline(), 10, **CUT), 12, 60)
    slow.add(2, "scenario", None, "ready", service="web", slowdown=6.0)
    assert slow.end(60).finding(SETTLES).verdict is PASS


def test_the_green_run_settles():
    assert green().finding(SETTLES).verdict is PASS


def silent(log: Log, begin: float, end: float, *unreachable: str) -> Log:
    """Every 10 s somebody asks, and nobody who can be reached tells."""
    t = begin
    while t < end:
        asked, t = t, min(t + 10, end)
        log.events.append(Event(ns(t), "stack", None, "state.unknown", {
            "asked_ns": ns(asked), "nodes": [A, B], "unreachable": list(unreachable), "error": "no end within 10 s"}))
    return log


def told(log: Log, t: float) -> Log:
    return log.add(t, "stack", A, "state", quorate=True)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("never asked", lambda log: log, PASS),
    ("told", lambda log: told(log, 20), PASS),
    ("silent for too long", lambda log: silent(log, 20, 45), FAIL),
    ("silent for less", lambda log: silent(log, 20, 29), PASS),
    ("told in between", lambda log: silent(told(silent(log, 20, 29), 29.5), 30, 39), PASS),
    ("not asked in between", lambda log: silent(silent(log, 3, 12), 43, 52), PASS),
    ("before it was ready", lambda log: silent(log, 0.1, 1.9), PASS),
    ("one could not be asked", lambda log: silent(log, 20, 45, C), UNKNOWN),
    ("everybody is off", lambda log: silent(log.off(19, A, "power_off").off(19, B, "power_off"), 20, 45), PASS),
    ("everybody was off, and is back for longer", lambda log: silent(
        log.off(15, A, "power_off").off(15, B, "power_off").power(16, A, "on").power(16, B, "on").agent(20, A)
        .agent(20, B).quorum(22, A, True, A, B).quorum(22, B, True, A, B), 17, 50), FAIL),
    ("a fault that makes it slower", lambda log: silent(fault(log, 10, cost={"slower_s": 30}), 20, 45), PASS),
    ("a fault that does not", lambda log: silent(fault(log, 10, **CUT), 20, 45), FAIL),
])
def test_a_silent_cluster(what, build, verdict):
    finding = build(Log().baseline().ready(2)).end(60).finding(ANSWERS)
    assert finding.verdict is verdict, finding.reason


def test_the_budget_is_the_longest_of_its_services():
    assert silent_for(logs.topology(budget=17)) == 17
    assert silent_for(load_topology("services-3")) == 30
    assert silent(Log(logs.topology(budget=30)).baseline().ready(2), 20, 45).end(60).finding(ANSWERS).verdict is PASS


def test_what_the_host_took_leaves_both_open_and_excuses_no_more():
    def waited(log, share):
        for t in range(21, 60):
            log.add(t, "host", None, "host.waited", over=1.0, seconds={A: share})
        return log
    assert waited(flap(trio(), 20, 60), 0.9).end(60).finding(SETTLES).verdict is UNKNOWN
    assert waited(flap(trio(), 20, 60), 0.2).end(60).finding(SETTLES).verdict is FAIL
    web = [silent(Log().baseline().ready(2), 20, 45) for _ in range(2)]
    assert waited(web[0], 0.9).end(60).finding(ANSWERS).verdict is UNKNOWN
    assert waited(web[1], 0.2).end(60).finding(ANSWERS).verdict is FAIL
