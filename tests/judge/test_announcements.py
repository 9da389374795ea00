"""A new owner announces itself: red, green, and where it can't be told."""

from __future__ import annotations

import pytest

from fenceline.model.verdict import Verdict
from tests.judge import logs
from tests.judge.logs import VIP, A, B, Log, green

CHECK = "new owner announces itself"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def base() -> Log:
    """The address goes from rs-01 to rs-02 at 10 s, cleanly; both guests have the CPU."""
    log = Log().watched(0.05).baseline().ready(2)
    return log.ticks(0.1, 40, A, B).vip(9.5, A, False).vip(10, B)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("at once", lambda log: log.sent(10.02, B), PASS),
    ("before the kernel told the agent", lambda log: log.sent(9.95, B), PASS),
    ("seen on the cable, lost in the switch", lambda log: log.sent(10.3, B), PASS),
    ("as IPaddr2 at its slowest", lambda log: log.sent(11.3, B), PASS),
    ("never", lambda log: log, FAIL),
    ("only when somebody asks", lambda log: log.arp(10.1, B), FAIL),
    ("too late", lambda log: log.sent(14, B), FAIL),
    ("by the old owner", lambda log: log.sent(10.1, A), FAIL),
    ("long before", lambda log: log.sent(9, B), FAIL),
    ("of another address", lambda log: log.add(10.1, "wire", B, "arp.sent", ip="192.168.98.245", mac="x"), FAIL),
    ("given up before it was due", lambda log: log.vip(11, B, False), PASS),
    ("fenced before it was due", lambda log: log.off(11, B), PASS),
    ("frozen before it was due", lambda log: log.power(11, B, "paused"), PASS),
    ("fenced afterwards", lambda log: log.off(13, B), FAIL),
    ("its cable is out", lambda log: log.add(8, "fabric", B, "link.down", network="service"), PASS),
    ("another cable is out", lambda log: log.add(8, "fabric", B, "link.down", network="storage"), FAIL),
    ("the old owner's cable is out", lambda log: log.add(8, "fabric", A, "link.down", network="service"), FAIL),
    ("its cable was out before", lambda log: log.add(6, "fabric", B, "link.down", network="service")
        .add(7, "fabric", B, "link.up", network="service"), FAIL),
    ("the observer was stalled", lambda log: log.add(11.5, "client", None, "observer.stall", seconds=0.9), UNKNOWN),
    ("the observer was stalled before", lambda log: log.add(9, "client", None, "observer.stall", seconds=0.9), FAIL),
    ("a stalled BMC sees no wire anyway", lambda log: log.add(11.5, "bmc", None, "observer.stall", seconds=0.9), FAIL),
])
def test_a_takeover(what, build, verdict):
    finding = build(base()).end(40).finding(CHECK)
    assert finding.verdict is verdict, finding.reason


def test_the_reason_names_who_took_what_from_whom():
    finding = base().end(40).finding(CHECK)
    for word in (A, B, VIP, "10.000 s", "to nobody", "2 s"):
        assert word in finding.reason
    assert "0.300 s" in base().sent(10.3, B).end(40).finding(CHECK).reason


def test_where_no_cable_was_watched_nothing_is_proven_but_what_was_heard_counts():
    def log():
        return Log().baseline().ready(2).ticks(0.1, 40, A, B).vip(9.5, A, False).vip(10, B)
    assert log().end(40).finding(CHECK).verdict is UNKNOWN
    assert log().arp(10.2, B, "gratuitous").end(40).finding(CHECK).verdict is PASS
    assert log().watched(10.5).end(40).finding(CHECK).verdict is UNKNOWN


def test_a_log_that_ends_before_it_was_due_leaves_it_open():
    log = Log().watched(0.05).baseline().ready(2).ticks(0.1, 10, A, B).vip(9.5, A, False).vip(10, B).end(10.5)
    assert log.finding(CHECK).verdict is UNKNOWN


def test_a_guest_that_was_not_run_has_the_time_that_it_lost_and_no_more():
    def log():
        return (Log().watched(0.05).baseline().ready(2).ticks(0.1, 10, A, B).ticks(12, 40, A, B)
                .vip(9.5, A, False).vip(10, B))
    assert log().sent(13, B).end(40).finding(CHECK).verdict is PASS
    assert log().sent(15, B).end(40).finding(CHECK).verdict is FAIL
    assert log().end(40).finding(CHECK).verdict is FAIL


def test_what_is_no_takeover_is_not_judged():
    log = Log().watched(0.05).baseline().ready(2).ticks(0.1, 40, A, B)
    assert log.end(40).finding(CHECK).reason == "no address was taken over"
    back = Log().watched(0.05).baseline().ready(2).ticks(0.1, 40, A, B).vip(9.5, A, False).vip(10, A)
    assert back.end(40).finding(CHECK).verdict is PASS
    forming = Log().watched(0.05).baseline().ready(20).ticks(0.1, 40, A, B).vip(9.5, A, False).vip(10, B)
    assert forming.end(40).finding(CHECK).verdict is PASS


def test_each_takeover_counts():
    log = base().sent(10.1, B).vip(20, B, False).vip(20.5, A).end(40)
    finding = log.finding(CHECK)
    assert finding.verdict is FAIL and f"{A} took {VIP}" in finding.reason


def test_emulated_machines_have_longer():
    log = Log().watched(0.05).baseline().ticks(0.1, 40, A, B).vip(9.5, A, False).vip(10, B).sent(14, B)
    log.add(2, "scenario", None, "ready", service="web", slowdown=3.0)
    assert log.end(40).finding(CHECK).verdict is PASS


def test_a_green_run_is_green_for_it():
    assert green().finding(CHECK).verdict is PASS
    assert logs.farm() and Log(logs.farm()).baseline().ready(1).end(9).finding(CHECK).verdict is PASS


def test_what_the_host_took_is_no_ones_lateness_and_excuses_no_more():
    def waited(log, seconds):
        return log.add(13, "host", None, "host.waited", over=3.0, seconds={B: seconds})
    assert waited(base().sent(13.5, B), 2.5).end(40).finding(CHECK).verdict is UNKNOWN
    assert waited(base().sent(13.5, B), 0.5).end(40).finding(CHECK).verdict is FAIL
    assert waited(base(), 2.5).end(40).finding(CHECK).verdict is FAIL  # never, in 30 s
    assert waited(base().sent(10.5, B), 2.5).end(40).finding(CHECK).verdict is PASS
