"""A cluster that can't tell its state, though its machines can be reached, has failed: that is no broken harness."""

from __future__ import annotations

import pytest

from fenceline.core.errors import ClusterError, ClusterSilent
from fenceline.judge.expectations import check
from fenceline.judge.history import build_history
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from fenceline.scenario import scene as scene_module
from tests.clocks import now_ns
from tests.fakes import make_cluster, make_scene

SILENT = ClusterSilent("no member tells the cluster's state", "rs-01: `crm_mon` did not end", ("rs-01", "rs-02"))


@pytest.fixture
def scene(tmp_path, monkeypatch):
    monkeypatch.setattr(scene_module, "silent_for", lambda topology: 0.4)
    monkeypatch.setattr(scene_module, "_HEARD_OUT", 0.1)
    with make_cluster(load_topology("web-iscsi"), tmp_path) as cluster:
        yield make_scene(cluster, tmp_path, "web")


def kinds(scene, *wanted):
    return [event for event in scene.run.log.events() if event.kind in wanted]


def test_silence_is_written_down_with_who_was_asked(scene):
    scene.cluster.stack.broken = SILENT
    with pytest.raises(ClusterSilent):
        scene.cluster.state()
    event, = kinds(scene, "state.unknown")
    assert event.data["nodes"] == ("rs-01", "rs-02") and event.data["unreachable"] == ()
    assert event.data["asked_ns"] <= event.t_ns
    scene.cluster.stack.broken = ClusterError("no member tells the cluster's state")
    with pytest.raises(ClusterError):
        scene.cluster.state()
    assert len(kinds(scene, "state.unknown")) == 1  # who can't be asked is not silent


def test_a_step_waits_for_as_long_as_the_cluster_may_be_silent(scene):
    scene.cluster.stack.broken = SILENT
    begun = now_ns()
    with pytest.raises(ClusterSilent):
        scene.state()
    assert 0.3 < (now_ns() - begun) / 1e9 < 5
    scene.cluster.stack.broken = None
    assert scene.state().seen_by == "rs-01"


def test_a_scenario_that_ends_so_is_not_broken_and_is_heard_out(scene):
    scene.cluster.stack.broken = SILENT
    scene.finish(SILENT)
    assert not kinds(scene, "broken")
    asked = kinds(scene, "state.unknown")
    assert len(asked) > 1 and (asked[-1].t_ns - asked[0].data["asked_ns"]) / 1e9 >= 0.4


def test_one_that_finds_its_voice_ends_the_hearing(scene):
    told = len(kinds(scene, "state"))
    scene.finish(SILENT)
    assert not kinds(scene, "broken") and len(kinds(scene, "state")) == told + 1


def test_trouble_of_the_harness_stays_broken(scene):
    scene.finish(ClusterError("rs-01: no SSH"))
    assert [event.data["reason"] for event in kinds(scene, "broken")] == ["rs-01: no SSH"]


def test_before_the_scenario_has_begun_nothing_is_known_of_the_cluster(scene):
    scene._roles = {}
    scene.finish(SILENT)
    assert kinds(scene, "broken")


def test_who_asks_for_the_owner_hears_the_silence_too(scene, monkeypatch):
    monkeypatch.setattr("fenceline.cluster.waits.OWNER_WITHIN", 0.2)
    scene.cluster.stack.broken = SILENT
    with pytest.raises(ClusterSilent):
        scene.cluster.owner("web")
    scene.cluster.stack.broken = None
    scene.cluster.stack.changes = {"resources": ()}
    with pytest.raises(ClusterError) as caught:
        scene.cluster.owner("web")
    assert not isinstance(caught.value, ClusterSilent)  # it told: nowhere


def test_the_judge_takes_what_was_written_down(scene):
    scene.cluster.stack.broken = SILENT
    scene.run.log.record("scenario", None, "ready", {"service": "web", "roles": {}, "slowdown": 0.01})
    scene.finish(SILENT)
    finding = check("cluster answers", build_history(scene.run.log.events(), scene.cluster.topology))
    assert finding.verdict is Verdict.FAIL, finding.reason
