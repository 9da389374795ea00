"""Who serves: what the witnesses saw, and the cluster's own view where they can't tell."""

import threading

import pytest

from fenceline.core.errors import ClusterError
from fenceline.model.load import load_topology
from fenceline.steps import faults  # noqa: F401 - its steps are said here
from fenceline.steps.when_anchored import step_for
from tests.clocks import now_ns
from tests.fakes import make_cluster, make_scene
from tests.meanwhile import meanwhile


@pytest.fixture
def cluster(tmp_path):
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        cluster.client.services = ("web",)
        yield cluster


def nowhere(cluster):
    """The cluster has not noted yet that the daemon was started: no part of the service is said to run."""
    cluster.stack.changes = {"resources": ()}


def answers(cluster, node, service="web", ok=True):
    """A client is answered by ``node``, again and again."""
    def go(stop):
        while not stop.wait(0.01):
            cluster.log.record("client", node, "reply", {
                "service": service, "ok": ok, "sent_ns": now_ns(), "from": node, "status": 200, "error": None})
    return meanwhile(go)


def test_who_answers_serves_though_the_cluster_has_not_noted_it(cluster):
    """The client had its answer a moment before Pacemaker had noted the daemon's start."""
    nowhere(cluster)
    with answers(cluster, "rs-02"):
        assert cluster.serving("web") == "rs-02"


def test_an_answer_of_before_says_nothing_of_now(cluster):
    cluster.log.record("client", "rs-01", "reply", {
        "service": "web", "ok": True, "sent_ns": now_ns() - 10**9, "from": "rs-01", "status": 200, "error": None})
    with answers(cluster, "rs-02"):
        assert cluster.serving("web") == "rs-02"


@pytest.mark.parametrize(("node", "ok"), [("rs-01", False), (None, True)], ids=["nobody answers", "nobody knows who"])
def test_where_no_client_can_tell_the_cluster_is_asked(cluster, node, ok):
    cluster.owners["web"] = "rs-02"
    with answers(cluster, node, ok=ok):
        assert cluster.serving("web") == "rs-02"


def test_behind_a_director_the_one_with_the_address_serves(tmp_path):
    with make_cluster(load_topology("lvs-keepalived"), tmp_path) as cluster:
        name, service = next((name, one) for name, one in cluster.topology.services.items() if one.real_servers)
        first, second = cluster.topology.cluster_nodes[:2]
        real_server = cluster.topology.nodes_with("real-server")[0]
        cluster.client.services = (name,)
        cluster.holdings = {second: [f"address {service.vip.address}"]}
        with answers(cluster, real_server, name):
            assert cluster.serving(name) == second
            cluster.holdings[first] = cluster.holdings[second]  # both: nobody outside can tell
            assert cluster.serving(name) == cluster.owners[name]


def test_the_cluster_is_given_time_to_say(cluster):
    nowhere(cluster)
    timer = threading.Timer(0.3, cluster.stack.changes.clear)
    timer.start()
    assert cluster.owner("web") == "rs-01"
    timer.join()


def test_one_that_does_not_answer_is_asked_again(cluster):
    cluster.stack.broken = ClusterError("no node tells the cluster's state")
    timer = threading.Timer(0.3, lambda: setattr(cluster.stack, "broken", None))
    timer.start()
    assert cluster.owner("web") == "rs-01"
    timer.join()


def test_what_runs_nowhere_is_said_to(cluster):
    cluster.pace = 0.01
    nowhere(cluster)
    with pytest.raises(ClusterError, match="the service 'web' runs on no node as a whole .*waited"):
        cluster.owner("web")
    cluster.stack.broken = ClusterError("no node tells the cluster's state")
    with pytest.raises(ClusterError, match="no node tells the cluster's state"):
        cluster.owner("web")


def test_steps_and_roles_take_who_answers(cluster, tmp_path, monkeypatch):
    nowhere(cluster)
    with answers(cluster, "rs-02"):
        scene = make_scene(cluster, tmp_path, "web")
        asked = []
        monkeypatch.setattr(scene, "inject", lambda name, **parameters: asked.append((name, parameters["node"])))
        step_for(scene, 'the process of "web" is killed')()
        step_for(scene, 'the process of "web" hangs')()
    assert asked == [("service-kill", "rs-02"), ("service-stop", "rs-02")]
    assert scene.node("the active node") == "rs-02" and scene.node("the standby") == "rs-01"
