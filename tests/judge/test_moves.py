"""Interrupted only for cause, and once for each: every rule red and green."""

from __future__ import annotations

from typing import Any

import pytest

from fenceline.judge import build_history
from fenceline.judge.stints import Lost, interruptions
from fenceline.model.cost import Cost
from fenceline.model.load import load_topology, parse_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import SAN, A, B, C, Log, green, topology

MOVED = "moved only for cause"
PASS, FAIL = Verdict.PASS, Verdict.FAIL
HARMLESS, WEB = Cost(), Cost(disturbed=frozenset({"web"}))
LOST_A, LOST_B = Cost(lost=frozenset({A})), Cost(lost=frozenset({B}))


def about(**service: Any) -> Log:
    """A cluster whose service ``web`` is changed."""
    raw = topology().model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"] |= service
    return Log(parse_topology(raw, "a test")).baseline().ready(1)


def base(nodes: int = 2, **quorum: Any) -> Log:
    return Log(topology(nodes, **quorum)).baseline().ready(1)


def moved(log: Log, t: float, old: str, new: str) -> Log:
    """The service moves from ``old`` to ``new`` from ``t`` on, in good order."""
    log.listen(t, old, False).vip(t + 1, old, False).mount(t + 2, old, False)
    return log.mount(t + 3, new).vip(t + 4, new).listen(t + 5, new)


def mended(log: Log, t: float, node: str) -> Log:
    """The daemon dies on ``node`` and is started there again."""
    return log.listen(t, node, False).listen(t + 2, node)


def away(log: Log | None = None) -> Log:
    """rs-01 loses its power at 10 s, rs-02 takes over; rs-01 is a member again at 20 s."""
    log = (log or base()).fault(10, "power-cut", A, healed=15, cost=LOST_A).off(10, A, "power_off")
    log.quorum(11, B, True, B).mount(12, B).vip(13, B).listen(14, B).power(15, A, "on").agent(17, A)
    return log.quorum(20, A, True, A, B).quorum(20, B, True, A, B)


def flapping(times: int) -> Log:
    log = base().fault(10, "hang", A, cost=LOST_A)
    for number in range(times):
        old, new = ((A, B), (B, A))[number % 2]
        moved(log, 12 + 10 * number, old, new)
    return log


def judged(log: Log, end: float = 120):
    return log.end(end).finding(MOVED)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing moved", base, PASS),
    ("the whole failover of the heartbeat cut", green, PASS),
    ("a failover", away, PASS),
    ("for nothing, before any fault", lambda: moved(base(), 20, A, B), FAIL),
    ("mended for nothing, before any fault", lambda: mended(base(), 20, A), FAIL),
    ("for nothing, to the node that is less preferred", lambda: moved(
        base().fault(10, "config-change", healed=12, cost=HARMLESS), 40, A, B), FAIL),
    ("in a fault that is no reason", lambda: moved(base().fault(10, "config-change", cost=HARMLESS), 40, A, B), FAIL),
    ("in a fault of the other node", lambda: moved(base().fault(10, "hang", B, cost=LOST_B), 20, A, B), FAIL),
    ("its node is unfit", lambda: moved(base().fault(
        10, "network-cut", A, cost=Cost(unfit=frozenset({A}))), 20, A, B), PASS),
    ("its node may be fenced", lambda: moved(base().fault(
        10, "daemon-kill", A, cost=Cost(victims=frozenset({A}))), 20, A, B), PASS),
    ("an administrator moves it", lambda: moved(base().fault(10, "move", B, cost=WEB), 12, A, B), PASS),
    ("an administrator moves another one", lambda: moved(base().fault(
        10, "move", B, cost=Cost(disturbed=frozenset({"other"}))), 12, A, B), FAIL),
    ("after a moment", lambda: moved(base().fault(10, "hang", A, healed=12, cost=LOST_A), 14, A, B), PASS),
    ("long after it was healed", lambda: moved(base().fault(10, "hang", A, healed=12, cost=LOST_A), 60, A, B), FAIL),
    ("mended in place", lambda: mended(base().fault(10, "service-kill", A, cost=WEB), 11, A), PASS),
    ("mended in place twice", lambda: mended(mended(base().fault(10, "service-kill", A, cost=WEB), 11, A), 30, A),
     FAIL),
    ("mended twice, for two faults", lambda: mended(mended(base().fault(10, "service-kill", A, cost=WEB), 11, A).fault(
        29, "service-kill", A, id=2, cost=WEB), 30, A), PASS),
    ("mended in place, and moved for the same", lambda: moved(mended(
        base().fault(10, "service-kill", A, cost=WEB), 11, A), 30, A, B), FAIL),
    ("mended in place where the fault goes on, and moved away from there", lambda: moved(mended(base().fault(
        10, "memory-pressure", A, cost=Cost(unfit=frozenset({A}))), 11, A), 30, A, B), PASS),
    ("mended without end where the fault goes on", lambda: mended(mended(base().fault(
        10, "memory-pressure", A, cost=Cost(unfit=frozenset({A}))), 11, A), 30, A), FAIL),
    ("a start that takes two attempts", lambda: base().fault(10, "hang", A, cost=LOST_A).off(12, A).mount(14, B).vip(
        14.5, B).listen(15, B).listen(15.3, B, False).listen(17, B), PASS),
    ("mended in place on the node that took over", lambda: mended(away(), 40, B), FAIL),
    ("ten moves in 100 s under one fault", lambda: flapping(10), FAIL),
    ("one move under one fault", lambda: flapping(1), PASS),
    ("there and back under one fault", lambda: flapping(2), FAIL),
    ("it stops for nothing, and stays down", lambda: base().listen(20, A, False), FAIL),
    ("its storage host is gone", lambda: mended(base().fault(
        10, "power-cut", SAN, healed=20, cost=Cost(lost=frozenset({SAN}))), 15, A), PASS),
    ("without quorum nobody may run it", lambda: mended(base(3).fault(10, "power-off-several", B, C, cost=Cost(
        lost=frozenset({B, C}))), 15, A), PASS),
    ("a split that may cost either", lambda: mended(base().fault(10, "network-cut", B, cost=Cost(unheard=frozenset(
        {("heartbeat", A, B), ("heartbeat", B, A)}))), 12, A), PASS),
    ("on the side of the majority", lambda: mended(base(3).fault(10, "network-cut", C, cost=Cost(unheard=frozenset(
        {("heartbeat", C, A), ("heartbeat", A, C), ("heartbeat", C, B), ("heartbeat", B, C)}))), 12, A), FAIL),
    ("the agent was started anew", lambda: base().agent(20, A).mount(23, A).vip(23, A).listen(23, A), PASS),
    ("its node stopped: other promises tell whether it had to", lambda: base().off(20, A).mount(22, B).vip(22, B)
        .listen(22, B), PASS),
    # what a failover domain without failback forbids
    ("it goes back", lambda: moved(away(), 22, B, A), FAIL),
    ("after a fault on its node", lambda: moved(away().fault(21, "service-kill", B, id=2, cost=WEB), 22, B, A), PASS),
    ("after a fault of the storage host", lambda: moved(away().fault(
        21, "hang", SAN, id=2, cost=Cost(lost=frozenset({SAN}))), 22, B, A), PASS),
    ("after a fault of the other node", lambda: moved(away().fault(
        21, "daemon-kill", A, id=2, cost=Cost(victims=frozenset({A}))), 22, B, A), FAIL),
    ("its node is fenced", lambda: away().fault(24, "hang", B, id=2, cost=LOST_B).off(25, B).mount(27, A).vip(28, A)
        .listen(29, A), PASS),
    ("out of standby", lambda: moved(moved(base().fault(5, "standby", A, healed=20, cost=Cost(unfit=frozenset({A}))),
                                           6, A, B), 22, B, A), FAIL),
    ("before it was ready", lambda: moved(Log().baseline(B).power(2, A, "off", why="fault").power(3, A, "on"), 5, B, A)
        .ready(20), PASS),
    ("where a move that was never cleared sends it", lambda: moved(moved(away(base()).fault(
        30, "move", A, id=2, cost=WEB), 31, B, A).fault(50, "power-cut", A, id=3, healed=60, cost=LOST_A).off(
        50, A, "power_off").mount(52, B).vip(52, B).listen(52, B).power(60, A, "on").agent(62, A).quorum(
        65, A, True, A, B).quorum(65, B, True, A, B), 70, B, A), FAIL),
])
def test_moved_only_for_cause(what, build, verdict):
    finding = judged(build())
    assert finding.verdict is verdict, finding.reason


@pytest.mark.parametrize(("domain", "verdict"), [
    ({"nodes": [A, B], "failback": True}, PASS),
    ({"nodes": [A, B], "failback": False}, FAIL),
    ({"nodes": [B, A], "failback": True}, FAIL),
    ({"nodes": [A, B], "ordered": False}, FAIL),
])
def test_it_goes_back_once_where_its_domain_says_so(domain, verdict):
    finding = judged(moved(away(about(domain=domain)), 22, B, A))
    assert finding.verdict is verdict, finding.reason
    if verdict is PASS:
        again = moved(moved(moved(away(about(domain=domain)), 22, B, A).fault(40, "move", B, id=3, cost=WEB), 41, A, B),
                      60, B, A)
        assert judged(again).verdict is FAIL, "nobody returned since it was moved"


@pytest.mark.parametrize(("failback", "verdict"), [(True, PASS), (False, FAIL)])
def test_who_was_back_before_the_service_was_up_elsewhere_may_have_it_back(failback, verdict):
    """Seen: a node of ours boots in 3 s, and the other one takes 10 to start everything."""
    log = about(domain={"nodes": [A, B], "failback": failback}).fault(5, "power-cut", A, healed=8, cost=LOST_A)
    log.off(5, A, "power_off").power(8, A, "on").agent(10, A).quorum(11, A, True, A, B).quorum(11, B, True, A, B)
    finding = judged(moved(log.mount(9, B).vip(10, B).listen(14, B), 40, B, A))
    assert finding.verdict is verdict, finding.reason


@pytest.mark.parametrize(("failback", "healed", "verdict"), [(True, 30, PASS), (False, 30, FAIL), (True, None, FAIL)])
def test_a_move_that_is_over_lets_it_go_back_where_its_domain_says_so(failback, healed, verdict):
    log = about(domain={"nodes": [A, B], "failback": failback})
    moved(moved(log.fault(10, "move", B, healed=healed, cost=WEB), 11, A, B), 31, B, A)
    finding = judged(log)
    assert finding.verdict is verdict, finding.reason


def test_what_had_no_cause_is_named():
    back = judged(moved(away(), 22, B, A))
    for word in (f"web was interrupted on {B} at 22.000 s and was on {A} from 27.000 s on", "had returned at 20.000 s",
                 "no failback"):
        assert word in back.reason
    assert "before any fault" in judged(mended(base(), 20, A)).reason
    assert "though hang on rs-01 had interrupted it already" in judged(flapping(3)).reason
    assert "config-change is none" in judged(moved(base().fault(10, "config-change", cost=HARMLESS), 40, A, B)).reason
    assert "not to be whole again" in judged(base().listen(20, A, False)).reason


def test_an_outage_that_the_scenario_expects_is_not_judged():
    log = base().add(0.5, "scenario", None, "expect", outage="web", why="it is meant to")
    finding = judged(mended(log, 20, A))
    assert finding.verdict is PASS and "the outage of web is expected" in finding.reason


def directors(failback: bool = False) -> Log:
    raw = load_topology("lvs-keepalived").model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"]["domain"]["failback"] = failback
    log = Log(parse_topology(raw, "a test"))
    for node in ("lb1", "lb2"):
        log.power(0, node, "on", baseline=True).quorum(0.1, node, True, node)
    return vrrp(log, 0.2, "lb1").ready(1)


def vrrp(log: Log, t: float, node: str, present: bool = True) -> Log:
    return log.add(t, "guest", node, "address", 0.02, ip="192.168.70.200", device="eth1", present=present)


@pytest.mark.parametrize(("failback", "verdict"), [(False, FAIL), (True, PASS)])
def test_a_vrrp_master_that_wakes_up_and_takes_the_address_back(failback, verdict):
    """It never released it, and so it is told by who lets go of it."""
    log = directors(failback).fault(10, "hang", "lb1", healed=20, cost=Cost(lost=frozenset({"lb1"})))
    vrrp(log.power(10, "lb1", "paused"), 11, "lb2")
    log.power(20, "lb1", "resumed").add(20, "fault", None, "fault.healed", id=1)
    finding = judged(vrrp(log, 20.1, "lb2", False))
    assert finding.verdict is verdict, finding.reason
    assert "lb1" in finding.reason or verdict is PASS


def test_a_vrrp_master_that_wakes_up_and_gives_in():
    log = directors().fault(10, "hang", "lb1", healed=20, cost=Cost(lost=frozenset({"lb1"})))
    vrrp(log.power(10, "lb1", "paused"), 11, "lb2")
    finding = judged(vrrp(log.power(20, "lb1", "resumed"), 20.1, "lb1", False))
    assert finding.verdict is PASS, finding.reason


def test_a_pause_that_nobody_answered_is_no_restart():
    finding = judged(base().fault(10, "hang", A, healed=10.5, cost=LOST_A).power(10, A, "paused").power(
        10.5, A, "resumed"))
    assert finding.verdict is PASS, finding.reason


def test_who_shares_a_services_fate_is_interrupted_with_it():
    raw = load_topology("services-3").model_dump(mode="json", exclude_unset=True)
    key = {"web": "192.168.77.200", "app": "192.168.77.201"}

    def log(**bond: Any) -> Log:
        raw["services"]["app"] |= {"after": [], "colocated_with": [], "apart_from": [], **bond}
        one = Log(parse_topology(raw, "a test"))
        for node in one.topology.cluster_nodes:
            one.power(0, node, "on", baseline=True).quorum(0.1, node, True, *one.topology.cluster_nodes)
        for service in key:
            address(one, 0.2, service, "node1")
        return one.ready(1).fault(10, "move", "node3", cost=WEB)

    def address(one: Log, t: float, service: str, node: str, present: bool = True) -> Log:
        ip = str(one.topology.services[service].vip.address)
        port = one.topology.services[service].daemon.port
        one.add(t, "guest", node, "address", 0.02, ip=ip, device="eth1", present=present)
        return one.add(t, "guest", node, "listen", 0.12, port=port, present=present)

    for bond, verdict in (({}, FAIL), ({"colocated_with": ["web"]}, PASS), ({"after": ["web"]}, PASS)):
        one = log(**bond)
        address(address(one, 12, "app", "node1", False), 14, "app", "node3")
        finding = judged(one)
        assert finding.verdict is verdict, (bond, finding.reason)


def test_a_service_that_is_active_on_all_nodes_is_never_moved():
    log = moved(away(), 22, B, A)
    log.topology = log.topology.model_copy(update={"services": {
        "web": log.topology.services["web"].model_copy(update={"active": "all"})}})
    assert judged(log).verdict is PASS


def test_interruptions_tell_from_where_to_where_and_how():
    log = moved(mended(away(), 30, B), 50, B, A).end(120)
    found = list(interruptions(build_history(log.events, log.topology), "web"))
    assert [(one.old, one.new, one.how) for one in found] == [
        (A, B, Lost.OFF), (B, B, Lost.RELEASED), (B, A, Lost.RELEASED)]
    assert [log.topology and round((one.end_ns - one.begin_ns) / 1e9, 1) for one in found] == [4.0, 2.0, 5.0]
