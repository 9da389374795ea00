"""The clock that is handed in: what waits, waits by it, and by no other."""

from __future__ import annotations

import threading

import pytest

from fenceline.core.clock import HOST_CLOCK, Flag
from fenceline.core.errors import FaultError, Timeout
from fenceline.core.wait import Deadline, until
from fenceline.observe.log import EventLog
from tests.clocks import FakeClock


def test_the_hosts_clock_goes_on_by_itself():
    before = HOST_CLOCK.now_ns()
    HOST_CLOCK.sleep(0.01)
    assert 0.01 <= (HOST_CLOCK.now_ns() - before) / 1e9 < 1
    HOST_CLOCK.sleep(-1)  # past already: at once


def test_a_flag_is_waited_for_as_long_as_the_clock_says():
    clock = FakeClock()
    flag = Flag(clock)
    assert not flag.wait(3600) and clock.now() == pytest.approx(3600)
    flag.set()
    assert flag.wait(3600) and flag.is_set() and clock.now() == pytest.approx(3600)


def test_a_flag_wakes_who_waits_for_it():
    flag = Flag(HOST_CLOCK)
    woken = threading.Event()
    HOST_CLOCK.thread(lambda: flag.wait() and woken.set(), "waits")
    assert not woken.wait(0.05)
    flag.set()
    assert woken.wait(5)


def test_a_deadline_is_by_its_own_clock():
    clock = FakeClock()
    deadline = Deadline(clock, 2)
    clock.sleep(1.5)
    assert (deadline.took, deadline.left, deadline.is_over) == (1.5, 0.5, False)
    clock.sleep(1)
    assert (deadline.left, deadline.is_over) == (0.0, True)


def test_what_is_so_already_takes_no_time():
    clock = FakeClock()
    assert until(clock, lambda: True, 0, "it") == 0 == clock.now()


def test_what_comes_to_be_so_takes_the_time_that_it_took():
    clock = FakeClock()
    assert until(clock, lambda: clock.now() >= 0.95, 5, "it") == pytest.approx(1.0)


def test_what_does_not_is_asked_until_the_end_and_told():
    clock, asked = FakeClock(), []
    with pytest.raises(Timeout, match=r"waited 2 s for the cup to be full") as caught:
        until(clock, lambda: asked.append(clock.now()), 2, "the cup to be full", again=0.5)
    assert asked == [0, 0.5, 1.0, 1.5, 2.0, 2.5] and caught.value.waited == pytest.approx(2.5)
    with pytest.raises(FaultError, match="waited 1 s for the cup"):
        until(clock, lambda: False, 1, "the cup", lambda text, waited: FaultError(text))


def test_a_log_stamps_and_waits_by_its_own_clock():
    clock = FakeClock(7_000_000_000)
    log = EventLog(clock=clock)
    assert log.record("scenario", None, "x").t_ns == 7_000_000_000
    with pytest.raises(Timeout) as caught:
        log.wait_for(lambda event: event.kind == "y", 3600, "y")
    assert caught.value.waited == pytest.approx(3600) and clock.now() == pytest.approx(3607)
