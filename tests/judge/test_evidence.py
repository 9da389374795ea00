"""Whether the log can carry a verdict."""

from __future__ import annotations

import pytest

from fenceline.model.verdict import Verdict
from tests.judge.logs import SAN, A, B, Log

PASS, UNKNOWN, INVALID, BROKEN = Verdict.PASS, Verdict.UNKNOWN, Verdict.INVALID, Verdict.BROKEN


def base(ready: bool = True, load: bool = True, ticks: bool = True) -> Log:
    log = Log().baseline()
    if ready:
        log.ready(0.5)
    if load:
        log.good(0.1, 30, A)
    if ticks:
        log.ticks(0, 30, A, B)
    return log


@pytest.mark.parametrize(("what", "log", "verdict", "word"), [
    ("usable", base(), PASS, "answers"),
    ("never ready", base(ready=False), INVALID, "never ready"),
    ("broken", base().add(5, "scenario", None, "broken", reason="the disk is full"), BROKEN, "the disk is full"),
    ("broken beats invalid", base(ready=False).add(5, "scenario", None, "broken", reason="x"), BROKEN, "x"),
    ("confirmed", base().fault(5, "hang", A), PASS, ""),
    ("unconfirmed", base().fault(5, "hang", A, confirmed=False), INVALID, "hang on rs-01, begun at 5.000 s, was never"
                                                                          " confirmed: packets still pass"),
    ("begun and nothing more", base().add(5, "fault", None, "fault.begin", id=7, fault="panic", targets=[B],
                                          params={}), INVALID, "panic on rs-02"),
    ("one of two", base().fault(5, "hang", A).fault(6, "panic", B, id=2, confirmed=False), INVALID, "panic"),
    ("no load", base(load=False), INVALID, "no client asked web"),
    ("load for another service only", base(load=False).add(5, "client", None, "reply", service="db", ok=True,
                                                           sent_ns=0), INVALID, "no client asked web"),
    ("load only after the fault", base(load=False).fault(5, "hang", A).good(6, 30, A), INVALID, "before the first"),
    ("stalled", base(load=False).good(0.1, 10, A).good(11.5, 30, A), BROKEN, "stalled for 1.5 s from 9.984 s"),
    ("a short pause", base(load=False).good(0.1, 10, A).good(10.9, 30, A), PASS, ""),
    ("stalled while requests waited", base(load=False).good(0.1, 10, A).bad(10, 12, took=2).good(13.5, 30, A), BROKEN,
     "stalled for 1.5 s from 11.980 s"),
    ("a client that waits for each answer", base(load=False).good(0.1, 10, A).bad(10, 20, took=2, every=2.02)
        .good(20.2, 30, A), PASS, ""),
    ("its own word for it", base().add(9, "client", None, "observer.stall", seconds=2.5), BROKEN, "2.5 s"),
    ("a short stall", base().add(9, "client", None, "observer.stall", seconds=0.7), PASS, ""),
    ("stalled before it was ready", Log().baseline().ready(5).good(0.1, 1, A).good(4, 30, A).ticks(0, 30, A, B), PASS,
     ""),
    ("asked no more", base(load=False).good(0.1, 15, A), BROKEN, "for the last time"),
    ("an agent was never heard", Log().add(0, "scenario", None, "ready").good(0, 30, A).ticks(0, 30, A), INVALID,
     "rs-02"),
    ("an agent fell silent", base(ticks=False).ticks(0, 30, A).ticks(0, 15, B), UNKNOWN, "rs-02 was silent"),
    ("silent, as it is off", base(ticks=False).ticks(0, 30, A).ticks(0, 15, B).off(15, B), PASS, ""),
    ("silent, as it is paused", base(ticks=False).ticks(0, 30, A).ticks(0, 15, B).power(15, B, "paused"), PASS, ""),
    ("silent, as it boots", base(ticks=False).ticks(0, 30, A).ticks(0, 15, B).off(15, B).power(16, B, "on"), PASS, ""),
    ("an agent that speaks from the grave", base().off(10, B), BROKEN, "its agent spoke at 11.250 s"),
    ("the rest of a dead agent's pipe", base(ticks=False).ticks(0, 30, A).ticks(0, 10.5, B).off(10, B), PASS, ""),
    ("a machine that died by itself", base(ticks=False).ticks(0, 30, A).ticks(0, 10, B).off(10, B, "crash"), BROKEN,
     "stopped by itself"),
    ("a machine that was told to reboot, from inside", base(ticks=False).ticks(0, 30, A).ticks(0, 10, B)
        .off(10, B, "reboot"), PASS, ""),  # see "healthy cluster fences nobody"
    ("a machine that rebooted while it was to come up", base(ready=False).ready(12).off(0.1, SAN, "reboot")
        .power(0.2, SAN, "on"), BROKEN, "stopped by itself"),
    ("a machine that died after a fault", base(ticks=False).ticks(0, 30, A).ticks(0, 10, B).off(10, B, "crash")
        .fault(9, "panic", B), PASS, ""),
    ("what it expects does not exist", base().expect_break("two mounts"), INVALID, "'two mounts'"),
    ("an outage of what does not exist", base().add(1, "scenario", None, "expect", outage="db"), INVALID, "'db'"),
])
def test_evidence(what, log, verdict, word):
    finding = log.end(30).finding("evidence")
    assert finding.verdict is verdict, finding.reason
    assert word in finding.reason


@pytest.mark.parametrize(("end", "verdict"), [(11.12, PASS), (12.3, BROKEN)])
def test_questions_that_wait_for_their_answer_when_the_log_ends_were_asked(end, verdict):
    log = Log().baseline().ready(0.05).ticks(0, 11, A, B).good(0.1, 10, A).good(11.05, 11.1, A)
    assert log.end(end).finding("evidence").verdict is verdict


def test_what_the_tear_down_does_is_not_held_against_the_run():
    log = base().end(30).off(31, A, "crash").good(45, 46, A)
    assert log.finding("evidence").verdict is PASS
