"""Every Then-step, green and red; the last test fails if one is left out."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from pytest_bdd.steps import step_function_context_registry

from fenceline.core.errors import ClusterError, ClusterSilent, FaultError, Undecided
from fenceline.judge.promise import PROMISES
from fenceline.machines.protocol import Power
from fenceline.model.load import load_topology
from fenceline.model.verdict import Verdict
from fenceline.scenario.scene import NotInTime
from fenceline.stacks.keepalived.model import Keepalived
from fenceline.steps import then
from fenceline.steps import then_directors as directors
from fenceline.steps.promises import said
from tests.clocks import now_ns
from tests.fakes import make_cluster, make_scene
from tests.judge import logs, test_placement

SOON = "0.2"
A, B = "the active node", "the standby"


def green(step, *arguments):
    """The step passes."""
    step(*arguments)


def red(step, *arguments, match=None):
    """The step says that a promise was broken: an AssertionError, and no other kind."""
    with pytest.raises(AssertionError, match=match):
        step(*arguments)


def promise(name):
    """The step that says that the promise ``name`` was kept."""
    return said(PROMISES[name])


#: What may stand among the Then-steps, as it lies between them, and can't fail: it only waits.
DEMANDS_NOTHING = {"time_passes"}


def then_steps() -> set[str]:
    return {context.step_func.__name__ for context in step_function_context_registry.values()
            if context.type == "then" and context.step_func.__module__.startswith("fenceline.steps.")} - DEMANDS_NOTHING


@pytest.fixture
def say(stage):
    """Puts an event into the log, by default now."""
    def go(node, kind, seconds_ago=0.0, **data):
        return stage.run.log.record("test", node, kind, data, t_ns=now_ns() - int(seconds_ago * 1e9))
    return go


@pytest.fixture
def reply(stage):
    """An answer to, or a failure of, a question that was asked now (or ``asked`` s ago)."""
    def go(node=None, ok=True, service="web", asked=0.0):
        now = now_ns()
        stage.run.log.record("client", node, "reply", {
            "service": service, "ok": ok, "sent_ns": now - int(asked * 1e9), "from": node,
            "status": 200 if ok else None, "error": None if ok else "refused"}, t_ns=now)
    return go


def fault_was(stage, seconds_ago: float) -> None:
    stage.last_fault_ns = now_ns() - int(seconds_ago * 1e9)


# -- fencing -------------------------------------------------------------------------------------------------------


def test_is_fenced(stage, say):
    red(then.is_fenced, stage, A, SOON, match="rs-01 fenced: not within 0.2 s of the fault")
    say("rs-02", "power.off", why="fence")
    red(then.is_fenced, stage, A, "0.1", match="not within")
    say("rs-01", "power.off", why="crash")
    red(then.is_fenced, stage, A, "0.1", match="not within")
    say("rs-01", "power.off", why="fence")
    fault_was(stage, 0.1)
    green(then.is_fenced, stage, A, "5")


def test_a_fencing_before_the_fault_does_not_count(stage, say):
    say("rs-01", "power.off", seconds_ago=1, why="fence")
    red(then.is_fenced, stage, A, "0.1")


def test_a_fencing_that_came_too_late_is_told_apart(stage, say):
    fault_was(stage, 10)
    say("rs-01", "power.off", why="fence")
    red(then.is_fenced, stage, A, "5", match=r"too late, after 10.0 s; 5 s were allowed")


def test_the_deadline_is_counted_from_the_fault(stage, say):
    fault_was(stage, 10)
    begun = time.monotonic()
    red(then.is_fenced, stage, A, "5", match="not within 5 s")
    assert time.monotonic() - begun < 1


def test_an_event_that_comes_while_it_is_waited_for(stage, say):
    timer = threading.Timer(0.1, lambda: say("rs-01", "power.off", why="fence"))
    timer.start()
    green(then.is_fenced, stage, A, "5")
    timer.join()


def test_is_not_fenced(stage, say):
    say("rs-02", "power.off", why="fence")
    green(then.is_not_fenced, stage, A, "0.1")
    say("rs-01", "power.off", why="fence")
    red(then.is_not_fenced, stage, A, "0.1", match="rs-01 was fenced")


def test_is_not_fenced_sees_what_is_still_to_come(stage, say):
    timer = threading.Timer(0.05, lambda: say("rs-01", "power.off", why="fence"))
    timer.start()
    red(then.is_not_fenced, stage, A, "5")
    timer.join()


def test_nobody_fenced(stage, say):
    say("rs-02", "power.off", why="power_off")
    green(then.nobody_fenced, stage)
    green(then.nobody_fenced_for, stage, "0.1")
    say("rs-02", "power.off", why="fence")
    red(then.nobody_fenced, stage, match="a node was fenced.*rs-02 power.off")
    red(then.nobody_fenced_for, stage, "0.1", match="a node was fenced")


def test_nobody_fenced_for_waits(stage, say):
    timer = threading.Timer(0.05, lambda: say("rs-02", "power.off", why="fence"))
    timer.start()
    red(then.nobody_fenced_for, stage, "5")
    timer.join()


# -- the service ---------------------------------------------------------------------------------------------------


def test_relocates(stage, reply):
    reply("rs-01")
    red(then.relocates, stage, "web", B, SOON, match="web answered by rs-02: not within")
    reply("rs-02", ok=False)
    reply("rs-02", service="other")
    reply("rs-02", asked=60)  # asked before the fault
    red(then.relocates, stage, "web", B, "0.1")
    fault_was(stage, 0.01)
    reply("rs-02")
    green(then.relocates, stage, "web", B, "5")


def test_a_relocation_too_late(stage, reply):
    fault_was(stage, 40)
    reply("rs-02")
    red(then.relocates, stage, "web", B, "30", match="too late, after 40")


def test_answers(stage, reply):
    reply("rs-01", ok=False)
    reply("rs-01", asked=60)
    reply("rs-01", service="other")
    red(then.answers, stage, "web", SOON, match="web answering: not within")
    reply(None)
    green(then.answers, stage, "web", "5")


def test_answers_by_a_node_that_is_lost_do_not_count(stage, reply):
    log = stage.run.log
    log.record("fault", None, "fault.begin", {"id": 1, "fault": "cut-off", "targets": ["rs-01"], "params": {},
                                              "cost": {"lost": ["rs-01"]}})
    log.record("fault", None, "fault.injected", {"id": 1})
    end = keep(reply, "rs-01")
    red(then.answers, stage, "web", "0.4", match="web answering: not within")
    end()
    stage.last_fault_ns = now_ns()
    end = keep(reply, "rs-02")
    green(then.answers, stage, "web", "5")
    end()


def test_answers_where_nobody_is_left_count_all_the_same(stage, reply):
    """Who is lost is told by costs: where all are, whoever answers is not told apart by them."""
    log = stage.run.log
    log.record("fault", None, "fault.begin", {"id": 1, "fault": "meteorite", "targets": ["rs-01", "rs-02"],
                                              "params": {}, "cost": {"lost": ["rs-01", "rs-02"]}})
    log.record("fault", None, "fault.injected", {"id": 1})
    end = keep(reply, "rs-01")
    green(then.answers, stage, "web", "5")
    end()


def test_stops_answering(stage, reply):
    reply("rs-01")
    reply(None, ok=False, asked=60)
    reply(None, ok=False, service="other")
    red(then.stops_answering, stage, "web", SOON, match="web not answering: not within")
    reply(None, ok=False)
    green(then.stops_answering, stage, "web", "5")


def keep(reply, *arguments, **named):
    """Goes on replying until the returned function is called."""
    stop = threading.Event()

    def go():
        while not stop.wait(0.02):
            reply(*arguments, **named)
    thread = threading.Thread(target=go)
    thread.start()

    def end():
        stop.set()
        thread.join()
    return end


def test_stays(stage, reply):
    end = keep(reply, "rs-01")
    try:
        green(then.stays, stage, "web", A, "0.1")
        reply("rs-02")  # asked before the step: where it was is no matter
        green(then.stays, stage, "web", A, "0.1")
        timer = threading.Timer(0.1, reply, ["rs-02"])
        timer.start()
        red(then.stays, stage, "web", A, "5", match="web was answered by another node than rs-01")
        timer.join()
    finally:
        end()


def test_stays_of_what_real_servers_answer(tmp_path, monkeypatch):
    with make_cluster(load_topology("lvs-keepalived"), tmp_path) as cluster:
        scene = make_scene(cluster, tmp_path, "web")
        vip = {"ip": "192.168.70.200", "device": "eth1"}
        monkeypatch.setattr(cluster, "holdings_of", lambda node: [f"address {vip['ip']}"] * (node == "lb1"))

        def answer():
            data = {"service": "web", "ok": True, "sent_ns": now_ns(), "from": "www1", "status": 200, "error": None}
            cluster.log.record("client", "www1", "reply", data)
        timer = threading.Timer(0.2, answer)
        timer.start()
        green(then.stays, scene, "web", A, "0.1")
        timer.join()
        red(then.stays, scene, "web", B, "0.1", match="lb2 has not got 192.168.70.200; it has nothing")
        red(then.stays, scene, "web", A, "0.1", match="web answered")
        timer = threading.Timer(0.1, lambda: cluster.log.record("guest", "lb2", "address", {**vip, "present": True}))
        timer.start()
        red(then.stays, scene, "web", A, "5", match="192.168.70.200 on another node than lb1")
        timer.join()


def test_what_was_asked_while_the_fault_was_being_injected_tells_nothing(stage, say, reply):
    """Seen: 185 ms of a busy host between the decision to cut the power and the cut."""
    fault_was(stage, 5)
    reply("rs-01", asked=4.9)
    reply("rs-02", asked=4.9)
    say(None, "fault.injected", seconds_ago=4.8, id=1)
    say("rs-01", "listen", port=80, present=True)
    red(then.answers, stage, "web", "5.2", match="web answering: not within")
    red(then.relocates, stage, "web", B, "5.2", match="web answered by rs-02: not within")
    red(then.restarted_in_place, stage, "web", A, "5.2", match="web answered by rs-01: not within")
    red(directors.machine_answers, stage, A, "web", "5.2", match="web answered by rs-01: not within")


def test_silence_is_no_staying(stage, reply, monkeypatch):
    real = stage.run.log.wait_for
    monkeypatch.setattr(stage.run.log, "wait_for", lambda p, within, *rest: real(p, min(within, 0.1), *rest))
    reply("rs-01")
    red(then.stays, stage, "web", A, "0.05", match="web answered by rs-01")


def test_stays_away(stage, reply):
    reply("rs-01")  # before the step began
    green(then.stays_away, stage, "web", "0.1")
    end = keep(reply, "rs-02", ok=False)
    green(then.stays_away, stage, "web", "0.1")
    end()
    end = keep(reply, "rs-02")
    red(then.stays_away, stage, "web", "5", match="web answered")
    end()


def test_restarted_in_place(stage, say, reply):
    reply("rs-01")
    say("rs-01", "listen", port=80, present=False)
    say("rs-01", "listen", port=81, present=True)
    say("rs-02", "listen", port=80, present=True)
    red(then.restarted_in_place, stage, "web", A, SOON, match="web's daemon restarted on rs-01: not within")
    stage.last_fault_ns = now_ns()
    say("rs-01", "listen", port=80, present=True)
    red(then.restarted_in_place, stage, "web", A, SOON, match="web answered by rs-01: not within")
    stage.last_fault_ns = now_ns()
    say("rs-01", "listen", port=80, present=True)
    reply("rs-01")
    green(then.restarted_in_place, stage, "web", A, "5")


# -- quorum and membership -----------------------------------------------------------------------------------------


def test_loses_quorum(stage, say):
    say("rs-01", "quorum", quorate=True, members=["rs-01"])
    say("rs-02", "quorum", quorate=False, members=["rs-02"])
    red(then.loses_quorum, stage, A, SOON, match="rs-01 without quorum: not within")
    say("rs-01", "quorum", quorate=False, members=["rs-01"])
    green(then.loses_quorum, stage, A, "5")


def test_survivors_have_quorum(stage):
    cluster = stage.cluster
    cluster.machines["rs-01"].state = Power.OFF
    cluster.quorum["rs-01"] = None
    green(then.survivors_have_quorum, stage)
    cluster.stack.changes = {"quorate": False}
    red(then.survivors_have_quorum, stage, match="rs-02 has quorum, but the partition of its DC")
    cluster.stack.changes = {}
    cluster.quorum["rs-02"] = {"quorate": False, "members": ["rs-02"]}
    red(then.survivors_have_quorum, stage, match="no node that ran all the time has quorum; these did: rs-02")
    cluster.quorum["rs-02"] = None
    red(then.survivors_have_quorum, stage)
    cluster.quorum["rs-01"] = {"quorate": True, "members": ["rs-01"]}  # what a node that is off once said
    red(then.survivors_have_quorum, stage)
    cluster.machines["rs-02"].state = Power.PAUSED
    red(then.survivors_have_quorum, stage, match="these did: none")


def test_a_survivor_whose_pacemaker_was_stopped_alone_need_not_tell(stage, monkeypatch):
    real = stage.cluster.stack.state

    def state(node=None, within=10.0):
        if node == "rs-01":
            raise ClusterSilent("no member tells the cluster's state", nodes=("rs-01",))
        return real(node, within)
    monkeypatch.setattr(stage.cluster.stack, "state", state)
    green(then.survivors_have_quorum, stage)
    stage.cluster.stack.changes = {"quorate": False}
    red(then.survivors_have_quorum, stage, match="has quorum, but the partition of its DC")


def test_a_node_that_was_started_again_is_no_survivor(stage, say):
    stage.cluster.quorum["rs-02"] = {"quorate": False, "members": ["rs-02"]}
    green(then.survivors_have_quorum, stage)
    say("rs-01", "power.on")
    red(then.survivors_have_quorum, stage, match="these did: rs-02")
    say("rs-02", "power.on")
    red(then.survivors_have_quorum, stage, match="these did: none")


def test_runs_nowhere(stage):
    cluster = stage.cluster
    green(then.runs_nowhere, stage, "web", SOON)
    cluster.holdings = {"rs-02": ["mount /srv/www"]}
    red(then.runs_nowhere, stage, "web", SOON, match="no node to hold a part of web")
    cluster.machines["rs-02"].state = Power.OFF
    with pytest.raises(Undecided, match=r"it is so [\d.]+ s after the fault; whether it was so within 0.2 s"):
        then.runs_nowhere(stage, "web", SOON)
    stage.last_fault_ns = now_ns()
    green(then.runs_nowhere, stage, "web", SOON)


@pytest.mark.parametrize("part", ["mount /srv/www", "address 192.168.98.244", "listen 80"])
def test_every_part_of_it_counts(stage, part):
    stage.cluster.holdings = {"rs-01": [part]}
    red(then.runs_nowhere, stage, "web", SOON, match="no node to hold a part of web")
    stage.last_fault_ns = now_ns()
    red(then.node_stops, stage, A, "web", SOON, match="rs-01 to have stopped web")


def test_parts_of_other_services_do_not_count(tmp_path):
    """Whether another service runs is not what is asked; nor is anything of this one overlooked."""
    with make_cluster(load_topology("services-3"), tmp_path) as cluster:
        cluster.pace = 0.04
        scene = make_scene(cluster, tmp_path, "web")
        services = cluster.topology.services
        mine = services["web"]
        theirs = [f"{kind} {value}" for name, one in services.items() if name != "web" for kind, value in (
            ("address", one.vip and one.vip.address), ("mount", one.filesystem and one.filesystem.mountpoint),
            ("listen", one.daemon and one.daemon.port)) if value]
        assert theirs
        node = scene.node(A)
        cluster.holdings = {name: theirs for name in cluster.topology.cluster_nodes}
        for step in (lambda: then.runs_nowhere(scene, "web", "5"), lambda: then.node_stops(scene, A, "web", "5")):
            cluster.holdings[node] = theirs
            scene.last_fault_ns = now_ns()
            green(step)
            cluster.holdings[node] = [*theirs, f"address {mine.vip.address}"]
            red(step, match="to hold a part of web|to have stopped web")


def test_a_port_that_two_services_have_tells_of_neither(stage):
    web = stage.cluster.topology.services["web"]
    both = stage.cluster.topology.model_copy(update={"services": {"web": web, "other": web}})
    stage.cluster.topology = both
    stage.cluster.holdings = {"rs-01": ["listen 80"]}
    green(then.node_stops, stage, A, "web", "5")


def test_node_stops(stage):
    cluster = stage.cluster
    cluster.holdings = {"rs-01": ["address 192.168.98.244"], "rs-02": []}
    red(then.node_stops, stage, A, "web", SOON, match="rs-01 to have stopped web")
    stage.last_fault_ns = now_ns()
    green(then.node_stops, stage, B, "web", SOON)
    timer = threading.Timer(0.1, cluster.holdings.clear)
    timer.start()
    green(then.node_stops, stage, A, "web", "5")
    timer.join()


def test_rejoins(stage):
    cluster = stage.cluster
    green(then.rejoins, stage, A, SOON)
    cluster.machines["rs-01"].state = Power.OFF
    red(then.rejoins, stage, A, SOON, match="rs-01 online again")
    cluster.stack.broken = ClusterError("no member tells the cluster's state")
    red(then.rejoins, stage, A, SOON, match="rs-01 online again")


def test_whole_again(stage):
    green(then.whole_again, stage, SOON)
    stage.cluster.answering["web"] = False
    red(then.whole_again, stage, SOON, match="web does not answer on its VIP")
    stage.cluster.answering["web"] = True
    with pytest.raises(Undecided, match="the cluster whole: it is so"):
        then.whole_again(stage, SOON)


# -- real servers behind a director --------------------------------------------------------------------------------


def test_all_answered(stage, reply):
    end = keep(reply, None, ok=False)
    red(directors.all_answered, stage, "web", SOON, match="web to answer everybody: not within 0.2 s")
    end()
    stage.last_fault_ns = now_ns()
    end = keep(reply, "rs-02")
    green(directors.all_answered, stage, "web", SOON)
    end()


def test_only_answers(stage, reply):
    end = keep(reply, "rs-02")
    green(directors.only_answers, stage, B, "web", "0.1")
    reply("rs-01")  # before the step began
    green(directors.only_answers, stage, B, "web", "0.1")
    end()
    end = keep(reply, "rs-01")
    red(directors.only_answers, stage, B, "web", "5", match="web was answered by another machine than rs-02")
    end()


def test_silence_is_no_answer(stage, monkeypatch):
    real = stage.run.log.wait_for
    monkeypatch.setattr(stage.run.log, "wait_for", lambda p, within, *rest: real(p, min(within, 0.1), *rest))
    red(directors.only_answers, stage, B, "web", "0.05", match="web answered by rs-02")


def test_machine_answers(stage, reply):
    reply("rs-01")
    reply("rs-02", asked=60)
    reply("rs-02", ok=False)
    red(directors.machine_answers, stage, B, "web", SOON, match="web answered by rs-02: not within")
    reply("rs-02")
    green(directors.machine_answers, stage, B, "web", "5")


# -- the judge's promises ------------------------------------------------------------------------------------------


@pytest.fixture
def judged(tmp_path):
    """A scene whose log holds what the judge's tests wrote."""
    made = []

    def go(log: logs.Log):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        manager = make_cluster(log.topology, folder)
        cluster = manager.__enter__()
        made.append(manager)
        scene = make_scene(cluster, folder, "web")
        cluster.log.switch(None)  # asking the owner wrote a state
        for event in log.events:
            cluster.log.emit(event)
        return scene
    yield go
    for manager in made:
        manager.__exit__(None, None, None)


def stood() -> logs.Log:
    return logs.Log().baseline().ready(2.0).ticks(0.1, 40, logs.A, logs.B).good(0.1, 40, logs.A)


def restless() -> logs.Log:
    """rs-01 forms one membership after the other."""
    log = stood()
    for number in range(10):
        log.quorum(15 + 2 * number, logs.A, True, *((logs.A,) if number % 2 else (logs.A, logs.B)))
    return log


def doubtful_mount() -> logs.Log:
    """rs-02 mounts, and for all that is known rs-01 had not let go."""
    return stood().mount(20.0, logs.A, False, late=5.0).mount(20.01, logs.B, late=5.0).end(40)


BROKEN = {
    "single mount": (lambda: stood().mount(20, logs.B).end(40), "single mount: .*rs-02"),
    "single writer": (lambda: stood().mount(20, logs.B).write(20, logs.A).write(21, logs.B).write(22, logs.A).end(40),
                      "single writer: .*rs-02"),
    "single VIP owner": (lambda: stood().vip(20, logs.B).arp(20.02, logs.B, "gratuitous").end(40),
                         "single VIP owner: .*rs-02"),
    "one instance": (lambda: stood().listen(20, logs.B).end(40), "one instance: .*rs-02"),
    "membership settles": (lambda: restless().end(40), "membership settles: .*rs-01 had"),
    "no service without quorum": (lambda: stood().quorum(10, logs.A, False, logs.A).end(40),
                                  "no service without quorum: .*rs-01"),
    "fence before takeover": (
        lambda: stood().fault(10, "network-cut", logs.A, node=logs.A, networks=["heartbeat"])
        .quorum(11, logs.B, True, logs.B).mount(20, logs.B).end(40), "fence before takeover: .*rs-02"),
    "placement": (lambda: test_placement.apart().app(20, logs.A).end(40),
                  "placement: .*app and web were both on rs-01"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_promise(judged, name):
    step = promise(name)
    log, match = BROKEN[name]
    green(step, judged(logs.green()))
    red(step, judged(log()), match=match)


@pytest.mark.parametrize("name", BROKEN)
def test_a_step_is_not_reassured_by_an_expectation(judged, name):
    """The step says "never": that the scenario expected it does not make it true."""
    log, match = BROKEN[name]
    red(promise(name), judged(log().expect_break(match.partition(":")[0])), match=match)
    green(promise(name), judged(logs.green().expect_break(match.partition(":")[0])))


def test_what_the_evidence_leaves_open_was_not_never(judged):
    red(promise("single mount"), judged(doubtful_mount()), match="single mount: ")


def test_what_the_next_moment_decides_is_waited_for(judged):
    """Asked between the new master's address and the old one's letting go of it: seen."""
    log = logs.Log().baseline().ready(2.0).ticks(0.1, 20, logs.A, logs.B).good(0.1, 20, logs.A)
    log.topology = log.topology.model_copy(update={"stack": Keepalived(kind="keepalived", advert_interval=0.2)})
    scene = judged(log.vip(20, logs.B))
    red(promise("single VIP owner"), scene, match="single VIP owner: .*may have been configured")
    released = logs.Log(log.topology).vip(20.1, logs.A, False).events[-1]
    timer = threading.Timer(0.3, lambda: scene.cluster.log.emit(released))
    timer.start()
    green(promise("single VIP owner"), scene)
    timer.join()


def test_promise_broken(judged):
    def broken_after(seconds: float, log: logs.Log):
        # the log's stamps may lie ahead of a host's clock that has only just begun
        scene = judged(log)
        scene.last_fault_ns = scene.finding("single mount").at_ns - int(seconds * 1e9)
        return scene
    planted = BROKEN["single mount"][0]
    green(then.promise_broken, broken_after(0.1, planted()), "single mount", SOON)
    green(then.promise_broken, broken_after(0.1, planted().expect_break("single mount")), "single mount", SOON)
    red(then.promise_broken, judged(logs.green()), "single mount", SOON, match="the promise 'single mount' to break")
    red(then.promise_broken, judged(logs.green().expect_break("single mount")), "single mount", SOON)
    red(then.promise_broken, judged(doubtful_mount()), "single mount", SOON)
    red(then.promise_broken, broken_after(0.3, planted()), "single mount", SOON,
        match=r"did too late, after 0\.3 s; 0\.2 s were allowed")
    red(then.promise_broken, judged(logs.green()), "eternal peace", SOON, match="no promise 'eternal peace'")


def test_the_promises_of_the_steps_exist():
    assert {match.partition(":")[0] for _, match in BROKEN.values()} <= set(PROMISES)


def test_outage_at_most(judged):
    scene = judged(logs.green())  # 3.1 s
    green(then.outage_at_most, scene, "web", "3.5")
    red(then.outage_at_most, scene, "web", "3", match=r"web was away for 3\.1\d s, at most 3 s were allowed")
    green(then.outage_at_most, judged(stood().end(40)), "web", "0.1")


def test_same_configuration(stage):
    for session in stage.cluster.sessions.values():
        session.answer = lambda command: (0, "5f1e  -\n")
    green(then.same_configuration, stage)
    stage.cluster.sessions["rs-02"].answer = lambda command: (0, "a0b1  -\n")
    red(then.same_configuration, stage, match="rs-01 5f1e, rs-02 a0b1")


def test_audited(stage):
    fine = ("df Filesystem 1024-blocks Used Available Capacity Mounted on\ndf /dev/root 1000 400 600 40% /\n"
            "df tmpfs 1000 10 990 1% /var/log\nlog /var/log/corosync/corosync.log 812\n")
    for session in stage.cluster.sessions.values():
        session.answer = lambda command: (0, fine)
    green(then.audited, stage)
    for line, words in (("core /var/lib/pacemaker/cores/core.812", "rs-02: core file .*/core.812"),
                        ("crash [ 12.1] corosync[99]: segfault at 0 ip 00", "rs-02: a process crashed: .*segfault"),
                        ("df /dev/sdb 100 97 3 97% /srv", "rs-02: /srv has only 3 % free"),
                        ("log /var/log/pacemaker/pacemaker.log 0", "rs-02: nothing was logged to .*pacemaker.log")):
        stage.cluster.sessions["rs-02"].answer = lambda command, line=line: (0, f"{fine}{line}\n")
        red(then.audited, stage, match=words)


# -- what all of them have in common -------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["the moon", "node rs-09", 'node "rs 01"', "rs-01", "the second standby"])
def test_an_unknown_node_is_not_the_clusters_failure(stage, words):
    with pytest.raises(ClusterError, match="is no node here; say the active node"):
        then.is_fenced(stage, words, SOON)


@pytest.mark.parametrize(("words", "node"), [
    (A, "rs-01"), (B, "rs-02"), ("the node that holds the VIP", "rs-01"), ("node rs-02", "rs-02"),
    ('the node "san-01"', "san-01"), ("the storage host", "san-01")])
def test_who_is_meant(stage, words, node):
    assert stage.node(words) == node


def test_roles_stay_with_whom_they_had_when_the_scenario_began(stage):
    stage.cluster.owners["web"] = "rs-02"
    assert stage.node(A) == "rs-01"


def test_what_a_scenario_waits_for_and_does_not_get_makes_it_invalid(stage, say):
    with pytest.raises(FaultError, match="waited .* for the moon"):
        stage.await_event(lambda event: event.kind == "moon", 0.1, "the moon")
    say(None, "scenario.end")
    evidence = stage.finding("evidence")
    assert evidence.verdict is Verdict.INVALID
    assert "awaited" in [event["data"].get("fault") for event in evidence.evidence]
    assert [event.data["reason"] for event in stage.run.log.events() if event.kind == "fault.unconfirmed"] == [
        "waited 0.1 s for the moon; it did not happen"]
    say(None, "moon")
    assert stage.await_event(lambda event: event.kind == "moon", 0.1, "the moon") >= 0


def test_a_promise_about_time_is_a_failed_assertion():
    assert issubclass(NotInTime, AssertionError)


@pytest.mark.parametrize("colour", ["green", "red"])
def test_every_then_step_has_its_tests(colour):
    """A Then-step for which nobody wrote ``red(then.its_name, ...)`` above could be one that never fails."""
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    covered = {*re.findall(rf"\b{colour}\(\w+\.(\w+)", text), *BROKEN,
               *re.findall(rf'\b{colour}\(promise\("([^"]+)"\)', text)}
    names = then_steps()
    assert len(names) >= 20
    assert names - covered == set()
