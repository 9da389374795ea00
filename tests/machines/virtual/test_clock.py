"""The clock of a virtual world: threads of the harness take turns, and time goes on when all of them wait."""

from __future__ import annotations

import threading
import time

import pytest

from fenceline.core.clock import Flag
from fenceline.core.errors import MachineError
from fenceline.machines.virtual.clock import VirtualClock


@pytest.fixture
def clock():
    made = VirtualClock()
    yield made
    made.end()


def test_sleep_takes_virtual_time_and_no_other(clock):
    begun = time.monotonic()
    clock.sleep(3600)
    assert clock.now() == 3600 and time.monotonic() - begun < 1
    clock.sleep(-1)
    assert clock.now_ns() == 3600 * 10**9


def test_threads_take_turns_in_the_order_of_their_time(clock):
    seen = []

    def work(name, seconds):
        for _ in range(3):
            clock.sleep(seconds)
            seen.append((name, clock.now()))
    threads = [clock.thread(lambda name=name, seconds=seconds: work(name, seconds), name)
               for name, seconds in (("a", 2.0), ("b", 3.0))]
    for thread in threads:
        thread.join()
    assert seen == [("a", 2), ("b", 3), ("a", 4), ("b", 6), ("a", 6), ("b", 9)]
    assert not any(thread.is_alive() for thread in threads)


def test_whoever_is_notified_goes_on_at_once_and_others_at_their_end(clock):
    flag, other = Flag(clock), Flag(clock)
    found = []
    threads = [clock.thread(lambda: found.append((flag.wait(10), clock.now())), "told"),
               clock.thread(lambda: found.append((other.wait(5), clock.now())), "not told")]
    clock.sleep(1)
    flag.set()
    for thread in threads:
        thread.join()
    assert found == [(True, 1), (False, 5)]


def test_a_wait_leaves_nobody_behind_in_the_condition(clock):
    changed = threading.Condition()
    with changed:
        assert not clock.wait(changed, 1)
        assert not clock.wait(changed, 0)
    assert not changed._waiters and clock.now() == 1


def test_a_job_of_the_calendar_can_notify(clock):
    flag = Flag(clock)
    clock.calendar.at(7, flag.set)
    assert flag.wait() and clock.now_ns() == 7


def test_what_a_job_raises_is_raised_in_the_main_thread_once(clock):
    def fail():
        raise MachineError("the machine is broken")
    clock.calendar.at(5, fail)
    thread = clock.thread(lambda: clock.sleep(10), "another")
    with pytest.raises(MachineError, match="is broken"):
        clock.sleep(3)
        clock.sleep(3)
    thread.join()
    assert clock.now() == pytest.approx(10, abs=0.1)


def test_when_nothing_will_ever_happen_it_is_told(clock):
    with pytest.raises(MachineError, match="nothing is due"):
        Flag(clock).wait()


def test_a_thread_that_the_clock_does_not_know_may_not_wait(clock):
    found = []

    def work():
        try:
            clock.sleep(1)
        except MachineError as error:
            found.append(error.message)
    stranger = threading.Thread(target=work, name="stranger")
    stranger.start()
    stranger.join()
    assert "stranger waits in a world that does not know it" in found[0]


def test_the_end_ends_whoever_waits_and_time_stands_still(clock):
    thread = clock.thread(lambda: clock.sleep(100), "sleeper")
    clock.sleep(1)
    clock.end()
    threading.Thread.join(thread, 5)
    assert not threading.Thread.is_alive(thread)
    clock.sleep(5)
    assert clock.now() == 1
    clock.end()


def test_the_same_threads_have_the_same_course_each_time():
    def course():
        clock, seen = VirtualClock(), []
        flag = Flag(clock)

        def work(number):
            for turn in range(20):
                clock.sleep(0.001 * (number * 7 % 5 + 1))
                seen.append((number, clock.now_ns()))
                if number == 3 and turn == 10:
                    flag.set()
            flag.wait()
            seen.append((number, "flag"))
        threads = [clock.thread(lambda number=number: work(number), str(number)) for number in range(8)]
        for thread in threads:
            thread.join()
        clock.end()
        return seen
    assert course() == course()
