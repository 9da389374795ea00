"""A schedule played on a scene: in time, by moments, and with what it leaves out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fenceline.chaos.episode import Stage
from fenceline.chaos.memory import remembered
from fenceline.chaos.play import Player, play_chaos
from fenceline.chaos.schedule import SCHEDULE, ScheduleError, load_schedule, parse_schedule
from fenceline.cluster.cluster import ClusterOptions
from fenceline.core.errors import FaultError
from fenceline.core.progress import Progress
from fenceline.faults.base import FAULTS, OnNode, fault
from fenceline.judge.evidence import _judge_chaos, _judge_faults
from fenceline.judge.findings import Tally
from fenceline.judge.history import build_history
from fenceline.model.cost import Cost
from fenceline.model.verdict import Verdict
from fenceline.scenario.pool import ClusterPool
from tests.clocks import now_ns
from tests.fakes import FakeCluster
from tests.judge.logs import A, B


@pytest.fixture
def tickle():
    """A fault that leaves a trace and nothing else; ``deaf`` nodes don't feel it."""
    deaf: set[str] = set()

    @fault
    @dataclasses.dataclass(frozen=True)
    class Tickle(OnNode):
        """``node`` is tickled."""

        name: ClassVar[str] = "tickle"

        def costs(self, topology: Any) -> Cost:
            return Cost()

        def inject(self, cluster: Any) -> None:
            pass

        def confirm(self, cluster: Any, since_ns: int) -> dict[str, Any]:
            if self.node in deaf:
                raise FaultError(f"{self.node} does not laugh")
            return {"laughs": True}

        def heal(self, cluster: Any) -> None:
            pass

        def confirm_healed(self, cluster: Any) -> dict[str, Any]:
            return {}
    yield deaf
    FAULTS._there.pop("tickle")
    FAULTS._from.pop("tickle")


def schedule(*actions: dict, length: float = 20.0):
    return parse_schedule({"topology": "web-iscsi", "service": "web", "length": length, "actions": list(actions)}, "x")


def told(stage, kind: str) -> list[dict]:
    return [event.data for event in stage.run.log.events() if event.kind == kind]


def answers(stage, node: str) -> None:
    stage.run.log.record("client", node, "reply", {"service": "web", "ok": True, "sent_ns": now_ns(), "from": node,
                                                   "status": 200, "error": None})


def test_each_is_done_at_its_time_and_healed_after_its_time(stage, tickle):
    player = Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0.3, "for": 0.2},
                                    {"fault": "tickle", "with": {"node": B}, "at": 0.1, "for": 0.1}))
    player.play()
    begun = next(event.t_ns for event in stage.run.log.events() if event.kind == "chaos")
    nodes = {event.data["id"]: event.data["targets"][0] for event in stage.run.log.events()
             if event.kind == "fault.begin"}
    at = {(event.kind, nodes[event.data["id"]]): (event.t_ns - begun) / 1e9 for event in stage.run.log.events()
          if event.kind in ("fault.begin", "fault.confirmed", "fault.healed")}
    # no sooner; how much later, the host decides
    assert at["fault.begin", B] >= 0.1 and at["fault.healed", B] >= at["fault.confirmed", B] + 0.1
    assert at["fault.begin", A] >= 0.3 and at["fault.healed", A] >= at["fault.confirmed", A] + 0.2
    assert player.confirmed == 2 and not stage.cluster.faults.active


def test_a_moment_is_waited_for(stage, tickle):
    stage.run.log.listeners.append(
        lambda event: event.kind == "fault.confirmed" and event.data["id"] == 1 and stage.run.log.record(
            "bmc", A, "bmc.request", {"action": "off"}))
    Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0.1, "for": 0.1},
                           {"fault": "tickle", "with": {"node": B}, "after": "fencing starts", "delay": 0.1,
                            "for": 0.1})).play()
    assert [one["targets"] for one in told(stage, "fault.begin")] == [[A], [B]]
    assert told(stage, "anchor")[0]["wanted_s"] == 0.1


def test_a_moment_that_never_comes_spoils_nothing(stage, tickle):
    Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0.1, "for": 0.1},
                           {"fault": "tickle", "with": {"node": B}, "after": "fencing starts", "for": 0.1},
                           length=2.0)).play()
    assert len(told(stage, "fault.begin")) == 1 and not told(stage, "fault.unconfirmed")


def test_whoever_serves_then_is_hit(stage, tickle):
    answers(stage, B)
    Player(stage, schedule({"fault": "tickle", "with": {"node": "the node that serves now"}, "at": 0.1,
                            "for": 0.1})).play()
    assert told(stage, "fault.begin")[0]["targets"] == [B]
    assert told(stage, "chaos.hit")[0]["roles"] == {B: "serves"}


def test_what_can_not_be_done_is_left_out_and_told(stage, tickle):
    stage.cluster.machines[A].power_off()
    Player(stage, schedule({"fault": "tickle", "with": {"node": "the node that serves now"}, "at": 0, "for": 0.1},
                           {"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.1},
                           {"fault": "hang", "with": {"node": B}, "at": 0, "for": 0.1}),
           lambda name: "this host has no pause" if name == "hang" else None).play()
    assert {(one["number"], one["reason"]) for one in told(stage, "chaos.skipped")} == {
        (0, "nobody serves web now"), (1, "rs-01 is not running"), (2, "this host has no pause")}
    assert not told(stage, "fault.begin")


def test_two_that_want_the_same_the_second_is_left_out(stage, tickle):
    Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.5},
                           {"fault": "tickle", "with": {"node": A}, "at": 0.2, "for": 0.1})).play()
    assert "has tickle" in told(stage, "chaos.skipped")[0]["reason"]


def test_one_without_effect_is_healed_and_told(stage, tickle):
    tickle.add(A)
    player = Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.1}))
    player.play()
    assert told(stage, "fault.unconfirmed") and told(stage, "fault.healed") and player.confirmed == 0


def test_a_mistake_in_a_fault_breaks_the_run(stage, tickle, monkeypatch):
    monkeypatch.setattr(FAULTS["tickle"], "inject", lambda self, cluster: 1 / 0)
    Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.1})).play()
    assert "ZeroDivisionError" in told(stage, "broken")[0]["reason"]


def test_all_is_healed_when_it_is_interrupted(stage, tickle, monkeypatch):
    player = Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 60}, length=60))

    def interrupted(*_: Any) -> None:
        stage.run.log.wait_for(lambda event: event.kind == "fault.confirmed", 5, "a fault")
        raise KeyboardInterrupt
    monkeypatch.setattr(player, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        player.play()
    assert told(stage, "fault.healed") and not stage.cluster.faults.active


@pytest.mark.parametrize(("silent", "invalid"), [((), False), ((A,), False), ((A, B), True)])
def test_it_is_invalid_where_nothing_took_effect(stage, tickle, silent, invalid):
    tickle.update(silent)
    Player(stage, schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.1},
                           {"fault": "tickle", "with": {"node": B}, "at": 0, "for": 0.1})).play()
    tally = Tally("evidence")
    history = build_history(stage.run.log.events(), stage.cluster.topology)
    _judge_faults(history, tally)
    assert tally.finding("well").verdict is Verdict.PASS
    _judge_chaos(history, tally)
    found = tally.finding("well")
    assert (found.verdict is Verdict.INVALID) is invalid
    assert not invalid or "of the 2 actions of the chaos" in found.reason


# --- by a sentence, and as an episode -------------------------------------------------------------------------------


def test_the_sentence_draws_plays_and_leaves_its_schedule(stage, tickle, tmp_path, monkeypatch):
    monkeypatch.setattr("fenceline.chaos.play.place", lambda driver: None)
    monkeypatch.setattr("fenceline.chaos.play.hindrances", lambda names, where: [])
    profile = tmp_path / "mine.yaml"
    profile.write_text("faults: {tickle: 1}\nrest: [100ms, 300ms]\nlasts: [100ms, 200ms]\nanchored: 0\nmoving: 0\n")
    play_chaos(stage, str(profile), 1.0, 7)
    drawn = load_schedule(stage.run.folder / SCHEDULE)
    assert drawn.seed == 7 and len(drawn.actions) >= 2
    assert len(told(stage, "chaos.hit")) + len(told(stage, "chaos.skipped")) == len(drawn.actions)
    tickle.update((A, B))
    with pytest.raises(FaultError, match="took effect"):
        play_chaos(stage, str(profile), 1.0, 8)


def test_an_episode_is_a_run_whose_verdict_says_what_was_proven(tickle, tmp_path, monkeypatch):
    """The pool's, the scene's and the judge's own path, on machines that are fakes: nobody asks them anything."""
    monkeypatch.setattr("fenceline.scenario.pool.Cluster", FakeCluster)
    lines: list[str] = []
    scene = Stage(ClusterPool(ClusterOptions("uml"), Progress(lines.append)), tmp_path / "runs",
                  history=tmp_path / "history.sqlite")
    outcome = scene.play(schedule({"fault": "tickle", "with": {"node": A}, "at": 0, "for": 0.1}), "a test")
    assert outcome.verdict is Verdict.INVALID and "no client asked" in outcome.reason
    assert outcome.confirmed == 1 and [hit[1] for hit in outcome.hits] == ["tickle"]
    folder = Path(outcome.folder)
    assert load_schedule(folder / SCHEDULE).actions[0].fault == "tickle" and (folder / "verdict.json").exists()
    with remembered(tmp_path / "history.sqlite") as memory:
        assert [row[3] for row in memory.episodes()] == ["INVALID"]


def test_a_schedule_that_does_not_fit_builds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("fenceline.scenario.pool.Cluster", None)
    with pytest.raises(ScheduleError, match="no node 'rs-09'"):
        Stage(ClusterPool(ClusterOptions("uml"), Progress(print)), tmp_path / "runs").play(
            schedule({"fault": "stun", "with": {"node": "rs-09"}, "at": 0}), "a test")
    assert not (tmp_path / "runs").exists()
