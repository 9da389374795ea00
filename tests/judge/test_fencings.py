"""Fenced only for cause, and once for each: every rule red and green."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history
from fenceline.judge.causes import Causes, answer_s
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, C, Log, green, ns, topology

CAUSE, ONCE = "fenced only for cause", "one fault, one fencing"
PASS, FAIL = Verdict.PASS, Verdict.FAIL
LOST, HARMLESS = Cost(lost=frozenset({A})), Cost()


def deaf(*nodes: str, to: tuple[str, ...] = (A, B, C), network: str = "heartbeat") -> Cost:
    """``nodes`` and those in ``to`` don't hear each other on ``network``."""
    return Cost(unheard=frozenset(link for node in nodes for other in to if other not in nodes
                                  for link in ((network, node, other), (network, other, node))))


def base(nodes: int = 2, **quorum) -> Log:
    return Log(topology(nodes, **quorum)).baseline().ready(1)


def shot(log: Log, t: float, node: str, back: float | None = 8.0) -> Log:
    """``node`` is fenced at ``t``, and a quorate member ``back`` s later."""
    log.bmc(t - 0.1, node, took=0.2).off(t, node).power(t + 0.1, node, "on")
    if back is not None:
        log.agent(t + 3, node).quorum(t + 3.1, node, False).quorum(t + back, node, True, *log.topology.cluster_nodes)
    return log


def judged(log: Log, check: str):
    return log.end(300).finding(check)


def loop() -> Log:
    """Two nodes whose cable stays cut shoot each other in turn (b01)."""
    log = base().fault(10, "network-cut", A, cost=deaf(A))
    for number in range(5):
        node = (A, B)[number % 2]
        log.bmc(12 + 20 * number, node).off(12.1 + 20 * number, node).power(12.2 + 20 * number, node, "on")
        log.agent(15 + 20 * number, node).quorum(16 + 20 * number, node, True, node)
    return log


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nobody is fenced", lambda: base(), PASS),
    ("the whole failover of the heartbeat cut", lambda: green(), PASS),
    ("who is lost", lambda: shot(base().fault(10, "hang", A, cost=LOST), 13, A), PASS),
    ("the other one", lambda: shot(base().fault(10, "hang", A, cost=LOST), 13, B), FAIL),
    ("who may be fenced though it is not lost",
     lambda: shot(base().fault(10, "daemon-kill", A, cost=Cost(victims=frozenset({A}))), 13, A), PASS),
    ("who is only unfit to serve",
     lambda: shot(base().fault(10, "network-cut", A, cost=Cost(unfit=frozenset({A}))), 13, A), FAIL),
    ("after a harmless fault that was healed",
     lambda: shot(base().fault(10, "config-change", healed=12, cost=HARMLESS), 24, B), FAIL),
    ("in a harmless fault", lambda: shot(base().fault(10, "config-change", cost=HARMLESS), 24, B), FAIL),
    ("a moment after it was healed", lambda: shot(base().fault(10, "hang", A, healed=12, cost=LOST), 14, A), PASS),
    ("long after it was healed", lambda: shot(base().fault(10, "hang", A, healed=12, cost=LOST), 60, A), FAIL),
    ("long after, by a device that is slow", lambda: shot(base().fault(
        8, "fence-device-slow", A, id=2, cost=Cost(slower_s=10)).fault(10, "hang", A, healed=12, cost=LOST), 60, A),
     PASS),
    ("after the power was back, before it is a member again", lambda: base().fault(
        10, "power-cut", A, healed=12, cost=LOST).off(10, A, "power_off").power(12, A, "on").bmc(50, A).off(50.1, A),
     PASS),
    ("after it was a member again", lambda: shot(base().fault(10, "power-cut", A, healed=12, cost=LOST).off(
        10, A, "power_off").power(12, A, "on").agent(15, A).quorum(20, A, True, A, B), 60, A), FAIL),
    ("either of two in a split: one", lambda: shot(base().fault(10, "network-cut", A, cost=deaf(A)), 13, A), PASS),
    ("either of two in a split: the other", lambda: shot(base().fault(10, "network-cut", A, cost=deaf(A)), 13, B),
     PASS),
    ("a cut of a network that is not all there is", lambda: shot(base().fault(
        10, "network-cut", A, cost=deaf(A, network="ring-b")), 13, A), FAIL),
    ("the minority of three", lambda: shot(base(3).fault(10, "network-cut", A, cost=deaf(A)), 13, A), PASS),
    ("the majority of three", lambda: shot(base(3).fault(10, "network-cut", A, cost=deaf(A)), 13, B), FAIL),
    ("of three, one hears both others: one of those", lambda: shot(base(3).fault(
        10, "partition-bridge", cost=deaf(A, to=(C,))), 13, C), PASS),
    ("of three, one hears both others: the one in the middle", lambda: shot(base(3).fault(
        10, "partition-bridge", cost=deaf(A, to=(C,))), 13, B), FAIL),
    ("by its watchdog, for nothing", lambda: base().fault(10, "config-change", cost=HARMLESS).off(
        20, B, "watchdog"), FAIL),
    ("asked for, and not done", lambda: base().fault(10, "config-change", cost=HARMLESS).bmc(20, B, ok=False), FAIL),
    ("asked for again, of who is lost", lambda: base().fault(10, "hang", A, cost=LOST).bmc(20, A, ok=False), PASS),
    ("an outside hand, for a fault", lambda: base().fault(10, "reset", B, cost=Cost(lost=frozenset({B}))).off(
        10, B, "reset"), PASS),
    ("before the first fault, which another promise judges", lambda: shot(base(), 13, A), PASS),
])
def test_fenced_only_for_cause(what, build, verdict):
    finding = judged(build(), CAUSE)
    assert finding.verdict is verdict, finding.reason


def test_who_was_fenced_without_a_cause_is_named():
    finding = judged(shot(base().fault(10, "config-change", cost=HARMLESS), 24, B), CAUSE)
    for word in (B, "was fenced at 24.000 s", "config-change is no reason"):
        assert word in finding.reason
    assert [event["kind"] for event in finding.evidence] == ["bmc.request", "power.off"]
    after = judged(shot(base().fault(10, "config-change", healed=12, cost=HARMLESS), 100, B), CAUSE)
    assert "with no fault in force" in after.reason


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nobody is fenced", lambda: base(), PASS),
    ("the whole failover of the heartbeat cut", lambda: green(), PASS),
    ("once", lambda: shot(base().fault(10, "hang", A, cost=LOST), 13, A), PASS),
    ("twice", lambda: shot(shot(base().fault(10, "hang", A, cost=LOST), 13, A), 40, A), FAIL),
    ("twice, for two faults", lambda: shot(shot(base().fault(10, "hang", A, cost=LOST), 13, A).fault(
        35, "hang", A, id=2, cost=LOST), 40, A), PASS),
    ("twice, for a machine that hangs again and again", lambda: shot(shot(base().fault(
        10, "hang", A, cost=LOST).power(10, A, "paused"), 13, A).power(40, A, "paused"), 43, A), PASS),
    ("its device said so once more", lambda: base().fault(10, "power-cut", A, cost=LOST).off(10, A, "power_off").bmc(
        13, A).bmc(90, A), PASS),
    ("it was off when it was fenced, and is fenced once more", lambda: shot(base().fault(
        10, "power-cut", A, cost=LOST).off(10, A, "power_off").bmc(13, A).power(14, A, "on").quorum(
        20, A, True, A, B), 50, A), FAIL),
    ("two shoot each other for ever", loop, FAIL),
    ("who survived a split is fenced over it", lambda: shot(shot(base().fault(
        10, "network-cut", A, cost=deaf(A)), 13, A, None), 40, B), FAIL),
    ("who survived a split is fenced over another one", lambda: shot(shot(base().fault(
        10, "network-cut", A, healed=20, cost=deaf(A)), 13, A).fault(50, "network-cut", A, id=2, cost=deaf(A)), 53, B),
     PASS),
    ("a cable that is pulled again", lambda: shot(shot(base().fault(10, "link-flap", A, cost=deaf(A)).add(
        10, "fabric", A, "link.down", network="heartbeat"), 13, A).add(
        40, "fabric", A, "link.down", network="heartbeat"), 43, A), PASS),
    ("two whose orders crossed", lambda: base().fault(10, "network-cut", A, cost=deaf(A)).bmc(12, A, took=2).bmc(
        12.1, B, took=2).off(13, A).off(13.1, B), PASS),
    ("two halves of two: both of one half", lambda: shot(shot(base(4, policy="qdevice").fault(
        10, "partition", cost=deaf(A, B, to=(C, "rs-04"))), 13, A, None), 14, B, None), PASS),
    ("two halves of two: one of each", lambda: shot(shot(base(4, policy="qdevice").fault(
        10, "partition", cost=deaf(A, B, to=(C, "rs-04"))), 13, A, None), 44, C, None), FAIL),
])
def test_one_fault_one_fencing(what, build, verdict):
    finding = judged(build(), ONCE)
    assert finding.verdict is verdict, finding.reason


def test_a_fence_loop_is_named():
    finding = judged(loop(), ONCE)
    for word in (f"{B}, which had survived the fencing of {A}, was fenced at 32.100 s", f"network-cut on {A}"):
        assert word in finding.reason
    again = judged(shot(shot(base().fault(10, "hang", A, cost=LOST), 13, A), 40, A), ONCE)
    for word in (f"{A} was fenced again at 40.000 s", f"hang on {A}", "had been fenced at 13.000 s"):
        assert word in again.reason


def test_a_majority_that_is_off_leaves_nobody_to_go_on():
    log = base(3).fault(10, "power-cut", B, id=2, cost=Cost(lost=frozenset({B}))).off(10, B, "power_off")
    log.fault(20, "network-cut", A, cost=deaf(A)).end(60)
    causes = Causes(build_history(log.events, log.topology))
    assert not causes.splitting(C, ns(22)), "one of three has no quorum: it may fence nobody"


def test_the_time_to_answer_is_the_topologys_own():
    quick, slow = load_topology("web-iscsi"), load_topology("web-iscsi-sbd")
    assert answer_s(quick) == pytest.approx(1 + 1.2 + 4 + 10)
    assert answer_s(slow) >= answer_s(quick) - 4 + slow.fencing.sbd.watchdog_timeout + slow.fencing.sbd.message_wait
    assert answer_s(load_topology("web-nfs-heartbeat")) > answer_s(load_topology("lvs-keepalived"))
