"""What the host took: it leaves open what it may have decided, and excuses nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from fenceline.judge.host import host_took, starved
from fenceline.judge.verdict import judge
from fenceline.model.verdict import Verdict
from tests.judge.logs import A, B, Log, ns
from tests.judge.test_liveness import base, cut, outage

PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


def waited(log: Log, begin: float, end: float, *each: float, over: float = 1.0) -> Log:
    """One look a second from ``begin`` to ``end``: what each of the machines waited in that second."""
    at = begin + over
    while at <= end + 1e-6:
        log.add(at, "host", None, "host.waited", over=over, seconds=dict(zip((A, B, "san-01"), each, strict=False)))
        at += over
    return log


def test_of_each_second_what_the_longest_waited_and_no_more_than_it_has():
    log = waited(waited(waited(Log(), 0, 10, 0.2, 0.5, 0.1), 10, 20, 3.0, 0.0), 20, 30, 0.0, 0.0)
    log.add(15, "client", None, "observer.stall", seconds=9.0)

    def took(begin, end):
        return round(host_took(log.events, ns(begin), ns(end)), 6)
    assert took(0, 10) == 5.0  # not the sum of them: a failover waits for one at a time
    assert took(10, 20) == 10.0
    assert took(20, 30) == took(30, 40) == took(5, 5) == 0.0
    assert took(0, 40) == 15.0
    assert took(9.75, 10) == 0.25  # a look that lies across counts in part
    assert took(10.5, 11) == 0.5


#: Away from 5 s on for 7 s more than the budget of 10 s.
LATE = 22


@pytest.mark.parametrize(("name", "share", "verdict", "words"), [
    ("an idle host", None, FAIL, "budget 10 s"),
    ("a host with little to do", 0.1, FAIL, "the host took 1.8 s of them"),
    ("not so much as decides", 0.3, FAIL, "the host took 5.2 s of them"),
    ("as much as decides", 0.5, UNKNOWN, "s of them machines that had something to do waited for a CPU"),
    ("all of it", 1.0, UNKNOWN, "waited for a CPU of the host"),
])
def test_a_budget_that_the_host_ate_is_no_promise_of_the_clusters(name, share, verdict, words):
    log = outage(cut(base()), LATE)
    if share is not None:
        waited(log, 0, 40, 0.0, share)
    finding = log.finding("liveness at the end")
    assert finding.verdict is verdict and words in finding.reason


@pytest.mark.parametrize(("share", "verdict"), [(None, FAIL), (0.1, FAIL), (0.7, UNKNOWN)])
def test_a_budget_that_the_host_ate_in_several_outages_together(share, verdict):
    log = cut(base()).good(5.5, 6, A, every=.1)
    for begin in (6, 18):
        log.bad(begin, begin + 8, every=.1).good(begin + 8, begin + 12, A, every=.1)
    finding = (log if share is None else waited(log, 0, 40, 0.0, share)).end(40).finding("liveness at the end")
    assert finding.verdict is verdict, finding.reason
    assert "did not answer 2 times" in finding.reason and ("the host took" in finding.reason) == (share is not None)


def test_what_the_host_took_at_other_times_is_no_excuse():
    log = waited(waited(outage(cut(base()), LATE), 0, 5, 1.0, 1.0), 22, 40, 1.0, 1.0)
    assert log.finding("liveness at the end").verdict is FAIL


def test_a_service_that_does_not_come_back_has_failed_on_a_busy_host_too():
    log = waited(outage(cut(base()), 300), 0, 320, 0.8, 0.9, 0.7)
    finding = log.finding("liveness at the end")
    assert finding.verdict is FAIL and "the host took" in finding.reason


def test_it_makes_no_pass_and_touches_no_safety():
    """Whatever the host took: no verdict gets better than UNKNOWN by it, and a broken promise stays one."""
    def with_host(log: Log) -> Verdict:
        busy = waited(Log(log.topology), 0, 320, 1.0, 1.0, 1.0)
        return judge([*log.events, *busy.events], log.topology).verdict
    for log in (outage(cut(base()), LATE), outage(base(), LATE), outage(cut(base()), 12, until=12)):
        before = judge(log.events, log.topology).verdict
        assert before in (FAIL, UNKNOWN) and with_host(log) in (FAIL, UNKNOWN)
    two = outage(cut(base()), 12).mount(8, A).mount(8, B)
    assert judge(two.events, two.topology).verdict is FAIL and with_host(two) is FAIL


def fenced_for_nothing(log: Log) -> Log:
    return log.good(0, 12, A, every=.1).off(12, B).power(12.5, B, "on").good(12, 40, A, every=.1).end(40)


@pytest.mark.parametrize(("name", "host", "verdict"), [
    ("an idle host", lambda log: log, FAIL),
    ("a host with work for it", lambda log: waited(log, 0, 40, 0.1, 0.4), FAIL),
    ("kept for less than a token", lambda log: waited(log, 9, 10, 0.0, 0.9), FAIL),
    ("a token in sum, but not at a time", lambda log: waited(waited(log, 5, 6, 0.0, 0.9), 8, 9, 0.0, 0.9), FAIL),
    ("the storage host, which is no member", lambda log: waited(log, 0, 40, 0.0, 0.0, 0.9), FAIL),
    ("long before", lambda log: waited(waited(log, 0, 1, 0.0, 0.9), 1, 40, 0.0, 0.0), FAIL),
    ("afterwards", lambda log: waited(log, 13, 40, 0.9, 0.9), FAIL),
    ("the one that was fenced", lambda log: waited(log, 8, 11, 0.0, 0.9), UNKNOWN),
    ("the one that had it fenced", lambda log: waited(log, 8, 11, 0.9, 0.0), UNKNOWN),
])
def test_who_the_host_did_not_run_for_a_token_is_rightly_taken_for_lost(name, host, verdict):
    finding = host(fenced_for_nothing(base())).finding("healthy cluster fences nobody")
    assert finding.verdict is verdict, finding.reason
    assert ("the host had just kept" in finding.reason) == (verdict is UNKNOWN)


def test_who_waited_in_small_pieces_and_ticked_all_the_time_was_not_silent():
    log = waited(fenced_for_nothing(base()), 8, 11, 0.0, 0.9)
    assert log.finding("healthy cluster fences nobody").verdict is UNKNOWN
    log.ticks(0, 12, A, B)
    assert log.finding("healthy cluster fences nobody").verdict is FAIL
    silent = waited(fenced_for_nothing(base()), 8, 11, 0.0, 0.9).ticks(0, 10, A, B).ticks(11, 12, A, B)
    assert silent.finding("healthy cluster fences nobody").verdict is UNKNOWN


def test_who_was_silent_at_another_time_than_it_waited_was_not_kept_from_running_by_the_host():
    """A director waits for the host while it boots, and is frozen by a fault 2 s later."""
    def silent(begin_s: float, end_s: float) -> Log:
        log = waited(waited(fenced_for_nothing(base()), 3, 6, 0.0, 0.9), 6, 12, 0.0, 0.1)
        return log.ticks(0, 12, A).ticks(0, begin_s, B).ticks(end_s, 12, B)
    assert silent(3.5, 6).finding("healthy cluster fences nobody").verdict is UNKNOWN
    assert silent(7.5, 11).finding("healthy cluster fences nobody").verdict is FAIL


def test_who_is_off_or_boots_is_not_taken_for_lost_for_its_silence():
    def goes_back(log: Log) -> Log:
        log.ticks(0, 3, A).ticks(6, 40, A).ticks(0, 40, B).off(3, A, "power_off").power(3.5, A, "on").agent(5.9, A)
        log.good(3.2, 40, B, every=.1).mount(10, B, False).vip(10, B, False).listen(10, B, False)
        return waited(log.mount(10.5, A).vip(10.5, A).listen(10.6, A), 2, 12, 0.9, 0.0)
    log = base().good(0, 3, A, every=.1).fault(3, "power-off", A, healed=6, node=A)
    log.mount(3.1, B).vip(3.1, B).listen(3.2, B)
    finding = goes_back(log).end(40).finding("moved only for cause")
    assert finding.verdict is FAIL, finding.reason


@pytest.mark.parametrize("check", ["fenced only for cause", "moved only for cause"])
@pytest.mark.parametrize(("host", "verdict"), [
    (lambda log: log, FAIL), (lambda log: waited(log, 0, 40, 0.4, 0.4), FAIL),
    (lambda log: waited(log, 20, 40, 0.9, 0.9), FAIL), (lambda log: waited(log, 0, 40, 0.0, 0.9), UNKNOWN)],
    ids=["idle", "with work for it", "afterwards", "starving"])
def test_after_a_fault_too(check, host, verdict):
    """A fault that is no reason, and is over; then the other node is fenced, or the service goes to it."""
    log = base().good(0, 40, A, every=.1).fault(3, "service-kill", A, healed=3.5)
    if check.startswith("fenced"):
        log.off(18, B).power(18.5, B, "on")
    else:
        log.mount(18, A, False).vip(18, A, False).listen(18, A, False)
        log.mount(18.5, B).vip(18.5, B).listen(18.6, B)
    finding = host(log.end(40)).finding(check)
    assert finding.verdict is verdict, finding.reason


def test_starved_is_the_longest_at_a_time():
    log = waited(waited(waited(Log(), 0, 3, 0.6, 0.2), 3, 5, 0.4, 0.9), 5, 6, 0.5, 3.0)
    assert starved(log.events, ns(0), ns(10)) == pytest.approx({A: 1.8, B: 2.8})
    assert starved(log.events, ns(5.5), ns(10)) == pytest.approx({A: 0.5, B: 1.0})


def test_a_log_from_before_is_judged_as_before():
    log = outage(cut(base()), LATE)
    assert log.finding("liveness at the end").verdict is FAIL
    log.events = [dataclasses.replace(event, data=dict(event.data)) for event in log.events]
    assert log.finding("liveness at the end").verdict is FAIL
