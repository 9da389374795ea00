"""The faults of fencing devices, against real BMCs in a fabric of their own and machines that only remember."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.fencing.bmc import BmcMode
from fenceline.machines.protocol import Power
from fenceline.model.cost import Cost
from tests.fencing.conftest import bench, shared_bench  # noqa: F401 - fixtures

FAULTS = [
    ("fence-device-slow", {"node": "rs-01", "seconds": 1.2}, BmcMode.SLOW(1.2)),
    ("fence-device-password", {"node": "rs-01"}, BmcMode.WRONG_PASSWORD),
    ("fence-device-lies", {"node": "rs-01"}, BmcMode.LIES),
    ("fence-device-wrong-node", {"node": "rs-01", "other": "rs-02"}, BmcMode.WRONG_NODE("rs-02")),
    ("fence-device-early", {"node": "rs-01", "seconds": 1.5}, BmcMode.EARLY(1.5)),
    ("fence-device-gentle", {"node": "rs-01", "seconds": 20}, BmcMode.GENTLE(20)),
    ("fence-device-on-node-supply", {"node": "rs-01"}, BmcMode.ON_NODE_SUPPLY),
    ("fence-device-leaves-off", {"node": "rs-01"}, BmcMode.LEAVES_OFF),
]
NAMES = [name for name, _, _ in FAULTS]


@pytest.fixture
def cluster(bench):  # noqa: F811
    def power_on(node: str) -> None:
        bench.machines[node].start()
        bench.log.record("guest", node, "tick", {})

    def is_running(node: str) -> bool:
        # its agent ticks whenever somebody might wait for it
        bench.log.record("guest", node, "tick", {}, t_ns=2**62)
        return bench.machines[node].power() is Power.ON

    return SimpleNamespace(bmcs=bench.rack, fabric=bench.fabric, topology=bench.topology, log=bench.log,
                           clock=bench.log.clock, bmc_password="secret", machine=bench.machines.__getitem__,
                           is_running=is_running, power_on=power_on, boot_deadline=2.0)


@pytest.mark.parametrize(("name", "parameters", "mode"), FAULTS, ids=NAMES)
def test_in_force_and_healed(cluster, name, parameters, mode):
    fault = make_fault(name, **parameters)
    fault.inject(cluster)
    assert cluster.bmcs.mode("rs-01") == mode
    assert fault.confirm(cluster, 0)
    fault.heal(cluster)
    fault.heal(cluster)
    assert cluster.bmcs.mode("rs-01") == BmcMode.NORMAL
    assert fault.confirm_healed(cluster)["lamp"] == "rs-01"


@pytest.mark.parametrize(("name", "parameters", "mode"), FAULTS, ids=NAMES)
def test_no_effect_is_not_confirmed(cluster, name, parameters, mode):
    with pytest.raises(FaultError, match="not confirmed"):
        make_fault(name, **parameters).confirm(cluster, 0)


@pytest.mark.parametrize(("name", "parameters"), [(name, parameters) for name, parameters, _ in FAULTS if name in (
    "fence-device-lies", "fence-device-wrong-node")])
def test_the_evidence_is_what_the_device_answered(cluster, name, parameters):
    fault = make_fault(name, **parameters)
    fault.inject(cluster)
    assert fault.confirm(cluster, 0)["ipmitool"] == "Chassis identify interval: default (15 seconds)"


@pytest.mark.parametrize("name", NAMES)
def test_a_silent_device_is_no_other_fault(cluster, name):
    cluster.bmcs.set_mode("rs-01", BmcMode.SILENT)
    parameters = next(parameters for known, parameters, _ in FAULTS if known == name)
    with pytest.raises(FaultError, match="not confirmed"):
        make_fault(name, **parameters).confirm(cluster, 0)


def test_still_faulty_is_not_healed(cluster):
    cluster.bmcs.set_mode("rs-01", BmcMode.WRONG_NODE("rs-02"))
    with pytest.raises(FaultError, match="lamp of rs-02"):
        make_fault("fence-device-lies", node="rs-01").confirm_healed(cluster)
    cluster.bmcs.set_mode("rs-01", BmcMode.WRONG_PASSWORD)
    with pytest.raises(FaultError, match="does not answer"):
        make_fault("fence-device-password", node="rs-01").confirm_healed(cluster)


def test_one_fault_per_device(cluster):
    make_fault("fence-device-lies", node="rs-01").inject(cluster)
    second = make_fault("fence-device-password", node="rs-01")
    with pytest.raises(FaultError, match="has a fault already: lies"):
        second.inject(cluster)
    second.heal(cluster)
    assert cluster.bmcs.mode("rs-01") == BmcMode.LIES  # a refused fault heals nothing of the other


def test_identify_leaves_a_lie_as_it_was(cluster, bench):  # noqa: F811
    make_fault("fence-device-lies", node="rs-01").inject(cluster)
    assert bench.power("rs-01", "off")[0] == 0
    assert bench.client("rs-01", "chassis", "identify")[0] == 0
    assert "is off" in bench.power("rs-01", "status")[1]
    assert bench.machines["rs-01"].calls == []


def test_healing_the_wiring_switches_the_wrong_victim_on_again(cluster, bench):  # noqa: F811
    fault = make_fault("fence-device-wrong-node", node="rs-01", other="rs-02")
    fault.inject(cluster)
    assert bench.power("rs-01", "off")[0] == 0
    assert bench.machines["rs-02"].state is Power.OFF
    fault.heal(cluster)
    assert bench.machines["rs-02"].state is Power.ON
    assert fault.confirm_healed(cluster)["lamp"] == "rs-01"


@pytest.mark.parametrize(("name", "mode"), [
    ("fence-device-gentle", BmcMode.LEAVES_OFF), ("fence-device-leaves-off", BmcMode.ON_NODE_SUPPLY),
    ("fence-device-on-node-supply", BmcMode.GENTLE(20)), ("fence-device-early", BmcMode.SLOW(1.5))])
def test_another_misbehaviour_confirms_nothing(cluster, name, mode):
    cluster.bmcs.set_mode("rs-01", mode)
    with pytest.raises(FaultError, match="not confirmed"):
        make_fault(name, **next(parameters for known, parameters, _ in FAULTS if known == name)).confirm(cluster, 0)


def test_healing_one_that_left_its_node_off_switches_it_on(cluster, bench):  # noqa: F811
    fault = make_fault("fence-device-leaves-off", node="rs-01")
    fault.inject(cluster)
    assert bench.power("rs-01", "cycle")[0] == 0
    assert bench.machines["rs-01"].state is Power.OFF
    fault.heal(cluster)
    assert bench.machines["rs-01"].state is Power.ON
    cluster.is_running("rs-01")  # its agent ticks
    assert fault.confirm_healed(cluster)["lamp"] == "rs-01"


def test_what_they_cost(cluster):
    assert make_fault("fence-device-early", node="rs-01").costs(cluster.topology) == Cost()
    assert make_fault("fence-device-on-node-supply", node="rs-01").costs(cluster.topology) == Cost()
    assert make_fault("fence-device-gentle", node="rs-01", seconds=30).costs(cluster.topology) == Cost(slower_s=30.0)
    # a fencing that reboots waits for the node to be on again, and never counts
    leaves_off, fencing = make_fault("fence-device-leaves-off", node="rs-01"), cluster.topology.fencing
    assert leaves_off.costs(cluster.topology) == Cost(unfenceable=frozenset({"rs-01"}))
    only_off = cluster.topology.model_copy(update={"fencing": fencing.model_copy(update={"action": "off"})})
    assert leaves_off.costs(only_off) == Cost()


@pytest.mark.parametrize(("name", "parameters", "message"), [
    ("fence-device-slow", {"node": "rs-01", "seconds": 0}, "from 0.1 to 120"),
    ("fence-device-slow", {"node": "rs-01", "seconds": "3min"}, "from 0.1 to 120"),
    ("fence-device-early", {"node": "rs-01", "seconds": 0.5}, "from 1 to 120"),
    ("fence-device-gentle", {"node": "rs-01", "seconds": "11min"}, "from 1 to 600"),
    ("fence-device-wrong-node", {"node": "rs-01", "other": "rs-01"}, "the node itself"),
])
def test_out_of_range(name, parameters, message):
    with pytest.raises(FaultError, match=message):
        make_fault(name, **parameters)


def test_no_device(cluster):
    with pytest.raises(FaultError, match="has no fencing device"):
        make_fault("fence-device-lies", node="san-01").inject(cluster)
    with pytest.raises(FaultError, match="no node 'san-01'"):
        make_fault("fence-device-wrong-node", node="rs-01", other="san-01").inject(cluster)
