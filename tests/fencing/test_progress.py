"""Nobody else switches a node on while its fencing device is at work on it."""

from __future__ import annotations

import pytest

from fenceline.fencing.progress import is_being_fenced
from fenceline.machines.protocol import Power
from fenceline.model.event import Event
from tests.clocks import now_ns
from tests.meanwhile import meanwhile

SECOND = 10**9
NODE = "rs-01"


def at(seconds, kind, node=NODE, **data):
    source = "bmc" if kind.startswith("bmc") else "machine"
    return Event(round(seconds * SECOND), source, node, kind, data)


CUT = (at(1, "bmc.request", action="off"), at(1.1, "power.off", why="fence"),
       at(1.2, "bmc.done", action="off", ok=True))
HAD_ITS_TURN = (*CUT, at(2, "bmc.request", action="on"), at(2.1, "bmc.done", action="on", ok=True))


@pytest.mark.parametrize(("events", "seconds", "is_at_work"), [
    (CUT, 1.3, True),
    (CUT, 6.0, True),
    (CUT, 6.3, False),                                                       # nobody asks for more: it stays off
    (CUT[:2], 30, True),                                                     # a slow one, which has not answered yet
    ((*CUT, at(2, "bmc.request", action="status")), 30, True),
    (HAD_ITS_TURN, 2.2, False),
    ((*CUT, at(2, "power.on")), 2.2, False),
    ((at(1, "power.off", why="power_off"), at(1.1, "bmc.request", action="status")), 1.2, False),
    ((), 1.0, False)])
def test_at_work_until_it_had_its_turn_or_is_asked_nothing_more(events, seconds, is_at_work):
    assert is_being_fenced(events, NODE, round(seconds * SECOND)) is is_at_work
    others = tuple(Event(event.t_ns, event.source, "rs-02", event.kind, event.data) for event in events)
    assert not is_being_fenced(others, NODE, round(seconds * SECOND))


def test_a_hand_waits_for_the_device(cluster):
    log, machine = cluster.log, cluster.machines[NODE]
    machine.power_off()
    log.record("bmc", NODE, "bmc.request", {"action": "off"})
    log.record("machine", NODE, "power.off", {"why": "fence"})
    begun = now_ns()

    def device(stop):
        log.record("bmc", NODE, "bmc.done", {"action": "off", "ok": True})
        stop.wait(0.3)
        machine.start()
        log.record("bmc", NODE, "bmc.done", {"action": "on", "ok": True})
    with meanwhile(device):
        cluster.power_on(NODE)
        assert machine.power() is Power.ON
    assert [event.kind for event in log.events() if event.t_ns >= begun and event.kind == "power.on"] == ["power.on"]
