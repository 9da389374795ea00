"""What people do by hand to a cluster of ``fenceline up`` is a fault in its log; in a scenario it is a finding."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fenceline.judge.verdict import judge
from fenceline.lab.byhand import ByHand
from fenceline.model.event import Event
from fenceline.model.verdict import Verdict
from fenceline.observe.log import EventLog
from tests.judge import logs
from tests.judge.logs import A, B


def rebooted(why: str = "reboot") -> list[Event]:
    """web runs on rs-01, which reboots at 7.1 s; rs-02 takes over and rs-01 comes back: nobody did anything to it."""
    told = logs.green()
    return [replace(event, data={"why": why}) if event.kind == "power.off" else event for event in sorted(
        told.events, key=lambda event: event.t_ns)
        if not event.kind.startswith(("fault.", "bmc.", "link."))
        and not (event.kind == "quorum" and logs.ns(6) < event.t_ns < logs.ns(7))]


def played(events: list[Event], active: tuple = ()) -> list[Event]:
    log = EventLog()
    ByHand(SimpleNamespace(topology=logs.topology(), faults=SimpleNamespace(active=active)), log)
    for event in events:
        log.emit(event)
    return log.events()


def faults(events: list[Event]) -> list[tuple]:
    return [(event.kind, event.data["id"]) for event in events if event.kind.startswith("fault.")]


def finding(judgement, name: str):
    return next(one for one in judgement.findings if one.check == name)


def test_nobody_asked_in_a_scenario():
    judgement = judge(rebooted(), logs.topology())
    assert judgement.verdict is Verdict.FAIL
    assert "rs-01 rebooted at 7.100 s, told to from inside" in finding(
        judgement, "healthy cluster fences nobody").reason
    assert finding(judgement, "evidence").verdict is Verdict.PASS  # the node was seen to go, and to come back


def test_nobody_had_asked_for_a_shutdown_either():
    judgement = judge(rebooted("poweroff"), logs.topology())
    assert judgement.verdict is Verdict.FAIL and "rs-01 shut down at 7.100 s" in judgement.reason


@pytest.mark.parametrize("why", ["reboot", "poweroff"])
def test_what_is_done_by_hand_is_a_fault_that_the_cluster_has_to_survive(why):
    events = played(rebooted(why))
    assert faults(events) == [(kind, "by hand 1") for kind in (
        "fault.begin", "fault.injected", "fault.confirmed", "fault.healed")]
    judgement = judge(events, logs.topology())
    assert finding(judgement, "healthy cluster fences nobody").verdict is Verdict.PASS
    assert finding(judgement, "evidence").verdict is Verdict.PASS
    assert finding(judgement, "liveness at the end").verdict is Verdict.PASS


def test_it_excuses_no_outage():
    late = [replace(event, t_ns=event.t_ns + 60 * 10**9, data=event.data | (
        {"sent_ns": event.data["sent_ns"] + 60 * 10**9} if "sent_ns" in event.data else {}))
        if event.t_ns > logs.ns(8.5) else event for event in rebooted()]
    gap = [event for event in logs.Log().bad(10.2, 68.5).events]
    judgement = judge(played(sorted([*late, *gap], key=lambda event: event.t_ns)), logs.topology())
    assert finding(judgement, "liveness at the end").verdict is Verdict.FAIL


def test_what_follows_from_an_injected_fault_is_that_faults():
    assert faults(played(rebooted(), active=("network-cut",))) == []


def test_again_and_again():
    log = logs.Log().baseline().off(5, A, "reboot").power(5.1, A, "on").off(6, A, "reboot").power(6.1, A, "on")
    log.agent(8, A).off(9, B, "reboot").power(9.1, B, "on").agent(11, B).off(20, A, "fence").agent(25, A)
    assert faults(played(log.events)) == [(kind, f"by hand {number}") for number in (1, 2) for kind in (
        "fault.begin", "fault.injected", "fault.confirmed", "fault.healed")]
