"""Machines that stand still for a while: what is seen of it, and what is not."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import lasts, make_fault
from fenceline.faults.background import worker_of
from fenceline.machines.protocol import Power
from fenceline.model.cost import Cost
from tests.clocks import now_ns
from tests.faults.test_faults import NODE, inject, ticking
from tests.meanwhile import meanwhile


def wait_for(cluster, kind, since):
    cluster.log.pace = 1.0
    return cluster.log.wait_for(lambda event: event.kind == kind and event.node == NODE, 5, kind, since)[0]


@pytest.mark.parametrize("seconds", [0.5, 1.6])
def test_it_stands_still_and_goes_on_by_itself(cluster, seconds):
    cluster.log.pace = cluster.pace = 1.0
    with ticking(cluster):
        active = cluster.faults.inject(make_fault("stun", node=NODE, seconds=seconds))
        resumed = wait_for(cluster, "power.resumed", active.begun_ns)
        assert (resumed.t_ns - active.begun_ns) / 1e9 == pytest.approx(seconds, abs=0.3)
        assert "silent for" in active.evidence["agent"]
        cluster.faults.heal(active)
    assert cluster.machines[NODE].calls == ["pause", "resume"]
    assert lasts(active.fault) == seconds


@pytest.mark.parametrize(("name", "parameters"), [
    ("stun", {"seconds": 0.5}), ("stun", {"seconds": 60}), ("stun-again", {"seconds": 0.5, "up": 0.5})])
def test_an_agent_that_goes_on_ticking_confirms_nothing(cluster, name, parameters):
    cluster.log.pace = 0.2 if parameters["seconds"] > 1 else 1.0
    with ticking(cluster, while_off=True):
        fault, since = inject(cluster, name, node=NODE, **parameters)
        with pytest.raises(FaultError, match="not confirmed: rs-01's agent"):
            fault.confirm(cluster, since)
        fault.heal(cluster)


def test_a_machine_of_which_no_pause_was_seen(cluster):
    cluster.machines[NODE].stuck = "quiet"
    fault, since = inject(cluster, "stun", node=NODE)
    with pytest.raises(FaultError, match="not confirmed: waited .* for rs-01 to be paused"):
        fault.confirm(cluster, since)
    fault.heal(cluster)


def test_again_and_again(cluster):
    cluster.log.pace = cluster.pace = 1.0
    with ticking(cluster):
        active = cluster.faults.inject(make_fault("stun-again", node=NODE, seconds=0.5, up=0.5))
        since = active.begun_ns
        for kind in ("power.paused", "power.resumed", "power.paused", "power.resumed"):
            since = wait_for(cluster, kind, since).t_ns + 1
        assert lasts(active.fault) is None
        cluster.faults.heal(active)
    assert cluster.machines[NODE].power() is Power.ON and worker_of(cluster, active.fault) is None


@pytest.mark.parametrize("name", ["stun", "stun-again"])
def test_one_that_was_fenced_in_its_sleep_is_switched_on(cluster, name):
    fault, _ = inject(cluster, name, node=NODE, seconds=30)
    cluster.machines[NODE].power_off("fence")
    fault.heal(cluster)
    assert cluster.machines[NODE].calls[-1] == "start"
    with pytest.raises(FaultError, match="a tick of rs-01's agent"):
        fault.confirm_healed(cluster)


def test_healed_early_it_goes_on_at_once(cluster):
    fault, since = inject(cluster, "stun", node=NODE, seconds=600)
    fault.heal(cluster)
    fault.heal(cluster)
    assert cluster.machines[NODE].power() is Power.ON
    assert (wait_for(cluster, "power.resumed", since).t_ns - since) / 1e9 < 5


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("stun", {"seconds": 0.4}, "from 0.5 to 600"), ("stun", {"seconds": "11min"}, "from 0.5 to 600"),
    ("stun-again", {"seconds": 61}, "from 0.5 to 60"), ("stun-again", {"up": 0.1}, "from 0.5 to 600")])
def test_out_of_range(name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, node=NODE, **parameters)


@pytest.mark.parametrize("name", ["stun", "stun-again"])
@pytest.mark.parametrize(("node", "seconds", "victims"), [
    (NODE, 1, {NODE}), (NODE, 60, {NODE}), (NODE, 0.5, set()), ("san-01", 60, set())])
def test_what_it_costs_is_how_long_it_is(web, name, node, seconds, victims):
    """The token of web-iscsi is 1 s. While it stands still it is out: that its machine tells."""
    assert make_fault(name, node=node, seconds=seconds).costs(web) == Cost(victims=frozenset(victims))


def test_one_that_is_shorter_than_the_token_excuses_no_fencing(web):
    patient = web.model_copy(update={"stack": web.stack.model_copy(update={"token": 4.0})})
    assert make_fault("stun", node=NODE, seconds=1).costs(patient) == Cost()


def test_the_scene_waits_until_it_is_over(stage):
    def go(stop):
        while not stop.wait(0.004):
            if stage.cluster.machines[NODE].power() is Power.ON:
                stage.run.log.record("guest", NODE, "tick", {})
    with meanwhile(go):
        stage.inject("stun", node=NODE, seconds=0.7)
        begun = stage.last_fault_ns
        stage.await_over()
    assert now_ns() - begun >= 0.7e9 and stage.last_fault_ns > begun
    assert stage.cluster.machines[NODE].calls == ["pause", "resume"] and not stage.cluster.faults.active
