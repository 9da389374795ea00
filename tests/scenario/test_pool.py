"""Clusters between scenarios: reused when certainly whole, else built anew."""

from __future__ import annotations

import pytest

from fenceline.cluster.cluster import ClusterOptions
from fenceline.core.errors import ClusterError, MachineError
from fenceline.core.progress import Progress
from fenceline.faults import make_fault
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology
from fenceline.model.verdict import BROKEN_AS_EXPECTED, Finding, Judgement, Verdict
from fenceline.scenario import pool as pool_module
from fenceline.scenario.pool import ClusterPool, prepare
from tests.fakes import FakeCluster

OPTIONS = ClusterOptions("uml")


@pytest.fixture
def world(tmp_path, web, monkeypatch):
    """A pool of fake clusters; ``world.begin`` counts its calls and switches the log."""
    class World:
        def __init__(self):
            self.lines: list[str] = []
            self.made: list[FakeCluster] = []
            self.begun = 0
            self.pool = ClusterPool(OPTIONS, Progress(self.lines.append))

        def make(self, topology, log, consoles, options, progress):
            assert options is OPTIONS and log is self.pool.log
            (tmp_path / str(len(self.made))).mkdir()
            self.made.append(FakeCluster(topology, log, tmp_path / str(len(self.made)) / "consoles", options, progress))
            return self.made[-1]

        def begin(self):
            self.begun += 1
            self.pool.log.switch(tmp_path / f"events-{self.begun}.jsonl")
            self.pool.log.record("scenario", None, "scenario.begin", {})

        def acquire(self, topology=web):
            return self.pool.acquire(topology, self.begin, tmp_path / "consoles")

        def said(self, text):
            return any(text in line for line in self.lines)
    made = World()
    monkeypatch.setattr(pool_module, "Cluster", made.make)
    yield made
    for cluster in made.made:
        cluster.journal.close(remove=True)


def kinds(cluster):
    return [event.kind for event in cluster.log.events()]


def test_a_new_one_is_built_after_the_log_has_begun(world):
    up = FakeCluster.up
    seen = []
    FakeCluster.up = lambda self: seen.append(kinds(self))
    try:
        world.acquire()
    finally:
        FakeCluster.up = up
    assert seen == [["scenario.begin"]]  # so that its bring-up is judged
    assert (world.pool.built, world.pool.reused, world.begun) == (1, 0, 1)


def test_a_whole_one_is_used_again(world):
    first = world.acquire()
    assert world.pool.release(first) == []
    assert "down" not in first.calls
    assert world.acquire() is first
    assert "cleanup" in first.stack.calls
    assert (world.pool.built, world.pool.reused, world.begun) == (1, 1, 2)
    assert kinds(first)[:2] == ["scenario.begin", "power.on"]  # what is the case stands in the new segment
    assert first.calls == ["up", "baseline", "link_consoles"]
    assert world.said("reused, as it is whole")


def test_what_happened_between_scenarios_is_in_no_scenarios_log(world):
    first = world.acquire()
    world.pool.release(first)
    first.log.record("test", None, "between")
    world.acquire()
    assert "between" not in kinds(first)


def test_one_of_another_topology_is_taken_down(world):
    first = world.acquire()
    world.pool.release(first)
    second = world.acquire(load_topology("web-iscsi-3"))
    assert second is not first and first.calls[-1] == "down"
    assert (world.pool.built, world.pool.reused) == (2, 0)


def test_one_with_other_timing_is_another(world, web):
    first = world.acquire()
    world.pool.release(first)
    assert world.acquire(web.model_copy(update={"boot_deadline": 99.0})) is not first


@pytest.mark.parametrize("harm", [
    lambda cluster: cluster.quorum.update({"rs-02": None}),
    lambda cluster: setattr(cluster.machines["rs-02"], "state", Power.OFF),
    lambda cluster: cluster.answering.update(web=False),
    lambda cluster: setattr(cluster.stack, "changes", {"failures": ("x",)}),
    lambda cluster: setattr(cluster.stack, "broken", ClusterError("no member tells"))])
def test_one_that_is_not_whole_any_more_is_built_anew(world, harm):
    first = world.acquire()
    world.pool.release(first)
    harm(first)
    second = world.acquire()
    assert second is not first and first.calls[-1] == "down"
    assert (world.pool.built, world.pool.reused) == (2, 0)
    assert world.said("rebuilt, as")
    assert kinds(second)[0] == "scenario.begin"


def test_release_heals_and_keeps(world):
    cluster = world.acquire()
    cluster.faults.inject(make_fault("standby", node="rs-02"))
    assert world.pool.release(cluster) == []
    assert cluster.faults.active == [] and cluster.stack.standbys == set()
    assert "down" not in cluster.calls


def test_what_can_not_be_healed_is_taken_down(world):
    cluster = world.acquire()
    cluster.pace = 0.01
    cluster.faults.inject(make_fault("standby", node="rs-02"))
    cluster.stack.deaf = True
    problem, = world.pool.release(cluster)
    assert problem.startswith("standby: ")
    assert cluster.calls[-1] == "down"
    assert world.acquire() is not cluster


def test_without_reuse_every_scenario_has_its_own(world):
    world.pool._reuse = False
    cluster = world.acquire()
    assert world.pool.release(cluster) == []
    assert cluster.calls[-1] == "down" and world.acquire() is not cluster


def test_a_new_one_whose_service_came_up_elsewhere_is_prepared(world, monkeypatch):
    monkeypatch.setattr(FakeCluster, "up", lambda self: self.owners.update(web="rs-02"))
    assert world.acquire().owners == {"web": "rs-01"}


def test_a_new_one_whose_service_does_not_come_home_is_not_kept(world, monkeypatch):
    def up(self):
        self.owners["web"], self.stack.deaf, self.pace = "rs-02", True, 0.1
    monkeypatch.setattr(FakeCluster, "up", up)
    with pytest.raises(ClusterError, match="web to move home to rs-01"):
        world.acquire()
    assert world.made[0].calls[-1] == "down" and world.pool._cluster is None


def test_one_that_does_not_come_up_is_not_kept(world, monkeypatch):
    def fail(self):
        raise MachineError("rs-01 never booted")
    monkeypatch.setattr(FakeCluster, "up", fail)
    with pytest.raises(MachineError):
        world.acquire()
    monkeypatch.undo()
    assert world.pool._cluster is None and world.pool.built == 0


def test_close_may_be_repeated(world):
    cluster = world.acquire()
    world.pool.close()
    world.pool.close()
    assert cluster.calls.count("down") == 1


# -- the place where each scenario begins --------------------------------------------------------------------------


def test_a_service_at_home_is_left_alone(cluster):
    prepare(cluster)
    assert cluster.stack.calls == []


def test_a_service_goes_home(cluster):
    cluster.owners["web"] = "rs-02"
    prepare(cluster)
    assert cluster.stack.calls == ["move web rs-01", "clear_moves web"]
    assert cluster.owners["web"] == "rs-01" and not cluster.stack.moves


def test_a_service_that_does_not_go_home(cluster):
    cluster.owners["web"] = "rs-02"
    cluster.stack.deaf = True
    with pytest.raises(ClusterError, match="web to move home to rs-01"):
        prepare(cluster)


def test_a_cluster_that_is_not_whole_is_not_prepared(cluster):
    cluster.answering["web"] = False
    with pytest.raises(ClusterError, match="web does not answer"):
        prepare(cluster)
    assert cluster.stack.calls == []


@pytest.mark.parametrize("judgement", [
    Judgement(Verdict.FAIL, (Finding("single mount", Verdict.FAIL, "both"),)),
    Judgement(Verdict.PASS, (Finding("single mount", Verdict.PASS, f"{BROKEN_AS_EXPECTED}: both"),)),
    Judgement(Verdict.BROKEN), Judgement(Verdict.INVALID), Judgement(Verdict.UNKNOWN)])
def test_a_cluster_whose_promises_were_broken_is_never_used_again(world, judgement):
    cluster = world.acquire()
    assert world.pool.release(cluster, judgement) == []
    assert world.acquire() is not cluster


def test_a_cluster_that_kept_every_promise_is_used_again(world):
    cluster = world.acquire()
    assert world.pool.release(cluster, Judgement(Verdict.PASS)) == []
    assert world.acquire() is cluster


def test_a_cluster_that_can_not_forget_at_once_is_asked_again(world, monkeypatch):
    cluster = world.acquire()
    answers = iter([ClusterError("crm_resource failed: 102"), None])

    def cleanup():
        if error := next(answers):
            raise error
    monkeypatch.setattr(cluster.stack, "cleanup", cleanup)
    assert world.pool.release(cluster) == []
    assert world.acquire() is cluster and next(answers, "asked twice") == "asked twice"
    assert world.pool.reused == 1
