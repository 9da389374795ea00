"""Whether a cluster is whole: each thing that can be wrong is seen."""

from __future__ import annotations

import pytest

from fenceline.cluster.health import FAILED_ACTION, problems_of
from fenceline.cluster.waits import wait_whole
from fenceline.core.errors import ClusterError
from fenceline.faults import make_fault
from fenceline.machines.protocol import Power
from fenceline.stacks.state import MemberState, ResourceState

HEALTHY = ResourceState("web-vip", "ocf:heartbeat:IPaddr2", "Started", ("rs-01",), True, False, True, "web")


def member(**changes):
    return MemberState(**{"name": "rs-01", "online": True, **changes})


def resource(**changes):
    values = {field: getattr(HEALTHY, field) for field in HEALTHY.__slots__}
    return ResourceState(**{**values, **changes})


def test_nothing_is_wrong(cluster):
    assert problems_of(cluster) == []


@pytest.mark.parametrize(("power", "said"), [(Power.OFF, "off"), (Power.PAUSED, "paused")])
@pytest.mark.parametrize("node", ["rs-02", "san-01"])
def test_a_machine_that_does_not_run(cluster, node, power, said):
    cluster.machines[node].state = power
    assert problems_of(cluster) == [f"{node} is {said}"]


def test_a_fault_in_force(cluster):
    cluster.faults.inject(make_fault("standby", node="rs-02"))
    assert problems_of(cluster) == ["the fault standby is still in force"]


@pytest.mark.parametrize("quorum", [
    None, {"quorate": False, "members": ["rs-01", "rs-02"]}, {"quorate": True, "members": ["rs-02"]},
    {"quorate": True, "members": []}, {"quorate": True, "members": ["rs-01", "rs-02", "rs-03"]}])
def test_a_node_that_has_not_joined(cluster, quorum):
    cluster.quorum["rs-02"] = quorum
    assert problems_of(cluster) == ["rs-02 has not joined: its agent reports no quorum"]


def test_the_cause_comes_without_its_effects(cluster):
    cluster.machines["rs-01"].state = Power.OFF
    cluster.quorum["rs-02"] = None
    cluster.answering["web"] = False
    assert problems_of(cluster) == ["rs-01 is off"]
    cluster.machines["rs-01"].state = Power.ON
    assert problems_of(cluster) == ["rs-02 has not joined: its agent reports no quorum"]


def test_a_cluster_that_does_not_tell_its_state(cluster):
    cluster.stack.broken = ClusterError("no member tells the cluster's state")
    assert problems_of(cluster) == ["no member tells the cluster's state"]


def test_a_service_that_does_not_answer(cluster):
    cluster.answering["web"] = False
    assert problems_of(cluster) == ["web does not answer on its VIP"]


@pytest.mark.parametrize(("changes", "wanted"), [
    ({"quorate": False}, ["the partition of the DC has no quorum"]),
    ({"coordinator": None}, ["no DC has been elected"]),
    ({"members": (member(),)}, ["rs-02 is not online"]),
    ({"members": (member(), member(name="rs-02", online=False))}, ["rs-02 is not online"]),
    *(({"members": (member(), member(name="rs-02", **{word: True}))}, [f"rs-02 is {word}"])
      for word in ("standby", "pending", "unclean", "maintenance")),
    ({"resources": (resource(active=False, role="Stopped", nodes=()),)}, ["web-vip is Stopped"]),
    ({"resources": (resource(failed=True),)}, ["web-vip is Started (failed)"]),
    ({"resources": (resource(failed=True, active=False, role="Stopped"),)}, ["web-vip is Stopped (failed)"]),
    ({"resources": (resource(nodes=("rs-01", "rs-02")),)}, ["web-vip is active on 2 nodes"]),
    ({"failures": ("web-vip_start_0 on rs-02: error",)}, ["failed action: web-vip_start_0 on rs-02: error"]),
])
def test_what_the_cluster_itself_says(cluster, changes, wanted):
    cluster.stack.changes = changes
    assert problems_of(cluster) == wanted


def test_a_service_outside_of_its_domain(cluster):
    online = tuple(MemberState(node, True) for node in ("rs-01", "rs-02", "san-01"))
    cluster.stack.changes = {"resources": (resource(nodes=("san-01",)),), "members": online}
    assert problems_of(cluster) == ["web runs on san-01, outside of its failover domain"]


def test_all_that_is_wrong_is_said(cluster):
    cluster.stack.changes = {"quorate": False, "failures": ("x",), "resources": (resource(failed=True),)}
    cluster.answering["web"] = False
    assert problems_of(cluster) == ["the partition of the DC has no quorum", "web-vip is Started (failed)",
                                    "failed action: x", "web does not answer on its VIP"]


FAILED = ("web-filesystem_monitor_30000 on rs-01: error: Resource agent did not complete within 20s",)


def forgets(cluster, monkeypatch, *more: str) -> list[str]:
    """A cluster with a failed action until it is cleaned up, and ``more`` that stays wrong; what was cleaned up."""
    found = [f"{FAILED_ACTION}{failure}" for failure in FAILED]
    cleaned: list[str] = []
    monkeypatch.setattr(cluster, "problems", lambda: [*(() if cleaned else found), *more], raising=False)
    monkeypatch.setattr(cluster.stack, "cleanup", lambda: cleaned.append("all"))
    return cleaned


def test_what_failed_while_the_machines_booted_is_cleaned_up_once(cluster, monkeypatch):
    """Seen on emulated machines: the first monitor was slower than its timeout, and nothing would have ended that."""
    cleaned = forgets(cluster, monkeypatch)
    wait_whole(cluster, 5, cleans=True)
    assert cleaned == ["all"]


def test_a_cluster_that_stands_is_not_cleaned_up_behind_its_back(cluster, monkeypatch):
    cleaned = forgets(cluster, monkeypatch)
    with pytest.raises(ClusterError, match="did not complete within 20s"):
        wait_whole(cluster, 0.3)
    assert cleaned == []


def test_where_more_is_wrong_nothing_is_cleaned_up(cluster, monkeypatch):
    cleaned = forgets(cluster, monkeypatch, "rs-02 is not online")
    with pytest.raises(ClusterError, match="rs-02 is not online"):
        wait_whole(cluster, 0.3, cleans=True)
    assert cleaned == []
