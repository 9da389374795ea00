"""Who holds the connection to a remote node."""

import threading

import pytest

from fenceline.core.errors import ClusterError
from fenceline.model.load import load_topology
from fenceline.stacks.state import ResourceState
from fenceline.steps import remote
from tests.fakes import make_cluster, make_scene
from tests.steps.test_then import green, red


@pytest.fixture
def stage(tmp_path):
    with make_cluster(load_topology("web-remote"), tmp_path) as cluster:
        scene = make_scene(cluster, tmp_path, "web")
        hold(scene, "node1")
        yield scene


def hold(scene, *nodes):
    scene.cluster.stack.changes = {"resources": (
        ResourceState("remote1", "ocf:pacemaker:remote", "Started", nodes, bool(nodes), False, True),)}


def test_held_by_another(stage):
    remote.holder_into_standby(stage, "node remote1")
    assert stage.cluster.stack.calls == ["standby node1 True"]
    red(remote.held_by_another, stage, "node remote1", "0.2", match="another member than node1 to hold")
    hold(stage)
    red(remote.held_by_another, stage, "node remote1", "0.2")
    hold(stage, "node2")
    stage.last_fault_ns = stage.run.log.record("test", None, "x", {}).t_ns
    green(remote.held_by_another, stage, "node remote1", "5")


def test_what_is_no_connection(stage):
    with pytest.raises(ClusterError, match="node2 is no remote node"):
        remote.holder_into_standby(stage, "node node2")
    hold(stage)
    stage.cluster.pace = 0.01
    with pytest.raises(ClusterError, match="nobody holds the connection to remote1"):
        remote.holder_into_standby(stage, "node remote1")


def test_a_connection_that_is_only_being_made_is_waited_for(stage):
    hold(stage)
    timer = threading.Timer(0.2, lambda: hold(stage, "node2"))
    timer.start()
    remote.holder_into_standby(stage, "node remote1")
    timer.join()
    assert stage.cluster.stack.calls == ["standby node2 True"]
