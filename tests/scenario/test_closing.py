"""How a scenario ends: what is open is waited for, the faults are healed, and the cluster becomes whole again."""

from __future__ import annotations

import threading
import time

import pytest

from fenceline.core.errors import ClusterError, FaultError, Undecided
from fenceline.faults import make_fault
from fenceline.machines.protocol import Power
from fenceline.model.event import Event
from fenceline.model.verdict import Verdict
from fenceline.scenario.closing import become_whole, settle, undecided_without
from tests.clocks import now_ns
from tests.judge.logs import A, B, Log, green, topology
from tests.judge.test_whole import base


@pytest.fixture
def kinds(stage):
    def told(kind: str) -> list[dict]:
        return [event.data for event in stage.run.log.events() if event.kind == kind]
    return told


def replies(stage, node: str | None, ok: bool = True) -> None:
    stage.run.log.record("client", node, "reply", {"service": "web", "ok": ok, "sent_ns": now_ns(), "from": node,
                                                   "status": None, "error": None})


class Client:
    """Asks web every 10 ms; ``node`` answers, or nobody does."""

    def __init__(self, stage, node: str | None) -> None:
        self.stage, self.node = stage, node
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)

    def _go(self) -> None:
        while not self._end.wait(0.01):
            replies(self.stage, self.node, self.node is not None)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()


def shot(stage, node: str = A) -> None:
    """``node`` has lost its power a moment ago, and the log knows what that costs."""
    log = stage.run.log
    log.record("fault", None, "fault.begin", {"id": 1, "fault": "power-off", "targets": [node], "params": {},
                                              "cost": {"lost": [node]}})
    log.record("machine", node, "power.off", {"why": "power_off"})
    log.record("fault", None, "fault.injected", {"id": 1})
    log.record("fault", None, "fault.confirmed", {"id": 1, "evidence": {}})


# --- what is open is waited for -----------------------------------------------------------------------------------


def test_where_nothing_is_open_it_costs_next_to_nothing(stage, kinds):
    with Client(stage, A):
        time.sleep(0.1)
        assert settle(stage.run.log, stage.cluster.topology, stage.say) < 0.3
    assert kinds("settled")[0]["waited_for"] == []


def test_an_outage_that_has_not_begun_to_show_is_waited_for(stage, kinds, monkeypatch):
    """Seen: PASS 40 ms after the active node was shot, "no outage was seen"."""
    monkeypatch.setattr("fenceline.judge.settling._ACT_S", 0.0)
    with Client(stage, A) as client:
        time.sleep(0.1)
        client.node = None
        shot(stage)
        back = threading.Timer(1.0, lambda: setattr(client, "node", B))
        back.start()
        seconds = settle(stage.run.log, stage.cluster.topology, stage.say)
    assert 1.0 < seconds < 8.0
    assert "an answer of web, which rs-01 had" in kinds("settled")[0]["waited_for"]
    assert any(event.kind == "reply" and event.data["from"] == B for event in stage.run.log.events())


def test_it_is_not_waited_beyond_the_budget(stage, kinds, monkeypatch):
    web = stage.cluster.topology.services["web"].model_copy(update={"failover_budget": 1.0})
    monkeypatch.setattr("fenceline.judge.settling._ACT_S", -2.0)
    about = stage.cluster.topology.model_copy(update={"services": {"web": web}})
    with Client(stage, A) as client:
        time.sleep(0.1)
        client.node = None
        shot(stage)
        assert 1.0 < settle(stage.run.log, about, stage.say) < 6.0


def test_a_service_that_stops_answering_as_its_cluster_is_whole_is_waited_for(stage, monkeypatch):
    """Seen: UNKNOWN, the log ended 0.4 s into an outage, in which the healing was just told to be done."""
    answering = threading.Event()
    with Client(stage, A) as client:
        time.sleep(0.1)

        def become_whole(cluster) -> bool:
            client.node = None
            stage.run.log.wait_for(lambda event: event.kind == "reply" and not event.data["ok"], 5.0, "silence")
            threading.Timer(1.0, lambda: (setattr(client, "node", B), answering.set())).start()
            return True

        monkeypatch.setattr("fenceline.scenario.scene.undecided_without", lambda *_: None)
        monkeypatch.setattr("fenceline.scenario.scene.become_whole", become_whole)
        monkeypatch.setattr(stage.run, "note", lambda **_: None)
        for back in ("look_back", "read_back"):
            monkeypatch.setattr(stage.run, back, lambda cluster: None)
        stage.finish(None)
    assert answering.is_set()
    last = [event for event in stage.run.log.events() if event.kind == "settled"][-1]
    assert last.data["after"] == "healing" and last.data["waited_for"] == ["web, which does not answer"]


def test_a_fault_that_ends_by_itself_is_waited_for(stage, kinds):
    log = stage.run.log
    log.record("fault", None, "fault.begin", {"id": 1, "fault": "io-load", "targets": [A], "params": {}, "cost": {},
                                              "lasts_s": 1.0})
    log.record("fault", None, "fault.injected", {"id": 1})
    with Client(stage, A):
        time.sleep(0.1)
        assert 0.7 < settle(log, stage.cluster.topology, stage.say) < 2.5
    assert kinds("settled")[0]["waited_for"] == ["io-load on rs-01, which lasts 1 s"]


def test_faults_that_last_say_so_in_the_log(cluster):
    log = cluster.log
    cluster.sessions[A].answer = lambda command: (0, "0 100000")  # sectors written
    cluster.faults.inject(make_fault("io-load", node=A, seconds=7))
    cluster.faults.inject(make_fault("standby", node=B))
    told = {event.data["fault"]: event.data.get("lasts_s") for event in log.events() if event.kind == "fault.begin"}
    assert told == {"io-load": 7.0, "standby": None}


# --- where it is pointless to ask whether the cluster is whole -------------------------------------------------------


def so_far(log: Log) -> list[Event]:
    """``log`` before it has an end."""
    return [event for event in log.events if event.kind != "scenario.end"]


def test_a_run_that_is_good_so_far_goes_on():
    assert undecided_without(so_far(green()), topology()) is None


def test_an_expected_break_of_this_very_promise_is_still_to_come():
    assert undecided_without(so_far(green().expect_break("whole again")), topology()) is None


@pytest.mark.parametrize(("log", "why"), [
    (green().mount(16, A), "the run was FAIL before (single mount)"),
    (green().mount(16, A).expect_break("single mount").expect_break("fence before takeover"),
     "single mount, fence before takeover was broken, as the scenario expected"),
    (green().expect_break("single mount"), "the run was FAIL before (single mount)"),
    (green().add(24, "scenario", None, "broken", reason="x"), "the run was BROKEN before (evidence)")])
def test_a_run_that_is_decided_does_not(log, why):
    assert undecided_without(so_far(log), topology()) == why


def test_what_is_open_before_is_no_reason():
    assert undecided_without(base().good(0, 5, A).bad(5, 8, took=.001).events, topology()) is None


# --- healed, and whole again ----------------------------------------------------------------------------------------


def whole(cluster) -> dict:
    """What the log tells of the end."""
    become_whole(cluster)
    found = [event.data for event in cluster.log.events() if event.kind == "whole"]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def healthy(cluster, monkeypatch):
    monkeypatch.setattr("fenceline.scenario.closing.configurations", lambda cluster: {A: "a" * 64, B: "a" * 64})
    return cluster


def test_a_cluster_to_which_nothing_happened_is_looked_at_once(healthy):
    told = whole(healthy)
    assert (told["problems"], told["switched_on"], told["cleaned"]) == ([], [], [])
    assert "cleanup" not in healthy.stack.calls
    assert sum(event.kind == "state" for event in healthy.log.events()) == 1


def test_what_is_in_force_is_healed_first(healthy):
    healthy.faults.inject(make_fault("standby", node=B))
    assert become_whole(healthy) is True
    assert healthy.faults.active == []
    assert [event.kind for event in healthy.log.events() if event.kind in ("healing", "fault.healed", "whole")] == [
        "healing", "fault.healed", "whole"]


def test_what_can_not_be_healed_is_told_and_nothing_is_waited_for(healthy):
    healthy.pace = 0.01
    healthy.faults.inject(make_fault("standby", node=B))
    healthy.stack.deaf = True
    assert become_whole(healthy) is False
    assert [event.kind for event in healthy.log.events()][-1] == "fault.unhealed"


@pytest.mark.parametrize(("harm", "said"), [
    (lambda cluster: cluster.quorum.update({B: None}), "rs-02 has not joined: its agent reports no quorum"),
    (lambda cluster: cluster.answering.update(web=False), "web does not answer on its VIP"),
    (lambda cluster: setattr(cluster.stack, "broken", ClusterError("no member tells")), "no member tells")])
def test_what_is_missing_in_the_end_is_told(healthy, harm, said):
    harm(healthy)
    healthy.pace = 0.002
    assert whole(healthy)["problems"] == [said]


def test_configurations_that_differ(healthy, monkeypatch):
    healthy.pace = 0.002
    monkeypatch.setattr("fenceline.scenario.closing.configurations", lambda cluster: {A: "a" * 64, B: "b" * 64})
    assert whole(healthy)["problems"] == [
        "the nodes' configurations differ: rs-01 aaaaaaaaaaaa, rs-02 bbbbbbbbbbbb"]


def test_a_failure_is_cleaned_up_once_all_the_rest_is_well(healthy, monkeypatch):
    healthy.stack.changes = {"failures": ("web-nginx_monitor_0 on rs-01: error",)}
    monkeypatch.setattr(healthy.stack, "cleanup", lambda: healthy.stack.changes.clear())
    told = whole(healthy)
    assert (told["problems"], told["cleaned"]) == ([], ["web-nginx_monitor_0 on rs-01: error"])


def test_a_failure_that_comes_again_is_told(healthy):
    healthy.pace = 0.002
    healthy.stack.changes = {"failures": ("web-nginx_monitor_0 on rs-01: error",)}
    assert whole(healthy)["problems"] == ["failed action: web-nginx_monitor_0 on rs-01: error"]
    assert healthy.stack.calls.count("cleanup") == 1


def test_nobody_cleans_up_while_a_service_stays_down_for_it(healthy, monkeypatch):
    """A cluster that needs an administrator to start its service again, as its failures never expire, is not whole."""
    healthy.pace = 0.002
    healthy.answering.update(web=False)
    healthy.stack.changes = {"failures": ("web-nginx_start_0 on rs-01: error",)}
    assert len(whole(healthy)["problems"]) == 2
    assert "cleanup" not in healthy.stack.calls


@pytest.mark.parametrize("change", [{"fencing": "none"}, {"recovery": "disable"}, {"recovery": "restart-disable"}])
def test_unless_the_topology_leaves_that_to_people(healthy, monkeypatch, change):
    about = healthy.topology
    if "recovery" in change:
        web = about.services["web"].model_copy(update=change)
        healthy.topology = about.model_copy(update={"services": {"web": web}})
    else:
        healthy.topology = about.model_copy(update={"fencing": about.fencing.model_copy(update={"method": "none"})})
    healthy.answering.update(web=False)
    healthy.stack.changes = {"failures": ("web-nginx_start_0 on rs-01: error",)}

    def cleanup() -> None:
        healthy.stack.changes.clear()
        healthy.answering.update(web=True)
    monkeypatch.setattr(healthy.stack, "cleanup", cleanup)
    assert whole(healthy)["problems"] == []


def test_a_machine_that_fencing_left_off_is_switched_on(healthy):
    healthy.topology = healthy.topology.model_copy(
        update={"fencing": healthy.topology.fencing.model_copy(update={"action": "off"})})
    healthy.machines[A].state = Power.OFF
    assert whole(healthy)["switched_on"] == [A]
    assert healthy.machines[A].power() is Power.ON


def test_one_that_its_device_switches_on_again_is_left_to_it(healthy, monkeypatch):
    monkeypatch.setattr("fenceline.scenario.closing._LEFT_OFF_S", 30.0)
    healthy.machines[A].state = Power.OFF
    timer = threading.Timer(0.3, healthy.machines[A].start)
    timer.start()
    assert whole(healthy)["switched_on"] == []
    assert healthy.machines[A].power() is Power.ON


def test_one_that_stays_off_is_switched_on_after_a_while(healthy, monkeypatch):
    monkeypatch.setattr("fenceline.scenario.closing._LEFT_OFF_S", 0.2)
    healthy.machines[A].state = Power.OFF
    assert whole(healthy)["switched_on"] == [A]


# --- the scene does all of it ---------------------------------------------------------------------------------------


@pytest.fixture
def ending(stage, monkeypatch):
    """What the scene did at its end, with the cluster's part replaced."""
    done: list[str] = []
    monkeypatch.setattr("fenceline.scenario.scene.settle", lambda *_: done.append("settled") or 0.0)
    monkeypatch.setattr("fenceline.scenario.scene.undecided_without", lambda *_: None)
    monkeypatch.setattr("fenceline.scenario.scene.become_whole", lambda cluster: done.append("whole") or True)
    monkeypatch.setattr(stage.run, "look_back", lambda cluster: done.append("look back"))
    monkeypatch.setattr(stage.run, "read_back", lambda cluster: done.append("read back"))
    monkeypatch.setattr(stage.run, "note", lambda **_: None)
    return done


def test_a_scenario_that_came_to_its_end(stage, ending):
    stage.finish(None)
    assert ending == ["settled", "look back", "whole", "read back", "settled"]
    assert stage.pool._is_whole


@pytest.mark.parametrize("error", [AssertionError("too late"), Undecided("put it earlier")])
def test_a_then_that_failed_does_not_end_the_log_before_all_is_decided(stage, ending, error, kinds):
    stage.finish(error)
    assert ending == ["settled", "look back"]
    assert kinds("whole") == [{"skipped": "the scenario did not come to its end"}]
    assert not stage.pool._is_whole


@pytest.mark.parametrize("error", [FaultError("no effect"), ZeroDivisionError(), KeyboardInterrupt()])
def test_after_a_mistake_there_is_nothing_to_wait_for(stage, ending, error):
    stage.finish(error)
    assert ending == ["look back"]


def test_a_run_that_is_decided_is_not_healed(stage, ending, monkeypatch, kinds):
    monkeypatch.setattr("fenceline.scenario.scene.undecided_without", lambda *_: "the run was FAIL before (steps)")
    stage.finish(None)
    assert ending == ["settled", "look back"]
    assert kinds("whole") == [{"skipped": "the run was FAIL before (steps)"}]


def test_a_cluster_that_is_not_whole_is_not_read_again(stage, ending, monkeypatch):
    monkeypatch.setattr("fenceline.scenario.scene.become_whole", lambda cluster: False)
    assert stage.finish(None).verdict is not Verdict.PASS
    assert ending == ["settled", "look back"] and not stage.pool._is_whole


def test_a_mistake_of_ours_at_the_end_makes_the_run_broken_and_costs_no_verdict(stage, ending, monkeypatch, kinds):
    def fail(cluster):
        raise ZeroDivisionError("a bug")
    monkeypatch.setattr("fenceline.scenario.scene.become_whole", fail)
    assert stage.finish(None) is not None
    assert kinds("broken") == [{"reason": "ZeroDivisionError: a bug"}]
