"""No service without quorum, and a healthy cluster fences nobody."""

from __future__ import annotations

import pytest

from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, C, Log, ns, topology

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
QUORUM, HEALTHY = "no service without quorum", "healthy cluster fences nobody"


def base(**quorum) -> Log:
    return Log(topology(3, **quorum)).baseline()


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("always quorate", lambda log: log, PASS),
    ("lost, and stopped in time", lambda log: log.quorum(10, A, False, A).listen(12, A, False).vip(13, A, False)
        .mount(14, A, False), PASS),
    ("lost, and one part kept", lambda log: log.quorum(10, A, False, A).listen(12, A, False).vip(13, A, False), FAIL),
    ("lost, and stopped too late", lambda log: log.quorum(10, A, False, A).listen(12, A, False).vip(13, A, False)
        .mount(31, A, False), FAIL),
    ("just in time, within the bounds", lambda log: log.quorum(10, A, False, A).listen(12, A, False)
        .vip(13, A, False).mount(30.3, A, False, late=.5), PASS),
    ("lost and regained in time", lambda log: log.quorum(10, A, False, A).quorum(20, A, True, A, B, C), PASS),
    ("lost and regained too late", lambda log: log.quorum(10, A, False, A).quorum(40, A, True, A, B, C), FAIL),
    ("lost and fenced in time", lambda log: log.quorum(10, A, False, A).off(15, A), PASS),
    ("lost and fenced too late", lambda log: log.quorum(10, A, False, A).off(35, A), FAIL),
    ("the time that it was paused does not count", lambda log: log.quorum(10, A, False, A).power(12, A, "paused")
        .power(50, A, "resumed").listen(52, A, False).vip(53, A, False).mount(54, A, False), PASS),
    ("resumed, and then too slow", lambda log: log.quorum(10, A, False, A).power(12, A, "paused")
        .power(30, A, "resumed").mount(54, A, False), FAIL),
    ("the log ends before it is due", lambda log: log.quorum(45, A, False, A), PASS),
    ("started without quorum", lambda log: log.quorum(10, B, False, B).listen(12, B), FAIL),
    ("mounted without quorum", lambda log: log.quorum(10, B, False, B).mount(12, B), FAIL),
    ("started and stopped at once", lambda log: log.quorum(10, B, False, B).vip(12, B).vip(12.1, B, False), FAIL),
    ("started after it was regained", lambda log: log.quorum(10, B, False, B).quorum(11, B, True, A, B, C)
        .listen(12, B), PASS),
    ("started just before it was seen to be regained", lambda log: log.quorum(10, B, False, B).listen(11.9, B)
        .quorum(12, B, True, A, B, C, late=1), UNKNOWN),
    ("started as it was lost", lambda log: log.quorum(10, B, False, B).listen(10.05, B).listen(14, B, False), PASS),
    ("another node lacks it", lambda log: log.quorum(10, B, False, B), PASS),
    ("booted, waiting for quorum", lambda log: log.off(10, B).power(11, B, "on").agent(15, B).quorum(16, B, False),
        PASS),
    ("booted, and started without", lambda log: log.off(10, B).power(11, B, "on").agent(15, B)
        .quorum(16, B, False).mount(20, B), FAIL),
    ("started within the bounds of the loss", lambda log: log.quorum(10, B, False, B, late=2).listen(9.9, B, late=.1)
        .listen(14, B, False), PASS),
    ("started after it, by a little", lambda log: log.quorum(10, B, False, B, late=2).vip(10.2, B, late=.1)
        .vip(14, B, False), FAIL),
    ("due 20 s after the latest moment of the loss", lambda log: log.quorum(10, A, False, A, late=5)
        .listen(29, A, False).vip(29, A, False).mount(29, A, False), PASS),
    ("gone when it was lost", lambda log: log.mount(9, A, False).vip(9, A, False).listen(9.5, A, False)
        .quorum(10, A, False, A), PASS),
    ("gone as it was lost", lambda log: log.mount(9, A, False).vip(9, A, False).listen(10.05, A, False)
        .quorum(10, A, False, A), PASS),
    ("a pause whose begin is not known counts as little", lambda log: log.quorum(10, A, False, A)
        .power(40, A, "paused", 15), PASS),
    ("a pause whose begin is known", lambda log: log.quorum(10, A, False, A).power(40, A, "paused", 5), FAIL),
    ("a resume whose moment is not known counts late", lambda log: log.quorum(10, A, False, A).power(11, A, "paused")
        .power(40, A, "resumed", 10).listen(55, A, False).vip(55, A, False).mount(55, A, False), PASS),
    ("an agent's restart starts nothing", lambda log: log.quorum(10, A, False, A).agent(11, A).mount(11.02, A)
        .vip(11.02, A).listen(11.1, A).quorum(11.1, A, False, A).off(15, A), PASS),
])
def test_no_service_without_quorum(what, build, verdict):
    finding = build(base()).end(60).finding(QUORUM)
    assert finding.verdict is verdict, finding.reason


def test_the_topology_sets_the_time_to_stop():
    log = base(stop_within=30).quorum(10, A, False, A).off(35, A).end(60)
    assert log.finding(QUORUM).verdict is PASS


def test_ignore_is_not_judged_and_says_so():
    finding = base(without_quorum="ignore").quorum(10, B, False, B).mount(12, B).end(60).finding(QUORUM)
    assert finding.verdict is PASS and "ignore" in finding.reason


def test_freeze_judges_only_starting_and_says_so():
    kept = base(without_quorum="freeze").quorum(10, A, False, A).end(60).finding(QUORUM)
    assert kept.verdict is PASS and "freeze" in kept.reason
    started = base(without_quorum="freeze").quorum(10, B, False, B).mount(12, B).end(60).finding(QUORUM)
    assert started.verdict is FAIL


def test_both_halves_of_a_two_node_cluster_stay_quorate():
    log = Log().baseline().quorum(10, A, True, A).quorum(10, B, True, B).off(12, A).mount(14, B).end(60)
    assert log.finding(QUORUM).verdict is PASS


def test_the_moment_is_the_latest_that_it_may_have_been():
    finding = base().quorum(10, A, False, A, late=1).mount(39, A, False, late=.5).vip(12, A, False).listen(
        12, A, False).end(60).finding(QUORUM)
    assert finding.at_ns == ns(30) and "until 39.000 s" in finding.reason
    finding = base().quorum(10, B, False, B).mount(12, B, late=.5).end(60).finding(QUORUM)
    assert finding.at_ns == ns(12)


def test_the_reason_names_node_part_and_times():
    reason = base().quorum(10, B, False, B).mount(12, B).end(60).finding(QUORUM).reason
    assert "rs-02 mounted /srv/www at 12.000 s" in reason and "10.000 s" in reason


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing happens", lambda log: log, PASS),
    ("a fence without a fault", lambda log: log.off(10, A), FAIL),
    ("a watchdog without a fault", lambda log: log.off(10, A, "watchdog"), FAIL),
    ("a poison pill without a fault", lambda log: log.off(10, A, "sysrq"), FAIL),
    ("a request without a fault", lambda log: log.bmc(10, A, "off", ok=False), FAIL),
    ("asking for the status is harmless", lambda log: log.bmc(10, A, "status"), PASS),
    ("a power cut of our own", lambda log: log.off(10, A, "power_off"), PASS),
    ("a fence after a fault", lambda log: log.fault(9, "network-cut", A).off(10, A), PASS),
    ("a fence after a fault that was healed", lambda log: log.fault(5, "hang", A, healed=8).off(10, A), PASS),
    ("a fence between two faults", lambda log: log.fault(5, "hang", A).off(10, A).fault(15, "hang", A, id=2), PASS),
    ("a fence before the fault", lambda log: log.off(10, A).fault(11, "hang", A), FAIL),
    ("a move without a fault", lambda log: log.vip(10, A, False).vip(11, B), FAIL),
    ("a move of the mount alone", lambda log: log.mount(10, A, False).mount(11, B), FAIL),
    ("a move on request", lambda log: log.fault(9, "move", B).vip(10, A, False).vip(11, B), PASS),
    ("a restart in place", lambda log: log.vip(10, A, False).vip(11, A), PASS),
    ("before it was ready", lambda log: log.off(.2, B), PASS),
])
def test_a_healthy_cluster_fences_nobody(what, build, verdict):
    finding = build(base().ready(0.5)).end(60).finding(HEALTHY)
    assert finding.verdict is verdict, finding.reason


def test_while_it_forms_a_cluster_may_place_its_services():
    log = Log().baseline().vip(1, A, False).vip(2, B).ready(3).end(9)
    assert log.finding(HEALTHY).verdict is PASS
