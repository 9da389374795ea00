"""DRBD's sentences, green and red."""

from __future__ import annotations

import pytest

from fenceline.core.errors import ClusterError, FaultError
from fenceline.model.load import load_topology
from fenceline.steps import drbd
from tests.clocks import now_ns
from tests.fakes import make_cluster, make_scene
from tests.steps.test_then import green, promise, red

A, B = "the active node", "the standby"


@pytest.fixture
def replicas(tmp_path):
    with make_cluster(load_topology("ledger-drbd"), tmp_path) as made:
        yield make_scene(made, tmp_path, "ledger")


@pytest.fixture
def says(replicas):
    def go(kind, node, **data):
        replicas.run.log.record("guest", node, kind, {"resource": "r0", **data})
    return go


@pytest.fixture
def ledger(replicas):
    """Appends records; ``there`` are those that are read back."""
    class Client:
        services = ("ledger",)
        there: tuple = ()
        is_read = True

        def read_back(self, service):
            replicas.run.log.record("client", None, "ledger.read", {
                "service": service, "sent_ns": now_ns(), "from": "node2",
                "records": [[number, "node1", number] for number in self.there]})
            return self.is_read

        def append(self, number, node):
            replicas.run.log.record("client", node, "append", {
                "service": "ledger", "id": number, "ok": True, "sent_ns": now_ns() - 1, "from": node, "error": None})
    replicas.cluster.ledger = Client()
    return replicas.cluster.ledger


def test_both_replicas_are_the_same(replicas):
    green(drbd.in_sync, replicas, "r0", "0.2")
    replicas.cluster.drbd["node2"]["kib"] = 8
    red(drbd.in_sync, replicas, "r0", "0.2", match="both replicas of r0 to be up to date")


def test_a_split_brain_is_told(replicas, says):
    says("drbd.helper", "node1", helper="fence-peer", status=None)
    red(drbd.split_brain_told, replicas, "r0", "0.1", match="DRBD telling of a split brain of r0: not within")
    green(promise("no split brain"), replicas)
    says("drbd.helper", "node1", helper="split-brain", status=None)
    green(drbd.split_brain_told, replicas, "r0", "5")
    red(promise("no split brain"), replicas, match="the replicas of r0 had two histories")


def test_who_is_primary(replicas, says):
    says("drbd.role", "node1", role="Primary")
    says("drbd.role", "node2", role="Secondary")
    red(drbd.becomes_primary, replicas, B, "r0", "0.1", match="node2 primary of r0: not within")
    green(drbd.not_primary, replicas, B, "r0", "0.1")
    says("drbd.role", "node2", role="Primary")
    green(drbd.becomes_primary, replicas, B, "r0", "5")
    red(drbd.not_primary, replicas, B, "r0", "0.1", match="node2 became primary of r0")


def test_an_outdated_replica(replicas, says):
    says("drbd.disk", "node1", disk="Outdated", peer_disk="UpToDate", replication="Off")
    red(drbd.is_outdated, replicas, "r0", B, "0.1", match="node2's replica of r0 outdated: not within")
    says("drbd.disk", "node2", disk="Outdated", peer_disk="UpToDate", replication="Off")
    green(drbd.is_outdated, replicas, "r0", B, "5")


def test_lost_at_most(replicas, ledger):
    for number in (1, 2, 3):
        ledger.append(number, "node1")
    ledger.there = (1, 2, 3)
    green(drbd.lost_at_most, replicas, "0", "ledger")
    ledger.there = (1,)
    red(drbd.lost_at_most, replicas, "1", "ledger", match="2 acknowledged records of ledger are lost, at most 1")
    # few enough, and still more than protocol C allows
    red(drbd.lost_at_most, replicas, "2", "ledger", match="protocol C may lose none")
    ledger.is_read = False
    red(drbd.lost_at_most, replicas, "2", "ledger", match="could not be read")


def test_whose_records_are_lost(replicas, ledger):
    ledger.append(1, "node1")
    ledger.append(2, "node2")
    ledger.there = (1, 2)
    red(drbd.lost_by, replicas, "ledger", B, match="no acknowledged record of ledger is lost")
    ledger.there = (1,)
    green(drbd.lost_by, replicas, "ledger", B)
    ledger.there = ()
    red(drbd.lost_by, replicas, "ledger", B, match="some were acknowledged by node1")


def test_what_is_waited_for(replicas, says):
    says("drbd.oos", "node1", kib=16)
    drbd.is_behind(replicas, "4", "0.1")
    with pytest.raises(FaultError, match="a replica to be 5 blocks behind"):
        drbd.is_behind(replicas, "5", "0.1")
    says("drbd.helper", "node1", helper="fence-peer", status=None)
    says("drbd.helper", "node1", helper="fence-peer", status=1)
    with pytest.raises(FaultError, match="the fence-peer handler of r0"):
        drbd.peer_fenced(replicas, "r0", "0.1")
    says("drbd.helper", "node1", helper="fence-peer", status=4)
    drbd.peer_fenced(replicas, "r0", "0.1")
    drbd.is_secondary(replicas, B, "r0", "0.1")
    with pytest.raises(ClusterError, match="node1 to be secondary of r0"):
        drbd.is_secondary(replicas, A, "r0", "0.1")


def test_a_split_brain_that_nobody_forced_is_repaired_too(replicas):
    drbd.split_brain_repaired(replicas, "r0", B)
    assert "--discard-my-data" in replicas.cluster.session("node2").commands[-1]
