"""Faults of the cluster software itself: what they run, what confirms them, and that they see when it is not so."""

import pytest

from fenceline.core.errors import FaultError
from fenceline.faults import make_fault
from fenceline.faults import software as module
from fenceline.machines.protocol import Power
from tests.fakes import FakeCluster

NODE, OTHER = "rs-01", "rs-02"


@pytest.fixture
def soft(cluster: FakeCluster, monkeypatch):
    """Nodes whose cluster software obeys systemd, unless they are ``deaf``."""
    monkeypatch.setattr(module, "_STOPPED", 0.2)
    cluster.deaf = set()
    cluster.running = dict.fromkeys(cluster.topology.cluster_nodes, True)
    cluster.files = {node: "cib.xml" for node in cluster.topology.cluster_nodes}
    cluster.spoilt = set()

    def answer(node):
        def run(command):
            line = command if isinstance(command, str) else " ".join(command)
            if "systemctl" in line:
                if node not in cluster.deaf:
                    cluster.running[node] = "start" in line
            elif line.startswith("pgrep"):
                return 0 if cluster.running[node] else 1
            elif line.startswith("rm -f"):
                cluster.files[node] = ""
            elif line.startswith("ls -A"):
                return 0, cluster.files[node]
            elif "sha256sum" in line:
                return 0, f"{cluster.files[node] or 'cib.xml'}  -\n"
            elif line.startswith("nginx -t"):
                return 1 if node in cluster.spoilt else 0
            elif "echo 'sever" in line:
                cluster.spoilt |= {node} - cluster.deaf
            elif "|| mv" in line:
                cluster.spoilt -= {node} - cluster.deaf
            return 0
        return run
    for node, session in cluster.sessions.items():
        session.answer = answer(node)
        session.wait = lambda within: None
    monkeypatch.setattr(cluster.stack, "state", lambda real=cluster.stack.state: _online(cluster, real()))
    return cluster


def _online(cluster, state):
    from dataclasses import replace
    return replace(state, members=tuple(replace(one, online=one.online and cluster.running[one.name])
                                        for one in state.members))


def _commands(cluster, node):
    return [" ".join(one) if not isinstance(one, str) else one for one in cluster.sessions[node].commands]


def test_software_is_stopped_and_started_on_all_at_once(soft):
    active = soft.faults.inject(make_fault("software-stop", nodes=f"{NODE},{OTHER}"))
    assert not any(soft.running.values()) and active.fault.targets == (NODE, OTHER)
    assert _commands(soft, OTHER)[0] == "systemctl --no-block stop pacemaker corosync"
    soft.faults.heal(active)
    assert all(soft.running.values())
    assert "systemctl --no-block start corosync pacemaker" in _commands(soft, OTHER)


def test_software_that_does_not_stop(soft):
    soft.deaf = {OTHER}
    with pytest.raises(FaultError, match="for the cluster software of rs-02 to stop"):
        soft.faults.inject(make_fault("software-stop", nodes=(NODE, OTHER)))


def test_software_that_does_not_come_back(soft, monkeypatch):
    object.__setattr__(soft.topology, "form_deadline", 0.2)
    active = soft.faults.inject(make_fault("software-stop", nodes=(NODE,)))
    soft.deaf = {NODE}
    with pytest.raises(FaultError, match="for rs-01 to be online again"):
        soft.faults.heal(active)


def test_a_node_that_is_off_is_switched_on(soft):
    active = soft.faults.inject(make_fault("software-stop", nodes=(NODE,)))
    soft.machines[NODE].power_off()
    soft.faults.heal(active)
    assert soft.machines[NODE].power() is Power.ON


def test_a_start_is_interrupted(soft):
    active = soft.faults.inject(make_fault("start-interrupted", node=NODE, after="250ms"))
    script = next(line for line in _commands(soft, NODE) if "sleep 0.25" in line)
    assert "start corosync pacemaker" in script and "pgrep -x pacemakerd" in script
    assert not soft.running[NODE]
    soft.faults.heal(active)
    assert soft.running[NODE]


def test_a_configuration_is_lost_and_got_again(soft):
    active = soft.faults.inject(make_fault("configuration-lost", node=NODE))
    assert active.evidence["files"] == 0 and soft.files[NODE] == ""
    soft.faults.heal(active)
    assert active.healed


def test_a_configuration_that_stays_or_differs(soft, monkeypatch):
    soft.sessions[NODE].answer = lambda command, real=soft.sessions[NODE].answer: (
        (0, "cib.xml") if "ls" in command else real(command))
    with pytest.raises(FaultError, match="cib.xml is left"):
        soft.faults.inject(make_fault("configuration-lost", node=NODE))
    soft.faults.active.clear()
    fault = make_fault("configuration-lost", node=NODE)
    soft.files[OTHER] = "another"
    soft.running[NODE] = True
    monkeypatch.setattr(soft, "poll", lambda condition, within, what, error: (
        0.0 if condition() else (_ for _ in ()).throw(error(what))))
    with pytest.raises(FaultError, match="all nodes to have the same configuration"):
        fault.confirm_healed(soft)


def test_near_quorum_is_planned_by_its_seed():
    nodes = ("a", "b", "c", "d", "e")
    plan = make_fault("near-quorum", seed=7, rounds=20).plan(nodes)
    assert [len(chosen) for chosen in plan] == [2, 3] * 10
    assert plan == make_fault("near-quorum", seed="7", rounds="20").plan(nodes)
    assert plan != make_fault("near-quorum", seed=8, rounds=20).plan(nodes)
    assert all(set(one) & set(other) for one, other in zip(plan, plan[1:], strict=False))


def test_near_quorum_needs_a_quorum(soft):
    with pytest.raises(FaultError, match="needs three nodes"):
        soft.faults.inject(make_fault("near-quorum", seed=1, rounds=2))


@pytest.mark.parametrize(("told", "right"), [
    ({"quorate": True, "members": [NODE, OTHER]}, True), ({"quorate": False, "members": [NODE, OTHER]}, False),
    ({"quorate": True, "members": [NODE]}, False), (None, False)])
def test_near_quorum_sees_a_wrong_quorum(soft, monkeypatch, told, right):
    soft.quorum = dict.fromkeys((NODE, OTHER), told)
    soft.quorum_of = soft.quorum.get
    seen = []
    monkeypatch.setattr(soft, "poll", lambda condition, *_: seen.append(condition()))
    make_fault("near-quorum", seed=1, rounds=1)._settle(soft, (NODE, OTHER))
    assert seen == [right]


def test_a_spoilt_configuration(soft):
    active = soft.faults.inject(make_fault("configuration-spoilt", node=NODE, service="web"))
    soft.deaf = {NODE}
    with pytest.raises(FaultError, match="does not take its configuration"):
        soft.faults.heal(active)
    soft.deaf = set()
    soft.faults.heal(active)
    assert soft.spoilt == set()


def test_a_configuration_that_is_not_spoilt(soft):
    soft.deaf = {NODE}
    with pytest.raises(FaultError, match="still takes its configuration"):
        soft.faults.inject(make_fault("configuration-spoilt", node=NODE, service="web"))
    with pytest.raises(FaultError, match="no service 'mail' in web-iscsi"):
        soft.faults.inject(make_fault("configuration-spoilt", node=NODE, service="mail"))
