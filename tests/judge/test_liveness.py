"""Liveness: demanded when it is due, and only then."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history, survivable
from fenceline.judge.demand import legitimate_victims, obstacle
from fenceline.judge.faultlog import impairments
from fenceline.model.cost import Cost
from fenceline.model.verdict import Verdict
from tests.judge.logs import SAN, A, B, C, Log, topology

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


@pytest.mark.parametrize(("about", "out", "expected"), [
    (topology(2), {}, True),
    (topology(2), {"off": [A]}, True),
    (topology(2), {"off": [A], "paused": [B]}, False),
    (topology(2), {"off": [SAN]}, False),
    (topology(3), {"cut": [A]}, True),
    (topology(3), {"cut": [A], "off": [B]}, False),
    (topology(3, without_quorum="ignore"), {"cut": [A], "off": [B]}, True),
    (topology(4), {"off": [A]}, True),
    (topology(4), {"off": [A, B]}, False),
    (topology(4, policy="qdevice"), {"off": [A, B]}, True),
    (topology(4, policy="qdevice"), {"off": [A, B, "qd-01"]}, False),
    (topology(4, policy="qdevice"), {"off": ["qd-01"]}, True),
    (topology(3, policy="qdevice", algorithm="lms"), {"off": [A, B]}, True),
    (topology(3, policy="qdevice", algorithm="lms"), {"off": [A, "qd-01"]}, False),
    (topology(3, policy="qdevice", algorithm="lms"), {"off": ["qd-01"]}, True),
])
def test_survivable(about, out, expected):
    assert survivable(about, **out) is expected


def test_a_restricted_domain_must_keep_a_node():
    about = topology(3)
    domain = about.services["web"].domain.model_copy(update={"nodes": (A,), "restricted": True})
    web = about.services["web"].model_copy(update={"domain": domain})
    about = about.model_copy(update={"services": {"web": web}})
    assert not survivable(about, off=[A])
    assert survivable(about, off=[B])


def test_a_node_that_cannot_be_fenced_blocks():
    cost = Cost(lost=frozenset({A}), unfenceable=frozenset({A}))
    assert "can't be fenced" in obstacle(topology(2), "web", cost)
    assert obstacle(topology(2, fencing="none"), "web", cost) is None
    assert obstacle(topology(2), "web", Cost(unfenceable=frozenset({A}))) is None


@pytest.mark.parametrize(("what", "build", "lost"), [
    ("nothing", lambda log: log, ""),
    ("a power cut", lambda log: log.off(5, A, "power_off"), A),
    ("fenced without reason", lambda log: log.off(5, A), ""),
    ("fenced with reason", lambda log: log.fault(4, "hang", A, healed=4.5).off(5, A), A),
    ("fenced, the fault was another's", lambda log: log.fault(4, "hang", B, healed=4.5).off(5, A), ""),
    ("on again, not a member yet", lambda log: log.off(5, A, "reset").power(6, A, "on").agent(9, A)
        .quorum(9.1, A, False), A),
    ("a member again", lambda log: log.off(5, A, "reset").power(6, A, "on").quorum(9, A, True, A, B), ""),
    ("an old report while it is off", lambda log: log.off(5, A, "reset").quorum(5.01, A, True, A, B), A),
    ("the storage host is on again, not up", lambda log: log.off(5, SAN, "crash").power(6, SAN, "on"), SAN),
    ("the storage host is up", lambda log: log.off(5, SAN, "crash").power(6, SAN, "on").add(
        9, "guest", SAN, "agent.start"), ""),
    ("off and on twice", lambda log: log.off(5, A, "reset").power(6, A, "on").off(7, A, "reset").quorum(
        7.1, A, True, A), A),
    ("paused", lambda log: log.power(5, A, "paused"), A),
    ("resumed", lambda log: log.power(5, A, "paused").power(6, A, "resumed"), ""),
    ("paused, reset", lambda log: log.power(5, A, "paused").off(6, A).power(7, A, "on").quorum(9, A, True, A), ""),
    ("nobody is out where all may be shot", lambda log: log.fault(5, "packet-drop", network="heartbeat", percent=50),
     ""),
    ("what it says that it costs", lambda log: log.fault(5, "meteorite", A, cost=Cost(lost=frozenset({B}))), B),
    ("nothing, if it says so", lambda log: log.fault(5, "meteorite", A, cost=Cost()), ""),
    ("an old log's fault that nobody knows takes its targets", lambda log: log.fault(5, "meteorite", B), B),
    ("and nothing where it had none", lambda log: log.fault(5, "meteorite"), ""),
    ("hung, fenced, and well again", lambda log: log.fault(4, "hang", A).off(5, A).power(6, A, "on").quorum(
        9, A, True, A, B), ""),
    ("well again, and then the fault", lambda log: log.off(2, A, "reset").power(3, A, "on").fault(4, "hang", A)
        .quorum(9, A, True, A, B), A),
    ("the storage host's management network is none of the service", lambda log: log.fault(
        5, "network-cut", SAN, node=SAN, networks=["management"]), ""),
    ("a member's management network neither", lambda log: log.fault(
        5, "network-cut", A, node=A, networks=["management"]), ""),
])
def test_who_is_lost_at_the_end(what, build, lost):
    log = build(Log().baseline())
    assert sorted(impairments(build_history(log.events, log.topology))[-1][1].cost.lost) == lost.split()


def base(nodes: int = 2) -> Log:
    return Log(topology(nodes)).baseline().ready(0.5)


def outage(log: Log, end: float, begin: float = 5.0, until: float = 300.0) -> Log:
    """web is away from ``begin`` to ``end``; the log ends at ``until``."""
    return log.good(0, begin, A, every=.1).bad(begin, end, took=.001, every=.1).good(
        end, until, B, every=.1).end(until)


def cut(log: Log, node: str = A, t: float = 5, networks=("heartbeat",), **more) -> Log:
    return log.fault(t, "network-cut", node, node=node, networks=list(networks), **more)


@pytest.mark.parametrize(("what", "log", "verdict", "word"), [
    ("no outage", outage(base(), 5), PASS, "no outage"),
    ("in time", outage(cut(base()), 12), PASS, "was back within"),
    ("too late", outage(cut(base()), 17), FAIL, "budget 10 s"),
    ("too late, by less than the error", outage(cut(base()), 14.95), UNKNOWN, "leaves open"),
    ("too late without any fault", outage(base(), 17), FAIL, "budget"),
    ("too late, though healed", outage(cut(base(), healed=8), 17), FAIL, "budget"),
    ("still away, time is left", outage(cut(base()), 12, until=12), UNKNOWN, "before its budget"),
    ("still away, time is up", outage(cut(base()), 20, until=20), FAIL, "to the end"),
    ("both off", outage(base().fault(5, "power-off", A).fault(6, "power-off", B, id=2), 300), PASS, "not demanded"),
    ("both off, but one only after it was due", outage(base().fault(5, "power-off", A)
        .fault(40, "power-off", B, id=2), 300), FAIL, "to 40.000 s"),
    ("storage off", outage(base().fault(5, "power-off", SAN), 300), PASS, "storage host"),
    ("storage cut", outage(cut(base(), SAN, networks=["storage"]), 300), PASS, "storage host"),
    ("storage cut from one node", outage(cut(base(), A, networks=["storage"]), 300), FAIL, "budget"),
    ("storage cut from every node", outage(cut(cut(base(), A, networks=["storage"]), B, networks=["storage"],
                                               id=2), 300), PASS, "failover domain"),
    ("all healed, never back", outage(base().fault(5, "power-off", A, healed=30).fault(6, "power-off", B, id=2,
                                                                                     healed=30), 600, until=600), FAIL,
     "budget 250 s"),
    ("all healed, back after booting", outage(base().fault(5, "power-off", A, healed=30).fault(
        6, "power-off", B, id=2, healed=30), 90), PASS, "not demanded"),
    ("unhealed counts as in force", outage(base().fault(5, "hang", A).fault(6, "hang", B, id=2).add(
        9, "fault", None, "fault.unhealed", id=1, reason="x"), 300), PASS, "not demanded"),
    ("two of three cut", outage(cut(cut(base(3)), B, 6, id=2), 300), PASS, "no quorum"),
    ("one of three cut", outage(cut(base(3)), 300), FAIL, "budget"),
    ("parts of three", outage(base(3).fault(5, "partition", A, B, C, groups=[[A], [B, C]]), 300), FAIL, "budget"),
    ("parts of one", outage(base(3).fault(5, "partition", A, B, C, groups=[[A], [B], [C]]), 300), PASS, "no quorum"),
    ("standby of both", outage(base().fault(5, "standby", A).fault(6, "standby", B, id=2), 300), PASS, "domain"),
    ("a move takes nothing away", outage(base().fault(5, "move", B, service="web"), 300), FAIL, "budget"),
    ("a killed service is restarted", outage(base().fault(5, "service-kill", A, service="web"), 300), FAIL, "budget"),
    ("the fencing device is dead too", outage(base().fault(5, "hang", A).fault(4, "fence-device-dead", A, id=2), 300),
     PASS, "can't be fenced"),
    ("a split, and one can't be fenced: the other can", outage(cut(base().fault(4, "fence-device-dead", A, id=2)), 300),
     FAIL, "budget"),
    ("a split, and neither can be", outage(cut(base().fault(4, "fence-device-dead", A, id=2).fault(
        4, "fence-device-dead", B, id=3)), 300), PASS, "can't be fenced"),
    ("the heartbeat loses a little", outage(base().fault(5, "packet-drop", network="heartbeat", percent=5), 300),
     FAIL, "budget"),
    ("the heartbeat loses most", outage(base().fault(5, "packet-drop", network="heartbeat", percent=90), 300), FAIL,
     "budget"),
    ("of three it loses most", outage(base(3).fault(5, "packet-drop", network="heartbeat", percent=90), 300), PASS,
     "no quorum without"),
    ("the clients' network loses packets", outage(base().fault(5, "packet-drop", network="service", percent=20), 300),
     FAIL, "budget"),
    ("it loses most", outage(base().fault(5, "packet-drop", network="service", percent=90), 300), PASS, "address"),
    ("expected", outage(cut(base().add(.2, "scenario", None, "expect", outage="web", why="no budget")), 300), PASS,
     "the outage of web is expected (no budget)"),
])
def test_liveness(what, log, verdict, word):
    finding = log.finding("liveness at the end")
    assert finding.verdict is verdict, finding.reason
    assert word in finding.reason


def test_a_cluster_whose_nodes_fence_each_other_has_no_excuse():
    # the standby was not at fault: fencing it as well is the cluster's own doing
    log = outage(cut(base()).off(6, A).off(6.1, B), 300)
    assert log.finding("liveness at the end").verdict is FAIL


def test_a_fenced_node_that_still_boots_is_no_reserve():
    # the victim of the first fault is on again, but no member yet, when the other node's power is cut
    log = cut(base(), healed=8).off(6, A).power(6.5, A, "on")
    log.fault(10, "power-off", B, id=2).off(10, B, "power_off").agent(11, A).quorum(80, A, True, A)
    finding = outage(log, 90, begin=10).finding("liveness at the end")
    assert finding.verdict is PASS and "not demanded" in finding.reason


def test_a_slow_machine_may_take_longer_to_come_back():
    def log(**ready):
        both = base().add(0.4, "scenario", None, "ready", service="web", **ready)
        both.fault(5, "power-off", A, healed=30).fault(6, "power-off", B, id=2, healed=30)
        return outage(both, 400, until=500)
    assert log().finding("liveness at the end").verdict is FAIL
    assert log(slowdown=5).finding("liveness at the end").verdict is PASS


def test_the_longest_outage_is_named():
    log = base().good(0, 3, A).bad(3, 4).good(4, 6, A).bad(6, 9).good(9, 12, A).end(12)
    assert "3.020 s" in log.finding("liveness at the end").reason


def test_an_end_that_nobody_saw_is_not_known():
    log = base().good(0, 5, A).end(9)
    finding = log.finding("liveness at the end")
    assert finding.verdict is UNKNOWN and "4.0 s before" in finding.reason


def times(count: int, each: float, budget: float = 10.0, second_fault: bool = False) -> Log:
    """``count`` outages of ``each`` s after one fault, 4 s apart."""
    log = Log(topology(budget=budget)).baseline().ready(1).good(0.1, 10, A)
    log.fault(10, "hang", A, cost=Cost(victims=frozenset({A})))
    for number in range(count):
        begin = 10 + number * (each + 4)
        if second_fault and number == count - 1:
            log.fault(begin - 1, "hang", A, id=2, cost=Cost(victims=frozenset({A})))
        log.bad(begin, begin + each, took=0.01).good(begin + each, begin + each + 4, B)
    return log.end(10 + count * (each + 4))


def test_the_outages_of_one_fault_keep_within_one_budget():
    finding = times(3, 4).finding("liveness at the end")
    assert finding.verdict is Verdict.FAIL
    for word in ("web did not answer 3 times", "after one fault", "budget 10 s"):
        assert word in finding.reason
    assert times(2, 4).finding("liveness at the end").verdict is Verdict.PASS
    assert times(3, 4, budget=13).finding("liveness at the end").verdict is Verdict.PASS
    assert times(3, 4, second_fault=True).finding("liveness at the end").verdict is Verdict.PASS


def three(*links: tuple[str, str], networks: tuple[str, ...] = ("heartbeat",), **more) -> Cost:
    """These links are lost, both ways."""
    return Cost(unheard=frozenset((network, *pair) for network in networks for one, other in links
                                  for pair in ((one, other), (other, one))), **more)


@pytest.mark.parametrize(("what", "about", "cost", "owed", "victims"), [
    ("two of three don't hear each other: either goes on with the third", topology(3), three((A, B)), True, {A, B}),
    ("one of three hears nobody", topology(3), three((A, B), (A, C)), True, {A}),
    ("nobody hears anybody", topology(3), three((A, B), (A, C), (B, C)), False, {A, B, C}),
    ("one way is enough", topology(2), Cost(unheard=frozenset({("heartbeat", A, B)})), True, {A, B}),
    ("in another network nobody listens", topology(2), three((A, B), networks=("storage",)), True, set()),
    ("the largest part can't fence the other", topology(3), three((A, B), (A, C), unfenceable=frozenset({A})), False,
     {A}),
    ("nor who reaches no device", topology(2), Cost(lost=frozenset({A}), disarmed=frozenset({B})), False, {A}),
    ("the device's vote decides, and is lost", topology(2, policy="qdevice"), Cost(
        lost=frozenset({A}), quorum_device=True), False, {A}),
    ("by itself it is missed by nobody", topology(2, policy="qdevice"), Cost(quorum_device=True), True, set()),
    ("only one hears the device", topology(2, policy="qdevice"), Cost(
        lost=frozenset({A}), unheard=frozenset({("management", A, "qd-01")})), True, {A}),
    ("the other one does not", topology(2, policy="qdevice"), Cost(
        lost=frozenset({B}), unheard=frozenset({("management", A, "qd-01")})), False, {B}),
    ("who left in order is no victim", topology(3), Cost(left=frozenset({A})), True, set()),
    ("but is missed", topology(3), Cost(left=frozenset({A, B})), False, set()),
    ("too many votes are expected", topology(3), Cost(votes=5, left=frozenset({A})), False, set()),
    ("a network that shakes", topology(2), Cost(unsteady=frozenset({("heartbeat", A, B)})), True, {A, B}),
])
def test_what_is_owed_and_who_may_be_fenced(what, about, cost, owed, victims):
    assert (obstacle(about, "web", cost) is None) is owed
    assert legitimate_victims(about, cost) == victims


def left_alone(**cost) -> Log:
    return base(3).fault(2, "told to leave it", cost=Cost(**cost))


@pytest.mark.parametrize(("what", "log", "verdict"), [
    ("maintenance, and nothing else", left_alone(unmanaged=frozenset({"web"})), FAIL),
    ("and its node is lost", left_alone(unmanaged=frozenset({"web"})).fault(5, "hang", A, id=2), PASS),
    ("and another node is", left_alone(unmanaged=frozenset({"web"})).fault(5, "hang", B, id=2), FAIL),
    ("and it was only so for a moment", left_alone(unmanaged=frozenset({"web"})).fault(
        5, "service-kill", A, id=2, service="web", healed=6), PASS),
    ("of its node alone", left_alone(unmanaged_on=frozenset({("web", A)}), unfit=frozenset({A})), FAIL),
    ("and that is lost", left_alone(unmanaged_on=frozenset({("web", A)}), unfit=frozenset({A})).fault(
        5, "hang", A, id=2), PASS),
    ("of another node", left_alone(unmanaged_on=frozenset({("web", B)}), unfit=frozenset({B})).fault(
        5, "hang", A, id=2), FAIL),
])
def test_what_is_left_alone_is_excused_only_if_something_befell_it(what, log, verdict):
    assert outage(log, 300).finding("liveness at the end").verdict is verdict
