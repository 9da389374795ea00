"""Clients behind a router: their outage beside that of the others, and against the same budget."""

from __future__ import annotations

import pytest

from fenceline.judge import build_history
from fenceline.judge.outages import routed_outages
from fenceline.judge.settling import open_matters
from fenceline.judge.verdict import judge
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, green, ns, topology

CHECK = "clients behind a router"
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def moved(budget: float = 10.0) -> Log:
    """rs-01 loses its power at 10 s, rs-02 answers from 14 s on; the first client's outage is 4 s."""
    log = Log(topology(budget=budget)).watched(0.05).baseline().ready(2).off(10, A, "power_off")
    return log.good(0.1, 10, A).bad(10, 14).good(14, 60, B).routed(0.1, 10, A)


@pytest.mark.parametrize(("what", "build", "verdict"), [
    ("served again with the others", lambda log: log.routed(10, 14, None).routed(14.2, 60, B), PASS),
    ("a second later", lambda log: log.routed(10, 15, None).routed(15.2, 60, B), PASS),
    ("within the budget", lambda log: log.routed(10, 19, None).routed(19.2, 60, B), PASS),
    ("minutes later", lambda log: log.routed(10, 59, None), FAIL),
    ("after its time", lambda log: log.routed(10, 22, None).routed(22, 60, B), FAIL),
    ("so that the error decides", lambda log: log.routed(10, 20, None).routed(20.01, 60, B), UNKNOWN),
    ("never away", lambda log: log.routed(10, 60, A), PASS),
    ("nobody asked", lambda log: log, FAIL),
])
def test_after_a_takeover(what, build, verdict):
    log = build(moved())
    if what == "nobody asked":
        log = Log(topology()).watched(0.05).baseline().ready(2).off(10, A, "power_off").good(0.1, 60, A)
        verdict = UNKNOWN
    finding = log.end(60).finding(CHECK)
    assert finding.verdict is verdict, finding.reason


def test_a_log_of_before_there_was_such_a_client_is_not_judged():
    assert green().finding(CHECK).verdict is PASS
    assert "nobody asked" in green().finding(CHECK).reason


def test_where_the_others_were_away_for_longer_it_has_a_moment_more_and_no_longer():
    def log():
        return (Log(topology(budget=5)).watched(0.05).baseline().ready(2).good(0.1, 10, A).bad(10, 40)
                .good(40, 60, B).routed(0.1, 10, A))
    assert log().routed(10, 40.5, None).routed(41, 60, B).end(60).finding(CHECK).verdict is PASS
    assert log().routed(10, 46, None).routed(46, 60, B).end(60).finding(CHECK).verdict is FAIL


def test_where_nobody_is_served_the_others_outage_decides():
    log = Log(topology(budget=5)).watched(0.05).baseline().ready(2).good(0.1, 10, A).bad(10, 60).routed(0.1, 10, A)
    finding = log.routed(10, 60, None).end(60).finding(CHECK)
    assert finding.verdict is PASS
    assert log.finding("liveness at the end").verdict is FAIL


def test_a_log_that_ends_before_the_budget_leaves_it_open():
    log = Log(topology(budget=30)).watched(0.05).baseline().ready(2).good(0.1, 60, A).routed(0.1, 50, A)
    finding = log.routed(50, 59, None).end(60).finding(CHECK)
    assert finding.verdict is UNKNOWN, finding.reason


def test_an_outage_that_is_expected_is_no_finding():
    log = moved().routed(10, 59, None)
    log.add(0.3, "scenario", None, "expect", outage="web", why="so be it")
    assert log.end(60).finding(CHECK).verdict is PASS


def test_dropped_announcements_excuse_nothing():
    log = moved().fault(5, "garp-drop", service="web").routed(10, 59, None)
    assert log.end(60).finding(CHECK).verdict is FAIL


def test_its_figures_stand_beside_the_others_and_change_none_of_them():
    without, with_it = moved().end(60), moved().routed(10, 15, None).routed(15.2, 60, B).end(60)
    one, other = (judge(log.events, log.topology) for log in (without, with_it))
    assert one.outages == other.outages
    for name in ("requests", "requests_failed", "outages", "longest_outage_s"):
        assert one.figures[name] == other.figures[name]
    figure, = other.figures["routed_outages"]
    assert figure["service"] == "web" and figure["is_over"] and 5 < figure["seconds"] < 5.7
    outage, = routed_outages(build_history(with_it.events, with_it.topology))
    assert outage.owner_before == A and outage.owner_after == B
    assert 0.25 <= outage.plus_minus < 0.8


def test_what_the_host_took_leaves_it_open_and_excuses_no_more():
    def waited(log, seconds):
        return log.add(20, "host", None, "host.waited", over=9.0, seconds={B: seconds})
    late = moved().routed(10, 25, None).routed(25, 60, B)
    assert waited(late, 8.0).end(60).finding(CHECK).verdict is UNKNOWN
    late = moved().routed(10, 25, None).routed(25, 60, B)
    assert waited(late, 1.0).end(60).finding(CHECK).verdict is FAIL
    assert waited(moved().routed(10, 59, None), 8.0).end(60).finding(CHECK).verdict is FAIL


def test_an_open_outage_is_waited_for_until_it_is_due_and_no_longer():
    def waits(log, now=31):
        history = build_history(log.events, log.topology)
        return [(matter.what, round((matter.due_ns - history.start_ns) / 1e9))
                for matter in open_matters(history, ns(now)) if "router" in matter.what]
    assert waits(moved(30).routed(10, 30, None)) == [("web, which does not answer clients behind a router", 40)]
    assert waits(moved(30).routed(10, 15, None).routed(15.2, 60, B)) == []
    assert waits(moved(30).routed(10, 60, None), 41) == []
    expected = moved(30).routed(10, 30, None).add(0.3, "scenario", None, "expect", outage="web", why="so be it")
    assert waits(expected) == []
