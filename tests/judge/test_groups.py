"""A group's order and its togetherness: each rule red and green."""

from __future__ import annotations

import pytest

from fenceline.model.load import load_topology, parse_topology
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, green, topology

ORDER, TOGETHER = "start order", "group together"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def base() -> Log:
    return Log().baseline().ready(1)


def fenced() -> Log:
    return base().off(10, A)


def judged(log: Log, check: str):
    return log.end(60).finding(check)


def about(**service) -> Log:
    """As ``base``, with the service ``web`` changed."""
    raw = topology().model_dump(mode="json", exclude_unset=True)
    raw["services"]["web"] |= service
    return Log(parse_topology(raw, "a test")).baseline().ready(1)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing moved", lambda: base(), PASS),
    ("in order", lambda: fenced().mount(12, B).vip(13, B).listen(14, B), PASS),
    ("the address first", lambda: fenced().vip(12, B).mount(13, B).listen(14, B), FAIL),
    ("the daemon first", lambda: fenced().listen(12, B).mount(13, B).vip(14, B), FAIL),
    ("the address alone, and no more", lambda: fenced().vip(12, B), PASS),
    ("the address, given up before the mount", lambda: fenced().vip(12, B).vip(12.5, B, False).mount(13, B), PASS),
    ("too close to tell", lambda: fenced().vip(12, B).mount(12.01, B), PASS),
    ("the agent was starved", lambda: fenced().vip(12, B).mount(13, B, late=2), UNKNOWN),
    ("starved, and yet certain", lambda: fenced().vip(12, B).mount(15, B, late=2), FAIL),
    ("a port that is told late", lambda: fenced().mount(12, B).vip(12.05, B).listen(12.1, B, late=.6), PASS),
    ("the disk mended in place", lambda: base().mount(20, A, False).mount(21, A), PASS),
    ("the address mended in place", lambda: base().vip(20, A, False).vip(21, A), PASS),
    ("on the other node only", lambda: base().vip(20, B).listen(21, B), PASS),
    ("the whole failover of the heartbeat cut", green, PASS),
])
def test_start_order(what, build, verdict):
    finding = judged(build(), ORDER)
    assert finding.verdict is verdict, finding.reason


def test_a_wrong_order_is_named():
    finding = judged(fenced().vip(12, B).mount(13.5, B).listen(14, B), ORDER)
    for word in (B, "took 192.168.98.244 at 12.000 s", "mounted /srv/www only at 13.500 s", "web"):
        assert word in finding.reason
    assert [(event["kind"], event["t_ns"]) for event in finding.evidence][:1] == [("address", 5_012_000_000_000)]


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("nothing moved", lambda: base(), PASS),
    ("a clean relocate", lambda: base().listen(10, A, False).vip(11, A, False).mount(12, A, False).mount(13, B)
        .vip(14, B).listen(15, B), PASS),
    ("the daemon moves alone", lambda: base().listen(10, A, False).listen(12, B), FAIL),
    ("the daemon moves alone, for a moment", lambda: base().listen(10, A, False).listen(12, B).listen(12.5, B, False)
        .listen(14, A), PASS),
    ("the address moves alone", lambda: base().vip(10, A, False).vip(12, B), FAIL),
    ("the address is on both", lambda: base().vip(12, B), PASS),
    ("the old node was cut off", lambda: base().listen(10, A, False).off(11, A).listen(12, B), PASS),
    ("a split: both have all", lambda: base().mount(10, B).vip(11, B).listen(12, B), PASS),
    ("the whole failover of the heartbeat cut", green, PASS),
])
def test_group_together(what, build, verdict):
    finding = judged(build(), TOGETHER)
    assert finding.verdict is verdict, finding.reason


def test_a_group_apart_is_named():
    finding = judged(base().listen(10, A, False).listen(12, B), TOGETHER)
    for word in ("web was torn apart from 12.000 s to 60.000 s", A, B, "opened port 80"):
        assert word in finding.reason


def test_keepalived_has_no_groups():
    log = Log(load_topology("haproxy-keepalived")).listen(1, "lb1").listen(1, "lb2")
    log = log.add(2, "guest", "lb1", "address", 0.02, ip="192.168.71.200", device="eth1", present=True).end(9)
    for check in (ORDER, TOGETHER):
        finding = log.finding(check)
        assert finding.verdict is PASS
        assert "not judged" in finding.reason


def test_a_port_of_two_services_tells_of_neither():
    raw = topology().model_dump(mode="json", exclude_unset=True)
    raw["services"]["other"] = {"group": [{"kind": "vip", "address": "192.168.98.245"},
                                          {"kind": "daemon", "name": "nginx", "port": 80, "document_root": "/srv"}],
                                "apart_from": ["web"]}
    log = Log(parse_topology(raw, "a test")).baseline().ready(1).listen(5, B)
    fine = judged(log.off(10, A).mount(12, B).vip(13, B), ORDER)
    assert fine.verdict is PASS, fine.reason


def test_a_service_that_is_active_on_all_nodes_has_only_an_order():
    def log() -> Log:
        one = fenced().mount(12, B).vip(13, B).listen(14, B).listen(30, A, False).listen(31, B)
        one.topology = one.topology.model_copy(update={"services": {
            "web": one.topology.services["web"].model_copy(update={"active": "all"})}})
        return one

    assert "not judged" in judged(log(), TOGETHER).reason
    assert judged(log(), ORDER).verdict is PASS and "not judged" not in judged(log(), ORDER).reason
