"""The observers' thread."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from fenceline.core.errors import HostError
from fenceline.observe.loop import ObserverLoop


def test_a_file_that_is_ready_is_told(loop):
    left, right = socket.socketpair()
    got = threading.Event()
    loop.add(right, lambda: (right.recv(10), got.set()))
    left.send(b"x")
    assert got.wait(2)
    loop.remove(right)
    got.clear()
    left.send(b"x")
    assert not got.wait(0.2)
    left.close()
    right.close()


def test_the_number_of_a_closed_file_may_come_again(loop, log):
    hits = []
    for _ in range(3):
        read, write = os.pipe()
        got = threading.Event()
        loop.add(read, lambda read=read, got=got: (hits.append(os.read(read, 1)), got.set()))
        os.write(write, b"x")
        assert got.wait(2)
        os.close(read)  # without remove
        os.close(write)
    assert len(hits) == 3
    assert log.events() == []


def test_a_callback_that_fails_is_told_once_and_the_loop_goes_on(loop, log):
    done = threading.Event()
    turns = []

    def fail():
        turns.append(1)
        if len(turns) == 5:
            done.set()
        raise ValueError("bad")
    loop.every(0.01, fail)
    assert done.wait(2)
    broken = [event for event in log.events() if event.kind == "broken"]
    assert len(broken) == 1
    assert "ValueError('bad')" in broken[0].data["reason"]
    assert broken[0].source == "scenario"


def test_timers_keep_their_pace_and_can_be_cancelled(loop):
    times = []
    timer = loop.every(0.02, lambda: times.append(time.monotonic()))
    time.sleep(0.5)
    timer.cancel()
    count = len(times)
    assert 20 <= count <= 26
    time.sleep(0.1)
    assert len(times) <= count + 1
    once = []
    loop.later(0.05, lambda: once.append(1))
    time.sleep(0.3)
    assert once == [1]


def test_its_own_stall_is_told(loop, log):
    loop.call_soon(lambda: time.sleep(0.8))
    event, _ = log.wait_for(lambda e: e.kind == "observer.stall", 3, "the stall")
    assert event.source == "client"
    assert 0.5 < event.data["seconds"] < 1.0


def test_no_stall_is_told_of_a_healthy_loop(loop, log):
    loop.call_soon(lambda: time.sleep(0.2))
    time.sleep(0.7)
    assert log.events() == []


def test_stop_may_be_repeated_and_calls_what_wants_to_close(log):
    loop = ObserverLoop(log)
    closed = []
    loop.at_stop.append(lambda: closed.append(1))
    loop.stop()
    loop.stop()
    assert closed == [1]
    loop.call_soon(lambda: None)
    loop.remove(0)


def test_a_fabric_that_cannot_be_entered(log):
    class Closed:
        def entered(self):
            raise HostError("can't enter the fabric's namespace")
    with pytest.raises(HostError, match="can't enter"):
        ObserverLoop(log, Closed())
