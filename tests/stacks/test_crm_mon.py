"""What crm_mon says. The documents in data/ were written by the guest image's own crm_mon 2.1.5, from CIBs (CIB_file=)
that hold our configuration and a status section; fenced.xml alone is put together by hand, after its schema."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from fenceline.cluster.health import state_problems
from fenceline.core.errors import ClusterError
from fenceline.model.load import load_topology
from fenceline.stacks.pacemaker.crm_mon import parse
from tests.fakes import make_cluster

DATA = Path(__file__).with_name("data")


def state(name: str):
    return parse("rs-01", (DATA / f"{name}.xml").read_text())


@pytest.fixture
def problems(web, tmp_path):
    """What is said to be wrong in a recorded state."""
    with make_cluster(web, tmp_path) as cluster:
        yield lambda name: state_problems(cluster, state(name))


def test_a_healthy_cluster(problems):
    healthy = state("healthy")
    assert healthy.seen_by == "rs-01" and healthy.quorate and healthy.coordinator == "rs-01"
    assert healthy.online() == ("rs-01", "rs-02")
    assert healthy.owner("web") == "rs-01"
    assert healthy.failures == healthy.fencing == () and not healthy.maintenance
    assert healthy.versions == {"pacemaker": "2.1.5-a3f44794f94"}
    assert [(r.name, r.agent, r.role, r.nodes, r.group) for r in healthy.resources] == [
        ("fence-rs-01", "stonith:fence_ipmilan", "Started", ("rs-02",), None),
        ("fence-rs-02", "stonith:fence_ipmilan", "Started", ("rs-01",), None),
        ("web-filesystem", "ocf:heartbeat:Filesystem", "Started", ("rs-01",), "web"),
        ("web-vip", "ocf:heartbeat:IPaddr2", "Started", ("rs-01",), "web"),
        ("web-daemon", "ocf:heartbeat:nginx", "Started", ("rs-01",), "web")]
    assert problems("healthy") == []


def test_a_promotable_clone(problems):
    """Recorded on ledger-drbd: its instances have one name."""
    promoted = state("drbd-promoted")
    assert [(r.name, r.role, r.nodes, r.group) for r in promoted.resources if r.agent == "ocf:linbit:drbd"] == [
        ("drbd-r0", "Promoted", ("node1",), None), ("drbd-r0", "Unpromoted", ("node2",), None)]
    assert promoted.owner("ledger") == "node1"
    moved = state("drbd-node-lost")  # after node1 lost its power, and came back
    assert [r.nodes for r in moved.resources if r.role == "Promoted"] == [("node2",)]
    assert moved.owner("ledger") == "node2"


def test_a_failed_resource(problems):
    failed = state("resource-failed")
    assert failed.owner("web") is None
    assert failed.failures == ("web-filesystem_monitor_5000 on rs-01: error: Filesystem not accessible",)
    assert problems("resource-failed") == [
        "web-filesystem is Started (failed)", "failed action: web-filesystem_monitor_5000 on rs-01: error: "
        "Filesystem not accessible"]


def test_a_node_that_is_unclean(problems):
    member = state("node-unclean").members[0]
    assert (member.name, member.online, member.unclean) == ("rs-01", False, True)
    assert {"rs-01 is not online", "rs-01 is unclean"} <= set(problems("node-unclean"))


def test_a_cluster_without_a_dc(problems):
    forming = state("no-dc")
    assert forming.coordinator is None and not forming.quorate
    assert {"no DC has been elected", "the partition of the DC has no quorum", "rs-01 is pending",
            "web-vip is Stopped"} <= set(problems("no-dc"))


def test_a_partition_without_quorum(problems):
    assert not state("no-quorum").quorate and state("no-quorum").coordinator == "rs-01"
    assert "the partition of the DC has no quorum" in problems("no-quorum")


def test_a_group_that_is_partly_started(problems):
    assert state("partly-started").owner("web") is None
    assert problems("partly-started") == ["web-vip is Stopped", "web-daemon is Stopped"]


def test_a_resource_on_two_nodes(problems):
    assert state("two-nodes").resources[2].nodes == ("rs-01", "rs-02")
    assert state("two-nodes").owner("web") is None
    assert problems("two-nodes") == ["web-filesystem is active on 2 nodes"]


def test_a_node_in_standby(problems):
    assert state("standby").owner("web") == "rs-02"
    assert problems("standby") == ["rs-01 is standby"]


def test_fencing_and_maintenance():
    fenced = state("fenced")
    assert fenced.maintenance and fenced.members[1].maintenance and not fenced.resources[0].managed
    assert [(event["action"], event["target"], event["status"], event["delegate"], event["completed"])
            for event in fenced.fencing] == [
        ("reboot", "rs-01", "failed", "rs-02", "2026-11-21 04:44:58.301175Z"), ("reboot", "rs-01", "pending", "", "")]


def test_fencing_by_hand():
    event = state("fenced-by-hand").fencing[0]
    assert event == {"action": "off", "target": "gfs-02", "client": "stonith_admin.1543", "origin": "gfs-01",
                     "status": "success", "delegate": "a human", "completed": "2026-11-21 09:14:40Z"}


@pytest.mark.parametrize("path", sorted(DATA.glob("*.xml")), ids=lambda path: path.stem)
def test_every_recorded_document_is_a_state_or_an_error(path):
    try:
        found = parse("rs-01", path.read_text())
    except ClusterError:
        assert path.stem in ("no-cib", "not-running")
    else:
        assert len(found.members) == 2
        first = {"drbd-node-lost": "node1", "drbd-promoted": "node1", "fenced-by-hand": "gfs-01"}.get(
            path.stem, "rs-01")
        assert found.as_dict()["members"][0]["name"] == first


def test_crm_mon_that_failed():
    with pytest.raises(ClusterError, match="rs-01: crm_mon failed: Not connected"):
        state("not-running")


def test_crm_mon_that_says_ok_and_tells_nothing():
    with pytest.raises(ClusterError, match="rs-01: crm_mon's XML has no summary of the DC"):
        state("no-cib")


@pytest.mark.parametrize("text", [
    "", "Connection to cluster failed: Connection refused", "<pacemaker-result>", "<html/>",
    '<other><status code="0"/></other>', "\x00\x01"])
def test_garbage(text):
    with pytest.raises(ClusterError, match="rs-01: crm_mon"):
        parse("rs-01", text)


def test_a_document_cut_short():
    text = (DATA / "healthy.xml").read_text()
    for end in range(0, len(text) - 20, 97):
        with pytest.raises(ClusterError):
            parse("rs-01", text[:end])


def test_problems_name_what_is_outside_of_its_domain(web, tmp_path):
    outside = SimpleNamespace(topology=SimpleNamespace(
        service_nodes=web.cluster_nodes, stack=web.stack, services=web.services,
        preferred_nodes=lambda service: ("rs-02",)))
    assert state_problems(outside, state("healthy")) == ["web runs on rs-01, outside of its failover domain"]



CLONES = (DATA / "clones" / "kvm-ocfs2.xml").read_text()


def test_clones_of_a_resource_and_of_a_group():
    """Recorded on kvm-ocfs2: dlm and the group images are on both nodes, the containers on one each."""
    found = parse("host-01", CLONES)
    clones = [one for one in found.resources if one.name in ("dlm", "images-filesystem")]
    assert sorted((one.name, one.group or "", one.nodes) for one in clones) == [
        ("dlm", "", ("host-01",)), ("dlm", "", ("host-02",)),
        ("images-filesystem", "images", ("host-01",)), ("images-filesystem", "images", ("host-02",))]
    assert found.owner("images") is None and found.owners("images") == ("host-01", "host-02")
    assert found.owner("guest-1") == "host-01" and found.owners("guest-1") == ("host-01",)
    assert found.owners("moon") == ()


def test_clones_in_a_whole_cluster_are_no_problem(tmp_path):
    with make_cluster(load_topology("kvm-ocfs2"), tmp_path) as cluster:
        assert state_problems(cluster, parse("host-01", CLONES)) == []
        second = CLONES.index('<group id="images:1"')
        stopped = CLONES[:second] + CLONES[second:].replace('role="Started" active="true"',
                                                            'role="Stopped" active="false"', 1)
        assert state_problems(cluster, parse("host-01", stopped)) == ["images-filesystem is Stopped"]


def test_what_is_only_being_started_is_not_whole(web, tmp_path):
    # as crm_mon 2.1.5 said of a database that already answered, while its agent was still at its first monitor
    xml = (DATA / "healthy.xml").read_text()
    daemon = xml.index('id="web-daemon"')
    starting = parse("rs-01", xml[:daemon] + xml[daemon:].replace('role="Started"', 'role="Starting"', 1))
    assert starting.owner("web") is None
    with make_cluster(web, tmp_path) as cluster:
        assert state_problems(cluster, starting) == ["web-daemon is Starting"]
