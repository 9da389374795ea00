"""The standby takes over: red where it could have, and green where it could not."""

from __future__ import annotations

import pytest

from fenceline.model.cost import Cost
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, C, Log, green, topology
from tests.judge.test_moves import about, directors, vrrp

TAKES_OVER = "standby takes over"
PASS, FAIL = Verdict.PASS, Verdict.FAIL
LOST_A = Cost(lost=frozenset({A}))


def base(nodes: int = 2, **more) -> Log:
    return Log(topology(nodes, **more)).baseline().ready(1)


def off(log: Log, noticed: bool = True) -> Log:
    """rs-01 loses its power at 10 s and is back as a member at 17 s; rs-02 saw it leave at 11 s."""
    log.fault(10, "power-cut", A, healed=12, cost=LOST_A).off(10, A, "power_off")
    if noticed:
        log.quorum(11, B, True, B)
    return log.power(12, A, "on").agent(15, A).quorum(17, A, True, A, B).quorum(17, B, True, A, B)


def on(log: Log, node: str, t: float = 20) -> Log:
    return log.mount(t, node).vip(t, node).listen(t, node)


def judged(log: Log):
    return log.end(60).finding(TAKES_OVER)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing was lost", base, PASS),
    ("the whole failover of the heartbeat cut", green, PASS),
    ("the standby takes over", lambda: on(off(base()), B, 14), PASS),
    ("it waits for the node that it was lost with", lambda: on(off(base()), A), FAIL),
    ("it was fenced, and got it again", lambda: on(base().fault(10, "hang", A, cost=LOST_A).quorum(11, B, True, B).off(
        12, A).power(12.1, A, "on").agent(15, A).quorum(17, A, True, A, B).quorum(17, B, True, A, B), A), FAIL),
    ("the standby had it in between", lambda: on(on(off(base()), B, 14).listen(18, B, False).vip(18, B, False).mount(
        18, B, False), A), PASS),
    ("it never came back", lambda: off(base()), PASS),
    ("the standby was off", lambda: on(off(base().off(5, B, "power_off")), A), PASS),
    ("the standby was lost, too", lambda: on(off(base().fault(
        5, "hang", B, id=2, cost=Cost(lost=frozenset({B})))), A), PASS),
    ("the standby was unfit for some of the time", lambda: on(off(base().fault(
        5, "standby", B, id=2, healed=12, cost=Cost(unfit=frozenset({B})))), A), PASS),
    ("the standby was unfit before", lambda: on(off(base().fault(
        5, "standby", B, id=2, healed=8, cost=Cost(unfit=frozenset({B})))), A), FAIL),
    ("the standby was paused", lambda: on(off(base().power(9, B, "paused").power(11, B, "resumed")), A), PASS),
    ("the standby had no quorum", lambda: on(off(base().quorum(10.5, B, False, B)), A), PASS),
    ("the standby noticed nothing", lambda: on(off(base(), noticed=False), A), PASS),
    ("a third one was fit", lambda: on(off(base(3).off(5, B, "power_off").quorum(11, C, True, C)), A), PASS),
    ("of three, one was fit", lambda: on(off(base(3).fault(5, "standby", C, id=2, cost=Cost(unfit=frozenset({C})))), A),
     FAIL),
    ("its node can't be fenced", lambda: on(off(base().fault(
        5, "fence-refuse", A, id=2, cost=Cost(unfenceable=frozenset({A})))), A), PASS),
    ("its node paused for a moment", lambda: base().fault(10, "hang", A, healed=15, cost=LOST_A).power(
        10, A, "paused").quorum(11, B, True, B).power(15, A, "resumed").quorum(16, B, True, A, B), PASS),
    ("its node paused for long", lambda: base().fault(10, "hang", A, healed=45, cost=LOST_A).power(
        10, A, "paused").quorum(11, B, True, B).power(45, A, "resumed").quorum(46, B, True, A, B), FAIL),
])
def test_standby_takes_over(what, build, verdict):
    finding = judged(build())
    assert finding.verdict is verdict, finding.reason


def test_who_could_have_taken_over_is_named():
    finding = judged(on(off(base()), A))
    for word in (f"web was lost with {A} at 10.000 s and came back only with it, at 20.000 s", f"{B} was fit",
                 "had noticed at 11.000 s"):
        assert word in finding.reason


def test_a_backup_director_knows_no_members():
    log = directors().fault(10, "power-cut", "lb1", healed=11, cost=Cost(lost=frozenset({"lb1"})))
    log.off(10, "lb1", "power_off").power(11, "lb1", "on").add(13, "guest", "lb1", "agent.start", 0.02)
    assert judged(vrrp(log, 14, "lb1")).verdict is FAIL


def test_an_outage_that_the_scenario_expects_is_not_judged():
    log = base().add(0.5, "scenario", None, "expect", outage="web", why="it is meant to")
    assert judged(on(off(log), A)).verdict is PASS


@pytest.mark.parametrize(("what", "nodes", "failback", "begun", "gave_up", "verdict"), [
    ("its preferred node was back before it was up", [A, B], True, 12, 18, Verdict.UNKNOWN),
    ("nothing sends it back", [A, B], False, 12, 18, FAIL),
    ("it is sent away from there, not back", [B, A], True, 12, 18, FAIL),
    ("it had given up before", [A, B], True, 12, 16, FAIL),
    ("it began just after, as it had been told to", [A, B], True, 17.4, 18.5, Verdict.UNKNOWN),
])
def test_a_takeover_under_which_the_preferred_node_comes_back(what, nodes, failback, begun, gave_up, verdict):
    log = off(about(domain={"nodes": nodes, "failback": failback})).mount(begun, B).vip(begun + 0.2, B)
    log.vip(gave_up, B, False).mount(gave_up + 0.5, B, False)
    assert judged(on(log, A)).verdict is verdict


def test_a_standby_that_did_nothing_is_not_excused_by_failback():
    assert judged(on(off(about(domain={"nodes": [A, B], "failback": True})), A)).verdict is FAIL
