"""Healing while a machine is still booting, after having been fenced or switched on again: it is waited for."""

from __future__ import annotations

import pytest

from fenceline.core.errors import MachineError, Timeout
from fenceline.faults import make_fault
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology
from tests.fakes import make_cluster

CASES = [
    ("web-iscsi", "packet-delay", {"node": "rs-01", "network": "service"}, "rs-01"),
    ("web-iscsi", "packet-corrupt", {"node": "rs-01", "network": "service"}, "rs-01"),
    ("web-iscsi", "target-stop", {}, "san-01"),
    ("web-iscsi", "session-logout", {"node": "rs-01"}, "rs-01"),
    ("web-iscsi", "disk-errors", {"lun": "www"}, "san-01"),
    ("web-iscsi", "dns-gone", {"node": "rs-01"}, "rs-01"),
    ("web-iscsi", "daemon-stop", {"node": "rs-01", "daemon": "corosync"}, "rs-01"),
    ("web-iscsi-qdevice", "quorum-device-stop", {}, "qnet-01"),
    ("ledger-drbd", "drbd-disk-failure", {"node": "node1", "resource": "r0"}, "node1"),
    ("web-nfs-heartbeat", "nfs-restart", {}, "nfs-01"),
    ("web-nfs-heartbeat", "nfs-stale", {}, "nfs-01"),
]


class Booting:
    """A node's session that refuses every command until somebody has waited for it. It never comes up within 0 s."""

    def __init__(self, session, within: float = 0.05) -> None:
        self.session, self.boots_within, self.is_up, self.refused = session, within, False, 0

    def wait(self, within: float) -> float:
        if within < self.boots_within:
            raise Timeout("did not answer on SSH", within)
        self.is_up = True
        return self.boots_within

    def run(self, *arguments, **options):
        if not self.is_up:
            self.refused += 1
            raise MachineError("connection refused")
        return self.session.run(*arguments, **options)


@pytest.fixture(params=CASES, ids=[f"{case[1]}" for case in CASES])
def healing(request, tmp_path):
    """(cluster, fault, node) with the node booting."""
    topology, name, parameters, node = request.param
    with make_cluster(load_topology(topology), tmp_path) as cluster:
        cluster.sessions[node] = Booting(cluster.sessions[node])
        yield cluster, make_fault(name, **parameters), node


def test_a_node_that_boots_is_waited_for(healing):
    cluster, fault, node = healing
    fault.heal(cluster)
    assert cluster.sessions[node].is_up and not cluster.sessions[node].refused


def test_for_no_longer_than_booting_may_take(healing):
    cluster, fault, node = healing
    cluster.sessions[node].boots_within = 9999.0
    with pytest.raises(Timeout, match="did not answer"):
        fault.heal(cluster)


@pytest.mark.parametrize("name", ["packet-delay", "target-stop"])
def test_one_that_is_off_is_not_waited_for(name, tmp_path):
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        for node, machine in cluster.machines.items():
            machine.state = Power.OFF
            cluster.sessions[node] = Booting(cluster.sessions[node])
        make_fault(name, **({"node": "rs-01", "network": "service"} if name == "packet-delay" else {})).heal(cluster)
        assert not any(session.is_up or session.refused for session in cluster.sessions.values())


def test_what_netem_left_is_looked_for_once_the_node_has_booted(tmp_path):
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        cluster.sessions["rs-01"] = Booting(cluster.sessions["rs-01"])
        fault = make_fault("packet-delay", node="rs-01", network="service")
        assert fault.confirm_healed(cluster) == {"netem": "gone"}


def test_the_initiators_of_a_target_are_waited_for(tmp_path):
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        cluster.sessions["rs-02"].answer = cluster.sessions["rs-01"].answer = lambda command: (0, "LOGGED_IN\n")
        cluster.sessions["rs-01"] = Booting(cluster.sessions["rs-01"])
        assert make_fault("target-stop").confirm_healed(cluster)["sessions"] == "logged in"
