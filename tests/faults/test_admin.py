"""What an administrator does: forbidden nodes, a configuration that is changed."""

from __future__ import annotations

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault

KEY = "cluster-recheck-interval"  # 60s in every topology


def test_a_ban_drives_the_service_away(cluster):
    active = cluster.faults.inject(make_fault("ban", service="web", node="rs-01"))
    assert cluster.stack.calls == ["ban web rs-01"] and active.evidence["runs_there"] is False
    cluster.faults.heal(active)
    assert cluster.stack.moves == {}


def test_a_ban_that_the_cluster_does_not_know(cluster):
    cluster.stack.deaf, cluster.pace = True, 0.005
    fault = make_fault("ban", service="web", node="rs-01")
    fault.inject(cluster)
    with pytest.raises(FaultError, match="to say that web was moved"):
        fault.confirm(cluster, 0)


def test_a_service_that_stays_where_it_may_not(cluster):
    cluster.pace = 0.005
    fault = make_fault("ban", service="web", node="rs-01")
    fault.inject(cluster)
    cluster.owners["web"] = "rs-01"
    with pytest.raises(FaultError, match="web to leave rs-01"):
        fault.confirm(cluster, 0)
    with pytest.raises(FaultError, match="still there"):
        fault.confirm_healed(cluster)


def test_a_change_reaches_every_copy_of_the_configuration(cluster):
    cluster.pace = 0.005
    cluster.stack.properties[KEY] = "60s"
    fault = make_fault("config-change")
    fault.inject(cluster)
    assert fault.confirm(cluster, 0) == {KEY: {"rs-01": "73s", "rs-02": "73s"}}
    cluster.stack.copies["rs-02"] = {KEY: "60s"}
    with pytest.raises(FaultError, match="to be 73s in every member's own copy: .*'rs-02': '60s'"):
        fault.confirm(cluster, 0)
    cluster.stack.copies.clear()
    with pytest.raises(FaultError, match="to be 60s"):
        fault.confirm_healed(cluster)
    fault.heal(cluster)
    assert fault.confirm_healed(cluster) and cluster.stack.properties[KEY] == "60s"


def test_what_was_not_there_before_is_taken_out_again(cluster):
    fault = make_fault("config-change", key="batch-limit", value="3")
    fault.inject(cluster)
    fault.heal(cluster)
    assert "batch-limit" not in cluster.stack.properties and fault.confirm_healed(cluster)


@pytest.mark.parametrize(("name", "parameters"), [("ban", {"service": "web", "node": "rs-01"}), ("config-change", {})])
def test_a_stack_that_knows_no_such_thing(cluster, name, parameters):
    class Old:
        name = "heartbeat"
    cluster.stack = Old()
    with pytest.raises(FaultError, match="the stack heartbeat"):
        make_fault(name, **parameters).inject(cluster)
