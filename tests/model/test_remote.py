"""Remote nodes: who they are to the rest of the topology, and what they can't be part of."""

import pytest

from fenceline.guest.base import base_seed
from fenceline.guest.ssh import make_key
from fenceline.model.addressing import bmc_address
from fenceline.model.load import TopologyError, load_topology, merged, parse_topology
from fenceline.stacks.base import make_stack

TOPOLOGY = load_topology("web-remote")
BASE = TOPOLOGY.model_dump(mode="json", exclude_unset=True)


def test_a_remote_node_runs_services_and_is_no_member():
    assert TOPOLOGY.cluster_nodes == ("node1", "node2")
    assert TOPOLOGY.service_nodes == TOPOLOGY.preferred_nodes("web")[1:] + ("remote1",)
    assert str(bmc_address(TOPOLOGY, "remote1")) == "10.78.4.131"
    assert TOPOLOGY.networks_of("remote1") == tuple(TOPOLOGY.networks)


@pytest.mark.parametrize(("changes", "words"), [
    ({"stack": {"kind": "heartbeat", "quorum": None, "token": None}}, "remote"),
    ({"nodes": {"san": {"role": "storage"}}, "networks": {"storage": {"role": "storage", "subnet": "10.78.3.0/24"}},
      "storage": {"nfs": {"server": "san", "exports": [{"name": "x"}]}}}, "leave storage out")])
def test_what_it_can_not_be_part_of(changes, words):
    raw = merged(BASE, changes)
    if "stack" in changes:
        raw["stack"] = {"kind": "heartbeat"}
    with pytest.raises(TopologyError, match=words):
        parse_topology(raw, "x")


def test_its_seed():
    stack = make_stack(TOPOLOGY, {}, "secret", lambda node: True)
    key = make_key()
    seeds = {node: base_seed(TOPOLOGY, node, key, key) for node in ("node1", "remote1")}
    stack.seed_member("node1", seeds["node1"])
    stack.seed_helper("remote1", seeds["remote1"])
    assert seeds["node1"].files["/etc/pacemaker/authkey"] == seeds["remote1"].files["/etc/pacemaker/authkey"]
    assert "systemctl start pacemaker_remote.service" in seeds["remote1"].late
    assert "/etc/corosync/corosync.conf" not in seeds["remote1"].files
    assert "192.168.78.200" in seeds["remote1"].files["/etc/fenceline/agent.json"][0]
