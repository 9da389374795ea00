"""Addresses: nobody has another's."""

from __future__ import annotations

from itertools import chain

import pytest

from fenceline.model.addressing import (
    MAX_CLUSTER_NODES,
    address,
    bmc_address,
    device,
    harness_address,
    mac,
    management_address,
    node_of_mac,
)
from fenceline.model.load import TOPOLOGY_DIR, load_topology, parse_topology
from tests.model.sample import raw

LARGEST = raw(nodes={**{f"n{number}": {} for number in range(MAX_CLUSTER_NODES)}, "san-01": {"role": "storage"},
                     "san-02": {"role": "storage"}, "qd-01": {"role": "quorum-device"}},
              stack={"kind": "pacemaker"}, fencing={}, services__web__domain={})
TOPOLOGIES = {**{path.stem: None for path in TOPOLOGY_DIR.glob("*.yaml")}, "largest": LARGEST}


@pytest.fixture(params=TOPOLOGIES)
def topology(request):
    made = TOPOLOGIES[request.param]
    return parse_topology(made, "x") if made else load_topology(request.param)


def test_no_two_have_the_same_address(topology):
    for network, settings in topology.networks.items():
        members = [node for node in topology.nodes if network in topology.networks_of(node)]
        used = [address(topology, node, network) for node in members] + [harness_address(topology, network)]
        if settings.role == "management":
            used += [bmc_address(topology, node) for node in topology.cluster_nodes]
        if settings.role == "service":
            used += [service.vip.address for service in topology.services.values() if service.vip]
        assert len(used) == len(set(used)), network
        assert all(one in settings.subnet for one in used)
        assert not {settings.subnet.network_address, settings.subnet.broadcast_address} & set(used)


def test_no_two_cards_have_the_same_mac_and_each_leads_to_its_node(topology):
    macs = {(node, network): mac(topology, node, network)
            for node in topology.nodes for network in topology.networks_of(node)}
    assert len(set(macs.values())) == len(macs)
    for (node, _), one in macs.items():
        assert node_of_mac(topology, one) == node_of_mac(topology, one.upper()) == node
        first = int(one[:2], 16)
        assert first & 2 and not first & 1  # locally administered, unicast
    assert node_of_mac(topology, "00:16:3e:00:00:66") is None


def test_cards_are_counted_without_a_gap(topology):
    for node in topology.nodes:
        names = [device(topology, node, network) for network in topology.networks_of(node)]
        assert names == [f"eth{number}" for number in range(len(names))]


def test_the_plan_of_the_documentation(web):
    assert str(management_address(web, "rs-02")) == "10.71.4.12"
    assert str(bmc_address(web, "rs-01")) == "10.71.4.111"
    assert str(address(web, "san-01", "storage")) == "10.71.3.41"
    assert str(harness_address(web, "service")) == "192.168.98.9"
    assert str(harness_address(web, "management")) == "10.71.4.1"
    assert str(management_address(load_topology("web-iscsi-qdevice"), "qnet-01")) == "10.73.4.51"


def test_a_larger_subnet_has_the_same_host_parts():
    topology = parse_topology(raw(networks__heartbeat__subnet="10.80.0.0/16"), "x")
    assert str(address(topology, "rs-01", "heartbeat")) == "10.80.0.11"
    assert len(set(chain(*(topology.networks_of(node) for node in topology.nodes)))) == 4
