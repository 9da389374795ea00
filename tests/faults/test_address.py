"""A stranger that has the service's address, in a real fabric, seen by the real observer."""
# ruff: noqa: F811 - a fixture is asked for by the name it was imported under

from __future__ import annotations

import pytest

from harness.errors import FaultError
from harness.faults import make_fault
from harness.faults.address import STRANGER_MAC
from harness.model.event import now_ns
from harness.observe.loop import ObserverLoop
from harness.observe.wire import WireObserver
from tests.faults.tapnet import net  # noqa: F401 - a fixture


@pytest.fixture
def watched(net):
    cluster = net.cluster
    loop = ObserverLoop(cluster.log, cluster.fabric)
    observer = WireObserver(cluster.fabric, cluster.topology, cluster.log, loop)
    observer.start()
    yield cluster
    observer.stop()
    loop.stop()


def test_a_stranger_claims_the_vip_until_he_leaves(watched):
    fault = make_fault("vip-stranger", service="webservice")
    with pytest.raises(FaultError, match="not confirmed"):
        fault.confirm(watched, now_ns())
    begun = now_ns()
    fault.inject(watched)
    try:
        assert fault.confirm(watched, begun)["mac"] == STRANGER_MAC
        with pytest.raises(FaultError, match="still there"):
            fault.confirm_healed(watched)
    finally:
        fault.heal(watched)
    fault.heal(watched)
    assert fault.confirm_healed(watched) == {"stranger": "gone"}
