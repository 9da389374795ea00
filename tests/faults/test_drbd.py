"""DRBD's faults: only what DRBD itself tells confirms them, and their healing."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults.drbd import is_in_sync, repair_split_brain
from fenceline.model.load import load_topology
from tests.clocks import now_ns
from tests.fakes import FastLog, make_cluster

ONE, OTHER = "node1", "node2"


@pytest.fixture
def cluster(tmp_path):
    """node1 is primary, both are connected."""
    with make_cluster(load_topology("ledger-drbd"), tmp_path, FastLog()) as made:
        made.pace = 0.02
        for node in (ONE, OTHER):
            made.session(node).wait = lambda within: 0.0
        made.log.record("guest", ONE, "tick", {})
        yield made


def fault(name: str, node: str | None = OTHER, resource: str = "r0"):
    return make_fault(name, resource=resource, **({"node": node} if node else {}))


def told(cluster, kind: str, node: str, **data):
    cluster.log.record("guest", node, kind, {"resource": "r0", **data})


def of_disk(cluster, node: str, disk: str):
    cluster.drbd[node]["disk"] = disk
    told(cluster, "drbd.disk", node, disk=disk, peer_disk="UpToDate", replication="Established")


@pytest.mark.parametrize(("name", "node"), [("drbd-link-cut", None), ("drbd-split-brain", OTHER),
                                            ("drbd-disk-failure", ONE), ("drbd-resync", OTHER)])
def test_an_unknown_resource(cluster, name, node):
    with pytest.raises(FaultError, match="no DRBD resource 'r7' in ledger-drbd; there are r0"):
        fault(name, node, "r7").inject(cluster)


# -- the link ------------------------------------------------------------------------------------------------------


def test_the_link_alone_is_cut(cluster):
    fault("drbd-link-cut", None).inject(cluster)
    (command, text), = cluster.fabric.commands
    assert command == ("nft", "-f", "-")
    assert "tcp dport 7788 drop" in text and "tcp sport 7788 drop" in text
    assert cluster.fabric.tap(ONE, "storage") in text and cluster.fabric.tap(ONE, "heartbeat") not in text


def test_a_cut_link_is_confirmed_by_both_nodes(cluster):
    cut = fault("drbd-link-cut", None)
    cluster.drbd[ONE]["connection"] = "Connecting"
    with pytest.raises(FaultError, match="node1, node2 to miss its peer"):
        cut.confirm(cluster, now_ns())
    cluster.drbd[OTHER]["connection"] = "Connecting"
    assert cut.confirm(cluster, now_ns())["connections"] == {ONE: "Connecting", OTHER: "Connecting"}


def test_a_link_is_mended_when_the_replicas_met(cluster):
    cut = fault("drbd-link-cut", None)
    cluster.fabric.answer = lambda arguments: "table bridge fl_drbd_r0"
    cut.heal(cluster)
    assert ("nft", "delete", "table", "bridge", "fl_drbd_r0") in [command for command, _ in cluster.fabric.commands]
    with pytest.raises(FaultError, match="still there"):
        cut.confirm_healed(cluster)
    cluster.fabric.answer = lambda arguments: ""
    cluster.drbd[ONE]["connection"] = "Connecting"
    with pytest.raises(FaultError, match="to meet again"):
        cut.confirm_healed(cluster)
    cluster.drbd[ONE]["connection"] = "StandAlone"  # they met, and parted: a split brain is not the link's
    assert cut.confirm_healed(cluster)
    cluster.drbd[ONE]["connection"] = "Connected"
    assert cut.confirm_healed(cluster)


# -- split brain ---------------------------------------------------------------------------------------------------


def test_a_split_brain_needs_a_secondary_and_a_primary_that_writes(cluster):
    with pytest.raises(FaultError, match="node1 is not secondary of r0"):
        fault("drbd-split-brain", ONE).inject(cluster)
    with pytest.raises(FaultError, match="node1 to write to r0 without its peer"):
        fault("drbd-split-brain").inject(cluster)
    # whatever came of it, the node is secondary again and looks for its peer
    assert cluster.session(OTHER).commands[-1] == "drbdadm secondary r0; drbdadm connect r0"
    cluster.drbd[ONE]["kib"] = 4
    fault("drbd-split-brain").inject(cluster)


@pytest.mark.parametrize("helper", ["fence-peer", "before-resync-target"])
def test_a_split_brain_is_confirmed_by_drbd(cluster, helper):
    since = now_ns()
    told(cluster, "drbd.helper", OTHER, helper=helper, status=None)
    with pytest.raises(FaultError, match="DRBD to tell of a split brain"):
        fault("drbd-split-brain").confirm(cluster, since)
    told(cluster, "drbd.helper", OTHER, helper="split-brain", status=None)
    assert fault("drbd-split-brain").confirm(cluster, since)


def test_a_split_brain_is_repaired_at_the_expense_of_the_victim(cluster):
    cluster.drbd[OTHER] |= {"connection": "StandAlone"}
    fault("drbd-split-brain").heal(cluster)
    assert "connect --discard-my-data r0" in cluster.session(OTHER).commands[-1]
    assert "discard" not in cluster.session(ONE).commands[-1] and "connect r0" in cluster.session(ONE).commands[-1]
    with pytest.raises(FaultError, match="both replicas of r0 to be the same"):
        fault("drbd-split-brain").confirm_healed(cluster)
    cluster.drbd[OTHER]["connection"] = "Connected"
    assert fault("drbd-split-brain").confirm_healed(cluster)


def test_a_primary_is_no_victim(cluster):
    with pytest.raises(FaultError, match="node1 is primary of r0"):
        repair_split_brain(cluster, "r0", ONE)
    assert cluster.session(ONE).commands == []


# -- disks ---------------------------------------------------------------------------------------------------------


def test_a_failed_disk(cluster):
    broken = fault("drbd-disk-failure", ONE)
    since = now_ns()
    broken.inject(cluster)
    assert "enable_faults" in cluster.session(ONE).commands[-1]
    with pytest.raises(FaultError, match="node1's disk of r0 to be Failed or Diskless"):
        broken.confirm(cluster, since)
    of_disk(cluster, OTHER, "Diskless")
    with pytest.raises(FaultError):
        broken.confirm(cluster, since)
    of_disk(cluster, ONE, "Diskless")
    assert broken.confirm(cluster, since)
    broken.heal(cluster)
    assert "echo 0 >" in cluster.session(ONE).commands[-1] and "attach r0" in cluster.session(ONE).commands[-1]
    with pytest.raises(FaultError, match="to be the same"):
        broken.confirm_healed(cluster)


def test_an_invalidated_replica(cluster):
    with pytest.raises(FaultError, match="node1 is primary"):
        fault("drbd-resync", ONE).inject(cluster)
    since = now_ns()
    fault("drbd-resync").inject(cluster)
    assert cluster.session(OTHER).commands == ["drbdadm invalidate r0"]
    with pytest.raises(FaultError, match="to be Inconsistent"):
        fault("drbd-resync").confirm(cluster, since)
    of_disk(cluster, OTHER, "Inconsistent")
    assert fault("drbd-resync").confirm(cluster, since)
    with pytest.raises(FaultError, match="to be the same"):
        fault("drbd-resync").confirm_healed(cluster)


@pytest.mark.parametrize(("node", "word", "value"), [
    (ONE, "connection", "Connecting"), (OTHER, "disk", "Outdated"), (ONE, "peer_disk", "Inconsistent"),
    (OTHER, "kib", 4)])
def test_in_sync_is_what_both_say(cluster, node, word, value):
    assert is_in_sync(cluster, "r0")
    cluster.drbd[node][word] = value
    assert not is_in_sync(cluster, "r0")


def test_a_node_that_is_off_is_no_replica(cluster):
    cluster.machine(OTHER).power_off()
    assert not is_in_sync(cluster, "r0")
