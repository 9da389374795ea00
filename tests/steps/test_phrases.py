"""The sentences of the features: each is taken by exactly one step; the words become the right values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytest_bdd.feature import get_feature
from pytest_bdd.steps import step_function_context_registry

from fenceline.core.errors import ClusterError, FaultError
from fenceline.machines.protocol import Power
from fenceline.scenario.features import step_problems, title_problems
from fenceline.steps import given, when
from fenceline.steps.words import phrase
from tests.clocks import now_ns

FEATURES = Path(__file__).parents[2] / "features"
FILES = sorted(FEATURES.rglob("*.feature"))


def contexts():
    found = {id(context): context for context in step_function_context_registry.values()}.values()
    return [context for context in found if context.step_func.__module__.startswith("fenceline.steps.")]


def takers(sentence: str, kind: str) -> set[str]:
    return {context.step_func.__name__ for context in contexts()
            if context.type in (None, kind) and context.parser.is_matching(sentence)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sentence_of_the_features_is_taken_by_one_step(path):
    feature = get_feature(str(path.parent), path.name)
    assert feature.scenarios
    assert list(step_problems(path, feature)) == []
    assert list(title_problems(path)) == []


def test_there_are_features():
    assert len(FILES) >= 7


@pytest.mark.parametrize(("sentence", "kind", "taker"), [
    ("nobody is fenced", "then", "nobody_fenced"),
    ("nobody is fenced for 8 seconds", "then", "nobody_fenced_for"),
    ("the active node is fenced within 20 seconds", "then", "is_fenced"),
    ("the active node is fenced within 1 second", "then", "is_fenced"),
    ("the active node is not fenced for 2.5 seconds", "then", "is_not_fenced"),
    ('"web" answers within 3 seconds', "then", "answers"),
    ('"web" does not answer for 3 seconds', "then", "stays_away"),
    ('"web" stops answering within 3 seconds', "then", "stops_answering"),
    ('the active node stops "web" within 3 seconds', "then", "node_stops"),
    ("the power of the active node is cut", "when", "power-off"),
    ("as many of the packets on the heartbeat network are dropped as the cluster tolerates", "when",
     "as_many_dropped_as_tolerated"),
    ("the storage network of node rs-01 is cut", "when", "network-cut"),
    ('the network "storage" of node rs-01 is cut', "when", "network-cut"),
    ("all networks of the active node are cut", "when", "network-cut"),
    ("the cluster is whole again within 9 seconds", "when", "whole_again"),
    ("the cluster is whole again within 9 seconds", "then", "whole_again"),
    ("the fencing device of the standby does not answer", "given", "fence-device-dead"),
    ('the topology "x" is up and "web" is answering', "given", "topology_is_up"),
    ('the topology "x" is up and "web" is answering, with', "given", "changed_topology_is_up"),
    ("the standby has lost sight of the active node within 10 seconds", "when", "lost_sight"),
])
def test_a_sentence_and_its_step(sentence, kind, taker):
    assert takers(sentence, kind) == {taker}


@pytest.mark.parametrize(("sentence", "kind"), [
    ("the active node is fenced", "then"),
    ("the active node is fenced within 20 s", "then"),
    ("the active node is fenced within soon seconds", "then"),
    ("the active node is fenced within -1 seconds", "then"),
    ("the active node is fenced within 20 seconds or so", "then"),
    ("the active node is not fenced", "then"),
    ("nobody is fenced at all", "then"),
    ("the beat network of the active node is cut", "when"),
    ("the power of the active node is cut", "then"),
    ("the active node is fenced within 20 seconds", "when"),
    ("web answers within 3 seconds", "then"),
])
def test_what_nobody_may_take(sentence, kind):
    assert takers(sentence, kind) == set()


def test_no_two_steps_take_what_either_was_written_for():
    """Each pattern, filled in, is taken by its own step alone."""
    words = {"<node>": "the active node", "<other>": "the standby", "<seconds>": "5 seconds", "<service>": '"web"',
             "<network>": 'network "ring-a"'}
    for context in contexts():
        sentence = _filled(context.parser.name, words)
        assert takers(sentence, context.type or "given") == {context.step_func.__name__}, sentence


def _filled(pattern: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        taken = re.escape(phrase(word).name.removesuffix("$"))
        pattern = re.sub(taken.replace(re.escape(word), r"<\w+>"), lambda _, value=value: value, pattern)
    pattern = re.sub(r'\(\?P<\w+>\[\^"\]\+\)', "x", pattern)                           # anything in quotes
    pattern = re.sub(r"\(\?P<\w+>\\d\+(\(\?:\\\.\\d\+\)\?)?\)", "10", pattern)  # a number
    pattern = re.sub(r"\(\?P<\w+>(\[a-z\]\[A-Za-z0-9-\]\*|\[a-z-\]\+)\)", "one-word", pattern)    # a name
    pattern = re.sub(r"\(\?P<\w+>([a-z-]+)(\|[a-z-]+)+\)", r"\1", pattern)              # one of several words
    pattern = re.sub(r"\(\?P<\w+>(\.|\[\^:\])\+\)", "so be it", pattern)                  # anything
    return pattern.replace("seconds?", "seconds").removesuffix("$")


@pytest.mark.parametrize(("words", "node", "seconds"), [
    ("the active node is fenced within 20 seconds", "the active node", "20"),
    ("node rs-01 is fenced within 1.5 seconds", "node rs-01", "1.5"),
    ('the node "rs-01" is fenced within 1 second', 'the node "rs-01"', "1"),
    ("the node that holds the VIP is fenced within 3 seconds", "the node that holds the VIP", "3"),
    ("the second standby is fenced within 3 seconds", "the second standby", "3"),
    ("the node that serves now is fenced within 3 seconds", "the node that serves now", "3"),
    ('the node that serves "web" now is fenced within 3 seconds', 'the node that serves "web" now', "3"),
])
def test_words_become_values(words, node, seconds):
    assert phrase(r"<node> is fenced within <seconds>").parse_arguments(words) == {"node": node, "seconds": seconds}


# -- what the When-steps inject ------------------------------------------------------------------------------------


@pytest.fixture
def injected(stage, monkeypatch):
    """What was injected and healed, without doing it."""
    done = []
    monkeypatch.setattr(stage, "inject", lambda name, **parameters: done.append(("inject", name, parameters)))
    monkeypatch.setattr(stage, "heal_any", lambda wanted: done.extend(("heal", *one) for one in wanted))
    return done


NETWORKS = ("heartbeat", "service", "storage", "management")
SENTENCES = {
    "the storage network of the standby is cut": ("inject", "network-cut", {"node": "rs-02", "networks": ("storage",)}),
    'the network "heartbeat" of the active node is cut': (
        "inject", "network-cut", {"node": "rs-01", "networks": ("heartbeat",)}),
    "all networks of the active node are cut": ("inject", "network-cut", {"node": "rs-01", "networks": NETWORKS}),
    "the networks of the active node are mended": ("heal", "network-cut", {"node": "rs-01"}),
    "the power of the active node is cut": ("inject", "power-off", {"node": "rs-01"}),
    "the active node is switched on": ("heal", "power-off", {"node": "rs-01"}),
    "the active node panics": ("inject", "panic", {"node": "rs-01"}),
    "the active node hangs": ("inject", "hang", {"node": "rs-01"}),
    "the active node wakes up": ("heal", "hang", {"node": "rs-01"}),
    "12.5 % of the packets on the heartbeat network are dropped": (
        "inject", "packet-drop", {"network": "heartbeat", "percent": 12.5}),
    "the CPU of the active node is overloaded for 60 seconds": (
        "inject", "cpu-overload", {"node": "rs-01", "seconds": 60.0}),
    'the daemon "corosync" is killed on the standby': (
        "inject", "daemon-kill", {"node": "rs-02", "daemon": "corosync"}),
    'all processes of the daemon "corosync" are killed on the standby': (
        "inject", "daemon-kill", {"node": "rs-02", "daemon": "corosync", "processes": "all"}),
    'the process of "web" is killed': ("inject", "service-kill", {"node": "rs-01", "service": "web"}),
    '"web" is moved to the standby': ("inject", "move", {"service": "web", "node": "rs-02"}),
    "the active node is put into standby": ("inject", "standby", {"node": "rs-01"}),
    "the active node is taken out of standby": ("heal", "standby", {"node": "rs-01"}),
    "the fencing device of the active node stops answering": ("inject", "fence-device-dead", {"node": "rs-01"}),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_a_sentence_does(stage, injected, sentence):
    context = next(context for context in contexts()
                   if context.type == "when" and context.parser.is_matching(sentence))
    context.step_func(stage, **context.parser.parse_arguments(sentence))
    assert injected == [SENTENCES[sentence]]


def test_a_wait_that_is_not_met_is_no_failure_of_the_cluster(stage):
    stage.run.log.record("guest", "rs-02", "quorum", {"quorate": True, "members": ["rs-01", "rs-02"]})
    with pytest.raises(FaultError, match="rs-02 to lose sight of rs-01"):
        when.lost_sight(stage, "the standby", "the active node", "0.1")
    stage.run.log.record("guest", "rs-02", "quorum", {"quorate": True, "members": ["rs-02"]})
    when.lost_sight(stage, "the standby", "the active node", "0.1")


def test_all_are_healed_or_it_is_said_which_are_not(stage):
    stage.last_fault_ns = 0
    stage.inject("standby", node="rs-01")
    began = now_ns()
    when.all_healed(stage)
    assert stage.cluster.faults.active == [] and stage.last_fault_ns > began
    stage.inject("network-cut", node="rs-01", networks=("storage",))
    stage.cluster.machines["rs-01"].stuck = "link"
    with pytest.raises(ClusterError, match="could not be healed: network-cut: the cables of rs-01 in storage"):
        when.all_healed(stage)


def test_only_what_is_meant_is_healed(stage):
    stage.inject("network-cut", node="rs-01", networks=("storage",))
    stage.inject("network-cut", node="rs-02", networks=("storage",))
    stage.heal("network-cut", node="rs-01")
    assert [active.fault.node for active in stage.cluster.faults.active] == ["rs-02"]
    with pytest.raises(ClusterError, match="no fault network-cut is in force that could be healed"):
        stage.heal("network-cut", node="rs-01")


def test_the_clock_starts_before_the_fault(stage):
    stage.last_fault_ns = 0
    began = now_ns()
    active = stage.inject("standby", node="rs-01")
    assert began <= stage.last_fault_ns <= active.begun_ns


# -- Given ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a: [1", "- 1", "just words", ""])
def test_changes_that_are_no_mapping(stage, text):
    with pytest.raises(FaultError, match="the changes to topology 'web-iscsi' are not"):
        given.changed_topology_is_up(stage, "web-iscsi", "web", text)


def test_an_expectation_is_written_down_or_refused(stage):
    given.expected_to_break(stage, "single mount")
    given.outage_expected(stage, "web", "so be it")
    assert [event.data for event in stage.run.log.events() if event.kind == "expect"] == [
        {"break": "single mount"}, {"outage": "web", "why": "so be it"}]
    with pytest.raises(FaultError, match="no promise 'peace'; there are .*single mount"):
        given.expected_to_break(stage, "peace")


def test_bring_up_changes_the_topology_and_knows_the_roles(stage, monkeypatch):
    stage._cluster = None
    with pytest.raises(ClusterError, match="needs a Given step"):
        _ = stage.cluster
    got = []

    def acquire(topology, begin, consoles):
        got.append(topology)
        begin()
        return cluster
    pool = stage.pool
    cluster = pool._cluster
    monkeypatch.setattr(pool, "acquire", acquire)
    given.changed_topology_is_up(stage, "web-iscsi", "web", "fencing: {delay: {rs-01: 4s, rs-02: 4s}}")
    assert got[0].fencing.delay == {"rs-01": 4.0, "rs-02": 4.0}
    assert got[0].stack.token == 1.0  # the rest is as it was
    assert [event.kind for event in stage.run.log.events()][-1] == "ready"
    with pytest.raises(ClusterError, match="has no service 'mail'; it has web"):
        given.topology_is_up(stage, "web-iscsi", "mail")


def test_a_second_standby_is_one(tmp_path):
    from fenceline.model.load import load_topology
    from tests.fakes import make_cluster, make_scene
    with make_cluster(load_topology("web-iscsi-3"), tmp_path) as cluster:
        scene = make_scene(cluster, tmp_path, "webservice")
        assert [scene.node(words) for words in ("the active node", "the standby", "the second standby")] == [
            "node1", "node2", "node3"]
        cluster.owners["webservice"] = "node2"
        scene._assign(cluster.topology, "webservice")
        assert [scene.node(words) for words in ("the active node", "the standby")] == ["node2", "node1"]
        assert cluster.machines["node1"].power() is Power.ON


def test_as_many_packets_are_dropped_as_corosync_bears_by_its_own_figures(stage, monkeypatch):
    asked = []
    monkeypatch.setattr(stage, "inject", lambda name, **parameters: asked.append((name, parameters)))
    when.as_many_dropped_as_tolerated(stage, "heartbeat network")
    assert asked == [("packet-drop", {"network": "heartbeat", "percent": 1.1})]
