"""A cluster of a real fabric, without machines."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fenceline.core.clock import HOST_CLOCK
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology
from fenceline.observe.log import EventLog
from tests.fabrics import Cable, real_fabric, skip_unless
from tests.faults.tapnet import TapGuest


class _Faults:
    """Nobody else's; and to be referred to weakly."""

    @staticmethod
    def keeps(fault, claim):
        return False


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """``cluster`` with a real fabric of web-iscsi-3 and tap guests; ``guests`` by (node, network)."""
    skip_unless("ip", "nft", "tc")
    topology = load_topology("web-iscsi-3")
    with real_fabric(topology, tmp_path_factory.mktemp("journal")) as fabric:
        guests = {(node, network): TapGuest(fabric, node, network) for node in topology.nodes
                  for network in topology.networks_of(node)}
        cluster = SimpleNamespace(
            topology=topology, fabric=fabric, log=EventLog(), clock=HOST_CLOCK, boot_deadline=3.0,
            is_running=lambda node: True,
            session=lambda node: SimpleNamespace(run=lambda *a, **k: None), faults=_Faults(),
            machine=lambda node: SimpleNamespace(power=lambda: Power.ON,
                                                 link=lambda network: Cable(cluster, node, network)))
        try:
            yield SimpleNamespace(cluster=cluster, guests=guests)
        finally:
            for guest in guests.values():
                guest.close()
