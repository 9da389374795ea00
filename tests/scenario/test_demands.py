"""What a step demands is counted from the moment at which it began to wait."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fenceline.observe.log import EventLog
from fenceline.scenario.demands import Demands, NotInTime
from tests.clocks import FakeClock

SECOND = 1_000_000_000


@pytest.fixture
def log():
    return EventLog(clock=FakeClock(100 * SECOND))


def demands(log, begin_s: float) -> Demands:
    return Demands(log, SimpleNamespace(progress=lambda line: None), round(begin_s * SECOND))


def test_an_event_in_time_is_had_and_one_before_is_none(log):
    log.record("test", None, "early", t_ns=98 * SECOND)
    wanted = log.record("test", None, "it", t_ns=99 * SECOND)
    assert demands(log, 98.5).event(lambda event: True, 5, "it") is wanted
    with pytest.raises(NotInTime, match="it: not within 2 s of the fault"):
        demands(log, 98.5).event(lambda event: event.kind == "early", 2, "it")


def test_one_that_came_too_late_is_said_to_have(log):
    log.record("test", None, "it", t_ns=104 * SECOND)
    with pytest.raises(NotInTime, match="it: too late, after 5.5 s; 5 s were allowed"):
        demands(log, 98.5).event(lambda event: True, 5, "it")


def test_a_fault_that_is_injected_meanwhile_moves_no_deadline(stage):
    stage.last_fault_ns = stage.clock.now_ns()

    def it(event):
        stage.last_fault_ns += 3600 * SECOND  # as a thread that injects does
        return event.kind == "it"
    stage.run.log.record("test", None, "it")
    assert 0 <= stage.expect(it, 30, "it") < 30
    assert stage.since_fault.begin_ns == stage.last_fault_ns
