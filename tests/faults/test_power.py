"""Nodes that are reset, rebooted, shut down, slow, or off together: what is seen of it, and what is not."""

from __future__ import annotations

import contextlib
import time

import pytest

from fenceline.core.errors import FaultError, MachineError
from fenceline.faults import make_fault
from fenceline.faults.background import worker_of
from fenceline.machines.protocol import Power
from tests.clocks import now_ns
from tests.faults.test_faults import NODE, inject, ticking
from tests.meanwhile import meanwhile


@contextlib.contextmanager
def booting(cluster, node=NODE, takes=0.0):
    """The agent of ``node`` starts whenever its machine has been switched on, or gone on, for ``takes`` s."""
    begun = now_ns()
    told = set()

    def go(stop):
        while not stop.wait(0.005):
            for event in cluster.log.events():
                if event.kind in ("power.on", "power.resumed") and event.node == node and event.t_ns > begun \
                        and event.t_ns not in told and cluster.machines[node].power() is Power.ON \
                        and now_ns() - event.t_ns > takes * 1e9:
                    told.add(event.t_ns)
                    cluster.log.record("guest", node, "agent.start", {})
    with meanwhile(go):
        yield


@pytest.fixture
def resettable(cluster):
    """As the drivers reset."""
    machine = cluster.machines[NODE]

    def reset(why="reset"):
        machine.power_off(why)
        machine.start()
    machine.reset = reset
    return cluster


@pytest.fixture
def polite(cluster):
    """A node that switches itself off when it is told to."""
    def answer(command):
        if "poweroff" in str(command):
            cluster.machines[NODE].power_off("crash")
        return 0
    cluster.sessions[NODE].answer = answer
    return cluster


def test_reset_is_seen_in_the_power_and_in_the_agent(resettable):
    fault, since = inject(resettable, "reset", node=NODE)
    with pytest.raises(FaultError, match="rs-01 to boot again"):
        fault.confirm(resettable, since)
    resettable.log.record("guest", NODE, "agent.start", {})
    assert "agent_started_after_s" in fault.confirm(resettable, since)


def test_a_power_cut_is_no_reset(resettable):
    since = now_ns()
    resettable.machines[NODE].power_off()
    resettable.log.record("guest", NODE, "agent.start", {})
    with pytest.raises(FaultError, match="the reset of rs-01"):
        make_fault("reset", node=NODE).confirm(resettable, since)


def test_a_clean_shutdown_ends_in_darkness(polite):
    fault, since = inject(polite, "shutdown", node=NODE)
    assert "off_after_s" in fault.confirm(polite, since)
    fault.heal(polite)
    assert polite.machines[NODE].power() is Power.ON


def test_a_node_that_does_not_shut_down(cluster):
    fault, since = inject(cluster, "shutdown", node=NODE)
    assert "poweroff" in cluster.sessions[NODE].commands[-1]
    with pytest.raises(FaultError, match="rs-01 to switch itself off"):
        fault.confirm(cluster, since)


def test_a_node_that_hangs_up_before_it_has_answered_was_asked_all_the_same(cluster):
    def answer(command):
        raise MachineError("connection lost")
    cluster.sessions[NODE].answer = answer
    make_fault("shutdown", node=NODE).inject(cluster)


def test_a_reboot_comes_back(polite):
    with booting(polite):
        active = polite.faults.inject(make_fault("reboot", node=NODE))
    assert {"off_after_s", "agent_started_after_s"} <= set(active.evidence)
    assert polite.machines[NODE].calls == ["power_off crash", "start"]


def test_a_reboot_that_does_not_come_back(polite):
    with pytest.raises(FaultError, match="rs-01 to boot again"):
        polite.faults.inject(make_fault("reboot", node=NODE))


def test_a_slow_boot_waits_before_it_begins(resettable):
    resettable.log.pace = 1.0
    with booting(resettable, takes=0.1):
        fault, since = inject(resettable, "slow-boot", node=NODE, seconds=1)
        until(lambda: resettable.machines[NODE].power() is Power.PAUSED)
        took = fault.confirm(resettable, since)["agent_started_after_s"]
        assert 0.9 < took < 5
        resettable.machines[NODE].power_off("fence")
        resettable.machines[NODE].start()  # by its BMC
        until(lambda: resettable.machines[NODE].power() is Power.PAUSED)
        fault.heal(resettable)
    assert worker_of(resettable, fault) is None and resettable.machines[NODE].power() is Power.ON


def until(condition, within=5.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_boot_that_was_not_slow(resettable):
    fault = make_fault("slow-boot", node=NODE, seconds=30)
    since = now_ns()
    resettable.machines[NODE].reset()
    resettable.log.record("guest", NODE, "agent.start", {})
    with pytest.raises(FaultError, match="rs-01 booted within"):
        fault.confirm(resettable, since)


def test_healed_before_its_time_it_boots_at_once(resettable):
    fault, _ = inject(resettable, "slow-boot", node=NODE, seconds=600)
    until(lambda: resettable.machines[NODE].power() is Power.PAUSED)
    fault.heal(resettable)
    assert resettable.machines[NODE].power() is Power.ON


def test_several_at_once_and_one_by_one(cluster):
    for interval, least in ((0, 0.0), (0.2, 0.2)):
        fault, since = inject(cluster, "power-off-several", nodes="rs-01,rs-02", interval=interval)
        seen = fault.confirm(cluster, since)
        assert seen["silent"] == ["rs-01", "rs-02"] and least <= seen["from_first_to_last_s"] < least + 0.2
        fault.heal(cluster)
        cluster.boot_deadline = 20  # a fortieth of that
        with ticking(cluster), ticking(cluster, "rs-02"):
            assert set(fault.confirm_healed(cluster)["waited_s"]) == {"rs-01", "rs-02"}


def test_one_of_several_goes_on(cluster):
    fault, since = inject(cluster, "power-off-several", nodes="rs-01")
    with pytest.raises(FaultError, match="the end of rs-02's power"):
        make_fault("power-off-several", nodes="rs-01,rs-02").confirm(cluster, since)
    with ticking(cluster, while_off=True), pytest.raises(FaultError, match="rs-01's agent still runs"):
        fault.confirm(cluster, since)


def test_one_that_is_not_there_spares_the_others(cluster):
    with pytest.raises(FaultError, match="no node 'moon'"):
        cluster.faults.inject(make_fault("power-off-several", nodes="rs-01,moon"))
    assert cluster.machines["rs-01"].calls == []


def test_one_of_several_that_does_not_come_back(cluster):
    fault, _ = inject(cluster, "power-off-several", nodes="rs-01,rs-02")
    fault.heal(cluster)
    with ticking(cluster), pytest.raises(FaultError, match="a tick of rs-02's agent"):
        fault.confirm_healed(cluster)
