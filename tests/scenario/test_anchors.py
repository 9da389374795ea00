"""Actions that wait for a moment."""

from __future__ import annotations

import threading
import time

import pytest

from fenceline.core.errors import ClusterError, FaultError
from fenceline.model.event import Event
from fenceline.observe.log import EventLog
from fenceline.scenario.anchors import MOMENTS, Anchored, moment
from tests.clocks import now_ns


@pytest.fixture
def log():
    return EventLog()


def anchored(log, action=lambda: None, delay=0.0, words="fencing starts"):
    return Anchored(log, moment(words, lambda role: role.removeprefix("node ")), delay, action, "then this")


def fence(log, action="off", node="rs-01", t_ns=None):
    log.record("bmc", node, "bmc.request", {"action": action, "from": "x"}, t_ns=t_ns)


def kinds(log):
    return [event.kind for event in log.events()]


def test_done_once_and_so_long_after_the_event(log):
    done = []
    waiting = anchored(log, lambda: done.append(now_ns()), delay=0.2)
    fence(log)
    fence(log)
    waiting.wait(2)
    event = log.events()[0]
    assert len(done) == 1 and 0.2 <= (done[0] - event.t_ns) / 1e9 < 0.4
    waiting.end()
    assert "fault.begin" not in kinds(log) and log.listeners == []
    told = next(event for event in log.events() if event.kind == "anchor")
    assert told.data["wanted_s"] == 0.2 and told.data["after_s"] >= 0.2


def test_an_event_told_late_is_made_up_for(log):
    done = threading.Event()
    anchored(log, done.set, delay=0.5)
    time.sleep(0.5)
    begun = time.monotonic()
    fence(log, t_ns=now_ns() - 450_000_000)
    assert done.wait(2) and time.monotonic() - begun < 0.3


@pytest.mark.parametrize("other", [lambda log: fence(log, "status"), lambda log: fence(log, t_ns=1),
                                   lambda log: log.record("bmc", "rs-01", "bmc.done", {"action": "off"})])
def test_another_event_is_not_the_moment(log, other):
    waiting = anchored(log)
    other(log)
    with pytest.raises(FaultError, match="moment did not come"):
        waiting.wait(0.1)


def test_the_moment_that_never_came_makes_the_run_invalid(log):
    waiting = anchored(log)
    waiting.end()
    assert kinds(log) == ["fault.begin", "fault.unconfirmed"]
    fence(log)  # too late
    assert "anchor" not in kinds(log)


@pytest.mark.parametrize("error", [ClusterError("no such thing"), ZeroDivisionError("no such thing")])
def test_an_action_that_failed_makes_the_run_invalid(log, error):
    def action():
        raise error
    waiting = anchored(log, action)
    fence(log)
    with pytest.raises(FaultError, match="no such thing"):
        waiting.wait(2)
    waiting.end()
    assert kinds(log)[-1] == "fault.unconfirmed"


def test_every_moment_is_some_event_and_of_one_node():
    events = {
        "fencing starts": Event(1, "bmc", "rs-01", "bmc.request", {"action": "off"}),
        "NODE is about to be fenced": Event(1, "bmc", "rs-01", "bmc.request", {"action": "cycle"}),
        "NODE has been fenced": Event(1, "machine", "rs-01", "power.off", {"why": "fence"}),
        "NODE starts to mount": Event(1, "storage", "rs-01", "write", {"lun": "www", "count": 1}),
        "NODE has mounted": Event(1, "agent", "rs-01", "mount", {"mounted": True}),
        "NODE has the VIP": Event(1, "agent", "rs-01", "address", {"present": True}),
        "NODE loses quorum": Event(1, "agent", "rs-01", "quorum", {"quorate": False}),
        "NODE boots": Event(1, "agent", "rs-01", "agent.start", {}),
        "NODE is promoted": Event(1, "agent", "rs-01", "drbd.role", {"resource": "r0", "role": "Primary"}),
        "the replica is N blocks behind": Event(1, "agent", "rs-01", "drbd.oos", {"resource": "r0", "kib": 40}),
    }
    assert set(events) == set(MOMENTS)
    for words, event in events.items():
        assert moment(words.replace("NODE", "rs-01").replace(" N ", " 10 "), str)(event)
        if "NODE" in words:
            assert not moment(words.replace("NODE", "rs-02"), str)(event)


def test_a_replica_that_is_not_so_far_behind():
    event = Event(1, "agent", "rs-01", "drbd.oos", {"resource": "r0", "kib": 40})
    assert not moment("the replica is 11 blocks behind", str)(event)


def test_no_such_moment():
    with pytest.raises(FaultError, match="no moment"):
        moment("the moon is full", str)
